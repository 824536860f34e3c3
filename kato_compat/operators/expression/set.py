"""Set expressions: arrays as sets of values that are distinct by BSON equality (MongoDB manual: Set Expressions).

Results of `$setUnion` and `$setIntersection` are in BSON order, as the server's ordered sets give them; of equal
values the one met first is kept. `$setDifference` keeps the order of its first operand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation, fold
from kato_compat.ir.predicate import truthy
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.collation import Collation, identity, ordering
from kato_compat.values.missing import MISSING
from kato_compat.values.types import alias_of


def in_order(values: Iterable[Any], collation: Collation | None = None) -> list[Any]:
    """`values` in BSON order."""
    return sorted(values, key=ordering(collation))


def _not_an_array(number: int, value: Any) -> str:
    return f"All operands of $setEquals must be arrays. {number}-th argument is of type: {alias_of(value)}"


def _constants_last(
    operation: type["SetUnion"] | type["SetIntersection"],
    operands: tuple[Expression, ...],
    collation: Collation | None,
) -> Any:
    """The operation with its constants evaluated together and put last, as the server optimises it.

    This decides which of a wrong type and a null is met first.
    """
    constants = tuple(each for each in operands if isinstance(each, Literal))
    if len(constants) == len(operands) or not constants:
        return operation(operands, collation)
    rest = tuple(each for each in operands if not isinstance(each, Literal))
    if len(constants) == 1:
        return operation((*rest, constants[0]), collation)
    return operation((*rest, fold(operation(constants, collation))), collation)


@register
@dataclass(frozen=True, slots=True)
class SetUnion(Operation):
    """`$setUnion`: the distinct values of all arrays (MongoDB manual: $setUnion)."""

    spec: ClassVar[Spec] = Spec(
        "$setUnion",
        Kind.EXPRESSION,
        "2.6",
        "The distinct values of all arrays, in BSON order.",
        examples=(Example(({"a": [3, 1], "b": [1, 2]},), {"$setUnion": ["$a", "$b"]}, [[1, 2, 3]]),),
    )

    operands: tuple[Expression, ...]
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        node: Expression = _constants_last(cls, context.arguments("$setUnion", operand, 0, None), context.collation)
        return node

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    @staticmethod
    def elements(value: Any) -> list[Any] | None:
        """The array `value`, None for null and missing. Raises 17043 for anything else."""
        if type(value) is list:
            return value
        if value is None or value is MISSING:
            return None
        raise fail(17043, f"All operands of $setUnion must be arrays. One argument is of type: {alias_of(value)}")

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        parts = tuple(each.compile() for each in self.operands)
        elements, key, collation = self.elements, identity(self.collation), self.collation

        def evaluate(root: Any, frame: Frame) -> Any:
            found: dict[Any, Any] = {}
            for part in parts:
                items = elements(part(root, frame))
                if items is None:
                    return None
                for item in items:
                    found.setdefault(key(item), item)
            return in_order(found.values(), collation)

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class SetIntersection(Operation):
    """`$setIntersection`: the distinct values that are in every array (MongoDB manual: $setIntersection)."""

    spec: ClassVar[Spec] = Spec(
        "$setIntersection",
        Kind.EXPRESSION,
        "2.6",
        "The distinct values that are in every array, in BSON order.",
        examples=(Example(({"a": [3, 1, 2], "b": [2, 3]},), {"$setIntersection": ["$a", "$b"]}, [[2, 3]]),),
    )

    operands: tuple[Expression, ...]
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        operands = context.arguments("$setIntersection", operand, 0, None)
        node: Expression = _constants_last(cls, operands, context.collation)
        return node

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 17047 for an operand that is neither an array nor null."""
        parts = tuple(each.compile() for each in self.operands)
        key_of, collation = identity(self.collation), self.collation

        def evaluate(root: Any, frame: Frame) -> Any:
            current: dict[Any, Any] | None = None
            for part in parts:
                items = part(root, frame)
                if type(items) is not list:
                    if items is None or items is MISSING:
                        return None
                    raise fail(
                        17047,
                        "All operands of $setIntersection must be arrays. One argument is of type: " + alias_of(items),
                    )
                if current is not None and not current:
                    continue
                following: dict[Any, Any] = {}
                for item in items:
                    following.setdefault(key_of(item), item)
                if current is None:
                    current = following
                    continue
                # The smaller set is the one whose values stay (they may differ in type), as in the server.
                if len(current) > len(following):
                    current, following = following, current
                current = {key: item for key, item in current.items() if key in following}
            return in_order(current.values(), collation) if current else []

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class SetDifference(Operation):
    """`$setDifference`: the distinct values of one array that another lacks (MongoDB manual: $setDifference)."""

    spec: ClassVar[Spec] = Spec(
        "$setDifference",
        Kind.EXPRESSION,
        "2.6",
        "The distinct values of the first array that are not in the second.",
        examples=(Example(({"a": [3, 1, 3], "b": [1]},), {"$setDifference": ["$a", "$b"]}, [[3]]),),
    )

    left: Expression
    right: Expression
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        left, right = context.arguments("$setDifference", operand, 2, 2)
        return cls(left, right, context.collation)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.left, self.right)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 17048 and 17049 for operands that are neither arrays nor null."""
        left, right, key_of = self.left.compile(), self.right.compile(), identity(self.collation)

        def evaluate(root: Any, frame: Frame) -> Any:
            items, others = left(root, frame), right(root, frame)
            if items is None or items is MISSING or others is None or others is MISSING:
                return None
            if type(items) is not list:
                raise fail(
                    17048,
                    f"both operands of $setDifference must be arrays. First argument is of type: {alias_of(items)}",
                )
            if type(others) is not list:
                raise fail(
                    17049,
                    f"both operands of $setDifference must be arrays. Second argument is of type: {alias_of(others)}",
                )
            seen = {key_of(item) for item in others}
            result = []
            for item in items:
                key = key_of(item)
                if key not in seen:
                    seen.add(key)
                    result.append(item)
            return result

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class SetEquals(Operation):
    """`$setEquals`: whether all arrays have the same distinct values (MongoDB manual: $setEquals)."""

    spec: ClassVar[Spec] = Spec(
        "$setEquals",
        Kind.EXPRESSION,
        "2.6",
        "True if all arrays have the same distinct values.",
        examples=(Example(({"a": [1, 2, 2], "b": [2, 1]},), {"$setEquals": ["$a", "$b"]}, [True]),),
    )

    operands: tuple[Expression, ...]
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 17045 for fewer than two operands, 5887502 for a constant that is no array."""
        operands = context.arguments("$setEquals", operand, 0, None)
        if len(operands) < 2:
            raise fail(17045, f"$setEquals needs at least two arguments had: {len(operands)}")
        for number, each in enumerate(operands, 1):
            # The server looks at constants before it reads a document, and has a code of its own for them.
            if isinstance(each, Literal) and type(each.value) is not list:
                raise fail(5887502, _not_an_array(number, each.value))
        return cls(operands, context.collation)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 17044 for an operand that is not an array."""
        parts, key_of = tuple(each.compile() for each in self.operands), identity(self.collation)

        def evaluate(root: Any, frame: Frame) -> Any:
            first: set[Any] | None = None
            for number, part in enumerate(parts, 1):
                items = part(root, frame)
                if type(items) is not list:
                    raise fail(17044, _not_an_array(number, items))
                found = {key_of(item) for item in items}
                if first is None:
                    first = found
                elif first != found:
                    return False
            return True

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class SetIsSubset(Operation):
    """`$setIsSubset`: whether all values of one array are in another (MongoDB manual: $setIsSubset)."""

    spec: ClassVar[Spec] = Spec(
        "$setIsSubset",
        Kind.EXPRESSION,
        "2.6",
        "True if every value of the first array is in the second.",
        examples=(Example(({"a": [1], "b": [1, 2]},), {"$setIsSubset": ["$a", "$b"]}, [True]),),
    )

    left: Expression
    right: Expression
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 17311 for a constant second operand that is no array."""
        left, right = context.arguments("$setIsSubset", operand, 2, 2)
        if isinstance(right, Literal) and type(right.value) is not list and not isinstance(left, Literal):
            raise fail(
                17311,
                f"both operands of $setIsSubset must be arrays. Second argument is of type: {alias_of(right.value)}",
            )
        return cls(left, right, context.collation)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.left, self.right)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 17046 and 17042 for operands that are not arrays."""
        left, right, key_of = self.left.compile(), self.right.compile(), identity(self.collation)

        def evaluate(root: Any, frame: Frame) -> Any:
            items = left(root, frame)
            if type(items) is not list:
                raise fail(
                    17046,
                    f"both operands of $setIsSubset must be arrays. First argument is of type: {alias_of(items)}",
                )
            others = right(root, frame)
            if type(others) is not list:
                raise fail(
                    17042,
                    f"both operands of $setIsSubset must be arrays. Second argument is of type: {alias_of(others)}",
                )
            return {key_of(item) for item in items} <= {key_of(item) for item in others}

        return evaluate


def _quantifier(name: str, code: int, every: bool, summary: str, example: Example) -> type[Operation]:
    """`$allElementsTrue` or `$anyElementTrue`; `code` is raised for an operand that is not an array."""

    @dataclass(frozen=True, slots=True)
    class Quantifier(Operation):
        __doc__ = f"`{name}` (MongoDB manual: {name})."

        spec: ClassVar[Spec] = Spec(name, Kind.EXPRESSION, "2.6", summary, examples=(example,))

        array: Expression

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            (array,) = context.arguments(name, operand, 1, 1)
            return cls(array)

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return (self.array,)

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            array = self.array.compile()
            test = all if every else any

            def evaluate(root: Any, frame: Frame) -> Any:
                items = array(root, frame)
                if type(items) is not list:
                    raise fail(code, f"{name}'s argument must be an array, but is {alias_of(items)}")
                return test(map(truthy, items))

            return evaluate

    return Quantifier


AllElementsTrue = register(
    _quantifier(
        "$allElementsTrue",
        17040,
        True,
        "True if no element of an array is false, zero, null or missing.",
        Example(({"a": [1, True]}, {"a": [1, 0]}), {"$allElementsTrue": ["$a"]}, [True, False]),
    )
)
AnyElementTrue = register(
    _quantifier(
        "$anyElementTrue",
        17041,
        False,
        "True if an element of an array is not false, zero, null or missing.",
        Example(({"a": [0, True]}, {"a": [None, 0]}), {"$anyElementTrue": ["$a"]}, [True, False]),
    )
)
