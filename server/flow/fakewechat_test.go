package flow_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/wechat"
)

// fakePay is WeChat Pay in memory. Faults and the user's doings are programmed; it has no opinion of its own.
type fakePay struct {
	clock clock.Clock

	// before runs before a call has any effect, after when it has had it; what they return is the call's error.
	before, after func(op wechat.Op, number string) error

	mu        sync.Mutex
	payments  map[string]*fakePayment
	refunds   map[string]*wechat.Refund
	transfers map[string]*wechat.Transfer
	calls     map[wechat.Op]int
	refundEnd wechat.RefundState // what a refund becomes on a query; empty: success
	poor      bool               // not enough money for refunds and transfers
	n         int
}

type fakePayment struct {
	request wechat.PrepayRequest
	answer  wechat.Payment
}

func newFakePay(c clock.Clock) *fakePay {
	return &fakePay{
		clock: c, payments: map[string]*fakePayment{}, refunds: map[string]*wechat.Refund{}, transfers: map[string]*wechat.Transfer{},
		calls:  map[wechat.Op]int{},
		before: func(wechat.Op, string) error { return nil }, after: func(wechat.Op, string) error { return nil },
	}
}

func refusal(op wechat.Op, class wechat.Class, code string) error {
	return &wechat.Error{Op: op, Class: class, Code: code, HTTPStatus: 400}
}

// call counts, runs the programmed faults around fn, and holds the lock meanwhile only in fn.
func (p *fakePay) call(op wechat.Op, number string, fn func() error) error {
	if err := p.before(op, number); err != nil {
		return err
	}
	p.mu.Lock()
	p.calls[op]++
	err := fn()
	p.mu.Unlock()
	if e := p.after(op, number); e != nil {
		return e
	}
	return err
}

func (p *fakePay) called(op wechat.Op) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[op]
}

func (p *fakePay) Account() wechat.Account {
	return wechat.Account{AppID: "wxshop", MchID: "1900000001"}
}

func (p *fakePay) Prepay(_ context.Context, r wechat.PrepayRequest) (id string, err error) {
	err = p.call(wechat.OpPrepay, r.OutTradeNo, func() error {
		if err := r.Check(); err != nil {
			return refusal(wechat.OpPrepay, wechat.Refused, err.Error())
		}
		there, ok := p.payments[r.OutTradeNo]
		if ok && (there.request != r || there.answer.State != wechat.PaymentNotPay) {
			return refusal(wechat.OpPrepay, wechat.Exists, "INVALID_REQUEST")
		}
		if !ok {
			p.payments[r.OutTradeNo] = &fakePayment{r, wechat.Payment{
				AppID: "wxshop", MchID: "1900000001", OutTradeNo: r.OutTradeNo, State: wechat.PaymentNotPay, Total: r.Total, Currency: "CNY",
			}}
		}
		p.n++
		id = fmt.Sprintf("wx%d", p.n)
		return nil
	})
	return id, err
}

func (p *fakePay) PayParams(prepayID string) (wechat.PayParams, error) {
	return wechat.PayParams{AppID: "wxshop", Package: "prepay_id=" + prepayID, SignType: "RSA"}, nil
}

// userPays is the customer confirming in the cashier. False: that number cannot be paid (any more).
func (p *fakePay) userPays(no string) (wechat.Payment, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pay, ok := p.payments[no]
	if !ok || pay.answer.State != wechat.PaymentNotPay {
		return wechat.Payment{}, false
	}
	p.n++
	pay.answer.State, pay.answer.TransactionID = wechat.PaymentSuccess, fmt.Sprintf("42000%08d", p.n)
	pay.answer.OpenID, pay.answer.PayerTotal, pay.answer.SuccessAt = pay.request.OpenID, pay.request.Total, p.clock.Now()
	return pay.answer, true
}

func (p *fakePay) QueryPayment(_ context.Context, no string) (out wechat.Payment, err error) {
	err = p.call(wechat.OpQueryPayment, no, func() error {
		pay, ok := p.payments[no]
		if !ok {
			return refusal(wechat.OpQueryPayment, wechat.NotFound, "ORDER_NOT_EXIST")
		}
		out = pay.answer
		return nil
	})
	return out, err
}

func (p *fakePay) ClosePayment(_ context.Context, no string) error {
	return p.call(wechat.OpClosePayment, no, func() error {
		pay, ok := p.payments[no]
		switch {
		case !ok:
			return refusal(wechat.OpClosePayment, wechat.NotFound, "ORDER_NOT_EXIST")
		case pay.answer.State.Paid():
			return refusal(wechat.OpClosePayment, wechat.Exists, "ORDERPAID")
		}
		pay.answer.State = wechat.PaymentClosed
		return nil
	})
}

func (p *fakePay) Refund(_ context.Context, r wechat.RefundRequest) (out wechat.Refund, err error) {
	err = p.call(wechat.OpRefund, r.OutRefundNo, func() error {
		if err := r.Check(); err != nil {
			return refusal(wechat.OpRefund, wechat.Refused, err.Error())
		}
		if there, ok := p.refunds[r.OutRefundNo]; ok {
			out = *there
			return nil
		}
		if p.poor {
			return refusal(wechat.OpRefund, wechat.Later, "NOT_ENOUGH")
		}
		pay := p.byTransaction(r.TransactionID)
		if pay == nil || r.Total != pay.answer.Total || p.refunded(r.TransactionID)+r.Amount > r.Total {
			return refusal(wechat.OpRefund, wechat.Refused, "INVALID_REQUEST")
		}
		out = p.newRefund(r, pay)
		return nil
	})
	return out, err
}

