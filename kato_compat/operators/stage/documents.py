"""`$documents`: documents that stand in the pipeline itself."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Environment, Running, Stage, StageContext
from kato_compat.operators.stage.transform import Source
from kato_compat.values.paths import fields_of
from kato_compat.values.types import alias_of


@register
@dataclass(frozen=True, slots=True)
class InlineDocuments(Stage):
    """`$documents` (MongoDB manual: $documents (aggregation)). It reads no collection."""

    spec: ClassVar[Spec] = Spec(
        "$documents",
        Kind.STAGE,
        "5.1",
        "Gives documents that stand in the pipeline itself.",
        examples=(Example((), [{"$documents": [{"a": 1}, {"a": {"$add": [1, 1]}}]}], [{"a": 1}, {"a": 2}]),),
    )
    first_only: ClassVar[bool] = True
    facet_allowed: ClassVar[bool] = False
    source: ClassVar[bool] = True
    collectionless: ClassVar[bool] = True
    expression: Expression

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "InlineDocuments":
        """See `Stage.parse`."""
        return cls(context.expression(operand))

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`. Raises 5858203 for what is no array, 40228 for an element that is no document."""
        value = self.expression.compile()({}, environment.frame)
        if type(value) is not list:
            raise fail(5858203, f"an array is expected in $documents, but found {alias_of(value)}")
        documents = []
        for item in value:
            fields = fields_of(item)
            if fields is None:
                raise fail(
                    40228,
                    f"'newRoot' expression must evaluate to an object, but resulting value was: {item!r}. "
                    f"Type of resulting value: '{alias_of(item)}'. Input document: {{}}",
                )
            documents.append(fields)
        return Source(iter([documents] if documents else []))
