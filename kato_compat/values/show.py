"""How the server shows a value inside an error message."""

from typing import Any

from kato_compat.values.missing import MISSING


def shown(value: Any) -> str:
    """`value` as the server shows it: ``MISSING``, ``null``, ``true``, quoted strings, and nested values in braces."""
    if value is MISSING:
        return "MISSING"
    if value is None:
        return "null"
    kind = type(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is str:
        return f'"{value}"'
    if kind is list:
        return "[" + ", ".join(map(shown, value)) + "]"
    if kind is dict:
        return "{" + ", ".join(f"{name}: {shown(item)}" for name, item in value.items()) + "}"
    return str(value)
