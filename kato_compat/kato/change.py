"""What a learn changes in whole documents, for the stores that hold them whole.

`memory://` keeps every document so, and the document side of a collection those that its mapping cannot hold. The
atomic step of the engines (`kato.script`) makes the same changes in keys.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from kato_compat.errors import fail
from kato_compat.kato.lesson import Entry, Lesson, Metadata
from kato_compat.mapping.spec import METADATA
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


def decremented(document: Document, field: str, amount: int) -> Document:
    """A copy of `document` with `amount` taken from `field`, but not below zero; as it is without that field.

    Raises 14 for no number.
    """
    if field not in document:
        return document
    after = incremented(document, field, -amount)
    return after if double_of(after[field]) >= 0 else {**after, field: 0}


def counted(document: Document, count: int, new: bool, entry: Entry | None) -> Document:
    """A symbol's document after a learn of a pattern that has it `count` times. Raises 14 as `incremented`."""
    after = incremented(document, "frequency", count)
    if new:
        after = incremented(after, "pattern_member_frequency", 1)
    return after if entry is None else moved(after, entry, 1)


def totalled(document: Document, lessons: Sequence[Lesson], new: Sequence[bool]) -> Document:
    """The totals' document after learns, some of them of `new` patterns. Raises 14 as `incremented`."""
    gained = {
        "total_pattern_frequencies": len(lessons),
        "total_symbol_frequencies": sum(lesson.length for lesson in lessons),
    }
    fresh = [lesson for lesson, first in zip(lessons, new, strict=True) if first]
    if fresh:
        gained["total_symbols_in_patterns_frequencies"] = sum(len(lesson.counts) for lesson in fresh)
        gained["total_unique_patterns"] = len(fresh)
    for field in METADATA.fields:
        if field in gained:
            document = incremented(document, field, gained[field])
    return document


def untotalled(document: Document, times: int, counts: Mapping[str, int]) -> Document:
    """The totals' document after a pattern with `counts`, learned so many `times`, was forgotten."""
    lost = {
        "total_pattern_frequencies": times,
        "total_symbol_frequencies": times * sum(counts.values()),
        "total_symbols_in_patterns_frequencies": len(counts),
        "total_unique_patterns": 1,
    }
    for field, amount in lost.items():
        document = decremented(document, field, amount)
    return document


def without(document: Document, frequency: int, taken: Entry) -> Document | None:
    """A symbol's document without what a forgotten pattern has counted; None if nothing is left of it."""
    after = decremented(document, "frequency", frequency)
    after = decremented(after, "pattern_member_frequency", 1)
    if not after.get("frequency") and not after.get("pattern_member_frequency"):
        return None
    return moved(after, taken, -1)


def counts_of(document: Document) -> dict[str, int]:
    """The occurrences of each symbol in a pattern's document; other shapes of pattern_data have the strings in them."""
    counts: dict[str, int] = {}
    data = document.get("pattern_data")
    events = data if type(data) is list else []
    for symbol in chain.from_iterable(event if type(event) is list else [event] for event in events):
        if type(symbol) is str:
            counts[symbol] = counts.get(symbol, 0) + 1
    return counts


def emotives_of(document: Document) -> Entry:
    """The sum of each emotive over a pattern's window."""
    emotives = document.get("emotives")
    total: Entry = {}
    for each in window(emotives) if type(emotives) in (list, dict) else ():
        for name, value in each.items() if type(each) is dict else ():
            if isinstance(value, int | float) and not isinstance(value, bool):
                total[name] = total.get(name, 0.0) + float(value)
    return total


def times_of(document: Document) -> int:
    """How often a pattern was learned: its frequency, 0 where that is no number."""
    frequency = document.get("frequency")
    return int(frequency) if isinstance(frequency, int | float) and not isinstance(frequency, bool) else 0
