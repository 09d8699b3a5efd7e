package commission

import (
	"context"
	"fmt"
	"slices"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// RefundedLine is how much of a line has been refunded in all, this refund included. Freight is not in it.
type RefundedLine struct {
	Line          base.LineID
	RefundedSoFar money.Fen
	Base          money.Fen // the line's net amount
}

// ReverseInput is a refund as commissions see it.
type ReverseInput struct {
	Order  base.OrderID
	Refund base.RefundID
	Lines  []RefundedLine
}

// Reversal is what a refund took back of one row.
type Reversal struct {
	Commission base.CommissionID // of the reversing row
	Payee      base.DistributorID
	Amount     money.Fen // positive
	Late       bool      // from available, then debt; else from pending
}

const (
	lockOrderAccrualsSQL = `SELECT ` + rowColumns + ` FROM commission WHERE order_id = ? AND kind = 'accrual' ORDER BY id /*! FOR UPDATE */`
	reversedSoFarSQL     = `
SELECT share_id, SUM(-amount_fen) AS fen FROM commission
WHERE order_id = ? AND kind IN ('reversal_early', 'reversal_late') GROUP BY share_id`
)

// Reverse takes back of an order's accruals what follows from the refunds so far: ⌊row × refunded so far / base⌋, all of
// it when all is refunded, less what was taken before. Early while the row's period of ripening has not ended, late
// after. Called again for the same refund it finds nothing left to take.
func Reverse(ctx context.Context, tx *store.Tx, in ReverseInput) ([]Reversal, error) {
	var accruals []Row
	if err := tx.Select(ctx, &accruals, lockOrderAccrualsSQL, in.Order); err != nil {
		return nil, fmt.Errorf("lock accruals of %s: %w", in.Order, err)
	}
	var sums []struct {
		Share base.ShareID `db:"share_id"`
		Fen   money.Fen    `db:"fen"`
	}
	if err := tx.Select(ctx, &sums, reversedSoFarSQL, in.Order); err != nil {
		return nil, fmt.Errorf("read reversals of %s: %w", in.Order, err)
	}
	reversed := make(map[base.ShareID]money.Fen, len(sums))
	for _, s := range sums {
		reversed[s.Share] = s.Fen
	}
	var rows []Row
	var out []Reversal
	for _, a := range accruals {
		i := slices.IndexFunc(in.Lines, func(l RefundedLine) bool { return l.Line == a.Line })
		if i < 0 {
			continue
		}
		l := in.Lines[i]
		if l.RefundedSoFar < 0 || l.RefundedSoFar > l.Base || l.Base != a.Base {
			return nil, fmt.Errorf("reverse line %s: %d of %d refunded, accrued on %d", l.Line, l.RefundedSoFar, l.Base, a.Base)
		}
		amount := dueBack(a.Amount, l) - reversed[a.Share]
		if amount <= 0 {
			continue
		}
		r := reversing(tx, a, in.Refund)
		r.Amount, r.Refunded = -amount, l.RefundedSoFar
		rows = append(rows, r)
		out = append(out, Reversal{r.ID, r.Payee, amount, r.Kind == ReversalLate})
	}
	if err := tx.Insert(ctx, insertRowSQL, rows); err != nil {
		return nil, fmt.Errorf("reverse commissions of %s: %w", in.Order, err)
	}
	return out, nil
}

// dueBack is what must have been reversed of a row after all refunds so far.
func dueBack(accrued money.Fen, l RefundedLine) money.Fen {
	if l.RefundedSoFar == l.Base {
		return accrued
	}
	return accrued.Part(l.RefundedSoFar, l.Base)
}

// reversing prepares the reversing row of an accrual: an early one shares its ripening, a late one stands for itself.
func reversing(tx *store.Tx, a Row, refund base.RefundID) Row {
	r := a
	r.ID, r.Refund, r.AccruedMs = base.CommissionID(tx.NextID()), refund, tx.NowMs()
	r.Kind = ReversalEarly
	if a.RipeMs > 0 && !base.PeriodOf(a.Cycle, base.Time(a.RipeMs)).End().After(tx.Now()) {
		r.Kind, r.RipeMs, r.Period = ReversalLate, tx.NowMs(), base.PeriodOf(a.Cycle, tx.Now()).First
	}
	return r
}
