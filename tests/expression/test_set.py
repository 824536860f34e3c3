"""Set expressions. Cases follow the MongoDB manual: Set Expression Operators."""

from typing import Any

import pytest
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import parse_expression
from kato_compat.values.equality import same

DOCUMENT = {"a": [3, 1, 2.0], "b": [2, 3, 9], "s": "x", "n": None}


def evaluate(raw: Any) -> Any:
    return parse_expression(raw).bind()(DOCUMENT)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"$setUnion": ["$a", "$b"]}, [1, 2.0, 3, 9]),
        ({"$setUnion": ["$b", "$a"]}, [1, 2, 3, 9]),
        ({"$setUnion": []}, []),
        ({"$setUnion": ["$a", "$m"]}, None),
        ({"$setUnion": ["$n", "$s"]}, None),
        ({"$setUnion": ["x", "$n"]}, None),
        ({"$setUnion": [[[1, 1]], [1]]}, [1, [1, 1]]),
        ({"$setIntersection": ["$a", "$b"]}, [2.0, 3]),
        ({"$setIntersection": ["$a", [Int64(2)]]}, [Int64(2)]),
        ({"$setIntersection": ["$a", []]}, []),
        ({"$setIntersection": []}, []),
        ({"$setIntersection": ["$a", None]}, None),
        ({"$setIntersection": [[True, 1], [1]]}, [1]),
        ({"$setDifference": ["$a", "$b"]}, [1]),
        ({"$setDifference": [["z", "y", "z"], []]}, ["z", "y"]),
        ({"$setDifference": ["$a", "$m"]}, None),
        ({"$setEquals": [[1, 2, 1], [2.0, 1]]}, True),
        ({"$setEquals": ["$a", "$b", [1]]}, False),
        ({"$setIsSubset": [[2, 2, 3], "$a"]}, True),
        ({"$setIsSubset": ["$b", "$a"]}, False),
        ({"$setIsSubset": [[[1]], [[1, 2]]]}, False),
        ({"$allElementsTrue": [[]]}, True),
        ({"$allElementsTrue": [["$m", 1]]}, False),
        ({"$anyElementTrue": [[]]}, False),
        ({"$anyElementTrue": [[0, "x"]]}, True),
    ],
)
def test_values(raw: Any, expected: Any) -> None:
    assert same(evaluate(raw), expected)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"$setUnion": ["$s", "$n"]}, 17043),
        ({"$setUnion": [None, "$s"]}, 17043),
        ({"$setIntersection": ["$a", "$s"]}, 17047),
        ({"$setDifference": ["$s", "$a"]}, 17048),
        ({"$setDifference": ["$a", "$s"]}, 17049),
        ({"$setDifference": ["$a"]}, 16020),
        ({"$setEquals": ["$a"]}, 17045),
        ({"$setEquals": ["$a", "$n"]}, 17044),
        ({"$setEquals": ["$a", 1]}, 5887502),
        ({"$setIsSubset": ["$n", "$a"]}, 17046),
        ({"$setIsSubset": ["$a", "$n"]}, 17042),
        ({"$setIsSubset": ["$a", 1]}, 17311),
        ({"$allElementsTrue": ["$n"]}, 17040),
        ({"$anyElementTrue": ["$s"]}, 17041),
        ({"$anyElementTrue": [1, 2]}, 16020),
    ],
)
def test_errors(raw: Any, code: int) -> None:
    with pytest.raises(OperationFailure) as caught:
        evaluate(raw)
    assert caught.value.code == code
