"""Paths of updates: creation, conflicts, positional components, array filters and the order of new fields."""

from typing import Any

import pytest
from bson.dbref import DBRef
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import Context
from kato_compat.parse.update import parse_update
from kato_compat.values.validity import MAX_DEPTH


def apply(update: dict[str, Any], document: dict[str, Any], **options: Any) -> dict[str, Any]:
    filters = options.pop("array_filters", None)
    return parse_update(update, Context(), array_filters=filters).apply(document, **options)


def failure(update: dict[str, Any], document: dict[str, Any], **options: Any) -> tuple[int | None, str]:
    """Code and message of the error that applying (not parsing) raises."""
    filters = options.pop("array_filters", None)
    parsed = parse_update(update, Context(), array_filters=filters)
    with pytest.raises(OperationFailure) as caught:
        parsed.apply(document, **options)
    return caught.value.code, str((caught.value.details or {})["errmsg"])


def parse_failure(update: dict[str, Any], array_filters: list[Any] | None = None) -> tuple[int | None, str]:
    with pytest.raises(OperationFailure) as caught:
        parse_update(update, Context(), array_filters=array_filters)
    return caught.value.code, str((caught.value.details or {})["errmsg"])


def test_new_fields_come_in_order_of_their_names() -> None:
    # MongoDB manual: Update Operators Behavior, "process fields in lexicographic order".
    after = apply({"$set": {"c": 1, "a": 1}, "$inc": {"b": 1}, "$push": {"Z": 1}}, {"_id": 1})
    assert list(after) == ["_id", "Z", "a", "b", "c"]


def test_array_indexes_come_in_numeric_order() -> None:
    assert apply({"$set": {"a.10": "b", "a.9": "a"}}, {"_id": 1, "a": [0] * 9})["a"][9:] == ["a", "b"]
    assert list(apply({"$set": {"a.10": 1, "a.9": 1, "a.09": 1}}, {"_id": 1})["a"]) == ["09", "9", "10"]


def test_missing_documents_are_created_also_for_numeric_names() -> None:
    assert apply({"$set": {"a.0.b": 1}}, {"_id": 1}) == {"_id": 1, "a": {"0": {"b": 1}}}


def test_missing_elements_are_padded_with_null() -> None:
    document = {"_id": 1, "a": [0]}
    assert apply({"$set": {"a.3.b": 1, "a.3.c": 2}}, document)["a"] == [0, None, None, {"b": 1, "c": 2}]
    assert apply({"$inc": {"a.1": 5}}, document)["a"] == [0, 5]


def test_padding_is_limited() -> None:
    assert failure({"$set": {"a.1500002": 1}}, {"_id": 1, "a": [0]})[0] == 34


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"_id": 1, "a": 5}, "Cannot create field 'b' in element {a: 5}"),
        ({"_id": 1, "a": None}, "Cannot create field 'b' in element {a: null}"),
        ({"_id": 1, "a": "x"}, "Cannot create field 'b' in element {a: \"x\"}"),
        ({"_id": 1, "a": [1, {"c": 2}]}, "Cannot create field 'b' in element {a: [ 1, { c: 2 } ]}"),
    ],
)
def test_a_value_in_the_way_is_an_error(document: dict[str, Any], message: str) -> None:
    assert failure({"$set": {"a.b.c": 1}}, document) == (28, message)


def test_removal_through_a_value_is_an_error_too() -> None:
    found = failure({"$pop": {"a.b.c": 1}}, {"_id": 1, "a": 5})
    assert found == (28, "Cannot use the part (b) of (a.b.c) to traverse the element ({a: 5})")


