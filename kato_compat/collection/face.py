"""What the methods of the face share: normalising arguments, parsing them, and handing documents out."""

from collections.abc import Mapping, Sequence
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.son import SON
from pymongo import common
from pymongo.collation import Collation as PymongoCollation
from pymongo.errors import OperationFailure, WriteError

from kato_compat.ir.predicate import Predicate
from kato_compat.parse.expression import Context
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.sort import Sort, parse_sort
from kato_compat.values.collation import Collation
from kato_compat.values.document import INTERNAL, Document, fresh, normalise, normalise_value

_PLAIN = CodecOptions()


def context(database: str, collection: str, let: Any = None, options: CodecOptions[Any] = INTERNAL) -> Context:
    """The scope of a command's expressions; `let` gives variables, whose values may be constant expressions."""
    scope = Context(database=database, collection=collection)
    if let is None:
        return scope
    common.validate_is_mapping("let", let)
    variables = normalise(let, options)
    constants = {name: scope.parse(value).bind()({}) for name, value in variables.items()}
    return scope.constant(constants)


def collation(raw: Any) -> Collation | None:
    """The parsed collation of a mapping or a pymongo `Collation`; None for binary comparison."""
    if raw is None:
        return None
    document = raw.document if isinstance(raw, PymongoCollation) else raw
    common.validate_is_mapping("collation", document)
    return Collation.parse(normalise(document))


def filter_document(raw: Any, options: CodecOptions[Any]) -> Document:
    """The filter `raw` (None: everything) in internal form. Raises `TypeError` for what is not a mapping."""
    if raw is None:
        return {}
    common.validate_is_mapping("filter", raw)
    return normalise(raw, options)


def predicate(raw: Any, scope: Context, options: CodecOptions[Any], order: Collation | None = None) -> Predicate:
    """The parsed filter of `raw`."""
    return parse_filter(filter_document(raw, options), scope, collation=order)


def projection_document(raw: Any, options: CodecOptions[Any]) -> Document | None:
    """The projection of a mapping or a list of field names, in internal form; None for none."""
    if raw is None:
        return None
    if isinstance(raw, Mapping):
        return normalise(raw, options)
    if isinstance(raw, Sequence) and not isinstance(raw, str):
        if not raw:
            return {"_id": 1}
        for name in raw:
            if not isinstance(name, str):
                raise TypeError("projection must be a list of key names, each an instance of str")
        return dict.fromkeys([str(name) for name in raw], 1)
    raise TypeError("projection must be a mapping or a list of key names")


def sort_pattern(raw: Any, direction: Any = None) -> dict[str, Any] | None:
    """A sort as pymongo takes it (a name, a list of names or pairs, a mapping) as a mapping."""
    if raw is None:
        return None
    if isinstance(raw, str):
        return {raw: 1 if direction is None else direction}
    if direction is not None:
        raise TypeError("direction is only for a single field name")
    if isinstance(raw, Mapping):
        return dict(raw)
    found: dict[str, Any] = {}
    for item in raw:
        if isinstance(item, str):
            found[item] = 1
        else:
            name, order = item
            found[name] = order
    return found


def parsed_sort(raw: Any, scope: Context, order: Collation | None) -> Sort | None:
    """The parsed sort of `raw`; None for none or an empty one."""
    pattern = sort_pattern(raw)
    if not pattern:
        return None
    # As a nested value: at the top of a document BSON encoding moves `_id` to the front.
    return parse_sort(normalise_value(pattern), scope, collation=order, find=True)


def hand_out(document: Document, options: CodecOptions[Any], shared: bool) -> Any:
    """`document` as the caller's codec options want it: always an object of the caller's own."""
    if options == _PLAIN:
        return fresh(document) if shared else document
    # As a nested value: at the top of a document BSON encoding moves `_id` to the front.
    return bson.decode(bson.encode({"v": document}, False, INTERNAL), options)["v"]


def hand_out_value(value: Any, options: CodecOptions[Any]) -> Any:
    """As `hand_out`, for one value."""
    return hand_out({"v": value}, options, True)["v"]


def write_error(error: OperationFailure) -> OperationFailure:
    """The `WriteError` that pymongo raises for a server's error in a write."""
    if isinstance(error, WriteError) or error.code is None or not error.details:
        return error
    details = {"index": 0, "code": error.code, "errmsg": error.details.get("errmsg", str(error))}
    for name in ("keyPattern", "keyValue", "errInfo"):
        if name in error.details:
            details[name] = error.details[name]
    return WriteError(str(details["errmsg"]), error.code, details)


__all__ = [
    "SON",
    "collation",
    "context",
    "filter_document",
    "hand_out",
    "hand_out_value",
    "normalise_value",
    "parsed_sort",
    "predicate",
    "projection_document",
    "sort_pattern",
    "write_error",
]
