"""What a text says about a date, part by part, and the instant that it means.

The server reads dates with the timelib library; `values.datetext` (free form) and `values.dateformat` (with a
format) fill a `Reading` by timelib's rules. Every failure is code 241 (ConversionFailure), which `$dateFromString`
turns into its `onError`.
"""

from dataclasses import dataclass, field
from typing import Final, NoReturn

from kato_compat.errors import fail
from kato_compat.values.dates import DAY, day_number, day_of, day_of_week, days_in_month
from kato_compat.values.timezone import Zone
from kato_compat.values.types import INT64_MAX, INT64_MIN

_HOURS: Final = {
    "utc": 0, "gmt": 0, "wet": 0, "west": 1, "bst": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3, "msd": 4,
    "wat": 1, "cat": 2, "sast": 2, "eat": 3, "pkt": 5, "hkt": 8, "awst": 8, "jst": 9, "aest": 10, "aedt": 11,
    "nzst": 12, "nzdt": 13, "ast": -4, "adt": -3, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
    "pst": -8, "pdt": -7, "akst": -9, "akdt": -8, "hst": -10, "sst": -11,
}  # fmt: skip

#: Abbreviations of zones that a text may carry, in seconds east of UTC; single letters are the military zones.
ABBREVIATIONS: Final[dict[str, int]] = {
    **{name: hours * 3600 for name, hours in _HOURS.items()},
    **{letter: (index + 1) * 3600 for index, letter in enumerate("abcdefghiklm")},
    **{letter: -(index + 1) * 3600 for index, letter in enumerate("nopqrstuvwxy")},
    "z": 0,
    "acst": 34_200,
    "acdt": 37_800,
    "nst": -12_600,
}

#: Month numbers by what a text calls them, in lower case.
MONTH_NUMBERS: Final[dict[str, int]] = {
    **{
        name: index
        for index, full in enumerate(
            (
                "january",
                "february",
                "march",
                "april",
                "may",
                "june",
                "july",
                "august",
                "september",
                "october",
                "november",
                "december",
            ),
            start=1,
        )
        for name in (full, full[:3])
    },
    "sept": 9,
    **{
        name: index
        for index, name in enumerate(
            ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"), start=1
        )
    },
}


def unreadable(text: str, reason: str) -> NoReturn:
    """Raise code 241 for a text that is no date."""
    raise fail(241, f"Error parsing date string '{text}'; {reason}")


@dataclass(slots=True)
class Relative:
    """What a text adds to its date: units, a weekday to move to, a position in the month."""

    years: int = 0
    months: int = 0
    days: int = 0
    microseconds: int = 0  # of hours and smaller units: elapsed time
    weekday: int | None = None  # 0 is Sunday; negative after "ago"
    behavior: int = 0  # timelib's: 0 skips the day itself, 1 may stay on it, 2 stays in its week
    weekdays: int | None = None  # working days
    edge: str = ""  # "first" or "last": day of the month
    within: str = ""  # "first" or "last": the weekday is counted from the month's first or last day


