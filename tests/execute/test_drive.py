"""The synchronous driver over real engines."""

from collections.abc import Callable

import pytest
from pymongo.errors import ConfigurationError, OperationFailure

from kato_compat.execute.drive import SyncDriver
from kato_compat.ir.requests import (
    CloseScan,
    Execute,
    Flow,
    InsertRows,
    NextBlock,
    OpenScan,
    Pipeline,
    Select,
    Sleep,
)


def test_every_request(driver: SyncDriver, fresh_name: Callable[[], str]) -> None:
    name = fresh_name()

    def flow() -> Flow[list[object]]:
        seen: list[object] = [(yield Execute(f"CREATE TABLE default.{name} (a Int64) ENGINE = MergeTree ORDER BY a"))]
        seen.append((yield InsertRows("default", name, ("a",), [(1,), (2,)])))
        seen.append((yield Select(f"SELECT sum(a) FROM default.{name} WHERE a < {{top:Int64}}", {"top": 5})))
        scan = yield OpenScan(f"SELECT a FROM default.{name} ORDER BY a")
        seen.append((yield NextBlock(scan)))
        seen.append((yield NextBlock(scan)))
        seen.append((yield CloseScan(scan)))
        seen.append((yield Pipeline((("INCR", name), ("GET", name)))))
        seen.append((yield Sleep(0)))
        seen.append((yield Execute(f"DROP TABLE default.{name} SYNC")))
        return seen

    assert driver.run(flow()) == [None, None, [(3,)], [(1,), (2,)], [], None, [1, b"1"], None, None]


def test_a_flow_without_requests() -> None:
    def flow() -> Flow[int]:
        return 7
        yield

    assert SyncDriver(None, None).run(flow()) == 7


def test_an_error_reaches_the_flow_which_cleans_up(driver: SyncDriver) -> None:
    closed: list[object] = []

    def flow() -> Flow[None]:
        scan = yield OpenScan("SELECT number FROM numbers(1000000)")
        try:
            yield Pipeline((("NO SUCH COMMAND",),))
        finally:
            closed.append((yield CloseScan(scan)))
            closed.append((yield NextBlock(scan)))

    with pytest.raises(OperationFailure, match="unknown command"):
        driver.run(flow())
    assert closed == [None, []]


def test_an_error_can_be_handled(driver: SyncDriver) -> None:
    def flow() -> Flow[object]:
        try:
            yield Select("SELECT * FROM system.no_such_table")
        except OperationFailure as error:
            return (error.code, (yield Select("SELECT 1")))
        return None

    assert driver.run(flow()) == (26, [(1,)])


def test_what_is_no_request(driver: SyncDriver) -> None:
    def flow() -> Flow[None]:
        yield "SELECT 1"  # type: ignore[misc]

    with pytest.raises(TypeError, match="str, no request"):
        driver.run(flow())


def test_a_key_error_of_the_flow_stays_one(driver: SyncDriver) -> None:
    def flow() -> Flow[None]:
        yield Sleep(0)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        driver.run(flow())


def test_a_store_that_is_not_configured() -> None:
    def redis() -> Flow[None]:
        yield Pipeline(())

    def clickhouse() -> Flow[None]:
        yield Select("SELECT 1")

    with pytest.raises(ConfigurationError, match="no Redis store"):
        SyncDriver(None, None).run(redis())
    with pytest.raises(ConfigurationError, match="no ClickHouse store"):
        SyncDriver(None, None).run(clickhouse())
