"""Calls of the MongoDB-era KATO on ``vectors_kb``, on vector collections, and on clients and databases."""

import json
from typing import Any

import mongomock
import numpy
import pytest
from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError, InvalidOperation, OperationFailure

from kato_compat import MongoClient


@pytest.fixture
def vectors_kb(knowledge: Any) -> Any:
    return knowledge.vectors_kb


@pytest.fixture
def vectors(knowledge: Any) -> Any:
    return knowledge["kato_vectors"]


def upsert(vectors: Any, name: str, payload: dict[str, Any] | None = None) -> Any:
    """As V07 does."""
    vector = [float(value) for value in numpy.array([0.5, 1.5])]
    document = {"name": name, "vector": vector, "vector_length": 1.58, "payload": payload or {}}
    return vectors.update_one({"name": name}, {"$set": document}, upsert=True)


@pytest.fixture
def filled(vectors: Any) -> Any:
    for number in range(4):
        upsert(vectors, f"v{number}", {"k": number % 2, "label": "x" if number else "y"})
    return vectors


def test_v01_unique_index_on_name(vectors_kb: Any) -> None:
    for _ in range(2):
        assert vectors_kb.create_index([("name", 1)], background=1, unique=1) == "name_1"
    vectors_kb.insert_one({"name": "v", "vector": [1.0]})
    with pytest.raises(DuplicateKeyError):
        vectors_kb.insert_one({"name": "v", "vector": [2.0]})


def test_v02_learn_a_vector(vectors_kb: Any) -> None:
    for vector in ([1.0, 2.0], [3.0, 4.0]):
        result = vectors_kb.update_one({"name": "VECTOR|1"}, {"$setOnInsert": {"vector": vector}}, upsert=True)
    assert (result.matched_count, result.modified_count) == (1, 0)
    assert vectors_kb.find_one({"name": "VECTOR|1"})["vector"] == [1.0, 2.0]


def test_v03_all_vectors(vectors_kb: Any) -> None:
    vectors_kb.insert_many([{"name": f"v{number}", "vector": [float(number), 0.5]} for number in range(3)])
    found = [numpy.array(each["vector"]) for each in vectors_kb.find({}, {"_id": 0, "vector": 1})]
    assert numpy.array_equal(found, [[0.0, 0.5], [1.0, 0.5], [2.0, 0.5]])


def test_v04_one_vector(vectors_kb: Any) -> None:
    vectors_kb.insert_one({"name": "v", "vector": [1.0]})
    assert vectors_kb.find_one({"name": "v"}, {"_id": False, "vector": True}) == {"vector": [1.0]}
    assert vectors_kb.find_one({"name": "w"}, {"_id": False, "vector": True}) is None


def test_v05_count(vectors_kb: Any) -> None:
    assert f"{vectors_kb.count_documents({})}" == "0"


def test_v06_attributes_of_a_collection(vectors_kb: Any) -> None:
    vectors_kb.insert_one({"name": "v", "vector": [1.0]})
    vectors_kb.values = lambda: (each["vector"] for each in vectors_kb.find({}, {"_id": 0, "vector": 1}))
    vectors_kb.getVector = lambda name: vectors_kb.find_one({"name": name})
    vectors_kb.learnVector = None
    vectors_kb.__repr__ = lambda: "vectors"
    assert list(vectors_kb.values()) == [[1.0]]
    assert vectors_kb.getVector("v")["vector"] == [1.0]
    assert vectors_kb.learnVector is None


def test_v07_store_a_vector(vectors: Any) -> None:
    assert upsert(vectors, "VECTOR|ab").acknowledged
    assert upsert(vectors, "VECTOR|ab", {"k": 1}).acknowledged
    assert vectors.find_one({"name": "VECTOR|ab"}, {"_id": 0}) == {
        "name": "VECTOR|ab",
        "vector": [0.5, 1.5],
        "vector_length": 1.58,
        "payload": {"k": 1},
    }


def test_v08_dicts_are_no_requests(vectors: Any) -> None:
    requests = [{"update_one": {"filter": {"name": "v"}, "update": {"$set": {"vector": [1.0]}}, "upsert": True}}]
    with pytest.raises(TypeError, match="is not a valid request"):
        vectors.bulk_write(requests, ordered=False)
    assert vectors.count_documents({}) == 0


def test_v08_requests_as_they_were_meant(vectors: Any) -> None:
    upsert(vectors, "v0")
    names = ("v0", "v1", "v2")
    requests = [UpdateOne({"name": name}, {"$set": {"name": name, "vector": [1.0]}}, upsert=True) for name in names]
    result = vectors.bulk_write(requests, ordered=False)
    assert result.modified_count + result.upserted_count == 3
    assert result.modified_count == 1
    assert all(isinstance(each, ObjectId) for each in result.upserted_ids.values())
    assert list(result.upserted_ids) == [1, 2]


