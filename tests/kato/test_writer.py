"""`RedisWriter`: the four statistics methods."""

import inspect

import pytest
from pymongo.errors import OperationFailure

from kato_compat import KnowledgeBase, MongoClient, RedisWriter
from kato_compat.execute.deployment import EngineDeployment


def test_the_signatures_are_those_of_the_storage_layer() -> None:
    found = {
        name: list(inspect.signature(getattr(RedisWriter, name)).parameters)[1:]
        for name in (
            "increment_symbol_frequency",
            "increment_pattern_member_frequency",
            "get_symbol_stats",
            "get_all_symbols_batch",
        )
    }
    assert found == {
        "increment_symbol_frequency": ["kb_id", "symbol"],
        "increment_pattern_member_frequency": ["kb_id", "symbol"],
        "get_symbol_stats": ["kb_id", "symbol"],
        "get_all_symbols_batch": ["kb_id", "symbols"],
    }


def test_counting_by_hand_is_seen_in_the_collection(client: MongoClient, kb_id: str) -> None:
    writer = RedisWriter(client)
    assert [writer.increment_symbol_frequency(kb_id, "a:|") for _ in range(3)] == [1, 2, 3]
    assert writer.increment_pattern_member_frequency(kb_id, "b") == 1
    symbols = client[kb_id]["symbols_kb"]
    assert symbols.find_one({"name": "a:|"}, {"_id": 0}) == {"name": "a:|", "frequency": 3}
    assert sorted(symbols.distinct("name")) == ["a:|", "b"]
    assert symbols.count_documents({}) == 2
    assert writer.get_symbol_stats(kb_id, "a:|") == {"name": "a:|", "frequency": 3, "pattern_member_frequency": 0}
    assert writer.get_symbol_stats(kb_id, "b") == {"name": "b", "frequency": 0, "pattern_member_frequency": 1}


def test_learning_and_counting_share_the_counters(client: MongoClient, kb_id: str) -> None:
    writer, knowledge = RedisWriter(client), KnowledgeBase(client, kb_id)
    knowledge.learn_pattern([["a", "a"]])
    assert writer.increment_symbol_frequency(kb_id, "a") == 3
    assert writer.increment_pattern_member_frequency(kb_id, "a") == 2
    knowledge.learn_pattern([["a", "a"]])
    assert writer.get_symbol_stats(kb_id, "a") == {"name": "a", "frequency": 5, "pattern_member_frequency": 2}


def test_an_unknown_symbol_is_empty_and_a_zero_is_a_zero(client: MongoClient, kb_id: str) -> None:
    writer = RedisWriter(client)
    assert writer.get_symbol_stats(kb_id, "a") == {}
    client[kb_id]["symbols_kb"].insert_one({"name": "z", "frequency": 0, "pattern_member_frequency": 0})
    zero = {"name": "z", "frequency": 0, "pattern_member_frequency": 0}
    assert writer.get_symbol_stats(kb_id, "z") == zero
    assert writer.get_all_symbols_batch(kb_id, ["b", "z", "c", "z"]) == [{}, zero, {}, zero]
    assert writer.get_all_symbols_batch(kb_id, []) == []


def test_a_batch_has_the_order_of_the_question(client: MongoClient, kb_id: str) -> None:
    writer = RedisWriter(client)
    names = [f"s{number}" for number in range(2500)]
    KnowledgeBase(client, kb_id).learn_patterns([names[start : start + 50]] for start in range(0, 2500, 50))
    asked = [*names[::-1], "unknown"]
    found = writer.get_all_symbols_batch(kb_id, tuple(asked))
    assert [each.get("name") for each in found] == [*names[::-1], None]
    assert {each["frequency"] for each in found[:-1]} == {1}


def test_errors_are_not_zeros(engines: MongoClient, kb_id: str) -> None:
    assert isinstance(engines.deployment, EngineDeployment)
    writer = RedisWriter(engines)
    writer.increment_symbol_frequency(kb_id, "a")
    key = f"{kb_id}:symbol:freq:a" if engines.deployment.catalogue.layout == "counters" else f"{kb_id}:symbols:freq"
    engines.deployment.redis.pipeline((("DEL", key), ("LPUSH", key, "x")))
    with pytest.raises(OperationFailure, match="WRONGTYPE"):
        writer.increment_symbol_frequency(kb_id, "a")
    with pytest.raises(TypeError):
        writer.get_all_symbols_batch(kb_id, "abc")
    with pytest.raises(TypeError):
        writer.increment_symbol_frequency(kb_id, 5)  # type: ignore[arg-type]
    engines.deployment.redis.pipeline((("DEL", key),))
