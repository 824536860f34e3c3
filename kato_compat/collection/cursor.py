"""Cursors, as pymongo's `Cursor` and `CommandCursor` (pymongo documentation: cursor, command_cursor)."""

import copy
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pymongo import common
from pymongo.cursor_shared import CursorType
from pymongo.errors import ExecutionTimeout, InvalidOperation

from kato_compat.collection.face import (
    collation,
    context,
    filter_document,
    hand_out,
    parsed_sort,
    projection_document,
    sort_pattern,
)
from kato_compat.errors import fail, refused
from kato_compat.execute.reading import Finding
from kato_compat.options import check_session, check_show_record_id
from kato_compat.parse.command import Find
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.projection import parse_projection
from kato_compat.values.document import Document
from kato_compat.values.order import sort_key
from kato_compat.values.paths import getter, split

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection

_TAILABLE: Final = frozenset({CursorType.TAILABLE, CursorType.TAILABLE_AWAIT})


def expired(limit: int) -> ExecutionTimeout:
    """The server's error for an operation beyond its `max_time_ms`."""
    message = f"operation exceeded time limit of {limit} ms"
    return ExecutionTimeout(message, 50, {"ok": 0.0, "errmsg": message, "code": 50, "codeName": "MaxTimeMSExpired"})


class Stream:
    """Batches of a running command, handed out one document at a time, within its time limit."""

    def __init__(self, collection: "Collection", source: Any, max_time_ms: int | None, shared: bool) -> None:
        self._collection = collection
        self._source = source
        self._limit = max_time_ms
        self._deadline = None if max_time_ms is None else time.monotonic() + max_time_ms / 1000
        self._shared = shared

    def batch(self) -> list[Any] | None:
        """The next batch in the caller's form, None at the end. Raises `ExecutionTimeout` past the limit."""
        deployment = self._collection.deployment
        found = deployment.run(self._source.fetch())
        if self._deadline is not None and self._limit is not None and time.monotonic() > self._deadline:
            self.close()
            raise expired(self._limit)
        if found is None:
            return None
        options, shared = self._collection.codec_options, self._shared
        return [hand_out(document, options, shared) for document in found]

    def close(self) -> None:
        """Give back what the command holds."""
        deployment = self._collection.deployment
        if not deployment.closed:
            deployment.run(self._source.close())


