package withdrawal

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

const (
	takeDaySQL = `
UPDATE withdrawal_day SET taken_count = taken_count + 1, taken_fen = taken_fen + ?
WHERE distributor_id = ? AND day = ? AND taken_count < ? AND taken_fen <= ?`
	openDaySQL     = `INSERT INTO withdrawal_day (distributor_id, day, taken_count, taken_fen) VALUES (?, ?, 0, 0)`
	giveBackDaySQL = `
UPDATE withdrawal_day SET taken_count = taken_count - 1, taken_fen = taken_fen - ?
WHERE distributor_id = ? AND day = ? AND taken_count > 0 AND taken_fen >= ?`
	dayOfSQL = `SELECT taken_count, taken_fen FROM withdrawal_day WHERE distributor_id = ? AND day = ?`
	takenSQL = `
SELECT id, distributor_id, amount_fen FROM withdrawal
WHERE day = ? AND state NOT IN ('rejected', 'failed', 'expired', 'cancelled') AND id > ? ORDER BY id LIMIT ?`
	statesOfDaySQL = `SELECT id, state FROM withdrawal WHERE day = ? AND id > ? ORDER BY id LIMIT ?`
)

// Day is what a distributor has taken from a business day.
type Day struct {
	Count int       `db:"taken_count"`
	Taken money.Fen `db:"taken_fen"`
}

// DayOf reads a distributor's counters of a day.
func DayOf(ctx context.Context, q store.Q, distributor base.DistributorID, day base.BusinessDay) (Day, error) {
	var d Day
	err := q.Get(ctx, &d, dayOfSQL, distributor, day)
	if err != nil && !store.NotFound(err) {
		return d, fmt.Errorf("read withdrawal day: %w", err)
	}
	return d, nil
}

// TakeDay counts an amount against the distributor's day, both limits in the one update that changes the counters. It
// is what decides: Redis only answers sooner. The refusal is CountError or DayAmountError.
func TakeDay(ctx context.Context, tx *store.Tx, r Request, p Policy) error {
	ok, err := takeDay(ctx, tx, r, p)
	if err != nil || ok {
		return err
	}
	// Over the limit, or the first of the day: somebody else may open the day at the same instant.
	if _, err := tx.Exec(ctx, openDaySQL, r.Distributor, r.Day); err != nil && !store.IsDup(err) {
		return fmt.Errorf("open withdrawal day: %w", err)
	}
	if ok, err = takeDay(ctx, tx, r, p); err != nil || ok {
		return err
	}
	day, err := DayOf(ctx, tx, r.Distributor, r.Day)
	if err != nil {
		return err
	}
	if day.Count >= p.DailyCount {
		return p.CountError()
	}
	return p.DayAmountError()
}

func takeDay(ctx context.Context, tx *store.Tx, r Request, p Policy) (bool, error) {
	ok, err := tx.ExecOne(ctx, takeDaySQL, r.Quote.Amount, r.Distributor, r.Day, p.DailyCount, p.DailyAmountFen-r.Quote.Amount)
	if err != nil {
		return false, fmt.Errorf("count withdrawal: %w", err)
	}
	return ok, nil
}

// GiveBackDay takes a withdrawal off the counters of the day it was taken from. The caller has just moved it to a
// state that returns the amount, which happens once.
func GiveBackDay(ctx context.Context, tx *store.Tx, w Withdrawal) error {
	ok, err := tx.ExecOne(ctx, giveBackDaySQL, w.Amount, w.Distributor, w.Day, w.Amount)
	if err == nil && !ok {
		err = fmt.Errorf("the counters of %s do not hold it", w.Day)
	}
	if err != nil {
		return fmt.Errorf("give withdrawal allowance back: %w", err)
	}
	return nil
}

// Taken is one withdrawal that counts against a day.
type Taken struct {
	ID          base.WithdrawalID  `db:"id"`
	Distributor base.DistributorID `db:"distributor_id"`
	Amount      money.Fen          `db:"amount_fen"`
}

const dayBatchRows = 1_000

// TakenOn lists what counts against a day, for rebuilding the counters in Redis.
func TakenOn(ctx context.Context, q store.Q, day base.BusinessDay) ([]Taken, error) {
	return batches(ctx, q, takenSQL, day, func(t Taken) base.WithdrawalID { return t.ID })
}

type stateRow struct {
	ID    base.WithdrawalID `db:"id"`
	State State             `db:"state"`
}

// StatesOn tells where the withdrawals of a day stand.
func StatesOn(ctx context.Context, q store.Q, day base.BusinessDay) (map[base.WithdrawalID]State, error) {
	rows, err := batches(ctx, q, statesOfDaySQL, day, func(r stateRow) base.WithdrawalID { return r.ID })
	if err != nil {
		return nil, err
	}
	states := make(map[base.WithdrawalID]State, len(rows))
	for _, r := range rows {
		states[r.ID] = r.State
	}
	return states, nil
}

func batches[T any](ctx context.Context, q store.Q, query string, day base.BusinessDay, id func(T) base.WithdrawalID) ([]T, error) {
	var all []T
	for after := base.WithdrawalID(0); ; {
		var batch []T
		if err := q.Select(ctx, &batch, query, day, after, dayBatchRows); err != nil {
			return nil, fmt.Errorf("list the withdrawals of %s: %w", day, err)
		}
		all = append(all, batch...)
		if len(batch) < dayBatchRows {
			return all, nil
		}
		after = id(batch[len(batch)-1])
	}
}
