"""Pipelines as a whole: what is refused, where a stage may stand, rewriting, early stop."""

from typing import Any

import pytest
from bson import Int64
from pymongo.errors import OperationFailure

from kato_compat.execute.pipeline import PipelineReader
from kato_compat.ir.requests import Flow
from kato_compat.ir.stage import Documents, Environment
from kato_compat.operators.stage.limit import Limit, Skip
from kato_compat.operators.stage.match import Match
from kato_compat.operators.stage.sort import Sort
from kato_compat.parse import optimize
from kato_compat.parse.expression import Context
from kato_compat.parse.pipeline import parse_pipeline


def nested(levels: int) -> list[Any]:
    pipeline: list[Any] = []
    for _ in range(levels):
        pipeline = [{"$lookup": {"from": "c", "pipeline": pipeline, "as": "x"}}]
    return pipeline


def deep(levels: int) -> dict[str, Any]:
    document: Any = 1
    for _ in range(levels):
        document = {"a": document}
    return {"$replaceWith": document}


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ([1], 14),
        ([{}], 40323),
        ([{"$match": {}, "$limit": 1}], 40323),
        ([{"$nothing": {}}], 40324),
        ([{"match": {}}], 40324),
        ([{"$limit": 1}] * 1001, 7749501),
        ([{"$limit": 1}, {"$collStats": {}}], 40602),
        ([{"$match": {}}, {"$indexStats": {}}], 40602),
        ([{"$out": "x"}, {"$limit": 1}], 40601),
        ([{"$merge": "x"}, {"$limit": 1}], 40601),
        ([{"$facet": {"a": [{"$out": "x"}]}}], 40600),
        ([{"$facet": {"a": [{"$facet": {"b": []}}]}}], 40600),
        ([{"$facet": {"a": [{"$collStats": {}}]}}], 40600),
        ([{"$lookup": {"from": "c", "pipeline": [{"$out": "x"}], "as": "y"}}], 51047),
        ([{"$lookup": {"from": "c", "pipeline": [{"$merge": "x"}], "as": "y"}}], 51047),
        ([{"$unionWith": {"coll": "c", "pipeline": [{"$out": "x"}]}}], 31441),
        ([{"$geoNear": {}}], 115),
        ([{"$search": {}}], 115),
        ([{"$changeStream": {}}], 115),
        ([{"$listSessions": {}}], 115),
        (nested(21), 232),
        ([deep(199)], 15),
    ],
)
def test_refused_pipelines(pipeline: list[Any], code: int, code_of: Any) -> None:
    assert code_of(pipeline) == code


def test_the_names_of_all_stages_are_checked_before_any_operand(code_of: Any) -> None:
    assert code_of([{"$limit": "x"}, {"$nothing": 1}]) == 40324


def test_as_deep_as_the_server_allows(aggregate: Any) -> None:
    assert aggregate([{"_id": 1}], [deep(198)])
    result = aggregate([{"_id": 1}], nested(20))
    for _ in range(20):
        (result,) = (each["x"] for each in result)
    assert result == [{"_id": 1}]


def test_only_some_stages_may_change_a_document_in_an_update() -> None:
    parse_pipeline([{"$set": {"a": 1}}, {"$unset": "b"}, {"$replaceWith": "$a"}], Context(), where="update")
    with pytest.raises(OperationFailure) as failure:
        parse_pipeline([{"$match": {}}], Context(), where="update")
    assert failure.value.code == 72


def test_documents_stands_in_a_pipeline_without_a_collection() -> None:
    with pytest.raises(OperationFailure) as failure:
        parse_pipeline([{"$documents": []}], Context(database="db", collection="c"))
    assert failure.value.code == 73


def parsed(*stages: dict[str, Any]) -> list[Any]:
    return list(parse_pipeline(list(stages), Context()).stages)


def test_neighbouring_matches_become_one() -> None:
    first, second = parsed({"$match": {"a": 1}}, {"$match": {"b": 2}}), parsed({"$match": {"a": 1, "b": 2}})
    assert [type(stage) for stage in first] == [Match]
    assert first == second


