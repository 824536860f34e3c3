"""The evaluator in Python: queries over documents in memory, beside mongomock on the same documents."""

import copy
import gc
from collections.abc import Callable
from typing import Any

from conformance.bench import data
from conformance.bench.measure import Case, run
from kato_compat import MongoClient


def cases(ours: Any, theirs: Any, count: int) -> list[Case]:
    """The cases, for two databases that hold the same orders and customers."""
    some = list(range(0, count, max(1, count // 500)))

    def find(name: str, query: Any) -> Case:
        return Case(name, lambda: list(ours.orders.find(query)), lambda: list(theirs.orders.find(query)), _in_order)

    def aggregate(name: str, pipeline: Any, key: Callable[[Any], Any] = _in_order) -> Case:
        return Case(
            name, lambda: list(ours.orders.aggregate(pipeline)), lambda: list(theirs.orders.aggregate(pipeline)), key
        )

    return [
        find("filter of three terms", {"status": "A", "amount": {"$gte": 900}, "address.city": {"$ne": "city 7"}}),
        find("$elemMatch", {"items": {"$elemMatch": {"sku": "sku 7", "price": {"$lt": 250}}}}),
        find(f"$in of {len(some)}", {"quantity": {"$in": some}, "status": "B"}),
        aggregate(
            "$group",
            [
                {
                    "$group": {
                        "_id": "$status",
                        "n": {"$sum": 1},
                        "total": {"$sum": "$quantity"},
                        "most": {"$max": "$amount"},
                    }
                }
            ],
            _by_id,
        ),
        aggregate("$sort and $limit", [{"$sort": {"amount": -1, "_id": 1}}, {"$limit": 100}]),
        aggregate(
            "$unwind and $group",
            [{"$unwind": "$items"}, {"$group": {"_id": "$items.sku", "n": {"$sum": 1}, "p": {"$avg": "$items.price"}}}],
            _rounded,
        ),
        aggregate(
            "$lookup (of 1,000)",
            [
                {"$match": {"_id": {"$lt": 1000}}},
                {"$lookup": {"from": "customers", "localField": "customer", "foreignField": "_id", "as": "who"}},
            ],
        ),
    ]


def _in_order(answer: Any) -> Any:
    return answer


def _by_id(answer: Any) -> Any:
    return sorted(answer, key=lambda document: str(document["_id"]))


def _rounded(answer: Any) -> Any:
    return [{**document, "p": round(document["p"], 9)} for document in _by_id(answer)]


def evaluator(count: int, budget: float, say: Callable[[str], Any]) -> str:
    """Fill two databases in memory with `count` orders, and measure; the table."""
    import mongomock

    orders, customers = data.orders(count), data.customers(count)
    other: Any = mongomock.MongoClient().bench
    other.orders.insert_many(copy.deepcopy(orders))
    other.customers.insert_many(copy.deepcopy(customers))
    with MongoClient("memory://") as client:
        ours = client.bench
        ours.orders.insert_many(orders)
        ours.customers.insert_many(customers)
        # The documents stay: without this every collection of garbage would walk all of them, in either's time.
        gc.collect()
        gc.freeze()
        title = f"Evaluator: {count:,} documents in memory"
        return run(title, "mongomock", cases(ours, other, count), budget, say)
