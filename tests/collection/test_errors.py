"""Errors are pymongo's classes with the server's code and details; results are pymongo's."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DuplicateKeyError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteError,
)
from pymongo.write_concern import WriteConcern

from kato_compat import Collection


@pytest.fixture
def unique(things: Collection) -> Collection:
    things.create_index("name", unique=True)
    things.insert_one({"_id": 1, "name": "a"})
    return things


def duplicate(collection: Collection) -> dict[str, Any]:
    return {
        "index": 0,
        "code": 11000,
        "errmsg": f"E11000 duplicate key error collection: {collection.full_name} index: name_1 "
        'dup key: { name: "a" }',
        "keyPattern": {"name": 1},
        "keyValue": {"name": "a"},
    }


def test_duplicate_keys(unique: Collection) -> None:
    with pytest.raises(DuplicateKeyError) as caught:
        unique.insert_one({"_id": 2, "name": "a"})
    assert (caught.value.code, caught.value.details) == (11000, duplicate(unique))
    with pytest.raises(DuplicateKeyError) as caught:
        unique.insert_one({"_id": 1, "name": "b"})
    assert caught.value.details is not None
    assert (caught.value.details["keyPattern"], caught.value.details["keyValue"]) == ({"_id": 1}, {"_id": 1})
    unique.insert_one({"_id": 2, "name": "b"})
    with pytest.raises(DuplicateKeyError) as caught:
        unique.update_one({"_id": 2}, {"$set": {"name": "a"}})
    assert caught.value.details == duplicate(unique)
    with pytest.raises(DuplicateKeyError) as caught:
        unique.find_one_and_update({"_id": 2}, {"$set": {"name": "a"}})
    expected = {key: value for key, value in duplicate(unique).items() if key != "index"}
    assert caught.value.details == {"ok": 0.0, "codeName": "DuplicateKey", **expected}
    assert unique.find_one({"_id": 2}) == {"_id": 2, "name": "b"}


def test_write_errors(things: Collection) -> None:
    things.insert_one({"_id": 1, "a": {}})
    calls: list[tuple[Callable[[], Any], int]] = [
        (lambda: things.update_one({}, {"$push": {"a": 1}}), 2),
        (lambda: things.update_many({}, {"$inc": {"a": 1}}), 14),
        (lambda: things.update_one({}, {"$set": {"_id": 2}}), 66),
        (lambda: things.update_one({}, {"$set": {"a": 1, "a.b": 2}}), 40),
        (lambda: things.update_one({}, {"$nonsense": {"a": 1}}), 9),
        (lambda: things.update_one({"a": {"$nonsense": 1}}, {"$set": {"b": 1}}), 2),
        (lambda: things.replace_one({}, {"_id": 2}), 66),
        (lambda: things.delete_one({"$nonsense": 1}), 2),
        (lambda: things.delete_many({}, hint="no_index"), 2),
    ]
    for call, code in calls:
        with pytest.raises(WriteError) as caught:
            call()
        assert caught.value.code == code
        details = caught.value.details
        assert details is not None
        assert (details["index"], details["code"]) == (0, code)
        assert details["errmsg"] in str(caught.value)
    assert things.find_one() == {"_id": 1, "a": {}}


def test_command_errors(things: Collection) -> None:
    things.insert_one({"_id": 1, "a": "x"})
    calls: list[tuple[Callable[[], Any], int]] = [
        (lambda: things.find_one({"$nonsense": 1}), 2),
        (lambda: things.find_one({}, {"a": 1, "b": 0}), 31254),
        (lambda: things.aggregate([{"$nonsense": 1}]), 40324),
        (lambda: things.aggregate([{"$project": {"b": {"$add": ["$a", 1]}}}]), 14),
        (lambda: things.find_one_and_update({}, {"$inc": {"a": 1}}), 14),
        (lambda: things.count_documents({"a": {"$in": 1}}), 2),
    ]
    for call, code in calls:
        with pytest.raises(OperationFailure) as caught:
            call()
        assert not isinstance(caught.value, WriteError)
        assert caught.value.code == code
        assert caught.value.details is not None
        assert (caught.value.details["ok"], caught.value.details["code"]) == (0.0, code)
        assert caught.value.details["codeName"]


def test_bulk_error_details(unique: Collection) -> None:
    second = {"_id": 2, "name": "a"}
    with pytest.raises(BulkWriteError) as caught:
        unique.bulk_write(
            [
                InsertOne({"_id": 3, "name": "c"}),
                UpdateOne({"_id": 3}, {"$set": {"x": 1}}),
                UpdateOne({"_id": 9}, {"$set": {"name": "n"}}, upsert=True),
                ReplaceOne({"_id": 8}, {"name": "m"}, upsert=True),
                InsertOne(second),
                DeleteOne({"_id": 3}),
            ]
        )
    assert caught.value.details == {
        "writeErrors": [{**duplicate(unique), "index": 4, "op": second}],
        "writeConcernErrors": [],
        "nInserted": 1,
        "nUpserted": 2,
        "nMatched": 1,
        "nModified": 1,
        "nRemoved": 0,
        "upserted": [{"index": 2, "_id": 9}, {"index": 3, "_id": 8}],
    }
    assert caught.value.code == 65


def test_bulk_operations_in_errors(unique: Collection) -> None:
    with pytest.raises(BulkWriteError) as caught:
        unique.bulk_write(
            [
                UpdateOne({"_id": 1}, {"$push": {"name": 1}}),
                UpdateMany({"_id": 1}, {"$inc": {"name": 1}}, upsert=True),
                ReplaceOne({"_id": 1}, {"_id": 2}, collation={"locale": "simple"}),
                DeleteMany({"$nonsense": 1}),
                UpdateOne({"_id": 1}, {"$set": {"l.$[x]": 1}}, array_filters=[{"y": 1}]),
                DeleteOne({"_id": 1}, hint="no_index"),
                InsertOne({"_id": 5, "name": "z"}),
            ],
            ordered=False,
        )
    details = caught.value.details
    assert details is not None
    assert details["nInserted"] == 1
    assert [(each["index"], each["code"], each["op"]) for each in details["writeErrors"]] == [
        (0, 2, {"q": {"_id": 1}, "u": {"$push": {"name": 1}}, "multi": False, "upsert": False}),
        (1, 14, {"q": {"_id": 1}, "u": {"$inc": {"name": 1}}, "multi": True, "upsert": True}),
        (2, 66, {"q": {"_id": 1}, "u": {"_id": 2}, "collation": {"locale": "simple"}}),
        (3, 2, {"q": {"$nonsense": 1}, "limit": 0}),
        (
            4,
            2,
            {
                "q": {"_id": 1},
                "u": {"$set": {"l.$[x]": 1}},
                "multi": False,
                "upsert": False,
                "arrayFilters": [{"y": 1}],
            },
        ),
        (5, 2, {"q": {"_id": 1}, "limit": 1, "hint": "no_index"}),
    ]


def test_insert_many_error_shows_the_callers_document(unique: Collection) -> None:
    documents = [{"_id": 2, "name": "b"}, {"_id": 3, "name": "a"}, {"_id": 4, "name": "d"}]
    with pytest.raises(BulkWriteError) as caught:
        unique.insert_many(documents)
    assert caught.value.details is not None
    assert caught.value.details["writeErrors"] == [{**duplicate(unique), "index": 1, "op": documents[1]}]
    assert caught.value.details["nInserted"] == 1
    assert unique.count_documents({}) == 2


def test_bulk_results(things: Collection) -> None:
    result = things.bulk_write(
        [
            InsertOne({"_id": 1, "a": 1}),
            InsertOne({"_id": 2, "a": 1}),
            UpdateMany({"a": 1}, {"$set": {"a": 2}}),
            UpdateOne({"_id": 2}, {"$set": {"a": 2}}),
            UpdateOne({"_id": 7}, {"$set": {"a": 2}}, upsert=True),
            ReplaceOne({"_id": 1}, {"b": 1}),
            DeleteOne({"_id": 2}),
            DeleteMany({"a": 5}),
        ]
    )
    assert (result.inserted_count, result.matched_count, result.modified_count) == (2, 4, 3)
    assert (result.deleted_count, result.upserted_count, result.upserted_ids) == (1, 1, {4: 7})
    assert things.find().sort("_id").to_list() == [{"_id": 1, "b": 1}, {"_id": 7, "a": 2}]


def test_unacknowledged(things: Collection) -> None:
    silent = things.with_options(write_concern=WriteConcern(w=0))
    results: list[tuple[Any, tuple[str, ...]]] = [
        (silent.insert_one({"_id": 1}), ()),
        (silent.insert_many([{"_id": 2}]), ()),
        (silent.update_one({}, {"$set": {"a": 1}}), ("matched_count", "modified_count", "upserted_id")),
        (silent.replace_one({"_id": 2}, {"b": 1}), ("matched_count",)),
        (silent.delete_one({"_id": 1}), ("deleted_count",)),
        (silent.bulk_write([InsertOne({"_id": 3})]), ("inserted_count", "matched_count", "upserted_ids")),
    ]
    for result, counts in results:
        assert result.acknowledged is False
        for name in counts:
            with pytest.raises(InvalidOperation, match="unacknowledged"):
                getattr(result, name)
    # Nobody asked to be told.
    silent.insert_one({"_id": 2})
    silent.insert_many([{"_id": 2}, {"_id": 4}], ordered=False)
    silent.update_one({"_id": 2}, {"$inc": {"b": "x"}})
    silent.bulk_write([InsertOne({"_id": 2})])
    assert [each["_id"] for each in things.find().sort("_id")] == [2, 3, 4]
    with pytest.raises(ConfigurationError, match="Collation is unsupported"):
        silent.update_one({}, {"$set": {"a": 1}}, collation={"locale": "en"})
    with pytest.raises(ConfigurationError, match="arrayFilters is unsupported"):
        silent.update_one({}, {"$set": {"a": 1}}, array_filters=[{"x": 1}])


def test_no_truth_value_and_no_call(things: Collection) -> None:
    for each in (things, things.database):
        with pytest.raises(NotImplementedError, match="is not None"):
            bool(each)
        with pytest.raises(TypeError, match="not iterable"):
            iter(each)
        with pytest.raises(TypeError, match="not iterable"):
            next(each)
        with pytest.raises(AttributeError, match="has no attribute '_hidden'"):
            _ = each._hidden
    with pytest.raises(TypeError, match="not callable"):
        things.no_such_method()
    with pytest.raises(TypeError, match="not callable"):
        things.database.no_such_method()
    with pytest.raises(TypeError, match="not iterable"):
        iter(things.database.client)
    assert bool(things.database.client)


def test_no_pickling(things: Collection) -> None:
    for each in (things, things.database, things.database.client):
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(each)


def test_equality(things: Collection) -> None:
    database = things.database
    assert database[things.name] == things
    assert len({things, database[things.name], database.other}) == 2
    assert things.with_options(write_concern=WriteConcern(w=0)) == things
    assert things != database.other
    assert database.client[database.name] == database
    assert repr(database.client) in repr(things)


def test_what_is_refused_is_said_to_unacknowledged_writes_too(things: Collection) -> None:
    silent = things.with_options(write_concern=WriteConcern(w=0))
    refused = {"$where": "1"}
    calls: list[Callable[[], Any]] = [
        lambda: silent.update_one(refused, {"$set": {"a": 1}}),
        lambda: silent.delete_one(refused),
        lambda: silent.bulk_write([UpdateOne(refused, {"$set": {"a": 1}})]),
        lambda: things.bulk_write([InsertOne({}), DeleteOne(refused)]),
        lambda: things.delete_many(refused),
    ]
    for call in calls:
        with pytest.raises(OperationFailure) as caught:
            call()
        assert caught.value.code == 115
        assert not isinstance(caught.value, WriteError)
    assert things.count_documents({}) == 0


def test_a_failing_store_is_no_write_error(memory: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = AutoReconnect("connection closed")
    denied = OperationFailure("denied", 18, {"ok": 0.0, "errmsg": "denied", "code": 18})
    silent = memory.with_options(write_concern=WriteConcern(w=0))
    for error in (lost, denied):

        def fail(_: Any, error: PyMongoError = error) -> Any:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(memory.deployment.driver, "run", fail)
            for collection in (memory, silent):
                for call in (
                    lambda c=collection: c.insert_one({}),
                    lambda c=collection: c.insert_many([{}]),
                    lambda c=collection: c.update_one({}, {"$set": {"a": 1}}),
                    lambda c=collection: c.delete_many({}),
                    lambda c=collection: c.find_one_and_delete({}),
                    lambda c=collection: c.bulk_write([InsertOne({})]),
                    lambda c=collection: c.find_one({}),
                    lambda c=collection: c.count_documents({}),
                ):
                    with pytest.raises(PyMongoError) as caught:
                        call()
                    assert caught.value is error
