"""Many threads and processes write the same documents: every acknowledged write is there exactly once."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, PyMongoError, ServerSelectionTimeoutError
from valkeyserver import ValkeyServer

from kato_compat import Collection, MongoClient

_KEYS: Final = 100
_THREADS: Final = 8
_PROCESSES: Final = 4
_KEPT: Final = 20
#: Seconds for which ``appendfsync everysec`` may put off a write.
_PROMISE: Final = 2.0
#: A ClickHouse that nobody asks: these collections have no tables.
_NOWHERE: Final = "http://127.0.0.1:1"


def client_of(url: str) -> MongoClient:
    """A client of a Redis alone."""
    return MongoClient(redis=url, clickhouse=_NOWHERE, serverSelectionTimeoutMS=20_000)


class Worker:
    """Writes at random until `seconds` have gone, and keeps what was acknowledged and what may have been made."""

    def __init__(self, collection: Collection, name: str, seconds: float) -> None:
        self.collection = collection
        self.name = name
        self.deadline = time.monotonic() + seconds
        self.random = random.Random(name)
        self.made: dict[str, Counter[str]] = {kind: Counter() for kind in ("inc", "push", "set", "claim")}
        self.maybe: dict[str, Counter[str]] = {kind: Counter() for kind in self.made}
        self.number = 0
        #: When each write was acknowledged, its kind and what was noted of it.
        self.log: list[tuple[float, str, str]] = []

    def run(self) -> None:
        """Write until the deadline."""
        while time.monotonic() < self.deadline:
            self.number += 1
            kind = self.random.choice(list(self.made))
            key = f"k{self.random.randrange(_KEYS)}"
            mark = f"{self.name}.{self.number}"
            noted = key if kind == "inc" else f"{key}/{mark}"
            try:
                if self._write(kind, key, mark):
                    self.made[kind][noted] += 1
                    self.log.append((time.monotonic(), kind, noted))
            except ServerSelectionTimeoutError:
                pass  # nothing was sent
            except AutoReconnect:
                self.maybe[kind][noted] += 1

    def _write(self, kind: str, key: str, mark: str) -> bool:
        collection = self.collection
        match kind:
            case "inc":
                return bool(collection.update_one({"_id": key}, {"$inc": {"n": 1}}, upsert=True).acknowledged)
            case "push":
                change = {"$push": {"p": {"$each": [mark], "$slice": -_KEPT}}, "$inc": {"pushed": 1}}
                return bool(collection.update_one({"_id": key}, change, upsert=True).acknowledged)
            case "set":
                collection.find_one_and_update({"_id": key}, {"$addToSet": {"s": mark}}, upsert=True)
                return True
            case _:
                try:
                    collection.insert_one({"_id": mark, "claim": f"{key}.{self.number % 40}", "key": key})
                except DuplicateKeyError:
                    return False
                return True

    def report(self, losses: Sequence[float]) -> dict[str, Any]:
        """What was done, as JSON; of what was acknowledged shortly before one of `losses` it is not known."""
        for moment, kind, noted in self.log:
            if any(loss - _PROMISE < moment <= loss for loss in losses):
                self.made[kind][noted] -= 1
                self.maybe[kind][noted] += 1
        self.made = {kind: +counter for kind, counter in self.made.items()}
        return {"made": self.made, "maybe": self.maybe}


def work(
    collection: Collection, name: str, threads: int, seconds: float, losses: Sequence[float] = ()
) -> list[dict[str, Any]]:
    """Let `threads` workers write at once; their reports."""
    workers = [Worker(collection, f"{name}-{number}", seconds) for number in range(threads)]
    running = [threading.Thread(target=worker.run) for worker in workers]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return [worker.report(losses) for worker in workers]


def _marks(noted: Counter[str], key: str) -> set[str]:
    """The marks that were noted for one key."""
    return {each.partition("/")[2] for each in noted if each.startswith(f"{key}/")}


def check(collection: Collection, reports: list[dict[str, Any]], promised: bool = True) -> int:
    """Assert that what was acknowledged is there exactly once; how many writes that were.

    With `promised` False writes may be missing (the store promises no more), but none may be there twice.
    """
    made: dict[str, Counter[str]] = {kind: Counter() for kind in ("inc", "push", "set", "claim")}
    maybe = {kind: Counter[str]() for kind in made}
    for report in reports:
        for kind in made:
            made[kind].update(report["made"][kind])
            maybe[kind].update(report["maybe"][kind])
    documents = {document["_id"]: document for document in collection.find()}
    for number in range(_KEYS):
        key = f"k{number}"
        document = documents.get(key, {})
        count = document.get("n", 0)
        assert count <= made["inc"][key] + maybe["inc"][key]
        assert not promised or count >= made["inc"][key]
        marks = {kind: _marks(made[kind], key) for kind in made}
        perhaps = {kind: _marks(maybe[kind], key) for kind in made}
        members = document.get("s", [])
        assert len(members) == len(set(members))
        assert set(members) <= marks["set"] | perhaps["set"]
        assert not promised or marks["set"] <= set(members)
        pushed = document.get("p", [])
        assert len(pushed) == len(set(pushed)) == min(_KEPT, document.get("pushed", 0))
        assert set(pushed) <= marks["push"] | perhaps["push"]
        assert not promised or len(marks["push"]) <= document.get("pushed", 0)
        assert document.get("pushed", 0) <= len(marks["push"]) + len(perhaps["push"])
    claims = [document["claim"] for document in documents.values() if "claim" in document]
    assert len(claims) == len(set(claims))
    inserted = {f"{document['key']}/{name}" for name, document in documents.items() if "claim" in document}
    assert inserted <= set(made["claim"]) | set(maybe["claim"])
    assert not promised or set(made["claim"]) <= inserted
    assert collection.count_documents({}) == len(documents)
    for claim in claims[:50]:
        # The entry of a unique index leads to the one document that has it.
        assert [each["claim"] for each in collection.find({"claim": claim})] == [claim]
    return sum(sum(each.values()) for each in made.values())


def _processes(url: str, name: str, seconds: float) -> list[subprocess.Popen[bytes]]:
    code = f"import test_write_concurrency as module; module.main({url!r}, {name!r}, %r, {seconds!r})"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    return [
        subprocess.Popen([sys.executable, "-c", code % f"p{number}"], stdout=subprocess.PIPE, env=environment)
        for number in range(_PROCESSES)
    ]


def main(url: str, database: str, name: str, seconds: float) -> None:
    """Write in this process with two threads, and print the reports."""
    with client_of(url) as client:
        print(json.dumps(work(client[database].things, name, 2, seconds)))


def _prepared(client: MongoClient, name: str) -> Collection:
    things = client[name].things
    things.create_index("claim", unique=True, sparse=True)
    things.create_index([("n", -1)])
    return things


def _indexed(things: Collection) -> None:
    """The index on the counter says what the documents say."""
    by_index = [each["_id"] for each in things.find({"n": {"$gte": 1}}).sort("n", -1).limit(_KEYS)]
    documents = sorted(
        (document for document in things.find({}, pushdown=False) if "n" in document), key=lambda each: -each["n"]
    )
    assert by_index == [document["_id"] for document in documents]


def _threads(valkey: ValkeyServer, name: str, seconds: float) -> None:
    with client_of(valkey.url) as client:
        things = _prepared(client, name)
        assert check(things, work(things, "t", _THREADS, seconds)) > 100
        _indexed(things)
        things.drop()


def _in_processes(valkey: ValkeyServer, name: str, seconds: float) -> None:
    with client_of(valkey.url) as client:
        things = _prepared(client, name)
        running = _processes(valkey.url, name, seconds)
        reports: list[dict[str, Any]] = []
        for process in running:
            output, _ = process.communicate(timeout=seconds + 60)
            assert process.returncode == 0
            reports.extend(json.loads(output))
        assert check(things, reports) > 100
        _indexed(things)
        things.drop()


def test_threads_lose_nothing(valkey: ValkeyServer, fresh_name: Callable[[], str]) -> None:
    _threads(valkey, fresh_name(), 3)


def test_processes_lose_nothing(valkey: ValkeyServer, fresh_name: Callable[[], str]) -> None:
    _in_processes(valkey, fresh_name(), 3)


@pytest.mark.long
def test_threads_lose_nothing_for_long(valkey: ValkeyServer, fresh_name: Callable[[], str]) -> None:
    _threads(valkey, fresh_name(), 30)


@pytest.mark.long
def test_processes_lose_nothing_for_long(valkey: ValkeyServer, fresh_name: Callable[[], str]) -> None:
    _in_processes(valkey, fresh_name(), 30)


def _killed(folder: Path, fsync: str, seconds: float, every: float) -> int:
    """Write while the server is killed and started again every so often; how many times.

    With ``always`` every acknowledged write must be there. With ``everysec`` the server may answer before it writes,
    for as long as an earlier fsync is still on its way, but for two seconds at most (Redis manual: Persistence): what
    was acknowledged that shortly before it was killed may be missing, and nothing else.
    """
    folder.mkdir()
    kills = 0
    losses: list[float] = []
    with ValkeyServer(folder, persistent=True, fsync=fsync) as server, client_of(server.url) as client:
        things = _prepared(client, "killed")
        reports: list[dict[str, Any]] = []
        working = threading.Thread(target=lambda: reports.extend(work(things, "t", _THREADS, seconds, losses)))
        working.start()
        while working.is_alive():
            working.join(every)
            if working.is_alive():
                server.stop(9)
                if fsync == "everysec":
                    losses.append(time.monotonic())
                server.start()
                kills += 1
        assert len(reports) == _THREADS
        assert check(things, reports) > 100
        _indexed(things)
    return kills


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_a_killed_server_loses_nothing_that_was_acknowledged(engines_folder: Path, fsync: str) -> None:
    assert _killed(engines_folder / f"k{fsync[0]}", fsync, 3, 0.7) >= 1


@pytest.mark.long
@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_a_server_killed_again_and_again_loses_nothing(engines_folder: Path, fsync: str) -> None:
    assert _killed(engines_folder / f"l{fsync[0]}", fsync, 30, 3) >= 5


def test_every_error_of_a_dead_server_is_one_that_legacy_code_catches(engines_folder: Path) -> None:
    folder = engines_folder / "dead"
    folder.mkdir()
    with ValkeyServer(folder) as server, client_of(server.url) as client:
        client.a.things.insert_one({"_id": 1})
        server.stop(9)
        with pytest.raises(PyMongoError):
            client.a.things.update_one({"_id": 1}, {"$inc": {"n": 1}})
        server.start()
        assert client.a.things.find_one({"_id": 1}) is None
