"""Dotted paths, as queries and as expressions follow them.

Queries (MongoDB manual: Query on Arrays, Dot Notation) follow a path through arrays one level per component, also
by array index, and hand the elements of a leaf array to the test one by one and then the array itself. Expressions
(manual: Field Paths) map over arrays and know no index.
"""

from collections.abc import Callable, Iterator
from typing import Any

from bson.dbref import DBRef

from kato_compat.values.missing import MISSING

Path = tuple[str, ...]


def split(path: str) -> Path:
    """The components of a dotted path."""
    return tuple(path.split("."))


def is_index(component: str) -> bool:
    """True if a component can name an array index: digits without a leading zero (except "0")."""
    return component.isdecimal() and component.isascii() and (component[0] != "0" or len(component) == 1)


def fields_of(value: Any) -> dict[str, Any] | None:
    """The fields of a sub-document, also of a `DBRef`; None for anything else."""
    if type(value) is dict:
        return value
    if type(value) is DBRef:
        return dict(value.as_doc())
    return value if isinstance(value, dict) else None


def iterate(document: dict[str, Any], path: Path, leaf: bool = True) -> Iterator[tuple[Any, int | None]]:
    """What a query test at `path` is applied to: pairs of (value or MISSING, index in the outermost array).

    With `leaf` the elements of an array at the end of the path come one by one, then the array itself (index
    None); without it (`$size`, `$elemMatch`, ..) only the array itself. This follows the server's iteration of
    elements: a scalar in the middle of a path gives MISSING, an array without sub-documents there gives nothing.
    """
    value: Any = document
    last = len(path)
    position = 0
    while True:
        fields = fields_of(value)
        if fields is None:
            yield MISSING, None
            return
        value = fields.get(path[position], MISSING)
        position += 1
        if position == last:
            break
        if value is MISSING:
            yield MISSING, None
            return
        if type(value) is list:
            yield from _through_array(value, path[position:], leaf)
            return
    if type(value) is list and leaf:
        for index, item in enumerate(value):
            yield item, index
    yield value, None


def _through_array(array: list[Any], rest: Path, leaf: bool) -> Iterator[tuple[Any, int | None]]:
    """Iterate over `array` in the middle of a path, `rest` (not empty) still to be followed."""
    head = rest[0]
    wanted = int(head) if is_index(head) else -1
    for index, item in enumerate(array):
        fields = fields_of(item)
        if fields is not None:
            for value, _ in iterate(fields, rest, leaf):
                yield value, index
        if index != wanted:
            continue
        if len(rest) == 1:
            # The path ends at this index: the element itself, never unwound.
            yield item, index
        elif fields is not None:
            for value, _ in iterate(fields, rest[1:], leaf):
                yield value, index
        elif type(item) is list:
            for value, _ in _through_array(item, rest[1:], leaf):
                yield value, index


def getter(path: Path) -> Callable[[Any], Any]:
    """A function that follows `path` from a value as expressions do.

    An array on the way is mapped over: elements that are not documents (nested arrays too), or lack the field,
    contribute nothing. MISSING where the path leads nowhere.
    """
    if len(path) == 1:
        name = path[0]

        def single(value: Any) -> Any:
            if type(value) is dict:
                return value.get(name, MISSING)
            return _follow(value, path, 0)

        return single

    def follow(value: Any) -> Any:
        return _follow(value, path, 0)

    return follow


def _follow(value: Any, path: Path, position: int) -> Any:
    last = len(path)
    while position < last:
        if type(value) is dict:
            value = value.get(path[position], MISSING)
            position += 1
        elif type(value) is list:
            found = [_follow(item, path, position) for item in value if fields_of(item) is not None]
            return [item for item in found if item is not MISSING]
        else:
            fields = fields_of(value)
            if fields is None:
                return MISSING
            value = fields.get(path[position], MISSING)
            position += 1
    return value
