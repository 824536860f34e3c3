"""Learning in ``memory://``: the same changes as the atomic step of the engines, in whole documents under one lock."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from bson.objectid import ObjectId
from pymongo.errors import OperationFailure

from kato_compat.execute.memory import Table
from kato_compat.execute.storage import Change, Outcome, Storage, Stored
from kato_compat.ir.requests import Flow
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
from kato_compat.kato.lesson import Lesson
from kato_compat.mapping.spec import METADATA, PATTERNS, SYMBOL_COUNTERS
from kato_compat.values.document import Document
from kato_compat.values.identity import identity


class Named:
    """One collection whose documents are found by one field; its table's lock is held while it is used.

    Changes are gathered and made together by `commit`, after every one of them has been computed: an error on the way
    leaves everything as it was.
    """

    def __init__(self, storage: Storage, table: Table, field: str) -> None:
        self.storage = storage
        self.table = table
        self._field = field
        self._names: dict[str, bytes] = {}
        self._seen = -1
        self._changed: dict[str, tuple[Stored | None, Document | None]] = {}

    def get(self, name: str) -> Document | None:
        """The document of `name` with the changes gathered so far."""
        if name in self._changed:
            return self._changed[name][1]
        stored = self._stored(name)
        return None if stored is None else stored.document

    def put(self, name: str, document: Document | None) -> None:
        """Gather a change; None removes the document."""
        before = self._changed[name][0] if name in self._changed else self._stored(name)
        self._changed[name] = before, document

    def reset(self) -> None:
        """Forget the changes that an error kept from being made."""
        self._changed = {}

    def _stored(self, name: str) -> Stored | None:
        if self._seen != self.table.changes:
            self._names = {}
            for key, stored in self.table.documents.items():
                value = stored.document.get(self._field)
                if type(value) is str:
                    self._names.setdefault(value, key)
            self._seen = self.table.changes
        there = self._names.get(name)
        return None if there is None else self.table.documents[there]

    def free(self, value: ObjectId) -> ObjectId:
        """`value` as the `_id` of a new document, or another one where a document has it already."""
        return value if identity(value) not in self.table.documents else ObjectId()

    def commit(self) -> Flow[None]:
        """Make the changes gathered; the documents' names stay known."""
        changes = [Change(*pair) for pair in self._changed.values() if pair != (None, None)]
        if not changes:
            self._changed = {}
            return  # the names may not have been looked at since others changed the collection
        outcomes = yield from self.storage.write(changes, ordered=False)
        for change, outcome in zip(changes, outcomes, strict=True):
            if outcome is not Outcome.DONE:
                raise outcome if isinstance(outcome, OperationFailure) else RuntimeError("a locked table changed")
            if change.after is not None:
                self._names[change.after[self._field]] = identity(change.after["_id"])
            elif change.before is not None:
                self._names.pop(change.before.document[self._field], None)
        self._changed = {}
        self._seen = self.table.changes


class MemoryLearner:
    """Learning into one knowledge base of a `MemoryStore`. Safe to use from many threads."""

    def __init__(self, storages: Sequence[Storage], tables: Sequence[Table], persistence: int) -> None:
        """`storages` and `tables` are those of patterns, symbols and metadata."""
        fields = ("name", "name", "class")
        self._all = [Named(*each) for each in zip(storages, tables, fields, strict=True)]
        self.patterns, self.symbols, self.metadata = self._all
        self.persistence = persistence

    def _locked(self) -> ExitStack:
        stack = ExitStack()
        for each in self._all:
            stack.enter_context(each.table.lock)
            each.reset()
        return stack

    def _commit(self) -> Flow[None]:
        for each in self._all:
            yield from each.commit()

    def learn(self, lessons: Sequence[Lesson]) -> Flow[tuple[list[bool], int]]:
        """See `Learner.learn`; no rows wait."""
        with self._locked():
            new = [self._learn(lesson) for lesson in lessons]
            yield from self._commit()
        return new, 0

    def _learn(self, lesson: Lesson) -> bool:
        document = self.patterns.get(lesson.name)
        new = document is None
        if document is None:
            document = {
                "_id": self.patterns.free(PATTERNS.identify(lesson.name)),
                "name": lesson.name,
                "pattern_data": lesson.events,
                "length": lesson.length,
            }
        self.patterns.put(lesson.name, learned(document, lesson, self.persistence))
        for symbol, count in lesson.counts.items():
            self.symbols.put(symbol, counted(self._symbol(symbol), count, new, lesson.entry))
        totals = self.metadata.get("totals")
        if totals is None:
            totals = {"_id": self.metadata.free(METADATA.identify("totals")), "class": "totals"}
        self.metadata.put("totals", totalled(totals, [lesson], [new]))
        return new

    def _symbol(self, symbol: str) -> Document:
        found = self.symbols.get(symbol)
        if found is not None:
            return found
        return {"_id": self.symbols.free(SYMBOL_COUNTERS.identify(symbol)), "name": symbol}

    def forget(self, name: str) -> Flow[bool]:
        """See `Learner.forget`."""
        with self._locked():
            document = self.patterns.get(name)
            if document is None:
                return False
            self.patterns.put(name, None)
            counts = counts_of(document)
            taken = emotives_of(document)
            times = times_of(document)
            for symbol, count in counts.items():
                before = self.symbols.get(symbol)
                if before is not None:
                    self.symbols.put(symbol, without(before, times * count, taken))
            totals = self.metadata.get("totals")
            if totals is not None:
                self.metadata.put("totals", untotalled(totals, times, counts))
            yield from self._commit()
        return True

    def clear(self, others: Sequence[Storage]) -> Flow[None]:
        """See `Learner.clear`."""
        with self._locked():
            for storage in (self.patterns.storage, self.symbols.storage, *others):
                yield from storage.clear()

    def count(self, symbol: str, counter: str) -> Flow[int]:
        """See `Learner.count`."""
        with self._locked():
            after = incremented(self._symbol(symbol), counter, 1)
            self.symbols.put(symbol, after)
            yield from self._commit()
        return int(after[counter])


def _none() -> Flow[list[Any]]:
    return []
    yield  # a flow without requests
