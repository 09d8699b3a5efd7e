package wechat_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"fenxiao/server/wechat"
)

func prepay() wechat.PrepayRequest {
	return wechat.PrepayRequest{OutTradeNo: "pa0123456789", Description: "车厘子 5 斤", Total: 9900, OpenID: "oA",
		ExpiresAt: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC), NotifyURL: "https://shop.example/wechat/pay", Attach: "a"}
}

func refund() wechat.RefundRequest {
	return wechat.RefundRequest{TransactionID: "4200", OutRefundNo: "rf0123456789", Reason: "少发一件", Amount: 100, Total: 9900,
		NotifyURL: "https://shop.example/wechat/refund"}
}

func transfer() wechat.TransferRequest {
	return wechat.TransferRequest{OutBillNo: "wd0123456789", OpenID: "oA", Amount: 5000, UserName: "张三", Remark: "佣金",
		SceneID: wechat.SceneCommission, NotifyURL: "https://shop.example/wechat/transfer",
		ReportInfos: []wechat.ReportInfo{{Type: wechat.ReportJob, Content: "推广员"}, {Type: wechat.ReportPay, Content: "十月佣金"}}}
}

func shipping() wechat.Shipping {
	return wechat.Shipping{TransactionID: "4200", OpenID: "oA", Logistics: wechat.Express, AllDelivered: true, At: time.Now(),
		Parcels: []wechat.Parcel{{TrackingNo: "SF1", Company: "SF", Items: "车厘子", ReceiverContactMasked: "189****1234"}}}
}

func TestPayRequestsAreCheckedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	require.NoError(t, prepay().Check())
	require.NoError(t, refund().Check())
	require.NoError(t, transfer().Check())

	for name, spoil := range map[string]func(*wechat.PrepayRequest){
		"short number":     func(r *wechat.PrepayRequest) { r.OutTradeNo = "12345" },
		"long number":      func(r *wechat.PrepayRequest) { r.OutTradeNo = strings.Repeat("1", 33) },
		"odd number":       func(r *wechat.PrepayRequest) { r.OutTradeNo = "1234567/8" },
		"no description":   func(r *wechat.PrepayRequest) { r.Description = "" },
		"long description": func(r *wechat.PrepayRequest) { r.Description = strings.Repeat("子", 43) },
		"long attach":      func(r *wechat.PrepayRequest) { r.Attach = strings.Repeat("a", 129) },
		"nothing to pay":   func(r *wechat.PrepayRequest) { r.Total = 0 },
		"too much":         func(r *wechat.PrepayRequest) { r.Total = 1 << 60 },
		"nobody":           func(r *wechat.PrepayRequest) { r.OpenID = "" },
		"url with query":   func(r *wechat.PrepayRequest) { r.NotifyURL += "?a=1" },
		"url without host": func(r *wechat.PrepayRequest) { r.NotifyURL = "https:///pay" },
		"url in the clear": func(r *wechat.PrepayRequest) { r.NotifyURL = "http://shop.example/pay" },
		"url with user":    func(r *wechat.PrepayRequest) { r.NotifyURL = "https://u:p@shop.example/pay" },
		"long url":         func(r *wechat.PrepayRequest) { r.NotifyURL = "https://shop.example/" + strings.Repeat("a", 240) },
	} {
		r := prepay()
		spoil(&r)
		require.ErrorIs(t, r.Check(), wechat.ErrInput, name)
	}
	for name, spoil := range map[string]func(*wechat.RefundRequest){
		"no transaction":       func(r *wechat.RefundRequest) { r.TransactionID = "" },
		"odd number":           func(r *wechat.RefundRequest) { r.OutRefundNo = "rf#1" },
		"long reason":          func(r *wechat.RefundRequest) { r.Reason = strings.Repeat("a", 81) },
		"nothing":              func(r *wechat.RefundRequest) { r.Amount = 0 },
		"more than was paid":   func(r *wechat.RefundRequest) { r.Amount = 9901 },
		"notification nowhere": func(r *wechat.RefundRequest) { r.NotifyURL = "" },
	} {
		r := refund()
		spoil(&r)
		require.ErrorIs(t, r.Check(), wechat.ErrInput, name)
	}
	for name, spoil := range map[string]func(*wechat.TransferRequest){
		"dash in number": func(r *wechat.TransferRequest) { r.OutBillNo = "wd-1" },
		"nobody":         func(r *wechat.TransferRequest) { r.OpenID = "" },
		"nothing":        func(r *wechat.TransferRequest) { r.Amount = 0 },
		"large, no name": func(r *wechat.TransferRequest) { r.Amount, r.UserName = 200_000, "" },
		"long remark":    func(r *wechat.TransferRequest) { r.Remark = strings.Repeat("佣", 33) },
		"no remark":      func(r *wechat.TransferRequest) { r.Remark = "" },
		"no scene":       func(r *wechat.TransferRequest) { r.SceneID = "" },
		"no reports":     func(r *wechat.TransferRequest) { r.ReportInfos = nil },
		"empty report":   func(r *wechat.TransferRequest) { r.ReportInfos[1].Content = "" },
		"long report":    func(r *wechat.TransferRequest) { r.ReportInfos[1].Content = strings.Repeat("佣", 33) },
	} {
		r := transfer()
		spoil(&r)
		require.ErrorIs(t, r.Check(), wechat.ErrInput, name)
	}
	largeWithoutName := transfer()
	largeWithoutName.Amount, largeWithoutName.UserName = 199_999, ""
	require.NoError(t, largeWithoutName.Check())
	local := prepay()
	local.NotifyURL = "http://127.0.0.1:8080/wechat/pay"
	require.NoError(t, local.Check())
}

