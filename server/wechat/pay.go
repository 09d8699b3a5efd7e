package wechat

import (
	"time"

	"fenxiao/server/base/money"
)

// Account is the two names that every payment, refund and transfer of ours carries.
type Account struct {
	AppID string
	MchID string
}

// PrepayRequest opens a payment. The caller stores it whole, because WeChat wants every repetition to be the same.
type PrepayRequest struct {
	OutTradeNo  string // our number: 6 to 32 of 0-9 A-Z a-z _ - | *
	Description string // at most 127 bytes, shown to the buyer
	Total       money.Fen
	OpenID      string    // who pays
	ExpiresAt   time.Time // whole seconds, at least a minute ahead; zero leaves WeChat's default of seven days
	NotifyURL   string    // https, without a query
	Attach      string    // at most 128 bytes, comes back in the notification; may be empty
}

// PayParams is the argument of wx.requestPayment. Its success is no proof of payment.
type PayParams struct {
	AppID     string `json:"appId"`
	TimeStamp string `json:"timeStamp"` // seconds, as text
	NonceStr  string `json:"nonceStr"`
	Package   string `json:"package"` // prepay_id=…
	SignType  string `json:"signType"`
	PaySign   string `json:"paySign"`
}

// PaymentState is WeChat's word for how a payment stands.
type PaymentState string

const (
	PaymentNotPay   PaymentState = "NOTPAY"
	PaymentSuccess  PaymentState = "SUCCESS"
	PaymentRefund   PaymentState = "REFUND" // was paid, and something of it was refunded
	PaymentClosed   PaymentState = "CLOSED" // not paid, and never will be
	PaymentRevoked  PaymentState = "REVOKED"
	PaymentPaying   PaymentState = "USERPAYING"
	PaymentPayError PaymentState = "PAYERROR"
)

// Paid says whether the money was taken, also if part or all went back since.
func (s PaymentState) Paid() bool { return s == PaymentSuccess || s == PaymentRefund }

// Final says whether the payment will never be made, or was.
func (s PaymentState) Final() bool { return s.Paid() || s == PaymentClosed || s == PaymentRevoked }

// Payment is how a payment stands. What an unpaid one does not have is empty.
type Payment struct {
	AppID         string
	MchID         string
	OutTradeNo    string
	TransactionID string
	State         PaymentState
	Total         money.Fen // the price; compare this one
	PayerTotal    money.Fen // what the buyer gave, less by coupons
	Currency      string    // CNY
	OpenID        string
	Attach        string
	SuccessAt     time.Time // zero until paid
}

// RefundRequest gives money back.
type RefundRequest struct {
	TransactionID string // WeChat's number of the payment
	OutRefundNo   string // our number: 1 to 64 of 0-9 A-Z a-z _ - | * @
	Reason        string // at most 80 bytes, shown to the buyer; may be empty
	Amount        money.Fen
	Total         money.Fen // the payment's total, not what is left of it
	NotifyURL     string
}

// RefundState is WeChat's word for how a refund stands.
type RefundState string

const (
	RefundProcessing RefundState = "PROCESSING"
	RefundSuccess    RefundState = "SUCCESS"
	RefundClosed     RefundState = "CLOSED"   // nothing went back; a new number may be used
	RefundAbnormal   RefundState = "ABNORMAL" // the buyer's card cannot take it; the money is still owed, somebody has to act
)

// Final says whether WeChat will do no more on its own.
func (s RefundState) Final() bool {
	return s == RefundSuccess || s == RefundClosed || s == RefundAbnormal
}

// Refund is how a refund stands.
type Refund struct {
	MchID         string // empty in answers, set in notifications
	OutRefundNo   string
	RefundID      string // WeChat's number
	TransactionID string
	OutTradeNo    string
	State         RefundState
	Amount        money.Fen // of this refund
	Total         money.Fen // of the payment
	SuccessAt     time.Time // zero until it succeeded
}

// When a payee's name may and must be sent with a transfer.
const (
	TransferNameFrom     money.Fen = 30      // below it WeChat does not take a name
	TransferNameRequired money.Fen = 200_000 // from here on it insists
)

// SceneCommission is the transfer scene for commissions (佣金报酬). It wants exactly two reports, named ReportJob and
// ReportPay.
const (
	SceneCommission = "1005"
	ReportJob       = "岗位类型"
	ReportPay       = "报酬说明"
)

// TransferRequest sends money to a user. Every repetition must be the same.
type TransferRequest struct {
	OutBillNo   string // our number: 1 to 32 letters and digits
	OpenID      string
	Amount      money.Fen
	UserName    string // the payee's real name in plain text; left out below TransferNameFrom, required from TransferNameRequired
	Remark      string // at most 32 characters, shown to the user
	SceneID     string // SceneCommission
	ReportInfos []ReportInfo
	NotifyURL   string
}

// ReportInfo tells WeChat what a transfer is for, as its scene demands.
type ReportInfo struct {
	Type    string // at most 15 characters
	Content string // at most 32 characters
}

// TransferState is WeChat's word for how a transfer stands.
type TransferState string

const (
	TransferAccepted    TransferState = "ACCEPTED"
	TransferProcessing  TransferState = "PROCESSING"
	TransferWaitConfirm TransferState = "WAIT_USER_CONFIRM" // the user has to confirm
	TransferPaying      TransferState = "TRANSFERING"       // spelled like this on the wire
	TransferCanceling   TransferState = "CANCELING"
	TransferSuccess     TransferState = "SUCCESS"
	TransferFail        TransferState = "FAIL"
	TransferCancelled   TransferState = "CANCELLED"
)

// Final says whether the transfer is over: the user has the money, or it is back with us.
func (s TransferState) Final() bool {
	return s == TransferSuccess || s.Returned()
}

// Returned says whether the money is certainly back with us. Only then may a new number be used.
func (s TransferState) Returned() bool { return s == TransferFail || s == TransferCancelled }

// FailOverdue is the FailReason of a transfer that was not confirmed in time.
const FailOverdue = "OVERDUE_CLOSE"

// Transfer is how a transfer stands.
type Transfer struct {
	MchID          string // empty in the answers to Transfer and CancelTransfer
	OutBillNo      string
	TransferBillNo string // WeChat's number
	State          TransferState
	Amount         money.Fen // 0 in the answers to Transfer and CancelTransfer, which do not repeat it
	OpenID         string    // likewise empty
	PackageInfo    string    // for wx.requestMerchantTransfer, unmodified; only from Transfer while the user has to confirm
	FailReason     string    // an open set of codes
	CreatedAt      time.Time
	UpdatedAt      time.Time
}
