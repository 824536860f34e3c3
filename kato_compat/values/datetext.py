"""Dates out of free-form texts: ISO 8601 and its relatives, month names, weekdays, relative terms.

The grammar is timelib's, which the server uses for `$dateFromString` without a format and for `$toDate`: the text is
cut into tokens, each time the longest that fits at that place, and every token says some parts of the date.
"""

import re
from collections.abc import Callable
from typing import Final

from kato_compat.values.dates import day_number, iso_day_number
from kato_compat.values.reading import MONTH_NUMBERS, Reading, unreadable
from kato_compat.values.timezone import UTC, Zone

Match = re.Match[str]

# Fragments. (?i:..) where timelib reads any case.
_SPACE: Final = r"(?:[ \t]+|\u00a0+|\u202f+)"
_HOUR24: Final = r"(?:2[0-4]|[01]?[0-9])"
_HOUR24LZ: Final = r"(?:2[0-4]|[01][0-9])"
_HOUR12: Final = r"(?:1[0-2]|0?[1-9])"
_MINUTE: Final = r"(?:[0-5]?[0-9])"
_MINUTELZ: Final = r"(?:[0-5][0-9])"
_SECOND: Final = r"(?:60|[0-5]?[0-9])"
_SECONDLZ: Final = r"(?:60|[0-5][0-9])"
_FRACTION: Final = r"(?:\.[0-9]+)"
_MERIDIAN: Final = r"(?P<meridian>[AaPp])\.?[Mm]\.?(?=[\0\t ])[\0\t ]"
_CORRECTION: Final = (
    rf"(?:GMT)?[+-](?:{_HOUR24LZ}:{_MINUTELZ}:{_SECONDLZ}|{_HOUR24LZ}{_MINUTELZ}{_SECONDLZ}|{_HOUR24}(?::?{_MINUTE})?)"
)
_ZONE: Final = r"(?:[A-Z][a-z]+(?:[_/-][A-Za-z]+)+|\(?[A-Za-z]{1,6}\)?)"
_MONTH: Final = r"(?P<m>1[0-2]|0?[0-9])"
_MONTHLZ: Final = r"(?P<m>1[0-2]|0[0-9])"
_DAY: Final = r"(?P<d>3[01]|[0-2]?[0-9])(?:st|nd|rd|th)?"
_DAYLZ: Final = r"(?P<d>3[01]|[0-2][0-9])"
_YEAR: Final = r"(?P<y>[0-9]{1,4})"
_YEAR2: Final = r"(?P<y>[0-9]{2})"
_YEAR4: Final = r"(?P<y>[0-9]{4})"
_MONTH_NAME: Final = (
    r"(?P<name>(?i:january|february|march|april|may|june|july|august|september|october|november|december|sept|"
    r"jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)|VIII|VII|VI|V|IX|IV|III|II|I|XII|XI|X)"
)
_MONTH_ABBREVIATION: Final = r"(?P<name>(?i:sept|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))"
_WEEKDAY: Final = (
    r"(?i:sundays?|mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sun|mon|tue|wed|thu|fri|sat)"
)
_ORDINALS: Final = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth",
)  # fmt: skip
_ORDINAL: Final = rf"(?i:{'|'.join(_ORDINALS)}|eight)"
_DIRECTION: Final = r"(?i:next|last|previous|this)"
_UNIT: Final = (
    r"(?i:milliseconds?|msecs?|ms|microseconds?|usecs?|µsecs?|µs|seconds?|secs?|minutes?|mins?|hours?|fortnights?|"
    r"forthnights?|months?|years?|weekdays?|days?|weeks)|" + _WEEKDAY
)
_T: Final = r"[Tt]?"
_GAP: Final = r"[ \t.-]*"

_ELAPSED: Final = {
    "ms": 1_000, "msec": 1_000, "millisecond": 1_000, "µs": 1, "usec": 1, "µsec": 1, "microsecond": 1,
    "sec": 1_000_000, "second": 1_000_000, "min": 60_000_000, "minute": 60_000_000, "hour": 3_600_000_000,
}  # fmt: skip
_DAYS: Final = {"day": 1, "week": 7, "fortnight": 14, "forthnight": 14}
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Scan:
    """A text being read: what it said so far, and which parts it must not say twice."""

    __slots__ = ("has_date", "has_time", "has_zone", "reading")

    def __init__(self, text: str) -> None:
        self.reading = Reading(text)
        self.has_date = False
        self.has_time = 0
        self.has_zone = False

    def date(self) -> None:
        if self.has_date:
            unreadable(self.reading.text, "Double date specification")
        self.has_date = True

    def time(self) -> None:
        if self.has_time:
            unreadable(self.reading.text, "Double time specification")
        self.has_time = 1
        self.reading.clear_time()

    def no_time(self) -> None:
        self.has_time = 0
        self.reading.clear_time()

    def zone(self, text: str) -> None:
        if self.has_zone:
            unreadable(self.reading.text, "Double timezone specification")
        self.has_zone = True
        self.reading.read_zone(text)


