"""`$group` and `$sortByCount`: one document for each distinct key."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from kato_compat.errors import fail
from kato_compat.ir.accumulator import Accumulator, State
from kato_compat.ir.expression import Expression, FieldPath, Literal, ObjectExpression
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, FlowRunning, Running, Stage, StageContext, Starter
from kato_compat.operators.accumulator.engine import guard, guard_accumulator, is_slotted
from kato_compat.operators.stage.sort import Sort
from kato_compat.operators.stage.spill import Budget, Run, size_of
from kato_compat.values.collation import Collation, identity
from kato_compat.values.equality import equality_key
from kato_compat.values.missing import MISSING
from kato_compat.values.types import is_number

_BATCH: Final = 1024
_PARTITIONS: Final = 16
#: Accumulators whose state grows with what they take in.
_GROWING: Final = frozenset(
    {"$push", "$addToSet", "$mergeObjects", "$concatArrays", "$setUnion", "$percentile", "$median"}
)


@register
@dataclass(frozen=True, slots=True)
class Group(Stage):
    """`$group` (MongoDB manual: $group). Groups come out in the order in which they first appeared.

    A missing key is the key null. `fields` are the output fields after ``_id``.
    """

    spec: ClassVar[Spec] = Spec(
        "$group",
        Kind.STAGE,
        "2.2",
        "Gives one document for each distinct key, with values accumulated over its documents.",
        examples=(
            Example(
                ({"_id": 1, "k": "a", "n": 1}, {"_id": 2, "k": "b", "n": 2}, {"_id": 3, "k": "a", "n": 3}),
                [{"$group": {"_id": "$k", "n": {"$sum": "$n"}}}],
                [{"_id": "a", "n": 4}, {"_id": "b", "n": 2}],
            ),
            Example(({"_id": 1}, {"_id": 2, "k": None}), [{"$group": {"_id": "$k"}}], [{"_id": None}]),
        ),
    )
    key: Expression
    fields: tuple[tuple[str, Accumulator], ...]
    collation: Collation | None = None

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Group":
        """See `Stage.parse`. Raises 15947, 15955, 17390 and 40234 to 40238 as the server does."""
        if type(operand) is not dict:
            raise fail(15947, "a group's fields must be specified in an object")
        key: Expression | None = None
        fields = []
        for name, raw in operand.items():
            if name == "_id":
                key = group_key(raw, context)
            else:
                fields.append((name, output_field(name, raw, context)))
        if key is None:
            raise fail(15955, "a group specification must include an _id")
        return cls.of(key, tuple(fields), context)

    @classmethod
    def of(cls, key: Expression, fields: tuple[tuple[str, Accumulator], ...], context: StageContext) -> "Group":
        """The stage with the error codes of the engine in which the server would run it."""
        expressions = [key, *[child for _, accumulator in fields for child in accumulator.children]]
        if context.slotted and is_slotted(expressions):
            key = guard(key)
            fields = tuple((name, guard_accumulator(accumulator)) for name, accumulator in fields)
        return cls(key, fields, context.collation)

    def start(self, environment: Environment) -> Running | FlowRunning:
        """See `Stage.start`."""
        return self.prepare(environment)()

    def prepare(self, environment: Environment) -> Starter:
        """See `Stage.prepare`."""
        key = _key_function(self.key, environment, self.collation)
        names = tuple(name for name, _ in self.fields)
        accumulators = tuple(accumulator for _, accumulator in self.fields)
        evaluators = tuple(accumulator.compile() for accumulator in accumulators)
        single = isinstance(self.key, Literal)
        return lambda: _Grouping(key, names, accumulators, evaluators, environment, single)


def group_key(raw: Any, context: StageContext) -> Expression:
    """The expression of a `$group` key; raises 17390 for a document that would include fields."""
    if type(raw) is dict and raw and not next(iter(raw)).startswith("$"):
        for item in raw.values():
            if type(item) is bool or is_number(item):
                raise fail(17390, "$group does not support inclusion-style expressions")
    return context.expression(raw)


def output_field(name: str, raw: Any, context: StageContext, where: str = "$group") -> Accumulator:
    """The accumulator of one output field of the stage `where`; raises 40234 to 40238 and what it raises itself."""
    if "." in name:
        raise fail(40235, f"The field name '{name}' cannot contain '.'")
    if name.startswith("$"):
        raise fail(40236, f"The field name '{name}' cannot be an operator name")
    if type(raw) is not dict or not raw or not next(iter(raw)).startswith("$"):
        raise fail(40234, f"The field '{name}' must be an accumulator object")
    if len(raw) != 1:
        raise fail(40238, f"The field '{name}' must specify one accumulator")
    return context.accumulator(raw, where=where)


@register
class SortByCount(Stage):
    """`$sortByCount`: `$group` by an expression, then `$sort` by the number (MongoDB manual: $sortByCount)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$sortByCount",
        Kind.STAGE,
        "3.4",
        "Counts the documents of each distinct value, the most frequent first.",
        examples=(
            Example(
                ({"_id": 1, "a": "x"}, {"_id": 2, "a": "y"}, {"_id": 3, "a": "y"}),
                [{"$sortByCount": "$a"}],
                [{"_id": "y", "count": 2}, {"_id": "x", "count": 1}],
            ),
        ),
    )

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> tuple[Stage, ...]:
        """See `Stage.parse`. Raises 40147 to 40149 for what is not a path or an expression."""
        if type(operand) is dict:
            if not operand or not next(iter(operand)).startswith("$"):
                raise fail(
                    40147,
                    "the sortByCount field must be defined as a $-prefixed path or an expression inside an object",
                )
        elif type(operand) is str:
            if not operand.startswith("$"):
                raise fail(
                    40148,
                    "the sortByCount field must be defined as a $-prefixed path or an expression inside an object",
                )
        else:
            raise fail(
                40149, "the sortByCount field must be defined as a $-prefixed path or an expression inside an object"
            )
        count = context.accumulator({"$sum": 1}, where="$group")
        group = Group.of(context.expression(operand), (("count", count),), context)
        return group, Sort(context.sort({"count": -1}))

    def start(self, environment: Environment) -> Running:
        """Never used: the stage is parsed into others."""
        raise NotImplementedError


