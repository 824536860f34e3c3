"""`$toHashedIndexKey`: the hash of a value in a hashed index."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from bson.int64 import Int64

from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.hashing import index_hash


@register
@dataclass(frozen=True, slots=True)
class ToHashedIndexKey(Operation):
    """`$toHashedIndexKey`: the hash of a value in a hashed index, a long (MongoDB manual: $toHashedIndexKey)."""

    spec: ClassVar[Spec] = Spec(
        "$toHashedIndexKey",
        Kind.EXPRESSION,
        "8.0",
        "The hash by which a hashed index holds a value, a long.",
        examples=(
            Example(
                ({"d": datetime(2013, 2, 12, 22, 12, 57, 211_000)}, {}),
                {"$toHashedIndexKey": "$d"},
                [Int64(-4185544074338741873), Int64(2338878944348059895)],
            ),
        ),
    )

    operand: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        (argument,) = context.arguments("$toHashedIndexKey", operand, 1, 1)
        return cls(argument)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.operand,)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        operand = self.operand.compile()
        return lambda root, frame: Int64(index_hash(operand(root, frame)))
