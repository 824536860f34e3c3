"""The keywords of `$jsonSchema`, by the values that they restrict: a value of another type passes.

Each function takes the schema (and the parser of nested schemas) and gives the tests of the keywords that are
there; they raise the server's errors in the server's order.
"""

from collections.abc import Callable, Hashable, Mapping
from decimal import Context, Decimal
from typing import Any, Final, TypeAlias

from bson.decimal128 import Decimal128

from kato_compat.errors import fail
from kato_compat.ir.predicate import ValueTest
from kato_compat.operators.query import match
from kato_compat.operators.query.integer import integer
from kato_compat.values.equality import equality_key
from kato_compat.values.paths import fields_of
from kato_compat.values.regex import compile_regex
from kato_compat.values.types import alias_of, is_number

Schema: TypeAlias = Mapping[str, Any]
Parser: TypeAlias = Callable[[Schema], ValueTest]

#: Wide enough for the quotient of any two Decimal128 numbers.
_WIDE: Final = Context(prec=12400, Emax=999999, Emin=-999999)


def every(tests: list[ValueTest]) -> ValueTest:
    """The test that all of `tests` pass."""
    if not tests:
        return match.always
    if len(tests) == 1:
        return tests[0]
    each = tuple(tests)
    return lambda value: all(test(value) for test in each)


def _wrong(code: int, keyword: str, reason: str) -> Exception:
    return fail(code, f"$jsonSchema keyword '{keyword}' {reason}")


def _boolean(schema: Schema, keyword: str) -> bool:
    if type(schema[keyword]) is not bool:
        raise _wrong(14, keyword, "must be a boolean")
    return bool(schema[keyword])


def _count(schema: Schema, keyword: str) -> int:
    return integer(keyword, schema[keyword], 9, negative=False)


def _sub(value: Any, parse: Parser, message: str) -> ValueTest:
    if type(value) is not dict:
        raise fail(14, message)
    return parse(value)


# Strings and numbers


def scalars(schema: Schema) -> list[ValueTest]:
    """`pattern maxLength minLength multipleOf maximum exclusiveMaximum minimum exclusiveMinimum`."""
    tests: list[ValueTest] = []
    if "pattern" in schema:
        if type(schema["pattern"]) is not str:
            raise _wrong(14, "pattern", "must be a string")
        search = compile_regex(schema["pattern"]).search
        tests.append(lambda value: type(value) is not str or search(value) is not None)
    if "maxLength" in schema:
        most = _count(schema, "maxLength")
        tests.append(lambda value: type(value) is not str or len(value) <= most)
    if "minLength" in schema:
        least = _count(schema, "minLength")
        tests.append(lambda value: type(value) is not str or len(value) >= least)
    if "multipleOf" in schema:
        tests.append(_multiple(schema["multipleOf"]))
    tests += _limit(schema, "maximum", "exclusiveMaximum", match.at_most, match.below)
    tests += _limit(schema, "minimum", "exclusiveMinimum", match.at_least, match.above)
    return tests


def _limit(
    schema: Schema, keyword: str, exclusive: str, inner: Callable[[Any], ValueTest], outer: Callable[[Any], ValueTest]
) -> list[ValueTest]:
    if keyword not in schema:
        if exclusive in schema:
            raise _wrong(9, keyword, f"must be a present if {exclusive} is present")
        return []
    strict = exclusive in schema and _boolean(schema, exclusive)
    if not is_number(schema[keyword]):
        raise _wrong(14, keyword, "must be a number")
    holds = (outer if strict else inner)(schema[keyword])
    return [lambda value: not is_number(value) or holds(value)]


def _multiple(operand: Any) -> ValueTest:
    if not is_number(operand):
        raise _wrong(14, "multipleOf", "must be a number")
    divisor = _decimal(operand)
    if divisor.is_signed() or divisor.is_zero():
        raise _wrong(9, "multipleOf", "must have a positive value")

    def test(value: Any) -> bool:
        if not is_number(value):
            return True
        number = _decimal(value)
        if not number.is_finite() or divisor.is_nan():
            return False
        return _WIDE.remainder(number, divisor).is_zero()

    return test


def _decimal(value: Any) -> Decimal:
    if type(value) is Decimal128:
        return value.to_decimal()
    # The server turns a double into a decimal of 15 digits, so that 0.3 is a multiple of 0.1.
    return Decimal(f"{value:.15g}") if type(value) is float else Decimal(int(value))


# Arrays


