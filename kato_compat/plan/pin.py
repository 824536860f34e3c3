"""Pinning: the values that a filter fixes a field to by equality or `$in`."""

from typing import Any, Final

from bson.int64 import Int64
from bson.objectid import ObjectId

from kato_compat.ir.predicate import And, AtPath, Constant, Or, Predicate
from kato_compat.operators.query.comparison import Eq, In
from kato_compat.values.collation import Collation
from kato_compat.values.identity import identity

#: Types of operands that match more than values equal to them: null matches missing, an array its elements too.
_OPEN: Final = frozenset({type(None), list})
#: Types of `_id` whose values match those of the same identity, and no others.
_PLAIN: Final = frozenset({str, int, Int64, ObjectId})
_ID: Final = ("_id",)


def pinned(predicate: Predicate, path: tuple[str, ...], collation: Collation | None = None) -> list[Any] | None:
    """The only values that the field at `path` of a matching document can have or hold, None if not fixed.

    The values are a superset condition: the filter must still be checked. None for values whose equality also
    matches other documents (null matches missing; a regular expression matches many). An empty list is a
    contradiction: nothing can match. Only comparisons by `collation` (None: binary) count.
    """
    match predicate:
        case AtPath(at, Eq(operand, order)) if at == path and order == collation:
            return [operand] if type(operand) not in _OPEN else None
        case AtPath(at, In() as test) if at == path and test.collation == collation:
            values = None if test.patterns else test.values
            if values is None or not _OPEN.isdisjoint(map(type, values)):
                return None
            return list(values)
        case And(terms):
            best: list[Any] | None = None
            for term in terms:
                found = pinned(term, path, collation)
                if found is not None and (best is None or len(found) < len(best)):
                    best = found
            return best
        case Or(terms):
            together: list[Any] = []
            for term in terms:
                found = pinned(term, path, collation)
                if found is None:
                    return None
                together.extend(found)
            return together
        case Constant(False):
            return []
        case _:
            return None


def identified(predicate: Predicate) -> bytes | None:
    """The identity of the one document that a filter by a plain `_id` alone is about; None for any other filter.

    A document matches if and only if its `_id` has this identity: there is nothing left to check.
    """
    if type(predicate) is AtPath and predicate.path == _ID:
        test = predicate.test
        if type(test) is Eq and test.collation is None and type(test.operand) in _PLAIN:
            return identity(test.operand)
    return None


def pinned_ids(predicate: Predicate) -> tuple[bytes, ...] | None:
    """The identities that a filter pins `_id` to, each once and in order of mention; None if it does not."""
    only = identified(predicate)
    if only is not None:
        return (only,)
    values = pinned(predicate, ("_id",))
    if values is None:
        return None
    return tuple(dict.fromkeys(identity(value) for value in values))
