"""The in-process storage of ``memory://``: documents in dicts, the reference the other storages are compared with."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from bson import encode
from pymongo.errors import DuplicateKeyError, OperationFailure

from kato_compat.errors import fail
from kato_compat.execute.scanning import alive
from kato_compat.execute.storage import Access, Change, Outcome, Placement, Plan, Reader, Storage, Stored
from kato_compat.ir.predicate import Predicate
from kato_compat.ir.requests import Flow
from kato_compat.mapping.index import ID_INDEX, Index, duplicate_key, is_new
from kato_compat.parse.express import Express
from kato_compat.plan.pin import pinned_ids
from kato_compat.values.document import Document
from kato_compat.values.identity import identity

#: Documents per batch of a scan.
BATCH = 1024


class Table:
    """The documents and indexes of one collection. All access is under `lock`; `changes` grows with every change."""

    __slots__ = ("_seen", "changes", "documents", "entries", "exists", "indexes", "lock")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.documents: dict[bytes, Stored] = {}
        self.indexes: list[Index] = [ID_INDEX]
        self.entries: dict[str, dict[bytes, bytes]] = {}
        self.exists = False
        self.changes = 0
        self._seen: tuple[int, list[Document]] = (-1, [])

    def snapshot(self) -> list[Document]:
        """All documents in insertion order, for reading only; the same list until something changes."""
        changes, found = self._seen
        if changes != self.changes:
            found = [stored.document for stored in self.documents.values()]
            self._seen = self.changes, found
        return found

    @property
    def expiring(self) -> tuple[Index, ...]:
        """The indexes by which documents expire."""
        return tuple(index for index in self.indexes if index.seconds is not None)


class MemoryStore:
    """All databases of one ``memory://`` client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[tuple[str, str], Table] = {}

    def table(self, database: str, collection: str) -> Table:
        """The table of a collection, made on first use."""
        table = self._tables.get((database, collection))
        if table is None:
            with self._lock:
                table = self._tables.setdefault((database, collection), Table())
        return table

    def names(self) -> list[tuple[str, str]]:
        """(database, collection) of every collection that exists, in order of creation."""
        with self._lock:
            return [name for name, table in self._tables.items() if table.exists]

    def rename(self, source: tuple[str, str], target: tuple[str, str], replace: bool) -> bool:
        """Give the table of `source` the name `target`, in the place of what stood there if `replace`."""
        while True:
            table = self.table(*source)
            # No writer is in the middle of a change that it would end in a collection of another name.
            with table.lock, self._lock:
                if self._tables.get(source) is not table:
                    continue
                there = self._tables.get(target)
                if there is not None and there.exists and not replace:
                    return False
                del self._tables[source]
                table.exists = True
                self._tables[target] = table
                return True


class MemoryReader(Reader):
    """A snapshot of the candidates, in insertion order."""

    def __init__(self, candidates: Callable[[], Iterator[Stored]], table: Table | None = None) -> None:
        """`table` is given where all its documents are candidates and none of them can expire."""
        self._candidates = candidates
        self._iterator: Iterator[Stored] | None = None
        self._table = table
        self._documents: Iterator[Document] | None = None

    def fetch(self) -> Flow[list[Stored] | None]:
        """See `Reader.fetch`."""
        if self._iterator is None:
            self._iterator = self._candidates()
        return list(islice(self._iterator, BATCH)) or None
        yield  # a flow without requests

    def documents(self) -> Flow[list[Document] | None]:
        """See `Reader.documents`."""
        if self._table is None:
            return (yield from super().documents())
        if self._documents is None:
            with self._table.lock:
                self._documents = iter(self._table.snapshot())
        return list(islice(self._documents, BATCH)) or None

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        self._iterator = iter(())
        self._documents = iter(())
        return
        yield  # a flow without requests


