"""Every example of every expression operator, evaluated as the collection layer would."""

from typing import Any

import pytest

from kato_compat.ir.registry import operators
from kato_compat.ir.spec import Example, Kind, Status
from kato_compat.parse.expression import parse_expression
from kato_compat.values.document import normalise, normalise_value
from kato_compat.values.equality import same
from kato_compat.values.missing import MISSING

OPERATORS = list(operators(Kind.EXPRESSION))
EXAMPLES = [
    pytest.param(example, id=f"{operator.spec.name}-{number}")
    for operator in OPERATORS
    for number, example in enumerate(operator.spec.examples)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: Example) -> None:
    run = parse_expression(normalise_value(example.query)).bind()
    actual = [run(normalise(document)) for document in example.documents]
    assert len(actual) == len(example.result)
    for value, expected in zip(actual, example.result, strict=True):
        assert _same(expected, value), f"expected {expected!r}, got {value!r}"


def _same(expected: Any, value: Any) -> bool:
    if expected is MISSING or value is MISSING:
        return expected is value
    return same(normalise_value(expected), value)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.spec.name)
def test_every_operator_explains_itself(operator: Any) -> None:
    spec = operator.spec
    assert spec.summary.endswith(".")
    if spec.status in (Status.SUPPORTED, Status.PARTIAL):
        assert spec.examples
    if spec.status is not Status.SUPPORTED:
        assert spec.limits
