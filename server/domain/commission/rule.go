// Package commission owns what payees get of an order: rules with versions, stored shares, accruals, holds, ripening
// and reversals. Shares are computed once, when the order is created; everything later follows the stored figures.
package commission

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
)

// ScopeKind is how much a rule covers; the narrower one wins.
type ScopeKind string

const (
	ScopeSKU      ScopeKind = "sku"
	ScopeProduct  ScopeKind = "product"
	ScopeCategory ScopeKind = "category"
	ScopeAll      ScopeKind = "all"
)

// narrowness ranks scopes: the more specific, the higher.
var narrowness = map[ScopeKind]int{ScopeSKU: 4, ScopeProduct: 3, ScopeCategory: 2, ScopeAll: 1}

// Kind is how a rule computes.
type Kind string

const (
	Rate     Kind = "rate"      // basis points of the line's net amount
	PerUnit  Kind = "per_unit"  // fen for each unit
	PerOrder Kind = "per_order" // fen for each order, split over the lines the rule applies to
)

// Rule is one version of a commission rule. It is never changed once published, but for its end.
type Rule struct {
	ID          base.RuleID       `db:"id"`
	Key         base.RuleID       `db:"rule_key"` // the first version's id, the same for all versions
	Version     int               `db:"version"`
	Name        string            `db:"name"`
	ScopeKind   ScopeKind         `db:"scope_kind"`
	ScopeID     int64             `db:"scope_id"` // of the SKU or product
	Category    string            `db:"category"`
	Level       base.LevelID      `db:"level_id"` // 0: any
	Payee       base.Tier         `db:"payee"`
	Kind        Kind              `db:"kind"`
	Rate        money.BasisPoints `db:"rate_bp"`
	Amount      money.Fen         `db:"amount_fen"`
	Priority    int               `db:"priority"`
	FromMs      int64             `db:"from_ms"`
	UntilMs     int64             `db:"until_ms"` // 0: open
	Status      Status            `db:"status"`
	Gate        string            `db:"gate"` // why a second person was needed, codes joined by commas
	CreatedMs   int64             `db:"created_ms"`
	CreatedBy   string            `db:"created_by"`
	AskedBy     string            `db:"asked_by"` // who wanted it published
	PublishedMs int64             `db:"published_ms"`
	PublishedBy string            `db:"published_by"` // who made it so; another person where the gate asked for one
}

// InForce says whether orders created at an instant are judged by the rule.
func (r Rule) InForce(at time.Time) bool {
	ms := base.Ms(at)
	return r.PublishedMs > 0 && r.FromMs <= ms && (r.UntilMs == 0 || ms < r.UntilMs)
}

// covers says whether the rule is about the line.
func (r Rule) covers(l LineInput) bool {
	switch r.ScopeKind {
	case ScopeSKU:
		return r.ScopeID == int64(l.SKU)
	case ScopeProduct:
		return r.ScopeID == int64(l.Product)
	case ScopeCategory:
		return r.Category == l.Category
	default:
		return r.ScopeKind == ScopeAll
	}
}

// before orders rules by who wins: the most specific scope, the level-specific one, the higher priority, the newer.
func (r Rule) before(o Rule) bool {
	if a, b := narrowness[r.ScopeKind], narrowness[o.ScopeKind]; a != b {
		return a > b
	}
	if (r.Level != 0) != (o.Level != 0) {
		return r.Level != 0
	}
	if r.Priority != o.Priority {
		return r.Priority > o.Priority
	}
	if r.FromMs != o.FromMs {
		return r.FromMs > o.FromMs
	}
	return r.ID > o.ID
}

// pick finds the rule that decides for a payee and a line, among rules in force. A rule of zero is found like any
// other: it stops the search.
func pick(rules []Rule, p Payee, l LineInput) (Rule, bool) {
	var best Rule
	found := false
	for _, r := range rules {
		if r.Payee != p.Tier || r.Level != 0 && r.Level != p.Level || !r.covers(l) {
			continue
		}
		if !found || r.before(best) {
			best, found = r, true
		}
	}
	return best, found
}

const (
	ruleNameMax     = 100
	ruleCategoryMax = 64
	rulePriorityMax = 1_000
	// ruleAmountMax bounds a fixed amount (1 million yuan), so that times any quantity of a line it stays in range.
	ruleAmountMax money.Fen = 100_000_000
)

// Draft is what an operator writes to make a rule, and what rule JSON holds.
type Draft struct {
	Name      string            `json:"name" maxLength:"100" doc:"Name for people"`
	ScopeKind ScopeKind         `json:"scope_kind" enum:"sku,product,category,all"`
	SKU       base.SKUID        `json:"sku_id,omitempty" doc:"With scope_kind sku"`
	Product   base.ProductID    `json:"product_id,omitempty" doc:"With scope_kind product"`
	Category  string            `json:"category,omitempty" maxLength:"64" doc:"With scope_kind category"`
	Level     base.LevelID      `json:"level_id,omitempty" doc:"Empty: any level"`
	Payee     base.Tier         `json:"payee" enum:"seller,upline,territory"`
	Kind      Kind              `json:"kind" enum:"rate,per_unit,per_order"`
	Rate      money.BasisPoints `json:"rate_bps,omitempty" minimum:"0" maximum:"10000" doc:"With kind rate, in basis points"`
	Amount    money.Fen         `json:"amount_fen,omitempty" minimum:"0" maximum:"100000000" doc:"With kind per_unit and per_order, in fen"`
	Priority  int               `json:"priority,omitempty" minimum:"-1000" maximum:"1000"`
	From      *time.Time        `json:"from,omitempty" doc:"Not before this moment; empty: when published"`
	Until     *time.Time        `json:"until,omitempty" doc:"Ends at this moment; empty: open"`
}

