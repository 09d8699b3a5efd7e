package flow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/audit"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/flow"
	"fenxiao/server/ledger"
	"fenxiao/server/redisx"
	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/store/storetest"
)

// counter is a shop whose distributors have money, with a bank that stands for WeChat's transfers.
type counter struct {
	*people
	bank  *bank
	redis *redisx.Client
	inbox *inbox.Applier
}

func newCounter(t *testing.T, db *store.DB, c *clock.Manual) *counter {
	t.Helper()
	client, err := redisx.Open(t.Context(), redisx.Options{Embedded: true, Prefix: "t:", Now: c.Now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	p := &counter{people: newPeople(t, db, c), redis: client}
	p.bank = newBank(c)
	p.f.Pay, p.f.Allowances = p.bank, client
	p.f.Shop.TransferScene, p.f.Shop.TransferJob, p.f.Shop.TransferNote = "1005", "推广员", "推广佣金"
	p.f.Shop.NotifyURL = "https://shop.example/notify"
	p.inbox = &inbox.Applier{DB: db, Apply: p.f.ApplyInbox, OnError: func(e inbox.Event, _ int, err error) { t.Error(e.EventID, err) }}
	_, err = p.f.PutTaxPolicy(t.Context(), withdrawal.TaxPolicy{Kind: withdrawal.TaxNone}, boss, "个体自行申报")
	require.NoError(t, err)
	return p
}

func eachCounter(t *testing.T, fn func(t *testing.T, p *counter)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) { fn(t, newCounter(t, db, c)) })
}

func (p *counter) policy(change func(*withdrawal.Policy)) {
	p.t.Helper()
	terms, err := p.f.WithdrawalTerms(p.t.Context())
	require.NoError(p.t, err)
	change(&terms.Policy)
	_, err = p.f.PutWithdrawalPolicy(p.t.Context(), terms.Policy, boss, "测试")
	require.NoError(p.t, err)
}

// earner admits somebody with a name and an available balance.
func (p *counter) earner(available money.Fen) distributor.Distributor {
	p.t.Helper()
	d := p.distributor()
	_, err := p.f.SetRealName(p.t.Context(), flow.RealNameInput{ID: d.ID, RealName: "李明", By: boss})
	require.NoError(p.t, err)
	p.fund(d.ID, available)
	return d
}

func (p *counter) tx(fn func(context.Context, *store.Tx) error) {
	p.t.Helper()
	require.NoError(p.t, p.db.InTx(p.t.Context(), "test", fn))
}

func (p *counter) fund(d base.DistributorID, amount money.Fen) {
	p.t.Helper()
	if amount == 0 {
		return
	}
	ref := fmt.Sprint("fund:", p.db.Mint.Next())
	p.tx(func(ctx context.Context, tx *store.Tx) error {
		_, err := ledger.Credit(ctx, tx, ledger.Move{
			Kind: "test", Ref: ref, Other: ledger.Platform(ledger.CommissionExpense), Distributor: d, Amount: amount,
		})
		return err
	})
}

func (p *counter) input(d base.DistributorID, amount money.Fen) flow.WithdrawInput {
	return flow.WithdrawInput{ID: base.WithdrawalID(p.db.Mint.Next()), Distributor: d, Amount: amount}
}

func (p *counter) request(d base.DistributorID, amount money.Fen) withdrawal.Withdrawal {
	p.t.Helper()
	w, err := p.f.RequestWithdrawal(p.t.Context(), p.input(d, amount))
	require.NoError(p.t, err)
	return w
}

func (p *counter) approve(w withdrawal.Withdrawal) {
	p.t.Helper()
	got, err := p.f.ApproveWithdrawal(p.t.Context(), withdrawal.Decision{ID: w.ID, Admin: 1})
	require.NoError(p.t, err)
	require.Equal(p.t, withdrawal.Approved, got.State)
}

