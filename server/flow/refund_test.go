package flow_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/ledger"
	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

func (s *shop) wish(d order.Detail, ask order.Ask) flow.RefundRequest {
	return flow.RefundRequest{
		ID: base.RefundID(s.db.Mint.Next()), Order: d.Order.ID, Customer: d.Order.Customer, Ask: ask, Reason: "不合适",
	}
}

func askQty(d order.Detail, line int, qty int64) order.Ask {
	return order.Ask{Lines: []order.AskLine{{Line: d.Lines[line].ID, Qty: qty}}}
}

func askAmount(d order.Detail, line int, amount money.Fen) order.Ask {
	return order.Ask{Lines: []order.AskLine{{Line: d.Lines[line].ID, Amount: &amount}}}
}

// The refunds of the worked example, with what they reverse: 1,118 and 100, then 360 and 32, then the rest.
func TestRefund_WorkedExample(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.policy(func(p *order.Policy) { p.Reductions = []order.Reduction{{From: 30_000, Off: 2_000}} })
		d := s.buys(2, 1)
		seller, partner := s.pendingOf(s.seller.ID), s.pendingOf(s.partner.ID)
		steps := []struct {
			ask             order.Ask
			seller, partner money.Fen
		}{
			{askQty(d, 0, 1), 1_118, 100},
			{askAmount(d, 0, 3_000), 1_478, 132},
			{order.Ask{Lines: []order.AskLine{{Line: d.Lines[0].ID, All: true}}}, 2_237, 200},
		}
		for _, step := range steps {
			s.refunds(d, step.ask)
			require.Equal(t, seller-step.seller, s.pendingOf(s.seller.ID))
			require.Equal(t, partner-step.partner, s.pendingOf(s.partner.ID))
			s.audits()
		}
		require.Equal(t, money.Fen(18_648), s.platform("refunds"))
		s.finishRefunds()
		for _, r := range s.look(d.Order.ID).Refunds {
			require.Equal(t, order.RefundDone, r.State)
		}
		s.audits()
	})
}

func TestRefund_RequestHoldsAndIsDecided(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.delivered(2)
		in := s.wish(d, askQty(d, 0, 1))
		in.GoodsBack = true
		r, err := s.f.RequestRefund(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, order.RefundRequested, r.State)
		again, err := s.f.RequestRefund(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, r.ID, again.ID)
		_, err = s.f.RequestRefund(t.Context(), s.wish(d, order.Ask{Whole: true}))
		require.ErrorIs(t, err, order.ErrRefundOpen)
		require.Zero(t, s.platform("refunds"), "nothing is booked yet")

		s.clock.Advance(8 * 24 * time.Hour)
		n, err := s.f.Ripen(t.Context(), 100)
		require.NoError(t, err)
		require.Zero(t, n, "the open request holds the line")
		_, err = s.f.RejectRefund(t.Context(), flow.RefundDecision{ID: r.ID, By: boss})
		require.ErrorIs(t, err, flow.ErrReason)
		r, err = s.f.ApproveRefund(t.Context(), flow.RefundDecision{ID: r.ID, By: boss, Restock: true})
		require.NoError(t, err)
		require.Equal(t, money.Fen(9_990), r.Amount)
		require.Equal(t, int64(999), s.stock(s.product.SKUs[0].ID).OnHand, "one of two came back fit for sale")
		_, err = s.f.ApproveRefund(t.Context(), flow.RefundDecision{ID: r.ID, By: boss})
		require.ErrorIs(t, err, order.ErrRefundMoved)
		_, err = s.f.RejectRefund(t.Context(), flow.RefundDecision{ID: r.ID, By: boss, Reason: "晚了"})
		require.ErrorIs(t, err, order.ErrRefundMoved)
		n, err = s.f.Ripen(t.Context(), 100)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		_, err = s.f.RequestRefund(t.Context(), s.wish(d, order.Ask{Whole: true}))
		require.ErrorIs(t, err, flow.ErrWindowOver)
		s.audits()
	})
}

