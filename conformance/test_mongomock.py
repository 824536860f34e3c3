"""Our answers beside mongomock's: they agree, or the written list says why not."""

import warnings
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from conformance.generators import documents, filters, sorts
from conformance.mongomock_differential import (
    Compared,
    compare,
    compare_case,
    plain_documents,
    plain_filters,
    plain_finds,
    plain_pipelines,
    plain_updates,
)
from conformance.mongomock_divergences import DIVERGENCES
from conformance.profile import examples
from conformance.runner import load

Documents = list[dict[str, Any]]


def _check(compared: Compared) -> None:
    if not compared.agree:
        note(repr(compared.asked))
        assert compared.divergence is not None, f"not on the list: {compared.asked!r}"


def test_cases() -> None:
    """Every case is asked of both; every entry of the list is needed for one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [compare_case(case) for case in load()]
    assert [compared.asked for compared in found if not compared.agree and compared.divergence is None] == []
    assert sum(compared.agree for compared in found) > 200
    wrong = [compared.asked for compared in found if not compared.agree]
    assert [entry.name for entry in DIVERGENCES if not any(entry.holds(asked) for asked in wrong)] == []


@given(rows=plain_documents(), query=plain_finds)
@examples(150)
def test_find(rows: Documents, query: dict[str, Any]) -> None:
    _check(compare(rows, "find", query))


@given(rows=plain_documents(), condition=plain_filters, key=st.sampled_from(("n", "s", "l", "d.x", "k.x")))
@examples(150)
def test_distinct_and_count(rows: Documents, condition: dict[str, Any], key: str) -> None:
    _check(compare(rows, "distinct", {"key": key, "filter": condition}))
    _check(compare(rows, "count_documents", {"filter": condition}))


@given(rows=plain_documents(), pipeline=plain_pipelines)
@examples(150)
def test_aggregate(rows: Documents, pipeline: list[Any]) -> None:
    _check(compare(rows, "aggregate", {"pipeline": pipeline}))


@given(rows=plain_documents(), condition=plain_filters, update=plain_updates, many=st.booleans())
@examples(150)
def test_update(rows: Documents, condition: dict[str, Any], update: dict[str, Any], many: bool) -> None:
    _check(compare(rows, "update_many" if many else "update_one", {"filter": condition, "update": update}))


@given(rows=documents(), condition=filters(), order=sorts())
@examples(150)
def test_find_of_anything(rows: Documents, condition: dict[str, Any], order: dict[str, int]) -> None:
    _check(compare(rows, "find", {"filter": condition, "sort": order}))
