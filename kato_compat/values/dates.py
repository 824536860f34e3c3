"""Dates as milliseconds since the Unix epoch, and the proleptic Gregorian calendar in integer arithmetic.

A BSON date is a signed 64-bit count of milliseconds: about 292 million years each way, far beyond what `datetime`
holds. Everything here works on that whole range; `datetime` is only how dates within years 1 to 9999 are handed out.
"""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from bson.datetime_ms import DatetimeMS
from bson.objectid import ObjectId
from bson.timestamp import Timestamp

from kato_compat.errors import fail
from kato_compat.values.order import milliseconds
from kato_compat.values.types import INT64_MAX, INT64_MIN, alias_of

DAY: Final = 86_400_000  # milliseconds
HOUR: Final = 3_600_000
MINUTE: Final = 60_000
SECOND: Final = 1_000

_EPOCH: Final = datetime(1970, 1, 1)
_FIRST: Final = milliseconds(datetime.min)
_LAST: Final = milliseconds(datetime.max)
_DAYS_BEFORE: Final = (0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAYS_IN: Final = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


class Civil(NamedTuple):
    """A wall clock reading: a day of the proleptic Gregorian calendar (year 0 is 1 BC) and a time of day."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    millisecond: int


def date_of(instant: int) -> datetime | DatetimeMS:
    """The BSON date of `instant` (milliseconds since the epoch) in internal form.

    Raises code 159 (DurationOverflow) where it does not fit in 64 bits.
    """
    if _FIRST <= instant <= _LAST:
        return _EPOCH + timedelta(milliseconds=instant)
    if not INT64_MIN <= instant <= INT64_MAX:
        raise fail(159, f"the date {instant} milliseconds from the epoch does not fit in 64 bits")
    return DatetimeMS(instant)


def is_datelike(value: Any) -> bool:
    """True for the types that the server coerces to a date: date, timestamp and ObjectId."""
    return type(value) in _DATELIKE


_DATELIKE: Final = frozenset({datetime, DatetimeMS, Timestamp, ObjectId})


def instant_of(value: Any) -> int:
    """Milliseconds since the epoch of a date, a timestamp or an ObjectId; raises 16006 for any other type.

    The four bytes of time in an ObjectId are a signed number of seconds, those of a timestamp an unsigned one.
    """
    kind = type(value)
    if kind is datetime or kind is DatetimeMS:
        return milliseconds(value)
    if kind is ObjectId:
        return int.from_bytes(value.binary[:4], "big", signed=True) * SECOND
    if kind is Timestamp:
        return int(value.time) * SECOND
    raise fail(16006, f"can't convert from BSON type {alias_of(value)} to Date")


def is_leap(year: int) -> bool:
    """True if February of `year` has 29 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    """How many days `month` (1 to 12) of `year` has."""
    return 29 if month == 2 and is_leap(year) else _DAYS_IN[month]


def day_number(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to the given day; `month` and `day` may lie outside their ranges and carry over."""
    carried, index = divmod(month - 1, 12)
    year += carried
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719_162
    return days + _DAYS_BEFORE[index + 1] + (1 if index > 1 and is_leap(year) else 0) + day - 1


def day_of(number: int) -> tuple[int, int, int]:
    """(year, month, day) of a number of days from 1970-01-01: the inverse of `day_number`."""
    # Years are counted from March here, so that the leap day is the last one of its year.
    eras, rest = divmod(number + 719_468, 146_097)
    year = (rest - rest // 1_460 + rest // 36_524 - rest // 146_096) // 365
    rest -= 365 * year + year // 4 - year // 100
    shifted = (5 * rest + 2) // 153
    day = rest - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + eras * 400 + (1 if month <= 2 else 0), month, day


def civil_of(local: int) -> Civil:
    """The wall clock reading of `local`: milliseconds from the epoch, already shifted to the wanted zone."""
    number, rest = divmod(local, DAY)
    hour, rest = divmod(rest, HOUR)
    minute, rest = divmod(rest, MINUTE)
    second, millisecond = divmod(rest, SECOND)
    return Civil(*day_of(number), hour, minute, second, millisecond)


def day_of_year(year: int, month: int, day: int) -> int:
    """1 for January 1st, 366 for the last day of a leap year."""
    return _DAYS_BEFORE[month] + day + (1 if month > 2 and is_leap(year) else 0)


def day_of_week(number: int) -> int:
    """1 for Sunday to 7 for Saturday, of a number of days from 1970-01-01 (a Thursday)."""
    return (number + 4) % 7 + 1


def iso_day_of_week(number: int) -> int:
    """1 for Monday to 7 for Sunday, of a number of days from 1970-01-01."""
    return (number + 3) % 7 + 1


def week_of_year(number: int) -> int:
    """0 for the days before the first Sunday of their year, then 1 to 53."""
    year = day_of(number)[0]
    of_year = number - day_number(year, 1, 1) + 1
    return (of_year - day_of_week(number) + 7) // 7


def iso_week(number: int) -> tuple[int, int]:
    """(ISO 8601 year, ISO 8601 week) of a number of days: weeks begin on Monday, week 1 holds the first Thursday."""
    thursday = number - iso_day_of_week(number) + 4
    year = day_of(thursday)[0]
    return year, (thursday - day_number(year, 1, 1)) // 7 + 1


def iso_day_number(year: int, week: int, day: int) -> int:
    """Days from 1970-01-01 to the given ISO 8601 week date; `week` and `day` may carry over."""
    fourth = day_number(year, 1, 4)  # always in week 1
    return fourth - iso_day_of_week(fourth) + (week - 1) * 7 + day


__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "MONTHS",
    "SECOND",
    "Civil",
    "civil_of",
    "date_of",
    "day_number",
    "day_of",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "instant_of",
    "is_datelike",
    "is_leap",
    "iso_day_number",
    "iso_day_of_week",
    "iso_week",
    "week_of_year",
]
