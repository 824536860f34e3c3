"""Putting values into copies of documents along dotted paths, as stages do."""

from collections.abc import Callable
from typing import Any

from kato_compat.values.missing import MISSING
from kato_compat.values.paths import Path


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
