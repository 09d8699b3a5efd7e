package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

func onPay(a sim.Action) sim.Fault {
	return sim.Fault{Match: sim.Match{Method: "NOTIFY", Path: "^TRANSACTION"}, Action: a}
}

func TestNotify_RetriesAsWeChatDoes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.shop.answer(func(got) int { return 500 })
	r.paid("order0001", 100)
	require.Len(t, r.shop.all(), 1)
	pauses := []time.Duration{15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute}
	for i, p := range pauses {
		r.clock.Advance(p - time.Second)
		r.s.Settle(ctx)
		require.Len(t, r.shop.all(), i+1, "a second too early")
		r.clock.Advance(time.Second)
		r.s.Settle(ctx)
		require.Len(t, r.shop.all(), i+2)
	}
	all := r.shop.all()
	require.Equal(t, all[0].id, all[6].id)
	require.NotEqual(t, all[0].header.Get("Wechatpay-Nonce"), all[6].header.Get("Wechatpay-Nonce"))
	for range 20 {
		r.clock.Advance(6 * time.Hour)
		r.s.Settle(ctx)
	}
	require.Len(t, r.shop.all(), 16, "the first and 15 retries")
	n := r.s.Books().Notifies[0]
	require.Equal(t, "gave_up", n.State)
	r.shop.answer(nil)
	require.NoError(t, r.s.Resend(ctx, n.ID))
	require.Equal(t, "acked", r.s.Books().Notifies[0].State)
	require.ErrorIs(t, r.s.Resend(ctx, "nobody"), sim.ErrUnknown)
}

func TestNotify_WorkerRetriesByWallClock(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sim.Options) { o.NotifyScale = 0.001; o.NotifySync = false })
	r.shop.answer(func(got) int { return 500 })
	r.paid("order0001", 100)
	require.Eventually(t, func() bool { return len(r.shop.all()) >= 4 }, 10*time.Second, 5*time.Millisecond)
	r.shop.answer(nil)
	require.Eventually(t, func() bool { return r.s.Books().Notifies[0].State == "acked" }, 10*time.Second, 5*time.Millisecond)
}

func TestNotify_204IsEnoughAndRedirectIsNot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for status, state := range map[int]string{204: "acked", 201: "pending", 302: "pending", 404: "pending"} {
		r.shop.answer(func(got) int { return status })
		no := "order0" + string(rune('a'+status%26)) + "01"
		r.paid(no, 100)
		b := r.s.Books().Notifies
		require.Equal(t, state, b[len(b)-1].State, status)
	}
}

func TestNotify_NeverLeavesThisMachine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.call("POST", ordersPath, with(r.orderBody("order0001", 1), "notify_url", "https://shop.example/n"))
	require.NoError(t, r.s.Pay(ctx, a.str("prepay_id")))
	n := r.s.Books().Notifies[0]
	require.Equal(t, "undeliverable", n.State)
	require.NoError(t, r.s.Resend(ctx, n.ID))
	require.Empty(t, r.s.Books().Notifies[0].Attempts)
}

func TestNotify_Modes(t *testing.T) {
	t.Parallel()
	type want struct {
		good, bad int
		state     string
	}
	for mode, w := range map[string]want{
		sim.NotifyNever:           {0, 0, "suppressed"},
		sim.NotifyDuplicate:       {3, 0, "acked"},
		sim.NotifyConcurrent:      {3, 0, "acked"},
		sim.NotifyReplay:          {2, 0, "acked"},
		sim.NotifyProbe:           {1, 1, "acked"},
		sim.NotifyMissingResource: {1, 1, "acked"},
		sim.NotifyShortNonce:      {1, 1, "acked"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			require.NoError(t, r.s.AddFault(onPay(sim.Action{Notify: mode, NotifyN: 3})))
			r.paid("order0001", 100)
			good, bad := 0, 0
			for _, g := range r.shop.all() {
				if g.err == nil {
					good++
				} else {
					bad++
				}
			}
			require.Equal(t, w, want{good, bad, r.s.Books().Notifies[0].State})
			require.Empty(t, r.s.Books().Violations)
		})
	}
}

func TestNotify_AcceptedProbeIsAViolation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.shop.answer(func(got) int { return 200 })
	require.NoError(t, r.s.AddFault(onPay(sim.Action{Notify: sim.NotifyProbe})))
	r.paid("order0001", 100)
	require.True(t, strings.HasPrefix(r.shop.all()[0].header.Get("Wechatpay-Signature"), "WECHATPAY/SIGNTEST/"))
	require.Equal(t, "accepted_probe", r.s.Books().Violations[0].Code)
}

