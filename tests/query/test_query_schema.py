"""`$jsonSchema`: what each keyword accepts and refuses (MongoDB manual: $jsonSchema)."""

from datetime import datetime
from typing import Any

import pytest
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.ir.predicate import compile_predicate
from kato_compat.parse.filter import parse_filter

# (schema of field x, values of x that satisfy it, values that do not)
KEYWORDS: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    ({"bsonType": "int"}, [1], [2**31, 1.0, "1", None, [1]]),
    ({"bsonType": ["int", "null"]}, [1, None], ["x"]),
    ({"bsonType": "number"}, [1, 1.5, Int64(1), Decimal128("1")], ["1", True]),
    ({"type": "number"}, [1, 1.5], ["1"]),
    ({"type": ["boolean", "array"]}, [True, []], [0, {}]),
    ({"bsonType": "date"}, [datetime(2020, 1, 1)], ["2020"]),
    ({"minimum": 5}, [5, 6.5, "text", None, [1]], [4, float("nan")]),
    ({"minimum": 5, "exclusiveMinimum": True}, [6], [5]),
    ({"maximum": 5, "exclusiveMaximum": False}, [5, Int64(-1)], [5.5, Decimal128("6")]),
    ({"multipleOf": 3}, [9, 0, -3, "x"], [10, 9.5, float("inf"), float("nan")]),
    ({"multipleOf": 0.1}, [0.3, 1, Decimal128("0.7")], [0.35]),
    ({"multipleOf": Decimal128("0.5")}, [1e300, 1.5], [0.25]),
    ({"pattern": "^a"}, ["ab", 1], ["b"]),
    ({"minLength": 2, "maxLength": 3}, ["ab", "é\U0001f600x", 5, ["a"]], ["a", "abcd"]),
    ({"minItems": 1, "maxItems": 2}, [[1], [1, 2], "x"], [[], [1, 2, 3]]),
    ({"uniqueItems": True}, [[1, 2], [1, True], [[1], [2]]], [[1, 1.0], [{"a": 1, "b": 2}, {"b": 2, "a": 1}]]),
    ({"uniqueItems": False}, [[1, 1]], []),
    ({"items": {"bsonType": "int"}}, [[1, 2], [], "x"], [[1, "a"]]),
    ({"items": [{"bsonType": "int"}, {"bsonType": "string"}]}, [[1, "a", None], [1], []], [["a"], [1, 1]]),
    ({"items": [{"bsonType": "int"}], "additionalItems": False}, [[1], []], [[1, 2]]),
    ({"items": [{}], "additionalItems": {"bsonType": "string"}}, [[1, "a"]], [["a", 1]]),
    ({"items": {"bsonType": "int"}, "additionalItems": False}, [[1, 2]], [["a"]]),
    ({"required": ["a", "b"]}, [{"a": None, "b": 1}, "x", [{"a": 1}]], [{"a": 1}, {}]),
    ({"properties": {"a": {"bsonType": "int"}}}, [{"a": 1}, {}, {"b": "x"}, 5], [{"a": "x"}, {"a": None}]),
    ({"properties": {"a": {}}, "additionalProperties": False}, [{"a": 1}, {}], [{"b": 1}, {"a": 1, "b": 1}]),
    ({"additionalProperties": {"bsonType": "int"}}, [{"a": 1}], [{"a": "x"}]),
    (
        {"patternProperties": {"^n": {"bsonType": "int"}, "s$": {"minimum": 5}}},
        [{"n": 1, "x": "y"}],
        [{"n": "a"}, {"ns": 1}],
    ),
    ({"patternProperties": {"^n": {}}, "additionalProperties": False}, [{"n1": 1}], [{"m": 1}]),
    ({"minProperties": 1, "maxProperties": 2}, [{"a": 1}, [1, 2, 3]], [{}, {"a": 1, "b": 1, "c": 1}]),
    ({"dependencies": {"a": ["b", "c"]}}, [{}, {"b": 1}, {"a": 1, "b": 1, "c": 1}, 5], [{"a": 1, "b": 1}]),
    ({"dependencies": {"a": {"required": ["b"]}}}, [{"a": 1, "b": 1}, {"c": 1}], [{"a": 1}]),
    ({"enum": [1, "a", {"x": 1, "y": 2}, None]}, [1.0, "a", {"y": 2, "x": 1}, None], [2, True, {"x": 1}, [1]]),
    ({"allOf": [{"minimum": 1}, {"maximum": 5}]}, [3], [0, 6]),
    ({"anyOf": [{"maximum": 1}, {"minimum": 5}]}, [0, 9], [3]),
    ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, [0, 9], [3]),
    ({"not": {"bsonType": "string"}}, [1], ["x"]),
    ({"title": "t", "description": "d"}, [1], []),
    ({"encrypt": {}}, [Binary(b"\x01" + b"k" * 16 + b"\x02data", 6)], [b"x", "x"]),
    (
        {"encrypt": {"bsonType": "string"}},
        [Binary(b"\x01" + b"k" * 16 + b"\x02", 6)],
        [Binary(b"\x01" + b"k" * 16 + b"\x10", 6)],
    ),
]


