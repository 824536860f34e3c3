"""Where a field of a mapped document lives in Redis: counters, JSON values and hashes of floats.

Every kind of field reads many keys in one command where Redis has one (MGET, HMGET), says which values it can hold
faithfully, and gives the checks and commands of an atomic change (see `ir.transact`). Values come back exactly
as MongoDB would store them: an integer in its smaller type, JSON numbers as int or double.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.requests import Command
from kato_compat.ir.transact import Check
from kato_compat.mapping.keys import kato
from kato_compat.values.missing import MISSING
from kato_compat.values.types import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN

Raw = bytes | dict[bytes, bytes] | None


class Field(ABC):
    """One field of a mapped document. `raw` is what Redis holds for it: bytes, a hash, or None if there is none."""

    __slots__ = ()

    @abstractmethod
    def reads(self, kb_id: str, keys: Sequence[str]) -> list[Command]:
        """The commands that read the field of many documents in one round trip."""

    @abstractmethod
    def raws(self, keys: Sequence[str], replies: list[Any]) -> list[Raw]:
        """The raw values, one a key, from the replies to `reads`."""

    def hidden(self, keys: Sequence[str], replies: list[Any]) -> list[str]:
        """The keys for which the replies say nothing though there may be something: `ask` for each of them."""
        return []

    def ask(self, kb_id: str, key: str) -> Command:
        """The command that reads one hidden value; an error reply where it is of a type that the field cannot have."""
        raise NotImplementedError(f"{type(self).__name__} hides nothing")

    def asked(self, reply: Any) -> Raw:
        """The raw value of a reply to `ask`."""
        raise NotImplementedError(f"{type(self).__name__} hides nothing")

    @abstractmethod
    def decode(self, raw: Raw, where: str) -> Any:
        """The field's value, `MISSING` for None. Raises 22 for a raw value that the field cannot have wrought."""

    def values(self, raws: Sequence[Raw], where: Callable[[int], str]) -> list[Any]:
        """`decode` of many raw values; `where` names the one at a position, for errors."""
        decode = self.decode
        return [MISSING if raw is None else decode(raw, where(place)) for place, raw in enumerate(raws)]

    @abstractmethod
    def holds(self, value: Any) -> bool:
        """Whether the field can keep `value` (or MISSING) and give back the very same."""

    @abstractmethod
    def checks(self, kb_id: str, key: str, raw: Raw) -> list[Check]:
        """The checks that the field still is `raw`."""

    @abstractmethod
    def writes(self, kb_id: str, key: str, value: Any) -> list[Command]:
        """The commands that make the field `value`, or remove it if that is MISSING; they cannot fail."""

    @property
    @abstractmethod
    def command(self) -> str:
        """The Redis command that reads it, for explain()."""


def integers(raws: Sequence[Raw], where: Callable[[int], str]) -> list[Any]:
    """The numbers of counters, `MISSING` for those that are not there. Raises 22 for what is no integer."""
    try:
        found: list[Any] = [MISSING if raw is None else int(raw) for raw in raws]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        for place, raw in enumerate(raws):
            if raw is not None:
                integer(_bytes(raw, where(place)), where(place))
        raise
    return [value if value is MISSING or INT32_MIN <= value <= INT32_MAX else Int64(value) for value in found]


def integer(raw: bytes, where: str) -> int:
    """The number that a counter holds: `int`, or `Int64` beyond 32 bits. Raises 22 if it is none."""
    try:
        value = int(raw)
    except ValueError as error:
        raise fail(22, f"{where} does not hold an integer; repair or delete that key") from error
    return value if INT32_MIN <= value <= INT32_MAX else Int64(value)


def is_counter_value(value: Any) -> bool:
    """Whether a counter keeps `value` faithfully: an int32, or a long that is beyond 32 bits."""
    if type(value) is int or type(value) is Int64:
        small = INT32_MIN <= value <= INT32_MAX
        return INT64_MIN <= value <= INT64_MAX and (type(value) is int if small else True)
    return value is MISSING


