"""Strings of ClickHouse results as `str`, with bytes that are not UTF-8 refused.

clickhouse-connect replaces a string that is not UTF-8 by its hexadecimal digits without a word. Results are therefore
read as Latin-1, which cannot fail, and strings that are not ASCII are decoded again here; ASCII ones, the usual case,
cost one C-level check.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeAlias

from kato_compat.stores.errors import StoreError

#: What a query passes to clickhouse-connect so that `repairs` can undo it.
ENCODING = "latin-1"

Repair: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]


def repairs(types: Sequence[Any]) -> list[tuple[int, Repair]]:
    """The columns (by position) whose values hold strings, each with the function that decodes it.

    `types` are clickhouse-connect's column types. Raises `StoreError` for a type whose strings cannot be found.
    """
    found = ((position, _repair(kind)) for position, kind in enumerate(types))
    return [(position, repair) for position, repair in found if repair is not None]


def _repair(kind: Any) -> Repair | None:
    name = type(kind).__name__
    if name == "String":
        return _strings
    if name in ("Array", "SimpleAggregateFunction", "Nested"):
        inner = _repair(kind.element_type) if name != "Nested" else None
        if name == "Array":
            return None if inner is None else lambda column: _arrays(column, inner)
        if name == "SimpleAggregateFunction":
            return inner
    if name == "Tuple":
        return _tuples([_repair(element) for element in kind.element_types])
    if name == "Map":
        key, value = _repair(kind.key_type), _repair(kind.value_type)
        return None if key is None and value is None else lambda column: _maps(column, key, value)
    if name in ("JSON", "Variant", "Dynamic", "Object", "Nested"):
        raise StoreError(f"columns of type {kind.name} cannot be read; select their parts")
    return None


def _decode(value: str) -> str:
    try:
        return value if value.isascii() else value.encode(ENCODING).decode()
    except UnicodeDecodeError as error:
        raise StoreError(f"a string in the result is not UTF-8: {value.encode(ENCODING)!r}") from error


def _strings(column: Sequence[Any]) -> Sequence[Any]:
    for value in column:
        if value is not None and not value.isascii():
            break
    else:
        return column
    return [None if value is None else _decode(value) for value in column]


def _arrays(column: Sequence[Any], inner: Repair) -> Sequence[Any]:
    """Decode the elements of all arrays at once, then cut them up again."""
    flat = list(chain.from_iterable(column))
    decoded = inner(flat)
    if decoded is flat:
        return column
    cut, start = [], 0
    for value in column:
        cut.append(list(decoded[start : start + len(value)]))
        start += len(value)
    return cut


def _tuples(elements: list[Repair | None]) -> Repair | None:
    if not any(elements):
        return None

    def repair(column: Sequence[Any]) -> Sequence[Any]:
        if not column:
            return column
        if any(isinstance(value, dict) for value in column):
            raise StoreError("columns of type Tuple with names cannot be read; select their parts")
        parts = zip(*column, strict=True)
        return list(zip(*(r(p) if r else p for r, p in zip(elements, parts, strict=True)), strict=True))

    return repair


def _maps(column: Sequence[Any], key: Repair | None, value: Repair | None) -> Sequence[Any]:
    return [
        dict(
            zip(
                key(list(held)) if key else held,
                value(list(held.values())) if value else held.values(),
                strict=True,
            )
        )
        for held in column
    ]
