"""Dates to and from texts by a format (MongoDB manual: $dateToString and $dateFromString, Format Specifiers)."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NoReturn

from kato_compat.errors import fail
from kato_compat.values.dates import (
    DAY,
    MONTHS,
    civil_of,
    day_number,
    day_of,
    day_of_week,
    day_of_year,
    iso_day_number,
    iso_day_of_week,
    iso_week,
    week_of_year,
)
from kato_compat.values.reading import MONTH_NUMBERS, Reading, unreadable
from kato_compat.values.timezone import Zone

#: The formats that `$dateToString` uses without one, in UTC and in another zone.
ISO_UTC: Final = "%Y-%m-%dT%H:%M:%S.%LZ"
ISO_LOCAL: Final = "%Y-%m-%dT%H:%M:%S.%L"

_FROM: Final = "bBdGHjLmMSuVYzZ"
_TO: Final = "bBdGHjLmMSwuUVYzZ"


def check_format(form: str, reading: bool) -> None:
    """Raise 18535 for a lone ``%`` at the end and 18536 for a specifier that is unknown when `reading` or writing."""
    known = _FROM if reading else _TO
    position = form.find("%")
    while position >= 0:
        specifier = form[position + 1 : position + 2]
        if not specifier:
            raise fail(18535, "Unmatched '%' at end of format string")
        if specifier != "%" and specifier not in known:
            raise fail(18536, f"Invalid format character '%{specifier}' in format string")
        position = form.find("%", position + 2)


def _padded(number: int, width: int) -> str:
    if not 0 <= number <= 9999:
        raise fail(
            18537,
            f"Could not convert date to string: date component was outside the supported range of 0-9999: {number}",
        )
    return str(number).zfill(width)


def _offset(seconds: int) -> str:
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{_padded(minutes // 60, 2)}{_padded(minutes % 60, 2)}"


def _minutes(seconds: int) -> str:
    return str(-(-seconds // 60) if seconds < 0 else seconds // 60)


# Of (local milliseconds, seconds of offset).
_WRITERS: Final[dict[str, Callable[[int, int], str]]] = {
    "Y": lambda local, offset: _padded(civil_of(local).year, 4),
    "m": lambda local, offset: _padded(civil_of(local).month, 2),
    "d": lambda local, offset: _padded(civil_of(local).day, 2),
    "H": lambda local, offset: _padded(civil_of(local).hour, 2),
    "M": lambda local, offset: _padded(civil_of(local).minute, 2),
    "S": lambda local, offset: _padded(civil_of(local).second, 2),
    "L": lambda local, offset: _padded(civil_of(local).millisecond, 3),
    "b": lambda local, offset: MONTHS[civil_of(local).month - 1][:3],
    "B": lambda local, offset: MONTHS[civil_of(local).month - 1],
    "j": lambda local, offset: _padded(day_of_year(*day_of(local // DAY)), 3),
    "w": lambda local, offset: str(day_of_week(local // DAY)),
    "u": lambda local, offset: str(iso_day_of_week(local // DAY)),
    "U": lambda local, offset: _padded(week_of_year(local // DAY), 2),
    "V": lambda local, offset: _padded(iso_week(local // DAY)[1], 2),
    "G": lambda local, offset: _padded(iso_week(local // DAY)[0], 4),
    "z": lambda local, offset: _offset(offset),
    "Z": lambda local, offset: _minutes(offset),
}
_USUAL: Final = frozenset("YmdHMSL")


@lru_cache(maxsize=256)
def _pieces(form: str) -> tuple[tuple[str, bool], ...]:
    """The format as pieces (text, is a specifier)."""
    pieces: list[tuple[str, bool]] = []
    parts = form.split("%")
    literal = parts[0]
    index = 1
    while index < len(parts):
        part = parts[index]
        if not part:  # "%%"
            literal += "%" + (parts[index + 1] if index + 1 < len(parts) else "")
            index += 2
            continue
        if literal:
            pieces.append((literal, False))
        pieces.append((part[0], True))
        literal = part[1:]
        index += 1
    if literal:
        pieces.append((literal, False))
    return tuple(pieces)


def format_date(instant: int, form: str, zone: Zone) -> str:
    """`instant` (milliseconds since the epoch) by a format that `check_format` has passed.

    Raises 18537 for a year outside 0 to 9999, if the format shows it.
    """
    offset = zone.offset(instant)
    local = instant + offset * 1000
    pieces = _pieces(form)
    if all(text in _USUAL for text, special in pieces if special):
        year, month, day, hour, minute, second, millisecond = civil_of(local)
        parts = {"m": month, "d": day, "H": hour, "M": minute, "S": second, "L": millisecond}
        return "".join(
            text
            if not special
            else _padded(year, 4)
            if text == "Y"
            else f"{parts[text]:03d}"
            if text == "L"
            else f"{parts[text]:02d}"
            for text, special in pieces
        )
    return "".join(_WRITERS[text](local, offset) if special else text for text, special in pieces)


class _Formatted:
    """A text being read by a format."""

    __slots__ = ("iso_day", "iso_week", "iso_year", "position", "reading", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.reading = Reading(text)
        self.iso_year: int | None = None
        self.iso_week: int | None = None
        self.iso_day: int | None = None

    def fail(self, reason: str) -> NoReturn:
        unreadable(self.text, f"{self.position}: {reason}")

    def digits(self, most: int, strict: bool = True) -> str:
        """Up to `most` digits; not `strict`: what stands before them is skipped, as timelib does."""
        text, begin = self.text, self.position
        if not strict:
            while begin < len(text) and not "0" <= text[begin] <= "9":
                begin += 1
        end = begin
        while end < len(text) and end - begin < most and "0" <= text[end] <= "9":
            end += 1
        if end == begin:
            self.fail("Unexpected data found.")
        self.position = end
        return text[begin:end]

    def number(self, most: int, strict: bool = True) -> int:
        return int(self.digits(most, strict))

    def two_digits(self, what: str) -> int:
        digits = self.digits(2)
        if len(digits) != 2:
            self.fail(f"A two digit {what} could not be found")
        return int(digits)

    def while_in(self, letters: str) -> str:
        begin = self.position
        while self.position < len(self.text) and self.text[self.position] in letters:
            self.position += 1
        return self.text[begin : self.position]

    def specifier(self, letter: str) -> None:
        """Read what the specifier `letter` stands for."""
        reading = self.reading
        if letter == "Y":
            reading.year = self.number(4)
        elif letter == "m":
            reading.month = self.number(2)
        elif letter == "d":
            reading.day = self.number(2)
        elif letter == "H":
            reading.hour = self.number(2)
        elif letter == "M":
            reading.minute = self.two_digits("minute")
        elif letter == "S":
            reading.second = self.two_digits("second")
        elif letter == "L":
            reading.microsecond = int(self.digits(3).ljust(3, "0")) * 1000
            self._default_time()
        elif letter in "bB":
            month = MONTH_NUMBERS.get(self.while_in(_LETTERS).lower())
            if month is None:
                self.fail("A textual month could not be found")
            reading.month = month
        elif letter == "j":
            self._day_of_year()
        elif letter == "G":
            self.iso_year = self.number(4, strict=False)
        elif letter == "V":
            self.iso_week = self.number(2, strict=False)
            if not 1 <= self.iso_week <= 53:
                self.fail("ISO Week must be between 1 and 53")
        elif letter == "u":
            self.iso_day = self.number(1, strict=False)
            if not 1 <= self.iso_day <= 7:
                self.fail("Day of week must be between 1 and 7")
        elif letter == "z":
            self._zone()
        else:
            self._minutes()

    def _default_time(self) -> None:
        # Milliseconds alone are a time of day: the parts that are missing become zero in `finish`.
        self.reading.second = self.reading.second or 0

    def _day_of_year(self) -> None:
        reading = self.reading
        if reading.year is None:
            self.fail("A 'day of year' can only come after a year has been found")
        # timelib counts the days of a year from 0 where it reads them.
        reading.year, reading.month, reading.day = day_of(day_number(reading.year, 1, self.number(3) + 1))

    def _zone(self) -> None:
        begin = self.position
        self.while_in(" \t(")
        if self.text.startswith(("GMT+", "GMT-"), self.position):
            self.position += 3
        if self.text[self.position : self.position + 1] in ("+", "-"):
            self.position += 1
            self.while_in("0123456789:")
        else:
            self.while_in(_LETTERS + "0123456789/_-+")
        name = self.text[begin : self.position]
        self.while_in(")")
        self.reading.read_zone(name)

    def _minutes(self) -> None:
        sign = self.text[self.position : self.position + 1]
        if sign not in ("+", "-"):
            self.fail("Invalid timezone offset in minutes")
        self.position += 1
        minutes = int(self.while_in("0123456789") or "0")
        self.reading.offset = minutes * 60 if sign == "+" else -minutes * 60

    def literal(self, letters: str) -> None:
        if not self.text.startswith(letters, self.position):
            self.fail("Format literal not found")
        self.position += len(letters)

    def finish(self) -> Reading:
        """Check the whole and turn ISO parts into a date."""
        reading = self.reading
        if self.position < len(self.text):
            self.fail("Trailing data")
        if reading.hour is not None or reading.minute is not None or reading.second is not None:
            reading.hour = reading.hour or 0
            reading.minute = reading.minute or 0
            reading.second = reading.second or 0
        iso = (self.iso_year, self.iso_week, self.iso_day)
        if iso != (None, None, None):
            natural = (reading.year, reading.month, reading.day)
            if reading.year is not None or (self.iso_year is not None and natural != (None, None, None)):
                self.fail("Mixing of ISO dates with natural dates is not allowed")
            if self.iso_year is None:
                self.fail("The parsed date was invalid")
            week, day = self.iso_week or 1, self.iso_day or 1
            reading.year, reading.month, reading.day = day_of(iso_day_number(self.iso_year, week, day))
        reading.check()
        return reading


_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def parse_formatted(text: str, form: str, zone: Zone) -> int:
    """The instant (milliseconds since the epoch) of `text` read by a format that `check_format` has passed.

    `zone` is the `timezone` argument. Raises 241 where the text does not follow the format.
    """
    state = _Formatted(text)
    for piece, special in _pieces(form):
        if state.position >= len(text):
            state.fail("Not enough data available to satisfy format")
        if special:
            state.specifier(piece)
        else:
            state.literal(piece)
    return state.finish().instant(zone)


__all__ = ["ISO_LOCAL", "ISO_UTC", "check_format", "format_date", "parse_formatted"]
