package flow

import (
	"context"
	"fmt"
	"slices"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/domain/order"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

// applyPayments takes in what WeChat says about payments: verified, all in a few statements however many they are. An
// order that waits becomes paid: its goods are allocated (the stock stays reserved until they are sent), the commissions
// are accrued as stored, the ledger gets the sale. Money for an order that cannot take it (cancelled, or paid already)
// is captured and its full refund approved, in the same transaction.
func (f *Flow) applyPayments(ctx context.Context, tx *store.Tx, said []wechat.Payment) ([]inbox.Result, error) {
	numbers := make([]string, len(said))
	for i, s := range said {
		numbers[i] = s.OutTradeNo
	}
	orders, payments, err := order.LockByNumbers(ctx, tx, numbers)
	if err != nil {
		return nil, err
	}
	b := batch{account: f.Pay.Account(), orders: orders, payments: payments}
	results := make([]inbox.Result, len(said))
	for i, s := range said {
		results[i] = b.take(s)
	}
	return results, b.write(ctx, tx)
}

// batch decides in memory, on rows that are locked, what some payments do, and then writes it.
type batch struct {
	account  wechat.Account
	orders   []order.Order
	payments []order.Payment

	captures []order.Capture
	paid     []base.OrderID
	late     []latePayment
	closed   []base.PaymentID
	alarms   []alarm
}

type latePayment struct {
	payment order.Payment
	reason  string
}

func applied(outcome string) inbox.Result {
	return inbox.Result{State: inbox.Applied, Outcome: outcome}
}

// keep leaves an event for a person and raises an alarm.
func (b *batch) keep(s wechat.Payment, reason string) inbox.Result {
	b.alarms = append(b.alarms, alarm{"payment.kept", s.OutTradeNo, reason})
	return inbox.Result{State: inbox.Kept, Outcome: reason}
}

// take decides what one payment does.
func (b *batch) take(s wechat.Payment) inbox.Result {
	i := slices.IndexFunc(b.payments, func(p order.Payment) bool { return p.OutTradeNo == s.OutTradeNo })
	if i < 0 {
		return b.keep(s, "unknown out_trade_no")
	}
	p := &b.payments[i]
	if !s.State.Paid() {
		return b.unpaid(s, p)
	}
	if wrong := b.mismatch(s, *p); wrong != "" {
		return b.keep(s, wrong)
	}
	if p.State == order.PaymentCaptured {
		return applied("again")
	}
	o := &b.orders[slices.IndexFunc(b.orders, func(o order.Order) bool { return o.ID == p.Order })]
	capture := order.Capture{
		Payment: p.ID, Order: o.ID, Transaction: s.TransactionID, Payer: s.OpenID, AtMs: base.Ms(s.SuccessAt), Counts: o.State == order.Created,
	}
	p.State, p.TransactionID = order.PaymentCaptured, &capture.Transaction
	b.captures = append(b.captures, capture)
	if o.State == order.Created {
		o.State = order.Paid
		b.paid = append(b.paid, o.ID)
		return applied("")
	}
	reason := "订单已付款，重复支付自动退款"
	if o.State == order.Cancelled {
		reason = "订单已取消，自动退款"
	}
	b.late = append(b.late, latePayment{*p, reason})
	return applied("refunded: order is " + string(o.State))
}

// unpaid takes in that a payment is not paid. One that WeChat has closed is closed here; its order may get another.
func (b *batch) unpaid(s wechat.Payment, p *order.Payment) inbox.Result {
	if (s.State == wechat.PaymentClosed || s.State == wechat.PaymentRevoked) && p.State == order.PaymentOpen {
		p.State = order.PaymentClosed
		b.closed = append(b.closed, p.ID)
	}
	return applied("not paid: " + string(s.State))
}

// mismatch says what of a payment is not as it must be before it changes anything; "" is nothing.
func (b *batch) mismatch(s wechat.Payment, p order.Payment) string {
	switch {
	case s.AppID != b.account.AppID:
		return "another appid"
	case s.MchID != b.account.MchID:
		return "another mchid"
	case s.Total != p.Amount:
		return fmt.Sprintf("amount %d, expected %d", int64(s.Total), int64(p.Amount))
	case s.Currency != "CNY":
		return "currency is not CNY"
	case s.OpenID != p.Payer:
		return "another payer"
	case s.TransactionID == "":
		return "no transaction_id"
	case p.TransactionID != nil && *p.TransactionID != s.TransactionID:
		return "another transaction_id than before"
	}
	return ""
}

func (b *batch) write(ctx context.Context, tx *store.Tx) error {
	if err := order.CapturePayments(ctx, tx, b.captures); err != nil {
		return err
	}
	for _, id := range b.closed {
		if _, err := order.ClosePayment(ctx, tx, id); err != nil {
			return err
		}
	}
	txns, err := paidOrders(ctx, tx, b.paid)
	if err != nil {
		return err
	}
	for _, c := range b.captures {
		txns = append(txns, saleTxn(c.Payment, b.amountOf(c.Payment)))
	}
	for _, l := range b.late {
		r, err := order.LateRefund(ctx, tx, base.RefundID(tx.NextID()), l.payment, l.reason)
		if err != nil {
			return err
		}
		txns = append(txns, refundTxn(r))
	}
	if err := raise(ctx, tx, b.alarms...); err != nil {
		return err
	}
	return ledger.Post(ctx, tx, txns...)
}

func (b *batch) amountOf(id base.PaymentID) money.Fen {
	return b.payments[slices.IndexFunc(b.payments, func(p order.Payment) bool { return p.ID == id })].Amount
}

func saleTxn(id base.PaymentID, amount money.Fen) ledger.Txn {
	return ledger.Txn{Kind: "payment", Ref: "payment:" + id.String(), Postings: []ledger.Posting{
		{From: ledger.Platform(ledger.Sales), To: ledger.Platform(ledger.WechatClearing), Amount: amount},
	}}
}

func refundTxn(r order.Refund) ledger.Txn {
	return ledger.Txn{Kind: "refund", Ref: "refund:" + r.ID.String(), Postings: []ledger.Posting{
		{From: ledger.Platform(ledger.WechatClearing), To: ledger.Platform(ledger.Refunds), Amount: r.Amount},
	}}
}

// paidOrders moves orders, whose rows are locked or new, to paid, allocates their goods and accrues their commissions.
// It returns what that does to the ledger.
func paidOrders(ctx context.Context, tx *store.Tx, ids []base.OrderID) ([]ledger.Txn, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if err := order.MarkPaid(ctx, tx, ids); err != nil {
		return nil, err
	}
	lines, err := order.Lines(ctx, tx, ids...)
	if err != nil {
		return nil, err
	}
	if err := order.Allocate(ctx, tx, int64(inventory.Main), lines); err != nil {
		return nil, err
	}
	accrued, err := commission.Accrue(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	var txns []ledger.Txn
	for _, a := range accrued {
		ref := "accrual:" + a.Order.String()
		i := slices.IndexFunc(txns, func(t ledger.Txn) bool { return t.Ref == ref })
		if i < 0 {
			i = len(txns)
			txns = append(txns, ledger.Txn{Kind: "accrual", Ref: ref})
		}
		txns[i].Postings = append(txns[i].Postings, ledger.Posting{
			From: ledger.Platform(ledger.CommissionExpense), To: ledger.Of(ledger.Pending, a.Payee), Amount: a.Amount,
		})
	}
	return txns, nil
}