def _year(digits: str) -> int:
    """The year that some digits mean: fewer than four below 100 are 1970 to 2069."""
    year = int(digits)
    if len(digits.lstrip("+-")) >= 4 or year >= 100:
        return year
    return year + (2000 if year < 70 else 1900)


def _take_date(scan: _Scan, match: Match) -> None:
    """The parts of a date that the named groups hold."""
    scan.date()
    found, reading = match.groupdict(), scan.reading
    if found.get("y") is not None:
        reading.year = _year(found["y"])
    if found.get("m") is not None:
        reading.month = int(found["m"])
    if found.get("name") is not None:
        reading.month = MONTH_NUMBERS[found["name"].lower()]
    if found.get("d") is not None:
        reading.day = int(found["d"])


def _take_month(scan: _Scan, match: Match) -> None:
    """A month with its year, which is the month's first day."""
    _take_date(scan, match)
    scan.reading.day = 1


def _take_time(scan: _Scan, match: Match) -> None:
    """The parts of a time of day that the named groups hold."""
    scan.time()
    found, reading = match.groupdict(), scan.reading
    hour = int(found["h"])
    meridian = found.get("meridian")
    if meridian is not None:
        hour = hour % 12 + (12 if meridian in "Pp" else 0)
    reading.hour = hour
    reading.minute = int(found.get("i") or 0)
    reading.second = int(found.get("s") or 0)
    fraction = found.get("f")
    if fraction is not None:
        reading.microsecond = int(fraction[1:7].ljust(6, "0"))
    zone = found.get("zone")
    if zone:
        scan.reading.read_zone(zone)


def _take_both(scan: _Scan, match: Match) -> None:
    _take_time(scan, match)
    _take_date(scan, match)


def _take_four(scan: _Scan, match: Match) -> None:
    """Four digits: hours and minutes, or the year where there is a time already."""
    reading = scan.reading
    if scan.has_time > 1:
        unreadable(reading.text, "Double time specification")
    if scan.has_time == 0:
        reading.hour, reading.minute, reading.second = int(match["h"]), int(match["i"]), 0
    else:
        reading.year = int(match["h"] + match["i"])
    scan.has_time += 1


def _take_year(scan: _Scan, match: Match) -> None:
    scan.reading.year = int(match["y"])


def _take_day_of_year(scan: _Scan, match: Match) -> None:
    scan.date()
    scan.reading.year, scan.reading.month, scan.reading.day = int(match["y"]), 1, 1
    scan.reading.relative.days += int(match["d"]) - 1


def _take_week(scan: _Scan, match: Match) -> None:
    """An ISO 8601 week date; without a weekday its Monday."""
    scan.date()
    year = int(match["y"])
    weekday = match.groupdict().get("d")
    scan.reading.year, scan.reading.month, scan.reading.day = year, 1, 1
    number = iso_day_number(year, int(match["w"]), 1 if weekday is None else int(weekday))
    scan.reading.relative.days = number - day_number(year, 1, 1)


def _take_timestamp(scan: _Scan, match: Match) -> None:
    """Seconds since the epoch."""
    scan.has_date = False
    scan.no_time()
    scan.zone("UTC")
    reading = scan.reading
    reading.year, reading.month, reading.day = 1970, 1, 1
    fraction = int((match["f"] or ".0")[1:].ljust(6, "0"))
    reading.relative.microseconds += int(match["n"]) * 1_000_000 + (-fraction if match["n"][0] == "-" else fraction)


def _take_zone(scan: _Scan, match: Match) -> None:
    scan.zone(match[0])


def _take_now(scan: _Scan, match: Match) -> None:
    pass


def _take_noon(scan: _Scan, match: Match) -> None:
    scan.no_time()
    scan.has_time = 1
    scan.reading.hour = 12


