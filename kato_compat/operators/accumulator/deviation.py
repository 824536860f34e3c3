"""`$stdDevPop` and `$stdDevSamp`: standard deviations by Welford's method (MongoDB manual: $stdDevPop, $stdDevSamp)."""

from math import sqrt
from typing import Any

from kato_compat.ir.accumulator import State
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.accumulator.unary import unary
from kato_compat.values.numbers import double_of
from kato_compat.values.types import NUMBER_TYPES


class DeviationState(State):
    """The state of `$stdDevPop`; what is no number is left out."""

    __slots__ = ("_mean", "_number", "_squares")

    def __init__(self) -> None:
        self._number = 0
        self._mean = 0.0
        self._squares = 0.0

    def add(self, value: Any) -> None:
        kind = type(value)
        if kind not in NUMBER_TYPES:
            return
        number = value if kind is float else double_of(value)
        self._number += 1
        delta = number - self._mean
        if delta != 0.0:
            self._mean += delta / self._number
            self._squares += delta * (number - self._mean)

    def _result(self, divisor: int) -> float | None:
        return sqrt(self._squares / divisor) if divisor > 0 else None

    def result(self) -> Any:
        return self._result(self._number)


class SampleDeviationState(DeviationState):
    """The state of `$stdDevSamp`."""

    __slots__ = ()

    def result(self) -> Any:
        return self._result(self._number - 1)


DeviationOfPopulation = register(
    unary(
        Spec(
            "$stdDevPop",
            Kind.ACCUMULATOR,
            "3.2",
            "The standard deviation of all numbers as a population; null if there is none.",
            examples=(Example(({"a": 1}, {"a": 3}), {"$stdDevPop": "$a"}, 1.0),),
        ),
        DeviationState,
    )
)
DeviationOfSample = register(
    unary(
        Spec(
            "$stdDevSamp",
            Kind.ACCUMULATOR,
            "3.2",
            "The standard deviation of all numbers as a sample; null if there are fewer than two.",
            examples=(Example(({"a": 1}, {"a": 2}, {"a": 3}), {"$stdDevSamp": "$a"}, 1.0),),
        ),
        SampleDeviationState,
    )
)
