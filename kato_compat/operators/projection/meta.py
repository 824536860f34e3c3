"""`$meta` in a projection."""

from dataclasses import dataclass
from typing import ClassVar

from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec, Status


@register
@dataclass(frozen=True, slots=True)
class Meta:
    """`$meta` (MongoDB manual: $meta): a computed field that fits inclusions and exclusions alike.

    The expression of the same name gives its value.
    """

    spec: ClassVar[Spec] = Spec(
        "$meta",
        Kind.PROJECTION,
        "2.6",
        "The metadata of a document: a search score, its sort key, ..",
        Status.PARTIAL,
        limits="documents carry no search scores and no sort keys: asking for them is refused",
        examples=(Example(({"_id": 1, "a": 2},), {"m": {"$meta": "indexKey"}}, [{"_id": 1, "a": 2}]),),
    )
