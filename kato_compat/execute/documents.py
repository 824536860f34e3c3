"""The document side: schema-less documents in Redis, one hash a collection.

Keys of a collection (see `mapping.keys.own`):

- ``docs``: HASH identity of `_id` -> 16 bytes of version, then the document's BSON; the first 8 bytes of the version
  are the microsecond of insertion, the others are new with every change
- ``order``: ZSET identity -> microseconds of insertion: natural order
- ``meta``: HASH ``indexes`` -> BSON of the definitions, ``state`` -> changes with every change of them, ``epoch`` ->
  changes when another collection takes the place of this one
- ``index:<name>``: ZSET of members (see `scanning.member`) with score 0: the entries of an index in their order

Every change is one atomic step (`steps.APPLY`) that checks the version it was computed from, the state of the index
definitions it was computed with, and the unique entries it takes.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from pymongo.errors import DuplicateKeyError, OperationFailure

from kato_compat.execute import indexing
from kato_compat.execute.scanning import VERSION, IndexReader, KeyReader, ScanReader, alive, now
from kato_compat.execute.step import Definitions, Step, make_step, new_version, put_steps
from kato_compat.execute.steps import APPLY, MOVE, PUT
from kato_compat.execute.storage import Access, Change, Outcome, Placement, Plan, Reader, Storage, Stored
from kato_compat.ir.predicate import Predicate
from kato_compat.ir.requests import Argument, Call, Command, Flow, Pipeline
from kato_compat.ir.transact import Check, Prefix, transact
from kato_compat.mapping.index import ID_INDEX, Index, duplicate_key
from kato_compat.mapping.keys import CATALOGUE, entry, own
from kato_compat.parse.express import Express
from kato_compat.plan.indexes import Lookup, choose, load
from kato_compat.plan.pin import pinned_ids
from kato_compat.values.document import Document, decode, decode_all, encode
from kato_compat.values.identity import identity

#: The most changes, and about the most bytes, of one step.
STEPS: Final = 1000
BYTES: Final = 8 * 1024 * 1024
#: Seconds between looks for expired documents while a collection is written.
SWEEP: Final = 10.0


class DocumentStorage(Storage):
    """The documents of one collection in Redis. Making one does no I/O."""

    foresees = True

    def __init__(self, database: str, collection: str) -> None:
        self.namespace = f"{database}.{collection}"
        self.entry = entry(database, collection)
        self.docs = own(database, collection, "docs")
        self.order = own(database, collection, "order")
        self.meta = own(database, collection, "meta")
        self._names = (database, collection)
        self._known: Definitions | None = None
        #: The indexes by which documents expire, as far as the definitions are known.
        self.expiring: tuple[Index, ...] = ()
        self._swept = 0.0

    def index_key(self, index: Index) -> bytes:
        """The key of the sorted set that holds an index's entries."""
        return own(*self._names, f"index:{index.name}")

    def counter_key(self, index: Index) -> bytes:
        """The key of the sorted set that a counter index has on the mapped side (see `execute.placing`)."""
        return own(*self._names, f"counter:{index.name}")

    def head(self) -> Command:
        """The command whose reply is the state and the epoch of the collection."""
        return ("HMGET", self.meta, b"state", b"epoch")

    # reading

    def plan(self, access: Access) -> Plan:
        """See `Storage.plan`: by `_id`, by an index, or a scan in insertion order; all checked in Python."""
        ids = pinned_ids(access.predicate)
        if ids is not None:
            path = "IDHACK" if len(ids) == 1 else "IXSCAN"
            placement = Placement("_id", "KEY", "pinned by equality: HMGET of the documents")
            return Plan(access, access.predicate, path, (placement,), private=ids)
        lookup = self._lookup(access) if access.pushdown else None
        if lookup is not None:
            index = lookup.index
            reason = f"{len(lookup.ranges)} range(s) of index {index.name}" + (", in its order" * lookup.ordered)
            placement = Placement(", ".join(index.paths), "INDEX", reason)
            details: Document = {"indexName": index.name, "keyPattern": index.pattern}
            return Plan(
                access, access.predicate, "IXSCAN", (placement,), lookup.ordered, details=details, private=lookup
            )
        placement = Placement("filter", "PYTHON", "documents without a schema have no engine below them")
        return Plan(access, access.predicate, "COLLSCAN", (placement,))

    def _lookup(self, access: Access) -> Lookup | None:
        if self._known is None or len(self._known.indexes) == 1:
            return None
        return choose(access.predicate, access.sort, access.limit, self.built)

    @property
    def built(self) -> tuple[Index, ...]:
        """The indexes that queries may read, as far as the definitions are known; without that on `_id`."""
        if self._known is None:
            return ()
        return tuple(index for index in self._known.kept if indexing.BUILDING not in index.options)

    def unique(self, name: str) -> Index | None:
        """An index that has each value of the field `name` once, and every document with one; None if there is none."""
        for index in () if self._known is None else self._known.kept:
            if index.unique and index.keys in (((name, 1),), ((name, -1),)) and index.collation is None:
                if index.partial is None and not index.hidden and indexing.BUILDING not in index.options:
                    return index
        return None

    def usable(self, index: Index) -> bool:
        """Whether queries may read an index: it is defined as it was when it was planned with, and built."""
        return self._known is not None and index in self._known.indexes

    def open(self, plan: Plan) -> Reader:
        """See `Storage.open`."""
        match plan.private:
            case None:
                first = 0 if plan.access.sort is not None else plan.access.limit
                return ScanReader(self, first)
            case Lookup() as lookup:
                return IndexReader(self, plan, lookup)
            case ids:
                return KeyReader(self, ids)

    def stored(self, key: bytes, value: bytes) -> Stored:
        """The stored form of a value of ``docs``."""
        return Stored(key, value[:VERSION], decode(value[VERSION:]))

    def all_stored(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> list[Stored]:
        """The stored forms of values of ``docs``, without those that are not there."""
        there = [(key, value) for key, value in zip(keys, values, strict=True) if value is not None]
        documents = decode_all([value[VERSION:] for _, value in there])
        return [Stored(key, value[:VERSION], document) for (key, value), document in zip(there, documents, strict=True)]

    def alive(self, found: list[Stored]) -> list[Stored]:
        """Those of `found` that have not expired."""
        return alive(found, self.expiring)

    def again(self, stored: Stored) -> Flow[Stored | None]:
        """See `Storage.again`."""
        found = yield from KeyReader(self, (stored.key,)).fetch()
        return found[0] if found else None

    def count(self) -> Flow[int]:
        """See `Storage.count`."""
        count, (state, _) = yield Pipeline((("HLEN", self.docs), self.head()))
        yield from self.current(state)
        if self.expiring and (yield from self.sweep()):
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

    def foresee(self, before: Stored | None, after: Document) -> Stored:
        """See `Storage.foresee`."""
        if before is None:
            return Stored(identity(after["_id"]), new_version(), after)
        return Stored(before.key, new_version(before.version), after)

    def write(self, changes: Sequence[Change], ordered: bool = True) -> Flow[list[Outcome | OperationFailure]]:
        """See `Storage.write`. A block of changes goes in one step."""
        outcomes: list[Outcome | OperationFailure] = []
        swept = False
        while len(outcomes) < len(changes):
            # Steps are made for the definitions as they are known; the block says if they are others by now.
            definitions = yield from self.definitions()
            if not swept and self.expiring and time.monotonic() - self._swept > SWEEP:
                yield from self.sweep()
            if not definitions.kept or _neutral(changes[len(outcomes) : len(outcomes) + STEPS], definitions.kept):
                put = yield from self._put(changes, len(outcomes), definitions, ordered)
                outcomes.extend(put)
                if ordered and put and put[-1] is not Outcome.DONE:
                    break
                continue
            block = self._block(changes, len(outcomes), definitions)
            steps = [each for each in block if isinstance(each, Step)]
            codes: list[int] = []
            if steps:
                reply = yield Pipeline((self._call(steps, definitions, ordered),))
                if reply[0] == -1:
                    yield from self.definitions(reload=True)
                    continue
                codes = reply[0]
            found = self._outcomes(block, codes)
            if self.expiring and not swept and any(isinstance(each, DuplicateKeyError) for each in found):
                # What stands in the way may have expired: it goes, and the first that failed is tried again.
                swept = True
                failed = next(place for place, each in enumerate(found) if isinstance(each, DuplicateKeyError))
                if (yield from self.sweep()):
                    if ordered:
                        outcomes.extend(found[:failed])
                        continue
                    for place, each in enumerate(found):
                        if isinstance(each, DuplicateKeyError):
                            (found[place],) = yield from self.write((changes[len(outcomes) + place],))
            outcomes.extend(found)
            if ordered and outcomes[-1] is not Outcome.DONE:
                break
        return outcomes

    def _put(
        self, changes: Sequence[Change], start: int, definitions: Definitions, ordered: bool
    ) -> Flow[list[Outcome | OperationFailure]]:
        """Make the next changes where they are in no index; what became of them, nothing if the indexes are others."""
        block = changes[start : start + STEPS]
        state = b"-" if definitions.state is None else b"=" + definitions.state
        arguments: list[Argument] = [state, int(ordered), self.entry]
        count = put_steps(block, arguments, BYTES)
        (reply,) = yield Pipeline((Call(PUT, (self.docs, self.order, self.meta, CATALOGUE), tuple(arguments)),))
        if reply == -1:
            yield from self.definitions(reload=True)
            return []
        outcomes: list[Outcome | OperationFailure] = [Outcome.DONE] * count
        for place, code in zip(reply[0::2], reply[1::2], strict=True):
            after = block[place].after
            taken = code == -1 and after is not None
            outcomes[place] = (
                duplicate_key(ID_INDEX, {"_id": after["_id"]}, self.namespace) if taken else Outcome.CONFLICT
            )
        return outcomes[: reply[0] + 1] if ordered and reply else outcomes

    def _block(
        self, changes: Sequence[Change], start: int, definitions: Definitions
    ) -> list["Step | OperationFailure"]:
        """The next changes that go in one step; in the place of one that cannot be made, its error."""
        block: list[Step | OperationFailure] = []
        size = 0
        for change in changes[start : start + STEPS]:
            try:
                step: Step | OperationFailure = make_step(change, definitions)
            except OperationFailure as error:
                step = error
            block.append(step)
            size += step.size if isinstance(step, Step) else 0
            if size > BYTES:
                break
        return block

    def _outcomes(self, block: list["Step | OperationFailure"], codes: list[int]) -> list[Outcome | OperationFailure]:
        outcomes: list[Outcome | OperationFailure] = []
        replies = iter(codes)
        for each in block:
            if isinstance(each, OperationFailure):
                outcomes.append(each)
                continue
            code = next(replies, None)
            if code is None:
                break
            outcomes.append(each.failure(code, self.namespace))
        return outcomes

    def _call(self, steps: list[Step], definitions: Definitions, ordered: bool) -> Call:
        keys = (self.docs, self.order, self.meta, CATALOGUE, *map(self.index_key, definitions.kept))
        state = b"-" if definitions.state is None else b"=" + definitions.state
        arguments: list[Argument] = [state, int(ordered), self.entry]
        for step in steps:
            arguments.extend(step.arguments)
        return Call(APPLY, keys, tuple(arguments))

    def step(
        self, change: Change, definitions: Definitions
    ) -> tuple[list[Check], list[Command], list[Outcome | OperationFailure | None]]:
        """One change as checks and commands of a larger step, and what each failed check means (None: stale)."""
        made = make_step(change, definitions)
        kind, key, expected, value, score, *rest = made.arguments
        names = [self.index_key(index) for index in definitions.kept]
        checks = [Check(("HGET", self.meta, b"state"), (definitions.state,))]
        failures: list[Outcome | OperationFailure | None] = [None]
        if kind == b"i":
            checks.append(Check(("HEXISTS", self.docs, key), (0,)))
            failures.append(made.failure(-1, self.namespace))
        else:
            assert isinstance(expected, bytes)
            checks.append(Check(("HGET", self.docs, key), (Prefix(expected),)))
            failures.append(Outcome.CONFLICT)
        lists: list[list[tuple[bytes, bytes]]] = []
        for _ in range(3):
            count = int(rest.pop(0))
            lists.append([(names[int(rest.pop(0)) - 1], _data(rest.pop(0))) for _ in range(count)])
        free, gone, added = lists
        for number, (name, each) in enumerate(free, 1):
            checks.append(Check(("ZLEXCOUNT", name, b"[" + each, b"(" + each + b"\xff"), (0,)))
            failures.append(made.failure(number, self.namespace))
        commands: list[Command] = [("ZREM", name, each) for name, each in gone]
        commands.extend(("ZADD", name, 0, each) for name, each in added)
        if kind == b"d":
            commands.extend((("HDEL", self.docs, key), ("ZREM", self.order, key)))
        else:
            commands.append(("HSET", self.docs, key, value))
            if kind == b"i":
                commands.extend((("ZADD", self.order, score, key), ("SADD", CATALOGUE, self.entry)))
        return checks, commands, failures

    def vacant(self, index: Index, value: Any) -> Check:
        """The check that no document has `value` for the only key of an index."""
        each = index.encode(0, value)
        return Check(("ZLEXCOUNT", self.index_key(index), b"[" + each, b"(" + each + b"\xff"), (0,))

    def sweep(self) -> Flow[int]:
        """See `Storage.sweep`."""
        self._swept = time.monotonic()
        removed = 0
        yield from self.definitions()
        for index in self.expiring:
            removed += yield from indexing.remove_expired(self, index, now())
        return removed

    # the collection and its indexes

    def ready(self, access: Access) -> Flow[None]:
        """See `Storage.ready`: the definitions, for a read that is not by `_id`."""
        if self._known is None and access.pushdown and pinned_ids(access.predicate) is None:
            yield from self.definitions()

    def is_current(self, state: bytes | None) -> bool:
        """Whether the definitions are known and those that belong to `state`."""
        return self._known is not None and self._known.state == state

    def current(self, state: bytes | None) -> Flow[Definitions]:
        """The index definitions that belong to `state`, or later ones."""
        if self._known is None or self._known.state != state:
            return (yield from self.definitions(reload=True))
        return self._known

    def definitions(self, reload: bool = False) -> Flow[Definitions]:
        """The index definitions; what was read before is used again, since every change checks that it holds."""
        known = self._known
        if known is None or reload:
            state, indexes = (yield Pipeline((("HMGET", self.meta, b"state", b"indexes"),)))[0]
            found: tuple[Index, ...] = (ID_INDEX,)
            if indexes is not None:
                found += tuple(load(definition) for definition in decode(indexes)["indexes"])
            known = Definitions(state, found)
            self.know(known)
        return known

    def know(self, definitions: Definitions | None) -> None:
        """Take `definitions` for those of the collection until a reply says otherwise."""
        self._known = definitions
        built = () if definitions is None else definitions.kept
        self.expiring = tuple(
            index for index in built if index.seconds is not None and indexing.BUILDING not in index.options
        )

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
        while True:
            definitions = yield from self.definitions(reload=True)
            commands: list[Command] = [("DEL", self.docs, self.order, self.meta)]
            commands.extend(("DEL", self.index_key(index), self.counter_key(index)) for index in definitions.kept)
            commands.append(("SREM", CATALOGUE, self.entry))
            checks = [Check(("HGET", self.meta, b"state"), (definitions.state,))]
            existed, reply = yield Pipeline((("SISMEMBER", CATALOGUE, self.entry), transact(checks, commands)))
            self.know(None)
            # Else somebody changed the definitions meanwhile: their indexes must go too.
            if reply == 0:
                return bool(existed)

    def clear(self) -> Flow[int]:
        """See `Storage.clear`: in one step, so that no entry outlives its document."""
        while True:
            definitions = yield from self.definitions(reload=True)
            (count,) = yield Pipeline((("HLEN", self.docs),))
            if not count:
                return 0
            commands: list[Command] = [("DEL", self.docs, self.order)]
            commands.extend(("DEL", self.index_key(index)) for index in definitions.kept)
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
        return [index for index in definitions.indexes if indexing.BUILDING not in index.options]

    def create_index(self, index: Index, meanwhile: Callable[[Index], Flow[None]] | None = None) -> Flow[bool]:
        """See `Storage.create_index`, and for `meanwhile` `indexing.create`."""
        return (yield from indexing.create(self, index, meanwhile))

    def change_index(self, index: Index) -> Flow[None]:
        """See `Storage.change_index`."""
        yield from indexing.change(self, index)

    def drop_index(self, name: str) -> Flow[None]:
        """See `Storage.drop_index`."""
        yield from indexing.drop(self, name)

    def define(self, definitions: Definitions, indexes: tuple[Index, ...], *commands: Command) -> Flow[bool]:
        """Put `indexes` in the place of `definitions`, with further commands; False if those are others by now."""
        state = os.urandom(16)
        held = encode({"indexes": [index.definition() for index in indexes if index != ID_INDEX]})
        checks = [Check(("HGET", self.meta, b"state"), (definitions.state,))]
        writes: list[Command] = [
            ("HSET", self.meta, b"state", state, b"indexes", held),
            ("SADD", CATALOGUE, self.entry),
            *commands,
        ]
        (reply,) = yield Pipeline((transact(checks, writes),))
        self.know(Definitions(state, indexes) if reply == 0 else None)
        return bool(reply == 0)

    def take(self, source: Storage, replace: bool) -> Flow[bool | None]:
        """See `Storage.take`: the keys are renamed in one step."""
        if not isinstance(source, DocumentStorage):
            return None
        while True:
            theirs = yield from source.definitions(reload=True)
            ours = yield from self.definitions(reload=True)
            gone = [self.docs, self.order, self.meta, *map(self.index_key, ours.kept)]
            moved = [source.docs, self.docs, source.order, self.order, source.meta, self.meta]
            for index in theirs.kept:
                moved.extend((source.index_key(index), self.index_key(index)))
            states = [b"-" if each.state is None else b"=" + each.state for each in (theirs, ours)]
            entries = (source.entry, self.entry)
            options: tuple[Argument, ...] = (*states, len(gone), *entries, os.urandom(16), int(not replace))
            keys = (source.meta, self.meta, CATALOGUE, *gone, *moved)
            (reply,) = yield Pipeline((Call(MOVE, keys, options),))
            source.know(None)
            self.know(None)
            if reply:
                return bool(reply == 1)

    # many at once

    def prefetch(self, wanted: Sequence[Predicate | Express]) -> Flow[list[list[Stored] | None]]:
        """See `Storage.prefetch`."""
        yield from self.definitions()
        return (yield from indexing.prefetch(self, wanted))


def _neutral(changes: Sequence[Change], indexes: Sequence[Index]) -> bool:
    """Whether changes leave the entries of all `indexes` as they are."""
    for before, after, *_ in changes:
        if before is None or after is None or not all(index.spares(before.document, after) for index in indexes):
            return False
    return True


def _data(argument: Argument) -> bytes:
    assert isinstance(argument, bytes)
    return argument


__all__ = ["Definitions", "DocumentStorage"]
