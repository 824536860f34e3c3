"""The fields of commands: which ones a command has, their types, and the server's errors for all others.

MongoDB manual: Database Commands. A field that is null counts as one that is not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kato_compat.errors import fail
from kato_compat.values.document import Document
from kato_compat.values.types import alias_of


@dataclass(frozen=True, slots=True)
class Field:
    """The BSON types that a field may have (by alias; none: any), and whether it must be there."""

    kinds: tuple[str, ...] = ()
    required: bool = False


_NUMBERS: Final = ("int", "decimal", "double", "long")
ANY: Final = Field()
OBJECT: Final = Field(("object",))
ARRAY: Final = Field(("array",))
STRING: Final = Field(("string",))
NUMBER: Final = Field(_NUMBERS)
#: Only true and false.
BOOL: Final = Field(("bool",))
#: A bool or a number.
FLAG: Final = Field(("bool", *_NUMBERS))
HINT: Final = Field(("string", "object"))

#: Fields that every command may have and that change nothing here.
GENERIC: Final = frozenset(
    {
        "$db",
        "lsid",
        "comment",
        "readConcern",
        "writeConcern",
        "apiVersion",
        "$readPreference",
        "bypassDocumentValidation",
    }
)


def checked(place: str, raw: Mapping[str, Any], known: Mapping[str, Field], ignored: frozenset[str]) -> Document:
    """The fields of `raw`, of internal form, that are in `known`; those that are null are left out.

    `place` is how messages call what is checked, `ignored` are the names of further fields. Raises 40415 for any
    other, 14 for one of a wrong type, 40414 for a required one that is missing.
    """
    found: Document = {}
    for name, value in raw.items():
        field = known.get(name)
        if field is None:
            if name not in ignored:
                raise fail(40415, f"BSON field '{place}.{name}' is an unknown field.")
        elif value is not None or not field.kinds:
            check(f"{place}.{name}", value, field)
            found[name] = value
    for name, field in known.items():
        if field.required and name not in found:
            raise fail(40414, f"BSON field '{place}.{name}' is missing but a required field")
    return found


def check(place: str, value: Any, field: Field) -> None:
    """Raise 14 for a value that is of none of a field's types."""
    kind = alias_of(value)
    if not field.kinds or kind in field.kinds:
        return
    kinds = field.kinds
    expected = f"type '{kinds[0]}'" if len(kinds) == 1 else f"types '[{', '.join(kinds)}]'"
    raise fail(14, f"BSON field '{place}' is the wrong type '{kind}', expected {expected}")


def objects(place: str, items: list[Any]) -> None:
    """Raise 14 for an item of an array that is no document."""
    for position, item in enumerate(items):
        check(f"{place}.{position}", item, OBJECT)
