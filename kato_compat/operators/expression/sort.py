"""`$sortArray`: an array in order (MongoDB manual: $sortArray)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.collation import Collation, ordering
from kato_compat.values.missing import MISSING
from kato_compat.values.order import SortKey
from kato_compat.values.paths import Path, fields_of
from kato_compat.values.types import alias_of, is_number

#: Paths and whether descending; an empty path is the element itself.
Pattern = tuple[tuple[Path, bool], ...]


def _descending(direction: Any) -> bool | None:
    number = direction.to_decimal() if hasattr(direction, "to_decimal") else direction
    if not is_number(direction) or number not in (1, -1):
        return None
    return bool(number == -1)


def _pattern(raw: Any) -> Pattern:
    """The typed `sortBy`. Raises 2942505 to 2942507."""
    if isinstance(raw, Mapping):
        if not raw:
            raise fail(2942505, "BadValue: The sort pattern is empty when it should be a set of fields.")
        parts = []
        for name, direction in raw.items():
            descending = _descending(direction)
            if descending is None:
                raise fail(2942505, "BadValue: The sort element value must be either 1 or -1")
            if not name:
                raise fail(2942505, "BadValue: The sort field cannot be empty")
            path = tuple(name.split("."))
            if not all(path):
                raise fail(2942505, f"BadValue: The sort field is a dotted field but has an empty part: {name}")
            parts.append((path, descending))
        return tuple(parts)
    if not is_number(raw):
        raise fail(
            2942507,
            "The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields",
        )
    descending = _descending(raw)
    if descending is None:
        raise fail(2942506, "The $sort element value must be either 1 or -1")
    return (((), descending),)


def _extractor(path: Path, key: Callable[[Any], SortKey]) -> Callable[[Any], Any]:
    """A function for the value at `path`: null where missing, an array on the way as a whole."""
    last = len(path) - 1

    def extract(value: Any) -> Any:
        for position, name in enumerate(path):
            fields = fields_of(value)
            if fields is None:
                return key(None)
            value = fields.get(name, MISSING)
            if value is MISSING:
                return key(None)
            if type(value) is list or position == last:
                break
        return key(value)

    return extract


@register
@dataclass(frozen=True, slots=True)
class SortArray(Operation):
    """`$sortArray`: the elements in BSON order, or sorted by fields (MongoDB manual: $sortArray).

    Elements that sort equal keep their order. Fields that hold arrays compare as arrays, and elements that are not
    documents lack all fields.
    """

    spec: ClassVar[Spec] = Spec(
        "$sortArray",
        Kind.EXPRESSION,
        "5.2",
        "The elements of an array in BSON order, or sorted by fields of theirs.",
        examples=(
            Example(({"a": [2, "x", 1]},), {"$sortArray": {"input": "$a", "sortBy": 1}}, [[1, 2, "x"]]),
            Example(
                ({"a": [{"b": 1}, {"b": 2}]},),
                {"$sortArray": {"input": "$a", "sortBy": {"b": -1}}},
                [[{"b": 2}, {"b": 1}]],
            ),
        ),
    )
    pure: ClassVar[bool] = False  # the server does not fold it: errors wait for a document

    input: Expression
    pattern: Pattern
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 2942500 to 2942507."""
        if type(operand) is not dict:
            raise fail(2942500, f"$sortArray requires an object as an argument, found: {alias_of(operand)}")
        array: Expression | None = None
        pattern: Pattern | None = None
        for name, raw in operand.items():
            if name == "input":
                array = context.parse(raw)
            elif name == "sortBy":
                pattern = _pattern(raw)
            else:
                raise fail(2942501, f"$sortArray found an unknown argument: {name}")
        if array is None:
            raise fail(2942502, "$sortArray requires 'input' to be specified")
        if pattern is None:
            raise fail(2942503, "$sortArray requires 'sortBy' to be specified")
        return cls(array, pattern, context.collation)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.input,)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 2942504 for an input that is neither an array nor null."""
        source = self.input.compile()
        # The last field first: every sort is stable, also the reversed.
        whole = ordering(self.collation)
        keys = tuple((_extractor(path, whole) if path else whole, down) for path, down in self.pattern[::-1])

        def evaluate(root: Any, frame: Frame) -> Any:
            items = source(root, frame)
            if type(items) is not list:
                if items is None or items is MISSING:
                    return None
                raise fail(
                    2942504, f"The input argument to $sortArray must be an array, but was of type: {alias_of(items)}"
                )
            result = items
            for key, descending in keys:
                result = sorted(result, key=key, reverse=descending)
            return result

        return evaluate