class MemoryStorage(Storage):
    """One collection of a `MemoryStore`."""

    shares = True

    foresees = True

    def __init__(self, store: MemoryStore, database: str, collection: str) -> None:
        self._store = store
        self._name = (database, collection)
        self.namespace = f"{database}.{collection}"

    @property
    def _table(self) -> Table:
        return self._store.table(*self._name)

    @contextmanager
    def _held(self) -> Iterator[Table]:
        """The table under its lock, which is this collection's as long as it is held."""
        while True:
            table = self._table
            with table.lock:
                if self._table is table:
                    yield table
                    return

    def plan(self, access: Access) -> Plan:
        """See `Storage.plan`: documents pinned by `_id` are read by key, all else is a scan in insertion order."""
        ids = pinned_ids(access.predicate)
        if ids is not None:
            placements = (Placement("_id", "KEY", "pinned by equality"),)
            return Plan(access, access.predicate, "IDHACK" if len(ids) == 1 else "IXSCAN", placements, private=ids)
        placements = (Placement("filter", "PYTHON", "the in-process store has no engine below it"),)
        return Plan(access, access.predicate, "COLLSCAN", placements)

    def open(self, plan: Plan) -> Reader:
        """See `Storage.open`."""
        ids: tuple[bytes, ...] | None = plan.private

        def candidates() -> Iterator[Stored]:
            table = self._table
            with table.lock:
                if ids is None:
                    found = list(table.documents.values())
                else:
                    found = [table.documents[key] for key in ids if key in table.documents]
                return iter(alive(found, table.expiring))

        table = self._table
        return MemoryReader(candidates, table if ids is None and not table.expiring else None)

    def again(self, stored: Stored) -> Flow[Stored | None]:
        """See `Storage.again`."""
        found = self._table.documents.get(stored.key)
        return found if found is not None and alive([found], self._table.expiring) else None
        yield  # a flow without requests

    def foresee(self, before: Stored | None, after: Document) -> Stored:
        """See `Storage.foresee`."""
        return Stored(identity(after["_id"]) if before is None else before.key, None, after)

    def write(self, changes: Sequence[Change], ordered: bool = True) -> Flow[list[Outcome | OperationFailure]]:
        """See `Storage.write`."""
        outcomes: list[Outcome | OperationFailure] = []
        with self._held() as table:
            for change in changes:
                outcome = self._apply(table, change)
                if isinstance(outcome, DuplicateKeyError) and self._sweep(table):
                    outcome = self._apply(table, change)
                outcomes.append(outcome)
                if ordered and outcome is not Outcome.DONE:
                    break
        return outcomes
        yield  # a flow without requests

    def _apply(self, table: Table, change: Change) -> Outcome | OperationFailure:
        before, after = change.before, change.after
        if before is not None:
            key = before.key
            if table.documents.get(key) is not before:
                return Outcome.CONFLICT
        else:
            assert after is not None
            key = identity(after["_id"])
            if key in table.documents:
                return duplicate_key(ID_INDEX, {"_id": after["_id"]}, self.namespace)
        added: list[tuple[dict[bytes, bytes], bytes]] = []
        for index in table.indexes[1:]:
            entries = table.entries[index.name]
            try:
                new = index.entries(after).keys if after is not None else {}
            except OperationFailure as error:
                return error
            for entry, value in new.items():
                if index.unique:
                    if entries.get(entry, key) != key:
                        return duplicate_key(index, value, self.namespace)
                    added.append((entries, entry))
        if before is not None:
            for index in table.indexes[1:]:
                if index.unique:
                    for entry in index.entries(before.document).keys:
                        table.entries[index.name].pop(entry, None)
        for entries, entry in added:
            entries[entry] = key
        table.exists = True
        table.changes += 1
        if after is None:
            del table.documents[key]
        else:
            table.documents[key] = change.foreseen or Stored(key, None, after)
        return Outcome.DONE

    def _sweep(self, table: Table) -> int:
        gone = [stored for stored in table.documents.values() if not alive([stored], table.expiring)]
        for stored in gone:
            self._apply(table, Change(stored, None))
        return len(gone)

    def sweep(self) -> Flow[int]:
        """See `Storage.sweep`."""
        with self._held() as table:
            return self._sweep(table) if table.expiring else 0
        yield  # a flow without requests

    def prefetch(self, wanted: Sequence[Predicate | Express]) -> Flow[list[list[Stored] | None]]:
        """See `Storage.prefetch`."""
        table = self._table
        with table.lock:
            return [self._pinned(table, each) for each in wanted]
        yield  # a flow without requests

    @staticmethod
    def _pinned(table: Table, wanted: Predicate | Express) -> list[Stored] | None:
        ids: tuple[bytes, ...] | None
        if isinstance(wanted, Express):
            ids = None if wanted.key is None else (wanted.key,)
        else:
            ids = pinned_ids(wanted)
        if ids is None:
            return None
        return alive([table.documents[key] for key in ids if key in table.documents], table.expiring)

    def take(self, source: Storage, replace: bool) -> Flow[bool | None]:
        """See `Storage.take`."""
        if not isinstance(source, MemoryStorage) or source._store is not self._store:
            return None
        return self._store.rename(source._name, self._name, replace)
        yield  # a flow without requests

    def count(self) -> Flow[int]:
        """See `Storage.count`."""
        table = self._table
        with table.lock:
            if table.expiring:
                self._sweep(table)
            return len(table.documents)
        yield  # a flow without requests

    def exists(self) -> Flow[bool]:
        """See `Storage.exists`."""
        return self._table.exists
        yield  # a flow without requests

    def create(self) -> Flow[bool]:
        """See `Storage.create`."""
        with self._held() as table:
            existed, table.exists = table.exists, True
        return not existed
        yield  # a flow without requests

    def drop(self) -> Flow[bool]:
        """See `Storage.drop`."""
        with self._held() as table:
            existed = table.exists
            table.documents = {}
            table.indexes = [ID_INDEX]
            table.entries = {}
            table.exists = False
            table.changes += 1
        return existed
        yield  # a flow without requests

    def clear(self) -> Flow[int]:
        """See `Storage.clear`."""
        with self._held() as table:
            count = len(table.documents)
            table.documents = {}
            table.entries = {name: {} for name in table.entries}
            table.changes += 1
        return count
        yield  # a flow without requests

    def indexes(self) -> Flow[list[Index]]:
        """See `Storage.indexes`."""
        table = self._table
        with table.lock:
            return list(table.indexes) if table.exists else []
        yield  # a flow without requests

    def create_index(self, index: Index) -> Flow[bool]:
        """See `Storage.create_index`."""
        with self._held() as table:
            if not is_new(table.indexes, index):
                return False
            # What has expired stands in the way of nothing.
            self._sweep(table)
            entries: dict[bytes, bytes] = {}
            for stored in table.documents.values():
                for entry, value in index.entries(stored.document).keys.items():
                    if entries.setdefault(entry, stored.key) != stored.key and index.unique:
                        raise duplicate_key(index, value, self.namespace)
            table.entries[index.name] = entries if index.unique else {}
            table.indexes.append(index)
            table.exists = True
        return True
        yield  # a flow without requests

    def change_index(self, index: Index) -> Flow[None]:
        """See `Storage.change_index`."""
        table = self._table
        with table.lock:
            if index.name not in table.entries:
                raise fail(27, f"index not found with name [{index.name}]")
            table.indexes = [index if each.name == index.name else each for each in table.indexes]
        return
        yield  # a flow without requests

    def drop_index(self, name: str) -> Flow[None]:
        """See `Storage.drop_index`."""
        with self._held() as table:
            if name == ID_INDEX.name:
                raise fail(72, "cannot drop _id index")
            kept = [index for index in table.indexes if index.name != name]
            if len(kept) == len(table.indexes):
                raise fail(27, f"index not found with name [{name}]")
            table.indexes = kept
            table.entries.pop(name, None)
        return
        yield  # a flow without requests

    def size(self) -> Flow[int]:
        """See `Storage.size`."""
        table = self._table
        with table.lock:
            documents: list[Document] = [stored.document for stored in table.documents.values()]
        return sum(len(encode(document)) for document in documents)
        yield  # a flow without requests
