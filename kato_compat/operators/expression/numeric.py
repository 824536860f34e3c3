"""The common form of expressions of one number: null for null and missing, an error for what is no number."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from bson.decimal128 import Decimal128

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Operation
from kato_compat.ir.spec import Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.types import alias_of

#: What one number is mapped to.
Function: TypeAlias = Callable[[Any], Any]


def numeric(
    spec_: Spec, integers: Function, doubles: Callable[[float], Any], decimals: Callable[[Decimal128], Any]
) -> type[Operation]:
    """The operator that maps one number by its type: `integers` takes int and long.

    The operator raises 16020 for another number of operands and 28765 for what is no number.
    """
    functions: dict[type, Function] = {float: doubles, Decimal128: decimals}

    @dataclass(frozen=True, slots=True)
    class Numeric(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name} (aggregation))."

        spec: ClassVar[Spec] = spec_

        number: Expression

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            return cls(*context.arguments(spec_.name, operand, 1, 1))

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return (self.number,)

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            number = self.number.compile()

            def evaluate(root: Any, frame: Frame) -> Any:
                value = number(root, frame)
                function = functions.get(type(value))
                if function is not None:
                    return function(value)
                if isinstance(value, int) and type(value) is not bool:
                    return integers(value)
                if value is None or value is MISSING:
                    return None
                raise fail(28765, f"{spec_.name} only supports numeric types, not {alias_of(value)}")

            return evaluate

    return Numeric
