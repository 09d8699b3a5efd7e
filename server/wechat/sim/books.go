package sim

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// The accounts of a merchant. Orders land in basic, merchant transfers leave from operating.
const (
	Basic     = "BASIC"
	Operating = "OPERATION"
)

const openingFen = 100_000_000 // 1,000,000.00 yuan in each account

// Order is one JSAPI order, by out_trade_no.
type Order struct {
	OutTradeNo    string   `json:"out_trade_no"`
	TransactionID string   `json:"transaction_id,omitempty"`
	State         string   `json:"trade_state"` // NOTPAY, SUCCESS, REFUND, CLOSED
	AppID         string   `json:"appid"`
	OpenID        string   `json:"openid"`
	Description   string   `json:"description"`
	Attach        string   `json:"attach,omitempty"`
	NotifyURL     string   `json:"notify_url"`
	TotalFen      int64    `json:"total_fen"`
	FeeFen        int64    `json:"fee_fen,omitempty"` // what WeChat kept when it was paid
	RefundedFen   int64    `json:"refunded_fen,omitempty"`
	FeeBackFen    int64    `json:"fee_back_fen,omitempty"`
	RefundCount   int      `json:"refund_count,omitempty"`
	LastRefundMS  int64    `json:"last_refund_ms,omitempty"`
	ParamHash     string   `json:"param_hash"`
	CreateMS      int64    `json:"create_ms"`
	ExpireMS      int64    `json:"expire_ms"`
	SuccessMS     int64    `json:"success_ms,omitempty"`
	Prepays       []Prepay `json:"prepays"`
	Ship          *Ship    `json:"ship,omitempty"`
}

// Prepay is one payable handle of an order; each lives two hours.
type Prepay struct {
	ID       string `json:"id"`
	CreateMS int64  `json:"create_ms"`
}

// Refund is one refund, by out_refund_no.
type Refund struct {
	OutRefundNo   string `json:"out_refund_no"`
	RefundID      string `json:"refund_id"`
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	Status        string `json:"status"` // PROCESSING, SUCCESS, CLOSED, ABNORMAL
	Reason        string `json:"reason,omitempty"`
	NotifyURL     string `json:"notify_url,omitempty"`
	Fen           int64  `json:"refund_fen"`
	TotalFen      int64  `json:"total_fen"`
	FeeBackFen    int64  `json:"fee_back_fen,omitempty"`
	ParamHash     string `json:"param_hash"`
	CreateMS      int64  `json:"create_ms"`
	SuccessMS     int64  `json:"success_ms,omitempty"`
	Plan          string `json:"plan,omitempty"` // a fault decided how it ends: ABNORMAL, CLOSED, PROCESSING
	Console       bool   `json:"console,omitempty"`
}

// Transfer is one merchant transfer, by out_bill_no.
type Transfer struct {
	OutBillNo   string `json:"out_bill_no"`
	BillNo      string `json:"transfer_bill_no"`
	State       string `json:"state"`
	FailReason  string `json:"fail_reason,omitempty"`
	AppID       string `json:"appid"`
	OpenID      string `json:"openid"`
	SceneID     string `json:"transfer_scene_id"`
	UserName    string `json:"user_name,omitempty"` // decrypted
	Remark      string `json:"transfer_remark"`
	NotifyURL   string `json:"notify_url,omitempty"`
	PackageInfo string `json:"package_info"`
	Fen         int64  `json:"transfer_fen"`
	ParamHash   string `json:"param_hash"`
	CreateMS    int64  `json:"create_ms"`
	UpdateMS    int64  `json:"update_ms"`
	ExpireMS    int64  `json:"expire_ms"`
	Locked      bool   `json:"locked"`                // its money has left the operating account
	Linger      string `json:"linger,omitempty"`      // a fault keeps it in this state
	FailPlan    string `json:"fail_plan,omitempty"`   // a fault decided that it fails when confirmed
	CancelPlan  string `json:"cancel_plan,omitempty"` // a fault decided that the confirmation wins against the cancel
}

