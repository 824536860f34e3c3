"""Calls of the MongoDB-era KATO on ``patterns_kb``, one test each, with what the caller makes of the answer."""

import hashlib
import json
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy
import pytest
from bson import ObjectId
from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError, WriteError

FLATTENED = {"$reduce": {"input": "$pattern_data", "initialValue": [], "in": {"$concatArrays": ["$$value", "$$this"]}}}
CAT = [["a", "b"], ["c"]]
DOG = [["a"], ["d"]]
OWL = [["b", "c"]]


def sha1(pattern: list[list[str]]) -> str:
    return hashlib.sha1(str(pattern).encode()).hexdigest()


@pytest.fixture
def patterns(knowledge: Any) -> Any:
    return knowledge.patterns_kb


def learn(patterns: Any, data: list[list[str]], times: int = 1) -> str:
    """Learn a pattern without emotives or metadata, as P06 does."""
    name = sha1(data)
    for _ in range(times):
        patterns.update_one(
            {"name": name},
            {
                "$setOnInsert": {
                    "pattern_data": data,
                    "length": sum(len(event) for event in data),
                    "emotives": {},
                    "metadata": {},
                },
                "$inc": {"frequency": 1},
            },
            upsert=True,
        )
    return name


@pytest.fixture
def learned(patterns: Any) -> Any:
    learn(patterns, CAT, 3)
    learn(patterns, DOG, 1)
    learn(patterns, OWL, 2)
    return patterns


def test_p01_unique_index_on_name(patterns: Any) -> None:
    for _ in range(2):
        assert patterns.create_index([("name", 1)], background=1, unique=1) == "name_1"
    index = patterns.index_information()["name_1"]
    assert index["key"] == [("name", 1)]
    assert index["unique"]
    patterns.insert_one({"name": "n"})
    with pytest.raises(DuplicateKeyError):
        patterns.insert_one({"name": "n"})


def test_p02_index_on_frequency_and_name(learned: Any) -> None:
    for _ in range(2):
        assert learned.create_index([("frequency", DESCENDING), ("name", 1)], background=1) == "frequency_-1_name_1"
    assert learned.index_information()["frequency_-1_name_1"]["key"] == [("frequency", -1), ("name", 1)]


def test_p03_index_on_a_list_of_lists(learned: Any) -> None:
    for _ in range(2):
        assert learned.create_index([("pattern_data", 1), ("name", 1)], background=1) == "pattern_data_1_name_1"
    assert learned.count_documents({}) == 3


def test_p04_attributes_of_a_collection(patterns: Any) -> None:
    patterns.learnPattern = lambda data: learn(patterns, data)
    patterns.__pkb_repr__ = lambda: f"{patterns.count_documents({})} patterns"
    assert patterns.learnPattern(CAT) == sha1(CAT)
    assert patterns.__pkb_repr__() == "1 patterns"
    assert "learnPattern" not in vars(patterns.database.patterns_kb)


def test_p05_count(learned: Any, knowledge: Any) -> None:
    assert f"{learned.count_documents({})}" == "3"
    assert knowledge.other.count_documents({}) == 0


def test_p06_learn_a_pattern(patterns: Any) -> None:
    update = {
        "$setOnInsert": {"pattern_data": CAT, "length": 3, "emotives": {}, "metadata": {}},
        "$inc": {"frequency": 1},
    }
    first = patterns.update_one({"name": sha1(CAT)}, update, upsert=True)
    assert not first.matched_count
    assert isinstance(first.upserted_id, ObjectId)
    second = patterns.update_one({"name": sha1(CAT)}, update, upsert=True)
    assert second.matched_count == 1
    assert second.modified_count == 1
    assert second.upserted_id is None
    found = patterns.find_one({"name": sha1(CAT)})
    assert found == {
        "_id": first.upserted_id,
        "name": sha1(CAT),
        "frequency": 2,
        "pattern_data": CAT,
        "length": 3,
        "emotives": {},
        "metadata": {},
    }
    assert type(found["frequency"]) is int


