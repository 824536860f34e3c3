"""Time units: adding, subtracting and truncating dates by years, months, .., milliseconds in a time zone.

MongoDB manual: $dateAdd, $dateDiff, $dateTrunc. Units of a day and more are counted on the zone's wall clock, so
that the time of day stays across clock changes; hours and smaller are elapsed time.
"""

from collections.abc import Callable
from typing import Final

from kato_compat.errors import fail
from kato_compat.values.dates import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    day_number,
    day_of,
    days_in_month,
    iso_day_of_week,
)
from kato_compat.values.timezone import Zone
from kato_compat.values.types import INT64_MAX, INT64_MIN

#: Milliseconds of the units that all have one length.
LENGTHS: Final = {"hour": HOUR, "minute": MINUTE, "second": SECOND, "millisecond": 1}
_MONTHS: Final = {"year": 12, "quarter": 3, "month": 1}
_DAYS: Final = {"week": 7, "day": 1}
UNITS: Final = frozenset({*_MONTHS, *_DAYS, *LENGTHS})

SUNDAY: Final = 7
_WEEKDAYS: Final = {
    name: index
    for index, full in enumerate(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), start=1
    )
    for name in (full, full[:3])
}

# How many units the server adds at most: what spans the whole range of dates, plus one.
_MOST_DAYS: Final = (2**64 - 1) // DAY + 1
_MOST_YEARS: Final = _MOST_DAYS // 365 + 1
_MOST: Final = {
    "year": _MOST_YEARS,
    "quarter": _MOST_YEARS * 4,
    "month": _MOST_YEARS * 12,
    "week": _MOST_DAYS // 7,
    "day": _MOST_DAYS,
    "hour": _MOST_DAYS * 24,
    "minute": _MOST_DAYS * 24 * 60,
    "second": _MOST_DAYS * 24 * 3600,
}

# 2000-01-01T00:00, from which bins are counted; a Saturday.
_REFERENCE: Final = 946_684_800_000
_REFERENCE_DAY: Final = _REFERENCE // DAY
_REFERENCE_WEEKDAY: Final = 6


def weekday_of(name: str) -> int | None:
    """1 (Monday) to 7 of a weekday's name or its first three letters in any case; None for no weekday."""
    return _WEEKDAYS.get(name.lower()) if name.isascii() else None


def add(instant: int, unit: str, amount: int, zone: Zone) -> int:
    """`instant` plus `amount` units. The day is moved back to the end of a month that is too short.

    Raises 5976500 for an amount beyond all dates, 5166406 and 159 for a result that is no date.
    """
    if unit == "millisecond":
        return _checked(instant + amount, 159, "Overflow while adding two durations")
    if not -_MOST[unit] < amount < _MOST[unit]:
        raise fail(5976500, f"invalid dateAdd 'amount' parameter value: {amount} {unit}")
    if unit in LENGTHS:
        return _checked(instant + amount * LENGTHS[unit], 5166406, "dateAdd overflowed")
    local = zone.local(instant)
    number, time = divmod(local, DAY)
    if unit in _DAYS:
        number += amount * _DAYS[unit]
    else:
        year, month, day = day_of(number)
        carried, index = divmod(month - 1 + amount * _MONTHS[unit], 12)
        year += carried
        number = day_number(year, index + 1, min(day, days_in_month(year, index + 1)))
    # A repeated wall clock reading is taken as the side of the change that the start was on.
    summer = None if zone.is_fixed else zone.is_summer(instant)
    return _checked(zone.instant(number * DAY + time, summer), 5166406, "dateAdd overflowed")


def _checked(instant: int, code: int, message: str) -> int:
    if not INT64_MIN <= instant <= INT64_MAX:
        raise fail(code, message)
    return instant


def difference(start: int, end: int, unit: str, zone: Zone, first_weekday: int = SUNDAY) -> int:
    """How many boundaries of `unit` lie between the two instants; negative if `end` is the earlier.

    `first_weekday` (1 is Monday) begins a week. Raises 5166308 for milliseconds beyond 64 bits.
    """
    if unit == "millisecond":
        return _checked(end - start, 5166308, "dateDiff overflowed")
    if unit in LENGTHS and zone.is_fixed:
        length = LENGTHS[unit]
        return zone.local(end) // length - zone.local(start) // length
    begin, finish = zone.local(start), zone.local(end)
    if unit in LENGTHS:
        length = LENGTHS[unit]
        shift = (begin - start) - (finish - end)  # by which the wall clock was set in between
        whole = abs(shift) // length if shift >= 0 else -(abs(shift) // length)
        return finish // length - begin // length + whole
    first, last = begin // DAY, finish // DAY
    if unit == "day":
        return last - first
    if unit == "week":
        return _week(last, first_weekday) - _week(first, first_weekday)
    year, month, _ = day_of(first)
    last_year, last_month, _ = day_of(last)
    if unit == "year":
        return last_year - year
    if unit == "quarter":
        return (last_year - year) * 4 + (last_month - 1) // 3 - (month - 1) // 3
    return (last_year - year) * 12 + last_month - month


def _week(number: int, first_weekday: int) -> int:
    """The number of the week that day `number` is in."""
    return (number - (iso_day_of_week(number) - first_weekday) % 7) // 7


def truncate(instant: int, unit: str, size: int, zone: Zone, first_weekday: int = SUNDAY) -> int:
    """The beginning of the bin of `size` units that `instant` is in; bins are counted from 2000-01-01 in the zone.

    Weeks are counted from the first `first_weekday` of 2000. Raises 5439000 to 5439006 for what overflows.
    """
    reference = _REFERENCE - zone.offset(_REFERENCE) * SECOND
    length = LENGTHS.get(unit)
    if length is not None:
        return _bin(instant, reference, _checked(size * length, 5439002, "dateTrunc overflowed"))
    if size > 100_000_000_000:
        raise fail(5439006, "dateTrunc unsupported binSize value")
    number = zone.local(instant) // DAY
    start = _REFERENCE_DAY
    if unit == "week":
        ahead = (first_weekday - _REFERENCE_WEEKDAY) % 7
        reference += ahead * DAY
        start += ahead
    distance = _distances[unit](start, number)
    below = _checked(distance - distance % size, 5439004, "dateTrunc overflowed")
    return add(reference, unit, below, zone)


_distances: Final[dict[str, Callable[[int, int], int]]] = {
    "day": lambda start, number: number - start,
    "week": lambda start, number: (number - start) // 7,
    "month": lambda start, number: (day_of(number)[0] - 2000) * 12 + day_of(number)[1] - 1,
    "quarter": lambda start, number: (day_of(number)[0] - 2000) * 4 + (day_of(number)[1] - 1) // 3,
    "year": lambda start, number: day_of(number)[0] - 2000,
}


def _bin(instant: int, reference: int, length: int) -> int:
    shifted = _checked(instant - reference, 5439000, "dateTrunc overflowed")
    return _checked(instant - shifted % length, 5439001, "dateTrunc overflowed")


__all__ = ["LENGTHS", "SUNDAY", "UNITS", "add", "difference", "truncate", "weekday_of"]
