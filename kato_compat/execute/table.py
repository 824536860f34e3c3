"""Mapped collections whose rows are in ClickHouse: columns there, counters and small values in Redis.

Reads by key look into the pending rows in the same round trip as the Redis fields and ask ClickHouse only for what is
not there. Scans move the pending rows first, push what they can of the filter, and fetch Redis fields by batched
MGET; where a filter and an order need Redis fields only, the columns are fetched late, for the documents that win.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from bson.objectid import ObjectId
from pymongo.errors import PyMongoError

from kato_compat.execute.documents import Definitions
from kato_compat.execute.keyed import MOST
from kato_compat.execute.mapped import MappedStorage, Version
from kato_compat.execute.pending import MOVING, PENDING, STORED, TABLE, Pending, Row, Warehouse
from kato_compat.execute.ranked import RankedReader
from kato_compat.execute.skipping import KINDS, Skipping, skipped
from kato_compat.execute.storage import Access, Placement, Plan, Reader, Stored
from kato_compat.execute.union import BATCH, MappedPlan, ScanPlan, TableReader
from kato_compat.ir.predicate import ALWAYS, Predicate
from kato_compat.ir.requests import Command, Execute, Flow, Pipeline, Select, between
from kato_compat.ir.transact import Check
from kato_compat.mapping.index import Index
from kato_compat.mapping.keys import CATALOGUE, kato
from kato_compat.mapping.spec import CollectionSpec
from kato_compat.plan.access import predicate_fields
from kato_compat.plan.push import split
from kato_compat.plan.show import show
from kato_compat.plan.values import DistinctValues
from kato_compat.sql.column import Column, ColumnType
from kato_compat.sql.fragment import Sql, bind, join, quote_name
from kato_compat.values.document import Document
from kato_compat.values.missing import MISSING

_FLUSH: Final[Document] = {"flush": "pending rows are moved to ClickHouse first"}
#: The SQL of a condition that no row meets.
NEVER: Final = "0"

#: Keys of a pattern that other programs compute; they go with it.
_METRICS: Final = ("entropy", "normalized_entropy", "global_normalized_entropy", "tf_vector")

#: Rows are read by name rather than in a scan with a condition where they are so few, or such a part of all.
_FEW: Final = 200
_PART: Final = 50
#: The most rows that are read by name.
_ROWS: Final = 100_000


class TableStorage(MappedStorage):
    """One collection of one knowledge base whose spec has a table source. Making one does no I/O."""

    looks = True

    def __init__(self, spec: CollectionSpec, warehouse: Warehouse, database: str, collection: str) -> None:
        super().__init__(spec, database, collection)
        self.warehouse = warehouse
        self.pending = Pending(spec, warehouse, database, collection)
        self._adopted = True
        self._duplicates: tuple[tuple[tuple[Any, ...], ...], int] = ((), 0)
        self._columns = {**spec.columns, spec.key: Column(spec.key, ColumnType.STRING)}

    # planning

    def plan(self, access: Access) -> Plan:
        """See `Storage.plan`."""
        keys, ids = self.pin(access)
        needed = access.fields
        fields = tuple(name for name in self.spec.fields if needed is None or name in needed)
        documents = self.documents.plan(access)
        if keys is not None or ids is not None:
            path = "EOF" if keys == () or ids == () else "IXSCAN"
            placements = [self._row_placement(keys, ids)]
            placements.extend(self._field_placements(fields, "read by key"))
            if access.predicate != ALWAYS:
                placements.append(Placement("filter", "PYTHON", "checked on the documents that were read"))
            inner = MappedPlan(keys, ids, fields, documents)
            return Plan(access, self.residual(access, keys), path, tuple(placements), private=inner)
        return self.ranked(self._scan_plan(access, fields, documents))

    def _scan_plan(self, access: Access, fields: tuple[str, ...], documents: Plan) -> Plan:
        placements: list[Placement] = []
        where: Sql | None = None
        residual: Predicate = access.predicate
        if access.pushdown:
            parts = split(access.predicate, self._columns)
            where, residual = parts.sql, parts.residual
            for term, pushed in parts.pushed:
                reason = "exact" if pushed.exact else "superset, checked again"
                if pushed.sql.text == NEVER:
                    reason = "nothing that this column holds can match: no row is read"
                placements.append(Placement(show(term), "SQL", reason, pushed.sql.text))
            if any(pushed.sql.text == NEVER for _, pushed in parts.pushed):
                inner = MappedPlan((), None, fields, documents)
                return Plan(access, access.predicate, "EOF", tuple(placements), private=inner)
            placements.extend(Placement(show(term), "PYTHON", reason) for term, reason in parts.kept)
        elif residual != ALWAYS:
            placements.append(Placement("filter", "PYTHON", "pushdown is off"))
        values = access.values if access.pushdown and residual == ALWAYS else None
        if values is not None:
            scan = ScanPlan(where, False, 0, values)
            reason = "the pipeline asks for distinct values only"
            placements.append(Placement(values.name, "SQL", reason, self._values(values).text))
            inner = MappedPlan(None, None, (values.name,), documents, scan)
            return Plan(access, residual, "COLLSCAN", tuple(placements), details=dict(_FLUSH), private=inner)
        late = self._late(access, residual, fields)
        # A limit without an order may stop the scan early only where SQL has answered the whole filter.
        limit = access.limit if access.sort is None and residual == ALWAYS and access.pushdown else 0
        if late:
            kept = f"the first {access.limit} keys are kept"
            placements.append(Placement("sort", "PYTHON", f"by Redis fields: {kept}"))
            early = (predicate_fields(residual) or frozenset()) | (access.sort.roots if access.sort else frozenset())
            for name in fields:
                reason = "for every row that SQL lets through" if name in early else f"late: after {kept}"
                placements.extend(self._field_placements((name,), reason))
        else:
            placements.extend(self._field_placements(fields, "for every row that SQL lets through"))
        inner = MappedPlan(None, None, fields, documents, ScanPlan(where, late, limit))
        return Plan(access, residual, "COLLSCAN", tuple(placements), details=dict(_FLUSH), private=inner)

    def _late(self, access: Access, residual: Predicate, fields: Sequence[str]) -> bool:
        """Whether the rows that win can be known from keys and Redis fields alone."""
        if access.sort is None or not access.limit or access.writes or not access.pushdown:
            return False
        wanted = predicate_fields(residual)
        known = {"_id", self.spec.key, *self.spec.redis}
        if wanted is None or not wanted <= known:
            return False
        if not access.sort.fields or not access.sort.roots <= known:
            return False
        return any(name in self.spec.columns for name in fields)

    def _field_placements(self, fields: Sequence[str], reason: str) -> list[Placement]:
        return [
            Placement(name, "SQL" if isinstance(where, Column) else where.command, reason)
            for name in fields
            for where in (self.spec.fields[name],)
        ]

    def _row_placement(self, keys: tuple[str, ...] | None, ids: tuple[ObjectId, ...] | None) -> Placement:
        if keys is not None:
            return Placement(self.spec.key, "KEY", f"pinned to {len(keys)} key(s); pending rows, then SQL")
        return Placement("_id", "SQL", f"pinned to {len(ids or ())} _id(s), each the beginning of a key")

    def open(self, plan: Plan) -> Reader:
        """See `Storage.open`."""
        return TableReader(self, plan) if plan.private.ranking is None else RankedReader(self, plan)

    def selective(self, plan: Plan) -> tuple[int, int, int]:
        """See `KeyedStorage.selective`. Each thousand of rows by their names reads all names of the table once.

        Where SQL leaves rows out as well, it is not known how few a scan would read.
        """
        scan: ScanPlan = plan.private.private
        if scan.where is not None:
            return _FEW, _PART, _ROWS
        columns = plan.access.writes or any(name in self.spec.columns for name in plan.private.fields)
        return BATCH, 2, _ROWS if columns else MOST

    def scan(self, names: Sequence[str], scan: ScanPlan) -> Sql:
        """The SELECT of a scan."""
        if scan.values is None:
            return self.statement(names, scan.where, scan.limit)
        listed = join("DISTINCT %s", self._values(scan.values))
        return self._over_all(listed, join(" AND %s", scan.where) if scan.where is not None else Sql(""))

    @staticmethod
    def _values(values: DistinctValues) -> Sql:
        return Sql("arrayJoin(" * values.depth + quote_name(values.name) + ")" * values.depth)

    def statement(self, names: Sequence[str], where: Sql | None, limit: int = 0) -> Sql:
        """The one shape of SELECT: the key and the columns of `names`, each key once."""
        listed = ", ".join(quote_name(name) for name in (self.spec.key, *names))
        tenant = bind(self.kb_id, "String")
        text = f"SELECT {listed} FROM {self.warehouse.table(self.pending.source).text}"
        text += f" WHERE {quote_name(self.pending.source.tenant)} = %s"
        parts = [tenant]
        if where is not None:
            text += " AND %s"
            parts.append(where)
        text += f" LIMIT 1 BY {quote_name(self.spec.key)}"
        if limit:
            text += " LIMIT %s"
            parts.append(bind(limit, "UInt64"))
        return join(text.replace("%", "%%").replace("%%s", "%s"), *parts)

    def note(self, index: Index) -> str:
        """See `KeyedStorage.note`."""
        if skipped(self.spec, index) is not None:
            return "a skip index of ClickHouse leaves out granules of rows"
        column = self.spec.columns.get(index.paths[0])
        if len(index.keys) == 1 and column is not None and column.type not in KINDS:
            return "documents beside only: no skip index helps with conditions on lists of lists"
        return super().note(index)

    # skip indexes

    def _enter_mapped(self, index: Index) -> Flow[None]:
        """See `MappedStorage._enter_mapped`."""
        yield from super()._enter_mapped(index)
        column = skipped(self.spec, index)
        if column is not None:
            skipping = Skipping(self, column)
            try:
                yield from skipping.want(index)
            except PyMongoError:
                yield from skipping.leave(index)
                raise

    def drop_index(self, name: str) -> Flow[None]:
        """See `Storage.drop_index`."""
        definitions = yield from self.documents.definitions(reload=True)
        yield from super().drop_index(name)
        yield from self._leave(index for index in definitions.kept if index.name == name)

    def drop(self) -> Flow[bool]:
        """See `Storage.drop`."""
        definitions = yield from self.documents.definitions(reload=True)
        existed = yield from super().drop()
        yield from self._leave(definitions.kept)
        return existed

    def _leave(self, indexes: Iterable[Index]) -> Flow[None]:
        for index in indexes:
            column = skipped(self.spec, index)
            if column is not None:
                yield from Skipping(self, column).leave(index)

    # reading by key

    def read(
        self, keys: Sequence[str], fields: Sequence[str], writes: bool, identified: bool = True
    ) -> Flow[list[Any]]:
        """See `MappedStorage.read`: Redis and the pending rows in one round trip, then ClickHouse for the others."""
        if not keys:
            return []
        columns = [name for name in self.spec.columns if writes or name in fields]
        redis = [name for name in self.spec.redis if writes or name in fields]
        counter = next(iter(self.spec.redis), None)
        asked = list(dict.fromkeys((*redis, counter))) if counter is not None else redis
        encoded = [key.encode() for key in keys]
        extra: tuple[Command, ...] = (
            ("HMGET", self.pending.pending, *encoded),
            ("HMGET", self.pending.moving, *encoded),
            ("ZMSCORE", self.pending.gone, *encoded),
            *((("ZMSCORE", self.pending.replaced, *encoded),) if writes else ()),
        )
        # What waits is read first: what it says of a row is no older than the row's counters.
        raws, (waiting, moving, gone, *replaced), _ = yield from between(extra, self.raws(keys, asked))
        rows: dict[str, tuple[Row, Sequence[Any]]] = {}
        unknown: list[str] = []
        for position, key in enumerate(keys):
            mark = None if gone[position] is None else b"%d" % int(float(gone[position]))
            value, place = waiting[position], PENDING
            if value is None:
                value, place = moving[position], MOVING
            if value is not None:
                row = Pending.decode(value)
                rows[key] = (Row(place, value, mark), [row[name] for name in columns])
            elif mark is not None:
                continue
            elif not columns and counter is not None and raws[counter][position] is not None:
                # The counter says that the document is there, and nothing of its row is asked for.
                rows[key] = (STORED, ())
            else:
                unknown.append(key)
        if unknown:
            for found_row in (yield from self.rows(unknown, columns)):
                rows[found_row[0]] = (STORED, found_row[1:])
        there = [key for key in keys if key in rows]
        if len(there) != len(keys):
            places = [place for place, key in enumerate(keys) if key in rows]
            raws = {name: [raw[place] for place in places] for name, raw in raws.items()}
        documents = self.stored(
            there, columns, [rows[key][1] for key in there], {name: raws[name] for name in redis}, identified, writes
        )
        if writes:
            times = dict(zip(keys, *replaced, strict=True))
            for key, stored in zip(there, documents, strict=True):
                time = None if times[key] is None else int(float(times[key]))
                stored.version = replace(stored.version, row=replace(rows[key][0], replaced=time))
        by_key = dict(zip(there, documents, strict=True))
        return [by_key.get(key) for key in keys]

    def rows(self, keys: Sequence[str], columns: Sequence[str]) -> Flow[list[tuple[Any, ...]]]:
        """(key, columns ..) of the rows of `keys` in ClickHouse."""
        yield from self.warehouse.prepare(self.pending.source)
        name = quote_name(self.spec.key)
        if len(keys) == 1:
            where = join(f"{name} = %s", bind(keys[0], "String"))
        else:
            where = join(f"{name} IN %s", bind(list(keys), "Array(String)"))
        statement = self.statement(columns, where)
        rows: list[tuple[Any, ...]] = yield Select(statement.text, statement.parameters)
        return rows

    def stored(
        self,
        keys: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        raws: Mapping[str, Sequence[Any]],
        identified: bool,
        writes: bool,
    ) -> list[Any]:
        """Documents (with `writes` as `Stored`) from their rows' `columns` and the raw values of Redis fields."""
        redis = self.spec.redis
        values: dict[str, Sequence[Any]] = {
            name: redis[name].values(raw, self._where(name, keys)) for name, raw in raws.items()
        }
        if rows and columns:
            values.update(zip(columns, zip(*rows, strict=True), strict=True))
        documents = self.spec.assemble(keys, values, identified or writes)
        if not writes:
            return documents
        return [
            Stored(key.encode(), Version(key, {name: raw[place] for name, raw in raws.items()}, STORED), document)
            for place, (key, document) in enumerate(zip(keys, documents, strict=True))
        ]

    def by_ids(self, ids: Sequence[ObjectId]) -> Flow[tuple[str, ...]]:
        """See `MappedStorage.by_ids`: an `_id` is the beginning of a SHA-1 name, or of the SHA-1 of another name."""
        yield from self.prepared()
        name = quote_name(self.spec.key)
        prefixes = [each.binary.hex() for each in ids]
        found: list[str] = []
        for expression in (f"substring({name}, 1, 24)", f"lower(hex(substring(SHA1({name}), 1, 12)))"):
            wanted = set(ids) - {self.spec.identify(key) for key in found}
            if not wanted:
                break
            where = join(f"{expression} IN %s", bind(prefixes, "Array(String)"))
            statement = self.statement((), where)
            rows = yield Select(statement.text, statement.parameters)
            found.extend(row[0] for row in rows if self.spec.identify(row[0]) in wanted)
        return tuple(dict.fromkeys(found))

    def prepared(self) -> Flow[None]:
        """Make the table if need be and move the pending rows: what every scan begins with."""
        yield from self.warehouse.prepare(self.pending.source)
        yield from self.pending.flush()

    def counted(self) -> Flow[tuple[bytes | None, int, int, bytes | None]]:
        """See `MappedStorage.counted`."""
        _, (before,), _ = yield from between((self.moved(),), self.prepared())
        found = yield from self._distinct_names()
        there, after = yield Pipeline((("EXISTS", self.documents.docs), self.moved()))
        return before, found, there, after

    def _distinct_names(self) -> Flow[int]:
        """How many names have a row: each counts once.

        Finding duplicate rows reads every name. How many there are is remembered with the parts that they were
        found in (any change of the data changes the parts or their rows), so that the next count reads no names.
        """
        parts: tuple[tuple[Any, ...], ...] = ()
        if (yield from self.warehouse.has_parts(self.pending.source)):
            statement = self._over_all(Sql("_part, count()"), Sql(" GROUP BY _part ORDER BY _part"))
            parts = tuple((yield Select(statement.text, statement.parameters)))
            if parts == self._duplicates[0]:
                return int(sum(rows for _, rows in parts)) - self._duplicates[1]
        statement = self._over_all(Sql(f"uniqExact({quote_name(self.spec.key)})"), Sql(""))
        ((count,),) = yield Select(statement.text, statement.parameters)
        self._duplicates = (parts, sum(rows for _, rows in parts) - count)
        return int(count)

    def _over_all(self, listed: Sql, clauses: Sql) -> Sql:
        """A SELECT over the rows of the knowledge base."""
        source = self.pending.source
        table, tenant = self.warehouse.table(source), Sql(quote_name(source.tenant))
        return join("SELECT %s FROM %s WHERE %s = %s%s", listed, table, tenant, bind(self.kb_id, "String"), clauses)

    def adopt(self) -> Flow[None]:
        """See `MappedStorage.adopt`: ClickHouse knows the keys, no index is needed."""
        return
        yield  # a flow without requests

    # writing

    def unchanged(self, version: Version) -> list[Check]:
        """See `MappedStorage.unchanged`: the Redis fields, and where the row is."""
        checks = super().unchanged(version)
        key = version.key.encode()
        row: Row = version.row
        waiting = row.value if row.place == PENDING else None
        checks.append(Check(("HGET", self.pending.pending, key), (waiting,)))
        if row.place == MOVING:
            checks.append(Check(("HGET", self.pending.moving, key), (row.value,)))
        if row.place == TABLE:
            checks.append(Check(("ZSCORE", self.pending.gone, key), (None,)))
            # Another row may have come to ClickHouse since, by way of the pending ones.
            checks.append(Check(("ZSCORE", self.pending.replaced, key), (row.replaced,)))
        return checks

    def changes(self, version: Version, before: Document, after: Document, definitions: Definitions) -> list[Command]:
        """See `MappedStorage.changes`: changed columns replace the row."""
        commands = super().changes(version, before, after, definitions)
        if any(after[name] != before.get(name, MISSING) for name in self.spec.columns):
            commands.extend(self._remove_row(version.key))
            commands.append(("HSET", self.pending.pending, version.key.encode(), self.pending.encode(after)))
            # What waits is found by the catalogue, also where others made the collection.
            commands.append(("SADD", CATALOGUE, self.documents.entry))
        return commands

    def removal(self, key: str, definitions: Definitions) -> list[Command]:
        """See `MappedStorage.removal`: Redis fields and metrics go, the row is marked gone."""
        commands = [command for field in self.spec.redis.values() for command in field.writes(self.kb_id, key, MISSING)]
        commands.append(("DEL", *[kato(self.kb_id, metric, key) for metric in _METRICS]))
        commands.extend(self._remove_row(key))
        return commands + self.unscored(key, definitions)

    def _remove_row(self, key: str) -> list[Command]:
        name = key.encode()
        return [
            ("HDEL", self.pending.pending, name),
            ("HDEL", self.pending.moving, name),
            ("ZADD", self.pending.gone, 0, name),
        ]

    def vacancies(self, keys: Sequence[str], look: bool = False) -> Flow[Mapping[str, list[Check]]]:
        """See `MappedStorage.vacancies`. What is left in Redis of a row that is no more is overwritten."""
        present = yield from self.read(keys, (next(iter(self.spec.columns)),), writes=False)
        free = [key for key, stored in zip(keys, present, strict=True) if stored is None]
        names = list(self.spec.redis)
        raws = yield from self.raws(free, names)
        found: dict[str, list[Check]] = {}
        for position, key in enumerate(free):
            name = key.encode()
            checks = super().unchanged(Version(key, {each: raws[each][position] for each in names}))
            checks.append(Check(("HEXISTS", self.pending.pending, name), (0,)))
            checks.append(Check(("HEXISTS", self.pending.moving, name), (0,)))
            found[key] = checks
        return found

    def insertion(self, key: str, document: Document, definitions: Definitions) -> list[Command]:
        """See `MappedStorage.insertion`."""
        return [
            *self.put(key, document, definitions),
            ("HSET", self.pending.pending, key.encode(), self.pending.encode(document)),
            ("SADD", CATALOGUE, self.documents.entry),
        ]

    def remove_all(self) -> Flow[int]:
        """See `MappedStorage.remove_all`: the partition, and the Redis keys of its names.

        No flusher may run meanwhile: a row that it inserted after the names were read would go with the partition.
        """
        pending = self.pending
        token = yield from pending.acquire()
        if token is None:
            raise RuntimeError("the flusher's lock was not waited for")
        try:
            yield from pending.move()
            statement = self.statement((), None)
            rows = yield Select(statement.text, statement.parameters)
            names = [row[0] for row in rows]
            removed = 0
            for start in range(0, len(names), BATCH):
                removed += yield from self._remove(names[start : start + BATCH])
            if names:
                drop = join(
                    f"ALTER TABLE {self.warehouse.table(pending.source).text} DROP PARTITION %s",
                    bind(self.kb_id, "String"),
                )
                yield Execute(drop.text, drop.parameters)
            for start in range(0, len(names), BATCH):
                marks = [name.encode() for name in names[start : start + BATCH]]
                yield Pipeline((("ZREM", pending.gone, *marks), pending.renew()))
        finally:
            yield from pending.release(token)
        return removed

    def _remove(self, names: Sequence[str]) -> Flow[int]:
        """Remove those of `names` that have a row still, each counted by the one writer that removes it; how many."""
        pending = self.pending
        encoded = [name.encode() for name in names]
        while True:
            asked: tuple[Command, ...] = (("ZMSCORE", pending.gone, *encoded), ("HMGET", pending.pending, *encoded))
            marks, rows, _ = yield Pipeline((*asked, pending.renew()))
            checks: list[Check] = []
            there: list[str] = []
            for name, key, mark, row in zip(names, encoded, marks, rows, strict=True):
                if row is None and mark is not None:
                    continue
                if row is None:
                    checks.append(Check(("ZSCORE", pending.gone, key), (None,)))
                checks.append(Check(("HEXISTS", pending.pending, key), (int(row is not None),)))
                there.append(name)
            if (yield from self.remove_keys(there, checks)):
                return len(there)
