"""Arithmetic, rounding, powers and bits: results with their types, and error codes.

Sources: MongoDB manual, the pages of the operators; the server's error codes.
"""

import math
from datetime import datetime
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import parse_expression
from kato_compat.values.document import normalise
from kato_compat.values.equality import same

DAY = datetime(2024, 2, 29)


def evaluate(expression: Any, document: dict[str, Any]) -> Any:
    return parse_expression(expression).bind()(normalise(document))


# Each operator is tried with a constant, which is folded, and with a field, which is not.
RESULTS: list[tuple[str, Any, Any]] = [
    ("$add", [], 0),
    ("$add", [-0.0], 0.0),
    ("$add", [-0.0, -0.0], 0.0),
    ("$add", [2**31 - 1, 1, -1], 2**31 - 1),
    ("$add", [2**31 - 1, 1], Int64(2**31)),
    ("$add", [Int64(2**63 - 1), 1], 9.223372036854775807e18),
    ("$add", [1, None, "x"], None),
    ("$add", [1, DAY, 999.5], datetime(2024, 2, 29, 0, 0, 1, 1000)),
    ("$add", [DAY, -0.5], datetime(2024, 2, 28, 23, 59, 59, 999000)),
    ("$add", [DAY, Decimal128("0E+30")], DAY),
    ("$add", [Decimal128("2.5"), DAY], datetime(2024, 2, 29, 0, 0, 0, 2000)),
    ("$add", [DAY, Int64(2**60)], DatetimeMS(2**60 + 1_709_164_800_000)),
    ("$subtract", [DAY, datetime(2024, 2, 28)], Int64(86_400_000)),
    ("$subtract", [DAY, 1.5], datetime(2024, 2, 28, 23, 59, 59, 998000)),
    ("$subtract", [None, "x"], None),
    ("$subtract", [0, -0.0], 0.0),
    ("$multiply", [], 1),
    ("$multiply", [Int64(2), 3], Int64(6)),
    ("$multiply", [Int64(2**62), 4, 0.5], 2.0**63),
    ("$multiply", [Int64(2**62), 4, Decimal128("1")], Decimal128("1.84467440737096E+19")),
    ("$multiply", [2, None, "x"], None),
    ("$divide", [1, None], None),
    ("$mod", ["$$REMOVE", "x"], None),
    ("$abs", [-(2**31)], Int64(2**31)),
    ("$abs", [Decimal128("-1.50")], Decimal128("1.50")),
    ("$ceil", [-0.5], -0.0),
    ("$ceil", [Decimal128("1.1")], Decimal128("2")),
    ("$floor", [Decimal128("-1.1")], Decimal128("-2")),
    ("$floor", [math.inf], math.inf),
    ("$floor", [Int64(5)], Int64(5)),
    ("$round", [2.5], 2.0),
    ("$round", [-0.4], -0.0),
    ("$round", [1.005, 2], 1.0),
    ("$round", [2**31 - 1, -1], Int64(2_147_483_650)),
    ("$round", [15, -1], 20),
    ("$round", [Decimal128("1.25"), 1], Decimal128("1.2")),
    ("$round", [Decimal128("Infinity"), 2], Decimal128("Infinity")),
    ("$round", [1e300, 2], 1e300),
    ("$round", [None, 1000], None),
    ("$trunc", [-1.29, 1], -1.2),
    ("$trunc", [1234, -2], 1200),
    ("$trunc", [math.nan], math.nan),
    ("$exp", [710], math.inf),
    ("$exp", [Decimal128("0")], Decimal128("1")),
    ("$ln", [1], 0.0),
    ("$ln", [Decimal128("NaN")], math.nan),
    ("$log10", [Decimal128("100")], Decimal128("2")),
    ("$log", [Decimal128("8"), 2], Decimal128("3")),
    ("$log", [math.nan, 2], math.nan),
    ("$log", [None, "x"], None),
    ("$sqrt", [Decimal128("2")], Decimal128("1.414213562373095048801688724209698")),
    ("$sqrt", [-0.0], -0.0),
    ("$pow", [2, 62], Int64(2**62)),
    ("$pow", [2, 63], 2.0**63),
    ("$pow", [-2, 63], Int64(-(2**63))),
    ("$pow", [2, -1], 0.5),
    ("$pow", [-1, -3], -1),
    ("$pow", [1, Int64(-3)], Int64(1)),
    ("$pow", [-8, 0.5], math.nan),
    ("$pow", [-10, 399], -math.inf),
    ("$pow", [Decimal128("2"), 3], Decimal128("8.000000000000000000000000000000000")),
    ("$pow", [Decimal128("0"), 0], Decimal128("1.000000000000000000000000000000000")),
    ("$sigmoid", 0, 0.5),
    ("$bitAnd", [], -1),
    ("$bitAnd", [6, Int64(3)], Int64(2)),
    ("$bitOr", [1, None], None),
    ("$bitXor", [5, 1], 4),
    ("$bitNot", [Int64(0)], Int64(-1)),
]


