"""Array expressions. Cases follow the MongoDB manual's pages of each operator unless they say otherwise."""

from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.ir.registry import operators
from kato_compat.ir.spec import Kind
from kato_compat.parse.expression import parse_expression
from kato_compat.values.equality import same
from kato_compat.values.missing import MISSING

MODULES = ("array", "concat", "iteration", "object", "set", "sort", "statistics", "bytesize", "meta")
EXAMPLES = [
    pytest.param(example, id=f"{operator.spec.name}-{number}")
    for operator in operators(Kind.EXPRESSION)
    if operator.__module__.rpartition(".")[2] in MODULES
    for number, example in enumerate(operator.spec.examples)
]


def evaluate(raw: Any, document: dict[str, Any] | None = None) -> Any:
    return parse_expression(raw).bind()({} if document is None else document)


def code_of(raw: Any, document: dict[str, Any] | None = None) -> int | None:
    with pytest.raises(OperationFailure) as caught:
        evaluate(raw, document)
    return caught.value.code


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples(example: Any) -> None:
    run = parse_expression(example.query).bind()
    assert same([run(document) for document in example.documents], example.result)


def test_every_operator_of_these_modules_has_an_example() -> None:
    for operator in operators(Kind.EXPRESSION):
        if operator.__module__.rpartition(".")[2] in MODULES:
            assert operator.spec.examples, operator.spec.name


