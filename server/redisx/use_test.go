package redisx_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/redisx"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		const burst = 5
		for i := range burst {
			allowed, wait, err := b.client.Limit(t.Context(), "login", "someone", 1, burst)
			require.NoError(t, err)
			require.True(t, allowed, "call %d", i)
			require.Zero(t, wait)
		}
		allowed, wait, err := b.client.Limit(t.Context(), "login", "someone", 1, burst)
		require.NoError(t, err)
		require.False(t, allowed)
		require.Greater(t, wait, 50*time.Second)
		require.LessOrEqual(t, wait, time.Minute)

		allowed, _, err = b.client.Limit(t.Context(), "login", "somebody else", 1, burst)
		require.NoError(t, err)
		require.True(t, allowed, "limits are per key")
		allowed, _, err = b.client.Limit(t.Context(), "scan", "someone", 1, burst)
		require.NoError(t, err)
		require.True(t, allowed, "and per name")

		_, _, err = b.client.Limit(t.Context(), "login", "someone", 0, burst)
		require.ErrorContains(t, err, "must be positive")
	})
}

func TestLimit_countsAllThatComeAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		allowed := make([]bool, 50)
		errs := together(len(allowed), func(i int) (err error) {
			allowed[i], _, err = b.client.Limit(t.Context(), "login", "someone", 1, 7)
			return err
		})
		n := 0
		for i := range allowed {
			require.NoError(t, errs[i])
			if allowed[i] {
				n++
			}
		}
		require.Equal(t, 7, n)
	})
}

// The embedded server lives by our clock: rates recover and values expire when it moves.
func TestEmbedded_livesByTheGivenClock(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		if !b.client.IsEmbedded() {
			return // a separate server has its own clock
		}
		limit := func() bool {
			allowed, _, err := b.client.Limit(t.Context(), "n", "k", 1, 1)
			require.NoError(t, err)
			return allowed
		}
		require.True(t, limit())
		require.False(t, limit())
		b.clock.Advance(61 * time.Second)
		require.True(t, limit())

		cache := b.client.TokenCache()
		require.NoError(t, cache.Set("k", "v", time.Hour))
		b.clock.Advance(59 * time.Minute)
		require.Equal(t, "v", cache.Get("k"))
		b.clock.Advance(-30 * time.Minute)
		require.Equal(t, "v", cache.Get("k"), "a clock that steps back breaks nothing")
		b.clock.Advance(62 * time.Minute)
		require.Nil(t, cache.Get("k"))
		require.False(t, limit() && limit(), "and limits still work")
	})
}

func TestTokenCache(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		cache := b.client.TokenCache()
		require.Nil(t, cache.Get("gone"))
		require.False(t, cache.IsExist("gone"))
		require.NoError(t, cache.Delete("gone"))

		require.NoError(t, cache.Set("access", "token-1", time.Hour))
		require.Equal(t, "token-1", cache.Get("access"))
		require.True(t, cache.IsExist("access"))
		require.NoError(t, cache.SetContext(t.Context(), "access", []byte("token-2"), time.Hour))
		require.Equal(t, "token-2", cache.GetContext(t.Context(), "access"))
		require.True(t, cache.IsExistContext(t.Context(), "access"))
		require.NoError(t, cache.DeleteContext(t.Context(), "access"))
		require.Nil(t, cache.Get("access"))

		require.ErrorContains(t, cache.Set("access", 7, time.Hour), "no string")
	})
}

func TestTokenCache_noLifeIsASecond(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		cache := b.client.TokenCache()
		for _, ttl := range []time.Duration{0, -time.Hour} {
			require.NoError(t, cache.Set("k", "v", ttl))
			require.Equal(t, "v", cache.Get("k"))
			b.clock.Advance(2 * time.Second) // moves the embedded server only
			require.Eventually(t, func() bool { return cache.Get("k") == nil },
				3*time.Second, 50*time.Millisecond)
		}
	})
}

func TestLock(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		locks := make([]*redisx.Lock, 20)
		errs := together(len(locks), func(i int) (err error) {
			locks[i], err = b.client.Lock(t.Context(), "roll-up", time.Minute)
			return err
		})
		require.Equal(t, len(locks)-1, countIs(errs, redisx.ErrLocked))
		for _, lock := range locks {
			if lock == nil {
				continue
			}
			require.NoError(t, lock.Refresh(t.Context(), time.Minute))
			require.NoError(t, lock.Release(t.Context()))
			require.ErrorIs(t, lock.Release(t.Context()), redisx.ErrLockLost)
			require.ErrorIs(t, lock.Refresh(t.Context(), time.Minute), redisx.ErrLockLost)
		}
		again, err := b.client.Lock(t.Context(), "roll-up", time.Minute)
		require.NoError(t, err)
		require.NoError(t, again.Release(t.Context()))
	})
}

func TestStoppedRedis(t *testing.T) {
	t.Parallel()
	b, ok := onOwn(t)
	if !ok {
		return
	}
	cache := b.client.TokenCache()
	lock, err := b.client.Lock(t.Context(), "l", time.Minute)
	require.NoError(t, err)
	b.kill()

	_, _, err = b.client.Limit(t.Context(), "n", "k", 1, 1)
	require.ErrorIs(t, err, redisx.ErrUnavailable)
	require.ErrorIs(t, cache.Set("k", "v", time.Hour), redisx.ErrUnavailable)
	require.ErrorIs(t, cache.Delete("k"), redisx.ErrUnavailable)
	require.Nil(t, cache.Get("k"))
	require.False(t, cache.IsExist("k"))
	_, err = b.client.Lock(t.Context(), "l", time.Minute)
	require.ErrorIs(t, err, redisx.ErrUnavailable)
	require.ErrorIs(t, lock.Release(t.Context()), redisx.ErrUnavailable)

	b.again()
	require.NoError(t, cache.Set("k", "v", time.Hour))
	require.ErrorIs(t, lock.Release(t.Context()), redisx.ErrLockLost)
}
