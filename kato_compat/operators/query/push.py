"""Tests on ClickHouse columns as SQL fragments.

A column's values have one type and are never absent, so that most tests are exact. What is not provably the same in
SQL is None, or a superset. Comparisons are written plainly (``name = value``), so that the primary key and the skip
indexes serve them.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bson.decimal128 import Decimal128
from bson.max_key import MaxKey
from bson.min_key import MinKey

from kato_compat.ir.predicate import And, AtPath, Constant, Not, Or, Predicate
from kato_compat.operators.query.literal import anchored, literal, prefix
from kato_compat.sql.column import Column, ColumnType
from kato_compat.sql.fragment import Pushed, Sql, bind, join
from kato_compat.values.types import BsonType, is_number

_UINT32_MAX: Final = 2**32 - 1
_INT32_MAX: Final = 2**31 - 1
_SIGNS: Final = {operator.gt: ">", operator.ge: ">=", operator.lt: "<", operator.le: "<="}

_STRING: Final = ColumnType.STRING
_UINT32: Final = ColumnType.UINT32
_STRINGS: Final = ColumnType.STRINGS
_STRING_LISTS: Final = ColumnType.STRING_LISTS


@dataclass(frozen=True, slots=True)
class Element(Column):
    """An element of an array column as a column: a lambda's parameter. Its value is taken whole, never unwound."""


def constant(value: bool) -> Pushed:
    """A test that holds for all rows or for none."""
    return Pushed(Sql("1" if value else "0"), True)


def _exact(template: str, *parts: Sql) -> Pushed:
    return Pushed(join(template, *parts), True)


def _unwound(column: Column) -> bool:
    return not isinstance(column, Element)


def either(parts: list[Pushed]) -> Pushed:
    """At least one of `parts`; constants are folded away."""
    rest = [part for part in parts if part.sql.text != "0"]
    if any(part.sql.text == "1" for part in rest):
        return constant(True)
    if not rest:
        return constant(False)
    if len(rest) == 1:
        return rest[0]
    text = "(" + " OR ".join("%s" for _ in rest) + ")"
    return Pushed(join(text, *(part.sql for part in rest)), all(part.exact for part in rest))


def _each(column: Column, make: Callable[[Column], Pushed | None]) -> Pushed | None:
    """A test of a string on an array of strings: some element passes it."""
    element = Element("element", _STRING)
    inner = make(element)
    if inner is None or inner.sql.text == "0":
        return inner
    return Pushed(join("arrayExists(%s -> %s, %s)", element.sql, inner.sql, column.sql), inner.exact)


# Shapes of operands


def _are_strings(value: Any) -> bool:
    return type(value) is list and all(type(item) is str for item in value)


def _are_lists(value: Any) -> bool:
    return type(value) is list and all(_are_strings(item) for item in value)


def _whole_number(value: Any) -> int | None:
    """`value` as an integer that a UInt32 column can hold; None for anything else."""
    if not is_number(value):
        return None
    number = value.to_decimal() if type(value) is Decimal128 else value
    if not math.isfinite(number) or not 0 <= number <= _UINT32_MAX or number != int(number):
        return None
    return int(number)


# Comparison


def equals(operand: Any, column: Column) -> Pushed:
    """`$eq`: exact on every column."""
    return one_of((operand,), (), column) or constant(False)


def one_of(values: tuple[Any, ...], patterns: tuple[Pushed | None, ...], column: Column) -> Pushed | None:
    """`$in`: exact if its patterns are; None if one of them is not pushed."""
    parts: list[Pushed] = []
    for pattern in patterns:
        if pattern is None:
            return None
        parts.append(pattern)
    match column.type:
        case ColumnType.STRING:
            parts += _among([value for value in values if type(value) is str], "String", column)
        case ColumnType.UINT32:
            numbers = [_whole_number(value) for value in values]
            parts += _among([number for number in numbers if number is not None], "UInt32", column)
        case ColumnType.STRINGS:
            if _unwound(column):
                parts += _holding([value for value in values if type(value) is str], "String", column)
            parts += _among([value for value in values if _are_strings(value)], "Array(String)", column)
        case ColumnType.STRING_LISTS:
            if _unwound(column):
                parts += _holding([value for value in values if _are_strings(value)], "Array(String)", column)
            parts += _among([value for value in values if _are_lists(value)], "Array(Array(String))", column)
    return either(parts)


