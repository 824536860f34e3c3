"""The making of accumulators that take one expression, and the fold of a state over values.

A look-alike is made in one line: ``register(unary(spec, StateClass))``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator, State
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext
from kato_compat.ir.spec import Spec
from kato_compat.values.collation import Collation


def operand_of(name: str, operand: Any, context: ExpressionContext) -> Expression:
    """The one expression of a unary accumulator. Raises 40237 for an array."""
    if type(operand) is list:
        raise fail(40237, f"The {name} accumulator is a unary operator")
    return context.parse(operand)


def unary(
    spec_: Spec, state: Callable[[], State], collated: Callable[[Collation], State] | None = None
) -> type[Accumulator]:
    """The accumulator that gives the value of its expression to a fresh `state` of each group.

    `collated` makes the state in its place where strings compare by a collation (None: it compares nothing).
    """

    @dataclass(frozen=True, slots=True)
    class Unary(Accumulator):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name})."

        spec: ClassVar[Spec] = spec_

        operand: Expression
        collation: Collation | None = None

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Accumulator:
            """See `Accumulator.parse`. Raises 40237 for an array."""
            return cls(operand_of(spec_.name, operand, context), context.collation)

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Accumulator.children`."""
            return (self.operand,)

        def compile(self) -> Evaluator:
            """See `Accumulator.compile`."""
            return self.operand.compile()

        def start(self, key: Any = None) -> State:
            """See `Accumulator.start`."""
            return state() if collated is None or self.collation is None else collated(self.collation)

    return Unary


def gather(state: State, values: Iterable[Any]) -> Any:
    """The result of `state` after taking in `values`."""
    add = state.add
    for value in values:
        add(value)
    return state.result()