def _take_midnight(scan: _Scan, match: Match) -> None:
    scan.no_time()


def _take_neighbour(scan: _Scan, match: Match) -> None:
    scan.no_time()
    scan.reading.relative.days = -1 if match[0][0] in "Yy" else 1


def _take_edge(scan: _Scan, match: Match) -> None:
    scan.no_time()
    scan.reading.relative.edge = match["edge"].lower()


def _add_unit(scan: _Scan, amount: int, unit: str, behavior: int, keep_time: bool) -> None:
    """Add `amount` units of any kind that a text may name."""
    relative = scan.reading.relative
    name = unit.lower()
    base = name.removesuffix("s") if name not in ("ms", "µs") else name
    if base in _ELAPSED:
        relative.microseconds += amount * _ELAPSED[base]
    elif base in _DAYS:
        relative.days += amount * _DAYS[base]
    elif base == "month":
        relative.months += amount
    elif base == "year":
        relative.years += amount
    else:
        if not keep_time:
            scan.no_time()
        if base == "weekday":
            relative.weekdays = amount
            return
        relative.days += (amount - 1 if amount > 0 else amount) * 7
        relative.weekday, relative.behavior = _WEEKDAYS.index(base[:3]), behavior


def _amount_of(word: str) -> tuple[int, int]:
    """(amount, behavior) of "first", "next", "last", "this"."""
    name = word.lower()
    if name in _ORDINALS:
        return _ORDINALS.index(name) + 1, 0
    return {"eight": (8, 0), "next": (1, 0), "last": (-1, 0), "previous": (-1, 0), "this": (0, 1)}[name]


def _take_relative(scan: _Scan, match: Match) -> None:
    """ "+2 days": a signed amount of units."""
    number = int(match["n"])
    _add_unit(scan, -number if match["sign"].count("-") % 2 else number, match["unit"], 1, True)


def _take_relative_text(scan: _Scan, match: Match) -> None:
    """ "next month", "third day"."""
    amount, behavior = _amount_of(match["word"])
    _add_unit(scan, amount, match["unit"], behavior, False)


def _take_relative_week(scan: _Scan, match: Match) -> None:
    """ "next week": the same weekday of another week."""
    amount, _ = _amount_of(match["word"])
    relative = scan.reading.relative
    relative.days += amount * 7
    relative.behavior = 2
    if relative.weekday is None:
        relative.weekday = 1


def _take_weekday_of(scan: _Scan, match: Match) -> None:
    """ "first monday of": a weekday counted within the month."""
    amount, behavior = _amount_of(match["word"])
    scan.reading.relative.within = "first" if amount > 0 else "last"
    _add_unit(scan, amount, match["unit"], 1 if amount > 0 else behavior, False)


def _take_weekday(scan: _Scan, match: Match) -> None:
    """A weekday: the date itself or the next such day."""
    scan.no_time()
    relative = scan.reading.relative
    name = match[0].lower()
    relative.weekday = 1 if name.startswith("weekday") else _WEEKDAYS.index(name[:3])
    if relative.behavior != 2:
        relative.behavior = 1


def _take_ago(scan: _Scan, match: Match) -> None:
    relative = scan.reading.relative
    relative.years, relative.months, relative.days = -relative.years, -relative.months, -relative.days
    relative.microseconds = -relative.microseconds
    if relative.weekday is not None:
        relative.weekday = -relative.weekday or -7
    if relative.weekdays is not None:
        relative.weekdays = -relative.weekdays


def _skip(scan: _Scan, match: Match) -> None:
    pass


Taker = Callable[[_Scan, Match], None]

_H24: Final = rf"(?P<h>{_HOUR24})"
_H12: Final = rf"(?P<h>{_HOUR12})"
_NOYEAR: Final = rf"{_MONTH_NAME}{_GAP}{_DAY}(?:[,.stndrh\t ]+|\0)"
_TIME24: Final = rf"{_T}{_H24}[:.](?P<i>{_MINUTE})(?:[:.](?P<s>{_SECOND}))?"
_ZONED: Final = rf"{_T}{_H24}[:.](?P<i>{_MINUTE})[:.](?P<s>{_SECONDLZ}){_SPACE}?(?P<zone>{_CORRECTION}|{_ZONE})"

