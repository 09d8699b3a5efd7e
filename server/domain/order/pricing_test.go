package order_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base/money"
	"fenxiao/server/domain/order"
)

func coupon(amount money.Fen) order.Terms {
	return order.Terms{Discounts: []order.Discount{{ZH: "券", EN: "coupon", Amount: amount}}}
}

// The worked example of the business contract: 2 × 99.90 and a line of 100.20, a coupon of 20.00.
func TestPrice_WorkedExample(t *testing.T) {
	t.Parallel()
	p, err := order.Price([]order.PriceLine{{"甲", 2, 9_990}, {"乙", 1, 10_020}}, coupon(2_000))
	require.NoError(t, err)
	require.Equal(t, []order.PricedLine{{19_980, 1_332, 18_648}, {10_020, 668, 9_352}}, p.Lines)
	require.Equal(t, money.Fen(28_000), p.Total)
	require.Len(t, p.Why, 5)
	require.Equal(t, "甲：单价 99.90 × 2 件 = 199.80 元，分摊订单优惠 13.32 元，实付 186.48 元", p.Why[0].ZH)
	require.Equal(t, "商品 300.00 − 优惠 20.00 + 运费 0.00 = 应付 280.00 元", p.Why[4].ZH)
	require.Equal(t, "Goods 300.00 − discounts 20.00 + freight 0.00 = 280.00 to pay", p.Why[4].EN)
}

func TestPrice_Freight(t *testing.T) {
	t.Parallel()
	line := []order.PriceLine{{"甲", 1, 10_000}}
	tests := []struct {
		name    string
		terms   order.Terms
		freight money.Fen
		zh      string
	}{
		{"flat", order.Terms{Freight: order.Freight{Flat: 800}}, 800, "运费 8.00 元"},
		{"free from its threshold", order.Terms{Freight: order.Freight{Flat: 800, FreeFrom: 10_000}}, 0, "优惠后商品金额 100.00 元，满 100.00 元免运费"},
		{"threshold is after discounts", order.Terms{Discounts: coupon(1).Discounts, Freight: order.Freight{Flat: 800, FreeFrom: 10_000}}, 800, "运费 8.00 元（满 100.00 元免运费）"},
		{"picked up", order.Terms{Freight: order.Freight{Flat: 800, PickUp: true}}, 0, "自提，免运费"},
		{"none at all", order.Terms{}, 0, "本店包邮"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := order.Price(line, tt.terms)
			require.NoError(t, err)
			require.Equal(t, tt.freight, p.Freight)
			require.Equal(t, tt.zh, p.Why[len(p.Why)-2].ZH)
		})
	}
}

func TestPrice_RefusesWhatIsOutOfRange(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]order.PriceLine{
		"no unit": {"x", 0, 1}, "negative quantity": {"x", -1, 1}, "too many": {"x", order.QtyMax + 1, 1},
		"negative price": {"x", 1, -1}, "huge price": {"x", 2, money.Max + 1}, "product beyond the range": {"x", order.QtyMax, money.Max},
	} {
		_, err := order.Price([]order.PriceLine{line}, order.Terms{})
		require.ErrorIs(t, err, money.ErrRange, name)
	}
	_, err := order.Price([]order.PriceLine{{"x", 1, 1}}, coupon(-1))
	require.ErrorIs(t, err, money.ErrRange)
	_, err = order.Price([]order.PriceLine{{"x", 1, 1}}, order.Terms{Freight: order.Freight{Flat: -1}})
	require.ErrorIs(t, err, money.ErrRange)
}

