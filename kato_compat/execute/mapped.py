"""Mapped collections: documents whose fields live in Redis keys, with a document side for all others.

`MappedStorage` is the union of the two sides. What a spec's mapping holds faithfully is read and written there; any
other document lives whole on the document side, and an update that the mapping cannot hold moves its document there
in one atomic step.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bson.objectid import ObjectId
from pymongo.errors import OperationFailure

from kato_compat.errors import refused
from kato_compat.execute.documents import Definitions, DocumentStorage
from kato_compat.execute.storage import Access, Change, Outcome, Placement, Plan, Reader, Storage, Stored
from kato_compat.execute.union import BATCH, MappedPlan, MappedReader
from kato_compat.ir.predicate import ALWAYS, And, AtPath, Predicate, conjunction
from kato_compat.ir.requests import Command, Flow, Pipeline, alongside
from kato_compat.ir.transact import Check, transact
from kato_compat.mapping.field import Field, Json, Raw, pairs
from kato_compat.mapping.index import ID_INDEX, Index, duplicate_key
from kato_compat.mapping.keys import CATALOGUE, kato, own
from kato_compat.mapping.spec import CollectionSpec, Keys, Members, Singleton
from kato_compat.plan.pin import pinned
from kato_compat.values.document import Document, encode
from kato_compat.values.identity import identity
from kato_compat.values.missing import MISSING

log = logging.getLogger("kato_compat")

_SCAN_COUNT: Final = 5000
#: Changes sent to Redis at once.
STEPS: Final = 200


@dataclass(frozen=True, slots=True)
class Version:
    """What a mapped document was read from: the raw value of each Redis field, and what it says of its row."""

    key: str
    raws: dict[str, Raw]
    row: Any = None


def _allows(term: Predicate, path: tuple[str, ...], keys: set[str]) -> bool:
    """Whether a term on the key holds for every one of `keys`."""
    if not isinstance(term, AtPath) or term.path != path:
        return False
    values = pinned(term, path)
    return values is not None and keys.issubset(value for value in values if type(value) is str)


def glob(name: str) -> bytes:
    """`name` with the characters of Redis glob patterns escaped, in UTF-8."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]^-\\" else bytes([byte]) for byte in name.encode())


def score(key: str) -> int:
    """The score of `key` in an index: the first 53 bits of its SHA-1, so that an `_id` leads back to its key."""
    return int.from_bytes(hashlib.sha1(key.encode(), usedforsecurity=False).digest()[:7], "big") >> 3


