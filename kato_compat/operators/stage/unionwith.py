"""`$unionWith`: the documents of another collection after those of this one."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.requests import Flow
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, FlowRunning, Pipeline, Reader, Stage, StageContext
from kato_compat.operators.stage.foreign import check_namespace, open_foreign
from kato_compat.operators.stage.options import Options
from kato_compat.values.types import alias_of


@register
@dataclass(frozen=True, slots=True)
class UnionWith(Stage):
    """`$unionWith` (MongoDB manual: $unionWith). `collection` is None where the pipeline makes the documents."""

    spec: ClassVar[Spec] = Spec(
        "$unionWith",
        Kind.STAGE,
        "4.4",
        "Adds the documents of another collection.",
        examples=(
            Example(
                ({"_id": 1},),
                [{"$unionWith": {"pipeline": [{"$documents": [{"_id": 2}]}]}}],
                [{"_id": 1}, {"_id": 2}],
            ),
        ),
    )
    collection: str | None
    pipeline: Pipeline

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "UnionWith":
        """See `Stage.parse`. Raises 9, 14, 40415 and 73 as the server does."""
        if type(operand) is str:
            raw: list[Any] = []
            collection: str | None = operand
        elif type(operand) is dict:
            options = Options("$unionWith", operand, ("coll", "pipeline"))
            collection = options.string("coll")
            raw = options.pipeline("pipeline") or []
            if collection is None and not (raw and "$documents" in raw[0]):
                raise fail(
                    9,
                    "$unionWith stage without explicit collection must have a pipeline with $documents as first stage",
                )
        else:
            raise fail(
                9, f"the $unionWith stage specification must be an object or string, but found {alias_of(operand)}"
            )
        if collection is not None:
            check_namespace("$unionWith", context.database, collection)
        pipeline = context.pipeline(raw, where="$unionWith", collection=collection or "")
        return cls(collection, pipeline)

    def start(self, environment: Environment) -> FlowRunning:
        """See `Stage.start`."""
        return _Uniting(self, environment)


class _Uniting(FlowRunning):
    def __init__(self, stage: UnionWith, environment: Environment) -> None:
        self._stage = stage
        self._environment = environment
        self._reader: Reader | None = None

    def push(self, batch: Documents) -> Flow[Documents]:
        yield from ()
        return batch

    def finish(self) -> Flow[Documents]:
        if self._reader is None:
            stage = self._stage
            environment = replace(self._environment, collection=stage.collection or "")
            self._reader = yield from open_foreign(environment, stage.collection, stage.pipeline)
        return (yield from self._reader.fetch()) or []

    def release(self) -> Flow[None]:
        if self._reader is not None:
            yield from self._reader.close()