def arrays(schema: Schema, parse: Parser) -> list[ValueTest]:
    """`minItems maxItems uniqueItems items additionalItems`."""
    tests: list[ValueTest] = []
    if "minItems" in schema:
        least = _count(schema, "minItems")
        tests.append(lambda value: type(value) is not list or len(value) >= least)
    if "maxItems" in schema:
        most = _count(schema, "maxItems")
        tests.append(lambda value: type(value) is not list or len(value) <= most)
    if "uniqueItems" in schema and _boolean(schema, "uniqueItems"):
        tests.append(lambda value: type(value) is not list or len(set(map(unordered_key, value))) == len(value))
    start = None
    if "items" in schema:
        items = schema["items"]
        if type(items) is list:
            message = "$jsonSchema keyword 'items' requires that each element of the array is an object"
            tests.append(_each(tuple(_sub(item, parse, message) for item in items)))
            start = len(items)
        elif type(items) is dict:
            tests.append(_from(0, parse(items)))
        else:
            raise _wrong(14, "items", f"must be an array or an object, not {alias_of(items)}")
    if "additionalItems" in schema:
        extra = schema["additionalItems"]
        if type(extra) is not bool and type(extra) is not dict:
            raise _wrong(14, "additionalItems", f"must be either an object or a boolean, but got a {alias_of(extra)}")
        other = _allowed(extra, parse)
        if start is not None:
            tests.append(_from(start, other))
    return tests


def _allowed(operand: Any, parse: Parser) -> ValueTest:
    if type(operand) is bool:
        return match.always if operand else match.never
    return parse(operand)


def _each(tests: tuple[ValueTest, ...]) -> ValueTest:
    return lambda value: type(value) is not list or all(test(item) for test, item in zip(tests, value, strict=False))


def _from(start: int, test: ValueTest) -> ValueTest:
    return lambda value: type(value) is not list or all(test(item) for item in value[start:])


def unordered_key(value: Any) -> Hashable:
    """As `equality_key`, but documents are equal whatever the order of their fields."""
    if type(value) is list:
        return ("array", *map(unordered_key, value))
    fields = fields_of(value)
    if fields is None:
        return equality_key(value)
    return ("object", frozenset((name, unordered_key(item)) for name, item in fields.items()))


# Documents


def objects(schema: Schema, parse: Parser) -> list[ValueTest]:
    """`required properties patternProperties additionalProperties minProperties maxProperties dependencies`."""
    tests: list[ValueTest] = []
    required = _required(schema["required"]) if "required" in schema else ()
    properties = {}
    if "properties" in schema:
        if type(schema["properties"]) is not dict:
            raise _wrong(14, "properties", "must be an object")
        for name, nested in schema["properties"].items():
            message = f"Nested schema for $jsonSchema property '{name}' must be an object"
            properties[name] = _sub(nested, parse, message)
        tests.append(_properties(properties))
    if "patternProperties" in schema or "additionalProperties" in schema:
        tests.append(_names(schema, frozenset(properties), parse))
    if required:
        tests.append(_document(lambda fields: all(name in fields for name in required)))
    if "minProperties" in schema:
        least = _count(schema, "minProperties")
        tests.append(_document(lambda fields: len(fields) >= least))
    if "maxProperties" in schema:
        most = _count(schema, "maxProperties")
        tests.append(_document(lambda fields: len(fields) <= most))
    if "dependencies" in schema:
        tests += _dependencies(schema["dependencies"], parse)
    return tests


def _document(test: Callable[[Mapping[str, Any]], bool]) -> ValueTest:
    def check(value: Any) -> bool:
        fields = fields_of(value)
        return fields is None or test(fields)

    return check


def _strings(operand: list[Any], wrong_type: str, twice: str) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for name in operand:
        if type(name) is not str:
            raise fail(14, f"{wrong_type}: {alias_of(name)}")
        if name in names:
            raise fail(9, twice)
        names[name] = None
    return tuple(names)


def _required(operand: Any) -> tuple[str, ...]:
    if type(operand) is not list:
        raise _wrong(14, "required", f"must be an array, but found an element of type {alias_of(operand)}")
    names = _strings(
        operand,
        "$jsonSchema keyword 'required' must be an array of strings, but found an element of type",
        "$jsonSchema keyword 'required' array cannot contain duplicate values",
    )
    if not names:
        raise _wrong(9, "required", "cannot be an empty array")
    return names


def _properties(properties: dict[str, ValueTest]) -> ValueTest:
    pairs = tuple(properties.items())
    return _document(lambda fields: all(name not in fields or test(fields[name]) for name, test in pairs))


