package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// How a reply's or a notification's proof can be flawed (Action.Sig).
const (
	SigWrong         = "wrong"
	SigMissing       = "missing"
	SigStale         = "stale"
	SigUnknownSerial = "unknown_serial"
	SigCert          = "cert"
)

// Fault makes something go wrong when Match fits.
type Fault struct {
	ID     int64  `json:"id"`
	Match  Match  `json:"match"`
	Action Action `json:"action"`
	Seen   int    `json:"seen"`  // how often Match fitted
	Fired  int    `json:"fired"` // how often Action was taken

	path, number *regexp.Regexp
	rnd          *source
}

// Match says which requests or notifications a fault is for. Empty fields fit everything. A notification has the
// method NOTIFY and its event type as the path.
type Match struct {
	Method  string `json:"method,omitempty"`
	Path    string `json:"path,omitempty"`    // regular expression
	Number  string `json:"number,omitempty"`  // regular expression on out_trade_no, out_refund_no, out_bill_no, scene, …
	Nth     int    `json:"nth,omitempty"`     // from the nth fit on; 0 = 1
	Times   int    `json:"times,omitempty"`   // how often at most; 0 = without end
	Percent int    `json:"percent,omitempty"` // how likely; 0 = always
	Seed    uint64 `json:"seed,omitempty"`    // of the draw
}

// Action is what a fault does. Several fields may be set.
type Action struct {
	When         string `json:"when,omitempty"`     // "before" (default) or "after" the request took effect
	DelayMS      int    `json:"delay_ms,omitempty"` // answer late, by wall time
	Hang         bool   `json:"hang,omitempty"`     // never answer
	Drop         bool   `json:"drop,omitempty"`     // close the connection
	TruncateBody bool   `json:"truncate_body,omitempty"`
	Status       int    `json:"status,omitempty"` // 500 SYSTEM_ERROR; 502, 503, 504 as an HTML page
	Code         string `json:"code,omitempty"`   // a WeChat Pay refusal; its HTTP status follows unless Status is set
	Message      string `json:"message,omitempty"`
	ErrCode      int    `json:"errcode,omitempty"` // a mini-program refusal
	Sig          string `json:"sig,omitempty"`     // see Sig…

	Notify        string `json:"notify,omitempty"`          // see Notify…
	NotifyN       int    `json:"notify_n,omitempty"`        // how many copies; 0 = 2
	NotifyDelayMS int    `json:"notify_delay_ms,omitempty"` // for delay
	NotifyTamper  string `json:"notify_tamper,omitempty"`   // see Tamper…

	User               string `json:"user,omitempty"`                 // see User…
	TransferState      string `json:"transfer_state,omitempty"`       // stay in ACCEPTED, PROCESSING, TRANSFERING or CANCELING until cleared
	TransferFailReason string `json:"transfer_fail_reason,omitempty"` // end in FAIL when confirmed
	ExpireLagMS        int64  `json:"expire_lag_ms,omitempty"`        // close so much later than 24 h
	RefundResult       string `json:"refund_result,omitempty"`        // ABNORMAL, CLOSED, or PROCESSING for ever

	ExpiresIn     int    `json:"expires_in,omitempty"` // life of access tokens, seconds
	QR            string `json:"qr,omitempty"`         // png, empty, json_image
	ShipUnknownMS int64  `json:"ship_unknown_ms,omitempty"`
	Bill          string `json:"bill,omitempty"` // see Bill…

	// These act at once, or as long as the fault stands.
	Balance        map[string]int64 `json:"balance,omitempty"`          // account → fen
	RevokeToken    bool             `json:"revoke_token,omitempty"`     // now
	RotateCert     bool             `json:"rotate_cert,omitempty"`      // now
	KeyGrayPercent int              `json:"key_gray_percent,omitempty"` // of notifications signed with the certificate
	ClockSkewS     int              `json:"clock_skew_s,omitempty"`     // WeChat's clock is so far ahead
}

