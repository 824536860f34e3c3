"""Pending rows: ClickHouse rows that wait in Redis and move there in blocks.

A single-row insert makes a part and costs milliseconds; a Redis step does not. So a new row is written into a
pending hash in the same atomic step as its counters, and a deleted row is marked gone there. `flush` moves both to
ClickHouse, and runs before any scan. Keys of a collection (see `mapping.keys.own`):

- ``pending``: HASH name -> JSON of the row's columns: rows not yet in ClickHouse
- ``moving``: the block that a flush is inserting, with its token; after a crash the next flush inserts what is not
  there yet
- ``gone``: ZSET name -> 0 until the row has been deleted in ClickHouse, then the second it was deleted in
- ``replaced``: ZSET name -> the microsecond in which a row arrived in ClickHouse where another one had been
- ``lock``: the flusher's token, with a lease

A row in ``pending`` or ``moving`` stands for whatever ClickHouse holds under that name; a name in ``gone`` has no
row unless one of those two has it.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kato_compat.ir.requests import Call, Command, Execute, Flow, InsertRows, Pipeline, Script, Select, Sleep
from kato_compat.ir.transact import Check, transact
from kato_compat.mapping.keys import own
from kato_compat.mapping.spec import CollectionSpec, Table
from kato_compat.sql.fragment import Sql, bind, join, quote_name

#: Rows of one insert, and names of one DELETE or look-up.
BLOCK: Final = 10_000
#: Milliseconds that a flusher's lock holds unless renewed: how long a crashed flusher delays the next.
LEASE: Final = 10_000
#: Seconds that the mark of a deleted row is kept after its deletion, for scans that began before it.
MEMORY: Final = 300
#: The field of ``moving`` that holds the block's token; names are UTF-8, and no text begins with this byte.
TOKEN: Final = b"\xff"

_SEAL: Final = Script(
    "seal",
    """
-- The rows of the names in ARGV are in ClickHouse: they need not wait in KEYS[1] any longer. Names deleted meanwhile
-- are in it no longer, and their marks in KEYS[2] stay. Those of names that had other rows before go to KEYS[3].
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for _, name in ipairs(ARGV) do
  if redis.call('HDEL', KEYS[1], name) == 1 then
    local score = redis.call('ZSCORE', KEYS[2], name)
    if score and tonumber(score) > 0 then
      redis.call('ZREM', KEYS[2], name)
      redis.call('ZADD', KEYS[3], string.format('%.0f', now), name)
    end
  end
end
return 1
""",
)

_BURY: Final = Script(
    "bury",
    """
-- The rows of the names in ARGV[3..] have been deleted in ClickHouse at second ARGV[1]; old marks go.
for i = 3, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then redis.call('ZADD', KEYS[1], ARGV[1], ARGV[i]) end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(0', ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', ARGV[2] * 1000000))
return 1
""",
)


#: Where a row can be found.
PENDING: Final = "pending"
MOVING: Final = "moving"
TABLE: Final = "table"


@dataclass(frozen=True, slots=True)
class Row:
    """Where a document's row was found, its pending form if it has one, and the marks that it had before it was read.

    `gone` is that of a deletion, `replaced` says when the row took another one's place.
    """

    place: str
    value: bytes | None
    gone: bytes | None
    replaced: int | None = None


#: The row of a document that is in ClickHouse and nowhere else.
STORED: Final = Row(TABLE, None, None)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The ClickHouse side of a table source: the database it is in, and what is known of its tables."""

    database: str
    ready: set[str]
    parts: dict[str, bool] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def table(self, source: Table) -> Sql:
        """The quoted name of a source's table."""
        return Sql(f"{quote_name(self.database)}.{quote_name(source.name)}")

    def prepare(self, source: Table) -> Flow[None]:
        """Make the database and the table unless they are known to exist."""
        if source.name in self.ready:
            return
        yield Execute(f"CREATE DATABASE IF NOT EXISTS {quote_name(self.database)}")
        # The statement is this package's or the user's own, with the plain table name in it.
        plain = f"CREATE TABLE IF NOT EXISTS {source.name} "
        yield Execute(source.create.replace(plain, f"CREATE TABLE IF NOT EXISTS {self.table(source).text} ", 1))
        self.ready.add(source.name)

    def has_parts(self, source: Table) -> Flow[bool]:
        """Whether the source's rows have the virtual column `_part`: the table need not be one that we made."""
        found = self.parts.get(source.name)
        if found is None:
            statement = join(
                "SELECT engine FROM system.tables WHERE database = %s AND name = %s",
                bind(self.database, "String"),
                bind(source.name, "String"),
            )
            rows = yield Select(statement.text, statement.parameters)
            found = self.parts[source.name] = bool(rows) and rows[0][0].endswith("MergeTree")
        return found

    def deleting(self) -> Flow[str]:
        """The SETTINGS clause of a DELETE.

        As a patch (ClickHouse manual: Lightweight updates) it costs as much as an insert. As a mutation, which it is
        on tables and servers without patches, it makes a new version of every part of every knowledge base.
        """
        mode = "lightweight_delete_mode"
        if mode not in self.settings:
            asked = join("SELECT count() FROM system.settings WHERE name = %s", bind(mode, "String"))
            ((count,),) = yield Select(asked.text, asked.parameters)
            self.settings[mode] = f" SETTINGS {mode} = 'lightweight_update'" if count else ""
        return self.settings[mode]


