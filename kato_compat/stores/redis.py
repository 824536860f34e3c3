"""The Redis (or Valkey) store: performs `Pipeline` requests in one round trip each.

redis-py opens the connections (URLs, TLS, authentication, database); commands are packed and replies parsed by
hiredis directly, which costs about a third of redis-py's own path for one command. A command is never sent twice:
there is no retry after the first byte has left. Idle connections that the server has closed meanwhile (a restart)
are noticed before anything is sent and replaced.
"""

import hashlib
import os
import select
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

from pymongo.errors import ConfigurationError, InvalidOperation

from kato_compat.ir.requests import Call, Command, Script
from kato_compat.stores.errors import Address, StoreError, translate

if TYPE_CHECKING:
    from socket import socket

_RECEIVE = 65536
#: Arguments of a Connection that a URL's query string must not change: replies are raw RESP2 values.
_FIXED = ("protocol", "decode_responses", "max_connections", "retry", "retry_on_timeout", "retry_on_error")


@lru_cache(maxsize=256)
def _sha(source: str) -> str:
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class _Link:
    """One connection: its socket, its reply parser, and the scripts that were loaded through it."""

    __slots__ = ("connection", "loaded", "poll", "reader", "socket")

    def __init__(self, connection: Any, sock: "socket", reader: Any) -> None:
        self.connection = connection
        self.socket = sock
        self.reader = reader
        # A poll object for each connection: select() cannot take descriptors above 1023.
        self.poll = select.poll()
        self.poll.register(sock, select.POLLIN)
        self.loaded: set[str] = set()

    def stale(self) -> bool:
        """True where the server has closed the connection or sent something nobody asked for."""
        if not self.poll.poll(0):
            return False
        timeout = self.socket.gettimeout()
        self.socket.settimeout(0)
        try:
            self.socket.recv(1)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            # Over TLS readable bytes may be a session ticket, which leaves nothing to read.
            return "Want" not in type(error).__name__
        finally:
            self.socket.settimeout(timeout)
        return True

    def replies(self, count: int) -> list[Any]:
        """The next `count` replies; error replies are in the list as values."""
        gets, feed, receive = self.reader.gets, self.reader.feed, self.socket.recv
        found: list[Any] = []
        while len(found) < count:
            reply = gets()
            if reply is False:
                data = receive(_RECEIVE)
                if not data:
                    raise ConnectionResetError("connection closed by the server")
                feed(data)
            else:
                found.append(reply)
        return found

    def close(self) -> None:
        self.connection.disconnect()


