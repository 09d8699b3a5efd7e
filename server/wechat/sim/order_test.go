package sim_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat/sim"
)

var ctx = context.Background()

func TestOrder_Life(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.order("order0001", 12_345)
	q := r.query("order0001")
	require.Equal(t, "NOTPAY", q.str("trade_state"))
	require.NotContains(t, q.body, "transaction_id")
	require.NotContains(t, q.body, "payer")

	require.NoError(t, r.s.Pay(ctx, id))
	n := r.shop.last(t)
	require.NoError(t, n.err)
	require.Equal(t, "TRANSACTION.SUCCESS", n.event)
	require.Equal(t, "order0001", n.plain["out_trade_no"])
	require.Equal(t, r.s.OpenID("alice"), n.plain["payer"].(obj)["openid"])
	require.EqualValues(t, 12_345, n.plain["amount"].(obj)["total"])
	require.Equal(t, "2026-11-23T12:00:00+08:00", n.plain["success_time"], "business time, at +08:00")

	q = r.query("order0001")
	require.Equal(t, "SUCCESS", q.str("trade_state"))
	byID := r.call("GET", "/v3/pay/transactions/id/"+q.str("transaction_id")+"?mchid="+r.m.MchID, nil)
	require.Equal(t, q.body, byID.body)
	require.ErrorIs(t, r.s.Pay(ctx, id), sim.ErrState)
	require.Equal(t, "ORDERPAID", r.call("POST", ordersPath, r.orderBody("order0001", 12_345)).code())
	require.Equal(t, "ORDERPAID", r.close("order0001").code())
	require.EqualValues(t, 100_000_000+12_345-74, r.s.Books().Accounts[sim.Basic], "0.6 % is 74.07 fen")
}

func (r *rig) close(no string) answer {
	r.t.Helper()
	return r.call("POST", "/v3/pay/transactions/out-trade-no/"+no+"/close", obj{"mchid": r.m.MchID})
}

func TestOrder_Close(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.order("order0001", 1)
	for range 2 {
		a := r.close("order0001")
		require.Equal(t, 204, a.status)
		require.Empty(t, a.raw)
		require.NoError(t, r.proven(a), "an empty 204 is signed")
	}
	require.Equal(t, "CLOSED", r.query("order0001").str("trade_state"))
	require.ErrorIs(t, r.s.Pay(ctx, id), sim.ErrState)
	require.Equal(t, "ORDER_CLOSED", r.call("POST", ordersPath, r.orderBody("order0001", 1)).code())
	require.Equal(t, "ORDER_NOT_EXIST", r.close("nobody").code())
	require.Equal(t, 404, r.query("nobody").status)
}

func TestOrder_Expires(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := with(r.orderBody("order0001", 1), "time_expire", r.clock.Now().Add(30*time.Minute).Format(time.RFC3339))
	a := r.call("POST", ordersPath, body)
	require.Equal(t, 200, a.status, string(a.raw))
	r.clock.Advance(29 * time.Minute)
	require.Equal(t, "NOTPAY", r.query("order0001").str("trade_state"))
	require.Equal(t, 200, r.call("POST", ordersPath, body).status, "the same parameters again, although less than a minute is left")
	r.clock.Advance(time.Minute)
	require.ErrorIs(t, r.s.Pay(ctx, a.str("prepay_id")), sim.ErrState)
	require.Equal(t, "CLOSED", r.query("order0001").str("trade_state"))
}

func TestOrder_PrepayLivesTwoHours(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.order("order0001", 1)
	r.clock.Advance(2 * time.Hour)
	require.ErrorIs(t, r.s.Pay(ctx, first), sim.ErrState)
	second := r.order("order0001", 1)
	require.NotEqual(t, first, second)
	require.NoError(t, r.s.Pay(ctx, second))
	require.Len(t, r.shop.all(), 1)
}

func TestOrder_SameNumberOtherParameters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order("order0001", 100)
	for k, v := range map[string]any{"description": "other", "attach": "b", "amount": obj{"total": 101, "currency": "CNY"}, "goods_tag": "x"} {
		a := r.call("POST", ordersPath, with(r.orderBody("order0001", 100), k, v))
		require.Equal(t, "INVALID_REQUEST", a.code(), k)
		require.Contains(t, a.str("message"), "不一致")
	}
	require.EqualValues(t, 100, r.s.Books().Orders[0].TotalFen)
}

