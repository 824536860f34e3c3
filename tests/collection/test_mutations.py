"""The commands that write, as the server answers them (MongoDB manual: Database Commands)."""

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from kato_compat import Collection, Database


def answer(things: Collection, command: dict[str, Any]) -> Any:
    """The reply to a command on `things`, or the code of its error."""
    name = next(iter(command))
    try:
        return things.database.command({**command, name: things.name})
    except OperationFailure as error:
        return error.code


def same(actual: Any, expected: dict[str, Any]) -> bool:
    """Whether two replies are equal, with their fields in the same order."""
    return bool(actual == expected) and list(actual) == list(expected)


def _duplicate(things: Collection, index: int) -> dict[str, Any]:
    message = f"E11000 duplicate key error collection: {things.full_name} index: _id_ dup key: {{ _id: 1 }}"
    return {"index": index, "code": 11000, "errmsg": message, "keyPattern": {"_id": 1}, "keyValue": {"_id": 1}}


def test_insert(things: Collection) -> None:
    assert same(answer(things, {"insert": "", "documents": [{"_id": 1}, {"a": 2}]}), {"n": 2, "ok": 1.0})
    documents = [{"_id": 3}, {"_id": 1}, {"_id": 4}]
    assert same(
        answer(things, {"insert": "", "documents": documents}),
        {"n": 1, "writeErrors": [_duplicate(things, 1)], "ok": 1.0},
    )
    assert same(
        answer(things, {"insert": "", "documents": [{"_id": 1}, {"_id": 5}], "ordered": False}),
        {"n": 1, "writeErrors": [_duplicate(things, 0)], "ok": 1.0},
    )
    assert things.count_documents({}) == 4


def test_update(things: Collection) -> None:
    things.insert_many([{"_id": 1}, {"_id": 2}])

    def update(*updates: dict[str, Any], **options: Any) -> Any:
        return answer(things, {"update": "", "updates": list(updates), **options})

    one = {"q": {"_id": 1}, "u": {"$set": {"a": 1}}}
    assert same(update(one), {"n": 1, "nModified": 1, "ok": 1.0})
    assert same(update(one), {"n": 1, "nModified": 0, "ok": 1.0})
    assert same(
        update({"q": {"_id": 9}, "u": {"$set": {"a": 2}}, "upsert": True}),
        {"n": 1, "upserted": [{"index": 0, "_id": 9}], "nModified": 0, "ok": 1.0},
    )
    assert same(update({"q": {"_id": 2}, "u": {}}, {"q": {}, "u": {"$inc": {"b": 1}}, "multi": True}), _counts(4, 4))
    assert same(update({"q": {"_id": 2}, "u": [{"$set": {"c": "$$v"}}]}, let={"v": 3}), _counts(1, 1))
    assert same(update({"q": {}, "u": {"$set": {"s": 1}}, "sort": {"_id": -1}}), _counts(1, 1))
    assert [each["_id"] for each in things.find({"s": 1})] == [9]
    for bad in (
        {"u": {"$nonsense": 1}},
        {"u": {"a": 1}, "multi": True},
        {"u": {"$set": {"a": 1}}, "multi": True, "sort": {}},
    ):
        reply = update({"q": {}, **bad}, {"q": {"_id": 1}, "u": {"$set": {"d": 1}}})
        assert [(each["index"], each["code"]) for each in reply["writeErrors"]] == [(0, 9)]
        assert (reply["n"], reply["nModified"], list(reply)) == (0, 0, ["n", "nModified", "writeErrors", "ok"])


def _counts(matched: int, modified: int) -> dict[str, Any]:
    return {"n": matched, "nModified": modified, "ok": 1.0}


def test_delete(things: Collection) -> None:
    things.insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3}])
    assert same(answer(things, {"delete": "", "deletes": [{"q": {"_id": 2}, "limit": 1}]}), {"n": 1, "ok": 1.0})
    reply = answer(things, {"delete": "", "deletes": [{"q": {"a": {"$nonsense": 1}}, "limit": 1}]})
    assert (reply["n"], reply["writeErrors"][0]["code"]) == (0, 2)
    assert same(answer(things, {"delete": "", "deletes": [{"q": {}, "limit": 0}]}), {"n": 2, "ok": 1.0})


