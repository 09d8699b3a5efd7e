package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/redisx"
)

// takeAllowance counts a wish against the day's counters. Counters that are not there (a new day, an emptied Redis) are
// rebuilt from the database first. Without Redis no withdrawal is taken.
func (f *Flow) takeAllowance(ctx context.Context, w wish) error {
	a := redisx.Allowance{
		AllowanceEntry: w.entry(), CountMax: w.policy.DailyCount, AmountMax: w.policy.DailyAmountFen, PlatformMax: w.policy.PlatformDailyFen,
	}
	err := f.Allowances.TakeAllowance(ctx, a)
	if errors.Is(err, redisx.ErrNotReady) {
		if err = f.rebuildDay(ctx, w.Day); err == nil {
			err = f.Allowances.TakeAllowance(ctx, a)
		}
	}
	if errors.Is(err, redisx.ErrCountExceeded) || errors.Is(err, redisx.ErrAmountExceeded) {
		if err, ok := f.stillRoom(ctx, w); err != nil || !ok {
			return err
		}
		err = f.Allowances.TakeAllowance(ctx, a)
	}
	return f.allowanceError(w.policy, err)
}

func (f *Flow) allowanceError(p withdrawal.Policy, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redisx.ErrCountExceeded):
		return p.CountError()
	case errors.Is(err, redisx.ErrAmountExceeded):
		return p.DayAmountError()
	case errors.Is(err, redisx.ErrPlatformExceeded):
		return p.PlatformError()
	case errors.Is(err, redisx.ErrGivenBack):
		return ErrStartAgain
	case errors.Is(err, redisx.ErrOtherAllowance):
		return ErrWithdrawalID
	}
	return later(err)
}

// stillRoom asks the database whether a refusal of Redis stands: an allowance that was due back may not have come back
// there. If there is room, the counters are put right. The error is the refusal.
func (f *Flow) stillRoom(ctx context.Context, w wish) (error, bool) {
	day, err := withdrawal.DayOf(ctx, f.DB.Q(), w.Distributor, w.Day)
	switch {
	case err != nil:
		return err, false
	case day.Count >= w.policy.DailyCount:
		return w.policy.CountError(), false
	case day.Taken > w.policy.DailyAmountFen-w.Quote.Amount:
		return w.policy.DayAmountError(), false
	}
	if err := f.sweepDay(ctx, w.Day); err != nil {
		return later(err), false
	}
	return nil, true
}

func (f *Flow) rebuildDay(ctx context.Context, day base.BusinessDay) error {
	return f.Allowances.RebuildDay(ctx, day, func(ctx context.Context) ([]redisx.AllowanceEntry, error) {
		taken, err := withdrawal.TakenOn(ctx, f.DB.Q(), day)
		if err != nil {
			return nil, err
		}
		entries := make([]redisx.AllowanceEntry, len(taken))
		for i, t := range taken {
			entries[i] = redisx.AllowanceEntry{WithdrawalID: t.ID.String(), Distributor: t.Distributor.String(), Day: day, Amount: t.Amount}
		}
		return entries, nil
	})
}

// giveBackAllowance gives back in Redis what the database has given back, or never took. If Redis does not answer, the
// sweep does it later: until then the day only looks fuller than it is.
func (f *Flow) giveBackAllowance(ctx context.Context, day base.BusinessDay, id base.WithdrawalID) {
	if err := f.Allowances.GiveBackAllowance(context.WithoutCancel(ctx), day, id.String()); err != nil {
		f.Log.WarnContext(ctx, "give withdrawal allowance back", "withdrawal", id, "error", err)
	}
}

// allowanceBook lists a day's allowances, which the sweep compares with the database.
type allowanceBook interface {
	ListAllowances(ctx context.Context, day base.BusinessDay) ([]redisx.AllowanceEntry, error)
}

// orphanAge is from when on an allowance without a withdrawal belongs to a request that died: a transaction does not
// commit after a minute.
const orphanAge = 5 * time.Minute

// SweepAllowances puts today's counters in Redis right by the database: what ended without a payment, or never came to
// be, is given back.
func (f *Flow) SweepAllowances(ctx context.Context) error {
	return f.sweepDay(ctx, base.DayOf(f.DB.Clock.Now()))
}

func (f *Flow) sweepDay(ctx context.Context, day base.BusinessDay) error {
	book, lists := f.Allowances.(allowanceBook)
	if !lists {
		return nil
	}
	entries, err := book.ListAllowances(ctx, day) // before the states: what it lists has had its time to commit
	if errors.Is(err, redisx.ErrNotReady) {
		return nil // the next request rebuilds them
	}
	if err != nil {
		return err
	}
	states, err := withdrawal.StatesOn(ctx, f.DB.Q(), day)
	if err != nil {
		return err
	}
	old := base.Ms(f.DB.Clock.Now().Add(-orphanAge))
	for _, e := range entries {
		id, err := parseWithdrawal(e.WithdrawalID)
		if err != nil {
			return fmt.Errorf("sweep withdrawal allowances: %w", err)
		}
		state, there := states[id]
		if there && state.Returned() || !there && e.TakenAtMs < old {
			if err := f.Allowances.GiveBackAllowance(ctx, day, e.WithdrawalID); err != nil {
				return err
			}
		}
	}
	return nil
}

func parseWithdrawal(text string) (id base.WithdrawalID, err error) {
	err = id.UnmarshalText([]byte(text))
	return id, err
}
