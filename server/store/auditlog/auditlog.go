// Package auditlog writes down who changed money, rights or rules, with before and after.
package auditlog

import (
	"context"
	"encoding/json"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/reqid"
	"fenxiao/server/store"
)

// Entry is one change. Before and After are written as JSON; nil is "". They hold no personal data and no secrets. An
// empty RequestID is that of the context.
type Entry struct {
	ID        int64 // minted by the caller, who keeps it for every retry
	Actor     base.Actor
	Action    string // "withdrawal.approve"
	Object    string // the id, as shown
	Before    any
	After     any
	Reason    string
	RequestID string
}

// Row is an entry as it is stored.
type Row struct {
	ID        int64  `db:"id"`
	AtMs      int64  `db:"at_ms"`
	Actor     string `db:"actor"`
	Action    string `db:"action"`
	Object    string `db:"object"`
	Before    string `db:"before_json"`
	After     string `db:"after_json"`
	Reason    string `db:"reason"`
	RequestID string `db:"request_id"`
}

const insertSQL = `
INSERT INTO audit_log (id, at_ms, actor, action, object, before_json, after_json, reason, request_id)
VALUES (:id, :at_ms, :actor, :action, :object, :before_json, :after_json, :reason, :request_id)`

// Write stores entries in the transaction that makes the changes.
func Write(ctx context.Context, tx *store.Tx, entries ...Entry) error {
	rows := make([]Row, len(entries))
	for i, e := range entries {
		before, err := text(e.Before)
		if err != nil {
			return err
		}
		after, err := text(e.After)
		if err != nil {
			return err
		}
		if e.RequestID == "" {
			e.RequestID = reqid.Of(ctx)
		}
		rows[i] = Row{e.ID, tx.NowMs(), e.Actor.String(), e.Action, e.Object, before, after, e.Reason, e.RequestID}
	}
	if err := tx.Insert(ctx, insertSQL, rows); err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

func text(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write audit log: %w", err)
	}
	return string(b), nil
}

const byObjectSQL = `
SELECT id, at_ms, actor, action, object, before_json, after_json, reason, request_id
FROM audit_log WHERE object = ? ORDER BY id`

// Of lists what happened to one object, oldest first.
func Of(ctx context.Context, q store.Q, object string) ([]Row, error) {
	var rows []Row
	err := q.Select(ctx, &rows, byObjectSQL, object)
	return rows, err
}
