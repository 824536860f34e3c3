"""A learn is seen by the next read, whatever its form and whoever reads."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chdbhttp import ChdbHttp
from katomodel import name_of
from pymongo.errors import ConfigurationError, InvalidName, OperationFailure
from valkeyserver import ValkeyServer

import kato_compat
from kato_compat import Catalogue, CollectionSpec, KnowledgeBase, MongoClient
from kato_compat.mapping.field import Counter
from kato_compat.mapping.spec import Keys

PATTERN = [["a", "b"], ["a"]]
NAME = name_of(PATTERN)
REDUCE = {"$reduce": {"input": "$pattern_data", "initialValue": [], "in": {"$concatArrays": ["$$value", "$$this"]}}}

READS: dict[str, Callable[[KnowledgeBase], object]] = {
    "find_one": lambda kb: kb.patterns_kb.find_one({"name": NAME}, {"_id": 0, "frequency": 1}),
    "find": lambda kb: next(iter(kb.patterns_kb.find({"length": 3}, {"_id": 0, "frequency": 1})), None),
    "sort": lambda kb: next(
        iter(kb.patterns_kb.find({}, {"_id": 0, "frequency": 1}).sort([("frequency", -1)]).limit(1)), None
    ),
    "aggregate": lambda kb: next(
        iter(
            kb.patterns_kb.aggregate(
                [{"$match": {"frequency": {"$gte": 1}}}, {"$project": {"_id": 0, "frequency": 1, "flat": REDUCE}}]
            )
        ),
        None,
    ),
    "count": lambda kb: {"frequency": 1} if kb.patterns_kb.count_documents({}) == 1 else None,
    "estimate": lambda kb: {"frequency": 1} if kb.patterns_kb.estimated_document_count() else None,
    "distinct": lambda kb: (
        {"frequency": kb.patterns_kb.distinct("name").index(NAME) + 1} if kb.patterns_kb.distinct("name") else None
    ),
}


@pytest.mark.parametrize("form", READS)
def test_a_learn_is_seen_by_every_form_of_read(form: str, client: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(client, kb_id)
    assert READS[form](knowledge) is None
    assert knowledge.learn_pattern(PATTERN) is True
    expected = {"frequency": 1, "flat": ["a", "b", "a"]} if form == "aggregate" else {"frequency": 1}
    assert READS[form](knowledge) == expected
    symbol = knowledge.symbols_kb.find_one({"name": "a"}, {"_id": 0})
    assert symbol == {"name": "a", "frequency": 2, "pattern_member_frequency": 1}
    assert knowledge.get_pattern(NAME) == {"name": NAME, "pattern_data": PATTERN, "length": 3, "frequency": 1}
    assert knowledge.get_pattern("0" * 40) is None


def test_the_collections_are_those_of_the_database(client: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(client, kb_id)
    assert knowledge.kb_id == kb_id
    names = ["patterns_kb", "symbols_kb", "metadata", "predictions_kb", "associative_action_kb"]
    assert [getattr(knowledge, name) for name in names] == [client[kb_id][name] for name in names]
    knowledge.learn_pattern(PATTERN)
    assert sorted(client[kb_id].list_collection_names()) == ["metadata", "patterns_kb", "symbols_kb"]
    assert kb_id in client.list_database_names()


def test_what_update_one_learned_is_known_and_the_other_way_round(client: MongoClient, kb_id: str) -> None:
    """The legacy learn is an upsert with $setOnInsert and $inc (MongoDB manual: Upsert)."""
    knowledge = KnowledgeBase(client, kb_id)

    def legacy(pattern: list[list[str]]) -> bool:
        length = sum(map(len, pattern))
        fields = {"pattern_data": pattern, "length": length, "emotives": {}, "metadata": {}}
        result = knowledge.patterns_kb.update_one(
            {"name": name_of(pattern)}, {"$setOnInsert": fields, "$inc": {"frequency": 1}}, upsert=True
        )
        return not result.matched_count

    assert legacy([["x"]]) is True
    assert knowledge.learn_pattern([["x"]], {"joy": 1}, {"k": "v"}) is False
    assert knowledge.learn_pattern([["y"]]) is True
    assert legacy([["y"]]) is False
    found = {each["name"]: each for each in knowledge.patterns_kb.find({}, {"_id": 0})}
    assert found[name_of([["x"]])]["frequency"] == 2
    assert found[name_of([["x"]])]["emotives"] == [{"joy": 1.0}]
    assert found[name_of([["x"]])]["metadata"] == {"k": ["v"]}
    assert found[name_of([["y"]])]["frequency"] == 2
    assert len(found) == 2


@pytest.mark.parametrize("way", ["delete_many", "delete_one", "drop", "forget", "clear", "drop_database"])
@pytest.mark.parametrize("flushed", [False, True])
def test_what_was_deleted_is_stored_again_when_it_is_learned_again(
    way: str, flushed: bool, client: MongoClient, kb_id: str
) -> None:
    knowledge = KnowledgeBase(client, kb_id)
    for _ in range(2):
        assert knowledge.learn_pattern(PATTERN, {"joy": 1}, {"k": "v"}) is True
        assert knowledge.learn_pattern(PATTERN) is False
        if flushed:
            knowledge.flush()
        if way == "delete_many":
            assert knowledge.patterns_kb.delete_many({}).deleted_count == 1
        elif way == "delete_one":
            assert knowledge.patterns_kb.delete_one({"name": NAME}).deleted_count == 1
        elif way == "drop":
            knowledge.patterns_kb.drop()
        elif way == "forget":
            assert knowledge.forget_pattern(NAME) is True
        elif way == "clear":
            knowledge.clear_all_memory()
        else:
            client.drop_database(kb_id)
        assert knowledge.get_pattern(NAME) is None
        assert knowledge.patterns_kb.count_documents({}) == 0
    assert knowledge.learn_pattern(PATTERN) is True
    assert list(knowledge.patterns_kb.find({}, {"_id": 0})) == [
        {"name": NAME, "pattern_data": PATTERN, "length": 3, "frequency": 1}
    ]
    client.flush()
    assert list(knowledge.patterns_kb.find({"length": {"$gt": 0}}, {"_id": 0, "frequency": 1})) == [{"frequency": 1}]


def test_write_through_leaves_no_row_waiting(engines: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(engines, kb_id, write_through=True)
    knowledge.learn_pattern(PATTERN)
    knowledge.learn_patterns([[["x"]], [["y"]]])
    assert knowledge.flush() == 0
    later = KnowledgeBase(engines, kb_id)
    later.learn_pattern([["z"]])
    assert later.flush() == 1


def test_rows_move_when_enough_or_old_ones_wait(
    engines: MongoClient, kb_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kato_compat.kato.knowledge.WAITING", 3)
    knowledge = KnowledgeBase(engines, kb_id)
    for symbol in "abc":
        knowledge.learn_pattern([[symbol]])
    assert knowledge.flush() == 0
    knowledge.learn_pattern([["d"]])
    monkeypatch.setattr("kato_compat.kato.knowledge.SECONDS", 0.0)
    knowledge.learn_pattern([["e"]])
    assert knowledge.flush() == 0


def test_items_before_one_that_is_no_pattern_are_learned(client: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(client, kb_id)
    with pytest.raises(TypeError, match="a symbol must be a str"):
        knowledge.learn_patterns([[["a"]], ([["b"]], {"joy": 1}), [["c", 5]], [["d"]]])
    assert sorted(knowledge.symbols_kb.distinct("name")) == ["a", "b"]

    def broken() -> Iterator[list[list[str]]]:
        yield [["e"]]
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        knowledge.learn_patterns(broken())
    assert sorted(knowledge.symbols_kb.distinct("name")) == ["a", "b", "e"]
    assert knowledge.learn_patterns([]) == 0


def test_arguments_are_checked(client: MongoClient) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        KnowledgeBase(client, "kb", persistence=0)
    with pytest.raises(TypeError, match="persistence"):
        KnowledgeBase(client, "kb", persistence="7")  # type: ignore[arg-type]
    with pytest.raises(InvalidName):
        KnowledgeBase(client, "a.b")


def test_another_mapping_of_the_collections_is_refused(embedded_path: object) -> None:
    other = CollectionSpec(
        "symbols_kb", Keys((("s",),)), "name", {"frequency": Counter(("s",))}, presence=("frequency",)
    )
    assert Catalogue(specs=(other,)).find("symbols_kb") is other
    with (
        MongoClient(f"embedded://{embedded_path}", specs=(other,)) as client,
        pytest.raises(ConfigurationError, match="another one"),
    ):
        KnowledgeBase(client, "kb")


def test_a_unique_index_on_the_name_stays_content(client: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(client, kb_id)
    for _ in range(2):
        knowledge.patterns_kb.create_index([("name", 1)], background=1, unique=1)
        knowledge.symbols_kb.create_index([("name", 1)], unique=True)
    assert [knowledge.learn_pattern(PATTERN), knowledge.learn_pattern(PATTERN)] == [True, False]
    assert knowledge.patterns_kb.count_documents({}) == 1
    with pytest.raises(OperationFailure) as caught:
        knowledge.patterns_kb.insert_one({"name": NAME, "pattern_data": ["a"]})
    assert caught.value.code == 11000


OTHER = """
import sys
from kato_compat import KnowledgeBase, MongoClient
with MongoClient(clickhouse=sys.argv[1], redis=sys.argv[2]) as client:
    knowledge = KnowledgeBase(client, sys.argv[3])
    print(knowledge.patterns_kb.find_one({"name": sys.argv[4]})["frequency"], flush=True)
    print(knowledge.patterns_kb.count_documents({"length": 3}), flush=True)
    print(knowledge.learn_pattern([["a", "b"], ["a"]]), flush=True)
    sys.stdin.readline()
    print(knowledge.symbols_kb.find_one({"name": "a"})["frequency"], flush=True)
"""


def test_another_process_sees_it_at_once(clickhouse_http: ChdbHttp, valkey: ValkeyServer, kb_id: str) -> None:
    with MongoClient(clickhouse=clickhouse_http.url(), redis=valkey.url) as client:
        knowledge = KnowledgeBase(client, kb_id)
        assert knowledge.learn_pattern(PATTERN) is True
        arguments = [sys.executable, "-c", OTHER, clickhouse_http.url(), valkey.url, kb_id, NAME]
        environment = {**os.environ, "PYTHONPATH": str(Path(kato_compat.__file__).parents[1])}
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        try:
            assert [process.stdout.readline() for _ in range(3)] == ["1\n", "1\n", "False\n"]
            found = knowledge.patterns_kb.find_one({"name": NAME}, {"_id": 0, "frequency": 1})
            assert found == {"frequency": 2}
            assert knowledge.learn_pattern(PATTERN) is False
            assert process.communicate("\n")[0] == "6\n"
            assert process.returncode == 0
        finally:
            process.kill()
            process.communicate()
        client.drop_database(kb_id)
