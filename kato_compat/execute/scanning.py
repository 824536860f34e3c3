"""Readers of the document side: by insertion order, by identity and by index, each batch in one round trip."""

import struct
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from kato_compat.errors import fail
from kato_compat.execute.steps import LOOKUP, SCAN
from kato_compat.execute.storage import Plan, Reader, Stored
from kato_compat.ir.predicate import compile_predicate
from kato_compat.ir.requests import Call, Flow, Pipeline
from kato_compat.mapping.index import Index
from kato_compat.plan.indexes import KeyRange, Lookup

if TYPE_CHECKING:
    from kato_compat.execute.documents import DocumentStorage

#: Documents per round trip of a scan.
BATCH: Final = 500
#: The first batch of a read that a limit will end early, if nothing else is known.
_FIRST: Final = 32
VERSION: Final = 16
_SIZE: Final = struct.Struct(">I")


def member(entry: bytes, version: bytes, key: bytes) -> bytes:
    """The member of an index's sorted set: the entry, when the document was inserted, its key and that one's length."""
    return entry + version[:8] + key + _SIZE.pack(len(key))


def key_of(found: bytes) -> bytes:
    """The key of the document that a member is about."""
    (size,) = _SIZE.unpack(found[-4:])
    return found[-4 - size : -4]


def entry_of(found: bytes) -> bytes:
    """The entry that a member holds."""
    (size,) = _SIZE.unpack(found[-4:])
    return found[: -12 - size]


def alive(found: list[Stored], expiring: tuple[Index, ...]) -> list[Stored]:
    """Those of `found` that have not expired by any index."""
    if not expiring:
        return found
    moment = now()
    return [stored for stored in found if not any(index.expired(stored.document, moment) for index in expiring)]


def now() -> int:
    """Milliseconds since the epoch, by which documents expire."""
    return time.time_ns() // 1_000_000


class Documents(Reader):
    """What the readers share: they follow the definitions of indexes, and leave out what has expired."""

    def __init__(self, storage: "DocumentStorage") -> None:
        self._storage = storage
        self._epoch: list[bytes | None] = []
        self._done = False

    def _follow(self, state: bytes | None, epoch: bytes | None) -> Flow[None]:
        """Take note of the state that a reply came with. Raises 175 where another collection took this one's place."""
        if not self._epoch:
            self._epoch.append(epoch)
        elif self._epoch[0] != epoch:
            raise fail(
                175, f"collection {self._storage.namespace} was renamed or replaced while it was read; read it again"
            )
        yield from self._storage.current(state)

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        self._done = True
        return
        yield  # a flow without requests


class ScanReader(Documents):
    """All documents in insertion order, a batch a round trip, by position in time and so stable under writes."""

    def __init__(self, storage: "DocumentStorage", first: int = 0, sizes: bool = False) -> None:
        super().__init__(storage)
        self._from: bytes = b"-inf"
        self._last: set[bytes] = set()
        self._sizes = sizes
        self._batch = min(BATCH, max(first, _FIRST)) if first else BATCH
        self.bytes = 0

    def fetch(self) -> Flow[list[Stored] | None]:
        """See `Reader.fetch`."""
        if self._done:
            return None
        storage = self._storage
        call = Call(SCAN, (storage.docs, storage.order, storage.meta), (self._from, self._batch))
        ((state, epoch, found, values),) = yield Pipeline((call,))
        yield from self._follow(state, epoch)
        keys, scores = found[0::2], found[1::2]
        if len(keys) < self._batch:
            self._done = True
        fresh = [
            (key, value) for key, value in zip(keys, values, strict=True) if key not in self._last and value is not None
        ]
        if not keys or (self._from == scores[-1] and not fresh):
            self._done = True
            return None
        # Writers of two processes can share a microsecond: go on from the last score, leaving out what was given.
        same = {key for key, score in zip(keys, scores, strict=True) if score == scores[-1]}
        self._last = same | self._last if self._from == scores[-1] else same
        self._from = scores[-1]
        self._batch = BATCH
        self.bytes = sum(len(value) - VERSION for _, value in fresh)
        if self._sizes:
            return []
        return storage.alive(storage.all_stored([key for key, _ in fresh], [value for _, value in fresh]))


