"""Array update operators: `$push $addToSet $pop $pull $pullAll` (MongoDB manual: Array Update Operators)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bson.regex import Regex

from kato_compat.errors import fail
from kato_compat.ir.predicate import compile_predicate
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.update import Modifier, Run, UpdateScope
from kato_compat.operators.update.sorting import parse_sort
from kato_compat.values.element import element, text
from kato_compat.values.numbers import integral64
from kato_compat.values.order import SortKey
from kato_compat.values.paths import Path, fields_of
from kato_compat.values.types import alias_of, is_number
from kato_compat.values.validity import depth_of

_DOCUMENT: Final = {"_id": 1, "a": [3, 1, 2]}


@register
@dataclass(frozen=True, slots=True)
class Push(Modifier):
    """`$push`: append to an array (MongoDB manual: $push), with `$each`, `$position`, `$sort` and `$slice`.

    `position` None is the end, `slice` None is no limit.
    """

    spec: ClassVar[Spec] = Spec(
        "$push",
        Kind.UPDATE,
        "1.0",
        "Appends a value to an array; with $each several, with $position elsewhere, then sorted and cut.",
        examples=(
            Example((_DOCUMENT,), {"$push": {"a": 5, "b": [1]}}, [{"_id": 1, "a": [3, 1, 2, 5], "b": [[1]]}]),
            Example(
                (_DOCUMENT,),
                {"$push": {"a": {"$each": [9, 0], "$sort": -1, "$slice": 4}}},
                [{"_id": 1, "a": [9, 3, 2, 1]}],
            ),
            Example((_DOCUMENT,), {"$push": {"a": {"$each": [7], "$position": -1}}}, [{"_id": 1, "a": [3, 1, 7, 2]}]),
        ),
    )
    values: list[Any]
    position: int | None = None
    sort: Callable[[list[Any]], list[Any]] | None = None
    slice: int | None = None

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`. Raises 2 for a wrong or unknown modifier beside `$each`."""
        if type(operand) is not dict or "$each" not in operand:
            return cls([operand])
        for name in operand:
            if name not in ("$each", "$slice", "$sort", "$position"):
                raise fail(2, f"Unrecognized clause in $push: {name}")
        values = operand["$each"]
        if type(values) is not list:
            raise fail(2, f"The argument to $each in $push must be an array but it was of type: {alias_of(values)}")
        cut = place = sort = None
        if "$slice" in operand:
            cut = integral64(operand["$slice"])
            if cut is None:
                kind = alias_of(operand["$slice"])
                raise fail(2, f"The value for $slice must be an integer value but was given type: {kind}")
        if "$sort" in operand:
            sort = parse_sort(operand["$sort"], scope.key)
        if "$position" in operand:
            place = integral64(operand["$position"])
            if place is None:
                kind = alias_of(operand["$position"])
                raise fail(2, f"The value for $position must be an integer value, not of type: {kind}")
        return cls(values, place, sort, cut)

    @property
    def levels(self) -> int:
        """See `Modifier.levels`."""
        return depth_of(self.values)

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`. Raises 2 for what is no array."""
        if type(value) is not list:
            raise fail(
                2,
                f"The field '{'.'.join(path)}' must be an array but is of type {alias_of(value)} in document "
                f"{{{run.identity}}}",
            )
        return self._pushed(value)

    def create(self, path: Path, run: Run) -> Any:
        """See `Modifier.create`."""
        return self._pushed([])

    def _pushed(self, array: list[Any]) -> list[Any]:
        if self.position is None:
            result = [*array, *self.values]
        else:
            # Python slices clamp both ends as the server does, and count negative places from the end.
            result = [*array[: self.position], *self.values, *array[self.position :]]
        if self.sort is not None:
            result = self.sort(result)
        if self.slice is not None and len(result) > abs(self.slice):
            result = result[: self.slice] if self.slice >= 0 else result[self.slice :]
        return result


@register
@dataclass(frozen=True, slots=True)
class AddToSet(Modifier):
    """`$addToSet`: append to an array what it does not hold yet (MongoDB manual: $addToSet).

    `keyed` are the values with their keys, each once.
    """

    spec: ClassVar[Spec] = Spec(
        "$addToSet",
        Kind.UPDATE,
        "1.3.3",
        "Appends a value to an array, with $each several, unless an element is equal to it.",
        examples=(
            Example((_DOCUMENT,), {"$addToSet": {"a": 2}}, [_DOCUMENT]),
            Example((_DOCUMENT,), {"$addToSet": {"a": {"$each": [4, 1.0, 4]}}}, [{"_id": 1, "a": [3, 1, 2, 4]}]),
        ),
    )
    keyed: dict[SortKey, Any]
    scope: UpdateScope

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`. Raises 14 for an `$each` that is no array, 2 for anything beside it."""
        values = [operand]
        if type(operand) is dict and next(iter(operand), "") == "$each":
            values = operand["$each"]
            if type(values) is not list:
                kind = alias_of(values)
                raise fail(14, f"The argument to $each in $addToSet must be an array but it was of type {kind}")
            if len(operand) > 1:
                raise fail(2, f"Found unexpected fields after $each in $addToSet: {text(operand)}")
        keyed: dict[SortKey, Any] = {}
        for value in values:
            keyed.setdefault(scope.key(value), value)
        return cls(keyed, scope)

    @property
    def levels(self) -> int:
        """See `Modifier.levels`."""
        return depth_of(list(self.keyed.values()))

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`. Raises 2 for what is no array."""
        if type(value) is not list:
            raise fail(
                2,
                f"Cannot apply $addToSet to non-array field. Field named '{path[-1]}' has non-array type "
                f"{alias_of(value)}",
            )
        there = set(map(self.scope.key, value))
        new = [item for key, item in self.keyed.items() if key not in there]
        return [*value, *new] if new else value

    def create(self, path: Path, run: Run) -> Any:
        """See `Modifier.create`."""
        return list(self.keyed.values())


