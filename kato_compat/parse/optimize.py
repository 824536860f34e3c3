"""Rewriting a parsed pipeline into one that gives the same documents with less work.

Only rewrites that the server does too, and that give the same for every input: a `$match` goes before stages that
do not change what it tests, neighbouring `$match` stages become one, neighbouring `$limit` and `$skip` stages become
one each, and a `$sort` that a `$limit` follows (with or without `$skip` between) keeps only the documents that can
get through (MongoDB manual: Aggregation Pipeline Optimization).
"""

from collections.abc import Callable
from dataclasses import replace

from kato_compat.ir.predicate import And, AtPath, Predicate, conjunction, leaves
from kato_compat.ir.projection import Form
from kato_compat.ir.stage import Stage
from kato_compat.operators.stage.graphlookup import GraphLookup
from kato_compat.operators.stage.limit import Limit, Skip
from kato_compat.operators.stage.lookup import Lookup
from kato_compat.operators.stage.match import Match
from kato_compat.operators.stage.project import Reshape
from kato_compat.operators.stage.sort import Sort
from kato_compat.operators.stage.unwind import Unwind
from kato_compat.values.types import INT64_MAX


def optimize(stages: list[Stage]) -> tuple[Stage, ...]:
    """`stages` after every rewrite."""
    for rewrite in REWRITES:
        stages = rewrite(stages)
    return tuple(stages)


def move_matches(stages: list[Stage]) -> list[Stage]:
    """``$sort, $match`` -> ``$match, $sort``; so past every stage that leaves alone what the filter tests."""
    result: list[Stage] = []
    for stage in stages:
        if not isinstance(stage, Match):
            result.append(stage)
            continue
        terms: list[Predicate] = list(stage.predicate.terms) if isinstance(stage.predicate, And) else [stage.predicate]
        position = len(result)
        while terms and position:
            before = result[position - 1]
            stuck = [term for term in terms if not _commutes(term, before)]
            terms = [term for term in terms if _commutes(term, before)]
            if stuck:
                _insert(result, position, stuck)
            position -= 1
        if terms:
            _insert(result, position, terms)
    return result


def _insert(result: list[Stage], position: int, terms: list[Predicate]) -> None:
    while position < len(result) and isinstance(result[position], Match):
        # After the filters that are there already, in the order in which they were written.
        position += 1
    result.insert(position, Match(conjunction(terms)))


def _commutes(term: Predicate, stage: Stage) -> bool:
    """Whether `term` may be tested before `stage` as well: it tests the same, and raises for no document more."""
    if isinstance(stage, Sort | Match):
        return True
    fields: set[str] = set()
    for leaf in leaves(term):
        if not isinstance(leaf, AtPath) or not leaf.path:
            return False
        fields.add(leaf.path[0])
    match stage:
        case Lookup(as_path=path) | GraphLookup(as_path=path):
            return path[0] not in fields
        case Unwind(path, _, index):
            return path[0] not in fields and (index is None or index[0] not in fields)
        case Reshape(projection):
            children = projection.root.children
            if projection.form is Form.INCLUSION:
                return all(children.get(name) is True for name in fields)
            return fields.isdisjoint(children)
        case _:
            return False


def merge_matches(stages: list[Stage]) -> list[Stage]:
    """``$match, $match`` -> one `$match` of both."""
    result: list[Stage] = []
    for stage in stages:
        before = result[-1] if result else None
        if isinstance(stage, Match) and isinstance(before, Match):
            result[-1] = Match(conjunction([before.predicate, stage.predicate]))
        else:
            result.append(stage)
    return result


def merge_limits(stages: list[Stage]) -> list[Stage]:
    """``$limit, $limit`` -> the smaller; ``$skip, $skip`` -> their sum, unless it is beyond a long."""
    result: list[Stage] = []
    for stage in stages:
        before = result[-1] if result else None
        if isinstance(stage, Limit) and isinstance(before, Limit):
            result[-1] = Limit(min(before.number, stage.number))
        elif isinstance(stage, Skip) and isinstance(before, Skip) and before.number + stage.number <= INT64_MAX:
            result[-1] = Skip(before.number + stage.number)
        else:
            result.append(stage)
    return result


def limit_sorts(stages: list[Stage]) -> list[Stage]:
    """``$sort, $limit`` -> a `$sort` that keeps the first; ``$sort, $skip, $limit`` -> one that keeps both."""
    result = list(stages)
    for position, stage in enumerate(result):
        if not isinstance(stage, Sort):
            continue
        skipped, after = 0, position + 1
        if after < len(result) and isinstance(skip := result[after], Skip):
            skipped, after = skip.number, after + 1
        if after < len(result) and isinstance(limit := result[after], Limit):
            number = skipped + limit.number
            if stage.limit is None or number < stage.limit:
                result[position] = replace(stage, limit=number)
    return result


REWRITES: tuple[Callable[[list[Stage]], list[Stage]], ...] = (
    move_matches,
    merge_matches,
    merge_limits,
    limit_sorts,
)
