"""Indexes are created and dropped, collections dropped and renamed, while writers go on."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest
from pymongo.errors import DuplicateKeyError, OperationFailure
from racing import together

from kato_compat import Collection, MongoClient
from kato_compat.execute import entering, indexing
from kato_compat.execute.mapped import MappedStorage

_WRITERS: Final = 4


def _writing(*calls: Callable[[], Any], beside: Callable[[int, int], Any]) -> list[Any]:
    """Run calls one after another while writers call `beside` with their number and turn; what the writers made."""
    ended = threading.Event()

    def act() -> None:
        try:
            for call in calls:
                call()
        finally:
            ended.set()

    def write(number: int) -> list[Any]:
        found: list[Any] = []
        turn = 0
        while not ended.is_set():
            found.append(beside(number, turn))
            turn += 1
        return found

    _, *made = together(act, *[lambda number=number: write(number) for number in range(_WRITERS)])
    return [each for found in made for each in found]


def _same_by_index(collection: Collection, path: str) -> None:
    """What an index gives is what a scan gives."""
    by_index = sorted(each["_id"] for each in collection.find({path: {"$gte": 0}}))
    assert by_index == sorted(each["_id"] for each in collection.find({path: {"$gte": 0}}, pushdown=False))


def test_a_unique_index_is_built_or_refused(written: Collection) -> None:
    """Either it is there and no two documents share a value, or it was refused and is not there."""
    built: list[bool] = []

    def write(number: int, turn: int) -> None:
        try:
            written.insert_one({"_id": f"{number}.{turn}.{len(built)}", "u": turn % 40, "w": number})
        except DuplicateKeyError:
            written.delete_one({"u": turn % 40})

    def create() -> None:
        try:
            written.create_index("u", unique=True, name="u")
        except DuplicateKeyError:
            assert "u" not in written.index_information()
            written.delete_many({})
            built.append(False)
            return
        assert written.index_information()["u"]["unique"] is True
        counts = Counter(each["u"] for each in written.find({}, pushdown=False))
        assert set(counts.values()) <= {1}
        _ = [written.find_one({"u": value}) for value in counts]
        written.drop_index("u")
        built.append(True)

    _writing(*[create] * 25, beside=write)
    # Without a rival it is built.
    written.delete_many({})
    written.create_index("u", unique=True)
    written.insert_one({"u": 1})
    with pytest.raises(DuplicateKeyError):
        written.insert_one({"u": 1})
    assert built


def test_indexes_that_come_and_go_agree_with_the_documents(written: Collection) -> None:
    def write(number: int, turn: int) -> int:
        key = f"{number}.{turn % 30}"
        match turn % 4:
            case 0:
                return written.update_one(
                    {"_id": key}, {"$set": {"a": turn, "b": [turn, number]}}, upsert=True
                ).matched_count
            case 1:
                return written.update_one({"_id": key}, {"$inc": {"a": 1}}).matched_count
            case 2:
                return written.update_many({"a": {"$gt": turn}, "_id": key}, {"$unset": {"b": ""}}).matched_count
            case _:
                return written.delete_one({"_id": key, "a": {"$mod": [2, 0]}}).deleted_count

    def come() -> None:
        written.create_index([("a", -1)], name="a")
        written.create_index([("b", 1), ("a", 1)], name="ba")

    def go() -> None:
        written.drop_index("a")
        written.drop_index("ba")

    _writing(*[come, go] * 8, come, beside=write)
    _same_by_index(written, "a")
    _same_by_index(written, "b")
    assert set(written.index_information()) == {"_id_", "a", "ba"}


def test_a_dropped_collection_begins_anew(written: Collection) -> None:
    """What is there after the last drop was written after it: documents and entries of indexes alike."""
    epoch = [0]

    def write(number: int, turn: int) -> tuple[str, int]:
        made = written.insert_one({"_id": f"{number}.{turn}", "u": f"{number}.{turn}"}).inserted_id
        return made, epoch[0]

    def drop() -> None:
        written.create_index("u", unique=True)
        epoch[0] += 1
        written.drop()

    made = _writing(*[drop] * 20, beside=write)
    # What was acknowledged before the last drop began is gone.
    assert {each["_id"] for each in written.find()} <= {name for name, acknowledged in made if acknowledged == epoch[0]}
    left = written.count_documents({})
    assert left == len(list(written.find())) == written.delete_many({"u": {"$exists": True}}).deleted_count
    written.drop()
    assert written.name not in written.database.list_collection_names()
    assert written.index_information() == {}


@pytest.mark.parametrize("indexed", [False, True])
def test_a_rename_loses_no_document(written: Collection, indexed: bool) -> None:
    """Whatever was acknowledged is in one of the two collections, once."""
    database = written.database
    source, target = written.name, "renamed"

    def write(number: int, turn: int) -> str:
        return str(database[source].insert_one({"_id": f"{number}.{turn}", "u": turn}).inserted_id)

    found: list[str] = []

    def rename() -> None:
        if indexed:
            database[source].create_index("u", name="u")
        try:
            database[source].rename(target)
        except OperationFailure as error:
            if error.code != 26:  # nobody has written since the last one
                raise
            return
        # A step that had read the old place finishes; what it wrote then is in the new one.
        database[target].rename("kept")
        found.extend(each["_id"] for each in database["kept"].find())
        database["kept"].drop()

    made = _writing(*[rename] * 15, beside=write)
    rest = [each["_id"] for name in (source, target) for each in database[name].find()]
    assert sorted([*found, *rest]) == sorted(made)
    if indexed and rest:
        assert database[source].count_documents({"u": {"$gte": 0}}) == database[source].count_documents({})


def test_an_index_that_is_dropped_while_it_is_built_is_not_said_to_be_there(
    stored: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB manual: Index Builds, Terminate In-Progress Index Builds."""
    build = indexing._build
    stored.insert_one({"_id": 1, "a": 1})

    for end, there in ((lambda: stored.drop_index("a"), True), (stored.drop, False)):

        def built(storage: Any, index: Any, end: Callable[[], None] = end) -> Any:
            yield from build(storage, index)
            end()

        monkeypatch.setattr(indexing, "_build", built)
        with pytest.raises(OperationFailure) as error:
            stored.create_index("a", name="a")
        assert error.value.code == 276
        assert (stored.name in stored.database.list_collection_names()) is there
        assert "a" not in stored.index_information()