// Flow is one movement of an account, never changed.
type Flow struct {
	Seq        int64  `json:"seq"`
	AtMS       int64  `json:"at_ms"`
	Account    string `json:"account"`
	Ref        string `json:"ref"`     // WeChat's number of what moved it
	Voucher    string `json:"voucher"` // the merchant's number
	Business   string `json:"business"`
	Fen        int64  `json:"fen"` // signed
	BalanceFen int64  `json:"balance_fen"`
}

// Notify is one notification and how its delivery went.
type Notify struct {
	ID       string          `json:"id"`
	Seq      int64           `json:"seq"`
	Event    string          `json:"event_type"`
	Summary  string          `json:"summary"`
	Kind     string          `json:"original_type"`
	Number   string          `json:"number"` // the number it is about: out_trade_no, out_refund_no, out_bill_no
	Group    string          `json:"group"`  // the order or bill that it belongs to
	URL      string          `json:"url"`
	Plain    json.RawMessage `json:"plain"`           // as it is sent
	True     json.RawMessage `json:"true,omitempty"`  // as it should be, when a fault tampered with it
	State    string          `json:"state"`           // pending, acked, undeliverable, suppressed, held, gave_up
	CreateMS int64           `json:"create_ms"`       // business clock
	Attempts []Attempt       `json:"attempts"`        // those that count for the schedule
	NextWall int64           `json:"next_wall_ms"`    // due by the wall clock …
	NextMS   int64           `json:"next_ms"`         // … or by the business clock, whichever comes first
	Quirks   NotifyQuirks    `json:"quirks,omitzero"` // what a fault asked for
	busy     chan struct{}   // closed when the delivery under way has ended; nil when there is none
}

// NotifyQuirks are the odd things a fault does around the delivery of a notification.
type NotifyQuirks struct {
	Mode     string `json:"mode,omitempty"`
	Copies   int    `json:"copies,omitempty"`
	Tamper   string `json:"tamper,omitempty"`
	Prelude  bool   `json:"prelude,omitempty"` // the malformed message that goes first is still to be sent
	ReplayMS int64  `json:"replay_ms,omitempty"`
}

// Attempt is one try to deliver.
type Attempt struct {
	WallMS int64  `json:"wall_ms"`
	Status int    `json:"status,omitempty"`
	Err    string `json:"err,omitempty"`
}

