"""Sort patterns: parsing, keys, and sorting documents in memory.

MongoDB manual: $sort, cursor.sort(), Comparison/Sort Order. A missing field sorts as null; an array sorts by its
least element ascending and by its greatest descending, an empty one before null; a path through an array of
documents does the same with what it leads to. Sorting is stable.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import total_ordering
from itertools import islice
from typing import Any, Final, TypeAlias

from bson.int64 import Int64
from bson.objectid import ObjectId

from kato_compat.errors import fail, refused
from kato_compat.parse.expression import Context
from kato_compat.values.collation import Collation
from kato_compat.values.missing import MISSING
from kato_compat.values.naming import document_path
from kato_compat.values.numbers import long_of
from kato_compat.values.order import SortKey, sort_key
from kato_compat.values.paths import Path, fields_of, is_index
from kato_compat.values.types import is_number

Document: TypeAlias = dict[str, Any]
Keyer: TypeAlias = Callable[[Any], SortKey]

#: The most fields that a sort may name.
MAX_FIELDS: Final = 32

_META: Final = frozenset({"textScore", "randVal", "geoNearDistance", "searchScore", "vectorSearchScore", "score"})
# Documents that `top` takes in before it drops those that cannot be in its answer.
_CHUNK: Final = 4096
_NUMBERS: Final = frozenset({int, Int64, float})


@dataclass(frozen=True, slots=True)
class Sort:
    """A parsed sort pattern: paths and directions (1 or -1), most significant first.

    `natural` is the direction of ``{$natural: ..}`` (find only), which has no paths. Empty: keep the order.
    """

    fields: tuple[tuple[Path, int], ...]
    collation: Collation | None = None
    natural: int = 1

    def compile(self) -> "SortRunner":
        """What sorts documents, and gives keys."""
        return SortRunner(self)

    @property
    def roots(self) -> frozenset[str]:
        """The root fields read."""
        return frozenset(path[0] for path, _ in self.fields)


def parse_sort(
    raw: Mapping[str, Any], context: Context | None = None, *, collation: Collation | None = None, find: bool = False
) -> Sort:
    """The typed sort pattern of `raw` (path to direction, of internal form).

    Directions are numbers that cut to 1 or -1. A find may be sorted by nothing, and by ``$natural``. Raises 15976
    (no field), 15974 and 15975 (direction), 13103 (more than 32 fields), 17312, 9 and 31138 (``{$meta: ..}``
    malformed, else it is refused), 2 (`$natural` beside others) and the errors of paths.
    """
    if not raw:
        if find:
            return Sort((), collation)
        raise fail(15976, "$sort stage must have at least one sort key")
    if find and "$natural" in raw:
        return _natural(raw, collation)
    fields = []
    for name, direction in raw.items():
        if type(direction) is dict:
            _refuse_meta(direction)
        if not is_number(direction):
            raise fail(15974, f"Illegal key in $sort specification: {name}: {direction}")
        cut = long_of(direction)
        if cut not in (1, -1):
            raise fail(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
        fields.append((document_path(name), cut))
    if len(fields) > MAX_FIELDS:
        raise fail(13103, f"too many compound keys: {len(fields)}, at most {MAX_FIELDS} are allowed")
    return Sort(tuple(fields), collation)


def _natural(raw: Mapping[str, Any], collation: Collation | None) -> Sort:
    if len(raw) != 1:
        raise fail(2, "Cannot include '$natural' in compound sort")
    direction = raw["$natural"]
    if not is_number(direction) or (whole := long_of(direction)) not in (1, -1):
        raise fail(2, "$natural sort cannot be set to a value other than -1 or 1.")
    return Sort((), collation, whole)


def _refuse_meta(direction: dict[str, Any]) -> None:
    first = next(iter(direction), "")
    if first != "$meta":
        raise fail(17312, "$meta is the only expression supported by $sort right now")
    if len(direction) != 1:
        raise fail(9, "Cannot have additional keys in a $meta sort specification")
    if direction[first] not in _META:
        raise fail(31138, f"Illegal $meta sort: $meta: {direction[first]}")
    raise refused("sorting by $meta", "documents carry no text search score or index metadata here")


@total_ordering
class Descending:
    """A key whose order is turned round."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descending) and bool(self.key == other.key)

    def __lt__(self, other: "Descending") -> bool:
        return bool(other.key < self.key)

    def __hash__(self) -> int:
        return hash(self.key)


