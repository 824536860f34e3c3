"""What may not be stored is refused before anything is sent (pymongo documentation: bson.errors; manual: Limits)."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from bson.errors import InvalidDocument
from pymongo import InsertOne, ReplaceOne, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure, WriteError
from pymongo.results import BulkWriteResult

from kato_compat import Collection, MongoClient
from kato_compat.execute.deployment import Deployment


def _never(self: Deployment, flow: Any) -> NoReturn:
    flow.close()
    raise AssertionError("something was sent")


_CALLS: dict[str, Callable[[Collection, dict[str, Any]], Any]] = {
    "insert_one": lambda things, document: things.insert_one(document),
    "insert_many": lambda things, document: things.insert_many([{"ok": 1}, document]),
    "replace_one": lambda things, document: things.replace_one({}, document, upsert=True),
    "update_one": lambda things, document: things.update_one({}, {"$set": {"a": document}}, upsert=True),
    "bulk_insert": lambda things, document: things.bulk_write([InsertOne(document)]),
    "bulk_replace": lambda things, document: things.bulk_write([ReplaceOne({}, document, upsert=True)]),
}


@pytest.mark.parametrize("call", _CALLS)
@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ({"a\0b": 1}, (InvalidDocument,)),
        ({"a": 0, 1: 1}, (InvalidDocument,)),
        ({"a": "\ud800"}, (UnicodeEncodeError, InvalidDocument)),
        ({"a\udfff": 1}, (UnicodeEncodeError, InvalidDocument)),
        ({"a": object()}, (InvalidDocument,)),
        ({"a": 2**63}, (OverflowError,)),
    ],
    ids=["nul", "number", "surrogate", "surrogate name", "object", "integer"],
)
def test_bad_documents_are_never_sent(
    monkeypatch: pytest.MonkeyPatch, call: str, document: Any, errors: tuple[type[Exception], ...]
) -> None:
    monkeypatch.setattr(Deployment, "run", _never)
    with MongoClient("memory://") as client, pytest.raises(errors):
        _CALLS[call](client.a.things, document)


_LIMIT = 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("insert_one", DocumentTooLarge),
        ("insert_many", OperationFailure),
        ("bulk_insert", OperationFailure),
        ("replace_one", DocumentTooLarge),
        ("update_one", DocumentTooLarge),
    ],
)
def test_far_too_large_is_never_sent(monkeypatch: pytest.MonkeyPatch, call: str, error: type[Exception]) -> None:
    monkeypatch.setattr(Deployment, "run", _never)
    with MongoClient("memory://") as client, pytest.raises(error):
        _CALLS[call](client.a.things, {"a": "x" * (_LIMIT + 17 * 1024)})


@pytest.mark.parametrize(("document", "code"), [({"a": "x" * _LIMIT}, 2), ({"_id": []}, 53)], ids=["size", "id"])
def test_what_the_server_refuses_is_refused_in_its_turn(
    written: Collection, document: dict[str, Any], code: int
) -> None:
    with pytest.raises(WriteError) as refused:
        written.insert_one(dict(document))
    assert refused.value.code == code
    for number, ordered in enumerate((True, False)):
        given = [{"_id": f"a{number}"}, dict(document), {"_id": f"b{number}"}]
        for write in (
            written.insert_many,
            lambda given, ordered: written.bulk_write(list(map(InsertOne, given)), ordered),
        ):
            written.delete_many({})
            with pytest.raises(BulkWriteError) as error:
                write(given, ordered=ordered)
            assert [(each["index"], each["code"], each["op"]) for each in error.value.details["writeErrors"]] == [
                (1, code, given[1])
            ]
            assert error.value.details["nInserted"] == (1 if ordered else 2)
            assert written.count_documents({}) == (1 if ordered else 2)


def test_an_unacknowledged_document_is_measured_before_it_is_sent(written: Collection) -> None:
    quiet = written.with_options(write_concern=WriteConcern(w=0))
    with pytest.raises(DocumentTooLarge):
        quiet.insert_one({"a": "x" * _LIMIT})
    quiet.insert_many([{"_id": 1}, {"_id": []}, {"_id": 2}], ordered=False)
    assert [each["_id"] for each in written.find()] == [1, 2]


def test_growing_beyond_the_limit_is_refused_and_changes_nothing(written: Collection) -> None:
    written.insert_one({"_id": 1, "a": "x" * 1024})
    for write in (
        lambda: written.update_one({"_id": 1}, {"$set": {"b": "x" * (16 * 1024 * 1024 - 1000)}}),
        lambda: written.bulk_write([UpdateOne({"_id": 1}, {"$set": {"b": "x" * (16 * 1024 * 1024 - 1000)}})]),
    ):
        with pytest.raises(OperationFailure) as error:
            write()
        details = error.value.details or {}
        code = details["writeErrors"][0]["code"] if isinstance(error.value, BulkWriteError) else error.value.code
        assert code == 17419
    with pytest.raises(WriteError) as much:
        written.update_one({"_id": 1}, {"$set": {"b": "x" * (_LIMIT + 16000)}})
    assert much.value.code == 10334
    with pytest.raises(WriteError) as upserted:
        written.update_one({"_id": 2}, {"$set": {"b": "x" * _LIMIT}}, upsert=True)
    assert upserted.value.code == 17420
    assert list(written.find()) == [{"_id": 1, "a": "x" * 1024}]


def test_unacknowledged_writes_report_nothing(written: Collection) -> None:
    quiet = written.with_options(write_concern=WriteConcern(w=0))
    assert quiet.insert_one({"_id": 1}).acknowledged is False
    assert quiet.insert_one({"_id": 1}).inserted_id == 1
    assert quiet.insert_many([{"_id": 1}, {"_id": 2}], ordered=False).inserted_ids == [1, 2]
    assert quiet.update_one({"_id": 1}, {"$set": {"a": 1}}).acknowledged is False
    assert isinstance(quiet.bulk_write([InsertOne({"_id": 1})]), BulkWriteResult)
    assert quiet.delete_one({"_id": 2}).acknowledged is False
    assert list(written.find()) == [{"_id": 1, "a": 1}]


def test_an_ordered_bulk_sees_its_own_writes_and_stops_at_the_first_error(written: Collection) -> None:
    written.create_index("u", unique=True, sparse=True)
    with pytest.raises(BulkWriteError) as error:
        written.bulk_write(
            [
                InsertOne({"_id": 1, "u": 1}),
                UpdateOne({"_id": 1}, {"$inc": {"n": 1}}),
                UpdateOne({"u": 1}, {"$inc": {"n": 1}, "$set": {"u": 2}}),
                UpdateOne({"u": 2}, {"$inc": {"n": 1}}, upsert=True),
                UpdateOne({"u": 1}, {"$inc": {"n": 1}}, upsert=True),
                UpdateOne({"u": 1}, {"$set": {"u": 2}}),
                InsertOne({"_id": 9}),
            ]
        )
    details = error.value.details
    assert [each["index"] for each in details["writeErrors"]] == [5]
    assert (details["nInserted"], details["nMatched"], details["nModified"], details["nUpserted"]) == (1, 3, 3, 1)
    assert [(each["u"], each["n"]) for each in written.find()] == [(2, 3), (1, 1)]


def test_a_thousand_upserts_take_few_round_trips(stored: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.create_index("name", unique=True)
    store = stored.deployment.redis  # type: ignore[attr-defined]
    calls: list[int] = []
    pipeline = stored.deployment.driver._perform
    kind = next(each for each in pipeline if each.__name__ == "Pipeline")

    def counted(request: Any) -> Any:
        calls.append(len(request.commands))
        return store.pipeline(request.commands)

    monkeypatch.setitem(pipeline, kind, counted)
    requests = [UpdateOne({"name": f"n{number % 700}"}, {"$inc": {"n": 1}}, upsert=True) for number in range(1000)]
    result = stored.bulk_write(requests)
    assert (result.upserted_count, result.modified_count) == (700, 300)
    assert len(calls) <= 6
    assert stored.count_documents({"n": 2}) == 300
