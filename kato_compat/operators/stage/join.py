"""The equality join of `$lookup` and `$graphLookup`: which foreign documents a value finds.

A value finds what ``{foreignField: {$eq: value}}`` matches, where a regular expression equals only itself; null
finds documents that lack the field too.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Any

from kato_compat.ir.stage import Documents
from kato_compat.values.collation import Collation, identity
from kato_compat.values.equality import equality_key
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import Path, fields_of, is_index, iterate


class Index:
    """Foreign documents by the values at a path, in the order they were added."""

    __slots__ = ("_by_key", "_identify", "_path", "_plain", "documents")

    def __init__(self, path: Path, collation: Collation | None = None) -> None:
        self._identify = identity(collation)
        self._plain = frozenset({str, int}) if collation is None else frozenset({int})
        self._path = path
        self._by_key: dict[Hashable, list[int]] = {}
        self.documents: Documents = []

    def add(self, documents: Documents, only: frozenset[Hashable] | None = None) -> None:
        """Take documents in; with `only` they are found by those keys and no others."""
        by_key, path, plain = self._by_key, self._path, self._plain
        name = path[0] if len(path) == 1 else None
        position = len(self.documents)
        for document in documents:
            value = document.get(name, MISSING) if name is not None else MISSING
            if type(value) in plain:
                if only is None or value in only:
                    by_key.setdefault(value, []).append(position)
            else:
                for key in foreign_keys(document, path, self._identify):
                    if only is None or key in only:
                        by_key.setdefault(key, []).append(position)
            position += 1
        self.documents.extend(documents)

    def clear(self) -> None:
        """Forget all documents."""
        self._by_key = {}
        self.documents = []

    def find(self, keys: list[Hashable]) -> Documents:
        """The documents that any of `keys` finds, each once, in order."""
        documents = self.documents
        if len(keys) == 1:
            return [documents[position] for position in self._by_key.get(keys[0], ())]
        positions = {position for key in keys for position in self._by_key.get(key, ())}
        return [documents[position] for position in sorted(positions)]


def foreign_keys(document: dict[str, Any], path: Path, identify: Callable[[Any], Hashable]) -> set[Hashable]:
    """The equality keys of all values that a query finds at `path`, a missing one being null."""
    return {None if value is MISSING else identify(value) for value, _ in iterate(document, path)}


def local_values(path: Path) -> Callable[[dict[str, Any]], list[Any]]:
    """A function that gives the values which a document joins by: array elements one by one, null if there are none."""
    if len(path) == 1:
        name = path[0]

        def single(document: dict[str, Any]) -> list[Any]:
            value = document.get(name)
            if type(value) is list:
                return value or [None]
            return [value]

        return single
    return lambda document: list(visit(document, path)) or [None]


def visit(document: dict[str, Any], path: Path) -> Iterator[Any]:
    """The values at `path`: through arrays of documents, by index where a component is one, trailing arrays unwound."""
    value = document.get(path[0], MISSING)
    position = 1
    while position < len(path) and type(value) is list and is_index(path[position]):
        index = int(path[position])
        value = value[index] if index < len(value) else MISSING
        position += 1
    if position == len(path):
        if type(value) is list:
            yield from value
        elif value is not MISSING:
            yield value
        return
    rest = path[position:]
    if type(value) is list:
        for item in value:
            fields = fields_of(item)
            if fields is not None:
                yield from visit(fields, rest)
        return
    fields = fields_of(value)
    if fields is not None:
        yield from visit(fields, rest)


def keys_of(values: list[Any], identify: Callable[[Any], Hashable] = equality_key) -> list[Hashable]:
    """The equality keys of `values`, each once."""
    if len(values) == 1:
        return [identify(values[0])]
    return list(dict.fromkeys(map(identify, values)))
