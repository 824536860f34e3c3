"""Stores that are down, silent, restarted, or refuse a login."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chdbhttp import ChdbHttp
from pymongo.errors import (
    AutoReconnect,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from valkeyserver import ValkeyServer, free_port

from kato_compat.ir.requests import Execute, InsertRows, OpenScan, Select
from kato_compat.stores.clickhouse import ClickHouseStore
from kato_compat.stores.embedded import Embedded
from kato_compat.stores.redis import RedisStore

SECRET = "pa ss/wörd%"
QUOTED = "pa%20ss%2Fw%C3%B6rd%25"


@contextmanager
def silent() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


@contextmanager
def hanging_up(answers: dict[bytes, bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """A port where each connection is read and then closed without an answer; what was read is collected.

    A request that holds a key of `answers` gets that answer, and the connection stays open.
    """
    requests: list[bytes] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    while data := connection.recv(65536):
                        requests.append(data)
                        answer = next((held for key, held in answers.items() if key in data), None)
                        if answer is None:
                            break
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], requests
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def drain(store: ClickHouseStore, scan: object) -> None:
    """Read `scan` to its end."""
    while store.next_block(scan):  # type: ignore[arg-type]
        pass


def never_told(error: BaseException | None) -> bool:
    """Whether neither form of the password is in the error, its details or its causes."""
    while error is not None:
        text = f"{error} {error!r} {getattr(error, 'details', '')}"
        if SECRET in text or QUOTED in text:
            return False
        error = error.__cause__
    return True


# ---- Redis -----------------------------------------------------------------


def test_redis_refused() -> None:
    port = free_port()
    store = RedisStore(f"redis://:{QUOTED}@127.0.0.1:{port}")
    with pytest.raises(ServerSelectionTimeoutError, match=f"Redis at 127.0.0.1:{port}") as raised:
        store.ping()
    assert type(raised.value.__cause__).__module__ == "redis.exceptions"
    assert never_told(raised.value)


def test_redis_unknown_host_and_missing_socket(tmp_path: Path) -> None:
    with pytest.raises(ServerSelectionTimeoutError, match=r"host\.invalid"):
        RedisStore("redis://host.invalid").ping()
    with pytest.raises(ServerSelectionTimeoutError, match=r"none\.sock"):
        RedisStore(unix_socket=tmp_path / "none.sock").ping()


def test_redis_without_tls(valkey: ValkeyServer) -> None:
    with pytest.raises(ServerSelectionTimeoutError):
        RedisStore(valkey.url.replace("redis:", "rediss:"), connect_timeout_ms=200).ping()


def test_redis_that_never_answers() -> None:
    with silent() as port:
        store = RedisStore(f"redis://127.0.0.1:{port}", connect_timeout_ms=100)
        with pytest.raises(ServerSelectionTimeoutError):
            store.ping()
        store = RedisStore(f"redis://127.0.0.1:{port}", server_selection_timeout_ms=100)
        with pytest.raises(ServerSelectionTimeoutError):
            store.ping()


def test_redis_that_stops_answering(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        store = RedisStore(server.url, socket_timeout_ms=100)
        assert store.pipeline((("INCR", "n"),)) == [1]
        server.pause()
        with pytest.raises(NetworkTimeout, match="may or may not"):
            store.pipeline((("INCR", "n"),))
        server.resume()
        # The late reply went to a connection that nobody reads any more; the command was applied once.
        assert store.pipeline((("ECHO", "in step"), ("GET", "n"))) == [b"in step", b"2"]
        store.close()


def test_redis_killed_and_restarted(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path, persistent=True) as server:
        store = RedisStore(server.url)
        assert store.pipeline((("INCR", "n"),)) == [1]
        server.stop(signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(ServerSelectionTimeoutError):
                store.pipeline((("INCR", "n"),))
        server.start()
        assert store.pipeline((("INCR", "n"),)) == [2]
        server.stop(signal.SIGKILL)
        server.start()
        # The idle connection is dead, and that is noticed before anything is sent.
        assert store.pipeline((("INCR", "n"),)) == [3]
        store.close()


def test_redis_killed_while_a_command_waits(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        store = RedisStore(server.url)
        other = RedisStore(server.url)
        raised: list[BaseException] = []

        def wait() -> None:
            try:
                store.pipeline((("BLPOP", "never", 0),))
            except PyMongoError as error:
                raised.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        while b"blocked_clients:1" not in other.pipeline((("INFO", "clients"),))[0]:
            pass
        server.stop(signal.SIGKILL)
        thread.join(10)
        assert [type(error) for error in raised] == [AutoReconnect]
        store.close()
        other.close()


def test_redis_command_is_not_sent_again() -> None:
    setup = {b"SETINFO": b"+OK\r\n"}
    with hanging_up(setup) as (port, requests):
        store = RedisStore(f"redis://127.0.0.1:{port}")
        with pytest.raises(AutoReconnect):
            store.pipeline((("INCR", "n"),))
        assert sum(b"INCR" in data for data in requests) == 1


def test_redis_login(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path, password=SECRET) as server:
        where = f"127.0.0.1:{server.port}"
        store = RedisStore(f"redis://:{QUOTED}@{where}")
        store.ping()
        assert SECRET not in store.address
        store.close()
        for credentials in (f":{QUOTED}x@", f"nobody:{QUOTED}@", ""):
            with pytest.raises(OperationFailure, match=where) as raised:
                RedisStore(f"redis://{credentials}{where}").ping()
            assert raised.value.code == 18
            assert raised.value.details is not None
            assert raised.value.details["codeName"] == "AuthenticationFailed"
            assert never_told(raised.value)
        admin = RedisStore(f"redis://:{QUOTED}@{where}")
        admin.pipeline((("ACL", "SETUSER", "reader", "on", ">pw", "+get", "~*"),))
        with pytest.raises(OperationFailure) as raised:
            RedisStore(f"redis://reader:pw@{where}").pipeline((("SET", "k", "v"),))
        assert raised.value.code == 13
        admin.close()


def test_redis_out_of_memory_and_read_only(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path) as server:
        store = RedisStore(server.url)
        store.pipeline((("CONFIG", "SET", "maxmemory", "1"),))
        with pytest.raises(OperationFailure) as raised:
            store.pipeline((("SET", "k", "v"),))
        assert raised.value.code == 146
        store.pipeline((("CONFIG", "SET", "maxmemory", "0"), ("REPLICAOF", "127.0.0.1", free_port())))
        with pytest.raises(AutoReconnect, match="replica"):
            store.pipeline((("SET", "k", "v"),))
        store.close()


# ---- ClickHouse ------------------------------------------------------------


def test_clickhouse_refused() -> None:
    port = free_port()
    store = ClickHouseStore(f"http://user:{QUOTED}@127.0.0.1:{port}")
    with pytest.raises(ServerSelectionTimeoutError, match=f"ClickHouse at 127.0.0.1:{port}") as raised:
        store.select(Select("SELECT 1"))
    assert type(raised.value.__cause__).__module__ == "clickhouse_connect.driver.exceptions"
    assert never_told(raised.value)
    with pytest.raises(ServerSelectionTimeoutError):
        store.execute(Execute("SELECT 1"))


def test_clickhouse_unknown_host() -> None:
    with pytest.raises(ServerSelectionTimeoutError, match=r"host\.invalid"):
        ClickHouseStore("http://host.invalid").ping()


def test_clickhouse_that_never_answers() -> None:
    with silent() as port:
        store = ClickHouseStore(f"http://127.0.0.1:{port}", socket_timeout_ms=100)
        with pytest.raises(ServerSelectionTimeoutError):
            store.ping()


def test_clickhouse_login(clickhouse_http: ChdbHttp) -> None:
    with pytest.raises(OperationFailure) as raised:
        ClickHouseStore(clickhouse_http.url(password=SECRET)).ping()
    assert raised.value.code == 18
    assert raised.value.details is not None
    assert raised.value.details["codeName"] == "AuthenticationFailed"
    assert raised.value.details["clickhouseCode"] == 516
    assert never_told(raised.value)


def test_clickhouse_killed_between_and_within_requests(engines_folder: Path) -> None:
    with ChdbHttp(engines_folder / "k") as server:
        store = ClickHouseStore(server.url())
        store.execute(Execute("CREATE TABLE t (a Int64) ENGINE = Memory"))
        store.insert_rows(InsertRows("default", "t", ("a",), [(1,)]))
        scan = store.open_scan(OpenScan("SELECT number, repeat('x', 1000) FROM numbers(10000000)"))
        assert len(store.next_block(scan)) > 1000
        server.stop()
        with pytest.raises(AutoReconnect):
            drain(store, scan)
        with pytest.raises(ServerSelectionTimeoutError):
            store.select(Select("SELECT 1"))
        with pytest.raises(ServerSelectionTimeoutError):
            store.insert_rows(InsertRows("default", "t", ("a",), [(1,)]))
        store.close()


def test_clickhouse_insert_is_not_sent_again(clickhouse_http: ChdbHttp, fresh_name: Callable[[], str]) -> None:
    store = ClickHouseStore(clickhouse_http.url())
    name = fresh_name()
    store.execute(Execute(f"CREATE TABLE default.{name} (a Int64) ENGINE = MergeTree ORDER BY a"))
    request = InsertRows("default", name, ("a",), [(1,)])
    store.insert_rows(request)
    with hanging_up({}) as (port, requests):
        # From here on the store's client talks to a server that takes each insert and hangs up.
        backend = store._idle[0]._backend
        backend._base_url = backend.url = f"http://127.0.0.1:{port}/"
        with pytest.raises(AutoReconnect, match="may or may not"):
            store.insert_rows(request)
        assert sum(data.startswith(b"POST") for data in requests) == 1
    store.close()


# ---- Forks -----------------------------------------------------------------


def in_child(work: Callable[[], object]) -> str:
    """What `work` returns or raises in a forked child, as text; fails the test where the child hangs."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            try:
                text = repr(work())
            except PyMongoError as error:
                text = f"{type(error).__name__}: {error}"
            os.write(writer, text.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        text = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    assert status == 0
    return text


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_of_an_embedded_client(embedded: Embedded) -> None:
    embedded.clickhouse.ping()
    embedded.redis.ping()
    for work in (embedded.clickhouse.ping, embedded.redis.ping):
        assert in_child(work).startswith(InvalidOperation.__name__)
    assert in_child(lambda: Embedded.open(embedded.path)).startswith("ConfigurationError")
    assert in_child(lambda: Embedded.open(embedded.path / "x")).startswith("ConfigurationError")
    assert in_child(lambda: in_child(lambda: Embedded.open(embedded.path / "x")))[1:].startswith("ConfigurationError")
    assert in_child(lambda: ClickHouseStore(path=embedded.path / "x").ping()).startswith("InvalidOperation")
    # A child that closes what it inherited takes nothing from its parent.
    assert in_child(embedded.close) == "None"
    assert embedded.clickhouse.select(Select("SELECT 1")) == [(1,)]
    embedded.redis.ping()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_of_clients_of_servers(valkey: ValkeyServer, clickhouse_http: ChdbHttp) -> None:
    redis, clickhouse = RedisStore(valkey.url), ClickHouseStore(clickhouse_http.url())
    redis.ping()
    clickhouse.ping()
    assert in_child(lambda: redis.pipeline((("ECHO", "child"),))) == "[b'child']"
    assert in_child(lambda: clickhouse.select(Select("SELECT 2"))) == "[(2,)]"
    assert redis.pipeline((("ECHO", "parent"),)) == [b"parent"]
    assert clickhouse.select(Select("SELECT 1")) == [(1,)]
    redis.close()
    clickhouse.close()
