package commission_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/store/storetest"
)

const (
	senior  base.LevelID       = 1 << 40
	partner base.LevelID       = 2 << 40
	lin     base.DistributorID = 3 << 40
	chen    base.DistributorID = 4 << 40
	tea     base.SKUID         = 5 << 40
	teaPack base.ProductID     = 6 << 40
	cup     base.SKUID         = 7 << 40
	line1   base.LineID        = 8 << 40
	line2   base.LineID        = 9 << 40
	order1  base.OrderID       = 10 << 40
)

var terms = commission.Terms{Policy: commission.DefaultPolicy, Version: 3}

// rule makes a published rule for everything, of which the options change what matters.
func rule(id base.RuleID, payee base.Tier, opts ...func(*commission.Rule)) commission.Rule {
	r := commission.Rule{
		ID: id, Key: id, Version: 1, Name: "rule", ScopeKind: commission.ScopeAll, Payee: payee, Kind: commission.Rate,
		FromMs: 1, PublishedMs: 1, Status: commission.StatusPublished,
	}
	for _, o := range opts {
		o(&r)
	}
	return r
}

func rate(bp money.BasisPoints) func(*commission.Rule) {
	return func(r *commission.Rule) { r.Kind, r.Rate = commission.Rate, bp }
}

func perUnit(f money.Fen) func(*commission.Rule) {
	return func(r *commission.Rule) { r.Kind, r.Amount = commission.PerUnit, f }
}

func perOrder(f money.Fen) func(*commission.Rule) {
	return func(r *commission.Rule) { r.Kind, r.Amount = commission.PerOrder, f }
}

func sellerIs(id base.DistributorID) commission.Payee {
	return commission.Payee{Tier: base.Seller, ID: id, Level: senior, Cycle: base.Weekly}
}

func territoryIs(id base.DistributorID) commission.Payee {
	return commission.Payee{Tier: base.Territory, ID: id, Level: partner, Cycle: base.Monthly}
}

func order(lines []commission.LineInput, payees ...commission.Payee) commission.OrderInput {
	return commission.OrderInput{Order: order1, At: storetest.Start, Payees: payees, Lines: lines}
}

func line(id base.LineID, qty int64, net, cost money.Fen) commission.LineInput {
	return commission.LineInput{Line: id, Product: teaPack, SKU: tea, Category: "茶", Qty: qty, Base: net, Cost: cost}
}

// workedExample is the order of docs/money.md: the first line is 2 × 99.90 less 13.32 of the coupon.
func workedExample() commission.OrderInput {
	other := line(line2, 1, 9_352, -1)
	other.SKU, other.Product, other.Category = cup, teaPack+1, "杯"
	return order([]commission.LineInput{line(line1, 2, 18_648, -1), other}, sellerIs(lin), territoryIs(chen))
}

func workedRules() []commission.Rule {
	return []commission.Rule{
		rule(1<<41, base.Seller, rate(1_200), func(r *commission.Rule) {
			r.ScopeKind, r.ScopeID, r.Level = commission.ScopeProduct, int64(teaPack), senior
		}),
		rule(2<<41, base.Territory, perUnit(100), func(r *commission.Rule) { r.ScopeKind, r.Category = commission.ScopeCategory, "茶" }),
	}
}

func TestCompute_WorkedExample(t *testing.T) {
	t.Parallel()
	shares, err := commission.Compute(workedRules(), terms, workedExample())
	require.NoError(t, err)
	require.Len(t, shares, 2)
	for i, want := range []struct {
		tier        base.Tier
		payee       base.DistributorID
		cycle       base.Cycle
		raw, amount money.Fen
	}{{base.Seller, lin, base.Weekly, 2_237, 2_237}, {base.Territory, chen, base.Monthly, 200, 200}} {
		s := shares[i]
		require.Equal(t, want.tier, s.Tier)
		require.Equal(t, want.payee, s.Payee)
		require.Equal(t, want.cycle, s.Cycle)
		require.Equal(t, want.raw, s.Raw)
		require.Equal(t, want.amount, s.Amount)
		require.EqualValues(t, 2_437, s.Sum)
		require.EqualValues(t, 4_662, s.Cap)
		require.Equal(t, line1, s.Line)
		require.Equal(t, 3, s.Inputs.Policy)
	}
	require.True(t, commission.Recompute(shares))
}