// approved is a request of everything that was approved.
func (p *counter) approved(amount money.Fen) withdrawal.Withdrawal {
	p.t.Helper()
	w := p.request(p.earner(amount).ID, amount)
	p.approve(w)
	return w
}

func (p *counter) payOut() {
	p.t.Helper()
	_, err := p.f.PayOut(p.t.Context(), 100)
	require.NoError(p.t, err)
}

// jobs lets time pass and does everything that is due, often enough for all of it.
func (p *counter) jobs(d time.Duration) {
	p.t.Helper()
	p.clock.Advance(d)
	for range 3 {
		p.payOut()
		_, err := p.f.QueryPayouts(p.t.Context(), 100)
		require.NoError(p.t, err)
		p.apply()
	}
}

func (p *counter) apply() {
	p.t.Helper()
	_, err := p.inbox.Run(p.t.Context())
	require.NoError(p.t, err)
}

func (p *counter) get(id base.WithdrawalID) withdrawal.Withdrawal {
	p.t.Helper()
	w, err := withdrawal.Get(p.t.Context(), p.db.Q(), id)
	require.NoError(p.t, err)
	return w
}

func (p *counter) state(id base.WithdrawalID, want withdrawal.State) {
	p.t.Helper()
	require.Equal(p.t, want, p.get(id).State)
}

func (p *counter) wallet(d base.DistributorID, want ledger.Wallet) {
	p.t.Helper()
	got, err := ledger.WalletOf(p.t.Context(), p.db.Q(), d)
	require.NoError(p.t, err)
	require.Equal(p.t, want, got)
}

func (p *counter) today(d base.DistributorID, count int, taken money.Fen) {
	p.t.Helper()
	got, err := withdrawal.DayOf(p.t.Context(), p.db.Q(), d, base.DayOf(p.clock.Now()))
	require.NoError(p.t, err)
	require.Equal(p.t, withdrawal.Day{Count: count, Taken: taken}, got)
}

// allowances lists what Redis counts against today.
func (p *counter) allowances() (n int, sum money.Fen) {
	p.t.Helper()
	list, err := p.redis.ListAllowances(p.t.Context(), base.DayOf(p.clock.Now()))
	require.NoError(p.t, err)
	for _, e := range list {
		sum += e.Amount
	}
	return len(list), sum
}

// audit proves the ledger, the wallets and the withdrawals.
func (p *counter) audit() {
	p.t.Helper()
	report, err := audit.Run(p.t.Context(), p.db)
	require.NoError(p.t, err)
	for _, r := range report.Results {
		for _, f := range r.Wrong {
			// The money of these tests comes from no commissions; all else has to hold.
			given := strings.HasSuffix(f.Subject, " moved") || f.Subject == "commission_expense"
			require.True(p.t, given, "%s: %+v", r.Name, f)
		}
	}
}

func TestWithdraw_HoldsAndRecordsTogether(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		d := p.earner(12_000)
		in := p.input(d.ID, 5_000)
		w, err := p.f.RequestWithdrawal(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, withdrawal.Requested, w.State)
		require.EqualValues(t, 5_000, w.Net)
		require.Equal(t, w.ID.String(), w.OutBillNo)
		require.Contains(t, w.Risk, "first_withdrawal")
		p.wallet(d.ID, ledger.Wallet{Available: 7_000, Withdrawing: 5_000})
		p.today(d.ID, 1, 5_000)

		again, err := p.f.RequestWithdrawal(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, w, again, "the same id again is the same withdrawal")
		in.Amount = 4_000
		_, err = p.f.RequestWithdrawal(t.Context(), in)
		require.ErrorIs(t, err, flow.ErrWithdrawalID)
		p.wallet(d.ID, ledger.Wallet{Available: 7_000, Withdrawing: 5_000})
		n, sum := p.allowances()
		require.Equal(t, 1, n)
		require.EqualValues(t, 5_000, sum)
		steps, err := withdrawal.History(t.Context(), p.db.Q(), w.ID)
		require.NoError(t, err)
		require.Len(t, steps, 1)
		require.Equal(t, base.Distributor(d.ID).String(), steps[0].Actor)
		p.audit()
	})
}

