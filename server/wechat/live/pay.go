package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/validators"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/jsapi"
	"github.com/wechatpay-apiv3/wechatpay-go/services/refunddomestic"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/wechat"
)

// currency of everything here.
const currency = "CNY"

// pay is WeChat Pay's side of a client.
type pay struct {
	account  wechat.Account
	client   *core.Client
	limit    time.Duration
	notifies *notify.Handler
	signed   *validators.WechatPayNotifyValidator
}

func newPay(cfg Config, k keys, g gate) (pay, error) {
	// Every call has a deadline of its own. A time-out here would keep a timer for each, because the library does not
	// close what it has read.
	httpClient := &http.Client{Transport: g, CheckRedirect: keepRedirect}
	client, err := core.NewClient(context.Background(),
		option.WithWechatPayPublicKeyAuthCipher(cfg.MchID, cfg.SerialNo, k.merchant, cfg.PublicKeyID, k.wechat),
		option.WithHTTPClient(httpClient))
	if err != nil {
		return pay{}, fmt.Errorf("make WeChat Pay client: %w", err)
	}
	// Answers are signed with the key that our request names, notifications with either while an account changes keys.
	var verifier auth.Verifier = verifiers.NewSHA256WithRSAPubkeyVerifier(cfg.PublicKeyID, *k.wechat)
	if len(k.certs) > 0 {
		verifier = verifiers.NewSHA256WithRSACombinedVerifier(core.NewCertificateMapWithList(k.certs), cfg.PublicKeyID, *k.wechat)
	}
	handler, err := notify.NewRSANotifyHandler(cfg.APIV3Key, verifier)
	if err != nil {
		return pay{}, fmt.Errorf("make notification handler: %w", err)
	}
	return pay{account: wechat.Account{AppID: cfg.AppID, MchID: cfg.MchID}, client: client, limit: cfg.Timeout,
		notifies: handler, signed: validators.NewWechatPayNotifyValidator(verifier)}, nil
}

// Account says for whom this client pays and collects.
func (p *pay) Account() wechat.Account { return p.account }

// Prepay opens a payment. What is sent depends on the request alone.
func (p *pay) Prepay(ctx context.Context, r wechat.PrepayRequest) (string, error) {
	if err := r.Check(); err != nil {
		return "", refuse(wechat.OpPrepay, err)
	}
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	request := jsapi.PrepayRequest{
		Appid: core.String(p.account.AppID), Mchid: core.String(p.account.MchID), Description: core.String(r.Description),
		OutTradeNo: core.String(r.OutTradeNo), NotifyUrl: core.String(r.NotifyURL),
		Amount: &jsapi.Amount{Total: fen(r.Total), Currency: core.String(currency)},
		Payer:  &jsapi.Payer{Openid: core.String(r.OpenID)},
	}
	if !r.ExpiresAt.IsZero() {
		expires := r.ExpiresAt.In(clock.Shop).Truncate(time.Second)
		request.TimeExpire = &expires
	}
	if r.Attach != "" {
		request.Attach = core.String(r.Attach)
	}
	api := jsapi.JsapiApiService{Client: p.client}
	answer, result, err := api.Prepay(ctx, request)
	if err != nil {
		return "", payFailure(wechat.OpPrepay, result, err)
	}
	if answer.PrepayId == nil || *answer.PrepayId == "" {
		return "", payFailure(wechat.OpPrepay, result, errors.New("wechat: answer has no prepay id"))
	}
	return *answer.PrepayId, nil
}

// PayParams signs what wx.requestPayment needs.
func (p *pay) PayParams(prepayID string) (wechat.PayParams, error) {
	if prepayID == "" {
		return wechat.PayParams{}, refuse(wechat.OpPayParams, fmt.Errorf("%w: no prepay id", wechat.ErrInput))
	}
	nonce, err := utils.GenerateNonce()
	if err != nil {
		return wechat.PayParams{}, refuse(wechat.OpPayParams, err)
	}
	params := wechat.PayParams{AppID: p.account.AppID, TimeStamp: strconv.FormatInt(clock.Wall().Unix(), 10),
		NonceStr: nonce, Package: "prepay_id=" + prepayID, SignType: "RSA"}
	text := params.AppID + "\n" + params.TimeStamp + "\n" + params.NonceStr + "\n" + params.Package + "\n"
	signed, err := p.client.Sign(context.Background(), text)
	if err != nil {
		return wechat.PayParams{}, refuse(wechat.OpPayParams, err)
	}
	params.PaySign = signed.Signature
	return params, nil
}

