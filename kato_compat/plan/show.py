"""Showing predicates to people, in the filter language."""

from typing import Any, Final

from kato_compat.ir.predicate import And, AtPath, Computed, Constant, Not, Or, Predicate, Test
from kato_compat.values.show import shown

#: Elements of a list, and characters of a value, that are shown.
_ELEMENTS: Final = 5
_CHARACTERS: Final = 60


def show(predicate: Predicate) -> str:
    """A short text of a filter's tree, for explain(); long operands are cut."""
    match predicate:
        case Constant(value):
            return "{$alwaysTrue: 1}" if value else "{$alwaysFalse: 1}"
        case AtPath(path, test):
            condition = "{" + ", ".join(f"{name}: {operand}" for name, operand in _conditions(test)) + "}"
            return f"{{{'.'.join(path)}: {condition}}}" if path else condition
        case And(terms):
            return "{$and: [" + ", ".join(show(term) for term in terms) + "]}"
        case Or(terms):
            return "{$or: [" + ", ".join(show(term) for term in terms) + "]}"
        case Not(term):
            return f"{{$not: {show(term)}}}"
        case Computed():
            return "{$expr: ..}"


def _conditions(test: Test) -> list[tuple[str, str]]:
    """A test's name and its operand; a test keeps what it needs of it under names of its own."""
    operands: list[str] = []
    names: tuple[str, ...] = tuple(getattr(test, "__dataclass_fields__", ()))
    for name in names:
        value = getattr(test, name)
        if name == "collation" or callable(value) or (isinstance(value, bool) and name != "operand"):
            continue
        if isinstance(value, tuple) and not value and operands:
            continue
        operands.append(_operand(value))
    return [(test.spec.name, ", ".join(operands) or "true")]


def _operand(value: Any) -> str:
    match value:
        case And() | Or() | Not() | AtPath() | Computed() | Constant():
            return show(value)
        case Test():
            return "{" + ", ".join(f"{name}: {operand}" for name, operand in _conditions(value)) + "}"
        case tuple() | frozenset():
            texts = [_operand(each) for each in list(value)[:_ELEMENTS]]
            more = [f".. {len(value) - _ELEMENTS} more"] if len(value) > _ELEMENTS else []
            return "[" + ", ".join(texts + more) + "]"
        case _:
            text = shown(value)
            return text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 2] + ".."
