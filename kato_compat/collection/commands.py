"""Database commands that legacy code sends by name (MongoDB manual: Database Commands)."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bson.decimal128 import Decimal128
from pymongo.errors import OperationFailure

from kato_compat.collection import administration, mutations
from kato_compat.collection.face import command_error
from kato_compat.collection.fields import GENERIC
from kato_compat.errors import fail, refused
from kato_compat.values.document import Document, normalise, normalise_value
from kato_compat.values.numbers import long_of

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection
    from kato_compat.collection.database import Database

#: The server whose answers this library gives, as ``buildInfo`` says it.
SERVER_VERSION: Final = "8.2.4"
_OBJECT: Final[tuple[type, ...]] = (Mapping,)
_NUMBER: Final[tuple[type, ...]] = (int, float, Decimal128)
#: The Python types of values that fields of commands may have, and what messages call them.
_EXPECTED: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    **dict.fromkeys(
        ("filter", "query", "sort", "projection", "collation", "let", "min", "max", "cursor"), (_OBJECT, "object")
    ),
    **dict.fromkeys(("skip", "limit", "batchSize", "scale"), (_NUMBER, "number")),
    "pipeline": ((list, tuple), "array"),
    "key": ((str,), "string"),
}


def build_info() -> Document:
    """What ``buildInfo`` and `MongoClient.server_info` answer."""
    return {
        "version": SERVER_VERSION,
        "versionArray": [*[int(part) for part in SERVER_VERSION.split(".")], 0],
        "gitVersion": "kato_compat",
        "modules": [],
        "bits": 64,
        "maxBsonObjectSize": 16 * 1024 * 1024,
        "storageEngines": ["clickhouse", "redis"],
        "ok": 1.0,
    }


def _ping(database: "Database", document: Document) -> Document:
    database.client._ping()
    return {"ok": 1.0}


def _hello(database: "Database", document: Document) -> Document:
    return {
        "isWritablePrimary": True,
        "ismaster": True,
        "maxBsonObjectSize": 16 * 1024 * 1024,
        "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000,
        "localTime": datetime.now(UTC).replace(tzinfo=None),
        "minWireVersion": 0,
        "maxWireVersion": 27,
        "readOnly": False,
        "ok": 1.0,
    }


def _build_info(database: "Database", document: Document) -> Document:
    return build_info()


def _collection(database: "Database", document: Document) -> "Collection":
    """The collection that the first field of a command names. Raises 73 for what is no name."""
    command, name = next(iter(document.items()))
    if not isinstance(name, str):
        raise fail(73, f"collection name has invalid type {type(name).__name__}")
    if not name:
        raise fail(73, f"Invalid namespace specified '{database.name}.' ({command})")
    return database[name]


def _existing(database: "Database", document: Document, message: str) -> "Collection":
    collection = _collection(database, document)
    if not collection.deployment.run(collection.storage.exists()):
        raise fail(26, message.format(collection.full_name))
    return collection


def _options(document: Document, *names: str) -> dict[str, Any]:
    """The fields `names` of a command. Raises 40415 for a field that it does not have, 14 for one of a wrong type."""
    command = next(iter(document))
    found: dict[str, Any] = {}
    for name, value in list(document.items())[1:]:
        if name in names:
            if name in _EXPECTED:
                if value is None:
                    # As for the server: a field that is not there.
                    continue
                kinds, shown = _EXPECTED[name]
                if not isinstance(value, kinds) or isinstance(value, bool):
                    raise fail(
                        14,
                        f"BSON field '{command}.{name}' is the wrong type '{type(value).__name__}', expected type "
                        f"'{shown}'",
                    )
                if kinds is _NUMBER:
                    value = long_of(normalise_value(value))
            found[name] = value
        elif name not in GENERIC:
            raise fail(40415, f"BSON field '{command}.{name}' is an unknown field.")
    return found


def _scale(document: Document, *names: str) -> int:
    """The unit that sizes are asked in, in bytes. Raises 51024 for one below 1."""
    scale: int = _options(document, "scale", *names).get("scale", 1)
    if scale < 1:
        raise fail(51024, f"BSON field 'scale' value must be >= 1, actual value '{scale}'")
    return scale


def _collstats(database: "Database", document: Document) -> Document:
    collection = _collection(database, document)
    scale = _scale(document)
    deployment, storage = collection.deployment, collection.storage
    count = deployment.run(storage.count())
    size = deployment.run(storage.size())
    indexes = deployment.run(storage.indexes())
    return {
        "ns": collection.full_name,
        "count": count,
        "size": size // scale,
        "avgObjSize": size // count if count else 0,
        "storageSize": size // scale,
        "nindexes": len(indexes),
        "indexSizes": {index.name: 0 for index in indexes},
        "totalIndexSize": 0,
        "totalSize": size // scale,
        "capped": False,
        "scaleFactor": scale,
        "ok": 1.0,
    }


def _dbstats(database: "Database", document: Document) -> Document:
    scale = _scale(document, "freeStorage")
    names = database.list_collection_names()
    stats = [_collstats(database, {"collstats": name}) for name in names]
    objects = sum(each["count"] for each in stats)
    size = sum(each["size"] for each in stats)
    return {
        "db": database.name,
        "collections": len(names),
        "views": 0,
        "objects": objects,
        "avgObjSize": size / objects if objects else 0.0,
        "dataSize": size / scale,
        "storageSize": size / scale,
        "indexes": sum(each["nindexes"] for each in stats),
        "indexSize": 0.0,
        "totalSize": size / scale,
        "scaleFactor": scale,
        "ok": 1.0,
    }


def _count(database: "Database", document: Document) -> Document:
    collection = _collection(database, document)
    options = _options(document, "query", "limit", "skip", "hint", "collation", "maxTimeMS")
    skip = options.get("skip", 0)
    if skip < 0:
        raise fail(51024, f"BSON field 'skip' value must be >= 0, actual value '{skip}'")
    # A negative limit means the same as a positive one, and 0 none (MongoDB manual: count).
    count = collection._count(options.get("query") or {}, skip, abs(options.get("limit", 0)), options)
    return {"n": count, "ok": 1.0}


def _distinct(database: "Database", document: Document) -> Document:
    collection = _collection(database, document)
    options = _options(document, "key", "query", "collation", "hint", "maxTimeMS")
    if "key" not in options:
        raise fail(40414, "BSON field 'distinct.key' is missing but a required field")
    key, query = options.pop("key"), options.pop("query", None)
    return {"values": collection.distinct(key, query, **options), "ok": 1.0}


def _cursor(database: "Database", name: str, found: list[Any]) -> Document:
    return {"cursor": {"id": 0, "ns": f"{database.name}.{name}", "firstBatch": found}, "ok": 1.0}


#: The fields of the ``find`` command, and the parameters of `Collection.find` that they are.
_FIND: Final = {
    "filter": "filter",
    "projection": "projection",
    "sort": "sort",
    "skip": "skip",
    "limit": "limit",
    "hint": "hint",
    "collation": "collation",
    "let": "let",
    "min": "min",
    "max": "max",
    "returnKey": "return_key",
    "showRecordId": "show_record_id",
    "maxTimeMS": "max_time_ms",
    "allowDiskUse": "allow_disk_use",
    "noCursorTimeout": "no_cursor_timeout",
    "allowPartialResults": "allow_partial_results",
}


def _find_cursor(database: "Database", document: Document) -> Any:
    options = _options(document, "batchSize", "singleBatch", *_FIND)
    given = {_FIND[name]: value for name, value in options.items() if name in _FIND and value not in ({}, None)}
    return _collection(database, document).find(**given)


def _find(database: "Database", document: Document) -> Document:
    return _cursor(database, document["find"], _find_cursor(database, document).to_list())


_AGGREGATE: Final = ("pipeline", "cursor", "allowDiskUse", "maxTimeMS", "hint", "collation", "let", "explain")


def _aggregate(database: "Database", document: Document) -> Document:
    options = _options(document, *_AGGREGATE)
    explain = options.pop("explain", False)
    if options.pop("cursor", None) is None and not explain:
        raise fail(9, "The 'cursor' option is required, except for aggregate with the explain argument")
    if options.get("pipeline") is None:
        raise fail(40414, "BSON field 'aggregate.pipeline' is missing but a required field")
    if document["aggregate"] == 1:
        return _cursor(database, "$cmd.aggregate", database.aggregate(**options).to_list())
    collection = _collection(database, document)
    if explain:
        return collection.explain_aggregate(**options)
    return _cursor(database, collection.name, collection.aggregate(**options).to_list())


def _explain(database: "Database", document: Document) -> Document:
    inner = document["explain"]
    if not isinstance(inner, dict) or not inner:
        raise fail(14, "BSON field 'explain.explain' is the wrong type, expected type 'object'")
    name = next(iter(inner)).lower()
    verbosity = _options(document, "verbosity", "maxTimeMS").get("verbosity", "allPlansExecution")
    if verbosity not in ("queryPlanner", "executionStats", "allPlansExecution"):
        raise fail(2, f"Enumeration value '{verbosity}' for field 'explain.verbosity' is not a valid value.")
    if name == "find":
        explained: Document = _find_cursor(database, inner).explain()
        return explained
    if name == "aggregate":
        return _aggregate(database, {**inner, "explain": True})
    if name in ("count", "distinct"):
        collection = _collection(database, inner)
        found: Document = collection.find(inner.get("query") or {}).explain()
        return found
    raise refused(f"explain of {name}", "find, aggregate, count and distinct can be explained")


def _drop(database: "Database", document: Document) -> Document:
    return drop(_collection(database, document))


def drop(collection: "Collection") -> Document:
    """Drop a collection; what the ``drop`` command answers: nothing to drop is no error."""
    if not collection.deployment.run(collection.storage.exists()):
        return {"ok": 1.0}
    indexes = len(collection.deployment.run(collection.storage.indexes()))
    collection.drop()
    return {"nIndexesWas": indexes, "ns": collection.full_name, "ok": 1.0}


def _drop_database(database: "Database", document: Document) -> Document:
    database.client.drop_database(database.name)
    return {"dropped": database.name, "ok": 1.0}


def _list_databases(database: "Database", document: Document) -> Document:
    if database.name != "admin":
        raise fail(13, "listDatabases may only be run against the admin database.")
    found = list(database.client.list_databases())
    return {"databases": found, "totalSize": sum(each["sizeOnDisk"] for each in found), "ok": 1.0}


def _list_collections(database: "Database", document: Document) -> Document:
    options = _options(document, "filter", "nameOnly", "authorizedCollections", "cursor")
    return _cursor(database, "$cmd.listCollections", list(database.list_collections(filter=options.get("filter"))))


def _list_indexes(database: "Database", document: Document) -> Document:
    collection = _existing(database, document, "ns does not exist: {}")
    return _cursor(database, collection.name, list(collection.list_indexes()))


def _create(database: "Database", document: Document) -> Document:
    collection = _collection(database, document)
    database.create_collection(collection.name, check_exists=False, **dict(list(document.items())[1:]))
    return {"ok": 1.0}


def _compact(database: "Database", document: Document) -> Document:
    collection = _existing(database, document, "Collection {} not found.")
    collection.deployment.run(collection.deployment.flush())
    return {"bytesFreed": 0, "ok": 1.0}


def _validate(database: "Database", document: Document) -> Document:
    return database.validate_collection(_collection(database, document))


def _writing(command: Callable[["Collection", Document], Document]) -> Callable[["Database", Document], Document]:
    """A command on the collection that it names, with its fields in internal form."""

    def run(database: "Database", document: Document) -> Document:
        collection = _collection(database, document)
        rest = dict(list(document.items())[1:])
        try:
            return command(collection, normalise(rest, database.codec_options))
        except OperationFailure as error:
            raise command_error(error) from error

    return run


def _rename(database: "Database", document: Document) -> Document:
    rest = dict(list(document.items())[1:])
    return administration.rename(database, next(iter(document.values())), normalise(rest, database.codec_options))


_COMMANDS: Final[dict[str, Callable[["Database", Document], Document]]] = {
    "ping": _ping,
    "hello": _hello,
    "ismaster": _hello,
    "buildinfo": _build_info,
    "collstats": _collstats,
    "dbstats": _dbstats,
    "count": _count,
    "distinct": _distinct,
    "find": _find,
    "aggregate": _aggregate,
    "explain": _explain,
    "create": _create,
    "drop": _drop,
    "dropdatabase": _drop_database,
    "listdatabases": _list_databases,
    "listcollections": _list_collections,
    "listindexes": _list_indexes,
    "compact": _compact,
    "validate": _validate,
    "insert": _writing(mutations.insert),
    "update": _writing(mutations.update),
    "delete": _writing(mutations.delete),
    "findandmodify": _writing(mutations.find_and_modify),
    "createindexes": _writing(administration.create_indexes),
    "dropindexes": _writing(administration.drop_indexes),
    "deleteindexes": _writing(administration.drop_indexes),
    "collmod": _writing(administration.modify_collection),
    "renamecollection": _rename,
}
_REFUSED: Final = {
    "serverstatus": "there is no MongoDB server; ask ClickHouse and Redis",
    "replsetgetstatus": "there is no replica set",
    "mapreduce": "there is no server-side JavaScript; use aggregate",
    "eval": "there is no server-side JavaScript",
    "createuser": "users are those of ClickHouse and Redis",
    "getmore": "a command's cursor is answered whole",
}


def run(database: "Database", document: dict[str, Any]) -> Document:
    """Run the command that the first field of `document` names, in any case.

    Raises 59 for an unknown command, 115 for one that is refused.
    """
    if not document:
        raise fail(59, "an empty document is no command")
    name = next(iter(document))
    found = _COMMANDS.get(name.lower())
    if found is not None:
        return found(database, document)
    if name.lower() in _REFUSED:
        raise refused(f"command {name}", _REFUSED[name.lower()])
    raise fail(59, f"no such command: '{name}'")
