"""Sorting (MongoDB manual: $sort, Comparison/Sort Order)."""

import random
from datetime import datetime
from typing import Any

import pytest
from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from kato_compat.parse.sort import MAX_FIELDS, parse_sort


def places(pattern: dict[str, Any], documents: list[dict[str, Any]]) -> list[int]:
    """The positions of `documents` in sorted order, by all three ways of sorting."""
    runner = parse_sort(pattern).compile()
    numbered = [{**document, "#": number} for number, document in enumerate(documents)]
    result = [document["#"] for document in runner.sorted(numbered)]
    assert [document["#"] for document in sorted(numbered, key=runner.key)] == result
    assert [document["#"] for document in runner.top(iter(numbered), 3)] == result[:3]
    return result


BRACKETS = [
    MinKey(),
    [],
    None,
    float("nan"),
    float("-inf"),
    Decimal128("-1"),
    0,
    Int64(1),
    1.5,
    "a",
    "b",
    {},
    {"a": 1},
    b"a",
    Binary(b"b", 5),
    ObjectId("0" * 24),
    False,
    True,
    datetime(2020, 1, 1),
    Timestamp(1, 1),
    Regex("a"),
    MaxKey(),
]


def test_order_of_types() -> None:
    documents = [{"a": value} for value in BRACKETS]
    assert places({"a": 1}, documents) == list(range(len(BRACKETS)))
    assert places({"a": -1}, documents) == list(range(len(BRACKETS)))[::-1]


@pytest.mark.parametrize(
    ("pattern", "values", "expected"),
    [
        ({"a": 1}, [3, 1, 2], [1, 2, 0]),
        ({"a": -1}, [3, 1, 2], [0, 2, 1]),
        ({"a": 1}, [1, 1.0, Int64(1)], [0, 1, 2]),
        ({"a": -1}, [1, 1.0, Int64(1)], [0, 1, 2]),
        ({"a": 1}, [2**53, 2.0**53, 2**53 + 1], [0, 1, 2]),
        ({"a": -1}, [2.0**53, 2**53 + 1], [1, 0]),
        ({"a": 1}, ["b", "B", "a"], [1, 2, 0]),
        ({"a": 1}, [[3, 1], 2, [5]], [0, 1, 2]),
        ({"a": -1}, [[3, 1], 2, [5]], [2, 0, 1]),
        ({"a": 1}, [[], None, 1], [0, 1, 2]),
        ({"a": -1}, [[], None, 1], [2, 1, 0]),
        ({"a": 1}, [[[2]], [[1, 9]], [7]], [2, 1, 0]),
        ({"a": 1.9}, [2, 1], [1, 0]),
        ({"a": Int64(-1)}, [1, 2], [1, 0]),
        ({"a": Decimal128("1")}, [2, 1], [1, 0]),
    ],
)
def test_one_field(pattern: dict[str, Any], values: list[Any], expected: list[int]) -> None:
    assert places(pattern, [{"a": value} for value in values]) == expected


def test_missing_sorts_as_null_and_ties_keep_their_order() -> None:
    documents = [{"a": None}, {}, {"a": 1}, {"a": None}, {}]
    assert places({"a": 1}, documents) == [0, 1, 3, 4, 2]
    assert places({"a": -1}, documents) == [2, 0, 1, 3, 4]


@pytest.mark.parametrize(
    ("pattern", "documents", "expected"),
    [
        ({"a.b": 1}, [{"a": {"b": 2}}, {"a": {"b": 1}}, {"a": 5}, {}], [2, 3, 1, 0]),
        ({"a.b": 1}, [{"a": [{"b": 4}, {"b": 2}]}, {"a": {"b": 3}}], [0, 1]),
        ({"a.b": -1}, [{"a": {"b": 3}}, {"a": [{"b": 4}, {"b": 2}]}], [1, 0]),
        ({"a.b": 1}, [{"a": [{"b": 1}]}, {"a": [{"b": 1}, 5]}, {"a": []}], [1, 2, 0]),
        ({"a.b": 1}, [{"a": [[{"b": 1}]]}, {"a": {"b": 0}}], [0, 1]),
        ({"a.b": 1}, [{"a": {"b": [3, 1]}}, {"a": {"b": 2}}], [0, 1]),
        ({"a.0": 1}, [{"a": [5, 1]}, {"a": [2, 9]}, {"a": {"0": 3}}], [1, 2, 0]),
        ({"a.1.b": 1}, [{"a": [{"b": 1}, {"b": 5}]}, {"a": [{"b": 2}, {"b": 4}]}], [1, 0]),
        ({"a": 1, "b": -1}, [{"a": 1, "b": 1}, {"a": 0, "b": 1}, {"a": 1, "b": 2}], [1, 2, 0]),
        ({"b": 1, "a.c": -1}, [{"a": [{"c": 1}, {"c": 9}]}, {"a": {"c": 5}}, {"a": {"c": 10}, "b": 1}], [0, 1, 2]),
        # The pair that comes first counts, not the least of each field.
        (
            {"a.b": 1, "a.c": 1},
            [{"a": [{"b": 1, "c": 9}, {"b": 2, "c": 0}]}, {"a": [{"b": 1, "c": 5}]}],
            [1, 0],
        ),
        (
            {"a.b": 1, "a.c": -1},
            [{"a": [{"b": 1, "c": 1}, {"b": 1, "c": 3}]}, {"a": [{"b": 1, "c": 2}]}],
            [0, 1],
        ),
    ],
)
def test_paths_and_arrays(pattern: dict[str, Any], documents: list[dict[str, Any]], expected: list[int]) -> None:
    assert places(pattern, documents) == expected


