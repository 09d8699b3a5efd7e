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

// Filter narrows a list of withdrawals; zero values do not.
type Filter struct {
	States      []State
	Distributor base.DistributorID
	FromMs      int64 // requested from
	UntilMs     int64 // requested before
	Held        bool  // only those on hold
	Trouble     bool  // only those that a person should look at
	Oldest      bool  // oldest first; else newest first
	Limit       int
	Offset      int
}

const (
	whereSQL = ` FROM withdrawal WHERE state IN (?) AND (? = 0 OR distributor_id = ?) AND requested_ms >= ?
AND (? = 0 OR requested_ms < ?) AND (? = 0 OR held_ms > 0) AND (? = 0 OR trouble <> '')`
	searchOldestSQL = `SELECT ` + columns + whereSQL + ` ORDER BY id LIMIT ? OFFSET ?`
	searchNewestSQL = `SELECT ` + columns + whereSQL + ` ORDER BY id DESC LIMIT ? OFFSET ?`
	countSQL        = `SELECT COUNT(*) AS rows_found, COALESCE(SUM(amount_fen), 0) AS amount_fen` + whereSQL
)

func (f Filter) args() []any {
	states := f.States
	if len(states) == 0 {
		states = States
	}
	return []any{states, f.Distributor, f.Distributor, f.FromMs, f.UntilMs, f.UntilMs, flag(f.Held), flag(f.Trouble)}
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Search lists withdrawals.
func Search(ctx context.Context, q store.Q, f Filter) ([]Withdrawal, error) {
	text := searchNewestSQL
	if f.Oldest {
		text = searchOldestSQL
	}
	query, args, err := store.In(text, append(f.args(), f.Limit, f.Offset)...)
	if err != nil {
		return nil, fmt.Errorf("search withdrawals: %w", err)
	}
	var list []Withdrawal
	if err := q.Select(ctx, &list, query, args...); err != nil {
		return nil, fmt.Errorf("search withdrawals: %w", err)
	}
	return list, nil
}

// Found is how many withdrawals a filter finds, and how much they are.
type Found struct {
	Rows   int64     `db:"rows_found"`
	Amount money.Fen `db:"amount_fen"`
}

// Count counts what Search would list without a limit.
func Count(ctx context.Context, q store.Q, f Filter) (Found, error) {
	query, args, err := store.In(countSQL, f.args()...)
	if err != nil {
		return Found{}, fmt.Errorf("count withdrawals: %w", err)
	}
	var found Found
	if err := q.Get(ctx, &found, query, args...); err != nil {
		return Found{}, fmt.Errorf("count withdrawals: %w", err)
	}
	return found, nil
}
