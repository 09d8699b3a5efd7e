package commission

import (
	"fenxiao/server/base/money"
)

// Reasons why a rule needs a second person before it is published.
const (
	GateChange = "change_over_30_percent"
	GateMargin = "below_margin"
)

// gateChange is how much a rule may change what is paid without a second person.
const gateChange money.BasisPoints = 3_000

// BigChange says whether next pays over 30 % more or less than prev did. Another kind cannot be compared and is big.
func BigChange(prev, next Rule) bool {
	if prev.Kind != next.Kind {
		return true
	}
	before, after := prev.Amount, next.Amount
	if prev.Kind == Rate {
		before, after = money.Fen(prev.Rate), money.Fen(next.Rate)
	}
	return max(after-before, before-after) > before.Share(gateChange)
}

// BelowMargin says whether the rule alone gives more for one unit than the gross margin of one that sells at price and
// costs cost.
func BelowMargin(r Rule, price, cost money.Fen) bool {
	give := r.Amount
	if r.Kind == Rate {
		give = price.Share(r.Rate)
	}
	return give > 0 && give > price-cost
}
