"""What single stages give: types, order of fields, edge cases (MongoDB manual: the page of each stage)."""

from typing import Any

import pytest
from bson import Decimal128, Int64


def typed(value: Any) -> Any:
    """`value` with the types of all its parts, in order."""
    if isinstance(value, dict):
        return [(name, typed(item)) for name, item in value.items()]
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (type(value), value if value == value else "NaN")


def check(actual: Any, expected: Any) -> None:
    assert typed(actual) == typed(expected)


@pytest.mark.parametrize(
    ("document", "options", "expected"),
    [
        ({"a": [1, 2]}, {}, [{"a": 1}, {"a": 2}]),
        ({"a": [[1], None]}, {}, [{"a": [1]}, {"a": None}]),
        ({"a": 5}, {}, [{"a": 5}]),
        ({"a": {"b": 1}}, {}, [{"a": {"b": 1}}]),
        ({"a": []}, {}, []),
        ({"a": None}, {}, []),
        ({}, {}, []),
        ({"a": [], "b": 1}, {"preserveNullAndEmptyArrays": True}, [{"b": 1}]),
        ({"a": None}, {"preserveNullAndEmptyArrays": True}, [{"a": None}]),
        ({"b": 1}, {"preserveNullAndEmptyArrays": True}, [{"b": 1}]),
        ({"a": [7, 8]}, {"includeArrayIndex": "i"}, [{"a": 7, "i": Int64(0)}, {"a": 8, "i": Int64(1)}]),
        ({"a": 7}, {"includeArrayIndex": "i"}, [{"a": 7, "i": None}]),
        ({"a": [7]}, {"includeArrayIndex": "x.i"}, [{"a": 7, "x": {"i": Int64(0)}}]),
        ({"a": [7]}, {"includeArrayIndex": "a"}, [{"a": Int64(0)}]),
        ({}, {"includeArrayIndex": "i", "preserveNullAndEmptyArrays": True}, [{"i": None}]),
    ],
)
def test_unwind(document: Any, options: Any, expected: Any, aggregate: Any) -> None:
    stages = [{"$unwind": {"path": "$a", **options}}, {"$project": {"_id": 0}}]
    check(aggregate([{"_id": 1, **document}], stages), expected)


def test_unwind_a_path(aggregate: Any) -> None:
    document = {"_id": 1, "a": {"x": 0, "b": [1, 2], "c": 3}, "d": 4}
    check(
        aggregate([document], [{"$unwind": "$a.b"}]),
        [{"_id": 1, "a": {"x": 0, "b": each, "c": 3}, "d": 4} for each in (1, 2)],
    )
    assert aggregate([{"_id": 1, "a": [{"b": [1, 2]}]}], [{"$unwind": "$a.b"}]) == []


def test_group_keys(aggregate: Any) -> None:
    documents = [
        {"_id": 1, "k": 1}, {"_id": 2, "k": 1.0}, {"_id": 3, "k": True}, {"_id": 4, "k": Decimal128("1")},
        {"_id": 5, "k": None}, {"_id": 6}, {"_id": 7, "k": [1]}, {"_id": 8, "k": {"a": 1, "b": 2}},
        {"_id": 9, "k": {"b": 2, "a": 1}}, {"_id": 10, "k": float("nan")}, {"_id": 11, "k": Decimal128("NaN")},
    ]  # fmt: skip
    actual = aggregate(documents, [{"$group": {"_id": "$k", "n": {"$sum": 1}}}])
    check(
        actual,
        [
            {"_id": 1, "n": 3},
            {"_id": True, "n": 1},
            {"_id": None, "n": 2},
            {"_id": [1], "n": 1},
            {"_id": {"a": 1, "b": 2}, "n": 1},
            {"_id": {"b": 2, "a": 1}, "n": 1},
            {"_id": float("nan"), "n": 2},
        ],
    )


def test_group_by_a_document_tells_missing_from_null(aggregate: Any) -> None:
    documents = [{"_id": 1, "k": None}, {"_id": 2}, {"_id": 3, "k": 1}]
    actual = aggregate(documents, [{"$group": {"_id": {"k": "$k", "c": "x"}}}])
    check(actual, [{"_id": {"k": None, "c": "x"}}, {"_id": {"c": "x"}}, {"_id": {"k": 1, "c": "x"}}])