func TestRefund_RejectedAndWithdrawnReleaseTheHold(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.delivered(1)
		first, err := s.f.RequestRefund(t.Context(), s.wish(d, order.Ask{Whole: true}))
		require.NoError(t, err)
		_, err = s.f.WithdrawRefund(t.Context(), flow.RefundDecision{ID: first.ID, Customer: s.customer()})
		require.ErrorIs(t, err, order.ErrRefundNotFound)
		first, err = s.f.WithdrawRefund(t.Context(), flow.RefundDecision{ID: first.ID, Customer: s.buyer, By: base.Customer(s.buyer)})
		require.NoError(t, err)
		require.Equal(t, order.RefundWithdrawn, first.State)
		second, err := s.f.RequestRefund(t.Context(), s.wish(d, order.Ask{Whole: true}))
		require.NoError(t, err)
		second, err = s.f.RejectRefund(t.Context(), flow.RefundDecision{ID: second.ID, By: boss, Reason: "商品已使用"})
		require.NoError(t, err)
		require.Equal(t, "商品已使用", second.RejectReason)
		s.clock.Advance(7 * 24 * time.Hour)
		n, err := s.f.Ripen(t.Context(), 100)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Zero(t, s.look(d.Order.ID).Order.Refunded)
		s.audits()
	})
}

func TestRefund_Refuses(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		_, err := s.f.RequestRefund(t.Context(), s.wish(s.orders(1), order.Ask{Whole: true}))
		require.ErrorIs(t, err, order.ErrNotPaid)
		d := s.buys(2)
		in := s.wish(d, order.Ask{Whole: true})
		in.Customer = s.customer()
		_, err = s.f.RequestRefund(t.Context(), in)
		require.ErrorIs(t, err, order.ErrNotFound)
		in = s.wish(d, order.Ask{Whole: true})
		in.GoodsBack = true
		_, err = s.f.RequestRefund(t.Context(), in)
		require.ErrorIs(t, err, flow.ErrNotShipped)
		in = s.wish(d, askQty(d, 0, 3))
		_, err = s.f.RequestRefund(t.Context(), in)
		require.ErrorIs(t, err, order.ErrExceeds)
		_, err = s.f.CreateRefund(t.Context(), flow.RefundIssue{ID: 1, Order: d.Order.ID, Kind: order.LatePayment, By: boss})
		require.ErrorIs(t, err, order.ErrAsk)
		_, err = s.f.ApproveRefund(t.Context(), flow.RefundDecision{ID: 1, By: boss})
		require.ErrorIs(t, err, order.ErrRefundNotFound)
	})
}

func TestRefund_UnshippedGoodsAreFreeAgain(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.buys(3, 1)
		s.refunds(d, order.Ask{Whole: true})
		d = s.look(d.Order.ID)
		require.Equal(t, order.Completed, d.Order.State, "nothing of it is left")
		require.Empty(t, d.Fulfilments)
		for _, sku := range s.product.SKUs {
			require.Equal(t, int64(1_000), s.stock(sku.ID).Free())
		}
		require.Zero(t, s.pendingOf(s.seller.ID))
		_, err := s.f.Ship(t.Context(), flow.ShipInput{ID: 1, Order: d.Order.ID, Carrier: "SF", TrackingNo: "1", By: boss})
		require.ErrorIs(t, err, order.ErrNotPaid)
		s.clock.Advance(7 * 24 * time.Hour)
		_, err = s.f.Ripen(t.Context(), 100)
		require.NoError(t, err)
		require.Zero(t, s.count(`SELECT COUNT(*) FROM commission WHERE ripe_ms = 0`), "accrual and reversal ripen together, and add up to nothing")
		s.audits()
	})
}

