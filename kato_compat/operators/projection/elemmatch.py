"""`$elemMatch` in a find projection: the first element of an array that matches a condition."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, FieldPath, Frame
from kato_compat.ir.predicate import Predicate, compile_predicate, matched_index
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.types import alias_of


@register
@dataclass(frozen=True, slots=True)
class ElemMatch(Expression):
    """`$elemMatch` (MongoDB manual: $elemMatch (projection)): a computed field, an array of one element or missing.

    `predicate` is ``{name: {$elemMatch: condition}}`` for the root field `name`.
    """

    spec: ClassVar[Spec] = Spec(
        "$elemMatch",
        Kind.PROJECTION,
        "2.2",
        "Keeps the first element of an array that matches a condition; the field comes after the included ones.",
        examples=(
            Example(
                ({"_id": 1, "a": [{"b": 1}, {"b": 2}, {"b": 3}], "c": 4}, {"_id": 2, "a": []}),
                {"a": {"$elemMatch": {"b": {"$gt": 1}}}, "c": 1},
                [{"_id": 1, "c": 4, "a": [{"b": 2}]}, {"_id": 2}],
            ),
        ),
    )
    name: str
    predicate: Predicate

    @classmethod
    def parse(cls, name: str, operand: Any, context: ExpressionContext) -> "ElemMatch":
        """The typed form of ``{name: {$elemMatch: operand}}``; raises 31274 and what its condition raises."""
        if type(operand) is not dict:
            raise fail(31274, f"elemMatch: Invalid argument, object required, but got {alias_of(operand)}")
        return cls(name, context.predicate({name: {"$elemMatch": operand}}))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`: the field that is read."""
        return (FieldPath((self.name,)),)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        name, matches, position = self.name, compile_predicate(self.predicate), matched_index(self.predicate)

        def evaluate(root: Any, frame: Frame) -> Any:
            value = root.get(name)
            if type(value) is not list or not matches(root):
                return MISSING
            index = position(root)
            return MISSING if index is None else [value[index]]

        return evaluate