@pytest.mark.parametrize(
    ("update", "path", "at"),
    [
        ({"$set": {"a": 1}, "$inc": {"a": 1}}, "a", "a"),
        ({"$set": {"a": 1, "a.b": 1}}, "a.b", "a"),
        ({"$set": {"a.b": 1}, "$unset": {"a": 1}}, "a", "a"),
        ({"$set": {"a.b.c": 1, "a.b": 1}}, "a.b", "a.b"),
        ({"$set": {"a.$": 1, "a.$.b": 1}}, "a.$.b", "a.$"),
        ({"$set": {"a.$[]": 1, "a.0": 1}}, "a.0", "a"),
        ({"$set": {"a.$[].b": 1, "a.$[]": 1}}, "a.$[]", "a.$[]"),
        ({"$rename": {"a": "b"}, "$set": {"a.c": 1}}, "a.c", "a"),
        ({"$rename": {"a": "b"}, "$set": {"b": 1}}, "b", "b"),
        ({"$rename": {"a": "c", "b": "c"}}, "c", "c"),
    ],
)
def test_conflicts_are_found_when_parsing(update: dict[str, Any], path: str, at: str) -> None:
    assert parse_failure(update) == (40, f"Updating the path '{path}' would create a conflict at '{at}'")


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b"])
def test_empty_components_are_refused(path: str) -> None:
    assert parse_failure({"$set": {path: 1}})[0] == 56


@pytest.mark.parametrize("path", ["$", "$.a", "a.$.b.$", "$[]", "$[x].a"])
def test_misplaced_positional_components_are_refused(path: str) -> None:
    assert parse_failure({"$set": {path: 1}}, [{"x": 1}])[0] == 2


def test_top_level_names_with_a_dollar_are_refused_for_documents_that_exist() -> None:
    assert failure({"$set": {"$a": 1}}, {"_id": 1})[0] == 52
    assert failure({"$inc": {"$a.b": 1}}, {"_id": 1})[0] == 52
    assert apply({"$inc": {"$a.b": 1}}, {"_id": 1, "$a": {"b": 1}}) == {"_id": 1, "$a": {"b": 2}}
    assert apply({"$set": {"a.$b": 1}}, {"_id": 1}) == {"_id": 1, "a": {"$b": 1}}
    assert apply({"$set": {"a": {"$b": 1}}}, {"_id": 1}) == {"_id": 1, "a": {"$b": 1}}
    assert apply({"$unset": {"$a": 1}}, {"_id": 1, "$a": 1}) == {"_id": 1}
    assert apply({"$set": {"$a": 1}}, {"_id": 1, "$a": 1}) == {"_id": 1, "$a": 1}


def test_the_fields_of_a_dbref_at_the_top_level() -> None:
    assert failure({"$set": {"$id": 1}}, {"_id": 1})[0] == 55
    assert failure({"$set": {"$ref": "c"}}, {"_id": 1})[0] == 55
    assert failure({"$set": {"$db": 1}}, {"_id": 1})[0] == 55
    assert apply({"$set": {"$id": 2}}, {"_id": 1, "$ref": "c", "$id": 1}) == {"_id": 1, "$ref": "c", "$id": 2}


def test_the_fields_of_a_dbref_can_be_updated() -> None:
    after = apply({"$set": {"r.$id": 2}}, {"_id": 1, "r": DBRef("c", 1)})
    assert after == {"_id": 1, "r": {"$ref": "c", "$id": 2}}
    document = {"_id": 1, "r": DBRef("c", 1)}
    assert apply({"$unset": {"r.x": 1}}, document) is document


@pytest.mark.parametrize(
    "update",
    [
        {"$set": {"_id": 2}},
        {"$set": {"_id": 1.0}},
        {"$inc": {"_id": 1}},
        {"$unset": {"_id": 1}},
        {"$rename": {"_id": "x"}},
        {"$rename": {"x": "_id"}},
        {"$currentDate": {"_id": True}},
    ],
)
def test_the_identity_does_not_change(update: dict[str, Any]) -> None:
    assert failure(update, {"_id": 1, "x": 5})[0] == 66


def test_the_identity_may_be_set_to_itself() -> None:
    assert apply({"$set": {"_id": 1, "a": 1}}, {"_id": 1}) == {"_id": 1, "a": 1}
    assert apply({"$inc": {"_id": 0}, "$max": {"x": 1}}, {"_id": 1}) == {"_id": 1, "x": 1}
    assert apply({"$set": {"_id.a": 1}}, {"_id": {"a": 1}}) == {"_id": {"a": 1}}


