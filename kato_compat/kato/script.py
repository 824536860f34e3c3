"""The atomic step of learning, a Lua script (see `kato.lua`), and that of a single counter."""

from typing import Final

from kato_compat.ir.requests import Script
from kato_compat.kato.lua import COMMON

#: Learn a block. KEYS: pending rows, gone marks, index of symbols, order of the documents beside the patterns, order
#: of those beside the symbols, order of those beside the totals, catalogue of collections, meta of the patterns, meta
#: of the symbols, then sorted sets of counter indexes. ARGV: the keys' prefix, the layout, the persistence, what the
#: three orders were when the documents beside were looked up (their newest score), the states of the definitions of
#: the patterns' indexes and of the symbols' ("-" for none, else "=" and it), JSON of the block, the entries of the
#: catalogue, and a pending row for each learn. The block is ``{s: symbols, c: their scores, o: whether each has its
#: document beside, t: whether the totals have, n: number of catalogue entries, r: positions in KEYS of the sets of
#: patterns' frequencies, of symbols' frequencies and of their memberships, p: learns}``; a learn is ``[name, positions
#: of symbols, their counts, emotives or false, metadata or false, whether its document is beside]``, emotives ``[text,
#: [name, value] ..]``, metadata ``[[key, [text ..]] ..]``.
#: Reply: the number of pending rows, then 1 for each new pattern and 0 for each known one. Where nothing was done: -1
#: and the three newest scores, if documents have come beside since they were looked up; -2, if definitions are others.
LEARN: Final = Script(
    "learn",
    COMMON
    + """
local persistence = tonumber(ARGV[3])

local function decoded(text, key)
  local valid, value = pcall(cjson.decode, text)
  if not valid then fail(key, 'does not hold JSON') end
  return value
end

-- Counters by what they were: those that exist are checked here as INCRBY would, and written together at the end. The
-- functions that increase them give what they become.
local written, absent, fields = {}, {}, {}

local function plain(before)
  return #before < 16 and (before == '0' or string.match(before, '^-?[1-9]%d*$'))
end

local function increase(key, amount, before)
  if before and not plain(before) then
    local reply = redis.pcall('INCRBY', key, amount)
    if type(reply) == 'table' then error({err = reply.err .. ' (key ' .. key .. ')'}) end
    undone_by('DECRBY', key, amount)
    return string.format('%.0f', reply)
  end
  if not before then absent[#absent + 1] = key end
  local after = string.format('%.0f', (before and tonumber(before) or 0) + amount)
  written[#written + 1] = key
  written[#written + 1] = after
  return after
end

local function increase_field(key, field, amount, before)
  if before and not plain(before) then
    local reply = redis.pcall('HINCRBY', key, field, amount)
    if type(reply) == 'table' then error({err = reply.err .. ' (key ' .. key .. ')'}) end
    undone_by('HINCRBY', key, field, -amount)
    return string.format('%.0f', reply)
  end
  local after = string.format('%.0f', (before and tonumber(before) or 0) + amount)
  fields[key] = fields[key] or {}
  table.insert(fields[key], field)
  table.insert(fields[key], after)
  return after
end

local function each(words, size, act)
  for start = 1, #words, size do
    local part = {}
    for i = start, math.min(start + size - 1, #words) do part[#part + 1] = words[i] end
    act(part)
  end
end

-- MGET gives nothing for a key of another type, and MSET would overwrite it.
local function check_absent()
  each(absent, 1000, function(part)
    if redis.call('EXISTS', unpack(part)) > 0 then
      for _, key in ipairs(part) do
        local reply = redis.pcall('GET', key)
        if type(reply) == 'table' then error({err = reply.err .. ' (key ' .. key .. ')'}) end
      end
    end
  end)
end

-- The last writes, which cannot fail any more.
local function write()
  for key, words in pairs(fields) do
    each(words, 1000, function(part) redis.call('HSET', key, unpack(part)) end)
  end
  each(written, 1000, function(part) redis.call('MSET', unpack(part)) end)
  write_ranks()
end

local function string_of(text) return cjson.decode('[' .. text .. ']')[1] end

-- The texts of the items of a JSON list, or of the names and values in turn of a JSON object. The text is valid.
local function items(text)
  local found, depth, start, position = {}, 0, nil, 1
  local function push(stop)
    found[#found + 1] = string.match(string.sub(text, start, stop), '^%s*(.-)%s*$')
    start = stop + 2
  end
  while true do
    local at = string.find(text, '["%[%]{},:]', position)
    if not at then break end
    local mark = string.sub(text, at, at)
    position = at + 1
    if mark == '"' then
      local stop = string.find(text, '["\\\\]', position)
      while string.sub(text, stop, stop) ~= '"' do stop = string.find(text, '["\\\\]', stop + 2) end
      position = stop + 1
    elseif mark == '[' or mark == '{' then
      depth = depth + 1
      if depth == 1 then start = at + 1 end
    elseif mark == ']' or mark == '}' then
      if depth == 1 then push(at - 1) end
      depth = depth - 1
    elseif depth == 1 then
      push(at - 1)
    end
  end
  if #found == 1 and found[1] == '' then return {} end
  return found
end

local function begins(text, mark) return string.sub(text, 1, 1) == mark end

-- What a key of JSON holds: its items, whether they are those of an object, and what undoes its being replaced.
local function held(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return {}, nil, {'DEL', key} end
  if kind == 'hash' then
    local flat = redis.call('HGETALL', key)
    for i = 1, #flat, 2 do
      decoded(flat[i + 1], key)
      flat[i], flat[i + 1] = cjson.encode(flat[i]), string.match(flat[i + 1], '^%s*(.-)%s*$')
    end
    return flat, true, {'RESTORE', key, 0, redis.call('DUMP', key), 'REPLACE'}
  end
  local text = redis.call('GET', key)
  if type(decoded(text, key)) ~= 'table' then fail(key, 'holds neither a list nor an object') end
  local object = begins(string.match(text, '^%s*(.*)$'), '{')
  return items(text), object, {'SET', key, text}
end

local function replace(key, text, before)
  redis.call('DEL', key)
  undo[#undo + 1] = before
  redis.call('SET', key, text)
end

-- Older windows, {name: [number ..]} or {name: number}, as a list of entries aligned at the end.
local function entries(flat)
  local columns, longest, found = {}, 0, {}
  for i = 1, #flat, 2 do
    local column = begins(flat[i + 1], '[') and items(flat[i + 1]) or {flat[i + 1]}
    columns[#columns + 1] = column
    longest = math.max(longest, #column)
  end
  for position = 1, longest do
    local fields = {}
    for i, column in ipairs(columns) do
      local value = column[#column - longest + position]
      if value then fields[#fields + 1] = flat[2 * i - 1] .. ':' .. value end
    end
    found[position] = '{' .. table.concat(fields, ',') .. '}'
  end
  return found
end

local function append(name, texts)
  local key = prefix .. 'emotives:' .. name
  local window, object, before = held(key)
  if object then window = entries(window) end
  for _, text in ipairs(texts) do window[#window + 1] = text end
  replace(key, '[' .. table.concat(window, ',', math.max(1, #window - persistence + 1)) .. ']', before)
end

local function unite(name, unions)
  local key = prefix .. 'metadata:' .. name
  local flat, object, before = held(key)
  if object == false and #flat > 0 then fail(key, 'holds a list in place of an object') end
  if object == false then flat = {} end
  local fields, positions = {}, {}
  for i = 1, #flat, 2 do
    local texts = begins(flat[i + 1], '[') and items(flat[i + 1]) or {flat[i + 1]}
    local seen = {}
    for _, text in ipairs(texts) do if begins(text, '"') then seen[string_of(text)] = true end end
    fields[#fields + 1] = {flat[i], texts, seen}
    positions[string_of(flat[i])] = #fields
  end
  for _, given in ipairs(unions) do
    for _, pair in ipairs(given) do
      local at = positions[pair[1]]
      if not at then
        at = #fields + 1
        positions[pair[1]] = at
        fields[at] = {cjson.encode(pair[1]), {}, {}}
      end
      local texts, seen = fields[at][2], fields[at][3]
      for _, value in ipairs(pair[2]) do
        if not seen[value] then
          seen[value] = true
          texts[#texts + 1] = cjson.encode(value)
        end
      end
    end
  end
  local texts = {}
  for i, field in ipairs(fields) do texts[i] = field[1] .. ':[' .. table.concat(field[2], ',') .. ']' end
  replace(key, '{' .. table.concat(texts, ',') .. '}', before)
end

return whole(function()
  if not defined(KEYS[8], ARGV[7], 10) or not defined(KEYS[9], ARGV[8], 10) then return {-2} end
  local patterns, symbols, totals = newest(KEYS[4]), newest(KEYS[5]), newest(KEYS[6])
  if patterns ~= ARGV[4] or symbols ~= ARGV[5] or totals ~= ARGV[6] then return {-1, patterns, symbols, totals} end
  local block = cjson.decode(ARGV[9])
  local pattern_sets, frequency_sets, membership_sets = unpack(block.r)
  local names, learns = {}, {}
  for _, learn in ipairs(block.p) do
    local name = learn[1]
    if not learns[name] then
      names[#names + 1] = name
      learns[name] = 0
    end
    if not learn[6] then learns[name] = learns[name] + 1 end
  end

  -- Everything that is counted, as it was.
  local keys = {
    prefix .. 'global:total_pattern_frequencies', prefix .. 'global:total_symbol_frequencies',
    prefix .. 'global:total_unique_patterns', prefix .. 'global:total_symbols_in_patterns_frequencies',
  }
  for _, name in ipairs(names) do keys[#keys + 1] = prefix .. 'frequency:' .. name end
  if not hashes then
    for _, symbol in ipairs(block.s) do
      keys[#keys + 1], keys[#keys + 2] = symbol_keys(symbol)
    end
  end
  local before = gather({'MGET'}, keys)
  local frequencies, memberships
  if hashes then
    frequencies = gather({'HMGET', prefix .. 'symbols:freq'}, block.s)
    memberships = gather({'HMGET', prefix .. 'symbols:pmf'}, block.s)
  end

  -- The claims, and the rows of new patterns.
  local known, fresh, rows = {}, {}, {}
  for i, name in ipairs(names) do known[name] = before[4 + i] and true or false end
  local reply, tokens, members, unique = {0}, 0, 0, 0
  local gains, joined = {}, {}
  local texts, unions, sums, summed = {}, {}, {}, {}
  for i, learn in ipairs(block.p) do
    local name, positions, counts, emotives, metadata, beside = unpack(learn)
    local new = not known[name] and not beside
    reply[i + 1] = new and 1 or 0
    if new then
      known[name] = true
      fresh[#fresh + 1] = name
      rows[#rows + 1] = ARGV[9 + block.n + i]
      members = members + #positions
    end
    for j, at in ipairs(positions) do
      gains[at] = (gains[at] or 0) + counts[j]
      tokens = tokens + counts[j]
      if new then
        local joins = joined[at] or {}
        joins[#joins + 1] = name
        joined[at] = joins
      end
    end
    if emotives then
      for j = 2, #emotives do
        local emotive, value = emotives[j][1], emotives[j][2]
        for _, at in ipairs(positions) do
          if not block.o[at] then
            local id = at .. ' ' .. emotive
            local sum = summed[id]
            if not sum then
              local key, text, start = affinity(block.s[at], emotive)
              sum = {key, emotive, text, start}
              summed[id] = sum
              sums[#sums + 1] = sum
            end
            sum[4] = sum[4] + value
          end
        end
      end
    end
    if not beside then
      if emotives then
        texts[name] = texts[name] or {}
        table.insert(texts[name], emotives[1])
      end
      if metadata then
        unions[name] = unions[name] or {}
        table.insert(unions[name], metadata)
      end
    end
  end
  for i, name in ipairs(names) do
    if learns[name] > 0 then rank(pattern_sets, name, increase(keys[4 + i], learns[name], before[4 + i])) end
    if texts[name] then append(name, texts[name]) end
    if unions[name] then unite(name, unions[name]) end
  end
  if #fresh > 0 then
    gather({'HMGET', KEYS[1]}, {fresh[1]})
    for i, mark in ipairs(gather({'ZMSCORE', KEYS[2]}, fresh)) do
      fields[KEYS[1]] = fields[KEYS[1]] or {}
      table.insert(fields[KEYS[1]], fresh[i])
      table.insert(fields[KEYS[1]], rows[i])
      -- A mark of zero is of a row that is still to be deleted in ClickHouse: it stays.
      if mark and tonumber(mark) > 0 then
        redis.call('ZREM', KEYS[2], fresh[i])
        undone_by('ZADD', KEYS[2], mark, fresh[i])
      end
    end
    if not block.t then
      increase(keys[3], #fresh, before[3])
      increase(keys[4], members, before[4])
    end
  end
  if not block.t then
    increase(keys[1], #block.p, before[1])
    increase(keys[2], tokens, before[2])
  end

  -- The symbols.
  local scores, unlisted = gather({'ZMSCORE', KEYS[3]}, block.s), {}
  local first = 4 + #names
  for at, symbol in ipairs(block.s) do
    local joins = joined[at]
    if not block.o[at] then
      if hashes then
        rank(frequency_sets, symbol, increase_field(prefix .. 'symbols:freq', symbol, gains[at], frequencies[at]))
        if joins then
          rank(membership_sets, symbol, increase_field(prefix .. 'symbols:pmf', symbol, #joins, memberships[at]))
        end
      else
        local frequency, membership = first + 2 * at - 1, first + 2 * at
        rank(frequency_sets, symbol, increase(keys[frequency], gains[at], before[frequency]))
        if joins then rank(membership_sets, symbol, increase(keys[membership], #joins, before[membership])) end
      end
      if not scores[at] then
        unlisted[#unlisted + 1] = block.c[at]
        unlisted[#unlisted + 1] = symbol
      end
    end
  end
  check_absent()
  for at, joins in pairs(joined) do
    local key = prefix .. 'symbol_to_patterns:' .. block.s[at]
    redis.call('SADD', key, unpack(joins))
    -- None of these patterns was known: whatever the set said of them before was stale.
    undone_by('SREM', key, unpack(joins))
  end
  for _, sum in ipairs(sums) do
    local text = number(sum[4])
    if not text then fail(sum[1], 'would hold no finite number') end
    put(sum[1], sum[2], text, sum[3])
  end

  local listed = {}
  for i = 1, block.n do listed[i] = ARGV[9 + i] end
  for i, there in ipairs(gather({'SMISMEMBER', KEYS[7]}, listed)) do
    if there == 0 then
      redis.call('SADD', KEYS[7], listed[i])
      undone_by('SREM', KEYS[7], listed[i])
    end
  end
  each(unlisted, 1000, function(part) redis.call('ZADD', KEYS[3], unpack(part)) end)
  write()
  reply[1] = redis.call('HLEN', KEYS[1])
  return reply
end)
""",
)

