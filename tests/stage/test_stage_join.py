"""`$lookup`, `$graphLookup` and `$unionWith` (MongoDB manual: their pages; Query for Null or Missing Fields)."""

from contextlib import suppress
from typing import Any

import pytest
from bson import Decimal128, Int64
from bson.regex import Regex
from pymongo.errors import OperationFailure

from kato_compat.operators.stage import lookup

NAN = float("nan")


def join(aggregate: Any, local: Any, foreign: list[dict[str, Any]], **more: Any) -> list[Any]:
    """The ``_id`` of what a document `local` finds, joined by ``a`` and ``b``."""
    stage = {"$lookup": {"from": "f", "localField": "a", "foreignField": "b", "as": "found", **more}}
    (document,) = aggregate([local], [stage], {"f": foreign})
    return [each["_id"] for each in document["found"]]


FOREIGN: list[dict[str, Any]] = [
    {"_id": 0},
    {"_id": 1, "b": None},
    {"_id": 2, "b": 1},
    {"_id": 3, "b": [1, 2]},
    {"_id": 4, "b": []},
    {"_id": 5, "b": [None, 3]},
    {"_id": 6, "b": {"x": 1, "y": 2}},
    {"_id": 7, "b": [[1, 2], 4]},
    {"_id": 8, "b": True},
    {"_id": 9, "b": NAN},
    {"_id": 10, "b": Regex("^x")},
    {"_id": 11, "b": "x"},
    {"_id": 12, "b": 1.5},
]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1, [2, 3]),
        (1.0, [2, 3]),
        (Int64(1), [2, 3]),
        (Decimal128("1.0"), [2, 3]),
        (Decimal128("1.5"), [12]),
        (True, [8]),
        (None, [0, 1, 5]),
        ([], [0, 1, 5]),
        ([2, 3], [3, 5]),
        ([[1, 2]], [3, 7]),
        ({"x": 1, "y": 2}, [6]),
        ({"y": 2, "x": 1}, []),
        (NAN, [9]),
        (Decimal128("NaN"), [9]),
        (Regex("^x"), [10]),
        (["x", Regex("^x")], [10, 11]),
        ("y", []),
        ([1, None], [0, 1, 2, 3, 5]),
    ],
)
def test_equality(value: Any, found: list[int], aggregate: Any) -> None:
    assert join(aggregate, {"_id": 1, "a": value}, FOREIGN) == found


def test_missing_is_null(aggregate: Any) -> None:
    assert join(aggregate, {"_id": 1}, FOREIGN) == [0, 1, 5]


@pytest.mark.parametrize(
    ("local", "path", "found"),
    [
        ({"a": {"b": 1}}, "a.b", [2, 3]),
        ({"a": [{"b": 1}, {"b": 3}]}, "a.b", [2, 3, 5]),
        ({"a": [{"b": [1, 3]}, {"c": 1}]}, "a.b", [2, 3, 5]),
        ({"a": [{"b": 9}, {"b": 1}]}, "a.1.b", [2, 3]),
        ({"a": [9, 1]}, "a.1", [2, 3]),
        ({"a": [9, 1]}, "a.b", [0, 1, 5]),
        ({"a": 1}, "a.b", [0, 1, 5]),
    ],
)
def test_local_paths(local: dict[str, Any], path: str, found: list[int], aggregate: Any) -> None:
    stage = {"$lookup": {"from": "f", "localField": path, "foreignField": "b", "as": "found"}}
    (document,) = aggregate([local], [stage], {"f": FOREIGN})
    assert [each["_id"] for each in document["found"]] == found


@pytest.mark.parametrize(
    ("foreign", "found"),
    [
        ({"b": {"c": 1}}, True),
        ({"b": [{"c": 2}, {"c": 1}]}, True),
        ({"b": [{"c": [1, 5]}]}, True),
        ({"b": [{"c": [[1]]}]}, False),
        ({"b": 1}, False),
    ],
)
def test_foreign_paths(foreign: dict[str, Any], found: bool, aggregate: Any) -> None:
    stage = {"$lookup": {"from": "f", "localField": "a", "foreignField": "b.c", "as": "found"}}
    (document,) = aggregate([{"_id": 1, "a": 1}], [stage], {"f": [foreign]})
    assert bool(document["found"]) is found


