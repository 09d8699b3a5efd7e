package sim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

func (r *rig) refund(no, refundNo string, fen, total int64) answer {
	r.t.Helper()
	return r.call("POST", refundsPath, r.refundBody(no, refundNo, fen, total))
}

func (r *rig) refunded(no string) string {
	r.t.Helper()
	return r.call("GET", refundsPath+"/"+no, nil).str("status")
}

func TestRefund_InPieces(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.paid("order0001", 10_000)
	a := r.refund("order0001", "r1", 3_000, 10_000)
	require.Equal(t, "PROCESSING", a.str("status"), string(a.raw))
	require.NotContains(t, a.body, "success_time")
	require.Equal(t, "REFUND", r.query("order0001").str("trade_state"), "also after a partial refund")
	require.Equal(t, a.body, r.refund("order0001", "r1", 3_000, 10_000).body, "the same number again")

	r.clock.Advance(time.Second)
	require.Equal(t, "PROCESSING", r.refunded("r1"))
	r.clock.Advance(time.Second)
	require.Equal(t, "SUCCESS", r.refunded("r1"), "two seconds of the business clock")
	require.Eventually(t, func() bool { return len(r.shop.all()) == 2 }, 5*time.Second, 5*time.Millisecond)
	n := r.shop.last(t)
	require.Equal(t, "REFUND.SUCCESS", n.event)
	require.Equal(t, "SUCCESS", n.plain["refund_status"])
	require.NotContains(t, n.plain, "status")

	tooSoon := r.refund("order0001", "r2", 7_000, 10_000)
	require.Equal(t, 429, tooSoon.status, "a minute between refunds of one order")
	r.clock.Advance(time.Minute)
	require.Equal(t, "INVALID_REQUEST", r.refund("order0001", "r2", 7_001, 10_000).code(), "more than is left")
	require.Equal(t, 200, r.refund("order0001", "r2", 7_000, 10_000).status)
	r.s.Settle(ctx)
	require.Equal(t, "SUCCESS", r.refunded("r2"), "settling does not wait")
	b := r.s.Books()
	require.EqualValues(t, 100_000_000, b.Accounts[sim.Basic], "all is back, the fee too")
	require.EqualValues(t, 10_000, b.Orders[0].RefundedFen)
}

func TestRefund_Strict(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sim.Options) { o.RefundGap = -1 })
	r.paid("order0001", 10_000)
	r.order("order0002", 100)
	ok := r.refundBody("order0001", "r1", 100, 10_000)
	for name, c := range map[string]struct {
		key    string
		v      any
		status int
		code   string
	}{
		"no order":           {"out_trade_no", nil, 400, "PARAM_ERROR"},
		"unknown order":      {"out_trade_no", "nobody00", 404, "RESOURCE_NOT_EXISTS"},
		"unpaid order":       {"out_trade_no", "order0002", 400, "INVALID_REQUEST"},
		"ids do not fit":     {"transaction_id", "4200000000", 404, "RESOURCE_NOT_EXISTS"},
		"no number":          {"out_refund_no", nil, 400, "PARAM_ERROR"},
		"long number":        {"out_refund_no", strings.Repeat("a", 65), 400, "PARAM_ERROR"},
		"number with space":  {"out_refund_no", "a b", 400, "PARAM_ERROR"},
		"long reason":        {"reason", strings.Repeat("长", 81), 400, "PARAM_ERROR"},
		"http elsewhere":     {"notify_url", "http://shop.example/n", 400, "PARAM_ERROR"},
		"no amount":          {"amount", nil, 400, "PARAM_ERROR"},
		"zero":               {"amount", obj{"refund": 0, "total": 10_000, "currency": "CNY"}, 400, "PARAM_ERROR"},
		"no currency":        {"amount", obj{"refund": 1, "total": 10_000}, 400, "PARAM_ERROR"},
		"total not as order": {"amount", obj{"refund": 1, "total": 9_999, "currency": "CNY"}, 400, "INVALID_REQUEST"},
		"above the order":    {"amount", obj{"refund": 10_001, "total": 10_000, "currency": "CNY"}, 400, "INVALID_REQUEST"},
	} {
		a := r.call("POST", refundsPath, with(ok, c.key, c.v))
		require.Equal(t, c.status, a.status, name)
		require.Equal(t, c.code, a.code(), name)
	}
	require.Empty(t, r.s.Books().Refunds)
	require.Equal(t, 404, r.call("GET", refundsPath+"/r1", nil).status)
	require.Equal(t, 200, r.call("POST", refundsPath, ok).status)
	other := r.call("POST", refundsPath, with(ok, "reason", "another"))
	require.Equal(t, "INVALID_REQUEST", other.code(), "the number with other parameters")
}

