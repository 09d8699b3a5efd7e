package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The states of a merchant transfer. TRANSFERING has one R on the wire.
const (
	Accepted    = "ACCEPTED"
	Processing  = "PROCESSING"
	WaitConfirm = "WAIT_USER_CONFIRM"
	Transfering = "TRANSFERING"
	Canceling   = "CANCELING"
	Succeeded   = "SUCCESS"
	Failed      = "FAIL"
	Cancelled   = "CANCELLED"
)

var transferMoves = map[string][]string{
	Accepted:    {Processing, Canceling, Failed},
	Processing:  {WaitConfirm, Canceling, Failed},
	WaitConfirm: {Transfering, Canceling, Failed},
	Transfering: {Succeeded, Failed},
	Canceling:   {Cancelled, Transfering}, // the user was faster
}

const (
	confirmWindow  = 24 * time.Hour
	queryWindow    = 30 * 24 * time.Hour
	failOverdue    = "OVERDUE_CLOSE"
	failName       = "NAME_NOT_CORRECT"
	failQuota      = "DAY_RECEIVED_QUOTA_EXCEED"
	failOther      = "OTHER_FAIL_REASON_TYPE"
	failCancelled  = "MCH_CANCEL"
	sceneReward    = "1005"
	nameRequired   = 200_000 // from 2,000 yuan on a name must be sent
	nameForbidden  = 30      // below 0.30 yuan none may be sent
	dayPerUserFen  = 200_000
	singleMinFen   = 10
	singleMaxFen   = 20_000
	packageInfoLen = 48
)

// TransferLimits are what the merchant console allows, in fen. New accounts start low.
type TransferLimits struct {
	MinFen     int64 `json:"min_fen"`      // 0 = 10
	MaxFen     int64 `json:"max_fen"`      // 0 = 20000
	UserDayFen int64 `json:"user_day_fen"` // what one person may receive a day; 0 = 200000
}

func (l TransferLimits) orDefault() TransferLimits {
	if l.MinFen == 0 {
		l.MinFen = singleMinFen
	}
	if l.MaxFen == 0 {
		l.MaxFen = singleMaxFen
	}
	if l.UserDayFen == 0 {
		l.UserDayFen = dayPerUserFen
	}
	return l
}

// SetTransferLimits changes the limits of the merchant console; zero fields take the defaults.
func (s *Server) SetTransferLimits(l TransferLimits) {
	s.lock()
	defer s.unlock()
	s.limits = l.orDefault()
}

func (s *Server) keepTransfer(t *Transfer) {
	s.transfers[t.OutBillNo] = t
	s.byBill[t.BillNo] = t
	switch t.State {
	case Succeeded, Failed, Cancelled:
		delete(s.openBills, t.OutBillNo)
	default:
		s.openBills[t.OutBillNo] = t
	}
}

func (s *Server) moveTransfer(t *Transfer, to string) bool {
	if !contains(transferMoves[t.State], to) {
		return false
	}
	t.State, t.UpdateMS = to, s.now().UnixMilli()
	s.keepTransfer(t)
	s.touch(t)
	return true
}

// startTransfer is POST …/transfer-bills.
func (s *Server) startTransfer(c *call) (any, error) {
	var q transferRequest
	if err := c.decode(&q); err != nil {
		return nil, err
	}
	name, err := s.nameOf(c, &q)
	if err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	hash, err := hashParams(c.raw, map[string]string{"user_name": name})
	if err != nil {
		return nil, err
	}
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	if t := s.transfers[q.OutBillNo]; t != nil {
		if t.ParamHash != hash {
			return nil, invalid("单号已存在但信息不一致")
		}
		s.advance(t)
		return s.transferReply(t), nil
	}
	if err := s.checkTransfer(&q); err != nil {
		return nil, err
	}
	if s.balances[Operating] < q.Fen {
		return nil, refuse(http.StatusForbidden, "NOT_ENOUGH", "运营账户余额不足，请充值后使用原单号重试")
	}
	now := s.now()
	t := &Transfer{
		OutBillNo: q.OutBillNo, BillNo: s.ids.number("1330000", now), State: Accepted, AppID: q.AppID, OpenID: q.OpenID,
		SceneID: q.SceneID, UserName: name, Remark: q.Remark, NotifyURL: q.NotifyURL, Fen: q.Fen, ParamHash: hash,
		PackageInfo: s.ids.base64(packageInfoLen), CreateMS: now.UnixMilli(), UpdateMS: now.UnixMilli(),
		ExpireMS: now.Add(confirmWindow).UnixMilli(),
	}
	s.planTransfer(c, t)
	s.keepTransfer(t)
	s.touch(t)
	s.advance(t)
	reply := s.transferReply(t)
	// A notification before the reply needs a final state: the user was that quick.
	if t.State == WaitConfirm && s.drawNotify("MCHTRANSFER.BILL.FINISHED", t.OutBillNo, NotifyBeforeResponse) {
		c.first = append(c.first, s.confirmed(t))
	}
	return reply, nil
}

