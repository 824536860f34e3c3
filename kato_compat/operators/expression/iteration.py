"""`$map`, `$filter` and `$reduce`: expressions over each element of an array."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, FieldPath, Frame, Operation, walk
from kato_compat.ir.predicate import truthy
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.expression.concat import ConcatArrays
from kato_compat.operators.expression.object import MergeObjects, merge_into
from kato_compat.operators.expression.set import SetUnion, in_order
from kato_compat.values.collation import Collation, identity
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import integral
from kato_compat.values.types import alias_of


def _alias(operand: dict[str, Any]) -> str:
    # What is not a string reads as the empty name, which `define` refuses.
    name = operand.get("as", "this")
    return name if type(name) is str else ""


@register
@dataclass(frozen=True, slots=True)
class Map(Operation):
    """`$map`: an expression applied to each element (MongoDB manual: $map)."""

    spec: ClassVar[Spec] = Spec(
        "$map",
        Kind.EXPRESSION,
        "2.6",
        "An expression applied to each element of an array.",
        examples=(
            Example(({"a": [1, 2]},), {"$map": {"input": "$a", "as": "x", "in": {"v": "$$x"}}}, [[{"v": 1}, {"v": 2}]]),
        ),
    )
    pure: ClassVar[bool] = False  # the server does not fold it: errors wait for a document

    array: Expression
    slot: int
    body: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 16878 to 16882."""
        if type(operand) is not dict:
            raise fail(16878, "$map only supports an object as its argument")
        for name in operand:
            if name not in ("input", "as", "in"):
                raise fail(16879, f"Unrecognized parameter to $map: {name}")
        if "input" not in operand:
            raise fail(16880, "Missing 'input' parameter to $map")
        if "in" not in operand:
            raise fail(16882, "Missing 'in' parameter to $map")
        inner, (slot,) = context.define(_alias(operand))
        array = context.parse(operand["input"])
        return cls(array, slot, inner.parse(operand["in"]))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.array, self.body)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 16883 for an input that is neither an array nor null."""
        array, slot, body = self.array.compile(), self.slot, self.body.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            items = array(root, frame)
            if type(items) is not list:
                if items is None or items is MISSING:
                    return None
                raise fail(16883, f"input to $map must be an array not {alias_of(items)}")
            result: list[Any] = []
            append = result.append
            for item in items:
                frame[slot] = item
                value = body(root, frame)
                append(None if value is MISSING else value)
            return result

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class Filter(Operation):
    """`$filter`: the elements for which a condition holds (MongoDB manual: $filter)."""

    spec: ClassVar[Spec] = Spec(
        "$filter",
        Kind.EXPRESSION,
        "3.2",
        "The elements of an array for which a condition holds.",
        examples=(
            Example(
                ({"a": [1, 0, 2, 3]},),
                {"$filter": {"input": "$a", "as": "x", "cond": "$$x", "limit": 2}},
                [[1, 2]],
            ),
        ),
    )
    pure: ClassVar[bool] = False  # the server does not fold it: errors wait for a document

    array: Expression
    slot: int
    condition: Expression
    limit: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 28646 to 28650."""
        if type(operand) is not dict:
            raise fail(28646, "$filter only supports an object as its argument")
        for name in operand:
            if name not in ("input", "as", "cond", "limit"):
                raise fail(28647, f"Unrecognized parameter to $filter: {name}")
        if "input" not in operand:
            raise fail(28648, "Missing 'input' parameter to $filter")
        if "cond" not in operand:
            raise fail(28650, "Missing 'cond' parameter to $filter")
        array = context.parse(operand["input"])
        inner, (slot,) = context.define(_alias(operand))
        condition = inner.parse(operand["cond"])
        limit = context.parse(operand["limit"]) if "limit" in operand else None
        return cls(array, slot, condition, limit)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.array, self.condition) if self.limit is None else (self.array, self.condition, self.limit)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 28651 for the input, 327391 and 327392 for the limit."""
        array, slot, condition = self.array.compile(), self.slot, self.condition.compile()

        def elements(root: Any, frame: Frame) -> list[Any] | None:
            items = array(root, frame)
            if type(items) is list:
                return items
            if items is None or items is MISSING:
                return None
            raise fail(28651, f"input to $filter must be an array not {alias_of(items)}")

        def every(root: Any, frame: Frame) -> Any:
            items = elements(root, frame)
            if items is None:
                return None
            result = []
            for item in items:
                frame[slot] = item
                if truthy(condition(root, frame)):
                    result.append(item)
            return result

        if self.limit is None:
            return every
        limit = self.limit.compile()

        def limited(root: Any, frame: Frame) -> Any:
            items = elements(root, frame)
            if items is None:
                return None
            most = limit(root, frame)
            if most is None or most is MISSING:
                left = len(items)
            else:
                number = integral(most)
                if number is None:
                    raise fail(
                        327391,
                        "$filter: limit must be represented as a 32-bit integral value: " + str(most),
                    )
                if number <= 0:
                    raise fail(327392, f"$filter: limit must be greater than 0: {number}")
                left = number
            result: list[Any] = []
            for item in items:
                frame[slot] = item
                if truthy(condition(root, frame)):
                    result.append(item)
                    left -= 1
                    if left == 0:
                        break
            return result

        return limited


@register
@dataclass(frozen=True, slots=True)
class Reduce(Operation):
    """`$reduce`: one value out of all elements, from left to right (MongoDB manual: $reduce).

    Bodies that grow ``$$value`` by `$concatArrays`, `$setUnion` or `$mergeObjects` run in time linear in the
    elements: nothing else can see the intermediate values.
    """

    spec: ClassVar[Spec] = Spec(
        "$reduce",
        Kind.EXPRESSION,
        "3.4",
        "One value out of all elements of an array, from left to right.",
        examples=(
            Example(
                ({"a": [["x"], ["y", "z"]]},),
                {"$reduce": {"input": "$a", "initialValue": [], "in": {"$concatArrays": ["$$value", "$$this"]}}},
                [["x", "y", "z"]],
            ),
        ),
    )
    pure: ClassVar[bool] = False  # the server does not fold it: errors wait for a document

    array: Expression
    initial: Expression
    this: int
    value: int
    body: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 40075 to 40079."""
        if type(operand) is not dict:
            raise fail(40075, f"$reduce requires an object as an argument, found: {alias_of(operand)}")
        inner, (this, value) = context.define("this", "value")
        parts: dict[str, Expression] = {}
        for name, raw in operand.items():
            if name in ("input", "initialValue"):
                parts[name] = context.parse(raw)
            elif name == "in":
                parts[name] = inner.parse(raw)
            else:
                raise fail(40076, f"$reduce found an unknown argument: {name}")
        for code, name in ((40077, "input"), (40078, "initialValue"), (40079, "in")):
            if name not in parts:
                raise fail(code, f"$reduce requires '{name}' to be specified")
        return cls(parts["input"], parts["initialValue"], this, value, parts["in"])

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.array, self.initial, self.body)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 40080 for an input that is neither an array nor null."""
        array, initial = self.array.compile(), self.initial.compile()
        run = self._growing() or self._stepping()

        def evaluate(root: Any, frame: Frame) -> Any:
            items = array(root, frame)
            if type(items) is not list:
                if items is None or items is MISSING:
                    return None
                raise fail(40080, f"$reduce requires that 'input' be an array, found: {alias_of(items)}")
            start = initial(root, frame)
            return run(items, start, root, frame) if items else start

        return evaluate

    def _stepping(self) -> "_Run":
        this, slot, body = self.this, self.value, self.body.compile()

        def step(items: list[Any], value: Any, root: Any, frame: Frame) -> Any:
            for item in items:
                frame[this] = item
                frame[slot] = value
                value = body(root, frame)
            return value

        return step

    def _reads_value(self, expression: Expression) -> bool:
        return any(isinstance(node, FieldPath) and node.slot == self.value for node in walk(expression))

    def _growing(self) -> "_Run | None":
        """The linear-time form of a body ``{$op: ["$$value", ..]}`` whose other operands do not read ``$$value``."""
        body = self.body
        if not isinstance(body, ConcatArrays | SetUnion | MergeObjects) or len(body.operands) < 2:
            return None
        first, *rest = body.operands
        if first != FieldPath((), self.value) or any(self._reads_value(operand) for operand in rest):
            return None
        if isinstance(body, ConcatArrays):
            if rest == [FieldPath((), self.this)]:
                return _flatten
            return self._concatenating(tuple(operand.compile() for operand in rest))
        if isinstance(body, SetUnion):
            return self._uniting(tuple(operand.compile() for operand in rest), body.collation)
        return self._merging(tuple(operand.compile() for operand in rest))

    def _concatenating(self, parts: tuple[Evaluator, ...]) -> "_Run":
        this = self.this

        def grow(items: list[Any], value: Any, root: Any, frame: Frame) -> Any:
            start = ConcatArrays.elements(value)
            if start is None:
                return None
            result = list(start)
            for item in items:
                frame[this] = item
                for part in parts:
                    more = ConcatArrays.elements(part(root, frame))
                    if more is None:
                        return None
                    result.extend(more)
            return result

        return grow

    def _uniting(self, parts: tuple[Evaluator, ...], collation: Collation | None) -> "_Run":
        this, key = self.this, identity(collation)

        def unite(items: list[Any], value: Any, root: Any, frame: Frame) -> Any:
            start = SetUnion.elements(value)
            if start is None:
                return None
            found: dict[Any, Any] = {}
            for element in start:
                found.setdefault(key(element), element)
            for item in items:
                frame[this] = item
                for part in parts:
                    more = SetUnion.elements(part(root, frame))
                    if more is None:
                        return None
                    for element in more:
                        found.setdefault(key(element), element)
            return in_order(found.values(), collation)

        return unite

    def _merging(self, parts: tuple[Evaluator, ...]) -> "_Run":
        this = self.this

        def merge(items: list[Any], value: Any, root: Any, frame: Frame) -> Any:
            result: dict[str, Any] = {}
            merge_into(result, value)
            for item in items:
                frame[this] = item
                for part in parts:
                    merge_into(result, part(root, frame))
            return result

        return merge


_Run = Callable[[list[Any], Any, Any, Frame], Any]


def _flatten(items: list[Any], value: Any, root: Any, frame: Frame) -> Any:
    """The concatenation of `value` and all `items`, null as soon as one is null or missing, as the steps would."""
    start = ConcatArrays.elements(value)
    if start is None:
        return None
    result = list(start)
    extend = result.extend
    for item in items:
        if type(item) is list:
            extend(item)
        elif ConcatArrays.elements(item) is None:
            return None
    return result
