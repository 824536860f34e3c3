"""Making increments (`plan.increment`) in Redis itself: many of them in one atomic step and one round trip.

Counters and documents are read and written by the script alone. It makes an increment only where the result is what
the general way (`execute.writing`) would leave, and nothing of it otherwise; that one is then made the general way.
So whatever is unusual is decided in one place: a counter that is no plain integer, that comes near the end of what a
double holds, or that would become a long of 32 bits; a key of another type; something left of a document that is no
more. What is in the fields that an increment does not concern is not read.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from kato_compat.ir.requests import Argument, Call, Script
from kato_compat.mapping.field import Counter, Field, Floats, HashCounter, Json
from kato_compat.mapping.keys import CATALOGUE, kato
from kato_compat.mapping.spec import CollectionSpec, Singleton, Table
from kato_compat.parse.command import Written
from kato_compat.plan.increment import Increment, Shape, counters_of

#: What the reply says of an increment: no document matched, one matched but stays as it is, one was changed, one was
#: inserted.
UNMATCHED, MATCHED, MODIFIED, INSERTED = b"0123"
#: Replies in place of those: the index definitions are others, there are documents on the document side.
STALE: Final = -1
BESIDE: Final = -2

#: KEYS: docs and meta of the document side, catalogue, index of keys, gone marks, then sorted sets. ARGV: the state of
#: the definitions ("-" for none, else "=" and it), the catalogue's entry, JSON of the layout and of the shapes, then
#: for each run of increments of one shape: the shape's number, how many, their documents' keys.
#: The layout is ``{c: counters, o: other fields, p: positions of the counters that show that a document is there,
#: t: whether it has a row too, i: whether the index has its key}``; a counter is ``[kind, name, positions in KEYS of
#: sorted sets]`` (kind 0: strings whose names begin so, 1: the fields of a hash, 2: one string), another field
#: ``[beginning of the names, types ..]``. The sorted sets get the counter's new values as the scores of the documents'
#: keys. A shape is ``[whether to upsert, [counter, amount, whether only an insertion sets it] ..]``.
#: Reply: a digit for each increment (see above) up to the first that must be made the general way; -1 or -2 if none
#: was looked at.
COUNTING: Final = Script(
    "counting",
    """
local state = redis.call('HGET', KEYS[2], 'state')
if (state and '=' .. state or '-') ~= ARGV[1] then return -1 end
if redis.call('HLEN', KEYS[1]) > 0 then return -2 end
local layout, shapes = cjson.decode(ARGV[3]), cjson.decode(ARGV[4])
local counters = layout.c
-- These fail on a key of another type; then nothing has been done yet.
local listed = redis.call('SISMEMBER', KEYS[3], ARGV[2]) == 1
if layout.i then redis.call('ZCARD', KEYS[4]) end
for position = 6, #KEYS do redis.call('ZCARD', KEYS[position]) end

