"""Trigonometric and hyperbolic functions of decimals with 34 digits, and of doubles as C computes them.

Decimals are computed with 160 bits by mpmath and rounded once to 34 digits.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from mpmath import libmp

from kato_compat.values.numbers import DECIMAL

_BITS: Final = 160
_NAN: Final = Decimal("NaN")
PI: Final = DECIMAL.create_decimal("3.14159265358979323846264338327950288419716939937510")
PI_OVER_180: Final = DECIMAL.divide(PI, Decimal(180))
DEGREES_OVER_PI: Final = DECIMAL.divide(Decimal(180), PI)


def _binary(value: Decimal) -> Any:
    """mpmath's form of a decimal."""
    if value.is_nan():
        return libmp.fnan
    if value.is_infinite():
        return libmp.fninf if value.is_signed() else libmp.finf
    # Enough bits for a decimal to survive next to a multiple of pi.
    return libmp.from_str(str(value), max(_BITS, 4 * abs(value.adjusted()) + _BITS), "n")


def _decimal(value: Any) -> Decimal:
    """The decimal of 34 digits nearest to a number in mpmath's form."""
    if value == libmp.fnan:
        return _NAN
    if value in (libmp.finf, libmp.fninf):
        return Decimal("Infinity") if value == libmp.finf else Decimal("-Infinity")
    sign, mantissa, exponent, _ = value
    whole = -int(mantissa) if sign else int(mantissa)
    if exponent >= 0:
        return DECIMAL.plus(Decimal(whole << exponent))
    # A division by a power of two ends, so the digits beyond 34 decide how the last is rounded.
    return DECIMAL.divide(Decimal(whole), Decimal(1 << -exponent))


def _of_decimal(function: Callable[[Any, int, str], Any]) -> Callable[[Decimal], Decimal]:
    def apply(value: Decimal) -> Decimal:
        try:
            return _decimal(function(_binary(value), _BITS, "n"))
        except libmp.ComplexResult:
            return _NAN

    return apply


sin: Final = _of_decimal(libmp.mpf_sin)
cos: Final = _of_decimal(libmp.mpf_cos)
tan: Final = _of_decimal(libmp.mpf_tan)
asin: Final = _of_decimal(libmp.mpf_asin)
acos: Final = _of_decimal(libmp.mpf_acos)
atan: Final = _of_decimal(libmp.mpf_atan)
sinh: Final = _of_decimal(libmp.mpf_sinh)
cosh: Final = _of_decimal(libmp.mpf_cosh)
tanh: Final = _of_decimal(libmp.mpf_tanh)
asinh: Final = _of_decimal(libmp.mpf_asinh)
acosh: Final = _of_decimal(libmp.mpf_acosh)
atanh: Final = _of_decimal(libmp.mpf_atanh)


def atan2(y: Decimal, x: Decimal) -> Decimal:
    """The angle of the point (x, y). In the right half it is the arc tangent of the quotient rounded to 34 digits."""
    if x.is_finite() and y.is_finite() and x > 0 and not y.is_zero():
        return atan(DECIMAL.divide(y, x))
    if x.is_nan() or y.is_nan():
        return _NAN
    if y.is_zero():
        # mpmath has no negative zero: the four cases are C's.
        return DECIMAL.plus(PI.copy_sign(y)) if x.is_signed() else y
    return _decimal(libmp.mpf_atan2(_binary(y), _binary(x), _BITS, "n"))


def double(function: Callable[[float], float], odd: bool = True) -> Callable[[float], float]:
    """`function` of `math` as C has it: infinite where the result is too large (of the sign of the argument if odd)."""

    def apply(value: float) -> float:
        try:
            return function(value)
        except OverflowError:
            return math.copysign(math.inf, value) if odd else math.inf

    return apply


def atanh_double(value: float) -> float:
    """The inverse hyperbolic tangent of a double from -1 to 1, infinite at both ends."""
    return math.copysign(math.inf, value) if abs(value) == 1 else math.atanh(value)
