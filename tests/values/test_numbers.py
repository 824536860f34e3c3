"""Typed arithmetic: result types, promotion, overflow, and decimals of 34 digits (manual: $add, $multiply, $mod)."""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.values import numbers
from kato_compat.values.equality import same
from kato_compat.values.types import BsonType

LONGEST = 2**63 - 1
NAN = Decimal128("NaN")


@pytest.mark.parametrize(
    ("function", "left", "right", "expected"),
    [
        (numbers.add, 1, 2, 3),
        (numbers.add, 2**31 - 1, 1, Int64(2**31)),
        (numbers.add, Int64(1), 1, Int64(2)),
        (numbers.add, Int64(LONGEST), 1, 9.223372036854775807e18),
        (numbers.add, 1, 0.5, 1.5),
        (numbers.add, 1.0, Decimal128("1"), Decimal128("2.00000000000000")),
        (numbers.add, Int64(2), Decimal128("0.10"), Decimal128("2.10")),
        (numbers.add, NAN, 1, NAN),
        (numbers.add, math.inf, -math.inf, math.nan),
        (numbers.subtract, -(2**31), 1, Int64(-(2**31) - 1)),
        (numbers.subtract, Int64(-LONGEST), 5, -9.223372036854775812e18),
        (numbers.subtract, Decimal128("Infinity"), Decimal128("Infinity"), NAN),
        (numbers.multiply, 2**16, 2**16, Int64(2**32)),
        (numbers.multiply, Int64(LONGEST), 2, 1.8446744073709552e19),
        (numbers.multiply, 0.1, Decimal128("3"), Decimal128("0.300000000000000")),
        (numbers.divide, 4, 2, 2.0),
        (numbers.divide, 1, Decimal128("3"), Decimal128("0.3333333333333333333333333333333333")),
        (numbers.modulo, -7, 3, -1),
        (numbers.modulo, 7, Int64(-3), Int64(1)),
        (numbers.modulo, 5.5, 2, 1.5),
        (numbers.modulo, 5.0, math.inf, 5.0),
        (numbers.modulo, math.inf, 5, math.nan),
        (numbers.modulo, Decimal128("1E+6000"), Decimal128("7"), Decimal128("1")),
        (numbers.modulo, Int64(-(2**63)), -1, Int64(0)),
    ],
)
def test_results_and_their_types(function: Callable[[Any, Any], Any], left: Any, right: Any, expected: Any) -> None:
    actual = function(left, right)
    assert same(actual, expected), f"{actual!r} is not {expected!r}"


@pytest.mark.parametrize(
    ("function", "left", "right", "code"),
    [
        (numbers.divide, 1, 0, 2),
        (numbers.divide, 1, -0.0, 2),
        (numbers.divide, Decimal128("1"), Decimal128("0E+3"), 2),
        (numbers.modulo, 1, 0, 16610),
        (numbers.modulo, 1.5, 0.0, 16610),
        (numbers.modulo, 1, Decimal128("0"), 5733415),
    ],
)
def test_zero_divides_nothing(function: Callable[[Any, Any], Any], left: Any, right: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        function(left, right)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "0.100000000000000"),
        (1.0, "1.00000000000000"),
        (100.0, "100.000000000000"),
        (1e300, "1.00000000000000E+300"),
        (0.9999999999999999, "1.00000000000000"),
        (-2.5, "-2.50000000000000"),
        (0.0, "0"),
        (-0.0, "-0"),
        (math.inf, "Infinity"),
    ],
)
def test_a_double_meets_decimals_with_fifteen_digits(value: float, expected: str) -> None:
    assert str(numbers.double_to_decimal(value)) == expected


def test_numeric_type() -> None:
    values = [1, 2**31, Int64(1), 1.0, Decimal128("1"), True, "1", None]
    kinds = [BsonType.INT, BsonType.LONG, BsonType.LONG, BsonType.DOUBLE, BsonType.DECIMAL, None, None, None]
    assert [numbers.numeric_type(value) for value in values] == kinds


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, 2), (2.0, 2), (2.5, None), (2.0**31, None), (Decimal128("2E+1"), 20), (Decimal128("NaN"), None), ("2", None)],
)
def test_integral_is_a_whole_number_of_32_bits(value: Any, expected: int | None) -> None:
    assert numbers.integral(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1e30, LONGEST),
        (-math.inf, -(2**63)),
        (math.nan, 0),
        (-2.9, -2),
        (Decimal128("2.5"), 2),
        (Decimal128("1E+30"), LONGEST),
    ],
)
def test_long_of_coerces_to_64_bits(value: Any, expected: int) -> None:
    assert numbers.long_of(value) == expected


def test_quantise_pads_what_34_digits_cannot_hold() -> None:
    rounded = numbers.quantise(Decimal("1.25"), 100, "ROUND_HALF_EVEN")
    assert str(rounded) == "1.250000000000000000000000000000000"
