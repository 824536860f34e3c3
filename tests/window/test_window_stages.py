"""`$setWindowFields`, `$fill` and `$densify` as stages (MongoDB manual: their pages)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.ir.registry import find
from kato_compat.ir.spec import Kind
from kato_compat.ir.stage import Environment, Running, Stage
from kato_compat.operators.stage.densify import MAX_DOCUMENTS
from kato_compat.parse.expression import Context


def run(name: str, operand: Any, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the stage makes of `documents`."""
    parsed = find(Kind.STAGE, name).parse(operand, Context())  # type: ignore[union-attr]
    stages: Sequence[Stage] = [parsed] if isinstance(parsed, Stage) else parsed
    for stage in stages:
        running = stage.start(Environment("d", "c"))
        assert isinstance(running, Running)
        result = running.push(documents)
        for batch in running.finish():
            result = result + batch
        running.close()
        documents = result
    return documents


def code_of(name: str, operand: Any, documents: list[dict[str, Any]] | None = None) -> int | None:
    """The code of the error that the stage raises."""
    with pytest.raises(OperationFailure) as raised:
        run(name, operand, documents or [])
    return raised.value.code


@pytest.mark.parametrize("name", ["$setWindowFields", "$fill", "$densify"])
def test_examples(name: str) -> None:
    for example in find(Kind.STAGE, name).spec.examples:  # type: ignore[union-attr]
        ((_, operand),) = example.query[0].items()
        assert str(run(name, operand, list(example.documents))) == str(example.result)


COUNT = {"n": {"$documentNumber": {}}}


def test_partitions_come_in_their_order_and_null_is_missing() -> None:
    documents = [{"_id": 1, "p": "b"}, {"_id": 2, "p": 1}, {"_id": 3}, {"_id": 4, "p": None}, {"_id": 5, "p": "b"}]
    result = run("$setWindowFields", {"partitionBy": "$p", "sortBy": {"_id": -1}, "output": COUNT}, documents)
    assert [(document["_id"], document["n"]) for document in result] == [(4, 1), (3, 2), (2, 1), (5, 1), (1, 2)]


@pytest.mark.parametrize(
    ("partition", "expected"),
    [
        ({"$mod": ["$_id", 2]}, [(2, 1), (4, 2), (1, 1), (3, 2)]),
        ({"a": {"$mod": ["$_id", 2]}}, [(2, 1), (4, 2), (1, 1), (3, 2)]),
        ("constant", [(1, 1), (2, 2), (3, 3), (4, 4)]),
        (None, [(1, 1), (2, 2), (3, 3), (4, 4)]),
        ("$missing", [(1, 1), (2, 2), (3, 3), (4, 4)]),
    ],
)
def test_partition_by_expressions(partition: Any, expected: list[tuple[int, int]]) -> None:
    documents = [{"_id": number} for number in (3, 1, 4, 2)]
    result = run("$setWindowFields", {"partitionBy": partition, "sortBy": {"_id": 1}, "output": COUNT}, documents)
    assert [(document["_id"], document["n"]) for document in result] == expected


def test_without_sort_and_without_output() -> None:
    documents = [{"_id": 2}, {"_id": 1}]
    assert run("$setWindowFields", {"output": {}}, documents) == documents
    assert run("$setWindowFields", {"output": {}, "sortBy": {"_id": 1}}, documents) == documents[::-1]
    assert run("$setWindowFields", {"output": {"s": {"$sum": "$_id"}}}, documents) == [
        {"_id": 2, "s": 3},
        {"_id": 1, "s": 3},
    ]


def test_output_paths_are_set_as_by_add_fields() -> None:
    output = {"a.n": {"$sum": 1}, "b.c.d": {"$first": "$_id"}, "_id": {"$last": "$x"}}
    document = {"_id": 1, "a": [{"k": 1}, 2], "b": 5, "x": 7}
    assert run("$setWindowFields", {"output": output}, [document]) == [
        {"_id": 7, "a": [{"k": 1, "n": 1}, {"n": 1}], "b": {"c": {"d": 1}}, "x": 7}
    ]
    assert document == {"_id": 1, "a": [{"k": 1}, 2], "b": 5, "x": 7}


