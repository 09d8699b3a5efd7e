package view

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// PendingPart is one part of what a distributor has pending, by what it waits for.
type PendingPart struct {
	Stage      string    `db:"stage"` // awaiting_goods, in_window, settling
	Amount     money.Fen `db:"amount_fen"`
	EarliestMs int64     `db:"earliest_ms"` // in_window: when the first of it may ripen; else 0
}

const pendingPartsSQL = `
SELECT CASE WHEN c.period > 0 THEN 'settling' WHEN c.due_ms > 0 THEN 'in_window' ELSE 'awaiting_goods' END AS stage,
  COALESCE(SUM(c.amount_fen), 0) AS amount_fen,
  COALESCE(MIN(CASE WHEN c.period = 0 AND c.kind = 'accrual' AND c.due_ms > 0 THEN c.due_ms END), 0) AS earliest_ms
FROM commission c LEFT JOIN statement s ON c.period > 0 AND s.distributor_id = c.payee_id AND s.cycle = c.cycle AND s.period = c.period
WHERE c.payee_id = ? AND c.kind <> 'reversal_late' AND (s.id IS NULL OR s.state <> 'posted')
GROUP BY CASE WHEN c.period > 0 THEN 'settling' WHEN c.due_ms > 0 THEN 'in_window' ELSE 'awaiting_goods' END ORDER BY stage`

// PendingParts says what a distributor's pending commissions wait for. They add up to the pending balance.
func PendingParts(ctx context.Context, q store.Q, d base.DistributorID) ([]PendingPart, error) {
	var parts []PendingPart
	if err := q.Select(ctx, &parts, pendingPartsSQL, d); err != nil {
		return nil, fmt.Errorf("read what pending commissions wait for: %w", err)
	}
	return parts, nil
}

// PayeeLabel is what a payee is called on lists.
type PayeeLabel struct {
	ID       base.DistributorID `db:"id"`
	Nickname string             `db:"nickname"`
	Status   string             `db:"status"`
	LevelZH  string             `db:"name_zh"`
	LevelEN  string             `db:"name_en"`
}

const payeeLabelsSQL = `
SELECT d.id, c.nickname, d.status, l.name_zh, l.name_en
FROM distributor d JOIN customer c ON c.id = d.customer_id JOIN level l ON l.id = d.level_id WHERE d.id IN (?)`

// PayeeLabels finds what distributors are called.
func PayeeLabels(ctx context.Context, q store.Q, ids []base.DistributorID) (map[base.DistributorID]PayeeLabel, error) {
	out := make(map[base.DistributorID]PayeeLabel, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	query, args, err := store.In(payeeLabelsSQL, ids)
	if err != nil {
		return nil, fmt.Errorf("read names of payees: %w", err)
	}
	var rows []PayeeLabel
	if err := q.Select(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("read names of payees: %w", err)
	}
	for _, r := range rows {
		out[r.ID] = r
	}
	return out, nil
}
