package withdrawal

import (
	"fmt"

	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
)

// The names of the two settings.
const (
	PolicySetting    = "withdrawal"
	TaxPolicySetting = "tax_policy"
)

// Policy is the setting "withdrawal". Limits are the largest or smallest that is allowed.
type Policy struct {
	MinFen                 money.Fen         `json:"min_fen"`
	MaxFen                 money.Fen         `json:"max_fen"`                   // the merchant's approved single limit
	DailyCount             int               `json:"daily_count"`               // of one distributor
	DailyAmountFen         money.Fen         `json:"daily_amount_fen"`          // of one distributor: the payee's daily limit at WeChat
	PlatformDailyFen       money.Fen         `json:"platform_daily_fen"`        // of all distributors
	AutoApproveBelowFen    money.Fen         `json:"auto_approve_below_fen"`    // 0: a person looks at each
	SecondApproverAboveFen money.Fen         `json:"second_approver_above_fen"` // above it two different admins approve
	CooldownDays           int               `json:"cooldown_days"`             // after a change of the real name
	WeChatMinFen           money.Fen         `json:"wechat_min_fen"`            // the least that WeChat transfers
	FeeBP                  money.BasisPoints `json:"fee_bps"`                   // of the amount; 0: no fee, and none is shown
	NameRequired           bool              `json:"name_required"`             // also below the amount from which WeChat insists
	Remark                 string            `json:"remark"`                    // shown to the payee by WeChat
	Risk                   RiskPolicy        `json:"risk"`
}

// RiskPolicy says from where on something is a risk sign. Rates are of orders or of amounts, in basis points.
type RiskPolicy struct {
	LookbackDays       int               `json:"lookback_days"`        // how far back orders and withdrawals are looked at
	OrdersMin          int64             `json:"orders_min"`           // fewer orders say nothing about rates
	RefundRateBP       money.BasisPoints `json:"refund_rate_bps"`      // refunded of the orders behind it
	TopCustomersBP     money.BasisPoints `json:"top_customers_bps"`    // share of orders by the three best customers
	QuickMinutes       int               `json:"quick_minutes"`        // bound and bought within
	QuickBP            money.BasisPoints `json:"quick_bps"`            // share of such orders
	VelocityCount      int64             `json:"velocity_count"`       // withdrawals within VelocityDays
	VelocityDays       int               `json:"velocity_days"`        //
	NearLimitBP        money.BasisPoints `json:"near_limit_bps"`       // "just below" begins at this part of a limit
	NearLimitCount     int64             `json:"near_limit_count"`     // how many of them are often
	NameChangedDays    int               `json:"name_changed_days"`    // how long a changed name is a sign
	TopCustomersOrders int64             `json:"top_customers_orders"` // fewer orders say nothing about concentration
}

// Default is the policy before anybody has set one.
func Default() Policy {
	return Policy{
		MinFen: 1_000, MaxFen: 20_000, DailyCount: 3, DailyAmountFen: 200_000, PlatformDailyFen: 5_000_000,
		AutoApproveBelowFen: 0, SecondApproverAboveFen: 20_000, CooldownDays: 3, WeChatMinFen: 10, FeeBP: 0,
		NameRequired: true, Remark: "佣金提现",
		Risk: RiskPolicy{LookbackDays: 90, OrdersMin: 5, RefundRateBP: 3_000, TopCustomersBP: 6_000, QuickMinutes: 10,
			QuickBP: 5_000, VelocityCount: 5, VelocityDays: 7, NearLimitBP: 9_000, NearLimitCount: 3, NameChangedDays: 30,
			TopCustomersOrders: 10},
	}
}

const (
	dailyCountMax   = 100
	daysMax         = 366
	remarkRunesMax  = 32
	feeBPMax        = 2_000
	quickMinutesMax = 24 * 60
)

