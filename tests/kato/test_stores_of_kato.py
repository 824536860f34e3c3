"""Stores written by KATO itself are read as they stand, and learned into: raw keys, raw rows, both layouts."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from katomodel import contents, name_of

from kato_compat import KnowledgeBase, MongoClient
from kato_compat.execute.deployment import EngineDeployment
from kato_compat.ir.requests import Command, InsertRows, Select
from kato_compat.mapping.spec import PATTERNS_TABLE

ONE, TWO, THREE = [["a", "b"], ["a"]], [["b"]], [["c", "d"]]


def engines_of(client: MongoClient) -> EngineDeployment:
    """The engines of a client."""
    assert isinstance(client.deployment, EngineDeployment)
    return client.deployment


def write(client: MongoClient, kb_id: str) -> None:
    """What KATO would have written: ONE learned three times, TWO once, THREE twice; rows of ONE twice in the table."""
    engines = engines_of(client)
    hashes = engines.catalogue.layout == "hashes"
    symbols = {"a": (6, 1), "b": (4, 2), "c": (2, 1), "d": (2, 1)}
    commands: list[Command] = [
        ("SET", f"{kb_id}:frequency:{name_of(ONE)}", 3),
        ("SET", f"{kb_id}:frequency:{name_of(TWO)}", 1),
        ("SET", f"{kb_id}:frequency:{name_of(THREE)}", 2),
        ("SET", f"{kb_id}:emotives:{name_of(ONE)}", json.dumps([{"joy": 0.5}, {"joy": 1, "fear": 0.25}])),
        ("SET", f"{kb_id}:emotives:{name_of(TWO)}", json.dumps({"joy": [1.0, 2.0], "fear": [3.0]})),
        ("HSET", f"{kb_id}:emotives:{name_of(THREE)}", "joy", "[0.5, 1.0]", "fear", "2.5"),
        ("SET", f"{kb_id}:metadata:{name_of(ONE)}", json.dumps({"source": ["é"], "one": "x"})),
        ("HSET", f"{kb_id}:metadata:{name_of(THREE)}", "source", '["y"]'),
        ("SET", f"{kb_id}:global:total_pattern_frequencies", 6),
        ("SET", f"{kb_id}:global:total_symbols_in_patterns_frequencies", 14),
        ("SET", f"{kb_id}:global:total_unique_patterns", 3),
        ("HSET", f"{kb_id}:affinity:a", "joy", "1.5", "fear", "0.25"),
    ]
    for symbol, (frequency, membership) in symbols.items():
        if hashes:
            commands.append(("HSET", f"{kb_id}:symbols:freq", symbol, frequency))
            commands.append(("HSET", f"{kb_id}:symbols:pmf", symbol, membership))
        else:
            commands.append(("SET", f"{kb_id}:symbol:freq:{symbol}", frequency))
            commands.append(("SET", f"{kb_id}:symbol:pmf:{symbol}", membership))
    for pattern in (ONE, TWO, THREE):
        commands.extend(
            ("SADD", f"{kb_id}:symbol_to_patterns:{symbol}", name_of(pattern))
            for symbol in {symbol for event in pattern for symbol in event}
        )
    engines.redis.pipeline(tuple(commands))
    run_prepare(engines)
    columns = ("kb_id", "name", "pattern_data", "length", "token_set", "token_count", "first_token", "last_token")
    rows = []
    for pattern in (ONE, TWO, THREE, ONE):
        tokens = [symbol for event in pattern for symbol in event]
        distinct = sorted(set(tokens))
        rows.append((kb_id, name_of(pattern), pattern, len(tokens), distinct, len(distinct), tokens[0], tokens[-1]))
    engines.clickhouse.insert_rows(InsertRows("kato", "patterns_data", columns, rows, f"{kb_id}:rows"))


def run_prepare(engines: EngineDeployment) -> None:
    """Make the table, as KATO's own start does."""
    assert "CREATE TABLE IF NOT EXISTS patterns_data" in PATTERNS_TABLE
    from kato_compat.mapping.spec import PATTERNS, Table

    assert isinstance(PATTERNS.source, Table)
    engines.run(engines.warehouse.prepare(PATTERNS.source))