class _Column:
    """One field of a pattern: its values over many documents, as keys that compare natively."""

    __slots__ = ("descending", "keyer", "path")

    def __init__(self, path: Path, direction: int, keyer: Keyer) -> None:
        self.path = path
        self.descending = direction < 0
        self.keyer = keyer

    def values(self, documents: list[Document]) -> tuple[list[Any], list[int], list[int]]:
        """The value of each document (null for missing).

        Then the positions of those whose value is an array, and of those whose path leads through one.
        """
        head, *rest = self.path
        values = [document.get(head) for document in documents]
        arrays = [position for position, value in enumerate(values) if type(value) is list]
        through: list[int] = []
        for name in rest:
            through += arrays
            stopped = set(through)
            arrays = []
            for position, value in enumerate(values):
                if type(value) is dict:
                    value = value.get(name)
                    values[position] = value
                    if type(value) is list:
                        arrays.append(position)
                elif position not in stopped:
                    fields = fields_of(value)
                    values[position] = None if fields is None else fields.get(name)
        return values, arrays, through

    def key_of_array(self, array: list[Any]) -> SortKey:
        """The key of an array at the end of the path: of its least or greatest element."""
        if not array:
            return self.keyer(MISSING)
        keys = map(self.keyer, array)
        return max(keys) if self.descending else min(keys)

    def keys(self, values: list[Any], whole: bool) -> list[Any]:
        """Keys of `values`; the values themselves if `whole` (no key made before) and of one plain type."""
        if whole:
            kinds = set(map(type, values))
            if len(kinds) == 1:
                (kind,) = kinds
                if kind in (int, Int64, datetime, ObjectId) or (kind is str and self.keyer is sort_key):
                    return values
            if kinds <= _NUMBERS and not any(value != value for value in values):
                return values
        keyer = self.keyer
        return [keyer(value) for value in values]


class SortRunner:
    """A sort pattern ready to sort."""

    __slots__ = ("_columns", "_keyer", "_sort", "key")

    #: `key(document)`: an object that compares with `<` and `==` as the documents sort.
    key: Callable[[Any], Any]

    def __init__(self, sort: Sort) -> None:
        self._sort = sort
        self._keyer = sort_key if sort.collation is None else sort.collation.sorter()
        self._columns = tuple(_Column(path, direction, self._keyer) for path, direction in sort.fields)
        self.key = self._make_key()

    def _make_key(self) -> Callable[[Any], Any]:
        fields = self._sort.fields
        paths = tuple(path for path, _ in fields)
        directions = tuple(direction for _, direction in fields)
        keyer = self._keyer
        if len(fields) == 1:
            ((_, direction),) = fields
            if direction > 0:
                return lambda document: _least(document, paths, directions, keyer)[0]
            return lambda document: Descending(_least(document, paths, directions, keyer)[0])

        def key(document: Any) -> Any:
            found = _least(document, paths, directions, keyer)
            return tuple(
                part if direction > 0 else Descending(part) for part, direction in zip(found, directions, strict=True)
            )

        return key

    def sorted(self, documents: Iterable[Document]) -> list[Document]:
        """A new list of `documents` in order; equal ones keep theirs."""
        given = documents if type(documents) is list else list(documents)
        columns = self._columns
        if not columns:
            return given[::-1] if self._sort.natural < 0 else given[:]
        # Keys of documents with arrays, made one by one; those of each column by position.
        made: list[dict[int, SortKey]] = []
        keyed = []
        several: set[int] = set()
        for column in columns:
            values, arrays, through = column.values(given)
            keyed.append((column, values))
            several.update(through)
            for others in made:
                several.update(position for position in arrays if position in others)
            made.append({position: column.key_of_array(values[position]) for position in arrays})
        if several:
            # More than one field may lead through the same array: only the pattern as a whole tells what comes first.
            paths = tuple(path for path, _ in self._sort.fields)
            directions = tuple(direction for _, direction in self._sort.fields)
            for position in several:
                for index, part in enumerate(_least(given[position], paths, directions, self._keyer)):
                    made[index][position] = part
        order: Iterable[int] = range(len(given))
        # The least significant field first: stable sorts one after the other, each on keys that compare natively.
        for index in range(len(columns) - 1, -1, -1):
            column, values = keyed[index]
            single = made[index]
            if single:
                keys = column.keys([None if place in single else value for place, value in enumerate(values)], False)
                for place, part in single.items():
                    keys[place] = part
            else:
                keys = column.keys(values, True)
            order = sorted(order, key=keys.__getitem__, reverse=column.descending)
        return [given[place] for place in order]

    def top(self, documents: Iterable[Document], number: int) -> list[Document]:
        """The first `number` of `sorted`; no more than that and a block of documents are held."""
        if number <= 0:
            return []
        stream = iter(documents)
        best: list[Document] = []
        size = max(_CHUNK, number)
        while block := list(islice(stream, size)):
            best = self.sorted(best + block)[:number]
        return best


