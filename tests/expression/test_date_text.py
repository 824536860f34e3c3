"""`$dateToString` and `$dateFromString` (MongoDB manual: the pages of these operators, Format Specifiers)."""

from datetime import datetime
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import parse_expression
from kato_compat.values.datetext import parse_date
from kato_compat.values.equality import same

MOMENT = datetime(2021, 1, 3, 4, 5, 6, 78_000)  # a Sunday


def evaluate(expression: Any, document: dict[str, Any] | None = None) -> Any:
    return parse_expression(expression).bind()(document or {})


def code_of(expression: Any, document: dict[str, Any] | None = None) -> Any:
    with pytest.raises(OperationFailure) as caught:
        evaluate(expression, document)
    return caught.value.code


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("%Y-%m-%d %H:%M:%S.%L", "2021-01-03 04:05:06.078"),
        ("%b %B", "Jan January"),
        ("%j|%w|%u|%U", "003|1|7|01"),
        ("%G-W%V", "2020-W53"),
        ("%z %Z", "+0000 0"),
        ("100%%, %d%m", "100%, 0301"),
        ("%%%Y", "%2021"),
        ("", ""),
        ("été", "été"),
    ],
)
def test_format_specifiers(form: str, expected: str) -> None:
    assert evaluate({"$dateToString": {"date": "$d", "format": form}}, {"d": MOMENT}) == expected
    assert evaluate({"$dateToString": {"date": "$d", "format": "$f"}}, {"d": MOMENT, "f": form}) == expected


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("America/New_York", "02 23:05 -0500 -300"),
        ("Asia/Kathmandu", "03 09:50 +0545 345"),
        ("-03:30", "03 00:35 -0330 -210"),
        ("-00:30", "03 03:35 -0030 -30"),
    ],
)
def test_format_in_a_zone(zone: str, expected: str) -> None:
    operand = {"date": "$d", "format": "%d %H:%M %z %Z", "timezone": zone}
    assert evaluate({"$dateToString": operand}, {"d": MOMENT}) == expected


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        ({"date": "$d"}, "2021-01-03T04:05:06.078Z"),
        ({"date": "$d", "timezone": "UTC"}, "2021-01-03T04:05:06.078Z"),
        ({"date": "$d", "timezone": "+00:00"}, "2021-01-03T04:05:06.078Z"),
        ({"date": "$d", "timezone": "GMT"}, "2021-01-03T04:05:06.078"),
        ({"date": "$d", "timezone": "Europe/Rome"}, "2021-01-03T05:05:06.078"),
        ({"date": "$d", "timezone": "$absent"}, None),
        ({"date": "$d", "format": None}, None),
        ({"date": None, "onNull": 5}, 5),
        ({"date": "$absent", "onNull": "$d"}, MOMENT),
        ({"date": "$absent"}, None),
        ({"date": Timestamp(0, 1)}, "1970-01-01T00:00:00.000Z"),
        ({"date": ObjectId("0" * 24), "format": "%Y"}, "1970"),
    ],
)
def test_date_to_string_defaults(operand: dict[str, Any], expected: Any) -> None:
    assert same(evaluate({"$dateToString": operand}, {"d": MOMENT}), expected)


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        ("$d", 18629),
        ({"date": "$d", "x": 1}, 18534),
        ({"format": "%Y"}, 18628),
        ({"date": "$d", "format": 5}, 18533),
        ({"date": "$d", "format": "%"}, 18535),
        ({"date": "$d", "format": "%Y-%"}, 18535),
        ({"date": "$d", "format": "%y"}, 18536),
        ({"date": None, "format": "%y"}, 18536),
        ({"date": "text"}, 16006),
        ({"date": DatetimeMS(2**63 - 1)}, 18537),
        ({"date": DatetimeMS(-(2**62)), "format": "%G"}, 18537),
        ({"date": "$d", "timezone": "Nowhere"}, 40485),
        ({"date": None, "timezone": 5}, 40517),
    ],
)
def test_date_to_string_errors(operand: Any, code: int) -> None:
    assert code_of({"$dateToString": operand}, {"d": MOMENT}) == code


