package order

import (
	"encoding/json"
	"fmt"

	"fenxiao/server/base/money"
)

// PriceLine is a line as pricing sees it.
type PriceLine struct {
	Name  string
	Qty   int64
	Price money.Fen // of one
}

// Discount takes an amount off the whole order.
type Discount struct {
	ZH     string    `json:"zh"`
	EN     string    `json:"en"`
	Amount money.Fen `json:"amount_fen"`
}

// Freight is how freight is charged.
type Freight struct {
	Flat     money.Fen `json:"flat_fen"`
	FreeFrom money.Fen `json:"free_from_fen"` // no freight from this much for goods, after discounts; 0: always freight
	PickUp   bool      `json:"pickup"`        // the customer fetches it: no freight
}

// Terms are what pricing needs beside the lines. They are stored with the order, so that its price can be computed and
// explained again.
type Terms struct {
	Discounts []Discount `json:"discounts"`
	Freight   Freight    `json:"freight"`
}

// ReadTerms reads the terms that are stored with an order.
func (o Order) ReadTerms() (t Terms, err error) {
	if err = json.Unmarshal([]byte(o.Pricing), &t); err != nil {
		err = fmt.Errorf("read terms of %s: %w", o.ID, err)
	}
	return t, err
}

// PricedLine is what a line costs.
type PricedLine struct {
	Gross    money.Fen // price × quantity
	Discount money.Fen // its part of the order's discounts
	Net      money.Fen // what is paid for it
}

// Sentence is one step of an explanation, in both languages.
type Sentence struct {
	Code string `json:"code"` // stable
	ZH   string `json:"zh"`
	EN   string `json:"en"`
}

// Priced is what an order costs, and why.
type Priced struct {
	Lines    []PricedLine
	Goods    money.Fen // sum of Gross
	Discount money.Fen
	Freight  money.Fen
	Total    money.Fen // Goods − Discount + Freight
	Why      []Sentence
}

// Price says what lines cost under terms. It is pure, and the only place where an order's price is computed. A discount
// is split over the lines by what is still to be paid for them, by largest remainder, so that the parts add up exactly;
// it never takes more than there is.
func Price(lines []PriceLine, terms Terms) (Priced, error) {
	p := Priced{Lines: make([]PricedLine, len(lines))}
	var err error
	for i, l := range lines {
		if l.Qty < 1 || l.Qty > QtyMax || money.Check(l.Price) != nil {
			return Priced{}, fmt.Errorf("%w: %d of %d fen", money.ErrRange, l.Qty, int64(l.Price))
		}
		gross, err := l.Price.Times(l.Qty)
		if err != nil {
			return Priced{}, err
		}
		p.Lines[i] = PricedLine{Gross: gross, Net: gross}
		if p.Goods, err = money.Add(p.Goods, gross); err != nil {
			return Priced{}, err
		}
	}
	if err := money.Check(p.Goods); err != nil {
		return Priced{}, err
	}
	for _, d := range terms.Discounts {
		if err := p.discount(d); err != nil {
			return Priced{}, err
		}
	}
	if p.Freight, err = terms.Freight.of(p.Goods - p.Discount); err != nil {
		return Priced{}, err
	}
	if p.Total, err = money.Add(p.Goods, -p.Discount, p.Freight); err != nil {
		return Priced{}, err
	}
	p.Why = p.explain(lines, terms)
	return p, nil
}

func (p *Priced) discount(d Discount) error {
	if err := money.Check(d.Amount); err != nil {
		return err
	}
	amount := min(d.Amount, p.Goods-p.Discount)
	rest := make([]money.Fen, len(p.Lines))
	for i, l := range p.Lines {
		rest[i] = l.Net
	}
	for i, part := range money.Split(amount, rest) {
		p.Lines[i].Discount += part
		p.Lines[i].Net -= part
	}
	p.Discount += amount
	return nil
}

func (f Freight) of(goods money.Fen) (money.Fen, error) {
	if err := money.Check(f.Flat); err != nil {
		return 0, err
	}
	if f.PickUp || f.FreeFrom > 0 && goods >= f.FreeFrom {
		return 0, nil
	}
	return f.Flat, nil
}

// explain tells in words how each line and the total came about.
func (p Priced) explain(lines []PriceLine, terms Terms) []Sentence {
	var why []Sentence
	say := func(code, zh, en string) { why = append(why, Sentence{code, zh, en}) }
	for i, l := range lines {
		r := p.Lines[i]
		zh := fmt.Sprintf("%s：单价 %s × %d 件 = %s 元", l.Name, l.Price, l.Qty, r.Gross)
		en := fmt.Sprintf("%s: %s each × %d = %s", l.Name, l.Price, l.Qty, r.Gross)
		if r.Discount > 0 {
			zh += fmt.Sprintf("，分摊订单优惠 %s 元，实付 %s 元", r.Discount, r.Net)
			en += fmt.Sprintf(", its part of the order's discounts is %s, paid %s", r.Discount, r.Net)
		}
		say("line", zh, en)
	}
	for _, d := range terms.Discounts {
		say("discount", fmt.Sprintf("订单优惠「%s」：%s 元，按各商品金额比例分摊到分", d.ZH, d.Amount),
			fmt.Sprintf("Discount \"%s\": %s, split over the lines by their amounts", d.EN, d.Amount))
	}
	say("freight", terms.Freight.explain(p.Goods-p.Discount, p.Freight, true), terms.Freight.explain(p.Goods-p.Discount, p.Freight, false))
	say("total", fmt.Sprintf("商品 %s − 优惠 %s + 运费 %s = 应付 %s 元", p.Goods, p.Discount, p.Freight, p.Total),
		fmt.Sprintf("Goods %s − discounts %s + freight %s = %s to pay", p.Goods, p.Discount, p.Freight, p.Total))
	return why
}

func (f Freight) explain(goods, charged money.Fen, chinese bool) string {
	pick := func(zh, en string) string {
		if chinese {
			return zh
		}
		return en
	}
	switch {
	case f.PickUp:
		return pick("自提，免运费", "Picked up: no freight")
	case f.Flat == 0:
		return pick("本店包邮", "No freight in this shop")
	case f.FreeFrom > 0 && goods >= f.FreeFrom:
		return pick(fmt.Sprintf("优惠后商品金额 %s 元，满 %s 元免运费", goods, f.FreeFrom), fmt.Sprintf("Goods for %s after discounts: no freight from %s", goods, f.FreeFrom))
	case f.FreeFrom > 0:
		return pick(fmt.Sprintf("运费 %s 元（满 %s 元免运费）", charged, f.FreeFrom), fmt.Sprintf("Freight %s (none from %s)", charged, f.FreeFrom))
	default:
		return pick(fmt.Sprintf("运费 %s 元", charged), fmt.Sprintf("Freight %s", charged))
	}
}

// Explain prices a stored order again from its stored lines and terms, and fails if it does not come to the stored
// figures.
func Explain(o Order, lines []Line) (Priced, error) {
	terms, err := o.ReadTerms()
	if err != nil {
		return Priced{}, err
	}
	in := make([]PriceLine, len(lines))
	for i, l := range lines {
		in[i] = PriceLine{l.Name, l.Qty, l.Price}
	}
	p, err := Price(in, terms)
	if err != nil {
		return Priced{}, err
	}
	if p.Total != o.Total || p.Goods != o.Goods || p.Discount != o.Discount {
		return Priced{}, fmt.Errorf("explain price of %s: computed %d, stored %d", o.ID, p.Total, o.Total)
	}
	return p, nil
}
