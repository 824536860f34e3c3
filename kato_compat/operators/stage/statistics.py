"""`$collStats`, `$indexStats` and `$planCacheStats`: what is known of the collection itself."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.requests import Flow
from kato_compat.ir.spec import Example, Kind, Spec, Status
from kato_compat.ir.stage import Documents, Environment, FlowRunning, Running, Stage, StageContext
from kato_compat.operators.stage.foreign import collections_of
from kato_compat.operators.stage.options import Options
from kato_compat.operators.stage.transform import Source
from kato_compat.values.types import INT32_MAX, alias_of

#: What the server calls itself; a library has no host of its own.
_HOST = "localhost:27017"


def _whole(number: int) -> int:
    return number if number <= INT32_MAX else Int64(number)


def _now() -> datetime:
    now = datetime.now(UTC).replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class _About(Stage):
    first_only: ClassVar[bool] = True
    facet_allowed: ClassVar[bool] = False
    source: ClassVar[bool] = True

    def documents(self, namespace: str, statistics: dict[str, Any]) -> Documents:
        """What the stage gives out."""
        raise NotImplementedError

    def start(self, environment: Environment) -> FlowRunning | Running:
        """See `Stage.start`."""
        return _Reporting(self, environment)


class _Reporting(FlowRunning):
    done = True

    def __init__(self, stage: _About, environment: Environment) -> None:
        self._stage = stage
        self._environment = environment
        self._given = False

    def push(self, batch: Documents) -> Flow[Documents]:
        yield from ()
        return []

    def finish(self) -> Flow[Documents]:
        if self._given:
            return []
        self._given = True
        database, collection = self._environment.database, self._environment.collection
        statistics = yield from collections_of(self._environment).statistics(database, collection)
        return self._stage.documents(f"{database}.{collection}", statistics)


@register
@dataclass(frozen=True, slots=True)
class CollStats(_About):
    """`$collStats` (MongoDB manual: $collStats)."""

    spec: ClassVar[Spec] = Spec(
        "$collStats",
        Kind.STAGE,
        "3.4",
        "Statistics of the collection.",
        Status.PARTIAL,
        "latencyStats and queryExecStats count nothing; storageStats has count, size and the index names",
        examples=(
            Example(
                ({"_id": 1}, {"_id": 2}), [{"$collStats": {"count": {}}}, {"$project": {"count": 1}}], [{"count": 2}]
            ),
        ),
    )
    parts: frozenset[str]

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "CollStats":
        """See `Stage.parse`. Raises 5447000, 14 and 40415 as the server does."""
        if type(operand) is not dict:
            raise fail(5447000, f"$collStats must take a nested object but found: {operand!r}")
        names = ("latencyStats", "storageStats", "count", "queryExecStats", "operationStats")
        options = Options("$collStats", operand, names)
        return cls(frozenset(name for name in names if options.document(name) is not None))

    def documents(self, namespace: str, statistics: dict[str, Any]) -> Documents:
        """See `_About.documents`."""
        result: dict[str, Any] = {"ns": namespace, "host": _HOST, "localTime": _now()}
        if "latencyStats" in self.parts:
            idle = {"latency": Int64(0), "ops": Int64(0), "queryableEncryptionLatencyMicros": Int64(0)}
            result["latencyStats"] = {name: dict(idle) for name in ("reads", "writes", "commands", "transactions")}
        if "storageStats" in self.parts:
            number, size, indexes = statistics["count"], statistics["size"], statistics["indexes"]
            result["storageStats"] = {
                "size": _whole(size),
                "count": _whole(number),
                **({"avgObjSize": size // number} if number else {}),
                "storageSize": _whole(size),
                "capped": False,
                "nindexes": len(indexes),
                "indexBuilds": [],
                "totalIndexSize": 0,
                "totalSize": _whole(size),
                "indexSizes": dict.fromkeys(indexes, 0),
                "scaleFactor": 1,
            }
        if "count" in self.parts:
            result["count"] = _whole(statistics["count"])
        if "queryExecStats" in self.parts:
            result["queryExecStats"] = {"collectionScans": {"total": Int64(0), "nonTailable": Int64(0)}}
        return [result]


@register
@dataclass(frozen=True, slots=True)
class IndexStats(_About):
    """`$indexStats` (MongoDB manual: $indexStats)."""

    spec: ClassVar[Spec] = Spec(
        "$indexStats",
        Kind.STAGE,
        "3.2",
        "Lists the indexes of the collection.",
        Status.PARTIAL,
        "accesses are not counted: ops is always 0",
        examples=(Example(({"_id": 1},), [{"$indexStats": {}}, {"$project": {"name": 1}}], [{"name": "_id_"}]),),
    )

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "IndexStats":
        """See `Stage.parse`. Raises 28803 for anything but an empty document."""
        if type(operand) is not dict or operand:
            raise fail(28803, "The $indexStats stage specification must be an empty object")
        return cls()

    def documents(self, namespace: str, statistics: dict[str, Any]) -> Documents:
        """See `_About.documents`."""
        since = _now()
        result = []
        for name, information in statistics["indexes"].items():
            key = dict(information["key"])
            result.append(
                {
                    "name": name,
                    "key": key,
                    "host": _HOST,
                    "accesses": {"ops": Int64(0), "since": since},
                    "spec": {**information, "key": key, "name": name},
                }
            )
        return result


@register
@dataclass(frozen=True, slots=True)
class PlanCacheStats(Stage):
    """`$planCacheStats` (MongoDB manual: $planCacheStats): always empty, plans are not cached."""

    spec: ClassVar[Spec] = Spec(
        "$planCacheStats",
        Kind.STAGE,
        "4.2",
        "Lists the cached plans of the collection.",
        Status.PARTIAL,
        "plans are not cached, so there is nothing to list",
        examples=(Example(({"_id": 1},), [{"$planCacheStats": {}}], []),),
    )
    first_only: ClassVar[bool] = True
    facet_allowed: ClassVar[bool] = False
    source: ClassVar[bool] = True

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "PlanCacheStats":
        """See `Stage.parse`. Raises 50932 for what is no document, 50933 for an unknown option."""
        if type(operand) is not dict:
            raise fail(50932, f"$planCacheStats value must be an object. Found: {alias_of(operand)}")
        if set(operand) - {"allHosts"}:
            raise fail(50933, "$planCacheStats parameters object may contain only 'allHosts' field.")
        return cls()

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        return Source(iter(()))
