"""`$percentile` and `$median` (MongoDB manual: $percentile, $median).

The server approximates by a t-digest, which is exact for up to some thousand distinct values; here the discrete
percentile is exact for any number of values, which is what the approximation approaches.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator, State
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Literal
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.numbers import double_of
from kato_compat.values.show import shown
from kato_compat.values.types import NUMBER_TYPES, alias_of


def parse_quantile(
    name: str, code: int, operand: Any, context: ExpressionContext
) -> tuple[Expression, tuple[float, ...]]:
    """The expression ``input`` and the shares ``p`` (0.5 for `$median`).

    Raises `code` for no document, 40415, 40414, 14 and 2 for wrong fields, 7750300 to 7750303 for ``p``.
    """
    if type(operand) is not dict:
        raise fail(code, f"specification must be an object; found {alias_of(operand)}")
    known = ("input", "method") if name == "$median" else ("p", "input", "method")
    for field, raw in operand.items():
        if field not in known:
            raise fail(40415, f"BSON field '{name}.{field}' is an unknown field.")
        if field == "method" and raw is not None:
            if type(raw) is not str:
                raise fail(
                    14,
                    f"BSON field '{name}.method' is the wrong type '{alias_of(raw)}', expected type 'string'",
                )
            if raw != "approximate":
                raise fail(2, "Currently only 'approximate' can be used as percentile 'method'.")
    for field in known:
        if field not in operand or (field == "method" and operand[field] is None):
            raise fail(40414, f"BSON field '{name}.{field}' is missing but a required field")
    source = context.parse(operand["input"])
    return source, (0.5,) if name == "$median" else _shares(operand["p"], context)


def _shares(raw: Any, context: ExpressionContext) -> tuple[float, ...]:
    constant = context.parse(raw)
    if not isinstance(constant, Literal):
        raise fail(
            7750300, f"The $percentile 'p' field must be an array of constant values, but found value: {shown(raw)}."
        )
    values = constant.value
    wrong = "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: "
    if type(values) is not list or not values:
        raise fail(7750301, wrong + shown(values))
    shares = []
    for value in values:
        if type(value) not in NUMBER_TYPES:
            raise fail(7750302, wrong + shown(value))
        share = double_of(value)
        if not 0 <= share <= 1:
            raise fail(7750303, wrong + shown(value))
        shares.append(share)
    return tuple(shares)


class PercentileState(State):
    """The state of `$percentile`; what is no number, and NaN, is left out."""

    __slots__ = ("_shares", "_values")

    def __init__(self, shares: tuple[float, ...]) -> None:
        self._shares = shares
        self._values: list[float] = []

    def add(self, value: Any) -> None:
        kind = type(value)
        if kind in NUMBER_TYPES:
            number = value if kind is float else double_of(value)
            if number == number:
                self._values.append(number)

    def _percentiles(self) -> list[float | None]:
        values = self._values
        values.sort()
        number = len(values)
        if not number:
            return [None] * len(self._shares)
        return [values[number - 1 if share >= 1.0 else max(0, ceil(number * share) - 1)] for share in self._shares]

    def result(self) -> Any:
        return self._percentiles()


class MedianState(PercentileState):
    """The state of `$median`."""

    __slots__ = ()

    def result(self) -> Any:
        return self._percentiles()[0]


def _quantile(spec_: Spec, code: int, state: type[PercentileState]) -> type[Accumulator]:
    name = spec_.name

    @dataclass(frozen=True, slots=True)
    class Quantile(Accumulator):
        __doc__ = f"`{name}` (MongoDB manual: {name})."

        spec: ClassVar[Spec] = spec_

        input: Expression
        shares: tuple[float, ...]

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Accumulator:
            """See `Accumulator.parse`, and `parse_quantile` for what it raises."""
            return cls(*parse_quantile(name, code, operand, context))

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Accumulator.children`."""
            return (self.input,)

        def compile(self) -> Evaluator:
            """See `Accumulator.compile`."""
            return self.input.compile()

        def start(self, key: Any = None) -> State:
            """See `Accumulator.start`."""
            return state(self.shares)

    return Quantile


Percentile = register(
    _quantile(
        Spec(
            "$percentile",
            Kind.ACCUMULATOR,
            "7.0",
            "The values below which the given shares of all numbers lie.",
            examples=(
                Example(
                    ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}),
                    {"$percentile": {"input": "$a", "p": [0.5, 1], "method": "approximate"}},
                    [2.0, 4.0],
                ),
            ),
        ),
        7429703,
        PercentileState,
    )
)
Median = register(
    _quantile(
        Spec(
            "$median",
            Kind.ACCUMULATOR,
            "7.0",
            "The value below which half of all numbers lie.",
            examples=(
                Example(({"a": 1}, {"a": 2}, {"a": 3}), {"$median": {"input": "$a", "method": "approximate"}}, 2.0),
            ),
        ),
        7436100,
        MedianState,
    )
)
