package flow

import (
	"context"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/domain/crm"
	"fenxiao/server/store"
	"fenxiao/server/wechat"
)

const loginCodeMax = 128 // bytes

// What a log-in can be refused for.
var (
	ErrLoginCode = errs.E(errs.Unauthorized, "auth.wechat_code_invalid", "登录凭证已失效，请重新进入小程序再试",
		errs.EN("The log-in code is used up or too old. Open the mini-program again."))
	ErrLoginRefused = errs.E(errs.Forbidden, "auth.wechat_refused", "微信暂不允许该账号登录，请稍后再试或联系客服",
		errs.EN("WeChat does not let this account log in. Try later or contact customer service."))
)

// Login turns the code of wx.login into a customer, made at the first log-in. Of many first log-ins of one person at
// once one makes the customer. created says that it was this one.
func (f *Flow) Login(ctx context.Context, code string) (c crm.Customer, created bool, err error) {
	if code == "" || len(code) > loginCodeMax {
		return crm.Customer{}, false, ErrLoginCode
	}
	session, err := f.Mini.Login(ctx, code)
	if err != nil {
		return crm.Customer{}, false, loginRefusal(err)
	}
	visitor := crm.Visitor{ID: base.CustomerID(f.DB.Mint.Next()), OpenID: session.OpenID, UnionID: session.UnionID}
	err = f.DB.InTx(ctx, "flow.login", func(ctx context.Context, tx *store.Tx) error {
		var err error
		c, created, err = crm.Upsert(ctx, tx, visitor)
		return err
	})
	return c, created, err
}

func loginRefusal(err error) error {
	switch {
	case wechat.BadLoginCode(err):
		return errs.E(ErrLoginCode.Kind, ErrLoginCode.Code, ErrLoginCode.Message, errs.EN(ErrLoginCode.English), errs.Cause(err))
	case wechat.CodeOf(err) == "40226": // a risky user
		return errs.E(ErrLoginRefused.Kind, ErrLoginRefused.Code, ErrLoginRefused.Message, errs.EN(ErrLoginRefused.English), errs.Cause(err))
	default:
		return wechatBusy(err)
	}
}

const wechatRetry = 5 * time.Second

// wechatBusy is what a person reads when WeChat does not do a call that moves no money.
func wechatBusy(err error) error {
	return errs.E(errs.Unavailable, "wechat.unavailable", "微信服务暂时繁忙，请稍后再试",
		errs.EN("WeChat is busy. Please try again in a moment."), errs.After(wechatRetry), errs.Cause(err))
}

// SetPhone seals and stores a customer's phone.
func (f *Flow) SetPhone(ctx context.Context, customer base.CustomerID, text string) error {
	phone, err := crm.CheckPhone(text)
	if err != nil {
		return err
	}
	sealed := crm.SealedPhone{Enc: f.Box.Seal(crm.PhonePlace, phone), Hash: f.Box.Blind(crm.PhonePlace, phone)}
	return f.DB.InTx(ctx, "flow.set_phone", func(ctx context.Context, tx *store.Tx) error {
		return crm.SetPhone(ctx, tx, customer, sealed)
	})
}
