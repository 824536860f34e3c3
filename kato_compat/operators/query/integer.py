"""Operands that must be whole numbers, with the server's reasons where they are not."""

from typing import Any

from bson.decimal128 import Decimal128

from kato_compat.errors import fail
from kato_compat.values.show import shown
from kato_compat.values.types import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, is_number


def integer(name: str, value: Any, code: int, prefix: str = "", *, negative: bool = True, bits: int = 64) -> int:
    """`value` as a whole number of at most `bits` (32 or 64) bits; raises `code` where it is none.

    `name` is the field that the server names in its message, `prefix` what stands before the message; `negative`
    says whether numbers below zero are allowed.
    """

    def wrong(reason: str, *, plain: bool = False) -> Exception:
        return fail(code, f"{prefix}{reason}" if plain else f"{prefix}{reason}: {name}: {shown(value)}")

    if not is_number(value):
        raise wrong("Expected a number in")
    if type(value) is float:
        if value != value:
            raise wrong("Expected an integer, but found NaN in")
        if not -(2.0**63) <= value < 2.0**63:
            raise wrong("Cannot represent as a 64-bit integer")
        if not value.is_integer():
            raise wrong("Expected an integer")
        number = int(value)
    elif type(value) is Decimal128:
        decimal = value.to_decimal()
        if not decimal.is_finite() or decimal.adjusted() > 20 or decimal != int(decimal):
            raise wrong("Cannot represent as a 64-bit integer")
        number = int(decimal)
        if not INT64_MIN <= number <= INT64_MAX:
            raise wrong("Cannot represent as a 64-bit integer")
    else:
        number = int(value)
    if number < 0 and not negative:
        raise wrong("Expected a non-negative number in")
    if bits == 32 and not INT32_MIN <= number <= INT32_MAX:
        raise wrong(f"Cannot represent {name}: {shown(value)} in an int", plain=True)
    return number
