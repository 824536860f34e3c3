"""Blocking stages beyond their memory: the same result from disk, or error 292."""

from typing import Any

import pytest

from kato_compat.operators.stage import spill

SMALL = {"memory_limit": 20_000}
DOCUMENTS: list[dict[str, Any]] = [
    {"_id": n, "k": f"key{n * 7919 % 997}", "n": n * 31 % 1009, "text": "x" * 50} for n in range(3000)
]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every file that is made."""
    made: list[Any] = []
    original = spill.Run.__init__

    def counted(self: Any) -> None:
        original(self)
        made.append(self)

    monkeypatch.setattr(spill.Run, "__init__", counted)
    return made


PIPELINES = [
    [{"$sort": {"n": 1}}],
    [{"$sort": {"k": -1, "n": 1}}],
    [{"$sort": {"n": 1}}, {"$skip": 10}, {"$limit": 1500}],
    [{"$group": {"_id": "$k", "n": {"$sum": "$n"}, "first": {"$first": "$_id"}}}, {"$sort": {"_id": 1}}],
    [{"$group": {"_id": {"k": "$k"}, "all": {"$push": "$n"}}}, {"$sort": {"_id": 1}}],
    [{"$group": {"_id": "$k"}}, {"$sort": {"_id": 1}}],
    [{"$bucketAuto": {"groupBy": "$n", "buckets": 7, "output": {"ids": {"$push": "$_id"}}}}],
    [{"$facet": {"a": [{"$sort": {"n": -1}}, {"$limit": 900}], "b": [{"$sortByCount": "$k"}, {"$count": "n"}]}}],
]


@pytest.mark.parametrize("pipeline", PIPELINES, ids=str)
def test_disk_and_memory_give_the_same(pipeline: list[Any], aggregate: Any, runs: list[Any]) -> None:
    expected = aggregate(DOCUMENTS, pipeline)
    assert runs == []
    assert aggregate(DOCUMENTS, pipeline, **SMALL) == expected
    assert runs
    assert all(run._file.closed for run in runs)


@pytest.mark.parametrize("pipeline", PIPELINES, ids=str)
def test_without_disk(pipeline: list[Any], code_of: Any, runs: list[Any]) -> None:
    assert code_of(pipeline, DOCUMENTS, allow_disk_use=False, **SMALL) == 292
    assert runs == []


def test_a_sort_from_disk_is_stable(aggregate: Any) -> None:
    documents = [{"_id": n, "same": n % 3} for n in range(5000)]
    actual = aggregate(documents, [{"$sort": {"same": 1}}], **SMALL)
    assert [each["_id"] for each in actual] == sorted(range(5000), key=lambda n: n % 3)


def test_a_sort_with_a_small_limit_needs_no_disk(aggregate: Any, runs: list[Any]) -> None:
    actual = aggregate(DOCUMENTS, [{"$sort": {"n": 1, "_id": 1}}, {"$limit": 3}], memory_limit=500_000)
    expected = sorted(DOCUMENTS, key=lambda each: (each["n"], each["_id"]))[:3]
    assert actual == expected
    assert runs == []


def test_files_are_closed_after_an_error(code_of: Any, runs: list[Any]) -> None:
    documents = [*DOCUMENTS, {"_id": "last", "a": "x"}]
    pipeline = [{"$set": {"b": {"$toInt": "$a"}}}, {"$sort": {"n": 1}}]
    assert code_of(pipeline, documents, **SMALL) == 241
    assert runs
    assert all(run._file.closed for run in runs)


def test_values_of_all_kinds_survive_the_disk(aggregate: Any) -> None:
    from datetime import datetime

    from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

    values = [
        1, Int64(1), 1.5, Decimal128("1.50"), "s", True, None, datetime(2020, 1, 1), ObjectId(), b"x", Binary(b"y", 5),
        Code("f"), Regex("a", "i"), Timestamp(1, 2), MinKey(), MaxKey(), {"a": [1]}, [Int64(2)],
    ]  # fmt: skip
    documents = [{"_id": n, "v": value, "pad": "x" * 200} for n, value in enumerate(values * 20)]
    actual = aggregate(documents, [{"$sort": {"_id": -1}}], memory_limit=5000)
    assert [(type(each["v"]), each["v"]) for each in actual] == [
        (type(each["v"]), each["v"]) for each in reversed(documents)
    ]
