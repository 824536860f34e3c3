"""The equality that ties the pipeline of a `$lookup` to the outer document: found at parse time, used as a hash key.

``{$match: {$expr: {$eq: ["$field", "$$variable"]}}}`` lets only documents through whose field equals the variable;
so the foreign documents are put into a hash once instead of being tested for every outer document.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from kato_compat.ir.expression import Expression, FieldPath, Frame, Operation
from kato_compat.ir.predicate import And, Computed, Predicate
from kato_compat.ir.stage import Documents, Pipeline
from kato_compat.operators.stage.match import Match
from kato_compat.values.collation import Collation, identity


@dataclass(frozen=True, slots=True)
class KeyEquality:
    """`inner`, of a foreign document, equals `outer`, of the frame, in whatever the pipeline lets through."""

    inner: FieldPath
    outer: FieldPath
    collation: Collation | None = None

    def index(self, documents: Documents) -> dict[Hashable, Documents]:
        """`documents` by the key of `inner`, in order."""
        evaluate, identify = self.inner.compile(), identity(self.collation)
        result: dict[Hashable, Documents] = {}
        for document in documents:
            result.setdefault(identify(evaluate(document, [])), []).append(document)
        return result

    def key(self, frame: Frame) -> Hashable:
        """The key of `outer`."""
        return identity(self.collation)(self.outer.compile()(None, frame))


def key_equality(pipeline: Pipeline) -> KeyEquality | None:
    """The first such equality that the first stage of `pipeline` demands, None if there is none."""
    if not pipeline.stages or not isinstance(pipeline.stages[0], Match):
        return None
    for term in _demands(pipeline.stages[0].predicate):
        if isinstance(term, Operation) and term.spec.name == "$eq":
            left, right = term.children
            for inner, outer in ((left, right), (right, left)):
                if (
                    isinstance(inner, FieldPath)
                    and isinstance(outer, FieldPath)
                    and inner.slot is None
                    and inner.path
                    and outer.slot is not None
                ):
                    return KeyEquality(inner, outer, getattr(term, "collation", None))
    return None


def _demands(predicate: Predicate) -> Iterator[Expression]:
    if isinstance(predicate, And):
        for term in predicate.terms:
            yield from _demands(term)
    elif isinstance(predicate, Computed):
        yield from _conjuncts(predicate.expression)


def _conjuncts(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, Operation) and expression.spec.name == "$and":
        for child in expression.children:
            yield from _conjuncts(child)
    else:
        yield expression
