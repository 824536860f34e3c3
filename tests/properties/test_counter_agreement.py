"""With an index on a counter a mapped collection answers as without it, as without pushdown, and as memory does."""

from typing import Any

import pytest
from answers import Documents, answer, held
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from hypothesis import given, note
from hypothesis import strategies as st

from conformance.factories import Factory, memory
from conformance.generators import NAMES, filters, mapped_documents, sorts, updates
from conformance.profile import examples
from kato_compat.execute import ranked
from kato_compat.execute.table import TableStorage
from kato_compat.ir.requests import Pipeline

_DECIMALS = (Decimal128("3"), Decimal128("1.5"), Decimal128("1E+400"))
_DOUBLES = (1.0, 2.5, float("inf"), float("-inf"), float("nan"))
_values = st.sampled_from((0, 1, 2, 3, 5, -1, -(2**31))) | st.sampled_from((Int64(2), Int64(2**53), Int64(2**53 + 1)))
_values |= st.sampled_from(_DECIMALS) | st.sampled_from(_DOUBLES) | st.sampled_from((True, False, None, "2", [1, 2]))
_tests = st.dictionaries(st.sampled_from(("$gt", "$gte", "$lt", "$lte", "$eq", "$ne")), _values, min_size=1, max_size=2)
_counter = _values | _tests | st.fixed_dictionaries({"$in": st.lists(_values, max_size=3)})
_counter |= st.sampled_from(({"$exists": True}, {"$exists": False}, {"$not": {"$gt": 2}}, {"$type": "number"}))


@st.composite
def counter_filters(draw: st.DrawFn) -> dict[str, Any]:
    """A filter on the counter, alone or beside others."""
    found = {**draw(filters(depth=1)), "frequency": draw(_counter)}
    return {"$and": [found, {"frequency": draw(_counter)}]} if draw(st.integers(0, 3)) == 0 else found


_orders = sorts().map(lambda pattern: list(pattern.items()))
_orders |= st.sampled_from((1, -1)).map(lambda direction: [("frequency", direction), ("_id", 1)])
_finds = st.fixed_dictionaries(
    {"filter": counter_filters() | st.just({}), "sort": _orders},
    optional={"skip": st.integers(0, 2), "limit": st.integers(1, 4)},
)
_writes = st.tuples(
    st.integers(0, 4),
    st.sampled_from(({"$inc": {"frequency": 1}}, {"$inc": {"frequency": Int64(2**53)}}, {"$unset": {"frequency": 1}}))
    | _values.map(lambda value: {"$set": {"frequency": value}})
    | updates()
    | st.none(),
)


def _members(collection: Any) -> dict[str, float]:
    """The sorted set of the index on the counter."""
    client = collection.database.client
    key = client.deployment.storage(collection.database.name, collection.name).documents

    def flow() -> Any:
        (index,) = (yield from key.definitions()).kept
        return (yield Pipeline((("ZRANGE", key.counter_key(index), 0, -1, "WITHSCORES"),)))

    (flat,) = client.deployment.run(flow())
    if flat and isinstance(flat[0], list):
        flat = [part for pair in flat for part in pair]
    return {member.decode(): float(score) for member, score in zip(flat[0::2], flat[1::2], strict=True)}


def _counters(collection: Any) -> dict[str, float]:
    """The counters that Redis holds."""
    client = collection.database.client
    storage = client.deployment.storage(collection.database.name, collection.name)
    names = [name for name in NAMES if name]

    def flow() -> Any:
        return (yield from storage.raws(names, ["frequency"]))

    raws = client.deployment.run(flow())["frequency"]
    return {name: float(raw) for name, raw in zip(names, raws, strict=True) if raw is not None}


def _find(collection: Any, **call: Any) -> list[dict[str, Any]]:
    # A mapped document has its fields in the order of the mapping, not in that of the updates.
    return [dict(sorted(document.items())) for document in collection.find(**call)]


def _delete(collection: Any, wanted: dict[str, Any]) -> int:
    deleted: int = collection.delete_one(wanted).deleted_count
    return deleted


@given(
    documents=mapped_documents(),
    writes=st.lists(_writes, max_size=4),
    calls=st.lists(_finds, min_size=1, max_size=8),
    late=st.booleans(),
    direction=st.sampled_from((1, -1)),
    page=st.sampled_from((1000, 1, 2)),
)
@examples(60)
def test_find_and_update(
    documents: Documents, writes: list[Any], calls: list[Any], late: bool, direction: int, page: int, mapped: Factory
) -> None:
    """With small pages: through all of what reading many documents goes through."""
    stores = [memory(), mapped(), mapped()]
    indexed = stores[2]
    if not late:
        indexed.create_index([("frequency", direction)])
    for store in stores:
        if documents:
            store.insert_many(documents)
    for place, update in writes if documents else ():
        wanted = {"_id": documents[place % len(documents)]["_id"]}
        note(repr((wanted, update)))
        if update is None:
            first, *others = [answer(_delete, store, wanted) for store in stores]
        else:
            first, *others = [answer(store.update_one, wanted, update) for store in stores]
        assert others == [first] * 2
    if late:
        indexed.create_index([("frequency", direction)])
    assert held(stores[0]) == held(indexed)
    assert _members(indexed) == _counters(indexed)
    with pytest.MonkeyPatch.context() as patch:
        if page < 1000:
            patch.setattr(ranked, "BATCH", page)
            patch.setattr(ranked, "_SLACK", 0)
            patch.setattr(TableStorage, "selective", lambda storage, plan: (page, 2, 100))
        for call in calls:
            note(repr(call))
            first, *others = [answer(_find, store, **call) for store in stores]
            others.append(answer(_find, indexed, **call, pushdown=False))
            assert others == [first] * 3
            count = answer(stores[0].count_documents, call["filter"])
            assert answer(indexed.count_documents, call["filter"]) == count
    for factory, store in zip((memory, mapped, mapped), stores, strict=True):
        factory.teardown(store)