def test_parts_of_the_identity_do_not_change() -> None:
    message = "Performing an update on the path '_id.a' would modify the immutable field '_id'"
    assert failure({"$set": {"_id.a": 2}}, {"_id": {"a": 1}}) == (66, message)
    assert failure({"$set": {"_id.b": 2}}, {"_id": {"a": 1}})[0] == 66
    assert failure({"$set": {"_id.b": 2}}, {"_id": 1})[0] == 28


def test_positional() -> None:
    document: dict[str, Any] = {"_id": 1, "a": [{"b": 1, "c": [1, 2]}, {"b": 2, "c": [3]}]}
    assert apply({"$set": {"a.$.b": 9}}, document, position=1)["a"] == [document["a"][0], {"b": 9, "c": [3]}]
    assert apply({"$inc": {"a.$.c.0": 4}}, document, position=0)["a"][0]["c"] == [5, 2]
    assert apply({"$unset": {"a.$": 1}}, document, position=0)["a"] == [None, document["a"][1]]
    assert parse_update({"$set": {"a.$": 1}}, Context()).needs_position
    assert not parse_update({"$set": {"a.$[]": 1}}, Context()).needs_position


def test_positional_without_a_match() -> None:
    message = "The positional operator did not find the match needed from the query."
    assert failure({"$set": {"a.$": 1}}, {"_id": 1, "a": [1]}) == (2, message)
    assert failure({"$set": {"a.$": 1}}, {}, inserting=True) == (2, message)
    assert failure({"$setOnInsert": {"x.y.$.z": 1}}, {"_id": 1}) == (2, message)


def test_positional_beside_an_index() -> None:
    document = {"_id": 1, "a": [{}, {}]}
    update = {"$set": {"a.$.x": 1, "a.1.y": 2}}
    assert apply(update, document, position=0)["a"] == [{"x": 1}, {"y": 2}]
    assert apply(update, document, position=1)["a"] == [{}, {"x": 1, "y": 2}]
    found = failure({"$set": {"a.$.x": 1, "a.1.x": 2}}, document, position=1)
    assert found == (40, "Update created a conflict at 'a.1.x'")


def test_all_elements() -> None:
    document = {"_id": 1, "a": [{"b": [1, 2]}, {"b": []}, {"b": [3]}]}
    assert apply({"$inc": {"a.$[].b.$[]": 10}}, document)["a"] == [{"b": [11, 12]}, {"b": []}, {"b": [13]}]
    assert apply({"$unset": {"a.$[]": 1}}, {"_id": 1, "a": [1, 2]})["a"] == [None, None]
    assert apply({"$set": {"a.$[].c": 1}}, {"_id": 1, "a": []})["a"] == []


def test_all_elements_of_something_else() -> None:
    message = "The path 'a.b' must exist in the document in order to apply array updates."
    assert failure({"$set": {"a.b.$[]": 1}}, {"_id": 1, "a": {}}) == (2, message)
    assert failure({"$set": {"a.b.$[]": 1}}, {"_id": 1, "a": 5}) == (2, message)
    assert failure({"$set": {"a.$[]": 1}}, {"_id": 1, "a": 5}) == (
        2,
        "Cannot apply array updates to non-array element a: 5",
    )


@pytest.mark.parametrize(
    ("update", "filters", "expected"),
    [
        ({"$set": {"a.$[x]": 0}}, [{"x": {"$gt": 1}}], [1, 0, 0]),
        ({"$inc": {"a.$[low]": 10, "a.$[high]": 20}}, [{"low": {"$lt": 2}}, {"high": {"$gt": 2}}], [11, 2, 23]),
        ({"$set": {"a.$[x]": 0}}, [{"$or": [{"x": 1}, {"x": 3}]}], [0, 2, 0]),
        ({"$set": {"a.$[x]": 0}}, [{"$and": [{"x": {"$gt": 1}}, {"x": {"$lt": 3}}]}], [1, 0, 3]),
        ({"$set": {"a.$[x]": 0}}, [{"x": {"$not": {"$gt": 1}}}], [0, 2, 3]),
        ({"$set": {"a.$[x]": 0}}, [{"x": {"$in": []}}], [1, 2, 3]),
    ],
)
def test_array_filters(update: dict[str, Any], filters: list[Any], expected: list[Any]) -> None:
    assert apply(update, {"_id": 1, "a": [1, 2, 3]}, array_filters=filters)["a"] == expected


