"""Where mongomock 4.3 is known to answer otherwise than MongoDB: the written list.

An entry excuses one kind of disagreement and no other:

- `Refusal`: mongomock raised, and its message names what it has not built or does not expect. MongoDB answers.
- `Silence`: MongoDB refuses with one of these codes, for one of these operators; mongomock answers.
- `Relation`: both answered, and mongomock's answer is a known transformation of the right one.
- `Cause`: both answered, and some of the documents have what mongomock is wrong on. Without them, the same question is
  asked again, and the answers must agree.

A disagreement that no entry excuses is an error: ours, or one that must be written down here with its reason.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.regex import Regex

from conformance.format import Mode, equal

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a result, or an error with our `code`, or the class and message of mongomock's exception."""

    result: Any = None
    failed: bool = False
    code: int | None = None
    raised: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """mongomock raised `raised`, with a message that `message` matches; `unbuilt` if that says: not implemented."""

    name: str
    reason: str
    raised: str
    message: str
    unbuilt: bool = False

    def excuses(self, theirs: Answer) -> bool:
        """Whether `theirs` is that exception."""
        return theirs.failed and re.search(f"^({self.raised}): .*({self.message})", theirs.raised, re.S) is not None


@dataclass(frozen=True, slots=True)
class Silence:
    """MongoDB refuses with one of `codes` what has one of the names `uses` in it; mongomock answers."""

    name: str
    reason: str
    codes: tuple[int, ...]
    uses: tuple[str, ...]

    def excuses(self, query: Any, ours: Answer, theirs: Answer) -> bool:
        """Whether we refused with one of the codes, and mongomock answered."""
        refused = ours.failed and ours.code in self.codes and not theirs.failed
        return refused and not names(query).isdisjoint(self.uses)


