"""Accumulators that collect: `$push`, `$addToSet`, `$concatArrays`, `$setUnion`, `$mergeObjects`.

Sets keep the values in the order in which they were met, and of equal values the first; the server promises no order.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator, State
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.accumulator.engine import Grouped
from kato_compat.operators.accumulator.unary import operand_of, unary
from kato_compat.operators.expression.object import merge_into
from kato_compat.values.collation import Collation, identity
from kato_compat.values.equality import equality_key
from kato_compat.values.missing import MISSING
from kato_compat.values.show import shown
from kato_compat.values.types import alias_of


class PushState(State):
    """The state of `$push`; missing values are left out."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: list[Any] = []

    def add(self, value: Any) -> None:
        if value is not MISSING:
            self._values.append(value)

    def result(self) -> Any:
        return self._values.copy()


class SetState(State):
    """The state of `$addToSet`; missing values are left out."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[Hashable, Any] = {}

    def add(self, value: Any) -> None:
        if type(value) is str:  # its own key
            self._values.setdefault(value, value)
        elif value is not MISSING:
            self._values.setdefault(equality_key(value), value)

    def result(self) -> Any:
        return list(self._values.values())


class CollatedSetState(State):
    """The state of `$addToSet` where strings compare by a collation."""

    __slots__ = ("_key", "_values")

    def __init__(self, collation: Collation) -> None:
        self._key = identity(collation)
        self._values: dict[Hashable, Any] = {}

    def add(self, value: Any) -> None:
        if value is not MISSING:
            self._values.setdefault(self._key(value), value)

    def result(self) -> Any:
        return list(self._values.values())


def _array(name: str, value: Any) -> list[Any]:
    if type(value) is list:
        return value
    raise fail(14, f"{name} requires array inputs, but input {shown(value)} is of type {alias_of(value)}")


class ConcatState(State):
    """The state of `$concatArrays`; missing values are left out. `add` raises 14 for other values than arrays."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: list[Any] = []

    def add(self, value: Any) -> None:
        if value is not MISSING:
            self._values += _array("$concatArrays", value)

    def result(self) -> Any:
        return self._values.copy()


class UnionState(State):
    """The state of `$setUnion`; missing values are left out. `add` raises 14 for other values than arrays."""

    __slots__ = ("_key", "_values")

    def __init__(self, collation: Collation | None = None) -> None:
        self._key = identity(collation)
        self._values: dict[Hashable, Any] = {}

    def add(self, value: Any) -> None:
        if value is not MISSING:
            values, key = self._values, self._key
            for item in _array("$setUnion", value):
                values.setdefault(key(item), item)

    def result(self) -> Any:
        return list(self._values.values())


class MergeState(State):
    """The state of `$mergeObjects`. `add` raises `code` for what is neither a document, null nor missing."""

    __slots__ = ("_code", "_document")

    def __init__(self, code: int = 40400) -> None:
        self._code = code
        self._document: dict[str, Any] = {}

    def add(self, value: Any) -> None:
        merge_into(self._document, value, self._code)

    def result(self) -> Any:
        return self._document.copy()


@register
@dataclass(frozen=True, slots=True)
class MergeObjects(Grouped):
    """`$mergeObjects` (MongoDB manual: $mergeObjects)."""

    spec: ClassVar[Spec] = Spec(
        "$mergeObjects",
        Kind.ACCUMULATOR,
        "3.6",
        "One document with the fields of all documents; the last value of a field stays.",
        examples=(Example(({"a": {"x": 1}}, {"a": {"x": 2, "y": 3}}), {"$mergeObjects": "$a"}, {"x": 2, "y": 3}),),
    )

    operand: Expression
    code: int = 40400

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Accumulator:
        """See `Accumulator.parse`. Raises 40237 for an array."""
        return cls(operand_of("$mergeObjects", operand, context))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Accumulator.children`."""
        return (self.operand,)

    def grouped(self) -> Accumulator:
        """See `Grouped.grouped`: 5911200 in place of 40400."""
        return replace(self, code=5911200)

    def compile(self) -> Evaluator:
        """See `Accumulator.compile`."""
        return self.operand.compile()

    def start(self, key: Any = None) -> State:
        """See `Accumulator.start`."""
        return MergeState(self.code)


Push = register(
    unary(
        Spec(
            "$push",
            Kind.ACCUMULATOR,
            "2.2",
            "An array of all values.",
            examples=(Example(({"a": 1}, {}, {"a": None}), {"$push": "$a"}, [1, None]),),
        ),
        PushState,
    )
)
AddToSet = register(
    unary(
        Spec(
            "$addToSet",
            Kind.ACCUMULATOR,
            "2.2",
            "An array of all distinct values.",
            examples=(Example(({"a": 1}, {"a": 1.0}, {"a": "x"}), {"$addToSet": "$a"}, [1, "x"]),),
        ),
        SetState,
        CollatedSetState,
    )
)
ConcatArrays = register(
    unary(
        Spec(
            "$concatArrays",
            Kind.ACCUMULATOR,
            "8.1",
            "The elements of all arrays in one.",
            examples=(Example(({"a": [1]}, {}, {"a": [1, 2]}), {"$concatArrays": "$a"}, [1, 1, 2]),),
        ),
        ConcatState,
    )
)
SetUnion = register(
    unary(
        Spec(
            "$setUnion",
            Kind.ACCUMULATOR,
            "8.1",
            "The distinct elements of all arrays in one.",
            examples=(Example(({"a": [1]}, {}, {"a": [1, 2]}), {"$setUnion": "$a"}, [1, 2]),),
        ),
        UnionState,
        UnionState,
    )
)
