"""A step that fails leaves everything as it was, in both layouts (Redis manual: scripts are not rolled back)."""

from collections.abc import Callable

import pytest
from katomodel import contents, name_of
from pymongo.errors import OperationFailure
from redisview import snapshot

from kato_compat import KnowledgeBase, MongoClient
from kato_compat.execute.deployment import EngineDeployment
from kato_compat.ir.requests import Command
from kato_compat.stores.redis import RedisStore

KNOWN, NEW = [["a", "b"], ["a"]], [["b", "c", "d"]]
WRONG_HASH: Callable[[str], Command] = lambda key: ("HSET", key, "x", "1")  # noqa: E731
TEXT: Callable[[str], Command] = lambda key: ("SET", key, "many")  # noqa: E731
HUGE: Callable[[str], Command] = lambda key: ("SET", key, "9223372036854775807")  # noqa: E731

#: What is put where, and what the error says (code, a word of the message).
FAULTS = {
    "frequency of the known": (f"frequency:{name_of(KNOWN)}", WRONG_HASH, 14, "WRONGTYPE"),
    "frequency of the known is text": (f"frequency:{name_of(KNOWN)}", TEXT, 8, "integer"),
    "frequency of the new": (f"frequency:{name_of(NEW)}", WRONG_HASH, 14, "WRONGTYPE"),
    "pattern total": ("global:total_pattern_frequencies", TEXT, 8, "integer"),
    "pattern total of another type": ("global:total_pattern_frequencies", WRONG_HASH, 14, "WRONGTYPE"),
    "symbol total overflows": ("global:total_symbol_frequencies", HUGE, 8, "overflow"),
    "unique total": ("global:total_unique_patterns", TEXT, 8, "integer"),
    "members total": ("global:total_symbols_in_patterns_frequencies", WRONG_HASH, 14, "WRONGTYPE"),
    "inverted index": ("symbol_to_patterns:d", TEXT, 14, "WRONGTYPE"),
    "affinity": ("affinity:d", TEXT, 14, "WRONGTYPE"),
    "affinity of a symbol that others share": ("affinity:b", TEXT, 14, "WRONGTYPE"),
    "window of another type": (f"emotives:{name_of(NEW)}", lambda key: ("SADD", key, "x"), 14, "WRONGTYPE"),
    "window that is no JSON": (f"emotives:{name_of(NEW)}", TEXT, 8, "JSON"),
    "window that is a number": (f"emotives:{name_of(NEW)}", lambda key: ("SET", key, "5"), 8, "neither"),
    "metadata that are no JSON": (f"metadata:{name_of(NEW)}", lambda key: ("SET", key, '{"a":'), 8, "JSON"),
    "metadata that are a list": (f"metadata:{name_of(NEW)}", lambda key: ("SET", key, "[1]"), 8, "list"),
    "metadata hash without JSON": (f"metadata:{name_of(NEW)}", lambda key: ("HSET", key, "k", "v"), 8, "JSON"),
}
COUNTERS = {
    "symbol frequency": ("symbol:freq:d", WRONG_HASH, 14, "WRONGTYPE"),
    "symbol frequency is text": ("symbol:freq:c", TEXT, 8, "integer"),
    "symbol frequency with a leading zero": ("symbol:freq:c", lambda key: ("SET", key, "007"), 8, "integer"),
    "symbol frequency overflows": ("symbol:freq:b", HUGE, 8, "overflow"),
    "symbol membership": ("symbol:pmf:d", WRONG_HASH, 14, "WRONGTYPE"),
    "symbol membership is a fraction": ("symbol:pmf:c", lambda key: ("SET", key, "1.5"), 8, "integer"),
}
HASHES = {
    "symbol frequencies": ("symbols:freq", lambda key: ("HSET", key, "d", "many"), 8, "integer"),
    "symbol frequencies overflow": ("symbols:freq", lambda key: ("HSET", key, "b", str(2**63 - 1)), 8, "overflow"),
    "symbol memberships": ("symbols:pmf", lambda key: ("HSET", key, "d", "1.5"), 8, "integer"),
}
CASES = [
    (layout, *case)
    for layout, cases in (("counters", FAULTS | COUNTERS), ("hashes", FAULTS | HASHES))
    for case in cases.items()
]


def store_of(client: MongoClient) -> RedisStore:
    """The Redis of a client with engines."""
    assert isinstance(client.deployment, EngineDeployment)
    return client.deployment.redis


