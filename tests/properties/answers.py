"""What a call on a collection gives: its result or its error, in a form that compares."""

from collections.abc import Callable, Iterable
from typing import Any

from bson import encode
from pymongo.errors import OperationFailure, PyMongoError

from conformance.factories import Factory
from conformance.format import OPTIONS
from conformance.runner import error_code, plain

Documents = list[dict[str, Any]]


def fill(factory: Factory, documents: Documents, other: Documents | None = None) -> Any:
    """A fresh collection that holds `documents`; `other` is what its neighbour ``other`` holds."""
    collection = factory()
    if documents:
        collection.insert_many(documents)
    if other:
        factory.sibling(collection, "other").insert_many(other)
    return collection


def answer(call: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[str, Any]:
    """What the call gives: ``("result", BSON)`` or ``("error", class or code)``.

    Anything but pymongo's errors is raised.
    """
    try:
        found = call(*arguments, **options)
        if isinstance(found, Iterable) and not isinstance(found, str | dict):
            found = list(found)  # a cursor asks when it is read
    except OperationFailure as error:
        return "error", error_code(error)
    except PyMongoError as error:
        return "error", type(error).__name__
    return "result", canonical(plain(found))


def canonical(value: Any) -> bytes:
    """BSON of a value: types, order of fields and the sign of zero count; there is one NaN."""
    return encode({"v": _one_nan(value)}, codec_options=OPTIONS)


def _one_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _one_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_one_nan(item) for item in value]
    return float("nan") if isinstance(value, float) and value != value else value


def held(collection: Any) -> list[bytes]:
    """What a collection holds, whatever its natural order and the order of root fields.

    A mapped document has its fields in the order of the mapping, not in the order in which updates brought them.
    """
    return sorted(canonical(dict(sorted(document.items()))) for document in collection.find({}))
