"""The results of a find, as pymongo's `Cursor` (pymongo documentation: cursor)."""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from bson.code import Code
from pymongo import common, helpers_shared
from pymongo.collation import validate_collation_or_none
from pymongo.cursor_shared import _QUERY_OPTIONS, CursorType
from pymongo.errors import InvalidOperation
from pymongo.write_concern import validate_boolean

from kato_compat.collection.bounds import Bounded
from kato_compat.collection.face import collation, context, filter_document, parsed_sort, projection_document
from kato_compat.collection.stream import (
    FIRST_BATCH,
    Batches,
    Source,
    Stream,
    cursor_number,
    limit_of,
    limited_storage,
)
from kato_compat.errors import fail, refused
from kato_compat.execute.reading import Finding
from kato_compat.options import check, check_session
from kato_compat.parse.command import Find
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.projection import parse_projection
from kato_compat.parse.sort import parse_sort
from kato_compat.values.document import Document, normalise_value

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection

_TYPES: Final = frozenset({CursorType.NON_TAILABLE, CursorType.TAILABLE, CursorType.TAILABLE_AWAIT, CursorType.EXHAUST})
_TAILABLE: Final = _QUERY_OPTIONS["tailable_cursor"]
_EXHAUST: Final = _QUERY_OPTIONS["exhaust"]