func TestPrice_PartsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines, terms := drawLines(t), drawTerms(t)
		p, err := order.Price(lines, terms)
		require.NoError(t, err)
		var gross, discount, net money.Fen
		for i, l := range p.Lines {
			require.Equal(t, lines[i].Price*money.Fen(lines[i].Qty), l.Gross)
			require.Equal(t, l.Gross, l.Discount+l.Net)
			require.GreaterOrEqual(t, l.Discount, money.Fen(0))
			require.GreaterOrEqual(t, l.Net, money.Fen(0))
			gross, discount, net = gross+l.Gross, discount+l.Discount, net+l.Net
		}
		var asked money.Fen
		for _, d := range terms.Discounts {
			asked += d.Amount
		}
		require.Equal(t, gross, p.Goods)
		require.Equal(t, discount, p.Discount)
		require.Equal(t, min(asked, gross), p.Discount, "a discount takes what it says, and never more than there is")
		require.Equal(t, net+p.Freight, p.Total)
		require.GreaterOrEqual(t, p.Freight, money.Fen(0))
	})
}

func drawLines(t *rapid.T) []order.PriceLine {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) order.PriceLine {
		return order.PriceLine{"x", rapid.Int64Range(1, 20).Draw(t, "qty"), money.Fen(rapid.Int64Range(0, 50_000).Draw(t, "price"))}
	}), 1, 8).Draw(t, "lines")
}

func drawTerms(t *rapid.T) order.Terms {
	terms := order.Terms{Freight: order.Freight{
		Flat: money.Fen(rapid.Int64Range(0, 2_000).Draw(t, "flat")), FreeFrom: money.Fen(rapid.Int64Range(0, 90_000).Draw(t, "free")),
		PickUp: rapid.Bool().Draw(t, "pickup"),
	}}
	for range rapid.IntRange(0, 3).Draw(t, "discounts") {
		terms.Discounts = append(terms.Discounts, order.Discount{Amount: money.Fen(rapid.Int64Range(0, 200_000).Draw(t, "discount"))})
	}
	return terms
}

func TestExplain_ComesToTheStoredFigures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in, terms := drawLines(t), drawTerms(t)
		p, err := order.Price(in, terms)
		require.NoError(t, err)
		stored, err := json.Marshal(terms)
		require.NoError(t, err)
		o := order.Order{Goods: p.Goods, Discount: p.Discount, Freight: p.Freight, Total: p.Total, Pricing: string(stored)}
		var lines []order.Line
		for _, l := range in {
			lines = append(lines, order.Line{Name: l.Name, Qty: l.Qty, Price: l.Price})
		}
		again, err := order.Explain(o, lines)
		require.NoError(t, err)
		require.Equal(t, p, again)
		o.Total++
		_, err = order.Explain(o, lines)
		require.Error(t, err, "figures that do not follow from what is stored")
	})
}

func TestPolicy_Terms(t *testing.T) {
	t.Parallel()
	p := order.DefaultPolicy()
	p.Reductions = []order.Reduction{{From: 10_000, Off: 1_000}, {From: 20_000, Off: 3_000}}
	require.NoError(t, p.Validate())
	require.Empty(t, p.Terms(9_999, order.Courier).Discounts)
	require.Equal(t, money.Fen(1_000), p.Terms(10_000, order.Courier).Discounts[0].Amount)
	require.Equal(t, order.Discount{ZH: "满 200.00 减 30.00", EN: "30.00 off from 200.00", Amount: 3_000}, p.Terms(50_000, order.Courier).Discounts[0])
	require.True(t, p.Terms(1, order.PickUp).Freight.PickUp)

	for name, change := range map[string]func(*order.Policy){
		"closes at once":     func(p *order.Policy) { p.CloseMinutes = 4 },
		"negative freight":   func(p *order.Policy) { p.FreightFlat = -1 },
		"gives more than it": func(p *order.Policy) { p.Reductions = []order.Reduction{{From: 1, Off: 2}} },
		"never received":     func(p *order.Policy) { p.ReceiveCourierDays = 61 },
		"no window":          func(p *order.Policy) { p.AftersaleDays = -1 },
	} {
		p := order.DefaultPolicy()
		change(&p)
		require.Error(t, p.Validate(), name)
	}
}
