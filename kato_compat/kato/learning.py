"""Learning on ClickHouse and Redis: flows around the atomic steps of `kato.script` and `kato.forgetting`.

A pattern or symbol whose document lives on the document side of its collection (because its mapping cannot hold it)
is changed there, by compare-and-swap, right after the atomic step, which then leaves its keys alone; all other
statistics are kept by the step as ever.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kato_compat.errors import refused
from kato_compat.execute.documents import Definitions
from kato_compat.execute.mapped import MappedStorage, Version, score
from kato_compat.execute.storage import Access, Change, Outcome, Storage, Stored
from kato_compat.execute.table import TableStorage
from kato_compat.execute.writing import pause
from kato_compat.ir.requests import Argument, Call, Flow, NextBlock, OpenScan, Pipeline
from kato_compat.kato.change import (
    counted,
    counts_of,
    emotives_of,
    incremented,
    learned,
    times_of,
    totalled,
    untotalled,
    without,
)
from kato_compat.kato.forgetting import FORGET
from kato_compat.kato.lesson import Entry, Lesson, encode_row
from kato_compat.kato.script import COUNT, LEARN
from kato_compat.mapping.field import dumps
from kato_compat.mapping.keys import CATALOGUE, entry, kato
from kato_compat.parse.expression import Context
from kato_compat.parse.filter import parse_filter
from kato_compat.sql.fragment import bind, join, quote_name
from kato_compat.values.document import Document

#: Keys of one knowledge base that go with a symbol and are not of its document.
_WITH_SYMBOL: Final = ("affinity", "symbol_to_patterns")
#: The beginnings of the keys that go with a pattern.
_WITH_PATTERN: Final = (
    "frequency",
    "emotives",
    "metadata",
    "entropy",
    "normalized_entropy",
    "global_normalized_entropy",
    "tf_vector",
)
_BATCH: Final = 500
#: The reply of a step that was made for other index definitions than there are.
_STALE: Final = -2
#: The key of the totals' document.
TOTALS: Final = "totals"
#: The collections that learning writes.
COLLECTIONS: Final = ("patterns_kb", "symbols_kb", "metadata")


@dataclass(slots=True)
class Beside:
    """The documents on the document sides that a block of lessons is about, and when they were looked up."""

    newest: list[bytes]
    patterns: dict[str, Stored] = field(default_factory=dict)
    symbols: dict[str, Stored] = field(default_factory=dict)
    totals: Stored | None = None

    def __bool__(self) -> bool:
        return bool(self.patterns or self.symbols) or self.totals is not None


@dataclass(frozen=True, slots=True)
class Indexes:
    """The index definitions that a step is made for."""

    patterns: Definitions
    symbols: Definitions


class Learner:
    """Learning into one knowledge base. Making one does no I/O; safe to use from many threads."""

    def __init__(
        self,
        kb_id: str,
        patterns: TableStorage,
        symbols: MappedStorage,
        metadata: MappedStorage,
        layout: str,
        persistence: int,
    ) -> None:
        self.kb_id = kb_id
        self.patterns = patterns
        self.symbols = symbols
        self.metadata = metadata
        self.layout = layout
        self.persistence = persistence
        self._prefix = kb_id.encode() + b":"
        self._entries = [entry(kb_id, name) for name in COLLECTIONS]
        self._newest = [b"", b"", b""]

    # learning

    def learn(self, lessons: Sequence[Lesson]) -> Flow[tuple[list[bool], int]]:
        """Learn a block in one atomic step: for each lesson whether its pattern is new, and how many rows wait.

        Refuses (115) to learn where a unique index could come to hold what is learned: the step does not keep it.
        """
        yield from self.symbols.adopt()
        indexes = yield from self.definitions()
        names = list(dict.fromkeys(lesson.name for lesson in lessons))
        positions: dict[str, int] = {}
        for lesson in lessons:
            for symbol in lesson.counts:
                positions.setdefault(symbol, len(positions) + 1)
        beside = Beside(self._newest)
        if any(self._newest):
            beside = yield from self.look_up(names, list(positions), self._newest)
        while True:
            for lesson in lessons:
                self._check(beside, lesson)
            (reply,) = yield Pipeline((self._call(lessons, positions, beside, indexes),))
            waiting, *flags = reply
            if waiting >= 0:
                break
            if waiting == _STALE:
                indexes = yield from self.definitions(reload=True)
                continue
            self._newest = flags
            beside = yield from self.look_up(names, list(positions), flags)
        new = [bool(flag) for flag in flags]
        if beside:
            for lesson, first in zip(lessons, new, strict=True):
                yield from self._learn_beside(beside, lesson, first)
            if beside.totals is not None:
                yield from self._count_totals(beside.totals, lessons, new)
        return new, waiting

    def definitions(self, reload: bool = False) -> Flow[Indexes]:
        """What the steps need to know of indexes. Raises 115 for a unique one that they could not keep."""
        found = []
        for storage in (self.patterns, self.symbols):
            definitions = yield from storage.documents.definitions(reload)
            index = storage.beyond(definitions)
            if index is not None:
                raise refused(
                    f"learning into {self.kb_id!r}",
                    f"the unique index {index.name!r} of {storage.spec.name} would have to be looked at for every "
                    "pattern; drop it, or write the documents themselves",
                )
            found.append(definitions)
        return Indexes(*found)

    def _ranked(self, indexes: Indexes, first: int) -> tuple[list[bytes], list[list[int]]]:
        """The sorted sets of the indexes on counters, from position `first` on, and the positions by counter."""
        keys: list[bytes] = []
        positions: list[list[int]] = []
        for storage, definitions, name in (
            (self.patterns, indexes.patterns, "frequency"),
            (self.symbols, indexes.symbols, "frequency"),
            (self.symbols, indexes.symbols, "pattern_member_frequency"),
        ):
            sets = storage.counter_sets(definitions).get(name, ())
            positions.append([first + len(keys) + place for place in range(len(sets))])
            keys.extend(sets)
        return keys, positions

    def _call(self, lessons: Sequence[Lesson], positions: dict[str, int], beside: Beside, indexes: Indexes) -> Call:
        sets, ranked = self._ranked(indexes, 10)
        block = {
            "s": list(positions),
            "c": [str(score(symbol)) for symbol in positions],
            "o": [symbol in beside.symbols for symbol in positions],
            "t": beside.totals is not None,
            "n": len(self._entries),
            "r": ranked,
            "p": [
                [
                    lesson.name,
                    [positions[symbol] for symbol in lesson.counts],
                    list(lesson.counts.values()),
                    [dumps(lesson.entry).decode(), *lesson.entry.items()] if lesson.entry is not None else False,
                    list(lesson.metadata.items()) if lesson.metadata is not None else False,
                    lesson.name in beside.patterns,
                ]
                for lesson in lessons
            ],
        }
        arguments: list[Argument] = [self._prefix, self.layout, self.persistence, *beside.newest]
        arguments.extend((_state(indexes.patterns), _state(indexes.symbols), _json(block)))
        arguments.extend(self._entries)
        arguments.extend(encode_row(lesson) for lesson in lessons)
        keys = (
            self.patterns.pending.pending,
            self.patterns.pending.gone,
            self.symbols.index,
            self.patterns.documents.order,
            self.symbols.documents.order,
            self.metadata.documents.order,
            CATALOGUE,
            self.patterns.documents.meta,
            self.symbols.documents.meta,
            *sets,
        )
        return Call(LEARN, keys, tuple(arguments))

    # documents beside the mapped ones

    def look_up(self, names: Sequence[str], symbols: Sequence[str], newest: list[bytes]) -> Flow[Beside]:
        """The documents on the document sides, looked up when the newest were `newest`."""
        patterns = yield from find_beside(self.patterns, names) if newest[0] else _nothing()
        counted = yield from find_beside(self.symbols, symbols) if newest[1] else _nothing()
        totals = yield from self._totals_beside() if newest[2] else _nothing()
        return Beside(newest, patterns, counted, totals.get(TOTALS))

    def _totals_beside(self) -> Flow[dict[str, Stored]]:
        return (yield from find_beside(self.metadata, (TOTALS,)))

    def _check(self, beside: Beside, lesson: Lesson) -> None:
        """Raise what the changes of documents beside would raise, before anything is counted."""
        if lesson.name in beside.patterns:
            learned(beside.patterns[lesson.name].document, lesson, self.persistence)
        for symbol, count in lesson.counts.items() if beside.symbols else ():
            if symbol in beside.symbols:
                counted(beside.symbols[symbol].document, count, True, lesson.entry)
        if beside.totals is not None:
            totalled(beside.totals.document, [lesson], [True])

    def _learn_beside(self, beside: Beside, lesson: Lesson, new: bool) -> Flow[None]:
        if lesson.name in beside.patterns:
            yield from swap(
                self.patterns,
                beside.patterns[lesson.name],
                lambda document: learned(document, lesson, self.persistence),
            )
        for symbol, count in lesson.counts.items():
            if symbol in beside.symbols:
                yield from self._count_beside(beside.symbols[symbol], count, new, lesson.entry)

    def _count_totals(self, stored: Stored, lessons: Sequence[Lesson], new: Sequence[bool]) -> Flow[Document]:
        after: Document = yield from swap(self.metadata, stored, lambda document: totalled(document, lessons, new))
        return after

    def _count_beside(self, stored: Stored, count: int, new: bool, emotives: Entry | None) -> Flow[Document]:
        after: Document = yield from swap(
            self.symbols, stored, lambda document: counted(document, count, new, emotives)
        )
        return after

    # forgetting

    def forget(self, name: str) -> Flow[bool]:
        """Remove a pattern and what it has counted; False if there is none."""
        yield from self.symbols.adopt()
        yield from self.definitions()
        attempt = 0
        while True:
            (found,) = yield from self.patterns.read((name,), (), writes=True)
            held = yield from find_beside(self.patterns, (name,)) if found is None else _nothing()
            stored = held.get(name, found)
            if stored is None:
                return False
            if (yield from self._forget(name, stored)):
                return True
            attempt += 1
            yield from pause(attempt)

    def _forget(self, name: str, stored: Stored) -> Flow[bool]:
        counts = counts_of(stored.document)
        times = times_of(stored.document)
        taken = emotives_of(stored.document)
        outside = yield from find_beside(self.symbols, list(counts))
        for symbol, each in outside.items():
            without(each.document, times * counts[symbol], taken)  # an error comes before anything is removed
        mapped = isinstance(stored.version, Version)
        if not mapped:
            (outcome,) = yield from self.patterns.write((Change(stored, None),))
            if outcome is not Outcome.DONE:
                return False
        raws = stored.version.raws if mapped else {}
        waiting = b""
        if mapped and stored.version.row is not None and stored.version.row.place == "pending":
            waiting = stored.version.row.value
        frequency, emotives = raws.get("frequency"), raws.get("emotives")
        block = {
            "s": list(counts),
            "n": list(counts.values()),
            "o": [symbol in outside for symbol in counts],
            "f": False if frequency is None else frequency.decode(),
            "w": emotives.decode() if isinstance(emotives, bytes) else False,
            "e": list(taken.items()),
            "r": _WITH_PATTERN,
            "d": not mapped,
            "t": times,
        }
        newest, totals = self._newest[2], None
        if newest:
            totals = (yield from self._totals_beside()).get(TOTALS)
        while True:
            indexes = yield from self.definitions()
            (reply,) = yield Pipeline((self._forgetting(name, block, waiting, indexes, newest, totals is not None),))
            if reply == _STALE:
                yield from self.definitions(reload=True)
            elif isinstance(reply, bytes):
                newest = reply
                totals = (yield from self._totals_beside()).get(TOTALS)
            else:
                break
        if not reply:
            return False
        for symbol, each in outside.items():
            yield from self._forget_beside(each, times * counts[symbol], taken)
        if totals is not None:
            yield from swap(self.metadata, totals, lambda document: untotalled(document, times, counts))
        return True

    def _forgetting(
        self, name: str, block: Document, waiting: bytes, indexes: Indexes, newest: bytes, beside: bool
    ) -> Call:
        sets, ranked = self._ranked(indexes, 8)
        keys = (
            self.patterns.pending.pending,
            self.patterns.pending.moving,
            self.patterns.pending.gone,
            self.symbols.index,
            self.patterns.documents.meta,
            self.symbols.documents.meta,
            self.metadata.documents.order,
            *sets,
        )
        states = _state(indexes.patterns), _state(indexes.symbols)
        given = _json({**block, "b": beside, "k": ranked})
        return Call(FORGET, keys, (self._prefix, self.layout, name.encode(), given, waiting, *states, newest))

    def _forget_beside(self, stored: Stored, frequency: int, taken: Entry) -> Flow[None]:
        yield from swap(self.symbols, stored, lambda each: without(each, frequency, taken))

    def clear(self, others: Sequence[Storage]) -> Flow[None]:
        """Remove everything that was learned, and the documents of `others`; indexes stay."""
        symbols: set[str] = set()
        yield from self.patterns.prepared()
        source = self.patterns.pending.source
        statement = join(
            f"SELECT DISTINCT arrayJoin(arrayFlatten(pattern_data)) FROM {self.patterns.warehouse.table(source).text}"
            f" WHERE {quote_name(source.tenant)} = %s",
            bind(self.kb_id, "String"),
        )
        scan = yield OpenScan(statement.text, statement.parameters)
        while rows := (yield NextBlock(scan)):
            symbols.update(row[0] for row in rows)
        yield from self.symbols.adopt()
        (members,) = yield Pipeline((("ZRANGE", self.symbols.index, 0, -1),))
        symbols.update(member.decode() for member in members)
        for storage in (self.patterns, self.symbols, *others):
            yield from storage.clear()
        listed = list(symbols)
        for start in range(0, len(listed), _BATCH):
            part = listed[start : start + _BATCH]
            keys = [kato(self.kb_id, kind, symbol) for symbol in part for kind in _WITH_SYMBOL]
            yield Pipeline((("DEL", *keys),))

    # single counters

    def count(self, symbol: str, counter: str) -> Flow[int]:
        """Increase one counter of a symbol by one; its new value. `counter` is a field of symbols' documents."""
        yield from self.symbols.adopt()
        part = "freq" if counter == "frequency" else "pmf"
        key, name = kato(self.kb_id, "symbol", part, symbol), b""
        if self.layout == "hashes":
            key, name = kato(self.kb_id, "symbols", part), b":" + symbol.encode()
        newest = b""
        while True:
            indexes = (yield from self.definitions()).symbols
            documents, sets = self.symbols.documents, self.symbols.counter_sets(indexes).get(counter, ())
            call = Call(
                COUNT,
                (self.symbols.index, CATALOGUE, documents.order, documents.meta, *sets),
                (newest, key, name, symbol.encode(), score(symbol), documents.entry, _state(indexes)),
            )
            (reply,) = yield Pipeline((call,))
            if not isinstance(reply, list):
                return int(reply)
            if not reply:
                yield from self.definitions(reload=True)
                continue
            (newest,) = reply
            held = yield from find_beside(self.symbols, (symbol,))
            if held:
                after = yield from swap(self.symbols, held[symbol], lambda each: incremented(each, counter, 1))
                return int(after[counter])


