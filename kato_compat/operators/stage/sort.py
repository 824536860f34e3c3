"""`$sort`: order the documents; on disk where they do not fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, FlowRunning, Running, Stage, StageContext, Starter
from kato_compat.operators.stage.spill import Sorter

_BATCH = 1024


@register
@dataclass(frozen=True, slots=True)
class Sort(Stage):
    """`$sort` (MongoDB manual: $sort (aggregation)). The sort is stable.

    `limit`: no more documents than this get out; set where a `$limit` follows.
    """

    spec: ClassVar[Spec] = Spec(
        "$sort",
        Kind.STAGE,
        "2.2",
        "Orders the documents.",
        examples=(
            Example(
                ({"_id": 1, "a": 2}, {"_id": 2, "a": 1}, {"_id": 3}),
                [{"$sort": {"a": -1}}],
                [{"_id": 1, "a": 2}, {"_id": 2, "a": 1}, {"_id": 3}],
            ),
        ),
    )
    sort: Any
    limit: int | None = None

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Sort":
        """See `Stage.parse`. Raises 15973 for what is not a document."""
        if type(operand) is not dict:
            raise fail(15973, "the $sort key specification must be an object")
        return cls(context.sort(operand))

    def start(self, environment: Environment) -> Running | FlowRunning:
        """See `Stage.start`."""
        return self.prepare(environment)()

    def prepare(self, environment: Environment) -> Starter:
        """See `Stage.prepare`."""
        runner, limit = self.sort.compile(), self.limit
        return lambda: _Sorting(runner, environment, limit)


class _Sorting(Running):
    def __init__(self, runner: Any, environment: Environment, limit: int | None) -> None:
        self._runner = runner
        self._limit = limit
        order = runner.sorted if limit is None else self._top
        self._sorter = Sorter("$sort", environment, order, runner.key, limit)

    def push(self, batch: Documents) -> Documents:
        self._sorter.add(batch)
        return []

    def finish(self) -> Iterator[Documents]:
        ordered = self._sorter.items()
        while batch := list(islice(ordered, _BATCH)):
            yield batch

    def close(self) -> None:
        self._sorter.close()

    def _top(self, documents: Documents) -> Documents:
        first: Documents = self._runner.top(documents, self._limit)
        return first