# In timelib's order: of equally long tokens the first one counts.
_RULES: Final[tuple[tuple[re.Pattern[str], Taker], ...]] = tuple(
    (re.compile(pattern, re.ASCII), taker)
    for pattern, taker in (
        (r"(?i:yesterday)", _take_neighbour),
        (r"(?i:now)", _take_now),
        (r"(?i:noon)", _take_noon),
        (r"(?i:midnight|today)", _take_midnight),
        (r"(?i:tomorrow)", _take_neighbour),
        (r"@(?P<n>-?[0-9]+)(?P<f>\.[0-9]{0,6})?", _take_timestamp),
        (r"(?P<edge>(?i:first|last))(?i: day of)", _take_edge),
        (rf"(?P<word>{_ORDINAL}|{_DIRECTION}){_SPACE}(?P<unit>{_WEEKDAY}){_SPACE}(?i:of)", _take_weekday_of),
        (rf"{_H12}(?:[:.](?P<i>{_MINUTELZ}))?{_SPACE}?{_MERIDIAN}", _take_time),
        (rf"{_H12}[:.](?P<i>{_MINUTE})[:.](?P<s>{_SECONDLZ}){_SPACE}?{_MERIDIAN}", _take_time),
        (rf"{_H12}:(?P<i>{_MINUTELZ}):(?P<s>{_SECONDLZ})(?P<f>[:.][0-9]+){_MERIDIAN}", _take_time),
        (rf"[Tt]{_H24}", _take_time),
        (_TIME24, _take_time),
        (rf"{_T}{_H24}[:.](?P<i>{_MINUTE})[:.](?P<s>{_SECOND})(?P<f>{_FRACTION})", _take_time),
        (rf"{_T}(?P<h>{_HOUR24LZ})(?P<i>{_MINUTELZ})", _take_four),
        (rf"{_T}(?P<h>{_HOUR24LZ})(?P<i>{_MINUTELZ})(?P<s>{_SECONDLZ})", _take_time),
        (rf"{_MONTH}/{_DAY}(?:/{_YEAR})?", _take_date),
        (rf"(?P<y>[+-]?[0-9]{{4}})-{_MONTHLZ}-{_DAYLZ}", _take_date),
        (rf"{_YEAR4}/{_MONTHLZ}/{_DAYLZ}/?", _take_date),
        (rf"{_YEAR4}/{_MONTH}/{_DAY}", _take_date),
        (rf"{_YEAR2}-{_MONTHLZ}-{_DAYLZ}", _take_date),
        (rf"(?P<y>[+-][0-9]{{5,19}})-{_MONTHLZ}-{_DAYLZ}", _take_date),
        (rf"{_YEAR4}-{_MONTH}", _take_month),
        (rf"{_YEAR}-{_MONTH}-{_DAY}", _take_date),
        (rf"{_DAY}{_GAP}{_MONTH_NAME}{_GAP}{_YEAR}", _take_date),
        (rf"{_DAY}[.\t-]{_MONTH}[.-]{_YEAR4}", _take_date),
        (rf"{_DAY}[.\t]{_MONTH}\.{_YEAR2}", _take_date),
        (rf"{_MONTH_NAME}{_GAP}{_YEAR4}", _take_month),
        (rf"{_YEAR4}{_GAP}{_MONTH_NAME}", _take_month),
        (rf"{_MONTH_NAME}{_GAP}{_DAY}[,.stndrh\t ]+{_YEAR}", _take_date),
        (_NOYEAR, _take_date),
        (rf"{_DAY}{_GAP}{_MONTH_NAME}", _take_date),
        (rf"{_YEAR4}{_MONTHLZ}{_DAYLZ}", _take_date),
        (rf"{_YEAR4}{_MONTHLZ}{_DAYLZ}T{_H24}:(?P<i>{_MINUTELZ}):(?P<s>{_SECONDLZ})", _take_both),
        (rf"{_YEAR4}{_MONTHLZ}{_DAYLZ}[Tt]{_H24}(?P<i>{_MINUTELZ})(?P<s>{_SECONDLZ})", _take_both),
        (
            rf"{_YEAR4}-{_MONTHLZ}-{_DAYLZ}T(?P<h>{_HOUR24LZ}):(?P<i>{_MINUTELZ}):(?P<s>{_SECONDLZ})(?P<f>{_FRACTION})"
            rf"(?P<zone>{_CORRECTION})?",
            _take_both,
        ),
        (rf"{_YEAR4}-{_MONTH}-{_DAY}T{_H24}:(?P<i>{_MINUTE}):(?P<s>{_SECOND})", _take_both),
        (
            rf"{_YEAR4}:{_MONTHLZ}:{_DAYLZ} (?P<h>{_HOUR24LZ}):(?P<i>{_MINUTELZ}):(?P<s>{_SECONDLZ})",
            _take_both,
        ),
        (
            rf"{_YEAR4}[.-]?(?P<d>36[0-6]|3[0-5][0-9]|[12][0-9][0-9]|0[1-9][0-9]|00[1-9])",
            _take_day_of_year,
        ),
        (rf"{_YEAR4}-?W(?P<w>5[0-3]|[1-4][0-9]|0[1-9])-?(?P<d>[0-7])", _take_week),
        (rf"{_YEAR4}-?W(?P<w>5[0-3]|[1-4][0-9]|0[1-9])", _take_week),
        (rf"{_MONTH_ABBREVIATION}-{_DAYLZ}-{_YEAR}", _take_date),
        (rf"{_YEAR}-{_MONTH_ABBREVIATION}-{_DAYLZ}", _take_date),
        (
            rf"{_DAY}/{_MONTH_ABBREVIATION}/{_YEAR4}:(?P<h>{_HOUR24LZ}):(?P<i>{_MINUTELZ}):(?P<s>{_SECONDLZ}){_SPACE}"
            rf"(?P<zone>{_CORRECTION})",
            _take_both,
        ),
        (_YEAR4, _take_year),
        (r"(?i:ago)", _take_ago),
        (rf"{_WEEKDAY}|(?i:weekdays?)", _take_weekday),
        (rf"(?P<word>{_DIRECTION}){_SPACE}(?i:week)", _take_relative_week),
        (rf"(?P<word>{_ORDINAL}|{_DIRECTION}){_SPACE}(?P<unit>{_UNIT})", _take_relative_text),
        (
            r"(?P<name>(?i:january|february|march|april|may|june|july|august|september|october|november|december|"
            r"sept|jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec))",
            _take_date,
        ),
        (rf"{_CORRECTION}|{_ZONE}", _take_zone),
        (rf"{_NOYEAR}{_H12}[:.](?P<i>{_MINUTE})(?:[:.](?P<s>{_SECONDLZ}))?{_SPACE}?{_MERIDIAN}", _take_both),
        (rf"{_NOYEAR}{_TIME24}", _take_both),
        (rf"{_NOYEAR}{_ZONED}", _take_both),
        (rf"(?P<sign>[+-]*)[ \t]*(?P<n>[0-9]{{1,13}}){_SPACE}?(?P<unit>{_UNIT}|(?i:week))", _take_relative),
        (r"[.,]", _skip),
        (_SPACE, _skip),
        (r"[\0\n]", _skip),
    )
)


