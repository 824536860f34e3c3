"""The commands that change indexes and names: createIndexes, dropIndexes, collMod, renameCollection.

MongoDB manual: Administration Commands.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kato_compat.collection.fields import ANY, BOOL, FLAG, GENERIC, NUMBER, OBJECT, STRING, Field, checked, objects
from kato_compat.errors import fail, refused
from kato_compat.execute.writing import create_all
from kato_compat.mapping.index import ID_INDEX, Index
from kato_compat.plan.indexes import index_of, lifetime
from kato_compat.values.document import Document
from kato_compat.values.types import alias_of

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection
    from kato_compat.collection.database import Database

_CREATE: Final = {"indexes": Field(("array",), True), "commitQuorum": ANY, "ignoreUnknownIndexOptions": BOOL}
_DROP: Final = {"index": Field(("string", "array", "object"), True)}
_RENAME: Final = {"to": Field(("string",), True), "dropTarget": Field(("bool", "binData")), "stayTemp": FLAG}
_MODIFY: Final = {"index": OBJECT}
_MODIFY_INDEX: Final = {
    "keyPattern": OBJECT,
    "name": STRING,
    "expireAfterSeconds": NUMBER,
    "hidden": FLAG,
    "unique": FLAG,
    "prepareUnique": FLAG,
}
#: Options of collMod for what collections do not have here.
_REFUSED: Final = {
    "validator": "documents are not validated on write",
    "validationLevel": "documents are not validated on write",
    "validationAction": "documents are not validated on write",
    "viewOn": "there are no views",
    "pipeline": "there are no views",
    "timeseries": "there are no time series collections",
    "expireAfterSeconds": "there are no time series collections; give an index expireAfterSeconds",
    "cappedSize": "there are no capped collections",
    "cappedMax": "there are no capped collections",
    "changeStreamPreAndPostImages": "there are no change streams",
}


def create_indexes(collection: "Collection", raw: Document) -> Document:
    """The ``createIndexes`` command on a collection; `raw` are its fields, of internal form."""
    options = checked("createIndexes", raw, _CREATE, GENERIC | {"maxTimeMS"})
    specs: list[Any] = options["indexes"]
    objects("createIndexes.indexes", specs)
    if not specs:
        raise fail(2, "Must specify at least one index to create")
    for spec in specs:
        for name, kind in (("key", dict), ("name", str)):
            if name not in spec:
                raise fail(9, f"The '{name}' field is a required property of an index specification")
            if type(spec[name]) is not kind:
                shown = "an object" if kind is dict else "a string"
                raise fail(14, f"The field '{name}' must be {shown}, but got {alias_of(spec[name])}")
    indexes = [index_of(spec) for spec in specs]
    deployment, storage = collection.deployment, collection.storage
    existed = deployment.run(storage.exists())
    before = len(deployment.run(storage.indexes())) if existed else 1
    deployment.run(create_all(storage, [index for index in indexes if index.keys != ID_INDEX.keys]))
    after = len(deployment.run(storage.indexes()))
    reply: Document = {"numIndexesBefore": before, "numIndexesAfter": after}
    if after == before and existed:
        reply["note"] = "all indexes already exist"
    else:
        reply["createdCollectionAutomatically"] = not existed
    return {**reply, "ok": 1.0}


def drop_indexes(collection: "Collection", raw: Document) -> Document:
    """The ``dropIndexes`` command: by name, names, keys, or ``*`` for all but that on `_id`. All or none are dropped.

    Raises 26 without the collection, 27 for an unknown index, 72 for that on `_id`, 181 for keys of several.
    """
    options = checked("dropIndexes", raw, _DROP, GENERIC | {"maxTimeMS"})
    deployment, storage = collection.deployment, collection.storage
    if not deployment.run(storage.exists()):
        raise fail(26, f"ns not found {collection.full_name}")
    indexes = deployment.run(storage.indexes())
    reply: Document = {"nIndexesWas": len(indexes)}
    wanted = options["index"]
    if wanted == "*":
        names = [index.name for index in indexes if index.name != ID_INDEX.name]
        reply["msg"] = "non-_id indexes dropped for collection"
    elif type(wanted) is dict:
        names = [_by_keys(collection, indexes, wanted).name]
    else:
        names = [wanted] if type(wanted) is str else wanted
        for name in names:
            if type(name) is not str:
                raise fail(14, f"BSON field 'dropIndexes.index' is the wrong type '{alias_of(name)}'")
            if not any(index.name == name for index in indexes):
                raise fail(27, f"index not found with name [{name}]")
    if ID_INDEX.name in names:
        raise fail(72, "cannot drop _id index")
    for name in dict.fromkeys(names):
        deployment.run(storage.drop_index(name))
    return {**reply, "ok": 1.0}


def _by_keys(collection: "Collection", indexes: list[Index], keys: Document) -> Index:
    found = [index for index in indexes if index.keys == tuple(keys.items())]
    if not found:
        raise fail(27, f"can't find index with key: {keys}")
    if len(found) > 1:
        names = ", ".join(index.name for index in found)
        raise fail(181, f"{len(found)} indexes found for key {keys} of {collection.full_name}, name one: {names}")
    return found[0]


def modify_collection(collection: "Collection", raw: Document) -> Document:
    """The ``collMod`` command: hides or shows an index, or changes when documents expire by it.

    Raises 26 without the collection, 27 for an unknown index, 72 and 2 for what cannot be changed.
    """
    for name, reason in _REFUSED.items():
        if name in raw:
            raise refused(f"collMod with {name}", reason)
    options = checked("collMod", raw, _MODIFY, GENERIC | {"maxTimeMS"})
    deployment, storage = collection.deployment, collection.storage
    if not deployment.run(storage.exists()):
        raise fail(26, f"ns does not exist: {collection.full_name}")
    if "index" not in options:
        return {"ok": 1.0}
    change = checked("collMod.index", options["index"], _MODIFY_INDEX, frozenset())
    index = _to_modify(collection, change)
    changed, reply = index, Document()
    if "expireAfterSeconds" in change:
        if index.keys == ID_INDEX.keys:
            raise fail(72, "the _id field does not support TTL indexes")
        if len(index.keys) > 1:
            raise fail(72, "TTL indexes are single-field indexes, compound indexes do not support TTL")
        seconds = lifetime(change["expireAfterSeconds"], 72)
        if index.seconds is not None:
            reply["expireAfterSeconds_old"] = index.seconds
        reply["expireAfterSeconds_new"] = seconds
        changed = replace(changed, options={**changed.options, "expireAfterSeconds": seconds})
    hidden = bool(change.get("hidden", index.hidden))
    if hidden is not index.hidden:
        if index.keys == ID_INDEX.keys:
            raise fail(2, "can't hide _id index")
        reply |= {"hidden_old": index.hidden, "hidden_new": hidden}
        kept = {name: value for name, value in changed.options.items() if name != "hidden"}
        changed = replace(changed, options={**kept, "hidden": True} if hidden else kept)
    if reply:
        deployment.run(storage.change_index(changed))
    return {**reply, "ok": 1.0}


def _to_modify(collection: "Collection", change: Document) -> Index:
    if "name" in change and "keyPattern" in change:
        raise fail(72, "cannot specify both index name and key pattern.")
    if "name" not in change and "keyPattern" not in change:
        raise fail(72, "must specify either index name or key pattern")
    for name in ("unique", "prepareUnique"):
        if name in change:
            raise refused(f"collMod with index.{name}", "create a unique index instead")
    if "expireAfterSeconds" not in change and "hidden" not in change:
        raise fail(72, "no expireAfterSeconds, hidden, unique, or prepareUnique field")
    indexes = collection.deployment.run(collection.storage.indexes())
    if "keyPattern" in change:
        return _by_keys(collection, indexes, change["keyPattern"])
    for index in indexes:
        if index.name == change["name"]:
            return index
    raise fail(27, f"cannot find index {change['name']} for ns {collection.full_name}")


def rename(database: "Database", source: Any, raw: Document) -> Document:
    """The ``renameCollection`` command, whose names are of the form ``database.collection``.

    Raises 13 in another database than admin, 73 for what is no such name, and refuses two databases.
    """
    options = checked("renameCollection", raw, _RENAME, GENERIC | {"maxTimeMS"})
    if database.name != "admin":
        raise fail(13, "renameCollection may only be run against the admin database.")
    if type(source) is not str:
        raise fail(73, f"collection name has invalid type {alias_of(source)}")
    parts = [name.partition(".") for name in (source, options["to"])]
    for name, (_, dot, collection) in zip((source, options["to"]), parts, strict=True):
        if not dot or not collection:
            raise fail(73, f"Invalid namespace specified '{name}'")
    (theirs, _, old), (ours, _, new) = parts
    if theirs != ours:
        raise refused("renameCollection to another database", "copy the documents with $out")
    database.client[ours][new]
    database.client._rename(ours, old, new, options.get("dropTarget") is True)
    return {"ok": 1.0}
