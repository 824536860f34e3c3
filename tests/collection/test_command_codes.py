"""Codes that the server has for arguments which pymongo sends as they are."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from kato_compat import MongoClient


@pytest.fixture
def collection() -> Iterator[Any]:
    with MongoClient("memory://") as client:
        client.db.c.insert_one({"_id": 1, "a": "x"})
        yield client.db.c


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda c: c.aggregate([], allowDiskUse=None), 14),
        (lambda c: c.distinct("a\0"), 31032),
        (lambda c: c.distinct("a", {"$expr": {"$lt": ["$a", "$$NOW"]}}), 51144),
        (lambda c: list(c.find({"$expr": "$$v"}, let={"ROOT": 1})), 9),
        (lambda c: c.aggregate([], let={"v": "$a"}), 4890500),
        (lambda c: c.aggregate([], let={"v": "$$w", "w": 1}), 17276),
    ],
)
def test_codes(collection: Any, call: Callable[[Any], Any], code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        call(collection)
    assert raised.value.code == code


def test_later_variables_read_earlier_ones(collection: Any) -> None:
    pipeline = [{"$project": {"_id": 0, "r": "$$b"}}]
    assert list(collection.aggregate(pipeline, let={"a": 2, "b": {"$add": ["$$a", 1]}})) == [{"r": 3}]
