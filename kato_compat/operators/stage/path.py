"""Putting values into copies of documents along dotted paths, as stages do."""

from collections.abc import Callable
from typing import Any

from kato_compat.errors import fail
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import Path

_MAX_DEPTH = 200


def field_path(dotted: str) -> Path:
    """The components of a path of an option; raises the server's FieldPath errors for a malformed one."""
    if not dotted:
        raise fail(40352, "FieldPath cannot be constructed with empty string")
    if dotted.endswith("."):
        raise fail(40353, "FieldPath must not end with a '.'.")
    parts = tuple(dotted.split("."))
    if len(parts) > _MAX_DEPTH:
        raise fail(15, "FieldPath is too long")
    for part in parts:
        if not part:
            raise fail(15998, "FieldPath field names may not be empty strings.")
        if part.startswith("$"):
            raise fail(
                16410,
                f"FieldPath field names may not start with '$'. Consider using $getField or $setField. Got '{part}'",
            )
        if "\0" in part:
            raise fail(16411, "FieldPath field names may not contain '\\0'.")
    return parts


def setter(path: Path) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """A function that gives a copy of a document with a value at `path`; `MISSING` takes the field out.

    What is not a document on the way, an array too, is replaced by one. Values that do not lie on the path are
    shared with the document given.
    """
    if len(path) == 1:
        name = path[0]

        def single(document: dict[str, Any], value: Any) -> dict[str, Any]:
            copy = dict(document)
            if value is MISSING:
                copy.pop(name, None)
            else:
                copy[name] = value
            return copy

        return single
    return lambda document, value: _put(document, path, 0, value)


def _put(document: dict[str, Any], path: Path, position: int, value: Any) -> dict[str, Any]:
    copy = dict(document)
    name = path[position]
    if position == len(path) - 1:
        if value is MISSING:
            copy.pop(name, None)
        else:
            copy[name] = value
        return copy
    below = copy.get(name)
    if value is MISSING and type(below) is not dict:
        return copy
    copy[name] = _put(below if type(below) is dict else {}, path, position + 1, value)
    return copy


def check_field_name(name: str) -> None:
    """Raise the server's FieldPath errors for what cannot be the name of one field."""
    if "." in name:
        raise fail(16412, "FieldPath field names may not contain '.'. Consider using $getField or $setField.")
    if not name:
        raise fail(15998, "FieldPath field names may not be empty strings.")
    field_path(name)