@pytest.mark.parametrize(
    ("stages", "names"),
    [
        ([{"$sort": {"a": 1}}, {"$match": {"$expr": "$a"}}], ["$match", "$sort"]),
        ([{"$set": {"a": 1}}, {"$match": {"b": 1}}], ["$match", "$set"]),
        ([{"$set": {"a": 1}}, {"$match": {"a.c": 1}}], ["$set", "$match"]),
        ([{"$set": {"a": 1}}, {"$match": {"$expr": "$b"}}], ["$set", "$match"]),
        ([{"$set": {"a": 1}}, {"$match": {"a": 1, "b": 1}}], ["$match", "$set", "$match"]),
        ([{"$set": {"a": 1}}, {"$match": {"$or": [{"a": 1}, {"b": 1}]}}], ["$set", "$match"]),
        ([{"$unset": "a"}, {"$match": {"a": None}}], ["$unset", "$match"]),
        ([{"$unset": "a"}, {"$match": {"b": None}}], ["$match", "$unset"]),
        ([{"$project": {"a": 1}}, {"$match": {"a.b": 1}}], ["$match", "$project"]),
        ([{"$project": {"a": 1}}, {"$match": {"b": None}}], ["$project", "$match"]),
        ([{"$project": {"a": "$b"}}, {"$match": {"a": 1}}], ["$project", "$match"]),
        ([{"$unwind": "$a.b"}, {"$match": {"c": 1}}], ["$match", "$unwind"]),
        ([{"$unwind": "$a.b"}, {"$match": {"a.c": 1}}], ["$unwind", "$match"]),
        ([{"$unwind": {"path": "$a", "includeArrayIndex": "i"}}, {"$match": {"i": 1}}], ["$unwind", "$match"]),
        ([{"$limit": 1}, {"$match": {"a": 1}}], ["$limit", "$match"]),
        ([{"$group": {"_id": "$a"}}, {"$match": {"a": 1}}], ["$group", "$match"]),
        (
            [{"$lookup": {"from": "c", "pipeline": [], "as": "x.y"}}, {"$match": {"a": 1, "x.z": 1}}],
            ["$match", "$lookup", "$match"],
        ),
        (
            [{"$unwind": "$a"}, {"$match": {"a": 1}}, {"$sort": {"a": 1}}, {"$match": {"b": 1}}],
            ["$match", "$unwind", "$match", "$sort"],
        ),
    ],
)
def test_a_match_goes_before_what_leaves_its_fields_alone(
    stages: list[Any], names: list[str], aggregate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [stage.spec.name for stage in parsed(*stages)] == names
    values = [1, None, [1, 2], {"b": [1, 3], "c": 1}, [{"b": 1}]]
    documents = [
        {"_id": n * 10 + m, "a": a, "b": b, "c": 1, "x": {"z": m % 2}}
        for n, a in enumerate(values)
        for m, b in enumerate(values)
    ]
    actual = aggregate([*documents, {"_id": 99}], stages)
    monkeypatch.setattr(optimize, "REWRITES", ())
    assert actual == aggregate([*documents, {"_id": 99}], stages)


def test_neighbouring_limits_and_skips_become_one() -> None:
    assert parsed({"$limit": 5}, {"$limit": 3}, {"$skip": 1}, {"$skip": 2}) == [Limit(3), Skip(3)]
    most = Int64(2**63 - 1)
    assert len(parsed({"$skip": most}, {"$skip": 1})) == 2


def test_a_sort_keeps_what_can_get_through() -> None:
    def limits(*stages: dict[str, Any]) -> list[int | None]:
        return [stage.limit for stage in parsed(*stages) if isinstance(stage, Sort)]

    sort = {"$sort": {"a": 1}}
    assert limits(sort, {"$limit": 3}) == [3]
    assert limits(sort, {"$skip": 2}, {"$limit": 3}) == [5]
    assert limits(sort, {"$unwind": "$b"}, {"$limit": 3}) == [None]
    assert limits(sort, {"$skip": 2}) == [None]


def test_rewritten_pipelines_give_the_same(aggregate: Any) -> None:
    documents = [{"_id": number, "a": number * 7 % 10} for number in range(10)]
    actual = aggregate(documents, [{"$sort": {"a": 1}}, {"$skip": 2}, {"$limit": 3}, {"$skip": 1}])
    assert [each["a"] for each in actual] == [3, 4]


class Upstream:
    """Batches without end, counted."""

    def __init__(self) -> None:
        self.fetched = 0
        self.closed = 0

    def fetch(self) -> Flow[Documents | None]:
        yield from ()
        self.fetched += 1
        return [{"_id": self.fetched, "n": number} for number in range(10)]

    def close(self) -> Flow[None]:
        yield from ()
        self.closed += 1


def fetch(reader: PipelineReader) -> Any:
    with pytest.raises(StopIteration) as stop:
        next(reader.fetch())
    return stop.value.value


def test_reading_stops_when_a_stage_is_done() -> None:
    upstream = Upstream()
    pipeline = parse_pipeline([{"$match": {"n": 9}}, {"$limit": 2}, {"$count": "n"}], Context())
    reader = PipelineReader(upstream, pipeline, Environment("db", "c"))
    assert upstream.fetched == 0
    assert fetch(reader) == [{"n": 2}]
    assert fetch(reader) is None
    assert fetch(reader) is None
    assert (upstream.fetched, upstream.closed) == (2, 1)


def test_reading_streams() -> None:
    upstream = Upstream()
    reader = PipelineReader(upstream, parse_pipeline([{"$match": {"n": 3}}], Context()), Environment("db", "c"))
    assert fetch(reader) == [{"_id": 1, "n": 3}]
    assert upstream.fetched == 1


def test_an_error_closes_what_is_open() -> None:
    upstream = Upstream()
    reader = PipelineReader(upstream, parse_pipeline([{"$replaceWith": "$n"}], Context()), Environment("db", "c"))
    with pytest.raises(OperationFailure) as failure:
        next(reader.fetch())
    assert failure.value.code == 40228
    assert upstream.closed == 1
    assert fetch(reader) is None


def test_a_thousand_stages(aggregate: Any) -> None:
    assert aggregate([{"_id": 1}], [{"$set": {"a": number}} for number in range(1000)]) == [{"_id": 1, "a": 999}]


def test_input_is_never_changed(aggregate: Any, deployment: Any) -> None:
    held = deployment({"c": [{"_id": 1, "a": {"b": [1, 2]}, "c": [{"d": 1}]}]})
    before = repr(held.data)
    for stage in (
        {"$set": {"a.b": 5, "c.d": 2}},
        {"$unset": ["a.b", "c.d"]},
        {"$unwind": {"path": "$a.b", "includeArrayIndex": "a.i"}},
        {"$redact": {"$cond": [{"$ifNull": ["$d", False]}, "$$PRUNE", "$$DESCEND"]}},
        {"$project": {"a.b": 1}},
        {"$lookup": {"from": "c", "localField": "_id", "foreignField": "_id", "as": "a.c"}},
        {"$group": {"_id": "$a", "all": {"$push": "$$ROOT"}}},
    ):
        assert aggregate([], [stage], deployment=held)
        assert repr(held.data) == before


class Batched:
    """Documents in batches of one size."""

    def __init__(self, documents: Documents, size: int) -> None:
        self.batches = [documents[start : start + size] for start in range(0, len(documents), size)]

    def fetch(self) -> Flow[Documents | None]:
        yield from ()
        return self.batches.pop(0) if self.batches else None

    def close(self) -> Flow[None]:
        yield from ()
        self.batches = []


@pytest.mark.parametrize(
    "pipeline",
    [
        [],
        [{"$match": {"n": {"$gt": 2}}}, {"$skip": 3}, {"$limit": 4}],
        [{"$unwind": "$tags"}, {"$group": {"_id": "$tags", "n": {"$push": "$n"}}}, {"$sort": {"_id": 1}}],
        [{"$sort": {"n": -1, "_id": 1}}, {"$limit": 5}, {"$skip": 1}],
        [{"$facet": {"a": [{"$skip": 2}, {"$limit": 3}], "b": [{"$sortByCount": "$n"}], "c": [{"$limit": 1}]}}],
        [{"$bucketAuto": {"groupBy": "$n", "buckets": 3}}],
        [{"$limit": 7}, {"$count": "n"}],
        [{"$unionWith": {"pipeline": [{"$documents": [{"n": 1}]}]}}, {"$limit": 16}, {"$skip": 14}],
        [{"$limit": 3}, {"$facet": {"a": [{"$group": {"_id": None, "n": {"$sum": "$n"}}}]}}],
    ],
    ids=str,
)
def test_the_size_of_batches_changes_nothing(pipeline: list[Any], aggregate: Any) -> None:
    documents = [{"_id": n, "n": n * 7 % 5, "tags": [n % 2, n % 3]} for n in range(15)]
    expected = aggregate(documents, pipeline)
    for size in (1, 2, 4, 15):
        reader = PipelineReader(
            Batched(documents, size), parse_pipeline(pipeline, Context(database="db")), Environment("db", "c")
        )
        found: Documents = []
        while (batch := fetch(reader)) is not None:
            assert batch
            found.extend(batch)
        assert found == expected
