"""The reading methods of collections (pymongo documentation: collection)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bson.codec_options import CodecOptions
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS
from pymongo import common

from kato_compat.collection.cursor import CommandCursor, Cursor
from kato_compat.collection.face import collation, hand_out_value, predicate
from kato_compat.collection.stream import Stream
from kato_compat.errors import refused
from kato_compat.execute import reading
from kato_compat.execute.deployment import Deployment
from kato_compat.execute.explain import explain_aggregate
from kato_compat.execute.foreign import Foreign
from kato_compat.execute.reading import Aggregating
from kato_compat.execute.storage import Storage
from kato_compat.ir.stage import Pipeline
from kato_compat.options import check_session
from kato_compat.parse.command import Aggregate, Count, Distinct
from kato_compat.parse.expression import Context
from kato_compat.parse.pipeline import parse_pipeline
from kato_compat.values.document import Document, normalise

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection
    from kato_compat.collection.database import Database

#: Options of an aggregation that change no answer here (see `kato_compat.options`).
_AGGREGATE_IGNORED = frozenset(
    {"comment", "bypassDocumentValidation", "readConcern", "explain", "batchSize", "cursor", "writeConcern"}
)


class Reads:
    """find, find_one, count_documents, distinct, aggregate and their kin."""

    if TYPE_CHECKING:
        codec_options: CodecOptions[Any]
        deployment: Deployment
        storage: Storage
        database: Database
        name: str

        def _scope(self, let: Any = None) -> Context: ...
        def _hinted(self, hint: Any) -> Any: ...

    def find(self, *args: Any, **kwargs: Any) -> Cursor:
        """A cursor over the documents that match (see `Cursor` for the parameters)."""
        return Cursor(self._self, *args, **kwargs)

    @property
    def _self(self) -> "Collection":
        return self  # type: ignore[return-value]

    def find_one(self, filter: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The first document that matches, None if none does. What is not a mapping is an `_id`."""
        if filter is not None and not isinstance(filter, Mapping):
            filter = {"_id": filter}
        with self.find(filter, *args, **kwargs) as cursor:
            for document in cursor.limit(-1):
                return document
        return None

    def find_raw_batches(self, *args: Any, **kwargs: Any) -> Any:
        """The documents that match as BSON, a batch at a time: an iterator of `bytes`."""
        from kato_compat.collection.raw import RawBatchCursor

        return RawBatchCursor(self._raw().find(*args, **kwargs))

    def aggregate_raw_batches(self, pipeline: Any, session: Any = None, comment: Any = None, **kwargs: Any) -> Any:
        """The results of an aggregation as BSON, a batch at a time: an iterator of `bytes`."""
        from kato_compat.collection.raw import RawBatchCursor

        return RawBatchCursor(self._raw().aggregate(pipeline, session, comment=comment, **kwargs))

    def _raw(self) -> "Collection":
        return self._self.with_options(codec_options=DEFAULT_RAW_BSON_OPTIONS)

    def count_documents(
        self,
        filter: Any,
        session: Any = None,
        comment: Any = None,
        **kwargs: Any,
    ) -> int:
        """How many documents match, after ``skip`` and up to ``limit``."""
        check_session(session)
        common.validate_is_mapping("filter", filter)
        scope = self._scope()
        order = collation(kwargs.pop("collation", None))
        self._hinted(kwargs.pop("hint", None))
        skip, limit = kwargs.pop("skip", 0), kwargs.pop("limit", 0)
        pushdown = kwargs.pop("pushdown", True)
        kwargs.pop("maxTimeMS", None)
        _refuse_unknown("count_documents", kwargs)
        parsed = predicate(filter, scope, self.codec_options, order)
        return self.deployment.run(reading.count(self.storage, Count(parsed, skip, limit, pushdown)))

    def estimated_document_count(self, comment: Any = None, **kwargs: Any) -> int:
        """The number of documents; exact here."""
        kwargs.pop("maxTimeMS", None)
        _refuse_unknown("estimated_document_count", kwargs)
        return self.deployment.run(reading.count(self.storage, Count()))

    def distinct(
        self,
        key: str,
        filter: Any = None,
        session: Any = None,
        comment: Any = None,
        hint: Any = None,
        **kwargs: Any,
    ) -> list[Any]:
        """The distinct values of a path, the elements of arrays one by one."""
        check_session(session)
        if not isinstance(key, str):
            raise TypeError(f"key must be an instance of str, not {type(key)}")
        self._hinted(hint)
        order = collation(kwargs.pop("collation", None))
        kwargs.pop("maxTimeMS", None)
        kwargs.pop("max_time_ms", None)
        _refuse_unknown("distinct", kwargs)
        parsed = predicate(filter, self._scope(), self.codec_options, order)
        values = self.deployment.run(reading.distinct(self.storage, Distinct(str(key), parsed, order)))
        return [hand_out_value(value, self.codec_options) for value in values]

    def aggregate(
        self, pipeline: Any, session: Any = None, let: Any = None, comment: Any = None, **kwargs: Any
    ) -> CommandCursor:
        """Run a pipeline; a cursor over its results."""
        check_session(session)
        common.validate_list("pipeline", pipeline)
        command, limit = self._aggregate(pipeline, let, kwargs)
        foreign = Foreign(self.deployment, command.allow_disk_use)
        running = Aggregating(self.storage, command, foreign.environment(self.database.name, self.name))
        return CommandCursor(self._self, Stream(self._self, running, limit, True))

    def explain_aggregate(self, pipeline: Any, let: Any = None, **kwargs: Any) -> Document:
        """How a pipeline is answered; nothing is run (ours: pymongo has the ``explain`` command for it)."""
        command, _ = self._aggregate(pipeline, let, kwargs)
        foreign = Foreign(self.deployment, command.allow_disk_use)
        environment = foreign.environment(self.database.name, self.name)
        return explain_aggregate(self.storage, command, environment, self.deployment.describe())

    def _aggregate(self, pipeline: Sequence[Any], let: Any, kwargs: dict[str, Any]) -> tuple[Aggregate, int | None]:
        disk = kwargs.pop("allowDiskUse", None)
        if disk is not None and not isinstance(disk, bool):
            raise TypeError(f"allowDiskUse must be a bool, not {type(disk)}")
        order = collation(kwargs.pop("collation", None))
        if order is not None:
            raise refused("collation in aggregate", "only find, count and distinct compare strings by a collation")
        self._hinted(kwargs.pop("hint", None))
        limit = kwargs.pop("maxTimeMS", None)
        pushdown = kwargs.pop("pushdown", True)
        _refuse_unknown("aggregate", {name: value for name, value in kwargs.items() if name not in _AGGREGATE_IGNORED})
        raw = normalise({"pipeline": list(pipeline)}, self.codec_options)["pipeline"]
        parsed: Pipeline = parse_pipeline(raw, self._scope(let))
        return Aggregate(parsed, True if disk is None else disk, pushdown), limit


def _refuse_unknown(method: str, options: Mapping[str, Any]) -> None:
    for name in options:
        raise TypeError(f"{method}() got an unexpected keyword argument {name!r}")
