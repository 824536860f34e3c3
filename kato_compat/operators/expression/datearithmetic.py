"""`$dateAdd`, `$dateSubtract`, `$dateDiff` and `$dateTrunc`: calendar arithmetic in time units."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.expression.datefield import check_zone, compile_zone, only_constants, present
from kato_compat.values import timeunit
from kato_compat.values.dates import date_of, instant_of, is_datelike
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import integral64
from kato_compat.values.show import shown
from kato_compat.values.types import INT64_MIN, alias_of


def _is_null(expression: Expression | None) -> bool:
    return isinstance(expression, Literal) and (expression.value is None or expression.value is MISSING)


def _unit(value: Any, name: str) -> str:
    """The unit that `value` names; raises 5439013 for no string, 9 for an unknown unit."""
    if type(value) is not str:
        raise fail(5439013, f"{name} requires 'unit' to be a string, but got {alias_of(value)}")
    if value not in timeunit.UNITS:
        raise fail(9, f"{name} parameter 'unit' value parsing failed :: caused by :: unknown time unit value: {value}")
    return value


def _weekday(value: Any, name: str) -> int:
    """1 (Monday) to 7 of the weekday that `value` names; raises 5439015 and 5439016."""
    if type(value) is not str:
        raise fail(5439015, f"{name} requires 'startOfWeek' to be a string, but got {alias_of(value)}")
    weekday = timeunit.weekday_of(value)
    if weekday is None:
        raise fail(5439016, f"{name} parameter 'startOfWeek' value cannot be recognized as a day of a week: {value}")
    return weekday


def _bin_size(value: Any) -> int:
    """The size of a bin; raises 5439017 and 5439018."""
    size = integral64(value)
    if size is None:
        raise fail(
            5439017,
            f"$dateTrunc requires 'binSize' to be a 64-bit integer, but got value '{shown(value)}' "
            f"of type {alias_of(value)}",
        )
    if size <= 0:
        raise fail(5439018, f"$dateTrunc requires 'binSize' to be greater than 0, but got value {size}")
    return size


def _compile(
    expression: Expression | None, convert: Callable[[Any], Any], default: Any = None
) -> Callable[[Any, Frame], Any]:
    """An evaluator of `convert` of the argument, None for null and missing; `default` without the argument."""
    if expression is None:
        return lambda root, frame: default
    if isinstance(expression, Literal):
        value = expression.value
        if value is None or value is MISSING:
            return lambda root, frame: None
    inner = expression.compile()

    def evaluate(root: Any, frame: Frame) -> Any:
        value = inner(root, frame)
        return None if value is None or value is MISSING else convert(value)

    return evaluate


def _fields(
    name: str, operand: Any, required: dict[str, int], optional: tuple[str, ...], codes: tuple[int, int]
) -> None:
    """Check the named arguments: `codes` are for no document and for an unknown field, `required` for a missing one."""
    if type(operand) is not dict:
        raise fail(codes[0], f"{name} only supports an object as its argument")
    for field in operand:
        if field not in required and field not in optional:
            raise fail(codes[1], f"Unrecognized argument to {name}: {field}")
    for field, code in required.items():
        if field not in operand:
            raise fail(code, f"Missing '{field}' parameter to {name}")


def _optional(operand: dict[str, Any], field: str, context: ExpressionContext) -> Expression | None:
    return context.parse(operand[field]) if field in operand else None


@dataclass(frozen=True, slots=True)
class DateArithmetic(Operation):
    """The base of `$dateAdd` and `$dateSubtract`."""

    start: Expression
    unit: Expression
    amount: Expression
    timezone: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 5166400 to 5166402."""
        name = cls.spec.name
        if type(operand) is not dict:
            raise fail(5166400, f"{name} expects an object as its argument.found :{alias_of(operand)}")
        for field in operand:
            if field not in ("startDate", "unit", "amount", "timezone"):
                raise fail(
                    5166401,
                    f"Unrecognized argument to {name}: {field}. Expected arguments are startDate, unit, amount, "
                    "and optionally timezone.",
                )
        if not {"startDate", "unit", "amount"} <= operand.keys():
            raise fail(5166402, f"{name} requires startDate, unit, and amount to be present")
        node = cls(
            context.parse(operand["startDate"]),
            context.parse(operand["unit"]),
            context.parse(operand["amount"]),
            _optional(operand, "timezone", context),
        )
        if not only_constants(node):
            if _is_null(node.unit):
                return Literal(None)
            if isinstance(node.unit, Literal):
                _unit(node.unit.value, name)
            check_zone(node.timezone)
        return node

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return present(self.start, self.unit, self.amount, self.timezone)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        name = self.spec.name
        start, amount = self.start.compile(), self.amount.compile()
        unit_of, zone_at = _compile(self.unit, lambda value: _unit(value, name)), compile_zone(self.timezone)
        sign = -1 if name == "$dateSubtract" else 1

        def evaluate(root: Any, frame: Frame) -> Any:
            date = start(root, frame)
            if date is None or date is MISSING:
                return None
            unit = unit_of(root, frame)
            if unit is None:
                return None
            number = amount(root, frame)
            if number is None or number is MISSING:
                return None
            zone = zone_at(root, frame)
            if zone is None:
                return None
            if not is_datelike(date):
                raise fail(5166403, f"{name} requires startDate to be convertible to a date")
            whole = integral64(number)
            if whole is None:
                raise fail(5166405, f"{name} expects integer amount of time units")
            if sign < 0 and whole == INT64_MIN:
                raise fail(6045000, f"invalid $dateSubtract 'amount' parameter value: {whole}")
            return date_of(timeunit.add(instant_of(date), unit, sign * whole, zone))

        return evaluate


