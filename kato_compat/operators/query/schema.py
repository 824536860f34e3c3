"""`$jsonSchema`: documents that satisfy a JSON Schema (MongoDB manual: $jsonSchema).

The dialect is the server's: draft 4 without `$ref`, `$schema`, `default`, `definitions`, `format` and `id`, with
`bsonType` and the encryption keywords.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from bson.binary import Binary

from kato_compat.errors import fail
from kato_compat.ir.filter import DocumentOperator, FilterScope
from kato_compat.ir.predicate import AtPath, Predicate, Test, ValueTest
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.query import keywords
from kato_compat.operators.query.element import NUMBERS, alias
from kato_compat.values.types import BsonType, type_of

_PEOPLE: Final = ({"_id": 1, "name": "Ann", "age": 30}, {"_id": 2, "name": "Bo"}, {"_id": 3, "name": 7, "age": 1})

_UNSUPPORTED: Final = frozenset({"$ref", "$schema", "default", "definitions", "format", "id"})
_KEYWORDS: Final = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "allOf",
        "anyOf",
        "bsonType",
        "dependencies",
        "description",
        "encrypt",
        "encryptMetadata",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "not",
        "oneOf",
        "pattern",
        "patternProperties",
        "properties",
        "required",
        "title",
        "type",
        "uniqueItems",
    }
)
_JSON_TYPES: Final = {
    "array": frozenset({BsonType.ARRAY}),
    "boolean": frozenset({BsonType.BOOL}),
    "null": frozenset({BsonType.NULL}),
    "number": NUMBERS,
    "object": frozenset({BsonType.OBJECT}),
    "string": frozenset({BsonType.STRING}),
}


@register
class JsonSchema(DocumentOperator):
    """`$jsonSchema`: the document satisfies a schema (MongoDB manual: $jsonSchema)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$jsonSchema",
        Kind.QUERY,
        "3.6",
        "The document satisfies a JSON Schema.",
        examples=(
            Example(
                _PEOPLE,
                {"$jsonSchema": {"required": ["age"], "properties": {"name": {"bsonType": "string"}}}},
                [_PEOPLE[0]],
            ),
        ),
    )

    @classmethod
    def parse(cls, operand: Any, scope: FilterScope) -> Predicate:
        """See `DocumentOperator.parse`. Raises 14 for a wrong type, 9 (2 for an empty list) for another mistake."""
        if type(operand) is not dict:
            raise fail(14, "$jsonSchema must be an object")
        return AtPath((), Satisfies(operand, parse_schema(operand)))


@dataclass(frozen=True, slots=True)
class Satisfies(Test):
    """The value satisfies `schema`; `check` is its compiled form."""

    spec: ClassVar[Spec] = JsonSchema.spec
    unwinds: ClassVar[bool] = False
    schema: Mapping[str, Any]
    check: ValueTest = field(compare=False)

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        return self.check


def parse_schema(schema: Mapping[str, Any]) -> ValueTest:
    """The test that a value satisfies `schema`; raises the server's errors in the server's order."""
    for name in schema:
        if name in _UNSUPPORTED:
            raise fail(9, f"$jsonSchema keyword '{name}' is not currently supported")
        if name not in _KEYWORDS:
            raise fail(9, f"Unknown $jsonSchema keyword: {name}")
    for name in ("description", "title"):
        if name in schema and type(schema[name]) is not str:
            raise fail(14, f"$jsonSchema keyword '{name}' must be of type string")
    checks = _type_check(schema)
    checks += keywords.scalars(schema)
    checks += keywords.arrays(schema, parse_schema)
    checks += _encryption(schema)
    checks += keywords.objects(schema, parse_schema)
    checks += keywords.logic(schema, parse_schema)
    return keywords.every(checks)


def _type_check(schema: Mapping[str, Any]) -> list[ValueTest]:
    present = [name for name in ("type", "bsonType") if name in schema]
    if len(present) == 2:
        raise fail(9, "Cannot specify both $jsonSchema keywords 'type' and 'bsonType'")
    if present and "encrypt" in schema:
        raise fail(9, f"$jsonSchema keyword 'encrypt' cannot be used in conjunction with '{present[0]}'")
    if not present:
        return []
    types = _types(present[0], schema[present[0]])
    return [lambda value: type_of(value) in types]


def _types(keyword: str, operand: Any) -> frozenset[BsonType]:
    if type(operand) is not str and type(operand) is not list:
        raise fail(14, f"$jsonSchema keyword '{keyword}' must be either a string or an array of strings")
    names: list[str] = []
    for name in operand if type(operand) is list else [operand]:
        if type(name) is not str:
            raise fail(14, f"$jsonSchema keyword '{keyword}' array elements must be strings")
        if name == "integer":
            raise fail(9, "$jsonSchema type 'integer' is not currently supported.")
        if name in names:
            raise fail(9, f"$jsonSchema keyword '{keyword}' has duplicate value: {name}")
        names.append(name)
    types: set[BsonType] = set()
    for name in sorted(names):
        types |= _named(keyword, name)
    if not types:
        raise fail(9, f"$jsonSchema keyword '{keyword}' must name at least one type")
    return frozenset(types)


def _named(keyword: str, name: str) -> frozenset[BsonType]:
    if keyword == "type":
        if name not in _JSON_TYPES:
            raise fail(2, f"Unknown type name alias: {name}")
        return _JSON_TYPES[name]
    return NUMBERS if name == "number" else frozenset({alias(name)})


def _encryption(schema: Mapping[str, Any]) -> list[ValueTest]:
    if "encrypt" in schema and "encryptMetadata" in schema:
        raise fail(9, "Cannot specify both $jsonSchema keywords 'encrypt' and 'encryptMetadata'")
    for name in ("encryptMetadata", "encrypt"):
        if name in schema and type(schema[name]) is not dict:
            raise fail(14, f"$jsonSchema keyword '{name}' must be an object ")
    metadata = schema.get("encryptMetadata")
    if metadata is not None:
        if not metadata:
            raise fail(9, "$jsonSchema keyword 'encryptMetadata' cannot be an empty object ")
        _known_fields("encryptMetadata", metadata, ("algorithm", "keyId"))
    if "encrypt" not in schema:
        return []
    encrypt = schema["encrypt"]
    _known_fields("encrypt", encrypt, ("algorithm", "bsonType", "keyId"))
    kinds = _types("bsonType", encrypt["bsonType"]) if "bsonType" in encrypt else None
    return [_encrypted(kinds)]


def _known_fields(name: str, operand: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for part in operand:
        if part not in known:
            raise fail(40415, f"BSON field '{name}.{part}' is an unknown field.")


def _encrypted(kinds: frozenset[BsonType] | None) -> Callable[[Any], bool]:
    def test(value: Any) -> bool:
        # The blob's first byte is its kind, after it come 16 bytes of key, then the type of what was encrypted.
        if type(value) is not Binary or value.subtype != 6:
            return False
        return kinds is None or (len(value) > 17 and value[17] in kinds)

    return test