// planTransfer lets faults decide how the transfer will go.
func (s *Server) planTransfer(c *call, t *Transfer) {
	a := s.draw(c.r.Method, c.r.URL.Path, t.OutBillNo, func(a Action) bool {
		return a.TransferState != "" || a.TransferFailReason != "" || a.ExpireLagMS != 0 || a.User == UserConfirmsAfterCancel
	})
	if a == nil {
		return
	}
	t.Linger, t.FailPlan = a.TransferState, a.TransferFailReason
	t.ExpireMS += a.ExpireLagMS
	if a.User == UserConfirmsAfterCancel {
		t.CancelPlan = a.User
	}
}

// advance takes a transfer as far as it goes without anybody doing anything.
func (s *Server) advance(t *Transfer) {
	if t.State == Accepted && t.Linger != Accepted {
		s.moveTransfer(t, Processing)
	}
	if t.State == Processing && t.Linger != Processing && !t.Locked {
		// Another bill may have taken the money meanwhile: then it stays here until the account is topped up.
		t.Locked = s.move(Flow{Account: Operating, Ref: t.BillNo, Voucher: t.OutBillNo, Business: "商家转账", Fen: -t.Fen})
		if t.Locked {
			s.moveTransfer(t, WaitConfirm)
		}
	}
}

// release gives locked money back.
func (s *Server) release(t *Transfer) {
	if t.Locked {
		t.Locked = false
		s.move(Flow{Account: Operating, Ref: t.BillNo, Voucher: t.OutBillNo, Business: "商家转账退回", Fen: t.Fen})
	}
}

// fail ends a transfer and writes the notification.
func (s *Server) fail(t *Transfer, reason string) *Notify {
	if !s.moveTransfer(t, Failed) {
		return nil
	}
	t.FailReason = reason
	s.release(t)
	return s.transferDone(t)
}

// confirmed is what happens when the payee has confirmed.
func (s *Server) confirmed(t *Transfer) *Notify {
	if !s.moveTransfer(t, Transfering) || t.Linger == Transfering {
		return nil
	}
	return s.payOut(t)
}

// payOut ends a confirmed transfer.
func (s *Server) payOut(t *Transfer) *Notify {
	u := s.users[t.OpenID]
	switch {
	case t.FailPlan != "":
		return s.fail(t, t.FailPlan)
	case t.UserName != "" && u != nil && u.RealName != "" && u.RealName != t.UserName:
		return s.fail(t, failName)
	case s.receivedToday(t.OpenID)+t.Fen > s.limits.UserDayFen:
		return s.fail(t, failQuota)
	}
	if !s.moveTransfer(t, Succeeded) {
		return nil
	}
	return s.transferDone(t)
}

func (s *Server) receivedToday(openID string) int64 {
	var sum int64
	today := s.now().In(shopZone).Format(time.DateOnly)
	for _, t := range s.transfers {
		if t.OpenID == openID && t.State == Succeeded && time.UnixMilli(t.UpdateMS).In(shopZone).Format(time.DateOnly) == today {
			sum += t.Fen
		}
	}
	return sum
}

func (s *Server) transferDone(t *Transfer) *Notify {
	body := map[string]any{
		"out_bill_no": t.OutBillNo, "transfer_bill_no": t.BillNo, "state": t.State, "mch_id": s.id.MchID,
		"transfer_amount": t.Fen, "openid": t.OpenID, "create_time": payTime(t.CreateMS), "update_time": payTime(t.UpdateMS),
	}
	if t.FailReason != "" {
		body["fail_reason"] = t.FailReason
	}
	plain, _ := json.Marshal(body) // strings and numbers always encode
	return s.emit(Notify{
		Event: "MCHTRANSFER.BILL.FINISHED", Summary: "商家转账单据终态通知", Kind: "mch_payment", Number: t.OutBillNo, Group: t.OutBillNo, URL: t.NotifyURL, Plain: plain,
	})
}

type transferReply struct {
	OutBillNo   string `json:"out_bill_no"`
	BillNo      string `json:"transfer_bill_no"`
	CreateTime  string `json:"create_time"`
	State       string `json:"state"`
	PackageInfo string `json:"package_info,omitempty"`
	FailReason  string `json:"fail_reason,omitempty"`
}

func (s *Server) transferReply(t *Transfer) transferReply {
	r := transferReply{OutBillNo: t.OutBillNo, BillNo: t.BillNo, CreateTime: payTime(t.CreateMS), State: t.State, FailReason: t.FailReason}
	if t.State == WaitConfirm {
		r.PackageInfo = t.PackageInfo
	}
	return r
}

