"""States from which values can also be taken out, for windows that move: sums, means, deviations, covariances.

They follow the server's arithmetic: infinities and NaN are counted rather than summed, so that a window is right
again once they have left it, and a sum falls back to the narrowest type that holds it.
"""

from decimal import Decimal
from math import inf, isfinite, nan, sqrt
from typing import Any, Protocol

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.ir.accumulator import State
from kato_compat.operators.accumulator.total import SumState
from kato_compat.values.numbers import DECIMAL, decimal_of, divide, double_of, integer, multiply, pack, subtract
from kato_compat.values.types import INT64_MAX, INT64_MIN, NUMBER_TYPES


class Removable(State, Protocol):
    """A state from which the values taken in can be taken out again, oldest first."""

    __slots__ = ()

    def remove(self, value: Any) -> None:
        """Take out a value that was taken in."""


class MovingSum(Removable):
    """`$sum` over a moving window."""

    __slots__ = ("_decimals", "_doubles", "_negative", "_not", "_positive", "_sum")

    def __init__(self) -> None:
        self._sum = SumState()
        self._doubles = 0
        self._decimals = 0
        self._positive = 0
        self._negative = 0
        self._not = 0  # NaN

    def add(self, value: Any) -> None:
        self._take(value, 1)

    def remove(self, value: Any) -> None:
        self._take(value, -1)

    def _take(self, value: Any, sign: int) -> None:
        kind = type(value)
        if kind not in NUMBER_TYPES:
            return
        if kind is float or kind is Decimal128:
            if kind is float:
                self._doubles += sign
                number: float | Decimal = value
            else:
                self._decimals += sign
                number = value.to_decimal()
            if number != number:
                self._not += sign
            elif number == inf:
                self._positive += sign
            elif number == -inf:
                self._negative += sign
            elif kind is float:
                self._sum.add(value * sign)
            else:
                self._sum.add(value if sign > 0 else pack(-number))  # type: ignore[arg-type]
            return
        self._sum.add(value if sign > 0 else _negated(value))

    def result(self) -> Any:
        if self._not or (self._positive and self._negative):
            return self._special(nan)
        if self._positive:
            return self._special(inf)
        if self._negative:
            return self._special(-inf)
        total = self._sum.result()
        kind = type(total)
        if kind is Decimal128 and not self._decimals:
            number = total.to_decimal()
            if self._doubles:
                return float(number)
            whole = int(number.to_integral_value())
            return integer(whole) if INT64_MIN <= whole <= INT64_MAX else float(number)
        if kind is float and not self._doubles and INT64_MIN < total < INT64_MAX:
            return integer(round(total))
        return integer(int(total)) if kind is Int64 else total

    def _special(self, value: float) -> Any:
        return Decimal128(Decimal(value)) if self._decimals else value


def _negated(value: int) -> int:
    return Int64(-int(value)) if type(value) is Int64 else -value


class MovingAverage(Removable):
    """`$avg` over a moving window."""

    __slots__ = ("_number", "_sum")

    def __init__(self) -> None:
        self._sum = MovingSum()
        self._number = 0

    def add(self, value: Any) -> None:
        if type(value) in NUMBER_TYPES:
            self._sum.add(value)
            self._number += 1

    def remove(self, value: Any) -> None:
        if type(value) in NUMBER_TYPES:
            self._sum.remove(value)
            self._number -= 1

    def result(self) -> Any:
        if not self._number:
            return None
        total = self._sum.result()
        if type(total) is Decimal128:
            number = total.to_decimal()
            return pack(DECIMAL.divide(number, Decimal(self._number))) if number.is_finite() else total
        return total if type(total) is float and not isfinite(total) else float(total) / self._number


