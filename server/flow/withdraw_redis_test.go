package flow_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/ledger"
	"fenxiao/server/redisx"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
	"fenxiao/server/store/storetest/testservers"
)

// TestWithdraw_RedisStoppedAndEmptied uses a Redis of its own: emptied, killed, and started again with nothing in it.
func TestWithdraw_RedisStoppedAndEmptied(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		if _, ok := testservers.Redis(t); !ok {
			return
		}
		server, err := testservers.StartRedis(t.Context(), t.TempDir(), "")
		require.NoError(t, err)
		t.Cleanup(func() { server.Kill() })
		p := newCounter(t, db, c)
		p.redis, err = redisx.Open(t.Context(), redisx.Options{Addr: server.Addr, Prefix: "own:", Now: c.Now})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.redis.Close()) })
		p.f.Allowances = p.redis
		p.policy(func(w *withdrawal.Policy) { w.DailyCount, w.PlatformDailyFen = 3, 12_000 })
		d, other := p.earner(20_000), p.earner(20_000)
		w := p.request(d.ID, 2_000)
		p.request(other.ID, 4_000)

		flushAll(t, server.Addr)
		p.request(d.ID, 2_000) // rebuilt on the way
		n, sum := p.allowances()
		require.Equal(t, 3, n)
		require.EqualValues(t, 8_000, sum, "what came before is counted again")
		_, err = p.f.RequestWithdrawal(t.Context(), p.input(other.ID, 5_000))
		require.Equal(t, "withdrawal.platform_budget_exceeded", errs.CodeOf(err))

		server.Kill()
		_, err = p.f.RequestWithdrawal(t.Context(), p.input(d.ID, 1_000))
		require.ErrorIs(t, err, withdrawal.ErrTryLater)
		_, err = p.f.CancelWithdrawal(t.Context(), d.ID, w.ID)
		require.NoError(t, err, "what needs no counters goes on")
		p.wallet(d.ID, ledger.Wallet{Available: 18_000, Withdrawing: 2_000})

		again, err := testservers.StartRedis(t.Context(), t.TempDir(), server.Addr)
		require.NoError(t, err)
		t.Cleanup(func() { again.Kill() })
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 10 { // many at once meet empty counters
			wg.Go(func() {
				_, err := p.f.RequestWithdrawal(t.Context(), p.input(d.ID, 1_000))
				switch {
				case err == nil:
					won.Add(1)
				case errs.CodeOf(err) != "withdrawal.count_exceeded":
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 2, won.Load(), "one of three was used, one given back while Redis was gone")
		p.today(d.ID, 3, 4_000)
		n, sum = p.allowances()
		require.Equal(t, 4, n)
		require.EqualValues(t, 8_000, sum)
		p.audit()
	})
}

func flushAll(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("*1\r\n$8\r\nFLUSHALL\r\n"))
	require.NoError(t, err)
	answer := make([]byte, 5)
	_, err = conn.Read(answer)
	require.NoError(t, err)
	require.Equal(t, "+OK\r\n", string(answer))
}

// The day has turned meanwhile.
func TestWithdraw_GivesBackToTheDayItWasTakenFrom(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		d := p.earner(20_000)
		first := base.DayOf(p.clock.Now())
		w := p.request(d.ID, 5_000)
		p.clock.Advance(24 * time.Hour)
		p.request(d.ID, 3_000)
		_, err := p.f.CancelWithdrawal(t.Context(), d.ID, w.ID)
		require.NoError(t, err)
		p.today(d.ID, 1, 3_000)
		day, err := withdrawal.DayOf(t.Context(), p.db.Q(), d.ID, first)
		require.NoError(t, err)
		require.Equal(t, withdrawal.Day{}, day)
		list, err := p.redis.ListAllowances(t.Context(), first)
		require.NoError(t, err)
		require.Empty(t, list)
		n, _ := p.allowances()
		require.Equal(t, 1, n)
	})
}
