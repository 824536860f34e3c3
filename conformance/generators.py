"""Hypothesis strategies for BSON documents, filters, projections, sorts and updates.

The names of operators come from the registry: a table gives what each of them takes, and an operator that the table
does not know is an error when the strategy is made. Values and paths are drawn from small pools, so that queries hit
documents often; the pools hold the edges (NaN, -0.0, the 32- and 64-bit limits, NUL, quotes, nested and empty arrays).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from bson.binary import Binary
from bson.code import Code
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from kato_compat import operators
from kato_compat.ir.registry import operators as registered
from kato_compat.ir.spec import Kind, Status
from kato_compat.mapping.spec import PATTERNS

operators.load()

Strategy: TypeAlias = SearchStrategy[Any]

INTEGERS: Final = (0, 1, 2, 3, -1, 5, 2**31 - 1, -(2**31))
LONGS: Final = (Int64(0), Int64(1), Int64(2**31), Int64(2**53 + 1), Int64(2**63 - 1), Int64(-(2**63)))
DOUBLES: Final = (0.0, -0.0, 1.0, 1.5, -2.5, float(2**53), 1e308, float("nan"), float("inf"), float("-inf"))
DECIMALS: Final = tuple(map(Decimal128, ("0", "1", "1.50", "0.1", "-0", "NaN", "Infinity", "9007199254740993")))
STRINGS: Final = ("", "a", "b", "ab", "A", "1", "é", "o'\"x", "\0", "\U0001f642", "a.b", "$a", "%s", "[a]", "\\")
DATES: Final = (datetime(1970, 1, 1), datetime(2024, 2, 29, 13, 5, 7, 123000), datetime(2024, 3, 31, 1, 30))
OTHERS: Final = (
    None,
    True,
    False,
    ObjectId("65a000000000000000000001"),
    b"",
    b"a",
    Binary(b"0123456789abcdef", 4),
    Regex("a", "i"),
    Timestamp(1, 1),
    Code("f"),
    MinKey(),
    MaxKey(),
)
TOKENS: Final = ("x", "y", "z", "o'\"x", "\U0001f642", "", "a:b")
NAMES: Final = ("n0", "n1", "n2", "n3", "o'\"x", "a:b")

#: Paths that queries ask for. The fields of a mapped collection are among them.
PATHS: Final = (
    *("a", "b", "c", "a.b", "a.0", "a.b.c", "b.0.a", "a.0.b", "c.1", "_id"),
    *("name", "length", "frequency", "pattern_data", "pattern_data.0", "pattern_data.1.0", "emotives", "emotives.0.x"),
    *("metadata", "metadata.k"),
)

numbers: Strategy = st.sampled_from(INTEGERS) | st.sampled_from(LONGS + DOUBLES + DECIMALS)
scalars: Strategy = st.one_of(
    st.sampled_from(INTEGERS), numbers, st.sampled_from(STRINGS), st.sampled_from(OTHERS), st.sampled_from(DATES)
)


def _nested(inner: Strategy) -> Strategy:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("a", "b", "c", "0", "x")), inner, max_size=3)


values: Strategy = st.recursive(scalars, _nested, max_leaves=5)
#: Values as filters compare with: a document that starts with an operator's name is another thing.
operands: Strategy = values | st.sampled_from(NAMES) | st.sampled_from(TOKENS) | st.lists(st.sampled_from(TOKENS))

fields: Strategy = st.dictionaries(st.sampled_from(("a", "b", "c")), values, max_size=3)


@st.composite
def documents(draw: st.DrawFn, most: int = 5) -> list[dict[str, Any]]:
    """A list of documents of any shape, with `_id` from 0 on."""
    return [{"_id": number, **item} for number, item in enumerate(draw(st.lists(fields, max_size=most)))]


_events: Strategy = st.lists(st.lists(st.sampled_from(TOKENS), max_size=3), max_size=3)


@st.composite
def patterns(draw: st.DrawFn) -> dict[str, Any]:
    """A document that ``patterns_kb``'s mapping can hold in its columns and counters, or that all but fits."""
    name, events = draw(st.sampled_from(NAMES)), draw(_events)
    document: dict[str, Any] = {"_id": PATTERNS.identify(name), "name": name, "pattern_data": events}
    document["length"] = sum(map(len, events))
    for field, strategy in (
        ("frequency", st.integers(0, 5)),
        ("emotives", st.lists(st.fixed_dictionaries({"x": st.sampled_from((0.5, 1.0, -0.0))}), max_size=2)),
        ("metadata", st.dictionaries(st.just("k"), st.lists(st.sampled_from(TOKENS), max_size=2), max_size=1)),
    ):
        if draw(st.booleans()):
            document[field] = draw(strategy)
    if draw(st.integers(0, 9)) == 0:
        document[draw(st.sampled_from(("length", "pattern_data", "frequency", "extra")))] = draw(values)
    # In the order of the mapping: a mapped document knows no other.
    return {name: document[name] for name in ("_id", "name", *PATTERNS.fields, "extra") if name in document}


