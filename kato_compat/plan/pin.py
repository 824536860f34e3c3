"""Pinning: the values that a filter fixes a field to by equality or `$in`."""

from typing import Any

from kato_compat.ir.predicate import And, AtPath, Constant, Or, Predicate
from kato_compat.operators.query.comparison import Eq, In
from kato_compat.values.identity import identity


def pinned(predicate: Predicate, path: tuple[str, ...]) -> list[Any] | None:
    """The only values that the field at `path` of a matching document can have or hold, None if not fixed.

    The values are a superset condition: the filter must still be checked. None for values whose equality also
    matches other documents (null matches missing; a regular expression matches many). An empty list is a
    contradiction: nothing can match.
    """
    match predicate:
        case AtPath(at, Eq(operand, None)) if at == path:
            return [operand] if _exact(operand) else None
        case AtPath(at, In(collation=None) as test) if at == path:
            values = None if test.patterns else test.values
            if values is None or not all(_exact(value) for value in values):
                return None
            return list(values)
        case And(terms):
            best: list[Any] | None = None
            for term in terms:
                found = pinned(term, path)
                if found is not None and (best is None or len(found) < len(best)):
                    best = found
            return best
        case Or(terms):
            together: list[Any] = []
            for term in terms:
                found = pinned(term, path)
                if found is None:
                    return None
                together.extend(found)
            return together
        case Constant(False):
            return []
        case _:
            return None


def _exact(value: Any) -> bool:
    return value is not None and not isinstance(value, list)


def pinned_ids(predicate: Predicate) -> tuple[bytes, ...] | None:
    """The identities that a filter pins `_id` to, each once and in order of mention; None if it does not."""
    values = pinned(predicate, ("_id",))
    if values is None:
        return None
    return tuple(dict.fromkeys(identity(value) for value in values))
