"""The ClickHouse store on chDB in this process and over HTTP: the same expectations on both."""

import datetime
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from chdbhttp import ChdbHttp
from pymongo.errors import ConfigurationError, ExecutionTimeout, InvalidOperation, OperationFailure

from kato_compat.ir.requests import Execute, InsertRows, OpenScan, Select
from kato_compat.stores.clickhouse import ClickHouseStore

STRINGS = [
    "",
    "plain",
    "it's",
    "''",
    "'",
    "\\",
    "\\'",
    "\\n",
    "\\N",
    "NULL",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "a\0b\0",
    "\b\f\v\x1b\x7f",
    '"',
    "`",
    "$",
    "%",
    "%s %(x)s %%",
    "{x:Int64}",
    "{}",
    "[1, 'a']",
    "; DROP TABLE t; --",
    "/* */ # --",
    " leading and trailing ",
    "é ß 漢字 \u2028 \ufeff",
    "😀👩‍👩‍👧",
    "\U0010ffff",
    "x" * 100_000,
]


@pytest.fixture(scope="module")
def http_store(clickhouse_http: ChdbHttp) -> Iterator[ClickHouseStore]:
    store = ClickHouseStore(clickhouse_http.url())
    yield store
    store.close()


@pytest.fixture(scope="module", params=["chdb", "http"])
def store(request: pytest.FixtureRequest) -> ClickHouseStore:
    name = {"chdb": "clickhouse_store", "http": "http_store"}[request.param]
    found: ClickHouseStore = request.getfixturevalue(name)
    return found


@pytest.fixture
def table(store: ClickHouseStore, fresh_name: Callable[[], str]) -> Iterator[str]:
    """The name of a database with an empty table ``t (a Int64, b Array(String), c Nullable(String))``."""
    name = fresh_name()
    store.execute(Execute(f"CREATE DATABASE {name}"))
    columns = "a Int64, b Array(String), c Nullable(String)"
    settings = "non_replicated_deduplication_window = 100"
    store.execute(Execute(f"CREATE TABLE {name}.t ({columns}) ENGINE = MergeTree ORDER BY a SETTINGS {settings}"))
    yield name
    store.execute(Execute(f"DROP DATABASE {name} SYNC"))


def one(store: ClickHouseStore, declared: str, value: Any) -> Any:
    """`value` bound as `declared` and read back."""
    rows = store.select(Select(f"SELECT {{value:{declared}}}", {"value": value}))
    assert len(rows) == 1
    assert len(rows[0]) == 1
    return rows[0][0]


def drain(store: ClickHouseStore, scan: Any) -> None:
    """Read `scan` to its end."""
    while store.next_block(scan):
        pass


@pytest.mark.parametrize("value", STRINGS, ids=lambda value: repr(value[:20]))
def test_strings_come_back_exactly(store: ClickHouseStore, value: str) -> None:
    for declared, bound in [
        ("String", value),
        ("Nullable(String)", value),
        ("Array(String)", [value, "x", value]),
        ("Array(Nullable(String))", [value, None]),
        ("Array(Array(String))", [[value], [], [value, value]]),
        ("Array(Tuple(String, Int64))", [(value, 1)]),
        ("Map(String, Array(String))", {value: [value]}),
        ("LowCardinality(String)", value),
    ]:
        found = one(store, declared, bound)
        assert found == bound, declared
        assert type(found) is type(bound)


def test_values_are_bound_not_formatted(store: ClickHouseStore) -> None:
    # The engine sees the string's own length, and a placeholder inside a value is text.
    value = "'), (SELECT 1) -- {value:String}\\"
    rows = store.select(
        Select("SELECT length({value:String}), {value:String} = {other:String}", {"value": value, "other": value})
    )
    assert rows == [(len(value), 1)]


