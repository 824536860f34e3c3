"""Making writes: insert, update, delete and find-and-modify over any storage.

Every document changes by compare-and-swap: the new document is computed from the one that was read, and written only
if that is still what is stored; on a conflict the document is read again, the filter checked again, and the change
computed anew, without limit (a writer that conflicts means that another one succeeded).
"""

import random
from collections.abc import Container, Sequence
from typing import Any, Final

from pymongo.errors import DuplicateKeyError, OperationFailure

from kato_compat.errors import fail
from kato_compat.execute.storage import Access, Change, Outcome, Storage, Stored
from kato_compat.ir.matching import in_server_order
from kato_compat.ir.predicate import ALWAYS, And, AtPath, Predicate, compile_predicate, matched_index
from kato_compat.ir.requests import Flow, Sleep
from kato_compat.mapping.index import ID_INDEX, Index, is_new
from kato_compat.parse.command import Delete, Modify, Write, Written
from kato_compat.plan.increment import Increment
from kato_compat.plan.pin import pinned
from kato_compat.values.document import Document, encode, encode_all
from kato_compat.values.equality import same
from kato_compat.values.paths import split

#: The largest document that the server stores, in bytes (MongoDB manual: Limits).
MAX_DOCUMENT: Final = 16 * 1024 * 1024
#: By how much a document that the server makes may be larger before it fails to be a document at all.
_MARGIN: Final = 16 * 1024
#: What the server says of a document that is within that margin, by its code.
_TOO_LARGE: Final = {
    2: "object to insert too large. size in bytes: {}, max size: {}",
    17419: "Resulting document after update is larger than {1}",
    17420: "Document to upsert is larger than {1}",
}
#: Changes sent to the storage at once.
BATCH: Final = 1000


def insert(
    storage: Storage,
    documents: Sequence[Document],
    ordered: bool = True,
    generated: Container[int] = (),
    encoded: Sequence[bytes | None] = (),
) -> Flow[list[Outcome | OperationFailure]]:
    """Insert documents (each with its `_id`); the outcome of each, as `Storage.write`.

    `generated` holds the positions of documents whose `_id` is not the caller's: see `Change.generated`.
    `encoded` is their BSON, where it was made already.
    """
    outcomes: list[Outcome | OperationFailure] = []
    for start in range(0, len(documents), BATCH):
        part = documents[start : start + BATCH]
        made = encoded[start : start + BATCH] or [None] * len(part)
        changes = [
            Change(None, document, start + offset in generated, None, data)
            for offset, (document, data) in enumerate(zip(part, made, strict=True))
        ]
        found = yield from storage.write(changes, ordered)
        outcomes.extend(found)
        if ordered and found and found[-1] is not Outcome.DONE:
            break
    return outcomes


def candidates(storage: Storage, command: Write | Delete) -> Flow[list[Stored]]:
    """The stored documents that a write is about: all that match for a multi one, else the first (in its order)."""
    access = Access(command.predicate, None, command.sort, 0, writes=True)
    yield from storage.ready(access)
    plan = storage.plan(access)
    reader = storage.open(plan)
    test = compile_predicate(command.predicate)
    found: list[Stored] = []
    while (batch := (yield from reader.fetch())) is not None:
        for stored in batch:
            if test(stored.document):
                found.append(stored)
                if not command.multi and command.sort is None:
                    yield from reader.close()
                    return found
    if command.sort is not None:
        key = command.sort.compile().key
        found.sort(key=lambda stored: key(stored.document))
    return found if command.multi else found[:1]


def update(storage: Storage, command: Write) -> Flow[Written]:
    """Make one update; what it did.

    Raises the server's errors of the update, `DuplicateKeyError` for a unique index, 17419 or 10334 for a document
    that would grow beyond 16 MiB. Documents changed before the error stay changed, as on the server.
    """
    attempt = 0
    claims = True
    while True:
        found = yield from candidates(storage, command)
        written = Written()
        if not found:
            if command.seed is None:
                return written
            document, generated = upserted(storage, command)
            data = check_size(document, 17420)
            (outcome,) = yield from storage.write([Change(None, document, generated, data=data, claims=claims)])
            if outcome is Outcome.DONE:
                return Written(upserted=document["_id"], inserted=True, after=document)
            # Another writer inserted it first: now there is a document to update, unless the key is another one's.
            there = bool((yield from candidates(storage, command)))
            if outcome is Outcome.CONFLICT:
                claims = there or _is_by_key(storage, command.predicate, document)
            elif not isinstance(outcome, DuplicateKeyError):
                raise _failure(outcome)
            elif not there and not (yield from _is_gone(storage, command.predicate, outcome)):
                raise outcome
            continue
        raced = False
        if command.multi:
            yield from _change_all(storage, command, found, written)
        else:
            raced = not (yield from _change(storage, command, found[0], written))
        if not raced:
            return written
        attempt += 1
        yield from pause(attempt)


