"""Every example of every stage."""

from typing import Any

import pytest

from kato_compat import operators
from kato_compat.ir.registry import operators as registered
from kato_compat.ir.spec import Example, Kind, Status
from kato_compat.values.document import normalise
from kato_compat.values.equality import same

operators.load()

_STAGES = list(registered(Kind.STAGE))
_EXAMPLES = [(stage.spec.name, example) for stage in _STAGES for example in stage.spec.examples]
#: Stages whose result needs other collections: their own tests show them.
_WITHOUT = {"$graphLookup"}


@pytest.mark.parametrize(("name", "example"), _EXAMPLES, ids=[name for name, _ in _EXAMPLES])
def test_example(name: str, example: Example, aggregate: Any) -> None:
    actual = aggregate(list(example.documents), example.query)
    expected = [normalise(document) for document in example.result]
    assert [list(document) for document in actual] == [list(document) for document in expected]
    assert len(actual) == len(expected)
    assert all(same(left, right) for left, right in zip(actual, expected, strict=True)), actual


@pytest.mark.parametrize("stage", _STAGES, ids=lambda stage: stage.spec.name)
def test_every_stage_says_what_it_is(stage: Any) -> None:
    spec = stage.spec
    assert spec.summary
    if spec.status in (Status.REFUSED, Status.PARTIAL):
        assert spec.limits
    if spec.status in (Status.SUPPORTED, Status.PARTIAL) and spec.name not in _WITHOUT:
        assert spec.examples
