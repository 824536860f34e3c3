"""Stages that MongoDB has and this library refuses by name, each with its reason."""

from typing import Any, ClassVar

from kato_compat.errors import refused
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Kind, Spec, Status
from kato_compat.ir.stage import Environment, Running, Stage, StageContext


def _refuse(name: str, since: str, summary: str, reason: str) -> type[Stage]:
    class Refused(Stage):
        __slots__ = ()
        spec: ClassVar[Spec] = Spec(name, Kind.STAGE, since, summary, Status.REFUSED, reason)

        @classmethod
        def parse(cls, operand: Any, context: StageContext) -> Stage:
            raise refused(name, reason)

        def start(self, environment: Environment) -> Running:
            raise refused(name, reason)

    Refused.__doc__ = f"`{name}`, refused: {reason}."
    Refused.__name__ = Refused.__qualname__ = name[1].upper() + name[2:]
    return register(Refused)


_GEO = "neither store has a geospatial index with MongoDB's semantics"
_TEXT = "there is no Atlas Search engine behind this library"
_VECTOR = "there is no Atlas Vector Search engine behind this library"
_STREAM = "changes are not recorded, so they cannot be watched"
_SHARDS = "this library is not a sharded cluster"
_SESSIONS = "sessions are not kept on a server"
_SERVER = "it reports on the inside of a MongoDB server, and there is none"

GeoNear = _refuse("$geoNear", "2.4", "Gives documents by their distance from a point.", _GEO)
Search = _refuse("$search", "4.2", "Full-text search of Atlas.", _TEXT)
SearchMeta = _refuse("$searchMeta", "4.4", "What a full-text search of Atlas found, in numbers.", _TEXT)
ListSearchIndexes = _refuse("$listSearchIndexes", "7.0", "Lists the search indexes of Atlas.", _TEXT)
RankFusion = _refuse("$rankFusion", "8.0", "Combines ranked results of several pipelines.", _TEXT)
ScoreFusion = _refuse("$scoreFusion", "8.2", "Combines scored results of several pipelines.", _TEXT)
Score = _refuse("$score", "8.2", "Gives each document a score.", _TEXT)
VectorSearch = _refuse("$vectorSearch", "7.0", "Vector search of Atlas.", _VECTOR)
ChangeStream = _refuse("$changeStream", "3.6", "Watches a collection for changes.", _STREAM)
ChangeStreamSplit = _refuse("$changeStreamSplitLargeEvent", "6.0", "Splits large events of a change stream.", _STREAM)
ShardedDataDistribution = _refuse("$shardedDataDistribution", "6.0", "How data lies on shards.", _SHARDS)
ListClusterCatalog = _refuse("$listClusterCatalog", "8.1", "Lists the collections of a cluster.", _SHARDS)
ListSessions = _refuse("$listSessions", "3.6", "Lists all sessions.", _SESSIONS)
ListLocalSessions = _refuse(
    "$listLocalSessions", "3.6", "Lists the sessions that a server has in its memory.", _SESSIONS
)
ListSampledQueries = _refuse("$listSampledQueries", "7.0", "Lists sampled queries.", _SERVER)
CurrentOp = _refuse("$currentOp", "3.6", "Lists the operations that a server is running.", _SERVER)
QuerySettings = _refuse("$querySettings", "8.0", "Lists the query settings of a server.", _SERVER)
QueryStats = _refuse("$queryStats", "7.1", "Statistics of the queries that a server has run.", _SERVER)
