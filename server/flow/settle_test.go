package flow_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/audit"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/settlement"
	"fenxiao/server/flow"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

const aDay = 24 * time.Hour

// till is a shop whose orders are given: it writes what the moments of an order write about commissions.
type till struct {
	*people
	orders atomic.Int64
}

func eachTill(t *testing.T, fn func(t *testing.T, b *till)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) { fn(t, &till{people: newPeople(t, db, c)}) })
}

func (b *till) tx(fn func(context.Context, *store.Tx) error) {
	b.t.Helper()
	require.NoError(b.t, b.db.InTx(b.t.Context(), "test", fn))
}

// sale is a paid order of one line of 100.00, of which each payee gets what the rules say.
type sale struct {
	order base.OrderID
	line  base.LineID
}

const saleBase money.Fen = 10_000

func (b *till) sell(amount money.Fen, to distributor.Distributor) sale {
	b.t.Helper()
	s := sale{base.OrderID(b.db.Mint.Next()), base.LineID(b.db.Mint.Next())}
	shares, err := commission.Compute(
		[]commission.Rule{{ID: 1, Key: 1, Version: 1, ScopeKind: commission.ScopeAll, Payee: base.Seller, Kind: commission.PerUnit, Amount: amount, PublishedMs: 1, FromMs: 1}},
		commission.Terms{Policy: commission.DefaultPolicy},
		commission.OrderInput{Order: s.order, At: b.clock.Now(),
			Payees: []commission.Payee{{Tier: base.Seller, ID: to.ID, Level: to.Level.ID, Cycle: to.Level.Cycle}},
			Lines:  []commission.LineInput{{Line: s.line, Qty: 1, Base: saleBase, Cost: -1}}})
	require.NoError(b.t, err)
	b.tx(func(ctx context.Context, tx *store.Tx) error {
		if err := commission.StoreShares(ctx, tx, shares); err != nil {
			return err
		}
		accrued, err := commission.Accrue(ctx, tx, []base.OrderID{s.order})
		if err != nil {
			return err
		}
		for _, a := range accrued {
			err := ledger.Post(ctx, tx, ledger.Txn{Kind: "accrual", Ref: "accrual:" + a.Order.String(), Postings: []ledger.Posting{
				{From: ledger.Platform(ledger.CommissionExpense), To: ledger.Of(ledger.Pending, a.Payee), Amount: a.Amount},
			}})
			if err != nil {
				return err
			}
		}
		return commission.Received(ctx, tx, []commission.LineDue{{Line: s.line, DueMs: tx.NowMs()}})
	})
	return s
}