def test_parallel_arrays_are_refused() -> None:
    with pytest.raises(OperationFailure) as raised:
        parse_sort({"a": 1, "b": 1}).compile().sorted([{"a": [1], "b": [2]}])
    assert raised.value.code == 2


def test_a_number_that_is_index_and_name_is_refused() -> None:
    with pytest.raises(OperationFailure) as raised:
        parse_sort({"a.0": 1}).compile().sorted([{"a": [{"0": 1}]}])
    assert raised.value.code == 16746


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ({}, 15976),
        ({"a": "asc"}, 15974),
        ({"a": True}, 15974),
        ({"a": None}, 15974),
        ({"a": 0}, 15975),
        ({"a": 2}, 15975),
        ({"a": float("nan")}, 15975),
        ({"a": 0.5}, 15975),
        ({"": 1}, 40352),
        ({"a.": 1}, 40353),
        ({"$a": 1}, 16410),
        ({".".join(["a"] * 201): 1}, 15),
        ({f"f{number}": 1 for number in range(MAX_FIELDS + 1)}, 13103),
        ({"a": {}}, 17312),
        ({"a": {"$add": 1}}, 17312),
        ({"a": {"$meta": "textScore", "b": 1}}, 9),
        ({"a": {"$meta": "nothing"}}, 31138),
        ({"a": {"$meta": "textScore"}}, 115),
        ({"$natural": 1}, 16410),
    ],
)
def test_errors(pattern: dict[str, Any], code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        parse_sort(pattern)
    assert raised.value.code == code


def test_natural_order_of_find() -> None:
    documents = [{"_id": 2}, {"_id": 1}]
    assert parse_sort({"$natural": 1}, find=True).compile().sorted(documents) == documents
    assert parse_sort({"$natural": -1}, find=True).compile().sorted(documents) == documents[::-1]
    assert parse_sort({}, find=True).compile().sorted(documents) == documents
    for pattern in ({"$natural": 2}, {"$natural": "x"}, {"$natural": 1, "a": 1}):
        with pytest.raises(OperationFailure) as raised:
            parse_sort(pattern, find=True)
        assert raised.value.code == 2


def test_all_ways_agree_on_random_documents() -> None:
    source = random.Random(7)

    def value(depth: int = 0) -> Any:
        choices: list[Any] = [None, 1, 2.5, Int64(3), "x", "y", True, float("nan"), ObjectId("1" * 24)]
        if depth < 2:
            choices += [[value(depth + 1) for _ in range(source.randrange(3))], {"b": value(depth + 1)}]
        return source.choice(choices)

    documents = [{"a": value(), "c": source.choice([1, 2, "z", None])} for _ in range(300)]
    for pattern in ({"a": 1}, {"a": -1}, {"c": -1, "a": 1}, {"c": 1, "a.b": -1}, {"a.b": 1, "c": -1}):
        runner = parse_sort(pattern).compile()
        expected = sorted(documents, key=runner.key)
        assert runner.sorted(documents) == expected
        assert runner.top(iter(documents), 10) == expected[:10]
        assert runner.top(iter(documents), 0) == []


def test_top_holds_little() -> None:
    # More than one block, and the answer spread over all of them.
    documents = ({"a": number * 7919 % 20_000} for number in range(20_000))
    assert [document["a"] for document in parse_sort({"a": -1}).compile().top(documents, 3)] == [19999, 19998, 19997]
