"""Every pushed test gives on ClickHouse what it gives in Python, on adversarial rows."""

from collections.abc import Iterator
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.regex import Regex
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pymongo.errors import OperationFailure

from kato_compat.ir.predicate import And, AtPath, Constant, Not, Or, Predicate, compile_predicate
from kato_compat.ir.requests import Execute, InsertRows, Select
from kato_compat.operators.query.push import Element
from kato_compat.parse.filter import parse_filter
from kato_compat.sql.column import Column, ColumnType
from kato_compat.sql.fragment import Pushed
from kato_compat.values.document import normalise

STRINGS = [
    "",
    "a",
    "ab",
    "abc",
    "abc\n",
    "\nabc",
    "xabc",
    "ABC",
    "b",
    "a.c",
    "a\\c",
    "it's",
    'say "hi"',
    "tab\there",
    "nul\0l",
    "1",
    "null",
    "é",
    "e\u0301",
    "\U0001f600",
    "\uffff",
    "%_",
    "{p0:String}",
]
NUMBERS = [0, 1, 2, 3, 4, 7, 100, 255, 2**31 - 1, 2**31, 2**32 - 1]
LISTS: list[list[str]] = [[], ["a"], ["a", "b"], ["b", "a"], [""], ["abc"], ["é", "nul\0l"], ["a", "a"], ["it's", "\\"]]
LISTS_OF_LISTS: list[list[list[str]]] = [
    [],
    [[]],
    [["a"]],
    [["a"], ["b"]],
    [["a", "b"]],
    [["b", "a"], []],
    [[""]],
    [["a"], ["a"]],
    [["it's"], ["nul\0l"]],
]

COLUMNS = {
    "name": (Column("name", ColumnType.STRING), STRINGS),
    "n": (Column("n", ColumnType.UINT32), NUMBERS),
    "list": (Column("list", ColumnType.STRINGS), LISTS),
    "lists": (Column("lists", ColumnType.STRING_LISTS), LISTS_OF_LISTS),
}

SCALARS: list[Any] = [
    *["", "a", "abc", "it's", "nul\0l", "\\", "é", "\U0001f600", "zz", "{p1:String}"],
    *[0, 1, -1, 3.0, 3.5, -0.0, 2**31, 2**32 - 1, 2**32, 2**53 + 1, Int64(2**63 - 1), 4294967295.5, 1e300],
    *[float("nan"), float("inf"), float("-inf"), Decimal128("3"), Decimal128("0.5"), Decimal128("NaN")],
    *[Decimal128("-Infinity"), True, False, None, b"a", {"a": 1}, {}, MinKey(), MaxKey()],
]
ARRAYS: list[Any] = [
    *[[], ["a"], ["a", "b"], ["b", "a"], ["nul\0l"], [1], ["a", 1], [None]],
    *[[["a"]], [[]], [["a"], ["b"]], [["a", "b"]], [[["a"]]], [["a"], 1]],
]
PATTERNS = ["^a", "BC", "^AB", "c$", "^it", "abc", "^abc$", "", "^", "$", "^a\\.c", "a\\\\c", "^a.c", "b|c"]
PATTERNS += ["(?i)abc", "^ab*", "^abc.*"]


def conditions() -> list[Any]:
    """Operator documents, for every column alike."""
    values = SCALARS + ARRAYS
    found: list[Any] = [{"$eq": value} for value in values]
    found += [{"$ne": value} for value in values[::3]]
    for name in ("$gt", "$gte", "$lt", "$lte"):
        found += [{name: value} for value in values]
    found += [{"$in": values}, {"$in": []}, {"$nin": ["a", 1, ["a"]]}, {"$in": ["a", "b", 0, 3.0, ["a", "b"], [["a"]]]}]
    found += [
        {"$in": [Regex("^a"), "b"]},
        {"$in": [Regex("x.y", "i"), "b"]},
        {"$in": [["a"], ["b", "a"], [["a"]], [[]]]},
    ]
    found += [{"$in": [[], []]}, {"$in": [[[]], [[], []]]}, {"$eq": [[], []]}, {"$elemMatch": {"$in": [[], []]}}]
    found += [{"$all": ["a", "b"]}, {"$all": [["a"]]}, {"$all": [["a"], ["b"]]}, {"$all": []}]
    found += [{"$regex": pattern, "$options": options} for pattern in PATTERNS for options in ("", "i", "m", "s", "x")]
    found += [{"$exists": True}, {"$exists": False}]
    found += [{"$type": kind} for kind in ("string", "int", "long", "number", "array", "double", ["int", "array"])]
    found += [{"$size": number} for number in (0, 1, 2, 2**31 - 1)]
    found += [{"$mod": pair} for pair in ([2, 1], [-3, 0], [3, -1], [2**33, 7], [Int64(-(2**63)), 1], [1, 0], [4, 5])]
    for name in ("$bitsAllSet", "$bitsAnySet", "$bitsAllClear", "$bitsAnyClear"):
        found += [{name: mask} for mask in (0, 3, 2**31, 2**32, 2**40 + 1, [], [0, 1], [33], b"\x01", b"")]
    inner = [{"$eq": "a"}, {"$in": ["a", "b"]}, {"$gt": "a", "$lt": "c"}, {"$not": {"$gt": "a"}}, {"$regex": "^a"}]
    inner += [{"$eq": ["a"]}, {"$in": [["a"], "a"]}, {"$size": 1}, {"$elemMatch": {"$eq": "a"}}, {"$type": "string"}]
    inner += [
        {"$type": "array"},
        {"$ne": "a"},
        {"$nin": ["a"]},
        {"$gte": ["a"]},
        {"$exists": True},
        {"a": 1},
        {"0": "a"},
    ]
    inner += [{"$gt": 1}, {"$not": {"$regex": "z.*y|a"}}, {}, {"$or": [{"0": "a"}]}, {"$all": ["a"]}]
    return found + [{"$elemMatch": each} for each in inner]


