"""What reading costs and hands out: requests made, duplicate rows, distinct values, copies."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kato_compat import MongoClient
from kato_compat.ir.requests import Execute, Flow, InsertRows, Pipeline, Select, Sleep, alongside, between


def named(number: int) -> str:
    """A pattern's name."""
    return hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()


def pattern(number: int, *events: list[str]) -> dict[str, Any]:
    """A document that the mapping holds."""
    length = sum(map(len, events))
    return {"name": named(number), "pattern_data": list(events), "length": length, "frequency": number}


@pytest.fixture(scope="module")
def client(embedded_path: Path) -> Iterator[MongoClient]:
    with MongoClient(f"embedded://{embedded_path}") as client:
        yield client


@pytest.fixture
def database(client: MongoClient, fresh_name: Callable[[], str]) -> Iterator[Any]:
    name = fresh_name()
    yield client[name]
    client.drop_database(name)


@pytest.fixture
def requests(client: MongoClient, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests that the client makes from now on."""
    made: list[Any] = []
    perform = client.deployment.driver._perform
    for kind, performer in list(perform.items()):

        def recorded(request: Any, performer: Callable[[Any], Any] = performer) -> Any:
            made.append(request)
            return performer(request)

        monkeypatch.setitem(perform, kind, recorded)
    return made


class TestAlongside:
    """Commands that join the first pipeline of a flow."""

    @staticmethod
    def flow() -> Flow[list[Any]]:
        """Two pipelines after a wait."""
        yield Sleep(0)
        first = yield Pipeline((("GET", "a"), ("GET", "b")))
        second = yield Pipeline((("GET", "c"),))
        return [first, second]

    @staticmethod
    def run(flow: Flow[Any]) -> tuple[Any, list[Any]]:
        """The result, and the commands sent; the reply to a command is its key."""
        sent: list[Any] = []
        request = next(flow)
        try:
            while True:
                if isinstance(request, Pipeline):
                    sent.append([command[1] for command in request.commands])  # type: ignore[index]
                    request = flow.send(sent[-1])
                else:
                    request = flow.send(None)
        except StopIteration as end:
            return end.value, sent

    def test_behind(self) -> None:
        result, sent = self.run(alongside(self.flow(), (("GET", "x"), ("GET", "y"))))
        assert result == ([["a", "b"], ["c"]], ["x", "y"])
        assert sent == [["a", "b", "x", "y"], ["c"]]

    def test_ahead(self) -> None:
        result, sent = self.run(between((("GET", "x"),), self.flow(), (("GET", "y"),)))
        assert result == ([["a", "b"], ["c"]], ["x"], ["y"])
        assert sent == [["x", "a", "b", "y"], ["c"]]

    def test_a_flow_without_a_pipeline(self) -> None:
        def idle() -> Flow[int]:
            yield Sleep(0)
            return 7

        assert self.run(alongside(idle(), (("GET", "x"),))) == ((7, None), [])
        assert self.run(between((("GET", "x"),), idle())) == ((7, ["x"], []), [["x"]])

    def test_an_error_reaches_the_flow(self) -> None:
        def careful() -> Flow[str]:
            try:
                yield Pipeline((("GET", "a"),))
            except ValueError:
                (reply,) = yield Pipeline((("GET", "b"),))
                return str(reply)
            return "none"

        flow = alongside(careful(), (("GET", "x"),))
        next(flow)
        assert flow.throw(ValueError()) == Pipeline((("GET", "b"), ("GET", "x")))
        with pytest.raises(StopIteration) as end:
            flow.send(["b", "x"])
        assert end.value.value == ("b", ["x"])


def test_a_read_by_key_is_one_round_trip(database: Any, requests: list[Any]) -> None:
    symbols = database.symbols_kb
    symbols.insert_many([{"name": f"s{number}", "frequency": number + 1} for number in range(5)])
    del requests[:]
    assert [each["frequency"] for each in symbols.find({"name": {"$in": ["s1", "s3", "no"]}})] == [2, 4]
    assert [type(request) for request in requests] == [Pipeline]
    del requests[:]
    assert symbols.find_one({"name": "no"}) is None
    assert [type(request) for request in requests] == [Pipeline]
    del requests[:]
    assert symbols.count_documents({}) == 5
    assert [type(request) for request in requests] == [Pipeline]


def test_a_read_by_key_looks_at_both_sides(database: Any) -> None:
    symbols = database.symbols_kb
    symbols.insert_one({"name": "a", "frequency": 1})
    symbols.insert_one({"name": "a", "frequency": "many"})
    symbols.insert_one({"name": ["b", "a"], "other": True})
    symbols.insert_one({"name": "c", "other": True})
    found = list(symbols.find({"name": "a"}, {"_id": 0}))
    assert found == [
        {"name": "a", "frequency": 1},
        {"name": "a", "frequency": "many"},
        {"name": ["b", "a"], "other": True},
    ]
    assert list(symbols.find({"name": {"$in": ["c", "x"]}}, {"_id": 0})) == [{"name": "c", "other": True}]
    assert symbols.count_documents({"name": "a"}) == 3
    assert symbols.count_documents({}) == 4


def test_terms_on_the_key_that_the_keys_do_not_answer(database: Any) -> None:
    patterns = database.patterns_kb
    patterns.insert_many([pattern(number, ["x"]) for number in range(4)])
    names = [named(number) for number in range(4)]
    query = {"$and": [{"name": {"$in": names[:3]}}, {"name": {"$in": names[2:]}}]}
    assert [each["name"] for each in patterns.find(query)] == names[2:3]
    assert patterns.count_documents({"name": {"$in": names[:2]}, "frequency": {"$gt": 0}}) == 1
    assert patterns.count_documents({"name": {"$in": [names[0], 5, b"x"]}}) == 1
    assert patterns.count_documents({"$and": [{"name": names[0]}, {"name": {"$gt": names[0]}}]}) == 0


class TestCount:
    """Rows that others wrote twice count once, whatever changes."""

    @staticmethod
    def write(client: Any, kb_id: str, *numbers: int) -> None:
        """Rows as another program writes them, into the table that is there."""
        client[kb_id].patterns_kb.count_documents({})
        rows = [(kb_id, named(number), [["x"]], 1) for number in numbers]
        columns = ("kb_id", "name", "pattern_data", "length")
        client.deployment.clickhouse.insert_rows(InsertRows("kato", "patterns_data", columns, rows))

    @staticmethod
    def execute(client: Any, text: str, **parameters: str) -> None:
        client.deployment.clickhouse.execute(Execute(text, parameters))

    def test_duplicates_come_and_go(self, client: Any, database: Any) -> None:
        patterns, kb_id = database.patterns_kb, database.name
        assert patterns.count_documents({}) == 0
        for numbers, count in (((1, 2, 3), 3), ((3, 4), 4), ((1, 1), 4), ((5,), 5)):
            self.write(client, kb_id, *numbers)
            assert patterns.count_documents({}) == count
            assert patterns.count_documents({}) == count
        delete = "DELETE FROM kato.patterns_data WHERE kb_id = {kb:String} AND name = {name:String}"
        self.execute(client, delete, kb=kb_id, name=named(1))
        assert patterns.count_documents({}) == 4
        self.execute(client, "OPTIMIZE TABLE kato.patterns_data PARTITION {kb:String} FINAL", kb=kb_id)
        assert patterns.count_documents({}) == 4
        patterns.insert_one(pattern(1, ["y"]))
        assert patterns.count_documents({}) == 5
        patterns.delete_many({})
        assert patterns.count_documents({}) == 0

    def test_an_unchanged_table_is_not_read_again(self, client: Any, database: Any, requests: list[Any]) -> None:
        patterns = database.patterns_kb
        self.write(client, database.name, 1, 2, 2)
        assert patterns.count_documents({}) == 2
        del requests[:]
        assert patterns.count_documents({}) == 2
        # The last one looks whether a document has changed sides meanwhile.
        assert [type(request) for request in requests] == [Pipeline, Select, Pipeline]
        assert "uniqExact" not in requests[1].sql


class TestDistinctValues:
    """A `$group` of a column alone is answered from the column's distinct values."""

    PIPELINES = (
        [{"$project": {"pattern_data": 1}}, {"$unwind": "$pattern_data"}, {"$unwind": "$pattern_data"}],
        [{"$match": {"length": {"$gte": 2}}}, {"$unwind": "$pattern_data"}, {"$unwind": "$pattern_data"}],
        [{"$unwind": "$pattern_data"}] * 3,
        [{"$unwind": "$pattern_data"}],
        [],
    )

    @pytest.mark.parametrize("stages", PIPELINES)
    def test_same_as_from_rows(self, client: Any, database: Any, stages: list[Any]) -> None:
        patterns = database.patterns_kb
        patterns.insert_many(
            [pattern(1, ["b", "a"], ["c"]), pattern(2), pattern(3, ["c"], []), pattern(4, ["é", "Z", "b"], ["c"])]
        )
        client.flush()
        patterns.insert_many([pattern(5, ["pending", "a"])])
        patterns.insert_one({"name": "aside", "pattern_data": ["flat", 5, ["c", None]], "length": 3})
        pipeline = [*stages, {"$group": {"_id": "$pattern_data"}}, {"$sort": {"_id": 1}}]
        answer = list(patterns.aggregate(pipeline))
        # Arrays of the same least element are equal for a sort: these come in any order.
        assert sorted(answer, key=repr) == sorted(patterns.aggregate(pipeline, pushdown=False), key=repr)
        assert len(answer) > 2
        tree = patterns.explain_aggregate(pipeline)["kato_compat"]
        assert "SELECT DISTINCT" in tree["sql"]

    def test_numbers(self, database: Any) -> None:
        patterns = database.patterns_kb
        patterns.insert_many([pattern(number, ["a"] * (number % 3)) for number in range(9)])
        pipeline: list[Any] = [{"$group": {"_id": "$length"}}, {"$sort": {"_id": 1}}]
        assert list(patterns.aggregate(pipeline)) == [{"_id": 0}, {"_id": 1}, {"_id": 2}]

    @pytest.mark.parametrize(
        "pipeline",
        [
            [{"$unwind": "$pattern_data"}, {"$group": {"_id": "$pattern_data", "n": {"$sum": 1}}}],
            [
                {"$unwind": {"path": "$pattern_data", "preserveNullAndEmptyArrays": True}},
                {"$group": {"_id": "$pattern_data"}},
            ],
            [{"$project": {"length": 1}}, {"$group": {"_id": "$pattern_data"}}],
            [{"$project": {"pattern_data": "$length"}}, {"$group": {"_id": "$pattern_data"}}],
            [{"$match": {"frequency": 1}}, {"$group": {"_id": "$pattern_data"}}],
            [{"$unwind": "$pattern_data"}, {"$group": {"_id": "$length"}}],
            [{"$group": {"_id": "$frequency"}}],
        ],
    )
    def test_not_where_rows_matter(self, database: Any, pipeline: list[Any]) -> None:
        patterns = database.patterns_kb
        patterns.insert_many([pattern(1, ["a"], ["b"]), pattern(2), pattern(3, ["b"], ["a"], ["a"])])
        explained = patterns.explain_aggregate(pipeline)["kato_compat"]
        assert "DISTINCT" not in explained.get("sql", "")
        ordered = [*pipeline, {"$sort": {"_id": 1}}]
        assert list(patterns.aggregate(ordered)) == list(patterns.aggregate(ordered, pushdown=False))


class TestCopies:
    """Callers may change what they get: nothing else changes with it."""

    @pytest.mark.parametrize(
        "projection",
        [
            None,
            {"_id": 0},
            {"pattern_data": 1},
            {"pattern_data": {"$slice": 1}},
            {"a": "$pattern_data", "b": "$pattern_data"},
        ],
    )
    def test_find(self, client: Any, database: Any, projection: Any) -> None:
        for patterns in (database.patterns_kb, MongoClient("memory://").kb.patterns_kb):
            patterns.insert_many([pattern(1, ["x"]), pattern(2, ["y"])])
            before = list(patterns.find({}, projection))
            for document in patterns.find({}, projection):
                for name in ("pattern_data", "a"):
                    if name in document:
                        document[name][0].append("changed")
                        document[name].append("changed")
                assert "changed" not in document.get("b", [])
            assert list(patterns.find({}, projection)) == before

    @pytest.mark.parametrize(
        "stage",
        [
            {"$addFields": {"copy": "$pattern_data"}},
            {"$addFields": {"copy": {"$literal": [[]]}}},
            {"$lookup": {"from": "other", "pipeline": [], "as": "copy"}},
        ],
    )
    def test_aggregate(self, database: Any, stage: Any) -> None:
        database.patterns_kb.insert_many([pattern(1, ["x"]), pattern(2, ["y"])])
        database.other.insert_one({"_id": 1})
        first, second = database.patterns_kb.aggregate([stage, {"$sort": {"frequency": 1}}])
        first["copy"].append("changed")
        assert "changed" not in first["pattern_data"]
        assert "changed" not in second["copy"]
