"""Moving an order and a limit before a projection, so that columns are fetched for the winners only.

``$project, $sort, $limit`` gives the same as ``$sort, $limit, $project`` if the projection keeps the fields sorted
by as they are and cannot raise for a row that the limit would have dropped. Whether it can raise is known from the
types of columns: `total` finds the expressions that cannot.
"""

from dataclasses import dataclass
from typing import Any

from kato_compat.ir.expression import Expression, FieldPath, Literal
from kato_compat.ir.projection import Form, Node, Projection
from kato_compat.ir.stage import Stage
from kato_compat.mapping.spec import CollectionSpec
from kato_compat.operators.expression.array import Size
from kato_compat.operators.expression.concat import ConcatArrays
from kato_compat.operators.expression.conditional import IfNull
from kato_compat.operators.expression.iteration import Reduce
from kato_compat.operators.stage.limit import Limit
from kato_compat.operators.stage.project import Reshape
from kato_compat.operators.stage.sort import Sort
from kato_compat.sql.column import Column, ColumnType


@dataclass(frozen=True, slots=True)
class Wanted:
    """The order and the limit that a pipeline puts on its input (`sort` None: any order; `limit` 0: all)."""

    sort: Any = None
    limit: int = 0


def wanted(stages: tuple[Stage, ...], spec: CollectionSpec | None) -> Wanted:
    """What the first stages say of how many documents are wanted, and in which order."""
    projections: list[Projection] = []
    for stage in stages:
        match stage:
            case Reshape(projection) if spec is not None and total(projection, spec):
                projections.append(projection)
            case Limit(number):
                return Wanted(None, number)
            case Sort(sort, limit) if limit is not None and sort.collation is None:
                if all(keeps(projection, name) for projection in projections for name in sort.roots):
                    return Wanted(sort, limit)
                return Wanted()
            case _:
                return Wanted()
    return Wanted()


def keeps(projection: Projection, name: str) -> bool:
    """Whether a projection hands on the root field `name` as it is."""
    child = projection.root.children.get(name)
    if projection.form is Form.INCLUSION:
        return child is True
    return child is None


def total(projection: Projection, spec: CollectionSpec) -> bool:
    """Whether a projection cannot raise for any row of a mapped collection."""
    return not projection.rewrites and _node(projection.root, spec)


def _node(node: Node, spec: CollectionSpec) -> bool:
    for child in node.children.values():
        if isinstance(child, Node):
            if not _node(child, spec):
                return False
        elif isinstance(child, Expression) and not _safe(child, spec):
            return False
    return True


def _safe(expression: Expression, spec: CollectionSpec) -> bool:
    match expression:
        case Literal() | FieldPath():
            return True
        case Size():
            return is_array(expression.children[0], spec)
        case Reduce():
            return is_array(expression, spec)
        case IfNull():
            return all(_safe(child, spec) for child in expression.children)
        case _:
            return False


def is_array(expression: Expression, spec: CollectionSpec) -> bool:
    """Whether an expression is an array for every row: a list column, or a list of lists flattened."""
    match expression:
        case FieldPath((name,), None):
            where = spec.fields.get(name)
            return isinstance(where, Column) and where.type in (ColumnType.STRINGS, ColumnType.STRING_LISTS)
        case Literal(value):
            return type(value) is list
        case Reduce(FieldPath((name,), None), Literal([]), this, value, ConcatArrays((left, right))):
            where = spec.fields.get(name)
            flattens = left == FieldPath((), value) and right == FieldPath((), this)
            return isinstance(where, Column) and where.type is ColumnType.STRING_LISTS and flattens
        case _:
            return False