local keys, seen = {}, {}
do
  local at = 5
  while at <= #ARGV do
    local last = at + 1 + tonumber(ARGV[at + 1])
    for i = at + 2, last do
      local key = ARGV[i]
      if not seen[key] then
        seen[key] = true
        keys[#keys + 1] = key
      end
    end
    at = last + 1
  end
end

-- Lua cannot unpack any number of arguments.
local function each(words, act)
  if #words <= 1000 then
    if #words > 0 then act(words, 0) end
    return
  end
  for start = 1, #words, 1000 do
    local part = {}
    for i = start, math.min(start + 999, #words) do part[#part + 1] = words[i] end
    act(part, start - 1)
  end
end

local function prefixed(prefix)
  local names = {}
  for i = 1, #keys do names[i] = prefix .. keys[i] end
  return names
end

-- By key: what must be made the general way, and what has fields that are no counters.
local odd, more = {}, {}

-- The numbers of each counter, by key.
local values, match = {}, string.match
for number, counter in ipairs(counters) do
  local kind, name, found, absent, owners = counter[1], counter[2], {}, {}, {}
  local names = kind == 0 and prefixed(name) or kind == 1 and keys or {name}
  local refused = false
  each(names, function(part, before)
    local raws = kind == 1 and redis.pcall('HMGET', name, unpack(part)) or redis.call('MGET', unpack(part))
    if raws.err then
      refused = true
      return
    end
    for i = 1, #part do
      local raw, key = raws[i], keys[before + i]
      if not raw then
        if kind ~= 1 then
          absent[#absent + 1] = part[i]
          owners[part[i]] = key
        end
      elseif #raw < 16 and (raw == '0' or match(raw, '^-?[1-9]%d*$')) then
        found[key] = tonumber(raw)
      else
        odd[key] = true
      end
    end
  end)
  if refused then return '' end
  -- MGET gives nothing for a key of another type, and MSET would overwrite it.
  each(absent, function(part)
    if redis.call('EXISTS', unpack(part)) > 0 then
      for _, missing in ipairs(part) do
        if redis.call('EXISTS', missing) == 1 then odd[owners[missing]] = true end
      end
    end
  end)
  values[number] = found
end
for _, other in ipairs(layout.o) do
  each(prefixed(other[1]), function(part, before)
    if redis.call('EXISTS', unpack(part)) > 0 then
      for i, name in ipairs(part) do
        local kind = redis.call('TYPE', name).ok
        if kind ~= 'none' then
          more[keys[before + i]] = true
          if kind ~= other[2] and kind ~= other[3] then odd[keys[before + i]] = true end
        end
      end
    end
  end)
end
if layout.t then
  each(keys, function(part, before)
    local marks = redis.call('ZMSCORE', KEYS[5], unpack(part))
    for i = 1, #part do if marks[i] then odd[part[i]] = true end end
  end)
end

local codes, written, fresh = {}, {}, {}
for number in ipairs(counters) do written[number] = {} end

local function is_there(key)
  for _, number in ipairs(layout.p) do if values[number][key] then return true end end
  return false
end

-- The code of one increment, nil for the general way.
local function make(key, upsert, amounts)
  if odd[key] then return nil end
  if not is_there(key) then
    if layout.t or more[key] then return nil end
    if not upsert then return '0' end
    for i = 1, #amounts do
      local number, amount = amounts[i][1], amounts[i][2]
      values[number][key] = amount
      written[number][key] = amount
    end
    fresh[#fresh + 1] = key
    return '3'
  end
  for i = 1, #amounts do
    local number, amount, only = amounts[i][1], amounts[i][2], amounts[i][3]
    local before = values[number][key]
    if before and not only then
      local after = before + amount
      if after >= 1e15 or after <= -1e15 then return nil end
      -- A long stays one where it comes back into 32 bits, and a counter cannot say so.
      if (before > 2147483647 or before < -2147483648) and after >= -2147483648 and after <= 2147483647 then
        return nil
      end
    end
  end
  local code = '1'
  for i = 1, #amounts do
    local number, amount, only = amounts[i][1], amounts[i][2], amounts[i][3]
    local before = values[number][key]
    if not only and not (before and amount == 0) then
      local after = (before or 0) + amount
      values[number][key] = after
      written[number][key] = after
      code = '2'
    end
  end
  return code
end

local function make_all()
  local at = 5
  while at <= #ARGV do
    local shape, last = shapes[tonumber(ARGV[at])], at + 1 + tonumber(ARGV[at + 1])
    local upsert, amounts = shape[1], shape[2]
    for i = at + 2, last do
      local code = make(ARGV[i], upsert, amounts)
      if not code then return end
      codes[#codes + 1] = code
    end
    at = last + 1
  end
end

make_all()

-- The writes, which cannot fail any more.
for number, counter in ipairs(counters) do
  local kind, name, sets = counter[1], counter[2], counter[3]
  local words = {}
  for key, value in pairs(written[number]) do
    words[#words + 1] = kind == 0 and name .. key or kind == 1 and key or name
    words[#words + 1] = value
  end
  each(words, function(part)
    if kind == 1 then redis.call('HSET', name, unpack(part)) else redis.call('MSET', unpack(part)) end
  end)
  for _, position in ipairs(sets) do
    words = {}
    for key, value in pairs(written[number]) do
      words[#words + 1] = value
      words[#words + 1] = key
    end
    each(words, function(part) redis.call('ZADD', KEYS[position], unpack(part)) end)
  end
end
if #fresh > 0 then
  if layout.i then
    local words, sub = {}, string.sub
    for i = 1, #fresh do
      -- The first 53 bits: more than that a double does not hold.
      local hash = redis.sha1hex(fresh[i])
      local bit = sub(hash, 14, 14) >= '8' and 1 or 0
      words[2 * i - 1] = tonumber(sub(hash, 1, 13), 16) * 2 + bit
      words[2 * i] = fresh[i]
    end
    each(words, function(part) redis.call('ZADD', KEYS[4], unpack(part)) end)
  end
  if not listed then redis.call('SADD', KEYS[3], ARGV[2]) end
end
return table.concat(codes)
""",
)

_UNMATCHED: Final = Written()
_MATCHED: Final = Written(matched=1)
_MODIFIED: Final = Written(matched=1, modified=1)


class Counting:
    """The calls that make the increments of one collection."""

    def __init__(
        self,
        spec: CollectionSpec,
        kb_id: str,
        keys: tuple[bytes, bytes, bytes, bytes],
        entry: bytes,
        sorted_sets: Mapping[str, Sequence[bytes]] | None = None,
    ) -> None:
        """`keys` are those of docs, meta, index and gone; `entry` is the collection's in the catalogue.

        `sorted_sets` are, by counter, those that hold its values as scores of the documents' keys: an index on it.
        """
        docs, meta, index, gone = keys
        self._keys = [docs, meta, CATALOGUE, index, gone]
        self._entry = entry
        self._identify = spec.identify
        counters: list[list[Any]] = []
        others: list[list[str]] = []
        for name, field in spec.redis.items():
            if name in counters_of(spec):
                kept = (sorted_sets or {}).get(name, ())
                positions = list(range(len(self._keys) + 1, len(self._keys) + 1 + len(kept)))
                self._keys.extend(kept)
                counters.append([*_place(field, kb_id), positions])
            else:
                others.append(_other(field, kb_id))
        table = isinstance(spec.source, Table)
        self._layout = _json(
            {
                "c": counters,
                "o": others,
                "p": [1] if table else list(range(1, len(counters) + 1)),
                "t": table,
                "i": not table and not isinstance(spec.source, Singleton),
            }
        )

    def call(self, state: bytes | None, increments: Sequence[Increment]) -> Call:
        """The call that makes `increments`, with the definitions in `state`."""
        shapes: dict[Shape, int] = {}
        runs: list[Argument] = []
        for shape, run in groupby(increments, attrgetter("shape")):
            keys = [each.key for each in run]
            runs.append(shapes.setdefault(shape, len(shapes) + 1))
            runs.append(len(keys))
            runs.extend(keys)
        listed = [[shape.upsert, [[n + 1, amount, only] for n, amount, only in shape.amounts]] for shape in shapes]
        head = b"-" if state is None else b"=" + state
        return Call(COUNTING, tuple(self._keys), (head, self._entry, self._layout, _json(listed), *runs))

    def written(self, increments: Sequence[Increment], codes: bytes) -> list[Written]:
        """What the codes of a reply say of as many increments; what is the same of many is one object."""
        identify = self._identify
        same = (_UNMATCHED, _MATCHED, _MODIFIED)
        return [
            Written(upserted=identify(each.key), inserted=True) if code == INSERTED else same[code - UNMATCHED]
            for each, code in zip(increments, codes, strict=False)
        ]


def _place(field: Field, kb_id: str) -> tuple[int, str]:
    """Where a counter is, as the script takes it."""
    match field:
        case HashCounter(parts):
            return 1, kato(kb_id, *parts).decode()
        case Counter(parts, True):
            return 0, kato(kb_id, *parts, "").decode()
        case Counter(parts):
            return 2, kato(kb_id, *parts).decode()
        case _:
            raise TypeError(f"{type(field).__name__} is no counter")


def _other(field: Field, kb_id: str) -> list[str]:
    """Where another field is, and the types that it may have."""
    match field:
        case Json(parts):
            return [kato(kb_id, *parts, "").decode(), "string", "hash"]
        case Floats(parts):
            return [kato(kb_id, *parts, "").decode(), "hash"]
        case _:
            raise TypeError(f"{type(field).__name__} is not known here")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
