"""The document side: schema-less documents in Redis, one hash a collection.

Keys of a collection (see `mapping.keys.own`):

- ``docs``: HASH identity of `_id` -> 16 bytes of version, then the document's BSON
- ``order``: ZSET identity -> microseconds of insertion: natural order
- ``meta``: HASH ``indexes`` -> BSON of the definitions, ``state`` -> changes with every change of them
- ``unique:<index>``: HASH identity of an index key -> identity of the document that has it

Every change is one atomic step (`ir.transact`) that checks the version it was computed from, the state of the
index definitions it was computed with, and the unique entries it takes.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.execute.storage import Access, Change, Outcome, Placement, Plan, Reader, Storage, Stored
from kato_compat.ir.requests import Command, Flow, Pipeline
from kato_compat.ir.transact import Check, Prefix, transact
from kato_compat.mapping.index import ID_INDEX, Index, duplicate_key, is_new
from kato_compat.mapping.keys import CATALOGUE, entry, own
from kato_compat.plan.pin import pinned, pinned_ids
from kato_compat.values.document import decode, encode
from kato_compat.values.identity import identity

#: Documents per round trip of a scan, and changes per round trip of a bulk write.
BATCH: Final = 500
VERSION: Final = 16
#: The option that marks a unique index whose entries are not complete yet.
BUILDING: Final = "building"

_clock_lock = threading.Lock()
_last_moment = 0


def moment() -> int:
    """Microseconds since the epoch, strictly increasing within the process: scores of natural order."""
    global _last_moment
    with _clock_lock:
        _last_moment = max(_last_moment + 1, time.time_ns() // 1000)
        return _last_moment


def new_version() -> bytes:
    """A version that no other write gets."""
    return os.urandom(VERSION)


@dataclass(frozen=True, slots=True)
class Definitions:
    """The index definitions of a collection, with the state that a change must still find."""

    state: bytes | None
    indexes: tuple[Index, ...]

    @property
    def unique(self) -> tuple[Index, ...]:
        """The unique ones, without `_id_`."""
        return tuple(index for index in self.indexes if index.unique)


class DocumentStorage(Storage):
    """The documents of one collection in Redis. Making one does no I/O."""

    def __init__(self, database: str, collection: str) -> None:
        self.namespace = f"{database}.{collection}"
        self.entry = entry(database, collection)
        self.docs = own(database, collection, "docs")
        self.order = own(database, collection, "order")
        self.meta = own(database, collection, "meta")
        self._unique = (database, collection)
        self._known: Definitions | None = None

    def unique_key(self, index: Index) -> bytes:
        """The key of the hash that holds a unique index's entries."""
        return own(*self._unique, f"unique:{index.name}")

    # reading

    def plan(self, access: Access) -> Plan:
        """See `Storage.plan`: by `_id`, by a unique index, or a scan in insertion order; all checked in Python."""
        ids = pinned_ids(access.predicate)
        if ids is not None:
            path = "IDHACK" if len(ids) == 1 else "IXSCAN"
            placement = Placement("_id", "KEY", "pinned by equality: HMGET of the documents")
            return Plan(access, access.predicate, path, (placement,), private=ids)
        if self._known is not None:
            for index in self._known.unique:
                # An index with options (sparse, partial, still being built) does not hold every document.
                if len(index.keys) == 1 and not index.options:
                    values = pinned(access.predicate, tuple(index.paths[0].split(".")))
                    if values is not None:
                        entries = tuple(dict.fromkeys(identity([value]) for value in values))
                        placement = Placement(index.paths[0], "KEY", f"pinned by equality: unique index {index.name}")
                        return Plan(access, access.predicate, "IXSCAN", (placement,), private=(index, entries))
        placement = Placement("filter", "PYTHON", "documents without a schema have no engine below them")
        return Plan(access, access.predicate, "COLLSCAN", (placement,))

    def open(self, plan: Plan) -> Reader:
        """See `Storage.open`."""
        match plan.private:
            case None:
                return ScanReader(self)
            case (Index() as index, entries):
                return UniqueReader(self, entries, self.unique_key(index))
            case ids:
                return KeyReader(self, ids)

    def stored(self, key: bytes, value: bytes) -> Stored:
        """The stored form of a value of ``docs``."""
        return Stored(key, value[:VERSION], decode(value[VERSION:]))

    def again(self, stored: Stored) -> Flow[Stored | None]:
        """See `Storage.again`."""
        (value,) = yield Pipeline((("HGET", self.docs, stored.key),))
        return None if value is None else self.stored(stored.key, value)

    def count(self) -> Flow[int]:
        """See `Storage.count`."""
        (count,) = yield Pipeline((("HLEN", self.docs),))
        return int(count)

    def size(self) -> Flow[int]:
        """See `Storage.size`."""
        total = 0
        reader = ScanReader(self, sizes=True)
        while (yield from reader.fetch()) is not None:
            total += reader.bytes
        return total

    # writing

    def write(self, changes: Sequence[Change], ordered: bool = True) -> Flow[list[Outcome | OperationFailure]]:
        """See `Storage.write`. A batch goes in one round trip; `ordered` ones after the first failure are not sent."""
        definitions = yield from self.definitions()
        outcomes: list[Outcome | OperationFailure] = []
        position = 0
        while position < len(changes):
            # An ordered batch must stop at its first failure: steps that could fail after it must not be sent yet.
            batch = changes[position : position + (BATCH if not ordered else 1)]
            if ordered and len(changes) > 1:
                batch = changes[position : position + BATCH]
                outcome = yield from self._ordered(batch, definitions)
            else:
                outcome = yield from self._independent(batch, definitions)
            if outcome is None:
                definitions = yield from self.definitions(reload=True)
                continue
            outcomes.extend(outcome)
            position += len(outcome)
            if ordered and outcomes[-1] is not Outcome.DONE:
                break
        return outcomes

    def _ordered(
        self, changes: Sequence[Change], definitions: Definitions
    ) -> Flow[list[Outcome | OperationFailure] | None]:
        """As one step if none fails; else one by one, so that nothing after a failure is made."""
        checks: list[Check] = []
        commands: list[Command] = []
        seen: set[bytes] = set()
        for change in changes:
            key = identity(change.after["_id"]) if change.before is None and change.after else b""
            key = change.before.key if change.before is not None else key
            if key in seen or definitions.unique:
                break
            seen.add(key)
            step_checks, step_commands, _ = self.step(change, definitions)
            checks.extend(step_checks)
            commands.extend(step_commands)
        else:
            (reply,) = yield Pipeline((transact(checks, commands),))
            if reply == 0:
                return [Outcome.DONE] * len(changes)
        outcomes: list[Outcome | OperationFailure] = []
        for change in changes:
            one = yield from self._independent((change,), definitions)
            if one is None:
                if outcomes:
                    return outcomes
                return None
            outcomes.extend(one)
            if one[0] is not Outcome.DONE:
                break
        return outcomes

    def _independent(
        self, changes: Sequence[Change], definitions: Definitions
    ) -> Flow[list[Outcome | OperationFailure] | None]:
        """The outcomes of changes sent in one round trip, None if the definitions were stale (nothing made)."""
        steps = [self.step(change, definitions) for change in changes]
        replies = yield Pipeline(tuple(transact(checks, commands) for checks, commands, _ in steps))
        outcomes: list[Outcome | OperationFailure] = []
        for reply, (_, _, failures) in zip(replies, steps, strict=True):
            if reply == 0:
                outcomes.append(Outcome.DONE)
                continue
            failure = failures[reply - 1]
            if failure is None:
                # Definitions change rarely; when the first is stale all are, and later ones are sent again alone.
                return outcomes or None
            outcomes.append(failure)
        return outcomes

    def step(
        self, change: Change, definitions: Definitions
    ) -> tuple[list[Check], list[Command], list[Outcome | OperationFailure | None]]:
        """The checks and commands of one change, and what each failed check means (None: stale definitions)."""
        before, after = change.before, change.after
        checks = [Check(("HGET", self.meta, b"state"), (definitions.state,))]
        failures: list[Outcome | OperationFailure | None] = [None]
        commands: list[Command] = []
        if before is not None:
            key = before.key
            checks.append(Check(("HGET", self.docs, key), (Prefix(before.version),)))
            failures.append(Outcome.CONFLICT)
        else:
            if after is None:
                raise ValueError("a change needs a document before or after it")
            key = identity(after["_id"])
            checks.append(Check(("HEXISTS", self.docs, key), (0,)))
            failures.append(duplicate_key(ID_INDEX, {"_id": after["_id"]}, self.namespace))
        for index in definitions.unique:
            name = self.unique_key(index)
            new = dict(index.entries(after)) if after is not None else {}
            old = dict(index.entries(before.document)) if before is not None else {}
            for taken, value in new.items():
                checks.append(Check(("HGET", name, taken), (None, key)))
                failures.append(duplicate_key(index, value, self.namespace))
            commands.extend(("HDEL", name, given) for given in old if given not in new)
            commands.extend(("HSET", name, taken, key) for taken in new if taken not in old)
        if after is None:
            commands.append(("HDEL", self.docs, key))
            commands.append(("ZREM", self.order, key))
        else:
            commands.append(("HSET", self.docs, key, new_version() + encode(after)))
            if before is None:
                commands.append(("ZADD", self.order, moment(), key))
                commands.append(("SADD", CATALOGUE, self.entry))
        return checks, commands, failures

    # the collection and its indexes

    def definitions(self, reload: bool = False) -> Flow[Definitions]:
        """The index definitions; what was read before is used again, since every change checks that it holds."""
        if self._known is None or reload:
            state, indexes = (yield Pipeline((("HMGET", self.meta, b"state", b"indexes"),)))[0]
            found: tuple[Index, ...] = (ID_INDEX,)
            if indexes is not None:
                found += tuple(Index.of(definition) for definition in decode(indexes)["indexes"])
            self._known = Definitions(state, found)
        return self._known

    def exists(self) -> Flow[bool]:
        """See `Storage.exists`."""
        (found,) = yield Pipeline((("SISMEMBER", CATALOGUE, self.entry),))
        return bool(found)

    def create(self) -> Flow[bool]:
        """See `Storage.create`."""
        (added,) = yield Pipeline((("SADD", CATALOGUE, self.entry),))
        return bool(added)

    def drop(self) -> Flow[bool]:
        """See `Storage.drop`."""
        definitions = yield from self.definitions(reload=True)
        commands: list[Command] = [("DEL", self.docs, self.order, self.meta)]
        commands.extend(("DEL", self.unique_key(index)) for index in definitions.unique)
        commands.append(("SREM", CATALOGUE, self.entry))
        checks = [Check(("HGET", self.meta, b"state"), (definitions.state,))]
        existed = yield from self.exists()
        (reply,) = yield Pipeline((transact(checks, commands),))
        self._known = None
        if reply != 0:
            # Somebody changed the definitions meanwhile: their unique indexes must go too.
            return (yield from self.drop())
        return existed

    def clear(self) -> Flow[int]:
        """See `Storage.clear`: in one step, so that no unique entry outlives its document."""
        while True:
            definitions = yield from self.definitions(reload=True)
            (count,) = yield Pipeline((("HLEN", self.docs),))
            if not count:
                return 0
            commands: list[Command] = [("DEL", self.docs, self.order)]
            commands.extend(("DEL", self.unique_key(index)) for index in definitions.unique)
            checks = [
                Check(("HGET", self.meta, b"state"), (definitions.state,)),
                Check(("HLEN", self.docs), (count,)),
            ]
            (reply,) = yield Pipeline((transact(checks, commands),))
            if reply == 0:
                return int(count)

    def indexes(self) -> Flow[list[Index]]:
        """See `Storage.indexes`."""
        definitions = yield from self.definitions(reload=True)
        if len(definitions.indexes) == 1 and not (yield from self.exists()):
            return []
        return [index for index in definitions.indexes if BUILDING not in index.options]

    def create_index(self, index: Index) -> Flow[bool]:
        """See `Storage.create_index`.

        A unique index is announced first, so that every write from then on keeps its entries; then those of the
        documents that were there are added, and if two collide the announcement is taken back. Until it is built
        no read uses it; one whose building was interrupted is built anew.
        """
        building = replace(index, options={**index.options, BUILDING: True}) if index.unique else index
        while True:
            definitions = yield from self.definitions(reload=True)
            others = tuple(each for each in definitions.indexes if each != building)
            if not is_new(list(others), index):
                return False
            if (yield from self._define(definitions, (*others, building))):
                break
        if index.unique:
            try:
                yield from self._build(index)
            except OperationFailure:
                yield from self.drop_index(index.name)
                raise
            while True:
                definitions = yield from self.definitions(reload=True)
                finished = tuple(index if each == building else each for each in definitions.indexes)
                if (yield from self._define(definitions, finished)):
                    break
        return True

    def drop_index(self, name: str) -> Flow[None]:
        """See `Storage.drop_index`."""
        if name == ID_INDEX.name:
            raise fail(72, "cannot drop _id index")
        while True:
            definitions = yield from self.definitions(reload=True)
            gone = [index for index in definitions.indexes if index.name == name]
            if not gone:
                raise fail(27, f"index not found with name [{name}]")
            kept = tuple(index for index in definitions.indexes if index.name != name)
            if (yield from self._define(definitions, kept, ("DEL", self.unique_key(gone[0])))):
                return

    def _define(self, definitions: Definitions, indexes: tuple[Index, ...], *commands: Command) -> Flow[bool]:
        state = new_version()
        held = encode({"indexes": [index.definition() for index in indexes if index != ID_INDEX]})
        checks = [Check(("HGET", self.meta, b"state"), (definitions.state,))]
        writes: list[Command] = [
            ("HSET", self.meta, b"state", state, b"indexes", held),
            ("SADD", CATALOGUE, self.entry),
            *commands,
        ]
        (reply,) = yield Pipeline((transact(checks, writes),))
        self._known = Definitions(state, indexes) if reply == 0 else None
        return bool(reply == 0)

    def _build(self, index: Index) -> Flow[None]:
        name = self.unique_key(index)
        reader = ScanReader(self)
        while (batch := (yield from reader.fetch())) is not None:
            for stored in batch:
                current: Stored | None = stored
                while current is not None:
                    entries = index.entries(current.document)
                    checks = [Check(("HGET", self.docs, current.key), (Prefix(current.version),))]
                    checks.extend(Check(("HGET", name, taken), (None, current.key)) for taken, _ in entries)
                    commands: list[Command] = [("HSET", name, taken, current.key) for taken, _ in entries]
                    (reply,) = yield Pipeline((transact(checks, commands),))
                    if reply == 0:
                        break
                    if reply > 1:
                        raise duplicate_key(index, entries[reply - 2][1], self.namespace)
                    current = yield from self.again(current)


