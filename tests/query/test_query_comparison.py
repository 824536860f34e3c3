"""`$eq $ne $gt $gte $lt $lte $in $nin`: brackets, numbers, null, arrays, paths, collations."""

from datetime import datetime
from typing import Any

import pytest
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

from kato_compat.ir.predicate import AtPath, compile_predicate
from kato_compat.operators.query.comparison import Eq
from kato_compat.parse.filter import parse_filter
from kato_compat.values.collation import Collation
from kato_compat.values.document import normalise

NAN = float("nan")
DNAN = Decimal128("NaN")
MISSING: dict[str, Any] = {}


def holds(query: dict[str, Any], document: dict[str, Any]) -> bool:
    return compile_predicate(parse_filter(normalise(query)))(normalise(document))


EQUAL = [
    (1, 1.0),
    (1, Int64(1)),
    (1, Decimal128("1.00")),
    (0.0, -0.0),
    (2**53 + 1, Int64(2**53 + 1)),
    (NAN, NAN),
    (NAN, DNAN),
    (Decimal128("-NaN"), NAN),
    (float("inf"), Decimal128("Infinity")),
    ("a", "a"),
    (True, True),
    (None, None),
    (b"x", Binary(b"x", 0)),
    (datetime(2020, 1, 1), datetime(2020, 1, 1)),
    (DatetimeMS(2**60), DatetimeMS(2**60)),
    (Regex("a", "i"), Regex("a", "i")),
    ([1, [2]], [1.0, [2]]),
    ({"a": 1, "b": 2}, {"a": 1.0, "b": 2}),
    (DBRef("c", 1), DBRef("c", 1)),
    (MinKey(), MinKey()),
    (Code("x"), Code("x")),
    (Timestamp(1, 2), Timestamp(1, 2)),
]
DIFFERENT = [
    (1, True),
    (0, False),
    (1, "1"),
    (2**53, float(2**53) + 2),
    (2**53 + 1, float(2**53)),
    (Decimal128("0.1"), 0.5),
    ("a", "A"),
    ("a", Code("a")),
    ("", None),
    (None, False),
    (b"x", Binary(b"x", 5)),
    (datetime(1970, 1, 1), Timestamp(0, 0)),
    (Regex("a"), Regex("a", "i")),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"a": 1}, {"a": 1, "b": 1}),
    ([], {}),
    ([1, 2], [2, 1]),
    (Code("x"), Code("x", {})),
    (MinKey(), MaxKey()),
    (ObjectId("0" * 24), "0" * 24),
]


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal(left: Any, right: Any) -> None:
    for operand, value in ((left, right), (right, left)):
        assert holds({"x": {"$eq": operand}}, {"x": value})
        assert holds({"x": {"$in": [operand, "other"]}}, {"x": value})
        assert not holds({"x": {"$not": {"$eq": operand}}}, {"x": value})
        assert holds({"x.y": {"$eq": operand}}, {"x": {"y": value}})
        assert holds({"x": {"$eq": operand}}, {"x": ["first", value]})


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different(left: Any, right: Any) -> None:
    for operand, value in ((left, right), (right, left)):
        assert not holds({"x": {"$eq": operand}}, {"x": value})
        assert holds({"x": {"$not": {"$eq": operand}}}, {"x": value})
        assert not holds({"x": {"$in": [operand, "other"]}}, {"x": value})


