"""Parsing aggregation expressions (MongoDB manual: Expressions, Variables in Aggregation Expressions)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kato_compat import operators
from kato_compat.errors import fail, refused, unbuilt
from kato_compat.ir.expression import (
    FRAME_SIZE,
    ArrayExpression,
    Expression,
    FieldPath,
    Literal,
    ObjectExpression,
    fold,
    walk,
)
from kato_compat.ir.registry import find
from kato_compat.ir.spec import Kind, Status
from kato_compat.values.collation import Collation
from kato_compat.values.missing import MISSING
from kato_compat.values.naming import check_field_name, document_path

if TYPE_CHECKING:
    from kato_compat.ir.accumulator import Accumulator
    from kato_compat.ir.stage import Pipeline

_MAX_DEPTH: Final = 200


def _now() -> datetime:
    moment = datetime.now(UTC).replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class Context:
    """The scope in which an expression is parsed.

    `constants` are variables whose values are known when the command is parsed (``let`` of a command), `slots`
    those that live in the frame, `current` the slot of a rebound ``$$CURRENT``. `nesting` counts the pipelines (of
    `$lookup`, `$unionWith`) that this one stands in, `used` gathers the slots that are read. All comparisons of
    strings follow `collation`. ``$$NOW`` is a variable only where `clocked`.
    `slotted`: see `StageContext.slotted`.
    """

    constants: Mapping[str, Any] = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    current: int | None = None
    now: datetime = field(default_factory=_now)
    depth: int = 0
    database: str = ""
    collection: str = ""
    nesting: int = 0
    collation: Collation | None = None
    folding: bool = True
    clocked: bool = True
    slotted: bool = False
    used: set[int] = field(default_factory=set, compare=False)

    def parse(self, raw: Any) -> Expression:
        """The typed, folded expression that `raw` stands for; raises the server's coded errors."""
        if type(raw) is str:
            return self._string(raw)
        if type(raw) is dict:
            return self._document(raw)
        if type(raw) is list:
            inner = self._deeper()
            return self._fold(ArrayExpression(tuple(inner.parse(item) for item in raw)))
        return Literal(raw)

    def arguments(self, name: str, operand: Any, least: int, most: int | None) -> tuple[Expression, ...]:
        """See `ExpressionContext.arguments`."""
        items = operand if type(operand) is list else [operand]
        number = len(items)
        if number < least or (most is not None and number > most):
            if least == most:
                raise fail(
                    16020,
                    f"Expression {name} takes exactly {least} arguments. {number} were passed in.",
                )
            if most is None:
                raise fail(28667, f"Expression {name} takes at least {least} arguments, but {number} were passed in.")
            raise fail(
                28667,
                f"Expression {name} takes at least {least} arguments, and at most {most}, but {number} were passed in.",
            )
        inner = self._deeper()
        return tuple(inner.parse(item) for item in items)

    def define(self, *names: str) -> tuple["Context", tuple[int, ...]]:
        """See `ExpressionContext.define`."""
        first = self._free_slot()
        slots = dict(self.slots)
        given: list[int] = []
        current = self.current
        constants = self.constants
        for offset, name in enumerate(names):
            check_variable(name)
            slot = first + offset
            if slot >= FRAME_SIZE:
                raise fail(15, f"an expression may bind at most {FRAME_SIZE} nested variables")
            if name == "CURRENT":
                current = slot
            slots[name] = slot
            given.append(slot)
        if any(name in constants for name in names):
            constants = {name: value for name, value in constants.items() if name not in names}
        scope = replace(self, constants=constants, slots=slots, current=current, depth=self.depth + 1)
        return scope, tuple(given)

    def predicate(self, raw: Any) -> Any:
        """See `ExpressionContext.predicate`."""
        from kato_compat.parse.filter import parse_filter

        return parse_filter(raw, self)

    def expression(self, raw: Any) -> Expression:
        """See `StageContext.expression`."""
        return self.parse(raw)

    def accumulator(self, raw: Any, *, where: str = "$group") -> "Accumulator":
        """See `StageContext.accumulator`."""
        from kato_compat.parse.accumulator import parse_accumulator

        accumulator: Accumulator = parse_accumulator(raw, self, where=where)
        return accumulator

    def sort(self, raw: Any) -> Any:
        """See `StageContext.sort`."""
        from kato_compat.parse.sort import parse_sort

        return parse_sort(raw, self, collation=self.collation)

    def projection(self, raw: Any) -> Any:
        """See `StageContext.projection`."""
        from kato_compat.parse.projection import parse_projection

        return parse_projection(raw, self, find=False)

    def add_fields(self, raw: Any) -> Any:
        """See `StageContext.projection`."""
        from kato_compat.parse.projection import parse_add_fields

        return parse_add_fields(raw, self)

    def unset(self, raw: Any) -> Any:
        """See `StageContext.projection`."""
        from kato_compat.parse.projection import parse_unset

        return parse_unset(raw, self)

    def constant(self, values: Mapping[str, Any]) -> "Context":
        """See `StageContext.constant`."""
        return replace(self, constants={**self.constants, **values})

    def let(self, variables: Mapping[str, Any]) -> "Context":
        """The scope in which the command's `variables` are bound, in order: each value may read those before it.

        Raises 9 for a name that a user may not bind, 4890500 for a value that reads a document.
        """
        scope = self
        for name, raw in variables.items():
            check_variable(name)
            expression = scope.parse(raw)
            if any(isinstance(node, FieldPath) and node.slot is None for node in walk(expression)):
                raise fail(
                    4890500,
                    "Command let Expression tried to access a field, but this is not allowed because command let "
                    "expressions run before the query examines any documents.",
                )
            scope = scope.constant({name: expression.bind()({})})
        return scope

    def pipeline(
        self, raw: Any, *, where: str, variables: Sequence[str] = (), collection: str | None = None
    ) -> "Pipeline":
        """See `StageContext.pipeline`. Raises 232 for pipelines nested too deep."""
        from kato_compat.parse.pipeline import parse_nested

        return parse_nested(raw, self, where=where, variables=variables, collection=collection)

    def unfolded(self) -> "Context":
        """See `ExpressionContext.unfolded`."""
        return replace(self, folding=False)

    def _fold(self, node: Expression) -> Expression:
        return fold(node) if self.folding else node

    def _free_slot(self) -> int:
        used = max(self.slots.values(), default=-1)
        return used + 1

    def _deeper(self) -> "Context":
        if self.depth > _MAX_DEPTH:
            raise fail(15, f"expressions may be nested at most {_MAX_DEPTH} deep")
        return replace(self, depth=self.depth + 1)

    def _string(self, raw: str) -> Expression:
        if not raw.startswith("$"):
            return Literal(raw)
        if len(raw) == 1:
            raise fail(16872, "'$' by itself is not a valid FieldPath")
        if raw[1] != "$":
            return FieldPath(document_path(raw[1:]), self.current)
        name, _, rest = raw[2:].partition(".")
        _check_readable(name)
        path = document_path(rest) if "." in raw else ()
        if name in self.constants:
            value: Any = self.constants[name]
            if not path:
                return Literal(value)
            return Literal(FieldPath(path).compile()(value, []) if type(value) is dict else MISSING)
        if name == "CURRENT" or name == "ROOT":
            return FieldPath(path, self.current if name == "CURRENT" else self.slots.get(name))
        if name in self.slots:
            self.used.add(self.slots[name])
            return FieldPath(path, self.slots[name])
        if name == "REMOVE":
            return Literal(MISSING)
        if name == "NOW":
            if not self.clocked:
                raise fail(51144, "Builtin variable '$$NOW' is not available")
            return Literal(self.now if not path else MISSING)
        if name == "CLUSTER_TIME":
            raise fail(10071200, "system variable $$CLUSTER_TIME is not available in standalone mode")
        if name == "USER_ROLES":
            return Literal([])
        raise fail(17276, f"Use of undefined variable: {name}")

    def _document(self, raw: dict[str, Any]) -> Expression:
        if not raw:
            return Literal({})
        first = next(iter(raw))
        if first.startswith("$"):
            if len(raw) != 1:
                raise fail(
                    15983,
                    "an object representing an expression must have exactly one field: " + ", ".join(raw),
                )
            return self._operation(first, raw[first])
        inner = self._deeper()
        fields = []
        for name, item in raw.items():
            check_field_name(name)
            fields.append((name, inner.parse(item)))
        node = ObjectExpression(tuple(fields))
        return self._fold(node)

    def _operation(self, name: str, operand: Any) -> Expression:
        operator = find(Kind.EXPRESSION, name)
        if operator is None:
            raise fail(168, f"Unrecognized expression '{name}'")
        if operator.spec.status is Status.REFUSED:
            raise refused(name, operator.spec.limits)
        if operator.spec.status is Status.UNBUILT:
            raise unbuilt(name)
        node: Expression = operator.parse(operand, self._deeper())
        return self._fold(node)


