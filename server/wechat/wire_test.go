package wechat_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat"
)

const (
	paidJSON = `{"appid":"wxa","mchid":"1900","out_trade_no":"pa0123456789","transaction_id":"4200","trade_type":"JSAPI",
		"trade_state":"SUCCESS","trade_state_desc":"支付成功","bank_type":"OTHERS","attach":"a","success_time":"2026-11-23T10:34:56+08:00",
		"payer":{"openid":"oA"},"amount":{"total":9900,"payer_total":9800,"currency":"CNY","payer_currency":"CNY"}}`
	unpaidJSON = `{"appid":"wxa","mchid":"1900","out_trade_no":"pa0123456789","trade_state":"NOTPAY","trade_state_desc":"订单未支付","amount":{"total":9900,"currency":"CNY"}}`

	refundNotifyJSON = `{"mchid":"1900","out_trade_no":"pa0123456789","transaction_id":"4200","out_refund_no":"rf1","refund_id":"50",
		"refund_status":"SUCCESS","success_time":"2026-11-23T10:34:56+08:00","user_received_account":"支付用户零钱",
		"amount":{"total":9900,"refund":100,"payer_total":9900,"payer_refund":100}}`
	refundAnswerJSON = `{"refund_id":"50","out_refund_no":"rf1","transaction_id":"4200","out_trade_no":"pa0123456789","channel":"ORIGINAL",
		"create_time":"2026-11-23T10:34:56+08:00","status":"PROCESSING","amount":{"total":9900,"refund":100,"currency":"CNY"}}`

	transferJSON = `{"mch_id":"1900","out_bill_no":"wd1","transfer_bill_no":"13","state":"FAIL","transfer_amount":5000,"openid":"oA",
		"fail_reason":"OVERDUE_CLOSE","create_time":"2026-11-22T10:34:56.789+08:00","update_time":"2026-11-23T10:34:56+08:00"}`
)

var at = time.Date(2026, 11, 23, 2, 34, 56, 0, time.UTC)

func TestDecodePayment(t *testing.T) {
	t.Parallel()
	p, err := wechat.DecodePayment([]byte(paidJSON))
	require.NoError(t, err)
	require.Equal(t, wechat.Payment{AppID: "wxa", MchID: "1900", OutTradeNo: "pa0123456789", TransactionID: "4200",
		State: wechat.PaymentSuccess, Total: 9900, PayerTotal: 9800, Currency: "CNY", OpenID: "oA", Attach: "a", SuccessAt: at}, p)

	p, err = wechat.DecodePayment([]byte(unpaidJSON))
	require.NoError(t, err)
	require.Equal(t, wechat.Payment{AppID: "wxa", MchID: "1900", OutTradeNo: "pa0123456789", State: wechat.PaymentNotPay,
		Total: 9900, Currency: "CNY"}, p)

	for name, bad := range map[string]string{
		"nothing":                  ``,
		"array":                    `[]`,
		"no number":                `{"trade_state":"NOTPAY"}`,
		"no state":                 `{"out_trade_no":"pa0123456789"}`,
		"paid without amount":      `{"out_trade_no":"pa0123456789","trade_state":"SUCCESS","transaction_id":"4200"}`,
		"paid without transaction": `{"out_trade_no":"pa0123456789","trade_state":"SUCCESS","amount":{"total":1}}`,
		"fraction of a fen":        `{"out_trade_no":"pa0123456789","trade_state":"NOTPAY","amount":{"total":1.5}}`,
		"amount as text":           `{"out_trade_no":"pa0123456789","trade_state":"NOTPAY","amount":{"total":"1"}}`,
		"exponent":                 `{"out_trade_no":"pa0123456789","trade_state":"NOTPAY","amount":{"total":1e3}}`,
		"negative":                 `{"out_trade_no":"pa0123456789","trade_state":"NOTPAY","amount":{"total":-1}}`,
		"beyond int64":             `{"out_trade_no":"pa0123456789","trade_state":"NOTPAY","amount":{"total":99999999999999999999}}`,
		"no zone":                  `{"out_trade_no":"pa0123456789","trade_state":"NOTPAY","success_time":"2026-11-23T10:34:56"}`,
	} {
		_, err := wechat.DecodePayment([]byte(bad))
		require.ErrorIs(t, err, wechat.ErrMalformed, name)
	}
}

