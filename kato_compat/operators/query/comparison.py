"""Comparison query operators: `$eq $ne $gt $gte $lt $lte $in $nin` (MongoDB manual: Comparison Query Operators)."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bson.regex import Regex

from kato_compat.errors import fail
from kato_compat.ir.filter import FieldOperator, FilterScope
from kato_compat.ir.predicate import NEVER, AtPath, DocumentTest, Not, Predicate, Selection, Test, ValueTest
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.query import match, push
from kato_compat.operators.query.evaluation import RegexTest
from kato_compat.sql.column import Column
from kato_compat.sql.fragment import Pushed
from kato_compat.values.collation import Collation
from kato_compat.values.paths import Path, fields_of

_AGES: Final = ({"_id": 1, "age": 20}, {"_id": 2, "age": [30, 40]}, {"_id": 3})


@register
@dataclass(frozen=True, slots=True)
class Eq(Test, FieldOperator):
    """`$eq`, and a plain value: equal to `operand` (MongoDB manual: $eq). Null also equals a missing field.

    A regular expression is a value here, equal to itself only.
    """

    spec: ClassVar[Spec] = Spec(
        "$eq",
        Kind.QUERY,
        "3.0",
        "Equal to a value; for an array, also if one of its elements is.",
        examples=(
            Example(_AGES, {"age": {"$eq": 30}}, [_AGES[1]]),
            Example(_AGES, {"age": None}, [_AGES[2]]),
        ),
    )
    operand: Any
    collation: Collation | None = None

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`."""
        return AtPath(path, cls(operand, scope.collation))

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        return match.equals(self.operand, self.collation)

    def at_root(self, name: str) -> DocumentTest | None:
        """See `Test.at_root`."""
        return match.root_equals(name, self.operand) if self.collation is None else None

    def select(self, name: str) -> Selection | None:
        """See `Test.select`."""
        return match.select_equals(name, self.operand) if self.collation is None else None

    def push(self, column: Column) -> Pushed | None:
        """See `Test.push`: exact on every column."""
        return push.equals(self.operand, column) if self.collation is None else None


@register
class Ne(FieldOperator):
    """`$ne`: not equal to the operand, missing fields included (MongoDB manual: $ne). Parsed to `Not` of `Eq`."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$ne",
        Kind.QUERY,
        "1.0",
        "Not equal to a value; true for a missing field, false for an array that holds the value.",
        examples=(Example(_AGES, {"age": {"$ne": 30}}, [_AGES[0], _AGES[2]]),),
    )

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 for a regular expression."""
        if type(operand) is Regex:
            raise fail(2, "Can't have regex as arg to $ne.")
        return Not(AtPath(path, Eq(operand, scope.collation)))


