"""The in-process storage of ``memory://``: documents in dicts, the reference the other storages are compared with."""

import threading
from collections.abc import Callable, Iterator, Sequence

from bson import encode
from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.execute.storage import Access, Change, Outcome, Placement, Plan, Reader, Storage, Stored
from kato_compat.ir.requests import Flow
from kato_compat.mapping.index import ID_INDEX, Index, duplicate_key, is_new
from kato_compat.plan.pin import pinned_ids
from kato_compat.values.document import Document
from kato_compat.values.identity import identity

#: Documents per batch of a scan.
BATCH = 1024


class Table:
    """The documents and indexes of one collection. All access is under `lock`; `changes` grows with every change."""

    __slots__ = ("changes", "documents", "entries", "exists", "indexes", "lock")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.documents: dict[bytes, Stored] = {}
        self.indexes: list[Index] = [ID_INDEX]
        self.entries: dict[str, dict[bytes, bytes]] = {}
        self.exists = False
        self.changes = 0


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

    def rename(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Give the table of `source` the name `target`, in the place of what stood there."""
        with self._lock:
            self._tables[target] = self._tables.pop(source)


class MemoryReader(Reader):
    """A snapshot of the candidates, in insertion order."""

    def __init__(self, candidates: Callable[[], Iterator[Stored]]) -> None:
        self._candidates = candidates
        self._iterator: Iterator[Stored] | None = None

    def fetch(self) -> Flow[list[Stored] | None]:
        """See `Reader.fetch`."""
        if self._iterator is None:
            self._iterator = self._candidates()
        batch: list[Stored] = []
        for stored in self._iterator:
            batch.append(stored)
            if len(batch) == BATCH:
                break
        return batch or None
        yield  # a flow without requests

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        self._iterator = iter(())
        return
        yield  # a flow without requests


class MemoryStorage(Storage):
    """One collection of a `MemoryStore`."""

    def __init__(self, store: MemoryStore, database: str, collection: str) -> None:
        self._store = store
        self._name = (database, collection)
        self.namespace = f"{database}.{collection}"

    @property
    def _table(self) -> Table:
        return self._store.table(*self._name)

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
                    return iter(list(table.documents.values()))
                return iter([table.documents[key] for key in ids if key in table.documents])

        return MemoryReader(candidates)

    def again(self, stored: Stored) -> Flow[Stored | None]:
        """See `Storage.again`."""
        return self._table.documents.get(stored.key)
        yield  # a flow without requests

    def write(self, changes: Sequence[Change], ordered: bool = True) -> Flow[list[Outcome | OperationFailure]]:
        """See `Storage.write`."""
        outcomes: list[Outcome | OperationFailure] = []
        table = self._table
        with table.lock:
            for change in changes:
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
        for index in table.indexes:
            if index.unique:
                entries = table.entries[index.name]
                for entry, value in index.entries(after) if after is not None else ():
                    if entries.get(entry, key) != key:
                        return duplicate_key(index, value, self.namespace)
                    added.append((entries, entry))
        if before is not None:
            for index in table.indexes:
                if index.unique:
                    for entry, _ in index.entries(before.document):
                        table.entries[index.name].pop(entry, None)
        for entries, entry in added:
            entries[entry] = key
        table.exists = True
        table.changes += 1
        if after is None:
            del table.documents[key]
        else:
            table.documents[key] = Stored(key, None, after)
        return Outcome.DONE

    def count(self) -> Flow[int]:
        """See `Storage.count`."""
        return len(self._table.documents)
        yield  # a flow without requests

    def exists(self) -> Flow[bool]:
        """See `Storage.exists`."""
        return self._table.exists
        yield  # a flow without requests

    def create(self) -> Flow[bool]:
        """See `Storage.create`."""
        table = self._table
        with table.lock:
            existed, table.exists = table.exists, True
        return not existed
        yield  # a flow without requests

    def drop(self) -> Flow[bool]:
        """See `Storage.drop`."""
        table = self._table
        with table.lock:
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
        table = self._table
        with table.lock:
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
        table = self._table
        with table.lock:
            if not is_new(table.indexes, index):
                return False
            if index.unique:
                entries: dict[bytes, bytes] = {}
                for stored in table.documents.values():
                    for entry, value in index.entries(stored.document):
                        if entries.setdefault(entry, stored.key) != stored.key:
                            raise duplicate_key(index, value, self.namespace)
                table.entries[index.name] = entries
            table.indexes.append(index)
            table.exists = True
        return True
        yield  # a flow without requests

    def drop_index(self, name: str) -> Flow[None]:
        """See `Storage.drop_index`."""
        table = self._table
        with table.lock:
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
