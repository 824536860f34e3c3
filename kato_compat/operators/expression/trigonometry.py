"""Trigonometric expressions: doubles in and out, decimals for decimals (MongoDB manual: Trigonometry Operators)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from bson.decimal128 import Decimal128

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.expression.numeric import numeric
from kato_compat.values import transcendental
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import DECIMAL, decimal_of, double_of, pack
from kato_compat.values.types import NUMBER_TYPES, alias_of


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a function takes: between two bounds, which belong to it if `closed`."""

    low: float
    high: float
    closed: bool

    def check(self, name: str, value: float | Decimal) -> None:
        """Raise 50989 for a number outside."""
        inside = self.low <= value <= self.high if self.closed else self.low < value < self.high
        if not inside:
            left, right = "[]" if self.closed else "()"
            raise fail(50989, f"cannot apply {name} to {value}, value must be in {left}{self.low},{self.high}{right}")


_FINITE = Range(-math.inf, math.inf, closed=False)
_UNIT = Range(-1.0, 1.0, closed=True)
_FROM_ONE = Range(1.0, math.inf, closed=True)


def _trigonometric(
    spec: Spec,
    doubles: Callable[[float], float],
    decimals: Callable[[Decimal], Decimal],
    domain: Range | None = None,
) -> type[Operation]:
    """The operator of a function on doubles and decimals; NaN gives NaN, numbers outside of `domain` raise 50989."""
    name = spec.name

    def of_double(value: float) -> float:
        if domain is not None:
            if value != value:
                return value
            domain.check(name, value)
        return doubles(value)

    def of_decimal(value: Decimal128) -> Decimal128:
        number = value.to_decimal()
        if number.is_nan():
            return pack(number)
        if domain is not None:
            domain.check(name, number)
        return pack(decimals(number))

    return numeric(spec, lambda value: of_double(float(value)), of_double, of_decimal)


def _spec(name: str, summary: str, number: float, result: float) -> Spec:
    examples = (Example(({"a": number}, {}), {name: "$a"}, [result, None]),)
    return Spec(name, Kind.EXPRESSION, "4.2", summary, examples=examples)


register(_trigonometric(_spec("$sin", "The sine of radians.", 0, 0.0), math.sin, transcendental.sin, _FINITE))
register(_trigonometric(_spec("$cos", "The cosine of radians.", 0, 1.0), math.cos, transcendental.cos, _FINITE))
register(_trigonometric(_spec("$tan", "The tangent of radians.", 0, 0.0), math.tan, transcendental.tan, _FINITE))
register(
    _trigonometric(_spec("$asin", "The arc sine in radians.", 1, math.pi / 2), math.asin, transcendental.asin, _UNIT)
)
register(_trigonometric(_spec("$acos", "The arc cosine in radians.", 1, 0.0), math.acos, transcendental.acos, _UNIT))
register(_trigonometric(_spec("$atan", "The arc tangent in radians.", 0, 0.0), math.atan, transcendental.atan))
register(
    _trigonometric(
        _spec("$sinh", "The hyperbolic sine.", 0, 0.0), transcendental.double(math.sinh), transcendental.sinh
    )
)
register(
    _trigonometric(
        _spec("$cosh", "The hyperbolic cosine.", 0, 1.0),
        transcendental.double(math.cosh, odd=False),
        transcendental.cosh,
    )
)
register(_trigonometric(_spec("$tanh", "The hyperbolic tangent.", 0, 0.0), math.tanh, transcendental.tanh))
register(_trigonometric(_spec("$asinh", "The inverse hyperbolic sine.", 0, 0.0), math.asinh, transcendental.asinh))
register(
    _trigonometric(
        _spec("$acosh", "The inverse hyperbolic cosine.", 1, 0.0), math.acosh, transcendental.acosh, _FROM_ONE
    )
)
register(
    _trigonometric(
        _spec("$atanh", "The inverse hyperbolic tangent.", 0, 0.0),
        transcendental.atanh_double,
        transcendental.atanh,
        _UNIT,
    )
)
register(
    _trigonometric(
        _spec("$degreesToRadians", "Degrees as radians.", 180, math.pi),
        lambda value: value * (math.pi / 180),
        lambda value: DECIMAL.multiply(value, transcendental.PI_OVER_180),
    )
)
register(
    _trigonometric(
        _spec("$radiansToDegrees", "Radians as degrees.", math.pi, 180.0),
        lambda value: value * (180 / math.pi),
        lambda value: DECIMAL.multiply(value, transcendental.DEGREES_OVER_PI),
    )
)


@register
@dataclass(frozen=True, slots=True)
class Atan2(Operation):
    """`$atan2`: the angle of a point given by y and x (MongoDB manual: $atan2). Raises 51044 and 51045."""

    spec: ClassVar[Spec] = Spec(
        "$atan2",
        Kind.EXPRESSION,
        "4.2",
        "The arc tangent of y / x in radians, in the quadrant of the point.",
        examples=(Example(({"y": 1, "x": 0}, {"y": 0, "x": 3}), {"$atan2": ["$y", "$x"]}, [math.pi / 2, 0.0]),),
    )

    y: Expression
    x: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(*context.arguments("$atan2", operand, 2, 2))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.y, self.x

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        first, second = self.y.compile(), self.x.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            y = first(root, frame)
            if y is None or y is MISSING:
                return None
            if type(y) not in NUMBER_TYPES:
                raise fail(51044, f"$atan2 only supports numeric types, not {alias_of(y)}")
            x = second(root, frame)
            if x is None or x is MISSING:
                return None
            if type(x) not in NUMBER_TYPES:
                raise fail(51045, f"$atan2 only supports numeric types, not {alias_of(x)}")
            if type(y) is Decimal128 or type(x) is Decimal128:
                return pack(transcendental.atan2(decimal_of(y), decimal_of(x)))
            return math.atan2(double_of(y), double_of(x))

        return evaluate
