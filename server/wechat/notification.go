package wechat

import (
	"errors"
	"time"
)

// NotificationKind is what a notification is about.
type NotificationKind string

const (
	PaymentEvent  NotificationKind = "payment"  // Plain is for DecodePayment
	RefundEvent   NotificationKind = "refund"   // Plain is for DecodeRefund
	TransferEvent NotificationKind = "transfer" // Plain is for DecodeTransfer
	OtherEvent    NotificationKind = "other"    // something we did not ask for: keep it, acknowledge it
)

// Notification is a verified and decrypted message from WeChat Pay.
type Notification struct {
	ID        string // WeChat's, usually the same when it is sent again; at most NotificationIDMax bytes
	EventType string // like TRANSACTION.SUCCESS
	Kind      NotificationKind
	At        time.Time // when WeChat made it
	Plain     []byte    // the decrypted JSON, to be stored whole
}

// NotificationIDMax bounds Notification.ID, in bytes.
const NotificationIDMax = 64

// NotificationBytesMax bounds the body of a notification; the door that reads it applies the bound too.
const NotificationBytesMax = 64 << 10

var (
	// ErrBadSignature says that a notification is not provably from WeChat: a wrong, old or missing signature, or a key
	// we do not know (yet). Answer 5xx, so that it is sent again.
	ErrBadSignature = errors.New("wechat: notification is not signed by a key we know")

	// ErrSignProbe says that WeChat is testing whether signatures are verified. Answer 4xx and raise no alarm.
	ErrSignProbe = errors.New("wechat: notification is a signature probe")

	// ErrMalformed says that WeChat signed something that cannot be read.
	ErrMalformed = errors.New("wechat: message cannot be read")
)
