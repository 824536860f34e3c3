"""Window functions: what `$setWindowFields` computes for each document from others of its partition.

MongoDB manual: $setWindowFields. A function sees one partition at a time, in the order of ``sortBy``, and gives one
value for each of its documents.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from kato_compat.ir.expression import Frame
from kato_compat.ir.spec import Spec
from kato_compat.values.paths import Path

if TYPE_CHECKING:
    from kato_compat.ir.stage import StageContext

Partition: TypeAlias = list[dict[str, Any]]
#: The values of one function for all documents of a partition, in their order. MISSING leaves the field out.
Column: TypeAlias = list[Any]
Windowed: TypeAlias = Callable[[Partition], Column]


@dataclass(frozen=True, slots=True)
class Ordering:
    """The ``sortBy`` of the stage: its fields, and `sort` (see `parse.sort`), None if it names no field."""

    fields: tuple[tuple[Path, int], ...]
    sort: Any = None


class WindowFunction(ABC):
    """One window function with its arguments and window. Instances are immutable."""

    __slots__ = ()
    spec: ClassVar[Spec]

    @classmethod
    @abstractmethod
    def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: "StageContext") -> "WindowFunction":
        """The typed form of ``{$name: operand, window: {..}}``; raises the server's coded errors.

        `ordering` is None where the stage has no ``sortBy``.
        """

    @abstractmethod
    def compile(self, frame: Frame) -> Windowed:
        """The function from a partition to the values of its documents."""
