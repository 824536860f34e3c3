"""The spine: legacy reads on chDB and Valkey, beside store calls written by hand that build the same documents."""

import hashlib
import tempfile
from collections.abc import Callable
from typing import Any

from bson.objectid import ObjectId

from conformance.bench import data
from conformance.bench.measure import Case, run
from kato_compat import MongoClient

_KB = "bench"
_TABLE = "kato.patterns_data"
_WHERE = "WHERE kb_id = {kb:String}"
_BATCH = 1000

#: The sorted set of frequencies of the code by hand, and a frequency that one pattern in a hundred has.
_RANKED = "bench-frequencies"
HIGH = 991

#: What legacy code asks, by the collection it asks.
FLATTENED = [
    {"$match": {"frequency": {"$gte": 1}}},
    {
        "$project": {
            "_id": 0,
            "name": 1,
            "frequency": 1,
            "pattern_data": 1,
            "flattened": {
                "$reduce": {
                    "input": "$pattern_data",
                    "initialValue": [],
                    "in": {"$concatArrays": ["$$value", "$$this"]},
                }
            },
        }
    },
    {"$sort": {"frequency": -1}},
    {"$limit": 1000},
]
TOTALS = [
    {
        "$group": {
            "_id": None,
            "total_patterns": {"$sum": 1},
            "total_frequency": {"$sum": "$frequency"},
            "avg_frequency": {"$avg": "$frequency"},
            "max_frequency": {"$max": "$frequency"},
            "min_frequency": {"$min": "$frequency"},
        }
    }
]
VOCABULARY = [
    {"$project": {"pattern_data": 1}},
    {"$unwind": "$pattern_data"},
    {"$unwind": "$pattern_data"},
    {"$group": {"_id": "$pattern_data"}},
    {"$sort": {"_id": 1}},
]


ABOVE = {"frequency": {"$gte": HIGH}}


