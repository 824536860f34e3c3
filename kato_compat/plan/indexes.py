"""Indexes in plans: reading their definitions, and choosing the one that answers a filter and an order.

A lookup reads the entries of one index in ranges of sortable keys; its documents are a superset of those that match,
and are checked again. MongoDB manual: Compound Indexes, Multikey Index Bounds, Sparse Indexes, Partial Indexes.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from bson.int64 import Int64
from bson.regex import Regex

from kato_compat.errors import fail, refused
from kato_compat.ir.predicate import ALWAYS, And, AtPath, Constant, Or, Predicate
from kato_compat.mapping.index import Index
from kato_compat.operators.query.comparison import Eq, Gt, Gte, In, Lt, Range
from kato_compat.operators.query.element import Exists, Type
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.sort import Sort
from kato_compat.parse.update import check_features
from kato_compat.plan.pin import pinned
from kato_compat.values.collation import Collation
from kato_compat.values.document import Document
from kato_compat.values.numbers import integral, long_of
from kato_compat.values.order import (
    BIN_DATA,
    BOOL,
    DATE,
    NAN,
    NUMBER,
    OBJECT_ID,
    STRING,
    TIMESTAMP,
    sort_key,
)
from kato_compat.values.paths import Path, split
from kato_compat.values.sortable import LAST, bounds, inverted
from kato_compat.values.types import INT32_MAX, alias_of, is_number

#: The most ranges of a lookup: a filter that pins more values is read by fewer of its fields.
_RANGES: Final = 1000
#: Brackets whose values compare with ranges of that bracket only, by one key each.
_RANGED: Final = frozenset({NUMBER, STRING, BIN_DATA, OBJECT_ID, BOOL, DATE, TIMESTAMP})
_PARTIAL_TESTS: Final = (Eq, In, Range, Exists, Type)
_REFUSED: Final = {
    "text": "there is no text search",
    "2d": "there are no geospatial queries",
    "2dsphere": "there are no geospatial queries",
    "hashed": "there is no sharding",
    "columnstore": "there are no column store indexes",
}
_WILDCARD: Final = ("a wildcard index", "its entries could not be planned with")
_IGNORED: Final = frozenset({"background", "v", "commitQuorum", "comment", "maxTimeMS", "session", "writeConcern"})
_KNOWN: Final = frozenset(
    {"name", "unique", "sparse", "partialFilterExpression", "hidden", "expireAfterSeconds", "collation", "bucketSize"}
)
#: Options that are true or false, as a bool or as a number.
_FLAGS: Final = frozenset({"unique", "sparse", "background"})
#: What the index on `_id` may be described by.
_OF_ID: Final = frozenset({"key", "name", "v", "collation"})
_MAX_KEYS: Final = 32

KeyRange = tuple[bytes, bytes]


def load(definition: Document) -> Index:
    """The index that a stored definition (`Index.definition`) describes."""
    options = {key: value for key, value in definition.items() if key not in ("v", "key", "name", "unique")}
    return _index(definition["name"], tuple(definition["key"].items()), bool(definition.get("unique")), options)


def _index(name: str, keys: tuple[tuple[str, Any], ...], unique: bool, options: dict[str, Any]) -> Index:
    raw = options.get("partialFilterExpression")
    order = Collation.parse(options.get("collation"))
    return Index(name, keys, unique, options, None if raw is None else parse_filter(raw, collation=order))


def index_of(document: Document) -> Index:
    """The index that a createIndexes document describes.

    Raises 67 (bad keys, filter or expiry), 14 (an option's type), 2 (a reserved name, an empty collation), 197 (an
    unknown option, or one that `_id` has not), and refuses (115) kinds of indexes that there are not.
    """
    keys = tuple(document["key"].items())
    _check_keys(keys)
    _check_types(document)
    options: dict[str, Any] = {}
    for name, value in document.items():
        if name in ("key", "name", "unique") or name in _IGNORED:
            continue
        if name == "wildcardProjection":
            raise refused(*_WILDCARD)
        if name not in _KNOWN:
            raise fail(197, f"The field '{name}' is not valid for an index specification")
        if name in ("sparse", "hidden"):
            if value:
                options[name] = True
        elif name == "collation":
            order = Collation.parse(value)
            if order is not None:
                options[name] = order.document
        else:
            options[name] = value
    _check_options(keys, document, options)
    name = "_id_" if keys == (("_id", 1),) else document["name"]
    if not name:
        raise fail(67, "index names cannot be empty")
    index = _index(name, keys, bool(document.get("unique", False)), options)
    if index.partial is not None:
        _check_partial(index.partial)
    return index


def _check_keys(keys: tuple[tuple[str, Any], ...]) -> None:
    if not keys:
        raise fail(67, "Index keys cannot be an empty object")
    if len(keys) > _MAX_KEYS:
        raise fail(67, f"Index key pattern cannot have more than {_MAX_KEYS} fields")
    for path, order in keys:
        parts = path.split(".")
        if any(not part for part in parts):
            raise fail(67, f"Index key contains an empty path component: {path!r}")
        if "$**" in parts:
            raise refused(*_WILDCARD)
        if any(part.startswith("$") and part not in ("$ref", "$id", "$db") for part in parts):
            raise fail(67, f"Index key contains an illegal field name: field name starts with '$': {path!r}")
        if isinstance(order, str):
            if order not in _REFUSED:
                raise fail(67, f"Unknown index plugin '{order}'")
            raise refused(f"a {order} index", _REFUSED[order])
        if isinstance(order, bool) or not isinstance(order, int | float | Int64) or not order or order != order:
            raise fail(67, f"Values in the index key pattern must be non-zero numbers, got {order!r} for {path}")


def _check_types(document: Document) -> None:
    """The types that the server asks of an index's options, whether or not it goes on to use them."""
    for name, value in document.items():
        if name in _FLAGS and not is_number(value) and type(value) is not bool:
            raise fail(14, f"The field '{name} has value {value!r}, which is not convertible to bool")
        if name == "hidden" and type(value) is not bool:
            raise fail(14, f"The field 'hidden' must be a bool, but got {alias_of(value)}")
        if name in ("collation", "partialFilterExpression") and type(value) is not dict:
            raise fail(14, f"The field '{name}' must be an object, but got {alias_of(value)}")
        if name == "collation" and not value:
            raise fail(2, "The field 'collation' cannot be an empty object.")
        if name == "partialFilterExpression":
            check_features(value)
        if name == "v":
            if not is_number(value):
                raise fail(14, f"The field 'v' must be a number, but got {alias_of(value)}")
            if integral(value) is None:
                raise fail(2, f"Index version must be representable as a 32-bit integer, but got {value}")
            if integral(value) not in (1, 2):
                raise fail(67, f"Invalid index specification {document}; cannot create an index with v={value}")


