"""The positional `$` in a find projection: the array element by which the document matched."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import roots
from kato_compat.ir.matching import in_server_order
from kato_compat.ir.predicate import AtPath, Computed, Predicate, leaves, matched_index
from kato_compat.ir.projection import Document, Rewrite, Rewriter
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.paths import Path


@register
@dataclass(frozen=True, slots=True)
class Positional(Rewrite):
    """`$` (MongoDB manual: $ (projection)): of the first array on the path, the element that the filter matched."""

    spec: ClassVar[Spec] = Spec(
        "$",
        Kind.PROJECTION,
        "2.2",
        "Keeps the first element of an array that matches the filter: ``find({a: {$gt: 1}}, {'a.$': 1})``.",
        # What is no array is kept whole, whatever the filter.
        examples=(Example(({"_id": 1, "a": 2, "b": 3},), {"a.$": 1}, [{"_id": 1, "a": 2}]),),
    )
    predicate: Predicate

    def compile(self, path: Path) -> Rewriter:
        """See `Rewrite.compile`. Raises 51246 where an array is on the path and the filter matched none."""
        matched = matched_index(in_server_order(self.predicate))

        def rewrite(before: Document, after: Document) -> Document:
            fields: Any = after
            for position, name in enumerate(path):
                value = fields.get(name)
                if type(value) is list:
                    index = matched(before)
                    if index is None:
                        raise fail(51246, "positional operator '.$' couldn't find a matching element in the array")
                    if index >= len(value):
                        raise fail(51247, "positional operator '.$' element mismatch")
                    return _replaced(after, path[: position + 1], [value[index]])
                if type(value) is dict:
                    fields = value
            return after

        return rewrite

    @property
    def fields(self) -> frozenset[str] | None:
        """See `Rewrite.fields`: what the filter reads."""
        names: set[str] = set()
        for leaf in leaves(self.predicate):
            if isinstance(leaf, AtPath):
                if not leaf.path:
                    return None
                names.add(leaf.path[0])
            elif isinstance(leaf, Computed):
                read = roots(leaf.expression)
                if read is None:
                    return None
                names |= read
        return frozenset(names)


def _replaced(fields: Document, path: Path, value: Any) -> Document:
    result = fields.copy()
    if len(path) == 1:
        result[path[0]] = value
    else:
        below = fields.get(path[0])
        result[path[0]] = _replaced(below if type(below) is dict else {}, path[1:], value)
    return result
