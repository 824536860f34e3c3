"""Accumulators as window functions (MongoDB manual: $setWindowFields, Window Operators).

Over a window that only grows an accumulator's state takes in each value once; over one that moves, states that can
give values back do; the others are computed anew for each window.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator, State
from kato_compat.ir.expression import Evaluator, Expression, Frame
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import StageContext
from kato_compat.ir.window import Column, Ordering, Partition, Windowed, WindowFunction
from kato_compat.operators.accumulator.collect import CollatedSetState, ConcatState, PushState, SetState, UnionState
from kato_compat.operators.accumulator.deviation import DeviationState, SampleDeviationState
from kato_compat.operators.accumulator.total import AverageState, SumState
from kato_compat.operators.window.arguments import input_and_bounds, is_function, only
from kato_compat.operators.window.bounds import WHOLE, Bounds, parse_bounds
from kato_compat.operators.window.moving import (
    Covariance,
    MovingAverage,
    MovingDeviation,
    MovingSampleDeviation,
    MovingSum,
    Removable,
    SampleCovariance,
)
from kato_compat.operators.window.sliding import anew, extreme, growing, moving
from kato_compat.values.collation import Collation
from kato_compat.values.collation import ordering as ordering_of

_DOCUMENTS = ({"_id": 1, "a": 2}, {"_id": 2, "a": 4}, {"_id": 3, "a": 3})
_RUNNING = {"documents": ["unbounded", "current"]}
_MOVING = {"documents": [-1, 0]}


def _column(
    values: list[Any],
    partition: Partition,
    bounds: Bounds,
    start: Callable[[], State],
    removable: Callable[[], Removable] | None,
) -> Column:
    windows = bounds.windows(partition)
    if bounds.cumulative:
        return growing(values, windows, start)
    return anew(values, windows, start) if removable is None else moving(values, windows, removable)


def _spec(name: str, since: str, summary: str, operand: Any, window: dict[str, Any], results: list[Any]) -> Spec:
    """The spec of a function with one example: `operand` over `window` gives `results` for `_DOCUMENTS`."""
    return Spec(
        name,
        Kind.WINDOW,
        since,
        summary,
        examples=(
            Example(
                _DOCUMENTS,
                {"r": {name: operand, "window": window}},
                [{**document, "r": result} for document, result in zip(_DOCUMENTS, results, strict=True)],
            ),
        ),
    )


def _unary(
    spec_: Spec,
    state: Callable[[], State],
    removable: Callable[[], Removable] | None = None,
    collated: Callable[[Collation], State] | None = None,
) -> type[WindowFunction]:
    """The window function that gives the values of one expression to a state.

    `collated` makes the state in place of `state` where strings compare by a collation.
    """

    @dataclass(frozen=True, slots=True)
    class Unary(WindowFunction):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name})."

        spec: ClassVar[Spec] = spec_
        expression: Expression
        bounds: Bounds
        collation: Collation | None = None

        @classmethod
        def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
            """See `WindowFunction.parse`."""
            return cls(*input_and_bounds(spec_.name, raw, ordering, context), context.collation)

        def compile(self, frame: Frame) -> Windowed:
            """See `WindowFunction.compile`."""
            evaluate, bounds, start = self.expression.compile(), self.bounds, state
            if collated is not None and self.collation is not None:
                start = partial(collated, self.collation)

            def column(partition: Partition) -> Column:
                values = [evaluate(document, frame) for document in partition]
                return _column(values, partition, bounds, start, removable)

            return column

    return Unary


def _extreme(spec_: Spec, greatest: bool) -> type[WindowFunction]:
    @dataclass(frozen=True, slots=True)
    class Extreme(WindowFunction):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name})."

        spec: ClassVar[Spec] = spec_
        expression: Expression
        bounds: Bounds
        collation: Collation | None = None

        @classmethod
        def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
            """See `WindowFunction.parse`."""
            return cls(*input_and_bounds(spec_.name, raw, ordering, context), context.collation)

        def compile(self, frame: Frame) -> Windowed:
            """See `WindowFunction.compile`."""
            evaluate, bounds, order = self.expression.compile(), self.bounds, ordering_of(self.collation)

            def column(partition: Partition) -> Column:
                values = [evaluate(document, frame) for document in partition]
                return extreme(values, bounds.windows(partition), greatest, order)

            return column

    return Extreme


def _end(spec_: Spec, index: int) -> type[WindowFunction]:
    """`$first` and `$last`: the value of the document at one end of the window, null for an empty window."""

    @dataclass(frozen=True, slots=True)
    class End(WindowFunction):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name})."

        spec: ClassVar[Spec] = spec_
        expression: Expression
        bounds: Bounds

        @classmethod
        def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
            """See `WindowFunction.parse`."""
            operand, bounds = only(spec_.name, raw, ordering, context)
            return cls(context.parse(operand), bounds or WHOLE)

        def compile(self, frame: Frame) -> Windowed:
            """See `WindowFunction.compile`."""
            evaluate, bounds = self.expression.compile(), self.bounds

            def column(partition: Partition) -> Column:
                return [
                    None if window is None else evaluate(partition[window[index]], frame)
                    for window in bounds.windows(partition)
                ]

            return column

    return End


def _parametric(spec_: Spec) -> type[WindowFunction]:
    """The window function of an accumulator whose operand is a document of parameters."""

    @dataclass(frozen=True, slots=True)
    class Parametric(WindowFunction):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name})."

        spec: ClassVar[Spec] = spec_
        accumulator: Accumulator
        bounds: Bounds

        @classmethod
        def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
            """See `WindowFunction.parse`; raises what the accumulator raises for its operand."""
            operand, bounds = only(spec_.name, raw, ordering, context)
            accumulator = context.accumulator({spec_.name: operand}, where="$setWindowFields")
            # The server, too, reads n where it makes the function, and not for each document.
            accumulator.start()
            return cls(accumulator, bounds or WHOLE)

        def compile(self, frame: Frame) -> Windowed:
            """See `WindowFunction.compile`."""
            evaluate: Evaluator = self.accumulator.compile()
            start, bounds = self.accumulator.start, self.bounds

            def column(partition: Partition) -> Column:
                values = [evaluate(document, frame) for document in partition]
                return _column(values, partition, bounds, start, None)

            return column

    return Parametric


@register
@dataclass(frozen=True, slots=True)
class Count(WindowFunction):
    """`$count`: the number of documents in the window (MongoDB manual: $count (aggregation accumulator))."""

    spec: ClassVar[Spec] = _spec("$count", "5.0", "The number of documents.", {}, _MOVING, [1, 2, 2])
    bounds: Bounds

    @classmethod
    def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
        """See `WindowFunction.parse`. Raises 9 for an operand other than an empty document."""
        bounds = WHOLE
        seen = False
        for key, value in raw.items():
            if key == "window":
                bounds = parse_bounds(value, ordering, context)
                continue
            if not is_function(key):
                raise fail(9, f"Window function found an unknown argument: {key}")
            if seen:
                raise fail(9, "Cannot specify two functions in window function spec")
            if type(value) is not dict or value:
                raise fail(9, "$count only accepts an empty object as input")
            seen = True
        return cls(bounds)

    def compile(self, frame: Frame) -> Windowed:
        """See `WindowFunction.compile`."""
        bounds = self.bounds
        return lambda partition: [
            0 if window is None else window[1] - window[0] + 1 for window in bounds.windows(partition)
        ]


Sum = register(
    _unary(
        _spec("$sum", "5.0", "The sum of all numbers in the window.", "$a", _RUNNING, [2, 6, 9]), SumState, MovingSum
    )
)
Average = register(
    _unary(
        _spec("$avg", "5.0", "The mean of all numbers in the window.", "$a", _MOVING, [2.0, 3.0, 3.5]),
        AverageState,
        MovingAverage,
    )
)
Minimum = register(_extreme(_spec("$min", "5.0", "The least value in the window.", "$a", _MOVING, [2, 2, 3]), False))
Maximum = register(_extreme(_spec("$max", "5.0", "The greatest value in the window.", "$a", _MOVING, [2, 4, 4]), True))
Push = register(
    _unary(
        _spec("$push", "5.0", "An array of all values in the window.", "$a", _MOVING, [[2], [2, 4], [4, 3]]), PushState
    )
)
AddToSet = register(
    _unary(
        _spec("$addToSet", "5.0", "An array of the distinct values in the window.", 1, _MOVING, [[1], [1], [1]]),
        SetState,
        collated=CollatedSetState,
    )
)
ConcatArrays = register(
    _unary(
        _spec(
            "$concatArrays",
            "8.1",
            "The arrays in the window, one after the other.",
            ["$a"],
            _MOVING,
            [[2], [2, 4], [4, 3]],
        ),
        ConcatState,
    )
)
SetUnion = register(
    _unary(
        _spec("$setUnion", "8.1", "The distinct elements of the arrays in the window.", [1], _MOVING, [[1], [1], [1]]),
        UnionState,
        collated=UnionState,
    )
)
DeviationOfPopulation = register(
    _unary(
        _spec(
            "$stdDevPop",
            "5.0",
            "The population standard deviation of the window.",
            "$a",
            _RUNNING,
            [0.0, 1.0, 0.816496580927726],
        ),
        DeviationState,
        MovingDeviation,
    )
)
DeviationOfSample = register(
    _unary(
        _spec("$stdDevSamp", "5.0", "The sample standard deviation of the window.", "$a", {}, [1.0, 1.0, 1.0]),
        SampleDeviationState,
        MovingSampleDeviation,
    )
)
CovarianceOfPopulation = register(
    _unary(
        _spec(
            "$covariancePop",
            "5.0",
            "The population covariance of two numbers.",
            ["$_id", "$a"],
            _RUNNING,
            [0.0, 0.5, 1 / 3],
        ),
        Covariance,
        Covariance,
    )
)
CovarianceOfSample = register(
    _unary(
        _spec("$covarianceSamp", "5.0", "The sample covariance of two numbers.", ["$_id", "$a"], {}, [0.5, 0.5, 0.5]),
        SampleCovariance,
        SampleCovariance,
    )
)
First = register(_end(_spec("$first", "5.0", "The value of the window's first document.", "$a", _MOVING, [2, 2, 4]), 0))
Last = register(_end(_spec("$last", "5.0", "The value of the window's last document.", "$a", {}, [3, 3, 3]), 1))

_N = {"input": "$a", "n": 1}
_SORTED = {"output": "$a", "sortBy": {"a": 1}}
_QUANTILE = {"input": "$a", "method": "approximate"}

FirstN = register(
    _parametric(_spec("$firstN", "5.2", "The values of the first n documents.", _N, _MOVING, [[2], [2], [4]]))
)
LastN = register(
    _parametric(_spec("$lastN", "5.2", "The values of the last n documents.", _N, _MOVING, [[2], [4], [3]]))
)
MinN = register(_parametric(_spec("$minN", "5.2", "The n least values.", _N, _MOVING, [[2], [2], [3]])))
MaxN = register(_parametric(_spec("$maxN", "5.2", "The n greatest values.", _N, _MOVING, [[2], [4], [4]])))
Top = register(_parametric(_spec("$top", "5.2", "The first value by a sort of its own.", _SORTED, _MOVING, [2, 2, 3])))
Bottom = register(
    _parametric(_spec("$bottom", "5.2", "The last value by a sort of its own.", _SORTED, _MOVING, [2, 4, 4]))
)
TopN = register(
    _parametric(
        _spec("$topN", "5.2", "The first n values by a sort of its own.", {**_SORTED, "n": 1}, _MOVING, [[2], [2], [3]])
    )
)
BottomN = register(
    _parametric(
        _spec(
            "$bottomN", "5.2", "The last n values by a sort of its own.", {**_SORTED, "n": 1}, _MOVING, [[2], [4], [4]]
        )
    )
)
Median = register(_parametric(_spec("$median", "7.0", "The median of the window.", _QUANTILE, {}, [3.0, 3.0, 3.0])))
Percentile = register(
    _parametric(
        _spec("$percentile", "7.0", "Percentiles of the window.", {**_QUANTILE, "p": [0.5, 1]}, {}, [[3.0, 4.0]] * 3)
    )
)
