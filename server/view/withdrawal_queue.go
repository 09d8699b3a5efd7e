package view

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// WithdrawalScope narrows the withdrawals down that are counted; zero values do not.
type WithdrawalScope struct {
	Distributor base.DistributorID
	But         base.WithdrawalID // left out
	FromMs      int64             // requested from
	UntilMs     int64             // requested before
	Held        bool              // only those on hold
	Trouble     bool              // only those that a person should look at
}

// WithdrawalCount is how many withdrawals are in a state, and how much they are.
type WithdrawalCount struct {
	State  string    `db:"state"`
	Count  int64     `db:"rows_found"`
	Amount money.Fen `db:"amount_fen"`
}

const withdrawalCountsSQL = `
SELECT state, COUNT(*) AS rows_found, COALESCE(SUM(amount_fen), 0) AS amount_fen FROM withdrawal
WHERE (? = 0 OR distributor_id = ?) AND id <> ? AND requested_ms >= ? AND (? = 0 OR requested_ms < ?)
  AND (? = 0 OR held_ms > 0) AND (? = 0 OR trouble <> '') GROUP BY state`

// WithdrawalCounts counts withdrawals by state; states without any are not listed.
func WithdrawalCounts(ctx context.Context, q store.Q, s WithdrawalScope) (map[string]WithdrawalCount, error) {
	var rows []WithdrawalCount
	err := q.Select(ctx, &rows, withdrawalCountsSQL, s.Distributor, s.Distributor, s.But, s.FromMs, s.UntilMs, s.UntilMs, flag(s.Held), flag(s.Trouble))
	if err != nil {
		return nil, fmt.Errorf("count withdrawals by state: %w", err)
	}
	out := make(map[string]WithdrawalCount, len(rows))
	for _, r := range rows {
		out[r.State] = r
	}
	return out, nil
}

// flag is how a yes or no stands in a statement.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
