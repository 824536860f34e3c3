"""Accumulators as expressions, over one document: `$sum`, `$avg`, `$min`, `$max`, `$firstN`, `$percentile`, ..

One operand that is an array is traversed; of several operands each is one value, arrays included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.accumulator import State
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.accumulator.deviation import DeviationState, SampleDeviationState
from kato_compat.operators.accumulator.quantile import MedianState, PercentileState, parse_quantile
from kato_compat.operators.accumulator.several import (
    FirstsState,
    GreatestState,
    LastsState,
    LeastState,
    parse_several,
    positive,
)
from kato_compat.operators.accumulator.single import CollatedState, MaxState, MinState
from kato_compat.operators.accumulator.total import AverageState, SumState
from kato_compat.operators.accumulator.unary import gather
from kato_compat.values.collation import Collation


def _gathering(
    spec_: Spec, state: Callable[[], State], collated: Callable[[Collation], State] | None = None
) -> type[Operation]:
    name = spec_.name

    @dataclass(frozen=True, slots=True)
    class Gathering(Operation):
        __doc__ = f"`{name}` (MongoDB manual: {name})."

        spec: ClassVar[Spec] = spec_

        operands: tuple[Expression, ...]
        collation: Collation | None = None

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            return cls(context.arguments(name, operand, 0, None), context.collation)

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return self.operands

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            parts, fresh = tuple(each.compile() for each in self.operands), state
            if collated is not None and self.collation is not None:
                fresh = partial(collated, self.collation)
            if len(parts) == 1:
                (part,) = parts

                def one(root: Any, frame: Frame) -> Any:
                    value = part(root, frame)
                    return gather(fresh(), value if type(value) is list else (value,))

                return one
            return lambda root, frame: gather(fresh(), [part(root, frame) for part in parts])

    return Gathering


def _several(spec_: Spec, code: int, state: Callable[[int, Collation | None], State]) -> type[Operation]:
    @dataclass(frozen=True, slots=True)
    class Several(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name} (array operator))."

        spec: ClassVar[Spec] = spec_

        number: Expression
        input: Expression
        collation: Collation | None = None

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`, and `parse_several` for what it raises."""
            return cls(*parse_several(code, operand, context), collation=context.collation)

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return (self.number, self.input)

        def compile(self) -> Evaluator:
            """See `Expression.compile`. Raises 5787902, 5787903 and 5787908 for n, 5788200 for the input."""
            number, source, collation = self.number.compile(), self.input.compile(), self.collation

            def evaluate(root: Any, frame: Frame) -> Any:
                fresh = state(positive(number(root, frame)), collation)
                items = source(root, frame)
                if type(items) is not list:
                    raise fail(5788200, "Input must be an array")
                return gather(fresh, items)

            return evaluate

    return Several


def _quantile(spec_: Spec, code: int, state: type[PercentileState]) -> type[Operation]:
    name = spec_.name

    @dataclass(frozen=True, slots=True)
    class Quantile(Operation):
        __doc__ = f"`{name}` (MongoDB manual: {name})."

        spec: ClassVar[Spec] = spec_

        input: Expression
        shares: tuple[float, ...]

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`, and `parse_quantile` for what it raises."""
            return cls(*parse_quantile(name, code, operand, context))

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return (self.input,)

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            source, shares = self.input.compile(), self.shares

            def evaluate(root: Any, frame: Frame) -> Any:
                value = source(root, frame)
                return gather(state(shares), value if type(value) is list else (value,))

            return evaluate

    return Quantile


def _spec(name: str, since: str, summary: str, query: Any, result: Any) -> Spec:
    return Spec(name, Kind.EXPRESSION, since, summary, examples=(Example(({"a": [1, 3, "x"]},), query, [result]),))


Sum = register(
    _gathering(_spec("$sum", "3.2", "The sum of the numbers of an array or operands.", {"$sum": "$a"}, 4), SumState)
)
Average = register(
    _gathering(
        _spec("$avg", "3.2", "The mean of the numbers of an array or operands.", {"$avg": "$a"}, 2.0), AverageState
    )
)
Min = register(
    _gathering(
        _spec("$min", "3.2", "The least value of an array or operands in BSON order.", {"$min": "$a"}, 1),
        MinState,
        partial(CollatedState, greatest=False),
    )
)
Max = register(
    _gathering(
        _spec("$max", "3.2", "The greatest value of an array or operands in BSON order.", {"$max": "$a"}, "x"),
        MaxState,
        partial(CollatedState, greatest=True),
    )
)
DeviationOfPopulation = register(
    _gathering(
        _spec("$stdDevPop", "3.2", "The population standard deviation of the numbers.", {"$stdDevPop": "$a"}, 1.0),
        DeviationState,
    )
)
DeviationOfSample = register(
    _gathering(
        _spec("$stdDevSamp", "3.2", "The sample standard deviation of the numbers.", {"$stdDevSamp": [1, 2, 3]}, 1.0),
        SampleDeviationState,
    )
)
FirstN = register(
    _several(
        _spec("$firstN", "5.2", "The first n elements.", {"$firstN": {"n": 2, "input": "$a"}}, [1, 3]),
        5787801,
        FirstsState,
    )
)
LastN = register(
    _several(
        _spec("$lastN", "5.2", "The last n elements.", {"$lastN": {"n": 2, "input": "$a"}}, [3, "x"]),
        5787801,
        LastsState,
    )
)
MaxN = register(
    _several(
        _spec("$maxN", "5.2", "The n greatest elements.", {"$maxN": {"n": 2, "input": "$a"}}, ["x", 3]),
        5787900,
        GreatestState,
    )
)
MinN = register(
    _several(
        _spec("$minN", "5.2", "The n least elements.", {"$minN": {"n": 2, "input": "$a"}}, [1, 3]),
        5787900,
        LeastState,
    )
)
Percentile = register(
    _quantile(
        _spec(
            "$percentile",
            "7.0",
            "The values below which the given shares of the numbers lie.",
            {"$percentile": {"input": "$a", "p": [0.5, 0.9], "method": "approximate"}},
            [1.0, 3.0],
        ),
        7436200,
        PercentileState,
    )
)
Median = register(
    _quantile(
        _spec(
            "$median",
            "7.0",
            "The value below which half of the numbers lie.",
            {"$median": {"input": "$a", "method": "approximate"}},
            1.0,
        ),
        7436201,
        MedianState,
    )
)
