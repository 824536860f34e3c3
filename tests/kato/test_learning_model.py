"""Learning against a plain model: sequences of learns, forgets and clears, on every store."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from katomodel import Model, contents, name_of

from kato_compat import KnowledgeBase, MongoClient

PERSISTENCE = 3
SYMBOLS = st.sampled_from(["a", "b", "c", "", ":", "x|y", "é\U0001f600", "it's", "%{}[]*", "a\0b", '"\\'])
PATTERNS = st.lists(st.lists(SYMBOLS, max_size=3), min_size=1, max_size=2).filter(lambda each: any(each))
# Sums of quarters are exact whatever the order.
NUMBERS = st.integers(-8, 8).map(lambda each: each / 4)
RECORDS = st.dictionaries(st.sampled_from(["joy", "fear", "é", 'a"b']), NUMBERS, max_size=2)
EMOTIVES = st.one_of(st.none(), RECORDS, st.lists(RECORDS, min_size=1, max_size=2))
TEXTS = st.sampled_from(["v", "w", "", "a/b", 'q"', "\U0001f600", "\\u0041", "\x7f"])
METADATA = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from(["k", "a.b", "é", '"']), st.one_of(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), max_size=2
    ),
)
LESSONS = st.tuples(PATTERNS, EMOTIVES, METADATA)
STEPS = st.one_of(
    st.tuples(st.just("learn"), LESSONS),
    st.tuples(st.just("learn"), LESSONS),
    st.tuples(st.just("many"), st.lists(LESSONS, max_size=5)),
    st.tuples(st.just("forget"), st.integers(0, 3)),
    st.tuples(st.just("flush"), st.none()),
    st.tuples(st.just("clear"), st.none()),
)


def perform(knowledge: Any, model: Model, kind: str, data: Any) -> None:
    """One step on both, and what it answers."""
    if kind == "learn":
        assert knowledge.learn_pattern(*data) is model.learn(*data)
    elif kind == "many":
        expected = sum(model.learn(*each) for each in data)
        assert knowledge.learn_patterns(data) == expected
    elif kind == "forget":
        names = [*model.patterns, "0" * 40]
        name = names[data % len(names)]
        assert knowledge.forget_pattern(name) is model.forget(name)
    elif kind == "flush":
        knowledge.flush()
    else:
        model.clear()
        knowledge.clear_all_memory()


@pytest.mark.parametrize("store", ["memory", "counters", "hashes"])
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, max_size=12))
def test_every_sequence_comes_to_what_the_model_says(
    steps: list[tuple[str, Any]],
    store: str,
    clients: dict[str, MongoClient],
    fresh_name: Callable[[], str],
) -> None:
    client = clients[store]
    knowledge = KnowledgeBase(client, fresh_name(), PERSISTENCE)
    model = Model(PERSISTENCE)
    for step in steps:
        perform(knowledge, model, *step)
    assert contents(knowledge) == model.contents()
    client.drop_database(knowledge.kb_id)


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    lessons=st.lists(
        st.tuples(PATTERNS, st.dictionaries(st.sampled_from("xyz"), st.floats(-1e9, 1e9, allow_nan=False), max_size=3)),
        max_size=8,
    )
)
def test_any_floats_sum_the_same_on_every_store(
    lessons: list[tuple[Any, Any]], clients: dict[str, MongoClient], fresh_name: Callable[[], str]
) -> None:
    name = fresh_name()
    found = []
    for client in clients.values():
        knowledge = KnowledgeBase(client, name)
        knowledge.learn_patterns(lessons)
        found.append(contents(knowledge))
        client.drop_database(name)
    assert found[0] == found[1] == found[2]


def test_one_by_one_and_in_bulk_come_to_the_same(client: MongoClient, fresh_name: Callable[[], str]) -> None:
    lessons = [
        ([[f"s{number % 7}", f"s{number % 3}"], [f"s{number % 5}"]], {"joy": 0.5}, {"k": str(number % 4)})
        for number in range(600)
    ]
    single, bulk = KnowledgeBase(client, fresh_name()), KnowledgeBase(client, fresh_name())
    new = sum(single.learn_pattern(*each) for each in lessons)
    assert bulk.learn_patterns(iter(lessons)) == new == 105
    assert contents(single) == contents(bulk)
    assert single.get_pattern(name_of(lessons[0][0])) == bulk.patterns_kb.find_one(
        {"name": name_of(lessons[0][0])}, {"_id": 0}
    )
    for knowledge in (single, bulk):
        client.drop_database(knowledge.kb_id)
        assert contents(knowledge) == Model(7).contents()
