"""Array update operators and their modifiers."""

from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.regex import Regex
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import Context
from kato_compat.parse.update import parse_update
from kato_compat.values.collation import Collation


def array(operator: str, operand: Any, *value: Any) -> Any:
    """What the operator makes of the array `value`, or of a missing field (None: it is not created)."""
    document = {"_id": 7, **({"a": value[0]} if value else {})}
    return parse_update({operator: {"a": operand}}, Context()).apply(document).get("a")


def parse_code(operator: str, operand: Any) -> int | None:
    with pytest.raises(OperationFailure) as caught:
        parse_update({operator: {"a": operand}}, Context())
    return caught.value.code


def apply_code(operator: str, operand: Any, value: Any, path: str = "a") -> int | None:
    update = parse_update({operator: {path: operand}}, Context())
    with pytest.raises(OperationFailure) as caught:
        update.apply({"_id": 7, "a": value})
    return caught.value.code


@pytest.mark.parametrize(
    ("operand", "value", "expected"),
    [
        (4, [1], [1, 4]),
        ([4], [1], [1, [4]]),
        ({"x": 1}, [], [{"x": 1}]),
        ({"$each": [4, 5]}, [1], [1, 4, 5]),
        ({"$each": []}, [1], [1]),
        ({"$each": [9], "$position": 0}, [1, 2], [9, 1, 2]),
        ({"$each": [9], "$position": 1.0}, [1, 2], [1, 9, 2]),
        ({"$each": [9], "$position": 7}, [1, 2], [1, 2, 9]),
        ({"$each": [8, 9], "$position": -1}, [1, 2], [1, 8, 9, 2]),
        ({"$each": [9], "$position": -7}, [1, 2], [9, 1, 2]),
        ({"$each": [4], "$slice": 2}, [1, 2, 3], [1, 2]),
        ({"$each": [4], "$slice": -2}, [1, 2, 3], [3, 4]),
        ({"$each": [4], "$slice": Int64(0)}, [1, 2, 3], []),
        ({"$each": [0], "$sort": 1}, [3, "a", None, 1], [None, 0, 1, 3, "a"]),
        ({"$each": [], "$sort": -1.0, "$slice": 1}, [1, 3, 2], [3]),
        ({"$slice": 2, "$sort": -1, "$position": 0, "$each": [5]}, [1, 9], [9, 5]),
    ],
)
def test_push(operand: Any, value: list[Any], expected: list[Any]) -> None:
    before = list(value)
    assert array("$push", operand, value) == expected
    assert value == before


def test_push_sorts_by_fields_and_keeps_ties() -> None:
    value = [{"n": 1, "m": {"x": 2}}, {"n": 1, "m": {"x": 3}}, {"n": 2}, 5]
    pushed = array("$push", {"$each": [{"n": 0}], "$sort": {"n": -1, "m.x": -1}}, value)
    assert pushed == [{"n": 2}, {"n": 1, "m": {"x": 3}}, {"n": 1, "m": {"x": 2}}, {"n": 0}, 5]


def test_push_creates_the_array() -> None:
    assert array("$push", 1) == [1]
    assert array("$push", {"$each": []}) == []
    assert array("$push", {"$each": [3, 1, 2], "$sort": 1, "$slice": 2}) == [1, 2]


@pytest.mark.parametrize(
    "operand",
    [
        {"$each": 1},
        {"$each": [1], "$foo": 1},
        {"$each": [1], "x": 1},
        {"$each": [1], "$slice": 1.5},
        {"$each": [1], "$slice": "1"},
        {"$each": [1], "$slice": None},
        {"$each": [1], "$slice": float("inf")},
        {"$each": [1], "$position": 1.5},
        {"$each": [1], "$position": "1"},
        {"$each": [1], "$sort": 2},
        {"$each": [1], "$sort": "x"},
        {"$each": [1], "$sort": {}},
        {"$each": [1], "$sort": {"a": 0}},
        {"$each": [1], "$sort": {"a": "1"}},
        {"$each": [1], "$sort": {"": 1}},
        {"$each": [1], "$sort": {"a.": 1}},
    ],
)
def test_push_refuses_wrong_modifiers(operand: Any) -> None:
    assert parse_code("$push", operand) == 2


@pytest.mark.parametrize("value", [1, "x", None, {"0": 1}])
def test_arrays_are_needed(value: Any) -> None:
    assert apply_code("$push", 1, value) == 2
    assert apply_code("$addToSet", 1, value) == 2
    assert apply_code("$pull", 1, value) == 2
    assert apply_code("$pullAll", [1], value) == 2
    assert apply_code("$pop", 1, value) == 14


@pytest.mark.parametrize(
    ("operand", "value", "expected"),
    [
        (2, [1, 2], [1, 2]),
        (2.0, [1, 2], [1, 2]),
        (True, [1], [1, True]),
        ([1, 2], [[2, 1]], [[2, 1], [1, 2]]),
        ({"a": 1, "b": 2}, [{"b": 2, "a": 1}], [{"b": 2, "a": 1}, {"a": 1, "b": 2}]),
        ({"$each": [1, 3, 3.0, 4]}, [1], [1, 3, 4]),
        ({"$each": []}, [1], [1]),
        (5, [1, 1], [1, 1, 5]),
    ],
)
def test_add_to_set(operand: Any, value: list[Any], expected: list[Any]) -> None:
    assert array("$addToSet", operand, value) == expected


