"""bulk_write of a collection and of a client (pymongo documentation: Bulk Write Operations)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymongo import common
from pymongo.errors import BulkWriteError, ConfigurationError, InvalidOperation, OperationFailure
from pymongo.results import BulkWriteResult

from kato_compat.collection.face import collation, filter_document
from kato_compat.execute import writing
from kato_compat.execute.storage import Outcome
from kato_compat.parse.command import Delete, Write
from kato_compat.parse.filter import parse_filter
from kato_compat.values.document import Document

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection


@dataclass(frozen=True, slots=True)
class _Insert:
    """A document to insert, and whether its `_id` was generated."""

    document: Document
    generated: bool


class Bulk:
    """One bulk_write. All requests are checked and parsed before the first is made.

    Requests add themselves by pymongo's own `add_insert`, `add_update`, `add_replace` and `add_delete`, so that
    what they check and the operations that errors show are pymongo's.
    """

    def __init__(self, collection: "Collection", ordered: bool, let: Any) -> None:
        self._collection = collection
        self._ordered = ordered
        self._let = let
        self._operations: list[Any] = []
        self._prepared: list[_Insert | Write | Delete | OperationFailure] = []
        self._hints: list[Any] = []
        self._unacknowledged = not collection.write_concern.acknowledged
        self._result: dict[str, Any] = {
            "writeErrors": [],
            "writeConcernErrors": [],
            "nInserted": 0,
            "nUpserted": 0,
            "nMatched": 0,
            "nModified": 0,
            "nRemoved": 0,
            "upserted": [],
        }

    def add(self, request: Any) -> None:
        """Add a request. Raises `TypeError` for what is none, and what pymongo raises for its arguments."""
        add = getattr(request, "_add_to_bulk", None)
        if add is None:
            raise TypeError(f"{request!r} is not a valid request")
        add(self)

    def add_insert(self, document: Any) -> None:
        """Called by `InsertOne`."""
        common.validate_is_document_type("document", document)
        prepared, generated = self._collection._prepared(document)
        self._append(document, _Insert(prepared, generated), None)

    def add_update(
        self,
        selector: Any,
        update: Any,
        multi: bool,
        upsert: bool | None,
        collation: Any = None,
        array_filters: Any = None,
        hint: Any = None,
        sort: Any = None,
    ) -> None:
        """Called by `UpdateOne` and `UpdateMany`."""
        common.validate_ok_for_update(update)
        operation = {"q": selector, "u": update, "multi": multi}
        self._add_write(operation, False, upsert, collation, array_filters, hint, sort)

    def add_replace(
        self,
        selector: Any,
        replacement: Any,
        upsert: bool | None,
        collation: Any = None,
        hint: Any = None,
        sort: Any = None,
    ) -> None:
        """Called by `ReplaceOne`."""
        common.validate_ok_for_replace(replacement)
        self._add_write({"q": selector, "u": replacement}, True, upsert, collation, None, hint, sort)

    def _add_write(
        self,
        operation: dict[str, Any],
        replace: bool,
        upsert: Any,
        order: Any,
        array_filters: Any,
        hint: Any,
        sort: Any,
    ) -> None:
        given = {"upsert": upsert, "collation": order, "arrayFilters": array_filters, "hint": hint, "sort": sort}
        operation.update({name: value for name, value in given.items() if value is not None})
        self._check_acknowledged(order, array_filters)
        prepared: Write | OperationFailure
        try:
            prepared = self._collection._write(
                operation["q"],
                operation["u"],
                replace=replace,
                multi=operation.get("multi", False),
                upsert=bool(upsert),
                array_filters=array_filters,
                order=order,
                let=self._let,
                sort=sort,
            )
        except OperationFailure as error:
            # The server answers for each operation when its turn comes.
            prepared = error
        self._append(operation, prepared, hint)

    def add_delete(self, selector: Any, limit: int, collation: Any = None, hint: Any = None) -> None:
        """Called by `DeleteOne` and `DeleteMany`."""
        operation = {"q": selector, "limit": limit}
        operation.update({key: value for key, value in (("collation", collation), ("hint", hint)) if value is not None})
        self._check_acknowledged(collation, None)
        self._append(operation, self._deletion(selector, limit, collation), hint)

    def _deletion(self, selector: Any, limit: int, order: Any) -> Delete | OperationFailure:
        collection = self._collection
        try:
            document = filter_document(selector, collection.codec_options)
            parsed = parse_filter(document, collection._scope(self._let), collation=collation(order))
        except OperationFailure as error:
            return error
        return Delete(parsed, limit == 0)

    def _check_acknowledged(self, order: Any, array_filters: Any) -> None:
        if self._unacknowledged:
            for given, shown in ((order, "Collation"), (array_filters, "arrayFilters")):
                if given is not None:
                    raise ConfigurationError(f"{shown} is unsupported for unacknowledged writes.")

    def _append(self, operation: Any, prepared: _Insert | Write | Delete | OperationFailure, hint: Any) -> None:
        self._operations.append(operation)
        self._prepared.append(prepared)
        self._hints.append(hint)

    def run(self) -> BulkWriteResult:
        """Make the requests. Raises `BulkWriteError` for refused ones; its details say what was done."""
        if not self._operations:
            raise InvalidOperation("No operations to execute")
        position = 0
        while position < len(self._prepared):
            inserts: list[_Insert] = []
            for prepared in self._prepared[position:]:
                if not isinstance(prepared, _Insert):
                    break
                inserts.append(prepared)
            done = self._insert(inserts, position) if inserts else self._make(position)
            position += len(inserts) or 1
            if not done and self._ordered:
                break
        if self._unacknowledged:
            return BulkWriteResult({}, False)
        if self._result["writeErrors"]:
            raise BulkWriteError(self._result)
        return BulkWriteResult(self._result, True)

    def _insert(self, inserts: list[_Insert], position: int) -> bool:
        collection = self._collection
        documents = [each.document for each in inserts]
        generated = {offset for offset, each in enumerate(inserts) if each.generated}
        outcomes = collection.deployment.run(writing.insert(collection.storage, documents, self._ordered, generated))
        good = True
        for offset, outcome in enumerate(outcomes):
            if isinstance(outcome, OperationFailure):
                self._fail(outcome, position + offset)
                good = False
            elif outcome is Outcome.DONE:
                self._result["nInserted"] += 1
                operation = self._operations[position + offset]
                if inserts[offset].generated and isinstance(operation, dict):
                    # The storage may have given it another `_id` than the one that was proposed.
                    operation["_id"] = inserts[offset].document["_id"]
        return good

    def _make(self, position: int) -> bool:
        collection = self._collection
        result = self._result
        prepared = self._prepared[position]
        try:
            if isinstance(prepared, OperationFailure):
                raise prepared
            collection._hinted(self._hints[position])
            if isinstance(prepared, Delete):
                deleted, _ = collection.deployment.run(writing.delete(collection.storage, prepared))
                result["nRemoved"] += deleted
                return True
            assert isinstance(prepared, Write)
            written = collection.deployment.run(writing.update(collection.storage, prepared))
        except OperationFailure as error:
            self._fail(error, position)
            return False
        result["nMatched"] += written.matched
        result["nModified"] += written.modified
        if written.inserted:
            result["nUpserted"] += 1
            result["upserted"].append({"index": position, "_id": written.upserted})
        return True

    def _fail(self, error: OperationFailure, position: int) -> None:
        details: Mapping[str, Any] = error.details or {}
        entry = {"index": position, "code": error.code, "errmsg": details.get("errmsg", str(error))}
        entry.update({name: details[name] for name in ("keyPattern", "keyValue", "errInfo") if name in details})
        entry["op"] = self._operations[position]
        self._result["writeErrors"].append(entry)
