"""What a command needs of the documents it reads: the root fields, so that no other store is asked."""

from kato_compat.ir.expression import roots
from kato_compat.ir.predicate import And, AtPath, Computed, Constant, Not, Or, Predicate
from kato_compat.ir.projection import Projection
from kato_compat.parse.sort import Sort


def predicate_fields(predicate: Predicate) -> frozenset[str] | None:
    """The root fields that a filter reads; None where it may read any."""
    match predicate:
        case AtPath(path):
            return frozenset(path[:1]) if path else None
        case Computed(expression):
            return roots(expression)
        case And(terms) | Or(terms):
            found: frozenset[str] = frozenset()
            for term in terms:
                inner = predicate_fields(term)
                if inner is None:
                    return None
                found |= inner
            return found
        case Not(term):
            return predicate_fields(term)
        case Constant():
            return frozenset()


def needed_fields(
    predicate: Predicate, projection: Projection | None, sort: Sort | None, *, none: bool = False
) -> frozenset[str] | None:
    """The root fields that a find reads; None for all. `none`: the result's own fields are not asked (a count)."""
    wanted = frozenset() if none else None if projection is None else projection.fields
    if wanted is None:
        return None
    inner = predicate_fields(predicate)
    if inner is None:
        return None
    return wanted | inner | (sort.roots if sort is not None else frozenset())
