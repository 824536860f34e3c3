"""Memory, the engines and a mapped collection answer alike, with pushdown and without, errors included."""

from typing import Any

from answers import Documents, answer, fill, held
from hypothesis import given, note
from hypothesis import strategies as st

from conformance.factories import Factory, memory
from conformance.generators import filters, mapped_documents, projections, sorts, updates
from conformance.grammar import RANDOM_STAGES, REPORTING, WRITING, pipelines, typed_documents
from conformance.profile import examples

_FIELDS = ("$name", "$length", "$frequency", "$pattern_data", "$emotives", "$metadata.k", "$a")

finds = st.fixed_dictionaries(
    {"filter": filters(), "sort": sorts().map(lambda pattern: list(pattern.items()))},
    optional={"projection": projections(), "skip": st.integers(0, 2), "limit": st.integers(0, 3)},
)


@st.composite
def mapped_pipelines(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Pipelines over the fields of a mapped collection; what depends on the natural order is sorted before."""
    pipeline: list[dict[str, Any]] = [{"$match": draw(filters())}] if draw(st.booleans()) else []
    field = st.sampled_from(_FIELDS)
    if draw(st.booleans()):
        counted = st.sampled_from(({"$sum": 1}, {"$sum": "$frequency"}, {"$max": "$length"}, {"$min": "$name"}))
        # As documents keys have a total order; of equal ones of other types ("$a") any may stand for its group.
        key = st.sampled_from(_FIELDS[:-1]).map(lambda path: {"k": path})
        total = st.fixed_dictionaries({"_id": key | st.none()}, optional={"x": counted, "y": counted})
        return [*pipeline, {"$group": draw(total)}, {"$sort": {"_id": 1}}]
    stages: dict[str, st.SearchStrategy[Any]] = {
        "$project": projections(),
        "$addFields": st.fixed_dictionaries({"x": field}),
        "$unwind": st.sampled_from(("$pattern_data", "$emotives", "$a")),
        "$match": filters(),
        "$limit": st.integers(1, 3),
        "$skip": st.integers(0, 2),
        "$sort": sorts(),
    }
    pipeline.append({"$sort": draw(sorts())})
    names = draw(st.lists(st.sampled_from(sorted(stages)), max_size=3))
    return pipeline + [{name: draw(stages[name])} for name in names]


@given(documents=mapped_documents(), calls=st.lists(finds, min_size=1, max_size=6))
@examples(80)
def test_find(documents: Documents, calls: list[dict[str, Any]], engines: Factory, mapped: Factory) -> None:
    stores = [fill(factory, documents) for factory in (memory, engines, mapped)]
    for call in calls:
        note(repr(call))
        first, *others = [answer(store.find, **call) for store in stores]
        others.append(answer(stores[2].find, **call, pushdown=False))
        assert others == [first] * 3
        count = answer(stores[0].count_documents, call["filter"])
        assert answer(stores[1].count_documents, call["filter"]) == count
        assert answer(stores[2].count_documents, call["filter"]) == count
    for factory, store in zip((memory, engines, mapped), stores, strict=True):
        factory.teardown(store)


@given(documents=mapped_documents(), calls=st.lists(mapped_pipelines(), min_size=1, max_size=6))
@examples(80)
def test_aggregate_over_a_mapping(documents: Documents, calls: list[Any], engines: Factory, mapped: Factory) -> None:
    stores = [fill(factory, documents) for factory in (memory, engines, mapped)]
    for pipeline in calls:
        note(repr(pipeline))
        first, *others = [answer(store.aggregate, pipeline) for store in stores]
        others.append(answer(stores[2].aggregate, pipeline, pushdown=False))
        assert others == [first] * 3
    for factory, store in zip((memory, engines, mapped), stores, strict=True):
        factory.teardown(store)


@given(
    documents=typed_documents(),
    other=typed_documents(),
    calls=st.lists(pipelines(without=(*RANDOM_STAGES, *REPORTING, *WRITING)), min_size=1, max_size=4),
)
@examples(100)
def test_aggregate(documents: Documents, other: Documents, calls: list[Any], engines: Factory) -> None:
    stores = [fill(factory, documents, other) for factory in (memory, engines)]
    for pipeline in calls:
        note(repr(pipeline))
        first, second = [answer(store.aggregate, pipeline) for store in stores]
        assert first == second
    for factory, store in zip((memory, engines), stores, strict=True):
        factory.teardown(store)


@given(documents=mapped_documents(), calls=st.lists(st.tuples(filters(depth=1), updates()), min_size=1, max_size=2))
@examples(50)
def test_update(documents: Documents, calls: list[Any], engines: Factory, mapped: Factory) -> None:
    """Each document by itself: which one of several fails first depends on the natural order."""
    stores = [fill(factory, documents) for factory in (memory, engines, mapped)]
    for condition, update in calls:
        for key in [document["_id"] for document in documents][:2] or [7]:
            note(repr((key, condition, update)))
            wanted = {"$and": [{"_id": key}, condition]} if condition else {"_id": key}
            upsert = not condition
            first, *others = [answer(store.update_one, wanted, update, upsert=upsert) for store in stores]
            assert others == [first] * 2
    one, two, three = [held(store) for store in stores]
    assert one == two
    assert one == three
    for factory, store in zip((memory, engines, mapped), stores, strict=True):
        factory.teardown(store)
