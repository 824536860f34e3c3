"""Replacements, update pipelines and the documents of upserts."""

from datetime import datetime
from typing import Any

import pytest
from bson.regex import Regex
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import Context
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.update import Update, parse_replacement, parse_update
from kato_compat.values.validity import MAX_DEPTH

NOW = datetime(2024, 1, 1)


def failing(update: Update, document: dict[str, Any], **options: Any) -> int | None:
    with pytest.raises(OperationFailure) as caught:
        update.apply(document, **options)
    return caught.value.code


def test_a_replacement_keeps_the_identity_first() -> None:
    after = parse_replacement({"b": 1}).apply({"_id": 1, "a": 1})
    assert (after, list(after)) == ({"_id": 1, "b": 1}, ["_id", "b"])
    after = parse_replacement({"b": 1, "_id": 1}).apply({"_id": 1, "a": 1})
    assert list(after) == ["_id", "b"]
    assert parse_replacement({}).apply({"_id": 1, "a": 1}) == {"_id": 1}
    assert parse_replacement({"a": 1}).touched is None


def test_a_replacement_may_not_change_the_identity() -> None:
    assert failing(parse_replacement({"_id": 2}), {"_id": 1}) == 66
    assert failing(parse_replacement({"_id": {"b": 1, "a": 1}}), {"_id": {"a": 1, "b": 1}}) == 66
    assert parse_replacement({"_id": 1.0}).apply({"_id": 1}) == {"_id": 1.0}


def test_names_with_a_dollar_in_a_replacement() -> None:
    assert failing(parse_replacement({"a": 1, "$b": 1}), {"_id": 1}) == 52
    assert parse_replacement({"a": {"$b": 1}, "c.d": 1}).apply({"_id": 1}) == {"_id": 1, "a": {"$b": 1}, "c.d": 1}


def test_empty_timestamps_of_a_replacement_become_the_time() -> None:
    empty = Timestamp(0, 0)
    moment = Timestamp(int((NOW - datetime(1970, 1, 1)).total_seconds()), 1)
    after = parse_replacement({"t": empty, "d": {"t": empty}}, Context(now=NOW)).apply({"_id": empty})
    assert after == {"_id": empty, "t": moment, "d": {"t": empty}}


def test_a_replacement_may_not_be_too_deep() -> None:
    document: Any = 1
    for _ in range(MAX_DEPTH):
        document = {"a": document}
    parse_replacement(document).apply({"_id": 1})
    with pytest.raises(OperationFailure) as error:
        parse_replacement({"a": document})
    assert error.value.code == 15


def test_pipelines() -> None:
    context = Context(constants={"c": 7})
    pipeline = [
        {"$set": {"total": {"$add": ["$a", "$b"]}}},
        {"$unset": "b"},
        {"$addFields": {"c": "$$c", "d.e": 1}},
        {"$project": {"a": 1, "total": 1, "c": 1, "d": 1}},
    ]
    update = parse_update(pipeline, context)
    document = {"_id": 1, "a": 2, "b": 3, "z": 1}
    assert update.apply(document) == {"_id": 1, "a": 2, "total": 5, "c": 7, "d": {"e": 1}}
    assert document == {"_id": 1, "a": 2, "b": 3, "z": 1}
    assert update.touched is None
    assert not update.needs_position


def test_pipelines_that_replace_keep_the_identity() -> None:
    replace = parse_update([{"$replaceWith": {"b": "$a"}}], Context())
    assert replace.apply({"_id": 1, "a": 2}) == {"_id": 1, "b": 2}
    root = parse_update([{"$replaceRoot": {"newRoot": "$a"}}], Context())
    assert root.apply({"_id": 1, "a": {"_id": 1, "x": 1}}) == {"_id": 1, "x": 1}
    assert failing(root, {"_id": 1, "a": {"_id": 2}}) == 66
    assert failing(root, {"_id": 1, "a": 5}) == 40228
    assert failing(parse_update([{"$set": {"_id": 5}}], Context()), {"_id": 1}) == 66
    assert parse_update([{"$unset": "_id"}], Context()).apply({"_id": 1, "a": 1}) == {"_id": 1, "a": 1}


