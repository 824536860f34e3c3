"""Readers of mapped collections: the mapped side first, then the document side, then what has moved meanwhile.

Whether the document side holds anything at all is asked in the pipeline that reads the mapped side by key, behind
those reads: while it is empty it costs no round trip.

Updates move documents from one side to the other, and every move has a number (see `execute.placing`). A reader asks
for the last one before its first read and behind its last one. If they differ, it reads the documents that have
moved: those that it gave before they moved it leaves out, the others it gives at the end. For that it remembers a
hash of what it gave, 8 bytes a document.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bson.objectid import ObjectId

from kato_compat.execute.storage import Plan, Reader, Stored
from kato_compat.ir.predicate import ALWAYS, DocumentTest, compile_predicate
from kato_compat.ir.requests import CloseScan, Flow, NextBlock, OpenScan, Pipeline, Select, alongside, between
from kato_compat.mapping.field import Raw
from kato_compat.plan.access import predicate_fields
from kato_compat.plan.scores import Ranking
from kato_compat.plan.values import DistinctValues
from kato_compat.sql.fragment import Sql
from kato_compat.values.document import Document

if TYPE_CHECKING:
    from kato_compat.execute.keyed import KeyedStorage
    from kato_compat.execute.table import TableStorage

#: Keys per round trip.
BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class MappedPlan:
    """How the mapped side is read: by `keys`, by `ids`, or all of it (both None); an empty tuple is a contradiction."""

    keys: tuple[str, ...] | None
    ids: tuple[ObjectId, ...] | None
    fields: tuple[str, ...]
    documents: Plan
    private: Any = None
    #: The counter index to read by, and the plan without it.
    ranking: Ranking | None = None
    instead: Plan | None = None


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """The scan of a table: the pushed condition, whether columns are fetched late, and the rows wanted (0: all).

    With `values` it gives no rows but the distinct values of a column.
    """

    where: Sql | None
    late: bool
    limit: int
    values: DistinctValues | None = None


class MappedReader(Reader):
    """The documents of the mapped side, then those of the document side that match."""

    def __init__(self, storage: "KeyedStorage", plan: Plan) -> None:
        self._storage = storage
        self._plan = plan
        self._private: MappedPlan = plan.private
        access = plan.access
        self._identified = access.fields is None or "_id" in access.fields
        self._keys: Iterator[tuple[str, ...]] | None = None
        self._start: bytes = b"-inf"
        self._documents: Reader | None = None
        self._read_documents = False
        self._bare = False  # the document side was empty when the mapped side had been read
        self._test: DocumentTest | None = None
        self._done = False
        #: The last move of a document when this reader began (empty: it has not), and behind its latest read.
        self._since: list[bytes | None] = []
        self._now: bytes | None = None
        #: The keys of the latest batch, and hashes of those that were given before.
        self._latest: Sequence[str] = ()
        self._given = array("q")

    def fetch(self) -> Flow[list[Stored] | None]:
        """See `Reader.fetch`."""
        batch = yield from self._next(plain=False)
        if batch is None or self._plan.access.writes:
            return batch
        return [each if isinstance(each, Stored) else Stored(b"", None, each) for each in batch]

    def documents(self) -> Flow[list[Document] | None]:
        """See `Reader.documents`."""
        return (yield from self._next(plain=True))

    def _next(self, plain: bool) -> Flow[list[Any] | None]:
        """The next batch; what is of the document side is `plain` documents, or else `Stored`."""
        if self._done:
            return None
        if self._latest:
            self._given.extend(map(hash, self._latest))
            self._latest = ()
        if self._documents is None:
            batch = yield from self._mapped()
            if batch is not None:
                return batch
            if not self._bare:
                self._documents = self._storage.documents.open(self._private.documents)
                if self._plan.residual is not self._plan.access.predicate:
                    # What the mapped side answered itself was not checked there yet.
                    self._test = compile_predicate(self._plan.access.predicate)
        if self._documents is not None and not self._read_documents:
            batch = yield from self._beside(self._documents)
            if batch is not None:
                return [each.document for each in batch] if plain else batch
            self._read_documents = True
        batch = yield from self._moved(plain)
        self._done = batch is None
        return batch

    def _mapped(self) -> Flow[list[Any] | None]:
        """The next batch of the mapped side: as `Stored` for a plan that writes, else documents."""
        keys = yield from self._next_keys()
        if keys is None:
            return None
        found = yield from self._read(keys)
        if None in found:
            self._latest = [key for key, each in zip(keys, found, strict=True) if each is not None]
            return [each for each in found if each is not None]
        self._latest = keys
        return found

    def _read(self, keys: tuple[str, ...]) -> Flow[list[Any]]:
        """The mapped documents of `keys`, None for those that there are not; what is beside them is asked too."""
        storage = self._storage
        reading = storage.read(keys, self._private.fields, self._plan.access.writes, self._identified)
        sides = (("EXISTS", storage.documents.docs), storage.moved())
        found, (began,), (there, self._now) = yield from between((storage.moved(),), reading, sides)
        if not self._since:
            self._since.append(began)
        self._bare = there == 0 and self._sure(found)
        return found

    def _sure(self, found: list[Any]) -> bool:
        """Whether the pipeline that asked for the document side was the last to read the mapped side."""
        return True

    def _beside(self, reader: Reader) -> Flow[list[Stored] | None]:
        """The next batch of the document side, without documents that were given before they moved there."""
        storage = self._storage
        reading = reader.fetch()
        batch, replies = yield from alongside(reading, (storage.moved(),))
        if replies is not None:
            (self._now,) = replies
        if batch is None:
            return None
        if self._test is not None:
            batch = [stored for stored in batch if self._test(stored.document)]
        if not self._since:
            self._since.append(self._now)
        if self._now != self._since[0]:
            _, moved = yield from storage.moves_since(self._since[0])
            gone = {key for key in moved if hash(key) in self._given}
            batch = [stored for stored in batch if storage.key_of(stored) not in gone]
        self._latest = [key for stored in batch if (key := storage.key_of(stored)) is not None]
        return batch

    def _moved(self, plain: bool) -> Flow[list[Any] | None]:
        """The documents that have moved since this reader began and that it has not given; None if there are none."""
        storage, access = self._storage, self._plan.access
        while self._since and self._now != self._since[0]:
            self._since[0], moved = yield from storage.moves_since(self._since[0])
            keys = [key for key in moved if hash(key) not in self._given]
            found: list[Any] = []
            if keys:
                test = compile_predicate(access.predicate)
                whole = yield from storage.both(keys, access.writes)
                for key, stored in whole:
                    if test(stored.document):
                        self._given.append(hash(key))
                        found.append(stored.document if plain else stored)
            (self._now,) = yield Pipeline((storage.moved(),))
            if found:
                return found
        return None

    def _next_keys(self) -> Flow[tuple[str, ...] | None]:
        plan = self._private
        if plan.keys is None and plan.ids is None:
            return (yield from self._enumerated())
        if self._keys is None:
            keys = plan.keys
            if keys is None:
                finding = self._storage.by_ids(plan.ids or ())
                keys, (began,), _ = yield from between((self._storage.moved(),), finding)
                self._since.append(began)
            self._keys = iter([keys[start : start + BATCH] for start in range(0, len(keys), BATCH)])
        return next(self._keys, None)

    def _enumerated(self) -> Flow[tuple[str, ...] | None]:
        if self._start == b"":
            return None
        storage = self._storage
        yield from storage.adopt()
        members_from = ("ZRANGE", storage.index, self._start, "+inf", "BYSCORE", "LIMIT", 0, BATCH, "WITHSCORES")
        (state, began), reply = yield Pipeline((storage.head(), members_from))
        if not self._since:
            # An index that another client has made is there for the next read.
            yield from storage.documents.current(state)
            self._since.append(began)
        if reply and isinstance(reply[0], list):
            reply = [part for pair in reply for part in pair]
        members, scores = reply[0::2], reply[1::2]
        # Scores are 53 bits of a hash: two keys of one collection do not share one.
        self._start = b"(%d" % int(scores[-1]) if len(members) == BATCH else b""
        return tuple(member.decode() for member in members)

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        self._done = True
        self._keys = iter(())
        self._start = b""
        if self._documents is not None:
            yield from self._documents.close()


class TableReader(MappedReader):
    """The rows of a table that SQL lets through with their Redis fields, then the document side."""

    _storage: "TableStorage"

    def __init__(self, storage: "TableStorage", plan: Plan) -> None:
        super().__init__(storage, plan)
        self._scan: Any = None
        self._scanned = False

    def _mapped(self) -> Flow[list[Any] | None]:
        private = self._private
        if private.keys is not None or private.ids is not None:
            return (yield from super()._mapped())
        if self._scanned:
            return None
        scan: ScanPlan = private.private
        if scan.late:
            return (yield from self._late(scan))
        if scan.values is not None:
            return (yield from self._distinct(scan, scan.values))
        columns = [name for name in self._storage.spec.columns if name in private.fields]
        rows = yield from self._rows(columns, scan)
        if rows is None:
            return None
        return (yield from self._documents_of(rows, columns, private.fields, self._identified))

    def _sure(self, found: list[Any]) -> bool:
        """See `MappedReader._sure`: a row that ClickHouse did not have may have moved before it was asked."""
        return None not in found

    def _rows(self, columns: Sequence[str], scan: ScanPlan) -> Flow[list[tuple[Any, ...]] | None]:
        """The next block of rows of the open scan."""
        if self._scan is None:
            _, ((state, began),), _ = yield from between((self._storage.head(),), self._storage.prepared())
            # An index that another client has made is there for the next read.
            yield from self._storage.documents.current(state)
            self._since.append(began)
            statement = self._storage.scan(columns, scan)
            if 0 < scan.limit <= BATCH:
                self._scanned = True
                rows: list[tuple[Any, ...]] = yield Select(statement.text, statement.parameters)
                return rows
            self._scan = yield OpenScan(statement.text, statement.parameters)
        rows = yield NextBlock(self._scan)
        if not rows:
            self._scanned = True
            self._scan = None
            return None
        return rows

    def _documents_of(
        self, rows: list[tuple[Any, ...]], columns: Sequence[str], fields: Sequence[str], identified: bool
    ) -> Flow[list[Any]]:
        """The documents of rows, their Redis fields fetched in batches; those of rows deleted or replaced meanwhile
        are read again.
        """
        storage = self._storage
        writes = self._plan.access.writes
        redis = [name for name in storage.spec.redis if writes or name in fields]
        keys = [row[0] for row in rows]
        if not redis and not writes:
            self._latest = keys
            return storage.stored(keys, columns, [row[1:] for row in rows], {}, identified, False)
        found: list[Any] = []
        given: list[str] = []
        for start in range(0, len(rows), BATCH):
            block = rows[start : start + BATCH]
            keys = [row[0] for row in block]
            counts = (("ZCARD", storage.pending.gone), ("ZCARD", storage.pending.replaced))
            raws, _, (deleted, replaced) = yield from between((), storage.raws(keys, redis), counts)
            again: list[str] = []
            if deleted or (replaced and writes):
                block, keys, raws, again = yield from self._alive(block, keys, raws)
            found.extend(storage.stored(keys, columns, [row[1:] for row in block], raws, identified, writes))
            given.extend(keys)
            for key, document in (yield from self._again(again, fields)):
                found.append(document)
                given.append(key)
        self._latest = given
        return found

    def _distinct(self, scan: ScanPlan, values: DistinctValues) -> Flow[list[Document] | None]:
        """Documents that hold the next distinct values of a column."""
        rows = yield from self._rows((), scan)
        if rows is None:
            return None
        found = [row[0] for row in rows]
        if not values.depth:
            return [{values.name: value} for value in found]
        for _ in range(values.depth - 1):
            found = [found]
        return [{values.name: found}]

    def _alive(
        self, rows: list[tuple[Any, ...]], keys: list[str], raws: dict[str, list[Raw]]
    ) -> Flow[tuple[list[tuple[Any, ...]], list[str], dict[str, list[Raw]], list[str]]]:
        """Those that are not marked as deleted, nor as replaced for a plan that writes; and the keys of the others."""
        pending = self._storage.pending
        encoded = [key.encode() for key in keys]
        marked = [pending.gone, *([pending.replaced] if self._plan.access.writes else [])]
        marks = yield Pipeline(tuple(("ZMSCORE", each, *encoded) for each in marked))
        places = [place for place, each in enumerate(zip(*marks, strict=True)) if each.count(None) == len(each)]
        if len(places) == len(keys):
            return rows, keys, raws, []
        kept = {name: [raw[place] for place in places] for name, raw in raws.items()}
        alive = [keys[place] for place in places]
        return [rows[place] for place in places], alive, kept, list(set(keys).difference(alive))

    def _again(self, keys: Sequence[str], fields: Sequence[str]) -> Flow[list[tuple[str, Any]]]:
        """The documents of `keys` as they are now, by key, if they match still."""
        if not keys:
            return []
        storage, access = self._storage, self._plan.access
        wanted = predicate_fields(access.predicate)
        names = [name for name in storage.spec.fields if wanted is None or name in wanted or name in fields]
        found = yield from storage.read(keys, names, access.writes)
        test = compile_predicate(access.predicate)
        return [
            (key, each)
            for key, each in zip(keys, found, strict=True)
            if each is not None and test(each.document if access.writes else each)
        ]

    def _late(self, scan: ScanPlan) -> Flow[list[Document]]:
        """The winners: keys and Redis fields of all rows first, then the columns of those that are kept."""
        storage, plan = self._storage, self._plan
        access = plan.access
        assert access.sort is not None
        runner = access.sort.compile()
        test: DocumentTest | None = None if plan.residual == ALWAYS else compile_predicate(plan.residual)
        wanted = predicate_fields(plan.residual) or frozenset()
        wanted |= access.sort.roots
        fields = [name for name in storage.spec.redis if name in wanted]
        name = storage.spec.key
        kept: list[Document] = []
        while (rows := (yield from self._rows((), scan))) is not None:
            documents = yield from self._documents_of(rows, (), fields, "_id" in wanted)
            kept.extend(documents if test is None else [document for document in documents if test(document)])
            if len(kept) > 4 * access.limit + 4096:
                kept = runner.top(kept, access.limit)
        kept = runner.top(kept, access.limit)
        keys = [document[name] for document in kept]
        found: list[Document] = []
        given: list[str] = []
        for start in range(0, len(keys), BATCH):
            block = yield from storage.read(keys[start : start + BATCH], self._private.fields, False, self._identified)
            found.extend(document for document in block if document is not None)
            given.extend(key for key, each in zip(keys[start : start + BATCH], block, strict=True) if each is not None)
        self._latest = given
        return found

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        yield from super().close()
        self._scanned = True
        if self._scan is not None:
            scan, self._scan = self._scan, None
            yield CloseScan(scan)
