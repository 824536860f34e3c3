"""Parameters of a query as the text that ClickHouse parses them from, by the type of their placeholder.

ClickHouse parses a bound parameter from text: at the top level as in the TabSeparated format (escapes, no quotes),
inside arrays, tuples and maps as SQL literals (ClickHouse documentation: HTTP interface, Queries with parameters).
The engine wraps integers that do not fit (2**63 bound as Int64 becomes -2**63), so that they are checked here.
"""

import datetime
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID

#: Formats one value; the argument says whether it stands at the top level.
Formatter: TypeAlias = Callable[[Any, bool], str]

_PLACEHOLDER = re.compile(r"\{(\w+):([^{}]+)\}")
_INTEGER = re.compile(r"(U?)Int(8|16|32|64|128|256)$")
_ESCAPED = {
    "\\": "\\\\",
    "'": "\\'",
    "\t": "\\t",
    "\n": "\\n",
    "\r": "\\r",
    "\0": "\\0",
    "\b": "\\b",
    "\f": "\\f",
}
_TO_ESCAPE = re.compile(r"[\\'\t\n\r\0\x08\x0c]")
_SEPARATOR = "\0"


class Text:
    """Text that clickhouse-connect passes on as it is: not a `str`, which it would escape once more."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def bind(sql: str, parameters: Mapping[str, Any]) -> dict[str, Text]:
    """The texts of `parameters` for the placeholders ``{name:Type}`` of `sql`, by name.

    Raises `OverflowError` for an integer that its type cannot hold, `TypeError` for a value of another type, and
    `ValueError` where the names of placeholders and parameters are not the same.
    """
    formatters = _formatters(sql)
    if formatters.keys() != parameters.keys():
        raise ValueError(f"placeholders {sorted(formatters)} and parameters {sorted(parameters)} differ")
    return {name: Text(formatters[name](value, True)) for name, value in parameters.items()}


def literal(text: str) -> str:
    """`text` as a quoted SQL literal, for the few places where ClickHouse takes no parameter (values of settings)."""
    return _string(text, False)


@lru_cache(maxsize=1024)
def _formatters(sql: str) -> dict[str, Formatter]:
    return {name: _formatter(declared.replace(" ", "")) for name, declared in _PLACEHOLDER.findall(sql)}


@lru_cache(maxsize=256)
def _formatter(declared: str) -> Formatter:
    name, inner = _split(declared)
    if match := _INTEGER.match(declared):
        bits = int(match[2])
        low, high = (0, 2**bits - 1) if match[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return _integer(declared, low, high)
    if name in ("String", "FixedString", "Identifier"):
        return _string
    if name == "Array":
        return _array(inner[0])
    if name == "Tuple":
        return _tuple([_formatter(element) for element in inner])
    if name == "Map":
        return _map(_formatter(inner[0]), _formatter(inner[1]))
    if name == "Nullable":
        return _nullable(_formatter(inner[0]))
    if name == "LowCardinality":
        return _formatter(inner[0])
    if name in ("DateTime", "DateTime64") and not any(part.strip("'") != "UTC" for part in inner[name[-1] == "4" :]):
        return _instant(declared, 1970, 2105) if name == "DateTime" else _instant(declared, 1900, 2261)
    if name in _PLAIN:
        return _PLAIN[name]
    raise TypeError(f"no parameter of type {declared} can be bound")


def _split(declared: str) -> tuple[str, list[str]]:
    """``Map(String,Array(Int8))`` as ``("Map", ["String", "Array(Int8)"])``."""
    name, parenthesis, rest = declared.partition("(")
    if not parenthesis:
        return name, []
    parts, depth, start = [], 0, 0
    rest = rest[:-1]
    for position, character in enumerate(rest):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append(rest[start:position])
            start = position + 1
    return name, [*parts, rest[start:]]


def _escape(text: str) -> str:
    if _TO_ESCAPE.search(text) is None:
        return text
    return _TO_ESCAPE.sub(lambda match: _ESCAPED[match[0]], text)


def _wrong(value: object, declared: str) -> TypeError:
    return TypeError(f"a value of type {type(value).__name__} cannot be bound as {declared}")


def _string(value: Any, top: bool) -> str:
    if not isinstance(value, str):
        raise _wrong(value, "String")
    escaped = _escape(value)
    # A parameter that is exactly \N would be NULL; its backslash has been doubled by now.
    return escaped if top else f"'{escaped}'"


def _strings(values: Sequence[Any], top: bool) -> str:
    """An array of strings, escaped in one go: a list of 10,000 symbols must not cost 10,000 calls."""
    if not values:
        return "[]"
    text = _SEPARATOR.join(_sequence(values))
    if text.count(_SEPARATOR) != len(values) - 1:
        return f"[{','.join(_string(value, False) for value in values)}]"
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "'" in text:
        text = text.replace("'", "\\'")
    return "['" + text.replace(_SEPARATOR, "','") + "']"


def _sequence(value: Any) -> Sequence[Any]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise _wrong(value, "Array")
    return value


def _array(declared: str) -> Formatter:
    if declared in ("String", "LowCardinality(String)"):
        return _strings
    element = _formatter(declared)
    return lambda value, top: f"[{','.join([element(item, False) for item in _sequence(value)])}]"


def _tuple(elements: list[Formatter]) -> Formatter:
    def form(value: Any, top: bool) -> str:
        parts = [element(item, False) for element, item in zip(elements, _sequence(value), strict=True)]
        return f"({','.join(parts)})"

    return form


def _map(key: Formatter, item: Formatter) -> Formatter:
    def form(value: Any, top: bool) -> str:
        if not isinstance(value, Mapping):
            raise _wrong(value, "Map")
        return "{" + ",".join(f"{key(name, False)}:{item(held, False)}" for name, held in value.items()) + "}"

    return form


def _nullable(inner: Formatter) -> Formatter:
    def form(value: Any, top: bool) -> str:
        if value is None:
            return "\\N" if top else "NULL"
        return inner(value, top)

    return form


def _integer(declared: str, low: int, high: int) -> Formatter:
    def form(value: Any, top: bool) -> str:
        if not isinstance(value, int):
            raise _wrong(value, declared)
        if not low <= value <= high:
            raise OverflowError(f"{int(value)} does not fit {declared}")
        return str(int(value))

    return form


def _float(value: Any, top: bool) -> str:
    if not isinstance(value, float | int):
        raise _wrong(value, "Float64")
    number = float(value)
    if math.isfinite(number):
        return repr(number)
    return "nan" if math.isnan(number) else ("inf" if number > 0 else "-inf")


def _bool(value: Any, top: bool) -> str:
    if not isinstance(value, bool):
        raise _wrong(value, "Bool")
    return "true" if value else "false"


def _uuid(value: Any, top: bool) -> str:
    if not isinstance(value, UUID):
        raise _wrong(value, "UUID")
    return str(value) if top else f"'{value}'"


def _instant(declared: str, first: int, last: int) -> Formatter:
    """Instants as text in UTC, the time zone of every session; years outside `first` to `last` do not fit.

    Numbers of seconds are no way around the time zone: the engine reads -0.75 as 0.75.
    """

    def form(value: Any, top: bool) -> str:
        if not isinstance(value, datetime.datetime) or value.tzinfo is None:
            raise _wrong(value, f"{declared} (it needs a datetime with a time zone)")
        instant = value.astimezone(datetime.UTC).replace(tzinfo=None)
        if not first <= instant.year <= last:
            raise OverflowError(f"{value.isoformat()} does not fit {declared}")
        text = instant.isoformat(" ")
        return text if top else f"'{text}'"

    return form


_PLAIN: dict[str, Formatter] = {
    "Float32": _float,
    "Float64": _float,
    "Bool": _bool,
    "UUID": _uuid,
}
