"""Parsing aggregation pipelines (MongoDB manual: Aggregation Pipeline, Aggregation Stages)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from kato_compat import operators
from kato_compat.errors import fail, refused, unbuilt
from kato_compat.ir.spec import Status
from kato_compat.ir.stage import Pipeline, Stage, stage_class
from kato_compat.parse.expression import Context
from kato_compat.parse.optimize import optimize

#: The server's `internalPipelineLengthLimit` and `internalMaxSubPipelineViewDepth`.
_MAX_STAGES: Final = 1000
_MAX_NESTING: Final = 20
#: Documents and arrays inside one another, the pipeline counted, that fit into a command.
_MAX_DEPTH: Final = 200

#: Stages that become part of the query: what comes after them still is at the head of the pipeline.
_ABSORBED: Final = frozenset({"$match", "$sort", "$limit", "$skip"})

#: The code for a stage that may not stand inside these.
_NESTED: Final = {"$lookup": 51047, "$unionWith": 31441}


def parse_pipeline(raw: Any, context: Context, *, where: str | None = None) -> Pipeline:
    """The typed pipeline of `raw`, a list of stage documents of internal form.

    `where` says what the pipeline stands in: None for the command's own, ``$facet``, ``$lookup``, ``$unionWith``,
    or ``update``. Raises the server's coded errors: 14 for what is not a list of documents, 40323 for a stage
    document without exactly one field, 40324 for an unknown stage, 40600 to 40602, 51047, 31441, 72 and 73 for a
    stage in the wrong place, 7749501 for more than 1000 stages, and those of each stage, all before anything is read.
    """
    classes = _classes(raw)
    if where is None:
        _check_depth(raw)
    if where in _NESTED:
        for operator in classes:
            if not operator.nested_allowed:
                name = operator.spec.name
                raise fail(_NESTED[where], f"{name} is not allowed within a {where}'s sub-pipeline")
    fixed: list[Stage] = []
    rest: list[Stage] = []
    variables = frozenset(context.slots.values())
    slotted = where != "$facet"
    for document, operator in zip(raw, classes, strict=True):
        ((name, operand),) = document.items()
        if operator.spec.status is Status.REFUSED:
            raise refused(name, operator.spec.limits)
        if operator.spec.status is Status.UNBUILT:
            raise unbuilt(name)
        scope = replace(context, used=set(), slotted=slotted)
        slotted = slotted and name in _ABSORBED
        parsed = operator.parse(operand, scope)
        context.used.update(scope.used)
        stages = rest if rest or variables & scope.used else fixed
        stages.extend((parsed,) if isinstance(parsed, Stage) else parsed)
    last = len(classes) - 1
    for position, operator in enumerate(classes):
        _check_place(operator, position == 0, position == last, where)
    _check_collection(classes, context, where)
    if not rest:
        whole = optimize(fixed)
        return Pipeline(whole, fixed=len(whole))
    before = optimize(fixed)
    return Pipeline(before + optimize(rest), fixed=len(before))


def parse_nested(
    raw: Any, context: Context, *, where: str, variables: Sequence[str] = (), collection: str | None = None
) -> Pipeline:
    """See `StageContext.pipeline`. Raises 232 beyond 20 pipelines inside one another."""
    slots: tuple[int, ...] = ()
    if where != "$facet":
        if context.nesting >= _MAX_NESTING:
            raise fail(232, f"Maximum number of nested sub-pipelines exceeded. Limit is {_MAX_NESTING}")
        context = replace(context, nesting=context.nesting + 1, current=None)
    if variables:
        context, slots = context.define(*variables)
    if collection is not None:
        context = replace(context, collection=collection)
    return replace(parse_pipeline(raw, context, where=where), slots=slots)


def _classes(raw: Any) -> list[type[Stage]]:
    if type(raw) is not list:
        raise fail(14, "'pipeline' option must be specified as an array")
    if len(raw) > _MAX_STAGES:
        raise fail(7749501, f"Pipeline length must be no longer than {_MAX_STAGES} stages")
    for document in raw:
        if type(document) is not dict:
            raise fail(14, "Each element of the 'pipeline' array must be an object")
    return [stage_class(document) for document in raw]


def _check_depth(raw: Any) -> None:
    # Level by level, not recursively: what is too deep for the server is too deep for Python's stack as well.
    level = [raw]
    for _ in range(_MAX_DEPTH):
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return
    raise fail(15, "BSONObj exceeds maximum nested object depth: 200")


def _check_place(operator: Any, first: bool, last: bool, where: str | None) -> None:
    name = operator.spec.name
    if where == "update":
        if not operator.update_allowed:
            raise fail(72, f"{name} is not allowed to be used within an update")
        return
    if where == "$facet" and not operator.facet_allowed:
        raise fail(40600, f"{name} is not allowed to be used within a $facet stage")
    if operator.first_only and not first:
        raise fail(40602, f"{name} is only valid as the first stage in a pipeline")
    if operator.last_only and not last:
        raise fail(40601, f"{name} can only be the final stage in the pipeline")


def _check_collection(classes: list[Any], context: Context, where: str | None) -> None:
    if where is None and classes and classes[0].collectionless and context.collection:
        raise fail(73, f"'{classes[0].spec.name}' can only be run with {{aggregate: 1}}")


operators.load()
