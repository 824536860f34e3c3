"""Which names and dotted paths the server accepts where a specification names fields.

The rules are those of the server's field paths (MongoDB manual: Field Names): projections, sorts and stages that
write computed fields share them.
"""

from typing import Final

from kato_compat.errors import fail
from kato_compat.values.paths import Path

#: The deepest path that the server follows.
MAX_DEPTH: Final = 200

# Names of DBRef fields and of fields that the server itself attaches: the only ones with a leading dollar.
_DOLLAR: Final = frozenset({"$id", "$ref", "$db", "$sortKey", "$recordId", "$searchSortValues", "$searchScore"})


def check_component(name: str) -> None:
    """Raise 15998, 16410 or 16411 for what cannot be a component of a path."""
    if not name:
        raise fail(15998, "FieldPath field names may not be empty strings.")
    if name[0] == "$" and name not in _DOLLAR:
        raise fail(
            16410,
            f"FieldPath field names may not start with '$'. Consider using $getField or $setField. Got '{name}'",
        )
    if "\0" in name:
        raise fail(16411, "FieldPath field names may not contain '\\0'.")


def check_field_name(name: str) -> None:
    """Raise as `check_component`, and 16412, for what cannot be the name of one field."""
    check_component(name)
    if "." in name:
        raise fail(16412, "FieldPath field names may not contain '.'. Consider using $getField or $setField.")


def document_path(dotted: str) -> Path:
    """The components of `dotted`; raises 40352, 40353, 15998, 16410, 16411 or 15 for what is not a field path."""
    if not dotted:
        raise fail(40352, "FieldPath cannot be constructed with empty string")
    if dotted.endswith("."):
        raise fail(40353, "FieldPath must not end with a '.'.")
    parts = tuple(dotted.split("."))
    if len(parts) > MAX_DEPTH:
        raise fail(15, f"FieldPath is too long: {len(parts)} components, at most {MAX_DEPTH} are allowed")
    for part in parts:
        check_component(part)
    return parts