// Validate refuses a policy that could not work.
func (p Policy) Validate() error {
	amounts := []struct {
		pointer string
		value   money.Fen
		min     money.Fen
	}{
		{"/min_fen", p.MinFen, 1}, {"/max_fen", p.MaxFen, p.MinFen}, {"/daily_amount_fen", p.DailyAmountFen, p.MinFen},
		{"/platform_daily_fen", p.PlatformDailyFen, 0}, {"/auto_approve_below_fen", p.AutoApproveBelowFen, 0},
		{"/second_approver_above_fen", p.SecondApproverAboveFen, 0}, {"/wechat_min_fen", p.WeChatMinFen, 1},
	}
	for _, a := range amounts {
		if a.value < a.min || a.value > money.Max {
			return invalid(a.pointer, fmt.Sprintf("must be between %d and %d fen", a.min, money.Max))
		}
	}
	counts := []struct {
		pointer         string
		value, min, max int64
	}{
		{"/daily_count", int64(p.DailyCount), 1, dailyCountMax}, {"/cooldown_days", int64(p.CooldownDays), 0, daysMax},
		{"/fee_bps", int64(p.FeeBP), 0, feeBPMax}, {"/remark", int64(len([]rune(p.Remark))), 1, remarkRunesMax},
		{"/risk/lookback_days", int64(p.Risk.LookbackDays), 1, daysMax}, {"/risk/velocity_days", int64(p.Risk.VelocityDays), 1, daysMax},
		{"/risk/quick_minutes", int64(p.Risk.QuickMinutes), 0, quickMinutesMax},
		{"/risk/name_changed_days", int64(p.Risk.NameChangedDays), 0, daysMax},
		{"/risk/refund_rate_bps", int64(p.Risk.RefundRateBP), 0, int64(money.Whole)},
		{"/risk/top_customers_bps", int64(p.Risk.TopCustomersBP), 0, int64(money.Whole)},
		{"/risk/quick_bps", int64(p.Risk.QuickBP), 0, int64(money.Whole)},
		{"/risk/near_limit_bps", int64(p.Risk.NearLimitBP), 0, int64(money.Whole)},
		{"/risk/orders_min", p.Risk.OrdersMin, 1, 1_000_000}, {"/risk/velocity_count", p.Risk.VelocityCount, 1, 1_000_000},
		{"/risk/near_limit_count", p.Risk.NearLimitCount, 1, 1_000_000},
		{"/risk/top_customers_orders", p.Risk.TopCustomersOrders, 1, 1_000_000},
	}
	for _, c := range counts {
		if c.value < c.min || c.value > c.max {
			return invalid(c.pointer, fmt.Sprintf("must be between %d and %d", c.min, c.max))
		}
	}
	if net := p.MinFen - p.MinFen.Share(p.FeeBP); net < p.WeChatMinFen {
		return invalid("/min_fen", "what is left of the minimum after the fee is less than WeChat transfers")
	}
	return nil
}

func invalid(pointer, detail string) error {
	return errs.E(errs.Invalid, "withdrawal.policy_invalid", "提现设置有误，请按提示修改后再保存",
		errs.EN("The withdrawal setting is not valid."), errs.At(pointer, "out_of_range", detail))
}

// TaxKind is how income tax is withheld.
type TaxKind string

const (
	TaxNone       TaxKind = "none"       // nothing is withheld: finance has decided so
	TaxLabour     TaxKind = "labour"     // ordinary withholding of labour remuneration (劳务报酬)
	TaxCumulative TaxKind = "cumulative" // cumulative withholding
)

// TaxPolicy is the setting "tax_policy". There is no default: the zero value means that finance has not chosen.
type TaxPolicy struct {
	Kind TaxKind `json:"kind"`
}

// Chosen says whether finance has decided.
func (t TaxPolicy) Chosen() bool { return t.Kind != "" }

// ErrTaxUnavailable says that a way of withholding cannot be chosen yet.
var ErrTaxUnavailable = errs.E(errs.Invalid, "tax_policy.not_available", "该代扣方式暂未开放，目前只能选择“不代扣”（none）",
	errs.EN("This way of withholding is not available yet. Only \"none\" can be chosen for now."),
	errs.At("/kind", "not_available", "only none is available"))

// ErrTaxNotChosen says that nothing is paid out before finance has chosen a tax policy.
var ErrTaxNotChosen = errs.E(errs.Conflict, "withdrawal.tax_policy_not_chosen", "还没有选择个税代扣方式，不能付款。请财务先在“设置 → 个税代扣”中选择",
	errs.EN("No tax policy has been chosen yet, so nothing can be paid out. Ask finance to choose one in the settings."))

// Validate takes what is offered now.
func (t TaxPolicy) Validate() error {
	switch t.Kind {
	case TaxNone:
		return nil
	case TaxLabour, TaxCumulative:
		return ErrTaxUnavailable
	}
	return errs.E(errs.Invalid, "tax_policy.invalid", "请选择个税代扣方式：none（不代扣）",
		errs.EN("Choose how tax is withheld: none."), errs.At("/kind", "unknown", "must be none"))
}

// Within narrows the policy down to what a level allows: at once, and on a day. Zero is the shop's limit.
func (p Policy) Within(once, day money.Fen) Policy {
	if once > 0 {
		p.MaxFen = min(p.MaxFen, once)
	}
	if day > 0 {
		p.DailyAmountFen = min(p.DailyAmountFen, day)
	}
	return p
}

// Quote is what becomes of an amount: Amount = Fee + Tax + Net.
type Quote struct{ Amount, Fee, Tax, Net money.Fen }

// Quote computes fee, tax and what is left. The amount is within the policy's limits.
func (p Policy) Quote(amount money.Fen) Quote {
	fee := amount.Share(p.FeeBP)
	return Quote{Amount: amount, Fee: fee, Net: amount - fee}
}
