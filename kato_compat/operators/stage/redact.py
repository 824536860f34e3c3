"""`$redact`: leave out documents and sub-documents by what they hold themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, Running, Stage, StageContext, Starter
from kato_compat.operators.stage.transform import Transform
from kato_compat.values.missing import MISSING

# The server's own values of the three variables.
_VARIABLES: Final = {"DESCEND": "descend", "PRUNE": "prune", "KEEP": "keep"}


@register
@dataclass(frozen=True, slots=True)
class Redact(Stage):
    """`$redact` (MongoDB manual: $redact). `slot` holds ``$$CURRENT``, the level that is looked at."""

    spec: ClassVar[Spec] = Spec(
        "$redact",
        Kind.STAGE,
        "2.6",
        "Keeps or leaves out documents and their sub-documents, level by level.",
        examples=(
            Example(
                ({"_id": 1, "open": True, "a": {"open": False}, "b": {"open": True}},),
                [{"$redact": {"$cond": ["$open", "$$DESCEND", "$$PRUNE"]}}],
                [{"_id": 1, "open": True, "b": {"open": True}}],
            ),
        ),
    )
    expression: Expression
    slot: int

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Redact":
        """See `Stage.parse`."""
        scope, (slot,) = context.constant(_VARIABLES).define("CURRENT")
        return cls(scope.parse(operand), slot)

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`. Pushing raises 17053 where the expression gives none of the three variables."""
        redact = _redactor(self.expression, self.slot, environment.frame)

        def push(batch: Documents) -> Documents:
            kept = []
            for document in batch:
                result = redact(document, document)
                if result is not MISSING:
                    kept.append(result)
            return kept

        return Transform(push)

    def prepare(self, environment: Environment) -> Starter:
        """See `Stage.prepare`."""
        running = self.start(environment)
        return lambda: running


def _redactor(expression: Expression, slot: int, frame: list[Any]) -> Callable[[Any, Any], Any]:
    evaluate = expression.compile()

    def document(root: Any, level: dict[str, Any]) -> Any:
        frame[slot] = level
        decision = evaluate(root, frame)
        if decision == "descend":
            result = {}
            for name, value in level.items():
                kind = type(value)
                if kind is dict:
                    value = document(root, value)
                    if value is MISSING:
                        continue
                elif kind is list:
                    value = array(root, value)
                result[name] = value
            return result
        if decision == "keep":
            return level
        if decision == "prune":
            return MISSING
        raise fail(
            17053,
            "$redact's expression should not return anything aside from the variables $$KEEP, $$DESCEND, and "
            f"$$PRUNE, but returned {decision!r}",
        )

    def array(root: Any, items: list[Any]) -> list[Any]:
        result = []
        for item in items:
            kind = type(item)
            if kind is dict:
                item = document(root, item)
                if item is MISSING:
                    continue
            elif kind is list:
                item = array(root, item)
            result.append(item)
        return result

    return document