def test_group_without_values(aggregate: Any) -> None:
    assert aggregate([], [{"$group": {"_id": None, "n": {"$sum": 1}}}]) == []
    first = [{"$group": {"_id": None, "first": {"$first": "$a"}, "max": {"$max": "$a"}}}]
    check(aggregate([{"_id": 1}], first), [{"_id": None, "first": None, "max": None}])
    check(aggregate([{"_id": 1}], [{"$group": {"_id": {}}}]), [{"_id": {}}])


def test_group_evaluates_expressions(aggregate: Any) -> None:
    documents = [{"_id": n, "a": n} for n in range(4)]
    doubled = {"$multiply": ["$a", 2]}
    stage = {"$group": {"_id": {"$mod": ["$a", 2]}, "sum": {"$sum": doubled}, "ids": {"$push": "$_id"}}}
    check(aggregate(documents, [stage]), [{"_id": 0, "sum": 4, "ids": [0, 2]}, {"_id": 1, "sum": 8, "ids": [1, 3]}])


def test_sort_by_count(aggregate: Any) -> None:
    documents = [{"_id": n, "a": value} for n, value in enumerate(["x", "y", "y", None])]
    actual = aggregate([*documents, {"_id": 9}], [{"$sortByCount": "$a"}])
    check(actual, [{"_id": "y", "count": 2}, {"_id": None, "count": 2}, {"_id": "x", "count": 1}])


def test_bucket(aggregate: Any) -> None:
    documents = [{"_id": n, "a": value} for n, value in enumerate([0, 9.9, 10, Decimal128("19"), 20, "s", None])]
    stage = {"groupBy": "$a", "boundaries": [0, 10, 20.0], "default": -1, "output": {"ids": {"$push": "$_id"}}}
    check(
        aggregate(documents, [{"$bucket": stage}]),
        [{"_id": -1, "ids": [4, 5, 6]}, {"_id": 0, "ids": [0, 1]}, {"_id": 10, "ids": [2, 3]}],
    )


def test_bucket_auto(aggregate: Any) -> None:
    def buckets(values: list[Any], number: int, **more: Any) -> list[tuple[Any, Any, int]]:
        stage = {"$bucketAuto": {"groupBy": "$a", "buckets": number, **more}}
        actual = aggregate([{"_id": n, "a": value} for n, value in enumerate(values)], [stage])
        return [(each["_id"]["min"], each["_id"]["max"], each["count"]) for each in actual]

    assert buckets([], 3) == []
    assert buckets([5], 3) == [(5, 5, 1)]
    assert buckets([1, 2, 3, 4, 5], 2) == [(1, 4, 3), (4, 5, 2)]
    assert buckets([1, 1, 1, 1, 2], 2) == [(1, 2, 4), (2, 2, 1)]
    assert buckets([7, 7, 7], 3) == [(7, 7, 3)]
    assert buckets([None, 1, "a"], 3) == [(None, 1, 1), (1, "a", 1), ("a", "a", 1)]


@pytest.mark.parametrize(
    ("series", "low", "high"),
    [
        ("R5", 6.3, 100.0),
        ("R10", 8.0, 100.0),
        ("R20", 9.0, 100.0),
        ("R40", 9.5, 100.0),
        ("R80", 9.75, 103.0),
        ("1-2-5", 5.0, 100.0),
        ("E6", 6.8, 100.0),
        ("E12", 8.2, 100.0),
        ("E24", 9.1, 100.0),
        ("E48", 9.53, 100.0),
        ("E96", 9.76, 100.0),
        ("E192", 9.88, 100.0),
        ("POWERSOF2", 8, 128),
    ],
)
def test_granularity(series: str, low: Any, high: Any, aggregate: Any) -> None:
    documents = [{"_id": 1, "a": 10}, {"_id": 2, "a": 99}]
    stage = {"$bucketAuto": {"groupBy": "$a", "buckets": 1, "granularity": series}}
    (actual,) = aggregate(documents, [stage])
    assert (actual["_id"]["min"], actual["_id"]["max"]) == (pytest.approx(low), pytest.approx(high))
    assert type(actual["_id"]["min"]) is type(low)


