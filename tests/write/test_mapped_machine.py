"""Random writes and learning on mapped collections, in both layouts, beside the same on ``memory://``.

Documents that the mapping holds and ones that it does not, updates that take them from one side to the other, rows
that wait and rows that have moved to ClickHouse: whatever happens, the answers and what is there are those of the
in-process store. Where a filter meets several documents only writes of all of them are made: which of them comes
first is the collection's own (see differences.md, natural order).
"""

import copy
import hashlib
from collections.abc import Callable
from typing import Any, Final

import pytest
from bson import encode
from bson.int64 import Int64
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from pymongo import DeleteMany, InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from kato_compat import KnowledgeBase, MongoClient
from kato_compat.mapping.spec import PATTERNS, SYMBOL_COUNTERS

Document = dict[str, Any]

_SPECS: Final = {"patterns_kb": PATTERNS, "symbols_kb": SYMBOL_COUNTERS}
_COLLECTIONS: Final = st.sampled_from(sorted(_SPECS))
#: Patterns that are learned; their names are among those of documents.
_LEARNED: Final = ([["a"]], [["a", "b"], ["c"]], [["b"], ["b"]])
_NAMES: Final = {
    "patterns_kb": ("p0", "p1", *[hashlib.sha1(str(each).encode()).hexdigest() for each in _LEARNED]),
    "symbols_kb": ("a", "b", "c", "d"),
}
_NUMBERS: Final = st.sampled_from((0, 1, 2, 3, -1, Int64(2**40), 1.5, "x", None))
_VALUES: Final[dict[str, dict[str, st.SearchStrategy[Any]]]] = {
    "patterns_kb": {
        "pattern_data": st.sampled_from(([["a"]], [["a", "b"], ["c"]], [], [[]], ["a"], [[1]], "a", None)),
        "length": st.sampled_from((0, 1, 3, 2, Int64(1), "x")),
        "frequency": _NUMBERS,
        "emotives": st.sampled_from(([{"joy": 0.5}], [{"joy": -1.0}, {"joy": 2.0}], [], {}, 1)),
        "metadata": st.sampled_from(({"k": ["v"]}, {"k": ["v", "w"]}, {}, {"k": "v"}, [])),
        "extra": st.sampled_from((1, [1, 2], None)),
    },
    "symbols_kb": {
        "frequency": _NUMBERS,
        "pattern_member_frequency": _NUMBERS,
        "emotives": st.sampled_from(({"joy": 0.5}, {"joy": -2.0}, {}, {"joy": 1}, [])),
        "extra": st.sampled_from((1, [1, 2], None)),
    },
}


@st.composite
def _documents(draw: st.DrawFn, collection: str, name: str) -> Document:
    """A document, most of the time one that the mapping holds."""
    spec = _SPECS[collection]
    whole: Document
    if collection == "patterns_kb":
        events = draw(st.sampled_from(([["a"]], [["a", "b"], ["c"]], [])))
        whole = {"name": name, "pattern_data": events, "length": sum(map(len, events)), "frequency": 1}
    else:
        whole = {"name": name, "frequency": draw(st.integers(0, 3)), "pattern_member_frequency": 1}
    document = {"_id": spec.identify(name), **whole}
    if draw(st.integers(0, 3)) == 0:
        field = draw(st.sampled_from(sorted(_VALUES[collection])))
        document[field] = draw(_VALUES[collection][field])
    if draw(st.integers(0, 7)) == 0:
        document["_id"] = draw(st.integers(0, 2))
    if draw(st.integers(0, 9)) == 0:
        del document[draw(st.sampled_from([each for each in document if each != "_id"]))]
    return document