func TestCompute_CapScalesEveryShare(t *testing.T) {
	t.Parallel()
	rules := []commission.Rule{rule(1, base.Seller, rate(2_000)), rule(2, base.Territory, perUnit(1_000))}

	shares, err := commission.Compute(rules, terms, order([]commission.LineInput{line(line1, 1, 10_000, -1)}, sellerIs(lin), territoryIs(chen)))
	require.NoError(t, err)
	require.EqualValues(t, 1_666, shares[0].Amount) // ⌊2000 × 2500 / 3000⌋
	require.EqualValues(t, 833, shares[1].Amount)   // ⌊1000 × 2500 / 3000⌋

	shares, err = commission.Compute(rules, terms, order([]commission.LineInput{line(line1, 1, 10_000, 9_000)}, sellerIs(lin), territoryIs(chen)))
	require.NoError(t, err)
	require.EqualValues(t, 600, shares[0].Cap, "60 % of the margin of 1,000")
	require.EqualValues(t, 400, shares[0].Amount)
	require.EqualValues(t, 200, shares[1].Amount)

	shares, err = commission.Compute(rules, terms, order([]commission.LineInput{line(line1, 1, 10_000, 12_000)}, sellerIs(lin), territoryIs(chen)))
	require.NoError(t, err)
	require.EqualValues(t, 0, shares[0].Amount+shares[1].Amount, "sold below cost")
	require.True(t, commission.Recompute(shares))
}

func TestCompute_OneSharePerPerson(t *testing.T) {
	t.Parallel()
	in := order([]commission.LineInput{line(line1, 1, 10_000, -1)}, sellerIs(lin), territoryIs(lin))
	for _, tt := range []struct {
		name    string
		service money.Fen
		tier    base.Tier
		amount  money.Fen
	}{
		{"the seller's is higher", 999, base.Seller, 1_000},
		{"a tie is the seller's", 1_000, base.Seller, 1_000},
		{"the territory's is higher", 1_001, base.Territory, 1_001},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			shares, err := commission.Compute([]commission.Rule{rule(1, base.Seller, rate(1_000)), rule(2, base.Territory, perUnit(tt.service))}, terms, in)
			require.NoError(t, err)
			require.Len(t, shares, 1)
			require.Equal(t, tt.tier, shares[0].Tier)
			require.Equal(t, tt.amount, shares[0].Amount)
			require.Len(t, shares[0].Inputs.Dropped, 1)
			require.True(t, commission.Recompute(shares))
		})
	}
}

func TestCompute_PerOrderIsSplitOverItsLines(t *testing.T) {
	t.Parallel()
	in := workedExample()
	in.Lines = append(in.Lines, line(line2+1, 1, 9_352, -1))
	shares, err := commission.Compute([]commission.Rule{
		rule(1, base.Seller, perOrder(1_000)),
		rule(2, base.Seller, rate(0), func(r *commission.Rule) { r.ScopeKind, r.ScopeID = commission.ScopeSKU, int64(cup) }),
	}, terms, in)
	require.NoError(t, err)
	require.Len(t, shares, 3)
	require.EqualValues(t, 666, shares[0].Amount) // 18,648 of 28,000: 666.0
	require.EqualValues(t, 0, shares[1].Amount, "its own rule of zero stops the search")
	require.EqualValues(t, 334, shares[2].Amount)
	for _, s := range shares {
		require.True(t, commission.Recompute([]commission.Share{s}), commission.Explain(s).Formula)
	}
}

func TestCompute_WhatIsOffStaysOff(t *testing.T) {
	t.Parallel()
	rules := []commission.Rule{rule(1, base.Upline, rate(300)), rule(2, base.Territory, rate(300)), rule(3, base.Territory, perUnit(5))}
	in := order([]commission.LineInput{line(line1, 1, 10_000, -1)}, commission.Payee{Tier: base.Upline, ID: lin, Cycle: base.Weekly}, territoryIs(chen))

	shares, err := commission.Compute(rules, terms, in)
	require.NoError(t, err)
	require.Len(t, shares, 1)
	require.Equal(t, base.Territory, shares[0].Tier)
	require.EqualValues(t, 5, shares[0].Amount, "the fixed fee, not the percentage")

	on := terms
	on.Upline, on.TerritoryPercent = true, true
	shares, err = commission.Compute(rules[:2], on, in)
	require.NoError(t, err)
	require.Len(t, shares, 2)
}