@dataclass(frozen=True, slots=True)
class Range(Test, FieldOperator):
    """The base of the four range tests: only values of the operand's own bracket compare.

    `compares` is the comparison of a value (left) with the operand (right).
    """

    compares: ClassVar[Callable[[Any, Any], bool]]
    operand: Any
    collation: Collation | None = None

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 for a regular expression."""
        if type(operand) is Regex:
            raise fail(2, f"Can't have RegEx as arg to predicate over field '{'.'.join(path)}'.")
        return AtPath(path, cls(operand, scope.collation))

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        return match.within(type(self).compares, self.operand, self.collation)

    def at_root(self, name: str) -> DocumentTest | None:
        """See `Test.at_root`."""
        return match.root_within(name, self.operand, self.compile()) if self.collation is None else None

    def select(self, name: str) -> Selection | None:
        """See `Test.select`."""
        whole = self.at_root(name)
        return None if whole is None else match.select_within(type(self).compares, name, self.operand, whole)

    def push(self, column: Column) -> Pushed | None:
        """See `Test.push`: exact on strings and numbers."""
        return push.within(type(self).compares, self.operand, column) if self.collation is None else None


@register
class Gt(Range):
    """`$gt`: greater than the operand (MongoDB manual: $gt)."""

    __slots__ = ()
    compares = operator.gt
    spec: ClassVar[Spec] = Spec(
        "$gt",
        Kind.QUERY,
        "1.0",
        "Greater than a value of the same type bracket.",
        examples=(Example(_AGES, {"age": {"$gt": 20}}, [_AGES[1]]),),
    )


@register
class Gte(Range):
    """`$gte`: greater than or equal to the operand (MongoDB manual: $gte)."""

    __slots__ = ()
    compares = operator.ge
    spec: ClassVar[Spec] = Spec(
        "$gte",
        Kind.QUERY,
        "1.0",
        "Greater than or equal to a value of the same type bracket.",
        examples=(Example(_AGES, {"age": {"$gte": 20}}, [_AGES[0], _AGES[1]]),),
    )


@register
class Lt(Range):
    """`$lt`: less than the operand (MongoDB manual: $lt)."""

    __slots__ = ()
    compares = operator.lt
    spec: ClassVar[Spec] = Spec(
        "$lt",
        Kind.QUERY,
        "1.0",
        "Less than a value of the same type bracket.",
        examples=(Example(_AGES, {"age": {"$lt": 40}}, [_AGES[0], _AGES[1]]),),
    )


@register
class Lte(Range):
    """`$lte`: less than or equal to the operand (MongoDB manual: $lte)."""

    __slots__ = ()
    compares = operator.le
    spec: ClassVar[Spec] = Spec(
        "$lte",
        Kind.QUERY,
        "1.0",
        "Less than or equal to a value of the same type bracket.",
        examples=(Example(_AGES, {"age": {"$lte": None}}, [_AGES[2]]),),
    )


@register
@dataclass(frozen=True, slots=True)
class In(Test, FieldOperator):
    """`$in`: equal to one of `values`, or matched by one of `patterns` (MongoDB manual: $in)."""

    spec: ClassVar[Spec] = Spec(
        "$in",
        Kind.QUERY,
        "1.0",
        "Equal to one of the values of a list, or matched by one of its regular expressions.",
        examples=(
            Example(_AGES, {"age": {"$in": [20, 30]}}, [_AGES[0], _AGES[1]]),
            Example(({"_id": 1, "s": "ab"}, {"_id": 2}), {"s": {"$in": [Regex("^a")]}}, [{"_id": 1, "s": "ab"}]),
        ),
    )
    values: tuple[Any, ...]
    patterns: tuple[RegexTest, ...] = ()
    collation: Collation | None = None

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 for an operand that is no list, or holds an operator document."""
        return _one_of("$in", path, operand, scope)

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        return match.one_of(self.values, tuple(pattern.compile() for pattern in self.patterns), self.collation)

    def push(self, column: Column) -> Pushed | None:
        """See `Test.push`: exact where every value and pattern is."""
        if self.collation is not None:
            return None
        return push.one_of(self.values, tuple(pattern.push(column) for pattern in self.patterns), column)


@register
class Nin(FieldOperator):
    """`$nin`: equal to none of the values, missing fields included (MongoDB manual: $nin). Parsed to `Not` of `In`."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$nin",
        Kind.QUERY,
        "1.0",
        "Equal to none of the values of a list; true for a missing field.",
        examples=(Example(_AGES, {"age": {"$nin": [20, None]}}, [_AGES[1]]),),
    )

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 as `$in` does."""
        return Not(_one_of("$nin", path, operand, scope))


def _one_of(name: str, path: Path, operand: Any, scope: FilterScope) -> Predicate:
    if type(operand) is not list:
        raise fail(2, f"{name} needs an array")
    values: list[Any] = []
    patterns: list[RegexTest] = []
    for item in operand:
        if type(item) is Regex:
            patterns.append(RegexTest.of(item))
            continue
        fields = fields_of(item)
        if fields and next(iter(fields)).startswith("$") and not ("$ref" in fields and "$id" in fields):
            raise fail(2, f"cannot nest $ under {name}")
        values.append(item)
    if not values and not patterns:
        return NEVER
    if len(operand) == 1:
        # The server simplifies a list of one as well; an upsert takes its field from it.
        return AtPath(path, patterns[0] if patterns else Eq(values[0], scope.collation))
    return AtPath(path, In(tuple(values), tuple(patterns), scope.collation))
