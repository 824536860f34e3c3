"""Accumulators. Cases follow the MongoDB manual's pages of each accumulator unless they say otherwise."""

import math
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.ir.expression import new_frame
from kato_compat.ir.registry import operators
from kato_compat.ir.spec import Kind, Status
from kato_compat.operators.accumulator.engine import guard_accumulator
from kato_compat.parse.accumulator import parse_accumulator
from kato_compat.parse.expression import Context
from kato_compat.values.equality import same

EXAMPLES = [
    pytest.param(example, id=f"{operator.spec.name}-{number}")
    for operator in operators(Kind.ACCUMULATOR)
    for number, example in enumerate(operator.spec.examples)
]
MAX_INT = 2**31 - 1
MAX_LONG = 2**63 - 1


def accumulate(raw: dict[str, Any], documents: Any, key: Any = None) -> Any:
    accumulator = guard_accumulator(parse_accumulator(raw, Context()))
    evaluate, frame = accumulator.compile(), new_frame()
    state = accumulator.start(key) if key is not None else accumulator.start()
    for document in documents:
        state.add(evaluate(document, frame))
    result = state.result()
    assert same(state.result(), result)  # may be asked again
    return result


def gather(name: str, *values: Any) -> Any:
    return accumulate({name: "$v"}, [{"v": value} for value in values])


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(example: Any) -> None:
    assert same(accumulate(example.query, example.documents), example.result)


def test_every_accumulator_has_an_example_or_is_refused() -> None:
    for operator in operators(Kind.ACCUMULATOR):
        assert operator.spec.examples or operator.spec.status is Status.REFUSED, operator.spec.name


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), 0),
        (("x", None, True, [1], {"a": 1}), 0),
        ((1, 2), 3),
        ((1, Int64(2)), Int64(3)),
        ((1, 2.0), 3.0),
        ((1, Decimal128("2.50")), Decimal128("3.50")),
        ((1.5, Decimal128("2.5")), Decimal128("4.0")),
        ((MAX_INT, 1), Int64(2**31)),
        ((Int64(2**40), Int64(-(2**40))), Int64(0)),
        ((Int64(MAX_LONG), 1), 2.0**63),
        ((Int64(MAX_LONG), 1, -1), Int64(MAX_LONG)),
        ((0.1, 0.2, 0.3), 0.6),
        ((1.0, 1e100, 1.0, -1e100), 2.0),
        ((Int64(2**53 + 1), 0.5), float(2**53 + 2)),
        ((math.inf, 1), math.inf),
        ((math.inf, -math.inf), math.nan),
        ((math.nan, 1), math.nan),
        ((1e308, 1e308), math.inf),
    ],
)
def test_sum(values: tuple[Any, ...], expected: Any) -> None:
    assert same(gather("$sum", *values), expected)


@pytest.mark.parametrize(
    ("constant", "expected"),
    [(1, 3), (Int64(1), Int64(3)), (0.5, 1.5), (MAX_INT, Int64(3 * MAX_INT)), (Int64(MAX_LONG), 3.0 * 2**63), ("x", 0)],
)
def test_sum_of_a_constant(constant: Any, expected: Any) -> None:
    assert same(accumulate({"$sum": constant}, [{}] * 3), expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), None),
        (("x",), None),
        ((1, 2), 1.5),
        ((2, "x", 4), 3.0),
        ((Int64(MAX_LONG), Int64(MAX_LONG)), 2.0**63),
        ((1, Decimal128("2")), Decimal128("1.5")),
        ((math.inf, 1), math.inf),
    ],
)
def test_average(values: tuple[Any, ...], expected: Any) -> None:
    assert same(gather("$avg", *values), expected)


@pytest.mark.parametrize(
    ("values", "least", "greatest"),
    [
        ((), None, None),
        ((None, None), None, None),
        ((2, 1, 3), 1, 3),
        ((1, 1.0, Int64(1)), 1, 1),
        ((1.5, 1, Int64(2)), 1, Int64(2)),
        ((math.nan, 1.0, 2), math.nan, 2),
        ((1.0, math.nan), math.nan, 1.0),
        (("b", "a", 5), 5, "b"),
        ((True, "x", False), "x", True),
        (([1, 2], [1], 7), 7, [1, 2]),
        ((Decimal128("1.5"), 1, 2), 1, 2),
    ],
)
def test_min_and_max(values: tuple[Any, ...], least: Any, greatest: Any) -> None:
    assert same(gather("$min", *values), least)
    assert same(gather("$max", *values), greatest)


