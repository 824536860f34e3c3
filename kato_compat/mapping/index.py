"""Index definitions and the entries that documents have in them (MongoDB manual: Indexes, Multikey Indexes)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bson.datetime_ms import DatetimeMS
from pymongo.errors import DuplicateKeyError

from kato_compat.errors import fail
from kato_compat.ir.predicate import DocumentTest, Predicate, compile_predicate
from kato_compat.values.collation import Collation
from kato_compat.values.document import Document
from kato_compat.values.missing import MISSING
from kato_compat.values.order import milliseconds
from kato_compat.values.paths import Path, fields_of, is_index, split
from kato_compat.values.sortable import inverted, sortable


class _Undefined:
    """What an empty array has for a key: BSON's undefined, which sorts below null."""

    __slots__ = ()


_UNDEFINED: Final = _Undefined()


@dataclass(frozen=True, slots=True)
class Index:
    """One index of a collection: its name, its keys in order (path, direction or type) and its options.

    `options` are those of `create_index` in the server's spelling (``sparse``, ``partialFilterExpression``, ..),
    without ``unique``. `partial` is the parsed ``partialFilterExpression`` (see `plan.indexes.load`).
    """

    name: str
    keys: tuple[tuple[str, Any], ...]
    unique: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    partial: Predicate | None = field(default=None, compare=False)
    collation: Collation | None = field(default=None, init=False, compare=False)
    _paths: tuple[Path, ...] = field(default=(), init=False, compare=False, repr=False)
    _descending: tuple[bool, ...] = field(default=(), init=False, compare=False, repr=False)
    _test: DocumentTest | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "_paths", tuple(split(path) for path, _ in self.keys))
        set_(self, "_descending", tuple(order < 0 for _, order in self.keys))
        set_(self, "collation", Collation.parse(self.options.get("collation")))
        if self.partial is not None:
            set_(self, "_test", compile_predicate(self.partial))

    @property
    def paths(self) -> tuple[str, ...]:
        """The indexed paths, in order."""
        return tuple(path for path, _ in self.keys)

    @property
    def pattern(self) -> Document:
        """``{path: direction}``, as error details and `index_information` give it."""
        return dict(self.keys)

    @property
    def sparse(self) -> bool:
        """Whether documents that have none of the paths are left out."""
        return bool(self.options.get("sparse"))

    @property
    def hidden(self) -> bool:
        """Whether no query may use it (it is kept all the same)."""
        return bool(self.options.get("hidden"))

    @property
    def seconds(self) -> float | None:
        """The age in seconds at which a document expires by this index, None if none does."""
        return self.options.get("expireAfterSeconds")

    def definition(self) -> Document:
        """The index as `list_indexes` gives it (MongoDB manual: listIndexes)."""
        found: Document = {"v": 2, "key": self.pattern, "name": self.name}
        if self.unique:
            found["unique"] = True
        found.update(self.options)
        return found

    def encode(self, position: int, value: Any) -> bytes:
        """The sortable key of one value in the place of a key of this index, in that key's direction."""
        key = sortable(value, self.collation)
        return inverted(key) if self._descending[position] else key

    def descending(self, position: int) -> bool:
        """Whether the key at a position is in descending order."""
        return self._descending[position]

    def spares(self, before: Document, after: Document) -> bool:
        """Whether a change is sure to leave a document's entries as they are: it shares the indexed fields."""
        if self._test is not None:
            return False
        return all(before.get(path[0], MISSING) is after.get(path[0], MISSING) for path in self._paths)

    def entries(self, document: Document) -> "Entries":
        """The entries of `document`, none if the index leaves it out.

        An array gives an entry per distinct element. Raises 171 for two arrays side by side in one key.
        """
        if self._test is not None and not self._test(document):
            return _NONE
        if len(self._paths) == 1 and len(path := self._paths[0]) == 1:
            # The common case: one field, no array.
            value = document.get(path[0], MISSING)
            if type(value) is not list:
                if value is MISSING:
                    if self.sparse:
                        return _NONE
                    value = None
                return Entries({self.encode(0, value): {path[0]: value}}, False)
        rows, multikey = _rows([(document, path, ()) for path in self._paths], self.name)
        if self.sparse and all(value is MISSING for row in rows for value in row):
            return _NONE
        found: dict[bytes, Document] = {}
        for row in rows:
            parts: list[bytes] = []
            shown: Document = {}
            for place, value in enumerate(row):
                if value is _UNDEFINED:
                    parts.append(self.encode(place, MISSING))
                else:
                    parts.append(self.encode(place, None if value is MISSING else value))
                shown[self.keys[place][0]] = None if value is MISSING or value is _UNDEFINED else value
            found.setdefault(b"".join(parts), shown)
        return Entries(found, multikey)

    def expired(self, document: Document, now: int) -> bool:
        """Whether `document` has outlived this index's age at `now` (milliseconds): the earliest date counts."""
        seconds = self.seconds
        if seconds is None or (self._test is not None and not self._test(document)):
            return False
        rows, _ = _rows([(document, self._paths[0], ())], self.name)
        dates = [milliseconds(value) for (value,) in rows if isinstance(value, datetime | DatetimeMS)]
        return bool(dates) and min(dates) <= now - seconds * 1000


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of one document in one index: their keys, with the values by path; whether an array made them."""

    keys: dict[bytes, Document]
    multikey: bool


_NONE: Final = Entries({}, False)

#: The index that every collection has.
ID_INDEX = Index("_id_", (("_id", 1),))


def _rows(parts: list[tuple[Any, Path, Path]], name: str) -> tuple[list[list[Any]], bool]:
    """The combinations of values that (value, path from there, path so far) lead to, arrays expanded together."""
    ends: list[tuple[Any, Path, Path]] = []
    arrays: set[Path] = set()
    for value, path, done in parts:
        while path:
            if type(value) is list:
                # A number names the element, and no array is expanded.
                if not is_index(path[0]) or int(path[0]) >= len(value):
                    break
                value = value[int(path[0])]
            else:
                fields = fields_of(value)
                value = MISSING if fields is None else fields.get(path[0], MISSING)
            path, done = path[1:], (*done, path[0])
            if value is MISSING:
                path = ()
        if type(value) is list and (path or done != _WHOLE):
            arrays.add(done)
        ends.append((value, path, done))
    if not arrays:
        return [[value for value, _, _ in ends]], False
    if len(arrays) > 1:
        raise fail(171, f"cannot index parallel arrays {sorted('.'.join(each) for each in arrays)} in index {name}")
    (place,) = arrays
    array = next(value for value, _, done in ends if done == place and type(value) is list)
    if not array:
        return [
            [
                (MISSING if path else _UNDEFINED) if done == place and type(value) is list else value
                for value, path, done in ends
            ]
        ], True
    rows: list[list[Any]] = []
    for item in array:
        inner: list[tuple[Any, Path, Path]] = []
        for value, path, done in ends:
            if done != place or type(value) is not list:
                inner.append((value, (), _WHOLE))
            elif not path:
                inner.append((item, (), _WHOLE))
            else:
                inner.append((item if fields_of(item) is not None else MISSING, path, done))
        rows.extend(_rows(inner, name)[0])
    return rows, True


#: The path so far of a value that is a key as it is, also if it is an array within an array.
_WHOLE: Final[Path] = ("", "")


def duplicate_key(index: Index, key: Document, namespace: str) -> DuplicateKeyError:
    """The server's error for a second document with `key` in a unique index (code 11000)."""
    shown = ", ".join(f"{path}: {_shown(value)}" for path, value in key.items())
    message = f"E11000 duplicate key error collection: {namespace} index: {index.name} dup key: {{ {shown} }}"
    details = {"index": 0, "code": 11000, "errmsg": message, "keyPattern": index.pattern, "keyValue": key}
    return DuplicateKeyError(message, 11000, details)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else f"{value!r}"


