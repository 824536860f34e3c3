"""Deployments: the stores behind one client, and the storages of its collections."""

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from pymongo.errors import InvalidOperation, PyMongoError

from kato_compat.execute.documents import DocumentStorage
from kato_compat.execute.drive import SyncDriver
from kato_compat.execute.mapped import MappedStorage
from kato_compat.execute.memory import MemoryStorage, MemoryStore
from kato_compat.execute.pending import Pending, Warehouse
from kato_compat.execute.storage import Storage
from kato_compat.execute.table import TableStorage
from kato_compat.ir.requests import Flow, Pipeline, Select, T
from kato_compat.mapping.keys import CATALOGUE, kato, own, unescape
from kato_compat.mapping.spec import METADATA, Catalogue, Keys, Table
from kato_compat.sql.fragment import quote_name

if TYPE_CHECKING:
    from kato_compat.stores.clickhouse import ClickHouseStore
    from kato_compat.stores.embedded import Embedded
    from kato_compat.stores.redis import RedisStore

#: Storages kept for reuse: they remember index definitions, so that a write need not read them again.
_KEPT: Final = 4096
#: Keys of which every knowledge base has one that was ever learned into.
_SIGNS: Final = (*[("global", name) for name in METADATA.fields], ("symbols", "freq"), ("symbols", "pmf"))


class Deployment(ABC):
    """Where the databases of a client are. Safe to use from many threads."""

    def __init__(self, driver: SyncDriver, catalogue: Catalogue) -> None:
        self.driver = driver
        self.catalogue = catalogue
        self.closed = False
        self._lock = threading.Lock()
        self._storages: dict[tuple[str, str], Storage] = {}

    def run(self, flow: Flow[T]) -> T:
        """Perform a flow. Raises `InvalidOperation` once the deployment is closed."""
        if self.closed:
            raise InvalidOperation("Cannot use MongoClient after close")
        return self.driver.run(flow)

    def storage(self, database: str, collection: str) -> Storage:
        """The storage of a collection; no I/O."""
        found = self._storages.get((database, collection))
        if found is None:
            with self._lock:
                if len(self._storages) >= _KEPT:
                    self._storages.clear()
                found = self._storages.setdefault((database, collection), self._make(database, collection))
        return found

    @abstractmethod
    def _make(self, database: str, collection: str) -> Storage:
        """A new storage."""

    @abstractmethod
    def names(self, database: str | None = None) -> Flow[list[tuple[str, str]]]:
        """(database, collection) of every collection that exists, of one database or of all, sorted."""

    def databases(self) -> Flow[list[str]]:
        """The names of the databases that hold a collection, sorted."""
        return sorted({database for database, _ in (yield from self.names())})

    def drop_database(self, database: str) -> Flow[None]:
        """Drop every collection of a database."""
        for _, collection in (yield from self.names(database)):
            yield from self.storage(database, collection).drop()

    def flush(self) -> Flow[int]:
        """Move all pending rows to ClickHouse; how many rows were inserted."""
        return 0
        yield  # a flow without requests

    def close(self) -> None:
        """Give back what the deployment holds; nothing can be run afterwards."""
        self.closed = True

    def describe(self) -> str:
        """The addresses of the stores, without passwords."""
        return "memory"


