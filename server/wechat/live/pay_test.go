package live_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/clock"
	"fenxiao/server/wechat"
	"fenxiao/server/wechat/live"
)

const (
	prepayPath   = "/v3/pay/transactions/jsapi"
	paymentPath  = "/v3/pay/transactions/out-trade-no/pa0123456789"
	closePath    = paymentPath + "/close"
	refundsPath  = "/v3/refund/domestic/refunds"
	refundPath   = refundsPath + "/rf0123456789"
	transferPath = "/v3/fund-app/mch-transfer/transfer-bills"
	billPath     = transferPath + "/out-bill-no/wd0123456789"
	cancelPath   = billPath + "/cancel"

	paymentJSON = `{"appid":"` + appID + `","mchid":"` + mchID + `","out_trade_no":"pa0123456789","transaction_id":"4200","trade_type":"JSAPI",
		"trade_state":"SUCCESS","trade_state_desc":"支付成功","bank_type":"OTHERS","success_time":"2026-11-23T10:34:56+08:00",
		"payer":{"openid":"oA"},"amount":{"total":9900,"payer_total":9900,"currency":"CNY","payer_currency":"CNY"}}`
	refundJSON = `{"refund_id":"50","out_refund_no":"rf0123456789","transaction_id":"4200","out_trade_no":"pa0123456789","channel":"ORIGINAL",
		"user_received_account":"支付用户零钱","create_time":"2026-11-23T10:34:56+08:00","status":"PROCESSING","funds_account":"AVAILABLE",
		"amount":{"total":9900,"refund":100,"payer_total":9900,"payer_refund":100,"settlement_refund":100,"settlement_total":9900,"discount_refund":0,"currency":"CNY"}}`
	startedJSON = `{"out_bill_no":"wd0123456789","transfer_bill_no":"13","create_time":"2026-11-23T10:34:56.123+08:00","state":"WAIT_USER_CONFIRM","package_info":"a+b/c="}`
	billJSON    = `{"mch_id":"` + mchID + `","out_bill_no":"wd0123456789","transfer_bill_no":"13","appid":"` + appID + `","state":"SUCCESS",
		"transfer_amount":5000,"transfer_remark":"佣金","openid":"oA","create_time":"2026-11-23T10:34:56+08:00","update_time":"2026-11-23T10:35:56+08:00"}`
	cancelJSON = `{"out_bill_no":"wd0123456789","transfer_bill_no":"13","state":"CANCELING","update_time":"2026-11-23T10:35:56+08:00"}`
)

var paidAt = time.Date(2026, 11, 23, 2, 34, 56, 0, time.UTC)

func prepayRequest() wechat.PrepayRequest {
	return wechat.PrepayRequest{OutTradeNo: "pa0123456789", Description: "车厘子 5 斤 <&>", Total: 9900, OpenID: "oA",
		ExpiresAt: time.Date(2026, 11, 23, 4, 0, 0, 123e6, time.UTC), NotifyURL: "https://shop.example/wechat/pay", Attach: "a"}
}

func refundRequest() wechat.RefundRequest {
	return wechat.RefundRequest{TransactionID: "4200", OutRefundNo: "rf0123456789", Reason: "少发一件", Amount: 100, Total: 9900,
		NotifyURL: "https://shop.example/wechat/refund"}
}

func transferRequest() wechat.TransferRequest {
	return wechat.TransferRequest{OutBillNo: "wd0123456789", OpenID: "oA", Amount: 5000, UserName: "张三", Remark: "佣金",
		SceneID: wechat.SceneCommission, NotifyURL: "https://shop.example/wechat/transfer",
		ReportInfos: []wechat.ReportInfo{{Type: wechat.ReportJob, Content: "推广员"}, {Type: wechat.ReportPay, Content: "十月佣金"}}}
}

// obliging answers every call with success.
func obliging(w http.ResponseWriter, r seen, _ int) {
	switch r.method + " " + r.path {
	case "POST " + prepayPath:
		reply(w, 200, `{"prepay_id":"wx23103456"}`)
	case "GET " + paymentPath:
		reply(w, 200, paymentJSON)
	case "POST " + closePath:
		reply(w, 204, "")
	case "POST " + refundsPath, "GET " + refundPath:
		reply(w, 200, refundJSON)
	case "POST " + transferPath:
		reply(w, 200, startedJSON)
	case "GET " + billPath:
		reply(w, 200, billJSON)
	case "POST " + cancelPath:
		reply(w, 200, cancelJSON)
	default:
		w.WriteHeader(500)
	}
}