#: Increase one counter of a symbol. KEYS: index of symbols, catalogue of collections, order of the documents beside,
#: meta of the symbols, then sorted sets of indexes on the counter. ARGV: the newest score of that order when it was
#: looked up, the counter's key, the field in it (empty: it is the counter itself), the symbol, its score, the entry of
#: the catalogue, the state of the index definitions ("-" for none, else "=" and it).
#: Reply: the new value. Where nothing was done: ``[newest score]`` if documents have come beside, ``[]`` if the
#: definitions are others.
COUNT: Final = Script(
    "count",
    """
local newest = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2] or ''
if newest ~= ARGV[1] then return {newest} end
local state = redis.call('HGET', KEYS[4], 'state')
if (state and '=' .. state or '-') ~= ARGV[7] then return {} end
-- These fail on a key of the wrong type; then nothing has been done yet.
redis.call('ZSCORE', KEYS[1], ARGV[4])
redis.call('SISMEMBER', KEYS[2], ARGV[6])
for position = 5, #KEYS do redis.call('ZCARD', KEYS[position]) end
local value
if ARGV[3] == '' then
  value = redis.call('INCR', ARGV[2])
else
  value = redis.call('HINCRBY', ARGV[2], string.sub(ARGV[3], 2), 1)
end
redis.call('ZADD', KEYS[1], ARGV[5], ARGV[4])
redis.call('SADD', KEYS[2], ARGV[6])
for position = 5, #KEYS do redis.call('ZADD', KEYS[position], string.format('%.0f', value), ARGV[4]) end
return value
""",
)
