"""Projections of find (MongoDB manual: Project Fields to Return from Query, $ (projection), $slice, $elemMatch)."""

from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.ir.registry import operators
from kato_compat.ir.spec import Kind
from kato_compat.parse.expression import Context
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.projection import parse_projection

DOCUMENT = {
    "_id": 1,
    "z": 5,
    "a": [{"b": 1, "c": 2}, 3, [{"b": 4, "d": 5}]],
    "n": {"x": 1, "y": [1, 2, 3], "m": {"k": 7}},
    "s": "text",
}


def project(specification: dict[str, Any], document: dict[str, Any], query: dict[str, Any] | None = None) -> Any:
    """The projected document."""
    predicate = parse_filter(query or {}, Context())
    return parse_projection(specification, Context(), find=True, predicate=predicate).compile()(document)


def ordered(value: Any) -> Any:
    """`value` with documents as lists of pairs, so that the order of fields counts, and types of numbers."""
    if isinstance(value, dict):
        return [(name, ordered(item)) for name, item in value.items()]
    if isinstance(value, list):
        return [ordered(item) for item in value]
    return (type(value), value)


EXAMPLES = [
    pytest.param(operator.spec.name, example, id=f"{operator.spec.name}-{index}")
    for operator in operators(Kind.PROJECTION)
    for index, example in enumerate(operator.spec.examples)
]


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_examples_of_operators(name: str, example: Any) -> None:
    got = [project(example.query, document) for document in example.documents]
    assert ordered(got) == ordered(example.result)


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ({}, DOCUMENT),
        ({"s": 1}, {"_id": 1, "s": "text"}),
        ({"s": 1, "z": True}, {"_id": 1, "z": 5, "s": "text"}),
        ({"s": 1, "_id": 0}, {"s": "text"}),
        ({"_id": 1}, {"_id": 1}),
        ({"_id": 0, "a": 0, "n": 0}, {"z": 5, "s": "text"}),
        ({"_id": 1, "a": 0, "n": 0}, {"_id": 1, "z": 5, "s": "text"}),
        ({"a": 0, "n": False}, {"_id": 1, "z": 5, "s": "text"}),
        ({"missing": 1}, {"_id": 1}),
        ({"z": -1}, {"_id": 1, "z": 5}),
        ({"z": 0.5}, {"_id": 1, "z": 5}),
        ({"z": float("nan")}, {"_id": 1, "z": 5}),
        ({"z": Int64(2)}, {"_id": 1, "z": 5}),
        ({"z": Decimal128("0.1")}, {"_id": 1, "z": 5}),
        ({"a": -0.0, "n": Decimal128("0"), "z": Int64(0)}, {"_id": 1, "s": "text"}),
        ({"n.x": 1}, {"_id": 1, "n": {"x": 1}}),
        ({"n": {"x": 1, "m.k": 1}}, {"_id": 1, "n": {"x": 1, "m": {"k": 7}}}),
        ({"n.m": {"k": 0}, "a": 0, "n.y": 0}, {"_id": 1, "z": 5, "n": {"x": 1, "m": {}}, "s": "text"}),
        ({"a.b": 1}, {"_id": 1, "a": [{"b": 1}, [{"b": 4}]]}),
        ({"a.b": 0, "n": 0}, {"_id": 1, "z": 5, "a": [{"c": 2}, 3, [{"d": 5}]], "s": "text"}),
        ({"s.x": 1}, {"_id": 1}),
        ({"s.x": 0, "a": 0, "n": 0}, {"_id": 1, "z": 5, "s": "text"}),
        ({"n.y.q": 1}, {"_id": 1, "n": {"y": []}}),
    ],
)
def test_inclusion_and_exclusion(specification: dict[str, Any], expected: dict[str, Any]) -> None:
    assert ordered(project(specification, DOCUMENT)) == ordered(expected)


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ({"w": "$z"}, {"_id": 1, "w": 5}),
        ({"w": "$z", "s": 1}, {"_id": 1, "s": "text", "w": 5}),
        ({"z": "$s"}, {"_id": 1, "z": "text"}),
        ({"w": "plain"}, {"_id": 1, "w": "plain"}),
        ({"w": None, "_id": 0}, {"w": None}),
        ({"w": ["$z", "$no"]}, {"_id": 1, "w": [5, None]}),
        ({"w": "$$REMOVE", "z": 1}, {"_id": 1, "z": 5}),
        ({"w": {"$literal": 1}}, {"_id": 1, "w": 1}),
        ({"s.q": "$z", "z": 1}, {"_id": 1, "z": 5, "s": {"q": 5}}),
        ({"a.b": "$z"}, {"_id": 1, "a": [{"b": 5}, {"b": 5}, [{"b": 5}]]}),
        ({"n": {"x": 1, "w": "$z"}}, {"_id": 1, "n": {"x": 1, "w": 5}}),
        ({"q.r.t": "$z", "z": 1}, {"_id": 1, "z": 5, "q": {"r": {"t": 5}}}),
    ],
)
def test_computed_fields(specification: dict[str, Any], expected: dict[str, Any]) -> None:
    assert ordered(project(specification, DOCUMENT)) == ordered(expected)


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        (2, [1, 2]),
        (-2, [3, 4]),
        (0, []),
        (9, [1, 2, 3, 4]),
        (-9, [1, 2, 3, 4]),
        (1.9, [1]),
        (Int64(-(2**63)), [1, 2, 3, 4]),
        ([1, 2], [2, 3]),
        ([-3, 2], [2, 3]),
        ([-9, 2], [1, 2]),
        ([9, 2], []),
        ([0, 2**31], [1, 2, 3, 4]),
        ([1.5, 1], [2]),
    ],
)
def test_slice(operand: Any, expected: list[int]) -> None:
    assert project({"a": {"$slice": operand}}, {"_id": 1, "a": [1, 2, 3, 4], "b": 1}) == {
        "_id": 1,
        "a": expected,
        "b": 1,
    }


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ({"a": {"$slice": 1}}, {"_id": 1, "a": [1], "b": {"c": [{"d": [1, 2]}, 5]}, "e": 1}),
        ({"a": {"$slice": 1}, "e": 0}, {"_id": 1, "a": [1], "b": {"c": [{"d": [1, 2]}, 5]}}),
        ({"a": {"$slice": 1}, "_id": 1}, {"_id": 1, "a": [1]}),
        ({"a": {"$slice": 1}, "e": 1}, {"_id": 1, "a": [1], "e": 1}),
        ({"b.c.d": {"$slice": 1}, "_id": 0}, {"a": [1, 2], "b": {"c": [{"d": [1]}, 5]}, "e": 1}),
        ({"b.c.d": {"$slice": 1}, "e": 1}, {"_id": 1, "b": {"c": [{"d": [1]}]}, "e": 1}),
        ({"e": {"$slice": 1}, "_id": 1}, {"_id": 1, "e": 1}),
    ],
)
def test_slice_keeps_or_drops_other_fields(specification: dict[str, Any], expected: dict[str, Any]) -> None:
    document = {"_id": 1, "a": [1, 2], "b": {"c": [{"d": [1, 2]}, 5]}, "e": 1}
    before = ordered(document)
    assert ordered(project(specification, document)) == ordered(expected)
    assert ordered(document) == before


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ({"a": {"$elemMatch": {"b": {"$gt": 1}}}}, {"_id": 1, "a": [{"b": 2}]}),
        ({"a": {"$elemMatch": {"b": 9}}}, {"_id": 1}),
        ({"a": {"$elemMatch": {"b": 3}}, "c": 1}, {"_id": 1, "c": 4, "a": [{"b": 3}]}),
        ({"a": {"$elemMatch": {"b": 3}}, "c": 0}, {"_id": 1, "a": [{"b": 3}]}),
        ({"c": {"$elemMatch": {"$gt": 1}}}, {"_id": 1}),
        ({"a": {"$elemMatch": {"b": 2}}, "_id": 0}, {"a": [{"b": 2}]}),
    ],
)
def test_elemmatch(specification: dict[str, Any], expected: dict[str, Any]) -> None:
    document = {"_id": 1, "a": [{"b": 1}, {"b": 2}, {"b": 3}], "c": 4}
    assert ordered(project(specification, document)) == ordered(expected)


