"""The inserting methods of collections (pymongo documentation: collection, results)."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import common
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure
from pymongo.results import InsertManyResult, InsertOneResult

from kato_compat.collection.face import is_of_write, write_error
from kato_compat.collection.namespace import Namespace
from kato_compat.execute import writing
from kato_compat.execute.bulk import Insert, bulk
from kato_compat.execute.storage import Outcome
from kato_compat.options import check_session
from kato_compat.values.document import Document, decode, encode, encode_nested
from kato_compat.values.validity import check_document


class Inserts(Namespace):
    """insert_one and insert_many, and what all writes need of them."""

    @property
    def _acknowledged(self) -> bool:
        return bool(self.write_concern.acknowledged)

    def insert_one(
        self, document: Any, bypass_document_validation: bool | None = None, session: Any = None, comment: Any = None
    ) -> InsertOneResult:
        """Insert one document; an `_id` is added to it if it has none."""
        check_session(session)
        common.validate_is_document_type("document", document)
        request = self._insertion(document, alone=True)
        with self._reporting():
            if isinstance(request, OperationFailure):
                raise request
            positions = (0,) if request.generated else ()
            made = writing.insert(self.storage, [request.document], True, positions, [request.data])
            (outcome,) = self.deployment.run(made)
            if isinstance(outcome, OperationFailure):
                raise outcome
        return InsertOneResult(_identified(document, request), self._acknowledged)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Raise an error of a write as the `WriteError` it is; unacknowledged writes report none of those."""
        try:
            yield
        except OperationFailure as error:
            if self._acknowledged or not is_of_write(error):
                raise write_error(error) from error

    def insert_many(
        self,
        documents: Iterable[Any],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: Any = None,
        comment: Any = None,
    ) -> InsertManyResult:
        """Insert documents; an `_id` is added to each that has none. Raises `BulkWriteError` for refused ones."""
        check_session(session)
        if not isinstance(documents, Iterable) or isinstance(documents, Mapping) or not documents:
            raise TypeError("documents must be a non-empty list")
        given = list(documents)
        for document in given:
            common.validate_is_document_type("document", document)
        requests = [self._insertion(document) for document in given]
        outcomes = self.deployment.run(bulk(self.storage, requests, ordered))
        errors = [
            {
                "index": position,
                "code": outcome.code,
                "errmsg": (outcome.details or {}).get("errmsg", str(outcome)),
                **{
                    name: (outcome.details or {})[name]
                    for name in ("keyPattern", "keyValue")
                    if name in (outcome.details or {})
                },
                "op": given[position],
            }
            for position, outcome in enumerate(outcomes)
            if isinstance(outcome, OperationFailure)
        ]
        if errors and self._acknowledged:
            inserted = sum(outcome is Outcome.DONE for outcome in outcomes)
            raise BulkWriteError(_bulk_details(inserted, errors))
        ids = [_identified(document, request) for document, request in zip(given, requests, strict=True)]
        return InsertManyResult(ids, self._acknowledged)

    def _insertion(self, document: Any, *, alone: bool = False) -> Insert | OperationFailure:
        """The request to insert `document`, or why it cannot be: the server answers for each when its turn comes.

        Raises 10334 for one that the server would not even read, and 15 for one nested too deep; `DocumentTooLarge`
        for one that pymongo does not send: such a one `alone`, and any beyond 16 MiB where the write is
        unacknowledged.
        """
        try:
            return Insert(*self._prepared(document))
        except OperationFailure as error:
            if error.code in (10334, 15) and not alone:
                raise
            if error.code == 10334 or (error.code == 2 and not self._acknowledged):
                raise DocumentTooLarge(f"BSON document too large: {(error.details or {}).get('errmsg')}") from error
            return error

    def _prepared(self, document: Any) -> tuple[Document, bool, bytes]:
        """The document to store, in internal form, `_id` first, whether that was generated, and its BSON.

        The caller's document gets the `_id` too, also where the write then fails, as in pymongo.
        """
        data = encode_nested(document, self.codec_options)
        prepared = decode(data)
        generated = "_id" not in prepared
        if generated:
            value = self.storage.identify(prepared)
            prepared = {"_id": value, **prepared}
            if not isinstance(document, RawBSONDocument) and isinstance(document, MutableMapping):
                document["_id"] = value
            data = encode(prepared)
        elif next(iter(prepared)) != "_id":
            prepared = {"_id": prepared["_id"], **prepared}
            data = encode(prepared)
        writing.check_length(len(data), 2)
        check_document(prepared, len(data))
        return prepared, generated, data


def _identified(document: Any, request: Insert | OperationFailure) -> Any:
    """The `_id` that an inserted document has; where the storage gave another one the caller's document gets it."""
    if isinstance(request, OperationFailure):
        return document.get("_id")
    identity = request.document["_id"]
    if request.generated and not isinstance(document, RawBSONDocument) and isinstance(document, MutableMapping):
        document["_id"] = identity
    return document.get("_id", identity)


def _bulk_details(inserted: int, errors: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "writeErrors": errors,
        "writeConcernErrors": [],
        "nInserted": inserted,
        "nUpserted": 0,
        "nMatched": 0,
        "nModified": 0,
        "nRemoved": 0,
        "upserted": [],
    }
