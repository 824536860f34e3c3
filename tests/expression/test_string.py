"""String operators of the aggregation language (MongoDB manual: String Expression Operators)."""

from datetime import datetime
from typing import Any

import pytest
from bson.code import Code
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import parse_expression
from kato_compat.values.equality import same


def evaluate(expression: Any, document: dict[str, Any] | None = None) -> Any:
    return parse_expression(expression).bind()(document or {})


def code_of(expression: Any, document: dict[str, Any] | None = None) -> Any:
    with pytest.raises(OperationFailure) as caught:
        evaluate(expression, document)
    return caught.value.code


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"$concat": []}, ""),
        ({"$concat": ["a", "$absent", 5]}, None),
        ({"$concat": [None, "a"]}, None),
        ({"$toLower": "ÄÖ ABC ΣΩ"}, "ÄÖ abc ΣΩ"),
        ({"$toUpper": "äö abc ß"}, "äö ABC ß"),
        ({"$toUpper": None}, ""),
        ({"$toUpper": "$absent"}, ""),
        ({"$toLower": 12}, "12"),
        ({"$toLower": Int64(2**40)}, "1099511627776"),
        ({"$toLower": 1.0}, "1"),
        ({"$toLower": 0.1}, "0.1"),
        ({"$toLower": 1e20}, "1e+20"),
        ({"$toUpper": float("-inf")}, "-INF"),
        ({"$toLower": Decimal128("1E+3")}, "1e+3"),
        ({"$toLower": datetime(2024, 6, 5, 4, 3, 2, 1000)}, "2024-06-05t04:03:02.001z"),
        ({"$toUpper": Timestamp(1, 10)}, "JAN  1 00:00:01:10"),
        ({"$toLower": Code("F()")}, "f()"),
        ({"$strLenBytes": "a€😀"}, 8),
        ({"$strLenCP": "a€😀"}, 3),
        ({"$strLenCP": ""}, 0),
        ({"$strcasecmp": ["ABC", "abd"]}, -1),
        ({"$strcasecmp": ["É", "é"]}, -1),
        ({"$strcasecmp": [10, "1"]}, 1),
        ({"$strcasecmp": [None, "$absent"]}, 0),
        ({"$strcasecmp": ["￿", "😀"]}, -1),
    ],
)
def test_case_length_and_joining(expression: Any, expected: Any) -> None:
    actual = evaluate(expression)
    assert same(actual, expected)
    assert type(actual) is type(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"$indexOfBytes": ["cafétéria", "t"]}, 5),
        ({"$indexOfCP": ["cafétéria", "t"]}, 4),
        ({"$indexOfBytes": ["abc", "", 3]}, 3),
        ({"$indexOfBytes": ["abc", "", 4]}, -1),
        ({"$indexOfCP": ["abc", "", 3]}, -1),  # the end is not tried when code points are counted
        ({"$indexOfCP": ["", ""]}, 0),
        ({"$indexOfCP": ["", "", 1]}, -1),
        ({"$indexOfBytes": ["abcdef", "cde", 0, 3]}, -1),  # the token has to end before the end
        ({"$indexOfCP": ["abcdef", "cde", 0, 3]}, 2),  # here it has to begin before it
        ({"$indexOfCP": ["abc", "c", 3]}, -1),
        ({"$indexOfCP": ["abc", "a", 5]}, -1),
        ({"$indexOfBytes": ["abcabc", "a", 1.0, Int64(9)]}, 3),
        ({"$indexOfBytes": [None, 5]}, None),
        ({"$substrBytes": ["cafétéria", 3, 2]}, "é"),
        ({"$substrBytes": ["abc", 1, -1]}, "bc"),
        ({"$substrBytes": ["abc", 5, 1]}, ""),
        ({"$substrBytes": ["abc", 0.9, 1.9]}, "a"),
        ({"$substrBytes": ["abc", 1, Decimal128("NaN")]}, "bc"),
        ({"$substr": [Decimal128("12.5"), 0, 2]}, "12"),
        ({"$substrCP": ["cafétéria", 3, 3]}, "été"),
        ({"$substrCP": ["abc", 9, 1]}, ""),
        ({"$substrCP": [None, 0, 1]}, ""),
        ({"$split": ["a-b", "-"]}, ["a", "b"]),
        ({"$split": ["--", "-"]}, ["", "", ""]),
        ({"$split": ["abc", "x"]}, ["abc"]),
        ({"$split": ["abc", None]}, None),
        ({"$trim": {"input": "\0\t a\u00a0b\u2003\u1680 "}}, "a\u00a0b"),
        ({"$trim": {"input": "\u2028a\u202f"}}, "\u2028a\u202f"),  # not among the manual's whitespace characters
        ({"$ltrim": {"input": "xxaxx", "chars": "x"}}, "axx"),
        ({"$rtrim": {"input": "xxaxx", "chars": "x"}}, "xxa"),
        ({"$trim": {"input": "abc", "chars": ""}}, "abc"),
        ({"$trim": {"input": "abc", "chars": None}}, None),
        ({"$trim": {"input": None, "chars": 5}}, None),
        ({"$replaceOne": {"input": "aXbX", "find": "X", "replacement": "-"}}, "a-bX"),
        ({"$replaceOne": {"input": "ab", "find": "", "replacement": "-"}}, "-ab"),
        ({"$replaceAll": {"input": "ab", "find": "", "replacement": "-"}}, "-a-b-"),
        ({"$replaceAll": {"input": "aaa", "find": "aa", "replacement": "b"}}, "ba"),
        ({"$replaceAll": {"input": "a", "find": "$absent", "replacement": "b"}}, None),
    ],
)
def test_finding_cutting_and_replacing(expression: Any, expected: Any) -> None:
    actual = evaluate(expression)
    assert same(actual, expected)
    assert type(actual) is type(expected)


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ({"$concat": ["$absent_is_read_later", "a", 5]}, 16702),  # neighbouring constants are joined first
        ({"$concat": [1, None]}, 16702),
        ({"$toLower": True}, 16007),
        ({"$toUpper": {"a": 1}}, 16007),
        ({"$strcasecmp": ["a", ObjectId()]}, 16007),
        ({"$toLower": ["a", "b"]}, 16020),
        ({"$strcasecmp": "a"}, 16020),
        ({"$strLenBytes": None}, 34473),
        ({"$strLenCP": 5}, 34471),
        ({"$indexOfBytes": ["a"]}, 28667),
        ({"$indexOfBytes": [5, "a"]}, 40091),
        ({"$indexOfBytes": ["a", None]}, 40092),
        ({"$indexOfCP": [5, "a"]}, 40093),
        ({"$indexOfCP": ["a", 5]}, 40094),
        ({"$indexOfCP": ["a", "a", 1.5]}, 40096),
        ({"$indexOfBytes": ["a", "a", None]}, 40096),
        ({"$indexOfBytes": ["a", "a", 2**31]}, 40096),
        ({"$indexOfBytes": ["a", "a", 0, -1]}, 40097),
        ({"$substrBytes": [True, 0, 1]}, 16007),
        ({"$substrBytes": ["a", "0", 1]}, 16034),
        ({"$substr": ["a", 0, None]}, 16035),
        ({"$substrBytes": ["a", -1, 1]}, 50752),
        ({"$substrBytes": ["a", Decimal128("NaN"), 1]}, 50752),
        ({"$substrBytes": ["a", float("nan"), 1]}, 31109),
        ({"$substrBytes": ["a", 0, float("inf")]}, 31109),
        ({"$substrBytes": ["é", 1, 1]}, 28656),
        ({"$substrBytes": ["é", 0, 1]}, 28657),
        ({"$substrCP": ["a", "0", 1]}, 34450),
        ({"$substrCP": ["a", 0.5, 1]}, 34451),
        ({"$substrCP": ["a", 0, "1"]}, 34452),
        ({"$substrCP": ["a", 0, 2**31]}, 34453),
        ({"$substrCP": ["a", 0, -1]}, 34454),
        ({"$substrCP": ["a", -1, 1]}, 34455),
        ({"$split": [5, "a"]}, 40085),
        ({"$split": ["a", Regex("a")]}, 10503900),
        ({"$split": ["a", ""]}, 40087),
        ({"$trim": "a"}, 50696),
        ({"$trim": {"input": "a", "char": "b"}}, 50694),
        ({"$ltrim": {"chars": "b"}}, 50695),
        ({"$rtrim": {"input": 5}}, 50699),
        ({"$trim": {"input": "a", "chars": 5}}, 50700),
        ({"$replaceOne": "a"}, 51751),
        ({"$replaceOne": {"input": "a", "find": "a", "replacement": "b", "x": 1}}, 51750),
        ({"$replaceOne": {"find": "a", "replacement": "b"}}, 51749),
        ({"$replaceAll": {"input": "a", "replacement": "b"}}, 51748),
        ({"$replaceAll": {"input": "a", "find": "a"}}, 51747),
        ({"$replaceAll": {"input": 1, "find": 1, "replacement": 1}}, 10503904),
        ({"$replaceAll": {"input": None, "find": 1, "replacement": 1}}, 10503901),
        ({"$replaceAll": {"input": None, "find": None, "replacement": 1}}, 10503902),
        ({"$replaceAll": {"input": "é", "find": "", "replacement": "-"}}, 22),
        ({"$encStrStartsWith": {"input": "$a", "prefix": "b"}}, 115),
    ],
)
def test_errors(expression: Any, code: int) -> None:
    assert code_of(expression) == code


