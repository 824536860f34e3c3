"""Learning where a document lives on the document side of its collection, because its mapping cannot hold it."""

from typing import Any

import pytest
from katomodel import contents, name_of
from pymongo.errors import OperationFailure
from redisview import snapshot

from kato_compat import KnowledgeBase, MongoClient, RedisWriter
from kato_compat.execute.deployment import EngineDeployment

PATTERN = [["a", "b"], ["a"]]
NAME = name_of(PATTERN)


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize(
    "document",
    [
        {"name": NAME, "pattern_data": ["a", "b", "a"], "length": 3, "frequency": 4},
        {"_id": 5, "name": NAME, "pattern_data": PATTERN, "length": 3, "frequency": 4, "note": "x"},
        {"name": NAME, "pattern_data": PATTERN, "length": 3, "frequency": 4.0, "emotives": {}, "metadata": {}},
    ],
)
def test_a_pattern_beside_is_known(document: dict[str, Any], unique: bool, client: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(client, kb_id)
    if unique:
        knowledge.patterns_kb.create_index("name", unique=True)
    knowledge.patterns_kb.insert_one(dict(document))
    assert knowledge.learn_pattern(PATTERN, {"joy": 1}, {"k": "v"}) is False
    assert knowledge.learn_patterns([(PATTERN, {"joy": 2}), [["a"]]]) == 1
    kept = {key: value for key, value in document.items() if key != "_id"}
    assert knowledge.get_pattern(NAME) == kept | {
        "frequency": 6,
        "emotives": [{"joy": 1.0}, {"joy": 2.0}],
        "metadata": {"k": ["v"]},
    }
    assert knowledge.patterns_kb.count_documents({"name": NAME}) == 1
    assert knowledge.symbols_kb.find_one({"name": "a"}, {"_id": 0}) == {
        "name": "a",
        "frequency": 5,
        "pattern_member_frequency": 1,
        "emotives": {"joy": 3.0},
    }
    totals = knowledge.metadata.find_one({"class": "totals"}, {"_id": 0, "class": 0})
    assert totals == {
        "total_pattern_frequencies": 3,
        "total_symbol_frequencies": 7,
        "total_symbols_in_patterns_frequencies": 1,
        "total_unique_patterns": 1,
    }
    assert knowledge.forget_pattern(NAME) is True
    assert knowledge.get_pattern(NAME) is None
    assert knowledge.learn_pattern(PATTERN) is True


def test_a_symbol_beside_is_counted_there(client: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(client, kb_id)
    knowledge.learn_pattern(PATTERN, {"joy": 1})
    knowledge.symbols_kb.update_one({"name": "a"}, {"$set": {"note": {"x": 1}}})
    assert knowledge.learn_pattern(PATTERN, {"joy": 0.5}) is False
    assert knowledge.learn_pattern([["a"]]) is True
    assert RedisWriter(client).increment_symbol_frequency(kb_id, "a") == 6
    found = contents(knowledge)
    assert found["symbols"]["a"] == {
        "name": "a",
        "frequency": 6,
        "pattern_member_frequency": 2,
        "emotives": {"joy": 1.5},
        "note": {"x": 1},
    }
    assert found["symbols"]["b"]["frequency"] == 2
    assert RedisWriter(client).get_symbol_stats(kb_id, "a") == {
        "name": "a",
        "frequency": 6,
        "pattern_member_frequency": 2,
    }
    assert knowledge.forget_pattern(NAME) is True
    assert contents(knowledge)["symbols"] == {
        "a": {"name": "a", "frequency": 2, "pattern_member_frequency": 1, "note": {"x": 1}}
    }


def test_a_field_beside_that_cannot_be_counted_fails_before_anything_is(engines: MongoClient, kb_id: str) -> None:
    assert isinstance(engines.deployment, EngineDeployment)
    knowledge = KnowledgeBase(engines, kb_id)
    knowledge.patterns_kb.insert_one({"name": NAME, "pattern_data": ["a"], "frequency": "many"})
    knowledge.symbols_kb.insert_one({"name": "z", "frequency": "many"})
    assert knowledge.symbols_kb.count_documents({}) == 1
    before = snapshot(engines.deployment.redis)
    for pattern in (PATTERN, [["z", "new"]]):
        with pytest.raises(OperationFailure) as caught:
            knowledge.learn_pattern(pattern)
        assert caught.value.code == 14
    assert snapshot(engines.deployment.redis) == before


def test_a_document_that_comes_beside_while_learning_is_found(engines: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(engines, kb_id)
    for number in range(5):
        pattern = [["a", str(number)]]
        assert knowledge.learn_pattern([["first", str(number)]]) is True
        knowledge.patterns_kb.insert_one({"name": name_of(pattern), "pattern_data": "flat", "frequency": 1})
        assert knowledge.learn_pattern(pattern) is False
        assert knowledge.patterns_kb.count_documents({}) == 2 * (number + 1)
        found = knowledge.get_pattern(name_of(pattern))
        assert found == {"name": name_of(pattern), "pattern_data": "flat", "frequency": 2}


@pytest.mark.parametrize("beside", [{}, {"note": "x"}, {"_id": 5}])
def test_a_symbol_that_nothing_is_left_of_goes(beside: dict[str, Any], client: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(client, kb_id)
    knowledge.symbols_kb.insert_one({"name": "a", "frequency": 1, "pattern_member_frequency": 1, **beside})
    knowledge.patterns_kb.insert_one({"name": NAME, "pattern_data": PATTERN, "length": 3, "frequency": 2})
    assert knowledge.forget_pattern(NAME) is True
    assert list(knowledge.symbols_kb.find()) == []


def test_learning_in_memory_sees_what_others_removed_after_a_lesson_that_changed_nothing() -> None:
    with MongoClient("memory://") as client:
        knowledge = KnowledgeBase(client, "kb")
        knowledge.learn_pattern(PATTERN)
        knowledge.symbols_kb.delete_many({})
        assert knowledge.forget_pattern("no such name") is False
        knowledge.patterns_kb.delete_many({})
        assert knowledge.learn_pattern(PATTERN) is True
        assert knowledge.symbols_kb.count_documents({}) == 2


def test_a_symbol_that_cannot_be_counted_down_keeps_the_pattern(client: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(client, kb_id)
    knowledge.learn_pattern(PATTERN)
    knowledge.symbols_kb.update_one({"name": "b"}, {"$set": {"frequency": None}})
    before = contents(knowledge)
    with pytest.raises(OperationFailure) as error:
        knowledge.forget_pattern(NAME)
    assert error.value.code == 14
    assert contents(knowledge) == before
