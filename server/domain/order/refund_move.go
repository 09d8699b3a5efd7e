package order

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

// Decision is an operator's word about a requested refund.
type Decision struct {
	By      base.Actor
	Restock bool   // goods that came back are fit for sale
	Reason  string // of a rejection
}

// Goods is where an order's goods are, read under its lock before a refund is counted.
type Goods struct {
	Lines   []Line
	Parcels []Fulfilment
}

// Approve moves a refund from requested to approved and counts it against its lines, its order and its payment, all
// guarded: what would exceed is ErrExceeds and nothing happens. What had not been sent is taken out of what is
// allocated. One of 0.00 is done at once. The refund is returned as it then stands, with what was unshipped.
func Approve(ctx context.Context, tx *store.Tx, r Refund, g Goods, d Decision) (Refund, error) {
	state, doneMs := RefundApproved, int64(0)
	if r.Amount == 0 {
		state, doneMs = RefundDone, tx.NowMs()
	}
	number := attemptNumber(r.ID, 1)
	r.Restock = 0
	if d.Restock && r.GoodsBack == 1 {
		r.Restock = 1
	}
	ok, err := tx.ExecOne(ctx, approveSQL, state, r.Restock, number, tx.NowMs(), tx.NowMs(), d.By.String(), doneMs, tx.NowMs(), r.ID, RefundRequested)
	if err != nil {
		return r, fmt.Errorf("approve refund: %w", err)
	}
	if !ok {
		return r, ErrRefundMoved
	}
	r.State, r.OutRefundNo, r.AttemptNo, r.ApprovedMs, r.DoneMs, r.OpenOrder = state, &number, 1, tx.NowMs(), doneMs, nil
	if err := insertAttempt(ctx, tx, r); err != nil {
		return r, err
	}
	if err := charge(ctx, tx, r); err != nil {
		return r, err
	}
	return r, unship(ctx, tx, &r, g)
}

// attemptNumber is the number of a refund's nth attempt at WeChat: it follows from the refund, so that no retry of ours
// can make another one.
func attemptNumber(id base.RefundID, n int) string {
	if n == 1 {
		return id.String()
	}
	return fmt.Sprintf("%s-%d", id, n)
}

func insertAttempt(ctx context.Context, tx *store.Tx, r Refund) error {
	if _, err := tx.Exec(ctx, insertAttemptSQL, r.Number(), r.ID, r.AttemptNo, r.State, tx.NowMs()); err != nil {
		return fmt.Errorf("write refund attempt: %w", err)
	}
	return nil
}

// charge counts a refund against what it is of.
func charge(ctx context.Context, tx *store.Tx, r Refund) error {
	for _, l := range r.Lines {
		ok, err := tx.ExecOne(ctx, chargeLineSQL, l.Amount, l.Qty, l.Line, r.Order, l.Amount, l.Qty)
		if err != nil {
			return fmt.Errorf("count refund of line: %w", err)
		}
		if !ok {
			return ErrExceeds
		}
	}
	ok, err := tx.ExecOne(ctx, chargeOrderSQL, r.Amount, r.Freight, r.Order, r.Amount, r.Freight)
	if err != nil {
		return fmt.Errorf("count refund of order: %w", err)
	}
	if !ok {
		return ErrExceeds
	}
	if r.Payment == 0 {
		return nil
	}
	return chargePayment(ctx, tx, r.Payment, r.Amount)
}