#: For a document: (what is equal for equal keys, the key).
KeyFunction = Callable[[dict[str, Any]], tuple[Hashable, Any]]


def _is_root_field(path: FieldPath) -> bool:
    return path.slot is None and len(path.path) == 1


def _key_function(expression: Expression, environment: Environment, collation: Collation | None) -> KeyFunction:
    frame, identify = environment.frame, identity(collation)
    if isinstance(expression, Literal):
        value = None if expression.value is MISSING else expression.value
        pair = (identify(value), value)
        return lambda document: pair
    if collation is None and isinstance(expression, FieldPath) and _is_root_field(expression):
        name = expression.path[0]

        def field(document: dict[str, Any]) -> tuple[Hashable, Any]:
            value = document.get(name)
            kind = type(value)
            if kind is str or kind is int or value is None:
                return value, value
            return equality_key(value), value

        return field
    if isinstance(expression, ObjectExpression):
        parts = tuple((name, part.compile()) for name, part in expression.fields)

        def object_key(document: dict[str, Any]) -> tuple[Hashable, Any]:
            result: dict[str, Any] = {}
            keys: list[Hashable] = []
            for name, part in parts:
                value = part(document, frame)
                if value is not MISSING:
                    result[name] = value
                keys.append(identify(value))
            return tuple(keys), result

        return object_key
    evaluate = expression.compile()

    def computed(document: dict[str, Any]) -> tuple[Hashable, Any]:
        value = evaluate(document, frame)
        if value is MISSING:
            value = None
        return identify(value), value

    return computed