def increase(storage: Storage, increment: Increment) -> Flow[Written]:
    """As `update`, for an update that the storage may be able to make without reading the document."""
    written = yield from storage.increase((increment,))
    if written:
        return written[0]
    return (yield from update(storage, increment.write()))


def _is_by_key(storage: Storage, predicate: Predicate, document: Document) -> bool:
    """Whether the filter asks for the key of `document` and nothing else: one that has it is the one to update."""
    if storage.spec is None or not isinstance(predicate, AtPath):
        return False
    path = (storage.spec.key,)
    return predicate.path == path and pinned(predicate, path) == [document.get(storage.spec.key)]


def _is_gone(storage: Storage, predicate: Predicate, error: DuplicateKeyError) -> Flow[bool]:
    """Whether what an upsert collided with must have met its filter, which nothing meets now: it was deleted since.

    That is so where the filter asks for the keys of the unique index by equality and for nothing else (MongoDB
    manual: Upsert with Unique Index).
    """
    details = error.details or {}
    values: Document = details.get("keyValue", {})
    paths = {split(path): value for path, value in values.items()}
    terms = predicate.terms if isinstance(predicate, And) else (predicate,)
    if {term.path for term in terms if isinstance(term, AtPath)} != set(paths) or len(terms) != len(paths):
        return False
    for path, value in paths.items():
        wanted = pinned(predicate, path)
        if wanted is None or len(wanted) != 1 or not same(wanted[0], value):
            return False
    indexes = yield from storage.indexes()
    pattern = details.get("keyPattern")
    return not any(index.collation is not None for index in indexes if index.pattern == pattern)


def upserted(storage: Storage, command: Write) -> tuple[Document, bool]:
    """The document that an upsert inserts, and whether its `_id` was generated; its size is not checked.

    Raises the errors of the update.
    """
    if command.seed is None:
        raise ValueError("the command does not upsert")
    return identified_document(storage, command.update.apply(command.seed(), inserting=True))


def identified_document(storage: Storage, document: Document) -> tuple[Document, bool]:
    """A document with its `_id`, which comes first, and whether that was generated."""
    generated = "_id" not in document
    if generated:
        document = {"_id": storage.identify(document), **document}
    elif next(iter(document)) != "_id":
        document = {"_id": document["_id"], **document}
    return document, generated


def _change_all(storage: Storage, command: Write, found: list[Stored], written: Written) -> Flow[None]:
    position = matched_index(in_server_order(command.predicate)) if command.update.needs_position else None
    for start in range(0, len(found), BATCH):
        pairs: list[tuple[Stored, Document]] = []
        try:
            for stored in found[start : start + BATCH]:
                before = stored.document
                after = command.update.apply(before, position=None if position is None else position(before))
                if not command.update.modifies(before, after):
                    written.matched += 1
                else:
                    pairs.append((stored, after))
        finally:
            # A document that came before one which cannot be changed may be too large: that is the first error.
            encoded = encode_all([after for _, after in pairs])
            for data in encoded:
                check_length(len(data))
        changes = [Change(*pair, data=data) for pair, data in zip(pairs, encoded, strict=True)]
        outcomes = yield from storage.write(changes, ordered=False) if changes else _none()
        for change, outcome in zip(changes, outcomes, strict=True):
            if outcome is Outcome.DONE:
                written.matched += 1
                written.modified += 1
            elif outcome is Outcome.CONFLICT and change.before is not None:
                current = yield from storage.again(change.before)
                if current is not None and compile_predicate(command.predicate)(current.document):
                    yield from _change(storage, command, current, written)
            else:
                raise _failure(outcome)


