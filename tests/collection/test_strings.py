"""Collation, variables and time limits, on every method that takes them."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from pymongo import DeleteMany, ReplaceOne, ReturnDocument, UpdateOne
from pymongo.collation import Collation
from pymongo.errors import ExecutionTimeout, OperationFailure

from kato_compat import Collection
from kato_compat.collection.stream import Limit, limit_of, limited
from kato_compat.ir.requests import CloseScan, Flow, OpenScan, Select

by_icu = pytest.mark.skipif(find_spec("icu") is None, reason="needs the extra collation")

EITHER: dict[str, Any] = {"locale": "en", "strength": 2}


@pytest.fixture
def words(things: Collection) -> Collection:
    things.insert_many([{"_id": number, "w": word} for number, word in enumerate(["b", "A", "a", "C", "B"])])
    return things


def ids(found: Any) -> list[int]:
    return [each["_id"] for each in found]


@by_icu
@pytest.mark.parametrize("collation", [EITHER, Collation("en", strength=2)])
def test_reads_by_collation(words: Collection, collation: Any) -> None:
    assert ids(words.find({"w": "a"}).collation(collation).sort("_id")) == [1, 2]
    assert ids(words.find({"w": {"$in": ["a", "c"]}}, collation=collation).sort("_id")) == [1, 2, 3]
    assert ids(words.find(collation=collation).sort([("w", 1), ("_id", 1)])) == [1, 2, 0, 4, 3]
    assert ids(words.find().sort([("w", 1), ("_id", 1)])) == [1, 4, 3, 2, 0]
    assert words.count_documents({"w": "B"}, collation=collation) == 2
    assert words.count_documents({"w": "B"}, collation=collation, skip=1) == 1
    assert sorted(each.lower() for each in words.distinct("w", collation=collation)) == ["a", "b", "c"]
    pipeline: list[dict[str, Any]] = [{"$match": {"w": {"$gte": "b"}}}, {"$sort": {"w": -1, "_id": 1}}]
    assert ids(words.aggregate(pipeline, collation=collation)) == [3, 0, 4]
    grouped = words.aggregate([{"$group": {"_id": "$w", "n": {"$sum": 1}}}], collation=collation)
    assert sorted(each["n"] for each in grouped) == [1, 2, 2]


@by_icu
def test_writes_by_collation(words: Collection) -> None:
    assert words.update_many({"w": "a"}, {"$set": {"x": 1}}, collation=EITHER).modified_count == 2
    assert words.update_many({"w": "a"}, {"$set": {"x": 2}}).modified_count == 1
    assert words.replace_one({"w": "c"}, {"w": "c"}, collation=EITHER).matched_count == 1
    assert words.find_one_and_update({"w": "c"}, {"$set": {"y": 1}}, collation=EITHER)["_id"] == 3
    assert words.find_one_and_delete({"w": "C"}, collation=EITHER)["_id"] == 3
    requests = [
        UpdateOne({"w": "B"}, {"$set": {"z": 1}}, collation=EITHER),
        ReplaceOne({"w": "no"}, {"w": "no"}, collation=EITHER),
        DeleteMany({"w": "A"}, collation=EITHER),
    ]
    result = words.bulk_write(requests)
    assert (result.matched_count, result.deleted_count) == (1, 2)
    assert words.delete_one({"w": "b"}, collation=EITHER).deleted_count == 1
    assert words.delete_many({"w": "b"}, collation=EITHER).deleted_count == 1


@by_icu
def test_bad_collations(words: Collection) -> None:
    for collation, code in (({"strength": 2}, 40414), ({"locale": "en", "no": 1}, 40415), ({"locale": "xx"}, 2)):
        with pytest.raises(OperationFailure) as caught:
            words.find_one({}, collation=collation)
        assert caught.value.code == code
    with pytest.raises(TypeError):
        words.find({}, collation=3)


def test_let(words: Collection) -> None:
    wanted = {"$expr": {"$eq": ["$w", "$$word"]}}
    let = {"word": "a", "n": {"$add": [1, 2]}}
    assert ids(words.find(wanted, let=let)) == [2]
    assert words.count_documents(wanted, let=let) == 1
    pipeline: list[dict[str, Any]] = [{"$match": wanted}, {"$addFields": {"n": "$$n"}}]
    assert words.aggregate(pipeline, let=let).to_list() == [{"_id": 2, "w": "a", "n": 3}]
    assert words.update_one(wanted, [{"$set": {"n": "$$n"}}], let=let).modified_count == 1
    assert words.update_many(wanted, [{"$set": {"m": "$$n"}}], let=let).modified_count == 1
    assert words.replace_one(wanted, {"w": "a", "k": 1}, let=let).matched_count == 1
    after = words.find_one_and_update(wanted, [{"$set": {"n": "$$n"}}], let=let, return_document=ReturnDocument.AFTER)
    assert after == {"_id": 2, "w": "a", "k": 1, "n": 3}
    assert words.bulk_write([UpdateOne(wanted, [{"$set": {"n": "$$word"}}])], let=let).modified_count == 1
    assert words.delete_one(wanted, let=let).deleted_count == 1
    assert words.delete_many(wanted, let=let).deleted_count == 0
    with pytest.raises(OperationFailure) as caught:
        words.find_one(wanted)
    assert caught.value.code == 17276


@pytest.mark.parametrize(("given", "code"), [(-1, 2), (2**31, 2), ("5", 14), (True, 14)])
def test_bad_limits(given: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        limit_of(given)
    assert caught.value.code == code


def test_no_limit() -> None:
    assert limit_of(None) is None
    assert limit_of(0) is None


def _scan(log: list[str]) -> Flow[str]:
    try:
        yield OpenScan("SELECT 1")
        log.append("opened")
        yield Select("SELECT 2")
    finally:
        yield CloseScan("scan")
        log.append("closed")
    return "done"


def test_a_limit_ends_a_flow_before_its_next_request_and_lets_it_clean_up() -> None:
    limit, log = Limit(40), list[str]()
    with limit:
        flow = limited(_scan(log), limit)
        first = next(flow)
        assert isinstance(first, OpenScan)
        assert first.timeout_ms is not None
        assert 0 < first.timeout_ms <= 40
        limit._deadline = 0.0
        assert flow.send("scan") == CloseScan("scan")
        with pytest.raises(ExecutionTimeout) as caught:
            flow.send(None)
    assert caught.value.code == 50
    assert caught.value.details is not None
    assert caught.value.details["codeName"] == "MaxTimeMSExpired"
    assert log == ["opened", "closed"]


def test_within_a_limit(words: Collection) -> None:
    minute = 60_000
    calls: list[tuple[Callable[[], Any], Any]] = [
        (lambda: len(words.find().max_time_ms(minute).to_list()), 5),
        (lambda: words.count_documents({}, maxTimeMS=minute), 5),
        (lambda: words.estimated_document_count(maxTimeMS=minute), 5),
        (lambda: len(words.distinct("w", maxTimeMS=minute)), 5),
        (lambda: len(words.aggregate([], maxTimeMS=minute).to_list()), 5),
        (lambda: words.find_one_and_update({"_id": 1}, {"$set": {"x": 1}}, maxTimeMS=minute)["_id"], 1),
        (lambda: words.create_index("w", maxTimeMS=minute), "w_1"),
    ]
    for call, expected in calls:
        assert call() == expected


@by_icu
@pytest.mark.parametrize("method", ["find_one_and_update", "find_one_and_delete"])
def test_projections_of_find_and_modify_compare_by_the_collation(words: Collection, method: str) -> None:
    """MongoDB manual: findAndModify, fields and collation."""
    change: tuple[Any, ...] = ({"$set": {"seen": True}},) if method == "find_one_and_update" else ()
    words.delete_many({})
    words.insert_one({"_id": 1, "w": "a"})
    shown = {"same": {"$eq": ["$w", "A"]}}
    assert getattr(words, method)({"_id": 1}, *change, projection=shown, collation=EITHER) == {"_id": 1, "same": True}
