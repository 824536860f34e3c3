"""Making increments (`plan.increment`) in Redis itself: many of them in one atomic step and one round trip.

Counters and documents are read and written by the script alone. It makes an increment only where the result is what
the general way (`execute.writing`) would leave, and nothing of it otherwise; that one is then made the general way.
So whatever is unusual is decided in one place: a counter that is no plain integer, that comes near the end of what a
double holds, or that would become a long of 32 bits; a key of another type; something left of a document that is no
more. What is in the fields that an increment does not concern is not read.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

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

#: KEYS: docs and meta of the document side, catalogue, index of keys, gone marks, then the sorted sets. ARGV: the
#: state of the definitions ("-" for none, else "=" and it), the catalogue's entry, and lists, each after its length:
#:
#: - one of no length, the source: ``row`` where documents have a row too, ``listed`` where the index has their keys,
#:   else ``single``
#: - counters: kind (``keys``: strings whose names begin so, ``hash``: the fields of one, ``key``: one string), name,
#:   number of the sorted sets that get its new values as the scores of the documents' keys (they follow in KEYS)
#: - other fields: what their names begin with, the type they have, another type or nothing
#: - shapes: 1 to upsert, list of amounts (number of the counter, amount, 1 if only an insertion sets it to that)
#: - to the end, increments of one shape each: the shape's number, list of the documents' keys
#:
#: Reply: a digit for each increment (see above) up to the first that must be made the general way; -1 or -2 if none
#: was looked at.
COUNTING: Final = Script(
    "counting",
    """
local state = redis.call('HGET', KEYS[2], 'state')
if (state and '=' .. state or '-') ~= ARGV[1] then return -1 end
if redis.call('HLEN', KEYS[1]) > 0 then return -2 end

local at = 2
local function take()
  at = at + 1
  return ARGV[at]
end
local source = take()
local kinds, names, sets = {}, {}, {}
for counter = 1, tonumber(take()) do
  kinds[counter] = take()
  names[counter] = take()
  sets[counter] = tonumber(take())
end
local others = {}
for other = 1, tonumber(take()) do others[other] = {take(), take(), take()} end
local shapes = {}
for shape = 1, tonumber(take()) do
  local upsert, amounts = take() == '1', {}
  for i = 1, tonumber(take()) do amounts[i] = {tonumber(take()), tonumber(take()), take() == '1'} end
  shapes[shape] = {upsert, amounts}
end

-- The keys, each once, and the place of each.
local first, last = at + 1, #ARGV
local keys, places, size = {}, {}, 0
at = first
while at <= last do
  local stop = at + 1 + tonumber(ARGV[at + 1])
  for i = at + 2, stop do
    local key = ARGV[i]
    if not places[key] then
      size = size + 1
      keys[size] = key
      places[key] = size
    end
  end
  at = stop + 1
end

