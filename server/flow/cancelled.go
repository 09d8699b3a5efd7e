package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/domain/order"
	"fenxiao/server/store"
	"fenxiao/server/wechat"
)

const (
	// callInFlight is how long after our last call WeChat's "not known" proves nothing: a call may still land.
	callInFlight    = 2 * time.Minute
	closeBackoff    = 30 * time.Second
	closeBackoffMax = 30 * time.Minute
)

const unpaidReason = "超时未付款，自动取消"

// errStillOpen says that WeChat has not said for certain that a payment is closed.
var errStillOpen = errors.New("flow: payment is not certainly closed")

// CancelInput is a wish to cancel an order that is not paid.
type CancelInput struct {
	Order    base.OrderID
	Customer base.CustomerID // whose order it must be; 0: an operator cancels
	By       base.Actor
	Reason   string
}

// CancelOrder cancels an order that is not paid. Its payment is closed at WeChat first, and only when WeChat says for
// certain that it will not be paid, the stock is given back. If it was paid meanwhile, it is paid, and the error is
// order.ErrIsPaid. While WeChat cannot be reached it is ErrPayClosing, and the job goes on. A cancelled order is
// returned as it is.
func (f *Flow) CancelOrder(ctx context.Context, in CancelInput) (order.Order, error) {
	o, err := order.Get(ctx, f.DB.Q(), in.Order)
	if err == nil && in.Customer != 0 && o.Customer != in.Customer {
		err = order.ErrNotFound
	}
	if err != nil || o.State == order.Cancelled {
		return o, err
	}
	if o.State != order.Created {
		return o, order.ErrIsPaid
	}
	reason, err := checkReason(in.Reason)
	if err != nil {
		return o, err
	}
	err = f.DB.InTx(ctx, "flow.wish_cancel", func(ctx context.Context, tx *store.Tx) error {
		return order.WishCancel(ctx, tx, in.Order, in.By, reason)
	})
	if err != nil {
		return o, err
	}
	in.Reason = reason
	return f.closeOrder(ctx, in)
}