class MemoryDeployment(Deployment):
    """The in-process store."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(SyncDriver(None, None), catalogue)
        self.store = MemoryStore()

    def _make(self, database: str, collection: str) -> Storage:
        return MemoryStorage(self.store, database, collection)

    def names(self, database: str | None = None) -> Flow[list[tuple[str, str]]]:
        """See `Deployment.names`."""
        return sorted(name for name in self.store.names() if database is None or name[0] == database)
        yield  # a flow without requests


class EngineDeployment(Deployment):
    """A ClickHouse and a Redis, embedded or served."""

    def __init__(
        self,
        redis: "RedisStore",
        clickhouse: "ClickHouseStore",
        catalogue: Catalogue,
        database: str,
        embedded: "Embedded | None" = None,
    ) -> None:
        super().__init__(SyncDriver(redis, clickhouse), catalogue)
        self.redis = redis
        self.clickhouse = clickhouse
        self.warehouse = Warehouse(database, set())
        self._embedded = embedded
        self._used_tables = False

    def _make(self, database: str, collection: str) -> Storage:
        spec = self.catalogue.find(collection)
        if spec is None:
            return DocumentStorage(database, collection)
        if isinstance(spec.source, Table):
            self._used_tables = True
            return TableStorage(spec, self.warehouse, database, collection)
        return MappedStorage(spec, database, collection, self._brand_new)

    def _brand_new(self, database: str) -> Flow[bool]:
        """Whether a knowledge base has neither totals nor symbol hashes nor rows: nobody has learned into it.

        If so, no collection of it need be searched for data of others any more.
        """
        keys = [kato(database, *parts) for parts in _SIGNS]
        (count,) = yield Pipeline((("EXISTS", *keys),))
        if count:
            return False
        for spec in self.catalogue:
            if isinstance(spec.source, Table) and (yield from self._tenants(spec.source, database)):
                return False
        scanned = [spec.name for spec in self.catalogue if isinstance(spec.source, Keys)]
        yield Pipeline(tuple(("HSETNX", own(database, name, "meta"), b"adopted", 0) for name in scanned))
        return True

    def names(self, database: str | None = None) -> Flow[list[tuple[str, str]]]:
        """See `Deployment.names`: what was created or written through this library, and what others wrote.

        Of all databases those are known that have a collection of the first kind, or rows in ClickHouse.
        """
        found = yield from self._known(database)
        for kb_id in sorted({name for name, _ in found}) if database is None else (database,):
            # Data of others have no entry in the catalogue of collections: they are looked for.
            for spec in self.catalogue:
                storage = self.storage(kb_id, spec.name)
                if (kb_id, spec.name) not in found and isinstance(storage, MappedStorage):
                    if (yield from storage.mapped_count()):
                        found.add((kb_id, spec.name))
        return sorted(found)

    def databases(self) -> Flow[list[str]]:
        """See `Deployment.databases`."""
        return sorted({database for database, _ in (yield from self._known(None))})

    def drop_database(self, database: str) -> Flow[None]:
        """See `Deployment.drop_database`. Nothing of it is left, in either store."""
        yield from super().drop_database(database)
        for spec in self.catalogue:
            storage = self.storage(database, spec.name)
            if isinstance(storage, MappedStorage):
                yield from storage.forget()

    def _known(self, database: str | None) -> Flow[set[tuple[str, str]]]:
        """The collections in the catalogue of collections, and the knowledge bases that have rows."""
        (members,) = yield Pipeline((("SMEMBERS", CATALOGUE),))
        found: set[tuple[str, str]] = set()
        for member in members:
            found.add(_names_of(member))
        if database is not None:
            found = {name for name in found if name[0] == database}
        for spec in self.catalogue:
            if isinstance(spec.source, Table):
                tenants = yield from self._tenants(spec.source, database)
                found.update((kb_id, spec.name) for kb_id in tenants)
        return found

    def _tenants(self, source: Table, database: str | None) -> Flow[list[str]]:
        yield from self.warehouse.prepare(source)
        tenant = quote_name(source.tenant)
        text = f"SELECT DISTINCT {tenant} FROM {self.warehouse.table(source).text}"
        parameters: dict[str, Any] = {}
        if database is not None:
            text += f" WHERE {tenant} = {{p:String}}"
            parameters["p"] = database
        rows = yield Select(text, parameters)
        return [row[0] for row in rows]

    def flush(self) -> Flow[int]:
        """See `Deployment.flush`: of all collections, whichever client wrote them.

        One that cannot be moved does not keep the others from it; its error is raised at the end.
        """
        (members,) = yield Pipeline((("SMEMBERS", CATALOGUE),))
        moved = 0
        failed: PyMongoError | None = None
        for database, collection in sorted(map(_names_of, members)):
            spec = self.catalogue.find(collection)
            if spec is not None and isinstance(spec.source, Table):
                try:
                    moved += yield from Pending(spec, self.warehouse, database, collection).flush()
                except PyMongoError as error:
                    failed = failed or error
        if failed is not None:
            raise failed
        return moved

    def close(self) -> None:
        """See `Deployment.close`. A client that used a table moves the rows that wait first."""
        if self.closed:
            return
        try:
            # One that asked nothing must not open a connection to close.
            if self._used_tables:
                self.driver.run(self.flush())
        finally:
            self.closed = True
            if self._embedded is not None:
                self._embedded.close()
            else:
                self.clickhouse.close()
                self.redis.close()

    def describe(self) -> str:
        """See `Deployment.describe`."""
        return f"{self.clickhouse.address}, {self.redis.address}"


def _names_of(member: bytes) -> tuple[str, str]:
    """The database and the collection of an entry of the catalogue of collections."""
    database, _, collection = member.partition(b"/")
    return unescape(database), unescape(collection)