def test_the_result_takes_the_place_of_what_lay_at_the_path(aggregate: Any) -> None:
    stage = {"$lookup": {"from": "f", "localField": "a", "foreignField": "b", "as": "x.y"}}
    documents = [{"_id": 1, "x": {"z": 1}}, {"_id": 2, "x": 5, "a": 2}]
    assert aggregate(documents, [stage], {"f": [{"_id": 1, "b": 2}]}) == [
        {"_id": 1, "x": {"z": 1, "y": []}},
        {"_id": 2, "x": {"y": [{"_id": 1, "b": 2}]}, "a": 2},
    ]


def test_foreign_documents_are_read_by_value_and_once_for_each(aggregate: Any, deployment: Any) -> None:
    held = deployment({"c": [{"_id": n, "a": n % 3} for n in range(9)], "f": [{"_id": n, "b": n} for n in range(50)]})
    stage = {"$lookup": {"from": "f", "localField": "a", "foreignField": "b", "as": "x"}}
    actual = aggregate([], [stage], deployment=held)
    assert [each["x"] for each in actual] == [[{"_id": n % 3, "b": n % 3}] for n in range(9)]
    assert held.reads == [("f", 1)]


def test_many_values_read_the_collection_whole(aggregate: Any, deployment: Any) -> None:
    number = 5000
    held = deployment({"c": [{"_id": n} for n in range(number)], "f": [{"_id": n, "b": n} for n in range(number)]})
    stage = {"$lookup": {"from": "f", "localField": "_id", "foreignField": "b", "as": "x"}}
    actual = aggregate([], [stage, {"$match": {"x": [{"_id": 1, "b": 1}]}}], deployment=held)
    assert actual == [{"_id": 1, "x": [{"_id": 1, "b": 1}]}]
    assert held.reads[-1] == ("f", 0)
    assert len(held.reads) <= 3
    every = aggregate([], [stage, {"$match": {"x": {"$size": 1}}}, {"$count": "n"}], deployment=held)
    assert every == [{"n": number}]


def test_pipeline_with_variables(aggregate: Any, deployment: Any) -> None:
    held = deployment(
        {
            "c": [{"_id": 1, "k": "a", "least": 2}, {"_id": 2, "k": "b", "least": 0}, {"_id": 3}],
            "f": [{"_id": 1, "k": "a", "n": 1}, {"_id": 2, "k": "a", "n": 2}, {"_id": 3, "k": "b", "n": 3}, {"_id": 4}],
        }
    )
    stage = {
        "$lookup": {
            "from": "f",
            "let": {"k": "$k", "least": "$least"},
            "pipeline": [
                {"$match": {"$expr": {"$and": [{"$eq": ["$k", "$$k"]}, {"$gte": ["$n", "$$least"]}]}}},
                {"$project": {"_id": 0, "n": 1, "least": "$$least"}},
            ],
            "as": "x",
        }
    }
    actual = aggregate([], [stage, {"$project": {"x": 1}}], deployment=held)
    assert actual == [
        {"_id": 1, "x": [{"n": 2, "least": 2}]},
        {"_id": 2, "x": [{"n": 3, "least": 0}]},
        # Missing equals missing in $eq, and nothing is greater or equal than missing but what is there.
        {"_id": 3, "x": [{}]},
    ]
    assert held.reads == [("f", 0)]


def test_what_does_not_depend_on_the_document_is_read_once(aggregate: Any, deployment: Any) -> None:
    held = deployment({"c": [{"_id": n} for n in range(5)], "f": [{"_id": n} for n in range(9)]})
    pipeline = [{"$match": {"_id": {"$lt": 3}}}, {"$addFields": {"two": 2}}, {"$addFields": {"of": "$$id"}}]
    stage = {"$lookup": {"from": "f", "let": {"id": "$_id"}, "pipeline": pipeline, "as": "x"}}
    actual = aggregate([], [stage], deployment=held)
    assert actual[4]["x"] == [{"_id": n, "two": 2, "of": 4} for n in range(3)]
    assert held.reads == [("f", 2)]
    plain = {"$lookup": {"from": "f", "pipeline": pipeline[:2], "as": "x"}}
    assert len(aggregate([], [plain], deployment=held)[0]["x"]) == 3
    assert held.reads[1:] == [("f", 2)]


def test_equality_and_pipeline_together(aggregate: Any) -> None:
    foreign = [{"_id": n, "b": n % 2, "n": n} for n in range(6)]
    more = {"let": {"top": "$top"}, "pipeline": [{"$match": {"$expr": {"$lt": ["$n", "$$top"]}}}, {"$sort": {"n": -1}}]}
    assert join(aggregate, {"_id": 1, "a": 1, "top": 4}, foreign, **more) == [3, 1]
    limited = {"pipeline": [{"$limit": 1}]}
    assert join(aggregate, {"_id": 1, "a": 1}, foreign, **limited) == [1]


