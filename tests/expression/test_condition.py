"""Comparisons, boolean and conditional expressions, variables (manual: $cmp, $and, $cond, $switch, $let, ..)."""

from itertools import pairwise
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from pymongo.errors import OperationFailure

from kato_compat.ir.expression import Literal
from kato_compat.parse.expression import parse_expression
from kato_compat.values.missing import MISSING

NAN = float("nan")
ZERO = {"$divide": [1, 0]}
DIVIDES = {"$divide": [1, "$zero"]}


def evaluate(expression: Any, document: dict[str, Any] | None = None) -> Any:
    return parse_expression(expression).bind()({"zero": 0, **(document or {})})


def code_of(expression: Any, document: dict[str, Any] | None = None) -> int | None:
    with pytest.raises(OperationFailure) as caught:
        evaluate(expression, document)
    return caught.value.code


ASCENDING: list[Any] = [
    MinKey(),
    "$missing",
    None,
    NAN,
    -1,
    Decimal128("0.5"),
    1,
    Int64(2),
    2.5,
    "A",
    "a",
    {"a": 1},
    {"a": 1, "b": 0},
    [1],
    [1, 0],
    False,
    True,
    MaxKey(),
]


@pytest.mark.parametrize(("left", "right"), list(pairwise(ASCENDING)))
def test_comparisons_follow_bson_order(left: Any, right: Any) -> None:
    pair, reverse = [left, right], [right, left]
    assert evaluate({"$cmp": pair}) == -1
    assert evaluate({"$cmp": reverse}) == 1
    assert [evaluate({name: pair}) for name in ("$lt", "$lte", "$ne", "$eq", "$gte", "$gt")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert [evaluate({name: reverse}) for name in ("$lt", "$lte", "$ne", "$eq", "$gte", "$gt")] == [
        False, False, True, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, Decimal128("1.0"), True),
        (Int64(2**53 + 1), 2.0**53, False),
        (NAN, Decimal128("NaN"), True),
        (0.0, -0.0, True),
        (1, True, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ("$missing", None, False),
        ("$missing", "$absent", True),
    ],
)
def test_equality(left: Any, right: Any, equal: bool) -> None:
    assert evaluate({"$eq": [left, right]}) is equal
    assert evaluate({"$ne": [left, right]}) is not equal
    assert evaluate({"$eq": ["$a", right]}, {} if left == "$missing" else {"a": left}) is equal


@pytest.mark.parametrize(
    ("value", "true"),
    [(0, False), (-0.0, False), (Decimal128("0"), False), (None, False), (False, False), (NAN, True), ("", True),
     ([], True), ({}, True), (Int64(1), True)],
)  # fmt: skip
def test_what_is_true(value: Any, true: bool) -> None:
    assert evaluate({"$and": ["$a"]}, {"a": value}) is true
    assert evaluate({"$or": ["$zero", "$a", "$zero"]}, {"a": value}) is true
    assert evaluate({"$not": ["$a"]}, {"a": value}) is not true
    assert evaluate({"$cond": ["$a", "yes", "no"]}, {"a": value}) == ("yes" if true else "no")


def test_empty_connectives() -> None:
    assert evaluate({"$and": []}) is True
    assert evaluate({"$or": []}) is False


def test_only_what_is_needed_is_evaluated() -> None:
    assert evaluate({"$and": ["$zero", DIVIDES]}) is False
    assert evaluate({"$or": ["$one", DIVIDES]}, {"one": 1}) is True
    assert evaluate({"$cond": ["$zero", DIVIDES, 1]}) == 1
    assert evaluate({"$ifNull": ["$zero", DIVIDES, 1]}) == 0
    branches = [{"case": "$zero", "then": DIVIDES}, {"case": {"$eq": ["$zero", 0]}, "then": 2}]
    assert evaluate({"$switch": {"branches": branches, "default": DIVIDES}}) == 2


def test_a_constant_decides_when_parsed() -> None:
    assert parse_expression({"$and": ["$a", False]}) == Literal(False)
    assert parse_expression({"$or": [DIVIDES, 1]}) == Literal(True)
    assert parse_expression({"$cond": [True, "$a", "$b"]}) == parse_expression("$a")
    assert parse_expression({"$ifNull": [None, "$a"]}) == parse_expression("$a")
    assert parse_expression({"$let": {"vars": {"x": "$a"}, "in": 1}}) == Literal(1)


