"""Indexes on Redis counters of mapped collections: kept by every write, and built while writers go on."""

import hashlib
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from bson.int64 import Int64
from pymongo import DeleteOne, InsertOne, UpdateOne
from pymongo.errors import OperationFailure
from ranking import counted, members, named, pattern, redis

from kato_compat import KnowledgeBase, MongoClient
from kato_compat.kato.writer import RedisWriter


class TestKept:
    """The set has the counters' values after every kind of write."""

    @pytest.mark.parametrize("kind", ["patterns_kb", "symbols_kb"])
    def test_by_writes_of_all_kinds(self, database: Any, kind: str) -> None:
        collection = database[kind]
        make = pattern if kind == "patterns_kb" else lambda n, value: {"name": f"s{n}", "frequency": value}
        collection.insert_many([make(number, number) for number in range(20)])
        collection.create_index("frequency")
        assert members(collection) == counted(collection)
        assert len(members(collection)) == 20
        first = [make(number, 0)["name"] for number in range(20)]
        collection.insert_one(make(20, 700))
        collection.update_one({"name": first[3]}, {"$inc": {"frequency": 40}})
        collection.update_many({"frequency": {"$gte": 15}}, {"$mul": {"frequency": 2}})
        collection.replace_one({"name": first[4]}, make(4, 99))
        collection.delete_one({"name": first[5]})
        collection.delete_many({"frequency": {"$lt": 2}})
        collection.find_one_and_update({"name": first[6]}, {"$set": {"frequency": Int64(2**40)}})
        collection.update_one({"name": first[7]}, {"$set": {"frequency": 1.5}})  # to the document side
        collection.update_one({"name": first[8]}, {"$set": {"other": 1}})  # as well
        collection.update_one({"name": first[8]}, {"$unset": {"other": 1}})  # and back
        collection.bulk_write(
            [
                InsertOne(make(30, 1)),
                InsertOne(make(31, 2)),
                UpdateOne({"name": first[9]}, {"$inc": {"frequency": 5}}),
                UpdateOne({"name": first[10]}, {"$inc": {"frequency": 5}}),
                DeleteOne({"name": first[11]}),
            ],
            ordered=False,
        )
        expected = {
            each["name"]: float(each["frequency"])
            for each in collection.find({}, pushdown=False)
            if type(each["frequency"]) is not float
        }
        assert members(collection) == expected
        assert first[7] not in expected
        assert len(expected) == 18
        collection.delete_many({})
        assert members(collection) == {}

    def test_a_field_that_goes(self, database: Any) -> None:
        patterns = database.patterns_kb
        patterns.insert_many([pattern(1, 5), pattern(2, None)])
        patterns.create_index([("frequency", -1)], name="best: of all", sparse=True)
        assert members(patterns, "best: of all") == {named(1): 5.0}
        patterns.update_one({"name": named(2)}, {"$inc": {"frequency": 3}})
        patterns.update_one({"name": named(1)}, {"$unset": {"frequency": 1}})
        assert members(patterns, "best: of all") == {named(2): 3.0}
        assert members(patterns, "best: of all") == counted(patterns)

    def test_it_goes_with_the_index_and_with_the_collection(self, database: Any) -> None:
        symbols = database.symbols_kb
        for leave in (
            lambda: symbols.drop_index("frequency_1"),
            symbols.drop,
            lambda: symbols.database.client.drop_database(symbols.database.name),
        ):
            symbols.insert_one({"name": "a", "frequency": 1})
            symbols.create_index("frequency")
            assert members(symbols) == {"a": 1.0}
            leave()
            assert members(symbols) == {}
            symbols.insert_one({"name": "b", "frequency": 1})
            assert members(symbols) == {}
            symbols.drop()

    def test_emptying_keeps_the_index(self, database: Any) -> None:
        patterns = database.patterns_kb
        patterns.create_index("frequency")
        patterns.insert_many([pattern(number, number) for number in range(5)])
        knowledge = KnowledgeBase(database.client, database.name)
        knowledge.clear_all_memory()
        assert members(patterns) == {}
        patterns.insert_one(pattern(1, 7))
        assert members(patterns) == {named(1): 7.0}

    def test_it_stays_behind_when_the_documents_move(self, database: Any) -> None:
        symbols = database.symbols_kb
        symbols.insert_many([{"name": "a", "frequency": 1}, {"name": "b", "frequency": 2}])
        symbols.create_index("frequency")
        symbols.rename("plain")
        assert members(symbols) == {}
        assert sorted(each["name"] for each in database.plain.find({"frequency": {"$gte": 1}})) == ["a", "b"]

    def test_what_has_none(self, database: Any) -> None:
        symbols = database.symbols_kb
        symbols.insert_one({"name": "a", "frequency": 1})
        symbols.create_index([("frequency", 1), ("name", 1)])
        symbols.create_index("frequency", name="part", partialFilterExpression={"frequency": {"$gt": 5}})
        symbols.create_index("frequency", name="one", unique=True)
        for name in ("frequency_1_name_1", "part", "one"):
            assert members(symbols, name) == {}


