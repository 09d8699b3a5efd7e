package distributor

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

// ChangeKind says what changed of a distributor.
type ChangeKind string

const (
	ChangeAdmitted ChangeKind = "admitted"
	ChangeStatus   ChangeKind = "status"
	ChangeLevel    ChangeKind = "level"
	ChangeUpline   ChangeKind = "upline"
	ChangeName     ChangeKind = "real_name" // that it changed, never what to
)

// Change is one row of a distributor's history. From and To are ids or states as shown, never personal data.
type Change struct {
	Distributor base.DistributorID
	Kind        ChangeKind
	From, To    string
	By          base.Actor
	Reason      string
}

// HistoryRow is a change as it is stored.
type HistoryRow struct {
	ID          int64              `db:"id"`
	Distributor base.DistributorID `db:"distributor_id"`
	AtMs        int64              `db:"at_ms"`
	Actor       string             `db:"actor"`
	Kind        ChangeKind         `db:"kind"`
	From        string             `db:"from_value"`
	To          string             `db:"to_value"`
	Reason      string             `db:"reason"`
}

const (
	historyInsertSQL = `
INSERT INTO distributor_history (id, distributor_id, at_ms, actor, kind, from_value, to_value, reason)
VALUES (:id, :distributor_id, :at_ms, :actor, :kind, :from_value, :to_value, :reason)`
	historySQL = `
SELECT id, distributor_id, at_ms, actor, kind, from_value, to_value, reason
FROM distributor_history WHERE distributor_id = ? ORDER BY id`
)

func record(ctx context.Context, tx *store.Tx, c Change) error {
	r := HistoryRow{tx.NextID(), c.Distributor, tx.NowMs(), c.By.String(), c.Kind, c.From, c.To, c.Reason}
	if err := tx.Insert(ctx, historyInsertSQL, r); err != nil {
		return fmt.Errorf("write distributor history: %w", err)
	}
	return nil
}

// History lists what happened to a distributor, oldest first.
func History(ctx context.Context, q store.Q, id base.DistributorID) ([]HistoryRow, error) {
	var rows []HistoryRow
	if err := q.Select(ctx, &rows, historySQL, id); err != nil {
		return nil, fmt.Errorf("read distributor history: %w", err)
	}
	return rows, nil
}