def _check_options(keys: tuple[tuple[str, Any], ...], document: Document, options: dict[str, Any]) -> None:
    if len(keys) == 1 and keys[0][0] == "_id" and keys[0][1] in (1, -1):
        for name in document:
            if name not in _OF_ID:
                raise fail(197, f"The field '{name}' is not valid for an _id index specification")
        if keys[0][1] != 1:
            raise fail(2, f"The field 'key' for an _id index must be {{_id: 1}}, but got {dict(keys)}")
    elif document["name"] == "_id_":
        raise fail(2, "The index name '_id_' is reserved for the _id index, which must have key pattern {_id: 1}")
    elif document["name"] == "*":
        raise fail(2, "The index name '*' is not valid.")
    if "partialFilterExpression" in options and options.get("sparse"):
        raise fail(67, 'cannot mix "partialFilterExpression" and "sparse" options')
    if "expireAfterSeconds" in options:
        whole = lifetime(options["expireAfterSeconds"], 67)
        if len(keys) > 1:
            raise fail(67, "TTL indexes are single-field indexes, compound indexes do not support TTL.")
        options["expireAfterSeconds"] = whole


def lifetime(seconds: Any, code: int) -> int:
    """``expireAfterSeconds`` as a whole number. Raises `code` for what is none, or not within 32 bits."""
    if not is_number(seconds) or seconds != seconds:
        raise fail(code, f"TTL index 'expireAfterSeconds' option must be numeric and not NaN, got {seconds!r}")
    whole = long_of(seconds)
    if not 0 <= whole <= INT32_MAX:
        raise fail(code, f"TTL index 'expireAfterSeconds' option must be within an acceptable range, not {seconds}")
    return whole


