"""Hypothesis strategies for expressions, accumulators, window functions and pipelines over all registered operators.

The grammar is typed loosely: what an operator takes is mostly of its types (a number, a string, a date, an array, ..),
now and then anything, so that many expressions have a result and the errors are met as well.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from bson.int64 import Int64
from bson.timestamp import Timestamp
from hypothesis import strategies as st

from conformance.generators import (
    Strategy,
    documents,
    filters,
    known,
    numbers,
    projections,
    scalars,
    sorts,
    values,
)
from kato_compat.ir.spec import Kind

#: Operators whose result is another each time.
RANDOM: Final = ("$rand",)
RANDOM_STAGES: Final = ("$sample",)
#: Stages that write; that report on the store; that are sources of their own.
WRITING: Final = ("$out", "$merge")
REPORTING: Final = ("$collStats", "$indexStats", "$planCacheStats")


@st.composite
def typed_documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Documents whose fields mostly have one type each: ``n m`` numbers, ``s`` string, ``t`` date, ``l k`` arrays."""
    fields: dict[str, Strategy] = {
        "n": numbers,
        "m": st.sampled_from((1, 2, 3, Int64(4), 2.5)),
        "s": st.sampled_from(("abc", "aXb X", "", "é\U0001f642x", "2024-02-29", "12")),
        "t": st.sampled_from(
            (datetime(2024, 2, 29, 13, 5, 7, 123000), datetime(1969, 12, 31), datetime(2024, 10, 27, 1))
        ),
        "l": st.lists(numbers | st.sampled_from((1, 2, 3)), max_size=4),
        "k": st.lists(st.fixed_dictionaries({}, optional={"a": st.integers(0, 3), "b": st.just("x")}), max_size=3),
        "o": st.fixed_dictionaries({}, optional={"a": st.integers(0, 3), "b": values}),
        "a": values,
    }
    rows = draw(st.lists(st.fixed_dictionaries({}, optional=fields), max_size=5))
    return [{"_id": number, **row} for number, row in enumerate(rows)]


def _or_any(strategy: Strategy) -> Strategy:
    """Mostly `strategy`, now and then anything."""
    return st.integers(0, 11).flatmap(lambda number: strategy if number else ANYTHING)


NUMBER: Final[Strategy] = st.sampled_from(("$n", "$m", 1, 2, -1, 0, 0.5, Int64(3))) | numbers
STRING: Final[Strategy] = st.sampled_from(("$s", "a", "X", "", "é", "abc"))
DATE: Final[Strategy] = st.sampled_from(("$t", datetime(2024, 1, 31), datetime(2024, 3, 30, 23)))
ARRAY: Final[Strategy] = st.sampled_from(("$l", "$k", [1, 2, "$n"], [], ["$m", "$s"], "$k.a"))
OBJECT: Final[Strategy] = st.sampled_from(("$o", {"x": "$n"}, "$$ROOT", {"$literal": {}}))
ANYTHING: Final[Strategy] = st.sampled_from(
    ("$a", "$a.b", "$nope", None, "$o.b", True, "$l.0", "$$REMOVE")
) | scalars.map(lambda value: {"$literal": value})
_UNIT: Final[Strategy] = st.sampled_from(("year", "quarter", "month", "week", "day", "hour", "minute", "second"))
_ZONE: Final[Strategy] = st.sampled_from(("UTC", "+05:30", "Europe/Paris", "America/New_York", "nope"))
_TYPE: Final[Strategy] = st.sampled_from(
    ("int", "long", "double", "decimal", "string", "bool", "date", "objectId", 16, "nope")
)
_SMALL: Final[Strategy] = st.sampled_from((0, 1, 2, -1, 3, "$m", 1.5))


def _fixed(required: dict[str, Strategy], **optional: Strategy) -> Strategy:
    return st.fixed_dictionaries(required, optional=optional)


def _args(*strategies: Strategy) -> Strategy:
    return st.tuples(*strategies).map(list)


