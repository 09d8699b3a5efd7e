package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/store"
	"fenxiao/server/view"
	"fenxiao/server/wechat"
)

const (
	payoutLease     = 2 * time.Minute  // how long a claimed payout is left to who claimed it
	payoutSettle    = time.Minute      // a transfer just sent may not be known to WeChat's query yet
	payoutUnknown   = 5 * time.Minute  // a sending without an answer may still land
	payoutAsk       = 15 * time.Second // first question about one under way
	payoutAskMax    = 10 * time.Minute
	payoutRetry     = time.Minute // next try of one that WeChat cannot do now
	payoutRetryMax  = time.Hour
	payoutNoTax     = 10 * time.Minute
	payoutStuckWait = 6 * time.Hour
	// payoutForget is from when on WeChat's not knowing a bill says nothing: it keeps bills for 30 days.
	payoutForget = 29 * 24 * time.Hour
)

// PayOut sends approved withdrawals to WeChat, and goes on with those whose outcome is open; at most limit of each. It
// returns how many it looked at.
func (f *Flow) PayOut(ctx context.Context, limit int) (done int, err error) {
	approved, err := withdrawal.Due(ctx, f.DB.Q(), withdrawal.Approved, f.DB.Clock.Now(), limit)
	if err != nil {
		return 0, err
	}
	done, failed := each(ctx, approved, f.payOut)
	resumed, err := f.askDue(ctx, withdrawal.Paying, limit)
	return max(done, resumed), errors.Join(failed, err)
}

// QueryPayouts asks WeChat about transfers under way, at most limit of each state, and puts the day's counters right.
func (f *Flow) QueryPayouts(ctx context.Context, limit int) (done int, err error) {
	if err := f.SweepAllowances(ctx); err != nil {
		f.Log.WarnContext(ctx, "sweep withdrawal allowances", "error", err)
	}
	if done, err = f.askDue(ctx, withdrawal.Paying, limit); err != nil {
		return done, err
	}
	waiting, err := f.askDue(ctx, withdrawal.AwaitingUser, limit)
	return max(done, waiting), err
}

// askDue claims payouts that are due and asks WeChat about each.
func (f *Flow) askDue(ctx context.Context, s withdrawal.State, limit int) (done int, err error) {
	due, err := withdrawal.Due(ctx, f.DB.Q(), s, f.DB.Clock.Now(), limit)
	if err != nil {
		return 0, err
	}
	return each(ctx, due, f.claimAndAsk)
}

func (f *Flow) claimAndAsk(ctx context.Context, w withdrawal.Withdrawal) error {
	var mine bool
	err := f.DB.InTx(ctx, "flow.claim_payout", func(ctx context.Context, tx *store.Tx) (err error) {
		mine, err = withdrawal.Claim(ctx, tx, w, base.Ms(tx.Now().Add(payoutLease)))
		return err
	})
	if err == nil && mine {
		w.Tries++ // as the claim has it: whoever claims after us makes our next step fail
		err = f.askPayout(ctx, w, nil)
	}
	if err != nil {
		return fmt.Errorf("ask about payout %s: %w", w.ID, err)
	}
	return nil
}

// QueryPayout asks WeChat about one payout now, for an admin or for a distributor who has just confirmed.
func (f *Flow) QueryPayout(ctx context.Context, id base.WithdrawalID) (withdrawal.Withdrawal, error) {
	w, err := withdrawal.Get(ctx, f.DB.Q(), id)
	if err != nil {
		return w, err
	}
	if w.State != withdrawal.Paying && w.State != withdrawal.AwaitingUser {
		return w, nil
	}
	if err := f.claimAndAsk(ctx, w); err != nil {
		return w, err
	}
	if w, err = withdrawal.Get(ctx, f.DB.Q(), id); err != nil || w.State.Final() {
		return w, err
	}
	if answer := wechat.TransferState(w.WeChatState); answer.Final() {
		if _, err := f.awaitApplied(ctx, w.OutBillNo+":"+w.WeChatState); err != nil {
			return w, err
		}
	}
	return withdrawal.Get(ctx, f.DB.Q(), id)
}

