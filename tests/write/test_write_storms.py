"""Writes of many documents, upserts and bulks beside other writers: what results say adds up to what is there."""

import threading
from collections.abc import Callable
from typing import Any, Final

import pytest
from pymongo import DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError
from racing import Shape, together

from kato_compat import Collection

Document = dict[str, Any]
_STABLE: Final = 12
_CHURNED: Final = 4
_ROUNDS: Final = 6
_RACERS: Final = 6


def _count(document: Document, shape: Shape) -> int:
    found: Any = document
    for name in shape.counter.split("."):
        found = found[name]
    return int(found)


def _made(shape: Shape, key: str) -> Document:
    return {**shape.document(0), shape.key: key}


def _until(ended: threading.Event, call: Callable[[int], Any]) -> list[Any]:
    """What a call returns, again and again, until the others have ended."""
    found: list[Any] = []
    while not ended.is_set():
        found.append(call(len(found)))
    return found


def _beside(workers: list[Callable[[], Any]], others: list[Callable[[threading.Event], Any]]) -> list[Any]:
    """Run workers at once, and others beside them until they are done; what they all return."""
    ended = threading.Event()
    left = [len(workers)]
    lock = threading.Lock()

    def worker(call: Callable[[], Any]) -> Any:
        try:
            return call()
        finally:
            with lock:
                left[0] -= 1
                if not left[0]:
                    ended.set()

    calls = [lambda call=call: worker(call) for call in workers]
    return together(*calls, *[lambda other=other: other(ended) for other in others])


def _churn(collection: Collection, shape: Shape, ended: threading.Event) -> list[int]:
    """Delete and insert the same documents; how often those that are no more had been counted."""
    start = _count(shape.document(0), shape)
    gone: list[int] = []

    def turn(number: int) -> None:
        key = f"c{number % _CHURNED}"
        document = collection.find_one_and_delete({shape.key: key})
        if document is not None:
            gone.append(_count(document, shape) - start)
        collection.insert_one(_made(shape, key))

    _until(ended, turn)
    return gone


@pytest.mark.parametrize("moved", [False, True], ids=["in place", "moved"])
def test_update_many_updates_each_document_once(raced: tuple[Collection, Shape], moved: bool) -> None:
    collection, shape = raced
    start = _count(shape.document(0), shape)
    collection.insert_many([_made(shape, f"j{number}") for number in range(_STABLE)])

    def update() -> int:
        update = {"$inc": {shape.counter: 1}}
        return sum(collection.update_many({}, update).modified_count for _ in range(_ROUNDS))

    def touch(ended: threading.Event) -> list[int]:
        """Other changes of the documents; in a mapped collection they move to the document side."""

        def turn(number: int) -> None:
            collection.update_one({shape.key: f"j{number % _STABLE}"}, {"$set": {"touched": number}})

        _until(ended, turn)
        return []

    churn: Callable[[threading.Event], list[int]] = lambda ended: _churn(collection, shape, ended)  # noqa: E731
    *updated, gone, _ = _beside([update] * 3, [churn, touch if moved else churn])
    held = {document[shape.key]: _count(document, shape) - start for document in collection.find()}
    assert {key: count for key, count in held.items() if key[0] == "j"} == {
        f"j{number}": 3 * _ROUNDS for number in range(_STABLE)
    }
    if moved:
        assert sum(updated) == sum(held.values()) + sum(gone)


@pytest.mark.parametrize("everything", [False, True], ids=["filter", "everything"])
def test_delete_many_counts_what_it_deletes(raced: tuple[Collection, Shape], everything: bool) -> None:
    collection, shape = raced
    condition = {} if everything else {shape.key: {"$regex": "^j"}}

    def insert(worker: int) -> int:
        for number in range(30):
            collection.insert_one(_made(shape, f"j{worker}_{number}"))
        return 30

    def delete(ended: threading.Event) -> int:
        return sum(_until(ended, lambda _: collection.delete_many(condition).deleted_count))

    def count(ended: threading.Event) -> int:
        _until(ended, lambda _: collection.update_many({}, {"$inc": {shape.counter: 1}}).modified_count)
        return 0

    def single(ended: threading.Event) -> int:
        return sum(_until(ended, lambda number: collection.delete_one({shape.key: f"j0_{number % 30}"}).deleted_count))

    inserters = [lambda worker=worker: insert(worker) for worker in range(3)]
    *done, last, other, _, alone = _beside(inserters, [delete, delete, count, single])
    left = collection.count_documents({})
    assert left == len(list(collection.find()))
    assert sum(done) == last + other + alone + left
    assert collection.delete_many(condition).deleted_count == left
    assert list(collection.find()) == []


def _upserting(collection: Collection, method: str, condition: Document, update: Document) -> Callable[[], bool]:
    """One upsert by one of the methods; it says whether it inserted."""

    def call() -> bool:
        match method:
            case "update_one" | "update_many":
                return getattr(collection, method)(condition, update, upsert=True).upserted_id is not None
            case "find_one_and_update":
                before = collection.find_one_and_update(
                    condition, update, upsert=True, return_document=ReturnDocument.BEFORE
                )
                return before is None
            case "bulk_write":
                found = collection.bulk_write([UpdateOne(condition, update, upsert=True)] * 2)
                assert found.matched_count + found.upserted_count == 2
                return found.upserted_count == 1
            case "replace_one":
                replacement = {**condition, **update["$setOnInsert"]}
                return collection.replace_one(condition, replacement, upsert=True).upserted_id is not None
            case _:
                raise ValueError(f"no upsert is called {method!r}")

    return call