@pytest.mark.parametrize("options", [{}, {"unique": True}])
@pytest.mark.parametrize("name", ["things", "symbols_kb", "patterns_kb"])
def test_another_thread_that_has_not_heard_of_it_does_not_spoil_a_build(
    write_engines: MongoClient,
    fresh_name: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: dict[str, Any],
) -> None:
    """Threads share what is known of the definitions; one that read them earlier may note that later."""
    database = write_engines[fresh_name()]
    collection = database[name]
    row = {"pattern_data": [["a"]], "length": 1} if name == "patterns_kb" else {}
    collection.insert_many([{"name": f"n{number}", **row, "frequency": number + 1} for number in range(5)])
    storage: Any = collection.storage
    documents = storage if name == "things" else storage.documents
    old = write_engines.deployment.run(documents.definitions(reload=True))
    entered: list[Any] = []

    def late(enter: Callable[..., Any]) -> Callable[..., Any]:
        def entering_late(*arguments: Any) -> Any:
            documents.know(old)
            entered.append(arguments)
            return (yield from enter(*arguments))

        return entering_late

    monkeypatch.setattr(indexing, "_enter", late(indexing._enter))
    monkeypatch.setattr(entering, "_enter", late(entering._enter))
    monkeypatch.setattr(MappedStorage, "_relocate", late(MappedStorage._relocate))
    collection.create_index("frequency", **options)
    assert entered
    documents.know(old)
    assert [each["name"] for each in collection.find({"frequency": {"$gte": 4}}).sort("frequency")] == ["n3", "n4"]
    if options:
        for write in (
            lambda: collection.insert_one({"name": "n9", **row, "frequency": 3}),
            lambda: collection.update_one({"name": "n0"}, {"$set": {"frequency": 3}}),
        ):
            documents.know(old)
            with pytest.raises(DuplicateKeyError):
                write()
    write_engines.drop_database(database.name)
