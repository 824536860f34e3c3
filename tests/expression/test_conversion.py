"""Conversions: every pair of types, forms of text, limits, `onError` and `onNull` (manual: $convert and $toX)."""

import math
from datetime import datetime
from typing import Any

import pytest
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import parse_expression
from kato_compat.values.equality import same
from kato_compat.values.missing import MISSING

OID = ObjectId("65a1b2c3d4e5f60718293a4b")
UUID_TEXT = "0e3b9063-8abd-4eb3-9f9f-f4c59fd30a60"
UUID_BYTES = bytes.fromhex(UUID_TEXT.replace("-", ""))


def evaluate(expression: Any, document: dict[str, Any]) -> Any:
    return parse_expression(expression).bind()(document)


def code_of(expression: Any, document: dict[str, Any]) -> int | None:
    with pytest.raises(OperationFailure) as caught:
        evaluate(expression, document)
    return caught.value.code


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("$toBool", "false", True),
        ("$toBool", 0.0, False),
        ("$toBool", Decimal128("0E+2"), False),
        ("$toBool", math.nan, True),
        ("$toBool", MinKey(), True),
        ("$toBool", [], True),
        ("$toBool", Timestamp(0, 0), True),
        ("$toDate", Int64(-1), datetime(1969, 12, 31, 23, 59, 59, 999000)),
        ("$toDate", 1.9, datetime(1970, 1, 1, 0, 0, 0, 1000)),
        ("$toDate", Decimal128("1E+3"), datetime(1970, 1, 1, 0, 0, 1)),
        ("$toDate", OID, datetime(2024, 1, 12, 21, 44, 35)),
        ("$toDate", Timestamp(60, 7), datetime(1970, 1, 1, 0, 1)),
        ("$toDate", "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12)),
        ("$toDate", Int64(2**60), DatetimeMS(2**60)),
        ("$toDecimal", 0.1, Decimal128("0.100000000000000")),
        ("$toDecimal", Int64(2**63 - 1), Decimal128("9223372036854775807")),
        ("$toDecimal", "-1.50e2", Decimal128("-150")),
        ("$toDecimal", "inf", Decimal128("Infinity")),
        ("$toDecimal", True, Decimal128("1")),
        ("$toDecimal", datetime(1970, 1, 1, 0, 0, 1), Decimal128("1000")),
        ("$toDouble", "1e-2", 0.01),
        ("$toDouble", ".5", 0.5),
        ("$toDouble", "-Infinity", -math.inf),
        ("$toDouble", "-0", -0.0),
        ("$toDouble", "-0x1A", -26.0),
        ("$toDouble", Decimal128("0.1"), 0.1),
        ("$toDouble", False, 0.0),
        ("$toInt", -1.9, -1),
        ("$toInt", Decimal128("2147483647.9"), 2**31 - 1),
        ("$toInt", "+007", 7),
        ("$toInt", Int64(-(2**31)), -(2**31)),
        ("$toLong", 7, Int64(7)),
        ("$toLong", datetime(1970, 1, 2), Int64(86_400_000)),
        ("$toLong", "-9223372036854775808", Int64(-(2**63))),
        ("$toObjectId", str(OID), OID),
        ("$toString", 1.0, "1"),
        ("$toString", 1e15, "1000000000000000"),
        ("$toString", 1e16, "1e+16"),
        ("$toString", 0.0001, "0.0001"),
        ("$toString", 1e-5, "1e-05"),
        ("$toString", -0.0, "-0"),
        ("$toString", -math.inf, "-Infinity"),
        ("$toString", Decimal128("1E+3"), "1E+3"),
        ("$toString", Decimal128("-NaN"), "NaN"),
        ("$toString", Int64(5), "5"),
        ("$toString", True, "true"),
        ("$toString", OID, str(OID)),
        ("$toString", datetime(24, 1, 2, 3, 4, 5, 6000), "0024-01-02T03:04:05.006Z"),
        ("$toString", b"hi", "aGk="),
        ("$toString", Binary(UUID_BYTES, 4), UUID_TEXT),
        ("$toUUID", UUID_TEXT.upper(), Binary(UUID_BYTES, 4)),
        ("$toArray", '[1, 3000000000, 1.0, "a", null, {"b": [true]}]',
         [1, Int64(3_000_000_000), 1.0, "a", None, {"b": [True]}]),
        ("$toArray", Binary(b"\x03\x00\x01\xff", 9), [1, -1]),
        ("$toArray", Binary(b"\x10\x06\xc0", 9), [True, True]),
        ("$toObject", '{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
    ],
)  # fmt: skip
def test_results(name: str, value: Any, expected: Any) -> None:
    for actual in (evaluate({name: "$a"}, {"a": value}), evaluate({name: [{"$literal": value}]}, {})):
        assert same(actual, expected), f"{actual!r} is not {expected!r}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("$toInt", ""),
        ("$toInt", "1.5"),
        ("$toInt", " 1"),
        ("$toInt", "0x10"),
        ("$toInt", "2147483648"),
        ("$toInt", "1_0"),
        ("$toInt", 2147483647.5),
        ("$toInt", math.nan),
        ("$toInt", math.inf),
        ("$toInt", Decimal128("NaN")),
        ("$toInt", Int64(2**31)),
        ("$toInt", datetime(1970, 1, 1)),
        ("$toInt", OID),
        ("$toLong", 2.0**63),
        ("$toLong", Decimal128("9223372036854775808")),
        ("$toLong", "9223372036854775808"),
        ("$toDouble", "1e400"),
        ("$toDouble", "1e-400"),
        ("$toDouble", "1e"),
        ("$toDouble", Decimal128("1E+400")),
        ("$toDouble", Decimal128("1E-400")),
        ("$toDecimal", "1E+6145"),
        ("$toDecimal", "1E-6200"),
        ("$toDecimal", "."),
        ("$toDecimal", "x"),
        ("$toDate", 5),
        ("$toDate", True),
        ("$toDate", "soon"),
        ("$toDate", 1e300),
        ("$toObjectId", "12"),
        ("$toObjectId", "z" * 24),
        ("$toObjectId", 1),
        ("$toString", {}),
        ("$toString", []),
        ("$toString", Regex("a")),
        ("$toString", Code("a")),
        ("$toString", MaxKey()),
        ("$toString", Timestamp(1, 1)),
        ("$toUUID", UUID_TEXT[1:]),
        ("$toArray", "{}"),
        ("$toArray", "[1,]"),
        ("$toArray", "[NaN]"),
        ("$toArray", b"\x03\x00"),
        ("$toObject", "1"),
        ("$toObject", '{"a\\u0000": 1}'),
        ("$toObject", [1]),
    ],
)
def test_failures(name: str, value: Any) -> None:
    assert code_of({name: "$a"}, {"a": value}) == 241


