package settlement

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// Line is one commission row of a statement. Late reversals are listed for information and are not in the total.
type Line struct {
	ID        base.CommissionID `db:"id"`
	Order     base.OrderID      `db:"order_id"`
	OrderLine base.LineID       `db:"line_id"`
	Tier      base.Tier         `db:"tier"`
	Kind      string            `db:"kind"` // accrual, reversal_early, reversal_late, adjustment
	Amount    money.Fen         `db:"amount_fen"`
	Refund    base.RefundID     `db:"refund_id"`
	AccruedMs int64             `db:"accrued_ms"`
	RipeMs    int64             `db:"ripe_ms"`
}

// InTotal says whether the line counts in the statement's total.
func (l Line) InTotal() bool { return l.Kind != "reversal_late" }

const (
	lineColumns = `id, order_id, line_id, tier, kind, amount_fen, refund_id, accrued_ms, ripe_ms`
	linesSQL    = `SELECT ` + lineColumns + ` FROM commission WHERE cycle = ? AND period = ? AND payee_id = ? AND id > ? ORDER BY id LIMIT ?`
	allLinesSQL = `SELECT ` + lineColumns + ` FROM commission WHERE cycle = ? AND period = ? AND payee_id = ? ORDER BY id`
)

// Lines returns a statement's rows after one, oldest first, at most 101.
func Lines(ctx context.Context, q store.Q, s Statement, after base.CommissionID, limit int) ([]Line, error) {
	var out []Line
	err := q.Select(ctx, &out, linesSQL, s.Cycle, s.First, s.Distributor, after, pageOf(limit))
	return out, err
}

// EachLine calls fn with every row of a statement, for an export, without holding them all.
func EachLine(ctx context.Context, q store.Q, s Statement, fn func(Line) error) error {
	err := q.Each(ctx, allLinesSQL, func(rows *sqlx.Rows) error {
		var l Line
		if err := rows.StructScan(&l); err != nil {
			return err
		}
		return fn(l)
	}, s.Cycle, s.First, s.Distributor)
	if err != nil {
		return fmt.Errorf("read lines of statement %s: %w", s.ID, err)
	}
	return nil
}