def find_beside(storage: MappedStorage, names: Sequence[str]) -> Flow[dict[str, Stored]]:
    """By key, the documents of the document side of `storage`, but for keys that have a mapped document."""
    documents, key = storage.documents, storage.spec.key
    yield from documents.definitions(reload=True)
    found: dict[str, Stored] = {}
    for start in range(0, len(names), _BATCH):
        part = list(names[start : start + _BATCH])
        predicate = parse_filter({key: {"$in": part}}, Context())
        reader = documents.open(documents.plan(Access(predicate, writes=True)))
        wanted = set(part)
        while (batch := (yield from reader.fetch())) is not None:
            for stored in batch:
                name = stored.document.get(key)
                if type(name) is str and name in wanted:
                    found.setdefault(name, stored)
    if found:
        held = list(found)
        mapped = yield from storage.read(held, (next(iter(storage.spec.redis)),), writes=False)
        for name, there in zip(held, mapped, strict=True):
            if there is not None:
                del found[name]
    return found


def swap(storage: Storage, stored: Stored, change: Any) -> Flow[Any]:
    """Change a stored document by compare-and-swap until it succeeds; the document after, None for one removed.

    A document that is gone meanwhile stays gone.
    """
    attempt = 0
    current: Stored | None = stored
    while current is not None:
        after: Document | None = change(current.document)
        (outcome,) = yield from storage.write((Change(current, after),))
        if outcome is Outcome.DONE:
            return after
        if isinstance(outcome, Exception):
            raise outcome
        attempt += 1
        yield from pause(attempt)
        current = yield from storage.again(current)
    return change(stored.document)


def _state(definitions: Definitions) -> bytes:
    """The state of definitions as the scripts take it."""
    return b"-" if definitions.state is None else b"=" + definitions.state


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _nothing() -> Flow[dict[str, Stored]]:
    return {}
    yield  # a flow without requests
