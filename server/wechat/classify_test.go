package wechat_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat"
)

var (
	paymentOps  = []wechat.Op{wechat.OpPrepay, wechat.OpQueryPayment, wechat.OpClosePayment}
	refundOps   = []wechat.Op{wechat.OpRefund, wechat.OpQueryRefund}
	transferOps = []wechat.Op{wechat.OpTransfer, wechat.OpQueryTransfer, wechat.OpCancelTransfer}
	payOps      = append(append(append([]wechat.Op{}, paymentOps...), refundOps...), transferOps...)
)

// TestClassifyPay has the rows of WeChat Pay's documents, family by family.
func TestClassifyPay(t *testing.T) {
	t.Parallel()
	rows := []struct {
		ops     []wechat.Op
		status  int
		code    string
		message string
		want    wechat.Class
	}{
		{payOps, 400, "PARAM_ERROR", "", wechat.Refused},
		{payOps, 400, "PARAM_ERROR", "需传入转账场景报备信息", wechat.Refused},
		{payOps, 400, "APPID_MCHID_NOT_MATCH", "", wechat.Refused},
		{payOps, 400, "MCH_NOT_EXISTS", "", wechat.Refused},
		{payOps, 404, "MCH_NOT_EXISTS", "", wechat.Refused},
		{payOps, 401, "SIGN_ERROR", "", wechat.Refused},
		{payOps, 403, "NO_AUTH", "此IP地址不允许调用该接口", wechat.Refused},
		{payOps, 429, "FREQUENCY_LIMITED", "", wechat.Later},
		{payOps, 429, "FREQUENCY_LIMIT_EXCEED", "", wechat.Later},
		{payOps, 429, "FREQUENCY_LIMIT", "", wechat.Later},
		{payOps, 429, "RATELIMIT_EXCEEDED", "", wechat.Later},
		{payOps, 500, "SYSTEM_ERROR", "", wechat.Unknown},
		{payOps, 500, "BANK_ERROR", "", wechat.Unknown},
		{payOps, 502, "", "", wechat.Unknown},
		{payOps, 503, "", "", wechat.Unknown},
		{payOps, 504, "", "", wechat.Unknown},
		{payOps, 500, "PARAM_ERROR", "", wechat.Unknown},
		{payOps, 500, "NOT_ENOUGH", "", wechat.Unknown},
		{payOps, 302, "PARAM_ERROR", "", wechat.Unknown},
		{payOps, 400, "", "", wechat.Unknown},
		{payOps, 403, "SOMETHING_NEW", "", wechat.Unknown},
		{payOps, 429, "", "", wechat.Unknown},
		{payOps, 400, "INVALID_REQUEST", "单号已存在但信息不一致", wechat.Exists},
		{payOps, 400, "INVALID_REQUEST", "重入参数不一致", wechat.Exists},
		{payOps, 400, "INVALID_REQUEST", "该订单已支付", wechat.Exists},
		{payOps, 400, "INVALID_REQUEST", "超过单笔转账上下限", wechat.Refused},

		{paymentOps, 400, "OPENID_MISMATCH", "", wechat.Refused},
		{paymentOps, 403, "RULE_LIMIT", "", wechat.Refused},
		{paymentOps, 403, "TRADE_ERROR", "", wechat.Refused},
		{paymentOps, 403, "ACCOUNT_ERROR", "", wechat.Refused},
		{paymentOps, 403, "OUT_TRADE_NO_USED", "", wechat.Exists},
		{paymentOps, 400, "ORDERPAID", "", wechat.Exists},
		{paymentOps, 400, "ORDER_PAID", "", wechat.Exists},
		{paymentOps, 400, "ORDER_CLOSED", "", wechat.Exists},
		{paymentOps, 400, "ORDERCLOSED", "", wechat.Exists},
		{paymentOps, 404, "ORDER_NOT_EXIST", "", wechat.NotFound},
		{paymentOps, 404, "ORDERNOTEXIST", "", wechat.NotFound},
		{paymentOps, 403, "NOT_ENOUGH", "", wechat.Unknown},

		{refundOps, 403, "NOT_ENOUGH", "", wechat.Later},
		{refundOps, 403, "USER_ACCOUNT_ABNORMAL", "", wechat.Refused},
		{refundOps, 404, "RESOURCE_NOT_EXISTS", "", wechat.NotFound},
		{refundOps, 400, "INVALID_REQUEST", "退款金额大于可退金额", wechat.Refused},
		{refundOps, 400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致", wechat.Exists},
		{refundOps, 404, "NOT_FOUND", "", wechat.Unknown},

		{transferOps, 403, "NOT_ENOUGH", "", wechat.Later},
		{transferOps, 400, "ALREADY_EXISTS", "", wechat.Exists},
		{transferOps, 403, "ALREADY_EXISTS", "", wechat.Exists},
		{transferOps, 404, "NOT_FOUND", "", wechat.NotFound},
		{transferOps, 404, "ORDER_NOT_EXIST", "", wechat.Unknown},
	}
	for _, row := range rows {
		for _, op := range row.ops {
			require.Equal(t, row.want, wechat.ClassifyPay(op, row.status, row.code, row.message),
				"%s: %d %s %s", op, row.status, row.code, row.message)
		}
	}
}

func TestClassifyMini(t *testing.T) {
	t.Parallel()
	rows := map[wechat.Class][]int64{
		"":             {0},
		wechat.Later:   {-1, 45009, 45011, 89503, 40001, 40014, 42001, 10060001},
		wechat.Refused: {40002, 40003, 40013, 40029, 40097, 40125, 40163, 40164, 40169, 40226, 41002, 41004, 41030, 43002, 45029, 47001, 10060003, 10060004, 10060028},
		wechat.Exists:  {10060002, 10060023},
		wechat.Unknown: {-2, 1, 10060012, 99999},
	}
	for want, codes := range rows {
		for _, code := range codes {
			require.Equal(t, want, wechat.ClassifyMini(code), code)
		}
	}
	for _, code := range []int64{40001, 40014, 42001} {
		require.True(t, wechat.TokenTrouble(code), code)
	}
	for _, code := range []int64{-1, 0, 40013, 40125, 45009} {
		require.False(t, wechat.TokenTrouble(code), code)
	}
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	later := &wechat.Error{Op: wechat.OpTransfer, Class: wechat.Later, HTTPStatus: 403, Code: "NOT_ENOUGH",
		Message: "余额不足", RequestID: "r-1", Cause: context.DeadlineExceeded}
	wrapped := fmt.Errorf("pay withdrawal: %w", later)
	require.Equal(t, wechat.Later, wechat.ClassOf(wrapped))
	require.Equal(t, "NOT_ENOUGH", wechat.CodeOf(wrapped))
	require.ErrorIs(t, wrapped, context.DeadlineExceeded)
	require.Equal(t, "wechat transfer: later, status 403, code NOT_ENOUGH: 余额不足 (request r-1): context deadline exceeded", later.Error())

	require.Equal(t, wechat.Class(""), wechat.ClassOf(nil))
	require.Equal(t, wechat.Unknown, wechat.ClassOf(errors.New("connection reset")))
	require.Equal(t, "", wechat.CodeOf(errors.New("connection reset")))

	require.True(t, wechat.BadLoginCode(&wechat.Error{Code: "40029"}))
	require.True(t, wechat.BadLoginCode(&wechat.Error{Code: "40163"}))
	require.False(t, wechat.BadLoginCode(&wechat.Error{Code: "45011"}))
}
