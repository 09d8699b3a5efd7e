package commission

import (
	"fmt"
	"strings"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
)

// Explanation says in words why an amount is what it is, in both languages.
type Explanation struct {
	Formula string `json:"formula" doc:"The computation in yuan"`
	Zh      string `json:"zh"`
	En      string `json:"en"`
}

var (
	tierZh = map[base.Tier]string{base.Seller: "推广佣金", base.Upline: "上级奖励", base.Territory: "区域服务费"}
	tierEn = map[base.Tier]string{base.Seller: "Commission of the seller", base.Upline: "Reward of the upline", base.Territory: "Service fee of the territory partner"}
)

// Explain says how a share was computed. What the merchant paid for the goods is not in it.
func Explain(s Share) Explanation {
	var zh, en strings.Builder
	formula, rawZh, rawEn := rawWords(s)
	fmt.Fprintf(&zh, "%s（规则“%s”第 %d 版）：%s", tierZh[s.Tier], s.Inputs.RuleName, s.RuleVersion, rawZh)
	fmt.Fprintf(&en, "%s (rule “%s”, version %d): %s", tierEn[s.Tier], s.Inputs.RuleName, s.RuleVersion, rawEn)
	for _, d := range s.Inputs.Dropped {
		fmt.Fprintf(&zh, "；同一人在同一商品上只计一份，取较高者，另一份%s %s 元不计", tierZh[d.Tier], d.Raw)
		fmt.Fprintf(&en, "; one person has one share of a line, the higher one, so that the other (%s, %s) does not count", strings.ToLower(tierEn[d.Tier]), d.Raw)
	}
	if s.Sum > s.Cap {
		step := fmt.Sprintf("⌊%s × %s ÷ %s⌋ = %s", s.Raw, s.Cap, s.Sum, s.Amount)
		formula += "; " + step
		fmt.Fprintf(&zh, "；本商品佣金合计 %s 元超过上限 %s 元，按比例缩减为 %s", s.Sum, s.Cap, step)
		fmt.Fprintf(&en, "; all shares of the line are %s, above the cap of %s, and are scaled: %s", s.Sum, s.Cap, step)
	}
	fmt.Fprintf(&zh, "。应得 %s 元。", s.Amount)
	fmt.Fprintf(&en, ". The share is %s yuan.", s.Amount)
	return Explanation{formula, zh.String(), en.String()}
}

func rawWords(s Share) (formula, zh, en string) {
	switch s.Kind {
	case Rate:
		formula = fmt.Sprintf("⌊%s × %s⌋ = %s", s.Base, s.Rate, s.Raw)
		zh, en = "商品实付金额 × 比例，不足一分舍去："+formula, "what was paid for the line × rate, rounded down to the fen: "+formula
	case PerUnit:
		formula = fmt.Sprintf("%s × %d = %s", s.Unit, s.Qty, s.Raw)
		zh, en = "每件固定金额 × 件数："+formula, "fixed amount per unit × quantity: "+formula
	default:
		var whole money.Fen
		n := 0
		if s.Inputs.Split != nil {
			n = len(s.Inputs.Split.Weights)
			for _, w := range s.Inputs.Split.Weights {
				whole += w
			}
		}
		formula = fmt.Sprintf("%s × %s ÷ %s = %s", s.Unit, s.Base, whole, s.Raw)
		zh = fmt.Sprintf("每单固定金额按实付金额分摊到 %d 个商品（最大余数法，合计不差一分）：%s", n, formula)
		en = fmt.Sprintf("fixed amount per order, split over %d lines by what was paid for them (largest remainder, nothing lost): %s", n, formula)
	}
	return formula, zh, en
}

// ExplainReversal says how much of a row a refund took back.
func ExplainReversal(accrued money.Fen, r Row) Explanation {
	formula := fmt.Sprintf("⌊%s × %s ÷ %s⌋", accrued, r.Refunded, r.Base)
	if r.Refunded >= r.Base {
		formula = accrued.String()
	}
	zh := fmt.Sprintf("该商品累计退款 %s 元，累计应收回 %s，本次收回 %s 元", r.Refunded, formula, -r.Amount)
	en := fmt.Sprintf("%s refunded so far of the line; taken back so far %s, this time %s", r.Refunded, formula, -r.Amount)
	if r.Kind == ReversalLate {
		zh, en = zh+"（已结算，从可提现余额中扣除，不足部分记为欠款）。", en+" (settled already: taken from the available balance, then as debt)."
	} else {
		zh, en = zh+"（结算前，从待结算中扣除）。", en+" (before settlement: taken from what is pending)."
	}
	return Explanation{formula, zh, en}
}
