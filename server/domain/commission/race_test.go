package commission_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/store"
)

// together runs all functions at the same instant.
func together(fns ...func()) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, fn := range fns {
		wg.Go(func() {
			<-start
			fn()
		})
	}
	close(start)
	wg.Wait()
}

func TestAccrue_AtOnceIsOnce(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		shares, err := commission.Compute(workedRules(), terms, workedExample())
		require.NoError(t, err)
		s.tx(func(ctx context.Context, tx *store.Tx) error { return commission.StoreShares(ctx, tx, shares) })
		var mu sync.Mutex
		var sum money.Fen
		var fns []func()
		for range 20 {
			fns = append(fns, func() {
				var got []commission.Accrued
				err := s.db.InTx(s.ctx, "accrue", func(ctx context.Context, tx *store.Tx) (err error) {
					got, err = commission.Accrue(ctx, tx, []base.OrderID{order1})
					return err
				})
				if err != nil {
					if !store.IsDup(err) {
						t.Error(err)
					}
					return // the order's own state lets one through; here the unique key does
				}
				mu.Lock()
				defer mu.Unlock()
				for _, a := range got {
					sum += a.Amount
				}
			})
		}
		together(fns...)
		require.EqualValues(t, 2_437, sum)
		require.Len(t, s.rows(), 2)
	})
}

// TestReverse_WhileItRipens lets refunds and ripening meet: a reversal is either seen by the ripening, or sees it.
func TestReverse_WhileItRipens(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.place(workedExample(), workedRules()...)
		s.received(line1, 0)
		var fns []func()
		for i := range 12 {
			fns = append(fns, func() {
				err := s.db.InTx(s.ctx, "reverse", func(ctx context.Context, tx *store.Tx) error {
					_, err := commission.Reverse(ctx, tx, commission.ReverseInput{Order: order1, Refund: base.RefundID(i + 1), Lines: []commission.RefundedLine{
						{Line: line1, RefundedSoFar: money.Fen(i+1) * 1_000, Base: 18_648},
					}})
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}, func() {
				err := s.db.InTx(s.ctx, "ripen", func(ctx context.Context, tx *store.Tx) error {
					_, err := commission.Ripen(ctx, tx, 100)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		together(fns...)
		var left money.Fen
		for _, r := range s.rows() {
			require.Equal(t, base.Ms(s.clock.Now()), r.RipeMs, "%s of %d", r.Kind, r.Amount)
			left += r.Amount
		}
		require.EqualValues(t, 2_237+200-(2_237*12_000/18_648)-(200*12_000/18_648), left)
	})
}

func TestRefund_AcrossTheEndOfThePeriod(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.place(workedExample(), workedRules()...)
		s.received(line1, 0)
		s.ripen()
		s.clock.Set(base.PeriodOf(base.Monthly, s.clock.Now()).End())
		all := s.refund(1, commission.RefundedLine{Line: line1, RefundedSoFar: 18_648, Base: 18_648})
		require.Len(t, all, 2)
		for _, r := range all {
			require.True(t, r.Late, "both periods are over")
		}
		s.clock.Advance(time.Hour)
		require.Zero(t, s.ripen())
	})
}

// TestHold_BeforeItRipens lets the ripening come while a request is being written: it waits for it, and then sees it.
func TestHold_BeforeItRipens(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.place(workedExample(), workedRules()...)
		s.received(line1, 0)
		written, ripened := make(chan struct{}), make(chan int)
		go func() {
			<-written
			n := 0
			err := s.db.InTx(s.ctx, "ripen", func(ctx context.Context, tx *store.Tx) (err error) {
				n, err = commission.Ripen(ctx, tx, 100)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			ripened <- n
		}()
		var once sync.Once
		s.tx(func(ctx context.Context, tx *store.Tx) error {
			err := commission.Hold(ctx, tx, commission.HoldInput{
				Scope: commission.HoldLine, ScopeIDs: commission.LinesOf(line1), Ref: "refund:1", Reason: "售后申请", Actor: base.Admin(1),
			})
			once.Do(func() { close(written) })
			time.Sleep(300 * time.Millisecond) // not committed yet when the ripening looks
			return err
		})
		require.Zero(t, <-ripened, "the request was there first")
		for _, r := range s.rows() {
			require.Zero(t, r.RipeMs)
		}
	})
}
