"""`$slice` in a find projection: some elements of an array."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.projection import Document, Rewrite, Rewriter
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.numbers import long_of
from kato_compat.values.paths import Path
from kato_compat.values.types import INT32_MAX, INT32_MIN, alias_of, is_number


@register
@dataclass(frozen=True, slots=True)
class Slice(Rewrite):
    """`$slice` (MongoDB manual: $slice (projection)): the first, last or middle elements of an array.

    `skip` counts from the end when negative; without it a negative `limit` takes the last elements.
    """

    spec: ClassVar[Spec] = Spec(
        "$slice",
        Kind.PROJECTION,
        "1.5",
        "Limits the number of elements of an array that a query returns.",
        examples=(
            Example(({"_id": 1, "a": [1, 2, 3]},), {"a": {"$slice": 2}}, [{"_id": 1, "a": [1, 2]}]),
            Example(({"_id": 1, "a": [1, 2, 3]},), {"a": {"$slice": -1}}, [{"_id": 1, "a": [3]}]),
            Example(({"_id": 1, "a": [1, 2, 3]},), {"_id": 1, "a": {"$slice": [1, 5]}}, [{"_id": 1, "a": [2, 3]}]),
        ),
    )
    skip: int | None
    limit: int

    @classmethod
    def parse(cls, operand: Any) -> "Slice":
        """The typed form of ``{$slice: operand}``; raises 31257 to 31259, 31272 and 31273 for a wrong operand."""
        if is_number(operand):
            return cls(None, _int32(operand))
        if type(operand) is not list:
            raise fail(31273, "$slice only supports numbers and [skip, limit] arrays")
        if len(operand) != 2:
            raise fail(31272, "$slice array argument should be of form [skip, limit]")
        skip, limit = operand
        if not is_number(skip):
            raise fail(31257, f"$slice expects the skip argument to be a number, got {alias_of(skip)}")
        if not is_number(limit):
            raise fail(31258, f"$slice expects the limit argument to be a number, got {alias_of(limit)}")
        number = _int32(limit)
        if number <= 0:
            raise fail(31259, f"$slice limit must be positive, got {number}")
        return cls(_int32(skip), number)

    def compile(self, path: Path) -> Rewriter:
        """See `Rewrite.compile`. A path through an array of documents slices in each of them."""
        skip, limit = self.skip, self.limit
        if skip is None:
            part = slice(limit, None) if limit < 0 else slice(0, limit)
        elif skip < 0:
            # Beyond the front the server starts at the first element and still takes `limit` of them.
            part = slice(skip, None)
        else:
            part = slice(skip, skip + limit)
        cut = limit if skip is not None and skip < 0 else None
        last = len(path) - 1

        def rewrite(fields: Document, position: int) -> Document:
            name = path[position]
            value = fields.get(name)
            if type(value) is list:
                if position == last:
                    taken = value[part]
                    value = taken if cut is None else taken[:cut]
                else:
                    value = [rewrite(item, position + 1) if type(item) is dict else item for item in value]
            elif type(value) is dict and position < last:
                value = rewrite(value, position + 1)
            else:
                return fields
            result = fields.copy()
            result[name] = value
            return result

        return lambda before, after: rewrite(after, 0)


def _int32(value: Any) -> int:
    return max(INT32_MIN, min(INT32_MAX, long_of(value)))
