package flow_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

func stockOf(sku base.SKUID, qty int64) []inventory.Item {
	return []inventory.Item{{SKU: sku, Qty: qty}}
}

func (s *shop) payInput(d order.Detail) flow.PayInput {
	return flow.PayInput{Order: d.Order.ID, Customer: d.Order.Customer}
}

func TestPayParams_ManyTapsMakeOneNumber(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		require.Equal(t, map[string]int{"": 20}, tally(atOnce(20, func(int) error {
			_, err := s.f.PayParams(t.Context(), s.payInput(d))
			return err
		})))
		require.Len(t, s.pay.payments, 1, "one payable number at WeChat")
		require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM payment WHERE order_id = ?`, d.Order.ID))
		calls := s.pay.called(wechat.OpPrepay)
		_, err := s.f.PayParams(t.Context(), s.payInput(d))
		require.NoError(t, err)
		require.Equal(t, calls, s.pay.called(wechat.OpPrepay), "the prepay id is still good")
		_, err = s.f.PayParams(t.Context(), flow.PayInput{Order: d.Order.ID, Customer: s.customer()})
		require.ErrorIs(t, err, order.ErrNotFound)
		s.clock.Advance(29*time.Minute + time.Second)
		_, err = s.f.PayParams(t.Context(), s.payInput(d))
		require.ErrorIs(t, err, order.ErrExpired, "WeChat wants a minute at least")
	})
}

func TestPayParams_OldPrepayIDIsAskedForAgainWithTheSameParameters(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.policy(func(p *order.Policy) { p.CloseMinutes = 600 })
		d := s.orders(1)
		first, err := s.f.PayParams(t.Context(), s.payInput(d))
		require.NoError(t, err)
		s.clock.Advance(111 * time.Minute)
		second, err := s.f.PayParams(t.Context(), s.payInput(d))
		require.NoError(t, err, "the fake refuses other parameters under the same number")
		require.NotEqual(t, first.Package, second.Package)
		require.Len(t, s.pay.payments, 1)
	})
}

func TestPayParams_UnknownOutcomeKeepsTheNumber(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		broken := true
		s.pay.after = func(op wechat.Op, _ string) error {
			if op == wechat.OpPrepay && broken {
				return errors.New("connection reset")
			}
			return nil
		}
		_, err := s.f.PayParams(t.Context(), s.payInput(d))
		requireCode(t, "wechat.unavailable", err)
		broken = false
		_, err = s.f.PayParams(t.Context(), s.payInput(d))
		require.NoError(t, err)
		require.Len(t, s.pay.payments, 1)

		s.pay.before = func(op wechat.Op, _ string) error {
			if op == wechat.OpPrepay {
				return refusal(op, wechat.Refused, "NO_AUTH")
			}
			return nil
		}
		_, err = s.f.PayParams(t.Context(), s.payInput(s.orders(1)))
		requireCode(t, "payment.refused", err)
		require.Contains(t, s.alarmed(), "payment.refused")
	})
}

func TestPaid_BooksEverythingOnce(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.policy(func(p *order.Policy) { p.FreightFlat = 800 })
		d := s.buys(2, 1)
		require.Equal(t, order.Paid, d.Order.State)
		require.Equal(t, s.clock.Now(), base.Time(d.Order.PaidMs))
		p, ok := d.Counting()
		require.True(t, ok)
		require.Equal(t, order.PaymentCaptured, p.State)
		require.Equal(t, order.Allocated, d.Fulfilments[0].State)
		require.Len(t, d.Fulfilments[0].Lines, 2)
		require.Equal(t, money.Fen(2_397+1_202), s.pendingOf(s.seller.ID), "12 % of 199.80 and of 100.20")
		require.Equal(t, money.Fen(300), s.pendingOf(s.partner.ID))
		require.Equal(t, money.Fen(30_800), s.platform("wechat_clearing"))
		require.Equal(t, money.Fen(-3_899), s.platform("commission_expense"))
		require.Equal(t, int64(2), s.stock(s.product.SKUs[0].ID).Reserved, "reserved until it is sent")
		s.audits()
	})
}

func TestPaid_SameNotificationTwentyTimesAtOnce(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		p, _ := s.pay.userPays(s.number(d.Order))
		results := atOnce(20, func(i int) error {
			id := "one" // the same id
			if i >= 10 {
				id = fmt.Sprintf("other-%d", i) // or the same payment under another
			}
			return s.f.TakeNotification(t.Context(), wechat.Notification{ID: id, Kind: wechat.PaymentEvent, Plain: wechat.EncodePayment(p)})
		})
		require.Equal(t, map[string]int{"": 20}, tally(results))
		s.drain()
		require.Zero(t, s.count(`SELECT COUNT(*) FROM inbox WHERE state <> 'applied'`))
		require.Equal(t, order.Paid, s.look(d.Order.ID).Order.State)
		require.Equal(t, 2, s.count(`SELECT COUNT(*) FROM commission`), "one accrual per payee")
		require.Equal(t, 2, s.count(`SELECT COUNT(*) FROM ledger_tx`), "the sale and the accrual, once")
		require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM fulfilment`))
		s.audits()
	})
}

