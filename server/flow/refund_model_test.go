package flow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

// refundStep is one thing that happens to an order in a script.
type refundStep struct {
	Kind   string // qty, amount, all, over_all, freight, whole, outside, back; send_one, deliver, ripen, next_month
	Line   int
	Qty    int64
	Amount money.Fen
}

type refundScript struct {
	Qty   [2]int64
	Steps []refundStep
}

var scripts = rapid.Custom(func(t *rapid.T) refundScript {
	s := refundScript{Qty: [2]int64{rapid.Int64Range(1, 4).Draw(t, "first"), rapid.Int64Range(0, 3).Draw(t, "second")}}
	kinds := []string{"qty", "qty", "amount", "amount", "all", "over_all", "freight", "whole", "outside", "back", "send_one", "deliver", "ripen", "next_month"}
	s.Steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) refundStep {
		return refundStep{
			Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Line: rapid.IntRange(0, 1).Draw(t, "line"), Qty: rapid.Int64Range(1, 3).Draw(t, "qty"),
			Amount: money.Fen(rapid.Int64Range(1, 12_000).Draw(t, "amount")),
		}
	}), 1, 9).Draw(t, "steps")
	return s
})

// refundModel is what the figures must be, by plain arithmetic over one order.
type refundModel struct {
	lines   []modelLine
	freight money.Fen
	total   money.Fen // refunded of this order

	delivered bool
	ripeAt    time.Time // zero: not ripe
	clock     clock.Clock

	cycle         map[base.DistributorID]base.Cycle
	pending, debt map[base.DistributorID]money.Fen
}

type modelLine struct {
	net, refunded    money.Fen
	qty, refundedQty int64
	accrued, taken   map[base.DistributorID]money.Fen
}

// give is the model's refund: amounts and quantities by line. It says whether it fits.
func (m *refundModel) give(amounts []money.Fen, qty []int64, freight money.Fen) bool {
	sum := freight
	for i, l := range m.lines {
		sum += amounts[i]
		if l.refunded+amounts[i] > l.net || l.refundedQty+qty[i] > l.qty {
			return false
		}
	}
	any := sum > 0
	for _, q := range qty {
		any = any || q > 0
	}
	if !any || freight > m.freight {
		return false
	}
	m.total, m.freight = m.total+sum, m.freight-freight
	for i := range m.lines {
		l := &m.lines[i]
		l.refunded, l.refundedQty = l.refunded+amounts[i], l.refundedQty+qty[i]
		if amounts[i] > 0 {
			m.reverse(l)
		}
	}
	return true
}

// reverse brings what was taken back of each payee to ⌊accrued × refunded / net⌋.
func (m *refundModel) reverse(l *modelLine) {
	for payee, accrued := range l.accrued {
		due := accrued * l.refunded / l.net
		more := due - l.taken[payee]
		l.taken[payee] = due
		if m.late(payee) {
			m.debt[payee] -= more
		} else {
			m.pending[payee] -= more
		}
	}
}

// late says whether the period in which a payee's rows became ripe is over.
func (m *refundModel) late(payee base.DistributorID) bool {
	return !m.ripeAt.IsZero() && !m.clock.Now().Before(base.PeriodOf(m.cycle[payee], m.ripeAt).End())
}

// plan turns a step into amounts and quantities by line.
func (m *refundModel) plan(s refundStep) (amounts []money.Fen, qty []int64, freight money.Fen) {
	amounts, qty = make([]money.Fen, len(m.lines)), make([]int64, len(m.lines))
	l := m.lines[s.Line]
	switch s.Kind {
	case "qty", "back":
		qty[s.Line] = s.Qty
		upTo := func(n int64) money.Fen { return l.net * money.Fen(n) / money.Fen(l.qty) }
		amounts[s.Line] = min(upTo(l.refundedQty+s.Qty)-upTo(l.refundedQty), l.net-l.refunded)
		if l.refundedQty+s.Qty == l.qty {
			amounts[s.Line] = l.net - l.refunded
		}
	case "amount":
		amounts[s.Line] = s.Amount
	case "all":
		qty[s.Line], amounts[s.Line] = l.qty-l.refundedQty, l.net-l.refunded
	case "freight":
		freight = min(s.Amount, 300)
	case "whole":
		freight = m.freight
		for i, l := range m.lines {
			qty[i], amounts[i] = l.qty-l.refundedQty, l.net-l.refunded
		}
	case "over_all", "outside":
		freight = m.spread(s, amounts)
	}
	return amounts, qty, freight
}