def expected() -> dict[str, Any]:
    """The documents of what `write` wrote."""
    return {
        "patterns": {
            name_of(ONE): {
                "name": name_of(ONE),
                "pattern_data": ONE,
                "length": 3,
                "frequency": 3,
                "emotives": [{"joy": 0.5}, {"joy": 1, "fear": 0.25}],
                "metadata": {"source": ["é"], "one": "x"},
            },
            name_of(TWO): {
                "name": name_of(TWO),
                "pattern_data": TWO,
                "length": 1,
                "frequency": 1,
                "emotives": {"joy": [1.0, 2.0], "fear": [3.0]},
            },
            name_of(THREE): {
                "name": name_of(THREE),
                "pattern_data": THREE,
                "length": 2,
                "frequency": 2,
                "emotives": {"joy": [0.5, 1.0], "fear": 2.5},
                "metadata": {"source": ["y"]},
            },
        },
        "symbols": {
            "a": {
                "name": "a",
                "frequency": 6,
                "pattern_member_frequency": 1,
                "emotives": {"fear": 0.25, "joy": 1.5},
            },
            "b": {"name": "b", "frequency": 4, "pattern_member_frequency": 2},
            "c": {"name": "c", "frequency": 2, "pattern_member_frequency": 1},
            "d": {"name": "d", "frequency": 2, "pattern_member_frequency": 1},
        },
        "totals": {
            "class": "totals",
            "total_pattern_frequencies": 6,
            "total_symbols_in_patterns_frequencies": 14,
            "total_unique_patterns": 3,
        },
    }


def test_they_are_read_as_they_stand(engines: MongoClient, kb_id: str) -> None:
    write(engines, kb_id)
    assert contents(KnowledgeBase(engines, kb_id)) == expected()


def test_a_duplicate_row_is_one_document(engines: MongoClient, kb_id: str) -> None:
    write(engines, kb_id)
    query = Select("SELECT count() FROM kato.patterns_data WHERE kb_id = {k:String}", {"k": kb_id})
    assert engines_of(engines).clickhouse.select(query) == [(4,)]
    patterns = engines[kb_id]["patterns_kb"]
    assert patterns.count_documents({"length": 3}) == 1
    assert [each["name"] for each in patterns.find({"length": {"$gte": 3}})] == [name_of(ONE)]
    groups = list(patterns.aggregate([{"$group": {"_id": None, "n": {"$sum": 1}, "f": {"$sum": "$frequency"}}}]))
    assert groups == [{"_id": None, "n": 3, "f": 6}]
    assert KnowledgeBase(engines, kb_id).forget_pattern(name_of(ONE)) is True
    assert patterns.count_documents({}) == 2
    assert engines_of(engines).clickhouse.select(query) == [(2,)]


def test_learning_goes_on_where_kato_stopped(engines: MongoClient, kb_id: str) -> None:
    write(engines, kb_id)
    knowledge = KnowledgeBase(engines, kb_id, persistence=3)
    lessons: list[Any] = [
        (ONE, {"joy": 2}, {"source": ["é", "z"], "one": ["x", "y"], "more": "m"}),
        (TWO, {"joy": 4}, {"source": "k"}),
        (THREE, {"fear": 1}, {"source": ["y", "z"]}),
        ([["e", "a"]],),
    ]
    assert [knowledge.learn_pattern(*each) for each in lessons] == [False, False, False, True]
    found = contents(knowledge)
    one, two, three = (found["patterns"][name_of(each)] for each in (ONE, TWO, THREE))
    assert one["emotives"] == [{"joy": 0.5}, {"joy": 1, "fear": 0.25}, {"joy": 2.0}]
    assert type(one["emotives"][1]["joy"]) is int
    assert one["metadata"] == {"source": ["é", "z"], "one": ["x", "y"], "more": ["m"]}
    assert two["emotives"] == [{"joy": 1.0}, {"joy": 2.0, "fear": 3.0}, {"joy": 4.0}]
    assert two["metadata"] == {"source": ["k"]}
    assert three["emotives"] == [{"joy": 0.5}, {"joy": 1.0, "fear": 2.5}, {"fear": 1.0}]
    assert three["metadata"] == {"source": ["y", "z"]}
    assert [each["frequency"] for each in (one, two, three)] == [4, 2, 3]
    assert found["symbols"]["a"] == {
        "name": "a",
        "frequency": 9,
        "pattern_member_frequency": 2,
        "emotives": {"fear": 0.25, "joy": 3.5},
    }
    assert found["symbols"]["e"] == {"name": "e", "frequency": 1, "pattern_member_frequency": 1}
    assert found["totals"] == {
        "class": "totals",
        "total_pattern_frequencies": 10,
        "total_symbol_frequencies": 8,
        "total_symbols_in_patterns_frequencies": 16,
        "total_unique_patterns": 4,
    }
    assert len(found["patterns"]) == 4


