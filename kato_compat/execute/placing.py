"""Writing mapped collections: which side holds a document, and the atomic steps that put it there.

What a spec's mapping holds faithfully is on the mapped side; any other document lives whole on the document side. An
update that makes a document fit for the other side moves it there, in one atomic step that also notes the move, so
that readers of both sides neither miss it nor see it twice (see `execute.union`).
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bson.objectid import ObjectId
from pymongo.errors import DuplicateKeyError, OperationFailure

from kato_compat.execute.documents import Definitions
from kato_compat.execute.keyed import MOVES, KeyedStorage, Version, score
from kato_compat.execute.merging import merged_checks, merged_commands
from kato_compat.execute.storage import Change, Outcome, Stored
from kato_compat.ir.predicate import compile_predicate
from kato_compat.ir.requests import Command, Flow, Pipeline
from kato_compat.ir.transact import Check, transact
from kato_compat.mapping.index import ID_INDEX, Index, duplicate_key
from kato_compat.mapping.keys import CATALOGUE
from kato_compat.mapping.spec import Singleton
from kato_compat.plan.access import predicate_fields
from kato_compat.plan.scores import counter_of
from kato_compat.values.document import Document
from kato_compat.values.identity import identity
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import split

#: Changes sent to Redis at once.
STEPS: Final = 1000

#: The checks and the commands of a step.
Made = tuple[list[Check], list[Command]]
#: What a failed check means: an outcome, or None for a step that must be worked out anew.
Failure = Outcome | OperationFailure | None


@dataclass(slots=True)
class Step:
    """An atomic step in the making: its checks with what each failure means, and its commands."""

    checks: list[Check] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

    def check(self, checks: Sequence[Check], failure: Failure) -> None:
        """Add checks that all mean the same."""
        self.checks.extend(checks)
        self.failures.extend([failure] * len(checks))


class PlacingStorage(KeyedStorage):
    """What `execute.mapped.MappedStorage` writes by."""

    #: Whether `vacancies` leaves out keys that have a document without being told to look.
    looks = False

    def identify(self, document: Document) -> Any:
        """See `Storage.identify`: the `_id` of the document's key, by which a mapping can come to hold it."""
        if isinstance(self.spec.source, Singleton):
            return self.spec.identify(self.spec.source.key)
        key = document.get(self.spec.key)
        return self.spec.identify(key) if type(key) is str and key else super().identify(document)

    def held(self, document: Document, definitions: Definitions) -> str | None:
        """The key under which the mapped side holds `document`; None for one of the document side.

        A unique index on anything but the key is kept on the document side alone, and so are the documents in it.
        """
        key = self.spec.key_of(document)
        if key is None or not definitions.unique:
            return key
        try:
            entered = any(index.entries(document).keys for index in definitions.unique if not self.names(index))
        except OperationFailure:
            return None  # the index cannot take it, which the document side says when it is written
        return None if entered else key

    def names(self, index: Index) -> bool:
        """Whether a unique index says no more than that keys are unique."""
        return index.paths == (self.spec.key,) and index.partial is None and index.collation is None

    def unique(self, definitions: Definitions) -> Index | None:
        """The unique index on the key, if there is one: else a second document with a key is one like any other."""
        return next((index for index in definitions.unique if self.names(index)), None)

    def beyond(self, definitions: Definitions) -> Index | None:
        """A unique index that documents of the mapped side could be in, but which is kept on the other side alone."""
        known = {"_id", self.spec.key, *self.spec.fields, *self.spec.implied}
        for index in definitions.unique:
            if self.names(index):
                continue
            if index.sparse and known.isdisjoint(split(path)[0] for path in index.paths):
                continue
            fields = None if index.partial is None else predicate_fields(index.partial)
            if index.partial is None or fields is None or fields & known or compile_predicate(index.partial)({}):
                return index
        return None

    def defined(self, definitions: Definitions) -> Check:
        """The check that the indexes still are those that a step was made for."""
        return Check(("HGET", self.documents.meta, b"state"), (definitions.state,))

    # many changes

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

        Ordered ones, and those that are all insertions or all removals, are made all or none, in one step; else each
        has a step of its own. What was not made is for the caller to make alone, which also finds out why.
        """
        if len(batch) == 1:
            return frozenset()
        definitions = yield from self.documents.definitions()
        keys = [None if change.after is None else self.held(change.after, definitions) for change in batch]
        new = {key: change.after for key, change in zip(keys, batch, strict=True) if change.before is None and key}
        free = yield from self.vacancies(list(new))
        done = yield from self._together_beside(batch, keys, definitions, ordered)
        if done:
            return done
        unique = self.unique(definitions)
        steps: dict[int, Made] = {}
        seen: set[str] = set()
        for position, (key, change) in enumerate(zip(keys, batch, strict=True)):
            version = None if change.before is None else change.before.version
            name = version.key if isinstance(version, Version) else key
            if name is None or name in seen:
                if change.before is None and change.after is not None:
                    # One with the same key that comes behind it must not be made before it.
                    seen.update(keys_of(change.after.get(self.spec.key)))
                continue
            seen.add(name)
            if isinstance(version, Version) and change.before is not None:
                if change.after is None or key == name:
                    step = self._stay(version, change.before.document, change.after, definitions)
                    steps[position] = step.checks, step.commands
            elif change.before is None and change.after is not None and (checks := free.get(name)) is not None:
                steps[position] = self._entering(name, change.after, checks, definitions, unique)
        if not steps or (ordered and len(steps) != len(batch)):
            return frozenset()
        made = [batch[position] for position in steps]
        alike = all(change.before is None for change in made) or all(change.after is None for change in made)
        if ordered or alike:
            all_checks = [check for checks, _ in steps.values() for check in checks]
            all_commands = [command for _, commands in steps.values() for command in commands]
            if alike:
                all_checks, all_commands = merged_checks(all_checks), merged_commands(all_commands)
            (reply,) = yield Pipeline((transact(all_checks, all_commands),))
            if reply == 0:
                return frozenset(steps)
            if ordered:
                return frozenset()
        replies = yield Pipeline(tuple(transact(*each) for each in steps.values()))
        return frozenset(position for position, reply in zip(steps, replies, strict=True) if reply == 0)

    def _together_beside(
        self, batch: Sequence[Change], keys: Sequence[str | None], definitions: Definitions, ordered: bool
    ) -> Flow[frozenset[int]]:
        """As `_together`, where a whole batch is about documents of the document side that stay there."""
        if self.unique(definitions) is not None or any(key is not None for key in keys):
            return frozenset()
        if any(change.before is None or isinstance(change.before.version, Version) for change in batch):
            return frozenset()
        outcomes = yield from self.documents.write(batch, ordered)
        return frozenset(position for position, outcome in enumerate(outcomes) if outcome is Outcome.DONE)

    # one change

    def _write(self, change: Change) -> Flow[Outcome | OperationFailure]:
        before, after = change.before, change.after
        if before is None:
            if after is None:
                raise ValueError("a change needs a document before or after it")
            return (yield from self._insert(after, change.generated, change.claims))
        if isinstance(before.version, Version):
            return (yield from self._until(lambda found: self._from_mapped(before, after, found)))
        return (yield from self._until(lambda found: self._from_documents(before, after, found)))

    def _until(self, make: Callable[[Definitions], Flow[Step | OperationFailure]]) -> Flow[Outcome | OperationFailure]:
        """Make a step, worked out anew for as long as what it was worked out from is no longer there."""
        definitions = yield from self.documents.definitions()
        while True:
            step = yield from make(definitions)
            if isinstance(step, OperationFailure):
                return step
            (reply,) = yield Pipeline((transact(step.checks, step.commands),))
            if reply == 0:
                return Outcome.DONE
            failure = step.failures[int(reply) - 1]
            if failure is not None:
                return failure
            definitions = yield from self.documents.definitions(reload=True)

    def _from_mapped(
        self, before: Stored, after: Document | None, definitions: Definitions
    ) -> Flow[Step | OperationFailure]:
        """The step of a change of a mapped document, which may take it to the document side."""
        version: Version = before.version
        key = None if after is None else self.held(after, definitions)
        step = self._stay(version, before.document, after if key == version.key else None, definitions)
        if after is None or key == version.key:
            return step
        beside = yield from self._beside(Change(None, after), definitions, before.document)
        if isinstance(beside, OperationFailure):
            return beside
        step.checks.extend(beside.checks)
        step.failures.extend(beside.failures)
        step.commands.extend(beside.commands)
        yield from self._note(step, version.key)
        return step

    def _from_documents(
        self, before: Stored, after: Document | None, definitions: Definitions
    ) -> Flow[Step | OperationFailure]:
        """The step of a change of a document of the document side, which may take it to the mapped side."""
        key = None if after is None else self.held(after, definitions)
        free = None if key is None else (yield from self.vacancies((key,), look=True)).get(key)
        if key is None or after is None or free is None:
            return (yield from self._beside(Change(before, after), definitions, before.document))
        removal = yield from self._beside(Change(before, None), definitions, before.document)
        if isinstance(removal, OperationFailure):
            return removal
        removal.check(free, None)
        unique = self.unique(definitions)
        if unique is not None and key not in keys_of(before.document.get(self.spec.key)):
            taken = duplicate_key(unique, {self.spec.key: key}, self.namespace)
            removal.check((self.documents.vacant(unique, key),), taken)
        removal.commands.extend(self.insertion(key, after, definitions))
        yield from self._note(removal, key)
        return removal

    def _beside(
        self, change: Change, definitions: Definitions, before: Document | None
    ) -> Flow[Step | OperationFailure]:
        """The step of a change of the document side alone: no mapped document may have a key that it newly has."""
        try:
            checks, commands, failures = self.documents.step(change, definitions)
        except OperationFailure as error:
            return error
        step = Step(checks, failures, commands)
        unique = self.unique(definitions)
        if unique is not None and change.after is not None and not isinstance(self.spec.source, Singleton):
            old = keys_of(None if before is None else before.get(self.spec.key))
            names = [name for name in keys_of(change.after.get(self.spec.key)) if name not in old]
            free = yield from self.vacancies(names, look=True)
            for name in names:
                if name not in free:
                    return duplicate_key(unique, {self.spec.key: name}, self.namespace)
                step.check(free[name], None)
        return step

    def _stay(self, version: Version, before: Document, after: Document | None, definitions: Definitions) -> Step:
        """The step that changes a mapped document in its place, or removes it."""
        step = Step()
        step.check(self.unchanged(version), Outcome.CONFLICT)
        step.check((self.defined(definitions),), None)
        if after is None:
            step.commands.extend(self.removal(version.key, definitions))
        else:
            step.commands.extend(self.changes(version, before, after, definitions))
        return step

    def _enter(self, key: str, document: Document, free: Sequence[Check], definitions: Definitions) -> Step:
        """The step of an insertion, with the checks that the document side has neither the key nor the `_id`."""
        unique = self.unique(definitions)
        known = duplicate_key(ID_INDEX, {"_id": document["_id"]}, self.namespace)
        taken = known if unique is None else duplicate_key(unique, {self.spec.key: key}, self.namespace)
        checks, commands = self._entering(key, document, free, definitions, unique)
        # Where the key was looked at and was free, it is another one's only now: that is for the next look to tell.
        failures: list[Failure] = [None if self.looks else taken] * len(free)
        failures.append(None)
        if unique is not None:
            failures.append(taken)
        failures.append(known)
        return Step(checks, failures, commands)

    def _entering(
        self, key: str, document: Document, free: Sequence[Check], definitions: Definitions, unique: Index | None
    ) -> Made:
        """The checks and the commands of `_enter`."""
        checks = [*free, self.defined(definitions)]
        if unique is not None:
            checks.append(self.documents.vacant(unique, key))
        checks.append(Check(("HEXISTS", self.documents.docs, identity(document["_id"])), (0,)))
        return checks, self.insertion(key, document, definitions)

    def _insert(self, document: Document, generated: bool, claims: bool) -> Flow[Outcome | OperationFailure]:
        made = yield from self._until(lambda found: self._insertion(document, generated, found))
        if generated and isinstance(made, DuplicateKeyError) and _is_of_id(made):
            if claims:
                return Outcome.CONFLICT
            # The `_id` of the key is one that another document has by now: this one gets one of its own.
            document["_id"] = ObjectId()
            made = yield from self._until(lambda found: self._insertion(document, generated, found))
        return made

    def _insertion(
        self, document: Document, generated: bool, definitions: Definitions
    ) -> Flow[Step | OperationFailure]:
        """The step that inserts a document on the side that holds it."""
        key = self.held(document, definitions)
        if key is not None:
            free = (yield from self.vacancies((key,))).get(key)
            if free is not None:
                return self._enter(key, document, free, definitions)
            unique = self.unique(definitions)
            if unique is not None:
                return duplicate_key(unique, {self.spec.key: key}, self.namespace)
            return duplicate_key(ID_INDEX, {"_id": document["_id"]}, self.namespace)
        step = yield from self._beside(Change(None, document), definitions, None)
        if isinstance(step, OperationFailure):
            return step
        own = self.identify(document)
        if document["_id"] == own and self._has_key(document):
            # Only the mapped document of the same key can have this `_id`.
            key = self.spec.source.key if isinstance(self.spec.source, Singleton) else document[self.spec.key]
            free = (yield from self.vacancies((key,), look=True)).get(key)
            if free is None:
                return duplicate_key(ID_INDEX, {"_id": own}, self.namespace)
            step.check(free, None)
        elif not generated and type(document["_id"]) is ObjectId:
            if isinstance(self.spec.source, Singleton):
                pass  # the one document that there can be has another `_id`
            elif (yield from self.by_ids((document["_id"],))):
                return duplicate_key(ID_INDEX, {"_id": document["_id"]}, self.namespace)
        return step

    def _has_key(self, document: Document) -> bool:
        """Whether a mapped document could have the same key."""
        return isinstance(self.spec.source, Singleton) or bool(keys_of([document.get(self.spec.key)]))

    def _note(self, step: Step, key: str) -> Flow[None]:
        """Add to a step that it takes the document of `key` to the other side: see `execute.union`."""
        (found,) = yield Pipeline((self.moved(),))
        number = 1 if found is None else int(found) + 1
        step.check((Check(self.moved(), (found,)),), None)
        step.commands.extend(
            (
                ("HSET", self.documents.meta, b"moves", number),
                ("ZADD", self.moves, number, key.encode()),
                ("ZREMRANGEBYSCORE", self.moves, "-inf", number - MOVES),
            )
        )

    # what changes are made of

    def unchanged(self, version: Version) -> list[Check]:
        """The checks that a mapped document still is what it was read as."""
        return [
            check
            for name, raw in version.raws.items()
            for check in self.spec.redis[name].checks(self.kb_id, version.key, raw)
        ]

    def changes(self, version: Version, before: Document, after: Document, definitions: Definitions) -> list[Command]:
        """The commands that make the mapped document `after`."""
        commands: list[Command] = []
        for name, each in self.spec.redis.items():
            value = after.get(name, MISSING)
            if value is not before.get(name, MISSING):
                commands.extend(each.writes(self.kb_id, version.key, value))
                commands.extend(self.scored(name, version.key, value, definitions))
        return commands

    def counter_sets(self, definitions: Definitions) -> Mapping[str, Sequence[bytes]]:
        """By counter, the sorted sets of the indexes on it: with its values as scores of the documents' keys."""
        known, sets = self._sets
        if known is not definitions:
            found: dict[str, list[bytes]] = {}
            for index in definitions.kept:
                name = counter_of(self.spec, index)
                if name is not None:
                    found.setdefault(name, []).append(self.documents.counter_key(index))
            sets = found
            self._sets = definitions, sets
        return sets

    def scored(self, name: str, key: str, value: Any, definitions: Definitions) -> list[Command]:
        """The commands that keep the indexes on a counter that becomes `value`, or goes if that is MISSING."""
        sets = self.counter_sets(definitions).get(name, ())
        if value is MISSING:
            return [("ZREM", each, key.encode()) for each in sets]
        return [("ZADD", each, b"%d" % value, key.encode()) for each in sets]

    def unscored(self, key: str, definitions: Definitions) -> list[Command]:
        """The commands that leave a document out of the indexes on counters."""
        return [
            command
            for name in self.counter_sets(definitions)
            for command in self.scored(name, key, MISSING, definitions)
        ]

    def removal(self, key: str, definitions: Definitions) -> list[Command]:
        """The commands that remove a mapped document."""
        commands = [command for each in self.spec.redis.values() for command in each.writes(self.kb_id, key, MISSING)]
        if not isinstance(self.spec.source, Singleton):
            commands.append(("ZREM", self.index, key.encode()))
        return commands + self.unscored(key, definitions)

    def vacancies(self, keys: Sequence[str], look: bool = False) -> Flow[Mapping[str, list[Check]]]:
        """By key, the checks that it has no mapped document. With `look` keys that have one are left out."""
        found = (yield from self.read(keys, (), writes=False)) if look and keys else [None] * len(keys)
        return {
            key: [check for name in self.spec.presence for check in self.spec.redis[name].checks(self.kb_id, key, None)]
            for key, there in zip(keys, found, strict=True)
            if there is None
        }

    def insertion(self, key: str, document: Document, definitions: Definitions) -> list[Command]:
        """The commands that put a document under a key that is free."""
        commands = self.put(key, document, definitions)
        if not isinstance(self.spec.source, Singleton):
            commands.append(("ZADD", self.index, score(key), key.encode()))
        commands.append(("SADD", CATALOGUE, self.documents.entry))
        return commands

    def put(self, key: str, document: Document, definitions: Definitions) -> list[Command]:
        """The commands that give the Redis fields of `key` the values of a document."""
        commands: list[Command] = []
        for name, each in self.spec.redis.items():
            value = document.get(name, MISSING)
            commands.extend(each.writes(self.kb_id, key, value))
            commands.extend(self.scored(name, key, value, definitions))
        return commands

    @abstractmethod
    def remove_all(self) -> Flow[int]:
        """Remove every mapped document; how many there were."""


def _is_of_id(error: DuplicateKeyError) -> bool:
    return error.details is not None and error.details.get("keyPattern") == {"_id": 1}


def keys_of(value: Any) -> list[str]:
    """The strings by which a document's key field, or the elements of an array there, can meet a mapped key."""
    values = value if type(value) is list else [value]
    return list(dict.fromkeys(each for each in values if type(each) is str and each))


__all__ = ["STEPS", "PlacingStorage", "Step", "keys_of"]
