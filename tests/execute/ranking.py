"""What the tests of indexes on Redis counters share: documents, and what the sorted sets hold."""

import hashlib
from typing import Any

from kato_compat import MongoClient
from kato_compat.ir.requests import Pipeline
from kato_compat.mapping.keys import own

COUNTERS = {"frequency": ("symbol", "freq"), "pattern_member_frequency": ("symbol", "pmf")}


def named(number: int) -> str:
    """A pattern's name."""
    return hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()


def pattern(number: int, frequency: int | None) -> dict[str, Any]:
    """A document that the mapping of patterns holds."""
    found: dict[str, Any] = {"name": named(number), "pattern_data": [["a", f"b{number}"]], "length": 2}
    return found if frequency is None else {**found, "frequency": frequency}


def redis(client: MongoClient, *commands: Any) -> list[Any]:
    """The replies to commands."""

    def flow() -> Any:
        return (yield Pipeline(commands))

    found: list[Any] = client.deployment.run(flow())
    return found


def members(collection: Any, index: str = "frequency_1") -> dict[str, float]:
    """The sorted set of a counter index."""
    key = own(collection.database.name, collection.name, f"counter:{index}")
    (flat,) = redis(collection.database.client, ("ZRANGE", key, 0, -1, "WITHSCORES"))
    if flat and isinstance(flat[0], list):
        flat = [part for pair in flat for part in pair]
    return {member.decode(): float(score) for member, score in zip(flat[0::2], flat[1::2], strict=True)}


def counted(collection: Any, field: str = "frequency") -> dict[str, float]:
    """What the sorted set must be: the counters of the documents."""
    found = collection.find({field: {"$exists": True}}, {"name": 1, field: 1}, pushdown=False)
    return {each["name"]: float(each[field]) for each in found}
