package flow

import (
	"context"
	"errors"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/domain/order"
	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

// applyRefunds takes in what WeChat says about refunds: ours move on, and one that was made outside (in the merchant
// console, after a complaint) is adopted.
func (f *Flow) applyRefunds(ctx context.Context, tx *store.Tx, said []wechat.Refund) ([]inbox.Result, error) {
	results := make([]inbox.Result, len(said))
	for i, s := range said {
		var err error
		if results[i], err = f.applyRefund(ctx, tx, s); err != nil {
			return nil, fmt.Errorf("apply refund %s: %w", s.OutRefundNo, err)
		}
		if results[i].State != inbox.Kept {
			continue
		}
		if err := raise(ctx, tx, alarm{"refund.kept", s.OutRefundNo, results[i].Outcome}); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// unknownRefund is why a refund is kept whose payment we do not know (yet).
const unknownRefund = "unknown out_refund_no and transaction_id"

func kept(reason string) inbox.Result { return inbox.Result{State: inbox.Kept, Outcome: reason} }

var refundStates = map[wechat.RefundState]order.RefundState{
	wechat.RefundProcessing: order.RefundProcessing,
	wechat.RefundSuccess:    order.RefundDone,
	wechat.RefundAbnormal:   order.RefundAbnormal,
	wechat.RefundClosed:     order.RefundClosed,
}

func (f *Flow) applyRefund(ctx context.Context, tx *store.Tx, s wechat.Refund) (inbox.Result, error) {
	if s.MchID != "" && s.MchID != f.Pay.Account().MchID {
		return kept("another mchid"), nil
	}
	to, known := refundStates[s.State]
	if !known {
		return kept("unknown state " + string(s.State)), nil
	}
	r, ours, err := order.RefundByNumber(ctx, tx, s.OutRefundNo)
	if err != nil {
		return inbox.Result{}, err
	}
	if !ours {
		return f.adopt(ctx, tx, s, to)
	}
	if _, err := order.Lock(ctx, tx, r.Order); err != nil {
		return inbox.Result{}, err
	}
	if r, err = order.RefundByID(ctx, tx, r.ID); err != nil {
		return inbox.Result{}, err
	}
	p, _, err := order.PaymentByID(ctx, tx, r.Payment)
	switch {
	case err != nil:
		return inbox.Result{}, err
	case s.TransactionID != p.Transaction():
		return kept("another transaction_id"), nil
	case s.Amount != r.Amount || s.Total != p.Amount:
		return kept(fmt.Sprintf("amount %d of %d, expected %d of %d", s.Amount, s.Total, r.Amount, p.Amount)), nil
	case r.State == to:
		return applied("again"), nil
	case s.OutRefundNo != r.Number() && to != order.RefundDone:
		return applied("of a former number"), nil
	case to == order.RefundProcessing && r.State != order.RefundApproved:
		return applied("older than what is known"), nil
	}
	return moveRefund(ctx, tx, r, s, to)
}

func moveRefund(ctx context.Context, tx *store.Tx, r order.Refund, s wechat.Refund, to order.RefundState) (inbox.Result, error) {
	o := order.Outcome{To: to, WeChatID: s.RefundID, NextMs: base.Ms(tx.Now().Add(refundAsk))}
	switch to {
	case order.RefundDone:
		o.DoneMs = max(base.Ms(s.SuccessAt), r.ApprovedMs)
	case order.RefundAbnormal, order.RefundClosed:
		o.Reason = "WeChat: " + string(s.State)
		if err := raise(ctx, tx, alarm{"refund." + string(to), s.OutRefundNo, "the money is still owed to the customer"}); err != nil {
			return inbox.Result{}, err
		}
	}
	moved, err := order.MoveRefund(ctx, tx, r, o)
	if err == nil && !moved {
		return kept(fmt.Sprintf("cannot go from %s to %s", r.State, to)), nil
	}
	return applied(""), err
}

// adopt takes in a refund that did not start here, by its transaction: counted over the lines by what is left of each,
// commissions reversed, an alarm raised, the stock left for a decision. One that does not fit is kept for a person.
func (f *Flow) adopt(ctx context.Context, tx *store.Tx, s wechat.Refund, to order.RefundState) (inbox.Result, error) {
	p, found, err := order.PaymentByTransaction(ctx, tx, s.TransactionID)
	if err != nil {
		return inbox.Result{}, err
	}
	if !found {
		return kept(unknownRefund), nil // until its payment is known: see reviveRefunds
	}
	if to != order.RefundDone && to != order.RefundProcessing {
		return kept("a refund made outside is " + string(s.State)), nil
	}
	o, err := order.Lock(ctx, tx, p.Order)
	if err != nil {
		return inbox.Result{}, err
	}
	// Somebody else may have adopted it while we waited for the lock.
	if _, there, err := order.RefundByNumber(ctx, tx, s.OutRefundNo); err != nil || there {
		if err == nil {
			return f.applyRefund(ctx, tx, s)
		}
		return inbox.Result{}, err
	}
	if p, _, err = order.PaymentByID(ctx, tx, p.ID); err != nil {
		return inbox.Result{}, err
	}
	if s.Total != p.Amount || s.Amount <= 0 || s.Amount > p.Amount-p.Refunded {
		return kept(fmt.Sprintf("made outside: %d of %d, with %d of %d refunded here", s.Amount, s.Total, p.Refunded, p.Amount)), nil
	}
	give := order.Give{Total: s.Amount}
	if p.Counts() {
		lines, err := order.Lines(ctx, tx, o.ID)
		if err != nil {
			return inbox.Result{}, err
		}
		give, err = order.Adopt(o, lines, s.Amount)
		if errors.Is(err, order.ErrExceeds) {
			return kept("made outside, exceeds what is left of the order"), nil
		}
		if err != nil {
			return inbox.Result{}, err
		}
	}
	foreign := order.Foreign{ID: base.RefundID(tx.NextID()), Number: s.OutRefundNo, WeChatID: s.RefundID, State: to}
	if to == order.RefundDone {
		foreign.DoneMs = base.Ms(s.SuccessAt)
	}
	return f.bookAdopted(ctx, tx, foreign, p, give)
}

func (f *Flow) bookAdopted(ctx context.Context, tx *store.Tx, foreign order.Foreign, p order.Payment, give order.Give) (inbox.Result, error) {
	r, err := order.AdoptRefund(ctx, tx, foreign, p, give)
	if err != nil {
		return inbox.Result{}, err
	}
	late, err := bookRefund(ctx, tx, r)
	if err != nil {
		return inbox.Result{}, err
	}
	detail := fmt.Sprintf("%s fen of order %s were refunded outside; decide about the goods", r.Amount, p.Order)
	if err := raise(ctx, tx, alarm{"refund.adopted", foreign.Number, detail}); err != nil {
		return inbox.Result{}, err
	}
	return applied("adopted as " + r.ID.String()), f.clawBack(ctx, tx, r, late)
}
