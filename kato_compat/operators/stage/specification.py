"""Reading the specification of a stage field by field, with the errors of the server's own reader.

A null stands for an absent field. The first fault in the order of the fields is reported, a missing field last.
"""

from collections.abc import Mapping
from typing import Any

from kato_compat.errors import fail
from kato_compat.values.types import alias_of


def read(
    where: str, raw: Mapping[str, Any], types: Mapping[str, tuple[str, ...]], required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The fields of `raw` that are given. `types` are the type aliases that each field may have (none: any).

    `where` names the stage. Raises 40415 (unknown field), 14 (wrong type), 40414 (one of `required` is missing).
    """
    found: dict[str, Any] = {}
    for name, value in raw.items():
        if name not in types:
            raise fail(40415, f"BSON field '{where}.{name}' is an unknown field.")
        allowed = types[name]
        if allowed and value is None:
            continue
        if allowed and alias_of(value) not in allowed:
            expected = "', '".join(allowed)
            raise fail(
                14, f"BSON field '{where}.{name}' is the wrong type '{alias_of(value)}', expected type '{expected}'"
            )
        found[name] = value
    for name in required:
        if name not in found:
            raise fail(40414, f"BSON field '{where}.{name}' is missing but a required field")
    return found


def strings(where: str, values: list[Any]) -> list[str]:
    """`values`, all of them strings; raises 14 for any other."""
    for position, value in enumerate(values):
        if type(value) is not str:
            raise fail(
                14, f"BSON field '{where}.{position}' is the wrong type '{alias_of(value)}', expected type 'string'"
            )
    return values
