"""Typed arithmetic on BSON numbers, with the result types, overflows and rounding of the server.

Numbers are `int` (int32; a plain `int` beyond 32 bits counts as long), `Int64` (long), `float` (double) and
`Decimal128`. Every function here takes numbers only; null and other types are the caller's business. Results that
are longs are `Int64`. Decimal arithmetic has 34 digits and rounds half to even; a double meets a decimal with 15
significant digits (MongoDB manual: $add, $multiply, $toDecimal).
"""

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any, Final, TypeAlias

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.values.types import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, BsonType

Number: TypeAlias = int | Int64 | float | Decimal128

#: Arithmetic of IEEE 754 decimal128 that never raises: NaN and infinities are results.
DECIMAL: Final = Context(
    prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144, capitals=1, clamp=1, flags=[], traps=[]
)
_FIFTEEN: Final = Context(prec=15, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144, clamp=0, flags=[], traps=[])
_LOWEST_ZERO: Final = Decimal((0, (0,), -6176))
_POWER_OVERFLOW: Final = float(2**63)


def numeric_type(value: Any) -> BsonType | None:
    """INT, LONG, DOUBLE or DECIMAL, and None for what is no number (bool is none)."""
    kind = type(value)
    if kind is int:
        return BsonType.INT if INT32_MIN <= value <= INT32_MAX else BsonType.LONG
    return _TYPES.get(kind)


_TYPES: Final[dict[type, BsonType]] = {Int64: BsonType.LONG, float: BsonType.DOUBLE, Decimal128: BsonType.DECIMAL}


def is_long(value: int) -> bool:
    """True if the integer is of BSON type long."""
    return type(value) is Int64 or not INT32_MIN <= value <= INT32_MAX


def integer(value: int) -> int:
    """`value` (within 64 bits) as an int where it fits in 32 bits, else as a long."""
    return value if INT32_MIN <= value <= INT32_MAX else Int64(value)


def decimal_of(value: Any) -> Decimal:
    """The number as a `Decimal`: doubles with exactly 15 significant digits, the others as they are."""
    kind = type(value)
    if kind is Decimal128:
        number: Decimal = value.to_decimal()
        return number
    if kind is float:
        return double_to_decimal(value)
    return Decimal(value)


def double_to_decimal(value: float) -> Decimal:
    """A double with exactly 15 significant digits, as it takes part in decimal arithmetic (0.1 is 0.100000000000000).

    Zero, NaN and infinities have no digits to pad.
    """
    exact = Decimal(value)
    if not value or not exact.is_finite():
        return exact
    rounded = _FIFTEEN.plus(DECIMAL.plus(exact))
    return DECIMAL.quantize(rounded, Decimal((0, (1,), rounded.adjusted() - 14)))


def widen_double(value: float) -> Decimal:
    """A double as the nearest `Decimal` of 34 digits (0.1 is 0.1000000000000000055511151231257827)."""
    return DECIMAL.create_decimal(Decimal(value))


def pack(value: Decimal) -> Decimal128:
    """The `Decimal128` of a decimal that `DECIMAL` made; NaN of any kind is the one NaN."""
    if value.is_nan():
        return Decimal128(Decimal("NaN"))
    return Decimal128(value)


def normalised(value: Decimal) -> Decimal:
    """The same number with as many digits as decimal128 holds (8 is 8.000000000000000000000000000000000)."""
    return DECIMAL.add(value, _LOWEST_ZERO)


def double_of(value: Any) -> float:
    """The nearest double; a decimal beyond the doubles gives an infinity."""
    if type(value) is Decimal128:
        return float(value.to_decimal())
    return float(value)


def long_of(value: Any) -> int:
    """The number cut to a 64-bit integer as the server coerces: limits for what lies beyond, 0 for NaN.

    A decimal is rounded half to even, a double is cut.
    """
    kind = type(value)
    if kind is float:
        if value != value:
            return 0
        if value >= _POWER_OVERFLOW:
            return INT64_MAX
        if value <= -_POWER_OVERFLOW:
            return INT64_MIN
        return int(value)
    if kind is Decimal128:
        number = value.to_decimal()
        if number.is_nan():
            return 0
        if number.is_infinite():
            return INT64_MIN if number.is_signed() else INT64_MAX
        whole = int(number.to_integral_value(ROUND_HALF_EVEN, DECIMAL))
        return max(INT64_MIN, min(INT64_MAX, whole))
    return int(value)


def integral(value: Any) -> int | None:
    """The number as an int if it is one that fits in 32 bits exactly (2.0 is 2), else None (also for no number)."""
    whole = integral64(value)
    return whole if whole is not None and INT32_MIN <= whole <= INT32_MAX else None