def test_first_and_last_give_null_for_missing() -> None:
    documents = [{}, {"v": 1}, {}]
    assert accumulate({"$first": "$v"}, documents) is None
    assert accumulate({"$last": "$v"}, documents) is None
    assert accumulate({"$first": "$v"}, []) is None


def test_collectors_leave_out_missing_and_keep_null() -> None:
    documents = [{}, {"v": None}, {"v": 1}, {"v": True}, {"v": 1.0}]
    assert same(accumulate({"$push": "$v"}, documents), [None, 1, True, 1.0])
    assert same(accumulate({"$addToSet": "$v"}, documents), [None, 1, True])


def test_add_to_set_minds_the_order_of_fields() -> None:
    assert gather("$addToSet", {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1.0, "b": 2}) == [
        {"a": 1, "b": 2},
        {"b": 2, "a": 1},
    ]


def test_results_are_not_the_state() -> None:
    accumulator = parse_accumulator({"$push": "$v"}, Context())
    state = accumulator.start()
    state.add(1)
    first = state.result()
    state.add(2)
    assert (first, state.result()) == ([1], [1, 2])


def test_merge_objects_keeps_its_inputs() -> None:
    document = {"a": 1}
    assert gather("$mergeObjects", document, None, {"b": 2, "a": 3}) == {"a": 3, "b": 2}
    assert document == {"a": 1}
    assert gather("$mergeObjects") == {}


@pytest.mark.parametrize(
    ("values", "population", "sample"),
    [((), None, None), ((5,), 0.0, None), ((1, 3), 1.0, math.sqrt(2)), (("x", 1, Decimal128("3")), 1.0, math.sqrt(2))],
)
def test_deviations(values: tuple[Any, ...], population: Any, sample: Any) -> None:
    assert same(gather("$stdDevPop", *values), population)
    assert same(gather("$stdDevSamp", *values), sample)


DOCUMENTS = [{"_id": 1, "k": 2}, {"_id": 2, "k": 1}, {"_id": 3, "k": 2}, {"_id": 4}, {"_id": 5, "k": [0, 9]}]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"$top": {"sortBy": {"k": -1}, "output": "$_id"}}, 5),
        ({"$top": {"sortBy": {"k": 1}, "output": "$k"}}, None),
        ({"$bottom": {"sortBy": {"k": -1}, "output": "$_id"}}, 4),
        ({"$topN": {"n": 3, "sortBy": {"k": 1}, "output": "$_id"}}, [4, 5, 2]),
        ({"$bottomN": {"n": 3, "sortBy": {"k": 1, "_id": 1}, "output": "$_id"}}, [2, 1, 3]),
        ({"$topN": {"n": 9, "sortBy": {"_id": -1}, "output": ["$_id"]}}, [[5], [4], [3], [2], [1]]),
        ({"$top": {"sortBy": {}, "output": "$_id"}}, 1),
        ({"$firstN": {"n": 2, "input": "$k"}}, [2, 1]),
        ({"$lastN": {"n": 2, "input": "$k"}}, [None, [0, 9]]),
        ({"$minN": {"n": 2, "input": "$k"}}, [1, 2]),
        ({"$maxN": {"n": 2.0, "input": "$k"}}, [[0, 9], 2]),
        ({"$maxN": {"n": Int64(9), "input": "$k"}}, [[0, 9], 2, 2, 1]),
    ],
)
def test_ranks(raw: dict[str, Any], expected: Any) -> None:
    assert same(accumulate(raw, DOCUMENTS), expected)


def test_n_may_come_from_the_group_key() -> None:
    raw = {"$firstN": {"n": {"$add": ["$size", 1]}, "input": "$_id"}}
    assert accumulate(raw, DOCUMENTS, {"size": 1}) == [1, 2]


