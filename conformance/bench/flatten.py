"""Flattening patterns in memory, beside SecantusDB over pymongo (in its own process; see `conformance.secantus`)."""

from collections.abc import Callable
from typing import Any

from conformance import secantus
from conformance.bench import data
from conformance.bench.measure import Case, run
from kato_compat import MongoClient

_FLATTENED = {"$reduce": {"input": "$pattern_data", "initialValue": [], "in": {"$concatArrays": ["$$value", "$$this"]}}}
PIPELINE = [
    {"$match": {"frequency": {"$gte": 1}}},
    {"$project": {"_id": 0, "name": 1, "frequency": 1, "pattern_data": 1, "flattened": _FLATTENED}},
    {"$sort": {"frequency": -1, "name": 1}},
]


def flatten(count: int, budget: float, say: Callable[[str], Any]) -> str:
    """Fill a collection on both sides with `count` patterns, and measure; the table.

    Says how to allow it, and measures nothing, where SecantusDB was not asked for.
    """
    if not secantus.wanted():
        return f"### Flatten: set {secantus.VARIABLE}=1 to install SecantusDB and compare with it\n"
    patterns = data.patterns(count, data.vocabulary(max(10, count // 10)))
    with MongoClient("memory://") as client, secantus.server() as fresh:
        ours, theirs = client.bench.patterns, fresh()
        ours.insert_many([dict(pattern) for pattern in patterns])
        theirs.insert_many([dict(pattern) for pattern in patterns])
        case = Case(
            "$reduce, $concatArrays, $sort",
            lambda: list(ours.aggregate(PIPELINE)),
            lambda: list(theirs.aggregate(PIPELINE)),
        )
        return run(f"Flatten: {count:,} patterns in memory", "SecantusDB", [case], budget, say)
