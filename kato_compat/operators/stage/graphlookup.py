"""`$graphLookup`: follow references through a collection."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression
from kato_compat.ir.predicate import Predicate
from kato_compat.ir.registry import register
from kato_compat.ir.requests import Flow
from kato_compat.ir.spec import Kind, Spec
from kato_compat.ir.stage import Documents, Environment, FlowRunning, Pipeline, Stage, StageContext
from kato_compat.operators.stage.foreign import check_namespace, read_foreign
from kato_compat.operators.stage.join import Index, keys_of, visit
from kato_compat.operators.stage.match import Match
from kato_compat.operators.stage.path import setter
from kato_compat.values.collation import Collation, identity
from kato_compat.values.missing import MISSING
from kato_compat.values.naming import document_path
from kato_compat.values.paths import Path, iterate
from kato_compat.values.types import INT64_MAX, INT64_MIN, alias_of, is_number

_PATHS = ("as", "connectFromField", "connectToField", "depthField")


@register
@dataclass(frozen=True, slots=True)
class GraphLookup(Stage):
    """`$graphLookup` (MongoDB manual: $graphLookup (aggregation)). What is found comes in breadth-first order."""

    spec: ClassVar[Spec] = Spec(
        "$graphLookup",
        Kind.STAGE,
        "3.4",
        "Follows references through a collection and adds all documents on the way.",
    )
    collection: str
    start_with: Expression
    connect_from: Path
    connect_to: Path
    as_path: Path
    depth_path: Path | None
    max_depth: int | None
    restrict: Predicate | None
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "GraphLookup":
        """See `Stage.parse`. Raises 9, 73, 40100 to 40105 and 40185 as the server does."""
        if type(operand) is not dict:
            raise fail(9, f"the $graphLookup stage specification must be an object, but found {alias_of(operand)}")
        if "from" not in operand:
            raise fail(9, f"missing 'from' option to $graphLookup stage specification: {operand!r}")
        collection = operand["from"]
        if type(collection) is not str:
            raise fail(9, f"$graphLookup 'from' field must be a string, but found {alias_of(collection)}")
        check_namespace("$graphLookup", context.database, collection)
        start_with: Expression | None = None
        max_depth: int | None = None
        restrict: Predicate | None = None
        paths: dict[str, Path] = {}
        for name, value in operand.items():
            if name == "startWith":
                start_with = context.expression(value)
            elif name == "maxDepth":
                max_depth = _depth(value)
            elif name == "restrictSearchWithMatch":
                if type(value) is not dict:
                    raise fail(40185, f"restrictSearchWithMatch must be an object, found {alias_of(value)}")
                restrict = context.predicate(value)
            elif name in _PATHS:
                if type(value) is not str:
                    raise fail(40103, f"expected string as argument for {name}, found: {value!r}")
                paths[name] = document_path(value)
            elif name != "from":
                raise fail(40104, f"Unknown argument to $graphLookup: {name}")
        if start_with is None or not {"as", "connectFromField", "connectToField"} <= paths.keys():
            raise fail(
                40105,
                "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and 'connectToField' to be "
                "specified.",
            )
        return cls(
            collection,
            start_with,
            paths["connectFromField"],
            paths["connectToField"],
            paths["as"],
            paths.get("depthField"),
            max_depth,
            restrict,
            context.collation,
        )

    def start(self, environment: Environment) -> FlowRunning:
        """See `Stage.start`."""
        return _Searching(self, environment)


def _depth(value: Any) -> int:
    if not is_number(value):
        raise fail(40100, f"maxDepth must be numeric, found type: {alias_of(value)}")
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    # As the server turns a number into a long: towards zero, NaN to 0, to the nearest long beyond its range.
    whole = 0 if number != number else int(max(INT64_MIN, min(INT64_MAX, number)))
    if whole < 0:
        raise fail(40101, f"maxDepth requires a nonnegative argument, found: {whole}")
    if whole != number:
        raise fail(40102, f"maxDepth could not be represented as a long long: {whole}")
    return whole


class _Searching(FlowRunning):
    def __init__(self, stage: GraphLookup, environment: Environment) -> None:
        self._stage = stage
        self._environment = environment
        self._start = stage.start_with.compile()
        self._put = setter(stage.as_path)
        self._put_depth = setter(stage.depth_path) if stage.depth_path is not None else None
        self._index: Index | None = None
        self._identify = identity(stage.collation)

    def push(self, batch: Documents) -> Flow[Documents]:
        """See `FlowRunning.push`."""
        if self._index is None:
            self._index = yield from self._read()
        index, frame = self._index, self._environment.frame
        return [self._put(document, self._search(index, self._start(document, frame))) for document in batch]

    def finish(self) -> Flow[Documents]:
        """See `FlowRunning.finish`."""
        yield from ()
        return []

    def _read(self) -> Flow[Index]:
        stage = self._stage
        pipeline = Pipeline(()) if stage.restrict is None else Pipeline((Match(stage.restrict),))
        environment = replace(self._environment, collection=stage.collection)
        documents = yield from read_foreign(environment, stage.collection, pipeline)
        index = Index(stage.connect_to, stage.collation)
        # A document whose connectToField is missing is never found, not even by null.
        index.add([each for each in documents if _has(each, stage.connect_to)])
        return index

    def _search(self, index: Index, start: Any) -> Documents:
        stage = self._stage
        # What is missing leads nowhere: here null matches null and nothing else.
        frontier = start if type(start) is list else [] if start is MISSING else [start]
        asked = set()
        seen = set()
        found: Documents = []
        depth = 0
        while frontier and (stage.max_depth is None or depth <= stage.max_depth):
            keys = [key for key in keys_of(frontier, self._identify) if key not in asked]
            asked.update(keys)
            frontier = []
            for document in index.find(keys) if keys else ():
                if "_id" not in document:
                    raise fail(
                        40271,
                        f"Documents in the '{self._environment.database}.{stage.collection}' namespace must contain an "
                        "_id for de-duplication in $graphLookup",
                    )
                known = self._identify(document["_id"])
                if known in seen:
                    continue
                seen.add(known)
                found.append(document if self._put_depth is None else self._put_depth(document, Int64(depth)))
                frontier.extend(visit(document, stage.connect_from))
            depth += 1
        return found


def _has(document: dict[str, Any], path: Path) -> bool:
    return any(value is not MISSING for value, _ in iterate(document, path))