func TestCompute_RuleSelection(t *testing.T) {
	t.Parallel()
	scope := func(kind commission.ScopeKind, id int64, category string) func(*commission.Rule) {
		return func(r *commission.Rule) { r.ScopeKind, r.ScopeID, r.Category = kind, id, category }
	}
	level := func(l base.LevelID) func(*commission.Rule) { return func(r *commission.Rule) { r.Level = l } }
	priority := func(n int) func(*commission.Rule) { return func(r *commission.Rule) { r.Priority = n } }
	window := func(from, until time.Duration) func(*commission.Rule) {
		return func(r *commission.Rule) {
			r.FromMs, r.UntilMs = base.Ms(storetest.Start.Add(from)), base.Ms(storetest.Start.Add(until))
		}
	}
	r := func(id base.RuleID, opts ...func(*commission.Rule)) commission.Rule {
		return rule(id, base.Seller, opts...)
	}
	for _, tt := range []struct {
		name  string
		rules []commission.Rule
		want  base.RuleID // 0: none
	}{
		{"nothing", nil, 0},
		{"sku before product", []commission.Rule{r(1, scope("product", int64(teaPack), "")), r(2, scope("sku", int64(tea), ""))}, 2},
		{"product before category", []commission.Rule{r(1, scope("category", 0, "茶")), r(2, scope("product", int64(teaPack), ""))}, 2},
		{"category before all", []commission.Rule{r(1), r(2, scope("category", 0, "茶"))}, 2},
		{"scope before level", []commission.Rule{r(1, level(senior)), r(2, scope("category", 0, "茶"))}, 2},
		{"level before priority", []commission.Rule{r(1, priority(9)), r(2, level(senior))}, 2},
		{"priority before age", []commission.Rule{r(1, priority(1), window(-2*time.Hour, time.Hour)), r(2, window(-time.Hour, time.Hour))}, 1},
		{"the newer one", []commission.Rule{r(1, window(-time.Hour, time.Hour)), r(2, window(-2*time.Hour, time.Hour))}, 1},
		{"the same start: the later id", []commission.Rule{r(2), r(1)}, 2},
		{"another level", []commission.Rule{r(1, level(partner))}, 0},
		{"another sku, product, category", []commission.Rule{r(1, scope("sku", int64(cup), "")), r(2, scope("product", 77, "")), r(3, scope("category", 0, "杯"))}, 0},
		{"begins now", []commission.Rule{r(1, window(0, time.Hour))}, 1},
		{"begins later", []commission.Rule{r(1, window(time.Millisecond, time.Hour))}, 0},
		{"ends now", []commission.Rule{r(1, window(-time.Hour, 0))}, 0},
		{"ends later", []commission.Rule{r(1, window(-time.Hour, time.Millisecond))}, 1},
		{"not published", []commission.Rule{r(1, func(r *commission.Rule) { r.PublishedMs = 0 })}, 0},
		{"another payee", []commission.Rule{rule(1, base.Territory, perUnit(1))}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			shares, err := commission.Compute(tt.rules, terms, order([]commission.LineInput{line(line1, 1, 10_000, -1)}, sellerIs(lin)))
			require.NoError(t, err)
			var got base.RuleID
			for _, s := range shares {
				got = s.Rule
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestCompute_RefusesNonsense(t *testing.T) {
	t.Parallel()
	good := line(line1, 1, 100, -1)
	for name, in := range map[string]commission.OrderInput{
		"no quantity":     order([]commission.LineInput{line(line1, 0, 100, -1)}, sellerIs(lin)),
		"negative base":   order([]commission.LineInput{line(line1, 1, -1, -1)}, sellerIs(lin)),
		"base too large":  order([]commission.LineInput{line(line1, 1, money.Max+1, -1)}, sellerIs(lin)),
		"unknown cost":    order([]commission.LineInput{line(line1, 1, 100, -2)}, sellerIs(lin)),
		"two sellers":     order([]commission.LineInput{good}, sellerIs(lin), sellerIs(chen)),
		"a further tier":  order([]commission.LineInput{good}, commission.Payee{Tier: "upline2", ID: lin, Cycle: base.Weekly}),
		"a strange cycle": order([]commission.LineInput{good}, commission.Payee{Tier: base.Seller, ID: lin, Cycle: "daily"}),
	} {
		_, err := commission.Compute(nil, terms, in)
		require.Error(t, err, name)
	}
}

func drawRules(t *rapid.T) []commission.Rule {
	var rules []commission.Rule
	for i := range rapid.IntRange(0, 8).Draw(t, "rules") {
		r := rule(base.RuleID(i+1), rapid.SampledFrom([]base.Tier{base.Seller, base.Upline, base.Territory}).Draw(t, "payee"))
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			rate(money.BasisPoints(rapid.IntRange(0, 10_000).Draw(t, "rate")))(&r)
		case 1:
			perUnit(money.Fen(rapid.IntRange(0, 100_000_000).Draw(t, "unit")))(&r)
		default:
			perOrder(money.Fen(rapid.IntRange(0, 100_000_000).Draw(t, "order")))(&r)
		}
		r.ScopeKind = rapid.SampledFrom([]commission.ScopeKind{commission.ScopeSKU, commission.ScopeProduct, commission.ScopeCategory, commission.ScopeAll}).Draw(t, "scope")
		r.ScopeID, r.Category = int64(rapid.IntRange(1, 3).Draw(t, "scope id")), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "category")
		r.Priority = rapid.IntRange(-1, 1).Draw(t, "priority")
		rules = append(rules, r)
	}
	return rules
}

func drawOrder(t *rapid.T) commission.OrderInput {
	in := commission.OrderInput{Order: order1, At: storetest.Start}
	for _, tier := range []base.Tier{base.Seller, base.Upline, base.Territory} {
		in.Payees = append(in.Payees, commission.Payee{Tier: tier, ID: base.DistributorID(rapid.IntRange(0, 2).Draw(t, "payee")), Cycle: base.Weekly})
	}
	for i := range rapid.IntRange(1, 6).Draw(t, "lines") {
		l := commission.LineInput{
			Line: base.LineID(i + 1), Product: base.ProductID(rapid.IntRange(1, 3).Draw(t, "product")), SKU: base.SKUID(rapid.IntRange(1, 3).Draw(t, "sku")),
			Category: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "category"), Qty: rapid.Int64Range(1, 10_000).Draw(t, "qty"),
			Base: money.Fen(rapid.OneOf(rapid.Int64Range(0, 1_000), rapid.Int64Range(0, int64(money.Max))).Draw(t, "base")), Cost: -1,
		}
		if rapid.Bool().Draw(t, "cost known") {
			l.Cost = money.Fen(rapid.Int64Range(0, min(int64(l.Base)+10, int64(money.Max))).Draw(t, "cost"))
		}
		in.Lines = append(in.Lines, l)
	}
	return in
}

func TestCompute_Properties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules, in := drawRules(t), drawOrder(t)
		terms := commission.Terms{Policy: commission.Policy{
			Cap: money.BasisPoints(rapid.IntRange(0, 10_000).Draw(t, "cap")), MarginCap: money.BasisPoints(rapid.IntRange(0, 10_000).Draw(t, "margin cap")),
			Upline: rapid.Bool().Draw(t, "upline"), TerritoryPercent: rapid.Bool().Draw(t, "territory percent"),
		}}
		shares, err := commission.Compute(rules, terms, in)
		require.NoError(t, err)
		for _, l := range in.Lines {
			checkLine(t, l, terms, shares)
		}
		checkSplits(t, rules, shares)
	})
}

