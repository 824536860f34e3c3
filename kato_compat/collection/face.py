"""What the methods of the face share: normalising arguments, parsing them, and handing documents out."""

from typing import Any, Final

import bson
from bson.codec_options import CodecOptions
from pymongo import common, helpers_shared
from pymongo.collation import validate_collation_or_none
from pymongo.errors import OperationFailure, WriteError

from kato_compat.errors import code_name
from kato_compat.ir.predicate import Predicate
from kato_compat.parse.expression import Context
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.sort import Sort, parse_sort
from kato_compat.values.collation import Collation
from kato_compat.values.document import INTERNAL, Document, fresh, normalise, normalise_value

_PLAIN: Final[CodecOptions[Any]] = CodecOptions()


def context(
    database: str,
    collection: str,
    let: Any = None,
    options: CodecOptions[Any] = INTERNAL,
    order: Collation | None = None,
) -> Context:
    """The scope of a command's expressions; `let` gives variables, each of which may read those before it.

    Raises 9 for a name that no variable may have, 4890500 for a value that reads a document.
    """
    scope = Context(database=database, collection=collection, collation=order)
    if let is None:
        return scope
    common.validate_is_mapping("let", let)
    return scope.let(normalise(let, options))


def collation(raw: Any) -> Collation | None:
    """The parsed collation of a mapping or a pymongo `Collation`; None for binary comparison."""
    document = validate_collation_or_none(raw)
    return None if document is None else Collation.parse(normalise(document))


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
    """The projection of a mapping or a collection of field names, in internal form; None for none or an empty one."""
    if raw is None:
        return None
    return normalise(helpers_shared._fields_list_to_dict(raw, "projection"), options) or None


def parsed_sort(raw: Any, scope: Context, order: Collation | None) -> Sort | None:
    """The parsed sort of `raw`, a mapping or a list of names or pairs; None for none."""
    if not raw:
        return None
    pattern = helpers_shared._index_document(raw)
    # As a nested value: at the top of a document BSON encoding moves `_id` to the front.
    return parse_sort(normalise_value(pattern), scope, collation=order, find=True)


def hand_out(document: Document, options: CodecOptions[Any], shared: bool) -> Any:
    """`document` as the caller's codec options want it: always an object of the caller's own."""
    if options == _PLAIN:
        return fresh(document) if shared else document
    # As a nested value: at the top of a document BSON encoding moves `_id` to the front.
    return bson.decode(bson.encode({"v": document}, False, INTERNAL), options)["v"]


def hand_out_all(documents: list[Document], options: CodecOptions[Any], shared: bool) -> list[Any]:
    """`documents` as `hand_out` gives each of them."""
    if options == _PLAIN:
        return [fresh(document) for document in documents] if shared else documents
    return [hand_out(document, options, shared) for document in documents]


def hand_out_value(value: Any, options: CodecOptions[Any]) -> Any:
    """As `hand_out`, for one value."""
    return hand_out({"v": value}, options, True)["v"]


#: Unauthorized, ProtocolError, AuthenticationFailed, MaxTimeMSExpired, CommandNotSupported, NotImplemented.
_OF_NO_WRITE: Final = frozenset({13, 17, 18, 50, 115, 238})


def is_of_write(error: OperationFailure) -> bool:
    """Whether `error` is about one write: not one that a store gives, nor what this library refuses or lacks."""
    details = error.details or {}
    if error.code is None or error.code in _OF_NO_WRITE:
        return False
    return "redisError" not in details and "clickhouseCode" not in details


def write_error(error: OperationFailure) -> OperationFailure:
    """The `WriteError` that pymongo raises for a server's error in a write, with its details."""
    if isinstance(error, WriteError) or not is_of_write(error) or not error.details:
        return error
    details = {"index": 0, "code": error.code, "errmsg": error.details.get("errmsg", str(error))}
    for name in ("keyPattern", "keyValue", "errInfo"):
        if name in error.details:
            details[name] = error.details[name]
    return WriteError(str(details["errmsg"]), error.code, details)


def command_error(error: OperationFailure) -> OperationFailure:
    """`error` with the details that a command's reply has, where those are of a write: findAndModify is a command."""
    details = error.details or {}
    if error.code is None or "ok" in details:
        return error
    reply: dict[str, Any] = {"ok": 0.0, "errmsg": details.get("errmsg", str(error))}
    reply |= {"code": error.code, "codeName": code_name(error.code)}
    reply |= {name: details[name] for name in ("keyPattern", "keyValue") if name in details}
    return type(error)(str(reply["errmsg"]), error.code, reply)


__all__ = [
    "collation",
    "command_error",
    "context",
    "filter_document",
    "hand_out",
    "hand_out_all",
    "hand_out_value",
    "is_of_write",
    "parsed_sort",
    "predicate",
    "projection_document",
    "write_error",
]
