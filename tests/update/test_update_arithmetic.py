"""`$inc`, `$mul` and `$bit`: result types, overflow and errors."""

import math
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import Context
from kato_compat.parse.update import parse_update

INT = 2**31 - 1
LONG = Int64(2**63 - 1)


def result(operator: str, operand: Any, *value: Any) -> Any:
    """What the operator makes of `value`, or of a missing field."""
    document = {"_id": 7, **({"n": value[0]} if value else {})}
    return parse_update({operator: {"n": operand}}, Context()).apply(document)["n"]


def error(update: dict[str, Any], document: dict[str, Any]) -> OperationFailure:
    with pytest.raises(OperationFailure) as caught:
        parse_update(update, Context()).apply(document)
    return caught.value


@pytest.mark.parametrize(
    ("value", "operand", "expected"),
    [
        (1, 2, 3),
        (INT, 1, Int64(2**31)),
        (-(2**31), -1, Int64(-(2**31) - 1)),
        (Int64(1), 2, Int64(3)),
        (1, Int64(2), Int64(3)),
        (Int64(2**40), -(2**31), Int64(2**40 - 2**31)),
        (1, 2.5, 3.5),
        (1.5, Int64(1), 2.5),
        (1, Decimal128("2.50"), Decimal128("3.50")),
        (0.1, Decimal128("1"), Decimal128("1.100000000000000")),
        (float("inf"), 1, float("inf")),
    ],
)
def test_inc_gives_the_wider_type(value: Any, operand: Any, expected: Any) -> None:
    found = result("$inc", operand, value)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("value", "operand", "expected"),
    [
        (3, 4, 12),
        (65536, 65536, Int64(2**32)),
        (Int64(3), 4, Int64(12)),
        (3, 0.5, 1.5),
        (2, Decimal128("1.50"), Decimal128("3.00")),
        (-3, 0, 0),
    ],
)
def test_mul_gives_the_wider_type(value: Any, operand: Any, expected: Any) -> None:
    found = result("$mul", operand, value)
    assert (type(found), found) == (type(expected), expected)


def test_inc_sets_a_missing_field_to_the_operand() -> None:
    assert result("$inc", Decimal128("1.0")) == Decimal128("1.0")
    assert type(result("$inc", Int64(1))) is Int64


@pytest.mark.parametrize(
    ("operand", "expected"), [(5, 0), (Int64(5), Int64(0)), (2.5, 0.0), (Decimal128("1.50"), Decimal128("0.00"))]
)
def test_mul_sets_a_missing_field_to_zero_of_its_type(operand: Any, expected: Any) -> None:
    found = result("$mul", operand)
    assert (type(found), found) == (type(expected), expected)


def test_mul_of_a_missing_field_by_infinity_is_nan() -> None:
    assert math.isnan(result("$mul", float("inf")))
    assert math.copysign(1, result("$mul", -2.0)) == -1


@pytest.mark.parametrize(("operator", "operand"), [("$inc", 1), ("$mul", 2)])
def test_a_long_that_overflows_is_an_error(operator: str, operand: int) -> None:
    caught = error({operator: {"n": operand}}, {"_id": 7, "n": LONG})
    assert caught.code == 2
    assert str(caught.details and caught.details["errmsg"]).startswith(f"Failed to apply {operator} operations")


@pytest.mark.parametrize("operand", ["1", None, True, [1], {"a": 1}])
@pytest.mark.parametrize("operator", ["$inc", "$mul"])
def test_an_operand_that_is_no_number_is_refused(operator: str, operand: Any) -> None:
    with pytest.raises(OperationFailure) as caught:
        parse_update({operator: {"n": operand}}, Context())
    assert caught.value.code == 14


@pytest.mark.parametrize("value", ["1", None, True, [1], {"a": 1}])
def test_a_value_that_is_no_number_is_refused(value: Any) -> None:
    caught = error({"$inc": {"n": 1}}, {"_id": 7, "n": value})
    assert caught.code == 14
    assert "{_id: 7} has the field 'n' of non-numeric type" in str(caught)


@pytest.mark.parametrize(
    ("value", "operations", "expected"),
    [
        (13, {"and": 10}, 8),
        (3, {"or": 5}, 7),
        (1, {"xor": 5}, 4),
        (1, {"or": 6, "and": 3}, 3),
        (Int64(1), {"or": 2}, Int64(3)),
        (1, {"or": Int64(2)}, Int64(3)),
        (-1, {"and": INT}, INT),
        (-1, {"xor": 1}, -2),
    ],
)
def test_bit(value: Any, operations: dict[str, Any], expected: Any) -> None:
    found = result("$bit", operations, value)
    assert (type(found), found) == (type(expected), expected)


def test_bit_takes_a_missing_field_for_zero() -> None:
    assert result("$bit", {"or": 5}) == 5
    assert result("$bit", {"and": 5}) == 0
    assert type(result("$bit", {"xor": Int64(5)})) is Int64


@pytest.mark.parametrize("operand", [1, {}, {"not": 1}, {"and": 1.0}, {"and": Decimal128("1")}, {"or": "1"}, [1]])
def test_bit_refuses_other_operands(operand: Any) -> None:
    with pytest.raises(OperationFailure) as caught:
        parse_update({"$bit": {"n": operand}}, Context())
    assert caught.value.code == 2


@pytest.mark.parametrize("value", [1.0, "1", None, True])
def test_bit_refuses_other_values(value: Any) -> None:
    assert error({"$bit": {"n": {"or": 1}}}, {"_id": 7, "n": value}).code == 2