def test_v09_one_vector(filled: Any) -> None:
    found = filled.find_one({"name": "v1"}, {"name": 1, "payload": 1, "vector": 1})
    assert found["name"] == "v1"
    assert found.get("payload", {}) == {"k": 1, "label": "x"}
    assert set(found) == {"_id", "name", "payload", "vector"}


def test_v10_several_vectors(filled: Any) -> None:
    names = {"$in": ["v0", "v3", "unknown"]}
    found = filled.find({"name": names}, {"name": 1, "payload": 1, "vector": 1})
    assert sorted(each["name"] for each in found) == ["v0", "v3"]


def test_v11_change_a_vector(filled: Any) -> None:
    change = {"$set": {"vector": [9.0], "vector_length": 9.0, "payload": {}}}
    assert filled.update_one({"name": "v1"}, change).modified_count > 0
    assert not filled.update_one({"name": "v1"}, change).modified_count > 0
    assert not filled.update_one({"name": "unknown"}, change).modified_count > 0
    assert filled.find_one({"name": "v1"})["payload"] == {}


def test_v12_delete_a_vector(filled: Any) -> None:
    assert filled.delete_one({"name": "v1"}).deleted_count > 0
    assert not filled.delete_one({"name": "v1"}).deleted_count > 0


def test_v13_delete_several_vectors(filled: Any) -> None:
    assert filled.delete_many({"name": {"$in": ["v0", "v2", "unknown"]}}).deleted_count == 2
    assert sorted(each["name"] for each in filled.find()) == ["v1", "v3"]


@pytest.mark.parametrize(("value", "names"), [(1, ["v1", "v3"]), ("1", []), (None, [])])
def test_v14_find_by_payload(filled: Any, value: Any, names: list[str]) -> None:
    found = list(filled.find({"payload.k": value}, {"name": 1, "vector": 1, "payload": 1}))
    assert [each["name"] for each in found] == names


def test_v15_count_by_payload(filled: Any) -> None:
    assert filled.count_documents({"payload.label": "x"}) == 3


def test_v16_everything_as_json(filled: Any) -> None:
    found = list(filled.find())
    for each in found:
        each["_id"] = str(each["_id"])
    assert len(json.loads(json.dumps(found))) == 4


def test_v17_restore(filled: Any) -> None:
    documents = list(filled.find({}, {"_id": 0}))
    filled.delete_many({})
    filled.insert_many(documents)
    assert [each["name"] for each in filled.find()] == ["v0", "v1", "v2", "v3"]


def test_v18_reindex_is_no_method_any_more(vectors: Any) -> None:
    with pytest.raises(TypeError, match="object is not callable"):
        vectors.reindex()


@pytest.fixture
def described(knowledge: Any) -> Any:
    return knowledge["_vector_metadata"]


def describe(described: Any, name: str) -> None:
    change = {"$set": {"collection": name, "vector_dim": 4, "created_at": 1725000000.25}}
    described.update_one({"collection": name}, change, upsert=True)


def test_v19_describe_a_collection(described: Any) -> None:
    for _ in range(2):
        describe(described, "c")
    assert described.find_one({"collection": "c"}, {"_id": 0}) == {
        "collection": "c",
        "vector_dim": 4,
        "created_at": 1725000000.25,
    }
    assert described.count_documents({}) == 1


def test_v20_read_a_description(described: Any) -> None:
    describe(described, "c")
    assert described.find_one({"collection": "c"}).get("vector_dim") == 4


def test_v21_described_collections(described: Any) -> None:
    describe(described, "c")
    describe(described, "d")
    assert [each["collection"] for each in described.find({}, {"collection": 1})] == ["c", "d"]


def test_v22_forget_a_description(described: Any) -> None:
    describe(described, "c")
    assert described.delete_one({"collection": "c"}).deleted_count == 1
    assert described.find_one({"collection": "c"}) is None


@pytest.mark.parametrize(("size", "expected"), [(3, 3), (10, 4)])
def test_v23_a_sample(filled: Any, size: int, expected: int) -> None:
    found = list(filled.aggregate([{"$sample": {"size": size}}]))
    assert len({each["name"] for each in found}) == len(found) == expected


def test_v24_find_one_without_arguments(vectors: Any) -> None:
    assert vectors.find_one() is None
    upsert(vectors, "v")
    assert vectors.find_one()["name"] == "v"


def test_v25_everything_without_id(filled: Any) -> None:
    found = list(filled.find({}, {"_id": 0}))
    assert [each.get("name") for each in found] == ["v0", "v1", "v2", "v3"]
    assert all("_id" not in each for each in found)


def test_v26_unique_index_on_name(filled: Any) -> None:
    for _ in range(2):
        assert filled.create_index([("name", 1)], background=True, unique=True) == "name_1"


