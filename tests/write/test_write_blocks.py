"""Blocks of writes: they do what the same writes one after the other do, whatever of them goes together."""

import copy
import itertools
from collections.abc import Callable
from typing import Any, Final
from unittest import mock

import bson
import pytest
from bson.decimal128 import Decimal128
from bson.errors import InvalidDocument
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

from kato_compat import Collection, MongoClient
from kato_compat.execute.storage import Access, Change, Stored
from kato_compat.parse import update as update_module
from kato_compat.parse.expression import Context
from kato_compat.parse.update import Prepared, parse_update
from kato_compat.values.equality import same

Document = dict[str, Any]

_REPEATABLE: Final = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)
_IDS: Final = st.sampled_from([0, 1, 2, "0", 1.0, Int64(2), None])
_NAMES: Final = st.sampled_from(["x", "y", "z"])
_SMALL: Final = st.one_of(st.integers(-1, 2), st.sampled_from(["x", None, 1.0, [1], {"b": 1}, [["x"]]]))
_FILTERS: Final = st.one_of(
    _IDS.map(lambda value: {"_id": value}),
    _IDS.map(lambda value: {"_id": value}),
    _NAMES.map(lambda value: {"name": value}),
    _NAMES.map(lambda value: {"name": value}),
    _SMALL.map(lambda value: {"a": value}),
    st.builds(lambda key, value: {"_id": key, "a": value}, _IDS, _SMALL),
    st.just({"a": {"$gt": 0}}),
    st.just({"name": Regex("^[xy]")}),
    st.just({"_id": {"$in": [0, 1]}}),
)
_UPDATES: Final = st.one_of(
    st.builds(lambda value: {"$set": {"a": value}, "$inc": {"n": 1}}, _SMALL),
    st.builds(lambda value: {"$set": {"a": value}, "$inc": {"n": 1}}, st.integers(0, 1)),
    st.builds(lambda value: {"$set": {"name": value}}, st.one_of(_NAMES, st.just(["x", "z"]))),
    st.builds(lambda value: {"$set": {"a.b": value}}, st.integers(0, 1)),
    st.builds(lambda value: {"$setOnInsert": {"name": value, "b": []}, "$unset": {"a": ""}}, _NAMES),
    st.just({"$inc": {"a": 1}}),
    st.just({"$push": {"b": 1}}),
    st.just({"$set": {"_id": 1}}),
    st.just({"$set": {"b": 1, "b.c": 2}}),
)
_DOCUMENTS: Final = st.fixed_dictionaries({}, optional={"_id": _IDS, "name": _NAMES, "a": _SMALL})
_REQUESTS: Final = st.lists(
    st.one_of(
        st.tuples(st.just(UpdateOne), _FILTERS, _UPDATES, st.booleans()),
        st.tuples(st.just(UpdateOne), _FILTERS, _UPDATES, st.booleans()),
        st.tuples(st.just(UpdateMany), _FILTERS, _UPDATES, st.booleans()),
        st.tuples(st.just(ReplaceOne), _FILTERS, _DOCUMENTS, st.booleans()),
        st.tuples(st.just(DeleteOne), _FILTERS),
        st.tuples(st.just(DeleteMany), _FILTERS),
        st.tuples(st.just(InsertOne), _DOCUMENTS),
    ),
    min_size=1,
    max_size=12,
)


_DETAILS: Final = ("code", "errmsg", "keyPattern", "keyValue")


def shown(value: Any) -> Any:
    """A value in which generated identities are alike."""
    if type(value) is ObjectId:
        return "generated"
    if type(value) is dict:
        return {name: shown(item) for name, item in value.items()}
    if type(value) is list:
        return [shown(item) for item in value]
    return value


def counts(result: Document) -> Document:
    """The figures of a result."""
    return {name: value for name, value in result.items() if name.startswith("n")}


def together(collection: Collection, requests: list[Any], ordered: bool) -> tuple[Document, list[Any], list[Any]]:
    """Make requests in one call: figures, upserted identities, errors."""
    try:
        found = collection.bulk_write(requests, ordered=ordered).bulk_api_result
    except BulkWriteError as error:
        found = error.details
    return counts(found), shown(found["upserted"]), found["writeErrors"]


