package redisx_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/redisx"
)

const today base.BusinessDay = 20261123

func wish(id, distributor string, amount money.Fen) redisx.Allowance {
	return redisx.Allowance{
		AllowanceEntry: redisx.AllowanceEntry{WithdrawalID: id, Distributor: distributor, Day: today, Amount: amount},
		CountMax:       3, AmountMax: 10_000, PlatformMax: 100_000,
	}
}

func nothing(context.Context) ([]redisx.AllowanceEntry, error) { return nil, nil }

func rows(entries ...redisx.AllowanceEntry) func(context.Context) ([]redisx.AllowanceEntry, error) {
	return func(context.Context) ([]redisx.AllowanceEntry, error) { return entries, nil }
}

func listed(t *testing.T, c *redisx.Client) (ids []string, sum money.Fen) {
	t.Helper()
	entries, err := c.ListAllowances(t.Context(), today)
	require.NoError(t, err)
	for _, e := range entries {
		ids = append(ids, e.WithdrawalID)
		sum += e.Amount
	}
	slices.Sort(ids)
	return ids, sum
}

func TestTakeAllowance_needsTheMarker(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		c, ctx := b.client, t.Context()
		require.ErrorIs(t, c.TakeAllowance(ctx, wish("w1", "d1", 100)), redisx.ErrNotReady)
		_, err := c.ListAllowances(ctx, today)
		require.ErrorIs(t, err, redisx.ErrNotReady)

		require.NoError(t, c.RebuildDay(ctx, today, nothing))
		ids, _ := listed(t, c)
		require.Empty(t, ids, "what was refused has left nothing")
		require.NoError(t, c.TakeAllowance(ctx, wish("w1", "d1", 100)))

		tomorrow := wish("w2", "d1", 100)
		tomorrow.Day = today + 1
		require.ErrorIs(t, c.TakeAllowance(ctx, tomorrow), redisx.ErrNotReady, "each day has its own")
	})
}

func TestTakeAllowance_limits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(a *redisx.Allowance)
		want   error
	}{
		{"all exactly reached", func(a *redisx.Allowance) {
			a.CountMax, a.AmountMax, a.PlatformMax = 2, 1_500, 1_900
		}, nil},
		{"no limit to speak of", func(a *redisx.Allowance) {
			a.CountMax, a.AmountMax, a.PlatformMax = math.MaxInt, math.MaxInt64, math.MaxInt64
		}, nil},
		{"count", func(a *redisx.Allowance) { a.CountMax = 1 }, redisx.ErrCountExceeded},
		{"amount", func(a *redisx.Allowance) { a.AmountMax = 1_499 }, redisx.ErrAmountExceeded},
		{"platform", func(a *redisx.Allowance) { a.PlatformMax = 1_899 }, redisx.ErrPlatformExceeded},
		{"count is told before amount", func(a *redisx.Allowance) { a.CountMax, a.AmountMax = 1, 1 }, redisx.ErrCountExceeded},
		{"amount is told before platform", func(a *redisx.Allowance) { a.AmountMax, a.PlatformMax = 1, 1 }, redisx.ErrAmountExceeded},
		{"zero allows nothing", func(a *redisx.Allowance) { a.CountMax = 0 }, redisx.ErrCountExceeded},
		{"same id again, other amount", func(a *redisx.Allowance) { a.WithdrawalID = "first" }, redisx.ErrOtherAllowance},
		{"same id again, other distributor", func(a *redisx.Allowance) {
			a.WithdrawalID, a.Distributor, a.Amount = "first", "d2", 1_000
		}, redisx.ErrOtherAllowance},
	}
	onBoth(t, func(t *testing.T, b *bench) {
		for i, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				day := today.Add(i)
				require.NoError(t, b.client.RebuildDay(t.Context(), day, nothing))
				first, other, a := wish("first", "d1", 1_000), wish("other", "d9", 400), wish("w", "d1", 500)
				first.Day, other.Day, a.Day = day, day, day
				require.NoError(t, b.client.TakeAllowance(t.Context(), first))
				require.NoError(t, b.client.TakeAllowance(t.Context(), other))
				tt.change(&a)
				require.ErrorIs(t, b.client.TakeAllowance(t.Context(), a), tt.want)
			})
		}
	})
}

