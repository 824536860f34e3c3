"""`$minMaxScaler`: a value's place between the least and the greatest of its window."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression, ExpressionContext, Frame, Literal
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import StageContext
from kato_compat.ir.window import Column, Ordering, Partition, Windowed, WindowFunction
from kato_compat.operators.window.arguments import only
from kato_compat.operators.window.bounds import WHOLE, Bounds, Edge
from kato_compat.operators.window.sliding import extreme
from kato_compat.values.equality import equal
from kato_compat.values.numbers import add, divide, multiply, subtract
from kato_compat.values.order import compare
from kato_compat.values.types import alias_of, is_number

_NAME = "$minMaxScaler"


@register
@dataclass(frozen=True, slots=True)
class MinMaxScaler(WindowFunction):
    """`$minMaxScaler` (MongoDB manual: $minMaxScaler): scaled so that the window spans `least` to `greatest`."""

    spec: ClassVar[Spec] = Spec(
        _NAME,
        Kind.WINDOW,
        "8.2",
        "The value scaled to a range, by default 0 to 1, that the window's values span.",
        examples=(
            Example(
                ({"_id": 1, "a": 2}, {"_id": 2, "a": 4}, {"_id": 3, "a": 3}),
                {"r": {_NAME: {"input": "$a"}}},
                [{"_id": 1, "a": 2, "r": 0.0}, {"_id": 2, "a": 4, "r": 1.0}, {"_id": 3, "a": 3, "r": 0.5}],
            ),
        ),
    )
    expression: Expression
    least: Any
    greatest: Any
    bounds: Bounds

    @classmethod
    def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
        """See `WindowFunction.parse`. Raises 9 for wrong arguments, also for a window without the current document."""
        operand, bounds = only(_NAME, raw, ordering, context)
        if type(operand) is not dict:
            raise fail(9, f"{_NAME} expects an object, but got a {alias_of(operand)}: {operand}")
        bounds = bounds or WHOLE
        if bounds.lower not in (Edge.UNBOUNDED, Edge.CURRENT) and compare(bounds.lower, 0) > 0:
            raise fail(9, f"Lower specified bound cannot be greater than 0 (the current doc): {bounds.lower}")
        if bounds.upper not in (Edge.UNBOUNDED, Edge.CURRENT) and compare(bounds.upper, 0) < 0:
            raise fail(9, f"Upper specified bound cannot be less than 0 (the current doc): {bounds.upper}")
        expression: Expression | None = None
        for key, value in operand.items():
            if key == "input":
                expression = context.parse(value)
            elif key not in ("min", "max"):
                raise fail(9, f"{_NAME} got unexpected internal argument: '{key}'")
        ends = {key: _constant(key, value, context) for key, value in operand.items() if key != "input"}
        if expression is None:
            raise fail(9, f"{_NAME} requires an 'input' expression")
        if len(ends) == 1:
            raise fail(
                9,
                f"Only one of 'min' and 'max' were specified as an argument to {_NAME}. Neither or both must be",
            )
        least, greatest = ends.get("min", 0), ends.get("max", 1)
        if compare(least, greatest) >= 0:
            raise fail(9, f"the 'max' must be strictly greater than 'min', as arguments to {_NAME}")
        return cls(expression, least, greatest, bounds)

    def compile(self, frame: Frame) -> Windowed:
        """See `WindowFunction.compile`. Raises 10487000, 10487001 or 10487004 for a value that is no number."""
        evaluate, bounds, least, greatest = self.expression.compile(), self.bounds, self.least, self.greatest
        code = 10487000 if not bounds.cumulative else 10487001 if bounds.path is None else 10487004

        def scaled(value: Any, low: Any, high: Any) -> Any:
            if equal(low, high):
                return least
            share = divide(subtract(value, low), subtract(high, low))
            return add(multiply(share, subtract(greatest, least)), least)

        def column(partition: Partition) -> Column:
            values = [evaluate(document, frame) for document in partition]
            for value in values:
                if not is_number(value):
                    raise fail(
                        code, f"'input' argument to {_NAME} must evaluate to a numeric type, got: {alias_of(value)}"
                    )
            lows = extreme(values, bounds.windows(partition), False)
            highs = extreme(values, bounds.windows(partition), True)
            return [scaled(value, low, high) for value, low, high in zip(values, lows, highs, strict=True)]

        return column


def _constant(name: str, raw: Any, context: ExpressionContext) -> Any:
    expression = context.parse(raw)
    if not isinstance(expression, Literal):
        raise fail(9, f"'{name}' argument to {_NAME} must be a constant")
    if not is_number(expression.value):
        raise fail(9, f"'{name}' argument to {_NAME} must be a numeric type")
    return expression.value