def test_array_filters_on_fields_and_in_one_another() -> None:
    document = {"_id": 1, "a": [{"n": 1, "b": [1, 2]}, {"n": 2, "b": [1, 2]}]}
    after = apply({"$set": {"a.$[x].b.$[y]": 9}}, document, array_filters=[{"x.n": 2}, {"y": {"$gte": 2}}])
    assert after["a"] == [{"n": 1, "b": [1, 2]}, {"n": 2, "b": [1, 9]}]
    after = apply({"$set": {"a.$[x].c": 1}, "$unset": {"a.$[].b": 1}}, document, array_filters=[{"x.n": 2}])
    assert after["a"] == [{"n": 1}, {"n": 2, "c": 1}]


def test_array_filters_that_choose_the_same_element_may_conflict() -> None:
    filters = [{"x": {"$gt": 1}}, {"y": {"$gt": 2}}]
    found = failure({"$set": {"a.$[x]": 1, "a.$[y]": 2}}, {"_id": 1, "a": [1, 2, 3]}, array_filters=filters)
    assert found == (40, "Update created a conflict at 'a.2'")
    assert apply({"$set": {"a.$[x]": 9, "a.$[y]": 8}}, {"_id": 1, "a": [1, 2]}, array_filters=filters)["a"] == [1, 9]


@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ([], 2),
        ([{"y": 1}], 2),
        ([{"x": 1}, {"y": 1}], 9),
        ([{"x": 1}, {"x.b": 2}], 9),
        ([{"x": 1, "y": 2}], 9),
        ([{"$or": [{"x": 1}, {"y": 2}]}], 9),
        ([{}], 9),
        ([{"X": 1}], 2),
        ([{"x_y": 1}], 2),
        ([{"1x": 1}], 2),
        ([{"x": {"$foo": 1}}], 2),
        ([{"$expr": {"$eq": [1, 1]}}], 224),
        ([{"$jsonSchema": {}}], 224),
        ([{"$where": "1"}], 2),
        ([5], 14),
    ],
)
def test_wrong_array_filters(filters: list[Any], code: int) -> None:
    assert parse_failure({"$set": {"a.$[x]": 1}}, filters)[0] == code


def test_an_unused_array_filter_is_refused() -> None:
    assert parse_failure({"$set": {"a": 1}}, [{"x": 1}])[0] == 9


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(levels):
        document = {"a": document}
    return document


@pytest.mark.parametrize("operator", ["$set", "$max", "$push", "$addToSet"])
def test_documents_do_not_become_too_deep(operator: str) -> None:
    path = "x.y"
    room = MAX_DEPTH - 2 - (operator in ("$push", "$addToSet"))
    parse_update({operator: {path: nested(room)}}, Context()).apply({"_id": 1})
    update = {operator: {path: nested(room + 1)}}
    assert failure(update, {"_id": 1})[0] == 15


def test_a_deep_value_is_no_error_where_nothing_changes() -> None:
    update = {"$max": {"x": nested(MAX_DEPTH)}}
    document = {"_id": 1, "x": [1]}
    assert apply(update, document) is document
    assert failure({"$min": {"x": nested(MAX_DEPTH)}}, document)[0] == 15


def test_paths_do_not_become_too_deep() -> None:
    assert failure({"$set": {".".join("a" * (MAX_DEPTH + 1)): 1}}, {"_id": 1})[0] == 15
    assert apply({"$unset": {".".join("a" * (MAX_DEPTH + 1)): 1}}, {"_id": 1}) == {"_id": 1}


def test_touched_fields() -> None:
    update = {"$set": {"a.b": 1, "a.c": 1}, "$rename": {"x.y": "z"}, "$push": {"l.$[].m": 1}}
    assert parse_update(update, Context()).touched == frozenset({"a", "x", "z", "l"})
