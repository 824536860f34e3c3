"""`$expMovingAvg`: the exponential moving average."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from bson.decimal128 import Decimal128

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression, Frame
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import StageContext
from kato_compat.ir.window import Column, Ordering, Partition, Windowed, WindowFunction
from kato_compat.values.numbers import DECIMAL, decimal_of, double_of, long_of, pack
from kato_compat.values.types import NUMBER_TYPES, is_number

_ONE = Decimal(1)


@register
@dataclass(frozen=True, slots=True)
class ExponentialAverage(WindowFunction):
    """`$expMovingAvg` (MongoDB manual: $expMovingAvg). `alpha` is the weight of the current value."""

    spec: ClassVar[Spec] = Spec(
        "$expMovingAvg",
        Kind.WINDOW,
        "5.0",
        "The exponential moving average.",
        examples=(
            Example(
                ({"_id": 1, "a": 2}, {"_id": 2, "a": 4}, {"_id": 3, "a": "x"}),
                {"r": {"$expMovingAvg": {"input": "$a", "alpha": 0.5}}},
                [{"_id": 1, "a": 2, "r": 2.0}, {"_id": 2, "a": 4, "r": 3.0}, {"_id": 3, "a": "x", "r": 3.0}],
            ),
        ),
    )
    expression: Expression
    alpha: Decimal

    @classmethod
    def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
        """See `WindowFunction.parse`. Raises 9 for wrong arguments and for a missing sortBy."""
        operand = raw.get("$expMovingAvg")
        if len(raw) != 1 or type(operand) is not dict:
            raise fail(9, "$expMovingAvg must have exactly one argument that is an object")
        message = (
            "$expMovingAvg sub object must have exactly two fields: An 'input' field, and either an 'N' field or an "
            "'alpha' field"
        )
        if len(operand) != 2 or "input" not in operand:
            raise fail(9, message)
        if ordering is None:
            raise fail(9, "$expMovingAvg requires an explicit 'sortBy'")
        expression = context.parse(operand["input"])
        if "N" in operand:
            return cls(expression, _weight(operand["N"]))
        if "alpha" not in operand:
            raise fail(9, f"Got unrecognized field in $expMovingAvg: {message}")
        alpha = operand["alpha"]
        if not is_number(alpha):
            raise fail(9, "'alpha' must be a number")
        weight = decimal_of(alpha)
        if not (weight.is_finite() and 0 < weight < 1):
            raise fail(9, f"'alpha' must be between 0 and 1 (exclusive), found {alpha}")
        return cls(expression, weight)

    def compile(self, frame: Frame) -> Windowed:
        """See `WindowFunction.compile`."""
        evaluate, alpha = self.expression.compile(), self.alpha
        rest = DECIMAL.subtract(_ONE, alpha)

        def column(partition: Partition) -> Column:
            found: Column = []
            average: Decimal | None = None
            decimal = False
            result: Any = None
            for document in partition:
                value = evaluate(document, frame)
                if type(value) in NUMBER_TYPES:
                    decimal = decimal or type(value) is Decimal128
                    number = decimal_of(value)
                    if average is None:
                        average = number
                    else:
                        average = DECIMAL.add(DECIMAL.multiply(number, alpha), DECIMAL.multiply(average, rest))
                    result = pack(average) if decimal else float(average)
                found.append(result)
            return found

        return column


def _weight(number: Any) -> Decimal:
    """The weight of the current value in an average over `number` documents."""
    if not is_number(number):
        raise fail(9, f"'N' field must be an integer, but found {number}")
    double = double_of(number)
    if not double.is_integer():
        raise fail(
            9,
            f"'N' field must be an integer, but found {number}. To use a non-integer, use the 'alpha' argument instead",
        )
    whole = long_of(number)
    if whole <= 0:
        raise fail(9, f"'N' must be greater than zero. Got {whole}")
    return DECIMAL.divide(Decimal(2), Decimal(whole + 1))