def test_ten_thousand_strings(store: ClickHouseStore) -> None:
    values = [f"symbol '{number}' \\ \t|é😀" for number in range(10_000)]
    assert one(store, "Array(String)", values) == values
    rows = store.select(
        Select(
            "SELECT count() FROM numbers(20000) WHERE toString(number) IN {names:Array(String)}",
            {"names": [str(n) for n in range(10_000)]},
        )
    )
    assert rows == [(10_000,)]


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("Int64", 2**63 - 1),
        ("Int64", -(2**63)),
        ("UInt64", 2**64 - 1),
        ("UInt64", 0),
        ("Int128", -(2**127)),
        ("Int8", -128),
        ("Array(Int64)", [2**63 - 1, -(2**63), 0]),
        ("Array(UInt64)", []),
        ("Nullable(Int64)", None),
        ("Float64", 0.1),
        ("Float64", 5e-324),
        ("Float64", 1.7976931348623157e308),
        ("Float64", float("inf")),
        ("Array(Float64)", [float("-inf"), -1.5, 1e22]),
        ("Bool", True),
        ("Array(Bool)", [True, False]),
        ("Tuple(String, Nullable(Int64))", ("a'", None)),
        ("UUID", UUID(int=1)),
    ],
)
def test_numbers_come_back_exactly(store: ClickHouseStore, declared: str, value: Any) -> None:
    found = one(store, declared, value)
    assert found == value
    assert type(found) is type(value)


def test_nan_and_negative_zero(store: ClickHouseStore) -> None:
    assert repr(one(store, "Array(Float64)", [float("nan"), -0.0])) == "[nan, -0.0]"


@pytest.mark.parametrize(
    ("declared", "value"),
    [("Int64", 2**63), ("Int64", -(2**63) - 1), ("UInt64", 2**64), ("UInt8", -1), ("Array(Int64)", [2**63])],
)
def test_an_integer_that_does_not_fit_is_refused(store: ClickHouseStore, declared: str, value: Any) -> None:
    with pytest.raises(OverflowError):
        one(store, declared, value)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("Int64", "1"),
        ("Int64", 1.0),
        ("String", 1),
        ("String", b"bytes"),
        ("Array(String)", "text"),
        ("Array(String)", ["a", 1]),
        ("Float64", "1"),
        ("Bool", 1),
        ("Map(String, String)", []),
        ("UUID", "x"),
        ("JSON", {}),
    ],
)
def test_a_value_of_another_type_is_refused(store: ClickHouseStore, declared: str, value: Any) -> None:
    with pytest.raises(TypeError):
        one(store, declared, value)


def test_names_of_placeholders_and_parameters_must_agree(store: ClickHouseStore) -> None:
    with pytest.raises(ValueError, match="differ"):
        store.select(Select("SELECT {a:String}", {"b": "x"}))
    with pytest.raises(ValueError, match="differ"):
        store.select(Select("SELECT 1", {"b": "x"}))


def test_instants_are_utc(store: ClickHouseStore) -> None:
    instant = datetime.datetime(1969, 12, 31, 23, 59, 59, 250_000, tzinfo=datetime.UTC)
    assert one(store, "DateTime64(6)", instant) == instant.replace(tzinfo=None)
    east = instant.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30)))
    assert one(store, "Array(DateTime64(6, 'UTC'))", [east])[0].replace(tzinfo=None) == instant.replace(tzinfo=None)
    with pytest.raises(OverflowError):
        one(store, "DateTime", instant)
    with pytest.raises(TypeError):
        one(store, "DateTime64(3)", instant.replace(tzinfo=None))
    with pytest.raises(TypeError):
        one(store, "DateTime64(3, 'Europe/Rome')", instant)
    rows = store.select(Select("SELECT toString(toDateTime(0)), toDateTime(0)"))
    assert rows == [("1970-01-01 00:00:00", datetime.datetime(1970, 1, 1))]


@pytest.mark.parametrize("sql", ["SELECT unhex('ff41')", "SELECT ['a', unhex('c3')]", "SELECT map('k', unhex('80'))"])
def test_strings_that_are_not_utf8_are_refused(store: ClickHouseStore, sql: str) -> None:
    with pytest.raises(OperationFailure, match="not UTF-8"):
        store.select(Select(sql))
    scan = store.open_scan(OpenScan(sql))
    with pytest.raises(OperationFailure, match="not UTF-8"):
        store.next_block(scan)
    assert store.select(Select("SELECT 'é'")) == [("é",)]


def test_no_rows(store: ClickHouseStore) -> None:
    assert store.select(Select("SELECT 1, 'a' WHERE 0")) == []
    assert store.select(Select("SELECT 1 LIMIT 0")) == []
    scan = store.open_scan(OpenScan("SELECT 1, 'a' WHERE 0"))
    assert store.next_block(scan) == []
    assert store.next_block(scan) == []


