package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"time"
	"unicode/utf8"
)

// The states of a refund.
const (
	RefundProcessing = "PROCESSING"
	RefundSuccess    = "SUCCESS"
	RefundClosed     = "CLOSED"
	RefundAbnormal   = "ABNORMAL"
)

var refundMoves = map[string][]string{RefundProcessing: {RefundSuccess, RefundClosed, RefundAbnormal}}

const (
	refundsPerOrder   = 50
	refundWindow      = 365 * 24 * time.Hour
	refundDelayUsual  = 2 * time.Second
	refundGapUsual    = time.Minute
	refundReasonLn    = 80
	refundNotifyLn    = 256
	refundFundsSource = "AVAILABLE"
)

func (s *Server) keepRefund(r *Refund) {
	s.refunds[r.OutRefundNo] = r
	if r.Status == RefundProcessing {
		s.openRefunds[r.OutRefundNo] = r
	} else {
		delete(s.openRefunds, r.OutRefundNo)
	}
}

type refundRequest struct {
	TransactionID string  `json:"transaction_id"`
	OutTradeNo    string  `json:"out_trade_no"`
	OutRefundNo   string  `json:"out_refund_no"`
	Reason        string  `json:"reason"`
	NotifyURL     string  `json:"notify_url"`
	FundsAccount  *string `json:"funds_account"`
	Amount        *struct {
		Refund   int64  `json:"refund"`
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	} `json:"amount"`
}

var outRefundNoRE = regexp.MustCompile(`^[0-9A-Za-z_\-|*@]{1,64}$`)

func (q *refundRequest) check() error {
	switch {
	case q.TransactionID == "" && q.OutTradeNo == "":
		return paramError("transaction_id 与 out_trade_no 须填其一")
	case !outRefundNoRE.MatchString(q.OutRefundNo):
		return paramError("out_refund_no 须为1-64位的数字、大小写字母或_-|*@")
	case utf8.RuneCountInString(q.Reason) > refundReasonLn:
		return paramError("reason 不超过80个字符")
	case q.Amount == nil || q.Amount.Refund < 1 || q.Amount.Total < 1:
		return paramError("amount.refund 与 amount.total 须为不小于1的整数")
	case q.Amount.Currency != "CNY":
		return paramError("amount.currency 必填且只支持CNY")
	case q.FundsAccount != nil && *q.FundsAccount != "AVAILABLE" && *q.FundsAccount != "UNSETTLED":
		return paramError("funds_account 有误")
	}
	if q.NotifyURL != "" {
		if p := notifyURLProblem(q.NotifyURL); p != "" {
			return paramError(p)
		}
	}
	return nil
}

// createRefund is POST /v3/refund/domestic/refunds.
func (s *Server) createRefund(c *call) (any, error) {
	var q refundRequest
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
	if r := s.refunds[q.OutRefundNo]; r != nil {
		if r.ParamHash != hash {
			return nil, invalid("请求重入时，参数与首次请求时不一致（退款单号已存在）")
		}
		return s.refundReply(r), nil
	}
	o, err := s.refundable(&q)
	if err != nil {
		return nil, err
	}
	r := &Refund{
		OutRefundNo: q.OutRefundNo, Reason: q.Reason, NotifyURL: q.NotifyURL, Fen: q.Amount.Refund, ParamHash: hash,
	}
	if a := s.draw(c.r.Method, c.r.URL.Path, q.OutRefundNo, func(a Action) bool { return a.RefundResult != "" }); a != nil {
		r.Plan = a.RefundResult
	}
	if err := s.startRefund(o, r); err != nil {
		return nil, err
	}
	reply := s.refundReply(r)
	if s.drawNotify("REFUND.SUCCESS", r.OutRefundNo, NotifyBeforeResponse) {
		c.first = append(c.first, s.finishRefund(r))
	}
	return reply, nil
}