// queryTransfer is GET …/out-bill-no/{out_bill_no} and …/transfer-bill-no/{no}.
func (s *Server) queryTransfer(c *call) (any, error) {
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	t := s.transfers[c.r.PathValue("out_bill_no")]
	if no := c.r.PathValue("no"); no != "" {
		t = s.byBill[no]
	}
	if t == nil || s.now().Sub(time.UnixMilli(t.CreateMS)) > queryWindow {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "记录不存在")
	}
	out := map[string]any{
		"mch_id": s.id.MchID, "out_bill_no": t.OutBillNo, "transfer_bill_no": t.BillNo, "appid": t.AppID, "state": t.State,
		"transfer_amount": t.Fen, "transfer_remark": t.Remark, "openid": t.OpenID,
		"create_time": payTime(t.CreateMS), "update_time": payTime(t.UpdateMS),
	}
	if t.FailReason != "" {
		out["fail_reason"] = t.FailReason
	}
	if t.UserName != "" {
		out["user_name"] = s.hideSensitive(t.UserName)
	}
	return out, nil
}

// cancelTransfer is POST …/out-bill-no/{out_bill_no}/cancel.
func (s *Server) cancelTransfer(c *call) (any, error) {
	body := strings.TrimSpace(string(c.raw))
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	if body != "" && body != "{}" {
		s.violate("cancel_body", "the body of a cancel must be empty or {}, not "+clip(body, 40))
	}
	t := s.transfers[c.r.PathValue("out_bill_no")]
	if t == nil {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "记录不存在")
	}
	if t.State != Canceling && t.State != Cancelled && !s.moveTransfer(t, Canceling) {
		return nil, invalid("当前单据状态不支持撤销")
	}
	return map[string]string{
		"out_bill_no": t.OutBillNo, "transfer_bill_no": t.BillNo, "state": t.State, "update_time": payTime(t.UpdateMS),
	}, nil
}

// endCancel finishes a cancel under way, or loses the race against the user.
func (s *Server) endCancel(t *Transfer) *Notify {
	if t.CancelPlan == UserConfirmsAfterCancel && t.Locked {
		return s.confirmed(t)
	}
	if !s.moveTransfer(t, Cancelled) {
		return nil
	}
	t.FailReason = failCancelled
	s.release(t)
	return s.transferDone(t)
}

// ConfirmTransfer plays the payee who confirms; the money arrives at once unless a fault says otherwise.
func (s *Server) ConfirmTransfer(ctx context.Context, outBillNo string) error {
	return s.decideTransfer(ctx, outBillNo, s.confirmed)
}

// RejectTransfer plays a payee whom WeChat does not let take the money: the transfer ends in FAIL.
func (s *Server) RejectTransfer(ctx context.Context, outBillNo string) error {
	return s.decideTransfer(ctx, outBillNo, func(t *Transfer) *Notify { return s.fail(t, failOther) })
}

func (s *Server) decideTransfer(ctx context.Context, outBillNo string, act func(*Transfer) *Notify) error {
	n, err := func() (*Notify, error) {
		s.lock()
		defer s.unlock()
		s.settleDue(false)
		t := s.transfers[outBillNo]
		if t == nil {
			return nil, fmt.Errorf("%w: out_bill_no %s", ErrUnknown, outBillNo)
		}
		s.advance(t)
		if t.State != WaitConfirm {
			return nil, fmt.Errorf("%w: transfer %s is %s", ErrState, outBillNo, t.State)
		}
		if s.draw(http.MethodPost, "/_sim/transfer/"+outBillNo+"/confirm", outBillNo, onUser(UserNeverConfirms)) != nil {
			return nil, fmt.Errorf("%w: a fault keeps the user from confirming", ErrState)
		}
		return act(t), nil
	}()
	if err != nil {
		return err
	}
	s.afterControl(ctx, n)
	return nil
}

// ConfirmSheet is what the mini-program hands to wx.requestMerchantTransfer.
type ConfirmSheet struct {
	MchID   string `json:"mchId"`
	AppID   string `json:"appId"`
	Package string `json:"package"`
	OpenID  string `json:"openId"`
}

// ConfirmSigned confirms like the phone does: merchant, app, package and person must fit.
func (s *Server) ConfirmSigned(ctx context.Context, p ConfirmSheet) error {
	no, err := s.matchSheet(p)
	if err != nil {
		return err
	}
	return s.ConfirmTransfer(ctx, no)
}

func (s *Server) matchSheet(p ConfirmSheet) (string, error) {
	s.lock()
	defer s.unlock()
	if p.MchID != s.id.MchID || p.AppID != s.id.AppID {
		return "", fmt.Errorf("%w: 商户号或appid不正确", ErrState)
	}
	for _, t := range s.openBills {
		if p.Package != "" && t.PackageInfo == p.Package {
			if p.OpenID != "" && p.OpenID != t.OpenID {
				return "", fmt.Errorf("%w: 你的微信号与商家指定的微信号不一致", ErrState)
			}
			return t.OutBillNo, nil
		}
	}
	return "", fmt.Errorf("%w: package_info", ErrUnknown)
}
