"""The one sentinel for an absent field."""

from enum import Enum
from typing import Final


class Missing(Enum):
    """The type of `MISSING`; an enum member, so that `is MISSING` narrows for a type checker."""

    MISSING = "missing"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
