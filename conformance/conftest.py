"""The stores that cases and properties run on, as factories of empty collections (see `factories`)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.factories import Factory, memory
from kato_compat.collection.client import MongoClient
from kato_compat.mapping.spec import PATTERNS

#: The stores; ``mapped`` is a collection called ``coll`` that is mapped as ``patterns_kb`` is.
STORES = ("memory", "engines", "mapped")


@pytest.fixture(scope="session")
def engines(embedded_path: Path) -> Iterator[Factory]:
    """Schema-less collections on chDB and Valkey."""
    with MongoClient(f"embedded://{embedded_path}") as client:
        yield Factory(lambda: client)


@pytest.fixture(scope="session")
def mapped(embedded_path: Path) -> Iterator[Factory]:
    """Collections mapped as ``patterns_kb`` is, on chDB and Valkey."""
    with MongoClient(f"embedded://{embedded_path}", specs=(replace(PATTERNS, name="coll"),)) as client:
        yield Factory(lambda: client)


@pytest.fixture(params=STORES, scope="session")
def store(request: pytest.FixtureRequest) -> Factory:
    """Each of the stores in turn."""
    if request.param == "memory":
        return memory
    factory: Factory = request.getfixturevalue(request.param)
    return factory
