"""Codes that the server has for arguments which pymongo sends as they are."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from bson.decimal128 import Decimal128
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
        (lambda c: c.aggregate([], allowDiskUse=1), 14),
        (lambda c: c.aggregate([], allowDiskUse="yes"), 14),
        (lambda c: c.aggregate([], cursor=1), 14),
        (lambda c: c.aggregate([], cursor={"x": 1}), 40415),
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


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"collStats": "c", "scale": 0}, 51024),
        ({"collStats": "c", "scale": "x"}, 14),
        ({"dbStats": 1, "scale": -3}, 51024),
        ({"count": "c", "skip": "x"}, 14),
        ({"count": "c", "query": 3}, 14),
        ({"distinct": "c", "key": 3}, 14),
        ({"find": "c", "batchSize": True}, 14),
        ({"find": "c", "sort": [("a", 1)]}, 14),
        ({"listCollections": 1, "filter": 3}, 14),
        ({"aggregate": "c", "pipeline": {}, "cursor": {}}, 14),
        ({"aggregate": "c", "cursor": {}}, 40414),
    ],
)
def test_fields_of_commands_are_checked(collection: Any, command: dict[str, Any], code: int) -> None:
    """MongoDB manual: collStats, dbStats, count, distinct, find, listCollections, aggregate."""
    with pytest.raises(OperationFailure) as raised:
        collection.database.command(command)
    assert raised.value.code == code


def test_numbers_of_commands_may_be_of_any_type(collection: Any) -> None:
    count = {"count": "c", "skip": None, "limit": Decimal128("1"), "query": None}
    assert collection.database.command(count) == {"n": 1, "ok": 1.0}


def test_commands_take_what_the_codec_options_of_the_database_let_through() -> None:
    identity = UUID(int=5)
    with MongoClient("memory://", uuidRepresentation="standard") as client:
        client.db.c.insert_one({"u": identity})
        assert client.db.command("count", "c", query={"u": identity})["n"] == 1


def test_later_variables_read_earlier_ones(collection: Any) -> None:
    pipeline = [{"$project": {"_id": 0, "r": "$$b"}}]
    assert list(collection.aggregate(pipeline, let={"a": 2, "b": {"$add": ["$$a", 1]}})) == [{"r": 3}]
