package audit

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
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

type uplineShareRow struct {
	ID        int64 `db:"id"`
	CreatedMs int64 `db:"created_ms"`
}

const uplineSharesSQL = `SELECT id, created_ms FROM share WHERE tier = 'upline' ORDER BY id`

// peopleRules is what of the rules about people SQL cannot say.
func peopleRules(ctx context.Context, q store.Q) ([]Finding, error) {
	wrong, err := uplines(ctx, q)
	if err != nil {
		return nil, err
	}
	var shares []uplineShareRow
	if err := q.Select(ctx, &shares, uplineSharesSQL); err != nil {
		return nil, err
	}
	for _, s := range shares {
		terms, err := commission.TermsAt(ctx, q, base.Time(s.CreatedMs))
		if err != nil {
			return nil, err
		}
		if !terms.Upline && len(wrong) < examplesMax {
			wrong = append(wrong, Finding{Subject: fmt.Sprintf("share %d", s.ID), Want: "no upline share while that payee is off", Got: "one"})
		}
	}
	return wrong, nil
}

type reversedRow struct {
	ID       int64     `db:"id"`
	Amount   money.Fen `db:"amount_fen"`
	Base     money.Fen `db:"base_fen"`
	Refunded money.Fen `db:"refunded_fen"`
	Reversed money.Fen `db:"reversed_fen"`
}

// reversedSQL sums what was reversed of each accrual that no later revision replaces.
const reversedSQL = `
SELECT a.id, a.amount_fen, a.base_fen, l.refunded_fen,
  COALESCE((SELECT -SUM(r.amount_fen) FROM commission r WHERE r.share_id = a.share_id AND r.kind IN ('reversal_early', 'reversal_late')), 0) AS reversed_fen
FROM commission a JOIN order_line l ON l.id = a.line_id
WHERE a.kind = 'accrual' AND NOT EXISTS (SELECT 1 FROM share n WHERE n.line_id = a.line_id AND n.tier = a.tier AND n.revision > a.revision)`

// reversals recomputes what the refunds of a line so far must have taken back: no more, and no less.
func reversals(ctx context.Context, q store.Q) (wrong []Finding, err error) {
	err = q.Each(ctx, reversedSQL, func(rows *sqlx.Rows) error {
		var r reversedRow
		if err := rows.StructScan(&r); err != nil {
			return err
		}
		if want := r.dueBack(); want != r.Reversed && len(wrong) < examplesMax {
			wrong = append(wrong, Finding{
				Subject: fmt.Sprintf("commission %d reversed", r.ID), Want: fmt.Sprint(int64(want)), Got: fmt.Sprint(int64(r.Reversed)),
			})
		}
		return nil
	})
	return wrong, err
}

func (r reversedRow) dueBack() money.Fen {
	if r.Refunded >= r.Base || r.Base <= 0 || r.Refunded < 0 {
		return r.Amount // more than all is a finding of its own
	}
	return r.Amount.Part(r.Refunded, r.Base)
}
