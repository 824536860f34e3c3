"""Increments that Redis makes itself leave the same, and say the same, as those that are made by reading first."""

from collections.abc import Callable
from typing import Any, Final

import bson
import pytest
from bson.int64 import Int64
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError, OperationFailure
from pymongo.write_concern import WriteConcern
from twins import BOTH, INT32, INT64, RAWS, Pair, counted, outcome, place, same, send

from kato_compat import Collection

PATTERN: Final = "c" * 40


# one update


@pytest.mark.parametrize("raw", RAWS)
def test_every_value_that_a_counter_may_hold(pair: Pair, fresh_name: Callable[[], str], raw: str | None) -> None:
    twins = pair.open(fresh_name())
    for amount in (1, 0, -1, INT32 - 1, -INT32):
        for each in twins:
            if raw is not None:
                place(each, "freq", "s", raw)
            place(each, "pmf", "t", "3")
        for key in ("s", "t"):
            same(twins, lambda each, key=key, by=amount: each.update_one({"name": key}, {"$inc": {"frequency": by}}))


UPDATES: Final = (
    {"$inc": {"frequency": 2}},
    {"$inc": {"pattern_member_frequency": 0, "frequency": -3}},
    {"$inc": {"frequency": 1}, "$setOnInsert": {"name": "s"}},
    {"$setOnInsert": {"pattern_member_frequency": 9, "name": "s"}, "$inc": {"frequency": 1}},
    {"$inc": {"frequency": 1}, "$setOnInsert": {"name": "other"}},
    {"$inc": {"frequency": 1}, "$setOnInsert": {"frequency": 1}},
    {"$inc": {"frequency": 1}, "$setOnInsert": {"emotives": {"joy": 1.0}}},
    {"$inc": {"frequency": 1}, "$set": {"pattern_member_frequency": 1}},
    {"$inc": {"frequency": 1}, "$setOnInsert": {}},
    {"$inc": {"frequency": 1}, "$setOnInsert": []},
    {"$inc": {"frequency": Int64(1)}},
    {"$inc": {"frequency": 1.0}},
    {"$inc": {"frequency": True}},
    {"$inc": {"frequency": "1"}},
    {"$inc": {"frequency": INT32}},
    {"$inc": {"frequency": -INT32}},
    {"$inc": {"frequency": INT64}},
    {"$inc": {"other": 1}},
    {"$inc": {"frequency.x": 1}},
    {"$inc": {"$frequency": 1}},
    {"$inc": {"name": 1}},
    {"$inc": {"_id": 1}},
    {"$inc": {"": 1}},
    {"$inc": {}},
    {"$inc": 1},
    {"$incr": {"frequency": 1}},
    [{"$set": {"frequency": 1}}],
)


