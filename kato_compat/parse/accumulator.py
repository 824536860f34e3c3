"""Parsing accumulators: what `$group`, `$bucket`, `$setWindowFields` and others hold for each output field."""

from typing import Any

from kato_compat import operators
from kato_compat.errors import fail, refused, unbuilt
from kato_compat.ir.accumulator import Accumulator
from kato_compat.ir.expression import ExpressionContext
from kato_compat.ir.registry import find
from kato_compat.ir.spec import Kind, Status


def parse_accumulator(raw: Any, context: ExpressionContext, *, where: str = "$group") -> Accumulator:
    """The typed form of ``{"$op": operand}``, which is of internal form.

    `where` is the stage it stands in, for messages. Raises 40234 for what
    is not an accumulator document, 40238 for one with several accumulators, 15952 for an unknown name, and what the
    accumulator itself raises (40237 for an array).
    """
    if type(raw) is not dict or not raw or not next(iter(raw)).startswith("$"):
        raise fail(40234, f"A field of {where} must be an accumulator object")
    if len(raw) != 1:
        raise fail(40238, f"A field of {where} must specify one accumulator")
    name, operand = next(iter(raw.items()))
    operator = find(Kind.ACCUMULATOR, name)
    if operator is None:
        raise fail(15952, f"unknown group operator '{name}'")
    if operator.spec.status is Status.REFUSED:
        raise refused(name, operator.spec.limits)
    if operator.spec.status is Status.UNBUILT:
        raise unbuilt(name)
    parsed: Accumulator = operator.parse(operand, context)
    return parsed


operators.load()
