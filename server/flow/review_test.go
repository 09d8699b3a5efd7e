package flow_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/flow"
	"fenxiao/server/ledger"
)

func TestReview_ApproveAndRejectTogether(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		for round := range 10 {
			d := p.earner(5_000)
			w := p.request(d.ID, 5_000)
			var approved, rejected, cancelled atomic.Int64
			var wg sync.WaitGroup
			try := func(won *atomic.Int64, do func() error) {
				wg.Go(func() {
					switch err := do(); {
					case err == nil:
						won.Add(1)
					case errs.KindOf(err) != errs.Conflict:
						t.Error(err)
					}
				})
			}
			try(&approved, func() error {
				_, err := p.f.ApproveWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Version: 1, Admin: 1})
				return err
			})
			try(&rejected, func() error {
				_, err := p.f.RejectWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Version: 1, Admin: 2, Reason: "不符合要求"})
				return err
			})
			if round%2 == 1 { // the distributor at the same instant: may be before both, or after an approval
				try(&cancelled, func() error {
					_, err := p.f.CancelWithdrawal(t.Context(), d.ID, w.ID)
					return err
				})
			}
			wg.Wait()
			got := p.get(w.ID)
			require.LessOrEqual(t, approved.Load()+rejected.Load(), int64(1))
			switch got.State {
			case withdrawal.Approved:
				require.EqualValues(t, 1, approved.Load())
				p.wallet(d.ID, ledger.Wallet{Withdrawing: 5_000})
			case withdrawal.Rejected:
				require.EqualValues(t, 1, rejected.Load())
				p.wallet(d.ID, ledger.Wallet{Available: 5_000})
			default:
				require.Equal(t, withdrawal.Cancelled, got.State)
				require.EqualValues(t, 1, cancelled.Load())
				p.wallet(d.ID, ledger.Wallet{Available: 5_000})
			}
		}
		p.audit()
	})
}

func TestReview_TwoDifferentAdmins(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.SecondApproverAboveFen = 5_000 })
		atLimit := p.request(p.earner(5_000).ID, 5_000)
		p.approve(atLimit) // one is enough

		w := p.request(p.earner(5_001).ID, 5_001)
		by := func(admin base.AdminID, version int) error {
			_, err := p.f.ApproveWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Admin: admin, Version: version})
			return err
		}
		require.ErrorIs(t, by(1, 7), withdrawal.ErrVersion)
		require.NoError(t, by(1, 1))
		p.state(w.ID, withdrawal.Requested)
		require.ErrorIs(t, by(1, 0), withdrawal.ErrSameApprover)
		require.ErrorIs(t, by(2, 1), withdrawal.ErrVersion, "it has changed since")
		require.NoError(t, by(2, 2))
		got := p.get(w.ID)
		require.Equal(t, withdrawal.Approved, got.State)
		require.EqualValues(t, 1, got.FirstApprover)
		require.EqualValues(t, 2, got.SecondApprover)
		require.ErrorIs(t, by(3, 0), withdrawal.ErrMoved)
		p.audited(w.ID.String(), "withdrawal.approve")
		steps, err := withdrawal.History(t.Context(), p.db.Q(), w.ID)
		require.NoError(t, err)
		require.Equal(t, "first_approval", steps[1].What)
	})
}

func TestReview_OneAdminManyTimesAtOnceIsNotTwo(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.SecondApproverAboveFen = 1_000 })
		w := p.request(p.earner(5_000).ID, 5_000)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, err := p.f.ApproveWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Admin: 1})
				if err != nil && errs.CodeOf(err) != withdrawal.ErrSameApprover.Code {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		p.state(w.ID, withdrawal.Requested)
	})
}

func TestReview_Hold(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		w := p.approved(5_000)
		hold := withdrawal.Decision{ID: w.ID, Admin: 2, Reason: "等待核查"}
		_, err := p.f.HoldWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Admin: 2})
		require.ErrorIs(t, err, withdrawal.ErrReason)
		got, err := p.f.HoldWithdrawal(t.Context(), hold)
		require.NoError(t, err)
		require.Equal(t, withdrawal.Requested, got.State)
		_, err = p.f.HoldWithdrawal(t.Context(), hold)
		require.ErrorIs(t, err, withdrawal.ErrHeld)
		_, err = p.f.ApproveWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Admin: 1})
		require.ErrorIs(t, err, withdrawal.ErrHeld)
		p.payOut()
		p.state(w.ID, withdrawal.Requested)
		_, err = p.f.ReleaseWithdrawal(t.Context(), hold)
		require.NoError(t, err)
		_, err = p.f.ReleaseWithdrawal(t.Context(), hold)
		require.ErrorIs(t, err, withdrawal.ErrNotHeld)
		p.approve(w)
		p.payOut()
		_, err = p.f.HoldWithdrawal(t.Context(), hold)
		require.ErrorIs(t, err, withdrawal.ErrMoved, "too late")
	})
}

