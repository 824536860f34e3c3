"""Comparison expressions: they compare any two values in BSON order, missing before null.

MongoDB manual: Comparison Expression Operators, Comparison/Sort Order.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from bson.objectid import ObjectId

from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.collation import Collation, identity, ordering

# Types whose own comparison is BSON's, when both sides are of that type.
_DIRECT: Final = frozenset({str, int, ObjectId, datetime})


def _direct(collation: Collation | None) -> frozenset[type]:
    return _DIRECT if collation is None else _DIRECT - {str}


def _ordering(spec_: Spec, test: Callable[[Any, Any], bool]) -> type[Operation]:
    """The operator that says whether `test` holds for the places of its two operands in BSON order."""

    @dataclass(frozen=True, slots=True)
    class Ordering(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name} (aggregation))."

        spec: ClassVar[Spec] = spec_

        left: Expression
        right: Expression
        collation: Collation | None = None

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            left, right = context.arguments(spec_.name, operand, 2, 2)
            return cls(left, right, context.collation)

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return self.left, self.right

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            left, right = self.left.compile(), self.right.compile()
            key, direct = ordering(self.collation), _direct(self.collation)

            def evaluate(root: Any, frame: Frame) -> bool:
                a, b = left(root, frame), right(root, frame)
                kind = type(a)
                if kind is type(b) and kind in direct:
                    return test(a, b)
                return test(key(a), key(b))

            return evaluate

    return Ordering


def _equality(spec_: Spec, answer: bool) -> type[Operation]:
    """The operator that answers `answer` for operands that BSON holds equal, else the opposite."""

    @dataclass(frozen=True, slots=True)
    class Equality(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name} (aggregation))."

        spec: ClassVar[Spec] = spec_

        left: Expression
        right: Expression
        collation: Collation | None = None

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            left, right = context.arguments(spec_.name, operand, 2, 2)
            return cls(left, right, context.collation)

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return self.left, self.right

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            left, right = self.left.compile(), self.right.compile()
            key, direct = identity(self.collation), _direct(self.collation)
            if isinstance(self.right, Literal):
                wanted = key(self.right.value)
                return lambda root, frame: (key(left(root, frame)) == wanted) is answer

            def evaluate(root: Any, frame: Frame) -> bool:
                a, b = left(root, frame), right(root, frame)
                kind = type(a)
                if kind is type(b) and kind in direct:
                    return (a == b) is answer
                return (key(a) == key(b)) is answer

            return evaluate

    return Equality


@register
@dataclass(frozen=True, slots=True)
class Cmp(Operation):
    """`$cmp`: -1, 0 or 1 as the first operand sorts before, equal to or after the second (MongoDB manual: $cmp)."""

    spec: ClassVar[Spec] = Spec(
        "$cmp",
        Kind.EXPRESSION,
        "2.0",
        "-1, 0 or 1 as the first value sorts before, equal to or after the second.",
        examples=(Example(({"a": 1, "b": "x"}, {"a": 2, "b": 2.0}), {"$cmp": ["$a", "$b"]}, [-1, 0]),),
    )

    left: Expression
    right: Expression
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        left, right = context.arguments("$cmp", operand, 2, 2)
        return cls(left, right, context.collation)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.left, self.right

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        left, right = self.left.compile(), self.right.compile()
        key = ordering(self.collation)

        def evaluate(root: Any, frame: Frame) -> int:
            a, b = key(left(root, frame)), key(right(root, frame))
            return -1 if a < b else 1 if b < a else 0

        return evaluate


def _spec(name: str, summary: str, result: list[bool]) -> Spec:
    example = Example(({"a": 1}, {"a": 2}, {}), {name: ["$a", 2]}, result)
    return Spec(name, Kind.EXPRESSION, "2.0", summary, examples=(example,))


register(_equality(_spec("$eq", "Whether two values are equal.", [False, True, False]), True))
register(_equality(_spec("$ne", "Whether two values differ.", [True, False, True]), False))
register(_ordering(_spec("$gt", "Whether the first value sorts after the second.", [False, False, False]), operator.gt))
register(
    _ordering(
        _spec("$gte", "Whether the first value does not sort before the second.", [False, True, False]), operator.ge
    )
)
register(_ordering(_spec("$lt", "Whether the first value sorts before the second.", [True, False, True]), operator.lt))
register(
    _ordering(_spec("$lte", "Whether the first value does not sort after the second.", [True, True, True]), operator.le)
)