-- Lua cannot unpack any number of arguments.
local function each(words, act)
  local count = #words
  if count <= 1000 then
    if count > 0 then act(words, 0) end
    return
  end
  for start = 1, count, 1000 do
    local part = {}
    for i = start, math.min(start + 999, count) do part[#part + 1] = words[i] end
    act(part, start - 1)
  end
end

-- By counter and place: its number, and what its name is, a string's or a field's.
local values, strings, match = {}, {}, string.match
-- By place: what must be made the general way, and what has fields that are no counters.
local odd, more = {}, {}

-- Names of strings that may not be there, the places that they belong to, and which other field they are of.
local missing, owners, kinds_of = {}, {}, {}
for counter, kind in ipairs(kinds) do
  local name, found = names[counter], {}
  local held = kind == 'hash' and keys or {name}
  if kind == 'keys' then
    for place = 1, size do held[place] = name .. keys[place] end
  end
  values[counter], strings[counter] = found, held
  local refused = false
  each(held, function(part, before)
    local raws = kind == 'hash' and redis.pcall('HMGET', name, unpack(part)) or redis.call('MGET', unpack(part))
    if raws.err then
      refused = true
      return
    end
    for i = 1, #part do
      local raw = raws[i]
      if not raw then
        if kind ~= 'hash' then
          missing[#missing + 1] = part[i]
          owners[#missing] = before + i
        end
      -- Lua's numbers are doubles: from so few digits the sums of a block stay far within 2**53.
      elseif #raw < 16 and (raw == '0' or match(raw, '^-?[1-9]%d*$')) then
        found[before + i] = tonumber(raw)
      else
        odd[before + i] = true
      end
    end
  end)
  if refused then return '' end
end
for _, other in ipairs(others) do
  for place = 1, size do
    missing[#missing + 1] = other[1] .. keys[place]
    owners[#missing] = place
    kinds_of[#missing] = other
  end
end
-- MGET gives nothing for a key of another type, and MSET would overwrite it.
each(missing, function(part, before)
  if redis.call('EXISTS', unpack(part)) == 0 then return end
  for i, name in ipairs(part) do
    local kind = redis.call('TYPE', name).ok
    if kind ~= 'none' then
      local place, other = owners[before + i], kinds_of[before + i]
      if other and (kind == other[2] or kind == other[3]) then more[place] = true else odd[place] = true end
    end
  end
end)
if source == 'row' then
  each(keys, function(part, before)
    local marks = redis.call('ZMSCORE', KEYS[5], unpack(part))
    for i = 1, #part do if marks[i] then odd[before + i] = true end end
  end)
end

-- Changed places by counter, each once, and the keys of new documents.
local codes, changed, dirty, fresh = {}, {}, {}, {}
for counter in ipairs(kinds) do changed[counter], dirty[counter] = {}, {} end
-- A document with a row shows in the first counter, another one in any.
local shown = source == 'row' and 1 or #kinds

local function put(counter, place, value)
  values[counter][place] = value
  if not dirty[counter][place] then
    dirty[counter][place] = true
    local list = changed[counter]
    list[#list + 1] = place
  end
end

-- The code of one increment, nil for the general way.
local function make(key, upsert, amounts)
  local place = places[key]
  if odd[place] then return nil end
  local there = false
  for counter = 1, shown do
    if values[counter][place] then
      there = true
      break
    end
  end
  if not there then
    if source == 'row' or more[place] then return nil end
    if not upsert then return '0' end
    for i = 1, #amounts do put(amounts[i][1], place, amounts[i][2]) end
    fresh[#fresh + 1] = key
    return '3'
  end
  for i = 1, #amounts do
    local amount = amounts[i]
    local before = values[amount[1]][place]
    if before and not amount[3] then
      local after = before + amount[2]
      -- A long stays one where it comes back into 32 bits, and a counter cannot say so.
      if (before > 2147483647 or before < -2147483648) and after >= -2147483648 and after <= 2147483647 then
        return nil
      end
    end
  end
  local code = '1'
  for i = 1, #amounts do
    local amount = amounts[i]
    local before = values[amount[1]][place]
    if not amount[3] and not (before and amount[2] == 0) then
      put(amount[1], place, (before or 0) + amount[2])
      code = '2'
    end
  end
  return code
end

local function make_all()
  at = first
  while at <= last do
    local shape, stop = shapes[tonumber(ARGV[at])], at + 1 + tonumber(ARGV[at + 1])
    local upsert, amounts = shape[1], shape[2]
    for i = at + 2, stop do
      local code = make(ARGV[i], upsert, amounts)
      if not code then return end
      codes[#codes + 1] = code
    end
    at = stop + 1
  end
end

make_all()

-- These fail on a key of another type; then nothing has been done yet.
for position = 6, #KEYS do redis.call('ZCARD', KEYS[position]) end
if #fresh > 0 then
  if source == 'listed' then redis.call('ZCARD', KEYS[4]) end
  redis.call('SADD', KEYS[3], ARGV[2])
end

-- The writes, which cannot fail any more.
local position = 5
for counter, kind in ipairs(kinds) do
  local words, list, found, held = {}, changed[counter], values[counter], strings[counter]
  for i = 1, #list do
    words[2 * i - 1] = held[list[i]]
    words[2 * i] = found[list[i]]
  end
  each(words, function(part)
    if kind == 'hash' then redis.call('HSET', names[counter], unpack(part)) else redis.call('MSET', unpack(part)) end
  end)
  for _ = 1, sets[counter] do
    position = position + 1
    local name = KEYS[position]
    for i = 1, #list do
      words[2 * i - 1] = found[list[i]]
      words[2 * i] = keys[list[i]]
    end
    each(words, function(part) redis.call('ZADD', name, unpack(part)) end)
  end
end
if #fresh > 0 and source == 'listed' then
  local words = {}
  for i, key in ipairs(fresh) do
    -- The first 53 bits: more than that a double does not hold.
    local hash = redis.sha1hex(key)
    words[2 * i - 1] = tonumber(string.sub(hash, 1, 13), 16) * 2 + (string.sub(hash, 14, 14) >= '8' and 1 or 0)
    words[2 * i] = key
  end
  each(words, function(part) redis.call('ZADD', KEYS[4], unpack(part)) end)
end
return table.concat(codes)
""",
)

_SHAPE: Final = attrgetter("shape")
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
        names = [docs, meta, CATALOGUE, index, gone]
        counters: list[Argument] = []
        others: list[Argument] = []
        for name, field in spec.redis.items():
            if name in counters_of(spec):
                kept = (sorted_sets or {}).get(name, ())
                names.extend(kept)
                counters.extend((*_place(field, kb_id), len(kept)))
            else:
                others.extend(_other(field, kb_id))
        source = (
            "single" if isinstance(spec.source, Singleton) else "row" if isinstance(spec.source, Table) else "listed"
        )
        self._keys = tuple(names)
        self._head: tuple[Argument, ...] = (entry, source, len(counters) // 3, *counters, len(others) // 3, *others)
        self._identify = spec.identify

    def call(self, state: bytes | None, increments: Sequence[Increment]) -> Call:
        """The call that makes `increments`, with the definitions in `state`."""
        shapes: dict[Shape, int] = {}
        runs: list[Argument] = []
        for shape, run in groupby(increments, _SHAPE):
            keys = [each.key for each in run]
            runs.append(shapes.setdefault(shape, len(shapes) + 1))
            runs.append(len(keys))
            runs.extend(keys)
        listed: list[Argument] = [len(shapes)]
        for shape in shapes:
            listed.append(int(shape.upsert))
            listed.append(len(shape.amounts))
            for number, amount, only in shape.amounts:
                listed.extend((number + 1, amount, int(only)))
        head = b"-" if state is None else b"=" + state
        return Call(COUNTING, self._keys, (head, *self._head, *listed, *runs))

    def written(self, increments: Sequence[Increment], codes: bytes) -> list[Written]:
        """What the codes of a reply say of as many increments; what is the same of many is one object."""
        identify = self._identify
        same = (_UNMATCHED, _MATCHED, _MODIFIED)
        return [
            Written(upserted=identify(each.key), inserted=True) if code == INSERTED else same[code - UNMATCHED]
            for each, code in zip(increments, codes, strict=False)
        ]


def _place(field: Field, kb_id: str) -> tuple[str, bytes]:
    """The kind and the name of a counter, as the script takes them."""
    match field:
        case HashCounter(parts):
            return "hash", kato(kb_id, *parts)
        case Counter(parts, True):
            return "keys", kato(kb_id, *parts, "")
        case Counter(parts):
            return "key", kato(kb_id, *parts)
        case _:
            raise TypeError(f"{type(field).__name__} is no counter")


def _other(field: Field, kb_id: str) -> tuple[bytes, str, str]:
    """What the names of another field begin with, and the types that it may have."""
    match field:
        case Json(parts):
            return kato(kb_id, *parts, ""), "string", "hash"
        case Floats(parts):
            return kato(kb_id, *parts, ""), "hash", ""
        case _:
            raise TypeError(f"{type(field).__name__} is not known here")