def alone(collection: Collection, request: Any) -> tuple[Document, Any]:
    """Make one request by the method for it: figures, and the identity that was upserted."""
    found: Document = dict.fromkeys(("nInserted", "nUpserted", "nMatched", "nModified", "nRemoved"), 0)
    upserted = None
    if isinstance(request, InsertOne):
        collection.insert_one(request._doc)
        found["nInserted"] = 1
    elif isinstance(request, DeleteOne | DeleteMany):
        delete = collection.delete_one if isinstance(request, DeleteOne) else collection.delete_many
        found["nRemoved"] = delete(request._filter).deleted_count
    else:
        methods = {
            UpdateOne: collection.update_one,
            UpdateMany: collection.update_many,
            ReplaceOne: collection.replace_one,
        }
        result = methods[type(request)](request._filter, request._doc, bool(request._upsert))
        found |= {"nMatched": result.matched_count, "nModified": result.modified_count}
        if result.did_upsert:
            # pymongo takes an upserted identity of null for none, and counts a match.
            found |= {"nUpserted": 1, "nMatched": 0}
            upserted = [result.upserted_id]
    return found, upserted


def singly(collection: Collection, requests: list[Any], ordered: bool) -> tuple[Document, list[Any], list[Any]]:
    """As `together`, a call of another method for each of them."""
    total: Document = dict.fromkeys(("nInserted", "nUpserted", "nMatched", "nModified", "nRemoved"), 0)
    upserted: list[Any] = []
    errors: list[Any] = []
    numbered = list(enumerate(requests))
    if not ordered:
        # pymongo sends the writes of an unordered bulk_write by their kind.
        numbered.sort(key=lambda each: (isinstance(each[1], DeleteOne | DeleteMany), type(each[1]) is not InsertOne))
    for position, request in numbered:
        try:
            found, identities = alone(collection, request)
        except OperationFailure as error:
            details: Any = error.details
            errors.append({"index": position, **{name: details[name] for name in details if name in _DETAILS}})
            if ordered:
                break
            continue
        for name, count in found.items():
            total[name] += count
        upserted.extend({"index": position, "_id": shown(each)} for each in identities or ())
    errors.sort(key=lambda error: error["index"])
    return total, upserted, errors


@_REPEATABLE
@given(_REQUESTS, st.booleans(), st.sampled_from(["none", "name", "a"]))
def test_a_block_does_what_its_writes_do_one_after_the_other(
    written: Collection, requests: list[Any], ordered: bool, index: str
) -> None:
    pair = written.blocks, written.alone
    for collection in pair:
        collection.drop()
        if index != "none":
            collection.create_index(index, unique=True, sparse=True)
        collection.insert_many([{"_id": 0, "name": "x", "a": 1}, {"_id": 1, "n": 2}, {"_id": "0", "a": [3, "x"]}])
    made = [[kind(*copy.deepcopy(arguments)) for kind, *arguments in requests] for _ in pair]
    first = together(pair[0], made[0], ordered)
    second = singly(pair[1], made[1], ordered)
    for each in first[2]:
        del each["op"]
    for each in (*first[2], *second[2]):
        each["errmsg"] = each["errmsg"].replace(".blocks", ".alone")
    assert same([shown(each) for each in first], [shown(each) for each in second])
    left, right = ([shown(document) for document in collection.find()] for collection in pair)
    assert same(left, right)


# shapes


_PATHS: Final = st.sampled_from(
    ["a", "b", "n", "10", "9", "a.b", "b.0", "_id", "$x", "", "a.", "b.$", "b.$[]", "c\x00"]
)
_OPERANDS: Final = st.one_of(
    st.sampled_from([0, 1, -3, 2**31 - 1, 2**31, -(2**31), 2**62, 0.5, -0.0, float("nan"), "x", None, True]),
    st.sampled_from([Int64(1), Int64(2**63 - 1), Decimal128("1.5"), Timestamp(0, 0), [1, [2]], {"b": 1}, {"$x": 1}]),
)
_NAMES_OF_OPERATORS: Final = st.sampled_from(["$set", "$inc", "$unset", "$setOnInsert", "$mul", "$bogus", "set"])
_SHAPED: Final = st.dictionaries(
    _NAMES_OF_OPERATORS, st.one_of(st.dictionaries(_PATHS, _OPERANDS, max_size=3), st.just(1)), min_size=1, max_size=3
)
_BEFORE: Final = st.dictionaries(st.sampled_from(["a", "b", "n", "10", "9"]), _OPERANDS, max_size=4)


