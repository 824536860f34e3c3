"""Express updates: of one document by one plain value, in fields at its top by the common operators.

They need no plan where the value is an `_id` or one of a unique index, and what is left of them is a value, a shape
and operands (in MongoDB: EXPRESS_UPDATE).
"""

from functools import partial
from typing import Any, NamedTuple

from bson.objectid import ObjectId

from kato_compat.ir.predicate import AtPath, compile_predicate
from kato_compat.operators.query.comparison import Eq
from kato_compat.parse.command import Write
from kato_compat.parse.prepared import Shape, apply, is_text, prepare
from kato_compat.parse.update import Prepared
from kato_compat.values.document import Document
from kato_compat.values.identity import identity
from kato_compat.values.types import INT32_MAX, INT32_MIN


class Express(NamedTuple):
    """An update of the first document whose field `name` is `value`; `upsert` inserts one if there is none.

    `key` is the identity of an `_id`, None for another field.
    """

    name: str
    value: Any
    key: bytes | None
    shape: Shape
    operands: list[Any]
    upsert: bool

    def write(self) -> Write:
        """The same as a command of the general kind."""
        predicate, update = AtPath((self.name,), Eq(self.value)), Prepared(self.shape, self.operands)
        return Write(predicate, update, seed=partial(update.seed, predicate) if self.upsert else None)

    def matches(self, document: Document) -> bool:
        """Whether the filter matches a document."""
        value = document.get(self.name)
        if type(value) is type(self.value):
            return bool(value == self.value)
        return compile_predicate(AtPath((self.name,), Eq(self.value)))(document)

    def updated(self, document: Document) -> Document:
        """The document after the update, the same object where nothing changes. Raises the errors of the update."""
        return apply(self.shape, self.operands, document, False)

    def inserted(self) -> Document:
        """The document that an upsert inserts, which may lack an `_id`. Raises the errors of the update."""
        return apply(self.shape, self.operands, {self.name: self.value}, True)


def express(selector: Any, change: Any, upsert: bool) -> Express | None:
    """The express update by a filter and an update as a caller gave them; None where there is more to it.

    None also for an update with an error, and for values that are not in internal form already: nothing is copied
    here, so what goes into the update must be immutable.
    """
    if type(selector) is not dict or len(selector) != 1 or type(change) is not dict:
        return None
    ((name, value),) = selector.items()
    known = type(value)
    if known is int:
        if not INT32_MIN <= value <= INT32_MAX:
            return None
    elif not (known is ObjectId or (known is str and is_text(value))):
        return None
    if name == "_id":
        key = identity(value)
    elif type(name) is not str or not name.isidentifier():
        return None
    else:
        key = None
    found = prepare(change, given=True)
    return None if found is None else Express("_id" if key else name, value, key, *found, upsert)


__all__ = ["Express", "express"]
