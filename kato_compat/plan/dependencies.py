"""Dependencies: the root fields of the source documents that a pipeline reads."""

from kato_compat.ir.expression import Expression, roots
from kato_compat.ir.projection import Form, expressions
from kato_compat.ir.stage import Stage
from kato_compat.operators.stage.group import Group
from kato_compat.operators.stage.limit import Limit, Skip
from kato_compat.operators.stage.match import Match
from kato_compat.operators.stage.project import Reshape
from kato_compat.operators.stage.sort import Sort
from kato_compat.operators.stage.unwind import Unwind
from kato_compat.plan.access import predicate_fields


def pipeline_fields(stages: tuple[Stage, ...]) -> frozenset[str] | None:
    """The root fields that `stages` read of their input; None where that may be any field.

    The documents are read up to the first stage that makes new ones (`$group`, an inclusion): what is not read by
    then cannot matter.
    """
    found: frozenset[str] = frozenset()
    made: frozenset[str] = frozenset()  # fields that a stage has computed: what reads them later reads no source
    for stage in stages:
        read: frozenset[str] | None
        ends = False
        computed: frozenset[str] = frozenset()
        match stage:
            case Match(predicate):
                read = predicate_fields(predicate)
            case Sort(sort):
                read = sort.roots
            case Limit() | Skip():
                read = frozenset()
            case Unwind():
                # It passes on what it does not unwind; an index field that it sets is read by nobody before it.
                read = frozenset(stage.path[:1])
            case Group(key, fields):
                read = _union([key, *[child for _, accumulator in fields for child in accumulator.children]])
                ends = True
            case Reshape(projection) if projection.form is Form.INCLUSION:
                read, ends = projection.fields, True
            case Reshape(projection) if projection.form is Form.ADDITION and not projection.rewrites:
                children = projection.root.children
                computed = frozenset(name for name, child in children.items() if isinstance(child, Expression))
                # A path below a field keeps the rest of it.
                kept = frozenset(children) - computed
                inner = _union(expressions(projection.root))
                read = None if inner is None else inner | kept
            case Reshape(projection) if projection.form is Form.EXCLUSION and not projection.rewrites:
                read = frozenset()
            case _:
                return None
        if read is None:
            return None
        found |= read - made
        made |= computed
        if ends:
            return found
    return None


def _union(expressions: list[Expression]) -> frozenset[str] | None:
    found: frozenset[str] = frozenset()
    for expression in expressions:
        read = roots(expression)
        if read is None:
            return None
        found |= read
    return found