@dataclass(frozen=True, slots=True)
class Relation:
    """`holds` of the query, the right result and mongomock's, if the latter is wrong in the known way."""

    name: str
    reason: str
    holds: Callable[[Any, Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Cause:
    """`affects` of a document and the query, if the document has what mongomock is wrong on."""

    name: str
    reason: str
    affects: Callable[[Document, Any], bool]


Divergence: TypeAlias = Refusal | Silence | Relation | Cause


def nodes(value: Any) -> Iterator[Any]:
    """`value` and all that is inside of it."""
    yield value
    if isinstance(value, dict):
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from nodes(item)


def names(value: Any) -> set[str]:
    """All names of fields and operators in `value`, and the variables and paths among its strings."""
    found = {name for node in nodes(value) if isinstance(node, dict) for name in node}
    return found | {node for node in nodes(value) if isinstance(node, str) and node.startswith("$")}


def _under(query: Any, *operators: str) -> Iterator[Any]:
    """What stands under one of `operators` in the query."""
    for node in nodes(query):
        if isinstance(node, dict):
            yield from (item for name, item in node.items() if name in operators)


def _uses(query: Any, *wanted: str) -> bool:
    return not names(query).isdisjoint(wanted)


def _paths(query: Any) -> set[str]:
    """The paths of fields that the query names: as names, or as ``"$path"``."""
    return {name.lstrip("$") for name in names(query) if name[:1] != "$" or (name[:2] != "$$" and name[1:])}


def _heads(document: Document, query: Any) -> Iterator[tuple[Any, str]]:
    """The values of the document below which a dotted path of the query leads, and the rest of the path."""
    for path in _paths(query):
        head, dot, rest = path.partition(".")
        if dot and head in document:
            yield document[head], rest


_MISSING: Final = object()


def _nested_lists(document: Document, query: Any) -> bool:
    nested = any(isinstance(node, list) and any(isinstance(item, list) for item in node) for node in nodes(document))
    whole = _uses(query, "$elemMatch") or any(isinstance(node, list) for node in _operands(query))
    return nested and (whole or any(rest[:1].isdigit() for _, rest in _heads(document, query)))


def _operands(query: Any) -> Iterator[Any]:
    """The values that a filter compares with."""
    wanted = query.get("filter", {}) if isinstance(query, dict) else {}
    for node in nodes(wanted):
        if isinstance(node, dict):
            for name, item in node.items():
                if name in ("$in", "$nin", "$all"):
                    yield from item
                elif name not in ("$and", "$or", "$nor"):
                    yield item


def _listed_lists(document: Document, query: Any) -> bool:
    sought = any(isinstance(item, list) for wanted in _under(query, "$in", "$nin", "$all") for item in wanted)
    return sought and any(isinstance(value, list) for value in document.values())


def _index_paths(document: Document, query: Any) -> bool:
    return any(
        isinstance(value, list) and rest[:1].isdigit() and any(isinstance(item, list | dict) for item in value)
        for value, rest in _heads(document, query)
    )


def _null_below(document: Document, query: Any) -> bool:
    asked = None in list(_operands(query)) or _uses(query, "$exists", "$ne", "$nin", "$not", "$nor")
    return asked and any(not isinstance(value, dict) for value, _ in _heads(document, query))


def _null_and_missing(document: Document, query: Any) -> bool:
    wanted = query.get("filter", {}) if isinstance(query, dict) else {}
    nulls = [*_under(wanted, "$gte", "$lte"), *(item for listed in _under(wanted, "$all") for item in listed)]
    empty = [path for path, value in wanted.items() if value == {}]
    return (None in nulls and any(document.get(path, _MISSING) is _MISSING for path in wanted)) or any(
        path not in document for path in empty
    )


def _bools(document: Document, query: Any) -> bool:
    """A bool of the document meets numbers, or a number of it a bool of the query."""
    if any(isinstance(node, bool) for node in nodes(document)):
        return True
    wanted = [query.get("filter"), query.get("update"), query.get("pipeline")] if isinstance(query, dict) else []
    given = any(isinstance(node, bool) and not _option(wanted, node) for node in nodes(wanted))
    return given and any(isinstance(node, int | float) for node in nodes(list(document.values())))


def _option(wanted: Any, value: bool) -> bool:
    """Whether all bools of the query are those of an option."""
    options = ("$exists", "preserveNullAndEmptyArrays", "multi", "upsert")
    return sum(isinstance(node, bool) for node in nodes(wanted)) == len(list(_under(wanted, *options)))


def _key_order(document: Document, query: Any) -> bool:
    held = any(isinstance(node, dict) and len(node) > 1 for node in nodes(list(document.values())))
    return held and (
        _uses(query, "$group", "$addToSet", "$eq", "$ne", "key")
        or any(isinstance(node, dict) and len(node) > 1 and next(iter(node))[0] != "$" for node in _operands(query))
    )


def _nan(document: Document, query: Any) -> bool:
    return any(isinstance(node, float) and node != node for node in nodes(document))


def _decimal(document: Document, query: Any) -> bool:
    held = any(isinstance(node, Decimal128) for node in nodes(document))
    given = any(isinstance(node, Decimal128) for node in nodes(query))
    return held or (given and any(isinstance(node, int | float) for node in nodes(list(document.values()))))


def _sort_path(document: Document, query: Any) -> bool:
    orders = [query.get("sort") or {}, *_under(query, "$sort")] if isinstance(query, dict) else []
    heads = {path.partition(".")[0] for order in orders if isinstance(order, dict) for path in order}
    return any(isinstance(document.get(head), list) for head in heads)


_COMPARED: Final = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$cmp", "$not", "$and", "$or")


def _missing_operand(document: Document, query: Any) -> bool:
    stages = list(_under(query, "$project", "$addFields", "$set", "$group", "$expr"))
    used = [node[1:] for node in nodes(stages) if isinstance(node, str) and node[:1] == "$" and node[:2] != "$$"]
    missing = any(path.partition(".")[0] not in document for path in used)
    return missing and _uses(stages, *_COMPARED, "$first", "$last", "$cond")


def _expression_path(document: Document, query: Any) -> bool:
    return any(
        isinstance(node, str) and node[:1] == "$" and isinstance(document.get(node[1:].partition(".")[0]), list)
        for node in nodes(query.get("pipeline", []))
        if isinstance(node, str) and "." in node
    )


def _computed_below(document: Document, query: Any) -> bool:
    """`$set` of a document, or by a path through an array."""
    for stage in _under(query.get("pipeline", []), "$set", "$addFields"):
        for path, value in stage.items():
            held = document.get(path.partition(".")[0])
            if ("." in path and isinstance(held, list)) or (isinstance(value, dict) and isinstance(held, dict)):
                return True
    return False


def _not_ascii(document: Document, query: Any, *operators: str) -> bool:
    texts = [node for node in (*nodes(document), *nodes(query)) if isinstance(node, str)]
    return _uses(query, *operators) and any(not text.isascii() for text in texts)


def _size(document: Document, query: Any) -> bool:
    return _uses(query.get("filter", {}), "$size") and any(isinstance(value, dict | str) for value in document.values())


def _dropped(query: Any, ours: Any, theirs: Any) -> bool:
    """The same rows, but some computed fields that are false, true, null or a number are not there."""
    if not isinstance(ours, list) or not isinstance(theirs, list) or len(ours) != len(theirs):
        return False
    computed = {name for stage in _under(query, "$project", "$addFields", "$set") for name in stage}
    for row, other in zip(ours, theirs, strict=True):
        gone = set(row) - set(other)
        kept = {name: value for name, value in row.items() if name not in gone}
        if not gone <= computed or not equal(kept, other, Mode.TOLERANT):
            return False
    return ours != theirs


def _comparison_dropped(query: Any, ours: Any, theirs: Any) -> bool:
    gone = [value for row, other in _rows(ours, theirs) for name, value in row.items() if name not in other]
    return (
        _dropped(query, ours, theirs) and _uses(query, *_COMPARED) and all(isinstance(value, bool) for value in gone)
    )


def _rows(ours: Any, theirs: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(ours, list) and isinstance(theirs, list):
        for row, other in zip(ours, theirs, strict=False):
            if isinstance(row, dict) and isinstance(other, dict):
                yield row, other


def _zone_dropped(query: Any, ours: Any, theirs: Any) -> bool:
    gone = [value for row, other in _rows(ours, theirs) for name, value in row.items() if name not in other]
    return _dropped(query, ours, theirs) and _uses(query, "timezone") and all(type(value) is int for value in gone)


def _first_of_nothing(query: Any, ours: Any, theirs: Any) -> bool:
    """`$first` and `$last` of an empty array: missing, and null with mongomock."""
    rows = list(_rows(ours, theirs))
    return _uses(query, "$first", "$last") and len(rows) == len(theirs) and all(
        {**dict.fromkeys(set(other) - set(row)), **row} == other for row, other in rows
    )


def _count_of_nothing(query: Any, ours: Any, theirs: Any) -> bool:
    named = list(_under(query, "$count"))
    return ours == [] and any(theirs == [{name: 0}] for name in named if isinstance(name, str))


def _group_of_nothing(query: Any, ours: Any, theirs: Any) -> bool:
    keys = [group.get("_id") for group in _under(query, "$group")]
    return ours == [] and None in keys and isinstance(theirs, list) and len(theirs) == 1 and theirs[0]["_id"] is None


def _no_array_index(query: Any, ours: Any, theirs: Any) -> bool:
    indexes = set(_under(query, "includeArrayIndex"))
    return bool(indexes) and all(
        {name: value for name, value in row.items() if name not in indexes or value is not None} == other
        for row, other in _rows(ours, theirs)
    )


def _removed_kept(query: Any, ours: Any, theirs: Any) -> bool:
    return _uses(query, "$$REMOVE") and _has_more(ours, theirs)


def _has_more(ours: Any, theirs: Any) -> bool:
    """The rows of `theirs` have all of `ours`, and more."""
    rows = list(_rows(ours, theirs))
    return len(rows) == len(theirs) == len(ours) and all(
        row != other and all(name in other and other[name] == value for name, value in row.items())
        for row, other in rows
    )


def _modified(query: Any, ours: Any, theirs: Any) -> bool:
    """An update that changes only the type of a number: all is the same but `modified_count`."""
    held = isinstance(ours, list) and len(ours) == 2 and isinstance(ours[0], dict) and "modified_count" in ours[0]
    return (
        held
        and equal(ours[1], theirs[1], Mode.TOLERANT)
        and {**ours[0], "modified_count": 0} == {**theirs[0], "modified_count": 0}
        and ours[0]["modified_count"] == ours[0]["matched_count"]
    )


def _no_after(query: Any, ours: Any, theirs: Any) -> bool:
    """find_one_and_update finds the changed document by the filter, which it no longer meets."""
    return query.get("return_document") == "after" and theirs[0] is None and equal(ours[1], theirs[1], Mode.TOLERANT)


def _upsert(query: Any, ours: Any, theirs: Any) -> bool:
    """An upsert leaves out what `$and` and `$eq` of the filter give."""
    extra = query.get("upsert") is True and ours[0] == theirs[0]
    return bool(extra) and _has_more(theirs[1], ours[1])

REFUSALS: Final = (
    Refusal("not built", "mongomock says that it has not built it.", "NotImplementedError", "", unbuilt=True),
    Refusal(
        "unknown operators",
        "mongomock does not know the operator.",
        "OperationFailure",
        "Unrecognized expression|unknown top level operator|unknown operator",
        unbuilt=True,
    ),
    Refusal("orders of types", "BSON orders values of all types.", "TypeError", "not supported between instances"),
    Refusal("$add", "$add takes dates, decimals, and nothing.", "AssertionError", r"\$add (only|must)"),
    Refusal("roundings", "Decimals are rounded.", "OperationFailure", r"Parameter to \$\w+ must evaluate to a number"),
    Refusal("dates as numbers", "A date is its milliseconds.", "TypeError", r"int\(\) .* 'datetime.datetime'"),
    Refusal("parts of dates", "Parts that are out of range run over.", "ValueError", "must be in 1..12"),
    Refusal("$dateToString", "The format has a default.", "OperationFailure", r"\$dateToString operator must"),
    Refusal("$filter", "$filter has a limit.", "OperationFailure", "Unrecognized parameter to .filter: limit"),
    Refusal("lists of types", "$type takes several types.", "TypeError", "unhashable type: 'list'"),
    Refusal("missing in $expr", "A field that is missing is below null.", "KeyError", "'a'"),
    Refusal("let", "An aggregate has variables.", "KeyError", "'x'"),
    Refusal("scalars in arrays", "A dotted projection drops or keeps them.", "AttributeError", "'int' .* 'items'"),
    Refusal("projections", "A projection has expressions.", "ValueError", "Unsupported projection option"),
    Refusal("the positional operator", "$ is the element that matched.", "AttributeError", "'int' .* 'get'"),
    Refusal("all positions", "$[] is every element.", "TypeError", "list indices must be integers or slices, not str"),
    Refusal("$mul and $bit", "Both are operators.", "ValueError", r"field names cannot start with \$ \[\$(mul|bit)"),
    Refusal("bulk writes", "pymongo calls its builder with sort.", "TypeError", r"BulkOperationBuilder\.add_update"),
)
SILENCES: Final = (
    Silence(
        "stages",
        "The operands of stages, and what a stage holds, are checked before it runs.",
        (15958, 5107200, 40323, 15975, 15976, 40235, 40600, 40601, 28747),
        ("$limit", "$skip", "$match", "$sort", "$group", "$out", "$sample"),
    ),
    Silence(
        "paths and variables",
        "Paths have no empty components and no dollars inside; variables are defined; names of operators exist.",
        (15998, 16410, 17276, 15983, 168),
        ("$project", "$a..b", "$a.$b", "$$y", "$nope", "$add"),
    ),
    Silence("$cond", "$cond has all its parts.", (17082,), ("$cond",)),
    Silence("types of operands", "An operand of a wrong type is an error.", (16702,), ("$concat",)),
    Silence("$in of no array", "The second operand of $in is an array.", (40081,), ("$in",)),
    Silence("$mergeObjects", "What is merged is a document or null.", (5911200, 40400), ("$mergeObjects",)),
    Silence("64 bits", "A number that does not fit is an error.", (28680, 241, 2), ("$abs", "$toInt", "$inc")),
    Silence(
        "what is refused",
        "Encrypted strings, JavaScript and text scores are refused by name; mongomock evaluates nothing without "
        "documents.",
        (115,),
        ("$encStrContains", "$encStrEndsWith", "$encStrNormalizedEq", "$encStrStartsWith", "$function", "$meta"),
    ),
    Silence(
        "filters",
        "A filter is checked before a document is read.",
        (2, 51091, 51108),
        ("$gt", "$elemMatch", "$size", "$regex", "$options"),
    ),
    Silence(
        "updates",
        "Paths of an update do not meet, lead through documents, and have a match for their dollar.",
        (40, 28, 2),
        ("a.b", "a.$", "$currentDate", "$set"),
    ),
)
RELATIONS: Final = (
    Relation("comparisons with missing", "Missing is below null, and false for $not.", _comparison_dropped),
    Relation("time zones", "Parts of dates are of the time zone.", _zone_dropped),
    Relation("$first of nothing", "The first element of an empty array is missing.", _first_of_nothing),
    Relation("$count of nothing", "$count of no documents gives no document.", _count_of_nothing),
    Relation("$group of nothing", "$group of no documents gives no document.", _group_of_nothing),
    Relation("includeArrayIndex", "The index of what is no array is null.", _no_array_index),
    Relation("$$REMOVE", "$$REMOVE takes the field away.", _removed_kept),
    Relation("$out", "$out gives no documents.", lambda query, ours, theirs: ours == [] and _uses(query, "$out")),
    Relation("modified_count", "Setting 1.0 for 1 is a change.", _modified),
    Relation("find_one_and_update", "The document that was updated is given, as it is then.", _no_after),
    Relation("upserts", "Equalities of the filter, in $and and $eq too, are fields of the upsert.", _upsert),
)
CAUSES: Final = (
    Cause("nested lists", "An inner list is compared whole.", _nested_lists),
    Cause("lists in lists of operands", "A list in $in, $nin and $all equals the list, too.", _listed_lists),
    Cause("indexed elements", "A number is an index and a name; an indexed list is not unwound.", _index_paths),
    Cause("null below a path", "Scalars and arrays in the way of a path are neither missing nor null.", _null_below),
    Cause("null and missing", "$gte, $lte and $all with null match missing; {} does not.", _null_and_missing),
    Cause("bool and number", "true and 1 are values of two types.", _bools),
    Cause("the order of fields", "Documents with their fields in another order differ.", _key_order),
    Cause("NaN", "NaN equals itself, and is below every number.", _nan),
    Cause("Decimal128", "A Decimal128 is a number and compares by its value.", _decimal),
    Cause(
        "$type of longs",
        "$type tells int from long.",
        lambda document, query: _uses(query, "$type") and any(isinstance(node, Int64) for node in nodes(document)),
    ),
    Cause("paths in a sort", "An array sorts by its least or greatest value, along paths as well.", _sort_path),
    Cause("missing in expressions", "Missing is a value for comparisons, $first and $last.", _missing_operand),
    Cause("paths in expressions", "A path through an array gathers; a number is no index.", _expression_path),
    Cause("computed documents", "$set merges documents, and goes into every element of an array.", _computed_below),
    Cause(
        "ASCII letters",
        "$toUpper, $toLower and \\w are about ASCII letters.",
        lambda document, query: _not_ascii(document, query, "$toUpper", "$toLower", "$regex", "$strcasecmp"),
    ),
    Cause("$size", "$size is of arrays and of nothing else.", _size),
    Cause(
        "regular expressions as values",
        "$regex matches a regular expression that is equal.",
        lambda document, query: (
            _uses(query, "$regex") and any(isinstance(node, Regex | re.Pattern) for node in nodes(document))
        ),
    ),
    Cause(
        "$all of nothing", "$all of nothing matches nothing.", lambda document, query: [] in list(_under(query, "$all"))
    ),
    Cause(
        "$unset of an element",
        "An element that is unset becomes null.",
        lambda document, query: any("." in path for item in _under(query, "$unset") for path in item),
    ),
    Cause(
        "$addToSet of several",
        "What stands twice in $each is added once.",
        lambda document, query: any(isinstance(item, dict) and "$each" in item for item in _sets(query)),
    ),
)


def _sets(query: Any) -> Iterator[Any]:
    for item in _under(query, "$addToSet"):
        yield from item.values() if isinstance(item, dict) else ()