class ScanReader(Reader):
    """All documents in insertion order, a batch a round trip, by position in time and so stable under writes."""

    def __init__(self, storage: DocumentStorage, sizes: bool = False) -> None:
        self._storage = storage
        self._from: bytes = b"-inf"
        self._last: set[bytes] = set()
        self._done = False
        self._sizes = sizes
        self.bytes = 0

    def fetch(self) -> Flow[list[Stored] | None]:
        """See `Reader.fetch`."""
        if self._done:
            return None
        order, docs = self._storage.order, self._storage.docs
        (found,) = yield Pipeline((("ZRANGE", order, self._from, b"+inf", "BYSCORE", "LIMIT", 0, BATCH, "WITHSCORES"),))
        keys, scores = _pairs(found)
        if len(keys) < BATCH:
            self._done = True
        fresh = [key for key in keys if key not in self._last]
        if not fresh:
            self._done = True
            return None
        # Writers of two processes can share a microsecond: go on from the last score, leaving out what was given.
        self._from = scores[-1]
        self._last = {key for key, score in zip(keys, scores, strict=True) if score == scores[-1]}
        (values,) = yield Pipeline((("HMGET", docs, *fresh),))
        self.bytes = sum(len(value) - VERSION for value in values if value is not None)
        if self._sizes:
            return []
        stored = self._storage.stored
        return [stored(key, value) for key, value in zip(fresh, values, strict=True) if value is not None]

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        self._done = True
        return
        yield  # a flow without requests


