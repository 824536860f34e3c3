"""Accumulators that keep one value: `$first`, `$last`, `$min` and `$max`."""

from functools import partial
from typing import Any, Final

from bson.int64 import Int64

from kato_compat.ir.accumulator import State
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.accumulator.unary import unary
from kato_compat.values.collation import Collation, ordering
from kato_compat.values.missing import MISSING
from kato_compat.values.order import SortKey, sort_key

#: Types that Python compares with each other as BSON does, NaN apart.
_NUMBERS: Final = frozenset({int, Int64, float})
#: Types of which Python's greatest and least value is BSON's.
_PLAIN: Final = frozenset({int, str})


class FirstState(State):
    """The state of `$first`: a missing value is null."""

    __slots__ = ("_empty", "_value")

    def __init__(self) -> None:
        self._empty = True
        self._value: Any = None

    def add(self, value: Any) -> None:
        if self._empty:
            self._empty = False
            if value is not MISSING:
                self._value = value

    def result(self) -> Any:
        return self._value


class LastState(State):
    """The state of `$last`: a missing value is null."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: Any = None

    def add(self, value: Any) -> None:
        self._value = value

    def result(self) -> Any:
        return None if self._value is MISSING else self._value


class MaxState(State):
    """The state of `$max`, in BSON order; null and missing are left out, of equal values the first stays."""

    __slots__ = ("_kind", "_value")

    def __init__(self) -> None:
        self._kind: type | None = None
        self._value: Any = None

    def add(self, value: Any) -> None:
        kind = type(value)
        mine = self._kind
        if kind is mine and (kind is int or kind is str):
            if value > self._value:
                self._value = value
        elif kind in _NUMBERS and mine in _NUMBERS:
            current = self._value
            if value > current or (current != current and value == value):  # NaN is the least number
                self._value = value
                self._kind = kind
        elif value is not None and value is not MISSING:
            if mine is None or sort_key(value) > sort_key(self._value):
                self._value = value
                self._kind = kind

    def extend(self, values: list[Any]) -> None:
        if len(kinds := set(map(type, values))) == 1 and kinds <= _PLAIN:
            self.add(max(values))
        else:
            super().extend(values)

    def result(self) -> Any:
        return self._value


class MinState(State):
    """The state of `$min`, in BSON order; null and missing are left out, of equal values the first stays."""

    __slots__ = ("_kind", "_value")

    def __init__(self) -> None:
        self._kind: type | None = None
        self._value: Any = None

    def add(self, value: Any) -> None:
        kind = type(value)
        mine = self._kind
        if kind is mine and (kind is int or kind is str):
            if value < self._value:
                self._value = value
        elif kind in _NUMBERS and mine in _NUMBERS:
            current = self._value
            if value < current or (value != value and current == current):  # NaN is the least number
                self._value = value
                self._kind = kind
        elif value is not None and value is not MISSING:
            if mine is None or sort_key(value) < sort_key(self._value):
                self._value = value
                self._kind = kind

    def extend(self, values: list[Any]) -> None:
        if len(kinds := set(map(type, values))) == 1 and kinds <= _PLAIN:
            self.add(min(values))
        else:
            super().extend(values)

    def result(self) -> Any:
        return self._value


class CollatedState(State):
    """The state of `$max` (`greatest`) and `$min` where strings compare by a collation."""

    __slots__ = ("_best", "_greatest", "_key", "_value")

    def __init__(self, collation: Collation, greatest: bool) -> None:
        self._key = ordering(collation)
        self._greatest = greatest
        self._best: SortKey | None = None
        self._value: Any = None

    def add(self, value: Any) -> None:
        if value is None or value is MISSING:
            return
        key, best = self._key(value), self._best
        if best is None or (key > best if self._greatest else key < best):
            self._best, self._value = key, value

    def result(self) -> Any:
        return self._value


First = register(
    unary(
        Spec(
            "$first",
            Kind.ACCUMULATOR,
            "2.2",
            "The value of the first document; null if it is missing there.",
            examples=(Example(({"a": 1}, {"a": 2}), {"$first": "$a"}, 1),),
        ),
        FirstState,
    )
)
Last = register(
    unary(
        Spec(
            "$last",
            Kind.ACCUMULATOR,
            "2.2",
            "The value of the last document; null if it is missing there.",
            examples=(Example(({"a": 1}, {"a": 2}), {"$last": "$a"}, 2),),
        ),
        LastState,
    )
)
Max = register(
    unary(
        Spec(
            "$max",
            Kind.ACCUMULATOR,
            "2.2",
            "The greatest value in BSON order, null and missing left out; null if there is none.",
            examples=(Example(({"a": 1}, {"a": "x"}, {}), {"$max": "$a"}, "x"),),
        ),
        MaxState,
        partial(CollatedState, greatest=True),
    )
)
Min = register(
    unary(
        Spec(
            "$min",
            Kind.ACCUMULATOR,
            "2.2",
            "The least value in BSON order, null and missing left out; null if there is none.",
            examples=(Example(({"a": 1}, {"a": "x"}, {}), {"$min": "$a"}, 1),),
        ),
        MinState,
        partial(CollatedState, greatest=False),
    )
)