func checkLine(t *rapid.T, l commission.LineInput, terms commission.Terms, shares []commission.Share) {
	var ofLine []commission.Share
	var total money.Fen
	people := map[base.DistributorID]bool{}
	for _, s := range shares {
		if s.Line != l.Line {
			continue
		}
		require.NotZero(t, s.Payee)
		require.False(t, people[s.Payee], "two shares of one person")
		require.True(t, terms.Upline || s.Tier != base.Upline)
		require.GreaterOrEqual(t, s.Amount, money.Fen(0))
		require.LessOrEqual(t, s.Amount, s.Raw)
		people[s.Payee] = true
		total += s.Amount
		ofLine = append(ofLine, s)
	}
	require.LessOrEqual(t, total, l.Base.Share(terms.Cap))
	if l.Cost >= 0 {
		require.LessOrEqual(t, total, max(0, l.Base-l.Cost))
	}
	require.True(t, commission.Recompute(ofLine))
	if len(ofLine) > 0 {
		i := rapid.IntRange(0, len(ofLine)-1).Draw(t, "forged")
		ofLine[i].Amount++
		require.False(t, commission.Recompute(ofLine), "a fen too much is found")
		ofLine[i].Amount--
		ofLine[i].Raw++
		require.False(t, commission.Recompute(ofLine), "a forged raw share is found")
	}
}

