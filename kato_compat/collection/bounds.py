"""A find within the bounds of a hinted index, or of its keys only (MongoDB manual: cursor.min, cursor.returnKey)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kato_compat.errors import fail
from kato_compat.execute.reading import Finding
from kato_compat.execute.storage import Storage
from kato_compat.ir.requests import Flow
from kato_compat.mapping.index import Index
from kato_compat.parse.command import Find
from kato_compat.parse.sort import parse_sort
from kato_compat.values.document import Document
from kato_compat.values.missing import MISSING
from kato_compat.values.order import SortKey, sort_key
from kato_compat.values.paths import getter, split


class Bounded:
    """A find in progress whose documents lie in ``[low, high)`` of an index, in the order of the index.

    With `keys_only` the results are the index keys: empty documents where no index is hinted, as on the server.
    Raises 51174 where the fields of a bound are not those of the index.
    """

    def __init__(
        self,
        storage: Storage,
        command: Find,
        index: Index | None,
        low: Document,
        high: Document,
        keys_only: bool,
    ) -> None:
        keys = index.keys if index is not None else ()
        for bound in (low, high):
            if bound and [*bound] != [path for path, _ in keys]:
                raise fail(51174, "The index chosen is not compatible with min/max: their fields must be its fields")
        self._paths: list[tuple[str, bool, Callable[[Any], Any]]] = [
            (path, order < 0, getter(split(path))) for path, order in keys
        ]
        self._low = self._place(low) if low else None
        self._high = self._place(high) if high else None
        if self._low is not None and self._high is not None and not self._low < self._high:
            raise fail(51175, "The value provided for min() does not come before the value provided for max()")
        self._keys_only = keys_only
        self._skip = command.skip
        self._limit = command.limit
        self._project = command.projection.compile() if command.projection is not None else None
        sort = command.sort
        if sort is None and (low or high):
            sort = parse_sort(dict(keys))
        self._finding = Finding(storage, replace(command, projection=None, sort=sort, skip=0, limit=0))

    def _place(self, document: Document) -> tuple["_Key", ...]:
        return tuple(_Key(sort_key(_key(get(document))), down) for _, down, get in self._paths)

    def fetch(self) -> Flow[list[Document] | None]:
        """The next batch of results, None at the end."""
        batch = yield from self._finding.fetch()
        if batch is None:
            return None
        found: list[Document] = []
        for document in batch:
            if self._low is not None or self._high is not None:
                place = self._place(document)
                if (self._low is not None and place < self._low) or (self._high is not None and place >= self._high):
                    continue
            if self._skip:
                self._skip -= 1
                continue
            found.append(self._shaped(document))
            if self._limit:
                self._limit -= 1
                if not self._limit:
                    yield from self._finding.close()
                    break
        return found

    def _shaped(self, document: Document) -> Document:
        if self._keys_only:
            return {path: _key(get(document)) for path, _, get in self._paths}
        return document if self._project is None else self._project(document)

    def close(self) -> Flow[None]:
        """See `Source.close`."""
        yield from self._finding.close()


class _Key:
    """The sort key of one field of an index, which may run downwards."""

    __slots__ = ("_down", "_key")

    def __init__(self, key: SortKey, down: bool) -> None:
        self._key = key
        self._down = down

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __lt__(self, other: "_Key") -> bool:
        return other._key < self._key if self._down else self._key < other._key

    def __le__(self, other: "_Key") -> bool:
        return self == other or self < other

    def __gt__(self, other: "_Key") -> bool:
        return other < self

    def __ge__(self, other: "_Key") -> bool:
        return other <= self


def _key(value: Any) -> Any:
    """What an index holds for a value at a path: null for one that is not there."""
    return None if value is MISSING else value
