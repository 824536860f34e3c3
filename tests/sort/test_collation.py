"""Collations (MongoDB manual: Collation)."""

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from kato_compat.parse.sort import parse_sort
from kato_compat.values.collation import Collation

pytest.importorskip("icu", reason="needs the extra collation")


def ordered(specification: dict[str, Any], values: list[str]) -> list[str]:
    """`values` sorted ascending."""
    runner = parse_sort({"a": 1}, collation=Collation.parse(specification)).compile()
    return [document["a"] for document in runner.sorted([{"a": value} for value in values])]


@pytest.mark.parametrize(
    ("specification", "values", "expected"),
    [
        ({"locale": "simple"}, ["a", "B", "A"], ["A", "B", "a"]),
        ({"locale": "en"}, ["b", "B", "a", "A"], ["a", "A", "b", "B"]),
        ({"locale": "en", "caseFirst": "upper"}, ["b", "B", "a", "A"], ["A", "a", "B", "b"]),
        ({"locale": "en", "strength": 2}, ["B", "b", "A", "a"], ["A", "a", "B", "b"]),
        ({"locale": "en", "numericOrdering": True}, ["10", "9", "1"], ["1", "9", "10"]),
        ({"locale": "sv"}, ["ö", "z", "o"], ["o", "z", "ö"]),
        ({"locale": "fr_CA"}, ["coté", "côte"], ["côte", "coté"]),
        ({"locale": "fr"}, ["côte", "coté"], ["coté", "côte"]),
        ({"locale": "fr", "backwards": True}, ["coté", "côte"], ["côte", "coté"]),
        ({"locale": "de@collation=phonebook"}, ["ad", "ä", "af"], ["ad", "ä", "af"]),
        ({"locale": "en", "alternate": "shifted", "strength": 4}, ["a c", "ab"], ["ab", "a c"]),
        ({"locale": "en"}, ["ab", "a c"], ["a c", "ab"]),
    ],
)
def test_order(specification: dict[str, Any], values: list[str], expected: list[str]) -> None:
    assert ordered(specification, values) == expected


def test_order_inside_documents_and_arrays() -> None:
    collation = Collation.parse({"locale": "en"})
    documents = [{"a": {"x": "b"}}, {"a": {"x": "B"}}, {"a": {"x": "a"}}]
    assert parse_sort({"a": 1}, collation=collation).compile().sorted(documents) == [
        {"a": {"x": "a"}},
        {"a": {"x": "b"}},
        {"a": {"x": "B"}},
    ]
    arrays = [{"a": ["c", "B"]}, {"a": ["a"]}]
    assert parse_sort({"a": -1}, collation=collation).compile().sorted(arrays) == arrays


def test_equality() -> None:
    collation = Collation.parse({"locale": "en", "strength": 1})
    assert collation is not None
    key = collation.equality()
    assert key("é") == key("E")
    assert key("é") != key("f")
    assert key({"a": ["X"]}) == key({"a": ["x"]})
    assert key({"A": 1}) != key({"a": 1})
    assert key(1) == key(1.0)
    assert key(1) != key(True)
    assert collation.key("a") < collation.key("b")


def test_spaces_alone_can_be_variable() -> None:
    words = {"locale": "en", "alternate": "shifted", "strength": 1}
    both = Collation.parse(words)
    spaces = Collation.parse({**words, "maxVariable": "space"})
    assert both is not None
    assert spaces is not None
    assert both.key("a-b") == both.key("ab") == both.key("a b")
    assert spaces.key("a b") == spaces.key("ab") != spaces.key("a-b")


@pytest.mark.parametrize("raw", [None, {}, {"locale": "simple"}])
def test_binary(raw: Any) -> None:
    assert Collation.parse(raw) is None


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("en", 14),
        ({"strength": 1}, 40414),
        ({"locale": 1}, 14),
        ({"locale": "xx"}, 2),
        ({"locale": ""}, 2),
        ({"locale": "en@collation=phonebook"}, 2),
        ({"locale": "simple", "strength": 2}, 2),
        ({"locale": "en", "strength": 0}, 51024),
        ({"locale": "en", "strength": 6}, 51024),
        ({"locale": "en", "strength": "x"}, 14),
        ({"locale": "en", "caseLevel": 1}, 14),
        ({"locale": "en", "caseFirst": "none"}, 2),
        ({"locale": "en", "alternate": "x"}, 2),
        ({"locale": "en", "maxVariable": "x"}, 2),
        ({"locale": "en", "backwards": True, "strength": 1}, 2),
        ({"locale": "en", "caseFirst": "upper", "strength": 2}, 2),
        ({"locale": "en", "unknown": 1}, 40415),
    ],
)
def test_errors(raw: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as raised:
        Collation.parse(raw)
    assert raised.value.code == code


def test_all_options_are_shown() -> None:
    collation = Collation.parse({"locale": "en", "strength": 2})
    assert collation is not None
    assert collation.document == {
        "locale": "en",
        "caseLevel": False,
        "caseFirst": "off",
        "strength": 2,
        "numericOrdering": False,
        "alternate": "non-ignorable",
        "maxVariable": "punct",
        "normalization": False,
        "backwards": False,
        "version": "57.1",
    }
