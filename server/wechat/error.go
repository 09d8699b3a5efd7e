package wechat

import (
	"errors"
	"fmt"
)

// Class says what an error means for the next step.
type Class string

const (
	// Refused: a definite no, nothing was executed. Input or configuration has to change. Answers with an error are not
	// signed, so before money is unlocked a query has to confirm that WeChat does not know the number.
	Refused Class = "refused"

	// Later: not executed now. Try the same number later.
	Later Class = "later"

	// Unknown: it may have been executed. Ask by number; never use a new one.
	Unknown Class = "unknown"

	// NotFound: WeChat does not know the number yet. A request in flight can still land.
	NotFound Class = "not_found"

	// Exists: the number is taken, paid, closed or was used with other values. Query and compare.
	Exists Class = "exists"
)

// Error is a no from WeChat, or from the way to it. Its texts hold no secret.
type Error struct {
	Op         Op
	Class      Class
	HTTPStatus int    // 0 if there was no answer
	Code       string // WeChat Pay's code or the mini-program's errcode; empty if there was none
	Message    string
	RequestID  string // WeChat's name for the request, for asking its support; empty if it gave none
	Cause      error  // what the log should know; may be nil
}

// Error says what happened, for logs.
func (e *Error) Error() string {
	text := fmt.Sprintf("wechat %s: %s", e.Op, e.Class)
	if e.HTTPStatus != 0 {
		text += fmt.Sprintf(", status %d", e.HTTPStatus)
	}
	if e.Code != "" {
		text += ", code " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ClassOf says what an error of this package's calls means. Whatever is not an *Error is Unknown; nil is empty.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Unknown
}

// CodeOf returns WeChat's code for an error, or "".
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// BadLoginCode says whether a log-in failed because its code is wrong, used or too old: the app has to call wx.login
// again.
func BadLoginCode(err error) bool {
	code := CodeOf(err)
	return code == "40029" || code == "40163"
}

// Op names a call, for classification and logs.
type Op string

const (
	OpLogin          Op = "login"
	OpSceneCode      Op = "scene code"
	OpUploadShipping Op = "upload shipping"
	OpPrepay         Op = "prepay"
	OpPayParams      Op = "pay params"
	OpQueryPayment   Op = "query payment"
	OpClosePayment   Op = "close payment"
	OpRefund         Op = "refund"
	OpQueryRefund    Op = "query refund"
	OpTransfer       Op = "transfer"
	OpQueryTransfer  Op = "query transfer"
	OpCancelTransfer Op = "cancel transfer"
)
