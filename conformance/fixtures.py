"""Engines for all tests: real ones, started once for each pytest process, on random ports and in folders of their own.

Tests share engines and so must not share names: take databases' names from `fresh_name`.
"""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chdbhttp import ChdbHttp
from valkeyserver import ValkeyServer

from conformance.factories import Factory, memory
from kato_compat.collection.client import MongoClient
from kato_compat.execute.drive import SyncDriver
from kato_compat.mapping.spec import PATTERNS
from kato_compat.stores.clickhouse import ClickHouseStore
from kato_compat.stores.embedded import Embedded
from kato_compat.stores.redis import RedisStore

_counter = itertools.count(1)


@pytest.fixture(scope="session")
def fresh_name() -> Callable[[], str]:
    """A function that returns another name at each call, different in each pytest process."""
    return lambda: f"kb_{os.getpid()}_{next(_counter)}"


@pytest.fixture(scope="session")
def engines_folder() -> Iterator[Path]:
    """A short folder: the path of a Unix socket must not be long."""
    with tempfile.TemporaryDirectory(prefix="kc-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def valkey(engines_folder: Path) -> Iterator[ValkeyServer]:
    """A Valkey server of its own for `redis_store`; nothing is kept on the disk."""
    folder = engines_folder / "v"
    folder.mkdir()
    with ValkeyServer(folder) as server:
        yield server


@pytest.fixture(scope="session")
def redis_store(valkey: ValkeyServer) -> Iterator[RedisStore]:
    """A store on `valkey` through its Unix socket."""
    store = RedisStore(unix_socket=valkey.socket)
    yield store
    store.close()


@pytest.fixture(scope="session")
def embedded(engines_folder: Path) -> Iterator[Embedded]:
    """The embedded engines of this process: chDB opens one folder per process."""
    engines = Embedded.open(engines_folder / "e")
    yield engines
    engines.close()


@pytest.fixture(scope="session")
def embedded_path(embedded: Embedded) -> Path:
    """The folder of `embedded`; further clients of this process can share it, and no other."""
    return embedded.path


@pytest.fixture(scope="session")
def clickhouse_store(embedded: Embedded) -> ClickHouseStore:
    """chDB in this process."""
    return embedded.clickhouse


@pytest.fixture(scope="session")
def driver(redis_store: RedisStore, clickhouse_store: ClickHouseStore) -> SyncDriver:
    """A driver over chDB and a real Valkey."""
    return SyncDriver(redis_store, clickhouse_store)


@pytest.fixture(scope="session")
def clickhouse_http(engines_folder: Path) -> Iterator[ChdbHttp]:
    """chDB in another process behind ClickHouse's HTTP interface."""
    with ChdbHttp(engines_folder / "h") as server:
        yield server


@pytest.fixture(scope="session")
def engines(embedded_path: Path) -> Iterator[Factory]:
    """A factory of schema-less collections on chDB and Valkey (see `conformance.factories`)."""
    with MongoClient(f"embedded://{embedded_path}") as client:
        yield Factory(lambda: client)


@pytest.fixture(scope="session")
def mapped(embedded_path: Path) -> Iterator[Factory]:
    """A factory of collections that are mapped as ``patterns_kb`` is, on chDB and Valkey."""
    with MongoClient(f"embedded://{embedded_path}", specs=(replace(PATTERNS, name="coll"),)) as client:
        yield Factory(lambda: client)


@pytest.fixture(params=["memory", "engines", "mapped"], scope="session")
def store(request: pytest.FixtureRequest) -> Factory:
    """A factory on each of the stores in turn."""
    if request.param == "memory":
        return memory
    factory: Factory = request.getfixturevalue(request.param)
    return factory