@dataclass(frozen=True, slots=True)
class Counter(Field):
    """An integer string under a key of its own: ``{kb_id}:<parts>:<key>`` (or without the key, in a singleton)."""

    parts: tuple[str, ...]
    keyed: bool = True

    def key(self, kb_id: str, key: str) -> bytes:
        """The Redis key."""
        return kato(kb_id, *self.parts, key) if self.keyed else kato(kb_id, *self.parts)

    def reads(self, kb_id: str, keys: Sequence[str]) -> list[Command]:
        """See `Field.reads`. GET, unlike MGET, says of itself that a key is of another type."""
        if len(keys) == 1:
            return [("GET", self.key(kb_id, keys[0]))]
        prefix = ":".join((kb_id, *self.parts, ""))
        names = [(prefix + key).encode() for key in keys] if self.keyed else [kato(kb_id, *self.parts)] * len(keys)
        return [("MGET", *names), ("EXISTS", *names)]

    def raws(self, keys: Sequence[str], replies: list[Any]) -> list[Raw]:
        """See `Field.raws`."""
        return list(replies if len(keys) == 1 else replies[0])

    def hidden(self, keys: Sequence[str], replies: list[Any]) -> list[str]:
        """See `Field.hidden`: MGET gives nil for a key of another type too, GET raises."""
        return [] if len(keys) == 1 else _unread(keys, replies)

    def ask(self, kb_id: str, key: str) -> Command:
        """See `Field.ask`."""
        return ("GET", self.key(kb_id, key))

    def asked(self, reply: Any) -> Raw:
        """See `Field.asked`."""
        found: bytes | None = reply
        return found

    def decode(self, raw: Raw, where: str) -> Any:
        """See `Field.decode`."""
        return MISSING if raw is None else integer(_bytes(raw, where), where)

    def values(self, raws: Sequence[Raw], where: Callable[[int], str]) -> list[Any]:
        """See `Field.values`."""
        return integers(raws, where)

    def holds(self, value: Any) -> bool:
        """See `Field.holds`."""
        return is_counter_value(value)

    def checks(self, kb_id: str, key: str, raw: Raw) -> list[Check]:
        """See `Field.checks`."""
        return [Check(("GET", self.key(kb_id, key)), (None if raw is None else _bytes(raw, ""),))]

    def writes(self, kb_id: str, key: str, value: Any) -> list[Command]:
        """See `Field.writes`."""
        name = self.key(kb_id, key)
        return [("DEL", name)] if value is MISSING else [("SET", name, b"%d" % value)]

    @property
    def command(self) -> str:
        """See `Field.command`."""
        return "MGET"


@dataclass(frozen=True, slots=True)
class HashCounter(Field):
    """An integer string under the document's key in one hash: ``{kb_id}:<parts>``."""

    parts: tuple[str, ...]

    def reads(self, kb_id: str, keys: Sequence[str]) -> list[Command]:
        """See `Field.reads`."""
        return [("HMGET", kato(kb_id, *self.parts), *[key.encode() for key in keys])]

    def raws(self, keys: Sequence[str], replies: list[Any]) -> list[Raw]:
        """See `Field.raws`."""
        (values,) = replies
        return list(values)

    def decode(self, raw: Raw, where: str) -> Any:
        """See `Field.decode`."""
        return MISSING if raw is None else integer(_bytes(raw, where), where)

    def values(self, raws: Sequence[Raw], where: Callable[[int], str]) -> list[Any]:
        """See `Field.values`."""
        return integers(raws, where)

    def holds(self, value: Any) -> bool:
        """See `Field.holds`."""
        return is_counter_value(value)

    def checks(self, kb_id: str, key: str, raw: Raw) -> list[Check]:
        """See `Field.checks`."""
        expected = None if raw is None else _bytes(raw, "")
        return [Check(("HGET", kato(kb_id, *self.parts), key.encode()), (expected,))]

    def writes(self, kb_id: str, key: str, value: Any) -> list[Command]:
        """See `Field.writes`."""
        name = kato(kb_id, *self.parts)
        if value is MISSING:
            return [("HDEL", name, key.encode())]
        return [("HSET", name, key.encode(), b"%d" % value)]

    @property
    def command(self) -> str:
        """See `Field.command`."""
        return "HMGET"


@dataclass(frozen=True, slots=True)
class Json(Field):
    """A JSON list or object under a key of its own; a HASH of JSON values is read too (where a migration wrote one)."""

    parts: tuple[str, ...]

    def key(self, kb_id: str, key: str) -> bytes:
        """The Redis key."""
        return kato(kb_id, *self.parts, key)

    def reads(self, kb_id: str, keys: Sequence[str]) -> list[Command]:
        """See `Field.reads`. Which keys exist is asked too: MGET gives nil for those of another type."""
        names = [self.key(kb_id, key) for key in keys]
        return [("MGET", *names), ("EXISTS", *names)]

    def raws(self, keys: Sequence[str], replies: list[Any]) -> list[Raw]:
        """See `Field.raws`."""
        return list(replies[0])

    def hidden(self, keys: Sequence[str], replies: list[Any]) -> list[str]:
        """See `Field.hidden`: MGET gives nil for a HASH, and yet it exists."""
        return _unread(keys, replies)

    def ask(self, kb_id: str, key: str) -> Command:
        """See `Field.ask`."""
        return ("HGETALL", self.key(kb_id, key))

    def asked(self, reply: Any) -> Raw:
        """See `Field.asked`."""
        return pairs(reply) or None

    def decode(self, raw: Raw, where: str) -> Any:
        """See `Field.decode`."""
        if raw is None:
            return MISSING
        if isinstance(raw, dict):
            return {name.decode(): _load(value, where) for name, value in raw.items()}
        return _load(raw, where)

    def holds(self, value: Any) -> bool:
        """See `Field.holds`."""
        return value is MISSING or (type(value) in (list, dict) and _is_json(value))

    def checks(self, kb_id: str, key: str, raw: Raw) -> list[Check]:
        """See `Field.checks`."""
        name = self.key(kb_id, key)
        if isinstance(raw, dict):
            return _hash_checks(name, raw)
        if raw is None:
            return [Check(("EXISTS", name), (0,))]
        return [Check(("GET", name), (raw,))]

    def writes(self, kb_id: str, key: str, value: Any) -> list[Command]:
        """See `Field.writes`."""
        name = self.key(kb_id, key)
        return [("DEL", name)] if value is MISSING else [("SET", name, dumps(value))]

    @property
    def command(self) -> str:
        """See `Field.command`."""
        return "MGET"


