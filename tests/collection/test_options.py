"""Every parameter of the table does what the table says."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.son import SON
from pymongo import CursorType, ReturnDocument
from pymongo.errors import BulkWriteError, CollectionInvalid, ExecutionTimeout, InvalidOperation, OperationFailure
from pymongo.write_concern import WriteConcern

from conformance.options import PATH, render
from kato_compat import Collection, MongoClient
from kato_compat.options import CLIENT_OPTIONS, OPTIONS, REFUSED_METHODS, Handling


def test_page() -> None:
    assert PATH.read_text() == render()


@pytest.fixture
def filled(memory: Collection) -> Collection:
    memory.insert_many(
        [{"_id": number, "a": number % 3, "s": "Aab"[number % 3], "l": [1, 2, 3]} for number in range(9)]
    )
    memory.create_index("a")
    return memory


def ids(cursor: Any) -> list[int]:
    return [each["_id"] for each in cursor]


def raises(code: int, call: Callable[[], Any]) -> bool:
    with pytest.raises(OperationFailure) as caught:
        call()
    return caught.value.code == code


#: One call for each refused parameter.
REFUSED: dict[str, Callable[[Collection], Any]] = {
    "session": lambda c: c.find_one({}, session="s"),
    "snapshot": lambda c: c.find({}, snapshot=True),
    "max_scan": lambda c: c.find({}).max_scan(3),
    "show_record_id": lambda c: c.find({}, show_record_id=True),
    "explain": lambda c: c.aggregate([], explain=True),
    "encrypted_fields": lambda c: c.drop(encrypted_fields={"fields": []}),
}


def test_refused_parameters(filled: Collection) -> None:
    assert REFUSED.keys() == {name for name, each in OPTIONS.items() if each.handling is Handling.REFUSED}
    for call in REFUSED.values():
        assert raises(115, lambda call=call: call(filled))
    assert filled.count_documents({}) == 9


def test_refused_methods(filled: Collection) -> None:
    given = {"model": {}, "models": [], "name": "n", "definition": {}}
    wanted = {
        "create_search_index": ["model"],
        "create_search_indexes": ["models"],
        "drop_search_index": ["name"],
        "update_search_index": ["name", "definition"],
    }
    for method in REFUSED_METHODS:
        arguments = [given[name] for name in wanted.get(method, [])]
        if method == "MongoClient.bulk_write":
            assert raises(115, lambda: filled.database.client.bulk_write([]))
            continue
        for owner in (filled, filled.database, filled.database.client):
            if method in dir(type(owner)):
                assert raises(115, partial(getattr(owner, method), *arguments))


def _codec(c: Collection) -> bool:
    other = c.with_options(codec_options=CodecOptions(document_class=SON))
    return isinstance(other.find_one(), SON) and not isinstance(c.find_one(), SON)


def _write_concern(c: Collection) -> bool:
    silent = c.with_options(write_concern=WriteConcern(w=0))
    return not silent.insert_one({"_id": 0}).acknowledged and c.insert_one({"_id": 100}).acknowledged


def _ordered(c: Collection) -> bool:
    counts = []
    for ordered in (True, False):
        with pytest.raises(BulkWriteError) as caught:
            c.insert_many([{"_id": 0}, {"_id": f"new {ordered}"}], ordered=ordered)
        counts.append(caught.value.details["nInserted"])
    return counts == [0, 1]


def _check_exists(c: Collection) -> bool:
    with pytest.raises(CollectionInvalid):
        c.database.create_collection(c.name)
    return raises(48, lambda: c.database.create_collection(c.name, check_exists=False))


def _create(c: Collection) -> bool:
    before = c.database.list_collection_names()
    Collection(c.database, "made", create=True)
    return {*c.database.list_collection_names()} - {*before} == {"made"}


def _drop_target(c: Collection) -> bool:
    c.database.other.insert_one({"_id": "x"})
    refused = raises(48, lambda: c.database.other.rename(c.name))
    c.database.other.rename(c.name, dropTarget=True)
    return refused and ids(c.find()) == ["x"]


def _times_out(call: Callable[[], Any]) -> bool:
    with pytest.raises(ExecutionTimeout) as caught:
        call()
    return caught.value.code == 50


def _slow(c: Collection) -> None:
    """Enough documents that no store reads them in a millisecond."""
    c.insert_many([{"_id": f"slow {number}", "l": list(range(60))} for number in range(3000)])


def _max_time(c: Collection) -> bool:
    _slow(c)
    heavy = {"$expr": {"$gt": [{"$sum": {"$map": {"input": "$l", "in": {"$sqrt": "$$this"}}}}, 1e9]}}
    return _times_out(lambda: c.find(heavy).max_time_ms(1).to_list())


def _max_time_command(c: Collection) -> bool:
    _slow(c)
    heavy = {"$expr": {"$gt": [{"$sum": {"$map": {"input": "$l", "in": {"$sqrt": "$$this"}}}}, 1e9]}}
    return all(
        _times_out(call)
        for call in (
            lambda: c.count_documents(heavy, maxTimeMS=1),
            lambda: c.distinct("l", heavy, maxTimeMS=1),
            lambda: c.aggregate([{"$match": heavy}], maxTimeMS=1).to_list(),
        )
    )


#: For each used parameter, whether it makes a difference.
USED: dict[str, Callable[[Collection], bool]] = {
    "hint": lambda c: ids(c.find({}, hint="a_1")) and raises(2, lambda: ids(c.find({}, hint="b_1"))),
    "collation": lambda c: (
        c.count_documents({"s": "a"}, collation={"locale": "en", "strength": 2}) == 6
        and c.count_documents({"s": "a"}) == 3
    ),
    "let": lambda c: (
        c.find({"$expr": {"$eq": ["$_id", "$$n"]}}, let={"n": 4}).to_list()[0]["_id"] == 4
        and raises(17276, lambda: c.find({"$expr": {"$eq": ["$_id", "$$n"]}}).to_list())
    ),
    "filter": lambda c: ids(c.find(filter={"a": 0})) == [0, 3, 6],
    "query": lambda c: c.distinct("_id", query={"a": 0}) == [0, 3, 6],
    "sort": lambda c: ids(c.find(sort=[("_id", -1)])) == ids(c.find())[::-1],
    "direction": lambda c: ids(c.find().sort("_id", -1)) == ids(c.find().sort("_id"))[::-1],
    "skip": lambda c: ids(c.find(skip=7)) == [7, 8] and c.count_documents({}, skip=7) == 2,
    "limit": lambda c: ids(c.find(limit=2)) == [0, 1] and c.count_documents({}, limit=2) == 2,
    "length": lambda c: len(c.find().to_list(length=4)) == 4,
    "projection": lambda c: c.find_one({}, projection={"a": 1}) == {"_id": 0, "a": 0},
    "batch_size": lambda c: _retrieved(c.find(batch_size=2)) == 2 and _retrieved(c.find()) == 9,
    "batchSize": lambda c: c.aggregate([], batchSize=2).cursor_id != 0 and c.aggregate([]).cursor_id == 0,
    "max_time_ms": _max_time,
    "maxTimeMS": _max_time_command,
    "cursor_type": lambda c: (
        raises(115, lambda: c.find(cursor_type=CursorType.TAILABLE))
        and ids(c.find(cursor_type=CursorType.EXHAUST)) == ids(c.find())
    ),
    "allowDiskUse": lambda c: raises(14, lambda: c.aggregate([], allowDiskUse=1)),
    "cursor": lambda c: c.aggregate([], cursor={"batchSize": 2}).cursor_id != 0,
    "return_key": lambda c: c.find({"_id": 4}, hint="a_1", return_key=True).to_list() == [{"a": 1}],
    "min": lambda c: {each["a"] for each in c.find(hint="a_1", min=[("a", 1)])} == {1, 2},
    "max": lambda c: {each["a"] for each in c.find(hint="a_1", max=[("a", 1)])} == {0},
    "upsert": lambda c: (
        c.update_one({"_id": "u"}, {"$set": {"x": 1}}, upsert=True).upserted_id == "u"
        and c.update_one({"_id": "v"}, {"$set": {"x": 1}}).upserted_id is None
    ),
    "array_filters": lambda c: (
        c.find_one_and_update(
            {"_id": 0},
            {"$set": {"l.$[x]": 9}},
            array_filters=[{"x": {"$gt": 1}}],
            return_document=ReturnDocument.AFTER,
        )["l"]
        == [1, 9, 9]
    ),
    "ordered": _ordered,
    "return_document": lambda c: (
        [c.find_one_and_update({"_id": 0}, {"$inc": {"a": 1}}, return_document=each)["a"] for each in (False, True)]
        == [0, 2]
    ),
    "pushdown": lambda c: (
        ids(c.find({"a": 1}, pushdown=False)) == ids(c.find({"a": 1}))
        and c.find({"a": 1}, pushdown=False)._command().pushdown is False
    ),
    "create": _create,
    "name": lambda c: c.database.client.get_database(name="n").name == "n",
    "default": lambda c: c.database.client.get_default_database(default="n").name == "n",
    "codec_options": _codec,
    "write_concern": _write_concern,
    "check_exists": _check_exists,
    "value": lambda c: c.database.command("count", value=c.name)["n"] == 9,
    "check": lambda c: (
        c.database.command("no such", check=False)["code"] == 59 and raises(59, lambda: c.database.command("no such"))
    ),
    "allowable_errors": lambda c: c.database.command("no such", allowable_errors=[59])["ok"] == 0.0,
    "dropTarget": _drop_target,
}


def _retrieved(cursor: Any) -> int:
    cursor.next()
    count: int = cursor.retrieved
    cursor.close()
    return count


def test_used_parameters_are_all_shown() -> None:
    assert USED.keys() == {name for name, each in OPTIONS.items() if each.handling is Handling.USED}


@pytest.mark.parametrize("name", USED)
def test_used_parameter(name: str, filled: Collection) -> None:
    if name == "collation":
        pytest.importorskip("icu", reason="needs the extra collation")
    assert USED[name](filled)


#: A call with each ignored parameter, whose answer is that of the call without it.
IGNORED: dict[str, Any] = {
    "find": {
        "comment": "c",
        "no_cursor_timeout": True,
        "allow_partial_results": True,
        "oplog_replay": True,
        "allow_disk_use": True,
    },
    "aggregate": {"readConcern": {}, "writeConcern": {}, "readPreference": {}, "bypassDocumentValidation": True},
    "create_index": {"background": True, "commitQuorum": 1},
    "list_collections": {"nameOnly": True, "authorizedCollections": True},
    "validate_collection": {"scandata": True, "full": True},
}
#: Ignored parameters that are shown elsewhere: they are kept and given back, or taken by writes.
ELSEWHERE = {"read_preference", "read_concern", "max_await_time_ms", "bypass_document_validation"}


def test_ignored_parameters(filled: Collection) -> None:
    named = {name for given in IGNORED.values() for name in given} | ELSEWHERE
    assert named == {name for name, each in OPTIONS.items() if each.handling is Handling.IGNORED}
    everything = filled.find({}).to_list()
    assert filled.find({}, **IGNORED["find"]).max_await_time_ms(5).to_list() == everything
    assert filled.aggregate([], **IGNORED["aggregate"]).to_list() == everything
    assert filled.create_index("s", **IGNORED["create_index"]) == "s_1"
    database = filled.database
    assert database.list_collection_names(**IGNORED["list_collections"]) == database.list_collection_names()
    assert database.validate_collection(filled, **IGNORED["validate_collection"])["nrecords"] == 9
    filled.insert_one({"_id": 9}, bypass_document_validation=True)
    assert filled.count_documents({}) == 10


def test_unknown_options_are_the_servers_error(filled: Collection) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: filled.aggregate([], colation={}),
        lambda: filled.count_documents({}, limits=1),
        lambda: filled.distinct("a", fields=1),
        lambda: filled.find_one_and_delete({}, fields=1),
        lambda: filled.find_one_and_update({}, {"$set": {"a": 1}}, new=True),
        lambda: filled.database.create_collection("x", cap=True),
        lambda: filled.database.command("count", filled.name, fields=1),
        lambda: filled.create_indexes([], colation={}),
    ]
    for call in calls:
        assert raises(40415, call)
    with pytest.raises(TypeError):
        filled.find({}, colation={})


def test_client_options_are_those_of_pymongo() -> None:
    given = {
        "document_class": SON,
        "tz_aware": True,
        "uuidRepresentation": "standard",
        "w": 0,
        "readPreference": "secondary",
        "readConcernLevel": "majority",
    }
    assert given.keys() <= CLIENT_OPTIONS.keys()
    with MongoClient("memory://", **given) as client:
        assert client.codec_options.document_class is SON
        assert client.codec_options.tz_aware
        assert client.codec_options.uuid_representation == 4
        assert not client.write_concern.acknowledged
        assert client.read_preference.mongos_mode == "secondary"
        assert client.read_concern.level == "majority"
        assert client.db.c.codec_options == client.codec_options
    with pytest.raises(InvalidOperation):
        client.db.c.find_one()
