"""Cursors stream: what they hold does not grow with the result."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kato_compat import MongoClient
from kato_compat.ir.requests import Execute

_FILL = (
    "INSERT INTO kato.patterns_data (kb_id, name, pattern_data, length)"
    " SELECT {kb:String}, lower(hex(SHA1(toString(number)))), [['a', 'b'], [toString(number)]], 3"
    " FROM numbers({count:UInt64})"
)


@pytest.fixture(scope="module")
def client(embedded_path: Path) -> Iterator[MongoClient]:
    with MongoClient(f"embedded://{embedded_path}") as client:
        yield client


@pytest.fixture
def filled(client: Any, fresh_name: Callable[[], str]) -> Iterator[Callable[[int], Any]]:
    """Makes knowledge bases with so many rows of others."""
    names: list[str] = []

    def fill(count: int) -> Any:
        names.append(fresh_name())
        patterns = client[names[-1]].patterns_kb
        patterns.count_documents({})  # makes the table
        client.deployment.clickhouse.execute(Execute(_FILL, {"kb": names[-1], "count": count}))
        return patterns

    yield fill
    for name in names:
        client.drop_database(name)


def peak(run: Callable[[], Iterator[Any]]) -> tuple[int, int]:
    """How many documents there were, and the most bytes that Python held meanwhile beyond those before."""
    tracemalloc.start()
    try:
        count = sum(1 for _ in run())
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


_RUNS: dict[str, Callable[[Any], Any]] = {
    "find": lambda patterns: patterns.find(),
    "filter": lambda patterns: patterns.find({"pattern_data": {"$ne": ["no"]}}, {"name": 1}),
    "aggregate": lambda patterns: patterns.aggregate([{"$unwind": "$pattern_data"}, {"$skip": 1}], batchSize=100),
}


@pytest.mark.parametrize("run", _RUNS)
def test_memory_does_not_grow(filled: Callable[[int], Any], run: str) -> None:
    small, large = filled(10_000), filled(25_000)
    few, low = peak(lambda: _RUNS[run](small))
    many, high = peak(lambda: _RUNS[run](large))
    factor = 2 if run == "aggregate" else 1
    assert (few, many) == (10_000 * factor - (factor - 1), 25_000 * factor - (factor - 1))
    # Both read several blocks; what is held is a block and what is made of it.
    assert high < 1.3 * low


def resident() -> int:
    """Bytes of memory that the process has, the engine's with them."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel does not say how much memory the process has")


@pytest.mark.long
def test_a_million_rows(filled: Callable[[int], Any]) -> None:
    patterns = filled(1_000_000)
    assert sum(1 for _ in patterns.find().limit(100_000)) == 100_000
    before = resident()
    most = count = 0
    for count, _ in enumerate(patterns.find(), 1):
        if count % 20_000 == 0:
            most = max(most, resident())
    assert count == 1_000_000
    # The whole result takes more than a gigabyte.
    assert most - before < 200 * 2**20
