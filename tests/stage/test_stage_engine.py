"""Error codes of `$group` at the head of a pipeline, which the server runs in its slot-based engine, and elsewhere."""

from datetime import datetime
from typing import Any

import pytest
from pymongo.errors import OperationFailure

DOCUMENTS: list[dict[str, Any]] = [{"_id": 1, "v": 5, "s": "x", "k": 2, "d": datetime(2024, 1, 1)}]


@pytest.mark.parametrize(
    ("expression", "head", "elsewhere"),
    [
        ({"$divide": ["$v", 0]}, 4848401, 2),
        ({"$divide": ["$s", 1]}, 7157719, 14),
        ({"$mod": ["$v", 0]}, 4848403, 16610),
        ({"$multiply": ["$s", 2]}, 7157721, 14),
        ({"$add": [{"$multiply": ["$v", 2]}, "$s"]}, 7157723, 14),
        ({"$subtract": ["$s", 2]}, 7157720, 14),
        ({"$abs": "$s"}, 7157700, 28765),
        ({"$sin": "$s"}, 7157802, 28765),
        ({"$concat": ["$s", "$v"]}, 7158201, 16702),
        ({"$round": "$s"}, 5155300, 51081),
        ({"$trunc": ["$v", 1.5]}, 5155301, 51082),
        ({"$range": ["$s", 1]}, 7157711, 34443),
        ({"$atan2": ["$v", "$s"]}, 7157801, 51045),
        ({"$year": "$s"}, 5157904, 16006),
        ({"$hour": {"date": "$d", "timezone": "$s"}}, 5157903, 40485),
        ({"$dateToString": {"date": "$s"}}, 4997901, 16006),
        ({"$dateDiff": {"startDate": "$d", "endDate": "$d", "unit": "$s"}}, 7157924, 9),
        ({"$dateFromParts": {"year": "$s"}}, 7157917, 40515),
        ({"$tsSecond": "$v"}, 7157900, 5687301),
        ({"$switch": {"branches": [{"case": {"$eq": ["$v", 0]}, "then": 1}]}}, 7158303, 40066),
        # An operator that the slot-based engine does not know puts the whole stage into the classic one.
        ({"$divide": [{"$toInt": "$v"}, 0]}, 2, 2),
    ],
)
@pytest.mark.parametrize("place", ["key", "accumulator"])
def test_codes(aggregate: Any, place: str, expression: Any, head: int, elsewhere: int) -> None:
    group = {"_id": expression} if place == "key" else {"_id": None, "r": {"$max": expression}}
    for before, code in (
        ([], head),
        ([{"$match": {"v": 5}}, {"$sort": {"v": 1}}], head),
        ([{"$addFields": {"w": 1}}], elsewhere),
    ):
        with pytest.raises(OperationFailure) as raised:
            aggregate(DOCUMENTS, [*before, {"$group": group}])
        assert raised.value.code == code


def test_inside_a_facet(aggregate: Any) -> None:
    with pytest.raises(OperationFailure) as raised:
        aggregate(DOCUMENTS, [{"$facet": {"f": [{"$group": {"_id": {"$divide": ["$v", 0]}}}]}}])
    assert raised.value.code == 2


def test_merging_what_is_no_document(aggregate: Any) -> None:
    group = {"$group": {"_id": None, "r": {"$mergeObjects": "$v"}}}
    for before, code in (([], 5911200), ([{"$unwind": "$v"}], 40400)):
        with pytest.raises(OperationFailure) as raised:
            aggregate(DOCUMENTS, [*before, group])
        assert raised.value.code == code


def test_a_bucket_without_default(aggregate: Any) -> None:
    bucket = {"$bucket": {"groupBy": "$v", "boundaries": [0, 1]}}
    for before, code in (([], 7158303), ([{"$addFields": {"w": 1}}], 40066)):
        with pytest.raises(OperationFailure) as raised:
            aggregate(DOCUMENTS, [*before, bucket])
        assert raised.value.code == code


def test_n_may_depend_on_the_key(aggregate: Any) -> None:
    # MongoDB manual: $firstN (aggregation accumulator), "Computing n Based on the Group Key for $group".
    documents = [{"_id": n, "k": k, "v": n} for n, k in enumerate([1, 2, 1, 2, 2])]
    group = {"$group": {"_id": {"k": "$k"}, "r": {"$firstN": {"n": "$k", "input": "$v"}}}}
    assert aggregate(documents, [group]) == [{"_id": {"k": 1}, "r": [0]}, {"_id": {"k": 2}, "r": [1, 3]}]


def test_the_number_of_automatic_buckets_is_no_nan(aggregate: Any) -> None:
    from bson.decimal128 import Decimal128

    for value in (float("nan"), Decimal128("NaN")):
        with pytest.raises(OperationFailure) as raised:
            aggregate(DOCUMENTS, [{"$bucketAuto": {"groupBy": "$v", "buckets": value}}])
        assert raised.value.code == 40242
