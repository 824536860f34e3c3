"""Error codes of the engine in which the server runs `$group`.

The server runs `$group` in its slot-based engine, all other accumulating stages in the classic one. The two answer
alike, but some errors have codes of their own in the former.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator
from kato_compat.ir.expression import Evaluator, Expression, Frame, Operation, walk

#: operator -> (code in the classic engine, code in the slot-based engine) of a division by zero
_BY_ZERO: Final[Mapping[str, tuple[int, int]]] = {"$divide": (2, 4848401), "$mod": (16610, 4848403)}
_CODES: Final = dict(_BY_ZERO.values())


class Grouped(Accumulator):
    """An accumulator whose errors have other codes in `$group`."""

    __slots__ = ()

    @abstractmethod
    def grouped(self) -> Accumulator:
        """The same accumulator, with the codes of `$group`."""


@dataclass(frozen=True, slots=True)
class Guarded(Expression):
    """An expression whose divisions by zero raise the codes of `$group`."""

    inner: Expression

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.inner,)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        inner = self.inner.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            try:
                return inner(root, frame)
            except OperationFailure as error:
                code = _CODES.get(error.code or 0)
                if code is None or "by zero" not in str(error):
                    raise
                raise fail(code, str(error.details["errmsg"] if error.details else error)) from error

        return evaluate


def guard(expression: Expression) -> Expression:
    """`expression`, guarded if it divides."""
    divides = any(isinstance(node, Operation) and node.spec.name in _BY_ZERO for node in walk(expression))
    return Guarded(expression) if divides else expression
