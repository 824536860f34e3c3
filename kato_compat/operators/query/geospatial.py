"""Geospatial query operators: known and refused (MongoDB manual: Geospatial Query Operators)."""

from collections.abc import Mapping
from typing import Any, Final

from kato_compat.errors import fail, refused
from kato_compat.ir.filter import FieldOperator, FilterScope
from kato_compat.ir.predicate import Predicate
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Kind, Spec, Status
from kato_compat.values.paths import Path

_REASON: Final = "there is no geometry on a sphere and no geospatial index here"


class _Geospatial(FieldOperator):
    """The base of the refused operators."""

    __slots__ = ()

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate | None:
        """See `FieldOperator.parse`. Raises 115."""
        raise refused(cls.spec.name, cls.spec.limits)


class _Specifier(FieldOperator):
    """The base of what stands inside the operand of a refused operator."""

    __slots__ = ()

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate | None:
        """See `FieldOperator.parse`. Raises 2: by itself it is no operator."""
        raise fail(2, f"unknown operator: {cls.spec.name}")


def _refused(base: type, name: str, since: str, summary: str) -> None:
    spec = Spec(name, Kind.QUERY, since, summary, Status.REFUSED, _REASON)
    register(type(name.removeprefix("$"), (base,), {"__slots__": (), "__doc__": f"`{name}`: refused.", "spec": spec}))


_refused(_Geospatial, "$geoWithin", "2.4", "A geometry within another.")
_refused(_Geospatial, "$geoIntersects", "2.4", "A geometry that intersects another.")
_refused(_Geospatial, "$near", "1.0", "The documents nearest to a point, nearest first.")
_refused(_Geospatial, "$nearSphere", "1.8", "The documents nearest to a point on a sphere, nearest first.")
_refused(_Geospatial, "$geoNear", "1.0", "An old name of `$near`.")
_refused(_Geospatial, "$within", "1.4", "An old name of `$geoWithin`.")
_refused(_Specifier, "$box", "1.4", "A rectangle, for `$geoWithin`.")
_refused(_Specifier, "$center", "1.4", "A circle on a plane, for `$geoWithin`.")
_refused(_Specifier, "$centerSphere", "1.8", "A circle on a sphere, for `$geoWithin`.")
_refused(_Specifier, "$polygon", "1.9", "A polygon, for `$geoWithin`.")
_refused(_Specifier, "$geometry", "2.4", "A GeoJSON geometry, for the geospatial operators.")
_refused(_Specifier, "$maxDistance", "1.0", "The largest distance, for `$near` and `$nearSphere`.")
_refused(_Specifier, "$minDistance", "2.6", "The smallest distance, for `$near` and `$nearSphere`.")
