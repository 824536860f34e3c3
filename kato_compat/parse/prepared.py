"""Prepared updates: what updates of one shape have in common is found out once, as in prepared statements.

The shape of an update is its operators and their paths, in order. Where all paths are top-level fields and the
operators are the common ones, the shape alone decides whether it is valid and in which order it is applied; the
operands take their places in it. Any other update, and every one with an error, is for `parse_update`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo.errors import OperationFailure

from kato_compat.ir.registry import find
from kato_compat.ir.spec import Kind
from kato_compat.ir.update import ORDER, Modifier, ObjectNode, Run
from kato_compat.operators.update.arithmetic import Inc
from kato_compat.operators.update.field import Set, SetOnInsert, Unset
from kato_compat.parse.tree import Tree
from kato_compat.values.document import Document
from kato_compat.values.equality import same
from kato_compat.values.missing import MISSING
from kato_compat.values.types import INT32_MAX, INT32_MIN
from kato_compat.values.validity import MAX_DEPTH, depth_of

#: The most fields of one operator in a shape that is kept, and the most shapes.
_FIELDS: Final = 32
_SHAPES: Final = 512
#: Types of values that are in internal form as they are and nest nothing; strings and integers are looked at.
_FIXED: Final = frozenset({float, bool, type(None), ObjectId, bytes})
_SET, _INC, _UNSET, _SET_ON_INSERT = range(4)
_KINDS: Final[dict[type[Modifier], int]] = {Set: _SET, Inc: _INC, Unset: _UNSET, SetOnInsert: _SET_ON_INSERT}

#: The operators of an update, each after None and before its paths.
Form = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A valid shape: the kind of operator of each operand in order of mention, and the steps of applying it.

    A step is a field, the kind of its operator, and the place of its operand.
    """

    kinds: tuple[int, ...]
    steps: tuple[tuple[str, int, int], ...]
    names: frozenset[str]

    def root(self, operands: list[Any]) -> ObjectNode:
        """The tree of an update of this shape."""
        made: dict[int, Any] = {_SET: Set, _INC: Inc, _SET_ON_INSERT: SetOnInsert}
        return ObjectNode(
            {name: Unset() if kind == _UNSET else made[kind](operands[place]) for name, kind, place in self.steps}
        )


@lru_cache(maxsize=_SHAPES)
def _shape(form: Form) -> Shape | None:
    tree = Tree({})
    kinds: list[int] = []
    names: list[str] = []
    kind: int | None = None
    for before, name in zip((None, *form), form, strict=False):
        if name is None:
            continue
        if type(name) is not str or "\0" in name or not is_text(name):
            return None
        if before is None:
            kind = _KINDS.get(find(Kind.UPDATE, name))  # type: ignore[arg-type]
        if kind is None or name == "_id":
            return None
        if before is None:
            continue
        try:
            path = tree.path(name)
            tree.add(path, Unset())
        except OperationFailure:
            return None
        if len(path) > 1 or name[0] == "$":
            return None
        kinds.append(kind)
        names.append(name)
    order = sorted(range(len(names)), key=lambda place: ORDER(names[place]))
    steps = tuple((names[place], kinds[place], place) for place in order)
    return Shape(tuple(kinds), steps, frozenset(names))


def prepare(raw: Mapping[str, Any], given: bool = False) -> tuple[Shape, list[Any]] | None:
    """The shape of an update of internal form, and its operands; None for one that must be parsed.

    `given`: the update is as a caller gave it; None also where that is not its internal form already.
    """
    form: list[str | None] = []
    operands: list[Any] = []
    for operator, fields in raw.items():
        if type(fields) is not dict or len(fields) > _FIELDS:
            return None
        form += (None, operator, *fields)
        operands += fields.values()
    shape = _shape(tuple(form))
    if shape is None:
        return None
    for kind, operand in zip(shape.kinds, operands, strict=True):
        known = type(operand)
        if known is int:
            if not INT32_MIN <= operand <= INT32_MAX:
                return None
            continue
        if known is str:
            if given and not is_text(operand):
                return None
        elif known not in _FIXED and (given or (known is not Int64 and depth_of(operand) >= MAX_DEPTH)):
            return None
        if kind == _INC and known is not float and known is not Int64:
            return None
    return shape, operands


def is_text(value: str) -> bool:
    """Whether a string can be stored: it has no lone surrogates."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def apply(shape: Shape, operands: list[Any], document: Document, inserting: bool) -> Document:
    """`document` after an update, the same object where nothing changes (as `values.equality.same` has it).

    Raises what `$inc` raises for a value that it cannot add to.
    """
    result = document
    for name, kind, place in shape.steps:
        value = document.get(name, MISSING)
        if kind == _SET:
            new = operands[place]
        elif kind == _INC:
            new = operand = operands[place]
            if type(value) is int and type(operand) is int:
                new = value + operand
                if not (INT32_MIN <= new <= INT32_MAX and INT32_MIN <= value <= INT32_MAX):
                    new = Inc(operand).update(value, (name,), Run(document, None, inserting))
            elif value is not MISSING:
                new = Inc(operand).update(value, (name,), Run(document, None, inserting))
        elif kind == _UNSET:
            new = MISSING
        elif inserting:
            new = operands[place]
        else:
            continue
        if new is value or same(new, value):
            continue
        if result is document:
            result = document.copy()
        if new is MISSING:
            del result[name]
        else:
            result[name] = new
    return result


__all__ = ["Shape", "apply", "is_text", "prepare"]
