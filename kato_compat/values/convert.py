"""Conversions between BSON types, with the server's text forms and limits (MongoDB manual: $convert).

`convert` raises ConversionFailure (241) for what cannot be converted, which is what `onError` of `$convert` answers.
"""

import math
import re
from collections.abc import Callable
from decimal import ROUND_DOWN, Context, Decimal, Overflow, Underflow
from typing import Any, Final

from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId

from kato_compat.errors import fail
from kato_compat.values import bindata
from kato_compat.values.dates import civil_of, date_of, instant_of
from kato_compat.values.datetext import parse_date
from kato_compat.values.numbers import DECIMAL, decimal_of, pack
from kato_compat.values.types import (
    ALIASES,
    INT32_MAX,
    INT32_MIN,
    INT64_MAX,
    INT64_MIN,
    BsonType,
    type_of,
)

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_DOUBLE: Final = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE
)
# A sign hides the prefix from the check for hexadecimal digits, so that the server's C library reads them.
_SIGNED_HEXADECIMAL: Final = re.compile(r"[+-]0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
_SMALLEST_NORMAL: Final = 2.2250738585072014e-308
_OBJECT_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
_NO_ON_ERROR: Final = "in $convert with no onError value"


# Numbers


def _overflow(value: Any) -> Exception:
    return fail(241, f"Conversion would overflow target type {_NO_ON_ERROR}: {value}")


def _whole(value: Any, least: int, most: int) -> int:
    """A number cut to an integer between two limits; raises 241 for NaN, infinities and what lies beyond."""
    if isinstance(value, int):
        whole = int(value)
    else:
        number = value.to_decimal() if type(value) is Decimal128 else value
        if number != number:
            raise fail(241, f"Attempt to convert NaN value to integer type {_NO_ON_ERROR}")
        if math.isinf(number):
            raise fail(241, f"Attempt to convert infinity value to integer type {_NO_ON_ERROR}")
        if isinstance(number, Decimal):
            if number and number.adjusted() > 20:
                raise _overflow(value)
            whole = int(number.to_integral_value(ROUND_DOWN))
        else:
            # A double may not exceed the int limits even by a fraction that would be cut.
            if most == INT32_MAX and not least <= number <= most:
                raise _overflow(value)
            whole = int(number)
    if not least <= whole <= most:
        raise _overflow(value)
    return whole


def _to_int(value: Any) -> int:
    return _whole(value, INT32_MIN, INT32_MAX)


def _to_long(value: Any) -> int:
    return Int64(_whole(value, INT64_MIN, INT64_MAX))


def _number_to_date(value: Any) -> Any:
    return date_of(_whole(value, INT64_MIN, INT64_MAX))


def _decimal_to_double(value: Decimal128) -> float:
    number = value.to_decimal()
    result = float(number)
    if number.is_finite() and (math.isinf(result) or _underflows(result, number)):
        raise _overflow(value)
    return result


def _underflows(result: float, number: Decimal) -> bool:
    """True where a double is too small to be near the decimal that it was made of."""
    return abs(result) < _SMALLEST_NORMAL and Decimal(result) != number


def _to_decimal(value: Any) -> Decimal128:
    return pack(decimal_of(value))


# Text to numbers


def _unparsed(text: str, reason: str) -> Exception:
    return fail(241, f"Failed to parse number '{text}' {_NO_ON_ERROR}: {reason}")


def _refuse_hexadecimal(text: str) -> None:
    if text[:2] in ("0x", "0X"):
        raise fail(241, f"Illegal hexadecimal input {_NO_ON_ERROR}: {text}")


def _text_to_whole(text: str, least: int, most: int) -> int:
    _refuse_hexadecimal(text)
    if _INTEGER.fullmatch(text) is None:
        raise _unparsed(text, "Did not consume whole string." if text.strip("+-") else "No digits")
    # Python refuses to read thousands of digits, all of them zeros but for the last ones too.
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > 19:
        raise _unparsed(text, "Overflow")
    whole = int(digits or "0") * (-1 if text[0] == "-" else 1)
    if not least <= whole <= most:
        raise _unparsed(text, "Overflow")
    return whole


def _text_to_int(text: str) -> int:
    return _text_to_whole(text, INT32_MIN, INT32_MAX)


def _text_to_long(text: str) -> int:
    return Int64(_text_to_whole(text, INT64_MIN, INT64_MAX))


def _text_to_double(text: str) -> float:
    _refuse_hexadecimal(text)
    if _SIGNED_HEXADECIMAL.fullmatch(text) is not None:
        try:
            return float.fromhex(text)
        except OverflowError as error:
            raise _unparsed(text, "Out of range") from error
    if _DOUBLE.fullmatch(text) is None:
        raise _unparsed(text, "Did not consume whole string." if text else "Empty string")
    result = float(text)
    if math.isinf(result) and "i" not in text.lower():
        raise _unparsed(text, "Out of range")
    if abs(result) < _SMALLEST_NORMAL and _WIDE.create_decimal(text) != Decimal(result):
        raise _unparsed(text, "Out of range")
    return result


_WIDE: Final = Context(prec=1_100, Emin=-999_999, Emax=999_999, traps=[])


def _text_to_decimal(text: str) -> Decimal128:
    _refuse_hexadecimal(text)
    if _DECIMAL.fullmatch(text) is None:
        raise _unparsed(text, "Failed to parse string to decimal" if text else "Empty string")
    context = DECIMAL.copy()
    context.clear_flags()
    number = context.create_decimal(text)
    if context.flags[Overflow]:
        raise _unparsed(text, "Conversion from string to decimal would overflow")
    if context.flags[Underflow]:
        raise _unparsed(text, "Conversion from string to decimal would underflow")
    return pack(number)


def _text_to_object_id(text: str) -> ObjectId:
    if _OBJECT_ID.fullmatch(text) is None:
        raise fail(
            241,
            f"Failed to parse objectId '{text}' {_NO_ON_ERROR}: Invalid string length for parsing to OID, expected 24 "
            f"but found {len(text.encode())}"
            if len(text) != 24
            else f"Failed to parse objectId '{text}' {_NO_ON_ERROR}: Invalid character found in hex string",
        )
    return ObjectId(text)


# Anything to text


def double_text(value: float) -> str:
    """The shortest text that reads back as the double: 1.0 is ``1``, 1e16 is ``1e+16``, NaN is ``NaN``."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value).removesuffix(".0")


def date_text(value: Any) -> str:
    """A date in the form ``2024-01-31T12:00:00.000Z``; raises 18537 for years outside of 0 to 9999."""
    instant = instant_of(value)
    civil = civil_of(instant)
    if not 0 <= civil.year <= 9999:
        raise fail(18537, "$dateToString is only defined on year 0-9999")
    return (
        f"{civil.year:04}-{civil.month:02}-{civil.day:02}T"
        f"{civil.hour:02}:{civil.minute:02}:{civil.second:02}.{civil.millisecond:03}Z"
    )


def _decimal_text(value: Decimal128) -> str:
    number = value.to_decimal()
    return "NaN" if number.is_nan() else str(number)


# The table

_Function = Callable[[Any], Any]


def _identity(value: Any) -> Any:
    return value


_TABLE: Final[dict[BsonType, dict[BsonType, _Function]]] = {
    BsonType.DOUBLE: {
        BsonType.DOUBLE: _identity,
        BsonType.STRING: double_text,
        BsonType.BOOL: bool,
        BsonType.DATE: _number_to_date,
        BsonType.INT: _to_int,
        BsonType.LONG: _to_long,
        BsonType.DECIMAL: _to_decimal,
    },
    BsonType.STRING: {
        BsonType.DOUBLE: _text_to_double,
        BsonType.STRING: _identity,
        BsonType.OBJECT_ID: _text_to_object_id,
        BsonType.DATE: lambda text: date_of(parse_date(text)),
        BsonType.INT: _text_to_int,
        BsonType.LONG: _text_to_long,
        BsonType.DECIMAL: _text_to_decimal,
    },
    BsonType.OBJECT_ID: {
        BsonType.STRING: str,
        BsonType.OBJECT_ID: _identity,
        BsonType.DATE: lambda value: date_of(instant_of(value)),
    },
    BsonType.BOOL: {
        BsonType.DOUBLE: float,
        BsonType.STRING: lambda value: "true" if value else "false",
        BsonType.BOOL: _identity,
        BsonType.INT: int,
        BsonType.LONG: lambda value: Int64(int(value)),
        BsonType.DECIMAL: lambda value: Decimal128("1" if value else "0"),
    },
    BsonType.DATE: {
        BsonType.DOUBLE: lambda value: float(instant_of(value)),
        BsonType.STRING: date_text,
        BsonType.DATE: _identity,
        BsonType.LONG: lambda value: Int64(instant_of(value)),
        BsonType.DECIMAL: lambda value: Decimal128(Decimal(instant_of(value))),
    },
    BsonType.TIMESTAMP: {BsonType.DATE: lambda value: date_of(instant_of(value))},
    BsonType.INT: {
        BsonType.DOUBLE: float,
        BsonType.STRING: lambda value: str(int(value)),
        BsonType.BOOL: bool,
        BsonType.INT: _identity,
        BsonType.LONG: lambda value: Int64(value),
        BsonType.DECIMAL: _to_decimal,
    },
    BsonType.LONG: {
        BsonType.DOUBLE: float,
        BsonType.STRING: lambda value: str(int(value)),
        BsonType.BOOL: bool,
        BsonType.DATE: lambda value: date_of(int(value)),
        BsonType.INT: _to_int,
        BsonType.LONG: _identity,
        BsonType.DECIMAL: _to_decimal,
    },
    BsonType.DECIMAL: {
        BsonType.DOUBLE: _decimal_to_double,
        BsonType.STRING: _decimal_text,
        BsonType.BOOL: lambda value: not value.to_decimal().is_zero(),
        BsonType.DATE: _number_to_date,
        BsonType.INT: _to_int,
        BsonType.LONG: _to_long,
        BsonType.DECIMAL: _identity,
    },
}
_SIZED: Final = frozenset({BsonType.INT, BsonType.LONG, BsonType.DOUBLE})


def convert(
    value: Any, target: BsonType, subtype: Any = 0, form: str | None = None, byte_order: str | None = None
) -> Any:
    """`value` (neither null nor missing) as the type `target`.

    `subtype` and `form` are those of binary data, `byte_order` (``little``, the default, or ``big``) that of numbers
    in it. Raises ConversionFailure (241) for what cannot be converted, 4341115 where a format must be given.
    """
    source = type_of(value)
    if source is BsonType.BIN_DATA and target is not BsonType.BOOL:
        return _from_binary(value, target, subtype, form, byte_order)
    if target is BsonType.BIN_DATA:
        return _to_binary(value, source, subtype, form, byte_order)
    function = _TABLE.get(source, {}).get(target)
    if function is not None:
        return function(value)
    if target is BsonType.BOOL:
        return True
    raise _unsupported(source, target)


def _unsupported(source: BsonType, target: BsonType) -> Exception:
    return fail(241, f"Unsupported conversion from {ALIASES[source]} to {ALIASES[target]} {_NO_ON_ERROR}")


def _needed(form: str | None, source: BsonType, target: BsonType) -> str:
    if form is None:
        raise fail(4341115, f"Format must be specified when converting from '{ALIASES[source]}' to '{ALIASES[target]}'")
    return form


def _from_binary(value: bytes, target: BsonType, subtype: Any, form: str | None, byte_order: str | None) -> Any:
    if target is BsonType.STRING:
        return bindata.to_text(value, _needed(form, BsonType.BIN_DATA, target))
    if target in _SIZED:
        return bindata.to_number(value, target, byte_order or "little")
    if target is BsonType.BIN_DATA:
        if getattr(value, "subtype", 0) != bindata.subtype_of(subtype):
            raise fail(241, "Conversions between different BinData subtypes are not supported")
        return value
    raise _unsupported(BsonType.BIN_DATA, target)


def _to_binary(value: Any, source: BsonType, subtype: Any, form: str | None, byte_order: str | None) -> bytes:
    if source is BsonType.STRING:
        needed = _needed(form, source, BsonType.BIN_DATA)
        return bindata.from_text(value, needed, bindata.subtype_of(subtype))
    if source in _SIZED:
        return bindata.from_number(value, source, byte_order or "little", bindata.subtype_of(subtype))
    raise _unsupported(source, BsonType.BIN_DATA)