func TestTakeAllowance_badInput(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		for _, change := range []func(a *redisx.Allowance){
			func(a *redisx.Allowance) { a.WithdrawalID = "" },
			func(a *redisx.Allowance) { a.Distributor = "" },
			func(a *redisx.Allowance) { a.Day = 0 },
			func(a *redisx.Allowance) { a.Amount = 0 },
			func(a *redisx.Allowance) { a.Amount = -1 },
			func(a *redisx.Allowance) { a.Amount = money.Max + 1 },
		} {
			a := wish("w", "d", 1)
			change(&a)
			require.NoError(t, b.client.RebuildDay(t.Context(), today, nothing))
			require.Error(t, b.client.TakeAllowance(t.Context(), a))
			require.Error(t, b.client.KeepAllowance(t.Context(), a.AllowanceEntry))
		}
		require.Error(t, b.client.GiveBackAllowance(t.Context(), today, ""))
		ids, _ := listed(t, b.client)
		require.Empty(t, ids)
	})
}

func TestAllowance_onceByID(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		c, ctx := b.client, t.Context()
		require.NoError(t, c.RebuildDay(ctx, today, nothing))
		for range 5 {
			require.NoError(t, c.TakeAllowance(ctx, wish("w1", "d1", 4_000)))
		}
		require.NoError(t, c.KeepAllowance(ctx, wish("w1", "d1", 4_000).AllowanceEntry))
		require.NoError(t, c.TakeAllowance(ctx, wish("w2", "d1", 5_000)))
		require.ErrorIs(t, c.TakeAllowance(ctx, wish("w3", "d1", 2_000)), redisx.ErrAmountExceeded)

		for range 5 {
			require.NoError(t, c.GiveBackAllowance(ctx, today, "w1"))
		}
		require.NoError(t, c.TakeAllowance(ctx, wish("w3", "d1", 5_000)), "4,000 came back, once")
		require.ErrorIs(t, c.TakeAllowance(ctx, wish("w4", "d1", 1)), redisx.ErrAmountExceeded)
		require.ErrorIs(t, c.TakeAllowance(ctx, wish("w1", "d1", 4_000)), redisx.ErrGivenBack)
		require.NoError(t, c.KeepAllowance(ctx, wish("w1", "d1", 4_000).AllowanceEntry))
		ids, sum := listed(t, c)
		require.Equal(t, []string{"w2", "w3"}, ids)
		require.Equal(t, money.Fen(10_000), sum)
	})
}

// The answer to a take got lost, the caller gave back, and only then the take arrives.
func TestGiveBackAllowance_beforeTheTake(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		require.NoError(t, b.client.RebuildDay(t.Context(), today, nothing))
		require.NoError(t, b.client.GiveBackAllowance(t.Context(), today, "late"))
		require.ErrorIs(t, b.client.TakeAllowance(t.Context(), wish("late", "d1", 1)), redisx.ErrGivenBack)
	})
}

func TestAllowance_oddNames(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		c, ctx := b.client, t.Context()
		require.NoError(t, c.RebuildDay(ctx, today, nothing))
		odd := wish("w|1:%d", "分销|员:1%", money.Max)
		odd.AmountMax, odd.PlatformMax = money.Max, money.Max
		require.NoError(t, c.TakeAllowance(ctx, odd))
		require.NoError(t, c.TakeAllowance(ctx, odd))
		entries, err := c.ListAllowances(ctx, today)
		require.NoError(t, err)
		odd.TakenAtMs = noon.UnixMilli()
		require.Equal(t, []redisx.AllowanceEntry{odd.AllowanceEntry}, entries)
		require.NoError(t, c.GiveBackAllowance(ctx, today, odd.WithdrawalID))
		odd.WithdrawalID = "again"
		require.NoError(t, c.TakeAllowance(ctx, odd), "all of it came back")
	})
}

func TestTakeAllowance_manyAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		require.NoError(t, b.client.RebuildDay(t.Context(), today, nothing))
		byCount := together(50, func(i int) error {
			return b.client.TakeAllowance(t.Context(), wish(fmt.Sprintf("c%d", i), "d1", 10))
		})
		require.Equal(t, 3, countIs(byCount, nil))
		require.Equal(t, 47, countIs(byCount, redisx.ErrCountExceeded))

		sameID := together(50, func(int) error {
			return b.client.TakeAllowance(t.Context(), wish("same", "d2", 10))
		})
		require.Equal(t, 50, countIs(sameID, nil))

		byPlatform := together(50, func(i int) error {
			a := wish(fmt.Sprintf("p%d", i), fmt.Sprintf("e%d", i), 1_000)
			a.PlatformMax = 7_040 // 40 are taken above
			return b.client.TakeAllowance(t.Context(), a)
		})
		require.Equal(t, 7, countIs(byPlatform, nil))
		require.Equal(t, 43, countIs(byPlatform, redisx.ErrPlatformExceeded))
		_, sum := listed(t, b.client)
		require.Equal(t, money.Fen(7_040), sum)

		back := together(50, func(i int) error {
			return b.client.GiveBackAllowance(t.Context(), today, fmt.Sprintf("c%d", i%2))
		})
		require.Equal(t, 50, countIs(back, nil))
	})
}

