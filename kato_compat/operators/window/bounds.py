"""The bounds of windows: parsing, and the documents that each window holds.

MongoDB manual: $setWindowFields, window. A window of documents is counted from the current one; a window of a range
holds the documents whose value of ``sortBy`` lies within the range around the current value, where ``current`` means
the current document itself and not those equal to it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeAlias

from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.expression import ExpressionContext, Literal
from kato_compat.ir.window import Ordering, Partition
from kato_compat.values import timeunit
from kato_compat.values.numbers import DECIMAL, decimal_of, integral, pack
from kato_compat.values.order import NUMBER, milliseconds, sort_key
from kato_compat.values.paths import Path, getter
from kato_compat.values.timezone import UTC
from kato_compat.values.types import alias_of, is_number


class Edge(Enum):
    """A bound that is no number."""

    UNBOUNDED = "unbounded"
    CURRENT = "current"


Bound: TypeAlias = Edge | Any
#: First and last position in the partition, both within; None for an empty window.
Window: TypeAlias = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a window, over documents or (`path` set) over a range of the values at `path`."""

    lower: Bound = Edge.UNBOUNDED
    upper: Bound = Edge.UNBOUNDED
    path: Path | None = None
    unit: str | None = None

    @property
    def cumulative(self) -> bool:
        """True if the window begins where the partition does, so that nothing ever leaves it."""
        return self.lower is Edge.UNBOUNDED

    @property
    def whole(self) -> bool:
        """True if every window is the whole partition."""
        return self.cumulative and self.upper is Edge.UNBOUNDED and self.path is None

    def windows(self, partition: Partition) -> Iterator[Window]:
        """The window of each document, in order. Raises 5429413, 5429414 and 5429513 for values out of a range."""
        if self.path is None:
            return self._by_position(len(partition))
        return self._by_value(partition, self.path)

    def _by_position(self, number: int) -> Iterator[Window]:
        last = number - 1
        lower, upper = _offset(self.lower), _offset(self.upper)
        for position in range(number):
            first = 0 if lower is None else position + lower
            end = last if upper is None else position + upper
            yield None if first > last or end < 0 else (max(first, 0), min(end, last))

    def _by_value(self, partition: Partition, path: Path) -> Iterator[Window]:
        follow = getter(path)
        values = [follow(document) for document in partition]
        keys = self._keys(values)
        shift = self._shifted
        last = len(values) - 1
        for position, value in enumerate(values):
            if self.lower is Edge.UNBOUNDED:
                first = 0
            elif self.lower is Edge.CURRENT:
                first = position
            else:
                first = bisect_left(keys, shift(value, self.lower))
            if self.upper is Edge.UNBOUNDED:
                end = last
            elif self.upper is Edge.CURRENT:
                end = position
            else:
                end = bisect_right(keys, shift(value, self.upper)) - 1
            yield None if first > end else (first, end)

    def _keys(self, values: Sequence[Any]) -> list[Any]:
        for value in values:
            date = type(value) is datetime or type(value) is DatetimeMS
            if self.unit is not None:
                if not date:
                    raise fail(
                        5429513,
                        f"Invalid range: Expected the sortBy field to be a Date, but it was {alias_of(value)}",
                    )
            elif date:
                raise fail(
                    5429413,
                    "Invalid range: For windows that involve date or time ranges, a unit must be provided.",
                )
            elif not is_number(value):
                raise fail(
                    5429414,
                    f"Invalid range: Expected the sortBy field to be a number, but it was {alias_of(value)}",
                )
        if self.unit is not None:
            return [milliseconds(value) for value in values]
        return [sort_key(value) for value in values]

    def _shifted(self, value: Any, delta: Any) -> Any:
        """The key of `value` plus `delta`."""
        if self.unit is not None:
            return timeunit.add(milliseconds(value), self.unit, int(delta), UTC)
        if type(value) in _WHOLE and type(delta) in _WHOLE:
            return (NUMBER, int(value) + int(delta))
        return sort_key(pack(DECIMAL.add(decimal_of(value), decimal_of(delta))))


_WHOLE: Final = frozenset({int, Int64})

#: The whole partition.
WHOLE: Final = Bounds()


