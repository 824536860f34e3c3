"""Batches of a running command, its time limit, and `CommandCursor` (pymongo documentation: command_cursor)."""

import itertools
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, Self, cast

from pymongo.errors import ExecutionTimeout

from kato_compat.collection.face import hand_out_all
from kato_compat.errors import fail
from kato_compat.execute.storage import Access, Plan, Reader, Storage, Stored
from kato_compat.ir.requests import Flow, OpenScan, Select, T
from kato_compat.mapping.spec import CollectionSpec
from kato_compat.values.document import Document

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection

#: Documents in the first batch of a cursor that names no size, as the server's.
FIRST_BATCH: Final = 101
_numbers = itertools.count(1)


class Limit:
    """The time that a command may take, in milliseconds; only what is spent inside ``with`` counts.

    The time that the caller takes between two batches is the caller's own, as on the server.
    """

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds
        self._left = milliseconds / 1000
        self._deadline = 0.0

    def __enter__(self) -> Self:
        self._deadline = time.monotonic() + self._left
        return self

    def __exit__(self, *_: object) -> None:
        self._left = self._deadline - time.monotonic()

    @property
    def left(self) -> int:
        """Milliseconds that are left, at least 1."""
        return max(1, int((self._deadline - time.monotonic()) * 1000))

    def check(self) -> None:
        """Raise `ExecutionTimeout` when the time is over."""
        if time.monotonic() > self._deadline:
            raise self.error()

    def error(self) -> ExecutionTimeout:
        """The server's error for an operation beyond its time."""
        message = f"operation exceeded time limit of {self._milliseconds} ms"
        details = {"ok": 0.0, "errmsg": message, "code": 50, "codeName": "MaxTimeMSExpired"}
        return ExecutionTimeout(message, 50, details)


def limit_of(milliseconds: Any) -> Limit | None:
    """The limit that ``maxTimeMS`` sets; None for None and 0. Raises 2 for a number out of range, 14 for no number."""
    if milliseconds is None:
        return None
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        raise fail(14, f"BSON field 'maxTimeMS' is the wrong type '{type(milliseconds).__name__}', expected a number")
    if not 0 <= milliseconds < 2**31:
        raise fail(2, f"{milliseconds} value for maxTimeMS is out of range [0, 2147483647]")
    return Limit(int(milliseconds)) if milliseconds else None


def limited(flow: Flow[T], limit: Limit) -> Flow[T]:
    """`flow`, ended by `ExecutionTimeout` before a request that it would make after the limit.

    The error is thrown into the flow, whose requests to clean up are still made. SELECTs get the time that is left.
    """
    try:
        request = next(flow)
        over = False
        while True:
            if not over and request is not None:
                try:
                    limit.check()
                except ExecutionTimeout as error:
                    over = True
                    request = flow.throw(error)
                    continue
                if isinstance(request, Select | OpenScan):
                    request = replace(request, timeout_ms=limit.left)
            try:
                reply = yield request
            except GeneratorExit:
                flow.close()
                raise
            except BaseException as error:
                request = flow.throw(error)
            else:
                request = flow.send(reply)
    except StopIteration as end:
        return cast("T", end.value)


class _LimitedReader:
    """A reader that checks the time before each batch: a store in memory makes no requests."""

    def __init__(self, reader: Reader, limit: Limit) -> None:
        self._reader = reader
        self._limit = limit

    def fetch(self) -> Flow[list[Stored] | None]:
        self._limit.check()
        return (yield from self._reader.fetch())

    def documents(self) -> Flow[list[Document] | None]:
        self._limit.check()
        return (yield from self._reader.documents())

    def close(self) -> Flow[None]:
        yield from self._reader.close()


class _LimitedStorage:
    """What reading needs of a storage, with a limit on its readers."""

    def __init__(self, storage: Storage, limit: Limit) -> None:
        self._storage = storage
        self._limit = limit
        self.namespace = storage.namespace

    @property
    def spec(self) -> CollectionSpec | None:
        return self._storage.spec

    @property
    def shares(self) -> bool:
        return self._storage.shares

    def ready(self, access: Access) -> Flow[None]:
        yield from self._storage.ready(access)

    def plan(self, access: Access) -> Plan:
        return self._storage.plan(access)

    def open(self, plan: Plan) -> Reader:
        return _LimitedReader(self._storage.open(plan), self._limit)

    def count(self) -> Flow[int]:
        return self._storage.count()


def limited_storage(storage: Storage, limit: Limit | None) -> Storage:
    """`storage` for reading within `limit`."""
    return storage if limit is None else cast("Storage", _LimitedStorage(storage, limit))


class Source(Protocol):
    """A running command that gives its results in batches."""

    def fetch(self) -> Flow[list[Document] | None]:
        """The next batch, None at the end."""

    def close(self) -> Flow[None]:
        """Give back what the command holds."""


