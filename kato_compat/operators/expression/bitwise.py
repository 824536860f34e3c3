"""Bitwise expressions on ints and longs (MongoDB manual: Bitwise Expression Operators)."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.expression.arithmetic import leading_folded
from kato_compat.operators.expression.numeric import numeric
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import is_long
from kato_compat.values.types import alias_of


def _bitwise(spec_: Spec, function: Callable[[int, int], int], identity: int) -> type[Operation]:
    """The operator that combines any number of integers; long if any of them is one."""

    @dataclass(frozen=True, slots=True)
    class Bitwise(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name})."

        spec: ClassVar[Spec] = spec_

        operands: tuple[Expression, ...]

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            return cls(leading_folded(cls, context.arguments(spec_.name, operand, 0, None)))

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return self.operands

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            parts = tuple(part.compile() for part in self.operands)

            def evaluate(root: Any, frame: Frame) -> int | None:
                result = identity
                long = False
                for part in parts:
                    value = part(root, frame)
                    if value is None or value is MISSING:
                        return None
                    if not isinstance(value, int) or type(value) is bool:
                        raise fail(14, f"{spec_.name} only supports int and long operands.")
                    result = function(result, int(value))
                    long = long or is_long(value)
                return Int64(result) if long else result

            return evaluate

    return Bitwise


def _spec(name: str, summary: str, result: list[int]) -> Spec:
    example = Example(({"a": 12, "b": 10}, {"a": -1, "b": 5}), {name: ["$a", "$b"]}, result)
    return Spec(name, Kind.EXPRESSION, "6.3", summary, examples=(example,))


register(_bitwise(_spec("$bitAnd", "The bits that all operands have.", [8, 5]), operator.and_, -1))
register(_bitwise(_spec("$bitOr", "The bits that any operand has.", [14, -1]), operator.or_, 0))
register(_bitwise(_spec("$bitXor", "The bits that an odd number of operands have.", [6, -6]), operator.xor, 0))


def _not(value: int) -> int:
    return Int64(~value) if is_long(value) else ~value


def _no_bits(value: float | Decimal128) -> int:
    raise fail(14, f"$bitNot only supports int and long, not: {alias_of(value)}.")


register(
    numeric(
        Spec(
            "$bitNot",
            Kind.EXPRESSION,
            "6.3",
            "The bits that the operand has not.",
            examples=(Example(({"a": 10}, {"a": -1}), {"$bitNot": "$a"}, [-11, 0]),),
        ),
        _not,
        _no_bits,
        _no_bits,
    )
)
