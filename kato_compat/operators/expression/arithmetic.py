"""Arithmetic expressions: sums, differences, products, quotients and remainders of numbers, and of dates.

MongoDB manual: Arithmetic Expression Operators. The result is of the widest type of the operands; an int that does
not fit becomes a long, a long a double. Null or missing operands give null.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN
from typing import Any, ClassVar, Final

from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation, new_frame
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values import numbers
from kato_compat.values.dates import date_of
from kato_compat.values.missing import MISSING
from kato_compat.values.order import milliseconds
from kato_compat.values.types import INT64_MAX, INT64_MIN, NUMBER_TYPES, alias_of

_DATES: Final = frozenset({datetime, DatetimeMS})
_ADDABLE: Final = NUMBER_TYPES | _DATES
_WHOLE: Final = frozenset({int, Int64})
_LIMIT: Final = float(2**63)


def leading_folded(
    make: Callable[[tuple[Expression, ...]], Operation], operands: tuple[Expression, ...]
) -> tuple[Expression, ...]:
    """`operands` with the constants in front combined to one, as the server does for associative operators.

    Raises what combining them raises.
    """
    number = 0
    while number < len(operands) and isinstance(operands[number], Literal):
        number += 1
    if number < 2 or number == len(operands):
        return operands
    return (Literal(make(operands[:number]).compile()({}, new_frame())), *operands[number:])


@register
@dataclass(frozen=True, slots=True)
class Add(Operation):
    """`$add`: the sum of numbers, or a date and milliseconds (MongoDB manual: $add).

    Raises TypeMismatch (14) for other types, 16612 for two dates, Overflow (15) for a date beyond 64 bits.
    """

    spec: ClassVar[Spec] = Spec(
        "$add",
        Kind.EXPRESSION,
        "2.0",
        "The sum of numbers, or a date that many milliseconds later.",
        examples=(
            Example(({"a": 1, "b": 2.5}, {"a": 1}), {"$add": ["$a", "$b", 1]}, [4.5, None]),
            Example(({"d": datetime(2024, 1, 1)},), {"$add": ["$d", 60_000]}, [datetime(2024, 1, 1, 0, 1)]),
        ),
    )

    operands: tuple[Expression, ...]

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(leading_folded(cls, context.arguments("$add", operand, 0, None)))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        parts = tuple(part.compile() for part in self.operands)
        if len(parts) == 2:
            first, second = parts

            def both(root: Any, frame: Frame) -> Any:
                a = first(root, frame)
                if type(a) is int or type(a) is float:
                    b = second(root, frame)
                    if type(b) is int or type(b) is float:
                        # The sum starts from 0, which makes 0.0 of -0.0.
                        return numbers.add(0 + a, b)
                    return _sum((a, b))
                if a is None or a is MISSING:
                    return None
                return _sum((a, second(root, frame)))

            return both
        return lambda root, frame: _sum(part(root, frame) for part in parts)


def _sum(values: Iterable[Any]) -> Any:
    # `total` is an int of up to 64 bits until a double or a decimal comes; after a date it is its milliseconds.
    total: Any = 0
    long = dated = False
    for value in values:
        kind = type(value)
        if kind not in _ADDABLE:
            if value is None or value is MISSING:
                return None
            raise fail(14, f"$add only supports numeric or date types, not {alias_of(value)}")
        if kind in _DATES:
            if dated:
                raise fail(16612, "only one date allowed in an $add expression")
            dated = True
            total = _shift(milliseconds(value), total)
        elif dated:
            total = _shift(total, value)
        elif type(total) is int and kind in _WHOLE:
            grown = total + int(value)
            long = long or numbers.is_long(value)
            total = grown if INT64_MIN <= grown <= INT64_MAX else float(total) + float(value)
        else:
            total = numbers.add(total, value)
    if dated:
        return date_of(total)
    if type(total) is int:
        return Int64(total) if long else numbers.integer(total)
    return total


def _shift(instant: int, value: Any, sign: int = 1) -> int:
    """`instant` (milliseconds) moved by a number, which is rounded; raises Overflow (15) beyond 64 bits."""
    kind = type(value)
    if kind is float:
        if not -_LIMIT <= value < _LIMIT:
            raise fail(15, "date overflow")
        whole = int(value)
        if abs(value - whole) >= 0.5:
            whole += 1 if value > 0 else -1
    elif kind is Decimal128:
        number = value.to_decimal()
        if not number.is_finite() or (number and number.adjusted() > 20):
            raise fail(15, "date overflow")
        whole = int(number.to_integral_value(ROUND_HALF_EVEN))
        if not INT64_MIN <= whole <= INT64_MAX:
            raise fail(15, "date overflow")
    else:
        whole = int(value)
    moved = instant + sign * whole
    if not INT64_MIN <= moved <= INT64_MAX:
        raise fail(15, "date overflow")
    return moved


@register
@dataclass(frozen=True, slots=True)
class Subtract(Operation):
    """`$subtract`: a difference of numbers, of dates in milliseconds, or an earlier date (MongoDB manual: $subtract).

    Raises TypeMismatch (14) for other types, Overflow (15) for a date beyond 64 bits.
    """

    spec: ClassVar[Spec] = Spec(
        "$subtract",
        Kind.EXPRESSION,
        "2.0",
        "The difference of two numbers or two dates, or a date that many milliseconds earlier.",
        examples=(
            Example(({"a": 3, "b": 5},), {"$subtract": ["$a", "$b"]}, [-2]),
            Example(
                ({"a": datetime(2024, 1, 2), "b": datetime(2024, 1, 1)},),
                {"$subtract": ["$a", "$b"]},
                [Int64(86_400_000)],
            ),
        ),
    )

    left: Expression
    right: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(*context.arguments("$subtract", operand, 2, 2))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.left, self.right

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        left, right = self.left.compile(), self.right.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            a, b = left(root, frame), right(root, frame)
            if type(a) in NUMBER_TYPES and type(b) in NUMBER_TYPES:
                return numbers.subtract(a, b)
            return _date_difference(a, b)

        return evaluate


def _date_difference(left: Any, right: Any) -> Any:
    if left is None or left is MISSING or right is None or right is MISSING:
        return None
    if type(left) in _DATES:
        if type(right) in _DATES:
            return Int64(_wrapped(milliseconds(left) - milliseconds(right)))
        if type(right) in NUMBER_TYPES:
            return date_of(_shift(milliseconds(left), right, -1))
        raise fail(14, f"can't $subtract {alias_of(right)} from Date")
    raise fail(14, f"can't $subtract {alias_of(right)} from {alias_of(left)}")


def _wrapped(value: int) -> int:
    # The server's difference of two dates is plain 64-bit arithmetic.
    return (value - INT64_MIN) % (INT64_MAX - INT64_MIN + 1) + INT64_MIN


@register
@dataclass(frozen=True, slots=True)
class Multiply(Operation):
    """`$multiply`: the product of numbers (MongoDB manual: $multiply). Raises TypeMismatch (14) for other types."""

    spec: ClassVar[Spec] = Spec(
        "$multiply",
        Kind.EXPRESSION,
        "2.0",
        "The product of numbers.",
        examples=(
            Example(
                ({"a": 3, "b": 2**31 - 1}, {"a": 0.5, "b": 4}),
                {"$multiply": ["$a", "$b"]},
                [
                    Int64(6_442_450_941),
                    2.0,
                ],
            ),
        ),
    )

    operands: tuple[Expression, ...]

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(leading_folded(cls, context.arguments("$multiply", operand, 0, None)))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        parts = tuple(part.compile() for part in self.operands)

        def evaluate(root: Any, frame: Frame) -> Any:
            product = _Product()
            for part in parts:
                value = part(root, frame)
                if type(value) not in NUMBER_TYPES:
                    if value is None or value is MISSING:
                        return None
                    raise fail(14, f"$multiply only supports numeric types, not {alias_of(value)}")
                product.times(value)
            return product.value()

        return evaluate


class _Product:
    """A running product: exact while it fits in 64 bits, beside it as a double, a decimal from the first one on."""

    __slots__ = ("_decimal", "_double", "_inexact", "_long", "_whole")

    def __init__(self) -> None:
        self._whole = 1
        self._double = 1.0
        self._long = False
        self._inexact = False
        self._decimal: Any = None

    def times(self, value: Any) -> None:
        """Multiply by a number."""
        if self._decimal is not None:
            self._decimal = numbers.multiply(self._decimal, value)
            return
        kind = type(value)
        if kind is Decimal128:
            self._decimal = numbers.multiply(self._double if self._inexact else self._whole, value)
            return
        self._double *= float(value)
        if kind is float:
            self._inexact = True
        elif not self._inexact:
            self._whole *= int(value)
            self._long = self._long or numbers.is_long(value)
            self._inexact = not INT64_MIN <= self._whole <= INT64_MAX

    def value(self) -> Any:
        """The product, of the widest type met."""
        if self._decimal is not None:
            return self._decimal
        if self._inexact:
            return self._double
        return Int64(self._whole) if self._long else numbers.integer(self._whole)


def _binary(spec_: Spec, function: Callable[[Any, Any], Any], code: int) -> type[Operation]:
    """The operator of two numbers that raises `code` for other types."""

    @dataclass(frozen=True, slots=True)
    class Binary(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name} (aggregation))."

        spec: ClassVar[Spec] = spec_

        left: Expression
        right: Expression

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            return cls(*context.arguments(spec_.name, operand, 2, 2))

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return self.left, self.right

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            left, right = self.left.compile(), self.right.compile()

            def evaluate(root: Any, frame: Frame) -> Any:
                a, b = left(root, frame), right(root, frame)
                if type(a) in NUMBER_TYPES and type(b) in NUMBER_TYPES:
                    return function(a, b)
                if a is None or a is MISSING or b is None or b is MISSING:
                    return None
                raise fail(code, f"{spec_.name} only supports numeric types, not {alias_of(a)} and {alias_of(b)}")

            return evaluate

    return Binary


register(
    _binary(
        Spec(
            "$divide",
            Kind.EXPRESSION,
            "2.0",
            "The quotient of two numbers: a double, or a decimal if either is one.",
            examples=(Example(({"a": 5, "b": 2}, {"a": None, "b": 2}), {"$divide": ["$a", "$b"]}, [2.5, None]),),
        ),
        numbers.divide,
        14,
    )
)
register(
    _binary(
        Spec(
            "$mod",
            Kind.EXPRESSION,
            "2.0",
            "The remainder of a division, with the sign of the dividend.",
            examples=(Example(({"a": -10, "b": 3}, {"a": 7.5, "b": 2}), {"$mod": ["$a", "$b"]}, [-1, 1.5]),),
        ),
        numbers.modulo,
        16611,
    )
)