class Cursor:
    """The results of a find, as pymongo's `Cursor`. Nothing is read before the first document is asked for."""

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
        let: bool | None = None,
        pushdown: bool = True,
    ) -> None:
        common.validate_is_mapping("filter", filter or {})
        check_session(session)
        check_show_record_id(show_record_id)
        if not isinstance(skip, int):
            raise TypeError(f"skip must be an instance of int, not {type(skip)}")
        if not isinstance(limit, int):
            raise TypeError(f"limit must be an instance of int, not {type(limit)}")
        if cursor_type in _TAILABLE:
            raise refused("a tailable cursor", "there are no capped collections")
        if cursor_type not in (CursorType.NON_TAILABLE, CursorType.EXHAUST):
            raise ValueError("not a valid value for cursor_type")
        if cursor_type == CursorType.EXHAUST and limit:
            raise InvalidOperation("Can't use limit and exhaust together.")
        if skip < 0:
            raise ValueError("skip must be >= 0")
        if batch_size < 0:
            raise ValueError("batch_size must be >= 0")
        self._collection = collection
        self._filter = {} if filter is None else filter
        self._projection = projection
        self._skip = skip
        self._limit = limit
        self._batch_size = batch_size
        self._sort = sort_pattern(sort)
        self._collation = collation
        self._hint = hint
        self._max_time_ms = max_time_ms
        self._max = max
        self._min = min
        self._return_key = bool(return_key)
        self._comment = comment
        self._let = let
        self._pushdown = pushdown
        self._empty = False
        self._start()

    def _start(self) -> None:
        self._stream: Stream | None = None
        self._data: list[Any] = []
        self._position = 0
        self._retrieved = 0
        self._closed = False
        self._exhausted = False

    # options

    def _check_okay_to_chain(self) -> None:
        if self._stream is not None or self._retrieved:
            raise InvalidOperation("cannot set options after executing query")

    def limit(self, limit: int) -> "Cursor":
        """Return at most `limit` documents; 0 is no limit."""
        if not isinstance(limit, int):
            raise TypeError(f"limit must be an integer, not {type(limit)}")
        self._check_okay_to_chain()
        self._empty = False
        self._limit = limit
        return self

    def skip(self, skip: int) -> "Cursor":
        """Leave out the first `skip` documents."""
        if not isinstance(skip, int):
            raise TypeError(f"skip must be an integer, not {type(skip)}")
        if skip < 0:
            raise ValueError("skip must be >= 0")
        self._check_okay_to_chain()
        self._skip = skip
        return self

    def sort(self, key_or_list: Any, direction: Any = None) -> "Cursor":
        """Sort by a field (and direction) or by a list of fields or pairs."""
        self._check_okay_to_chain()
        if isinstance(key_or_list, list | tuple) and direction is None and not key_or_list:
            raise ValueError("key_or_list must not be empty")
        self._sort = sort_pattern(key_or_list, direction)
        return self

    def batch_size(self, batch_size: int) -> "Cursor":
        """Read about `batch_size` documents at a time."""
        if not isinstance(batch_size, int):
            raise TypeError(f"batch_size must be an integer, not {type(batch_size)}")
        if batch_size < 0:
            raise ValueError("batch_size must be >= 0")
        self._check_okay_to_chain()
        self._batch_size = batch_size
        return self

    def hint(self, index: Any) -> "Cursor":
        """Name an index, which must exist; the plan is chosen by the planner. None takes it back."""
        self._check_okay_to_chain()
        self._hint = index
        return self

    def comment(self, comment: Any) -> "Cursor":
        """Attach a comment; ignored (see `kato_compat.options`)."""
        self._check_okay_to_chain()
        self._comment = comment
        return self

    def max_time_ms(self, max_time_ms: int | None) -> "Cursor":
        """Raise `ExecutionTimeout` when the query takes longer than this many milliseconds."""
        if not isinstance(max_time_ms, int) and max_time_ms is not None:
            raise TypeError(f"max_time_ms must be an integer or None, not {type(max_time_ms)}")
        self._check_okay_to_chain()
        self._max_time_ms = max_time_ms
        return self

    def max_await_time_ms(self, max_await_time_ms: int | None) -> "Cursor":
        """Only for tailable cursors, which there are none of: without effect, as in pymongo."""
        if not isinstance(max_await_time_ms, int) and max_await_time_ms is not None:
            raise TypeError(f"max_await_time_ms must be an integer or None, not {type(max_await_time_ms)}")
        self._check_okay_to_chain()
        return self

    def collation(self, collation: Any) -> "Cursor":
        """Compare strings by a collation."""
        self._check_okay_to_chain()
        self._collation = collation
        return self

    def allow_disk_use(self, allow_disk_use: bool) -> "Cursor":
        """Allow a sort to spill to disk."""
        if not isinstance(allow_disk_use, bool):
            raise TypeError(f"allow_disk_use must be a bool, not {type(allow_disk_use)}")
        self._check_okay_to_chain()
        return self

    def min(self, spec: Any) -> "Cursor":
        """The inclusive lower bound of the hinted index."""
        if not isinstance(spec, list | tuple):
            raise TypeError(f"spec must be an instance of list or tuple, not {type(spec)}")
        self._check_okay_to_chain()
        self._min = dict(spec)
        return self

    def max(self, spec: Any) -> "Cursor":
        """The exclusive upper bound of the hinted index."""
        if not isinstance(spec, list | tuple):
            raise TypeError(f"spec must be an instance of list or tuple, not {type(spec)}")
        self._check_okay_to_chain()
        self._max = dict(spec)
        return self

    def where(self, code: Any) -> "Cursor":
        """Refused: there is no server-side JavaScript."""
        self._check_okay_to_chain()
        self._filter = {**self._filter, "$where": code}
        return self

    def add_option(self, mask: int) -> "Cursor":
        """Set a query flag of the wire protocol; without effect but for the check of its type."""
        if not isinstance(mask, int):
            raise TypeError(f"mask must be an int, not {type(mask)}")
        self._check_okay_to_chain()
        return self

    def remove_option(self, mask: int) -> "Cursor":
        """See `add_option`."""
        return self.add_option(mask)

    # running

    def _command(self) -> Find:
        collection = self._collection
        options = collection.codec_options
        scope = context(collection.database.name, collection.name, self._let, options)
        order = collation(self._collation)
        predicate = parse_filter(filter_document(self._filter, options), scope, collation=order)
        raw = projection_document(self._projection, options)
        projection = parse_projection(raw, scope, find=True, predicate=predicate) if raw else None
        sort = parsed_sort(self._sort, scope, order)
        return Find(predicate, projection, sort, self._skip, abs(self._limit), self._pushdown)

    def _open(self) -> Stream:
        collection = self._collection
        command = self._command()
        index = collection._hinted(self._hint)
        bounds = (self._min, self._max)
        if any(bound is not None for bound in bounds) and self._hint is None:
            raise InvalidOperation("Passing a 'hint' is required when using the min/max query option")
        finding = Finding(collection.storage, command)
        source: Any = finding
        if self._return_key or any(bound is not None for bound in bounds):
            source = _Bounded(finding, index, self._min, self._max, self._return_key)
        return Stream(collection, source, self._max_time_ms, True)

    def _fill(self) -> bool:
        """Whether there is a document to hand out, reading the next batch if need be."""
        if self._position < len(self._data):
            return True
        if self._closed or self._exhausted or self._empty:
            return False
        if self._stream is None:
            self._stream = self._open()
        while (batch := self._stream.batch()) is not None:
            if batch:
                self._data, self._position = batch, 0
                return True
        self._data, self._position = [], 0
        self._exhausted = True
        return False

    def next(self) -> Any:
        """The next document. Raises `StopIteration` at the end."""
        if not self._fill():
            raise StopIteration
        document = self._data[self._position]
        self._position += 1
        self._retrieved += 1
        return document

    __next__ = next

    def __iter__(self) -> "Cursor":
        return self

    def to_list(self, length: int | None = None) -> list[Any]:
        """All documents that are left, or at most `length` of them."""
        if length is not None and length < 1:
            raise ValueError("to_list() length must be greater than 0")
        found: list[Any] = []
        while (length is None or len(found) < length) and self._fill():
            found.append(self.next())
        return found

    def __getitem__(self, index: Any) -> Any:
        """A document by position, or a cursor over a slice, relative to the query's own skip and limit."""
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
            if index.stop is not None:
                limit = index.stop - skip
                if limit < 0:
                    raise IndexError(f"stop index must be greater than start index for slice {index!r}")
                if limit == 0:
                    self._empty = True
            else:
                limit = 0
            self._skip = skip
            self._limit = limit
            return self
        if isinstance(index, int):
            if index < 0:
                raise IndexError("Cursor instances do not support negative indices")
            clone = self.clone()
            clone.skip(index + self._skip)
            clone.limit(-1)
            for document in clone:
                return document
            raise IndexError("no such item for Cursor instance")
        raise TypeError(f"index {index!r} cannot be applied to Cursor instances")

    def distinct(self, key: str) -> list[Any]:
        """The distinct values of `key` among the documents of the query (its sort, skip and limit do not count)."""
        options = {"max_time_ms": self._max_time_ms, "collation": self._collation}
        given = {name: value for name, value in options.items() if value is not None}
        return self._collection.distinct(key, self._filter, **given)

    def explain(self) -> Document:
        """How the query is answered (MongoDB manual: explain results; ours under ``kato_compat``)."""
        return self._collection._explain_find(self._command())

    def rewind(self) -> "Cursor":
        """Go back to the state before anything was read."""
        self.close()
        self._start()
        return self

    def clone(self) -> "Cursor":
        """A new cursor of the same query, not yet run."""
        return self._clone(True)

    def _clone(self, deep: bool) -> "Cursor":
        cursor = copy.copy(self)
        cursor._start()
        if deep:
            cursor._filter = copy.deepcopy(self._filter)
            cursor._projection = copy.deepcopy(self._projection)
        return cursor

    def __copy__(self) -> "Cursor":
        cursor = object.__new__(type(self))
        cursor.__dict__.update(self.__dict__)
        cursor._start()
        return cursor

    def __deepcopy__(self, memo: Any) -> "Cursor":
        return self._clone(True)

    @property
    def alive(self) -> bool:
        """Whether more documents may come."""
        return self._position < len(self._data) or not (self._closed or self._exhausted)

    @property
    def cursor_id(self) -> int | None:
        """None before the query ran, a number while it runs, 0 when all is read."""
        if self._stream is None:
            return None
        return 0 if self._exhausted or self._closed else id(self._stream)

    @property
    def address(self) -> tuple[str, Any] | None:
        """The address of the deployment once the query ran."""
        return None if self._stream is None else self._collection.database.client.address

    @property
    def session(self) -> None:
        """None: there are no sessions."""
        return

    @property
    def retrieved(self) -> int:
        """The number of documents handed out so far."""
        return self._retrieved

    @property
    def collection(self) -> "Collection":
        """The collection that is queried."""
        return self._collection

    def close(self) -> None:
        """Give back what the query holds; no more documents come."""
        if self._stream is not None and not self._closed:
            self._stream.close()
        self._closed = True
        self._data, self._position = [], 0

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class _Bounded:
    """A find within the bounds of a hinted index, or of its key fields only."""

    def __init__(self, finding: Finding, index: Any, low: Any, high: Any, keys_only: bool) -> None:
        self._finding = finding
        self._getters: list[tuple[str, Callable[[Any], Any]]] = [
            (path, getter(split(path))) for path in (index.paths if index is not None else ())
        ]
        self._low = None if low is None else [sort_key(value) for value in dict(low).values()]
        self._high = None if high is None else [sort_key(value) for value in dict(high).values()]
        self._keys_only = keys_only
        for bound in (low, high):
            if bound is not None and list(dict(bound)) != [path for path, _ in self._getters]:
                raise fail(51174, "the fields of min and max must be those of the hinted index, in its order")

    def fetch(self) -> Any:
        batch = yield from self._finding.fetch()
        if batch is None:
            return None
        found = []
        for document in batch:
            values = [(path, get(document)) for path, get in self._getters]
            place = [
                sort_key(None if not value and value.__class__.__name__ == "Missing" else value) for _, value in values
            ]
            if (self._low is not None and place < self._low) or (self._high is not None and place >= self._high):
                continue
            found.append(dict(values) if self._keys_only else document)
        return found

    def close(self) -> Any:
        yield from self._finding.close()