@pytest.mark.parametrize(("name", "operand", "expected"), RESULTS)
def test_constants(name: str, operand: Any, expected: Any) -> None:
    actual = evaluate({name: operand}, {})
    assert same(actual, expected), f"{actual!r} is not {expected!r}"


@pytest.mark.parametrize(("name", "operand", "expected"), [case for case in RESULTS if type(case[1]) is list])
def test_fields(name: str, operand: list[Any], expected: Any) -> None:
    document = {f"f{index}": item for index, item in enumerate(operand) if item != "$$REMOVE"}
    actual = evaluate({name: [f"$f{index}" for index in range(len(operand))]}, document)
    assert same(actual, expected), f"{actual!r} is not {expected!r}"


ERRORS: list[tuple[Any, int]] = [
    ({"$add": [1, "x"]}, 14),
    ({"$add": [DAY, DAY]}, 16612),
    ({"$add": [DAY, math.nan]}, 15),
    ({"$add": [DAY, Int64(2**63 - 1)]}, 15),
    ({"$add": [DAY, Decimal128("1E+30")]}, 15),
    ({"$subtract": [1, DAY]}, 14),
    ({"$subtract": [DAY, "x"]}, 14),
    ({"$subtract": [DAY, Int64(-(2**63))]}, 15),
    ({"$subtract": [1]}, 16020),
    ({"$multiply": [True, 1]}, 14),
    ({"$divide": [1, 0]}, 2),
    ({"$divide": ["x", 1]}, 14),
    ({"$mod": [1, 0]}, 16610),
    ({"$mod": [1, Decimal128("0")]}, 5733415),
    ({"$mod": ["x", 1]}, 16611),
    ({"$abs": "x"}, 28765),
    ({"$abs": Int64(-(2**63))}, 28680),
    ({"$ceil": [1, 2]}, 16020),
    ({"$round": []}, 28667),
    ({"$round": [1, 2, 3]}, 28667),
    ({"$round": ["x"]}, 51081),
    ({"$round": [1, "x"]}, 16004),
    ({"$round": [1, math.inf]}, 31109),
    ({"$round": [1, Decimal128("Infinity")]}, 51082),
    ({"$round": [1, 1.5]}, 51082),
    ({"$round": [1, 101]}, 51083),
    ({"$trunc": [1, -21]}, 51083),
    ({"$round": [Int64(2**63 - 1), -1]}, 51080),
    ({"$ln": 0}, 28766),
    ({"$log10": -1}, 28761),
    ({"$log": ["x", 10]}, 28756),
    ({"$log": [10, "x"]}, 28757),
    ({"$log": [0, 10]}, 28758),
    ({"$log": [10, 1]}, 28759),
    ({"$sqrt": -1}, 28714),
    ({"$sqrt": Decimal128("-1")}, 28714),
    ({"$pow": ["x", 1]}, 28762),
    ({"$pow": [1, "x"]}, 28763),
    ({"$pow": [0, -1]}, 28764),
    ({"$sigmoid": "x"}, 14),
    ({"$bitAnd": [1, 1.5]}, 14),
    ({"$bitOr": [True]}, 14),
    ({"$bitNot": 1.5}, 14),
    ({"$bitNot": "x"}, 28765),
]


@pytest.mark.parametrize(("expression", "code"), ERRORS)
def test_errors(expression: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        evaluate(expression, {})
    assert caught.value.code == code


def test_a_null_hides_the_operands_behind_it() -> None:
    assert evaluate({"$add": ["$missing", "$text"]}, {"text": "x"}) is None
    with pytest.raises(OperationFailure) as caught:
        evaluate({"$add": ["$text", "$missing"]}, {"text": "x"})
    assert caught.value.code == 14


def test_constants_in_front_are_combined_when_parsed() -> None:
    with pytest.raises(OperationFailure) as caught:
        parse_expression({"$add": [1, "x", "$a"]})
    assert caught.value.code == 14
    assert evaluate({"$add": [1, 2, "$a"]}, {"a": 0.5}) == 3.5