class Pending:
    """The pending rows of one collection of one knowledge base."""

    def __init__(self, spec: CollectionSpec, warehouse: Warehouse, database: str, collection: str) -> None:
        if not isinstance(spec.source, Table):
            raise TypeError(f"{spec.name} has no table")
        self.source = spec.source
        self.spec = spec
        self.kb_id = database
        self.warehouse = warehouse
        self.pending = own(database, collection, "pending")
        self.moving = own(database, collection, "moving")
        self.gone = own(database, collection, "gone")
        self.replaced = own(database, collection, "replaced")
        self.lock = own(database, collection, "lock")

    def state(self) -> tuple[Command, ...]:
        """Commands whose replies `is_due` reads."""
        return (("HLEN", self.pending), ("EXISTS", self.moving), ("ZCOUNT", self.gone, 0, 0))

    @staticmethod
    def is_due(replies: Iterable[Any]) -> bool:
        """Whether anything waits to be moved."""
        return any(int(reply) for reply in replies)

    def encode(self, document: dict[str, Any]) -> bytes:
        """The pending form of a document's row."""
        row = {name: document[name] for name in self.spec.columns}
        return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()

    @staticmethod
    def decode(value: bytes) -> dict[str, Any]:
        """The columns of a pending row, by field."""
        row: dict[str, Any] = json.loads(value)
        return row

    def flush(self) -> Flow[int]:
        """Move all that waits to ClickHouse; how many rows were inserted.

        On return every row that was pending when it was called is in ClickHouse, whoever moved it.
        """
        replies = yield Pipeline(self.state())
        if not self.is_due(replies):
            return 0
        token = yield from self.acquire(wanted=False)
        if token is None:
            return 0
        try:
            inserted = yield from self.move()
        finally:
            yield from self.release(token)
        return inserted

    def acquire(self, *, wanted: bool = True) -> Flow[bytes | None]:
        """Wait for the flusher's lock; the token to release it with.

        Without `wanted` None as soon as nothing waits to be moved: another flusher has done the work.
        """
        yield from self.warehouse.prepare(self.source)
        token = os.urandom(16)
        while True:
            (got,) = yield Pipeline((("SET", self.lock, token, "NX", "PX", LEASE),))
            if got is not None:
                return token
            yield Sleep(0.002)
            if not wanted:
                replies = yield Pipeline(self.state())
                if not self.is_due(replies):
                    return None

    def renew(self) -> Command:
        """The command that lets the lock's holder go on for another lease."""
        return ("PEXPIRE", self.lock, LEASE)

    def release(self, token: bytes) -> Flow[None]:
        """Give the lock back, unless its lease ended and another one has it."""
        yield Pipeline((transact([Check(("GET", self.lock), (token,))], [("DEL", self.lock)]),))

    def move(self) -> Flow[int]:
        """Move all that waits, by the holder of the lock; how many rows were inserted."""
        inserted = 0
        while True:
            yield from self._delete_gone()
            _, moving, waiting = yield Pipeline((self.renew(), ("HLEN", self.moving), ("HLEN", self.pending)))
            if not moving:
                if not waiting:
                    return inserted
                # The last pending row may be deleted meanwhile, and with it the hash.
                there = [Check(("EXISTS", self.pending), (1,)), Check(("EXISTS", self.moving), (0,))]
                begin: list[Command] = [
                    ("RENAME", self.pending, self.moving),
                    ("HSET", self.moving, TOKEN, os.urandom(16).hex()),
                ]
                yield Pipeline((transact(there, begin),))
            inserted += yield from self._insert()
            if not moving or not waiting:
                return inserted

    def _delete_gone(self) -> Flow[None]:
        while True:
            (names,) = yield Pipeline((("ZRANGE", self.gone, 0, 0, "BYSCORE", "LIMIT", 0, BLOCK),))
            if not names:
                return
            yield from self.delete_rows([name.decode() for name in names])
            now = int(time.time())
            yield Pipeline((self.renew(), Call(_BURY, (self.gone, self.replaced), (now, now - MEMORY, *names))))

    def delete_rows(self, names: Sequence[str]) -> Flow[None]:
        """Delete the rows of `names` in ClickHouse."""
        settings = yield from self.warehouse.deleting()
        statement = join(
            f"DELETE FROM {self.warehouse.table(self.source).text} IN PARTITION %s"
            f" WHERE {quote_name(self.source.tenant)} = %s AND {quote_name(self.spec.key)} IN %s{settings}",
            bind(self.kb_id, "String"),
            bind(self.kb_id, "String"),
            bind(list(names), "Array(String)"),
        )
        yield Execute(statement.text, statement.parameters)

    def _insert(self) -> Flow[int]:
        (reply,) = yield Pipeline((("HGETALL", self.moving),))
        flat = reply if not isinstance(reply, dict) else [part for item in reply.items() for part in item]
        held = dict(zip(flat[0::2], flat[1::2], strict=True))
        # A server that keeps a log of inserted blocks drops a block that it has seen. Without a token of its own that
        # would be one whose rows were deleted meanwhile; with it, it is the same block of a flusher thought dead.
        token = held.pop(TOKEN, b"").decode() or os.urandom(16).hex()
        rows = list(held.items())
        inserted = 0
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            names = [name.decode() for name, _ in block]
            present = yield from self.present(names)
            fresh = [
                self.row(name, self.decode(value))
                for name, (_, value) in zip(names, block, strict=True)
                if name not in present
            ]
            if fresh:
                digest = hashlib.sha1(json.dumps([row[1] for row in fresh]).encode(), usedforsecurity=False).hexdigest()
                table = self.source.name
                yield InsertRows(self.warehouse.database, table, self.columns, fresh, f"{token}:{digest}")
                inserted += len(fresh)
            yield Pipeline((self.renew(),))
        yield Pipeline((Call(_SEAL, (self.moving, self.gone, self.replaced), (*held, TOKEN)),))
        return inserted

    def present(self, names: Sequence[str]) -> Flow[set[str]]:
        """Those of `names` that have a row in ClickHouse."""
        key = quote_name(self.spec.key)
        statement = join(
            f"SELECT DISTINCT {key} FROM {self.warehouse.table(self.source).text}"
            f" WHERE {quote_name(self.source.tenant)} = %s AND {key} IN %s",
            bind(self.kb_id, "String"),
            bind(list(names), "Array(String)"),
        )
        rows = yield Select(statement.text, statement.parameters)
        return {row[0] for row in rows}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that an insert gives, the others take their defaults."""
        fixed = (self.source.tenant, self.spec.key, *[column.name for column in self.spec.columns.values()])
        return (*fixed, *_DERIVED) if "pattern_data" in self.spec.columns else fixed

    def row(self, name: str, values: dict[str, Any]) -> tuple[Any, ...]:
        """The values of `columns` for one row."""
        fixed = (self.kb_id, name, *[values[each] for each in self.spec.columns])
        if "pattern_data" not in self.spec.columns:
            return fixed
        tokens = [token for event in values["pattern_data"] for token in event]
        distinct = sorted(set(tokens))
        first, last = (tokens[0], tokens[-1]) if tokens else ("", "")
        return (*fixed, distinct, len(distinct), first, last)


#: Columns of patterns_data that KATO's searches use, computed from the pattern.
_DERIVED: Final = ("token_set", "token_count", "first_token", "last_token")
