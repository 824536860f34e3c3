"""The stores on which legacy calls run, and mongomock beside them as a second opinion.

Each test is named after the legacy call it makes. mongomock gets the same expectation, and where it is wrong the
call is in `WRONG` with the reason, and must fail there.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mongomock
import pytest

from kato_compat import MongoClient

STORES = ("memory", "counters", "hashes", "mongomock")

#: Where mongomock is not right, by call.
WRONG = {
    "p04_attributes_of_a_collection": "gives the same object for each access to a collection, pymongo a new one",
    "p07_after_p06_is_a_write_error": "raises TypeError where the server answers with a write error",
    "p17_flattened_patterns_by_frequency": "has no $reduce",
    "p18_statistics": "a $group with _id None over nothing gives a document, the server none",
    "p19_sizes": "has no $reduce",
    "p20_elem_match_on_a_list_of_lists_finds_nothing": "has no $reduce, and looks into inner lists",
    "p27_insert_many_of_numpy_strings": "keeps the subclass of str that it was given",
    "r02_store_predictions": "keeps the subclass of float that it was given",
    "s08_a_collection_has_no_truth_value": "gives collections a truth value",
    "s11_statistics": "a $group with _id None over nothing gives a document, the server none",
    "v08_dicts_are_no_requests": "raises AttributeError",
    "v08_requests_as_they_were_meant": "its bulk_write does not know the requests of pymongo 4.11 on",
    "d02_databases_and_collections": "gives the same object for each access to a collection, pymongo a new one",
    "d09_statistics_of_a_collection": "its command takes no value",
}

_NAME = re.compile(r"test_([a-z]\d\d_\w+)")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def counters_client(embedded_path: Path) -> Iterator[MongoClient]:
    """chDB and Valkey, symbol statistics as counters."""
    with MongoClient(f"embedded://{embedded_path}") as client:
        yield client


@pytest.fixture(scope="session")
def hashes_client(embedded_path: Path) -> Iterator[MongoClient]:
    """chDB and Valkey, symbol statistics in hashes."""
    with MongoClient(f"embedded://{embedded_path}", layout="hashes") as client:
        yield client


@pytest.fixture(scope="session")
def memory_client() -> Iterator[MongoClient]:
    """The in-process store."""
    with MongoClient("memory://") as client:
        yield client


@pytest.fixture(params=STORES)
def client(request: pytest.FixtureRequest) -> Any:
    """Each store in turn."""
    if request.param != "mongomock":
        return request.getfixturevalue(f"{request.param}_client")
    named = _NAME.match(request.node.originalname)
    if named is not None and named[1] in WRONG:
        request.applymarker(pytest.mark.xfail(reason=WRONG[named[1]], strict=True))
    return mongomock.MongoClient()


@pytest.fixture
def kb_id(fresh_name: Callable[[], str]) -> str:
    """The name of a knowledge base that nothing else uses."""
    return f"node_{next(_numbers)}_{fresh_name()}"


@pytest.fixture
def knowledge(client: Any, kb_id: str) -> Iterator[Any]:
    """An empty knowledge base: a database of the client."""
    yield client[kb_id]
    client.drop_database(kb_id)
