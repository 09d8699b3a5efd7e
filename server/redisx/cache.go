package redisx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-redis/redis/v8"
)

// cacheTTLMin is what a time to live of zero or less becomes: the WeChat SDK computes it as
// "expires_in less a margin", and a value without expiry would be wrong for ever.
const cacheTTLMin = time.Second

// Cache keeps short strings for a while: WeChat's access tokens and tickets. It has the methods
// that the WeChat SDK wants from a cache, with and without a context. What it says is never
// needed for more than speed: a miss, also when Redis is gone, makes the caller fetch again.
type Cache struct{ c *Client }

// TokenCache returns the cache of WeChat's tokens, shared by all replicas.
func (c *Client) TokenCache() *Cache { return &Cache{c} }

// GetContext returns the string kept under key, or nil: none, expired, or Redis gone.
func (k *Cache) GetContext(ctx context.Context, key string) any {
	k.c.syncClock()
	value, err := k.c.rdb.Get(ctx, k.key(key)).Result()
	if err != nil {
		return nil
	}
	return value
}

// SetContext keeps a string (or bytes, read back as a string) for ttl; zero or less counts as a
// second. Other types are refused.
func (k *Cache) SetContext(ctx context.Context, key string, value any, ttl time.Duration) error {
	switch value.(type) {
	case string, []byte:
	default:
		return fmt.Errorf("cache %s: a %T is no string", key, value)
	}
	k.c.syncClock()
	if err := k.c.rdb.Set(ctx, k.key(key), value, max(ttl, cacheTTLMin)).Err(); err != nil {
		return unavailable("cache "+key, err)
	}
	return nil
}

// IsExistContext says whether key has a value.
func (k *Cache) IsExistContext(ctx context.Context, key string) bool {
	k.c.syncClock()
	n, err := k.c.rdb.Exists(ctx, k.key(key)).Result()
	return err == nil && n > 0
}

// DeleteContext forgets the value of key, if there is one.
func (k *Cache) DeleteContext(ctx context.Context, key string) error {
	if err := k.c.rdb.Del(ctx, k.key(key)).Err(); err != nil && !errors.Is(err, redis.Nil) {
		return unavailable("forget "+key, err)
	}
	return nil
}

// Get is GetContext for a caller without a context; the client's time-outs bound it.
func (k *Cache) Get(key string) any { return k.GetContext(context.Background(), key) }

// Set is SetContext for a caller without a context.
func (k *Cache) Set(key string, value any, ttl time.Duration) error {
	return k.SetContext(context.Background(), key, value, ttl)
}

// IsExist is IsExistContext for a caller without a context.
func (k *Cache) IsExist(key string) bool { return k.IsExistContext(context.Background(), key) }

// Delete is DeleteContext for a caller without a context.
func (k *Cache) Delete(key string) error { return k.DeleteContext(context.Background(), key) }

func (k *Cache) key(key string) string { return k.c.key("token", key) }
