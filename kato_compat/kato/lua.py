"""What the scripts of learning and of forgetting begin with, in Lua.

Redis runs a script alone but does not take back what it did before an error (Redis manual: Scripting with Lua). So
both keep a list of what undoes each of their writes; on any error (a key of the wrong type, a counter that is no
integer) they undo, latest first, and then return the error: a step is made whole or not at all. Data reach them as
KEYS and ARGV only.
"""

from typing import Final

#: Reads of many keys, single writes, and the list of what undoes each; `whole` runs the step. ARGV begins with the
#: keys' prefix and the layout of symbol statistics.
COMMON: Final = """
local prefix, hashes = ARGV[1], ARGV[2] == 'hashes'
local undo = {}

local function undone_by(...) undo[#undo + 1] = {...} end

local function fail(key, reason)
  error({err = 'ERR ' .. key .. ' ' .. reason .. '; repair or delete that key'})
end

-- The replies of a command with many arguments, some at a time: Lua cannot unpack any number.
local function gather(head, names)
  local found = {}
  for start = 1, #names, 1000 do
    local words = {unpack(head)}
    for i = start, math.min(start + 999, #names) do words[#words + 1] = names[i] end
    local replies = redis.call(unpack(words))
    for i = 1, #replies do found[#found + 1] = replies[i] end
  end
  return found
end

local function put(key, field, value, before)
  redis.call('HSET', key, field, value)
  if before then undone_by('HSET', key, field, before) else undone_by('HDEL', key, field) end
end

local function drop(key)
  local held = redis.call('DUMP', key)
  if held then
    redis.call('DEL', key)
    undone_by('RESTORE', key, 0, held, 'REPLACE')
  end
end

-- A double in the fewest digits that read back as the same one.
local function number(value)
  if value ~= value or value == math.huge or value == -math.huge then return nil end
  for digits = 15, 17 do
    local text = string.format('%.' .. digits .. 'g', value)
    if tonumber(text) == value then return text end
  end
end

local function affinity(symbol, emotive)
  local key = prefix .. 'affinity:' .. symbol
  local held = redis.call('HGET', key, emotive)
  local value = tonumber(held or 0)
  if not value then fail(key, 'does not hold a number') end
  return key, held, value
end

local function symbol_keys(symbol)
  return prefix .. 'symbol:freq:' .. symbol, prefix .. 'symbol:pmf:' .. symbol
end

local function newest(key)
  return redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2] or ''
end

-- The sorted sets of counter indexes, at positions in KEYS, and the scores that their members get (false: none). They
-- are written last, since nothing can fail any more then.
local ranks, unranked = {}, {}

local function rank(sets, member, value)
  for _, position in ipairs(sets) do
    local key, list = KEYS[position], value and ranks or unranked
    local words = list[key] or {}
    list[key] = words
    if value then words[#words + 1] = value end
    words[#words + 1] = member
  end
end

local function write_ranks()
  for command, list in pairs({ZADD = ranks, ZREM = unranked}) do
    for key, words in pairs(list) do
      for start = 1, #words, 1000 do
        redis.call(command, key, unpack(words, start, math.min(start + 999, #words)))
      end
    end
  end
end

-- Whether index definitions are those that the step was made for. The sets from `first` on must be sorted ones.
local function defined(meta, expected, first)
  for position = first, #KEYS do redis.call('ZCARD', KEYS[position]) end
  local state = redis.call('HGET', meta, 'state')
  return (state and '=' .. state or '-') == expected
end

local function whole(work)
  local done, result = pcall(work)
  if done then return result end
  for i = #undo, 1, -1 do redis.pcall(unpack(undo[i])) end
  -- Redis gives the error as a table, Valkey as its text; one that Lua found itself has no code before it.
  local text = type(result) == 'table' and result.err or tostring(result)
  return {err = string.match(text, '^%u+ ') and text or 'ERR ' .. text}
end
"""
