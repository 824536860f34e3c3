"""Type expressions: conversions between BSON types, and questions about a value's type.

MongoDB manual: $convert, $toBool, $toDate, $toDecimal, $toDouble, $toInt, $toLong, $toObjectId, $toString, $toUUID,
$toArray, $toObject, $type, $isNumber.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.bindata import FORMATS
from kato_compat.values.convert import convert
from kato_compat.values.jsontext import parse_json, vector_items
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import integral
from kato_compat.values.show import shown
from kato_compat.values.types import BY_ALIAS, NUMBER_TYPES, BsonType, alias_of

#: What a conversion goes to: the type, and the subtype of binary data as it was given.
Target = tuple[BsonType, Any]

_CONVERSION_FAILURE: Final = 241
_FIELDS: Final = ("input", "to", "format", "byteOrder", "onError", "onNull")


def _target(raw: Any) -> Target | None:
    """What the `to` of a conversion means, None for null or missing; raises FailedToParse (9) and BadValue (2)."""
    if raw is None or raw is MISSING:
        return None
    subtype: Any = 0
    if type(raw) is dict:
        subtype = raw.get("subtype", 0)
        raw = raw.get("type", MISSING)
    if type(raw) is str:
        # The type expression may answer "missing": a type that nothing converts to.
        kind = BsonType.MISSING if raw == "missing" else BY_ALIAS.get(raw)
        if kind is None:
            raise fail(2, f"Unknown type name: {raw}")
        return kind, subtype
    if type(raw) not in NUMBER_TYPES:
        raise fail(9, f"$convert's 'to' argument must be a string or number, but is {alias_of(raw)}")
    number = integral(raw)
    if number is None:
        raise fail(9, "In $convert, numeric 'to' argument is not an integer")
    if number not in _NUMBERS:
        raise fail(9, f"In $convert, numeric value for 'to' does not correspond to a BSON type: {number}")
    return BsonType(number), subtype


_NUMBERS: Final = frozenset(int(kind) for kind in BsonType)


def _form(raw: Any) -> str | None:
    if raw is None or raw is MISSING:
        return None
    if type(raw) is not str:
        raise fail(
            4341114,
            f"$convert requires that 'format' be a string, found: {alias_of(raw)} with value {shown(raw)}",
        )
    if raw not in FORMATS:
        raise fail(4341125, f"Invalid 'format' argument for $convert: {raw}")
    return raw


def _byte_order(raw: Any) -> str | None:
    if raw is None or raw is MISSING:
        return None
    if type(raw) is not str:
        raise fail(
            9130001,
            f"$convert requires that 'byteOrder' be a string, found: {alias_of(raw)} with value {shown(raw)}",
        )
    if raw not in ("big", "little"):
        raise fail(9130002, f"Invalid 'byteOrder' argument for $convert: {raw}")
    return raw


@register
@dataclass(frozen=True, slots=True)
class Convert(Operation):
    """`$convert`: a value as another type (MongoDB manual: $convert).

    Raises FailedToParse (9) for a malformed operand, BadValue (2) for an unknown type, 4341106 to 4341125, 9130001
    and 9130002 for a wrong subtype, format or byte order, and ConversionFailure (241) for a value that cannot be
    converted, unless there is `onError`.
    """

    spec: ClassVar[Spec] = Spec(
        "$convert",
        Kind.EXPRESSION,
        "4.0",
        "A value as another type, with answers for failure and for null.",
        examples=(
            Example(
                ({"a": "12"}, {"a": "x"}, {}),
                {"$convert": {"input": "$a", "to": "int", "onError": -1, "onNull": 0}},
                [12, -1, 0],
            ),
            Example(
                ({"a": "aGVsbG8="},),
                {"$convert": {"input": "$a", "to": {"type": "binData", "subtype": 0}, "format": "base64"}},
                [b"hello"],
            ),
            Example(
                ({"a": 258},),
                {"$convert": {"input": "$a", "to": "binData", "byteOrder": "big"}},
                [b"\0\0\1\2"],
            ),
        ),
    )

    input: Expression
    to: Expression
    form: Expression
    byte_order: Expression
    on_error: Expression | None
    on_null: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        if type(operand) is not dict:
            raise fail(9, f"$convert expects an object of named arguments but found: {alias_of(operand)}")
        parts: dict[str, Expression] = {}
        for name, raw in operand.items():
            if name not in _FIELDS:
                raise fail(9, f"$convert found an unknown argument: {name}")
            parts[name] = context.parse(raw)
        for name in ("input", "to"):
            if name not in parts:
                raise fail(9, f"Missing '{name}' parameter to $convert")
        null = Literal(None)
        return cls(
            parts["input"],
            parts["to"],
            parts.get("format", null),
            parts.get("byteOrder", null),
            parts.get("onError"),
            parts.get("onNull", null),
        )

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        parts = (self.input, self.to, self.form, self.byte_order, self.on_null)
        return parts if self.on_error is None else (*parts, self.on_error)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        given, on_null = self.input.compile(), self.on_null.compile()
        to, form, byte_order = _Part(self.to, _target), _Part(self.form, _form), _Part(self.byte_order, _byte_order)
        on_error = None if self.on_error is None else self.on_error.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            target = to.read(root, frame)
            value = given(root, frame)
            if value is None or value is MISSING:
                return on_null(root, frame)
            if target is None:
                return None
            kind, subtype = target
            text_form, order = form.read(root, frame), byte_order.read(root, frame)
            try:
                return convert(value, kind, subtype, text_form, order)
            except OperationFailure as error:
                if on_error is None or error.code != _CONVERSION_FAILURE:
                    raise
                return on_error(root, frame)

        return evaluate


class _Part:
    """One setting of a conversion: read once if it is constant, but only when the first document comes."""

    __slots__ = ("_constant", "_evaluate", "_known", "_read")

    def __init__(self, expression: Expression, read: Callable[[Any], Any]) -> None:
        self._evaluate = expression.compile()
        self._read = read
        self._constant = isinstance(expression, Literal)
        self._known: tuple[Any] | None = None

    def read(self, root: Any, frame: Frame) -> Any:
        """The setting for one document."""
        if self._known is not None:
            return self._known[0]
        value = self._read(self._evaluate(root, frame))
        if self._constant:
            self._known = (value,)
        return value


def _shorthand(spec_: Spec, function: Callable[[Any], Any]) -> type[Operation]:
    """The operator that converts to one type, null to null; raises 50723 for a list of other than one operand."""

    @dataclass(frozen=True, slots=True)
    class Shorthand(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name})."

        spec: ClassVar[Spec] = spec_

        value: Expression

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            if type(operand) is list:
                if len(operand) != 1:
                    raise fail(50723, f"{spec_.name} requires a single argument, got {len(operand)}")
                (operand,) = operand
            return cls(context.parse(operand))

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return (self.value,)

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            value = self.value.compile()

            def evaluate(root: Any, frame: Frame) -> Any:
                given = value(root, frame)
                return None if given is None or given is MISSING else function(given)

            return evaluate

    return Shorthand


def _to(name: str, what: str, given: Any, result: Any, since: str = "4.0") -> Spec:
    examples = (Example(({"a": given}, {}), {name: "$a"}, [result, None]),)
    return Spec(name, Kind.EXPRESSION, since, f"A value as {what}; null for null.", examples=examples)


def _as(kind: BsonType, subtype: int = 0, form: str | None = None) -> Callable[[Any], Any]:
    return lambda value: convert(value, kind, subtype, form)


register(_shorthand(_to("$toBool", "a bool", 0.5, True), _as(BsonType.BOOL)))
register(_shorthand(_to("$toDate", "a date", Int64(86_400_000), datetime(1970, 1, 2)), _as(BsonType.DATE)))
register(_shorthand(_to("$toDecimal", "a decimal", 2.5, Decimal128("2.50000000000000")), _as(BsonType.DECIMAL)))
register(_shorthand(_to("$toDouble", "a double", "5e-1", 0.5), _as(BsonType.DOUBLE)))
register(_shorthand(_to("$toInt", "an int", -2.7, -2), _as(BsonType.INT)))
register(_shorthand(_to("$toLong", "a long", "42", Int64(42)), _as(BsonType.LONG)))
register(
    _shorthand(
        _to("$toObjectId", "an ObjectId", "65a1b2c3d4e5f60718293a4b", ObjectId("65a1b2c3d4e5f60718293a4b")),
        _as(BsonType.OBJECT_ID),
    )
)
register(_shorthand(_to("$toString", "text", 1e21, "1e+21"), _as(BsonType.STRING, form="auto")))
register(
    _shorthand(
        _to(
            "$toUUID",
            "a UUID, out of its text",
            "0e3b9063-8abd-4eb3-9f9f-f4c59fd30a60",
            Binary(bytes.fromhex("0e3b90638abd4eb39f9ff4c59fd30a60"), 4),
            since="8.0",
        ),
        _as(BsonType.BIN_DATA, 4, "uuid"),
    )
)


def _to_array(value: Any) -> list[Any]:
    if isinstance(value, bytes):
        return vector_items(value)
    if type(value) is str:
        items: list[Any] = parse_json(value, BsonType.ARRAY)
        return items
    raise _unconvertible(value, "array")


def _to_object(value: Any) -> dict[str, Any]:
    if type(value) is str:
        document: dict[str, Any] = parse_json(value, BsonType.OBJECT)
        return document
    raise _unconvertible(value, "object")


def _unconvertible(value: Any, target: str) -> Exception:
    return fail(_CONVERSION_FAILURE, f"Unsupported conversion from {alias_of(value)} to {target}")


register(
    _shorthand(_to("$toArray", "an array, out of JSON or a binary vector", "[1, 2]", [1, 2], since="8.3"), _to_array)
)
register(_shorthand(_to("$toObject", "a document, out of JSON", '{"a": 1}', {"a": 1}, since="8.3"), _to_object))


def _question(spec_: Spec, answer: Callable[[Any], Any]) -> type[Operation]:
    """The operator that answers something about any value, missing too."""

    @dataclass(frozen=True, slots=True)
    class Question(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name} (aggregation))."

        spec: ClassVar[Spec] = spec_

        value: Expression

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            return cls(*context.arguments(spec_.name, operand, 1, 1))

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return (self.value,)

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            value = self.value.compile()
            return lambda root, frame: answer(value(root, frame))

    return Question


register(
    _question(
        Spec(
            "$type",
            Kind.EXPRESSION,
            "3.4",
            "The name of a value's BSON type; missing for an absent field.",
            examples=(Example(({"a": 1}, {"a": [1]}, {}), {"$type": "$a"}, ["int", "array", "missing"]),),
        ),
        alias_of,
    )
)
register(
    _question(
        Spec(
            "$isNumber",
            Kind.EXPRESSION,
            "4.4",
            "Whether a value is an int, a long, a double or a decimal.",
            examples=(Example(({"a": 1.5}, {"a": "1"}, {"a": True}), {"$isNumber": "$a"}, [True, False, False]),),
        ),
        lambda value: type(value) in NUMBER_TYPES,
    )
)