func TestRefund_TwoThatExceedTogether(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.buys(1)
		got := tally(atOnce(2, func(int) error {
			_, err := s.refund(d, askAmount(d, 0, 6_000))
			return err
		}))
		require.Equal(t, map[string]int{"": 1, "refund.exceeds": 1}, got)

		// Two requests that were both right when they were made; each alone could be approved.
		a, err := s.f.RequestRefund(t.Context(), s.wish(d, askAmount(d, 0, 3_000)))
		require.NoError(t, err)
		s.refunds(d, askAmount(d, 0, 3_000))
		_, err = s.f.ApproveRefund(t.Context(), flow.RefundDecision{ID: a.ID, By: boss})
		require.ErrorIs(t, err, order.ErrExceeds)
		require.Equal(t, money.Fen(9_000), s.look(d.Order.ID).Order.Refunded)
		s.audits()
	})
}

func TestRefund_ApprovedTwiceAtOnceIsIssuedOnce(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.buys(1)
		r, err := s.f.RequestRefund(t.Context(), s.wish(d, askAmount(d, 0, 1_000)))
		require.NoError(t, err)
		got := tally(atOnce(8, func(i int) error {
			if i%2 == 0 {
				_, err := s.f.RejectRefund(t.Context(), flow.RefundDecision{ID: r.ID, By: boss, Reason: "不符合条件"})
				return err
			}
			_, err := s.f.ApproveRefund(t.Context(), flow.RefundDecision{ID: r.ID, By: boss})
			return err
		}))
		r, err = order.RefundByID(t.Context(), s.db.Q(), r.ID)
		require.NoError(t, err)
		if r.State == order.RefundApproved {
			require.Equal(t, 1, got[""])
			require.Equal(t, money.Fen(1_000), s.platform("refunds"))
		} else {
			require.Equal(t, order.RefundRejected, r.State)
			require.Equal(t, 4, got[""], "rejecting again is the same answer")
			require.Zero(t, s.platform("refunds"))
		}
		s.audits()
	})
}

// settled delivers an order, lets its commissions ripen and their week and month end: a refund from then on is late.
func (s *shop) settled(qty ...int64) order.Detail {
	s.t.Helper()
	d := s.delivered(qty...)
	s.clock.Advance(7 * 24 * time.Hour)
	_, err := s.f.Ripen(s.t.Context(), 100)
	require.NoError(s.t, err)
	s.clock.Set(base.PeriodOf(base.Monthly, s.clock.Now()).End().Add(8 * 24 * time.Hour))
	return d
}

func TestRefund_LateIsClawedBackIntoDebt(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.settled(1)
		accrued := s.pendingOf(s.seller.ID)
		s.refunds(d, askAmount(d, 0, 4_995))
		require.Equal(t, accrued, s.pendingOf(s.seller.ID), "the statement of its period stays as it was")
		w, err := ledger.WalletOf(t.Context(), s.db.Q(), s.seller.ID)
		require.NoError(t, err)
		require.Equal(t, ledger.Wallet{Debt: -accrued / 2}, w)
		require.Equal(t, 2, s.count(`SELECT COUNT(*) FROM commission WHERE kind = 'reversal_late'`))
		s.audits()
	})
}

func TestSendRefunds_Outcomes(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.buys(1)
		state := func() order.RefundState { return s.look(d.Order.ID).Refunds[0].State }
		send := func() {
			_, err := s.f.SendRefunds(t.Context(), 10)
			require.NoError(t, err)
		}
		r := s.refunds(d, askAmount(d, 0, 1_000))

		s.pay.poor = true // NOT_ENOUGH
		send()
		require.Equal(t, order.RefundApproved, state())
		require.Contains(t, s.look(d.Order.ID).Refunds[0].FailReason, "NOT_ENOUGH")
		send()
		require.Equal(t, 1, s.pay.called(wechat.OpRefund), "not before its time")

		s.pay.poor = false
		executed := true
		s.pay.after = func(op wechat.Op, _ string) error {
			if op == wechat.OpRefund && executed {
				return context500()
			}
			return nil
		}
		s.clock.Advance(time.Minute)
		send() // executed, the answer is lost: asked by number
		require.Contains(t, []order.RefundState{order.RefundProcessing, order.RefundDone}, state())
		s.finishRefunds()
		require.Equal(t, order.RefundDone, state())
		require.Len(t, s.pay.refunds, 1)
		require.Contains(t, s.pay.refunds, r.Number(), "one number for all tries")
		s.audits()
	})
}

