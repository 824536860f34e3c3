"""Mapped collections: documents whose fields live in Redis keys, with a document side for all others.

`MappedStorage` is the union of the two sides. What a spec's mapping holds faithfully is read and written there; any
other document lives whole on the document side, and an update that the mapping cannot hold moves its document there
in one atomic step.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from pymongo.errors import OperationFailure

from kato_compat.execute.counting import BESIDE, STALE, Counting
from kato_compat.execute.documents import Definitions
from kato_compat.execute.entering import enter
from kato_compat.execute.keyed import Version, glob, score
from kato_compat.execute.merging import merged_commands
from kato_compat.execute.placing import PlacingStorage, keys_of
from kato_compat.execute.storage import Access, Change, Outcome, Stored
from kato_compat.execute.union import BATCH
from kato_compat.ir.requests import Command, Flow, Pipeline
from kato_compat.ir.transact import Check, transact
from kato_compat.mapping.index import ID_INDEX, Index, duplicate_key
from kato_compat.mapping.keys import kato, own
from kato_compat.mapping.spec import CollectionSpec, Keys, Members, Singleton
from kato_compat.parse.command import Written
from kato_compat.plan.increment import Increment, Recogniser, counters_of
from kato_compat.plan.scores import counter_of
from kato_compat.values.document import encode

#: Seconds for which a document side that was found to hold documents is taken to hold some: nothing is tried meanwhile
#: that must find it empty.
CROWDED: Final = 1.0


class MappedStorage(PlacingStorage):
    """One collection of one knowledge base whose spec has a Redis source. Making one does no I/O."""

    def __init__(
        self,
        spec: CollectionSpec,
        database: str,
        collection: str,
        brand_new: Callable[[str], Flow[bool]] | None = None,
    ) -> None:
        super().__init__(spec, database, collection, brand_new)
        self._crowded = 0.0
        if counters_of(spec):
            self.recogniser = Recogniser(spec)
            self._counting: tuple[Definitions | None, Counting | None] = (None, None)

    def exists(self) -> Flow[bool]:
        """See `Storage.exists`."""
        if (yield from self.documents.exists()):
            return True
        return (yield from self.mapped_count()) > 0

    def create(self) -> Flow[bool]:
        """See `Storage.create`."""
        return (yield from self.documents.create())

    def size(self) -> Flow[int]:
        """See `Storage.size`: the BSON of all documents."""
        reader = self.open(self.plan(Access()))
        total = 0
        while (batch := (yield from reader.fetch())) is not None:
            total += sum(len(encode(stored.document)) for stored in batch)
        return total

    def indexes(self) -> Flow[list[Index]]:
        """See `Storage.indexes`."""
        found = yield from self.documents.indexes()
        if not found and (yield from self.exists()):
            return [ID_INDEX]
        return found

    def create_index(self, index: Index) -> Flow[bool]:
        """See `Storage.create_index`. Documents that only the document side can keep unique go there meanwhile."""
        return (yield from self.documents.create_index(index, self._enter_mapped))

    def _enter_mapped(self, index: Index) -> Flow[None]:
        """Do for the mapped documents what an index that is being built needs."""
        if counter_of(self.spec, index) is not None:
            yield from enter(self, index)
        if not index.unique:
            return
        if self.names(index):
            yield from self._check_sides(index)
        else:
            yield from self._relocate()

    def _check_sides(self, index: Index) -> Flow[None]:
        """Raise 11000 for a document of the document side whose key a mapped document has too."""
        if isinstance(self.spec.source, Singleton):
            return
        reader = self.documents.open(self.documents.plan(Access()))
        while (batch := (yield from reader.fetch())) is not None:
            names = list(dict.fromkeys(name for each in batch for name in keys_of(each.document.get(self.spec.key))))
            found = (yield from self.read(names, (), writes=False)) if names else []
            for name, document in zip(names, found, strict=True):
                if document is not None:
                    yield from reader.close()
                    raise duplicate_key(index, {self.spec.key: name}, self.namespace)

    def _relocate(self) -> Flow[None]:
        """Take the mapped documents that are there to the document side, where an index is kept that they belong in."""
        reader = self.open(self.plan(Access(writes=True)))
        while (batch := (yield from reader.fetch())) is not None:
            # Read anew: what the client keeps may be what another thread read before the index was announced.
            definitions = yield from self.documents.definitions(reload=True)
            for stored in batch:
                current: Stored | None = stored
                while current is not None and isinstance(current.version, Version):
                    if self.held(current.document, definitions) is not None:
                        break
                    (outcome,) = yield from self.write((Change(current, current.document),))
                    if isinstance(outcome, OperationFailure):
                        yield from reader.close()
                        raise outcome
                    current = (yield from self.again(current)) if outcome is Outcome.CONFLICT else None

    def change_index(self, index: Index) -> Flow[None]:
        """See `Storage.change_index`."""
        yield from self.documents.change_index(index)

    def drop_index(self, name: str) -> Flow[None]:
        """See `Storage.drop_index`."""
        yield from self.documents.drop_index(name)

    def increase(self, increments: Sequence[Increment]) -> Flow[list[Written] | None]:
        """See `Storage.increase`: one round trip, where no document is on the document side and none belongs there."""
        if time.monotonic() < self._crowded:
            return None
        if not self._adopted:
            yield from self.adopt()
        definitions = yield from self.documents.definitions()
        while all(self.names(index) for index in definitions.unique):
            counting = self._counts(definitions)
            (reply,) = yield Pipeline((counting.call(definitions.state, increments),))
            if reply == BESIDE:
                self._crowded = time.monotonic() + CROWDED
                return None
            if reply != STALE:
                return counting.written(increments, reply)
            definitions = yield from self.documents.definitions(reload=True)
        return None

    def _counts(self, definitions: Definitions) -> Counting:
        """What makes increments where the indexes are those of `definitions`."""
        known, counting = self._counting
        if counting is None or known is not definitions:
            documents = self.documents
            keys = (documents.docs, documents.meta, self.index, own(self.kb_id, self.spec.name, "gone"))
            sets = self.counter_sets(definitions)
            counting = Counting(self.spec, self.kb_id, keys, documents.entry, sets)
            self._counting = definitions, counting
        return counting

    def drop(self) -> Flow[bool]:
        """See `Storage.drop`: the documents of both sides and their index; never a key of anything else."""
        removed = yield from self.remove_all()
        existed = (yield from self.documents.drop()) or removed > 0
        yield Pipeline((("DEL", self.moves),))
        if self._adopted and isinstance(self.spec.source, Keys | Members):
            # The index stays complete: all that is written from now on through this library goes into it.
            yield Pipeline((("HSET", self.documents.meta, b"adopted", 0),))
        return existed

    def forget(self) -> Flow[None]:
        """Leave nothing of a dropped collection behind: its index is built again when it is asked for."""
        yield Pipeline((("DEL", self.documents.meta, self.index, self.moves),))
        self._adopted = isinstance(self.spec.source, Singleton)

    def clear(self) -> Flow[int]:
        """See `Storage.clear`."""
        documents = yield from self.documents.clear()
        return documents + (yield from self.remove_all())

    def remove_all(self) -> Flow[int]:
        """Remove every mapped document; how many there were."""
        if isinstance(self.spec.source, Singleton):
            removed = yield from self.mapped_count()
            yield from self.remove_keys((self.spec.source.key,), ())
            return removed
        yield from self.adopt()
        removed = 0
        while True:
            (members,) = yield Pipeline((("ZRANGE", self.index, 0, BATCH - 1),))
            if not members:
                break
            keys = [member.decode() for member in members]
            # Each is counted by the one writer that removes it: where one is gone meanwhile, they are read again.
            checks = [Check(("ZSCORE", self.index, key.encode()), (score(key),)) for key in keys]
            others: list[Command] = [
                ("DEL", *[kato(self.kb_id, *parts, key) for key in keys]) for parts in self.spec.companions
            ]
            if (yield from self.remove_keys(keys, checks, others)):
                removed += len(keys)
        return removed

    def remove_keys(self, keys: Sequence[str], checks: Sequence[Check], others: Sequence[Command] = ()) -> Flow[bool]:
        """Remove the documents of `keys` in one step with `others`; False if a check fails, and nothing was done."""
        definitions = yield from self.documents.definitions()
        while True:
            commands = merged_commands(command for key in keys for command in self.removal(key, definitions))
            step = transact([self.defined(definitions), *checks], [*commands, *others])
            (reply,) = yield Pipeline((step,))
            if reply != 1:
                return bool(reply == 0)
            definitions = yield from self.documents.definitions(reload=True)


__all__ = ["BATCH", "MappedStorage", "Version", "glob", "score"]