// spread divides an amount by what is left of each line; what WeChat gave back beyond the goods is freight.
func (m *refundModel) spread(s refundStep, amounts []money.Fen) (freight money.Fen) {
	weights := make([]money.Fen, len(m.lines))
	var goods money.Fen
	for i, l := range m.lines {
		weights[i] = l.net - l.refunded
		goods += weights[i]
	}
	amount := s.Amount
	if s.Kind == "outside" {
		amount = min(amount, goods)
		freight = s.Amount - amount
	}
	copy(amounts, money.Split(amount, weights))
	return freight
}

func newRefundModel(s *shop, d order.Detail, m *refundModel) {
	m.freight, m.clock = d.Order.Freight, s.clock
	m.cycle = map[base.DistributorID]base.Cycle{s.seller.ID: base.Weekly, s.partner.ID: base.Monthly}
	for _, l := range d.Lines {
		ml := modelLine{net: l.Net, qty: l.Qty, taken: map[base.DistributorID]money.Fen{}, accrued: map[base.DistributorID]money.Fen{
			s.seller.ID: l.Net * 1_200 / 10_000, s.partner.ID: 100 * money.Fen(l.Qty),
		}}
		for payee, a := range ml.accrued {
			m.pending[payee] += a
		}
		m.lines = append(m.lines, ml)
	}
}

// play runs a script against the shop and the model, and compares after every step.
func (m *refundModel) play(t require.TestingT, s *shop, script refundScript) {
	s.buyer = s.bound()
	m.pending, m.debt = map[base.DistributorID]money.Fen{}, map[base.DistributorID]money.Fen{}
	for _, payee := range []base.DistributorID{s.seller.ID, s.partner.ID} {
		w, err := ledger.WalletOf(s.t.Context(), s.db.Q(), payee)
		require.NoError(t, err)
		m.pending[payee], m.debt[payee] = s.pendingOf(payee), w.Debt // what earlier orders left
	}
	for _, sku := range s.product.SKUs {
		s.stocks(sku.ID, 10) // however many scripts are run
	}
	d := s.buys(script.Qty[0], script.Qty[1])
	newRefundModel(s, d, m)
	p, _ := d.Counting()
	for _, step := range script.Steps {
		step.Line = min(step.Line, len(d.Lines)-1)
		m.step(t, s, d.Order.ID, p, step)
		for _, payee := range []base.DistributorID{s.seller.ID, s.partner.ID} {
			require.Equal(t, m.pending[payee], s.pendingOf(payee), "pending after %+v", step)
			w, err := ledger.WalletOf(s.t.Context(), s.db.Q(), payee)
			require.NoError(t, err)
			require.Equal(t, ledger.Wallet{Debt: m.debt[payee]}, w, "wallet after %+v", step)
		}
		now := s.look(d.Order.ID)
		require.Equal(t, m.total, now.Order.Refunded)
		s.goodsAgree(t, now)
		for i, l := range now.Lines {
			require.Equal(t, m.lines[i].refunded, l.Refunded)
			require.Equal(t, m.lines[i].refundedQty, l.RefundedQty)
		}
	}
}

func (m *refundModel) step(t require.TestingT, s *shop, id base.OrderID, p order.Payment, step refundStep) {
	d := s.look(id)
	switch step.Kind {
	case "send_one":
		for _, f := range d.Fulfilments {
			if f.State == order.Allocated {
				one := make([]int64, len(d.Lines))
				for i, l := range d.Lines {
					if l.ID == f.Lines[0].Line {
						one[i] = 1
					}
				}
				s.ships(d, one...)
			}
		}
	case "deliver":
		if slices.ContainsFunc(d.Fulfilments, func(f order.Fulfilment) bool { return f.State == order.Allocated }) {
			d = s.ships(d)
		}
		if slices.ContainsFunc(d.Fulfilments, func(f order.Fulfilment) bool { return f.State == order.Shipped }) {
			s.receives(d)
		}
		m.delivered = true
	case "ripen":
		if m.delivered {
			s.clock.Advance(7 * 24 * time.Hour)
			_, err := s.f.Ripen(s.t.Context(), 1_000)
			require.NoError(t, err)
			if m.ripeAt.IsZero() {
				m.ripeAt = s.clock.Now()
			}
		}
	case "next_month":
		if !m.ripeAt.IsZero() {
			s.clock.Set(base.PeriodOf(base.Monthly, s.clock.Now()).End().Add(8 * 24 * time.Hour))
		}
	default:
		amounts, qty, freight := m.plan(step)
		fits := m.give(amounts, qty, freight)
		require.Equal(t, fits, m.refund(t, s, d, p, step), "%+v", step)
	}
}

