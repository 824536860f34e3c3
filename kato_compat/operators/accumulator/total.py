"""`$sum`, `$avg` and `$count`: totals of numbers (MongoDB manual: $sum, $avg, $count (aggregation accumulator)).

Doubles are summed with compensation, as the server's DoubleDoubleSummation does: the rounding errors of the additions
are kept beside the sum. Ints and longs are summed exactly, decimals apart. The type of a `$sum` is the widest of its
inputs; an int sum that does not fit becomes a long, a long sum that does not fit a double.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator, State
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Literal
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.accumulator.unary import operand_of, unary
from kato_compat.values.numbers import DECIMAL, pack, widen_double
from kato_compat.values.types import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, alias_of

_ZERO = Decimal(0)


class _Total(State):
    """Running totals by type; what is no number is left out."""

    __slots__ = ("_compensation", "_decimal", "_long", "_real", "_whole", "number")

    def __init__(self) -> None:
        self.number = 0  # of numbers taken in
        self._whole = 0
        self._long = False
        self._real: float | None = None
        self._compensation = 0.0
        self._decimal: Decimal | None = None

    def add(self, value: Any) -> None:
        kind = type(value)
        if kind is int:
            self._whole += value
            self.number += 1
            if not -0x80000000 <= value <= 0x7FFFFFFF:
                self._long = True
        elif kind is float:
            self.number += 1
            total = self._real
            if total is None:
                self._real = value
            else:
                self._real = new = total + value
                # Knuth's two-sum: what the addition has rounded away.
                share = new - total
                self._compensation += (total - (new - share)) + (value - share)
        elif kind is Int64:
            self.number += 1
            self._whole += int(value)
            self._long = True
        elif kind is Decimal128:
            self.number += 1
            number = value.to_decimal()
            self._decimal = DECIMAL.add(_ZERO if self._decimal is None else self._decimal, number)

    def extend(self, values: list[Any]) -> None:
        if set(map(type, values)) == {int}:
            self._whole += sum(values)
            self.number += len(values)
            if min(values) < INT32_MIN or max(values) > INT32_MAX:
                self._long = True
        else:
            super().extend(values)

    def double(self) -> float:
        """The total of all but decimals as a double."""
        whole = self._whole
        high = float(whole)
        if self._real is None:
            return high
        if not whole:
            total = self._real + self._compensation
            return total if total == total else self._real
        real = self._real
        total = real + high
        share = total - real
        rest = (real - (total - share)) + (high - share) + self._compensation + float(whole - int(high))
        result = total + rest
        # Infinities leave NaN in the compensation: the plain sum counts then.
        return result if result == result else total

    def decimal(self) -> Decimal | None:
        """The total as a decimal if a decimal was taken in, else None."""
        if self._decimal is None:
            return None
        rest = Decimal(self._whole)
        if self._real is not None:
            real = widen_double(self._real)
            if real.is_finite():
                real = DECIMAL.add(real, widen_double(self._compensation))
            rest = DECIMAL.add(rest, real)
        return DECIMAL.add(self._decimal, rest)

    def number_of(self) -> Any:
        """The total in the type of a `$sum`."""
        decimal = self.decimal()
        if decimal is not None:
            return pack(decimal)
        if self._real is not None:
            return self.double()
        return _integer(self._whole, self._long)


def _integer(whole: int, long: bool) -> Any:
    if not long and INT32_MIN <= whole <= INT32_MAX:
        return whole
    return Int64(whole) if INT64_MIN <= whole <= INT64_MAX else float(whole)


class SumState(_Total):
    """The state of `$sum`."""

    __slots__ = ()

    def result(self) -> Any:
        return self.number_of()


class AverageState(_Total):
    """The state of `$avg`."""

    __slots__ = ()

    def result(self) -> Any:
        if not self.number:
            return None
        decimal = self.decimal()
        if decimal is not None:
            return pack(DECIMAL.divide(decimal, Decimal(self.number)))
        return self.double() / self.number


class _Repeated(State):
    """The state of a `$sum` of one whole number: a count."""

    __slots__ = ("_number", "_times")

    def __init__(self, number: int) -> None:
        self._number = number
        self._times = 0

    def add(self, value: Any) -> None:
        self._times += 1

    def extend(self, values: list[Any]) -> None:
        self._times += len(values)

    def result(self) -> Any:
        number = self._number
        long = type(number) is Int64 or not INT32_MIN <= number <= INT32_MAX
        return _integer(int(number) * self._times, long)


@register
@dataclass(frozen=True, slots=True)
class Sum(Accumulator):
    """`$sum` (MongoDB manual: $sum)."""

    spec: ClassVar[Spec] = Spec(
        "$sum",
        Kind.ACCUMULATOR,
        "2.2",
        "The sum of all numbers; 0 if there is none.",
        examples=(
            Example(({"a": 1}, {"a": 2.5}, {"a": "x"}), {"$sum": "$a"}, 3.5),
            Example(({}, {}), {"$sum": 1}, 2),
        ),
    )

    operand: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Accumulator:
        """See `Accumulator.parse`. Raises 40237 for an array."""
        return cls(operand_of("$sum", operand, context))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Accumulator.children`."""
        return (self.operand,)

    def compile(self) -> Evaluator:
        """See `Accumulator.compile`."""
        return self.operand.compile()

    def start(self, key: Any = None) -> State:
        """See `Accumulator.start`."""
        operand = self.operand
        if isinstance(operand, Literal) and (type(operand.value) is int or type(operand.value) is Int64):
            return _Repeated(operand.value)
        return SumState()


@register
@dataclass(frozen=True, slots=True)
class Count(Accumulator):
    """`$count`: the number of documents (MongoDB manual: $count (aggregation accumulator))."""

    spec: ClassVar[Spec] = Spec(
        "$count",
        Kind.ACCUMULATOR,
        "5.0",
        "The number of documents.",
        examples=(Example(({}, {}, {}), {"$count": {}}, 3),),
    )

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Accumulator:
        """See `Accumulator.parse`. Raises 14 for anything but an empty document."""
        if operand != {} or type(operand) is not dict:
            raise fail(14, f"$count takes no arguments, i.e. $count:{{}}, found {alias_of(operand)}")
        return cls()

    def compile(self) -> Evaluator:
        """See `Accumulator.compile`."""
        return lambda root, frame: 1

    def start(self, key: Any = None) -> State:
        """See `Accumulator.start`."""
        return _Repeated(1)


Average = register(
    unary(
        Spec(
            "$avg",
            Kind.ACCUMULATOR,
            "2.2",
            "The mean of all numbers, a double or decimal; null if there is none.",
            examples=(Example(({"a": 1}, {"a": 2}, {}), {"$avg": "$a"}, 1.5),),
        ),
        AverageState,
    )
)
