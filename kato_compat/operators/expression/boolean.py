"""Boolean expressions (MongoDB manual: Boolean Expression Operators).

False, null, missing and zero are false; everything else is true, also an empty string or array.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.predicate import truthy
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec


def _connective(spec_: Spec, decisive: bool) -> type[Operation]:
    """The operator whose value is `decisive` as soon as one operand's boolean value is, else the opposite."""

    @dataclass(frozen=True, slots=True)
    class Connective(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name} (aggregation))."

        spec: ClassVar[Spec] = spec_

        terms: tuple[Expression, ...]

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`. A constant that decides makes the whole a constant; others are dropped."""
            left = []
            for term in context.arguments(spec_.name, operand, 0, None):
                if not isinstance(term, Literal):
                    left.append(term)
                elif truthy(term.value) is decisive:
                    return Literal(decisive)
            return cls(tuple(left))

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return self.terms

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            parts = tuple(term.compile() for term in self.terms)
            if len(parts) == 2:
                first, second = parts
                if decisive:
                    return lambda root, frame: truthy(first(root, frame)) or truthy(second(root, frame))
                return lambda root, frame: truthy(first(root, frame)) and truthy(second(root, frame))

            def evaluate(root: Any, frame: Frame) -> bool:
                for part in parts:
                    if truthy(part(root, frame)) is decisive:
                        return decisive
                return not decisive

            return evaluate

    return Connective


register(
    _connective(
        Spec(
            "$and",
            Kind.EXPRESSION,
            "2.0",
            "True if every operand is true; stops at the first that is not.",
            examples=(Example(({"a": 1, "b": 0}, {"a": 1, "b": ""}), {"$and": ["$a", "$b"]}, [False, True]),),
        ),
        False,
    )
)
register(
    _connective(
        Spec(
            "$or",
            Kind.EXPRESSION,
            "2.0",
            "True if any operand is true; stops at the first that is.",
            examples=(Example(({"a": None, "b": 0}, {"a": [], "b": 0}), {"$or": ["$a", "$b"]}, [False, True]),),
        ),
        True,
    )
)


@register
@dataclass(frozen=True, slots=True)
class Not(Operation):
    """`$not`: the opposite of its operand's boolean value (MongoDB manual: $not (aggregation))."""

    spec: ClassVar[Spec] = Spec(
        "$not",
        Kind.EXPRESSION,
        "2.0",
        "The opposite of the operand's boolean value.",
        examples=(Example(({"a": True}, {"a": 0.0}, {}), {"$not": ["$a"]}, [False, True, True]),),
    )

    term: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(*context.arguments("$not", operand, 1, 1))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.term,)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        term = self.term.compile()
        return lambda root, frame: not truthy(term(root, frame))
