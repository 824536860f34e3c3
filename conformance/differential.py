"""Compares our answers with another implementation's: cases and generated queries, on the memory store and there.

The other is a useful oracle and not the judge: numbers are compared by value and fields in any order, and what it is
known to be wrong on is in its list of `divergences`. A disagreement that is not on the list is one to look into.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from bson.errors import BSONError
from pymongo.errors import PyMongoError

from conformance.divergences import Answer, Cause, Divergence, Refusal, Relation, Silence
from conformance.factories import memory
from conformance.format import Mode, equal
from conformance.runner import Case, call, error_code

#: What an implementation in Python raises besides pymongo's errors for what it has not built or does not expect.
CRASHES: Final = (
    *(NotImplementedError, TypeError, KeyError, ValueError, AttributeError, AssertionError, IndexError),
    *(RecursionError, ArithmeticError, UnboundLocalError),
)
_READS: Final = ("find", "aggregate", "count_documents", "distinct", "find_one")


@dataclass(frozen=True, slots=True)
class Question:
    """One call on the collection ``coll`` that holds `documents`; other collections hold `others`."""

    documents: list[dict[str, Any]]
    method: str
    arguments: dict[str, Any]
    others: dict[str, list[dict[str, Any]]]


Ask: TypeAlias = Callable[[Question], Answer]


@dataclass(frozen=True, slots=True)
class Oracle:
    """Another implementation: how it is asked, and the list of its divergences.

    `splits`: it takes an array of expressions as a constant, so that elements are asked for one by one.
    """

    ask: Ask
    refusals: tuple[Refusal, ...] = ()
    silences: tuple[Silence, ...] = ()
    relations: tuple[Relation, ...] = ()
    causes: tuple[Cause, ...] = ()
    splits: bool = False


class Verdict(Enum):
    """What came of a comparison."""

    AGREES = "agrees"
    EXCUSED = "excused"  # by an entry of the list
    UNANSWERED = "unanswered"  # it raised, as the list says: nothing was compared
    WRONG = "wrong"  # not on the list


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of one comparison, and the `divergence` that excuses it."""

    question: Question
    ours: Answer
    theirs: Answer
    verdict: Verdict
    divergence: Divergence | None = None


def ours(question: Question) -> Answer:
    """Our answer. What a call leaves in the collection is part of it."""
    try:
        return Answer(_ask(memory(), question))
    except (PyMongoError, BSONError) as error:
        return Answer(failed=True, code=error_code(error) if hasattr(error, "code") else None)  # type: ignore[arg-type]


def asking(factory: Callable[[], Any], teardown: Callable[[Any], None] | None = None) -> Ask:
    """How collections of `factory` are asked; exceptions are told by their classes and messages."""

    def ask(question: Question) -> Answer:
        collection = factory()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the other's own deprecations
            try:
                return Answer(_ask(collection, question))
            except (PyMongoError, BSONError, *CRASHES) as error:
                code = getattr(error, "code", None)
                return Answer(failed=True, code=code, raised=f"{type(error).__name__}: {error}")
            finally:
                if teardown is not None:
                    teardown(collection)

    return ask


def compare(
    oracle: Oracle,
    documents: list[dict[str, Any]],
    method: str,
    arguments: dict[str, Any],
    others: dict[str, list[dict[str, Any]]] | None = None,
    ask: Ask = ours,
) -> Compared:
    """Ask both the same of the same documents; `ask` gives our answer."""
    question = Question(documents, method, arguments, others or {})
    left, right = ask(question), oracle.ask(question)
    verdict, divergence = _judge(oracle, question, left, right, ask)
    return Compared(question, left, right, verdict, divergence)


def compare_case(oracle: Oracle, case: Case, ask: Ask = ours) -> Compared:
    """As `compare`, for the call of a case."""
    others = {name: held for name, held in case.collections.items() if name != "coll"}
    documents, arguments = case.collections.get("coll", []), case.call.get("arguments", {})
    return compare(oracle, documents, case.call["method"], arguments, others, ask)