POOL = {
    "minPoolSize": 5,
    "maxPoolSize": 50,
    "connectTimeoutMS": 5000,
    "socketTimeoutMS": 5000,
    "serverSelectionTimeoutMS": 5000,
}
FULL = {
    "maxPoolSize": 50,
    "minPoolSize": 10,
    "maxIdleTimeMS": 30000,
    "waitQueueTimeoutMS": 10000,
    "serverSelectionTimeoutMS": 5000,
    "connectTimeoutMS": 10000,
    "socketTimeoutMS": 30000,
    "heartbeatFrequencyMS": 10000,
    "retryWrites": True,
    "retryReads": True,
    "w": "majority",
    "wtimeout": 5000,
    "journal": True,
    "readPreference": "primaryPreferred",
    "appname": "kato-v2",
    "compressors": ["zstd", "snappy", "zlib"],
}


@pytest.mark.parametrize("options", [{}, POOL, FULL], ids=["none", "pool", "full"])
def test_d01_options_of_a_client(options: dict[str, Any]) -> None:
    with MongoClient("memory://", **options) as client:
        assert client.admin.command("ping")["ok"] == 1.0


def test_d01_options_are_those_that_were_given() -> None:
    with MongoClient(
        "memory://", w="majority", wtimeout=5000, journal=True, readPreference="primaryPreferred"
    ) as client:
        assert client.write_concern.document == {"w": "majority", "wtimeout": 5000, "j": True}
        assert client.read_preference.mongos_mode == "primaryPreferred"
        assert client.db.c.write_concern.document == {"w": "majority", "wtimeout": 5000, "j": True}


def test_d02_databases_and_collections(client: Any, kb_id: str) -> None:
    database = client[kb_id]
    assert getattr(client, kb_id) == database
    assert database.patterns_kb == database["patterns_kb"]
    assert database.patterns_kb is not database.patterns_kb
    database.patterns_kb.learnPattern = 1
    assert "learnPattern" not in vars(database.patterns_kb)
    older = database["p1.patterns_kb"]
    assert older.name == "p1.patterns_kb"
    assert older == database.p1.patterns_kb


def test_d03_ping(client: Any) -> None:
    assert client.admin.command("ping")["ok"] == 1.0


def test_d04_server_info(client: Any) -> None:
    assert isinstance(client.server_info().get("version"), str)


def test_d05_drop_a_database(client: Any, knowledge: Any, kb_id: str) -> None:
    other = client[f"{kb_id}2"]
    for database in (knowledge, other):
        database.patterns_kb.insert_one({"name": "n", "pattern_data": [["a"]], "length": 1, "frequency": 1})
        database.symbols_kb.insert_one({"name": "a", "frequency": 1, "pattern_member_frequency": 1})
        database.free.insert_one({"x": 1})
    client.drop_database(kb_id)
    assert kb_id not in client.list_database_names()
    assert knowledge.patterns_kb.find_one({"name": "n"}) is None
    assert knowledge.symbols_kb.count_documents({}) == 0
    assert other.patterns_kb.count_documents({}) == other.symbols_kb.count_documents({}) == 1
    assert other.free.find_one({}, {"_id": 0}) == {"x": 1}
    client.drop_database(other.name)


def test_d06_names_of_databases(client: Any, knowledge: Any, kb_id: str) -> None:
    assert kb_id not in client.list_database_names()
    knowledge.symbols_kb.insert_one({"name": "a", "frequency": 1, "pattern_member_frequency": 1})
    assert [name for name in client.list_database_names() if name.startswith(kb_id)] == [kb_id]


def test_d07_names_of_collections(knowledge: Any) -> None:
    assert knowledge.list_collection_names() == []
    knowledge.symbols_kb.insert_one({"name": "a", "frequency": 1, "pattern_member_frequency": 1})
    knowledge.free.insert_one({"x": 1})
    assert set(knowledge.list_collection_names()) == {"symbols_kb", "free"}


def test_d08_drop_a_collection(filled: Any, knowledge: Any) -> None:
    knowledge.drop_collection(filled.name)
    assert filled.count_documents({}) == 0
    assert filled.name not in knowledge.list_collection_names()
    knowledge.drop_collection(filled.name)


def test_d09_statistics_of_a_collection(filled: Any, knowledge: Any) -> None:
    filled.create_index([("name", 1)], unique=True)
    stats = knowledge.command("collstats", filled.name)
    assert stats.get("count") == 4
    assert stats.get("size") > 100
    assert stats.get("storageSize") > 0
    assert set(stats.get("indexSizes")) == {"_id_", "name_1"}
    assert knowledge.command("compact", filled.name)["ok"] == 1.0
    assert filled.count_documents({}) == 4


def test_d10_close() -> None:
    client = MongoClient("memory://")
    client.close()
    client.close()
    with pytest.raises(InvalidOperation, match="after close"):
        client.kb.patterns_kb.find_one({})


def test_d11_sessions_are_refused_with_their_reason() -> None:
    with MongoClient("memory://") as client, pytest.raises(OperationFailure, match="no sessions") as caught:
        client.start_session()
    assert caught.value.code == 115


def test_d12_topology_description(client: Any) -> None:
    if isinstance(client, mongomock.MongoClient):
        pytest.skip("mongomock has none")
    assert getattr(client.topology_description, "pool_size", "unknown") == "unknown"
