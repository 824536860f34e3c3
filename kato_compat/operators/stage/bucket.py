"""`$bucket`: `$group` by ranges that are given."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, Frame, Literal
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Environment, Running, Stage, StageContext
from kato_compat.operators.stage.group import Group, output_field
from kato_compat.operators.stage.sort import Sort
from kato_compat.values.collation import Collation, ordering
from kato_compat.values.missing import MISSING
from kato_compat.values.order import bracket
from kato_compat.values.types import alias_of


@dataclass(frozen=True, slots=True)
class BucketOf(Expression):
    """The lower boundary of the range that a value lies in, else `default`.

    Raises 40066 (7158303 if `slotted`) where there is neither.
    """

    value: Expression
    boundaries: tuple[Any, ...]
    default: Any
    collation: Collation | None = None
    slotted: bool = False

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.value,)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        value, boundaries, default = self.value.compile(), self.boundaries, self.default
        order, code = ordering(self.collation), 7158303 if self.slotted else 40066
        keys = [order(boundary) for boundary in boundaries]
        last = len(keys) - 1

        def evaluate(root: Any, frame: Frame) -> Any:
            place = bisect_right(keys, order(value(root, frame))) - 1
            if 0 <= place < last:
                return boundaries[place]
            if default is MISSING:
                raise fail(
                    code,
                    "$bucket could not find a matching branch for an input, and no default was specified.",
                )
            return default

        return evaluate


@register
class Bucket(Stage):
    """`$bucket` (MongoDB manual: $bucket): a `$group`, then a `$sort` by ``_id``."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$bucket",
        Kind.STAGE,
        "3.4",
        "Groups the documents by ranges that are given.",
        examples=(
            Example(
                ({"_id": 1, "a": 5}, {"_id": 2, "a": 15}, {"_id": 3, "a": 99}),
                [{"$bucket": {"groupBy": "$a", "boundaries": [0, 10, 20], "default": "other"}}],
                [{"_id": 0, "count": 1}, {"_id": 10, "count": 1}, {"_id": "other", "count": 1}],
            ),
        ),
    )

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> tuple[Stage, ...]:
        """See `Stage.parse`. Raises 40191 to 40202 as the server does."""
        if type(operand) is not dict:
            raise fail(40201, f"Argument to $bucket stage must be an object, but found type: {alias_of(operand)}.")
        group_by: Any = MISSING
        default: Any = MISSING
        boundaries: list[Any] = []
        output: dict[str, Any] = {"count": {"$sum": 1}}
        for name, value in operand.items():
            if name == "groupBy":
                group_by = value
                if not is_operand(value):
                    raise fail(
                        40202,
                        "The $bucket 'groupBy' field must be defined as a $-prefixed path or an expression, but found: "
                        f"{value!r}.",
                    )
            elif name == "boundaries":
                boundaries = _boundaries(value, context)
            elif name == "default":
                default = _constant(value, context, 40195, "The $bucket 'default' field must be a constant expression")
            elif name == "output":
                if type(value) is not dict:
                    raise fail(
                        40196, f"The $bucket 'output' field must be an object, but found type: {alias_of(value)}."
                    )
                if "_id" in value:
                    raise fail(15948, "a group's _id may only be specified once")
                output = value
            else:
                raise fail(40197, f"Unrecognized option to $bucket: {name}.")
        if group_by is MISSING or not boundaries:
            raise fail(40198, "$bucket requires 'groupBy' and 'boundaries' to be specified.")
        if default is not MISSING and bracket(default) == bracket(boundaries[0]):
            order = ordering(context.collation)
            if order(boundaries[0]) <= order(default) < order(boundaries[-1]):
                raise fail(
                    40199,
                    "The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the "
                    "highest boundary.",
                )
        fields = tuple((name, output_field(name, raw, context)) for name, raw in output.items())
        key_of = BucketOf(context.expression(group_by), tuple(boundaries), default, context.collation, context.slotted)
        return Group.of(key_of, fields, context), Sort(context.sort({"_id": 1}))

    def start(self, environment: Environment) -> Running:
        """Never used: the stage is parsed into others."""
        raise NotImplementedError


def is_operand(raw: Any) -> bool:
    """True for a path (``"$a"``) or an operator expression: what may be grouped by."""
    if type(raw) is dict:
        return bool(raw) and next(iter(raw)).startswith("$")
    return type(raw) is str and raw.startswith("$")


def _constant(raw: Any, context: StageContext, code: int, what: str) -> Any:
    expression = context.expression(raw)
    if not isinstance(expression, Literal) or _reads_clock(raw):
        raise fail(code, f"{what}, but found: {raw!r}.")
    return expression.value


def _reads_clock(raw: Any) -> bool:
    # ``$$NOW`` is known when a command is parsed, and still no constant to the server.
    if type(raw) is str:
        return raw.startswith("$$NOW")
    if type(raw) is dict:
        return "$literal" not in raw and any(map(_reads_clock, raw.values()))
    return type(raw) is list and any(map(_reads_clock, raw))


def _boundaries(raw: Any, context: StageContext) -> list[Any]:
    if type(raw) is not list:
        raise fail(40200, f"The $bucket 'boundaries' field must be an array, but found type: {alias_of(raw)}.")
    what = "The $bucket 'boundaries' field must be an array of constant values"
    values = [_constant(item, context, 40191, what) for item in raw]
    if len(values) < 2:
        raise fail(
            40192, f"The $bucket 'boundaries' field must have at least 2 values, but found {len(values)} value(s)."
        )
    order = ordering(context.collation)
    for number, (lower, upper) in enumerate(pairwise(values)):
        if bracket(lower) != bracket(upper):
            raise fail(
                40193,
                "All values in the the 'boundaries' option to $bucket must have the same type. Found conflicting types "
                f"{alias_of(lower)} and {alias_of(upper)}.",
            )
        if not order(lower) < order(upper):
            raise fail(
                40194,
                f"The 'boundaries' option to $bucket must be sorted, but elements {number} and {number + 1} are not in "
                f"ascending order ({lower!r} is not less than {upper!r}).",
            )
    return values