def outcome(raw: Document, document: Document, inserting: bool) -> Any:
    """What an update makes of a document, or its error."""
    try:
        return parse_update(raw, Context()).apply(document, inserting=inserting)
    except OperationFailure as error:
        return (error.code, error.details)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(_SHAPED, _BEFORE, st.booleans())
def test_prepared_updates_are_the_parsed_ones(raw: Document, fields: Document, inserting: bool) -> None:
    document = {"_id": 1, **fields}
    before = copy.deepcopy(document)
    found = outcome(raw, document, inserting)
    again = outcome(copy.deepcopy(raw), document, inserting)
    with mock.patch.object(update_module, "prepare", return_value=None):
        expected = outcome(raw, document, inserting)
    assert same([found], [expected]) if type(expected) is dict else found == expected
    assert same([again], [expected]) if type(expected) is dict else again == expected
    assert same(document, before)


def test_common_updates_are_prepared() -> None:
    for raw in ({"$set": {"b": 1, "a": [1]}, "$inc": {"n": 1}}, {"$unset": {"a": ""}}, {"$setOnInsert": {"a": None}}):
        assert type(parse_update(raw, Context())) is Prepared
    for raw in ({"$set": {"a.b": 1}}, {"$inc": {"n": 2**31}}, {"$push": {"a": 1}}, {"$set": {"_id": 1}}):
        assert type(parse_update(raw, Context())) is not Prepared


def test_a_prepared_update_has_the_tree_of_a_parsed_one() -> None:
    raw: Document = {"$set": {"b": 1, "10": 2, "9": 3}, "$inc": {"n": 1}, "$unset": {"u": ""}, "$setOnInsert": {"s": 0}}
    prepared = parse_update(raw, Context())
    with mock.patch.object(update_module, "prepare", return_value=None):
        parsed = parse_update(raw, Context())
    assert isinstance(prepared, Prepared)
    assert isinstance(parsed, update_module.Modification)
    assert list(prepared.root.children.items()) == list(parsed.root.children.items())
    assert (prepared.names, prepared.touched, prepared.guarded, prepared.positional, prepared.needs_position) == (
        parsed.names,
        parsed.touched,
        parsed.guarded,
        parsed.positional,
        parsed.needs_position,
    )


_COLLIDING: Final[list[Any]] = [
    1, 1.0, True, "1", None, [1], [[1]], {"b": 1}, {"$gt": 0}, {"$eq": 1}, {"$in": [1]}, {"$exists": False}, {},
    Regex("1"), {"$regex": "1"}, {"$ref": "c", "$id": 1}, Int64(1), Decimal128("1"), b"1", {"$type": "int"},
]  # fmt: skip


@pytest.mark.parametrize("indexed", [False, True])
def test_filters_that_look_alike(written: Collection, indexed: bool) -> None:
    values = [1, "1", None, [4, 2], [[1]], {"b": 1}, {}, True, b"1", [{"b": 2}], "x1"]
    for collection in (written.blocks, written.alone):
        if indexed:
            collection.create_index("a", unique=True, sparse=True)
        collection.insert_many([{"_id": place, "a": value} for place, value in enumerate(values)])
        collection.insert_one({"_id": "none"})
    requests = [
        UpdateOne({"a": value}, {"$inc": {"n": 1}, "$set": {"by": place}}) for place, value in enumerate(_COLLIDING)
    ]
    assert together(written.blocks, requests, True) == singly(written.alone, requests, True)
    assert same(list(written.blocks.find()), list(written.alone.find()))


def test_updates_that_look_alike(written: Collection) -> None:
    operands: list[Any] = [{"a": 1}, {"a": [1]}, {"a": {"b": 1}}, {"a.b": 2}, {"a": None}, {"a.0": 3}, {"a": {"$x": 1}}]
    requests = [UpdateOne({"_id": place}, {"$set": fields}, upsert=True) for place, fields in enumerate(operands)]
    requests += [UpdateOne({"_id": place, "a": 1}, {"$set": {"a.$": 5}}) for place in range(len(operands))]
    found, _, errors = together(written, requests, False)
    assert [each["index"] for each in errors] == [len(operands)]
    assert found["nUpserted"] == len(operands)
    assert list(written.find()) == [
        {"_id": 0, "a": 1},
        {"_id": 1, "a": [5]},
        {"_id": 2, "a": {"b": 1}},
        {"_id": 3, "a": {"b": 2}},
        {"_id": 4, "a": None},
        {"_id": 5, "a": {"0": 3}},
        {"_id": 6, "a": {"$x": 1}},
    ]


