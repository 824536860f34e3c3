"""Database commands that legacy code sends by name (MongoDB manual: Database Commands)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kato_compat.errors import fail, refused
from kato_compat.values.document import Document

if TYPE_CHECKING:
    from kato_compat.collection.database import Database

#: The server whose answers this library gives, as ``buildInfo`` says it.
SERVER_VERSION: Final = "8.2.4"


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


def _collstats(database: "Database", document: Document) -> Document:
    name = next(iter(document.values()))
    if not isinstance(name, str):
        raise fail(73, f"collection name has invalid type {type(name).__name__}")
    collection = database[name]
    deployment, storage = collection.deployment, collection.storage
    count = deployment.run(storage.count())
    size = deployment.run(storage.size())
    indexes = deployment.run(storage.indexes())
    return {
        "ns": collection.full_name,
        "count": count,
        "size": size,
        "avgObjSize": size // count if count else 0,
        "storageSize": size,
        "nindexes": len(indexes),
        "indexSizes": {index.name: 0 for index in indexes},
        "totalIndexSize": 0,
        "totalSize": size,
        "capped": False,
        "scaleFactor": 1,
        "ok": 1.0,
    }


def _dbstats(database: "Database", document: Document) -> Document:
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
        "dataSize": float(size),
        "storageSize": float(size),
        "indexes": sum(each["nindexes"] for each in stats),
        "indexSize": 0.0,
        "totalSize": float(size),
        "scaleFactor": 1.0,
        "ok": 1.0,
    }


def _count(database: "Database", document: Document) -> Document:
    options = {name: document[name] for name in ("skip", "limit", "hint", "collation") if name in document}
    return {"n": database[document["count"]].count_documents(document.get("query") or {}, **options), "ok": 1.0}


def _distinct(database: "Database", document: Document) -> Document:
    values = database[document["distinct"]].distinct(document["key"], document.get("query"))
    return {"values": values, "ok": 1.0}


def _drop(database: "Database", document: Document) -> Document:
    collection = database[document["drop"]]
    if not collection.deployment.run(collection.storage.exists()):
        raise fail(26, "ns not found")
    return database.drop_collection(collection.name)


def _drop_database(database: "Database", document: Document) -> Document:
    database.client.drop_database(database.name)
    return {"dropped": database.name, "ok": 1.0}


def _list_databases(database: "Database", document: Document) -> Document:
    return {"databases": list(database.client.list_databases()), "ok": 1.0}


def _list_collections(database: "Database", document: Document) -> Document:
    found = list(database.list_collections(filter=document.get("filter")))
    return {"cursor": {"id": 0, "ns": f"{database.name}.$cmd.listCollections", "firstBatch": found}, "ok": 1.0}


def _compact(database: "Database", document: Document) -> Document:
    collection = database[document["compact"]]
    if not collection.deployment.run(collection.storage.exists()):
        raise fail(26, f"Collection {collection.full_name} not found.")
    collection.deployment.run(collection.deployment.flush())
    return {"bytesFreed": 0, "ok": 1.0}


def _build_info(database: "Database", document: Document) -> Document:
    return build_info()


_COMMANDS: Final[dict[str, Callable[["Database", Document], Document]]] = {
    "ping": _ping,
    "hello": _hello,
    "ismaster": _hello,
    "buildinfo": _build_info,
    "collstats": _collstats,
    "dbstats": _dbstats,
    "count": _count,
    "distinct": _distinct,
    "drop": _drop,
    "dropdatabase": _drop_database,
    "listdatabases": _list_databases,
    "listcollections": _list_collections,
    "compact": _compact,
}
_REFUSED: Final = {
    "serverstatus": "there is no MongoDB server; ask ClickHouse and Redis",
    "replsetgetstatus": "there is no replica set",
    "mapreduce": "there is no server-side JavaScript; use aggregate",
    "eval": "there is no server-side JavaScript",
    "createuser": "users are those of ClickHouse and Redis",
}


def run(database: "Database", document: dict[str, Any]) -> Document:
    """Run the command that the first field of `document` names, in any case."""
    if not document:
        raise fail(59, "an empty document is no command")
    name = next(iter(document))
    found = _COMMANDS.get(name.lower())
    if found is not None:
        return found(database, document)
    if name.lower() in _REFUSED:
        raise refused(f"command {name}", _REFUSED[name.lower()])
    raise fail(59, f"no such command: '{name}'")