def _among(values: list[Any], kind: str, column: Column) -> list[Pushed]:
    if not values:
        return []
    if len(values) == 1:
        return [_exact("%s = %s", column.sql, bind(values[0], kind))]
    if kind == "Array(Array(String))":
        # ClickHouse does not cast [[], []] to an array of three dimensions.
        return [_exact("%s = %s", column.sql, bind(value, kind)) for value in values]
    if kind == "Array(String)":
        return [_exact("has(%s, %s)", bind(values, f"Array({kind})"), column.sql)]
    return [_exact("%s IN %s", column.sql, bind(values, f"Array({kind})"))]


def _holding(values: list[Any], kind: str, column: Column) -> list[Pushed]:
    if not values:
        return []
    if len(values) == 1:
        return [_exact("has(%s, %s)", column.sql, bind(values[0], kind))]
    return [_exact("hasAny(%s, %s)", column.sql, bind(values, f"Array({kind})"))]


def within(compares: Callable[[Any, Any], bool], operand: Any, column: Column) -> Pushed | None:
    """`$gt $gte $lt $lte`: exact on strings and numbers and lists of strings, else None where lists compare."""
    kind = type(operand)
    lower = compares is operator.gt or compares is operator.ge
    if kind is MinKey or kind is MaxKey:
        # Nothing in a column is MinKey or MaxKey, so that everything lies strictly between.
        return constant(lower is (kind is MinKey))
    if column.type is _UINT32:
        return _number_within(compares, operand, column) if is_number(operand) else constant(False)
    sign = _SIGNS[compares]
    if column.type is _STRING:
        if kind is not str:
            return constant(False)
        return _exact(f"%s {sign} %s", column.sql, bind(operand, "String"))
    if kind is list:
        if column.type is _STRINGS and _are_strings(operand):
            return _exact(f"%s {sign} %s", column.sql, bind(operand, "Array(String)"))
        return None
    if column.type is _STRINGS and kind is str and _unwound(column):
        return _each(column, lambda element: within(compares, operand, element))
    return constant(False)


def _number_within(compares: Callable[[Any, Any], bool], operand: Any, column: Column) -> Pushed:
    number = operand.to_decimal() if type(operand) is Decimal128 else operand
    if number != number:
        return constant(False)
    if not math.isfinite(number):
        return constant(compares(0, number))
    if compares is operator.gt or compares is operator.ge:
        least = math.ceil(number) if compares is operator.ge else math.floor(number) + 1
        if least <= 0 or least > _UINT32_MAX:
            return constant(least <= 0)
        return _exact("%s >= %s", column.sql, bind(least, "UInt32"))
    most = math.floor(number) if compares is operator.le else math.ceil(number) - 1
    if most < 0 or most >= _UINT32_MAX:
        return constant(most >= 0)
    return _exact("%s <= %s", column.sql, bind(most, "UInt32"))


# Evaluation


def search(pattern: str, options: str, column: Column) -> Pushed | None:
    """`$regex`: exact for literals, a superset for a literal prefix, else None."""
    if column.type is _UINT32 or column.type is _STRING_LISTS:
        return constant(False)
    if column.type is _STRINGS:
        if not _unwound(column):
            return constant(False)
        return _each(column, lambda element: search(pattern, options, element))
    start, end, text = anchored(pattern)
    if "x" in options or ("m" in options and (start or end)):
        return None
    plain = literal(text)
    known = prefix(text) if plain is None and start else plain
    if not known and plain is None:
        return None
    subject = column.sql
    if "i" in options and known:
        # Of the ASCII letters, K and S have a third case outside ASCII; `lower` changes the others only.
        if not known.isascii() or set(known.lower()) & {"k", "s"}:
            return None
        subject, known = join("lower(%s)", subject), known.lower()
    if plain is None:
        return Pushed(join("startsWith(%s, %s)", subject, bind(known, "String")), False)
    return _found(subject, known or "", start, end)


def _found(subject: Sql, plain: str, start: bool, end: bool) -> Pushed:
    if not end:
        if not plain:
            return constant(True)
        if start:
            return _exact("startsWith(%s, %s)", subject, bind(plain, "String"))
        return _exact("position(%s, %s) > 0", subject, bind(plain, "String"))
    # A dollar sign also stands before a newline at the very end.
    if start:
        return _exact("%s IN %s", subject, bind([plain, plain + "\n"], "Array(String)"))
    return _exact(
        "(endsWith(%s, %s) OR endsWith(%s, %s))", subject, bind(plain, "String"), subject, bind(plain + "\n", "String")
    )


