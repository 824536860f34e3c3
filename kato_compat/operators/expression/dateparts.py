"""`$dateFromParts` and `$dateToParts`: dates out of and into their parts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.expression.datefield import check_zone, compile_zone, only_constants, present
from kato_compat.values.dates import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    civil_of,
    date_of,
    day_number,
    instant_of,
    iso_day_number,
    iso_day_of_week,
    iso_week,
)
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import integral64
from kato_compat.values.show import shown
from kato_compat.values.types import INT64_MAX, INT64_MIN, alias_of

_TIME: Final = ("hour", "minute", "second", "millisecond")
_NATURAL: Final = ("month", "day")
_ISO: Final = ("isoWeek", "isoDayOfWeek")
_PARTS: Final = ("year", *_NATURAL, "isoWeekYear", *_ISO, *_TIME)
# Parts without the 16-bit limit that the server sets the others.
_UNLIMITED: Final = frozenset({"year", "isoWeekYear", "second", "millisecond"})
_ZERO_BASED: Final = frozenset(_TIME)


@register
@dataclass(frozen=True, slots=True)
class DateFromParts(Operation):
    """`$dateFromParts`: the date that the given parts make (MongoDB manual: $dateFromParts).

    Parts other than the year may lie outside their usual range; they carry over.
    """

    spec: ClassVar[Spec] = Spec(
        "$dateFromParts",
        Kind.EXPRESSION,
        "3.6",
        "The date that year, month, day (or ISO year, week, weekday) and a time make, in UTC or the zone given.",
        examples=(
            Example(({"y": 2024},), {"$dateFromParts": {"year": "$y", "month": 14}}, [datetime(2025, 2, 1)]),
            Example(
                ({"w": 1},),
                {"$dateFromParts": {"isoWeekYear": 2021, "isoWeek": "$w", "timezone": "+01"}},
                [datetime(2021, 1, 3, 23)],
            ),
        ),
    )

    parts: tuple[tuple[str, Expression], ...]
    timezone: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 40489, 40516, 40518, 40519 and 40525."""
        if type(operand) is not dict:
            raise fail(40519, "$dateFromParts only supports an object as its argument")
        for field in operand:
            if field not in _PARTS and field != "timezone":
                raise fail(40518, f"Unrecognized argument to $dateFromParts: {field}")
        if "year" not in operand and "isoWeekYear" not in operand:
            raise fail(40516, "$dateFromParts requires either 'year' or 'isoWeekYear' to be present")
        if "year" in operand and not {"isoWeekYear", *_ISO}.isdisjoint(operand):
            raise fail(40489, "$dateFromParts does not allow mixing natural dates with ISO dates")
        if "isoWeekYear" in operand and not {"year", *_NATURAL}.isdisjoint(operand):
            raise fail(40525, "$dateFromParts does not allow mixing ISO dates with natural dates")
        parts = tuple((part, context.parse(operand[part])) for part in _PARTS if part in operand)
        node = cls(parts, context.parse(operand["timezone"]) if "timezone" in operand else None)
        if not only_constants(node):
            check_zone(node.timezone)
        return node

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return present(*(part for _, part in self.parts), self.timezone)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        given = {name: part.compile() for name, part in self.parts}
        zone_at = compile_zone(self.timezone)
        year = "isoWeekYear" if "isoWeekYear" in given else "year"
        day_names = (year, *(_ISO if year == "isoWeekYear" else _NATURAL))

        def number(name: str, root: Any, frame: Frame) -> int | None:
            part = given.get(name)
            if part is None:
                return 0 if name in _ZERO_BASED else 1
            value = part(root, frame)
            if value is None or value is MISSING:
                return None
            whole: int | None = integral64(value)
            if whole is None:
                raise fail(
                    40515,
                    f"'{name}' must evaluate to an integer, found {alias_of(value)} with value {shown(value)}",
                )
            if name not in _UNLIMITED and not -32768 <= whole <= 32767:
                raise fail(
                    31034,
                    f"'{name}' must evaluate to a value in the range [-32768, 32767]; value {whole} is not in range",
                )
            return whole

        def numbers(names: tuple[str, ...], root: Any, frame: Frame) -> list[int] | None:
            found = []
            for name in names:
                value = number(name, root, frame)
                if value is None:
                    return None
                found.append(value)
            return found

        def evaluate(root: Any, frame: Frame) -> Any:
            time = numbers(_TIME, root, frame)
            if time is None:
                return None
            zone = zone_at(root, frame)
            if zone is None:
                return None
            day = numbers(day_names, root, frame)
            if day is None:
                return None
            if not 1 <= day[0] <= 9999:
                raise fail(
                    40523 if year == "year" else 31095,
                    f"'{year}' must evaluate to an integer in the range 1 to 9999, found {day[0]}",
                )
            days = day_number(*day) if year == "year" else iso_day_number(*day)
            hour, minute, second, millisecond = time
            if not INT64_MIN <= millisecond * 1000 <= INT64_MAX:
                # The server counts them in microseconds on the way.
                raise fail(159, "Overflow casting from a lower-precision duration to a higher-precision duration")
            local = days * DAY + hour * HOUR + minute * MINUTE + second * SECOND + millisecond
            return date_of(zone.instant(local))

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class DateToParts(Operation):
    """`$dateToParts`: the parts of a date as a document (MongoDB manual: $dateToParts)."""

    spec: ClassVar[Spec] = Spec(
        "$dateToParts",
        Kind.EXPRESSION,
        "3.6",
        "The parts of a date as a document, natural or ISO 8601, in UTC or the zone given.",
        examples=(
            Example(
                ({"d": datetime(2017, 1, 1, 1, 29, 9, 123_000)},),
                {"$dateToParts": {"date": "$d", "timezone": "America/New_York", "iso8601": True}},
                [
                    {
                        "isoWeekYear": 2016,
                        "isoWeek": 52,
                        "isoDayOfWeek": 6,
                        "hour": 20,
                        "minute": 29,
                        "second": 9,
                        "millisecond": 123,
                    }
                ],
            ),
        ),
    )

    date: Expression
    timezone: Expression | None
    iso8601: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 40520, 40522 and 40524."""
        if type(operand) is not dict:
            raise fail(40524, "$dateToParts only supports an object as its argument")
        for field in operand:
            if field not in ("date", "timezone", "iso8601"):
                raise fail(40520, f"Unrecognized argument to $dateToParts: {field}")
        if "date" not in operand:
            raise fail(40522, "Missing 'date' parameter to $dateToParts")
        node = cls(
            context.parse(operand["date"]),
            context.parse(operand["timezone"]) if "timezone" in operand else None,
            context.parse(operand["iso8601"]) if "iso8601" in operand else None,
        )
        if not only_constants(node):
            check_zone(node.timezone)
        return node

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return present(self.date, self.timezone, self.iso8601)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        date, zone_at = self.date.compile(), compile_zone(self.timezone)
        flag = None if self.iso8601 is None else self.iso8601.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            value = date(root, frame)
            zone = zone_at(root, frame)
            if zone is None:
                return None
            iso = False if flag is None else flag(root, frame)
            if iso is None or iso is MISSING:
                return None
            if type(iso) is not bool:
                raise fail(40521, f"iso8601 must evaluate to a bool, found {alias_of(iso)}")
            if value is None or value is MISSING:
                return None
            local = zone.local(instant_of(value))
            reading = civil_of(local)
            if not iso:
                return reading._asdict()
            number = local // DAY
            year, week = iso_week(number)
            return {
                "isoWeekYear": year,
                "isoWeek": week,
                "isoDayOfWeek": iso_day_of_week(number),
                "hour": reading.hour,
                "minute": reading.minute,
                "second": reading.second,
                "millisecond": reading.millisecond,
            }

        return evaluate
