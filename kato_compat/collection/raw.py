"""Cursors over batches of BSON (pymongo documentation: find_raw_batches)."""

from typing import Any, NoReturn, Self

from pymongo.errors import InvalidOperation

from kato_compat.collection.stream import Batches


class RawBatchCursor:
    """Batches of documents as concatenated BSON, from a cursor that gives raw documents."""

    def __init__(self, cursor: Batches) -> None:
        self._cursor = cursor

    def __iter__(self) -> Self:
        return self

    def next(self) -> bytes:
        """The next batch. Raises `StopIteration` at the end."""
        cursor = self._cursor
        if not cursor._data and not cursor._refresh():
            raise StopIteration
        batch = b"".join(document.raw for document in cursor._data)
        cursor._data.clear()
        return batch

    def __next__(self) -> bytes:
        return self.next()

    def to_list(self, length: int | None = None) -> list[bytes]:
        """All batches that are left, or at most `length` of them."""
        if isinstance(length, int) and length < 1:
            raise ValueError("to_list() length must be greater than 0")
        found: list[bytes] = []
        for batch in self:
            found.append(batch)
            if len(found) == length:
                break
        return found

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        if not callable(found):
            return found

        def chained(*args: Any, **kwargs: Any) -> Any:
            # What sets an option gives the cursor back: here that must be this one.
            result = found(*args, **kwargs)
            return self if result is self._cursor else result

        return chained

    def __getitem__(self, index: Any) -> NoReturn:
        """Always raises `InvalidOperation`: batches cannot be indexed."""
        raise InvalidOperation("Cannot call __getitem__ on RawBatchCursor")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.close()