func context500() error {
	return &wechat.Error{Op: wechat.OpRefund, Class: wechat.Unknown, HTTPStatus: 500, Code: "SYSTEM_ERROR"}
}

func TestRefund_ClosedAndAbnormalAreStillOwed(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.buys(2)
		r := s.refunds(d, askQty(d, 0, 1))
		reversed := s.pendingOf(s.seller.ID)
		s.pay.refundEnd = wechat.RefundClosed
		s.finishRefunds()
		look := func() order.Refund {
			r, err := order.RefundByID(t.Context(), s.db.Q(), r.ID)
			require.NoError(t, err)
			return r
		}
		require.Equal(t, order.RefundClosed, look().State)
		require.Equal(t, reversed, s.pendingOf(s.seller.ID), "still owed: the reversal stands")
		require.Contains(t, s.alarmed(), "refund.closed")

		again, err := s.f.RetryRefund(t.Context(), flow.RefundDecision{ID: r.ID, By: boss})
		require.NoError(t, err)
		require.Equal(t, r.Number()+"-2", again.Number())
		_, err = s.f.RetryRefund(t.Context(), flow.RefundDecision{ID: r.ID, By: boss})
		require.ErrorIs(t, err, order.ErrRefundMoved)
		s.pay.refundEnd = wechat.RefundAbnormal
		s.finishRefunds()
		require.Equal(t, order.RefundAbnormal, look().State)
		require.Contains(t, s.alarmed(), "refund.abnormal")
		fixed := *s.pay.refunds[again.Number()]
		fixed.State, fixed.SuccessAt = wechat.RefundSuccess, s.clock.Now()
		s.notifyRefund(fixed)
		require.Equal(t, order.RefundDone, look().State)
		fixed.State = wechat.RefundClosed
		s.notifyRefund(fixed)
		require.Equal(t, order.RefundDone, look().State, "done is done")
		require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM inbox WHERE state = 'kept'`))
		s.audits()
	})
}

func TestRefund_NotificationWithWrongContentIsKept(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.buys(1)
		s.refunds(d, askAmount(d, 0, 1_000))
		_, err := s.f.SendRefunds(t.Context(), 10)
		require.NoError(t, err)
		var right wechat.Refund
		for _, r := range s.pay.refunds {
			right = *r
		}
		right.State, right.MchID, right.SuccessAt = wechat.RefundSuccess, "1900000001", s.clock.Now()
		for reason, change := range map[string]func(*wechat.Refund){
			"another mchid":                           func(r *wechat.Refund) { r.MchID = "2" },
			"another transaction_id":                  func(r *wechat.Refund) { r.TransactionID = "4200009" },
			"amount 1 of 9990, expected 1000 of 9990": func(r *wechat.Refund) { r.Amount = 1 },
			"unknown out_refund_no and transaction_id": func(r *wechat.Refund) {
				r.OutRefundNo, r.TransactionID = "theirs", "4200009"
			},
		} {
			wrong := right
			change(&wrong)
			s.notifyRefund(wrong)
			require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM inbox WHERE state = 'kept' AND outcome = ?`, reason), reason)
		}
		s.notifyRefund(right)
		require.Equal(t, order.RefundDone, s.look(d.Order.ID).Refunds[0].State)
	})
}

