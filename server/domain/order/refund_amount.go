package order

import (
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
)

// Ask is what a refund is to give back: all of it, some lines (whole, by quantity, by amount), an amount over the whole
// order, freight; or several of the last three.
type Ask struct {
	Whole   bool
	Lines   []AskLine
	Amount  money.Fen // over the lines by what is left of each, by largest remainder
	Freight money.Fen
}

// AskLine is what a refund is to give back of one line. Without an amount it follows from the quantity; with an amount
// and no quantity the customer keeps the goods.
type AskLine struct {
	Line   base.LineID
	All    bool // all that is left, of quantity and amount
	Qty    int64
	Amount *money.Fen
}

// Give is what a refund gives back, worked out.
type Give struct {
	Lines   []GiveLine
	Freight money.Fen
	Total   money.Fen
}

// GiveLine is the part of one line.
type GiveLine struct {
	Line   base.LineID
	Qty    int64
	Amount money.Fen
}

// What a request for a refund is refused for.
var (
	ErrExceeds = errs.E(errs.Conflict, "refund.exceeds", "退款超过了可退的数量或金额，请刷新后再试",
		errs.EN("That is more than is left to refund. Reload and try again."))
	ErrNothing = errs.E(errs.Invalid, "refund.nothing", "请选择要退款的商品或金额", errs.EN("Say what is to be refunded."))
	ErrAsk     = errs.E(errs.Invalid, "refund.invalid", "退款内容有误：同一商品只能填写一次，数量和金额不能为负",
		errs.EN("The refund is wrong: each line once, no negative quantities or amounts."))
)

// Work says what an ask gives back of an order as it stands. It is pure. More than is left is ErrExceeds.
//
// The amount of a quantity is cumulative: of a line of n units, units 1 to k are worth ⌊net × k / n⌋ together, so that
// any pieces add up to the whole; what was given back beside quantities makes the last pieces smaller.
func Work(o Order, lines []Line, ask Ask) (Give, error) {
	if ask.Whole {
		ask = Ask{Freight: o.Freight - o.FreightRefunded}
		for _, l := range lines {
			ask.Lines = append(ask.Lines, AskLine{Line: l.ID, All: true})
		}
	}
	if ask.Freight < 0 || ask.Amount < 0 {
		return Give{}, ErrAsk
	}
	if ask.Freight > o.Freight-o.FreightRefunded {
		return Give{}, ErrExceeds
	}
	var g Give
	rest := restOf(lines)
	for _, a := range ask.Lines {
		part, err := g.add(a, lines, rest)
		if err != nil {
			return Give{}, err
		}
		if part.Qty > 0 || part.Amount > 0 {
			g.Lines = append(g.Lines, part)
		}
	}
	if err := g.spread(ask.Amount, lines, rest); err != nil {
		return Give{}, err
	}
	g.Freight = ask.Freight
	g.Total = g.Freight
	for _, l := range g.Lines {
		g.Total += l.Amount
	}
	if len(g.Lines) == 0 && g.Freight == 0 {
		return Give{}, ErrNothing
	}
	return g, nil
}

// restOf is what is left to give back of each line.
func restOf(lines []Line) []money.Fen {
	rest := make([]money.Fen, len(lines))
	for i, l := range lines {
		rest[i] = l.Net - l.Refunded
	}
	return rest
}

// add works out one line and takes it off the rest.
func (g *Give) add(a AskLine, lines []Line, rest []money.Fen) (GiveLine, error) {
	for _, there := range g.Lines {
		if there.Line == a.Line {
			return GiveLine{}, ErrAsk
		}
	}
	for i, l := range lines {
		if l.ID != a.Line {
			continue
		}
		left := l.Qty - l.RefundedQty
		if a.All {
			a.Qty = left
		}
		if a.Qty < 0 || a.Amount != nil && *a.Amount < 0 {
			return GiveLine{}, ErrAsk
		}
		if a.Qty > left {
			return GiveLine{}, ErrExceeds
		}
		part := GiveLine{Line: l.ID, Qty: a.Qty, Amount: worth(l, a.Qty)}
		switch {
		case a.All:
			part.Amount = rest[i]
		case a.Amount != nil:
			part.Amount = *a.Amount
		}
		if part.Amount > rest[i] {
			return GiveLine{}, ErrExceeds
		}
		rest[i] -= part.Amount
		return part, nil
	}
	return GiveLine{}, ErrLine
}

// worth is what a further quantity of a line gives back.
func worth(l Line, qty int64) money.Fen {
	done, all := money.Fen(l.RefundedQty), money.Fen(l.Qty)
	if l.RefundedQty+qty == l.Qty && qty > 0 {
		return l.Net - l.Refunded
	}
	return min(l.Net.Part(done+money.Fen(qty), all)-l.Net.Part(done, all), l.Net-l.Refunded)
}

// spread gives an amount back over all lines, by what is left of each.
func (g *Give) spread(amount money.Fen, lines []Line, rest []money.Fen) error {
	var left money.Fen
	for _, r := range rest {
		left += r
	}
	if amount > left {
		return ErrExceeds
	}
	for i, part := range money.Split(amount, rest) {
		if part > 0 {
			g.put(lines[i].ID, part)
		}
	}
	return nil
}

func (g *Give) put(line base.LineID, amount money.Fen) {
	for i := range g.Lines {
		if g.Lines[i].Line == line {
			g.Lines[i].Amount += amount
			return
		}
	}
	g.Lines = append(g.Lines, GiveLine{Line: line, Amount: amount})
}

// Adopt says what a refund that did not start here gives back: over the lines by what is left of each, then freight.
// More than is left is ErrExceeds.
func Adopt(o Order, lines []Line, amount money.Fen) (Give, error) {
	var goods money.Fen
	for _, r := range restOf(lines) {
		goods += r
	}
	ofGoods := min(amount, goods)
	if amount <= 0 {
		return Give{}, fmt.Errorf("adopt refund: amount %d", amount)
	}
	return Work(o, lines, Ask{Amount: ofGoods, Freight: amount - ofGoods})
}
