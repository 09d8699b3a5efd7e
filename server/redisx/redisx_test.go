package redisx_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-redis/redis/v8"
	"github.com/stretchr/testify/require"

	"fenxiao/server/base/clock"
	"fenxiao/server/redisx"
	"fenxiao/server/store/storetest/testservers"
)

var prefixNumber atomic.Int64

// bench is one Redis to test on, and what can be done to it.
type bench struct {
	client *redisx.Client
	clock  *clock.Manual
	open   func(now func() time.Time) *redisx.Client // another replica; not for the embedded one
	empty  func()                                    // FLUSHALL
	kill   func()
	again  func() // back under the same address after kill
}

var noon = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

// onBoth runs a test on the embedded server and on the run's Redis.
func onBoth(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		c := clock.NewManual(noon)
		client, err := redisx.Open(t.Context(), redisx.Options{Embedded: true, Prefix: "t:", Now: c.Now})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		test(t, &bench{client: client, clock: c})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		addr, ok := testservers.Redis(t)
		if !ok {
			return
		}
		prefix := fmt.Sprintf("test:%d:%d:", os.Getpid(), prefixNumber.Add(1))
		c := clock.NewManual(noon)
		b := &bench{clock: c, open: opener(t, addr, prefix)}
		b.client = b.open(c.Now)
		t.Cleanup(func() { requireOnlyPrefixed(t, addr, prefix) })
		test(t, b)
	})
}

// onOwn runs a test on a Redis of its own, to be emptied and killed.
func onOwn(t *testing.T) (b *bench, ok bool) {
	t.Helper()
	if _, ok = testservers.Redis(t); !ok {
		return nil, false
	}
	// The test's context ends before its clean-up; the server is killed there.
	server, err := testservers.StartRedis(t.Context(), t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(func() { server.Kill() })
	c := clock.NewManual(noon)
	b = &bench{clock: c, open: opener(t, server.Addr, "own:")}
	b.client = b.open(c.Now)
	raw := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = raw.Close() })
	b.empty = func() { require.NoError(t, raw.FlushAll(context.Background()).Err()) }
	b.kill = server.Kill
	b.again = func() {
		server, err = testservers.StartRedis(t.Context(), t.TempDir(), server.Addr)
		require.NoError(t, err)
	}
	return b, true
}

func opener(t *testing.T, addr, prefix string) func(now func() time.Time) *redisx.Client {
	return func(now func() time.Time) *redisx.Client {
		client, err := redisx.Open(t.Context(), redisx.Options{Addr: addr, Prefix: prefix, Now: now})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		return client
	}
}

// requireOnlyPrefixed removes what a test left on the shared server, and finds what a forgotten
// prefix left there: every name this package gives to keys is one of the last part's.
func requireOnlyPrefixed(t *testing.T, addr, prefix string) {
	t.Helper()
	ctx := context.Background()
	raw := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = raw.Close() }()
	keys := raw.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		key := keys.Val()
		for _, name := range []string{"wd:", "rate:", "lock:", "token:"} {
			require.False(t, strings.HasPrefix(key, name), "key %s has no prefix", key)
		}
		if strings.HasPrefix(key, prefix) {
			require.NoError(t, raw.Del(ctx, key).Err())
		}
	}
	require.NoError(t, keys.Err())
}

// together runs n calls at once and returns their errors.
func together(n int, call func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func countIs(errs []error, target error) (n int) {
	for _, err := range errs {
		if errors.Is(err, target) {
			n++
		}
	}
	return n
}

func TestOpen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		give redisx.Options
		want string
	}{
		{"no address", redisx.Options{}, "address is empty"},
		{"braces in the prefix", redisx.Options{Embedded: true, Prefix: "{a}"}, "no braces"},
		{"nobody listens", redisx.Options{Addr: "127.0.0.1:1"}, "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := redisx.Open(t.Context(), tt.give)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestOpen_embedded(t *testing.T) {
	t.Parallel()
	c, err := redisx.Open(t.Context(), redisx.Options{Embedded: true, Password: "s3cret"})
	require.NoError(t, err)
	require.True(t, c.IsEmbedded())
	require.NoError(t, c.Ping(t.Context()))
	require.NoError(t, c.Close())
	require.NoError(t, c.Close(), "closing twice does nothing")
	require.ErrorIs(t, c.Ping(t.Context()), redisx.ErrUnavailable)
}

func TestPing_followsTheServer(t *testing.T) {
	t.Parallel()
	b, ok := onOwn(t)
	if !ok {
		return
	}
	require.NoError(t, b.client.Ping(t.Context()))
	b.kill()
	require.ErrorIs(t, b.client.Ping(t.Context()), redisx.ErrUnavailable)
	b.again()
	require.NoError(t, b.client.Ping(t.Context()), "it comes back by itself")
}
