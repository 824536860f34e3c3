"""Error codes of the engine in which the server runs `$group`.

The server runs a `$group` at the head of a pipeline in its slot-based engine, everything else in the classic one. The
two answer alike, but many errors have codes of their own in the former. A `$group` with an expression that the
slot-based engine does not know runs in the classic one.
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final

from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator
from kato_compat.ir.expression import Evaluator, Expression, Frame, Operation, walk

#: Functions of any number, and functions of an interval.
_UNBOUNDED: Final = ("$asinh", "$atan", "$cosh", "$degreesToRadians", "$radiansToDegrees", "$sinh", "$tanh")
_BOUNDED: Final = ("$acos", "$acosh", "$asin", "$atanh", "$cos", "$sin", "$tan")

#: Functions that take one part of a date.
_PARTS: Final = (
    "$dayOfMonth",
    "$dayOfWeek",
    "$dayOfYear",
    "$hour",
    "$isoDayOfWeek",
    "$isoWeek",
    "$isoWeekYear",
    "$millisecond",
    "$minute",
    "$month",
    "$second",
    "$week",
    "$year",
)

#: $round and $trunc have one code for a wrong number and one for wrong places.
_PLACES: Final = {51081: 5155300, 16004: 5155301, 31109: 5155301, 51082: 5155301, 51083: 5155301}

#: operator -> {code in the classic engine: code in the slot-based engine}
_CODES: Final[Mapping[str, Mapping[int, int]]] = {
    "$abs": {28765: 7157700, 28680: 7157701},
    "$add": {14: 7157723, 16612: 7157722},
    "$anyElementTrue": {17041: 7158300},
    "$arrayToObject": {40386: 5153200},
    "$atan2": {51044: 7157801, 51045: 7157801},
    "$bsonSize": {31393: 7158301},
    "$ceil": {28765: 7157702},
    "$concat": {16702: 7158201},
    "$concatArrays": {28664: 7158000},
    "$dateDiff": {
        5166307: 7157921,
        5439013: 7157923,
        9: 7157924,
        5439015: 7157925,
        5439016: 7157926,
        40517: 7157919,
        40485: 7157920,
    },
    "$dateFromParts": {40515: 7157917, 31034: 7157916, 31095: 7157916, 40523: 7157916, 40517: 7157918},
    "$dateFromString": {40684: 4997803, 40517: 4997807, 40485: 4997808},
    "$dateToParts": {16006: 7157915, 40521: 7157914, 40517: 7157912, 40485: 7157913},
    "$dateToString": {16006: 4997901, 18533: 4997903, 18535: 4997904, 18536: 4997904, 40517: 4997907, 40485: 4997908},
    "$dateTrunc": {
        5166307: 7157932,
        5439013: 7157935,
        9: 7157936,
        5439015: 7157943,
        5439016: 7157944,
        5439017: 7157940,
        5439018: 7157940,
        40517: 7157930,
        40485: 7157931,
    },
    "$divide": {2: 4848401, 14: 7157719},
    "$exp": {28765: 7157704},
    "$floor": {28765: 7157703},
    "$in": {40081: 5153700},
    "$indexOfBytes": {40091: 7158007, 40092: 7158009},
    "$indexOfCP": {40093: 7158007, 40094: 7158009},
    "$ln": {28765: 7157705, 28766: 7157706},
    "$log10": {28765: 7157707, 28761: 7157708},
    "$ltrim": {50699: 5156302, 50700: 5156303},
    "$mod": {16611: 7157718, 16610: 4848403, 5733415: 4848403},
    "$multiply": {14: 7157721},
    "$objectToArray": {40390: 5153215},
    "$pow": {28762: 5154200, 28763: 5154200, 28764: 5154201},
    "$range": {
        34443: 7157711,
        34444: 7157714,
        34445: 7157712,
        34446: 7157715,
        34447: 7157713,
        34448: 7157716,
        34449: 7157717,
    },
    "$reverseArray": {34435: 7158002},
    "$round": _PLACES,
    "$rtrim": {50699: 5156302, 50700: 5156303},
    "$setDifference": {17048: 7158100, 17049: 7158100},
    "$setEquals": {17044: 7158100},
    "$setIntersection": {17047: 7158100},
    "$setIsSubset": {17046: 7158100, 17042: 7158100},
    "$setUnion": {17043: 7158100},
    "$sortArray": {2942504: 7158001},
    "$sqrt": {28765: 7157709, 28714: 7157710},
    "$strLenBytes": {34473: 5155800},
    "$subtract": {14: 7157720},
    "$switch": {40066: 7158303},
    "$toLower": {16007: 7158200},
    "$toUpper": {16007: 7158200},
    "$trim": {50699: 5156302, 50700: 5156303},
    "$trunc": _PLACES,
    "$tsIncrement": {5687302: 7157901},
    "$tsSecond": {5687301: 7157900},
    **{name: {16006: 5157904, 40517: 5157902, 40485: 5157903} for name in _PARTS},
    **{name: {28765: 7157800} for name in _UNBOUNDED},
    **{name: {28765: 7157802, 50989: 7157803} for name in _BOUNDED},
}

#: Operators that the slot-based engine does not know.
_CLASSIC: Final = frozenset(
    {
        "$allElementsTrue",
        "$arrayElemAt",
        "$binarySize",
        "$bitAnd",
        "$bitNot",
        "$bitOr",
        "$bitXor",
        "$convert",
        "$filter",
        "$first",
        "$firstN",
        "$indexOfArray",
        "$last",
        "$lastN",
        "$log",
        "$map",
        "$maxN",
        "$median",
        "$minN",
        "$percentile",
        "$reduce",
        "$replaceAll",
        "$size",
        "$slice",
        "$strLenCP",
        "$strcasecmp",
        "$substr",
        "$substrBytes",
        "$substrCP",
        "$toBool",
        "$toDate",
        "$toDecimal",
        "$toDouble",
        "$toInt",
        "$toLong",
        "$toObjectId",
        "$toString",
        "$toUUID",
        "$type",
        "$zip",
    }
)

_NAME: Final = re.compile(r"\$\w+")


class Grouped(Accumulator):
    """An accumulator whose errors have other codes in `$group`."""

    __slots__ = ()

    @abstractmethod
    def grouped(self) -> Accumulator:
        """The same accumulator, with the codes of `$group`."""


@dataclass(frozen=True, slots=True)
class Guarded(Expression):
    """An expression whose errors have the codes of the slot-based engine; `names` are its operators."""

    inner: Expression
    names: frozenset[str]

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.inner,)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        inner, names = self.inner.compile(), self.names

        def evaluate(root: Any, frame: Frame) -> Any:
            try:
                return inner(root, frame)
            except OperationFailure as error:
                code = _code(error, names)
                if code is None:
                    raise
                raise fail(code, str(error.details["errmsg"] if error.details else error)) from error

        return evaluate


def _code(error: OperationFailure, names: frozenset[str]) -> int | None:
    if error.code is None:
        return None
    found = {name: _CODES[name][error.code] for name in names if error.code in _CODES[name]}
    if len(found) > 1:
        # Several operators of the expression raise this code: the message names the one that did.
        named = set(_NAME.findall(str(error)))
        found = {name: code for name, code in found.items() if name in named} or found
    return next(iter(found.values()), None)


def is_slotted(expressions: Iterable[Expression]) -> bool:
    """Whether the slot-based engine knows all of the operators of `expressions`."""
    return not any(
        isinstance(node, Operation) and node.spec.name in _CLASSIC
        for expression in expressions
        for node in walk(expression)
    )


def guard(expression: Expression) -> Expression:
    """`expression`, guarded if it has an operator whose errors have other codes in the slot-based engine."""
    names = frozenset(node.spec.name for node in walk(expression) if isinstance(node, Operation))
    names &= _CODES.keys()
    return Guarded(expression, names) if names else expression


def guard_accumulator(accumulator: Accumulator) -> Accumulator:
    """`accumulator` with the error codes of the slot-based engine."""
    if isinstance(accumulator, Grouped):
        accumulator = accumulator.grouped()
    assert is_dataclass(accumulator)
    changed: dict[str, Any] = {}
    for field in fields(accumulator):
        value = getattr(accumulator, field.name)
        if isinstance(value, Expression) and guard(value) is not value:
            changed[field.name] = guard(value)
    return replace(accumulator, **changed) if changed else accumulator
