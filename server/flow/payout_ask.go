package flow

import (
	"context"
	"errors"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/store"
	"fenxiao/server/wechat"
)

// askPayout asks WeChat about a payout by its number and acts on the answer. refusal is the error of a sending just
// before, if it was refused: only when WeChat confirms that it does not know the number, the amount is released.
func (f *Flow) askPayout(ctx context.Context, w withdrawal.Withdrawal, refusal error) error {
	call := f.DB.Mint.Next()
	err := f.DB.InTx(ctx, "flow.ask_payout", func(ctx context.Context, tx *store.Tx) error {
		return withdrawal.BeginCall(ctx, tx, call, w.ID, withdrawal.CallQuery)
	})
	if err != nil {
		return err
	}
	answer, cause := f.Pay.QueryTransfer(ctx, w.OutBillNo)
	ctx = context.WithoutCancel(ctx)
	switch wechat.ClassOf(cause) {
	case "":
		return f.answered(ctx, w, call, answer)
	case wechat.NotFound:
		return f.notKnown(ctx, w, call, [2]error{cause, refusal})
	}
	return f.DB.InTx(ctx, "flow.payout_unanswered", func(ctx context.Context, tx *store.Tx) error {
		if err := withdrawal.EndCall(ctx, tx, callLog(call, answer, cause)); err != nil {
			return err
		}
		return withdrawal.Later(ctx, tx, w.ID, base.Ms(tx.Now().Add(backoff(payoutAsk, w.Tries, payoutAskMax))), w.Trouble)
	})
}

// answered takes in WeChat's answer to a question. An end goes through the inbox, like its notification.
func (f *Flow) answered(ctx context.Context, w withdrawal.Withdrawal, call int64, t wechat.Transfer) error {
	wrong := f.mismatch(w, t)
	err := f.DB.InTx(ctx, "flow.payout_answered", func(ctx context.Context, tx *store.Tx) error {
		if err := withdrawal.EndCall(ctx, tx, callLog(call, t, nil)); err != nil {
			return err
		}
		if wrong != "" {
			if err := raise(ctx, tx, alarm{"payout.mismatch", w.OutBillNo, wrong}); err != nil {
				return err
			}
			return withdrawal.Later(ctx, tx, w.ID, base.Ms(tx.Now().Add(payoutStuckWait)), "微信记录的转账与本单不一致，请人工核对")
		}
		return underWay(ctx, tx, w, t)
	})
	switch {
	case err != nil || wrong != "":
		return err
	case t.State.Final():
		return f.takeTransfer(ctx, t)
	case t.State == wechat.TransferWaitConfirm && w.CancelAskedMs != 0:
		return f.cancelTransfer(ctx, w)
	case t.State == wechat.TransferWaitConfirm && w.PackageInfo == "" && f.DB.Clock.Now().Sub(base.Time(w.PostedMs)) >= payoutSettle:
		// The answer that had the package was lost: the same transfer again gives it. Not at once, because the sending
		// just before is what led here.
		if w.State == withdrawal.Paying {
			w.State = withdrawal.AwaitingUser
		}
		return f.sendAgain(ctx, w)
	}
	return nil
}

// mismatch says in what a transfer differs from the withdrawal that it should be of; "" in nothing. A part that an
// answer does not repeat is not compared.
func (f *Flow) mismatch(w withdrawal.Withdrawal, t wechat.Transfer) string {
	switch {
	case t.OutBillNo != w.OutBillNo:
		return "another out_bill_no"
	case t.MchID != f.Pay.Account().MchID:
		return "another mchid"
	case t.Amount != w.Net:
		return fmt.Sprintf("amount %d, expected %d", t.Amount, w.Net)
	case t.OpenID != w.OpenID:
		return "another openid"
	}
	return ""
}

// notKnown decides what it means that WeChat does not know the number. errs are the query's and, if a sending was
// refused just before, that refusal.
func (f *Flow) notKnown(ctx context.Context, w withdrawal.Withdrawal, call int64, errs [2]error) error {
	now := f.DB.Clock.Now()
	posted, unknown := base.Time(w.PostedMs), base.Time(w.UnknownMs)
	var again bool
	err := f.DB.InTx(ctx, "flow.payout_not_known", func(ctx context.Context, tx *store.Tx) error {
		again = false
		if err := withdrawal.EndCall(ctx, tx, callLog(call, wechat.Transfer{}, errs[0])); err != nil {
			return err
		}
		switch {
		case w.State != withdrawal.Paying:
			return f.stuck(ctx, tx, w, "WeChat does not know a transfer that it has acknowledged")
		case now.Sub(base.Time(w.PayingMs)) >= payoutForget:
			return f.stuck(ctx, tx, w, "too old to ask WeChat about: look it up in the merchant console")
		case errs[1] != nil && now.Sub(unknown) >= payoutUnknown:
			return f.refused(ctx, tx, w, errs[1])
		case errs[1] != nil: // an earlier sending had no answer and may still land
			return withdrawal.Later(ctx, tx, w.ID, base.Ms(unknown.Add(payoutUnknown)), "")
		case now.Sub(posted) < payoutSettle:
			return withdrawal.Later(ctx, tx, w.ID, base.Ms(posted.Add(payoutSettle)), w.Trouble)
		}
		again = true
		return nil
	})
	if err != nil || !again {
		return err
	}
	return f.sendAgain(ctx, w)
}