// What can happen to a notification (Action.Notify).
const (
	NotifyNever           = "never"
	NotifyDuplicate       = "duplicate"  // n copies one after the other
	NotifyConcurrent      = "concurrent" // n copies at once
	NotifyDelay           = "delay"
	NotifyBeforeResponse  = "before_response"
	NotifyOutOfOrder      = "out_of_order"     // only after the next one about the same order or bill
	NotifyReplay          = "replay"           // the same bytes and proof once more, after NotifyDelayMS
	NotifyProbe           = "probe"            // a WECHATPAY/SIGNTEST/ probe goes first
	NotifyMissingResource = "missing_resource" // a validly signed message without resource goes first
	NotifyShortNonce      = "short_nonce"      // a validly signed message with a nonce of 8 goes first
)

// How a validly signed notification can lie (Action.NotifyTamper).
const (
	TamperAmountPlus  = "amount_plus"
	TamperAmountMinus = "amount_minus"
	TamperAppID       = "appid"
	TamperMchID       = "mchid"
	TamperOpenID      = "openid"
	TamperNumber      = "number" // an unknown out_trade_no, out_refund_no or out_bill_no
	TamperCurrency    = "currency"
)

// What the user does (Action.User).
const (
	UserNeverConfirms       = "never_confirms"
	UserConfirmsAfterCancel = "confirms_after_cancel" // the confirmation wins against a cancel under way
	UserPaysDuringClose     = "pays_during_close"
	UserPaysTwice           = "pays_twice"
)

// AddFault switches a fault on. It is an error if a pattern is no regular expression.
func (s *Server) AddFault(f Fault) error {
	var err error
	if f.path, err = regexp.Compile(f.Match.Path); err != nil {
		return fmt.Errorf("read path pattern: %w", err)
	}
	if f.number, err = regexp.Compile(f.Match.Number); err != nil {
		return fmt.Errorf("read number pattern: %w", err)
	}
	f.rnd = newSource(f.Match.Seed)
	if f.Action.RotateCert {
		if err := s.rotateCert(); err != nil {
			return err
		}
	}
	s.lock()
	defer s.unlock()
	s.faultSeq++
	f.ID, f.Seen, f.Fired = s.faultSeq, 0, 0
	s.faults = append(s.faults, &f)
	for account, fen := range f.Action.Balance {
		s.setBalance(account, fen)
	}
	if f.Action.RevokeToken {
		s.mini.revoke()
	}
	return nil
}

// Faults lists the faults that are on, with how often they fired.
func (s *Server) Faults() []Fault {
	s.lock()
	defer s.unlock()
	out := make([]Fault, len(s.faults))
	for i, f := range s.faults {
		out[i] = *f
	}
	return out
}

// ClearFaults switches all faults off. What they kept waiting goes on.
func (s *Server) ClearFaults() {
	s.lock()
	defer s.unlock()
	s.faults = nil
	s.releaseHeld()
}

// draw finds the first fault that fits, has an action for this stage, and is due. Call it under the lock.
func (s *Server) draw(method, path, number string, stage func(Action) bool) *Action {
	for _, f := range s.faults {
		m := f.Match
		if !stage(f.Action) || m.Method != "" && m.Method != method ||
			!f.path.MatchString(path) || m.Number != "" && !f.number.MatchString(number) {
			continue
		}
		f.Seen++
		if f.Seen < m.Nth || m.Times > 0 && f.Fired >= m.Times || m.Percent > 0 && f.rnd.percent() >= m.Percent {
			continue
		}
		f.Fired++
		a := f.Action
		return &a
	}
	return nil
}

func onRequest(a Action) bool {
	return a.DelayMS > 0 || a.Hang || a.Drop || a.TruncateBody || a.Status > 0 || a.Code != "" || a.ErrCode != 0 ||
		a.Sig != "" && a.Notify == "" && a.NotifyTamper == ""
}

// requestFault draws the fault of a request; its number is looked for in the body and the path.
func (s *Server) requestFault(r *http.Request, raw []byte) *Action {
	s.lock()
	defer s.unlock()
	if len(s.faults) == 0 {
		return nil
	}
	return s.draw(r.Method, r.URL.Path, numberOf(r, raw), onRequest)
}

