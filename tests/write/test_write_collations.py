"""Indexes with a collation: what is unique by it, and which queries they answer (MongoDB manual: Collation, Indexes).

Memory and the engines are asked the same, with the index and without it.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest
from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError
from racing import together

from kato_compat import Collection

pytest.importorskip("icu", reason="needs the extra collation")

_WORDS: Final = ("cote", "Cote", "côte", "coté", "CÔTÉ", "b", "B", "a", "Z", "z", "é", "")
_FIRST: Final = {"locale": "en", "strength": 1}
_SECOND: Final = {"locale": "en", "strength": 2}
_THIRD: Final = {"locale": "en"}


def _filled(collection: Collection) -> None:
    rows: list[Any] = [{"_id": number, "w": word} for number, word in enumerate(_WORDS)]
    rows += [{"_id": 20, "w": 5}, {"_id": 21, "w": None}, {"_id": 22}, {"_id": 23, "w": ["B", "Côte"]}]
    rows += [{"_id": 24, "w": {"x": "COTE"}}, {"_id": 25, "w": {"x": "cote"}}]
    collection.insert_many(rows)


@pytest.mark.parametrize(
    ("collation", "same", "other"),
    [(_FIRST, ("cote", "CÔTÉ"), "cota"), (_SECOND, ("Côte", "cÔTE"), "cote"), (_THIRD, ("côte", "côte"), "Côte")],
)
def test_what_is_equal_is_a_duplicate(
    written: Collection, collation: dict[str, Any], same: tuple[str, str], other: str
) -> None:
    written.create_index("w", unique=True, collation=collation)
    first, second = same
    written.insert_one({"_id": 1, "w": first})
    calls: list[Callable[[], Any]] = [
        lambda: written.insert_one({"w": second}),
        lambda: written.insert_one({"w": ["x", second]}),
        lambda: written.update_one({"_id": 2}, {"$set": {"w": second}}),
        lambda: written.replace_one({"_id": 2}, {"w": second}),
        lambda: written.update_one({"_id": 3}, {"$set": {"w": second}}, upsert=True),
        lambda: written.find_one_and_update({"_id": 2}, [{"$set": {"w": second}}]),
    ]
    written.insert_one({"_id": 2, "w": other})
    for call in calls:
        with pytest.raises(DuplicateKeyError) as error:
            call()
        assert error.value.details is not None
        assert error.value.details["keyPattern"] == {"w": 1}
    with pytest.raises(BulkWriteError) as bulk:
        written.bulk_write([InsertOne({"w": "q"}), UpdateOne({"w": "q"}, {"$set": {"w": second}})])
    assert [each["index"] for each in bulk.value.details["writeErrors"]] == [1]
    # A document may change to what is equal to itself.
    assert written.update_one({"_id": 1}, {"$set": {"w": second}}).matched_count == 1
    assert sorted(each["w"] for each in written.find()) == sorted((second, other, "q"))
    with pytest.raises(DuplicateKeyError):
        written.insert_one({"w": first})
    written.delete_one({"_id": 1})
    written.insert_one({"w": first})


def test_an_index_over_duplicates_is_not_built(written: Collection) -> None:
    written.insert_many([{"w": "a"}, {"w": "A"}])
    with pytest.raises(DuplicateKeyError):
        written.create_index("w", unique=True, collation=_SECOND)
    assert list(written.index_information()) == ["_id_"]
    written.create_index("w", unique=True, collation=_THIRD)
    assert written.index_information()["w_1"]["collation"]["locale"] == "en"


_QUERIES: Final[tuple[dict[str, Any], ...]] = (
    {"w": "cote"},
    {"w": "COTÉ"},
    {"w": {"$in": ["b", "É", 5]}},
    {"w": {"$gt": "b"}},
    {"w": {"$gte": "B", "$lt": "côte"}},
    {"w": {"$lte": "cote"}},
    {"w": {"$ne": "B"}},
    {"w": {"$gt": 4}},
    {"w": None},
    {"w": {"x": "Cote"}},
    {"w": ["b", "cote"]},
    {"w": {"$regex": "^c"}},
    {"w": {"$elemMatch": {"$gte": "c"}}},
    {},
)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("asked", [None, _FIRST, _SECOND, _THIRD], ids=["simple", "first", "second", "third"])
@pytest.mark.parametrize("indexed", [_FIRST, _SECOND, None], ids=["by first", "by second", "by simple"])
def test_answers_are_those_without_an_index(
    written: Collection, indexed: dict[str, Any] | None, asked: dict[str, Any] | None, direction: int
) -> None:
    """Ranges, equalities and orders, by the index's collation and by others."""
    _filled(written)
    options = {} if asked is None else {"collation": asked}
    order = [("w", direction), ("_id", 1)]

    def answers() -> list[Any]:
        found: list[Any] = []
        for query in _QUERIES:
            found.append(list(written.find(query, **options).sort(order)))
            found.append(list(written.find(query, **options).sort(order).limit(3)))
            found.append([each["_id"] for each in written.find(query, **options).sort("w", direction).limit(4)])
            found.append(written.count_documents(query, **options))
            found.append(sorted(written.distinct("_id", query, **options)))
            found.append(list(written.aggregate([{"$match": query}, {"$sort": dict(order)}], **options)))
        return found

    expected = answers()
    written.create_index([("w", direction)], name="w", **({} if indexed is None else {"collation": indexed}))
    found = answers()
    # The order of what is equal in a sort is the store's own: compared where the sort goes on by `_id`.
    for place, (left, right) in enumerate(zip(expected, found, strict=True)):
        if place % 6 == 2:
            assert len(left) == len(right)
        else:
            assert left == right