// refund does a step in the shop and says whether it was taken.
func (m *refundModel) refund(t require.TestingT, s *shop, d order.Detail, p order.Payment, step refundStep) bool {
	if step.Kind == "outside" {
		before := len(d.Refunds)
		s.notifyRefund(s.pay.console(p.Transaction(), base.RefundID(s.db.Mint.Next()).String()+"C", step.Amount))
		return len(s.look(d.Order.ID).Refunds) > before
	}
	if step.Kind == "back" {
		return m.goodsBack(t, s, d, step)
	}
	ask := map[string]order.Ask{
		"qty": askQty(d, step.Line, step.Qty), "amount": askAmount(d, step.Line, step.Amount),
		"all":      {Lines: []order.AskLine{{Line: d.Lines[step.Line].ID, All: true}}},
		"over_all": {Amount: step.Amount}, "freight": {Freight: min(step.Amount, 300)}, "whole": {Whole: true},
	}[step.Kind]
	_, err := s.refund(d, ask)
	if err == nil {
		return true
	}
	require.Contains(t, []string{"refund.exceeds", "refund.nothing"}, errs.CodeOf(err), "%v", err)
	return false
}

// goodsBack refunds a quantity whose goods came back. Before anything was sent that is refused, and it is money only.
func (m *refundModel) goodsBack(t require.TestingT, s *shop, d order.Detail, step refundStep) bool {
	in := flow.RefundIssue{
		ID: base.RefundID(s.db.Mint.Next()), Order: d.Order.ID, Kind: order.AfterSale, Ask: askQty(d, step.Line, step.Qty), Reason: "退货", By: boss,
		GoodsBack: order.ShippedState(d.Fulfilments) != order.DeliveredNone, Restock: true,
	}
	_, err := s.f.CreateRefund(s.t.Context(), in)
	if err != nil {
		require.Contains(t, []string{"refund.exceeds", "refund.nothing"}, errs.CodeOf(err), "%v", err)
	}
	return err == nil
}

// goodsAgree requires that what is still to be sent was not refunded, and that the stock promises exactly that.
func (s *shop) goodsAgree(t require.TestingT, d order.Detail) {
	for _, l := range d.Lines {
		var allocated int64
		for _, f := range d.Fulfilments {
			for _, fl := range f.Lines {
				if f.State == order.Allocated && fl.Line == l.ID {
					allocated += fl.Qty
				}
			}
		}
		require.LessOrEqual(t, allocated, l.Qty-l.RefundedQty)
		promised := s.count(`SELECT COALESCE(SUM(fl.qty), 0) FROM fulfilment_line fl JOIN fulfilment f ON f.id = fl.fulfilment_id
JOIN order_line l ON l.id = fl.line_id WHERE f.state = 'allocated' AND l.sku_id = ?`, l.SKU)
		require.EqualValues(t, promised, s.stock(l.SKU).Reserved)
	}
}

// Refunds in any order and any pieces, early and late, started here or outside, against the plain model.
func TestRefund_AnyPiecesAgainstAModel(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		s := newShop(t, db, c)
		s.policy(func(p *order.Policy) {
			p.FreightFlat, p.Reductions = 500, []order.Reduction{{From: 20_000, Off: 1_999}}
		})
		if db.Dialect == "sqlite" {
			rapid.Check(t, func(t *rapid.T) { new(refundModel).play(t, s, scripts.Draw(t, "script")) })
		} else {
			for seed := range 12 { // the same scripts, fewer: each statement is a round trip
				new(refundModel).play(t, s, scripts.Example(seed))
			}
		}
		s.audits()
	})
}
