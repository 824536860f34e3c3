"""`$accumulator`, which is refused."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.ir.accumulator import Accumulator, State
from kato_compat.ir.expression import Evaluator, ExpressionContext
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Kind, Spec, Status


@register
@dataclass(frozen=True, slots=True)
class JavaScript(Accumulator):
    """`$accumulator` (MongoDB manual: $accumulator); refused."""

    spec: ClassVar[Spec] = Spec(
        "$accumulator",
        Kind.ACCUMULATOR,
        "4.4",
        "An accumulator written in JavaScript.",
        status=Status.REFUSED,
        limits="it runs JavaScript inside of the server, and there is no JavaScript engine here",
    )

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Accumulator:
        """Never called: the parser refuses by `spec`."""
        raise AssertionError("$accumulator is refused by its spec")

    def compile(self) -> Evaluator:
        """Never called: the parser refuses by `spec`."""
        raise AssertionError("$accumulator is refused by its spec")

    def start(self, key: Any = None) -> State:
        """Never called: the parser refuses by `spec`."""
        raise AssertionError("$accumulator is refused by its spec")
