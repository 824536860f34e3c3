"""`$project`, `$addFields`, `$set` and `$unset`: change the fields of each document."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Environment, Running, Stage, StageContext, Starter
from kato_compat.operators.stage.transform import per_document
from kato_compat.values.types import alias_of


@dataclass(frozen=True, slots=True)
class Reshape(Stage):
    """A stage that applies a projection (see `parse.projection`) to each document."""

    update_allowed: ClassVar[bool] = True
    projection: Any

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        return per_document(self.projection.compile(environment.frame))

    def prepare(self, environment: Environment) -> Starter:
        """See `Stage.prepare`."""
        running = self.start(environment)
        return lambda: running


@register
@dataclass(frozen=True, slots=True)
class Project(Reshape):
    """`$project` (MongoDB manual: $project (aggregation))."""

    spec: ClassVar[Spec] = Spec(
        "$project",
        Kind.STAGE,
        "2.2",
        "Keeps, leaves out or computes fields.",
        examples=(
            Example(
                ({"_id": 1, "a": 2, "b": 3},),
                [{"$project": {"_id": 0, "a": 1, "c": "$b"}}],
                [{"a": 2, "c": 3}],
            ),
            Example(({"_id": 1, "a": 2, "b": 3},), [{"$project": {"a": 0}}], [{"_id": 1, "b": 3}]),
        ),
    )

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Project":
        """See `Stage.parse`. Raises 15969 for what is not a document."""
        if type(operand) is not dict:
            raise fail(15969, "$project specification must be an object")
        return cls(context.projection(operand))


class _AddFields(Reshape):
    __slots__ = ()

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> Stage:
        """See `Stage.parse`. Raises 40272 for what is not a document."""
        if type(operand) is not dict:
            name = cls.spec.name
            raise fail(40272, f"{name} specification stage must be an object, got {alias_of(operand)}")
        return cls(context.add_fields(operand))


def _add_fields(name: str, since: str) -> type[_AddFields]:
    class AddFields(_AddFields):
        __slots__ = ()
        spec: ClassVar[Spec] = Spec(
            name,
            Kind.STAGE,
            since,
            "Adds computed fields, or gives fields new values.",
            examples=(
                Example(
                    ({"_id": 1, "a": 2},), [{name: {"b": "$a", "c.d": 1}}], [{"_id": 1, "a": 2, "b": 2, "c": {"d": 1}}]
                ),
            ),
        )

    AddFields.__doc__ = f"`{name}` (MongoDB manual: {name} (aggregation))."
    AddFields.__name__ = AddFields.__qualname__ = name[1].upper() + name[2:]
    return register(AddFields)


AddFields = _add_fields("$addFields", "3.4")
Set = _add_fields("$set", "4.2")


@register
@dataclass(frozen=True, slots=True)
class Unset(Reshape):
    """`$unset` (MongoDB manual: $unset (aggregation))."""

    spec: ClassVar[Spec] = Spec(
        "$unset",
        Kind.STAGE,
        "4.2",
        "Leaves fields out.",
        examples=(
            Example(
                ({"_id": 1, "a": 2, "b": {"c": 1, "d": 2}},), [{"$unset": ["a", "b.c"]}], [{"_id": 1, "b": {"d": 2}}]
            ),
        ),
    )

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Unset":
        """See `Stage.parse`."""
        return cls(context.unset(operand))
