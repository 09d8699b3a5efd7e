package withdrawal

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// Figures are what the risk signs need of a distributor's own withdrawals.
type Figures struct {
	Paid   int64
	Recent []money.Fen // newest first
	Lately int64
}

type figureRow struct {
	Amount      money.Fen `db:"amount_fen"`
	RequestedMs int64     `db:"requested_ms"`
}

const recentMax = 20

const (
	paidCountSQL = `SELECT COUNT(*) FROM withdrawal WHERE distributor_id = ? AND state = 'paid' AND id <> ?`
	recentSQL    = `
SELECT amount_fen, requested_ms FROM withdrawal WHERE distributor_id = ? AND id <> ? AND requested_ms >= ? ORDER BY id DESC LIMIT ?`
)

// Window is what FiguresOf looks at: the withdrawals of a distributor but one, since an instant; those since LatelyMs
// count as lately.
type Window struct {
	Distributor base.DistributorID
	But         base.WithdrawalID
	SinceMs     int64
	LatelyMs    int64
}

// FiguresOf reads a distributor's own withdrawals.
func FiguresOf(ctx context.Context, q store.Q, w Window) (Figures, error) {
	var f Figures
	if err := q.Get(ctx, &f.Paid, paidCountSQL, w.Distributor, w.But); err != nil {
		return f, fmt.Errorf("count paid withdrawals: %w", err)
	}
	var rows []figureRow
	if err := q.Select(ctx, &rows, recentSQL, w.Distributor, w.But, w.SinceMs, recentMax); err != nil {
		return f, fmt.Errorf("list recent withdrawals: %w", err)
	}
	for _, r := range rows {
		f.Recent = append(f.Recent, r.Amount)
		if r.RequestedMs >= w.LatelyMs {
			f.Lately++
		}
	}
	return f, nil
}
