package withdrawal

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// Decision is what an admin decides about one withdrawal.
type Decision struct {
	ID      base.WithdrawalID
	Version int // what the admin saw; 0: does not matter
	Admin   base.AdminID
	Reason  string // shown to the distributor where it is a refusal
}

// Why a decision is refused.
var (
	ErrVersion = errs.E(errs.Conflict, "withdrawal.version_changed", "这笔提现在您查看之后有变化，请刷新后再决定",
		errs.EN("This withdrawal has changed since you looked at it. Reload and decide again."))
	ErrSameApprover = errs.E(errs.Forbidden, "withdrawal.same_approver", "这笔提现需要两位不同的管理员审批，您已审批过，请另一位管理员处理",
		errs.EN("This withdrawal needs two different admins, and you have approved it already."))
	ErrHeld = errs.E(errs.Conflict, "withdrawal.held", "这笔提现已被暂缓，请先解除暂缓再审批",
		errs.EN("This withdrawal is on hold. Release the hold first."))
	ErrNotHeld = errs.E(errs.Conflict, "withdrawal.not_held", "这笔提现没有被暂缓，无需解除",
		errs.EN("This withdrawal is not on hold."))
	ErrPaying = errs.E(errs.Conflict, "withdrawal.paying", "正在向微信发起转账，暂时不能取消，请稍后刷新再试",
		errs.EN("The transfer is being sent to WeChat. Reload in a moment and try again."))
	ErrEnded = errs.E(errs.Conflict, "withdrawal.ended", "这笔提现已经结束，不能取消",
		errs.EN("This withdrawal has ended and cannot be cancelled."))
	ErrReason = errs.E(errs.Invalid, "withdrawal.reason_needed", "请填写原因（1 到 200 个字），分销员会看到",
		errs.EN("Give a reason of 1 to 200 characters. The distributor will read it."), errs.At("/reason", "length", "1 to 200 characters"))
)

// CheckReason refuses an empty or endless reason.
func CheckReason(reason string) error {
	if n := len([]rune(reason)); n == 0 || n > ReasonRunesMax {
		return ErrReason
	}
	return nil
}

const (
	firstApproverSQL = `
UPDATE withdrawal SET first_approver = ?, version = version + 1 WHERE id = ? AND state = 'requested' AND first_approver = 0`
	approversSQL = `UPDATE withdrawal SET first_approver = ?, second_approver = ?, tax_kind = ?, tax_version = ? WHERE id = ?`
	resetSQL     = `
UPDATE withdrawal SET first_approver = 0, version = version + 1 WHERE id = ? AND state = 'requested' AND first_approver <> 0`
	holdSQL    = `UPDATE withdrawal SET held_ms = ?, hold_reason = ?, version = version + 1 WHERE id = ? AND held_ms = 0`
	releaseSQL = `UPDATE withdrawal SET held_ms = 0, hold_reason = '', version = version + 1 WHERE id = ? AND held_ms <> 0`
	openOfSQL  = `
SELECT id FROM withdrawal WHERE distributor_id = ? AND state IN ('requested', 'approved') ORDER BY id`
)

// Terms are what an approval is made under.
type Terms struct {
	SecondAbove money.Fen // above it two different admins approve
	Tax         TaxPolicy
	TaxVersion  int
}

// Approve records an admin's approval of the locked withdrawal w. Above the second limit the first approval only counts
// one; the second, of another admin, approves. It returns the state after it.
func Approve(ctx context.Context, tx *store.Tx, w Withdrawal, d Decision, t Terms) (State, error) {
	switch {
	case w.State != Requested:
		return w.State, ErrMoved
	case d.Version != 0 && d.Version != w.Version:
		return w.State, ErrVersion
	case w.HeldMs != 0:
		return w.State, ErrHeld
	case !t.Tax.Chosen():
		return w.State, ErrTaxNotChosen
	case w.FirstApprover == d.Admin:
		return w.State, ErrSameApprover
	}
	by := base.Admin(d.Admin)
	if w.Amount > t.SecondAbove && w.FirstApprover == 0 {
		ok, err := tx.ExecOne(ctx, firstApproverSQL, d.Admin, w.ID)
		if err != nil {
			return w.State, fmt.Errorf("approve withdrawal: %w", err)
		}
		if !ok {
			return w.State, ErrMoved
		}
		return Requested, Note(ctx, tx, Event{w.ID, Requested, Requested, "first_approval", by, d.Reason})
	}
	if err := Move(ctx, tx, Change{ID: w.ID, From: Requested, To: Approved, By: by, Reason: d.Reason}); err != nil {
		return w.State, err
	}
	first, second := d.Admin, base.AdminID(0)
	if w.FirstApprover != 0 {
		first, second = w.FirstApprover, d.Admin
	}
	return Approved, approvedBy(ctx, tx, w.ID, [2]base.AdminID{first, second}, t)
}

