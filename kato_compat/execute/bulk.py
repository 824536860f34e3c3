"""Making many writes in few round trips: a block of them is read, applied and written as one.

The candidates of a block are read in one batch and every write is applied to them in order, each to what the ones
before it left; then all changes go to the storage in one ordered write. What was made before the first that fails
stands; that one is made alone, which finds out why, and the rest begins a new block. So the outcome is that of
writing one after another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pymongo.errors import OperationFailure

from kato_compat.execute.storage import Change, Outcome, Storage, Stored
from kato_compat.execute.writing import MAX_DOCUMENT, delete, identified_document, insert, update, upserted
from kato_compat.ir.matching import in_server_order
from kato_compat.ir.predicate import ALWAYS, And, AtPath, Predicate, compile_predicate, matched_index
from kato_compat.ir.requests import Flow
from kato_compat.parse.command import Delete, Write, Written
from kato_compat.parse.express import Express
from kato_compat.plan.increment import Increment
from kato_compat.plan.pin import identified, pinned
from kato_compat.values.document import Document, encode_all
from kato_compat.values.identity import identity
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import Path, iterate

#: Requests of one block.
BLOCK: Final = 1000
#: The block that follows one which had to be cut short at its beginning.
_SMALL: Final = 8


@dataclass(frozen=True, slots=True)
class Insert:
    """A document to insert, and whether its `_id` was generated (see `Change.generated`)."""

    document: Document
    generated: bool = False
    #: The BSON of the document, where it was made already.
    data: bytes | None = None


#: The requests that are about documents that are there.
_FILTERED: Final = (Express, Write, Delete)
#: What became of express updates; none of these is ever changed.
_UNMATCHED: Final = Written()
_MATCHED: Final = Written(matched=1)
_MODIFIED: Final = Written(matched=1, modified=1)

_General: TypeAlias = Insert | Write | Delete | Express | OperationFailure
Request: TypeAlias = Increment | _General
#: What became of a request: an update's `Written`, how many were deleted, an insertion's `DONE`, or its error.
Result: TypeAlias = Written | int | Outcome | OperationFailure


def bulk(storage: Storage, requests: Sequence[Request], ordered: bool = True) -> Flow[list[Result]]:
    """Make `requests` in order; the result of each, with `ordered` up to the first error."""
    results: list[Result] = []
    size = quick = BLOCK
    begin = end = 0 if storage.recogniser is not None else len(requests)
    # Up to here increments are made in the general way; at the next one that needs it, so many together.
    until, together = 0, 1
    while len(results) < len(requests):
        start = len(results)
        if start >= end:
            begin, end = _run(requests, start)
        if begin <= start and start >= until:
            run = _increments(requests[start : min(end, start + quick)])
            written = yield from storage.increase(run)
            if written is None:
                until = end
                continue
            results.extend(written)
            if len(written) < len(run):
                # Trying in vain must not cost more than the general way does.
                together = 1 if len(written) >= _SMALL else min(BLOCK, 4 * together)
                until = start + len(written) + together
            quick = min(BLOCK, max(_SMALL, 2 * len(written)))
            continue
        window = _general(requests[start : min(start + size, until if until > start else begin)])
        if all(isinstance(request, Insert) for request in window):
            found = yield from _insert(storage, window, ordered)
        else:
            found = yield from _Block(storage).run(window)
            size = min(BLOCK, max(_SMALL, 2 * len(found)))
            if len(found) < len(window):
                found.append((yield from _alone(storage, window[len(found)])))
        results.extend(found)
        if ordered and any(isinstance(each, OperationFailure) for each in found):
            break
    return results


def express_update(storage: Storage, request: Express) -> Flow[Written]:
    """Make one express update; what it did. Raises what `writing.update` raises."""
    (result,) = yield from bulk(storage, (request,))
    if isinstance(result, Written):
        return result
    if isinstance(result, OperationFailure):
        raise result
    raise TypeError(f"an update gave {result!r}")


def _run(requests: Sequence[Request], start: int) -> tuple[int, int]:
    """Where the first increments from `start` on begin and end that are worth a round trip of their own."""
    last = len(requests)
    begin = start
    for position in range(start, last):
        if type(requests[position]) is not Increment:
            if position - begin >= _SMALL:
                return begin, position
            begin = position + 1
    return (begin, last) if last - begin >= _SMALL or begin == start else (last, last)


def _increments(requests: Sequence[Request]) -> list[Increment]:
    return [request for request in requests if isinstance(request, Increment)]


def _general(requests: Sequence[Request]) -> list[_General]:
    """`requests`, the increments among them as other updates are."""
    return [request.write() if isinstance(request, Increment) else request for request in requests]


def _insert(storage: Storage, window: Sequence[_General], ordered: bool) -> Flow[list[Result]]:
    inserts = [request for request in window if isinstance(request, Insert)]
    generated = {place for place, each in enumerate(inserts) if each.generated}
    outcomes: list[Result] = []
    documents, encoded = [each.document for each in inserts], [each.data for each in inserts]
    outcomes.extend((yield from insert(storage, documents, ordered, generated, encoded)))
    return outcomes


def _alone(storage: Storage, request: _General) -> Flow[Result]:
    try:
        match request:
            case Insert(document, generated, data):
                (outcome,) = yield from insert(storage, [document], True, (0,) if generated else (), (data,))
                return outcome
            case Write():
                return (yield from update(storage, request))
            case Express():
                return (yield from update(storage, request.write()))
            case Delete():
                deleted, _ = yield from delete(storage, request)
                return deleted
            case _:
                return request
    except OperationFailure as error:
        return error


@dataclass(slots=True)
class _Overlay:
    """The documents that a block has changed so far, found by their keys and by the values that filters pin."""

    documents: dict[bytes, Stored | None] = field(default_factory=dict)
    tracked: dict[Path, dict[bytes, dict[bytes, None]]] = field(default_factory=dict)

    def put(self, key: bytes, stored: Stored | None) -> None:
        """Note that the document of `key` is now `stored`."""
        self.documents[key] = stored
        if stored is not None:
            for path, values in self.tracked.items():
                _track(path, values, key, stored)

    def candidates(self, path: Path, wanted: Sequence[object]) -> list[bytes]:
        """The keys of documents that had one of `wanted` at `path` at some time."""
        values = self.tracked.get(path)
        if values is None:
            values = self.tracked[path] = {}
            for key, stored in self.documents.items():
                if stored is not None:
                    _track(path, values, key, stored)
        return [key for value in wanted for key in values.get(identity(value), ())]


def _track(path: Path, values: dict[bytes, dict[bytes, None]], key: bytes, stored: Stored) -> None:
    if len(path) == 1:
        value = stored.document.get(path[0], MISSING)
        if type(value) is not list:
            values.setdefault(identity(value), {})[key] = None
            return
    for value, _ in iterate(stored.document, path):
        values.setdefault(identity(value), {})[key] = None


class _Block:
    """One block of requests."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._overlay = _Overlay()
        self._changes: list[tuple[Stored | None, Document | None, bool, Stored | None, bytes | None, bool]] = []
        self._owners: list[int] = []
        self._results: list[Result] = []

    def run(self, requests: Sequence[_General]) -> Flow[list[Result]]:
        """Make as many of the first requests as go together; their results."""
        wanted = [
            each if isinstance(each, Express) else each.predicate for each in requests if isinstance(each, _FILTERED)
        ]
        try:
            found = iter((yield from self._storage.prefetch(wanted)) if wanted else ())
        except OperationFailure as error:
            if "redisError" in (error.details or {}) or "clickhouseCode" in (error.details or {}):
                raise
            # A document cannot be read: the writes before the one that is about it must be made all the same.
            return self._results
        for request in requests:
            candidates = next(found) if isinstance(request, _FILTERED) else []
            try:
                if candidates is None or not self._apply(request, candidates):
                    break
            except OperationFailure:
                # It is made alone, behind all that came before it, and fails again.
                break
        changes = self._encoded()
        if not changes:
            return self._results
        outcomes = yield from self._storage.write(changes, ordered=True)
        if outcomes[-1] is not Outcome.DONE:
            del self._results[self._owners[len(outcomes) - 1] :]
        for change, owner in zip(changes, self._owners, strict=True):
            if change.generated and owner < len(self._results) and change.after is not None:
                written = self._results[owner]
                if isinstance(written, Written):
                    # The storage may have given it another `_id` than the one that was proposed.
                    written.upserted = change.after["_id"]
        return self._results

    def _encoded(self) -> list[Change]:
        """The changes with the BSON of their documents, up to the first document that is too large to store."""
        encoded = iter(
            encode_all([after for _, after, _, _, data, _ in self._changes if data is None and after is not None])
        )
        changes: list[Change] = []
        for before, after, generated, foreseen, data, claims in self._changes:
            if data is None and after is not None:
                data = next(encoded)
                if len(data) > MAX_DOCUMENT:
                    # It is made alone, behind all that came before it, and fails.
                    place = len(changes)
                    del self._results[self._owners[place] :], self._owners[place:]
                    break
            changes.append(Change(before, after, generated, foreseen, data, claims))
        return changes

    def _express(self, request: Express, candidates: Sequence[Stored]) -> bool:
        """As `_apply`."""
        documents = self._overlay.documents
        stored = candidates[0] if candidates else None
        if request.key is None:
            found = self._named(request, candidates)
            if found is None:
                return False
            stored = found[0] if found else None
        elif request.key in documents:
            stored = documents[request.key]
        result = _UNMATCHED
        changed = True
        if stored is not None:
            after = request.updated(stored.document)
            result = _MATCHED
            if after is not stored.document:
                result = _MODIFIED
                changed = self._change(stored, after)
        elif request.upsert:
            document, generated = identified_document(self._storage, request.inserted())
            result = Written(upserted=document["_id"], inserted=True)
            changed = self._change(None, document, generated)
        if changed:
            self._results.append(result)
        return changed

    def _named(self, request: Express, candidates: Sequence[Stored]) -> list[Stored] | None:
        """As `_matching`, for an express update by another field than `_id`."""
        documents = self._overlay.documents
        found: dict[bytes, Stored] = {}
        touched = False
        for stored in candidates:
            current: Stored | None = stored
            if stored.key in documents:
                touched = True
                current = documents[stored.key]
            if current is not None and request.matches(current.document):
                found[stored.key] = current
        for key in self._overlay.candidates((request.name,), (request.value,)) if documents else ():
            current = documents[key]
            if key not in found and current is not None and request.matches(current.document):
                touched = True
                found[key] = current
        return None if touched and len(found) > 1 else list(found.values())

    def _apply(self, request: _General, candidates: list[Stored]) -> bool:
        """Apply one request to the documents as they are by now; False if it does not go with the others."""
        result: Result
        match request:
            case Express():
                return self._express(request, candidates)
            case Write():
                matched = self._matching(request, candidates)
                if matched is None:
                    return False
                if matched:
                    result, changed = self._updated(request, matched[0])
                elif request.seed is None:
                    result, changed = Written(), True
                else:
                    document, generated = upserted(self._storage, request)
                    result = Written(upserted=document["_id"], inserted=True, after=document)
                    changed = self._change(None, document, generated, claims=True)
            case Insert(document, generated, data):
                result = Outcome.DONE
                changed = self._change(None, document, generated, data)
            case Delete():
                matched = self._matching(request, candidates)
                if matched is None:
                    return False
                result = len(matched)
                changed = not matched or self._change(matched[0], None)
            case _:
                return False
        if changed:
            self._results.append(result)
        return changed

    def _updated(self, command: Write, stored: Stored) -> tuple[Written, bool]:
        position = matched_index(in_server_order(command.predicate)) if command.update.needs_position else None
        before = stored.document
        after = command.update.apply(before, position=None if position is None else position(before))
        if not command.update.modifies(before, after):
            return Written(1, 0, None, False, before, before), True
        return Written(1, 1, None, False, before, after), self._change(stored, after)

    def _change(
        self,
        before: Stored | None,
        after: Document | None,
        generated: bool = False,
        data: bytes | None = None,
        claims: bool = False,
    ) -> bool:
        foreseen = stored = None if after is None else self._storage.foresee(before, after)
        if before is not None:
            key = before.key
        else:
            key = identity(after["_id"] if after is not None else None) if foreseen is None else foreseen.key
            if self._overlay.documents.get(key) is not None:
                return False  # the `_id` is taken by a document of this very block
        if foreseen is None and after is not None:
            stored = Stored(key, None, after)
        self._changes.append((before, after, generated, foreseen, data, claims))
        self._owners.append(len(self._results))
        self._overlay.put(key, stored)
        return True

    def _matching(self, command: Write | Delete, candidates: list[Stored]) -> list[Stored] | None:
        """The document that a request is about, at most one; None where it must be made alone."""
        overlay = self._overlay
        only = identified(command.predicate) if self._storage.foresees else None
        if only is not None:
            if only in overlay.documents:
                current = overlay.documents[only]
                return [] if current is None else [current]
            return candidates
        test = compile_predicate(command.predicate)
        found: dict[bytes, Stored] = {}
        touched = False
        for stored in candidates:
            current = stored
            if stored.key in overlay.documents:
                touched = True
                current = overlay.documents[stored.key]
            if current is not None and test(current.document):
                found[stored.key] = current
        if overlay.documents:
            pin = _pin(command.predicate)
            if pin is None:
                return None
            for key in overlay.candidates(*pin):
                current = overlay.documents[key]
                if key not in found and current is not None and test(current.document):
                    touched = True
                    found[key] = current
        matched = list(found.values())
        if touched and not self._storage.foresees:
            return None
        if len(matched) > 1 and (command.multi or touched):
            return None
        if command.sort is not None and len(matched) > 1:
            order = command.sort.compile().key
            matched.sort(key=lambda stored: order(stored.document))
        return matched[:1]


def _pin(predicate: Predicate) -> tuple[Path, list[object]] | None:
    """A path and the values that a filter pins it to, `_id` before others; None if there is none."""
    if predicate == ALWAYS:
        return None
    terms = predicate.terms if isinstance(predicate, And) else (predicate,)
    paths = dict.fromkeys([("_id",), *[term.path for term in terms if isinstance(term, AtPath)]])
    for path in paths:
        values = pinned(predicate, path)
        if values is not None:
            return path, list(values)
    return None