func TestRefund_Limits(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sim.Options) { o.RefundGap = -1 })
	r.paid("order0001", 10_000)
	r.paid("order0002", 10_000)
	for i := range 50 {
		require.Equal(t, 200, r.refund("order0001", fmt.Sprintf("r%d", i), 1, 10_000).status)
	}
	require.Equal(t, "INVALID_REQUEST", r.refund("order0001", "r50", 1, 10_000).code())
	r.s.Settle(ctx)

	r.s.SetBalance(sim.Basic, 50)
	poor := r.refund("order0002", "p1", 10_000, 10_000)
	require.Equal(t, 403, poor.status)
	require.Equal(t, "NOT_ENOUGH", poor.code())
	require.Equal(t, 404, r.call("GET", refundsPath+"/p1", nil).status, "it was not taken")
	r.s.SetBalance(sim.Basic, 50_000)
	require.Equal(t, 200, r.refund("order0002", "p1", 10_000, 10_000).status, "the same number after a top-up")
	r.s.Settle(ctx)

	r.paid("order0003", 100)
	r.clock.Advance(366 * 24 * time.Hour)
	require.Equal(t, "INVALID_REQUEST", r.refund("order0003", "y1", 1, 100).code(), "older than a year")
}

func TestRefund_OddEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sim.Options) { o.RefundGap = -1 })
	r.paid("order0001", 10_000)
	for _, end := range []string{"ABNORMAL", "CLOSED", "PROCESSING"} {
		require.NoError(t, r.s.AddFault(sim.Fault{Match: sim.Match{Number: "^r-" + end}, Action: sim.Action{RefundResult: end}}))
		a := r.refund("order0001", "r-"+end, 1_000, 10_000)
		require.Equal(t, "PROCESSING", a.str("status"))
		r.s.Settle(ctx)
		require.Equal(t, end, r.refunded("r-"+end))
		if end != "PROCESSING" {
			require.Equal(t, "REFUND."+end, r.shop.last(t).event)
		}
	}
	require.EqualValues(t, 2_000, r.s.Books().Orders[0].RefundedFen, "a closed one gives the money back to the merchant")
	require.Equal(t, 200, r.refund("order0001", "again", 8_000, 10_000).status, "and a new number may refund it")
	r.s.ClearFaults()
	r.s.Settle(ctx)
	require.Equal(t, "SUCCESS", r.refunded("r-PROCESSING"), "what a fault kept waiting goes on")
}

func TestRefund_InConsole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.paid("order0001", 10_000)
	no, err := r.s.RefundInConsole(ctx, sim.ConsoleRefund{OutTradeNo: "order0001", Fen: 500, NotifyURL: r.shop.url("refund")})
	require.NoError(t, err)
	n := r.shop.last(t)
	require.Equal(t, "REFUND.SUCCESS", n.event)
	require.Equal(t, no, n.plain["out_refund_no"])
	_, err = r.s.RefundInConsole(ctx, sim.ConsoleRefund{OutTradeNo: "order0001", Fen: 9_501})
	require.ErrorIs(t, err, sim.ErrState)
	_, err = r.s.RefundInConsole(ctx, sim.ConsoleRefund{OutTradeNo: "nobody", Fen: 1})
	require.ErrorIs(t, err, sim.ErrUnknown)
}
