"""Indexes (MongoDB manual: Indexes, Unique, Sparse, Partial, TTL Indexes, createIndexes, listIndexes)."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Int64
from bson.decimal128 import Decimal128
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError, OperationFailure

from kato_compat import Collection
from kato_compat.execute import documents, scanning
from kato_compat.values.order import sort_key
from kato_compat.values.sortable import inverted, sortable

_ID = {"v": 2, "key": [("_id", 1)]}


def code_of(error: pytest.ExceptionInfo[OperationFailure]) -> int | None:
    """The server's code of an error."""
    return error.value.code


def test_information_is_the_servers(written: Collection) -> None:
    assert written.index_information() == {}
    assert written.create_index([("a", ASCENDING), ("b", DESCENDING)]) == "a_1_b_-1"
    assert written.create_index("u", unique=True, sparse=True, background=True) == "u_1"
    assert written.create_index("p", partialFilterExpression={"n": {"$gt": 5}}, name="some") == "some"
    assert written.create_index("t", expireAfterSeconds=3600, hidden=True) == "t_1"
    assert written.index_information() == {
        "_id_": _ID,
        "a_1_b_-1": {"v": 2, "key": [("a", 1), ("b", -1)]},
        "u_1": {"v": 2, "key": [("u", 1)], "unique": True, "sparse": True},
        "some": {"v": 2, "key": [("p", 1)], "partialFilterExpression": {"n": {"$gt": 5}}},
        "t_1": {"v": 2, "key": [("t", 1)], "expireAfterSeconds": 3600, "hidden": True},
    }
    written.drop_index("some")
    written.drop_index([("u", 1)])
    assert list(written.index_information()) == ["_id_", "a_1_b_-1", "t_1"]
    written.drop_indexes()
    assert [each["name"] for each in written.list_indexes()] == ["_id_"]


@pytest.mark.parametrize(
    ("keys", "options", "code"),
    [
        ("a", {"unique": True}, 86),
        ("a", {"sparse": True}, 86),
        ("b", {"name": "a_1"}, 86),
        ("a", {"name": "other"}, 85),
        ("a", {"expireAfterSeconds": 1}, 85),
    ],
)
def test_conflicts(written: Collection, keys: str, options: dict[str, Any], code: int) -> None:
    written.create_index("a")
    assert written.create_index("a") == "a_1"
    with pytest.raises(OperationFailure) as error:
        written.create_index(keys, **options)
    assert code_of(error) == code
    assert list(written.index_information()) == ["_id_", "a_1"]


def test_the_same_keys_may_be_indexed_with_another_signature(written: Collection) -> None:
    written.create_index("a")
    written.create_index("a", name="unique", unique=True)
    written.create_index("a", name="sparse", sparse=True)
    written.create_index("a", name="partial", partialFilterExpression={"b": 1})
    assert len(written.index_information()) == 5


@pytest.mark.parametrize(
    ("keys", "options", "code"),
    [
        ([("a", 1), ("b", 1)], {"expireAfterSeconds": 1}, 67),
        ("a", {"expireAfterSeconds": -1}, 67),
        ("a", {"expireAfterSeconds": "x"}, 67),
        ("a", {"expireAfterSeconds": float("nan")}, 67),
        ("a", {"partialFilterExpression": {"$expr": True}}, 224),
        ("a", {"unique": "yes"}, 14),
        ("a", {"sparse": None}, 14),
        ("a", {"hidden": 1}, 14),
        ("a", {"v": "2"}, 14),
        ("a", {"v": 2.5}, 2),
        ("a", {"v": 3}, 67),
        ("a", {"name": "_id_"}, 2),
        ("a", {"name": "*"}, 2),
        ("a", {"name": ""}, 67),
        ("_id", {"hidden": True}, 197),
        ([("_id", -1)], {}, 2),
        ("a", {"partialFilterExpression": {"b": {"$ne": 1}}}, 67),
        ("a", {"partialFilterExpression": {"b": {"$exists": False}}}, 67),
        ("a", {"partialFilterExpression": {"b": {"$regex": "x"}}}, 67),
        ("a", {"partialFilterExpression": {"b": 1}, "sparse": True}, 67),
        ("a", {"partialFilterExpression": 1}, 14),
        ("a", {"nonsense": 1}, 197),
        ("_id", {"unique": True}, 197),
        ([("a", "text")], {}, 115),
        ([("a", "2dsphere")], {}, 115),
        ([("a", "hashed")], {}, 115),
        ([("$**", 1)], {}, 115),
        ([("a", "nonsense")], {}, 67),
        ([("a", 0)], {}, 67),
        ([("a..b", 1)], {}, 67),
        ([("a.$b", 1)], {}, 67),
    ],
)
def test_refused_definitions(written: Collection, keys: Any, options: dict[str, Any], code: int) -> None:
    with pytest.raises(OperationFailure) as error:
        written.create_index(keys, **options)
    assert code_of(error) == code
    assert written.index_information() == {}