def test_find_and_modify(things: Collection) -> None:
    things.insert_one({"_id": 1, "a": 1})

    def modify(last: dict[str, Any], value: Any, **options: Any) -> None:
        reply = answer(things, {"findAndModify": "", **options})
        assert same(reply, {"lastErrorObject": last, "value": value, "ok": 1.0})

    one, increment, there = {"_id": 1}, {"$inc": {"a": 1}}, {"n": 1, "updatedExisting": True}
    modify(there, {"_id": 1, "a": 1}, query=one, update=increment)
    modify(there, {"a": 3}, query=one, update=increment, new=True, fields={"_id": 0, "a": 1})
    modify({"n": 0, "updatedExisting": False}, None, query={"_id": 7}, update=increment)
    last = {"n": 1, "updatedExisting": False, "upserted": 7}
    modify(last, None, query={"_id": 7}, update=increment, upsert=1)
    modify({"n": 1}, {"_id": 7, "a": 1}, query={"_id": {"$gt": 0}}, sort={"_id": -1}, remove=True)
    modify({"n": 0}, None, query={"_id": 7}, remove=True)
    assert answer(things, {"findAndModify": "", "query": one, "update": {"$set": {"_id": 2}}}) == 66


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"insert": "", "documents": []}, 16),
        ({"insert": ""}, 40414),
        ({"insert": "", "documents": None}, 40414),
        ({"insert": "", "documents": 5}, 14),
        ({"insert": "", "documents": [5]}, 14),
        ({"insert": "", "documents": [{}], "nonsense": 1}, 40415),
        ({"insert": "", "documents": [{}], "ordered": 1}, 14),
        ({"update": "", "updates": []}, 16),
        ({"update": "", "updates": [{"q": {}}]}, 40414),
        ({"update": "", "updates": [{"u": {}}]}, 40414),
        ({"update": "", "updates": [{"q": 5, "u": {}}]}, 14),
        ({"update": "", "updates": [{"q": {}, "u": 5}]}, 9),
        ({"update": "", "updates": [{"q": {}, "u": {}, "multi": 1}]}, 14),
        ({"update": "", "updates": [{"q": {}, "u": {}, "arrayFilters": {}}]}, 14),
        ({"update": "", "updates": [{"q": {}, "u": {}, "hint": 5}]}, 14),
        ({"update": "", "updates": [{"q": {}, "u": {}, "nonsense": 1}]}, 40415),
        ({"delete": "", "deletes": [{"q": {}}]}, 40414),
        ({"delete": "", "deletes": [{"q": {}, "limit": 2}]}, 9),
        ({"delete": "", "deletes": [{"q": {}, "limit": "x"}]}, 14),
        ({"findAndModify": ""}, 9),
        ({"findAndModify": "", "update": 5}, 9),
        ({"findAndModify": "", "remove": True, "update": {}}, 9),
        ({"findAndModify": "", "remove": True, "upsert": True}, 9),
        ({"findAndModify": "", "remove": True, "new": True}, 9),
        ({"findAndModify": "", "remove": True, "arrayFilters": []}, 9),
        ({"findAndModify": "", "remove": "x"}, 14),
        ({"findAndModify": "", "remove": True, "nonsense": 1}, 40415),
        ({"createIndexes": ""}, 40414),
        ({"createIndexes": "", "indexes": []}, 2),
        ({"createIndexes": "", "indexes": [5]}, 14),
        ({"createIndexes": "", "indexes": [{"key": {"a": 1}}]}, 9),
        ({"createIndexes": "", "indexes": [{"name": "a"}]}, 9),
        ({"createIndexes": "", "indexes": [{"key": 5, "name": "a"}]}, 14),
        ({"createIndexes": "", "indexes": [{"key": {"a": 1}, "name": 5}]}, 14),
        ({"createIndexes": "", "indexes": [{"key": {}, "name": "a"}]}, 67),
        ({"createIndexes": "", "indexes": [{"key": {"a": 1}, "name": "a", "nonsense": 1}]}, 197),
        ({"createIndexes": "", "indexes": [], "nonsense": 1}, 40415),
        ({"dropIndexes": "", "index": "*"}, 26),
        ({"dropIndexes": ""}, 40414),
        ({"dropIndexes": "", "index": 5}, 14),
        ({"collMod": ""}, 26),
        ({"collMod": "", "nonsense": 1}, 40415),
        ({"collMod": "", "validator": {}}, 115),
        ({"renameCollection": "", "to": "a.b"}, 13),
        ({"renameCollection": ""}, 40414),
    ],
)
def test_refused(things: Collection, command: dict[str, Any], code: int) -> None:
    assert answer(things, command) == code
    assert things.name not in things.database.list_collection_names()


