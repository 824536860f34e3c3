"""Clients of the engines with either layout of symbol statistics."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kato_compat import MongoClient


@pytest.fixture(params=["counters", "hashes"], scope="module")
def client(request: pytest.FixtureRequest, embedded_path: Path) -> Iterator[MongoClient]:
    """A client."""
    with MongoClient(f"embedded://{embedded_path}", layout=request.param) as client:
        yield client


@pytest.fixture
def other(client: MongoClient, embedded_path: Path) -> Iterator[MongoClient]:
    """A second client of the same stores, which knows nothing of what the first has done."""
    with MongoClient(f"embedded://{embedded_path}", layout=client.deployment.catalogue.layout) as other:
        yield other


@pytest.fixture
def database(client: MongoClient, fresh_name: Callable[[], str]) -> Iterator[Any]:
    """A database that is dropped at the end."""
    name = fresh_name()
    yield client[name]
    client.drop_database(name)