var (
	codeRuleInvalid = "commission.rule_invalid"
	// ErrUplineOff refuses everything that would pay an upline while the owner has not switched it on.
	ErrUplineOff = errs.E(errs.Forbidden, "commission.upline_off",
		"上级奖励未开启。按《禁止传销条例》，以下级销售额为依据给上级计酬有法律风险，需店主书面确认后才能开启",
		errs.EN("Paying an upline is off. It carries legal risk and needs the owner's typed acknowledgement."))
	// ErrTerritoryRateOff refuses a percentage for territory partners while the owner has not switched it on.
	ErrTerritoryRateOff = errs.E(errs.Forbidden, "commission.territory_percent_off",
		"区域服务费只能按件或按单设置固定金额；按销售额比例计费需店主书面确认后才能开启",
		errs.EN("Territory partners are paid a fixed fee. A percentage needs the owner's typed acknowledgement."))
)

// Validate checks the draft by itself; at "/" pointers it says which part is wrong.
func (d Draft) Validate() error {
	var opts []errs.Option
	wrong := func(ok bool, pointer, detail string) {
		if !ok {
			opts = append(opts, errs.At(pointer, codeRuleInvalid, detail))
		}
	}
	wrong(strings.TrimSpace(d.Name) != "" && utf8.RuneCountInString(d.Name) <= ruleNameMax, "/name", "请填写 100 字以内的规则名称")
	wrong(narrowness[d.ScopeKind] > 0, "/scope_kind", "适用范围只能是 sku、product、category、all")
	wrong((d.ScopeKind == ScopeSKU) == (d.SKU != 0), "/sku_id", "范围为 SKU 时必须且只能填写 SKU")
	wrong((d.ScopeKind == ScopeProduct) == (d.Product != 0), "/product_id", "范围为商品时必须且只能填写商品")
	wrong((d.ScopeKind == ScopeCategory) == (d.Category != ""), "/category", "范围为分类时必须且只能填写分类")
	wrong(utf8.RuneCountInString(d.Category) <= ruleCategoryMax && d.Category == strings.TrimSpace(d.Category), "/category", "分类最多 64 字，前后不要有空格")
	wrong(slices.Contains([]base.Tier{base.Seller, base.Upline, base.Territory}, d.Payee), "/payee", "收款方只能是 seller、upline、territory")
	wrong(d.Kind == Rate || d.Kind == PerUnit || d.Kind == PerOrder, "/kind", "计算方式只能是 rate、per_unit、per_order")
	wrong(d.Rate >= 0 && d.Rate <= money.Whole && (d.Kind == Rate || d.Rate == 0), "/rate_bps", "比例须在 0 到 10000 个基点之间，且只用于按比例计算")
	wrong(d.Amount >= 0 && d.Amount <= ruleAmountMax && (d.Kind != Rate || d.Amount == 0), "/amount_fen", "金额须在 0 到 1,000,000.00 元之间，且只用于按件或按单计算")
	wrong(d.Priority >= -rulePriorityMax && d.Priority <= rulePriorityMax, "/priority", "优先级须在 -1000 到 1000 之间")
	wrong(sane(d.From) && sane(d.Until) && (d.From == nil || d.Until == nil || d.From.Before(*d.Until)), "/until", "结束时间须晚于开始时间")
	if len(opts) == 0 {
		return nil
	}
	opts = append(opts, errs.EN("The commission rule has mistakes; see each field."))
	return errs.E(errs.Invalid, codeRuleInvalid, "佣金规则填写有误，请按提示修改", opts...)
}

// sane bounds a moment to what milliseconds and ids can hold.
func sane(t *time.Time) bool { return t == nil || t.Year() >= 2020 && t.Year() < 2089 }

// Allowed refuses what the policy has not switched on.
func (p Policy) Allowed(payee base.Tier, kind Kind) error {
	switch {
	case payee == base.Upline && !p.Upline:
		return ErrUplineOff
	case payee == base.Territory && kind == Rate && !p.TerritoryPercent:
		return ErrTerritoryRateOff
	}
	return nil
}

func (d Draft) scopeID() int64 {
	if d.ScopeKind == ScopeSKU {
		return int64(d.SKU)
	}
	return int64(d.Product)
}

// Scope shows what the rule covers: "sku:sk…", "category:茶", "all".
func (r Rule) Scope() string {
	switch r.ScopeKind {
	case ScopeSKU:
		return fmt.Sprintf("sku:%s", base.SKUID(r.ScopeID))
	case ScopeProduct:
		return fmt.Sprintf("product:%s", base.ProductID(r.ScopeID))
	case ScopeCategory:
		return "category:" + r.Category
	default:
		return "all"
	}
}
