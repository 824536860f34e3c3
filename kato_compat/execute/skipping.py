"""Skip indexes: what an index on a column of a mapped collection becomes (ClickHouse manual: Data skipping indexes).

A table is shared by all knowledge bases, and so is its skip index of a column: a set in Redis lists the indexes that
want it, and with the last of them it goes. One that somebody else has made for the column is left as it is.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kato_compat.ir.requests import Execute, Flow, Pipeline, Select, Sleep
from kato_compat.ir.transact import Check, transact
from kato_compat.mapping.index import Index
from kato_compat.mapping.keys import escape
from kato_compat.mapping.spec import CollectionSpec
from kato_compat.sql.column import Column, ColumnType
from kato_compat.sql.fragment import bind, join, quote_name

if TYPE_CHECKING:
    from kato_compat.execute.table import TableStorage

#: By a column's type, the kind of skip index that serves the conditions that are pushed (see `operators.query.push`):
#: comparisons of numbers; equality with strings, and `has` and `hasAny` of lists of them. Of lists of lists there is
#: no bloom filter, and one of their strings (`arrayFlatten`) serves none of those conditions, which compare inner lists
#: or the whole; a set would be a copy of the column.
KINDS: Final = {
    ColumnType.UINT32: "minmax",
    ColumnType.STRING: "bloom_filter",
    ColumnType.STRINGS: "bloom_filter",
}
#: Milliseconds that the lock on a table's skip index is held at most.
_LEASE: Final = 60_000


def skipped(spec: CollectionSpec, index: Index) -> Column | None:
    """The column that an index wants a skip index of, None for an index that wants none.

    Documents in a unique index are on the document side.
    """
    if len(index.keys) != 1 or index.unique or index.hidden:
        return None
    column = spec.columns.get(index.paths[0])
    return column if column is not None and column.type in KINDS else None


class Skipping:
    """The skip index of one column, as one collection sees it."""

    def __init__(self, storage: "TableStorage", column: Column) -> None:
        source, warehouse = storage.pending.source, storage.warehouse
        self._storage = storage
        self._column = column
        self._kind = KINDS[column.type]
        self._name = f"kato_compat_{column.name}"
        self._table = warehouse.table(source)
        self._place = (warehouse.database, source.name)
        names = b"/".join(escape(name) for name in (*self._place, column.name))
        #: SET of the indexes that want it.
        self.wanted = b"kato_compat:skip:{" + names + b"}"
        self._lock = self.wanted + b":lock"

    def _member(self, index: Index) -> bytes:
        return self._storage.documents.entry + b"/" + escape(index.name)

    def want(self, index: Index) -> Flow[None]:
        """Have it for `index`, over the rows that are there as well; nothing to do for a table without parts."""
        storage = self._storage
        yield from storage.warehouse.prepare(storage.pending.source)
        if not (yield from storage.warehouse.has_parts(storage.pending.source)):
            return
        token = yield from self._acquire()
        try:
            yield Pipeline((("SADD", self.wanted, self._member(index)),))
            others = yield from self._existing()
            if others and self._name not in others:
                return
            column, name = quote_name(self._column.name), quote_name(self._name)
            added = f"ADD INDEX IF NOT EXISTS {name} {column} TYPE {self._kind} GRANULARITY 1"
            yield Execute(f"ALTER TABLE {self._table.text} {added}")
            statement = join(
                f"ALTER TABLE {self._table.text} MATERIALIZE INDEX {name} IN PARTITION %s SETTINGS mutations_sync = 1",
                bind(storage.kb_id, "String"),
            )
            yield Execute(statement.text, statement.parameters)
        finally:
            yield from self._release(token)

    def leave(self, index: Index) -> Flow[None]:
        """Have it no longer for `index`."""
        token = yield from self._acquire()
        try:
            removed, left = yield Pipeline((("SREM", self.wanted, self._member(index)), ("SCARD", self.wanted)))
            if removed and not left:
                yield Execute(f"ALTER TABLE {self._table.text} DROP INDEX IF EXISTS {quote_name(self._name)}")
        finally:
            yield from self._release(token)

    def _existing(self) -> Flow[Sequence[str]]:
        """The names of the skip indexes of the kind that the column has."""
        database, table = self._place
        statement = join(
            "SELECT name FROM system.data_skipping_indices"
            " WHERE database = %s AND table = %s AND type = %s AND expr IN %s",
            bind(database, "String"),
            bind(table, "String"),
            bind(self._kind, "String"),
            bind([self._column.name, quote_name(self._column.name)], "Array(String)"),
        )
        rows = yield Select(statement.text, statement.parameters)
        return [name for (name,) in rows]

    def _acquire(self) -> Flow[bytes]:
        token = os.urandom(16)
        while (yield Pipeline((("SET", self._lock, token, "NX", "PX", _LEASE),)))[0] is None:
            yield Sleep(0.01)
        return token

    def _release(self, token: bytes) -> Flow[None]:
        yield Pipeline((transact([Check(("GET", self._lock), (token,))], [("DEL", self._lock)]),))


__all__ = ["KINDS", "Skipping", "skipped"]