class MovingDeviation(Removable):
    """`$stdDevPop` over a moving window: null while a value in it is not finite."""

    __slots__ = ("_infinite", "_number", "_squares", "_sum")
    less = 0

    def __init__(self) -> None:
        self._sum = SumState()
        self._squares = SumState()
        self._number = 0
        self._infinite = 0

    def add(self, value: Any) -> None:
        self._take(value, 1)

    def remove(self, value: Any) -> None:
        self._take(value, -1)

    def _take(self, value: Any, sign: int) -> None:
        if type(value) not in NUMBER_TYPES:
            return
        number = double_of(value)
        if not isfinite(number):
            self._infinite += sign
            return
        before = self._number
        after = before + sign
        if after == 0:
            self._sum, self._squares = SumState(), SumState()
        elif before == 0:
            self._sum.add(number)
        else:
            distance = before * number - float(self._sum.result())
            self._sum.add(number * sign)
            self._squares.add(distance * distance * sign / (after * before))
        self._number = after

    def result(self) -> Any:
        if self._infinite:
            return None
        divisor = self._number - self.less
        if divisor <= 0:
            return None
        squares = float(self._squares.result())
        if squares < 0 or (not self.less and self._number == 1):
            # Rounding alone makes squares negative.
            return 0
        return sqrt(squares / divisor)


class MovingSampleDeviation(MovingDeviation):
    """`$stdDevSamp` over a moving window."""

    __slots__ = ()
    less = 1


class Covariance(Removable):
    """`$covariancePop`, over a moving or a growing window; takes pairs of numbers, leaves out anything else."""

    __slots__ = ("_number", "_product", "_x", "_y")
    less = 0

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._number = 0
        self._x = MovingAverage()
        self._y = MovingAverage()
        self._product = MovingSum()

    def add(self, value: Any) -> None:
        if not _is_pair(value):
            return
        x, y = value
        if not (_is_finite(x) and _is_finite(y)):
            self._product.add(_infinite(value))
            return
        self._number += 1
        distance = _difference(x, self._x.result())
        self._x.add(x)
        self._y.add(y)
        self._product.add(_times(distance, _difference(y, self._y.result())))

    def remove(self, value: Any) -> None:
        if not _is_pair(value):
            return
        x, y = value
        if not (_is_finite(x) and _is_finite(y)):
            self._product.remove(_infinite(value))
            return
        self._number -= 1
        if self._number == 0:
            self._clear()
            return
        self._x.remove(x)
        distance = _difference(x, self._x.result())
        self._product.remove(_times(distance, _difference(y, self._y.result())))
        self._y.remove(y)

    def result(self) -> Any:
        if self._number == 1 and not self.less:
            return 0.0
        divisor = self._number - self.less
        if divisor <= 0:
            return None
        total = self._product.result()
        return divide(total, float(divisor)) if type(total) is Decimal128 else float(total) / divisor


class SampleCovariance(Covariance):
    """`$covarianceSamp`."""

    __slots__ = ()
    less = 1


def _is_pair(value: Any) -> bool:
    return type(value) is list and len(value) == 2 and type(value[0]) in NUMBER_TYPES and type(value[1]) in NUMBER_TYPES


def _is_finite(value: Any) -> bool:
    kind = type(value)
    if kind is Decimal128:
        return bool(value.to_decimal().is_finite())
    return kind is not float or isfinite(value)


def _difference(value: Any, mean: Any) -> Any:
    return None if mean is None else subtract(value, mean)


def _times(left: Any, right: Any) -> Any:
    # The first value has no mean before it: nothing is added.
    return None if left is None or right is None else multiply(left, right)


def _infinite(pair: list[Any]) -> Any:
    """What a pair that is not finite counts as: NaN, or the infinity of the one that is infinite."""
    decimal = False
    positive = negative = not_number = 0
    for value in pair:
        number = decimal_of(value)
        if number.is_nan():
            not_number += 1
            continue
        decimal = decimal or type(value) is Decimal128
        if number.is_infinite():
            if number.is_signed():
                negative += 1
            else:
                positive += 1
    result = nan if not_number or (positive and negative) else inf if positive else -inf
    return Decimal128(Decimal(result)) if decimal else result
