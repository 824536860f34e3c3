"""Where SecantusDB 0.7.0b3 is known to answer generated questions otherwise than MongoDB (see `divergences`)."""

from typing import Final

from conformance import causes
from conformance.divergences import Cause, Refusal, Relation, Silence

REFUSALS: Final = (
    Refusal(
        "not built",
        "SecantusDB does not know the operator.",
        "OperationFailure",
        r"unknown top level operator: \$(sampleRate|alwaysTrue|alwaysFalse)"
        r"|(Unknown|Unrecognized) expression|unsupported (function|.group accumulator)",
        unbuilt=True,
    ),
    Refusal("crashes", "SecantusDB failed by itself.", "OperationFailure", "internal server error", unbuilt=True),
    Refusal(
        "constants as arrays",
        "A constant input of an accumulator is a value like any other.",
        "OperationFailure",
        "(Input|argument) must be an array",
        ("$firstN", "$lastN", "$maxN", "$minN", "$first", "$last"),
    ),
    Refusal(
        "$documents in $lookup",
        "What $lookup does with both from and $documents is not documented: from is left out in the manual.",
        "OperationFailure",
        "'.documents' can only be run with",
        ("$lookup",),
    ),
    Refusal(
        "$arrayElemAt of nothing",
        "An array that is missing or null gives null, whatever the index is.",
        "OperationFailure",
        "second argument must be representable as a 32-bit integer",
        ("$arrayElemAt",),
    ),
    Refusal(
        "constants in $let",
        "A variable is no constant: without documents its $let is not evaluated.",
        "OperationFailure",
        "Failed to optimize pipeline",
        ("$let",),
    ),
    Refusal("$zip of null", "A null among the inputs gives null.", "OperationFailure", "non-array .*: None", ("$zip",)),
)
SILENCES: Final = (
    Silence(
        "bit masks", "A mask is not negative.", (9, 2), ("$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear")
    ),
    Silence("options twice", "Options are in $options or in the regular expression.", (51074, 51075), ("$options",)),
    Silence("parallel arrays", "A sort by two fields that are arrays is an error.", (2,), ("sort", "$sort")),
    Silence("nothing to combine", "$and, $or and $nor take one condition or more.", (2,), ("$and", "$or", "$nor")),
    Silence("$alwaysTrue", "The operand is 1.", (9,), ("$alwaysTrue", "$alwaysFalse")),
    Silence(
        "windows",
        "Bounds are in order, those of a range need one sort, functions their order, and partitions are no arrays.",
        (14, 5339900, 5339901, 5339902, 5339904, 5371602, 5429414, 5429513, 5687301, 605001),
        ("$setWindowFields",),
    ),
    Silence(
        "constants in windows",
        "An operand that is constant is evaluated without documents, too.",
        (),
        ("$setWindowFields",),
        empty=True,
    ),
    Silence(
        "names twice", "A path is given once.", (31249, 31250, 40176), ("$unset", "$project", "$addFields", "$set")
    ),
    Silence("unary accumulators", "An array is one operand too many.", (40237,), ("$bucket", "$bucketAuto", "$group")),
    Silence(
        "$replaceAll", "Operands are strings or null.", (10503900, 10503901, 10503902), ("$replaceAll", "$replaceOne")
    ),
    Silence("$densify", "What is filled is all numbers, or all dates with a unit.", (6053600,), ("$densify",)),
    Silence("$ in $project", "The positional projection is of a find.", (31324,), ("$project",)),
    Silence("$type", "Names of types are checked, whatever stands beside them.", (2,), ("$type",)),
    Silence("$mod by zero", "The divisor is not zero.", (2,), ("$mod",)),
)
RELATIONS: Final = (
    Relation(
        "$densify",
        "Bounds are filled where no document has the field, and behind what is below them.",
        causes.densified,
    ),
    Relation("the default bucket", "Buckets come in order, the default one among them.", causes.buckets),
    Relation("the order of partitions", "Partitions come in order.", causes.partitions),
    Relation("$fill of nothing", "What cannot be filled is null.", causes.unfilled),
    Relation("empty documents", "What a path leads through is there though its value is missing.", causes.empty_above),
    Relation("$bucketAuto", "Buckets have as many documents each as divided at the start.", causes.even_buckets),
    Relation("$count of nothing", "$count of no documents gives no document.", causes.count_of_nothing),
)
CAUSES: Final = (
    Cause(
        "$graphLookup", "What is missing leads nowhere; null leads to null and nothing else.", causes.graph_from_null
    ),
    Cause(
        "distinct through arrays",
        "A path goes into the documents of an array.",
        lambda document, query: "key" in query and isinstance(document.get(query["key"].partition(".")[0]), list),
    ),
    Cause("paths in a sort", "Elements that are no documents have null below them.", causes.sort_path),
    Cause("computed documents", "$set goes into every element of an array.", causes.computed_below, fails=True),
    Cause("projected fields", "$project computes in every element of an array.", causes.projected_below, fails=True),
    Cause("$unset", "$unset goes into every element of an array.", causes.unset_below),
    Cause("paths in expressions", "A path through an array gathers.", causes.expression_path, fails=True),
)
