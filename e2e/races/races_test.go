package races_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/flow"
	"fenxiao/server/play"
	"fenxiao/server/wechat/sim"
)

// TestRaces plays all races one after the other in one shop: what an earlier one left must not spoil a later one.
func TestRaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	for _, race := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"200 scans of different codes by one customer", w.scans},
		{"50 withdrawals of the full balance", w.withdrawals},
		{"approve and reject together", w.decisions},
		{"the same payment notification 20 times", w.notifications},
		{"the last unit for 100 buyers", w.lastUnit},
		{"settlement run twice", w.settlements},
		{"a late reversal against a withdrawal", w.reversals},
	} {
		ok := t.Run(race.name, func(t *testing.T) {
			race.run(t)
			w.proved(t)
		})
		if !ok {
			return // the next one would fail for this one's reason
		}
	}
}

func (w *world) scans(t *testing.T) {
	const each, owners = 67, 3
	people := []*play.Distributor{w.Leader, w.Partner, w.rival}
	crowd := w.Customer("crowd")
	w.fresh(t, crowd, w.Leader.Person, w.Partner.Person, w.rival.Person)
	codes := make([]play.Code, each*owners)
	made := atOnce(t, len(codes), func(ctx context.Context, i int) error {
		in := map[string]any{"target": map[string]string{"kind": "shop"}, "channel": fmt.Sprintf("scan%d", i)}
		return w.at(people[i%owners].Person, i).Post(ctx, "/api/v1/codes", in, &codes[i])
	})
	require.Equal(t, map[string]int{"": len(codes)}, made)
	bindings := w.count(t, "SELECT COUNT(*) FROM binding")
	touches := make([]play.Touch, 200)
	got := atOnce(t, len(touches), func(ctx context.Context, i int) error {
		in := map[string]string{"kind": "scan", "scene": codes[i].Scene}
		return w.at(crowd, i).Post(ctx, "/api/v1/touches", in, &touches[i])
	})
	require.Equal(t, map[string]int{"": 200}, got)
	reasons := map[string]int{}
	for _, touch := range touches {
		reasons[touch.Reason]++
		require.Equal(t, touch.Reason == "bound_first", touch.Bound)
	}
	require.Equal(t, 1, reasons["bound_first"], "%v", reasons)
	require.Equal(t, 199, reasons["already_bound"]+reasons["protected"], "%v", reasons)
	require.Equal(t, bindings+1, w.count(t, "SELECT COUNT(*) FROM binding"))
}

// withdrawals asks over HTTP as often as the limit by rate lets one person ask and leaves some for the other races, and
// behind the doors for the rest.
func (w *world) withdrawals(t *testing.T) {
	const all, overHTTP = 50, 4
	w.fresh(t, w.Leader.Person)
	before := w.wallet(t)
	require.Equal(t, shop.Earned, before.Available)
	got := atOnce(t, all, func(ctx context.Context, i int) error {
		if i < overHTTP {
			return w.at(w.Leader.Person, i).Post(ctx, "/api/v1/distributor/withdrawals", map[string]any{"amount_fen": before.Available}, nil)
		}
		return w.withdraw(ctx, i, before.Available)
	})
	require.Equal(t, map[string]int{"": 1, "withdrawal.insufficient_available": all - 1}, got)
	require.Equal(t, play.Wallet{Withdrawing: before.Available, Pending: before.Pending}, w.wallet(t))
}

// withdraw asks for the leader, past the limit by rate.
func (w *world) withdraw(ctx context.Context, replica int, amount money.Fen) error {
	var leader base.DistributorID
	if err := leader.UnmarshalText([]byte(w.Leader.ID)); err != nil {
		return err
	}
	f := w.apps[replica%len(w.apps)].Flow
	_, err := f.RequestWithdrawal(ctx, flow.WithdrawInput{ID: base.WithdrawalID(f.DB.Mint.Next()), Distributor: leader, Amount: amount})
	return err
}

// decisions begins with the withdrawal that won before.
func (w *world) decisions(t *testing.T) {
	ctx := t.Context()
	for round := range 4 {
		w.fresh(t, w.Leader.Person, w.Owner, w.Finance)
		open := w.open(t)
		got := atOnce(t, 12, func(ctx context.Context, i int) error {
			who, what, word := w.Owner, "approve", "note"
			if i%2 == 1 {
				who, what, word = w.Finance, "reject", "reason"
			}
			body := map[string]any{"version": open.Version, word: "同时"}
			return w.at(who, i/2).Post(ctx, "/api/admin/v1/withdrawals/"+open.ID+"/"+what, body, nil)
		})
		require.Equal(t, 1, got[""], "round %d: %v", round, got)
		require.Equal(t, 11, got["withdrawal.moved"]+got["withdrawal.version_changed"], "round %d: %v", round, got)
		now, err := w.Leader.Withdrawal(ctx, open.ID)
		require.NoError(t, err)
		require.Contains(t, []string{"approved", "rejected"}, now.State)
		moves := "SELECT COUNT(*) FROM withdrawal_move WHERE withdrawal_id = ? AND to_state = ?"
		require.Equal(t, 1, w.count(t, moves, idOf(t, open.ID), now.State))
		if now.State == "approved" {
			require.NoError(t, w.Leader.Post(ctx, "/api/v1/distributor/withdrawals/"+open.ID+"/cancel", nil, nil))
		}
		back := w.wallet(t)
		require.Equal(t, shop.Earned, back.Available)
		require.Zero(t, back.Withdrawing)
		if round < 3 {
			require.NoError(t, w.withdraw(ctx, round, shop.Earned))
		}
	}
}

