"""Answering reads: find, aggregate, count and distinct over any storage."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

from kato_compat.execute.pipeline import ListReader, PipelineReader
from kato_compat.execute.storage import Access, Plan, Reader, Storage
from kato_compat.ir.expression import Frame
from kato_compat.ir.predicate import ALWAYS, And, Predicate, Selection, compile_selection
from kato_compat.ir.projection import Projection
from kato_compat.ir.requests import Flow
from kato_compat.ir.stage import Environment, Stage
from kato_compat.operators.stage.limit import Limit, Skip
from kato_compat.operators.stage.match import Match
from kato_compat.operators.stage.project import Reshape
from kato_compat.operators.stage.sort import Sort as SortStage
from kato_compat.parse.command import Aggregate, Count, Distinct, Find
from kato_compat.parse.sort import Sort
from kato_compat.plan.access import needed_fields, predicate_fields
from kato_compat.plan.commute import wanted
from kato_compat.plan.dependencies import pipeline_fields
from kato_compat.plan.values import distinct_values
from kato_compat.values.collation import identity
from kato_compat.values.document import Document
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import Path, fields_of, is_index, split

Documents = list[Document]


class Matching:
    """The documents of a storage that an access asks for: those that pass what its plan left to Python.

    It is planned when it is first read, with the index definitions known.
    """

    def __init__(self, storage: Storage, access: Access, frame: Frame | None = None) -> None:
        self._storage = storage
        self._access = access
        self._frame = frame
        self._reader: Reader | None = None
        self._selections: list[Selection] = []
        self.ordered = False

    def planned(self) -> Flow[Plan]:
        """The plan, with what it needs to know learned first."""
        yield from self._storage.ready(self._access)
        return self._storage.plan(self._access)

    def start(self) -> Flow[Reader]:
        """Plan and open, unless that is done."""
        if self._reader is None:
            plan = yield from self.planned()
            self.ordered = plan.ordered
            terms = plan.residual.terms if isinstance(plan.residual, And) else (plan.residual,)
            self._selections = [compile_selection(term, self._frame) for term in terms if term != ALWAYS]
            self._reader = self._storage.open(plan)
        return self._reader

    def fetch(self) -> Flow[Documents | None]:
        """The next batch of matching documents, None at the end."""
        reader = yield from self.start()
        batch = yield from reader.documents()
        if batch is not None:
            for select in self._selections:
                batch = select(batch)
        return batch

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        if self._reader is not None:
            yield from self._reader.close()


class Finding:
    """A find in progress: `fetch` gives batches of result documents."""

    def __init__(self, storage: Storage, command: Find) -> None:
        limit = command.skip + command.limit if command.limit else 0
        access = Access(
            command.predicate,
            needed_fields(command.predicate, command.projection, command.sort),
            command.sort,
            limit,
            pushdown=command.pushdown,
        )
        self._source = Matching(storage, access)
        self._sort = command.sort
        self._project: Callable[[Document], Document] | None = (
            command.projection.compile() if command.projection is not None else None
        )
        projection = command.projection
        #: Whether the results share parts with anything else: who hands them out must copy them.
        self.shared = storage.shares or (projection is not None and not selects(projection))
        self._skip = command.skip
        self._left = command.limit or -1
        self._limit = limit
        self._ended = False

    def planned(self) -> Flow[Plan]:
        """How the storage answers it."""
        return (yield from self._source.planned())

    def fetch(self) -> Flow[Documents | None]:
        """The next batch of results, None at the end."""
        while not self._ended:
            batch = yield from self._next()
            if batch is None:
                self._ended = True
                break
            if self._skip:
                dropped = min(self._skip, len(batch))
                self._skip -= dropped
                batch = batch[dropped:]
            if self._left >= 0:
                batch = batch[: self._left]
                self._left -= len(batch)
                if self._left == 0:
                    self._ended = True
                    yield from self._source.close()
            if batch:
                project = self._project
                return batch if project is None else [project(document) for document in batch]
        return None

    def _next(self) -> Flow[Documents | None]:
        if self._sort is not None:
            yield from self._source.start()
        if self._sort is None or self._source.ordered:
            return (yield from self._source.fetch())
        sort, self._sort = self._sort, None
        return (yield from _sorted(self._source, sort, self._limit))

    def close(self) -> Flow[None]:
        """Give back what the find holds."""
        self._ended = True
        yield from self._source.close()


def _sorted(source: Matching, sort: Sort, limit: int) -> Flow[Documents]:
    """All documents of `source` in order, only the first `limit` if that is not 0; keeps no more than it must."""
    kept: Documents = []
    if not sort.fields:
        # Natural order: nothing to compare, at most to turn round.
        while (batch := (yield from source.fetch())) is not None:
            kept.extend(batch)
        return kept[::-1] if sort.natural < 0 else kept
    runner = sort.compile()
    while (batch := (yield from source.fetch())) is not None:
        kept.extend(batch)
        if limit and len(kept) > 4 * limit + 4096:
            kept = runner.top(kept, limit)
    return runner.top(kept, limit) if limit else runner.sorted(kept)


class Aggregating:
    """An aggregation in progress: `fetch` gives batches of result documents."""

    def __init__(self, storage: Storage, command: Aggregate, environment: Environment) -> None:
        stages = command.pipeline.stages
        self._source: Matching | None = None
        #: As of `Finding`.
        self.shared = storage.shares or not all(hands_on(stage) for stage in stages)
        if stages and stages[0].source:
            self._reader = PipelineReader(ListReader([]), command.pipeline, environment)
            return
        predicate: Predicate = ALWAYS
        rest = command.pipeline
        if stages and isinstance(stages[0], Match):
            predicate, rest = stages[0].predicate, replace(rest, stages=stages[1:], fixed=max(0, rest.fixed - 1))
        fields = pipeline_fields(rest.stages)
        read = None if fields is None else predicate_fields(predicate)
        needed = None if fields is None or read is None else fields | read
        want = wanted(rest.stages, storage.spec)
        values = distinct_values(rest.stages, storage.spec)
        access = Access(predicate, needed, want.sort, want.limit, pushdown=command.pushdown, values=values)
        self._source = Matching(storage, access, environment.frame)
        self._reader = PipelineReader(self._source, rest, environment)

    def planned(self) -> Flow[Plan | None]:
        """See `Finding.planned`; None for a pipeline that reads no documents of the collection."""
        return None if self._source is None else (yield from self._source.planned())

    def fetch(self) -> Flow[Documents | None]:
        """The next batch of results, None at the end."""
        return (yield from self._reader.fetch())

    def close(self) -> Flow[None]:
        """Give back what the aggregation holds."""
        yield from self._reader.close()


def selects(projection: Projection) -> bool:
    """Whether a projection puts no part of a document into its result twice, and nothing else."""
    return not projection.root.computes and not projection.rewrites


def hands_on(stage: Stage) -> bool:
    """Whether what a stage gives is documents of its input, or selected from them, each once."""
    match stage:
        case Match() | SortStage() | Limit() | Skip():
            return True
        case Reshape(projection):
            return selects(projection)
        case _:
            return False


def count(storage: Storage, command: Count) -> Flow[int]:
    """How many documents match."""
    if command.predicate == ALWAYS:
        found = yield from storage.count()
    else:
        fields = needed_fields(command.predicate, None, None, none=True)
        source = Matching(storage, Access(command.predicate, fields, pushdown=command.pushdown))
        found = 0
        while (batch := (yield from source.fetch())) is not None:
            found += len(batch)
            if command.limit and found >= command.skip + command.limit:
                yield from source.close()
                break
    found = max(0, found - command.skip)
    return min(found, command.limit) if command.limit else found


def distinct(storage: Storage, command: Distinct) -> Flow[list[Any]]:
    """The distinct values at a path, the elements of arrays one by one, in order of first appearance."""
    path = split(command.path)
    fields = needed_fields(command.predicate, None, None, none=True)
    source = Matching(storage, Access(command.predicate, None if fields is None else fields | {path[0]}))
    found: dict[Hashable, Any] = {}
    key = identity(command.collation)
    while (batch := (yield from source.fetch())) is not None:
        for document in batch:
            for value in _values(document, path):
                found.setdefault(key(value), value)
    return list(found.values())


def _values(value: Any, path: Path) -> list[Any]:
    if not path:
        return value if type(value) is list else [value]
    if type(value) is list:
        head = path[0]
        found: list[Any] = []
        if is_index(head) and int(head) < len(value):
            found.extend(_values(value[int(head)], path[1:]))
        for item in value:
            if fields_of(item) is not None:
                found.extend(_values(item, path))
        return found
    fields = fields_of(value)
    if fields is None:
        return []
    inner = fields.get(path[0], MISSING)
    return [] if inner is MISSING else _values(inner, path[1:])


def find_batches(storage: Storage) -> Finding:
    """Every document of a storage, in batches."""
    return Finding(storage, Find())