def _offset(bound: Bound) -> int | None:
    if bound is Edge.UNBOUNDED:
        return None
    return 0 if bound is Edge.CURRENT else int(bound)


def parse_bounds(raw: Any, ordering: Ordering | None, context: ExpressionContext) -> Bounds:
    """The bounds of a ``window`` document.

    Raises 9 (malformed), 5339900 (lower above upper), 5339901, 5339902 and 8947401 (what they ask of ``sortBy``).
    """
    if type(raw) is not dict:
        raise fail(9, "'window' field must be an object")
    documents, range_ = "documents" in raw, "range" in raw
    if documents and range_:
        raise fail(9, "Window bounds can specify either 'documents' or 'unit', not both.")
    if not range_ and "unit" in raw:
        raise fail(9, "Window bounds can only specify 'unit' with range-based bounds.")
    if documents:
        return _documents(raw, ordering, context)
    if range_:
        return _range(raw, ordering, context)
    if raw:
        raise fail(
            9,
            "'window' field can only contain 'documents' as the only argument or 'range' with an optional 'unit' field",
        )
    return WHOLE


def _documents(raw: dict[str, Any], ordering: Ordering | None, context: ExpressionContext) -> Bounds:
    if len(raw) != 1:
        raise fail(9, "'window' field that specifies documents cannot have other fields")

    def whole(value: Any) -> int:
        number = integral(value)
        if number is None:
            raise fail(9, "Numeric document-based bounds must be an integer")
        return number

    lower, upper = _pair(raw["documents"], context, whole)
    bounds = Bounds(lower, upper)
    if ordering is None and not bounds.whole:
        raise fail(5339901, "Document-based bounds require a sortBy")
    return bounds


def _range(raw: dict[str, Any], ordering: Ordering | None, context: ExpressionContext) -> Bounds:
    unit = raw.get("unit")
    if "unit" in raw:
        if len(raw) != 2:
            raise fail(9, "'window' field that specifies unit cannot have other fields besides 'range'")
        if type(unit) is not str:
            raise fail(9, "'unit' must be a string")
    elif len(raw) != 1:
        raise fail(9, "'window' field that specifies range cannot have other fields besides 'unit'")

    def number(value: Any) -> Any:
        if "unit" in raw:
            if integral(value) is None:
                raise fail(9, "With 'unit', range-based bounds must be an integer")
        elif not is_number(value):
            raise fail(9, "Range-based bounds expression must be a number")
        return value

    lower, upper = _pair(raw["range"], context, number)
    if unit is not None:
        check_unit(unit)
    if ordering is None or len(ordering.fields) != 1:
        raise fail(5339902, "Range-based bounds require sortBy a single field")
    ((path, direction),) = ordering.fields
    if direction < 0:
        raise fail(8947401, "Range-based bounds require an ascending sortBy")
    return Bounds(lower, upper, path, unit)


def check_unit(unit: str) -> None:
    """Raise 9 unless `unit` is a unit of time."""
    if unit not in timeunit.UNITS:
        raise fail(9, f"unknown time unit value: {unit}")


def _pair(raw: Any, context: ExpressionContext, check: Callable[[Any], Any]) -> tuple[Bound, Bound]:
    if type(raw) is not list or len(raw) != 2:
        raise fail(9, f"Window bounds must be a 2-element array: {raw}")
    lower, upper = (_bound(item, context, check) for item in raw)
    ends = [0 if bound is Edge.CURRENT else bound for bound in (lower, upper)]
    if Edge.UNBOUNDED not in ends and sort_key(ends[0]) > sort_key(ends[1]):
        raise fail(5339900, f"Lower bound must not exceed upper bound: [{ends[0]}, {ends[1]}]")
    return lower, upper


def _bound(raw: Any, context: ExpressionContext, check: Callable[[Any], Any]) -> Bound:
    if type(raw) is str:
        if raw not in ("unbounded", "current"):
            raise fail(9, "Window bounds must be 'unbounded', 'current', or a number.")
        return Edge(raw)
    expression = context.parse(raw)
    if not isinstance(expression, Literal):
        raise fail(9, "Window bounds expression must be a constant.")
    return check(expression.value)
