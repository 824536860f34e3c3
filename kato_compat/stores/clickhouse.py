"""The ClickHouse store: performs `Select`, scans, inserts and statements over HTTP(S) or on chDB in this process.

Both go through clickhouse-connect. Over HTTP one client serves all threads. On chDB a client is a handle of the one
engine of this process; a handle serves one thread at a time and none while a stream is open on it, so that handles
are taken from a pool, which grows to the number of operations that run at once.
"""

import math
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pymongo.errors import ConfigurationError, InvalidOperation

from kato_compat.ir.requests import Execute, InsertRows, OpenScan, Select
from kato_compat.stores.binding import bind, literal
from kato_compat.stores.errors import Address, StoreError, translate
from kato_compat.stores.text import ENCODING, Repair, repairs

#: Parts of a URL's query string that are passed on to clickhouse-connect.
_URL_OPTIONS = ("verify", "ca_cert", "client_cert", "client_cert_key", "compress", "server_host_name")

#: Settings of every session. A row is stored when an insert returns; a DELETE or an ALTER has happened when it
#: returns; dates mean UTC whatever the server's time zone is.
_SETTINGS = {"async_insert": "0", "mutations_sync": "2", "session_timezone": "UTC"}

#: A scan holds one block in memory, as Python objects: the engine's own blocks have up to 65,409 rows.
_SCAN_SETTINGS = {"max_block_size": "8192"}

_TOKEN = re.compile(r"[\w.:-]{1,200}")

#: True in a forked child of a process that had loaded chDB: the engine's threads are gone, and every query hangs,
#: even where the parent had closed its handles before (measured with chDB 4.4).
_engine_lost = False


def engine_lost() -> bool:
    """Whether chDB cannot be used in this process, because it is the forked child of one that had loaded it."""
    return _engine_lost


def _after_fork() -> None:
    global _engine_lost
    _engine_lost = _engine_lost or "chdb" in sys.modules


os.register_at_fork(after_in_child=_after_fork)


class Scan:
    """An open scan: the stream of blocks and the client it occupies. Opaque to everyone but the store."""

    __slots__ = ("client", "repairs", "stream")

    def __init__(self, client: Any, stream: Any, repair: list[tuple[int, Repair]]) -> None:
        self.client = client
        self.stream = stream
        self.repairs = repair


