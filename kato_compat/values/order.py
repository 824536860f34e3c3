"""BSON order: sort keys that Python compares as MongoDB compares values.

MongoDB manual: Comparison/Sort Order. `sort_key` turns a value into nested tuples; comparing two of them with `<`
and `==` gives the server's answer for any pair of values, numbers compared by value across their types, NaN lowest
among numbers and equal to itself, strings by code point (which is the order of their UTF-8 bytes), binaries by
length, subtype and bytes, documents field by field by type, name and value.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

from kato_compat.values.missing import Missing

#: A value's place in BSON order: (bracket, payload ..). Comparable with any other key.
SortKey = tuple[Any, ...]

# Brackets in BSON order. MISSING sorts before null in expressions; `sort` maps it to null (see `sort_value`).
MIN_KEY: Final = 0
ABSENT: Final = 1
NULL: Final = 2
NAN: Final = 3  # a bracket of its own just below all other numbers, so that payloads stay comparable
NUMBER: Final = 4
STRING: Final = 5
OBJECT: Final = 6
ARRAY: Final = 7
BIN_DATA: Final = 8
OBJECT_ID: Final = 9
BOOL: Final = 10
DATE: Final = 11
TIMESTAMP: Final = 12
REGEX: Final = 13
DB_POINTER: Final = 14
CODE: Final = 15
CODE_WITH_SCOPE: Final = 16
MAX_KEY: Final = 17

_EPOCH: Final = datetime(1970, 1, 1)
_MILLISECOND: Final = timedelta(milliseconds=1)


def milliseconds(value: datetime | DatetimeMS) -> int:
    """Milliseconds since the Unix epoch of a naive UTC datetime or a DatetimeMS."""
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.replace(tzinfo=None) - (value.utcoffset() or timedelta(0))
        return (value - _EPOCH) // _MILLISECOND
    return int(value)


_FLAG_LETTERS: Final = (
    (re.IGNORECASE, "i"),
    (re.LOCALE, "l"),
    (re.MULTILINE, "m"),
    (re.DOTALL, "s"),
    (re.UNICODE, "u"),
    (re.VERBOSE, "x"),
)


def regex_parts(value: Any) -> tuple[str, str]:
    """(pattern, option letters in alphabetical order) of a `Regex` or a compiled pattern."""
    pattern = value.pattern
    text = pattern if isinstance(pattern, str) else pattern.decode()
    # UNICODE is what Python's str patterns always carry; MongoDB has no such option.
    return text, "".join(letter for flag, letter in _FLAG_LETTERS if value.flags & flag and letter != "u")


def _number(value: Any) -> SortKey:
    return (NUMBER, value) if value == value else (NAN,)


def _decimal(value: Decimal128) -> SortKey:
    number: Decimal = value.to_decimal()
    return (NAN,) if number.is_nan() else (NUMBER, number)


def _object(value: Any) -> SortKey:
    # Per field: canonical type, then name, then value, which is the server's order of comparison.
    parts: list[Any] = [OBJECT]
    for name, item in value.items():
        key = sort_key(item)
        bracket = key[0]
        parts.append((NUMBER if bracket == NAN else bracket, name, key))
    return tuple(parts)


def _array(value: list[Any]) -> SortKey:
    return (ARRAY, *[sort_key(item) for item in value])


def _binary(value: bytes) -> SortKey:
    return (BIN_DATA, len(value), value.subtype if isinstance(value, Binary) else 0, bytes(value))


def _code(value: Code) -> SortKey:
    if value.scope is None:
        return (CODE, str(value))
    return (CODE_WITH_SCOPE, str(value), _object(value.scope))


_KEYS: Final[dict[type, Callable[[Any], SortKey]]] = {
    int: lambda v: (NUMBER, v),
    Int64: lambda v: (NUMBER, v),
    float: _number,
    Decimal128: _decimal,
    str: lambda v: (STRING, v),
    dict: _object,
    list: _array,
    bool: lambda v: (BOOL, v),
    type(None): lambda _: (NULL,),
    Missing: lambda _: (ABSENT,),
    datetime: lambda v: (DATE, milliseconds(v)),
    DatetimeMS: lambda v: (DATE, int(v)),
    ObjectId: lambda v: (OBJECT_ID, v.binary),
    bytes: _binary,
    Binary: _binary,
    UUID: lambda v: (BIN_DATA, 16, 4, v.bytes),
    Timestamp: lambda v: (TIMESTAMP, v.time, v.inc),
    Regex: lambda v: (REGEX, *regex_parts(v)),
    re.Pattern: lambda v: (REGEX, *regex_parts(v)),
    DBRef: lambda v: _object(v.as_doc()),
    Code: _code,
    MinKey: lambda _: (MIN_KEY,),
    MaxKey: lambda _: (MAX_KEY,),
}


def sort_key(value: Any) -> SortKey:
    """The place of `value` in BSON order. `MISSING` sorts just before null (as in expressions).

    Raises `TypeError` for a value that is not decoded BSON.
    """
    function = _KEYS.get(type(value))
    if function is not None:
        return function(value)
    if isinstance(value, dict):
        return _object(value)
    raise TypeError(f"not a decoded BSON value: {type(value).__name__}")


def bracket(value: Any) -> int:
    """The comparison bracket of `value`: values compare by query operators only within one bracket.

    NaN is in the bracket of numbers.
    """
    kind: int = sort_key(value)[0] if type(value) not in _BRACKETS else _BRACKETS[type(value)]
    return NUMBER if kind == NAN else kind


_BRACKETS: Final[dict[type, int]] = {
    int: NUMBER,
    Int64: NUMBER,
    float: NUMBER,
    Decimal128: NUMBER,
    str: STRING,
    dict: OBJECT,
    DBRef: OBJECT,
    list: ARRAY,
    bool: BOOL,
    type(None): NULL,
    Missing: ABSENT,
    datetime: DATE,
    DatetimeMS: DATE,
    ObjectId: OBJECT_ID,
    bytes: BIN_DATA,
    Binary: BIN_DATA,
    Timestamp: TIMESTAMP,
    Regex: REGEX,
    re.Pattern: REGEX,
}


def compare(left: Any, right: Any) -> int:
    """-1, 0 or 1 as `left` sorts before, equal to or after `right` in BSON order."""
    a, b = sort_key(left), sort_key(right)
    return -1 if a < b else 1 if b < a else 0
