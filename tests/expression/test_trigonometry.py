"""Trigonometry: doubles, decimals of 34 digits, and the ranges of the functions (manual: Trigonometry Operators)."""

import math
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import parse_expression
from kato_compat.values.equality import same


def evaluate(expression: Any) -> Any:
    return parse_expression(expression).bind()({})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"$sin": 1}, math.sin(1)),
        ({"$cos": Int64(0)}, 1.0),
        ({"$tan": 0.5}, math.tan(0.5)),
        ({"$sin": math.nan}, math.nan),
        ({"$asin": -1}, -math.pi / 2),
        ({"$atan": math.inf}, math.pi / 2),
        ({"$atan2": [1, -1]}, 3 * math.pi / 4),
        ({"$atan2": [None, "x"]}, None),
        ({"$atan2": [1, None]}, None),
        ({"$atanh": 1}, math.inf),
        ({"$atanh": -1.0}, -math.inf),
        ({"$acosh": math.inf}, math.inf),
        ({"$sinh": -1000}, -math.inf),
        ({"$cosh": -1000}, math.inf),
        ({"$tanh": 1000}, 1.0),
        ({"$degreesToRadians": 90}, math.pi / 2),
        ({"$radiansToDegrees": math.pi / 4}, 45.0),
        # The next ones are digits that mathematical tables give.
        ({"$sin": Decimal128("1")}, Decimal128("0.8414709848078965066525023216302990")),
        ({"$cos": Decimal128("1")}, Decimal128("0.5403023058681397174009366074429766")),
        ({"$tan": Decimal128("1")}, Decimal128("1.557407724654902230506974807458360")),
        ({"$atan": Decimal128("1")}, Decimal128("0.7853981633974483096156608458198757")),
        ({"$asin": Decimal128("1")}, Decimal128("1.570796326794896619231321691639751")),
        ({"$acos": Decimal128("-1")}, Decimal128("3.141592653589793238462643383279503")),
        ({"$sinh": Decimal128("1")}, Decimal128("1.175201193643801456882381850595601")),
        ({"$cosh": Decimal128("1")}, Decimal128("1.543080634815243778477905620757062")),
        ({"$tanh": Decimal128("1")}, Decimal128("0.7615941559557648881194582826047936")),
        ({"$asinh": Decimal128("1")}, Decimal128("0.8813735870195430252326093249797923")),
        ({"$acosh": Decimal128("2")}, Decimal128("1.316957896924816708625046347307968")),
        ({"$atanh": Decimal128("0.5")}, Decimal128("0.5493061443340548456976226184612629")),
        ({"$atan2": [Decimal128("1"), 1]}, Decimal128("0.7853981633974483096156608458198757")),
        ({"$atan2": [Decimal128("0"), Decimal128("-1")]}, Decimal128("3.141592653589793238462643383279503")),
        ({"$degreesToRadians": Decimal128("180")}, Decimal128("3.141592653589793238462643383279503")),
        ({"$sin": Decimal128("0")}, Decimal128("0")),
        ({"$cos": Decimal128("NaN")}, Decimal128("NaN")),
        ({"$sinh": Decimal128("1E+6")}, Decimal128("Infinity")),
        ({"$atan": Decimal128("-Infinity")}, Decimal128("-1.570796326794896619231321691639751")),
    ],
)
def test_results(expression: Any, expected: Any) -> None:
    actual = evaluate(expression)
    assert same(actual, expected), f"{actual!r} is not {expected!r}"


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ({"$sin": math.inf}, 50989),
        ({"$cos": Decimal128("-Infinity")}, 50989),
        ({"$tan": math.inf}, 50989),
        ({"$asin": 1.1}, 50989),
        ({"$acos": Decimal128("-1.1")}, 50989),
        ({"$acosh": 0.9}, 50989),
        ({"$atanh": 2}, 50989),
        ({"$sin": "x"}, 28765),
        ({"$sin": [1, 2]}, 16020),
        ({"$atan2": ["x", 1]}, 51044),
        ({"$atan2": [1, "x"]}, 51045),
        ({"$atan2": [1]}, 16020),
    ],
)
def test_errors(expression: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        evaluate(expression)
    assert caught.value.code == code