@st.composite
def mapped_documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Documents for a mapped collection: most fit the mapping, some live on its document side."""
    found = draw(st.lists(patterns(), max_size=5, unique_by=lambda document: document["name"]))
    return found + draw(documents(most=2))


def supported(kind: Kind) -> tuple[str, ...]:
    """The names of the operators of a kind that can be used."""
    specs = [operator.spec for operator in registered(kind)]
    return tuple(spec.name for spec in specs if spec.status in (Status.SUPPORTED, Status.PARTIAL))


def known(kind: Kind, table: Mapping[str, Any], without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """`supported`, less `without`. Raises `LookupError` if `table` does not know what one of them takes."""
    names = tuple(name for name in supported(kind) if name not in without)
    missing = [name for name in names if name not in table]
    if missing:
        raise LookupError(f"teach conformance.generators what {kind.value} operators take: {', '.join(missing)}")
    return names


# filters

_types: Strategy = st.sampled_from(
    ("int", "long", "double", "decimal", "number", "string", "array", "object", "null", 16)
)
_patterns: Strategy = st.sampled_from(("a", "^a", "b$", "^n", ".", "^$", r"\w", "(?i)A", "[", "x|y", r"\Qo'\E"))
_bits: Strategy = st.sampled_from((0, 1, 5, -1, [0, 2], [63], b"\x05", Int64(2**62), 1.5))
_schemas: Strategy = st.sampled_from(
    (
        {},
        {"required": ["a"]},
        {"properties": {"a": {"bsonType": "int"}}},
        {"properties": {"name": {"type": "string", "minLength": 1}}},
        {"not": {"required": ["b"]}},
        {"nope": 1},
    )
)


def _conditions(inner: Callable[[], Strategy]) -> dict[str, Strategy]:
    """What each operator on a field takes; `inner` gives conditions for those that hold others."""
    compared = operands
    return {
        **dict.fromkeys(("$eq", "$ne", "$gt", "$gte", "$lt", "$lte"), compared),
        **dict.fromkeys(("$in", "$nin"), st.lists(compared | st.just(Regex("^a")), max_size=3)),
        "$all": st.lists(compared, max_size=3)
        | st.lists(st.fixed_dictionaries({"$elemMatch": st.deferred(inner)}), max_size=2),
        "$elemMatch": st.deferred(inner) | st.dictionaries(st.sampled_from(("a", "b", "0")), compared, max_size=2),
        "$size": st.sampled_from((0, 1, 2, Int64(1), 1.0, -1, 1.5, "1")),
        "$type": _types | st.lists(_types, max_size=2) | st.just("nope"),
        "$exists": st.sampled_from((True, False, 0, 1, None)),
        "$mod": st.sampled_from(([2, 0], [2, 1], [0, 1], [2.5, 0], [3], [Int64(4), 1], "x")),
        "$regex": _patterns | st.just(Regex("A", "i")),
        "$options": st.sampled_from(("i", "m", "s", "x", "q", "")),
        "$not": st.deferred(inner) | st.just(Regex("a")) | st.just(1),
        **dict.fromkeys(("$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear"), _bits),
    }


_TOP: Final = frozenset(
    ("$and", "$or", "$nor", "$expr", "$jsonSchema", "$comment", "$sampleRate", "$alwaysTrue", "$alwaysFalse")
)


@st.composite
def _condition(draw: st.DrawFn, depth: int) -> dict[str, Any]:
    table = _conditions(lambda: _condition(max(0, depth - 1)))
    names = [name for name in known(Kind.QUERY, {**table, **dict.fromkeys(_TOP)}) if name not in _TOP]
    if depth == 0:
        names = [name for name in names if name not in ("$not", "$elemMatch", "$all")]
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    if "$options" in chosen and draw(st.booleans()):
        chosen = [*dict.fromkeys((*chosen, "$regex"))]
    return {name: draw(table[name]) for name in chosen}


@st.composite
def filters(draw: st.DrawFn, expressions: Strategy | None = None, depth: int = 2) -> dict[str, Any]:
    """A filter over all operators; most are valid. `expressions` is what ``$expr`` takes."""
    found: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.integers(0, 9))
        if kind < 3:
            found[draw(st.sampled_from(PATHS))] = draw(operands | st.just(Regex("^a")))
        elif kind < 8 or depth == 0:
            found[draw(st.sampled_from(PATHS))] = draw(_condition(depth))
        else:
            name = draw(st.sampled_from(sorted(_TOP)))
            found[name] = draw(_top(name, expressions, depth))
    return found


_COMPARISONS: Final[Strategy] = st.sampled_from(({"$gt": ["$a", "$b"]}, {"$eq": ["$name", "n1"]}, "$a", True))


def _top(name: str, expressions: Strategy | None, depth: int) -> Strategy:
    inner = filters(expressions, depth - 1)
    table: dict[str, Strategy] = {
        **dict.fromkeys(("$and", "$or", "$nor"), st.lists(inner, min_size=1, max_size=3) | st.just([])),
        "$expr": _COMPARISONS if expressions is None else expressions,
        "$jsonSchema": _schemas,
        "$comment": st.just("why"),
        "$sampleRate": st.sampled_from((0.0, 1.0, 1, 2)),
        "$alwaysTrue": st.sampled_from((1, 1.0, 2)),
        "$alwaysFalse": st.sampled_from((1, 1.0, 2)),
    }
    return table[name]


# projections and sorts

_PROJECTED: Final = (*PATHS, "x", "y.z")


def _projection_operands(inner: Strategy) -> dict[str, Strategy]:
    return {
        "$slice": st.sampled_from((1, -1, 0, [0, 1], [-2, 1], [1, 0], "x")),
        "$elemMatch": inner,
        "$meta": st.sampled_from(("indexKey", "textScore", "nope")),
        "$": st.just(1),
    }


@st.composite
def projections(draw: st.DrawFn, expressions: Strategy | None = None) -> dict[str, Any]:
    """The projection of a find, over all its operators; inclusions and exclusions are mixed only now and then."""
    table = _projection_operands(_condition(1))
    names = [name for name in known(Kind.PROJECTION, table) if name != "$"]
    flag = draw(st.sampled_from((1, 0, True, 1.0)))
    found: dict[str, Any] = {}
    for path in draw(st.lists(st.sampled_from(_PROJECTED), max_size=3, unique=True)):
        kind = draw(st.integers(0, 19))
        if kind == 0:
            found[path + ".$"] = 1
        elif kind < 4:
            name = draw(st.sampled_from(names))
            found[path] = {name: draw(table[name])}
        elif kind < 6:
            found[path] = draw(expressions) if expressions is not None else "$a"
        elif kind == 6:
            found[path] = 0
        else:
            found[path] = flag
    if draw(st.booleans()):
        found["_id"] = draw(st.sampled_from((0, 1)))
    return found


@st.composite
def sorts(draw: st.DrawFn) -> dict[str, Any]:
    """A sort pattern with `_id` at its end, so that the order is total."""
    paths = draw(st.lists(st.sampled_from(PATHS), max_size=2, unique=True))
    pattern = {path: draw(st.sampled_from((1, -1))) for path in paths}
    pattern.pop("_id", None)
    return {**pattern, "_id": draw(st.sampled_from((1, -1)))}


# updates

_UPDATED: Final = (
    "a",
    "b",
    "c",
    "a.b",
    "a.0",
    "a.b.c",
    "a.5",
    "d.e",
    "a.$[]",
    "length",
    "frequency",
    "emotives",
    "metadata.k",
)
#: Modifiers of `$push` and the like: they stand inside of another operator.
_MODIFIERS: Final = ("$each", "$position", "$slice", "$sort", "$[]")


def _pushed() -> Strategy:
    table: dict[str, Strategy] = {
        "$position": st.sampled_from((0, 1, -1, "x")),
        "$slice": st.sampled_from((0, 2, -2, 1.0)),
        "$sort": st.sampled_from((1, -1, {"a": 1}, {"a": -1, "b": 1}, 2)),
    }
    known(Kind.UPDATE, {**_update_operands(st.nothing()), **dict.fromkeys(_MODIFIERS)})
    return st.fixed_dictionaries({"$each": st.lists(values, max_size=3)}, optional=table) | values


def _update_operands(pushed: Strategy) -> dict[str, Strategy]:
    return {
        **dict.fromkeys(("$set", "$setOnInsert", "$min", "$max"), values),
        "$unset": st.just(""),
        **dict.fromkeys(("$inc", "$mul"), numbers | st.sampled_from((1, "x"))),
        "$rename": st.sampled_from(("d", "e.f", "b", "a")),
        "$push": pushed,
        "$addToSet": values | st.fixed_dictionaries({"$each": st.lists(values, max_size=3)}),
        "$pop": st.sampled_from((1, -1, 2)),
        "$pull": operands | _condition(1),
        "$pullAll": st.lists(values, max_size=2),
        "$bit": st.fixed_dictionaries({"or": st.sampled_from((1, Int64(6), 1.5))}),
        "$currentDate": st.sampled_from((True, {"$type": "timestamp"}, {"$type": "nope"})),
    }


@st.composite
def updates(draw: st.DrawFn, clock: bool = False) -> dict[str, Any]:
    """An update document over all operators; with `clock` also those whose result is another each time."""
    table = _update_operands(_pushed())
    without = _MODIFIERS if clock else (*_MODIFIERS, "$currentDate")
    found: dict[str, Any] = {}
    for name in draw(
        st.lists(st.sampled_from(known(Kind.UPDATE, table, without)), min_size=1, max_size=2, unique=True)
    ):
        found[name] = {draw(st.sampled_from(_UPDATED)): draw(table[name]) for _ in range(draw(st.integers(1, 2)))}
    return found