def test_variables_reach_functions() -> None:
    context = Context(constants={"by": 10})
    stage = find(Kind.STAGE, "$setWindowFields").parse(  # type: ignore[union-attr]
        {"output": {"s": {"$sum": {"$multiply": ["$_id", "$$by"]}}}}, context
    )
    running = stage.start(Environment("d", "c"))
    running.push([{"_id": 1}, {"_id": 2}])
    assert list(running.finish()) == [[{"_id": 1, "s": 30}, {"_id": 2, "s": 30}]]


SUM = {"$sum": "$a"}


def windowed(window: Any, **more: Any) -> dict[str, Any]:
    """A `$setWindowFields` with one output over `window`."""
    return {"sortBy": {"_id": 1}, "output": {"r": {**SUM, "window": window}}, **more}


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        (1, 9),
        ({}, 40414),
        ({"output": None}, 40414),
        ({"output": 1}, 14),
        ({"output": {}, "sortBy": 1}, 14),
        ({"output": {}, "x": 1}, 40415),
        ({"output": {}, "sortBy": {"a": 2}}, 15975),
        ({"output": {}, "sortBy": {"a": "x"}}, 15974),
        ({"output": {}, "partitionBy": [1]}, 14),
        ({"output": {}, "partitionBy": {"$nothing": 1}}, 168),
        ({"output": {"r": 1}}, 9),
        ({"output": {"r": {}}}, 9),
        ({"output": {"r": {"window": {}}}}, 9),
        ({"output": {"r": {"$nothing": 1}}}, 9),
        ({"output": {"r": {**SUM, "$avg": 1}}}, 9),
        ({"output": {"r": {**SUM, "more": 1}}}, 9),
        ({"output": {"r": {"$mergeObjects": "$a"}}}, 9),
        ({"output": {"$r": SUM}}, 16410),
        ({"output": {"": SUM}}, 40352),
        ({"output": {"r.": SUM}}, 40353),
        ({"output": {"r": SUM, "r.s": SUM}}, 6307900),
        (windowed(None), 9),
        (windowed(5), 9),
        (windowed({"x": 1}), 9),
        (windowed({"documents": [0, 0], "range": [0, 0]}), 9),
        (windowed({"documents": [0, 0], "unit": "day"}), 9),
        (windowed({"unit": "day"}), 9),
        (windowed({"documents": [0, 0], "x": 1}), 9),
        (windowed({"documents": 1}), 9),
        (windowed({"documents": [0]}), 9),
        (windowed({"documents": [-1, 0, 1]}), 9),
        (windowed({"documents": [True, 0]}), 9),
        (windowed({"documents": [-1.5, 0]}), 9),
        (windowed({"documents": ["first", 0]}), 9),
        (windowed({"documents": ["$a", 0]}), 9),
        (windowed({"documents": [Int64(2**40), Int64(2**41)]}), 9),
        (windowed({"documents": [1, -1]}), 5339900),
        (windowed({"documents": [1, "current"]}), 5339900),
        (windowed({"range": [1, -1]}), 5339900),
        (windowed({"range": ["x", 0]}), 9),
        (windowed({"range": [0, 0], "x": 1}), 9),
        (windowed({"range": [0, 0], "unit": 1}), 9),
        (windowed({"range": [0, 0], "unit": "days"}), 9),
        (windowed({"range": [0.5, 1], "unit": "day"}), 9),
        (windowed({"range": [0, 0], "unit": "day", "x": 1}), 9),
        (windowed({"range": [0, 0]}, sortBy={"a": 1, "b": 1}), 5339902),
        (windowed({"range": [0, 0]}, sortBy={"a": -1}), 8947401),
        ({"output": {"r": {**SUM, "window": {"range": [0, 0]}}}}, 5339902),
        ({"output": {"r": {**SUM, "window": {"documents": [0, 0]}}}}, 5339901),
        ({"output": {"r": {"$rank": {}}}}, 5371602),
        ({"sortBy": {"a": 1, "b": 1}, "output": {"r": {"$rank": {}}}}, 5371602),
        ({"sortBy": {"a": 1}, "output": {"r": {"$rank": {"a": 1}}}}, 5371603),
        ({"sortBy": {"a": 1}, "output": {"r": {"$rank": 1}}}, 5371603),
        (windowed({}, output={"r": {"$denseRank": {}, "window": {}}}), 5371601),
        ({"output": {"r": {"$count": 1}}}, 9),
        ({"output": {"r": {"$shift": {"output": 1, "by": 1}}}}, 9),
        (windowed({}, output={"r": {"$shift": 1}}), 9),
        (windowed({}, output={"r": {"$shift": {"by": 1}}}), 9),
        (windowed({}, output={"r": {"$shift": {"output": 1}}}), 9),
        (windowed({}, output={"r": {"$shift": {"output": 1, "by": 0.5}}}), 9),
        (windowed({}, output={"r": {"$shift": {"output": 1, "by": 1, "default": "$a"}}}), 9),
        (windowed({}, output={"r": {"$shift": {"output": 1, "by": 1, "x": 1}}}), 9),
        (windowed({}, output={"r": {"$shift": {"output": 1, "by": 1}, "window": {}}}), 9),
        ({"output": {"r": {"$derivative": {"input": 1}, "window": {}}}}, 9),
        (windowed({}, output={"r": {"$derivative": {"input": 1}}}), 9),
        (windowed({}, output={"r": {"$derivative": 1, "window": {}}}), 9),
        (windowed({}, output={"r": {"$derivative": {"unit": "day"}, "window": {}}}), 9),
        (windowed({}, output={"r": {"$derivative": {"input": 1, "unit": "month"}, "window": {}}}), 5490710),
        (windowed({}, output={"r": {"$integral": {"input": 1, "unit": 5}}}), 9),
        (windowed({}, output={"r": {"$integral": {"input": 1, "x": 5}}}), 9),
        (windowed({}, output={"r": {"$locf": 1, "window": {}}}), 9),
        ({"output": {"r": {"$linearFill": 1}}}, 605001),
        (windowed({}, output={"r": {"$linearFill": 1, "window": {}}}), 9),
        (windowed({}, output={"r": {"$expMovingAvg": {"input": 1}}}), 9),
        (windowed({}, output={"r": {"$expMovingAvg": {"input": 1, "N": 0}}}), 9),
        (windowed({}, output={"r": {"$expMovingAvg": {"input": 1, "N": 1.5}}}), 9),
        (windowed({}, output={"r": {"$expMovingAvg": {"input": 1, "alpha": 1}}}), 9),
        (windowed({}, output={"r": {"$expMovingAvg": {"input": 1, "alpha": 0}}}), 9),
        (windowed({}, output={"r": {"$expMovingAvg": {"input": 1, "beta": 0}}}), 9),
        (windowed({}, output={"r": {"$expMovingAvg": {"input": 1, "N": 1}, "window": {}}}), 9),
        ({"output": {"r": {"$expMovingAvg": {"input": 1, "N": 1}}}}, 9),
        (windowed({}, output={"r": {"$minMaxScaler": {"input": 1, "min": 0}}}), 9),
        (windowed({}, output={"r": {"$minMaxScaler": {"input": 1, "min": 1, "max": 1}}}), 9),
        (windowed({}, output={"r": {"$minMaxScaler": {"input": 1}, "window": {"documents": [1, 2]}}}), 9),
        (windowed({}, output={"r": {"$first": 1, "$last": 1}}), 9),
    ],
)
def test_set_window_fields_errors(operand: Any, code: int) -> None:
    assert code_of("$setWindowFields", operand) == code


