"""Counter indexes in plans: which sorted set of a counter's values answers a filter or an order, and which of it.

The index of a mapped collection on nothing but a Redis counter has a sorted set whose members are the documents' keys
and whose scores are the counter's values. A score is a double: beyond 2**53 it is near the value and no more, but
never on the other side of a bound, since both are rounded alike.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bson.decimal128 import Decimal128

from kato_compat.ir.predicate import And, AtPath, Predicate
from kato_compat.mapping.field import Counter, HashCounter
from kato_compat.mapping.index import Index
from kato_compat.mapping.spec import CollectionSpec, Singleton
from kato_compat.operators.query.comparison import Eq, Gt, Gte, In, Lt, Range
from kato_compat.operators.query.element import Exists
from kato_compat.parse.sort import Sort
from kato_compat.values.types import INT64_MAX, INT64_MIN, is_number

#: The values of a counter from one to another, both included.
Span = tuple[int, int]

_ALL: Final[tuple[Span, ...]] = ((INT64_MIN, INT64_MAX),)
#: The most values of a `$in` that are looked up one by one.
_POINTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Ranking:
    """How the sorted set of an index on the counter `field` helps a query.

    `spans` are the values that the filter allows, ascending and apart; `bounded` if it allows not all, and `exists`
    if it allows only documents that have the field. `reverse` is the direction (greatest first, or least first) in
    which the members come in the order asked for, None where they do not; `tied` if further fields are in that order.
    `alone`: the spans are all that the filter asks of a mapped document.
    """

    index: Index
    field: str
    spans: tuple[Span, ...]
    bounded: bool
    exists: bool
    reverse: bool | None = None
    tied: bool = False
    alone: bool = False


def counter_of(spec: CollectionSpec, index: Index) -> str | None:
    """The counter whose values an index keeps in a sorted set; None for an index that keeps none.

    The documents of a unique index and those of a partial one are not known from the counter alone.
    """
    if len(index.keys) != 1 or index.unique or index.partial is not None or isinstance(spec.source, Singleton):
        return None
    name = index.paths[0]
    return name if isinstance(spec.redis.get(name), Counter | HashCounter) else None


def choose_ranking(
    spec: CollectionSpec, predicate: Predicate, sort: Sort | None, limit: int, indexes: Sequence[Index]
) -> Ranking | None:
    """The ranking that reads least by the looks of the filter; None where none helps."""
    best: Ranking | None = None
    for index in indexes:
        field = counter_of(spec, index)
        if field is None or index.hidden:
            continue
        made = _ranking(index, field, predicate, sort, limit)
        if made is not None and (best is None or _width(made) < _width(best)):
            best = made
    return best


def _width(ranking: Ranking) -> tuple[bool, int, bool]:
    return not ranking.bounded, sum(high - low + 1 for low, high in ranking.spans), ranking.reverse is None


def _ranking(index: Index, field: str, predicate: Predicate, sort: Sort | None, limit: int) -> Ranking | None:
    spans, exists, alone = _spans(predicate, field)
    bounded = spans != _ALL
    reverse: bool | None = None
    if sort is not None and limit and sort.fields and sort.fields[0][0] == (field,):
        # Documents without the field come first where the order is ascending: the set does not know them.
        if sort.fields[0][1] < 0:
            reverse = True
        elif exists:
            reverse = False
    if not bounded and reverse is None:
        return None
    return Ranking(index, field, spans, bounded, exists, reverse, sort is not None and len(sort.fields) > 1, alone)


def _spans(predicate: Predicate, field: str) -> tuple[tuple[Span, ...], bool, bool]:
    """The values that a filter's terms on `field` allow, whether they ask that there is one, and whether it has others.

    The last is False where it has, or has one on the field whose values are not known.
    """
    spans = _ALL
    exists, alone = False, True
    for term in predicate.terms if isinstance(predicate, And) else (predicate,):
        allowed: tuple[Span, ...] | None = None
        if isinstance(term, AtPath) and term.path == (field,):
            allowed = _ALL if isinstance(term.test, Exists) else _allowed(term.test)
        if allowed is None:
            alone = False
        else:
            exists = True
            spans = _intersection(spans, allowed)
    return spans, exists, alone


def _allowed(test: Any) -> tuple[Span, ...] | None:
    """The integers that pass a test, None where it says nothing of numbers or lets a missing field through."""
    match test:
        case Eq(operand):
            return _points((operand,)) if operand is not None else None
        case In(values=values):
            # What its patterns match is no number.
            return None if len(values) > _POINTS or any(value is None for value in values) else _points(values)
        case Range(operand) if is_number(operand):
            return _within(test, _real(operand))
        case _:
            return None


def _real(operand: Any) -> Any:
    return operand.to_decimal() if type(operand) is Decimal128 else operand


def _points(values: Iterable[Any]) -> tuple[Span, ...]:
    found: set[int] = set()
    for value in values:
        if is_number(value):
            number = _real(value)
            if math.isfinite(number) and INT64_MIN <= number <= INT64_MAX and number == int(number):
                found.add(int(number))
    return tuple((point, point) for point in sorted(found))


def _within(test: Range, number: Any) -> tuple[Span, ...]:
    if number != number:
        return ()
    upwards = isinstance(test, Gt | Gte)
    if number > INT64_MAX or number < INT64_MIN:
        return _ALL if (number < 0) is upwards else ()
    if upwards:
        least = math.ceil(number) if isinstance(test, Gte) else math.floor(number) + 1
        return ((least, INT64_MAX),) if least <= INT64_MAX else ()
    most = math.ceil(number) - 1 if isinstance(test, Lt) else math.floor(number)
    return ((INT64_MIN, most),) if most >= INT64_MIN else ()


def _intersection(one: tuple[Span, ...], two: tuple[Span, ...]) -> tuple[Span, ...]:
    return tuple(
        (max(low, other[0]), min(high, other[1]))
        for low, high in one
        for other in two
        if max(low, other[0]) <= min(high, other[1])
    )


__all__ = ["Ranking", "Span", "choose_ranking", "counter_of"]
