package wechat

import (
	"encoding/json"
	"fmt"
	"time"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
)

// The decrypted JSON of WeChat Pay, as notifications and answers have it. Pointers tell "not there" from zero.
type (
	paymentWire struct {
		AppID         string         `json:"appid,omitempty"`
		MchID         string         `json:"mchid,omitempty"`
		OutTradeNo    string         `json:"out_trade_no"`
		TransactionID string         `json:"transaction_id,omitempty"`
		TradeState    string         `json:"trade_state"`
		Attach        string         `json:"attach,omitempty"`
		SuccessTime   string         `json:"success_time,omitempty"`
		Payer         *payerWire     `json:"payer,omitempty"`
		Amount        *paymentAmount `json:"amount,omitempty"`
	}
	payerWire struct {
		OpenID string `json:"openid"`
	}
	paymentAmount struct {
		Total      int64  `json:"total"`
		PayerTotal int64  `json:"payer_total"`
		Currency   string `json:"currency,omitempty"`
	}
	refundWire struct {
		MchID         string        `json:"mchid,omitempty"`
		OutRefundNo   string        `json:"out_refund_no"`
		RefundID      string        `json:"refund_id,omitempty"`
		TransactionID string        `json:"transaction_id,omitempty"`
		OutTradeNo    string        `json:"out_trade_no,omitempty"`
		RefundStatus  string        `json:"refund_status,omitempty"` // notifications
		Status        string        `json:"status,omitempty"`        // answers
		SuccessTime   string        `json:"success_time,omitempty"`
		Amount        *refundAmount `json:"amount"`
	}
	refundAmount struct {
		Refund int64 `json:"refund"`
		Total  int64 `json:"total"`
	}
	transferWire struct {
		MchID          string `json:"mch_id,omitempty"` // with an underscore here, without elsewhere
		OutBillNo      string `json:"out_bill_no"`
		TransferBillNo string `json:"transfer_bill_no,omitempty"`
		State          string `json:"state"`
		TransferAmount int64  `json:"transfer_amount,omitempty"`
		OpenID         string `json:"openid,omitempty"`
		PackageInfo    string `json:"package_info,omitempty"`
		FailReason     string `json:"fail_reason,omitempty"`
		CreateTime     string `json:"create_time,omitempty"`
		UpdateTime     string `json:"update_time,omitempty"`
	}
)

// DecodePayment reads a payment from decrypted JSON. The error is ErrMalformed.
func DecodePayment(plain []byte) (Payment, error) {
	var w paymentWire
	if err := json.Unmarshal(plain, &w); err != nil {
		return Payment{}, malformed("payment", err)
	}
	p := Payment{AppID: w.AppID, MchID: w.MchID, OutTradeNo: w.OutTradeNo, TransactionID: w.TransactionID,
		State: PaymentState(w.TradeState), Attach: w.Attach}
	if w.Payer != nil {
		p.OpenID = w.Payer.OpenID
	}
	if w.Amount != nil {
		p.Total, p.PayerTotal, p.Currency = money.Fen(w.Amount.Total), money.Fen(w.Amount.PayerTotal), w.Amount.Currency
	}
	if p.OutTradeNo == "" || p.State == "" {
		return Payment{}, fmt.Errorf("%w: payment without number or state", ErrMalformed)
	}
	if p.State.Paid() && (w.Amount == nil || p.TransactionID == "") {
		return Payment{}, fmt.Errorf("%w: paid payment without amount or transaction", ErrMalformed)
	}
	var err error
	if p.SuccessAt, err = parseTime(w.SuccessTime); err != nil {
		return Payment{}, malformed("payment", err)
	}
	if err := checkAmounts("payment", p.Total, p.PayerTotal); err != nil {
		return Payment{}, err
	}
	return p, nil
}

// EncodePayment is the inverse of DecodePayment, so that our own query's answer can go the way of a notification.
func EncodePayment(p Payment) []byte {
	w := paymentWire{AppID: p.AppID, MchID: p.MchID, OutTradeNo: p.OutTradeNo, TransactionID: p.TransactionID,
		TradeState: string(p.State), Attach: p.Attach, SuccessTime: formatTime(p.SuccessAt)}
	if p.OpenID != "" {
		w.Payer = &payerWire{p.OpenID}
	}
	if p.Total != 0 || p.PayerTotal != 0 || p.Currency != "" || p.State.Paid() {
		w.Amount = &paymentAmount{int64(p.Total), int64(p.PayerTotal), p.Currency}
	}
	return encode(w)
}

