"""Joining, case, length and comparison of strings (MongoDB manual: String Expression Operators)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation, fold
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.text import lower, text_of, upper
from kato_compat.values.types import alias_of


@register
@dataclass(frozen=True, slots=True)
class Concat(Operation):
    """`$concat`: strings joined into one; null if one is null or missing (MongoDB manual: $concat)."""

    spec: ClassVar[Spec] = Spec(
        "$concat",
        Kind.EXPRESSION,
        "2.4",
        "Strings joined into one; null if one of them is null or missing.",
        examples=(
            Example(
                ({"item": "ABC1", "note": "x"}, {"item": "ABC2"}),
                {"$concat": ["$item", " - ", "$note"]},
                ["ABC1 - x", None],
            ),
        ),
    )

    operands: tuple[Expression, ...]

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Neighbouring constants are joined at once, as the server does."""
        operands = context.arguments("$concat", operand, 0, None)
        if all(isinstance(each, Literal) for each in operands):
            return cls(operands)
        joined: list[Expression] = []
        run: list[Expression] = []
        for each in (*operands, None):
            if isinstance(each, Literal):
                run.append(each)
                continue
            if run:
                joined.append(run[0] if len(run) == 1 else fold(cls(tuple(run))))
                run = []
            if each is not None:
                joined.append(each)
        return cls(tuple(joined))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        parts = tuple(operand.compile() for operand in self.operands)

        def evaluate(root: Any, frame: Frame) -> Any:
            found = []
            for part in parts:
                value = part(root, frame)
                if type(value) is not str:
                    if value is None or value is MISSING:
                        return None
                    raise fail(16702, f"$concat only supports strings, not {alias_of(value)}")
                found.append(value)
            return "".join(found)

        return evaluate


@dataclass(frozen=True, slots=True)
class OfString(Operation):
    """The base of the operators with one operand that they turn into something."""

    function: ClassVar[Callable[[Any], Any]]

    operand: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        (argument,) = context.arguments(cls.spec.name, operand, 1, 1)
        return cls(argument)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.operand,)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        operand, function = self.operand.compile(), type(self).function
        return lambda root, frame: function(operand(root, frame))


def _of_string(spec: Spec, function: Callable[[Any], Any]) -> None:
    """Register the operator of `spec`, which applies `function` to its operand's value."""
    register(
        type(
            spec.name[1].upper() + spec.name[2:],
            (OfString,),
            {
                "__doc__": f"`{spec.name}`: {spec.summary} (MongoDB manual: {spec.name}).",
                "__module__": __name__,
                "__slots__": (),
                "spec": spec,
                "function": staticmethod(function),
            },
        )
    )


def _byte_length(value: Any) -> int:
    if type(value) is not str:
        raise fail(34473, f"$strLenBytes requires a string argument, found: {alias_of(value)}")
    return len(value) if value.isascii() else len(value.encode())


def _length(value: Any) -> int:
    if type(value) is not str:
        raise fail(34471, f"$strLenCP requires a string argument, found: {alias_of(value)}")
    return len(value)


_of_string(
    Spec(
        "$toLower",
        Kind.EXPRESSION,
        "1.0",
        "A string (or number, date) with the letters A to Z in lower case; empty for null.",
        examples=(Example(({"s": "ÀB1"}, {"s": 2.5}, {}), {"$toLower": "$s"}, ["Àb1", "2.5", ""]),),
    ),
    lambda value: lower(text_of(value)),
)
_of_string(
    Spec(
        "$toUpper",
        Kind.EXPRESSION,
        "1.0",
        "A string (or number, date) with the letters a to z in upper case; empty for null.",
        examples=(Example(({"s": "àb1"}, {"s": None}), {"$toUpper": "$s"}, ["àB1", ""]),),
    ),
    lambda value: upper(text_of(value)),
)
_of_string(
    Spec(
        "$strLenBytes",
        Kind.EXPRESSION,
        "3.4",
        "The number of UTF-8 bytes of a string.",
        examples=(Example(({"s": "cafétéria"},), {"$strLenBytes": "$s"}, [11]),),
    ),
    _byte_length,
)
_of_string(
    Spec(
        "$strLenCP",
        Kind.EXPRESSION,
        "3.4",
        "The number of code points of a string.",
        examples=(Example(({"s": "cafétéria"},), {"$strLenCP": "$s"}, [9]),),
    ),
    _length,
)


@register
@dataclass(frozen=True, slots=True)
class Strcasecmp(Operation):
    """`$strcasecmp`: -1, 0 or 1 as two strings compare without ASCII case (MongoDB manual: $strcasecmp)."""

    spec: ClassVar[Spec] = Spec(
        "$strcasecmp",
        Kind.EXPRESSION,
        "1.0",
        "-1, 0 or 1 as the first string sorts before, equal to or after the second without ASCII case.",
        examples=(Example(({"q": "13Q1"}, {"q": "13q4"}, {}), {"$strcasecmp": ["$q", "13Q4"]}, [-1, 0, -1]),),
    )

    left: Expression
    right: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        left, right = context.arguments("$strcasecmp", operand, 2, 2)
        return cls(left, right)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.left, self.right)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        left, right = self.left.compile(), self.right.compile()

        def evaluate(root: Any, frame: Frame) -> int:
            first, second = left(root, frame), right(root, frame)
            a, b = upper(text_of(first)), upper(text_of(second))
            return (a > b) - (a < b)

        return evaluate