def test_partition_by_an_array() -> None:
    assert code_of("$setWindowFields", {"partitionBy": "$a", "output": COUNT, "sortBy": {"_id": 1}}, [{"a": [1]}]) == 14


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        ({"output": {"a": {"value": 0}}}, [5, 0, 0, 7]),
        ({"output": {"a": {"value": {"$multiply": ["$_id", 10]}}}}, [5, 20, 30, 7]),
        ({"sortBy": {"_id": 1}, "output": {"a": {"method": "locf"}}}, [5, 5, 5, 7]),
        ({"sortBy": {"_id": -1}, "output": {"a": {"method": "locf"}}}, [7, 7, 7, 5]),
        ({"sortBy": {"_id": 1}, "output": {"a": {"method": "linear"}}}, [5, 5.666666666666667, 6.333333333333333, 7]),
        (
            {"sortBy": {"_id": 1}, "partitionBy": {"p": "$p"}, "output": {"a": {"method": "locf"}}},
            [5, 5, None, 7],
        ),
        (
            {"sortBy": {"_id": 1}, "partitionByFields": ["p"], "output": {"a": {"method": "locf"}}},
            [5, 5, None, 7],
        ),
        ({"sortBy": {"_id": 1}, "partitionBy": "$p", "output": {"a": {"method": "locf"}}}, [5, 5, None, 7]),
    ],
)
def test_fill(operand: Any, expected: list[Any]) -> None:
    documents = [
        {"_id": 1, "p": 1, "a": 5},
        {"_id": 2, "p": 1, "a": None},
        {"_id": 3, "p": 2},
        {"_id": 4, "p": 2, "a": 7},
    ]
    assert [document["a"] for document in run("$fill", operand, documents)] == expected


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        (1, 9),
        ({}, 40414),
        ({"output": {}}, 6050203),
        ({"output": {"a": 1}}, 6050200),
        ({"output": {"a": {"x": 1}}}, 40415),
        ({"output": {"a": {"method": 1}}}, 14),
        ({"output": {"a": {"method": "nearest"}}}, 6050202),
        ({"output": {"a": {"method": "locf", "value": 1}}}, 6050201),
        ({"output": {"a": {"value": 1}}, "partitionBy": 1}, 14),
        ({"output": {"a": {"value": 1}}, "partitionByFields": [1]}, 14),
        ({"output": {"a": {"value": 1}}, "partitionBy": "$a", "partitionByFields": ["a"]}, 6050204),
        ({"output": {"a": {"method": "linear"}}}, 605001),
        ({"output": {"a": {"value": 1}}, "x": 1}, 40415),
    ],
)
def test_fill_errors(operand: Any, code: int) -> None:
    assert code_of("$fill", operand) == code