func TestPrepay(t *testing.T) {
	t.Parallel()
	f := serve(t, obliging)
	c := newClient(t, config(t, f.URL))
	for range 2 {
		id, err := c.Prepay(t.Context(), prepayRequest())
		require.NoError(t, err)
		require.Equal(t, "wx23103456", id)
	}
	sent := f.requests(prepayPath)
	requireSigned(t, sent[0])
	require.JSONEq(t, `{"appid":"`+appID+`","mchid":"`+mchID+`","description":"车厘子 5 斤 <&>","out_trade_no":"pa0123456789",
		"time_expire":"2026-11-23T12:00:00+08:00","attach":"a","notify_url":"https://shop.example/wechat/pay",
		"amount":{"total":9900,"currency":"CNY"},"payer":{"openid":"oA"}}`, string(sent[0].body))
	require.Equal(t, string(sent[0].body), string(sent[1].body), "a repetition is the same to the byte")

	bare := prepayRequest()
	bare.ExpiresAt, bare.Attach = time.Time{}, ""
	_, err := c.Prepay(t.Context(), bare)
	require.NoError(t, err)
	require.NotContains(t, string(f.requests(prepayPath)[2].body), "time_expire")
	require.NotContains(t, string(f.requests(prepayPath)[2].body), "attach")

	bare.Total = 0
	_, err = c.Prepay(t.Context(), bare)
	require.ErrorIs(t, err, wechat.ErrInput)
	require.Equal(t, wechat.Refused, wechat.ClassOf(err))
	require.Equal(t, 3, f.count(prepayPath), "what is wrong is not sent")

	without := serve(t, func(w http.ResponseWriter, _ seen, _ int) { reply(w, 200, `{}`) })
	_, err = newClient(t, config(t, without.URL)).Prepay(t.Context(), prepayRequest())
	require.Equal(t, wechat.Unknown, wechat.ClassOf(err))
}

func TestPayParams(t *testing.T) {
	t.Parallel()
	c := newClient(t, config(t, ""))
	p, err := c.PayParams("wx23103456")
	require.NoError(t, err)
	require.Equal(t, appID, p.AppID)
	require.Equal(t, "RSA", p.SignType)
	require.Equal(t, "prepay_id=wx23103456", p.Package)
	seconds, err := strconv.ParseInt(p.TimeStamp, 10, 64)
	require.NoError(t, err)
	require.WithinDuration(t, clock.Wall(), time.Unix(seconds, 0), 5*time.Second)

	signature, err := base64.StdEncoding.DecodeString(p.PaySign)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(appID + "\n" + p.TimeStamp + "\n" + p.NonceStr + "\n" + p.Package + "\n"))
	require.NoError(t, rsa.VerifyPKCS1v15(&theKeys().merchant.PublicKey, crypto.SHA256, sum[:], signature))

	again, err := c.PayParams("wx23103456")
	require.NoError(t, err)
	require.NotEqual(t, p.NonceStr, again.NonceStr)
	_, err = c.PayParams("")
	require.ErrorIs(t, err, wechat.ErrInput)
	require.Equal(t, wechat.Account{AppID: appID, MchID: mchID}, c.Account())
}

func TestQueryAndClosePayment(t *testing.T) {
	t.Parallel()
	f := serve(t, obliging)
	c := newClient(t, config(t, f.URL))
	p, err := c.QueryPayment(t.Context(), "pa0123456789")
	require.NoError(t, err)
	require.Equal(t, wechat.Payment{AppID: appID, MchID: mchID, OutTradeNo: "pa0123456789", TransactionID: "4200",
		State: wechat.PaymentSuccess, Total: 9900, PayerTotal: 9900, Currency: "CNY", OpenID: "oA", SuccessAt: paidAt}, p)
	requireSigned(t, f.requests(paymentPath)[0])
	require.Equal(t, paymentPath+"?mchid="+mchID, f.requests(paymentPath)[0].uri)

	require.NoError(t, c.ClosePayment(t.Context(), "pa0123456789"))
	requireSigned(t, f.requests(closePath)[0])
	require.JSONEq(t, `{"mchid":"`+mchID+`"}`, string(f.requests(closePath)[0].body))
}

