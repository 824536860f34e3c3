"""Lessons and what they change in documents: plain values, no store."""

import hashlib
from collections import OrderedDict
from decimal import Decimal

import numpy
import pytest
from bson.int64 import Int64
from pymongo.errors import OperationFailure

from kato_compat.kato.change import appended, decremented, incremented, learned, moved, united, window
from kato_compat.kato.lesson import averaged, lesson, stringified
from kato_compat.values.missing import MISSING


def test_the_name_is_the_sha1_of_the_printed_events() -> None:
    given = lesson([["a", "b"], ["it's"]])
    assert given.name == hashlib.sha1(b"""[['a', 'b'], ["it's"]]""").hexdigest()
    assert (given.counts, given.length) == ({"a": 1, "b": 1, "it's": 1}, 3)
    assert (given.entry, given.metadata) == (None, None)


def test_subclasses_of_str_and_tuples_have_the_name_of_what_they_hold() -> None:
    plain = lesson([["a", "b"], ["a"]])
    other = lesson((tuple(numpy.array(["a", "b"])), [numpy.str_("a")]))
    assert other == plain
    assert {type(symbol) for event in other.events for symbol in event} == {str}


def test_the_caller_can_go_on_with_its_lists() -> None:
    pattern = [["a"], ["b"]]
    given = lesson(pattern)
    pattern[0].append("c")
    pattern.append(["d"])
    assert given.events == [["a"], ["b"]]


@pytest.mark.parametrize(
    "pattern", ["ab", b"ab", 5, None, {"a": 1}, ["a", "b"], [["a"], "b"], [["a"], 5], [["a", 5]], [["a", b"b"]]]
)
def test_what_is_no_list_of_lists_of_strings_is_a_type_error(pattern: object) -> None:
    with pytest.raises(TypeError, match="must be a"):
        lesson(pattern)


@pytest.mark.parametrize("pattern", [[], [[]], [[], []]])
def test_a_pattern_without_symbols_is_a_value_error(pattern: object) -> None:
    with pytest.raises(ValueError, match="at least one symbol"):
        lesson(pattern)


def test_emotives_are_averaged_over_those_that_have_them_and_zeros_left_out() -> None:
    assert averaged({"joy": 1, "fear": 0}) == {"joy": 1.0}
    assert averaged([{"joy": 1, "fear": -2}, {"joy": 0.5}, {"calm": 0}]) == {"joy": 0.75, "fear": -2.0}
    assert averaged([{"joy": 1}, {"joy": -1}]) == {}
    assert averaged([]) == {}
    found = averaged(({"joy": numpy.float64(0.5)}, {"joy": Decimal("0.25")}))
    assert found == {"joy": 0.375}
    assert type(found["joy"]) is float


@pytest.mark.parametrize("emotives", [5, "joy", ["joy"], {"joy": "1"}, {"joy": None}, {1: 1.0}])
def test_emotives_that_are_no_numbers_are_type_errors(emotives: object) -> None:
    with pytest.raises(TypeError):
        averaged(emotives)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_emotives_that_are_not_finite_are_value_errors(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        averaged({"joy": value})


def test_metadata_are_distinct_strings_in_order_of_first_mention() -> None:
    given = OrderedDict([("b", "x"), ("a", ["y", 2, "y", True]), ("c", []), ("d", ("z",)), ("e", None)])
    assert stringified(given) == {"b": ["x"], "a": ["y", "2", "True"], "c": [], "d": ["z"], "e": ["None"]}
    assert list(stringified(given)) == ["b", "a", "c", "d", "e"]
    assert stringified({"k": {"x": 1}}) == {"k": ["{'x': 1}"]}


@pytest.mark.parametrize("metadata", [5, "k", [("k", "v")], {5: "v"}])
def test_metadata_of_other_forms_are_type_errors(metadata: object) -> None:
    with pytest.raises(TypeError):
        stringified(metadata)  # type: ignore[arg-type]


def test_nothing_to_add_is_no_entry_and_no_metadata() -> None:
    given = lesson([["a"]], {"joy": 0}, {})
    assert (given.entry, given.metadata) == (None, None)


@pytest.mark.parametrize(
    ("stored", "entries"),
    [
        (MISSING, []),
        ([], []),
        ([{"joy": 1.0}, {}], [{"joy": 1.0}, {}]),
        ({}, []),
        ({"joy": 0.5, "fear": 1}, [{"joy": 0.5, "fear": 1}]),
        ({"joy": [1.0, 2.0, 3.0], "fear": [9.0]}, [{"joy": 1.0}, {"joy": 2.0}, {"joy": 3.0, "fear": 9.0}]),
        ({"joy": [], "fear": 2.0}, [{"fear": 2.0}]),
    ],
)
def test_older_windows_are_read_as_entries_aligned_at_the_end(stored: object, entries: object) -> None:
    assert window(stored) == entries


def test_a_window_keeps_the_last_entries() -> None:
    assert appended([{"a": 1.0}, {"b": 2.0}], {"c": 3.0}, 2) == [{"b": 2.0}, {"c": 3.0}]
    assert appended({"a": [1.0, 2.0]}, {"c": 3.0}, 7) == [{"a": 1.0}, {"a": 2.0}, {"c": 3.0}]


def test_metadata_are_united_and_other_values_kept() -> None:
    assert united(MISSING, {"k": ["a"]}) == {"k": ["a"]}
    assert united({"k": ["a", 5], "old": "x"}, {"k": ["5", "a", "b"], "old": ["y"]}) == {
        "k": ["a", 5, "5", "b"],
        "old": ["x", "y"],
    }


def test_counting_has_the_types_of_inc() -> None:
    assert incremented({}, "n", 3) == {"n": 3}
    after = incremented({"n": 2**31 - 1}, "n", 1)
    assert (after["n"], type(after["n"])) == (2**31, Int64)
    assert incremented({"n": 0.5}, "n", 1) == {"n": 1.5}
    assert decremented({"n": 2}, "n", 5) == {"n": 0}
    assert decremented({}, "n", 5) == {}


@pytest.mark.parametrize(
    ("document", "field"),
    [({"frequency": "5"}, "frequency"), ({"emotives": 5}, "emotives"), ({"metadata": []}, "metadata")],
)
def test_fields_of_other_types_are_type_mismatches(document: dict[str, object], field: str) -> None:
    with pytest.raises(OperationFailure) as caught:
        learned(document, lesson([["a"]], {"joy": 1}, {"k": "v"}), 7)
    assert (caught.value.code, field in str(caught.value)) == (14, True)


def test_an_affinity_that_comes_to_nothing_is_removed() -> None:
    assert moved({"emotives": {"joy": 1.0, "fear": 2.0}}, {"joy": 1.0, "calm": 5.0}, -1) == {"emotives": {"fear": 2.0}}
    assert moved({"name": "a", "emotives": {"joy": 1.0}}, {"joy": 1.0}, -1) == {"name": "a"}
    assert list(moved({}, {"z": 1.0, "é": 1.0, "a": 1.0}, 1)["emotives"]) == ["a", "z", "é"]