class ClickHouseStore:
    """A ClickHouse server (`url`: ``http(s)://user:password@host:port/database``) or chDB on the folder `path`.

    Safe to use from many threads. Nothing is opened until the first request. After a fork the child of a process
    that uses chDB gets `pymongo.errors.InvalidOperation` from every request (the engine would hang); over HTTP it
    opens connections of its own.

    Timeouts are in milliseconds, rounded up to whole seconds, 0 meaning none. `settings` are further ClickHouse
    settings of every query.

    Raises `pymongo.errors.ConfigurationError` for a URL that is none.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        path: Path | str | None = None,
        server_selection_timeout_ms: float = 30_000,
        connect_timeout_ms: float = 5_000,
        socket_timeout_ms: float = 300_000,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        if (url is None) == (path is None):
            raise ConfigurationError("a ClickHouse store needs either a URL or a folder for chDB")
        self._path = None if path is None else os.path.realpath(path)
        self._settings = _SETTINGS | dict(settings or {})
        for name in self._settings:
            if not name.isidentifier():
                raise ConfigurationError(f"{name!r} is no ClickHouse setting")
        if url is None:
            self._arguments: dict[str, Any] = {"interface": "chdb", "path": self._path}
            self._address = Address(f"chDB in {self._path}")
        else:
            self._arguments, self._address = _parse(url)
            shorter = [value for value in (connect_timeout_ms, server_selection_timeout_ms) if value]
            self._arguments |= {
                "connect_timeout": _seconds(min(shorter, default=0)),
                "send_receive_timeout": _seconds(socket_timeout_ms),
            }
        self._idle: deque[Any] = deque()
        self._inserters: deque[Any] = deque()
        self._opening = threading.Lock()
        self._scans: set[Scan] = set()
        self._contexts: dict[tuple[str, str, tuple[str, ...]], list[Any]] = {}
        self._pid = os.getpid()
        self._closed = False

    @property
    def address(self) -> str:
        """What messages call this store, such as ``ClickHouse at localhost:8123``; without the password."""
        return self._address.label

    @property
    def embedded(self) -> bool:
        """True for chDB."""
        return self._path is not None

    # ---- requests --------------------------------------------------------

    def select(self, request: Select) -> list[tuple[Any, ...]]:
        """Run one SELECT (without FORMAT and SETTINGS clauses) and return all rows."""
        texts = bind(request.sql, request.parameters)
        client = self._take()
        try:
            result = client.query(
                request.sql,
                parameters=texts,
                settings=_limits(request.timeout_ms),
                encoding=ENCODING,
                query_tz="UTC",
            )
            columns = result.result_columns
            if not columns or not columns[0]:
                return []
            for position, repair in repairs(result.column_types):
                columns[position] = repair(columns[position])
            return list(zip(*columns, strict=True))
        except Exception as error:
            raise translate(error, self._address) from error
        finally:
            self._give(client)

    def open_scan(self, request: OpenScan) -> Scan:
        """Start a SELECT whose rows `next_block` returns; it occupies a client until it ends or is closed."""
        texts = bind(request.sql, request.parameters)
        client = self._take()
        try:
            stream = client.query_column_block_stream(
                request.sql,
                parameters=texts,
                settings=_SCAN_SETTINGS | _limits(request.timeout_ms),
                encoding=ENCODING,
                query_tz="UTC",
            )
            stream.__enter__()
            scan = Scan(client, stream, repairs(stream.source.column_types))
        except BaseException as error:
            self._give(client)
            if isinstance(error, Exception):
                raise translate(error, self._address) from error
            raise
        self._scans.add(scan)
        return scan

    def next_block(self, scan: Scan) -> list[tuple[Any, ...]]:
        """The next rows of `scan`, at most 8,192 of them; ``[]`` at the end, then it is closed."""
        self._check()
        if scan.stream is None:
            return []
        try:
            for columns in scan.stream:
                if columns and columns[0]:
                    parts = list(columns)
                    for position, repair in scan.repairs:
                        parts[position] = repair(parts[position])
                    return list(zip(*parts, strict=True))
        except BaseException as error:
            self.close_scan(scan)
            if isinstance(error, Exception):
                raise translate(error, self._address) from error
            raise
        self.close_scan(scan)
        return []

    def close_scan(self, scan: Scan) -> None:
        """Stop `scan` and give its client back; a no-op on one that has ended."""
        stream, scan.stream = scan.stream, None
        if stream is None:
            return
        self._check()
        try:
            stream.__exit__(None, None, None)
        except Exception as error:
            raise translate(error, self._address) from error
        finally:
            self._scans.discard(scan)
            self._give(scan.client)

    def insert_rows(self, request: InsertRows) -> None:
        """Insert the rows as one block; they are stored when this returns. Never sent twice.

        The columns' types are asked for once and kept until `execute` runs a statement.
        """
        if not request.rows:
            return
        key = (request.database, request.table, request.columns)
        settings = {}
        if (token := request.deduplication_token) is not None:
            if not _TOKEN.fullmatch(token):
                raise ValueError(f"{token!r} is no deduplication token: letters, digits and _ . : - only")
            settings = {"insert_deduplication_token": token}
        client = self._take()
        try:
            context = client.create_insert_context(
                request.table,
                request.columns,
                request.database,
                column_types=self._contexts.get(key),
                settings=settings,
                data=request.rows,
            )
            self._contexts[key] = context.column_types
            if self.embedded:
                self._append(context, settings)
            else:
                self._send(client, context, settings)
        except Exception as error:
            self._contexts.pop(key, None)
            raise translate(error, self._address, doing=f"INSERT INTO {request.table!r}") from error
        finally:
            self._give(client)

    def execute(self, request: Execute) -> None:
        """Run one statement that returns no rows; it has taken effect when this returns."""
        texts = bind(request.sql, request.parameters)
        client = self._take()
        try:
            self._contexts.clear()
            client.command(request.sql, parameters=texts)
        except Exception as error:
            raise translate(error, self._address) from error
        finally:
            self._give(client)

    def ping(self) -> None:
        """Ask the engine for an answer. Raises the pymongo error that says why there is none."""
        self.select(Select("SELECT 1"))

    def close(self) -> None:
        """Close open scans and all clients; a request under way ends first. Later requests raise InvalidOperation.

        The last store that closes on a folder ends chDB's engine in this process.
        """
        if self._closed:
            return
        if self._pid != os.getpid():
            self._closed = True
            return
        for scan in list(self._scans):
            self.close_scan(scan)
        self._closed = True
        self._close_idle()

    # ---- clients ---------------------------------------------------------

    @staticmethod
    def _send(client: Any, context: Any, settings: dict[str, str]) -> None:
        """Send an insert over HTTP as a body that cannot be sent twice.

        clickhouse-connect repeats an insert whose connection broke, which may store its rows twice; it does not
        repeat a body that it gets as a generator.
        """
        statement, rows = _native(context)
        body = b"".join((statement.encode(), b" FORMAT Native\n", rows))
        client.raw_insert(None, insert_block=(part for part in (body,)), settings=settings)

    def _append(self, context: Any, settings: dict[str, str]) -> None:
        """Insert into chDB through a handle's insert stream.

        clickhouse-connect writes a temporary file and has the engine read it, which takes three times as long.
        """
        statement, rows = _native(context)
        if settings:
            statement += " SETTINGS " + ", ".join(f"{name} = {literal(value)}" for name, value in settings.items())
        try:
            handle = self._inserters.pop()
        except IndexError:
            import chdb

            connect: Callable[[str | None], Any] = chdb.connect
            handle = connect(self._path)
            for name, value in self._settings.items():
                handle.query(f"SET {name} = {literal(value)}")
        try:
            inserter = handle.send_insert(statement, "Native")
            inserter.append(rows)
            inserter.finish()
        except BaseException:
            handle.close()
            raise
        self._inserters.append(handle)

    def _check(self) -> None:
        if self._closed:
            raise InvalidOperation("Cannot use MongoClient after close")
        if self._pid != os.getpid() or (_engine_lost and self.embedded):
            if self.embedded:
                raise InvalidOperation(
                    f"{self.address}: an embedded client cannot be used in a forked child (this is process "
                    f"{os.getpid()}; chDB does not survive a fork); start the child with the 'spawn' method and "
                    "open a client there, or use servers"
                )
            self._idle, self._scans, self._opening = deque(), set(), threading.Lock()
            self._pid = os.getpid()

    def _take(self) -> Any:
        self._check()
        if not self.embedded:
            with suppress(IndexError):
                return self._idle[0]
            with self._opening:
                if not self._idle:
                    self._idle.append(self._open())
                return self._idle[0]
        with suppress(IndexError):
            return self._idle.pop()
        with self._opening:
            return self._open()

    def _give(self, client: Any) -> None:
        if self.embedded:
            self._idle.append(client)
            if self._closed:
                self._close_idle()

    def _open(self) -> Any:
        try:
            import clickhouse_connect

            arguments = dict(self._arguments)
            if not self.embedded:
                # A session would forbid queries at the same time; a pool of our own is closed with the store.
                arguments |= {"autogenerate_session_id": False, "dedicated_pool": True, "query_retries": 0}
            return clickhouse_connect.get_client(settings=dict(self._settings), **arguments)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"{self.address} needs the package {error.name!r}: pip install 'kato-compat[embedded]'"
            ) from error
        except Exception as error:
            raise translate(error, self._address, connecting=True) from error

    def _close_idle(self) -> None:
        for pool in (self._idle, self._inserters):
            while pool:
                pool.pop().close()


def _native(context: Any) -> tuple[str, bytes]:
    """An insert's statement (up to its FORMAT clause) and its rows in ClickHouse's Native format."""
    from clickhouse_connect.driver.binding import quote_identifier
    from clickhouse_connect.driver.transform import NativeTransform

    body = b"".join(NativeTransform.build_insert(context))
    if context.insert_exception is not None:
        raise context.insert_exception
    statement = f"INSERT INTO {context.table} ({', '.join(map(quote_identifier, context.column_names))})"
    prefix = f"{statement} FORMAT Native\n".encode()
    if not body.startswith(prefix):
        raise StoreError(f"clickhouse-connect begins an insert with {body[:200]!r}")
    return statement, body[len(prefix) :]


def _seconds(milliseconds: float) -> int:
    """Whole seconds, rounded up, as clickhouse-connect counts; it has no value for "none" but a very long time."""
    return math.ceil(milliseconds / 1000) if milliseconds else 10**7


def _limits(timeout_ms: int | None) -> dict[str, str]:
    return {} if not timeout_ms else {"max_execution_time": repr(timeout_ms / 1000)}


def _parse(url: str) -> tuple[dict[str, Any], Address]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"the ClickHouse URL cannot be read: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("a ClickHouse URL is http(s)://user:password@host:port/database")
    port = port or (8443 if parts.scheme == "https" else 8123)
    arguments: dict[str, Any] = {
        "interface": parts.scheme,
        "host": parts.hostname,
        "port": port,
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.strip("/")) or None,
        # Compressing costs more than it saves on the way to this machine itself.
        "compress": parts.hostname not in ("localhost", "127.0.0.1", "::1"),
    }
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _URL_OPTIONS:
            raise ConfigurationError(f"the ClickHouse URL has an unknown option {name!r}; known: {_URL_OPTIONS}")
        flags = {"true": True, "1": True, "false": False, "0": False}
        arguments[name] = flags.get(value.lower(), value) if name in ("verify", "compress") else value
    secrets = {parts.password, unquote(parts.password)} if parts.password else set()
    label = f"ClickHouse at {parts.hostname}:{port}"
    return arguments, Address(label, tuple(sorted(secrets, key=len, reverse=True)))
