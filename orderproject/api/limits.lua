-- Generic cell rate algorithm. A quota is one number: the time at which it is full again, in microseconds of the server's
-- clock. A request moves this time by `interval`, and is refused if it would be more than `window` in the future.
-- Returns {allowed, remaining, microseconds until the quota is full, microseconds to wait}.
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local wait = full + interval - now - window
if wait > 0 then return {0, 0, full - now, wait} end
full = full + interval
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {1, math.floor((window - (full - now)) / interval), full - now, 0}