def mod(divisor: int, remainder: int, column: Column) -> Pushed:
    """`$mod`: exact on every column."""
    size = abs(divisor)
    if column.type is not _UINT32 or not 0 <= remainder < size or remainder > _UINT32_MAX:
        return constant(False)
    if size > _UINT32_MAX:
        return _exact("%s = %s", column.sql, bind(remainder, "UInt32"))
    return _exact("modulo(%s, %s) = %s", column.sql, bind(size, "UInt32"), bind(remainder, "UInt32"))


def bits(mask: int, every: bool, one: bool, column: Column) -> Pushed:
    """`$bitsAllSet` and its like: exact on every column."""
    if column.type is not _UINT32:
        return constant(False)
    low, high = mask & _UINT32_MAX, mask >> 32
    # The bits that a UInt32 lacks are zeros.
    if one is every:
        if high:
            return constant(not one)
        if not low:
            return constant(every)
    elif not low:
        return constant(every)
    target = low if one is every else 0
    sign = "=" if every else "!="
    template = f"bitAnd(%s, %s) {sign} %s"
    return _exact(template, column.sql, bind(low, "UInt32"), bind(target, "UInt32"))


# Elements and arrays


def of_type(types: frozenset[BsonType], column: Column) -> Pushed:
    """`$type`: exact on every column."""
    match column.type:
        case ColumnType.STRING:
            return constant(BsonType.STRING in types)
        case ColumnType.UINT32:
            # A UInt32 is an int in BSON as far as 32 signed bits go, and a long beyond.
            if (BsonType.INT in types) is (BsonType.LONG in types):
                return constant(BsonType.INT in types)
            sign = "<=" if BsonType.INT in types else ">"
            return _exact(f"%s {sign} %s", column.sql, bind(_INT32_MAX, "UInt32"))
        case ColumnType.STRINGS if BsonType.STRING in types and BsonType.ARRAY not in types and _unwound(column):
            return _exact("notEmpty(%s)", column.sql)
        case _:
            return constant(BsonType.ARRAY in types)


def size(length: int, column: Column) -> Pushed:
    """`$size`: exact on every column."""
    if column.type is _STRING or column.type is _UINT32:
        return constant(False)
    return _exact("length(%s) = %s", column.sql, bind(length, "UInt64"))


def element(condition: Predicate, whole: bool, column: Column) -> Pushed | None:
    """`$elemMatch`: as exact as its conditions on an element are."""
    if column.type is _STRING or column.type is _UINT32:
        return constant(False)
    if not whole:
        # Strings have no fields. Lists have (their indexes), which are left to Python.
        return constant(False) if column.type is _STRINGS else None
    item = Element("item", _STRING if column.type is _STRINGS else _STRINGS)
    inner = _predicate(condition, item)
    if inner is None or inner.sql.text == "0":
        return inner
    return Pushed(join("arrayExists(%s -> %s, %s)", item.sql, inner.sql, column.sql), inner.exact)


def _predicate(node: Predicate, column: Column) -> Pushed | None:
    """A condition on an element; see `sql.fragment.Pushed`."""
    match node:
        case Constant(value):
            return constant(value)
        case AtPath((), test):
            return test.push(column)
        case Not(term):
            inner = _predicate(term, column)
            if inner is None or not inner.exact:
                return None
            if inner.sql.text in ("0", "1"):
                return constant(inner.sql.text == "0")
            return _exact("NOT (%s)", inner.sql)
        case And(terms):
            pushed = [part for part in (_predicate(term, column) for term in terms) if part is not None]
            if not pushed:
                return None
            text = "(" + " AND ".join("%s" for _ in pushed) + ")"
            exact = len(pushed) == len(terms) and all(part.exact for part in pushed)
            return Pushed(join(text, *(part.sql for part in pushed)), exact)
        case Or(terms):
            parts: list[Pushed] = []
            for term in terms:
                part = _predicate(term, column)
                if part is None:
                    return None
                parts.append(part)
            return either(parts)
        case _:
            return None
