"""Database commands and the methods of databases and collections as a whole."""

from collections.abc import Callable
from typing import Any

import pytest
from bson.dbref import DBRef
from bson.objectid import ObjectId
from pymongo import IndexModel
from pymongo.errors import CollectionInvalid, InvalidName, InvalidOperation, OperationFailure

from kato_compat import Collection, Database, MongoClient
from kato_compat.execute.deployment import EngineDeployment
from kato_compat.ir.requests import Call, Pipeline
from kato_compat.ir.transact import TRANSACT


def code(call: Any) -> int | None:
    with pytest.raises(OperationFailure) as caught:
        call()
    found = caught.value.code
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize("command", ["ping", {"ping": 1}, {"PING": 1}])
def test_ping(database: Database, command: Any) -> None:
    assert database.command(command) == {"ok": 1.0}


def test_server(database: Database) -> None:
    assert database.command("hello")["isWritablePrimary"] is True
    assert database.command("isMaster")["ismaster"] is True
    assert database.command("buildInfo") == database.client.server_info()
    assert database.command("buildInfo")["versionArray"][:2] == [8, 2]


def test_statistics(things: Collection, database: Database) -> None:
    things.insert_many([{"_id": number, "x": "y" * 100} for number in range(3)])
    stats = database.command("collStats", things.name)
    assert (stats["count"], stats["nindexes"], list(stats["indexSizes"])) == (3, 1, ["_id_"])
    assert database.command("collstats", things.name, scale=10)["size"] == stats["size"] // 10
    assert database.command("collstats", "nothing")["count"] == 0
    whole = database.command("dbStats")
    assert (whole["collections"], whole["objects"], whole["dataSize"]) == (1, 3, float(stats["size"]))
    assert code(lambda: database.command("collstats", 3)) == 73


def test_count_and_distinct(things: Collection, database: Database) -> None:
    things.insert_many([{"_id": number, "a": number % 2} for number in range(10)])
    assert database.command("count", things.name)["n"] == 10
    for options, expected in (
        ({"query": {"a": 1}}, 5),
        ({"query": {"a": 1}, "skip": 2}, 3),
        ({"query": {"a": 1}, "limit": 2}, 2),
        ({"limit": -3}, 3),
        ({"limit": 0, "skip": 4}, 6),
        ({"skip": 40}, 0),
    ):
        assert database.command("count", things.name, **options)["n"] == expected
    assert database.command("distinct", things.name, key="a", query={"_id": {"$gt": 8}})["values"] == [1]
    assert code(lambda: database.command("count", things.name, skip=-1)) == 51024
    assert code(lambda: database.command("distinct", things.name)) == 40414


def test_find_and_aggregate(things: Collection, database: Database) -> None:
    things.insert_many([{"_id": number} for number in range(5)])
    find = {"find": things.name, "filter": {"_id": {"$gt": 1}}, "sort": {"_id": -1}, "limit": 2}
    assert database.command(find)["cursor"]["firstBatch"] == [{"_id": 4}, {"_id": 3}]
    pipeline = [{"$match": {"_id": 3}}]
    reply = database.command("aggregate", things.name, pipeline=pipeline, cursor={})
    assert reply["cursor"] == {"id": 0, "ns": things.full_name, "firstBatch": [{"_id": 3}]}
    made = database.command("aggregate", 1, pipeline=[{"$documents": [{"a": 1}]}], cursor={})
    assert made["cursor"]["firstBatch"] == [{"a": 1}]
    assert database.aggregate([{"$documents": [{"a": 1}]}]).to_list() == [{"a": 1}]
    assert database.cursor_command("find", things.name, limit=1).to_list() == [{"_id": 0}]
    assert code(lambda: database.command("aggregate", things.name, pipeline=pipeline)) == 9
    with pytest.raises(InvalidOperation):
        database.cursor_command("ping")