def push(patterns: Any, emotives: dict[str, float], persistence: int = 3) -> bool:
    result = patterns.update_one(
        {"name": sha1(DOG)},
        {
            "$setOnInsert": {"pattern_data": DOG, "length": 2, "metadata": {}},
            "$inc": {"frequency": 1},
            "$push": {"emotives": {"$each": [emotives], "$slice": -persistence}},
        },
        upsert=True,
    )
    return not result.matched_count


def test_p07_learn_with_emotives(patterns: Any) -> None:
    window: list[dict[str, float]] = [{"joy": 0.5}, {}, {"joy": 1.0, "fear": -0.25}, {"fear": 2.0}]
    assert [push(patterns, emotives) for emotives in window] == [True, False, False, False]
    found = patterns.find_one({"name": sha1(DOG)}, {"_id": 0})
    assert found["emotives"] == window[-3:]
    assert found["frequency"] == 4
    assert found["metadata"] == {}


def test_p07_after_p06_is_a_write_error(patterns: Any) -> None:
    learn(patterns, DOG)
    with pytest.raises(WriteError) as caught:
        push(patterns, {"joy": 1.0})
    assert caught.value.code in (2, None)  # mongomock gives no code
    assert patterns.find_one({"name": sha1(DOG)})["frequency"] == 1


def test_p08_learn_with_metadata(patterns: Any) -> None:
    def learn_with(metadata: dict[str, list[str]]) -> bool:
        result = patterns.update_one(
            {"name": sha1(OWL)},
            {
                "$setOnInsert": {"pattern_data": OWL, "length": 2, "emotives": {}},
                "$inc": {"frequency": 1},
                "$addToSet": {f"metadata.{key}": {"$each": values} for key, values in metadata.items()},
            },
            upsert=True,
        )
        return not result.matched_count

    assert learn_with({"book": ["1", "2"], "verse": ["x"]})
    assert not learn_with({"book": ["2", "3"]})
    found = patterns.find_one({"name": sha1(OWL)})
    assert found["metadata"] == {"book": ["1", "2", "3"], "verse": ["x"]}
    assert found["emotives"] == {}


def test_p09_learn_with_both(patterns: Any) -> None:
    for number, (joy, book) in enumerate([(0.5, "1"), (0.75, "2"), (1.0, "1")]):
        result = patterns.update_one(
            {"name": sha1(CAT)},
            {
                "$setOnInsert": {"pattern_data": CAT, "length": 3},
                "$inc": {"frequency": 1},
                "$push": {"emotives": {"$each": [{"joy": joy}], "$slice": -2}},
                "$addToSet": {"metadata.book": {"$each": [book]}},
            },
            upsert=True,
        )
        assert (not result.matched_count) == (number == 0)
    assert patterns.find_one({"name": sha1(CAT)}, {"_id": 0}) == {
        "name": sha1(CAT),
        "frequency": 3,
        "pattern_data": CAT,
        "length": 3,
        "emotives": [{"joy": 0.75}, {"joy": 1.0}],
        "metadata": {"book": ["1", "2"]},
    }


def test_p10_find_one_and_change_it(learned: Any) -> None:
    found = learned.find_one({"name": sha1(CAT)})
    identity = found.pop("_id")
    found["name"] = "PTRN|" + found["name"]
    found["pattern_data"][0].append("z")
    found["metadata"]["k"] = ["v"]
    again = learned.find_one({"name": sha1(CAT)})
    assert again["_id"] == identity
    assert again["pattern_data"] == CAT
    assert again["metadata"] == {}
    assert learned.find_one({"_id": identity})["name"] == sha1(CAT)
    assert learned.find_one({"length": 2, "name": sha1(OWL)})["pattern_data"] == OWL
    assert learned.find_one({"name": "unknown"}) is None
    assert learned.find_one({"PTRN": sha1(CAT)}) is None


def test_p11_find_one_without_id(learned: Any) -> None:
    found = learned.find_one({"name": sha1(CAT)}, {"_id": 0})
    assert (found["name"], found["frequency"], found["length"], found["pattern_data"]) == (sha1(CAT), 3, 3, CAT)
    assert "emotives" in found
    assert "_id" not in found
    assert learned.find_one({"name": "unknown"}, {"_id": 0}) is None


