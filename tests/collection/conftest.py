"""Fixtures of the tests of the pymongo face: empty collections on memory and on the engines."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kato_compat import Collection, Database, MongoClient


@pytest.fixture(scope="session")
def face_engines(embedded_path: Path) -> Iterator[MongoClient]:
    """A client of chDB and Valkey."""
    with MongoClient(f"embedded://{embedded_path}") as client:
        yield client


@pytest.fixture(scope="session")
def face_memory() -> Iterator[MongoClient]:
    """A client of the in-process store."""
    with MongoClient("memory://") as client:
        yield client


@pytest.fixture
def memory(face_memory: MongoClient, fresh_name: Callable[[], str]) -> Iterator[Collection]:
    """An empty collection in memory."""
    name = fresh_name()
    yield face_memory[name].things
    face_memory.drop_database(name)


@pytest.fixture(params=["memory", "documents", "patterns"])
def things(request: pytest.FixtureRequest, fresh_name: Callable[[], str]) -> Iterator[Collection]:
    """An empty collection in memory, on the document side of the engines, and of a mapped name."""
    client = request.getfixturevalue("face_memory" if request.param == "memory" else "face_engines")
    name = fresh_name()
    yield client[name]["patterns_kb" if request.param == "patterns" else "things"]
    client.drop_database(name)


@pytest.fixture
def database(things: Collection) -> Database:
    """The database of `things`."""
    return things.database
