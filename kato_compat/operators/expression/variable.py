"""Variables, constants and random numbers in expressions; the expressions of server-side JavaScript, refused.

MongoDB manual: $let, $literal, $rand, $function.
"""

import random
from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec, Status


@register
@dataclass(frozen=True, slots=True)
class Let(Operation):
    """`$let`: binds variables for the use in one expression (MongoDB manual: $let (aggregation)).

    The variables' values are evaluated outside of the scope that they make. Raises 16874 to 16877 for a malformed
    operand, 10065 for `vars` that is no document.
    """

    spec: ClassVar[Spec] = Spec(
        "$let",
        Kind.EXPRESSION,
        "2.6",
        "An expression evaluated with variables bound.",
        examples=(
            Example(
                ({"price": 10, "tax": 2},),
                {"$let": {"vars": {"total": {"$add": ["$price", "$tax"]}}, "in": {"$multiply": ["$$total", 3]}}},
                [36],
            ),
        ),
    )

    values: tuple[Expression, ...]
    slots: tuple[int, ...]
    body: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        if type(operand) is not dict:
            raise fail(16874, "$let only supports an object as its argument")
        for name in operand:
            if name not in ("vars", "in"):
                raise fail(16875, f"Unrecognized parameter to $let: {name}")
        if "vars" not in operand:
            raise fail(16876, "Missing 'vars' parameter to $let")
        if "in" not in operand:
            raise fail(16877, "Missing 'in' parameter to $let")
        variables = operand["vars"]
        if type(variables) is list:
            # The server reads an array as a document whose names are the indexes.
            variables = {str(index): value for index, value in enumerate(variables)}
        if type(variables) is not dict:
            raise fail(10065, "invalid parameter: expected an object (vars)")
        scope, slots = context.define(*variables)
        values = tuple(context.parse(raw) for raw in variables.values())
        body = scope.parse(operand["in"])
        return body if isinstance(body, Literal) else cls(values, slots, body)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (*self.values, self.body)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        body = self.body.compile()
        if len(self.values) == 1:
            value, slot = self.values[0].compile(), self.slots[0]

            def single(root: Any, frame: Frame) -> Any:
                frame[slot] = value(root, frame)
                return body(root, frame)

            return single
        values, slots = tuple(value.compile() for value in self.values), self.slots

        def evaluate(root: Any, frame: Frame) -> Any:
            # All values first: none of them sees the others.
            given = [value(root, frame) for value in values]
            for slot, item in zip(slots, given, strict=True):
                frame[slot] = item
            return body(root, frame)

        return evaluate


def _constant(spec_: Spec) -> type[Operation]:
    """The operator whose value is its operand, not parsed as an expression."""

    @dataclass(frozen=True, slots=True)
    class Constant(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: $literal)."

        spec: ClassVar[Spec] = spec_

        value: Any

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            return Literal(operand)

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            value = self.value
            return lambda root, frame: value

    return Constant


register(
    _constant(
        Spec(
            "$literal",
            Kind.EXPRESSION,
            "2.2",
            "Its operand as it stands, never parsed as an expression.",
            examples=(Example(({"price": 1},), {"$literal": "$price"}, ["$price"]),),
        )
    )
)
register(
    _constant(
        Spec(
            "$const",
            Kind.EXPRESSION,
            "2.2",
            "The other name of $literal.",
            examples=(Example(({"price": 1},), {"$const": {"$add": [1, 2]}}, [{"$add": [1, 2]}]),),
        )
    )
)


@register
@dataclass(frozen=True, slots=True)
class Rand(Operation):
    """`$rand`: a random double from 0 up to but not including 1, another at every call (MongoDB manual: $rand).

    Raises 3040501 for arguments, 10065 for an operand that is no document.
    """

    spec: ClassVar[Spec] = Spec(
        "$rand",
        Kind.EXPRESSION,
        "4.4.2",
        "A random double, at least 0 and less than 1.",
        examples=(Example(({},), {"$floor": {"$rand": {}}}, [0.0]),),
    )
    pure: ClassVar[bool] = False

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        if type(operand) not in (dict, list):
            raise fail(10065, "invalid parameter: expected an object ($rand)")
        if operand:
            raise fail(3040501, "$rand does not currently accept arguments")
        return cls()

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        return lambda root, frame: random.random()


def _javascript(name: str, since: str, summary: str) -> type[Operation]:
    @dataclass(frozen=True, slots=True)
    class JavaScript(Operation):
        __doc__ = f"`{name}` (MongoDB manual: {name}); refused."

        spec: ClassVar[Spec] = Spec(
            name,
            Kind.EXPRESSION,
            since,
            summary,
            status=Status.REFUSED,
            limits="it runs JavaScript inside of the server, and there is no JavaScript engine here",
        )

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """Never called: the parser refuses by `spec`."""
            raise AssertionError(f"{name} is refused by its spec")

        def compile(self) -> Evaluator:
            """Never called: the parser refuses by `spec`."""
            raise AssertionError(f"{name} is refused by its spec")

    return JavaScript


register(_javascript("$function", "4.4", "The result of a JavaScript function."))
