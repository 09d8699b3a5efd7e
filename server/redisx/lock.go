package redisx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bsm/redislock"
)

var (
	// ErrLocked says that somebody else holds the lock.
	ErrLocked = errors.New("locked by somebody else")
	// ErrLockLost says that the lock expired or was lost with its server.
	ErrLockLost = errors.New("lock is no longer held")
)

// Lock is held until it is released or its time is over.
type Lock struct{ lock *redislock.Lock }

// Lock takes the lock called name for ttl, or returns ErrLocked. It saves work that two would do
// twice; it protects no money and no state, because it can be lost while it is held.
func (c *Client) Lock(ctx context.Context, name string, ttl time.Duration) (*Lock, error) {
	c.syncClock()
	lock, err := c.locker.Obtain(ctx, c.key("lock", name), ttl, nil)
	if errors.Is(err, redislock.ErrNotObtained) {
		return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
	}
	if err != nil {
		return nil, unavailable("lock "+name, err)
	}
	return &Lock{lock}, nil
}

// Refresh holds the lock for ttl from now on, or returns ErrLockLost.
func (l *Lock) Refresh(ctx context.Context, ttl time.Duration) error {
	return lockError("refresh", l.lock.Refresh(ctx, ttl, nil))
}

// Release gives the lock up; ErrLockLost says that it had gone before.
func (l *Lock) Release(ctx context.Context) error {
	return lockError("release", l.lock.Release(ctx))
}

func lockError(verb string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redislock.ErrNotObtained), errors.Is(err, redislock.ErrLockNotHeld):
		return fmt.Errorf("%s lock: %w", verb, ErrLockLost)
	default:
		return unavailable(verb+" lock", err)
	}
}
