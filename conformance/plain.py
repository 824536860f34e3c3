"""Hypothesis strategies for what mongomock is mostly right on: plain documents, and the operators that it has."""

from typing import Any, Final

from hypothesis import strategies as st

from conformance.generators import Strategy

_WORDS: Final = ("a", "b", "ab", "c d", "é")
_PLAIN: Final[dict[str, Strategy]] = {
    "n": st.integers(-2, 5),
    "m": st.integers(0, 3) | st.sampled_from((0.5, 1.5)),
    "s": st.sampled_from(_WORDS),
    "l": st.lists(st.integers(0, 3), max_size=3),
    "w": st.lists(st.sampled_from(_WORDS), max_size=3),
    "d": st.fixed_dictionaries({"x": st.integers(0, 3), "y": st.sampled_from(_WORDS)}),
    "k": st.lists(st.fixed_dictionaries({"x": st.integers(0, 3)}), max_size=2),
}
_SORT: Final[Strategy] = st.sampled_from(({"n": 1, "_id": 1}, {"s": -1, "_id": 1}, {"d.x": 1, "_id": -1}, {"_id": 1}))


@st.composite
def plain_documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Documents whose fields have one type each; some are missing."""
    rows = draw(st.lists(st.fixed_dictionaries({}, optional=_PLAIN), min_size=1, max_size=6))
    return [{"_id": number, **row} for number, row in enumerate(rows)]


def _condition() -> Strategy:
    number, word = st.integers(-2, 5), st.sampled_from(_WORDS)
    numeric = st.one_of(
        number,
        st.dictionaries(st.sampled_from(("$gt", "$gte", "$lt", "$lte", "$ne", "$eq")), number, min_size=1, max_size=2),
        st.fixed_dictionaries({"$in": st.lists(number, max_size=3)}),
        st.fixed_dictionaries({"$nin": st.lists(number, max_size=3)}),
        st.fixed_dictionaries({"$exists": st.booleans()}),
        st.fixed_dictionaries({"$mod": st.tuples(st.integers(2, 3), st.integers(0, 1)).map(list)}),
        st.fixed_dictionaries({"$not": st.fixed_dictionaries({"$gt": number})}),
    )
    textual = st.one_of(
        word,
        st.fixed_dictionaries({"$regex": st.sampled_from(("^a", "b$", "c", "A"))}, optional={"$options": st.just("i")}),
        st.fixed_dictionaries({"$in": st.lists(word, max_size=3)}),
        st.fixed_dictionaries({"$gt": word}),
    )
    listed = st.one_of(
        st.fixed_dictionaries({"$all": st.lists(number, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"$size": st.integers(0, 3)}),
        st.fixed_dictionaries({"$elemMatch": st.fixed_dictionaries({"$gte": number, "$lt": number})}),
    )
    documents = st.fixed_dictionaries({"$elemMatch": st.fixed_dictionaries({"x": number})})
    return st.one_of(
        st.dictionaries(st.sampled_from(("n", "m", "l", "d.x", "k.x")), numeric, min_size=1, max_size=2),
        st.dictionaries(st.sampled_from(("s", "w", "d.y")), textual, min_size=1, max_size=2),
        st.dictionaries(st.just("l"), listed, min_size=1),
        st.dictionaries(st.just("k"), documents, min_size=1),
    )


plain_filters: Final[Strategy] = st.one_of(
    _condition(),
    st.just({}),
    st.fixed_dictionaries({"$or": st.lists(_condition(), min_size=1, max_size=2)}),
    st.fixed_dictionaries({"$and": st.lists(_condition(), min_size=1, max_size=2)}),
    st.fixed_dictionaries({"$nor": st.lists(_condition(), min_size=1, max_size=2)}),
)

plain_finds: Final[Strategy] = st.fixed_dictionaries(
    {"filter": plain_filters},
    optional={
        "sort": _SORT,
        "projection": st.sampled_from(({"n": 1}, {"s": 0}, {"_id": 0, "n": 1, "s": 1}, {"d.x": 1}, {"k.x": 1})),
    },
)

_plain_totals: Strategy = st.sampled_from(({"$sum": 1}, {"$sum": "$n"}, {"$max": "$n"}, {"$min": "$s"}, {"$avg": "$m"}))
_plain_values: Strategy = st.sampled_from(
    (
        "$n",
        {"$add": ["$n", 1]},
        {"$subtract": ["$n", "$m"]},
        {"$multiply": ["$n", 2]},
        {"$concat": ["$s", "-"]},
        {"$size": {"$ifNull": ["$l", []]}},
        {"$cond": [{"$gt": ["$n", 1]}, "big", "small"]},
        {"$toUpper": "$s"},
        {"$arrayElemAt": ["$l", 0]},
        {"$in": [1, {"$ifNull": ["$l", []]}]},
    )
)
plain_pipelines: Final[Strategy] = st.tuples(
    st.fixed_dictionaries({"$match": plain_filters}),
    st.one_of(
        st.fixed_dictionaries({"$project": st.fixed_dictionaries({"v": _plain_values})}),
        st.fixed_dictionaries({"$addFields": st.fixed_dictionaries({"v": _plain_values})}),
        st.fixed_dictionaries({"$unwind": st.sampled_from(("$l", "$w", "$k"))}),
        st.fixed_dictionaries({"$sort": _SORT}),
        st.fixed_dictionaries({"$limit": st.integers(1, 3)}),
        st.just({"$count": "c"}),
    ),
).map(list) | st.fixed_dictionaries({"_id": st.sampled_from(("$n", "$s", None)), "v": _plain_totals}).map(
    lambda group: [{"$group": group}, {"$sort": {"_id": 1}}]
)

_amount: Strategy = st.integers(-2, 5)
plain_updates: Final[Strategy] = st.one_of(
    st.fixed_dictionaries({"$set": st.fixed_dictionaries({"n": _amount})}),
    st.fixed_dictionaries({"$set": st.fixed_dictionaries({"d.x": _amount})}),
    st.fixed_dictionaries({"$inc": st.fixed_dictionaries({"n": _amount})}),
    st.fixed_dictionaries({"$unset": st.just({"s": ""})}),
    st.fixed_dictionaries({"$push": st.fixed_dictionaries({"l": _amount})}),
    st.fixed_dictionaries({"$addToSet": st.fixed_dictionaries({"l": _amount})}),
    st.fixed_dictionaries({"$pull": st.fixed_dictionaries({"l": _amount})}),
    st.fixed_dictionaries({"$pop": st.fixed_dictionaries({"l": st.sampled_from((1, -1))})}),
    st.just({"$rename": {"n": "q"}}),
    st.fixed_dictionaries({"$max": st.fixed_dictionaries({"n": _amount})}),
)

__all__ = ["plain_documents", "plain_filters", "plain_finds", "plain_pipelines", "plain_updates"]
