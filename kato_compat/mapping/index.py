"""Index definitions and the entries that documents have in them (MongoDB manual: Indexes, Multikey Indexes)."""

from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import DuplicateKeyError

from kato_compat.errors import fail
from kato_compat.values.document import Document
from kato_compat.values.identity import identity
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import Path, fields_of, is_index, split


@dataclass(frozen=True, slots=True)
class Index:
    """One index of a collection: its name, its keys in order (path, direction or type) and its options.

    `options` are those of `create_index` in the server's spelling (``sparse``, ``partialFilterExpression``, ..),
    without ``unique``.
    """

    name: str
    keys: tuple[tuple[str, Any], ...]
    unique: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """The indexed paths, in order."""
        return tuple(path for path, _ in self.keys)

    @property
    def pattern(self) -> Document:
        """``{path: direction}``, as error details and `index_information` give it."""
        return dict(self.keys)

    def definition(self) -> Document:
        """The index as `list_indexes` gives it (MongoDB manual: listIndexes)."""
        found: Document = {"v": 2, "key": self.pattern, "name": self.name}
        if self.unique:
            found["unique"] = True
        found.update(self.options)
        return found

    @classmethod
    def of(cls, definition: Document) -> "Index":
        """The index that `definition` (as `definition` gives it) describes."""
        options = {key: value for key, value in definition.items() if key not in ("v", "key", "name", "unique")}
        return cls(definition["name"], tuple(definition["key"].items()), bool(definition.get("unique", False)), options)

    def entries(self, document: Document) -> list[tuple[bytes, Document]]:
        """The entries of `document` in a unique index: (identity of the key, the key by path).

        An array gives an entry per distinct element; two arrays in one key raise 171. Sparse indexes have no
        entry for a document that lacks all paths.
        """
        columns = [_values(document, split(path)) for path in self.paths]
        if self.options.get("sparse") and all(column == [MISSING] for column in columns):
            return []
        if sum(len(column) > 1 for column in columns) > 1:
            raise fail(171, f"cannot index parallel arrays in index {self.name}")
        rows: list[list[Any]] = [[]]
        for column in columns:
            rows = [[*row, value] for row in rows for value in column]
        found: dict[bytes, Document] = {}
        for row in rows:
            values = [None if value is MISSING else value for value in row]
            found.setdefault(identity(values), dict(zip(self.paths, values, strict=True)))
        return list(found.items())


#: The index that every collection has.
ID_INDEX = Index("_id_", (("_id", 1),))


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


def _values(value: Any, path: Path) -> list[Any]:
    """The index keys that `value` has at `path`: one, or one per distinct element of an array on the way."""
    if not path:
        if type(value) is list:
            return _distinct(value) or [MISSING]
        return [value]
    if type(value) is list:
        head = path[0]
        if is_index(head) and int(head) < len(value):
            return _values(value[int(head)], path[1:])
        found = [each for item in value if fields_of(item) is not None for each in _values(item, path)]
        return _distinct(found) or [MISSING]
    fields = fields_of(value)
    if fields is None:
        return [MISSING]
    return _values(fields.get(path[0], MISSING), path[1:])


def _distinct(values: list[Any]) -> list[Any]:
    return list({identity(value): value for value in values}.values())


def is_new(existing: list[Index], index: Index) -> bool:
    """True if `index` must be built, False if the very same one exists.

    Raises 85 (same keys under another name or with other options) and 86 (same name with other keys), as the
    server does (MongoDB manual: createIndexes).
    """
    for each in existing:
        if each.name == index.name:
            if each.keys != index.keys:
                raise fail(
                    86,
                    "An existing index has the same name as the requested index. When index names are not "
                    "specified, they are auto generated and can cause conflicts. Please refer to our documentation. "
                    f"Requested index: {index.definition()}, existing index: {each.definition()}",
                )
            if each.unique != index.unique or each.options != index.options:
                raise fail(
                    86,
                    "An existing index has the same name as the requested index but different options. "
                    f"Requested index: {index.definition()}, existing index: {each.definition()}",
                )
            return False
        if each.keys == index.keys:
            raise fail(85, f"Index already exists with a different name: {each.name}")
    return True
