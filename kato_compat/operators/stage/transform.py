"""Running stages that keep nothing between batches."""

from collections.abc import Callable, Iterator
from typing import Any

from kato_compat.ir.stage import Documents, Running


class Transform(Running):
    """A stage that is a function of the batch. One instance may serve any number of executions."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[Documents], Documents]) -> None:
        self._function = function

    def push(self, batch: Documents) -> Documents:
        """See `Running.push`."""
        return self._function(batch)


def per_document(function: Callable[[dict[str, Any]], dict[str, Any]]) -> Transform:
    """A stage that makes one document of each."""
    return Transform(lambda batch: [function(document) for document in batch])


class Source(Running):
    """A stage that gives the documents of an iterator and reads nothing."""

    done = True

    def __init__(self, batches: Iterator[Documents]) -> None:
        self._batches = batches

    def push(self, batch: Documents) -> Documents:
        """See `Running.push`: nothing that comes in changes what goes out."""
        return []

    def finish(self) -> Iterator[Documents]:
        """See `Running.finish`."""
        return self._batches
