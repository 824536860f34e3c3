"""The codes of wrong operands (MongoDB manual: the page of each stage; codes are the server's)."""

from typing import Any

import pytest
from bson import Decimal128, Int64
from bson.regex import Regex

ONE = [{"_id": 1}]


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        ({"$match": "a"}, 15959),
        ({"$match": []}, 15959),
        ({"$project": 1}, 15969),
        ({"$addFields": 1}, 40272),
        ({"$set": "a"}, 40272),
        ({"$limit": "1"}, 5107201),
        ({"$limit": 1.5}, 5107201),
        ({"$limit": -1}, 5107201),
        ({"$limit": float("nan")}, 5107201),
        ({"$limit": 2.0**63}, 5107201),
        ({"$limit": 0}, 15958),
        ({"$skip": "1"}, 5107200),
        ({"$skip": -1}, 5107200),
        ({"$skip": True}, 5107200),
        ({"$skip": None}, 5107200),
        ({"$count": 1}, 40156),
        ({"$count": ""}, 40157),
        ({"$count": "$a"}, 40158),
        ({"$count": "a\0b"}, 40159),
        ({"$count": "a.b"}, 40160),
        ({"$count": "_id"}, 9039800),
        ({"$sort": 1}, 15973),
        ({"$sort": {"a": "x"}}, 15974),
        ({"$sort": {"a": 2}}, 15975),
        ({"$sort": {}}, 15976),
        ({"$unwind": 1}, 15981),
        ({"$unwind": Regex("^a")}, 15981),
        ({"$unwind": {"path": 1}}, 28808),
        ({"$unwind": {"path": "$a", "preserveNullAndEmptyArrays": 1}}, 28809),
        ({"$unwind": {"path": "$a", "includeArrayIndex": ""}}, 28810),
        ({"$unwind": {"path": "$a", "includeArrayIndex": 1}}, 28810),
        ({"$unwind": {"path": "$a", "x": 1}}, 28811),
        ({"$unwind": {}}, 28812),
        ({"$unwind": ""}, 28812),
        ({"$unwind": "a"}, 28818),
        ({"$unwind": {"path": "$a", "includeArrayIndex": "$b"}}, 28822),
        ({"$unwind": "$"}, 40352),
        ({"$unwind": "$a."}, 40353),
        ({"$unwind": "$a..b"}, 15998),
        ({"$unwind": "$$ROOT"}, 16410),
        ({"$replaceRoot": 3.5}, 40229),
        ({"$replaceRoot": {}}, 40414),
        ({"$replaceRoot": {"newRoot": "$a", "x": 1}}, 40415),
        ({"$replaceRoot": {"newRoot": 1}}, 40228),
        ({"$replaceWith": "$missing"}, 40228),
        ({"$group": "a"}, 15947),
        ({"$group": {"n": {"$sum": 1}}}, 15955),
        ({"$group": {"_id": {"a": 1}}}, 17390),
        ({"$group": {"_id": {"a": True}}}, 17390),
        ({"$group": {"_id": 1, "n": 1}}, 40234),
        ({"$group": {"_id": 1, "n": {}}}, 40234),
        ({"$group": {"_id": 1, "n": {"a": 1}}}, 40234),
        ({"$group": {"_id": 1, "a.b": {"$sum": 1}}}, 40235),
        ({"$group": {"_id": 1, "$a": {"$sum": 1}}}, 40236),
        ({"$group": {"_id": 1, "n": {"$sum": [1, 2]}}}, 40237),
        ({"$group": {"_id": 1, "n": {"$sum": 1, "$avg": 1}}}, 40238),
        ({"$group": {"_id": 1, "n": {"$nothing": 1}}}, 15952),
        ({"$sortByCount": {}}, 40147),
        ({"$sortByCount": {"a": 1}}, 40147),
        ({"$sortByCount": "a"}, 40148),
        ({"$sortByCount": 1}, 40149),
        ({"$bucket": 1}, 40201),
        ({"$bucket": {"groupBy": "$a", "boundaries": ["$a", 1]}}, 40191),
        ({"$bucket": {"groupBy": "$a", "boundaries": ["$$NOW", 1]}}, 40191),
        ({"$bucket": {"groupBy": "$a", "boundaries": [1]}}, 40192),
        ({"$bucket": {"groupBy": "$a", "boundaries": [1, "a"]}}, 40193),
        ({"$bucket": {"groupBy": "$a", "boundaries": [1, 1.0]}}, 40194),
        ({"$bucket": {"groupBy": "$a", "boundaries": [0, 1], "default": "$a"}}, 40195),
        ({"$bucket": {"groupBy": "$a", "boundaries": [0, 1], "output": 1}}, 40196),
        ({"$bucket": {"groupBy": "$a", "boundaries": [0, 1], "x": 1}}, 40197),
        ({"$bucket": {"groupBy": "$a"}}, 40198),
        ({"$bucket": {"groupBy": "$a", "boundaries": [0, 10], "default": 5}}, 40199),
        ({"$bucket": {"groupBy": "$a", "boundaries": 1}}, 40200),
        ({"$bucket": {"groupBy": 1, "boundaries": [0, 1]}}, 40202),
        ({"$bucket": {"groupBy": "$_id", "boundaries": [5, 6]}}, 7158303),
        ({"$bucket": {"groupBy": "$a", "boundaries": [0, 1], "output": {"_id": {"$sum": 1}}}}, 15948),
        ({"$bucketAuto": 1}, 40240),
        ({"$bucketAuto": {"groupBy": 1, "buckets": 1}}, 40239),
        ({"$bucketAuto": {"groupBy": "$a", "buckets": "1"}}, 40241),
        ({"$bucketAuto": {"groupBy": "$a", "buckets": 1.5}}, 40242),
        ({"$bucketAuto": {"groupBy": "$a", "buckets": Int64(2**40)}}, 40242),
        ({"$bucketAuto": {"groupBy": "$a", "buckets": 0}}, 40243),
        ({"$bucketAuto": {"groupBy": "$a", "buckets": 1, "output": 1}}, 40244),
        ({"$bucketAuto": {"groupBy": "$a", "buckets": 1, "x": 1}}, 40245),
        ({"$bucketAuto": {"groupBy": "$a"}}, 40246),
        ({"$bucketAuto": {"groupBy": "$a", "buckets": 1, "granularity": "R6"}}, 40257),
        ({"$bucketAuto": {"groupBy": "$a", "buckets": 1, "granularity": "R5"}}, 40258),
        ({"$bucketAuto": {"groupBy": {"$literal": float("nan")}, "buckets": 1, "granularity": "R5"}}, 40259),
        ({"$bucketAuto": {"groupBy": {"$literal": -1}, "buckets": 1, "granularity": "R5"}}, 40260),
        ({"$bucketAuto": {"groupBy": "$a", "buckets": 1, "granularity": 5}}, 40261),
        ({"$facet": {}}, 40169),
        ({"$facet": 1}, 40169),
        ({"$facet": {"a": 1}}, 40170),
        ({"$facet": {"a": [1]}}, 40171),
        ({"$facet": {"a": [{}]}}, 40323),
        ({"$facet": {"$a": []}}, 16410),
        ({"$facet": {"a.b": []}}, 16412),
        ({"$facet": {"": []}}, 15998),
        ({"$sample": 1}, 28745),
        ({"$sample": {"size": "1"}}, 28746),
        ({"$sample": {"size": 0}}, 28747),
        ({"$sample": {"size": -1}}, 28747),
        ({"$sample": {"size": 1, "x": 1}}, 28748),
        ({"$sample": {}}, 28749),
        ({"$redact": 1}, 17053),
        ({"$redact": {"$literal": "$$KEEP"}}, 17053),
        ({"$lookup": 1}, 9),
        ({"$lookup": {"from": 1, "localField": "a", "foreignField": "b", "as": "c"}}, 9),
        ({"$lookup": {"localField": "a", "foreignField": "b", "as": "c"}}, 9),
        ({"$lookup": {"from": "x", "as": "c"}}, 9),
        ({"$lookup": {"from": "x", "localField": "a", "as": "c"}}, 9),
        ({"$lookup": {"from": "x", "localField": "a", "pipeline": [], "as": "c"}}, 9),
        ({"$lookup": {"from": "x", "localField": "a", "foreignField": "b", "let": {}, "as": "c"}}, 9),
        ({"$lookup": {"from": {"db": "a", "coll": "b"}, "pipeline": [], "as": "c"}}, 9),
        ({"$lookup": {"from": "x", "pipeline": [], "let": {"ROOT": 1}, "as": "c"}}, 9),
        ({"$lookup": {"from": "x", "localField": 1, "foreignField": "b", "as": "c"}}, 14),
        ({"$lookup": {"from": "x", "pipeline": 1, "as": "c"}}, 14),
        ({"$lookup": {"from": "x", "pipeline": [1], "as": "c"}}, 14),
        ({"$lookup": {"from": "x", "pipeline": [], "let": 1, "as": "c"}}, 14),
        ({"$lookup": {"from": "x", "localField": "a", "foreignField": "b", "as": 1}}, 14),
        ({"$lookup": {"from": "x", "localField": "a", "foreignField": "b"}}, 40414),
        ({"$lookup": {"from": "x", "localField": "a", "foreignField": "b", "as": "c", "x": 1}}, 40415),
        ({"$lookup": {"from": "x", "localField": "a", "foreignField": "b", "as": "$c"}}, 16410),
        ({"$lookup": {"from": "", "localField": "a", "foreignField": "b", "as": "c"}}, 73),
        ({"$unionWith": 1}, 9),
        ({"$unionWith": {"pipeline": []}}, 9),
        ({"$unionWith": {"coll": 1}}, 14),
        ({"$unionWith": {"coll": "x", "y": 1}}, 40415),
        ({"$unionWith": ""}, 73),
        ({"$graphLookup": 1}, 9),
        ({"$graphLookup": {}}, 9),
        ({"$graphLookup": {"from": 1}}, 9),
        ({"$graphLookup": {"from": "c", "maxDepth": "1"}}, 40100),
        ({"$graphLookup": {"from": "c", "maxDepth": -1}}, 40101),
        ({"$graphLookup": {"from": "c", "maxDepth": 1.5}}, 40102),
        ({"$graphLookup": {"from": "c", "as": 1}}, 40103),
        ({"$graphLookup": {"from": "c", "x": 1}}, 40104),
        ({"$graphLookup": {"from": "c", "as": "a"}}, 40105),
        ({"$graphLookup": {"from": "c", "restrictSearchWithMatch": 1}}, 40185),
        ({"$collStats": 1}, 5447000),
        ({"$collStats": {"count": 1}}, 14),
        ({"$collStats": {"x": {}}}, 40415),
        ({"$indexStats": {"x": 1}}, 28803),
        ({"$planCacheStats": 1}, 50932),
        ({"$planCacheStats": {"x": 1}}, 50933),
        ({"$out": 1}, 16990),
        ({"$out": {"db": "d"}}, 40414),
        ({"$out": {"db": "d", "coll": "c", "x": 1}}, 40415),
        ({"$out": ""}, 73),
        ({"$out": "a" * 300}, 20),
        ({"$out": "system.x"}, 17385),
        ({"$out": {"db": "admin", "coll": "x"}}, 31321),
        ({"$merge": 1}, 14),
        ({"$merge": {}}, 40414),
        ({"$merge": {"into": None}}, 51178),
        ({"$merge": {"into": "x", "y": 1}}, 40415),
        ({"$merge": {"into": ""}}, 5786800),
        ({"$merge": {"into": {"db": "d"}}}, 5786801),
        ({"$merge": {"into": "x", "on": None}}, 51186),
        ({"$merge": {"into": "x", "on": [1]}}, 51134),
        ({"$merge": {"into": "x", "on": []}}, 51187),
        ({"$merge": {"into": "x", "on": ["a", "a"]}}, 31465),
        ({"$merge": {"into": "x", "on": "a"}}, 51183),
        ({"$merge": {"into": "x", "whenMatched": 1}}, 51191),
        ({"$merge": {"into": "x", "whenMatched": "x"}}, 2),
        ({"$merge": {"into": "x", "whenMatched": [{"$nothing": 1}]}}, 40324),
        ({"$merge": {"into": "x", "whenMatched": [{"$match": {}}]}}, 72),
        ({"$merge": {"into": "x", "whenNotMatched": "x"}}, 2),
        ({"$merge": {"into": "x", "whenNotMatched": 1}}, 14),
        ({"$merge": {"into": "x", "whenMatched": "fail", "whenNotMatched": "discard"}}, 51181),
        ({"$merge": {"into": "x", "whenMatched": "keepExisting", "whenNotMatched": "fail"}}, 51181),
        ({"$merge": {"into": "x", "let": {"a": 1}}}, 51199),
        ({"$merge": {"into": "x", "let": {"new": 1}, "whenMatched": []}}, 51273),
        ({"$merge": {"into": "system.x"}}, 31319),
        ({"$merge": {"into": {"db": "config", "coll": "x"}}}, 31320),
        ({"$documents": 1}, 5858203),
        ({"$documents": [1]}, 40228),
    ],
)
def test_wrong_operand(stage: dict[str, Any], code: int, code_of: Any) -> None:
    assert code_of([stage], ONE) == code


