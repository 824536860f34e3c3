"""Window functions (MongoDB manual: $setWindowFields, Window Operators)."""

from datetime import datetime
from math import inf, nan
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.ir.registry import operators
from kato_compat.ir.spec import Kind
from kato_compat.ir.stage import Environment, Running
from kato_compat.operators.stage.setwindowfields import SetWindowFields
from kato_compat.parse.expression import Context


def run(specification: dict[str, Any], documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the stage makes of `documents`, given in two batches."""
    running = SetWindowFields.parse(specification, Context()).start(Environment("d", "c"))
    assert isinstance(running, Running)
    middle = len(documents) // 2
    result = [*running.push(documents[:middle]), *running.push(documents[middle:])]
    for batch in running.finish():
        result.extend(batch)
    return result


def column(function: dict[str, Any], values: list[Any], sort: dict[str, Any] | None = None) -> list[Any]:
    """The results of one function for documents ``{_id: 1.., v: value}``; "absent" where there is none."""
    documents = [{"_id": number, "v": value} for number, value in enumerate(values, 1)]
    result = run({"sortBy": sort or {"_id": 1}, "output": {"r": function}}, documents)
    return [document.get("r", "absent") for document in sorted(result, key=lambda document: document["_id"])]


def typed(value: Any) -> Any:
    """`value` with the types of its numbers; NaN equals itself."""
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (type(value), "nan" if value != value else value)


def window(lower: Any, upper: Any, kind: str = "documents", **more: Any) -> dict[str, Any]:
    """A window document."""
    return {"window": {kind: [lower, upper], **more}}


EXAMPLES = [
    pytest.param(example, id=f"{operator.spec.name}-{index}")
    for operator in operators(Kind.WINDOW)
    for index, example in enumerate(operator.spec.examples)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(example: Any) -> None:
    result = run({"sortBy": {"_id": 1}, "output": example.query}, list(example.documents))
    assert str(result) == str(example.result)


def test_every_window_function_has_an_example() -> None:
    assert [operator.spec.name for operator in operators(Kind.WINDOW) if not operator.spec.examples] == []


WINDOWS: list[tuple[Any, Any, list[list[int]]]] = [
    ("unbounded", "unbounded", [[1, 2, 3, 4]] * 4),
    ("unbounded", "current", [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]),
    ("current", "unbounded", [[1, 2, 3, 4], [2, 3, 4], [3, 4], [4]]),
    ("current", "current", [[1], [2], [3], [4]]),
    (-1, 1, [[1, 2], [1, 2, 3], [2, 3, 4], [3, 4]]),
    (-2, -1, [[], [1], [1, 2], [2, 3]]),
    (1, 2, [[2, 3], [3, 4], [4], []]),
    (2, "unbounded", [[3, 4], [4], [], []]),
    ("unbounded", -2, [[], [], [1], [1, 2]]),
    (-9, 9, [[1, 2, 3, 4]] * 4),
    (1.0, Int64(1), [[2], [3], [4], []]),
]


@pytest.mark.parametrize(("lower", "upper", "windows"), WINDOWS)
def test_windows_of_documents(lower: Any, upper: Any, windows: list[list[int]]) -> None:
    values = [1, 2, 3, 4]
    bounds = window(lower, upper)
    assert column({"$push": "$v", **bounds}, values) == windows
    assert column({"$sum": "$v", **bounds}, values) == [sum(held) for held in windows]
    assert column({"$count": {}, **bounds}, values) == [len(held) for held in windows]
    assert column({"$min": "$v", **bounds}, values) == [min(held, default=None) for held in windows]
    assert column({"$max": "$v", **bounds}, values) == [max(held, default=None) for held in windows]
    assert column({"$first": "$v", **bounds}, values) == [held[0] if held else None for held in windows]
    assert column({"$last": "$v", **bounds}, values) == [held[-1] if held else None for held in windows]
    assert column({"$lastN": {"input": "$v", "n": 2}, **bounds}, values) == [held[-2:] for held in windows]
    means = column({"$avg": "$v", **bounds}, values)
    assert means == [sum(held) / len(held) if held else None for held in windows]
    whole = column({"$stdDevPop": "$v", **bounds}, values)
    for held, mean, deviation in zip(windows, means, whole, strict=True):
        if not held:
            assert deviation is None
        else:
            assert deviation == pytest.approx((sum((x - mean) ** 2 for x in held) / len(held)) ** 0.5)


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (-1, 1, [[1, 2], [1, 2], [5, 5, 6], [5, 5, 6], [5, 5, 6], [9]]),
        ("unbounded", 0, [[1], [1, 2], [1, 2, 5, 5], [1, 2, 5, 5], [1, 2, 5, 5, 6], [1, 2, 5, 5, 6, 9]]),
        ("unbounded", "current", [[1], [1, 2], [1, 2, 5], [1, 2, 5, 5], [1, 2, 5, 5, 6], [1, 2, 5, 5, 6, 9]]),
        (0, "unbounded", [[1, 2, 5, 5, 6, 9], [2, 5, 5, 6, 9], [5, 5, 6, 9], [5, 5, 6, 9], [6, 9], [9]]),
        (2, 3, [[], [5, 5], [], [], [9], []]),
        (-3.5, -0.5, [[], [1], [2], [2], [5, 5], [6]]),
        ("current", 0, [[1], [2], [5, 5], [5], [6], [9]]),
    ],
)
def test_windows_of_ranges(lower: Any, upper: Any, expected: list[list[int]]) -> None:
    bounds = window(lower, upper, "range")
    values = [1, 2, 5, 5, 6, 9]
    assert column({"$push": "$v", **bounds}, values, {"v": 1}) == expected
    assert column({"$sum": "$v", **bounds}, values, {"v": 1}) == [sum(held) for held in expected]


def test_windows_of_time() -> None:
    days = [datetime(2024, 1, day) for day in (1, 2, 4, 31)] + [datetime(2024, 2, 29)]
    found = column({"$push": {"$dayOfYear": "$v"}, **window(-2, 0, "range", unit="day")}, days, {"v": 1})
    assert found == [[1], [1, 2], [2, 4], [31], [60]]
    found = column({"$push": {"$dayOfYear": "$v"}, **window(0, 1, "range", unit="month")}, days, {"v": 1})
    assert found == [[1, 2, 4, 31], [2, 4, 31], [4, 31], [31, 60], [60]]


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        # Longs that fit become ints where a window moves, and only there.
        ({"$sum": "$v", **window(-1, 0)}, [Int64(1), Int64(2)], [1, 3]),
        ({"$sum": "$v", **window("unbounded", "current")}, [Int64(1), Int64(2)], [Int64(1), Int64(3)]),
        ({"$sum": "$v", **window(-1, 0)}, [2**31 - 1, 1, 1], [2**31 - 1, Int64(2**31), 2]),
        ({"$sum": "$v", **window(0, 0)}, [1, 1.5, Decimal128("2"), "x"], [1, 1.5, Decimal128("2"), 0]),
        ({"$sum": "$v", **window(-1, 0)}, [inf, 1, 2], [inf, inf, 3]),
        ({"$sum": "$v", **window(-1, 0)}, [inf, -inf, 2], [inf, nan, -inf]),
        ({"$sum": "$v", **window(-1, 0)}, [nan, 1, 2], [nan, nan, 3]),
        ({"$avg": "$v", **window(-1, 0)}, ["x", 1, None, 4], [None, 1.0, 1.0, 4.0]),
        ({"$avg": "$v", **window(0, 0)}, [Decimal128("1"), 2], [Decimal128("1"), 2.0]),
        ({"$stdDevPop": "$v", **window(-1, 0)}, [1, 3, inf, 5, 7], [0, 1.0, None, None, 1.0]),
        ({"$stdDevSamp": "$v", **window(-1, 0)}, [1, 3, "x", 5], [None, 2**0.5, None, None]),
        ({"$min": "$v", **window(-1, 0)}, [None, 5, "a", 2], [None, 5, 5, 2]),
        ({"$max": "$v", **window(-1, 0)}, [None, 5, "a", 2], [None, 5, "a", "a"]),
        ({"$addToSet": "$v", **window(-1, 0)}, [1, 1.0, 2], [[1], [1], [1.0, 2]]),
        ({"$covariancePop": ["$_id", "$v"], **window(-1, 0)}, [1, 3, "x", inf, 4], [0.0, 0.5, 0.0, None, 0.0]),
        ({"$covarianceSamp": ["$_id", "$v"], **window(-1, 0)}, [1, 3, 5], [None, 1.0, 1.0]),
        ({"$covariancePop": ["$_id", "$v"]}, [Decimal128("1"), 3], [Decimal128("0.5")] * 2),
        ({"$covariancePop": "$v"}, [1, 2], [None, None]),
        ({"$topN": {"n": 2, "output": "$v", "sortBy": {"v": -1}}, **window(-2, 0)}, [1, 3, 2], [[1], [3, 1], [3, 2]]),
        ({"$median": {"input": "$v", "method": "approximate"}, **window(-1, 0)}, [4, 2, 8], [4.0, 2.0, 2.0]),
        ({"$concatArrays": "$v", **window(-1, 0)}, [[1], [2], []], [[1], [1, 2], [2]]),
        ({"$setUnion": "$v", **window(-1, 0)}, [[1], [1, 2], []], [[1], [1, 2], [1, 2]]),
        ({"$first": "$no"}, [1], ["absent"]),
        ({"$shift": {"output": "$v", "by": 1}}, [1, 2], [2, None]),
        ({"$shift": {"output": "$v", "by": -2, "default": "x"}}, [1, 2, 3], ["x", "x", 1]),
        ({"$shift": {"output": "$no", "by": 0}}, [1], ["absent"]),
        ({"$locf": "$v"}, [None, 1, None, 2], [None, 1, 1, 2]),
        ({"$linearFill": "$v"}, [None, 1, None, None, 7, None], [None, 1, 3.0, 5.0, 7, None]),
        ({"$linearFill": "$v"}, [Decimal128("1"), None, 2], [Decimal128("1"), Decimal128("1.5"), 2]),
        ({"$expMovingAvg": {"input": "$v", "N": 3}}, [2, 4, "x", 8], [2.0, 3.0, 3.0, 5.5]),
        ({"$expMovingAvg": {"input": "$v", "alpha": 0.25}}, ["x", 4, 8], [None, 4.0, 5.0]),
        (
            {"$expMovingAvg": {"input": "$v", "alpha": 0.5}},
            [2, Decimal128("4")],
            [2.0, Decimal128("3.000000000000000")],
        ),
        ({"$derivative": {"input": "$v"}, **window(-1, 0)}, [1, 4, 2], [None, 3.0, -2.0]),
        ({"$derivative": {"input": "$v"}, **window(2, 3)}, [1, 4, 2], [None, None, None]),
        ({"$integral": {"input": "$v"}, **window(-1, 0)}, [1, 3, 5], [0, 2.0, 4.0]),
        ({"$integral": {"input": "$v"}}, [1, 3, nan], [nan, nan, nan]),
        ({"$integral": {"input": "$v"}, **window(-1, 0)}, [nan, 3, 5], [nan, nan, 4.0]),
        ({"$minMaxScaler": {"input": "$v"}}, [5, 10, 7], [0.0, 1.0, 0.4]),
        ({"$minMaxScaler": {"input": "$v", "min": 10, "max": 20}, **window(-1, 0)}, [5, 10, 7], [10, 20.0, 10.0]),
    ],
)
def test_values(function: dict[str, Any], values: list[Any], expected: list[Any]) -> None:
    assert typed(column(function, values)) == typed(expected)


@pytest.mark.parametrize(
    ("name", "values", "sort", "expected"),
    [
        ("$rank", [5, 3, 3, 1], {"v": 1}, [4, 2, 2, 1]),
        ("$rank", [5, 3, 3, 1], {"v": -1}, [1, 2, 2, 4]),
        ("$denseRank", [5, 3, 3, 1], {"v": 1}, [3, 2, 2, 1]),
        ("$documentNumber", [5, 3, 3, 1], {"v": 1}, [4, 2, 3, 1]),
        ("$rank", [None, 1, 1.0], {"v": 1}, [1, 2, 2]),
        ("$rank", [[2, 9], 2, [3]], {"v": 1}, [1, 1, 3]),
    ],
)
def test_ranks(name: str, values: list[Any], sort: dict[str, Any], expected: list[int]) -> None:
    assert typed(column({name: {}}, values, sort)) == typed(expected)


def test_missing_and_null_share_a_rank() -> None:
    result = run({"sortBy": {"v": 1}, "output": {"r": {"$rank": {}}}}, [{"v": None}, {}, {"v": 0}])
    assert result == [{"v": None, "r": 1}, {"r": 1}, {"v": 0, "r": 3}]


def test_derivative_and_integral_of_dates() -> None:
    documents = [{"t": datetime(2024, 1, 1, hour), "v": value} for hour, value in ((0, 0), (2, 10), (3, 40))]
    output = {
        "d": {"$derivative": {"input": "$v", "unit": "hour"}, **window(-1, 0)},
        "i": {"$integral": {"input": "$v", "unit": "hour"}, **window("unbounded", "current")},
    }
    result = run({"sortBy": {"t": 1}, "output": output}, documents)
    assert [document["d"] for document in result] == [None, pytest.approx(5.0), pytest.approx(30.0)]
    assert [document["i"] for document in result] == [0.0, 10.0, 35.0]


@pytest.mark.parametrize(
    ("function", "values", "sort", "code"),
    [
        ({"$sum": "$v", **window(-1, 1, "range")}, ["x"], {"v": 1}, 5429414),
        ({"$sum": "$v", **window(-1, 1, "range")}, [None], {"v": 1}, 5429414),
        ({"$sum": "$v", **window(-1, 1, "range")}, [datetime(2024, 1, 1)], {"v": 1}, 5429413),
        ({"$sum": "$v", **window(-1, 1, "range", unit="day")}, [1], {"v": 1}, 5429513),
        ({"$derivative": {"input": "$v"}, **window(-1, 0)}, [1, None], None, 5624903),
        ({"$derivative": {"input": "$v"}, **window(-1, 0)}, [1, "x"], None, 14),
        ({"$derivative": {"input": 1, "unit": "day"}, **window(-1, 0)}, [1, 2], {"v": 1}, 5624900),
        ({"$derivative": {"input": 1}, **window(-1, 0)}, [datetime(2024, 1, 1)], {"v": 1}, 5624901),
        ({"$derivative": {"input": 1}, **window(-1, 0)}, ["x"], {"v": 1}, 5624902),
        ({"$integral": {"input": "$v"}}, ["x"], None, 5423900),
        ({"$integral": {"input": 1, "unit": "day"}}, [1], {"v": 1}, 5423901),
        ({"$integral": {"input": 1}}, [datetime(2024, 1, 1)], {"v": 1}, 5423902),
        ({"$linearFill": "$v"}, ["x"], None, 14),
        ({"$linearFill": "$_id"}, ["x"], {"v": 1}, 14),
        ({"$linearFill": "$_id"}, [1, 1], {"v": 1}, 6050106),
        ({"$linearFill": "$_id"}, [1, datetime(2024, 1, 1)], {"v": 1}, 14),
        ({"$minMaxScaler": {"input": "$v"}}, ["x"], None, 10487001),
        ({"$minMaxScaler": {"input": "$v"}, **window(-1, 0)}, ["x"], None, 10487000),
        ({"$concatArrays": "$v"}, [1], None, 14),
    ],
)
def test_errors_on_values(function: dict[str, Any], values: list[Any], sort: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        column(function, values, sort)
    assert raised.value.code == code
