"""Express updates: one document by a plain `_id`, changed in fields at its top by the common operators.

They need no plan and no search, and what is left of them is a key, a shape and operands (in MongoDB: EXPRESS_UPDATE).
"""

from functools import partial
from typing import Any, Final, NamedTuple

from bson.int64 import Int64
from bson.objectid import ObjectId

from kato_compat.ir.predicate import AtPath
from kato_compat.operators.query.comparison import Eq
from kato_compat.parse.command import Write
from kato_compat.parse.prepared import Shape, apply, prepare
from kato_compat.parse.update import Prepared
from kato_compat.values.document import Document
from kato_compat.values.identity import identity

#: Types of `_id` whose values match those of the same identity, and no others.
_PLAIN: Final = frozenset({str, int, Int64, ObjectId})


class Express(NamedTuple):
    """An update of the document whose `_id` is `value`, and has the identity `key`; `upsert` inserts it if need be."""

    key: bytes
    value: Any
    shape: Shape
    operands: list[Any]
    upsert: bool

    def write(self) -> Write:
        """The same as a command of the general kind."""
        predicate, update = AtPath(("_id",), Eq(self.value)), Prepared(self.shape, self.operands)
        return Write(predicate, update, seed=partial(update.seed, predicate) if self.upsert else None)

    def updated(self, document: Document) -> Document:
        """The document after the update, the same object where nothing changes. Raises the errors of the update."""
        return apply(self.shape, self.operands, document, False)

    def inserted(self) -> Document:
        """The document that an upsert inserts. Raises the errors of the update."""
        return apply(self.shape, self.operands, {"_id": self.value}, True)


def express(selector: Any, change: Any, upsert: bool) -> Express | None:
    """The express update by a filter and an update of internal form; None where there is more to it."""
    if type(selector) is not dict or len(selector) != 1 or "_id" not in selector or type(change) is not dict:
        return None
    value = selector["_id"]
    if type(value) not in _PLAIN:
        return None
    found = prepare(change)
    return None if found is None else Express(identity(value), value, *found, upsert)


__all__ = ["Express", "express"]