@pytest.mark.parametrize(
    "stage",
    [
        {"$limit": "1"},
        {"$group": {"_id": 1, "n": 1}},
        {"$bucket": {"groupBy": "$a", "boundaries": [1]}},
        {"$lookup": {"from": "x", "as": "c"}},
        {"$unwind": "a"},
        {"$merge": {"into": "x", "on": "a"}},
    ],
)
def test_operands_are_checked_without_documents(stage: dict[str, Any], code_of: Any) -> None:
    assert code_of([stage], []) == code_of([stage], ONE)


def test_what_only_a_document_can_show_is_no_error_without_one(aggregate: Any) -> None:
    for stage in (
        {"$redact": {"$literal": "x"}},
        {"$replaceWith": 1},
        {"$bucket": {"groupBy": "$a", "boundaries": [0, 1]}},
        {"$merge": {"into": "x", "whenMatched": [{"$match": {}}]}},
    ):
        assert aggregate([], [stage]) == []


@pytest.mark.parametrize("number", [1, 1.0, Int64(1), Decimal128("1")])
def test_whole_numbers_of_every_type(number: Any, aggregate: Any) -> None:
    documents = [{"_id": 1}, {"_id": 2}]
    assert aggregate(documents, [{"$limit": number}]) == [{"_id": 1}]
    assert aggregate(documents, [{"$skip": number}]) == [{"_id": 2}]
    assert len(aggregate(documents, [{"$sample": {"size": number}}])) == 1


def test_group_has_the_codes_of_the_server_s_other_engine(code_of: Any) -> None:
    divide = {"$divide": ["$_id", 0]}
    assert code_of([{"$group": {"_id": None, "n": {"$sum": divide}}}]) == 4848401
    assert code_of([{"$group": {"_id": divide}}]) == 4848401
    assert code_of([{"$project": {"n": divide}}]) == 2
    output = {"n": {"$mergeObjects": "$_id"}}
    assert code_of([{"$group": {"_id": None, **output}}]) == 5911200
    assert code_of([{"$bucketAuto": {"groupBy": "$_id", "buckets": 1, "output": output}}]) == 40400