func TestRebuildDay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		c, ctx := b.client, t.Context()
		w1, w2 := wish("w1", "d1", 6_000), wish("w2", "d1", 3_000)
		require.NoError(t, c.RebuildDay(ctx, today, rows(w1.AllowanceEntry, w2.AllowanceEntry, w1.AllowanceEntry)))
		require.ErrorIs(t, c.TakeAllowance(ctx, wish("w3", "d1", 1_001)), redisx.ErrAmountExceeded)
		require.NoError(t, c.TakeAllowance(ctx, w1), "known by the rebuild")
		require.NoError(t, c.TakeAllowance(ctx, wish("w3", "d1", 1_000)))
		require.ErrorIs(t, c.TakeAllowance(ctx, wish("w4", "d1", 1)), redisx.ErrCountExceeded)

		require.NoError(t, c.RebuildDay(ctx, today, func(context.Context) ([]redisx.AllowanceEntry, error) {
			t.Error("complete counters are not read again")
			return nil, nil
		}))
	})
}

func TestRebuildDay_thatFails(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		c, ctx := b.client, t.Context()
		gone := errors.New("database gone")
		err := c.RebuildDay(ctx, today, func(context.Context) ([]redisx.AllowanceEntry, error) { return nil, gone })
		require.ErrorIs(t, err, gone)
		err = c.RebuildDay(ctx, today, rows(wish("w1", "d1", -5).AllowanceEntry))
		require.ErrorContains(t, err, `withdrawal "w1"`)
		require.ErrorIs(t, c.TakeAllowance(ctx, wish("w2", "d1", 1)), redisx.ErrNotReady)
		require.NoError(t, c.RebuildDay(ctx, today, nothing), "the next one does not wait for the dead one")
		require.NoError(t, c.TakeAllowance(ctx, wish("w2", "d1", 1)))
	})
}

func TestRebuildDay_many(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		const n = 1_234 // several batches
		var entries []redisx.AllowanceEntry
		for i := range n {
			entries = append(entries, wish(fmt.Sprintf("w%d", i), fmt.Sprintf("d%d", i%7), 10).AllowanceEntry)
		}
		errs := together(8, func(int) error {
			return b.client.RebuildDay(t.Context(), today, rows(entries...))
		})
		require.Equal(t, 8, countIs(errs, nil))
		ids, sum := listed(t, b.client)
		require.Len(t, ids, n)
		require.Equal(t, money.Fen(10*n), sum)
		// n × 10 are counted, each once, whoever rebuilt: this one fits exactly.
		a := wish("last", "new", 100)
		a.PlatformMax = 10*n + 99
		require.ErrorIs(t, b.client.TakeAllowance(t.Context(), a), redisx.ErrPlatformExceeded)
		a.PlatformMax++
		require.NoError(t, b.client.TakeAllowance(t.Context(), a))
	})
}

// While a rebuild reads the database, withdrawals are decided on other replicas.
func TestRebuildDay_meanwhile(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bench) {
		c, ctx := b.client, t.Context()
		rejected, committed := wish("rejected", "d1", 1_000), wish("committed", "d1", 2_000)
		require.NoError(t, c.RebuildDay(ctx, today, func(ctx context.Context) ([]redisx.AllowanceEntry, error) {
			read := []redisx.AllowanceEntry{rejected.AllowanceEntry} // still requested when read
			require.ErrorIs(t, c.TakeAllowance(ctx, wish("w", "d1", 1)), redisx.ErrNotReady)
			require.NoError(t, c.GiveBackAllowance(ctx, today, "rejected"))
			require.NoError(t, c.KeepAllowance(ctx, committed.AllowanceEntry)) // committed after the reading
			return read, nil
		}))
		ids, sum := listed(t, c)
		require.Equal(t, []string{"committed"}, ids)
		require.Equal(t, money.Fen(2_000), sum)
	})
}