func TestRefund(t *testing.T) {
	t.Parallel()
	f := serve(t, obliging)
	c := newClient(t, config(t, f.URL))
	want := wechat.Refund{OutRefundNo: "rf0123456789", RefundID: "50", TransactionID: "4200", OutTradeNo: "pa0123456789",
		State: wechat.RefundProcessing, Amount: 100, Total: 9900}
	got, err := c.Refund(t.Context(), refundRequest())
	require.NoError(t, err)
	require.Equal(t, want, got)
	requireSigned(t, f.requests(refundsPath)[0])
	require.JSONEq(t, `{"transaction_id":"4200","out_refund_no":"rf0123456789","reason":"少发一件",
		"notify_url":"https://shop.example/wechat/refund","amount":{"refund":100,"total":9900,"currency":"CNY"}}`,
		string(f.requests(refundsPath)[0].body))

	got, err = c.QueryRefund(t.Context(), "rf0123456789")
	require.NoError(t, err)
	require.Equal(t, want, got)

	silent := refundRequest()
	silent.Reason = ""
	_, err = c.Refund(t.Context(), silent)
	require.NoError(t, err)
	require.NotContains(t, string(f.requests(refundsPath)[1].body), "reason")

	silent.Amount = silent.Total + 1
	_, err = c.Refund(t.Context(), silent)
	require.ErrorIs(t, err, wechat.ErrInput)
	require.Equal(t, 2, f.count(refundsPath))
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	f := serve(t, obliging)
	c := newClient(t, config(t, f.URL))
	for range 2 {
		got, err := c.Transfer(t.Context(), transferRequest())
		require.NoError(t, err)
		require.Equal(t, wechat.Transfer{OutBillNo: "wd0123456789", TransferBillNo: "13", State: wechat.TransferWaitConfirm,
			PackageInfo: "a+b/c=", CreatedAt: paidAt.Add(123 * time.Millisecond)}, got)
	}
	var names []string
	for _, r := range f.requests(transferPath) {
		requireSigned(t, r)
		var sent map[string]any
		require.NoError(t, json.Unmarshal(r.body, &sent))
		names = append(names, sent["user_name"].(string))
		delete(sent, "user_name")
		require.Equal(t, map[string]any{"appid": appID, "out_bill_no": "wd0123456789", "transfer_scene_id": "1005", "openid": "oA",
			"transfer_amount": 5000.0, "transfer_remark": "佣金", "notify_url": "https://shop.example/wechat/transfer",
			"transfer_scene_report_infos": []any{map[string]any{"info_type": "岗位类型", "info_content": "推广员"},
				map[string]any{"info_type": "报酬说明", "info_content": "十月佣金"}}}, sent)
	}
	require.NotEqual(t, names[0], names[1], "encrypted anew")
	for _, name := range names {
		cipher, err := base64.StdEncoding.DecodeString(name)
		require.NoError(t, err)
		plain, err := rsa.DecryptOAEP(newSHA1(), nil, theKeys().wechat, cipher, nil)
		require.NoError(t, err)
		require.Equal(t, "张三", string(plain), "encrypted once")
	}

	small := transferRequest()
	small.Amount = 29
	_, err := c.Transfer(t.Context(), small)
	require.NoError(t, err)
	require.NotContains(t, string(f.requests(transferPath)[2].body), "user_name", "WeChat takes no name below 30 fen")

	large := transferRequest()
	large.Amount, large.UserName = 200_000, ""
	_, err = c.Transfer(t.Context(), large)
	require.Equal(t, wechat.Refused, wechat.ClassOf(err))
	require.Equal(t, 3, f.count(transferPath))
}

func TestQueryAndCancelTransfer(t *testing.T) {
	t.Parallel()
	f := serve(t, obliging)
	c := newClient(t, config(t, f.URL))
	got, err := c.QueryTransfer(t.Context(), "wd0123456789")
	require.NoError(t, err)
	require.Equal(t, wechat.Transfer{MchID: mchID, OutBillNo: "wd0123456789", TransferBillNo: "13", State: wechat.TransferSuccess,
		Amount: 5000, OpenID: "oA", CreatedAt: paidAt, UpdatedAt: paidAt.Add(time.Minute)}, got)

	got, err = c.CancelTransfer(t.Context(), "wd0123456789")
	require.NoError(t, err)
	require.Equal(t, wechat.Transfer{OutBillNo: "wd0123456789", TransferBillNo: "13", State: wechat.TransferCanceling,
		UpdatedAt: paidAt.Add(time.Minute)}, got)
	requireSigned(t, f.requests(cancelPath)[0])
	require.Empty(t, f.requests(cancelPath)[0].body)
}

