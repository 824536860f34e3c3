"""Every example of every query operator, and what their specifications must say."""

from typing import Any

import pytest

from kato_compat.ir.filter import DocumentOperator, FieldOperator
from kato_compat.ir.predicate import compile_predicate
from kato_compat.ir.registry import operators
from kato_compat.ir.spec import Example, Kind, Status
from kato_compat.parse.filter import parse_filter
from kato_compat.values.document import normalise

ALL = list(operators(Kind.QUERY))
EXAMPLES = [pytest.param(example, id=each.spec.name) for each in ALL for example in each.spec.examples]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: Example) -> None:
    matches = compile_predicate(parse_filter(normalise(example.query)))
    assert example.result == [document for document in example.documents if matches(normalise(document))]


@pytest.mark.parametrize("operator", ALL, ids=lambda operator: operator.spec.name)
def test_spec(operator: Any) -> None:
    spec = operator.spec
    assert issubclass(operator, FieldOperator) != issubclass(operator, DocumentOperator)
    assert spec.summary.endswith(".")
    if spec.status is Status.REFUSED:
        assert spec.limits
    else:
        assert spec.examples


def test_names() -> None:
    """The operators of the manual's page Query Predicates."""
    names = {each.spec.name for each in ALL}
    assert names >= {
        *["$eq", "$gt", "$gte", "$in", "$lt", "$lte", "$ne", "$nin", "$and", "$not", "$nor", "$or", "$exists", "$type"],
        *["$expr", "$jsonSchema", "$mod", "$regex", "$text", "$where", "$geoIntersects", "$geoWithin", "$near"],
        *["$nearSphere", "$all", "$elemMatch", "$size", "$bitsAllClear", "$bitsAllSet", "$bitsAnyClear"],
        *["$bitsAnySet", "$comment", "$sampleRate", "$alwaysTrue", "$alwaysFalse"],
    }
