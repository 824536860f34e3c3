"""Accumulators over sorted documents: `$top`, `$topN`, `$bottom` and `$bottomN`.

Of documents that sort equal, those met first stay (MongoDB manual: $top, $topN, $bottom, $bottomN).
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator, State
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import StageContext
from kato_compat.operators.accumulator.engine import Grouped
from kato_compat.operators.accumulator.several import limit_of
from kato_compat.values.missing import MISSING
from kato_compat.values.types import alias_of


class TopState(State):
    """The state of `$topN`: the outputs of the first n documents of the order. Takes (sort key, output)."""

    __slots__ = ("_keys", "_number", "_values")

    def __init__(self, number: int) -> None:
        self._number = number
        self._keys: list[Any] = []
        self._values: list[Any] = []

    def add(self, value: Any) -> None:
        key, output = value
        keys, values = self._keys, self._values
        if len(keys) == self._number:
            if not key < keys[-1]:
                return
            del keys[-1], values[-1]
        at = bisect_right(keys, key)
        keys.insert(at, key)
        values.insert(at, output)

    def result(self) -> Any:
        return self._values.copy()


class BottomState(TopState):
    """The state of `$bottomN`: the outputs of the last n documents of the order. Takes (sort key, output)."""

    __slots__ = ()

    def add(self, value: Any) -> None:
        key, output = value
        keys, values = self._keys, self._values
        if len(keys) == self._number:
            if not keys[0] < key:
                return
            del keys[0], values[0]
        at = bisect_right(keys, key)
        keys.insert(at, key)
        values.insert(at, output)


class TheTopState(TopState):
    """The state of `$top`: null before a document was taken in."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(1)

    def result(self) -> Any:
        return self._values[0] if self._values else None


class TheBottomState(BottomState):
    """The state of `$bottom`: null before a document was taken in."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(1)

    def result(self) -> Any:
        return self._values[0] if self._values else None


def _ranked(spec_: Spec, state: type[TopState], single: type[TheTopState] | type[TheBottomState] | None) -> Any:
    """One of the four; `single` is the state of those without `n`."""
    name = spec_.name

    @dataclass(frozen=True, slots=True)
    class Ranked(Grouped):
        __doc__ = f"`{name}` (MongoDB manual: {name})."

        spec: ClassVar[Spec] = spec_

        number: Expression
        output: Expression
        sort: Any
        in_group: bool = False

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Accumulator:
            """See `Accumulator.parse`. Raises 5788001 to 5788005, and the errors of sort patterns."""
            if type(operand) is not dict:
                raise fail(5788001, f"specification must be an object; found {alias_of(operand)}")
            number: Expression | None = None if single is None else Literal(1)
            for key, raw in operand.items():
                if key == "n" and single is None:
                    number = context.parse(raw)
                elif key == "sortBy":
                    if type(raw) is not dict:
                        raise fail(10065, "invalid parameter: expected an object (sortBy)")
                elif key != "output":
                    raise fail(5788002, f"Unknown argument to {name} '{key}'")
            if number is None:
                raise fail(5788003, "Missing value for 'n'")
            if "output" not in operand:
                raise fail(5788004, "Missing value for 'output'")
            if "sortBy" not in operand:
                raise fail(5788005, "Missing value for 'sortBy'")
            pattern = operand["sortBy"]
            # Only `$sort` refuses an empty pattern; here all documents then sort equal.
            sort = cast(StageContext, context).sort(pattern) if pattern else None
            return cls(number, context.parse(operand["output"]), sort)

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Accumulator.children`."""
            return (self.output,)

        def compile(self) -> Evaluator:
            """See `Accumulator.compile`: pairs of sort key and output."""
            output = self.output.compile()
            key = (lambda document: 0) if self.sort is None else self.sort.compile().key

            def evaluate(root: Any, frame: Frame) -> Any:
                value = output(root, frame)
                return key(root), None if value is MISSING else value

            return evaluate

        def grouped(self) -> Accumulator:
            """See `Grouped.grouped`."""
            return replace(self, in_group=True)

        def start(self, key: Any = None) -> State:
            """See `Accumulator.start`, and `limit_of` for what it raises."""
            return state(limit_of(self.number, key, self.in_group)) if single is None else single()

    return Ranked


_DOCUMENTS = ({"a": 2, "b": "x"}, {"a": 1, "b": "y"}, {"a": 3, "b": "z"})

Top = register(
    _ranked(
        Spec(
            "$top",
            Kind.ACCUMULATOR,
            "5.2",
            "The output of the document that sorts first.",
            examples=(Example(_DOCUMENTS, {"$top": {"sortBy": {"a": 1}, "output": "$b"}}, "y"),),
        ),
        TopState,
        TheTopState,
    )
)
TopN = register(
    _ranked(
        Spec(
            "$topN",
            Kind.ACCUMULATOR,
            "5.2",
            "The outputs of the n documents that sort first, in that order.",
            examples=(Example(_DOCUMENTS, {"$topN": {"n": 2, "sortBy": {"a": 1}, "output": "$b"}}, ["y", "x"]),),
        ),
        TopState,
        None,
    )
)
Bottom = register(
    _ranked(
        Spec(
            "$bottom",
            Kind.ACCUMULATOR,
            "5.2",
            "The output of the document that sorts last.",
            examples=(Example(_DOCUMENTS, {"$bottom": {"sortBy": {"a": 1}, "output": "$b"}}, "z"),),
        ),
        BottomState,
        TheBottomState,
    )
)
BottomN = register(
    _ranked(
        Spec(
            "$bottomN",
            Kind.ACCUMULATOR,
            "5.2",
            "The outputs of the n documents that sort last, in the order of the sort.",
            examples=(Example(_DOCUMENTS, {"$bottomN": {"n": 2, "sortBy": {"a": 1}, "output": "$b"}}, ["x", "z"]),),
        ),
        BottomState,
        None,
    )
)