@pytest.mark.parametrize(
    ("raw", "document", "expected"),
    [
        ({"$arrayElemAt": ["$a", 0]}, {"a": [1, 2]}, 1),
        ({"$arrayElemAt": ["$a", -2]}, {"a": [1, 2]}, 1),
        ({"$arrayElemAt": ["$a", 2]}, {"a": [1, 2]}, MISSING),
        ({"$arrayElemAt": ["$a", -3]}, {"a": [1, 2]}, MISSING),
        ({"$arrayElemAt": ["$a", 1.0]}, {"a": [1, 2]}, 2),
        ({"$arrayElemAt": ["$a", Decimal128("1")]}, {"a": [1, 2]}, 2),
        ({"$arrayElemAt": ["$x", 1]}, {"a": [1, 2]}, None),
        ({"$arrayElemAt": ["$a", None]}, {"a": [1, 2]}, None),
        ({"$arrayElemAt": ["$a.b", 1]}, {"a": [{"b": 1}, {}, {"b": 2}]}, 2),
        ({"$first": "$a"}, {"a": []}, MISSING),
        ({"$first": "$a"}, {}, None),
        ({"$last": "$a"}, {"a": [1, None]}, None),
        ({"$slice": ["$a", 5]}, {"a": [1, 2]}, [1, 2]),
        ({"$slice": ["$a", 0]}, {"a": [1, 2]}, []),
        ({"$slice": ["$a", -1]}, {"a": [1, 2]}, [2]),
        ({"$slice": ["$a", -5]}, {"a": [1, 2]}, [1, 2]),
        ({"$slice": ["$a", -5, 1]}, {"a": [1, 2]}, [1]),
        ({"$slice": ["$a", 1, 5]}, {"a": [1, 2]}, [2]),
        ({"$slice": ["$a", 7, 5]}, {"a": [1, 2]}, []),
        ({"$slice": [None, 1]}, {}, None),
        ({"$in": [1, "$a"]}, {"a": [Int64(1)]}, True),
        ({"$in": [True, "$a"]}, {"a": [1]}, False),
        ({"$in": [{"x": 1, "y": 2}, "$a"]}, {"a": [{"y": 2, "x": 1}]}, False),
        ({"$in": ["$m", [None]]}, {}, False),
        ({"$in": ["b", "$a"]}, {"a": ["a", "b"]}, True),
        ({"$indexOfArray": ["$a", 2]}, {"a": [1, 2.0, 2]}, 1),
        ({"$indexOfArray": ["$a", 2, 2]}, {"a": [1, 2.0, 2]}, 2),
        ({"$indexOfArray": ["$a", 2, 0, 1]}, {"a": [1, 2.0, 2]}, -1),
        ({"$indexOfArray": ["$a", 2, 5]}, {"a": [1]}, -1),
        ({"$indexOfArray": [None, "$a"]}, {}, None),
        ({"$range": [5, 0, -2]}, {}, [5, 3, 1]),
        ({"$range": [0, 0]}, {}, []),
        ({"$range": [0.0, Decimal128("2")]}, {}, [0, 1]),
        ({"$reverseArray": "$a"}, {"a": None}, None),
        ({"$isArray": ["$a"]}, {}, False),
        ({"$isArray": [[1]]}, {}, True),
        ({"$concatArrays": []}, {}, []),
        ({"$concatArrays": ["$a", None]}, {"a": [1]}, None),
        ({"$concatArrays": ["$a", "$m", "$s"]}, {"a": [1], "s": "x"}, None),
        ({"$zip": {"inputs": ["$a", [1, 2]]}}, {"a": ["x"]}, [["x", 1]]),
        ({"$zip": {"inputs": ["$a", [1, 2]], "useLongestLength": True}}, {"a": ["x"]}, [["x", 1], [None, 2]]),
        ({"$zip": {"inputs": ["$a", None]}}, {"a": ["x"]}, None),
        ({"$map": {"input": "$a", "in": "$$this.b"}}, {"a": [{"b": 1}, {}]}, [1, None]),
        ({"$map": {"input": "$a", "in": 1}}, {"a": None}, None),
        ({"$filter": {"input": "$a", "cond": {"$ne": ["$$this", 2]}}}, {"a": [1, 2, 3]}, [1, 3]),
        ({"$filter": {"input": "$a", "cond": True, "limit": None}}, {"a": [1, 2]}, [1, 2]),
        ({"$filter": {"input": "$m", "cond": True}}, {}, None),
        (
            {"$map": {"input": "$a", "as": "x", "in": {"$map": {"input": "$$x", "as": "y", "in": ["$$x", "$$y"]}}}},
            {"a": [[1]]},
            [[[[1], 1]]],
        ),
    ],
)
def test_values(raw: Any, document: dict[str, Any], expected: Any) -> None:
    result = evaluate(raw, document)
    assert result is MISSING if expected is MISSING else same(result, expected)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"$arrayElemAt": ["$s", 0]}, 28689),
        ({"$arrayElemAt": ["$a", "x"]}, 28690),
        ({"$arrayElemAt": ["$a", 0.5]}, 28691),
        ({"$arrayElemAt": ["$a", Int64(2**40)]}, 28691),
        ({"$arrayElemAt": ["$a"]}, 16020),
        ({"$first": "$s"}, 28689),
        ({"$size": "$m"}, 17124),
        ({"$size": ["$a", 1]}, 16020),
        ({"$slice": ["$a"]}, 28667),
        ({"$slice": ["$s", 1]}, 28724),
        ({"$slice": ["$a", "x"]}, 28725),
        ({"$slice": ["$a", 1.5]}, 28726),
        ({"$slice": ["$a", 1, "x"]}, 28727),
        ({"$slice": ["$a", 1, 1.5]}, 28728),
        ({"$slice": ["$a", 1, 0]}, 28729),
        ({"$in": [1, "$m"]}, 40081),
        ({"$indexOfArray": ["$s", 1]}, 40090),
        ({"$indexOfArray": ["$a", 1, 1.5]}, 9711600),
        ({"$indexOfArray": ["$a", 1, -1]}, 9711601),
        ({"$indexOfArray": ["x", "$a"]}, 50809),
        ({"$range": ["x", 1]}, 34443),
        ({"$range": [0.5, 1]}, 34444),
        ({"$range": [0, None]}, 34445),
        ({"$range": [0, 1.5]}, 34446),
        ({"$range": [0, 1, "x"]}, 34447),
        ({"$range": [0, 1, 1.5]}, 34448),
        ({"$range": [0, 1, 0]}, 34449),
        ({"$range": [0, 2**31 - 1]}, 146),
        ({"$reverseArray": "$s"}, 34435),
        ({"$concatArrays": ["$a", "$s"]}, 28664),
        ({"$concatArrays": ["$a", [1], "x"]}, 28664),
        ({"$zip": []}, 34460),
        ({"$zip": {"inputs": "$a"}}, 34461),
        ({"$zip": {"inputs": ["$a"], "defaults": 1}}, 34462),
        ({"$zip": {"inputs": ["$a"], "useLongestLength": 1}}, 34463),
        ({"$zip": {"inputs": ["$a"], "x": 1}}, 34464),
        ({"$zip": {}}, 34465),
        ({"$zip": {"inputs": ["$a"], "defaults": [1]}}, 34466),
        ({"$zip": {"inputs": ["$a"], "defaults": [1, 2], "useLongestLength": True}}, 34467),
        ({"$zip": {"inputs": ["$s"]}}, 34468),
        ({"$map": 1}, 16878),
        ({"$map": {"input": "$a", "in": 1, "x": 1}}, 16879),
        ({"$map": {"in": 1}}, 16880),
        ({"$map": {"input": "$a"}}, 16882),
        ({"$map": {"input": "$s", "in": 1}}, 16883),
        ({"$filter": 1}, 28646),
        ({"$filter": {"input": "$a", "cond": 1, "x": 1}}, 28647),
        ({"$filter": {"cond": 1}}, 28648),
        ({"$filter": {"input": "$a"}}, 28650),
        ({"$filter": {"input": "$s", "cond": 1}}, 28651),
        ({"$filter": {"input": "$a", "cond": 1, "limit": 1.5}}, 327391),
        ({"$filter": {"input": "$a", "cond": 1, "limit": 0}}, 327392),
        ({"$reduce": 1}, 40075),
        ({"$reduce": {"input": "$a", "initialValue": 0, "in": 1, "x": 1}}, 40076),
        ({"$reduce": {"initialValue": 0, "in": 1}}, 40077),
        ({"$reduce": {"input": "$a", "in": 1}}, 40078),
        ({"$reduce": {"input": "$a", "initialValue": 0}}, 40079),
        ({"$reduce": {"input": "$s", "initialValue": 0, "in": 1}}, 40080),
        ({"$sortArray": 1}, 2942500),
        ({"$sortArray": {"input": "$a", "sortBy": 1, "x": 1}}, 2942501),
        ({"$sortArray": {"sortBy": 1}}, 2942502),
        ({"$sortArray": {"input": "$a"}}, 2942503),
        ({"$sortArray": {"input": "$s", "sortBy": 1}}, 2942504),
        ({"$sortArray": {"input": "$a", "sortBy": {}}}, 2942505),
        ({"$sortArray": {"input": "$a", "sortBy": {"x": 2}}}, 2942505),
        ({"$sortArray": {"input": "$a", "sortBy": {"x..y": 1}}}, 2942505),
        ({"$sortArray": {"input": "$a", "sortBy": 2}}, 2942506),
        ({"$sortArray": {"input": "$a", "sortBy": "x"}}, 2942507),
    ],
)
def test_errors(raw: Any, code: int) -> None:
    assert code_of(raw, {"a": [1, 2], "s": "x"}) == code


