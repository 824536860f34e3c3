"""Pipeline stages: transformers of batches of documents.

A stage is parsed once into an immutable `Stage`; `start` gives the running state of one execution. Most stages are
pure: `push` takes a batch and returns a batch, and `finish` gives what is left at the end. Stages that read or
write other collections are flows: their `push` and `finish` yield requests (see `Collections`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

from kato_compat.ir.expression import ExpressionContext, Frame, new_frame
from kato_compat.ir.requests import Flow
from kato_compat.ir.spec import Spec

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
        """As `Running.finish`, as a flow that returns the last batch."""

    def close(self) -> None:  # noqa: B027 - most stages hold nothing
        """As `Running.close`."""


class Collections(Protocol):
    """What a stage may ask of other collections of the deployment; every method is a flow."""

    def read(self, database: str, collection: str, pipeline: "Pipeline", frame: Frame | None = None) -> Flow[Documents]:
        """All documents of a collection after `pipeline` run on `frame` (empty for one that does not exist)."""

    def replace_all(self, database: str, collection: str, documents: Documents) -> Flow[None]:
        """Put `documents` in place of all that the collection holds, atomically for readers (`$out`)."""

    def merge(self, database: str, collection: str, documents: Documents, options: Any) -> Flow[None]:
        """Write `documents` into the collection as `$merge` says; `options` are the stage's parsed options."""

    def statistics(self, database: str, collection: str) -> Flow[dict[str, Any]]:
        """``count``, ``size`` (bytes) and ``indexes`` (as `index_information`) of a collection."""


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
    #: Must be first in its pipeline / last in it / may not stand inside `$facet`, `$lookup`, `$unionWith`.
    first_only: ClassVar[bool] = False
    last_only: ClassVar[bool] = False
    facet_allowed: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def parse(cls, operand: Any, context: "StageContext") -> "Stage | Sequence[Stage]":
        """The typed stage(s) of ``{$name: operand}``; raises the server's coded error for a wrong operand."""

    @abstractmethod
    def start(self, environment: Environment) -> Running | FlowRunning:
        """A fresh execution."""


class StageContext(ExpressionContext, Protocol):
    """What parsing a stage offers to stage operators."""

    def expression(self, raw: Any) -> Any:
        """Parse an aggregation expression (same as `parse`)."""

    def pipeline(self, raw: Any, *, where: str, variables: Sequence[str] = ()) -> "Pipeline":
        """Parse a nested pipeline (`where` names the stage: ``$facet``, ``$lookup``, ``$unionWith``).

        `variables` are names that the pipeline may use as ``$$name``; their slots are in `Pipeline.slots`.
        """

    @property
    def database(self) -> str:
        """The database of the command."""

    @property
    def collection(self) -> str:
        """The collection of the command."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A parsed pipeline. `slots` are the frame slots of the variables it was given (``let`` of `$lookup`)."""

    stages: tuple[Stage, ...]
    slots: tuple[int, ...] = ()