@pytest.mark.parametrize(
    "name",
    ["$toBool", "$toDate", "$toDecimal", "$toDouble", "$toInt", "$toLong", "$toObjectId", "$toString", "$toUUID"],
)
def test_shorthands_of_null_and_of_lists(name: str) -> None:
    assert evaluate({name: None}, {}) is None
    assert evaluate({name: "$absent"}, {}) is None
    assert code_of({name: []}, {}) == 50723
    assert code_of({name: [1, 2]}, {}) == 50723


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        ({"input": "$a", "to": "int"}, 65),
        ({"input": "$a", "to": 16}, 65),
        ({"input": "$a", "to": {"type": 1}}, 65.0),
        ({"input": "$none", "to": "int"}, None),
        ({"input": "$none", "to": "int", "onNull": "$absent"}, MISSING),
        ({"input": "$a", "to": "$none"}, None),
        ({"input": "x", "to": "int", "onError": "$a"}, "65"),
        ({"input": "$a", "to": "binData", "format": "utf8"}, b"65"),
        ({"input": "$a", "to": {"type": "binData", "subtype": 128}, "format": "hex"}, Binary(b"e", 128)),
        ({"input": "_-8", "to": "binData", "format": "base64url"}, b"\xff\xef"),
        ({"input": b"\xff\xef", "to": "string", "format": "base64url"}, "_-8"),
        ({"input": b"\xff\xef", "to": "string", "format": "hex"}, "FFEF"),
        ({"input": b"65", "to": "string", "format": "utf8"}, "65"),
        ({"input": 1, "to": "binData"}, b"\1\0\0\0"),
        ({"input": Int64(1), "to": "binData", "byteOrder": "big"}, b"\0\0\0\0\0\0\0\1"),
        ({"input": b"\xfe", "to": "int"}, -2),
        ({"input": b"\1\0", "to": "long", "byteOrder": "big"}, Int64(256)),
        ({"input": b"\0\0\x80?", "to": "double"}, 1.0),
        ({"input": b"ab", "to": "binData"}, b"ab"),
    ],
)  # fmt: skip
def test_convert(operand: dict[str, Any], expected: Any) -> None:
    actual = evaluate({"$convert": operand}, {"a": "65"})
    assert actual is expected or same(actual, expected), f"{actual!r} is not {expected!r}"


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        (1, 9),
        ({"input": 1}, 9),
        ({"to": "int"}, 9),
        ({"input": 1, "to": "int", "more": 1}, 9),
        ({"input": 1, "to": "int", "base": 2}, 9),
        ({"input": 1, "to": True}, 9),
        ({"input": 1, "to": 1.5}, 9),
        ({"input": 1, "to": 100}, 9),
        ({"input": 1, "to": {"subtype": 0}}, 9),
        ({"input": 1, "to": "number"}, 2),
        ({"input": 1, "to": "missing"}, 241),
        ({"input": 1, "to": "minKey"}, 241),
        ({"input": "a", "to": "binData"}, 4341115),
        ({"input": "a", "to": "binData", "format": 1}, 4341114),
        ({"input": "a", "to": "binData", "format": "x"}, 4341125),
        ({"input": "aa", "to": {"type": "binData", "subtype": "x"}, "format": "hex"}, 4341108),
        ({"input": "aa", "to": {"type": "binData", "subtype": 1.5}, "format": "hex"}, 4341106),
        ({"input": "aa", "to": {"type": "binData", "subtype": 100}, "format": "hex"}, 4341107),
        ({"input": "a", "to": "binData", "format": "hex"}, 241),
        ({"input": "a", "to": "binData", "format": "auto"}, 241),
        ({"input": UUID_TEXT, "to": "binData", "format": "uuid"}, 241),
        ({"input": b"\xff", "to": "string", "format": "utf8"}, 241),
        ({"input": b"\xff", "to": "string", "format": "uuid"}, 241),
        ({"input": b"abc", "to": "int"}, 241),
        ({"input": b"a", "to": {"type": "binData", "subtype": 5}}, 241),
        ({"input": [1], "to": "binData"}, 241),
        ({"input": 1, "to": "int", "byteOrder": 1}, 9130001),
        ({"input": 1, "to": "int", "byteOrder": "middle"}, 9130002),
        ({"input": "x", "to": "int", "onError": {"$divide": [1, 0]}}, 2),
        ({"input": DatetimeMS(2**62), "to": "string", "onError": 1}, 18537),
    ],
)
def test_convert_errors(operand: Any, code: int) -> None:
    assert code_of({"$convert": operand}, {}) == code


def test_a_wrong_type_matters_only_when_a_document_comes() -> None:
    run = parse_expression({"$convert": {"input": "$a", "to": "nonsense"}}).bind()
    with pytest.raises(OperationFailure) as caught:
        run({"a": 1})
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("value", "name", "number"),
    [(1, "int", True), (2**31, "long", True), (1.0, "double", True), (Decimal128("1"), "decimal", True),
     (True, "bool", False), ("", "string", False), (b"", "binData", False), (None, "null", False)],
)  # fmt: skip
def test_questions_about_types(value: Any, name: str, number: bool) -> None:
    assert evaluate({"$type": "$a"}, {"a": value}) == name
    assert evaluate({"$isNumber": "$a"}, {"a": value}) is number


def test_a_missing_field_has_a_type() -> None:
    assert evaluate({"$type": "$absent"}, {}) == "missing"
    assert code_of({"$type": [1, 2]}, {}) == 16020