@pytest.mark.parametrize(
    ("items", "sort_by", "expected"),
    [
        ([3, "x", None, 1.5, True], 1, [None, 1.5, 3, "x", True]),
        ([3, "x", None], -1, ["x", 3, None]),
        ([{"b": 2, "c": 1}, {"b": 1}, {"b": 2, "c": 0}], {"b": -1, "c": 1}, None),
        ([{"b": [1, 9]}, {"b": [2]}, 7, {"b": 3}], {"b": 1}, [7, {"b": 3}, {"b": [1, 9]}, {"b": [2]}]),
        ([{"b": {"c": 2}}, {"b": {"c": 1}}, {"b": 1}], {"b.c": 1}, [{"b": 1}, {"b": {"c": 1}}, {"b": {"c": 2}}]),
    ],
)
def test_sort_array(items: list[Any], sort_by: Any, expected: list[Any] | None) -> None:
    if expected is None:
        expected = [{"b": 2, "c": 0}, {"b": 2, "c": 1}, {"b": 1}]
    assert same(evaluate({"$sortArray": {"input": "$a", "sortBy": sort_by}}, {"a": items}), expected)


def _reduce(items: Any, initial: Any, body: Any) -> Any:
    return evaluate({"$reduce": {"input": "$a", "initialValue": "$i", "in": body}}, {"a": items, "i": initial})


# The same bodies as the specialised ones, written so that they run step by step.
_STEPPED = {
    "$concatArrays": {"$concatArrays": [{"$ifNull": ["$$value", None]}, "$$this"]},
    "$setUnion": {"$setUnion": [{"$ifNull": ["$$value", None]}, "$$this"]},
    "$mergeObjects": {"$mergeObjects": [{"$ifNull": ["$$value", None]}, "$$this"]},
}