def test_explain(things: Collection, database: Database) -> None:
    find = {"find": things.name, "filter": {"_id": 1}}
    explained = database.command("explain", find, verbosity="queryPlanner")
    assert explained == things.find({"_id": 1}).explain()
    aggregate = {"aggregate": things.name, "pipeline": [{"$match": {"a": 1}}], "cursor": {}}
    assert "stages" in database.command({"explain": aggregate})
    assert "queryPlanner" in database.command({"explain": {"count": things.name, "query": {"a": 1}}})
    assert code(lambda: database.command("explain", find, verbosity="much")) == 2
    assert code(lambda: database.command("explain", {"drop": "x"})) == 115


def test_collections(things: Collection, database: Database) -> None:
    assert database.list_collection_names() == []
    assert database.command("create", "made") == {"ok": 1.0}
    things.insert_one({})
    assert sorted(database.list_collection_names()) == sorted(["made", things.name])
    assert database.list_collection_names(filter={"name": {"$regex": "^m"}}) == ["made"]
    (described,) = database.list_collections(filter={"name": "made"})
    assert described["type"] == "collection"
    assert described["idIndex"] == {"v": 2, "key": {"_id": 1}, "name": "_id_"}
    reply = database.command("listCollections", filter={"name": "made"})
    assert reply["cursor"]["firstBatch"] == [described]
    with pytest.raises(CollectionInvalid, match="already exists"):
        database.create_collection("made")
    assert code(lambda: database.command("create", "made")) == 48
    assert code(lambda: database.create_collection("c", capped=True)) == 115
    assert code(lambda: database.create_collection("c", expireAfterSeconds=60)) == 115
    assert database.drop_collection("made")["ok"] == 1.0
    database.drop_collection("made")
    database.made.drop()
    assert database.command("drop", "made") == {"ok": 1.0}
    assert database.list_collection_names() == [things.name]
    with pytest.raises(TypeError):
        database.drop_collection(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a..b", "a$b", ".a", "a.", "a\x00b"])
def test_bad_names_of_collections(database: Database, name: str) -> None:
    with pytest.raises(InvalidName):
        database[name]


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a/b", 'a"b', "a$b"])
def test_bad_names_of_databases(database: Database, name: str) -> None:
    with pytest.raises(InvalidName):
        database.client[name]


def test_rename(things: Collection, database: Database) -> None:
    things.insert_many([{"_id": number, "name": str(number)} for number in range(3)])
    things.create_index("a")
    things.rename("renamed")
    assert database.list_collection_names() == ["renamed"]
    assert [each["_id"] for each in database.renamed.find().sort("_id")] == [0, 1, 2]
    assert set(database.renamed.index_information()) == {"_id_", "a_1"}
    assert code(lambda: things.rename("x")) == 26
    database.other.insert_one({})
    assert code(lambda: database.other.rename("renamed")) == 48
    with pytest.raises(TypeError):
        database.other.rename(3)  # type: ignore[arg-type]


def test_a_rename_that_fails_leaves_what_was_to_be_renamed(
    face_engines: MongoClient, fresh_name: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = face_engines[fresh_name()]
    source = database.source
    source.insert_many([{"_id": number, "u": number} for number in range(3)])
    source.create_index("u", unique=True)
    perform = face_engines.deployment.driver._perform
    performer = perform[Pipeline]

    def failing(request: Pipeline) -> Any:
        if any(isinstance(each, Call) and each.script is TRANSACT for each in request.commands):
            raise OperationFailure("the store is full", 14031)
        return performer(request)

    # A mapped collection takes the documents one after another.
    with monkeypatch.context() as patched:
        patched.setitem(perform, Pipeline, failing)
        assert code(lambda: source.rename("symbols_kb")) == 14031
    assert list(source.find()) == [{"_id": number, "u": number} for number in range(3)]
    face_engines.drop_database(database.name)


def test_documents_of_an_out_get_the_id_of_their_collection(things: Collection, database: Database) -> None:
    database.source.insert_one({"name": "p", "pattern_data": [["x"]], "length": 1})
    database.source.aggregate([{"$project": {"_id": 0}}, {"$out": things.name}])
    (found,) = things.find()
    assert list(found) == ["_id", "name", "pattern_data", "length"]
    assert type(found["_id"]) is ObjectId
    mapping = things.storage.spec
    assert mapping is None or found["_id"] == mapping.identify("p")


def test_what_others_wrote_to_redis_only_is_listed_and_dropped(
    face_engines: MongoClient, fresh_name: Callable[[], str]
) -> None:
    assert isinstance(face_engines.deployment, EngineDeployment)
    redis = face_engines.deployment.redis
    name, other = fresh_name(), fresh_name()
    for kb_id in (name, other):
        keys = [f"{kb_id}:{rest}" for rest in ("global:total_symbol_frequencies", "symbol:freq:a", "symbol:pmf:a")]
        redis.pipeline(tuple(("SET", key, 3) for key in keys))
    assert face_engines[name].list_collection_names() == ["metadata", "symbols_kb"]
    face_engines.drop_database(name)
    assert redis.pipeline((("KEYS", f"*{name}*"), ("EXISTS", *keys))) == [[], 3]
    face_engines.drop_database(other)


def test_counts_of_nothing(things: Collection) -> None:
    assert things.estimated_document_count() == 0
    assert things.count_documents({}) == 0
    assert things.distinct("a") == []
    assert things.index_information() == {}
    assert list(things.list_indexes()) == []
    things.drop_indexes()
    things.drop_index("a_1")
    assert code(lambda: things.count_documents({}, limit=0)) == 15958
    things.insert_many([{}, {}])
    assert things.estimated_document_count() == 2
    assert code(lambda: things.drop_index("a_1")) == 27
    assert code(lambda: things.drop_index("_id_")) == 72


def test_indexes(things: Collection, database: Database) -> None:
    models = [IndexModel("a"), IndexModel([("b", -1), ("c", 1)], name="named", sparse=True)]
    assert things.create_indexes(models) == ["a_1", "named"]
    information = things.index_information()
    assert information["_id_"] == {"v": 2, "key": [("_id", 1)]}
    assert information["named"] == {"v": 2, "key": [("b", -1), ("c", 1)], "sparse": True}
    reply = database.command("listIndexes", things.name)
    assert [each["name"] for each in reply["cursor"]["firstBatch"]] == ["_id_", "a_1", "named"]
    things.drop_index([("a", 1)])
    things.drop_index("*")
    assert list(things.index_information()) == ["_id_"]
    for kind in ("text", "2dsphere", "hashed"):
        assert code(lambda kind=kind: things.create_index([("x", kind)])) == 115
    for keys, expected in (([("x", 0)], 67), ([("x..y", 1)], 67), ([("x", "strange")], 67)):
        assert code(lambda keys=keys: things.create_index(keys)) == expected
    assert code(lambda: things.create_index("x", bogus=1)) == 197
    with pytest.raises(TypeError):
        things.create_indexes([{"key": {"a": 1}}])  # type: ignore[list-item]


def test_references(things: Collection, database: Database) -> None:
    things.insert_one({"_id": 1, "a": 2})
    assert database.dereference(DBRef(things.name, 1)) == {"_id": 1, "a": 2}
    assert database.dereference(DBRef(things.name, 2)) is None
    with pytest.raises(ValueError, match="another database"):
        database.dereference(DBRef(things.name, 1, "elsewhere"))
    with pytest.raises(TypeError):
        database.dereference({})


def test_refused_and_unknown(database: Database) -> None:
    assert code(lambda: database.command("serverStatus")) == 115
    assert code(lambda: database.command("nonsense")) == 59
    assert code(lambda: database.command({})) == 59
    with pytest.raises(TypeError):
        database.command(3)


def test_validate_and_compact(things: Collection, database: Database) -> None:
    assert code(lambda: database.validate_collection(things)) == 26
    assert code(lambda: database.command("compact", things.name)) == 26
    things.insert_many([{}, {}])
    found = database.validate_collection(things.name)
    assert (found["valid"], found["nrecords"], found["nIndexes"]) == (True, 2, 1)
    assert database.command("compact", things.name)["ok"] == 1.0
