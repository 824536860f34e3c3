"""Writes on chDB and Valkey, beside pipelines written by hand that leave the same in the stores."""

import copy
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

from pymongo import UpdateOne

from conformance.bench import data, documents
from conformance.bench.measure import Case, run
from kato_compat import KnowledgeBase, MongoClient

_KB = "bench"
_OTHER = "hand"
_BLOCK = 1000


class HandWritten:
    """Redis pipelines (not transactions: what is measured is the commands) and blocks of rows."""

    def __init__(self, redis: Any, clickhouse: Any) -> None:
        self.redis = redis
        self.clickhouse = clickhouse

    def wipe(self) -> None:
        """Remove what the other methods wrote."""
        names = list(self.redis.scan_iter(f"{_OTHER}:*", count=10_000))
        for start in range(0, len(names), _BLOCK):
            self.redis.delete(*names[start : start + _BLOCK])
        self.clickhouse.command("ALTER TABLE kato.patterns_data DELETE WHERE kb_id = 'hand'")

    @staticmethod
    def _upsert(pipeline: Any, symbol: str) -> None:
        pipeline.incrby(f"{_OTHER}:symbol:freq:{symbol}", 1)
        pipeline.incrby(f"{_OTHER}:symbol:pmf:{symbol}", 1)
        pipeline.zadd(f"{_OTHER}:symbols", {symbol: 0})

    def upserts_singly(self, symbols: Iterable[str]) -> None:
        """Count every symbol, a round trip each."""
        for symbol in symbols:
            pipeline = self.redis.pipeline(transaction=False)
            self._upsert(pipeline, symbol)
            pipeline.execute()

    def upserts(self, symbols: Iterable[str]) -> None:
        """Count every symbol, in one round trip."""
        pipeline = self.redis.pipeline(transaction=False)
        for symbol in symbols:
            self._upsert(pipeline, symbol)
        pipeline.execute()

    def _learn(self, pipeline: Any, pattern: data.Document) -> None:
        name = pattern["name"]
        pipeline.incr(f"{_OTHER}:frequency:{name}")
        for symbol in {symbol for event in pattern["pattern_data"] for symbol in event}:
            self._upsert(pipeline, symbol)
            pipeline.sadd(f"{_OTHER}:symbol_to_patterns:{symbol}", name)
        pipeline.incr(f"{_OTHER}:global:total_unique_patterns")
        pipeline.incrby(f"{_OTHER}:global:total_pattern_frequencies", 1)
        pipeline.incrby(f"{_OTHER}:global:total_symbols_in_patterns_frequencies", pattern["length"])

    def _rows(self, patterns: list[data.Document]) -> None:
        rows = []
        for pattern in patterns:
            tokens = [symbol for event in pattern["pattern_data"] for symbol in event]
            distinct = sorted(set(tokens))
            row = (_OTHER, pattern["name"], pattern["pattern_data"], len(tokens), distinct, len(distinct))
            rows.append((*row, tokens[0], tokens[-1]))
        columns = ["kb_id", "name", "pattern_data", "length", "token_set", "token_count", "first_token", "last_token"]
        self.clickhouse.insert("patterns_data", rows, column_names=columns, database="kato")

    def learn_singly(self, patterns: list[data.Document]) -> None:
        """Learn patterns, a round trip each, then their rows as one block."""
        for pattern in patterns:
            pipeline = self.redis.pipeline(transaction=False)
            self._learn(pipeline, pattern)
            pipeline.execute()
        self._rows(patterns)

    def learn(self, patterns: list[data.Document]) -> None:
        """Learn patterns, 1,000 a round trip, then their rows as one block."""
        for start in range(0, len(patterns), _BLOCK):
            pipeline = self.redis.pipeline(transaction=False)
            for pattern in patterns[start : start + _BLOCK]:
                self._learn(pipeline, pattern)
            pipeline.execute()
        self._rows(patterns)

    def patterns(self, patterns: list[data.Document]) -> None:
        """The frequencies of patterns in one round trip, then their rows as one block."""
        pipeline = self.redis.pipeline(transaction=False)
        for pattern in patterns:
            pipeline.set(f"{_OTHER}:frequency:{pattern['name']}", pattern["frequency"])
        pipeline.execute()
        self._rows(patterns)


def cases(client: Any, hand: HandWritten, count: int) -> list[Case]:
    """The cases: `count` writes a repetition."""
    database = client[_KB]
    symbols = data.vocabulary(count)
    patterns = data.patterns(count, data.vocabulary(max(8, count // 10)))
    events = [pattern["pattern_data"] for pattern in patterns]
    knowledge = KnowledgeBase(client, _KB)

    def fresh() -> None:
        client.drop_database(_KB)
        hand.wipe()

    def update(symbol: str) -> tuple[Any, Any]:
        change = {"$inc": {"frequency": 1, "pattern_member_frequency": 1}, "$setOnInsert": {"name": symbol}}
        return {"name": symbol}, change

    def singly() -> None:
        for symbol in symbols:
            database.symbols_kb.update_one(*update(symbol), upsert=True)

    def bulk(ordered: bool) -> None:
        database.symbols_kb.bulk_write([UpdateOne(*update(each), upsert=True) for each in symbols], ordered=ordered)

    def learn_singly() -> None:
        for each in events:
            knowledge.learn_pattern(each)
        client.flush()

    def learn() -> None:
        knowledge.learn_patterns(events)
        client.flush()

    def insert_patterns() -> None:
        database.patterns_kb.insert_many(copy.deepcopy(patterns), ordered=False)
        client.flush()

    return [
        Case(f"update_one upserts, {count:,} singly", singly, lambda: hand.upserts_singly(symbols), None, fresh),
        Case(f"bulk_write of {count:,} upserts", lambda: bulk(False), lambda: hand.upserts(symbols), None, fresh),
        Case(f"bulk_write of {count:,}, ordered", lambda: bulk(True), lambda: hand.upserts(symbols), None, fresh),
        Case(f"bulk_write of {count:,} again", lambda: bulk(True), lambda: hand.upserts(symbols)),
        Case(f"insert_many of {count:,} patterns", insert_patterns, lambda: hand.patterns(patterns), None, fresh),
        Case(f"learn_pattern, {count:,} singly", learn_singly, lambda: hand.learn_singly(patterns), None, fresh),
        Case(f"learn_patterns of {count:,}", learn, lambda: hand.learn(patterns), None, fresh),
        *documents.cases(database, hand.redis, count, fresh),
    ]


def writes(count: int, budget: float, say: Callable[[str], Any]) -> str:
    """Measure `count` writes a repetition on engines in a folder of their own; the table."""
    import clickhouse_connect
    import redis

    with tempfile.TemporaryDirectory(prefix="kc-bench-", ignore_cleanup_errors=True) as folder:
        client = MongoClient(f"embedded://{folder}/e")
        try:
            client[_KB].patterns_kb.count_documents({})  # makes the table
            deployment: Any = client.deployment
            raw = redis.Redis(unix_socket_path=deployment.redis._unix_socket)
            session = clickhouse_connect.get_client(interface="chdb", path=deployment.clickhouse._path)
            try:
                title = f"Writes: {count:,} a repetition, chDB and Valkey"
                return run(title, "hand-written", cases(client, HandWritten(raw, session), count), budget, say)
            finally:
                session.close()
                raw.close()
        finally:
            client.close()
