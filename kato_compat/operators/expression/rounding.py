"""Expressions that round a number or drop its sign (MongoDB manual: $abs, $ceil, $floor, $round, $trunc)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any, ClassVar, Final

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.expression.numeric import numeric
from kato_compat.values import numbers
from kato_compat.values.missing import MISSING
from kato_compat.values.types import INT32_MAX, INT64_MAX, INT64_MIN, NUMBER_TYPES, alias_of

# Doubles of this size and above are whole.
_WHOLE: Final = 2.0**52
_FEWEST_PLACES: Final = -20
_MOST_PLACES: Final = 100


def _abs_integer(value: int) -> int:
    if value == INT64_MIN:
        raise fail(28680, "can't take $abs of long long min")
    return Int64(abs(value)) if numbers.is_long(value) else numbers.integer(abs(value))


register(
    numeric(
        Spec(
            "$abs",
            Kind.EXPRESSION,
            "3.2",
            "The absolute value of a number.",
            examples=(Example(({"a": -3}, {"a": 2.5}, {}), {"$abs": "$a"}, [3, 2.5, None]),),
        ),
        _abs_integer,
        abs,
        lambda value: numbers.pack(value.to_decimal().copy_abs()),
    )
)


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    """`function` from doubles to doubles: the sign of zero is kept, and what is whole, NaN or infinite as it is."""

    def apply(value: float) -> float:
        if not -_WHOLE < value < _WHOLE:
            return value
        return math.copysign(float(function(value)), value)

    return apply


def _whole_decimal(rounding: str) -> Callable[[Decimal128], Decimal128]:
    context = numbers.DECIMAL.copy()
    context.rounding = rounding
    # As on the server: what has no whole form of 34 digits, infinities too, gives NaN.
    return lambda value: numbers.pack(context.quantize(value.to_decimal(), Decimal(0)))


def _same(value: int) -> int:
    return value


register(
    numeric(
        Spec(
            "$ceil",
            Kind.EXPRESSION,
            "3.2",
            "The smallest whole number that is not less, of the same type.",
            examples=(Example(({"a": 2.1}, {"a": -2.9}, {"a": 7}), {"$ceil": "$a"}, [3.0, -2.0, 7]),),
        ),
        _same,
        _whole(math.ceil),
        _whole_decimal(ROUND_CEILING),
    )
)
register(
    numeric(
        Spec(
            "$floor",
            Kind.EXPRESSION,
            "3.2",
            "The largest whole number that is not greater, of the same type.",
            examples=(Example(({"a": 2.9}, {"a": -2.1}, {"a": 7}), {"$floor": "$a"}, [2.0, -3.0, 7]),),
        ),
        _same,
        _whole(math.floor),
        _whole_decimal(ROUND_FLOOR),
    )
)


def _places(value: Any, name: str) -> int:
    """The digits after the point that an operand asks for; raises 16004, 31109, 51082 and 51083."""
    if type(value) not in NUMBER_TYPES:
        raise fail(16004, f"can't convert from BSON type {alias_of(value)} to long")
    if type(value) is float and not -(2.0**63) <= value < 2.0**63:
        raise fail(31109, f"Can't coerce out of range value {value} to long")
    places = numbers.integral(value)
    if places is None:
        raise fail(51082, f"precision argument to  {name} must be a integral value")
    if not _FEWEST_PLACES <= places <= _MOST_PLACES:
        raise fail(
            51083,
            f"cannot apply {name} with precision value {places} value must be in [{_FEWEST_PLACES}, {_MOST_PLACES}]",
        )
    return places


def _to_places(spec_: Spec, rounding: str, whole: Callable[[float], float]) -> type[Operation]:
    """The operator that rounds a number in the `rounding` mode to a whole one or to so many places."""
    name = spec_.name

    def apply(value: Any, places: int) -> Any:
        kind = type(value)
        if kind is float:
            if places == 0:
                return whole(value)
            if math.isinf(value):
                return value
            return float(numbers.quantise(numbers.widen_double(value), places, rounding))
        if kind is Decimal128:
            number = value.to_decimal()
            return value if number.is_infinite() else numbers.pack(numbers.quantise(number, places, rounding))
        return value if places >= 0 else integer(value, places)

    def integer(value: int, places: int) -> int:
        rounded = int(numbers.quantise(Decimal(value), places, rounding))
        if not INT64_MIN <= rounded <= INT64_MAX:
            raise fail(
                51080,
                f"invalid conversion from Decimal128 result in {name} resulting from arguments: [{value}, {places}]",
            )
        if numbers.is_long(value) or rounded > INT32_MAX:
            return Int64(rounded)
        # The server cuts what lies below the smallest int to 32 bits.
        return (rounded + 2**31) % 2**32 - 2**31

    @dataclass(frozen=True, slots=True)
    class ToPlaces(Operation):
        __doc__ = f"`{name}` (MongoDB manual: {name} (aggregation))."

        spec: ClassVar[Spec] = spec_

        operands: tuple[Expression, ...]

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            return cls(context.arguments(name, operand, 1, 2))

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return self.operands

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            number = self.operands[0].compile()
            digits = self.operands[1].compile() if len(self.operands) == 2 else None

            def evaluate(root: Any, frame: Frame) -> Any:
                value = number(root, frame)
                if type(value) not in NUMBER_TYPES:
                    if value is None or value is MISSING:
                        return None
                    raise fail(51081, f"{name} only supports numeric types, not {alias_of(value)}")
                if digits is None:
                    return apply(value, 0)
                places = digits(root, frame)
                if places is None or places is MISSING:
                    return None
                return apply(value, _places(places, name))

            return evaluate

    return ToPlaces


register(
    _to_places(
        Spec(
            "$round",
            Kind.EXPRESSION,
            "4.2",
            "A number rounded half to even, to a whole one or to so many decimal places.",
            examples=(
                Example(({"a": 2.5}, {"a": 3.5}), {"$round": "$a"}, [2.0, 4.0]),
                Example(({"a": 19.25}, {"a": 15}), {"$round": ["$a", -1]}, [20.0, 20]),
            ),
        ),
        ROUND_HALF_EVEN,
        _whole(round),
    )
)
register(
    _to_places(
        Spec(
            "$trunc",
            Kind.EXPRESSION,
            "3.2",
            "A number cut to a whole one or to so many decimal places.",
            examples=(Example(({"a": -2.78}, {"a": 7}), {"$trunc": ["$a", 1]}, [-2.7, 7]),),
        ),
        ROUND_DOWN,
        _whole(math.trunc),
    )
)
