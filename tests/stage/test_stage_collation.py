"""Collation of a whole aggregation (MongoDB manual: Collation, Operations that Support Collation).

Every comparison of strings follows the command's collation: filters, expressions, keys, joins, accumulators.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from kato_compat import MongoClient

pytest.importorskip("icu")

COLLATION = {"locale": "en", "strength": 2}
DOCUMENTS: list[dict[str, Any]] = [
    {"_id": 1, "a": "x", "b": ["A", "b"]},
    {"_id": 2, "a": "X", "b": ["a", "B"]},
    {"_id": 3, "a": "y", "b": []},
]


@pytest.fixture
def collection() -> Iterator[Any]:
    with MongoClient("memory://") as client:
        client.db.c.insert_many([dict(each) for each in DOCUMENTS])
        yield client.db.c


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ([{"$match": {"a": "X"}}, {"$project": {"_id": 1}}], [{"_id": 1}, {"_id": 2}]),
        ([{"$match": {"$expr": {"$eq": ["$a", "X"]}}}, {"$project": {"_id": 1}}], [{"_id": 1}, {"_id": 2}]),
        ([{"$group": {"_id": "$a", "n": {"$sum": 1}}}], [{"_id": "x", "n": 2}, {"_id": "y", "n": 1}]),
        (
            [{"$group": {"_id": {"k": "$a"}, "n": {"$sum": 1}}}],
            [{"_id": {"k": "x"}, "n": 2}, {"_id": {"k": "y"}, "n": 1}],
        ),
        ([{"$sortByCount": "$a"}], [{"_id": "x", "count": 2}, {"_id": "y", "count": 1}]),
        ([{"$sort": {"a": -1}}, {"$project": {"_id": 1}}], [{"_id": 3}, {"_id": 1}, {"_id": 2}]),
        (
            [{"$bucket": {"groupBy": "$a", "boundaries": ["X", "Y", "z"]}}],
            [{"_id": "X", "count": 2}, {"_id": "Y", "count": 1}],
        ),
        ([{"$facet": {"f": [{"$match": {"a": "X"}}, {"$count": "n"}]}}], [{"f": [{"n": 2}]}]),
        (
            [
                {"$setWindowFields": {"partitionBy": "$a", "sortBy": {"_id": 1}, "output": {"n": {"$sum": 1}}}},
                {"$project": {"n": 1}},
            ],
            [{"_id": 1, "n": 2}, {"_id": 2, "n": 2}, {"_id": 3, "n": 1}],
        ),
        (
            [
                {"$setWindowFields": {"output": {"m": {"$max": "$a"}, "s": {"$addToSet": "$a"}}}},
                {"$project": {"_id": 0, "m": 1, "s": 1}},
                {"$limit": 1},
            ],
            [{"m": "y", "s": ["x", "y"]}],
        ),
        (
            [{"$lookup": {"from": "c", "localField": "a", "foreignField": "a", "as": "j"}}, {"$project": {"j._id": 1}}],
            [
                {"_id": 1, "j": [{"_id": 1}, {"_id": 2}]},
                {"_id": 2, "j": [{"_id": 1}, {"_id": 2}]},
                {"_id": 3, "j": [{"_id": 3}]},
            ],
        ),
        (
            [
                {
                    "$lookup": {
                        "from": "c",
                        "let": {"v": "$a"},
                        "pipeline": [{"$match": {"$expr": {"$eq": ["$a", "$$v"]}}}, {"$project": {"_id": 1}}],
                        "as": "j",
                    }
                },
                {"$project": {"j": 1}},
                {"$limit": 1},
            ],
            [{"_id": 1, "j": [{"_id": 1}, {"_id": 2}]}],
        ),
    ],
)
def test_stages(collection: Any, pipeline: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert list(collection.aggregate(pipeline, collation=COLLATION)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"$eq": ["$a", "X"]}, True),
        ({"$ne": ["$a", "X"]}, False),
        ({"$lt": ["$a", "X"]}, False),
        ({"$lte": ["$a", "X"]}, True),
        ({"$cmp": ["$a", "X"]}, 0),
        ({"$in": ["a", "$b"]}, True),
        ({"$in": ["$a", ["X"]]}, True),
        ({"$indexOfArray": ["$b", "B"]}, 1),
        ({"$setUnion": ["$b", ["B", "c"]]}, ["A", "b", "c"]),
        ({"$setIntersection": ["$b", ["B", "c"]]}, ["b"]),
        ({"$setDifference": ["$b", ["B"]]}, ["A"]),
        ({"$setEquals": ["$b", ["B", "a"]]}, True),
        ({"$setIsSubset": [["B"], "$b"]}, True),
        ({"$max": ["$a", "B"]}, "x"),
        ({"$min": ["$a", "Y"]}, "x"),
        ({"$maxN": {"n": 1, "input": ["b", "C"]}}, ["C"]),
        ({"$sortArray": {"input": ["b", "C", "a"], "sortBy": 1}}, ["a", "b", "C"]),
        ({"$sortArray": {"input": [{"k": "b"}, {"k": "C"}], "sortBy": {"k": -1}}}, [{"k": "C"}, {"k": "b"}]),
        (
            {"$reduce": {"input": [["q"], ["Q"]], "initialValue": [], "in": {"$setUnion": ["$$value", "$$this"]}}},
            ["q"],
        ),
    ],
)
def test_expressions(collection: Any, expression: Any, expected: Any) -> None:
    pipeline = [{"$match": {"_id": 1}}, {"$project": {"_id": 0, "r": expression}}]
    assert list(collection.aggregate(pipeline, collation=COLLATION)) == [{"r": expected}]


@pytest.mark.parametrize(
    ("accumulator", "expected"),
    [
        ({"$max": "$a"}, "y"),
        ({"$min": "$a"}, "x"),
        ({"$addToSet": "$a"}, ["x", "y"]),
        ({"$setUnion": "$b"}, ["A", "b"]),
        ({"$minN": {"n": 2, "input": "$a"}}, ["x", "X"]),
        ({"$top": {"sortBy": {"a": -1}, "output": "$_id"}}, 3),
    ],
)
def test_accumulators(collection: Any, accumulator: Any, expected: Any) -> None:
    result = list(collection.aggregate([{"$group": {"_id": None, "r": accumulator}}], collation=COLLATION))
    assert result == [{"_id": None, "r": expected}]


def test_a_find_compares_in_expressions_too(collection: Any) -> None:
    found = collection.find({"$expr": {"$eq": ["$a", "X"]}}, {"_id": 1}, collation=COLLATION)
    assert list(found) == [{"_id": 1}, {"_id": 2}]


def test_an_update_compares_in_its_pipeline_too(collection: Any) -> None:
    collection.update_one({"_id": 1}, [{"$set": {"b": {"$eq": ["$a", "X"]}}}], collation=COLLATION)
    assert collection.find_one({"_id": 1}) == {"_id": 1, "a": "x", "b": True}


def test_distinct_holds_documents_equal_too() -> None:
    with MongoClient("memory://") as client:
        client.db.c.insert_many([{"a": {"k": "x"}}, {"a": {"k": "X"}}])
        assert client.db.c.distinct("a", collation=COLLATION) == [{"k": "x"}]
