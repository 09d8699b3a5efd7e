package httpx

import (
	"context"
	"sync"
	"time"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
)

// Limiter counts calls, over all replicas. redisx has one.
type Limiter interface {
	Limit(ctx context.Context, name, key string, perMinute, burst int) (allowed bool, retryAfter time.Duration, err error)
}

// Rate is how often something may be done.
type Rate struct {
	PerMinute int // 0: no limit
	Burst     int // at once
	// Strict counts in this process while the limiter cannot be reached, instead of letting all through: for log-in.
	Strict bool
}

// limit counts a call. A limiter that cannot be reached lets calls pass, except those of a strict limit.
func (a *API) limit(ctx context.Context, name, caller string, r Rate) error {
	if r.PerMinute <= 0 || a.audience.Limiter == nil && !r.Strict {
		return nil
	}
	ok, after, err := true, time.Duration(0), error(nil)
	if a.audience.Limiter != nil {
		ok, after, err = a.audience.Limiter.Limit(ctx, "http:"+name, caller, r.PerMinute, r.Burst)
	}
	if (err != nil || a.audience.Limiter == nil) && r.Strict {
		ok, after = a.fallback.take(name+" "+caller, r, clock.Wall())
	} else if err != nil {
		ok = true
	}
	if ok {
		return nil
	}
	a.engine.opts.Metrics.refused(name)
	return errs.E(errs.Limited, "request.too_many", "操作过于频繁，请稍后再试",
		errs.EN("Too many requests. Please wait a moment."), errs.After(max(after, time.Second)))
}

const bucketsMax = 10_000

// buckets count in the process, when there is nothing better. Their number is bounded: when it is reached, the full
// ones are forgotten, which are those of callers that come seldom.
type buckets struct {
	mu   sync.Mutex
	list map[string]bucket
}

// bucket holds when it will be full again.
type bucket struct{ full time.Time }

func newBuckets() *buckets { return &buckets{list: map[string]bucket{}} }

// take removes one token, if there is one. A bucket is kept as the time at which it is full: each token taken moves
// that by the time a token takes to come back.
func (b *buckets) take(key string, r Rate, now time.Time) (ok bool, after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	every := time.Minute / time.Duration(r.PerMinute)
	full := b.list[key].full
	if full.Before(now) {
		full = now
	}
	next := full.Add(every)
	if over := next.Sub(now) - every*time.Duration(max(r.Burst, 1)); over > 0 {
		return false, over
	}
	if _, known := b.list[key]; !known && len(b.list) >= bucketsMax {
		for k, v := range b.list {
			if !v.full.After(now) {
				delete(b.list, k)
			}
		}
		if len(b.list) >= bucketsMax {
			return false, every // many callers at once: none of them may pass unseen
		}
	}
	b.list[key] = bucket{next}
	return true, 0
}