// refundable finds the order and checks what depends on it.
func (s *Server) refundable(q *refundRequest) (*Order, error) {
	o := s.orders[q.OutTradeNo]
	if q.TransactionID != "" {
		o = s.byTrade[q.TransactionID]
	}
	switch {
	case o == nil || q.OutTradeNo != "" && q.OutTradeNo != o.OutTradeNo:
		return nil, refuse(http.StatusNotFound, "RESOURCE_NOT_EXISTS", "订单不存在")
	case o.State != Paid && o.State != Refunded:
		return nil, invalid("订单未支付，不能退款")
	case q.Amount.Total != o.TotalFen:
		return nil, invalid("订单金额与原订单不一致")
	case q.Amount.Refund > o.TotalFen-o.RefundedFen:
		return nil, invalid("申请退款金额大于订单可退金额")
	case s.now().Sub(time.UnixMilli(o.SuccessMS)) > refundWindow:
		return nil, invalid("订单已超过可退款的最大期限（一年）")
	case o.RefundCount >= refundsPerOrder:
		return nil, invalid("退款次数超过50次")
	}
	if gap := orDefault(s.o.RefundGap, refundGapUsual); o.LastRefundMS > 0 && s.now().UnixMilli()-o.LastRefundMS < gap.Milliseconds() {
		return nil, refuse(http.StatusTooManyRequests, "FREQUENCY_LIMITED", "同一笔订单的多次退款需间隔1分钟")
	}
	return o, nil
}

// orDefault reads a duration option: 0 is the usual, negative none.
func orDefault(d, usual time.Duration) time.Duration {
	switch {
	case d == 0:
		return usual
	case d < 0:
		return 0
	}
	return d
}

// startRefund takes the money back and opens the refund.
func (s *Server) startRefund(o *Order, r *Refund) error {
	feeBack := o.FeeFen - o.FeeBackFen
	if rest := o.TotalFen - o.RefundedFen - r.Fen; rest > 0 {
		feeBack = mulDiv(o.FeeFen, o.RefundedFen+r.Fen, o.TotalFen) - o.FeeBackFen
	}
	if s.balances[Basic]+feeBack < r.Fen {
		return refuse(http.StatusForbidden, "NOT_ENOUGH", "基本账户余额不足，请充值后重新发起")
	}
	now := s.now()
	r.OutTradeNo, r.TransactionID, r.TotalFen, r.FeeBackFen = o.OutTradeNo, o.TransactionID, o.TotalFen, feeBack
	r.RefundID, r.Status, r.CreateMS = s.ids.number("50300", now), RefundProcessing, now.UnixMilli()
	if feeBack > 0 {
		s.move(Flow{Account: Basic, Ref: r.RefundID, Voucher: r.OutRefundNo, Business: "返还手续费", Fen: feeBack})
	}
	s.move(Flow{Account: Basic, Ref: r.RefundID, Voucher: r.OutRefundNo, Business: "退款", Fen: -r.Fen})
	o.RefundedFen += r.Fen
	o.FeeBackFen += feeBack
	o.RefundCount++
	o.LastRefundMS = now.UnixMilli()
	if o.State != Refunded {
		s.moveOrder(o, Refunded)
	}
	if o.Ship != nil && o.RefundedFen == o.TotalFen {
		o.Ship.State = shipRefunded
	}
	s.touch(o)
	s.keepRefund(r)
	s.touch(r)
	return nil
}

type refundReply struct {
	RefundID      string       `json:"refund_id"`
	OutRefundNo   string       `json:"out_refund_no"`
	TransactionID string       `json:"transaction_id"`
	OutTradeNo    string       `json:"out_trade_no"`
	Channel       string       `json:"channel"`
	Received      string       `json:"user_received_account"`
	SuccessTime   string       `json:"success_time,omitempty"`
	CreateTime    string       `json:"create_time"`
	Status        string       `json:"status"`
	FundsAccount  string       `json:"funds_account"`
	Amount        refundAmount `json:"amount"`
}

type refundAmount struct {
	Total            int64  `json:"total"`
	Refund           int64  `json:"refund"`
	PayerTotal       int64  `json:"payer_total"`
	PayerRefund      int64  `json:"payer_refund"`
	SettlementRefund int64  `json:"settlement_refund"`
	SettlementTotal  int64  `json:"settlement_total"`
	DiscountRefund   int64  `json:"discount_refund"`
	Currency         string `json:"currency"`
}

const userReceived = "支付用户零钱"