@pytest.fixture(scope="module")
def table(clickhouse_store: Any) -> Iterator[Any]:
    """The store, with one table of one row per value of each column."""
    store = clickhouse_store
    store.execute(Execute("CREATE DATABASE IF NOT EXISTS push_tests"))
    for name, (column, values) in COLUMNS.items():
        store.execute(
            Execute(f"CREATE TABLE push_tests.{name} (row UInt32, {name} {column.type.value}) ENGINE = Memory")
        )
        store.insert_rows(InsertRows("push_tests", name, ("row", name), list(enumerate(values))))
    yield store
    store.execute(Execute("DROP DATABASE push_tests SYNC"))


def leaves_of(node: Predicate) -> list[AtPath]:
    match node:
        case And(terms) | Or(terms):
            return [leaf for term in terms for leaf in leaves_of(term)]
        case Not(term):
            return leaves_of(term)
        case AtPath():
            return [node]
        case _:
            assert isinstance(node, Constant)
            return []


@pytest.mark.parametrize("name", COLUMNS)
def test_pushed_is_python(table: Any, name: str) -> None:
    """An exact fragment holds for the rows that Python finds, a superset for at least those; nothing is NULL."""
    column, values = COLUMNS[name]
    pushed: list[tuple[Any, Pushed, list[int]]] = []
    for condition in conditions():
        for leaf in leaves_of(parse_filter(normalise({name: condition}))):
            fragment = leaf.test.push(column)
            if fragment is None:
                continue
            matches = compile_predicate(leaf)
            pushed.append((condition, fragment, [int(matches({name: value})) for value in values]))
    assert len(pushed) > 200
    for start in range(0, len(pushed), 50):
        part = pushed[start : start + 50]
        parameters = {key: value for _, fragment, _ in part for key, value in fragment.sql.parameters.items()}
        selected = ", ".join(fragment.sql.text for _, fragment, _ in part)
        rows = table.select(Select(f"SELECT {selected} FROM push_tests.{name} ORDER BY row", parameters))
        for index, (condition, fragment, expected) in enumerate(part):
            answers = [row[index] for row in rows]
            if fragment.exact:
                assert expected == answers, (condition, fragment)
            else:
                assert all(found in (0, 1) and found >= wanted for found, wanted in zip(answers, expected, strict=True))


EXACT = [
    ("name", "a"),
    ("name", {"$gt": "a"}),
    ("name", {"$in": ["a", 1, None]}),
    ("name", {"$regex": "^ab"}),
    ("n", {"$gte": 2.5}),
    ("n", {"$in": [1, 2.0, "x"]}),
    ("n", {"$type": "int"}),
    ("list", "a"),
    ("list", ["a"]),
    ("list", {"$elemMatch": {"$gt": "a", "$ne": "c"}}),
    ("lists", ["a"]),
    ("lists", [["a"]]),
    ("lists", {"$size": 2}),
    ("lists", {"$elemMatch": {"$in": ["a"]}}),
]


@pytest.mark.parametrize(("name", "condition"), EXACT)
def test_exact(name: str, condition: Any) -> None:
    """What a planner may rely on to be answered wholly in SQL."""
    (leaf,) = leaves_of(parse_filter({name: condition}))
    fragment = leaf.test.push(COLUMNS[name][0])
    assert fragment is not None
    assert fragment.exact


