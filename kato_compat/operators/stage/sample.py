"""`$sample`: some documents at random."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bson.decimal128 import Decimal128

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, Running, Stage, StageContext
from kato_compat.values.types import INT64_MAX, is_number

_BATCH: Final = 1024


@register
@dataclass(frozen=True, slots=True)
class Sample(Stage):
    """`$sample`: every document is as likely as any other, none comes twice (MongoDB manual: $sample)."""

    spec: ClassVar[Spec] = Spec(
        "$sample",
        Kind.STAGE,
        "3.2",
        "Picks documents at random.",
        examples=(Example(({"_id": 1},), [{"$sample": {"size": 3}}], [{"_id": 1}]),),
    )
    size: int

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Sample":
        """See `Stage.parse`. Raises 28745 to 28749 as the server does."""
        if type(operand) is not dict:
            raise fail(28745, "the $sample stage specification must be an object")
        size: int | None = None
        for name, value in operand.items():
            if name != "size":
                raise fail(28748, f"unrecognized option to $sample: {name}")
            if not is_number(value):
                raise fail(28746, "size argument to $sample must be a number")
            size = _whole(value)
            if size <= 0:
                raise fail(28747, "size argument to $sample must be a positive integer")
        if size is None:
            raise fail(28749, "$sample stage must specify a size")
        return cls(size)

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        return _Sampling(self.size)


def _whole(value: Any) -> int:
    """As the server turns a number into a long: towards zero, NaN to 0, to the nearest long beyond its range."""
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    if number != number:
        return 0
    return int(max(-INT64_MAX, min(INT64_MAX, number)))


class _Sampling(Running):
    """A reservoir: memory holds no more than the sample."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._seen = 0
        self._held: Documents = []

    def push(self, batch: Documents) -> Documents:
        held, size = self._held, self._size
        room = size - len(held)
        held.extend(batch[:room])
        self._seen += min(room, len(batch))
        for document in batch[room:]:
            self._seen += 1
            place = random.randrange(self._seen)
            if place < size:
                held[place] = document
        return []

    def finish(self) -> Iterator[Documents]:
        held = self._held
        random.shuffle(held)
        for start in range(0, len(held), _BATCH):
            yield held[start : start + _BATCH]
