package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/order"
)

func fen(f money.Fen) *money.Fen { return &f }

// count applies what was worked out, as the guarded updates do.
func count(t require.TestingT, o *order.Order, lines []order.Line, g order.Give) {
	var sum money.Fen
	for _, gl := range g.Lines {
		for i := range lines {
			if lines[i].ID != gl.Line {
				continue
			}
			lines[i].Refunded += gl.Amount
			lines[i].RefundedQty += gl.Qty
			require.LessOrEqual(t, lines[i].Refunded, lines[i].Net)
			require.LessOrEqual(t, lines[i].RefundedQty, lines[i].Qty)
			require.GreaterOrEqual(t, gl.Amount, money.Fen(0))
			sum += gl.Amount
		}
	}
	require.Equal(t, g.Total, sum+g.Freight)
	o.Refunded += g.Total
	o.FreightRefunded += g.Freight
	require.LessOrEqual(t, o.Refunded, o.Total)
}

// The refunds of the worked example: one of two units, a goodwill of 30.00, then the rest.
func TestWork_WorkedExample(t *testing.T) {
	t.Parallel()
	o := order.Order{Total: 28_000}
	lines := []order.Line{{ID: 1, Qty: 2, Net: 18_648}, {ID: 2, Qty: 1, Net: 9_352}}
	steps := []struct {
		ask  order.Ask
		give money.Fen
	}{
		{order.Ask{Lines: []order.AskLine{{Line: 1, Qty: 1}}}, 9_324},
		{order.Ask{Lines: []order.AskLine{{Line: 1, Amount: fen(3_000)}}}, 3_000},
		{order.Ask{Lines: []order.AskLine{{Line: 1, All: true}}}, 6_324},
	}
	for _, s := range steps {
		g, err := order.Work(o, lines, s.ask)
		require.NoError(t, err)
		require.Equal(t, s.give, g.Total)
		count(t, &o, lines, g)
	}
	require.Equal(t, lines[0].Net, lines[0].Refunded)
	_, err := order.Work(o, lines, order.Ask{Lines: []order.AskLine{{Line: 1, Qty: 1}}})
	require.ErrorIs(t, err, order.ErrExceeds)
}

func TestWork_Refuses(t *testing.T) {
	t.Parallel()
	o := order.Order{Total: 1_500, Freight: 500}
	lines := []order.Line{{ID: 1, Qty: 2, Net: 1_000}}
	tests := []struct {
		name string
		ask  order.Ask
		want error
	}{
		{"nothing", order.Ask{}, order.ErrNothing},
		{"unknown line", order.Ask{Lines: []order.AskLine{{Line: 9, Qty: 1}}}, order.ErrLine},
		{"line twice", order.Ask{Lines: []order.AskLine{{Line: 1, Qty: 1}, {Line: 1, Qty: 1}}}, order.ErrAsk},
		{"negative quantity", order.Ask{Lines: []order.AskLine{{Line: 1, Qty: -1}}}, order.ErrAsk},
		{"negative amount", order.Ask{Lines: []order.AskLine{{Line: 1, Amount: fen(-1)}}}, order.ErrAsk},
		{"too many", order.Ask{Lines: []order.AskLine{{Line: 1, Qty: 3}}}, order.ErrExceeds},
		{"too much", order.Ask{Lines: []order.AskLine{{Line: 1, Amount: fen(1_001)}}}, order.ErrExceeds},
		{"too much freight", order.Ask{Freight: 501}, order.ErrExceeds},
		{"too much over all", order.Ask{Amount: 1_001}, order.ErrExceeds},
		{"too much together", order.Ask{Lines: []order.AskLine{{Line: 1, Qty: 1}}, Amount: 501}, order.ErrExceeds},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := order.Work(o, lines, tt.ask)
			require.ErrorIs(t, err, tt.want)
		})
	}
}

func TestWork_AnyPiecesAddUpToTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := order.Order{Freight: money.Fen(rapid.Int64Range(0, 900).Draw(t, "freight"))}
		var lines []order.Line
		for i := range rapid.IntRange(1, 4).Draw(t, "lines") {
			l := order.Line{
				ID: base.LineID(i + 1), Qty: rapid.Int64Range(1, 6).Draw(t, "qty"), Net: money.Fen(rapid.Int64Range(0, 10_000).Draw(t, "net")),
			}
			lines = append(lines, l)
			o.Goods += l.Net
		}
		o.Total = o.Goods + o.Freight
		for range rapid.IntRange(0, 8).Draw(t, "pieces") {
			g, err := order.Work(o, lines, drawAsk(t, o, lines))
			if err == nil {
				count(t, &o, lines, g)
			}
		}
		g, err := order.Work(o, lines, order.Ask{Whole: true})
		if err != nil {
			require.ErrorIs(t, err, order.ErrNothing, "the rest can always be refunded, unless there is none")
		}
		count(t, &o, lines, g)
		require.Equal(t, o.Total, o.Refunded)
		for _, l := range lines {
			require.Equal(t, l.Net, l.Refunded)
			require.Equal(t, l.Qty, l.RefundedQty)
		}
	})
}

func drawAsk(t *rapid.T, o order.Order, lines []order.Line) order.Ask {
	l := rapid.SampledFrom(lines).Draw(t, "line")
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return order.Ask{Lines: []order.AskLine{{Line: l.ID, Qty: rapid.Int64Range(1, 3).Draw(t, "n")}}}
	case 1:
		return order.Ask{Lines: []order.AskLine{{Line: l.ID, Amount: fen(money.Fen(rapid.Int64Range(1, 4_000).Draw(t, "amount")))}}}
	case 2:
		return order.Ask{Freight: money.Fen(rapid.Int64Range(0, int64(o.Freight)).Draw(t, "f")), Lines: []order.AskLine{{Line: l.ID, Qty: 1}}}
	default:
		return order.Ask{Amount: money.Fen(rapid.Int64Range(1, 5_000).Draw(t, "over all"))}
	}
}

func TestAdopt_GoodsFirstThenFreight(t *testing.T) {
	t.Parallel()
	o := order.Order{Total: 3_500, Freight: 500}
	lines := []order.Line{{ID: 1, Qty: 1, Net: 1_000}, {ID: 2, Qty: 1, Net: 2_000}}
	g, err := order.Adopt(o, lines, 600)
	require.NoError(t, err)
	require.Equal(t, []order.GiveLine{{1, 0, 200}, {2, 0, 400}}, g.Lines)
	g, err = order.Adopt(o, lines, 3_200)
	require.NoError(t, err)
	require.Equal(t, money.Fen(200), g.Freight)
	_, err = order.Adopt(o, lines, 3_501)
	require.ErrorIs(t, err, order.ErrExceeds)
}
