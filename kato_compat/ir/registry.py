"""The registry of operators: the only list of operator names there is."""

from collections.abc import Iterator
from typing import Any, Final, TypeVar

from kato_compat.ir.spec import Kind, Spec

C = TypeVar("C", bound=type)

_REGISTRY: Final[dict[Kind, dict[str, Any]]] = {kind: {} for kind in Kind}


def register(operator: C) -> C:
    """Class decorator: make an operator known under its `spec`. Raises `ValueError` for a name taken."""
    spec: Spec = operator.spec  # type: ignore[attr-defined]
    names = _REGISTRY[spec.kind]
    if spec.name in names:
        raise ValueError(f"{spec.kind.value} operator {spec.name} is registered twice")
    names[spec.name] = operator
    return operator


def find(kind: Kind, name: str) -> Any | None:
    """The operator class of that kind and name, or None."""
    return _REGISTRY[kind].get(name)


def operators(kind: Kind | None = None) -> Iterator[Any]:
    """All operator classes, of one kind or of all, by kind and name."""
    for each in Kind if kind is None else (kind,):
        for name in sorted(_REGISTRY[each]):
            yield _REGISTRY[each][name]
