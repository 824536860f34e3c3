"""What a learn changes in whole documents, for the stores that hold them whole.

`memory://` keeps every document so, and the document side of a collection those that its mapping cannot hold. The
atomic step of the engines (`kato.script`) makes the same changes in keys.
"""

from typing import Any

from kato_compat.errors import fail
from kato_compat.kato.lesson import Entry, Lesson, Metadata
from kato_compat.values.document import Document
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import add, double_of, numeric_type, subtract
from kato_compat.values.types import ALIASES, type_of


def learned(document: Document, lesson: Lesson, persistence: int) -> Document:
    """A pattern's document after one more learn. Raises 14 for a field of a type that cannot take it."""
    after = incremented(document, "frequency", 1)
    if lesson.entry is not None:
        after["emotives"] = appended(document.get("emotives", MISSING), lesson.entry, persistence)
    if lesson.metadata is not None:
        after["metadata"] = united(document.get("metadata", MISSING), lesson.metadata)
    return after


def incremented(document: Document, field: str, amount: int) -> Document:
    """A copy of `document` with `amount` added to `field` (MongoDB manual: $inc). Raises 14 for no number."""
    value = document.get(field, MISSING)
    if value is MISSING:
        return {**document, field: amount}
    if numeric_type(value) is None:
        raise fail(14, f"Cannot apply $inc to a value of non-numeric type: {field!r} is a {ALIASES[type_of(value)]}")
    return {**document, field: add(value, amount)}


def moved(document: Document, entry: Entry, sign: int) -> Document:
    """A symbol's document with an entry added to its emotives (`sign` 1) or taken from them (-1).

    An emotive that comes to zero when it is taken away is removed. Raises 14 for emotives that are no numbers.
    """
    emotives = document.get("emotives", {})
    if type(emotives) is not dict:
        raise fail(14, f"Cannot create emotives in a value of type {ALIASES[type_of(emotives)]}")
    after = dict(emotives)
    for name, value in entry.items():
        if name not in after:
            if sign > 0:
                after[name] = value
            continue
        if numeric_type(after[name]) is None:
            raise fail(14, f"Cannot apply $inc to a value of non-numeric type: emotive {name!r}")
        total = add(after[name], value) if sign > 0 else subtract(after[name], value)
        if sign < 0 and not double_of(total):
            del after[name]
        else:
            after[name] = total
    changed = {name: value for name, value in document.items() if name != "emotives"}
    # As the hash of an affinity is read: emotives in the order of their names, and no field without any.
    return {**changed, "emotives": dict(sorted(after.items(), key=_encoded))} if after else changed


def _encoded(item: tuple[str, Any]) -> bytes:
    return item[0].encode()


def window(value: Any) -> list[Any]:
    """A stored window as a list of entries, the last learn last.

    Older forms: ``{name: [number, ..]}`` becomes entries aligned at the end, ``{name: number}`` one entry. Raises 14
    for a value that is neither a list nor a document.
    """
    if value is MISSING:
        return []
    if type(value) is list:
        return list(value)
    if type(value) is not dict:
        raise fail(14, f"The field 'emotives' must be an array but is of type {ALIASES[type_of(value)]}")
    columns = {name: each if type(each) is list else [each] for name, each in value.items()}
    longest = max(map(len, columns.values()), default=0)
    entries: list[Any] = [{} for _ in range(longest)]
    for name, column in columns.items():
        for entry, each in zip(entries[longest - len(column) :], column, strict=True):
            entry[name] = each
    return entries


def appended(value: Any, entry: Entry, persistence: int) -> list[Any]:
    """A stored window with one more entry, the last `persistence` ones kept."""
    return [*window(value), dict(entry)][-persistence:]


def united(value: Any, given: Metadata) -> Document:
    """Stored metadata with the strings of `given` that are not there yet. Raises 14 for a value that is no document."""
    if value is MISSING:
        value = {}
    if type(value) is not dict:
        raise fail(14, f"The field 'metadata' must be a document but is of type {ALIASES[type_of(value)]}")
    after = dict(value)
    for key, texts in given.items():
        held = after.get(key, [])
        held = list(held) if type(held) is list else [held]
        seen = {each for each in held if type(each) is str}
        after[key] = held + [text for text in texts if text not in seen]
    return after
