// Package wechat is what the shop needs from WeChat: a few calls as small interfaces, and plain values. The real one is
// in wechat/live, a stand-in that speaks the same wire in wechat/sim.
//
// Every call that moves money carries a number which the caller minted and stored before the first try and keeps for
// all tries. An error says by its Class what may be done next; when in doubt it is Unknown, and the answer to Unknown
// is to ask by number, never to try another number.
package wechat

import (
	"context"
	"net/http"
)

// Mini is the mini-program's side: log-in, scene codes and the order shipping duty.
type Mini interface {
	// Login turns the code of wx.login into who the user is. A code works once and for five minutes; BadLoginCode
	// tells a wrong code from other trouble. The session key stays on the server and is not returned.
	Login(ctx context.Context, code string) (Session, error)

	// SceneCode draws a mini-program code and returns it as JPEG.
	SceneCode(ctx context.Context, c SceneCode) ([]byte, error)

	// UploadShipping tells WeChat that a paid order was sent. For some seconds after a payment WeChat does not know
	// the order yet and answers Later. Exists means that it has this already; when a try before ended Unknown, so does
	// the code 10060028, because an upload has to be newer than the one before.
	UploadShipping(ctx context.Context, s Shipping) error
}

// Pay is WeChat Pay for one merchant and one mini-program.
type Pay interface {
	// Account says for whom we pay and collect: notifications that name another account are not ours.
	Account() Account

	// Prepay opens a payment and returns its prepay id, which works for two hours. The same request again gives a
	// fresh id for the same payment; another request under the same number is refused as Exists.
	Prepay(ctx context.Context, r PrepayRequest) (prepayID string, err error)

	// PayParams signs what wx.requestPayment needs. Nothing goes over the network; the time is the machine's.
	PayParams(prepayID string) (PayParams, error)

	// QueryPayment asks how a payment stands. NotFound means not known yet: a Prepay in flight can still land.
	QueryPayment(ctx context.Context, outTradeNo string) (Payment, error)

	// ClosePayment stops a payment that was not made. A user may finish paying meanwhile: query afterwards, before
	// stock is released. A paid one is Exists.
	ClosePayment(ctx context.Context, outTradeNo string) error

	// Refund gives back part or all of a payment. The answer is usually RefundProcessing; the end comes by
	// notification or query.
	Refund(ctx context.Context, r RefundRequest) (Refund, error)

	// QueryRefund asks how a refund stands.
	QueryRefund(ctx context.Context, outRefundNo string) (Refund, error)

	// Transfer sends money to a user, who has to confirm within a day. The same request again returns the present
	// state and, while the user has not confirmed, a usable PackageInfo.
	Transfer(ctx context.Context, r TransferRequest) (Transfer, error)

	// QueryTransfer asks how a transfer stands; its answer has no PackageInfo. WeChat keeps bills for 30 days, older
	// ones are NotFound too.
	QueryTransfer(ctx context.Context, outBillNo string) (Transfer, error)

	// CancelTransfer withdraws a transfer that the user has not confirmed. It is done when a query says
	// TransferCancelled; a confirmation that was quicker ends as TransferSuccess. Of the Transfer only the numbers,
	// the state and UpdatedAt are set.
	CancelTransfer(ctx context.Context, outBillNo string) (Transfer, error)

	// ParseNotification verifies and decrypts a notification of WeChat Pay. Errors are ErrBadSignature (answer 5xx, so
	// that it is sent again), ErrSignProbe (answer 4xx, no alarm) and ErrMalformed (signed but unreadable). It does
	// not look for repetitions: that is the inbox's unique key.
	ParseNotification(ctx context.Context, header http.Header, body []byte) (Notification, error)
}