class RedisStore:
    """A Redis or Valkey server reached by `url` (``redis://``, ``rediss://``, ``unix://``) or by `unix_socket`.

    Safe to use from many threads; a connection is opened for each concurrent operation and kept. Nothing is sent
    until the first request. After a fork the child opens connections of its own, except where `embedded` is true:
    then every request in the child raises `pymongo.errors.InvalidOperation`.

    Timeouts are in milliseconds, 0 meaning none: `connect_timeout_ms` for reaching the server and logging in (capped
    by `server_selection_timeout_ms`), `socket_timeout_ms` for each wait for an answer.

    Raises `pymongo.errors.ConfigurationError` for a URL that is none.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        unix_socket: Path | str | None = None,
        server_selection_timeout_ms: float = 30_000,
        connect_timeout_ms: float = 5_000,
        socket_timeout_ms: float = 30_000,
        embedded: bool = False,
    ) -> None:
        if (url is None) == (unix_socket is None):
            raise ConfigurationError("a Redis store needs either a URL or a Unix socket")
        self._url = url
        self._unix_socket = None if unix_socket is None else os.fspath(unix_socket)
        self._address = _address(url, self._unix_socket)
        self._connect_timeout = _seconds(_shorter(connect_timeout_ms, server_selection_timeout_ms))
        self._socket_timeout = _seconds(socket_timeout_ms)
        self._embedded = embedded
        self._arguments: dict[str, Any] = {}
        self._class: Any = None
        self._pack: Any = None
        self._reader: Any = None
        self._reply_error: Any = None
        self._idle: deque[_Link] = deque()
        self._pid = os.getpid()
        self._closed = False

    @property
    def address(self) -> str:
        """What messages call this store, such as ``Redis at 127.0.0.1:6379``; without the password."""
        return self._address.label

    def pipeline(self, commands: Sequence[Command | Call]) -> list[Any]:
        """Send `commands` in one round trip and return the raw replies (bytes, int, None, list), in order.

        A `Call` is sent as EVALSHA; its script is loaded in the same round trip when this connection has not loaded
        it yet. Where the server has meanwhile forgotten a script (SCRIPT FLUSH), the calls that it refused, which
        therefore did not run, are run once after the others.

        Raises the pymongo error of the first error reply; the commands after it have run all the same.
        """
        if self._closed or self._pid != os.getpid():
            self._refuse_or_reset()
        if not commands:
            return []
        link = self._take()
        try:
            replies = self._exchange(link, commands)
        except BaseException as error:
            link.close()
            if isinstance(error, Exception):
                raise translate(error, self._address) from error
            raise
        self._idle.append(link)
        if self._closed:
            self._close_idle()
        reply_error = self._reply_error
        for position, reply in enumerate(replies):
            kind = type(reply)
            if kind is reply_error:
                self._raise_reply(commands, position, reply)
            elif kind is list and _nests_errors(commands[position]):
                for inner in reply:
                    if type(inner) is reply_error:
                        self._raise_reply(commands, position, inner)
        return replies

    def ping(self) -> None:
        """Ask the server for an answer. Raises the pymongo error that says why there is none."""
        self.pipeline((("PING",),))

    def close(self) -> None:
        """Close all idle connections; a request under way ends first. Later requests raise InvalidOperation."""
        self._closed = True
        if self._pid == os.getpid():
            self._close_idle()

    # ---- one exchange ----------------------------------------------------

    def _exchange(self, link: _Link, commands: Sequence[Command | Call]) -> list[Any]:
        pack = self._pack
        if len(commands) == 1:
            # Most pipelines are of one command or of one call.
            alone = commands[0]
            if not isinstance(alone, Call):
                link.socket.sendall(pack(alone))
                return link.replies(1)
            if _sha(alone.script.source) in link.loaded:
                link.socket.sendall(pack(_wire(alone)))
                found = link.replies(1)
                if type(found[0]) is self._reply_error:
                    self._run_forgotten(link, commands, found)
                return found
        packed: list[bytes] = []
        loads: list[str] = []
        calls = False
        for command in commands:
            if isinstance(command, Call):
                calls = True
                sha = _sha(command.script.source)
                if sha not in link.loaded and sha not in loads:
                    loads.append(sha)
                    packed.append(pack(("SCRIPT", "LOAD", command.script.source)))
        packed.extend(pack(_wire(command)) for command in commands)
        link.socket.sendall(b"".join(packed))
        replies = link.replies(len(loads) + len(commands))
        for sha, reply in zip(loads, replies, strict=False):
            if type(reply) is self._reply_error:
                return self._load_refused(reply, len(commands))
            if reply != sha.encode():
                raise StoreError(f"SCRIPT LOAD answered {reply!r} in place of {sha}")
        link.loaded.update(loads)
        del replies[: len(loads)]
        if calls:
            self._run_forgotten(link, commands, replies)
        return replies

    def _run_forgotten(self, link: _Link, commands: Sequence[Command | Call], replies: list[Any]) -> None:
        """Run the calls that the server refused with NOSCRIPT, in their order, in place of their replies."""
        forgotten = [
            (position, command)
            for position, command in enumerate(commands)
            if isinstance(command, Call)
            and type(replies[position]) is self._reply_error
            and str(replies[position]).startswith("NOSCRIPT")
        ]
        if not forgotten:
            return
        scripts: dict[str, Script] = {_sha(call.script.source): call.script for _, call in forgotten}
        packed = [self._pack(("SCRIPT", "LOAD", script.source)) for script in scripts.values()]
        packed.extend(self._pack(_wire(call)) for _, call in forgotten)
        link.socket.sendall(b"".join(packed))
        again = link.replies(len(packed))[len(scripts) :]
        for (position, _), reply in zip(forgotten, again, strict=True):
            replies[position] = reply

    @staticmethod
    def _load_refused(reply: Any, count: int) -> list[Any]:
        """Replies of a pipeline whose script could not be loaded: the refusal stands for all of them."""
        return [reply] * count

    def _raise_reply(self, commands: Sequence[Command | Call], position: int, reply: Any) -> NoReturn:
        error = _reply_exception(str(reply))
        raise translate(error, self._address, doing=_describe(commands[position])) from error

    # ---- connections -----------------------------------------------------

    def _take(self) -> _Link:
        while True:
            try:
                link = self._idle.pop()
            except IndexError:
                return self._open()
            if not link.stale():
                return link
            link.close()

    def _open(self) -> _Link:
        if not self._arguments:
            self._prepare()
        connection = None
        try:
            connection = self._class(**self._arguments)
            connection.connect()
            sock = connection._sock
            sock.settimeout(self._socket_timeout)
            return _Link(connection, sock, self._reader())
        except BaseException as error:
            if connection is not None:
                connection.disconnect()
            if isinstance(error, Exception):
                raise translate(error, self._address, connecting=True) from error
            raise

    def _prepare(self) -> None:
        import hiredis
        from redis import connection as redis_connection
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        if self._unix_socket is not None:
            arguments: dict[str, Any] = {"path": self._unix_socket}
            self._class = redis_connection.UnixDomainSocketConnection
        else:
            parse: Callable[[str | None], dict[str, Any]] = redis_connection.parse_url
            try:
                arguments = dict(parse(self._url))
            except ValueError as error:
                raise ConfigurationError(f"{self.address}: {error}") from error
            self._class = arguments.pop("connection_class", redis_connection.Connection)
            for name in _FIXED:
                arguments.pop(name, None)
        self._pack, self._reader, self._reply_error = hiredis.pack_command, hiredis.Reader, hiredis.ReplyError
        # The connect timeout holds for the log-in too: a server that accepts and never answers is no server.
        arguments |= {
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "socket_connect_timeout": self._connect_timeout,
            "socket_timeout": self._connect_timeout,
        }
        self._arguments = arguments

    def _refuse_or_reset(self) -> None:
        if self._closed:
            raise InvalidOperation("Cannot use MongoClient after close")
        if self._embedded:
            raise InvalidOperation(
                f"{self.address}: an embedded client cannot be used in a forked child "
                f"(it was opened by process {self._pid}); start the child with the 'spawn' method and open a client "
                "there, or use servers"
            )
        # The parent goes on using its sockets: drop them here without a word to the server.
        for link in self._idle:
            link.socket.close()
        self._idle = deque()
        self._pid = os.getpid()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _wire(command: Command | Call) -> Command:
    if isinstance(command, Call):
        keys = command.keys
        return ("EVALSHA", _sha(command.script.source), len(keys), *keys, *command.arguments)
    return command


def _nests_errors(command: Command | Call) -> bool:
    """Whether error replies can be elements of the command's reply."""
    return isinstance(command, Call) or command[0] in ("EXEC", b"EXEC")


