"""Indexes of the document side: creating and dropping them while writers go on, expiry, and reads by many filters."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bson.datetime_ms import DatetimeMS
from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.execute.scanning import BATCH, ScanReader, key_of, member
from kato_compat.execute.steps import BUILD, LOOKUP, PROBE
from kato_compat.execute.storage import Access, Change, Outcome, Stored
from kato_compat.ir.predicate import Predicate
from kato_compat.ir.requests import Argument, Call, Command, Flow, Pipeline
from kato_compat.mapping.index import ID_INDEX, Index, duplicate_key, is_new
from kato_compat.parse.express import Express
from kato_compat.plan.indexes import Lookup
from kato_compat.plan.pin import pinned_ids
from kato_compat.values.order import DATE
from kato_compat.values.sortable import LAST, bounds, inverted

if TYPE_CHECKING:
    from kato_compat.execute.documents import DocumentStorage

#: The option that marks an index whose entries are not complete yet.
BUILDING: Final = "building"
#: The most documents that one filter of a batched read may have as candidates.
_CANDIDATES: Final = 100


def create(
    storage: "DocumentStorage", index: Index, meanwhile: Callable[[Index], Flow[None]] | None = None
) -> Flow[bool]:
    """See `Storage.create_index`.

    An index is announced first, so that every write from then on keeps its entries; then those of the documents that
    were there are added, and if two collide in a unique one the announcement is taken back. Until it is built no read
    uses it; one whose building was interrupted is built anew. `meanwhile` is what else must be done for it between
    the announcement and the publication.
    """
    building = replace(index, options={**index.options, BUILDING: True})
    while True:
        definitions = yield from storage.definitions(reload=True)
        others = tuple(each for each in definitions.indexes if each != building)
        if not is_new(list(others), index):
            return False
        if (yield from storage.define(definitions, (*others, building))):
            break
    try:
        # What has expired stands in the way of nothing.
        yield from storage.sweep()
        yield from _build(storage, building)
        if meanwhile is not None:
            yield from meanwhile(building)
    except OperationFailure:
        yield from _discard(storage, building)
        raise
    while True:
        definitions = yield from storage.definitions(reload=True)
        if index in definitions.indexes:
            return True  # another one has built it meanwhile
        if building not in definitions.indexes:
            raise _dropped(index)
        finished = tuple(index if each == building else each for each in definitions.indexes)
        if (yield from storage.define(definitions, finished)):
            return True


def drop(storage: "DocumentStorage", name: str) -> Flow[None]:
    """See `Storage.drop_index`."""
    if name == ID_INDEX.name:
        raise fail(72, "cannot drop _id index")
    while True:
        definitions = yield from storage.definitions(reload=True)
        gone = next((index for index in definitions.indexes if index.name == name), None)
        if gone is None:
            raise fail(27, f"index not found with name [{name}]")
        if (yield from _remove(storage, gone)):
            return


def change(storage: "DocumentStorage", index: Index) -> Flow[None]:
    """See `Storage.change_index`."""
    while True:
        definitions = yield from storage.definitions(reload=True)
        if not any(each.name == index.name for each in definitions.kept):
            raise fail(27, f"index not found with name [{index.name}]")
        changed = tuple(index if each.name == index.name else each for each in definitions.indexes)
        if (yield from storage.define(definitions, changed)):
            return


def _discard(storage: "DocumentStorage", index: Index) -> Flow[None]:
    """Take back the announcement of an index, if it is still there."""
    while index in (yield from storage.definitions(reload=True)).indexes:
        if (yield from _remove(storage, index)):
            return


def _remove(storage: "DocumentStorage", index: Index) -> Flow[bool]:
    definitions = yield from storage.definitions()
    kept = tuple(each for each in definitions.indexes if each.name != index.name)
    command: Command = ("DEL", storage.index_key(index), storage.counter_key(index))
    return (yield from storage.define(definitions, kept, command))


def _build(storage: "DocumentStorage", index: Index) -> Flow[None]:
    reader = ScanReader(storage)
    while (batch := (yield from reader.fetch())) is not None:
        left = batch
        while left:
            changed = yield from _enter(storage, index, left)
            left = []
            for stored in changed:
                current = yield from storage.again(stored)
                if current is not None:
                    left.append(current)


def _enter(storage: "DocumentStorage", index: Index, batch: list[Stored]) -> Flow[list[Stored]]:
    """Add the entries of documents to an index; those that have changed since they were read are given back."""
    # Read anew: what the client keeps may be what another thread read before the index was announced.
    definitions = yield from storage.definitions(reload=True)
    all_entries = [index.entries(stored.document) for stored in batch]
    arguments: list[Argument] = []
    for stored, entries in zip(batch, all_entries, strict=True):
        arguments.extend((stored.key, stored.version, len(entries.keys) + entries.multikey))
        for each in entries.keys:
            arguments.extend((each, member(each, stored.version, stored.key)))
        if entries.multikey:
            arguments.extend((b"", b"\x00"))
    keys = (storage.docs, storage.meta, storage.index_key(index))
    while True:
        if index not in definitions.indexes:
            raise _dropped(index)
        call = Call(BUILD, keys, (definitions.state or b"", int(index.unique), *arguments))
        (reply,) = yield Pipeline((call,))
        if reply != -1:
            break
        definitions = yield from storage.definitions(reload=True)
    changed: list[Stored] = []
    for stored, entries, outcome in zip(batch, all_entries, reply, strict=True):
        if outcome > 0:
            raise duplicate_key(index, list(entries.keys.values())[outcome - 1], storage.namespace)
        if outcome < 0:
            changed.append(stored)
    return changed


def _dropped(index: Index) -> OperationFailure:
    return fail(276, f"Index build failed: index {index.name!r} was dropped while it was built")


def remove_expired(storage: "DocumentStorage", index: Index, now: int) -> Flow[int]:
    """Delete the documents that have expired by an index at `now` (milliseconds); how many."""
    seconds = index.seconds
    if seconds is None:
        return 0
    low, _ = bounds(DATE)
    last = index.encode(0, DatetimeMS(int(now - seconds * 1000)))
    if index.descending(0):
        low, high = last, bytes([inverted(low)[0] + 1])
    else:
        high = last + LAST
    removed = 0
    keys = (storage.docs, storage.meta, storage.index_key(index))
    while True:
        ((_, _, _, _, members, values),) = yield Pipeline((Call(LOOKUP, keys, (BATCH, 0, 0, low, high)),))
        found = {
            key: storage.stored(key, value)
            for key, value in zip(map(key_of, members), values, strict=True)
            if value is not None
        }
        expired = [stored for stored in found.values() if index.expired(stored.document, now)]
        if expired:
            outcomes = yield from storage.write([Change(stored, None) for stored in expired], ordered=False)
            removed += sum(outcome is Outcome.DONE for outcome in outcomes)
        if len(members) < BATCH:
            return removed
        low = members[-1] + b"\x00"


def prefetch(storage: "DocumentStorage", wanted: Sequence[Predicate | Express]) -> Flow[list[list[Stored] | None]]:
    """See `Storage.prefetch`. The definitions must be known."""
    while True:
        plans = [_plan(storage, each) for each in wanted]
        keys = tuple(dict.fromkeys(key for plan in plans if type(plan) is tuple for key in plan))
        probes: dict[str, tuple[Index, list[int]]] = {}
        lookups: dict[int, Lookup] = {}
        for place, plan in enumerate(plans):
            if isinstance(plan, Index):
                probes.setdefault(plan.name, (plan, []))[1].append(place)
            elif isinstance(plan, Lookup):
                lookups[place] = plan
        commands: list[Command | Call] = [storage.head()]
        if keys:
            commands.append(("HMGET", storage.docs, *keys))
        for index, places in probes.values():
            entries = [index.encode(0, each.value) for each in map(wanted.__getitem__, places) if type(each) is Express]
            names = (storage.docs, storage.meta, storage.index_key(index))
            commands.append(Call(PROBE, names, (_CANDIDATES, *entries)))
        for lookup in lookups.values():
            names = (storage.docs, storage.meta, storage.index_key(lookup.index))
            flat = [bound for each in lookup.ranges for bound in each]
            commands.append(Call(LOOKUP, names, (_CANDIDATES, 0, 0, *flat)))
        replies = iter((yield Pipeline(tuple(commands))))
        known = yield from storage.definitions()
        if next(replies)[0] == known.state:
            break
        yield from storage.definitions(reload=True)
    found: dict[bytes, Stored] = {}
    if keys:
        found = {stored.key: stored for stored in storage.all_stored(keys, next(replies))}
    candidates: list[list[Stored] | None] = [
        [found[key] for key in plan if key in found] if type(plan) is tuple else None for plan in plans
    ]
    for _, places in probes.values():
        _, _, counts, owners, values = next(replies)
        here = {stored.key: stored for stored in storage.all_stored(owners, values)}
        found = here | found
        at = 0
        for place, count in zip(places, counts, strict=True):
            some = dict.fromkeys(owners[at : at + count])
            at += count
            candidates[place] = None if count >= _CANDIDATES else [found[key] for key in some if key in found]
    for (place, lookup), reply in zip(lookups.items(), replies, strict=True):
        candidates[place] = _candidates(storage, lookup, reply, found)
    if storage.expiring:
        for each in candidates:
            if each is not None:
                each[:] = storage.alive(each)
    return candidates


def _plan(storage: "DocumentStorage", wanted: Predicate | Express) -> tuple[bytes, ...] | Index | Lookup | None:
    """What the candidates of a write are read by: their keys, the entries of a value, a lookup; None for a scan."""
    if isinstance(wanted, Express):
        found = storage.unique(wanted.name) if wanted.key is None else (wanted.key,)
        if found is not None:
            return found
        wanted = wanted.write().predicate
    ids = pinned_ids(wanted)
    if ids is not None:
        return ids
    plan: Lookup | None = storage.plan(Access(wanted, writes=True)).private
    return plan


def _candidates(
    storage: "DocumentStorage", lookup: Lookup, reply: list[Any], found: dict[bytes, Stored]
) -> list[Stored] | None:
    _, _, arrays, _, members, values = reply
    if len(members) >= _CANDIDATES or (arrays and lookup.loose != lookup.ranges):
        return None
    here: dict[bytes, Stored] = {}
    for key, value in zip(map(key_of, members), values, strict=True):
        if value is not None and key not in here:
            here[key] = found.setdefault(key, storage.stored(key, value))
    return list(here.values())


__all__ = ["BUILDING", "create", "drop", "prefetch", "remove_expired"]
