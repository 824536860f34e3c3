"""Collection factories: callables that give an EMPTY collection named ``coll``, in a database of its own, per call.

The protocol is that of any runner of cases: the factory takes no arguments; ``factory.sibling(collection, name)`` is
another collection of the same database; ``factory.teardown(collection)`` is called when the case is over. Engines are
opened at the first call and closed when the process ends.
"""

import atexit
import itertools
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from conformance.format import OPTIONS
from kato_compat.collection.client import MongoClient
from kato_compat.mapping.spec import PATTERNS

_numbers = itertools.count(1)


class Factory:
    """Makes collections on the client that `open_client` gives."""

    def __init__(self, open_client: Callable[[], Any], collection: str = "coll") -> None:
        self._client = open_client
        self._collection = collection

    def __call__(self) -> Any:
        """A fresh empty collection."""
        database = self._client()[f"case_{os.getpid()}_{next(_numbers)}"]
        return database.get_collection(self._collection, codec_options=OPTIONS)

    @staticmethod
    def sibling(collection: Any, name: str) -> Any:
        """Another collection beside `collection`."""
        return collection.database.get_collection(name, codec_options=OPTIONS)

    @staticmethod
    def teardown(collection: Any) -> None:
        """Drop the database of `collection`."""
        collection.database.client.drop_database(collection.database.name)


@cache
def _memory_client() -> Any:
    return MongoClient("memory://")


@cache
def _embedded_client() -> Any:
    # Folder and engines last as long as the process: chDB opens one folder per process.
    folder = tempfile.TemporaryDirectory(prefix="kc-", ignore_cleanup_errors=True)
    client = MongoClient(f"embedded://{folder.name}/e")
    atexit.register(folder.cleanup)
    atexit.register(client.close)
    return client


@cache
def _mapped_client() -> Any:
    folder = tempfile.TemporaryDirectory(prefix="kc-", ignore_cleanup_errors=True)
    client = MongoClient(f"embedded://{folder.name}/m", specs=(replace(PATTERNS, name="coll"),))
    atexit.register(folder.cleanup)
    atexit.register(client.close)
    return client


#: Documents in this process.
memory = Factory(_memory_client)
#: Schema-less documents on the embedded engines.
embedded = Factory(_embedded_client)
#: A collection mapped as ``patterns_kb`` is, on the embedded engines; other documents are on its document side.
mapped = Factory(_mapped_client)