@st.composite
def _updates(draw: st.DrawFn, collection: str) -> Any:
    values = _VALUES[collection]
    field = draw(st.sampled_from(sorted(values)))
    pushed = "pattern_data" if collection == "patterns_kb" else "extra"
    return draw(
        st.sampled_from(
            (
                {"$set": {field: draw(values[field])}},
                {"$unset": {field: ""}},
                {"$unset": {"extra": ""}},
                {"$inc": {"frequency": draw(st.sampled_from((1, 2, -1, 1.5)))}},
                {"$inc": {"frequency": 1, "length": 1}, "$push": {pushed: ["z"]}},
                {"$inc": {"length": 1}},
                {"$mul": {"frequency": 2}},
                {"$set": {"metadata.k": ["u"]}},
                {"$push": {"emotives": {"$each": [{"joy": 1.0}], "$slice": -2}}},
                {"$addToSet": {"metadata.k": "w"}},
                {"$set": {"emotives.joy": 0.25}},
                {"$rename": {"extra": "other"}},
                {"$set": {"name": draw(st.sampled_from(_NAMES[collection]))}},
                [{"$set": {"frequency": {"$add": ["$frequency", 1]}}}],
            )
        )
    )


@st.composite
def _filters(draw: st.DrawFn, collection: str) -> Document:
    name = draw(st.sampled_from(_NAMES[collection]))
    return draw(
        st.sampled_from(
            (
                {"name": name},
                {"name": name},
                {"_id": _SPECS[collection].identify(name)},
                {"_id": draw(st.integers(0, 2))},
                {"frequency": {"$gte": draw(st.integers(0, 3))}},
                {"name": {"$in": [name, "p0", "a"]}, "frequency": {"$lt": 3}},
                {"extra": {"$exists": True}},
                {"length": draw(st.sampled_from((1, 3)))},
                {"emotives": {"$exists": False}},
                {},
            )
        )
    )


def _is_safe(update: Any) -> bool:
    """Whether an update fails for no document: which ones it has changed before one it fails for is not defined."""
    if isinstance(update, list):
        return False
    return all(
        operator in ("$set", "$unset", "$rename") and all("." not in path and path != "name" for path in fields)
        for operator, fields in update.items()
    )


def _plain(value: Any) -> Any:
    """Documents as their BSON with the root fields in order of name, lists of them in order of that."""
    if isinstance(value, dict):
        return encode(dict(sorted(value.items())))
    return sorted(map(_plain, value)) if isinstance(value, list) else value


