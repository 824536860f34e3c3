"""Accumulators that keep n values: `$firstN`, `$lastN`, `$minN` and `$maxN`.

`n` is an expression on the group's key (MongoDB manual: $firstN, Limits: n may depend on the ``_id`` of `$group`).
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator, State
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Literal, new_frame
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.accumulator.engine import Grouped
from kato_compat.values.collation import Collation, ordering
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import integral64
from kato_compat.values.order import SortKey
from kato_compat.values.show import shown
from kato_compat.values.types import NUMBER_TYPES, alias_of


def parse_several(code: int, operand: Any, context: ExpressionContext) -> tuple[Expression, Expression]:
    """The expressions ``n`` and ``input``. Raises `code` for no document, 5787901, 5787906 and 5787907."""
    if type(operand) is not dict:
        raise fail(code, f"specification must be an object; found {alias_of(operand)}")
    parts: dict[str, Expression] = {}
    for name, raw in operand.items():
        if name not in ("n", "input"):
            raise fail(5787901, f"Unknown argument for 'n' operator: {name}")
        parts[name] = context.parse(raw)
    if "n" not in parts:
        raise fail(5787906, "Missing value for 'n'")
    if "input" not in parts:
        raise fail(5787907, "Missing value for 'input'")
    return parts["n"], parts["input"]


def positive(value: Any) -> int:
    """`value` as a number of values to keep. Raises 5787902 (no number), 5787903 (no integer), 5787908 (below 1)."""
    if type(value) not in NUMBER_TYPES:
        raise fail(5787902, f"Value for 'n' must be of integral type, but found {shown(value)}")
    whole = integral64(value)
    if whole is None:
        raise fail(5787903, f"Value for 'n' must be of integral type, but found {shown(value)}")
    if whole <= 0:
        raise fail(5787908, f"'n' must be greater than 0, found {whole}")
    return whole


def limit_of(number: Expression, key: Any, grouped: bool) -> int:
    """``n`` for the group of `key`; raises as `positive`, in `$group` 7548606 for anything wrong."""
    if isinstance(number, Literal):
        value = number.value
    else:
        value = number.compile()(key if type(key) is dict else {}, new_frame())
    if not grouped:
        return positive(value)
    whole = integral64(value)
    if whole is None or whole <= 0:
        raise fail(7548606, f"parameter 'n' must be coercible to a positive 64-bit integer, found {shown(value)}")
    return whole


class FirstsState(State):
    """The state of `$firstN`: missing values are null."""

    __slots__ = ("_left", "_values")

    def __init__(self, number: int, collation: Collation | None = None) -> None:
        self._left = number
        self._values: list[Any] = []

    def add(self, value: Any) -> None:
        if self._left:
            self._left -= 1
            self._values.append(None if value is MISSING else value)

    def result(self) -> Any:
        return self._values.copy()


class LastsState(State):
    """The state of `$lastN`: missing values are null."""

    __slots__ = ("_number", "_values")

    def __init__(self, number: int, collation: Collation | None = None) -> None:
        self._number = number
        self._values: deque[Any] = deque()

    def add(self, value: Any) -> None:
        values = self._values
        if len(values) == self._number:
            values.popleft()
        values.append(None if value is MISSING else value)

    def result(self) -> Any:
        return list(self._values)


class GreatestState(State):
    """The state of `$maxN`, greatest first; null and missing are left out."""

    __slots__ = ("_key", "_keys", "_number", "_values")

    def __init__(self, number: int, collation: Collation | None = None) -> None:
        self._key = ordering(collation)
        self._number = number
        self._keys: list[SortKey] = []
        self._values: list[Any] = []

    def add(self, value: Any) -> None:
        if value is None or value is MISSING:
            return
        keys, values = self._keys, self._values
        key = self._key(value)
        if len(keys) == self._number:
            if not keys[0] < key:
                return
            del keys[0], values[0]
        at = bisect_right(keys, key)
        keys.insert(at, key)
        values.insert(at, value)

    def result(self) -> Any:
        return self._values[::-1]


class LeastState(State):
    """The state of `$minN`, least first; null and missing are left out."""

    __slots__ = ("_key", "_keys", "_number", "_values")

    def __init__(self, number: int, collation: Collation | None = None) -> None:
        self._key = ordering(collation)
        self._number = number
        self._keys: list[SortKey] = []
        self._values: list[Any] = []

    def add(self, value: Any) -> None:
        if value is None or value is MISSING:
            return
        keys, values = self._keys, self._values
        key = self._key(value)
        if len(keys) == self._number:
            if not key < keys[-1]:
                return
            del keys[-1], values[-1]
        at = bisect_right(keys, key)
        keys.insert(at, key)
        values.insert(at, value)

    def result(self) -> Any:
        return self._values.copy()


def _several(spec_: Spec, code: int, state: Callable[[int, Collation | None], State]) -> type[Accumulator]:
    @dataclass(frozen=True, slots=True)
    class Several(Grouped):
        __doc__ = f"`{spec_.name}` (MongoDB manual: {spec_.name})."

        spec: ClassVar[Spec] = spec_

        number: Expression
        input: Expression
        collation: Collation | None = None
        in_group: bool = False

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Accumulator:
            """See `Accumulator.parse`, and `parse_several` for what it raises."""
            return cls(*parse_several(code, operand, context), collation=context.collation)

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Accumulator.children`."""
            return (self.input,)

        def compile(self) -> Evaluator:
            """See `Accumulator.compile`."""
            return self.input.compile()

        def grouped(self) -> Accumulator:
            """See `Grouped.grouped`."""
            return replace(self, in_group=True)

        def start(self, key: Any = None) -> State:
            """See `Accumulator.start`, and `limit_of` for what it raises."""
            return state(limit_of(self.number, key, self.in_group), self.collation)

    return Several


FirstN = register(
    _several(
        Spec(
            "$firstN",
            Kind.ACCUMULATOR,
            "5.2",
            "The values of the first n documents.",
            examples=(Example(({"a": 1}, {}, {"a": 3}), {"$firstN": {"n": 2, "input": "$a"}}, [1, None]),),
        ),
        5787801,
        FirstsState,
    )
)
LastN = register(
    _several(
        Spec(
            "$lastN",
            Kind.ACCUMULATOR,
            "5.2",
            "The values of the last n documents.",
            examples=(Example(({"a": 1}, {}, {"a": 3}), {"$lastN": {"n": 2, "input": "$a"}}, [None, 3]),),
        ),
        5787801,
        LastsState,
    )
)
MaxN = register(
    _several(
        Spec(
            "$maxN",
            Kind.ACCUMULATOR,
            "5.2",
            "The n greatest values, the greatest first, null and missing left out.",
            examples=(Example(({"a": 1}, {"a": 3}, {"a": 2}), {"$maxN": {"n": 2, "input": "$a"}}, [3, 2]),),
        ),
        5787900,
        GreatestState,
    )
)
MinN = register(
    _several(
        Spec(
            "$minN",
            Kind.ACCUMULATOR,
            "5.2",
            "The n least values, the least first, null and missing left out.",
            examples=(Example(({"a": 1}, {"a": 3}, {"a": 2}), {"$minN": {"n": 2, "input": "$a"}}, [1, 2]),),
        ),
        5787900,
        LeastState,
    )
)