def test_nested_pipelines_see_the_variables_around_them(aggregate: Any) -> None:
    inner = {
        "$lookup": {
            "from": "g",
            "let": {"b": "$b"},
            "pipeline": [{"$project": {"_id": 0, "sum": {"$add": ["$n", "$$a", "$$b", "$$c"]}}}],
            "as": "y",
        }
    }
    stage = {"$lookup": {"from": "f", "let": {"a": "$a"}, "pipeline": [inner], "as": "x"}}
    actual = aggregate(
        [{"_id": 1, "a": 100}, {"_id": 2, "a": 200}],
        [stage, {"$project": {"y": "$x.y.sum"}}],
        {"f": [{"_id": 1, "b": 10}, {"_id": 2, "b": 20}], "g": [{"_id": 1, "n": 1}]},
        let={"c": 1000},
    )
    # A path goes through one level of arrays at each name.
    assert actual == [{"_id": 1, "y": [[1111], [1121]]}, {"_id": 2, "y": [[1211], [1221]]}]


def test_a_variable_is_the_document_s_even_where_an_expression_binds_others(aggregate: Any) -> None:
    mapped = {"$map": {"input": [1, 2], "as": "each", "in": {"$add": ["$$each", "$$a"]}}}
    stage = {"$lookup": {"from": "f", "let": {"a": "$a"}, "pipeline": [{"$set": {"m": mapped}}], "as": "x"}}
    actual = aggregate([{"_id": 1, "a": 10}, {"_id": 2, "a": 20}], [stage], {"f": [{"_id": 1}]})
    assert [each["x"][0]["m"] for each in actual] == [[11, 12], [21, 22]]


def test_lookup_of_documents_in_the_pipeline(aggregate: Any) -> None:
    stage = {
        "$lookup": {
            "localField": "a",
            "foreignField": "b",
            "pipeline": [{"$documents": [{"b": 1, "v": "x"}, {"b": 2, "v": "y"}]}, {"$project": {"v": 1}}],
            "as": "x",
        }
    }
    assert aggregate([{"_id": 1, "a": 2}], [stage]) == [{"_id": 1, "a": 2, "x": [{"v": "y"}]}]


def test_a_collection_that_does_not_exist_is_empty(aggregate: Any) -> None:
    assert join(aggregate, {"_id": 1, "a": 1}, []) == []
    stage = {"$lookup": {"from": "nowhere", "pipeline": [], "as": "x"}}
    assert aggregate([{"_id": 1}], [stage]) == [{"_id": 1, "x": []}]


CHAIN = [
    {"_id": 1, "next": 2},
    {"_id": 2, "next": [3, 4]},
    {"_id": 3, "next": 1},
    {"_id": 4, "next": None},
    {"_id": 5, "next": 4},
]


def graph(aggregate: Any, start: Any, **more: Any) -> list[dict[str, Any]]:
    stage = {
        "$graphLookup": {
            "from": "f",
            "startWith": start,
            "connectFromField": "next",
            "connectToField": "_id",
            "as": "x",
            **more,
        }
    }
    (document,) = aggregate([{"_id": 1, "s": [4, 5]}], [stage], {"f": CHAIN})
    found: list[dict[str, Any]] = document["x"]
    return found


def test_graph(aggregate: Any) -> None:
    assert [each["_id"] for each in graph(aggregate, 1)] == [1, 2, 3, 4]
    assert [each["_id"] for each in graph(aggregate, "$s")] == [4, 5]
    assert graph(aggregate, "$missing") == []
    depths = graph(aggregate, 1, depthField="at.depth", maxDepth=1)
    assert depths == [
        {"_id": 1, "next": 2, "at": {"depth": Int64(0)}},
        {"_id": 2, "next": [3, 4], "at": {"depth": Int64(1)}},
    ]
    assert [type(each["at"]["depth"]) for each in depths] == [Int64, Int64]
    assert [each["_id"] for each in graph(aggregate, 1, restrictSearchWithMatch={"_id": {"$ne": 2}})] == [1]


def test_null_connects_to_null_and_not_to_missing(aggregate: Any) -> None:
    stage = {
        "$graphLookup": {
            "from": "f",
            "startWith": None,
            "connectFromField": "x",
            "connectToField": "y",
            "as": "found",
        }
    }
    (document,) = aggregate([{"_id": 1}], [stage], {"f": [{"_id": 1}, {"_id": 2, "y": None}]})
    assert document["found"] == [{"_id": 2, "y": None}]


