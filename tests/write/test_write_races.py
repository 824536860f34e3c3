"""Jobs are taken once, counters give every value once: find-and-modify under many threads and processes."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from chdbhttp import ChdbHttp
from racing import SHAPES, TURNS, Shape, labour
from valkeyserver import ValkeyServer

import kato_compat
from kato_compat import Collection, MongoClient

_WORKERS: Final = 6
_JOBS: Final = 30
_PROCESSES: Final = 2


def _filled(collection: Collection, shape: Shape, count: int) -> None:
    collection.insert_many([shape.document(number) for number in range(count)])


def _check_queue(collection: Collection, shape: Shape, task: str, done: dict[int, list[Any]], count: int) -> None:
    """Every job was taken by exactly one worker, and says by which."""
    jobs = sorted(f"j{number}" for number in range(count))
    assert sorted(job for each in done.values() for job in each) == jobs
    held = list(collection.find())
    if task == "delete":
        assert held == []
        assert collection.count_documents({}) == 0
        return
    assert sorted(document[shape.key] for document in held) == jobs
    for document in held:
        assert document[shape.key] in done[shape.taken(document)]
    assert collection.count_documents(shape.new) == 0


def _check_counter(collection: Collection, shape: Shape, done: dict[int, list[Any]], first: int) -> None:
    """Every value was seen once."""
    values = [value for each in done.values() for value in each]
    assert sorted(values) == list(range(first + 1, first + 1 + len(values)))
    assert all(each == sorted(each) for each in done.values())
    assert collection.count_documents({shape.key: "counter", shape.counter: first + len(values)}) == 1


def _counter(collection: Collection, shape: Shape) -> int:
    """Insert the document that counts; where it begins."""
    document = {**shape.document(0), shape.key: "counter"}
    collection.insert_one(document)
    found: Any = document
    for name in shape.counter.split("."):
        found = found[name]
    return int(found)


@pytest.mark.parametrize("task", ["update", "replace", "delete"])
def test_every_job_is_taken_once(raced: tuple[Collection, Shape], task: str) -> None:
    collection, shape = raced
    _filled(collection, shape, _JOBS)
    done = labour(collection, shape, task, range(1, _WORKERS + 1))
    _check_queue(collection, shape, task, done, _JOBS)


def test_every_value_of_a_counter_is_seen_once(raced: tuple[Collection, Shape]) -> None:
    collection, shape = raced
    first = _counter(collection, shape)
    done = labour(collection, shape, "count", range(1, _WORKERS + 1))
    assert sum(map(len, done.values())) == _WORKERS * TURNS
    _check_counter(collection, shape, done, first)


def _in_processes(redis: str, clickhouse: str, database: str, name: str, task: str) -> dict[int, list[Any]]:
    """Let processes with two workers each do a task; what each worker did."""
    program = Path(__file__).parent / "racing.py"
    environment = {**os.environ, "PYTHONPATH": str(Path(kato_compat.__file__).parents[1])}
    processes = [
        subprocess.Popen(
            [sys.executable, str(program), redis, clickhouse, database, name, task, str(1 + 2 * number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(_PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0] * _PROCESSES
    return {int(worker): done for answer in answers for worker, done in json.loads(answer).items()}


def _processes_take(
    valkey: ValkeyServer, clickhouse: ChdbHttp, database: str, name: str, task: str, count: int
) -> None:
    shape = SHAPES[name]
    with MongoClient(redis=valkey.url, clickhouse=clickhouse.url(), layout=shape.layout) as client:
        collection = client[database][shape.collection]
        if task == "count":
            first = _counter(collection, shape)
        else:
            _filled(collection, shape, count)
        done = _in_processes(valkey.url, clickhouse.url(), database, name, task)
        assert Counter(map(len, done.values())).total() == 2 * _PROCESSES
        if task == "count":
            _check_counter(collection, shape, done, first)
        else:
            _check_queue(collection, shape, task, done, count)
        client.drop_database(database)


@pytest.mark.parametrize(("name", "task"), [("plain", "update"), ("moving", "update"), ("hashes", "count")])
def test_processes_take_every_job_once(
    valkey: ValkeyServer, clickhouse_http: ChdbHttp, fresh_name: Callable[[], str], name: str, task: str
) -> None:
    _processes_take(valkey, clickhouse_http, fresh_name(), name, task, _JOBS)


@pytest.mark.long
@pytest.mark.parametrize("task", ["update", "replace", "delete", "count"])
@pytest.mark.parametrize("name", SHAPES)
def test_processes_take_every_one_of_many_jobs_once(
    valkey: ValkeyServer, clickhouse_http: ChdbHttp, fresh_name: Callable[[], str], name: str, task: str
) -> None:
    _processes_take(valkey, clickhouse_http, fresh_name(), name, task, 5 * _JOBS)