# What most texts look like; the rules would read the same, token by token.
_USUAL: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)


def _read_usual(text: str, match: Match) -> Reading:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    reading = Reading(text, int(year), int(month), int(day))
    if hour is not None:
        reading.hour, reading.minute, reading.second = int(hour), int(minute), int(second)
        if fraction is not None:
            reading.microsecond = int(fraction[1:7].ljust(6, "0"))
        if zone is not None:
            reading.read_zone(zone)
    reading.check()
    return reading


def parse_date(text: str, zone: Zone = UTC) -> int:
    """The instant (milliseconds since the epoch) that a free-form `text` means.

    `zone` is where a text without a zone is read. Raises 241 (ConversionFailure) for a text that is no date, that
    leaves out a part of the date, or that names a zone while `zone` is not UTC.
    """
    usual = _USUAL.fullmatch(text)
    if usual is not None:
        return _read_usual(text, usual).instant(zone)
    trimmed = text.strip(" \t\n\v\f\r")
    if not trimmed:
        unreadable(text, "Empty string")
    scan = _Scan(text)
    padded = trimmed + "\0"
    position = 0
    while position < len(trimmed):
        longest: Match | None = None
        action: Taker = _skip
        for pattern, taker in _RULES:
            match = pattern.match(padded, position)
            if match is not None and (longest is None or match.end() > longest.end()):
                longest, action = match, taker
        if longest is None:
            unreadable(text, f"{position}: Unexpected character '{trimmed[position]}'")
        action(scan, longest)
        position = longest.end()
    scan.reading.check()
    return scan.reading.instant(zone)
