"""`$derivative` and `$integral`: the rate of change, and the area under a curve."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from math import nan
from typing import Any, ClassVar, Final

from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression, Frame
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import StageContext
from kato_compat.ir.window import Column, Ordering, Partition, Windowed, WindowFunction
from kato_compat.operators.window.arguments import input_and_unit
from kato_compat.operators.window.bounds import WHOLE, Bounds
from kato_compat.operators.window.moving import MovingSum, Removable
from kato_compat.operators.window.sliding import growing, moving
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import add, decimal_of, divide, multiply, subtract
from kato_compat.values.order import milliseconds
from kato_compat.values.paths import Path, getter
from kato_compat.values.types import alias_of, is_number

#: Milliseconds of the units that `$derivative` and `$integral` take.
LENGTHS: Final = {
    "week": 604_800_000,
    "day": 86_400_000,
    "hour": 3_600_000,
    "minute": 60_000,
    "second": 1000,
    "millisecond": 1,
}


def is_date(value: Any) -> bool:
    """True for a date."""
    return type(value) is datetime or type(value) is DatetimeMS


def between(left: Any, right: Any) -> Any:
    """`right` minus `left` as `$subtract` does: milliseconds between dates, null for null or missing."""
    if left is None or right is None or left is MISSING or right is MISSING:
        return None
    if is_date(left) and is_date(right):
        return Int64(milliseconds(right) - milliseconds(left))
    if not is_number(left) or not is_number(right):
        raise fail(14, f"can't $subtract {alias_of(left)} from {alias_of(right)}")
    return subtract(right, left)


def is_zero(value: Any) -> bool:
    """True for a number that is zero."""
    return bool(decimal_of(value) == 0)


_DOCUMENTS: Final = ({"_id": 1, "a": 2}, {"_id": 2, "a": 4}, {"_id": 3, "a": 3})


@register
@dataclass(frozen=True, slots=True)
class Derivative(WindowFunction):
    """`$derivative` (MongoDB manual: $derivative): the slope between the ends of the window, null if it has none."""

    spec: ClassVar[Spec] = Spec(
        "$derivative",
        Kind.WINDOW,
        "5.0",
        "The average rate of change within the window.",
        examples=(
            Example(
                _DOCUMENTS,
                {"r": {"$derivative": {"input": "$a"}, "window": {"documents": [-1, 0]}}},
                [{"_id": 1, "a": 2, "r": None}, {"_id": 2, "a": 4, "r": 2.0}, {"_id": 3, "a": 3, "r": -1.0}],
            ),
        ),
    )
    expression: Expression
    unit: str | None
    bounds: Bounds
    path: Path

    @classmethod
    def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
        """See `WindowFunction.parse`. Raises 9 for wrong arguments, 5490710 for a unit of no fixed length."""
        expression, unit, bounds = input_and_unit("$derivative", raw, ordering, context)
        if bounds is None or ordering is None:
            raise fail(9, "$derivative requires explicit window bounds")
        return cls(expression, unit, bounds, ordering.fields[0][0])

    def compile(self, frame: Frame) -> Windowed:
        """See `WindowFunction.compile`. Raises 5624900 to 5624903 for values of wrong types."""
        evaluate, bounds, time = self.expression.compile(), self.bounds, getter(self.path)
        scale = None if self.unit is None else Int64(LENGTHS[self.unit])

        def slope(left: dict[str, Any], right: dict[str, Any]) -> Any:
            start, end = time(left), time(right)
            _check_times(start, end, scale is not None)
            run = between(start, end)
            rise = between(evaluate(left, frame), evaluate(right, frame))
            if rise is None:
                raise fail(5624903, "$derivative input must not be null or missing")
            if is_zero(run):
                return None
            result = divide(rise, run)
            return result if scale is None else multiply(result, scale)

        def column(partition: Partition) -> Column:
            return [
                None if window is None else slope(partition[window[0]], partition[window[1]])
                for window in bounds.windows(partition)
            ]

        return column


def _check_times(start: Any, end: Any, unit: bool) -> None:
    if unit:
        if not (is_date(start) and is_date(end)):
            raise fail(5624900, "$derivative with 'unit' expects the sortBy field to be a Date")
        return
    if is_date(start) or is_date(end):
        raise fail(5624901, "$derivative where the sortBy is a Date requires an 'unit'")
    if not (is_number(start) and is_number(end)):
        raise fail(5624902, "$derivative (with no 'unit') expects the sortBy field to be numeric")


class _Area(Removable):
    """The area under the points of a window, by the trapezoidal rule; NaN while one of them is NaN."""

    __slots__ = ("_length", "_not", "_points", "_sum")

    def __init__(self, length: Int64 | None) -> None:
        self._length = length
        self._points: deque[tuple[Any, Any]] = deque()
        self._sum = MovingSum()
        self._not = 0

    def add(self, value: Any) -> None:
        self._check(value)
        if _has_nan(value):
            self._not += 1
        if self._points:
            self._sum.add(_trapezoid(self._points[-1], value))
        self._points.append(value)

    def remove(self, value: Any) -> None:
        if _has_nan(value):
            self._not -= 1
        self._points.popleft()
        if self._points:
            self._sum.remove(_trapezoid(value, self._points[0]))

    def result(self) -> Any:
        if not self._points:
            return None
        if self._not:
            return nan
        total = self._sum.result()
        return total if self._length is None else divide(total, self._length)

    def _check(self, value: tuple[Any, Any]) -> None:
        x, y = value
        if not is_number(y) or not (is_number(x) or is_date(x)):
            raise fail(
                5423900,
                "The input value of $integral window function must be a vector of 2 value, the first value must be "
                "numeric or date type and the second must be numeric.",
            )
        if self._length is None:
            if not is_number(x):
                raise fail(5423902, "$integral (with no 'unit') expects the sortBy field to be numeric")
        elif not is_date(x):
            raise fail(5423901, "$integral with 'unit' expects the sortBy field to be a Date")


def _has_nan(point: tuple[Any, Any]) -> bool:
    return any(
        value.to_decimal().is_nan() if type(value) is Decimal128 else type(value) is float and value != value
        for value in point
    )


def _trapezoid(left: tuple[Any, Any], right: tuple[Any, Any]) -> Any:
    if _has_nan(left) or _has_nan(right):
        return 0
    return divide(multiply(add(right[1], left[1]), between(left[0], right[0])), 2.0)


@register
@dataclass(frozen=True, slots=True)
class Integral(WindowFunction):
    """`$integral` (MongoDB manual: $integral)."""

    spec: ClassVar[Spec] = Spec(
        "$integral",
        Kind.WINDOW,
        "5.0",
        "The area under the curve of the window, by the trapezoidal rule.",
        examples=(
            Example(
                _DOCUMENTS,
                {"r": {"$integral": {"input": "$a"}, "window": {"documents": ["unbounded", "current"]}}},
                [{"_id": 1, "a": 2, "r": 0}, {"_id": 2, "a": 4, "r": 3.0}, {"_id": 3, "a": 3, "r": 6.5}],
            ),
        ),
    )
    expression: Expression
    unit: str | None
    bounds: Bounds
    path: Path

    @classmethod
    def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
        """See `WindowFunction.parse`. Raises 9 for wrong arguments, 5490710 for a unit of no fixed length."""
        expression, unit, bounds = input_and_unit("$integral", raw, ordering, context)
        if ordering is None:
            raise fail(9, "$integral requires a sortBy")
        return cls(expression, unit, bounds or WHOLE, ordering.fields[0][0])

    def compile(self, frame: Frame) -> Windowed:
        """See `WindowFunction.compile`. Raises 5423900 to 5423902 for values of wrong types."""
        evaluate, bounds, follow = self.expression.compile(), self.bounds, getter(self.path)
        length = None if self.unit is None else Int64(LENGTHS[self.unit])

        def start() -> _Area:
            return _Area(length)

        def column(partition: Partition) -> Column:
            values = [(follow(document), evaluate(document, frame)) for document in partition]
            windows = bounds.windows(partition)
            return growing(values, windows, start) if bounds.cumulative else moving(values, windows, start)

        return column
