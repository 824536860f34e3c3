"""The `$sort` of a `$push` (MongoDB manual: $sort (update))."""

from collections.abc import Callable
from typing import Any

from kato_compat.errors import fail
from kato_compat.values.missing import MISSING
from kato_compat.values.order import SortKey
from kato_compat.values.paths import fields_of
from kato_compat.values.types import is_number

Key = Callable[[Any], SortKey]


def parse_sort(pattern: Any, key: Key) -> Callable[[list[Any]], list[Any]]:
    """A stable sort of an array: by the elements (1 or -1), or by fields of theirs. Raises 2 for a wrong pattern.

    An element that is no document, or lacks the field, sorts as if the field were null.
    """
    if is_number(pattern):
        descending = _direction(pattern)
        return lambda array: sorted(array, key=key, reverse=descending)
    if type(pattern) is not dict:
        raise fail(
            2, "The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields"
        )
    if not pattern:
        raise fail(2, "The $sort pattern is empty when it should be a set of fields.")
    steps = []
    for path, order in pattern.items():
        descending = _direction(order)
        if not path:
            raise fail(2, "The $sort field cannot be empty")
        if not all(path.split(".")):
            raise fail(2, f"The $sort field is a dotted field but has an empty part: {path}")
        steps.append((_by_field(path, key), descending))
    # Sorting by the last field first leaves ties in the order of the earlier ones.
    steps.reverse()

    def sort(array: list[Any]) -> list[Any]:
        for by_field, descending in steps:
            array = sorted(array, key=by_field, reverse=descending)
        return array

    return sort


def _direction(order: Any) -> bool:
    if not is_number(order) or float(str(order)) not in (1, -1):
        raise fail(2, "The $sort element value must be either 1 or -1")
    return float(str(order)) < 0


def _by_field(path: str, key: Key) -> Key:
    def by_field(item: Any) -> SortKey:
        fields = fields_of(item)
        value = MISSING if fields is None else extract(fields, path)
        return key(None if value is MISSING else value)

    return by_field


def extract(value: Any, path: str) -> Any:
    """What `path` leads to below `value`, through arrays by index only; a field named like the path comes first."""
    if type(value) is list:
        fields = {str(index): item for index, item in enumerate(value)}
    else:
        found = fields_of(value)
        if found is None:
            return MISSING
        fields = found
    if path in fields:
        return fields[path]
    head, dot, rest = path.partition(".")
    return extract(fields[head], rest) if dot and head in fields else MISSING
