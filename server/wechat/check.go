package wechat

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode/utf8"

	"fenxiao/server/base/money"
)

// Lengths that WeChat Pay documents. Where it does not say of what, bytes are counted, which is the stricter way.
const (
	DescriptionBytesMax   = 127
	AttachBytesMax        = 128
	ReasonBytesMax        = 80
	RemarkRunesMax        = 32
	ReportTypeRunesMax    = 15
	ReportContentRunesMax = 32
	notifyURLBytesMax     = 255
)

// Fit cuts a text to at most max bytes without breaking a character, for Description, Attach and Reason.
func Fit(text string, max int) string {
	if len(text) <= max {
		return text
	}
	for max > 0 && !utf8.RuneStart(text[max]) {
		max--
	}
	return text[:max]
}

// Check says what WeChat would refuse about the request. The error is ErrInput.
func (r PrepayRequest) Check() error {
	switch {
	case !isNumber(r.OutTradeNo, 6, 32, "_-|*"):
		return fmt.Errorf("%w: out_trade_no %.40q", ErrInput, r.OutTradeNo)
	case r.Description == "" || len(r.Description) > DescriptionBytesMax:
		return fmt.Errorf("%w: a description has 1 to %d bytes, not %d", ErrInput, DescriptionBytesMax, len(r.Description))
	case len(r.Attach) > AttachBytesMax:
		return fmt.Errorf("%w: attach has %d bytes", ErrInput, len(r.Attach))
	case r.Total < 1 || r.Total > money.Max:
		return fmt.Errorf("%w: total of %d fen", ErrInput, int64(r.Total))
	case r.OpenID == "":
		return fmt.Errorf("%w: no payer", ErrInput)
	}
	return checkNotifyURL(r.NotifyURL)
}

// Check says what WeChat would refuse about the request. The error is ErrInput.
func (r RefundRequest) Check() error {
	switch {
	case r.TransactionID == "":
		return fmt.Errorf("%w: a refund of no transaction", ErrInput)
	case !isNumber(r.OutRefundNo, 1, 64, "_-|*@"):
		return fmt.Errorf("%w: out_refund_no %.70q", ErrInput, r.OutRefundNo)
	case len(r.Reason) > ReasonBytesMax:
		return fmt.Errorf("%w: reason has %d bytes", ErrInput, len(r.Reason))
	case r.Amount < 1 || r.Amount > r.Total || r.Total > money.Max:
		return fmt.Errorf("%w: refund of %d out of %d fen", ErrInput, int64(r.Amount), int64(r.Total))
	}
	return checkNotifyURL(r.NotifyURL)
}

// Check says what WeChat would refuse about the request. The error is ErrInput.
func (r TransferRequest) Check() error {
	switch {
	case !isNumber(r.OutBillNo, 1, 32, ""):
		return fmt.Errorf("%w: out_bill_no %.40q", ErrInput, r.OutBillNo)
	case r.OpenID == "":
		return fmt.Errorf("%w: no payee", ErrInput)
	case r.Amount < 1 || r.Amount > money.Max:
		return fmt.Errorf("%w: transfer of %d fen", ErrInput, int64(r.Amount))
	case r.Amount >= TransferNameRequired && r.UserName == "":
		return fmt.Errorf("%w: a transfer of %d fen needs the payee's name", ErrInput, int64(r.Amount))
	case r.Remark == "" || utf8.RuneCountInString(r.Remark) > RemarkRunesMax:
		return fmt.Errorf("%w: a remark has 1 to %d characters", ErrInput, RemarkRunesMax)
	case r.SceneID == "" || len(r.ReportInfos) == 0:
		return fmt.Errorf("%w: a transfer needs a scene and its reports", ErrInput)
	}
	for _, info := range r.ReportInfos {
		if info.Type == "" || utf8.RuneCountInString(info.Type) > ReportTypeRunesMax ||
			info.Content == "" || utf8.RuneCountInString(info.Content) > ReportContentRunesMax {
			return fmt.Errorf("%w: report %.50q is empty or too long", ErrInput, info.Type)
		}
	}
	return checkNotifyURL(r.NotifyURL)
}

func isNumber(s string, shortest, longest int, punctuation string) bool {
	if len(s) < shortest || len(s) > longest {
		return false
	}
	for _, c := range []byte(s) {
		if !isAlphanumeric(c) && strings.IndexByte(punctuation, c) < 0 {
			return false
		}
	}
	return true
}

// checkNotifyURL takes https anywhere and http to this machine, where only the simulator can be; WeChat does not take
// a query, because it would not be part of what is signed.
func checkNotifyURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || len(s) > notifyURLBytesMax || u.Host == "" || strings.ContainsAny(s, "?#") || u.User != nil {
		return fmt.Errorf("%w: a notify_url is an https address without a query, at most %d bytes long", ErrInput, notifyURLBytesMax)
	}
	if u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%w: a notify_url has to be https", ErrInput)
}

// IsLoopback says whether a host is this machine by name or address.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
