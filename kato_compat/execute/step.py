"""Steps: single changes of the document side in the form of the script that makes them (`steps.APPLY`)."""

import os
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pymongo.errors import OperationFailure

from kato_compat.execute.scanning import member
from kato_compat.execute.storage import Change, Outcome
from kato_compat.ir.requests import Argument
from kato_compat.mapping.index import ID_INDEX, Index, duplicate_key
from kato_compat.values.document import Document, encode
from kato_compat.values.identity import identity

_MOMENT: Final = struct.Struct(">Q")
_clock_lock = threading.Lock()
_last_moment = 0


def moment() -> int:
    """Microseconds since the epoch, strictly increasing within the process: scores of natural order."""
    global _last_moment
    with _clock_lock:
        _last_moment = max(_last_moment + 1, time.time_ns() // 1000)
        return _last_moment


_random: list[bytes] = []


def _noise() -> bytes:
    """Eight random bytes; asked of the system for many at once."""
    try:
        return _random.pop()
    except IndexError:
        data = os.urandom(8 * 512)
        _random.extend(data[start : start + 8] for start in range(8, len(data), 8))
        return data[:8]


# A forked child must not go on with the bytes of its parent.
os.register_at_fork(after_in_child=_random.clear)


def new_version(inserted: bytes | None = None) -> bytes:
    """A version that no other write gets, of a document with the moment of insertion of the version `inserted`."""
    return (_MOMENT.pack(moment()) if inserted is None else inserted[:8]) + _noise()


@dataclass(frozen=True, slots=True)
class Definitions:
    """The index definitions of a collection, with the state that a change must still find."""

    state: bytes | None
    indexes: tuple[Index, ...]

    @property
    def unique(self) -> tuple[Index, ...]:
        """The unique ones, without `_id_`."""
        return tuple(index for index in self.indexes if index.unique)

    @property
    def kept(self) -> tuple[Index, ...]:
        """Those that have entries of their own: all but `_id_`."""
        return self.indexes[1:]


@dataclass(frozen=True, slots=True)
class Step:
    """One change as `steps.APPLY` takes it, and what it means if a check of it fails."""

    arguments: list[Argument]
    taken: list[tuple[Index, Document]]
    exists: Document | None
    size: int

    def failure(self, code: int, namespace: str) -> Outcome | OperationFailure:
        """What a code of the reply means."""
        if code == 0:
            return Outcome.DONE
        if code == -1 and self.exists is not None:
            return duplicate_key(ID_INDEX, self.exists, namespace)
        if code > 0:
            return duplicate_key(*self.taken[code - 1], namespace)
        return Outcome.CONFLICT


def put_steps(changes: Sequence[Change], arguments: list[Argument], limit: int) -> int:
    """Add changes to the arguments of `steps.PUT` until they have `limit` bytes; how many were added."""
    size = 0
    for count, (before, after, _, foreseen, data, _) in enumerate(changes, 1):
        if before is None:
            assert after is not None
            version = new_version() if foreseen is None else foreseen.version
            value = version + (encode(after) if data is None else data)
            key = identity(after["_id"]) if foreseen is None else foreseen.key
            arguments += (key, b"", value, int.from_bytes(version[:8], "big"))
        elif after is None:
            arguments += (before.key, before.version, b"")
            continue
        else:
            version = new_version(before.version) if foreseen is None else foreseen.version
            value = version + (encode(after) if data is None else data)
            arguments += (before.key, before.version, value)
        size += len(value)
        if size > limit:
            return count
    return len(changes)


def make_step(change: Change, definitions: Definitions) -> Step:
    """The step that makes a change. Raises 171 for a document that an index cannot take."""
    before, after = change.before, change.after
    score = 0
    value = b""
    exists: Document | None = None
    foreseen = None if change.foreseen is None else change.foreseen.version
    if before is not None:
        key, expected = before.key, before.version
        version = b"" if after is None else foreseen or new_version(expected)
    else:
        if after is None:
            raise ValueError("a change needs a document before or after it")
        key, expected = identity(after["_id"]), b""
        version = foreseen or new_version()
        (score,) = _MOMENT.unpack(version[:8])
        exists = {"_id": after["_id"]}
    if after is not None:
        value = version + (encode(after) if change.data is None else change.data)
    kind = b"i" if before is None else b"d" if after is None else b"u"
    arguments: list[Argument] = [kind, key, expected, value, score]
    taken: list[tuple[Index, Document]] = []
    if len(definitions.indexes) == 1:
        arguments.extend((0, 0, 0))
        return Step(arguments, taken, exists, len(value))
    free: list[Argument] = []
    gone: list[Argument] = []
    added: list[Argument] = []
    for place, index in enumerate(definitions.kept, 1):
        if before is not None and after is not None and index.spares(before.document, after):
            continue
        new = index.entries(after) if after is not None else None
        old = index.entries(before.document) if before is not None else None
        old_keys = old.keys if old is not None else {}
        new_keys = new.keys if new is not None else {}
        for each, shown in new_keys.items():
            if each not in old_keys:
                if index.unique:
                    free.extend((place, each))
                    taken.append((index, shown))
                added.extend((place, member(each, version, key)))
        for each in old_keys:
            if each not in new_keys:
                gone.extend((place, member(each, expected, key)))
        if new is not None and new.multikey:
            added.extend((place, b"\x00"))
    for part in (free, gone, added):
        arguments.append(len(part) // 2)
        arguments.extend(part)
    return Step(arguments, taken, exists, len(value))