@pytest.mark.parametrize(
    ("query", "specification", "expected"),
    [
        ({"a": {"$gt": 1}}, {"a.$": 1}, {"_id": 1, "a": [2]}),
        ({"a": {"$gt": 1}}, {"a.$": 1, "_id": 0, "n": 1}, {"a": [2], "n": {"x": [10, 20, 30]}}),
        ({"a": 3}, {"n.x.$": 1}, {"_id": 1, "n": {"x": [30]}}),
        ({"a": {"$gt": 1, "$lt": 3}}, {"a.$": 1}, {"_id": 1, "a": [2]}),
        ({"_id": 1}, {"s.$": 1}, {"_id": 1, "s": "text"}),
        ({"_id": 1}, {"q.$": 1}, {"_id": 1}),
        ({"n.x": 20}, {"n.x.$": 1}, {"_id": 1, "n": {"x": [20]}}),
    ],
)
def test_positional(query: dict[str, Any], specification: dict[str, Any], expected: dict[str, Any]) -> None:
    document = {"_id": 1, "a": [1, 2, 3], "n": {"x": [10, 20, 30]}, "s": "text"}
    assert ordered(project(specification, document, query)) == ordered(expected)


def test_positional_takes_the_condition_that_the_server_tries_last() -> None:
    # Comparisons are tried in the order $eq, $lte, $lt, $gt, $gte.
    query = {"$and": [{"a": {"$gt": 1}}, {"a": {"$lt": 5}}]}
    assert project({"a.$": 1}, {"_id": 1, "a": [1, 2, 3]}, query) == {"_id": 1, "a": [2]}


