"""Knowledge bases: learning, reading and forgetting patterns, with all statistics kept."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from pymongo.errors import ConfigurationError

from kato_compat.execute.deployment import Deployment, MemoryDeployment
from kato_compat.execute.mapped import MappedStorage
from kato_compat.execute.table import TableStorage
from kato_compat.ir.requests import Flow
from kato_compat.kato.learning import COLLECTIONS, Learner
from kato_compat.kato.lesson import Lesson, lesson
from kato_compat.kato.memory import MemoryLearner
from kato_compat.mapping.spec import LAYOUTS, METADATA, PATTERNS
from kato_compat.values.document import Document

if TYPE_CHECKING:
    from kato_compat.collection.client import MongoClient
    from kato_compat.collection.collection import Collection

#: Lessons of one atomic step of `learn_patterns`, and how many symbols end a step before.
BLOCK: Final = 512
SYMBOLS: Final = 8192
#: Rows that may wait in Redis, and for how many seconds, before a learn moves them to ClickHouse.
WAITING: Final = 10_000
SECONDS: Final = 30.0
#: The other collections that `clear_all_memory` empties.
_CLEARED: Final = ("metadata", "predictions_kb", "associative_action_kb")


class KnowledgeBase:
    """One knowledge base of a client: the database `kb_id` with KATO's collections. Making one does no I/O.

    `persistence` is how many learns the window of a pattern's emotives keeps. What is learned is visible to the next
    read of any client at once; rows reach ClickHouse in blocks, before any scan, and with `write_through` after
    each call. Safe to use from many threads.

    Raises `ValueError` for a persistence below 1, pymongo's `InvalidName` for a name that no database may have, and
    `ConfigurationError` where the client's catalogue maps KATO's collections otherwise.
    """

    def __init__(self, client: "MongoClient", kb_id: str, persistence: int = 7, *, write_through: bool = False) -> None:
        if isinstance(persistence, bool) or not isinstance(persistence, int):
            raise TypeError(f"persistence must be an int, not {type(persistence).__name__}")
        if persistence < 1:
            raise ValueError(f"persistence must be at least 1, not {persistence}")
        self.database = client[kb_id]
        self.client = client
        self.persistence = persistence
        self.write_through = write_through
        self._learner = learner(client.deployment, self.database.name, persistence)
        self._since: float | None = None

    @property
    def kb_id(self) -> str:
        """The name of the knowledge base and of its database."""
        return self.database.name

    @property
    def patterns_kb(self) -> "Collection":
        """The collection of patterns."""
        return self.database["patterns_kb"]

    @property
    def symbols_kb(self) -> "Collection":
        """The collection of symbols."""
        return self.database["symbols_kb"]

    @property
    def metadata(self) -> "Collection":
        """The collection of totals and of other documents with a ``class``."""
        return self.database["metadata"]

    @property
    def predictions_kb(self) -> "Collection":
        """The collection of stored predictions."""
        return self.database["predictions_kb"]

    @property
    def associative_action_kb(self) -> "Collection":
        """The collection of actions associated with symbols."""
        return self.database["associative_action_kb"]

    def learn_pattern(self, pattern_data: Any, emotives: Any = None, metadata: Any = None) -> bool:
        """Learn a pattern, a list of events that are lists of symbols; whether it is new.

        The pattern's frequency, the symbols' frequencies and memberships, the totals, the inverted index and the
        affinities are counted in the same atomic step: on an error nothing is counted. A pattern is known if its
        frequency is there. `emotives` is a mapping of numbers or a sequence of mappings, averaged over those that have
        a name; averages of zero are left out, and what is left is one entry of the pattern's window. `metadata`, a
        mapping of strings or lists of them (other values are turned into strings), is united with the pattern's.

        Raises `TypeError` and `ValueError` for arguments of other forms, `OperationFailure` where a key that is to be
        changed holds something else, and pymongo's connection errors.
        """
        ((new,), due) = self._learn([lesson(pattern_data, emotives, metadata)])
        if due:
            self.flush()
        return new

    def learn_patterns(self, patterns: Iterable[Any]) -> int:
        """Learn many patterns; how many were new.

        Each is a pattern, or a tuple ``(pattern, emotives, metadata)`` whose last ones may be left out. They are
        learned in blocks, each in one atomic step: on an error nothing of its block is counted, and everything before
        it is. What precedes an item that is no pattern is learned before the `TypeError` is raised.
        """
        new = 0
        under_way: Future[tuple[list[bool], bool]] | None = None
        moving: Future[int] | None = None
        # The next block is read and encoded while the stores work on this one, and rows move beside; there is never a
        # second block, or a second flush, on its way.
        with ThreadPoolExecutor(2, "learn_patterns") as executor:
            try:
                for block in _blocks(patterns):
                    if under_way is not None:
                        flags, due = under_way.result()
                        new += sum(flags)
                        if due and (moving is None or moving.done()):
                            if moving is not None:
                                moving.result()
                            moving = executor.submit(self.flush)
                    under_way = executor.submit(self._learn, block)
            except BaseException:
                if under_way is not None:
                    # An error of the block before came first: it is the one to raise.
                    under_way.result()
                raise
            if moving is not None:
                moving.result()
        if under_way is not None:
            flags, due = under_way.result()
            new += sum(flags)
            if due:
                self.flush()
        return new

    def get_pattern(self, name: str) -> Document | None:
        """The document of a pattern as `patterns_kb` has it, without its `_id`; None if there is none."""
        found: Document | None = self.patterns_kb.find_one({"name": name}, {"_id": 0})
        return found

    def forget_pattern(self, name: str) -> bool:
        """Remove a pattern and what it has counted; False if there is none.

        Symbols lose its occurrences times its frequency, and one membership; one of which nothing is left is removed.
        Affinities lose the emotives in its window: what has left the window can no longer be known. No counter falls
        below zero.
        """
        return self.client.deployment.run(self._learner.forget(name))

    def clear_all_memory(self) -> None:
        """Remove all patterns, symbols, metadata, predictions and associated actions; indexes stay.

        Collections of other names are left as they are.
        """
        deployment = self.client.deployment
        deployment.run(self._learner.clear([deployment.storage(self.kb_id, name) for name in _CLEARED]))

    def flush(self) -> int:
        """Move the rows that wait in Redis to ClickHouse; how many were moved."""
        self._since = None
        return self.client.deployment.run(_flush(self._learner))

    def _learn(self, lessons: list[Lesson]) -> tuple[list[bool], bool]:
        """Learn a block: for each lesson whether its pattern is new, and whether it is time to flush."""
        new, waiting = self.client.deployment.run(self._learner.learn(lessons))
        if not waiting:
            return new, False
        since, now = self._since, time.monotonic()
        if since is None:
            self._since = since = now
        return new, self.write_through or waiting >= WAITING or now - since >= SECONDS


def learner(deployment: Deployment, kb_id: str, persistence: int) -> Learner | MemoryLearner:
    """What learns into a knowledge base of a deployment; no I/O.

    Raises `ConfigurationError` where the catalogue maps KATO's collections in a way of the user's own.
    """
    storages = [deployment.storage(kb_id, name) for name in COLLECTIONS]
    if isinstance(deployment, MemoryDeployment):
        tables = [deployment.store.table(kb_id, name) for name in COLLECTIONS]
        return MemoryLearner(storages, tables, persistence)
    layout = deployment.catalogue.layout
    patterns, symbols, metadata = storages
    if (
        not isinstance(patterns, TableStorage)
        or not isinstance(symbols, MappedStorage)
        or not isinstance(metadata, MappedStorage)
        or [storage.spec for storage in storages] != [PATTERNS, LAYOUTS[layout], METADATA]
    ):
        raise ConfigurationError(
            f"learning needs KATO's own mapping of {', '.join(COLLECTIONS)}; this client's catalogue has another one"
        )
    return Learner(kb_id, patterns, symbols, metadata, layout, persistence)


def _flush(learner: Learner | MemoryLearner) -> Flow[int]:
    if isinstance(learner, MemoryLearner):
        return 0
    return (yield from learner.patterns.pending.flush())


def _blocks(patterns: Iterable[Any]) -> Iterator[list[Lesson]]:
    block: list[Lesson] = []
    symbols = 0
    given = iter(patterns)
    while True:
        try:
            item = next(given)
            arguments = item if isinstance(item, tuple) and item and _is_pattern(item[0]) else (item,)
            block.append(lesson(*arguments))
        except StopIteration:
            break
        except BaseException:
            # What came before is learned all the same; a generator goes on here once that is done.
            if block:
                yield block
            raise
        symbols += len(block[-1].counts)
        if len(block) == BLOCK or symbols >= SYMBOLS:
            yield block
            block, symbols = [], 0
    if block:
        yield block


def _is_pattern(value: Any) -> bool:
    """Whether the first item of a tuple is a pattern and not an event: its own items are no strings."""
    return isinstance(value, Sequence) and not isinstance(value, str) and not (value and isinstance(value[0], str))
