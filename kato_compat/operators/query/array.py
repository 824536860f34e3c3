"""Array query operators: `$all $elemMatch $size` (MongoDB manual: Array Query Operators)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bson.dbref import DBRef
from bson.regex import Regex

from kato_compat.errors import fail
from kato_compat.ir.filter import DocumentOperator, FieldOperator, FilterScope
from kato_compat.ir.predicate import NEVER, AtPath, Predicate, Test, ValueTest, compile_predicate, conjunction
from kato_compat.ir.registry import find, register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.operators.query import push
from kato_compat.operators.query.comparison import Eq
from kato_compat.operators.query.evaluation import RegexTest
from kato_compat.operators.query.integer import integer
from kato_compat.sql.column import Column
from kato_compat.sql.fragment import Pushed
from kato_compat.values.paths import Path, fields_of

_LISTS: Final = (
    {"_id": 1, "a": [1, 5]},
    {"_id": 2, "a": [{"b": 1, "c": 2}, {"b": 3}]},
    {"_id": 3, "a": []},
)


@register
class All(FieldOperator):
    """`$all`: all of the values are there (MongoDB manual: $all). Parsed to the conjunction of its values' tests."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$all",
        Kind.QUERY,
        "1.0",
        "An array that holds all values of a list, or has an element for each of its `$elemMatch`.",
        examples=(
            Example(_LISTS, {"a": {"$all": [5, 1]}}, [_LISTS[0]]),
            Example(_LISTS, {"a": {"$all": [{"$elemMatch": {"b": 1}}, {"$elemMatch": {"b": 3}}]}}, [_LISTS[1]]),
            Example(_LISTS, {"a": {"$all": []}}, []),
        ),
    )

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 for anything but a list of values, or of `$elemMatch` documents."""
        if type(operand) is not list:
            raise fail(2, "$all needs an array")
        if not operand:
            return NEVER
        if _first_name(operand[0]) == "$elemMatch":
            terms = []
            for item in operand:
                if _first_name(item) != "$elemMatch":
                    raise fail(2, "$all/$elemMatch has to be consistent")
                terms.append(ElemMatch.parse(path, item["$elemMatch"], item, scope))
            return conjunction(terms)
        tests: list[Predicate] = []
        for item in operand:
            if type(item) is Regex:
                tests.append(AtPath(path, RegexTest.of(item)))
                continue
            name = _first_name(item)
            if name is not None and _is_field_operator(name):
                raise fail(2, "no $ expressions in $all")
            tests.append(AtPath(path, Eq(item, scope.collation)))
        return conjunction(tests)


def _first_name(value: Any) -> str | None:
    return next(iter(value), None) if type(value) is dict else None


def _is_field_operator(name: str) -> bool:
    operator = find(Kind.QUERY, name)
    # $not is no operator here: the server compares the document as a value.
    return operator is not None and issubclass(operator, FieldOperator) and name != "$not"


@register
@dataclass(frozen=True, slots=True)
class ElemMatch(Test, FieldOperator):
    """`$elemMatch`: one element of the array meets all conditions (MongoDB manual: $elemMatch (query)).

    With `whole` the conditions are operators on the element itself, which is then never unwound; otherwise they
    are a filter on elements that are documents (or arrays, whose fields are then their indexes).
    """

    unwinds: ClassVar[bool] = False
    spec: ClassVar[Spec] = Spec(
        "$elemMatch",
        Kind.QUERY,
        "1.4",
        "An array with an element that meets all the conditions.",
        examples=(
            Example(_LISTS, {"a": {"$elemMatch": {"$gt": 1, "$lt": 9}}}, [_LISTS[0]]),
            Example(_LISTS, {"a": {"$elemMatch": {"b": 1, "c": {"$exists": True}}}}, [_LISTS[1]]),
        ),
    )
    condition: Predicate
    whole: bool

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 for anything but a document."""
        if type(operand) is DBRef:
            operand = dict(operand.as_doc())
        if type(operand) is not dict:
            raise fail(2, "$elemMatch needs an Object")
        if _is_value_form(operand):
            return AtPath(path, cls(scope.conditions((), operand), True))
        return AtPath(path, cls(scope.element(operand), False))

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        find_index = self.finder()
        return lambda value: type(value) is list and find_index(value) is not None

    def push(self, column: Column) -> Pushed | None:
        """See `Test.push`."""
        return push.element(self.condition, self.whole, column)

    def finder(self) -> Callable[[list[Any]], int | None]:
        """A function that gives the index of the first element that meets the conditions, or None."""
        matches = compile_predicate(self.condition)
        if self.whole:

            def value_index(value: list[Any]) -> int | None:
                for index, item in enumerate(value):
                    if matches(item):
                        return index
                return None

            return value_index

        def document_index(value: list[Any]) -> int | None:
            for index, item in enumerate(value):
                fields = item if type(item) is dict else _as_fields(item)
                if fields is not None and matches(fields):
                    return index
            return None

        return document_index


def _as_fields(item: Any) -> dict[str, Any] | None:
    if type(item) is list:
        return {str(index): value for index, value in enumerate(item)}
    return fields_of(item)


def _is_value_form(operand: dict[str, Any]) -> bool:
    name = next(iter(operand), "")
    if not name.startswith("$") or any(part in operand for part in ("$ref", "$id", "$db")):
        return False
    operator = find(Kind.QUERY, name)
    return operator is None or not issubclass(operator, DocumentOperator)


@register
@dataclass(frozen=True, slots=True)
class Size(Test, FieldOperator):
    """`$size`: an array with exactly so many elements (MongoDB manual: $size)."""

    unwinds: ClassVar[bool] = False
    spec: ClassVar[Spec] = Spec(
        "$size",
        Kind.QUERY,
        "1.0",
        "An array with exactly the given number of elements.",
        examples=(Example(_LISTS, {"a": {"$size": 0}}, [_LISTS[2]]),),
    )
    length: int

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 for anything but a whole number from 0."""
        return AtPath(path, cls(integer("$size", operand, 2, "Failed to parse $size. ", negative=False, bits=32)))

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        length = self.length
        return lambda value: type(value) is list and len(value) == length

    def push(self, column: Column) -> Pushed | None:
        """See `Test.push`: exact on every column."""
        return push.size(self.length, column)
