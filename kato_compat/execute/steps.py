"""The Lua scripts of the document side: each is one atomic step and one round trip.

Replies never hold nil in the middle of an array of ours: what may be missing is `false`, which Redis gives as nil.
"""

from typing import Final

from kato_compat.ir.requests import Script

#: KEYS: docs, order, meta, catalogue, indexes ..; ARGV: the state of the definitions ("-" for none, else "=" and it),
#: 1 to stop at the first failure, the catalogue's entry; then for each change: its kind (i, u, d), key, the version
#: it must find, the new value, the score, and three lists, each after its length in pairs of (index, bytes): keys that
#: must be free in a unique index, members to remove, members to add.
#: Reply: -1 if the state is another one (nothing is made), else the outcome of each change up to the last one tried:
#: 0 made, -1 the key exists, -2 another version, n > 0 the n-th key is taken.
APPLY: Final = Script(
    "apply",
    """
local state = redis.call('HGET', KEYS[3], 'state')
if (state and '=' .. state or '-') ~= ARGV[1] then return -1 end
local stops = ARGV[2] == '1'
local outcomes, made = {}, false
local at, last = 4, #ARGV
while at <= last do
  local kind, key, version, value, score = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local outcome = 0
  if kind == 'i' then
    if redis.call('HEXISTS', KEYS[1], key) == 1 then outcome = -1 end
  else
    local current = redis.call('HGET', KEYS[1], key)
    if not current or string.sub(current, 1, 16) ~= version then outcome = -2 end
  end
  local count = tonumber(ARGV[at + 5])
  at = at + 6
  for each = 1, count do
    if outcome == 0 then
      local taken = ARGV[at + 1]
      if redis.call('ZLEXCOUNT', KEYS[4 + ARGV[at]], '[' .. taken, '(' .. taken .. '\\255') > 0 then outcome = each end
    end
    at = at + 2
  end
  for command = 1, 2 do
    count = tonumber(ARGV[at])
    at = at + 1
    for _ = 1, count do
      if outcome == 0 then
        local index = KEYS[4 + ARGV[at]]
        if command == 1 then redis.call('ZREM', index, ARGV[at + 1])
        else redis.call('ZADD', index, 0, ARGV[at + 1]) end
      end
      at = at + 2
    end
  end
  if outcome == 0 then
    if kind == 'd' then
      redis.call('HDEL', KEYS[1], key)
      redis.call('ZREM', KEYS[2], key)
    else
      redis.call('HSET', KEYS[1], key, value)
      if kind == 'i' then
        redis.call('ZADD', KEYS[2], score, key)
        made = true
      end
    end
  end
  outcomes[#outcomes + 1] = outcome
  if outcome ~= 0 and stops then break end
end
if made then redis.call('SADD', KEYS[4], ARGV[3]) end
return outcomes
""",
)

#: `APPLY` for a collection without indexes, in few commands. KEYS: docs, order, meta, catalogue; ARGV: the state, 1 to
#: stop at the first failure, the catalogue's entry; then for each change its key, the version it must find (empty for
#: an insertion, which has a score after its value) and the new value (empty for a deletion).
#: Reply: -1 if the state is another one (nothing is made), else pairs of the place of a change that failed, from 0,
#: and why: -1 the key exists, -2 another version.
PUT: Final = Script(
    "put",
    """
local state = redis.call('HGET', KEYS[3], 'state')
if (state and '=' .. state or '-') ~= ARGV[1] then return -1 end
local stops = ARGV[2] == '1'
local failed, place, at, last = {}, 0, 4, #ARGV
local stopped, made = false, false
while at <= last and not stopped do
  local keys, first = {}, at
  while at <= last and #keys < 100 do
    keys[#keys + 1] = ARGV[at]
    at = at + (ARGV[at + 1] == '' and 4 or 3)
  end
  local found = redis.call('HMGET', KEYS[1], unpack(keys))
  local latest, scores = {}, {}
  at = first
  for each, key in ipairs(keys) do
    local version, value = ARGV[at + 1], ARGV[at + 2]
    local current, code = latest[key], 0
    if current == nil then current = found[each] end
    if version == '' then
      if current then code = -1 end
    elseif not current or string.sub(current, 1, 16) ~= version then
      code = -2
    end
    if code ~= 0 then
      failed[#failed + 1] = place
      failed[#failed + 1] = code
      if stops then
        stopped = true
        break
      end
    elseif value == '' then
      latest[key], scores[key] = false, nil
    else
      latest[key] = value
      if version == '' then scores[key], made = ARGV[at + 3], true end
    end
    place = place + 1
    at = at + (version == '' and 4 or 3)
  end
  local put, gone, order = {}, {}, {}
  for key, value in pairs(latest) do
    if value then
      put[#put + 1] = key
      put[#put + 1] = value
    else
      gone[#gone + 1] = key
    end
  end
  for key, score in pairs(scores) do
    order[#order + 1] = score
    order[#order + 1] = key
  end
  if #put > 0 then redis.call('HSET', KEYS[1], unpack(put)) end
  if #gone > 0 then
    redis.call('HDEL', KEYS[1], unpack(gone))
    redis.call('ZREM', KEYS[2], unpack(gone))
  end
  if #order > 0 then redis.call('ZADD', KEYS[2], unpack(order)) end
end
if made then redis.call('SADD', KEYS[4], ARGV[3]) end
return failed
""",
)

#: KEYS: docs, order, meta; ARGV: the score to go on from, how many.
#: Reply: state, epoch, members and scores, values.
SCAN: Final = Script(
    "scan",
    """
local found = redis.call('ZRANGE', KEYS[2], ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local keys = {}
for at = 1, #found, 2 do keys[#keys + 1] = found[at] end
local values = {}
if #keys > 0 then values = redis.call('HMGET', KEYS[1], unpack(keys)) end
local head = redis.call('HMGET', KEYS[3], 'state', 'epoch')
return {head[1], head[2], found, values}
""",
)