@pytest.mark.parametrize("letter", ["é", "日", "😀"])
def test_byte_and_code_point_positions_agree(letter: str) -> None:
    text = f"ab{letter}cd{letter}"
    at = evaluate({"$indexOfCP": ["$s", "c"]}, {"s": text})
    assert evaluate({"$substrCP": ["$s", at, 2]}, {"s": text}) == "cd"
    at = evaluate({"$indexOfBytes": ["$s", "c"]}, {"s": text})
    assert evaluate({"$substrBytes": ["$s", at, 2]}, {"s": text}) == "cd"
    assert evaluate({"$strLenBytes": "$s"}, {"s": text}) == len(text.encode())


# Values from the manual's page of the _hashBSONElement command and from hashed indexes over null.
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2013, 2, 12, 22, 12, 57, 211_000), -4185544074338741873),
        (None, 2338878944348059895),
    ],
)
def test_hashed_index_key(value: Any, expected: int) -> None:
    actual = evaluate({"$toHashedIndexKey": "$v"}, {"v": value})
    assert (actual, type(actual)) == (expected, Int64)


def test_numbers_are_hashed_as_whole_numbers_of_any_type() -> None:
    numbers = [2, Int64(2), 2.9, Decimal128("2.0")]
    assert len({evaluate({"$toHashedIndexKey": "$v"}, {"v": number}) for number in numbers}) == 1
    assert evaluate({"$toHashedIndexKey": "$absent"}) == evaluate({"$toHashedIndexKey": None})
    nested = [{"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, {"b": [1, {"b": 2}]}]
    assert len({evaluate({"$toHashedIndexKey": "$v"}, {"v": value}) for value in nested}) == 3