@pytest.mark.parametrize(
    ("pipeline", "code"),
    [
        ([{"$match": {"a": 1}}], 72),
        ([{"$set": {"a": 1}}, {"$limit": 1}], 72),
        ([{"$nope": 1}], 40324),
        ([{"$set": {"a": 1}, "$unset": "b"}], 40323),
        ([5], 14),
        ([{"$set": {"a": "$$nope"}}], 17276),
    ],
)
def test_refused_pipelines(pipeline: list[Any], code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        parse_update(pipeline, Context())
    assert caught.value.code == code


def test_pipelines_take_no_array_filters() -> None:
    with pytest.raises(OperationFailure) as caught:
        parse_update([{"$set": {"a": 1}}], Context(), array_filters=[{"x": 1}])
    assert caught.value.code == 9


def seeded(query: dict[str, Any], update: Update | None = None) -> dict[str, Any]:
    return (update or parse_update({"$set": {"new": 1}}, Context())).seed(parse_filter(query))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {}),
        ({"a": 1, "b": {"$eq": "x"}}, {"a": 1, "b": "x"}),
        ({"a": {"$gt": 1}, "b": {"$ne": 1}, "c": {"$exists": True}}, {}),
        ({"a": {"$in": [1]}, "b": {"$in": [1, 2]}, "c": {"$all": [3]}}, {"a": 1, "c": 3}),
        ({"$and": [{"a": 1}, {"$and": [{"b": 2}]}]}, {"a": 1, "b": 2}),
        ({"$or": [{"a": 1}]}, {"a": 1}),
        ({"$or": [{"a": 1}, {"b": 2}]}, {}),
        ({"$nor": [{"a": 1}]}, {}),
        ({"a": {"$not": {"$eq": 1}}}, {}),
        ({"a": {"$elemMatch": {"$eq": 1}}}, {}),
        ({"a": Regex("x")}, {}),
        ({"a": {"$eq": Regex("x")}}, {"a": Regex("x")}),
        ({"a": None, "b": [1], "c": {"d": 1}}, {"a": None, "b": [1], "c": {"d": 1}}),
        ({"a.b": 1, "a.c.d": 2}, {"a": {"b": 1, "c": {"d": 2}}}),
        ({"a.0": 1}, {"a": {"0": 1}}),
        ({"x": 1, "_id": 5}, {"_id": 5, "x": 1}),
        ({"_id.x": 1, "_id.y": 2}, {"_id": {"x": 1, "y": 2}}),
        ({"$expr": {"$eq": ["$a", 1]}}, {}),
    ],
)
def test_seeds(query: dict[str, Any], expected: dict[str, Any]) -> None:
    found = seeded(query)
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    "query",
    [
        {"$and": [{"a": 1}, {"a": 1}]},
        {"a": {"$all": [1, 2]}},
        {"a": 1, "a.b": 1},
        {"a.b": 1, "a": {"c": 1}},
        {"_id": {"x": 1}, "_id.x": 1},
    ],
)
def test_seeds_with_conflicts(query: dict[str, Any]) -> None:
    with pytest.raises(OperationFailure) as caught:
        seeded(query)
    assert caught.value.code == 54


def test_the_seed_of_a_replacement_is_the_identity_only() -> None:
    replacement = parse_replacement({"b": 1})
    assert seeded({"_id": 1, "a": 2, "a.b": 3}, replacement) == {"_id": 1}
    with pytest.raises(OperationFailure) as caught:
        seeded({"_id.x": 1}, replacement)
    assert caught.value.code == 111


def insert(update: Update, query: dict[str, Any]) -> dict[str, Any]:
    return update.apply(update.seed(parse_filter(query)), inserting=True)


def test_upserts() -> None:
    update = parse_update({"$set": {"a": 1}, "$setOnInsert": {"b": 2}, "$unset": {"q": 1}}, Context())
    after = insert(update, {"q": 5, "z": 3, "_id": 9})
    assert (after, list(after)) == ({"_id": 9, "z": 3, "a": 1, "b": 2}, ["_id", "z", "a", "b"])
    after = insert(parse_update({"$set": {"_id": 7, "a": 1}}, Context()), {"x": 1})
    assert list(after.items()) == [("_id", 7), ("x", 1), ("a", 1)]
    assert insert(parse_replacement({"b": 1}), {"_id": 3, "a": 1}) == {"_id": 3, "b": 1}
    assert insert(parse_update([{"$set": {"b": "$a"}}], Context()), {"a": 1}) == {"a": 1, "b": 1}


def test_upserts_may_not_change_the_identity_of_the_filter() -> None:
    update = parse_update({"$set": {"_id": 2}}, Context())
    assert failing(update, update.seed(parse_filter({"_id": 1})), inserting=True) == 66
    assert failing(parse_replacement({"_id": 2}), {"_id": 1}, inserting=True) == 66


@pytest.mark.parametrize(("identity", "code"), [([1], 53), (Regex("x"), 53), ({"$x": 1}, 52), ({"a": [{"$x": 1}]}, 52)])
def test_identities_that_no_document_may_have(identity: Any, code: int) -> None:
    update = parse_update({"$setOnInsert": {"_id": identity}}, Context())
    assert failing(update, {}, inserting=True) == code
    assert failing(parse_update({"$set": {"a": 1}}, Context()), {"_id": identity}, inserting=True) == code


def test_an_array_as_the_identity_of_an_upserted_replacement() -> None:
    assert failing(parse_replacement({"_id": [1]}), {}, inserting=True) == 54
    assert failing(parse_replacement({"_id": [1]}), {"_id": 1}) == 53
