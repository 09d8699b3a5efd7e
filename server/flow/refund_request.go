package flow

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/order"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
)

// What a request for a refund is refused for.
var (
	ErrWindowOver = errs.E(errs.Conflict, "refund.window_over", "已超过售后期限，如有问题请联系客服",
		errs.EN("The time for after-sale is over. Please contact customer service."))
	ErrNotShipped = errs.E(errs.Conflict, "refund.not_shipped", "商品尚未发货，无需退回，请选择仅退款",
		errs.EN("The goods have not been sent. Ask for the money only."))
)

// RefundRequest is a customer's wish to get money back.
type RefundRequest struct {
	ID        base.RefundID // minted by the caller, who keeps it for every retry
	Order     base.OrderID
	Customer  base.CustomerID
	Ask       order.Ask
	GoodsBack bool // the goods are sent back
	Reason    string
}

// RequestRefund stores a customer's request. While it waits it holds the commissions of its lines. With the id of a
// request that is there it returns that one.
func (f *Flow) RequestRefund(ctx context.Context, in RefundRequest) (order.Refund, error) {
	var r order.Refund
	err := f.DB.InTx(ctx, "flow.request_refund", func(ctx context.Context, tx *store.Tx) error {
		o, there, err := refundable(ctx, tx, in.ID, in.Order, in.Customer)
		if err != nil || there != nil {
			if there != nil {
				r = *there
			}
			return err
		}
		by := base.Customer(in.Customer)
		r, err = requestRefund(ctx, tx, o, newRefund{
			id: in.ID, kind: order.AfterSale, ask: in.Ask, goodsBack: in.GoodsBack, reason: in.Reason, by: by, customer: true,
		})
		return err
	})
	return r, err
}

// RefundOf returns a customer's refund. Somebody else's is order.ErrRefundNotFound.
func (f *Flow) RefundOf(ctx context.Context, customer base.CustomerID, id base.RefundID) (order.Refund, error) {
	r, err := order.RefundByID(ctx, f.DB.Q(), id)
	if err != nil {
		return order.Refund{}, err
	}
	o, err := order.Get(ctx, f.DB.Q(), r.Order)
	if err == nil && o.Customer != customer {
		err = order.ErrRefundNotFound
	}
	if err != nil {
		return order.Refund{}, err
	}
	return r, nil
}

// refundable locks an order that was paid, or returns the refund that is there under the id. A customer given must own
// the order; else nothing is told about it.
func refundable(ctx context.Context, tx *store.Tx, refund base.RefundID, id base.OrderID, owner base.CustomerID) (order.Order, *order.Refund, error) {
	o, err := order.Lock(ctx, tx, id)
	if err == nil && owner != 0 && o.Customer != owner {
		err = order.ErrNotFound
	}
	if err != nil {
		return o, nil, err
	}
	r, err := order.RefundByID(ctx, tx, refund)
	switch {
	case err == nil && r.Order != id:
		return o, nil, order.ErrNotFound
	case err == nil:
		return o, &r, nil
	case errs.CodeOf(err) != order.ErrRefundNotFound.Code:
		return o, nil, err
	case o.State != order.Paid && o.State != order.Completed:
		return o, nil, order.ErrNotPaid
	}
	return o, nil, nil
}

// newRefund is a refund to be worked out and stored.
type newRefund struct {
	id        base.RefundID
	kind      order.RefundKind
	ask       order.Ask
	goodsBack bool
	reason    string
	by        base.Actor
	customer  bool // asked by the customer: time limits hold, and one at a time
}

func requestRefund(ctx context.Context, tx *store.Tx, o order.Order, n newRefund) (order.Refund, error) {
	reason, err := checkReason(n.reason)
	if err != nil {
		return order.Refund{}, err
	}
	lines, err := order.Lines(ctx, tx, o.ID)
	if err != nil {
		return order.Refund{}, err
	}
	give, err := order.Work(o, lines, n.ask)
	if err != nil {
		return order.Refund{}, err
	}
	if err := allowed(ctx, tx, lines, give, n); err != nil {
		return order.Refund{}, err
	}
	payment, _, err := order.CountingPayment(ctx, tx, o.ID)
	if err != nil {
		return order.Refund{}, err
	}
	r := order.Refund{ID: n.id, Order: o.ID, Payment: payment.ID, Kind: n.kind, Reason: reason, RequestedBy: n.by.String()}
	if n.goodsBack {
		r.GoodsBack = 1
	}
	if n.customer {
		r.OpenOrder = &o.ID
	}
	if r, err = order.RequestRefund(ctx, tx, r, give); err != nil || len(r.Lines) == 0 {
		return r, err
	}
	held := make([]base.LineID, len(r.Lines))
	for i, l := range r.Lines {
		held[i] = l.Line
	}
	return r, commission.Hold(ctx, tx, commission.HoldInput{
		Scope: commission.HoldLine, ScopeIDs: commission.LinesOf(held...), Ref: r.HoldRef(), Reason: "售后申请：" + reason, Actor: n.by,
	})
}