# one document several times


def test_one_document_many_times_in_a_block(written: Collection) -> None:
    by_id = [UpdateOne({"_id": 1}, {"$inc": {"n": 1}, "$set": {"last": place}}, upsert=True) for place in range(50)]
    result = written.bulk_write([*by_id, DeleteOne({"_id": 1}), *by_id[:3], InsertOne({"_id": 2})])
    assert (result.upserted_count, result.modified_count, result.deleted_count) == (2, 51, 1)
    assert result.upserted_ids == {0: 1, 51: 1}
    assert list(written.find()) == [{"_id": 1, "n": 3, "last": 2}, {"_id": 2}]


def test_a_document_deleted_and_inserted_again_goes_to_the_end(written: Collection) -> None:
    written.insert_many([{"_id": 1}, {"_id": 2}])
    written.bulk_write([DeleteOne({"_id": 1}), UpdateOne({"_id": 1}, {"$set": {"a": 1}}, upsert=True)])
    assert list(written.find()) == [{"_id": 2}, {"_id": 1, "a": 1}]


def test_a_block_that_leaves_no_document_makes_the_collection(written: Collection) -> None:
    written.bulk_write([UpdateOne({"_id": 1}, {"$set": {"a": 1}}, upsert=True), DeleteOne({"_id": 1})])
    assert written.count_documents({}) == 0
    assert written.name in written.database.list_collection_names()


def test_upserts_by_a_unique_name_that_changes_in_the_block(written: Collection) -> None:
    written.create_index("name", unique=True)
    requests = [
        UpdateOne({"name": "a"}, {"$set": {"n": 1}}, upsert=True),
        UpdateOne({"name": "a"}, {"$set": {"name": "b"}}, upsert=True),
        UpdateOne({"name": "a"}, {"$set": {"n": 2}}, upsert=True),
        UpdateOne({"name": "b"}, {"$inc": {"n": 10}}, upsert=True),
        UpdateOne({"name": "b"}, {"$set": {"name": ["c", "d"]}}),
        UpdateOne({"name": "d"}, {"$set": {"n": 7}}, upsert=True),
    ]
    result = written.bulk_write(requests)
    assert (result.upserted_count, result.modified_count) == (2, 4)
    found = sorted(written.find({}, {"_id": 0}), key=lambda document: document["n"])
    assert found == [{"name": "a", "n": 2}, {"name": ["c", "d"], "n": 7}]
    with pytest.raises(BulkWriteError) as caught:
        written.bulk_write([UpdateOne({"name": "e"}, {"$set": {"name": "c"}}, upsert=True)])
    (error,) = caught.value.details["writeErrors"]
    assert (error["index"], error["code"], error["keyPattern"], error["keyValue"]) == (
        0,
        11000,
        {"name": 1},
        {"name": "c"},
    )


# errors, and what is said of them


def test_an_error_in_the_middle_of_a_block(written: Collection) -> None:
    requests = [
        UpdateOne({"_id": place}, {"$inc": {"n": "x" if place == 5 else 1}}, upsert=True) for place in range(10)
    ] + [UpdateOne({"_id": 0}, {"$set": {"s": "x"}}), UpdateOne({"_id": 0}, {"$inc": {"s": 1}})]
    with pytest.raises(BulkWriteError) as caught:
        written.bulk_write(requests, ordered=False)
    errors = caught.value.details["writeErrors"]
    assert [(each["index"], each["code"]) for each in errors] == [(5, 14), (11, 14)]
    assert errors[0]["op"] == {"q": {"_id": 5}, "u": {"$inc": {"n": "x"}}, "multi": False, "upsert": True}
    assert written.count_documents({"n": 1}) == 9


