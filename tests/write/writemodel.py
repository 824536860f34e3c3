"""A plain Python model of a collection, for the operators that `test_write_machine` uses.

It is written from the MongoDB manual (Query on Arrays, Update Operators, Multikey, Sparse and TTL Indexes).
"""

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

Document = dict[str, Any]


def _elements(value: Any) -> list[Any]:
    return [*value, value] if isinstance(value, list) else [value]


def _holds(condition: Any, value: Any) -> bool:
    if not isinstance(condition, dict):
        return any(type(each) is not list and each is not None and each == condition for each in _elements(value))
    for name, operand in condition.items():
        numbers = [each for each in _elements(value) if isinstance(each, int | float)]
        match name:
            case "$gt":
                good = any(each > operand for each in numbers)
            case "$gte":
                good = any(each >= operand for each in numbers)
            case "$lt":
                good = any(each < operand for each in numbers)
            case "$lte":
                good = any(each <= operand for each in numbers)
            case _:
                good = any(each in operand for each in numbers)
        if not good:
            return False
    return True


def matches(document: Document, condition: Document) -> bool:
    """Whether a document matches one of the machine's filters."""
    return all(_holds(each, document.get(name)) for name, each in condition.items())


def updated(document: Document, update: Document) -> Document:
    """A document after one of the machine's updates."""
    found = copy.deepcopy(document)
    ((operator, fields),) = update.items()
    ((name, operand),) = fields.items()
    match operator:
        case "$set":
            found[name] = copy.deepcopy(operand)
        case "$unset":
            found.pop(name, None)
        case "$inc":
            found[name] = found.get(name, 0) + operand
        case "$addToSet":
            found[name] = found.get(name, [])
            if operand not in found[name]:
                found[name].append(operand)
        case _:
            found[name] = (found.get(name, []) + operand["$each"])[-3:]
    return found


def seed(condition: Document) -> Document:
    found: Document = {}
    for name, each in condition.items():
        if not isinstance(each, dict):
            found[name] = each
        elif list(each) == ["$in"] and len(each["$in"]) == 1:
            (found[name],) = each["$in"]
    return found


class Taken(Exception):
    """A key of a unique index, or an `_id`, is another document's."""


class Model:
    """A collection as a list of documents in the order of their insertion."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.unique: list[Callable[[Document], list[Any]]] = []
        self.expiring = False

    def check(self, document: Document) -> None:
        """Raise `Taken` if a document other than the one with its `_id` has one of its unique keys."""
        for keys in self.unique:
            mine = keys(document)
            for other in self.documents:
                if other["_id"] != document["_id"] and any(key in mine for key in keys(other)):
                    raise Taken

    def insert(self, document: Document) -> None:
        """Insert a document."""
        if any(other["_id"] == document["_id"] for other in self.documents):
            raise Taken
        self.check(document)
        self.documents.append(copy.deepcopy(document))

    def expire(self) -> bool:
        """Leave out what has expired, if documents expire; whether there was any."""
        before = self.documents
        if self.expiring:
            self.documents = [each for each in before if not any(map(_is_past, _elements(each.get("t"))))]
        return len(self.documents) < len(before)

    def find(self, condition: Document) -> list[int]:
        """The positions of what matches."""
        return [place for place, document in enumerate(self.documents) if matches(document, condition)]

    def write(
        self,
        condition: Document,
        change: Callable[[Document], Document],
        multi: bool,
        upsert: bool,
        replacing: bool = False,
    ) -> tuple[int, int, bool]:
        """Change what matches: how many matched, how many changed, whether a document was inserted.

        A replacement without an `_id` always counts as a change.
        """
        places = self.find(condition)
        if not places and upsert:
            document = change(seed(condition))
            self.insert(document)
            return 0, 0, True
        modified = 0
        for place in places if multi else places[:1]:
            after = change(self.documents[place])
            if list(after.items()) != list(self.documents[place].items()) or repr(after) != repr(self.documents[place]):
                self.check(after)
                self.documents[place] = after
                modified += 1
            elif replacing:
                modified += 1
        return (len(places) if multi else min(1, len(places))), modified, False

    def delete(self, condition: Document, multi: bool) -> int:
        """Delete what matches; how many."""
        places = self.find(condition) if multi else self.find(condition)[:1]
        self.documents = [document for place, document in enumerate(self.documents) if place not in places]
        return len(places)


def _is_past(value: Any) -> bool:
    return isinstance(value, datetime) and value < datetime(2020, 1, 1)


def _key_of(value: Any) -> list[Any]:
    if isinstance(value, list):
        return list(dict.fromkeys(value)) or ["undefined"]
    return [value]


def _unique_u(document: Document) -> list[Any]:
    return _key_of(document["u"]) if "u" in document else []


def _unique_both(document: Document) -> list[Any]:
    if "b" not in document:
        return []
    return [(u, a) for u in _key_of(document.get("u")) for a in _key_of(document.get("a"))]


UNIQUE: Final = {5: _unique_u, 6: _unique_both}


def parallel(document: Document) -> bool:
    """Whether two arrays stand side by side, which no compound index takes."""
    return isinstance(document.get("a"), list) and any(isinstance(document.get(name), list) for name in ("b", "u"))


def sort_key(direction: int) -> Callable[[Document], tuple[int, float]]:
    def key(document: Document) -> tuple[int, float]:
        value = document.get("a")
        if isinstance(value, list):
            if not value:
                return (0, 0)
            value = min(value) if direction > 0 else max(value)
        return (1, 0) if value is None else (2, value)

    return key
