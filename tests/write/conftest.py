"""Fixtures of the tests of writing: clients of memory and of the engines."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from racing import SHAPES, Shape
from twins import Pair

from kato_compat import Collection, MongoClient


@pytest.fixture(scope="session")
def write_engines(embedded_path: Path) -> Iterator[MongoClient]:
    """A client of chDB and Valkey."""
    with MongoClient(f"embedded://{embedded_path}") as client:
        yield client


@pytest.fixture(scope="session")
def write_memory() -> Iterator[MongoClient]:
    """A client of the in-process store."""
    with MongoClient("memory://") as client:
        yield client


@pytest.fixture(params=["memory", "documents"])
def written(request: pytest.FixtureRequest, fresh_name: Callable[[], str]) -> Iterator[Collection]:
    """An empty schema-less collection, in memory and on the engines."""
    client = request.getfixturevalue("write_memory" if request.param == "memory" else "write_engines")
    name = fresh_name()
    yield client[name].things
    client.drop_database(name)


@pytest.fixture
def stored(write_engines: MongoClient, fresh_name: Callable[[], str]) -> Iterator[Collection]:
    """An empty schema-less collection on the engines."""
    name = fresh_name()
    yield write_engines[name].things
    write_engines.drop_database(name)


@pytest.fixture(scope="module", params=["counters", "hashes"])
def pair(request: pytest.FixtureRequest, embedded_path: Path) -> Iterator[Pair]:
    """A pair with either layout of symbol statistics."""
    made = Pair(embedded_path, request.param)
    yield made
    made.close()


@pytest.fixture(scope="session")
def racing_clients(embedded_path: Path) -> Iterator[dict[str, MongoClient]]:
    """Clients of memory, and of the engines with either layout of symbol statistics."""
    found = {
        "memory": MongoClient("memory://"),
        "counters": MongoClient(f"embedded://{embedded_path}"),
        "hashes": MongoClient(f"embedded://{embedded_path}", layout="hashes"),
    }
    yield found
    for client in found.values():
        client.close()


@pytest.fixture(params=["memory", *SHAPES])
def raced(
    request: pytest.FixtureRequest, racing_clients: dict[str, MongoClient], fresh_name: Callable[[], str]
) -> Iterator[tuple[Collection, Shape]]:
    """An empty collection, and the shape of its documents: schema-less on each store, and mapped ones."""
    memory = request.param == "memory"
    shape = SHAPES["plain" if memory else request.param]
    client = racing_clients["memory" if memory else shape.layout]
    name = fresh_name()
    yield client[name][shape.collection], shape
    client.drop_database(name)