func TestDecodeRefund(t *testing.T) {
	t.Parallel()
	r, err := wechat.DecodeRefund([]byte(refundNotifyJSON))
	require.NoError(t, err)
	require.Equal(t, wechat.Refund{MchID: "1900", OutRefundNo: "rf1", RefundID: "50", TransactionID: "4200",
		OutTradeNo: "pa0123456789", State: wechat.RefundSuccess, Amount: 100, Total: 9900, SuccessAt: at}, r)

	r, err = wechat.DecodeRefund([]byte(refundAnswerJSON))
	require.NoError(t, err)
	require.Equal(t, wechat.RefundProcessing, r.State, "answers call it status, notifications refund_status")
	require.True(t, r.SuccessAt.IsZero())

	for name, bad := range map[string]string{
		"nothing":   ``,
		"no number": `{"refund_status":"SUCCESS","amount":{"total":1,"refund":1}}`,
		"no state":  `{"out_refund_no":"rf1","amount":{"total":1,"refund":1}}`,
		"no amount": `{"out_refund_no":"rf1","refund_status":"SUCCESS"}`,
		"negative":  `{"out_refund_no":"rf1","refund_status":"SUCCESS","amount":{"total":1,"refund":-1}}`,
		"bad time":  `{"out_refund_no":"rf1","refund_status":"SUCCESS","amount":{"total":1,"refund":1},"success_time":"yesterday"}`,
	} {
		_, err := wechat.DecodeRefund([]byte(bad))
		require.ErrorIs(t, err, wechat.ErrMalformed, name)
	}
}

func TestDecodeTransfer(t *testing.T) {
	t.Parallel()
	got, err := wechat.DecodeTransfer([]byte(transferJSON))
	require.NoError(t, err)
	require.Equal(t, wechat.Transfer{MchID: "1900", OutBillNo: "wd1", TransferBillNo: "13", State: wechat.TransferFail,
		Amount: 5000, OpenID: "oA", FailReason: wechat.FailOverdue,
		CreatedAt: time.Date(2026, 11, 22, 2, 34, 56, 789e6, time.UTC), UpdatedAt: at}, got)

	for name, bad := range map[string]string{
		"nothing":    ``,
		"no number":  `{"state":"FAIL"}`,
		"no state":   `{"out_bill_no":"wd1"}`,
		"negative":   `{"out_bill_no":"wd1","state":"FAIL","transfer_amount":-5}`,
		"bad create": `{"out_bill_no":"wd1","state":"FAIL","create_time":"1"}`,
		"bad update": `{"out_bill_no":"wd1","state":"FAIL","update_time":"0001-01-01T00:00:00Z"}`,
	} {
		_, err := wechat.DecodeTransfer([]byte(bad))
		require.ErrorIs(t, err, wechat.ErrMalformed, name)
	}
}

func TestMalformedSaysNothingOfItsContent(t *testing.T) {
	t.Parallel()
	_, err := wechat.DecodeTransfer([]byte(`{"out_bill_no":"wd1","state":"FAIL","create_time":"oSecretOpenID"}`))
	require.ErrorIs(t, err, wechat.ErrMalformed)
	require.NotContains(t, err.Error(), "oSecretOpenID")
}

// The fuzz tests hold: whatever is read is within bounds, and reads the same after it was written.

func FuzzDecodePayment(f *testing.F) {
	f.Add([]byte(paidJSON))
	f.Add([]byte(unpaidJSON))
	f.Fuzz(func(t *testing.T, plain []byte) {
		p, err := wechat.DecodePayment(plain)
		if err != nil {
			require.ErrorIs(t, err, wechat.ErrMalformed)
			require.Zero(t, p)
			return
		}
		require.True(t, p.Total >= 0 && p.PayerTotal >= 0)
		require.True(t, !p.State.Paid() || p.TransactionID != "")
		again, err := wechat.DecodePayment(wechat.EncodePayment(p))
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

func FuzzDecodeRefund(f *testing.F) {
	f.Add([]byte(refundNotifyJSON))
	f.Add([]byte(refundAnswerJSON))
	f.Fuzz(func(t *testing.T, plain []byte) {
		r, err := wechat.DecodeRefund(plain)
		if err != nil {
			require.ErrorIs(t, err, wechat.ErrMalformed)
			require.Zero(t, r)
			return
		}
		require.True(t, r.Amount >= 0 && r.Total >= 0)
		again, err := wechat.DecodeRefund(wechat.EncodeRefund(r))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

func FuzzDecodeTransfer(f *testing.F) {
	f.Add([]byte(transferJSON))
	f.Fuzz(func(t *testing.T, plain []byte) {
		got, err := wechat.DecodeTransfer(plain)
		if err != nil {
			require.ErrorIs(t, err, wechat.ErrMalformed)
			require.Zero(t, got)
			return
		}
		require.True(t, got.Amount >= 0)
		again, err := wechat.DecodeTransfer(wechat.EncodeTransfer(got))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
