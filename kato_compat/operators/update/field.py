"""Update operators of fields: `$set $setOnInsert $unset $min $max $currentDate` (MongoDB manual: $set and others)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from bson.timestamp import Timestamp

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.update import Modifier, Run, UpdateScope
from kato_compat.values.missing import MISSING
from kato_compat.values.order import SortKey
from kato_compat.values.paths import Path
from kato_compat.values.types import alias_of
from kato_compat.values.validity import depth_of

_DOCUMENT: Final = {"_id": 1, "n": 5, "tags": ["a", "b"]}


@register
@dataclass(frozen=True, slots=True)
class Set(Modifier):
    """`$set`: give a field a value (MongoDB manual: $set)."""

    spec: ClassVar[Spec] = Spec(
        "$set",
        Kind.UPDATE,
        "1.0",
        "Gives a field a value; creates it, and the path to it, where it is missing.",
        examples=(
            Example((_DOCUMENT,), {"$set": {"n": 6}}, [{"_id": 1, "n": 6, "tags": ["a", "b"]}]),
            Example(
                (_DOCUMENT,),
                {"$set": {"b.c": 1, "a": True, "tags.3": "d"}},
                [{"_id": 1, "n": 5, "tags": ["a", "b", None, "d"], "a": True, "b": {"c": 1}}],
            ),
        ),
    )
    operand: Any

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`."""
        return cls(operand)

    @property
    def levels(self) -> int:
        """See `Modifier.levels`."""
        return depth_of(self.operand)

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`."""
        return self.operand

    def create(self, path: Path, run: Run) -> Any:
        """See `Modifier.create`."""
        return self.operand


@register
class SetOnInsert(Set):
    """`$setOnInsert`: as `$set`, when an upsert inserts (MongoDB manual: $setOnInsert)."""

    __slots__ = ()
    insert_only = True
    spec: ClassVar[Spec] = Spec(
        "$setOnInsert",
        Kind.UPDATE,
        "2.4",
        "Gives a field a value when an upsert inserts a document; does nothing to a document that exists.",
        examples=(Example((_DOCUMENT,), {"$setOnInsert": {"n": 6}}, [_DOCUMENT]),),
    )


@register
@dataclass(frozen=True, slots=True)
class Unset(Modifier):
    """`$unset`: remove a field (MongoDB manual: $unset). An element of an array becomes null."""

    spec: ClassVar[Spec] = Spec(
        "$unset",
        Kind.UPDATE,
        "1.0",
        "Removes a field; puts null in place of an array element.",
        examples=(
            Example((_DOCUMENT,), {"$unset": {"n": "", "tags.0": "", "x.y": ""}}, [{"_id": 1, "tags": [None, "b"]}]),
        ),
    )
    creates: ClassVar[bool] = False

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`. The operand may be anything."""
        return cls()

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`."""
        return MISSING

    def blocked(self, path: Path, run: Run, block: Any) -> None:
        """See `Modifier.blocked`: what cannot exist needs no removal."""


@dataclass(frozen=True, slots=True)
class Bound(Modifier):
    """The base of `$min` and `$max`: values of any types compare, by BSON order."""

    operand: Any
    key: SortKey
    scope: UpdateScope

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`."""
        return cls(operand, scope.key(operand), scope)

    @property
    def stores(self) -> bool:
        """See `Modifier.stores`: what is no bound of the value stays out."""
        return False

    @property
    def levels(self) -> int:
        """See `Modifier.levels`."""
        return depth_of(self.operand)

    def create(self, path: Path, run: Run) -> Any:
        """See `Modifier.create`."""
        return self.operand


@register
class Min(Bound):
    """`$min`: set a field if the operand is less than its value (MongoDB manual: $min)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$min",
        Kind.UPDATE,
        "2.6",
        "Sets a field if the operand is less than its value, in BSON order across types.",
        examples=(Example((_DOCUMENT,), {"$min": {"n": 4, "m": 1}}, [{**_DOCUMENT, "n": 4, "m": 1}]),),
    )

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`."""
        return self.operand if self.key < self.scope.key(value) else value


@register
class Max(Bound):
    """`$max`: set a field if the operand is greater than its value (MongoDB manual: $max)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$max",
        Kind.UPDATE,
        "2.6",
        "Sets a field if the operand is greater than its value, in BSON order across types.",
        examples=(Example((_DOCUMENT,), {"$max": {"n": 4, "tags": True}}, [{**_DOCUMENT, "tags": True}]),),
    )

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`."""
        return self.operand if self.key > self.scope.key(value) else value


@register
@dataclass(frozen=True, slots=True)
class CurrentDate(Modifier):
    """`$currentDate`: set a field to the time of the update (MongoDB manual: $currentDate)."""

    spec: ClassVar[Spec] = Spec(
        "$currentDate",
        Kind.UPDATE,
        "2.6",
        "Sets a field to the time of the update, as a date or a timestamp; the same for all documents of the update.",
        examples=(
            Example(({"_id": 1, "visits": []},), {"$currentDate": {"visits.$[].at": True}}, [{"_id": 1, "visits": []}]),
        ),
    )
    moment: datetime | Timestamp

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`. Raises 2 for anything but a bool or ``{$type: "date" | "timestamp"}``."""
        if type(operand) is bool:
            return cls(scope.now)
        if type(operand) is not dict:
            raise fail(
                2,
                f"{alias_of(operand)} is not valid type for $currentDate. Please use a boolean ('true') or a $type "
                "expression ({$type: 'timestamp/date'}).",
            )
        for name in operand:
            if name != "$type":
                raise fail(2, f"Unrecognized $currentDate option: {name}")
        wanted = operand.get("$type")
        if wanted == "date":
            return cls(scope.now)
        if wanted == "timestamp":
            return cls(timestamp(scope.now))
        raise fail(
            2,
            "The '$type' string field is required to be 'date' or 'timestamp': "
            "{$currentDate: {field : {$type: 'date'}}}",
        )

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`."""
        return self.moment

    def create(self, path: Path, run: Run) -> Any:
        """See `Modifier.create`."""
        return self.moment


def timestamp(now: datetime) -> Timestamp:
    """The BSON timestamp of `now` (naive UTC), the first of its second."""
    return Timestamp(int(now.replace(tzinfo=UTC).timestamp()), 1)