@pytest.mark.parametrize(("layout", "what", "fault"), CASES, ids=[f"{case[0]}: {case[1]}" for case in CASES])
def test_nothing_is_counted_where_anything_fails(
    layout: str,
    what: str,
    fault: tuple[str, Callable[[str], Command], int, str],
    clients: dict[str, MongoClient],
    kb_id: str,
) -> None:
    client = clients[layout]
    store = store_of(client)
    knowledge = KnowledgeBase(client, kb_id)
    knowledge.learn_pattern(KNOWN, {"joy": 0.1}, {"k": ["v"]})
    knowledge.learn_pattern([["c"]], {"fear": 2})
    key, spoil, code, word = fault
    if layout == "counters" or not key.startswith("symbols:"):
        store.pipeline((("DEL", f"{kb_id}:{key}"),))
    store.pipeline((spoil(f"{kb_id}:{key}"),))
    before = snapshot(store)
    block = [(KNOWN, {"joy": 1}, {"k": ["w"]}), (NEW, {"joy": 0.5, "anger": 1}, {"k": ["v"]}), (KNOWN,), (NEW,)]
    with pytest.raises(OperationFailure) as caught:
        knowledge.learn_patterns(block)
    assert (caught.value.code, word in str(caught.value)) == (code, True)
    assert snapshot(store) == before
    refused = 0
    for pattern in (KNOWN, NEW):
        before = snapshot(store)
        try:
            knowledge.learn_pattern(pattern, {"joy": 1}, {"k": ["w"]})
        except OperationFailure:
            refused += 1
            assert snapshot(store) == before
    assert refused > 0
    store.pipeline((("DEL", f"{kb_id}:{key}"),))


def test_an_affinity_that_would_not_be_finite_fails(engines: MongoClient, kb_id: str) -> None:
    store = store_of(engines)
    knowledge = KnowledgeBase(engines, kb_id)
    knowledge.learn_pattern([["a"]], {"joy": 1.5e308})
    before = snapshot(store)
    with pytest.raises(OperationFailure, match="finite"):
        knowledge.learn_pattern([["a", "b"]], {"joy": 1.5e308})
    store.pipeline((("HSET", f"{kb_id}:affinity:a", "joy", "much"),))
    before = snapshot(store)
    with pytest.raises(OperationFailure, match="number"):
        knowledge.learn_pattern([["a", "b"]], {"joy": 1})
    assert snapshot(store) == before


@pytest.mark.parametrize("key", ["symbol_to_patterns:b", "affinity:a", "global:total_unique_patterns"])
def test_a_forget_that_fails_leaves_everything_too(key: str, engines: MongoClient, kb_id: str) -> None:
    store = store_of(engines)
    knowledge = KnowledgeBase(engines, kb_id)
    knowledge.learn_patterns([(KNOWN, {"joy": 1}), (NEW, {"joy": 2}), (KNOWN,), ([["a"]],)])
    store.pipeline((("DEL", f"{kb_id}:{key}"), ("SET", f"{kb_id}:{key}", "no number")))
    before = snapshot(store)
    with pytest.raises(OperationFailure):
        knowledge.forget_pattern(name_of(KNOWN))
    assert snapshot(store) == before


def test_a_counter_of_zero_is_still_zero_after_a_failure(clients: dict[str, MongoClient], kb_id: str) -> None:
    store = store_of(clients["counters"])
    zeros = [("SET", f"{kb_id}:symbol:{part}:{symbol}", "0") for part in ("freq", "pmf") for symbol in "ab"]
    store.pipeline((*zeros, ("SET", f"{kb_id}:symbol_to_patterns:z", "x")))
    knowledge = KnowledgeBase(clients["counters"], kb_id)
    knowledge.symbols_kb.count_documents({})
    before = snapshot(store)
    with pytest.raises(OperationFailure, match="WRONGTYPE"):
        knowledge.learn_pattern([["a", "b", "z"]])
    assert snapshot(store) == before


def test_counters_beyond_the_doubles_stay_exact(engines: MongoClient, kb_id: str) -> None:
    store = store_of(engines)
    large = 2**62 + 1
    if engines.deployment.catalogue.layout == "counters":
        store.pipeline((("SET", f"{kb_id}:symbol:freq:a", large), ("SET", f"{kb_id}:symbol:pmf:a", large)))
    else:
        store.pipeline((("HSET", f"{kb_id}:symbols:freq", "a", large), ("HSET", f"{kb_id}:symbols:pmf", "a", large)))
    store.pipeline((("SET", f"{kb_id}:global:total_pattern_frequencies", large),))
    knowledge = KnowledgeBase(engines, kb_id)
    knowledge.learn_pattern([["a", "a"]])
    found = contents(knowledge)
    assert found["symbols"]["a"] == {"name": "a", "frequency": large + 2, "pattern_member_frequency": large + 1}
    assert found["totals"]["total_pattern_frequencies"] == large + 1
