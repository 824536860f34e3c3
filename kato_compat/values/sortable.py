"""Sortable keys: bytes whose order is BSON order, and which are equal if and only if BSON holds two values equal.

They are the entries of indexes. A key is self-delimiting (none is the beginning of another), so the keys of several
values joined together are in the order of the first value, then the second, and so on. Every key begins with a tag
byte of its BSON bracket; numbers of all types share one form, exact to the last digit.
"""

import struct
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, Final

from bson.int64 import Int64
from bson.objectid import ObjectId

from kato_compat.values.collation import Collation
from kato_compat.values.missing import MISSING
from kato_compat.values.order import (
    ARRAY,
    BIN_DATA,
    BOOL,
    CODE,
    CODE_WITH_SCOPE,
    DATE,
    NAN,
    NUMBER,
    OBJECT,
    OBJECT_ID,
    REGEX,
    STRING,
    TIMESTAMP,
    sort_key,
)
from kato_compat.values.paths import fields_of

#: Every tag is above this byte, which ends arrays and documents, and below `LAST`.
_END: Final = b"\x00"
_SHIFT: Final = 0x10
LAST: Final = b"\xff"

_LARGEST: Final = struct.unpack(">d", b"\x7f\xef" + b"\xff" * 6)[0]
_DIGITS: Final = Context(prec=20_000)
_WHOLE: Final = 2**53
_INVERT: Final = bytes(255 - byte for byte in range(256))
_DOUBLE: Final = struct.Struct(">d")
_DATE: Final = struct.Struct(">Q")
_STAMP: Final = struct.Struct(">II")
_LENGTH: Final = struct.Struct(">I")


def _tag(bracket: int) -> bytes:
    return bytes([_SHIFT + bracket])


_NUMBER: Final = _tag(NUMBER)
_STRING: Final = _tag(STRING)
_OID: Final = _tag(OBJECT_ID)
_NULL: Final = _tag(2)


def bounds(bracket: int) -> tuple[bytes, bytes]:
    """The least bytes that a key of `bracket` (see `values.order`) can begin with, and the least beyond all of them."""
    return _tag(NAN if bracket == NUMBER else bracket), _tag(bracket + 1)


def inverted(key: bytes) -> bytes:
    """A key in the opposite order: for the descending fields of an index."""
    return key.translate(_INVERT)


def sortable(value: Any, collation: Collation | None = None) -> bytes:
    """The sortable key of one value. `MISSING` stands for BSON's undefined, just below null.

    With `collation` strings, also inside documents and arrays, are in its order. Raises `TypeError` for a value that
    is not decoded BSON.
    """
    kind = type(value)
    if kind is str:
        return _STRING + _text(value.encode() if collation is None else collation.key(value))
    if kind is int or kind is Int64:
        if -_WHOLE <= value <= _WHOLE:
            return _NUMBER + _real(float(value))
        return _NUMBER + _exact(Fraction(value))
    if kind is float:
        if value != value:
            return _tag(NAN)
        return _NUMBER + _real(value)
    if kind is ObjectId:
        oid: bytes = value.binary
        return _OID + oid
    if value is None:
        return _NULL
    if kind is list:
        return _tag(ARRAY) + b"".join([sortable(item, collation) for item in value]) + _END
    fields = fields_of(value)
    if fields is not None:
        return _tag(OBJECT) + _fields(fields, collation) + _END
    bracket, *parts = sort_key(value)
    form = _FORMS.get(bracket)
    if form is None:
        return _tag(bracket)
    return _tag(bracket) + (form(*parts) if bracket != CODE_WITH_SCOPE else _scoped(value, collation))


def _fields(fields: dict[str, Any], collation: Collation | None) -> bytes:
    parts: list[bytes] = []
    for name, item in fields.items():
        key = sortable(item, collation)
        # The server compares the type of a field before its name; NaN is a number.
        parts.append(_NUMBER if key[:1] == _tag(NAN) else key[:1])
        parts.append(_text(name.encode()))
        parts.append(key)
    return b"".join(parts)


