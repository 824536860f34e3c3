"""Pipeline stages: transformers of batches of documents.

A stage is parsed once into an immutable `Stage`; `start` gives the running state of one execution. Most stages are
pure: `push` takes a batch and returns a batch, and `finish` gives what is left at the end. Stages that read or
write other collections are flows: their `push` and `finish` yield requests (see `Collections`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator
from kato_compat.ir.expression import Expression, ExpressionContext, Frame, new_frame
from kato_compat.ir.registry import find
from kato_compat.ir.requests import Flow
from kato_compat.ir.spec import Kind, Spec

Documents: TypeAlias = list[dict[str, Any]]


class Running(ABC):
    """One execution of a pure stage. Documents handed in may be reused, never changed in place."""

    #: True when no further input can change the output (`$limit`): the pipeline stops reading.
    done: bool = False

    @abstractmethod
    def push(self, batch: Documents) -> Documents:
        """What the stage gives out on taking in `batch`."""

    def finish(self) -> Iterator[Documents]:
        """What is left when the input has ended, in batches."""
        return iter(())

    def close(self) -> None:  # noqa: B027 - most stages hold nothing
        """Give back what the execution holds (files of a spill); called once, also after an error."""


class FlowRunning(ABC):
    """One execution of a stage that reads or writes other collections."""

    done: bool = False

    @abstractmethod
    def push(self, batch: Documents) -> Flow[Documents]:
        """As `Running.push`, as a flow."""

    @abstractmethod
    def finish(self) -> Flow[Documents]:
        """What is left when the input has ended, a batch at a call: called until the batch is empty."""

    def release(self) -> Flow[None]:
        """Close the readers that are open; called once before `close`, unless the flow itself was dropped."""
        yield from ()

    def close(self) -> None:  # noqa: B027 - most stages hold nothing
        """As `Running.close`."""


class Reader(Protocol):
    """A source of documents, read in batches."""

    def fetch(self) -> Flow[Documents | None]:
        """The next batch (not empty), None at the end."""

    def close(self) -> Flow[None]:
        """Give back what the reader holds; may be called at any time, also twice."""


class Collections(Protocol):
    """What a stage may ask of other collections of the deployment; every method is a flow."""

    def open(self, database: str, collection: str, pipeline: "Pipeline", frame: Frame | None = None) -> Flow[Reader]:
        """A reader of what `read` would return, for a stage that need not have it all at once."""

    def read(self, database: str, collection: str, pipeline: "Pipeline", frame: Frame | None = None) -> Flow[Documents]:
        """All documents of a collection after `pipeline` run on `frame` (empty for one that does not exist)."""

    def replace_all(self, database: str, collection: str, documents: Documents) -> Flow[None]:
        """Put `documents` in place of all that the collection holds (`$out`); those without an `_id` get one."""

    def check_merge(self, database: str, collection: str, options: "MergeOptions") -> Flow[bool]:
        """Whether null and missing ``on`` values are allowed: the index that identifies documents holds them.

        Raises 51183 unless a unique index of the target, not a partial one, has exactly the ``on`` fields in any
        order and direction (``_id`` alone always is one); True if that index is not sparse.
        """

    def merge(self, database: str, collection: str, documents: Documents, options: "MergeOptions") -> Flow[None]:
        """Write `documents`, in order, into the collection as `$merge` says.

        Each document has its ``on`` fields and an ``_id``; for each one, find the target document that is equal in
        the ``on`` fields, and do as `options` say. Writes are those of update_one with upsert: errors are the
        update's (66 for a changed ``_id``, 11000 for another unique index).
        """

    def statistics(self, database: str, collection: str) -> Flow[dict[str, Any]]:
        """``count``, ``size`` (bytes) and ``indexes`` (as `index_information`) of a collection."""


Update: TypeAlias = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """How `$merge` writes one document.

    `on` are the paths that identify a target document. `when_matched`: ``replace``, ``keepExisting``, ``merge``
    (the new document's fields are set one by one), ``fail`` (raise 11000) or ``pipeline``; `when_not_matched`:
    ``insert``, ``discard`` or ``fail`` (raise 13113). With ``pipeline``, `update(target, document)` gives the new
    target document; what is inserted is the document, as an upsert makes it.
    """

    on: tuple[str, ...]
    when_matched: str
    when_not_matched: str
    update: "Update | None" = None


@dataclass(frozen=True, slots=True)
class Environment:
    """What a running stage knows of its command.

    All expressions of one execution are bound to `frame` (``expression.bind(environment.frame)``,
    ``compile_predicate(node, environment.frame)``): a nested pipeline runs on a copy of it, in which its variables
    are set. `memory_limit` is in bytes; a blocking stage beyond it spills to disk when `allow_disk_use`, else it
    raises 292.
    """

    database: str
    collection: str
    collections: Collections | None = None
    frame: Frame = field(default_factory=new_frame)
    allow_disk_use: bool = True
    memory_limit: int = 100 * 1024 * 1024


class Stage(ABC):
    """One parsed stage. Instances are immutable and may be started many times."""

    __slots__ = ()
    spec: ClassVar[Spec]
    #: Must be first in its pipeline / last in it / may stand inside `$facet` / inside `$lookup` and `$unionWith`.
    first_only: ClassVar[bool] = False
    last_only: ClassVar[bool] = False
    facet_allowed: ClassVar[bool] = True
    nested_allowed: ClassVar[bool] = True
    #: May stand in the pipeline of an update.
    update_allowed: ClassVar[bool] = False
    #: Makes its documents itself: what comes before it in the collection is not read (`$documents`, `$collStats`).
    source: ClassVar[bool] = False
    #: A source that reads no collection: the command must name none (`$documents`).
    collectionless: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def parse(cls, operand: Any, context: "StageContext") -> "Stage | Sequence[Stage]":
        """The typed stage(s) of ``{$name: operand}``; raises the server's coded error for a wrong operand."""

    @abstractmethod
    def start(self, environment: Environment) -> Running | FlowRunning:
        """A fresh execution."""

    def prepare(self, environment: Environment) -> "Starter":
        """A function that gives a fresh execution each time, compiled once where the stage can.

        For a pipeline that runs many times with other values in its frame (`$lookup` with ``let``).
        """
        return lambda: self.start(environment)


def stage_class(document: dict[str, Any]) -> type[Stage]:
    """The class of the stage that `document` asks for.

    Raises 40323 for a document without exactly one field, 40324 for an unknown stage.
    """
    if len(document) != 1:
        raise fail(40323, "A pipeline stage specification object must contain exactly one field.")
    name = next(iter(document))
    found: type[Stage] | None = find(Kind.STAGE, name)
    if found is None:
        raise fail(40324, f"Unrecognized pipeline stage name: '{name}'")
    return found


class StageContext(ExpressionContext, Protocol):
    """What parsing a stage offers to stage operators."""

    def expression(self, raw: Any) -> Expression:
        """Parse an aggregation expression (same as `parse`)."""

    def accumulator(self, raw: Any, *, where: str = "$group") -> Accumulator:
        """Parse ``{"$op": operand}`` (`parse.accumulator`)."""

    def sort(self, raw: Any) -> Any:
        """Parse a sort pattern (`parse.sort.parse_sort`)."""

    def projection(self, raw: Any) -> Any:
        """Parse the operand of `$project` (`parse.projection`); `add_fields` and `unset` those of their stages."""

    def add_fields(self, raw: Any) -> Any:
        """See `projection`."""

    def unset(self, raw: Any) -> Any:
        """See `projection`."""

    def constant(self, values: Mapping[str, Any]) -> "StageContext":
        """A scope in which the names of `values` are variables with those values."""

    def pipeline(
        self, raw: Any, *, where: str, variables: Sequence[str] = (), collection: str | None = None
    ) -> "Pipeline":
        """Parse a nested pipeline (`where` names the stage: ``$facet``, ``$lookup``, ``$unionWith``).

        `variables` are names that the pipeline may use as ``$$name``; their slots are in `Pipeline.slots`.
        `collection` is what it reads, when that is not the collection of this pipeline.
        """

    @property
    def slotted(self) -> bool:
        """Whether the stage is one that the server may run in its slot-based engine."""

    @property
    def database(self) -> str:
        """The database of the command."""

    @property
    def collection(self) -> str:
        """The collection of the command."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A parsed pipeline.

    `slots` are the frame slots of the variables it was given (``let`` of `$lookup`). The first `fixed` stages use
    no variable of an enclosing pipeline: what they give is the same each time the pipeline runs.
    """

    stages: tuple[Stage, ...]
    slots: tuple[int, ...] = ()
    fixed: int = 0


Starter: TypeAlias = Callable[[], Running | FlowRunning]
