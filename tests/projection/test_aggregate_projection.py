"""`$project`, `$addFields`, `$set` and `$unset` (MongoDB manual: their stage pages)."""

from typing import Any

import pytest
from bson.dbref import DBRef
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import Context
from kato_compat.parse.projection import parse_add_fields, parse_projection, parse_unset

DOCUMENT = {"_id": 1, "a": [{"b": 1, "c": 2}, 3, [{"b": 4}]], "n": {"x": 1, "y": 2}, "s": 5}


def ordered(value: Any) -> Any:
    """`value` with documents as lists of pairs."""
    if isinstance(value, dict):
        return [(name, ordered(item)) for name, item in value.items()]
    return [ordered(item) for item in value] if isinstance(value, list) else (type(value), value)


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ({"s": 1}, {"_id": 1, "s": 5}),
        ({"_id": 0}, {"a": DOCUMENT["a"], "n": DOCUMENT["n"], "s": 5}),
        ({"a": 0, "n.x": 0}, {"_id": 1, "n": {"y": 2}, "s": 5}),
        ({"n": {"y": 1}, "w": {"$literal": 0}}, {"_id": 1, "n": {"y": 2}, "w": 0}),
        ({"n.x": "$s"}, {"_id": 1, "n": {"x": 5}}),
        ({"n.z": "$$REMOVE"}, {"_id": 1, "n": {}}),
        ({"_id": "$s", "s": 1}, {"s": 5, "_id": 5}),
        ({"m": {"$meta": "indexKey"}}, {"_id": 1}),
    ],
)
def test_project(specification: dict[str, Any], expected: dict[str, Any]) -> None:
    assert ordered(parse_projection(specification, Context(), find=False).compile()(DOCUMENT)) == ordered(expected)


@pytest.mark.parametrize(
    ("specification", "code"),
    [
        ({}, 51272),
        ({"a.$": 1}, 31324),
        ({"a": {"$elemMatch": {"b": 1}}}, 168),
        ({"a": {"$slice": 1}}, 28667),
        ({"a": {"$nothing": 1}}, 31325),
        ({"a": {"b": {}}}, 51270),
        ({"a": 1, "b": 0}, 31254),
        ({"a": "$"}, 16872),
        ({"a": "$$nobody"}, 17276),
    ],
)
def test_project_errors(specification: dict[str, Any], code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        parse_projection(specification, Context(), find=False)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ({}, DOCUMENT),
        ({"w": 1}, {**DOCUMENT, "w": 1}),
        ({"s": "$n.x"}, {**DOCUMENT, "s": 1}),
        ({"s": "$$REMOVE"}, {"_id": 1, "a": DOCUMENT["a"], "n": DOCUMENT["n"]}),
        ({"s": "$no"}, {"_id": 1, "a": DOCUMENT["a"], "n": DOCUMENT["n"]}),
        ({"n": {"x": 7, "z": {}}}, {**DOCUMENT, "n": {"x": 7, "y": 2, "z": {}}}),
        ({"n.z.w": "$s"}, {**DOCUMENT, "n": {"x": 1, "y": 2, "z": {"w": 5}}}),
        ({"s.t": 1}, {**DOCUMENT, "s": {"t": 1}}),
        ({"a.b": 9}, {**DOCUMENT, "a": [{"b": 9, "c": 2}, {"b": 9}, [{"b": 9}]]}),
        ({"n": {}}, {**DOCUMENT, "n": {}}),
        ({"n": {"$literal": {"q": 1}}}, {**DOCUMENT, "n": {"q": 1}}),
        ({"p": "$s", "s": "$_id"}, {"_id": 1, "a": DOCUMENT["a"], "n": DOCUMENT["n"], "s": 1, "p": 5}),
    ],
)
def test_add_fields(specification: dict[str, Any], expected: dict[str, Any]) -> None:
    assert ordered(parse_add_fields(specification, Context()).compile()(DOCUMENT)) == ordered(expected)
    assert DOCUMENT["n"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("specification", "code"),
    [
        ({"a": 1, "a.b": 1}, 40176),
        ({"a.b": 1, "a": 1}, 40176),
        ({"a": {"b": 1}, "a.b": 1}, 40176),
        ({"a": {"$add": [1], "b": 1}}, 40181),
        ({"a": {"b": 1, "$add": [1]}}, 40181),
        ({"a": {"b.c": 1}}, 40183),
        ({"a.$": 1}, 16410),
        ({"$a": 1}, 16410),
        ({"": 1}, 40352),
        ({"a.": 1}, 40353),
        ({"a": {"$nothing": 1}}, 168),
    ],
)
def test_add_fields_errors(specification: dict[str, Any], code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        parse_add_fields(specification, Context())
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        ("a", {"_id": 1, "n": {"x": 1, "y": 2}, "s": 5}),
        (["a.b", "n"], {"_id": 1, "a": [{"c": 2}, 3, [{}]], "s": 5}),
        (["_id", "a", "n.x", "no"], {"n": {"y": 2}, "s": 5}),
    ],
)
def test_unset(operand: Any, expected: dict[str, Any]) -> None:
    assert ordered(parse_unset(operand, Context()).compile()(DOCUMENT)) == ordered(expected)


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        (1, 31002),
        ({"a": 1}, 31002),
        ([], 31119),
        (["a", 1], 31120),
        (["a", "a"], 31250),
        (["a", "a.b"], 31249),
        (["a.b", "a"], 31250),
        ("", 40352),
        ("$a", 16410),
        ("a.", 40353),
    ],
)
def test_unset_errors(operand: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        parse_unset(operand, Context())
    assert raised.value.code == code


def test_fields_of_a_reference() -> None:
    document = {"_id": 1, "r": DBRef("c", 7)}
    assert parse_projection({"r.$id": 1}, Context(), find=False).compile()(document) == {"_id": 1, "r": {"$id": 7}}
