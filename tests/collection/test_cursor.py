"""Cursors behave as pymongo's do (pymongo documentation: cursor, command_cursor)."""

import copy
import gc
from typing import Any

import bson
import pytest
from pymongo import CursorType
from pymongo.errors import InvalidOperation, OperationFailure

from kato_compat import Collection


@pytest.fixture
def numbered(things: Collection) -> Collection:
    things.insert_many([{"_id": number, "n": number, "t": ["x", {"y": number}]} for number in range(250)])
    return things


@pytest.fixture
def few(memory: Collection) -> Collection:
    memory.insert_many([{"_id": number, "a": -number, "l": [number]} for number in range(5)])
    return memory


def ids(cursor: Any) -> list[int]:
    return [each["_id"] for each in cursor]


def test_batches(numbered: Collection) -> None:
    cursor = numbered.find().sort("_id")
    assert (cursor.cursor_id, cursor.retrieved, cursor.alive) == (None, 0, True)
    assert cursor.next()["_id"] == 0
    # The first batch has 101 documents, as the server's.
    assert cursor.retrieved == 101
    assert cursor.cursor_id
    assert ids(cursor) == list(range(1, 250))
    assert (cursor.cursor_id, cursor.retrieved, cursor.alive) == (0, 250, False)
    with pytest.raises(StopIteration):
        cursor.next()


def test_batch_size(numbered: Collection) -> None:
    cursor = numbered.find(batch_size=10)
    assert [cursor.retrieved for _ in cursor] == [10 * (1 + number // 10) for number in range(250)]


@pytest.mark.parametrize(
    ("limit", "batch_size", "expected"),
    [(5, 0, 5), (-5, 0, 5), (-5, 2, 2), (5, 2, 5), (150, 0, 150), (-150, 0, 101), (0, 7, 250), (300, 0, 250)],
)
def test_limit(numbered: Collection, limit: int, batch_size: int, expected: int) -> None:
    # A negative limit takes one batch, which the server fills with 101 documents at most.
    cursor = numbered.find().limit(limit).batch_size(batch_size)
    assert len(list(cursor)) == expected
    assert (cursor.alive, cursor.cursor_id) == (False, 0)


def test_cursor_is_done_when_its_limit_is_reached(few: Collection) -> None:
    cursor = few.find().limit(3)
    cursor.next()
    assert (cursor.cursor_id, cursor.retrieved, cursor.alive) == (0, 3, True)
    assert ids(cursor) == [1, 2]
    assert not cursor.alive


def test_sort_skip_limit(few: Collection) -> None:
    assert ids(few.find().sort("a")) == [4, 3, 2, 1, 0]
    assert ids(few.find().sort([("a", -1)]).skip(1).limit(2)) == [1, 2]
    assert ids(few.find().sort({"a": 1}).skip(4)) == [0]
    assert ids(few.find().sort(["a"])) == [4, 3, 2, 1, 0]
    assert ids(few.find(sort=[("a", 1)], skip=1, limit=1)) == [3]
    assert ids(few.find().sort("$natural", -1)) == [4, 3, 2, 1, 0]
    assert ids(few.find().hint([("$natural", -1)])) == [4, 3, 2, 1, 0]
    with pytest.raises(ValueError, match="must not be empty"):
        few.find().sort([])
    with pytest.raises(TypeError, match="Expected a string and a direction"):
        few.find().sort([("a", 1)], 1)
    with pytest.raises(ValueError, match="skip must be >= 0"):
        few.find().skip(-1)
    with pytest.raises(OperationFailure) as caught:
        few.find(skip=-1).to_list()
    assert caught.value.code == 51024


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.sort("a"),
        lambda c: c.limit(1),
        lambda c: c.skip(1),
        lambda c: c.batch_size(1),
        lambda c: c.hint("_id_"),
        lambda c: c.comment("c"),
        lambda c: c.max_time_ms(1),
        lambda c: c.max_await_time_ms(1),
        lambda c: c.max_scan(None),
        lambda c: c.collation(None),
        lambda c: c.allow_disk_use(True),
        lambda c: c.min([("_id", 1)]),
        lambda c: c.max([("_id", 1)]),
        lambda c: c.where("x"),
        lambda c: c.add_option(16),
        lambda c: c.remove_option(16),
        lambda c: c[1],
        lambda c: c[1:2],
    ],
)
def test_options_after_the_query(few: Collection, change: Any) -> None:
    cursor = few.find()
    cursor.next()
    with pytest.raises(InvalidOperation, match="cannot set options after executing query"):
        change(cursor)


