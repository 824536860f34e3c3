"""Our answers beside SecantusDB's, on every case: they agree, or the case is in ``secantus_differs.txt``.

That list is pinned by case and not reviewed: it says that the two differ, not which of them is right.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from conformance import secantus
from conformance.factories import Factory, memory
from conformance.format import Mode
from conformance.runner import Case, call, load, matches

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not secantus.wanted(), reason=f"{secantus.VARIABLE}=1 installs and runs SecantusDB"),
]
DIFFERS = frozenset((Path(__file__).parent / "secantus_differs.txt").read_text(encoding="utf-8").splitlines())
CASES = [case for case in load() if case.file != "refused"]


@pytest.fixture(scope="module")
def theirs() -> Iterator[Factory]:
    with secantus.server() as factory:
        yield factory


def agree(case: Case, theirs: Factory) -> bool:
    """Whether both give the result, or both an error (its code is not compared), on one case."""
    ours, other = _answer(case, memory), _answer(case, theirs)
    if ours[0] != other[0]:
        return False
    return ours[0] == "error" or matches(ours[1], other[1], Mode.TOLERANT, case.unordered)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.file}-{case.name}" for case in CASES])
def test_case(case: Case, theirs: Factory) -> None:
    """Strict both ways: a new disagreement fails, and so does a listed one that is gone."""
    assert agree(case, theirs) is (f"{case.file}-{case.name}" not in DIFFERS)


def _answer(case: Case, factory: Factory) -> tuple[str, Any]:
    collection = factory()
    try:
        for name, documents in case.collections.items():
            if documents:
                collection.database[name].insert_many([dict(document) for document in documents])
        return "result", call(collection, case.call["method"], case.call.get("arguments", {}))
    except PyMongoError as error:
        return "error", getattr(error, "code", None)
    finally:
        factory.teardown(collection)
