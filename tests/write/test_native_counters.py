"""Increments that Redis makes itself leave the same, and say the same, as those that are made by reading first."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import bson
import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import InsertOne, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from kato_compat import Collection, MongoClient
from kato_compat.execute.counting import Counting
from kato_compat.execute.mapped import MappedStorage
from kato_compat.ir.requests import Pipeline
from kato_compat.mapping.keys import CATALOGUE, escape

INT32: Final = 2**31
INT64: Final = 2**63
BOTH: Final = {"$inc": {"frequency": 1, "pattern_member_frequency": 1}}
NONE: Final = {"$inc": {"frequency": 0, "pattern_member_frequency": 0}}
PATTERN: Final = "c" * 40


class Pair:
    """The same collections twice, in a database each: one where Redis makes increments, one where it makes none."""

    def __init__(self, path: Path, layout: str) -> None:
        self.native = MongoClient(f"embedded://{path}", layout=layout)
        self.general = MongoClient(f"embedded://{path}", layout=layout)
        self.layout = layout
        self.names: list[str] = []

    def open(self, name: str, collection: str = "symbols_kb") -> tuple[Collection, Collection]:
        """A collection of each, in databases of names of one length."""
        pair = self.native[f"{name}_n"][collection], self.general[f"{name}_g"][collection]
        pair[1].storage.recogniser = None
        assert pair[0].storage.recogniser is not None
        for each in pair:
            each.estimated_document_count()  # the index of keys is there from the beginning
        self.names.append(name)
        return pair

    def close(self) -> None:
        """Leave nothing behind."""
        for name in self.names:
            self.native.drop_database(f"{name}_n")
            self.general.drop_database(f"{name}_g")
        self.native.close()
        self.general.close()


@pytest.fixture(scope="module", params=["counters", "hashes"])
def pair(request: pytest.FixtureRequest, embedded_path: Path) -> Iterator[Pair]:
    """A pair with either layout of symbol statistics."""
    made = Pair(embedded_path, request.param)
    yield made
    made.close()


def send(collection: Collection, *commands: tuple[Any, ...]) -> list[Any]:
    """The replies to Redis commands beside a client."""

    def flow() -> Any:
        return (yield Pipeline(commands))

    found: list[Any] = collection.deployment.run(flow())
    return found


def place(collection: Collection, part: str, key: str, raw: str) -> None:
    """Put a raw value into a counter of a symbol, as another program might."""
    name = collection.database.name
    if collection.deployment.catalogue.layout == "hashes":
        send(collection, ("HSET", f"{name}:symbols:{part}", key, raw))
    else:
        send(collection, ("SET", f"{name}:symbol:{part}:{key}", raw))


def kept(collection: Collection) -> dict[str, Any]:
    """All keys of a collection's database and their values, without the database's name; versions are left out."""
    name = collection.database.name
    (own,) = send(collection, ("KEYS", f"*{name}*"))
    reads = {
        b"string": ("GET",),
        b"hash": ("HGETALL",),
        b"set": ("SMEMBERS",),
        b"zset": ("ZRANGE",),
        b"list": ("LRANGE",),
    }
    found: dict[str, Any] = {}
    for key in own:
        (kind,) = send(collection, ("TYPE", key))
        rest = (0, -1, "WITHSCORES") if kind == b"zset" else (0, -1) if kind == b"list" else ()
        (value,) = send(collection, (*reads[kind.encode() if isinstance(kind, str) else kind], key, *rest))
        shown = key.decode().replace(name, "NAME")
        if shown.endswith(":meta"):
            continue
        if shown.endswith(":docs"):
            value = sorted(plain(collection, bson.decode(data[16:])) for data in value[1::2])
        elif shown.endswith((":order", "_1")):
            value = len(value)
        elif kind in (b"hash", b"set"):
            value = sorted(value) if kind == b"set" else dict(zip(value[0::2], value[1::2], strict=True))
        found[shown] = value
    found["catalogue"], *_ = send(collection, ("SISMEMBER", CATALOGUE, escape(name) + b"/" + escape(collection.name)))
    return found


def plain(collection: Collection, value: Any) -> str:
    """What `value` is, without the database's name and without the time in which an `_id` was generated."""

    def masked(found: re.Match[str]) -> str:
        age = abs(time.time() - ObjectId(found[1]).generation_time.timestamp())
        return "ObjectId" if age < 3600 else found[0]

    return re.sub(r"ObjectId\('(\w+)'\)", masked, repr(value).replace(collection.database.name, "NAME"))