func TestWithdraw_ChecksInOrder(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) {
			w.DailyCount, w.DailyAmountFen, w.PlatformDailyFen, w.FeeBP = 3, 9_000, 20_000, 100
		})
		ask := func(d base.DistributorID, amount money.Fen) string {
			_, err := p.f.RequestWithdrawal(t.Context(), p.input(d, amount))
			return errs.CodeOf(err)
		}
		nobody := base.DistributorID(p.db.Mint.Next())
		require.Equal(t, "withdrawal.not_distributor", ask(nobody, 1))
		nameless := p.distributor()
		require.Equal(t, "withdrawal.real_name_needed", ask(nameless.ID, 1))
		d := p.earner(0)
		require.Equal(t, "withdrawal.below_minimum", ask(d.ID, 999))
		require.Equal(t, "withdrawal.above_maximum", ask(d.ID, 20_001))
		require.Equal(t, "withdrawal.insufficient_available", ask(d.ID, 1_000))
		p.fund(d.ID, 50_000)
		_, err := p.f.SetRealName(t.Context(), flow.RealNameInput{ID: d.ID, RealName: "李明明", By: boss})
		require.NoError(t, err)
		require.Equal(t, "withdrawal.cooling_down", ask(d.ID, 1_000))
		p.clock.Advance(3 * 24 * time.Hour)
		require.Empty(t, ask(d.ID, 4_000))
		require.Equal(t, "withdrawal.day_amount_exceeded", ask(d.ID, 5_001))
		require.Empty(t, ask(d.ID, 3_000))
		require.Empty(t, ask(d.ID, 2_000), "the limit itself is allowed")
		require.Equal(t, "withdrawal.count_exceeded", ask(d.ID, 1_000), "the count is told before the amount")

		second := p.earner(9_000)
		require.Empty(t, ask(second.ID, 9_000))
		third := p.earner(9_000)
		require.Equal(t, "withdrawal.platform_budget_exceeded", ask(third.ID, 2_001))
		require.Empty(t, ask(third.ID, 2_000))
		p.clock.Advance(24 * time.Hour)
		require.Empty(t, ask(third.ID, 5_000), "a new day")
		p.audit()
	})
}

func TestWithdraw_FiftyAtOnceForAllOfIt(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.DailyCount = 100; w.DailyAmountFen = 1_000_000 })
		d := p.earner(20_000)
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, err := p.f.RequestWithdrawal(t.Context(), p.input(d.ID, 20_000))
				switch {
				case err == nil:
					won.Add(1)
				case errs.CodeOf(err) != "withdrawal.insufficient_available":
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, won.Load())
		p.wallet(d.ID, ledger.Wallet{Withdrawing: 20_000})
		p.today(d.ID, 1, 20_000)
		n, _ := p.allowances()
		require.Equal(t, 1, n, "the others' allowances came back")
		p.audit()
	})
}

func TestWithdraw_LimitIsNeverPassedAtOnce(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.f.Allowances = blindAllowances{} // Redis lets everything through: the database decides
		p.policy(func(w *withdrawal.Policy) { w.DailyCount, w.DailyAmountFen = 50, 5_500 })
		d := p.earner(100_000)
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := p.f.RequestWithdrawal(t.Context(), p.input(d.ID, 1_000))
				switch {
				case err == nil:
					won.Add(1)
				case errs.CodeOf(err) != "withdrawal.day_amount_exceeded":
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 5, won.Load())
		p.today(d.ID, 5, 5_000)
		p.audit()
	})
}

type blindAllowances struct{}