def test_p12_names_and_data(learned: Any) -> None:
    found = {
        each["name"]: list(chain(*each["pattern_data"])) for each in learned.find({}, {"name": 1, "pattern_data": 1})
    }
    assert found == {sha1(CAT): ["a", "b", "c"], sha1(DOG): ["a", "d"], sha1(OWL): ["b", "c"]}
    assert {frozenset(each) for each in learned.find({}, {"name": 1, "pattern_data": 1})} == {
        frozenset({"_id", "name", "pattern_data"})
    }


@pytest.mark.parametrize(("limit", "expected"), [(None, 3), (2, 2), (1000, 3)])
def test_p13_names_and_data_up_to_a_limit(learned: Any, limit: int | None, expected: int) -> None:
    query = learned.find({}, {"name": 1, "pattern_data": 1})
    if limit:
        query = query.limit(limit)
    assert len(list(query)) == expected


def test_p14_most_frequent(learned: Any) -> None:
    found = []
    fields = {"name": 1, "pattern_data": 1, "frequency": 1, "length": 1}
    for pattern in learned.find({}, fields).sort([("frequency", -1)]).limit(2):
        pattern["_id"] = str(pattern["_id"])
        found.append(pattern)
    assert [each["frequency"] for each in json.loads(json.dumps(found, default=str))] == [3, 2]
    assert set(found[0]) == {"_id", "name", "pattern_data", "frequency", "length"}


def test_p15_find_one_as_json(learned: Any) -> None:
    found = learned.find_one({"name": sha1(DOG)})
    if found:
        found["_id"] = str(found["_id"])
    assert json.loads(json.dumps(found, default=str))["pattern_data"] == DOG
    assert isinstance(learned.find_one({"name": sha1(DOG)})["_id"], ObjectId)


def test_p16_three_patterns(learned: Any) -> None:
    learn(learned, [["x"]])
    found = list(learned.find({}).limit(3))
    assert len(found) == 3
    for each in found:
        if "_id" in each:
            each.pop("_id")
    assert all(set(each) == {"name", "pattern_data", "length", "frequency", "emotives", "metadata"} for each in found)


def flattened(least: int, limit: int | None) -> list[dict[str, Any]]:
    pipeline: list[dict[str, Any]] = [
        {"$match": {"frequency": {"$gte": least}}},
        {"$project": {"_id": 0, "name": 1, "frequency": 1, "pattern_data": 1, "flattened": FLATTENED}},
        {"$sort": {"frequency": -1}},
    ]
    if limit:
        pipeline.append({"$limit": limit})
    return pipeline


@pytest.mark.parametrize(("least", "limit", "expected"), [(1, None, [3, 2, 1]), (2, None, [3, 2]), (1, 1, [3])])
def test_p17_flattened_patterns_by_frequency(learned: Any, least: int, limit: int | None, expected: list[int]) -> None:
    results = list(learned.aggregate(flattened(least, limit), allowDiskUse=True))
    assert [each["frequency"] for each in results] == expected
    assert {each["name"]: each["flattened"] for each in results}[sha1(CAT)] == ["a", "b", "c"]
    assert set(results[0]) == {"name", "frequency", "pattern_data", "flattened"}


def test_p17_on_nothing(patterns: Any) -> None:
    assert list(patterns.aggregate(flattened(1, 1000), allowDiskUse=True)) == []


def test_p18_statistics(learned: Any, knowledge: Any) -> None:
    pipeline = [
        {
            "$group": {
                "_id": None,
                "total_patterns": {"$sum": 1},
                "total_frequency": {"$sum": "$frequency"},
                "avg_frequency": {"$avg": "$frequency"},
                "max_frequency": {"$max": "$frequency"},
                "min_frequency": {"$min": "$frequency"},
            }
        }
    ]
    assert next(learned.aggregate(pipeline, allowDiskUse=True)) == {
        "_id": None,
        "total_patterns": 3,
        "total_frequency": 6,
        "avg_frequency": 2.0,
        "max_frequency": 3,
        "min_frequency": 1,
    }
    assert list(knowledge.models_kb.aggregate(pipeline, allowDiskUse=True)) == []


