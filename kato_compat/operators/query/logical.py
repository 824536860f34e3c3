"""Logical query operators: `$and $or $nor $not` (MongoDB manual: Logical Query Operators)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from bson.regex import Regex

from kato_compat.errors import fail
from kato_compat.ir.filter import DocumentOperator, FieldOperator, FilterScope
from kato_compat.ir.predicate import AtPath, Not, Or, Predicate, conjunction
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.query.evaluation import RegexTest
from kato_compat.values.paths import Path

_DOCUMENTS: Final = ({"_id": 1, "a": 1}, {"_id": 2, "a": 2}, {"_id": 3})


def _terms(name: str, operand: Any, scope: FilterScope) -> list[Predicate]:
    if type(operand) is not list:
        raise fail(2, f"{name} argument must be an array")
    if not operand:
        raise fail(2, "$and/$or/$nor must be a nonempty array")
    for item in operand:
        if type(item) is not dict:
            raise fail(2, "$or/$and/$nor entries need to be full objects")
    return [scope.document(item) for item in operand]


def disjunction(terms: list[Predicate]) -> Predicate:
    """`Or` of `terms`; the term itself when there is one."""
    return terms[0] if len(terms) == 1 else Or(tuple(terms))


@register
class And(DocumentOperator):
    """`$and`: all of the filters match (MongoDB manual: $and)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$and",
        Kind.QUERY,
        "2.0",
        "All filters of a list match.",
        examples=(Example(_DOCUMENTS, {"$and": [{"a": {"$gt": 0}}, {"a": {"$lt": 2}}]}, [_DOCUMENTS[0]]),),
    )

    @classmethod
    def parse(cls, operand: Any, scope: FilterScope) -> Predicate:
        """See `DocumentOperator.parse`. Raises 2 for anything but a list of filters with one or more."""
        return conjunction(_terms("$and", operand, scope))


@register
class AnyOf(DocumentOperator):
    """`$or`: at least one of the filters matches (MongoDB manual: $or)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$or",
        Kind.QUERY,
        "1.6",
        "At least one filter of a list matches.",
        examples=(Example(_DOCUMENTS, {"$or": [{"a": 1}, {"a": None}]}, [_DOCUMENTS[0], _DOCUMENTS[2]]),),
    )

    @classmethod
    def parse(cls, operand: Any, scope: FilterScope) -> Predicate:
        """See `DocumentOperator.parse`. Raises 2 for anything but a list of filters with one or more."""
        return disjunction(_terms("$or", operand, scope))


@register
class Nor(DocumentOperator):
    """`$nor`: none of the filters matches (MongoDB manual: $nor)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$nor",
        Kind.QUERY,
        "1.8",
        "No filter of a list matches.",
        examples=(Example(_DOCUMENTS, {"$nor": [{"a": 1}, {"a": None}]}, [_DOCUMENTS[1]]),),
    )

    @classmethod
    def parse(cls, operand: Any, scope: FilterScope) -> Predicate:
        """See `DocumentOperator.parse`. Raises 2 for anything but a list of filters with one or more."""
        return Not(disjunction(_terms("$nor", operand, scope)))


@register
class Negation(FieldOperator):
    """`$not`: the conditions do not hold, missing fields included (MongoDB manual: $not)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$not",
        Kind.QUERY,
        "1.0",
        "The operators of a document, or a regular expression, do not match.",
        examples=(Example(_DOCUMENTS, {"a": {"$not": {"$gt": 1}}}, [_DOCUMENTS[0], _DOCUMENTS[2]]),),
    )

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 for anything but a regular expression or a document of operators."""
        if type(operand) is Regex:
            return Not(AtPath(path, RegexTest.of(operand)))
        if type(operand) is not dict:
            raise fail(2, "$not needs a regex or a document")
        if not operand:
            raise fail(2, "$not cannot be empty")
        return Not(scope.conditions(path, operand))
