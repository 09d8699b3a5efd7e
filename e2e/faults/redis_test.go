// Package faults_test takes away what the shop stands on, while people use it, and gives it back.
package faults_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/audit"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/play"
	"fenxiao/server/store/storetest/testservers"
)

// little is a withdrawal that leaves room for more.
const little = money.Fen(1_000)

// ownRedis starts a Redis for this test alone, or says that it cannot.
func ownRedis(t *testing.T) *testservers.Server {
	t.Helper()
	if _, ok := testservers.Redis(t); !ok {
		return nil
	}
	r, err := testservers.StartRedis(t.Context(), t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(r.Kill)
	return r
}

// back starts it again where it was: empty, as a Redis that keeps nothing is.
func back(t *testing.T, r *testservers.Server) *testservers.Server {
	t.Helper()
	again, err := testservers.StartRedis(t.Context(), t.TempDir(), r.Addr)
	require.NoError(t, err)
	t.Cleanup(again.Kill)
	return again
}

// eachDatabase runs a test with a Redis of its own, on SQLite and on MariaDB.
func eachDatabase(t *testing.T, fn func(t *testing.T, town *shop.Town, redis *testservers.Server)) {
	t.Helper()
	shop.Each(t, func(t *testing.T, o shop.Options) {
		redis := ownRedis(t)
		if redis == nil {
			return // said in the log, and a failure where servers are required
		}
		o.Redis = redis.Addr
		fn(t, shop.Build(t, shop.Open(t, o)), redis)
	})
}

// problemOf is the API's refusal.
func problemOf(t *testing.T, err error) *play.Problem {
	t.Helper()
	var p *play.Problem
	require.True(t, errors.As(err, &p), "%v", err)
	return p
}

func proved(t *testing.T, town *shop.Town) {
	t.Helper()
	report, err := audit.Run(t.Context(), town.App.DB)
	require.NoError(t, err)
	require.True(t, report.OK(), "%+v", report.Results)
}

// TestRedisStopped: no withdrawal is taken, everything else goes on, and withdrawals come back by themselves.
func TestRedisStopped(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, town *shop.Town, redis *testservers.Server) {
		ctx := t.Context()
		first, err := town.Leader.Withdraw(ctx, little)
		require.NoError(t, err)
		before, err := town.Leader.Wallet(ctx)
		require.NoError(t, err)
		redis.Kill()

		_, err = town.Leader.Withdraw(ctx, little)
		p := problemOf(t, err)
		require.Equal(t, http.StatusServiceUnavailable, p.Status)
		require.Equal(t, withdrawal.ErrTryLater.Code, p.Code)
		require.Contains(t, p.Detail, "稍后")
		require.Contains(t, p.Detail, "余额")
		after, err := town.Leader.Wallet(ctx)
		require.NoError(t, err)
		require.Equal(t, before, after, "nothing was taken")

		everythingElse(t, town, first.ID)

		back(t, redis)
		second, err := town.Leader.Withdraw(ctx, little)
		require.NoError(t, err)
		require.Equal(t, "requested", second.State)
		proved(t, town)
	})
}

// everythingElse is a day of a shop: log-ins, a scan, an order, a payment, parcels, approvals, jobs.
func everythingElse(t *testing.T, town *shop.Town, requested string) {
	t.Helper()
	ctx := t.Context()
	started := time.Now()
	visitor := town.Customer("visitor")
	_, err := play.Scan(ctx, visitor, town.Leader.Code.Scene)
	require.NoError(t, err)
	order := town.Order(t, visitor, 1)
	require.NoError(t, town.PayOrder(ctx, visitor, order.ID))
	require.NoError(t, town.Ship(ctx, order.ID, "ZT0009"))
	require.NoError(t, play.Receive(ctx, visitor, order.ID, ""))
	_, err = play.Approve(ctx, town.Finance, requested)
	require.NoError(t, err)
	town.Settle(t)
	w, err := town.Leader.Withdrawal(ctx, requested)
	require.NoError(t, err)
	require.Equal(t, "awaiting_user", w.State, "what was taken before is paid out without Redis")
	seen, err := play.AdminWithdrawal(ctx, town.Finance, requested)
	require.NoError(t, err)
	require.NoError(t, town.WX.ConfirmTransfer(ctx, seen.OutBill))
	_, ready, err := play.NewClient(town.Base, "probe").Raw(ctx, "/readyz")
	require.NoError(t, err, "a shop without Redis is ready")
	require.Contains(t, string(ready), "degraded")
	t.Logf("a day of a shop without Redis took %d ms", time.Since(started).Milliseconds())
}

// TestRedisEmptied: the counters of the day are rebuilt from the database, and no limit is passed.
func TestRedisEmptied(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, town *shop.Town, redis *testservers.Server) {
		ctx := t.Context()
		limit := withdrawal.Default().DailyCount
		for range limit {
			flush(t, redis.Addr)
			_, err := town.Leader.Withdraw(ctx, little)
			require.NoError(t, err)
		}
		flush(t, redis.Addr)
		_, err := town.Leader.Withdraw(ctx, little)
		require.Equal(t, "withdrawal.count_exceeded", problemOf(t, err).Code)
		proved(t, town)
	})
}

// TestRedisEmptied_WhileManyAsk: emptied again and again in the middle of it, the day's limit holds.
func TestRedisEmptied_WhileManyAsk(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, town *shop.Town, redis *testservers.Server) {
		ctx := t.Context()
		require.NoError(t, town.Leader.Fresh(ctx))
		done := make(chan struct{})
		var flushing, asking sync.WaitGroup
		flushing.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					flush(t, redis.Addr)
				}
			}
		})
		var mu sync.Mutex
		answers := map[string]int{}
		for i := range 12 {
			asking.Go(func() {
				in := map[string]any{"amount_fen": little}
				err := town.Leader.Client.PostWith(ctx, fmt.Sprintf("flood-%020d", i), "/api/v1/distributor/withdrawals", in, nil)
				mu.Lock()
				defer mu.Unlock()
				var p *play.Problem
				switch {
				case err == nil:
					answers["taken"]++
				case errors.As(err, &p):
					answers[p.Code]++
				default:
					answers[err.Error()]++
				}
			})
		}
		asking.Wait()
		close(done)
		flushing.Wait()
		t.Log(answers)
		require.LessOrEqual(t, answers["taken"], withdrawal.Default().DailyCount)
		for answer := range answers {
			require.Contains(t, []string{"taken", "withdrawal.count_exceeded", withdrawal.ErrTryLater.Code, "request.too_many"}, answer)
		}
		proved(t, town)
	})
}

// flush empties a Redis, as an operator's slip would.
func flush(t *testing.T, addr string) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		t.Errorf("reach Redis: %v", err)
		return
	}
	defer conn.Close()
	answer := make([]byte, 5)
	if _, err := conn.Write([]byte("FLUSHALL\r\n")); err != nil {
		t.Errorf("empty Redis: %v", err)
	} else if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "+OK\r\n" {
		t.Errorf("empty Redis: %q %v", answer, err)
	}
}
