-- One breaker is one hash; each call of this script is one operation on it. Times are milliseconds of the server's
-- clock. Returns {state, era, granted, wait, moved}. The era is the time of the last change of state. A report on calls
-- that were permitted in an earlier era is outdated and changes nothing.
local key, op = KEYS[1], ARGV[1]
local declared = {}
for number in string.gmatch(ARGV[2], '%S+') do declared[#declared + 1] = tonumber(number) end
local window, minimum, ratio, in_a_row, cool_down, probes, probe_timeout, ttl = unpack(declared)
local BUCKETS = 10

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('HMGET', key, 'state', 'era', 'probe_at', 'forced', 'forced_until', 'probing')
local state, era = kept[1] or 'closed', tonumber(kept[2] or 0)
local probe_at, forced, forced_until = tonumber(kept[3] or 0), kept[4] or '', tonumber(kept[5] or 0)
local granted, moved = 0, 0

local function keep()
  local life = ttl
  if forced ~= '' then life = math.max(life, forced_until - now + ttl) end
  redis.call('PEXPIRE', key, life)
end

local function move(to)
  state, era, moved = to, math.max(now, era + 1), 1
  redis.call('HDEL', key, 'row', 'probing', 'probe_at')
  kept[6] = false
  redis.call('HSET', key, 'state', state, 'era', era)
  if to == 'open' then
    probe_at = now + cool_down
    redis.call('HSET', key, 'probe_at', probe_at)
  elseif to == 'closed' then
    for slot = 0, BUCKETS - 1 do redis.call('HDEL', key, 't' .. slot, 's' .. slot, 'f' .. slot) end
  end
  keep()
end

local function release()
  local was = forced
  forced = ''
  redis.call('HDEL', key, 'forced', 'forced_until', 'forced_at', 'by', 'why')
  if was == 'open' then move('half_open') end
end

local function add(successes, failures)
  local index = math.floor(now * BUCKETS / window)
  local slot = index % BUCKETS
  if tonumber(redis.call('HGET', key, 't' .. slot) or -1) ~= index then
    redis.call('HSET', key, 't' .. slot, index, 's' .. slot, successes, 'f' .. slot, failures)
  else
    if successes > 0 then redis.call('HINCRBY', key, 's' .. slot, successes) end
    if failures > 0 then redis.call('HINCRBY', key, 'f' .. slot, failures) end
  end
end

local function counted()
  local oldest = math.floor(now * BUCKETS / window) - BUCKETS + 1
  local successes, failures = 0, 0
  for slot = 0, BUCKETS - 1 do
    local bucket = redis.call('HMGET', key, 't' .. slot, 's' .. slot, 'f' .. slot)
    if tonumber(bucket[1] or -1) >= oldest then
      successes, failures = successes + tonumber(bucket[2]), failures + tonumber(bucket[3])
    end
  end
  return successes, failures
end

-- The deadlines of the probes in progress. A probe that never reports frees its slot when its deadline has passed.
local function under_way()
  local deadlines = {}
  for deadline in string.gmatch(kept[6] or '', '%d+') do
    if tonumber(deadline) > now then deadlines[#deadlines + 1] = deadline end
  end
  return deadlines
end

local function permit(wanted)
  if state == 'closed' then
    granted = wanted
  elseif state == 'half_open' then
    local deadlines = under_way()
    while granted < wanted and #deadlines < probes do
      granted = granted + 1
      deadlines[#deadlines + 1] = string.format('%d', now + probe_timeout)
    end
    if granted > 0 then
      redis.call('HSET', key, 'probing', table.concat(deadlines, ' '))
      keep()
    end
  end
end

local function report(of_era, successes, failures, quick, unused)
  if of_era ~= era then return end
  if state == 'half_open' then
    local calls = successes + failures
    if calls > 0 then
      move(failures / calls >= ratio and 'open' or 'closed')
    elseif unused > 0 then
      local deadlines = under_way()
      for _ = 1, math.min(unused, #deadlines) do table.remove(deadlines) end
      redis.call('HSET', key, 'probing', table.concat(deadlines, ' '))
    end
  elseif state == 'closed' and successes + failures > 0 then
    add(successes, failures)
    local row = 0
    if successes > 0 then
      redis.call('HDEL', key, 'row')
    elseif quick > 0 then
      row = redis.call('HINCRBY', key, 'row', quick)
    end
    keep()
    if failures > 0 and forced == '' then
      local good, bad = counted()
      local often = good + bad >= minimum and bad / (good + bad) >= ratio
      if often or (in_a_row > 0 and row >= in_a_row) then move('open') end
    end
  end
end

if forced ~= '' and forced_until <= now then release() end
if state == 'open' and forced == '' and probe_at <= now and op ~= 'show' then move('half_open') end

if op == 'permit' then
  permit(tonumber(ARGV[3]))
elseif op == 'report' then
  report(tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))
elseif op == 'force' then
  forced, forced_until = ARGV[3], now + tonumber(ARGV[4])
  redis.call('HSET', key, 'forced', forced, 'forced_until', forced_until, 'forced_at', now,
             'by', ARGV[5], 'why', ARGV[6])
  move(forced)
elseif op == 'release' and forced ~= '' then
  release()
elseif op == 'show' then
  local successes, failures = counted()
  local note = redis.call('HMGET', key, 'by', 'why', 'forced_at')
  return {state, era, successes, failures, #under_way(), forced, note[1] or '', note[2] or '', tonumber(note[3] or 0),
          forced_until}
end

local wait = 0
if state == 'half_open' then
  wait = math.floor(cool_down / 2)
elseif state == 'open' then
  wait = forced == '' and math.max(0, probe_at - now) or cool_down
end
return {state, era, granted, wait, moved}