// unship takes what was refunded before it was sent out of what is allocated. Goods that come back are of those sent, as
// far as these reach.
func unship(ctx context.Context, tx *store.Tx, r *Refund, g Goods) error {
	from, ok := allocatedOf(g.Parcels)
	if !ok {
		return nil
	}
	var taken []FulfilmentLine
	for i := range r.Lines {
		l := &r.Lines[i]
		l.Unshipped = min(l.Qty, from.qtyOf(l.Line))
		if r.GoodsBack == 1 {
			l.Unshipped = max(0, l.Qty-g.sentQty(l.Line, from))
		}
		if l.Unshipped == 0 {
			continue
		}
		taken = append(taken, FulfilmentLine{from.ID, l.Line, l.Unshipped})
		if _, err := tx.Exec(ctx, unshippedSQL, l.Unshipped, r.ID, l.Line); err != nil {
			return fmt.Errorf("write refund line: %w", err)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	return take(ctx, tx, from, taken)
}

// sentQty is how much of a line was sent and not refunded: what is neither refunded nor still to be sent.
func (g Goods) sentQty(id base.LineID, allocated Fulfilment) int64 {
	for _, l := range g.Lines {
		if l.ID == id {
			return l.Qty - l.RefundedQty - allocated.qtyOf(id)
		}
	}
	return 0
}

// Reject moves a refund from requested to rejected, or, by the customer, to withdrawn.
func Reject(ctx context.Context, tx *store.Tx, id base.RefundID, to RefundState, d Decision) error {
	if !RefundRequested.CanBecome(to) || to == RefundApproved {
		return fmt.Errorf("reject refund: to %s", to)
	}
	return refundMoved(tx.ExecOne(ctx, rejectSQL, to, d.Reason, tx.NowMs(), d.By.String(), id, RefundRequested))
}

func refundMoved(ok bool, err error) error {
	if err == nil && !ok {
		err = ErrRefundMoved
	}
	return err
}

// LateRefund stores the full refund of a payment that came for an order that could not take it, approved at once. It
// counts against the payment alone: the order was not paid by it.
func LateRefund(ctx context.Context, tx *store.Tx, id base.RefundID, p Payment, reason string) (Refund, error) {
	number := attemptNumber(id, 1)
	r := Refund{
		ID: id, Order: p.Order, Payment: p.ID, Kind: LatePayment, State: RefundApproved, Amount: p.Amount, Reason: reason,
		OutRefundNo: &number, AttemptNo: 1, RequestedMs: tx.NowMs(), RequestedBy: base.System.String(), ApprovedMs: tx.NowMs(),
		DecidedMs: tx.NowMs(), DecidedBy: base.System.String(), NextMs: tx.NowMs(), Version: 1,
	}
	r, err := insertRefund(ctx, tx, r, Give{})
	if err != nil {
		return r, err
	}
	if err := insertAttempt(ctx, tx, r); err != nil {
		return r, err
	}
	return r, chargePayment(ctx, tx, p.ID, p.Amount)
}

// Foreign is a refund that was made outside, at WeChat.
type Foreign struct {
	ID       base.RefundID
	Number   string // its out_refund_no there
	WeChatID string
	State    RefundState // done or processing
	DoneMs   int64
}

// AdoptRefund stores a refund that was made outside and counts it. The caller has locked the order. A payment that does
// not count towards its order has no lines to give back.
func AdoptRefund(ctx context.Context, tx *store.Tx, f Foreign, p Payment, give Give) (Refund, error) {
	r := Refund{
		ID: f.ID, Order: p.Order, Payment: p.ID, Kind: Adopted, State: f.State, Amount: give.Total, Freight: give.Freight,
		Reason: "微信商户平台退款", OutRefundNo: &f.Number, AttemptNo: 1, WeChatID: f.WeChatID, RequestedMs: tx.NowMs(), RequestedBy: base.WeChat.String(),
		ApprovedMs: tx.NowMs(), DecidedMs: tx.NowMs(), DecidedBy: base.WeChat.String(), SentMs: tx.NowMs(), DoneMs: f.DoneMs, NextMs: tx.NowMs(), Version: 1,
	}
	r, err := insertRefund(ctx, tx, r, give)
	if err != nil {
		return r, err
	}
	if err := insertAttempt(ctx, tx, r); err != nil {
		return r, err
	}
	if !p.Counts() {
		return r, chargePayment(ctx, tx, p.ID, r.Amount)
	}
	return r, charge(ctx, tx, r)
}

// Outcome is what WeChat says about a refund.
type Outcome struct {
	To       RefundState
	WeChatID string
	Reason   string // against it
	DoneMs   int64
	NextMs   int64 // when to ask again
}

// MoveRefund takes a refund where WeChat says it is, and says whether it moved: not if it is there already, or
// somewhere that WeChat cannot take it from.
func MoveRefund(ctx context.Context, tx *store.Tx, r Refund, o Outcome) (bool, error) {
	if !r.State.CanBecome(o.To) {
		return false, nil
	}
	ok, err := tx.ExecOne(ctx, refundMoveSQL, o.To, o.WeChatID, o.WeChatID, clip(o.Reason), tx.NowMs(), o.DoneMs, o.NextMs, r.ID, r.State)
	if err != nil || !ok {
		return false, err
	}
	_, err = tx.Exec(ctx, attemptStateSQL, o.To, r.Number())
	return err == nil, err
}

func clip(s string) string {
	if r := []rune(s); len(r) > 480 {
		return string(r[:480])
	}
	return s
}

// RefundLater puts off the next step of a refund, with the reason.
func RefundLater(ctx context.Context, tx *store.Tx, r Refund, nextMs int64, reason string) error {
	_, err := tx.Exec(ctx, refundLaterSQL, nextMs, clip(reason), r.ID, r.State)
	return err
}

// RetryRefund gives a refund that WeChat closed a new number and makes it approved again.
func RetryRefund(ctx context.Context, tx *store.Tx, r Refund) (Refund, error) {
	number := attemptNumber(r.ID, r.AttemptNo+1)
	if err := refundMoved(tx.ExecOne(ctx, againSQL, RefundApproved, number, tx.NowMs(), r.ID, RefundClosed)); err != nil {
		return r, err
	}
	r.State, r.OutRefundNo, r.AttemptNo = RefundApproved, &number, r.AttemptNo+1
	return r, insertAttempt(ctx, tx, r)
}
