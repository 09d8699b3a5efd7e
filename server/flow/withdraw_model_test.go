package flow_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
	"fenxiao/server/wechat"
)

// TestWithdraw_AnySequenceConservesMoney lets one distributor's money go through anything that can happen to it, beside
// a plain model of the four places where it can be.
func TestWithdraw_AnySequenceConservesMoney(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		p := newCounter(t, db, c)
		p.policy(func(w *withdrawal.Policy) {
			w.DailyCount, w.DailyAmountFen, w.SecondApproverAboveFen, w.FeeBP = 100, 1_000_000, 6_000, 70
		})
		rapid.Check(t, func(rt *rapid.T) {
			m := &moneyModel{counter: p, rt: rt, d: p.earner(10_000), put: 10_000}
			for range rapid.IntRange(1, 12).Draw(rt, "steps") {
				m.step(rapid.IntRange(0, 8).Draw(rt, "what"))
				m.check()
			}
			for range 3 { // whatever is under way comes to an end
				for _, w := range m.all() {
					p.bank.end(w.OutBillNo, wechat.TransferSuccess, "")
				}
				p.bank.told(nil, nil)
				p.jobs(7 * time.Hour)
			}
			m.check()
		})
		require.Empty(t, p.bank.wrong)
		p.audit()
	})
}

type moneyModel struct {
	*counter
	rt  *rapid.T
	d   distributor.Distributor
	put money.Fen // in, less what was clawed back
}

func (m *moneyModel) all() []withdrawal.Withdrawal {
	list, err := withdrawal.Of(m.t.Context(), m.db.Q(), m.d.ID, 0, 100)
	require.NoError(m.t, err)
	return list
}

// any picks a withdrawal, or none.
func (m *moneyModel) any() (withdrawal.Withdrawal, bool) {
	list := m.all()
	if len(list) == 0 {
		return withdrawal.Withdrawal{}, false
	}
	return list[rapid.IntRange(0, len(list)-1).Draw(m.rt, "which")], true
}

// step does one thing; that it is refused is one of the things that can happen.
func (m *moneyModel) step(what int) {
	ctx := m.t.Context()
	w, there := m.any()
	switch {
	case what == 0 || !there:
		_, _ = m.f.RequestWithdrawal(ctx, m.input(m.d.ID, money.Fen(rapid.Int64Range(900, 12_000).Draw(m.rt, "amount"))))
	case what == 1:
		_, _ = m.f.ApproveWithdrawal(ctx, withdrawal.Decision{ID: w.ID, Admin: base.AdminID(rapid.Int64Range(1, 2).Draw(m.rt, "admin"))})
	case what == 2:
		_, _ = m.f.RejectWithdrawal(ctx, withdrawal.Decision{ID: w.ID, Admin: 1, Reason: "不通过"})
	case what == 3:
		_, _ = m.f.CancelWithdrawal(ctx, m.d.ID, w.ID)
	case what == 4:
		classes := []wechat.Class{"", wechat.Unknown, wechat.Later, wechat.Refused, wechat.Exists}
		class := rapid.SampledFrom(classes).Draw(m.rt, "answer")
		fault := failing(wechat.OpTransfer, class, "TOLD")
		switch {
		case class == "":
			m.bank.told(nil, nil)
		case rapid.Bool().Draw(m.rt, "done"):
			m.bank.told(nil, fault)
		default:
			m.bank.told(fault, nil)
		}
		m.jobs(time.Minute)
	case what == 5:
		ends := []wechat.TransferState{wechat.TransferSuccess, wechat.TransferFail, wechat.TransferCancelled}
		said := m.bank.end(w.OutBillNo, rapid.SampledFrom(ends).Draw(m.rt, "end"), "")
		if said.OutBillNo != "" {
			m.notifyTransfer(fmt.Sprint("n", m.db.Mint.Next()), said)
			m.apply()
		}
	case what == 6:
		amount := money.Fen(rapid.Int64Range(1, 8_000).Draw(m.rt, "in"))
		m.fund(m.d.ID, amount)
		m.put += amount
	case what == 7:
		amount := money.Fen(rapid.Int64Range(1, 8_000).Draw(m.rt, "out"))
		m.clawBack(m.d.ID, amount)
		m.put -= amount
	case what == 8:
		m.jobs(8 * time.Hour)
	}
}

// check compares with the plain sums.
func (m *moneyModel) check() {
	w, err := ledger.WalletOf(m.t.Context(), m.db.Q(), m.d.ID)
	require.NoError(m.rt, err)
	var open, paid money.Fen
	for _, x := range m.all() {
		switch {
		case x.State == withdrawal.Paid:
			paid += x.Amount
			require.Equal(m.rt, wechat.TransferSuccess, m.bank.bills[x.OutBillNo].State)
		case !x.State.Final():
			open += x.Amount
		default:
			bill, there := m.bank.bills[x.OutBillNo]
			require.True(m.rt, !there || bill.State.Returned(), "returned here, and %v there", bill)
		}
	}
	require.Equal(m.rt, open, w.Withdrawing)
	require.Equal(m.rt, m.put, w.Available+w.Withdrawing+w.Debt+paid)
	require.False(m.rt, w.Available > 0 && w.Debt < 0, "%+v", w)
	require.GreaterOrEqual(m.rt, w.Available, money.Fen(0))
}