// allowed checks what holds beside the amounts: the customer's time limits, and that goods to come back were sent.
func allowed(ctx context.Context, tx *store.Tx, lines []order.Line, give order.Give, n newRefund) error {
	if n.customer {
		for _, g := range give.Lines {
			for _, l := range lines {
				if l.ID == g.Line && l.ReceivedMs != 0 && l.AftersaleEnd().Before(tx.Now()) {
					return ErrWindowOver
				}
			}
		}
	}
	if !n.goodsBack {
		return nil
	}
	parcels, err := order.Fulfilments(ctx, tx, lines[0].Order)
	if err == nil && order.ShippedState(parcels) == order.DeliveredNone {
		err = ErrNotShipped
	}
	return err
}

// RefundDecision is a word about a requested refund.
type RefundDecision struct {
	ID       base.RefundID
	Customer base.CustomerID // whose it must be; 0: an operator decides
	By       base.Actor
	Reason   string // of a rejection
	Restock  bool   // of an approval: goods that came back are fit for sale
}

// RejectRefund refuses a request, with a reason that the customer reads. The commissions are no longer held.
func (f *Flow) RejectRefund(ctx context.Context, in RefundDecision) (order.Refund, error) {
	reason, err := checkReason(in.Reason)
	if err != nil {
		return order.Refund{}, err
	}
	in.Reason = reason
	return f.endRequest(ctx, in, order.RefundRejected)
}

// WithdrawRefund takes a customer's own request back.
func (f *Flow) WithdrawRefund(ctx context.Context, in RefundDecision) (order.Refund, error) {
	in.Reason = ""
	return f.endRequest(ctx, in, order.RefundWithdrawn)
}

func (f *Flow) endRequest(ctx context.Context, in RefundDecision, to order.RefundState) (order.Refund, error) {
	var r order.Refund
	err := f.DB.InTx(ctx, "flow.end_refund_request", func(ctx context.Context, tx *store.Tx) (err error) {
		var o order.Order
		if r, o, err = lockRefund(ctx, tx, in); err != nil || r.State == to {
			return err
		}
		if err := order.Reject(ctx, tx, in.ID, to, order.Decision{By: in.By, Reason: in.Reason}); err != nil {
			return err
		}
		if _, err := commission.ReleaseHold(ctx, tx, r.HoldRef()); err != nil {
			return err
		}
		if err := auditRefund(ctx, tx, r, "refund."+string(to), in); err != nil {
			return fmt.Errorf("order %s: %w", o.ID, err)
		}
		r, err = order.RefundByID(ctx, tx, in.ID)
		return err
	})
	return r, err
}

// lockRefund locks the order of a refund and reads both.
func lockRefund(ctx context.Context, tx *store.Tx, in RefundDecision) (order.Refund, order.Order, error) {
	r, err := order.RefundByID(ctx, tx, in.ID)
	if err != nil {
		return r, order.Order{}, err
	}
	o, err := order.Lock(ctx, tx, r.Order)
	if err == nil && in.Customer != 0 && o.Customer != in.Customer {
		err = order.ErrRefundNotFound
	}
	if err == nil {
		r, err = order.RefundByID(ctx, tx, in.ID) // as it is under the lock
	}
	return r, o, err
}

func auditRefund(ctx context.Context, tx *store.Tx, r order.Refund, action string, d RefundDecision) error {
	return auditlog.Write(ctx, tx, auditlog.Entry{
		ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: d.By, Action: action, Object: r.ID.String(), Reason: d.Reason,
		Before: map[string]any{"state": r.State, "amount_fen": r.Amount, "order": r.Order.String()},
	})
}
