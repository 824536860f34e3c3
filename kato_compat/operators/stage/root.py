"""`$replaceRoot` and `$replaceWith`: put a sub-document or a computed one in place of each document."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, Running, Stage, StageContext, Starter
from kato_compat.operators.stage.transform import Transform
from kato_compat.values.paths import fields_of
from kato_compat.values.types import alias_of


@dataclass(frozen=True, slots=True)
class Replace(Stage):
    """A stage that puts the document which an expression gives in place of each."""

    update_allowed: ClassVar[bool] = True
    expression: Expression

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`. Pushing raises 40228 where the expression gives no document."""
        evaluate, frame = self.expression.compile(), environment.frame
        name = "'newRoot' expression " if self.spec.name == "$replaceRoot" else "'replacement document' "

        def replace(batch: Documents) -> Documents:
            result = []
            for document in batch:
                value = evaluate(document, frame)
                if type(value) is not dict:
                    fields = fields_of(value)
                    if fields is None:
                        raise fail(
                            40228,
                            f"{name}must evaluate to an object, but resulting value was: {value!r}. "
                            f"Type of resulting value: '{alias_of(value)}'. Input document: {document!r}",
                        )
                    value = fields
                result.append(value)
            return result

        return Transform(replace)

    def prepare(self, environment: Environment) -> Starter:
        """See `Stage.prepare`."""
        running = self.start(environment)
        return lambda: running


@register
@dataclass(frozen=True, slots=True)
class ReplaceRoot(Replace):
    """`$replaceRoot` (MongoDB manual: $replaceRoot (aggregation))."""

    spec: ClassVar[Spec] = Spec(
        "$replaceRoot",
        Kind.STAGE,
        "3.4",
        "Puts a sub-document or a computed document in place of each document.",
        examples=(Example(({"_id": 1, "a": {"b": 2}},), [{"$replaceRoot": {"newRoot": "$a"}}], [{"b": 2}]),),
    )

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "ReplaceRoot":
        """See `Stage.parse`. Raises 40229 for what is not a document, 40415 and 40414 for its fields."""
        if type(operand) is not dict:
            raise fail(40229, f"expected an object as specification for $replaceRoot stage, got {alias_of(operand)}")
        for name in operand:
            if name != "newRoot":
                raise fail(40415, f"BSON field '$replaceRoot.{name}' is an unknown field.")
        if "newRoot" not in operand:
            raise fail(40414, "BSON field '$replaceRoot.newRoot' is missing but a required field")
        return cls(context.expression(operand["newRoot"]))


@register
@dataclass(frozen=True, slots=True)
class ReplaceWith(Replace):
    """`$replaceWith` (MongoDB manual: $replaceWith (aggregation))."""

    spec: ClassVar[Spec] = Spec(
        "$replaceWith",
        Kind.STAGE,
        "4.2",
        "Puts a sub-document or a computed document in place of each document.",
        examples=(Example(({"_id": 1, "a": {"b": 2}},), [{"$replaceWith": "$a"}], [{"b": 2}]),),
    )

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "ReplaceWith":
        """See `Stage.parse`."""
        return cls(context.expression(operand))