def test_top_of_nothing_is_null() -> None:
    assert accumulate({"$top": {"sortBy": {"k": 1}, "output": "$k"}}, []) is None
    assert accumulate({"$topN": {"n": 1, "sortBy": {"k": 1}, "output": "$k"}}, []) == []


@pytest.mark.parametrize(
    ("shares", "expected"),
    [([0], [1.0]), ([0.5], [2.0]), ([0.95, 0.25], [4.0, 1.0]), ([1], [4.0])],
)
def test_percentile(shares: list[float], expected: list[float]) -> None:
    raw = {"$percentile": {"input": "$v", "p": shares, "method": "approximate"}}
    documents = [{"v": value} for value in (4, "x", 1, Int64(3), math.nan, 2.0)]
    assert same(accumulate(raw, documents), expected)


def test_percentile_of_nothing_is_null() -> None:
    assert accumulate({"$percentile": {"input": "$v", "p": [0.1, 0.2], "method": "approximate"}}, [{}]) == [None, None]
    assert accumulate({"$median": {"input": "$v", "method": "approximate"}}, [{}]) is None


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (1, 40234),
        ({}, 40234),
        ({"a": 1}, 40234),
        ({"$sum": 1, "$avg": 1}, 40238),
        ({"$nothing": 1}, 15952),
        ({"$sum": []}, 40237),
        ({"$push": ["$a", 1]}, 40237),
        ({"$count": 1}, 14),
        ({"$count": {"a": 1}}, 14),
        ({"$accumulator": {}}, 115),
        ({"$concatArrays": "$s"}, 14),
        ({"$concatArrays": None}, 14),
        ({"$setUnion": "$s"}, 14),
        ({"$mergeObjects": "$s"}, 5911200),
        ({"$avg": {"$divide": ["$one", 0]}}, 4848401),
        ({"$max": {"$mod": ["$one", 0]}}, 4848403),
        ({"$max": {"$divide": [1, 0]}}, 2),
        ({"$max": {"$divide": ["$s", 0]}}, 7157719),
        ({"$firstN": 1}, 5787801),
        ({"$minN": 1}, 5787900),
        ({"$firstN": {"n": 1, "input": 1, "x": 1}}, 5787901),
        ({"$firstN": {"input": 1}}, 5787906),
        ({"$firstN": {"n": 1}}, 5787907),
        ({"$firstN": {"n": 0, "input": 1}}, 7548606),
        ({"$maxN": {"n": 1.5, "input": 1}}, 7548606),
        ({"$topN": {"n": "x", "sortBy": {"a": 1}, "output": 1}}, 7548606),
        ({"$top": 1}, 5788001),
        ({"$top": {"n": 1, "sortBy": {"a": 1}, "output": 1}}, 5788002),
        ({"$topN": {"sortBy": {"a": 1}, "output": 1}}, 5788003),
        ({"$top": {"sortBy": {"a": 1}}}, 5788004),
        ({"$top": {"output": 1}}, 5788005),
        ({"$top": {"sortBy": 1, "output": 1}}, 10065),
        ({"$top": {"sortBy": {"a": 2}, "output": 1}}, 15975),
        ({"$percentile": 1}, 7429703),
        ({"$median": 1}, 7436100),
        ({"$median": {"input": 1, "method": "discrete"}}, 2),
    ],
)
def test_errors(raw: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        accumulate(raw, [{"s": "x", "one": 1}])
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"$mergeObjects": "$s"}, 40400),
        ({"$firstN": {"n": "x", "input": 1}}, 5787902),
        ({"$firstN": {"n": 1.5, "input": 1}}, 5787903),
        ({"$topN": {"n": 0, "sortBy": {"a": 1}, "output": 1}}, 5787908),
        ({"$avg": {"$divide": ["$one", 0]}}, 2),
    ],
)
def test_errors_outside_of_group(raw: Any, code: int) -> None:
    accumulator = parse_accumulator(raw, Context(), where="$bucketAuto")
    evaluate = accumulator.compile()
    with pytest.raises(OperationFailure) as caught:
        accumulator.start().add(evaluate({"s": "x", "one": 1}, new_frame()))
    assert caught.value.code == code
