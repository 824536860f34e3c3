"""What may be stored: the ``_id``, names with a leading dollar sign, and the depth of documents."""

from datetime import datetime
from typing import Any, Final

from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.regex import Regex
from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.values.paths import fields_of
from kato_compat.values.types import alias_of

#: Levels of nesting that a stored document may have. The manual says 100; the server itself accepts 180.
MAX_DEPTH: Final = 180
#: The fewest bytes of BSON that a level of nesting takes: a type, an empty name, a length and an end.
_LEVEL: Final = 1 + 1 + 4 + 1
#: Types of most values, which nest nothing.
_SCALARS: Final = frozenset({str, int, float, bool, type(None), Int64, ObjectId, datetime, bytes})


def depth_of(value: Any) -> int:
    """The levels of nesting below `value`: 0 for a scalar and for an empty document or array."""
    deepest = 0
    pending = [(value, 0)]
    while pending:
        item, level = pending.pop()
        if type(item) is list:
            inner: Any = item
        elif (fields := fields_of(item)) is not None:
            inner = fields.values()
        else:
            continue
        if inner and level >= deepest:
            deepest = level + 1
        pending.extend([(each, level + 1) for each in inner if type(each) not in _SCALARS])
    return deepest


def too_deep() -> OperationFailure:
    """The error for a document that would be nested too deep."""
    return fail(15, f"Document exceeds maximum nesting depth of {MAX_DEPTH}")


def check_identity(value: Any) -> None:
    """Raise 53 for a type that no ``_id`` may have, 52 for a ``$`` field in one."""
    if type(value) in (list, Regex):
        raise fail(53, f"The '_id' value cannot be of type {alias_of(value)}")
    if type(value) is dict:
        name = _dollar_name(value)
        if name is not None:
            raise fail(
                52,
                f"_id fields may not contain '$'-prefixed fields: The dollar ($) prefixed field '{name}' is not valid "
                "for storage.",
            )


def _dollar_name(value: Any) -> str | None:
    if type(value) is list:
        items: list[Any] = value
    elif type(value) is dict:
        for name in value:
            if name[:1] == "$":
                return str(name)
        items = list(value.values())
    else:
        return None
    return next((name for name in map(_dollar_name, items) if name is not None), None)


def check_dollar(name: str, document: dict[str, Any]) -> None:
    """Raise as the server does for a top-level field with a leading dollar sign, unless it is part of a DBRef."""
    names = list(document)
    position = names.index(name)
    part = name
    for own, before in (("$db", "$id"), ("$id", "$ref")):
        if part != own:
            continue
        if own == "$db" and type(document[own]) is not str:
            raise fail(55, f"The DBRef $db field must be a String, not a {alias_of(document[own])}")
        position -= 1
        if position < 0 or names[position] != before:
            raise fail(55, f"Found {own} field without a {before} before it, which is invalid.")
        part = before
    if part != "$ref":
        raise fail(
            52,
            f"The dollar ($) prefixed field '{name}' in '{name}' is not allowed in the context of an update's "
            "replacement document. Consider using an aggregation pipeline with $replaceWith.",
        )
    if type(document[part]) is not str:
        raise fail(55, f"The DBRef $ref field must be a String, not a {alias_of(document[part])}")
    if names[position + 1 : position + 2] != ["$id"]:
        raise fail(55, "The DBRef $ref field must be followed by a $id field")


def check_document(document: dict[str, Any], size: int) -> None:
    """Raise for a document that cannot be stored: 53 or 52 for its `_id`, 15 for one nested too deep.

    `size` is the length of its BSON: a small document cannot be nested deep.
    """
    check_identity(document["_id"])
    if size > MAX_DEPTH * _LEVEL and depth_of(document) > MAX_DEPTH:
        raise too_deep()