class MappedBase(RuleBasedStateMachine):
    """The knowledge bases of three clients, the first of them in memory."""

    clients: tuple[MongoClient, ...] = ()
    names: Callable[[], str]

    @initialize()
    def begin(self) -> None:
        self.name = type(self).names()
        # The layouts share all keys but those of symbols: each has a name of its own.
        self.bases = [KnowledgeBase(client, f"{self.name}_{place}", 3) for place, client in enumerate(self.clients)]
        self.indexes: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        if hasattr(self, "bases"):
            self.look()
            for base in self.bases:
                base.client.drop_database(base.kb_id)

    def _all(self, act: Callable[[KnowledgeBase], Any]) -> Any:
        """Do the same everywhere; the answers, or the codes of the errors, must be the same."""
        found: list[Any] = []
        for base in self.bases:
            try:
                found.append(("result", _plain(act(base))))
            except BulkWriteError as error:
                details = error.details
                codes = [(each["index"], each["code"]) for each in details["writeErrors"]]
                found.append(("errors", codes, [details[name] for name in sorted(details) if name[0] == "n"]))
            except OperationFailure as error:
                found.append(("error", error.code))
            except (PyMongoError, ValueError, TypeError) as error:
                found.append(("error", type(error).__name__))
        note(repr(found[0]))
        assert found[1:] == found[:1] * (len(found) - 1)
        return found[0]

    def _count(self, collection: str, condition: Document) -> int:
        return int(self.bases[0].database[collection].count_documents(condition))

    @rule(data=st.data(), collection=_COLLECTIONS)
    def insert(self, data: st.DataObject, collection: str) -> None:
        name = data.draw(st.sampled_from(_NAMES[collection]))
        document = data.draw(_documents(collection, name))
        self._all(lambda base: base.database[collection].insert_one(copy.deepcopy(document)).inserted_id)

    @rule(data=st.data(), collection=_COLLECTIONS, many=st.booleans(), upsert=st.booleans())
    def update(self, data: st.DataObject, collection: str, many: bool, upsert: bool) -> None:
        condition, update = data.draw(_filters(collection)), data.draw(_updates(collection))
        if self._count(collection, condition) > 1:
            if not _is_safe(update):
                return
            many = True
        upsert = upsert and isinstance(update, dict) and set(condition) == {"name"}
        if upsert:
            update = {**update, "$setOnInsert": {"_id": _SPECS[collection].identify(condition["name"])}}

        def act(base: KnowledgeBase) -> Any:
            found = base.database[collection]
            method = found.update_many if many else found.update_one
            result = method(condition, copy.deepcopy(update), upsert=upsert)
            return result.matched_count, result.modified_count, result.upserted_id is not None

        self._all(act)

    @rule(data=st.data(), collection=_COLLECTIONS, upsert=st.booleans())
    def replace(self, data: st.DataObject, collection: str, upsert: bool) -> None:
        name = data.draw(st.sampled_from(_NAMES[collection]))
        condition = {"_id": _SPECS[collection].identify(name)}
        document = data.draw(_documents(collection, name))
        if document["_id"] != condition["_id"]:
            del document["_id"]
        self._all(
            lambda base: base.database[collection].replace_one(condition, copy.deepcopy(document), upsert).matched_count
        )

    @rule(data=st.data(), collection=_COLLECTIONS, many=st.booleans())
    def delete(self, data: st.DataObject, collection: str, many: bool) -> None:
        condition = data.draw(_filters(collection))
        many = many or self._count(collection, condition) > 1

        def act(base: KnowledgeBase) -> Any:
            found = base.database[collection]
            return (found.delete_many if many else found.delete_one)(condition).deleted_count

        self._all(act)

    @rule(data=st.data(), collection=_COLLECTIONS, kind=st.sampled_from(("update", "replace", "delete")))
    def modify(self, data: st.DataObject, collection: str, kind: str) -> None:
        condition, update = data.draw(_filters(collection)), data.draw(_updates(collection))
        document = data.draw(_documents(collection, data.draw(st.sampled_from(_NAMES[collection]))))
        del document["_id"]
        when = data.draw(st.sampled_from((ReturnDocument.BEFORE, ReturnDocument.AFTER)))

        def act(base: KnowledgeBase) -> Any:
            found = base.database[collection]
            order = [("_id", 1)]
            if kind == "update":
                return found.find_one_and_update(condition, update, sort=order, return_document=when)
            if kind == "replace":
                return found.find_one_and_replace(condition, dict(document), sort=order, return_document=when)
            return found.find_one_and_delete(condition, sort=order)

        self._all(act)

    @rule(data=st.data(), collection=_COLLECTIONS, ordered=st.booleans())
    def bulk(self, data: st.DataObject, collection: str, ordered: bool) -> None:
        requests: list[Any] = []
        for _ in range(data.draw(st.integers(1, 5))):
            name = data.draw(st.sampled_from(_NAMES[collection]))
            identity = _SPECS[collection].identify(name)
            document = data.draw(_documents(collection, name))
            match data.draw(st.integers(0, 4)):
                case 0:
                    requests.append(InsertOne(document))
                case 1:
                    requests.append(UpdateOne({"_id": identity}, data.draw(_updates(collection))))
                case 2:
                    requests.append(UpdateMany({"_id": {"$in": [identity]}}, data.draw(_updates(collection))))
                case 3:
                    requests.append(ReplaceOne({"_id": identity}, {**document, "_id": identity}, upsert=True))
                case _:
                    requests.append(DeleteMany({"name": name}))

        def act(base: KnowledgeBase) -> Any:
            result = base.database[collection].bulk_write(copy.deepcopy(requests), ordered=ordered)
            return result.inserted_count, result.matched_count, result.modified_count, result.deleted_count

        self._all(act)

    @rule(collection=_COLLECTIONS, kind=st.sampled_from(("name", "extra", "frequency")))
    def create_index(self, collection: str, kind: str) -> None:
        options: Document = {"unique": True} if kind == "name" else {"sparse": True} if kind == "extra" else {}
        answer = self._all(lambda base: base.database[collection].create_index(kind, name=kind, **options))
        if answer[0] == "result":
            self.indexes.add((collection, kind))

    @rule(data=st.data())
    def drop_index(self, data: st.DataObject) -> None:
        if self.indexes:
            collection, kind = data.draw(st.sampled_from(sorted(self.indexes)))
            self._all(lambda base: base.database[collection].drop_index(kind))
            self.indexes.remove((collection, kind))

    @rule(
        pattern=st.sampled_from(_LEARNED),
        emotives=st.sampled_from((None, {"joy": 0.5}, {"joy": -0.25})),
        metadata=st.sampled_from((None, {"k": "v"}, {"k": ["w"]})),
        many=st.booleans(),
    )
    def learn(self, pattern: Any, emotives: Any, metadata: Any, many: bool) -> None:
        if not self._single():
            return
        if many:
            self._all(lambda base: base.learn_patterns([(pattern, emotives, metadata)] * 2))
        else:
            self._all(lambda base: base.learn_pattern(pattern, emotives, metadata))

    def _single(self) -> bool:
        """Whether each name is that of one document, and its `_id` no other's (see differences.md, `_id`).

        Of several documents of one name any may be the one that is learned.
        """
        return all(
            self._count(collection, {"name": name}) <= 1
            and not self._count(collection, {"_id": _SPECS[collection].identify(name), "name": {"$ne": name}})
            for collection, names in _NAMES.items()
            for name in names
        )

    @rule(name=st.sampled_from(_NAMES["patterns_kb"]))
    def forget(self, name: str) -> None:
        if self._single():
            self._all(lambda base: base.forget_pattern(name))

    @rule()
    def flush(self) -> None:
        for base in self.bases:
            base.flush()

    @rule(data=st.data(), collection=_COLLECTIONS)
    def find(self, data: st.DataObject, collection: str) -> None:
        condition = data.draw(_filters(collection))
        self._all(lambda base: list(base.database[collection].find(condition)))
        self._all(lambda base: base.database[collection].count_documents(condition))

    @rule(data=st.data(), collection=_COLLECTIONS)
    def find_by_key(self, data: st.DataObject, collection: str) -> None:
        name = data.draw(st.sampled_from(_NAMES[collection]))
        self._all(lambda base: list(base.database[collection].find({"name": name})))

    @rule()
    def look(self) -> None:
        for collection in (*_SPECS, "metadata"):
            self._all(lambda base, collection=collection: list(base.database[collection].find()))
            self._all(lambda base, collection=collection: base.database[collection].count_documents({}))


@pytest.fixture
def machine(racing_clients: dict[str, MongoClient], fresh_name: Callable[[], str]) -> type[MappedBase]:
    """The machine with its stores."""
    clients = tuple(racing_clients[name] for name in ("memory", "counters", "hashes"))
    return type("Mapped", (MappedBase,), {"clients": clients, "names": staticmethod(fresh_name)})


_CHECKS: Final = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]


def test_mapped_collections_are_as_in_memory(machine: type[MappedBase]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=_CHECKS,
        ),
    )


@pytest.mark.long
def test_twenty_thousand_steps_are_as_in_memory(machine: type[MappedBase]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=400,
            stateful_step_count=50,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=_CHECKS,
        ),
    )