@register
class DateAdd(DateArithmetic):
    """`$dateAdd`: a date a number of time units later (MongoDB manual: $dateAdd)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$dateAdd",
        Kind.EXPRESSION,
        "5.0",
        "A date a number of time units later, on the wall clock of the zone for days and more.",
        examples=(
            Example(
                ({"d": datetime(2024, 1, 31, 8)}, {}),
                {"$dateAdd": {"startDate": "$d", "unit": "month", "amount": 1}},
                [datetime(2024, 2, 29, 8), None],
            ),
        ),
    )


@register
class DateSubtract(DateArithmetic):
    """`$dateSubtract`: a date a number of time units earlier (MongoDB manual: $dateSubtract)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$dateSubtract",
        Kind.EXPRESSION,
        "5.0",
        "A date a number of time units earlier, on the wall clock of the zone for days and more.",
        examples=(
            Example(
                ({"d": datetime(2021, 3, 15, 8)},),
                {"$dateSubtract": {"startDate": "$d", "unit": "day", "amount": 2, "timezone": "America/New_York"}},
                [datetime(2021, 3, 13, 9)],
            ),
        ),
    )


@register
@dataclass(frozen=True, slots=True)
class DateDiff(Operation):
    """`$dateDiff`: how many time unit boundaries lie between two dates, a long (MongoDB manual: $dateDiff)."""

    spec: ClassVar[Spec] = Spec(
        "$dateDiff",
        Kind.EXPRESSION,
        "5.0",
        "How many boundaries of a time unit lie between two dates; negative if the end is earlier.",
        examples=(
            Example(
                ({"a": datetime(2023, 12, 31, 23), "b": datetime(2024, 1, 1, 1)}, {"a": None}),
                {"$dateDiff": {"startDate": "$a", "endDate": "$b", "unit": "year"}},
                [Int64(1), None],
            ),
        ),
    )

    start: Expression
    end: Expression
    unit: Expression
    timezone: Expression | None
    weekday: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 5166301 to 5166305."""
        required = {"startDate": 5166303, "endDate": 5166304, "unit": 5166305}
        _fields("$dateDiff", operand, required, ("timezone", "startOfWeek"), (5166301, 5166302))
        node = cls(
            context.parse(operand["startDate"]),
            context.parse(operand["endDate"]),
            context.parse(operand["unit"]),
            _optional(operand, "timezone", context),
            _optional(operand, "startOfWeek", context),
        )
        if only_constants(node):
            return node
        return _checked(node, node.unit, node.weekday, node.timezone)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return present(self.start, self.end, self.unit, self.timezone, self.weekday)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        start, end = self.start.compile(), self.end.compile()
        unit_of, zone_at = _compile(self.unit, lambda value: _unit(value, "$dateDiff")), compile_zone(self.timezone)
        weekday_of = _compile(self.weekday, lambda value: _weekday(value, "$dateDiff"), timeunit.SUNDAY)

        def evaluate(root: Any, frame: Frame) -> Any:
            first = start(root, frame)
            if first is None or first is MISSING:
                return None
            last = end(root, frame)
            if last is None or last is MISSING:
                return None
            unit = unit_of(root, frame)
            if unit is None:
                return None
            weekday = weekday_of(root, frame) if unit == "week" else timeunit.SUNDAY
            if weekday is None:
                return None
            zone = zone_at(root, frame)
            if zone is None:
                return None
            begin = _instant(first, "$dateDiff", "startDate")
            return Int64(timeunit.difference(begin, _instant(last, "$dateDiff", "endDate"), unit, zone, weekday))

        return evaluate


def _instant(value: Any, name: str, parameter: str) -> int:
    if not is_datelike(value):
        raise fail(5166307, f"{name} requires '{parameter}' to be a date, but got {alias_of(value)}")
    return instant_of(value)


def _checked(node: Operation, unit: Expression, weekday: Expression | None, timezone: Expression | None) -> Expression:
    """`node`, or null where a constant argument makes it null whatever the document; raises for wrong constants."""
    name = node.spec.name
    if _is_null(unit):
        return Literal(None)
    known = _unit(unit.value, name) if isinstance(unit, Literal) else None
    if known == "week" and isinstance(weekday, Literal):
        if _is_null(weekday):
            return Literal(None)
        _weekday(weekday.value, name)
    check_zone(timezone)
    return node


@register
@dataclass(frozen=True, slots=True)
class DateTrunc(Operation):
    """`$dateTrunc`: the beginning of the bin of time units that a date is in (MongoDB manual: $dateTrunc)."""

    spec: ClassVar[Spec] = Spec(
        "$dateTrunc",
        Kind.EXPRESSION,
        "5.0",
        "The beginning of the time unit, or of the bin of several units, that a date is in.",
        examples=(
            Example(
                ({"d": datetime(2021, 3, 20, 11, 30, 5)}, {"d": None}),
                {"$dateTrunc": {"date": "$d", "unit": "hour", "binSize": 2}},
                [datetime(2021, 3, 20, 10), None],
            ),
            Example(
                ({"d": datetime(2021, 3, 20, 11, 30, 5)},),
                {"$dateTrunc": {"date": "$d", "unit": "week", "timezone": "America/Los_Angeles", "startOfWeek": "mon"}},
                [datetime(2021, 3, 15, 7)],
            ),
        ),
    )

    date: Expression
    unit: Expression
    size: Expression | None
    timezone: Expression | None
    weekday: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 5439007 to 5439010."""
        required = {"date": 5439009, "unit": 5439010}
        _fields("$dateTrunc", operand, required, ("binSize", "timezone", "startOfWeek"), (5439007, 5439008))
        node = cls(
            context.parse(operand["date"]),
            context.parse(operand["unit"]),
            _optional(operand, "binSize", context),
            _optional(operand, "timezone", context),
            _optional(operand, "startOfWeek", context),
        )
        if only_constants(node):
            return node
        if isinstance(node.size, Literal):
            if _is_null(node.size):
                return Literal(None)
            _bin_size(node.size.value)
        return _checked(node, node.unit, node.weekday, node.timezone)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return present(self.date, self.unit, self.size, self.timezone, self.weekday)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        date, zone_at = self.date.compile(), compile_zone(self.timezone)
        size_of = _compile(self.size, _bin_size, 1)
        unit_of = _compile(self.unit, lambda value: _unit(value, "$dateTrunc"))
        weekday_of = _compile(self.weekday, lambda value: _weekday(value, "$dateTrunc"), timeunit.SUNDAY)

        def evaluate(root: Any, frame: Frame) -> Any:
            value = date(root, frame)
            if value is None or value is MISSING:
                return None
            size = size_of(root, frame)
            if size is None:
                return None
            unit = unit_of(root, frame)
            if unit is None:
                return None
            weekday = weekday_of(root, frame) if unit == "week" else timeunit.SUNDAY
            if weekday is None:
                return None
            zone = zone_at(root, frame)
            if zone is None:
                return None
            return date_of(timeunit.truncate(_instant(value, "$dateTrunc", "date"), unit, size, zone, weekday))

        return evaluate
