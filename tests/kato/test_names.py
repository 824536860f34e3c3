"""Knowledge bases of any name side by side: what one does never touches a key or a row of another."""

from collections.abc import Iterator
from typing import Any

import pytest
from katomodel import Model, contents, name_of
from redisview import snapshot

from kato_compat import KnowledgeBase, MongoClient
from kato_compat.execute.deployment import EngineDeployment
from kato_compat.ir.requests import Select

NAMES = [
    "a", "ab", "a:b", "a*", "a?", "a[b]", "kato", "kato:session", "it's", "100%", "{x}", "x{", "}x", "a-b", "[a-z]",
    "%s", "é\U0001f600", "{p:String}", "a';DROP-TABLE-patterns_data;--", "patterns_data", "symbol", "a:x",
]  # fmt: skip
SYMBOLS = ["a", "*", "[b]", "it's", "%s", "{p:String}", "é", "x:y", " ", "|"]
PATTERN = [SYMBOLS[:5], SYMBOLS[5:], ["a"]]
#: Keys in the same Redis that belong to something else.
FOREIGN = {b"kato:session:1": "s", b"a": "x", b"a:": "x", b"a:other:key": "x", b"ab:other": "x", b"unrelated": "x"}


@pytest.fixture(params=["counters", "hashes"])
def populated(request: pytest.FixtureRequest, clients: dict[str, MongoClient]) -> Iterator[MongoClient]:
    """A client with all of `NAMES` learned into."""
    client = clients[request.param]
    assert isinstance(client.deployment, EngineDeployment)
    client.deployment.redis.pipeline(tuple(("SET", key, value) for key, value in FOREIGN.items()))
    for name in NAMES:
        knowledge = KnowledgeBase(client, name)
        knowledge.learn_patterns([(PATTERN, {"joy": 1}, {"k": "v"}), [[name]], [["shared"]]])
        knowledge.flush()
        knowledge.learn_pattern(PATTERN)
        knowledge.learn_pattern([["waits"]])
        knowledge.predictions_kb.insert_one({"unique_id": "u", "predictions": [{"name": name}]})
    yield client
    for name in NAMES:
        client.drop_database(name)
    client.deployment.redis.pipeline(tuple(("DEL", key) for key in FOREIGN))


def rows(client: MongoClient) -> dict[str, set[str]]:
    """The names of all rows by knowledge base."""
    assert isinstance(client.deployment, EngineDeployment)
    found: dict[str, set[str]] = {}
    query = Select("SELECT kb_id, name FROM kato.patterns_data")
    for kb_id, name in client.deployment.clickhouse.select(query):
        found.setdefault(kb_id, set()).add(name)
    return found


def owner(key: bytes) -> str | None:
    """The knowledge base that a key is one of: the longest of `NAMES` that it can be, which may have a colon."""
    return max((name for name in NAMES if belongs(key, name)), key=len, default=None)


def belongs(key: bytes, name: str) -> bool:
    """Whether a key is one of the knowledge base `name`, or one of the library's own of it."""
    if key.startswith(b"kato_compat:"):
        return key.startswith(b"kato_compat:{" + escaped(name) + b"/")
    return key.startswith(name.encode() + b":") and key not in FOREIGN


def escaped(name: str) -> bytes:
    """As the library's own keys have it: every byte but letters, digits, _ - and . as %XX."""
    safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
    return b"".join(bytes([byte]) if byte in safe else b"%%%02X" % byte for byte in name.encode())


def test_each_holds_its_own(populated: MongoClient) -> None:
    for name in NAMES:
        model = Model(7)
        for each in ((PATTERN, {"joy": 1}, {"k": "v"}), ([[name]],), ([["shared"]],), (PATTERN,), ([["waits"]],)):
            model.learn(*each)
        assert contents(KnowledgeBase(populated, name)) == model.contents()


@pytest.mark.parametrize("way", ["clear", "drop_database"])
def test_clearing_one_touches_no_other(way: str, populated: MongoClient) -> None:
    assert isinstance(populated.deployment, EngineDeployment)
    store = populated.deployment.redis
    for name in NAMES:
        before, rows_before = snapshot(store), rows(populated)
        if way == "clear":
            KnowledgeBase(populated, name).clear_all_memory()
        else:
            populated.drop_database(name)
        after, rows_after = snapshot(store), rows(populated)
        mine = [key for key in before if owner(key) == name]
        assert len(mine) > 20
        kept: dict[bytes, Any] = {key: value for key, value in before.items() if key not in mine}
        catalogue = b"kato_compat:catalogue"
        listed = {each for each in kept.pop(catalogue)[1] if not each.startswith(escaped(name) + b"/")}
        assert {key: value for key, value in after.items() if key in kept} == kept
        left_listed = after.get(catalogue, (b"set", set()))[1]
        assert {each for each in left_listed if not each.startswith(escaped(name) + b"/")} == listed
        left = {key for key in after if key not in kept and key != catalogue}
        assert {key for key in left if not key.startswith(b"kato_compat:")} == set()
        if way == "drop_database":
            assert left == set()
        rows_before.pop(name)
        assert rows_after == rows_before
        assert contents(KnowledgeBase(populated, name)) == Model(7).contents()
        # As it was, for the next name.
        populated.drop_database(name)
    assert {key: value for key, (_, value) in snapshot(store).items() if key in FOREIGN} == {
        key: value.encode() for key, value in FOREIGN.items()
    }


def test_forgetting_in_one_leaves_the_others(populated: MongoClient) -> None:
    expected = {name: contents(KnowledgeBase(populated, name)) for name in NAMES}
    for name in ("a", "a*", "%s", "kato"):
        assert KnowledgeBase(populated, name).forget_pattern(name_of(PATTERN)) is True
        expected[name] = contents(KnowledgeBase(populated, name))
        assert len(expected[name]["patterns"]) == 3
        assert {each: contents(KnowledgeBase(populated, each)) for each in NAMES} == expected
