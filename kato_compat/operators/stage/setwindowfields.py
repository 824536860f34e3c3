"""`$setWindowFields`: fields computed from other documents of a partition."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, Frame, Literal
from kato_compat.ir.projection import Form, Node, Projection
from kato_compat.ir.registry import find, register
from kato_compat.ir.spec import Example, Kind, Spec, Status
from kato_compat.ir.stage import Documents, Environment, Running, Stage, StageContext
from kato_compat.ir.window import Column, Ordering, Windowed, WindowFunction
from kato_compat.operators.stage.specification import read
from kato_compat.operators.stage.spill import Sorter
from kato_compat.values.collation import Collation, identity
from kato_compat.values.collation import ordering as ordering_of
from kato_compat.values.missing import MISSING
from kato_compat.values.naming import document_path
from kato_compat.values.order import SortKey
from kato_compat.values.paths import Path
from kato_compat.values.types import alias_of

_BATCH = 1024


@register
@dataclass(frozen=True, slots=True)
class SetWindowFields(Stage):
    """`$setWindowFields` (MongoDB manual: $setWindowFields (aggregation)).

    Documents come out sorted by partition, then by ``sortBy``. One partition at a time is held in memory.
    """

    spec: ClassVar[Spec] = Spec(
        "$setWindowFields",
        Kind.STAGE,
        "5.0",
        "Computes fields over windows of the documents of a partition.",
        examples=(
            Example(
                ({"_id": 1, "p": "x", "a": 1}, {"_id": 2, "p": "y", "a": 5}, {"_id": 3, "p": "x", "a": 2}),
                [
                    {
                        "$setWindowFields": {
                            "partitionBy": "$p",
                            "sortBy": {"_id": 1},
                            "output": {"sum": {"$sum": "$a", "window": {"documents": ["unbounded", "current"]}}},
                        }
                    }
                ],
                [
                    {"_id": 1, "p": "x", "a": 1, "sum": 1},
                    {"_id": 3, "p": "x", "a": 2, "sum": 3},
                    {"_id": 2, "p": "y", "a": 5, "sum": 5},
                ],
            ),
        ),
    )
    partition: Expression | None
    ordering: Ordering | None
    outputs: tuple[tuple[Path, WindowFunction], ...]
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "SetWindowFields":
        """See `Stage.parse`. Raises 9, 14, 40414, 40415 (malformed), 6307900 (paths that collide)."""
        if type(operand) is not dict:
            raise fail(9, f"the $setWindowFields stage specification must be an object, found {alias_of(operand)}")
        fields = read(
            "$setWindowFields",
            operand,
            {"partitionBy": (), "sortBy": ("object",), "output": ("object",)},
            ("output",),
        )
        partition = context.parse(fields["partitionBy"]) if "partitionBy" in fields else None
        ordering = None
        if "sortBy" in fields:
            ordering = _ordering(fields["sortBy"], context)
        outputs: list[tuple[Path, WindowFunction]] = []
        for name, raw in fields["output"].items():
            if any(_collide(name, other) for other in fields["output"] if other != name):
                raise fail(6307900, "$setWindowFields 'output' specification contains two conflicting paths")
            function = parse_function(name, raw, ordering, context)
            outputs.append((document_path(name), function))
        if isinstance(partition, Literal):
            if type(partition.value) is list:
                raise fail(14, "An expression used to partition cannot evaluate to value of type array")
            partition = None
        return cls(partition, ordering, tuple(outputs), context.collation)

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        return _Gathering(self, environment)


def _ordering(raw: dict[str, Any], context: StageContext) -> Ordering:
    if not raw:
        return Ordering(())
    sort = context.sort(raw)
    return Ordering(sort.fields, sort)


def _collide(path: str, other: str) -> bool:
    return path.startswith(other + ".") or other.startswith(path + ".")


def parse_function(name: str, raw: Any, ordering: Ordering | None, context: StageContext) -> WindowFunction:
    """The window function of one output field; raises 9 for what is none."""
    if type(raw) is not dict:
        raise fail(9, f"'{name}' must be an object, found {alias_of(raw)}")
    for key in raw:
        if not key.startswith("$"):
            continue
        function = find(Kind.WINDOW, key)
        if function is None or function.spec.status is Status.UNBUILT:
            raise fail(9, f"Unrecognized window function, {key}")
        parsed: WindowFunction = function.parse(raw, ordering, context)
        return parsed
    raise fail(9, f"Expected a $-prefixed window function, {next(iter(raw), '')}")


class _Gathering(Running):
    """The documents are sorted by partition and ``sortBy``, on disk where they are many.

    One partition at a time is then in memory.
    """

    def __init__(self, stage: SetWindowFields, environment: Environment) -> None:
        frame = environment.frame
        self._partition = None if stage.partition is None else stage.partition.bind(frame)
        self._order, self._identify = ordering_of(stage.collation), identity(stage.collation)
        ordering = stage.ordering
        self._runner = None if ordering is None or ordering.sort is None else ordering.sort.compile()
        self._columns: list[Windowed] = [function.compile(frame) for _, function in stage.outputs]
        self._writer = _writer([path for path, _ in stage.outputs], frame)
        self._sorter = Sorter("$setWindowFields", environment, self._sorted, self._sort_key)

    def push(self, batch: Documents) -> Documents:
        """See `Running.push`."""
        self._sorter.add(batch)
        return []

    def finish(self) -> Iterator[Documents]:
        """See `Running.finish`."""
        for partition in self._partitions(self._sorter.items()):
            columns = [compute(partition) for compute in self._columns]
            if not columns:
                yield partition
                continue
            rows = zip(*columns, strict=True)
            written = map(self._writer, partition, rows)
            while batch := list(islice(written, _BATCH)):
                yield batch

    def close(self) -> None:
        """See `Running.close`."""
        self._sorter.close()

    def _value(self, document: dict[str, Any]) -> Any:
        """The value that tells the partition; null for a missing one. Raises 14 for an array."""
        assert self._partition is not None
        value = self._partition(document)
        if type(value) is list:
            raise fail(14, "Cannot 'partitionBy' an expression of type array")
        return None if value is MISSING else value

    def _sort_key(self, document: dict[str, Any]) -> tuple[Any, ...]:
        place = () if self._runner is None else (self._runner.key(document),)
        return place if self._partition is None else (self._order(self._value(document)), *place)

    def _sorted(self, documents: Documents) -> Documents:
        if self._runner is not None:
            documents = self._runner.sorted(documents)
        if self._partition is None:
            return documents
        # Sorting the few partitions is less work than sorting by partition.
        partitions: dict[Hashable, Documents] = {}
        values: dict[Hashable, SortKey] = {}
        for document in documents:
            value = self._value(document)
            key = self._identify(value)
            held = partitions.get(key)
            if held is None:
                partitions[key] = [document]
                values[key] = self._order(value)
            else:
                held.append(document)
        return [document for key in sorted(partitions, key=values.__getitem__) for document in partitions[key]]

    def _partitions(self, documents: Iterator[dict[str, Any]]) -> Iterator[Documents]:
        if self._partition is None:
            whole = list(documents)
            if whole:
                yield whole
            return
        for _, partition in groupby(documents, lambda document: self._identify(self._value(document))):
            yield list(partition)


Writer = Callable[[dict[str, Any], Column | tuple[Any, ...]], dict[str, Any]]


def _writer(paths: list[Path], frame: Frame) -> Writer:
    """A function that gives a copy of a document with the values of a row at `paths`, as `$addFields` sets them."""
    if all(len(path) == 1 for path in paths):
        names = [path[0] for path in paths]

        def plain(document: dict[str, Any], row: Column | tuple[Any, ...]) -> dict[str, Any]:
            result = document.copy()
            for name, value in zip(names, row, strict=True):
                if value is MISSING:
                    result.pop(name, None)
                else:
                    result[name] = value
            return result

        return plain
    current: list[Column | tuple[Any, ...]] = [()]
    tree: dict[str, Any] = {}
    for index, path in enumerate(paths):
        level = tree
        for name in path[:-1]:
            level = level.setdefault(name, {})
        level[path[-1]] = _Cell(current, index)
    transform = Projection(Form.ADDITION, _node(tree)).compile(frame)

    def write(document: dict[str, Any], row: Column | tuple[Any, ...]) -> dict[str, Any]:
        current[0] = row
        return transform(document)

    return write


def _node(tree: dict[str, Any]) -> Node:
    return Node({name: _node(child) if type(child) is dict else child for name, child in tree.items()})


class _Cell(Expression):
    """The value at `index` of the row that is being written."""

    __slots__ = ("_index", "_row")

    def __init__(self, row: list[Column | tuple[Any, ...]], index: int) -> None:
        self._row = row
        self._index = index

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        row, index = self._row, self._index
        return lambda root, frame: row[0][index]
