"""Where mongomock 4.3 is known to answer otherwise than MongoDB: the written list (see `divergences`)."""

import re
from typing import Final

from bson.code import Code
from bson.int64 import Int64
from bson.regex import Regex

from conformance import causes
from conformance.causes import nodes, under, uses
from conformance.divergences import Cause, Refusal, Relation, Silence

REFUSALS: Final = (
    Refusal("decimals", "Decimals are numbers.", "TypeError", "unsupported operand type", ("$inc",)),
    Refusal(
        "names with a dollar",
        "Such fields are stored since MongoDB 5.0.",
        "InvalidDocument",
        "cannot start with",
        ("$set",),
    ),
    Refusal("not built", "mongomock says that it has not built it.", "NotImplementedError", "", unbuilt=True),
    Refusal(
        "unknown operators",
        "mongomock does not know the operator.",
        "OperationFailure",
        "Unrecognized expression|unknown top level operator|unknown operator",
        unbuilt=True,
    ),
    Refusal(
        "orders of types",
        "BSON orders values of all types.",
        "TypeError",
        "not supported between instances",
        ("$max", "$min", "$sort"),
    ),
    Refusal("$add", "$add takes dates, decimals, and nothing.", "AssertionError", r"\$add (only|must)", ("$add",)),
    Refusal(
        "roundings",
        "Decimals are rounded.",
        "OperationFailure",
        r"must evaluate to a number, got '<class '(list|bson)",
        ("$floor", "$trunc", "$ceil"),
    ),
    Refusal(
        "dates as numbers", "A date is its milliseconds.", "TypeError", r"int\(\) .* 'datetime.datetime'", ("$toLong",)
    ),
    Refusal(
        "parts of dates", "Parts that are out of range run over.", "ValueError", "must be in 1..12", ("$dateFromParts",)
    ),
    Refusal(
        "$dateToString",
        "The format has a default.",
        "OperationFailure",
        r"\$dateToString operator must",
        ("$dateToString",),
    ),
    Refusal(
        "$filter", "$filter has a limit.", "OperationFailure", "Unrecognized parameter to .filter: limit", ("$filter",)
    ),
    Refusal(
        "lists and numbers of types",
        "$type takes several types, and their numbers.",
        "TypeError|OperationFailure",
        "unhashable type: 'list'|16 is not a valid .type",
        ("$type", "$arrayToObject", "key"),
    ),
    Refusal("missing in $expr", "A field that is missing is below null.", "KeyError", "'(a|name)'", ("$expr",)),
    Refusal("$pop of nothing", "$pop of a missing field does nothing.", "KeyError", r"'\w+'$", ("$pop",)),
    Refusal("let", "An aggregate has variables.", "KeyError", "'x'", ("let",)),
    Refusal(
        "scalars in arrays",
        "A dotted projection drops or keeps them.",
        "AttributeError",
        "'int' .* 'items'",
        ("projection",),
    ),
    Refusal(
        "projections", "A projection has expressions.", "ValueError", "Unsupported projection option", ("projection",)
    ),
    Refusal(
        "the positional operator",
        "$ is the element that matched.",
        "AttributeError",
        "'int' .* 'get'",
        ("a.$", "a.$.b", "l.$", "a.$.x"),
    ),
    Refusal(
        "all positions",
        "$[] is every element.",
        "TypeError",
        "list indices must be integers or slices, not str",
        ("a.$[].v",),
    ),
    Refusal(
        "$mul and $bit",
        "Both are operators.",
        "ValueError",
        r"field names cannot start with \$ \[\$(mul|bit)",
        ("$mul", "$bit"),
    ),
    Refusal(
        "bulk writes",
        "pymongo calls its builder with sort.",
        "TypeError",
        r"BulkOperationBuilder\.add_update",
        ("requests",),
    ),
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
        (15998, 16410, 17276, 15983, 168, 40353),
        ("$project", "$a..b", "$a.$b", "$$y", "$nope", "$add", "$addFields"),
    ),
    Silence("$cond", "$cond has all its parts.", (17082,), ("$cond",)),
    Silence("types of operands", "An operand of a wrong type is an error.", (16702,), ("$concat",)),
    Silence("$in of no array", "The second operand of $in is an array.", (40081,), ("$in",)),
    Silence("$mergeObjects", "What is merged is a document or null.", (5911200, 40400), ("$mergeObjects",)),
    Silence("upserts", "$expr has no place in the filter of an upsert.", (224,), ("$expr",)),
    Silence("identities", "A field of an _id has no dollar sign before its name.", (52,), ("_id",)),
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
        (2, 9, 51074, 51075, 51091, 51108),
        (
            "$and",
            "$sampleRate",
            "$bitsAllSet",
            "$bitsAllClear",
            "$bitsAnySet",
            "$bitsAnyClear",
            "$gt",
            "$elemMatch",
            "$size",
            "$regex",
            "$options",
            "$jsonSchema",
            "$alwaysTrue",
            "$alwaysFalse",
            "$type",
        ),
    ),
    Silence(
        "keys of a sort",
        "A number that is an index and a name, and two fields that are arrays, are errors.",
        (16746, 2),
        ("sort", "$sort"),
    ),
    Silence(
        "updates",
        "Paths of an update do not meet, lead through documents, and have a match for their dollar.",
        (40, 28, 2),
        ("a.b", "a.$", "$currentDate", "$set"),
    ),
)
RELATIONS: Final = (
    Relation(
        "missing operands",
        "Comparisons, $toUpper and $arrayElemAt take missing; the field is there.",
        causes.missing_dropped,
    ),
    Relation("missing in $map", "What is missing is null in the array.", causes.map_dropped),
    Relation("$strcasecmp", "Case is ignored, and missing is an empty string.", causes.computed(int, "$strcasecmp")),
    Relation("$not", "$not of missing is true.", causes.computed(bool, "$not")),
    Relation(
        "arrays and letters",
        "An array may be a constant; \\w is ASCII.",
        causes.computed(bool, "$isArray", "$regexMatch"),
    ),
    Relation("time zones", "Parts of dates are of the time zone.", causes.zone_dropped),
    Relation("$first of nothing", "The first element of an empty array is missing.", causes.first_of_nothing),
    Relation("$count of nothing", "$count of no documents gives no document.", causes.count_of_nothing),
    Relation("$group of nothing", "$group of no documents gives no document.", causes.group_of_nothing),
    Relation("includeArrayIndex", "The index of what is no array is null.", causes.no_array_index),
    Relation("$$REMOVE", "$$REMOVE takes the field away.", causes.removed_kept),
    Relation("$out", "$out gives no documents.", lambda query, ours, theirs: ours == [] and uses(query, "$out")),
    Relation("modified_count", "Setting 1.0 for 1 is a change.", causes.modified),
    Relation("find_one_and_update", "The document that was updated is given, as it is then.", causes.no_after),
    Relation("upserts", "Equalities of the filter, in $and and $eq too, are fields of the upsert.", causes.upsert),
)
CAUSES: Final = (
    Cause(
        "$graphLookup", "What is missing leads nowhere; null leads to null and nothing else.", causes.graph_from_null
    ),
    Cause("nested lists", "An inner list is compared whole.", causes.nested_lists),
    Cause("lists in lists of operands", "A list in $in, $nin and $all equals the list, too.", causes.listed_lists),
    Cause("indexed elements", "A number is an index and a name; an indexed list is not unwound.", causes.index_paths),
    Cause(
        "null below a path", "Scalars and arrays in the way of a path are neither missing nor null.", causes.null_below
    ),
    Cause("null and missing", "$gte, $lte and $all with null match missing; {} does not.", causes.null_and_missing),
    Cause("bool and number", "true and 1 are values of two types.", causes.bools),
    Cause("the order of fields", "Documents with their fields in another order differ.", causes.key_order),
    Cause("NaN", "NaN equals itself, and is below every number.", causes.nan),
    Cause("Decimal128", "A Decimal128 is a number and compares by its value.", causes.decimal),
    Cause(
        "$type of longs",
        "$type tells int from long.",
        lambda document, query: uses(query, "$type") and any(isinstance(node, Int64) for node in nodes(document)),
    ),
    Cause(
        "paths in a sort",
        "An array sorts by its least or greatest value, along paths as well; JavaScript is no string.",
        lambda document, query: (
            causes.sort_path(document, query)
            or (bool(query.get("sort")) and any(isinstance(node, Code) for node in nodes(document)))
        ),
    ),
    Cause(
        "missing in expressions",
        "Missing is a value for $first and $last, and null at the end.",
        causes.missing_operand,
    ),
    Cause("paths in expressions", "A path through an array gathers; a number is no index.", causes.expression_path),
    Cause(
        "computed documents", "$set merges documents, and goes into every element of an array.", causes.computed_below
    ),
    Cause(
        "ASCII letters",
        "$toUpper, $toLower and \\w are about ASCII letters.",
        lambda document, query: causes.not_ascii(document, query, "$toUpper", "$toLower", "$regex", "$strcasecmp"),
    ),
    Cause("$size", "$size is of arrays and of nothing else.", causes.size),
    Cause(
        "regular expressions as values",
        "$regex matches a regular expression that is equal.",
        lambda document, query: (
            uses(query, "$regex") and any(isinstance(node, Regex | re.Pattern) for node in nodes(document))
        ),
    ),
    Cause(
        "$all of nothing", "$all of nothing matches nothing.", lambda document, query: [] in list(under(query, "$all"))
    ),
    Cause(
        "$unset of an element",
        "An element that is unset becomes null.",
        lambda document, query: any("." in path for item in under(query, "$unset") for path in item),
    ),
    Cause(
        "$addToSet of several",
        "What stands twice in $each is added once.",
        lambda document, query: any(isinstance(item, dict) and "$each" in item for item in causes.sets(query)),
    ),
)
