package commission_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
)

const goodDraft = `{"name":"茶叶 12%","scope_kind":"category","category":"茶","payee":"seller","kind":"rate","rate_bps":1200}`

func TestDecodeDraft(t *testing.T) {
	t.Parallel()
	d, err := commission.DecodeDraft([]byte(goodDraft))
	require.NoError(t, err)
	require.Equal(t, commission.Draft{Name: "茶叶 12%", ScopeKind: commission.ScopeCategory, Category: "茶", Payee: base.Seller, Kind: commission.Rate, Rate: 1_200}, d)

	for name, tt := range map[string]struct{ body, code string }{
		"no json":               {`rate=12`, "commission.rule_malformed"},
		"an unknown field":      {`{"name":"x","bonus":1}`, "commission.rule_malformed"},
		"two documents":         {goodDraft + goodDraft, "commission.rule_malformed"},
		"a fraction":            {strings.Replace(goodDraft, "1200", "12.5", 1), "commission.rule_malformed"},
		"too long":              {`{"name":"` + strings.Repeat("x", 20_000) + `"}`, "commission.rule_malformed"},
		"over 100 %":            {strings.Replace(goodDraft, "1200", "10001", 1), "commission.rule_invalid"},
		"negative":              {strings.Replace(goodDraft, "1200", "-1", 1), "commission.rule_invalid"},
		"a rate and an amount":  {strings.Replace(goodDraft, `"rate_bps"`, `"amount_fen":5,"rate_bps"`, 1), "commission.rule_invalid"},
		"category without one":  {strings.Replace(goodDraft, `"category":"茶",`, "", 1), "commission.rule_invalid"},
		"an unknown payee":      {strings.Replace(goodDraft, "seller", "upline2", 1), "commission.rule_invalid"},
		"a ladder":              {strings.Replace(goodDraft, `"kind":"rate"`, `"kind":"ladder"`, 1), "commission.rule_invalid"},
		"no name":               {strings.Replace(goodDraft, "茶叶 12%", "  ", 1), "commission.rule_invalid"},
		"over before it starts": {strings.Replace(goodDraft, `}`, `,"from":"2026-11-24T00:00:00Z","until":"2026-11-23T00:00:00Z"}`, 1), "commission.rule_invalid"},
	} {
		_, err := commission.DecodeDraft([]byte(tt.body))
		require.Equal(t, tt.code, errs.CodeOf(err), name)
	}
}

func FuzzDecodeDraft(f *testing.F) {
	f.Add([]byte(goodDraft))
	f.Add([]byte(`{"name":"a","scope_kind":"sku","sku_id":"sk0000000000001","payee":"territory","kind":"per_unit","amount_fen":100,"until":"2027-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"name":"a","scope_kind":"all","payee":"seller","kind":"per_order","amount_fen":100000001}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := commission.DecodeDraft(body)
		if err != nil {
			_, ours := errs.As(err)
			require.True(t, ours, "%v", err)
			return
		}
		require.True(t, d.Rate >= 0 && d.Rate <= money.Whole && money.Check(d.Amount) == nil)
		text, err := json.Marshal(d)
		require.NoError(t, err)
		again, err := commission.DecodeDraft(text)
		require.NoError(t, err)
		second, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(text), string(second))
	})
}

func TestPolicy_RiskNeedsTheTypedWords(t *testing.T) {
	t.Parallel()
	require.NoError(t, commission.DefaultPolicy.Validate())
	require.False(t, commission.DefaultPolicy.Risky(), "off by default")
	for _, p := range []commission.Policy{{Upline: true}, {TerritoryPercent: true}} {
		require.ErrorIs(t, p.Validate(), commission.ErrAcknowledge)
		p.Acknowledgement = commission.Acknowledgement + " "
		require.ErrorIs(t, p.Validate(), commission.ErrAcknowledge)
		p.Acknowledgement = commission.Acknowledgement
		require.NoError(t, p.Validate())
	}
	require.Error(t, commission.Policy{Cap: 10_001}.Validate())
}

func TestBigChange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		prev, next commission.Rule
		want       bool
	}{
		{"30 % up", rule(1, base.Seller, rate(1_000)), rule(2, base.Seller, rate(1_300)), false},
		{"more than 30 % up", rule(1, base.Seller, rate(1_000)), rule(2, base.Seller, rate(1_301)), true},
		{"30 % down", rule(1, base.Seller, perUnit(100)), rule(2, base.Seller, perUnit(70)), false},
		{"more than 30 % down", rule(1, base.Seller, perUnit(100)), rule(2, base.Seller, perUnit(69)), true},
		{"from nothing", rule(1, base.Seller, rate(0)), rule(2, base.Seller, rate(1)), true},
		{"another kind", rule(1, base.Seller, rate(100)), rule(2, base.Seller, perUnit(100)), true},
		{"the same", rule(1, base.Seller, rate(0)), rule(2, base.Seller, rate(0)), false},
	} {
		require.Equal(t, tt.want, commission.BigChange(tt.prev, tt.next), tt.name)
	}
}

func TestBelowMargin(t *testing.T) {
	t.Parallel()
	require.False(t, commission.BelowMargin(rule(1, base.Seller, rate(2_000)), 10_000, 8_000))
	require.True(t, commission.BelowMargin(rule(1, base.Seller, rate(2_001)), 10_000, 8_000))
	require.True(t, commission.BelowMargin(rule(1, base.Seller, perUnit(2_001)), 10_000, 8_000))
	require.True(t, commission.BelowMargin(rule(1, base.Seller, perOrder(1)), 10_000, 10_000))
	require.False(t, commission.BelowMargin(rule(1, base.Seller, rate(0)), 10_000, 12_000), "nothing is never too much")
}