def _change(storage: Storage, command: Write, stored: Stored, written: Written) -> Flow[bool]:
    """Change one document that matched; False if it is gone or no longer matches, and nothing was done."""
    position = matched_index(in_server_order(command.predicate)) if command.update.needs_position else None
    attempt = 0
    while True:
        before = stored.document
        after = command.update.apply(before, position=None if position is None else position(before))
        modified = command.update.modifies(before, after)
        outcome: Outcome | OperationFailure = Outcome.DONE
        if modified:
            (outcome,) = yield from storage.write([Change(stored, after, data=check_size(after))])
        if outcome is Outcome.DONE:
            written.matched += 1
            written.modified += modified
            written.before, written.after = before, after
            return True
        if outcome is not Outcome.CONFLICT:
            raise _failure(outcome)
        attempt += 1
        yield from pause(attempt)
        current = yield from storage.again(stored)
        if current is None or not compile_predicate(command.predicate)(current.document):
            return False
        stored = current


def delete(storage: Storage, command: Delete) -> Flow[tuple[int, Document | None]]:
    """Delete what matches; how many, and the last document deleted."""
    if command.multi and command.predicate == ALWAYS:
        return (yield from storage.clear()), None
    attempt = 0
    while True:
        found = yield from candidates(storage, command)
        deleted = 0
        last: Document | None = None
        raced = False
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            outcomes = yield from storage.write([Change(stored, None) for stored in batch], ordered=False)
            for stored, outcome in zip(batch, outcomes, strict=True):
                done = outcome
                current: Stored | None = stored
                while done is Outcome.CONFLICT:
                    assert current is not None
                    current = yield from storage.again(current)
                    if current is None or not compile_predicate(command.predicate)(current.document):
                        raced = True
                        break
                    (done,) = yield from storage.write([Change(current, None)])
                if done is Outcome.DONE:
                    deleted += 1
                    last = current.document if current is not None else None
                elif done is not Outcome.CONFLICT:
                    raise _failure(done)
        if deleted or not raced or command.multi:
            return deleted, last
        attempt += 1
        yield from pause(attempt)


def modify(storage: Storage, command: Modify) -> Flow[tuple[Document | None, Written]]:
    """Find-and-modify: the document before or after, projected, and what was done."""
    written = Written()
    if command.delete is not None:
        deleted, document = yield from delete(storage, command.delete)
        written.matched = deleted
    elif command.write is not None:
        written = yield from update(storage, command.write)
        document = written.after if command.new else written.before
    else:
        raise ValueError("findAndModify needs an update or a removal")
    if document is not None and command.projection is not None:
        document = command.projection.compile()(document)
    return document, written


def create_all(storage: Storage, indexes: Sequence[Index]) -> Flow[None]:
    """Create several indexes: all of them or, where one is refused or cannot be built, none."""
    existing = list((yield from storage.indexes())) or [ID_INDEX]
    for index in indexes:
        if is_new(existing, index):
            existing.append(index)
    if not indexes:
        yield from storage.create()
    created: list[str] = []
    try:
        for index in indexes:
            made = yield from storage.create_index(index)
            created.extend([index.name] * made)
    except OperationFailure:
        for name in created:
            yield from storage.drop_index(name)
        raise


def check_size(document: Document, code: int = 17419) -> bytes:
    """The BSON of a document. Raises for one that is larger than the server stores, as `check_length`."""
    data = encode(document)
    check_length(len(data), code)
    return data


def check_length(size: int, code: int = 17419) -> None:
    """Raise for a document of `size` bytes of BSON that is larger than the server stores.

    The code is 10334 for a much larger one, else `code`: 2 for a document to insert, 17420 for one to upsert, 17419
    for one that an update makes.
    """
    if size > MAX_DOCUMENT + _MARGIN:
        limit = MAX_DOCUMENT + _MARGIN
        raise fail(10334, f"BSONObj size: {size} is invalid. Size must be between 0 and {limit}(16MB)")
    if size > MAX_DOCUMENT:
        raise fail(code, _TOO_LARGE[code].format(size, MAX_DOCUMENT))


def _none() -> Flow[list[Any]]:
    return []
    yield  # a flow without requests


def _failure(outcome: Outcome | OperationFailure) -> OperationFailure:
    if isinstance(outcome, OperationFailure):
        return outcome
    return fail(112, "the document kept changing while it was written; try again")


def pause(attempt: int) -> Flow[None]:
    """Wait a little, longer at random, after repeated conflicts: two writers must not stay in step."""
    if attempt > 3:
        yield Sleep(random.uniform(0, min(0.05, 0.0005 * 2 ** min(attempt, 8))))
