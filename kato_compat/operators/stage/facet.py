"""`$facet`: several pipelines over the same documents."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.requests import Flow
from kato_compat.ir.running import Feed, prepared
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, FlowRunning, Pipeline, Running, Stage, StageContext, Starter
from kato_compat.values.naming import check_field_name
from kato_compat.values.types import alias_of


@register
@dataclass(frozen=True, slots=True)
class Facet(Stage):
    """`$facet`: one document with what each pipeline makes of the input, as an array (MongoDB manual: $facet)."""

    spec: ClassVar[Spec] = Spec(
        "$facet",
        Kind.STAGE,
        "3.4",
        "Runs several pipelines over the same documents.",
        examples=(
            Example(
                ({"_id": 1, "a": 5}, {"_id": 2, "a": 7}),
                [{"$facet": {"n": [{"$count": "n"}], "big": [{"$match": {"a": {"$gt": 5}}}]}}],
                [{"n": [{"n": 2}], "big": [{"_id": 2, "a": 7}]}],
            ),
        ),
    )
    facet_allowed: ClassVar[bool] = False
    pipelines: tuple[tuple[str, Pipeline], ...]

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Facet":
        """See `Stage.parse`. Raises 40169 to 40171 for a malformed operand, 40600 for a stage not allowed."""
        if type(operand) is not dict or not operand:
            raise fail(40169, f"the $facet specification must be a non-empty object, but found: {operand!r}")
        for name, raw in operand.items():
            check_field_name(name)
            if type(raw) is not list:
                raise fail(40170, f"arguments to $facet must be arrays, {name} is type {alias_of(raw)}")
            for item in raw:
                if type(item) is not dict:
                    raise fail(
                        40171,
                        f"elements of arrays in $facet spec must be non-empty objects, {name} argument contained an "
                        f"element of type {alias_of(item)}",
                    )
        return cls(tuple((name, context.pipeline(raw, where="$facet")) for name, raw in operand.items()))

    def start(self, environment: Environment) -> Running | FlowRunning:
        """See `Stage.start`."""
        return self.prepare(environment)()

    def prepare(self, environment: Environment) -> Starter:
        """See `Stage.prepare`."""
        branches = tuple((name, prepared(pipeline, environment)) for name, pipeline in self.pipelines)
        return lambda: _Faceting(tuple((name, Feed(starters)) for name, starters in branches))


class _Faceting(FlowRunning):
    def __init__(self, branches: tuple[tuple[str, Feed], ...]) -> None:
        self._branches = branches
        self._given = False

    def push(self, batch: Documents) -> Flow[Documents]:
        for _, feed in self._branches:
            yield from feed.push(batch)
        return []

    def finish(self) -> Flow[Documents]:
        if self._given:
            return []
        self._given = True
        result: dict[str, Any] = {}
        for name, feed in self._branches:
            result[name] = yield from feed.finish()
        return [result]

    def release(self) -> Flow[None]:
        for _, feed in self._branches:
            yield from feed.release()

    def close(self) -> None:
        for _, feed in self._branches:
            feed.close()
