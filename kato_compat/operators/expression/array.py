"""Array expressions about size and position (MongoDB manual: Array Expression Operators)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.collation import Collation, identity
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import integral
from kato_compat.values.show import shown
from kato_compat.values.types import INT32_MAX, INT32_MIN, NUMBER_TYPES, alias_of

Function = Callable[[Any], Any]


def _of_array(spec_: Spec, function: Function) -> type[Operation]:
    """The operator that applies `function` to its one operand."""

    @dataclass(frozen=True, slots=True)
    class OfArray(Operation):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name})."

        spec: ClassVar[Spec] = spec_

        array: Expression

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`."""
            (array,) = context.arguments(spec_.name, operand, 1, 1)
            return cls(array)

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return (self.array,)

        def compile(self) -> Evaluator:
            """See `Expression.compile`."""
            array = self.array.compile()
            return lambda root, frame: function(array(root, frame))

    return OfArray


def _size(value: Any) -> int:
    if type(value) is not list:
        raise fail(17124, f"The argument to $size must be an array, but was of type: {alias_of(value)}")
    return len(value)


def _reversed(value: Any) -> list[Any] | None:
    if type(value) is list:
        return value[::-1]
    if value is None or value is MISSING:
        return None
    raise fail(34435, f"The argument to $reverseArray must be an array, but was of type: {alias_of(value)}")


def _end(name: str, index: int) -> Function:
    def end(value: Any) -> Any:
        if type(value) is list:
            return value[index] if value else MISSING
        if value is None or value is MISSING:
            return None
        raise fail(28689, f"{name}'s argument must be an array, but is {alias_of(value)}")

    return end


Size = register(
    _of_array(
        Spec(
            "$size",
            Kind.EXPRESSION,
            "2.0",
            "The number of elements of an array.",
            examples=(Example(({"a": [1, 2]},), {"$size": "$a"}, [2]),),
        ),
        _size,
    )
)
IsArray = register(
    _of_array(
        Spec(
            "$isArray",
            Kind.EXPRESSION,
            "3.2",
            "True if the operand is an array.",
            examples=(Example(({"a": []}, {"a": "x"}), {"$isArray": "$a"}, [True, False]),),
        ),
        lambda value: type(value) is list,
    )
)
ReverseArray = register(
    _of_array(
        Spec(
            "$reverseArray",
            Kind.EXPRESSION,
            "3.4",
            "The elements of an array in the opposite order.",
            examples=(Example(({"a": [1, 2]},), {"$reverseArray": "$a"}, [[2, 1]]),),
        ),
        _reversed,
    )
)
First = register(
    _of_array(
        Spec(
            "$first",
            Kind.EXPRESSION,
            "4.4",
            "The first element of an array; missing if it is empty.",
            examples=(Example(({"a": [1, 2]},), {"$first": "$a"}, [1]),),
        ),
        _end("$first", 0),
    )
)
Last = register(
    _of_array(
        Spec(
            "$last",
            Kind.EXPRESSION,
            "4.4",
            "The last element of an array; missing if it is empty.",
            examples=(Example(({"a": [1, 2]},), {"$last": "$a"}, [2]),),
        ),
        _end("$last", -1),
    )
)


