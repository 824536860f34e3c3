"""Arithmetic update operators: `$inc $mul $bit` (MongoDB manual: $inc, $mul, $bit).

Numbers keep the widest type of the two; an int result beyond 32 bits becomes a long, a long result beyond 64 bits is
an error.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Final

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.update import Modifier, Run, UpdateScope
from kato_compat.values.element import element
from kato_compat.values.numbers import DECIMAL, decimal_of, double_of, integer, is_long, numeric_type, pack
from kato_compat.values.order import compare
from kato_compat.values.paths import Path
from kato_compat.values.types import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, alias_of, is_number


@dataclass(frozen=True, slots=True)
class Arithmetic(Modifier):
    """The base of `$inc` and `$mul`. `verb` is what error messages call the operation."""

    verb: ClassVar[str]
    on_numbers: ClassVar[Callable[[Any, Any], Any]]
    on_decimals: ClassVar[Callable[..., Decimal]]
    operand: Any

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`. Raises 14 for what is no number."""
        if not is_number(operand):
            raise fail(14, f"Cannot {cls.verb} with non-numeric argument: {{{element('.'.join(path), operand)}}}")
        return cls(Int64(operand) if type(operand) is int and is_long(operand) else operand)

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`. Raises 14 for a value that is no number, 2 for a long that overflows.

        A result of the same type that compares equal changes nothing, as on the server: 0.0 stays 0.0 where -0.0 is
        the result, and a decimal keeps its digits.
        """
        operand = self.operand
        if type(value) is int and type(operand) is int:
            result = type(self).on_numbers(value, operand)
            if INT32_MIN <= result <= INT32_MAX and INT32_MIN <= value <= INT32_MAX:
                return result
        elif not is_number(value):
            raise fail(
                14,
                f"Cannot apply {self.spec.name} to a value of non-numeric type. {{{run.identity}}} has the field "
                f"'{path[-1]}' of non-numeric type {alias_of(value)}",
            )
        result = self._apply(value, run)
        return value if numeric_type(result) is numeric_type(value) and compare(result, value) == 0 else result

    def _apply(self, value: Any, run: Run) -> Any:
        operand = self.operand
        kinds = (type(value), type(operand))
        if Decimal128 in kinds:
            return pack(type(self).on_decimals(decimal_of(operand), decimal_of(value)))
        if float in kinds:
            return type(self).on_numbers(double_of(operand), double_of(value))
        result = type(self).on_numbers(int(value), int(operand))
        if not INT64_MIN <= result <= INT64_MAX:
            kind = "NumberLong" if is_long(value) else "NumberInt"
            raise fail(
                2,
                f"Failed to apply {self.spec.name} operations to current value (({kind}){value}) for document "
                f"{{{run.identity}}}",
            )
        return Int64(result) if is_long(value) or is_long(operand) else integer(result)


@register
class Inc(Arithmetic):
    """`$inc`: add a number to a field (MongoDB manual: $inc)."""

    __slots__ = ()
    verb = "increment"
    on_numbers = operator.add
    on_decimals = DECIMAL.add
    spec: ClassVar[Spec] = Spec(
        "$inc",
        Kind.UPDATE,
        "1.0",
        "Adds a number to a field; sets a missing field to the number.",
        examples=(Example(({"_id": 1, "n": 5},), {"$inc": {"n": -2, "m": 1.5}}, [{"_id": 1, "n": 3, "m": 1.5}]),),
    )

    def create(self, path: Path, run: Run) -> Any:
        """See `Modifier.create`."""
        return self.operand


@register
class Mul(Arithmetic):
    """`$mul`: multiply a field by a number (MongoDB manual: $mul)."""

    __slots__ = ()
    verb = "multiply"
    on_numbers = operator.mul
    on_decimals = DECIMAL.multiply
    spec: ClassVar[Spec] = Spec(
        "$mul",
        Kind.UPDATE,
        "2.6",
        "Multiplies a field by a number; sets a missing field to zero of the number's type.",
        examples=(Example(({"_id": 1, "n": 5},), {"$mul": {"n": 2, "m": 1.5}}, [{"_id": 1, "n": 10, "m": 0.0}]),),
    )

    def create(self, path: Path, run: Run) -> Any:
        """See `Modifier.create`."""
        return self._apply(0, run)


_BITWISE: Final[dict[str, Callable[[int, int], int]]] = {
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}


@register
@dataclass(frozen=True, slots=True)
class Bit(Modifier):
    """`$bit`: bitwise operations on an integer field, one after the other (MongoDB manual: $bit)."""

    spec: ClassVar[Spec] = Spec(
        "$bit",
        Kind.UPDATE,
        "2.6",
        "Applies bitwise and, or and xor to an integer field; a missing field counts as zero.",
        examples=(
            Example(({"_id": 1, "n": 13},), {"$bit": {"n": {"and": 10}}}, [{"_id": 1, "n": 8}]),
            Example(({"_id": 1, "n": 1},), {"$bit": {"n": {"or": 4, "xor": 1}}}, [{"_id": 1, "n": 4}]),
        ),
    )
    operations: tuple[tuple[Callable[[int, int], int], int], ...]

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`. Raises 2 for anything but a document of ``and``, ``or``, ``xor`` with integers."""
        if type(operand) is not dict:
            raise fail(
                2,
                f"The $bit modifier is not compatible with a {alias_of(operand)}. You must pass in an embedded "
                "document: {$bit: {field: {and/or/xor: #}}",
            )
        operations = []
        for name, mask in operand.items():
            function = _BITWISE.get(name)
            if function is None:
                raise fail(
                    2,
                    f"The $bit modifier only supports 'and', 'or', and 'xor', not '{name}' which is an unknown "
                    f"operator: {{{element(name, mask)}}}",
                )
            if type(mask) not in (int, Int64):
                raise fail(
                    2,
                    f"The $bit modifier field must be an Integer(32/64 bit); a '{alias_of(mask)}' is not supported "
                    f"here: {{{element(name, mask)}}}",
                )
            operations.append((function, mask))
        if not operations:
            raise fail(
                2,
                "You must pass in at least one bitwise operation. The format is: {$bit: {field: {and/or/xor: #}}",
            )
        return cls(tuple(operations))

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`. Raises 2 for a value that is no int or long."""
        if type(value) not in (int, Int64):
            raise fail(
                2,
                f"Cannot apply $bit to a value of non-integral type.{run.identity} has the field {path[-1]} of "
                f"non-integer type {alias_of(value)}",
            )
        for function, mask in self.operations:
            result = function(int(value), int(mask))
            value = Int64(result) if is_long(value) or is_long(mask) else result
        return value

    def create(self, path: Path, run: Run) -> Any:
        """See `Modifier.create`."""
        return self.update(0, path, run)
