package wechat

import (
	"context"
	"net/http"
)

// Unset is WeChat where nobody has configured it: every call is refused as Later, so that what needs WeChat waits and
// what does not need it can be done, such as a job run by hand.
type Unset struct{}

func unset(op Op) error {
	return &Error{Op: op, Class: Later, Code: "NOT_CONFIGURED", Message: "WeChat is not configured: set wechat.app_id and the other wechat settings"}
}

// Login is refused.
func (Unset) Login(context.Context, string) (Session, error) { return Session{}, unset(OpLogin) }

// SceneCode is refused.
func (Unset) SceneCode(context.Context, SceneCode) ([]byte, error) { return nil, unset(OpSceneCode) }

// UploadShipping is refused.
func (Unset) UploadShipping(context.Context, Shipping) error { return unset(OpUploadShipping) }

// Account is nobody's.
func (Unset) Account() Account { return Account{} }

// Prepay is refused.
func (Unset) Prepay(context.Context, PrepayRequest) (string, error) { return "", unset(OpPrepay) }

// PayParams is refused.
func (Unset) PayParams(string) (PayParams, error) { return PayParams{}, unset(OpPayParams) }

// QueryPayment is refused.
func (Unset) QueryPayment(context.Context, string) (Payment, error) {
	return Payment{}, unset(OpQueryPayment)
}

// ClosePayment is refused.
func (Unset) ClosePayment(context.Context, string) error { return unset(OpClosePayment) }

// Refund is refused.
func (Unset) Refund(context.Context, RefundRequest) (Refund, error) { return Refund{}, unset(OpRefund) }

// QueryRefund is refused.
func (Unset) QueryRefund(context.Context, string) (Refund, error) {
	return Refund{}, unset(OpQueryRefund)
}

// Transfer is refused.
func (Unset) Transfer(context.Context, TransferRequest) (Transfer, error) {
	return Transfer{}, unset(OpTransfer)
}

// QueryTransfer is refused.
func (Unset) QueryTransfer(context.Context, string) (Transfer, error) {
	return Transfer{}, unset(OpQueryTransfer)
}

// CancelTransfer is refused.
func (Unset) CancelTransfer(context.Context, string) (Transfer, error) {
	return Transfer{}, unset(OpCancelTransfer)
}

// ParseNotification trusts nobody.
func (Unset) ParseNotification(context.Context, http.Header, []byte) (Notification, error) {
	return Notification{}, ErrBadSignature
}