def densified(bounds: Any, documents: list[dict[str, Any]], step: Any = 2, **more: Any) -> list[dict[str, Any]]:
    """The result of a `$densify` of ``t``."""
    unit = more.pop("unit", None)
    range_ = {"step": step, "bounds": bounds} if unit is None else {"step": step, "bounds": bounds, "unit": unit}
    return run("$densify", {"field": "t", "range": range_, **more}, documents)


def values(documents: list[dict[str, Any]]) -> list[Any]:
    """The values of ``t``; those of new documents in a list of their own."""
    return [document.get("t") if "_id" in document else [document["t"]] for document in documents]


@pytest.mark.parametrize(
    ("bounds", "given", "expected"),
    [
        ("full", [1, 6], [1, [3], [5], 6]),
        ("full", [5, 1], [1, [3], 5]),
        ("full", [1, 2, 7], [1, 2, [3], [5], 7]),
        ("full", [1, 1.5, 3], [1, 1.5, 3]),
        ("full", [1], [1]),
        ("full", [], []),
        ("full", [None, 1, 5], [None, 1, [3], 5]),
        ([0, 8], [3], [[0], [2], 3, [4], [6]]),
        ([0, 8], [4], [[0], [2], 4, [6]]),
        ([0, 8], [], [[0], [2], [4], [6]]),
        ([0, 8], [-5, 0, 10], [-5, 0, [2], [4], [6], 10]),
        ([0, 7], [20], [[0], [2], [4], [6], 20]),
        ([0, 4], [4, 6], [[0], [2], 4, 6]),
        ([4, 4], [9], [[4], 9]),
    ],
)
def test_densify_numbers(bounds: Any, given: list[Any], expected: list[Any]) -> None:
    documents = [{"_id": number, "t": value} for number, value in enumerate(given)]
    assert values(densified(bounds, documents)) == expected


