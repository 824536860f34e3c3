"""Reading the document of a window function: ``{$name: operand, window: {..}}``."""

from typing import Any

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression, ExpressionContext
from kato_compat.ir.registry import find
from kato_compat.ir.spec import Kind
from kato_compat.ir.window import Ordering
from kato_compat.operators.window.bounds import WHOLE, Bounds, check_unit, parse_bounds


def is_function(name: str) -> bool:
    """True if `name` is a window function."""
    return find(Kind.WINDOW, name) is not None


def input_and_bounds(
    name: str, raw: dict[str, Any], ordering: Ordering | None, context: ExpressionContext
) -> tuple[Expression, Bounds]:
    """The one expression and the window of a function; raises 9 for other arguments."""
    bounds = WHOLE
    expression: Expression | None = None
    for key, value in raw.items():
        if key == "window":
            bounds = parse_bounds(value, ordering, context)
        elif not is_function(key):
            raise fail(9, f"Window function found an unknown argument: {key}")
        elif expression is not None:
            raise fail(9, "Cannot specify two functions in window function spec")
        else:
            expression = context.parse(value)
    if expression is None:
        raise fail(9, f"Must specify a window function in output field: {name}")
    return expression, bounds


def without_window(name: str, raw: dict[str, Any], context: ExpressionContext) -> Expression:
    """The one expression of a function that takes no window; raises 9 for other arguments."""
    expression: Expression | None = None
    for key, value in raw.items():
        if key == "window":
            continue
        if not is_function(key):
            raise fail(9, f"Window function found an unknown argument: {key}")
        if expression is not None:
            raise fail(9, "Cannot specify two functions in window function spec")
        expression = context.parse(value)
    if "window" in raw or expression is None:
        raise fail(9, f"'window' field is not allowed in {name}")
    return expression


def only(
    name: str, raw: dict[str, Any], ordering: Ordering | None, context: ExpressionContext
) -> tuple[Any, Bounds | None]:
    """The operand and the window (None if not given) of a function; raises 9 for other arguments."""
    bounds = None
    for key, value in raw.items():
        if key == "window":
            bounds = parse_bounds(value, ordering, context)
        elif key != name:
            raise fail(9, f"{name} got unexpected argument: {key}")
    return raw[name], bounds


def input_and_unit(
    name: str, raw: dict[str, Any], ordering: Ordering | None, context: ExpressionContext
) -> tuple[Expression, str | None, Bounds | None]:
    """The ``input``, ``unit`` and window of `$derivative` and `$integral`, which need a sort by one field.

    Raises 9 for other arguments, 5490710 for a unit without a fixed length.
    """
    if ordering is None:
        raise fail(9, f"{name} requires a sortBy")
    if len(ordering.fields) != 1:
        raise fail(9, f"{name} requires a non-compound sortBy")
    operand, bounds = only(name, raw, ordering, context)
    if type(operand) is not dict:
        raise fail(9, f"{name} expects an object, but got a {type(operand).__name__}: {operand}")
    expression: Expression | None = None
    unit: str | None = None
    for key, value in operand.items():
        if key == "input":
            expression = context.parse(value)
        elif key == "unit":
            unit = _unit(value)
        else:
            raise fail(9, f"{name} got unexpected argument: {key}")
    if expression is None:
        raise fail(9, f"{name} requires an 'input' expression")
    return expression, unit, bounds


def _unit(value: Any) -> str:
    if type(value) is not str:
        raise fail(9, f"'unit' must be a string, but got {value}")
    check_unit(value)
    if value in ("year", "quarter", "month"):
        raise fail(5490710, "unit must be 'week' or smaller")
    return value