func TestOrder_Strict(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ok := r.orderBody("order0001", 100)
	long := strings.Repeat("长", 128)
	for name, c := range map[string]struct {
		key  string
		v    any
		code string
	}{
		"no appid":              {"appid", nil, "PARAM_ERROR"},
		"other appid":           {"appid", "wx0000000000000001", "APPID_MCHID_NOT_MATCH"},
		"other mchid":           {"mchid", "1600000000", "MCH_NOT_EXISTS"},
		"no description":        {"description", nil, "PARAM_ERROR"},
		"long description":      {"description", long, "PARAM_ERROR"},
		"short number":          {"out_trade_no", "abcde", "PARAM_ERROR"},
		"long number":           {"out_trade_no", strings.Repeat("a", 33), "PARAM_ERROR"},
		"number with a dot":     {"out_trade_no", "order.0001", "PARAM_ERROR"},
		"number in Chinese":     {"out_trade_no", "订单订单订单", "PARAM_ERROR"},
		"long attach":           {"attach", long + "长", "PARAM_ERROR"},
		"expires too soon":      {"time_expire", r.clock.Now().Add(50 * time.Second).Format(time.RFC3339), "PARAM_ERROR"},
		"time without zone":     {"time_expire", "2026-11-24T12:00:00", "PARAM_ERROR"},
		"no notify_url":         {"notify_url", nil, "PARAM_ERROR"},
		"http elsewhere":        {"notify_url", "http://shop.example/n", "PARAM_ERROR"},
		"query in notify_url":   {"notify_url", "https://shop.example/n?a=1", "PARAM_ERROR"},
		"empty query":           {"notify_url", "https://shop.example/n?", "PARAM_ERROR"},
		"long notify_url":       {"notify_url", "https://shop.example/" + strings.Repeat("a", 250), "PARAM_ERROR"},
		"no amount":             {"amount", nil, "PARAM_ERROR"},
		"zero":                  {"amount", obj{"total": 0}, "PARAM_ERROR"},
		"negative":              {"amount", obj{"total": -1}, "PARAM_ERROR"},
		"fraction":              {"amount", obj{"total": 1.5}, "PARAM_ERROR"},
		"text for a number":     {"amount", obj{"total": "100"}, "PARAM_ERROR"},
		"dollars":               {"amount", obj{"total": 100, "currency": "USD"}, "PARAM_ERROR"},
		"no openid":             {"payer", nil, "PARAM_ERROR"},
		"unknown openid":        {"payer", obj{"openid": "oNobody"}, "PARAM_ERROR"},
		"openid of another app": {"payer", obj{"openid": r.s.OpenIDIn("wx9999999999999999", "alice")}, "OPENID_MISMATCH"},
	} {
		a := r.call("POST", ordersPath, with(ok, c.key, c.v))
		require.Equal(t, 400, a.status, name)
		require.Equal(t, c.code, a.code(), name)
		require.NoError(t, r.proven(a), name)
	}
	require.Empty(t, r.s.Books().Orders)
	for _, raw := range []string{"", "null", "[]", "{", `{"appid":1}`, "garbage"} {
		require.Equal(t, "PARAM_ERROR", r.call("POST", ordersPath, raw).code(), raw)
	}
	require.Equal(t, 200, r.call("POST", ordersPath, ok).status, "and the plain one is taken")
	require.Equal(t, "PARAM_ERROR", r.call("GET", "/v3/pay/transactions/out-trade-no/order0001", nil).code(), "mchid is required")
	require.Equal(t, "PARAM_ERROR", r.call("POST", "/v3/pay/transactions/out-trade-no/order0001/close", obj{}).code())
}

func TestOrder_PaySheetMustBeSigned(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.order("order0001", 100)
	err := r.s.PaySigned(ctx, sim.PaySheet{AppID: r.m.AppID, TimeStamp: "1", NonceStr: "n", Package: "prepay_id=" + id, SignType: "RSA", PaySign: "bm8="})
	require.ErrorIs(t, err, sim.ErrState)
	require.Equal(t, "NOTPAY", r.query("order0001").str("trade_state"))
	require.Equal(t, "pay_sign", r.s.Books().Violations[0].Code)
}

func TestTransport_Strict(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.order("order0001", 1)
	path := "/v3/pay/transactions/out-trade-no/order0001?mchid=" + r.m.MchID
	swap := func(old, fresh string) func(*http.Request, string, string) {
		return func(q *http.Request, _, _ string) {
			q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), old, fresh, 1))
		}
	}
	for name, c := range map[string]struct {
		status int
		spoil  func(q *http.Request, ts, nonce string)
	}{
		"no authorization": {401, func(q *http.Request, _, _ string) { q.Header.Del("Authorization") }},
		"other scheme":     {401, swap("WECHATPAY2-SHA256-RSA2048", "Bearer")},
		"other mchid":      {401, swap(r.m.MchID, "1600000000")},
		"other serial":     {401, swap(r.m.SerialNo, "ABCDEF")},
		"other nonce":      {401, swap(`nonce_str="0`, `nonce_str="1`)},
		"broken signature": {401, swap(`signature="`, `signature="AAAA`)},
		"other query":      {401, func(q *http.Request, _, _ string) { q.URL.RawQuery += "&x=1" }},
		"other path":       {401, func(q *http.Request, _, _ string) { q.URL.Path += "2" }},
		"no user agent":    {400, func(q *http.Request, _, _ string) { q.Header.Set("User-Agent", "") }},
		"no accept":        {400, func(q *http.Request, _, _ string) { q.Header.Del("Accept") }},
		"accepts html":     {400, func(q *http.Request, _, _ string) { q.Header.Set("Accept", "text/html") }},
	} {
		r.sign = c.spoil
		a := r.call("GET", path, nil)
		require.Equal(t, c.status, a.status, name)
		require.NotEmpty(t, a.code(), name)
	}
	r.sign = nil
	for _, skew := range []time.Duration{-301 * time.Second, 302 * time.Second} {
		r.skew = skew
		require.Equal(t, "SIGN_ERROR", r.call("GET", path, nil).code(), skew)
	}
	r.skew = -290 * time.Second
	require.Equal(t, 200, r.call("GET", path, nil).status)
	r.skew = 0

	r.clock.Advance(90 * 24 * time.Hour) // signatures carry wall time whatever the business clock says
	a := r.call("GET", path, nil)
	require.Equal(t, 200, a.status)
	require.NoError(t, r.proven(a))
	require.NotEmpty(t, a.header.Get("Request-ID"))

	before := len(r.s.Books().Violations)
	r.n.Add(-1)
	require.Equal(t, 200, r.call("GET", path, nil).status)
	v := r.s.Books().Violations
	require.Len(t, v, before+1)
	require.Equal(t, "nonce_reused", v[before].Code)
	require.Equal(t, "NOT_FOUND", r.call("GET", "/v3/unknown", nil).code())
	require.Equal(t, "NOT_FOUND", r.call("DELETE", "/v3/refund/domestic/refunds/x", nil).code())
}