class _Grouping(Running):
    """Groups in memory; beyond the limit, the documents of further keys are put by for a later pass.

    What is put by is (key, values of the accumulators' expressions), split by the key's hash into files each of
    which is grouped like the input itself, with the memory free again.
    """

    def __init__(
        self,
        key: KeyFunction,
        names: tuple[str, ...],
        accumulators: tuple[Accumulator, ...],
        evaluators: tuple[Any, ...],
        environment: Environment,
        single: bool,
    ) -> None:
        self._key = key
        self._single = single  # all documents are of one group
        self._names = names
        self._accumulators = accumulators
        self._evaluators = evaluators
        self._frame = environment.frame
        self._environment = environment
        self._groups: dict[Hashable, tuple[Any, tuple[State, ...]]] = {}
        self._runs: list[Run] = []
        self._budget = Budget("$group", environment)
        self._growing = tuple(position for position, each in enumerate(accumulators) if each.spec.name in _GROWING)

    def push(self, batch: Documents) -> Documents:
        if self._runs:
            self._push_split(batch)
            return []
        groups, key, frame = self._groups, self._key, self._frame
        before = len(groups)
        evaluators = self._evaluators
        number = len(evaluators)
        if self._single and batch:
            same, value = key(batch[0])
            if same not in groups:
                groups[same] = (value, self._fresh(value))
            for evaluate, state in zip(evaluators, groups[same][1], strict=True):
                state.extend([evaluate(document, frame) for document in batch])
        elif number == 1:
            evaluate = evaluators[0]
            for document in batch:
                same, value = key(document)
                group = groups.get(same)
                if group is None:
                    group = groups[same] = (value, self._fresh(value))
                group[1][0].add(evaluate(document, frame))
        elif number:
            for document in batch:
                same, value = key(document)
                group = groups.get(same)
                if group is None:
                    group = groups[same] = (value, self._fresh(value))
                for evaluate, state in zip(evaluators, group[1], strict=True):
                    state.add(evaluate(document, frame))
        else:
            for document in batch:
                same, value = key(document)
                if same not in groups:
                    groups[same] = (value, ())
        if self._weigh(batch, len(groups) - before):
            self._runs = [Run() for _ in range(_PARTITIONS)]
        return []

    def finish(self) -> Iterator[Documents]:
        yield from self._results()
        runs, self._runs = self._runs, []
        try:
            while runs:
                run = runs.pop()
                try:
                    yield from self._again(run, runs)
                finally:
                    run.close()
        finally:
            for run in runs:
                run.close()

    def close(self) -> None:
        for run in self._runs:
            run.close()
        self._runs = []
        self._groups = {}

    def _fresh(self, key: Any) -> tuple[State, ...]:
        return tuple([accumulator.start(key) for accumulator in self._accumulators])

    def _weigh(self, batch: Documents, added: int) -> bool:
        """Count in what `batch` brought; True if memory is used up."""
        size = 0.0
        if added:
            # The key, the tuple, a state for each field.
            size += added * (200 + 120 * len(self._accumulators))
            size += added * size_of(self._key(batch[-1])[1])
        if self._growing and batch:
            sample = batch[:: max(1, len(batch) // 8)]
            for position in self._growing:
                evaluate = self._evaluators[position]
                size += sum(size_of(evaluate(each, self._frame)) for each in sample) / len(sample) * len(batch)
        return self._budget.add(size)

    def _push_split(self, batch: Documents) -> None:
        groups, frame, runs = self._groups, self._frame, self._runs
        for document in batch:
            same, value = self._key(document)
            values = [evaluate(document, frame) for evaluate in self._evaluators]
            group = groups.get(same)
            if group is None:
                runs[hash(same) % _PARTITIONS].append((same, value, values))
                continue
            for state, each in zip(group[1], values, strict=True):
                state.add(each)

    def _again(self, run: Run, runs: list[Run]) -> Iterator[Documents]:
        """Group what was put by in `run`; what is beyond memory again goes to a file added to `runs`."""
        groups: dict[Hashable, tuple[Any, tuple[State, ...]]] = {}
        self._groups = groups
        self._budget.reset()
        rest: Run | None = None
        for same, value, values in run:
            group = groups.get(same)
            if group is None:
                if rest is not None:
                    rest.append((same, value, values))
                    continue
                group = groups[same] = (value, self._fresh(value))
                full = self._budget.add(200 + 120 * len(values) + size_of(value))
            else:
                full = False
            for state, each in zip(group[1], values, strict=True):
                state.add(each)
            if self._growing:
                full = self._budget.add(sum(size_of(values[position]) for position in self._growing))
            if full and rest is None:
                rest = Run()
                runs.append(rest)
        yield from self._results()

    def _results(self) -> Iterator[Documents]:
        names = self._names
        batch: Documents = []
        groups, self._groups = self._groups, {}
        for value, states in groups.values():
            document = {"_id": value}
            for name, state in zip(names, states, strict=True):
                result = state.result()
                document[name] = None if result is MISSING else result
            batch.append(document)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch
