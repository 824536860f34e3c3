"""Aggregation expressions as typed trees, and their compilation to Python closures.

A compiled expression is `evaluate(root, frame)`: `root` is the document of the pipeline, `frame` a list with one
slot per variable that the expression binds (`$let`, `$map`, ..); slots are given out when the expression is parsed,
so nothing is looked up by name when it runs. `MISSING` is a value like any other.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeAlias

from kato_compat.ir.spec import Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import Path, getter

if TYPE_CHECKING:
    from kato_compat.values.collation import Collation

Frame: TypeAlias = list[Any]
Evaluator: TypeAlias = Callable[[Any, Frame], Any]

#: Slots per frame. A frame is made per bound expression, in about a microsecond; so many variables in one scope are
#: beyond any query in use, and parsing refuses more.
FRAME_SIZE: Final = 2048


def new_frame() -> Frame:
    """An empty frame."""
    return [MISSING] * FRAME_SIZE


class Expression(ABC):
    """A node of an expression tree. Instances are immutable."""

    __slots__ = ()

    @abstractmethod
    def compile(self) -> Evaluator:
        """The closure that evaluates this node."""

    @property
    def children(self) -> "tuple[Expression, ...]":
        """The nodes directly below this one."""
        return ()

    def bind(self, frame: Frame | None = None) -> Callable[[Any], Any]:
        """A function of the document alone, on `frame` (of one running pipeline) or one of its own.

        Use one per thread and per running pipeline: variables live in the frame while it runs.
        """
        evaluate = self.compile()
        slots = new_frame() if frame is None else frame
        return lambda root: evaluate(root, slots)


class Operation(Expression):
    """An expression operator applied to its arguments: the base of every class in `operators.expression`.

    A subclass sets `spec`, is a frozen slotted dataclass, and gives `parse`, `compile` and `children`.
    `pure`: the result depends on the arguments only, so that constant arguments are folded at parse time.
    """

    __slots__ = ()
    spec: ClassVar[Spec]
    pure: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def parse(cls, operand: Any, context: "ExpressionContext") -> Expression:
        """The typed node of ``{$name: operand}``; raises the server's coded error for a wrong operand."""


class ExpressionContext(Protocol):
    """What parsing an expression offers to operators (they never import `parse`)."""

    def parse(self, raw: Any) -> Expression:
        """Parse a nested expression in this scope (constants are folded)."""

    def arguments(self, name: str, operand: Any, least: int, most: int | None) -> tuple[Expression, ...]:
        """The operands of a positional operator: a list is its arguments, anything else the only one.

        Raises 16020 (exact number), 28667 (range) as the server does for a wrong number.
        """

    def define(self, *names: str) -> "tuple[ExpressionContext, tuple[int, ...]]":
        """A scope in which `names` are variables too, and the frame slots that hold them.

        Raises FailedToParse (9) for a name that the server refuses. ``CURRENT`` may be rebound: it then moves what
        ``"$field"`` starts from.
        """

    def unfolded(self) -> "ExpressionContext":
        """The same scope, constants not folded: for expressions that are checked but never evaluated."""

    def predicate(self, raw: Any) -> Any:
        """Parse a filter document (for operators that take one)."""

    @property
    def now(self) -> Any:
        """The value of ``$$NOW``: one datetime for the whole command."""

    @property
    def collation(self) -> "Collation | None":
        """How the command compares strings; None is the binary order."""


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A constant; `MISSING` is ``$$REMOVE``. Evaluating gives the same object each time: results are copied."""

    value: Any

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        value = self.value
        return lambda root, frame: value


@dataclass(frozen=True, slots=True)
class FieldPath(Expression):
    """A path from the current document: ``"$a.b"``, ``"$$ROOT.a"``; an empty path is the document itself.

    `slot` is the frame slot of the variable it starts from, None for the document.
    """

    path: Path
    slot: int | None = None

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        slot, path = self.slot, self.path
        if not path:
            return (lambda root, frame: root) if slot is None else (lambda root, frame: frame[slot])
        follow = getter(path)
        if slot is not None:
            return lambda root, frame: follow(frame[slot])
        if len(path) == 1:
            name = path[0]
            return lambda root, frame: root.get(name, MISSING)
        return lambda root, frame: follow(root)


@dataclass(frozen=True, slots=True)
class ObjectExpression(Expression):
    """A document literal whose values are expressions; missing values leave their field out."""

    fields: tuple[tuple[str, Expression], ...]

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return tuple(expression for _, expression in self.fields)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        parts = tuple((name, expression.compile()) for name, expression in self.fields)

        def evaluate(root: Any, frame: Frame) -> Any:
            result = {}
            for name, part in parts:
                value = part(root, frame)
                if value is not MISSING:
                    result[name] = value
            return result

        return evaluate


@dataclass(frozen=True, slots=True)
class ArrayExpression(Expression):
    """An array literal whose elements are expressions; missing elements become null."""

    items: tuple[Expression, ...]

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.items

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        parts = tuple(item.compile() for item in self.items)

        def evaluate(root: Any, frame: Frame) -> Any:
            result = []
            for part in parts:
                value = part(root, frame)
                result.append(None if value is MISSING else value)
            return result

        return evaluate


def walk(expression: Expression) -> Iterator[Expression]:
    """`expression` and every node below it."""
    yield expression
    for child in expression.children:
        yield from walk(child)


def fold(expression: Expression) -> Expression:
    """`expression` as a `Literal` if it is a pure operation on literals only.

    Raises what evaluating raises: the server, too, folds constants before it reads a document.
    """
    if isinstance(expression, Literal):
        return expression
    if isinstance(expression, FieldPath):
        return expression
    if isinstance(expression, Operation) and not expression.pure:
        return expression
    if all(isinstance(child, Literal) for child in expression.children):
        return Literal(expression.compile()({}, new_frame()))
    return expression


def roots(expression: Expression) -> frozenset[str] | None:
    """The top-level fields of the document that `expression` reads; None where it may read any (``$$ROOT``)."""
    names: set[str] = set()
    for node in walk(expression):
        if isinstance(node, FieldPath) and node.slot is None:
            if not node.path:
                return None
            names.add(node.path[0])
    return frozenset(names)
