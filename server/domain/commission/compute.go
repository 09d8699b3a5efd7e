package commission

import (
	"fmt"
	"slices"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
)

// Payee is who may get a share, with the level frozen on the order.
type Payee struct {
	Tier  base.Tier
	ID    base.DistributorID // 0: nobody
	Level base.LevelID
	Cycle base.Cycle
}

// LineInput is one line of an order as shares see it.
type LineInput struct {
	Line     base.LineID
	Product  base.ProductID
	SKU      base.SKUID
	Category string
	Qty      int64
	Base     money.Fen // what is paid for the line after every discount, without freight
	Cost     money.Fen // of the whole line; −1: not known
}

// OrderInput is what Compute needs to know of an order.
type OrderInput struct {
	Order  base.OrderID
	At     time.Time // when it is created: rules in force then decide
	Payees []Payee
	Lines  []LineInput
}

// qtyMax bounds a line's quantity, so that a fixed amount times it stays in range.
const qtyMax = 10_000

// tierOrder is also who wins a tie between the shares of one person.
var tierOrder = []base.Tier{base.Seller, base.Upline, base.Territory}

// Compute gives the shares of an order, by line and tier. It is pure. Order of computing: the deciding rule → one share
// per person and line → the cap. Shares of zero are kept, because they explain themselves.
func Compute(rules []Rule, terms Terms, in OrderInput) ([]Share, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	rules = slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool {
		return !r.InForce(in.At) || terms.Allowed(r.Payee, r.Kind) != nil
	})
	perLine := make([][]Share, len(in.Lines))
	for _, tier := range tierOrder {
		i := slices.IndexFunc(in.Payees, func(p Payee) bool { return p.Tier == tier && p.ID != 0 })
		if i < 0 {
			continue
		}
		if err := payeeShares(rules, in.Payees[i], in, perLine); err != nil {
			return nil, err
		}
	}
	var out []Share
	for i, line := range in.Lines {
		shares := onePerPerson(perLine[i])
		if err := applyCap(shares, line, terms); err != nil {
			return nil, err
		}
		out = append(out, shares...)
	}
	return out, nil
}

func (in OrderInput) check() error {
	seen := map[base.Tier]bool{}
	for _, p := range in.Payees {
		if !slices.Contains(tierOrder, p.Tier) || seen[p.Tier] {
			return fmt.Errorf("compute shares: tier %q is unknown or twice there", p.Tier)
		}
		if p.ID != 0 && !p.Cycle.Valid() {
			return fmt.Errorf("compute shares: cycle %q of %s", p.Cycle, p.ID)
		}
		seen[p.Tier] = true
	}
	for _, l := range in.Lines {
		if l.Qty < 1 || l.Qty > qtyMax || money.Check(l.Base) != nil || l.Cost < -1 || l.Cost > money.Max {
			return fmt.Errorf("compute shares: %w: line %s has quantity %d, base %d, cost %d", money.ErrRange, l.Line, l.Qty, l.Base, l.Cost)
		}
	}
	return nil
}

// payeeShares appends the raw shares of one payee to each line.
func payeeShares(rules []Rule, p Payee, in OrderInput, perLine [][]Share) error {
	perOrder := map[base.RuleID][]int{} // lines that a rule per order applies to
	for i, l := range in.Lines {
		rule, ok := pick(rules, p, l)
		if !ok {
			continue
		}
		s := Share{
			Order: in.Order, Line: l.Line, Tier: p.Tier, Payee: p.ID, Level: p.Level, Cycle: p.Cycle,
			Rule: rule.ID, RuleVersion: rule.Version, Kind: rule.Kind, Base: l.Base, Qty: l.Qty, Rate: rule.Rate, Unit: rule.Amount,
			Inputs: Inputs{RuleName: rule.Name, Scope: rule.Scope(), Cost: l.Cost},
		}
		if rule.Kind == PerOrder {
			perOrder[rule.ID] = append(perOrder[rule.ID], i)
		}
		perLine[i] = append(perLine[i], s)
	}
	for _, lines := range perOrder {
		weights := make([]money.Fen, len(lines))
		for j, i := range lines {
			weights[j] = in.Lines[i].Base
		}
		for j, i := range lines {
			perLine[i][len(perLine[i])-1].Inputs.Split = &Split{Weights: weights, Index: j}
		}
	}
	for i := range perLine {
		if n := len(perLine[i]); n > 0 && perLine[i][n-1].Tier == p.Tier {
			raw, err := rawOf(perLine[i][n-1])
			if err != nil {
				return err
			}
			perLine[i][n-1].Raw = raw
		}
	}
	return nil
}