class HandWritten:
    """The same reads as a programmer would write them for the stores: redis-py and clickhouse-connect."""

    def __init__(self, redis: Any, clickhouse: Any) -> None:
        self.redis = redis
        self.clickhouse = clickhouse

    def rows(self, sql: str, **parameters: Any) -> list[Any]:
        """The rows of a SELECT."""
        found: list[Any] = self.clickhouse.query(sql, parameters={"kb": _KB, **parameters}).result_rows
        return found

    def mget(self, prefix: str, names: list[str]) -> list[int]:
        """Counters under `prefix`, 1,000 keys at a time."""
        found: list[int] = []
        for start in range(0, len(names), _BATCH):
            keys = [f"{_KB}:{prefix}:{name}" for name in names[start : start + _BATCH]]
            found.extend(int(value) for value in self.redis.mget(keys))
        return found

    def symbol(self, name: str) -> Any:
        """One symbol."""
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.mget(f"{_KB}:symbol:freq:{name}", f"{_KB}:symbol:pmf:{name}")
        pipeline.hgetall(f"{_KB}:affinity:{name}")
        (frequency, members), emotives = pipeline.execute()
        document: dict[str, Any] = {
            "_id": ObjectId(hashlib.sha1(name.encode(), usedforsecurity=False).digest()[:12]),
            "name": name,
            "frequency": int(frequency),
            "pattern_member_frequency": int(members),
        }
        if emotives:
            document["emotives"] = {key.decode(): float(value) for key, value in emotives.items()}
        return document

    def symbols(self, names: list[str]) -> Any:
        """Both counters of many symbols, by one MGET."""
        keys = [f"{_KB}:symbol:freq:{name}" for name in names] + [f"{_KB}:symbol:pmf:{name}" for name in names]
        values = self.redis.mget(keys)
        return [
            {"name": name, "frequency": int(frequency), "pattern_member_frequency": int(members)}
            for name, frequency, members in zip(names, values[: len(names)], values[len(names) :], strict=True)
        ]

    def pattern(self, name: str) -> Any:
        """One pattern by its name."""
        sql = f"SELECT name, pattern_data, length FROM {_TABLE} {_WHERE} AND name = {{n:String}} LIMIT 1"
        ((found, events, length),) = self.rows(sql, n=name)
        frequency, _, _ = self.redis.mget(f"{_KB}:frequency:{name}", f"{_KB}:emotives:{name}", f"{_KB}:metadata:{name}")
        return {
            "_id": ObjectId(name[:24]),
            "name": found,
            "pattern_data": events,
            "length": length,
            "frequency": int(frequency),
        }

    def count(self) -> Any:
        """The number of patterns."""
        return self.rows(f"SELECT count() FROM {_TABLE} {_WHERE}")[0][0]

    def count_symbols(self) -> Any:
        """The number of symbols, from an index set."""
        return self.redis.zcard("bench-symbols")

    def _best(self, count: int) -> list[tuple[str, int]]:
        names = [row[0] for row in self.rows(f"SELECT name FROM {_TABLE} {_WHERE}")]
        ranked = zip(names, self.mget("frequency", names), strict=True)
        return sorted(ranked, key=lambda pair: -pair[1])[:count]

    def _events(self, names: list[str]) -> dict[str, Any]:
        sql = f"SELECT name, pattern_data, length FROM {_TABLE} {_WHERE} AND name IN {{n:Array(String)}}"
        return {row[0]: row for row in self.rows(sql, n=names)}

    def flattened(self) -> Any:
        """The 1,000 most frequent patterns, flattened."""
        best = self._best(1000)
        events = self._events([name for name, _ in best])
        return [
            {
                "name": name,
                "pattern_data": events[name][1],
                "frequency": frequency,
                "flattened": [symbol for event in events[name][1] for symbol in event],
            }
            for name, frequency in best
        ]

    def frequent(self) -> Any:
        """The 100 most frequent patterns, whole."""
        return self._whole(self._best(100))

    def ranked_frequent(self) -> Any:
        """The same by a sorted set of the frequencies."""
        return self._whole(self._ranked(self.redis.zrange(_RANKED, 0, 99, desc=True)))

    def above(self) -> Any:
        """The patterns whose frequency is at least `HIGH`, whole."""
        names = [row[0] for row in self.rows(f"SELECT name FROM {_TABLE} {_WHERE}")]
        values = zip(names, self.mget("frequency", names), strict=True)
        return self._whole([(name, frequency) for name, frequency in values if frequency >= HIGH])

    def ranked_above(self) -> Any:
        """The same by a sorted set of the frequencies."""
        return self._whole(self._ranked(self.redis.zrangebyscore(_RANKED, HIGH, "+inf")))

    def count_above(self) -> Any:
        """How many they are, by that set, with each counter looked at."""
        names = [name.decode() for name in self.redis.zrangebyscore(_RANKED, HIGH, "+inf")]
        return sum(frequency >= HIGH for frequency in self.mget("frequency", names))

    def _ranked(self, members: list[bytes]) -> list[tuple[str, int]]:
        names = [member.decode() for member in members]
        return list(zip(names, self.mget("frequency", names), strict=True))

    def _whole(self, best: list[tuple[str, int]]) -> Any:
        events = self._events([name for name, _ in best])
        return [
            {
                "_id": ObjectId(name[:24]),
                "name": name,
                "pattern_data": events[name][1],
                "length": events[name][2],
                "frequency": frequency,
            }
            for name, frequency in best
        ]

    def totals(self) -> Any:
        """Totals of the frequencies."""
        names = [row[0] for row in self.rows(f"SELECT name FROM {_TABLE} {_WHERE}")]
        values = self.mget("frequency", names)
        return [
            {
                "_id": None,
                "total_patterns": len(values),
                "total_frequency": sum(values),
                "avg_frequency": sum(values) / len(values),
                "max_frequency": max(values),
                "min_frequency": min(values),
            }
        ]

    def vocabulary(self) -> Any:
        """The distinct symbols of all patterns, in order."""
        sql = f"SELECT DISTINCT arrayJoin(arrayFlatten(pattern_data)) AS s FROM {_TABLE} {_WHERE} ORDER BY s"
        return [{"_id": row[0]} for row in self.rows(sql)]

    def scan(self) -> int:
        """Names and events of all patterns."""
        rows = self.rows(f"SELECT name, pattern_data FROM {_TABLE} {_WHERE}")
        return len([{"_id": ObjectId(name[:24]), "name": name, "pattern_data": events} for name, events in rows])