func (blindAllowances) TakeAllowance(context.Context, redisx.Allowance) error      { return nil }
func (blindAllowances) KeepAllowance(context.Context, redisx.AllowanceEntry) error { return nil }
func (blindAllowances) GiveBackAllowance(context.Context, base.BusinessDay, string) error {
	return nil
}
func (blindAllowances) RebuildDay(context.Context, base.BusinessDay, func(context.Context) ([]redisx.AllowanceEntry, error)) error {
	return nil
}

func TestWithdraw_SameIDAtOnceIsOne(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		d := p.earner(20_000)
		in := p.input(d.ID, 3_000)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				w, err := p.f.RequestWithdrawal(t.Context(), in)
				if err != nil || w.ID != in.ID {
					t.Error(w.ID, err)
				}
			})
		}
		wg.Wait()
		p.wallet(d.ID, ledger.Wallet{Available: 17_000, Withdrawing: 3_000})
		n, _ := p.allowances()
		require.Equal(t, 1, n)
		p.audit()
	})
}

func TestWithdraw_ReturnsGiveTheDayBack(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.DailyCount = 1 })
		d := p.earner(20_000)
		w := p.request(d.ID, 5_000)
		_, err := p.f.RejectWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Admin: 1, Reason: "请先完成售后"})
		require.NoError(t, err)
		p.state(w.ID, withdrawal.Rejected)
		p.wallet(d.ID, ledger.Wallet{Available: 20_000})
		p.today(d.ID, 0, 0)

		w = p.request(d.ID, 6_000)
		got, err := p.f.CancelWithdrawal(t.Context(), d.ID, w.ID)
		require.NoError(t, err)
		require.Equal(t, withdrawal.Cancelled, got.State)
		got, err = p.f.CancelWithdrawal(t.Context(), d.ID, w.ID)
		require.NoError(t, err, "the second click")
		require.Equal(t, withdrawal.Cancelled, got.State)
		p.wallet(d.ID, ledger.Wallet{Available: 20_000})
		n, _ := p.allowances()
		require.Zero(t, n)

		other := p.earner(0)
		w = p.request(d.ID, 7_000)
		_, err = p.f.CancelWithdrawal(t.Context(), other.ID, w.ID)
		require.ErrorIs(t, err, withdrawal.ErrNotFound, "somebody else's")
		p.audit()
	})
}

// lostAllowances is a Redis that does not hear that something is given back.
type lostAllowances struct{ *redisx.Client }

func (lostAllowances) GiveBackAllowance(context.Context, base.BusinessDay, string) error {
	return redisx.ErrUnavailable
}

func TestWithdraw_SweepPutsRedisRight(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.DailyCount = 1 })
		d := p.earner(20_000)
		w := p.request(d.ID, 5_000)
		p.f.Allowances = lostAllowances{p.redis}
		_, err := p.f.CancelWithdrawal(t.Context(), d.ID, w.ID)
		require.NoError(t, err)
		p.f.Allowances = p.redis
		n, _ := p.allowances()
		require.Equal(t, 1, n, "Redis still counts it")
		w = p.request(d.ID, 4_000) // the database has room, so the counters are put right on the way
		n, sum := p.allowances()
		require.Equal(t, 1, n)
		require.EqualValues(t, 4_000, sum)
		_, err = p.f.RequestWithdrawal(t.Context(), p.input(d.ID, 1_000))
		require.Equal(t, "withdrawal.count_exceeded", errs.CodeOf(err))

		// A request that died between taking and recording.
		orphan := base.WithdrawalID(p.db.Mint.Next())
		require.NoError(t, p.redis.KeepAllowance(t.Context(), redisx.AllowanceEntry{
			WithdrawalID: orphan.String(), Distributor: d.ID.String(), Day: base.DayOf(p.clock.Now()), Amount: 900,
		}))
		require.NoError(t, p.f.SweepAllowances(t.Context()))
		n, _ = p.allowances()
		require.Equal(t, 2, n, "it may still be on its way")
		p.clock.Advance(6 * time.Minute)
		require.NoError(t, p.f.SweepAllowances(t.Context()))
		n, _ = p.allowances()
		require.Equal(t, 1, n)
		p.state(w.ID, withdrawal.Requested)
	})
}

