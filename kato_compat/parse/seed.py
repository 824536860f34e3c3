"""The document that an upsert starts from (MongoDB manual: update, upsert behavior)."""

from typing import Any

from kato_compat.errors import fail
from kato_compat.ir.predicate import And, AtPath, Not, Or, Predicate
from kato_compat.operators.query.comparison import Eq
from kato_compat.values.document import Document
from kato_compat.values.paths import Path


def seed(predicate: Predicate, *, identity_only: bool = False) -> Document:
    """The document that an upsert with the filter `predicate` starts from (MongoDB manual: update, upsert behavior).

    It has the fields that the filter compares for equality, in conjunctions only, at dotted paths too: the ``_id``
    first, the others in the order of their dotted paths. `identity_only` is for replacements. Raises 54 where
    a path is given twice, or inside another; 111 where a replacement's filter gives parts of the ``_id`` only.
    """
    if type(predicate) is AtPath and len(predicate.path) == 1 and type(predicate.test) is Eq:
        # The common case: one field.
        (name,) = predicate.path
        return {} if identity_only and name != "_id" else {name: predicate.test.operand}
    found: dict[Path, Any] = {}
    _collect(predicate, found, identity_only)
    document: Document = {}
    for path in sorted(found, key=lambda path: (path[0] != "_id", ".".join(path))):
        holder = document
        for name in path[:-1]:
            holder = holder.setdefault(name, {})
        holder[path[-1]] = found[path]
    return document


def _collect(node: Predicate, found: dict[Path, Any], identity_only: bool) -> None:
    match node:
        case And(terms):
            for term in terms:
                _collect(term, found, identity_only)
        case Or((term,)):
            _collect(term, found, identity_only)
        case Not(Not(term)):
            _collect(term, found, identity_only)
        case AtPath(path, Eq() as test):
            if identity_only:
                if path[0] != "_id":
                    return
                if len(path) > 1:
                    raise fail(
                        111,
                        f"field at '_id' must be exactly specified, field at sub-path '{'.'.join(path)}'found",
                    )
            for other in found:
                common = min(len(path), len(other))
                if path[:common] != other[:common]:
                    continue
                if path == other:
                    what = f"path '{'.'.join(path)}' is matched twice"
                else:
                    longer, shorter = sorted((path, other), key=len, reverse=True)
                    what = f"both paths '{'.'.join(longer)}' and '{'.'.join(shorter)}' are matched"
                raise fail(54, f"cannot infer query fields to set, {what}")
            found[path] = test.operand
        case _:
            return