class TestLearning:
    """The scripts of learning keep the sets too, and see definitions that are others than they knew."""

    def test_learn_count_forget(self, database: Any, other: MongoClient) -> None:
        knowledge = KnowledgeBase(database.client, database.name)
        knowledge.learn_pattern([["a", "b"], ["c"]])
        # The index is another client's: the learner knows other definitions.
        theirs = other[database.name]
        theirs.patterns_kb.create_index("frequency")
        theirs.symbols_kb.create_index("frequency")
        theirs.symbols_kb.create_index([("pattern_member_frequency", -1)])
        patterns, symbols = knowledge.patterns_kb, knowledge.symbols_kb

        def check() -> None:
            assert members(patterns) == counted(patterns)
            assert members(symbols) == counted(symbols)
            found = members(symbols, "pattern_member_frequency_-1")
            assert found == counted(symbols, "pattern_member_frequency")

        check()
        assert knowledge.learn_pattern([["a", "b"], ["c"]]) is False
        assert knowledge.learn_patterns([[["a", str(number), "a"]] for number in range(10)] * 2) == 10
        check()
        assert members(symbols)["a"] == 42.0
        writer = RedisWriter(database.client)
        writer.increment_symbol_frequency(database.name, "a")
        writer.increment_pattern_member_frequency(database.name, "new")
        check()
        assert members(symbols)["a"] == 43.0
        name = next(each["name"] for each in patterns.find({"frequency": 2}) if each["pattern_data"][0][1] == "3")
        assert knowledge.forget_pattern(name) is True
        check()
        assert "3" not in members(symbols)
        theirs.symbols_kb.drop_index("frequency_1")
        writer.increment_symbol_frequency(database.name, "a")
        knowledge.learn_pattern([["z"]])
        assert members(symbols) == {}
        assert members(patterns) == counted(patterns)

    def test_an_error_leaves_the_sets_as_they_were(self, database: Any) -> None:
        knowledge = KnowledgeBase(database.client, database.name)
        knowledge.patterns_kb.create_index("frequency")
        knowledge.symbols_kb.create_index("frequency")
        knowledge.learn_pattern([["a"]])
        before = members(knowledge.patterns_kb), members(knowledge.symbols_kb)
        redis(database.client, ("SET", f"{database.name}:symbol_to_patterns:b", "no set"))
        with pytest.raises(OperationFailure):
            knowledge.learn_patterns([[["a"]], [["b"]]])
        assert (members(knowledge.patterns_kb), members(knowledge.symbols_kb)) == before
        redis(database.client, ("DEL", f"{database.name}:symbol_to_patterns:b"))

    @pytest.mark.parametrize("kind", ["patterns_kb", "symbols_kb"])
    def test_it_refuses_a_unique_index_that_it_does_not_keep(self, database: Any, kind: str) -> None:
        knowledge = KnowledgeBase(database.client, database.name)
        knowledge.learn_pattern([["a"]])
        database[kind].create_index("code", unique=True, sparse=True)
        database[kind].create_index("kind", unique=True, partialFilterExpression={"kind": {"$exists": True}})
        assert knowledge.learn_pattern([["a"]]) is False
        database[kind].create_index("frequency", unique=True)
        with pytest.raises(OperationFailure) as caught:
            knowledge.learn_pattern([["b"]])
        assert caught.value.code == 115
        assert "frequency_1" in str(caught.value)
        database[kind].drop_index("frequency_1")
        assert knowledge.learn_pattern([["b"]]) is True