func (f *Flow) stuck(ctx context.Context, tx *store.Tx, w withdrawal.Withdrawal, why string) error {
	if err := raise(ctx, tx, alarm{"payout.stuck", w.OutBillNo, why}); err != nil {
		return err
	}
	return withdrawal.Later(ctx, tx, w.ID, base.Ms(tx.Now().Add(payoutStuckWait)), "微信查不到这笔转账，请人工到商户平台核对")
}

// refused ends a payout that WeChat refused and, asked again, does not know: nothing was executed. If somebody else has
// claimed it meanwhile, another sending may be on its way, and it is theirs to end.
func (f *Flow) refused(ctx context.Context, tx *store.Tx, w withdrawal.Withdrawal, cause error) error {
	latest, err := withdrawal.Lock(ctx, tx, w.ID)
	if err != nil || latest.Tries != w.Tries {
		return err
	}
	reason := wechat.CodeOf(cause)
	if reason == "" {
		reason = string(wechat.Refused)
	}
	err = withdrawal.Move(ctx, tx, withdrawal.Change{
		ID: w.ID, From: withdrawal.Paying, To: withdrawal.Failed, By: base.WeChat, Reason: "微信拒绝了这笔转账，金额已退回",
	})
	if errors.Is(err, withdrawal.ErrMoved) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := withdrawal.FailReason(ctx, tx, w.ID, reason); err != nil {
		return err
	}
	if err := raise(ctx, tx, alarm{"payout.refused", w.OutBillNo, cause.Error()}); err != nil {
		return err
	}
	return returnAmount(ctx, tx, w)
}

// CancelWithdrawal is the distributor's own wish: at once while nothing was sent; while WeChat waits for the
// confirmation, WeChat is asked to take it back, and its final word decides.
func (f *Flow) CancelWithdrawal(ctx context.Context, d base.DistributorID, id base.WithdrawalID) (w withdrawal.Withdrawal, err error) {
	err = f.DB.InTx(ctx, "flow.cancel_withdrawal", func(ctx context.Context, tx *store.Tx) error {
		if w, err = withdrawal.Lock(ctx, tx, id); err != nil {
			return err
		}
		if w.Distributor != d {
			return withdrawal.ErrNotFound
		}
		return cancel(ctx, tx, w)
	})
	if err != nil {
		return withdrawal.Withdrawal{}, err
	}
	if w.State == withdrawal.AwaitingUser {
		if err := f.cancelTransfer(ctx, w); err != nil {
			return withdrawal.Withdrawal{}, err
		}
		return f.QueryPayout(ctx, id)
	}
	f.giveBackAllowance(ctx, w.Day, w.ID)
	return withdrawal.Get(ctx, f.DB.Q(), id)
}

func cancel(ctx context.Context, tx *store.Tx, w withdrawal.Withdrawal) error {
	by := base.Distributor(w.Distributor)
	switch w.State {
	case withdrawal.Requested, withdrawal.Approved:
		err := withdrawal.Move(ctx, tx, withdrawal.Change{ID: w.ID, From: w.State, To: withdrawal.Cancelled, By: by})
		if err != nil {
			return err
		}
		return returnAmount(ctx, tx, w)
	case withdrawal.AwaitingUser:
		return withdrawal.AskCancel(ctx, tx, w, by)
	case withdrawal.Paying:
		return withdrawal.ErrPaying
	case withdrawal.Cancelled:
		return nil // the second click
	}
	return withdrawal.ErrEnded
}

// cancelTransfer asks WeChat to take a transfer back. Whatever it says now, only its final word counts: the poller asks
// for it, and asks to cancel again while WeChat still waits.
func (f *Flow) cancelTransfer(ctx context.Context, w withdrawal.Withdrawal) error {
	call := f.DB.Mint.Next()
	err := f.DB.InTx(ctx, "flow.ask_cancel", func(ctx context.Context, tx *store.Tx) error {
		return withdrawal.BeginCall(ctx, tx, call, w.ID, withdrawal.CallCancel)
	})
	if err != nil {
		return err
	}
	answer, cause := f.Pay.CancelTransfer(ctx, w.OutBillNo)
	ctx = context.WithoutCancel(ctx)
	return f.DB.InTx(ctx, "flow.cancel_answered", func(ctx context.Context, tx *store.Tx) error {
		if err := withdrawal.EndCall(ctx, tx, callLog(call, answer, cause)); err != nil {
			return err
		}
		return withdrawal.Later(ctx, tx, w.ID, base.Ms(tx.Now().Add(payoutAsk)), "")
	})
}