def test_granularity_of_other_numbers(aggregate: Any) -> None:
    def ends(values: list[Any], series: str) -> Any:
        documents = [{"_id": n, "a": value} for n, value in enumerate(values)]
        stage = {"$bucketAuto": {"groupBy": "$a", "buckets": 1, "granularity": series}}
        return aggregate(documents, [stage])[0]["_id"]

    check(ends([0, 3], "POWERSOF2"), {"min": 0, "max": 4})
    check(ends([0.3, 3.0], "POWERSOF2"), {"min": 0.25, "max": 4})
    check(ends([Decimal128("3")], "POWERSOF2"), {"min": Decimal128("2"), "max": Decimal128("4")})
    check(ends([Int64(2**40)], "POWERSOF2"), {"min": Int64(2**39), "max": Int64(2**41)})
    assert ends([Decimal128("3")], "1-2-5") == {"min": Decimal128("2.0"), "max": Decimal128("5.0")}
    assert ends([0.8], "E6")["max"] == 1.0


def test_facet(aggregate: Any) -> None:
    documents = [{"_id": n} for n in range(3000)]
    last = [{"$skip": 2999}, {"$set": {"b": 1}}]
    stage = {"$facet": {"z": [{"$limit": 1}], "a": [{"$count": "n"}], "m": last, "e": []}}
    (actual,) = aggregate(documents, [stage])
    assert list(actual) == ["z", "a", "m", "e"]
    assert actual.pop("e") == documents
    check(actual, {"z": [{"_id": 0}], "a": [{"n": 3000}], "m": [{"_id": 2999, "b": 1}]})
    check(aggregate([], [stage]), [{"z": [], "a": [], "m": [], "e": []}])


def test_sample(aggregate: Any) -> None:
    documents = [{"_id": n} for n in range(100)]
    ids = [each["_id"] for each in aggregate(documents, [{"$sample": {"size": 30}}])]
    assert len(set(ids)) == 30
    assert set(ids) <= set(range(100))
    everything = aggregate(documents, [{"$sample": {"size": 1000}}])
    assert sorted(each["_id"] for each in everything) == list(range(100))


def test_sample_gives_every_document_a_chance(aggregate: Any) -> None:
    documents = [{"_id": n} for n in range(4)]
    seen = {each["_id"] for _ in range(200) for each in aggregate(documents, [{"$sample": {"size": 1}}])}
    assert seen == {0, 1, 2, 3}


def test_redact(aggregate: Any) -> None:
    stage = {"$redact": {"$cond": [{"$eq": ["$secret", True]}, "$$PRUNE", "$$DESCEND"]}}
    document = {
        "_id": {"secret": False, "x": {"secret": True}},
        "a": {"secret": True},
        "b": [{"secret": True}, 5, [{"secret": True}, {"c": 1}], {"d": {"secret": True}}],
        "e": {},
    }
    check(aggregate([document], [stage]), [{"_id": {"secret": False}, "b": [5, [{"c": 1}], {}], "e": {}}])
    assert aggregate([{"_id": 1, "secret": True}], [stage]) == []
    root = {"$redact": {"$cond": [{"$eq": ["$$ROOT.keep", "$$CURRENT.v"]}, "$$KEEP", "$$DESCEND"]}}
    check(
        aggregate([{"_id": 1, "keep": 2, "a": {"v": 2, "b": {"v": 1}}}], [root]),
        [{"_id": 1, "keep": 2, "a": {"v": 2, "b": {"v": 1}}}],
    )


def test_replace_root(aggregate: Any) -> None:
    check(aggregate([{"_id": 1, "a": {"x": 1}}], [{"$replaceRoot": {"newRoot": "$a"}}]), [{"x": 1}])
    merged = {"$replaceWith": {"$mergeObjects": [{"d": 0}, "$$ROOT"]}}
    check(aggregate([{"_id": 1}], [merged]), [{"d": 0, "_id": 1}])


def test_documents(aggregate: Any) -> None:
    check(aggregate([{"_id": 1}], [{"$documents": [{"a": 1}, {"b": "$missing"}]}]), [{"a": 1}, {}])
    counted = {"$documents": {"$map": {"input": {"$range": [0, 3]}, "in": {"n": "$$this"}}}}
    check(aggregate([], [counted, {"$match": {"n": {"$gt": 0}}}]), [{"n": 1}, {"n": 2}])


def test_count_type(aggregate: Any) -> None:
    check(aggregate([{"_id": 1}], [{"$count": "n"}]), [{"n": 1}])
    assert aggregate([{"_id": 1}], [{"$match": {"_id": 2}}, {"$count": "n"}]) == []
