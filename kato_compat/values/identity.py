"""Identities: bytes that are equal if and only if BSON holds two values equal.

They name documents by `_id` in Redis hashes and are the entries of unique indexes, so they must not change from one
release to the next: every identity begins with a tag byte of its BSON bracket, numbers of all types share one form.
"""

from fractions import Fraction
from typing import Any

from bson.binary import Binary
from bson.code import Code
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId

from kato_compat.values.missing import MISSING
from kato_compat.values.order import sort_key


def identity(value: Any) -> bytes:
    """The identity of one value. `MISSING` has the identity of null, as in the server's indexes.

    Raises `TypeError` for a value that is not decoded BSON.
    """
    kind = type(value)
    if kind is str:
        text: bytes = value.encode()
        return b"s" + text
    if kind is ObjectId:
        binary: bytes = value.binary
        return b"o" + binary
    if kind is int or kind is Int64:
        return b"n%d" % value
    if value is None or value is MISSING:
        return b"z"
    if kind is bool:
        return b"b1" if value else b"b0"
    if kind is float:
        return _real(value)
    if kind is Decimal128:
        number = value.to_decimal()
        if number.is_nan() or number.is_infinite():
            return _real(float(number))
        return _ratio(Fraction(number))
    if kind is list:
        return b"a" + b"".join(_sized(identity(item)) for item in value)
    if kind is DBRef:
        value, kind = dict(value.as_doc()), dict
    if kind is dict:
        return b"d" + b"".join(_sized(name.encode()) + _tagged(item) for name, item in value.items())
    if kind is bytes or kind is Binary:
        subtype = value.subtype if kind is Binary else 0
        return b"x" + bytes([subtype]) + bytes(value)
    if isinstance(value, Code):
        scope = b"" if value.scope is None else identity(dict(value.scope))
        return b"c" + _sized(str(value).encode()) + scope
    # Dates, timestamps, regular expressions, MinKey and MaxKey: small tuples of a bracket, integers and text.
    return b"k" + b"".join(_sized(str(part).encode()) for part in sort_key(value))


def _tagged(value: Any) -> bytes:
    return _sized(identity(value))


def _sized(data: bytes) -> bytes:
    return b"%d:" % len(data) + data


def _real(value: float) -> bytes:
    if value != value:
        return b"nNaN"
    if value in (float("inf"), float("-inf")):
        return b"nInf" if value > 0 else b"n-Inf"
    if value == int(value):
        return b"n%d" % int(value)
    return _ratio(Fraction(value))


def _ratio(value: Fraction) -> bytes:
    if value.denominator == 1:
        return b"n%d" % value.numerator
    return b"n%d/%d" % (value.numerator, value.denominator)
