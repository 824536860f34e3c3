"""`$lookup`: join each document with documents of another collection."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from bson.regex import Regex

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression
from kato_compat.ir.predicate import Predicate
from kato_compat.ir.registry import register
from kato_compat.ir.requests import Flow
from kato_compat.ir.running import prepared, run
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, FlowRunning, Pipeline, Running, Stage, StageContext, Starter
from kato_compat.operators.stage.correlation import KeyEquality, key_equality
from kato_compat.operators.stage.foreign import check_namespace, read_foreign
from kato_compat.operators.stage.join import Index, keys_of, local_values
from kato_compat.operators.stage.match import Match
from kato_compat.operators.stage.options import Options
from kato_compat.operators.stage.path import setter
from kato_compat.values.collation import Collation, identity
from kato_compat.values.naming import document_path
from kato_compat.values.paths import Path
from kato_compat.values.types import alias_of

#: Up to so many distinct values the foreign documents are asked for by value, beyond that all are read once.
_ASKED: Final = 2000
_NOTHING: Final = Pipeline(())


@register
@dataclass(frozen=True, slots=True)
class Lookup(Stage):
    """`$lookup` (MongoDB manual: $lookup (aggregation)).

    `collection` is None where the pipeline makes the documents (`$documents`). `variables` are the expressions of
    ``let``; their slots are those of the pipeline. `narrow` gives the filter for foreign documents that have one of
    some values.
    """

    spec: ClassVar[Spec] = Spec(
        "$lookup",
        Kind.STAGE,
        "3.2",
        "Adds the documents of another collection that belong to each document.",
        examples=(
            Example(
                ({"_id": 1, "k": "a"}, {"_id": 2, "k": "b"}),
                [
                    {
                        "$lookup": {
                            "let": {"k": "$k"},
                            "pipeline": [
                                {"$documents": [{"k": "a", "v": 1}, {"k": "b", "v": 2}]},
                                {"$match": {"$expr": {"$eq": ["$k", "$$k"]}}},
                                {"$project": {"v": 1}},
                            ],
                            "as": "found",
                        }
                    }
                ],
                [{"_id": 1, "k": "a", "found": [{"v": 1}]}, {"_id": 2, "k": "b", "found": [{"v": 2}]}],
            ),
        ),
    )
    collection: str | None
    as_path: Path
    local: Path | None
    foreign: Path | None
    variables: tuple[Expression, ...]
    pipeline: Pipeline | None
    narrow: Callable[[list[Any]], Predicate] | None = field(default=None, compare=False, repr=False)
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Lookup":
        """See `Stage.parse`. Raises 9, 14, 73, 40414, 40415 and those of its pipeline as the server does."""
        if type(operand) is not dict:
            raise fail(9, f"the $lookup stage specification must be an object, but found {alias_of(operand)}")
        names = ("from", "as", "localField", "foreignField", "let", "pipeline")
        collection = _from(operand.get("from"))
        raw_pipeline = operand.get("pipeline")
        if collection is None and raw_pipeline is None:
            raise fail(9, "must specify 'pipeline' when 'from' is empty")
        if raw_pipeline is None and "pipeline" in operand:
            # The server reads inner pipelines before it reads the options, where a null would be one not given.
            raise fail(14, "'pipeline' option must be specified as an array")
        options = Options("$lookup", operand, names)
        raw = options.pipeline("pipeline")
        if collection is None and not (raw and "$documents" in raw[0]):
            raise fail(
                9, "$lookup stage without explicit collection must have a pipeline with $documents as first stage"
            )
        if collection is not None:
            check_namespace("$lookup", context.database, collection)
        options.required("as")
        as_path = options.string("as") or ""
        let = options.document("let")
        local, foreign = options.string("localField") or "", options.string("foreignField") or ""
        if raw is None:
            if not (local and foreign):
                raise fail(
                    9, "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified"
                )
            if let is not None:
                raise fail(9, "$lookup with a 'let' argument must also specify 'pipeline'")
        elif bool(local) != bool(foreign):
            raise fail(9, "$lookup requires both or neither of 'localField' and 'foreignField' to be specified")
        path = document_path(as_path)
        local_path = document_path(local) if local else None
        foreign_path = document_path(foreign) if foreign else None
        variables = tuple(context.expression(value) for value in (let or {}).values())
        pipeline = None
        if raw is not None:
            pipeline = context.pipeline(raw, where="$lookup", variables=tuple(let or ()), collection=collection or "")
        narrow = None
        if foreign:
            narrow = lambda values: context.predicate({foreign: {"$in": values}})  # noqa: E731 - a field's value
        return cls(collection, path, local_path, foreign_path, variables, pipeline, narrow, context.collation)

    def start(self, environment: Environment) -> Running | FlowRunning:
        """See `Stage.start`."""
        return self.prepare(environment)()

    def prepare(self, environment: Environment) -> Starter:
        """See `Stage.prepare`."""
        inner = replace(environment, collection=self.collection or "")
        lets = tuple(expression.compile() for expression in self.variables)
        put = setter(self.as_path)
        pipeline = self.pipeline or _NOTHING
        if self.local is not None and self.foreign is not None:
            local, foreign = local_values(self.local), self.foreign
            if pipeline.stages and pipeline.stages[0].source:
                # The join comes after the stage that makes the documents.
                source, pipeline = replace(pipeline, stages=pipeline.stages[:1]), _without_first(pipeline)
            else:
                source = _NOTHING
            rest = prepared(pipeline, inner)
            return lambda: _Joining(self, inner, put, lets, pipeline, rest, local, foreign, source)
        fixed = replace(pipeline, stages=pipeline.stages[: pipeline.fixed])
        correlated = Pipeline(pipeline.stages[pipeline.fixed :])
        equality = key_equality(correlated)
        suffix = prepared(correlated, inner)
        return lambda: _Running(self, inner, put, lets, correlated, suffix, fixed, equality)


def _from(raw: Any) -> str | None:
    if raw is None or type(raw) is str:
        return raw
    if type(raw) is not dict:
        raise fail(9, f"$lookup 'from' field must be a string, but found {alias_of(raw)}")
    options = Options("$lookup.from", raw, ("db", "coll"))
    database, collection = options.string("db") or "", options.string("coll") or ""
    # The server takes this form for collections of its own only.
    raise fail(
        9,
        "$lookup with syntax {from: {db:<>, coll:<>},..} is not supported for db: "
        f"{database} and coll: {collection}",
    )


def _without_first(pipeline: Pipeline) -> Pipeline:
    return replace(pipeline, stages=pipeline.stages[1:], fixed=max(0, pipeline.fixed - 1))


class _Base(FlowRunning):
    """What the forms of `$lookup` share: the variables, and the pipeline that runs for each document."""

    def __init__(
        self,
        stage: Lookup,
        environment: Environment,
        put: Callable[[dict[str, Any], Any], dict[str, Any]],
        lets: tuple[Evaluator, ...],
        pipeline: Pipeline,
        rest: tuple[Starter, ...],
    ) -> None:
        self._stage = stage
        self._environment = environment
        self._put = put
        self._lets = lets
        self._slots = stage.pipeline.slots if stage.pipeline is not None else ()
        self._pipeline = pipeline
        self._rest = rest

    def finish(self) -> Flow[Documents]:
        """See `FlowRunning.finish`."""
        yield from ()
        return []

    def _bind(self, document: dict[str, Any]) -> None:
        frame = self._environment.frame
        values = [evaluate(document, frame) for evaluate in self._lets]
        for slot, value in zip(self._slots, values, strict=True):
            frame[slot] = value

    def _through(self, documents: Documents) -> Flow[Documents]:
        return (yield from run(documents, self._pipeline, self._environment, self._rest))


class _Running(_Base):
    """A pipeline without an equality join: what does not depend on the document is done once."""

    def __init__(self, *shared: Any) -> None:
        *base, fixed, equality = shared
        super().__init__(*base)
        self._fixed: Pipeline = fixed
        self._equality: KeyEquality | None = equality
        self._documents: Documents | None = None
        self._by_key: dict[Hashable, Documents] = {}

    def push(self, batch: Documents) -> Flow[Documents]:
        """See `FlowRunning.push`."""
        equality = self._equality
        if self._documents is None:
            self._documents = yield from read_foreign(self._environment, self._stage.collection, self._fixed)
            if equality is not None:
                self._by_key = equality.index(self._documents)
        frame, documents = self._environment.frame, self._documents
        result = []
        for document in batch:
            self._bind(document)
            found = documents if equality is None else self._by_key.get(equality.key(frame), [])
            if self._rest:
                found = yield from self._through(found)
            result.append(self._put(document, found))
        return result


class _Joining(_Base):
    """An equality join, and what its pipeline makes of the documents found."""

    def __init__(self, *shared: Any) -> None:
        *base, local, foreign, source = shared
        super().__init__(*base)
        self._local: Callable[[dict[str, Any]], list[Any]] = local
        self._source: Pipeline = source
        self._index = Index(foreign, self._stage.collation)
        self._identify = identity(self._stage.collation)
        self._asked: set[Hashable] = set()
        self._all = False

    def push(self, batch: Documents) -> Flow[Documents]:
        """See `FlowRunning.push`."""
        values = [self._local(document) for document in batch]
        keys = [keys_of(each, self._identify) for each in values]
        if not self._all:
            yield from self._ask(values, keys)
        result = []
        for document, each in zip(batch, keys, strict=True):
            if self._lets:
                self._bind(document)
            found = self._index.find(each)
            if self._rest:
                found = yield from self._through(found)
            result.append(self._put(document, found))
        return result

    def _ask(self, values: list[list[Any]], keys: list[list[Hashable]]) -> Flow[None]:
        """Read the foreign documents that the batch needs and that have not been read."""
        new: dict[Hashable, Any] = {}
        plain = True
        for each_values, each_keys in zip(values, keys, strict=True):
            if len(each_keys) != 1 or len(each_values) != 1:
                # A document with several values could find one foreign document in two readings.
                plain = False
            elif each_keys[0] not in self._asked:
                new[each_keys[0]] = each_values[0]
        if not new and plain:
            return
        narrow = self._stage.narrow
        few = plain and len(self._asked) + len(new) <= _ASKED and not any(isinstance(v, Regex) for v in new.values())
        if few and narrow is not None and self._stage.collection is not None:
            pipeline = Pipeline((Match(narrow(list(new.values()))),), fixed=1)
            found = yield from read_foreign(self._environment, self._stage.collection, pipeline)
            self._asked.update(new)
            self._index.add(found, frozenset(new))
            return
        found = yield from read_foreign(self._environment, self._stage.collection, self._source)
        self._index.clear()
        self._index.add(found)
        self._all = True