func (p *fakePay) newRefund(r wechat.RefundRequest, pay *fakePayment) wechat.Refund {
	p.n++
	pay.answer.State = wechat.PaymentRefund
	out := wechat.Refund{
		OutRefundNo: r.OutRefundNo, RefundID: fmt.Sprintf("50000%08d", p.n), TransactionID: r.TransactionID, OutTradeNo: pay.answer.OutTradeNo,
		State: wechat.RefundProcessing, Amount: r.Amount, Total: r.Total,
	}
	p.refunds[r.OutRefundNo] = &out
	return out
}

func (p *fakePay) byTransaction(id string) *fakePayment {
	for _, pay := range p.payments {
		if pay.answer.TransactionID == id {
			return pay
		}
	}
	return nil
}

func (p *fakePay) refunded(transaction string) (sum money.Fen) {
	for _, r := range p.refunds {
		if r.TransactionID == transaction && r.State != wechat.RefundClosed {
			sum += r.Amount
		}
	}
	return sum
}

// console makes a refund in the merchant console, which the shop knows nothing of.
func (p *fakePay) console(transaction, number string, amount money.Fen) wechat.Refund {
	p.mu.Lock()
	defer p.mu.Unlock()
	pay := p.byTransaction(transaction)
	r := p.newRefund(wechat.RefundRequest{TransactionID: transaction, OutRefundNo: number, Amount: amount, Total: pay.answer.Total}, pay)
	p.refunds[number].State, p.refunds[number].SuccessAt = wechat.RefundSuccess, p.clock.Now()
	r = *p.refunds[number]
	r.MchID = "1900000001"
	return r
}

// QueryRefund lets a refund under way come to its end.
func (p *fakePay) QueryRefund(_ context.Context, no string) (out wechat.Refund, err error) {
	err = p.call(wechat.OpQueryRefund, no, func() error {
		r, ok := p.refunds[no]
		if !ok {
			return refusal(wechat.OpQueryRefund, wechat.NotFound, "RESOURCE_NOT_EXISTS")
		}
		if r.State == wechat.RefundProcessing {
			r.State, r.SuccessAt = wechat.RefundSuccess, p.clock.Now()
			if p.refundEnd != "" {
				r.State = p.refundEnd
			}
		}
		out = *r
		return nil
	})
	return out, err
}

func (p *fakePay) Transfer(_ context.Context, r wechat.TransferRequest) (out wechat.Transfer, err error) {
	err = p.call(wechat.OpTransfer, r.OutBillNo, func() error {
		if err := r.Check(); err != nil {
			return refusal(wechat.OpTransfer, wechat.Refused, err.Error())
		}
		t, ok := p.transfers[r.OutBillNo]
		if !ok {
			if p.poor {
				return refusal(wechat.OpTransfer, wechat.Later, "NOT_ENOUGH")
			}
			p.n++
			t = &wechat.Transfer{
				MchID: "1900000001", OutBillNo: r.OutBillNo, TransferBillNo: fmt.Sprintf("13300%08d", p.n), State: wechat.TransferWaitConfirm,
				Amount: r.Amount, OpenID: r.OpenID, CreatedAt: p.clock.Now(), UpdatedAt: p.clock.Now(),
			}
			p.transfers[r.OutBillNo] = t
		}
		out = wechat.Transfer{OutBillNo: t.OutBillNo, TransferBillNo: t.TransferBillNo, State: t.State, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt}
		if t.State == wechat.TransferWaitConfirm {
			out.PackageInfo = "package-" + r.OutBillNo
		}
		return nil
	})
	return out, err
}

// transferEnds is the user confirming, or WeChat ending a transfer otherwise.
func (p *fakePay) transferEnds(no string, s wechat.TransferState, reason string) wechat.Transfer {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.transfers[no]
	t.State, t.FailReason, t.UpdatedAt = s, reason, p.clock.Now()
	return *t
}

func (p *fakePay) QueryTransfer(_ context.Context, no string) (out wechat.Transfer, err error) {
	err = p.call(wechat.OpQueryTransfer, no, func() error {
		t, ok := p.transfers[no]
		if !ok {
			return refusal(wechat.OpQueryTransfer, wechat.NotFound, "NOT_FOUND")
		}
		out = *t
		return nil
	})
	return out, err
}

func (p *fakePay) CancelTransfer(_ context.Context, no string) (out wechat.Transfer, err error) {
	err = p.call(wechat.OpCancelTransfer, no, func() error {
		t, ok := p.transfers[no]
		if !ok {
			return refusal(wechat.OpCancelTransfer, wechat.NotFound, "NOT_FOUND")
		}
		if t.State == wechat.TransferWaitConfirm {
			t.State, t.UpdatedAt = wechat.TransferCanceling, p.clock.Now()
		}
		out = *t
		return nil
	})
	return out, err
}

func (p *fakePay) ParseNotification(context.Context, http.Header, []byte) (wechat.Notification, error) {
	return wechat.Notification{}, wechat.ErrBadSignature
}

// fakeMini is the mini-program's side: log-in codes are openids, uploads of shipping are kept.
type fakeMini struct {
	peopleMini
	mu       sync.Mutex
	uploads  []wechat.Shipping
	shipping func(wechat.Shipping) error // nil: accepted
}

func (m *fakeMini) UploadShipping(_ context.Context, s wechat.Shipping) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shipping != nil {
		if err := m.shipping(s); err != nil {
			return err
		}
	}
	m.uploads = append(m.uploads, s)
	return nil
}
