"""Whatever is asked, the answer is BSON or one of pymongo's errors; and what is handed out is the caller's own."""

from typing import Any

from answers import Documents, answer, fill, held
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.factories import memory
from conformance.generators import documents, filters, projections, sorts, updates, values
from conformance.grammar import expressions, pipelines, typed_documents, window_outputs
from conformance.profile import examples


@given(rows=documents(), condition=filters(expressions(1)), projection=projections(expressions(1)), order=sorts())
@examples(400)
def test_find(rows: Documents, condition: dict[str, Any], projection: dict[str, Any], order: dict[str, int]) -> None:
    collection = fill(memory, rows)
    answer(collection.find, condition, projection, sort=list(order.items()))
    answer(collection.distinct, next(iter(order)), condition)
    memory.teardown(collection)


@given(rows=typed_documents(), expression=expressions(2, without=()))
@example(rows=[{"_id": 0}], expression={"$literal": "$a"})
@examples(600)
def test_expression(rows: Documents, expression: Any) -> None:
    collection = fill(memory, rows)
    answer(collection.aggregate, [{"$project": {"r": {"$ifNull": [expression, None]}}}])
    memory.teardown(collection)


@given(rows=typed_documents(), other=typed_documents(), pipeline=pipelines())
@examples(400)
def test_pipeline(rows: Documents, other: Documents, pipeline: list[Any]) -> None:
    collection = fill(memory, rows, other)
    answer(collection.aggregate, pipeline)
    memory.teardown(collection)


@given(rows=typed_documents(), output=window_outputs(), order=sorts())
@examples(200)
def test_windows(rows: Documents, output: dict[str, Any], order: dict[str, int]) -> None:
    collection = fill(memory, rows)
    answer(collection.aggregate, [{"$setWindowFields": {"sortBy": order, "output": output}}])
    memory.teardown(collection)


@given(rows=documents(), condition=filters(depth=1), update=updates(clock=True), upsert=st.booleans())
@examples(400)
def test_update(rows: Documents, condition: dict[str, Any], update: dict[str, Any], upsert: bool) -> None:
    """An update that is an error changes nothing in the document that it failed on."""
    collection = fill(memory, rows)
    before = held(collection)
    kind, _ = answer(collection.update_one, condition, update, upsert=upsert)
    if kind == "error":
        assert held(collection) == before
    memory.teardown(collection)


@given(rows=documents(), names=st.lists(st.sampled_from(("find", "aggregate", "find_one")), min_size=1, max_size=2))
@examples(100)
def test_documents_are_the_callers_own(rows: Documents, names: list[str]) -> None:
    collection = fill(memory, rows)
    before = held(collection)
    for name in names:
        found = getattr(collection, name)([{"$addFields": {"z": "$$ROOT"}}] if name == "aggregate" else {})
        for document in [found] if isinstance(found, dict) else list(found or []):
            _spoil(document)
    assert held(collection) == before
    memory.teardown(collection)


def _spoil(value: Any) -> None:
    if isinstance(value, dict):
        for item in value.values():
            _spoil(item)
        value["spoilt"] = True
    elif isinstance(value, list):
        for item in value:
            _spoil(item)
        value.append("spoilt")


@given(value=values)
@examples(300)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    collection = fill(memory, [{"_id": 1, "v": value}])
    assert answer(collection.find_one, {"_id": 1}) == answer(lambda: {"_id": 1, "v": value})
    memory.teardown(collection)