// everyCall is each call to WeChat Pay, under its name.
func everyCall(c *live.Client) map[wechat.Op]func(context.Context) error {
	return map[wechat.Op]func(context.Context) error{
		wechat.OpPrepay:         func(ctx context.Context) error { _, err := c.Prepay(ctx, prepayRequest()); return err },
		wechat.OpQueryPayment:   func(ctx context.Context) error { _, err := c.QueryPayment(ctx, "pa0123456789"); return err },
		wechat.OpClosePayment:   func(ctx context.Context) error { return c.ClosePayment(ctx, "pa0123456789") },
		wechat.OpRefund:         func(ctx context.Context) error { _, err := c.Refund(ctx, refundRequest()); return err },
		wechat.OpQueryRefund:    func(ctx context.Context) error { _, err := c.QueryRefund(ctx, "rf0123456789"); return err },
		wechat.OpTransfer:       func(ctx context.Context) error { _, err := c.Transfer(ctx, transferRequest()); return err },
		wechat.OpQueryTransfer:  func(ctx context.Context) error { _, err := c.QueryTransfer(ctx, "wd0123456789"); return err },
		wechat.OpCancelTransfer: func(ctx context.Context) error { _, err := c.CancelTransfer(ctx, "wd0123456789"); return err },
	}
}

// TestUnknownOutcomes: whatever does not prove that nothing happened is Unknown, for every call.
func TestUnknownOutcomes(t *testing.T) {
	t.Parallel()
	with := func(s signature) func(http.ResponseWriter, seen) {
		return func(w http.ResponseWriter, r seen) {
			rec := &recorder{header: http.Header{}}
			obliging(rec, r, 1)
			s.set(rec.header, rec.body.String())
			for name, values := range rec.header {
				w.Header()[name] = values
			}
			w.WriteHeader(rec.status)
			_, _ = io.WriteString(w, rec.body.String())
		}
	}
	for name, answer := range map[string]func(w http.ResponseWriter, r seen){
		"signed by another key":   with(signature{key: theKeys().other}),
		"key we do not know":      with(signature{serial: "PUB_KEY_ID_2"}),
		"signed 301 seconds ago":  with(signature{age: 301 * time.Second}),
		"signed for another body": func(w http.ResponseWriter, _ seen) { signature{}.set(w.Header(), "x"); _, _ = io.WriteString(w, "{}") },
		"not signed":              func(w http.ResponseWriter, _ seen) { _, _ = io.WriteString(w, "{}") },
		"not signed, 204":         func(w http.ResponseWriter, _ seen) { w.WriteHeader(204) },
		"system error":            func(w http.ResponseWriter, _ seen) { reply(w, 500, `{"code":"SYSTEM_ERROR","message":"系统繁忙"}`) },
		"gateway":                 func(w http.ResponseWriter, _ seen) { reply(w, 502, "<html>") },
		"unknown code":            func(w http.ResponseWriter, _ seen) { reply(w, 403, `{"code":"NEW","message":"?"}`) },
		"refused without code":    func(w http.ResponseWriter, _ seen) { reply(w, 400, "") },
		"code is no text":         func(w http.ResponseWriter, _ seen) { reply(w, 400, `{"code":1}`) },
		"redirection":             func(w http.ResponseWriter, _ seen) { w.Header().Set("Location", "/elsewhere"); w.WriteHeader(307) },
		"hung up":                 func(http.ResponseWriter, seen) { panic(http.ErrAbortHandler) },
		"body cut": func(w http.ResponseWriter, _ seen) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		},
		"too long": func(w http.ResponseWriter, _ seen) { reply(w, 200, strings.Repeat(" ", 5<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, func(w http.ResponseWriter, r seen, _ int) { answer(w, r) })
			c := newClient(t, config(t, f.URL))
			for op, do := range everyCall(c) {
				err := do(t.Context())
				require.Error(t, err, op)
				require.Equal(t, wechat.Unknown, wechat.ClassOf(err), "%s: %v", op, err)
				require.NotContains(t, err.Error(), "Wechatpay-Signature", op)
				var e *wechat.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, op, e.Op)
			}
			require.Equal(t, 8, f.total(), "nothing is sent twice")
			require.Zero(t, f.count("/elsewhere"))
		})
	}
}

