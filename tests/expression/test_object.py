"""Expressions on documents. Cases follow the MongoDB manual: Object Expression Operators, $getField, $bsonSize."""

from typing import Any

import pytest
from bson.binary import Binary
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import parse_expression
from kato_compat.values.equality import same
from kato_compat.values.missing import MISSING

DOCUMENT: dict[str, Any] = {"a": {"x": 1, "y.z": 2}, "s": "x", "n": None, "f": "x", "x": 7, "b": Binary(b"123", 5)}


def evaluate(raw: Any) -> Any:
    return parse_expression(raw).bind()(DOCUMENT)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"$mergeObjects": []}, {}),
        ({"$mergeObjects": "$a"}, {"x": 1, "y.z": 2}),
        ({"$mergeObjects": ["$a", None, "$m", {"x": {"q": 1}}]}, {"x": {"q": 1}, "y.z": 2}),
        ({"$mergeObjects": "$m"}, {}),
        ({"$getField": "s"}, "x"),
        ({"$getField": {"field": "y.z", "input": "$a"}}, 2),
        ({"$getField": {"field": "$f", "input": "$$CURRENT"}}, 7),
        ({"$getField": {"$concat": ["", "s"]}}, "x"),
        ({"$getField": {"field": "q", "input": "$a"}}, MISSING),
        ({"$getField": {"field": "q", "input": "$n"}}, None),
        ({"$getField": {"field": "q", "input": "$m"}}, MISSING),
        ({"$getField": {"field": "q", "input": 1}}, MISSING),
        ({"$setField": {"field": "x", "input": "$a", "value": "$s"}}, {"x": "x", "y.z": 2}),
        ({"$setField": {"field": {"$literal": "$x"}, "input": {}, "value": 1}}, {"$x": 1}),
        ({"$setField": {"field": "x", "input": "$a", "value": "$$REMOVE"}}, {"y.z": 2}),
        ({"$setField": {"field": "x", "input": "$m", "value": 1}}, None),
        ({"$unsetField": {"field": "y.z", "input": "$a"}}, {"x": 1}),
        ({"$objectToArray": "$a"}, [{"k": "x", "v": 1}, {"k": "y.z", "v": 2}]),
        ({"$objectToArray": "$n"}, None),
        ({"$arrayToObject": {"$literal": [["p", 1], ["q", 2], ["p", 3]]}}, {"p": 3, "q": 2}),
        ({"$arrayToObject": {"$literal": [{"v": 1, "k": "p"}]}}, {"p": 1}),
        ({"$arrayToObject": {"$literal": []}}, {}),
        ({"$arrayToObject": "$m"}, None),
        ({"$bsonSize": "$n"}, None),
        ({"$bsonSize": {"a": 1}}, 12),
        ({"$binarySize": "$b"}, 3),
        ({"$binarySize": "$m"}, None),
        ({"$meta": "indexKey"}, MISSING),
    ],
)
def test_values(raw: Any, expected: Any) -> None:
    result = evaluate(raw)
    assert result is MISSING if expected is MISSING else same(result, expected)


def test_inputs_stay_as_they_are() -> None:
    evaluate({"$setField": {"field": "x", "input": "$a", "value": 9}})
    evaluate({"$mergeObjects": ["$a", {"x": 9}]})
    assert DOCUMENT["a"] == {"x": 1, "y.z": 2}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"$mergeObjects": ["$a", "$s"]}, 40400),
        ({"$getField": {"field": "x", "input": "$a", "q": 1}}, 3041701),
        ({"$getField": {"input": "$a"}}, 3041702),
        ({"$getField": {"field": "x"}}, 3041703),
        ({"$getField": 1}, 3041704),
        ({"$setField": 1}, 4161100),
        ({"$unsetField": {"field": "x", "input": "$a", "value": 1}}, 4161101),
        ({"$setField": {"input": "$a", "value": 1}}, 4161102),
        ({"$setField": {"field": "x", "input": "$a"}}, 4161103),
        ({"$setField": {"field": "x", "input": "$s", "value": 1}}, 4161105),
        ({"$setField": {"field": {"$concat": ["x"]}, "input": "$a", "value": 1}}, 4161106),
        ({"$setField": {"field": 1, "input": "$a", "value": 1}}, 4161107),
        ({"$setField": {"field": "$f", "input": "$a", "value": 1}}, 4161108),
        ({"$setField": {"field": "x", "value": 1}}, 4161109),
        ({"$setField": {"field": "x\0", "input": "$a", "value": 1}}, 9534700),
        ({"$objectToArray": "$s"}, 40390),
        ({"$arrayToObject": "$s"}, 40386),
        ({"$arrayToObject": [["a", 1], ["b", 2]]}, 16020),
        ({"$arrayToObject": {"$literal": [{"k": "a", "v": 1}, 1]}}, 40391),
        ({"$arrayToObject": {"$literal": [{"k": "a"}]}}, 40392),
        ({"$arrayToObject": {"$literal": [{"k": "a", "q": 1}]}}, 40393),
        ({"$arrayToObject": {"$literal": [{"k": 1, "v": 1}]}}, 40394),
        ({"$arrayToObject": {"$literal": [[1, 1]]}}, 40395),
        ({"$arrayToObject": {"$literal": [["a", 1], {}]}}, 40396),
        ({"$arrayToObject": {"$literal": [["a"]]}}, 40397),
        ({"$arrayToObject": {"$literal": [1]}}, 40398),
        ({"$arrayToObject": {"$literal": [["a\0", 1]]}}, 4940400),
        ({"$arrayToObject": {"$literal": [{"k": "a\0", "v": 1}]}}, 4940401),
        ({"$bsonSize": "$s"}, 31393),
        ({"$binarySize": "$a"}, 51276),
        ({"$meta": 1}, 17307),
        ({"$meta": "nothing"}, 17308),
        ({"$meta": "textScore"}, 115),
    ],
)
def test_errors(raw: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        evaluate(raw)
    assert caught.value.code == code
