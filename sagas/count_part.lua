-- KEYS: the parts that have ended. ARGV: one that has just ended, how many there are, seconds to remember it.
redis.call('SADD', KEYS[1], ARGV[1])
if redis.call('SCARD', KEYS[1]) < tonumber(ARGV[2]) then
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    return 0
end
redis.call('DEL', KEYS[1])
return 1
