"""The other query operators: what they match."""

from typing import Any

import pytest
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.regex import Regex

from kato_compat.ir.predicate import ALWAYS, NEVER, Not, compile_predicate, matched_index
from kato_compat.parse.expression import Context
from kato_compat.parse.filter import parse_filter
from kato_compat.values.document import normalise

MISSING: dict[str, Any] = {}


def holds(query: dict[str, Any], document: dict[str, Any]) -> bool:
    return compile_predicate(parse_filter(normalise(query)))(normalise(document))


VALUES = [
    # $exists, $type
    ({"$exists": 1}, [None, 0, []], [MISSING]),
    ({"$exists": False}, [MISSING], [None]),
    ({"$exists": None}, [MISSING], [1]),
    ({"$type": "array"}, [[], [1], [[1]]], [1, MISSING]),
    ({"$type": "int"}, [1, ["x", 1]], [2**31, 1.0, True]),
    ({"$type": 18}, [2**31, Int64(1)], [1]),
    ({"$type": "number"}, [1, 1.5, Int64(1), Decimal128("1")], ["1", True, None]),
    ({"$type": ["null", "bool"]}, [None, True, [None]], [0, MISSING]),
    ({"$type": -1.0}, [], [MaxKey(), 1]),
    ({"$type": 127}, [MaxKey()], [1]),
    ({"$type": "object"}, [{}, [{}]], [[], "x"]),
    # $mod: cut to an integer, sign of the dividend
    (
        {"$mod": [4, 0]},
        [8, 8.9, Int64(8), Decimal128("8.5"), 0, [1, 4], -4],
        [7, "8", float("nan"), float("inf"), True],
    ),
    ({"$mod": [4, -3]}, [-3, -7.5], [1, 5]),
    ({"$mod": [-4, 1]}, [5], [-5]),
    ({"$mod": [4.9, 0.5]}, [8], [9]),
    ({"$mod": [Int64(2**62), 1]}, [1, 2**62 + 1], [2]),
    ({"$mod": [2, 0]}, [-0.5], [1e19, Decimal128("1E+30"), MISSING]),
    # $regex
    ({"$regex": "^a"}, ["abc", ["x", "a"], Regex("^a")], ["ba", 1, MISSING, Regex("^a", "i")]),
    ({"$regex": Regex("B", "i")}, ["abc"], ["ac"]),
    ({"$regex": Regex("B"), "$options": "i"}, ["abc"], ["ac"]),
    ({"$options": "ms", "$regex": "^b.c"}, ["a\nb\nc"], ["ab\nc"]),
    ({"$not": Regex("^a")}, ["b", 1, MISSING], ["a", ["b", "a"]]),
    ({"$not": {"$regex": "^a"}}, ["b"], ["a"]),
    (Regex("a b", "x"), ["ab"], ["a b"]),
    ({"$regex": ""}, ["", "x"], [1]),
    # $all
    ({"$all": [1, 2]}, [[2, 1, 3], [1.0, [], 2]], [[1], 1, MISSING]),
    ({"$all": [1]}, [1, [1]], [[[1]]]),
    ({"$all": [[1, 2]]}, [[1, 2], [[1, 2]]], [[2, 1], [1, 2, 3]]),
    ({"$all": []}, [], [[], 1, MISSING]),
    ({"$all": [None]}, [None, MISSING, [None]], [[], 1]),
    ({"$all": [Regex("^a"), "b"]}, [["abc", "b"]], [["b"]]),
    ({"$all": [{"$elemMatch": {"q": 1}}, {"$elemMatch": {"q": 2}}]}, [[{"q": 1}, {"q": 2}]], [[{"q": 1}]]),
    ({"$all": [{"x": 1}]}, [{"x": 1}, [{"x": 1}]], [[{"x": 2}]]),
    # $elemMatch
    ({"$elemMatch": {"$gt": 1, "$lt": 3}}, [[0, 2]], [[0, 4], 2, [], MISSING, [[2]]]),
    ({"$elemMatch": {"$in": ["a"]}}, [["a"]], [[["a"]], "a"]),
    ({"$elemMatch": {"$eq": ["a"]}}, [[["a"]]], [["a"]]),
    ({"$elemMatch": {"$elemMatch": {"$gt": 1}}}, [[[2]], [[0], [5]]], [[2], [[1]]]),
    ({"$elemMatch": {"$size": 1}}, [[[5]]], [[5], [[]]]),
    ({"$elemMatch": {"$not": {"$gt": 5}}}, [[1, 9], ["x"]], [[9], []]),
    ({"$elemMatch": {"$ne": 1}}, [[1, 2]], [[1], []]),
    ({"$elemMatch": {"$exists": True}}, [[None]], [[], 1]),
    ({"$elemMatch": {"$regex": "^a"}}, [["b", "ab"]], ["ab", ["b"]]),
    (
        {"$elemMatch": {"b": 1, "c": 2}},
        [[{"b": 1, "c": 2}], [{"b": [1], "c": 2}]],
        [[{"b": 1}, {"c": 2}], {"b": 1, "c": 2}],
    ),
    ({"$elemMatch": {"b": None}}, [[{}], [[1]], [{"b": None}]], [[1], [{"b": 1}], []]),
    ({"$elemMatch": {"0": 5}}, [[[5]], [{"0": 5}]], [[5], [[4, 5]]]),
    ({"$elemMatch": {"$or": [{"b": 1}, {"c": 1}]}}, [[{"c": 1}]], [[{"b": 2}], [1]]),
    ({"$elemMatch": {}}, [[{}], [[]]], [[1], []]),
    # $size
    ({"$size": 0}, [[]], [MISSING, None, "", {}]),
    ({"$size": 2.0}, [[1, [2, 3]]], [[1], "ab", {"a": 1, "b": 2}]),
    ({"$size": Decimal128("1")}, [[None]], [1]),
    # bits
    (
        {"$bitsAllSet": [0, 2]},
        [5, 7.0, Int64(-1), b"\x05", [1, 5], Decimal128("5")],
        [4, 5.5, "5", True, None, float("nan")],
    ),
    ({"$bitsAllSet": 2**40}, [Int64(2**40), -1], [1, b"\xff"]),
    ({"$bitsAllSet": [200]}, [-1, Binary(b"\0" * 25 + b"\x01", 5)], [1, b""]),
    ({"$bitsAllClear": [63, 200]}, [1, b"", b"\xff"], [-1]),
    ({"$bitsAnySet": b"\x03"}, [1, 2, 3, b"\x02\0"], [4, 0, b""]),
    ({"$bitsAnyClear": 3}, [0, 1, 2, b""], [3, 7, 1e300]),
    ({"$bitsAllSet": 0}, [0, 5, b""], ["", None]),
    ({"$bitsAnySet": []}, [], [5]),
    # $not
    ({"$not": {"$gt": 1, "$lt": 5}}, [1, 5, MISSING, "x"], [2, [0, 3]]),
    ({"$not": {"$not": {"$eq": 1}}}, [1], [2]),
    ({"$not": {"$exists": True}}, [MISSING], [1]),
]