def test_a_year_out_of_range_is_no_error_where_it_is_not_shown() -> None:
    assert evaluate({"$dateToString": {"date": DatetimeMS(2**63 - 1), "format": "%m-%d"}}) == "08-17"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-06-15", datetime(2024, 6, 15)),
        ("2024-06-15T10:30", datetime(2024, 6, 15, 10, 30)),
        ("2024-06-15T10:30:15", datetime(2024, 6, 15, 10, 30, 15)),
        ("2024-06-15 10:30:15.25", datetime(2024, 6, 15, 10, 30, 15, 250_000)),
        ("2024-06-15T10:30:15.1239999Z", datetime(2024, 6, 15, 10, 30, 15, 123_000)),
        ("  2024-06-15t10:30:15z ", datetime(2024, 6, 15, 10, 30, 15)),
        ("2024-06-15T10:30:15+05:30", datetime(2024, 6, 15, 5, 0, 15)),
        ("2024-06-15T10:30:15 -0330", datetime(2024, 6, 15, 14, 0, 15)),
        ("2024-06-15 10:30 GMT+2", datetime(2024, 6, 15, 8, 30)),
        ("2024-06-15 10:30 EST", datetime(2024, 6, 15, 15, 30)),
        ("2024-06-15 10:30 (cest)", datetime(2024, 6, 15, 8, 30)),
        ("2024-06-15 10:30 M", datetime(2024, 6, 14, 22, 30)),
        ("20240615", datetime(2024, 6, 15)),
        ("20240615T103015Z", datetime(2024, 6, 15, 10, 30, 15)),
        ("2024-06", datetime(2024, 6, 1)),
        ("2024/6/5", datetime(2024, 6, 5)),
        ("24-06-15", datetime(2024, 6, 15)),
        ("2024-167", datetime(2024, 6, 15)),
        ("2024-W24", datetime(2024, 6, 10)),
        ("2024W246", datetime(2024, 6, 15)),
        ("6/15/2024", datetime(2024, 6, 15)),
        ("6/15/70", datetime(1970, 6, 15)),
        ("15.06.2024 9:5:1", datetime(2024, 6, 15, 9, 5, 1)),
        ("15-06-2024", datetime(2024, 6, 15)),
        ("June 15, 2024", datetime(2024, 6, 15)),
        ("june 15th 2024 3pm", datetime(2024, 6, 15, 15)),
        ("15 Jun 2024 12:30 AM", datetime(2024, 6, 15, 0, 30)),
        ("15-Jun-2024", datetime(2024, 6, 15)),
        ("2024-Jun-15 noon", datetime(2024, 6, 15, 12)),
        ("Sat, 15 Jun 2024 10:30:15 +0000", datetime(2024, 6, 15, 10, 30, 15)),
        ("Mon, 15 Jun 2024 10:30:15 +0000", datetime(2024, 6, 17, 10, 30, 15)),  # the weekday moves the date on
        ("15/Jun/2024:10:30:15 +0100", datetime(2024, 6, 15, 9, 30, 15)),
        ("@86400", datetime(1970, 1, 2)),
        ("@-1.5", datetime(1969, 12, 31, 23, 59, 58, 500_000)),
        ("2024-06-15 +1 day -2 hours", datetime(2024, 6, 15, 22)),
        ("2024-01-31 next month", datetime(2024, 3, 2)),
        ("2024-02-10 last day of", datetime(2024, 2, 29)),
        ("first monday of June 2024", datetime(2024, 6, 3)),
        ("2024-06-14 +1 weekday", datetime(2024, 6, 17)),
        ("2024-06-15 3 days ago", datetime(2024, 6, 12)),
        ("0001-01-01", datetime(1, 1, 1)),
        ("0000-01-01", DatetimeMS(-62167219200000)),
        ("+12024-06-15", DatetimeMS(317287929600000)),
    ],
)
def test_free_texts(text: str, expected: Any) -> None:
    assert same(evaluate({"$dateFromString": {"dateString": text}}), expected)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "bad", "July 4th", "12:50:53", "2024", "2024-13-01", "2023-02-29", "2024-06-15T24:00:00",
        "2024-06-15T10:60", "2024-06-15 10:30:60", "2024-06-15 2024-06-16", "2024-06-15 10:30 11:30",
        "2024-06-15 10:30 Europe/Paris", "2024-06-15 XYZ", "2024-06-15 Z Z", "tomorrow", "15/06/2024", "-2024-06-15",
        "2024-06-15 #",
    ],
)  # fmt: skip
def test_texts_that_are_no_dates(text: str) -> None:
    assert code_of({"$dateFromString": {"dateString": text}}) == 241
    assert evaluate({"$dateFromString": {"dateString": text, "onError": "$x"}}, {"x": Int64(1)}) == 1


