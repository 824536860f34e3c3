"""Our answers beside SecantusDB's, on every case: they agree, or the written list says why not."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from conformance import secantus
from conformance.factories import Factory, memory
from conformance.format import Mode
from conformance.mongomock_divergences import Asked
from conformance.runner import Case, call, load, matches
from conformance.secantus_divergences import explain

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not secantus.wanted(), reason=f"{secantus.VARIABLE}=1 installs and runs SecantusDB"),
]
CASES = [case for case in load() if case.file != "refused"]


@pytest.fixture(scope="module")
def theirs() -> Iterator[Factory]:
    with secantus.server() as factory:
        yield factory


@pytest.mark.parametrize("case", CASES, ids=[f"{case.file}-{case.name}" for case in CASES])
def test_case(case: Case, theirs: Factory) -> None:
    ours, other = _answer(case, memory), _answer(case, theirs)
    agree = ours[0] == other[0] and (ours[0] == "error" or matches(ours[1], other[1], Mode.TOLERANT, case.unordered))
    asked = Asked(case.collections.get("coll", []), case.call.get("arguments", {}), ours, other)
    assert agree or explain(asked) is not None, f"not on the list: {asked!r}"


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
