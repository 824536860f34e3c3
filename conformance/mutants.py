"""Wrong answers, made of right ones: what a comparison is worth is how many of them it finds."""

from collections.abc import Callable
from typing import Any

from conformance.differential import Ask, Question, ours
from conformance.divergences import Answer


def altered(value: Any) -> Any:
    """`value` with its last leaf changed; an empty list gets a document."""
    changed, found = _alter(value)
    return changed if found else [*value, {"_id": "mutant"}] if isinstance(value, list) else "mutant"


def _alter(value: Any) -> tuple[Any, bool]:
    """`value` with another value in it, and whether there was one to change."""
    if isinstance(value, dict):
        for name in reversed(value):
            changed, found = _alter(value[name])
            if found and name != "_id":
                return {**value, name: changed}, True
        return value, False
    if isinstance(value, list):
        for index in range(len(value) - 1, -1, -1):
            changed, found = _alter(value[index])
            if found:
                return [*value[:index], changed, *value[index + 1 :]], True
        return value, False
    return _other(value), True


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return 3 if value != value else value * 2 + 3
    return f"{value}~" if isinstance(value, str) else 1


def shortened(value: Any) -> Any:
    """`value` without its last document; an empty list gets one, and what is no list is changed."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], list):
        return [value[0], shortened(value[1])]  # the result of a write, and what it left
    if isinstance(value, list):
        return value[:-1] or [{"_id": "mutant"}]
    return altered(value)


def wrong(mutate: Callable[[Any], Any]) -> Ask:
    """Our answers, made wrong: an error is a result, and a result another one."""

    def ask(question: Question) -> Answer:
        right = ours(question)
        return Answer([{"_id": "mutant"}] if right.failed else mutate(right.result))

    return ask