func TestReview_Batch(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.SecondApproverAboveFen = 8_000 })
		fine, large, stale, gone := p.request(p.earner(5_000).ID, 5_000), p.request(p.earner(9_000).ID, 9_000),
			p.request(p.earner(5_000).ID, 5_000), p.request(p.earner(5_000).ID, 5_000)
		_, err := p.f.CancelWithdrawal(t.Context(), gone.Distributor, gone.ID)
		require.NoError(t, err)
		results, err := p.f.ApproveWithdrawals(t.Context(), []withdrawal.Decision{
			{ID: fine.ID, Version: 1, Admin: 1}, {ID: large.ID, Version: 1, Admin: 1}, {ID: stale.ID, Version: 9, Admin: 1},
			{ID: gone.ID, Version: 1, Admin: 1}, {ID: 1, Version: 1, Admin: 1}, {ID: fine.ID, Version: 1, Admin: 1},
		})
		require.NoError(t, err)
		var got []string
		for _, r := range results {
			got = append(got, fmt.Sprint(r.Withdrawal.State, " ", errs.CodeOf(r.Err)))
		}
		require.Equal(t, []string{
			"approved ", "requested ", " withdrawal.version_changed", " withdrawal.moved", " withdrawal.not_found", " withdrawal.moved",
		}, got)
		_, err = p.f.ApproveWithdrawals(t.Context(), nil)
		require.ErrorIs(t, err, flow.ErrBatchSize)
		_, err = p.f.ApproveWithdrawals(t.Context(), make([]withdrawal.Decision, 201))
		require.ErrorIs(t, err, flow.ErrBatchSize)
	})
}

func TestReview_RejectNeedsAReasonAndRepaysDebtFirst(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		d := p.earner(5_000)
		w := p.request(d.ID, 5_000)
		for _, reason := range []string{"", strings.Repeat("长", 201)} {
			_, err := p.f.RejectWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Admin: 1, Reason: reason})
			require.ErrorIs(t, err, withdrawal.ErrReason)
		}
		p.clawBack(d.ID, 5_500)
		_, err := p.f.RejectWithdrawal(t.Context(), withdrawal.Decision{ID: w.ID, Admin: 1, Reason: "订单有退款"})
		require.NoError(t, err)
		p.wallet(d.ID, ledger.Wallet{Debt: -500})
		require.Equal(t, "订单有退款", p.get(w.ID).Reason)
		p.audited(w.ID.String(), "withdrawal.reject")
		p.audit()
	})
}

func TestReview_Settings(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		bad := withdrawal.Default()
		bad.MaxFen = 1
		_, err := p.f.PutWithdrawalPolicy(t.Context(), bad, boss, "试试")
		require.Equal(t, "withdrawal.policy_invalid", errs.CodeOf(err))
		_, err = p.f.PutWithdrawalPolicy(t.Context(), withdrawal.Default(), boss, " ")
		require.ErrorIs(t, err, flow.ErrReason)
		version, err := p.f.PutWithdrawalPolicy(t.Context(), withdrawal.Default(), boss, "恢复默认")
		require.NoError(t, err)
		require.Equal(t, 1, version)
		p.audited(withdrawal.PolicySetting, "setting.put")
	})
}

// TestNegativeStatement_SendsWithdrawalsBack: a statement below zero makes a debt, and whoever owes is looked at again.
func TestNegativeStatement_SendsWithdrawalsBack(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		ctx := t.Context()
		w := p.approved(8_000)
		a, err := p.f.RequestAdjustment(ctx, flow.AdjustmentRequest{
			ID: base.CommissionID(p.db.Mint.Next()), Distributor: w.Distributor, Amount: -250, Reason: "多计一单", By: base.Admin(1)})
		require.NoError(t, err)
		_, err = p.f.DecideAdjustment(ctx, flow.AdjustmentDecision{ID: a.ID, Approve: true, By: base.Admin(2)})
		require.NoError(t, err)
		for range 12 { // the week ends, and the time for disputes
			p.clock.Advance(24 * time.Hour)
			for _, job := range []func(context.Context, int) (int, error){p.f.DraftStatements, p.f.OpenStatements, p.f.ConfirmDue, p.f.PostStatements} {
				_, err := job(ctx, 100)
				require.NoError(t, err)
			}
		}
		p.wallet(w.Distributor, ledger.Wallet{Withdrawing: 8_000, Debt: -250})
		p.state(w.ID, withdrawal.Requested)
		p.audit()
	})
}