def _least(document: Any, paths: tuple[Path, ...], directions: tuple[int, ...], keyer: Keyer) -> tuple[SortKey, ...]:
    """The key by which `document` sorts: of all that its arrays give, the first in the pattern's order."""
    found: tuple[SortKey, ...] | None = None
    for values in _expand([(document, path) for path in paths]):
        parts = tuple(keyer(value) for value in values)
        if found is None or _before(parts, found, directions):
            found = parts
    assert found is not None
    return found


def _before(left: tuple[SortKey, ...], right: tuple[SortKey, ...], directions: tuple[int, ...]) -> bool:
    for one, other, direction in zip(left, right, directions, strict=True):
        if one != other:
            return (one < other) == (direction > 0)
    return False


class _Whole:
    """An array that stands for itself: an element of another one."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _expand(fields: list[tuple[Any, Path]]) -> list[list[Any]]:
    """The rows of values that the fields have: one row, or one for each element of the array they lead through.

    A missing value is null in a row, and an empty array is `MISSING`, which sorts below it. Raises 2 if two of the
    fields lead into different arrays.
    """
    array: list[Any] | None = None
    held: list[tuple[Any, Path]] = []
    for value, path in fields:
        value, path = _walk(value, path)
        if type(value) is list:
            if array is not None and array is not value:
                raise fail(2, "cannot sort with keys that are parallel arrays")
            array = value
        held.append((value, path))
    if array is None:
        return [[value.value if type(value) is _Whole else value for value, _ in held]]
    rows = []
    for item in array or [MISSING]:
        inner: list[tuple[Any, Path]] = []
        for value, path in held:
            if value is not array:
                inner.append((value, path))
            elif path:
                # Arrays directly inside arrays are not looked into.
                inner.append((None if type(item) is list else item, path))
            else:
                inner.append((_Whole(item) if type(item) is list else item, path))
        rows.extend(_expand(inner))
    return rows


def _walk(value: Any, path: Path) -> tuple[Any, Path]:
    """What `path` leads to (null for nothing), or the array that it meets and the rest of the path from there."""
    for position, name in enumerate(path):
        if type(value) is list:
            if not is_index(name) or int(name) >= len(value):
                return value, path[position:]
            if any(name in fields for item in value if (fields := fields_of(item)) is not None):
                raise fail(
                    16746,
                    "Ambiguous field name found in array (do not use numeric field names in embedded elements in an "
                    f"array), field: '{name}'",
                )
            value = value[int(name)]
            continue
        fields = fields_of(value)
        if fields is None:
            return None, ()
        value = fields.get(name)
    return value, ()
