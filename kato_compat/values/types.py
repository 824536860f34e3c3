"""BSON types: their numbers, aliases and sort brackets (MongoDB manual: BSON Types, Comparison/Sort Order)."""

import re
from datetime import datetime
from enum import IntEnum
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

INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1


class BsonType(IntEnum):
    """BSON type numbers as `$type` takes them. `MISSING` is ours, for an absent field."""

    MISSING = 0
    DOUBLE = 1
    STRING = 2
    OBJECT = 3
    ARRAY = 4
    BIN_DATA = 5
    UNDEFINED = 6
    OBJECT_ID = 7
    BOOL = 8
    DATE = 9
    NULL = 10
    REGEX = 11
    DB_POINTER = 12
    JAVASCRIPT = 13
    SYMBOL = 14
    JAVASCRIPT_WITH_SCOPE = 15
    INT = 16
    TIMESTAMP = 17
    LONG = 18
    DECIMAL = 19
    MIN_KEY = -1
    MAX_KEY = 127


#: The alias of each type, as the `$type` expression answers.
ALIASES: Final[dict[BsonType, str]] = {
    BsonType.MISSING: "missing",
    BsonType.DOUBLE: "double",
    BsonType.STRING: "string",
    BsonType.OBJECT: "object",
    BsonType.ARRAY: "array",
    BsonType.BIN_DATA: "binData",
    BsonType.UNDEFINED: "undefined",
    BsonType.OBJECT_ID: "objectId",
    BsonType.BOOL: "bool",
    BsonType.DATE: "date",
    BsonType.NULL: "null",
    BsonType.REGEX: "regex",
    BsonType.DB_POINTER: "dbPointer",
    BsonType.JAVASCRIPT: "javascript",
    BsonType.SYMBOL: "symbol",
    BsonType.JAVASCRIPT_WITH_SCOPE: "javascriptWithScope",
    BsonType.INT: "int",
    BsonType.TIMESTAMP: "timestamp",
    BsonType.LONG: "long",
    BsonType.DECIMAL: "decimal",
    BsonType.MIN_KEY: "minKey",
    BsonType.MAX_KEY: "maxKey",
}

#: alias -> type number, for `$type` and `$convert`.
BY_ALIAS: Final[dict[str, BsonType]] = {alias: kind for kind, alias in ALIASES.items() if kind is not BsonType.MISSING}

_EXACT: Final[dict[type, BsonType]] = {
    Missing: BsonType.MISSING,
    type(None): BsonType.NULL,
    bool: BsonType.BOOL,
    Int64: BsonType.LONG,
    float: BsonType.DOUBLE,
    Decimal128: BsonType.DECIMAL,
    str: BsonType.STRING,
    dict: BsonType.OBJECT,
    DBRef: BsonType.OBJECT,
    list: BsonType.ARRAY,
    bytes: BsonType.BIN_DATA,
    Binary: BsonType.BIN_DATA,
    UUID: BsonType.BIN_DATA,
    ObjectId: BsonType.OBJECT_ID,
    datetime: BsonType.DATE,
    DatetimeMS: BsonType.DATE,
    Regex: BsonType.REGEX,
    re.Pattern: BsonType.REGEX,
    Timestamp: BsonType.TIMESTAMP,
    MinKey: BsonType.MIN_KEY,
    MaxKey: BsonType.MAX_KEY,
}


def type_of(value: Any) -> BsonType:
    """The BSON type of a value of the library's internal form.

    Raises `TypeError` for a value that BSON decoding cannot give: that is a bug of the caller.
    """
    kind = _EXACT.get(type(value))
    if kind is not None:
        return kind
    if type(value) is int:
        return BsonType.INT if INT32_MIN <= value <= INT32_MAX else BsonType.LONG
    if isinstance(value, Code):
        return BsonType.JAVASCRIPT if value.scope is None else BsonType.JAVASCRIPT_WITH_SCOPE
    if isinstance(value, dict):
        return BsonType.OBJECT
    raise TypeError(f"not a decoded BSON value: {type(value).__name__}")


def alias_of(value: Any) -> str:
    """The alias of the BSON type of `value`, ``missing`` for `MISSING` (as the `$type` expression answers)."""
    return ALIASES[type_of(value)]


#: The Python types of numbers. `bool` is an `int` in Python and not a number in BSON: test with `is_number`.
NUMBER_TYPES: Final[frozenset[type]] = frozenset({int, Int64, float, Decimal128})


def is_number(value: Any) -> bool:
    """True for int, long, double and decimal; False for bool."""
    return type(value) in NUMBER_TYPES
