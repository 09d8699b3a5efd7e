package flow

import (
	"context"
	"errors"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

// applyTransfers takes in WeChat's last words about payouts, from notifications and from our own questions. What does
// not fit is kept for a person, with an alarm.
func (f *Flow) applyTransfers(ctx context.Context, tx *store.Tx, said []wechat.Transfer) ([]inbox.Result, error) {
	results := make([]inbox.Result, len(said))
	for i, t := range said {
		var err error
		if results[i], err = f.applyTransfer(ctx, tx, t); err != nil {
			return nil, fmt.Errorf("apply transfer %s: %w", t.OutBillNo, err)
		}
		if results[i].State != inbox.Kept {
			continue
		}
		if err := raise(ctx, tx, alarm{"transfer.kept", t.OutBillNo, results[i].Outcome}); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func (f *Flow) applyTransfer(ctx context.Context, tx *store.Tx, t wechat.Transfer) (inbox.Result, error) {
	w, err := withdrawal.ByBillNo(ctx, tx, t.OutBillNo)
	if errors.Is(err, withdrawal.ErrNotFound) {
		return kept("unknown out_bill_no"), nil
	}
	if err != nil {
		return inbox.Result{}, err
	}
	if w, err = withdrawal.Lock(ctx, tx, w.ID); err != nil {
		return inbox.Result{}, err
	}
	if wrong := f.mismatch(w, t); wrong != "" {
		return kept(wrong), withdrawal.Trouble(ctx, tx, w.ID, "微信通知的转账与本单不一致，请人工核对")
	}
	to := endOf(t)
	switch {
	case to == "":
		return applied("not an end: " + string(t.State)), nil
	case w.State == to, w.State.Returned() && to.Returned():
		return applied("again"), nil
	case !w.State.MayBecome(to) || w.State == withdrawal.Requested || w.State == withdrawal.Approved:
		return kept(fmt.Sprintf("cannot go from %s to %s", w.State, to)), withdrawal.Trouble(ctx, tx, w.ID, "微信通知的结果与本单状态矛盾，请人工核对")
	}
	return applied(""), endPayout(ctx, tx, w, t, to)
}

// endOf is where WeChat's last word takes a withdrawal; "" if it is not the last.
func endOf(t wechat.Transfer) withdrawal.State {
	switch {
	case t.State == wechat.TransferSuccess:
		return withdrawal.Paid
	case t.State == wechat.TransferCancelled:
		return withdrawal.Cancelled
	case t.State == wechat.TransferFail && t.FailReason == wechat.FailOverdue:
		return withdrawal.Expired
	case t.State == wechat.TransferFail:
		return withdrawal.Failed
	}
	return ""
}

// endPayout books the end: the money has left, or it goes back to the distributor, debt first.
func endPayout(ctx context.Context, tx *store.Tx, w withdrawal.Withdrawal, t wechat.Transfer, to withdrawal.State) error {
	if err := withdrawal.Word(ctx, tx, w.ID, t); err != nil {
		return err
	}
	if err := withdrawal.FailReason(ctx, tx, w.ID, t.FailReason); err != nil {
		return err
	}
	err := withdrawal.Move(ctx, tx, withdrawal.Change{ID: w.ID, From: w.State, To: to, By: base.WeChat, Reason: t.FailReason})
	if err != nil {
		return err
	}
	if to != withdrawal.Paid {
		return returnAmount(ctx, tx, w)
	}
	return ledger.PayOut(ctx, tx, ledger.Move{
		Kind: "payout", Ref: "payout:" + w.ID.String(), Distributor: w.Distributor, Amount: w.Amount,
	}, ledger.Parts{Net: w.Net, Fee: w.Fee, Tax: w.Tax})
}
