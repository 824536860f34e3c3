"""`$out` and `$merge`: write the documents into a collection."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from bson.objectid import ObjectId

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression
from kato_compat.ir.registry import register
from kato_compat.ir.requests import Flow
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import (
    Documents,
    Environment,
    FlowRunning,
    MergeOptions,
    Pipeline,
    Running,
    Stage,
    StageContext,
    Update,
    stage_class,
)
from kato_compat.operators.stage.foreign import collections_of
from kato_compat.operators.stage.options import Options
from kato_compat.values.missing import MISSING
from kato_compat.values.naming import document_path
from kato_compat.values.paths import Path, getter
from kato_compat.values.types import alias_of

_MAX_NAMESPACE: Final = 255

#: The bytes that the name of a database has at most, and the characters that it cannot have.
_MAX_DATABASE: Final = 63
_NOT_IN_DATABASE: Final = '/\\. "$\0'
_INTERNAL: Final = frozenset({"admin", "config", "local"})
_MATCHED: Final = ("replace", "keepExisting", "merge", "fail")
_NOT_MATCHED: Final = ("insert", "discard", "fail")
#: The pairs that the server supports (MongoDB manual: $merge, whenMatched and whenNotMatched).
_UNSUPPORTED: Final = frozenset(
    {("keepExisting", "discard"), ("keepExisting", "fail"), ("fail", "discard"), ("fail", "fail")}
)


@dataclass(frozen=True, slots=True)
class _Write(Stage):
    last_only: ClassVar[bool] = True
    facet_allowed: ClassVar[bool] = False
    nested_allowed: ClassVar[bool] = False
    database: str
    collection: str


@register
@dataclass(frozen=True, slots=True)
class Out(_Write):
    """`$out`: the documents take the place of all that the collection held (MongoDB manual: $out (aggregation))."""

    spec: ClassVar[Spec] = Spec(
        "$out",
        Kind.STAGE,
        "2.6",
        "Replaces a collection by the documents.",
        examples=(Example(({"_id": 1}, {"_id": 2}), [{"$match": {"_id": 1}}, {"$out": "copy"}], []),),
    )

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Out":
        """See `Stage.parse`. Raises 16990, 17385, 20, 73 and 31321 as the server does."""
        database, collection = context.database, operand
        if type(operand) is dict:
            options = Options("$out", operand, ("db", "coll", "timeseries"))
            if options.document("timeseries") is not None:
                raise fail(115, "$out to a time series collection is refused by kato_compat: there are none")
            options.required("coll")
            options.required("db")
            database, collection = options.string("db") or "", options.string("coll") or ""
        elif type(operand) is not str:
            raise fail(16990, f"$out only supports a string or object argument, but found {alias_of(operand)}")
        _check_target("$out", database, collection)
        if collection.startswith("system."):
            raise fail(17385, f"Can't $out to special collection: {collection}")
        if database in _INTERNAL:
            raise fail(31321, f"Can't $out to internal database: {database}")
        return cls(database, collection)

    def start(self, environment: Environment) -> FlowRunning:
        """See `Stage.start`."""
        return _Replacing(self, environment)


class _Replacing(FlowRunning):
    def __init__(self, stage: Out, environment: Environment) -> None:
        self._stage = stage
        self._collections = collections_of(environment)
        self._held: Documents = []
        self._written = False

    def push(self, batch: Documents) -> Flow[Documents]:
        """See `FlowRunning.push`."""
        yield from ()
        self._held.extend(batch)
        return []

    def finish(self) -> Flow[Documents]:
        """See `FlowRunning.finish`."""
        if not self._written:
            self._written = True
            yield from self._collections.replace_all(self._stage.database, self._stage.collection, self._held)
        return []


@register
@dataclass(frozen=True, slots=True)
class Merge(_Write):
    """`$merge` (MongoDB manual: $merge (aggregation)).

    `variables` are the expressions of ``let``. The pipeline of ``whenMatched`` is parsed when the first document
    comes, as on the server, to which it is part of an update.
    """

    spec: ClassVar[Spec] = Spec(
        "$merge",
        Kind.STAGE,
        "4.2",
        "Writes the documents into a collection, merging them.",
        examples=(Example(({"_id": 1}, {"_id": 2}), [{"$merge": {"into": "copy", "whenMatched": "replace"}}], []),),
    )
    on: tuple[str, ...]
    when_matched: str
    when_not_matched: str
    variables: tuple[Expression, ...]
    pipeline: Callable[[], Pipeline] | None

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Merge":
        """See `Stage.parse`. Raises 14, 51178 to 51199, 51134, 51273, 5786800, 5786801 and 31465."""
        if type(operand) is str:
            operand = {"into": operand}
            if not operand["into"]:
                raise fail(73, f"Invalid $merge target namespace: '{context.database}.'")
        elif type(operand) is not dict:
            raise fail(14, f"$merge requires a string or object argument, but found {alias_of(operand)}")
        options = Options("$merge", operand, ("into", "on", "let", "whenMatched", "whenNotMatched"))
        if "into" not in operand:
            options.required("into")
        database, collection = _into(operand["into"], context)
        on = _on(operand["on"]) if "on" in operand else ("_id",)
        let = options.document("let")
        matched = _when_matched(operand["whenMatched"]) if "whenMatched" in operand else "merge"
        not_matched = options.string("whenNotMatched")
        not_matched = "insert" if not_matched is None else not_matched
        if not_matched not in _NOT_MATCHED:
            raise fail(2, f"Enumeration value '{not_matched}' for field '$merge.whenNotMatched' is not a valid value.")
        _check_target("$merge", database, collection)
        if (matched, not_matched) in _UNSUPPORTED:
            raise fail(
                51181,
                f"Combination of $merge modes 'whenMatched: {matched}' and 'whenNotMatched: {not_matched}' is not "
                "supported",
            )
        if len(set(on)) != len(on):
            raise fail(31465, f"Found a duplicate field '{next(name for name in on if on.count(name) > 1)}'")
        for name in on:
            document_path(name)
        if collection.startswith("system."):
            raise fail(31319, f"Cannot $merge to special collection: {collection}")
        if database in _INTERNAL:
            raise fail(31320, f"Cannot $merge to internal database: {database}")
        if matched != "pipeline":
            if let is not None:
                raise fail(51199, f"Cannot use 'let' variables with 'whenMatched: {matched}' mode")
            return cls(database, collection, on, matched, not_matched, (), None)
        variables = {"new": "$$ROOT"} if let is None else dict(let)
        if variables.get("new", "$$ROOT") != "$$ROOT":
            raise fail(51273, "'let' may not define a value for the reserved 'new' variable other than '$$ROOT'")
        if not_matched == "insert":
            variables.setdefault("new", "$$ROOT")
        values = tuple(context.expression(value) for value in variables.values())
        names, raw = tuple(variables), operand["whenMatched"]

        def pipeline() -> Pipeline:
            return context.pipeline(raw, where="update", variables=names, collection=collection)

        return cls(database, collection, on, matched, not_matched, values, pipeline)

    def start(self, environment: Environment) -> FlowRunning:
        """See `Stage.start`."""
        return _Merging(self, environment)

    def update(self, environment: Environment) -> Update | None:
        """What the pipeline of ``whenMatched`` makes of (target document, new document), None without one."""
        if self.pipeline is None:
            return None
        pipeline = self.pipeline()
        frame, slots = environment.frame, pipeline.slots
        values = tuple(expression.compile() for expression in self.variables)
        inner = replace(environment, collection=self.collection)
        pushes: list[Callable[[Documents], Documents]] = []
        for stage in pipeline.stages:
            running = stage.start(inner)
            if not isinstance(running, Running):
                raise fail(72, f"{stage.spec.name} is not allowed to be used within an update")
            pushes.append(running.push)

        def update(target: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
            bound = [evaluate(document, frame) for evaluate in values]
            for slot, value in zip(slots, bound, strict=True):
                frame[slot] = value
            batch = [target]
            for push in pushes:
                batch = push(batch)
            return batch[0]

        return update


class _Merging(FlowRunning):
    def __init__(self, stage: Merge, environment: Environment) -> None:
        self._stage = stage
        self._collections = collections_of(environment)
        self._environment = environment
        self._options = MergeOptions(stage.on, stage.when_matched, stage.when_not_matched)
        self._paths: tuple[tuple[Path, Any], ...] = tuple(
            (document_path(name), getter(document_path(name))) for name in stage.on
        )
        self._nulls: bool | None = None

    def push(self, batch: Documents) -> Flow[Documents]:
        """See `FlowRunning.push`. Raises 51132 and 51185 for the ``on`` fields of a document."""
        if self._nulls is None:
            yield from self._check()
            self._options = replace(self._options, update=self._stage.update(self._environment))
        # Only the `_id` that identifies a target is made here: elsewhere a target keeps its own.
        documents = [_with_id(document) for document in batch] if "_id" in self._stage.on else batch
        for document in documents:
            for name, (_, get) in zip(self._stage.on, self._paths, strict=True):
                value = get(document)
                if type(value) is list:
                    raise fail(51185, f"$merge write error: 'on' field '{name}' is an array")
                if (value is None or value is MISSING) and not (self._nulls or name == "_id"):
                    raise fail(
                        51132,
                        f"$merge write error: 'on' field '{name}' cannot be missing, null, undefined or an array",
                    )
        yield from self._collections.merge(self._stage.database, self._stage.collection, documents, self._options)
        return []

    def finish(self) -> Flow[Documents]:
        """See `FlowRunning.finish`."""
        if self._nulls is None:
            yield from self._check()
        return []

    def _check(self) -> Flow[None]:
        stage = self._stage
        self._nulls = yield from self._collections.check_merge(stage.database, stage.collection, self._options)


def _with_id(document: dict[str, Any]) -> dict[str, Any]:
    return document if "_id" in document else {"_id": ObjectId(), **document}


def _is_database(name: str) -> bool:
    """True for what can be the name of a database (MongoDB manual: Naming Restrictions)."""
    return 0 < len(name.encode()) <= _MAX_DATABASE and not any(character in _NOT_IN_DATABASE for character in name)


def _check_target(stage: str, database: str, collection: str) -> None:
    named = _is_database(database) and collection and not collection.startswith(".")
    if not named or "\0" in collection or "$" in collection:
        raise fail(73, f"Invalid {stage} target namespace, {database}.{collection}")
    if len(f"{database}.{collection}".encode()) > _MAX_NAMESPACE:
        raise fail(
            20, f"Fully qualified namespace is too long. Namespace: {database}.{collection} Max: {_MAX_NAMESPACE}"
        )


def _into(raw: Any, context: StageContext) -> tuple[str, str]:
    if type(raw) is str:
        if not raw:
            raise fail(5786800, "$merge 'into' field cannot be an empty string")
        return context.database, raw
    if type(raw) is not dict:
        raise fail(51178, f"$merge 'into' field  must be either a string or an object, but found {alias_of(raw)}")
    options = Options("$merge.into", raw, ("db", "coll"))
    database, collection = options.string("db"), options.string("coll")
    if not collection:
        raise fail(5786801, "$merge 'into' field must specify a 'coll' that is not empty, null or undefined")
    return database or context.database, collection


def _on(raw: Any) -> tuple[str, ...]:
    if type(raw) is str:
        return (raw,)
    if type(raw) is not list:
        raise fail(
            51186, f"$merge 'on' field  must be either a string or an array of strings, but found {alias_of(raw)}"
        )
    for name in raw:
        if type(name) is not str:
            raise fail(51134, f"$merge 'on' array elements must be strings, but found {alias_of(name)}")
    if not raw:
        raise fail(51187, "If explicitly specifying $merge 'on', must include at least one field")
    return tuple(raw)


def _when_matched(raw: Any) -> str:
    if type(raw) is list:
        for item in raw:
            if type(item) is not dict:
                raise fail(14, "Each element of the 'pipeline' array must be an object")
            stage_class(item)
        return "pipeline"
    if type(raw) is not str:
        raise fail(51191, f"$merge 'whenMatched' field  must be either a string or an array, but found {alias_of(raw)}")
    if raw not in _MATCHED:
        raise fail(2, f"Enumeration value '{raw}' for field 'whenMatched' is not a valid value.")
    return raw