def test_inserted_rows_are_there_at_once(store: ClickHouseStore, table: str) -> None:
    rows = [(number, [text, "é"], text) for number, text in enumerate(STRINGS)]
    rows.append((len(rows), [], None))  # type: ignore[arg-type]
    store.insert_rows(InsertRows(table, "t", ("a", "b", "c"), rows))
    assert store.select(Select(f"SELECT a, b, c FROM {table}.t ORDER BY a")) == rows
    store.insert_rows(InsertRows(table, "t", ("c", "a"), [("later", 1000)]))
    assert store.select(Select(f"SELECT * FROM {table}.t WHERE a = 1000")) == [(1000, [], "later")]
    store.insert_rows(InsertRows(table, "t", ("a",), []))


def test_types_of_columns_are_asked_again_after_a_statement(store: ClickHouseStore, table: str) -> None:
    store.insert_rows(InsertRows(table, "t", ("a", "c"), [(1, "x")]))
    store.execute(Execute(f"DROP TABLE {table}.t SYNC"))
    store.execute(Execute(f"CREATE TABLE {table}.t (a String, c Array(Int64)) ENGINE = MergeTree ORDER BY a"))
    store.insert_rows(InsertRows(table, "t", ("a", "c"), [("k", [1, 2])]))
    assert store.select(Select(f"SELECT a, c FROM {table}.t")) == [("k", [1, 2])]


def test_deduplication_token(store: ClickHouseStore, table: str) -> None:
    counts = []
    for token, number in [("block-1", 1), ("block-1", 1), ("block-1", 2), ("block-2", 1)]:
        store.insert_rows(InsertRows(table, "t", ("a",), [(number,)], token))
        counts.append(store.select(Select(f"SELECT count() FROM {table}.t"))[0][0])
    # The token decides, not the rows.
    assert counts == [1, 1, 1, 2]
    with pytest.raises(ValueError, match="token"):
        store.insert_rows(InsertRows(table, "t", ("a",), [(1,)], "a'b"))


def test_a_failed_insert_stores_nothing(store: ClickHouseStore, table: str) -> None:
    with pytest.raises(TypeError):
        store.insert_rows(InsertRows(table, "t", ("a", "b"), [(1, ["x"]), (2, None)]))
    assert store.select(Select(f"SELECT count() FROM {table}.t")) == [(0,)]
    with pytest.raises(OperationFailure) as raised:
        store.insert_rows(InsertRows(table, "absent", ("a",), [(1,)]))
    assert raised.value.code == 26
    store.insert_rows(InsertRows(table, "t", ("a",), [(1,)]))
    assert store.select(Select(f"SELECT count() FROM {table}.t")) == [(1,)]


def test_delete_has_happened_when_it_returns(store: ClickHouseStore, table: str) -> None:
    store.insert_rows(InsertRows(table, "t", ("a", "c"), [(number, "it's") for number in range(10)]))
    store.execute(
        Execute(f"DELETE FROM {table}.t WHERE a < {{limit:Int64}} AND c = {{c:String}}", {"limit": 4, "c": "it's"})
    )
    assert store.select(Select(f"SELECT count() FROM {table}.t")) == [(6,)]
    store.execute(Execute(f"ALTER TABLE {table}.t DELETE WHERE a < {{limit:Int64}}", {"limit": 6}))
    assert store.select(Select(f"SELECT count() FROM {table}.t")) == [(4,)]


def test_a_scan_streams_in_order_beside_other_requests(store: ClickHouseStore, table: str) -> None:
    store.insert_rows(InsertRows(table, "t", ("a", "c"), [(number, f"é{number}") for number in range(30_000)]))
    scan = store.open_scan(OpenScan(f"SELECT a, c FROM {table}.t WHERE a >= {{low:Int64}} ORDER BY a", {"low": 10}))
    found, blocks = [], 0
    while block := store.next_block(scan):
        assert store.select(Select("SELECT 1")) == [(1,)]
        found.extend(block)
        blocks += 1
        assert len(block) <= 8192
    assert found == [(number, f"é{number}") for number in range(10, 30_000)]
    assert blocks > 2
    assert store.next_block(scan) == []
    store.close_scan(scan)