def _update(each: Collection, selector: Any, change: Any, **options: Any) -> Any:
    try:
        return each.update_one(selector, change, **options)
    except (OverflowError, bson.errors.InvalidDocument, UnicodeEncodeError, TypeError, ValueError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("change", UPDATES, ids=str)
@pytest.mark.parametrize("upsert", [False, True])
def test_updates_that_are_increments_and_that_are_not(
    pair: Pair, fresh_name: Callable[[], str], change: Any, upsert: bool
) -> None:
    twins = pair.open(fresh_name())
    for _ in range(3):
        same(twins, lambda each: _update(each, {"name": "s"}, change, upsert=upsert))
    same(twins, lambda each: list(each.find({})))


FILTERS: Final = (
    {"name": {"$eq": "s"}},
    {"name": {"$eq": "s", "$ne": "t"}},
    {"name": {"$in": ["s"]}},
    {"name": "s", "frequency": 1},
    {"name": ""},
    {"name": None},
    {"name": 5},
    {"name": "\ud800"},
    {"name": "nul\0inside"},
    {"name": "s\u00e9\U0001f600 {x}:*"},
    {"name": "k" * 100_000},
    {"frequency": 1},
    {},
)


@pytest.mark.parametrize("selector", FILTERS, ids=lambda each: str(each)[:40])
@pytest.mark.parametrize("upsert", [False, True])
def test_filters_that_fix_the_key_and_that_do_not(
    pair: Pair, fresh_name: Callable[[], str], selector: Any, upsert: bool
) -> None:
    twins = pair.open(fresh_name())
    for _ in range(2):
        same(twins, lambda each: _update(each, selector, BOTH, upsert=upsert))
    same(twins, lambda each: list(each.find({})))


def test_a_key_that_is_no_text_is_not_sent(pair: Pair, fresh_name: Callable[[], str]) -> None:
    native, _ = pair.open(fresh_name())
    requests = [UpdateOne({"name": name}, BOTH, upsert=True) for name in ("s", "\ud800")]
    with counted(native) as trips, pytest.raises(UnicodeEncodeError):
        native.bulk_write(requests)
    assert trips == []


@pytest.mark.parametrize(
    "options",
    [
        {"collation": {"locale": "en", "strength": 2}},
        {"array_filters": [{"x": 1}]},
        {"array_filters": []},
        {"let": {"x": 1}},
        {"hint": "no_such_index"},
        {"hint": "_id_"},
        {"sort": {"frequency": 1}},
        {"comment": "why", "bypass_document_validation": True},
        {"upsert": 1},
    ],
    ids=str,
)
def test_options_mean_what_they_mean(pair: Pair, fresh_name: Callable[[], str], options: Any) -> None:
    twins = pair.open(fresh_name())
    same(twins, lambda each: _update(each, {"name": "S"}, BOTH, upsert=True))
    same(twins, lambda each: _update(each, {"name": "s"}, BOTH, **options))


def test_update_many_and_find_and_modify(pair: Pair, fresh_name: Callable[[], str]) -> None:
    twins = pair.open(fresh_name())
    for _ in range(2):
        same(twins, lambda each: each.update_many({"name": "s"}, BOTH, upsert=True))
        same(twins, lambda each: each.find_one_and_update({"name": "s"}, BOTH))


def test_unacknowledged_increments_are_made(pair: Pair, fresh_name: Callable[[], str]) -> None:
    twins = pair.open(fresh_name())

    def act(each: Collection) -> Any:
        silent = each.with_options(write_concern=WriteConcern(w=0))
        silent.bulk_write([UpdateOne({"name": "t"}, BOTH, upsert=True)] * 3)
        return silent.update_one({"name": "s"}, BOTH, upsert=True).acknowledged

    assert same(twins, act) == "False"


# what else there may be


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("kind", ["affinity", "no hash", "no float", "no counter"])
def test_what_was_left_behind(pair: Pair, fresh_name: Callable[[], str], there: bool, kind: str) -> None:
    twins = pair.open(fresh_name())
    for each in twins:
        name = each.database.name
        if there:
            place(each, "freq", "s", "4")
        match kind:
            case "affinity":
                send(each, ("HSET", f"{name}:affinity:s", "joy", "1.5"))
            case "no hash":
                send(each, ("SET", f"{name}:affinity:s", "joy"))
            case "no float" if not there:
                # What an increment does not concern is not read where there is a document.
                send(each, ("HSET", f"{name}:affinity:s", "joy", "much"))
            case "no counter" if pair.layout == "counters":
                send(each, ("RPUSH", f"{name}:symbol:pmf:s", "1"))
            case "no counter":
                send(each, ("RPUSH", f"{name}:symbols:pmf", "1"))
    for upsert in (False, True):
        same(twins, lambda each, upsert=upsert: each.update_one({"name": "s"}, BOTH, upsert=upsert))


def test_a_block_stops_at_what_cannot_be_read(pair: Pair, fresh_name: Callable[[], str]) -> None:
    twins = pair.open(fresh_name())
    for each in twins:
        place(each, "freq", "k15", "many")
    requests = [UpdateOne({"name": f"k{number}"}, BOTH, upsert=True) for number in range(30)]
    for ordered in (True, False):
        kind, details = same(twins, lambda each, ordered=ordered: each.bulk_write(requests, ordered=ordered))
        assert kind == "bulk"
        assert "'index': 15, 'code': 22" in details


@pytest.mark.parametrize("unique", [None, "name", "frequency"])
def test_documents_beside_and_unique_indexes(pair: Pair, fresh_name: Callable[[], str], unique: str | None) -> None:
    twins = pair.open(fresh_name())
    many = [UpdateOne({"name": f"k{number % 7}"}, BOTH, upsert=True) for number in range(20)]
    if unique == "frequency":
        many = [UpdateOne({"name": f"k{n}"}, {"$inc": {"frequency": n}}, upsert=True) for n in (1, 2, 3, 4)] * 3
    for each in twins:
        if unique is not None:
            each.create_index(unique, unique=True)
    same(twins, lambda each: each.bulk_write(many))
    same(twins, lambda each: each.insert_one({"_id": 1, "name": ["k1", "k2"], "frequency": 100}).acknowledged)
    same(twins, lambda each: each.update_one({"name": "k1"}, BOTH))
    same(twins, lambda each: each.update_many({"name": "k1"}, BOTH))
    same(twins, lambda each: each.bulk_write(many, ordered=False))
    same(twins, lambda each: each.update_one({"name": "new"}, BOTH, upsert=True))
    same(twins, lambda each: each.delete_one({"_id": 1}).deleted_count)
    same(twins, lambda each: each.update_one({"name": "k1"}, BOTH))


def test_an_index_that_another_client_makes_is_noticed(pair: Pair, fresh_name: Callable[[], str]) -> None:
    native, _ = pair.open(fresh_name())
    for key in ("a", "b"):
        native.update_one({"name": key}, {"$inc": {"frequency": ord(key)}}, upsert=True)
    pair.general[native.database.name].symbols_kb.create_index("frequency", unique=True)
    with pytest.raises(OperationFailure) as caught:
        native.update_one({"name": "a"}, {"$inc": {"frequency": 1}})
    assert caught.value.code == 11000
    assert native.find_one({"name": "a"}, {"_id": 0}) == {"name": "a", "frequency": 97}


def test_an_index_that_another_client_makes_is_noticed_where_nothing_is(
    pair: Pair, fresh_name: Callable[[], str]
) -> None:
    native, _ = pair.open(fresh_name())
    native.update_one({"name": "a"}, {"$inc": {"frequency": 1}}, upsert=True)
    native.delete_one({"name": "a"})
    pair.general[native.database.name].symbols_kb.create_index("frequency", unique=True)
    native.update_one({"name": "a"}, {"$inc": {"frequency": 1}}, upsert=True)
    with pytest.raises(DuplicateKeyError):
        native.update_one({"name": "b"}, {"$inc": {"frequency": 1}}, upsert=True)


# patterns and totals


def test_the_frequency_of_patterns(pair: Pair, fresh_name: Callable[[], str]) -> None:
    twins = pair.open(fresh_name(), "patterns_kb")
    names = [f"{number:040x}" for number in range(4)]
    for each in twins:
        each.insert_many([{"name": n, "pattern_data": [["a"]], "length": 1, "frequency": 3} for n in names[:3]])
        each.delete_one({"name": names[2]})
        send(each, ("SET", f"{each.database.name}:frequency:{names[2]}", 9))  # it stays deleted
    change = {"$inc": {"frequency": 2}, "$setOnInsert": {"name": "x"}}

    def all_of_them(each: Collection) -> Any:
        one = [UpdateOne({"name": name}, {"$inc": {"frequency": 2}}, upsert=name == names[3]) for name in names]
        return each.bulk_write(one)

    for _ in range(2):
        outcomes = [outcome(each, all_of_them) for each in twins]
        assert outcomes[0] == outcomes[1]
        outcomes = [outcome(each, lambda each: each.update_one({"name": names[0]}, change)) for each in twins]
        assert outcomes[0] == outcomes[1]
        for each in twins:
            each.deployment.run(each.deployment.flush())
    found = [sorted(each.find({}, {"_id": 0}), key=lambda document: document["name"]) for each in twins]
    assert found[0] == found[1]
    assert [document.get("frequency") for document in found[0]] == [11, 7, 4]


def test_the_frequency_of_a_stored_pattern_takes_one_round_trip(pair: Pair, fresh_name: Callable[[], str]) -> None:
    native, _ = pair.open(fresh_name(), "patterns_kb")
    native.insert_one({"name": PATTERN, "pattern_data": [["a"]], "length": 1, "frequency": 3})
    native.deployment.run(native.deployment.flush())
    with counted(native) as trips:
        result = native.update_one({"name": PATTERN}, {"$inc": {"frequency": 4}})
    assert (result.matched_count, result.modified_count, trips) == (1, 1, [1])
    assert native.find_one({"name": PATTERN}, {"_id": 0, "frequency": 1}) == {"frequency": 7}


def test_the_totals(pair: Pair, fresh_name: Callable[[], str]) -> None:
    twins = pair.open(fresh_name(), "metadata")
    change = {"$inc": {"total_symbol_frequencies": 5}, "$setOnInsert": {"class": "totals"}}
    for upsert in (False, True, True):
        same(twins, lambda each, upsert=upsert: each.update_one({"class": "totals"}, change, upsert=upsert))
    same(twins, lambda each: each.bulk_write([UpdateOne({"class": "totals"}, {"$inc": {"total_unique_patterns": 1}})]))
    same(twins, lambda each: each.update_one({"class": "others"}, {"$inc": {"total_unique_patterns": 1}}).matched_count)
    same(twins, lambda each: list(each.find({})))
