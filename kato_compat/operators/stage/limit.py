"""`$limit`, `$skip` and `$count`: stages that count documents."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, Running, Stage, StageContext
from kato_compat.values.types import INT32_MAX, INT64_MAX, INT64_MIN, is_number


def whole(value: Any, code: int, what: str) -> int:
    """`value` as an int if it is a number without a fraction within 64 bits; raises `code` otherwise."""
    if not is_number(value):
        raise fail(code, f"invalid argument to {what}: Expected a number in: {value!r}")
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    if number != number or number in (float("inf"), float("-inf")) or number != int(number):
        raise fail(code, f"invalid argument to {what}: Expected an integer: {value!r}")
    if not INT64_MIN <= number <= INT64_MAX:
        raise fail(code, f"invalid argument to {what}: Cannot represent as a 64-bit integer: {value!r}")
    return int(number)


@register
@dataclass(frozen=True, slots=True)
class Limit(Stage):
    """`$limit` (MongoDB manual: $limit)."""

    spec: ClassVar[Spec] = Spec(
        "$limit",
        Kind.STAGE,
        "2.2",
        "Passes the first documents on, no others.",
        examples=(Example(({"_id": 1}, {"_id": 2}, {"_id": 3}), [{"$limit": 2}], [{"_id": 1}, {"_id": 2}]),),
    )
    number: int

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Limit":
        """See `Stage.parse`. Raises 5107201 for what is not a whole number of at least 0, 15958 for 0."""
        number = whole(operand, 5107201, "$limit stage")
        if number < 0:
            raise fail(
                5107201, f"invalid argument to $limit stage: Expected a non-negative number in: $limit: {number}"
            )
        if number == 0:
            raise fail(15958, "the limit must be positive")
        return cls(number)

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        return _Limiting(self.number)


class _Limiting(Running):
    def __init__(self, number: int) -> None:
        self._left = number

    def push(self, batch: Documents) -> Documents:
        if len(batch) < self._left:
            self._left -= len(batch)
            return batch
        self.done = True
        return batch[: self._left]


@register
@dataclass(frozen=True, slots=True)
class Skip(Stage):
    """`$skip` (MongoDB manual: $skip)."""

    spec: ClassVar[Spec] = Spec(
        "$skip",
        Kind.STAGE,
        "2.2",
        "Leaves the first documents out.",
        examples=(Example(({"_id": 1}, {"_id": 2}, {"_id": 3}), [{"$skip": 2}], [{"_id": 3}]),),
    )
    number: int

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Skip":
        """See `Stage.parse`. Raises 5107200 for what is not a whole number of at least 0."""
        number = whole(operand, 5107200, "$skip stage")
        if number < 0:
            raise fail(5107200, f"invalid argument to $skip stage: Expected a non-negative number in: $skip: {number}")
        return cls(number)

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        return _Skipping(self.number)


class _Skipping(Running):
    def __init__(self, number: int) -> None:
        self._left = number

    def push(self, batch: Documents) -> Documents:
        left = self._left
        if not left:
            return batch
        self._left = max(0, left - len(batch))
        return batch[left:]


@register
@dataclass(frozen=True, slots=True)
class Count(Stage):
    """`$count`: one document with the number of documents; none if there are none (MongoDB manual: $count)."""

    spec: ClassVar[Spec] = Spec(
        "$count",
        Kind.STAGE,
        "3.4",
        "Counts the documents.",
        examples=(Example(({"_id": 1}, {"_id": 2}), [{"$count": "n"}], [{"n": 2}]), Example((), [{"$count": "n"}], [])),
    )
    name: str

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Count":
        """See `Stage.parse`. Raises 40156 to 40160 for what cannot be a field's name, 9039800 for ``_id``."""
        if type(operand) is not str:
            raise fail(40156, "the count field must be a non-empty string")
        if not operand:
            raise fail(40157, "the count field must be a non-empty string")
        if operand.startswith("$"):
            raise fail(40158, "the count field cannot be a $-prefixed path")
        if "\0" in operand:
            raise fail(40159, "the count field cannot contain a null byte")
        if "." in operand:
            raise fail(40160, "the count field cannot contain '.'")
        if operand == "_id":
            raise fail(9039800, "the count field cannot be '_id'")
        return cls(operand)

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        return _Counting(self.name)


class _Counting(Running):
    def __init__(self, name: str) -> None:
        self._name = name
        self._number = 0

    def push(self, batch: Documents) -> Documents:
        self._number += len(batch)
        return []

    def finish(self) -> Iterator[Documents]:
        number = self._number
        if number:
            yield [{self._name: number if number <= INT32_MAX else Int64(number)}]
