package sim_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/downloader"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/jsapi"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"fenxiao/server/wechat/sim"
)

// swap sends what is meant for WeChat Pay to the simulator and nothing anywhere else.
type swap struct{ base *url.URL }

func (h swap) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "api.mch.weixin.qq.com" {
		return nil, errors.New("blocked host " + r.URL.Host)
	}
	r2 := r.Clone(r.Context())
	r2.URL.Scheme, r2.URL.Host, r2.Host = h.base.Scheme, h.base.Host, ""
	return http.DefaultTransport.RoundTrip(r2)
}

// files is what a third party gets: a folder.
type files struct {
	AppID       string `json:"appid"`
	AppSecret   string `json:"app_secret"`
	MchID       string `json:"mchid"`
	Serial      string `json:"serial_no"`
	PublicKeyID string `json:"public_key_id"`
	APIV3Key    string `json:"api_v3_key"`
	BaseURL     string `json:"base_url"`
	dir         string
}

func (f files) http(t *testing.T) *http.Client {
	t.Helper()
	base, err := url.Parse(f.BaseURL)
	require.NoError(t, err)
	return &http.Client{Timeout: 10 * time.Second, Transport: swap{base}}
}

func (f files) keys(t *testing.T) (*rsa.PrivateKey, *rsa.PublicKey) {
	t.Helper()
	priv, err := utils.LoadPrivateKeyWithPath(filepath.Join(f.dir, "apiclient_key.pem"))
	require.NoError(t, err)
	pub, err := utils.LoadPublicKeyWithPath(filepath.Join(f.dir, "wechatpay_pub_key.pem"))
	require.NoError(t, err)
	return priv, pub
}

func (f files) client(t *testing.T) *core.Client {
	t.Helper()
	priv, pub := f.keys(t)
	c, err := core.NewClient(context.Background(),
		option.WithWechatPayPublicKeyAuthCipher(f.MchID, f.Serial, priv, f.PublicKeyID, pub), option.WithHTTPClient(f.http(t)))
	require.NoError(t, err)
	return c
}

// startFolder runs a simulator on a folder and reads the folder like a stranger.
func startFolder(t *testing.T, change func(*sim.Options)) (*sim.Server, files) {
	t.Helper()
	keys, err := sharedKeys()
	require.NoError(t, err)
	o := sim.Options{Dir: t.TempDir(), Keys: keys, NotifySync: true, RefundGap: -1}
	if change != nil {
		change(&o)
	}
	s, err := sim.New(o)
	require.NoError(t, err)
	_, err = s.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		require.NoError(t, s.Close(context.Background()))
		require.Empty(t, s.Check())
		require.Empty(t, s.Books().Violations)
	})
	return s, readFolder(t, o.Dir)
}

func readFolder(t *testing.T, dir string) files {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "merchant.json"))
	require.NoError(t, err)
	f := files{dir: dir}
	require.NoError(t, json.Unmarshal(raw, &f))
	return f
}

// inboxOf takes notifications the way wechatpay-go reads them.
func inboxOf(t *testing.T, f files) (string, chan map[string]any) {
	t.Helper()
	_, pub := f.keys(t)
	h, err := notify.NewRSANotifyHandler(f.APIV3Key, verifiers.NewSHA256WithRSAPubkeyVerifier(f.PublicKeyID, *pub))
	require.NoError(t, err)
	out := make(chan map[string]any, 20)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content := map[string]any{}
		n, err := h.ParseNotifyRequest(r.Context(), r, &content)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		content["event"] = n.EventType
		out <- content
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/n", out
}

func next(t *testing.T, c chan map[string]any) map[string]any {
	t.Helper()
	select {
	case m := <-c:
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no notification")
		return nil
	}
}

