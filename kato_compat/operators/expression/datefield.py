"""`$year` to `$millisecond`, days and weeks: one number out of a date, in a time zone.

They all take ``<date>``, ``[<date>]`` or ``{date: <date>, timezone: <zone>}``, where a date is a date, a timestamp
or an ObjectId (MongoDB manual: Date Expression Operators).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values import dates
from kato_compat.values.dates import DAY, HOUR, MINUTE, SECOND, instant_of
from kato_compat.values.missing import MISSING
from kato_compat.values.timezone import UTC, Zone, zone_of

#: Gives the zone of a `timezone` argument, None for null or missing.
ZoneEvaluator = Callable[[Any, Frame], Zone | None]


def compile_zone(timezone: Expression | None) -> ZoneEvaluator:
    """The evaluator of an optional `timezone` argument; without one it gives UTC.

    The evaluator raises 40517 for no string and 40485 for an unknown zone.
    """
    if timezone is None:
        return lambda root, frame: UTC
    if isinstance(timezone, Literal):
        value = timezone.value
        if value is None or value is MISSING:
            return lambda root, frame: None
        # Looked up when it runs, so that a null date can hide a bad constant where the server lets it.
        return lambda root, frame: zone_of(value)
    name = timezone.compile()

    def evaluate(root: Any, frame: Frame) -> Zone | None:
        value = name(root, frame)
        return None if value is None or value is MISSING else zone_of(value)

    return evaluate


def check_zone(timezone: Expression | None) -> None:
    """Raise for a constant `timezone` that names no zone: the server looks constants up before it reads documents."""
    if isinstance(timezone, Literal) and timezone.value is not None and timezone.value is not MISSING:
        zone_of(timezone.value)


def only_constants(node: Expression) -> bool:
    """True if everything below `node` is constant, so that it is evaluated at once instead of checked in parts."""
    return all(isinstance(child, Literal) for child in node.children)


def present(*expressions: Expression | None) -> tuple[Expression, ...]:
    """The arguments that were given."""
    return tuple(expression for expression in expressions if expression is not None)


def date_and_zone(name: str, operand: Any, context: ExpressionContext) -> tuple[Expression, Expression | None]:
    """Parse the operand that all operators of this module take: (date, timezone).

    Raises 40535 for an unknown field, 40536 for an array that is not of one element, 40539 without a date.
    """
    if type(operand) is list:
        if len(operand) != 1:
            raise fail(40536, f"{name} accepts exactly one argument if given an array, but was given {len(operand)}")
        return context.parse(operand[0]), None
    if type(operand) is not dict or next(iter(operand), "").startswith("$"):
        return context.parse(operand), None
    for field in operand:
        if field not in ("date", "timezone"):
            raise fail(40535, f'unrecognized option to {name}: "{field}"')
    if "date" not in operand:
        raise fail(40539, f"missing 'date' argument to {name}, provided: {name}: {operand}")
    zone = context.parse(operand["timezone"]) if "timezone" in operand else None
    return context.parse(operand["date"]), zone


@dataclass(frozen=True, slots=True)
class DateField(Operation):
    """The base of the operators that read one number from a date."""

    read: ClassVar[Callable[[int], Any]]  # of milliseconds of the local wall clock
    shortcut: ClassVar[Callable[[datetime], Any] | None]  # the same of a UTC datetime, where that is faster

    date: Expression
    timezone: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        node = cls(*date_and_zone(cls.spec.name, operand, context))
        if not only_constants(node):
            check_zone(node.timezone)
        return node

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return present(self.date, self.timezone)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        date, read, shortcut = self.date.compile(), type(self).read, type(self).shortcut
        if self.timezone is None:

            def in_utc(root: Any, frame: Frame) -> Any:
                value = date(root, frame)
                if shortcut is not None and type(value) is datetime:
                    return shortcut(value)
                if value is None or value is MISSING:
                    return None
                return read(instant_of(value))

            return in_utc
        zone_at = compile_zone(self.timezone)

        def in_zone(root: Any, frame: Frame) -> Any:
            value = date(root, frame)
            if value is None or value is MISSING:
                return None
            instant = instant_of(value)
            zone = zone_at(root, frame)
            return None if zone is None else read(zone.local(instant))

        return in_zone


_MOMENT: Final = datetime(2024, 3, 3, 13, 45, 59, 678_000)  # a Sunday


def _field(
    name: str,
    since: str,
    what: str,
    read: Callable[[int], Any],
    example: Any,
    shortcut: Callable[[datetime], Any] | None = None,
) -> None:
    """Register the operator `name`, which gives `what` of a date; `example` is its answer for `_MOMENT`."""
    operator = type(
        name[1].upper() + name[2:],
        (DateField,),
        {
            "__doc__": f"`{name}`: {what} (MongoDB manual: {name}).",
            "__module__": __name__,
            "__slots__": (),
            "spec": Spec(
                name,
                Kind.EXPRESSION,
                since,
                f"{what[0].upper()}{what[1:]} of a date, timestamp or ObjectId, in UTC or the zone given.",
                examples=(
                    Example(({"d": _MOMENT},), {name: "$d"}, [example]),
                    Example(({"d": None}, {}), {name: {"date": "$d", "timezone": "Europe/Rome"}}, [None, None]),
                ),
            ),
            "read": staticmethod(read),
            "shortcut": None if shortcut is None else staticmethod(shortcut),
        },
    )
    register(operator)


def _day(local: int) -> tuple[int, int, int]:
    return dates.day_of(local // DAY)


_field("$year", "1.0", "the year", lambda local: _day(local)[0], 2024, lambda date: date.year)
_field("$month", "1.0", "the month, 1 to 12", lambda local: _day(local)[1], 3, lambda date: date.month)
_field("$dayOfMonth", "1.0", "the day of the month, 1 to 31", lambda local: _day(local)[2], 3, lambda date: date.day)
_field("$hour", "1.0", "the hour, 0 to 23", lambda local: local % DAY // HOUR, 13, lambda date: date.hour)
_field("$minute", "1.0", "the minute, 0 to 59", lambda local: local % HOUR // MINUTE, 45, lambda date: date.minute)
_field("$second", "1.0", "the second, 0 to 59", lambda local: local % MINUTE // SECOND, 59, lambda date: date.second)
_field(
    "$millisecond",
    "2.4",
    "the millisecond, 0 to 999",
    lambda local: local % SECOND,
    678,
    lambda date: date.microsecond // 1000,
)
_field("$dayOfYear", "1.0", "the day of the year, 1 to 366", lambda local: dates.day_of_year(*_day(local)), 63)
_field("$dayOfWeek", "1.0", "the weekday, 1 (Sunday) to 7", lambda local: dates.day_of_week(local // DAY), 1)
_field("$week", "1.0", "the week, 0 to 53, beginning on Sundays", lambda local: dates.week_of_year(local // DAY), 9)
_field("$isoDayOfWeek", "3.4", "the weekday, 1 (Monday) to 7", lambda local: dates.iso_day_of_week(local // DAY), 7)
_field("$isoWeek", "3.4", "the ISO 8601 week, 1 to 53", lambda local: dates.iso_week(local // DAY)[1], 9)
_field("$isoWeekYear", "3.4", "the ISO 8601 year", lambda local: Int64(dates.iso_week(local // DAY)[0]), Int64(2024))