def test_index_and_slice(few: Collection) -> None:
    assert few.find()[2]["_id"] == 2
    assert few.find().skip(1)[2]["_id"] == 3
    assert ids(few.find()[1:3]) == [1, 2]
    assert ids(few.find().skip(4)[1:]) == [1, 2, 3, 4]
    assert ids(few.find()[:2]) == [0, 1]
    assert ids(few.find()[3:3]) == []
    assert ids(few.find()[3:3].limit(1)) == [3]
    for index, error in ((9, IndexError), (-1, IndexError), ("a", TypeError)):
        with pytest.raises(error):
            few.find()[index]
    for part in (slice(-1, 2), slice(3, 1), slice(0, 4, 2)):
        with pytest.raises(IndexError):
            few.find()[part]


def test_rewind_and_clone(few: Collection) -> None:
    query = {"_id": {"$gt": 0}}
    cursor = few.find(query).sort("_id", -1).limit(2)
    assert ids(cursor) == [4, 3]
    assert ids(cursor) == []
    assert ids(cursor.rewind()) == [4, 3]
    clone = cursor.clone()
    query["_id"] = 0
    assert ids(clone) == [4, 3]
    # A shallow copy shares the filter with the caller.
    assert ids(copy.copy(cursor)) == [0]
    assert ids(copy.deepcopy(clone)) == [4, 3]
    assert clone.collection == few


def test_close(few: Collection) -> None:
    with few.find() as cursor:
        cursor.next()
    assert cursor.alive
    # What the batch holds can still be taken, as in pymongo.
    assert ids(cursor) == [1, 2, 3, 4]
    unread = few.find()
    unread.close()
    assert not unread.alive
    assert list(unread) == []


def test_to_list(few: Collection) -> None:
    cursor = few.find()
    assert ids(cursor.to_list(2)) == [0, 1]
    assert ids(cursor.to_list()) == [2, 3, 4]
    assert cursor.to_list() == []
    with pytest.raises(ValueError, match="greater than 0"):
        few.find().to_list(0)


def test_distinct_and_explain(few: Collection) -> None:
    cursor = few.find({"_id": {"$lt": 3}})
    assert cursor.distinct("a") == [0, -1, -2]
    assert cursor.explain()["queryPlanner"]["namespace"] == few.full_name
    assert ids(cursor) == [0, 1, 2]


def test_min_max_return_key(few: Collection) -> None:
    few.create_index([("a", -1), ("_id", 1)], name="down")
    few.insert_one({"_id": 9})
    hinted = few.find().hint("down")
    assert ids(hinted.clone().min([("a", -1), ("_id", 0)])) == [1, 2, 3, 4, 9]
    assert ids(hinted.clone().max([("a", -2), ("_id", 2)])) == [0, 1]
    assert ids(hinted.clone().min([("a", -1), ("_id", 1)]).max([("a", -4), ("_id", 4)]).skip(1).limit(1)) == [2]
    assert few.find({"_id": {"$in": [1, 9]}}, hint="down", return_key=True).to_list() == [
        {"a": -1, "_id": 1},
        {"a": None, "_id": 9},
    ]
    assert few.find({"a": -1}, return_key=True).to_list() == [{}]
    with pytest.raises(InvalidOperation, match="hint"):
        few.find().min([("a", 1)]).to_list()
    with pytest.raises(OperationFailure) as caught:
        hinted.clone().min([("b", 1)]).to_list()
    assert caught.value.code == 51174
    with pytest.raises(OperationFailure) as caught:
        hinted.clone().min([("a", -3), ("_id", 0)]).max([("a", -1), ("_id", 0)]).to_list()
    assert caught.value.code == 51175


def test_hint(few: Collection) -> None:
    few.create_index([("a", 1)])
    for hint in ("a_1", [("a", 1)], {"a": 1}, ["a"], "_id_", {"_id": 1}):
        assert len(few.find().hint(hint).to_list()) == 5
    for hint in ("b_1", [("a", -1)]):
        for call in (
            lambda hint=hint: few.find().hint(hint).to_list(),
            lambda hint=hint: few.count_documents({}, hint=hint),
            lambda hint=hint: few.distinct("a", hint=hint),
            lambda hint=hint: few.aggregate([], hint=hint),
            lambda hint=hint: few.update_one({}, {"$set": {"x": 1}}, hint=hint),
            lambda hint=hint: few.delete_one({}, hint=hint),
            lambda hint=hint: few.find_one_and_delete({}, hint=hint),
        ):
            with pytest.raises(OperationFailure) as caught:
                call()
            assert caught.value.code == 2
    # The server plans nothing where there is no collection.
    assert few.database.nothing.find().hint("b_1").to_list() == []