def test_scans_can_be_nested_and_closed_early(store: ClickHouseStore) -> None:
    scans = [store.open_scan(OpenScan("SELECT number FROM numbers(1000000)")) for _ in range(3)]
    firsts = [store.next_block(scan)[0] for scan in scans]
    assert firsts == [(0,)] * 3
    for scan in scans:
        store.close_scan(scan)
        store.close_scan(scan)
        assert store.next_block(scan) == []
    assert store.select(Select("SELECT 1")) == [(1,)]


def test_a_scan_can_be_continued_by_another_thread(store: ClickHouseStore) -> None:
    scan = store.open_scan(OpenScan("SELECT number FROM numbers(100000)"))
    total: list[int] = []

    def rest() -> None:
        while block := store.next_block(scan):
            total.extend(row[0] for row in block)

    thread = threading.Thread(target=rest)
    thread.start()
    thread.join()
    assert total == list(range(100_000))


def test_a_scan_that_fails_on_the_way(store: ClickHouseStore) -> None:
    scan = store.open_scan(OpenScan("SELECT throwIf(number = 900000) FROM numbers(1000000)"))
    assert store.next_block(scan)[0] == (0,)
    with pytest.raises(OperationFailure) as raised:
        drain(store, scan)
    assert raised.value.details is not None
    assert raised.value.details["clickhouseCode"] == 395
    assert store.next_block(scan) == []
    assert store.select(Select("SELECT 1")) == [(1,)]


def test_threads(store: ClickHouseStore) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for step in range(20):
            rows = store.select(Select("SELECT {a:Int64}, {b:String}", {"a": number, "b": f"{step}"}))
            if rows != [(number, f"{step}")]:
                wrong.append(rows)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("sql", "code", "clickhouse"),
    [
        ("SELEC 1", 8, 62),
        ("SELECT (1", 8, 62),
        ("SELECT * FROM no_such_database.t", 26, 81),
        ("SELECT * FROM system.no_such_table", 26, 60),
        ("SELECT no_such_column FROM system.one", 8, 47),
    ],
)
def test_errors_of_the_engine_keep_its_code(store: ClickHouseStore, sql: str, code: int, clickhouse: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        store.select(Select(sql))
    assert raised.value.code == code
    assert raised.value.details is not None
    assert raised.value.details["clickhouseCode"] == clickhouse
    assert str(raised.value).startswith(store.address)
    assert raised.value.__cause__ is not None
    with pytest.raises(OperationFailure) as raised:
        drain(store, store.open_scan(OpenScan(sql)))
    assert raised.value.code == code


def test_a_query_that_takes_too_long(store: ClickHouseStore) -> None:
    sql = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"
    with pytest.raises(ExecutionTimeout) as raised:
        store.select(Select(sql, timeout_ms=50))
    assert raised.value.code == 50
    with pytest.raises(ExecutionTimeout):
        store.next_block(store.open_scan(OpenScan(sql, timeout_ms=50)))


def test_closing_ends_scans_and_refuses_requests(clickhouse_http: ChdbHttp, embedded_path: Any) -> None:
    for store in (ClickHouseStore(clickhouse_http.url()), ClickHouseStore(path=embedded_path / "clickhouse")):
        scan = store.open_scan(OpenScan("SELECT number FROM numbers(1000000)"))
        assert len(store.next_block(scan)) > 1000
        store.close()
        store.close()
        with pytest.raises(InvalidOperation, match="after close"):
            store.select(Select("SELECT 1"))
        with pytest.raises(InvalidOperation, match="after close"):
            store.next_block(scan)


def test_compressed_replies(clickhouse_http: ChdbHttp) -> None:
    for compression in ("lz4", "gzip", "true"):
        store = ClickHouseStore(clickhouse_http.url() + f"?compress={compression}")
        assert len(store.select(Select("SELECT number, 'é' FROM numbers(20000)"))) == 20_000
        store.close()


def test_database_of_the_url(clickhouse_http: ChdbHttp) -> None:
    store = ClickHouseStore(clickhouse_http.url("system"))
    assert store.select(Select("SELECT dummy FROM one")) == [(0,)]
    store.close()


@pytest.mark.parametrize("url", ["", "localhost", "redis://localhost", "http://", "http://h:port/", "http://h/?x=1"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        ClickHouseStore(url)


def test_neither_url_nor_path() -> None:
    with pytest.raises(ConfigurationError):
        ClickHouseStore()
    with pytest.raises(ConfigurationError, match="setting"):
        ClickHouseStore("http://localhost", settings={"a = 1, b": "2"})
