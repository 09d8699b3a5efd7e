package flow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/ledger"
)

// limit changes what the level of a distributor may withdraw. Zero is the shop's limit.
func (p *counter) limit(d base.DistributorID, once, day money.Fen) {
	p.t.Helper()
	now, err := distributor.Get(p.t.Context(), p.db.Q(), d)
	require.NoError(p.t, err)
	l := now.Level
	l.Rights.WithdrawOnceMax, l.Rights.WithdrawDayMax = once, day
	_, err = p.f.UpdateLevel(p.t.Context(), l, boss, "限额")
	require.NoError(p.t, err)
}

// refusal is why a withdrawal is refused, with the figure that it says.
func (p *counter) refusal(d base.DistributorID, amount money.Fen) (string, any) {
	p.t.Helper()
	_, err := p.f.RequestWithdrawal(p.t.Context(), p.input(d, amount))
	e, ok := errs.As(err)
	require.True(p.t, ok, "%v", err)
	return e.Code, e.Params["amount_fen"]
}

func TestWithdraw_LevelLimits(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.DailyCount = 20 })
		d := p.earner(100_000)
		p.limit(d.ID, 5_000, 8_000)
		code, figure := p.refusal(d.ID, 5_001)
		require.Equal(t, "withdrawal.above_maximum", code)
		require.EqualValues(t, 5_000, figure)
		p.request(d.ID, 5_000)
		code, figure = p.refusal(d.ID, 3_001)
		require.Equal(t, "withdrawal.day_amount_exceeded", code)
		require.EqualValues(t, 8_000, figure)
		p.request(d.ID, 3_000)
		code, _ = p.refusal(d.ID, 1_000)
		require.Equal(t, "withdrawal.day_amount_exceeded", code)
		p.wallet(d.ID, ledger.Wallet{Available: 92_000, Withdrawing: 8_000})

		p.limit(d.ID, 0, 10_000)
		p.request(d.ID, 2_000)
		code, _ = p.refusal(d.ID, 1_000)
		require.Equal(t, "withdrawal.day_amount_exceeded", code, "what was taken before counts under the new limit")
		p.limit(d.ID, 0, 0)
		p.request(d.ID, 20_000)
		p.limit(d.ID, 900_000, 9_000_000)
		code, figure = p.refusal(d.ID, 20_001)
		require.Equal(t, "withdrawal.above_maximum", code, "a level never gets more than the shop allows")
		require.EqualValues(t, 20_000, figure)
		p.wallet(d.ID, ledger.Wallet{Available: 70_000, Withdrawing: 30_000})
	})
}

func TestWithdraw_LevelLimitHoldsInTheDatabase(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.f.Allowances = blindAllowances{} // Redis lets everything through
		p.policy(func(w *withdrawal.Policy) { w.DailyCount = 50 })
		d := p.earner(100_000)
		p.limit(d.ID, 2_000, 5_500)
		results := atOnce(12, func(int) error {
			_, err := p.f.RequestWithdrawal(t.Context(), p.input(d.ID, 2_000))
			return err
		})
		require.Equal(t, map[string]int{"": 2, "withdrawal.day_amount_exceeded": 10}, tally(results))
		p.today(d.ID, 2, 4_000)
		p.wallet(d.ID, ledger.Wallet{Available: 96_000, Withdrawing: 4_000})
	})
}

func TestWithdraw_OutlookIsWithinTheLevel(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		d := p.earner(100_000)
		p.limit(d.ID, 5_000, 8_000)
		o, err := p.f.WithdrawalOutlook(t.Context(), d.ID)
		require.NoError(t, err)
		require.NoError(t, o.Blocked)
		require.EqualValues(t, 5_000, o.Policy.MaxFen)
		require.EqualValues(t, 8_000, o.Policy.DailyAmountFen)
		require.EqualValues(t, 5_000, o.Most)
		p.request(d.ID, o.Most)
		o, err = p.f.WithdrawalOutlook(t.Context(), d.ID)
		require.NoError(t, err)
		require.EqualValues(t, 3_000, o.Most, "what is left of the day")
		p.request(d.ID, o.Most)
		o, err = p.f.WithdrawalOutlook(t.Context(), d.ID)
		require.NoError(t, err)
		require.Equal(t, "withdrawal.day_amount_exceeded", errs.CodeOf(o.Blocked))
		require.Zero(t, o.Most)
	})
}

// TestWithdraw_SignsAreWithinTheLevel: at the very maximum is where honest people ask, whoever's maximum it is.
func TestWithdraw_SignsAreWithinTheLevel(t *testing.T) {
	t.Parallel()
	eachCounter(t, func(t *testing.T, p *counter) {
		p.policy(func(w *withdrawal.Policy) { w.DailyCount, w.AutoApproveBelowFen = 20, 5_000 })
		d := p.earner(100_000)
		p.limit(d.ID, 4_999, 0)
		var last withdrawal.Withdrawal
		for range 4 {
			last = p.request(d.ID, 4_999)
			p.clock.Advance(time.Minute)
		}
		require.NotContains(t, last.Risk, "near_limit")
		signs, err := p.f.Evidence(t.Context(), last)
		require.NoError(t, err)
		for _, s := range signs {
			require.NotEqual(t, "near_limit", s.Code, "the decision sees what the request saw")
		}
		p.limit(d.ID, 0, 0)
		signs, err = p.f.Evidence(t.Context(), last)
		require.NoError(t, err)
		codes := []string{}
		for _, s := range signs {
			codes = append(codes, s.Code)
		}
		require.Contains(t, codes, "near_limit")
	})
}