@register
@dataclass(frozen=True, slots=True)
class Pop(Modifier):
    """`$pop`: remove the first or the last element of an array (MongoDB manual: $pop)."""

    spec: ClassVar[Spec] = Spec(
        "$pop",
        Kind.UPDATE,
        "1.0",
        "Removes the last (1) or the first (-1) element of an array.",
        examples=(
            Example((_DOCUMENT,), {"$pop": {"a": 1}}, [{"_id": 1, "a": [3, 1]}]),
            Example((_DOCUMENT,), {"$pop": {"a": -1, "b": 1}}, [{"_id": 1, "a": [1, 2]}]),
        ),
    )
    creates: ClassVar[bool] = False
    first: bool

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`. Raises 9 for anything but 1 and -1."""
        if not is_number(operand):
            raise fail(9, f"Expected a number in: {element('.'.join(path), operand)}")
        end = integral64(operand)
        if end is None:
            raise fail(9, f"Expected an integer: {element('.'.join(path), operand)}")
        if end not in (1, -1):
            raise fail(9, f"$pop expects 1 or -1, found: {end}")
        return cls(end == -1)

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`. Raises 14 for what is no array."""
        if type(value) is not list:
            raise fail(14, f"Path '{'.'.join(path)}' contains an element of non-array type '{alias_of(value)}'")
        if not value:
            return value
        return value[1:] if self.first else value[:-1]


@dataclass(frozen=True, slots=True)
class Culling(Modifier):
    """The base of `$pull` and `$pullAll`: remove the elements that pass `matches`."""

    creates: ClassVar[bool] = False
    matches: Callable[[Any], bool]

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`. Raises 2 for what is no array."""
        if type(value) is not list:
            raise fail(2, "Cannot apply $pull to a non-array value")
        matches = self.matches
        kept = [item for item in value if not matches(item)]
        return value if len(kept) == len(value) else kept


# Operators that make a document a condition on the elements themselves. As on the server, $eq and $not are not among
# them: they are refused as unknown top-level operators.
_CONDITIONS: Final = frozenset({
    "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$ne", "$size", "$all", "$exists", "$mod", "$type", "$regex",
    "$options", "$elemMatch", "$near", "$nearSphere", "$geoNear", "$within", "$geoWithin", "$geoIntersects",
    "$maxDistance", "$minDistance", "$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear",
})  # fmt: skip


@register
class Pull(Culling):
    """`$pull`: remove the elements of an array that match a value or a condition (MongoDB manual: $pull)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$pull",
        Kind.UPDATE,
        "1.0",
        "Removes the elements of an array that are equal to a value or match a condition.",
        examples=(
            Example((_DOCUMENT,), {"$pull": {"a": 1}}, [{"_id": 1, "a": [3, 2]}]),
            Example((_DOCUMENT,), {"$pull": {"a": {"$gte": 2}}}, [{"_id": 1, "a": [1]}]),
            Example(
                ({"_id": 1, "a": [{"b": 1, "c": 2}, {"b": 3}]},),
                {"$pull": {"a": {"b": {"$lt": 3}}}},
                [{"_id": 1, "a": [{"b": 3}]}],
            ),
        ),
    )

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`. Raises what the condition raises as a filter."""
        fields = fields_of(operand)
        if fields is not None and next(iter(fields), "") not in _CONDITIONS:
            matches = compile_predicate(scope.predicate(fields))
            return cls(lambda item: (found := fields_of(item)) is not None and matches(found))
        if fields is not None or type(operand) is Regex:
            # The condition is on the element: wrap both in a field without a name.
            matches = compile_predicate(scope.predicate({"": operand}))
            return cls(lambda item: matches({"": item}))
        key, wanted = scope.key, scope.key(operand)
        return cls(lambda item: key(item) == wanted)


@register
class PullAll(Culling):
    """`$pullAll`: remove the elements of an array that are equal to one of a list (MongoDB manual: $pullAll)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$pullAll",
        Kind.UPDATE,
        "1.0",
        "Removes the elements of an array that are equal to one of the values of a list.",
        examples=(Example((_DOCUMENT,), {"$pullAll": {"a": [1, 3.0]}}, [{"_id": 1, "a": [2]}]),),
    )

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`. Raises 2 for what is no array."""
        if type(operand) is not list:
            raise fail(2, f"$pullAll requires an array argument but was given a {alias_of(operand)}")
        key, unwanted = scope.key, frozenset(map(scope.key, operand))
        return cls(lambda item: key(item) in unwanted)