def test_several_are_created_together_or_not_at_all(written: Collection) -> None:
    written.insert_many([{"u": 1}, {"u": 1}])
    with pytest.raises(DuplicateKeyError):
        written.create_indexes([IndexModel("a"), IndexModel("u", unique=True)])
    assert written.index_information() == {"_id_": _ID}


def test_a_unique_index_counts_by_the_elements_of_arrays(written: Collection) -> None:
    written.create_index("a", unique=True)
    written.insert_one({"_id": 1, "a": [1, 1, 2]})
    written.insert_one({"_id": 2, "a": []})
    written.insert_one({"_id": 3})
    for taken in (2, [5, 2.0], Int64(1), Decimal128("2.0"), None, []):
        with pytest.raises(DuplicateKeyError) as error:
            written.insert_one({"_id": 4, "a": taken})
        assert error.value.details is not None
        assert error.value.details["keyPattern"] == {"a": 1}
    written.update_one({"_id": 1}, {"$set": {"a": 7}})
    written.insert_one({"_id": 4, "a": [1, 2]})
    written.delete_one({"_id": 4})
    assert written.find_one_and_update({"_id": 3}, {"$set": {"a": 2}})


def test_parallel_arrays_are_refused_and_one_array_of_documents_is_not(written: Collection) -> None:
    written.create_index([("a.x", 1), ("a.y", 1)], unique=True)
    written.insert_one({"_id": 1, "a": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]})
    written.insert_one({"_id": 2, "a": {"x": 1, "y": 2}})
    with pytest.raises(DuplicateKeyError):
        written.insert_one({"_id": 3, "a": [{"x": 2, "y": 2}]})
    with pytest.raises(OperationFailure) as error:
        written.insert_one({"_id": 4, "a": {"x": [1, 2], "y": [1, 2]}})
    assert code_of(error) == 171
    assert written.count_documents({}) == 2


def test_sparse_and_partial_indexes_leave_documents_out(written: Collection) -> None:
    written.create_index("s", unique=True, sparse=True)
    written.create_index("p", unique=True, partialFilterExpression={"live": True})
    written.insert_many([{"p": 1}, {"p": 1, "live": False}, {"p": 1, "live": True}, {"s": None}])
    with pytest.raises(DuplicateKeyError):
        written.insert_one({"s": None})
    with pytest.raises(DuplicateKeyError):
        written.update_one({"live": False}, {"$set": {"live": True}})
    assert written.count_documents({"p": 1}) == 3
    assert written.count_documents({"s": None}) == 4


@pytest.mark.parametrize(
    ("condition", "used"),
    [
        ({"a": 1}, "a_1_b_-1"),
        ({"a": {"$in": [1, 2]}, "b": 3}, "a_1_b_-1"),
        ({"a": {"$gt": 1, "$lt": 3}}, "a_1_b_-1"),
        ({"b": 1}, None),
        ({"a": None}, None),
        ({"h": 1}, None),
        ({"s": 1}, "s_1"),
        ({"s": {"$exists": False}}, None),
        ({"p": 1}, None),
        ({"p": 1, "n": 6}, "p_1"),
        ({"p": 1, "n": {"$gt": 5}}, "p_1"),
        ({"p": 1, "n": {"$gte": 5}}, None),
        ({"p": 1, "n": {"$gt": 4}}, None),
        ({"_id": 1, "a": 1}, "_id_"),
    ],
)
def test_the_planner_uses_an_index_only_where_it_holds_all(
    stored: Collection, condition: dict[str, Any], used: str | None
) -> None:
    stored.create_index([("a", 1), ("b", -1)])
    stored.create_index("h", hidden=True)
    stored.create_index("s", sparse=True)
    stored.create_index("p", partialFilterExpression={"n": {"$gt": 5}})
    stored.insert_many(
        [{"a": a, "b": b, "s": b, "p": a, "n": b + 4, "h": a} for a in range(4) for b in range(4)] + [{}, {"s": None}]
    )
    explained = stored.find(condition).explain()
    plan = explained["queryPlanner"]["winningPlan"]
    name = explained["kato_compat"].get("indexName")
    assert (plan["stage"], name) == (
        ("COLLSCAN", None) if used is None else ("IDHACK", None) if used == "_id_" else ("IXSCAN", used)
    )
    expected = sorted(stored.find(condition, pushdown=False), key=lambda each: str(each["_id"]))
    assert expected == sorted(stored.find(condition), key=lambda each: str(each["_id"]))


