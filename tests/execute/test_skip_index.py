"""Indexes on columns of mapped collections: skip indexes of ClickHouse, one a column of a table."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from kato_compat import MongoClient
from kato_compat.ir.requests import Pipeline, Select
from kato_compat.mapping.spec import CollectionSpec, Table
from kato_compat.sql.column import Column, ColumnType

CREATE: Final = """
CREATE TABLE IF NOT EXISTS skipped_rows (
    tenant String,
    id String,
    colour String,
    size UInt32,
    words Array(String),
    events Array(Array(String))
) ENGINE = MergeTree PARTITION BY tenant ORDER BY (tenant, id)
SETTINGS index_granularity = 64, enable_block_number_column = 1, enable_block_offset_column = 1
"""
ROWS: Final = CollectionSpec(
    "rows",
    Table("skipped_rows", "tenant", CREATE),
    "id",
    {
        "colour": Column("colour", ColumnType.STRING),
        "size": Column("size", ColumnType.UINT32),
        "words": Column("words", ColumnType.STRINGS),
        "events": Column("events", ColumnType.STRING_LISTS),
    },
)


@pytest.fixture
def client(embedded_path: Path) -> Iterator[MongoClient]:
    with MongoClient(f"embedded://{embedded_path}", specs=(ROWS,)) as client:
        yield client


@pytest.fixture
def make(client: MongoClient, fresh_name: Callable[[], str]) -> Iterator[Callable[[], Any]]:
    """A function that makes a collection of 1,000 rows in a database of its own."""
    made: list[str] = []

    def fill() -> Any:
        made.append(fresh_name())
        rows = client[made[-1]].rows
        rows.insert_many(
            {
                "id": f"r{number:04d}",
                "colour": f"c{number // 100}",
                "size": number,
                "words": [f"w{number}", "all"],
                "events": [[f"e{number}"]],
            }
            for number in range(1000)
        )
        client.flush()
        return rows

    yield fill
    for name in made:
        client.drop_database(name)


def select(client: MongoClient, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """The rows of a statement."""

    def flow() -> Any:
        return (yield Select(sql, parameters or {}))

    found: list[tuple[Any, ...]] = client.deployment.run(flow())
    return found


def skip_indexes(client: MongoClient, table: str = "skipped_rows") -> list[tuple[Any, ...]]:
    """(name, type, expression) of the skip indexes of a table."""
    sql = "SELECT name, type, expr FROM system.data_skipping_indices WHERE table = {t:String} ORDER BY name"
    return select(client, sql, {"t": table})


def explained(collection: Any, query: Any) -> tuple[str, dict[str, Any]]:
    """ClickHouse's explanation of the scan of a find, and ours."""
    ours = collection.find(query).explain()["kato_compat"]
    rows = select(collection.database.client, "EXPLAIN indexes = 1 " + ours["sql"], ours["parameters"])
    return "\n".join(row[0] for row in rows), ours


@pytest.mark.parametrize(
    ("field", "kind", "query", "count"),
    [
        ("colour", "bloom_filter", {"colour": "c3"}, 100),
        ("colour", "bloom_filter", {"colour": {"$in": ["c3", "c7"]}}, 200),
        ("size", "minmax", {"size": {"$gte": 990}}, 10),
        ("size", "minmax", {"size": 5.0}, 1),
        ("words", "bloom_filter", {"words": "w77"}, 1),
        ("words", "bloom_filter", {"words": {"$in": ["w77", "w78"]}}, 2),
    ],
)
def test_a_query_uses_it(
    make: Callable[[], Any], client: MongoClient, field: str, kind: str, query: Any, count: int
) -> None:
    rows = make()
    before, _ = explained(rows, query)
    assert "Skip" not in before
    rows.create_index(field)
    assert skip_indexes(client) == [(f"kato_compat_{field}", kind, field)]
    after, ours = explained(rows, query)
    assert f"Name: kato_compat_{field}" in after
    granules = [line.split()[1] for line in after[after.index("Skip") :].splitlines() if "Granules" in line]
    read, there = map(int, granules[0].split("/"))
    assert read < there
    placements = {each["reason"] for each in ours["placements"] if each["where"] == "INDEX"}
    assert placements == {f"{field}_1: a skip index of ClickHouse leaves out granules of rows"}
    assert rows.count_documents(query) == count
    rows.drop_index(f"{field}_1")
    assert skip_indexes(client) == []
    assert rows.count_documents(query) == count


def test_rows_that_come_later_are_in_it(make: Callable[[], Any], client: MongoClient) -> None:
    rows = make()
    rows.create_index("size")
    rows.insert_many(
        {"id": f"x{number}", "colour": "new", "size": 5000 + number, "words": [], "events": []} for number in range(200)
    )
    client.flush()
    text, _ = explained(rows, {"size": 5100})
    assert "Name: kato_compat_size" in text
    assert [each["id"] for each in rows.find({"size": 5100})] == ["x100"]


def test_it_is_there_while_an_index_wants_it(make: Callable[[], Any], client: MongoClient) -> None:
    one, two = make(), make()
    one.create_index("size")
    one.create_index([("size", -1)])
    two.create_index("size")
    assert one.create_index("size") == "size_1"
    for leave in (lambda: one.drop_index("size_1"), lambda: one.drop_indexes(), lambda: two.drop()):
        assert [name for name, _, _ in skip_indexes(client)] == ["kato_compat_size"]
        leave()
    assert skip_indexes(client) == []
    assert one.count_documents({"size": {"$lt": 10}}) == 10
    one.create_index("size")
    client.drop_database(one.database.name)
    assert skip_indexes(client) == []

    def flow() -> Any:
        return (yield Pipeline((("KEYS", "kato_compat:skip:*"),)))

    assert client.deployment.run(flow()) == [[]]


def test_indexes_that_want_none(make: Callable[[], Any], client: MongoClient) -> None:
    rows = make()
    rows.create_index("id")
    rows.create_index("events")
    rows.create_index([("size", 1), ("colour", 1)])
    rows.create_index("colour", hidden=True)
    rows.create_index("other")
    assert skip_indexes(client) == []
    found = rows.find({"id": {"$gt": "r0990"}, "events": ["e995"], "size": {"$gt": 3}}).explain()["kato_compat"]
    assert {each["term"]: each["reason"] for each in found["placements"] if each["where"] == "INDEX"} == {
        "id": "id_1: the key, by which documents are found without it",
        "events": "events_1: documents beside only: no skip index helps with conditions on lists of lists",
        "size, colour": "size_1_colour_1: documents beside only: nothing is added to the mapped side",
    }
    assert rows.count_documents({"events": ["e995"]}) == 1


def test_one_that_the_table_has_is_left_alone(client: MongoClient, fresh_name: Callable[[], str]) -> None:
    patterns = client[fresh_name()].patterns_kb
    patterns.insert_one({"name": "0" * 40, "pattern_data": [["a"]], "length": 1})
    client.flush()
    before = skip_indexes(client, "patterns_data")
    assert ("idx_length", "minmax", "length") in before
    patterns.create_index("length")
    patterns.create_index("pattern_data")
    assert skip_indexes(client, "patterns_data") == before
    assert patterns.count_documents({"length": 1}) == 1
    patterns.drop_indexes()
    assert skip_indexes(client, "patterns_data") == before
    client.drop_database(patterns.database.name)


def test_a_unique_index_keeps_its_documents_beside(make: Callable[[], Any], client: MongoClient) -> None:
    rows = make()
    rows.create_index("size", unique=True)
    assert skip_indexes(client) == []
    assert rows.count_documents({"size": {"$lt": 10}}) == 10