def test_constants_fail_when_parsed_also_in_branches_not_taken() -> None:
    for expression in ({"$cond": [True, 1, ZERO]}, {"$ifNull": ["$a", ZERO, 1]}, {"$and": [False, ZERO]}):
        with pytest.raises(OperationFailure) as caught:
            parse_expression(expression)
        assert caught.value.code == 2


def test_a_dead_branch_of_switch_is_checked_but_never_computed() -> None:
    dead = {"case": False, "then": ZERO}
    sure = {"case": 1, "then": "yes"}
    assert evaluate({"$switch": {"branches": [dead, sure, {"case": ZERO, "then": ZERO}]}}) == "yes"
    assert code_of({"$switch": {"branches": [{"case": False, "then": {"$divide": [1]}}, sure]}}) == 16020


def test_missing_passes_through() -> None:
    assert evaluate({"$cond": [True, "$absent", 1]}) is MISSING
    assert evaluate({"$ifNull": ["$absent", "$nothing"]}) is MISSING
    assert evaluate({"$switch": {"branches": [{"case": "$one", "then": "$absent"}]}}, {"one": 1}) is MISSING


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ({"$eq": [1]}, 16020),
        ({"$cmp": 1}, 16020),
        ({"$not": [1, 2]}, 16020),
        ({"$cond": [1, 2]}, 16020),
        ({"$cond": {"then": 1, "else": 2}}, 17080),
        ({"$cond": {"if": 1, "else": 2}}, 17081),
        ({"$cond": {"if": 1, "then": 2}}, 17082),
        ({"$cond": {"if": 1, "then": 2, "else": 3, "more": 4}}, 17083),
        ({"$ifNull": [1]}, 1257300),
        ({"$ifNull": "$a"}, 1257300),
        ({"$switch": 1}, 40060),
        ({"$switch": {"branches": 1}}, 40061),
        ({"$switch": {"branches": [1]}}, 40062),
        ({"$switch": {"branches": [{"case": 1, "then": 1, "x": 1}]}}, 40063),
        ({"$switch": {"branches": [{"then": 1}]}}, 40064),
        ({"$switch": {"branches": [{"case": 1}]}}, 40065),
        ({"$switch": {"branches": [{"case": "$zero", "then": 1}]}}, 40066),
        ({"$switch": {"branches": [{"case": 1, "then": 1}], "x": 1}}, 40067),
        ({"$switch": {"branches": []}}, 40068),
        ({"$switch": {}}, 40068),
        ({"$switch": {"branches": [{"case": 0, "then": 1}]}}, 40069),
        ({"$let": 1}, 16874),
        ({"$let": {"vars": {}, "in": 1, "x": 1}}, 16875),
        ({"$let": {"in": 1}}, 16876),
        ({"$let": {"vars": {}}}, 16877),
        ({"$let": {"vars": 1, "in": 1}}, 10065),
        ({"$let": {"vars": {"Upper": 1}, "in": 1}}, 9),
        ({"$let": {"vars": {"x": 1}, "in": "$$y"}}, 17276),
        ({"$let": {"vars": {"x": 1, "y": "$$x"}, "in": 1}}, 17276),
        ({"$rand": 1}, 10065),
        ({"$rand": {"seed": 1}}, 3040501),
        ({"$function": {"body": "", "args": [], "lang": "js"}}, 115),
    ],
)
def test_errors(expression: Any, code: int) -> None:
    assert code_of(expression) == code


def test_variables_shadow_and_do_not_leak() -> None:
    inner = {"$let": {"vars": {"x": {"$add": ["$$x", 1]}}, "in": "$$x"}}
    outer = {"$let": {"vars": {"x": "$a", "y": 10}, "in": [inner, "$$x", "$$y"]}}
    assert evaluate(outer, {"a": 1}) == [2, 1, 10]


def test_current_moves_the_start_of_paths() -> None:
    moved = {"$let": {"vars": {"CURRENT": "$a"}, "in": ["$b", "$$ROOT.b"]}}
    assert evaluate(moved, {"a": {"b": 1}, "b": 2}) == [1, 2]


def test_rand_is_never_folded() -> None:
    run = parse_expression({"$rand": {}}).bind()
    values = {run({}) for _ in range(5)}
    assert len(values) == 5
    assert all(0 <= value < 1 for value in values)
