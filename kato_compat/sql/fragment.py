"""SQL fragments: text whose values are server-bound parameters (ClickHouse manual: Queries with parameters)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

_COUNTER: Final[Iterator[int]] = count()


@dataclass(frozen=True, slots=True)
class Sql:
    """A fragment of SQL: text with ``{name:Type}`` placeholders, and the values bound to them by name."""

    text: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pushed:
    """A predicate that ClickHouse answers: 0 or 1 for every row, never NULL.

    `exact` means 1 if and only if the predicate holds; otherwise it is a superset (1 whenever the predicate holds)
    and the predicate is checked again in Python.
    """

    sql: Sql
    exact: bool


def quote_name(name: str) -> str:
    """`name` as a quoted ClickHouse identifier: the one function that puts a name into SQL."""
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def bind(value: Any, clickhouse_type: str) -> Sql:
    """A fragment that stands for `value`, bound by the server as `clickhouse_type`.

    The caller has checked that the value is in the type's range (2**63 bound as Int64 wraps silently).
    """
    name = f"p{next(_COUNTER)}"
    return Sql(f"{{{name}:{clickhouse_type}}}", {name: value})


def join(template: str, *parts: Sql) -> Sql:
    """`template` with its ``%s`` replaced by the texts of `parts`, and all their parameters."""
    parameters: dict[str, Any] = {}
    for part in parts:
        parameters.update(part.parameters)
    return Sql(template % tuple(part.text for part in parts), parameters)
