"""Embedded engines in a folder: chDB in this process and a Valkey server beside it.

One process at a time uses a folder: it holds a lock that names its process and that the system releases when the
process ends, however it ends. Within the process all clients of the folder share the engines; the last one to close
stops Valkey cleanly. A Valkey whose client was killed is taken over by the next client.
"""

import atexit
import fcntl
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pymongo.errors import ConfigurationError

from kato_compat.stores.clickhouse import ClickHouseStore, engine_lost
from kato_compat.stores.redis import RedisStore
from kato_compat.stores.valkey import Valkey


def default_path() -> Path:
    """The folder of clients that name none: ``kato_compat`` in the user's data folder."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "kato_compat"
    data = os.environ.get("XDG_DATA_HOME", "")
    # XDG Base Directory Specification: a relative path is invalid and is to be ignored.
    return (Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share") / "kato_compat"


class Embedded:
    """A client's hold on the engines of a folder: `clickhouse`, `redis`, and `close` to let go.

    Made by `open`. Unpacks into ``(clickhouse, redis)``.
    """

    def __init__(self, engines: "_Engines") -> None:
        self._engines: _Engines | None = engines
        self.path = engines.path
        self.clickhouse = engines.clickhouse
        self.redis = engines.redis

    @classmethod
    def open(cls, path: Path | str | None = None, *, socket_timeout_ms: float = 30_000) -> "Embedded":
        """The engines in `path` (by default `default_path()`), started where they do not run yet.

        `socket_timeout_ms` goes to the `RedisStore` and is that of the first client of the folder.

        Raises `pymongo.errors.ConfigurationError` where another live process uses the folder (the message names it),
        where this process already uses another folder (chDB opens one per process), and in a forked child of a
        process that has embedded engines; `ServerSelectionTimeoutError` where Valkey does not start.
        """
        folder = Path(os.path.realpath(default_path() if path is None else path))
        with _lock:
            if _forked or engine_lost():
                raise ConfigurationError(
                    "embedded engines cannot be used in a forked child of a process that uses them; start the child "
                    "with the 'spawn' method, or use servers"
                )
            engines = _open.get(folder)
            if engines is None:
                for other in _open:
                    raise ConfigurationError(
                        f"this process already uses the embedded engines in {other}; chDB opens one folder per "
                        f"process, so close that client before opening {folder}"
                    )
                engines = _open[folder] = _Engines(folder, socket_timeout_ms)
            engines.clients += 1
            return cls(engines)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.clickhouse, self.redis))

    def close(self) -> None:
        """Let go of the engines; the last client of the folder stops them. A second call does nothing."""
        with _lock:
            engines, self._engines = self._engines, None
            if engines is None or _forked:
                return
            engines.clients -= 1
            if not engines.clients:
                _open.pop(engines.path, None)
                engines.stop()


class _Engines:
    """The running engines of one folder and the lock on it."""

    def __init__(self, path: Path, socket_timeout_ms: float) -> None:
        self.path = path
        self.clients = 0
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.descriptor = _claim(path)
        try:
            self.valkey = Valkey(path / "valkey")
            self.valkey.start()
        except BaseException:
            os.close(self.descriptor)
            raise
        self.redis = RedisStore(unix_socket=self.valkey.socket, embedded=True, socket_timeout_ms=socket_timeout_ms)
        self.clickhouse = ClickHouseStore(path=path / "clickhouse")

    def stop(self) -> None:
        try:
            self.clickhouse.close()
        finally:
            try:
                self.redis.close()
                self.valkey.stop()
            finally:
                os.close(self.descriptor)


def _claim(path: Path) -> int:
    """Lock `path` for this process; returns the descriptor that holds the lock."""
    # Not inheritable: a program started by this one must not keep the lock.
    descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except BlockingIOError as error:
        owner = os.pread(descriptor, 32, 0).decode() or "unknown"
        os.close(descriptor)
        raise ConfigurationError(
            f"the embedded engines in {path} are used by process {owner}: one process at a time can use a folder; "
            "close that client, give this one another folder (embedded:///path), or use servers"
        ) from error
    return descriptor


_lock = threading.RLock()
_open: dict[Path, _Engines] = {}
_forked = False


@atexit.register
def _close_all() -> None:
    with _lock:
        if _forked:
            return
        while _open:
            _, engines = _open.popitem()
            engines.stop()


def _after_fork() -> None:
    """In a forked child: drop the copies of the locks, which would outlive the parent, and refuse to work."""
    global _forked, _lock
    _lock = threading.RLock()
    _forked = _forked or bool(_open)
    for engines in _open.values():
        with suppress(OSError):
            os.close(engines.descriptor)
    _open.clear()


os.register_at_fork(after_in_child=_after_fork)
