package withdrawal

import (
	"fmt"
	"time"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/wechat"
)

// PayeeStatus is a distributor's status as far as money is concerned.
type PayeeStatus string

const (
	PayeeActive    PayeeStatus = "active"
	PayeeSuspended PayeeStatus = "suspended" // may ask; a person always looks at it, and nothing is paid meanwhile
	PayeeClosed    PayeeStatus = "closed"    // may still withdraw what was earned
)

// Payee is what is known about the one who asks.
type Payee struct {
	Status        PayeeStatus
	Named         bool      // has given the real name
	NameChangedAt time.Time // zero: never changed since it was given
	Available     money.Fen
	Debt          money.Fen // ≤ 0
}

// MayBePaid says whether a payout may start now.
func (p Payee) MayBePaid() error {
	switch {
	case p.Status != PayeeActive && p.Status != PayeeClosed:
		return ErrSuspended
	case p.Debt < 0:
		return ErrInDebt
	}
	return nil
}

// Why a withdrawal is refused, beyond those that say their figures below.
var (
	ErrStatus = errs.E(errs.Forbidden, "withdrawal.not_distributor", "您还不是分销员，通过申请后才能提现",
		errs.EN("You are not a distributor yet. You can withdraw after your application is accepted."))
	ErrNameNeeded = errs.E(errs.Invalid, "withdrawal.real_name_needed", "请先填写真实姓名（与微信实名一致），再申请提现",
		errs.EN("Give your real name, as it is in WeChat, before you withdraw."))
	ErrSuspended = errs.E(errs.Conflict, "withdrawal.payee_suspended", "该分销员已被暂停，恢复后才能付款",
		errs.EN("The distributor is suspended. Nothing can be paid until that ends."))
	ErrInDebt = errs.E(errs.Conflict, "withdrawal.payee_in_debt", "该分销员有待扣回的欠款，还清后才能付款；也可以驳回，退回的金额会先抵扣欠款",
		errs.EN("The distributor owes money. Nothing can be paid until it is repaid; rejecting repays it from the amount held."))
	ErrTryLater = errs.E(errs.Unavailable, "withdrawal.try_later", "提现服务暂时繁忙，请稍后再试，您的余额没有变化",
		errs.EN("Withdrawals are not possible just now. Try again later; your balance is unchanged."), errs.After(30*time.Second))
)

// Check looks at a wish in the order of the house: status, real name, minimum and maximum, enough available, cool-down.
// The day's limits come after, where they are counted.
func (p Policy) Check(payee Payee, amount money.Fen, now time.Time) error {
	switch {
	case payee.Status != PayeeActive && payee.Status != PayeeSuspended && payee.Status != PayeeClosed:
		return ErrStatus
	case !payee.Named && (p.NameRequired || amount >= wechat.TransferNameRequired):
		return ErrNameNeeded
	case amount < p.MinFen:
		return figure("withdrawal.below_minimum", "单笔最低提现 %s 元，请提高金额，或等余额多一些再来",
			"The least that can be withdrawn is %s yuan.", p.MinFen)
	case amount > p.MaxFen:
		return figure("withdrawal.above_maximum", "单笔最高提现 %s 元，请分几次申请",
			"The most that can be withdrawn at once is %s yuan.", p.MaxFen)
	case p.Quote(amount).Net < p.WeChatMinFen:
		return figure("withdrawal.net_below_wechat_minimum", "扣除手续费后不足 %s 元，微信无法转账，请提高金额",
			"After the fee less than %s yuan is left, which WeChat does not transfer.", p.WeChatMinFen)
	case amount > payee.Available:
		return InsufficientError(payee.Available)
	}
	if end := p.cooldownEnd(payee); now.Before(end) {
		return errs.E(errs.Conflict, "withdrawal.cooling_down",
			fmt.Sprintf("修改真实姓名后需要等待 %d 天才能提现，请在 %s 之后再试", p.CooldownDays, shopTime(end)),
			errs.EN(fmt.Sprintf("After a change of the real name withdrawals wait for %d days, until %s.", p.CooldownDays, shopTime(end))),
			errs.Param("until", end.UTC().Format(time.RFC3339)), errs.Param("days", p.CooldownDays))
	}
	return nil
}

func (p Policy) cooldownEnd(payee Payee) time.Time {
	if payee.NameChangedAt.IsZero() {
		return time.Time{}
	}
	return payee.NameChangedAt.AddDate(0, 0, p.CooldownDays)
}

// InsufficientError says how much is available.
func InsufficientError(available money.Fen) error {
	return figure("withdrawal.insufficient_available", "可提现余额不足，目前可提现 %s 元",
		"Not enough is available: %s yuan.", available)
}

// CountError says how many withdrawals a day are allowed.
func (p Policy) CountError() error {
	return errs.E(errs.Limited, "withdrawal.count_exceeded", fmt.Sprintf("今天的提现次数已用完（每天 %d 次），请明天再来", p.DailyCount),
		errs.EN(fmt.Sprintf("Today's %d withdrawals are used up. Come back tomorrow.", p.DailyCount)), errs.Param("count", p.DailyCount))
}

// DayAmountError says how much a day is allowed.
func (p Policy) DayAmountError() error {
	return limited("withdrawal.day_amount_exceeded", "今天的提现金额超过每天 %s 元的上限，请减少金额或明天再来",
		"This would pass today's limit of %s yuan. Ask for less, or come back tomorrow.", p.DailyAmountFen)
}

// PlatformError says that the shop's budget of the day is used up; how much it is, is nobody's business.
func (p Policy) PlatformError() error {
	return errs.E(errs.Limited, "withdrawal.platform_budget_exceeded", "今天全平台的提现额度已用完，请明天再来，您的余额没有变化",
		errs.EN("Today's withdrawals of the whole shop are used up. Come back tomorrow; your balance is unchanged."))
}

func figure(code, zh, en string, amount money.Fen) error {
	return amountError(errs.Invalid, code, [2]string{zh, en}, amount)
}

func limited(code, zh, en string, amount money.Fen) error {
	return amountError(errs.Limited, code, [2]string{zh, en}, amount)
}

func amountError(kind errs.Kind, code string, text [2]string, amount money.Fen) error {
	return errs.E(kind, code, fmt.Sprintf(text[0], amount), errs.EN(fmt.Sprintf(text[1], amount)), errs.Param("amount_fen", int64(amount)))
}

// shopTime shows an instant to people, in the shop's zone.
func shopTime(t time.Time) string { return t.In(clock.Shop).Format("2006-01-02 15:04") }
