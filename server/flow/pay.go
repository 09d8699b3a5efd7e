package flow

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/domain/crm"
	"fenxiao/server/domain/order"
	"fenxiao/server/store"
	"fenxiao/server/wechat"
)

const (
	prepayFresh   = 110 * time.Minute // WeChat's prepay id works for two hours
	payLeastTime  = time.Minute       // WeChat wants a payment to be open for so long at least
	askAfter      = time.Minute       // first question about a payment that was opened
	askBackoffMax = 30 * time.Minute
)

// What paying is refused for.
var (
	ErrPayClosing = errs.E(errs.Conflict, "payment.closing", "订单正在取消，请稍后查看结果",
		errs.EN("The order is being cancelled. Look again in a moment."))
	ErrPayConfirming = errs.E(errs.Conflict, "payment.confirming", "支付结果确认中，请稍候刷新", errs.EN("The payment is being confirmed. Reload in a moment."))
	ErrPayRefused    = errs.E(errs.Unavailable, "payment.refused", "微信支付暂时无法受理该订单，请联系客服",
		errs.EN("WeChat Pay does not take this order. Please contact customer service."))
)

// PayInput asks for what wx.requestPayment needs.
type PayInput struct {
	Order    base.OrderID
	Customer base.CustomerID
}

// PayParams returns what wx.requestPayment needs. An order has one number at WeChat while it is open, with parameters
// stored before the first call, so that no number of taps makes two payable ones. Its success in the app proves nothing:
// ConfirmPayment asks.
func (f *Flow) PayParams(ctx context.Context, in PayInput) (wechat.PayParams, error) {
	id := base.PaymentID(f.DB.Mint.Next())
	var p order.Payment
	var call bool
	err := f.DB.InTx(ctx, "flow.pay_params", func(ctx context.Context, tx *store.Tx) (err error) {
		p, call, err = f.openPayment(ctx, tx, in, id)
		return err
	})
	if err != nil {
		return wechat.PayParams{}, err
	}
	if call {
		if err := f.prepay(ctx, &p); err != nil {
			return wechat.PayParams{}, err
		}
	}
	return f.Pay.PayParams(p.PrepayID)
}

// openPayment finds or makes the order's open payment; call says that WeChat has to be asked for a prepay id.
func (f *Flow) openPayment(ctx context.Context, tx *store.Tx, in PayInput, id base.PaymentID) (p order.Payment, call bool, err error) {
	o, err := order.Lock(ctx, tx, in.Order)
	if err == nil && o.Customer != in.Customer {
		err = order.ErrNotFound
	}
	if err == nil {
		err = payable(o, tx.Now())
	}
	if err != nil {
		return p, false, err
	}
	p, there, err := order.OpenPaymentOf(ctx, tx, o.ID)
	if err != nil {
		return p, false, err
	}
	if !there {
		if p, err = f.newPayment(ctx, tx, o, id); err != nil {
			return p, false, err
		}
	}
	if p.ClosingMs != 0 {
		return p, false, ErrPayClosing
	}
	if p.PrepayID != "" && tx.Now().Sub(base.Time(p.PrepayMs)) < prepayFresh {
		return p, false, nil
	}
	ok, err := order.NoteCall(ctx, tx, p.ID, base.Ms(tx.Now().Add(askAfter)))
	if err == nil && !ok {
		err = ErrPayClosing
	}
	return p, true, err
}

func payable(o order.Order, now time.Time) error {
	switch {
	case o.State == order.Cancelled:
		return order.ErrIsCancelled
	case o.State != order.Created:
		return order.ErrIsPaid
	case base.Time(o.ExpiresMs).Sub(now) < payLeastTime:
		return order.ErrExpired
	}
	return nil
}

func (f *Flow) newPayment(ctx context.Context, tx *store.Tx, o order.Order, id base.PaymentID) (order.Payment, error) {
	c, err := crm.Get(ctx, tx, o.Customer)
	if err != nil {
		return order.Payment{}, err
	}
	lines, err := order.Lines(ctx, tx, o.ID)
	if err != nil {
		return order.Payment{}, err
	}
	request := wechat.PrepayRequest{
		OutTradeNo: id.String(), Description: wechat.Fit(description(lines), wechat.DescriptionBytesMax), Total: o.Total, OpenID: c.OpenID,
		ExpiresAt: base.Time(o.ExpiresMs).Truncate(time.Second), NotifyURL: f.Shop.NotifyURL,
	}
	if err := request.Check(); err != nil {
		return order.Payment{}, fmt.Errorf("open payment of %s: %w", o.ID, err)
	}
	return order.OpenPayment(ctx, tx, order.Payment{ID: id, Order: o.ID, Amount: o.Total, Payer: c.OpenID}, request)
}