@register
@dataclass(frozen=True, slots=True)
class ArrayElemAt(Operation):
    """`$arrayElemAt`: the element at an index, from the end if negative (MongoDB manual: $arrayElemAt)."""

    spec: ClassVar[Spec] = Spec(
        "$arrayElemAt",
        Kind.EXPRESSION,
        "3.2",
        "The element at an index, counted from the end if negative; missing beyond the array.",
        examples=(Example(({"a": ["x", "y"]},), {"$arrayElemAt": ["$a", -1]}, ["y"]),),
    )

    array: Expression
    index: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        array, index = context.arguments("$arrayElemAt", operand, 2, 2)
        return cls(array, index)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.array, self.index)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 28689 to 28691 for operands of a wrong type."""
        array, index = self.array.compile(), self.index.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            items, at = array(root, frame), index(root, frame)
            if items is None or items is MISSING or at is None or at is MISSING:
                return None
            if type(items) is not list:
                raise fail(28689, f"$arrayElemAt's first argument must be an array, but is {alias_of(items)}")
            number = at if type(at) is int and INT32_MIN <= at <= INT32_MAX else _position(at)
            try:
                return items[number]
            except IndexError:
                return MISSING

        return evaluate


def _position(value: Any) -> int:
    if type(value) not in NUMBER_TYPES:
        raise fail(28690, f"$arrayElemAt's second argument must be a numeric value, but is {alias_of(value)}")
    number = integral(value)
    if number is None:
        raise fail(
            28691,
            f"$arrayElemAt's second argument must be representable as a 32-bit integer: {value}",
        )
    return number


@register
@dataclass(frozen=True, slots=True)
class Slice(Operation):
    """`$slice`: a stretch of an array (MongoDB manual: $slice (aggregation))."""

    spec: ClassVar[Spec] = Spec(
        "$slice",
        Kind.EXPRESSION,
        "3.2",
        "The first n elements, the last n if n is negative, or n elements from a position.",
        examples=(
            Example(({"a": [1, 2, 3]},), {"$slice": ["$a", 2]}, [[1, 2]]),
            Example(({"a": [1, 2, 3]},), {"$slice": ["$a", -2, 1]}, [[2]]),
        ),
    )

    operands: tuple[Expression, ...]

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(context.arguments("$slice", operand, 2, 3))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 28724 to 28729 for operands of a wrong type or size."""
        array, second = self.operands[0].compile(), self.operands[1].compile()
        third = self.operands[2].compile() if len(self.operands) == 3 else None

        def evaluate(root: Any, frame: Frame) -> Any:
            items, number = array(root, frame), second(root, frame)
            if items is None or items is MISSING or number is None or number is MISSING:
                return None
            if type(items) is not list:
                raise fail(28724, f"First argument to $slice must be an array, but is of type: {alias_of(items)}")
            if type(number) not in NUMBER_TYPES:
                raise fail(
                    28725,
                    f"Second argument to $slice must be a numeric value, but is of type: {alias_of(number)}",
                )
            start = integral(number)
            if start is None:
                raise fail(28726, f"Second argument to $slice can't be represented as a 32-bit integer: {number}")
            if third is None:
                return items[:start] if start >= 0 else items[start:]
            if start < 0:
                start = max(0, len(items) + start)
            number = third(root, frame)
            if number is None or number is MISSING:
                return None
            if type(number) not in NUMBER_TYPES:
                raise fail(28727, f"Third argument to $slice must be numeric, but is of type: {alias_of(number)}")
            count = integral(number)
            if count is None:
                raise fail(28728, f"Third argument to $slice can't be represented as a 32-bit integer: {number}")
            if count <= 0:
                raise fail(28729, f"Third argument to $slice must be positive: {count}")
            return items[start : start + count]

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class In(Operation):
    """`$in`: whether an array holds a value (MongoDB manual: $in (aggregation))."""

    spec: ClassVar[Spec] = Spec(
        "$in",
        Kind.EXPRESSION,
        "3.4",
        "True if an array holds a value equal to the operand.",
        examples=(Example(({"a": 1.0}, {"a": True}), {"$in": ["$a", [1, 2]]}, [True, False]),),
    )

    value: Expression
    array: Expression
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        value, array = context.arguments("$in", operand, 2, 2)
        return cls(value, array, context.collation)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.value, self.array)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 40081 for a second operand that is not an array."""
        value, key_of, binary = self.value.compile(), identity(self.collation), self.collation is None
        if isinstance(self.array, Literal) and type(self.array.value) is list:
            keys = frozenset(map(key_of, self.array.value))
            return lambda root, frame: key_of(value(root, frame)) in keys
        array = self.array.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            wanted, items = value(root, frame), array(root, frame)
            if type(items) is not list:
                raise fail(40081, f"$in requires an array as a second argument, found: {alias_of(items)}")
            if binary and type(wanted) is str:
                return wanted in items  # no other BSON type equals a str
            key = key_of(wanted)
            for item in items:  # noqa: SIM110 - a generator expression is slower
                if key_of(item) == key:
                    return True
            return False

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class IndexOfArray(Operation):
    """`$indexOfArray`: where a value stands first in an array (MongoDB manual: $indexOfArray)."""

    spec: ClassVar[Spec] = Spec(
        "$indexOfArray",
        Kind.EXPRESSION,
        "3.4",
        "The index at which a value stands first in an array, -1 if it does not.",
        examples=(Example(({"a": ["x", "y"]},), {"$indexOfArray": ["$a", "y"]}, [1]),),
    )

    operands: tuple[Expression, ...]
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 50809 for a constant that is no array."""
        operands = context.arguments("$indexOfArray", operand, 2, 4)
        array = operands[0]
        if isinstance(array, Literal) and not all(isinstance(each, Literal) for each in operands):
            # The server looks at a constant array before it reads a document.
            if array.value is None or array.value is MISSING:
                return Literal(None)
            if type(array.value) is not list:
                raise fail(
                    50809,
                    "First operand of $indexOfArray must be an array. First argument is of type: "
                    + alias_of(array.value),
                )
        return cls(operands, context.collation)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 40090 for the array, 9711600 and 9711601 for the bounds."""
        array, value, *bounds = (each.compile() for each in self.operands)
        key_of = identity(self.collation)

        def evaluate(root: Any, frame: Frame) -> Any:
            items = array(root, frame)
            if type(items) is not list:
                if items is None or items is MISSING:
                    return None
                raise fail(40090, f"$indexOfArray requires an array as a first argument, found: {alias_of(items)}")
            start, end = 0, len(items)
            if bounds:
                start = _bound(bounds[0](root, frame), "starting")
                if len(bounds) == 2:
                    end = min(end, _bound(bounds[1](root, frame), "ending"))
            key = key_of(value(root, frame))
            for index in range(start, end):
                if key_of(items[index]) == key:
                    return index
            return -1

        return evaluate


def _bound(value: Any, which: str) -> int:
    number = integral(value)
    if number is None:
        raise fail(
            9711600,
            f"$indexOfArray requires an integral {which} index, found a value of type: {alias_of(value)}, "
            f"with value: {shown(value)}",
        )
    if number < 0:
        raise fail(9711601, f"$indexOfArray requires a nonnegative {which} index, found: {number}")
    return number


@register
@dataclass(frozen=True, slots=True)
class Range(Operation):
    """`$range`: an arithmetic sequence of ints (MongoDB manual: $range)."""

    spec: ClassVar[Spec] = Spec(
        "$range",
        Kind.EXPRESSION,
        "3.4",
        "The ints from a start up to, not including, an end, by a step.",
        examples=(Example(({},), {"$range": [0, 10, 3]}, [[0, 3, 6, 9]]),),
    )

    operands: tuple[Expression, ...]

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(context.arguments("$range", operand, 2, 3))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 34443 to 34449; 146 for a result beyond the memory limit."""
        parts = tuple(each.compile() for each in self.operands)

        def evaluate(root: Any, frame: Frame) -> Any:
            # All operands are evaluated, and checked, from left to right.
            values = [part(root, frame) for part in parts]
            start = _end_point(values[0], "starting", 34443, 34444)
            stop = _end_point(values[1], "ending", 34445, 34446)
            step = 1
            if len(values) == 3:
                step = _end_point(values[2], "step", 34447, 34448)
                if step == 0:
                    raise fail(34449, "$range requires a non-zero step value")
            numbers = range(start, stop, step)
            if len(numbers) > _LONGEST:
                raise fail(
                    146,
                    "$range would use too much memory and cannot spill. Memory limit: 104857600 bytes",
                )
            return list(numbers)

        return evaluate


#: What fits into the server's 100 MiB at 16 bytes a value.
_LONGEST = 100 * 1024 * 1024 // 16


def _end_point(value: Any, which: str, no_number: int, no_int: int) -> int:
    named = "step value" if which == "step" else f"{which} value"
    if type(value) not in NUMBER_TYPES:
        raise fail(no_number, f"$range requires a numeric {named}, found value of type: {alias_of(value)}")
    number = integral(value)
    if number is None:
        raise fail(
            no_int, f"$range requires a {named} that can be represented as a 32-bit integer, found value: {value}"
        )
    return number