def test_union(aggregate: Any) -> None:
    others = {"f": [{"_id": 7, "n": 1}, {"_id": 8, "n": 2}]}
    assert aggregate([{"_id": 1}], [{"$unionWith": "f"}], others) == [{"_id": 1}, *others["f"]]
    part = {"$unionWith": {"coll": "f", "pipeline": [{"$match": {"n": 2}}]}}
    assert aggregate([{"_id": 1}], [part, {"$count": "n"}], others) == [{"n": 2}]
    assert aggregate([], [{"$unionWith": "nowhere"}], others) == []
    assert aggregate([{"_id": 1}], [{"$unionWith": "f"}, {"$limit": 1}], others) == [{"_id": 1}]
    many = {"f": [{"_id": n} for n in range(5000)]}
    assert aggregate([], [{"$unionWith": "f"}, {"$unionWith": "f"}, {"$count": "n"}], many) == [{"n": 10000}]


def test_joins_inside_facets(aggregate: Any) -> None:
    others = {"f": [{"_id": 7, "b": 1}]}
    stage = {
        "$facet": {
            "x": [{"$lookup": {"from": "f", "localField": "_id", "foreignField": "b", "as": "y"}}, {"$unwind": "$y"}],
            "z": [{"$unionWith": "f"}, {"$count": "n"}],
        }
    }
    assert aggregate([{"_id": 1}, {"_id": 2}], [stage], others) == [
        {"x": [{"_id": 1, "y": {"_id": 7, "b": 1}}], "z": [{"n": 3}]}
    ]


def test_readers_of_other_collections_are_closed(aggregate: Any, deployment: Any) -> None:
    for pipeline in (
        [{"$unionWith": "f"}, {"$limit": 2}],
        [{"$unionWith": "f"}],
        [{"$facet": {"x": [{"$unionWith": "f"}, {"$limit": 2}]}}],
        [{"$unionWith": "f"}, {"$set": {"a": {"$toInt": "$text"}}}],
        [{"$lookup": {"from": "f", "localField": "_id", "foreignField": "_id", "as": "x"}}, {"$limit": 1}],
    ):
        held = deployment({"c": [{"_id": 1}], "f": [{"_id": n, "text": "1" if n < 1500 else "x"} for n in range(3000)]})
        with suppress(OperationFailure):
            aggregate([], pipeline, deployment=held)
        assert [source.closed for source in held.sources] == [True]


MIXED = [1, 1.0, Decimal128("1"), Int64(2), None, "x", [], [1], [[1]], {"x": 1}, True, NAN, Regex("x")]


def test_a_hash_finds_what_testing_each_document_finds(aggregate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [*({"_id": n, "a": value} for n, value in enumerate(MIXED)), {"_id": 99}]
    foreign = [*({"_id": n, "b": value} for n, value in enumerate(MIXED)), {"_id": 99}]
    stage = {
        "$lookup": {
            "from": "f",
            "let": {"a": "$a"},
            "pipeline": [{"$match": {"$expr": {"$eq": ["$$a", "$b"]}}}, {"$project": {"_id": 1}}],
            "as": "x",
        }
    }
    hashed = aggregate(documents, [stage], {"f": foreign})
    assert [each["_id"] for each in hashed[0]["x"]] == [0, 1, 2]
    monkeypatch.setattr(lookup, "key_equality", lambda pipeline: None)
    assert repr(aggregate(documents, [stage], {"f": foreign})) == repr(hashed)


@pytest.mark.parametrize("path", ["b", "b.c"])
def test_reading_by_value_and_reading_all_find_the_same(
    path: str, aggregate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = [value for value in MIXED if type(value) is not list]
    foreign = [
        *({"_id": n, "b": value} for n, value in enumerate(MIXED)),
        *({"_id": n + 100, "b": {"c": value}} for n, value in enumerate(MIXED)),
        *({"_id": n + 200, "b": [{"c": value}, {"c": "y"}]} for n, value in enumerate(MIXED)),
        {"_id": 99},
    ]
    stage = {"$lookup": {"from": "f", "localField": "a", "foreignField": path, "as": "x"}}
    for value in single:
        documents = [{"_id": 1, "a": value}]
        monkeypatch.setattr(lookup, "_ASKED", 2000)
        by_value = aggregate(documents, [stage], {"f": foreign})
        monkeypatch.setattr(lookup, "_ASKED", 0)
        assert repr(aggregate(documents, [stage], {"f": foreign})) == repr(by_value)