def test_an_order_and_a_limit_come_from_an_index(stored: Collection) -> None:
    stored.create_index([("n", 1)])
    stored.insert_many([{"_id": number, "n": number % 50} for number in range(2000)])
    find = stored.find().sort("n", -1).limit(60)
    assert find.explain()["queryPlanner"]["winningPlan"]["inputStage"]["stage"] == "IXSCAN"
    expected = sorted(range(2000), key=lambda number: -(number % 50))[:60]
    assert expected == [document["_id"] for document in stored.find().sort("n", -1).limit(60)]
    stored.update_one({"_id": 7}, {"$set": {"n": [-5, 100]}})
    for direction in (1, -1):
        assert stored.find().sort("n", direction).limit(3).next()["_id"] == 7
        assert list(stored.find(pushdown=False).sort("n", direction).limit(99)) == list(
            stored.find().sort("n", direction).limit(99)
        )


# expiry


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time by which documents expire, in milliseconds; a test moves it."""
    now = [time.time_ns() // 1_000_000]
    monkeypatch.setattr(scanning, "now", lambda: now[0])
    monkeypatch.setattr(documents, "now", lambda: now[0])
    return now


def test_what_has_expired_does_not_stand_in_the_way_of_a_unique_index(written: Collection, clock: list[int]) -> None:
    written.create_index("at", expireAfterSeconds=60)
    written.insert_many([{"_id": 1, "u": 1, "at": datetime.fromtimestamp(clock[0] / 1000, UTC)}, {"_id": 2, "u": 1}])
    with pytest.raises(DuplicateKeyError):
        written.create_index("u", unique=True)
    clock[0] += 61_000
    written.create_index("u", unique=True)
    assert [each["_id"] for each in written.find()] == [2]


def test_documents_expire_for_every_read_at_once(written: Collection, clock: list[int]) -> None:
    written.create_index("at", expireAfterSeconds=60)
    written.create_index("u", unique=True, sparse=True)
    at = datetime.fromtimestamp(clock[0] / 1000, UTC).replace(tzinfo=None)
    written.insert_many(
        [
            {"_id": 1, "at": at, "u": 1},
            {"_id": 2, "at": [at + timedelta(hours=1), at]},
            {"_id": 3, "at": at + timedelta(hours=1)},
            {"_id": 4, "at": "no date"},
            {"_id": 5},
        ]
    )
    assert written.count_documents({}) == 5
    clock[0] += 61_000
    assert [document["_id"] for document in written.find()] == [3, 4, 5]
    assert written.find_one({"_id": 1}) is None
    assert written.find_one({"u": 1}) is None
    assert written.update_one({"_id": 2}, {"$set": {"x": 1}}).matched_count == 0
    assert written.distinct("_id") == [3, 4, 5]
    # Its unique entry and its `_id` are free.
    written.insert_one({"_id": 1, "u": 1})
    written.insert_one({"_id": 2})
    assert written.estimated_document_count() == 5
    clock[0] += 3_600_000
    assert written.deployment.run(written.storage.sweep()) == 1
    assert written.deployment.run(written.storage.count()) == 4


def test_a_partial_expiry_spares_the_others(written: Collection, clock: list[int]) -> None:
    written.create_index([("at", -1)], expireAfterSeconds=0, partialFilterExpression={"temporary": True})
    at = datetime.fromtimestamp(clock[0] / 1000, UTC).replace(tzinfo=None)
    written.insert_many([{"_id": 1, "at": at, "temporary": True}, {"_id": 2, "at": at}])
    clock[0] += 1000
    assert written.distinct("_id") == [2]
    assert written.deployment.run(written.storage.sweep()) == 1


# building and dropping while writers go on


def test_an_index_is_exact_though_writers_go_on(stored: Collection) -> None:
    stored.insert_many([{"_id": number, "n": number, "u": number} for number in range(3000)])
    stop = threading.Event()
    errors: list[BaseException] = []

    def write(first: int) -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                stored.update_one({"_id": (first + 7 * number) % 3000}, {"$inc": {"n": 1}})
                stored.insert_one({"_id": f"{first}.{number}", "n": -number, "u": f"{first}.{number}"})
                if number % 3 == 0:
                    stored.delete_one({"_id": (first + 11 * number) % 3000})
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(first,)) for first in range(3)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(3):
            stored.create_indexes([IndexModel("n"), IndexModel("u", unique=True)])
            found = [document["u"] for document in stored.find({"n": {"$gte": -5}}).limit(20)]
            assert len(found) == 20
            stored.drop_index("n_1")
            stored.drop_index("u_1")
        stored.create_indexes([IndexModel("n"), IndexModel("u", unique=True)])
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert errors == []
    documents = list(stored.find({}, pushdown=False))
    by_index = list(stored.find({"n": {"$gte": -(10**9)}}))
    assert stored.find({"n": {"$gte": 0}}).explain()["kato_compat"]["indexName"] == "n_1"
    assert sorted(str(each) for each in documents) == sorted(str(each) for each in by_index)
    for document in documents[::97]:
        with pytest.raises(DuplicateKeyError):
            stored.insert_one({"u": document["u"]})


def test_a_unique_index_over_duplicates_is_not_built(written: Collection) -> None:
    written.insert_many([{"a": 1}, {"a": 2}, {"a": 1}])
    with pytest.raises(DuplicateKeyError):
        written.create_index("a", unique=True)
    assert written.index_information() == {"_id_": _ID}
    written.insert_one({"a": 2})


# taking a place in one step


def test_rename_takes_indexes_and_documents(written: Collection) -> None:
    written.create_index("u", unique=True)
    written.insert_many([{"_id": 1, "u": 1}, {"_id": 2, "u": 2}])
    other = written.database.other
    other.insert_one({"_id": 9})
    with pytest.raises(OperationFailure) as error:
        written.rename("other")
    assert code_of(error) == 48
    written.rename("other", dropTarget=True)
    assert list(other.find()) == [{"_id": 1, "u": 1}, {"_id": 2, "u": 2}]
    assert list(other.index_information()) == ["_id_", "u_1"]
    assert other.find_one({"u": 2}) == {"_id": 2, "u": 2}
    with pytest.raises(DuplicateKeyError):
        other.insert_one({"u": 1})
    assert written.database.list_collection_names() == ["other"]


def test_readers_see_all_old_or_all_new_documents_of_an_out(stored: Collection) -> None:
    source = stored.database.source
    source.insert_many([{"_id": number} for number in range(100)])
    stored.insert_one({"_id": 0, "turn": 0})
    stop = threading.Event()
    wrong: list[Any] = []

    def read() -> None:
        while not stop.is_set():
            turns = {document["turn"] for document in stored.find()}
            if len(turns) != 1:
                wrong.append(turns)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(1, 15):
        source.aggregate([{"$set": {"turn": turn}}, {"$out": "things"}])
    stop.set()
    reader.join()
    assert wrong == []
    assert stored.count_documents({"turn": 14}) == 100


# keys

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(),
    st.decimals(allow_nan=False, places=4).map(Decimal128),
    st.text(),
    st.binary(max_size=5),
    st.datetimes(datetime(1, 1, 1), datetime(9999, 1, 1)).map(lambda at: at.replace(microsecond=0)),
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(_values, _values)
def test_sortable_keys_are_in_bson_order(left: Any, right: Any) -> None:
    ours, theirs = sortable(left), sortable(right)
    first, second = sort_key(left), sort_key(right)
    assert (ours < theirs, ours == theirs) == (first < second, first == second)
    assert (inverted(ours) > inverted(theirs)) == (first < second)
    assert first == second or not ours.startswith(theirs)
