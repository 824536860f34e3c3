"""Showing predicates to people, in the filter language."""

from kato_compat.ir.predicate import And, AtPath, Computed, Constant, Not, Or, Predicate


def show(predicate: Predicate) -> str:
    """A short text of a filter's tree, for explain()."""
    match predicate:
        case Constant(value):
            return "$alwaysTrue" if value else "$alwaysFalse"
        case AtPath(path, test):
            return f"{'.'.join(path) or '(element)'} {test.spec.name}"
        case And(terms):
            return "{$and: [" + ", ".join(show(term) for term in terms) + "]}"
        case Or(terms):
            return "{$or: [" + ", ".join(show(term) for term in terms) + "]}"
        case Not(term):
            return f"{{$not: {show(term)}}}"
        case Computed():
            return "$expr"