def test_densify_dates() -> None:
    documents = [{"_id": 1, "t": datetime(2024, 1, 31)}, {"_id": 2, "t": datetime(2024, 4, 30)}]
    months = densified("full", documents, 1, unit="month")
    assert values(months) == [
        datetime(2024, 1, 31),
        [datetime(2024, 2, 29)],
        [datetime(2024, 3, 29)],
        [datetime(2024, 4, 29)],
        datetime(2024, 4, 30),
    ]
    hours = densified([datetime(2024, 1, 1), datetime(2024, 1, 1, 3)], [], 1, unit="hour")
    assert hours == [{"t": datetime(2024, 1, 1, hour)} for hour in range(3)]


def test_densify_partitions() -> None:
    documents = [
        {"_id": 1, "p": "x", "t": 1},
        {"_id": 2, "p": "y", "t": 3},
        {"_id": 3, "p": "x", "t": 5},
        {"_id": 4, "p": "y", "t": 7},
    ]
    within = densified("partition", documents, partitionByFields=["p"])
    assert within == [
        {"_id": 1, "p": "x", "t": 1},
        {"p": "x", "t": 3},
        {"_id": 3, "p": "x", "t": 5},
        {"_id": 2, "p": "y", "t": 3},
        {"p": "y", "t": 5},
        {"_id": 4, "p": "y", "t": 7},
    ]
    full = densified("full", documents, partitionByFields=["p"])
    assert sorted((document["p"], document["t"], "_id" in document) for document in full) == [
        ("x", 1, True),
        ("x", 3, False),
        ("x", 5, True),
        ("x", 7, False),
        ("y", 1, False),
        ("y", 3, True),
        ("y", 5, False),
        ("y", 7, True),
    ]
    explicit = densified([1, 9], documents, 4, partitionByFields=["p"])
    assert sorted((document["p"], document["t"], "_id" in document) for document in explicit) == [
        ("x", 1, True),
        ("x", 5, True),
        ("y", 1, False),
        ("y", 3, True),
        ("y", 5, False),
        ("y", 7, True),
    ]


def test_densify_nested_fields() -> None:
    documents = [{"_id": 1, "p": {"k": 1}, "s": {"t": 1}}, {"_id": 2, "p": {"k": 1}, "s": {"t": 3}}]
    operand = {"field": "s.t", "partitionByFields": ["p.k"], "range": {"step": 1, "bounds": "partition"}}
    assert run("$densify", operand, documents)[1] == {"p": {"k": 1}, "s": {"t": 2}}


