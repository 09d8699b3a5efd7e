// Package redisx is every use the shop makes of Redis, by name: a day's withdrawal allowances,
// rate limits, the WeChat token cache, and locks that save work. Nothing here is the truth: Redis
// may be emptied or gone at any time, and the database decides in the end.
//
// On one machine Open can start an embedded server instead, which is empty after a restart.
package redisx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redis/redis/v8"
	"github.com/go-redis/redis_rate/v9"

	"fenxiao/server/base/clock"
)

// ErrUnavailable wraps every error of the network or of the server itself: what was asked may or
// may not have happened. All operations of this package may be tried again.
var ErrUnavailable = errors.New("redis is unavailable")

const (
	dialTimeout = time.Second
	ioTimeout   = 500 * time.Millisecond
	// One retry gets over a connection that died while idle; more would only make the caller wait.
	retriesMax = 1
)

// Options says which Redis to use and how.
type Options struct {
	Addr string // host:port; not used when Embedded
	// Password of the server, "" for none. An embedded server asks for it too, which keeps other
	// users of the machine out.
	Password string
	DB       int
	// Prefix goes before every key, so that several shops can share a server. Without braces,
	// which mark what keys have in common when they are spread over several servers.
	Prefix string
	// Embedded starts a server inside this process, for a shop on one machine.
	Embedded bool
	// Now is the clock; nil is the machine's. Allowances are stamped with it, and an embedded
	// server lives by it. A separate server has a clock of its own for rate limits and expiry.
	Now func() time.Time
}

// Client offers what the shop does with Redis. It is safe for concurrent use.
type Client struct {
	rdb      *redis.Client
	prefix   string
	now      func() time.Time
	limiter  *redis_rate.Limiter
	locker   *redislock.Client
	embedded *embedded    // nil with a separate server
	rebuilds atomic.Int64 // counted to name them
}

// Open connects to a Redis server, or starts the embedded one, and asks it to answer once. A
// server that does not answer is ErrUnavailable.
func Open(ctx context.Context, o Options) (*Client, error) {
	if strings.ContainsAny(o.Prefix, "{}") {
		return nil, fmt.Errorf("redis prefix %q: no braces allowed", o.Prefix)
	}
	if !o.Embedded && o.Addr == "" {
		return nil, errors.New("redis address is empty")
	}
	if o.Now == nil {
		o.Now = clock.Wall
	}
	c := &Client{prefix: o.Prefix, now: o.Now}
	if o.Embedded {
		e, err := startEmbedded(o.Password, o.Now)
		if err != nil {
			return nil, err
		}
		c.embedded, o.Addr = e, e.addr()
	}
	c.rdb = redis.NewClient(&redis.Options{
		Addr: o.Addr, Password: o.Password, DB: o.DB,
		DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout,
		PoolTimeout: dialTimeout, MaxRetries: retriesMax,
	})
	c.limiter = redis_rate.NewLimiter(prefixed{c.rdb, o.Prefix})
	c.locker = redislock.New(c.rdb)
	if err := c.Ping(ctx); err != nil {
		_ = c.Close() // the error that matters is Ping's
		return nil, err
	}
	return c, nil
}

// IsEmbedded says that the server lives inside this process and is empty after a restart.
func (c *Client) IsEmbedded() bool { return c.embedded != nil }

// Ping asks the server to answer; it is what readiness looks at.
func (c *Client) Ping(ctx context.Context) error {
	if err := c.rdb.Ping(ctx).Err(); err != nil {
		return unavailable("ping redis", err)
	}
	return nil
}

// Close ends the connections and the embedded server. It may be called again.
func (c *Client) Close() error {
	err := c.rdb.Close()
	if errors.Is(err, redis.ErrClosed) {
		err = nil
	}
	if c.embedded != nil {
		c.embedded.stop()
	}
	if err != nil {
		return fmt.Errorf("close redis: %w", err)
	}
	return nil
}

// syncClock lets an embedded server see our clock before it is asked something about time.
func (c *Client) syncClock() {
	if c.embedded != nil {
		c.embedded.sync()
	}
}

func (c *Client) key(parts ...string) string { return c.prefix + strings.Join(parts, ":") }

func unavailable(verb string, err error) error {
	return fmt.Errorf("%s: %w: %w", verb, ErrUnavailable, err)
}

// prefixed puts the prefix before the keys of libraries that build keys of their own.
type prefixed struct {
	*redis.Client
	prefix string
}

func (p prefixed) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return p.Client.Eval(ctx, script, p.add(keys), args...)
}

func (p prefixed) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return p.Client.EvalSha(ctx, sha, p.add(keys), args...)
}

func (p prefixed) Del(ctx context.Context, keys ...string) *redis.IntCmd {
	return p.Client.Del(ctx, p.add(keys)...)
}

func (p prefixed) add(keys []string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = p.prefix + k
	}
	return out
}