@dataclass(slots=True)
class Reading:
    """The parts found so far; None is a part that the text does not say."""

    text: str
    year: int | None = None
    month: int | None = None
    day: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    microsecond: int = 0
    offset: int | None = None  # seconds east of UTC
    relative: Relative = field(default_factory=Relative)

    def clear_time(self) -> None:
        """Midnight, as texts like "monday" or "tomorrow" mean."""
        self.hour = self.minute = self.second = 0
        self.microsecond = 0

    def read_zone(self, text: str) -> None:
        """Take the zone that `text` names: an offset (``+05:30``, ``GMT-3``) or an abbreviation; raises 241.

        Identifiers are refused, as by the server: only the `timezone` argument takes them.
        """
        name = text.strip(" \t()")
        if name[:3] == "GMT" and name[3:4] in ("+", "-"):
            name = name[3:]
        if name[:1] in ("+", "-"):
            seconds = offset_seconds(name[1:])
            if seconds is None:
                unreadable(self.text, "the time zone offset is not understood")
            self.offset = -seconds if name[0] == "-" else seconds
            return
        known = ABBREVIATIONS.get(name.lower()) if len(name) < 6 else None
        if known is None:
            unreadable(self.text, "passing a time zone identifier as part of the string is not allowed")
        self.offset = known

    def check(self) -> None:
        """Raise 241 for parts that make no date or no time of day."""
        if self.hour is not None and self.minute is not None and self.second is not None:
            if self.hour > 23 or self.minute > 59 or self.second > 59:
                unreadable(self.text, "The parsed time was invalid")
        if self.year is not None and self.month is not None and self.day is not None:
            valid = self.year >= 0 and 1 <= self.month <= 12 and 1 <= self.day <= days_in_month(self.year, self.month)
            if not valid:
                unreadable(self.text, "The parsed date was invalid")

    def instant(self, zone: Zone) -> int:
        """Milliseconds since the epoch; `zone` is the `timezone` argument, UTC without one.

        Raises 241 for missing parts and for a zone both in the text and in the argument.
        """
        if self.hour is None and self.minute is None and self.second is None:
            self.clear_time()
        year, month, day = self.year, self.month, self.day
        hour, minute, second = self.hour, self.minute, self.second
        if year is None or month is None or day is None or hour is None or minute is None or second is None:
            raise fail(241, f'an incomplete date/time string has been found, with elements missing: "{self.text}"')
        if self.offset is not None:
            if not zone.is_utc:
                raise fail(
                    241, "you cannot pass in a date/time string with time zone information together with a timezone"
                )
            zone = Zone(self.offset)
        local = self._day(year, month, day) * DAY + (hour * 3600 + minute * 60 + second) * 1000
        microseconds = zone.instant(local) * 1000 + self.microsecond + self.relative.microseconds
        if not INT64_MIN <= microseconds <= INT64_MAX:
            raise fail(159, "Overflow casting from a lower-precision duration to a higher-precision duration")
        # The server cuts towards zero, also before 1970.
        return microseconds // 1000 if microseconds >= 0 else -(-microseconds // 1000)

    def _day(self, year: int, month: int, day: int) -> int:
        """The day (from 1970-01-01) that date and relative parts mean together."""
        relative = self.relative
        if relative.within:
            day = 1
            month += relative.months + (1 if relative.within == "last" else 0)
            relative.months = 0
        if relative.edge:
            year, month, day = self._edge(year, month)
        number = day_number(year, month, day)
        if relative.weekday is not None:
            number = self._to_weekday(number, relative.weekday)
        year, month, day = day_of(number)
        year, month, day = year + relative.years, month + relative.months, day + relative.days
        if relative.edge:
            year, month, day = self._edge(*_carry(year, month, day))
        number = day_number(year, month, day)
        return number if relative.weekdays is None else _working_days(number, relative.weekdays)

    def _edge(self, year: int, month: int, day: int = 1) -> tuple[int, int, int]:
        return (year, month, 1) if self.relative.edge == "first" else (year, month + 1, 0)

    def _to_weekday(self, number: int, weekday: int) -> int:
        current = day_of_week(number) - 1
        if self.relative.behavior == 2:
            if current == 0 and weekday != 0:
                weekday -= 7
            elif weekday == 0 and current != 0:
                weekday = 7
            return number - current + weekday
        if weekday < 0:
            return number - (7 - (-weekday - current))
        ahead = weekday - current
        if self.relative.days < 0:
            return number + (ahead + 7 if ahead < 0 else ahead)
        return number + (ahead + 7 if ahead <= -self.relative.behavior else ahead)


def _carry(year: int, month: int, day: int) -> tuple[int, int, int]:
    return day_of(day_number(year, month, day))


def _working_days(number: int, count: int) -> int:
    """`count` days from Monday to Friday on from `number`, backwards if negative."""
    step = -1 if count < 0 else 1
    weekend = (0, 6)
    if count == 0:
        while day_of_week(number) - 1 in weekend:
            number += 1
        return number
    whole, rest = divmod(abs(count) - 1, 5)
    number += whole * 7 * step
    for _ in range(rest + 1):
        number += step
        while day_of_week(number) - 1 in weekend:
            number += step
    return number


def offset_seconds(digits: str) -> int | None:
    """Seconds of an offset without its sign: ``5``, ``0530``, ``05:30``, ``053015``; None for anything else."""
    size = len(digits)
    if not digits or not all(letter.isdecimal() or letter == ":" for letter in digits):
        return None
    if ":" in digits:
        parts = digits.split(":")
        if not all(parts) or len(parts) > 3 or (len(parts) == 3 and size != 8) or size > 8:
            return None
        seconds = [int(part) for part in parts] + [0]
        return seconds[0] * 3600 + seconds[1] * 60 + (seconds[2] if len(parts) == 3 else 0)
    if size <= 2:
        return int(digits) * 3600
    if size <= 4:
        return int(digits) // 100 * 3600 + int(digits) % 100 * 60
    if size == 6:
        return int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:])
    return None
