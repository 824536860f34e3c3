"""Parsing filters (MongoDB manual: Query Documents, Query Predicates)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from bson.dbref import DBRef
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.regex import Regex

from kato_compat import operators
from kato_compat.errors import fail
from kato_compat.ir.expression import Expression
from kato_compat.ir.filter import DocumentOperator, FieldOperator
from kato_compat.ir.predicate import AtPath, Predicate, conjunction
from kato_compat.ir.registry import find
from kato_compat.ir.spec import Kind
from kato_compat.operators.query.comparison import Eq
from kato_compat.operators.query.evaluation import RegexTest
from kato_compat.parse.expression import Context
from kato_compat.values.collation import Collation
from kato_compat.values.paths import Path, split

#: The deepest filter, in levels of BSON: what the server's wire protocol lets through.
_MAX_DEPTH: Final = 200
#: Types of values that are compared as they are: neither operators nor regular expressions.
_PLAIN: Final = frozenset({str, int, Int64, float, bool, type(None), ObjectId, datetime, bytes})


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope in which a filter is parsed: see `ir.filter.FilterScope`."""

    context: Context
    collation: Collation | None = None
    nested: bool = False
    depth: int = 0

    def document(self, raw: Any) -> Predicate:
        """See `FilterScope.document`."""
        return self._deeper(2).parse(raw)

    def element(self, raw: Any) -> Predicate:
        """See `FilterScope.element`."""
        inner = self._deeper(1)
        return Scope(inner.context, inner.collation, True, inner.depth).parse(raw)

    def conditions(self, path: Path, raw: Mapping[str, Any]) -> Predicate:
        """See `FilterScope.conditions`."""
        inner = self._deeper(1)
        terms: list[Predicate] = []
        for name, operand in raw.items():
            operator = find(Kind.QUERY, name)
            if operator is None or not issubclass(operator, FieldOperator):
                if name == "$where":
                    raise fail(2, "$where cannot be applied to a field")
                raise fail(2, f"unknown operator: {name}")
            term = operator.parse(path, operand, raw, inner)
            if term is not None:
                terms.append(term)
        return conjunction(terms)

    def expression(self, raw: Any) -> Expression:
        """See `FilterScope.expression`."""
        return self.context.parse(raw)

    def parse(self, raw: Mapping[str, Any]) -> Predicate:
        """The typed form of one filter document at this level."""
        terms: list[Predicate] = []
        for name, value in raw.items():
            if name.startswith("$"):
                term = self._operation(name, value)
            else:
                term = self._field(split(name), value)
            if term is not None:
                terms.append(term)
        return conjunction(terms)

    def _operation(self, name: str, operand: Any) -> Predicate | None:
        operator = find(Kind.QUERY, name)
        if operator is not None and issubclass(operator, DocumentOperator):
            parsed: Predicate | None = operator.parse(operand, self)
            return parsed
        if name in ("$ref", "$id", "$db"):
            # The parts of a DBRef are fields whose names start with a dollar sign.
            return AtPath((name,), Eq(operand, self.collation))
        raise fail(
            2,
            f"unknown top level operator: {name}. If you have a field name that starts with a '$' symbol, consider "
            "using $getField or $setField.",
        )

    def _field(self, path: Path, value: Any) -> Predicate:
        if is_operators(value):
            return self.conditions(path, value)
        if type(value) is Regex:
            return AtPath(path, RegexTest.of(value))
        return AtPath(path, Eq(value, self.collation))

    def _deeper(self, levels: int) -> "Scope":
        if self.depth + levels > _MAX_DEPTH:
            raise fail(15, f"BSONObj exceeds maximum nested object depth: {_MAX_DEPTH}")
        return Scope(self.context, self.collation, self.nested, self.depth + levels)


def is_operators(value: Any) -> bool:
    """True for a document of operators: its first field starts with a dollar sign, and it is no DBRef."""
    if type(value) is not dict or not value:
        return False
    return next(iter(value)).startswith("$") and not ("$ref" in value and "$id" in value)


def parse_filter(
    raw: Mapping[str, Any], context: Context | None = None, *, collation: Collation | None = None
) -> Predicate:
    """The typed form of the filter `raw`, which is of internal form (`values.document.normalise`).

    `context` is the scope of ``$expr`` (its variables); `collation` orders the strings in comparisons
    (None: that of `context`). Raises
    `OperationFailure` with the server's code for anything the server refuses, 2 (BadValue) for most, whether or not
    there are documents.
    """
    if type(raw) is dict and len(raw) == 1:
        ((name, value),) = raw.items()
        if type(value) in _PLAIN and not name.startswith("$"):
            # The common case: a field is a plain value.
            if collation is None and context is not None:
                collation = context.collation
            return AtPath(split(name), Eq(value, collation))
    if isinstance(raw, DBRef):
        raw = raw.as_doc()
    if not isinstance(raw, Mapping):
        raise fail(14, f"a filter must be a document, got {type(raw).__name__}")
    scope = Context() if context is None else context
    if collation is None:
        collation = scope.collation
    elif scope.collation != collation:
        scope = replace(scope, collation=collation)
    return Scope(scope, collation).parse(raw)


operators.load()