def _text(data: bytes) -> bytes:
    return data.replace(b"\x00", b"\x00\xff") + b"\x00\x01"


def _real(value: float) -> bytes:
    if value < 0:
        return b"\x01" + (_DOUBLE.pack(-value) + _END).translate(_INVERT)
    return b"\x02" + _DOUBLE.pack(abs(value)) + _END


def _exact(value: Fraction) -> bytes:
    """A number as the largest double that is not above it in magnitude, then what is missing in decimal digits."""
    size = abs(value)
    if size > _LARGEST:
        whole = _decimal(int(size))
        # Beyond all doubles: the number of digits, then the digits; such numbers are decimals and whole.
        tail = b"\xfe" + _LENGTH.pack(len(whole)) + whole.rstrip("0").encode() + _END
        magnitude = _DOUBLE.pack(_LARGEST) + tail
    else:
        near = float(size)
        if Fraction(near) > size:
            near = _below(near)
        rest = (size - Fraction(near)) / (Fraction(_above(near)) - Fraction(near)) if near < _LARGEST else Fraction(0)
        magnitude = _DOUBLE.pack(near) + (b"\x01" + _digits(rest) if rest else b"") + _END
    if value < 0:
        return b"\x01" + magnitude.translate(_INVERT)
    return b"\x02" + magnitude


def _below(value: float) -> float:
    (bits,) = _DATE.unpack(_DOUBLE.pack(value))
    found: float = _DOUBLE.unpack(_DATE.pack(bits - 1))[0]
    return found


def _above(value: float) -> float:
    (bits,) = _DATE.unpack(_DOUBLE.pack(value))
    found: float = _DOUBLE.unpack(_DATE.pack(bits + 1))[0]
    return found


def _digits(rest: Fraction) -> bytes:
    """The decimal digits of a fraction below one whose denominator has the factors 2 and 5 only: they end."""
    bottom, twos, fives = rest.denominator, 0, 0
    twos = (bottom & -bottom).bit_length() - 1
    bottom >>= twos
    while bottom > 1:
        bottom //= 5
        fives += 1
    places = max(twos, fives)
    digits = rest.numerator * 10**places // rest.denominator
    return _decimal(digits).rjust(places, "0").rstrip("0").encode()


def _decimal(value: int) -> str:
    """The digits of `value`, also beyond the number of them that Python's `str` agrees to write."""
    return format(_DIGITS.create_decimal(value), "f")


def _scoped(value: Any, collation: Collation | None) -> bytes:
    return _text(str(value).encode()) + _fields(dict(value.scope), collation) + _END


def _number(value: Any) -> bytes:
    if isinstance(value, Decimal):
        if value.is_infinite():
            return _real(float(value))
        return _exact(Fraction(value))
    return _real(float(value))


def _binary(length: int, subtype: int, data: bytes) -> bytes:
    return _LENGTH.pack(length) + bytes([subtype]) + data


def _date(milliseconds: int) -> bytes:
    return _DATE.pack(milliseconds + 2**63)


def _timestamp(time: int, increment: int) -> bytes:
    return _STAMP.pack(time, increment)


def _regex(pattern: str, flags: str) -> bytes:
    return _text(pattern.encode()) + _text(flags.encode())


def _bool(value: bool) -> bytes:
    return b"\x01" if value else b"\x00"


def _code(code: str) -> bytes:
    return _text(code.encode())


_FORMS: Final[dict[int, Callable[..., bytes]]] = {
    NUMBER: _number,
    BIN_DATA: _binary,
    BOOL: _bool,
    DATE: _date,
    TIMESTAMP: _timestamp,
    REGEX: _regex,
    CODE: _code,
    CODE_WITH_SCOPE: _code,
}

__all__ = ["LAST", "MISSING", "bounds", "inverted", "sortable"]
