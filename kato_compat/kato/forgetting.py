"""The atomic step of forgetting a pattern, a Lua script (see `kato.lua`)."""

from typing import Final

from kato_compat.ir.requests import Script
from kato_compat.kato.lua import COMMON

#: Forget a pattern. KEYS: pending rows, rows on the move, gone marks, index of symbols, meta of the patterns, meta of
#: the symbols, order of the documents beside the totals, then sorted sets of counter indexes. ARGV: the keys' prefix,
#: the layout, the pattern's name, and JSON ``{s: symbols, n: their counts, o: whether each has its document beside,
#: f: the frequency as read or false, w: the window as read or false, e: [[emotive, value] ..] to take from the
#: affinities, r: the beginnings of the pattern's keys, d: whether the pattern's document is beside, b: whether the
#: totals are, k: positions in KEYS as `LEARN` takes them}``, then the pending row as read (empty: none), the states of
#: both definitions as for `LEARN`, and the newest score of that order when the totals were looked up. Counters do not
#: fall below zero; a symbol of which nothing is left is removed.
#: Reply: 1. Where nothing was done: 0 if the pattern is no longer what was read, -2 if definitions are others, the
#: newest score (a string) if documents have come beside the totals.
FORGET: Final = Script(
    "forget",
    COMMON
    + """
local name = ARGV[3]

-- What is left of a counter, as a number and as text: 0 and false of one that is not there.
local function decrease(key, amount)
  local held = redis.call('GET', key)
  if not held then return 0, false end
  local reply = redis.pcall('DECRBY', key, amount)
  if type(reply) == 'table' then error({err = reply.err .. ' (key ' .. key .. ')'}) end
  undone_by('SET', key, held)
  if reply < 0 then
    redis.call('SET', key, 0)
    return 0, '0'
  end
  return reply, string.format('%.0f', reply)
end

local function decrease_field(key, field, amount)
  local held = redis.call('HGET', key, field)
  if not held then return 0, false end
  local value = redis.call('HINCRBY', key, field, -amount)
  undone_by('HSET', key, field, held)
  if value < 0 then
    redis.call('HSET', key, field, 0)
    return 0, '0'
  end
  return value, string.format('%.0f', value)
end

local function remove_field(key, field)
  local held = redis.call('HGET', key, field)
  if held then
    redis.call('HDEL', key, field)
    undone_by('HSET', key, field, held)
  end
end

return whole(function()
  if not defined(KEYS[5], ARGV[6], 8) or not defined(KEYS[6], ARGV[7], 8) then return -2 end
  local totals = newest(KEYS[7])
  if totals ~= ARGV[8] then return totals end
  local given = cjson.decode(ARGV[4])
  local pattern_sets, frequency_sets, membership_sets = unpack(given.k)
  if not given.d then
    if redis.call('GET', prefix .. 'frequency:' .. name) ~= given.f then return 0 end
    if (redis.call('HGET', KEYS[1], name) or '') ~= ARGV[5] then return 0 end
    local key = prefix .. 'emotives:' .. name
    if redis.call('TYPE', key).ok ~= 'hash' and redis.call('GET', key) ~= given.w then return 0 end
  end
  local times = tonumber(given.t)
  local tokens = 0
  for i, symbol in ipairs(given.s) do
    local count = given.n[i]
    tokens = tokens + count
    local key = prefix .. 'symbol_to_patterns:' .. symbol
    if redis.call('SREM', key, name) > 0 then undone_by('SADD', key, name) end
    if not given.o[i] then
      local appeared, appearances, joined, memberships
      if hashes then
        appeared, appearances = decrease_field(prefix .. 'symbols:freq', symbol, times * count)
        joined, memberships = decrease_field(prefix .. 'symbols:pmf', symbol, 1)
      else
        local frequency, membership = symbol_keys(symbol)
        appeared, appearances = decrease(frequency, times * count)
        joined, memberships = decrease(membership, 1)
      end
      local left = appeared + joined
      rank(frequency_sets, symbol, left ~= 0 and appearances)
      rank(membership_sets, symbol, left ~= 0 and memberships)
      if left == 0 then
        if hashes then
          remove_field(prefix .. 'symbols:freq', symbol)
          remove_field(prefix .. 'symbols:pmf', symbol)
        else
          local frequency, membership = symbol_keys(symbol)
          drop(frequency)
          drop(membership)
        end
        drop(prefix .. 'affinity:' .. symbol)
        local score = redis.call('ZSCORE', KEYS[4], symbol)
        if score then
          redis.call('ZREM', KEYS[4], symbol)
          undone_by('ZADD', KEYS[4], score, symbol)
        end
      else
        for _, pair in ipairs(given.e) do
          local where, text, value = affinity(symbol, pair[1])
          if text then
            local rest = number(value - pair[2])
            if not rest then fail(where, 'would hold no finite number') end
            if tonumber(rest) == 0 then
              redis.call('HDEL', where, pair[1])
              undone_by('HSET', where, pair[1], text)
            else
              put(where, pair[1], rest, text)
            end
          end
        end
      end
    end
  end
  if not given.b then
    decrease(prefix .. 'global:total_pattern_frequencies', times)
    decrease(prefix .. 'global:total_symbol_frequencies', times * tokens)
    decrease(prefix .. 'global:total_unique_patterns', 1)
    decrease(prefix .. 'global:total_symbols_in_patterns_frequencies', #given.s)
  end
  if not given.d then
    for _, start in ipairs(given.r) do drop(prefix .. start .. ':' .. name) end
    remove_field(KEYS[1], name)
    remove_field(KEYS[2], name)
    local mark = redis.call('ZSCORE', KEYS[3], name)
    redis.call('ZADD', KEYS[3], 0, name)
    if mark then undone_by('ZADD', KEYS[3], mark, name) else undone_by('ZREM', KEYS[3], name) end
    rank(pattern_sets, name, false)
  end
  write_ranks()
  return 1
end)
""",
)