def _judge(
    oracle: Oracle, question: Question, left: Answer, right: Answer, ask: Ask
) -> tuple[Verdict, Divergence | None]:
    if right.failed:
        for refusal in oracle.refusals:
            if refusal.excuses(question.arguments, right) and (refusal.unbuilt or not left.failed):
                return Verdict.UNANSWERED, refusal
    if agree(left, right):
        return Verdict.AGREES, None
    for silence in oracle.silences:
        if silence.excuses(question.arguments, left, right):
            return Verdict.EXCUSED, silence
    if left.failed or right.failed:
        return _without_causes(oracle, question, ask, failed=True)
    split = split_arrays(question) if oracle.splits else None
    if split is not None:
        right = joined(question, oracle.ask(split))
        if right.failed:
            return _judge(oracle, question, left, right, ask)
        if agree(left, right):
            return Verdict.AGREES, None
    relation = _related(oracle, question, left, right)
    return (Verdict.EXCUSED, relation) if relation is not None else _without_causes(oracle, question, ask)


def _related(oracle: Oracle, question: Question, left: Answer, right: Answer) -> Relation | None:
    if left.failed or right.failed:
        return None
    holding = (entry for entry in oracle.relations if entry.holds(question.arguments, left.result, right.result))
    return next(holding, None)


def _without_causes(
    oracle: Oracle, question: Question, ask: Ask, failed: bool = False
) -> tuple[Verdict, Divergence | None]:
    """Ask again without the documents that have a cause; with all causes at once if no single one explains it."""
    held = [
        (cause, {index for index, row in enumerate(question.documents) if cause.affects(row, question.arguments)})
        for cause in oracle.causes
        if cause.fails or not failed
    ]
    held = [(cause, affected) for cause, affected in held if affected]
    groups = [*held, (held[0][0], set().union(*(affected for _, affected in held)))] if held else []
    for cause, affected in groups:
        rows = [row for index, row in enumerate(question.documents) if index not in affected]
        rest = Question(rows, question.method, question.arguments, question.others)
        if not rows:
            return Verdict.EXCUSED, cause
        split = split_arrays(rest) if oracle.splits else None
        right = oracle.ask(rest) if split is None else joined(rest, oracle.ask(split))
        left = ask(rest)
        if agree(left, right) or _related(oracle, rest, left, right) is not None:
            return Verdict.EXCUSED, cause
    return Verdict.WRONG, None


def agree(left: Answer, right: Answer) -> bool:
    """Both refuse, or both give the same."""
    if left.failed or right.failed:
        return left.failed and right.failed
    return equal(left.result, right.result, Mode.TOLERANT)


_PART: Final = "part "


def split_arrays(question: Question) -> Question | None:
    """The same question with the elements of an array of expressions as fields of their own, None without one.

    An oracle may take such an array as a constant, but evaluates the elements where each is a field.
    """
    pipeline = question.arguments.get("pipeline")
    if question.method != "aggregate" or not pipeline or "$project" not in pipeline[-1]:
        return None
    fields: dict[str, Any] = {}
    for name, value in pipeline[-1]["$project"].items():
        if isinstance(value, list):
            fields |= {f"{_PART}{name} {index}": item for index, item in enumerate(value)}
        else:
            fields[name] = value
    if len(fields) == len(pipeline[-1]["$project"]):
        return None
    arguments = {**question.arguments, "pipeline": [*pipeline[:-1], {"$project": fields}]}
    return Question(question.documents, question.method, arguments, question.others)


def joined(question: Question, answer: Answer) -> Answer:
    """The answer to `split_arrays` with those fields as arrays again; an element that is missing is null."""
    split = split_arrays(question)
    if split is None or answer.failed:
        return answer
    parts = [name for name in split.arguments["pipeline"][-1]["$project"] if name.startswith(_PART)]
    return Answer([_join(row, parts) for row in answer.result])


def _join(row: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    whole = {name: value for name, value in row.items() if name not in parts}
    for part in parts:
        whole.setdefault(part.removeprefix(_PART).rsplit(" ", 1)[0], []).append(row.get(part))
    return whole


def _ask(collection: Any, question: Question) -> Any:
    for name, held in (("coll", question.documents), *question.others.items()):
        if held:
            collection.database[name].insert_many([dict(document) for document in held])
    found = call(collection, question.method, question.arguments)
    if question.method not in _READS:
        return [found, list(collection.find({}))]
    if question.method == "distinct" or (question.method == "find" and not question.arguments.get("sort")):
        return sorted(found, key=_rank)
    return found


def _rank(value: Any) -> str:
    """What results without an order are sorted by: their fields may be in any order."""
    return repr(sorted((name, repr(item)) for name, item in value.items()) if isinstance(value, dict) else value)
