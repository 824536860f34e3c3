"""Mapped collections: documents whose fields live in Redis keys, with a document side for all others.

`MappedStorage` is the union of the two sides. What a spec's mapping holds faithfully is read and written there; any
other document lives whole on the document side, and an update that the mapping cannot hold moves its document there
in one atomic step.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bson.objectid import ObjectId
from pymongo.errors import OperationFailure

from kato_compat.errors import refused
from kato_compat.execute.documents import Definitions
from kato_compat.execute.keyed import KeyedStorage, Version, glob, score
from kato_compat.execute.storage import Access, Change, Outcome, Stored
from kato_compat.execute.union import BATCH
from kato_compat.ir.requests import Command, Flow, Pipeline
from kato_compat.ir.transact import Check, transact
from kato_compat.mapping.index import ID_INDEX, Index, duplicate_key
from kato_compat.mapping.keys import CATALOGUE, kato
from kato_compat.mapping.spec import Keys, Members, Singleton
from kato_compat.values.document import Document, encode
from kato_compat.values.identity import identity
from kato_compat.values.missing import MISSING

#: Changes sent to Redis at once.
STEPS: Final = 200


class MappedStorage(KeyedStorage):
    """One collection of one knowledge base whose spec has a Redis source. Making one does no I/O."""

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
        """See `Storage.create_index`. A unique index may only be on the key, which the mapping keeps unique."""
        if index.unique and index.paths != (self.spec.key,):
            raise refused(
                f"a unique index on {', '.join(index.paths)} of {self.namespace}",
                f"documents of this collection live under their {self.spec.key!r}, and only that is kept unique",
            )
        built = yield from self.documents.create_index(index)
        if built and index.unique:
            collision = yield from self._collision(index)
            if collision is not None:
                yield from self.documents.drop_index(index.name)
                raise collision
        return built

    def _collision(self, index: Index) -> Flow[OperationFailure | None]:
        """The error for a document of the document side whose key a mapped document has too; None if there is none."""
        reader = self.documents.open(self.documents.plan(Access()))
        while (batch := (yield from reader.fetch())) is not None:
            for stored in batch:
                taken = yield from self._taken(index, None, stored.document)
                if taken is not None:
                    yield from reader.close()
                    return taken
        return None

    def _taken(self, unique: Index, before: Document | None, after: Document) -> Flow[OperationFailure | None]:
        """The error for a key that `after`, on the document side, newly has and a mapped document has too."""
        if isinstance(self.spec.source, Singleton):
            return None
        old = _keys_of(None if before is None else before.get(self.spec.key))
        names = [name for name in _keys_of(after.get(self.spec.key)) if name not in old]
        found = yield from self.read(names, (), False) if names else _nothing()
        for name, stored in zip(names, found, strict=True):
            if stored is not None:
                return duplicate_key(unique, {self.spec.key: name}, self.namespace)
        return None

    def drop_index(self, name: str) -> Flow[None]:
        """See `Storage.drop_index`."""
        yield from self.documents.drop_index(name)

    def identify(self, document: Document) -> Any:
        """See `Storage.identify`: the `_id` that the mapping gives, where it will hold the document."""
        key = self.spec.key_of(document)
        return super().identify(document) if key is None else self.spec.identify(key)

    # writing

    def write(self, changes: Sequence[Change], ordered: bool = True) -> Flow[list[Outcome | OperationFailure]]:
        """See `Storage.write`. What the mapped side can take in one round trip goes in one."""
        yield from self.adopt()
        outcomes: list[Outcome | OperationFailure] = []
        for start in range(0, len(changes), STEPS):
            batch = changes[start : start + STEPS]
            done = yield from self._together(batch, ordered)
            for position, change in enumerate(batch):
                outcome: Outcome | OperationFailure = Outcome.DONE
                if position not in done:
                    outcome = yield from self._write(change)
                outcomes.append(outcome)
                if ordered and outcome is not Outcome.DONE:
                    return outcomes
        return outcomes

    def _together(self, batch: Sequence[Change], ordered: bool) -> Flow[frozenset[int]]:
        """Make those of a batch that concern the mapped side only; the positions of the ones that were made.

        Ordered ones are made all or none, in one step; the others each in a step of its own. What was not made is
        for the caller to make alone, which also finds out why.
        """
        if len(batch) == 1:
            return frozenset()
        definitions = yield from self.documents.definitions()
        keys = [None if change.after is None else self.spec.key_of(change.after) for change in batch]
        new = {key: change.after for key, change in zip(keys, batch, strict=True) if change.before is None and key}
        free = yield from self.insertions({key: document for key, document in new.items() if document is not None})
        steps: dict[int, tuple[list[Check], list[Command]]] = {}
        seen: set[str] = set()
        for position, (key, change) in enumerate(zip(keys, batch, strict=True)):
            version = None if change.before is None else change.before.version
            name = version.key if isinstance(version, Version) else key
            if name is None or name in seen:
                continue
            seen.add(name)
            if isinstance(version, Version) and change.before is not None:
                if change.after is None:
                    steps[position] = self.unchanged(version), self.removal(name)
                elif key == name:
                    commands = self.changes(version, change.before.document, change.after)
                    steps[position] = self.unchanged(version), commands
            elif change.before is None and change.after is not None and (step := free.get(name)) is not None:
                steps[position] = self._guarded(name, change.after, step, definitions)
        if not ordered:
            positions = list(steps)
            if not positions:
                return frozenset()
            replies = yield Pipeline(tuple(transact(*steps[position]) for position in positions))
            return frozenset(position for position, reply in zip(positions, replies, strict=True) if reply == 0)
        if len(steps) != len(batch):
            return frozenset()
        whole = transact(
            [check for checks, _ in steps.values() for check in checks],
            [command for _, commands in steps.values() for command in commands],
        )
        (reply,) = yield Pipeline((whole,))
        return frozenset(range(len(batch))) if reply == 0 else frozenset()

    def _guarded(
        self, key: str, document: Document, step: tuple[list[Check], list[Command]], definitions: Definitions
    ) -> tuple[list[Check], list[Command]]:
        """The step of an insertion, with the checks that the document side has neither the key nor the `_id`."""
        checks, commands = step
        checks = [*checks, Check(("HGET", self.documents.meta, b"state"), (definitions.state,))]
        unique = self._unique(definitions)
        if unique is not None:
            checks.append(self.documents.vacant(unique, key))
        checks.append(Check(("HEXISTS", self.documents.docs, identity(document["_id"])), (0,)))
        return checks, commands

    def _write(self, change: Change) -> Flow[Outcome | OperationFailure]:
        before, after = change.before, change.after
        if before is not None and not isinstance(before.version, Version):
            taken = yield from self._vacant(before.document, after)
            if taken is not None:
                return taken
            (outcome,) = yield from self.documents.write((change,))
            return outcome
        key = self.spec.key_of(after) if after is not None else None
        if before is None:
            if after is None:
                raise ValueError("a change needs a document before or after it")
            return (yield from self._insert(key, after, change.generated))
        version = before.version
        if key != version.key:
            taken = yield from self._vacant(before.document, after)
            if taken is not None:
                return taken
        definitions = yield from self.documents.definitions()
        while True:
            checks, commands = self.unchanged(version), []
            stay = key == version.key
            if stay and after is not None:
                commands = self.changes(version, before.document, after)
                failures: list[Any] = [Outcome.CONFLICT] * len(checks)
            else:
                commands = self.removal(version.key)
                failures = [Outcome.CONFLICT] * len(checks)
                if after is not None:
                    step_checks, step_commands, step_failures = self.documents.step(Change(None, after), definitions)
                    checks.extend(step_checks)
                    commands.extend(step_commands)
                    failures.extend(step_failures)
            (reply,) = yield Pipeline((transact(checks, commands),))
            if reply == 0:
                return Outcome.DONE
            failure = failures[reply - 1]
            if failure is not None:
                return failure  # type: ignore[no-any-return]
            definitions = yield from self.documents.definitions(reload=True)

    def _vacant(self, before: Document, after: Document | None) -> Flow[OperationFailure | None]:
        """`_taken` for a change whose result is on the document side, where a unique index is on the key."""
        unique = self._unique((yield from self.documents.definitions()))
        if unique is None or after is None:
            return None
        return (yield from self._taken(unique, before, after))

    def _insert(self, key: str | None, document: Document, generated: bool) -> Flow[Outcome | OperationFailure]:
        definitions = yield from self.documents.definitions()
        named = document.get(self.spec.key)
        while True:
            taken = False
            step = None if key is None else (yield from self.insertions({key: document})).get(key)
            if key is not None and step is not None:
                unique = self._unique(definitions)
                checks, commands = self._guarded(key, document, step, definitions)
                (reply,) = yield Pipeline((transact(checks, commands),))
                if reply == 0:
                    return Outcome.DONE
                if reply == len(checks):
                    return duplicate_key(ID_INDEX, {"_id": document["_id"]}, self.namespace)
                if unique is not None and reply == len(checks) - 1:
                    return duplicate_key(unique, {self.spec.key: key}, self.namespace)
                if checks[reply - 1].command == ("HGET", self.documents.meta, b"state"):
                    definitions = yield from self.documents.definitions(reload=True)
                    continue
                taken = True
            elif key is not None:
                taken = True
            elif type(named) is str and named and not isinstance(self.spec.source, Singleton):
                (found,) = yield from self.read((named,), (), writes=False)
                taken = found is not None
            unique = self._unique(definitions)
            if taken and unique is not None and type(named) is str:
                return duplicate_key(unique, {self.spec.key: named}, self.namespace)
            if taken and key is not None:
                # A second document with this key lives on the document side, under an _id of its own.
                if generated:
                    document["_id"] = ObjectId()
                elif document["_id"] == self.spec.identify(key):
                    return duplicate_key(ID_INDEX, {"_id": document["_id"]}, self.namespace)
            elif type(document["_id"]) is ObjectId and (yield from self._has_id(document["_id"])):
                return duplicate_key(ID_INDEX, {"_id": document["_id"]}, self.namespace)
            (outcome,) = yield from self.documents.write((Change(None, document),))
            return outcome

    def _has_id(self, value: ObjectId) -> Flow[bool]:
        if isinstance(self.spec.source, Singleton):
            if value != self.spec.identify(self.spec.source.key):
                return False
            return (yield from self.mapped_count()) > 0
        return bool((yield from self.by_ids((value,))))

    def _unique(self, definitions: Definitions) -> Index | None:
        return next((index for index in definitions.unique if index.paths == (self.spec.key,)), None)

    def unchanged(self, version: Version) -> list[Check]:
        """The checks that a mapped document still is what it was read as."""
        return [
            check
            for name, raw in version.raws.items()
            for check in self.spec.redis[name].checks(self.kb_id, version.key, raw)
        ]

    def changes(self, version: Version, before: Document, after: Document) -> list[Command]:
        """The commands that make the mapped document `after`."""
        commands: list[Command] = []
        for name, field in self.spec.redis.items():
            value = after.get(name, MISSING)
            if value is not before.get(name, MISSING):
                commands.extend(field.writes(self.kb_id, version.key, value))
        return commands

    def removal(self, key: str) -> list[Command]:
        """The commands that remove a mapped document."""
        commands = [command for field in self.spec.redis.values() for command in field.writes(self.kb_id, key, MISSING)]
        if not isinstance(self.spec.source, Singleton):
            commands.append(("ZREM", self.index, key.encode()))
        return commands

    def insertions(self, documents: Mapping[str, Document]) -> Flow[dict[str, tuple[list[Check], list[Command]]]]:
        """By key, the checks that it is free and the commands that put its document there; taken keys are left out."""
        found: dict[str, tuple[list[Check], list[Command]]] = {}
        for key, document in documents.items():
            checks = [
                check for name in self.spec.presence for check in self.spec.redis[name].checks(self.kb_id, key, None)
            ]
            commands = self._put(key, document)
            if not isinstance(self.spec.source, Singleton):
                commands.append(("ZADD", self.index, score(key), key.encode()))
            commands.append(("SADD", CATALOGUE, self.documents.entry))
            found[key] = checks, commands
        return found
        yield  # a flow without requests

    def _put(self, key: str, document: Document) -> list[Command]:
        """The commands that give the Redis fields of `key` the values of a document."""
        return [
            command
            for name, field in self.spec.redis.items()
            for command in field.writes(self.kb_id, key, document.get(name, MISSING))
        ]

    def drop(self) -> Flow[bool]:
        """See `Storage.drop`: the documents of both sides and their index; never a key of anything else."""
        removed = yield from self.remove_all()
        existed = (yield from self.documents.drop()) or removed > 0
        if self._adopted and isinstance(self.spec.source, Keys | Members):
            # The index stays complete: all that is written from now on through this library goes into it.
            yield Pipeline((("HSET", self.documents.meta, b"adopted", 0),))
        return existed

    def forget(self) -> Flow[None]:
        """Leave nothing of a dropped collection behind: its index is built again when it is asked for."""
        yield Pipeline((("DEL", self.documents.meta, self.index),))
        self._adopted = isinstance(self.spec.source, Singleton)

    def clear(self) -> Flow[int]:
        """See `Storage.clear`."""
        documents = yield from self.documents.clear()
        return documents + (yield from self.remove_all())

    def remove_all(self) -> Flow[int]:
        """Remove every mapped document; how many there were."""
        if isinstance(self.spec.source, Singleton):
            removed = yield from self.mapped_count()
            yield Pipeline((transact([], self.removal(self.spec.source.key)),))
            return removed
        yield from self.adopt()
        removed = 0
        while True:
            (members,) = yield Pipeline((("ZRANGE", self.index, 0, BATCH - 1),))
            if not members:
                break
            commands = [command for member in members for command in self.removal(member.decode())]
            commands.extend(
                ("DEL", *[kato(self.kb_id, *parts, member.decode()) for member in members])
                for parts in self.spec.companions
            )
            yield Pipeline((transact([], commands),))
            removed += len(members)
        return removed


def _keys_of(value: Any) -> list[str]:
    """The strings by which a document's key field, or the elements of an array there, can meet a mapped key."""
    values = value if type(value) is list else [value]
    return list(dict.fromkeys(filter(_is_text, values)))


def _is_text(value: Any) -> bool:
    return type(value) is str and bool(value)


def _nothing() -> Flow[list[Stored | None]]:
    return []
    yield  # a flow without requests


__all__ = ["BATCH", "MappedStorage", "Version", "glob", "score"]
