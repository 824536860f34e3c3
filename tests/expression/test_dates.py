"""Date operators except those on texts (MongoDB manual: Date Expression Operators)."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import parse_expression
from kato_compat.values import dates
from kato_compat.values.equality import same
from kato_compat.values.timezone import find_zone

FIELDS = (
    "$year", "$month", "$dayOfMonth", "$hour", "$minute", "$second", "$millisecond", "$dayOfYear", "$dayOfWeek",
    "$week", "$isoDayOfWeek", "$isoWeek", "$isoWeekYear",
)  # fmt: skip
LATEST = DatetimeMS(2**63 - 1)
EARLIEST = DatetimeMS(-(2**63))


def evaluate(expression: Any, document: dict[str, Any] | None = None) -> Any:
    return parse_expression(expression).bind()(document or {})


def code_of(expression: Any, document: dict[str, Any] | None = None) -> Any:
    with pytest.raises(OperationFailure) as caught:
        evaluate(expression, document)
    return caught.value.code


@pytest.mark.parametrize("step", [1, 97, 1461, 36_524])
def test_the_calendar_is_that_of_datetime(step: int) -> None:
    day = date(1, 1, 3)
    for _ in range(300):
        number = day.toordinal() - date(1970, 1, 1).toordinal()
        assert dates.day_of(number) == (day.year, day.month, day.day)
        assert dates.day_number(day.year, day.month, day.day) == number
        assert (*dates.iso_week(number), dates.iso_day_of_week(number)) == tuple(day.isocalendar())
        assert dates.iso_day_number(*day.isocalendar()) == number
        assert dates.week_of_year(number) == int(day.strftime("%U"))
        assert dates.day_of_year(day.year, day.month, day.day) == day.timetuple().tm_yday
        if day > date.max - timedelta(days=step):
            break
        day += timedelta(days=step)


@pytest.mark.parametrize("number", [-(2**63) // 86_400_000, -800_000, -719_529, 0, 3_000_000, 2**63 // 86_400_000])
def test_days_and_their_numbers_are_inverse_beyond_datetime(number: int) -> None:
    assert dates.day_number(*dates.day_of(number)) == number


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2017, 1, 1, 1, 29, 9, 123_000), [2017, 1, 1, 1, 29, 9, 123, 1, 1, 1, 7, 52, Int64(2016)]),
        (datetime(2020, 12, 31, 23, 59, 59), [2020, 12, 31, 23, 59, 59, 0, 366, 5, 52, 4, 53, Int64(2020)]),
        (datetime(1969, 12, 31, 23, 59, 59, 999_000), [1969, 12, 31, 23, 59, 59, 999, 365, 4, 52, 3, 1, Int64(1970)]),
        (Timestamp(2**32 - 1, 1), [2106, 2, 7, 6, 28, 15, 0, 38, 1, 6, 7, 5, Int64(2106)]),
        (ObjectId("ffffffff" + "0" * 16), [1969, 12, 31, 23, 59, 59, 0, 365, 4, 52, 3, 1, Int64(1970)]),
        (LATEST, [292278994, 8, 17, 7, 12, 55, 807, 229, 1, 33, 7, 33, Int64(292278994)]),
        (EARLIEST, [-292275055, 5, 16, 16, 47, 4, 192, 136, 1, 20, 7, 19, Int64(-292275055)]),
        (None, [None] * 13),
    ],
)
def test_fields(value: Any, expected: list[Any]) -> None:
    for form in ("$d", ["$d"], {"date": "$d"}, {"date": "$d", "timezone": "UTC"}, {"date": "$d", "timezone": "+00"}):
        assert same([evaluate({name: form}, {"d": value}) for name in FIELDS], expected)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("America/New_York", (2024, 7, 3, 20)),
        ("Asia/Kolkata", (2024, 7, 4, 5)),
        ("+0530", (2024, 7, 4, 5)),
        ("-03:30", (2024, 7, 3, 20)),
        ("+05", (2024, 7, 4, 5)),
        ("-25:00", (2024, 7, 2, 23)),
        ("+05:70", (2024, 7, 4, 6)),
        ("GMT", (2024, 7, 4, 0)),
        ("Etc/GMT+5", (2024, 7, 3, 19)),
        ("US/Pacific", (2024, 7, 3, 17)),
    ],
)
def test_fields_in_a_zone(zone: str, expected: tuple[int, ...]) -> None:
    document = {"d": datetime(2024, 7, 4), "z": zone}
    found = tuple(evaluate({name: {"date": "$d", "timezone": "$z"}}, document) for name in FIELDS[:4])
    assert found == expected
    assert evaluate({"$hour": {"date": "$d", "timezone": zone}}, document) == expected[3]


def test_daylight_saving_time_goes_on_beyond_the_years_of_datetime() -> None:
    zone = find_zone("America/New_York")
    for year in (2400, 9999, 12_000, 200_000):
        for month, hours in ((1, -5), (7, -4)):
            assert zone.offset(dates.day_number(year, month, 15) * dates.DAY) == hours * 3600
    assert zone.offset(dates.day_number(-5000, 7, 1) * dates.DAY) == zone.offset(dates.day_number(1, 7, 1) * dates.DAY)


def test_a_null_zone_gives_null() -> None:
    for name in FIELDS:
        assert evaluate({name: {"date": "$d", "timezone": "$z"}}, {"d": datetime(2024, 7, 4)}) is None


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        ([datetime(2024, 1, 1)] * 2, 40536),
        ([], 40536),
        ({}, 40539),
        ({"timezone": "UTC"}, 40539),
        ({"date": "$d", "zone": "UTC"}, 40535),
        ("text", 16006),
        ([{"date": datetime(2024, 1, 1)}], 16006),
        ({"date": datetime(2024, 1, 1), "timezone": 5}, 40517),
        ({"date": datetime(2024, 1, 1), "timezone": "Nowhere"}, 40485),
        ({"date": datetime(2024, 1, 1), "timezone": "utc"}, 40485),
        ({"date": datetime(2024, 1, 1), "timezone": "+5:30"}, 40485),
        ({"date": datetime(2024, 1, 1), "timezone": ""}, 40485),
        ({"date": "$absent", "timezone": "Nowhere"}, 40485),  # a constant zone is looked up without a date
    ],
)
def test_field_errors(operand: Any, code: int) -> None:
    for name in FIELDS:
        assert code_of({name: operand}) == code


def test_a_null_constant_hides_a_wrong_constant_zone() -> None:
    assert evaluate({"$year": {"date": None, "timezone": "Nowhere"}}) is None


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"year": 2024}, datetime(2024, 1, 1)),
        ({"year": 2024, "month": 0, "day": 0, "hour": -1}, datetime(2023, 11, 29, 23)),
        ({"year": 2024.0, "month": Int64(2), "day": Decimal128("30")}, datetime(2024, 3, 1)),
        ({"year": 9999, "month": 13}, DatetimeMS(253402300800000)),
        ({"year": 2024, "second": 10**6, "millisecond": -1}, datetime(2024, 1, 12, 13, 46, 39, 999_000)),
        ({"isoWeekYear": 2020, "isoWeek": 53, "isoDayOfWeek": 7}, datetime(2021, 1, 3)),
        ({"isoWeekYear": 2020, "isoWeek": 0, "isoDayOfWeek": 8}, datetime(2019, 12, 30)),
        ({"year": 2024, "month": 7, "timezone": "America/New_York"}, datetime(2024, 7, 1, 4)),
        ({"year": 2024, "hour": 1, "timezone": "+01:30"}, datetime(2023, 12, 31, 23, 30)),
        # Skipped by the change to summer time: read with the offset before it.
        ({"year": 2020, "month": 3, "day": 29, "hour": 2, "timezone": "Europe/Paris"}, datetime(2020, 3, 29, 1)),
        ({"year": 2020, "month": 3, "day": 8, "hour": 2, "timezone": "America/New_York"}, datetime(2020, 3, 8, 7)),
        # Shown twice at the change from summer time: the later one.
        ({"year": 2020, "month": 10, "day": 25, "hour": 2, "timezone": "Europe/Paris"}, datetime(2020, 10, 25, 1)),
        ({"year": 2020, "month": 11, "day": 1, "hour": 1, "timezone": "America/New_York"}, datetime(2020, 11, 1, 6)),
        ({"year": None, "hour": 5}, None),
        ({"year": 2024, "timezone": None}, None),
        ({"year": 99999, "hour": None}, None),
    ],
)
def test_date_from_parts(parts: dict[str, Any], expected: Any) -> None:
    assert same(evaluate({"$dateFromParts": parts}), expected)
    moving = {"$dateFromParts": {name: f"${name}" for name in parts}}
    assert same(evaluate(moving, parts), expected)


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        (5, 40519),
        ({"year": 2024, "week": 1}, 40518),
        ({"month": 1}, 40516),
        ({"year": 2024, "isoWeek": 1}, 40489),
        ({"isoWeekYear": 2024, "day": 1}, 40525),
        ({"year": "2024"}, 40515),
        ({"year": 2024.5}, 40515),
        ({"year": 0}, 40523),
        ({"year": 10000}, 40523),
        ({"isoWeekYear": 0}, 31095),
        ({"year": 2024, "month": 32768}, 31034),
        ({"year": 2024, "minute": -32769}, 31034),
        ({"year": 2024, "timezone": 5}, 40517),
        ({"year": 2024, "second": Int64(2**62)}, 159),
        ({"year": 2024, "millisecond": Int64(2**63 - 1)}, 159),
    ],
)
def test_date_from_parts_errors(operand: Any, code: int) -> None:
    assert code_of({"$dateFromParts": operand}) == code


def test_date_to_parts() -> None:
    document = {"d": datetime(2021, 1, 1, 22, 30, 45, 678_000)}
    assert list(evaluate({"$dateToParts": {"date": "$d", "timezone": "+02:30"}}, document).items()) == [
        ("year", 2021), ("month", 1), ("day", 2), ("hour", 1), ("minute", 0), ("second", 45), ("millisecond", 678),
    ]  # fmt: skip
    assert list(evaluate({"$dateToParts": {"date": "$d", "iso8601": True}}, document).items()) == [
        ("isoWeekYear", 2020), ("isoWeek", 53), ("isoDayOfWeek", 5),
        ("hour", 22), ("minute", 30), ("second", 45), ("millisecond", 678),
    ]  # fmt: skip
    assert evaluate({"$dateToParts": {"date": "$d", "iso8601": None}}, document) is None
    assert evaluate({"$dateToParts": {"date": "$absent"}}) is None


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        ("$d", 40524),
        ({"date": "$d", "zone": 1}, 40520),
        ({"timezone": "UTC"}, 40522),
        ({"date": "$d", "iso8601": 1}, 40521),
        ({"date": "text"}, 16006),
        ({"date": None, "timezone": "Nowhere"}, 40485),
    ],
)
def test_date_to_parts_errors(operand: Any, code: int) -> None:
    assert code_of({"$dateToParts": operand}, {"d": datetime(2024, 1, 1)}) == code


@pytest.mark.parametrize(
    ("start", "unit", "amount", "zone", "expected"),
    [
        (datetime(2024, 1, 31, 5), "month", 1, None, datetime(2024, 2, 29, 5)),
        (datetime(2024, 2, 29), "year", 1, None, datetime(2025, 2, 28)),
        (datetime(2020, 11, 30), "quarter", 1.0, None, datetime(2021, 2, 28)),
        (datetime(2020, 10, 31), "month", -12 * 2020 + 1, None, DatetimeMS(-62138361600000)),  # 0000-11-30
        (datetime(2024, 1, 1), "week", Int64(2), None, datetime(2024, 1, 15)),
        (datetime(2024, 1, 1), "day", Decimal128("-1"), None, datetime(2023, 12, 31)),
        (datetime(2024, 1, 1), "hour", 25, None, datetime(2024, 1, 2, 1)),
        (datetime(2024, 1, 1), "minute", -1, None, datetime(2023, 12, 31, 23, 59)),
        (datetime(2024, 1, 1), "second", 61, None, datetime(2024, 1, 1, 0, 1, 1)),
        (datetime(2024, 1, 1), "millisecond", 1, None, datetime(2024, 1, 1, 0, 0, 0, 1000)),
        (datetime(1970, 1, 1), "millisecond", Int64(2**63 - 1), None, LATEST),
        # The time of day stays across a change of clocks, elapsed hours do not care.
        (datetime(2021, 3, 13, 17), "day", 1, "America/New_York", datetime(2021, 3, 14, 16)),
        (datetime(2021, 3, 13, 17), "hour", 24, "America/New_York", datetime(2021, 3, 14, 17)),
        (datetime(2020, 10, 31, 4, 30), "month", 1, "America/New_York", datetime(2020, 11, 30, 5, 30)),
        # A repeated reading stays on the side of the change that the start was on.
        (datetime(2020, 10, 31, 5, 30), "day", 1, "America/New_York", datetime(2020, 11, 1, 5, 30)),
        (datetime(2020, 11, 2, 6, 30), "day", -1, "America/New_York", datetime(2020, 11, 1, 6, 30)),
        (datetime(2020, 1, 31, 23), "month", 1, "+02:00", datetime(2020, 2, 29, 23)),
        (ObjectId("65920080" + "0" * 16), "day", 1, None, datetime(2024, 1, 2)),
        (None, "day", 1, None, None),
        (datetime(2024, 1, 1), None, 1, None, None),
        (datetime(2024, 1, 1), "day", None, None, None),
    ],
)
def test_date_add_and_subtract(start: Any, unit: Any, amount: Any, zone: str | None, expected: Any) -> None:
    operand = {"startDate": "$start", "unit": "$unit", "amount": "$amount"}
    document = {"start": start, "unit": unit, "amount": amount, "zone": zone}
    if zone is not None:
        operand["timezone"] = "$zone"
    assert same(evaluate({"$dateAdd": operand}, document), expected)
    if unit is not None:
        assert same(evaluate({"$dateAdd": {**operand, "unit": unit}}, document), expected)
    if amount is not None and type(amount) is not Decimal128:
        assert same(evaluate({"$dateSubtract": operand}, {**document, "amount": -amount}), expected)


@pytest.mark.parametrize(
    ("operand", "code"),
    [
        ("$d", 5166400),
        ({"startDate": "$d", "unit": "day", "amount": 1, "x": 1}, 5166401),
        ({"startDate": "$d", "unit": "day"}, 5166402),
        ({"startDate": "text", "unit": "day", "amount": 1}, 5166403),
        ({"startDate": "$d", "unit": "day", "amount": 1.5}, 5166405),
        ({"startDate": "$d", "unit": "day", "amount": "1"}, 5166405),
        ({"startDate": "$d", "unit": 5, "amount": 1}, 5439013),
        ({"startDate": "$d", "unit": "Day", "amount": 1}, 9),
        ({"startDate": "$absent", "unit": "days", "amount": 1}, 9),
        ({"startDate": "$d", "unit": "day", "amount": 1, "timezone": "Nowhere"}, 40485),
        ({"startDate": "$d", "unit": "year", "amount": 584942419}, 5976500),
        ({"startDate": "$d", "unit": "year", "amount": 500_000_000}, 5166406),
    ],
)
@pytest.mark.parametrize("name", ["$dateAdd", "$dateSubtract"])
def test_date_add_and_subtract_errors(name: str, operand: Any, code: int) -> None:
    assert code_of({name: operand}, {"d": datetime(2024, 1, 1)}) == code


def test_the_lowest_amount_cannot_be_subtracted() -> None:
    operand = {"startDate": "$d", "unit": "day", "amount": Int64(-(2**63))}
    assert code_of({"$dateSubtract": operand}, {"d": datetime(2024, 1, 1)}) == 6045000
    assert code_of({"$dateAdd": {**operand, "unit": "millisecond"}}, {"d": datetime(1969, 1, 1)}) == 159


@pytest.mark.parametrize(
    ("start", "end", "unit", "more", "expected"),
    [
        (datetime(2020, 12, 31, 23, 59), datetime(2021, 1, 1), "year", {}, 1),
        (datetime(2021, 1, 1), datetime(2020, 12, 31), "quarter", {}, -1),
        (datetime(2020, 1, 31), datetime(2020, 3, 1), "month", {}, 2),
        (datetime(2021, 1, 2), datetime(2021, 1, 3), "week", {}, 1),  # Saturday to Sunday
        (datetime(2021, 1, 2), datetime(2021, 1, 3), "week", {"startOfWeek": "Monday"}, 0),
        (datetime(2021, 1, 3), datetime(2021, 1, 4), "week", {"startOfWeek": "mon"}, 1),
        (datetime(2021, 1, 1, 23), datetime(2021, 1, 2, 1), "day", {}, 1),
        (datetime(2021, 1, 1, 23), datetime(2021, 1, 2, 1), "day", {"timezone": "+05:00"}, 0),
        (datetime(2021, 1, 1, 0, 59), datetime(2021, 1, 1, 1), "hour", {}, 1),
        (datetime(2021, 1, 1, 0, 29), datetime(2021, 1, 1, 0, 30), "hour", {"timezone": "+05:30"}, 1),
        (datetime(2020, 11, 1, 5, 30), datetime(2020, 11, 1, 6, 30), "hour", {"timezone": "America/New_York"}, 1),
        (datetime(2020, 3, 8, 6, 59), datetime(2020, 3, 8, 7), "minute", {"timezone": "America/New_York"}, 1),
        (datetime(1969, 12, 31, 23, 59, 59, 1000), datetime(1970, 1, 1), "second", {}, 1),
        (datetime(2021, 1, 1), datetime(2021, 1, 1, 0, 0, 1), "millisecond", {}, 1000),
        (EARLIEST, LATEST, "day", {}, 213503982335),
        (Timestamp(0, 1), ObjectId("00015180" + "0" * 16), "day", {}, 1),
    ],
)
def test_date_diff(start: Any, end: Any, unit: str, more: dict[str, Any], expected: int) -> None:
    operand = {"startDate": "$a", "endDate": "$b", "unit": unit, **more}
    assert same(evaluate({"$dateDiff": operand}, {"a": start, "b": end}), Int64(expected))


@pytest.mark.parametrize("absent", ["startDate", "endDate", "unit", "timezone", "startOfWeek"])
def test_date_diff_of_something_null_is_null(absent: str) -> None:
    operand = {"startDate": "$d", "endDate": "$d", "unit": "week", "timezone": "UTC", "startOfWeek": "sun"}
    for nothing in (None, "$absent"):
        assert evaluate({"$dateDiff": {**operand, absent: nothing}}, {"d": datetime(2024, 1, 1)}) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (None, 5166301),
        ({"x": 1}, 5166302),
        ({"startDate": ...}, 5166303),
        ({"endDate": ...}, 5166304),
        ({"unit": ...}, 5166305),
        ({"endDate": "text"}, 5166307),
        ({"unit": 1}, 5439013),
        ({"unit": "weeks"}, 9),
        ({"unit": "week", "startOfWeek": 1}, 5439015),
        ({"unit": "week", "startOfWeek": "someday"}, 5439016),
        ({"timezone": 1}, 40517),
        ({"startDate": EARLIEST, "unit": "millisecond"}, 5166308),
    ],
)
def test_date_diff_errors(change: dict[str, Any] | None, code: int) -> None:
    operand: Any = {"startDate": "$d", "endDate": "$d", "unit": "day"}
    operand = "$d" if change is None else {k: v for k, v in {**operand, **change}.items() if v is not ...}
    assert code_of({"$dateDiff": operand}, {"d": datetime(2024, 1, 1)}) == code


@pytest.mark.parametrize(
    ("unit", "more", "expected"),
    [
        ("year", {}, datetime(2021, 1, 1)),
        ("year", {"binSize": 10}, datetime(2020, 1, 1)),
        ("quarter", {}, datetime(2021, 1, 1)),
        ("quarter", {"binSize": 3}, datetime(2021, 1, 1)),
        ("month", {"binSize": 2}, datetime(2021, 3, 1)),
        ("week", {}, datetime(2021, 3, 14)),
        ("week", {"startOfWeek": "friday"}, datetime(2021, 3, 19)),
        ("week", {"binSize": 2, "startOfWeek": "Mon"}, datetime(2021, 3, 15)),
        ("day", {}, datetime(2021, 3, 20)),
        ("day", {"timezone": "America/New_York"}, datetime(2021, 3, 20, 4)),
        ("day", {"timezone": "+13:00"}, datetime(2021, 3, 20, 11)),
        ("hour", {}, datetime(2021, 3, 20, 11)),
        ("hour", {"timezone": "+05:30"}, datetime(2021, 3, 20, 11, 30)),
        ("minute", {"binSize": 7.0}, datetime(2021, 3, 20, 11, 26)),
        ("second", {"binSize": 30}, datetime(2021, 3, 20, 11, 30)),
        ("millisecond", {"binSize": 4}, datetime(2021, 3, 20, 11, 30, 5, 900_000)),
    ],
)
def test_date_trunc(unit: str, more: dict[str, Any], expected: datetime) -> None:
    document = {"d": datetime(2021, 3, 20, 11, 30, 5, 901_000)}
    assert same(evaluate({"$dateTrunc": {"date": "$d", "unit": unit, **more}}, document), expected)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (None, 5439007),
        ({"x": 1}, 5439008),
        ({"date": ...}, 5439009),
        ({"unit": ...}, 5439010),
        ({"date": "text"}, 5166307),
        ({"unit": 1}, 5439013),
        ({"unit": "decade"}, 9),
        ({"unit": "week", "startOfWeek": 1}, 5439015),
        ({"unit": "week", "startOfWeek": ""}, 5439016),
        ({"binSize": "1"}, 5439017),
        ({"binSize": 1.5}, 5439017),
        ({"binSize": 0}, 5439018),
        ({"unit": "hour", "binSize": Int64(2**62)}, 5439002),
        ({"binSize": Int64(10**12)}, 5439006),
        ({"timezone": "Nowhere"}, 40485),
    ],
)
def test_date_trunc_errors(change: dict[str, Any] | None, code: int) -> None:
    operand: Any = {"date": "$d", "unit": "day"}
    operand = "$d" if change is None else {k: v for k, v in {**operand, **change}.items() if v is not ...}
    assert code_of({"$dateTrunc": operand}, {"d": datetime(2024, 1, 1)}) == code


def test_timestamp_halves() -> None:
    document = {"t": Timestamp(2**32 - 1, 7), "d": datetime(2024, 1, 1)}
    assert same(evaluate({"$tsSecond": "$t"}, document), Int64(2**32 - 1))
    assert same(evaluate({"$tsIncrement": ["$t"]}, document), Int64(7))
    assert code_of({"$tsSecond": "$d"}, document) == 5687301
    assert code_of({"$tsIncrement": "$d"}, document) == 5687302
    assert code_of({"$tsSecond": ["$t", "$t"]}, document) == 16020