func TestRefund_MadeOutsideIsAdopted(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.policy(func(p *order.Policy) { p.FreightFlat = 500 })
		d := s.buys(1, 1)
		p, _ := d.Counting()
		accrued := s.pendingOf(s.seller.ID)
		foreign := s.pay.console(p.Transaction(), "console-1", 10_005) // half of the goods
		for range 3 {
			s.notifyRefund(foreign)
		}
		d = s.look(d.Order.ID)
		require.Len(t, d.Refunds, 1)
		r := d.Refunds[0]
		require.Equal(t, [2]any{order.Adopted, order.RefundDone}, [2]any{r.Kind, r.State})
		require.Len(t, r.Lines, 2, "over the lines by what is left of each")
		require.InDelta(t, int64(accrued/2), int64(s.pendingOf(s.seller.ID)), 2)
		require.Contains(t, s.alarmed(), "refund.adopted")
		require.Equal(t, int64(1), s.stock(s.product.SKUs[0].ID).Reserved, "the goods wait for a decision")
		s.audits()

		s.notifyRefund(s.pay.console(p.Transaction(), "console-2", 10_505)) // the rest, freight included
		d = s.look(d.Order.ID)
		require.Equal(t, d.Order.Total, d.Order.Refunded)
		require.Equal(t, money.Fen(500), d.Order.FreightRefunded)
		require.Zero(t, s.pendingOf(s.seller.ID))
		s.audits()

		s.notifyRefund(wechat.Refund{
			OutRefundNo: "console-3", RefundID: "5", TransactionID: p.Transaction(), OutTradeNo: p.OutTradeNo, State: wechat.RefundSuccess,
			Amount: 1, Total: p.Amount, SuccessAt: s.clock.Now(),
		})
		require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM inbox WHERE state = 'kept'`), "more than was paid: for a person")
		s.audits()
	})
}

// A refund notification that comes before the payment's is kept, and adopted by itself once the payment is known.
func TestRefund_BeforeItsPaymentIsAdoptedLater(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.orders(1)
		p, _ := s.pay.userPays(s.number(d.Order))
		s.notifyRefund(s.pay.console(p.TransactionID, "console-1", p.Total))
		require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM inbox WHERE state = 'kept'`))
		_, err := s.f.QueryRefunds(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM inbox WHERE state = 'kept'`), "nothing is known of it yet")
		s.notifyPayment(p)
		require.Equal(t, order.Paid, s.look(d.Order.ID).Order.State)
		require.NotZero(t, s.pendingOf(s.seller.ID))
		_, err = s.f.QueryRefunds(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, s.count(`SELECT COUNT(*) FROM inbox WHERE state <> 'applied'`))
		require.Equal(t, d.Order.Total, s.look(d.Order.ID).Order.Refunded)
		require.Zero(t, s.pendingOf(s.seller.ID), "nobody earns by money that went back")
		s.audits()
	})
}

// TestRefund_AdoptedAtOnceIsAdoptedOnce: the others of the same word find it there; none is kept for a person.
func TestRefund_AdoptedAtOnceIsAdoptedOnce(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.buys(1)
		p, _ := d.Counting()
		s.f.Wake = func() {}
		plain := wechat.EncodeRefund(s.pay.console(p.Transaction(), "console-1", p.Amount))
		const n = 6
		for i := range n {
			require.NoError(t, s.f.TakeNotification(t.Context(), wechat.Notification{
				ID: fmt.Sprintf("console-event-%d", i), Kind: wechat.RefundEvent, At: s.clock.Now(), Plain: plain,
			}))
		}
		events, err := inbox.ByRef(t.Context(), s.db.Q(), "console-1")
		require.NoError(t, err)
		require.Len(t, events, n)
		// Each event has an applier of its own, as on as many replicas, and all of them meet at the order's lock.
		for _, err := range atOnce(n+1, func(i int) error {
			return s.db.InTx(t.Context(), "apply", func(ctx context.Context, tx *store.Tx) error {
				if i == n {
					_, err := order.Lock(ctx, tx, d.Order.ID)
					time.Sleep(300 * time.Millisecond)
					return err
				}
				results, err := s.f.ApplyInbox(ctx, tx, events[i:i+1])
				if err == nil && results[0].State != inbox.Applied {
					err = errors.New(results[0].Outcome)
				}
				return err
			})
		}) {
			require.NoError(t, err)
		}
		require.Len(t, s.look(d.Order.ID).Refunds, 1)
		s.audits()
	})
}