class KeyReader(Documents):
    """The documents of given identities, in batches."""

    def __init__(self, storage: "DocumentStorage", keys: tuple[bytes, ...]) -> None:
        super().__init__(storage)
        self._batches: Iterator[tuple[bytes, ...]] = iter(
            [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
        )

    def fetch(self) -> Flow[list[Stored] | None]:
        """See `Reader.fetch`."""
        keys = None if self._done else next(self._batches, None)
        if keys is None:
            return None
        storage = self._storage
        head, values = yield Pipeline((storage.head(), ("HMGET", storage.docs, *keys)))
        yield from self._follow(head[0], head[1])
        return storage.alive(storage.all_stored(keys, values))


class IndexReader(Documents):
    """The documents that an index leads to, each once; in the order asked for where the lookup gives it."""

    def __init__(self, storage: "DocumentStorage", plan: Plan, lookup: Lookup) -> None:
        super().__init__(storage)
        self._plan = plan
        self._lookup = lookup
        self._ranges: list[KeyRange] = list(lookup.ranges)
        limit = plan.access.limit if not plan.access.writes else 1
        self._batch = min(BATCH, max(limit, _FIRST)) if limit else BATCH
        self._seen: set[bytes] = set()
        self._arrays: bool | None = None
        self._held: list[tuple[bytes, Stored]] = []
        self._started = False
        self._instead: Reader | None = None

    def fetch(self) -> Flow[list[Stored] | None]:
        """See `Reader.fetch`."""
        if self._instead is not None:
            return (yield from self._instead.fetch())
        if self._done:
            return None
        found, ended = yield from self._read()
        if self._instead is not None:
            return (yield from self._unordered())
        if self._arrays and self._lookup.ordered:
            return (yield from self._sorted(found, ended))
        if ended:
            self._done = True
        if self._lookup.reverse:
            found = self._forwards(found, ended)
        return self._storage.alive([stored for _, stored in found])

    def _read(self) -> Flow[tuple[list[tuple[bytes, Stored]], bool]]:
        """The next members with their documents, and whether these are the last."""
        storage, lookup = self._storage, self._lookup
        guarded = self._arrays is None and lookup.loose != lookup.ranges
        while True:
            flat = [bound for each in self._ranges for bound in each]
            options = (self._batch, int(lookup.reverse), int(guarded))
            keys = (storage.docs, storage.meta, storage.index_key(lookup.index))
            ((state, epoch, arrays, place, members, values),) = yield Pipeline((Call(LOOKUP, keys, (*options, *flat)),))
            yield from self._follow(state, epoch)
            if not storage.usable(lookup.index):
                if self._started:
                    raise fail(175, f"query plan killed :: index {lookup.index.name!r} dropped; read it again")
                # The index this was planned with is no longer what it was: every document is a candidate.
                self._instead = ScanReader(storage)
                return [], False
            self._started = True
            if self._arrays is None:
                self._arrays = bool(arrays)
                if arrays and guarded:
                    self._ranges, guarded = list(lookup.loose), False
                    continue
            break
        ended = len(members) < self._batch
        if not ended:
            # Go on in the range that it stopped in, behind the last member.
            low, high = self._ranges[int(place)]
            rest = (low, members[-1]) if lookup.reverse else (members[-1] + b"\x00", high)
            self._ranges = [rest, *self._ranges[int(place) + 1 :]]
        self._batch = BATCH
        found: list[tuple[bytes, Stored]] = []
        several = self._arrays or len(lookup.ranges) > 1
        for each, value in zip(members, values, strict=True):
            key = key_of(each)
            if value is None or (several and key in self._seen):
                continue
            if several:
                self._seen.add(key)
            found.append((each, storage.stored(key, value)))
        return found, ended

    def _forwards(self, found: list[tuple[bytes, Stored]], ended: bool) -> list[tuple[bytes, Stored]]:
        """What was read backwards, but documents of equal keys in the order of their insertion as a sort has them."""
        groups: list[list[tuple[bytes, Stored]]] = []
        before: bytes | None = None
        for each in self._held + found:
            entry = entry_of(each[0])
            if entry != before:
                groups.append([])
                before = entry
            groups[-1].append(each)
        self._held = [] if ended or not groups else groups.pop()
        return [each for group in groups for each in reversed(group)]

    def _sorted(self, found: list[tuple[bytes, Stored]], ended: bool) -> Flow[list[Stored]]:
        """All documents, sorted here: an index with arrays is in no document's order. As the server's SORT stage."""
        everything = found
        while not ended:
            found, ended = yield from self._read()
            everything.extend(found)
        self._done = True
        return self._in_order(self._storage.alive([stored for _, stored in everything]))

    def _unordered(self) -> Flow[list[Stored] | None]:
        assert self._instead is not None
        if not self._lookup.ordered:
            return (yield from self._instead.fetch())
        everything: list[Stored] = []
        while (batch := (yield from self._instead.fetch())) is not None:
            everything.extend(batch)
        return self._in_order(everything)

    def _in_order(self, found: list[Stored]) -> list[Stored]:
        access = self._plan.access
        assert access.sort is not None
        test = compile_predicate(access.predicate)
        found = [stored for stored in found if test(stored.document)]
        # Equal keys stay in the order of their insertion.
        found.sort(key=lambda stored: (stored.version[:8], stored.key))
        key = access.sort.compile().key
        found.sort(key=lambda stored: key(stored.document))
        return found

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        self._done = True
        if self._instead is not None:
            yield from self._instead.close()