func TestThirdParty_OrderRefund(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, f := startFolder(t, nil)
	hook, inbox := inboxOf(t, f)
	svc := jsapi.JsapiApiService{Client: f.client(t)}
	req := jsapi.PrepayRequest{
		Appid: &f.AppID, Mchid: &f.MchID, Description: core.String("团购 橙子"), OutTradeNo: core.String("third-0001"), NotifyUrl: &hook,
		TimeExpire: core.Time(time.Now().Add(30 * time.Minute)), Attach: core.String("x"),
		Amount: &jsapi.Amount{Total: core.Int64(19980), Currency: core.String("CNY")}, Payer: &jsapi.Payer{Openid: core.String(s.OpenID("carol"))},
	}
	sheet, _, err := svc.PrepayWithRequestPayment(ctx, req)
	require.NoError(t, err)
	again, _, err := svc.Prepay(ctx, req)
	require.NoError(t, err)
	require.NotEqual(t, *sheet.PrepayId, *again.PrepayId)

	q := jsapi.QueryOrderByOutTradeNoRequest{OutTradeNo: req.OutTradeNo, Mchid: &f.MchID}
	tx, _, err := svc.QueryOrderByOutTradeNo(ctx, q)
	require.NoError(t, err)
	require.Equal(t, "NOTPAY", *tx.TradeState)
	require.Nil(t, tx.TransactionId)

	require.NoError(t, s.PaySigned(ctx, sim.PaySheet{
		AppID: *sheet.Appid, TimeStamp: *sheet.TimeStamp, NonceStr: *sheet.NonceStr, Package: *sheet.Package, SignType: *sheet.SignType, PaySign: *sheet.PaySign,
	}))
	n := next(t, inbox)
	require.Equal(t, "TRANSACTION.SUCCESS", n["event"])
	require.Equal(t, "third-0001", n["out_trade_no"])
	tx, _, err = svc.QueryOrderByOutTradeNo(ctx, q)
	require.NoError(t, err)
	require.Equal(t, "SUCCESS", *tx.TradeState)
	require.EqualValues(t, 19980, *tx.Amount.PayerTotal)
	byID, _, err := svc.QueryOrderById(ctx, jsapi.QueryOrderByIdRequest{TransactionId: tx.TransactionId, Mchid: &f.MchID})
	require.NoError(t, err)
	require.Equal(t, *tx.SuccessTime, *byID.SuccessTime)
	_, err = svc.CloseOrder(ctx, jsapi.CloseOrderRequest{OutTradeNo: req.OutTradeNo, Mchid: &f.MchID})
	require.Equal(t, "ORDERPAID", apiCode(err))

	refunds := refunddomestic.RefundsApiService{Client: f.client(t)}
	r, _, err := refunds.Create(ctx, refunddomestic.CreateRequest{
		TransactionId: tx.TransactionId, OutRefundNo: core.String("third-r1"), NotifyUrl: &hook, Reason: core.String("坏果"),
		Amount: &refunddomestic.AmountReq{Refund: core.Int64(3000), Total: core.Int64(19980), Currency: core.String("CNY")},
	})
	require.NoError(t, err)
	require.Equal(t, refunddomestic.STATUS_PROCESSING, *r.Status)
	s.Settle(ctx)
	n = next(t, inbox)
	require.Equal(t, "REFUND.SUCCESS", n["event"])
	require.Equal(t, "SUCCESS", n["refund_status"])
	r, _, err = refunds.QueryByOutRefundNo(ctx, refunddomestic.QueryByOutRefundNoRequest{OutRefundNo: core.String("third-r1")})
	require.NoError(t, err)
	require.Equal(t, refunddomestic.STATUS_SUCCESS, *r.Status)
	require.NotNil(t, r.SuccessTime)

	req.OutTradeNo = core.String("third-0002")
	_, _, err = svc.Prepay(ctx, req)
	require.NoError(t, err)
	_, err = svc.CloseOrder(ctx, jsapi.CloseOrderRequest{OutTradeNo: req.OutTradeNo, Mchid: &f.MchID})
	require.NoError(t, err, "an empty 204 must be signed too")
}

func apiCode(err error) string {
	var ae *core.APIError
	if errors.As(err, &ae) {
		return ae.Code
	}
	return ""
}

type transferReq struct {
	Appid    string              `json:"appid"`
	OutBill  string              `json:"out_bill_no"`
	Scene    string              `json:"transfer_scene_id"`
	Openid   string              `json:"openid"`
	UserName *string             `json:"user_name,omitempty" encryption:"EM_APIV3"`
	Amount   int64               `json:"transfer_amount"`
	Remark   string              `json:"transfer_remark"`
	Notify   string              `json:"notify_url,omitempty"`
	Infos    []map[string]string `json:"transfer_scene_report_infos"`
}