class CommandCursor:
    """The results of an aggregation or a listing, as pymongo's `CommandCursor`."""

    def __init__(self, collection: "Collection", stream: Stream | None, first: list[Any] | None = None) -> None:
        self._collection = collection
        self._stream = stream
        self._data = first or []
        self._position = 0
        self._closed = False
        self._exhausted = stream is None
        if stream is not None:
            self._read()

    def _read(self) -> bool:
        assert self._stream is not None
        while (batch := self._stream.batch()) is not None:
            if batch:
                self._data, self._position = batch, 0
                return True
        self._exhausted = True
        return False

    def _fill(self) -> bool:
        if self._position < len(self._data):
            return True
        if self._closed or self._exhausted:
            return False
        self._data, self._position = [], 0
        return self._read()

    def next(self) -> Any:
        """The next document. Raises `StopIteration` at the end."""
        if not self._fill():
            raise StopIteration
        document = self._data[self._position]
        self._position += 1
        return document

    __next__ = next

    def __iter__(self) -> "CommandCursor":
        return self

    def try_next(self) -> Any:
        """The next document, None if there is none."""
        return self.next() if self._fill() else None

    def to_list(self, length: int | None = None) -> list[Any]:
        """All documents that are left, or at most `length` of them."""
        if length is not None and length < 1:
            raise ValueError("to_list() length must be greater than 0")
        found: list[Any] = []
        while (length is None or len(found) < length) and self._fill():
            found.append(self.next())
        return found

    def batch_size(self, batch_size: int) -> "CommandCursor":
        """Read about `batch_size` documents at a time."""
        if not isinstance(batch_size, int):
            raise TypeError(f"batch_size must be an integer, not {type(batch_size)}")
        if batch_size < 0:
            raise ValueError("batch_size must be >= 0")
        return self

    @property
    def alive(self) -> bool:
        """Whether more documents may come."""
        return self._position < len(self._data) or not (self._closed or self._exhausted)

    @property
    def cursor_id(self) -> int:
        """A number while the command runs, 0 when all is read."""
        return 0 if self._exhausted or self._closed else id(self._stream)

    @property
    def address(self) -> tuple[str, Any] | None:
        """The address of the deployment."""
        return self._collection.database.client.address

    @property
    def session(self) -> None:
        """None: there are no sessions."""
        return

    def close(self) -> None:
        """Give back what the command holds; no more documents come."""
        if self._stream is not None and not self._closed:
            self._stream.close()
        self._closed = True
        self._data, self._position = [], 0

    def __enter__(self) -> "CommandCursor":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