@pytest.mark.parametrize(("condition", "inside", "outside"), VALUES)
def test_value(condition: Any, inside: list[Any], outside: list[Any]) -> None:
    for value in inside:
        assert holds({"x": condition}, {} if value is MISSING else {"x": value}), value
    for value in outside:
        assert not holds({"x": condition}, {} if value is MISSING else {"x": value}), value


DOCUMENTS = [
    ({}, [{}, {"a": 1}], []),
    ({"$and": [{"a": 1}, {"b": 2}]}, [{"a": 1, "b": 2}], [{"a": 1}]),
    ({"$or": [{"a": 1}, {"b": 2}], "c": 3}, [{"b": 2, "c": 3}], [{"b": 2}, {"c": 3}]),
    ({"$nor": [{"a": 1}, {"b": {"$gt": 2}}]}, [{}, {"b": 1}], [{"a": 1}, {"b": 3}]),
    ({"$and": [{}]}, [{}], []),
    ({"$and": [{"$or": [{"a": 1}, {"$and": [{"b": 1}, {"c": 1}]}]}]}, [{"a": 1}, {"b": 1, "c": 1}], [{"b": 1}]),
    ({"$expr": {"$literal": 0}}, [], [{}]),
    ({"$expr": "$a"}, [{"a": 1}, {"a": ""}], [{"a": 0}, {}, {"a": None}]),
    ({"$comment": {"any": "thing"}, "a": 1}, [{"a": 1}], [{}]),
    ({"$alwaysTrue": 1.0}, [{}], []),
    ({"$alwaysFalse": Int64(1)}, [], [{}]),
    ({"$sampleRate": 0}, [], [{}]),
    ({"a": {"$exists": True, "$eq": None}}, [{"a": None}], [{}]),
    ({"a.b": {"$exists": True}}, [{"a": [{"b": None}]}, {"a": {"b": []}}], [{"a": [1]}, {"a": []}, {"a": 1}]),
    ({"a.b": {"$exists": False}}, [{"a": []}, {"a": [{}]}, {}], [{"a": [{}, {"b": 1}]}]),
    ({"a.b": {"$size": 1}}, [{"a": [{"b": [1]}]}], [{"a": [{"b": 1}]}]),
    ({"a.0": {"$size": 1}}, [{"a": [[1]]}], [{"a": [1]}]),
    ({"a.b": {"$elemMatch": {"$gt": 1}}}, [{"a": [{"b": [2]}]}], [{"a": [{"b": 2}]}]),
]


