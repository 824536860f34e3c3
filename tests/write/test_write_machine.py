"""Random writes on memory and on Valkey, beside a plain Python model of a collection and beside mongomock.

The model is written from the MongoDB manual (Query on Arrays, Update Operators, Multikey Indexes, Sparse Indexes) for
the few operators that the machine uses. Where mongomock is not right it is not asked: it knows no sparse compound
index, and takes an array in a unique index for one value, so it sees no machine that has a unique index.
"""

import contextlib
import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import mongomock
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError
from writemodel import UNIQUE, Model, Taken, parallel, seed, sort_key, updated

from kato_compat import Collection, MongoClient

Document = dict[str, Any]

_KEYS: Final = st.integers(0, 7)
_VALUES: Final = st.one_of(
    st.integers(-2, 3), st.none(), st.sampled_from([1.5, -0.5]), st.lists(st.integers(-2, 3), max_size=3)
)
_NAMES: Final = st.sampled_from(["a", "b", "u"])
_FIELDS: Final = st.dictionaries(_NAMES, _VALUES, max_size=3)
_INDEXES: Final[tuple[tuple[Any, dict[str, Any]], ...]] = (
    ([("a", 1)], {}),
    ([("a", -1)], {"sparse": True}),
    ([("a", 1), ("b", -1)], {}),
    ([("b", -1)], {"partialFilterExpression": {"a": {"$gte": 0}}}),
    ([("b", 1)], {"hidden": True}),
    ([("u", 1)], {"unique": True, "sparse": True}),
    ([("u", 1), ("a", 1)], {"unique": True, "partialFilterExpression": {"b": {"$exists": True}}}),
    ([("t", 1)], {"expireAfterSeconds": 3600}),
)
#: The index by which documents expire; it stays, since what has expired would come back with it gone.
_EXPIRY: Final = 7
_TIMES: Final = st.sampled_from((datetime(2001, 1, 1), datetime(2900, 1, 1), 5, [datetime(2001, 1, 1), 5], None))


def _conditions() -> st.SearchStrategy[Document]:
    number = st.integers(-2, 3)
    ranges = st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), number, min_size=1, max_size=2)
    one = st.one_of(number, ranges, st.lists(number, max_size=3).map(lambda values: {"$in": values}))
    by_key = st.builds(lambda key: {"_id": key}, _KEYS)
    return st.one_of(by_key, by_key, st.dictionaries(_NAMES, one, max_size=2))


_UPDATES: Final = st.one_of(
    st.builds(lambda name, value: {"$set": {name: value}}, _NAMES, _VALUES),
    st.builds(lambda name: {"$unset": {name: ""}}, _NAMES),
    st.builds(lambda value: {"$inc": {"n": value}}, st.integers(-2, 2)),
    st.builds(lambda value: {"$addToSet": {"s": value}}, st.integers(0, 3)),
    st.builds(lambda value: {"$push": {"p": {"$each": [value], "$slice": -3}}}, st.integers(0, 9)),
)