@pytest.mark.parametrize(("query", "code"), [({"_id": 1}, 51246), ({"b": 3}, 51247)])
def test_positional_without_an_element(query: dict[str, Any], code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        project({"a.$": 1}, {"_id": 1, "a": [1, 2], "b": [1, 2, 3]}, query)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("specification", "code"),
    [
        ({"a": 1, "b": 0}, 31254),
        ({"a": 0, "b": 1}, 31253),
        ({"a": {"b": 1, "c": 0}}, 31254),
        ({"_id": 0, "a": 1, "b": 0}, 31254),
        ({"a": 0, "b": "$c"}, 31310),
        ({"a": 0, "b": {"$add": [1, 2]}}, 31252),
        ({"a": "$c", "b": 0}, 31254),
        ({"a": 1, "a.b": 1}, 31249),
        ({"a.b": 1, "a": 1}, 31250),
        ({"a.b": 1, "a": {"b": 1}}, 31250),
        ({"a.b": {"c": 1}, "a": {"b": {"c": 1}}}, 31250),
        ({"a": {}}, 51270),
        ({"a": {"$nothing": 1}}, 31325),
        ({"": 1}, 40352),
        ({"a.": 1}, 40353),
        ({".a": 1}, 15998),
        ({"a..b": 1}, 15998),
        ({"$a": 1}, 16410),
        ({"a.$b": 1}, 16410),
        ({"a": {"b": 1, "$add": [1]}}, 16410),
        ({".".join(["a"] * 201): 1}, 15),
        ({"a.$": 1, "b.$": 1}, 31276),
        ({"a.$.b": 1}, 31394),
        ({"a.$": 0}, 31395),
        ({"a.$": "x"}, 31308),
        ({"a.$": {"$slice": 1}}, 31271),
        ({".$": 1}, 5392900),
        ({"a.$": 1, "b": {"$elemMatch": {"c": 1}}}, 31255),
        ({"b": {"$elemMatch": {"c": 1}}, "a.$": 1}, 31256),
        ({"a": {"$elemMatch": 1}}, 31274),
        ({"a.b": {"$elemMatch": {"c": 1}}}, 31275),
        ({"a": {"b": {"$elemMatch": {"c": 1}}}}, 31275),
        ({"a": {"$slice": "x"}}, 28667),
        ({"a": {"$slice": [1]}}, 28667),
        ({"a": {"$slice": [1, 2, 3, 4]}}, 28667),
        ({"a": {"$slice": [1, 0]}}, 28724),
        ({"a": {"$meta": 5}}, 17307),
    ],
)
def test_errors(specification: dict[str, Any], code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        parse_projection(specification, Context(), find=True, predicate=parse_filter({"a": 1}, Context()))
    assert raised.value.code == code


def test_positional_needs_a_filter_without_schemas() -> None:
    predicate = parse_filter({"a": 1, "$jsonSchema": {"required": ["a"]}}, Context())
    with pytest.raises(OperationFailure) as raised:
        parse_projection({"a.$": 1}, Context(), find=True, predicate=predicate)
    assert raised.value.code == 224


def test_positional_needs_a_filter_without_expressions() -> None:
    predicate = parse_filter({"$expr": {"$gt": ["$a", 1]}}, Context())
    with pytest.raises(OperationFailure) as raised:
        parse_projection({"a.$": 1}, Context(), find=True, predicate=predicate)
    assert raised.value.code == 224
    with pytest.raises(OperationFailure) as raised:
        parse_projection({"a.$": 1}, Context(), find=True)
    assert raised.value.code == 51050


@pytest.mark.parametrize(
    ("specification", "fields"),
    [
        ({"a": 1, "b.c": 1}, {"_id", "a", "b"}),
        ({"a": 1, "_id": 0}, {"a"}),
        ({"w": "$x.y"}, {"_id", "x"}),
        ({"w": "$$ROOT"}, None),
        ({"a": 0}, None),
        ({}, None),
        ({"a": {"$elemMatch": {"b": 1}}}, {"_id", "a"}),
        ({"a.$": 1}, {"_id", "a", "q"}),
    ],
)
def test_fields_read(specification: dict[str, Any], fields: set[str] | None) -> None:
    predicate = parse_filter({"q": 1}, Context())
    projection = parse_projection(specification, Context(), find=True, predicate=predicate)
    assert projection.fields == (None if fields is None else frozenset(fields))


def test_unchanged_values_are_shared_and_the_input_stays() -> None:
    document = {"_id": 1, "a": {"b": [1, 2]}, "c": 1}
    for specification in ({"a": 1}, {"c": 0}, {"w": "$c", "a": 1}):
        assert project(specification, document)["a"] is document["a"]
    assert document == {"_id": 1, "a": {"b": [1, 2]}, "c": 1}
