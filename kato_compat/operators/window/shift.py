"""`$shift`: the value of a document at a distance."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression, Frame, Literal
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import StageContext
from kato_compat.ir.window import Column, Ordering, Partition, Windowed, WindowFunction
from kato_compat.operators.window.arguments import is_function
from kato_compat.values.numbers import integral


@register
@dataclass(frozen=True, slots=True)
class Shift(WindowFunction):
    """`$shift` (MongoDB manual: $shift): `default` where there is no document at distance `by`."""

    spec: ClassVar[Spec] = Spec(
        "$shift",
        Kind.WINDOW,
        "5.0",
        "The value of the document a number of places before or after.",
        examples=(
            Example(
                ({"_id": 1}, {"_id": 2}),
                {"r": {"$shift": {"output": "$_id", "by": -1, "default": 0}}},
                [{"_id": 1, "r": 0}, {"_id": 2, "r": 1}],
            ),
        ),
    )
    output: Expression
    by: int
    default: Any

    @classmethod
    def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
        """See `WindowFunction.parse`. Raises 9 for wrong arguments and for a missing sortBy."""
        parsed: Shift | None = None
        for key, value in raw.items():
            if key == "window":
                raise fail(9, "$shift does not accept a 'window' field")
            if not is_function(key):
                raise fail(9, f"Window function found an unknown argument: {key}")
            if parsed is not None:
                raise fail(9, "Cannot specify multiple functions in window function spec")
            if type(value) is not dict:
                raise fail(9, "Argument to $shift must be an object")
            parsed = cls._arguments(value, context)
        if ordering is None or parsed is None:
            raise fail(9, "'$shift' requires a sortBy")
        return parsed

    @classmethod
    def _arguments(cls, raw: dict[str, Any], context: StageContext) -> "Shift":
        output: Expression | None = None
        by: int | None = None
        default: Any = None
        for key, value in raw.items():
            if key == "output":
                output = context.parse(value)
            elif key == "default":
                constant = context.parse(value)
                if not isinstance(constant, Literal):
                    raise fail(9, "'$shift:default' expression must yield a constant value.")
                default = constant.value
            elif key == "by":
                by = integral(value)
                if by is None:
                    raise fail(9, f"'$shift:by' field must be an integer, but found {value}")
            else:
                raise fail(9, f"Unknown argument in $shift: {key}")
        if output is None:
            raise fail(9, "$shift requires an 'output' expression.")
        if by is None:
            raise fail(9, "$shift requires 'by' as an integer value.")
        return cls(output, by, default)

    def compile(self, frame: Frame) -> Windowed:
        """See `WindowFunction.compile`."""
        evaluate, by, default = self.output.compile(), self.by, self.default

        def column(partition: Partition) -> Column:
            number = len(partition)
            return [
                evaluate(partition[position + by], frame) if 0 <= position + by < number else default
                for position in range(number)
            ]

        return column