func TestShippingIsChecked(t *testing.T) {
	t.Parallel()
	require.NoError(t, shipping().Check())
	require.False(t, shipping().IsSplit())
	for name, spoil := range map[string]func(*wechat.Shipping){
		"no transaction":     func(s *wechat.Shipping) { s.TransactionID = "" },
		"no payer":           func(s *wechat.Shipping) { s.OpenID = "" },
		"no time":            func(s *wechat.Shipping) { s.At = time.Time{} },
		"type 5":             func(s *wechat.Shipping) { s.Logistics = 5 },
		"no parcel":          func(s *wechat.Shipping) { s.Parcels = nil },
		"16 parcels":         func(s *wechat.Shipping) { s.Parcels = make([]wechat.Parcel, 16) },
		"no items":           func(s *wechat.Shipping) { s.Parcels[0].Items = "" },
		"many words":         func(s *wechat.Shipping) { s.Parcels[0].Items = strings.Repeat("果", 121) },
		"no tracking number": func(s *wechat.Shipping) { s.Parcels[0].TrackingNo = "" },
		"half a pick-up":     func(s *wechat.Shipping) { s.Logistics, s.AllDelivered = wechat.PickUp, false },
	} {
		s := shipping()
		spoil(&s)
		require.ErrorIs(t, s.Check(), wechat.ErrInput, name)
	}
	more := shipping()
	more.AllDelivered = false
	require.True(t, more.IsSplit(), "more will follow")
	pickUp := wechat.Shipping{TransactionID: "4200", OpenID: "oA", Logistics: wechat.PickUp, AllDelivered: true, At: time.Now(),
		Parcels: []wechat.Parcel{{Items: "车厘子"}}}
	require.NoError(t, pickUp.Check())
}