def cases(client: Any, hand: HandWritten, patterns: list[data.Document], symbols: list[str]) -> list[Case]:
    """The cases of the spine, on a filled knowledge base."""
    database = client[_KB]
    kb, statistics = database.patterns_kb, database.symbols_kb
    symbol, some, name = symbols[7], symbols[: min(500, len(symbols))], patterns[len(patterns) // 2]["name"]
    wanted = [
        {"$match": {"name": {"$in": some}}},
        {"$project": {"_id": 0, "name": 1, "frequency": 1, "pattern_member_frequency": 1}},
    ]

    def pipeline(title: str, collection: Any, stages: Any, theirs: Any, key: Any = _same) -> Case:
        return Case(title, lambda: list(collection.aggregate(stages)), theirs, key)

    return [
        Case("find_one of a symbol", lambda: statistics.find_one({"name": symbol}), lambda: hand.symbol(symbol), _same),
        pipeline(f"$in of {len(some)} symbols", statistics, wanted, lambda: hand.symbols(some)),
        Case("find_one of a pattern by name", lambda: kb.find_one({"name": name}), lambda: hand.pattern(name), _same),
        Case("count_documents({})", lambda: kb.count_documents({}), hand.count, _same),
        pipeline("$reduce pipeline, $limit 1000", kb, FLATTENED, hand.flattened, _frequencies),
        Case(
            "sort by frequency, limit 100",
            lambda: list(kb.find().sort([("frequency", -1)]).limit(100)),
            hand.frequent,
            _frequencies,
        ),
        Case("frequency at least 991", lambda: list(kb.find(ABOVE)), hand.above, _by_name),
        pipeline("$group totals", kb, TOTALS, hand.totals),
        pipeline("vocabulary pipeline", kb, VOCABULARY, hand.vocabulary),
        Case("count_documents of symbols", lambda: statistics.count_documents({}), hand.count_symbols, _same),
        Case("scan of all patterns", lambda: len(list(kb.find({}, {"name": 1, "pattern_data": 1}))), hand.scan, _same),
    ]


def indexed(client: Any, hand: HandWritten) -> list[Case]:
    """Cases with an index on the frequency, beside code with a sorted set of its own."""
    kb = client[_KB].patterns_kb
    return [
        Case("frequency at least 991", lambda: list(kb.find(ABOVE)), hand.ranked_above, _by_name),
        Case("count of them", lambda: kb.count_documents(ABOVE), hand.count_above, _same),
        Case(
            "sort by frequency, limit 100",
            lambda: list(kb.find().sort([("frequency", -1)]).limit(100)),
            hand.ranked_frequent,
            _frequencies,
        ),
    ]


def _same(answer: Any) -> Any:
    return answer


def _by_name(answer: Any) -> Any:
    return sorted(answer, key=lambda document: document["name"])


def _frequencies(answer: Any) -> Any:
    # Which of the equally frequent ones come last is open.
    return [document["frequency"] for document in answer], {tuple(document) for document in answer}


def spine(count: int, budget: float, say: Callable[[str], Any]) -> str:
    """Fill a knowledge base with `count` patterns on engines in a folder of its own, and measure; the table."""
    import clickhouse_connect
    import redis

    with tempfile.TemporaryDirectory(prefix="kc-bench-", ignore_cleanup_errors=True) as folder:
        client = MongoClient(f"embedded://{folder}/e")
        try:
            symbols = data.vocabulary(max(8, count // 10))
            patterns = data.patterns(count, symbols)
            database = client[_KB]
            for start in range(0, count, 10_000):
                # insert_many puts an _id into what it is given.
                database.patterns_kb.insert_many(patterns[start : start + 10_000], ordered=False)
            database.symbols_kb.insert_many(
                [
                    {"name": symbol, "frequency": number + 1, "pattern_member_frequency": number}
                    for number, symbol in enumerate(symbols)
                ],
                ordered=False,
            )
            client.flush()
            deployment: Any = client.deployment
            raw = redis.Redis(unix_socket_path=deployment.redis._unix_socket)
            raw.zadd("bench-symbols", dict.fromkeys(symbols, 0))
            session = clickhouse_connect.get_client(interface="chdb", path=deployment.clickhouse._path)
            try:
                hand = HandWritten(raw, session)
                title = f"Spine: {count:,} patterns, {len(symbols):,} symbols, chDB and Valkey"
                plain = run(title, "hand-written", cases(client, hand, patterns, symbols), budget, say)
                raw.zadd(_RANKED, {pattern["name"]: pattern["frequency"] for pattern in patterns})
                database.patterns_kb.create_index("frequency")
                title = f"Spine with an index on the frequency: {count:,} patterns"
                return plain + "\n" + run(title, "hand-written", indexed(client, hand), budget, say)
            finally:
                session.close()
                raw.close()
        finally:
            client.close()