// open is the leader's one withdrawal that waits for a decision, as an admin sees it.
func (w *world) open(t *testing.T) play.Withdrawal {
	t.Helper()
	var list struct {
		Items []play.Withdrawal `json:"items"`
	}
	require.NoError(t, w.Owner.Get(t.Context(), "/api/admin/v1/withdrawals?state=requested", &list))
	require.Len(t, list.Items, 1)
	return list.Items[0]
}

func idOf(t *testing.T, text string) (id base.WithdrawalID) {
	t.Helper()
	require.NoError(t, id.UnmarshalText([]byte(text)))
	return id
}

// notifications also lets the customer come back from paying, at both replicas, while WeChat notifies.
func (w *world) notifications(t *testing.T) {
	ctx := t.Context()
	w.fresh(t, w.Buyer)
	pending := w.pending(t)
	order := w.Order(t, w.Buyer, 1)
	prepay, err := play.PrepayID(ctx, w.Buyer, order.ID)
	require.NoError(t, err)
	require.NoError(t, w.WX.AddFault(sim.Fault{
		Match:  sim.Match{Method: "NOTIFY", Path: "TRANSACTION.SUCCESS", Times: 1},
		Action: sim.Action{Notify: sim.NotifyConcurrent, NotifyN: 20},
	}))
	came := w.notified(t)
	got := atOnce(t, 7, func(ctx context.Context, i int) error {
		if i == 0 {
			return w.WX.Pay(ctx, prepay)
		}
		return w.at(w.Buyer, i).Post(ctx, "/api/v1/orders/"+order.ID+"/confirm-payment", nil, nil)
	})
	require.Equal(t, map[string]int{"": 7}, got)
	require.NoError(t, play.AwaitOrder(ctx, w.Buyer, order.ID, "paid"))
	require.NoError(t, play.Await(ctx, func(context.Context) (bool, error) { return w.notified(t)-came >= 20, nil }))
	w.WX.ClearFaults()
	w.Settle(t)
	var id base.OrderID
	require.NoError(t, id.UnmarshalText([]byte(order.ID)))
	require.Equal(t, 2, w.count(t, "SELECT COUNT(*) FROM commission WHERE order_id = ?", id), "the seller's and the partner's")
	require.Equal(t, 1, w.count(t, "SELECT COUNT(*) FROM payment WHERE order_id = ? AND state = 'captured'", id))
	require.Equal(t, pending+1_198, w.pending(t), "⌊12 % of 99.90⌋ once")
}

func (w *world) pending(t *testing.T) money.Fen {
	t.Helper()
	return w.wallet(t).Pending
}

// notified is how many notifications of WeChat the replicas have answered.
func (w *world) notified(t *testing.T) (n float64) {
	t.Helper()
	for _, a := range w.apps {
		families, err := a.Metrics.Registry.Gather()
		require.NoError(t, err)
		for _, family := range families {
			if family.GetName() != "fenxiao_http_requests_total" {
				continue
			}
			for _, m := range family.GetMetric() {
				for _, label := range m.GetLabel() {
					if label.GetValue() == "notify-wechat-pay" {
						n += m.GetCounter().GetValue()
					}
				}
			}
		}
	}
	return n
}

func (w *world) lastUnit(t *testing.T) {
	const buyers = 100
	rare, err := w.EnterProduct(t.Context(), "孤品茶壶", "home", play.NewSKU{Name: "一把", Price: 8_800, Cost: -1, Stock: 1})
	require.NoError(t, err)
	crowd := make([]*play.Person, buyers)
	in := atOnce(t, buyers, func(ctx context.Context, i int) error {
		crowd[i] = w.Customer(fmt.Sprintf("buyer%03d", i))
		return crowd[i].Fresh(ctx)
	})
	require.Equal(t, map[string]int{"": buyers}, in)
	got := atOnce(t, buyers, func(ctx context.Context, i int) error {
		body := map[string]any{"items": []play.Item{{SKU: rare.SKUs[0].ID, Qty: 1}}, "address": shop.Home, "expected_total_fen": 8_800}
		return w.at(crowd[i], i).Post(ctx, "/api/v1/orders", body, nil)
	})
	require.Equal(t, map[string]int{"": 1, "stock.insufficient": buyers - 1}, got)
	var sku base.SKUID
	require.NoError(t, sku.UnmarshalText([]byte(rare.SKUs[0].ID)))
	require.Equal(t, 1, w.count(t, "SELECT COUNT(*) FROM order_line WHERE sku_id = ?", sku))
	require.Equal(t, 1, w.count(t, "SELECT reserved FROM stock WHERE sku_id = ?", sku))
}