def test_a_document_too_large_in_the_middle_of_a_block(written: Collection) -> None:
    requests = [UpdateOne({"_id": 0}, {"$set": {"a": "x" * 9_000_000}}, upsert=True)]
    requests += [UpdateOne({"_id": place % 2}, {"$set": {"b": "y" * 9_000_000}}, upsert=True) for place in (1, 0, 3)]
    with pytest.raises(BulkWriteError) as caught:
        written.bulk_write(requests)
    (error,) = caught.value.details["writeErrors"]
    assert (error["index"], error["code"]) == (2, 10334)
    assert [(each["_id"], sorted(each)) for each in written.find()] == [(0, ["_id", "a"]), (1, ["_id", "b"])]


def test_update_many_says_which_error_came_first(written: Collection) -> None:
    written.insert_many([{"_id": 0, "s": "x" * 16_777_100, "n": 1}, {"_id": 1, "n": "no number"}])
    with pytest.raises(OperationFailure) as caught:
        written.update_many({}, {"$inc": {"n": 1}, "$set": {"t": "y" * 200}})
    assert caught.value.code == 17419


def test_the_first_error_of_a_request_is_raised(written: Collection) -> None:
    unencodable = UpdateOne({"_id": 1}, {"$set": {"a": "\ud800"}}, upsert=True)
    fine = UpdateOne({"_id": 0}, {"$set": {"a": 1}}, upsert=True)
    with pytest.raises(UnicodeEncodeError):
        written.bulk_write([fine, unencodable, fine])
    with pytest.raises(InvalidDocument):
        written.bulk_write([fine, ReplaceOne({"_id": 1}, {"a": object()}), "no request"])  # type: ignore[list-item]
    with pytest.raises(OperationFailure) as caught:
        written.bulk_write([UpdateOne({"$where": "1"}, {"$set": {"a": 1}}), "no request"])  # type: ignore[list-item]
    assert caught.value.code == 238 or "where" in str(caught.value).lower()
    assert written.count_documents({}) == 0


def test_a_filter_nested_too_deep_for_the_codec_is_its_own_error(written: Collection) -> None:
    deep: Any = 1
    for _ in range(190):
        deep = {"a": deep}
    requests = [
        UpdateOne({"_id": 0}, {"$set": {"a": 1}}, upsert=True),
        UpdateOne({"_id": 1}, {"$set": deep}, upsert=True),
    ]
    with pytest.raises(BulkWriteError) as caught:
        written.bulk_write(requests)
    assert [(each["index"], each["code"]) for each in caught.value.details["writeErrors"]] == [(1, 15)]
    assert list(written.find()) == [{"_id": 0, "a": 1}]


def test_unacknowledged_blocks(written: Collection) -> None:
    quiet = written.with_options(write_concern=WriteConcern(w=0))
    requests = [UpdateOne({"_id": place}, {"$inc": {"n": 1}}, upsert=True) for place in range(3)]
    assert not quiet.bulk_write([*requests, UpdateOne({"_id": 0}, {"$inc": {"_id": 1}})]).acknowledged
    assert written.count_documents({}) == 3


# the caller's objects


def test_what_the_caller_changes_later_is_not_stored(written: Collection) -> None:
    tags: list[Any] = ["a"]
    requests = [UpdateOne({"_id": place}, {"$set": {"tags": tags}}, upsert=True) for place in range(2)]
    document = {"_id": 2, "tags": tags}
    written.bulk_write([*requests, InsertOne(document), ReplaceOne({"_id": 3}, {"tags": tags}, upsert=True)])
    written.insert_one({"_id": 4, "tags": tags})
    tags.append("b")
    document["_id"] = 9
    written.update_one({"_id": 0}, {"$push": {"tags": "c"}})
    found = written.find_one({"_id": 1})
    assert found is not None
    found["tags"].append("d")
    assert [each["tags"] for each in written.find()] == [["a", "c"], ["a"], ["a"], ["a"], ["a"]]


def test_identities_are_put_into_the_callers_documents_in_turn(written: Collection) -> None:
    document: Document = {"a": 1}
    written.bulk_write([ReplaceOne({"b": 1}, document, upsert=True), InsertOne(document)])
    assert type(document["_id"]) is ObjectId
    stored = list(written.find())
    assert [each["a"] for each in stored] == [1, 1]
    assert stored[0]["_id"] != stored[1]["_id"] == document["_id"]
    twice: Document = {"a": 2}
    with pytest.raises(BulkWriteError) as caught:
        written.bulk_write([InsertOne(twice), InsertOne(twice)])
    assert caught.value.details["writeErrors"][0]["keyValue"] == {"_id": twice["_id"]}