@dataclass(frozen=True, slots=True)
class Floats(Field):
    """A HASH of name -> float under a key of its own, as a sub-document."""

    parts: tuple[str, ...]

    def key(self, kb_id: str, key: str) -> bytes:
        """The Redis key."""
        return kato(kb_id, *self.parts, key)

    def reads(self, kb_id: str, keys: Sequence[str]) -> list[Command]:
        """See `Field.reads`."""
        return [("HGETALL", self.key(kb_id, key)) for key in keys]

    def raws(self, keys: Sequence[str], replies: list[Any]) -> list[Raw]:
        """See `Field.raws`."""
        return [pairs(reply) or None for reply in replies]

    def decode(self, raw: Raw, where: str) -> Any:
        """See `Field.decode`. Fields come in the order of their names: a Redis hash has none of its own."""
        if raw is None:
            return MISSING
        if not isinstance(raw, dict):
            raise fail(22, f"{where} is not a hash")
        return {name.decode(): _float(value, where) for name, value in sorted(raw.items())}

    def holds(self, value: Any) -> bool:
        """See `Field.holds`. An empty hash cannot be told from none; names must be in their order."""
        if value is MISSING:
            return True
        return (
            type(value) is dict
            and bool(value)
            and all(type(item) is float and math.isfinite(item) for item in value.values())
            and list(value) == sorted(value, key=str.encode)
        )

    def checks(self, kb_id: str, key: str, raw: Raw) -> list[Check]:
        """See `Field.checks`."""
        return _hash_checks(self.key(kb_id, key), raw if isinstance(raw, dict) else {})

    def writes(self, kb_id: str, key: str, value: Any) -> list[Command]:
        """See `Field.writes`."""
        name = self.key(kb_id, key)
        if value is MISSING:
            return [("DEL", name)]
        flat = [part for item in value.items() for part in (item[0].encode(), repr(item[1]).encode())]
        return [("DEL", name), ("HSET", name, *flat)]

    @property
    def command(self) -> str:
        """See `Field.command`."""
        return "HGETALL"


def _unread(keys: Sequence[str], replies: list[Any]) -> list[str]:
    """The keys that MGET gave nil for, where EXISTS says that not all of them are absent."""
    values, existing = replies
    if existing == len(values) - values.count(None):
        return []
    return [key for key, value in zip(keys, values, strict=True) if value is None]


def pairs(reply: Any) -> dict[bytes, bytes]:
    """The hash that a reply to HGETALL gives, of RESP2 or RESP3."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[0::2], reply[1::2], strict=True))


def dumps(value: Any) -> bytes:
    """Compact JSON of a value that `Json.holds`."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


_JSON_LEAVES: Final = frozenset({str, bool, type(None)})


def _is_json(value: Any) -> bool:
    kind = type(value)
    if kind in _JSON_LEAVES:
        return True
    if kind is float:
        return math.isfinite(value)
    if kind is int or kind is Int64:
        return is_counter_value(value)
    if kind is list:
        return all(_is_json(item) for item in value)
    return kind is dict and all(_is_json(item) for item in value.values())


def _load(data: bytes, where: str) -> Any:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise fail(22, f"{where} does not hold JSON; repair or delete that key") from error
    return _sized(value, where)


def _sized(value: Any, where: str) -> Any:
    kind = type(value)
    if kind is int:
        if INT32_MIN <= value <= INT32_MAX:
            return value
        if not INT64_MIN <= value <= INT64_MAX:
            raise fail(22, f"{where} holds an integer beyond 64 bits")
        return Int64(value)
    if kind is list:
        return [_sized(item, where) for item in value]
    if kind is dict:
        return {name: _sized(item, where) for name, item in value.items()}
    return value


def _float(data: bytes, where: str) -> float:
    try:
        return float(data)
    except ValueError as error:
        raise fail(22, f"{where} does not hold a number") from error


def _bytes(raw: Raw, where: str) -> bytes:
    if not isinstance(raw, bytes):
        raise fail(22, f"{where} is not a string")
    return raw


def _hash_checks(name: bytes, raw: dict[bytes, bytes]) -> list[Check]:
    checks = [Check(("HLEN", name), (len(raw),))]
    checks.extend(Check(("HGET", name, each), (value,)) for each, value in raw.items())
    return checks
