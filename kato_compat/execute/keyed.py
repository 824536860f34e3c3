"""Reading mapped collections: by key, by `_id`, or all keys of a knowledge base from their index.

Where other programs wrote the data there is no index yet: it is built once, by one SCAN or from the hashes' fields.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bson.objectid import ObjectId

from kato_compat.errors import fail
from kato_compat.execute.documents import Definitions, DocumentStorage
from kato_compat.execute.ranked import RankedReader
from kato_compat.execute.scanning import KeyReader
from kato_compat.execute.storage import Access, Placement, Plan, Reader, Storage, Stored
from kato_compat.execute.union import BATCH, MappedPlan, MappedReader
from kato_compat.ir.predicate import ALWAYS, And, AtPath, Predicate, conjunction
from kato_compat.ir.requests import Argument, Call, Command, Flow, Pipeline, Script, between
from kato_compat.mapping.field import Raw
from kato_compat.mapping.index import Index
from kato_compat.mapping.keys import CATALOGUE, kato, own
from kato_compat.mapping.spec import CollectionSpec, Keys, Members, Singleton
from kato_compat.parse.express import Express
from kato_compat.plan.access import predicate_fields
from kato_compat.plan.pin import pinned
from kato_compat.plan.scores import Ranking, choose_ranking, counter_of
from kato_compat.values.identity import identity
from kato_compat.values.paths import split

log = logging.getLogger("kato_compat")

_SCAN_COUNT: Final = 5000
#: No bound on the documents read by key: more than there can be.
MOST: Final = 2**53
_LIST: Final = Script(
    "list",
    """
-- The names in ARGV (each after its score) go into the index KEYS[1], but for those whose document has been deleted
-- since they were listed. ARGV[1] is 1 if documents are fields of hashes, 0 if they are keys; ARGV[2] how many hashes
-- or prefixes of keys follow.
local places = tonumber(ARGV[2])
for at = 3 + places, #ARGV, 2 do
  for place = 3, 2 + places do
    local there
    if ARGV[1] == '1' then there = redis.call('HEXISTS', ARGV[place], ARGV[at + 1])
    else there = redis.call('EXISTS', ARGV[place] .. ARGV[at + 1]) end
    if there == 1 then
      redis.call('ZADD', KEYS[1], ARGV[at], ARGV[at + 1])
      break
    end
  end