class Stream:
    """The results of a running command in the caller's form, as many at a time as are asked for.

    A stream that is dropped before its end is closed by the next one that is opened, as pymongo's client does with
    cursors: closing talks to the stores, which must not happen wherever Python collects garbage.
    """

    def __init__(self, collection: "Collection", source: Source, limit: Limit | None, shared: bool = True) -> None:
        self._collection = collection
        self._deployment = collection.deployment
        self._abandoned: deque[Source] = collection.database.client._abandoned
        self._source = source
        self._limit = limit
        self._shared = shared
        self._waiting: list[Document] = []
        self._started = False
        self.ended = False
        while self._abandoned:
            self._deployment.run(self._abandoned.popleft().close())

    def __del__(self) -> None:
        if getattr(self, "_started", False) and not self.ended:
            self._abandoned.append(self._source)

    def take(self, count: int) -> list[Any]:
        """The next `count` documents, fewer only at the end; with 0 as many as come at once.

        Raises `ExecutionTimeout` past the limit; after an error the stream is closed.
        """
        waiting = self._waiting
        try:
            while not self.ended and (len(waiting) < count or not waiting):
                found = self._fetch()
                if found is None:
                    self.ended = True
                elif waiting:
                    waiting.extend(found)
                else:
                    waiting = found
        except BaseException:
            self.close()
            raise
        taken, self._waiting = (waiting, []) if not count else (waiting[:count], waiting[count:])
        return hand_out_all(taken, self._collection.codec_options, self._shared)

    @property
    def drained(self) -> bool:
        """Whether nothing is left."""
        return self.ended and not self._waiting

    def _fetch(self) -> list[Document] | None:
        self._started = True
        limit = self._limit
        if limit is None:
            return self._deployment.run(self._source.fetch())
        with limit:
            found = self._deployment.run(limited(self._source.fetch(), limit))
            limit.check()
            return found

    def close(self) -> None:
        """Give back what the command holds."""
        if not self.ended:
            self.ended = True
            self._waiting = []
            if self._started and not self._deployment.closed:
                self._deployment.run(self._source.close())


class Batches:
    """What `Cursor` and `CommandCursor` share: documents of the batch at hand, and where the next one comes from."""

    def __init__(self, collection: "Collection") -> None:
        self._collection = collection
        self._reset()

    def _reset(self) -> None:
        self._stream: Stream | None = None
        self._data: deque[Any] = deque()
        self._id: int | None = None
        self._retrieved = 0
        self._killed = False

    def _refresh(self) -> int:
        """The number of documents at hand, after reading the next batch if there are none and more may come."""
        raise NotImplementedError

    def _read(self, stream: Stream, count: int) -> None:
        """Read a batch of `count` documents (0: as many as come at once)."""
        try:
            found = stream.take(count)
        except BaseException:
            self.close()
            raise
        self._data.extend(found)
        self._retrieved += len(found)
        # A batch that was filled does not say that it is the last one, as on the server.
        if stream.drained and (not found or not count or len(found) < count):
            self._end()

    def _end(self) -> None:
        self._id = 0
        self._killed = True
        if self._stream is not None:
            self._stream.close()

    def next(self) -> Any:
        """The next document. Raises `StopIteration` at the end."""
        if self._data or self._refresh():
            return self._data.popleft()
        raise StopIteration

    def __next__(self) -> Any:
        return self.next()

    def __iter__(self) -> Self:
        return self

    def to_list(self, length: int | None = None) -> list[Any]:
        """All documents that are left, or at most `length` of them. Raises `ValueError` for a length below 1."""
        if isinstance(length, int) and length < 1:
            raise ValueError("to_list() length must be greater than 0")
        found: list[Any] = []
        while self.alive and (self._data or self._refresh()):
            if length is None:
                found.extend(self._data)
                self._data.clear()
                continue
            while self._data and len(found) < length:
                found.append(self._data.popleft())
            if len(found) == length:
                break
        return found

    @property
    def alive(self) -> bool:
        """Whether more documents may come."""
        return bool(self._data) or not self._killed

    @property
    def cursor_id(self) -> int | None:
        """None before the command ran, a number while more may come, then 0."""
        return self._id

    @property
    def retrieved(self) -> int:
        """The number of documents read so far, in whole batches."""
        return self._retrieved

    @property
    def address(self) -> tuple[str, Any] | None:
        """None: there is no MongoDB server that holds a cursor."""
        return None

    @property
    def session(self) -> None:
        """None: there are no sessions."""
        return

    def close(self) -> None:
        """Give back what the command holds; what was read already can still be taken."""
        if not self._killed:
            self._killed = True
            if self._stream is not None:
                self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def cursor_number() -> int:
    """A number for a cursor that is open."""
    return next(_numbers)


class CommandCursor(Batches):
    """The results of an aggregation or a listing, as pymongo's `CommandCursor`; its first batch is read at once."""

    def __init__(self, collection: "Collection", results: Stream | Sequence[Any], batch_size: int = 0) -> None:
        super().__init__(collection)
        self._batch_size = 0
        self._id = 0
        if isinstance(results, Stream):
            self._id = cursor_number()
            self._stream = results
            self._read(results, batch_size or FIRST_BATCH)
        else:
            self._data.extend(results)
            self._killed = True
        self._retrieved = 0
        self.batch_size(batch_size)

    def batch_size(self, batch_size: int) -> "CommandCursor":
        """Read `batch_size` documents at a time (0: as many as come at once)."""
        if not isinstance(batch_size, int):
            raise TypeError(f"batch_size must be an integer, not {type(batch_size)}")
        if batch_size < 0:
            raise ValueError("batch_size must be >= 0")
        # As in pymongo: 1 would close the cursor on old servers.
        self._batch_size = 2 if batch_size == 1 else batch_size
        return self

    def _refresh(self) -> int:
        while not self._data and not self._killed:
            assert self._stream is not None
            self._read(self._stream, self._batch_size)
        return len(self._data)

    def try_next(self) -> Any:
        """The next document, None if there is none."""
        return self._data.popleft() if self._data or self._refresh() else None

    def __getitem__(self, index: int) -> NoReturn:
        """Always raises `TypeError`: a command's results cannot be indexed."""
        raise TypeError("'CommandCursor' object is not subscriptable")