class Cursor(Batches):
    """The results of a find. Nothing is read before the first document is asked for.

    The parameters are those of pymongo's `Cursor`, and `pushdown`: False answers everything in Python.
    """

    def __init__(
        self,
        collection: "Collection",
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - pymongo's name
        projection: Any = None,
        skip: int = 0,
        limit: int = 0,
        no_cursor_timeout: bool = False,
        cursor_type: int = CursorType.NON_TAILABLE,
        sort: Any = None,
        allow_partial_results: bool = False,
        oplog_replay: bool = False,
        batch_size: int = 0,
        collation: Any = None,
        hint: Any = None,
        max_scan: int | None = None,
        max_time_ms: int | None = None,
        max: Any = None,  # noqa: A002 - pymongo's name
        min: Any = None,  # noqa: A002 - pymongo's name
        return_key: bool | None = None,
        show_record_id: bool | None = None,
        snapshot: bool | None = None,
        comment: Any = None,
        session: Any = None,
        allow_disk_use: bool | None = None,
        let: Any = None,
        pushdown: bool = True,
    ) -> None:
        super().__init__(collection)
        check_session(session)
        common.validate_is_mapping("filter", filter or {})
        if not isinstance(skip, int):
            raise TypeError(f"skip must be an instance of int, not {type(skip)}")
        if not isinstance(limit, int):
            raise TypeError(f"limit must be an instance of int, not {type(limit)}")
        validate_boolean("no_cursor_timeout", no_cursor_timeout)
        if cursor_type not in _TYPES:
            raise ValueError("not a valid value for cursor_type")
        validate_boolean("allow_partial_results", allow_partial_results)
        validate_boolean("oplog_replay", oplog_replay)
        if allow_disk_use is not None:
            validate_boolean("allow_disk_use", allow_disk_use)
        if projection is not None:
            helpers_shared._fields_list_to_dict(projection, "projection")
        if let is not None:
            common.validate_is_document_type("let", let)
        check(show_record_id=show_record_id, max_scan=max_scan, snapshot=snapshot)
        self._filter: Mapping[str, Any] = filter or {}
        self._projection = projection
        self._skip = skip
        self._limit = limit
        self._flags = cursor_type
        self._sort = (sort and helpers_shared._index_document(sort)) or None
        self._collation = validate_collation_or_none(collation)
        self._max_time_ms = max_time_ms
        self._max = max
        self._min = min
        self._return_key = bool(return_key)
        self._comment = comment
        self._let = let
        self._pushdown = pushdown
        # ``cursor[5:5]`` is empty, which a limit of 0 would not say.
        self._empty = False
        self._batch_size = 0
        self.batch_size(batch_size)
        self._hint = _hint(hint)
        self._check_flags()

    def _check_flags(self) -> None:
        if self._flags & _TAILABLE:
            raise refused("a tailable cursor", "there are no capped collections")
        if self._flags & _EXHAUST and self._limit:
            raise InvalidOperation("Can't use limit and exhaust together.")

    # options

    def _check_okay_to_chain(self) -> None:
        if self._retrieved or self._id is not None:
            raise InvalidOperation("cannot set options after executing query")

    def limit(self, limit: int) -> Self:
        """Return at most `limit` documents; 0 is no limit. A negative one takes them in a single batch."""
        if not isinstance(limit, int):
            raise TypeError(f"limit must be an integer, not {type(limit)}")
        if self._flags & _EXHAUST:
            raise InvalidOperation("Can't use limit and exhaust together.")
        self._check_okay_to_chain()
        self._empty = False
        self._limit = limit
        return self

    def skip(self, skip: int) -> Self:
        """Leave out the first `skip` documents."""
        if not isinstance(skip, int):
            raise TypeError(f"skip must be an integer, not {type(skip)}")
        if skip < 0:
            raise ValueError("skip must be >= 0")
        self._check_okay_to_chain()
        self._skip = skip
        return self

    def sort(self, key_or_list: Any, direction: Any = None) -> Self:
        """Sort by a field (and direction) or by a list of fields or pairs."""
        self._check_okay_to_chain()
        pairs: Any = helpers_shared._index_list(key_or_list, direction)
        self._sort = helpers_shared._index_document(pairs)
        return self

    def batch_size(self, batch_size: int) -> Self:
        """Read `batch_size` documents at a time; 0 is 101 and then as many as come at once."""
        if not isinstance(batch_size, int):
            raise TypeError(f"batch_size must be an integer, not {type(batch_size)}")
        if batch_size < 0:
            raise ValueError("batch_size must be >= 0")
        self._check_okay_to_chain()
        self._batch_size = batch_size
        return self

    def hint(self, index: Any) -> Self:
        """Name an index, which must exist; the plan is chosen by the planner. None takes it back."""
        self._check_okay_to_chain()
        self._hint = _hint(index)
        return self

    def comment(self, comment: Any) -> Self:
        """Attach a comment; ignored (see `kato_compat.options`)."""
        self._check_okay_to_chain()
        self._comment = comment
        return self

    def max_time_ms(self, max_time_ms: int | None) -> Self:
        """Raise `ExecutionTimeout` when the query takes longer than this many milliseconds; None and 0: no limit."""
        if not isinstance(max_time_ms, int) and max_time_ms is not None:
            raise TypeError(f"max_time_ms must be an integer or None, not {type(max_time_ms)}")
        self._check_okay_to_chain()
        self._max_time_ms = max_time_ms
        return self

    def max_await_time_ms(self, max_await_time_ms: int | None) -> Self:
        """Only for tailable cursors, which there are none of: without effect, as in pymongo."""
        if not isinstance(max_await_time_ms, int) and max_await_time_ms is not None:
            raise TypeError(f"max_await_time_ms must be an integer or None, not {type(max_await_time_ms)}")
        self._check_okay_to_chain()
        return self

    def max_scan(self, max_scan: int | None) -> Self:
        """Refused: the server has no such option since 4.2."""
        self._check_okay_to_chain()
        check(max_scan=max_scan)
        return self

    def collation(self, collation: Any) -> Self:
        """Compare strings by a collation."""
        self._check_okay_to_chain()
        self._collation = validate_collation_or_none(collation)
        return self

    def allow_disk_use(self, allow_disk_use: bool) -> Self:
        """Allow a sort to spill to disk; ignored (see `kato_compat.options`)."""
        if not isinstance(allow_disk_use, bool):
            raise TypeError(f"allow_disk_use must be a bool, not {type(allow_disk_use)}")
        self._check_okay_to_chain()
        return self

    def min(self, spec: Any) -> Self:
        """The inclusive lower bound of the hinted index."""
        if not isinstance(spec, list | tuple):
            raise TypeError(f"spec must be an instance of list or tuple, not {type(spec)}")
        self._check_okay_to_chain()
        self._min = dict(spec)
        return self

    def max(self, spec: Any) -> Self:
        """The exclusive upper bound of the hinted index."""
        if not isinstance(spec, list | tuple):
            raise TypeError(f"spec must be an instance of list or tuple, not {type(spec)}")
        self._check_okay_to_chain()
        self._max = dict(spec)
        return self

    def where(self, code: Any) -> Self:
        """Refused when the query runs: there is no server-side JavaScript."""
        self._check_okay_to_chain()
        self._filter = {**self._filter, "$where": code if isinstance(code, Code) else Code(code)}
        return self

    def add_option(self, mask: int) -> Self:
        """Set query flags; those of tailable cursors are refused, the others have no effect."""
        if not isinstance(mask, int):
            raise TypeError(f"mask must be an int, not {type(mask)}")
        self._check_okay_to_chain()
        self._flags |= mask
        self._check_flags()
        return self

    def remove_option(self, mask: int) -> Self:
        """Unset query flags."""
        if not isinstance(mask, int):
            raise TypeError(f"mask must be an int, not {type(mask)}")
        self._check_okay_to_chain()
        self._flags &= ~mask
        return self

    # running

    def _command(self) -> Find:
        collection = self._collection
        options = collection.codec_options
        if self._skip < 0:
            raise fail(51024, f"BSON field 'skip' value must be >= 0, actual value '{self._skip}'")
        order = collation(self._collation)
        scope = context(collection.database.name, collection.name, self._let, options, order)
        predicate = parse_filter(filter_document(self._filter, options), scope, collation=order)
        raw = projection_document(self._projection, options)
        projection = parse_projection(raw, scope, find=True, predicate=predicate) if raw else None
        sort = parsed_sort(self._sort, scope, order)
        if sort is None and isinstance(self._hint, dict) and list(self._hint) == ["$natural"]:
            sort = parse_sort(self._hint, scope, find=True)
        return Find(predicate, projection, sort, self._skip, abs(self._limit), self._pushdown)

    def _open(self) -> Stream:
        collection = self._collection
        if (self._min or self._max) and not self._hint:
            raise InvalidOperation(
                "Passing a 'hint' is required when using the min/max query option to ensure the query utilizes the "
                "correct index"
            )
        command = self._command()
        limit = limit_of(self._max_time_ms)
        storage = limited_storage(collection.storage, limit)
        index = collection._hinted(self._hint)
        source: Source
        shared = True
        if self._return_key or self._min or self._max:
            bounds = [normalise_value(dict(each or {}), collection.codec_options) for each in (self._min, self._max)]
            source = Bounded(storage, command, index, bounds[0], bounds[1], self._return_key)
        else:
            source = finding = Finding(storage, command)
            shared = finding.shared
        return Stream(collection, source, limit, shared)

    def _refresh(self) -> int:
        if self._empty:
            return 0
        while not self._data and not self._killed:
            if self._stream is None:
                self._stream = self._open()
                self._id = cursor_number()
                count = self._batch_size or FIRST_BATCH
            else:
                count = self._batch_size
            most = abs(self._limit)
            if most and (not count or most - self._retrieved < count):
                count = most - self._retrieved
            self._read(self._stream, count)
            if most and (self._limit < 0 or self._retrieved >= most):
                self._end()
        return len(self._data)

    def __getitem__(self, index: Any) -> Any:
        """A document by position, or this cursor over a slice in the place of its skip and limit."""
        self._check_okay_to_chain()
        self._empty = False
        if isinstance(index, slice):
            if index.step is not None:
                raise IndexError("Cursor instances do not support slice steps")
            skip = 0
            if index.start is not None:
                if index.start < 0:
                    raise IndexError("Cursor instances do not support negative indices")
                skip = index.start
            limit = 0
            if index.stop is not None:
                limit = index.stop - skip
                if limit < 0:
                    raise IndexError(f"stop index must be greater than start index for slice {index!r}")
                self._empty = limit == 0
            self._skip = skip
            self._limit = limit
            return self
        if isinstance(index, int):
            if index < 0:
                raise IndexError("Cursor instances do not support negative indices")
            with self.clone().skip(index + self._skip).limit(-1) as clone:
                for document in clone:
                    return document
            raise IndexError("no such item for Cursor instance")
        raise TypeError(f"index {index!r} cannot be applied to Cursor instances")

    def distinct(self, key: str) -> list[Any]:
        """The distinct values of `key` among the documents of the query (its sort, skip and limit do not count)."""
        options = {"maxTimeMS": self._max_time_ms, "collation": self._collation}
        given = {name: value for name, value in options.items() if value is not None}
        return self._collection.distinct(key, self._filter, **given)

    def explain(self) -> Document:
        """How the query is answered (MongoDB manual: explain results; ours under ``kato_compat``)."""
        self._collection._hinted(self._hint)
        return self._collection._explain_find(self._command())

    def rewind(self) -> Self:
        """Go back to the state before anything was read."""
        self.close()
        self._reset()
        return self

    def clone(self) -> Self:
        """A new cursor of the same query, not yet run."""
        return self._clone(True)

    def _clone(self, deep: bool) -> Self:
        cursor = object.__new__(type(self))
        cursor.__dict__.update(self.__dict__)
        cursor._reset()
        if deep:
            for name in ("_filter", "_projection", "_sort", "_hint", "_min", "_max", "_let"):
                setattr(cursor, name, copy.deepcopy(getattr(self, name)))
        return cursor

    def __copy__(self) -> Self:
        return self._clone(False)

    def __deepcopy__(self, memo: Any) -> Self:
        return self._clone(True)

    @property
    def collection(self) -> "Collection":
        """The collection that is queried."""
        return self._collection


def _hint(index: Any) -> str | dict[str, Any] | None:
    return index if index is None or isinstance(index, str) else helpers_shared._index_document(index)