def test_the_index_is_used_by_queries_with_its_collation_alone(stored: Collection) -> None:
    _filled(stored)
    stored.create_index("w", name="w", collation=_SECOND)
    stored.find_one({"w": "a"})

    def path(query: dict[str, Any], collation: dict[str, Any] | None) -> str:
        cursor = stored.find(query) if collation is None else stored.find(query).collation(collation)
        return str(cursor.explain()["queryPlanner"]["winningPlan"])

    assert "IXSCAN" in path({"w": "A"}, _SECOND)
    assert "IXSCAN" in path({"w": {"$gt": "A"}}, _SECOND)
    assert "IXSCAN" not in path({"w": "A"}, None)
    assert "IXSCAN" not in path({"w": "A"}, _FIRST)
    assert "IXSCAN" not in path({"w": {"$gt": "A"}}, _THIRD)
    # Numbers compare alike by every collation.
    assert [each["_id"] for each in stored.find({"w": 5})] == [20]


@pytest.mark.parametrize("many", [False, True])
def test_writes_by_a_collation(written: Collection, many: bool) -> None:
    _filled(written)
    written.create_index("w", collation=_FIRST)
    update = written.update_many if many else written.update_one
    result = update({"w": "COTE"}, {"$set": {"hit": True}}, collation=_FIRST)
    assert result.modified_count == (6 if many else 1)
    assert written.update_many({"w": "COTE"}, {"$set": {"miss": True}}).modified_count == 0
    delete = written.delete_many if many else written.delete_one
    assert delete({"w": "B"}, collation=_SECOND).deleted_count == (3 if many else 1)
    found = written.find_one_and_update({"w": "Z"}, {"$set": {"n": 1}}, sort=[("_id", -1)], collation=_SECOND)
    assert found == {"_id": 9, "w": "z"}


def test_one_of_many_upserts_by_a_collation_inserts(written: Collection) -> None:
    """The filter's collation is the unique index's: whatever the case of letters, one document comes of it."""
    written.create_index("w", unique=True, collation=_SECOND)
    for word in ("abc", "xyz"):
        forms = [word, word.upper(), word.title(), word, word.swapcase(), word[0] + word[1:].upper()]

        def upsert(form: str) -> bool:
            result = written.update_one({"w": form}, {"$inc": {"n": 1}}, upsert=True, collation=_SECOND)
            return result.upserted_id is not None

        found = together(*[lambda form=form: upsert(form) for form in forms])
        assert sorted(found) == [False] * 5 + [True]
        (document,) = written.find({"w": word}, collation=_SECOND)
        assert document["n"] == 6
    # A filter that compares otherwise does not meet the document that stands in its way.
    with pytest.raises(DuplicateKeyError):
        written.update_one({"w": "AbC"}, {"$inc": {"n": 1}}, upsert=True, collation=_THIRD)
