"""Properties of all updates: pure functions, some of them idempotent."""

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.errors import OperationFailure

from kato_compat.parse.expression import Context
from kato_compat.parse.update import parse_update
from kato_compat.values.document import normalise
from kato_compat.values.equality import same

NAMES = st.sampled_from(["a", "b", "c", "0", "1", "11"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-2, 2), st.sampled_from(["", "x"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4).map(lambda fields: normalise({"_id": 1, **fields}))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
ARRAY_PATHS = st.one_of(PATHS, PATHS.map(lambda path: path + ".$[]"))
OPERANDS: dict[str, st.SearchStrategy[Any]] = {
    "$set": VALUES,
    "$setOnInsert": VALUES,
    "$unset": st.just(""),
    "$inc": st.integers(-3, 3),
    "$mul": st.floats(-2, 2),
    "$min": VALUES,
    "$max": VALUES,
    "$push": st.one_of(VALUES, st.builds(lambda each: {"$each": each, "$slice": 2, "$sort": -1}, st.lists(VALUES))),
    "$addToSet": st.one_of(VALUES, st.builds(lambda each: {"$each": each}, st.lists(VALUES))),
    "$pop": st.sampled_from([1, -1]),
    "$pull": VALUES,
    "$pullAll": st.lists(VALUES, max_size=3),
    "$rename": PATHS,
    "$bit": st.builds(lambda mask: {"xor": mask}, st.integers(0, 7)),
}
UPDATES = st.dictionaries(st.sampled_from(sorted(OPERANDS)), st.none(), min_size=1, max_size=2).flatmap(
    lambda names: st.fixed_dictionaries(
        {name: st.dictionaries(ARRAY_PATHS, OPERANDS[name], min_size=1, max_size=2) for name in names}
    )
)

#: The same examples in every run.
repeatable = settings(derandomize=True, deadline=None)


def outcome(update: dict[str, Any], document: dict[str, Any], inserting: bool = False) -> Any:
    """The new document, or the code of the error."""
    try:
        return parse_update(update, Context()).apply(document, inserting=inserting)
    except OperationFailure as error:
        return error.code


@repeatable
@given(UPDATES, DOCUMENTS, st.booleans())
def test_nothing_is_changed_in_place(update: dict[str, Any], document: dict[str, Any], inserting: bool) -> None:
    before, wanted = deepcopy(document), deepcopy(update)
    found = outcome(update, document, inserting)
    assert same(before, document)
    assert same(wanted, update)
    assert same([found], [outcome(update, document, inserting)])


@repeatable
@given(st.sampled_from(["$set", "$unset", "$addToSet", "$min", "$max", "$pull", "$pullAll"]), st.data(), DOCUMENTS)
def test_some_operators_are_idempotent(operator: str, data: st.DataObject, document: dict[str, Any]) -> None:
    update = {operator: data.draw(st.dictionaries(PATHS, OPERANDS[operator], min_size=1, max_size=3))}
    once = outcome(update, document)
    if isinstance(once, dict):
        assert same(once, outcome(update, once))


@repeatable
@given(UPDATES, DOCUMENTS)
def test_untouched_fields_stay(update: dict[str, Any], document: dict[str, Any]) -> None:
    found = outcome(update, document)
    if isinstance(found, dict):
        touched = parse_update(update, Context()).touched
        assert touched is not None
        assert all(found[name] is value for name, value in document.items() if name not in touched)
        assert next(iter(found)) == "_id"