def check_variable(name: str) -> None:
    """Raise as the server does for a name that a user may not bind."""
    if not name:
        raise fail(9, "empty variable names are not allowed")
    if name == "CURRENT":
        return
    if not ((name[0].isascii() and name[0].islower()) or ord(name[0]) > 127):
        raise fail(9, f"'{name}' starts with an invalid character for a user variable name")
    for letter in name[1:]:
        if not ((letter.isascii() and letter.isalnum()) or letter == "_" or ord(letter) > 127):
            raise fail(9, f"'{name}' contains an invalid character for a variable name: '{letter}'")


def _check_readable(name: str) -> None:
    if not name:
        raise fail(9, "empty variable names are not allowed")
    if not ((name[0].isascii() and name[0].isalpha()) or ord(name[0]) > 127):
        raise fail(9, f"'{name}' starts with an invalid character for a variable name")
    for letter in name[1:]:
        if not ((letter.isascii() and letter.isalnum()) or letter == "_" or ord(letter) > 127):
            raise fail(9, f"'{name}' contains an invalid character for a variable name: '{letter}'")


def parse_expression(raw: Any, context: Context | None = None) -> Expression:
    """The typed expression of `raw`, which is of internal form (`values.document.normalise_value`)."""
    return (Context() if context is None else context).parse(raw)


operators.load()