// AutoApprove approves a withdrawal that was just requested, without a person.
func AutoApprove(ctx context.Context, tx *store.Tx, id base.WithdrawalID, t Terms) error {
	if !t.Tax.Chosen() {
		return ErrTaxNotChosen
	}
	err := Move(ctx, tx, Change{ID: id, From: Requested, To: Approved, By: base.System, Reason: "低于自动审批限额且无风险提示"})
	if err != nil {
		return err
	}
	return approvedBy(ctx, tx, id, [2]base.AdminID{}, t)
}

func approvedBy(ctx context.Context, tx *store.Tx, id base.WithdrawalID, admins [2]base.AdminID, t Terms) error {
	if _, err := tx.Exec(ctx, approversSQL, admins[0], admins[1], t.Tax.Kind, t.TaxVersion, id); err != nil {
		return fmt.Errorf("approve withdrawal: %w", err)
	}
	return nil
}

// Review sends the locked withdrawal w back to where a person decides; approvals so far do not count any more. What is
// neither requested nor approved stays as it is.
func Review(ctx context.Context, tx *store.Tx, w Withdrawal, by base.Actor, reason string) error {
	switch {
	case w.State == Approved:
		return Move(ctx, tx, Change{ID: w.ID, From: Approved, To: Requested, By: by, Reason: reason})
	case w.State == Requested && w.FirstApprover != 0:
		ok, err := tx.ExecOne(ctx, resetSQL, w.ID)
		if err != nil {
			return fmt.Errorf("review withdrawal: %w", err)
		}
		if !ok {
			return ErrMoved
		}
		return Note(ctx, tx, Event{w.ID, Requested, Requested, "review", by, reason})
	}
	return nil
}

// Hold stops the locked withdrawal w until it is released: an approved one goes back to review.
func Hold(ctx context.Context, tx *store.Tx, w Withdrawal, d Decision) error {
	if w.State != Requested && w.State != Approved {
		return ErrMoved
	}
	if d.Version != 0 && d.Version != w.Version {
		return ErrVersion
	}
	if err := Review(ctx, tx, w, base.Admin(d.Admin), d.Reason); err != nil {
		return err
	}
	ok, err := tx.ExecOne(ctx, holdSQL, tx.NowMs(), d.Reason, w.ID)
	if err != nil {
		return fmt.Errorf("hold withdrawal: %w", err)
	}
	if !ok {
		return ErrHeld
	}
	return Note(ctx, tx, Event{w.ID, Requested, Requested, "hold", base.Admin(d.Admin), d.Reason})
}

// ReleaseHold lets the locked withdrawal w be decided again.
func ReleaseHold(ctx context.Context, tx *store.Tx, w Withdrawal, d Decision) error {
	if w.State != Requested {
		return ErrMoved
	}
	ok, err := tx.ExecOne(ctx, releaseSQL, w.ID)
	if err != nil {
		return fmt.Errorf("release withdrawal: %w", err)
	}
	if !ok {
		return ErrNotHeld
	}
	return Note(ctx, tx, Event{w.ID, Requested, Requested, "release", base.Admin(d.Admin), d.Reason})
}

// OpenOf lists a distributor's withdrawals that wait for a decision or for the payout job.
func OpenOf(ctx context.Context, q store.Q, distributor base.DistributorID) ([]base.WithdrawalID, error) {
	var ids []base.WithdrawalID
	if err := q.Select(ctx, &ids, openOfSQL, distributor); err != nil {
		return nil, fmt.Errorf("list open withdrawals: %w", err)
	}
	return ids, nil
}