func TestWithdraw_FailedTransactionGivesBack(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		d := p.earner(20_000)
		ctx, cancel := context.WithCancel(t.Context())
		p.f.Allowances = cancellingAllowances{p.redis, cancel}
		_, err := p.f.RequestWithdrawal(ctx, p.input(d.ID, 5_000))
		require.ErrorIs(t, err, context.Canceled)
		p.f.Allowances = p.redis
		n, _ := p.allowances()
		require.Zero(t, n)
		p.wallet(d.ID, ledger.Wallet{Available: 20_000})
		p.request(d.ID, 5_000)
	})
}

// cancellingAllowances lets the caller go away just after the allowance was taken.
type cancellingAllowances struct {
	*redisx.Client
	cancel func()
}

func (c cancellingAllowances) TakeAllowance(ctx context.Context, a redisx.Allowance) error {
	err := c.Client.TakeAllowance(ctx, a)
	if err == nil {
		c.cancel()
	}
	return err
}

func TestWithdraw_FeeIsFrozenAndBooked(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.FeeBP = 60 })
		w := p.approved(10_050)
		require.EqualValues(t, 60, w.Fee) // ⌊10,050 × 0.6 %⌋
		require.EqualValues(t, 9_990, w.Net)
		p.policy(func(w *withdrawal.Policy) { w.FeeBP = 500 })
		p.payOut()
		p.bank.confirm(w.OutBillNo)
		p.jobs(time.Minute)
		p.state(w.ID, withdrawal.Paid)
		require.EqualValues(t, 9_990, p.bank.paid())
		fee, err := ledger.Balance(t.Context(), p.db.Q(), ledger.Platform(ledger.FeeIncome))
		require.NoError(t, err)
		require.EqualValues(t, 60, fee)
		p.wallet(w.Distributor, ledger.Wallet{})
		p.audit()
	})
}

func TestWithdraw_AutoApproval(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.AutoApproveBelowFen = 3_000 })
		d := p.earner(20_000)
		first := p.request(d.ID, 2_000)
		require.Equal(t, withdrawal.Requested, first.State, "the first one is a sign")
		p.approve(first)
		p.payOut()
		p.bank.confirm(first.OutBillNo)
		p.jobs(time.Minute)
		p.state(first.ID, withdrawal.Paid)
		require.Equal(t, withdrawal.Approved, p.request(d.ID, 2_999).State)
		require.Equal(t, withdrawal.Requested, p.request(d.ID, 3_000).State, "not below the limit")
	})
}

func TestWithdraw_NoTaxPolicyNoPayout(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		p := newCounter(t, db, c)
		_, err := p.f.PutTaxPolicy(t.Context(), withdrawal.TaxPolicy{Kind: withdrawal.TaxLabour}, boss, "劳务")
		require.ErrorIs(t, err, withdrawal.ErrTaxUnavailable)
		_, err = p.f.PutTaxPolicy(t.Context(), withdrawal.TaxPolicy{}, boss, "没有")
		require.Equal(t, "tax_policy.invalid", errs.CodeOf(err))
	})
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		t.Run("refused until chosen", func(t *testing.T) {
			fresh := &counter{people: newPeople(t, db, c), bank: newBank(c)}
			fresh.f.Pay, fresh.f.Allowances = fresh.bank, blindAllowances{}
			w := fresh.request(fresh.earner(5_000).ID, 5_000)
			require.Empty(t, w.TaxKind)
			_, err := fresh.f.ApproveWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Admin: 1})
			require.ErrorIs(t, err, withdrawal.ErrTaxNotChosen)
			_, err = fresh.f.PutTaxPolicy(t.Context(), withdrawal.TaxPolicy{Kind: withdrawal.TaxNone}, boss, "不代扣")
			require.NoError(t, err)
			fresh.approve(w)
			require.Equal(t, withdrawal.TaxNone, fresh.get(w.ID).TaxKind)
		})
	})
}

