package doors_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/config"
	"fenxiao/e2e/shop"
	"fenxiao/server/base"
	"fenxiao/server/play"
)

// withProxy makes the shop believe the addresses that requests say they come from.
func withProxy(o shop.Options, more func(*config.Config)) shop.Options {
	o.Fit = func(c *config.Config) {
		c.HTTP.TrustedProxies = []string{"127.0.0.1"}
		if more != nil {
			more(c)
		}
	}
	return o
}

// workInProgress leaves something open for every decision: a refund asked for, a withdrawal requested, a draft of a rule,
// an application, an adjustment that waits for the second person, a hold.
func (w *walk) workInProgress(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	refund := map[string]any{"reason": "不想要了", "lines": []map[string]any{{"line_id": w.Paid.Lines[0].ID, "qty": 1}}}
	require.NoError(t, w.Buyer.Post(ctx, "/api/v1/orders/"+w.Paid.ID+"/refunds", refund, nil))
	_, err := w.Leader.Withdraw(ctx, shop.Earned)
	require.NoError(t, err)
	rule := map[string]any{"name": "新规则", "scope_kind": "all", "payee": "seller", "kind": "rate", "rate_bps": 500}
	require.NoError(t, w.Owner.Post(ctx, "/api/admin/v1/commission-rules", map[string]any{"rule": rule}, nil))
	adjust := map[string]any{"distributor_id": w.Leader.ID, "amount_fen": 100, "reason": "补发"}
	require.NoError(t, w.Owner.Post(ctx, "/api/admin/v1/adjustments", adjust, nil))
	hold := map[string]any{"line_id": w.Paid.Lines[0].ID, "reason": "核查", "until": w.Clock.Now().Add(240 * time.Hour)}
	require.NoError(t, w.Owner.Post(ctx, "/api/admin/v1/commission-holds", hold, nil))
	applicant := w.Customer("applicant")
	var terms struct {
		Version string `json:"agreement_version"`
	}
	require.NoError(t, applicant.Get(ctx, "/api/v1/distributor-terms", &terms))
	require.NoError(t, applicant.Post(ctx, "/api/v1/applications", map[string]string{"agreement_version": terms.Version}, nil))
	_, err = play.Scan(ctx, w.newcomer, w.rival.Code.Scene)
	require.NoError(t, err)
}

// known finds an id of every kind: the buyer's and the leader's.
func (w *walk) known(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{
		"or": w.Paid.ID, "ol": w.Paid.Lines[0].ID, "di": w.Leader.ID, "pc": w.Leader.Code.ID,
		"pr": w.Coffee.ID, "sk": w.Coffee.SKUs[0].ID,
	}
	keep(t, w, out, "cu", "SELECT o.customer_id FROM shop_order o ORDER BY o.id LIMIT 1", func(n int64) fmt.Stringer { return base.CustomerID(n) })
	keep(t, w, out, "ap", "SELECT id FROM distributor_application ORDER BY id LIMIT 1", func(n int64) fmt.Stringer { return base.ApplicationID(n) })
	keep(t, w, out, "lv", "SELECT id FROM level ORDER BY id LIMIT 1", func(n int64) fmt.Stringer { return base.LevelID(n) })
	keep(t, w, out, "tc", "SELECT id FROM territory_contract ORDER BY id LIMIT 1", func(n int64) fmt.Stringer { return base.ContractID(n) })
	keep(t, w, out, "fu", "SELECT id FROM fulfilment ORDER BY id LIMIT 1", func(n int64) fmt.Stringer { return base.FulfilmentID(n) })
	keep(t, w, out, "rf", "SELECT id FROM refund ORDER BY id LIMIT 1", func(n int64) fmt.Stringer { return base.RefundID(n) })
	keep(t, w, out, "ru", "SELECT id FROM commission_rule ORDER BY id DESC LIMIT 1", func(n int64) fmt.Stringer { return base.RuleID(n) })
	keep(t, w, out, "cm", "SELECT id FROM commission WHERE cycle = 'weekly' ORDER BY id LIMIT 1", func(n int64) fmt.Stringer { return base.CommissionID(n) })
	keep(t, w, out, "st", "SELECT id FROM statement WHERE cycle = 'weekly' ORDER BY id LIMIT 1", func(n int64) fmt.Stringer { return base.StatementID(n) })
	keep(t, w, out, "wd", "SELECT id FROM withdrawal ORDER BY id LIMIT 1", func(n int64) fmt.Stringer { return base.WithdrawalID(n) })
	keep(t, w, out, "ad", "SELECT id FROM admin ORDER BY id LIMIT 1", func(n int64) fmt.Stringer { return base.AdminID(n) })
	keep(t, w, out, "ev", "SELECT id FROM inbox ORDER BY id LIMIT 1", func(n int64) fmt.Stringer { return base.EventID(n) })
	return out
}

func keep(t *testing.T, w *walk, ids map[string]string, prefix, query string, show func(int64) fmt.Stringer) {
	t.Helper()
	var n int64
	require.NoError(t, w.App.DB.Q().Get(t.Context(), &n, query), prefix)
	ids[prefix] = show(n).String()
	require.Equal(t, prefix, ids[prefix][:2])
}

// nobodys is an id of a kind that belongs to nothing.
func nobodys(prefix string) string { return prefix + "0000000000001" }
