"""`$meta`: metadata of a document, of which there are none here (MongoDB manual: $meta)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from kato_compat.errors import fail, refused
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Literal, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec, Status
from kato_compat.values.missing import MISSING

# Missing on the server, too, for a pipeline without the stage that sets them.
_ABSENT: Final = frozenset({"recordId", "indexKey", "searchHighlights", "searchScoreDetails", "searchSequenceToken"})
_SCORES: Final = frozenset(
    {
        "geoNearDistance",
        "geoNearPoint",
        "randVal",
        "score",
        "scoreDetails",
        "searchScore",
        "sortKey",
        "textScore",
        "timeseriesBucketMinTime",
        "timeseriesBucketMaxTime",
        "vectorSearchScore",
    }
)


@register
@dataclass(frozen=True, slots=True)
class Meta(Operation):
    """`$meta` (MongoDB manual: $meta): missing for ``indexKey`` and the like, refused for scores and sort keys."""

    spec: ClassVar[Spec] = Spec(
        "$meta",
        Kind.EXPRESSION,
        "2.6",
        "The metadata of a document: a search score, its sort key, ..",
        status=Status.PARTIAL,
        limits="documents carry no metadata here: scores and sort keys are refused, index keys are missing",
        examples=(Example(({"a": 1},), {"m": {"$meta": "indexKey"}}, [{}]),),
    )

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 17307 and 17308 for names that do not exist, 115 for refused ones."""
        if type(operand) is not str:
            raise fail(17307, "$meta only supports string arguments")
        if operand in _ABSENT:
            return Literal(MISSING)
        if operand in _SCORES:
            raise refused(f"$meta: {operand}", "documents carry no text search score or sort key here")
        raise fail(17308, f"Unsupported argument to $meta: {operand}")

    def compile(self) -> Evaluator:
        """Never called: `parse` gives a constant."""
        raise AssertionError("$meta is parsed into a constant")