RANGES = [
    (
        {"$gt": 1},
        [2, 1.5, Int64(2**40), Decimal128("1.1"), float("inf"), [0, 2]],
        [1, 0, "2", None, NAN, True, [], [1]],
    ),
    ({"$gte": 2.5}, [2.5, 3, Decimal128("2.5")], [2, "3", DNAN]),
    ({"$lt": Decimal128("0.5")}, [0, 0.25, -1, float("-inf")], [0.5, 1, NAN, None, ""]),
    ({"$lte": 2**53}, [2**53, float(2**53)], [2**53 + 1, False]),
    ({"$gt": NAN}, [], [NAN, 1, None]),
    ({"$gte": NAN}, [NAN, DNAN], [1, float("inf")]),
    ({"$lte": DNAN}, [NAN], [0]),
    ({"$lt": NAN}, [], [NAN, float("-inf")]),
    ({"$gt": "b"}, ["c", "ba", "é", ["a", "z"]], ["b", "B", 1, ["a"]]),
    ({"$lte": ""}, [""], ["a", None]),
    ({"$gte": False}, [False, True], [0, 1]),
    ({"$gt": False}, [True], [False]),
    (
        {"$gt": datetime(2020, 1, 1)},
        [datetime(2021, 1, 1), DatetimeMS(2**60)],
        [datetime(2019, 1, 1), Timestamp(2**31, 1)],
    ),
    ({"$lt": Timestamp(5, 0)}, [Timestamp(4, 9)], [Timestamp(5, 1), datetime(1970, 1, 1)]),
    ({"$gt": b"ab"}, [b"ac", Binary(b"ab", 1), b"abc"], [b"b", b"ab", "c"]),
    ({"$gt": ObjectId("1" * 24)}, [ObjectId("2" * 24)], [ObjectId("0" * 24), "2" * 24]),
    ({"$gt": {"a": 1}}, [{"a": 2}, {"b": 1}, {"a": 1, "b": 0}, {"a": "x"}], [{"a": 1}, {"a": None}, {}, 5]),
    ({"$gt": [1, 2]}, [[1, 3], [2], [1, 2, 0], [[1, 3], 0]], [[1, 2], [1], [], 5]),
    ({"$lt": []}, [], [[], [1], None]),
    ({"$lte": []}, [[], [[]]], [[1], None]),
    ({"$gte": None}, [None, MISSING, [None]], [0, "", False, []]),
    ({"$lte": None}, [None, MISSING], [0]),
    ({"$gt": None}, [], [None, MISSING, 0]),
    ({"$gt": MinKey()}, [1, None, MISSING, "a", MaxKey(), []], [MinKey()]),
    ({"$gte": MinKey()}, [1, MISSING, MinKey()], []),
    ({"$lt": MinKey()}, [], [1, MinKey()]),
    ({"$lte": MinKey()}, [MinKey()], [1, None]),
    ({"$lt": MaxKey()}, [1, MISSING, MinKey()], [MaxKey()]),
    ({"$lte": MaxKey()}, [1, MaxKey()], []),
    ({"$gte": MaxKey()}, [MaxKey()], [1, MISSING]),
    ({"$gt": MaxKey()}, [], [MaxKey(), 1]),
    ({"$gt": Code("a")}, [Code("b")], [Code("a"), "b", Code("b", {})]),
]


@pytest.mark.parametrize(("condition", "inside", "outside"), RANGES)
def test_range(condition: Any, inside: list[Any], outside: list[Any]) -> None:
    for value in inside:
        assert holds({"x": condition}, {} if value is MISSING else {"x": value}), value
    for value in outside:
        assert not holds({"x": condition}, {} if value is MISSING else {"x": value}), value


# MongoDB manual: Query for Null or Missing Fields; Query an Array of Embedded Documents.
PATHS = [
    ({"a": None}, [{}, {"a": None}, {"a": [1, None]}], [{"a": 0}, {"a": []}, {"a": [1]}]),
    ({"a": {"$ne": None}}, [{"a": 1}, {"a": []}], [{}, {"a": None}, {"a": [None]}]),
    (
        {"a.b": None},
        [{}, {"a": 1}, {"a": {}}, {"a": [{}]}, {"a": [{"b": 1}, {}]}],
        [{"a": []}, {"a": [1]}, {"a": [[]]}],
    ),
    (
        {"a.b": 1},
        [{"a": [{"b": 1}]}, {"a": {"b": [2, 1]}}, {"a": [{"b": [1]}]}],
        [{"a": [[{"b": 1}]]}, {"a": [{"b": [[1]]}]}],
    ),
    ({"a.0": 1}, [{"a": [1, 2]}, {"a": {"0": 1}}, {"a": [{"0": 1}]}], [{"a": [[1]]}, {"a": [2, 1]}, {"a": 1}]),
    ({"a.0": [1]}, [{"a": [[1]]}], [{"a": [[[1]]]}, {"a": [1]}]),
    ({"a.0.b": 1}, [{"a": [{"b": 1}]}, {"a": [[{"b": 1}]]}], [{"a": [{"b": 2}, {"b": 1}]}]),
    ({"a.1.0": 5}, [{"a": [0, [5]]}], [{"a": [0, 5]}]),
    ({"a.00": 1}, [{"a": {"00": 1}}], [{"a": [1]}]),
    ({"": 1}, [{"": 1}], [{"a": 1}]),
    ({"a": []}, [{"a": []}, {"a": [[]]}], [{}, {"a": [1]}]),
    ({"a": [1]}, [{"a": [1]}, {"a": [[1], 2]}], [{"a": 1}, {"a": [1, 2]}]),
    ({"a": {}}, [{"a": {}}, {"a": [{}]}], [{}, {"a": {"b": 1}}]),
    ({"a": {"$ne": [1]}}, [{"a": 1}, {"a": [1, 2]}], [{"a": [1]}, {"a": [[1], 2]}]),
    ({"r": {"$ref": "c", "$id": 1}}, [{"r": DBRef("c", 1)}, {"r": [DBRef("c", 1)]}], [{"r": DBRef("c", 2)}]),
    ({"r.$id": 1}, [{"r": DBRef("c", 1)}], [{"r": DBRef("c", 2)}]),
    ({"$id": 1}, [{"$id": 1}], [{}]),
    ({"a": {"b": 1, "$gt": 2}}, [{"a": {"b": 1, "$gt": 2}}], [{"a": 3}]),
]


