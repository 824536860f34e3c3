"""`$match`: keep the documents that a filter holds for."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.predicate import ALWAYS, NEVER, Predicate, compile_predicate
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Environment, Running, Stage, StageContext, Starter
from kato_compat.operators.stage.transform import Transform


@register
@dataclass(frozen=True, slots=True)
class Match(Stage):
    """`$match` (MongoDB manual: $match (aggregation))."""

    spec: ClassVar[Spec] = Spec(
        "$match",
        Kind.STAGE,
        "2.2",
        "Keeps the documents that match a filter.",
        examples=(
            Example(({"_id": 1, "a": 1}, {"_id": 2, "a": 2}), [{"$match": {"a": {"$gt": 1}}}], [{"_id": 2, "a": 2}]),
        ),
    )
    predicate: Predicate

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Match":
        """See `Stage.parse`. Raises 15959 for what is not a document."""
        if type(operand) is not dict:
            raise fail(15959, "the match filter must be an expression in an object")
        return cls(context.predicate(operand))

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        if self.predicate == ALWAYS:
            return Transform(lambda batch: batch)
        if self.predicate == NEVER:
            return Transform(lambda batch: [])
        test = compile_predicate(self.predicate, environment.frame)
        return Transform(lambda batch: [document for document in batch if test(document)])

    def prepare(self, environment: Environment) -> Starter:
        """See `Stage.prepare`."""
        running = self.start(environment)
        return lambda: running
