"""`$locf` and `$linearFill`: values in place of null and missing ones."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression, Frame
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import StageContext
from kato_compat.ir.window import Column, Ordering, Partition, Windowed, WindowFunction
from kato_compat.operators.window.arguments import without_window
from kato_compat.operators.window.calculus import between
from kato_compat.values.dates import is_datelike
from kato_compat.values.equality import equal
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import add, divide, multiply
from kato_compat.values.paths import Path, getter
from kato_compat.values.types import alias_of, is_number

_DOCUMENTS: tuple[dict[str, Any], ...] = ({"_id": 1, "a": 2}, {"_id": 2}, {"_id": 3, "a": 6}, {"_id": 4, "a": None})


def _example(name: str, results: list[Any]) -> Example:
    return Example(
        _DOCUMENTS,
        {"r": {name: "$a"}},
        [{**document, "r": result} for document, result in zip(_DOCUMENTS, results, strict=True)],
    )


@register
@dataclass(frozen=True, slots=True)
class LastObservation(WindowFunction):
    """`$locf` (MongoDB manual: $locf): the last value that is neither null nor missing, null if there was none."""

    spec: ClassVar[Spec] = Spec(
        "$locf",
        Kind.WINDOW,
        "5.2",
        "The last observed value, carried forward over null and missing ones.",
        examples=(_example("$locf", [2, 2, 6, 6]),),
    )
    expression: Expression

    @classmethod
    def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
        """See `WindowFunction.parse`. Raises 9 for other arguments."""
        return cls(without_window("$locf", raw, context))

    def compile(self, frame: Frame) -> Windowed:
        """See `WindowFunction.compile`."""
        evaluate = self.expression.compile()

        def column(partition: Partition) -> Column:
            found: Column = []
            last = None
            for document in partition:
                value = evaluate(document, frame)
                if value is not None and value is not MISSING:
                    last = value
                found.append(last)
            return found

        return column


@register
@dataclass(frozen=True, slots=True)
class LinearFill(WindowFunction):
    """`$linearFill` (MongoDB manual: $linearFill): values on the line between their neighbours by ``sortBy``."""

    spec: ClassVar[Spec] = Spec(
        "$linearFill",
        Kind.WINDOW,
        "5.3",
        "Null and missing values interpolated between the values before and after.",
        examples=(_example("$linearFill", [2, 4.0, 6, None]),),
    )
    expression: Expression
    path: Path

    @classmethod
    def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
        """See `WindowFunction.parse`. Raises 9 for other arguments, 605001 unless sorted by one field."""
        expression = without_window("$linearFill", raw, context)
        if ordering is None or len(ordering.fields) != 1:
            raise fail(
                605001,
                "$linearFill must be specified with a top level sortBy expression with exactly one element",
            )
        return cls(expression, ordering.fields[0][0])

    def compile(self, frame: Frame) -> Windowed:
        """See `WindowFunction.compile`. Raises 14 for values of wrong types, 6050106 for equal places."""
        evaluate, follow = self.expression.compile(), getter(self.path)

        def column(partition: Partition) -> Column:
            places: list[Any] = []
            values: list[Any] = []
            for document in partition:
                value, place = evaluate(document, frame), follow(document)
                values.append(None if value is MISSING else value)
                _check(values[-1], place, places)
                places.append(place)
            return _interpolated(places, values)

        return column


def _check(value: Any, place: Any, places: list[Any]) -> None:
    if value is not None and not is_number(value):
        raise fail(14, f"Value to be filled must be numeric or nullish, but found {alias_of(value)}")
    if not is_number(place) and not is_datelike(place):
        raise fail(14, f"Value of the sortBy field must be numeric or a date, but found {alias_of(place)}")
    if not places:
        return
    last = places[-1]
    if equal(place, last):
        raise fail(6050106, "There can be no repeated values in the sort field")
    if is_number(place) != is_number(last):
        raise fail(
            14,
            f"Conflicting sort value types, previously received type {alias_of(last)}, but found {alias_of(place)}",
        )


def _interpolated(places: list[Any], values: list[Any]) -> Column:
    column: Column = []
    before: int | None = None
    after = -1  # the next position that has a value; the number of values if there is none
    for position, value in enumerate(values):
        if value is not None:
            before = position
            column.append(value)
            continue
        if before is None:
            column.append(None)
            continue
        if after < position:
            after = next((later for later in range(position, len(values)) if values[later] is not None), len(values))
        if after == len(values):
            column.append(None)
            continue
        rise = between(values[before], values[after])
        slope = divide(rise, between(places[before], places[after]))
        column.append(add(values[before], multiply(between(places[before], places[position]), slope)))
    return column