def test_usual_texts_are_read_as_the_rules_read_them() -> None:
    # A space in front takes a text past the shortcut for the usual forms.
    for text in ("2024-06-15", "2024-06-15T10:30:15", "2024-06-15 10:30:15.5", "2024-06-15T10:30:15.25-08:00"):
        assert parse_date(text) == parse_date(" " + text)


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("05 12 1988", "%d %m %Y", datetime(1988, 12, 5)),
        ("5*1*1988", "%d*%m*%Y", datetime(1988, 1, 5)),
        ("1988 % 04", "%Y %% %m%d", None),
        ("1988 % 0426", "%Y %% %m%d", datetime(1988, 4, 26)),
        ("Day 5 of May, 1988", "Day %d of %B, %Y", datetime(1988, 5, 5)),
        ("5 MAY 88", "%d %b %Y", datetime(88, 5, 5)),
        ("1988-05-05 7", "%Y-%m-%d %H", datetime(1988, 5, 5, 7)),
        ("1988-05-05 07:08:09.5", "%Y-%m-%d %H:%M:%S.%L", datetime(1988, 5, 5, 7, 8, 9, 500_000)),
        ("1988-05-05 7:8", "%Y-%m-%d %H:%M", None),
        ("1988-05-05 +0530", "%Y-%m-%d %z", datetime(1988, 5, 4, 18, 30)),
        ("1988-05-05 GMT-3", "%Y-%m-%d%z", datetime(1988, 5, 5, 3)),
        ("1988-05-05 CET", "%Y-%m-%d %z", datetime(1988, 5, 4, 23)),
        ("1988-05-05 Europe/Rome", "%Y-%m-%d %z", None),
        ("1988-05-05 +330", "%Y-%m-%d %Z", datetime(1988, 5, 4, 18, 30)),
        ("1988-05-05 330", "%Y-%m-%d %Z", None),
        ("2017", "%G", datetime(2017, 1, 2)),
        ("53.7.2017", "%V.%u.%G", datetime(2018, 1, 7)),
        ("54.7.2017", "%V.%u.%G", None),
        ("53.8.2017", "%V.%u.%G", None),
        ("Day 6", "Day %u", None),
        ("1, 2018", "%V, %Y", None),
        ("12/2018", "%m/%G", None),
        ("2018-01", "%Y-%m-%d", None),
        ("2018-01", "%Y", None),
        ("2018-01", "%Y-%m", None),
        ("2018-02-30", "%Y-%m-%d", None),
        ("2018-02-20 24", "%Y-%m-%d %H", None),
        ("2007-000", "%Y-%j", datetime(2007, 1, 1)),  # the server counts these days from 0
        ("2007-01-11", "%Y-%j-%m", datetime(2007, 11, 2)),
        ("60", "%j", None),
        ("1/1/2017", "", None),
    ],
)
def test_texts_by_a_format(text: str, form: str, expected: datetime | None) -> None:
    operand = {"dateString": "$text", "format": "$form"}
    document = {"text": text, "form": form}
    if expected is None:
        assert code_of({"$dateFromString": operand}, document) == 241
        assert evaluate({"$dateFromString": {**operand, "onError": "no"}}, document) == "no"
    else:
        assert same(evaluate({"$dateFromString": operand}, document), expected)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"timezone": "America/New_York"}, datetime(1960, 7, 10, 16, 35)),
        ({"timezone": "+04:00"}, datetime(1960, 7, 10, 8, 35)),
        ({"timezone": "$absent"}, None),
        ({"format": "$absent"}, None),
        ({"format": "%Y-%m-%dT%H:%M", "timezone": "Europe/London"}, datetime(1960, 7, 10, 11, 35)),
    ],
)
def test_date_from_string_in_a_zone(more: dict[str, Any], expected: datetime | None) -> None:
    operand = {"dateString": "$s", **more}
    assert same(evaluate({"$dateFromString": operand}, {"s": "1960-07-10T12:35"}), expected)


@pytest.mark.parametrize("text", ["2017-07-12T22:23:55Z", "2017-07-12T22:23:55 GMT+02:00", "2017-07-12 22:23 CET"])
def test_a_zone_in_the_text_and_another_in_the_argument(text: str) -> None:
    for zone in ("Europe/Amsterdam", "+05:00", "GMT"):
        assert code_of({"$dateFromString": {"dateString": "$s", "timezone": zone}}, {"s": text}) == 241
    for zone in ("UTC", "+00:00"):
        assert evaluate({"$dateFromString": {"dateString": "$s", "timezone": zone}}, {"s": text}) is not None


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        ("2024-01-01", 40540),
        ({"dateString": "2024-01-01", "x": 1}, 40541),
        ({"format": "%Y"}, 40542),
        ({"dateString": 5}, 241),
        ({"dateString": None, "format": 5}, 40684),
        ({"dateString": None, "format": "%w"}, 18536),
        ({"dateString": "2024", "format": "%Y%", "onError": 1}, 18535),
        ({"dateString": None, "timezone": "Nowhere"}, 40485),
        ({"dateString": "$absent", "timezone": 5, "onNull": 1}, 40517),
    ],
)
def test_date_from_string_errors(operand: Any, code: int) -> None:
    assert code_of({"$dateFromString": operand}) == code


def test_on_null_and_on_error() -> None:
    operand = {"dateString": "$s", "onNull": "null", "onError": {"was": "$s"}}
    assert evaluate({"$dateFromString": operand}, {}) == "null"
    assert evaluate({"$dateFromString": operand}, {"s": 5}) == {"was": 5}
    assert evaluate({"$dateFromString": operand}, {"s": "2024-01-01"}) == datetime(2024, 1, 1)
