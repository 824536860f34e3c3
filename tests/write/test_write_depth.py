"""Documents nest up to 180 levels, in every method and store; deeper ones are refused before anything is sent.

The manual (Limits: Nested Depth for BSON Documents) says 100; the server's own limit for what is stored is 180.
"""

from collections.abc import Callable
from typing import Any

import pytest
from pymongo import InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure

from kato_compat import Collection, MongoClient
from kato_compat.execute.deployment import Deployment
from kato_compat.values.validity import MAX_DEPTH

Document = dict[str, Any]
_ARRAYS = pytest.mark.parametrize("arrays", [False, True], ids=["documents", "arrays"])


def nested(levels: int, arrays: bool = False) -> Any:
    """A document of that many levels, every other one an array if `arrays`."""
    value: Any = {"leaf": 1}
    for level in range(levels - 1):
        value = [value] if arrays and level % 2 else {"a": value}
    return {"a": value["a"] if isinstance(value, dict) and "a" in value else value} if levels > 1 else value


def levels_of(value: Any) -> int:
    """The levels of a value."""
    found = 0
    while isinstance(value, dict | list) and value:
        found += 1
        value = value[0] if isinstance(value, list) else next(iter(value.values()))
    return found


def _never(self: Deployment, flow: Any) -> Any:
    """Run a flow that must not ask for anything."""
    try:
        request = next(flow)
    except StopIteration as end:
        return end.value
    flow.close()
    raise AssertionError(f"{request!r} was sent")


#: By name: what is called with a document of one level more than may be stored, or its parts.
_WRITES: dict[str, Callable[[Collection, Document], Any]] = {
    "insert_one": lambda things, deep: things.insert_one(deep),
    "insert_many": lambda things, deep: things.insert_many([{}, deep]),
    "replace_one": lambda things, deep: things.replace_one({}, deep, upsert=True),
    "update_one": lambda things, deep: things.update_one({}, {"$set": deep}, upsert=True),
    "update_many": lambda things, deep: things.update_many({}, {"$set": deep}),
    "push": lambda things, deep: things.update_one({}, {"$push": {"p": deep["a"]}}),
    "add to set": lambda things, deep: things.update_one({}, {"$addToSet": {"p": {"$each": [deep["a"]]}}}),
    "find_one_and_update": lambda things, deep: things.find_one_and_update({}, {"$set": deep}),
    "find_one_and_replace": lambda things, deep: things.find_one_and_replace({}, deep),
    "bulk insert": lambda things, deep: things.bulk_write([InsertOne(deep)]),
    "bulk replace": lambda things, deep: things.bulk_write([ReplaceOne({}, deep)]),
    "bulk update": lambda things, deep: things.bulk_write([UpdateOne({}, {"$set": deep}, upsert=True)]),
    "bulk update of many": lambda things, deep: things.bulk_write([UpdateMany({}, {"$set": deep})]),
}


@pytest.mark.parametrize("write", _WRITES)
@pytest.mark.parametrize("url", ["memory", "documents"])
def test_too_deep_is_never_sent(
    write: str, url: str, write_memory: MongoClient, write_engines: MongoClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = write_memory if url == "memory" else write_engines
    monkeypatch.setattr(Deployment, "run", _never)
    with pytest.raises(OperationFailure) as error:
        _WRITES[write](client.a.things, nested(MAX_DEPTH + 1))
    assert _code(error.value) == 15


def _code(error: OperationFailure) -> Any:
    return error.details["writeErrors"][0]["code"] if isinstance(error, BulkWriteError) else error.code


@_ARRAYS
def test_the_deepest_document_comes_back_and_changes(written: Collection, arrays: bool) -> None:
    deep = nested(MAX_DEPTH, arrays)
    assert levels_of(deep) == MAX_DEPTH
    written.create_index("b")
    written.insert_one({"_id": 1, **deep})
    written.insert_many([{"_id": 2, **deep}])
    written.replace_one({"_id": 3}, deep, upsert=True)
    written.update_one({"_id": 4}, {"$set": deep}, upsert=True)
    written.bulk_write([InsertOne({"_id": 5, **deep}), UpdateOne({"_id": 5}, {"$set": {"b": 1}})])
    assert written.update_many({}, {"$inc": {"b": 1}}).modified_count == 5
    assert written.update_many(deep, [{"$set": {"c": "$b"}}]).modified_count == 5
    assert written.find_one_and_update({"_id": 4}, {"$unset": {"c": ""}})["a"] == deep["a"]
    for number in range(1, 6):
        assert written.find_one({"_id": number, "a": deep["a"]}, {"a": 1}) == {"_id": number, **deep}
    assert list(written.aggregate([{"$match": {"b": 2}}, {"$project": {"_id": 0, "a": 1}}])) == [deep]
    assert len(written.distinct("a")) == 1
    assert written.delete_many({"a": deep["a"]}).deleted_count == 5


def test_growing_deeper_is_refused_and_changes_nothing(written: Collection) -> None:
    document = {"_id": 1, **nested(MAX_DEPTH), "l": [1]}
    written.insert_one(document)
    innermost = ".".join(["a"] * (MAX_DEPTH - 1) + ["leaf"])
    for update in (
        {"$set": {innermost: {"b": 1}}},
        {"$push": {"l": nested(MAX_DEPTH - 1)}},
        {"$set": {"x.y.z": nested(MAX_DEPTH - 2)}},
        {"$set": {".".join("b" * (MAX_DEPTH + 1)): 1}},
        {"$inc": {".".join("b" * (MAX_DEPTH + 1)): 1}},
        [{"$set": nested(MAX_DEPTH + 1)}],
        {"$rename": {"a": "b.c"}},
        [{"$set": {"b": {"c": "$a"}}}],
        [{"$replaceWith": {"b": "$$ROOT"}}],
    ):
        for write in (written.update_one, written.update_many, written.find_one_and_update):
            with pytest.raises(OperationFailure) as error:
                write({"_id": 1}, update)
            assert error.value.code == 15
        with pytest.raises(BulkWriteError) as bulk:
            written.bulk_write([UpdateOne({"_id": 1}, update)])
        assert _code(bulk.value) == 15
    assert written.find_one() == document
    assert written.update_one({"_id": 1}, {"$set": {innermost: 2}}).modified_count == 1


def test_a_deep_document_lives_beside_a_mapping(
    racing_clients: dict[str, MongoClient], fresh_name: Callable[[], str]
) -> None:
    client, name = racing_clients["counters"], fresh_name()
    for collection in (client[name].patterns_kb, client[name].predictions_kb, client[name].symbols_kb):
        collection.insert_one({"name": "x", "frequency": 1, "predictions": nested(MAX_DEPTH - 1)})
        assert collection.update_one({"name": "x"}, {"$inc": {"frequency": 1}}).modified_count == 1
        held = collection.find_one({"name": "x"})
        assert held is not None
        assert held["predictions"] == nested(MAX_DEPTH - 1)
        with pytest.raises(OperationFailure) as error:
            collection.update_one({"name": "x"}, {"$rename": {"predictions": "predictions.b"}})
        assert error.value.code is not None
        with pytest.raises(OperationFailure) as error:
            collection.insert_one({"name": "y", "predictions": nested(MAX_DEPTH)})
        assert error.value.code == 15
    client.drop_database(name)
