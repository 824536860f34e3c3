"""What is wrong with the arguments is said before anything is read or written, and opening costs nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo import InsertOne, UpdateOne
from pymongo.errors import OperationFailure, PyMongoError

from kato_compat import Collection, MongoClient
from kato_compat.execute.deployment import EngineDeployment
from kato_compat.ir.requests import Flow


class Untouchable:
    """A driver on which every request fails; it counts them."""

    def __init__(self) -> None:
        self.requests = 0

    def run(self, flow: Flow[Any]) -> Any:
        """Fail at the first request."""
        try:
            next(flow)
        except StopIteration as end:
            return end.value
        self.requests += 1
        flow.close()
        raise AssertionError("a request was made")


@pytest.fixture
def untouchable() -> Any:
    """A client of engines that must not be asked."""
    client = MongoClient(clickhouse="http://127.0.0.1:1/x", redis="redis://127.0.0.1:1/0")
    assert isinstance(client.deployment, EngineDeployment)
    client.deployment.driver = Untouchable()  # type: ignore[assignment]
    return client


def test_opening_asks_nothing(untouchable: Any) -> None:
    for number in range(10_000):
        collection = untouchable[f"kb_{number}"][("patterns_kb", "symbols_kb", "free")[number % 3]]
        collection.find({"name": "x"}).sort("name").limit(3)
        assert collection.full_name.startswith("kb_")
    assert untouchable.deployment.driver.requests == 0


Call = Callable[[Collection], Any]

CODED: list[tuple[Call, int]] = [
    (lambda c: c.find_one({"a": {"$nonsense": 1}}), 2),
    (lambda c: c.find_one({"$where": "1"}), 115),
    (lambda c: c.find({}, {"a": 1, "b": 0}).to_list(), 31254),
    (lambda c: c.find({}, sort=[("a", 7)]).to_list(), 15975),
    (lambda c: c.find({}, max_time_ms=-1).to_list(), 2),
    (lambda c: c.aggregate([{"$nonsense": 1}]), 40324),
    (lambda c: c.aggregate([{"$limit": 0}]), 15958),
    (lambda c: c.aggregate([{"$group": {}}]), 15955),
    (lambda c: c.count_documents({"a": {"$in": 1}}), 2),
    (lambda c: c.distinct("a", {"a": {"$size": "x"}}), 2),
    (lambda c: c.update_one({}, {"$nonsense": {"a": 1}}), 9),
    (lambda c: c.update_one({}, {"$set": {"a": 1, "a.b": 1}}), 40),
    (lambda c: c.find_one_and_update({}, {"$push": {"a": {"$each": 1}}}), 2),
    (lambda c: c.create_index([("a", "text")]), 115),
    (lambda c: c.create_index("a", bogus=1), 197),
    (lambda c: c.aggregate([], colation={}), 40415),
    (lambda c: c.find({}, session="s"), 115),
    (lambda c: c.database.command("nonsense"), 59),
]

TYPED: list[tuple[Call, type[Exception]]] = [
    (lambda c: c.insert_one([]), TypeError),
    (lambda c: c.insert_one({"a": object()}), InvalidDocument),
    (lambda c: c.insert_one({1: 2}), InvalidDocument),
    (lambda c: c.insert_one({"a": 2**64}), OverflowError),
    (lambda c: c.insert_one({"a": "\ud800"}), UnicodeEncodeError),
    (lambda c: c.insert_many([]), TypeError),
    (lambda c: c.insert_many({}), TypeError),
    (lambda c: c.insert_many([1]), TypeError),
    (lambda c: c.find_one({"a": object()}), InvalidDocument),
    (lambda c: c.find("x"), TypeError),
    (lambda c: c.find({}, 3), TypeError),
    (lambda c: c.find({}, [1]), TypeError),
    (lambda c: c.find({}, limit="x"), TypeError),
    (lambda c: c.find({}, sort=3), TypeError),
    (lambda c: c.find({}, batch_size=-1), ValueError),
    (lambda c: c.find({}, hint=[]), ValueError),
    (lambda c: c.find({}, let=1), TypeError),
    (lambda c: c.update_one({}, {}), ValueError),
    (lambda c: c.update_one({}, {"a": 1}), ValueError),
    (lambda c: c.update_one([], {"$set": {"a": 1}}), TypeError),
    (lambda c: c.update_one({}, {"$set": {"a": 1}}, upsert="yes"), TypeError),
    (lambda c: c.update_one({}, {"$set": {"a": 1}}, array_filters={}), TypeError),
    (lambda c: c.update_one({}, {"$set": {"a": 1}}, sort=[("a", 1)]), TypeError),
    (lambda c: c.replace_one({}, {"$set": {"a": 1}}), ValueError),
    (lambda c: c.find_one_and_update({}, {"$set": {"a": 1}}, return_document=1), TypeError),
    (lambda c: c.delete_one(None), TypeError),
    (lambda c: c.bulk_write([]), PyMongoError),
    (lambda c: c.bulk_write([{}]), TypeError),
    (lambda c: c.bulk_write([InsertOne({"a": 1}), UpdateOne({}, {"a": 1})]), ValueError),
    (lambda c: c.bulk_write({}), TypeError),
    (lambda c: c.aggregate({}), TypeError),
    (lambda c: c.aggregate([], batchSize=-1), ValueError),
    (lambda c: c.distinct(1), TypeError),
    (lambda c: c.count_documents(None), TypeError),
    (lambda c: c.create_index([]), ValueError),
    (lambda c: c.create_index(3), TypeError),
    (lambda c: c.with_options(codec_options="x"), TypeError),
    (lambda c: c.with_options(write_concern="x"), TypeError),
    (lambda c: c.with_options(read_preference="x"), TypeError),
    (lambda c: c.rename(1), TypeError),
]


@pytest.mark.parametrize("name", ["patterns_kb", "symbols_kb", "metadata", "free"])
@pytest.mark.parametrize(("call", "code"), CODED)
def test_coded_errors_before_any_request(untouchable: Any, name: str, call: Call, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        call(untouchable.kb[name])
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["patterns_kb", "free"])
@pytest.mark.parametrize(("call", "error"), TYPED)
def test_other_errors_before_any_request(untouchable: Any, name: str, call: Call, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(untouchable.kb[name])


def test_the_driver_would_have_failed(untouchable: Any) -> None:
    with pytest.raises(AssertionError, match="a request was made"):
        untouchable.kb.free.find_one({})
    assert untouchable.deployment.driver.requests == 1