def outcome(collection: Collection, act: Callable[[Collection], Any]) -> Any:
    """What `act` says, or the error that it raises, without the database's name."""
    try:
        result = act(collection)
    except BulkWriteError as error:
        return "bulk", plain(collection, error.details)
    except PyMongoError as error:
        code = error.code if isinstance(error, OperationFailure) else None
        return type(error), code, plain(collection, str(error))
    for attribute in ("raw_result", "bulk_api_result"):
        if hasattr(result, attribute):
            return result.acknowledged, plain(collection, getattr(result, attribute))
    return plain(collection, result)


def same(twins: tuple[Collection, Collection], act: Callable[[Collection], Any]) -> Any:
    """Do the same in both; what they say, which is the same, as is what they leave."""
    native, general = (outcome(each, act) for each in twins)
    assert native == general
    assert kept(twins[0]) == kept(twins[1])
    return native


@contextmanager
def counted(collection: Collection) -> Iterator[list[int]]:
    """The number of commands of each round trip to Redis meanwhile."""
    driver = collection.deployment.driver
    perform = driver._perform[Pipeline]
    sizes: list[int] = []

    def counting(request: Pipeline) -> Any:
        sizes.append(len(request.commands))
        return perform(request)

    driver._perform[Pipeline] = counting
    try:
        yield sizes
    finally:
        driver._perform[Pipeline] = perform


# one update

RAWS: Final = (
    None, "0", "5", "-7", str(INT32 - 1), str(-INT32), str(INT32), str(-INT32 - 1), str(INT32 + 5), "9" * 15,
    "1" + "0" * 15, str(2**53 - 1), str(2**53), str(INT64 - 1), str(-INT64), str(INT64), "+3", "007", " 4", "-0",
    "", "x", "1.5", "1e3", "0x10",
)  # fmt: skip


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
    st.sampled_from([{"$inc": {"frequency": 1.5}}, {"$inc": {"name": 1}}, {"$set": {"pattern_member_frequency": 3}}]),
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
    many: list[Any] = [UpdateOne({"name": f"k{n % 1700}"}, BOTH, upsert=True) for n in range(2300)]
    many[1200:1200] = [InsertOne({"_id": n, "x": n}) for n in range(3)]
    # Documents beside end what Redis can do itself: the rest is made in the general way.
    same(twins, lambda each: each.bulk_write(many[:1200] + many[1203:]))
    same(twins, lambda each: each.bulk_write(many))


# patterns and totals


def test_the_frequency_of_patterns(pair: Pair, fresh_name: Callable[[], str]) -> None:
    twins = pair.open(fresh_name(), "patterns_kb")
    names = [f"{number:040x}" for number in range(4)]
    for each in twins:
        each.insert_many([{"name": n, "pattern_data": [["a"]], "length": 1, "frequency": 3} for n in names[:3]])
        each.delete_one({"name": names[2]})
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
    storage = native.storage
    assert isinstance(storage, MappedStorage)
    documents = storage.documents
    name = f"{native.database.name}:by"
    one, two, three = (f"{name}{number}".encode() for number in range(3))
    keys = (documents.docs, documents.meta, storage.index, b"unused")
    sets = {"frequency": (one, two), "pattern_member_frequency": (three,)}
    storage._counting = Counting(storage.spec, native.database.name, keys, documents.entry, sets)
    requests = [UpdateOne({"name": f"k{n % 3}"}, {"$inc": {"frequency": n}}, upsert=True) for n in range(6)]
    native.bulk_write(requests)
    native.update_one({"name": "k1"}, {"$inc": {"frequency": 0, "pattern_member_frequency": -2}})
    native.update_one({"name": "k2"}, {"$inc": {"frequency": 10**9}})
    scores = send(native, *[("ZRANGE", each, 0, -1, "WITHSCORES") for each in (one, two, three)])
    expected = [b"k0", b"3", b"k1", b"5", b"k2", b"1000000007"]
    assert scores == [expected, expected, [b"k1", b"-2"]]
    send(native, ("DEL", one, two, three))
