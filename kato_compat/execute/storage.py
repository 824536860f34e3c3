"""Storages: what a collection's documents live in, behind one protocol of flows.

The executor (`execute.reading`, `execute.writing`) is written once over this protocol. A storage plans an access
(what it answers itself, what is left for Python), streams candidates, and applies changes of single documents
atomically: a change names the version it was computed from, and a version that is no longer there is a conflict,
never an overwrite.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from bson.objectid import ObjectId
from pymongo.errors import OperationFailure

from kato_compat.ir.predicate import ALWAYS, Predicate
from kato_compat.ir.requests import Flow
from kato_compat.mapping.index import Index
from kato_compat.mapping.spec import CollectionSpec
from kato_compat.parse.command import Written
from kato_compat.parse.express import Express
from kato_compat.parse.sort import Sort
from kato_compat.plan.increment import Increment, Recogniser
from kato_compat.plan.values import DistinctValues
from kato_compat.values.document import Document


@dataclass(slots=True, eq=False)
class Stored:
    """A document as it stands in a storage. `key` and `version` mean something to that storage only.

    The document may be shared with the storage: readers copy before they change or hand it out.
    """

    key: bytes
    version: Any
    document: Document


@dataclass(frozen=True, slots=True)
class Access:
    """What a command asks of a storage.

    `fields` are the root fields that anything above reads (None: all of them); `sort` and `limit` say that only
    the first `limit` documents in that order are wanted (a storage may make use of it, see `Plan`).
    `writes` asks for versions that a change can be checked against, hence for whole documents. `values`: any
    documents will do that hold the same distinct values there.
    """

    predicate: Predicate = ALWAYS
    fields: frozenset[str] | None = None
    sort: Sort | None = None
    limit: int = 0
    writes: bool = False
    pushdown: bool = True
    values: DistinctValues | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one term of a query is answered (``SQL``, ``MGET``, ``KEY``, ``PYTHON``), why, and by which SQL."""

    term: str
    where: str
    reason: str
    sql: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a storage will answer an access.

    `residual` is what the executor must still check. `ordered`/`limited`: the reader gives the documents in the
    order asked for, and no more than asked for (only when nothing is residual). `details` are for explain().
    """

    access: Access
    residual: Predicate
    path: str = "COLLSCAN"
    placements: tuple[Placement, ...] = ()
    ordered: bool = False
    limited: bool = False
    details: Document = field(default_factory=dict)
    private: Any = None


_DOCUMENT: Final[Callable[[Stored], Document]] = attrgetter("document")


class Reader(Protocol):
    """A stream of candidates."""

    def fetch(self) -> Flow[list[Stored] | None]:
        """The next batch (it may be empty), None at the end."""

    def documents(self) -> Flow[list[Document] | None]:
        """As `fetch`, the documents alone; for a plan that writes nothing."""
        batch = yield from self.fetch()
        return None if batch is None else list(map(_DOCUMENT, batch))

    def close(self) -> Flow[None]:
        """Give back what the stream holds; safe to repeat."""


class Outcome(Enum):
    """What became of a change. Errors are given as the `OperationFailure` to raise."""

    DONE = "done"
    CONFLICT = "conflict"  # the document is not what it was: read it again


class Change(NamedTuple):
    """One document's change: `before` None inserts `after`, `after` None deletes `before`.

    `generated`: the `_id` of an inserted document is one that `Storage.identify` gave, not the caller's; a storage
    that cannot use it puts another one in its place, in `after`. `foreseen` is what `Storage.foresee` gave, where
    that was asked; `data` is the BSON of `after`, where it was made already.
    """

    before: Stored | None
    after: Document | None
    generated: bool = False
    foreseen: Stored | None = None
    data: bytes | None = None
    #: The document is inserted because a filter found none: a storage whose documents live under a key makes it a
    #: conflict if another writer has taken that key since, where it would otherwise keep a second document.
    claims: bool = False


class Storage(ABC):
    """The storage of one collection. Making one does no I/O."""

    namespace: str
    #: The mapping of the collection, None for schema-less documents.
    spec: CollectionSpec | None = None
    #: Whether reads share documents, or parts of them, with the storage or with one another.
    shares: bool = False

    #: Whether `foresee` tells. The key of a document is then the identity of its `_id`.
    foresees: bool = False
    #: What tells which updates `increase` can make; None where it makes none.
    recogniser: Recogniser | None = None

    def ready(self, access: Access) -> Flow[None]:
        """Learn what planning `access` needs to know, where that is not known yet: the index definitions."""
        return
        yield  # a flow without requests

    @abstractmethod
    def plan(self, access: Access) -> Plan:
        """How `access` will be answered; no I/O."""

    @abstractmethod
    def open(self, plan: Plan) -> Reader:
        """The stream of candidates of a plan of this storage; no I/O before its first fetch."""

    @abstractmethod
    def again(self, stored: Stored) -> Flow[Stored | None]:
        """The document as it stands now, None if it is gone."""

    @abstractmethod
    def write(self, changes: Sequence[Change], ordered: bool = True) -> Flow[list[Outcome | OperationFailure]]:
        """Apply changes, each atomically, in order; the outcome of each.

        With `ordered` the list ends with the first outcome that is not `DONE`.
        """

    def foresee(self, before: Stored | None, after: Document) -> Stored | None:
        """The document as it will stand once this change of it is made; None if this storage cannot tell.

        With it several changes of one document go in one `write`, each made from what the one before left.
        """
        return None

    def increase(self, increments: Sequence[Increment]) -> Flow[list[Written] | None]:
        """Make increments in order, each atomically, without reading the documents: what the first of them did.

        The one after those is for the caller to make in the general way, by `Increment.write`. None: all of them are.
        """
        return None
        yield  # a flow without requests

    def prefetch(self, wanted: Sequence[Predicate | Express]) -> Flow[list[list[Stored] | None]]:
        """The candidates of many filters, in as few round trips as there can be; None for one that needs a scan.

        Only a storage that `foresees` is asked about express updates.
        """
        return [None] * len(wanted)
        yield  # a flow without requests

    def take(self, source: "Storage", replace: bool) -> Flow[bool | None]:
        """Take over the documents and indexes of `source`, which is no more afterwards, in one step.

        What stood here is replaced if `replace`; else it must not exist, and False says that it does. None if the
        two storages cannot do it in one step (nothing is made).
        """
        return None
        yield  # a flow without requests

    def sweep(self) -> Flow[int]:
        """Remove the documents that have expired; how many. Reads do not see them in any case."""
        return 0
        yield  # a flow without requests

    def identify(self, document: Document) -> Any:
        """The `_id` for a document that the caller gave none."""
        return ObjectId()

    @abstractmethod
    def count(self) -> Flow[int]:
        """The number of documents."""

    @abstractmethod
    def exists(self) -> Flow[bool]:
        """Whether the collection exists: it holds a document, or was created or indexed."""

    @abstractmethod
    def create(self) -> Flow[bool]:
        """Make the collection exist; False if it did."""

    @abstractmethod
    def drop(self) -> Flow[bool]:
        """Remove the collection, its documents and indexes; False if there was none."""

    @abstractmethod
    def clear(self) -> Flow[int]:
        """Remove all documents, keeping indexes; how many there were."""

    @abstractmethod
    def indexes(self) -> Flow[list[Index]]:
        """The indexes, `_id_` first; empty for a collection that does not exist."""

    @abstractmethod
    def create_index(self, index: Index) -> Flow[bool]:
        """Build an index (the collection is created if need be); False if the same exists.

        Raises 85/86 for one that conflicts with an existing one, 11000 where documents violate a unique one.
        """

    @abstractmethod
    def change_index(self, index: Index) -> Flow[None]:
        """Put `index` in the place of the one of its name, which has the same entries. Raises 27 for an unknown one."""

    @abstractmethod
    def drop_index(self, name: str) -> Flow[None]:
        """Remove an index by name. Raises 27 for an unknown one, 72 for `_id_`."""

    @abstractmethod
    def size(self) -> Flow[int]:
        """Bytes that the documents take (as stored)."""