// payOut starts one approved payout: number, payee and words are stored before the call, and no transaction is open
// during it.
func (f *Flow) payOut(ctx context.Context, seen withdrawal.Withdrawal) error {
	var started bool
	call := f.DB.Mint.Next()
	err := f.DB.InTx(ctx, "flow.start_payout", func(ctx context.Context, tx *store.Tx) (err error) {
		started, err = f.startPayout(ctx, tx, seen.ID, call)
		return err
	})
	if err != nil || !started {
		if err == nil || errors.Is(err, withdrawal.ErrMoved) {
			return nil // somebody else was faster
		}
		return fmt.Errorf("pay out %s: %w", seen.ID, err)
	}
	w, err := withdrawal.Get(ctx, f.DB.Q(), seen.ID)
	if err == nil {
		err = f.send(ctx, w, call)
	}
	if err != nil {
		return fmt.Errorf("pay out %s: %w", seen.ID, err)
	}
	return nil
}

// startPayout moves an approved withdrawal to paying if it may still be paid; else it goes back to review.
func (f *Flow) startPayout(ctx context.Context, tx *store.Tx, id base.WithdrawalID, call int64) (started bool, err error) {
	w, err := withdrawal.Lock(ctx, tx, id)
	if err != nil || w.State != withdrawal.Approved || w.NextMs > tx.NowMs() {
		return false, err
	}
	terms, err := f.withdrawalTerms(ctx, tx, tx.Now())
	if err != nil {
		return false, err
	}
	if !terms.Tax.Chosen() {
		return false, withdrawal.Later(ctx, tx, id, base.Ms(tx.Now().Add(payoutNoTax)), withdrawal.ErrTaxNotChosen.Message)
	}
	payee, person, err := payeeOf(ctx, tx, w.Distributor)
	if err != nil {
		return false, err
	}
	if refusal := payee.MayBePaid(); refusal != nil {
		return false, withdrawal.Review(ctx, tx, w, base.System, reviewReasons[refusal])
	}
	name, err := f.payeeName(person, w)
	if err != nil {
		return false, err
	}
	if name == "" && w.Net >= wechat.TransferNameRequired {
		return false, withdrawal.Review(ctx, tx, w, base.System, "该金额需要真实姓名，退回复核")
	}
	body := withdrawal.Transfer{
		Remark: terms.Policy.Remark, SceneID: f.Shop.TransferScene, NotifyURL: f.Shop.NotifyURL,
		Reports: []wechat.ReportInfo{{Type: wechat.ReportJob, Content: f.Shop.TransferJob}, {Type: wechat.ReportPay, Content: f.Shop.TransferNote}},
	}
	sealed := f.Box.Seal(withdrawal.PayeeNamePlace, name)
	if err := withdrawal.Start(ctx, tx, w, body, sealed, base.Ms(tx.Now().Add(payoutLease))); err != nil {
		return false, err
	}
	return true, withdrawal.BeginCall(ctx, tx, call, id, withdrawal.CallTransfer)
}

var reviewReasons = map[error]string{
	withdrawal.ErrSuspended: "分销员已被暂停，退回复核",
	withdrawal.ErrInDebt:    debtReason,
}

// payeeName opens the real name if WeChat is to be given one with this amount.
func (f *Flow) payeeName(p view.Payee, w withdrawal.Withdrawal) (string, error) {
	if !withdrawal.NameSent(w.Net) {
		return "", nil
	}
	return f.Box.Open(distributor.RealNamePlace, p.RealNameEnc)
}

// send makes the one call that moves the money. Every try under a number sends the same.
func (f *Flow) send(ctx context.Context, w withdrawal.Withdrawal, call int64) error {
	body, err := w.Frozen()
	if err != nil {
		return err
	}
	name, err := f.Box.Open(withdrawal.PayeeNamePlace, w.PayeeNameEnc)
	if err != nil {
		return err
	}
	answer, err := f.Pay.Transfer(ctx, wechat.TransferRequest{
		OutBillNo: w.OutBillNo, OpenID: w.OpenID, Amount: w.Net, UserName: name, Remark: body.Remark, SceneID: body.SceneID,
		ReportInfos: body.Reports, NotifyURL: body.NotifyURL,
	})
	ctx = context.WithoutCancel(ctx) // what came of the call is written down, also while the process ends
	if err := f.sent(ctx, w, call, answer, err); err != nil {
		return err
	}
	switch {
	case err == nil && answer.State.Final(), wechat.ClassOf(err) == wechat.Exists:
		return f.askPayout(ctx, w, nil) // the answer to a sending names neither amount nor payee: the query does
	case wechat.ClassOf(err) == wechat.Refused:
		return f.askPayout(ctx, w, err)
	}
	return nil
}

