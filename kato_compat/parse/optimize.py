"""Rewriting a parsed pipeline into one that gives the same documents with less work.

Only rewrites that are safe for every input: neighbouring `$match` stages become one, neighbouring `$limit` and
`$skip` stages become one each, and a `$sort` that a `$limit` follows (with or without `$skip` between) keeps only
the documents that can get through (MongoDB manual: Aggregation Pipeline Optimization).
"""

from collections.abc import Callable
from dataclasses import replace

from kato_compat.ir.predicate import conjunction
from kato_compat.ir.stage import Stage
from kato_compat.operators.stage.limit import Limit, Skip
from kato_compat.operators.stage.match import Match
from kato_compat.operators.stage.sort import Sort
from kato_compat.values.types import INT64_MAX


def optimize(stages: list[Stage]) -> tuple[Stage, ...]:
    """`stages` after every rewrite."""
    for rewrite in REWRITES:
        stages = rewrite(stages)
    return tuple(stages)


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


REWRITES: tuple[Callable[[list[Stage]], list[Stage]], ...] = (merge_matches, merge_limits, limit_sorts)