// checkSplits proves that an amount per order is split without loss, counting what one person's other share displaced.
func checkSplits(t *rapid.T, rules []commission.Rule, shares []commission.Share) {
	for _, r := range rules {
		if r.Kind != commission.PerOrder {
			continue
		}
		var got money.Fen
		n, lines := 0, 0
		for _, s := range shares {
			if s.Rule == r.ID {
				got += s.Raw
				n++
				lines = len(s.Inputs.Split.Weights)
			}
		}
		require.LessOrEqual(t, got, r.Amount)
		if n > 0 && n == lines {
			require.Equal(t, r.Amount, got)
		}
	}
}

func TestRecompute_FindsForgeries(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func([]commission.Share){
		"another rate":       func(s []commission.Share) { s[0].Rate++ },
		"another base":       func(s []commission.Share) { s[0].Base++ },
		"another quantity":   func(s []commission.Share) { s[1].Qty++ },
		"another unit":       func(s []commission.Share) { s[1].Unit++ },
		"another sum":        func(s []commission.Share) { s[0].Sum++ },
		"another cap":        func(s []commission.Share) { s[1].Cap++ },
		"another cap rate":   func(s []commission.Share) { s[1].Inputs.CapRate++ },
		"a rate beyond all":  func(s []commission.Share) { s[0].Rate = 10_001 },
		"a cap beyond all":   func(s []commission.Share) { s[0].Inputs.CapRate = -1 },
		"the same person":    func(s []commission.Share) { s[1].Payee = s[0].Payee },
		"the same tier":      func(s []commission.Share) { s[1].Tier = s[0].Tier },
		"another kind":       func(s []commission.Share) { s[0].Kind = "ladder" },
		"a split of nothing": func(s []commission.Share) { s[1].Kind = commission.PerOrder },
		"a higher one lost":  func(s []commission.Share) { s[0].Inputs.Dropped = []commission.Dropped{{base.Territory, s[0].Raw + 1}} },
		"the seller's tie":   func(s []commission.Share) { s[1].Inputs.Dropped = []commission.Dropped{{base.Seller, s[1].Raw}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shares, err := commission.Compute(workedRules(), terms, workedExample())
			require.NoError(t, err)
			require.True(t, commission.Recompute(shares))
			forge(shares)
			require.False(t, commission.Recompute(shares))
		})
	}
}

func TestExplain_ShowsTheFormula(t *testing.T) {
	t.Parallel()
	shares, err := commission.Compute(workedRules(), terms, workedExample())
	require.NoError(t, err)
	e := commission.Explain(shares[0])
	require.Equal(t, "⌊186.48 × 12.00%⌋ = 22.37", e.Formula)
	require.Contains(t, e.Zh, "推广佣金（规则“rule”第 1 版）")
	require.Contains(t, e.En, "The share is 22.37 yuan.")
	require.Equal(t, "1.00 × 2 = 2.00", commission.Explain(shares[1]).Formula)

	capped, err := commission.Compute([]commission.Rule{rule(1, base.Seller, rate(5_000)), rule(2, base.Territory, perUnit(1))}, terms,
		order([]commission.LineInput{line(line1, 1, 10_000, 4_000)}, sellerIs(lin), territoryIs(lin)))
	require.NoError(t, err)
	e = commission.Explain(capped[0])
	require.Equal(t, "⌊100.00 × 50.00%⌋ = 50.00; ⌊50.00 × 25.00 ÷ 50.00⌋ = 25.00", e.Formula)
	require.Contains(t, e.Zh, "同一人在同一商品上只计一份")
	require.NotContains(t, e.Zh+e.En, "40.00", "what the merchant paid is not shown")
}