func TestThirdParty_Transfer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, f := startFolder(t, func(o *sim.Options) { o.Transfer.MaxFen = 500_000; o.Transfer.UserDayFen = 900_000 })
	hook, inbox := inboxOf(t, f)
	c := f.client(t)
	const base = "https://api.mch.weixin.qq.com/v3/fund-app/mch-transfer/transfer-bills"
	start := func(no string) (map[string]any, error) {
		req := &transferReq{
			Appid: f.AppID, OutBill: no, Scene: "1005", Openid: s.OpenID("dave"), UserName: core.String("张三"), Amount: 250_000, Remark: "佣金", Notify: hook,
			Infos: []map[string]string{{"info_type": "岗位类型", "info_content": "分销员"}, {"info_type": "报酬说明", "info_content": "佣金"}},
		}
		_, err := c.EncryptRequest(ctx, req)
		require.NoError(t, err)
		return decoded(t)(c.Post(ctx, base, req))
	}
	first, err := start("bill0001")
	require.NoError(t, err)
	require.Equal(t, "WAIT_USER_CONFIRM", first["state"])
	require.NotEmpty(t, first["package_info"])
	again, err := start("bill0001")
	require.NoError(t, err, "the name is encrypted anew each time and still the same name")
	require.Equal(t, first["transfer_bill_no"], again["transfer_bill_no"])

	require.NoError(t, s.ConfirmSigned(ctx, sim.ConfirmSheet{MchID: f.MchID, AppID: f.AppID, Package: first["package_info"].(string), OpenID: s.OpenID("dave")}))
	n := next(t, inbox)
	require.Equal(t, "MCHTRANSFER.BILL.FINISHED", n["event"])
	require.Equal(t, "SUCCESS", n["state"])
	for _, path := range []string{"/out-bill-no/bill0001", "/transfer-bill-no/" + first["transfer_bill_no"].(string)} {
		got, err := decoded(t)(c.Get(ctx, base+path))
		require.NoError(t, err)
		require.Equal(t, "SUCCESS", got["state"])
		priv, _ := f.keys(t)
		name, err := utils.DecryptOAEP(got["user_name"].(string), priv)
		require.NoError(t, err)
		require.Equal(t, "张三", name)
	}
	_, err = start("bill0002")
	require.NoError(t, err)
	got, err := decoded(t)(c.Post(ctx, base+"/out-bill-no/bill0002/cancel", struct{}{}))
	require.NoError(t, err)
	require.Equal(t, "CANCELING", got["state"])
	s.Settle(ctx)
	require.Equal(t, "CANCELLED", next(t, inbox)["state"])
	_, err = c.Get(ctx, base+"/out-bill-no/nobody")
	require.Equal(t, "NOT_FOUND", apiCode(err))
}

func decoded(t *testing.T) func(*core.APIResult, error) (map[string]any, error) {
	return func(res *core.APIResult, err error) (map[string]any, error) {
		if err != nil {
			return nil, err
		}
		m := map[string]any{}
		require.NoError(t, core.UnMarshalResponse(res.Response, &m))
		return m, nil
	}
}

func TestThirdParty_CertificateMode(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, f := startFolder(t, func(o *sim.Options) { o.Certificates = true })
	priv, pub := f.keys(t)
	boot, err := core.NewClient(ctx, option.WithMerchantCredential(f.MchID, f.Serial, priv), option.WithoutValidator(), option.WithHTTPClient(f.http(t)))
	require.NoError(t, err)
	mgr := downloader.NewCertificateDownloaderMgr(ctx)
	require.NoError(t, mgr.RegisterDownloaderWithClient(ctx, boot, f.MchID, f.APIV3Key))
	defer mgr.Stop()
	c, err := core.NewClient(ctx, option.WithWechatPayAutoAuthCipherUsingDownloaderMgr(f.MchID, f.Serial, priv, mgr), option.WithHTTPClient(f.http(t)))
	require.NoError(t, err)
	_, _, err = (&jsapi.JsapiApiService{Client: c}).QueryOrderByOutTradeNo(ctx, jsapi.QueryOrderByOutTradeNoRequest{OutTradeNo: core.String("nothing"), Mchid: &f.MchID})
	require.Equal(t, "ORDER_NOT_EXIST", apiCode(err))

	// Notifications of the gray week come under either key; a client that knows both reads both.
	h, err := notify.NewRSANotifyHandler(f.APIV3Key, verifiers.NewSHA256WithRSACombinedVerifier(mgr.GetCertificateVisitor(f.MchID), f.PublicKeyID, *pub))
	require.NoError(t, err)
	serials := make(chan string, 4)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serial := r.Header.Get("Wechatpay-Serial")
		if _, err := h.ParseNotifyRequest(r.Context(), r, new(payments.Transaction)); err != nil {
			serial = err.Error()
			w.WriteHeader(http.StatusInternalServerError)
		}
		serials <- serial
	}))
	t.Cleanup(srv.Close)
	svc := jsapi.JsapiApiService{Client: f.client(t)}
	for i, gray := range []int{0, 100} {
		require.NoError(t, s.AddFault(sim.Fault{Action: sim.Action{KeyGrayPercent: gray}}))
		p, _, err := svc.Prepay(ctx, jsapi.PrepayRequest{
			Appid: &f.AppID, Mchid: &f.MchID, Description: core.String("x"), OutTradeNo: core.String("cert-000" + string(rune('1'+i))),
			NotifyUrl: core.String(srv.URL + "/n"), Amount: &jsapi.Amount{Total: core.Int64(1)}, Payer: &jsapi.Payer{Openid: core.String(s.OpenID("erin"))},
		})
		require.NoError(t, err)
		require.NoError(t, s.Pay(ctx, *p.PrepayId))
		require.Equal(t, gray == 0, <-serials == f.PublicKeyID)
	}
	require.Equal(t, 2, acked(s))
}

func acked(s *sim.Server) int {
	n := 0
	for _, x := range s.Books().Notifies {
		if x.State == "acked" {
			n++
		}
	}
	return n
}