// refund takes back an amount of a sale in all.
func (b *till) refund(s sale, soFar money.Fen) (late bool) {
	b.t.Helper()
	id := base.RefundID(b.db.Mint.Next())
	b.tx(func(ctx context.Context, tx *store.Tx) error {
		back, err := commission.Reverse(ctx, tx, commission.ReverseInput{Order: s.order, Refund: id, Lines: []commission.RefundedLine{{Line: s.line, RefundedSoFar: soFar, Base: saleBase}}})
		if err != nil {
			return err
		}
		for _, r := range back {
			late = r.Late
			if !r.Late {
				err = ledger.Post(ctx, tx, ledger.Txn{Kind: "reversal", Ref: "reversal:" + r.Commission.String(), Postings: []ledger.Posting{
					{From: ledger.Of(ledger.Pending, r.Payee), To: ledger.Platform(ledger.CommissionExpense), Amount: r.Amount},
				}})
			} else {
				_, err = ledger.ClawBack(ctx, tx, ledger.Move{
					Kind: "reversal", Ref: "reversal:" + r.Commission.String(), Other: ledger.Platform(ledger.CommissionExpense), Distributor: r.Payee, Amount: r.Amount,
				})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return late
}

func (b *till) ripen() int {
	b.t.Helper()
	n, err := b.f.Ripen(b.t.Context(), 10_000)
	require.NoError(b.t, err)
	return n
}

func (b *till) settle() flow.Settled {
	b.t.Helper()
	s, err := b.f.SettleNow(b.t.Context(), boss)
	require.NoError(b.t, err)
	return s
}

// endOf moves the clock past the end of the present period, to when it may be settled.
func (b *till) endOf(c base.Cycle) {
	b.clock.Set(base.PeriodOf(c, b.clock.Now()).End().Add(15 * time.Minute))
}

func (b *till) wallet(d base.DistributorID, want ledger.Wallet, pending money.Fen) {
	b.t.Helper()
	w, err := ledger.WalletOf(b.t.Context(), b.db.Q(), d)
	require.NoError(b.t, err)
	require.Equal(b.t, want, w)
	p, err := ledger.PendingOf(b.t.Context(), b.db.Q(), d)
	require.NoError(b.t, err)
	require.Equal(b.t, pending, p, "pending")
}

func (b *till) statements(f settlement.Filter) []settlement.Statement {
	b.t.Helper()
	out, err := settlement.List(b.t.Context(), b.db.Q(), f)
	require.NoError(b.t, err)
	return out
}

// audit proves what does not ask for real orders.
func (b *till) audit() {
	b.t.Helper()
	report, err := audit.Run(b.t.Context(), b.db)
	require.NoError(b.t, err)
	for _, r := range report.Results {
		if r.Name != "shares of an order equal its accruals" {
			require.Empty(b.t, r.Wrong, r.Name)
		}
	}
}

func TestSettle_WeeklyAndMonthlyAfterALevelChange(t *testing.T) {
	t.Parallel()
	eachTill(t, func(t *testing.T, b *till) {
		d := b.leveled(distributor.Senior)
		b.sell(500, d)
		l, err := distributor.LevelByCode(t.Context(), b.db.Q(), distributor.CityPartner)
		require.NoError(t, err)
		d, err = b.f.SetLevel(t.Context(), flow.SetLevelInput{ID: d.ID, Version: d.Version, Level: l.ID, By: boss, Reason: "签约"})
		require.NoError(t, err)
		b.sell(700, d)
		require.Equal(t, 2, b.ripen())
		b.wallet(d.ID, ledger.Wallet{}, 1_200)

		b.endOf(base.Weekly)
		got := b.settle()
		require.Equal(t, 1, got.Drafted)
		require.Equal(t, 1, got.Opened)
		require.Zero(t, got.Posted, "open to dispute")
		b.clock.Advance(3 * aDay)
		require.Equal(t, flow.Settled{Drafted: 1, Opened: 1, Confirmed: 1, Posted: 1}, b.settle(), "the month ended meanwhile")
		b.wallet(d.ID, ledger.Wallet{Available: 500}, 700)
		b.clock.Advance(3 * aDay)
		require.Equal(t, flow.Settled{Confirmed: 1, Posted: 1}, b.settle())
		b.wallet(d.ID, ledger.Wallet{Available: 1_200}, 0)
		require.Equal(t, flow.Settled{}, b.settle(), "nothing twice")
		all := b.statements(settlement.Filter{Distributor: d.ID, State: settlement.Posted})
		require.Len(t, all, 2)
		require.Equal(t, base.Monthly, all[0].Cycle)
		require.Equal(t, base.Weekly, all[1].Cycle)
		b.audit()
	})
}

func TestSettle_LateReversalBeforeItsStatementIsPosted(t *testing.T) {
	t.Parallel()
	eachTill(t, func(t *testing.T, b *till) {
		d := b.distributor()
		first, second := b.sell(500, d), b.sell(300, d)
		b.ripen()
		require.False(t, b.refund(first, 2_000), "the period has not ended")
		b.endOf(base.Weekly)
		b.settle()
		require.True(t, b.refund(second, 10_000), "drafted, not posted: late all the same")
		b.wallet(d.ID, ledger.Wallet{Debt: -300}, 700)

		b.clock.Advance(3 * aDay)
		b.settle()
		b.wallet(d.ID, ledger.Wallet{Available: 400}, 0)
		s := b.statements(settlement.Filter{Distributor: d.ID})[0]
		require.EqualValues(t, 700, s.Total, "posted gross")
		require.EqualValues(t, 300, s.DebtRepaid)

		b.endOf(base.Weekly)
		b.settle()
		s = b.statements(settlement.Filter{Distributor: d.ID})[0]
		require.EqualValues(t, 0, s.Total)
		require.EqualValues(t, -300, s.Late, "listed where it happened, for information")
		b.audit()
	})
}

func TestSettle_NegativeTotalBecomesDebt(t *testing.T) {
	t.Parallel()
	eachTill(t, func(t *testing.T, b *till) {
		d := b.distributor()
		a, err := b.f.RequestAdjustment(t.Context(), flow.AdjustmentRequest{ID: base.CommissionID(b.db.Mint.Next()), Distributor: d.ID, Amount: -250, Reason: "多计一单", By: boss})
		require.NoError(t, err)
		b.wallet(d.ID, ledger.Wallet{}, 0)
		decide := func(by base.Actor) error {
			_, err := b.f.DecideAdjustment(t.Context(), flow.AdjustmentDecision{ID: a.ID, Approve: true, By: by})
			return err
		}
		requireCode(t, "commission.second_person_required", decide(boss))
		require.Equal(t, map[string]int{"": 1, "commission.adjustment_moved": 7}, tally(atOnce(8, func(i int) error { return decide(base.Admin(base.AdminID(2 + i))) })))
		b.wallet(d.ID, ledger.Wallet{}, -250)
		b.audited(a.ID.String(), "adjustment.approve")

		b.endOf(base.Weekly)
		b.settle()
		b.clock.Advance(3 * aDay)
		b.settle()
		b.wallet(d.ID, ledger.Wallet{Debt: -250}, 0)
		b.sell(400, d)
		b.ripen()
		b.endOf(base.Weekly)
		b.settle()
		b.clock.Advance(3 * aDay)
		b.settle()
		b.wallet(d.ID, ledger.Wallet{Available: 150}, 0)
		b.audit()
	})
}

func TestSettle_AtOnceMakesOneStatementEach(t *testing.T) {
	t.Parallel()
	eachTill(t, func(t *testing.T, b *till) {
		var all []distributor.Distributor
		for i := range 12 {
			d := b.distributor()
			all = append(all, d)
			b.sell(money.Fen(100+i), d)
			b.sell(50, d)
		}
		require.Equal(t, 24, b.ripen())
		b.endOf(base.Weekly)
		var drafted, opened, confirmed, posted atomic.Int64
		run := func(sum *atomic.Int64, step func(context.Context, int) (int, error)) {
			for _, err := range atOnce(6, func(int) error {
				n, err := step(t.Context(), 1_000)
				sum.Add(int64(n))
				return err
			}) {
				require.NoError(t, err)
			}
		}
		run(&drafted, b.f.DraftStatements)
		require.Len(t, b.statements(settlement.Filter{}), 12)
		run(&opened, b.f.OpenStatements)
		b.clock.Advance(3 * aDay)
		run(&confirmed, b.f.ConfirmDue)
		run(&posted, b.f.PostStatements)
		require.EqualValues(t, 12, posted.Load())
		for i, d := range all {
			b.wallet(d.ID, ledger.Wallet{Available: money.Fen(150 + i)}, 0)
		}
		b.audit()
	})
}

// TestDraftStatements_StoppedAnywhere stops the run at random instants by its context, and lets it go on, until it is at
// its end: the statements are those of one uninterrupted run.
func TestDraftStatements_StoppedAnywhere(t *testing.T) {
	t.Parallel()
	eachTill(t, func(t *testing.T, b *till) {
		want := map[base.DistributorID]money.Fen{}
		for i := range 9 {
			d := b.distributor()
			b.sell(money.Fen(100+i), d)
			want[d.ID] = money.Fen(100 + i)
		}
		b.ripen()
		b.endOf(base.Weekly)
		for i := 0; ; i++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*200*time.Microsecond)
			n, err := b.f.DraftStatements(ctx, 2)
			cancel()
			require.LessOrEqual(t, n, 2)
			if err == nil && n == 0 {
				break
			}
		}
		got := map[base.DistributorID]money.Fen{}
		for _, s := range b.statements(settlement.Filter{}) {
			require.NotContains(t, got, s.Distributor)
			got[s.Distributor] = s.Total
		}
		require.Equal(t, want, got)
		runs, err := settlement.Runs(t.Context(), b.db.Q(), 10)
		require.NoError(t, err)
		require.Len(t, runs, 1)
		require.EqualValues(t, 9, runs[0].Statements)
	})
}

func TestPostStatements_OneThatCannotStopsNoOther(t *testing.T) {
	t.Parallel()
	eachTill(t, func(t *testing.T, b *till) {
		good := b.distributor()
		b.sell(100, good)
		lost := good
		lost.ID = 7 // somebody without a wallet
		b.sell(200, lost)
		b.ripen()
		b.endOf(base.Weekly)
		b.settle()
		b.clock.Advance(3 * aDay)
		_, err := b.f.ConfirmDue(t.Context(), 10)
		require.NoError(t, err)
		n, err := b.f.PostStatements(t.Context(), 10)
		require.ErrorContains(t, err, b.statements(settlement.Filter{Distributor: lost.ID})[0].ID.String())
		require.Equal(t, 1, n)
		b.wallet(good.ID, ledger.Wallet{Available: 100}, 0)
		require.Len(t, b.statements(settlement.Filter{State: settlement.Confirmed}), 1, "it waits")
	})
}

func TestStatement_DisputedAndAnswered(t *testing.T) {
	t.Parallel()
	eachTill(t, func(t *testing.T, b *till) {
		d := b.distributor()
		b.sell(100, d)
		b.ripen()
		b.endOf(base.Weekly)
		b.settle()
		s := b.statements(settlement.Filter{Distributor: d.ID, Shown: true})[0]
		_, err := b.f.DisputeStatement(t.Context(), s.ID, d.ID, "应为 12%")
		require.NoError(t, err)
		b.clock.Advance(10 * aDay)
		require.Zero(t, b.settle().Confirmed)
		_, err = b.f.ConfirmStatement(t.Context(), flow.StatementConfirm{ID: s.ID, By: boss})
		requireCode(t, "settlement.note_required", err)
		s, err = b.f.ConfirmStatement(t.Context(), flow.StatementConfirm{ID: s.ID, By: boss, Note: "已补差额"})
		require.NoError(t, err)
		require.Equal(t, settlement.Confirmed, s.State)
		b.audited(s.ID.String(), "statement.confirm")
		_, err = b.f.RequestAdjustment(t.Context(), flow.AdjustmentRequest{ID: 5, Distributor: d.ID, Amount: 20, Statement: s.ID + 1, Reason: "x", By: boss})
		requireCode(t, "settlement.not_found", err)
		require.Equal(t, 1, b.settle().Posted)
		b.audit()
	})
}

func TestHoldCommissions(t *testing.T) {
	t.Parallel()
	eachTill(t, func(t *testing.T, b *till) {
		d := b.distributor()
		b.sell(100, d)
		s := b.sell(200, d)
		in := flow.HoldRequest{ID: commission.HoldID(b.db.Mint.Next()), Line: s.line, Reason: "投诉", By: boss}
		_, err := b.f.HoldCommissions(t.Context(), in)
		require.NoError(t, err)
		held, err := b.f.HoldCommissions(t.Context(), in)
		require.NoError(t, err)
		require.Len(t, held, 1, "the same hold again is the same hold")
		require.Equal(t, 1, b.ripen())
		release := flow.HoldRelease{ID: in.ID, By: boss, Reason: "已处理"}
		for range 2 {
			_, err = b.f.ReleaseHold(t.Context(), release)
			require.NoError(t, err)
		}
		require.Equal(t, 1, b.ripen())
		release.ID++
		_, err = b.f.ReleaseHold(t.Context(), release)
		requireCode(t, "commission.not_found", err)
		in.ID, in.Distributor = in.ID+1, d.ID
		_, err = b.f.HoldCommissions(t.Context(), in)
		requireCode(t, "commission.hold_invalid", err)
	})
}
