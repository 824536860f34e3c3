"""Collection specs: which field of a collection's documents lives where, and the catalogue that finds them by name.

A collection whose name no spec claims holds schema-less documents. Every mapped collection also has a document side
for what its mapping cannot hold faithfully, so a spec never limits what can be stored.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from bson.objectid import ObjectId

from kato_compat.mapping.field import Counter, Field, Floats, HashCounter, Json
from kato_compat.sql.column import Column, ColumnType
from kato_compat.values.document import Document, fresh
from kato_compat.values.missing import MISSING


@dataclass(frozen=True, slots=True)
class Keys:
    """A source whose documents are the keys ``{kb_id}:<parts>:<key>`` of any of several `templates`.

    Which keys there are is kept in an index of our own; where data written by others has none it is built once by
    one SCAN.
    """

    templates: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Members:
    """A source whose documents are the fields of the hashes ``{kb_id}:<parts>``."""

    hashes: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Singleton:
    """A source that holds at most one document, with the key `key`."""

    key: str


@dataclass(frozen=True, slots=True)
class Table:
    """A source whose documents are the rows of a ClickHouse table, one partition a knowledge base.

    `tenant` is the column of the knowledge base's name; `create` makes the table where it does not exist.
    """

    name: str
    tenant: str
    create: str


Source: TypeAlias = Keys | Members | Singleton | Table


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """The mapping of one collection.

    `key` is the field that names a document within its knowledge base (unique, a string); `fields` are the others
    in the order they have in documents; a document is there if one of `presence` is (for a table: if its row is).
    `implied` are fields that every document has with that value. `companions` are the parts of further keys of each
    document that go when the collection is cleared or dropped. Raises `ValueError` for a spec that is not sound.
    """

    name: str
    source: Source
    key: str
    fields: Mapping[str, Field | Column]
    presence: tuple[str, ...] = ()
    implied: Document = field(default_factory=dict)
    companions: tuple[tuple[str, ...], ...] = ()
    #: The fields that live in ClickHouse, and those that live in Redis.
    columns: Mapping[str, Column] = field(init=False, repr=False, compare=False)
    redis: Mapping[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Asked for several times by every command: worked out once.
        columns_of = {name: each for name, each in self.fields.items() if isinstance(each, Column)}
        redis_of = {name: each for name, each in self.fields.items() if isinstance(each, Field)}
        object.__setattr__(self, "columns", columns_of)
        object.__setattr__(self, "redis", redis_of)
        if not self.name:
            raise ValueError("a collection spec needs a name")
        if self.key in self.fields or "_id" in self.fields or self.key == "_id":
            raise ValueError(f"{self.name}: the key {self.key!r} and _id cannot be mapped fields")
        columns = [name for name, each in self.fields.items() if isinstance(each, Column)]
        if isinstance(self.source, Table):
            if not columns:
                raise ValueError(f"{self.name}: a table source needs columns")
        elif columns:
            raise ValueError(f"{self.name}: columns {columns} need a table source")
        elif not self.presence:
            raise ValueError(f"{self.name}: a Redis source needs presence fields")
        missing = [name for name in self.presence if name not in self.redis]
        if missing:
            raise ValueError(f"{self.name}: presence fields {missing} are not Redis fields")

    def identify(self, key: str) -> ObjectId:
        """The `_id` of the mapped document with `key`: always the same, from the key alone."""
        if len(key) == 40 and isinstance(self.source, Table):
            try:
                return ObjectId(bytes.fromhex(key)[:12])
            except ValueError:
                pass  # not a SHA-1 in hexadecimal: any other name is hashed
        return ObjectId(hashlib.sha1(key.encode(), usedforsecurity=False).digest()[:12])

    def assemble(self, keys: Sequence[str], values: Mapping[str, Sequence[Any]], identified: bool) -> list[Document]:
        """The documents of `keys` from the `values` of fields, one a key; `MISSING` ones are left out.

        `identified`: with their `_id`, which costs a hash each.
        """
        names: list[str] = []
        columns: list[Iterable[Any]] = []
        if identified:
            names.append("_id")
            columns.append(map(self.identify, keys))
        if not isinstance(self.source, Singleton):
            names.append(self.key)
            columns.append(keys)
        for name, value in self.implied.items():
            names.append(name)
            columns.append([fresh({name: value})[name] for _ in keys])
        whole = True
        for name in self.fields:
            column = values.get(name)
            if column is None:
                continue
            if MISSING in column:
                if all(value is MISSING for value in column):
                    continue
                whole = False
            names.append(name)
            columns.append(column)
        rows = zip(*columns, strict=True)
        if len(names) == 2 and whole:
            # A display is twice as fast as dict(zip()), and a key with one field is what large scans read.
            first, second = names
            return [{first: one, second: two} for one, two in rows]
        if not names:
            return [{} for _ in keys]
        documents = [dict(zip(names, row, strict=True)) for row in rows]
        if not whole:
            for document in documents:
                for name in [name for name, value in document.items() if value is MISSING]:
                    del document[name]
        return documents

    def key_of(self, document: Document) -> str | None:
        """The key under which the mapping holds `document` exactly as it is; None if it cannot."""
        single = isinstance(self.source, Singleton)
        key: Any = self.source.key if isinstance(self.source, Singleton) else document.get(self.key)
        if type(key) is not str or not key:
            return None
        redis, columns, implied = self.redis, self.columns, self.implied
        for name, value in document.items():
            if name in redis:
                if not redis[name].holds(value):
                    return None
            elif name in columns:
                if not column_holds(columns[name], value):
                    return None
            elif name == "_id":
                if type(value) is not ObjectId or value != self.identify(key):
                    return None
            elif name in implied:
                if type(value) is not type(implied[name]) or value != implied[name]:
                    return None
            elif name != self.key or single:
                return None
        if not implied.keys() <= document.keys():
            return None
        if columns:
            if not columns.keys() <= document.keys() or not self._consistent(document):
                return None
        elif document.keys().isdisjoint(self.presence):
            return None
        return str(key)

    def _consistent(self, document: Document) -> bool:
        """Columns derived from another must agree with it: ``length`` counts the tokens of ``pattern_data``."""
        if "length" in self.columns and "pattern_data" in self.columns:
            return bool(document["length"] == sum(len(event) for event in document["pattern_data"]))
        return True


def column_holds(column: Column, value: Any) -> bool:
    """Whether a ClickHouse column keeps `value` faithfully."""
    match column.type:
        case ColumnType.STRING:
            return type(value) is str
        case ColumnType.UINT32:
            return type(value) is int and 0 <= value < 2**31
        case ColumnType.STRINGS:
            return _strings(value)
        case ColumnType.STRING_LISTS:
            return type(value) is list and all(_strings(item) for item in value)


def _strings(value: Any) -> bool:
    return type(value) is list and all(type(item) is str for item in value)


PATTERNS_TABLE: Final = """
CREATE TABLE IF NOT EXISTS patterns_data (
    kb_id String,
    name String,
    pattern_data Array(Array(String)),
    length UInt32,
    token_set Array(String),
    token_count UInt32,
    minhash_sig Array(UInt32),
    lsh_bands Array(UInt64),
    first_token String,
    last_token String,
    created_at DateTime DEFAULT now(),
    updated_at DateTime DEFAULT now(),
    INDEX idx_token_set token_set TYPE bloom_filter GRANULARITY 1,
    INDEX idx_length length TYPE minmax GRANULARITY 1,
    INDEX idx_token_count token_count TYPE minmax GRANULARITY 1,
    INDEX idx_name name TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = MergeTree PARTITION BY kb_id ORDER BY (kb_id, length, name)
SETTINGS non_replicated_deduplication_window = 1000, enable_block_number_column = 1, enable_block_offset_column = 1
"""

PATTERNS: Final = CollectionSpec(
    "patterns_kb",
    Table("patterns_data", "kb_id", PATTERNS_TABLE),
    "name",
    {
        "pattern_data": Column("pattern_data", ColumnType.STRING_LISTS),
        "length": Column("length", ColumnType.UINT32),
        "frequency": Counter(("frequency",)),
        "emotives": Json(("emotives",)),
        "metadata": Json(("metadata",)),
    },
)

SYMBOL_COUNTERS: Final = CollectionSpec(
    "symbols_kb",
    Keys((("symbol", "freq"), ("symbol", "pmf"))),
    "name",
    {
        "frequency": Counter(("symbol", "freq")),
        "pattern_member_frequency": Counter(("symbol", "pmf")),
        "emotives": Floats(("affinity",)),
    },
    presence=("frequency", "pattern_member_frequency"),
    companions=(("symbol_to_patterns",),),
)

SYMBOL_HASHES: Final = CollectionSpec(
    "symbols_kb",
    Members((("symbols", "freq"), ("symbols", "pmf"))),
    "name",
    {
        "frequency": HashCounter(("symbols", "freq")),
        "pattern_member_frequency": HashCounter(("symbols", "pmf")),
        "emotives": Floats(("affinity",)),
    },
    presence=("frequency", "pattern_member_frequency"),
    companions=(("symbol_to_patterns",),),
)

_TOTALS: Final = (
    "total_pattern_frequencies",
    "total_symbol_frequencies",
    "total_symbols_in_patterns_frequencies",
    "total_unique_patterns",
)

METADATA: Final = CollectionSpec(
    "metadata",
    Singleton("totals"),
    "class",
    {name: Counter(("global", name), keyed=False) for name in _TOTALS},
    presence=_TOTALS,
    implied={"class": "totals"},
)

PREDICTIONS: Final = CollectionSpec(
    "predictions_kb",
    Keys((("prediction",),)),
    "unique_id",
    {"predictions": Json(("prediction",))},
    presence=("predictions",),
)

LAYOUTS: Final = {"counters": SYMBOL_COUNTERS, "hashes": SYMBOL_HASHES}


class Catalogue:
    """The specs of a client, by collection name; users extend it with specs of their own."""

    def __init__(self, layout: str = "counters", specs: Iterable[CollectionSpec] = ()) -> None:
        """`layout` is how symbol statistics are kept: ``counters`` or ``hashes``. Raises `ValueError` for others."""
        if layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, not {layout!r}")
        self.layout = layout
        self._specs = {spec.name: spec for spec in (PATTERNS, LAYOUTS[layout], METADATA, PREDICTIONS)}
        for spec in specs:
            self.add(spec)

    def add(self, spec: CollectionSpec) -> None:
        """Claim the collections called `spec.name`, in the place of any earlier spec of that name."""
        self._specs[spec.name] = spec

    def find(self, collection: str) -> CollectionSpec | None:
        """The spec of the collections with that name, None for schema-less ones."""
        return self._specs.get(collection)

    def __iter__(self) -> Any:
        return iter(self._specs.values())
