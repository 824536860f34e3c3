"""Conditional expressions (MongoDB manual: Conditional Expression Operators).

Only the branch that is taken is evaluated. As on the server, constants are evaluated when the expression is
parsed, also in a branch that no document would take.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.predicate import truthy
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.types import alias_of


@register
@dataclass(frozen=True, slots=True)
class Cond(Operation):
    """`$cond`: one of two expressions, by the boolean value of a third (MongoDB manual: $cond).

    Raises 17080 to 17083 for a document form with missing or unknown fields, 16020 for a list of other than 3.
    """

    spec: ClassVar[Spec] = Spec(
        "$cond",
        Kind.EXPRESSION,
        "2.2",
        "The second operand if the first is true, else the third.",
        examples=(
            Example(({"q": 5}, {"q": 1}), {"$cond": [{"$gte": ["$q", 3]}, "many", "few"]}, ["many", "few"]),
            Example(({"q": 5},), {"$cond": {"if": "$q", "then": "$q", "else": 0}}, [5]),
        ),
    )

    test: Expression
    then: Expression
    otherwise: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        if type(operand) is dict:
            test, then, otherwise = _fields(operand, context)
        else:
            test, then, otherwise = context.arguments("$cond", operand, 3, 3)
        if isinstance(test, Literal):
            return then if truthy(test.value) else otherwise
        return cls(test, then, otherwise)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.test, self.then, self.otherwise

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        test, then, otherwise = self.test.compile(), self.then.compile(), self.otherwise.compile()
        return lambda root, frame: (then if truthy(test(root, frame)) else otherwise)(root, frame)


def _fields(operand: dict[str, Any], context: ExpressionContext) -> tuple[Expression, Expression, Expression]:
    parts: dict[str, Expression] = {}
    for name, raw in operand.items():
        if name not in ("if", "then", "else"):
            raise fail(17083, f"Unrecognized parameter to $cond: {name}")
        parts[name] = context.parse(raw)
    for name, code in (("if", 17080), ("then", 17081), ("else", 17082)):
        if name not in parts:
            raise fail(code, f"Missing '{name}' parameter to $cond")
    return parts["if"], parts["then"], parts["else"]


@register
@dataclass(frozen=True, slots=True)
class IfNull(Operation):
    """`$ifNull`: the first operand that is neither null nor missing, else the last (MongoDB manual: $ifNull).

    Raises 1257300 for fewer than two operands.
    """

    spec: ClassVar[Spec] = Spec(
        "$ifNull",
        Kind.EXPRESSION,
        "2.2",
        "The first operand that is neither null nor missing, else the last.",
        examples=(Example(({"a": None}, {"b": 2}, {"a": 1}), {"$ifNull": ["$a", "$b", 0]}, [0, 2, 1]),),
    )

    choices: tuple[Expression, ...]

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        choices = context.arguments("$ifNull", operand, 0, None)
        if len(choices) < 2:
            raise fail(1257300, f"$ifNull needs at least two arguments, had: {len(choices)}")
        left: list[Expression] = []
        for choice in choices[:-1]:
            if not isinstance(choice, Literal):
                left.append(choice)
            elif choice.value is not None and choice.value is not MISSING:
                # Nothing behind a constant is ever reached.
                return cls((*left, choice)) if left else choice
        return cls((*left, choices[-1])) if left else choices[-1]

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.choices

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        *parts, last = (choice.compile() for choice in self.choices)
        if len(parts) == 1:
            (only,) = parts

            def either(root: Any, frame: Frame) -> Any:
                value = only(root, frame)
                return last(root, frame) if value is None or value is MISSING else value

            return either

        def evaluate(root: Any, frame: Frame) -> Any:
            for part in parts:
                value = part(root, frame)
                if value is not None and value is not MISSING:
                    return value
            return last(root, frame)

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class Switch(Operation):
    """`$switch`: the expression of the first branch whose case is true (MongoDB manual: $switch).

    Raises 40060 to 40065, 40067 and 40068 for a malformed operand, 40066 if no case is true and there is no
    default, 40069 if that is known when it is parsed.
    """

    spec: ClassVar[Spec] = Spec(
        "$switch",
        Kind.EXPRESSION,
        "3.4",
        "The expression of the first branch whose case is true, else the default.",
        examples=(
            Example(
                ({"n": 0}, {"n": 5}, {"n": 50}),
                {
                    "$switch": {
                        "branches": [
                            {"case": {"$gt": ["$n", 9]}, "then": "big"},
                            {"case": {"$gt": ["$n", 0]}, "then": "small"},
                        ],
                        "default": "none",
                    }
                },
                ["none", "small", "big"],
            ),
        ),
    )

    branches: tuple[tuple[Expression, Expression], ...]
    default: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        if type(operand) is not dict:
            raise fail(40060, f"$switch requires an object as an argument, found: {alias_of(operand)}")
        default: Expression | None = None
        raw_branches: list[Any] = []
        for name, raw in operand.items():
            if name == "branches":
                if type(raw) is not list:
                    raise fail(40061, f"$switch expected an array for 'branches', found: {alias_of(raw)}")
                raw_branches = raw
            elif name == "default":
                default = context.parse(raw)
            else:
                raise fail(40067, f"$switch found an unknown argument: {name}")
        if not raw_branches:
            raise fail(40068, "$switch requires at least one branch.")
        live: list[tuple[Expression, Expression]] = []
        decided = False
        for raw in raw_branches:
            case, then = _branch(raw, context.unfolded() if decided else context)
            if decided or (isinstance(case, Literal) and not truthy(case.value)):
                continue
            if isinstance(case, Literal):
                default, decided = then, True
            else:
                live.append((case, then))
        if live:
            return cls(tuple(live), default)
        if default is None:
            raise fail(
                40069, "Cannot execute a switch statement where all the cases evaluate to false without a default."
            )
        return default

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        parts = [part for branch in self.branches for part in branch]
        return tuple(parts) if self.default is None else (*parts, self.default)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        branches = tuple((case.compile(), then.compile()) for case, then in self.branches)
        default = None if self.default is None else self.default.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            for case, then in branches:
                if truthy(case(root, frame)):
                    return then(root, frame)
            if default is None:
                raise fail(
                    40066, "$switch could not find a matching branch for an input, and no default was specified."
                )
            return default(root, frame)

        return evaluate


def _branch(raw: Any, context: ExpressionContext) -> tuple[Expression, Expression]:
    if type(raw) is not dict:
        raise fail(40062, f"$switch expected each branch to be an object, found: {alias_of(raw)}")
    for name in raw:
        if name not in ("case", "then"):
            raise fail(40063, f"$switch found an unknown argument to a branch: {name}")
    if "case" not in raw:
        raise fail(40064, "$switch requires each branch have a 'case' expression")
    if "then" not in raw:
        raise fail(40065, "$switch requires each branch have a 'then' expression.")
    case = context.parse(raw["case"])
    # What stands behind a constant false is never evaluated, not even its constants.
    never = isinstance(case, Literal) and not truthy(case.value)
    return case, (context.unfolded() if never else context).parse(raw["then"])