// rawOf computes a share before the cap from the inputs stored with it.
func rawOf(s Share) (money.Fen, error) {
	switch s.Kind {
	case Rate:
		if s.Rate < 0 || s.Rate > money.Whole || s.Base < 0 {
			return 0, money.ErrRange
		}
		return s.Base.Share(s.Rate), nil
	case PerUnit:
		return s.Unit.Times(s.Qty)
	case PerOrder:
		sp := s.Inputs.Split
		if sp == nil || sp.Index < 0 || sp.Index >= len(sp.Weights) || s.Unit < 0 || sp.Weights[sp.Index] != s.Base {
			return 0, money.ErrRange
		}
		for _, w := range sp.Weights {
			if money.Check(w) != nil {
				return 0, money.ErrRange
			}
		}
		return money.Split(s.Unit, sp.Weights)[sp.Index], nil
	default:
		return 0, fmt.Errorf("compute share: kind %q", s.Kind)
	}
}

// onePerPerson keeps the higher of a person's shares of a line; on a tie the one that comes first in tierOrder.
func onePerPerson(shares []Share) []Share {
	var kept []Share
	for _, s := range shares {
		i := slices.IndexFunc(kept, func(k Share) bool { return k.Payee == s.Payee })
		switch {
		case i < 0:
			kept = append(kept, s)
		case s.Raw > kept[i].Raw:
			s.Inputs.Dropped = append(kept[i].Inputs.Dropped, Dropped{kept[i].Tier, kept[i].Raw})
			kept[i] = s
		default:
			kept[i].Inputs.Dropped = append(kept[i].Inputs.Dropped, Dropped{s.Tier, s.Raw})
		}
	}
	slices.SortStableFunc(kept, func(a, b Share) int { return slices.Index(tierOrder, a.Tier) - slices.Index(tierOrder, b.Tier) })
	return kept
}

// applyCap scales the shares of one line down to what they may be together; the rest stays with the merchant.
func applyCap(shares []Share, l LineInput, terms Terms) error {
	var sum money.Fen
	for _, s := range shares {
		var err error
		if sum, err = money.Add(sum, s.Raw); err != nil {
			return err
		}
	}
	limit := capOf(l.Base, l.Cost, terms.Cap, terms.MarginCap)
	for i := range shares {
		s := &shares[i]
		s.Sum, s.Cap = sum, limit
		s.Amount = scaled(s.Raw, sum, limit)
		s.Inputs.CapRate, s.Inputs.MarginRate, s.Inputs.Policy = terms.Cap, terms.MarginCap, terms.Version
	}
	return nil
}

// capOf is C = ⌊base × cap⌋, and where the cost is known at most ⌊gross margin × margin cap⌋.
func capOf(lineBase, cost money.Fen, capRate, marginRate money.BasisPoints) money.Fen {
	limit := lineBase.Share(capRate)
	if cost >= 0 {
		limit = min(limit, max(0, lineBase-cost).Share(marginRate))
	}
	return limit
}

// scaled is ⌊share × C / S⌋ where S exceeds C.
func scaled(raw, sum, limit money.Fen) money.Fen {
	if sum <= limit {
		return raw
	}
	return limit.Part(raw, sum)
}

// Recompute says whether the stored shares of one line and revision follow from their stored inputs, and obey what
// binds them together: one share per person and tier, the same sum and cap, a total within the cap. It is pure.
func Recompute(shares []Share) bool {
	var sum, total money.Fen
	payees, tiers := map[base.DistributorID]bool{}, map[base.Tier]bool{}
	for _, s := range shares {
		raw, err := rawOf(s)
		if err != nil || raw != s.Raw || payees[s.Payee] || tiers[s.Tier] || !keptRightly(s) || !ratesSane(s.Inputs) || money.Check(s.Base) != nil {
			return false
		}
		payees[s.Payee], tiers[s.Tier] = true, true
		if sum, err = money.Add(sum, raw); err != nil {
			return false
		}
		total += s.Amount
	}
	for _, s := range shares {
		limit := capOf(s.Base, s.Inputs.Cost, s.Inputs.CapRate, s.Inputs.MarginRate)
		if s.Line != shares[0].Line || s.Base != shares[0].Base || s.Sum != sum || s.Cap != limit || s.Amount != scaled(s.Raw, sum, limit) || total > limit {
			return false
		}
	}
	return true
}

func ratesSane(in Inputs) bool {
	return in.CapRate >= 0 && in.CapRate <= money.Whole && in.MarginRate >= 0 && in.MarginRate <= money.Whole && in.Cost >= -1
}

// keptRightly says whether the share was the one to keep of its person's.
func keptRightly(s Share) bool {
	for _, d := range s.Inputs.Dropped {
		if d.Raw > s.Raw || d.Raw == s.Raw && slices.Index(tierOrder, d.Tier) < slices.Index(tierOrder, s.Tier) {
			return false
		}
	}
	return true
}