def test_flags(few: Collection) -> None:
    with pytest.raises(InvalidOperation, match="limit and exhaust"):
        few.find(cursor_type=CursorType.EXHAUST, limit=1)
    with pytest.raises(InvalidOperation, match="limit and exhaust"):
        few.find(cursor_type=CursorType.EXHAUST).limit(1)
    with pytest.raises(OperationFailure) as caught:
        few.find().add_option(2)
    assert caught.value.code == 115
    with pytest.raises(ValueError, match="cursor_type"):
        few.find(cursor_type=5)
    with pytest.raises(OperationFailure) as caught:
        few.find().where("this.a").to_list()
    assert caught.value.code == 115


def test_documents_are_the_callers_own(numbered: Collection) -> None:
    expected = {"_id": 3, "n": 3, "t": ["x", {"y": 3}]}
    pipeline: list[dict[str, Any]] = [{"$match": {"_id": 3}}, {"$addFields": {"u": "$t", "c": {"$literal": [1]}}}]
    for read in (
        lambda: numbered.find_one({"_id": 3}),
        lambda: numbered.find({"_id": 3}, {"n": 1, "t": 1}).to_list()[0],
        lambda: numbered.find_one_and_update({"_id": 3}, {"$set": {"n": 3}}),
        lambda: numbered.aggregate(pipeline[:1]).to_list()[0],
    ):
        found = read()
        assert found == expected
        found["t"][1]["y"] = "changed"
        found["t"].append("changed")
        assert numbered.find_one({"_id": 3}) == expected
    found = numbered.aggregate(pipeline).to_list()[0]
    found["t"][1]["y"] = "changed"
    assert found["u"] == ["x", {"y": 3}]
    (values,) = [each for each in numbered.distinct("t") if each == {"y": 3}]
    values["y"] = "changed"
    assert numbered.find_one({"_id": 3}) == expected
    both = numbered.aggregate([{"$limit": 2}, {"$project": {"c": {"$literal": [1]}}}]).to_list()
    both[0]["c"].append(2)
    assert both[1]["c"] == [1]


def test_given_documents_are_not_kept(things: Collection) -> None:
    document: dict[str, Any] = {"_id": 1, "l": [1]}
    things.insert_one(document)
    document["l"].append(2)
    added: dict[str, Any] = {"x": [1]}
    things.update_one({"_id": 1}, {"$set": {"s": added}})
    added["x"].append(2)
    assert things.find_one() == {"_id": 1, "l": [1], "s": {"x": [1]}}


def test_command_cursor(numbered: Collection) -> None:
    cursor = numbered.aggregate([{"$sort": {"_id": 1}}], batchSize=3)
    assert cursor.cursor_id
    assert cursor.alive
    assert cursor.next()["_id"] == 0
    assert cursor.try_next()["_id"] == 1
    assert ids(cursor.batch_size(50).to_list(10)) == list(range(2, 12))
    assert ids(cursor) == list(range(12, 250))
    assert (cursor.try_next(), cursor.cursor_id, cursor.alive) == (None, 0, False)
    with numbered.aggregate([]) as closed:
        closed.next()
    assert len(closed.to_list()) == 100
    for call, error in ((lambda: cursor.batch_size("a"), TypeError), (lambda: cursor.batch_size(-1), ValueError)):
        with pytest.raises(error):
            call()


def test_raw_batches(numbered: Collection) -> None:
    for cursor in (
        numbered.find_raw_batches({"_id": {"$gte": 100}}, sort=[("_id", 1)]).batch_size(40),
        numbered.aggregate_raw_batches([{"$match": {"_id": {"$gte": 100}}}, {"$sort": {"_id": 1}}], batchSize=40),
    ):
        batches = list(cursor)
        assert all(type(each) is bytes for each in batches)
        assert len(bson.decode_all(batches[0])) == 40
        found = [document for batch in batches for document in bson.decode_all(batch)]
        assert found == numbered.find({"_id": {"$gte": 100}}).sort("_id").to_list()
    with pytest.raises(InvalidOperation):
        numbered.find_raw_batches()[0]


def test_a_dropped_cursor_gives_back_what_it_holds(numbered: Collection) -> None:
    client = numbered.database.client
    cursor = numbered.find().batch_size(2)
    cursor.next()
    del cursor
    gc.collect()
    assert numbered.find_one({"_id": 1}) is not None
    assert not client._abandoned
    assert len(numbered.find().to_list()) == 250
