package commission

import (
	"context"
	"fmt"
	"slices"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// Accrued is what one payee was accrued of one order.
type Accrued struct {
	Order  base.OrderID
	Payee  base.DistributorID
	Amount money.Fen
}

const toAccrueSQL = `SELECT ` + shareColumns + ` FROM share s
WHERE s.order_id IN (?) AND s.amount_fen > 0
  AND NOT EXISTS (SELECT 1 FROM commission c WHERE c.share_id = s.id AND c.kind = 'accrual') ORDER BY s.id`

// Accrue writes the accruals of orders that have just been paid, as stored, in two statements for all of them. Shares
// that are accrued already, and shares of zero, are passed over, so that a repeat does nothing. The result is summed by
// order and payee, for the ledger.
func Accrue(ctx context.Context, tx *store.Tx, orders []base.OrderID) ([]Accrued, error) {
	if len(orders) == 0 {
		return nil, nil
	}
	query, args, err := store.In(toAccrueSQL, orders)
	if err != nil {
		return nil, fmt.Errorf("accrue: %w", err)
	}
	var shares []Share
	if err := tx.Select(ctx, &shares, query, args...); err != nil {
		return nil, fmt.Errorf("accrue: %w", err)
	}
	rows := make([]Row, len(shares))
	var sums []Accrued
	for i, s := range shares {
		rows[i] = Row{
			ID: base.CommissionID(tx.NextID()), Share: s.ID, Order: s.Order, Line: s.Line, Tier: s.Tier, Revision: s.Revision,
			Payee: s.Payee, Cycle: s.Cycle, Kind: Accrual, Amount: s.Amount, Base: s.Base, AccruedMs: tx.NowMs(),
		}
		at := slices.IndexFunc(sums, func(a Accrued) bool { return a.Order == s.Order && a.Payee == s.Payee })
		if at < 0 {
			sums = append(sums, Accrued{s.Order, s.Payee, s.Amount})
		} else {
			sums[at].Amount += s.Amount
		}
	}
	if err := tx.Insert(ctx, insertRowSQL, rows); err != nil {
		return nil, fmt.Errorf("accrue: %w", err)
	}
	return sums, nil
}

// LineDue says when a line's commissions may ripen at the earliest: goods received, plus the after-sale window.
type LineDue struct {
	Line  base.LineID
	DueMs int64
}

const receivedSQL = `UPDATE commission SET due_ms = ? WHERE line_id IN (?) AND kind IN ('accrual', 'reversal_early') AND due_ms = 0 AND ripe_ms = 0`

// Received notes that all of some lines' goods have been received. The first time counts; a repeat does nothing.
func Received(ctx context.Context, tx *store.Tx, lines []LineDue) error {
	byDue := map[int64][]base.LineID{}
	for _, l := range lines {
		byDue[l.DueMs] = append(byDue[l.DueMs], l.Line)
	}
	dues := make([]int64, 0, len(byDue))
	for due := range byDue {
		dues = append(dues, due)
	}
	slices.Sort(dues)
	for _, due := range dues {
		query, args, err := store.In(receivedSQL, due, byDue[due])
		if err != nil {
			return fmt.Errorf("note received lines: %w", err)
		}
		if _, err := tx.Exec(ctx, query, args...); err != nil {
			return fmt.Errorf("note received lines: %w", err)
		}
	}
	return nil
}
