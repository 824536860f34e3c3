"""Blocks of increments that Redis makes itself: what they leave, how many round trips they take, and many at once."""

import threading
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import InsertOne, UpdateMany, UpdateOne
from twins import BOTH, INT32, NONE, RAWS, Pair, counted, place, same, send

from kato_compat.mapping.keys import own

# many updates

_KEYS: Final = ("a", "b", "c\u00e9")
_AMOUNTS: Final = st.sampled_from([1, 1, 2, 0, -1, INT32 - 1, -INT32])
_CHANGES: Final = st.one_of(
    st.just(BOTH),
    st.builds(lambda by: {"$inc": {"frequency": by}}, _AMOUNTS),
    st.builds(
        lambda one, two: {"$inc": {"frequency": one}, "$setOnInsert": {"pattern_member_frequency": two}},
        _AMOUNTS,
        _AMOUNTS,
    ),
    st.sampled_from(
        [
            {"$inc": {"frequency": 1.5}},
            {"$inc": {"name": 1}},
            {"$set": {"pattern_member_frequency": 3}},
            {"$inc": {"frequency": 1}, "$setOnInsert": {"frequency": 1}},
        ]
    ),
)
_REQUESTS: Final = st.builds(
    lambda kind, key, change, upsert: kind({"name": key}, change, upsert=upsert),
    st.sampled_from([UpdateOne, UpdateOne, UpdateMany]),
    st.sampled_from(_KEYS),
    _CHANGES,
    st.booleans(),
)
_VALUES: Final = st.sampled_from((*RAWS[:15], "+3", "007", "x"))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(_REQUESTS, min_size=1, max_size=25),
    st.lists(st.tuples(st.sampled_from(["freq", "pmf"]), st.sampled_from(_KEYS), _VALUES), max_size=3),
    st.booleans(),
    st.sampled_from([None, None, {"_id": 1, "name": "a"}]),
)
def test_blocks_of_any_updates(
    pair: Pair, fresh_name: Any, requests: list[Any], raws: list[Any], ordered: bool, beside: Any
) -> None:
    twins = pair.open(fresh_name())
    for each in twins:
        for part, key, raw in raws:
            if raw is not None:
                place(each, part, key, raw)
        if beside is not None and "x" not in [raw for *_, raw in raws]:
            each.insert_one(dict(beside))
    same(twins, lambda each: each.bulk_write(requests, ordered=ordered))


def test_blocks_beyond_a_thousand_and_between_other_writes(pair: Pair, fresh_name: Callable[[], str]) -> None:
    twins = pair.open(fresh_name())
    many: list[Any] = [UpdateOne({"name": f"k{n % 900}"}, BOTH, upsert=True) for n in range(1300)]
    many[600:600] = [InsertOne({"_id": n, "x": n}) for n in range(3)]
    # Documents beside end what Redis can do itself: the rest is made in the general way.
    same(twins, lambda each: each.bulk_write(many[:600] + many[603:]))
    same(twins, lambda each: each.bulk_write(many))


# round trips, and many at once


def test_a_block_takes_one_round_trip(pair: Pair, fresh_name: Callable[[], str]) -> None:
    native, _ = pair.open(fresh_name())
    native.update_one({"name": "s"}, BOTH, upsert=True)
    requests = [UpdateOne({"name": f"k{number}"}, BOTH, upsert=True) for number in range(1000)]
    for ordered in (True, False):
        with counted(native) as trips:
            native.bulk_write(requests, ordered=ordered)
        assert trips == [1]
    with counted(native) as trips:
        native.update_one({"name": "k1"}, {"$inc": {"frequency": 1}})
        native.update_one({"name": "new"}, {"$inc": {"frequency": 1}}, upsert=True)
        native.update_one({"name": "absent"}, {"$inc": {"frequency": 1}})
    assert trips == [1, 1, 1]
    assert native.find_one({"name": "k1"}, {"_id": 0}) == {
        "name": "k1",
        "frequency": 3,
        "pattern_member_frequency": 2,
    }
    assert native.count_documents({}) == 1002


def test_trying_in_vain_costs_few_round_trips(pair: Pair, fresh_name: Callable[[], str]) -> None:
    twins = pair.open(fresh_name())
    for each in twins:
        for number in range(300):
            place(each, "freq", f"k{number}", "007")
    requests = [UpdateOne({"name": f"k{number}"}, {"$inc": {"frequency": 1}}) for number in range(300)]
    trips = []
    for each in twins:
        with counted(each) as sizes:
            assert each.bulk_write(requests).modified_count == 300
        trips.append(len(sizes))
    assert trips[0] <= trips[1] + 25


@pytest.mark.parametrize("unique", [False, True])
def test_both_ways_at_once_lose_nothing(pair: Pair, fresh_name: Callable[[], str], unique: bool) -> None:
    native, _ = pair.open(fresh_name())
    general = pair.general[native.database.name].symbols_kb
    if unique:
        native.create_index("name", unique=True)
    else:
        # Without the index two upserts at once may both insert, as on the server.
        native.bulk_write([UpdateOne({"name": f"k{key}"}, NONE, upsert=True) for key in range(10)])
    general.storage.recogniser = None
    start = threading.Barrier(8)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        collection = native if number % 2 else general
        try:
            start.wait()
            for turn in range(15):
                requests = [UpdateOne({"name": f"k{key}"}, BOTH, upsert=True) for key in range(10)]
                collection.bulk_write(requests, ordered=bool(turn % 3))
                collection.update_one({"name": f"k{turn % 10}"}, {"$inc": {"frequency": 3}})
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = {document["name"]: document for document in native.find({}, {"_id": 0})}
    assert len(found) == 10
    for key in range(10):
        turns = sum(turn % 10 == key for turn in range(15))
        assert found[f"k{key}"]["pattern_member_frequency"] == 8 * 15
        assert found[f"k{key}"]["frequency"] == 8 * 15 + 8 * 3 * turns


def test_sorted_sets_follow_the_counters(pair: Pair, fresh_name: Callable[[], str]) -> None:
    native, _ = pair.open(fresh_name())
    fields = [("frequency", 1), ("frequency", -1), ("pattern_member_frequency", 1)]
    indexes = [native.create_index([field]) for field in fields]
    one, two, three = (own(native.database.name, native.name, f"counter:{name}") for name in indexes)
    requests = [UpdateOne({"name": f"k{n % 3}"}, {"$inc": {"frequency": n}}, upsert=True) for n in range(6)]
    native.bulk_write(requests)
    native.update_one({"name": "k1"}, {"$inc": {"frequency": 0, "pattern_member_frequency": -2}})
    native.update_one({"name": "k2"}, {"$inc": {"frequency": 10**9}})
    scores = send(native, *[("ZRANGE", each, 0, -1, "WITHSCORES") for each in (one, two, three)])
    expected = [b"k0", b"3", b"k1", b"5", b"k2", b"1000000007"]
    assert scores == [expected, expected, [b"k1", b"-2"]]
    assert [each["name"] for each in native.find().sort("frequency", -1).limit(2)] == ["k2", "k1"]
