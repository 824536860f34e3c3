"""Filters as trees of six nodes, and their compilation to Python closures.

Walkers (compilation, pushdown, key pinning, upsert seeds) know only these nodes; what an operator means is in the
test that `AtPath` carries, an instance of the operator's class.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from kato_compat.ir.spec import Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import Path, iterate

if TYPE_CHECKING:
    from kato_compat.ir.expression import Expression, Frame
    from kato_compat.sql.column import Column
    from kato_compat.sql.fragment import Pushed

DocumentTest: TypeAlias = Callable[[dict[str, Any]], bool]
ValueTest: TypeAlias = Callable[[Any], bool]
#: Documents to those of them that match, in their order.
Selection: TypeAlias = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


class Test(ABC):
    """The leaf of a filter: what one operator asks of one value. Instances are immutable.

    `unwinds`: elements of an array at the path's end are tested one by one, then the array itself; where False
    only the array itself is (`$size`, `$elemMatch`).
    """

    __test__ = False  # not a test class of pytest's
    __slots__ = ()
    spec: ClassVar[Spec]
    unwinds: ClassVar[bool] = True

    @abstractmethod
    def compile(self) -> ValueTest:
        """A function that says whether one value (or MISSING) passes, arrays taken whole."""

    def at_root(self, name: str) -> "DocumentTest | None":
        """`compile`, unwinding included, for the root field `name` of a document; None where that gains nothing."""
        return None

    def select(self, name: str) -> "Selection | None":
        """`at_root` for a list of documents at once, the ones that pass; None where that gains nothing."""
        return None

    def push(self, column: "Column") -> "Pushed | None":
        """The test on a ClickHouse column as SQL, or None (the default): see `sql.fragment.Pushed`."""
        return None


@dataclass(frozen=True, slots=True)
class And:
    """All of `terms` hold; true when there are none."""

    terms: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of `terms` holds."""

    terms: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`term` does not hold. All negative operators are this."""

    term: "Predicate"


@dataclass(frozen=True, slots=True)
class AtPath:
    """`test` holds for something that `path` leads to. An empty path is the value itself, never unwound."""

    path: Path
    test: Test


@dataclass(frozen=True, slots=True)
class Computed:
    """The expression is truthy for the document (`$expr`)."""

    expression: "Expression"


@dataclass(frozen=True, slots=True)
class Constant:
    """Always or never."""

    value: bool


Predicate: TypeAlias = And | Or | Not | AtPath | Computed | Constant

ALWAYS = Constant(True)
NEVER = Constant(False)


def conjunction(terms: list[Predicate]) -> Predicate:
    """`And` of `terms`, flattened; the term itself when there is one; `ALWAYS` when there is none."""
    flat: list[Predicate] = []
    for term in terms:
        if isinstance(term, And):
            flat.extend(term.terms)
        elif term != ALWAYS:
            flat.append(term)
    return flat[0] if len(flat) == 1 else And(tuple(flat)) if flat else ALWAYS


def leaves(node: Predicate) -> Iterator[Predicate]:
    """Every `AtPath`, `Computed` and `Constant` below `node`."""
    match node:
        case And(terms) | Or(terms):
            for term in terms:
                yield from leaves(term)
        case Not(term):
            yield from leaves(term)
        case _:
            yield node


def compile_predicate(node: Predicate, frame: "Frame | None" = None) -> DocumentTest:
    """A function that says whether a document matches. Nothing is parsed or looked up when it runs.

    `frame` holds the variables of the running pipeline, for `$expr` (see `ir.expression`).
    """
    match node:
        case Constant(value):
            return lambda _: value
        case Not(term):
            inner = compile_predicate(term, frame)
            return lambda document: not inner(document)
        case And(terms):
            return _all(tuple(compile_predicate(term, frame) for term in terms))
        case Or(terms):
            return _any(tuple(compile_predicate(term, frame) for term in terms))
        case Computed(expression):
            evaluate = expression.bind(frame)
            return lambda document: truthy(evaluate(document))
        case AtPath(path, test):
            quick = test.at_root(path[0]) if len(path) == 1 else None
            return _at_path(path, test.compile(), test.unwinds) if quick is None else quick


def compile_selection(node: Predicate, frame: "Frame | None" = None) -> Selection:
    """`compile_predicate` for a list of documents at once: no call for each of them where a test has a quicker way."""
    if isinstance(node, AtPath) and len(node.path) == 1:
        quick = node.test.select(node.path[0])
        if quick is not None:
            return quick
    test = compile_predicate(node, frame)
    return lambda documents: list(filter(test, documents))


def truthy(value: Any) -> bool:
    """MongoDB's boolean value of anything: false are false, null, missing and zero of any number type."""
    if value is True or value is False:
        return value
    if value is None or value is MISSING:
        return False
    kind = type(value).__name__
    if kind in ("int", "Int64", "float"):
        return bool(value != 0)
    return bool(value.to_decimal() != 0) if kind == "Decimal128" else True