#: KEYS: docs, meta, index; ARGV: how many, 1 for backwards, 1 to read nothing where an array is in the index, then
#: the ranges (from, up to but not with).
#: Reply: state, epoch, whether an array is in the index, number of the range it stopped in, members, values.
LOOKUP: Final = Script(
    "lookup",
    """
local limit, reverse = tonumber(ARGV[1]), ARGV[2] == '1'
local head = redis.call('HMGET', KEYS[2], 'state', 'epoch')
local arrays = redis.call('ZSCORE', KEYS[3], '\\0') and 1 or 0
local members, keys, at = {}, {}, 4
if arrays == 1 and ARGV[3] == '1' then return {head[1], head[2], 1, 0, {}, {}} end
while at < #ARGV and #members < limit do
  local found
  if reverse then
    found = redis.call('ZREVRANGEBYLEX', KEYS[3], '(' .. ARGV[at + 1], '[' .. ARGV[at], 'LIMIT', 0, limit - #members)
  else
    found = redis.call('ZRANGEBYLEX', KEYS[3], '[' .. ARGV[at], '(' .. ARGV[at + 1], 'LIMIT', 0, limit - #members)
  end
  for _, member in ipairs(found) do
    local a, b, c, d = string.byte(member, -4, -1)
    members[#members + 1] = member
    keys[#keys + 1] = string.sub(member, -4 - (((a * 256 + b) * 256 + c) * 256 + d), -5)
  end
  at = at + 2
end
local values = {}
for start = 1, #keys, 4000 do
  local part = redis.call('HMGET', KEYS[1], unpack(keys, start, math.min(start + 3999, #keys)))
  for each = 1, math.min(4000, #keys - start + 1) do values[#values + 1] = part[each] end
end
return {head[1], head[2], arrays, (at - 4) / 2 - 1, members, values}
""",
)

#: Many lookups of one value each. KEYS: docs, meta, index; ARGV: how many documents of each, then the values' entries.
#: Reply: state, epoch, how many documents there are of each value, then their keys and their values, all in a row.
PROBE: Final = Script(
    "probe",
    """
local head = redis.call('HMGET', KEYS[2], 'state', 'epoch')
local counts, keys, values = {}, {}, {}
for at = 2, #ARGV do
  local entry = ARGV[at]
  local found = redis.call('ZRANGEBYLEX', KEYS[3], '[' .. entry, '(' .. entry .. '\255', 'LIMIT', 0, ARGV[1])
  counts[#counts + 1] = #found
  for _, member in ipairs(found) do
    local a, b, c, d = string.byte(member, -4, -1)
    keys[#keys + 1] = string.sub(member, -4 - (((a * 256 + b) * 256 + c) * 256 + d), -5)
  end
end
for start = 1, #keys, 1000 do
  local last = math.min(start + 999, #keys)
  local part = redis.call('HMGET', KEYS[1], unpack(keys, start, last))
  for each = 1, last - start + 1 do values[#values + 1] = part[each] end
end
return {head[1], head[2], counts, keys, values}
""",
)

#: KEYS: docs, meta, index; ARGV: the state, 1 for a unique index; then for each document: its key, the version it was
#: read as, and its entries after their number: the key and the member.
#: Reply: -1 if the state is another one, else for each document 0 (entered), -2 (another version), n (n-th taken).
BUILD: Final = Script(
    "build",
    """
if redis.call('HGET', KEYS[2], 'state') ~= ARGV[1] then return -1 end
local outcomes, at = {}, 3
while at <= #ARGV do
  local key, version, count = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local current = redis.call('HGET', KEYS[1], key)
  local outcome = 0
  if not current or string.sub(current, 1, 16) ~= version then outcome = -2 end
  at = at + 3
  for each = 1, count do
    local entry, member = ARGV[at], ARGV[at + 1]
    if outcome == 0 and ARGV[2] == '1' and member ~= '\\0' then
      local others = redis.call('ZLEXCOUNT', KEYS[3], '[' .. entry, '(' .. entry .. '\\255')
      if redis.call('ZSCORE', KEYS[3], member) then others = others - 1 end
      if others > 0 then outcome = each end
    end
    if outcome == 0 then redis.call('ZADD', KEYS[3], 0, member) end
    at = at + 2
  end
  outcomes[#outcomes + 1] = outcome
end
return outcomes
""",
)

#: KEYS: meta of the source, meta of the target, catalogue, then the target's keys to delete, then pairs of keys to
#: rename; ARGV: both states, the number of keys to delete, both catalogue entries, the new epoch, 1 if there must not
#: be a target. Reply: 1 if it was made, 0 if a state is another one, -1 if there is a target.
MOVE: Final = Script(
    "move",
    """
local function state(key)
  local found = redis.call('HGET', key, 'state')
  return found and '=' .. found or '-'
end
if state(KEYS[1]) ~= ARGV[1] or state(KEYS[2]) ~= ARGV[2] then return 0 end
if ARGV[7] == '1' and redis.call('SISMEMBER', KEYS[3], ARGV[5]) == 1 then return -1 end
local gone = tonumber(ARGV[3])
for at = 4, 3 + gone do redis.call('DEL', KEYS[at]) end
for at = 4 + gone, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[at]) == 1 then redis.call('RENAME', KEYS[at], KEYS[at + 1]) end
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[6])
redis.call('SREM', KEYS[3], ARGV[4])
redis.call('SADD', KEYS[3], ARGV[5])
return 1
""",
)