def _names(schema: Schema, known: frozenset[str], parse: Parser) -> ValueTest:
    patterns: list[tuple[Callable[[str], Any], ValueTest]] = []
    if "patternProperties" in schema:
        operand = schema["patternProperties"]
        if type(operand) is not dict:
            raise _wrong(14, "patternProperties", "must be an object")
        for pattern, nested in operand.items():
            message = f"$jsonSchema keyword 'patternProperties' has property '{pattern}' which is not an object"
            test = _sub(nested, parse, message)
            patterns.append((compile_regex(pattern).search, test))
    otherwise: ValueTest = match.always
    if "additionalProperties" in schema:
        extra = schema["additionalProperties"]
        if type(extra) is not bool and type(extra) is not dict:
            raise _wrong(14, "additionalProperties", "must be an object or a boolean")
        otherwise = _allowed(extra, parse)

    def check(fields: Mapping[str, Any]) -> bool:
        for name, value in fields.items():
            found = name in known
            for search, test in patterns:
                if search(name) is not None:
                    found = True
                    if not test(value):
                        return False
            if not found and not otherwise(value):
                return False
        return True

    return _document(check)


def _dependencies(operand: Any, parse: Parser) -> list[ValueTest]:
    if type(operand) is not dict:
        raise _wrong(14, "dependencies", "must be an object")
    tests: list[ValueTest] = []
    for name, dependency in operand.items():
        if type(dependency) is dict:
            tests.append(_schema_dependency(name, parse(dependency)))
        elif type(dependency) is list:
            tests.append(_name_dependency(name, dependency))
        else:
            raise fail(
                14, f"property '{name}' in $jsonSchema keyword 'dependencies' must be either an object or an array"
            )
    return tests


def _schema_dependency(name: str, test: ValueTest) -> ValueTest:
    def check(value: Any) -> bool:
        fields = fields_of(value)
        return fields is None or name not in fields or test(value)

    return check


def _name_dependency(name: str, operand: list[Any]) -> ValueTest:
    where = f"array '{name}' in $jsonSchema keyword 'dependencies'"
    if not operand:
        raise fail(9, f"property '{name}' in $jsonSchema keyword 'dependencies' cannot be an empty array")
    needed = _strings(
        operand,
        f"{where} can only contain strings, but found element of type",
        f"{where} contains a duplicate element",
    )
    return _document(lambda fields: name not in fields or all(each in fields for each in needed))


# Logic


def logic(schema: Schema, parse: Parser) -> list[ValueTest]:
    """`allOf anyOf oneOf not enum`."""
    tests: list[ValueTest] = []
    if "allOf" in schema:
        tests.append(every(_schemas("allOf", schema["allOf"], parse)))
    if "anyOf" in schema:
        tests.append(_at_least_one(tuple(_schemas("anyOf", schema["anyOf"], parse))))
    if "oneOf" in schema:
        tests.append(_exactly_one(tuple(_schemas("oneOf", schema["oneOf"], parse))))
    if "not" in schema:
        found = alias_of(schema["not"])
        message = f"$jsonSchema keyword 'not' must be an object, but found an element of type {found}"
        tests.append(_negated(_sub(schema["not"], parse, message)))
    if "enum" in schema:
        tests.append(_enumerated(schema["enum"]))
    return tests


def _schemas(keyword: str, operand: Any, parse: Parser) -> list[ValueTest]:
    if type(operand) is not list:
        raise _wrong(14, keyword, "must be an array")
    if not operand:
        raise _wrong(2, keyword, "must be a non-empty array")
    message = f"$jsonSchema keyword '{keyword}' must be an array of objects"
    return [_sub(item, parse, message) for item in operand]


def _at_least_one(tests: tuple[ValueTest, ...]) -> ValueTest:
    return lambda value: any(test(value) for test in tests)


def _exactly_one(tests: tuple[ValueTest, ...]) -> ValueTest:
    return lambda value: sum(test(value) for test in tests) == 1


def _negated(test: ValueTest) -> ValueTest:
    return lambda value: not test(value)


def _enumerated(operand: Any) -> ValueTest:
    if type(operand) is not list:
        raise _wrong(14, "enum", f"must be an array, but found an element of type {alias_of(operand)}")
    if not operand:
        raise _wrong(9, "enum", "cannot be an empty array")
    keys = frozenset(map(unordered_key, operand))
    if len(keys) != len(operand):
        raise _wrong(9, "enum", "array cannot contain duplicate values.")
    return lambda value: unordered_key(value) in keys