func TestScene(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"s=Ab3", "a", strings.Repeat("z", 32), "!#$&'()*+,/:;=?@-._~"} {
		require.NoError(t, wechat.CheckScene(good), good)
	}
	for _, bad := range []string{"", strings.Repeat("z", 33), "s=%41", "团长", "a b", "a\n", "scancode_time=1", "s=1&scancode_time=2", "a\x00"} {
		require.ErrorIs(t, wechat.CheckScene(bad), wechat.ErrInput, bad)
	}
	code := wechat.SceneCode{Scene: "s=Ab3", Page: "pages/index/index", Width: 430, Env: wechat.Trial}
	require.NoError(t, code.Check())
	require.NoError(t, wechat.SceneCode{Scene: "s=Ab3"}.Check())
	for _, bad := range []wechat.SceneCode{{}, {Scene: "a", Page: "/pages/index"}, {Scene: "a", Page: "p?x=1"},
		{Scene: "a", Width: 279}, {Scene: "a", Width: 1281}, {Scene: "a", Env: "prod"}} {
		require.ErrorIs(t, bad.Check(), wechat.ErrInput, "%+v", bad)
	}
}

// FuzzScene: what passes is printable ASCII within the bound and has no percent sign, so that it survives the URL
// encoding that WeChat adds.
func FuzzScene(f *testing.F) {
	f.Add("s=Ab3")
	f.Add("scancode_time=1")
	f.Add("团长")
	f.Fuzz(func(t *testing.T, scene string) {
		if wechat.CheckScene(scene) != nil {
			return
		}
		require.True(t, len(scene) >= 1 && len(scene) <= 32)
		require.False(t, strings.ContainsAny(scene, "% \"\\<>^`{|}"), scene)
		for _, c := range []byte(scene) {
			require.True(t, c > ' ' && c < 0x7f, scene)
		}
	})
}

func TestFit(t *testing.T) {
	t.Parallel()
	require.Equal(t, "abc", wechat.Fit("abc", 3))
	require.Equal(t, "ab", wechat.Fit("abc", 2))
	require.Equal(t, "车", wechat.Fit("车厘子", 5))
	require.Equal(t, "", wechat.Fit("车厘子", 2))
	long := wechat.Fit(strings.Repeat("车厘子", 30), wechat.DescriptionBytesMax)
	require.True(t, utf8.ValidString(long))
	require.Len(t, long, 126)
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"localhost", "127.0.0.1", "127.1.2.3", "::1"} {
		require.True(t, wechat.IsLoopback(host), host)
	}
	for _, host := range []string{"", "10.0.0.1", "shop.example", "127.0.0.1.example", "0.0.0.0"} {
		require.False(t, wechat.IsLoopback(host), host)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	paid := map[wechat.PaymentState]bool{wechat.PaymentSuccess: true, wechat.PaymentRefund: true}
	over := map[wechat.PaymentState]bool{wechat.PaymentSuccess: true, wechat.PaymentRefund: true, wechat.PaymentClosed: true, wechat.PaymentRevoked: true}
	for _, s := range []wechat.PaymentState{wechat.PaymentNotPay, wechat.PaymentSuccess, wechat.PaymentRefund, wechat.PaymentClosed,
		wechat.PaymentRevoked, wechat.PaymentPaying, wechat.PaymentPayError, "NEW"} {
		require.Equal(t, paid[s], s.Paid(), s)
		require.Equal(t, over[s], s.Final(), s)
	}
	for _, s := range []wechat.RefundState{wechat.RefundSuccess, wechat.RefundClosed, wechat.RefundAbnormal} {
		require.True(t, s.Final(), s)
	}
	for _, s := range []wechat.RefundState{wechat.RefundProcessing, "NEW"} {
		require.False(t, s.Final(), s)
	}
	back := map[wechat.TransferState]bool{wechat.TransferFail: true, wechat.TransferCancelled: true}
	for _, s := range []wechat.TransferState{wechat.TransferAccepted, wechat.TransferProcessing, wechat.TransferWaitConfirm,
		wechat.TransferPaying, wechat.TransferCanceling, wechat.TransferSuccess, wechat.TransferFail, wechat.TransferCancelled, "NEW"} {
		require.Equal(t, back[s], s.Returned(), s)
		require.Equal(t, back[s] || s == wechat.TransferSuccess, s.Final(), s)
	}
}