func TestPaid_ManyInOneTransaction(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		const orders = 64
		var events []inbox.Event
		for i := range orders {
			p, ok := s.pay.userPays(s.number(s.orders(1, 1).Order))
			require.True(t, ok)
			events = append(events, inbox.Event{
				ID: s.db.Mint.Next(), Source: "wechat_pay", EventID: fmt.Sprintf("e%d", i), Kind: "payment", Ref: p.OutTradeNo, Body: string(wechat.EncodePayment(p)),
			})
		}
		require.NoError(t, inbox.Store(t.Context(), s.db, events...))
		s.drain()
		require.Equal(t, orders, s.count(`SELECT COUNT(*) FROM shop_order WHERE state = 'paid'`))
		require.Equal(t, 4*orders, s.count(`SELECT COUNT(*) FROM commission`))
		s.audits()
	})
}

func TestPaid_WrongContentChangesNothing(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		p, _ := s.pay.userPays(s.number(d.Order))
		tests := map[string]func(*wechat.Payment){
			"another appid":              func(p *wechat.Payment) { p.AppID = "wxother" },
			"another mchid":              func(p *wechat.Payment) { p.MchID = "1" },
			"amount 9991, expected 9990": func(p *wechat.Payment) { p.Total++ },
			"currency is not CNY":        func(p *wechat.Payment) { p.Currency = "USD" },
			"another payer":              func(p *wechat.Payment) { p.OpenID = "somebody" },
			"unknown out_trade_no":       func(p *wechat.Payment) { p.OutTradeNo = "nobodysnumber" },
		}
		for reason, change := range tests {
			wrong := p
			change(&wrong)
			s.notifyPayment(wrong)
			require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM inbox WHERE state = 'kept' AND outcome = ?`, reason), reason)
		}
		require.Equal(t, order.Created, s.look(d.Order.ID).Order.State)
		require.Zero(t, s.count(`SELECT COUNT(*) FROM ledger_tx`))
		require.Contains(t, s.alarmed(), "payment.kept")
		s.notifyPayment(p)
		require.Equal(t, order.Paid, s.look(d.Order.ID).Order.State, "the right one counts after all that")
	})
}

func TestPaid_AfterCancelIsRefundedInFullOnce(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		no := s.number(d.Order)
		p, _ := s.pay.userPays(no)
		s.pay.payments[no].answer.State = wechat.PaymentClosed // WeChat said closed, and yet the money was taken
		_, err := s.f.CancelOrder(t.Context(), flow.CancelInput{Order: d.Order.ID, Customer: s.buyer, By: base.Customer(s.buyer), Reason: "不想要了"})
		require.NoError(t, err)
		require.Zero(t, s.stock(s.product.SKUs[0].ID).Reserved)

		for range 3 {
			s.notifyPayment(p)
		}
		d = s.look(d.Order.ID)
		require.Equal(t, order.Cancelled, d.Order.State)
		require.Len(t, d.Refunds, 1)
		r := d.Refunds[0]
		require.Equal(t, order.LatePayment, r.Kind)
		require.Equal(t, order.RefundApproved, r.State)
		require.Equal(t, d.Order.Total, r.Amount)
		require.Zero(t, s.count(`SELECT COUNT(*) FROM commission`))
		require.Zero(t, s.platform("wechat_clearing"))
		s.audits()

		s.pay.payments[no].answer = p
		s.finishRefunds()
		require.Equal(t, order.RefundDone, s.look(d.Order.ID).Refunds[0].State)
		require.Len(t, s.pay.refunds, 1)
		s.audits()
	})
}

// finishRefunds sends what is approved and asks until it is over.
func (s *shop) finishRefunds() {
	s.t.Helper()
	for range 3 {
		_, err := s.f.SendRefunds(s.t.Context(), 100)
		require.NoError(s.t, err)
		s.clock.Advance(2 * time.Minute)
		_, err = s.f.QueryRefunds(s.t.Context(), 100)
		require.NoError(s.t, err)
		s.clock.Advance(2 * time.Minute)
	}
}

func TestPaid_SecondPaymentOfOneOrderGoesBack(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		first := s.number(d.Order)
		// The number is closed from outside, so the order gets another one; then both are paid.
		closed := s.pay.payments[first].answer
		closed.State = wechat.PaymentClosed
		s.notifyPayment(closed)
		second := s.number(d.Order)
		require.NotEqual(t, first, second)
		for _, no := range []string{second, first} {
			p, ok := s.pay.userPays(no)
			require.True(t, ok)
			s.notifyPayment(p)
		}
		d = s.look(d.Order.ID)
		require.Equal(t, order.Paid, d.Order.State)
		counting, _ := d.Counting()
		require.Equal(t, second, counting.OutTradeNo)
		require.Len(t, d.Refunds, 1)
		require.NotEqual(t, counting.ID, d.Refunds[0].Payment)
		require.Zero(t, d.Order.Refunded, "the order itself is not refunded")
		require.Equal(t, d.Order.Total, s.platform("wechat_clearing"))
		s.audits()
	})
}

func TestConfirmPayment(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		confirm := func() flow.Confirmed {
			c, err := s.f.ConfirmPayment(t.Context(), s.payInput(d))
			require.NoError(t, err)
			return c
		}
		require.False(t, confirm().Confirming, "never opened")
		no := s.number(d.Order)
		require.Equal(t, order.Created, confirm().Order.State, "not paid yet")
		s.pay.before = func(op wechat.Op, _ string) error {
			if op == wechat.OpQueryPayment {
				return errors.New("time-out")
			}
			return nil
		}
		require.True(t, confirm().Confirming, "WeChat cannot be asked")
		s.pay.before = func(wechat.Op, string) error { return nil }

		p, _ := s.pay.userPays(no)
		got := confirm()
		require.Equal(t, order.Paid, got.Order.State, "no notification came: asked")
		require.False(t, got.Confirming)
		s.notifyPayment(p) // comes after all
		require.Equal(t, 2, s.count(`SELECT COUNT(*) FROM commission`))
		require.Equal(t, order.Paid, confirm().Order.State)
		_, err := s.f.ConfirmPayment(t.Context(), flow.PayInput{Order: d.Order.ID, Customer: s.customer()})
		require.ErrorIs(t, err, order.ErrNotFound)
		s.audits()
	})
}

func TestConfirmPayment_SaysConfirmingWhenNobodyApplies(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		s.pay.userPays(s.number(d.Order))
		s.f.Wake = func() {}
		got, err := s.f.ConfirmPayment(t.Context(), s.payInput(d))
		require.NoError(t, err)
		require.True(t, got.Confirming)
		s.drain()
		require.Equal(t, order.Paid, s.look(d.Order.ID).Order.State)
	})
}

func TestQueryPayments_FindsLostNotifications(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		paid, unpaid := s.orders(1), s.orders(1)
		s.pay.userPays(s.number(paid.Order))
		s.number(unpaid.Order)
		n, err := s.f.QueryPayments(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, n, "not at once")
		s.clock.Advance(time.Minute)
		n, err = s.f.QueryPayments(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Equal(t, order.Paid, s.look(paid.Order.ID).Order.State)
		require.Equal(t, order.Created, s.look(unpaid.Order.ID).Order.State)
		n, err = s.f.QueryPayments(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, n, "backs off")
	})
}

func (s *shop) cancel(d order.Detail) (order.Order, error) {
	return s.f.CancelOrder(s.t.Context(), flow.CancelInput{Order: d.Order.ID, Customer: s.buyer, By: base.Customer(s.buyer), Reason: "不想要了"})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		never := s.orders(1)
		o, err := s.cancel(never)
		require.NoError(t, err)
		require.Equal(t, order.Cancelled, o.State)
		require.Zero(t, s.pay.called(wechat.OpQueryPayment), "no payment was ever opened")
		o, err = s.cancel(never)
		require.NoError(t, err, "again")
		require.Equal(t, "不想要了", o.CancelReason)
		_, err = s.f.PayParams(t.Context(), s.payInput(never))
		require.ErrorIs(t, err, order.ErrIsCancelled)

		opened := s.orders(2)
		no := s.number(opened.Order)
		_, err = s.cancel(opened)
		require.NoError(t, err)
		require.Equal(t, wechat.PaymentClosed, s.pay.payments[no].answer.State, "closed there before here")
		_, ok := s.pay.userPays(no)
		require.False(t, ok)

		paid := s.buys(1)
		_, err = s.cancel(paid)
		require.ErrorIs(t, err, order.ErrIsPaid)
		_, err = s.f.CancelOrder(t.Context(), flow.CancelInput{Order: paid.Order.ID, Customer: s.customer(), Reason: "x"})
		require.ErrorIs(t, err, order.ErrNotFound)
		require.Equal(t, int64(1), s.stock(s.product.SKUs[0].ID).Reserved)
		s.audits()
	})
}

func TestCancel_PaidJustBefore(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		s.pay.userPays(s.number(d.Order))
		o, err := s.cancel(d)
		require.ErrorIs(t, err, order.ErrIsPaid)
		require.Equal(t, order.Paid, o.State)
		s.audits()
	})
}

func TestCancel_PaidWhileClosing(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		no := s.number(d.Order)
		s.pay.before = func(op wechat.Op, _ string) error {
			if op == wechat.OpClosePayment {
				s.pay.userPays(no) // finishes in the cashier between our question and our closing
			}
			return nil
		}
		_, err := s.cancel(d)
		require.ErrorIs(t, err, order.ErrIsPaid)
		require.Equal(t, order.Paid, s.look(d.Order.ID).Order.State)
		require.Equal(t, int64(1), s.stock(s.product.SKUs[0].ID).Reserved)
		s.audits()
	})
}

func TestCancel_NotificationAtTheSameInstant(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		for range 10 {
			d := s.orders(1)
			no := s.number(d.Order)
			var wg sync.WaitGroup
			var err error
			wg.Go(func() { _, err = s.cancel(d) })
			wg.Go(func() {
				if p, ok := s.pay.userPays(no); ok {
					s.notifyPayment(p)
				}
			})
			wg.Wait()
			s.drain()
			d = s.look(d.Order.ID)
			switch d.Order.State {
			case order.Paid:
				require.Error(t, err)
			case order.Cancelled:
				require.NoError(t, err)
				require.NotEqual(t, wechat.PaymentSuccess, s.pay.payments[no].answer.State, "never cancelled here and paid there")
			default:
				require.Equal(t, order.Created, d.Order.State)
				requireCode(t, "payment.closing", err) // the job finishes it
			}
		}
		s.audits()
	})
}

func TestCloseUnpaid(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		plain, opened, stuck, late := s.orders(1), s.orders(1), s.orders(1), s.orders(1)
		s.number(opened.Order)
		no := s.number(stuck.Order)
		s.pay.userPays(s.number(late.Order)) // paid, and the notification is lost
		s.pay.before = func(op wechat.Op, number string) error {
			if op == wechat.OpClosePayment && number == no {
				return errors.New("time-out")
			}
			return nil
		}
		n, err := s.f.CloseUnpaid(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, n, "not before their time")
		s.clock.Advance(30 * time.Minute)
		n, err = s.f.CloseUnpaid(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		want := map[base.OrderID]order.State{
			plain.Order.ID: order.Cancelled, opened.Order.ID: order.Cancelled, stuck.Order.ID: order.Created, late.Order.ID: order.Paid,
		}
		for id, state := range want {
			require.Equal(t, state, s.look(id).Order.State)
		}
		n, err = s.f.CloseUnpaid(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, n, "the stuck one backs off")
		_, err = s.f.PayParams(t.Context(), s.payInput(stuck))
		require.Error(t, err, "and cannot be paid meanwhile")
		s.pay.before = func(wechat.Op, string) error { return nil }
		s.clock.Advance(time.Minute)
		n, err = s.f.CloseUnpaid(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, int64(1), s.stock(s.product.SKUs[0].ID).Reserved)
		s.audits()
	})
}

// A prepay call that is still on its way can land after WeChat said that it does not know the number.
func TestCancel_UnknownNumberProvesNothingWhileACallMayBeInFlight(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		s.pay.before = func(op wechat.Op, _ string) error {
			if op == wechat.OpPrepay {
				return errors.New("time-out before it arrived")
			}
			return nil
		}
		_, err := s.f.PayParams(t.Context(), s.payInput(d))
		requireCode(t, "wechat.unavailable", err)
		_, err = s.cancel(d)
		requireCode(t, "payment.closing", err)
		require.Equal(t, int64(1), s.stock(s.product.SKUs[0].ID).Reserved, "not given back on a guess")
		s.clock.Advance(3 * time.Minute)
		n, err := s.f.CloseUnpaid(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, 1, n, "the job goes on with the wish")
		require.Equal(t, "不想要了", s.look(d.Order.ID).Order.CancelReason)
	})
}
