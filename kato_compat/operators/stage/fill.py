"""`$fill`: values in place of null and missing ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Environment, FlowRunning, Running, Stage, StageContext
from kato_compat.operators.stage.project import AddFields
from kato_compat.operators.stage.setwindowfields import SetWindowFields
from kato_compat.operators.stage.specification import read, strings
from kato_compat.values.types import alias_of

_METHODS = {"linear": "$linearFill", "locf": "$locf"}


@register
@dataclass(frozen=True, slots=True)
class Fill(Stage):
    """`$fill` (MongoDB manual: $fill (aggregation)): parsed into a `$setWindowFields` and an `$addFields`."""

    spec: ClassVar[Spec] = Spec(
        "$fill",
        Kind.STAGE,
        "5.3",
        "Fills null and missing fields: with a value, the last one seen, or by interpolation.",
        examples=(
            Example(
                ({"_id": 1, "a": 2, "b": None}, {"_id": 2}, {"_id": 3, "a": 6, "b": 1}),
                [{"$fill": {"sortBy": {"_id": 1}, "output": {"a": {"method": "linear"}, "b": {"value": 0}}}}],
                [{"_id": 1, "a": 2, "b": 0}, {"_id": 2, "a": 4.0, "b": 0}, {"_id": 3, "a": 6, "b": 1}],
            ),
        ),
    )

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> Sequence[Stage]:
        """See `Stage.parse`. Raises 9, 14, 40414, 40415 (malformed), 6050200 to 6050204, and what its parts raise."""
        if type(operand) is not dict:
            raise fail(9, f"The $fill stage specification must be an object, found {alias_of(operand)}")
        fields = read(
            "$fill",
            operand,
            {
                "partitionBy": ("string", "object"),
                "partitionByFields": ("array",),
                "sortBy": ("object",),
                "output": ("object",),
            },
            ("output",),
        )
        if "partitionByFields" in fields:
            strings("$fill.partitionByFields", fields["partitionByFields"])
        if not fields["output"]:
            raise fail(6050203, "The output field in '$fill' must contain an object with at least one element")
        methods, values = _outputs(fields["output"])
        stages: list[Stage] = []
        window: dict[str, Any] = {"output": methods}
        if "sortBy" in fields:
            window["sortBy"] = fields["sortBy"]
        if "partitionBy" in fields:
            if "partitionByFields" in fields:
                raise fail(6050204, "Maximum one of 'partitionBy' and 'partitionByFields can be specified in '$fill'")
            window["partitionBy"] = fields["partitionBy"]
        if "partitionByFields" in fields:
            window["partitionBy"] = {name: f"${name}" for name in fields["partitionByFields"]}
        if methods:
            stages.append(SetWindowFields.parse(window, context))
        if values:
            stages.append(AddFields.parse(values, context))
        return stages

    def start(self, environment: Environment) -> Running | FlowRunning:
        """See `Stage.start`; never called, for `parse` gives other stages."""
        raise NotImplementedError("$fill is parsed into other stages")


def _outputs(raw: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs of a `$setWindowFields`, and the fields of an `$addFields`."""
    methods: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name, item in raw.items():
        if type(item) is not dict:
            raise fail(6050200, "Each fill output specification must be an object with exactly one field")
        output = read("$fill", item, {"value": (), "method": ("string",)})
        if "method" in output:
            if "value" in output:
                raise fail(
                    6050201,
                    "Each fill output specification must have exactly one of 'method' or 'value' fields, not both",
                )
            if output["method"] not in _METHODS:
                raise fail(6050202, "Method must be either locf or linear")
            methods[name] = {_METHODS[output["method"]]: f"${name}"}
        if "value" in output:
            values[name] = {"$ifNull": [f"${name}", output["value"]]}
    return methods, values
