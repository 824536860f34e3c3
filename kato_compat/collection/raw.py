"""Cursors over batches of BSON (pymongo documentation: find_raw_batches)."""

from typing import Any

_BATCH = 101


class RawBatchCursor:
    """Batches of documents as concatenated BSON, from a cursor that gives raw documents."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __iter__(self) -> "RawBatchCursor":
        return self

    def __next__(self) -> bytes:
        batch = self._cursor.to_list(_BATCH)
        if not batch:
            raise StopIteration
        return b"".join(document.raw for document in batch)

    next = __next__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __enter__(self) -> "RawBatchCursor":
        return self

    def __exit__(self, *_: Any) -> None:
        self._cursor.close()
