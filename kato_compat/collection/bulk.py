"""bulk_write (pymongo documentation: Bulk Write Operations)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymongo.errors import BulkWriteError, InvalidOperation, OperationFailure
from pymongo.operations import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.results import BulkWriteResult

from kato_compat.collection.face import collation, filter_document
from kato_compat.execute import writing
from kato_compat.execute.storage import Outcome
from kato_compat.parse.command import Delete
from kato_compat.parse.filter import parse_filter

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection


class Bulk:
    """The run of one bulk_write. All requests are parsed before the first is made."""

    def __init__(self, collection: "Collection", let: Any) -> None:
        self._collection = collection
        self._let = let
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

    def run(self, requests: Sequence[Any], ordered: bool) -> BulkWriteResult:
        """Make the requests. Raises `BulkWriteError`, and pymongo's errors for what is no request."""
        for request in requests:
            if not isinstance(request, InsertOne | UpdateOne | UpdateMany | ReplaceOne | DeleteOne | DeleteMany):
                raise TypeError(f"{request!r} is not a valid request")
        if not requests:
            raise InvalidOperation("No operations to execute")
        prepared = [self._prepare(request) for request in requests]
        position = 0
        while position < len(prepared):
            if isinstance(requests[position], InsertOne):
                end = position
                while end < len(prepared) and isinstance(requests[end], InsertOne):
                    end += 1
                done = self._insert(prepared[position:end], position, ordered)
                position = end
            else:
                done = self._make(requests[position], prepared[position], position)
                position += 1
            if not done and ordered:
                break
        if self._result["writeErrors"]:
            raise BulkWriteError(self._result)
        return BulkWriteResult(self._result, bool(self._collection.write_concern.acknowledged))

    def _prepare(self, request: Any) -> Any:
        """The parsed form of a request, or the error that it will meet when its turn comes."""
        collection = self._collection
        if isinstance(request, InsertOne):
            return collection._prepared(request._doc)
        collection._hinted(request._hint)
        try:
            if isinstance(request, DeleteOne | DeleteMany):
                parsed = parse_filter(
                    filter_document(request._filter, collection.codec_options),
                    collection._scope(self._let),
                    collation=collation(request._collation),
                )
                return Delete(parsed, isinstance(request, DeleteMany))
            return collection._write(
                request._filter,
                request._doc,
                replace=isinstance(request, ReplaceOne),
                multi=isinstance(request, UpdateMany),
                upsert=bool(request._upsert),
                array_filters=getattr(request, "_array_filters", None),
                collation_=request._collation,
                let=self._let,
                sort=getattr(request, "_sort", None),
            )
        except OperationFailure as error:
            return error

    def _insert(self, documents: list[Any], position: int, ordered: bool) -> bool:
        collection = self._collection
        generated = {offset for offset, (_, flag) in enumerate(documents) if flag}
        outcomes = collection.deployment.run(
            writing.insert(collection.storage, [document for document, _ in documents], ordered, generated)
        )
        good = True
        for offset, outcome in enumerate(outcomes):
            if isinstance(outcome, OperationFailure):
                self._fail(outcome, position + offset, documents[offset][0])
                good = False
            elif outcome is Outcome.DONE:
                self._result["nInserted"] += 1
        return good

    def _make(self, request: Any, prepared: Any, position: int) -> bool:
        collection = self._collection
        result = self._result
        try:
            if isinstance(prepared, OperationFailure):
                raise prepared
            if isinstance(prepared, Delete):
                deleted, _ = collection.deployment.run(writing.delete(collection.storage, prepared))
                result["nRemoved"] += deleted
                return True
            written = collection.deployment.run(writing.update(collection.storage, prepared))
        except OperationFailure as error:
            self._fail(error, position, _shown(request))
            return False
        result["nMatched"] += written.matched
        result["nModified"] += written.modified
        if written.inserted:
            result["nUpserted"] += 1
            result["upserted"].append({"index": position, "_id": written.upserted})
        return True

    def _fail(self, error: OperationFailure, position: int, operation: Any) -> None:
        details: Mapping[str, Any] = error.details or {}
        entry = {"index": position, "code": error.code, "errmsg": details.get("errmsg", str(error))}
        entry.update({name: details[name] for name in ("keyPattern", "keyValue") if name in details})
        entry["op"] = operation
        self._result["writeErrors"].append(entry)


def _shown(request: Any) -> dict[str, Any]:
    """A request as the details of a `BulkWriteError` show it."""
    if isinstance(request, DeleteOne | DeleteMany):
        return {"q": request._filter, "limit": int(isinstance(request, DeleteOne))}
    return {
        "q": request._filter,
        "u": request._doc,
        "multi": isinstance(request, UpdateMany),
        "upsert": bool(request._upsert),
    }