def satisfies(schema: dict[str, Any], document: dict[str, Any]) -> bool:
    return compile_predicate(parse_filter({"$jsonSchema": schema}))(document)


@pytest.mark.parametrize(("schema", "inside", "outside"), KEYWORDS)
def test_keyword(schema: dict[str, Any], inside: list[Any], outside: list[Any]) -> None:
    for value in inside:
        assert satisfies({"properties": {"x": schema}}, {"x": value}), value
    for value in outside:
        assert not satisfies({"properties": {"x": schema}}, {"x": value}), value
    assert satisfies({"properties": {"x": schema}}, {})


@pytest.mark.parametrize(
    ("schema", "document", "expected"),
    [
        ({}, {}, True),
        ({"bsonType": "object"}, {}, True),
        ({"bsonType": "string"}, {}, False),
        ({"minimum": 5}, {"a": 1}, True),
        ({"required": ["a"]}, {}, False),
        ({"additionalProperties": False}, {"_id": 1}, False),
        ({"enum": [{"a": 1}]}, {"a": 1.0}, True),
        ({"enum": [1]}, {"a": 1}, False),
        ({"properties": {"a": {"properties": {"b": {"bsonType": "int"}}}}}, {"a": {"b": "x"}}, False),
    ],
)
def test_root(schema: dict[str, Any], document: dict[str, Any], expected: bool) -> None:
    assert expected == satisfies(schema, document)


def test_among_other_conditions() -> None:
    matches = compile_predicate(parse_filter({"$nor": [{"$jsonSchema": {"required": ["a"]}}], "b": 1}))
    assert matches({"b": 1})
    assert not matches({"a": 1, "b": 1})


ERRORS: list[tuple[Any, int]] = [
    (1, 14),
    ({"nosuch": 1}, 9),
    ({"$ref": "x"}, 9),
    ({"format": "email"}, 9),
    ({"title": 1}, 14),
    ({"description": 1}, 14),
    ({"type": 1}, 14),
    ({"type": [1]}, 14),
    ({"type": "integer"}, 9),
    ({"bsonType": "integer"}, 9),
    ({"type": "int"}, 2),
    ({"bsonType": "nosuch"}, 2),
    ({"bsonType": []}, 9),
    ({"bsonType": ["int", "int"]}, 9),
    ({"type": "string", "bsonType": "string"}, 9),
    ({"minimum": "5"}, 14),
    ({"exclusiveMinimum": True}, 9),
    ({"maximum": 5, "exclusiveMaximum": 1}, 14),
    ({"multipleOf": "x"}, 14),
    ({"multipleOf": 0}, 9),
    ({"multipleOf": -1.5}, 9),
    ({"pattern": 1}, 14),
    ({"pattern": "("}, 51091),
    ({"minLength": -1}, 9),
    ({"maxLength": "x"}, 9),
    ({"minItems": 1.5}, 9),
    ({"uniqueItems": 1}, 14),
    ({"items": 1}, 14),
    ({"items": [1]}, 14),
    ({"additionalItems": 1}, 14),
    ({"required": "a"}, 14),
    ({"required": []}, 9),
    ({"required": [1]}, 14),
    ({"required": ["a", "a"]}, 9),
    ({"properties": []}, 14),
    ({"properties": {"a": 1}}, 14),
    ({"properties": {"a": {"nosuch": 1}}}, 9),
    ({"patternProperties": []}, 14),
    ({"patternProperties": {"a": 1}}, 14),
    ({"additionalProperties": 1}, 14),
    ({"minProperties": -1}, 9),
    ({"dependencies": []}, 14),
    ({"dependencies": {"a": 1}}, 14),
    ({"dependencies": {"a": []}}, 9),
    ({"dependencies": {"a": [1]}}, 14),
    ({"dependencies": {"a": ["b", "b"]}}, 9),
    ({"enum": 1}, 14),
    ({"enum": []}, 9),
    ({"enum": [1, 1.0]}, 9),
    ({"allOf": {}}, 14),
    ({"anyOf": []}, 2),
    ({"oneOf": [1]}, 14),
    ({"not": 1}, 14),
    ({"encrypt": 1}, 14),
    ({"encrypt": {}, "bsonType": "binData"}, 9),
    ({"encrypt": {}, "encryptMetadata": {"keyId": []}}, 9),
    ({"encryptMetadata": {}}, 9),
    ({"encrypt": {"nosuch": 1}}, 40415),
]


@pytest.mark.parametrize(("schema", "code"), ERRORS)
def test_error(schema: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        parse_filter({"$jsonSchema": schema})
    assert code == caught.value.code