func (s *Server) refundReply(r *Refund) refundReply {
	out := refundReply{
		RefundID: r.RefundID, OutRefundNo: r.OutRefundNo, TransactionID: r.TransactionID, OutTradeNo: r.OutTradeNo,
		Channel: "ORIGINAL", Received: userReceived, CreateTime: payTime(r.CreateMS), Status: r.Status, FundsAccount: refundFundsSource,
		Amount: refundAmount{
			Total: r.TotalFen, Refund: r.Fen, PayerTotal: r.TotalFen, PayerRefund: r.Fen,
			SettlementRefund: r.Fen, SettlementTotal: r.TotalFen, Currency: "CNY",
		},
	}
	if r.SuccessMS > 0 {
		out.SuccessTime = payTime(r.SuccessMS)
	}
	return out
}

// queryRefund is GET /v3/refund/domestic/refunds/{out_refund_no}.
func (s *Server) queryRefund(c *call) (any, error) {
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	r := s.refunds[c.r.PathValue("out_refund_no")]
	if r == nil {
		return nil, refuse(http.StatusNotFound, "RESOURCE_NOT_EXISTS", "退款单不存在")
	}
	return s.refundReply(r), nil
}

// finishRefund brings a refund to its end, as its plan says, and writes the notification; nil when it stays open.
func (s *Server) finishRefund(r *Refund) *Notify {
	to := RefundSuccess
	if r.Plan != "" {
		to = r.Plan
	}
	if !contains(refundMoves[r.Status], to) {
		return nil
	}
	r.Status = to
	switch to {
	case RefundSuccess:
		r.SuccessMS = s.now().UnixMilli()
	case RefundClosed: // the money comes back to the merchant, and a new number may be tried
		o := s.orders[r.OutTradeNo]
		o.RefundedFen -= r.Fen
		o.FeeBackFen -= r.FeeBackFen
		s.touch(o)
		s.move(Flow{Account: Basic, Ref: r.RefundID, Voucher: r.OutRefundNo, Business: "退款退回", Fen: r.Fen - r.FeeBackFen})
	}
	s.keepRefund(r)
	s.touch(r)
	body := map[string]any{
		"mchid": s.id.MchID, "out_trade_no": r.OutTradeNo, "transaction_id": r.TransactionID, "out_refund_no": r.OutRefundNo,
		"refund_id": r.RefundID, "refund_status": r.Status, "user_received_account": userReceived,
		"amount": map[string]int64{"total": r.TotalFen, "refund": r.Fen, "payer_total": r.TotalFen, "payer_refund": r.Fen},
	}
	if r.SuccessMS > 0 {
		body["success_time"] = payTime(r.SuccessMS)
	}
	plain, _ := json.Marshal(body) // strings and numbers always encode
	return s.emit(Notify{Event: "REFUND." + r.Status, Summary: refundSummary[r.Status], Kind: "refund", Number: r.OutRefundNo, Group: r.OutTradeNo, URL: r.NotifyURL, Plain: plain})
}

var refundSummary = map[string]string{RefundSuccess: "退款成功", RefundClosed: "退款关闭", RefundAbnormal: "退款异常"}

// ConsoleRefund is a refund that an operator made in the merchant console: the shop hears of it only by a
// notification (if NotifyURL is set) and by the bill.
type ConsoleRefund struct {
	OutTradeNo string `json:"out_trade_no"`
	Fen        int64  `json:"refund_fen"`
	Reason     string `json:"reason"`
	NotifyURL  string `json:"notify_url"`
}

// RefundInConsole makes such a refund, finished at once, and returns its out_refund_no.
func (s *Server) RefundInConsole(ctx context.Context, q ConsoleRefund) (string, error) {
	no, n, err := s.consoleRefund(q)
	if err == nil {
		s.afterControl(ctx, n)
	}
	return no, err
}

func (s *Server) consoleRefund(q ConsoleRefund) (string, *Notify, error) {
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	o := s.orders[q.OutTradeNo]
	if o == nil || o.TransactionID == "" {
		return "", nil, fmt.Errorf("%w: paid order %s", ErrUnknown, q.OutTradeNo)
	}
	if q.Fen < 1 || q.Fen > o.TotalFen-o.RefundedFen {
		return "", nil, fmt.Errorf("%w: amount above what can be refunded", ErrState)
	}
	r := &Refund{OutRefundNo: "console" + s.ids.digits(18), Reason: q.Reason, NotifyURL: q.NotifyURL, Fen: q.Fen, Console: true}
	if err := s.startRefund(o, r); err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	return r.OutRefundNo, s.finishRefund(r), nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
