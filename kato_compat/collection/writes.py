"""The writing methods of collections (pymongo documentation: collection, results)."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo import common
from pymongo.collection import ReturnDocument
from pymongo.errors import BulkWriteError, ConfigurationError, DocumentTooLarge, OperationFailure
from pymongo.results import BulkWriteResult, DeleteResult, InsertManyResult, InsertOneResult, UpdateResult
from pymongo.write_concern import validate_boolean

from kato_compat.collection.bulk import Bulk
from kato_compat.collection.face import (
    collation,
    command_error,
    filter_document,
    hand_out,
    is_of_write,
    parsed_sort,
    projection_document,
    write_error,
)
from kato_compat.collection.namespace import Namespace
from kato_compat.collection.stream import limit_of
from kato_compat.execute import writing
from kato_compat.execute.bulk import Insert, bulk
from kato_compat.execute.storage import Outcome
from kato_compat.options import check_session, take
from kato_compat.parse.command import Delete, Modify, Write
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.projection import parse_projection
from kato_compat.parse.update import check_upsert, parse_replacement, parse_update
from kato_compat.plan.increment import Increment
from kato_compat.values.document import Document, decode, encode, normalise
from kato_compat.values.validity import check_document

#: The largest command that pymongo sends, in bytes.
_LARGEST_MESSAGE: Final = writing.MAX_DOCUMENT + 16382


class Writes(Namespace):
    """insert, update, replace, delete, find-and-modify and bulk_write."""

    @property
    def _acknowledged(self) -> bool:
        return bool(self.write_concern.acknowledged)

    # insert

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
            (outcome,) = self.deployment.run(writing.insert(self.storage, [request.document], generated=positions))
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

        Raises 10334 for one that the server would not even read; `DocumentTooLarge` for one that pymongo does not
        send: such a one `alone`, and any beyond 16 MiB where the write is unacknowledged.
        """
        try:
            return Insert(*self._prepared(document))
        except OperationFailure as error:
            if error.code == 10334 and not alone:
                raise
            if error.code == 10334 or (error.code == 2 and not self._acknowledged):
                raise DocumentTooLarge(f"BSON document too large: {(error.details or {}).get('errmsg')}") from error
            return error

    def _prepared(self, document: Any) -> tuple[Document, bool]:
        """The document to store, in internal form, `_id` first, and whether that was generated.

        The caller's document gets the `_id` too, also where the write then fails, as in pymongo.
        """
        prepared = normalise(document, self.codec_options)
        generated = "_id" not in prepared
        if generated:
            value = self.storage.identify(prepared)
            prepared = {"_id": value, **prepared}
            if not isinstance(document, RawBSONDocument) and isinstance(document, MutableMapping):
                document["_id"] = value
        elif next(iter(prepared)) != "_id":
            prepared = {"_id": prepared["_id"], **prepared}
        writing.check_size(prepared, 2)
        check_document(prepared)
        return prepared, generated

    # update

    def _write(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        change: Any,
        *,
        replace: bool = False,
        multi: bool = False,
        upsert: bool = False,
        array_filters: Any = None,
        order: Any = None,
        let: Any = None,
        sort: Any = None,
        parsed_before: dict[Any, Any] | None = None,
    ) -> Write:
        """The parsed write of one request; `parsed_before` keeps what the requests of one bulk have in common.

        Raises `DocumentTooLarge` for a single write that pymongo would not send.
        """
        options = self.codec_options
        parsed_order = collation(order)
        known = {} if parsed_before is None else parsed_before
        scope = known.get(parsed_order)
        if scope is None:
            scope = known[parsed_order] = self._scope(let, parsed_order)
        criteria = filter_document(filter, options)
        held = encode({"v": change, "f": array_filters}, options)
        if parsed_before is None and len(held) > _LARGEST_MESSAGE:
            raise DocumentTooLarge("update command document too large")
        if replace:
            update = parse_replacement(decode(held)["v"], scope)
        else:
            if (held, parsed_order) not in known:
                parts = decode(held)
                known[held, parsed_order] = parse_update(
                    parts["v"], scope, array_filters=parts["f"], collation=parsed_order
                )
            update = known[held, parsed_order]
        # As on the server, the update is parsed before the filter.
        parsed = parse_filter(criteria, scope, collation=parsed_order)
        if upsert:
            check_upsert(criteria)
        seed = (lambda: update.seed(parsed)) if upsert else None
        return Write(parsed, update, multi, parsed_sort(sort, scope, parsed_order), seed)

    def _update(self, filter: Any, change: Any, session: Any, hint: Any, **request: Any) -> UpdateResult:  # noqa: A002
        check_session(session)
        common.validate_is_mapping("filter", filter)
        self._check_unacknowledged(request)
        if request.get("sort") is not None:
            common.validate_is_mapping("sort", request["sort"])
        raw: dict[str, Any] = {}
        with self._reporting():
            increment = self._increment(filter, change, hint, request)
            if increment is None:
                write = self._write(filter, change, **request)
                self._hinted(hint)
                written = self.deployment.run(writing.update(self.storage, write))
            else:
                written = self.deployment.run(writing.increase(self.storage, increment))
            raw = {"n": written.matched + written.inserted, "nModified": written.modified, "ok": 1.0}
            if written.inserted:
                raw["upserted"] = written.upserted
            raw["updatedExisting"] = bool(written.matched)
        return UpdateResult(raw, self._acknowledged)

    def _increment(self, filter: Any, change: Any, hint: Any, request: Mapping[str, Any]) -> Increment | None:  # noqa: A002
        """The increment that an update is, None if it is none."""
        recogniser = self.storage.recogniser
        if recogniser is None or hint is not None or "replace" in request:
            return None
        for name in ("order", "array_filters", "let", "sort"):
            if request.get(name) is not None:
                return None
        return recogniser.find(filter, change, request["upsert"], request.get("multi", False))

    def _check_unacknowledged(self, request: Mapping[str, Any]) -> None:
        validate_boolean("upsert", request.get("upsert", False))
        if not self._acknowledged:
            for name, shown in (("order", "Collation"), ("array_filters", "arrayFilters")):
                if request.get(name) is not None:
                    raise ConfigurationError(f"{shown} is unsupported for unacknowledged writes.")

    def update_one(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        update: Any,
        upsert: bool = False,
        bypass_document_validation: bool | None = None,
        collation: Any = None,
        array_filters: Any = None,
        hint: Any = None,
        session: Any = None,
        let: Any = None,
        sort: Any = None,
        comment: Any = None,
    ) -> UpdateResult:
        """Update the first document that matches."""
        common.validate_ok_for_update(update)
        common.validate_list_or_none("array_filters", array_filters)
        request = {"upsert": upsert, "order": collation, "array_filters": array_filters, "let": let, "sort": sort}
        return self._update(filter, update, session, hint, **request)

    def update_many(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        update: Any,
        upsert: bool = False,
        array_filters: Any = None,
        bypass_document_validation: bool | None = None,
        collation: Any = None,
        hint: Any = None,
        session: Any = None,
        let: Any = None,
        comment: Any = None,
    ) -> UpdateResult:
        """Update every document that matches."""
        common.validate_ok_for_update(update)
        common.validate_list_or_none("array_filters", array_filters)
        request = {"upsert": upsert, "order": collation, "array_filters": array_filters, "let": let, "multi": True}
        return self._update(filter, update, session, hint, **request)

    def replace_one(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        replacement: Any,
        upsert: bool = False,
        bypass_document_validation: bool | None = None,
        collation: Any = None,
        hint: Any = None,
        session: Any = None,
        let: Any = None,
        sort: Any = None,
        comment: Any = None,
    ) -> UpdateResult:
        """Replace the first document that matches."""
        common.validate_ok_for_replace(replacement)
        request = {"replace": True, "upsert": upsert, "order": collation, "let": let, "sort": sort}
        return self._update(filter, replacement, session, hint, **request)

    # delete

    def delete_one(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        collation: Any = None,
        hint: Any = None,
        session: Any = None,
        let: Any = None,
        comment: Any = None,
    ) -> DeleteResult:
        """Delete the first document that matches."""
        return self._delete(filter, collation, hint, session, let, False)

    def delete_many(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        collation: Any = None,
        hint: Any = None,
        session: Any = None,
        let: Any = None,
        comment: Any = None,
    ) -> DeleteResult:
        """Delete every document that matches."""
        return self._delete(filter, collation, hint, session, let, True)

    def _delete(self, filter: Any, order: Any, hint: Any, session: Any, let: Any, multi: bool) -> DeleteResult:  # noqa: A002
        check_session(session)
        common.validate_is_mapping("filter", filter)
        self._check_unacknowledged({"order": order})
        deleted = 0
        with self._reporting():
            parsed_order = collation(order)
            scope = self._scope(let, parsed_order)
            parsed = parse_filter(filter_document(filter, self.codec_options), scope, collation=parsed_order)
            self._hinted(hint)
            deleted, _ = self.deployment.run(writing.delete(self.storage, Delete(parsed, multi)))
        return DeleteResult({"n": deleted, "ok": 1.0}, self._acknowledged)

    # find and modify

    def find_one_and_delete(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        projection: Any = None,
        sort: Any = None,
        hint: Any = None,
        session: Any = None,
        let: Any = None,
        comment: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Delete the first document that matches and return it, None if none does."""
        check_session(session)
        common.validate_is_mapping("filter", filter)
        options = take("findAndModify", kwargs, "collation", "maxTimeMS")
        order = collation(options.get("collation"))
        scope = self._scope(let, order)
        parsed = parse_filter(filter_document(filter, self.codec_options), scope, collation=order)
        raw = projection_document(projection, self.codec_options)
        shape = parse_projection(raw, scope, find=True, predicate=parsed) if raw else None
        delete = Delete(parsed, False, parsed_sort(sort, scope, order))
        return self._modify(Modify(delete=delete, projection=shape), hint, options)

    def find_one_and_replace(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        replacement: Any,
        projection: Any = None,
        sort: Any = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        hint: Any = None,
        session: Any = None,
        let: Any = None,
        comment: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Replace the first document that matches; the document before or after, None if there is none."""
        common.validate_ok_for_replace(replacement)
        return self._find_and_write(
            filter, replacement, True, projection, sort, upsert, return_document, None, hint, session, let, kwargs
        )

    def find_one_and_update(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        update: Any,
        projection: Any = None,
        sort: Any = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        array_filters: Any = None,
        hint: Any = None,
        session: Any = None,
        let: Any = None,
        comment: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Update the first document that matches; the document before or after, None if there is none."""
        common.validate_ok_for_update(update)
        common.validate_list_or_none("array_filters", array_filters)
        return self._find_and_write(
            filter, update, False, projection, sort, upsert, return_document, array_filters, hint, session, let, kwargs
        )

    def _find_and_write(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        change: Any,
        replace: bool,
        projection: Any,
        sort: Any,
        upsert: bool,
        return_document: bool,
        array_filters: Any,
        hint: Any,
        session: Any,
        let: Any,
        kwargs: dict[str, Any],
    ) -> Any:
        check_session(session)
        common.validate_is_mapping("filter", filter)
        if not isinstance(return_document, bool):
            raise TypeError(
                f"return_document must be ReturnDocument.BEFORE or ReturnDocument.AFTER, not {return_document}"
            )
        options = take("findAndModify", kwargs, "collation", "maxTimeMS")
        self._check_unacknowledged({"upsert": upsert, "array_filters": array_filters})
        write = self._write(
            filter,
            change,
            replace=replace,
            upsert=upsert,
            array_filters=array_filters,
            order=options.get("collation"),
            let=let,
            sort=sort,
        )
        raw = projection_document(projection, self.codec_options)
        scope = self._scope(let, collation(options.get("collation")))
        shape = parse_projection(raw, scope, find=True, predicate=write.predicate) if raw else None
        return self._modify(Modify(write=write, projection=shape, new=return_document), hint, options)

    def _modify(self, command: Modify, hint: Any, options: Mapping[str, Any]) -> Any:
        limit = limit_of(options.get("maxTimeMS"))
        self._hinted(hint)
        try:
            document, _ = self._run(writing.modify(self.storage, command), limit)
        except OperationFailure as error:
            raise command_error(error) from error
        return None if document is None else hand_out(document, self.codec_options, True)

    # bulk

    def bulk_write(
        self,
        requests: Sequence[Any],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: Any = None,
        comment: Any = None,
        let: Any = None,
    ) -> BulkWriteResult:
        """Make several writes. Raises `BulkWriteError` for refused ones; its details say what was done."""
        check_session(session)
        common.validate_list("requests", requests)
        bulk = Bulk(self._self, ordered, let)
        for request in requests:
            bulk.add(request)
        return bulk.run()


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
