"""The variables of a command and the paths of expressions (MongoDB manual: Variables in Aggregation Expressions)."""

import math
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import Context, parse_expression


def evaluate(raw: Any, document: dict[str, Any], context: Context | None = None) -> Any:
    return parse_expression(raw, context).bind()(document)


def test_let_binds_in_order() -> None:
    scope = Context().let({"a": 2, "b": {"$add": ["$$a", 1]}})
    assert evaluate({"$multiply": ["$$a", "$$b"]}, {}, scope) == 6


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"ROOT": 1}, 9),
        ({"Upper": 1}, 9),
        ({"": 1}, 9),
        ({"a-b": 1}, 9),
        ({"b": "$$a", "a": 1}, 17276),
        ({"a": "$field"}, 4890500),
        ({"a": "$$ROOT"}, 4890500),
    ],
)
def test_let_refuses(variables: dict[str, Any], code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        Context().let(variables)
    assert raised.value.code == code


def test_now_where_there_is_no_clock() -> None:
    with pytest.raises(OperationFailure) as raised:
        parse_expression("$$NOW", Context(clocked=False))
    assert raised.value.code == 51144


@pytest.mark.parametrize("name", ["$id", "$ref", "$db"])
def test_parts_of_references_are_fields(name: str) -> None:
    assert evaluate(f"$link.{name}", {"link": {name: 7}}) == 7


@pytest.mark.parametrize(
    ("path", "code"),
    [("$", 16872), ("$a.", 40353), ("$.a", 15998), ("$a..b", 15998), ("$a.$b", 16410), ("$a.b\0", 16411)],
)
def test_malformed_paths(path: str, code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        parse_expression(path)
    assert raised.value.code == code


@pytest.mark.parametrize("name", ["$trunc", "$round"])
def test_rounding_keeps_the_sign_of_zero(name: str) -> None:
    assert math.copysign(1, evaluate({name: ["$v", 1]}, {"v": -0.0})) == -1


@pytest.mark.parametrize(("left", "right"), [("-0", "3"), ("-6", "2")])
def test_the_remainder_has_the_sign_of_the_dividend(left: str, right: str) -> None:
    result = evaluate({"$mod": ["$a", "$b"]}, {"a": Decimal128(left), "b": Decimal128(right)})
    assert result == Decimal128("-0")


def test_a_share_is_no_nan() -> None:
    with pytest.raises(OperationFailure) as raised:
        parse_expression({"$percentile": {"input": "$a", "p": [math.nan], "method": "approximate"}})
    assert raised.value.code == 7750303
