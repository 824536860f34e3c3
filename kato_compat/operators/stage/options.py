"""The options document of a stage, checked as the server's generated parsers do.

A null is an option not given. Codes: 40415 for an unknown option, 40414 for a missing one, 14 for a wrong type.
"""

from typing import Any

from kato_compat.errors import fail
from kato_compat.values.types import alias_of


class Options:
    """The options of one stage; `names` are those that it knows."""

    __slots__ = ("_given", "_stage")

    def __init__(self, stage: str, given: dict[str, Any], names: tuple[str, ...]) -> None:
        for name in given:
            if name not in names:
                raise fail(40415, f"BSON field '{stage}.{name}' is an unknown field.")
        self._stage = stage
        self._given = given

    def required(self, name: str) -> Any:
        """The value of an option; raises 40414 where it is absent or null."""
        value = self._given.get(name)
        if value is None:
            raise fail(40414, f"BSON field '{self._stage}.{name}' is missing but a required field")
        return value

    def string(self, name: str) -> str | None:
        """A string option."""
        value = self._given.get(name)
        if value is not None and type(value) is not str:
            raise self._wrong(name, value, "string")
        return value

    def document(self, name: str) -> dict[str, Any] | None:
        """An option that is a document."""
        value = self._given.get(name)
        if value is not None and type(value) is not dict:
            raise self._wrong(name, value, "object")
        return value

    def pipeline(self, name: str) -> list[Any] | None:
        """An option that is a list of documents."""
        value = self._given.get(name)
        if value is None:
            return None
        if type(value) is not list:
            raise fail(14, f"'{name}' option must be specified as an array")
        for item in value:
            if type(item) is not dict:
                raise fail(14, f"Each element of the '{name}' array must be an object")
        return value

    def _wrong(self, name: str, value: Any, expected: str) -> Exception:
        return fail(
            14,
            f"BSON field '{self._stage}.{name}' is the wrong type '{alias_of(value)}', expected type '{expected}'",
        )
