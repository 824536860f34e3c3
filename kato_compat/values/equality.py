"""BSON equality as hashable keys.

Two values have equal keys if and only if MongoDB holds them equal: numbers by value across their types, never a
number and a bool, documents with their fields in the same order, NaN equal to itself, a string never equal to code
or symbol. Keys serve `$in`, `$group`, `distinct`, sets and unique indexes.
"""

from collections.abc import Hashable
from datetime import datetime
from typing import Any, Final

from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId

from kato_compat.values.order import DATE, NAN, milliseconds, sort_key

# Types whose values are their own keys: hash and equality are BSON's, and no other type's key equals them.
_SELF: Final[frozenset[type]] = frozenset({str, int, Int64, type(None), ObjectId, bytes})
_FALSE: Final = ("false",)
_TRUE: Final = ("true",)


def equality_key(value: Any) -> Hashable:
    """A hashable that is equal to the key of another value if and only if BSON holds the two equal.

    `MISSING` has a key of its own (unlike null). Raises `TypeError` for a value that is not decoded BSON.
    """
    kind = type(value)
    if kind in _SELF:
        return value  # type: ignore[no-any-return]
    if kind is float:
        return value if value == value else (NAN,)
    if kind is bool:
        return _TRUE if value else _FALSE
    if kind is list:
        return ("array", *[equality_key(item) for item in value])
    if kind is dict:
        return ("object", *[(name, equality_key(item)) for name, item in value.items()])
    if kind is datetime or kind is DatetimeMS:
        return (DATE, milliseconds(value))
    if kind is Decimal128:
        number = value.to_decimal()
        return (NAN,) if number.is_nan() else number
    if kind is Binary and value.subtype == 0:
        return bytes(value)
    return sort_key(value)


def equal(left: Any, right: Any) -> bool:
    """True if BSON holds the two values equal."""
    a, b = type(left), type(right)
    if a is b and a in (str, int, ObjectId):
        return bool(left == right)
    return equality_key(left) == equality_key(right)


def same(left: Any, right: Any) -> bool:
    """True if the two values are the same BSON bytes: equal, and of the same types, all the way down.

    This is what decides `modified_count`: 1 and 1.0 are equal and not the same; 0.0 and -0.0 differ.
    """
    if left is right:
        return True
    a, b = type(left), type(right)
    if a is not b:
        return left == right if {a, b} <= {int, Int64} and _both_long(left, right) else False
    if a is dict:
        if len(left) != len(right):
            return False
        # Updates share what they do not touch: most values are the very same objects.
        for name, other, value in zip(left, right, right.values(), strict=True):
            if name != other:
                return False
            mine = left[name]
            if mine is not value and not same(mine, value):
                return False
        return True
    if a is list:
        return len(left) == len(right) and all(x is y or same(x, y) for x, y in zip(left, right, strict=True))
    if a is float:
        return (left == right and str(left) == str(right)) or (left != left and right != right)
    if a is Decimal128:
        return bool(left.bid == right.bid)
    return bool(left == right)


def _both_long(left: int, right: int) -> bool:
    # A plain int beyond 32 bits and an Int64 are both encoded as int64.
    return not (-(2**31) <= left < 2**31) and not (-(2**31) <= right < 2**31)
