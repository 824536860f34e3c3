"""Reads by indexes on Redis counters of mapped collections: their answers, what they ask, and what meets them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from pymongo.errors import OperationFailure
from ranking import members, named, pattern, redis

from kato_compat import MongoClient
from kato_compat.ir.requests import Call, Pipeline

QUERIES: list[dict[str, Any]] = [
    {"frequency": 3},
    {"frequency": 3.0},
    {"frequency": Decimal128("3")},
    {"frequency": 2.5},
    {"frequency": True},
    {"frequency": None},
    {"frequency": "3"},
    {"frequency": [3]},
    {"frequency": {"$in": [1, 4.0, Int64(7), True, "x", 2.5]}},
    {"frequency": {"$in": [1, None]}},
    {"frequency": {"$gt": 6}},
    {"frequency": {"$gte": 6.5}},
    {"frequency": {"$lt": Decimal128("1.5")}},
    {"frequency": {"$lte": 1}},
    {"frequency": {"$gt": 2, "$lt": 5}},
    {"frequency": {"$gt": 5, "$lt": 2}},
    {"frequency": {"$gt": float("nan")}},
    {"frequency": {"$gte": float("nan")}},
    {"frequency": float("nan")},
    {"frequency": {"$gt": float("-inf")}},
    {"frequency": {"$lt": float("inf")}},
    {"frequency": {"$lt": float("-inf")}},
    {"frequency": {"$gte": Decimal128("1E+100")}},
    {"frequency": {"$gte": Int64(2**53)}},
    {"frequency": {"$gt": Int64(2**53)}},
    {"frequency": {"$lte": Int64(2**53)}},
    {"frequency": {"$gt": False}},
    {"frequency": {"$ne": 3}},
    {"frequency": {"$not": {"$gt": 3}}},
    {"$or": [{"frequency": 1}, {"frequency": {"$gt": 7}}]},
    {"frequency": {"$exists": True}},
    {"frequency": {"$gte": 0}, "name": {"$gt": "8"}},
    {"frequency": {"$gte": 0}, "length": 2, "pattern_data": ["a", "b5"]},
    {"$and": [{"frequency": {"$gte": 2}}, {"frequency": {"$lte": 4}}, {"length": {"$gt": 1}}]},
    {"frequency": {"$elemMatch": {"$gt": 1}}},
    {"frequency": {"$mod": [2, 1]}},
]


@pytest.fixture(scope="module")
def stores(client: MongoClient, fresh_name: Callable[[], str]) -> Iterator[tuple[Any, Any]]:
    """A mapped collection and one in memory that hold the same."""
    documents = [{"_id": None, **pattern(number, number % 9)} for number in range(60)]
    documents += [{"_id": None, **pattern(number, None)} for number in range(60, 65)]
    documents += [{"_id": None, **pattern(70 + place, Int64(2**53 + place))} for place in range(4)]
    documents += [
        {"_id": number, "name": f"beside {number}", "frequency": value}
        for number, value in enumerate((3.0, 2.5, "3", [3, 8], None, True, float("nan"), Decimal128("7")))
    ]
    name = fresh_name()
    patterns = client[name].patterns_kb
    for document in documents:
        if document["_id"] is None:
            del document["_id"]
    patterns.insert_many(documents)
    patterns.create_index("frequency")
    with MongoClient("memory://") as memory:
        other = memory[name].patterns_kb
        other.insert_many(list(patterns.find({}, pushdown=False)))
        yield patterns, other
    client.drop_database(name)


class TestAnswers:
    """Through the index, without it, and in memory."""

    @pytest.mark.parametrize("query", QUERIES, ids=repr)
    def test_filters(self, stores: tuple[Any, Any], query: Any) -> None:
        patterns, memory = stores
        expected = {repr(each) for each in memory.find(query)}
        assert {repr(each) for each in patterns.find(query)} == expected
        assert {repr(each) for each in patterns.find(query, pushdown=False)} == expected
        assert patterns.count_documents(query) == memory.count_documents(query)

    @pytest.mark.parametrize("query", [{}, *QUERIES[:1], *QUERIES[10:16], {"length": 2}, *QUERIES[30:33]], ids=repr)
    @pytest.mark.parametrize("direction", [1, -1])
    @pytest.mark.parametrize("limit", [1, 7, 50, 200])
    def test_orders(self, stores: tuple[Any, Any], query: Any, direction: int, limit: int) -> None:
        patterns, memory = stores
        for order in ([("frequency", direction), ("_id", 1)], [("frequency", direction), ("length", -1), ("_id", -1)]):
            expected = list(map(repr, memory.find(query).sort(order).limit(limit)))
            assert list(map(repr, patterns.find(query).sort(order).limit(limit))) == expected
            pipeline = [{"$match": query}, {"$sort": dict(order)}, {"$skip": 2}, {"$limit": limit}]
            assert list(map(repr, patterns.aggregate(pipeline))) == list(map(repr, memory.aggregate(pipeline)))
        by_counter = [repr(each.get("frequency")) for each in memory.find(query).sort("frequency", direction)][:limit]
        found = [repr(each.get("frequency")) for each in patterns.find(query).sort("frequency", direction).limit(limit)]
        # Which of equal ones come, and of 3 and 3.0, is open.
        assert len(found) == len(by_counter)

    def test_explain(self, stores: tuple[Any, Any], other: MongoClient) -> None:
        patterns, _ = stores
        theirs = other[patterns.database.name].patterns_kb
        found = theirs.find({"frequency": {"$gt": 6}}).explain()
        assert found["queryPlanner"]["winningPlan"]["stage"] == "IXSCAN"
        ours = found["kato_compat"]
        assert (ours["indexName"], ours["keyPattern"]) == ("frequency_1", {"frequency": 1})
        assert next(each["where"] for each in ours["placements"] if each["term"] == "frequency") == "INDEX"
        assert theirs.find({"frequency": {"$ne": 6}}).explain()["queryPlanner"]["winningPlan"]["stage"] == "COLLSCAN"
        sorted_by = theirs.find().sort("frequency", -1)
        assert sorted_by.limit(5).explain()["kato_compat"]["indexName"] == "frequency_1"
        assert theirs.find({"frequency": 1}).hint("frequency_1").explain()["kato_compat"]["indexName"] == "frequency_1"
        assert "frequency_1" in theirs.index_information()

    def test_hidden_ones_are_not_used(self, database: Any) -> None:
        symbols = database.symbols_kb
        symbols.insert_one({"name": "a", "frequency": 1})
        symbols.create_index("frequency", hidden=True)
        assert symbols.find({"frequency": 1}).explain()["queryPlanner"]["winningPlan"]["stage"] == "COLLSCAN"
        assert members(symbols) == {"a": 1.0}


class TestReading:
    """What a read through the index asks of the stores, and what happens to it meanwhile."""

    @pytest.fixture
    def scripts(self, client: MongoClient, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The names of scripts called and of other requests made from now on."""
        made: list[str] = []
        perform = client.deployment.driver._perform
        for kind, performer in list(perform.items()):

            def recorded(request: Any, performer: Callable[[Any], Any] = performer) -> Any:
                if isinstance(request, Pipeline):
                    made.extend(each.script.name for each in request.commands if isinstance(each, Call))
                else:
                    made.append(type(request).__name__)
                return performer(request)

            monkeypatch.setitem(perform, kind, recorded)
        return made

    def test_selective_filters_only(self, database: Any, scripts: list[str]) -> None:
        patterns = database.patterns_kb
        patterns.insert_many([pattern(number, number) for number in range(2500)])
        patterns.create_index("frequency")
        del scripts[:]
        assert len(list(patterns.find({"frequency": {"$gte": 2495}}))) == 5
        assert scripts == ["page", "Select"]
        del scripts[:]
        assert patterns.count_documents({"frequency": {"$lt": 900}}) == 900
        assert scripts == ["page"]
        del scripts[:]
        assert len(list(patterns.find({"frequency": {"$gte": 5}}))) == 2495
        assert "OpenScan" in scripts
        del scripts[:]
        assert len(list(patterns.find({"frequency": {"$gte": 5, "$lt": 2490}}).limit(7))) == 7
        assert scripts == ["page", "Select"]
        del scripts[:]
        assert [each["frequency"] for each in patterns.find().sort("frequency", -1).limit(3)] == [2499, 2498, 2497]
        assert scripts == ["page", "Select"]
        del scripts[:]
        # The filter lets hardly anything through: the pages end, and the scan begins.
        best = patterns.find({"pattern_data": ["a", "b3"]}).sort("frequency", -1).limit(1)
        assert [each["frequency"] for each in best] == [3]
        assert "OpenScan" in scripts or "Select" in scripts

    def test_pages(self, database: Any) -> None:
        symbols = database.symbols_kb
        symbols.insert_many([{"name": f"s{number:05d}", "frequency": number % 3} for number in range(7000)])
        symbols.create_index("frequency")
        for value in range(3):
            found = [each["name"] for each in symbols.find({"frequency": value}, {"name": 1})]
            assert sorted(found) == [f"s{number:05d}" for number in range(value, 7000, 3)]
        found = [each["name"] for each in symbols.find({"frequency": {"$gte": 1}}).sort("frequency", -1).limit(4000)]
        assert len(set(found)) == 4000
        order = [("frequency", -1), ("name", -1)]
        assert [each["name"] for each in symbols.find({"frequency": {"$lt": 2}}).sort(order).limit(2400)] == sorted(
            (f"s{number:05d}" for number in range(1, 7000, 3)), reverse=True
        ) + [f"s{number:05d}" for number in range(6999, 0, -3)][: 2400 - 2333]

    def test_writers_meanwhile(self, database: Any) -> None:
        """A document that nobody touches is given once, whatever happens around it."""
        symbols = database.symbols_kb
        symbols.insert_many([{"name": f"s{number:05d}", "frequency": 5} for number in range(7000)])
        symbols.insert_many([{"name": f"t{number:05d}", "frequency": 1} for number in range(8000)])
        symbols.create_index("frequency")
        cursor = symbols.find({"frequency": 5}, batch_size=500)
        found = [next(cursor)["name"] for _ in range(100)]
        symbols.update_many({"name": {"$in": [f"s{number:05d}" for number in range(50)]}}, {"$set": {"frequency": 6}})
        symbols.delete_many({"name": {"$in": [f"s{number:05d}" for number in range(950, 1050)]}})
        symbols.insert_many([{"name": f"a{number}", "frequency": 5} for number in range(20)])
        found += [each["name"] for each in cursor]
        assert len(found) == len(set(found))
        assert set(found) >= {f"s{number:05d}" for number in range(1050, 7000)}

    def test_dropped_by_another_client(self, database: Any, other: MongoClient) -> None:
        symbols = database.symbols_kb
        symbols.insert_many([{"name": f"s{number:05d}", "frequency": number % 2} for number in range(5000)])
        symbols.create_index("frequency")
        assert len(list(symbols.find({"frequency": 1}))) == 2500
        cursor = symbols.find({"frequency": 1}, batch_size=10)
        next(cursor)
        other[database.name].symbols_kb.drop_index("frequency_1")
        with pytest.raises(OperationFailure) as caught:
            list(cursor)
        assert caught.value.code == 175
        assert len(list(symbols.find({"frequency": 1}))) == 2500
        assert symbols.find({"frequency": 1}).explain()["queryPlanner"]["winningPlan"]["stage"] == "COLLSCAN"
        symbols.create_index("frequency")
        assert [each["frequency"] for each in symbols.find().sort("frequency", -1).limit(2)] == [1, 1]
        other[database.name].symbols_kb.drop_index("frequency_1")
        assert [each["frequency"] for each in symbols.find().sort("frequency", -1).limit(2)] == [1, 1]

    def test_made_by_another_client(self, database: Any, other: MongoClient) -> None:
        patterns = database.patterns_kb
        patterns.insert_many([pattern(number, number) for number in range(10)])
        assert len(list(patterns.find({"frequency": 3}))) == 1
        other[database.name].patterns_kb.create_index("frequency")
        assert len(list(patterns.find({"frequency": 3}))) == 1  # a scan, which brings the news
        assert patterns.find({"frequency": 3}).explain()["kato_compat"]["indexName"] == "frequency_1"

    def test_counters_that_others_increase_are_checked(self, database: Any) -> None:
        patterns = database.patterns_kb
        patterns.insert_many([pattern(number, number) for number in range(10)])
        patterns.create_index("frequency")
        redis(database.client, ("INCRBY", f"{database.name}:frequency:{named(3)}", 100))
        assert list(patterns.find({"frequency": 3})) == []  # the set leads there, the counter says no
        patterns.update_one({"name": named(3)}, {"$inc": {"frequency": 1}})
        assert [each["name"] for each in patterns.find({"frequency": 104})] == [named(3)]
