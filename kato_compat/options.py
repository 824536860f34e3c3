"""What becomes of each parameter that a method takes besides its main arguments: used, ignored or refused.

One table, so that nothing that is accepted is dropped silently: a parameter that changes no answer here is *ignored*
for a stated reason; one that would change the answer and cannot be honoured is *refused* when it is given.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pymongo.errors import OperationFailure

from kato_compat.errors import fail, refused


class Handling(Enum):
    """What becomes of a parameter."""

    USED = "used"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Option:
    """One parameter: what becomes of it and why."""

    name: str
    handling: Handling
    reason: str


_USED = Handling.USED
_IGNORED = Handling.IGNORED
_REFUSED = Handling.REFUSED

OPTIONS: Final[dict[str, Option]] = {
    option.name: option
    for option in (
        Option("session", _REFUSED, "there are no sessions or transactions; leave it out"),
        Option("comment", _IGNORED, "there is no profiler that would show it"),
        Option("hint", _USED, "must name an existing index; the plan is chosen by the planner"),
        Option("collation", _USED, "string comparison by ICU where PyICU is installed"),
        Option("let", _USED, "variables of expressions"),
        Option("filter", _USED, "which documents or collections"),
        Option("query", _USED, "which documents (`distinct`), as `filter`"),
        Option("sort", _USED, "order of the result or of the candidates"),
        Option("direction", _USED, "order of a single field"),
        Option("skip", _USED, "documents left out at the beginning"),
        Option("limit", _USED, "most documents returned"),
        Option("length", _USED, "most documents in the list"),
        Option("projection", _USED, "fields returned"),
        Option("batch_size", _USED, "documents per batch handed to the caller"),
        Option("batchSize", _USED, "documents per batch handed to the caller"),
        Option("max_time_ms", _USED, "checked before each request and batch, and by ClickHouse within a query"),
        Option("maxTimeMS", _USED, "checked before each request and batch, and by ClickHouse within a query"),
        Option("max_await_time_ms", _IGNORED, "only tailable cursors wait, and there are none"),
        Option("cursor", _USED, "of an aggregate: the document that holds its batchSize"),
        Option("cursor_type", _USED, "checked as pymongo does; tailable ones are refused, exhaust streams as all do"),
        Option("no_cursor_timeout", _IGNORED, "cursors live in this process and do not time out"),
        Option("allow_partial_results", _IGNORED, "there are no shards: a result is whole or an error"),
        Option("oplog_replay", _IGNORED, "the server ignores it since 4.4"),
        Option("snapshot", _REFUSED, "the server does not know it since 4.2; sessions have none here"),
        Option("max_scan", _REFUSED, "the server does not know it since 4.2"),
        Option("allow_disk_use", _IGNORED, "a find sorts in memory, and spills nothing"),
        Option("allowDiskUse", _USED, "whether a blocking stage of a pipeline may spill"),
        Option("return_key", _USED, "only the fields of the hinted index"),
        Option("show_record_id", _REFUSED, "documents have no record number here"),
        Option("min", _USED, "lower bound of the hinted index"),
        Option("max", _USED, "upper bound of the hinted index"),
        Option("bypass_document_validation", _IGNORED, "collections have no validators"),
        Option("bypassDocumentValidation", _IGNORED, "collections have no validators"),
        Option("upsert", _USED, "insert where nothing matches"),
        Option("array_filters", _USED, "identifiers of filtered positional paths"),
        Option("ordered", _USED, "stop at the first error"),
        Option("return_document", _USED, "before or after the change"),
        Option("explain", _REFUSED, "use `explain_aggregate`, `Cursor.explain` or the explain command"),
        Option("pushdown", _USED, "ours: False answers everything in Python"),
        Option("create", _USED, "create the collection at once"),
        Option("name", _USED, "the database, where the URL names another or none"),
        Option("default", _USED, "the database where the URL names none"),
        Option("codec_options", _USED, "how documents are decoded"),
        Option("read_preference", _IGNORED, "there are no secondaries; kept, and given back"),
        Option("readPreference", _IGNORED, "there are no secondaries"),
        Option("read_concern", _IGNORED, "reads see what was acknowledged; kept, and given back"),
        Option("readConcern", _IGNORED, "reads see what was acknowledged"),
        Option("write_concern", _USED, "w=0: results are unacknowledged, write errors are not raised"),
        Option("writeConcern", _IGNORED, "a write is acknowledged by the stores or an error"),
        Option("check_exists", _USED, "which error says that a collection exists"),
        Option("encrypted_fields", _REFUSED, "there is no queryable encryption"),
        Option("value", _USED, "the value of the command"),
        Option("check", _USED, "whether a command that fails raises"),
        Option("allowable_errors", _USED, "messages and codes of errors that do not raise"),
        Option("scandata", _IGNORED, "validation reads every document"),
        Option("full", _IGNORED, "validation reads every document"),
        Option("background", _IGNORED, "an index is built when the call returns"),
        Option("nameOnly", _IGNORED, "descriptions are given whole"),
        Option("authorizedCollections", _IGNORED, "users are those of ClickHouse and Redis"),
        Option("dropTarget", _USED, "replace the collection that has the new name"),
        Option("commitQuorum", _IGNORED, "there is no replica set"),
    )
}

#: Methods that take parameters only to be refused, and why.
REFUSED_METHODS: Final[dict[str, str]] = {
    "MongoClient.bulk_write": "writes of one call go to one collection; use its bulk_write",
    "start_session": "there are no sessions or transactions",
    "watch": "there is no oplog to follow",
    "create_search_index": "there is no text or vector search",
    "create_search_indexes": "there is no text or vector search",
    "drop_search_index": "there is no text or vector search",
    "list_search_indexes": "there is no text or vector search",
    "update_search_index": "there is no text or vector search",
}

#: The options of `MongoClient` that have an effect; every other one of pymongo's is checked and ignored.
CLIENT_OPTIONS: Final[dict[str, Option]] = {
    option.name: option
    for option in (
        Option("document_class", _USED, "the class of decoded documents"),
        Option("tz_aware", _USED, "whether decoded dates have a time zone"),
        Option("tzinfo", _USED, "the time zone of decoded dates"),
        Option("type_registry", _USED, "custom types"),
        Option("uuidRepresentation", _USED, "how UUIDs are encoded and decoded"),
        Option("datetime_conversion", _USED, "how dates beyond datetime's range are decoded"),
        Option("unicode_decode_error_handler", _USED, "how strings that are not UTF-8 are decoded"),
        Option("w", _USED, "0: results are unacknowledged, write errors are not raised"),
        Option("wTimeoutMS", _IGNORED, "kept in `write_concern`, and given back; `wtimeout` is the same"),
        Option("journal", _IGNORED, "kept in `write_concern`, and given back"),
        Option("readPreference", _IGNORED, "there are no secondaries; kept, and given back"),
        Option("readConcernLevel", _IGNORED, "reads see what was acknowledged; kept, and given back"),
        Option("serverSelectionTimeoutMS", _USED, "how long a store may take to be found"),
        Option("connectTimeoutMS", _USED, "how long a connection may take"),
        Option("socketTimeoutMS", _USED, "how long an answer may take"),
        Option("auto_encryption_opts", _REFUSED, "documents would be stored unencrypted"),
        Option("compressors", _IGNORED, "there is no MongoDB wire to compress"),
        Option("clickhouse", _USED, "ours: the URL of ClickHouse"),
        Option("redis", _USED, "ours: the URL of Redis"),
        Option("layout", _USED, "ours: how symbol statistics are kept, counters or hashes"),
        Option("specs", _USED, "ours: further collection specs"),
    )
}


def check(**given: Any) -> None:
    """Raise 115 for a parameter that is refused and was given: one that is neither None, False nor 0."""
    for name, value in given.items():
        option = OPTIONS[name]
        if option.handling is _REFUSED and value:
            raise refused(name, option.reason)


def check_session(session: Any) -> None:
    """Raise 115 for a session: there are none."""
    if session is not None:
        raise refused("session", OPTIONS["session"].reason)


def refuse(method: str) -> OperationFailure:
    """The error of a method that is refused; raise it."""
    return refused(method, REFUSED_METHODS[method])


def take(command: str, given: dict[str, Any], *names: str) -> dict[str, Any]:
    """The options among `given` that are `names`, after checking the others.

    Raises the server's 40415 for one that the command does not have, 115 for one that is refused. What is in the
    table as ignored is left out.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        option = OPTIONS.get(name)
        if name in names:
            found[name] = value
        elif option is None or option.handling is _USED:
            raise fail(40415, f"BSON field '{command}.{name}' is an unknown field.")
        else:
            check(**{name: value})
    return found