def test_indexes(things: Collection) -> None:
    def create(*specs: dict[str, Any]) -> Any:
        return answer(things, {"createIndexes": "", "indexes": list(specs)})

    by_a, by_t = {"key": {"a": 1}, "name": "a_1"}, {"key": {"t": 1}, "name": "t_1", "expireAfterSeconds": 10}
    assert same(
        create(by_a), {"numIndexesBefore": 1, "numIndexesAfter": 2, "createdCollectionAutomatically": True, "ok": 1.0}
    )
    note = "all indexes already exist"
    assert same(create(by_a), {"numIndexesBefore": 2, "numIndexesAfter": 2, "note": note, "ok": 1.0})
    assert same(
        create(by_a, by_t),
        {"numIndexesBefore": 2, "numIndexesAfter": 3, "createdCollectionAutomatically": False, "ok": 1.0},
    )

    def drop(index: Any) -> Any:
        return answer(things, {"dropIndexes": "", "index": index})

    assert [drop(index) for index in ("b_1", "_id_", {"_id": 1}, {"b": 1}, ["a_1", "b_1"])] == [27, 72, 72, 27, 27]
    assert create({**by_a, "name": "sparse", "sparse": True})["numIndexesAfter"] == 4
    assert drop({"a": 1}) == 181
    assert same(drop(["sparse"]), {"nIndexesWas": 4, "ok": 1.0})
    assert same(drop({"t": 1}), {"nIndexesWas": 3, "ok": 1.0})
    assert same(drop("*"), {"nIndexesWas": 2, "msg": "non-_id indexes dropped for collection", "ok": 1.0})
    assert list(things.index_information()) == ["_id_"]


def test_an_index_is_changed(things: Collection) -> None:
    things.insert_one({"_id": 1, "a": 1})
    things.create_index("a")
    things.create_index([("a", 1), ("b", 1)])

    def change(**index: Any) -> Any:
        return answer(things, {"collMod": "", "index": index})

    assert same(change(name="a_1", hidden=True), {"hidden_old": False, "hidden_new": True, "ok": 1.0})
    assert same(change(name="a_1", hidden=True), {"ok": 1.0})
    assert things.index_information()["a_1"] == {"v": 2, "key": [("a", 1)], "hidden": True}
    with pytest.raises(OperationFailure):
        list(things.find({"a": 1}, hint="a_1"))
    assert same(change(keyPattern={"a": 1}, hidden=False), {"hidden_old": True, "hidden_new": False, "ok": 1.0})
    assert list(things.find({"a": 1}, hint="a_1")) == [{"_id": 1, "a": 1}]
    assert same(change(name="a_1", expireAfterSeconds=5), {"expireAfterSeconds_new": 5, "ok": 1.0})
    assert same(
        change(name="a_1", expireAfterSeconds=7), {"expireAfterSeconds_old": 5, "expireAfterSeconds_new": 7, "ok": 1.0}
    )
    assert things.index_information()["a_1"] == {"v": 2, "key": [("a", 1)], "expireAfterSeconds": 7}
    for code, index in (
        (72, {}),
        (72, {"name": "a_1"}),
        (72, {"name": "a_1", "keyPattern": {"a": 1}, "hidden": True}),
        (72, {"name": "a_1_b_1", "expireAfterSeconds": 1}),
        (72, {"name": "a_1", "expireAfterSeconds": -1}),
        (72, {"name": "_id_", "expireAfterSeconds": 1}),
        (2, {"name": "_id_", "hidden": True}),
        (27, {"name": "none", "hidden": True}),
        (27, {"keyPattern": {"none": 1}, "hidden": True}),
        (14, {"name": "a_1", "hidden": "x"}),
        (40415, {"name": "a_1", "nonsense": 1}),
        (115, {"name": "a_1", "unique": True}),
    ):
        assert change(**index) == code
    assert same(answer(things, {"collMod": ""}), {"ok": 1.0})


def test_rename(things: Collection, database: Database) -> None:
    admin = database.client.admin

    def rename(source: Any, target: Any, **options: Any) -> Any:
        try:
            return admin.command({"renameCollection": source, "to": target, **options})
        except OperationFailure as error:
            return error.code

    base = database.name
    database.old.insert_one({"_id": 1})
    database.taken.insert_one({"_id": 2})
    assert rename(f"{base}.old", f"{base}.new") == {"ok": 1.0}
    assert rename(f"{base}.old", f"{base}.new") == 26
    assert rename(f"{base}.new", f"{base}.taken") == 48
    assert rename(f"{base}.new", f"{base}.taken", dropTarget=True) == {"ok": 1.0}
    assert list(database.taken.find()) == [{"_id": 1}]
    for code, source, target in (
        (20, f"{base}.taken", f"{base}.taken"),
        (73, f"{base}.taken", "x"),
        (73, 5, "a.b"),
        (14, f"{base}.taken", 5),
        (115, f"{base}.taken", f"other{base}.taken"),
    ):
        assert rename(source, target) == code


def test_drop_of_what_is_not_there(things: Collection, database: Database) -> None:
    things.insert_one({"_id": 1})
    dropped = {"nIndexesWas": 1, "ns": things.full_name, "ok": 1.0}
    assert database.drop_collection(things) == dropped
    assert database.drop_collection(things) == {"ok": 1.0}
    things.insert_one({"_id": 1})
    assert same(database.command("drop", things.name), dropped)
    assert same(database.command("drop", things.name), {"ok": 1.0})