def test_add_to_set_creates_the_array_without_duplicates() -> None:
    assert array("$addToSet", {"$each": [1, 1, 2]}) == [1, 2]
    assert array("$addToSet", {"$each": []}) == []


def test_add_to_set_refuses_wrong_modifiers() -> None:
    assert parse_code("$addToSet", {"$each": 1}) == 14
    assert parse_code("$addToSet", {"$each": [1], "$sort": 1}) == 2


@pytest.mark.parametrize(
    ("end", "expected"), [(1, [1, 2]), (-1, [2, 3]), (1.0, [1, 2]), (Int64(-1), [2, 3]), (Decimal128("1"), [1, 2])]
)
def test_pop(end: Any, expected: list[Any]) -> None:
    assert array("$pop", end, [1, 2, 3]) == expected


def test_pop_of_nothing() -> None:
    assert array("$pop", 1, []) == []
    assert array("$pop", 1) is None


@pytest.mark.parametrize("end", [0, 2, 1.5, "1", True, None, [1], float("nan")])
def test_pop_refuses_other_ends(end: Any) -> None:
    assert parse_code("$pop", end) == 9


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        (1, [1, 1.0, Int64(1), True, "1", [1]], [True, "1", [1]]),
        (None, [None, 0, {}], [0, {}]),
        ([1, 2], [[1, 2], [2, 1], 1], [[2, 1], 1]),
        ({"$gte": 2}, [1, 2, 3, "x", [5]], [1, "x"]),
        ({"$in": ["a", "c"]}, ["a", "b", "c"], ["b"]),
        ({"$ne": 1}, [1, 2], [1]),
        ({"$exists": True}, [1, None], []),
        (Regex("^a"), ["ab", "ba", 1], ["ba", 1]),
        ({"b": 1}, [{"b": 1, "c": 2}, {"b": 2}, 1], [{"b": 2}, 1]),
        ({"b": {"$gt": 1}, "c": 2}, [{"b": 2, "c": 2}, {"b": 2}], [{"b": 2}]),
        ({"b": {"x": 1}}, [{"b": {"x": 1}}, {"b": {"x": 1, "y": 2}}], [{"b": {"x": 1, "y": 2}}]),
        ({"$or": [{"b": 1}, {"b": 2}]}, [{"b": 1}, {"b": 2}, {"b": 3}], [{"b": 3}]),
        ({"b.c": 1}, [{"b": [{"c": 1}]}, {"b": {"c": 2}}], [{"b": {"c": 2}}]),
        ({"b": {"$elemMatch": {"c": 1, "d": 2}}}, [{"b": [{"c": 1, "d": 2}]}, {"b": []}], [{"b": []}]),
        ({}, [{}, {"a": 1}, 1, []], [1, []]),
    ],
)
def test_pull(condition: Any, value: list[Any], expected: list[Any]) -> None:
    assert array("$pull", condition, value) == expected


def test_pull_refuses_what_the_server_refuses() -> None:
    assert parse_code("$pull", {"$eq": 1}) == 2
    assert parse_code("$pull", {"$not": {"$gt": 1}}) == 2
    assert parse_code("$pull", {"$gt": 1, "$foo": 1}) == 2
    assert parse_code("$pull", {"$expr": True}) == 224


def test_pull_all() -> None:
    assert array("$pullAll", [1, {"b": 1}], [1.0, {"b": 1}, {"b": 1, "c": 1}, 2]) == [{"b": 1, "c": 1}, 2]
    assert array("$pullAll", [], [1]) == [1]
    assert array("$pullAll", [1]) is None
    assert parse_code("$pullAll", 1) == 2
    assert parse_code("$pullAll", {"$each": [1]}) == 2


@pytest.mark.parametrize(("operator", "operand"), [("$pop", 1), ("$pull", 1), ("$pullAll", [1])])
def test_removal_needs_a_path_that_could_exist(operator: str, operand: Any) -> None:
    assert apply_code(operator, operand, 5, "a.b") == 28
    assert apply_code(operator, operand, [1], "a.b") == 28
    update = parse_update({operator: {"a.b": operand, "a.7.x": operand, "z.y": operand}}, Context())
    document: dict[str, Any] = {"_id": 7, "a": {"7": {}}}
    assert update.apply(document) is document


def test_collations_order_and_equate_strings() -> None:
    pytest.importorskip("icu")
    collation = Collation.parse({"locale": "en", "strength": 2})

    def apply(update: dict[str, Any], filters: list[Any] | None = None) -> Any:
        parsed = parse_update(update, Context(), array_filters=filters, collation=collation)
        return parsed.apply({"_id": 7, "a": ["b", "C"], "s": "x"})

    assert apply({"$pull": {"a": "B"}})["a"] == ["C"]
    assert apply({"$pull": {"a": {"$in": ["c"]}}})["a"] == ["b"]
    assert apply({"$pullAll": {"a": ["B", "c"]}})["a"] == []
    assert apply({"$addToSet": {"a": {"$each": ["B", "d", "D"]}}})["a"] == ["b", "C", "d"]
    assert apply({"$push": {"a": {"$each": ["A"], "$sort": -1}}})["a"] == ["C", "b", "A"]
    assert apply({"$max": {"s": "X"}})["s"] == "x"
    assert apply({"$set": {"a.$[c]": 1}}, [{"c": "c"}])["a"] == ["b", 1]