class MappedStorage(Storage):
    """One collection of one knowledge base whose spec has a Redis source. Making one does no I/O."""

    def __init__(
        self,
        spec: CollectionSpec,
        database: str,
        collection: str,
        brand_new: Callable[[str], Flow[bool]] | None = None,
    ) -> None:
        """`brand_new` tells whether a knowledge base has no data of others, so that none need be looked for."""
        self.spec: CollectionSpec = spec
        self._brand_new = brand_new
        self.kb_id = database
        self.namespace = f"{database}.{collection}"
        self.documents = DocumentStorage(database, collection)
        self.index = own(database, collection, "index")
        self._adopted = isinstance(spec.source, Singleton)
        self.built: int | None = None

    # planning

    def plan(self, access: Access) -> Plan:
        """See `Storage.plan`."""
        keys, ids = self.pin(access)
        fields = tuple(name for name in self.spec.redis if access.fields is None or name in access.fields)
        inner = MappedPlan(keys, ids, fields, self.documents.plan(access))
        placements = [self._key_placement(keys, ids)]
        placements.extend(
            Placement(name, self.spec.redis[name].command, "Redis field, read in batches") for name in fields
        )
        if access.predicate != ALWAYS:
            placements.append(Placement("filter", "PYTHON", "checked on the documents that were read"))
        path = "COLLSCAN" if keys is None and ids is None else "EOF" if keys == () or ids == () else "IXSCAN"
        return Plan(access, self.residual(access, keys), path, tuple(placements), private=inner)

    def residual(self, access: Access, keys: tuple[str, ...] | None) -> Predicate:
        """The filter without the terms on the key that reading by `keys` has answered."""
        if keys is None or isinstance(self.spec.source, Singleton) or not access.pushdown:
            return access.predicate
        path = (self.spec.key,)
        if isinstance(access.predicate, AtPath) and access.predicate.path == path:
            # The keys are all that it allows: the key of a mapped document is a string.
            return ALWAYS
        if not isinstance(access.predicate, And):
            return access.predicate
        wanted = set(keys)
        kept = [term for term in access.predicate.terms if not _allows(term, path, wanted)]
        return conjunction(kept) if len(kept) < len(access.predicate.terms) else access.predicate

    def pin(self, access: Access) -> tuple[tuple[str, ...] | None, tuple[ObjectId, ...] | None]:
        """The keys, or else the `_id` values, that the filter pins the mapped side to."""
        if isinstance(self.spec.source, Singleton):
            values = pinned(access.predicate, (self.spec.key,))
            if values is not None and self.spec.source.key not in values:
                return (), None
            return (self.spec.source.key,), None
        values = pinned(access.predicate, (self.spec.key,))
        if values is not None:
            return tuple(dict.fromkeys(value for value in values if type(value) is str)), None
        values = pinned(access.predicate, ("_id",))
        if values is not None:
            return None, tuple(dict.fromkeys(value for value in values if type(value) is ObjectId))
        return None, None

    def _key_placement(self, keys: tuple[str, ...] | None, ids: tuple[ObjectId, ...] | None) -> Placement:
        if keys is not None:
            return Placement(self.spec.key, "KEY", f"pinned to {len(keys)} key(s)")
        if ids is not None:
            return Placement("_id", "KEY", f"pinned to {len(ids)} _id(s), looked up in the index by score")
        built = "" if self.built is None else f"; built from {self.built} existing keys by one SCAN"
        return Placement(self.spec.key, "INDEX", "all keys of this knowledge base from their index" + built)

    def open(self, plan: Plan) -> Reader:
        """See `Storage.open`."""
        return MappedReader(self, plan)

    # reading

    def read(
        self, keys: Sequence[str], fields: Sequence[str], writes: bool, identified: bool = True
    ) -> Flow[list[Stored | None]]:
        """The mapped documents of `keys`; with `writes` whole, else with `fields` (and what presence needs).

        None for a key that has no document. `identified`: with their `_id`.
        """
        mapped = self.spec.redis
        names = list(mapped) if writes else list(dict.fromkeys((*fields, *self.spec.presence)))
        raws = yield from self.raws(keys, names)
        wanted = names if writes else fields
        values = {name: mapped[name].values(raws[name], self._where(name, keys)) for name in wanted}
        documents = self.spec.assemble(keys, values, identified or writes)
        present = [raws[name] for name in self.spec.presence]
        there = [any(raw is not None for raw in row) for row in zip(*present, strict=True)]
        if not writes:
            return [Stored(b"", None, each) if here else None for each, here in zip(documents, there, strict=True)]
        return [
            Stored(key.encode(), Version(key, {name: raws[name][place] for name in names}), document)
            if there[place]
            else None
            for place, (key, document) in enumerate(zip(keys, documents, strict=True))
        ]

    def _where(self, name: str, keys: Sequence[str]) -> Callable[[int], str]:
        """What errors call the field `name` of the key at a position."""
        return lambda place: f"field {name!r} of {self.spec.key} {keys[place]!r} in {self.namespace}"

    def raws(self, keys: Sequence[str], names: Sequence[str]) -> Flow[dict[str, list[Raw]]]:
        """The raw values of fields `names` of all `keys`, in one round trip (two where HASH values are found)."""
        commands: list[Command] = []
        spans: list[tuple[str, int, int]] = []
        for name in names:
            reads = self.spec.redis[name].reads(self.kb_id, keys) if keys else []
            spans.append((name, len(commands), len(commands) + len(reads)))
            commands.extend(reads)
        if not commands:
            return {name: [] for name in names}
        replies = yield Pipeline(tuple(commands))
        found: dict[str, list[Raw]] = {}
        hidden: list[tuple[str, str]] = []
        for name, start, end in spans:
            field = self.spec.redis[name]
            found[name] = field.raws(keys, replies[start:end])
            if isinstance(field, Json):
                hidden.extend((name, key) for key in field.hidden(keys, replies[start:end]))
        if hidden:
            asked = [self._json(name).key(self.kb_id, key) for name, key in hidden]
            hashes = yield Pipeline(tuple(("HGETALL", each) for each in asked))
            positions = {key: position for position, key in enumerate(keys)}
            for (name, key), reply in zip(hidden, hashes, strict=True):
                found[name][positions[key]] = pairs(reply) or None
        return found

    def _json(self, name: str) -> Json:
        field = self.spec.redis[name]
        if not isinstance(field, Json):
            raise TypeError(f"{name} is not a JSON field")
        return field

    def by_ids(self, ids: Sequence[ObjectId]) -> Flow[tuple[str, ...]]:
        """The keys whose documents have one of `ids`."""
        yield from self.adopt()
        wanted = set(ids)
        commands: list[Command] = []
        for each in ids:
            # The first seven bytes of an _id are those of the key's SHA-1.
            number = int.from_bytes(each.binary[:7], "big") >> 3
            commands.append(("ZRANGE", self.index, number, number, "BYSCORE"))
        replies = yield Pipeline(tuple(commands))
        members = [member.decode() for reply in replies for member in reply]
        return tuple(key for key in dict.fromkeys(members) if self.spec.identify(key) in wanted)

    def prefetch(self, predicates: Sequence[Predicate]) -> Flow[list[list[Stored] | None]]:
        """See `Storage.prefetch`: what is pinned to keys, in one read of them all."""
        pins = [self.pin(Access(predicate, writes=True))[0] for predicate in predicates]
        keys = tuple(dict.fromkeys(key for pin in pins for key in pin or ()))
        if not keys:
            return [None] * len(predicates)
        found, replies = yield from alongside(self.read(keys, (), writes=True), (("EXISTS", self.documents.docs),))
        here = dict(zip(keys, found, strict=True))
        candidates: list[list[Stored] | None] = [
            None if pin is None else [stored for key in pin if (stored := here[key]) is not None] for pin in pins
        ]
        if replies != [0] or any(stored is None for stored in found):
            # A document that was not found may be on its way to the document side.
            others = yield from self.documents.prefetch(predicates)
            (count,) = yield Pipeline((("HLEN", self.documents.docs),))
            for place, more in enumerate(others):
                each = candidates[place]
                if each is not None and (more is not None or count):
                    candidates[place] = None if more is None else each + more
        return candidates

    def again(self, stored: Stored) -> Flow[Stored | None]:
        """See `Storage.again`: the same document, on whichever side it is now."""
        if not isinstance(stored.version, Version):
            return (yield from self.documents.again(stored))
        (found,) = yield from self.read((stored.version.key,), (), writes=True)
        if found is None:
            moved = Stored(identity(stored.document["_id"]), b"", stored.document)
            return (yield from self.documents.again(moved))
        return found

    def count(self) -> Flow[int]:
        """See `Storage.count`."""
        found, replies = yield from alongside(self.mapped_count(), (("EXISTS", self.documents.docs),))
        return found if replies == [0] else found + (yield from self.documents.count())

    def mapped_count(self) -> Flow[int]:
        """The number of documents of the mapped side."""
        if isinstance(self.spec.source, Singleton):
            (found,) = yield from self.read((self.spec.source.key,), (), writes=False)
            return 0 if found is None else 1
        yield from self.adopt()
        (count,) = yield Pipeline((("ZCARD", self.index),))
        return int(count)

    def adopt(self) -> Flow[None]:
        """Build the index of keys once for data that others wrote; afterwards every write keeps it."""
        if self._adopted:
            return
        (done,) = yield Pipeline((("HGET", self.documents.meta, b"adopted"),))
        if done is None:
            members: list[str] = []
            # A SCAN passes every key of the Redis: hundreds of new knowledge bases must not cost one each.
            scans = isinstance(self.spec.source, Keys) and self._brand_new is not None
            if not scans or self._brand_new is None or not (yield from self._brand_new(self.kb_id)):
                members = yield from self._enumerate()
            commands: list[Command] = []
            for start in range(0, len(members), BATCH):
                flat = [part for key in members[start : start + BATCH] for part in (score(key), key.encode())]
                commands.append(("ZADD", self.index, *flat))
            commands.append(("HSET", self.documents.meta, b"adopted", len(members)))
            if members:
                commands.append(("SADD", CATALOGUE, self.documents.entry))
            yield Pipeline(tuple(commands))
            if members:
                log.info("built the index of %r from %d existing keys", self.namespace, len(members))
            done = b"%d" % len(members)
        self.built = int(done) or None
        self._adopted = True

    def _enumerate(self) -> Flow[list[str]]:
        """The keys of data that are there, from the hashes' fields or by one SCAN."""
        found: dict[str, None] = {}
        match self.spec.source:
            case Members(hashes):
                for parts in hashes:
                    (members,) = yield Pipeline((("HKEYS", kato(self.kb_id, *parts)),))
                    found.update((member.decode(), None) for member in members)
            case Keys(templates):
                for parts in templates:
                    prefix = kato(self.kb_id, *parts) + b":"
                    cursor: Any = 0
                    while True:
                        ((cursor, names),) = yield Pipeline(
                            (("SCAN", cursor, "MATCH", glob(prefix.decode()) + b"*", "COUNT", _SCAN_COUNT),)
                        )
                        found.update((name[len(prefix) :].decode(), None) for name in names if name.startswith(prefix))
                        if int(cursor) == 0:
                            break
            case _:
                raise TypeError(f"{self.spec.name} has no keys to enumerate")
        return list(found)

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
        return (yield from self.documents.create_index(index))

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
            (outcome,) = yield from self.documents.write((change,))
            return outcome
        key = self.spec.key_of(after) if after is not None else None
        if before is None:
            if after is None:
                raise ValueError("a change needs a document before or after it")
            return (yield from self._insert(key, after, change.generated))
        version = before.version
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
        existed = yield from self.exists()
        yield from self.remove_all()
        yield from self.documents.drop()
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


__all__ = ["BATCH", "Field", "MappedPlan", "MappedStorage", "Version", "glob", "score"]
