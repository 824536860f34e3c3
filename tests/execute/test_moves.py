"""Updates move documents between the mapped side and the document side, and no reader misses one or sees it twice."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kato_compat import MongoClient
from kato_compat.execute.keyed import MOVES
from kato_compat.ir.requests import Flow, Pipeline

#: How a document leaves the mapped side, and how it returns.
AWAY = {"$set": {"note": 1}}
BACK = {"$unset": {"note": ""}}
KEYS = {"symbols_kb": "name", "patterns_kb": "name", "predictions_kb": "unique_id"}


def document(collection: str, number: int) -> dict[str, Any]:
    """A document that the collection's mapping holds."""
    match collection:
        case "symbols_kb":
            return {"name": f"d{number:03}", "frequency": number + 1}
        case "patterns_kb":
            return {"name": f"d{number:03}", "pattern_data": [["a"]], "length": 1, "frequency": number + 1}
        case _:
            return {"unique_id": f"d{number:03}", "predictions": [number]}


class Clients:
    """Two clients of the same stores: before one of the `reader`'s requests something can be done by the `writer`."""

    def __init__(self, url: str, layout: str) -> None:
        self.reader = MongoClient(url, layout=layout)
        self.writer = MongoClient(url, layout=layout)
        self.acts: dict[int, Callable[[], Any]] = {}
        self.made = 0
        perform = self.reader.deployment.driver._perform
        for kind, performer in list(perform.items()):
            perform[kind] = self._watched(performer)

    def _watched(self, performer: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def perform(request: Any) -> Any:
            act = self.acts.pop(self.made, None)
            self.made += 1
            if act is not None:
                act()
            return performer(request)

        return perform

    def read(self, read: Callable[[], Any], acts: dict[int, Callable[[], Any]]) -> tuple[Any, int]:
        """The result of `read` with `acts` before its requests of those numbers, and how many requests it made."""
        self.acts, self.made = dict(acts), 0
        return read(), self.made


@pytest.fixture(scope="module")
def layouts(embedded_path: Path) -> Iterator[dict[str, Clients]]:
    """Clients whose symbols are kept in either layout."""
    made = {layout: Clients(f"embedded://{embedded_path}", layout) for layout in ("counters", "hashes")}
    yield made
    for each in made.values():
        each.reader.close()
        each.writer.close()


@pytest.fixture(
    params=[("symbols_kb", "counters"), ("symbols_kb", "hashes"), ("patterns_kb", ""), ("predictions_kb", "")],
    ids=lambda case: "-".join(filter(None, case)),
)
def case(request: pytest.FixtureRequest, layouts: dict[str, Clients]) -> tuple[Clients, str]:
    """Clients, and the name of a collection."""
    name, layout = request.param
    return layouts[layout or "counters"], name


@pytest.fixture
def clients(case: tuple[Clients, str]) -> Clients:
    """The clients of `case`."""
    return case[0]


@pytest.fixture
def name(case: tuple[Clients, str]) -> str:
    """The collection of `case`."""
    return case[1]


def beside(client: Any, collection: Any) -> int:
    """How many documents are on the document side."""
    storage = collection.storage

    def asked() -> Flow[int]:
        (count,) = yield Pipeline((("HLEN", storage.documents.docs),))
        return int(count)

    found: int = client.deployment.run(asked())
    return found


def identities(collection: Any) -> list[Any]:
    """The `_id` of the documents of a test: they are made from their keys."""
    return [collection.storage.spec.identify(f"d{number:03}") for number in range(5)]


READS: dict[str, Callable[[Any, str], list[Any]]] = {
    "by key": lambda collection, key: list(collection.find({key: "d001"})),
    "by keys": lambda collection, key: list(collection.find({key: {"$in": [f"d{n:03}" for n in range(5)]}})),
    "by id": lambda collection, key: list(collection.find({"_id": {"$in": identities(collection)}})),
    "all": lambda collection, key: list(collection.find({})),
    "of one field": lambda collection, key: list(collection.find({}, {"_id": 0, key: 1})),
    "sorted": lambda collection, key: list(collection.find({}).sort(key).limit(50)),
    "pipeline": lambda collection, key: list(collection.aggregate([{"$match": {key: {"$gte": ""}}}])),
}


class TestWhereADocumentIs:
    """An update takes a document to the side that can hold it."""

    def test_to_the_document_side_and_back(self, clients: Clients, name: str, fresh_name: Callable[[], str]) -> None:
        collection = clients.writer[fresh_name()][name]
        key = KEYS[name]
        collection.insert_many([document(name, number) for number in range(3)])
        before = list(collection.find().sort(key))
        assert beside(clients.writer, collection) == 0
        assert collection.update_many({}, AWAY).modified_count == 3
        assert beside(clients.writer, collection) == 3
        assert list(collection.find().sort(key)) == [{**each, "note": 1} for each in before]
        assert collection.update_one({key: "d001"}, BACK).modified_count == 1
        assert beside(clients.writer, collection) == 2
        assert collection.update_many({}, BACK).modified_count == 2
        assert beside(clients.writer, collection) == 0
        assert list(collection.find().sort(key)) == before
        assert collection.count_documents({}) == 3

    def test_one_that_was_inserted_unfit_comes_in(
        self, clients: Clients, name: str, fresh_name: Callable[[], str]
    ) -> None:
        collection = clients.writer[fresh_name()][name]
        key = KEYS[name]
        given = {**document(name, 0), "note": 1}
        identity = collection.insert_one(given).inserted_id
        assert beside(clients.writer, collection) == 1
        collection.update_one({key: "d000"}, BACK)
        assert beside(clients.writer, collection) == 0
        assert list(collection.find()) == [{"_id": identity, **document(name, 0)}]

    def test_a_second_document_with_its_key_stays_beside(
        self, clients: Clients, name: str, fresh_name: Callable[[], str]
    ) -> None:
        collection = clients.writer[fresh_name()][name]
        key = KEYS[name]
        collection.insert_many([document(name, 0), {**document(name, 0), "note": 1}])
        assert len({each["_id"] for each in collection.find()}) == 2
        collection.update_many({key: "d000"}, BACK)
        assert beside(clients.writer, collection) == 1
        assert collection.count_documents({key: "d000"}) == 2

    def test_a_unique_key_holds_on_the_way(self, clients: Clients, name: str, fresh_name: Callable[[], str]) -> None:
        collection = clients.writer[fresh_name()][name]
        key = KEYS[name]
        collection.create_index(key, unique=True)
        collection.insert_many([document(name, number) for number in range(3)])
        for change in (AWAY, BACK, AWAY):
            collection.update_many({}, change)
            assert collection.update_one({key: "d001"}, {"$setOnInsert": {"x": 1}}, upsert=True).matched_count == 1
        assert beside(clients.writer, collection) == 3
        assert [each[key] for each in collection.find().sort(key)] == ["d000", "d001", "d002"]

    def test_a_unique_index_on_another_field(self, clients: Clients, name: str, fresh_name: Callable[[], str]) -> None:
        collection = clients.writer[fresh_name()][name]
        key = KEYS[name]
        collection.insert_many([document(name, number) for number in range(3)])
        collection.create_index("label", unique=True, sparse=True)
        assert beside(clients.writer, collection) == 0
        collection.update_one({key: "d000"}, {"$set": {"label": "x"}})
        with pytest.raises(Exception, match="E11000"):
            collection.update_one({key: "d001"}, {"$set": {"label": "x"}})
        with pytest.raises(Exception, match="E11000"):
            collection.create_index("missing", unique=True)
        field = {"symbols_kb": "frequency", "patterns_kb": "frequency"}.get(name, "predictions")
        collection.create_index(field, unique=True)
        assert beside(clients.writer, collection) == 3
        with pytest.raises(Exception, match="E11000"):
            collection.insert_one({**document(name, 1), key: "d009"})
        collection.drop_index(f"{field}_1")
        collection.update_many({key: {"$ne": "d000"}}, AWAY)
        collection.update_many({}, BACK)
        assert beside(clients.writer, collection) == 1
        assert sorted(each[key] for each in collection.find()) == ["d000", "d001", "d002"]


@pytest.mark.parametrize("read", list(READS))
def test_a_move_before_any_request_of_a_read(
    clients: Clients, name: str, read: str, fresh_name: Callable[[], str]
) -> None:
    kb_id = fresh_name()
    theirs, ours = clients.writer[kb_id][name], clients.reader[kb_id][name]
    key = KEYS[name]
    theirs.insert_many([document(name, number) for number in range(5)])
    theirs.update_one({key: "d004"}, AWAY)

    def asked() -> list[str]:
        return sorted(each[key] for each in READS[read](ours, key))

    whole = asked()
    _, requests = clients.read(asked, {})

    def away(*keys: str) -> None:
        theirs.update_many({key: {"$in": list(keys)}}, AWAY)

    def back(*keys: str) -> None:
        theirs.update_many({key: {"$in": list(keys)}}, BACK)

    acts = {
        "away": (lambda: away("d001", "d002"), lambda: None),
        "back": (lambda: back("d001", "d002"), lambda: None),
        "away and back": (lambda: away("d001", "d002"), lambda: back("d001", "d002")),
        "back and away": (lambda: back("d001", "d002"), lambda: away("d001", "d002")),
    }
    for what, (first, second) in acts.items():
        # A read that finds moves makes some more requests.
        for place, later in [(n, n + further) for n in range(requests + 1) for further in (1, 3)]:
            away("d001", "d002") if what.startswith("back") else back("d001", "d002")
            found, _ = clients.read(asked, {place: first, later: second})
            assert found == whole, (what, place, later)


def test_writes_find_a_document_that_moves(clients: Clients, name: str, fresh_name: Callable[[], str]) -> None:
    kb_id = fresh_name()
    theirs, ours = clients.writer[kb_id][name], clients.reader[kb_id][name]
    key = KEYS[name]
    theirs.insert_many([document(name, number) for number in range(3)])
    done = 0
    for change, other in ((AWAY, BACK), (BACK, AWAY)):
        for place in range(8):
            theirs.update_one({key: "d001"}, other)
            found, _ = clients.read(
                lambda: ours.update_one({key: "d001"}, {"$inc": {"done": 1}}),
                {place: lambda change=change: theirs.update_one({key: "d001"}, change)},  # type: ignore[misc]
            )
            assert (found.matched_count, found.modified_count) == (1, 1), (change, place)
            done += 1
            theirs.update_one({key: "d001"}, other)
            counted, _ = clients.read(
                lambda: ours.count_documents({}),
                {place: lambda change=change: theirs.update_one({key: "d001"}, change)},  # type: ignore[misc]
            )
            assert counted == 3, (change, place)
    assert ours.find_one({key: "d001"})["done"] == done
    theirs.update_many({}, {"$unset": {"done": "", "note": ""}})
    assert beside(clients.writer, theirs) == 0


def test_a_reader_that_knows_too_little_of_the_moves_says_so(
    layouts: dict[str, Clients], fresh_name: Callable[[], str]
) -> None:
    clients = layouts["hashes"]
    kb_id = fresh_name()
    theirs, ours = clients.writer[kb_id].symbols_kb, clients.reader[kb_id].symbols_kb
    theirs.insert_many([document("symbols_kb", number) for number in range(3)])
    storage: Any = theirs.storage

    def far() -> Flow[None]:
        yield Pipeline((("HSET", storage.documents.meta, b"moves", MOVES + 1),))

    with pytest.raises(Exception, match="read it again") as caught:
        clients.read(lambda: list(ours.find({})), {3: lambda: clients.writer.deployment.run(far())})
    assert caught.value.code == 175  # type: ignore[attr-defined]


def test_readers_and_movers_at_once(clients: Clients, name: str, fresh_name: Callable[[], str]) -> None:
    collection = clients.writer[fresh_name()][name]
    key = KEYS[name]
    collection.insert_many([document(name, number) for number in range(20)])
    names = [f"d{number:03}" for number in range(20)]
    wrong: list[Any] = []
    ready = threading.Barrier(2)
    ended = threading.Event()

    def move() -> None:
        ready.wait()
        for round_ in range(30):
            for number in range(0, 20, 7):
                collection.update_one({key: f"d{number:03}"}, AWAY if round_ % 2 else BACK)
        ended.set()

    def look() -> None:
        ready.wait()
        while not ended.is_set():
            found = sorted(each[key] for each in collection.find())
            counted = collection.count_documents({})
            single = collection.find_one({key: "d007"})
            if found != names or counted != 20 or single is None:
                wrong.append((found, counted, single))

    threads = [threading.Thread(target=run) for run in (move, look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
