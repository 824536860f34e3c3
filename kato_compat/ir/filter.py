"""What parsing a filter offers to query operators, and the two forms a query operator can have."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from kato_compat.ir.expression import Expression
from kato_compat.ir.predicate import Predicate
from kato_compat.ir.spec import Spec
from kato_compat.values.collation import Collation
from kato_compat.values.paths import Path


class FilterScope(Protocol):
    """What parsing a filter offers to operators (they never import `parse`)."""

    @property
    def collation(self) -> Collation | None:
        """The collation of string comparisons; None for comparing by code point."""

    @property
    def nested(self) -> bool:
        """True where the filter is on a sub-document or an array element and not on the whole document."""

    def document(self, raw: Any) -> Predicate:
        """Parse a nested filter document that is applied to the same document (`$and`)."""

    def element(self, raw: Any) -> Predicate:
        """Parse a nested filter document that is applied to an element of an array (`$elemMatch`)."""

    def conditions(self, path: Path, raw: Mapping[str, Any]) -> Predicate:
        """Parse a document of operators (``{$gt: 1, $lt: 5}``) that is applied to what `path` leads to."""

    def expression(self, raw: Any) -> Expression:
        """Parse an aggregation expression (`$expr`)."""


class FieldOperator(ABC):
    """A query operator written below a field: ``{field: {$name: operand}}``."""

    __slots__ = ()
    spec: ClassVar[Spec]

    @classmethod
    @abstractmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate | None:
        """The condition on `path`; None where another operator of `siblings` (the whole operator document) says it.

        Raises the server's coded error for a wrong operand.
        """


class DocumentOperator(ABC):
    """A query operator written in place of a field: ``{$name: operand}``."""

    __slots__ = ()
    spec: ClassVar[Spec]

    @classmethod
    @abstractmethod
    def parse(cls, operand: Any, scope: FilterScope) -> Predicate | None:
        """The condition on the document; None where there is nothing to test (`$comment`).

        Raises the server's coded error for a wrong operand.
        """
