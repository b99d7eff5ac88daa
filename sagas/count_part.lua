-- KEYS: the parts that have ended, how many there are. ARGV: one that has just ended, seconds to remember it.
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
local size = tonumber(redis.call('GET', KEYS[2]))
if size and redis.call('SCARD', KEYS[1]) >= size then
    redis.call('DEL', KEYS[1], KEYS[2])
    return 1
end
return 0
