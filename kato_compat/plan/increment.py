"""Increments: updates of one mapped document, by its key, that add whole numbers to counters and do nothing else.

Redis makes such an update itself, without the document being read first (`execute.counting`). They are recognised in
the form that callers give them, before anything is parsed: what they look like is checked each time, and what their
update means is worked out once for all updates of one shape.
"""

from dataclasses import dataclass
from typing import Any, Final

from kato_compat.mapping.field import Counter, Floats, HashCounter, Json
from kato_compat.mapping.spec import CollectionSpec, Singleton, Table
from kato_compat.parse.command import Write
from kato_compat.parse.expression import Context
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.update import Update, parse_update
from kato_compat.values.types import INT32_MAX, INT32_MIN

_COUNTERS: Final = frozenset({Counter, HashCounter})
_KNOWN: Final = _COUNTERS | {Floats, Json}
#: The longest key, in characters: a thousand of them go in one request.
_LONGEST: Final = 10_000
#: Shapes kept of one collection; callers that put ever new amounts into their updates have new ones all the time.
_KEPT: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What increments have in common that differ in their keys only.

    `amounts` are (number of the counter in `counters_of`, what is added, whether only an insertion sets it to that).
    `update` is the same as `parse.update` gives it, but for a `$setOnInsert` of the key, which an upsert has from the
    filter anyway.
    """

    path: str
    amounts: tuple[tuple[int, int, bool], ...]
    upsert: bool
    multi: bool
    update: Update


@dataclass(slots=True)
class Increment:
    """One increment: the document's key, and all else."""

    key: str
    shape: Shape

    def write(self) -> Write:
        """The command that does the same by way of reading the document."""
        predicate = parse_filter({self.shape.path: self.key})
        update = self.shape.update
        seed = (lambda: update.seed(predicate)) if self.shape.upsert else None
        return Write(predicate, update, self.shape.multi, None, seed)


def counters_of(spec: CollectionSpec) -> tuple[str, ...]:
    """The counters of a collection whose documents can be incremented without being read; empty if that cannot be.

    Whether a document is there must show in its counters (in a table: in the first field, as when it is read), and
    with the counters alone a new one must be whole.
    """
    names = tuple(name for name, each in spec.redis.items() if type(each) in _COUNTERS)
    if any(_is_special(name) for name in (spec.key, *names)):
        return ()
    if not all(type(each) in _KNOWN for each in spec.redis.values()):
        return ()
    if isinstance(spec.source, Table):
        return names if next(iter(spec.redis), None) in names else ()
    implied = {spec.key: spec.source.key} if isinstance(spec.source, Singleton) else {}
    return names if set(names) == set(spec.presence) and spec.implied == implied else ()


def _is_special(name: str) -> bool:
    """Whether the name of a field means more than that field in a filter or an update."""
    return "." in name or name.startswith("$") or name.isdigit() or not name


class Recogniser:
    """Tells the increments among the updates of one collection. Safe to use from many threads."""

    def __init__(self, spec: CollectionSpec) -> None:
        self._path = spec.key
        self._only = spec.source.key if isinstance(spec.source, Singleton) else None
        self._numbers = {name: number for number, name in enumerate(counters_of(spec))}
        self._shapes: dict[Any, Shape] = {}

    def find(self, selector: Any, update: Any, upsert: bool, multi: bool) -> Increment | None:
        """The increment that ``update(selector, update)`` is; None for any other update, be it right or wrong.

        Of an increment it is known that the server takes it. Numbers are `int` within 32 bits: with any other type
        the result may be of another type too.
        """
        if type(selector) is not dict or len(selector) != 1 or type(update) is not dict:
            return None
        key = selector.get(self._path)
        if type(key) is dict and len(key) == 1:
            key = key.get("$eq")
        if type(key) is not str or not key:
            return None
        if not key.isascii() and not _is_text(key):
            return None
        amounts = update.get("$inc")
        if type(amounts) is not dict:
            return None
        for amount in amounts.values():
            if type(amount) is not int:
                return None
        initial: tuple[tuple[Any, Any], ...] = ()
        if len(update) != 1:
            given = update.get("$setOnInsert")
            if len(update) != 2 or type(given) is not dict:
                return None
            named = given.get(self._path)
            if len(given) != 1 or type(named) is not str or named != key:
                initial = self._initial(given, key)
                if not initial:
                    return None
        # Numbers of other types, which equal these, are out by now.
        known = (tuple(amounts.items()), initial, upsert, multi)
        shape = self._shapes.get(known)
        if shape is None:
            shape = self._shape(*known)
            if shape is None:
                return None
            if len(self._shapes) >= _KEPT:
                self._shapes.clear()
            self._shapes[known] = shape
        if len(key) > _LONGEST or (self._only is not None and key != self._only):
            return None
        return Increment(key, shape)

    def _initial(self, given: dict[Any, Any], key: str) -> tuple[tuple[Any, Any], ...]:
        """The fields of a `$setOnInsert` without the key; empty if they are not all counters."""
        found: list[tuple[Any, Any]] = []
        for name, value in given.items():
            if name == self._path:
                if type(value) is not str or value != key:
                    return ()
            elif type(value) is int:
                found.append((name, value))
            else:
                return ()
        return tuple(found)

    def _shape(
        self, amounts: tuple[tuple[Any, Any], ...], initial: tuple[tuple[Any, Any], ...], upsert: bool, multi: bool
    ) -> Shape | None:
        added = {}
        for names, only in ((amounts, False), (initial, True)):
            for name, amount in names:
                number = self._numbers.get(name)
                if type(name) is not str or number is None or number in added:
                    return None
                if not INT32_MIN <= amount <= INT32_MAX:
                    return None
                added[number] = (number, amount, only)
        if not amounts:
            return None
        raw: dict[str, Any] = {"$inc": dict(amounts)}
        if initial:
            raw["$setOnInsert"] = dict(initial)
        return Shape(self._path, tuple(added.values()), upsert, multi, parse_update(raw, Context()))


def _is_text(key: str) -> bool:
    """Whether a string can be encoded: one with half of a surrogate pair cannot."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True