_METHODS: Final = ("update_one", "update_many", "find_one_and_update", "bulk_write", "replace_one")


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize("unique", ["_id", "u", "u and v"])
def test_one_of_many_upserts_inserts(written: Collection, method: str, unique: str) -> None:
    if unique != "_id":
        written.create_index([(name, 1) for name in unique.split(" and ")], unique=True)
    for turn in range(8):
        condition = dict.fromkeys(unique.split(" and "), turn)
        update = {"$inc": {"n": 1}, "$setOnInsert": {"w": 1}}
        found = together(*[_upserting(written, method, condition, update)] * _RACERS)
        assert sorted(found) == [False] * (_RACERS - 1) + [True]
        (document,) = written.find(condition)
        if method != "replace_one":
            assert document["n"] == _RACERS * (2 if method == "bulk_write" else 1)
    assert written.count_documents({}) == 8


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("method", _METHODS)
def test_one_of_many_upserts_of_a_key_inserts(raced: tuple[Collection, Shape], method: str, indexed: bool) -> None:
    """The key of a mapped collection is claimed by one writer even where no unique index asks for it."""
    collection, shape = raced
    if collection.name == "things" and not indexed:
        pytest.skip("a field of a schema-less collection is not unique without an index")
    if indexed:
        collection.create_index(shape.key, unique=True)
    for turn in range(4):
        condition = {shape.key: f"k{turn}"}
        whole = {name: value for name, value in shape.document(0).items() if name != shape.key}
        counter = shape.counter.partition(".")[0]
        inserted = whole if method == "replace_one" else {n: v for n, v in whole.items() if n != counter}
        update: Document = {"$setOnInsert": inserted} if inserted else {}
        if counter == shape.counter:
            update["$inc"] = {counter: 1}
        else:
            update["$inc"] = {shape.counter: 1}
        found = together(*[_upserting(collection, method, condition, update)] * _RACERS)
        assert sorted(found) == [False] * (_RACERS - 1) + [True]
        (document,) = collection.find(condition)
        if method != "replace_one":
            assert _count(document, shape) == _RACERS * (2 if method == "bulk_write" else 1)
    assert collection.count_documents({}) == 4


def test_an_upsert_meets_no_duplicate_that_is_gone(written: Collection) -> None:
    """What an upsert collided with may be deleted again before it is looked at: then the upsert inserts."""

    def upsert() -> tuple[int, int]:
        results = [written.update_one({"_id": turn % 3}, {"$inc": {"n": 1}}, upsert=True) for turn in range(60)]
        return sum(each.upserted_id is not None for each in results), len(results)

    def delete(ended: threading.Event) -> tuple[int, int]:
        deleted = _until(ended, lambda turn: written.delete_one({"_id": turn % 3}).deleted_count)
        return -sum(deleted), 0

    found = _beside([upsert] * 4, [delete] * 3)
    assert sum(each for each, _ in found) == written.count_documents({})


@pytest.mark.parametrize("ordered", [True, False])
def test_results_of_bulks_add_up(raced: tuple[Collection, Shape], ordered: bool) -> None:
    collection, shape = raced
    start = _count(shape.document(0), shape)
    collection.insert_many([_made(shape, f"j{number}") for number in range(_STABLE)])
    inc = {"$inc": {shape.counter: 1}}

    def write(worker: int) -> tuple[int, int]:
        made, modified = 0, 0
        for turn in range(5):
            requests: list[Any] = [
                InsertOne(_made(shape, f"i{worker}_{turn}")),
                UpdateOne({shape.key: f"j{turn}"}, inc),
                UpdateOne({shape.key: f"j{turn}"}, inc),
                ReplaceOne({shape.key: f"c{turn % 2}"}, _made(shape, f"c{turn % 2}"), upsert=True),
                UpdateMany({shape.key: {"$in": ["j1", "j2", f"j{turn}"]}}, inc),
                DeleteOne({shape.key: f"c{(turn + 1) % 2}"}),
            ]
            result = collection.bulk_write(requests, ordered=ordered)
            made += result.inserted_count + result.upserted_count - result.deleted_count
            # A replacement that finds a document counts as a change, also by an equal one.
            modified += result.modified_count - (1 - result.upserted_count)
        return made, modified

    found = together(*[lambda worker=worker: write(worker) for worker in range(4)])
    held = list(collection.find())
    assert len(held) == collection.count_documents({}) == _STABLE + sum(made for made, _ in found)
    counted = sum(_count(each, shape) - start for each in held if each[shape.key][0] == "j")
    assert counted == 4 * sum(2 + len({1, 2, turn}) for turn in range(5))
    assert sum(modified for _, modified in found) == counted


def test_an_unordered_bulk_goes_on_beside_others(written: Collection) -> None:
    """Of several bulks that insert the same documents each inserts what the others have not."""

    def insert() -> int:
        try:
            return written.bulk_write([InsertOne({"_id": number}) for number in range(200)], False).inserted_count
        except BulkWriteError as error:
            return int(error.details["nInserted"])

    assert sum(together(*[insert] * 4)) == 200
    assert written.count_documents({}) == 200