@pytest.mark.parametrize(("query", "inside", "outside"), DOCUMENTS)
def test_document(query: Any, inside: list[Any], outside: list[Any]) -> None:
    for document in inside:
        assert holds(query, document), document
    for document in outside:
        assert not holds(query, document), document


def test_negatives_are_not_nodes() -> None:
    """Design: negatives are rewritten when a filter is parsed."""
    for query in ({"a": {"$ne": 1}}, {"a": {"$nin": [1, 2]}}, {"$nor": [{"a": 1}]}, {"a": {"$exists": False}}):
        assert type(parse_filter(query)) is Not


def test_constants() -> None:
    assert parse_filter({}) == ALWAYS
    assert parse_filter({"a": {"$in": []}}) == NEVER
    assert parse_filter({"$expr": True}) == ALWAYS


def test_sample_rate_is_a_share() -> None:
    matches = compile_predicate(parse_filter({"$sampleRate": 0.5}))
    found = sum(matches({}) for _ in range(2000))
    assert 600 < found < 1400


def test_variables_reach_expr() -> None:
    matches = compile_predicate(parse_filter({"$or": [{"$expr": "$$v"}]}, Context(constants={"v": True})))
    assert matches({})


@pytest.mark.parametrize(
    ("query", "document", "index"),
    [
        ({"a": 2}, {"a": [1, 2, 2]}, 1),
        ({"a": {"$elemMatch": {"b": 3}}}, {"a": [{"b": 1}, {"b": 3}]}, 1),
        ({"a": {"$elemMatch": {"$gt": 1}}}, {"a": [0, 1, 5]}, 2),
        ({"a.b": 3}, {"a": [{"b": 1}, {"b": 3}]}, 1),
        ({"a": {"$all": [1, 3]}}, {"a": [1, 2, 3]}, 2),
        ({"a": 1}, {"a": 1}, None),
    ],
)
def test_position(query: Any, document: Any, index: int | None) -> None:
    assert index == matched_index(parse_filter(query))(document)
