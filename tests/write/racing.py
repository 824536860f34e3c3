"""What races with what: workers that write the same documents at once, in threads and as a program of their own.

A `Shape` says how a job looks in one kind of collection: how it is told that nobody has taken it, and what taking it
changes. Run as a program (arguments: Redis URL, ClickHouse URL, layout, database, shape, task, worker) it works with
two threads and prints what each of them did, as JSON.
"""

import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo import ReturnDocument

from kato_compat import Collection, MongoClient

Document = dict[str, Any]
#: Turns of one worker at a counter.
TURNS: Final = 12


@dataclass(frozen=True)
class Shape:
    """A kind of documents that can be taken: once it has one of `new`, and then says by whom."""

    collection: str
    key: str
    counter: str
    document: Callable[[int], Document]
    new: Document
    take: Callable[[int], Document]
    taken: Callable[[Document], int]
    layout: str = "counters"

    def replacement(self, document: Document, worker: int) -> Document:
        """What a job is replaced by when a worker takes it: the fields that a mapped one has stay."""
        found = {name: value for name, value in document.items() if name != "_id"}
        for path, value in self.take(worker)["$set"].items():
            outer, _, inner = path.partition(".")
            found[outer] = {**found[outer], inner: value} if inner else value
        return found


def _plain(number: int) -> Document:
    return {"name": f"j{number}", "state": "new", "n": 0}


def _pattern(number: int) -> Document:
    return {
        "name": f"j{number}",
        "pattern_data": [["all", f"s{number}"]],
        "length": 2,
        "frequency": 1,
        "metadata": {"state": ["new"]},
    }


def _symbol(number: int) -> Document:
    return {"name": f"j{number}", "frequency": 1, "pattern_member_frequency": 0}


def _prediction(number: int) -> Document:
    return {"unique_id": f"j{number}", "predictions": {"state": "new", "n": 0}}


def _at(*path: str) -> Callable[[Document], int]:
    def value(document: Document) -> int:
        found: Any = document
        for name in path:
            found = found[name]
        return int(found[0] if isinstance(found, list) else found)

    return value


_SYMBOLS: Final = (
    "symbols_kb",
    "name",
    "frequency",
    _symbol,
    {"pattern_member_frequency": 0},
    lambda worker: {"$set": {"pattern_member_frequency": worker}},
    _at("pattern_member_frequency"),
)
SHAPES: Final[dict[str, Shape]] = {
    "plain": Shape(
        "things",
        "name",
        "n",
        _plain,
        {"state": "new"},
        lambda worker: {"$set": {"state": "taken", "by": worker}},
        _at("by"),
    ),
    "patterns": Shape(
        "patterns_kb",
        "name",
        "frequency",
        _pattern,
        {"metadata.state": "new"},
        lambda worker: {"$set": {"metadata": {"state": ["taken"], "by": [str(worker)]}}},
        _at("metadata", "by"),
    ),
    # Taking one gives it a field that the mapping does not know: it moves to the document side.
    "moving": Shape(
        "patterns_kb",
        "name",
        "frequency",
        _pattern,
        {"by": {"$exists": False}},
        lambda worker: {"$set": {"by": worker}},
        _at("by"),
    ),
    "counters": Shape(*_SYMBOLS),
    "hashes": Shape(*_SYMBOLS, layout="hashes"),
    "predictions": Shape(
        "predictions_kb",
        "unique_id",
        "predictions.n",
        _prediction,
        {"predictions.state": "new"},
        lambda worker: {"$set": {"predictions": {"state": "taken", "by": worker, "n": 0}}},
        _at("predictions", "by"),
    ),
}


def together(*calls: Callable[[], Any]) -> list[Any]:
    """What calls return that begin at the same moment, each in a thread of its own; the first error is raised."""
    barrier = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)
    errors: list[BaseException] = []

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            answers[place] = call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(place, call)) for place, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return answers


def work(collection: Collection, shape: Shape, task: str, worker: int) -> list[Any]:
    """Do a task until there is nothing left to do; the keys of the jobs taken, or the values that were counted."""
    order = [(shape.key, 1)]
    found: list[Any] = []
    if task == "count":
        for _ in range(TURNS):
            after = collection.find_one_and_update(
                {shape.key: "counter"}, {"$inc": {shape.counter: 1}}, return_document=ReturnDocument.AFTER
            )
            for name in shape.counter.split("."):
                after = after[name]
            found.append(after)
        return found
    while True:
        taken: Document | None
        match task:
            case "update":
                taken = collection.find_one_and_update(
                    shape.new, shape.take(worker), sort=order, return_document=ReturnDocument.AFTER
                )
            case "delete":
                taken = collection.find_one_and_delete(shape.new, sort=order)
            case "replace":
                seen = collection.find_one(shape.new, sort=order)
                taken = None
                if seen is None:
                    return found
                wanted = {**shape.new, shape.key: seen[shape.key]}
                taken = collection.find_one_and_replace(wanted, shape.replacement(seen, worker))
                if taken is None:
                    continue
            case _:
                raise ValueError(f"no task is called {task!r}")
        if taken is None:
            return found
        found.append(taken[shape.key])


def labour(collection: Collection, shape: Shape, task: str, workers: Sequence[int]) -> dict[int, list[Any]]:
    """Let workers do a task at once; what each of them did."""
    done = together(*[lambda worker=worker: work(collection, shape, task, worker) for worker in workers])
    return dict(zip(workers, done, strict=True))


def main() -> None:
    """Work with two threads, and print what they did."""
    redis, clickhouse, database, name, task, worker = sys.argv[1:7]
    shape = SHAPES[name]
    with MongoClient(redis=redis, clickhouse=clickhouse, layout=shape.layout) as client:
        collection = client[database][shape.collection]
        sys.stdin.readline()
        print(json.dumps(labour(collection, shape, task, (int(worker), int(worker) + 1))), flush=True)


if __name__ == "__main__":
    main()