func description(lines []order.Line) string {
	if len(lines) == 1 {
		return lines[0].Name
	}
	return wechat.Fit(lines[0].Name, wechat.DescriptionBytesMax-20) + fmt.Sprintf(" 等%d种商品", len(lines))
}

// prepay asks WeChat for a prepay id and keeps it.
func (f *Flow) prepay(ctx context.Context, p *order.Payment) error {
	request, err := p.Request()
	if err != nil {
		return err
	}
	p.PrepayID, err = f.Pay.Prepay(ctx, request)
	if err != nil {
		return f.prepayRefusal(ctx, *p, err)
	}
	return f.DB.InTx(ctx, "flow.prepaid", func(ctx context.Context, tx *store.Tx) error {
		return order.SetPrepay(ctx, tx, p.ID, p.PrepayID)
	})
}

func (f *Flow) prepayRefusal(ctx context.Context, p order.Payment, cause error) error {
	switch wechat.ClassOf(cause) {
	case wechat.Exists: // paid, closed, or used with other values: only a query can tell
		answer, err := f.Pay.QueryPayment(ctx, p.OutTradeNo)
		if err == nil && answer.State.Final() {
			if _, err := f.takePayment(ctx, answer); err != nil {
				return err
			}
			return ErrPayConfirming
		}
		return wechatBusy(cause)
	case wechat.Refused:
		f.Alarm("payment.refused", fmt.Sprintf("payment %s: %v", p.OutTradeNo, cause))
		return errs.E(ErrPayRefused.Kind, ErrPayRefused.Code, ErrPayRefused.Message, errs.EN(ErrPayRefused.English), errs.Cause(cause))
	default:
		return wechatBusy(cause)
	}
}

// Confirmed is how an order stands after its customer came back from paying.
type Confirmed struct {
	Order      order.Order
	Confirming bool // WeChat's word is not in yet: ask again
}

// ConfirmPayment asks WeChat whether an order was paid, where no notification has told yet. The answer goes through the
// inbox like a notification; the caller waits for it for at most two seconds.
func (f *Flow) ConfirmPayment(ctx context.Context, in PayInput) (Confirmed, error) {
	d, err := f.OrderOf(ctx, in.Customer, in.Order)
	if err != nil || d.Order.State != order.Created {
		return Confirmed{Order: d.Order}, err
	}
	p, open, err := order.OpenPaymentOf(ctx, f.DB.Q(), in.Order)
	if err != nil || !open {
		return Confirmed{Order: d.Order}, err
	}
	answer, err := f.Pay.QueryPayment(ctx, p.OutTradeNo)
	if err != nil {
		return Confirmed{Order: d.Order, Confirming: wechat.ClassOf(err) != wechat.NotFound}, nil
	}
	if !answer.State.Final() {
		return Confirmed{Order: d.Order}, nil
	}
	event, err := f.takePayment(ctx, answer)
	if err != nil {
		return Confirmed{}, err
	}
	applied, err := f.awaitApplied(ctx, event)
	if err != nil {
		return Confirmed{}, err
	}
	o, err := order.Get(ctx, f.DB.Q(), in.Order)
	return Confirmed{Order: o, Confirming: !applied}, err
}

// QueryPayments asks WeChat about payments that were opened and of which nothing was heard since, at most limit, and
// returns how many it asked about.
func (f *Flow) QueryPayments(ctx context.Context, limit int) (done int, err error) {
	due, err := order.DuePayments(ctx, f.DB.Q(), base.Ms(f.DB.Clock.Now()), limit)
	if err != nil {
		return 0, fmt.Errorf("find payments to ask about: %w", err)
	}
	for _, p := range due {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		answer, err := f.Pay.QueryPayment(ctx, p.OutTradeNo)
		if err == nil && answer.State.Final() {
			if _, err := f.takePayment(ctx, answer); err != nil {
				return done, err
			}
		}
		if err := f.askLater(ctx, p); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

func (f *Flow) askLater(ctx context.Context, p order.Payment) error {
	return f.DB.InTx(ctx, "flow.ask_later", func(ctx context.Context, tx *store.Tx) error {
		return order.AskLater(ctx, tx, p.ID, base.Ms(tx.Now().Add(backoff(askAfter, p.Tries, askBackoffMax))))
	})
}

// backoff doubles a pause with every try, up to a bound.
func backoff(first time.Duration, tries int, longest time.Duration) time.Duration {
	return min(first<<min(tries, 16), longest)
}
