package flow

import (
	"context"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/store/setting"
)

// ApproveWithdrawal records an admin's approval; above the second limit two different admins have to give it.
func (f *Flow) ApproveWithdrawal(ctx context.Context, d withdrawal.Decision) (withdrawal.Withdrawal, error) {
	return f.decide(ctx, d, "withdrawal.approve", func(ctx context.Context, tx *store.Tx, w withdrawal.Withdrawal) error {
		terms, err := f.withdrawalTerms(ctx, tx, tx.Now())
		if err != nil {
			return err
		}
		payee, _, err := payeeOf(ctx, tx, w.Distributor)
		if err != nil {
			return err
		}
		if w.State == withdrawal.Requested {
			if err := payee.MayBePaid(); err != nil {
				return err
			}
		}
		_, err = withdrawal.Approve(ctx, tx, w, d, withdrawal.Terms{
			SecondAbove: terms.Policy.SecondApproverAboveFen, Tax: terms.Tax, TaxVersion: terms.TaxVersion,
		})
		return err
	})
}

// RejectWithdrawal ends a request and returns the amount, debt first. The reason is shown to the distributor.
func (f *Flow) RejectWithdrawal(ctx context.Context, d withdrawal.Decision) (withdrawal.Withdrawal, error) {
	if err := withdrawal.CheckReason(d.Reason); err != nil {
		return withdrawal.Withdrawal{}, err
	}
	w, err := f.decide(ctx, d, "withdrawal.reject", func(ctx context.Context, tx *store.Tx, w withdrawal.Withdrawal) error {
		switch {
		case w.State != withdrawal.Requested:
			return withdrawal.ErrMoved
		case d.Version != 0 && d.Version != w.Version:
			return withdrawal.ErrVersion
		}
		err := withdrawal.Move(ctx, tx, withdrawal.Change{
			ID: w.ID, From: withdrawal.Requested, To: withdrawal.Rejected, By: base.Admin(d.Admin), Reason: d.Reason,
		})
		if err != nil {
			return err
		}
		return returnAmount(ctx, tx, w)
	})
	if err == nil {
		f.giveBackAllowance(ctx, w.Day, w.ID)
	}
	return w, err
}

// HoldWithdrawal stops a request until it is released; an approved one goes back to review.
func (f *Flow) HoldWithdrawal(ctx context.Context, d withdrawal.Decision) (withdrawal.Withdrawal, error) {
	if err := withdrawal.CheckReason(d.Reason); err != nil {
		return withdrawal.Withdrawal{}, err
	}
	return f.decide(ctx, d, "withdrawal.hold", func(ctx context.Context, tx *store.Tx, w withdrawal.Withdrawal) error {
		return withdrawal.Hold(ctx, tx, w, d)
	})
}

// ReleaseWithdrawal lets a held request be decided again.
func (f *Flow) ReleaseWithdrawal(ctx context.Context, d withdrawal.Decision) (withdrawal.Withdrawal, error) {
	return f.decide(ctx, d, "withdrawal.release", func(ctx context.Context, tx *store.Tx, w withdrawal.Withdrawal) error {
		return withdrawal.ReleaseHold(ctx, tx, w, d)
	})
}

// withdrawalFact is a withdrawal in the audit log.
type withdrawalFact struct {
	State          withdrawal.State `json:"state"`
	Held           bool             `json:"held"`
	FirstApprover  base.AdminID     `json:"first_approver"`
	SecondApprover base.AdminID     `json:"second_approver"`
}

func withdrawalFacts(w withdrawal.Withdrawal) withdrawalFact {
	return withdrawalFact{w.State, w.HeldMs != 0, w.FirstApprover, w.SecondApprover}
}

// decide locks a withdrawal, does what was decided, writes the audit log, and returns the withdrawal as it is then.
func (f *Flow) decide(ctx context.Context, d withdrawal.Decision, action string,
	do func(context.Context, *store.Tx, withdrawal.Withdrawal) error) (w withdrawal.Withdrawal, err error) {
	entry := f.DB.Mint.Next()
	err = f.DB.InTx(ctx, "flow."+action, func(ctx context.Context, tx *store.Tx) error {
		before, err := withdrawal.Lock(ctx, tx, d.ID)
		if err != nil {
			return err
		}
		if err := do(ctx, tx, before); err != nil {
			return err
		}
		if w, err = withdrawal.Get(ctx, tx, d.ID); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: entry, RequestID: reqid.Of(ctx), Actor: base.Admin(d.Admin), Action: action, Object: d.ID.String(),
			Before: withdrawalFacts(before), After: withdrawalFacts(w), Reason: d.Reason,
		})
	})
	if err != nil {
		return withdrawal.Withdrawal{}, err
	}
	return w, nil
}

