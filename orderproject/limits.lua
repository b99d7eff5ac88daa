-- One quota is one number: the moment at which it is whole again, in microseconds of the server's clock (GCRA).
-- A request moves it by `interval`, and is refused where that would take it further than `window` ahead.
-- Answers {allowed, remaining, microseconds until it is whole, microseconds to wait}.
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local whole = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local wait = whole + interval - now - window
if wait > 0 then return {0, 0, whole - now, wait} end
whole = whole + interval
redis.call('SET', KEYS[1], string.format('%.0f', whole), 'PX', math.ceil((whole - now) / 1000))
return {1, math.floor((window - (whole - now)) / interval), whole - now, 0}
