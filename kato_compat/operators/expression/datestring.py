"""`$dateToString` and `$dateFromString`: dates to and from texts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec, Status
from kato_compat.operators.expression.datefield import check_zone, compile_zone, only_constants, present
from kato_compat.values.dateformat import ISO_LOCAL, ISO_UTC, check_format, format_date, parse_formatted
from kato_compat.values.dates import date_of, instant_of
from kato_compat.values.datetext import parse_date
from kato_compat.values.missing import MISSING
from kato_compat.values.show import shown
from kato_compat.values.types import alias_of


def _optional(operand: dict[str, Any], field: str, context: ExpressionContext) -> Expression | None:
    return context.parse(operand[field]) if field in operand else None


def _format(value: Any, name: str, code: int, reading: bool) -> str | None:
    """The checked format, None for null and missing; raises `code` for no string, 18535 and 18536 for a wrong one."""
    if value is None or value is MISSING:
        return None
    if type(value) is not str:
        raise fail(
            code, f"{name} requires that 'format' be a string, found: {alias_of(value)} with value {shown(value)}"
        )
    check_format(value, reading)
    return value


@register
@dataclass(frozen=True, slots=True)
class DateToString(Operation):
    """`$dateToString`: a date as a text, by a format or in ISO 8601 (MongoDB manual: $dateToString)."""

    spec: ClassVar[Spec] = Spec(
        "$dateToString",
        Kind.EXPRESSION,
        "3.0",
        "A date as a text, by a format (ISO 8601 by default), in UTC or the zone given.",
        examples=(
            Example(
                ({"d": datetime(2014, 1, 1, 8, 15, 39, 736_000)},),
                {"$dateToString": {"date": "$d", "format": "%H:%M:%S:%L%z", "timezone": "America/New_York"}},
                ["03:15:39:736-0500"],
            ),
            Example(
                ({"d": datetime(2014, 1, 1, 8, 15)}, {"d": None}),
                {"$dateToString": {"date": "$d", "onNull": "never"}},
                ["2014-01-01T08:15:00.000Z", "never"],
            ),
        ),
    )

    date: Expression
    form: Expression | None
    timezone: Expression | None
    on_null: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 18534, 18628 and 18629."""
        if type(operand) is not dict:
            raise fail(18629, "$dateToString only supports an object as its argument")
        for field in operand:
            if field not in ("date", "format", "timezone", "onNull"):
                raise fail(18534, f"Unrecognized argument to $dateToString: {field}")
        if "date" not in operand:
            raise fail(18628, "Missing 'date' parameter to $dateToString")
        node = cls(
            context.parse(operand["date"]),
            _optional(operand, "format", context),
            _optional(operand, "timezone", context),
            _optional(operand, "onNull", context),
        )
        if not only_constants(node):
            check_zone(node.timezone)
        return node

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return present(self.date, self.form, self.timezone, self.on_null)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        date, zone_at = self.date.compile(), compile_zone(self.timezone)
        form = None if self.form is None else self.form.compile()
        on_null = Literal(None).compile() if self.on_null is None else self.on_null.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            value = date(root, frame)
            text = None if form is None else _format(form(root, frame), "$dateToString", 18533, False)
            zone = zone_at(root, frame)
            if value is None or value is MISSING:
                return on_null(root, frame)
            if zone is None:
                return None
            if form is None:
                text = ISO_UTC if zone.is_utc else ISO_LOCAL
            return None if text is None else format_date(instant_of(value), text, zone)

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class DateFromString(Operation):
    """`$dateFromString`: the date that a text means (MongoDB manual: $dateFromString)."""

    spec: ClassVar[Spec] = Spec(
        "$dateFromString",
        Kind.EXPRESSION,
        "3.6",
        "The date that a text means, read freely or by a format, in UTC or the zone given.",
        Status.PARTIAL,
        limits="Of the abbreviations of zones within a text only the usual ones are known (UTC, CET, EST, ..).",
        examples=(
            Example(
                ({"s": "2017-02-08T12:10:40.787"}, {"s": "15 June 2018"}),
                {"$dateFromString": {"dateString": "$s", "timezone": "America/New_York"}},
                [datetime(2017, 2, 8, 17, 10, 40, 787_000), datetime(2018, 6, 15, 4)],
            ),
            Example(
                ({"s": "06-15-2018"}, {"s": "?"}, {}),
                {"$dateFromString": {"dateString": "$s", "format": "%m-%d-%Y", "onError": "$s", "onNull": "none"}},
                [datetime(2018, 6, 15), "?", "none"],
            ),
        ),
    )

    text: Expression
    form: Expression | None
    timezone: Expression | None
    on_null: Expression | None
    on_error: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 40540 to 40542."""
        if type(operand) is not dict:
            raise fail(40540, f"$dateFromString only supports an object as an argument, found: {alias_of(operand)}")
        for field in operand:
            if field not in ("dateString", "format", "timezone", "onNull", "onError"):
                raise fail(40541, f"Unrecognized argument to $dateFromString: {field}")
        if "dateString" not in operand:
            raise fail(40542, "Missing 'dateString' parameter to $dateFromString")
        node = cls(
            context.parse(operand["dateString"]),
            _optional(operand, "format", context),
            _optional(operand, "timezone", context),
            _optional(operand, "onNull", context),
            _optional(operand, "onError", context),
        )
        if not only_constants(node):
            check_zone(node.timezone)
        return node

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return present(self.text, self.form, self.timezone, self.on_null, self.on_error)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        text, zone_at = self.text.compile(), compile_zone(self.timezone)
        form = None if self.form is None else self.form.compile()
        on_null = Literal(None).compile() if self.on_null is None else self.on_null.compile()
        on_error = None if self.on_error is None else self.on_error.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            value = text(root, frame)
            wanted = None if form is None else _format(form(root, frame), "$dateFromString", 40684, True)
            zone = zone_at(root, frame)
            if value is None or value is MISSING:
                return on_null(root, frame)
            try:
                if type(value) is not str:
                    raise fail(
                        241,
                        "$dateFromString requires that 'dateString' be a string, found: "
                        f"{alias_of(value)} with value {shown(value)}",
                    )
                if zone is None:
                    return None
                if form is None:
                    return date_of(parse_date(value, zone))
                return None if wanted is None else date_of(parse_formatted(value, wanted, zone))
            except OperationFailure as error:
                # What onError is for; everything else is an error of the query.
                if error.code != 241 or on_error is None:
                    raise
                return on_error(root, frame)

        return evaluate
