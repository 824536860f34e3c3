"""Time zones as date expressions name them: Olson identifiers and offsets from UTC.

MongoDB manual: Olson Timezone Identifier and UTC Offset under the date expression operators. Identifiers are
case-sensitive and come from the tz database of the `tzdata` package, never from the machine, so that every
installation answers alike.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

from kato_compat.errors import fail
from kato_compat.values.dates import SECOND
from kato_compat.values.types import alias_of

_EPOCH: Final = datetime(1970, 1, 1)
_CYCLE: Final = 146_097 * 86_400  # seconds in 400 years, after which calendar and weekdays repeat
# A day's distance from datetime's limits leaves room for the offset.
_FIRST: Final = int((datetime.min + timedelta(days=2) - _EPOCH).total_seconds())
_LAST: Final = int((datetime.max - timedelta(days=2) - _EPOCH).total_seconds())
_OFFSET: Final = re.compile(r"([+-])([0-9]{2})(?::?([0-9]{2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone: a fixed offset in seconds east of UTC, or the rules of an Olson zone."""

    fixed: int = 0
    rules: ZoneInfo | None = None

    @property
    def is_utc(self) -> bool:
        """True for the zone that the server holds as UTC itself: ``UTC`` and offset 0, not ``GMT`` or ``Zulu``."""
        return self.rules is None and self.fixed == 0

    @property
    def is_fixed(self) -> bool:
        """True without rules: the offset is always the same."""
        return self.rules is None

    def offset(self, instant: int) -> int:
        """Seconds east of UTC at `instant` (milliseconds since the epoch)."""
        if self.rules is None:
            return self.fixed
        local = self.rules.fromutc(self._moment(instant // SECOND))
        return _seconds(local.utcoffset())

    def is_summer(self, instant: int) -> bool:
        """True if daylight saving time is in effect at `instant`."""
        if self.rules is None:
            return False
        return _seconds(self.rules.fromutc(self._moment(instant // SECOND)).dst()) != 0

    def local(self, instant: int) -> int:
        """`instant` shifted to the zone's wall clock: milliseconds from a local 1970-01-01T00:00."""
        return instant + (self.fixed if self.rules is None else self.offset(instant)) * SECOND

    def instant(self, local: int, summer: bool | None = None) -> int:
        """The instant at which the zone's wall clock shows `local` (milliseconds): the inverse of `local`.

        A reading that a clock change skips is taken with the offset before the change. One that a change repeats
        is the earlier instant if `summer`, else the later one; None asks the zone's rule for the epoch, which is
        what the server does for a reading without a source.
        """
        if self.rules is None:
            return local - self.fixed * SECOND
        moment = self._moment(local // SECOND)
        early = _seconds(moment.utcoffset())
        late = _seconds(moment.replace(fold=1).utcoffset())
        if early > late:
            if summer is None:
                summer = self.is_summer(0)
            early = early if summer else late
        return local - early * SECOND

    def _moment(self, seconds: int) -> datetime:
        """A datetime of this zone: `seconds` since the epoch, moved by whole cycles of 400 years into range."""
        if seconds > _LAST:
            seconds -= ((seconds - _LAST) // _CYCLE + 1) * _CYCLE
        elif seconds < _FIRST:
            seconds = _FIRST  # local mean time, which has no rule
        return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=self.rules)


UTC: Final = Zone()


def _seconds(difference: timedelta | None) -> int:
    return 0 if difference is None else difference.days * 86_400 + difference.seconds


@cache
def _identifiers() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1024)
def find_zone(identifier: str) -> Zone:
    """The zone that `identifier` names: ``Europe/Rome``, ``+05``, ``-0330``, ``+05:45``.

    Raises 40485 for anything else. The server checks the digits of an offset, not their range.
    """
    if identifier == "UTC":
        return UTC
    if identifier in _identifiers():
        place = resources.files("tzdata.zoneinfo")
        for part in identifier.split("/"):
            place = place.joinpath(part)
        with place.open("rb") as stream:
            return Zone(0, ZoneInfo.from_file(stream, identifier))
    offset = _OFFSET.fullmatch(identifier)
    if offset is None:
        raise fail(40485, f'unrecognized time zone identifier: "{identifier}"')
    sign, hours, minutes = offset.groups()
    seconds = int(hours) * 3600 + int(minutes or 0) * 60
    return Zone(-seconds if sign == "-" else seconds)


def zone_of(value: Any) -> Zone:
    """The zone named by the value of a `timezone` argument; raises 40517 unless it is a string."""
    if type(value) is not str:
        raise fail(40517, f"timezone must evaluate to a string, found {alias_of(value)}")
    return find_zone(value)


__all__ = ["UTC", "Zone", "find_zone", "zone_of"]
