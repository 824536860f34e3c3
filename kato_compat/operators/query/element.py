"""Element query operators: `$exists` and `$type` (MongoDB manual: Element Query Operators)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from kato_compat.errors import fail
from kato_compat.ir.filter import FieldOperator, FilterScope
from kato_compat.ir.predicate import AtPath, Not, Predicate, Test, ValueTest, truthy
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.query import push
from kato_compat.sql.column import Column
from kato_compat.sql.fragment import Pushed
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import Path
from kato_compat.values.types import BY_ALIAS, BsonType, is_number, type_of

_FIELDS: Final = ({"_id": 1, "a": None}, {"_id": 2}, {"_id": 3, "a": [1, "x"]})

#: The types that the alias ``number`` stands for.
NUMBERS: Final = frozenset({BsonType.INT, BsonType.LONG, BsonType.DOUBLE, BsonType.DECIMAL})


@register
@dataclass(frozen=True, slots=True)
class Exists(Test, FieldOperator):
    """`$exists`: the field is there, also with null (MongoDB manual: $exists). False is parsed to `Not`."""

    unwinds: ClassVar[bool] = False
    spec: ClassVar[Spec] = Spec(
        "$exists",
        Kind.QUERY,
        "1.0",
        "The field is present (true) or absent (false); null is present.",
        examples=(
            Example(_FIELDS, {"a": {"$exists": True}}, [_FIELDS[0], _FIELDS[2]]),
            Example(_FIELDS, {"a": {"$exists": False}}, [_FIELDS[1]]),
        ),
    )

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. The operand counts by its truth, as in expressions."""
        test = AtPath(path, cls())
        return test if truthy(operand) else Not(test)

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        return lambda value: value is not MISSING

    def push(self, column: Column) -> Pushed | None:
        """See `Test.push`: a column is always there."""
        return push.constant(True)


@register
@dataclass(frozen=True, slots=True)
class Type(Test, FieldOperator):
    """`$type`: the value is of one of `types` (MongoDB manual: $type)."""

    spec: ClassVar[Spec] = Spec(
        "$type",
        Kind.QUERY,
        "1.0",
        "A value of one of the given BSON types; for an array, also if one of its elements is.",
        examples=(
            Example(_FIELDS, {"a": {"$type": "null"}}, [_FIELDS[0]]),
            Example(_FIELDS, {"a": {"$type": ["number", 2]}}, [_FIELDS[2]]),
        ),
    )
    types: frozenset[BsonType]

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2, 9 or 14 for what names no type."""
        types = types_of(operand)
        if not types:
            raise fail(9, f"{'.'.join(path)} must match at least one type")
        return AtPath(path, cls(types))

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        types = self.types
        return lambda value: type_of(value) in types

    def push(self, column: Column) -> Pushed | None:
        """See `Test.push`: exact on every column whose values have one type."""
        return push.of_type(self.types, column)


def types_of(operand: Any) -> frozenset[BsonType]:
    """The types that an operand of `$type` names: a number, an alias, or a list of them.

    Raises 2 for a number or an alias that names no type, 14 for an operand of another type.
    """
    items = operand if type(operand) is list else [operand]
    types: set[BsonType] = set()
    for item in items:
        if type(item) is str:
            if item == "number":
                types |= NUMBERS
                continue
            types.add(alias(item))
        elif is_number(item):
            types.add(_numbered(item))
        else:
            raise fail(14, "type must be represented as a number or a string")
    return frozenset(types)


def alias(name: str) -> BsonType:
    """The type that an alias names. Raises 2 for another name."""
    kind = BY_ALIAS.get(name)
    if kind is None:
        raise fail(2, f"Unknown type name alias: {name}")
    return kind


def _numbered(item: Any) -> BsonType:
    number = float(str(item))
    if number == 0:
        raise fail(2, "Invalid numerical type code: 0. Instead use {$exists:false}.")
    try:
        return BsonType(number)  # type: ignore[arg-type]
    except ValueError as error:
        raise fail(2, f"Invalid numerical type code: {item}") from error