end
return 1
""",
)
#: Moves between the two sides that are remembered for readers that began before them.
MOVES: Final = 100_000


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


class KeyedStorage(Storage):
    """What `execute.mapped.MappedStorage` reads by."""

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
        self.moves = own(database, collection, "moves")
        self._adopted = isinstance(spec.source, Singleton)
        self.built: int | None = None
        #: What `execute.placing` last worked out for index definitions.
        self._sets: tuple[Definitions | None, Mapping[str, Sequence[bytes]]] = (None, {})

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
        return self.ranked(Plan(access, self.residual(access, keys), path, tuple(placements), private=inner))

    def ready(self, access: Access) -> Flow[None]:
        """See `Storage.ready`. What is pinned to keys needs no index."""
        if self.pin(access) == (None, None):
            yield from self.documents.ready(access)

    def ranking(self, access: Access) -> Ranking | None:
        """How a counter index helps an access, None if it does not."""
        if not access.pushdown or access.values is not None or self.pin(access) != (None, None):
            return None
        return choose_ranking(self.spec, access.predicate, access.sort, access.limit, self.documents.built)

    def ranked(self, plan: Plan) -> Plan:
        """A plan by a counter index where one helps, with `plan` for the case that it leads to too many documents."""
        if plan.path != "COLLSCAN" or not plan.access.pushdown:
            return plan
        ranking = self.ranking(plan.access)
        notes = self._notes(plan.access)
        if notes:
            plan = replace(plan, placements=(*notes, *plan.placements))
        if ranking is None:
            return plan
        index = ranking.index
        if ranking.reverse is None:
            reason = f"{len(ranking.spans)} span(s) of the counters in index {index.name}, if few: else a scan"
        else:
            reason = f"the first {plan.access.limit} by the counters in index {index.name}, a page at a time"
        return replace(
            plan,
            path="IXSCAN",
            placements=(Placement(ranking.field, "INDEX", reason), *plan.placements),
            details={"indexName": index.name, "keyPattern": index.pattern, **plan.details},
            private=replace(plan.private, ranking=ranking, instead=plan),
        )

    def _notes(self, access: Access) -> tuple[Placement, ...]:
        """What the other indexes do on the mapped side, of those that an access could ask for."""
        asked = (predicate_fields(access.predicate) or frozenset()) | (
            access.sort.roots if access.sort else frozenset()
        )
        return tuple(
            Placement(", ".join(index.paths), "INDEX", f"{index.name}: {self.note(index)}")
            for index in self.documents.built
            if not index.hidden and counter_of(self.spec, index) is None
            if split(index.paths[0])[0] in asked
        )

    def note(self, index: Index) -> str:
        """What an index that is on no counter does for mapped documents, for explain()."""
        if index.paths == (self.spec.key,):
            return "the key, by which documents are found without it"
        return "documents beside only: nothing is added to the mapped side"

    def selective(self, plan: Plan) -> tuple[int, int, int]:
        """How many documents are read by key rather than by a scan of `plan`.

        So many in any case, else a part of all (its divisor), but at most so many.
        """
        return BATCH, 2, MOST

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
        return MappedReader(self, plan) if plan.private.ranking is None else RankedReader(self, plan)

    # reading

    def read(
        self, keys: Sequence[str], fields: Sequence[str], writes: bool, identified: bool = True
    ) -> Flow[list[Any]]:
        """The mapped documents of `keys`: with `writes` whole and as `Stored`, else only their `fields`.

        None for a key that has no document. `identified`: with their `_id`.
        """
        mapped = self.spec.redis
        names = list(mapped) if writes else list(dict.fromkeys((*fields, *self.spec.presence)))
        raws = yield from self.raws(keys, names)
        wanted = names if writes else fields
        values = {name: mapped[name].values(raws[name], self._where(name, keys)) for name in wanted}
        documents = self.spec.assemble(keys, values, identified or writes)
        present = [raws[name] for name in self.spec.presence]
        there = [True] * len(keys)
        if all(None in raw for raw in present):
            there = [any(raw is not None for raw in row) for row in zip(*present, strict=True)]
        if not writes:
            return [each if here else None for each, here in zip(documents, there, strict=True)]
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
        """The raw values of fields `names` of all `keys`, in one round trip (two where one is hidden)."""
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
            hidden.extend((name, key) for key in field.hidden(keys, replies[start:end]))
        if hidden:
            redis = self.spec.redis
            answers = yield Pipeline(tuple(redis[name].ask(self.kb_id, key) for name, key in hidden))
            positions = {key: position for position, key in enumerate(keys)}
            for (name, key), reply in zip(hidden, answers, strict=True):
                found[name][positions[key]] = redis[name].asked(reply)
        return found

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

    def head(self) -> Command:
        """The command whose reply is the state of the index definitions and the number of the last move."""
        return ("HMGET", self.documents.meta, b"state", b"moves")

    def moved(self) -> Command:
        """The command whose reply is the number of the last move of a document from one side to the other."""
        return ("HGET", self.documents.meta, b"moves")

    def prefetch(self, wanted: Sequence[Predicate | Express]) -> Flow[list[list[Stored] | None]]:
        """See `Storage.prefetch`: what is pinned to keys, in one read of them all."""
        predicates = [each.write().predicate if isinstance(each, Express) else each for each in wanted]
        pins = [self.pin(Access(predicate, writes=True))[0] for predicate in predicates]
        keys = tuple(dict.fromkeys(key for pin in pins for key in pin or ()))
        if not keys:
            return [None] * len(predicates)
        sides = (("EXISTS", self.documents.docs), self.moved())
        found, before, after = yield from between((self.moved(),), self.read(keys, (), writes=True), sides)
        here = dict(zip(keys, found, strict=True))
        candidates: list[list[Stored] | None] = [
            None if pin is None else [stored for key in pin if (stored := here[key]) is not None] for pin in pins
        ]
        if after != [0, *before] or any(stored is None for stored in found):
            # A document that was not found may be on its way to the other side.
            others = yield from self.documents.prefetch(predicates)
            count, *moved = yield Pipeline((("HLEN", self.documents.docs), self.moved()))
            if moved != before:
                return [None] * len(predicates)
            for place, more in enumerate(others):
                each = candidates[place]
                if each is not None and (more is not None or count):
                    candidates[place] = None if more is None else each + more
        return candidates

    def again(self, stored: Stored) -> Flow[Stored | None]:
        """See `Storage.again`: the same document, on whichever side it is now."""
        key = self.key_of(stored)
        moved: Any = self  # no reply is this
        while True:
            before, moved = moved, (yield Pipeline((self.moved(),)))[0]
            if before == moved:
                return None
            found: Stored | None = None
            if key is not None:
                (found,) = yield from self.read((key,), (), writes=True)
            if found is None:
                beside = Stored(identity(stored.document["_id"]), b"", stored.document)
                found = yield from self.documents.again(beside)
            if found is not None:
                return found

    def key_of(self, stored: Stored) -> str | None:
        """The key that the same document has on the mapped side, None if it cannot be there."""
        if isinstance(stored.version, Version):
            return stored.version.key
        if isinstance(self.spec.source, Singleton):
            key: Any = self.spec.source.key
        else:
            key = stored.document.get(self.spec.key)
        if type(key) is not str or not key or stored.document["_id"] != self.spec.identify(key):
            return None
        return key

    def moves_since(self, number: bytes | None) -> Flow[tuple[bytes | None, list[str]]]:
        """The number of the last move, and the keys of the documents that have moved since move `number`.

        Raises 175 where that many have moved that they are no longer remembered.
        """
        first = 0 if number is None else int(number)
        log_range = ("ZRANGE", self.moves, b"(%d" % first, "+inf", "BYSCORE")
        last, keys = yield Pipeline((self.moved(), log_range))
        if last is not None and int(last) - first >= MOVES:
            raise fail(175, f"too many documents of {self.namespace} were changed while it was read; read it again")
        return last, [key.decode() for key in keys]

    def both(self, keys: Sequence[str], writes: bool) -> Flow[list[tuple[str, Stored]]]:
        """The whole documents of `keys`, on whichever side they are; a plan that writes nothing has no versions."""
        mapped = yield from self.read(keys, tuple(self.spec.fields), writes)
        beside = tuple(identity(self.spec.identify(key)) for key in keys)
        batch = yield from KeyReader(self.documents, beside).fetch()
        others = {} if batch is None else {stored.key: stored for stored in batch}
        found: list[tuple[str, Stored]] = []
        for key, each, place in zip(keys, mapped, beside, strict=True):
            if each is None:
                each = others.get(place)
            elif not writes:
                each = Stored(b"", None, each)
            if each is not None:
                found.append((key, each))
        return found

    def count(self) -> Flow[int]:
        """See `Storage.count`."""
        while True:
            before, found, there, after = yield from self.counted()
            if there:
                found += yield from self.documents.count()
                (after,) = yield Pipeline((self.moved(),))
            if after == before:
                return found

    def counted(self) -> Flow[tuple[bytes | None, int, int, bytes | None]]:
        """The number of mapped documents and behind it whether there are others, between two looks at the moves."""
        behind = (("EXISTS", self.documents.docs), self.moved())
        if isinstance(self.spec.source, Singleton):
            reading = self.read((self.spec.source.key,), (), writes=False)
            (found,), (before,), (there, after) = yield from between((self.moved(),), reading, behind)
            return before, int(found is not None), there, after
        yield from self.adopt()
        before, count, there, after = yield Pipeline((self.moved(), ("ZCARD", self.index), *behind))
        return before, count, there, after

    def mapped_count(self) -> Flow[int]:
        """The number of documents of the mapped side."""
        _, found, _, _ = yield from self.counted()
        return found

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
            commands: list[Command | Call] = []
            for start in range(0, len(members), BATCH):
                flat = [part for key in members[start : start + BATCH] for part in (score(key), key.encode())]
                commands.append(Call(_LIST, (self.index,), (*self._places(), *flat)))
            commands.append(("HSET", self.documents.meta, b"adopted", len(members)))
            if members:
                commands.append(("SADD", CATALOGUE, self.documents.entry))
            yield Pipeline(tuple(commands))
            if members:
                log.info("built the index of %r from %d existing keys", self.namespace, len(members))
            done = b"%d" % len(members)
        self.built = int(done) or None
        self._adopted = True

    def _places(self) -> tuple[Argument, ...]:
        """Where the documents are, as `_LIST` takes it."""
        match self.spec.source:
            case Members(hashes):
                return (1, len(hashes), *[kato(self.kb_id, *parts) for parts in hashes])
            case Keys(templates):
                return (0, len(templates), *[kato(self.kb_id, *parts) + b":" for parts in templates])
            case _:
                raise TypeError(f"{self.spec.name} has no keys to enumerate")

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
