"""Commands: what a caller asked, parsed and immutable, between the pymongo face and the executor."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kato_compat.ir.predicate import ALWAYS, Predicate
from kato_compat.ir.projection import Projection
from kato_compat.ir.stage import Pipeline
from kato_compat.parse.sort import Sort
from kato_compat.parse.update import Update
from kato_compat.values.collation import Collation
from kato_compat.values.document import Document


@dataclass(frozen=True, slots=True)
class Find:
    """``find`` (MongoDB manual: find command). `limit` 0 is no limit."""

    predicate: Predicate = ALWAYS
    projection: Projection | None = None
    sort: Sort | None = None
    skip: int = 0
    limit: int = 0
    pushdown: bool = True


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``aggregate`` (MongoDB manual: aggregate command)."""

    pipeline: Pipeline
    allow_disk_use: bool = True
    pushdown: bool = True


@dataclass(frozen=True, slots=True)
class Count:
    """``count``: how many documents match, after `skip` and up to `limit` (0: no limit)."""

    predicate: Predicate = ALWAYS
    skip: int = 0
    limit: int = 0
    pushdown: bool = True


@dataclass(frozen=True, slots=True)
class Distinct:
    """``distinct`` (MongoDB manual: distinct command)."""

    path: str
    predicate: Predicate = ALWAYS
    collation: Collation | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """One update or replacement of an ``update`` command.

    `seed` gives the document that an upsert starts from; None where the command does not upsert.
    """

    predicate: Predicate
    update: Update
    multi: bool = False
    sort: Sort | None = None
    seed: Callable[[], Document] | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """One deletion of a ``delete`` command."""

    predicate: Predicate
    multi: bool = False
    sort: Sort | None = None


@dataclass(frozen=True, slots=True)
class Modify:
    """``findAndModify``: `write` or `delete` one document and return it (`new`: as it is afterwards)."""

    write: Write | None = None
    delete: Delete | None = None
    projection: Projection | None = None
    new: bool = False


@dataclass(slots=True)
class Written:
    """What an update did: as the ``update`` command's reply says it."""

    matched: int = 0
    modified: int = 0
    upserted: Any = field(default=None)
    inserted: bool = False
    before: Document | None = None
    after: Document | None = None
