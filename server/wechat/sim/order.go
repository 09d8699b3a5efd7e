package sim

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// The states of an order.
const (
	NotPay   = "NOTPAY"
	Paid     = "SUCCESS"
	Refunded = "REFUND" // any refund, even a partial one: it was paid
	Closed   = "CLOSED"
)

var orderMoves = map[string][]string{
	NotPay: {Paid, Closed},
	Paid:   {Refunded},
}

var stateDesc = map[string]string{NotPay: "订单未支付", Paid: "支付成功", Refunded: "转入退款", Closed: "订单已关闭"}

const (
	prepayLife    = 2 * time.Hour
	orderLife     = 7 * 24 * time.Hour
	orderLifeMin  = time.Minute
	descriptionLn = 127
	attachLn      = 128
	feeBPDefault  = 60
	orderMaxFen   = 10_000_000_000
	bpWhole       = 10_000
)

// Reasons why a simulated user's act was impossible.
var (
	ErrUnknown = errors.New("sim: no such number")
	ErrState   = errors.New("sim: not possible in this state")
)

func (s *Server) moveOrder(o *Order, to string) bool {
	for _, ok := range orderMoves[o.State] {
		if ok == to {
			o.State = to
			s.touch(o)
			return true
		}
	}
	return false
}

func (s *Server) keepOrder(o *Order) {
	s.orders[o.OutTradeNo] = o
	if o.TransactionID != "" {
		s.byTrade[o.TransactionID] = o
	}
	for _, p := range o.Prepays {
		s.byPrepay[p.ID] = o
	}
	if o.Ship.open() {
		s.awaitReceipt(o)
	}
}

type prepayRequest struct {
	AppID       string  `json:"appid"`
	MchID       string  `json:"mchid"`
	Description string  `json:"description"`
	OutTradeNo  string  `json:"out_trade_no"`
	TimeExpire  *string `json:"time_expire"`
	Attach      string  `json:"attach"`
	NotifyURL   string  `json:"notify_url"`
	Amount      *struct {
		Total    int64   `json:"total"`
		Currency *string `json:"currency"`
	} `json:"amount"`
	Payer struct {
		OpenID string `json:"openid"`
	} `json:"payer"`
}

var outTradeNoRE = regexp.MustCompile(`^[0-9A-Za-z_\-|*]{6,32}$`)

// check refuses what WeChat refuses about the form of an order.
func (q *prepayRequest) check() error {
	switch {
	case q.AppID == "":
		return paramError("appid 必填")
	case q.MchID == "":
		return paramError("mchid 必填")
	case q.Description == "" || utf8.RuneCountInString(q.Description) > descriptionLn:
		return paramError("description 必填且不超过127个字符")
	case !outTradeNoRE.MatchString(q.OutTradeNo):
		return paramError("out_trade_no 须为6-32位的数字、大小写字母或_-|*")
	case utf8.RuneCountInString(q.Attach) > attachLn:
		return paramError("attach 不超过128个字符")
	case q.NotifyURL == "":
		return paramError("notify_url 必填")
	case q.Amount == nil || q.Amount.Total < 1 || q.Amount.Total > orderMaxFen:
		return paramError("amount.total 须为不小于1的整数，且不超过单笔上限")
	case q.Amount.Currency != nil && *q.Amount.Currency != "CNY":
		return paramError("amount.currency 只支持CNY")
	case q.Payer.OpenID == "":
		return paramError("payer.openid 必填")
	}
	if p := notifyURLProblem(q.NotifyURL); p != "" {
		return paramError(p)
	}
	return nil
}

// expiry reads time_expire against the present, in ms.
func (q *prepayRequest) expiry(now time.Time) (int64, error) {
	if q.TimeExpire == nil {
		return now.Add(orderLife).UnixMilli(), nil
	}
	at, err := time.Parse(time.RFC3339, *q.TimeExpire)
	switch {
	case err != nil:
		return 0, paramError("time_expire 须为RFC3339格式")
	case at.Before(now.Add(orderLifeMin).Truncate(time.Second)):
		return 0, paramError("time_expire 须晚于当前时间1分钟以上")
	}
	return at.UnixMilli(), nil
}

// prepay is POST /v3/pay/transactions/jsapi.
func (s *Server) prepay(c *call) (any, error) {
	var q prepayRequest
	if err := c.decode(&q); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	hash, err := hashParams(c.raw, nil)
	if err != nil {
		return nil, err
	}
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	if err := s.checkParty(q.AppID, q.MchID, q.Payer.OpenID); err != nil {
		return nil, err
	}
	if o := s.orders[q.OutTradeNo]; o != nil {
		return s.prepayAgain(o, hash)
	}
	now := s.now()
	expire, err := q.expiry(now)
	if err != nil {
		return nil, err
	}
	o := &Order{
		OutTradeNo: q.OutTradeNo, State: NotPay, AppID: q.AppID, OpenID: q.Payer.OpenID, Description: q.Description,
		Attach: q.Attach, NotifyURL: q.NotifyURL, TotalFen: q.Amount.Total, ParamHash: hash,
		CreateMS: now.UnixMilli(), ExpireMS: expire,
	}
	s.orders[o.OutTradeNo] = o
	return s.newPrepay(o), nil
}