class TestTotals:
    """A totals document on the document side stays the only one."""

    def test_learning_and_forgetting_count_it(self, database: Any) -> None:
        knowledge = KnowledgeBase(database.client, database.name)
        knowledge.learn_pattern([["a", "b"]])
        knowledge.metadata.update_one({"class": "totals"}, {"$set": {"note": 1.5}})
        knowledge.learn_pattern([["a", "b"]])
        knowledge.learn_patterns([[["c"]], [["c"]], [["d", "d"]]])
        expected = {
            "class": "totals",
            "total_pattern_frequencies": 5,
            "total_symbol_frequencies": 8,
            "total_symbols_in_patterns_frequencies": 4,
            "total_unique_patterns": 3,
            "note": 1.5,
        }
        assert list(knowledge.metadata.find({}, {"_id": 0})) == [expected]
        name = next(each["name"] for each in knowledge.patterns_kb.find({"pattern_data": [["c"]]}))
        assert knowledge.forget_pattern(name) is True
        expected |= {
            "total_pattern_frequencies": 3,
            "total_symbol_frequencies": 6,
            "total_symbols_in_patterns_frequencies": 3,
            "total_unique_patterns": 2,
        }
        assert list(knowledge.metadata.find({}, {"_id": 0})) == [expected]
        knowledge.metadata.update_one({"class": "totals"}, {"$unset": {"note": 1}})
        knowledge.learn_pattern([["e"]])
        (totals,) = knowledge.metadata.find({}, {"_id": 0})
        assert totals == {key: value for key, value in expected.items() if key != "note"} | {
            "total_pattern_frequencies": 4,
            "total_symbol_frequencies": 7,
            "total_symbols_in_patterns_frequencies": 4,
            "total_unique_patterns": 3,
        }


class TestBuilding:
    """Building is exact while writers go on."""

    @pytest.mark.parametrize("kind", ["patterns_kb", "symbols_kb"])
    def test_beside_writers(self, client: MongoClient, other: MongoClient, database: Any, kind: str) -> None:
        knowledge = KnowledgeBase(client, database.name)
        theirs = KnowledgeBase(other, database.name)
        knowledge.learn_patterns([[["a", f"s{number}"]] for number in range(2500)])
        knowledge.flush()
        failures: list[BaseException] = []
        stop = threading.Event()
        collection = database[kind]

        def repeat(seed: int, work: Callable[[random.Random], Any]) -> None:
            randomly = random.Random(seed)
            try:
                while not stop.is_set():
                    work(randomly)
            except BaseException as error:
                failures.append(error)

        def learn(randomly: random.Random) -> None:
            theirs.learn_patterns([[["a", f"s{randomly.randrange(3000)}"]] for _ in range(5)])

        def update(randomly: random.Random) -> None:
            collection.update_one({"name": self.any_name(kind, randomly)}, {"$inc": {"frequency": 7}})

        def insert(randomly: random.Random) -> None:
            number = randomly.randrange(10**6)
            document = pattern(number, 3) if kind == "patterns_kb" else {"name": f"x{number}", "frequency": 3}
            if not collection.count_documents({"name": document["name"]}):
                collection.insert_one(document)

        def delete(randomly: random.Random) -> None:
            other[database.name][kind].delete_one({"name": self.any_name(kind, randomly)})

        threads = [
            threading.Thread(target=repeat, args=(seed, work))
            for seed, work in enumerate((learn, update, insert, delete))
        ]
        for thread in threads:
            thread.start()
        try:
            collection.create_index("frequency")
            collection.drop_index("frequency_1")
            collection.create_index("frequency")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert failures == []
        assert members(collection) == counted(collection)
        assert len(members(collection)) > 2000

    @staticmethod
    def any_name(kind: str, randomly: random.Random) -> str:
        """The name of a pattern or symbol that may be there."""
        number = randomly.randrange(2500)
        if kind == "symbols_kb":
            return f"s{number}"
        return hashlib.sha1(str([["a", f"s{number}"]]).encode(), usedforsecurity=False).hexdigest()

    def test_data_of_others_count(self, database: Any) -> None:
        name, patterns = database.name, database.patterns_kb
        patterns.insert_many([pattern(1, 1), pattern(2, 2)])
        redis(database.client, ("INCRBY", f"{name}:frequency:{named(1)}", 41))
        patterns.create_index("frequency")
        assert members(patterns) == {named(1): 42.0, named(2): 2.0}

    def test_a_counter_that_is_none(self, database: Any) -> None:
        patterns = database.patterns_kb
        patterns.insert_one(pattern(1, 1))
        redis(database.client, ("SET", f"{database.name}:frequency:{named(1)}", "many"))
        with pytest.raises(OperationFailure) as caught:
            patterns.create_index("frequency")
        assert caught.value.code == 22
        assert list(patterns.index_information()) == ["_id_"]
