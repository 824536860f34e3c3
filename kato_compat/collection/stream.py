"""Streams of result documents: batches of a running command in the caller's form, within its time limit."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pymongo.errors import ExecutionTimeout

from kato_compat.collection.face import hand_out
from kato_compat.errors import fail
from kato_compat.execute.reading import Finding
from kato_compat.values.order import sort_key
from kato_compat.values.paths import getter, split

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection


def expired(limit: int) -> ExecutionTimeout:
    """The server's error for an operation beyond its `max_time_ms`."""
    message = f"operation exceeded time limit of {limit} ms"
    return ExecutionTimeout(message, 50, {"ok": 0.0, "errmsg": message, "code": 50, "codeName": "MaxTimeMSExpired"})


class Stream:
    """Batches of a running command, handed out one document at a time, within its time limit."""

    def __init__(self, collection: "Collection", source: Any, max_time_ms: int | None, shared: bool) -> None:
        self._collection = collection
        self._source = source
        self._limit = max_time_ms
        self._deadline = None if max_time_ms is None else time.monotonic() + max_time_ms / 1000
        self._shared = shared

    def batch(self) -> list[Any] | None:
        """The next batch in the caller's form, None at the end. Raises `ExecutionTimeout` past the limit."""
        deployment = self._collection.deployment
        found = deployment.run(self._source.fetch())
        if self._deadline is not None and self._limit is not None and time.monotonic() > self._deadline:
            self.close()
            raise expired(self._limit)
        if found is None:
            return None
        options, shared = self._collection.codec_options, self._shared
        return [hand_out(document, options, shared) for document in found]

    def close(self) -> None:
        """Give back what the command holds."""
        deployment = self._collection.deployment
        if not deployment.closed:
            deployment.run(self._source.close())


class Bounded:
    """A find within the bounds of a hinted index, or of its key fields only."""

    def __init__(self, finding: Finding, index: Any, low: Any, high: Any, keys_only: bool) -> None:
        self._finding = finding
        self._getters: list[tuple[str, Callable[[Any], Any]]] = [
            (path, getter(split(path))) for path in (index.paths if index is not None else ())
        ]
        self._low = None if low is None else [sort_key(value) for value in dict(low).values()]
        self._high = None if high is None else [sort_key(value) for value in dict(high).values()]
        self._keys_only = keys_only
        for bound in (low, high):
            if bound is not None and list(dict(bound)) != [path for path, _ in self._getters]:
                raise fail(51174, "the fields of min and max must be those of the hinted index, in its order")

    def fetch(self) -> Any:
        """The next batch within the bounds, None at the end."""
        batch = yield from self._finding.fetch()
        if batch is None:
            return None
        found = []
        for document in batch:
            values = [(path, get(document)) for path, get in self._getters]
            place = [
                sort_key(None if not value and value.__class__.__name__ == "Missing" else value) for _, value in values
            ]
            if (self._low is not None and place < self._low) or (self._high is not None and place >= self._high):
                continue
            found.append(dict(values) if self._keys_only else document)
        return found

    def close(self) -> Any:
        """Give back what the find holds."""
        yield from self._finding.close()
