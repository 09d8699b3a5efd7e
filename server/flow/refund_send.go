package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/domain/order"
	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

const (
	refundAsk        = time.Minute // first question about a refund under way
	refundAskMax     = time.Hour
	refundRetry      = 30 * time.Second // next try of one that WeChat cannot do now
	refundRetryMax   = time.Hour
	refundAlarmTries = 5
)

// SendRefunds sends approved refunds to WeChat, at most limit, and returns how many it tried. Each goes under the number
// that was stored when it was approved, however often it has to be tried.
func (f *Flow) SendRefunds(ctx context.Context, limit int) (done int, err error) {
	return f.eachRefund(ctx, order.RefundApproved, limit, f.sendRefund)
}

// QueryRefunds asks WeChat about refunds under way, at most limit, and returns how many it asked about. Refunds made
// outside that were heard of before their payment are taken up again once that is known.
func (f *Flow) QueryRefunds(ctx context.Context, limit int) (done int, err error) {
	if err := f.reviveRefunds(ctx); err != nil {
		return 0, err
	}
	return f.eachRefund(ctx, order.RefundProcessing, limit, func(ctx context.Context, r order.Refund) error {
		answer, err := f.Pay.QueryRefund(ctx, r.Number())
		return f.refundAnswered(ctx, r, answer, err)
	})
}

// reviveMax bounds the kept refunds that are looked at in one run, the newest first.
const reviveMax = 200

// reviveRefunds lets refunds be tried again that were kept because their payment was not known, and now is.
func (f *Flow) reviveRefunds(ctx context.Context) error {
	waiting, err := inbox.KeptFor(ctx, f.DB.Q(), string(wechat.RefundEvent), unknownRefund, reviveMax)
	if err != nil {
		return err
	}
	revived := false
	for _, e := range waiting {
		s, err := wechat.DecodeRefund([]byte(e.Body))
		if err != nil {
			continue // a person has it
		}
		_, known, err := order.PaymentByTransaction(ctx, f.DB.Q(), s.TransactionID)
		if err != nil {
			return err
		}
		if !known {
			continue
		}
		err = f.DB.InTx(ctx, "flow.revive_refund", func(ctx context.Context, tx *store.Tx) error {
			_, err := inbox.Revive(ctx, tx, e.ID)
			return err
		})
		if err != nil {
			return fmt.Errorf("revive refund %s: %w", s.OutRefundNo, err)
		}
		revived = true
	}
	if revived {
		f.Wake()
	}
	return nil
}

func (f *Flow) eachRefund(ctx context.Context, s order.RefundState, limit int, do func(context.Context, order.Refund) error) (done int, err error) {
	due, err := order.DueRefunds(ctx, f.DB.Q(), s, base.Ms(f.DB.Clock.Now()), limit)
	if err != nil {
		return 0, err
	}
	return each(ctx, due, func(ctx context.Context, r order.Refund) error {
		if err := do(ctx, r); err != nil {
			return fmt.Errorf("refund %s: %w", r.ID, err)
		}
		return nil
	})
}

func (f *Flow) sendRefund(ctx context.Context, r order.Refund) error {
	p, ok, err := order.PaymentByID(ctx, f.DB.Q(), r.Payment)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("no payment to refund")
	}
	answer, err := f.Pay.Refund(ctx, wechat.RefundRequest{
		TransactionID: p.Transaction(), OutRefundNo: r.Number(), Reason: wechat.Fit(r.Reason, wechat.ReasonBytesMax),
		Amount: r.Amount, Total: p.Amount, NotifyURL: f.Shop.NotifyURL,
	})
	switch wechat.ClassOf(err) {
	case "", wechat.Later:
	default: // it may have been executed, now or by an earlier try: only a query can tell
		cause := err
		answer, err = f.Pay.QueryRefund(ctx, r.Number())
		if wechat.ClassOf(err) == wechat.NotFound {
			err = cause // not known under this number
		}
	}
	return f.refundAnswered(ctx, r, answer, err)
}

// refundAnswered takes in what WeChat said about a refund. An end goes through the inbox, like its notification; "under
// way" and "not now" only set when to go on.
func (f *Flow) refundAnswered(ctx context.Context, r order.Refund, answer wechat.Refund, cause error) error {
	if cause == nil && answer.State.Final() {
		if err := f.takeRefund(ctx, answer); err != nil {
			return err
		}
	}
	if cause != nil && (r.Tries+1 == refundAlarmTries || wechat.ClassOf(cause) == wechat.Refused && r.Tries == 0) {
		f.Alarm("refund.stuck", fmt.Sprintf("refund %s: %v", r.Number(), cause))
	}
	return f.DB.InTx(ctx, "flow.refund_answered", func(ctx context.Context, tx *store.Tx) error {
		if cause == nil && answer.State == wechat.RefundProcessing && r.State == order.RefundApproved {
			_, err := order.MoveRefund(ctx, tx, r, order.Outcome{
				To: order.RefundProcessing, WeChatID: answer.RefundID, NextMs: base.Ms(tx.Now().Add(refundAsk)),
			})
			return err
		}
		pause, reason := backoff(refundAsk, r.Tries, refundAskMax), ""
		if cause != nil {
			pause, reason = backoff(refundRetry, r.Tries, refundRetryMax), cause.Error()
		}
		return order.RefundLater(ctx, tx, r, base.Ms(tx.Now().Add(pause)), reason)
	})
}