def _check_partial(predicate: Predicate) -> None:
    match predicate:
        case And(terms) | Or(terms):
            for term in terms:
                _check_partial(term)
        case Constant():
            pass
        case AtPath(_, test) if isinstance(test, _PARTIAL_TESTS) and not getattr(test, "patterns", ()):
            pass
        case _:
            name = predicate.test.spec.name if isinstance(predicate, AtPath) else "$not"
            raise fail(67, f"Expression not supported in partial index: {name}")


# choosing


@dataclass(frozen=True, slots=True)
class Lookup:
    """How an index answers a filter: ranges of its entries (from, up to but not with).

    `loose` are the ranges to read where an array is in the index: bounds of two fields, or the two ends of one
    range, can then be met by different elements. `ordered`: reading forwards (or `reverse`) gives the order asked
    for, unless an array is in the index.
    """

    index: Index
    ranges: tuple[KeyRange, ...]
    loose: tuple[KeyRange, ...]
    ordered: bool = False
    reverse: bool = False
    fields: int = 0


def choose(predicate: Predicate, sort: Sort | None, limit: int, indexes: tuple[Index, ...]) -> Lookup | None:
    """The lookup that reads least, None where none helps: most fields by equality, then a range, then the order."""
    best: tuple[Any, ...] = ()
    found: Lookup | None = None
    for index in indexes:
        if index.hidden or (index.partial is not None and not implies(predicate, index.partial)):
            continue
        made = _lookup(index, predicate, sort, limit)
        if made is None:
            continue
        lookup, bounded = made
        rank = (lookup.fields == len(index.keys) and index.unique, lookup.fields, bounded, lookup.ordered)
        if found is None or rank > best:
            best, found = rank, lookup
    return found


def _lookup(index: Index, predicate: Predicate, sort: Sort | None, limit: int) -> tuple[Lookup, bool] | None:
    prefixes: list[bytes] = [b""]
    first: tuple[KeyRange, ...] | None = None
    single: set[Path] = set()
    fields = 0
    for position, path in enumerate(index.paths):
        values = pinned(predicate, split(path), index.collation)
        if values is None:
            break
        keys = list(dict.fromkeys(index.encode(position, value) for value in values))
        if len(prefixes) * len(keys) > _RANGES:
            break
        prefixes = [before + key for before, key in product(prefixes, keys)]
        fields += 1
        if len(keys) == 1:
            single.add(split(path))
        if position == 0:
            first = tuple((key, key + LAST) for key in keys)
    ranges = tuple((prefix, prefix + LAST) for prefix in sorted(prefixes))
    loose = first
    bounded = False
    if fields < len(index.paths):
        limits = _limits(index, fields, predicate)
        if limits is not None:
            bounded = True
            (low, high), one_sided = limits
            ranges = tuple((prefix + low, prefix + high) for prefix in sorted(prefixes))
            if loose is None:
                loose = (one_sided,)
    if loose is None:
        loose = ((b"\x01", LAST),)
        ranges = loose if not bounded and not fields else ranges
    ordered, reverse = _order(index, sort, fields, single)
    if not fields and not bounded and (not ordered or not limit or index.sparse):
        return None
    return Lookup(index, ranges, loose, ordered, reverse, fields), bounded


