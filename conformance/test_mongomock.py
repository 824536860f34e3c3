"""Our answers beside mongomock's: they agree, or the written list says why not; and wrong answers are found."""

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from conformance.differential import Compared, Verdict, compare, compare_case
from conformance.generators import documents, filters, sorts
from conformance.mongomock_differential import MONGOMOCK
from conformance.mongomock_divergences import CAUSES, REFUSALS, RELATIONS, SILENCES
from conformance.mutants import altered, shortened, wrong
from conformance.plain import plain_documents, plain_filters, plain_finds, plain_pipelines, plain_updates
from conformance.profile import examples
from conformance.runner import load

Documents = list[dict[str, Any]]
#: The cases, but those whose answer is the time.
CASES: Final = [case for case in load() if "update:$currentDate" not in case.operators]
_KEYS: Final = st.sampled_from(("n", "s", "d.x"))

#: What generated comparisons gave, by kind of call: tests of this file fill it, the last one reads it.
_SEEN: Final[dict[str, Counter[str]]] = {}


def _check(name: str, rows: Documents, method: str, arguments: dict[str, Any]) -> None:
    compared = compare(MONGOMOCK, rows, method, arguments)
    note(repr(compared))
    assert compared.verdict is not Verdict.WRONG, f"not on the list: {compared!r}"
    seen = _SEEN.setdefault(name, Counter())
    seen[compared.verdict.value] += 1
    if compared.verdict is not Verdict.UNANSWERED:
        mutant = compare(MONGOMOCK, rows, method, arguments, ask=wrong(altered if seen.total() % 2 else shortened))
        seen["found"] += mutant.verdict is Verdict.WRONG


@pytest.fixture(scope="module")
def compared_cases() -> list[Compared]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [compare_case(MONGOMOCK, case) for case in CASES]


def test_cases(compared_cases: list[Compared]) -> None:
    """Every case is asked of both."""
    verdicts = Counter(compared.verdict for compared in compared_cases)
    assert [compared for compared in compared_cases if compared.verdict is Verdict.WRONG] == []
    assert verdicts[Verdict.AGREES] >= 275
    assert verdicts[Verdict.EXCUSED] <= 126


def test_every_entry_of_the_list_is_needed(compared_cases: list[Compared]) -> None:
    used = {compared.divergence.name for compared in compared_cases if compared.divergence is not None}
    assert [entry.name for entry in (*REFUSALS, *SILENCES, *RELATIONS, *CAUSES) if entry.name not in used] == []


@pytest.mark.parametrize(("mutate", "floor"), [(altered, 0.86), (shortened, 0.89)])
def test_wrong_answers_to_cases_are_found(
    compared_cases: list[Compared], mutate: Callable[[Any], Any], floor: float
) -> None:
    """Of the cases that mongomock answers, this part fails if our answer is wrong."""
    cases = [
        case for case, compared in zip(CASES, compared_cases, strict=True) if compared.verdict is not Verdict.UNANSWERED
    ]
    found = [compare_case(MONGOMOCK, case, wrong(mutate)).verdict is Verdict.WRONG for case in cases]
    assert len(found) >= 390
    assert sum(found) / len(found) >= floor


@given(rows=plain_documents(), query=plain_finds)
@examples(150)
def test_find(rows: Documents, query: dict[str, Any]) -> None:
    _check("find", rows, "find", query)


@given(rows=plain_documents(), condition=plain_filters, key=_KEYS)
@examples(100)
def test_distinct_and_count(rows: Documents, condition: dict[str, Any], key: str) -> None:
    _check("distinct", rows, "distinct", {"key": key, "filter": condition})
    _check("count", rows, "count_documents", {"filter": condition})


@given(rows=plain_documents(), pipeline=plain_pipelines)
@examples(150)
def test_aggregate(rows: Documents, pipeline: list[Any]) -> None:
    _check("aggregate", rows, "aggregate", {"pipeline": pipeline})


@given(rows=plain_documents(), condition=plain_filters, update=plain_updates, many=st.booleans())
@examples(150)
def test_update(rows: Documents, condition: dict[str, Any], update: dict[str, Any], many: bool) -> None:
    _check("update", rows, "update_many" if many else "update_one", {"filter": condition, "update": update})


@given(rows=documents(), condition=filters(), order=sorts())
@examples(100)
def test_find_of_anything(rows: Documents, condition: dict[str, Any], order: dict[str, int]) -> None:
    _check("anything", rows, "find", {"filter": condition, "sort": order})


def test_wrong_answers_to_generated_queries_are_found() -> None:
    """Most generated questions are answered alike, and would fail if our answer were wrong."""
    if len(_SEEN) < 6:
        pytest.skip("runs after the comparisons of generated queries")
    for name, seen in _SEEN.items():
        answered = seen["agrees"] + seen["excused"]
        assert answered >= 0.75 * (answered + seen["unanswered"]), name
        # Filters over all operators are about values that mongomock often does not know.
        assert seen["agrees"] >= (0.9 if name == "anything" else 0.95) * answered, name
        assert seen["found"] >= 0.92 * answered, name
