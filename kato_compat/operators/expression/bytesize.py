"""`$bsonSize` and `$binarySize`: sizes in bytes (MongoDB manual: $bsonSize, $binarySize)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.document import encode
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import fields_of
from kato_compat.values.types import alias_of


def _bson_size(value: Any) -> int | None:
    if value is None or value is MISSING:
        return None
    fields = fields_of(value)
    if fields is None:
        raise fail(31393, f"$bsonSize requires a document input, found: {alias_of(value)}")
    return len(encode(fields))


def _binary_size(value: Any) -> int | None:
    if value is None or value is MISSING:
        return None
    if type(value) is str:
        return len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    raise fail(51276, f"$binarySize requires a string or BinData argument, found: {alias_of(value)}")


def _measure(spec_: Spec, function: Callable[[Any], int | None]) -> type[Operation]:
    name = spec_.name

    @dataclass(frozen=True, slots=True)
    class Measure(Operation):
        __doc__ = f"`{name}` (MongoDB manual: {name})."

        spec: ClassVar[Spec] = spec_

        value: Expression

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            (value,) = context.arguments(name, operand, 1, 1)
            return cls(value)

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return (self.value,)

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            value = self.value.compile()
            return lambda root, frame: function(value(root, frame))

    return Measure


BsonSize = register(
    _measure(
        Spec(
            "$bsonSize",
            Kind.EXPRESSION,
            "4.4",
            "The size in bytes of a document as BSON.",
            examples=(Example(({"a": 1},), {"$bsonSize": "$$ROOT"}, [12]),),
        ),
        _bson_size,
    )
)
BinarySize = register(
    _measure(
        Spec(
            "$binarySize",
            Kind.EXPRESSION,
            "4.4",
            "The size in bytes of a string as UTF-8, or of binary data.",
            examples=(Example(({"a": "é"},), {"$binarySize": "$a"}, [2]),),
        ),
        _binary_size,
    )
)
