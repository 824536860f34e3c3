"""`$regexFind`, `$regexFindAll` and `$regexMatch` (MongoDB manual: the pages of these operators)."""

from typing import Any

import pytest
from bson.regex import Regex
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import parse_expression
from kato_compat.values.equality import same


def evaluate(expression: Any, document: dict[str, Any] | None = None) -> Any:
    return parse_expression(expression).bind()(document or {})


def found(match: str, idx: int, *captures: str | None) -> dict[str, Any]:
    return {"match": match, "idx": idx, "captures": list(captures)}


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("Some text for", "text", [found("text", 5)]),
        ("aa bb aa", "(a)(a)|(b)b", [found("aa", 0, "a", "a", None), found("bb", 3, None, None, "b"),
                                     found("aa", 6, "a", "a", None)]),
        ("éxéx", "x", [found("x", 1), found("x", 3)]),
        ("😀a", "a", [found("a", 1)]),
        ("abc", "", [found("", 0), found("", 1), found("", 2)]),
        ("", "", [found("", 0)]),
        ("aba", "b*", [found("", 0), found("b", 1), found("", 2)]),
        ("aab", "(?=a)", [found("", 0), found("", 1)]),
        ("x\ny", "^.", [found("x", 0)]),
        ("none", "z", []),
    ],
)  # fmt: skip
def test_matches(text: str, pattern: str, expected: list[dict[str, Any]]) -> None:
    arguments = {"input": "$s", "regex": pattern}
    assert same(evaluate({"$regexFindAll": arguments}, {"s": text}), expected)
    assert same(evaluate({"$regexFind": arguments}, {"s": text}), expected[0] if expected else None)
    assert evaluate({"$regexMatch": arguments}, {"s": text}) is bool(expected)


@pytest.mark.parametrize(
    "arguments",
    [
        {"input": "LINE", "regex": "line", "options": "i"},
        {"input": "LINE", "regex": Regex("line", "i")},
        {"input": "LINE", "regex": Regex("line"), "options": "i"},
        {"input": "LINE", "regex": Regex("line", "i"), "options": None},
        {"input": "a\nLINE", "regex": "^LINE", "options": "m"},
        {"input": "a\nb", "regex": "a.b", "options": "s"},
        {"input": "ab", "regex": "a b # both", "options": "x"},
    ],
)
def test_options(arguments: dict[str, Any]) -> None:
    assert evaluate({"$regexMatch": arguments}) is True
    document = {"regex": arguments["regex"], "options": arguments.get("options")}
    moving = {"input": arguments["input"], "regex": "$regex", "options": "$options"}
    assert evaluate({"$regexMatch": moving}, document) is True


@pytest.mark.parametrize(("text", "pattern"), [(None, "a"), ("a", None), (None, None)])
def test_null_input_or_pattern(text: str | None, pattern: str | None) -> None:
    for arguments in ({"input": text, "regex": pattern}, {"input": "$s", "regex": "$p"}):
        document = {"s": text, "p": pattern}
        assert evaluate({"$regexFind": arguments}, document) is None
        assert evaluate({"$regexFindAll": arguments}, document) == []
        assert evaluate({"$regexMatch": arguments}, document) is False


def test_an_unknown_option_beside_a_null_pattern_is_not_looked_at() -> None:
    assert evaluate({"$regexFindAll": {"input": "a", "regex": None, "options": "z"}}) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("text", 51103),
        ({"input": "a", "regex": "a", "flags": "i"}, 31024),
        ({"regex": "a"}, 31022),
        ({"input": "a"}, 31023),
        ({"input": 5, "regex": "a"}, 51104),
        ({"input": 5, "regex": None}, 51104),
        ({"input": 5, "regex": 5}, 51105),
        ({"input": "a", "regex": "a", "options": 5}, 51106),
        ({"input": "a", "regex": Regex("a", "i"), "options": "i"}, 51107),
        ({"input": "a", "regex": Regex("a", "i"), "options": ""}, 51107),
        ({"input": "a", "regex": "a", "options": "z"}, 51108),
        ({"input": "a", "regex": "a\0b"}, 51109),
        ({"input": "a", "regex": "a", "options": "i\0"}, 51110),
        ({"input": "a", "regex": "("}, 51111),
        ({"input": None, "regex": "("}, 51111),
    ],
)
@pytest.mark.parametrize("name", ["$regexFind", "$regexFindAll", "$regexMatch"])
def test_errors(name: str, arguments: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        evaluate({name: arguments})
    assert caught.value.code == code


def test_a_wrong_constant_pattern_is_an_error_without_any_document() -> None:
    with pytest.raises(OperationFailure) as caught:
        parse_expression({"$regexMatch": {"input": "$s", "regex": "("}})
    assert caught.value.code == 51111
