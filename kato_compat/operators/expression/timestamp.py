"""`$tsSecond` and `$tsIncrement`: the two halves of a timestamp."""

from dataclasses import dataclass
from typing import Any, ClassVar

from bson.int64 import Int64
from bson.timestamp import Timestamp

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.types import alias_of


def _half(name: str, half: str, code: int, what: str, example: int) -> None:
    """Register the operator `name`, which gives one half of a timestamp; `code` is its error for another type."""

    @register
    @dataclass(frozen=True, slots=True)
    class Half(Operation):
        __doc__ = f"`{name}`: {what}, a long (MongoDB manual: {name})."

        spec: ClassVar[Spec] = Spec(
            name,
            Kind.EXPRESSION,
            "5.1",
            f"{what[0].upper()}{what[1:]}, as a long.",
            examples=(Example(({"t": Timestamp(1_622_731_060, 3)}, {}), {name: "$t"}, [Int64(example), None]),),
        )

        timestamp: Expression

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            (timestamp,) = context.arguments(name, operand, 1, 1)
            return cls(timestamp)

        @property
        def children(self) -> tuple[Expression, ...]:
            return (self.timestamp,)

        def compile(self) -> Evaluator:
            timestamp = self.timestamp.compile()

            def evaluate(root: Any, frame: Frame) -> Any:
                value = timestamp(root, frame)
                if value is None or value is MISSING:
                    return None
                if type(value) is not Timestamp:
                    raise fail(code, f"Argument to {name} must be a timestamp, but is {alias_of(value)}")
                return Int64(getattr(value, half))

            return evaluate


_half("$tsSecond", "time", 5687301, "the seconds of a timestamp", 1_622_731_060)
_half("$tsIncrement", "inc", 5687302, "the increment of a timestamp", 3)