// recorder keeps an answer to be changed.
type recorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func TestAnswersThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty":         ``,
		"no JSON":       `<html>`,
		"no content":    `{}`,
		"other payment": `{"out_trade_no":"pa9876543210","trade_state":"NOTPAY","out_refund_no":"rf9","status":"SUCCESS","amount":{"total":1,"refund":1},"out_bill_no":"wd9","state":"SUCCESS"}`,
	} {
		f := serve(t, func(w http.ResponseWriter, _ seen, _ int) { reply(w, 200, body) })
		c := newClient(t, config(t, f.URL))
		for op, do := range everyCall(c) {
			if op == wechat.OpClosePayment {
				continue // has no body to be wrong
			}
			require.Equal(t, wechat.Unknown, wechat.ClassOf(do(t.Context())), "%s, %s", name, op)
		}
	}
}

func TestRefusalsAreClassified(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		op      wechat.Op
		status  int
		body    string
		class   wechat.Class
		code    string
		message string
	}{
		{wechat.OpPrepay, 400, `{"code":"INVALID_REQUEST","message":"重入参数不一致","detail":{"secret":1}}`, wechat.Exists, "INVALID_REQUEST", "重入参数不一致"},
		{wechat.OpQueryPayment, 404, `{"code":"ORDER_NOT_EXIST","message":"订单不存在"}`, wechat.NotFound, "ORDER_NOT_EXIST", "订单不存在"},
		{wechat.OpClosePayment, 400, `{"code":"ORDERPAID"}`, wechat.Exists, "ORDERPAID", ""},
		{wechat.OpRefund, 403, `{"code":"NOT_ENOUGH"}`, wechat.Later, "NOT_ENOUGH", ""},
		{wechat.OpQueryRefund, 404, `{"code":"RESOURCE_NOT_EXISTS"}`, wechat.NotFound, "RESOURCE_NOT_EXISTS", ""},
		{wechat.OpTransfer, 403, `{"code":"NOT_ENOUGH"}`, wechat.Later, "NOT_ENOUGH", ""},
		{wechat.OpTransfer, 400, `{"code":"PARAM_ERROR"}`, wechat.Refused, "PARAM_ERROR", ""},
		{wechat.OpQueryTransfer, 404, `{"code":"NOT_FOUND"}`, wechat.NotFound, "NOT_FOUND", ""},
		{wechat.OpCancelTransfer, 429, `{"code":"FREQUENCY_LIMIT_EXCEED"}`, wechat.Later, "FREQUENCY_LIMIT_EXCEED", ""},
		{wechat.OpCancelTransfer, 401, `{"code":"SIGN_ERROR"}`, wechat.Refused, "SIGN_ERROR", ""},
	} {
		f := serve(t, func(w http.ResponseWriter, _ seen, _ int) { reply(w, test.status, test.body) })
		err := everyCall(newClient(t, config(t, f.URL)))[test.op](t.Context())
		var e *wechat.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, &wechat.Error{Op: test.op, Class: test.class, HTTPStatus: test.status, Code: test.code,
			Message: test.message, RequestID: "req-1"}, e)
	}
}

func TestPayDeadlines(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	f := serve(t, func(http.ResponseWriter, seen, int) { <-stop })
	t.Cleanup(func() { close(stop) })
	cfg := config(t, f.URL)
	cfg.Timeout = 100 * time.Millisecond
	for op, do := range everyCall(newClient(t, cfg)) {
		err := do(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded, op)
		require.Equal(t, wechat.Unknown, wechat.ClassOf(err), op)
	}
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	f := serve(t, func(w http.ResponseWriter, r seen, n int) {
		w.Header().Set("Date", clock.Wall().Add(7*time.Minute).Format(http.TimeFormat))
		obliging(w, r, n)
	})
	c := newClient(t, config(t, f.URL))
	require.Zero(t, c.ClockSkew())
	require.NoError(t, c.ClosePayment(t.Context(), "pa0123456789"))
	require.InDelta(t, (7 * time.Minute).Seconds(), c.ClockSkew().Seconds(), 3)
}