def _describe(command: Command | Call) -> str:
    """The command's name and its key: what a message may say of it."""
    if isinstance(command, Call):
        return f"script {command.script.name}"
    name = _text(command[0]).upper()
    return f"{name} {_text(command[1])!r}" if len(command) > 1 and name not in ("AUTH", "HELLO", "CONFIG") else name


def _text(argument: object) -> str:
    return argument.decode(errors="backslashreplace") if isinstance(argument, bytes) else str(argument)


def _reply_exception(reply: str) -> Exception:
    """The redis-py exception for an error reply, to be kept as the cause."""
    from redis.exceptions import (
        AuthenticationError,
        BusyLoadingError,
        NoPermissionError,
        NoScriptError,
        OutOfMemoryError,
        ReadOnlyError,
        ResponseError,
    )

    classes: dict[str, type[Exception]] = {
        "NOAUTH": AuthenticationError,
        "WRONGPASS": AuthenticationError,
        "LOADING": BusyLoadingError,
        "NOPERM": NoPermissionError,
        "NOSCRIPT": NoScriptError,
        "OOM": OutOfMemoryError,
        "READONLY": ReadOnlyError,
    }
    return classes.get(reply.split(" ", 1)[0], ResponseError)(reply)


def _address(url: str | None, unix_socket: str | None) -> Address:
    if url is None:
        return Address(f"Redis at {unix_socket}")
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ConfigurationError("a Redis URL begins with redis://, rediss:// or unix://")
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"a Redis URL has a port that is no number: {error}") from error
    if parts.scheme == "unix":
        where = unquote(parts.path)
    else:
        where = f"{parts.hostname or 'localhost'}:{port or 6379}"
    secrets = {parts.password, unquote(parts.password)} if parts.password else set()
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if name == "password" and value:
            secrets |= {value, unquote(value)}
    return Address(f"Redis at {where}", tuple(sorted(secrets, key=len, reverse=True)))


def _seconds(milliseconds: float) -> float | None:
    return milliseconds / 1000 if milliseconds else None


def _shorter(first: float, second: float) -> float:
    return min(value for value in (first, second) if value) if first or second else 0


__all__ = ["RedisStore"]