def test_p19_sizes(learned: Any) -> None:
    pipeline = [
        {"$match": {"frequency": {"$gte": 2}}},
        {
            "$project": {
                "_id": 0,
                "name": 1,
                "frequency": 1,
                "length": 1,
                "pattern_size": {"$size": "$pattern_data"},
                "total_symbols": {"$size": FLATTENED},
            }
        },
        {"$sort": {"frequency": -1}},
        {"$limit": 100},
    ]
    assert list(learned.aggregate(pipeline, allowDiskUse=True)) == [
        {"name": sha1(CAT), "frequency": 3, "length": 3, "pattern_size": 2, "total_symbols": 3},
        {"name": sha1(OWL), "frequency": 2, "length": 2, "pattern_size": 1, "total_symbols": 2},
    ]


def test_p20_elem_match_on_a_list_of_lists_finds_nothing(learned: Any) -> None:
    pipeline = [
        {"$match": {"frequency": {"$gte": 1}, "pattern_data": {"$elemMatch": {"$in": ["a"]}}}},
        {"$project": {"_id": 0, "name": 1, "frequency": 1, "pattern_data": 1, "flattened": FLATTENED}},
        {"$sort": {"frequency": -1}},
    ]
    assert list(learned.aggregate(pipeline, allowDiskUse=True)) == []


def test_p21_patterns_whose_last_event_has_a_symbol(learned: Any) -> None:
    pipeline = [
        {"$addFields": {"classification": {"$last": "$pattern_data"}}},
        {"$match": {"classification": {"$all": ["c"]}}},
        {"$project": {"name": 1, "classification": 1}},
    ]
    found = list(learned.aggregate(pipeline))
    assert sorted(each["name"] for each in found) == sorted([sha1(CAT), sha1(OWL)])
    assert all(set(each) == {"_id", "name", "classification"} for each in found)


def test_p22_vocabulary(learned: Any) -> None:
    learn(learned, [["B", "\u00e9", "10"], ["9"]])
    pipeline = [
        {"$project": {"pattern_data": 1}},
        {"$unwind": "$pattern_data"},
        {"$unwind": "$pattern_data"},
        {"$group": {"_id": "$pattern_data"}},
        {"$sort": {"_id": 1}},
    ]
    assert [each["_id"] for each in learned.aggregate(pipeline)] == ["10", "9", "B", "a", "b", "c", "d", "\u00e9"]


def test_p23_delete_one(learned: Any) -> None:
    assert learned.delete_one({"name": sha1(CAT)}).deleted_count == 1
    assert learned.delete_one({"name": sha1(CAT)}).deleted_count == 0
    assert learned.count_documents({}) == 2
    # A pattern that was forgotten is new again.
    assert learn(learned, CAT) == sha1(CAT)
    assert learned.find_one({"name": sha1(CAT)})["frequency"] == 1


def test_p24_change_frequency_and_emotives(learned: Any) -> None:
    change = {"$set": {"frequency": 7, "emotives": {"joy": [0.5, 1.0]}}}
    after = learned.find_one_and_update(
        {"name": sha1(CAT)}, change, {"_id": False}, return_document=ReturnDocument.AFTER
    )
    assert after == {
        "name": sha1(CAT),
        "pattern_data": CAT,
        "length": 3,
        "frequency": 7,
        "emotives": {"joy": [0.5, 1.0]},
        "metadata": {},
    }
    assert learned.find_one({"name": sha1(CAT)}, {"_id": 0}) == after
    assert (
        learned.find_one_and_update({"name": "no"}, change, {"_id": False}, return_document=ReturnDocument.AFTER)
        is None
    )
    nothing = {"$set": {"frequency": None, "emotives": {}}}
    after = learned.find_one_and_update(
        {"name": sha1(CAT)}, nothing, {"_id": False}, return_document=ReturnDocument.AFTER
    )
    assert after["frequency"] is None
    assert learned.find_one({"name": sha1(CAT)})["frequency"] is None


def test_p25_delete_everything(learned: Any) -> None:
    learned.create_index([("name", 1)], unique=1)
    assert learned.delete_many({}).deleted_count == 3
    assert learned.count_documents({}) == 0
    assert learned.delete_many({}).deleted_count == 0
    learn(learned, CAT)
    assert learned.find_one({"name": sha1(CAT)})["frequency"] == 1
    assert "name_1" in learned.index_information()


