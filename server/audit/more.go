package audit

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// pageRows bounds what a look outside of SQL reads at a time.
const pageRows = 1000

type withdrawalRow struct {
	ID     base.WithdrawalID `db:"id"`
	State  string            `db:"state"`
	Amount money.Fen         `db:"amount_fen"`
}

type postingRow struct {
	Ref    string    `db:"ref"`
	Amount money.Fen `db:"amount_fen"`
}

const (
	withdrawalsSQL = `SELECT id, state, amount_fen FROM withdrawal WHERE id > ? ORDER BY id LIMIT ?`
	// postingsSQL sums what each reference put into, or took out of, withdrawing.
	postingsSQL = `
SELECT t.ref, COALESCE(SUM(e.amount_fen), 0) AS amount_fen
FROM ledger_tx t LEFT JOIN ledger_entry e ON e.tx_id = t.id AND e.account = 'withdrawing'
WHERE t.ref IN (?) GROUP BY t.ref`
)

// withdrawalPostings goes through the withdrawals: each has its hold; one that has ended has one way out of it, an open
// one has none.
func withdrawalPostings(ctx context.Context, q store.Q) (wrong []Finding, err error) {
	for after := base.WithdrawalID(0); ; {
		var page []withdrawalRow
		if err := q.Select(ctx, &page, withdrawalsSQL, after, pageRows); err != nil {
			return nil, err
		}
		if len(page) == 0 || len(wrong) >= examplesMax {
			return wrong, nil
		}
		after = page[len(page)-1].ID
		postings, err := postingsOf(ctx, q, page)
		if err != nil {
			return nil, err
		}
		for _, w := range page {
			if f, bad := w.check(postings); bad {
				wrong = append(wrong, f)
			}
		}
	}
}

func postingsOf(ctx context.Context, q store.Q, page []withdrawalRow) (map[string]money.Fen, error) {
	refs := make([]string, 0, 3*len(page))
	for _, w := range page {
		refs = append(refs, "hold:"+w.ID.String(), "release:"+w.ID.String(), "payout:"+w.ID.String())
	}
	query, args, err := store.In(postingsSQL, refs)
	if err != nil {
		return nil, err
	}
	var rows []postingRow
	if err := q.Select(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	out := make(map[string]money.Fen, len(rows))
	for _, r := range rows {
		out[r.Ref] = r.Amount
	}
	return out, nil
}

func (w withdrawalRow) check(postings map[string]money.Fen) (Finding, bool) {
	id := w.ID.String()
	want := map[string]money.Fen{"hold:" + id: w.Amount}
	switch w.State {
	case "requested", "approved", "paying", "awaiting_user":
	case "paid":
		want["payout:"+id] = -w.Amount
	default:
		want["release:"+id] = -w.Amount
	}
	for _, kind := range []string{"hold:", "release:", "payout:"} {
		got, posted := postings[kind+id]
		expected, due := want[kind+id]
		if posted != due || got != expected {
			return Finding{
				Subject: fmt.Sprintf("withdrawal %d (%s) %s%s", int64(w.ID), w.State, kind, id),
				Want:    fmt.Sprintf("posted %t, %d", due, expected), Got: fmt.Sprintf("posted %t, %d", posted, got),
			}, true
		}
	}
	return Finding{}, false
}

type uplineRow struct {
	ID     base.DistributorID `db:"id"`
	Upline base.DistributorID `db:"upline_id"`
}

const uplinesSQL = `SELECT id, upline_id FROM distributor WHERE upline_id > 0`

// uplines walks up from everybody: nobody may come back to himself.
func uplines(ctx context.Context, q store.Q) (wrong []Finding, err error) {
	var rows []uplineRow
	if err := q.Select(ctx, &rows, uplinesSQL); err != nil {
		return nil, err
	}
	up := make(map[base.DistributorID]base.DistributorID, len(rows))
	for _, r := range rows {
		up[r.ID] = r.Upline
	}
	clean := make(map[base.DistributorID]bool, len(rows))
	for _, r := range rows {
		path := map[base.DistributorID]bool{}
		for d := r.ID; d != 0 && !clean[d]; d = up[d] {
			if path[d] {
				wrong = append(wrong, Finding{Subject: fmt.Sprintf("distributor %d", int64(d)), Want: "a forest of uplines", Got: "a cycle"})
				break
			}
			path[d] = true
		}
		for d := range path {
			clean[d] = true
		}
	}
	return wrong, nil
}