def _table(n: Strategy, s: Strategy, t: Strategy, a: Strategy, o: Strategy, x: Strategy) -> dict[str, Strategy]:
    """What each operator takes: numbers `n`, strings `s`, dates `t`, arrays `a`, objects `o`, anything `x`."""
    dated = t | _fixed({"date": t}, timezone=_ZONE)
    some = st.lists(n, max_size=3)
    pair = _args(x, x)
    sets = _args(a, a)
    trimmed = _fixed({"input": s}, chars=s)
    found = _args(s, s) | _args(s, s, _SMALL, _SMALL)
    regex = _fixed({"input": s, "regex": st.sampled_from(("a", "(a)(x)?", "^", r"\w", "["))}, options=st.just("i"))
    replaced = _fixed({"input": s, "find": s, "replacement": s})
    counted = _fixed({"n": _SMALL, "input": a})
    moved = _fixed({"startDate": t, "unit": _UNIT, "amount": _SMALL}, timezone=_ZONE)
    field = st.sampled_from(("a", "b", {"$literal": "a.b"}))
    this = st.sampled_from(("$$this", {"$add": ["$$this", 1]}, {"$gt": ["$$this", 1]}, "$$this.a"))
    return {
        **dict.fromkeys(("$add", "$multiply", "$bitAnd", "$bitOr", "$bitXor", "$concatArrays"), some),
        "$concatArrays": st.lists(a, max_size=3),
        **dict.fromkeys(("$subtract", "$divide", "$mod", "$pow", "$log", "$atan2"), _args(n, n)),
        **dict.fromkeys(("$abs", "$ceil", "$floor", "$sqrt", "$exp", "$ln", "$log10", "$bitNot", "$sigmoid"), n),
        **dict.fromkeys(("$round", "$trunc"), _args(n, _SMALL) | _args(n)),
        **dict.fromkeys(("$sin", "$cos", "$tan", "$asin", "$acos", "$atan", "$sinh", "$cosh", "$tanh"), n),
        **dict.fromkeys(("$asinh", "$acosh", "$atanh", "$degreesToRadians", "$radiansToDegrees"), n),
        **dict.fromkeys(("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$cmp"), pair),
        **dict.fromkeys(("$and", "$or"), st.lists(x, max_size=3)),
        "$not": _args(x),
        **dict.fromkeys(("$allElementsTrue", "$anyElementTrue"), _args(a)),
        "$cond": _args(x, x, x) | _fixed({"if": x, "then": x, "else": x}),
        "$ifNull": st.lists(x, min_size=1, max_size=3),
        "$switch": _fixed({"branches": st.lists(_fixed({"case": x, "then": x}), max_size=2)}, default=x),
        "$let": _fixed({"vars": _fixed({"v": x}), "in": st.sampled_from(("$$v", {"$add": ["$$v", 1]}, "$$w"))}),
        **dict.fromkeys(("$literal", "$const"), values),
        "$rand": st.just({}),
        "$meta": st.sampled_from(("indexKey", "textScore")),
        **dict.fromkeys(("$toInt", "$toLong", "$toDouble", "$toDecimal", "$toBool", "$toDate"), x | n | s),
        **dict.fromkeys(("$toObjectId", "$toString", "$toUUID", "$toArray", "$toObject", "$toHashedIndexKey"), x | s),
        "$convert": _fixed({"input": x | n | s, "to": _TYPE}, onError=x, onNull=x),
        **dict.fromkeys(("$isNumber", "$type"), x),
        "$isArray": a | x,
        "$concat": st.lists(s, max_size=3),
        **dict.fromkeys(("$toLower", "$toUpper", "$strLenBytes", "$strLenCP"), s),
        "$strcasecmp": _args(s, s),
        **dict.fromkeys(("$substr", "$substrBytes", "$substrCP"), _args(s, _SMALL, _SMALL)),
        **dict.fromkeys(("$indexOfBytes", "$indexOfCP"), found),
        "$split": _args(s, s),
        **dict.fromkeys(("$trim", "$ltrim", "$rtrim"), trimmed),
        **dict.fromkeys(("$replaceOne", "$replaceAll"), replaced),
        **dict.fromkeys(("$regexFind", "$regexFindAll", "$regexMatch"), regex),
        **dict.fromkeys(("$year", "$month", "$dayOfMonth", "$dayOfWeek", "$dayOfYear", "$hour", "$minute"), dated),
        **dict.fromkeys(("$second", "$millisecond", "$week", "$isoWeek", "$isoWeekYear", "$isoDayOfWeek"), dated),
        **dict.fromkeys(("$dateAdd", "$dateSubtract"), moved),
        "$dateDiff": _fixed({"startDate": t, "endDate": t, "unit": _UNIT}, timezone=_ZONE),
        "$dateTrunc": _fixed({"date": t, "unit": _UNIT}, binSize=_SMALL, timezone=_ZONE),
        "$dateFromParts": _fixed({"year": st.sampled_from((2024, 1, "$m"))}, month=_SMALL, day=_SMALL, hour=_SMALL),
        "$dateToParts": _fixed({"date": t}, timezone=_ZONE, iso8601=st.booleans()),
        "$dateFromString": _fixed({"dateString": s}, onError=x, onNull=x),
        "$dateToString": _fixed({"date": t}, format=st.sampled_from(("%Y-%m-%d", "%H:%M %z", "%q")), timezone=_ZONE),
        **dict.fromkeys(("$tsSecond", "$tsIncrement"), st.just(Timestamp(5, 6)) | x),
        "$arrayElemAt": _args(a, _SMALL),
        **dict.fromkeys(("$first", "$last", "$size", "$reverseArray", "$arrayToObject"), a),
        **dict.fromkeys(("$firstN", "$lastN", "$maxN", "$minN"), counted),
        "$slice": _args(a, _SMALL) | _args(a, _SMALL, _SMALL),
        "$in": _args(x, a),
        "$indexOfArray": _args(a, x),
        "$range": _args(_SMALL, _SMALL) | _args(_SMALL, _SMALL, _SMALL),
        "$map": _fixed({"input": a, "in": this}),
        "$filter": _fixed({"input": a, "cond": this}, limit=_SMALL),
        "$reduce": _fixed(
            {"input": a, "initialValue": x, "in": st.sampled_from(("$$this", {"$ifNull": ["$$value", 1]}))}
        ),
        "$zip": _fixed({"inputs": st.lists(a, min_size=1, max_size=2)}, useLongestLength=st.booleans()),
        "$sortArray": _fixed({"input": a, "sortBy": st.sampled_from((1, -1, {"a": 1}, {"a": -1, "b": 1}, 2))}),
        "$objectToArray": o,
        **dict.fromkeys(("$setUnion", "$setIntersection", "$setDifference", "$setEquals", "$setIsSubset"), sets),
        "$mergeObjects": st.lists(o, max_size=2) | o,
        "$getField": _fixed({"field": field, "input": o}) | field,
        "$setField": _fixed({"field": field, "input": o, "value": x}),
        "$unsetField": _fixed({"field": field, "input": o}),
        "$bsonSize": o,
        "$binarySize": s,
        **dict.fromkeys(("$sum", "$avg", "$max", "$min", "$stdDevPop", "$stdDevSamp"), a | st.lists(n, max_size=3)),
        "$median": _fixed({"input": a, "method": st.just("approximate")}),
        "$percentile": _fixed(
            {"input": a, "p": st.sampled_from(([0.5], [0, 1.0], [2])), "method": st.just("approximate")}
        ),
    }


