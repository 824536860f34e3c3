"""The commands that write documents: insert, update, delete, findAndModify (MongoDB manual: Database Commands)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern

from kato_compat.collection.bulk import Bulk
from kato_compat.collection.face import collation, hand_out, hand_out_value, parsed_sort, projection_document
from kato_compat.collection.fields import (
    ANY,
    ARRAY,
    BOOL,
    FLAG,
    GENERIC,
    HINT,
    NUMBER,
    OBJECT,
    Field,
    checked,
    objects,
)
from kato_compat.collection.stream import limit_of
from kato_compat.errors import fail
from kato_compat.execute import writing
from kato_compat.parse.command import Delete, Modify
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.projection import parse_projection
from kato_compat.values.document import Document
from kato_compat.values.numbers import long_of

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection

#: The most writes of one command.
_MAX_BATCH: Final = 100_000
_COMMON: Final = {"ordered": BOOL, "let": OBJECT, "maxTimeMS": NUMBER}
_INSERT: Final = {**_COMMON, "documents": Field(("array",), True)}
_UPDATE: Final = {**_COMMON, "updates": Field(("array",), True)}
_DELETE: Final = {**_COMMON, "deletes": Field(("array",), True)}
_ONE_UPDATE: Final = {
    "q": Field(("object",), True),
    "u": Field((), True),
    "c": OBJECT,
    "arrayFilters": ARRAY,
    "multi": BOOL,
    "upsert": BOOL,
    "collation": OBJECT,
    "hint": HINT,
    "sort": OBJECT,
}
_ONE_DELETE: Final = {
    "q": Field(("object",), True),
    "limit": Field(NUMBER.kinds, True),
    "collation": OBJECT,
    "hint": HINT,
}
_MODIFY: Final = {
    "query": OBJECT,
    "sort": OBJECT,
    "remove": FLAG,
    "update": ANY,
    "new": FLAG,
    "fields": OBJECT,
    "upsert": FLAG,
    "maxTimeMS": NUMBER,
    "collation": OBJECT,
    "arrayFilters": ARRAY,
    "hint": HINT,
    "let": OBJECT,
}


def insert(collection: "Collection", raw: Document) -> Document:
    """The ``insert`` command on a collection; `raw` are its fields, of internal form."""
    options = checked("insert", raw, _INSERT, GENERIC)
    documents = _batch("insert.documents", options["documents"])

    def add(bulk: Bulk) -> None:
        for document in documents:
            bulk.add_insert(document)

    return _made(collection, options, add)


def update(collection: "Collection", raw: Document) -> Document:
    """The ``update`` command. Raises 9 for an update that is neither a document nor a pipeline."""
    options = checked("update", raw, _UPDATE, GENERIC)
    updates = [
        checked("update.updates", each, _ONE_UPDATE, frozenset())
        for each in _batch("update.updates", options["updates"])
    ]

    def add(bulk: Bulk) -> None:
        for each in updates:
            change, multi = each["u"], each.get("multi", False)
            replace = _is_replacement(change)
            if "c" in each and type(change) is dict:
                bulk.add_failure(each, fail(51198, "Constant values may only be specified for pipeline updates"))
            elif replace and multi:
                bulk.add_failure(each, fail(9, "multi update is not supported for replacement-style update"))
            elif multi and "sort" in each:
                bulk.add_failure(each, fail(9, "Cannot specify sort with multi=true"))
            else:
                operation = {"q": each["q"], "u": change, "multi": multi}
                rest = [each.get(name) for name in ("upsert", "collation", "arrayFilters", "hint", "sort")]
                bulk.add_write(operation, replace, *rest)

    return _made(collection, options, add, modifies=True)


def delete(collection: "Collection", raw: Document) -> Document:
    """The ``delete`` command. Raises 9 for a limit that is neither 0 nor 1."""
    options = checked("delete", raw, _DELETE, GENERIC)
    deletes = [
        checked("delete.deletes", each, _ONE_DELETE, frozenset())
        for each in _batch("delete.deletes", options["deletes"])
    ]
    for each in deletes:
        if long_of(each["limit"]) not in (0, 1):
            raise fail(9, f"The limit field in delete objects must be 0 or 1. Got {long_of(each['limit'])}")

    def add(bulk: Bulk) -> None:
        for each in deletes:
            bulk.add_delete(each["q"], long_of(each["limit"]), each.get("collation"), each.get("hint"))

    return _made(collection, options, add)


def find_and_modify(collection: "Collection", raw: Document) -> Document:
    """The ``findAndModify`` command. Raises 9 for fields that do not go together."""
    options = checked("findAndModify", raw, _MODIFY, GENERIC)
    remove, new, upsert = (bool(options.get(name, False)) for name in ("remove", "new", "upsert"))
    if remove:
        for given, shown in (
            ("update" in options, "both an 'update' and"),
            (upsert, "both 'upsert'=true and"),
            (new, "both 'new'=true and"),
            ("arrayFilters" in options, "'arrayFilters' and"),
        ):
            if given:
                raise fail(9, f"Cannot specify {shown} 'remove'=true")
    elif "update" not in options:
        raise fail(9, "Either an update or remove=true must be specified")
    order = collation(options.get("collation"))
    scope = collection._scope(options.get("let"), order)
    query, sort = options.get("query", {}), options.get("sort")
    if remove:
        predicate = parse_filter(query, scope, collation=order)
        command = Modify(delete=Delete(predicate, False, parsed_sort(sort, scope, order)))
    else:
        write = collection._write(
            query,
            options["update"],
            replace=_is_replacement(options["update"]),
            upsert=upsert,
            array_filters=options.get("arrayFilters"),
            order=options.get("collation"),
            let=options.get("let"),
            sort=sort,
        )
        predicate = write.predicate
        command = Modify(write=write, new=new)
    shape = projection_document(options.get("fields"), collection.codec_options)
    if shape:
        parsed = parse_projection(shape, scope, find=True, predicate=predicate)
        command = Modify(command.write, command.delete, parsed, new)
    collection._hinted(options.get("hint"))
    limit = limit_of(options.get("maxTimeMS"))
    document, written = collection._run(writing.modify(collection.storage, command), limit)
    last: Document = {"n": written.matched + written.inserted}
    if not remove:
        last["updatedExisting"] = bool(written.matched)
        if written.inserted:
            last["upserted"] = hand_out_value(written.upserted, collection.codec_options)
    value = None if document is None else hand_out(document, collection.codec_options, True)
    return {"lastErrorObject": last, "value": value, "ok": 1.0}


def _batch(place: str, items: list[Any]) -> list[Any]:
    objects(place, items)
    if not 1 <= len(items) <= _MAX_BATCH:
        raise fail(16, f"Write batch sizes must be between 1 and {_MAX_BATCH}. Got {len(items)} operations.")
    return items


def _is_replacement(change: Any) -> bool:
    if type(change) is list:
        return False
    if type(change) is not dict:
        raise fail(9, "Update argument must be either an object or an array")
    return not next(iter(change), "").startswith("$")


def _made(
    collection: "Collection", options: Document, add: Callable[[Bulk], None], *, modifies: bool = False
) -> Document:
    """The reply of a command after its writes were made: what was done, and the errors."""
    # A command is answered, whatever the collection's own write concern.
    bulk = Bulk(collection.with_options(write_concern=WriteConcern()), options.get("ordered", True), options.get("let"))
    add(bulk)
    try:
        result: dict[str, Any] = bulk.run().bulk_api_result
    except BulkWriteError as error:
        result = dict(error.details)
    counts = ("nInserted", "nUpserted", "nMatched", "nRemoved")
    reply: Document = {"n": sum(result[name] for name in counts)}
    if result["upserted"]:
        reply["upserted"] = hand_out_value(result["upserted"], collection.codec_options)
    if modifies:
        reply["nModified"] = result["nModified"]
    if result["writeErrors"]:
        errors = [{name: value for name, value in each.items() if name != "op"} for each in result["writeErrors"]]
        reply["writeErrors"] = hand_out_value(errors, collection.codec_options)
    return {**reply, "ok": 1.0}