@pytest.mark.parametrize("operator", sorted(_STEPPED))
@pytest.mark.parametrize("initial", [[], [0], None, {}, {"z": 1}, "x"])
@pytest.mark.parametrize(
    "items",
    [[], [[1], [2, [3]], []], [[1], None, "x"], [[1], "x", None], [None], [{"a": 1}, {"b": 2, "a": 3}], [1], None],
)
def test_linear_reduce_is_the_stepped_one(operator: str, initial: Any, items: Any) -> None:
    def outcome(body: Any) -> Any:
        try:
            return _reduce(items, initial, body)
        except OperationFailure as error:
            return error.code

    fast, stepped = outcome({operator: ["$$value", "$$this"]}), outcome(_STEPPED[operator])
    assert same(fast, stepped)


def test_reduce_does_not_touch_its_inputs() -> None:
    document = {"a": [[1], [2]], "i": [0]}
    raw = {"$reduce": {"input": "$a", "initialValue": "$i", "in": {"$concatArrays": ["$$value", "$$this", ["$k"]]}}}
    assert evaluate(raw, {**document, "k": 9}) == [0, 1, 9, 2, 9]
    assert document == {"a": [[1], [2]], "i": [0]}


def test_reduce_flattens_in_linear_time() -> None:
    document = {"a": [[number] for number in range(100_000)]}
    raw = {"$reduce": {"input": "$a", "initialValue": [], "in": {"$concatArrays": ["$$value", "$$this"]}}}
    assert evaluate(raw, document) == list(range(100_000))


def test_reduce_sees_the_value_in_other_operands() -> None:
    raw = {"$reduce": {"input": [1, 2], "initialValue": [0], "in": {"$concatArrays": ["$$value", "$$value"]}}}
    assert evaluate(raw) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"$sum": "$a"}, 6.5),
        ({"$sum": ["$a", 1]}, 1),
        ({"$sum": []}, 0),
        ({"$sum": "$m"}, 0),
        ({"$avg": ["$m", "x"]}, None),
        ({"$avg": [1, 2]}, 1.5),
        ({"$min": ["$a", 7]}, 7),
        ({"$max": ["$a", 7]}, [1, 2.5, 3, "x"]),
        ({"$max": "$m"}, None),
        ({"$stdDevSamp": [1]}, None),
        ({"$firstN": {"n": 9, "input": [1]}}, [1]),
        ({"$median": {"input": 5, "method": "approximate"}}, 5.0),
        ({"$percentile": {"input": "$m", "p": [0.5], "method": "approximate"}}, [None]),
    ],
)
def test_statistics(raw: Any, expected: Any) -> None:
    assert same(evaluate(raw, {"a": [1, 2.5, 3, "x"]}), expected)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"$firstN": 1}, 5787801),
        ({"$maxN": 1}, 5787900),
        ({"$firstN": {"n": 1, "input": "$a", "x": 1}}, 5787901),
        ({"$firstN": {"input": "$a"}}, 5787906),
        ({"$firstN": {"n": 1}}, 5787907),
        ({"$lastN": {"n": "x", "input": "$a"}}, 5787902),
        ({"$lastN": {"n": 1.5, "input": "$a"}}, 5787903),
        ({"$lastN": {"n": 0, "input": "$a"}}, 5787908),
        ({"$minN": {"n": 1, "input": "$m"}}, 5788200),
        ({"$percentile": 1}, 7436200),
        ({"$median": 1}, 7436201),
        ({"$median": {"input": 1}}, 40414),
        ({"$median": {"input": 1, "method": "approximate", "p": [0.5]}}, 40415),
        ({"$median": {"input": 1, "method": 1}}, 14),
        ({"$median": {"input": 1, "method": "exact"}}, 2),
        ({"$percentile": {"input": 1, "method": "approximate", "p": "$a"}}, 7750300),
        ({"$percentile": {"input": 1, "method": "approximate", "p": 1}}, 7750301),
        ({"$percentile": {"input": 1, "method": "approximate", "p": ["x"]}}, 7750302),
        ({"$percentile": {"input": 1, "method": "approximate", "p": [2]}}, 7750303),
    ],
)
def test_statistics_errors(raw: Any, code: int) -> None:
    assert code_of(raw, {"a": [1]}) == code
