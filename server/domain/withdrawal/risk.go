package withdrawal

import (
	"encoding/json"
	"fmt"
	"time"

	"fenxiao/server/base/money"
)

// Facts are what the signs are judged by. Whoever asks reads them: most are of other domains.
type Facts struct {
	Suspended     bool
	PaidBefore    int64     // withdrawals that were paid
	NameChangedAt time.Time // zero: never

	Orders       int64     // paid orders behind the commissions, in the look-back
	Sold         money.Fen // what was paid for them
	Refunded     money.Fen
	TopCustomers int64 // orders by the three best customers
	QuickOrders  int64 // ordered within minutes of being bound

	Recent []money.Fen // amounts asked for within the look-back, newest first, without this one
	Lately int64       // how many of them within VelocityDays, with this one
}

// Sign is one reason to look closer, with the figures that raised it.
type Sign struct {
	Code     string         `json:"code"`
	Message  string         `json:"message"` // Chinese
	English  string         `json:"english"`
	Evidence map[string]any `json:"evidence"`
}

// Signs judges the facts. No sign is no proof of anything; it says where a person should look.
func (p Policy) Signs(f Facts, now time.Time) []Sign {
	signs := []Sign{}
	add := func(raised bool, s Sign) {
		if raised {
			signs = append(signs, s)
		}
	}
	r := p.Risk
	add(f.Suspended, Sign{"suspended", "分销员处于暂停状态", "The distributor is suspended", map[string]any{}})
	add(f.PaidBefore == 0, Sign{"first_withdrawal", "首次提现", "First withdrawal", map[string]any{"paid_before": 0}})
	changed := !f.NameChangedAt.IsZero() && now.Before(f.NameChangedAt.AddDate(0, 0, r.NameChangedDays))
	add(changed, Sign{"name_changed", fmt.Sprintf("最近 %d 天内修改过真实姓名", r.NameChangedDays), "The real name was changed lately",
		map[string]any{"changed_at": f.NameChangedAt.UTC().Format(time.RFC3339)}})
	add(f.Orders >= r.OrdersMin && over(int64(f.Refunded), int64(f.Sold), r.RefundRateBP),
		Sign{"refund_rate", fmt.Sprintf("近 %d 天订单退款率偏高", r.LookbackDays), "Many refunds among the orders behind it",
			map[string]any{"orders": f.Orders, "sold_fen": f.Sold, "refunded_fen": f.Refunded, "rate_bps": rate(int64(f.Refunded), int64(f.Sold))}})
	add(f.Orders >= r.TopCustomersOrders && over(f.TopCustomers, f.Orders, r.TopCustomersBP),
		Sign{"few_customers", "订单集中在少数客户", "Most orders are by few customers",
			map[string]any{"orders": f.Orders, "by_top_three": f.TopCustomers, "rate_bps": rate(f.TopCustomers, f.Orders)}})
	add(f.Orders >= r.OrdersMin && over(f.QuickOrders, f.Orders, r.QuickBP),
		Sign{"bound_and_bought", fmt.Sprintf("较多订单在绑定后 %d 分钟内下单", r.QuickMinutes), "Many orders within minutes of being bound",
			map[string]any{"orders": f.Orders, "quick": f.QuickOrders, "rate_bps": rate(f.QuickOrders, f.Orders)}})
	add(f.Lately >= r.VelocityCount, Sign{"velocity", fmt.Sprintf("最近 %d 天内提现 %d 次", r.VelocityDays, f.Lately),
		"Many withdrawals in few days", map[string]any{"days": r.VelocityDays, "count": f.Lately}})
	near := p.nearLimit(f.Recent)
	add(near >= r.NearLimitCount, Sign{"near_limit", "多次申请略低于限额的金额", "Often just below a limit",
		map[string]any{"count": near, "of": len(f.Recent)}})
	return signs
}

// nearLimit counts amounts that lie just below (or at) a limit at which something more would happen. Without limits
// that somebody could want to stay below, there is nothing to stay below.
func (p Policy) nearLimit(amounts []money.Fen) (n int64) {
	limits := []money.Fen{}
	for _, l := range []money.Fen{p.AutoApproveBelowFen - 1, p.SecondApproverAboveFen} {
		if l > 0 && l < p.MaxFen { // at the very maximum is where honest people ask too
			limits = append(limits, l)
		}
	}
	for _, a := range amounts {
		for _, l := range limits {
			if a <= l && a >= l.Share(p.Risk.NearLimitBP) {
				n++
				break
			}
		}
	}
	return n
}

func over(part, whole int64, limit money.BasisPoints) bool {
	return whole > 0 && rate(part, whole) >= limit && part > 0
}

// rate is part of whole in basis points, floored, at most 100 %.
func rate(part, whole int64) money.BasisPoints {
	if whole <= 0 {
		return 0
	}
	return money.BasisPoints(money.Fen(money.Whole).Part(money.Fen(min(part, whole)), money.Fen(whole)))
}

// EncodeSigns is how signs are stored with a withdrawal.
func EncodeSigns(signs []Sign) (string, error) {
	if signs == nil {
		signs = []Sign{}
	}
	b, err := json.Marshal(signs)
	if err != nil {
		return "", fmt.Errorf("store risk signs: %w", err)
	}
	return string(b), nil
}

// DecodeSigns reads what EncodeSigns wrote.
func DecodeSigns(text string) ([]Sign, error) {
	signs := []Sign{}
	if text == "" {
		return signs, nil
	}
	if err := json.Unmarshal([]byte(text), &signs); err != nil {
		return nil, fmt.Errorf("read risk signs: %w", err)
	}
	return signs, nil
}
