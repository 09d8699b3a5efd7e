package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"

	"fenxiao/server/base/clock"
	"fenxiao/server/wechat"
)

// probePrefix begins the signature of WeChat's test whether we verify at all.
const probePrefix = "WECHATPAY/SIGNTEST/"

// signatureType is the one kind of signature there is; a notification may leave it out.
const signatureType = "WECHATPAY2-SHA256-RSA2048"

// ParseNotification verifies and decrypts a notification. The library's errors hold the whole request and are dropped.
func (p *pay) ParseNotification(ctx context.Context, header http.Header, body []byte) (wechat.Notification, error) {
	if len(body) > wechat.NotificationBytesMax {
		return wechat.Notification{}, fmt.Errorf("%w: not looked at, it has %d bytes", wechat.ErrBadSignature, len(body))
	}
	if strings.HasPrefix(strings.TrimSpace(header.Get("Wechatpay-Signature")), probePrefix) {
		return wechat.Notification{}, wechat.ErrSignProbe
	}
	if kind := header.Get("Wechatpay-Signature-Type"); kind != "" && kind != signatureType {
		return wechat.Notification{}, wechat.ErrBadSignature
	}
	if err := p.signed.Validate(ctx, notifyRequest(header, body)); err != nil {
		return wechat.Notification{}, wechat.ErrBadSignature
	}
	message, err := p.open(ctx, header, body)
	if err != nil {
		return wechat.Notification{}, err
	}
	if message.ID == "" || len(message.ID) > wechat.NotificationIDMax {
		return wechat.Notification{}, fmt.Errorf("%w: id of %d bytes", wechat.ErrMalformed, len(message.ID))
	}
	n := wechat.Notification{ID: message.ID, EventType: message.EventType,
		Kind: kindOf(message.EventType, message.Resource.OriginalType), At: clock.Wall(), Plain: []byte(message.Resource.Plaintext)}
	if message.CreateTime != nil {
		n.At = message.CreateTime.UTC()
	}
	return n, nil
}

// open decrypts a notification whose signature was found good. The library panics on a missing resource or a nonce of
// another length, and a signature is no promise that the content is whole.
func (p *pay) open(ctx context.Context, header http.Header, body []byte) (message *notify.Request, err error) {
	defer func() {
		if trouble := recover(); trouble != nil {
			message, err = nil, fmt.Errorf("%w: no resource that can be decrypted", wechat.ErrMalformed)
		}
	}()
	var plain json.RawMessage
	message, err = p.notifies.ParseNotifyRequest(ctx, notifyRequest(header, body), &plain)
	if err != nil {
		return nil, fmt.Errorf("%w: its envelope or its encryption is wrong", wechat.ErrMalformed)
	}
	return message, nil
}

// notifyRequest is the form in which the library wants a notification.
func notifyRequest(header http.Header, body []byte) *http.Request {
	return &http.Request{Method: http.MethodPost, Header: header, Body: io.NopCloser(bytes.NewReader(body))}
}

func kindOf(eventType, originalType string) wechat.NotificationKind {
	switch {
	case strings.HasPrefix(eventType, "TRANSACTION.") && originalType == "transaction":
		return wechat.PaymentEvent
	case strings.HasPrefix(eventType, "REFUND."):
		return wechat.RefundEvent
	case strings.HasPrefix(eventType, "MCHTRANSFER.BILL."):
		return wechat.TransferEvent
	default:
		return wechat.OtherEvent
	}
}
