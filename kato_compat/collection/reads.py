"""The reading methods of collections (pymongo documentation: collection)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS
from pymongo import common
from pymongo.errors import ConfigurationError

from kato_compat.collection.cursor import Cursor
from kato_compat.collection.face import collation, hand_out_value, predicate
from kato_compat.collection.namespace import Namespace
from kato_compat.collection.raw import RawBatchCursor
from kato_compat.collection.stream import CommandCursor, Stream, limit_of, limited_storage
from kato_compat.errors import fail
from kato_compat.execute import reading
from kato_compat.execute.explain import explain_aggregate
from kato_compat.execute.foreign import Foreign
from kato_compat.execute.reading import Aggregating
from kato_compat.ir.stage import Environment
from kato_compat.options import check_session, take
from kato_compat.parse.command import Aggregate, Count, Distinct
from kato_compat.parse.expression import Context
from kato_compat.parse.pipeline import parse_pipeline
from kato_compat.values.document import Document, normalise, normalise_value
from kato_compat.values.types import alias_of

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection


class Reads(Namespace):
    """find, find_one, count_documents, distinct, aggregate and their kin."""

    def find(self, *args: Any, **kwargs: Any) -> Cursor:
        """A cursor over the documents that match (see `Cursor` for the parameters)."""
        return Cursor(self._self, *args, **kwargs)

    def find_one(self, filter: Any = None, *args: Any, **kwargs: Any) -> Any:  # noqa: A002 - pymongo's name
        """The first document that matches, None if none does. What is not a mapping is an `_id`."""
        if filter is not None and not isinstance(filter, Mapping):
            filter = {"_id": filter}  # noqa: A001 - pymongo's name
        with self.find(filter, *args, **kwargs) as cursor:
            for document in cursor.limit(-1):
                return document
        return None

    def find_raw_batches(self, *args: Any, **kwargs: Any) -> RawBatchCursor:
        """The documents that match as BSON, a batch at a time: an iterator of `bytes`."""
        return RawBatchCursor(self._raw().find(*args, **kwargs))

    def aggregate_raw_batches(
        self, pipeline: Any, session: Any = None, comment: Any = None, **kwargs: Any
    ) -> RawBatchCursor:
        """The results of an aggregation as BSON, a batch at a time: an iterator of `bytes`."""
        return RawBatchCursor(self._raw().aggregate(pipeline, session, comment=comment, **kwargs))

    def _raw(self) -> "Collection":
        return self._self.with_options(codec_options=DEFAULT_RAW_BSON_OPTIONS)

    def count_documents(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        session: Any = None,
        comment: Any = None,
        **kwargs: Any,
    ) -> int:
        """How many documents match, after ``skip`` and up to ``limit``."""
        check_session(session)
        common.validate_is_mapping("filter", filter)
        names = ("skip", "limit", "hint", "collation", "maxTimeMS", "let", "pushdown", "allowDiskUse")
        options = take("aggregate", kwargs, *names)
        # The server is sent a pipeline, whose stages check these numbers.
        shape = [{f"${name}": options[name]} for name in ("skip", "limit") if name in options]
        parse_pipeline(normalise({"p": shape})["p"], Context())
        skip, most = int(options.get("skip", 0)), int(options.get("limit", 0))
        return self._count(filter, skip, most, options)

    def _count(self, raw: Any, skip: int, most: int, options: Mapping[str, Any]) -> int:
        order = collation(options.get("collation"))
        limit = limit_of(options.get("maxTimeMS"))
        parsed = predicate(raw, self._scope(options.get("let"), order), self.codec_options, order)
        self._hinted(options.get("hint"))
        command = Count(parsed, skip, most, options.get("pushdown", True))
        return self._run(reading.count(limited_storage(self.storage, limit), command), limit)

    def estimated_document_count(self, comment: Any = None, **kwargs: Any) -> int:
        """The number of documents; exact here."""
        options = take("count", kwargs, "maxTimeMS", "hint")
        limit = limit_of(options.get("maxTimeMS"))
        self._hinted(options.get("hint"))
        return self._run(reading.count(self.storage, Count()), limit)

    def distinct(
        self,
        key: str,
        filter: Any = None,  # noqa: A002 - pymongo's name
        session: Any = None,
        comment: Any = None,
        hint: Any = None,
        **kwargs: Any,
    ) -> list[Any]:
        """The distinct values of a path, the elements of arrays one by one."""
        check_session(session)
        if not isinstance(key, str):
            raise TypeError(f"key must be an instance of str, not {type(key)}")
        if filter is not None and "query" in kwargs:
            raise ConfigurationError("can't pass both filter and query")
        if "\0" in key:
            raise fail(31032, "Key field cannot contain an embedded null byte")
        options = take("distinct", kwargs, "collation", "maxTimeMS", "query")
        order = collation(options.get("collation"))
        limit = limit_of(options.get("maxTimeMS"))
        # The server gives ``$$NOW`` no value in this command.
        scope = replace(self._scope(None, order), clocked=False)
        parsed = predicate(options.get("query", filter), scope, self.codec_options, order)
        self._hinted(hint)
        storage = limited_storage(self.storage, limit)
        values = self._run(reading.distinct(storage, Distinct(str(key), parsed, order)), limit)
        return [hand_out_value(value, self.codec_options) for value in values]

    def aggregate(
        self, pipeline: Any, session: Any = None, let: Any = None, comment: Any = None, **kwargs: Any
    ) -> CommandCursor:
        """Run a pipeline; a cursor over its results."""
        check_session(session)
        command, options = self._aggregate(pipeline, let, kwargs)
        limit = limit_of(options.get("maxTimeMS"))
        self._hinted(options.get("hint"))
        storage = limited_storage(self.storage, limit)
        running = Aggregating(storage, command, self._environment(command))
        return CommandCursor(
            self._self, Stream(self._self, running, limit, running.shared), options.get("batchSize", 0)
        )

    def explain_aggregate(self, pipeline: Any, let: Any = None, **kwargs: Any) -> Document:
        """How a pipeline is answered; nothing is run (ours: pymongo has the ``explain`` command for it)."""
        command, _ = self._aggregate(pipeline, let, kwargs)
        address = self.deployment.describe()
        return self.deployment.run(explain_aggregate(self.storage, command, self._environment(command), address))

    def _environment(self, command: Aggregate) -> Environment:
        return Foreign(self.deployment, command.allow_disk_use).environment(self.database.name, self.name)

    def _aggregate(self, pipeline: Any, let: Any, kwargs: Mapping[str, Any]) -> tuple[Aggregate, dict[str, Any]]:
        """The parsed pipeline and the options that are used."""
        common.validate_list("pipeline", pipeline)
        names = ("allowDiskUse", "collation", "cursor", "hint", "maxTimeMS", "batchSize", "pushdown")
        options = take("aggregate", dict(kwargs), *names)
        disk = options.get("allowDiskUse", True)
        if type(disk) is not bool:
            kind = alias_of(normalise_value(disk))
            raise fail(14, f"BSON field 'aggregate.allowDiskUse' is the wrong type '{kind}', expected type 'bool'")
        if options.get("batchSize") is None:
            options["batchSize"] = _batch_size(options.get("cursor", {}))
        common.validate_non_negative_integer_or_none("batchSize", options["batchSize"])
        raw = normalise({"pipeline": list(pipeline)}, self.codec_options)["pipeline"]
        parsed = parse_pipeline(raw, self._scope(let, collation(options.get("collation"))))
        return Aggregate(parsed, disk, options.get("pushdown", True)), options


def _batch_size(cursor: Any) -> Any:
    """The batch size that the ``cursor`` of an aggregate asks; raises 14 and 40415 for what is no such document."""
    if not isinstance(cursor, Mapping):
        raise fail(14, "cursor field must be missing or an object")
    for name in cursor:
        if name != "batchSize":
            raise fail(40415, f"BSON field 'cursor.{name}' is an unknown field.")
    return cursor.get("batchSize", 0)