def _order(index: Index, sort: Sort | None, fields: int, single: set[Path]) -> tuple[bool, bool]:
    """Whether the entries within one range are in the order of `sort`, and whether backwards."""
    if sort is None or not sort.fields or sort.collation != index.collation or fields != len(single):
        return False, False
    left = [(path, direction) for path, direction in sort.fields if path not in single]
    keys = [(split(path), -1 if order < 0 else 1) for path, order in index.keys[fields:]]
    if not left:
        return not keys, False
    if left == keys:
        return True, False
    return left == [(path, -order) for path, order in keys], True


def _limits(index: Index, position: int, predicate: Predicate) -> tuple[KeyRange, KeyRange] | None:
    """The range of keys at a position that the range tests of a filter allow, and the same by one test alone."""
    path = split(index.paths[position])
    tests = [
        term.test
        for term in (predicate.terms if isinstance(predicate, And) else (predicate,))
        if isinstance(term, AtPath) and term.path == path and isinstance(term.test, Range)
        if term.test.collation == index.collation and _bracket(term.test.operand) in _RANGED
    ]
    if not tests or len({_bracket(test.operand) for test in tests}) > 1:
        return None
    each = [_interval(index, position, test) for test in tests]
    return (max(low for low, _ in each), min(high for _, high in each)), each[0]


def _bracket(value: Any) -> int:
    if type(value) is list or type(value) is Regex:
        return -1
    kind: int = sort_key(value)[0]
    return -1 if kind == NAN else kind


def _interval(index: Index, position: int, test: Range) -> KeyRange:
    key = index.encode(position, test.operand)
    low, high = bounds(_bracket(test.operand))
    descending = index.descending(position)
    if descending:
        # Turned round, the first bytes of a bracket run from the inverse of its last to the inverse of its first.
        low, high = bytes([inverted(high)[0] + 1]), bytes([inverted(low)[0] + 1])
    match test:
        case Gt():
            return (low, key) if descending else (key + LAST, high)
        case Gte():
            return (low, key + LAST) if descending else (key, high)
        case Lt():
            return (key + LAST, high) if descending else (low, key)
        case _:
            return (key, high) if descending else (low, key + LAST)


# implication


def implies(predicate: Predicate, partial: Predicate) -> bool:
    """Whether every document that matches `predicate` is sure to match `partial`. False where it is not known."""
    if partial == ALWAYS or predicate == partial:
        return True
    match partial:
        case And(terms):
            return all(implies(predicate, term) for term in terms)
        case Or(terms) if any(implies(predicate, term) for term in terms):
            return True
    match predicate:
        case And(terms):
            return any(implies(term, partial) for term in terms)
        case Or(terms):
            return bool(terms) and all(implies(term, partial) for term in terms)
        case AtPath(path, test) if isinstance(partial, AtPath) and path == partial.path:
            return _test_implies(test, partial.test)
        case _:
            return False


def _test_implies(test: Any, wanted: Any) -> bool:
    match test:
        case Eq(operand, order):
            values = [operand]
        case In(values=several, patterns=(), collation=order):
            values = list(several)
        case Range(operand, order):
            if _bracket(operand) not in _RANGED:
                return False
            if isinstance(wanted, Exists):
                return True
            return isinstance(wanted, Range) and wanted.collation == order and _narrower(test, wanted)
        case _:
            return False
    if any(value is None or type(value) is list for value in values):
        return False
    if getattr(wanted, "collation", order) != order:
        return False
    check = wanted.compile()
    return all(check(value) for value in values)


def _narrower(test: Range, wanted: Range) -> bool:
    """Whether all that pass a range test pass another one in the same direction."""
    up = (Gt, Gte)
    if isinstance(test, up) != isinstance(wanted, up) or _bracket(test.operand) != _bracket(wanted.operand):
        return False
    if wanted.compile()(test.operand):
        return True
    # The very bound passes neither, or only the wider test needs to let it through.
    same = sort_key(test.operand) == sort_key(wanted.operand)
    return same and isinstance(test, Gt | Lt) and isinstance(wanted, Gt | Lt)


__all__ = ["KeyRange", "Lookup", "choose", "implies", "index_of", "lifetime", "load"]
