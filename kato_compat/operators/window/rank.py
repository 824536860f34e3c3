"""`$rank`, `$denseRank` and `$documentNumber`: the place of a document in its partition."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Frame
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import StageContext
from kato_compat.ir.window import Ordering, Partition, Windowed, WindowFunction


def _rank(name: str, summary: str, ties: bool, dense: bool, ranks: tuple[int, int, int]) -> type[WindowFunction]:
    """The rank function that gives equal documents (by ``sortBy``) one rank if `ties`, without gaps if `dense`."""
    documents = ({"_id": 1}, {"_id": 2}, {"_id": 3})

    @dataclass(frozen=True, slots=True)
    class Rank(WindowFunction):
        __doc__ = f"`{name}` (MongoDB manual: {name})."

        spec: ClassVar[Spec] = Spec(
            name,
            Kind.WINDOW,
            "5.0",
            summary,
            examples=(
                Example(
                    documents,
                    {"r": {name: {}}},
                    [{**document, "r": rank} for document, rank in zip(documents, ranks, strict=True)],
                ),
            ),
        )
        ordering: Ordering

        @classmethod
        def parse(cls, raw: dict[str, Any], ordering: Ordering | None, context: StageContext) -> WindowFunction:
            """See `WindowFunction.parse`. Raises 5371601 (other arguments), 5371603 (operand), 5371602 (sortBy)."""
            if len(raw) != 1:
                raise fail(5371601, "Rank style window functions take no other arguments")
            if raw[name] != {} or type(raw[name]) is not dict:
                raise fail(5371603, f"{name} must be specified with '{{}}' as the value")
            if ordering is None or len(ordering.fields) != 1:
                raise fail(
                    5371602,
                    f"{name} must be specified with a top level sortBy expression with exactly one element",
                )
            return cls(ordering)

        def compile(self, frame: Frame) -> Windowed:
            """See `WindowFunction.compile`."""
            if not ties:
                return lambda partition: list(range(1, len(partition) + 1))
            key = self.ordering.sort.compile().key

            def ranked(partition: Partition) -> Iterator[int]:
                rank, last = 0, None
                for number, document in enumerate(partition, 1):
                    own = key(document)
                    if rank == 0 or own != last:
                        rank = rank + 1 if dense else number
                        last = own
                    yield rank

            return lambda partition: list(ranked(partition))

    return register(Rank)


Rank = _rank("$rank", "The rank by sortBy; equal documents share one, and gaps follow.", True, False, (1, 2, 3))
DenseRank = _rank("$denseRank", "The rank by sortBy; equal documents share one, without gaps.", True, True, (1, 2, 3))
DocumentNumber = _rank("$documentNumber", "The number of the document in its partition.", False, False, (1, 2, 3))