func TestWithdraw_LateReversalAtTheSameInstant(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.DailyCount = 100; w.DailyAmountFen = 1_000_000 })
		for round := range 10 {
			d := p.earner(10_000)
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := p.f.RequestWithdrawal(t.Context(), p.input(d.ID, 8_000))
				if err != nil && errs.CodeOf(err) != "withdrawal.insufficient_available" {
					t.Error(err)
				}
			})
			wg.Go(func() {
				ref := fmt.Sprint("late:", d.ID)
				err := p.db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
					s, err := ledger.ClawBack(ctx, tx, ledger.Move{Kind: "clawback", Ref: ref, Other: ledger.Platform(ledger.CommissionExpense), Distributor: d.ID, Amount: 6_000})
					if err != nil || s.Debt == 0 {
						return err
					}
					return p.f.Indebted(ctx, tx, d.ID)
				})
				if err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			w, err := ledger.WalletOf(t.Context(), p.db.Q(), d.ID)
			require.NoError(t, err)
			require.False(t, w.Available > 0 && w.Debt < 0, "round %d: %+v", round, w)
			require.EqualValues(t, 4_000, w.Available+w.Withdrawing+w.Debt)
		}
		p.audit()
	})
}

func TestWithdraw_OutlookSaysWhyNot(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		look := func(d base.DistributorID) flow.Outlook {
			o, err := p.f.WithdrawalOutlook(t.Context(), d)
			require.NoError(t, err)
			return o
		}
		nameless := p.distributor()
		require.Equal(t, "withdrawal.real_name_needed", errs.CodeOf(look(nameless.ID).Blocked))
		d := p.earner(500)
		require.Equal(t, "withdrawal.insufficient_available", errs.CodeOf(look(d.ID).Blocked), "less than the minimum is there")
		p.fund(d.ID, 40_000)
		o := look(d.ID)
		require.NoError(t, o.Blocked)
		require.EqualValues(t, 20_000, o.Most)
		for range 3 {
			p.request(d.ID, 1_000)
		}
		o = look(d.ID)
		require.Equal(t, "withdrawal.count_exceeded", errs.CodeOf(o.Blocked))
		require.Zero(t, o.Most)
	})
}

func TestWithdraw_RedisGone(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		d := p.earner(20_000)
		p.request(d.ID, 2_000)
		p.f.Allowances = goneAllowances{}
		_, err := p.f.RequestWithdrawal(t.Context(), p.input(d.ID, 1_000))
		require.ErrorIs(t, err, withdrawal.ErrTryLater)
		require.ErrorIs(t, err, redisx.ErrUnavailable)
		e, ok := errs.As(err)
		require.True(t, ok)
		require.Equal(t, errs.Unavailable, e.Kind)
		require.False(t, strings.Contains(e.Message, "redis"))
		p.wallet(d.ID, ledger.Wallet{Available: 18_000, Withdrawing: 2_000})
	})
}

type goneAllowances struct{}

var errGone = fmt.Errorf("dial: %w", redisx.ErrUnavailable)

func (goneAllowances) TakeAllowance(context.Context, redisx.Allowance) error      { return errGone }
func (goneAllowances) KeepAllowance(context.Context, redisx.AllowanceEntry) error { return errGone }
func (goneAllowances) GiveBackAllowance(context.Context, base.BusinessDay, string) error {
	return errGone
}
func (goneAllowances) RebuildDay(context.Context, base.BusinessDay, func(context.Context) ([]redisx.AllowanceEntry, error)) error {
	return errors.Join(errGone)
}