// numberOf finds the number that a request is about.
func numberOf(r *http.Request, raw []byte) string {
	for _, k := range []string{"out_trade_no", "out_refund_no", "out_bill_no", "no"} {
		if v := r.PathValue(k); v != "" {
			return v
		}
	}
	if v := r.URL.Query().Get("js_code"); v != "" {
		return v
	}
	var body struct {
		OutBillNo   string `json:"out_bill_no"`
		OutRefundNo string `json:"out_refund_no"`
		OutTradeNo  string `json:"out_trade_no"`
		Scene       string `json:"scene"`
		Order       struct {
			OutTradeNo    string `json:"out_trade_no"`
			TransactionID string `json:"transaction_id"`
		} `json:"order_key"`
	}
	_ = json.Unmarshal(raw, &body) // a body that is no JSON has no number
	for _, v := range []string{body.OutBillNo, body.OutRefundNo, body.OutTradeNo, body.Scene, body.Order.OutTradeNo, body.Order.TransactionID} {
		if v != "" {
			return v
		}
	}
	return ""
}

var statusOf = map[string]int{
	"FREQUENCY_LIMITED": 429, "FREQUENCY_LIMIT_EXCEED": 429, "FREQUENCY_LIMIT": 429, "RATELIMIT_EXCEEDED": 429,
	"NOT_ENOUGH": 403, "NO_AUTH": 403, "RULE_LIMIT": 403, "TRADE_ERROR": 403, "OUT_TRADE_NO_USED": 403,
	"ACCOUNT_ERROR": 403, "USER_ACCOUNT_ABNORMAL": 403, "SIGN_ERROR": 401, "NOT_FOUND": 404, "ORDER_NOT_EXIST": 404,
	"RESOURCE_NOT_EXISTS": 404, "SYSTEM_ERROR": 500, "BANK_ERROR": 500,
}

// before plays a fault that comes before the effect. False means that the exchange is over.
func (x *exchange) before() bool {
	if x.fault == nil || x.fault.When == "after" {
		return true
	}
	return x.play()
}

// after plays a fault that comes after the effect: the request was executed and its caller does not learn it.
func (x *exchange) after() bool {
	if x.fault == nil || x.fault.When != "after" {
		return true
	}
	return x.play()
}

const hangMax = 2 * time.Minute

func (x *exchange) play() bool {
	a := x.fault
	if a.DelayMS > 0 {
		x.wait(time.Duration(a.DelayMS) * time.Millisecond)
	}
	switch {
	case a.Hang:
		x.wait(hangMax)
		panic(http.ErrAbortHandler)
	case a.Drop:
		panic(http.ErrAbortHandler)
	case a.Code != "":
		status := a.Status
		if status == 0 {
			status = 400
			if known, ok := statusOf[a.Code]; ok {
				status = known
			}
		}
		x.fail(&payError{status, a.Code, orText(a.Message, "模拟的错误")})
	case a.ErrCode != 0:
		x.failMini(miniError{a.ErrCode, a.Message})
	case a.Status >= 502:
		x.w.Header().Set("Content-Type", "text/html")
		x.send(a.Status, []byte("<html><body><h1>"+http.StatusText(a.Status)+"</h1></body></html>"))
	case a.Status > 0:
		x.fail(&payError{a.Status, "SYSTEM_ERROR", orText(a.Message, "系统异常，请使用相同参数重试")})
	default:
		return true
	}
	return false
}

// wait pauses until d passed, the client left or the server closes.
func (x *exchange) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-x.r.Context().Done():
	case <-x.s.done:
	}
}

func orText(s, other string) string {
	if strings.TrimSpace(s) == "" {
		return other
	}
	return s
}

// clockSkew is how far ahead WeChat's clock is. Call it under the lock.
func (s *Server) clockSkew() time.Duration {
	for _, f := range s.faults {
		if f.Action.ClockSkewS != 0 {
			return time.Duration(f.Action.ClockSkewS) * time.Second
		}
	}
	return 0
}