@st.composite
def expressions(draw: st.DrawFn, depth: int = 2, without: tuple[str, ...] = RANDOM) -> Any:
    """An expression over all operators of the registry but `without`, on the fields of `typed_documents`."""
    table = _TABLES[min(depth, len(_TABLES) - 1)]
    return {(name := draw(st.sampled_from(known(Kind.EXPRESSION, table, without)))): draw(table[name])}


def _deeper(leaf: Strategy, depth: int) -> Strategy:
    if depth == 0:
        return _or_any(leaf)
    return st.integers(0, 5).flatmap(
        lambda number: _or_any(leaf) if number else st.deferred(lambda: expressions(depth - 1))
    )


_TABLES: Final = tuple(
    _table(*(_deeper(leaf, depth) for leaf in (NUMBER, STRING, DATE, ARRAY, OBJECT, ANYTHING))) for depth in range(3)
)

_VALUE: Final[Strategy] = NUMBER | ARRAY | ANYTHING | st.deferred(lambda: expressions(1))
_OUTPUT: Final[Strategy] = st.sampled_from(("$n", ["$n", "$s"], "$nope"))


def _accumulators() -> dict[str, Strategy]:
    several = _fixed({"input": _VALUE, "n": st.sampled_from((1, 2, Int64(3), 0))})
    ranked = _fixed({"sortBy": sorts(), "output": _OUTPUT})
    return {
        **dict.fromkeys(("$sum", "$avg", "$min", "$max", "$first", "$last", "$push", "$addToSet"), _VALUE),
        **dict.fromkeys(("$stdDevPop", "$stdDevSamp"), _VALUE),
        **dict.fromkeys(("$firstN", "$lastN", "$maxN", "$minN"), several),
        **dict.fromkeys(("$top", "$bottom"), ranked),
        **dict.fromkeys(
            ("$topN", "$bottomN"), _fixed({"sortBy": sorts(), "output": _OUTPUT, "n": st.sampled_from((1, 2))})
        ),
        "$mergeObjects": OBJECT,
        "$count": st.just({}),
        "$median": _fixed({"input": _VALUE, "method": st.just("approximate")}),
        "$percentile": _fixed({"input": _VALUE, "p": st.just([0.1, 0.9]), "method": st.just("approximate")}),
        **dict.fromkeys(("$concatArrays", "$setUnion"), ARRAY),
    }