// Violation is a breach of the protocol by the client, or of an invariant by the simulator itself.
type Violation struct {
	WallMS int64  `json:"wall_ms"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// User is one simulated WeChat user of one app.
type User struct {
	OpenID   string `json:"openid"`
	AppID    string `json:"appid"`
	Name     string `json:"name"`
	RealName string `json:"real_name,omitempty"`
}

// SceneCode is one scene code that was asked for.
type SceneCode struct {
	Scene   string `json:"scene"`
	Page    string `json:"page"`
	Env     string `json:"env_version"`
	Payload string `json:"payload"`
}

// Message is one subscribe message that was accepted, as the demo's inbox shows it.
type Message struct {
	OpenID     string            `json:"openid"`
	TemplateID string            `json:"template_id"`
	Page       string            `json:"page,omitempty"`
	Data       map[string]string `json:"data"`
	AtMS       int64             `json:"at_ms"`
}

// Books are a copy of everything the simulator remembers, sorted by time.
type Books struct {
	NowMS      int64            `json:"now_ms"`
	Accounts   map[string]int64 `json:"accounts_fen"`
	Users      []User           `json:"users"`
	Orders     []Order          `json:"orders"`
	Refunds    []Refund         `json:"refunds"`
	Transfers  []Transfer       `json:"transfers"`
	Flows      []Flow           `json:"flows"`
	Notifies   []Notify         `json:"notifies"`
	Messages   []Message        `json:"messages"`
	Codes      []SceneCode      `json:"codes"`
	Violations []Violation      `json:"violations"`
}

// Books copies the books. It brings the time-driven parts to the present first.
func (s *Server) Books() Books {
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	b := Books{
		NowMS: s.now().UnixMilli(), Accounts: maps.Clone(s.balances), Flows: slices.Clone(s.flows),
		Messages: slices.Clone(s.messages), Codes: slices.Clone(s.codes), Violations: slices.Clone(s.violations),
	}
	for _, u := range s.users {
		b.Users = append(b.Users, *u)
	}
	for _, o := range s.orders {
		c := *o
		c.Prepays = slices.Clone(o.Prepays)
		if o.Ship != nil {
			sh := *o.Ship
			sh.Parcels = slices.Clone(sh.Parcels)
			c.Ship = &sh
		}
		b.Orders = append(b.Orders, c)
	}
	for _, r := range s.refunds {
		b.Refunds = append(b.Refunds, *r)
	}
	for _, t := range s.transfers {
		b.Transfers = append(b.Transfers, *t)
	}
	for _, n := range s.notifies {
		c := *n
		c.Attempts = slices.Clone(n.Attempts)
		b.Notifies = append(b.Notifies, c)
	}
	slices.SortFunc(b.Users, func(x, y User) int { return cmp.Compare(x.Name+x.AppID, y.Name+y.AppID) })
	slices.SortFunc(b.Orders, func(x, y Order) int { return byTime(x.CreateMS, y.CreateMS, x.OutTradeNo, y.OutTradeNo) })
	slices.SortFunc(b.Refunds, func(x, y Refund) int { return byTime(x.CreateMS, y.CreateMS, x.OutRefundNo, y.OutRefundNo) })
	slices.SortFunc(b.Transfers, func(x, y Transfer) int { return byTime(x.CreateMS, y.CreateMS, x.OutBillNo, y.OutBillNo) })
	slices.SortFunc(b.Notifies, func(x, y Notify) int { return cmp.Compare(x.Seq, y.Seq) })
	return b
}

func byTime(aMS, bMS int64, a, b string) int { return cmp.Or(cmp.Compare(aMS, bMS), cmp.Compare(a, b)) }

// move books fen (signed) on an account and refuses to take more than there is.
func (s *Server) move(f Flow) bool {
	bal := s.balances[f.Account] + f.Fen
	if bal < 0 {
		return false
	}
	f.Seq, f.AtMS, f.BalanceFen = int64(len(s.flows)+1), s.now().UnixMilli(), bal
	s.balances[f.Account] = bal
	s.flows = append(s.flows, f)
	s.touch(&s.flows[len(s.flows)-1])
	return true
}

// SetBalance puts an account ("BASIC" or "OPERATION") to fen, by a top-up or a withdrawal by the merchant.
func (s *Server) SetBalance(account string, fen int64) {
	s.lock()
	defer s.unlock()
	s.setBalance(account, fen)
}

func (s *Server) setBalance(account string, fen int64) {
	diff := fen - s.balances[account]
	if diff == 0 || fen < 0 {
		return
	}
	name := "充值"
	if diff < 0 {
		name = "提现"
	}
	no := s.ids.number("100", s.now())
	s.move(Flow{Account: account, Ref: no, Voucher: no, Business: name, Fen: diff})
}

// violate records a breach. The list is bounded: what matters is that it is not empty.
func (s *Server) violate(code, detail string) {
	if len(s.violations) >= listMax {
		return
	}
	v := Violation{WallMS: s.wall().UnixMilli(), Code: code, Detail: detail}
	s.violations = append(s.violations, v)
	s.touch(&s.violations[len(s.violations)-1])
	s.log.Warn("protocol violation", "code", code, "detail", detail)
}

// payTime shows business time the way WeChat Pay does: RFC3339 at +08:00.
func payTime(ms int64) string { return time.UnixMilli(ms).In(shopZone).Format(time.RFC3339) }

func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	cents := strconv.FormatInt(100+fen%100, 10)
	return sign + strconv.FormatInt(fen/100, 10) + "." + cents[1:]
}
