"""Which pipelines ask a column only for its distinct values, so that SQL may give each value once."""

from dataclasses import dataclass

from kato_compat.ir.expression import FieldPath
from kato_compat.ir.projection import Form
from kato_compat.ir.stage import Stage
from kato_compat.mapping.spec import CollectionSpec
from kato_compat.operators.stage.group import Group
from kato_compat.operators.stage.project import Reshape
from kato_compat.operators.stage.unwind import Unwind
from kato_compat.plan.commute import keeps
from kato_compat.sql.column import Column, ColumnType

#: How many times `$unwind` opens a column of a type; a further one leaves its values as they are.
_DEPTH = {ColumnType.STRINGS: 1, ColumnType.STRING_LISTS: 2}


@dataclass(frozen=True, slots=True)
class DistinctValues:
    """The values of the field `name` that a pipeline asks for, its arrays unwound `depth` times."""

    name: str
    depth: int


def distinct_values(stages: tuple[Stage, ...], spec: CollectionSpec | None) -> DistinctValues | None:
    """What a pipeline that begins with a `$group` of nothing but a column, unwound or not, needs of its input.

    Between them there may be projections that keep the column. Any documents that hold all distinct values of the
    column, each at least once and as deep as in the rows, give the same groups.
    """
    if spec is None:
        return None
    name: str | None = None
    unwound = 0
    kept: list[Reshape] = []
    for stage in stages:
        match stage:
            case Reshape(projection) if projection.form is Form.INCLUSION and not (
                projection.root.computes or projection.rewrites
            ):
                kept.append(stage)
            case Unwind((path,), False, None) if name in (None, path):
                name = path
                unwound += 1
            case Group(FieldPath((path,), None), ()) if name in (None, path):
                column = spec.fields.get(path)
                if not isinstance(column, Column) or not all(keeps(each.projection, path) for each in kept):
                    return None
                return DistinctValues(path, min(unwound, _DEPTH.get(column.type, 0)))
            case _:
                return None
    return None