def test_p26_drop(learned: Any, knowledge: Any) -> None:
    learned.create_index([("name", 1)], background=1, unique=1)
    assert learned.drop() is None
    assert "patterns_kb" not in knowledge.list_collection_names()
    assert learned.count_documents({}) == 0
    learned.create_index([("name", 1)], background=1, unique=1)
    learn(learned, CAT)
    assert learned.find_one({"name": sha1(CAT)})["frequency"] == 1


def test_p27_insert_many_of_numpy_strings(patterns: Any) -> None:
    documents = []
    for number in range(1200):
        data = [[numpy.str_(f"s{number}"), numpy.str_("x")]]
        documents.append({"name": sha1([[f"s{number}", "x"]]), "pattern_data": data, "frequency": 1, "length": 2})
    result = patterns.insert_many(documents)
    assert len(result.inserted_ids) == 1200
    assert all(document["_id"] == given for document, given in zip(documents, result.inserted_ids, strict=True))
    assert patterns.count_documents({}) == 1200
    found = patterns.find_one({"name": documents[7]["name"]})
    assert found["pattern_data"] == [["s7", "x"]]
    assert type(found["pattern_data"][0][0]) is str
    assert "emotives" not in found
    partial = {"name": sha1(OWL), "pattern_data": [[numpy.str_("b"), numpy.str_("c")]]}
    patterns.insert_many([partial])
    assert patterns.find_one({"name": sha1(OWL)}, {"_id": 0}) == {"name": sha1(OWL), "pattern_data": OWL}


def test_p28_insert_one(patterns: Any) -> None:
    document = {"name": sha1(CAT), "pattern_data": CAT, "frequency": 1, "length": 3}
    result = patterns.insert_one(document)
    assert result.acknowledged
    assert document["_id"] == result.inserted_id
    assert patterns.find_one({"name": sha1(CAT)}) == document


def test_p29_flat_pattern_data(patterns: Any) -> None:
    created = datetime(2025, 9, 1, 12, 30, 15, 250_000, tzinfo=UTC)
    for _ in range(2):
        patterns.update_one(
            {"name": "PTRN|benchmark_0_abc"},
            {
                "$set": {
                    "name": "PTRN|benchmark_0_abc",
                    "pattern_data": ["x", "yz"],
                    "frequency": 1,
                    "length": 2,
                },
                "$setOnInsert": {"created_at": created},
            },
            upsert=True,
        )
    found = patterns.find_one({"name": "PTRN|benchmark_0_abc"})
    assert found["pattern_data"] == ["x", "yz"]
    assert list(chain(*found["pattern_data"])) == ["x", "y", "z"]
    assert found["created_at"] == created.replace(tzinfo=None)
    assert patterns.count_documents({}) == 1


def test_p30_full_scan(learned: Any, knowledge: Any) -> None:
    found = {}
    for pattern in learned.find({}):
        found[pattern.get("name")] = (pattern.get("pattern_data", []), pattern.get("frequency", 1))
    assert found == {sha1(CAT): (CAT, 3), sha1(DOG): (DOG, 1), sha1(OWL): (OWL, 2)}
    older = knowledge["p1.patterns_kb"]
    learn(older, CAT)
    assert [each["name"] for each in older.find({})] == [sha1(CAT)]
    assert learned.count_documents({}) == 3


def test_p31_a_sample(learned: Any) -> None:
    found = list(learned.find({}, {"name": 1, "pattern_data": 1, "frequency": 1}).limit(2))
    assert len(found) == 2
    assert all(each.get("frequency", 1) in (1, 2, 3) for each in found)
    assert all("length" not in each for each in found)


def test_p32_attributes_of_the_database(patterns: Any, kb_id: str) -> None:
    assert patterns.database.client.server_info().get("version")
    assert patterns.database.name == kb_id


def test_p33_find_one_by_a_name_without_prefix(learned: Any, knowledge: Any) -> None:
    given = f"PTRN|{sha1(DOG)}"
    found = learned.find_one({"name": given.split("|")[-1]})
    assert found
    assert found.get("frequency") == 1
    assert found.get("sequence") is None
    assert not learned.find_one({"name": given})
    knowledge.models_kb.insert_one({"name": "m", "sequence": CAT, "frequency": 2})
    assert knowledge.models_kb.find_one({"name": ["MODEL", "m"][-1]}).get("sequence") == CAT
