"""Powers, roots and logarithms (MongoDB manual: $exp, $ln, $log, $log10, $pow, $sqrt, $sigmoid)."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.expression.numeric import numeric
from kato_compat.values import numbers
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import DECIMAL, decimal_of, pack
from kato_compat.values.types import INT64_MAX, INT64_MIN, NUMBER_TYPES, alias_of


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


register(
    numeric(
        Spec(
            "$exp",
            Kind.EXPRESSION,
            "3.2",
            "Euler's number raised to a power.",
            examples=(Example(({"a": 0}, {"a": None}), {"$exp": "$a"}, [1.0, None]),),
        ),
        _exp,
        _exp,
        lambda value: pack(DECIMAL.exp(value.to_decimal())),
    )
)


def _ln(value: float) -> float:
    if value <= 0:
        raise fail(28766, f"$ln's argument must be a positive number, but is {value:g}")
    return math.log(value)


def _log10(value: float) -> float:
    if value <= 0:
        raise fail(28761, f"$log10's argument must be a positive number, but is {value:g}")
    return math.log10(value)


def _positive(value: Decimal) -> bool:
    return not value.is_nan() and value > 0


def _ln_decimal(value: Decimal128) -> Any:
    number = value.to_decimal()
    return pack(DECIMAL.ln(number)) if _positive(number) else _ln(float(number))


def _log10_decimal(value: Decimal128) -> Any:
    number = value.to_decimal()
    return pack(DECIMAL.log10(number)) if _positive(number) else _log10(float(number))


register(
    numeric(
        Spec(
            "$ln",
            Kind.EXPRESSION,
            "3.2",
            "The natural logarithm of a positive number.",
            examples=(Example(({"a": 1}, {}), {"$ln": "$a"}, [0.0, None]),),
        ),
        _ln,
        _ln,
        _ln_decimal,
    )
)
register(
    numeric(
        Spec(
            "$log10",
            Kind.EXPRESSION,
            "3.2",
            "The logarithm to base 10 of a positive number.",
            examples=(Example(({"a": 1000}, {"a": 0.01}), {"$log10": "$a"}, [3.0, -2.0]),),
        ),
        _log10,
        _log10,
        _log10_decimal,
    )
)


def _sqrt(value: float) -> float:
    if value < 0:
        raise fail(28714, "$sqrt's argument must be greater than or equal to 0")
    return math.sqrt(value)


def _sqrt_decimal(value: Decimal128) -> Decimal128:
    number = value.to_decimal()
    if not number.is_nan() and number < 0:
        raise fail(28714, "$sqrt's argument must be greater than or equal to 0")
    return pack(DECIMAL.sqrt(number))


register(
    numeric(
        Spec(
            "$sqrt",
            Kind.EXPRESSION,
            "3.2",
            "The square root of a number that is not negative.",
            examples=(Example(({"a": 25}, {"a": 0.25}), {"$sqrt": "$a"}, [5.0, 0.5]),),
        ),
        _sqrt,
        _sqrt,
        _sqrt_decimal,
    )
)


@register
@dataclass(frozen=True, slots=True)
class Log(Operation):
    """`$log`: the logarithm of a positive number to a base (MongoDB manual: $log).

    Raises 28756 and 28757 for what is no number, 28758 and 28759 for numbers out of range.
    """

    spec: ClassVar[Spec] = Spec(
        "$log",
        Kind.EXPRESSION,
        "3.2",
        "The logarithm of a positive number to a base.",
        examples=(Example(({"a": 8}, {"a": 1}), {"$log": ["$a", 2]}, [3.0, 0.0]),),
    )

    number: Expression
    base: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(*context.arguments("$log", operand, 2, 2))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.number, self.base

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        number, base = self.number.compile(), self.base.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            a, b = number(root, frame), base(root, frame)
            if a is None or a is MISSING or b is None or b is MISSING:
                return None
            if type(a) not in NUMBER_TYPES:
                raise fail(28756, f"$log's argument must be numeric, not {alias_of(a)}")
            if type(b) not in NUMBER_TYPES:
                raise fail(28757, f"$log's base must be numeric, not {alias_of(b)}")
            return _log(a, b)

        return evaluate


def _log(number: Any, base: Any) -> Any:
    if type(number) is Decimal128 or type(base) is Decimal128:
        a, b = decimal_of(number), decimal_of(base)
        if _positive(a) and (b.is_nan() or (b > 0 and b != 1)):
            return pack(_decimal_log(a, b))
    a_double, b_double = numbers.double_of(number), numbers.double_of(base)
    if a_double <= 0:
        raise fail(28758, f"$log's argument must be a positive number, but is {a_double:g}")
    if b_double <= 0 or b_double == 1:
        raise fail(28759, f"$log's base must be a positive number not equal to 1, but is {b_double:g}")
    return math.log(a_double) / math.log(b_double)


def _decimal_log(number: Decimal, base: Decimal) -> Decimal:
    if base == 10:
        return DECIMAL.log10(number)
    quotient = DECIMAL.divide(DECIMAL.ln(number), DECIMAL.ln(base))
    if base == 2 and quotient.is_finite():
        whole = quotient.to_integral_value()
        if abs(whole) < 20_000 and DECIMAL.power(base, whole) == number:
            return whole.quantize(Decimal(1))
    return quotient


@register
@dataclass(frozen=True, slots=True)
class Pow(Operation):
    """`$pow`: a number raised to a power (MongoDB manual: $pow).

    Raises 28762 and 28763 for what is no number, 28764 for zero to a negative power.
    """

    spec: ClassVar[Spec] = Spec(
        "$pow",
        Kind.EXPRESSION,
        "3.2",
        "A number raised to a power.",
        examples=(Example(({"a": 5}, {"a": 0.5}, {"a": 2**20}), {"$pow": ["$a", 2]}, [25, 0.25, Int64(2**40)]),),
    )

    base: Expression
    exponent: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(*context.arguments("$pow", operand, 2, 2))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.base, self.exponent

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        base, exponent = self.base.compile(), self.exponent.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            a, b = base(root, frame), exponent(root, frame)
            if a is None or a is MISSING or b is None or b is MISSING:
                return None
            if type(a) not in NUMBER_TYPES:
                raise fail(28762, f"$pow's base must be numeric, not {alias_of(a)}")
            if type(b) not in NUMBER_TYPES:
                raise fail(28763, f"$pow's exponent must be numeric, not {alias_of(b)}")
            return _pow(a, b)

        return evaluate


def _pow(base: Any, exponent: Any) -> Any:
    if type(base) is Decimal128 or type(exponent) is Decimal128:
        a, b = decimal_of(base), decimal_of(exponent)
        if a.is_zero() and b.is_signed():
            raise fail(28764, "$pow cannot take a base of 0 and a negative exponent")
        return pack(numbers.normalised(Decimal(1) if b.is_zero() or a == 1 else DECIMAL.power(a, b)))
    if base == 0 and exponent < 0:
        raise fail(28764, "$pow cannot take a base of 0 and a negative exponent")
    if type(base) is float or type(exponent) is float:
        return _pow_double(float(base), float(exponent))
    whole = _pow_integer(int(base), int(exponent))
    if whole is None:
        return _pow_double(float(base), float(exponent))
    return Int64(whole) if numbers.is_long(base) or numbers.is_long(exponent) else numbers.integer(whole)


def _pow_integer(base: int, exponent: int) -> int | None:
    """The power where it is an integer of 64 bits; smaller and larger ones are computed as doubles."""
    if base == 1 or (base == -1 and exponent % 2 == 0):
        return 1
    if base == -1:
        return -1
    if base == 0:
        return 0 if exponent else 1
    if not 0 <= exponent <= 63:
        return None
    power: int = base**exponent
    # The server's own bounds keep the smallest long out where the exponent is even, and never meet it.
    return power if INT64_MIN <= power <= INT64_MAX else None


def _pow_double(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and math.fmod(exponent, 2) != 0 else math.inf
    except ValueError:
        # A negative base with a fraction as exponent has no real power.
        return math.nan


@register
@dataclass(frozen=True, slots=True)
class Sigmoid(Operation):
    """`$sigmoid`: 1 / (1 + e^-x), between 0 and 1 (MongoDB manual: $sigmoid).

    The server rewrites it to $divide, $add, $exp and $multiply; so do we, with their results and errors.
    """

    spec: ClassVar[Spec] = Spec(
        "$sigmoid",
        Kind.EXPRESSION,
        "8.1",
        "A number mapped to between 0 and 1 by the sigmoid function.",
        examples=(Example(({"a": 0}, {"a": None}), {"$sigmoid": "$a"}, [0.5, None]),),
    )

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return context.parse({"$divide": [1, {"$add": [1, {"$exp": {"$multiply": [-1, operand]}}]}]})

    def compile(self) -> Evaluator:
        """Never called: parsing gives the expressions that it stands for."""
        raise AssertionError("$sigmoid is rewritten when it is parsed")
