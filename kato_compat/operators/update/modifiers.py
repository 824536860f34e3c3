"""The names that stand inside the operands and paths of update operators: `$each $position $slice $sort` and `$[]`.

They are described here and do their work elsewhere: the first four are fields of the operands of `$push` (`$each` of
`$addToSet` too), the last is a component of paths.
"""

from typing import Any, ClassVar, Final

from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec

_DOCUMENT: Final = {"_id": 1, "a": [3, 1]}


def _modifier(name: str, since: str, summary: str, update: dict[str, Any], result: list[Any]) -> None:
    class Part:
        """A part of an update that is no operator of its own."""

        __slots__ = ()
        spec: ClassVar[Spec] = Spec(
            name, Kind.UPDATE, since, summary, examples=(Example((_DOCUMENT,), update, [{"_id": 1, "a": result}]),)
        )

    register(Part)


_modifier(
    "$each",
    "2.4",
    "The list of values that `$push` or `$addToSet` appends.",
    {"$addToSet": {"a": {"$each": [1, 2]}}},
    [3, 1, 2],
)
_modifier(
    "$position",
    "2.6",
    "Where `$push` puts its values: an index, negative from the end.",
    {"$push": {"a": {"$each": [7, 8], "$position": 1}}},
    [3, 7, 8, 1],
)
_modifier(
    "$slice",
    "2.4",
    "How many elements `$push` leaves: the first ones, or the last where negative.",
    {"$push": {"a": {"$each": [2], "$slice": -2}}},
    [1, 2],
)
_modifier(
    "$sort",
    "2.4",
    "How `$push` sorts the array: by its elements, or by fields of theirs.",
    {"$push": {"a": {"$each": [2], "$sort": 1}}},
    [1, 2, 3],
)
_modifier("$[]", "3.6", "In a path, all elements of an array.", {"$inc": {"a.$[]": 1}}, [4, 2])
