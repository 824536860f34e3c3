"""How known faults of other implementations are recognised: from a document and the query, or from both answers."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from bson.decimal128 import Decimal128

from conformance.format import Mode, equal

Document: TypeAlias = dict[str, Any]


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


def under(query: Any, *operators: str) -> Iterator[Any]:
    """What stands under one of `operators` in the query."""
    for node in nodes(query):
        if isinstance(node, dict):
            yield from (item for name, item in node.items() if name in operators)


def uses(query: Any, *wanted: str) -> bool:
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


def nested_lists(document: Document, query: Any) -> bool:
    nested = any(isinstance(node, list) and any(isinstance(item, list) for item in node) for node in nodes(document))
    whole = uses(query, "$elemMatch") or any(isinstance(node, list) for node in _operands(query))
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


def listed_lists(document: Document, query: Any) -> bool:
    sought = any(isinstance(item, list) for wanted in under(query, "$in", "$nin", "$all") for item in wanted)
    return sought and any(isinstance(value, list) for value in document.values())


def index_paths(document: Document, query: Any) -> bool:
    return any(
        isinstance(value, list) and rest[:1].isdigit() and any(isinstance(item, list | dict) for item in value)
        for value, rest in _heads(document, query)
    )


def null_below(document: Document, query: Any) -> bool:
    asked = None in list(_operands(query)) or uses(query, "$exists", "$ne", "$nin", "$not", "$nor")
    return asked and any(not isinstance(value, dict) for value, _ in _heads(document, query))


def null_and_missing(document: Document, query: Any) -> bool:
    wanted = query.get("filter", {}) if isinstance(query, dict) else {}
    nulls = [*under(wanted, "$gte", "$lte"), *(item for listed in under(wanted, "$all") for item in listed)]
    empty = [path for path, value in wanted.items() if value == {}]
    return (None in nulls and any(document.get(path, _MISSING) is _MISSING for path in wanted)) or any(
        path not in document for path in empty
    )


def bools(document: Document, query: Any) -> bool:
    """A bool of the document meets numbers where they are compared, or a number of it a bool of the query."""
    wanted = [query.get("filter"), query.get("update"), query.get("pipeline")]
    meets = (
        "key" in query or uses(wanted, *_EQUATING) or any(type(node) in (int, float, bool) for node in _leaves(query))
    )
    if meets and any(isinstance(node, bool) for node in nodes(document)):
        return True
    given = any(isinstance(node, bool) and not _option(wanted, node) for node in nodes(wanted))
    return meets and given and any(isinstance(node, int | float) for node in nodes(list(document.values())[1:]))


#: What mongomock does by Python's equality or arithmetic, for which true is 1.
_EQUATING: Final = (
    *("$sum", "$addToSet", "$setEquals", "$setIsSubset", "$pullAll", "$pull", "$isNumber", "$toString", "$in"),
)


def _leaves(query: Any) -> Iterator[Any]:
    """All values of the filter, except that of options."""
    for operand in _operands(query):
        yield from nodes(operand)


def _option(wanted: Any, value: bool) -> bool:
    """Whether all bools of the query are those of an option."""
    options = ("$exists", "preserveNullAndEmptyArrays", "multi", "upsert")
    return sum(isinstance(node, bool) for node in nodes(wanted)) == len(list(under(wanted, *options)))


def key_order(document: Document, query: Any) -> bool:
    held = any(isinstance(node, dict) and len(node) > 1 for node in nodes(list(document.values())))
    return held and (
        uses(query, "$group", "$addToSet", "$eq", "$ne")
        or any(isinstance(node, dict) and len(node) > 1 and next(iter(node))[0] != "$" for node in _operands(query))
    )


def nan(document: Document, query: Any) -> bool:
    return any(isinstance(node, float) and node != node for node in nodes(document))


def decimal(document: Document, query: Any) -> bool:
    held = any(isinstance(node, Decimal128) for node in nodes(document))
    given = any(isinstance(node, Decimal128) for node in nodes(query))
    return held or (given and any(isinstance(node, int | float) for node in nodes(list(document.values()))))


def sort_path(document: Document, query: Any) -> bool:
    orders = [query.get("sort") or {}, *under(query, "$sort")] if isinstance(query, dict) else []
    heads = {path.partition(".")[0] for order in orders if isinstance(order, dict) for path in order}
    return any(isinstance(document.get(head), list) for head in heads)


_COMPARED: Final = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$cmp", "$not", "$and", "$or")


def missing_operand(document: Document, query: Any) -> bool:
    stages = list(under(query, "$project", "$addFields", "$set", "$group", "$expr"))
    used = [node[1:] for node in nodes(stages) if isinstance(node, str) and node[:1] == "$" and node[:2] != "$$"]
    missing = any(path.partition(".")[0] not in document for path in used)
    return missing and uses(stages, "$first", "$last")


def expression_path(document: Document, query: Any) -> bool:
    return any(
        isinstance(node, str) and node[:1] == "$" and isinstance(document.get(node[1:].partition(".")[0]), list)
        for node in nodes(query.get("pipeline", []))
        if isinstance(node, str) and "." in node
    )


def computed_below(document: Document, query: Any) -> bool:
    """`$set` of a document, or by a path through an array."""
    for stage in under(query.get("pipeline", []), "$set", "$addFields"):
        for path, value in stage.items():
            held = document.get(path.partition(".")[0])
            if ("." in path and isinstance(held, list)) or (isinstance(value, dict) and isinstance(held, dict)):
                return True
    return False


def projected_below(document: Document, query: Any) -> bool:
    """`$project` computes a field by a path through an array."""
    return any(
        "." in path and not isinstance(value, int | float) and isinstance(document.get(path.partition(".")[0]), list)
        for stage in under(query.get("pipeline", []), "$project")
        for path, value in stage.items()
    )


def graph_from_null(document: Document, query: Any) -> bool:
    """A `$graphLookup` starts with a null, or with a field that is missing."""
    starts = [start for start in under(query.get("pipeline", []), "startWith") if isinstance(start, str)]
    return any(document.get(start.removeprefix("$").partition(".")[0]) is None for start in starts)


def unset_below(document: Document, query: Any) -> bool:
    """`$unset` by a path through an array."""
    for operand in under(query.get("pipeline", []), "$unset"):
        for path in operand if isinstance(operand, list) else [operand]:
            head, dot, _ = path.partition(".")
            if dot and isinstance(document.get(head), list):
                return True
    return False


def not_ascii(document: Document, query: Any, *operators: str) -> bool:
    texts = [node for node in (*nodes(document), *nodes(query)) if isinstance(node, str)]
    return uses(query, *operators) and any(not text.isascii() for text in texts)


def size(document: Document, query: Any) -> bool:
    return uses(query.get("filter", {}), "$size") and any(isinstance(value, dict | str) for value in document.values())


def _dropped(query: Any, ours: Any, theirs: Any) -> bool:
    """The same rows, but some computed fields that are false, true, null or a number are not there."""
    if not _same_number(ours, theirs):
        return False
    computed = {name for stage in under(query, "$project", "$addFields", "$set") for name in stage}
    for row, other in zip(ours, theirs, strict=True):
        gone = set(row) - set(other)
        kept = {name: value for name, value in row.items() if name not in gone}
        if not gone <= computed or not equal(kept, other, Mode.TOLERANT):
            return False
    return bool(ours != theirs)


def missing_dropped(query: Any, ours: Any, theirs: Any) -> bool:
    """What is gone are comparisons, empty strings of `$toUpper` and `$toLower`, or nulls of `$arrayElemAt`."""
    gone = [value for row, other in _rows(ours, theirs) for name, value in row.items() if name not in other]
    compared = uses(query, *_COMPARED) and all(isinstance(value, bool) for value in gone)
    lettered = uses(query, "$toUpper", "$toLower") and all(value == "" for value in gone)
    element = uses(query, "$arrayElemAt") and all(value is None for value in gone)
    return _dropped(query, ours, theirs) and (compared or lettered or element)


def _same_number(ours: Any, theirs: Any) -> bool:
    """Both are lists of as many documents."""
    return isinstance(ours, list) and len(list(_rows(ours, theirs))) == len(ours) == len(theirs)


def map_dropped(query: Any, ours: Any, theirs: Any) -> bool:
    gone = [value for row, other in _rows(ours, theirs) for name, value in row.items() if name not in other]
    return _dropped(query, ours, theirs) and uses(query, "$map") and all(isinstance(value, list) for value in gone)


def computed(kind: type, *operators: str) -> Callable[[Any, Any, Any], bool]:
    """The rows differ in fields only that one of `operators` computes, which are right if they are of that kind."""

    def holds(query: Any, ours: Any, theirs: Any) -> bool:
        stages = list(under(query, "$project", "$addFields", "$set"))
        fields = {name for stage in stages for name, value in stage.items() if uses(value, *operators)}
        return _same_number(ours, theirs) and all(
            set(row) == set(other)
            and all(
                equal(value, other[name], Mode.TOLERANT)
                or (name in fields and all(type(part) is kind for part in nodes(value) if not isinstance(part, list)))
                for name, value in row.items()
            )
            for row, other in _rows(ours, theirs)
        )

    return holds


def _rows(ours: Any, theirs: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(ours, list) and isinstance(theirs, list):
        for row, other in zip(ours, theirs, strict=False):
            if isinstance(row, dict) and isinstance(other, dict):
                yield row, other


def zone_dropped(query: Any, ours: Any, theirs: Any) -> bool:
    gone = [value for row, other in _rows(ours, theirs) for name, value in row.items() if name not in other]
    return _dropped(query, ours, theirs) and uses(query, "timezone") and all(type(value) is int for value in gone)


def first_of_nothing(query: Any, ours: Any, theirs: Any) -> bool:
    """`$first` and `$last` of an empty array: missing, and null with mongomock."""
    rows = list(_rows(ours, theirs))
    return (
        uses(query, "$first", "$last")
        and len(rows) == len(theirs)
        and all({**dict.fromkeys(set(other) - set(row)), **row} == other for row, other in rows)
    )


def count_of_nothing(query: Any, ours: Any, theirs: Any) -> bool:
    named = list(under(query, "$count"))
    return ours == [] and any(theirs == [{name: 0}] for name in named if isinstance(name, str))


def group_of_nothing(query: Any, ours: Any, theirs: Any) -> bool:
    keys = [group.get("_id") for group in under(query, "$group")]
    return ours == [] and None in keys and len(theirs) == 1 and not any(theirs[0].values())


def no_array_index(query: Any, ours: Any, theirs: Any) -> bool:
    indexes = set(under(query, "includeArrayIndex"))
    return bool(indexes) and all(
        row == other or {name: value for name, value in row.items() if name not in indexes or value} == other
        for row, other in _rows(ours, theirs)
    )


def removed_kept(query: Any, ours: Any, theirs: Any) -> bool:
    return uses(query, "$$REMOVE") and _has_more(ours, theirs)


def _has_more(ours: Any, theirs: Any) -> bool:
    """The rows of `theirs` have all of `ours`, and more."""
    rows = list(_rows(ours, theirs))
    return len(rows) == len(theirs) == len(ours) and all(
        row != other and all(name in other and other[name] == value for name, value in row.items())
        for row, other in rows
    )


def modified(query: Any, ours: Any, theirs: Any) -> bool:
    """An update that changes only the type of a number: all is the same but `modified_count`."""
    held = isinstance(ours, list) and len(ours) == 2 and isinstance(ours[0], dict) and "modified_count" in ours[0]
    return (
        held
        and equal(ours[1], theirs[1], Mode.TOLERANT)
        and {**ours[0], "modified_count": 0} == {**theirs[0], "modified_count": 0}
        and ours[0]["modified_count"] == ours[0]["matched_count"]
    )


def no_after(query: Any, ours: Any, theirs: Any) -> bool:
    """find_one_and_update finds the changed document by the filter, which it no longer meets."""
    return query.get("return_document") == "after" and theirs[0] is None and equal(ours[1], theirs[1], Mode.TOLERANT)


def upsert(query: Any, ours: Any, theirs: Any) -> bool:
    """An upsert leaves out what `$and` and `$eq` of the filter give."""
    extra = query.get("upsert") is True and ours[0] == theirs[0]
    return bool(extra) and _has_more(theirs[1], ours[1])


def sets(query: Any) -> Iterator[Any]:
    for item in under(query, "$addToSet"):
        yield from item.values() if isinstance(item, dict) else ()


def densified(query: Any, ours: Any, theirs: Any) -> bool:
    """The bounds of a `$densify` were not filled, or not in order."""
    return uses(query, "$densify") and len(theirs) <= len(ours) and all(row in ours for row in theirs)


def unfilled(query: Any, ours: Any, theirs: Any) -> bool:
    """A field that `$fill` could not fill is null, and missing there."""
    return (
        uses(query, "$fill")
        and _same_number(ours, theirs)
        and all(
            equal(
                {name: value for name, value in row.items() if value is not None or name in other}, other, Mode.TOLERANT
            )
            for row, other in _rows(ours, theirs)
        )
    )


def partitions(query: Any, ours: Any, theirs: Any) -> bool:
    """The same documents, in another order of partitions."""
    return uses(query, "$setWindowFields", "$fill", "$densify") and _reordered(ours, theirs)


def buckets(query: Any, ours: Any, theirs: Any) -> bool:
    """The same buckets, the default one in another place."""
    named = [each for each in under(query, "$bucket") if isinstance(each, dict) and "default" in each]
    return bool(named) and _reordered(ours, theirs, (int, str, float))


def _reordered(ours: Any, theirs: Any, kinds: tuple[type, ...] = (int,)) -> bool:
    """The same documents in another order; each has an `_id` of its own, of one of `kinds`."""
    if not isinstance(theirs, list):
        return False
    rows = [row for each in (ours, theirs) for row in each]
    if len(ours) != len(theirs) or not all(type(row) is dict and isinstance(row.get("_id"), kinds) for row in rows):
        return False

    def key(row: Any) -> str:
        return repr(row["_id"])

    return equal(sorted(ours, key=key), sorted(theirs, key=key), Mode.TOLERANT)


def empty_above(query: Any, ours: Any, theirs: Any) -> bool:
    """What a path leads through is there though nothing is below it; the rows are the same without it."""
    stages = list(under(query, "$project", "$addFields", "$set"))
    heads = {name.partition(".")[0] for stage in stages for name in stage if "." in name}

    def empty(value: Any) -> bool:
        return all(isinstance(node, dict | list) for node in nodes(value))

    return _same_number(ours, theirs) and all(
        equal(
            {name: value for name, value in row.items() if name in other or name not in heads or not empty(value)},
            other,
            Mode.TOLERANT,
        )
        for row, other in _rows(ours, theirs)
    )


def even_buckets(query: Any, ours: Any, theirs: Any) -> bool:
    """The first bucket of a `$bucketAuto` is the same, and those after it divide the same range."""
    if not uses(query, "$bucketAuto") or not ours or not theirs or not equal(ours[0], theirs[0], Mode.TOLERANT):
        return False
    linked = all(
        equal(row["_id"]["max"], after["_id"]["min"], Mode.TOLERANT)
        for rows in (ours, theirs)
        for row, after in itertools.pairwise(rows)
    )
    return (
        linked and len(ours) != len(theirs) and equal(ours[-1]["_id"]["max"], theirs[-1]["_id"]["max"], Mode.TOLERANT)
    )