// returnAmount gives a withdrawal's amount and its place in the day back, in the transaction that ended it.
func returnAmount(ctx context.Context, tx *store.Tx, w withdrawal.Withdrawal) error {
	if err := withdrawal.GiveBackDay(ctx, tx, w); err != nil {
		return err
	}
	_, err := ledger.Credit(ctx, tx, ledger.Move{
		Kind: "withdrawal_release", Ref: "release:" + w.ID.String(), Other: ledger.Of(ledger.Withdrawing, w.Distributor),
		Distributor: w.Distributor, Amount: w.Amount,
	})
	return err
}

// BatchApprovalMax bounds how many withdrawals are approved in one request.
const BatchApprovalMax = 200

// ErrBatchSize says that a batch is empty or too long.
var ErrBatchSize = errs.E(errs.Invalid, "withdrawal.batch_size", "一次最多审批 200 笔，请分批操作", errs.EN("Approve 1 to 200 withdrawals at once."),
	errs.At("/items", "length", "1 to 200 items"))

// ApprovalResult is what became of one item of a batch.
type ApprovalResult struct {
	Decision   withdrawal.Decision
	Withdrawal withdrawal.Withdrawal // as it is after an approval
	Err        error
}

// ApproveWithdrawals approves one by one, each in its own transaction: one that cannot be approved holds up no other.
func (f *Flow) ApproveWithdrawals(ctx context.Context, decisions []withdrawal.Decision) ([]ApprovalResult, error) {
	if len(decisions) == 0 || len(decisions) > BatchApprovalMax {
		return nil, ErrBatchSize
	}
	results := make([]ApprovalResult, len(decisions))
	for i, d := range decisions {
		w, err := f.ApproveWithdrawal(ctx, d)
		results[i] = ApprovalResult{d, w, err}
	}
	return results, nil
}

const debtReason = "账户出现待扣回的欠款，退回复核"

// takeBack takes an amount out of a wallet: from available, the rest becomes debt. A distributor who falls into debt by it
// is looked at again before any withdrawal is paid.
func (f *Flow) takeBack(ctx context.Context, tx *store.Tx, m ledger.Move) error {
	split, err := ledger.ClawBack(ctx, tx, m)
	if err != nil || split.Debt == 0 {
		return err
	}
	return f.indebted(ctx, tx, m.Distributor)
}

// indebted sends the open withdrawals of somebody who has just fallen into debt back to review.
func (f *Flow) indebted(ctx context.Context, tx *store.Tx, d base.DistributorID) error {
	open, err := withdrawal.OpenOf(ctx, tx, d)
	if err != nil {
		return err
	}
	for _, id := range open {
		w, err := withdrawal.Lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := withdrawal.Review(ctx, tx, w, base.System, debtReason); err != nil {
			return err
		}
	}
	return nil
}

// WithdrawalTerms returns the settings in force.
func (f *Flow) WithdrawalTerms(ctx context.Context) (WithdrawalTerms, error) {
	return f.withdrawalTerms(ctx, f.DB.Q(), f.DB.Clock.Now())
}

// PutWithdrawalPolicy stores a new version of the setting "withdrawal" and returns its number.
func (f *Flow) PutWithdrawalPolicy(ctx context.Context, p withdrawal.Policy, by base.Actor, reason string) (int, error) {
	return f.putWithdrawalSetting(ctx, setting.Change{Name: withdrawal.PolicySetting, Value: p, Actor: by, Reason: reason})
}

// PutTaxPolicy stores finance's choice of how tax is withheld.
func (f *Flow) PutTaxPolicy(ctx context.Context, p withdrawal.TaxPolicy, by base.Actor, reason string) (int, error) {
	return f.putWithdrawalSetting(ctx, setting.Change{Name: withdrawal.TaxPolicySetting, Value: p, Actor: by, Reason: reason})
}

func (f *Flow) putWithdrawalSetting(ctx context.Context, c setting.Change) (version int, err error) {
	if c.Reason, err = checkReason(c.Reason); err != nil {
		return 0, err
	}
	err = f.DB.InTx(ctx, "flow.put_setting", func(ctx context.Context, tx *store.Tx) error {
		before, err := f.withdrawalTerms(ctx, tx, tx.Now())
		if err != nil {
			return err
		}
		old := any(before.Policy)
		if c.Name == withdrawal.TaxPolicySetting {
			old = before.Tax
		}
		version, err = putSetting(ctx, tx, c, old)
		return err
	})
	return version, err
}
