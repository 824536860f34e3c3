"""The server's error codes for malformed filters; they are raised when the filter is parsed."""

from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.regex import Regex
from pymongo.errors import OperationFailure

from kato_compat.ir.predicate import compile_predicate
from kato_compat.parse.filter import parse_filter

ERRORS: list[tuple[Any, int, str]] = [
    ({"$foo": 1}, 2, "unknown top level operator: $foo"),
    ({"$eq": 1}, 2, "unknown top level operator: $eq"),
    ({"$not": {"a": 1}}, 2, "unknown top level operator: $not"),
    ({"a": {"$foo": 1}}, 2, "unknown operator: $foo"),
    ({"a": {"$gt": 1, "b": 1}}, 2, "unknown operator: b"),
    ({"a": {"$and": []}}, 2, "unknown operator: $and"),
    ({"a": {"$expr": 1}}, 2, "unknown operator: $expr"),
    ({"a": {"$ref": "c"}}, 2, "unknown operator: $ref"),
    ({"a": {"$where": "1"}}, 2, "$where cannot be applied to a field"),
    ({"$and": {}}, 2, "$and argument must be an array"),
    ({"$or": []}, 2, "$and/$or/$nor must be a nonempty array"),
    ({"$nor": [1]}, 2, "$or/$and/$nor entries need to be full objects"),
    ({"$or": [{"$foo": 1}]}, 2, "unknown top level operator: $foo"),
    ({"a": {"$not": 1}}, 2, "$not needs a regex or a document"),
    ({"a": {"$not": {}}}, 2, "$not cannot be empty"),
    ({"a": {"$not": {"b": 1}}}, 2, "unknown operator: b"),
    ({"a": {"$ne": Regex("a")}}, 2, "Can't have regex as arg to $ne."),
    ({"a": {"$gt": Regex("a")}}, 2, "Can't have RegEx as arg to predicate over field 'a'."),
    ({"a": {"$in": 1}}, 2, "$in needs an array"),
    ({"a": {"$nin": {}}}, 2, "$nin needs an array"),
    ({"a": {"$in": [{"$gt": 1}]}}, 2, "cannot nest $ under $in"),
    ({"a": {"$type": []}}, 9, "a must match at least one type"),
    ({"a": {"$type": "foo"}}, 2, "Unknown type name alias: foo"),
    ({"a": {"$type": 0}}, 2, "Invalid numerical type code: 0"),
    ({"a": {"$type": 20}}, 2, "Invalid numerical type code: 20"),
    ({"a": {"$type": 1.5}}, 2, "Invalid numerical type code: 1.5"),
    ({"a": {"$type": True}}, 14, "type must be represented as a number or a string"),
    ({"a": {"$type": ["int", None]}}, 14, "type must be represented as a number or a string"),
    ({"a": {"$mod": 4}}, 2, "malformed mod, needs to be an array"),
    ({"a": {"$mod": []}}, 2, "malformed mod, not enough elements"),
    ({"a": {"$mod": [4]}}, 2, "malformed mod, not enough elements"),
    ({"a": {"$mod": [4, 1, 2]}}, 2, "malformed mod, too many elements"),
    ({"a": {"$mod": ["4", 1]}}, 2, "malformed mod, divisor not a number"),
    ({"a": {"$mod": [4, None]}}, 2, "malformed mod, remainder not a number"),
    ({"a": {"$mod": [0, 1]}}, 2, "divisor cannot be 0"),
    ({"a": {"$mod": [0.5, 1]}}, 2, "divisor cannot be 0"),
    ({"a": {"$mod": [float("nan"), 1]}}, 2, "Unable to coerce NaN/Inf to integral type"),
    ({"a": {"$mod": [4, Decimal128("Infinity")]}}, 2, "Unable to coerce NaN/Inf to integral type"),
    ({"a": {"$mod": [4, 1e20]}}, 2, "Out of bounds coercing to integral value"),
    ({"a": {"$regex": 1}}, 2, "$regex has to be a string"),
    ({"a": {"$regex": "a", "$options": 1}}, 2, "$options has to be a string"),
    ({"a": {"$options": "i"}}, 2, "$options needs a $regex"),
    ({"a": {"$options": "i", "$regex": Regex("a", "m")}}, 51074, "options set in both $regex and $options"),
    ({"a": {"$regex": Regex("a", "m"), "$options": "i"}}, 51075, "options set in both $regex and $options"),
    ({"a": {"$regex": "a", "$options": "z"}}, 51108, "invalid flag in regex options: z"),
    ({"a": {"$regex": "("}}, 51091, "Regular expression is invalid"),
    ({"a": Regex("*")}, 51091, "Regular expression is invalid"),
    ({"a": {"$in": [Regex("[")]}}, 51091, "Regular expression is invalid"),
    ({"a": {"$regex": "a\0b"}}, 2, "Regular expression cannot contain an embedded null byte"),
    ({"a": {"$all": "x"}}, 2, "$all needs an array"),
    ({"a": {"$all": [{"$gt": 1}]}}, 2, "no $ expressions in $all"),
    ({"a": {"$all": [1, {"$elemMatch": {}}]}}, 2, "no $ expressions in $all"),
    ({"a": {"$all": [{"$elemMatch": {}}, 1]}}, 2, "$all/$elemMatch has to be consistent"),
    ({"a": {"$elemMatch": 1}}, 2, "$elemMatch needs an Object"),
    ({"a": {"$elemMatch": {"$gt": 1, "b": 1}}}, 2, "unknown operator: b"),
    ({"a": {"$elemMatch": {"$and": [{"$gt": 1}]}}}, 2, "unknown top level operator: $gt"),
    ({"a": {"$elemMatch": {"b": 1, "$gt": 1}}}, 2, "unknown top level operator: $gt"),
    ({"a": {"$elemMatch": {"$expr": True}}}, 2, "$expr can only be applied to the top-level document"),
    ({"a": {"$elemMatch": {"b": 1, "$where": "1"}}}, 2, "can only be applied to the top-level document"),
    ({"a": {"$size": "1"}}, 2, "Failed to parse $size. Expected a number in: $size"),
    ({"a": {"$size": -1}}, 2, "Failed to parse $size. Expected a non-negative number in: $size"),
    ({"a": {"$size": 1.5}}, 2, "Failed to parse $size. Expected an integer: $size"),
    ({"a": {"$size": 2**31}}, 2, "in an int"),
    ({"a": {"$size": float("nan")}}, 2, "Expected an integer, but found NaN"),
    ({"a": {"$bitsAllSet": "1"}}, 2, "takes an Array, a number, or a BinData"),
    ({"a": {"$bitsAllSet": -1}}, 9, "Expected a non-negative number in: $bitsAllSet"),
    ({"a": {"$bitsAnySet": 1.5}}, 9, "Expected an integer: $bitsAnySet"),
    ({"a": {"$bitsAnyClear": 1e20}}, 9, "Cannot represent as a 64-bit integer"),
    ({"a": {"$bitsAllClear": [-1]}}, 2, "Failed to parse bit position. Expected a non-negative number in: 0"),
    ({"a": {"$bitsAllClear": ["1"]}}, 2, "Failed to parse bit position. Expected a number in: 0"),
    ({"$alwaysTrue": 0}, 9, "$alwaysTrue must be an integer value of 1"),
    ({"$alwaysFalse": "1"}, 9, "Expected a number in: $alwaysFalse"),
    ({"$sampleRate": "x"}, 2, "argument to $sampleRate must be a numeric type"),
    ({"$sampleRate": 1.5}, 2, "numeric argument to $sampleRate must be in [0, 1]"),
    ({"$expr": {"$nosuch": 1}}, 168, "Unrecognized expression '$nosuch'"),
    ({"$where": "true"}, 115, "$where is refused"),
    ({"$text": {"$search": "a"}}, 115, "$text is refused"),
    ({"a": {"$geoWithin": {"$box": []}}}, 115, "$geoWithin is refused"),
    ({"a": {"$near": [0, 0], "$maxDistance": 1}}, 115, "$near is refused"),
    ({"a": {"$box": []}}, 2, "unknown operator: $box"),
    ([1], 14, "a filter must be a document"),
]


@pytest.mark.parametrize(("query", "code", "message"), ERRORS)
def test_error(query: Any, code: int, message: str) -> None:
    with pytest.raises(OperationFailure) as caught:
        parse_filter(query)
    assert code == caught.value.code
    assert message in str(caught.value)


@pytest.mark.parametrize(("levels", "fits"), [(90, True), (150, False)])
def test_depth(levels: int, fits: bool) -> None:
    """Filters may be nested as deep as BSON (MongoDB manual: MongoDB Limits and Thresholds)."""
    query: dict[str, Any] = {"a": 1}
    for _ in range(levels):
        query = {"$nor": [query]}
    if fits:
        assert compile_predicate(parse_filter(query))({"a": 1}) is (levels % 2 == 0)
        return
    with pytest.raises(OperationFailure) as caught:
        parse_filter(query)
    assert caught.value.code == 15