func TestNotify_Replay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.s.AddFault(onPay(sim.Action{Notify: sim.NotifyReplay})))
	r.paid("order0001", 100)
	all := r.shop.all()
	require.Equal(t, all[0].raw, all[1].raw)
	require.Equal(t, all[0].header.Get("Wechatpay-Signature"), all[1].header.Get("Wechatpay-Signature"))
}

func TestNotify_DelayAndOutOfOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Method: "NOTIFY", Number: "order0001"}, Action: sim.Action{Notify: sim.NotifyDelay, NotifyDelayMS: 60_000}}))
	require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Method: "NOTIFY", Number: "order0002"}, Action: sim.Action{Notify: sim.NotifyOutOfOrder}}))
	r.paid("order0001", 100)
	require.Empty(t, r.shop.all())
	r.clock.Advance(time.Minute)
	r.s.Settle(ctx)
	require.Len(t, r.shop.all(), 1)

	r.paid("order0002", 100)
	r.refund("order0002", "r1", 100, 100)
	r.s.Settle(ctx)
	require.Eventually(t, func() bool { return len(r.shop.all()) == 3 }, 5*time.Second, 5*time.Millisecond)
	require.Equal(t, "REFUND.SUCCESS", r.shop.all()[1].event, "the refund before the payment")
	require.Equal(t, "TRANSACTION.SUCCESS", r.shop.all()[2].event)
}

func TestNotify_BeforeResponse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Method: "NOTIFY"}, Action: sim.Action{Notify: sim.NotifyBeforeResponse}}))
	r.paid("order0001", 100)
	var order []string
	r.shop.answer(func(g got) int { order = append(order, g.event); return 200 })
	a := r.refund("order0001", "r1", 100, 100)
	order = append(order, a.str("status"))
	b := r.transfer("bill0001", 1_000)
	order = append(order, b.str("state"))
	require.Equal(t, []string{"REFUND.SUCCESS", "PROCESSING", "MCHTRANSFER.BILL.FINISHED", "WAIT_USER_CONFIRM"}, order)
}

func TestNotify_Tamper(t *testing.T) {
	t.Parallel()
	for how, look := range map[string]func(obj) any{
		sim.TamperAmountPlus:  func(o obj) any { return o["amount"].(obj)["total"] },
		sim.TamperAmountMinus: func(o obj) any { return o["amount"].(obj)["total"] },
		sim.TamperAppID:       func(o obj) any { return o["appid"] },
		sim.TamperMchID:       func(o obj) any { return o["mchid"] },
		sim.TamperOpenID:      func(o obj) any { return o["payer"].(obj)["openid"] },
		sim.TamperNumber:      func(o obj) any { return o["out_trade_no"] },
		sim.TamperCurrency:    func(o obj) any { return o["amount"].(obj)["currency"] },
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			require.NoError(t, r.s.AddFault(onPay(sim.Action{NotifyTamper: how})))
			r.paid("order0001", 100)
			lie := r.shop.last(t)
			require.NoError(t, lie.err, "validly signed")
			require.NoError(t, r.s.Resend(ctx, r.s.Books().Notifies[0].ID))
			truth := r.shop.last(t)
			require.NotEqual(t, look(truth.plain), look(lie.plain))
			require.Equal(t, "order0001", truth.plain["out_trade_no"])
		})
	}
}

func TestNotify_BadProofs(t *testing.T) {
	t.Parallel()
	for _, sig := range []string{sim.SigWrong, sim.SigMissing, sim.SigStale, sim.SigUnknownSerial, sim.SigCert} {
		t.Run(sig, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Method: "NOTIFY", Times: 1}, Action: sim.Action{Sig: sig}}))
			r.paid("order0001", 100)
			require.Error(t, r.shop.last(t).err)
			r.clock.Advance(15 * time.Second)
			r.s.Settle(ctx)
			require.NoError(t, r.shop.last(t).err, "the retry is sound")
			require.Equal(t, "acked", r.s.Books().Notifies[0].State)
		})
	}
}

func TestNotify_ClockAhead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.s.AddFault(sim.Fault{Action: sim.Action{ClockSkewS: 400}}))
	require.Equal(t, "SIGN_ERROR", r.query("order0001").code())
	r.s.ClearFaults()
	r.paid("order0001", 100)
	require.True(t, slices.ContainsFunc(r.s.Books().Violations, func(v sim.Violation) bool { return v.Code == "sign_error" }))
}