// settlements ripens the paid orders of two sellers in one week and then drafts, opens, confirms and posts that week's
// statements, each from both replicas, by the jobs and past their leases.
func (w *world) settlements(t *testing.T) {
	ctx := t.Context()
	stranger := w.Customer("stranger")
	touch, err := play.Scan(ctx, stranger, w.rival.Code.Scene)
	require.NoError(t, err)
	require.True(t, touch.Bound)
	theirs := w.Order(t, stranger, 3)
	require.NoError(t, w.PayOrder(ctx, stranger, theirs.ID))
	require.NoError(t, w.Ship(ctx, theirs.ID, "ZT1001"))
	require.NoError(t, w.Ship(ctx, w.Paid.ID, "ZT1002"))
	require.NoError(t, play.Receive(ctx, stranger, theirs.ID, ""))
	require.NoError(t, play.Receive(ctx, w.Buyer, w.Paid.ID, ""))
	w.Pass(t, 7*24*time.Hour+time.Minute)
	period := base.PeriodOf(base.Weekly, w.Clock.Now())
	require.Zero(t, w.count(t, "SELECT COUNT(*) FROM statement WHERE cycle = 'weekly' AND period = ?", period.First))
	before := w.wallet(t)

	w.Manual.Set(period.End().Add(time.Hour))
	w.settleAtOnce(t, "draft_statements", (*flow.Flow).DraftStatements)
	require.Equal(t, 2, w.count(t, "SELECT COUNT(*) FROM statement WHERE cycle = 'weekly' AND period = ?", period.First), "one each")
	w.settleAtOnce(t, "open_statements", (*flow.Flow).OpenStatements)
	w.Manual.Advance(4 * 24 * time.Hour)
	w.settleAtOnce(t, "confirm_statements", (*flow.Flow).ConfirmDue)
	w.settleAtOnce(t, "post_statements", (*flow.Flow).PostStatements)
	require.Equal(t, 2, w.count(t, "SELECT COUNT(*) FROM statement WHERE cycle = 'weekly' AND period = ? AND state = 'posted'", period.First))
	after, want := w.wallet(t), money.Fen(2_397) // ⌊12 % of two bags⌋
	require.Equal(t, before.Available+want, after.Available)
	require.Equal(t, before.Pending-want, after.Pending)
	rival, err := w.rival.Wallet(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 3_596, rival.Available, "⌊12 %% of three bags⌋")
}

// settleAtOnce does a step of the settlement eight times at once.
func (w *world) settleAtOnce(t *testing.T, job string, step func(*flow.Flow, context.Context, int) (int, error)) {
	t.Helper()
	w.fresh(t, w.Owner)
	got := atOnce(t, 8, func(ctx context.Context, i int) error {
		if i < 2 {
			return w.at(w.Owner, i).Post(ctx, "/api/admin/v1/jobs/"+job+"/run", nil, nil)
		}
		_, err := step(w.apps[i%len(w.apps)].Flow, ctx, 500)
		return err
	})
	require.Positive(t, got[""], "%s: %v", job, got)
}

// reversals gives back one bag of an order that was settled long ago while its seller withdraws everything.
func (w *world) reversals(t *testing.T) {
	ctx := t.Context()
	line := w.Settled.Lines[0]
	for bags := range money.Fen(5) {
		w.fresh(t, w.Leader.Person, w.Owner)
		before := w.wallet(t)
		got := atOnce(t, 2, func(ctx context.Context, i int) error {
			if i == 0 {
				return w.at(w.Leader.Person, i).Post(ctx, "/api/v1/distributor/withdrawals", map[string]any{"amount_fen": before.Available}, nil)
			}
			in := map[string]any{"reason": "迟来的退款", "lines": []play.RefundLine{{Line: line.ID, Qty: 1}}}
			return w.at(w.Owner, i).Post(ctx, "/api/admin/v1/orders/"+w.Settled.ID+"/refunds", in, nil)
		})
		reversed := shop.Earned*(bags+1)/10 - shop.Earned*bags/10 // ⌊row × refunded so far ÷ base⌋, bag by bag
		wallet := w.wallet(t)
		require.Equal(t, owned(before)-reversed, owned(wallet), "%v", got)
		switch won := wallet.Withdrawing > 0; {
		case won:
			require.Equal(t, map[string]int{"": 2}, got)
			require.Equal(t, play.Wallet{Withdrawing: before.Available, Debt: -reversed, Pending: before.Pending}, wallet)
			w.proved(t)
			_, err := play.Reject(ctx, w.Owner, w.open(t).ID)
			require.NoError(t, err)
			require.Equal(t, before.Available-reversed, w.wallet(t).Available, "what comes back repays the debt first")
		default:
			require.Equal(t, map[string]int{"": 1, "withdrawal.insufficient_available": 1}, got)
		}
	}
}
