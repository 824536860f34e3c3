"""Laws that query operators obey on generated values."""

from datetime import datetime
from typing import Any

from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_compat.ir.predicate import compile_predicate
from kato_compat.parse.filter import parse_filter
from kato_compat.values.equality import equal
from kato_compat.values.order import bracket

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**53 + 1, Int64(2**63 - 1), Int64(1)]),
    st.sampled_from([0.5, 1.0, -0.0, float("nan"), float("inf"), float(2**53)]),
    st.sampled_from([Decimal128("1"), Decimal128("0.5"), Decimal128("NaN"), Decimal128("1E+400")]),
    st.sampled_from(["", "a", "b", "\U0001f600", "\uffff"]),
    st.sampled_from([b"", b"a", datetime(2020, 1, 1), ObjectId("0" * 24), MinKey(), MaxKey()]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
DOCUMENTS = st.dictionaries(st.sampled_from("ax"), VALUES, max_size=2)
PATHS = st.sampled_from(["a", "a.b", "a.0", "a.b.a"])


def holds(query: dict[str, Any], document: dict[str, Any]) -> bool:
    return compile_predicate(parse_filter(query))(document)


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, PATHS, VALUES)
def test_negatives(document: dict[str, Any], path: str, value: Any) -> None:
    """`$ne`, `$not` and `$nor` say the opposite of `$eq`; a plain value says the same."""
    equal = holds({path: {"$eq": value}}, document)
    assert holds({path: {"$ne": value}}, document) is not equal
    assert holds({path: {"$not": {"$eq": value}}}, document) is not equal
    assert holds({"$nor": [{path: {"$eq": value}}]}, document) is not equal


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, PATHS, st.lists(VALUES, max_size=4))
def test_lists(document: dict[str, Any], path: str, values: list[Any]) -> None:
    """`$in` is the disjunction of its equalities, `$all` the conjunction, `$nin` the opposite of `$in`."""
    each = [holds({path: {"$eq": value}}, document) for value in values]
    assert holds({path: {"$in": values}}, document) is any(each)
    assert holds({path: {"$nin": values}}, document) is not any(each)
    if not any(isinstance(value, dict) and any(name.startswith("$") for name in value) for value in values):
        assert holds({path: {"$all": values}}, document) is (bool(values) and all(each))


@settings(max_examples=300, deadline=None)
@given(SCALARS, VALUES)
def test_order(value: Any, operand: Any) -> None:
    """In one bracket exactly one of less, equal and greater holds; across brackets none does, but for the ends."""
    below, same, above = (holds({"a": {name: operand}}, {"a": value}) for name in ("$lt", "$eq", "$gt"))
    assert holds({"a": {"$lte": operand}}, {"a": value}) is (below or same)
    assert holds({"a": {"$gte": operand}}, {"a": value}) is (above or same)
    nan = [each for each in (value, operand) if each != each or each == Decimal128("NaN")]
    if isinstance(operand, MinKey | MaxKey) or (bracket(value) == bracket(operand) and not nan):
        assert below + same + above == 1
    elif bracket(value) != bracket(operand):
        assert below + same + above == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, max_size=4), VALUES)
def test_element(array: list[Any], operand: Any) -> None:
    """`$elemMatch` looks at the elements one by one, each taken whole."""
    expected = any(equal(item, operand) for item in array)
    assert holds({"a": {"$elemMatch": {"$eq": operand}}}, {"a": array}) is expected
    assert holds({"a": {"$elemMatch": {"$in": [operand, "other"]}}}, {"a": array}) is (expected or "other" in array)