def integral64(value: Any) -> int | None:
    """The number as an int if it is one that fits in 64 bits exactly, else None (also for no number)."""
    kind = type(value)
    if kind is int or kind is Int64:
        return int(value)
    if kind is float:
        if not math.isfinite(value) or value != int(value):
            return None
        whole = int(value)
    elif kind is Decimal128:
        number = value.to_decimal()
        if not number.is_finite() or (number and number.adjusted() > 19) or number != number.to_integral_value():
            return None
        whole = int(number)
    else:
        return None
    return whole if INT64_MIN <= whole <= INT64_MAX else None


def add(left: Any, right: Any) -> Number:
    """The sum: int and int give int, or long where it does not fit; a long sum that overflows is a double."""
    a, b = type(left), type(right)
    if a is int and b is int:
        total: int = left + right
        if INT32_MIN <= total <= INT32_MAX and not (is_long(left) or is_long(right)):
            return total
    if a is Decimal128 or b is Decimal128:
        return pack(DECIMAL.add(decimal_of(left), decimal_of(right)))
    if a is float or b is float:
        return float(left) + float(right)
    return _integers(int(left) + int(right), left, right, float(left) + float(right))


def subtract(left: Any, right: Any) -> Number:
    """The difference, with the types of `add`."""
    a, b = type(left), type(right)
    if a is Decimal128 or b is Decimal128:
        return pack(DECIMAL.subtract(decimal_of(left), decimal_of(right)))
    if a is float or b is float:
        return float(left) - float(right)
    return _integers(int(left) - int(right), left, right, float(left) - float(right))


def multiply(left: Any, right: Any) -> Number:
    """The product, with the types of `add`."""
    a, b = type(left), type(right)
    if a is Decimal128 or b is Decimal128:
        return pack(DECIMAL.multiply(decimal_of(left), decimal_of(right)))
    if a is float or b is float:
        return float(left) * float(right)
    return _integers(int(left) * int(right), left, right, float(left) * float(right))


def _integers(result: int, left: int, right: int, overflowed: float) -> Number:
    if not INT64_MIN <= result <= INT64_MAX:
        return overflowed
    if is_long(left) or is_long(right):
        return Int64(result)
    return integer(result)


def divide(left: Any, right: Any) -> Number:
    """The quotient: a decimal if either is one, else a double. Raises BadValue (2) for a zero divisor."""
    if type(left) is Decimal128 or type(right) is Decimal128:
        divisor = decimal_of(right)
        if divisor.is_zero():
            raise fail(2, "can't $divide by zero")
        return pack(DECIMAL.divide(decimal_of(left), divisor))
    denominator = float(right)
    if denominator == 0:
        raise fail(2, "can't $divide by zero")
    return float(left) / denominator


def modulo(left: Any, right: Any) -> Number:
    """The remainder with the sign of `left`, of the wider type. Raises 16610 or 5733415 for a zero divisor."""
    a, b = type(left), type(right)
    if a is Decimal128 or b is Decimal128:
        divisor = decimal_of(right)
        if divisor.is_zero():
            raise fail(5733415, "can't $mod by zero")
        return pack(_decimal_modulo(decimal_of(left), divisor))
    if right == 0:
        raise fail(16610, "can't $mod by zero")
    if a is float or b is float:
        dividend, divisor_double = float(left), float(right)
        if math.isinf(dividend) or divisor_double != divisor_double:
            return math.nan
        return math.fmod(dividend, divisor_double)
    dividend_whole, divisor_whole = int(left), int(right)
    remainder = abs(dividend_whole) % abs(divisor_whole)
    if dividend_whole < 0:
        remainder = -remainder
    return Int64(remainder) if is_long(left) or is_long(right) else remainder


def _decimal_modulo(left: Decimal, right: Decimal) -> Decimal:
    if not left.is_finite() or not right.is_finite():
        return DECIMAL.remainder(left, right)
    # The quotient may have thousands of digits, which the context of 34 digits refuses.
    with localcontext(DECIMAL) as wide:
        wide.prec = max(50, left.adjusted() - min(right.adjusted(), 0) + 50)
        wide.clamp = 0
        remainder = left % right
    return DECIMAL.create_decimal(remainder)


def quantise(value: Decimal, places: int, rounding: str) -> Decimal:
    """`value` rounded to `places` digits after the point (negative: before it), as the server's $round does.

    A number that 34 digits cannot hold with so many places is not rounded but padded to 34 digits.
    """
    if value.is_nan():
        return value
    if not value.is_infinite() and value and value.adjusted() + places > 33:
        return normalised(value)
    context = DECIMAL.copy()
    context.rounding = rounding
    return context.quantize(value, Decimal((0, (1,), -places)))


def negate(value: Any) -> Number:
    """The number with the other sign, with the types of `subtract` from zero."""
    return subtract(0, value)


__all__ = [
    "DECIMAL",
    "Number",
    "add",
    "decimal_of",
    "divide",
    "double_of",
    "double_to_decimal",
    "integer",
    "integral",
    "integral64",
    "is_long",
    "long_of",
    "modulo",
    "multiply",
    "negate",
    "normalised",
    "numeric_type",
    "pack",
    "quantise",
    "subtract",
    "widen_double",
]
