"""`$bucketAuto`: `$group` by ranges that the documents fill evenly."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final

from bson.decimal128 import Decimal128

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator
from kato_compat.ir.expression import Evaluator, Expression
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, Running, Stage, StageContext
from kato_compat.operators.stage.bucket import is_operand
from kato_compat.operators.stage.granularity import Granularity, granularity
from kato_compat.operators.stage.group import output_field
from kato_compat.operators.stage.spill import Sorter
from kato_compat.values.collation import Collation, ordering
from kato_compat.values.missing import MISSING
from kato_compat.values.order import sort_key
from kato_compat.values.types import INT32_MAX, INT32_MIN, alias_of, is_number

_BATCH: Final = 1024


@register
@dataclass(frozen=True, slots=True)
class BucketAuto(Stage):
    """`$bucketAuto` (MongoDB manual: $bucketAuto)."""

    spec: ClassVar[Spec] = Spec(
        "$bucketAuto",
        Kind.STAGE,
        "3.4",
        "Groups the documents by ranges that each hold about as many of them.",
        examples=(
            Example(
                ({"_id": 1, "a": 1}, {"_id": 2, "a": 2}, {"_id": 3, "a": 3}, {"_id": 4, "a": 4}),
                [{"$bucketAuto": {"groupBy": "$a", "buckets": 2}}],
                [{"_id": {"min": 1, "max": 3}, "count": 2}, {"_id": {"min": 3, "max": 4}, "count": 2}],
            ),
        ),
    )
    key: Expression
    number: int
    fields: tuple[tuple[str, Accumulator], ...]
    rounding: Granularity | None
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "BucketAuto":
        """See `Stage.parse`. Raises 40239 to 40246, 40257 and 40261 as the server does."""
        if type(operand) is not dict:
            raise fail(40240, f"The argument to $bucketAuto must be an object, but found type: {alias_of(operand)}")
        key: Expression | None = None
        number: int | None = None
        rounding: Granularity | None = None
        fields: tuple[tuple[str, Accumulator], ...] = ()
        for name, value in operand.items():
            if name == "groupBy":
                if not is_operand(value) or value == "$":
                    raise fail(
                        40239,
                        "The $bucketAuto 'groupBy' field must be defined as a $-prefixed path or an expression object, "
                        f"but found: {value!r}",
                    )
                key = context.expression(value)
            elif name == "buckets":
                number = _number(value)
            elif name == "output":
                if type(value) is not dict:
                    raise fail(
                        40244, f"The $bucketAuto 'output' field must be an object, but found type: {alias_of(value)}"
                    )
                fields = tuple((each, output_field(each, raw, context, "$bucketAuto")) for each, raw in value.items())
            elif name == "granularity":
                if type(value) is not str:
                    raise fail(
                        40261,
                        f"The $bucketAuto 'granularity' field must be a string, but found type: {alias_of(value)}",
                    )
                rounding = granularity(value)
            else:
                raise fail(40245, f"Unrecognized option to $bucketAuto: {name}")
        if key is None or number is None:
            raise fail(40246, "$bucketAuto requires 'groupBy' and 'buckets' to be specified")
        if number <= 0:
            raise fail(40243, f"The $bucketAuto 'buckets' field must be greater than 0, but found: {number}")
        if not fields:
            fields = (("count", output_field("count", {"$sum": 1}, context)),)
        return cls(key, number, fields, rounding, context.collation)

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        return _Bucketing(self, environment)


def _number(value: Any) -> int:
    if not is_number(value):
        raise fail(40241, f"The $bucketAuto 'buckets' field must be a numeric value, but found type: {alias_of(value)}")
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    if number != number or not INT32_MIN <= number <= INT32_MAX or number != int(number):
        raise fail(
            40242, f"The $bucketAuto 'buckets' field must be representable as a 32-bit integer, but found {value!r}"
        )
    return int(number)


class _Bucketing(Running):
    """Documents are sorted by key (on disk where they must be), then dealt into buckets."""

    def __init__(self, stage: BucketAuto, environment: Environment) -> None:
        self._stage = stage
        self._frame = environment.frame
        self._key = stage.key.compile()
        self._evaluators: tuple[Evaluator, ...] = tuple(each.compile() for _, each in stage.fields)
        self._order = ordering(stage.collation)
        self._number = 0
        # Items are (sort key, key, document); the sort is stable.
        self._sorter: Sorter = Sorter("$bucketAuto", environment, partial(sorted, key=_order), _order)

    def push(self, batch: Documents) -> Documents:
        items = []
        for document in batch:
            value = self._key(document, self._frame)
            if self._stage.rounding is not None:
                _check_roundable(value)
            if value is MISSING:
                value = None
            items.append((self._order(value), value, document))
        self._number += len(items)
        self._sorter.add(items)
        return []

    def finish(self) -> Iterator[Documents]:
        if not self._number:
            return
        batch: Documents = []
        for bucket in self._buckets(self._sorter.items()):
            batch.append(bucket)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def close(self) -> None:
        self._sorter.close()

    def _buckets(self, items: Iterator[Any]) -> Iterator[dict[str, Any]]:
        stage = self._stage
        # The server rounds half away from zero.
        size = max(1, math.floor(self._number / stage.number + 0.5))
        item = next(items, None)
        previous: Any = MISSING
        for bucket in range(1, stage.number + 1):
            if item is None:
                return
            low = item[1]
            if stage.rounding is not None:
                low = stage.rounding.down(low) if previous is MISSING else previous
            states = [accumulator.start() for _, accumulator in stage.fields]
            taken, last = 0, item
            while item is not None and (taken < size or bucket == stage.number):
                self._add(states, item)
                taken, last = taken + 1, item
                item = next(items, None)
            high, item = self._close_bucket(states, last, item, items)
            previous = high
            result: dict[str, Any] = {"_id": {"min": low, "max": high}}
            for (name, _), state in zip(stage.fields, states, strict=True):
                value = state.result()
                result[name] = None if value is MISSING else value
            yield result

    def _close_bucket(self, states: list[Any], last: Any, item: Any, items: Iterator[Any]) -> tuple[Any, Any]:
        """(upper boundary, first item of the next bucket): what belongs to this one all the same is taken in."""
        rounding = self._stage.rounding
        if rounding is None:
            while item is not None and item[0] == last[0]:
                self._add(states, item)
                last, item = item, next(items, None)
            return (last[1] if item is None else item[1]), item
        boundary = rounding.up(last[1])
        limit = sort_key(boundary)
        while item is not None and (item[0] < limit or item[0] == last[0]):
            self._add(states, item)
            last, item = item, next(items, None)
        if item is not None and limit == sort_key(0):
            return rounding.down(item[1]), item
        return boundary, item

    def _add(self, states: list[Any], item: Any) -> None:
        document = item[2]
        for evaluate, state in zip(self._evaluators, states, strict=True):
            state.add(evaluate(document, self._frame))


def _order(item: Any) -> Any:
    return item[0]


def _check_roundable(value: Any) -> None:
    what = "$bucketAuto can specify a 'granularity' with"
    if not is_number(value):
        raise fail(40258, f"{what} numeric boundaries only, but found a value with type: {alias_of(value)}")
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    if number != number:
        raise fail(40259, f"{what} numeric boundaries only, but found a NaN")
    if number < 0:
        raise fail(40260, f"{what} non-negative numbers only, but found a negative number")