def _all(tests: tuple[DocumentTest, ...]) -> DocumentTest:
    if not tests:
        return lambda _: True
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda document: first(document) and second(document)
    if len(tests) == 3:
        one, two, three = tests
        return lambda document: one(document) and two(document) and three(document)

    def every(document: dict[str, Any]) -> bool:
        for test in tests:  # noqa: SIM110 - a generator expression is slower
            if not test(document):
                return False
        return True

    return every


def _any(tests: tuple[DocumentTest, ...]) -> DocumentTest:
    def some(document: dict[str, Any]) -> bool:
        for test in tests:  # noqa: SIM110 - a generator expression is slower
            if test(document):
                return True
        return False

    return some


def _at_path(path: Path, test: ValueTest, unwinds: bool) -> DocumentTest:
    if not path:
        return test
    if len(path) == 1:
        name = path[0]
        if not unwinds:
            return lambda document: test(document.get(name, MISSING))

        def root(document: dict[str, Any]) -> bool:
            value = document.get(name, MISSING)
            if type(value) is list:
                for item in value:
                    if test(item):
                        return True
            return test(value)

        return root

    head, rest = path[0], path[1:]

    def dotted(document: dict[str, Any]) -> bool:
        # The common case first: plain sub-documents all the way down.
        value = document.get(head, MISSING)
        for name in rest:
            if type(value) is not dict:
                break
            value = value.get(name, MISSING)
        else:
            if type(value) is not list:
                return test(value)
            if unwinds:
                for item in value:
                    if test(item):
                        return True
            return test(value)
        for found, _ in iterate(document, path, unwinds):  # noqa: SIM110
            if test(found):
                return True
        return False

    return dotted


def matched_index(node: Predicate) -> Callable[[dict[str, Any]], int | None]:
    """A function that gives the array index by which a matching document matched, or None.

    This is what the positional `$` of updates and projections stands for (MongoDB manual: $ (update)): the index,
    in the outermost array traversed, of the last condition in the filter that went through an array.
    """
    match node:
        case AtPath(path, test) if path:
            check, unwinds = test.compile(), test.unwinds
            # An operator that looks into the array itself ($elemMatch) knows which element it was.
            finder = getattr(test, "finder", None)
            positions = finder() if finder is not None else None

            def at_path(document: dict[str, Any]) -> int | None:
                for value, index in iterate(document, path, unwinds):
                    if check(value):
                        return index if index is not None or positions is None else positions(value)
                return None

            return at_path
        case And(terms):
            inner = tuple(matched_index(term) for term in terms)

            def last(document: dict[str, Any]) -> int | None:
                found = None
                for each in inner:
                    index = each(document)
                    if index is not None:
                        found = index
                return found

            return last
        case Or(terms):
            pairs = tuple((compile_predicate(term), matched_index(term)) for term in terms)

            def first(document: dict[str, Any]) -> int | None:
                for matches, position in pairs:
                    if matches(document):
                        return position(document)
                return None

            return first
        case _:
            return lambda _: None
