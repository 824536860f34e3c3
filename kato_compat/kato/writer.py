"""The statistics methods that callers of KATO's storage layer use."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from kato_compat.kato.knowledge import learner

if TYPE_CHECKING:
    from kato_compat.collection.client import MongoClient

_COUNTERS: Final = ("frequency", "pattern_member_frequency")


class RedisWriter:
    """Counters of symbols of any knowledge base of a client. Making one does no I/O; safe to use from many threads.

    Learning keeps both counters by itself (see `KnowledgeBase`); these methods are for code that keeps them by hand.
    Errors are those of the client's collections: an answer that could not be had is never a zero.
    """

    def __init__(self, client: "MongoClient") -> None:
        self.client = client

    def increment_symbol_frequency(self, kb_id: str, symbol: str) -> int:
        """Add one to how often a symbol appeared; the new value. One atomic step, with the index of symbols."""
        return self._increment(kb_id, symbol, "frequency")

    def increment_pattern_member_frequency(self, kb_id: str, symbol: str) -> int:
        """Add one to how many patterns have a symbol; the new value. One atomic step, with the index of symbols."""
        return self._increment(kb_id, symbol, "pattern_member_frequency")

    def get_symbol_stats(self, kb_id: str, symbol: str) -> dict[str, Any]:
        """``{"name", "frequency", "pattern_member_frequency"}`` of a symbol; ``{}`` for an unknown one.

        A known symbol that one of the two was never counted for has 0 there: the other one says that it is known.
        """
        return self.get_all_symbols_batch(kb_id, [symbol])[0]

    def get_all_symbols_batch(self, kb_id: str, symbols: Sequence[str]) -> list[dict[str, Any]]:
        """`get_symbol_stats` of each of `symbols`, in their order, read by batched MGET (or HMGET)."""
        if isinstance(symbols, str):
            raise TypeError("symbols must be a list of str, not a str")
        names = [_checked(symbol) for symbol in symbols]
        found: dict[str, Any] = {}
        if names:
            fields = dict.fromkeys(("name", *_COUNTERS), 1) | {"_id": 0}
            for document in self.client[kb_id]["symbols_kb"].find({"name": {"$in": names}}, fields):
                found.setdefault(document["name"], document)
        return [_stats(found.get(name)) for name in names]

    def _increment(self, kb_id: str, symbol: str, counter: str) -> int:
        deployment = self.client.deployment
        name = self.client[kb_id].name
        return deployment.run(learner(deployment, name, 1).count(_checked(symbol), counter))


def _checked(symbol: Any) -> str:
    if not isinstance(symbol, str):
        raise TypeError(f"a symbol must be a str, not {type(symbol).__name__}")
    return str.__str__(symbol)


def _stats(document: Any) -> dict[str, Any]:
    if document is None:
        return {}
    return {"name": document["name"], **{name: document.get(name, 0) for name in _COUNTERS}}