// DecodeRefund reads a refund from decrypted JSON. The error is ErrMalformed.
func DecodeRefund(plain []byte) (Refund, error) {
	var w refundWire
	if err := json.Unmarshal(plain, &w); err != nil {
		return Refund{}, malformed("refund", err)
	}
	if w.RefundStatus == "" {
		w.RefundStatus = w.Status
	}
	if w.OutRefundNo == "" || w.RefundStatus == "" || w.Amount == nil {
		return Refund{}, fmt.Errorf("%w: refund without number, state or amount", ErrMalformed)
	}
	at, err := parseTime(w.SuccessTime)
	if err != nil {
		return Refund{}, malformed("refund", err)
	}
	r := Refund{MchID: w.MchID, OutRefundNo: w.OutRefundNo, RefundID: w.RefundID, TransactionID: w.TransactionID,
		OutTradeNo: w.OutTradeNo, State: RefundState(w.RefundStatus), Amount: money.Fen(w.Amount.Refund),
		Total: money.Fen(w.Amount.Total), SuccessAt: at}
	if err := checkAmounts("refund", r.Amount, r.Total); err != nil {
		return Refund{}, err
	}
	return r, nil
}

// EncodeRefund is the inverse of DecodeRefund.
func EncodeRefund(r Refund) []byte {
	return encode(refundWire{MchID: r.MchID, OutRefundNo: r.OutRefundNo, RefundID: r.RefundID,
		TransactionID: r.TransactionID, OutTradeNo: r.OutTradeNo, RefundStatus: string(r.State),
		SuccessTime: formatTime(r.SuccessAt), Amount: &refundAmount{int64(r.Amount), int64(r.Total)}})
}

// DecodeTransfer reads a transfer from decrypted JSON. The error is ErrMalformed.
func DecodeTransfer(plain []byte) (Transfer, error) {
	var w transferWire
	if err := json.Unmarshal(plain, &w); err != nil {
		return Transfer{}, malformed("transfer", err)
	}
	if w.OutBillNo == "" || w.State == "" {
		return Transfer{}, fmt.Errorf("%w: transfer without number or state", ErrMalformed)
	}
	t := Transfer{MchID: w.MchID, OutBillNo: w.OutBillNo, TransferBillNo: w.TransferBillNo, State: TransferState(w.State),
		Amount: money.Fen(w.TransferAmount), OpenID: w.OpenID, PackageInfo: w.PackageInfo, FailReason: w.FailReason}
	var err error
	if t.CreatedAt, err = parseTime(w.CreateTime); err != nil {
		return Transfer{}, malformed("transfer", err)
	}
	if t.UpdatedAt, err = parseTime(w.UpdateTime); err != nil {
		return Transfer{}, malformed("transfer", err)
	}
	if err := checkAmounts("transfer", t.Amount); err != nil {
		return Transfer{}, err
	}
	return t, nil
}

// EncodeTransfer is the inverse of DecodeTransfer.
func EncodeTransfer(t Transfer) []byte {
	return encode(transferWire{MchID: t.MchID, OutBillNo: t.OutBillNo, TransferBillNo: t.TransferBillNo,
		State: string(t.State), TransferAmount: int64(t.Amount), OpenID: t.OpenID, PackageInfo: t.PackageInfo,
		FailReason: t.FailReason, CreateTime: formatTime(t.CreatedAt), UpdateTime: formatTime(t.UpdatedAt)})
}

// malformed keeps the texts of the JSON and time packages out of the error: they quote what they could not read, which
// may be somebody's openid.
func malformed(what string, cause error) error {
	return fmt.Errorf("%w: %s: %T", ErrMalformed, what, cause)
}

func checkAmounts(what string, amounts ...money.Fen) error {
	for _, f := range amounts {
		if err := money.Check(f); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
		}
	}
	return nil
}

// parseTime reads RFC 3339 with or without milliseconds; empty is the zero time. Times are kept to the millisecond, as
// the database has them.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, err
	}
	t = t.UTC().Truncate(time.Millisecond)
	if t.Year() < 2000 || t.Year() > 9998 {
		return time.Time{}, fmt.Errorf("year %d", t.Year())
	}
	return t, nil
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(clock.Shop).Format("2006-01-02T15:04:05.999Z07:00")
}

// encode cannot fail: the wire structs hold texts and whole numbers only.
func encode(wire any) []byte {
	b, err := json.Marshal(wire)
	if err != nil {
		panic(fmt.Sprintf("wechat: encode %T: %v", wire, err))
	}
	return b
}
