"""Other writers between two steps of a write, where they would do most harm: each found by a race once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bson.objectid import ObjectId
from racing import SHAPES

from kato_compat import Collection, MongoClient
from kato_compat.ir.requests import Call, Pipeline

Document = dict[str, Any]


@contextmanager
def between(client: Any, *moments: tuple[str, Callable[[], Any]]) -> Iterator[None]:
    """Before the next request that has a command or script of that name, do something; then go on to the next moment.

    What is done may use the same client; it is not interrupted itself. All moments must have come at the end.
    """
    performers: dict[Any, Any] = client.deployment.driver._perform
    perform = performers[Pipeline]
    left = list(moments)
    busy = False

    def names(request: Pipeline) -> set[Any]:
        return {each.script.name if isinstance(each, Call) else each[0] for each in request.commands}

    def interrupted(request: Pipeline) -> Any:
        nonlocal busy
        if left and not busy and left[0][0] in names(request):
            busy = True
            left.pop(0)[1]()
            busy = False
        return perform(request)

    performers[Pipeline] = interrupted
    try:
        yield
    finally:
        performers[Pipeline] = perform
    assert left == []


@pytest.fixture(params=[name for name in SHAPES if name not in ("plain", "patterns", "moving")])
def keyed(
    request: pytest.FixtureRequest, racing_clients: dict[str, MongoClient], fresh_name: Callable[[], str]
) -> Iterator[tuple[MongoClient, Collection, Any]]:
    """A client, an empty collection that is mapped to Redis, and the shape of its documents."""
    shape = SHAPES[request.param]
    client = racing_clients[shape.layout]
    name = fresh_name()
    yield client, client[name][shape.collection], shape
    client.drop_database(name)


def test_a_document_that_moves_while_it_is_read_is_updated_once(keyed: tuple[MongoClient, Collection, Any]) -> None:
    client, collection, shape = keyed
    collection.insert_many([shape.document(0), {**shape.document(1), "beside": True}])
    move = lambda: collection.update_one({shape.key: "j0"}, {"$set": {"beside": True}})  # noqa: E731
    with between(client, ("scan", move)):
        result = collection.update_many({}, {"$inc": {"seen": 1}})
    assert (result.matched_count, result.modified_count) == (2, 2)
    assert [document["seen"] for document in collection.find()] == [1, 1]


def test_a_document_that_goes_while_the_index_of_keys_is_built_is_not_in_it(
    racing_clients: dict[str, MongoClient], embedded_path: Any, fresh_name: Callable[[], str]
) -> None:
    for layout, write in (
        ("counters", lambda name: ("SET", f"{name}:symbol:freq:a", 1)),
        ("hashes", lambda name: ("HSET", f"{name}:symbols:freq", "a", 1)),
    ):
        name = fresh_name()
        other = racing_clients[layout]
        with MongoClient(f"embedded://{embedded_path}", layout=layout) as client:
            # The total is a sign that others have learned here.
            written = (write(name), ("SET", f"{name}:global:total_pattern_frequencies", 1))
            client.deployment.redis.pipeline(written)  # type: ignore[attr-defined]
            forget = lambda name=name, other=other: other[name].symbols_kb.delete_one({"name": "a"})  # noqa: E731
            with between(client, ("list", forget)):
                assert list(client[name].symbols_kb.find()) == []
            assert client[name].symbols_kb.count_documents({}) == 0
            client.drop_database(name)


@pytest.mark.parametrize("unique", [["_id"], ["u"], ["u", "v.w"]])
def test_an_upsert_inserts_where_what_it_collided_with_is_gone(stored: Collection, unique: list[str]) -> None:
    if unique != ["_id"]:
        stored.create_index([(name, 1) for name in unique], unique=True)
    condition = dict.fromkeys(unique, 1)
    rival: Document = {"_id": 1} if unique == ["_id"] else {"u": 1} if unique == ["u"] else {"u": 1, "v": {"w": 1}}
    with between(
        stored.database.client,
        ("put" if unique == ["_id"] else "apply", lambda: stored.insert_one({**rival, "rival": True})),
        ("HMGET" if unique == ["_id"] else "lookup", lambda: stored.delete_many({"rival": True})),
    ):
        result = stored.update_one(condition, {"$set": {"n": 1}}, upsert=True)
    assert result.upserted_id is not None
    assert [document["n"] for document in stored.find(condition)] == [1]


def test_a_column_is_not_overwritten_by_what_was_there_before_a_flush(
    racing_clients: dict[str, MongoClient], fresh_name: Callable[[], str]
) -> None:
    """A row that was replaced and moved to ClickHouse between the reading and the writing of another change."""
    client, name = racing_clients["counters"], fresh_name()
    patterns = client[name].patterns_kb
    patterns.insert_one(SHAPES["patterns"].document(0))
    client.flush()

    def change(token: str, move: bool) -> None:
        patterns.update_one({"name": "j0"}, {"$push": {"pattern_data": [token]}, "$inc": {"length": 1}})
        if move:
            client.flush()

    with between(client, ("transact", lambda: change("x", True))):
        change("y", False)
    assert patterns.find_one({"name": "j0"}, {"_id": 0, "pattern_data": 1, "length": 1}) == {
        "pattern_data": [["all", "s0"], ["x"], ["y"]],
        "length": 4,
    }
    client.drop_database(name)


def test_a_row_that_is_replaced_during_a_scan_is_found(
    racing_clients: dict[str, MongoClient], fresh_name: Callable[[], str]
) -> None:
    client, name = racing_clients["counters"], fresh_name()
    patterns = client[name].patterns_kb
    patterns.insert_many([SHAPES["patterns"].document(number) for number in range(3)])
    client.flush()
    for moment in (lambda: None, client.flush):
        for query, left in (({}, 3), ({"length": {"$gt": 1}}, 3)):
            event = ["x"]

            def replace(moment: Callable[[], Any] = moment, event: list[str] = event) -> None:
                patterns.update_one({"name": "j0"}, {"$push": {"pattern_data": event}, "$inc": {"length": 1}})
                moment()

            with between(client, ("ZCARD", replace)):
                assert patterns.update_many(query, {"$inc": {"frequency": 1}}).modified_count == left
            with between(client, ("ZCARD", replace)):
                assert len(list(patterns.find(query))) == left
    document = patterns.find_one({"name": "j0"}, {"_id": 0})
    assert document is not None
    assert document["pattern_data"] == [["all", "s0"], *[["x"]] * 8]
    assert document["length"] == 10
    assert document["frequency"] == 5
    client.drop_database(name)


def test_clearing_counts_no_document_that_another_writer_deletes(
    racing_clients: dict[str, MongoClient], fresh_name: Callable[[], str]
) -> None:
    client, name = racing_clients["counters"], fresh_name()
    for collection, shape in ((client[name].symbols_kb, "counters"), (client[name].patterns_kb, "patterns")):
        collection.insert_many([SHAPES[shape].document(number) for number in range(5)])
        found: list[int] = []
        delete = lambda c=collection, found=found: found.append(c.delete_one({"name": "j3"}).deleted_count)  # noqa: E731
        with between(client, ("PEXPIRE" if shape == "patterns" else "transact", delete)):
            assert collection.delete_many({}).deleted_count == 4
        assert found == [1]
        assert collection.count_documents({}) == 0
        assert list(collection.find()) == []
    client.drop_database(name)


def test_an_upsert_that_another_key_stands_in_the_way_of_fails(stored: Collection) -> None:
    """A filter that asks for more than the unique key meets a document that does not: that is an error, at once."""
    stored.create_index("u", unique=True)
    stored.insert_one({"_id": ObjectId(), "u": 1, "n": 1})
    with pytest.raises(Exception, match="E11000"):
        stored.update_one({"u": 1, "n": 2}, {"$set": {"m": 1}}, upsert=True)
    with pytest.raises(Exception, match="E11000"):
        stored.update_one({"u": 2}, {"$set": {"u": 1}}, upsert=True)
    assert stored.count_documents({}) == 1
