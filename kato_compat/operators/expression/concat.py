"""`$concatArrays` and `$zip`: arrays out of several arrays."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation, fold
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.show import shown
from kato_compat.values.types import alias_of


@register
@dataclass(frozen=True, slots=True)
class ConcatArrays(Operation):
    """`$concatArrays`: the elements of all arrays, in order (MongoDB manual: $concatArrays)."""

    spec: ClassVar[Spec] = Spec(
        "$concatArrays",
        Kind.EXPRESSION,
        "3.2",
        "The elements of all arrays in order; null if one of them is null or missing.",
        examples=(Example(({"a": [1], "b": [2, 3]},), {"$concatArrays": ["$a", "$b"]}, [[1, 2, 3]]),),
    )

    operands: tuple[Expression, ...]

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Neighbouring constants are joined at once, as the server does."""
        operands = context.arguments("$concatArrays", operand, 0, None)
        if all(isinstance(each, Literal) for each in operands):
            return cls(operands)
        joined: list[Expression] = []
        run: list[Expression] = []
        for each in operands:
            if isinstance(each, Literal):
                run.append(each)
                continue
            if run:
                joined.append(run[0] if len(run) == 1 else fold(cls(tuple(run))))
                run = []
            joined.append(each)
        if run:
            joined.append(run[0] if len(run) == 1 else fold(cls(tuple(run))))
        return cls(tuple(joined))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    @staticmethod
    def elements(value: Any) -> list[Any] | None:
        """The array `value`, None for null and missing. Raises 28664 for anything else."""
        if type(value) is list:
            return value
        if value is None or value is MISSING:
            return None
        raise fail(28664, f"$concatArrays only supports arrays, not {alias_of(value)}")

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        parts = tuple(each.compile() for each in self.operands)
        elements = self.elements

        def evaluate(root: Any, frame: Frame) -> Any:
            result: list[Any] = []
            for part in parts:
                value = part(root, frame)
                if type(value) is list:
                    result += value
                elif elements(value) is None:
                    return None
            return result

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class Zip(Operation):
    """`$zip`: arrays transposed (MongoDB manual: $zip)."""

    spec: ClassVar[Spec] = Spec(
        "$zip",
        Kind.EXPRESSION,
        "3.4",
        "Arrays transposed: the first elements together, the second elements together, and so on.",
        examples=(
            Example(
                ({"a": [1, 2], "b": ["x"]},),
                {"$zip": {"inputs": ["$a", "$b"], "useLongestLength": True, "defaults": [0, "-"]}},
                [[[1, "x"], [2, "-"]]],
            ),
        ),
    )
    pure: ClassVar[bool] = False  # the server does not fold it: errors wait for a document

    inputs: tuple[Expression, ...]
    longest: bool
    defaults: tuple[Expression, ...]

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 34460 to 34467."""
        if type(operand) is not dict:
            raise fail(34460, f"$zip only supports an object as an argument, found {alias_of(operand)}")
        inputs: tuple[Expression, ...] = ()
        defaults: tuple[Expression, ...] = ()
        longest = False
        for name, raw in operand.items():
            if name == "inputs":
                if type(raw) is not list:
                    raise fail(34461, f"inputs must be an array of expressions, found {alias_of(raw)}")
                inputs = tuple(context.parse(each) for each in raw)
            elif name == "defaults":
                if type(raw) is not list:
                    raise fail(34462, f"defaults must be an array of expressions, found {alias_of(raw)}")
                defaults = tuple(context.parse(each) for each in raw)
            elif name == "useLongestLength":
                if type(raw) is not bool:
                    raise fail(34463, f"useLongestLength must be a bool, found {alias_of(raw)}")
                longest = raw
            else:
                raise fail(34464, f"$zip found an unknown argument: {name}")
        if not inputs:
            raise fail(34465, "$zip requires at least one input array")
        if defaults and not longest:
            raise fail(34466, "cannot specify defaults unless useLongestLength is true")
        if defaults and len(defaults) != len(inputs):
            raise fail(34467, "defaults and inputs must have the same length")
        return cls(inputs, longest, defaults)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (*self.inputs, *self.defaults)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 34468 for an input that is neither an array nor null."""
        inputs = tuple(each.compile() for each in self.inputs)
        defaults = tuple(each.compile() for each in self.defaults)
        longest = self.longest

        def evaluate(root: Any, frame: Frame) -> Any:
            arrays: list[list[Any]] = []
            for part in inputs:
                value = part(root, frame)
                if value is None or value is MISSING:
                    return None
                if type(value) is not list:
                    raise fail(34468, f"$zip found a non-array expression in input: {shown(value)}")
                arrays.append(value)
            if not longest:
                return [list(row) for row in zip(*arrays, strict=False)]
            length = max(map(len, arrays))
            if min(map(len, arrays)) == length:
                return [list(row) for row in zip(*arrays, strict=True)]
            fills = [None] * len(arrays)
            if defaults:
                fills = [None if (fill := part(root, frame)) is MISSING else fill for part in defaults]
            return [
                [array[row] if row < len(array) else fill for array, fill in zip(arrays, fills, strict=True)]
                for row in range(length)
            ]

        return evaluate
