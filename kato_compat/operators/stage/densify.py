"""`$densify`: documents for the values of a field that are missing from a sequence."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar, Final

from bson.datetime_ms import DatetimeMS

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, Running, Stage, StageContext
from kato_compat.operators.stage.specification import read, strings
from kato_compat.operators.stage.spill import Sorter
from kato_compat.values import timeunit
from kato_compat.values.dates import date_of
from kato_compat.values.equality import equality_key
from kato_compat.values.missing import MISSING
from kato_compat.values.naming import document_path
from kato_compat.values.numbers import add, integral64, long_of, modulo, numeric_type, subtract
from kato_compat.values.order import compare, milliseconds
from kato_compat.values.paths import Path, fields_of
from kato_compat.values.timezone import UTC
from kato_compat.values.types import alias_of, is_number

#: Documents that one stage may make.
MAX_DOCUMENTS: Final = 500_000
_BATCH: Final = 1024
_CALENDAR: Final = frozenset({"month", "quarter", "year"})


def _is_date(value: Any) -> bool:
    return type(value) is datetime or type(value) is DatetimeMS


@dataclass(frozen=True, slots=True)
class Range:
    """The sequence: its step, and the bounds ``full``, ``partition`` or an explicit (lower, upper)."""

    step: Any
    unit: str | None
    bounds: str | tuple[Any, Any]

    def after(self, value: Any) -> Any:
        """`value` plus one step."""
        if self.unit is None:
            return add(value, self.step)
        return date_of(timeunit.add(milliseconds(value), self.unit, long_of(self.step), UTC))

    def before(self, value: Any) -> Any:
        """`value` minus one step."""
        if self.unit is None:
            return subtract(value, self.step)
        return date_of(timeunit.add(milliseconds(value), self.unit, -long_of(self.step), UTC))

    def reaches(self, base: Any, value: Any) -> bool:
        """True if `value` lies a whole number of steps from `base`."""
        if self.unit is None:
            return compare(modulo(subtract(value, base), self.step), 0) == 0
        if self.unit in _CALENDAR:
            while compare(base, value) < 0:
                base = self.after(base)
            return compare(base, value) == 0
        length = timeunit.add(0, self.unit, long_of(self.step), UTC)
        return (milliseconds(value) - milliseconds(base)) % length == 0


def _parse_range(raw: dict[str, Any]) -> Range:
    fields = read("$densify.range", raw, {"step": (), "bounds": (), "unit": ("string",)}, ("step", "bounds"))
    step, unit, bounds = fields["step"], fields.get("unit"), fields["bounds"]
    if not is_number(step) or compare(step, 0) <= 0:
        raise fail(5733401, "The step parameter in a range statement must be a strictly positive numeric value")
    if unit is not None:
        if integral64(step) is None:
            raise fail(
                6586400,
                "The step parameter in a range statement must be a whole number when densifying a date range",
            )
        if unit not in timeunit.UNITS:
            raise fail(9, f"unknown time unit value: {unit}")
    if type(bounds) is str:
        if bounds not in ("full", "partition"):
            raise fail(5946802, "Bounds string must either be 'full' or 'partition'")
        return Range(step, unit, bounds)
    if type(bounds) is not list:
        raise fail(
            5733404,
            "The bounds in a range statement must be the string 'full', 'partition', or an ascending array of two "
            "numbers or two dates",
        )
    return Range(step, unit, _explicit(bounds, step, unit))


def _explicit(bounds: list[Any], step: Any, unit: str | None) -> tuple[Any, Any]:
    if len(bounds) != 2:
        raise fail(5733403, "A bounding array in a range statement must have exactly two elements")
    lower, upper = bounds
    if compare(lower, upper) > 0:
        raise fail(5733402, "A bounding array must be an ascending array of either two dates or two numbers")
    if is_number(lower):
        if unit is not None:
            raise fail(5733409, "Numeric bounds may not have unit parameter")
        if not is_number(upper):
            raise fail(5733406, "A bounding array must contain either both dates or both numeric types")
        if not numeric_type(lower) == numeric_type(upper) == numeric_type(step):
            raise fail(5876900, "Upper bound, lower bound, and step must all have the same type")
    elif _is_date(lower):
        if not _is_date(upper):
            raise fail(5733405, "A bounding array must contain either both dates or both numeric types")
        if unit is None:
            raise fail(5733410, "A bounding array of dates must specify a unit")
    else:
        raise fail(5946800, "Explicit bounds must be numeric or dates")
    return lower, upper


@register
@dataclass(frozen=True, slots=True)
class Densify(Stage):
    """`$densify` (MongoDB manual: $densify (aggregation))."""

    spec: ClassVar[Spec] = Spec(
        "$densify",
        Kind.STAGE,
        "5.1",
        "Makes documents for missing values in a sequence of numbers or dates.",
        examples=(
            Example(
                ({"_id": 1, "t": 1}, {"_id": 2, "t": 3}),
                [{"$densify": {"field": "t", "range": {"step": 1, "bounds": "full"}}}],
                [{"_id": 1, "t": 1}, {"t": 2}, {"_id": 2, "t": 3}],
            ),
        ),
    )
    path: Path
    partitions: tuple[Path, ...]
    range: Range
    sort: Any

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Densify":
        """See `Stage.parse`. Raises 9, 14, 40414, 40415 (malformed) and the codes of a wrong range or field."""
        if type(operand) is not dict:
            raise fail(9, f"The $densify stage specification must be an object, found {alias_of(operand)}")
        fields = read(
            "$densify",
            operand,
            {"field": ("string",), "partitionByFields": ("array",), "range": ("object",)},
            ("field", "range"),
        )
        names = strings("$densify.partitionByFields", fields.get("partitionByFields", []))
        range_ = _parse_range(fields["range"])
        field = fields["field"]
        partitions = []
        for name in names:
            if name.startswith(field):
                raise fail(
                    8993000, f"partitionByFields '{name}' cannot include field '{field}' that is being densified."
                )
            if field.startswith(name):
                raise fail(
                    9554500, f"field '{field}' that is being densified cannot include partitionByFields '{name}'."
                )
            partitions.append(document_path(name))
        path = document_path(field)
        if range_.bounds == "partition" and not partitions:
            raise fail(
                5733408,
                "One cannot specify the bounds as 'partition' without specifying a non-empty array of "
                "partitionByFields. You may have meant to specify 'full' bounds.",
            )
        keys = [] if range_.bounds == "full" else names
        return cls(path, tuple(partitions), range_, context.sort(dict.fromkeys([*keys, field], 1)))

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        return _Densifying(self, environment)


class _Densifying(Running):
    """The documents are sorted, on disk where they are many; the new ones come between them while they are read."""

    def __init__(self, stage: Densify, environment: Environment) -> None:
        self._stage = stage
        runner = stage.sort.compile()
        self._sorter = Sorter("$densify", environment, runner.sorted, runner.key)

    def push(self, batch: Documents) -> Documents:
        """See `Running.push`."""
        self._sorter.add(batch)
        return []

    def finish(self) -> Iterator[Documents]:
        """See `Running.finish`."""
        documents = _Sequence(self._stage).run(self._sorter.items())
        while batch := list(islice(documents, _BATCH)):
            yield batch

    def close(self) -> None:
        """See `Running.close`."""
        self._sorter.close()


class _Sequence:
    """The walk along the sorted documents.

    `_current` is the last value on the sequence, in the partition of the document at hand; `_last` the same for
    each partition, with the fields that make it.
    """

    def __init__(self, stage: Densify) -> None:
        self._path = stage.path
        self._partitions = stage.partitions
        self._range = stage.range
        self._current: Any = None
        self._last: dict[Any, tuple[dict[str, Any], Any]] = {}
        self._made = 0

    def run(self, documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """All documents, those made among them."""
        bounds = self._range.bounds
        if bounds == "full":
            yield from self._full(documents)
        elif bounds == "partition":
            yield from self._walk(documents, self._within)
        else:
            yield from self._explicit(documents)

    def _value(self, document: dict[str, Any]) -> Any:
        """The value to densify, None for none; raises 5733201 and 6053600 for a wrong type."""
        value = _nested(document, self._path)
        if value is None or value is MISSING:
            return None
        number = is_number(value)
        if not number and not _is_date(value):
            raise fail(5733201, "Densify field type must be numeric or a date")
        if number == (self._range.unit is not None):
            kinds = ("numeric", "has a date unit") if number else ("date", "does not have a date unit")
            raise fail(6053600, f"Encountered {kinds[0]} densify value in collection when step {kinds[1]}.")
        return value

    def _fields(self, document: dict[str, Any]) -> dict[str, Any]:
        """The fields that tell the partition of `document`, nested as in it."""
        fields: dict[str, Any] = {}
        for path in self._partitions:
            value = _nested(document, path)
            level = fields
            for name in path[:-1]:
                level = level.setdefault(name, {})
            if value is not MISSING:
                level[path[-1]] = value
        return fields

    def _seen(self, fields: dict[str, Any], value: Any) -> None:
        if self._partitions:
            self._last[equality_key(fields)] = (fields, value)

    def _make(self, start: Any, end: Any, fields: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
        """New documents from `start`, always that one, up to but without `end`."""
        _check_room(fields, self._path)
        value = start
        while True:
            self._made += 1
            if self._made > MAX_DOCUMENTS:
                raise fail(
                    5897900,
                    f"Generated {self._made} documents in $densify, which is over the limit of {MAX_DOCUMENTS}. "
                    "Increase the 'internalQueryMaxAllowedDensifyDocs' parameter to allow more generated documents",
                )
            yield value, _with(fields, self._path, value)
            value = self._range.after(value)
            if compare(value, end) >= 0:
                return

    def _walk(
        self,
        documents: Iterable[dict[str, Any]],
        step: Callable[[dict[str, Any], Any], Iterator[dict[str, Any]]],
    ) -> Iterator[dict[str, Any]]:
        for document in documents:
            value = self._value(document)
            if value is None:
                yield document
            else:
                yield from step(document, value)

    def _between(self, document: dict[str, Any], value: Any, fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The documents from `_current` to `document`, and that one."""
        following = self._range.after(self._current)
        order = compare(value, following)
        if order == 0:
            self._seen(fields, value)
            self._current = value
        if order > 0:
            for made, new in self._make(following, value, fields):
                self._current = made
                self._seen(fields, made)
                yield new
            if compare(self._range.after(self._current), value) == 0:
                self._current = value
                self._seen(fields, value)
        yield document

    def _within(self, document: dict[str, Any], value: Any) -> Iterator[dict[str, Any]]:
        fields = self._fields(document)
        last = self._last.get(equality_key(fields))
        if last is None:
            self._seen(fields, value)
            yield document
            return
        self._current = last[1]
        yield from self._between(document, value, fields)

    def _full(self, documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        lowest: Any = None
        highest: Any = None

        def step(document: dict[str, Any], value: Any) -> Iterator[dict[str, Any]]:
            nonlocal lowest, highest
            highest = value
            fields = self._fields(document)
            if lowest is None:
                lowest = self._current = value
                self._seen(fields, value)
                yield document
                return
            if self._partitions:
                last = self._last.get(equality_key(fields))
                if last is None:
                    self._current = self._range.before(lowest)
                    self._seen(fields, value)
                else:
                    self._current = last[1]
            yield from self._between(document, value, fields)

        yield from self._walk(documents, step)
        if self._last:
            end = self._range.after(highest) if self._range.reaches(self._current, highest) else highest
            yield from self._rest(end, None)

    def _rest(self, end: Any, least: Any) -> Iterator[dict[str, Any]]:
        """What the partitions lack up to `end`."""
        for fields, value in self._last.values():
            following = self._range.after(value)
            if compare(following, end) >= 0:
                continue
            if least is not None and compare(following, least) < 0:
                following = least
            for _, new in self._make(following, end, fields):
                yield new

    def _explicit(self, documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        bounds = self._range.bounds
        assert type(bounds) is tuple
        lower, upper = bounds
        partitioned = bool(self._partitions)
        below = True  # nothing in the range was met yet
        done = False

        def enter(document: dict[str, Any], value: Any, fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
            """The first document that may be in the range, in its partition."""
            nonlocal below
            if self._current is None:
                self._current = self._range.before(lower)
            order = compare(value, lower)
            if order > 0:
                yield from above(document, value, fields)
                return
            below = order < 0
            if order == 0:
                self._current = value
            yield document

        def above(document: dict[str, Any], value: Any, fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
            nonlocal below, done
            following = self._range.after(self._current)
            if compare(value, following) == 0:
                self._seen(fields, value)
                self._current = following
                yield document
                return
            for made, new in self._make(following, value if compare(value, upper) < 0 else upper, fields):
                self._current = made
                self._seen(fields, made)
                yield new
            below = False
            if self._range.reaches(self._current, value):
                self._current = value
                self._seen(fields, value)
            done = not partitioned and compare(self._current, upper) >= 0
            yield document

        def go_on(document: dict[str, Any], value: Any, fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
            nonlocal below, done
            order = compare(value, lower)
            if order <= 0:
                self._seen(fields, value)
                below = order < 0
                if order == 0:
                    self._current = value
                yield document
                return
            following = self._range.after(self._current)
            if compare(value, upper) >= 0:
                if compare(following, upper) < 0:
                    yield from above(document, value, fields)
                    return
                self._current = following
                self._seen(fields, value)
                done = not partitioned
            else:
                where = compare(value, following)
                if where > 0:
                    yield from above(document, value, fields)
                    return
                if where == 0:
                    self._current = value
                    self._seen(fields, value)
            yield document

        def step(document: dict[str, Any], value: Any) -> Iterator[dict[str, Any]]:
            if done:
                yield document
                return
            fields = self._fields(document)
            if below:
                if partitioned and not self._last:
                    self._seen(fields, value)
                yield from enter(document, value, fields)
                return
            if partitioned:
                last = self._last.get(equality_key(fields))
                if last is None:
                    self._seen(fields, value)
                    self._current = None
                    yield from enter(document, value, fields)
                    return
                self._current = last[1]
            yield from go_on(document, value, fields)

        yield from self._walk(documents, step)
        if partitioned:
            yield from self._rest(upper, lower)
        elif not done:
            start = lower if self._current is None else self._range.after(self._current)
            if self._current is None or compare(start, upper) < 0:
                for _, new in self._make(start, upper, {}):
                    yield new


def _nested(document: dict[str, Any], path: Path) -> Any:
    value: Any = document
    for name in path:
        fields = fields_of(value)
        if fields is None:
            return MISSING
        value = fields.get(name, MISSING)
    return value


def _check_room(fields: dict[str, Any], path: Path) -> None:
    """Raise unless `path` can be written into `fields` without harm to them."""
    level: Any = fields
    for position, name in enumerate(path):
        value = level.get(name, MISSING)
        if type(value) is list:
            raise fail(5733307, "$densify cannot generate fields nested inside arrays")
        if type(value) is not dict:
            if position < len(path) - 1 and value is not MISSING:
                raise fail(5733308, "$densify cannot overwrite non-object values with objects")
            return
        level = value


def _with(fields: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    copy = dict(fields)
    if len(path) == 1:
        copy[path[0]] = value
    else:
        below = copy.get(path[0])
        copy[path[0]] = _with(below if type(below) is dict else {}, path[1:], value)
    return copy
