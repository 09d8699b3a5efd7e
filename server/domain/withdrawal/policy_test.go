package withdrawal_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/withdrawal"
)

var now = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

func TestPolicy_CheckTellsTheFirstReason(t *testing.T) {
	t.Parallel()
	good := withdrawal.Payee{Status: withdrawal.PayeeActive, Named: true, Available: 50_000}
	tests := []struct {
		name   string
		change func(*withdrawal.Payee)
		amount money.Fen
		code   string
	}{
		{"fine", func(*withdrawal.Payee) {}, 1_000, ""},
		{"closed may", func(p *withdrawal.Payee) { p.Status = withdrawal.PayeeClosed }, 1_000, ""},
		{"suspended may ask", func(p *withdrawal.Payee) { p.Status = withdrawal.PayeeSuspended }, 1_000, ""},
		{"stranger before all", func(p *withdrawal.Payee) { *p = withdrawal.Payee{} }, 1, "withdrawal.not_distributor"},
		{"name before amount", func(p *withdrawal.Payee) { p.Named = false }, 1, "withdrawal.real_name_needed"},
		{"below", func(p *withdrawal.Payee) { p.Available = 0 }, 999, "withdrawal.below_minimum"},
		{"zero", func(*withdrawal.Payee) {}, 0, "withdrawal.below_minimum"},
		{"negative", func(*withdrawal.Payee) {}, -5_000, "withdrawal.below_minimum"},
		{"above before available", func(p *withdrawal.Payee) { p.Available = 0 }, 20_001, "withdrawal.above_maximum"},
		{"endless", func(*withdrawal.Payee) {}, 1<<63 - 1, "withdrawal.above_maximum"},
		{"available before cool-down", func(p *withdrawal.Payee) { p.Available, p.NameChangedAt = 999, now }, 1_000, "withdrawal.insufficient_available"},
		{"cool-down", func(p *withdrawal.Payee) { p.NameChangedAt = now.Add(-72*time.Hour + time.Millisecond) }, 1_000, "withdrawal.cooling_down"},
		{"cool-down over", func(p *withdrawal.Payee) { p.NameChangedAt = now.Add(-72 * time.Hour) }, 1_000, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := good
			tt.change(&p)
			err := withdrawal.Default().Check(p, tt.amount, now)
			require.Equal(t, tt.code, errs.CodeOf(err))
		})
	}
	other := good
	p := withdrawal.Default()
	p.FeeBP, p.MinFen = 2_000, 11
	require.Equal(t, "withdrawal.net_below_wechat_minimum", errs.CodeOf(p.Check(other, 11, now)))
	p.NameRequired = false
	other.Named = false
	require.NoError(t, p.Check(other, 5_000, now))
	p.MaxFen, other.Available = 300_000, 300_000
	require.ErrorIs(t, p.Check(other, 200_000, now), withdrawal.ErrNameNeeded, "WeChat insists from 2,000.00 on")
}

func TestPolicy_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, withdrawal.Default().Validate())
	tests := map[string]func(*withdrawal.Policy){
		"/min_fen":                   func(p *withdrawal.Policy) { p.MinFen = 0 },
		"/max_fen":                   func(p *withdrawal.Policy) { p.MaxFen = p.MinFen - 1 },
		"/daily_amount_fen":          func(p *withdrawal.Policy) { p.DailyAmountFen = -1 },
		"/platform_daily_fen":        func(p *withdrawal.Policy) { p.PlatformDailyFen = money.Max + 1 },
		"/auto_approve_below_fen":    func(p *withdrawal.Policy) { p.AutoApproveBelowFen = -1 },
		"/second_approver_above_fen": func(p *withdrawal.Policy) { p.SecondApproverAboveFen = -1 },
		"/wechat_min_fen":            func(p *withdrawal.Policy) { p.WeChatMinFen = 0 },
		"/daily_count":               func(p *withdrawal.Policy) { p.DailyCount = 0 },
		"/cooldown_days":             func(p *withdrawal.Policy) { p.CooldownDays = -1 },
		"/fee_bps":                   func(p *withdrawal.Policy) { p.FeeBP = 2_001 },
		"/remark":                    func(p *withdrawal.Policy) { p.Remark = "" },
		"/risk/lookback_days":        func(p *withdrawal.Policy) { p.Risk.LookbackDays = 0 },
		"/risk/refund_rate_bps":      func(p *withdrawal.Policy) { p.Risk.RefundRateBP = 10_001 },
		"/risk/orders_min":           func(p *withdrawal.Policy) { p.Risk.OrdersMin = 0 },
	}
	for pointer, change := range tests {
		p := withdrawal.Default()
		change(&p)
		e, ok := errs.As(p.Validate())
		require.True(t, ok, pointer)
		require.Equal(t, pointer, e.Fields[0].Pointer)
	}
	p := withdrawal.Default()
	p.MinFen, p.WeChatMinFen, p.FeeBP = 10, 10, 1_000
	require.Error(t, p.Validate(), "what is left of the minimum is less than WeChat transfers")
}