def test_a_window_with_spaces_and_strings_is_split_where_json_splits(engines: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(engines, kb_id, persistence=3)
    stored = ' [ {"a,]\\"}" : 1e3 } ,\n{ "b" : [1, {"c": "]"}], "d\\\\" : -0.5 } , {} ] '
    engines_of(engines).redis.pipeline((("SET", f"{kb_id}:emotives:{name_of(TWO)}", stored),))
    knowledge.learn_pattern(TWO, {"joy": 1})
    assert knowledge.get_pattern(name_of(TWO)) == {
        "name": name_of(TWO),
        "pattern_data": TWO,
        "length": 1,
        "frequency": 1,
        "emotives": [{"b": [1, {"c": "]"}], "d\\": -0.5}, {}, {"joy": 1.0}],
    }
    stored = ' { "k\\u00e9" : [ "a\\u0062" , "\\ud83d\\ude00", 5 ], "n" : { "x" : [1, 2] } , "e" : [ ] } '
    engines_of(engines).redis.pipeline((("SET", f"{kb_id}:metadata:{name_of(TWO)}", stored),))
    knowledge.learn_pattern(TWO, None, {"ké": ["ab", "\U0001f600", "5", "/"], "e": "f"})
    found = knowledge.get_pattern(name_of(TWO))
    assert found is not None
    assert found["metadata"] == {"ké": ["ab", "\U0001f600", 5, "5", "/"], "n": [{"x": [1, 2]}], "e": ["f"]}


def scans(client: MongoClient) -> int:
    """How many SCANs the Redis has made."""
    (text,) = engines_of(client).redis.pipeline((("INFO", "commandstats"),))
    lines = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    stats = lines.get("cmdstat_scan", "calls=0")
    return int(stats.split(",")[0].removeprefix("calls="))


def test_only_data_of_others_cost_a_scan(
    clients: dict[str, MongoClient], embedded_path: Path, kb_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = clients["counters"]
    before = scans(client)
    knowledge = KnowledgeBase(client, kb_id)
    for _ in range(3):
        assert knowledge.learn_pattern(ONE) is True
        assert knowledge.symbols_kb.count_documents({}) == 2
        client.drop_database(kb_id)
    assert knowledge.symbols_kb.count_documents({}) == 0
    assert scans(client) == before
    write(client, kb_id)
    client.drop_database("nothing-there")
    engines_of(client).redis.pipeline(
        (("DEL", f"kato_compat:{{{kb_id}/symbols_kb}}:meta", f"kato_compat:{{{kb_id}/symbols_kb}}:index"),)
    )
    with MongoClient(f"embedded://{embedded_path}") as later, caplog.at_level(logging.INFO, "kato_compat"):
        assert later[kb_id]["symbols_kb"].count_documents({}) == 4
        assert scans(client) > before
        assert "from 4 existing keys" in caplog.text
        once = scans(client)
        assert later[kb_id]["symbols_kb"].count_documents({}) == 4
        assert KnowledgeBase(later, kb_id).learn_pattern([["new"]]) is True
        assert later[kb_id]["symbols_kb"].count_documents({}) == 5
        assert scans(client) == once
