package redisx

import (
	"context"
	"fmt"

	"github.com/go-redis/redis/v8"

	"fenxiao/server/base"
)

// A day is one hash:
//
//	ready        "1" when the counters are complete; without it nothing is taken
//	epoch        names this hash: it changes when Redis was emptied
//	w:<id>       what a withdrawal has taken: milliseconds|fen|distributor
//	g:<id>       the withdrawal gave its allowance back
//	c:<distr>    sum of w: by distributor, count
//	a:<distr>    sum of w: by distributor, fen
//	t            sum of w:, fen
//
// The sums change in the same script as the w: field they belong to, so they agree with the w:
// fields always, ready or not. Sums are changed by HINCRBY, which is exact; Lua's numbers (doubles)
// only compare, and amounts stay far below 2^53.
const luaAdd = `
local function add(id, ms, fen, who)
  redis.call('HSET', KEYS[1], 'w:' .. id, ms .. '|' .. fen .. '|' .. who)
  redis.call('HINCRBY', KEYS[1], 'c:' .. who, 1)
  redis.call('HINCRBY', KEYS[1], 'a:' .. who, fen)
  redis.call('HINCRBY', KEYS[1], 't', fen)
end
local function has(field) return redis.call('HEXISTS', KEYS[1], field) == 1 end
local function number(field) return tonumber(redis.call('HGET', KEYS[1], field) or '0') end
`

// ARGV: ttl, id, ms, fen, distributor, count max, amount max, platform max.
var takeScript = redis.NewScript(luaAdd + `
local id, ms, fen, who = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not has('ready') then return 'not_ready' end
if has('g:' .. id) then return 'given_back' end
local taken = redis.call('HGET', KEYS[1], 'w:' .. id)
if taken then
  local had, by = string.match(taken, '^%d+|(%d+)|(.*)$')
  if had == fen and by == who then return 'ok' end
  return 'other'
end
if number('c:' .. who) + 1 > tonumber(ARGV[6]) then return 'count' end
if number('a:' .. who) + tonumber(fen) > tonumber(ARGV[7]) then return 'amount' end
if number('t') + tonumber(fen) > tonumber(ARGV[8]) then return 'platform' end
add(id, ms, fen, who)
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 'ok'
`)

// ARGV: ttl, epoch ("" for any), then id, ms, fen, distributor of each entry.
var addScript = redis.NewScript(luaAdd + `
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then return 'not_ready' end
for i = 3, #ARGV, 4 do
  if not has('w:' .. ARGV[i]) and not has('g:' .. ARGV[i]) then
    add(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 'ok'
`)

// ARGV: ttl, id.
var giveBackScript = redis.NewScript(luaAdd + `
local taken = redis.call('HGET', KEYS[1], 'w:' .. ARGV[2])
if taken then
  local fen, who = string.match(taken, '^%d+|(%d+)|(.*)$')
  redis.call('HDEL', KEYS[1], 'w:' .. ARGV[2])
  redis.call('HINCRBY', KEYS[1], 'c:' .. who, -1)
  redis.call('HINCRBY', KEYS[1], 'a:' .. who, '-' .. fen)
  redis.call('HINCRBY', KEYS[1], 't', '-' .. fen)
end
redis.call('HSET', KEYS[1], 'g:' .. ARGV[2], '1')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 'ok'
`)

// Begins a rebuild, or joins one: ARGV: token, ttl. Answers the hash's epoch, or an empty string
// when it is complete. The epoch has the server's microseconds in it, because the token alone
// could be the same on two replicas.
var beginScript = redis.NewScript(`
redis.replicate_commands()
if redis.call('HEXISTS', KEYS[1], 'ready') == 1 then return '' end
local now = redis.call('TIME')
redis.call('HSETNX', KEYS[1], 'epoch', ARGV[1] .. '-' .. now[1] .. '.' .. now[2])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return redis.call('HGET', KEYS[1], 'epoch')
`)

// ARGV: ttl, epoch.
var readyScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then return 'not_ready' end
redis.call('HSET', KEYS[1], 'ready', '1')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 'ok'
`)

// runAllowance runs a script of a day whose first argument is the time to live, and turns its
// answer into an error.
func (c *Client) runAllowance(ctx context.Context, s *redis.Script, verb string, day base.BusinessDay, args ...any) error {
	args = append([]any{ttlSeconds()}, args...)
	answer, err := s.Run(ctx, c.rdb, []string{c.dayKey(day)}, args...).Text()
	if err != nil {
		return unavailable(verb, err)
	}
	refusals := map[string]error{
		"not_ready": ErrNotReady, "given_back": ErrGivenBack, "other": ErrOtherAllowance,
		"count": ErrCountExceeded, "amount": ErrAmountExceeded, "platform": ErrPlatformExceeded,
	}
	if answer == "ok" {
		return nil
	}
	if refusal, known := refusals[answer]; known {
		return fmt.Errorf("%s: %w", verb, refusal)
	}
	return fmt.Errorf("%s: unexpected answer %q", verb, answer)
}
