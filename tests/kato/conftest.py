"""Clients of the three ways to keep a knowledge base."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kato_compat import MongoClient


@pytest.fixture(scope="session")
def clients(embedded_path: Path) -> Iterator[dict[str, MongoClient]]:
    """By name: the in-process store, and the engines with either layout of symbol statistics."""
    found = {
        "memory": MongoClient("memory://"),
        "counters": MongoClient(f"embedded://{embedded_path}"),
        "hashes": MongoClient(f"embedded://{embedded_path}", layout="hashes"),
    }
    yield found
    for client in found.values():
        client.close()


@pytest.fixture(params=["memory", "counters", "hashes"])
def client(request: pytest.FixtureRequest, clients: dict[str, MongoClient]) -> MongoClient:
    """Each of `clients`."""
    return clients[request.param]


@pytest.fixture(params=["counters", "hashes"])
def engines(request: pytest.FixtureRequest, clients: dict[str, MongoClient]) -> MongoClient:
    """Each of `clients` that has engines."""
    return clients[request.param]


@pytest.fixture
def kb_id(fresh_name: Callable[[], str], clients: dict[str, MongoClient]) -> Iterator[str]:
    """A name that no other test uses; nothing is left under it."""
    name = fresh_name()
    yield name
    for client in clients.values():
        client.drop_database(name)