@pytest.mark.parametrize(("query", "inside", "outside"), PATHS)
def test_path(query: Any, inside: list[Any], outside: list[Any]) -> None:
    for document in inside:
        assert holds(query, document), document
    for document in outside:
        assert not holds(query, document), document


LISTS = [
    ({"$in": []}, [], [1, None, MISSING, []]),
    ({"$nin": []}, [1, None, MISSING], []),
    ({"$in": [None]}, [None, MISSING, [None]], [0, []]),
    ({"$in": [1, None]}, [1, 1.0, Decimal128("1"), None, MISSING, ["x", 1]], [True, 2]),
    ({"$in": [True, "a"]}, [True, ["a"]], [1, False]),
    ({"$in": [[1], {"a": 1}]}, [[1], [[1]], {"a": 1.0}], [1, [1, 2], {"a": 2}]),
    ({"$in": [NAN, 2**63 - 1]}, [NAN, DNAN, Int64(2**63 - 1)], [float(2**63)]),
    ({"$in": [Regex("^a"), 1]}, ["abc", 1, Regex("^a"), ["b", "a"]], ["ba", Regex("^a", "i"), MISSING]),
    ({"$nin": [Regex("^a"), 1]}, ["ba", MISSING, 2], ["abc", 1, ["x", "a"]]),
    ({"$in": [Regex("^a")]}, ["abc"], ["x"]),
    ({"$in": [{"$ref": "c", "$id": 1}, 2]}, [DBRef("c", 1)], [DBRef("c", 3)]),
    ({"$in": [MinKey(), b"x"]}, [MinKey(), b"x"], [MaxKey(), "x"]),
]


@pytest.mark.parametrize(("condition", "inside", "outside"), LISTS)
def test_in(condition: Any, inside: list[Any], outside: list[Any]) -> None:
    test_range(condition, inside, outside)


def test_in_of_one_is_eq() -> None:
    """As on the server, so that an upsert takes the value from it."""
    assert parse_filter({"a": {"$in": [5]}}) == AtPath(("a",), Eq(5))


@pytest.mark.parametrize(
    ("query", "inside", "outside"),
    [
        ({"a": "PING"}, ["ping", ["x", "Ping"]], ["pong", 1]),
        ({"a": {"$in": ["B", 1, None]}}, ["b", 1, MISSING], ["c", True]),
        ({"a": {"$gt": "B"}}, ["c", "C"], ["a", "b", 5]),
        ({"a": {"$gte": {"x": "B"}}}, [{"x": "b"}, {"x": "C"}], [{"x": "a"}]),
        ({"a": ["A"]}, [["a"]], [["b"]]),
        ({"a": {"$ne": "A"}}, ["b", MISSING], ["a"]),
        ({"a": {"$lt": 3}}, [1], [4]),
    ],
)
def test_collation(query: Any, inside: list[Any], outside: list[Any]) -> None:
    """Strings compare by the collation, also inside values (MongoDB manual: Collation)."""
    pytest.importorskip("icu")
    collation = Collation.parse({"locale": "en", "strength": 2})
    matches = compile_predicate(parse_filter(query, collation=collation))
    for value in inside:
        assert matches({} if value is MISSING else {"a": value}), value
    for value in outside:
        assert not matches({} if value is MISSING else {"a": value}), value
