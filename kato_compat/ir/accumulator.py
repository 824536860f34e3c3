"""Accumulators: what `$group`, `$bucket`, `$setWindowFields` and others gather values with."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext
from kato_compat.ir.spec import Spec


class State(Protocol):
    """The running state of one accumulator in one group."""

    __slots__ = ()

    def add(self, value: Any) -> None:
        """Take in what the accumulator's evaluator gave for one document (MISSING included)."""

    def extend(self, values: list[Any]) -> None:
        """`add` each of `values`, in order."""
        for value in values:
            self.add(value)

    def result(self) -> Any:
        """The accumulated value. May be called several times, and `add` after it."""


class Accumulator(ABC):
    """One accumulator operator applied to its argument. Instances are immutable."""

    __slots__ = ()
    spec: ClassVar[Spec]

    @classmethod
    @abstractmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> "Accumulator":
        """The typed form of ``{$name: operand}``; raises the server's coded error for a wrong operand."""

    @abstractmethod
    def compile(self) -> Evaluator:
        """The closure whose value, per document, is given to `State.add`."""

    @abstractmethod
    def start(self, key: Any = None) -> State:
        """A fresh state for the group of `key`, what may depend on it (``n``) evaluated; raises what that raises."""

    @property
    def children(self) -> tuple[Expression, ...]:
        """The expressions that this accumulator evaluates."""
        return ()