// checkParty refuses a foreign app, merchant or person.
func (s *Server) checkParty(appID, mchID, openID string) error {
	if mchID != s.id.MchID {
		return refuse(http.StatusBadRequest, "MCH_NOT_EXISTS", "商户号不存在")
	}
	if appID != s.id.AppID {
		return refuse(http.StatusBadRequest, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配，请检查后再试")
	}
	switch u := s.users[openID]; {
	case u == nil:
		return paramError("无效的openid")
	case u.AppID != appID:
		return refuse(http.StatusBadRequest, "OPENID_MISMATCH", "openid和appid不匹配")
	}
	return nil
}

func (s *Server) prepayAgain(o *Order, hash string) (any, error) {
	s.expireOrder(o)
	switch {
	case o.State == Paid || o.State == Refunded:
		return nil, refuse(http.StatusBadRequest, "ORDERPAID", "该订单已支付")
	case o.State == Closed:
		return nil, refuse(http.StatusBadRequest, "ORDER_CLOSED", "该订单已关闭")
	case o.ParamHash != hash:
		return nil, invalid("请求重入时，参数与首次请求时不一致（重入参数不一致）")
	}
	return s.newPrepay(o), nil
}

func (s *Server) newPrepay(o *Order) any {
	now := s.now()
	id := "wx" + now.In(shopZone).Format("20060102150405") + hexLower(s.ids, 10)
	o.Prepays = append(o.Prepays, Prepay{ID: id, CreateMS: now.UnixMilli()})
	s.byPrepay[id] = o
	s.touch(o)
	return map[string]string{"prepay_id": id}
}

// expireOrder closes an unpaid order whose time_expire has passed.
func (s *Server) expireOrder(o *Order) {
	if o.State == NotPay && s.now().UnixMilli() >= o.ExpireMS {
		s.moveOrder(o, Closed)
	}
}

type transaction struct {
	AppID          string      `json:"appid"`
	MchID          string      `json:"mchid"`
	OutTradeNo     string      `json:"out_trade_no"`
	TransactionID  string      `json:"transaction_id,omitempty"`
	TradeType      string      `json:"trade_type,omitempty"`
	TradeState     string      `json:"trade_state"`
	TradeStateDesc string      `json:"trade_state_desc"`
	BankType       string      `json:"bank_type,omitempty"`
	Attach         string      `json:"attach,omitempty"`
	SuccessTime    string      `json:"success_time,omitempty"`
	Payer          *payer      `json:"payer,omitempty"`
	Amount         orderAmount `json:"amount"`
}

type payer struct {
	OpenID string `json:"openid"`
}

type orderAmount struct {
	Total         int64  `json:"total"`
	PayerTotal    int64  `json:"payer_total,omitempty"`
	Currency      string `json:"currency"`
	PayerCurrency string `json:"payer_currency,omitempty"`
}

func (s *Server) transactionOf(o *Order) transaction {
	t := transaction{
		AppID: o.AppID, MchID: s.id.MchID, OutTradeNo: o.OutTradeNo, TradeState: o.State, TradeStateDesc: stateDesc[o.State],
		Attach: o.Attach, Amount: orderAmount{Total: o.TotalFen, Currency: "CNY"},
	}
	if o.TransactionID != "" {
		t.TransactionID, t.TradeType, t.BankType, t.SuccessTime = o.TransactionID, "JSAPI", "OTHERS", payTime(o.SuccessMS)
		t.Payer = &payer{o.OpenID}
		t.Amount.PayerTotal, t.Amount.PayerCurrency = o.TotalFen, "CNY"
	}
	return t
}

// queryOrder is GET …/out-trade-no/{out_trade_no} and …/id/{transaction_id}.
func (s *Server) queryOrder(c *call) (any, error) {
	if err := s.checkMchID(c.r.URL.Query().Get("mchid")); err != nil {
		return nil, err
	}
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	o := s.orders[c.r.PathValue("out_trade_no")]
	if id := c.r.PathValue("transaction_id"); id != "" {
		o = s.byTrade[id]
	}
	if o == nil {
		return nil, refuse(http.StatusNotFound, "ORDER_NOT_EXIST", "订单不存在")
	}
	s.expireOrder(o)
	return s.transactionOf(o), nil
}

func (s *Server) checkMchID(mchID string) error {
	if mchID == "" {
		return paramError("mchid 必填")
	}
	if mchID != s.id.MchID {
		return refuse(http.StatusBadRequest, "MCH_NOT_EXISTS", "商户号不存在")
	}
	return nil
}

// closeOrder is POST …/out-trade-no/{out_trade_no}/close; 204.
func (s *Server) closeOrder(c *call) (any, error) {
	var q struct {
		MchID string `json:"mchid"`
	}
	if err := c.decode(&q); err != nil {
		return nil, err
	}
	if err := s.checkMchID(q.MchID); err != nil {
		return nil, err
	}
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	o := s.orders[c.r.PathValue("out_trade_no")]
	if o == nil {
		return nil, refuse(http.StatusNotFound, "ORDER_NOT_EXIST", "订单不存在")
	}
	if a := s.draw(c.r.Method, c.r.URL.Path, o.OutTradeNo, onUser(UserPaysDuringClose)); a != nil && o.State == NotPay {
		s.capture(o)
	}
	if o.State == Paid || o.State == Refunded {
		return nil, refuse(http.StatusBadRequest, "ORDERPAID", "该订单已支付")
	}
	s.moveOrder(o, Closed) // a closed order stays closed: closing is idempotent
	return nil, nil
}

func onUser(what string) func(Action) bool {
	return func(a Action) bool { return a.User == what }
}

// PaySheet is what the mini-program hands to wx.requestPayment.
type PaySheet struct {
	AppID     string `json:"appId"`
	TimeStamp string `json:"timeStamp"`
	NonceStr  string `json:"nonceStr"`
	Package   string `json:"package"`
	SignType  string `json:"signType"`
	PaySign   string `json:"paySign"`
}

// PaySigned pays like the cashier does: only if the sheet was signed by the merchant.
func (s *Server) PaySigned(ctx context.Context, p PaySheet) error {
	sig, err := base64.StdEncoding.DecodeString(p.PaySign)
	sum := sha256.Sum256([]byte(p.AppID + "\n" + p.TimeStamp + "\n" + p.NonceStr + "\n" + p.Package + "\n"))
	if err == nil {
		err = rsa.VerifyPKCS1v15(&s.keySet().Merchant.PublicKey, crypto.SHA256, sum[:], sig)
	}
	if err != nil || p.SignType != "RSA" || p.AppID != s.id.AppID {
		s.note("pay_sign", "requestPayment with a sheet that the merchant did not sign")
		return fmt.Errorf("%w: 支付验证签名失败", ErrState)
	}
	id, ok := strings.CutPrefix(p.Package, "prepay_id=")
	if !ok {
		return fmt.Errorf("%w: package", ErrUnknown)
	}
	return s.Pay(ctx, id)
}

// Pay plays the user who pays. The money lands in the basic account and a notification goes out; with
// Options.NotifySync its first delivery was tried when Pay returns (whatever came of it: it is tried again).
func (s *Server) Pay(ctx context.Context, prepayID string) error {
	n, err := s.payNow(prepayID)
	if err != nil {
		return err
	}
	s.afterControl(ctx, n)
	return nil
}

func (s *Server) payNow(prepayID string) (*Notify, error) {
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	o := s.byPrepay[prepayID]
	if o == nil {
		return nil, fmt.Errorf("%w: prepay_id %s", ErrUnknown, prepayID)
	}
	s.expireOrder(o)
	if o.State != NotPay {
		return nil, fmt.Errorf("%w: order %s is %s", ErrState, o.OutTradeNo, o.State)
	}
	for _, p := range o.Prepays {
		if p.ID == prepayID && s.now().UnixMilli() >= p.CreateMS+prepayLife.Milliseconds() {
			return nil, fmt.Errorf("%w: prepay_id is older than 2 hours", ErrState)
		}
	}
	twice := s.draw(http.MethodPost, "/_sim/pay/"+prepayID, o.OutTradeNo, onUser(UserPaysTwice)) != nil
	n := s.capture(o)
	if twice && s.capture(o) != nil {
		s.violate("paid_twice", o.OutTradeNo)
	}
	return n, nil
}

// capture takes the money of an unpaid order and writes the notification; nil if it cannot be paid any more.
func (s *Server) capture(o *Order) *Notify {
	if !s.moveOrder(o, Paid) {
		return nil
	}
	now := s.now()
	o.TransactionID, o.SuccessMS = s.ids.number("420000", now), now.UnixMilli()
	s.byTrade[o.TransactionID] = o
	s.move(Flow{Account: Basic, Ref: o.TransactionID, Voucher: o.OutTradeNo, Business: "交易", Fen: o.TotalFen})
	if o.FeeFen = s.fee(o.TotalFen); o.FeeFen > 0 {
		s.move(Flow{Account: Basic, Ref: o.TransactionID, Voucher: o.OutTradeNo, Business: "扣除交易手续费", Fen: -o.FeeFen})
	}
	s.touch(o)
	plain, _ := json.Marshal(s.transactionOf(o)) // a struct of strings and numbers always encodes
	return s.emit(Notify{Event: "TRANSACTION.SUCCESS", Summary: "支付成功", Kind: "transaction", Number: o.OutTradeNo, Group: o.OutTradeNo, URL: o.NotifyURL, Plain: plain})
}

// fee is what WeChat keeps of a payment, rounded half up to the fen.
func (s *Server) fee(fen int64) int64 {
	bp := int64(s.o.FeeBP)
	switch {
	case bp == 0:
		bp = feeBPDefault
	case bp < 0:
		return 0
	}
	return mulDiv(fen, bp, bpWhole)
}

// mulDiv is a·b/c rounded half up, for amounts far below the limits of int64.
func mulDiv(a, b, c int64) int64 { return (a*b + c/2) / c }
