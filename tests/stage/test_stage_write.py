"""`$out`, `$merge` and the stages about the collection itself (MongoDB manual: their pages)."""

from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo.errors import OperationFailure

from kato_compat.execute.pipeline import ListReader, PipelineReader
from kato_compat.ir.stage import Environment
from kato_compat.parse.expression import Context
from kato_compat.parse.pipeline import parse_pipeline


def write(aggregate: Any, deployment: Any, documents: list[Any], target: list[Any], stage: dict[str, Any]) -> Any:
    held = deployment({"c": documents, "t": target})
    held.unique["t"] = [(("k",), False), (("s", "r"), True)]
    assert aggregate([], [stage], deployment=held) == []
    return held.data["t"]


def test_out(aggregate: Any, deployment: Any) -> None:
    assert write(aggregate, deployment, [{"_id": 1}], [{"_id": 9}], {"$out": "t"}) == [{"_id": 1}]
    assert write(aggregate, deployment, [], [{"_id": 9}], {"$out": {"db": "db", "coll": "t"}}) == []


def test_merged_documents_get_an_id(aggregate: Any, deployment: Any) -> None:
    held = deployment({"c": [{"_id": 1, "a": 1}]})
    aggregate([], [{"$project": {"_id": 0}}, {"$merge": "t"}], deployment=held)
    (document,) = held.data["t"]
    assert list(document) == ["_id", "a"]
    assert type(document["_id"]) is ObjectId


NEW = [{"_id": 1, "a": 10}, {"_id": 2, "a": 20}]
OLD = [{"_id": 1, "a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [{"_id": 1, "a": 10, "b": 2}, {"_id": 2, "a": 20}]),
        ({"whenMatched": "replace"}, [{"_id": 1, "a": 10}, {"_id": 2, "a": 20}]),
        ({"whenMatched": "keepExisting"}, [{"_id": 1, "a": 1, "b": 2}, {"_id": 2, "a": 20}]),
        ({"whenMatched": "merge", "whenNotMatched": "discard"}, [{"_id": 1, "a": 10, "b": 2}]),
        (
            {"whenMatched": [{"$set": {"c": {"$add": ["$a", "$$new.a"]}}}]},
            [{"_id": 1, "a": 1, "b": 2, "c": 11}, {"_id": 2, "a": 20}],
        ),
        (
            {"let": {"x": "$a"}, "whenMatched": [{"$set": {"a": "$$x"}}, {"$unset": "b"}], "whenNotMatched": "discard"},
            [{"_id": 1, "a": 10}],
        ),
        ({"let": None, "whenNotMatched": None, "whenMatched": []}, [{"_id": 1, "a": 1, "b": 2}, {"_id": 2, "a": 20}]),
    ],
)
def test_merge(options: dict[str, Any], expected: list[Any], aggregate: Any, deployment: Any) -> None:
    assert write(aggregate, deployment, NEW, OLD, {"$merge": {"into": "t", **options}}) == expected


def test_merge_on_another_field(aggregate: Any, deployment: Any) -> None:
    stage = {"$merge": {"into": {"db": None, "coll": "t"}, "on": "k", "whenMatched": [{"$set": {"n": "$$new.n"}}]}}
    actual = write(aggregate, deployment, [{"_id": 5, "k": "x", "n": 1}], [{"_id": 1, "k": "x"}], stage)
    assert actual == [{"_id": 1, "k": "x", "n": 1}]


@pytest.mark.parametrize(
    ("on", "document", "code"),
    [
        ("k", {"_id": 1, "k": [1]}, 51185),
        (["r", "s"], {"_id": 1, "r": 1}, 51132),
        (["r", "s"], {"_id": 1, "r": 1, "s": None}, 51132),
        (["r", "s", "k"], {"_id": 1}, 51183),
    ],
)
def test_fields_to_merge_on(on: Any, document: Any, code: int, code_of: Any, deployment: Any) -> None:
    held = deployment({"c": [document], "t": []})
    held.unique["t"] = [(("k",), False), (("s", "r"), True)]
    assert code_of([{"$merge": {"into": "t", "on": on}}], [], deployment=held) == code


def test_a_missing_field_to_merge_on_is_null_where_the_index_is_not_sparse(aggregate: Any, deployment: Any) -> None:
    stage = {"$merge": {"into": "t", "on": "k"}}
    assert write(aggregate, deployment, [{"_id": 5, "n": 1}], [{"_id": 5}], stage) == [{"_id": 5, "n": 1}]


def test_failing_merges(code_of: Any, deployment: Any) -> None:
    held = deployment({"c": NEW, "t": OLD})
    assert code_of([{"$merge": {"into": "t", "whenNotMatched": "fail"}}], [], deployment=held) == 13113
    assert code_of([{"$merge": {"into": "t", "whenMatched": "fail"}}], [], deployment=held) == 11000


def test_statistics(aggregate: Any) -> None:
    documents = [{"_id": 1}, {"_id": 2}]
    (count,) = aggregate(documents, [{"$collStats": {"count": {}}}])
    assert list(count) == ["ns", "host", "localTime", "count"]
    assert (count["ns"], count["count"]) == ("db.c", 2)
    (storage,) = aggregate(documents, [{"$collStats": {"storageStats": {}}}])
    assert storage["storageStats"]["avgObjSize"] == 50
    assert storage["storageStats"]["nindexes"] == 1
    (index,) = aggregate(documents, [{"$indexStats": {}}])
    assert (index["name"], index["key"], index["accesses"]["ops"]) == ("_id_", {"_id": 1}, Int64(0))
    assert aggregate(documents, [{"$indexStats": {}}, {"$count": "n"}]) == [{"n": 1}]


def test_a_pipeline_without_a_deployment_says_so(code_of: Any) -> None:
    pipeline = parse_pipeline([{"$unionWith": "x"}], Context(database="db"))
    reader = PipelineReader(ListReader([]), pipeline, Environment("db", "c"))
    with pytest.raises(OperationFailure) as failure:
        next(reader.fetch())
    assert failure.value.code == 115