func TestTaxPolicy(t *testing.T) {
	t.Parallel()
	require.False(t, withdrawal.TaxPolicy{}.Chosen())
	require.NoError(t, withdrawal.TaxPolicy{Kind: withdrawal.TaxNone}.Validate())
	require.ErrorIs(t, withdrawal.TaxPolicy{Kind: withdrawal.TaxCumulative}.Validate(), withdrawal.ErrTaxUnavailable)
	require.Equal(t, "tax_policy.invalid", errs.CodeOf(withdrawal.TaxPolicy{Kind: "else"}.Validate()))
}

func TestQuote_AddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := withdrawal.Default()
		p.FeeBP = money.BasisPoints(rapid.Int64Range(0, 2_000).Draw(t, "fee"))
		q := p.Quote(money.Fen(rapid.Int64Range(1, int64(money.Max)).Draw(t, "amount")))
		if q.Net+q.Fee+q.Tax != q.Amount || q.Fee < 0 || q.Net <= 0 {
			t.Fatalf("%+v", q)
		}
	})
}

func TestSigns(t *testing.T) {
	t.Parallel()
	fine := withdrawal.Facts{PaidBefore: 3, Orders: 20, Sold: 100_000, Refunded: 10_000, TopCustomers: 6, QuickOrders: 4, Lately: 1}
	tests := []struct {
		name   string
		change func(*withdrawal.Facts)
		want   []string
	}{
		{"nothing", func(*withdrawal.Facts) {}, nil},
		{"suspended", func(f *withdrawal.Facts) { f.Suspended = true }, []string{"suspended"}},
		{"first", func(f *withdrawal.Facts) { f.PaidBefore = 0 }, []string{"first_withdrawal"}},
		{"name changed", func(f *withdrawal.Facts) { f.NameChangedAt = now.AddDate(0, 0, -29) }, []string{"name_changed"}},
		{"name changed long ago", func(f *withdrawal.Facts) { f.NameChangedAt = now.AddDate(0, 0, -30) }, nil},
		{"refunds", func(f *withdrawal.Facts) { f.Refunded = 30_000 }, []string{"refund_rate"}},
		{"refunds just below", func(f *withdrawal.Facts) { f.Refunded = 29_999 }, nil},
		{"refunds of few orders", func(f *withdrawal.Facts) {
			f.Orders, f.TopCustomers, f.QuickOrders, f.Refunded = 4, 4, 4, 100_000
		}, nil},
		{"few customers", func(f *withdrawal.Facts) { f.TopCustomers = 12 }, []string{"few_customers"}},
		{"bound and bought", func(f *withdrawal.Facts) { f.QuickOrders = 10 }, []string{"bound_and_bought"}},
		{"velocity", func(f *withdrawal.Facts) { f.Lately = 5 }, []string{"velocity"}},
		{"just below", func(f *withdrawal.Facts) { f.Recent = []money.Fen{4_999, 4_500, 9_999, 2_000} }, []string{"near_limit"}},
		{"not so often", func(f *withdrawal.Facts) { f.Recent = []money.Fen{4_999, 4_499, 10_001, 20_000, 20_000, 20_000} }, nil},
	}
	p := withdrawal.Default()
	p.AutoApproveBelowFen, p.SecondApproverAboveFen = 5_000, 10_000
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fine
			tt.change(&f)
			var got []string
			signs := p.Signs(f, now)
			for _, s := range signs {
				got = append(got, s.Code)
				require.NotEmpty(t, s.Message+s.English)
			}
			require.Equal(t, tt.want, got)
			text, err := withdrawal.EncodeSigns(signs)
			require.NoError(t, err)
			back, err := withdrawal.DecodeSigns(text)
			require.NoError(t, err)
			require.Len(t, back, len(signs))
		})
	}
}

func TestFailWords(t *testing.T) {
	t.Parallel()
	zh, en := withdrawal.FailWords("")
	require.Empty(t, zh+en)
	for _, reason := range []string{"NAME_NOT_CORRECT", "OVERDUE_CLOSE", "SOMETHING_NEW"} {
		zh, en = withdrawal.FailWords(reason)
		require.NotEmpty(t, zh)
		require.NotEmpty(t, en)
		require.NotContains(t, zh, reason)
	}
}