class KeyReader(Reader):
    """The documents of given identities, in batches."""

    def __init__(self, storage: DocumentStorage, keys: tuple[bytes, ...]) -> None:
        self._storage = storage
        self._batches: Iterator[tuple[bytes, ...]] = iter(
            [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
        )

    def fetch(self) -> Flow[list[Stored] | None]:
        """See `Reader.fetch`."""
        keys = next(self._batches, None)
        if keys is None:
            return None
        (values,) = yield Pipeline((("HMGET", self._storage.docs, *keys),))
        stored = self._storage.stored
        return [stored(key, value) for key, value in zip(keys, values, strict=True) if value is not None]

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        self._batches = iter(())
        return
        yield  # a flow without requests


class UniqueReader(Reader):
    """The documents that have given entries of a unique index."""

    def __init__(self, storage: DocumentStorage, entries: tuple[bytes, ...], unique: bytes) -> None:
        self._storage = storage
        self._entries = entries
        self._unique = unique
        self._inner: Reader | None = None

    def fetch(self) -> Flow[list[Stored] | None]:
        """See `Reader.fetch`."""
        if self._inner is None:
            known = yield from self._storage.definitions()
            if not self._entries:
                return None
            state, owners = yield Pipeline(
                (("HGET", self._storage.meta, b"state"), ("HMGET", self._unique, *self._entries))
            )
            if state == known.state:
                keys = tuple(dict.fromkeys(owner for owner in owners if owner is not None))
                self._inner = KeyReader(self._storage, keys)
            else:
                # The index this was planned with is no longer what it was: every document is a candidate.
                yield from self._storage.definitions(reload=True)
                self._inner = ScanReader(self._storage)
        return (yield from self._inner.fetch())

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        if self._inner is not None:
            yield from self._inner.close()


def _pairs(reply: list[Any]) -> tuple[list[bytes], list[bytes]]:
    """Members and scores (as the server writes them) of a WITHSCORES reply, of RESP2 or RESP3."""
    if reply and isinstance(reply[0], list):
        return [pair[0] for pair in reply], [b"%d" % int(pair[1]) for pair in reply]
    return reply[0::2], reply[1::2]