// QueryPayment asks how a payment stands.
func (p *pay) QueryPayment(ctx context.Context, outTradeNo string) (wechat.Payment, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	api := jsapi.JsapiApiService{Client: p.client}
	_, result, err := api.QueryOrderByOutTradeNo(ctx,
		jsapi.QueryOrderByOutTradeNoRequest{OutTradeNo: core.String(outTradeNo), Mchid: core.String(p.account.MchID)})
	if err != nil {
		return wechat.Payment{}, payFailure(wechat.OpQueryPayment, result, err)
	}
	answer, err := decode(result, wechat.DecodePayment)
	if err == nil && answer.OutTradeNo != outTradeNo {
		err = errOtherNumber
	}
	if err != nil {
		return wechat.Payment{}, payFailure(wechat.OpQueryPayment, result, err)
	}
	return answer, nil
}

// ClosePayment stops a payment that was not made.
func (p *pay) ClosePayment(ctx context.Context, outTradeNo string) error {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	api := jsapi.JsapiApiService{Client: p.client}
	result, err := api.CloseOrder(ctx,
		jsapi.CloseOrderRequest{OutTradeNo: core.String(outTradeNo), Mchid: core.String(p.account.MchID)})
	if err != nil {
		return payFailure(wechat.OpClosePayment, result, err)
	}
	return nil
}

// Refund gives money back.
func (p *pay) Refund(ctx context.Context, r wechat.RefundRequest) (wechat.Refund, error) {
	if err := r.Check(); err != nil {
		return wechat.Refund{}, refuse(wechat.OpRefund, err)
	}
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	request := refunddomestic.CreateRequest{
		TransactionId: core.String(r.TransactionID), OutRefundNo: core.String(r.OutRefundNo), NotifyUrl: core.String(r.NotifyURL),
		Amount: &refunddomestic.AmountReq{Refund: fen(r.Amount), Total: fen(r.Total), Currency: core.String(currency)},
	}
	if r.Reason != "" {
		request.Reason = core.String(r.Reason)
	}
	api := refunddomestic.RefundsApiService{Client: p.client}
	_, result, err := api.Create(ctx, request)
	return refundAnswer(wechat.OpRefund, r.OutRefundNo, result, err)
}

// QueryRefund asks how a refund stands.
func (p *pay) QueryRefund(ctx context.Context, outRefundNo string) (wechat.Refund, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	api := refunddomestic.RefundsApiService{Client: p.client}
	_, result, err := api.QueryByOutRefundNo(ctx, refunddomestic.QueryByOutRefundNoRequest{OutRefundNo: core.String(outRefundNo)})
	return refundAnswer(wechat.OpQueryRefund, outRefundNo, result, err)
}

func refundAnswer(op wechat.Op, outRefundNo string, result *core.APIResult, err error) (wechat.Refund, error) {
	if err != nil {
		return wechat.Refund{}, payFailure(op, result, err)
	}
	answer, err := decode(result, wechat.DecodeRefund)
	if err == nil && answer.OutRefundNo != outRefundNo {
		err = errOtherNumber
	}
	if err != nil {
		return wechat.Refund{}, payFailure(op, result, err)
	}
	return answer, nil
}

// errOtherNumber says that a signed answer is about something else: signatures do not bind an answer to its request.
var errOtherNumber = errors.New("wechat: answer is about another number")

// decode reads the body of an answer. The library has read it once and put it back.
func decode[T any](result *core.APIResult, read func([]byte) (T, error)) (T, error) {
	var none T
	body, err := io.ReadAll(result.Response.Body)
	if err != nil {
		return none, err
	}
	return read(body)
}

func fen(f money.Fen) *int64 { return core.Int64(int64(f)) }

// payFailure turns an error of the library into one of the port. The library prints whole headers, so its own error
// for a refusal is left behind.
func payFailure(op wechat.Op, result *core.APIResult, err error) error {
	e := &wechat.Error{Op: op, Class: wechat.Unknown}
	if result != nil && result.Response != nil {
		e.HTTPStatus = result.Response.StatusCode
		e.RequestID = wechat.Fit(result.Response.Header.Get("Request-ID"), messageBytesMax)
	}
	var refused *core.APIError
	var overHTTP *url.Error
	switch {
	case errors.As(err, &refused):
		e.HTTPStatus, e.Code = refused.StatusCode, wechat.Fit(refused.Code, messageBytesMax)
		e.Message = wechat.Fit(refused.Message, messageBytesMax)
		e.Class = wechat.ClassifyPay(op, refused.StatusCode, refused.Code, refused.Message)
	case errors.As(err, &overHTTP):
		e.Cause = overHTTP.Err
	default:
		e.Cause = err
	}
	return e
}
