"""The order in which the server tries the terms of a filter.

The server sorts the terms of every filter by kind of condition and then by path before it matches. No answer depends
on it but one: of several conditions that go through an array, the positional `$` takes the last one tried.
"""

from typing import Any, Final

from kato_compat.ir.predicate import And, AtPath, Not, Or, Predicate

_KINDS: Final = (
    "$and",
    "$or",
    "$elemMatch",
    "$size",
    "$eq",
    "$lte",
    "$lt",
    "$gt",
    "$gte",
    "$regex",
    "$mod",
    "$exists",
    "$in",
    "$bitsAllSet",
    "$bitsAllClear",
    "$bitsAnySet",
    "$bitsAnyClear",
    "$not",
    "$nor",
    "$type",
)
_RANKS: Final = {name: rank for rank, name in enumerate(_KINDS)}


def in_server_order(node: Predicate) -> Predicate:
    """The same filter with the terms of each `And` and `Or` in the order in which the server tries them."""
    match node:
        case And(terms):
            return And(tuple(sorted(map(in_server_order, terms), key=_rank)))
        case Or(terms):
            return Or(tuple(sorted(map(in_server_order, terms), key=_rank)))
        case _:
            return node


def _rank(node: Predicate) -> tuple[Any, ...]:
    match node:
        case And():
            return (_RANKS["$and"], "")
        case Or():
            return (_RANKS["$or"], "")
        case Not():
            return (_RANKS["$not"], "")
        case AtPath(path, test):
            return (_RANKS.get(test.spec.name, len(_KINDS)), ".".join(path))
        case _:
            return (len(_KINDS), "")
