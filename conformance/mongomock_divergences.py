"""Where mongomock 4.3 is known to answer otherwise than MongoDB: the written list.

Each divergence recognises, from the documents and the query, what mongomock is wrong on, and says what MongoDB does.
A disagreement that none of them recognises is an error: ours, or one that must be written down here with its reason.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from bson.code import Code
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.regex import Regex
from bson.timestamp import Timestamp


@dataclass(frozen=True, slots=True)
class Asked:
    """One comparison: the documents, what was asked of them, and the kinds of both answers.

    `query` are the arguments of the call; `ours` and `theirs` are ``("result", ..)`` or ``("error", ..)``.
    """

    documents: list[dict[str, Any]]
    query: Any
    ours: tuple[str, Any]
    theirs: tuple[str, Any]


Recogniser: TypeAlias = Callable[[Asked], bool]


@dataclass(frozen=True, slots=True)
class Divergence:
    """One entry: `name`, the `reason` (what MongoDB does instead), and how it is recognised."""

    name: str
    reason: str
    holds: Recogniser


def nodes(value: Any) -> Iterator[Any]:
    """`value` and all that is inside of it."""
    yield value
    if isinstance(value, dict):
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from nodes(item)


def everything(asked: Asked) -> Iterator[Any]:
    """All that is inside of the documents and of the query."""
    for document in asked.documents:
        yield from nodes(document)
    yield from nodes(asked.query)


def names(value: Any) -> set[str]:
    """All names of fields and operators in `value`."""
    return {name for node in nodes(value) if isinstance(node, dict) for name in node}


def _uses(*wanted: str) -> Recogniser:
    return lambda asked: not names(asked.query).isdisjoint(wanted)


def _holds(*types: type) -> Recogniser:
    """A value of one of `types` is in the query or the documents."""
    return lambda asked: any(isinstance(node, types) for node in everything(asked))


def _nested_lists(asked: Asked) -> bool:
    return any(isinstance(node, list) and any(isinstance(item, list) for item in node) for node in everything(asked))


def _lists(asked: Asked) -> bool:
    return any(isinstance(node, list) for document in asked.documents for node in nodes(document))


def _dotted(asked: Asked) -> bool:
    texts = [node for node in nodes(asked.query) if isinstance(node, str)] + sorted(names(asked.query))
    return any("." in text for text in texts)


def _null(asked: Asked) -> bool:
    return any(node is None for node in everything(asked))


def _bool(asked: Asked) -> bool:
    return any(isinstance(node, bool) for node in everything(asked))


def _not_finite(asked: Asked) -> bool:
    return any(
        isinstance(node, float) and (node != node or node in (float("inf"), float("-inf")))
        for node in everything(asked)
    )


def _empty_document(asked: Asked) -> bool:
    inside = [item for document in asked.documents for item in document.values()]
    wanted = asked.query.get("filter", {}) if isinstance(asked.query, dict) else {}
    return any(node == {} for node in (*nodes(inside), *nodes(list(wanted.values()))))


def _documents_in_query(asked: Asked) -> bool:
    """A sub-document is compared as a whole."""
    held = any(isinstance(node, dict) for document in asked.documents for node in nodes(list(document.values())))
    return held and any(
        isinstance(node, dict) and not any(name.startswith("$") for name in node) for node in nodes(asked.query)
    )


def _mixed_types(asked: Asked) -> bool:
    """Values of several type brackets are ordered."""
    return len({_bracket(node) for document in asked.documents for node in nodes(document) if not _holder(node)}) > 1


def _holder(value: Any) -> bool:
    return isinstance(value, dict | list)


def _bracket(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float | Decimal128) else type(value).__name__


def _their_crash(asked: Asked) -> bool:
    return asked.theirs[0] == "crash"


def _our_error(asked: Asked) -> bool:
    return asked.ours[0] == "error"


def _their_error(asked: Asked) -> bool:
    return asked.theirs[0] == "error"


def _both(*recognisers: Recogniser) -> Recogniser:
    return lambda asked: all(holds(asked) for holds in recognisers)


_ORDERS: Final = ("$gt", "$gte", "$lt", "$lte")
_NEGATIVE: Final = ("$ne", "$nin", "$not", "$nor")

DIVERGENCES: Final = (
    Divergence(
        "not built",
        "mongomock raises NotImplementedError, or an error of Python's, where MongoDB answers.",
        _their_crash,
    ),
    Divergence(
        "errors that are not raised",
        "MongoDB validates a whole command before it looks at a document; mongomock looks at less, and later.",
        _our_error,
    ),
    Divergence(
        "errors that are wrong",
        "mongomock refuses what MongoDB takes: $mod and $pop of what is missing, regular expressions in $in, ..",
        _their_error,
    ),
    Divergence("$count of nothing", "$count of no documents gives no document.", _uses("$count")),
    Divergence("$toUpper", "$toUpper and $toLower change ASCII letters only.", _uses("$toUpper", "$toLower")),
    Divergence(
        "expressions in arrays",
        "An array in an expression holds expressions, which are evaluated.",
        lambda asked: (
            any(
                isinstance(node, list) and any(isinstance(item, dict | str) for item in node)
                for node in nodes(asked.query.get("pipeline", []) if isinstance(asked.query, dict) else [])
            )
            and any(node in ("$project", "$addFields", "$set") for node in names(asked.query))
        ),
    ),
    Divergence(
        "negatives through arrays of documents",
        "A negative condition below an array of documents holds if none of the documents meets the positive one.",
        _both(_lists, _dotted, _uses(*_NEGATIVE)),
    ),
    Divergence(
        "nested lists",
        "The value of an indexed element, and of an element in $elemMatch, is compared whole, and a list equals an "
        "element that is that list; mongomock descends into it, or does not find it.",
        _both(_nested_lists, _lists),
    ),
    Divergence(
        "$size of strings and documents",
        "$size is the number of elements of an array and nothing else.",
        _uses("$size"),
    ),
    Divergence(
        "null and missing below a path",
        "A dotted null matches where the last field is missing from a document, not where a scalar or an empty array "
        "stands in the way; elements of arrays that are no documents do not count.",
        _both(_dotted, lambda asked: _null(asked) or not names(asked.query).isdisjoint((*_NEGATIVE, "$exists"))),
    ),
    Divergence(
        "null in comparisons",
        "$gte and $lte null match null and missing; $in and $nin with null match missing.",
        _both(_null, _uses(*_ORDERS, *_NEGATIVE, "$in", "$all", "$eq", "$elemMatch", "$type", "$exists")),
    ),
    Divergence("an empty document", "{} equals an empty document and never a missing field.", _empty_document),
    Divergence("bool and number", "true and 1 are values of two types.", _bool),
    Divergence("the order of fields", "Documents with their fields in another order differ.", _documents_in_query),
    Divergence("NaN and infinity", "NaN equals itself, and is below every number.", _not_finite),
    Divergence("Decimal128", "A Decimal128 is a number and compares by its value.", _holds(Decimal128)),
    Divergence("Int64", "$type tells int from long, and arithmetic keeps to 64 bits.", _holds(Int64)),
    Divergence(
        "other BSON types",
        "MinKey, MaxKey, Timestamp, Code and Regex values have their place in BSON's order and equality.",
        _holds(MinKey, MaxKey, Timestamp, Code, Regex, re.Pattern),
    ),
    Divergence(
        "arrays in a sort",
        "An array sorts by its least element ascending and by its greatest descending; an empty one is below null.",
        _both(_lists, lambda asked: bool(names(asked.query) & {"sort", "$sort"})),
    ),
    Divergence(
        "paths in a sort",
        "A path leads into the documents of an array, and to null where there is nothing.",
        _both(_dotted, lambda asked: bool(names(asked.query) & {"sort", "$sort"})),
    ),
    Divergence(
        "types in order",
        "Values of different types are ordered by their types, and $gt and its kin compare within one type.",
        _both(_mixed_types, lambda asked: bool(names(asked.query) & {"sort", "$sort", *_ORDERS, "$min", "$max"})),
    ),
    Divergence(
        "arrays in order", "Arrays compare element by element with arrays only.", _both(_lists, _uses(*_ORDERS))
    ),
    Divergence(
        "numbers as path components",
        "A number is the index of an array and the name of a field, both.",
        lambda asked: any(part.isdigit() for name in names(asked.query) for part in name.split(".")),
    ),
    Divergence(
        "$all",
        "$all of one array matches the array itself or an element equal to it; of nothing it matches nothing.",
        _uses("$all"),
    ),
    Divergence("$elemMatch", "$elemMatch looks at the elements of an array and at nothing else.", _uses("$elemMatch")),
    Divergence("$type", "$type array is the array; elements are looked at for all types.", _uses("$type")),
    Divergence(
        "$regex", "\\w and \\d are ASCII, $ and . are PCRE's; options are MongoDB's.", _uses("$regex", "$options")
    ),
    Divergence(
        "projections through arrays",
        "A dotted projection keeps the documents of arrays and drops or keeps scalars by its kind.",
        _both(_dotted, lambda asked: "projection" in names(asked.query)),
    ),
    Divergence(
        "projection operators",
        "$slice, $elemMatch and the positional operator keep the other fields by MongoDB's rules.",
        _uses("$slice", "$meta", "$"),
    ),
    Divergence(
        "numbers in expressions",
        "Results have MongoDB's numeric types, and divide, round and overflow by its rules.",
        _uses("$mod", "$pow", "$ceil", "$floor", "$trunc", "$round", "$divide", "$sum", "$avg", "$abs"),
    ),
    Divergence(
        "missing in expressions",
        "A missing value is null in an array literal, false for $not, below null in comparisons, and $first of an "
        "empty array is missing.",
        _both(
            lambda asked: any("$" in name for name in names(asked.query)),
            lambda asked: any(isinstance(node, str) and node.startswith("$") for node in nodes(asked.query)),
        ),
    ),
    Divergence(
        "updates",
        "$unset of an element leaves null; $addToSet compares by BSON equality; new fields come in the order of their "
        "names; an update that changes only a type counts as modified; $rename and $pull keep their place.",
        _uses("$unset", "$addToSet", "$rename", "$pull", "$pullAll", "$bit", "$min", "$max", "$mul", "$push", "$pop"),
    ),
    Divergence(
        "modified_count",
        "1 and 1.0 are equal, but setting the one for the other is a change; a path through an array sets by index.",
        _uses("$set", "$setOnInsert", "$inc"),
    ),
)


def explain(asked: Asked) -> Divergence | None:
    """The first divergence on the list that recognises what was asked, None if there is none."""
    return next((divergence for divergence in DIVERGENCES if divergence.holds(asked)), None)