// A slow rebuild must not declare complete what another replica has built after a second loss.
func TestRebuildDay_emptiedWhileReading(t *testing.T) {
	t.Parallel()
	b, ok := onOwn(t)
	if !ok {
		return
	}
	other := b.open(b.clock.Now)
	reads := 0
	require.NoError(t, b.client.RebuildDay(t.Context(), today, func(ctx context.Context) ([]redisx.AllowanceEntry, error) {
		reads++
		if reads > 1 {
			return []redisx.AllowanceEntry{wish("w1", "d1", 1_000).AllowanceEntry}, nil
		}
		require.NoError(t, other.RebuildDay(ctx, today, nothing))
		require.NoError(t, other.TakeAllowance(ctx, wish("w1", "d1", 1_000))) // committed after this reading
		b.empty()
		return nil, nil
	}))
	require.Equal(t, 2, reads)
	ids, _ := listed(t, b.client)
	require.Equal(t, []string{"w1"}, ids)

	b.empty()
	err := b.client.RebuildDay(t.Context(), today, func(context.Context) ([]redisx.AllowanceEntry, error) {
		b.empty()
		return nil, nil
	})
	require.ErrorIs(t, err, redisx.ErrNotReady, "it gives up when it never comes to an end")
}

// Fifty requesters, one of whom after the other finds Redis emptied and rebuilds from the
// "database": in the end no limit is passed, and what the database has is what Redis counts.
func TestAllowance_emptiedUnderLoad(t *testing.T) {
	t.Parallel()
	b, ok := onOwn(t)
	if !ok {
		return
	}
	var mu sync.Mutex
	var database []redisx.AllowanceEntry
	load := func(context.Context) ([]redisx.AllowanceEntry, error) {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(database), nil
	}
	var taken atomic.Int64
	request := func(i int) error {
		a := wish(fmt.Sprintf("w%d", i), "d1", 10)
		a.CountMax, a.AmountMax = 1_000, 300 // 30 of them
		for range 50 {
			err := b.client.TakeAllowance(t.Context(), a)
			if errors.Is(err, redisx.ErrNotReady) {
				if err := b.client.RebuildDay(t.Context(), today, load); err != nil && !errors.Is(err, redisx.ErrNotReady) {
					return err
				}
				continue
			}
			if err != nil {
				return err
			}
			mu.Lock() // the transaction, with its own check
			refused := len(database) >= 30
			if !refused {
				database = append(database, a.AllowanceEntry)
			}
			mu.Unlock()
			if refused {
				return errors.Join(redisx.ErrAmountExceeded, b.client.GiveBackAllowance(t.Context(), today, a.WithdrawalID))
			}
			if taken.Add(1)%10 == 0 {
				b.empty()
			}
			return b.client.KeepAllowance(t.Context(), a.AllowanceEntry)
		}
		return errors.New("never ready")
	}
	errs := together(50, request)
	require.Equal(t, 30, countIs(errs, nil))
	require.Equal(t, 20, countIs(errs, redisx.ErrAmountExceeded))
	require.NoError(t, b.client.RebuildDay(t.Context(), today, load))
	ids, sum := listed(t, b.client)
	require.Len(t, ids, 30)
	require.Equal(t, money.Fen(300), sum)
}

func TestAllowance_stoppedRedis(t *testing.T) {
	t.Parallel()
	b, ok := onOwn(t)
	if !ok {
		return
	}
	c, ctx := b.client, t.Context()
	require.NoError(t, c.RebuildDay(ctx, today, nothing))
	require.NoError(t, c.TakeAllowance(ctx, wish("w1", "d1", 10)))
	b.kill()

	started := time.Now()
	require.ErrorIs(t, c.TakeAllowance(ctx, wish("w2", "d1", 10)), redisx.ErrUnavailable)
	require.ErrorIs(t, c.KeepAllowance(ctx, wish("w1", "d1", 10).AllowanceEntry), redisx.ErrUnavailable)
	require.ErrorIs(t, c.GiveBackAllowance(ctx, today, "w1"), redisx.ErrUnavailable)
	require.ErrorIs(t, c.RebuildDay(ctx, today, nothing), redisx.ErrUnavailable)
	_, err := c.ListAllowances(ctx, today)
	require.ErrorIs(t, err, redisx.ErrUnavailable)
	require.Less(t, time.Since(started), 10*time.Second, "it says so soon")

	b.again()
	require.ErrorIs(t, c.TakeAllowance(ctx, wish("w2", "d1", 10)), redisx.ErrNotReady, "an empty Redis counts as none")
	require.NoError(t, c.RebuildDay(ctx, today, rows(wish("w1", "d1", 10).AllowanceEntry)))
	require.NoError(t, c.TakeAllowance(ctx, wish("w2", "d1", 10)))
	ids, _ := listed(t, c)
	require.Equal(t, []string{"w1", "w2"}, ids)
}
