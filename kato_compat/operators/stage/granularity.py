"""Preferred number series for `$bucketAuto` (MongoDB manual: $bucketAuto, Granularity).

The Renard series are those of ISO 3, the E series those of IEC 60063.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Final

from bson.decimal128 import Decimal128, create_decimal128_context
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.values.types import INT32_MAX, INT64_MAX

_DECIMAL: Final[Context] = create_decimal128_context()


@dataclass(frozen=True, slots=True)
class Granularity:
    """A way to round boundaries: `up` to the next number above, `down` to the next below; 0 stays 0."""

    name: str
    up: Callable[[Any], Any]
    down: Callable[[Any], Any]


def granularity(name: str) -> Granularity:
    """The series of that name; raises 40257 for an unknown one."""
    if name == "POWERSOF2":
        return Granularity(name, _power_above, _power_below)
    series = _SERIES.get(name)
    if series is None:
        raise fail(40257, f"Unknown rounding granularity '{name}'")
    return Granularity(name, lambda value: _above(series, value), lambda value: _below(series, value))


def _series(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


_SERIES: Final[dict[str, tuple[int, ...]]] = {
    "R5": _series("10 16 25 40 63"),
    "R10": _series("100 125 160 200 250 315 400 500 630 800"),
    "R20": _series("100 112 125 140 160 180 200 224 250 280 315 355 400 450 500 560 630 710 800 900"),
    "R40": _series(
        "100 106 112 118 125 132 140 150 160 170 180 190 200 212 224 236 250 265 280 300 315 355 375 400 425 450 "
        "475 500 530 560 600 630 670 710 750 800 850 900 950"
    ),
    "R80": _series(
        "103 109 115 122 128 136 145 155 165 175 185 195 206 218 230 243 258 272 290 307 325 345 365 387 412 437 "
        "462 487 515 545 575 615 650 690 730 775 825 875 925 975"
    ),
    "1-2-5": _series("10 20 50"),
    "E6": _series("10 15 22 33 47 68"),
    "E12": _series("10 12 15 18 22 27 33 39 47 56 68 82"),
    "E24": _series("10 11 12 13 15 16 18 20 22 24 27 30 33 36 39 43 47 51 56 62 68 75 82 91"),
    "E48": _series(
        "100 105 110 115 121 127 133 140 147 154 162 169 178 187 196 205 215 226 237 249 261 274 287 301 316 332 "
        "348 365 383 402 422 442 464 487 511 536 562 590 619 649 681 715 750 787 825 866 909 953"
    ),
    "E96": _series(
        "100 102 105 107 110 113 115 118 121 124 127 130 133 137 140 143 147 150 154 158 162 165 169 174 178 182 "
        "187 191 196 200 205 210 215 221 226 232 237 243 249 255 261 267 274 280 287 294 301 309 316 324 332 340 "
        "348 357 365 374 383 392 402 412 422 432 442 453 464 475 487 499 511 523 536 549 562 576 590 604 619 634 "
        "649 665 681 698 715 732 750 768 787 806 825 845 866 887 909 931 953 976"
    ),
    "E192": _series(
        "100 101 102 104 105 106 107 109 110 111 113 114 115 117 118 120 121 123 124 126 127 129 130 132 133 135 "
        "137 138 140 142 143 145 147 149 150 152 154 156 158 160 162 164 165 167 169 172 174 176 178 180 182 184 "
        "187 189 191 193 196 198 200 203 205 208 210 213 215 218 221 223 226 229 232 234 237 240 243 246 249 252 "
        "255 258 261 264 267 271 274 277 280 284 287 291 294 298 301 305 309 312 316 320 324 328 332 336 340 344 "
        "348 352 357 361 365 370 374 379 383 388 392 397 402 407 412 417 422 427 432 437 442 448 453 459 464 470 "
        "475 481 487 493 499 505 511 517 523 530 536 542 549 556 562 569 576 583 590 597 604 612 619 626 634 642 "
        "649 657 665 673 681 690 698 706 715 723 732 741 750 759 768 777 787 796 806 816 825 835 845 856 866 876 "
        "887 898 909 920 931 942 953 965 976 988"
    ),
}


def _scaled(series: tuple[int, ...], value: Any) -> tuple[list[Any], Any, Callable[[Any, int], Any]]:
    """(the series, the value, times a power of ten) in the arithmetic of the value: decimal or double."""
    if isinstance(value, Decimal128):

        def times(number: Any, power: int) -> Any:
            # Exact: a power of ten only moves the exponent.
            return number.scaleb(power, _DECIMAL)

        return [Decimal(number) for number in series], value.to_decimal(), times
    powers: dict[int, float] = {0: 1.0}

    def scaled(number: Any, power: int) -> Any:
        # The server multiplies or divides a multiplier by 10 step by step; so do we, for the same last bits.
        if power not in powers:
            multiplier = 1.0
            for _ in range(abs(power)):
                multiplier = multiplier * 10.0 if power > 0 else multiplier / 10.0
            powers[power] = multiplier
        return number * powers[power]

    return [float(number) for number in series], float(value), scaled


def _back(result: Any) -> Any:
    return Decimal128(_DECIMAL.create_decimal(result)) if isinstance(result, Decimal) else result


def _above(series: tuple[int, ...], value: Any) -> Any:
    numbers, number, times = _scaled(series, value)
    if number == 0 or math.isinf(number):
        return value
    power = 0
    while number >= times(numbers[-1], power):
        power += 1
    while number < times(numbers[0], power):
        above = times(numbers[0], power)
        power -= 1
        if number >= times(numbers[-1], power):
            return _back(above)
    steps = [times(each, power) for each in numbers]
    return _back(steps[bisect_right(steps, number)])


def _below(series: tuple[int, ...], value: Any) -> Any:
    numbers, number, times = _scaled(series, value)
    if number == 0 or math.isinf(number):
        return value
    power = 0
    while number <= times(numbers[0], power):
        power -= 1
    while number > times(numbers[-1], power):
        below = times(numbers[-1], power)
        power += 1
        if number <= times(numbers[0], power):
            return _back(below)
    steps = [times(each, power) for each in numbers]
    return _back(steps[bisect_left(steps, number) - 1])


def _power_above(value: Any) -> Any:
    return _power(value, lambda number: math.floor(math.log2(number)) + 1, lambda number: number.bit_length())


def _power_below(value: Any) -> Any:
    return _power(
        value,
        lambda number: math.ceil(math.log2(number)) - 1,
        lambda number: number.bit_length() - (2 if number & (number - 1) == 0 else 1),
    )


def _power(value: Any, real: Callable[[float], int], whole: Callable[[int], int]) -> Any:
    """2 to the exponent that `real` (double, decimal) or `whole` gives, of the type that `$pow` gives."""
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        if number == 0 or not number.is_finite():
            return value
        return Decimal128(_DECIMAL.power(Decimal(2), Decimal(real(float(number)))))
    if value == 0 or math.isinf(value):
        return value
    exponent = real(value) if isinstance(value, float) else whole(int(value))
    if exponent < 0:
        return 2.0**exponent
    result = 2**exponent
    return result if result <= INT32_MAX else Int64(result) if result <= INT64_MAX else float(result)