ACCUMULATORS: Final = _accumulators()

_WINDOWS: Final[dict[str, Strategy]] = {
    **ACCUMULATORS,
    **dict.fromkeys(("$covariancePop", "$covarianceSamp"), _args(NUMBER, NUMBER)),
    **dict.fromkeys(("$rank", "$denseRank", "$documentNumber"), st.just({})),
    **dict.fromkeys(("$derivative", "$integral"), _fixed({"input": NUMBER})),
    "$expMovingAvg": _fixed({"input": NUMBER, "N": st.sampled_from((1, 2))})
    | _fixed({"input": NUMBER, "alpha": st.just(0.5)}),
    **dict.fromkeys(("$linearFill", "$locf"), st.just("$n")),
    "$minMaxScaler": _fixed({"input": NUMBER}),
    "$shift": _fixed({"output": _VALUE, "by": st.sampled_from((-1, 0, 1))}, default=st.just(0)),
}
_BOUNDS: Final[Strategy] = st.sampled_from(
    (["unbounded", "current"], [-1, 1], [0, "unbounded"], [-1, -1], ["unbounded", "unbounded"], [1, 0])
)


@st.composite
def accumulators(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of a `$group`."""
    names = draw(st.lists(st.sampled_from(known(Kind.ACCUMULATOR, ACCUMULATORS)), max_size=2))
    return {f"r{number}": {name: draw(ACCUMULATORS[name])} for number, name in enumerate(names)}


@st.composite
def window_outputs(draw: st.DrawFn) -> dict[str, Any]:
    """The ``output`` of a `$setWindowFields`."""
    name = draw(st.sampled_from(known(Kind.WINDOW, _WINDOWS)))
    function: dict[str, Any] = {name: draw(_WINDOWS[name])}
    if draw(st.booleans()):
        function["window"] = {draw(st.sampled_from(("documents", "range"))): draw(_BOUNDS)}
    return {"w": function}


_PATH: Final[Strategy] = st.sampled_from(("$n", "$m", "$s", "$a", "$l", "$k", "$k.a", "$o", "$nope"))
_NAME: Final[Strategy] = st.sampled_from(("n", "m", "x", "o.a", "k.b", "a", "y.z"))
_TOTAL: Final[dict[str, Any]] = {"$sort": {"_id": 1}}


def _stages(inner: Callable[[], Strategy], nested: int) -> dict[str, Strategy]:
    """What each stage takes; `inner` gives the pipelines of stages that hold some, `nested` is as in `pipelines`."""
    expression = expressions(nested) | _PATH
    added = st.dictionaries(_NAME, expression, min_size=1, max_size=2)
    held = st.deferred(inner)
    return {
        "$match": filters(expressions(min(nested, 1)), 1),
        **dict.fromkeys(("$addFields", "$set"), added),
        "$project": added | projections(expressions(min(nested, 1))),
        "$unset": _NAME | st.lists(_NAME, min_size=1, max_size=2),
        "$group": st.tuples(_fixed({"_id": expression | st.none()}), accumulators()).map(
            lambda both: {**both[0], **both[1]}
        ),
        "$sort": sorts(),
        "$limit": st.sampled_from((1, 2, Int64(3), 0, 1.5)),
        "$skip": st.sampled_from((0, 1, 2, -1)),
        "$count": st.sampled_from(("c", "", "$c", "c.d")),
        "$sortByCount": expression,
        "$unwind": _PATH
        | _fixed({"path": _PATH}, preserveNullAndEmptyArrays=st.booleans(), includeArrayIndex=st.just("i")),
        "$replaceRoot": _fixed({"newRoot": OBJECT | _PATH}),
        "$replaceWith": OBJECT | _PATH,
        "$bucket": _fixed(
            {"groupBy": _PATH, "boundaries": st.sampled_from(([0, 2, 5], [-1.0, 1, Int64(9)], [1, 0], ["a", "c"]))},
            default=st.sampled_from(("more", -5)),
            output=accumulators(),
        ),
        "$bucketAuto": _fixed({"groupBy": _PATH, "buckets": st.sampled_from((1, 2, 3, 0))}, output=accumulators()),
        "$facet": _fixed({"f": held, "g": held}),
        "$lookup": _fixed({"from": st.just("other"), "localField": _NAME, "foreignField": _NAME, "as": st.just("j")})
        | _fixed({"from": st.just("other"), "let": _fixed({"v": _PATH}), "pipeline": held, "as": st.just("j")}),
        "$graphLookup": _fixed(
            {
                "from": st.just("other"),
                "startWith": _PATH,
                "connectFromField": _NAME,
                "connectToField": _NAME,
                "as": st.just("j"),
            },
            maxDepth=st.just(1),
        ),
        "$unionWith": st.just("other") | _fixed({"coll": st.just("other"), "pipeline": held}),
        "$sample": _fixed({"size": st.sampled_from((1, 10, -1))}),
        "$redact": st.sampled_from(
            ("$$KEEP", "$$PRUNE", "$$DESCEND", {"$cond": [{"$gt": ["$n", 1]}, "$$DESCEND", "$$KEEP"]}, 1)
        ),
        "$setWindowFields": _fixed({"output": window_outputs()}, sortBy=sorts() | st.just({"m": 1}), partitionBy=_PATH),
        "$fill": _fixed(
            {
                "sortBy": st.just({"_id": 1}),
                "output": _fixed({"n": st.sampled_from(({"method": "locf"}, {"method": "linear"}, {"value": 0}))}),
            }
        ),
        "$densify": _fixed(
            {
                "field": st.sampled_from(("m", "n", "t")),
                "range": st.sampled_from(
                    (
                        {"step": 1, "bounds": [0, 3]},
                        {"step": 1, "bounds": "full"},
                        {"step": 0, "bounds": "full"},
                        {"step": 1, "unit": "day", "bounds": [datetime(2024, 1, 1), datetime(2024, 1, 3)]},
                    )
                ),
            }
        ),
        "$documents": st.lists(_fixed({"n": NUMBER}), max_size=2),
        "$out": st.just("target"),
        "$merge": _fixed(
            {"into": st.just("target")}, whenMatched=st.sampled_from(("merge", "replace", "keepExisting"))
        ),
        **dict.fromkeys(("$collStats", "$planCacheStats", "$indexStats"), st.just({})),
    }


@st.composite
def pipelines(
    draw: st.DrawFn, most: int = 3, without: tuple[str, ...] = (), depth: int = 1, nested: int = 2
) -> list[dict[str, Any]]:
    """A pipeline over all stages of the registry but `without`, mostly valid; `nested` is the depth of expressions.

    The order of groups is not the server's to promise: a `$group` is followed by a sort.
    """
    table = _stages(lambda: pipelines(2, (*without, *WRITING, *REPORTING, "$facet"), depth - 1, nested), nested)
    if depth == 0:
        without = (*without, "$facet", "$lookup", "$unionWith")
    names = known(Kind.STAGE, table, without)
    found: list[dict[str, Any]] = []
    for name in draw(st.lists(st.sampled_from(names), max_size=most)):
        found.append({name: draw(table[name])})
        if name in ("$group", "$sortByCount"):
            found.append(_TOTAL)
    return found


__all__ = ["accumulators", "documents", "expressions", "pipelines", "typed_documents", "window_outputs"]