// sendAgain notes that the transfer is sent once more, and sends it.
func (f *Flow) sendAgain(ctx context.Context, w withdrawal.Withdrawal) error {
	call, posted := f.DB.Mint.Next(), int64(0)
	err := f.DB.InTx(ctx, "flow.resend_payout", func(ctx context.Context, tx *store.Tx) error {
		if err := withdrawal.Posting(ctx, tx, w); err != nil {
			return err
		}
		posted = tx.NowMs()
		return withdrawal.BeginCall(ctx, tx, call, w.ID, withdrawal.CallTransfer)
	})
	if err != nil {
		if errors.Is(err, withdrawal.ErrMoved) {
			return nil
		}
		return err
	}
	w.PostedMs = posted
	w.Tries++
	return f.send(ctx, w, call)
}

// sent takes in the answer to a sending.
func (f *Flow) sent(ctx context.Context, w withdrawal.Withdrawal, call int64, answer wechat.Transfer, cause error) error {
	return f.DB.InTx(ctx, "flow.payout_sent", func(ctx context.Context, tx *store.Tx) error {
		if err := withdrawal.EndCall(ctx, tx, callLog(call, answer, cause)); err != nil {
			return err
		}
		switch wechat.ClassOf(cause) {
		case "":
			return underWay(ctx, tx, w, answer)
		case wechat.Later:
			if err := raise(ctx, tx, alarm{"payout.later", w.OutBillNo, cause.Error()}); err != nil {
				return err
			}
			return withdrawal.Later(ctx, tx, w.ID, base.Ms(tx.Now().Add(backoff(payoutRetry, w.Tries, payoutRetryMax))), laterReason(cause))
		case wechat.Exists, wechat.Refused:
			return nil // a query comes next
		}
		if err := withdrawal.Unknown(ctx, tx, w.ID); err != nil {
			return err
		}
		return withdrawal.Later(ctx, tx, w.ID, base.Ms(tx.Now().Add(payoutAsk)), "")
	})
}

// underWay takes in what WeChat says about a transfer that is not over.
func underWay(ctx context.Context, tx *store.Tx, w withdrawal.Withdrawal, t wechat.Transfer) error {
	if err := withdrawal.Word(ctx, tx, w.ID, t); err != nil {
		return err
	}
	next := base.Ms(tx.Now().Add(askPause(w, tx.Now())))
	switch t.State {
	case wechat.TransferWaitConfirm, wechat.TransferPaying, wechat.TransferCanceling:
		if w.State == withdrawal.Paying {
			err := withdrawal.Move(ctx, tx, withdrawal.Change{
				ID: w.ID, From: withdrawal.Paying, To: withdrawal.AwaitingUser, By: base.WeChat, NextMs: next,
			})
			if errors.Is(err, withdrawal.ErrMoved) {
				return nil // a notification was faster
			}
			return err
		}
	case wechat.TransferAccepted, wechat.TransferProcessing:
	default:
		if !t.State.Final() {
			return withdrawal.Later(ctx, tx, w.ID, next, "微信返回了未知状态 "+string(t.State))
		}
	}
	return withdrawal.Later(ctx, tx, w.ID, next, "")
}

// askPause grows with how long the payout has been under way.
func askPause(w withdrawal.Withdrawal, now time.Time) time.Duration {
	since := now.Sub(base.Time(max(w.PayingMs, w.AwaitingMs)))
	return min(max(since/4, payoutAsk), payoutAskMax)
}

func laterReason(cause error) string {
	if wechat.CodeOf(cause) == "NOT_ENOUGH" {
		return "商户运营账户余额不足，请充值，系统会用同一单号自动重试"
	}
	return "微信暂时无法处理，系统会用同一单号自动重试"
}

func callLog(id int64, t wechat.Transfer, cause error) withdrawal.CallLog {
	c := withdrawal.CallLog{ID: id, Class: "ok", WeChatState: string(t.State)}
	if cause == nil {
		return c
	}
	c.Class, c.Message = string(wechat.ClassOf(cause)), "no answer"
	var e *wechat.Error
	if errors.As(cause, &e) {
		c.Status, c.Code, c.Message, c.RequestID = e.HTTPStatus, e.Code, e.Message, e.RequestID
	}
	return c
}
