"""`$rename` (MongoDB manual: $rename)."""

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import Context
from kato_compat.parse.update import parse_update


def apply(names: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    return parse_update({"$rename": names}, Context()).apply(document)


@pytest.mark.parametrize(
    ("names", "document", "expected"),
    [
        ({"a": "b"}, {"_id": 1, "a": 5, "c": 1}, {"_id": 1, "c": 1, "b": 5}),
        ({"a": "b"}, {"_id": 1, "b": 1, "a": 5, "c": 1}, {"_id": 1, "b": 5, "c": 1}),
        ({"a.x": "a.y"}, {"_id": 1, "a": {"x": 1, "z": 2}}, {"_id": 1, "a": {"z": 2, "y": 1}}),
        ({"a.x": "b.c.d"}, {"_id": 1, "a": {"x": [1]}}, {"_id": 1, "a": {}, "b": {"c": {"d": [1]}}}),
        ({"a": "b", "c": "d"}, {"_id": 1, "c": 1, "a": 2}, {"_id": 1, "b": 2, "d": 1}),
        ({"a": "b"}, {"_id": 1, "b": 1}, {"_id": 1, "b": 1}),
        ({"a.b": "c"}, {"_id": 1, "a": {"x": 1}}, {"_id": 1, "a": {"x": 1}}),
        ({"a": "b"}, {"_id": 1, "a": None}, {"_id": 1, "b": None}),
        ({"a": "l"}, {"_id": 1, "a": 1, "l": [1, 2]}, {"_id": 1, "l": 1}),
        ({"z": "a.b"}, {"_id": 1, "a": 5}, {"_id": 1, "a": 5}),
    ],
)
def test_rename(names: dict[str, Any], document: dict[str, Any], expected: dict[str, Any]) -> None:
    after = apply(names, document)
    assert after == expected
    assert list(after) == list(expected)


def test_an_equal_value_at_the_target_stays() -> None:
    after = apply({"a": "b"}, {"_id": 1, "a": 1, "b": 1.0})
    assert after == {"_id": 1, "b": 1.0}
    assert type(after["b"]) is float


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("a", 5, 2),
        ("a", "a", 2),
        ("a", "a.b", 2),
        ("a.b", "a", 2),
        ("a.$", "b", 2),
        ("a", "b.$", 2),
        ("a.$[]", "b", 2),
        ("a", "b.$[].c", 2),
        ("a", "", 56),
        ("a", "b.", 56),
        ("", "b", 56),
    ],
)
def test_refused_when_parsed(source: str, target: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        parse_update({"$rename": {source: target}}, Context())
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("names", "document", "code"),
    [
        ({"a.0": "b"}, {"_id": 1, "a": [1]}, 2),
        ({"a.0.x": "b"}, {"_id": 1, "a": [{"x": 1}]}, 2),
        ({"b": "a.0"}, {"_id": 1, "a": [1], "b": 1}, 2),
        ({"b": "a.x.y"}, {"_id": 1, "a": {"x": [1]}, "b": 1}, 2),
        ({"b": "a.x"}, {"_id": 1, "a": 5, "b": 1}, 28),
        ({"a.b": "c"}, {"_id": 1, "a": 5}, 28),
        ({"a.b": "c"}, {"_id": 1, "a": [5]}, 28),
        ({"a": "$b"}, {"_id": 1, "a": 5}, 52),
    ],
)
def test_refused_for_a_document(names: dict[str, Any], document: dict[str, Any], code: int) -> None:
    update = parse_update({"$rename": names}, Context())
    with pytest.raises(OperationFailure) as caught:
        update.apply(document)
    assert caught.value.code == code
