"""Bitwise query operators: `$bitsAllSet $bitsAnySet $bitsAllClear $bitsAnyClear` (MongoDB manual: Bitwise)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN
from typing import Any, ClassVar, Final

from bson.decimal128 import Decimal128

from kato_compat.errors import fail
from kato_compat.ir.filter import FieldOperator, FilterScope
from kato_compat.ir.predicate import AtPath, Predicate, Test, ValueTest
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.query import push
from kato_compat.operators.query.integer import integer
from kato_compat.sql.column import Column
from kato_compat.sql.fragment import Pushed
from kato_compat.values.paths import Path
from kato_compat.values.show import shown
from kato_compat.values.types import INT64_MAX, INT64_MIN, is_number

_BITS: Final = ({"_id": 1, "n": 5}, {"_id": 2, "n": 1}, {"_id": 3, "n": -1}, {"_id": 4, "n": 0})


@dataclass(frozen=True, slots=True)
class Bits(Test, FieldOperator):
    """The base of the four tests: `mask` has a 1 at each position that is looked at.

    A negative number is followed by ones without end (two's complement), a binary by zeros; bit 0 of a binary is
    the lowest of its first byte. Passes if all (`every`) or any of the looked-at bits are `one`.
    """

    every: ClassVar[bool]
    one: ClassVar[bool]
    mask: int

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 for a wrong type or position, 9 for a number that is no mask."""
        return AtPath(path, cls(_mask(cls.spec.name, ".".join(path), operand)))

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        mask, every, one = self.mask, self.every, self.one

        def test(value: Any) -> bool:
            number = _bits(value)
            if number is None:
                return False
            found = number & mask if one else ~number & mask
            return found == mask if every else found != 0

        return test

    def push(self, column: Column) -> Pushed | None:
        """See `Test.push`: exact on every column."""
        return push.bits(self.mask, self.every, self.one, column)


def _mask(name: str, field: str, operand: Any) -> int:
    if type(operand) is list:
        mask = 0
        for index, item in enumerate(operand):
            position = integer(str(index), item, 2, "Failed to parse bit position. ", negative=False, bits=32)
            mask |= 1 << position
        return mask
    if is_number(operand):
        return integer(name, operand, 9, negative=False)
    if isinstance(operand, bytes):
        return int.from_bytes(operand, "little")
    raise fail(2, f"{field} takes an Array, a number, or a BinData but received: {name}: {shown(operand)}")


def _bits(value: Any) -> int | None:
    """The bits of a value as a Python integer, whose two's complement has no end; None for what has no bits."""
    if isinstance(value, bytes):
        return int.from_bytes(value, "little")
    if type(value) is float:
        if not -(2.0**63) <= value < 2.0**63 or not value.is_integer():
            return None
        return int(value)
    if type(value) is Decimal128:
        # The server converts a decimal as its library does: to the nearest integer, and what does not fit to the
        # lowest.
        decimal = value.to_decimal()
        if not decimal.is_finite() or decimal.adjusted() > 20:
            return INT64_MIN
        number = int(decimal.to_integral_value(ROUND_HALF_EVEN))
        return number if INT64_MIN <= number <= INT64_MAX else INT64_MIN
    return int(value) if is_number(value) else None


@register
class BitsAllSet(Bits):
    """`$bitsAllSet`: all bits of the mask are 1 (MongoDB manual: $bitsAllSet)."""

    __slots__ = ()
    every = True
    one = True
    spec: ClassVar[Spec] = Spec(
        "$bitsAllSet",
        Kind.QUERY,
        "3.2",
        "A number or binary in which all of the given bits are 1.",
        examples=(Example(_BITS, {"n": {"$bitsAllSet": [0, 2]}}, [_BITS[0], _BITS[2]]),),
    )


@register
class BitsAnySet(Bits):
    """`$bitsAnySet`: a bit of the mask is 1 (MongoDB manual: $bitsAnySet)."""

    __slots__ = ()
    every = False
    one = True
    spec: ClassVar[Spec] = Spec(
        "$bitsAnySet",
        Kind.QUERY,
        "3.2",
        "A number or binary in which any of the given bits is 1.",
        examples=(Example(_BITS, {"n": {"$bitsAnySet": 6}}, [_BITS[0], _BITS[2]]),),
    )


@register
class BitsAllClear(Bits):
    """`$bitsAllClear`: all bits of the mask are 0 (MongoDB manual: $bitsAllClear)."""

    __slots__ = ()
    every = True
    one = False
    spec: ClassVar[Spec] = Spec(
        "$bitsAllClear",
        Kind.QUERY,
        "3.2",
        "A number or binary in which all of the given bits are 0.",
        examples=(Example(_BITS, {"n": {"$bitsAllClear": b"\x06"}}, [_BITS[1], _BITS[3]]),),
    )


@register
class BitsAnyClear(Bits):
    """`$bitsAnyClear`: a bit of the mask is 0 (MongoDB manual: $bitsAnyClear)."""

    __slots__ = ()
    every = False
    one = False
    spec: ClassVar[Spec] = Spec(
        "$bitsAnyClear",
        Kind.QUERY,
        "3.2",
        "A number or binary in which any of the given bits is 0.",
        examples=(Example(_BITS, {"n": {"$bitsAnyClear": [0]}}, [_BITS[3]]),),
    )