@pytest.mark.parametrize("pattern", ["a.c", "b|c", "(?=a)b", "\\d", "[ab]"])
def test_regex_left_to_python(pattern: str) -> None:
    """Patterns that RE2 may understand differently are not pushed."""
    (leaf,) = leaves_of(parse_filter({"name": {"$regex": pattern}}))
    assert leaf.test.push(COLUMNS["name"][0]) is None


def test_plain_text() -> None:
    """Equality is written plainly, so that the primary key serves it."""
    (leaf,) = leaves_of(parse_filter({"name": "a"}))
    fragment = leaf.test.push(COLUMNS["name"][0])
    assert fragment is not None
    ((parameter, value),) = fragment.sql.parameters.items()
    assert (fragment.sql.text, value) == (f"`name` = {{{parameter}:String}}", "a")


def test_lists_of_lists_never_hold_strings() -> None:
    """`$elemMatch` with `$in` of strings compares inner lists whole."""
    (leaf,) = leaves_of(parse_filter({"lists": {"$elemMatch": {"$in": ["a"]}}}))
    fragment = leaf.test.push(COLUMNS["lists"][0])
    assert fragment is not None
    assert fragment.sql.text == "0"


def test_element_is_never_unwound() -> None:
    """On an element that is a list, a string equals nothing."""
    (leaf,) = leaves_of(parse_filter({"x": "a"}))
    fragment = leaf.test.push(Element("x", ColumnType.STRINGS))
    assert fragment is not None
    assert fragment.sql.text == "0"


LETTERS = "ab.\n\\^$kK\u212a\u017fs\u0130iI\u0131é\0"
TEXTS = st.text(LETTERS, max_size=5)
ROWS = {
    "name": TEXTS,
    "n": st.integers(0, 9) | st.integers(0, 2**32 - 1),
    "list": st.lists(TEXTS, max_size=3),
    "lists": st.lists(st.lists(TEXTS, max_size=2), max_size=2),
}
OPERANDS = st.one_of(
    TEXTS, st.integers(-1, 9), st.floats(-1, 9), st.integers(0, 2**33), st.lists(TEXTS, max_size=2), ROWS["lists"]
)
PIECES = st.lists(st.sampled_from([*"ab.^$*kKsi|?+\n", "\\.", "\\\\", ".*", "\\Z", "[ab]", "a{2}", "\\b"]), max_size=5)
CONDITIONS = st.one_of(
    st.builds(
        lambda pattern, options: {"$regex": "".join(pattern), "$options": options},
        PIECES,
        st.sampled_from(["", "i", "m", "s", "x", "is"]),
    ),
    st.builds(lambda name, value: {name: value}, st.sampled_from(["$eq", "$gt", "$gte", "$lt", "$lte"]), OPERANDS),
    st.builds(lambda values: {"$in": values}, st.lists(OPERANDS, min_size=2, max_size=4)),
    st.builds(lambda value: {"$elemMatch": {"$eq": value}}, OPERANDS),
    st.builds(lambda value: {"$elemMatch": {"$gt": value, "$ne": "b"}}, OPERANDS),
    st.builds(lambda pair: {"$mod": list(pair)}, st.tuples(st.integers(1, 9), st.integers(-2, 9))),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data(), condition=CONDITIONS, name=st.sampled_from(sorted(COLUMNS)))
def test_pushed_is_python_on_anything(clickhouse_store: Any, data: st.DataObject, condition: Any, name: str) -> None:
    """As `test_pushed_is_python`, on generated values and conditions."""
    column = COLUMNS[name][0]
    try:
        predicate = parse_filter({name: condition})
    except OperationFailure:
        assume(False)
    for leaf in leaves_of(predicate):
        fragment = leaf.test.push(column)
        if fragment is None:
            continue
        values = data.draw(st.lists(ROWS[name], min_size=1, max_size=20))
        expected = [int(compile_predicate(leaf)({name: value})) for value in values]
        if fragment.sql.text in ("0", "1"):
            assert expected == [int(fragment.sql.text)] * len(values)
            continue
        source = f"SELECT arrayJoin({{rows:Array({column.type.value})}}) AS {name}"
        # The last row gives the array its dimensions, which empty lists do not have.
        rows = [*values, [["a"]]] if name == "lists" else values
        request = Select(f"SELECT {fragment.sql.text} FROM ({source})", {**fragment.sql.parameters, "rows": rows})
        answers = [row[0] for row in clickhouse_store.select(request)][: len(values)]
        if fragment.exact:
            assert expected == answers, (condition, fragment, values)
        else:
            assert all(found in (0, 1) and found >= wanted for found, wanted in zip(answers, expected, strict=True))
