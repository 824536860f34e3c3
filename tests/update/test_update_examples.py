"""The examples that update operators give of themselves."""

from typing import Any

import pytest

from kato_compat.ir.registry import operators
from kato_compat.ir.spec import Kind
from kato_compat.parse.expression import Context
from kato_compat.parse.update import parse_update
from kato_compat.values.equality import same

EXAMPLES = [
    pytest.param(example, id=f"{operator.spec.name}-{number}")
    for operator in operators(Kind.UPDATE)
    for number, example in enumerate(operator.spec.examples)
]


def test_all_operators_of_the_manual_are_there() -> None:
    names = {operator.spec.name for operator in operators(Kind.UPDATE)}
    expected = (
        "$addToSet $bit $currentDate $each $inc $max $min $mul $pop $position $pull $pullAll $push $rename $set "
        "$setOnInsert $slice $sort $unset $[]"
    )
    assert names == set(expected.split())
    assert all(operator.spec.examples for operator in operators(Kind.UPDATE))


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: Any) -> None:
    update = parse_update(example.query, Context())
    found = [update.apply(document) for document in example.documents]
    assert same(found, list(example.result))
