package redisx

import (
	"context"
	"fmt"
	"time"

	"github.com/go-redis/redis_rate/v9"
)

// Limit counts one call of key under the limit called name, perMinute on average and burst at
// once, and says whether it is allowed, else after how long the next one will be. The error is
// ErrUnavailable; whether to let the call pass then is the caller's choice (reads pass, log-in
// and withdrawal do not).
func (c *Client) Limit(ctx context.Context, name, key string, perMinute, burst int) (allowed bool, retryAfter time.Duration, err error) {
	if perMinute <= 0 || burst <= 0 {
		return false, 0, fmt.Errorf("limit %s: %d per minute, burst %d: both must be positive",
			name, perMinute, burst)
	}
	c.syncClock()
	limit := redis_rate.Limit{Rate: perMinute, Burst: burst, Period: time.Minute}
	result, err := c.limiter.Allow(ctx, name+":"+key, limit)
	if err != nil {
		return false, 0, unavailable("count for limit "+name, err)
	}
	if result.Allowed > 0 {
		return true, 0, nil
	}
	return false, result.RetryAfter, nil
}