def _signature(index: Index) -> tuple[Any, ...]:
    """What makes two indexes different ones: those that share it may not both exist."""
    options = index.options
    return index.keys, index.unique, index.sparse, options.get("partialFilterExpression"), options.get("collation")


def is_new(existing: list[Index], index: Index) -> bool:
    """True if `index` must be built, False if the very same one exists.

    Raises 86 for the name of an index with other keys, uniqueness, sparseness, filter or collation, and 85 where
    all that is the same but the name or another option is not (MongoDB manual: createIndexes).
    """
    wanted = f"Requested index: {index.definition()}"
    for each in existing:
        if each.name != index.name:
            continue
        if _signature(each) != _signature(index):
            raise fail(
                86,
                "An existing index has the same name as the requested index. When index names are not "
                "specified, they are auto generated and can cause conflicts. Please refer to our documentation. "
                f"{wanted}, existing index: {each.definition()}",
            )
        if each.seconds != index.seconds:
            raise fail(
                85,
                "An equivalent index already exists with the same name but different options. "
                f"{wanted}, existing index: {each.definition()}",
            )
        return False
    for each in existing:
        if _signature(each) == _signature(index):
            if each.seconds != index.seconds:
                raise fail(
                    85,
                    "An equivalent index already exists with a different name and options. "
                    f"{wanted}, existing index: {each.definition()}",
                )
            raise fail(85, f"Index already exists with a different name: {each.name}")
    return True
