"""bulk_write of a collection (pymongo documentation: Bulk Write Operations)."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bson.errors import BSONError
from pymongo import common
from pymongo.errors import BulkWriteError, ConfigurationError, InvalidOperation, OperationFailure
from pymongo.results import BulkWriteResult

from kato_compat.collection.face import is_of_write
from kato_compat.execute.bulk import Insert, Request, Result, bulk
from kato_compat.parse.command import Delete, Write, Written
from kato_compat.parse.express import express
from kato_compat.values.document import Document, normalise_all

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection

#: A request that is still to be parsed: its place, filter, update (None for a deletion), and its other arguments.
_Asked = tuple[int, Any, Any, dict[str, Any]]
#: What stands in its place until then.
_LATER: Final = OperationFailure("not parsed yet")
#: Requests that are normalised at once.
_TOGETHER: Final = 50
#: The kinds of writes, in the order in which pymongo sends those of an unordered bulk_write.
_INSERT, _UPDATE, _DELETE = range(3)


class Bulk:
    """One bulk_write. All requests are checked and parsed before the first is made.

    Requests add themselves by pymongo's own `add_insert`, `add_update`, `add_replace` and `add_delete`, so that
    what they check and the operations that errors show are pymongo's. Filters and updates are normalised and parsed
    many at a time; an error that this gives is raised before those of later requests.
    """

    def __init__(self, collection: "Collection", ordered: bool, let: Any) -> None:
        self._collection = collection
        self._ordered = ordered
        self._let = let
        self._operations: list[Any] = []
        self._prepared: list[Request] = []
        self._express = collection.storage.foresees and let is None
        self._asked: list[_Asked] = []
        self._hints: dict[int, Any] = {}
        self._kinds: list[int] = []
        self._parsed: dict[Any, Any] = {}
        # Variables must be looked at by what parses them.
        self._recogniser = collection.storage.recogniser if let is None else None
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
        try:
            if add is None:
                raise TypeError(f"{request!r} is not a valid request")
            add(self)
        except Exception:
            # What was asked before may have an error, which comes first.
            self._parse()
            raise

    def add_insert(self, document: Any) -> None:
        """Called by `InsertOne`."""
        common.validate_is_document_type("document", document)
        # The caller's document may get an `_id`: what was given before may have it as a part.
        self._parse()
        self._append(_INSERT, document, self._collection._insertion(document), None)

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
        if (
            self._recogniser is not None
            and collation is None
            and array_filters is None
            and hint is None
            and sort is None
        ):
            increment = self._recogniser.find(selector, update, bool(upsert), multi)
            if increment is not None:
                operation = {"q": selector, "u": update, "multi": multi}
                if upsert is not None:
                    operation["upsert"] = upsert
                self._append(_UPDATE, operation, increment, None)
                return
        if type(update) is not dict or not update or not next(iter(update)).startswith("$"):
            common.validate_ok_for_update(update)
        operation = {"q": selector, "u": update, "multi": multi}
        self.add_write(operation, False, upsert, collation, array_filters, hint, sort)

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
        self.add_write({"q": selector, "u": replacement}, True, upsert, collation, None, hint, sort)

    def add_write(
        self,
        operation: dict[str, Any],
        replace: bool,
        upsert: Any,
        order: Any,
        array_filters: Any,
        hint: Any,
        sort: Any,
    ) -> None:
        """Add an update or, with `replace`, a replacement; `operation` is what errors show of it."""
        multi: bool = operation.get("multi", False)
        if upsert is not None:
            operation["upsert"] = upsert
        if order is not None or array_filters is not None or hint is not None or sort is not None:
            given = {"collation": order, "arrayFilters": array_filters, "hint": hint, "sort": sort}
            operation.update({name: value for name, value in given.items() if value is not None})
            self._check_acknowledged(order, array_filters)
        elif self._express and not replace and not multi:
            quick = express(operation["q"], operation["u"], bool(upsert))
            if quick is not None:
                self._append(_UPDATE, operation, quick, None)
                return
        place = self._append(_UPDATE, operation, _LATER, hint)
        request: dict[str, Any] = {"replace": replace, "multi": multi, "upsert": bool(upsert)}
        if order is not None or array_filters is not None or sort is not None:
            request |= {"order": order, "array_filters": array_filters, "sort": sort}
        self._asked.append((place, operation["q"], operation["u"], request))

    def add_failure(self, operation: dict[str, Any], error: OperationFailure) -> None:
        """Add an update that the server refuses when its turn comes."""
        self._append(_UPDATE, operation, error, None)

    def add_delete(self, selector: Any, limit: int, collation: Any = None, hint: Any = None) -> None:
        """Called by `DeleteOne` and `DeleteMany`."""
        operation = {"q": selector, "limit": limit}
        operation.update({key: value for key, value in (("collation", collation), ("hint", hint)) if value is not None})
        self._check_acknowledged(collation, None)
        place = self._append(_DELETE, operation, _LATER, hint)
        self._asked.append((place, selector, None, {"multi": limit == 0, "order": collation}))

    def _parse(self) -> None:
        """Parse what was asked since the last time."""
        asked, self._asked = self._asked, []
        for start in range(0, len(asked), _TOGETHER):
            part = asked[start : start + _TOGETHER]
            for each, normal in zip(part, self._normalised(part), strict=True):
                try:
                    self._prepared[each[0]] = self._request(each, normal)
                except OperationFailure as error:
                    if not is_of_write(error):
                        raise
                    # The server answers for each operation when its turn comes.
                    self._prepared[each[0]] = error

    def _request(self, asked: "_Asked", normal: tuple[Document, Any] | None) -> Write | Delete:
        _, selector, change, request = asked
        collection, let, known = self._collection, self._let, self._parsed
        if change is not None:
            return collection._write(selector, change, let=let, known=known, normal=normal, **request)
        document = None if normal is None else normal[0]
        return collection._deletion(selector, let=let, known=known, normal=document, **request)

    def _normalised(self, asked: "Sequence[_Asked]") -> "Sequence[tuple[Document, Any] | None]":
        """Filters and updates in internal form; None for those that must be normalised one after the other."""
        values: list[Any] = []
        for _, selector, change, _ in asked:
            if type(selector) is not dict:
                return [None] * len(asked)
            values += (selector, change)
        try:
            found = normalise_all(values, self._collection.codec_options)
        except (BSONError, OverflowError, UnicodeError):
            # Each gets the error of its own value, when its turn comes.
            return [None] * len(asked)
        return list(zip(found[0::2], found[1::2], strict=True))

    def _check_acknowledged(self, order: Any, array_filters: Any) -> None:
        if self._unacknowledged:
            for given, shown in ((order, "Collation"), (array_filters, "arrayFilters")):
                if given is not None:
                    raise ConfigurationError(f"{shown} is unsupported for unacknowledged writes.")

    def _append(self, kind: int, operation: Any, prepared: Request, hint: Any) -> int:
        place = len(self._operations)
        self._kinds.append(kind)
        self._operations.append(operation)
        self._prepared.append(prepared)
        if hint is not None:
            self._hints[place] = hint
        return place

    def run(self) -> BulkWriteResult:
        """Make the requests. Raises `BulkWriteError` for refused ones; its details say what was done."""
        if not self._operations:
            raise InvalidOperation("No operations to execute")
        self._parse()
        self._check_hints()
        collection = self._collection
        order = list(range(len(self._prepared)))
        if not self._ordered:
            # As pymongo sends them: a command for each kind of write.
            order = sorted(order, key=self._kinds.__getitem__)
        requests = [self._prepared[position] for position in order]
        results = collection.deployment.run(bulk(collection.storage, requests, self._ordered))
        for position, result in zip(order, results, strict=False):
            self._note(position, result)
        self._result["writeErrors"].sort(key=lambda error: error["index"])
        if self._unacknowledged:
            return BulkWriteResult({}, False)
        if self._result["writeErrors"]:
            raise BulkWriteError(self._result)
        return BulkWriteResult(self._result, True)

    def _check_hints(self) -> None:
        """Put the error of a hint that names no index in the place of its request."""
        known: dict[str, OperationFailure | None] = {}
        for position, hint in self._hints.items():
            shown = repr(hint)
            if shown not in known:
                known[shown] = None
                try:
                    self._collection._hinted(hint)
                except OperationFailure as error:
                    known[shown] = error
            error_of_hint = known[shown]
            if error_of_hint is not None and not isinstance(self._prepared[position], OperationFailure):
                self._prepared[position] = error_of_hint

    def _note(self, position: int, outcome: Result) -> None:
        """Add what became of a request to the result."""
        result = self._result
        match outcome:
            case Written():
                result["nMatched"] += outcome.matched
                result["nModified"] += outcome.modified
                if outcome.inserted:
                    result["nUpserted"] += 1
                    result["upserted"].append({"index": position, "_id": outcome.upserted})
            case OperationFailure():
                self._fail(outcome, position)
            case int():
                result["nRemoved"] += outcome
            case _:
                result["nInserted"] += 1
                prepared, operation = self._prepared[position], self._operations[position]
                if isinstance(prepared, Insert) and prepared.generated and isinstance(operation, MutableMapping):
                    # The storage may have given it another `_id` than the one that was proposed.
                    operation["_id"] = prepared.document["_id"]

    def _fail(self, error: OperationFailure, position: int) -> None:
        details: Mapping[str, Any] = error.details or {}
        entry = {"index": position, "code": error.code, "errmsg": details.get("errmsg", str(error))}
        entry.update({name: details[name] for name in ("keyPattern", "keyValue", "errInfo") if name in details})
        entry["op"] = self._operations[position]
        self._result["writeErrors"].append(entry)