// CloseUnpaid cancels orders whose time to pay is over, at most limit, and returns how many it cancelled. One that
// cannot be closed now is tried again later and does not hold up the others.
func (f *Flow) CloseUnpaid(ctx context.Context, limit int) (done int, err error) {
	due, err := order.DueToClose(ctx, f.DB.Q(), base.Ms(f.DB.Clock.Now()), limit)
	if err != nil {
		return 0, fmt.Errorf("find unpaid orders: %w", err)
	}
	for _, id := range due {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		_, err := f.closeOrder(ctx, CancelInput{Order: id, By: base.System, Reason: unpaidReason})
		if err == nil {
			done++
			continue
		}
		if errs.KindOf(err) == errs.Internal {
			f.Log.WarnContext(ctx, "close unpaid order", "order", id.String(), "error", err)
		}
		err = f.DB.InTx(ctx, "flow.close_later", func(ctx context.Context, tx *store.Tx) error {
			o, err := order.Get(ctx, tx, id)
			if err != nil {
				return err
			}
			return order.CloseLater(ctx, tx, id, base.Ms(tx.Now().Add(backoff(closeBackoff, o.CloseTries, closeBackoffMax))))
		})
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// closeOrder closes an unpaid order's payment at WeChat and then cancels the order here.
func (f *Flow) closeOrder(ctx context.Context, in CancelInput) (order.Order, error) {
	p, open, err := order.OpenPaymentOf(ctx, f.DB.Q(), in.Order)
	if err != nil {
		return order.Order{}, err
	}
	if open {
		err := f.stopPayment(ctx, &p)
		switch {
		case errors.Is(err, order.ErrIsPaid):
			o, getErr := order.Get(ctx, f.DB.Q(), in.Order)
			return o, errors.Join(getErr, order.ErrIsPaid)
		case errors.Is(err, errStillOpen):
			return order.Order{}, ErrPayClosing
		case err != nil:
			return order.Order{}, err
		}
	}
	var o order.Order
	err = f.DB.InTx(ctx, "flow.cancel_order", func(ctx context.Context, tx *store.Tx) (err error) {
		o, err = cancelHere(ctx, tx, in, p.ID)
		return err
	})
	if err == nil && o.State != order.Cancelled {
		err = order.ErrIsPaid
	}
	return o, err
}

// stopPayment makes sure that a payment will not be made: WeChat is asked, told to close, and asked again. nil: it is
// closed for certain. order.ErrIsPaid: it was paid, which is on its way through the inbox. errStillOpen: nobody knows.
func (f *Flow) stopPayment(ctx context.Context, p *order.Payment) error {
	err := f.DB.InTx(ctx, "flow.start_closing", func(ctx context.Context, tx *store.Tx) error {
		ok, err := order.StartClosing(ctx, tx, p.ID)
		if err == nil && !ok {
			return errStillOpen // it moved: look again
		}
		if err == nil {
			*p, _, err = order.PaymentByID(ctx, tx, p.ID) // called_ms, after which no further call begins
		}
		return err
	})
	if err != nil {
		return err
	}
	if p.CalledMs == 0 {
		return nil // WeChat was never asked to open it, and will not be
	}
	closed, err := f.askClosed(ctx, *p)
	if err != nil || closed {
		return err
	}
	if err := f.Pay.ClosePayment(ctx, p.OutTradeNo); err != nil && wechat.ClassOf(err) == wechat.Refused {
		f.Alarm("payment.close_refused", fmt.Sprintf("payment %s: %v", p.OutTradeNo, err))
	} // whatever it answered, only the query counts
	closed, err = f.askClosed(ctx, *p)
	if err == nil && !closed {
		err = errStillOpen
	}
	return err
}

// askClosed says whether a payment is closed for certain. A paid one is fed into the inbox.
func (f *Flow) askClosed(ctx context.Context, p order.Payment) (bool, error) {
	answer, err := f.Pay.QueryPayment(ctx, p.OutTradeNo)
	if wechat.ClassOf(err) == wechat.NotFound {
		return f.DB.Clock.Now().Sub(base.Time(p.CalledMs)) > callInFlight, nil
	}
	if err != nil {
		return false, nil // unknown; the caller tries again
	}
	if !answer.State.Paid() {
		return answer.State.Final(), nil
	}
	event, err := f.takePayment(ctx, answer)
	if err != nil {
		return false, err
	}
	if _, err := f.awaitApplied(ctx, event); err != nil {
		return false, err
	}
	return false, order.ErrIsPaid
}

// cancelHere cancels an order whose payment is closed at WeChat. A payment that was captured meanwhile wins.
func cancelHere(ctx context.Context, tx *store.Tx, in CancelInput, payment base.PaymentID) (order.Order, error) {
	o, err := order.Lock(ctx, tx, in.Order)
	if err != nil || o.State != order.Created {
		return o, err
	}
	p, open, err := order.OpenPaymentOf(ctx, tx, o.ID)
	if err != nil {
		return o, err
	}
	if open && p.ID != payment {
		return o, ErrPayClosing // another payment was opened meanwhile: it has to be closed first
	}
	if open {
		if _, err := order.ClosePayment(ctx, tx, p.ID); err != nil {
			return o, fmt.Errorf("close payment: %w", err)
		}
	}
	if err := order.Cancel(ctx, tx, o, in.By, in.Reason); err != nil {
		return o, err
	}
	lines, err := order.Lines(ctx, tx, o.ID)
	if err != nil {
		return o, err
	}
	err = inventory.Book(ctx, tx, inventory.Move{
		Kind: inventory.Release, Ref: o.ID.String(), Warehouse: inventory.Main, Items: stockItems(lines), Actor: in.By,
	})
	if err != nil {
		return o, err
	}
	return order.Get(ctx, tx, o.ID)
}
