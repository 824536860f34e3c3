"""The writing methods of collections (pymongo documentation: collection, results)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from pymongo import common
from pymongo.collection import ReturnDocument
from pymongo.errors import ConfigurationError, DocumentTooLarge, OperationFailure
from pymongo.results import BulkWriteResult, DeleteResult, UpdateResult
from pymongo.write_concern import validate_boolean

from kato_compat.collection.bulk import Bulk
from kato_compat.collection.face import (
    collation,
    command_error,
    filter_document,
    hand_out,
    parsed_sort,
    projection_document,
)
from kato_compat.collection.inserts import Inserts
from kato_compat.collection.stream import limit_of
from kato_compat.execute import writing
from kato_compat.execute.bulk import express_update
from kato_compat.ir.requests import Flow
from kato_compat.options import check_session, take
from kato_compat.parse.command import Delete, Modify, Write, Written
from kato_compat.parse.express import express
from kato_compat.parse.expression import Context
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.projection import parse_projection
from kato_compat.parse.update import Update, check_upsert, parse_replacement, parse_update, prepared
from kato_compat.plan.increment import Increment
from kato_compat.values.collation import Collation
from kato_compat.values.document import Document, decode, encode

#: The largest command that pymongo sends, in bytes.
_LARGEST_MESSAGE: Final = writing.MAX_DOCUMENT + 16382


class Writes(Inserts):
    """insert, update, replace, delete, find-and-modify and bulk_write."""

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
        known: dict[Any, Any] | None = None,
        normal: tuple[Document, Any] | None = None,
    ) -> Write:
        """The parsed write of one request.

        `known` keeps what the requests of one bulk have in common; `normal` are filter and change in internal form,
        where they were brought to it already.

        Raises `DocumentTooLarge` for a single write that pymongo would not send.
        """
        options = self.codec_options
        single = known is None
        known = {} if known is None else known
        parsed_order, scope = self._ordered(order, let, known)
        document = filter_document(filter, options) if normal is None else normal[0]
        # As on the server, the update is parsed before the filter.
        update: Update | None = None
        if normal is not None and array_filters is None:
            update = parse_replacement(normal[1], scope) if replace else prepared(normal[1])
        if update is None:
            held = encode({"v": change, "f": array_filters}, options)
            if single and len(held) > _LARGEST_MESSAGE:
                raise DocumentTooLarge("update command document too large")
            if replace:
                update = parse_replacement(decode(held)["v"], scope)
            else:
                update = known.get((held, parsed_order))
            if update is None:
                parts = decode(held)
                update = parse_update(parts["v"], scope, array_filters=parts["f"], collation=parsed_order)
                known[held, parsed_order] = update
        parsed = parse_filter(document, scope, collation=parsed_order)
        if upsert:
            check_upsert(document)
        seed = partial(update.seed, parsed) if upsert else None
        return Write(parsed, update, multi, None if sort is None else parsed_sort(sort, scope, parsed_order), seed)

    def _ordered(self, order: Any, let: Any, known: dict[Any, Any]) -> tuple[Collation | None, Context]:
        """The parsed collation of a request, and the scope of its expressions, kept in `known`."""
        parsed_order = None if order is None else collation(order)
        scope = known.get(parsed_order)
        if scope is None:
            scope = known[parsed_order] = self._scope(let, parsed_order)
        return parsed_order, scope

    def _deletion(
        self,
        filter: Any,  # noqa: A002 - pymongo's name
        *,
        multi: bool,
        order: Any = None,
        let: Any = None,
        known: dict[Any, Any] | None = None,
        normal: Document | None = None,
    ) -> Delete:
        """The parsed deletion of one request; `known` and `normal` (the filter alone) as for `_write`."""
        document = filter_document(filter, self.codec_options) if normal is None else normal
        parsed_order, scope = self._ordered(order, let, {} if known is None else known)
        return Delete(parse_filter(document, scope, collation=parsed_order), multi)

    def _update(self, filter: Any, change: Any, session: Any, hint: Any, **request: Any) -> UpdateResult:  # noqa: A002
        check_session(session)
        common.validate_is_mapping("filter", filter)
        self._check_unacknowledged(request)
        if request.get("sort") is not None:
            common.validate_is_mapping("sort", request["sort"])
        raw: dict[str, Any] = {}
        with self._reporting():
            written = self.deployment.run(self._updating(filter, change, hint, request))
            raw = {"n": written.matched + written.inserted, "nModified": written.modified, "ok": 1.0}
            if written.inserted:
                raw["upserted"] = written.upserted
            raw["updatedExisting"] = bool(written.matched)
        return UpdateResult(raw, self._acknowledged)

    def _updating(self, filter: Any, change: Any, hint: Any, request: dict[str, Any]) -> Flow[Written]:  # noqa: A002
        """The flow of an update. Raises the errors of its arguments."""
        upsert = request.get("upsert", False)
        if self.storage.foresees and all(value is None for name, value in request.items() if name != "upsert"):
            quick = express(filter, change, bool(upsert)) if hint is None else None
            if quick is not None:
                return express_update(self.storage, quick)
        increment = self._increment(filter, change, hint, request)
        if increment is not None:
            return writing.increase(self.storage, increment)
        write = self._write(filter, change, **request)
        self._hinted(hint)
        return writing.update(self.storage, write)

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
            command = self._deletion(filter, multi=multi, order=order, let=let)
            self._hinted(hint)
            deleted, _ = self.deployment.run(writing.delete(self.storage, command))
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
