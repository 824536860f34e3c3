"""Where SecantusDB 0.7.0b3 is known to answer generated questions otherwise than MongoDB (see `divergences`)."""

from typing import Final

from conformance import causes
from conformance.divergences import Cause, Refusal, Relation, Silence

REFUSALS: Final = (
    Refusal(
        "not built",
        "SecantusDB does not know the operator.",
        "OperationFailure",
        r"unknown top level operator: \$(sampleRate|alwaysTrue|alwaysFalse)|Unknown expression",
        unbuilt=True,
    ),
    Refusal("crashes", "SecantusDB failed by itself.", "OperationFailure", "internal server error", unbuilt=True),
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
    Silence("$mod by zero", "The divisor is not zero.", (2,), ("$mod",)),
)
RELATIONS: Final = (
    Relation("$count of nothing", "$count of no documents gives no document.", causes.count_of_nothing),
)
CAUSES: Final = (
    Cause(
        "distinct through arrays",
        "A path goes into the documents of an array.",
        lambda document, query: "key" in query and isinstance(document.get(query["key"].partition(".")[0]), list),
    ),
    Cause("paths in a sort", "Elements that are no documents have null below them.", causes.sort_path),
    Cause("paths in expressions", "A path through an array gathers.", causes.expression_path, fails=True),
)