# the step of many changes


def _written(collection: Collection, changes: list[Change], ordered: bool) -> list[Any]:
    return list(collection.deployment.run(collection.storage.write(changes, ordered)))


@pytest.mark.parametrize("ordered", [True, False])
def test_outcomes_of_changes_that_no_longer_fit(stored: Collection, ordered: bool) -> None:
    stored.insert_many([{"_id": place} for place in range(230)])
    storage = stored.storage
    found: list[Stored] = []
    reader = storage.open(storage.plan(Access(writes=True)))
    while (batch := stored.deployment.run(reader.fetch())) is not None:
        found.extend(batch)
    stored.update_one({"_id": 150}, {"$set": {"by": "another"}})
    stored.delete_one({"_id": 160})
    changes = [Change(each, {**each.document, "by": "us"}) for each in found]
    changes.insert(5, Change(None, {"_id": 7}))
    changes.append(Change(None, {"_id": 500}))
    outcomes = _written(stored, changes, ordered)
    codes = ["taken" if isinstance(each, DuplicateKeyError) else each.value for each in outcomes]
    if ordered:
        assert codes == ["done"] * 5 + ["taken"]
        assert stored.count_documents({"by": "us"}) == 5
        return
    expected = ["done"] * len(changes)
    expected[5], expected[151], expected[161] = "taken", "conflict", "conflict"
    assert codes == expected
    assert outcomes[5].details["keyValue"] == {"_id": 7}
    assert stored.count_documents({"by": "us"}) == 228
    assert stored.find_one({"_id": 150}) == {"_id": 150, "by": "another"}
    assert stored.find_one({"_id": 160}) is None


def test_changes_see_an_index_that_was_made_meanwhile(
    write_engines: MongoClient, stored: Collection, fresh_name: Callable[[], str]
) -> None:
    stored.insert_many([{"_id": place, "name": str(place)} for place in range(4)])
    other = stored.with_options()
    found = stored.deployment.run(stored.storage.prefetch([]))
    assert found == []
    # The definitions that this storage knows of are older than the index.
    known = stored.storage._known  # type: ignore[attr-defined]
    other.create_index("name", unique=True)
    stored.storage.know(known)  # type: ignore[attr-defined]
    with pytest.raises(BulkWriteError) as caught:
        stored.bulk_write([UpdateOne({"_id": 0}, {"$set": {"name": "1"}}), UpdateOne({"_id": 2}, {"$set": {"n": 1}})])
    assert caught.value.details["writeErrors"][0]["keyValue"] == {"name": "1"}
    assert stored.find_one({"name": "0"}) == {"_id": 0, "name": "0"}


def test_a_block_that_changes_no_entry_leaves_the_index_as_it_is(stored: Collection) -> None:
    stored.create_index("name", unique=True)
    stored.create_index([("tags", 1)])
    stored.insert_many([{"_id": place, "name": str(place), "tags": ["a", place]} for place in range(20)])
    stored.bulk_write([UpdateOne({"name": str(place)}, {"$inc": {"n": place}}) for place in range(20)])
    assert [each["n"] for each in stored.find({"tags": "a"}).sort("name", 1)][:3] == [0, 1, 10]
    stored.bulk_write([UpdateOne({"name": "3"}, {"$set": {"tags": ["z"]}})])
    assert stored.count_documents({"tags": "z"}) == 1
    assert stored.count_documents({"tags": 3}) == 0


def test_each_document_of_a_block_is_encoded_once(stored: Collection) -> None:
    requests = [UpdateOne({"_id": place}, {"$set": {"a": place}}, upsert=True) for place in range(64)]
    stored.bulk_write(requests)
    calls: list[Any] = []
    real = bson.encode

    def counted(document: Any, *arguments: Any) -> bytes:
        calls.append(document)
        return real(document, *arguments)

    with mock.patch.object(bson, "encode", counted):
        stored.bulk_write([UpdateOne({"_id": place}, {"$inc": {"a": 1}}) for place in range(64)])
    inner = list(itertools.chain.from_iterable(next(iter(each.values())) for each in calls))
    assert sum("a" in each for each in inner) == 64
