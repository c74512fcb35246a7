-- What an application writes itself when it counts usage in Redis: the key set if it is absent, the event in a stream, counters
-- by customer, feature, model and hour. KEYS[1] is the hash of prices; ARGV are ten values an event: key, milliseconds,
-- customer, feature, provider, model, input, cached and output tokens, revenue in picodollars. Answers how many were new.
-- Amounts of one event are far below 2^53, where doubles stop being exact; sums are made by HINCRBY, in 64 bits.
local fresh = 0
for n = 1, #ARGV, 10 do
  local key, at, customer, feature = ARGV[n], ARGV[n + 1], ARGV[n + 2], ARGV[n + 3]
  local provider, model, input, cached, output = ARGV[n + 4], ARGV[n + 5], ARGV[n + 6], ARGV[n + 7], ARGV[n + 8]
  if redis.call('SET', 'key:' .. key, 1, 'NX', 'EX', 3024000) then
    fresh = fresh + 1
    local rates = redis.call('HGET', KEYS[1], provider .. '/' .. model)
    local i, c, o = string.match(rates, '(%d+) (%d+) (%d+)')
    local cost = string.format('%.0f', (input - cached) * i + cached * c + output * o)
    redis.call('XADD', 'events', '*', 'key', key, 'at', at, 'customer', customer, 'feature', feature, 'provider', provider,
      'model', model, 'input', input, 'cached', cached, 'output', output, 'cost', cost, 'revenue', ARGV[n + 9])
    local sums = 'sums:' .. customer .. ':' .. feature .. ':' .. provider .. ':' .. model .. ':' .. math.floor(at / 3600000)
    redis.call('HINCRBY', sums, 'events', 1)
    redis.call('HINCRBY', sums, 'cost', cost)
    redis.call('HINCRBY', sums, 'revenue', ARGV[n + 9])
  end
end
return fresh