def densify(**more: Any) -> dict[str, Any]:
    """A `$densify` with some options changed."""
    return {"field": "t", "range": {"step": 1, "bounds": "full"}, **more}


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        (1, 9),
        ({}, 40414),
        ({"field": "t"}, 40414),
        (densify(field=1), 14),
        (densify(x=1), 40415),
        (densify(range=1), 14),
        (densify(range={"step": 1}), 40414),
        (densify(range={"bounds": "full"}), 40414),
        (densify(range={"step": 0, "bounds": "full"}), 5733401),
        (densify(range={"step": "x", "bounds": "full"}), 5733401),
        (densify(range={"step": 0.5, "bounds": "full", "unit": "day"}), 6586400),
        (densify(range={"step": 1, "bounds": "full", "unit": "days"}), 9),
        (densify(range={"step": 1, "bounds": "all"}), 5946802),
        (densify(range={"step": 1, "bounds": 5}), 5733404),
        (densify(range={"step": 1, "bounds": [1]}), 5733403),
        (densify(range={"step": 1, "bounds": [2, 1]}), 5733402),
        (densify(range={"step": 1, "bounds": [1, 2], "unit": "day"}), 5733409),
        (densify(range={"step": 1, "bounds": [1, datetime(2024, 1, 1)]}), 5733406),
        (densify(range={"step": 1, "bounds": [1, 2.5]}), 5876900),
        (densify(range={"step": 1, "bounds": [datetime(2024, 1, 1), datetime(2024, 1, 2)]}), 5733410),
        (densify(range={"step": 1, "bounds": ["a", "b"]}), 5946800),
        (densify(range={"step": 1, "bounds": "partition"}), 5733408),
        (densify(partitionByFields=["t"]), 8993000),
        (densify(field="a.b", partitionByFields=["a"]), 9554500),
        (densify(partitionByFields=[1]), 14),
        (densify(field="$t"), 16410),
        (densify(field=""), 40352),
    ],
)
def test_densify_errors(operand: Any, code: int) -> None:
    assert code_of("$densify", operand) == code


@pytest.mark.parametrize(
    ("operand", "documents", "code"),
    [
        (densify(), [{"t": "x"}], 5733201),
        (densify(), [{"t": datetime(2024, 1, 1)}], 6053600),
        (densify(range={"step": 1, "bounds": "full", "unit": "day"}), [{"t": 1}], 6053600),
    ],
)
def test_densify_errors_on_values(operand: Any, documents: list[dict[str, Any]], code: int) -> None:
    assert code_of("$densify", operand, documents) == code


def test_densify_makes_only_so_many_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_DOCUMENTS == 500_000
    monkeypatch.setattr("kato_compat.operators.stage.densify.MAX_DOCUMENTS", 10)
    assert len(densified("full", [{"t": 0}, {"t": 11}], 1)) == 12
    assert code_of("$densify", densify(), [{"t": 0}, {"t": 12}]) == 5897900
    assert code_of("$densify", densify(range={"step": 1, "bounds": [0, 11]})) == 5897900


@pytest.mark.parametrize(
    ("name", "operand"),
    [
        ("$setWindowFields", {"partitionBy": "$p", "sortBy": {"t": -1}, "output": {"n": {"$documentNumber": {}}}}),
        ("$setWindowFields", {"sortBy": {"p": 1, "t": 1}, "output": {"s": {"$sum": "$t"}}}),
        ("$setWindowFields", {"output": {"s": {"$push": "$t", "window": {}}}}),
        ("$densify", {"field": "t", "range": {"step": 1, "bounds": "full"}}),
        ("$densify", {"field": "t", "partitionByFields": ["p"], "range": {"step": 3, "bounds": [0, 3000]}}),
    ],
)
def test_beyond_the_memory_limit(name: str, operand: Any) -> None:
    documents = [{"_id": number, "p": number % 7, "t": number * 7919 % 997 * 2} for number in range(500)]
    stage = find(Kind.STAGE, name).parse(operand, Context())  # type: ignore[union-attr]

    def result(**options: Any) -> list[dict[str, Any]]:
        running = stage.start(Environment("d", "c", **options))
        try:
            for start in range(0, len(documents), 100):
                assert running.push(documents[start : start + 100]) == []
            return [document for batch in running.finish() for document in batch]
        finally:
            running.close()

    assert result(memory_limit=20_000) == result()
    with pytest.raises(OperationFailure) as raised:
        result(memory_limit=20_000, allow_disk_use=False)
    assert raised.value.code == 292
