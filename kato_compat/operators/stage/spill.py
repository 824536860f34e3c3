"""Keeping a blocking stage within its memory: an estimate of what it holds, and files for what is beyond.

Files are unnamed temporary files (gone with the process) of pickled batches; nothing but this module reads them.
"""

import heapq
import pickle
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from typing import IO, Any, Final

from kato_compat.errors import fail
from kato_compat.ir.stage import Environment

#: Items a pickled block; one block of each file is in memory while files are merged.
_BLOCK: Final = 512
#: Of so many items one is measured.
_EVERY: Final = 64


def size_of(value: Any) -> int:
    """About how many bytes `value` takes in BSON, plus what a container costs here."""
    kind = type(value)
    if kind is str:
        return 24 + len(value)
    if kind is dict:
        return 64 + sum([16 + len(name) + size_of(item) for name, item in value.items()])
    if kind is list or kind is tuple:
        return 56 + sum([8 + size_of(item) for item in value])
    if isinstance(value, bytes):
        return 24 + len(value)
    return 24


class Budget:
    """The estimated memory of one execution, in bytes.

    Sizes are measured for a sample, so an estimate costs little; the first items are all measured.
    """

    __slots__ = ("_environment", "_items", "_stage", "used")

    def __init__(self, stage: str, environment: Environment) -> None:
        self._stage = stage
        self._environment = environment
        self._items = 0
        self.used = 0.0

    def count(self, items: list[Any]) -> bool:
        """Count `items` in; True if memory is used up."""
        first = items[: max(0, _EVERY - self._items)]
        rest = items[len(first) :]
        self.used += sum(map(size_of, first))
        if sample := rest[::_EVERY]:
            self.used += sum(map(size_of, sample)) / len(sample) * len(rest)
        self._items += len(items)
        return self.used > self._environment.memory_limit

    def add(self, size: float) -> bool:
        """Count `size` bytes in; True if memory is used up and things may go to disk, else raises 292."""
        self.used += size
        if self.used <= self._environment.memory_limit:
            return False
        self.check()
        return True

    def check(self) -> None:
        """Raise 292 where nothing may go to disk."""
        if not self._environment.allow_disk_use:
            raise fail(
                292,
                f"Exceeded memory limit for {self._stage}, but didn't allow external spilling; pass allowDiskUse:true "
                "to opt in",
            )

    def reset(self) -> None:
        """Nothing is held in memory any more."""
        self.used = 0.0


class Run:
    """Items written in order to a temporary file, to be read in the same order."""

    __slots__ = ("_block", "_file")

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="kato_compat-")  # noqa: SIM115 - closed by `close`
        self._block: list[Any] = []

    def append(self, item: Any) -> None:
        """Write one item."""
        self._block.append(item)
        if len(self._block) >= _BLOCK:
            self._flush()

    def extend(self, items: list[Any]) -> None:
        """Write items."""
        for start in range(0, len(items), _BLOCK):
            self._block.extend(items[start : start + _BLOCK])
            self._flush()

    def __iter__(self) -> Iterator[Any]:
        self._flush()
        self._file.seek(0)
        while True:
            try:
                block = pickle.load(self._file)
            except EOFError:
                return
            yield from block

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _flush(self) -> None:
        if self._block:
            pickle.dump(self._block, self._file, protocol=pickle.HIGHEST_PROTOCOL)
            self._block = []


class Sorter:
    """A stable sort of any number of items: beyond the memory limit each load goes sorted to a file of its own.

    `order` gives a list of items sorted, `key` the sort key of one item. With `limit`, `order` gives no more than so
    many, and what cannot be among them is dropped early.
    """

    __slots__ = ("_budget", "_held", "_key", "_limit", "_most", "_order", "_runs")

    def __init__(
        self,
        stage: str,
        environment: Environment,
        order: Callable[[list[Any]], list[Any]],
        key: Callable[[Any], Any],
        limit: int | None = None,
    ) -> None:
        self._budget = Budget(stage, environment)
        self._order = order
        self._key = key
        self._limit = limit
        # Above this number it pays to drop what cannot get out any more.
        self._most = max(4096, 2 * limit) if limit is not None else None
        self._held: list[Any] = []
        self._runs: list[Run] = []

    def add(self, items: list[Any]) -> None:
        """Take items in. Raises 292 beyond the memory limit where nothing may go to disk."""
        held, limit = self._held, self._limit
        held.extend(items)
        full = self._budget.count(items)
        if limit is not None and self._most is not None and len(held) > limit and (full or len(held) > self._most):
            self._held = held = self._order(held)
            self._budget.reset()
            full = self._budget.count(held)
        if full:
            self._budget.check()
            self._spill()

    def items(self) -> Iterator[Any]:
        """All items in order; nothing may be added after."""
        if not self._runs:
            held, self._held = self._held, []
            return iter(self._order(held))
        if self._held:
            self._spill()
        # heapq.merge takes from the earlier file where keys are equal, which keeps the sort stable.
        return islice(heapq.merge(*self._runs, key=self._key), self._limit)

    def close(self) -> None:
        """Give the files back."""
        for run in self._runs:
            run.close()
        self._runs = []
        self._held = []

    def _spill(self) -> None:
        run = Run()
        self._runs.append(run)
        run.extend(self._order(self._held))
        self._held = []
        self._budget.reset()
