"""Lessons: what is to be learned, checked and in the form that stores take."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

Events: TypeAlias = list[list[str]]
Entry: TypeAlias = dict[str, float]
Metadata: TypeAlias = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One learn of one pattern.

    `counts` are the occurrences of each distinct symbol, in order of first occurrence; `length` their sum.
    `entry` is what the window of emotives gains (None: nothing), `metadata` what the pattern's metadata are united
    with (None: nothing).
    """

    name: str
    events: Events
    counts: dict[str, int]
    length: int
    entry: Entry | None = None
    metadata: Metadata | None = None


def pattern_name(events: Events) -> str:
    """The name of a pattern: the SHA-1, in hexadecimal, of its events as Python prints them."""
    return hashlib.sha1(str(events).encode(), usedforsecurity=False).hexdigest()


def lesson(pattern_data: Any, emotives: Any = None, metadata: Any = None) -> Lesson:
    """The lesson of one learn.

    Raises `TypeError` for a pattern that is no sequence of sequences of strings, for emotives that are neither a
    mapping of numbers nor a sequence of such, and for metadata that are no mapping; `ValueError` for a pattern
    without a symbol and for an emotive that is not finite.
    """
    events = _events(pattern_data)
    counts: dict[str, int] = {}
    for symbol in chain.from_iterable(events):
        counts[symbol] = counts.get(symbol, 0) + 1
    if not counts:
        raise ValueError("a pattern needs at least one symbol")
    entry = None if emotives is None else averaged(emotives)
    united = None if metadata is None else stringified(metadata)
    return Lesson(pattern_name(events), events, counts, sum(counts.values()), entry or None, united or None)


def encode_row(given: Lesson) -> str:
    """The pending form of the row (see `execute.pending`)."""
    row = {"pattern_data": given.events, "length": given.length}
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False)


def _events(pattern_data: Any) -> Events:
    if not isinstance(pattern_data, Sequence) or isinstance(pattern_data, str | bytes):
        raise TypeError(f"a pattern must be a list of events, not {type(pattern_data).__name__}")
    events: Events = []
    for event in pattern_data:
        if not isinstance(event, Sequence) or isinstance(event, str | bytes):
            raise TypeError(f"an event must be a list of symbols, not {type(event).__name__}")
        symbols = list(event)
        for position, symbol in enumerate(symbols):
            if type(symbol) is not str:
                if not isinstance(symbol, str):
                    raise TypeError(f"a symbol must be a str, not {type(symbol).__name__}")
                # Subclasses (numpy.str_) print otherwise than str, and the name comes from what is printed.
                symbols[position] = str.__str__(symbol)
        events.append(symbols)
    return events


def averaged(emotives: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> Entry:
    """The average of each emotive over the mappings that have it; averages of zero are left out."""
    records = [emotives] if isinstance(emotives, Mapping) else emotives
    if isinstance(records, str | bytes) or not isinstance(records, Iterable):
        raise TypeError(f"emotives must be a mapping or a sequence of mappings, not {type(records).__name__}")
    values: dict[str, list[float]] = {}
    for record in records:
        if not isinstance(record, Mapping):
            raise TypeError(f"emotives must be mappings, not {type(record).__name__}")
        for name, value in record.items():
            if not isinstance(name, str):
                raise TypeError(f"an emotive's name must be a str, not {type(name).__name__}")
            values.setdefault(str.__str__(name), []).append(_number(name, value))
    averages = {name: math.fsum(each) / len(each) for name, each in values.items()}
    return {name: value for name, value in averages.items() if value}


def _number(name: str, value: Any) -> float:
    if isinstance(value, str | bytes) or not hasattr(type(value), "__float__"):
        raise TypeError(f"emotive {name!r} must be a number, not {type(value).__name__}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"emotive {name!r} must be finite, not {number}")
    return number


def stringified(metadata: Mapping[str, Any]) -> Metadata:
    """Metadata with a list of distinct strings under each key, in order of first mention."""
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a mapping, not {type(metadata).__name__}")
    found: Metadata = {}
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise TypeError(f"a key of metadata must be a str, not {type(key).__name__}")
        several = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
        values = value if several else [value]
        found[str.__str__(key)] = list(dict.fromkeys(_text(each) for each in values))
    return found


def _text(value: Any) -> str:
    return str.__str__(value) if isinstance(value, str) else str(value)
