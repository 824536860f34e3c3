"""Every case on every store, and a case for every operator."""

import pytest
from pymongo.errors import OperationFailure

from conformance.factories import Factory, memory
from conformance.runner import Case, load, run
from kato_compat import operators
from kato_compat.ir.registry import operators as registered
from kato_compat.ir.spec import Kind, Spec, Status

operators.load()

CASES = list(load())
SPECS: list[Spec] = [operator.spec for operator in registered()]
_NAMES = {f"{spec.kind.value}:{spec.name}" for spec in SPECS}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.file}-{case.name}" for case in CASES])
def test_case(case: Case, store: Factory, mapped: Factory) -> None:
    if store is mapped and any(
        each.get("unique") and each.get("collection") in (None, "coll") for each in case.indexes
    ):
        with pytest.raises(OperationFailure) as failure:
            run(case, store)
        assert failure.value.code == 115  # a mapped collection keeps its key unique, and says so of other fields
    else:
        run(case, store)


READS = [case for case in CASES if case.call["method"] in ("find", "aggregate", "count_documents")]


@pytest.mark.parametrize("case", READS, ids=[f"{case.file}-{case.name}" for case in READS])
def test_read_without_pushdown(case: Case, mapped: Factory) -> None:
    run(case, mapped, pushdown=False)


def test_names_are_unique_and_sources_are_given() -> None:
    names = [(case.file, case.name) for case in CASES]
    assert sorted(set(names)) == sorted(names)
    assert [case.name for case in CASES if not case.source] == []


def test_cases_name_operators_that_exist() -> None:
    named = {name for case in CASES for name in case.operators}
    assert named - _NAMES == set()


@pytest.mark.parametrize("spec", SPECS, ids=[f"{spec.kind.value}-{spec.name}" for spec in SPECS])
def test_every_operator_has_a_case(spec: Spec) -> None:
    name = f"{spec.kind.value}:{spec.name}"
    cases = [case for case in CASES if name in case.operators]
    assert cases, f"write a case for {name} in conformance/cases"
    if spec.status in (Status.SUPPORTED, Status.PARTIAL):
        assert any(case.error is None for case in cases), f"no case shows a result of {name}"
    assert all(spec.name in _used(case) for case in cases)


#: Filter operators that stand inside of another one only, which is refused with them.
_INSIDE = {
    "$box": "$geoWithin",
    "$center": "$geoWithin",
    "$centerSphere": "$geoWithin",
    "$polygon": "$geoWithin",
    "$geometry": "$geoIntersects",
    "$maxDistance": "$near",
    "$minDistance": "$nearSphere",
}
REFUSED = [spec for spec in SPECS if spec.status in (Status.REFUSED, Status.UNBUILT)]


@pytest.mark.parametrize("spec", REFUSED, ids=[f"{spec.kind.value}-{spec.name}" for spec in REFUSED])
def test_a_refused_operator_says_why(spec: Spec) -> None:
    """It raises its code before any document is read, and the message has the name and the reason."""
    with pytest.raises(OperationFailure) as failure:
        _use(spec)
    assert failure.value.code == (115 if spec.status is Status.REFUSED else 238)
    assert _INSIDE.get(spec.name, spec.name) in str(failure.value)
    assert spec.limits in str(failure.value)


def _use(spec: Spec) -> None:
    collection = memory()
    match spec.kind:
        case Kind.QUERY:
            condition: dict[str, object] = {spec.name: {}}
            outer = _INSIDE.get(spec.name)
            if outer is not None:
                condition = {outer: condition}
            collection.find_one(condition if spec.name in ("$where", "$text") else {"a": condition})
        case Kind.PROJECTION:
            collection.find_one({}, {"a": {spec.name: "textScore"}})
        case Kind.EXPRESSION:
            list(collection.aggregate([{"$project": {"a": {spec.name: {}}}}]))
        case Kind.ACCUMULATOR:
            list(collection.aggregate([{"$group": {"_id": None, "a": {spec.name: {}}}}]))
        case Kind.WINDOW:
            list(collection.aggregate([{"$setWindowFields": {"sortBy": {"_id": 1}, "output": {"a": {spec.name: {}}}}}]))
        case Kind.STAGE:
            list(collection.aggregate([{spec.name: {}}]))
        case Kind.UPDATE:
            collection.update_one({}, {spec.name: {"a": 1}})


def _used(case: Case) -> set[str]:
    """Every name of a field, a component of one, and every string, in the arguments of a case."""
    found: set[str] = set()
    pending = [case.call.get("arguments", {})]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            for name, item in value.items():
                found |= {name, *name.split(".")}
                pending.append(item)
        elif isinstance(value, list):
            pending.extend(value)
        elif type(value) is str:
            found |= {value, *value.split(".")}
    return found