class WritesBase(RuleBasedStateMachine):
    """Writes on one collection of each store, the model and mongomock."""

    clients: tuple[MongoClient, ...] = ()
    names: Callable[[], str]

    @initialize()
    def begin(self) -> None:
        self.name = type(self).names()
        self.collections: list[Collection] = [client[self.name].things for client in self.clients]
        self.model = Model()
        self.mock: Any = mongomock.MongoClient()[self.name].things
        self.built: set[int] = set()

    def teardown(self) -> None:
        if hasattr(self, "name"):
            for client in self.clients:
                client.drop_database(self.name)

    def _all(self, expected: Callable[[], Any], actual: Callable[[Any], Any], mock: bool = True) -> None:
        """Do the same everywhere; the answers, `Taken` for a duplicate key, must be the same."""
        before = copy.deepcopy(self.model.documents)
        try:
            answer: Any = expected()
        except Taken:
            answer = Taken
            # An update of many keeps what it did before the error, but in an order of the store's own: not modelled.
            self.model.documents = before
        mock = mock and not self.model.unique
        for collection in [*self.collections, *([self.mock] if mock else [])]:
            try:
                found: Any = actual(collection)
            except (DuplicateKeyError, mongomock.DuplicateKeyError):
                found = Taken
            assert (answer, type(collection)) == (found, type(collection))
        if self.model.expire() or not mock:
            self._copy()

    def _safe(self, *documents: Document) -> bool:
        return not ({2, 6} & self.built) or not any(map(parallel, documents))

    @rule(key=_KEYS, fields=_FIELDS)
    def insert(self, key: int, fields: Document) -> None:
        document = {"_id": key, **fields}
        if self._safe(document):
            self._all(lambda: self.model.insert(document), lambda each: each.insert_one(dict(document)) and None)

    @rule(condition=_conditions(), update=_UPDATES, multi=st.booleans(), upsert=st.booleans(), key=_KEYS)
    def update(self, condition: Document, update: Document, multi: bool, upsert: bool, key: int) -> None:
        if upsert:
            condition = {"_id": key, **condition}
        name = next(iter(next(iter(update.values()))))
        if name == "_id" or not self._allowed(condition, lambda document: updated(document, update), multi, upsert):
            return

        def act(collection: Any) -> tuple[int, int, bool]:
            method = collection.update_many if multi else collection.update_one
            result = method(condition, copy.deepcopy(update), upsert=upsert)
            return result.matched_count, result.modified_count, result.upserted_id is not None

        # mongomock's upsert takes no field from an `$in` of one value.
        plain = not (upsert and any(isinstance(each, dict) and "$in" in each for each in condition.values()))
        self._all(
            lambda: self.model.write(condition, lambda document: updated(document, update), multi, upsert), act, plain
        )

    def _allowed(self, condition: Document, change: Callable[[Document], Document], multi: bool, upsert: bool) -> bool:
        """Whether the outcome is defined: no two arrays side by side in an index, no error in the middle of many."""
        places = self.model.find(condition)
        after = [change(self.model.documents[place]) for place in places] or ([change(seed(condition))] * upsert)
        if not self._safe(*after):
            return False
        return not (multi and len(places) > 1 and self.model.unique)

    @rule(condition=_conditions(), fields=_FIELDS, upsert=st.booleans(), key=_KEYS)
    def replace(self, condition: Document, fields: Document, upsert: bool, key: int) -> None:
        if upsert:
            condition = {"_id": key, **condition}
        if not self._safe(fields):
            return

        def change(document: Document) -> Document:
            return {"_id": document.get("_id"), **copy.deepcopy(fields)}

        def act(collection: Any) -> tuple[int, int, bool]:
            result = collection.replace_one(condition, copy.deepcopy(fields), upsert=upsert)
            return result.matched_count, result.modified_count, result.upserted_id is not None

        # mongomock refuses an empty replacement, and does not count one that gives the same document.
        same = any(
            self.model.documents[place] == change(self.model.documents[place])
            for place in self.model.find(condition)[:1]
        )
        self._all(lambda: self.model.write(condition, change, False, upsert, True), act, bool(fields) and not same)

    @rule(key=_KEYS, fields=_FIELDS, time=_TIMES)
    def insert_dated(self, key: int, fields: Document, time: Any) -> None:
        document = {"_id": key, **fields, "t": time}
        if self._safe(document):
            self._all(lambda: self.model.insert(document), lambda each: each.insert_one(dict(document)) and None)

    @rule(condition=_conditions(), time=_TIMES)
    def date(self, condition: Document, time: Any) -> None:
        if self._allowed(condition, lambda document: {**document, "t": time}, False, False):
            self._all(
                lambda: self.model.write(condition, lambda document: {**document, "t": time}, False, False)[0],
                lambda each: each.update_one(condition, {"$set": {"t": time}}).matched_count,
            )

    @rule(
        condition=_conditions(),
        update=_UPDATES,
        fields=_FIELDS,
        kind=st.sampled_from(("update", "replace", "delete")),
        direction=st.sampled_from((1, -1)),
        after=st.booleans(),
    )
    def find_and_modify(
        self, condition: Document, update: Document, fields: Document, kind: str, direction: int, after: bool
    ) -> None:
        def change(document: Document) -> Document:
            return (
                updated(document, update) if kind == "update" else {"_id": document.get("_id"), **copy.deepcopy(fields)}
            )

        if kind != "delete" and not self._allowed(condition, change, False, False):
            return

        def expected() -> Any:
            found = [self.model.documents[place] for place in self.model.find(condition)]
            if not found:
                return None
            chosen = (min if direction > 0 else max)(found, key=lambda document: document["_id"])
            if kind == "delete":
                self.model.delete({"_id": chosen["_id"]}, False)
                return chosen
            before = copy.deepcopy(chosen)
            self.model.write({"_id": chosen["_id"]}, change, False, False)
            return change(before) if after else before

        def act(collection: Any) -> Any:
            order = [("_id", direction)]
            if kind == "delete":
                return collection.find_one_and_delete(condition, sort=order)
            when = ReturnDocument.AFTER if after else ReturnDocument.BEFORE
            if kind == "replace":
                return collection.find_one_and_replace(condition, dict(fields), sort=order, return_document=when)
            return collection.find_one_and_update(condition, copy.deepcopy(update), sort=order, return_document=when)

        # mongomock looks for the changed document by the filter, and refuses an empty replacement.
        self._all(expected, act, not after and bool(fields))

    @rule(condition=_conditions(), multi=st.booleans())
    def delete(self, condition: Document, multi: bool) -> None:
        self._all(
            lambda: self.model.delete(condition, multi),
            lambda each: (each.delete_many if multi else each.delete_one)(condition).deleted_count,
        )

    @rule(
        requests=st.lists(st.tuples(st.integers(0, 5), _KEYS, _FIELDS, _UPDATES), min_size=1, max_size=8),
        ordered=st.booleans(),
    )
    def bulk(self, requests: list[tuple[int, int, Document, Document]], ordered: bool) -> None:
        if not self._safe(*[{"a": [], **fields} for _, _, fields, _ in requests], {"a": [], "b": [], "u": []}):
            return
        made = [self._request(*each) for each in requests]
        before = copy.deepcopy(self.model.documents)
        errors: list[int] = []
        counts = [0, 0, 0, 0, 0]
        places = list(range(len(requests)))
        if not ordered:
            # As pymongo sends them: all insertions, then all updates, then all deletions.
            places.sort(key=lambda place: (requests[place][0] > 0) + (requests[place][0] > 3))
        for place in places:
            kind, key, fields, update = requests[place]
            try:
                self._model_request(kind, key, fields, update, counts)
            except Taken:
                errors.append(place)
                if ordered:
                    break
        assert before is not self.model.documents
        for collection in self.collections:
            found: list[int] = []
            try:
                details = collection.bulk_write(made, ordered=ordered).bulk_api_result
            except BulkWriteError as error:
                details = error.details
                found = [each["index"] for each in details["writeErrors"]]
                assert {each["code"] for each in details["writeErrors"]} == {11000}
            names = ("nInserted", "nUpserted", "nMatched", "nModified", "nRemoved")
            assert (sorted(errors), counts) == (found, [details[name] for name in names])
        self._copy()

    def _copy(self) -> None:
        """Give mongomock what it was not asked to do itself."""
        self.mock.delete_many({})
        if self.model.documents:
            self.mock.insert_many(copy.deepcopy(self.model.documents))

    @staticmethod
    def _request(kind: int, key: int, fields: Document, update: Document) -> Any:
        match kind:
            case 0:
                return InsertOne({"_id": key, **fields})
            case 1:
                return UpdateOne({"_id": key}, update, upsert=True)
            case 2:
                return UpdateMany({"_id": {"$in": [key]}}, update)
            case 3:
                return ReplaceOne({"_id": key}, dict(fields), upsert=True)
            case 4:
                return DeleteOne({"_id": key})
            case _:
                return DeleteMany({"a": key - 2})

    def _model_request(self, kind: int, key: int, fields: Document, update: Document, counts: list[int]) -> None:
        model = self.model
        if kind == 0:
            model.insert({"_id": key, **fields})
            counts[0] += 1
        elif kind < 4:

            def change(document: Document) -> Document:
                return {"_id": key, **copy.deepcopy(fields)} if kind == 3 else updated(document, update)

            matched, modified, inserted = model.write({"_id": key}, change, False, kind != 2, kind == 3)
            counts[1] += inserted
            counts[2] += matched
            counts[3] += modified
        else:
            counts[4] += model.delete({"_id": key} if kind == 4 else {"a": key - 2}, kind == 5)

    @rule(number=st.integers(0, len(_INDEXES) - 1))
    def create_index(self, number: int) -> None:
        if number in self.built or (number in (2, 6) and any(map(parallel, self.model.documents))):
            return
        keys, options = _INDEXES[number]
        name = f"index{number}"
        unique = UNIQUE.get(number)
        good = True
        if unique is not None:
            found = [key for document in self.model.documents for key in unique(document)]
            good = len(found) == len(set(found))
        for collection in self.collections:
            with contextlib.nullcontext() if good else pytest.raises(DuplicateKeyError):
                assert collection.create_index(keys, name=name, **options) == name
        if good:
            self.built.add(number)
            if number == _EXPIRY:
                self.model.expiring = True
                if self.model.expire():
                    self._copy()
            if unique is not None:
                self.model.unique.append(unique)

    @precondition(lambda self: self.built - {_EXPIRY})
    @rule(data=st.data())
    def drop_index(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.built - {_EXPIRY})))
        for collection in self.collections:
            collection.drop_index(f"index{number}")
        self.built.remove(number)
        if number in UNIQUE:
            self.model.unique.remove(UNIQUE[number])
            self._copy()

    @rule(condition=_conditions(), direction=st.sampled_from([1, -1]), limit=st.integers(0, 4))
    def find_sorted(self, condition: Document, direction: int, limit: int) -> None:
        documents = [self.model.documents[place] for place in self.model.find(condition)]
        documents.sort(key=sort_key(direction), reverse=False)
        if direction < 0:
            documents = sorted(documents, key=lambda document: tuple(-part for part in sort_key(direction)(document)))
        expected = documents[:limit] if limit else documents
        for collection in self.collections:
            found = list(collection.find(condition).sort("a", direction).limit(limit))
            assert expected == found
            assert expected == list(collection.find(condition, pushdown=False).sort("a", direction).limit(limit))

    @rule(condition=_conditions())
    def count(self, condition: Document) -> None:
        for collection in self.collections:
            assert collection.count_documents(condition) == len(self.model.find(condition))

    @invariant()
    def same_documents(self) -> None:
        if not hasattr(self, "model"):
            return
        for collection in self.collections:
            assert self.model.documents == list(collection.find())
        by_key = sorted(self.model.documents, key=lambda document: document["_id"])
        if not self.model.unique:
            assert by_key == sorted(self.mock.find(), key=lambda document: document["_id"])


@pytest.fixture
def machine(write_memory: MongoClient, write_engines: MongoClient, fresh_name: Callable[[], str]) -> type[WritesBase]:
    """The machine with its stores."""
    return type("Writes", (WritesBase,), {"clients": (write_memory, write_engines), "names": staticmethod(fresh_name)})


_CHECKS: Final = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]


def test_writes_are_those_of_the_model(machine: type[WritesBase]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            derandomize=True,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=_CHECKS,
        ),
    )


@pytest.mark.long
def test_twenty_thousand_writes_are_those_of_the_model(machine: type[WritesBase]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=400,
            stateful_step_count=50,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=_CHECKS,
        ),
    )
