"""Field update operators, each by the rules of its manual page."""

from datetime import datetime
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import Context
from kato_compat.parse.update import parse_update
from kato_compat.values.equality import same

NOW = datetime(2024, 5, 6, 7, 8, 9, 123000)


def apply(update: dict[str, Any], document: dict[str, Any], **options: Any) -> dict[str, Any]:
    return parse_update(update, Context(now=NOW)).apply(document, **options)


def code(update: dict[str, Any], document: dict[str, Any] | None = None, **options: Any) -> int | None:
    """The code of the error; with `document` None, parsing alone raises it."""
    if document is None:
        with pytest.raises(OperationFailure) as parsing:
            parse_update(update, Context(now=NOW))
        return parsing.value.code
    parsed = parse_update(update, Context(now=NOW))
    with pytest.raises(OperationFailure) as applying:
        parsed.apply(document, **options)
    return applying.value.code


def test_set_replaces_creates_and_keeps_the_place() -> None:
    document = {"_id": 1, "b": 1, "a": {"x": 1}}
    after = apply({"$set": {"a.y": 2, "b": [1], "c.d.e": None}}, document)
    assert after == {"_id": 1, "b": [1], "a": {"x": 1, "y": 2}, "c": {"d": {"e": None}}}
    assert list(after) == ["_id", "b", "a", "c"]
    assert document == {"_id": 1, "b": 1, "a": {"x": 1}}


def test_set_shares_what_it_does_not_change() -> None:
    document: dict[str, Any] = {"_id": 1, "big": [{"x": 1}], "a": {"deep": {"y": 1}, "z": 1}}
    after = apply({"$set": {"a.z": 2}}, document)
    assert after["big"] is document["big"]
    assert after["a"]["deep"] is document["a"]["deep"]


@pytest.mark.parametrize(("old", "new"), [(1, 1.0), (1, Int64(1)), (1.0, Decimal128("1.0")), (0.0, -0.0)])
def test_set_to_an_equal_value_of_another_type_changes_the_document(old: Any, new: Any) -> None:
    after = apply({"$set": {"a": new}}, {"_id": 1, "a": old})
    assert type(after["a"]) is type(new)
    assert not same({"_id": 1, "a": old}, after)


def test_set_of_the_same_value_is_no_change() -> None:
    document = {"_id": 1, "a": {"b": [1, "x"]}}
    assert same(document, apply({"$set": {"a": {"b": [1, "x"]}}}, document))


def test_an_empty_operand_does_nothing() -> None:
    document = {"_id": 1, "a": 1}
    assert apply({"$set": {}, "$inc": {}}, document) is document


@pytest.mark.parametrize("operand", [5, "x", [1], None, True])
def test_an_operand_that_is_no_document_is_refused(operand: Any) -> None:
    assert code({"$set": operand}) == 9


def test_unknown_operators_are_refused() -> None:
    assert code({"$sett": {"a": 1}}) == 9
    assert code({"$set": {"a": 1}, "b": 2}) == 9


def test_set_on_insert_needs_an_insert() -> None:
    document = {"_id": 1}
    assert apply({"$setOnInsert": {"a": 1}}, document) is document
    assert apply({"$setOnInsert": {"a": 1}}, document, inserting=True) == {"_id": 1, "a": 1}
    assert apply({"$setOnInsert": {"a.b": 1}}, {"_id": 1, "a": 5}) == {"_id": 1, "a": 5}


def test_unset_removes_fields_and_nulls_elements() -> None:
    document = {"_id": 1, "a": {"b": 1, "c": 2}, "l": [1, 2, 3]}
    after = apply({"$unset": {"a.b": "", "l.1": True, "l.7": "", "x.y": "", "_.z": ""}}, document)
    assert after == {"_id": 1, "a": {"c": 2}, "l": [1, None, 3]}


def test_unset_ignores_what_cannot_exist() -> None:
    document = {"_id": 1, "a": 5, "l": [1]}
    assert apply({"$unset": {"a.b.c": "", "l.x": ""}}, document) is document


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        (5, 3, 9),
        (5, 4.5, 5.5),
        ("b", 9, [1]),
        (None, MinKey(), False),
        (float("nan"), None, float("-inf")),
        (datetime(2024, 1, 1), datetime(2023, 1, 1), Timestamp(1, 1)),
        ({"a": 1}, {"a": 0}, {"b": 0}),
        ([1, 2], "x", MaxKey()),
    ],
)
def test_min_and_max_follow_bson_order(value: Any, low: Any, high: Any) -> None:
    document = {"_id": 1, "v": value}
    assert apply({"$min": {"v": low}}, document) == {"_id": 1, "v": low}
    assert apply({"$max": {"v": high}}, document) == {"_id": 1, "v": high}
    assert apply({"$min": {"v": high}}, document) is document
    assert apply({"$max": {"v": low}}, document) is document


def test_min_and_max_keep_an_equal_value_of_another_type() -> None:
    document = {"_id": 1, "v": 1}
    assert apply({"$min": {"v": 1.0}}, document) is document
    assert apply({"$max": {"v": Decimal128("1")}}, document) is document


def test_min_and_max_create_a_missing_field_but_not_null() -> None:
    assert apply({"$min": {"a.b": 3}}, {"_id": 1}) == {"_id": 1, "a": {"b": 3}}
    assert apply({"$min": {"a": 3}}, {"_id": 1, "a": None}) == {"_id": 1, "a": None}


def test_current_date_is_the_time_of_the_update() -> None:
    update = {"$currentDate": {"a": True, "b": {"$type": "date"}, "c": {"$type": "timestamp"}, "d": False}}
    after = apply(update, {"_id": 1, "a": "old"})
    moment = Timestamp(int((NOW - datetime(1970, 1, 1)).total_seconds()), 1)
    assert after == {"_id": 1, "a": NOW, "b": NOW, "c": moment, "d": NOW}


@pytest.mark.parametrize("operand", [1, "date", None, {}, {"$type": "Date"}, {"$type": 9}, {"type": "date"}, ["date"]])
def test_current_date_refuses_other_operands(operand: Any) -> None:
    assert code({"$currentDate": {"a": operand}}) == 2
