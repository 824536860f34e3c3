"""Our answers beside SecantusDB's: on every case they agree or ``secantus_differs.txt`` says who is right, and why.

Generated questions agree, or `secantus_divergences` says why not; and answers of ours that are wrong are found.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from pymongo.errors import PyMongoError

from conformance import secantus
from conformance.causes import under
from conformance.differential import Oracle, Verdict, asking, compare
from conformance.factories import Factory, memory
from conformance.format import Mode
from conformance.generators import documents, filters, sorts
from conformance.grammar import RANDOM_STAGES, REPORTING, WRITING, expressions, pipelines, typed_documents
from conformance.mutants import altered, shortened, wrong
from conformance.plain import plain_documents, plain_filters, plain_finds, plain_pipelines, plain_updates
from conformance.profile import examples
from conformance.runner import Case, call, load, matches
from conformance.secantus_divergences import CAUSES, REFUSALS, RELATIONS, SILENCES

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not secantus.wanted(), reason=f"{secantus.VARIABLE}=1 installs and runs SecantusDB"),
]
#: What differs, by case: "answer" or "code".
DIFFERS: Final = {
    case: what
    for case, what, _, _ in (
        line.split(" | ")
        for line in (Path(__file__).parent / "secantus_differs.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
}
CASES: Final = [case for case in load() if case.file != "refused"]
Documents = list[dict[str, Any]]
#: Stages whose answers are not one: random ones, reports on the store, and writes, which have cases; and `$facet`.
_UNCOMPARED: Final = (*RANDOM_STAGES, *REPORTING, *WRITING, "$facet")


def _bounded(pipeline: list[Any]) -> bool:
    """No `$densify` from the least to the greatest ``n``: SecantusDB has no limit, and ends when memory does."""
    return not any(each["field"] == "n" and each["range"]["bounds"] == "full" for each in under(pipeline, "$densify"))


#: What generated comparisons gave, by kind: tests of this file fill it, the last one reads it.
_SEEN: Final[dict[str, Counter[str]]] = {}


@pytest.fixture(scope="module")
def theirs() -> Iterator[Factory]:
    with secantus.server() as factory:
        yield factory


@pytest.fixture(scope="module")
def oracle(theirs: Factory) -> Oracle:
    return Oracle(asking(theirs, theirs.teardown), REFUSALS, SILENCES, RELATIONS, CAUSES)


def difference(case: Case, theirs: Factory) -> str | None:
    """What differs on one case: the ``answer``, or the ``code`` of an error; None if nothing does."""
    ours, other = _answer(case, memory), _answer(case, theirs)
    if ours[0] != other[0]:
        return "answer"
    if ours[0] == "error":
        return None if ours[1] == other[1] else "code"
    return None if matches(ours[1], other[1], Mode.TOLERANT, case.unordered) else "answer"


@pytest.mark.parametrize("case", CASES, ids=[f"{case.file}-{case.name}" for case in CASES])
def test_case(case: Case, theirs: Factory) -> None:
    """Strict both ways: a new disagreement fails, and so does a listed one that is gone."""
    assert difference(case, theirs) == DIFFERS.get(f"{case.file}-{case.name}")


def test_the_list_names_cases() -> None:
    assert set(DIFFERS) - {f"{case.file}-{case.name}" for case in CASES} == set()


def _answer(case: Case, factory: Factory) -> tuple[str, Any]:
    collection = factory()
    try:
        for name, held in case.collections.items():
            if held:
                collection.database[name].insert_many([dict(document) for document in held])
        return "result", call(collection, case.call["method"], case.call.get("arguments", {}))
    except PyMongoError as error:
        return "error", getattr(error, "code", None)
    finally:
        factory.teardown(collection)


def _check(
    oracle: Oracle,
    name: str,
    rows: Documents,
    method: str,
    arguments: dict[str, Any],
    others: dict[str, Documents] | None = None,
) -> None:
    compared = compare(oracle, rows, method, arguments, others)
    note(repr(compared))
    assert compared.verdict is not Verdict.WRONG, f"not on the list: {compared!r}"
    seen = _SEEN.setdefault(name, Counter())
    seen[compared.verdict.value] += 1
    if compared.verdict is not Verdict.UNANSWERED:
        mutant = compare(oracle, rows, method, arguments, others, ask=wrong(altered if seen.total() % 2 else shortened))
        seen["found"] += mutant.verdict is Verdict.WRONG


@given(rows=plain_documents(), query=plain_finds)
@examples(150)
def test_find(oracle: Oracle, rows: Documents, query: dict[str, Any]) -> None:
    _check(oracle, "find", rows, "find", query)


@given(rows=plain_documents(), condition=plain_filters, key=st.sampled_from(("n", "s", "l", "d.x", "k.x")))
@examples(100)
def test_distinct_and_count(oracle: Oracle, rows: Documents, condition: dict[str, Any], key: str) -> None:
    _check(oracle, "distinct", rows, "distinct", {"key": key, "filter": condition})
    _check(oracle, "count", rows, "count_documents", {"filter": condition})


@given(rows=plain_documents(), pipeline=plain_pipelines)
@examples(150)
def test_aggregate(oracle: Oracle, rows: Documents, pipeline: list[Any]) -> None:
    _check(oracle, "aggregate", rows, "aggregate", {"pipeline": pipeline})


@given(rows=typed_documents(), other=typed_documents(), pipeline=pipelines(1, _UNCOMPARED, nested=0).filter(_bounded))
@examples(300)
def test_stages(oracle: Oracle, rows: Documents, other: Documents, pipeline: list[Any]) -> None:
    """Every stage that has one right answer; those of expressions inside are `test_expressions`'."""
    _check(oracle, "stages", rows, "aggregate", {"pipeline": pipeline}, {"other": other})


@given(rows=plain_documents(), condition=plain_filters, update=plain_updates, many=st.booleans())
@examples(150)
def test_update(oracle: Oracle, rows: Documents, condition: dict[str, Any], update: dict[str, Any], many: bool) -> None:
    _check(oracle, "update", rows, "update_many" if many else "update_one", {"filter": condition, "update": update})


@given(rows=documents(), condition=filters(), order=sorts())
@examples(200)
def test_find_of_anything(oracle: Oracle, rows: Documents, condition: dict[str, Any], order: dict[str, int]) -> None:
    _check(oracle, "anything", rows, "find", {"filter": condition, "sort": order})


@given(rows=typed_documents(), expression=expressions(0))
@examples(300)
def test_expressions(oracle: Oracle, rows: Documents, expression: dict[str, Any]) -> None:
    _check(oracle, "expressions", rows, "aggregate", {"pipeline": [{"$project": {"r": expression}}]})


def test_wrong_answers_to_generated_questions_are_found() -> None:
    """Most generated questions are answered alike, and would fail if our answer were wrong."""
    if len(_SEEN) < 8:
        pytest.skip("runs after the comparisons of generated questions")
    for name, seen in _SEEN.items():
        answered = seen["agrees"] + seen["excused"]
        assert answered >= 0.85 * (answered + seen["unanswered"]), name
        assert seen["found"] >= 0.95 * answered, name
