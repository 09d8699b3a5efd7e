package commission_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

const day = 24 * time.Hour

// shop is a database with commissions and what a test does to them.
type shop struct {
	t     require.TestingT
	ctx   context.Context
	db    *store.DB
	clock *clock.Manual
}

func eachShop(t *testing.T, fn func(t *testing.T, s *shop)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) { fn(t, &shop{t, t.Context(), db, c}) })
}

func (s *shop) tx(fn func(context.Context, *store.Tx) error) {
	require.NoError(s.t, s.db.InTx(s.ctx, "test", fn))
}

// place stores the shares of an order and accrues them.
func (s *shop) place(in commission.OrderInput, rules ...commission.Rule) []commission.Accrued {
	shares, err := commission.Compute(rules, terms, in)
	require.NoError(s.t, err)
	var out []commission.Accrued
	s.tx(func(ctx context.Context, tx *store.Tx) error { return commission.StoreShares(ctx, tx, shares) })
	s.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		out, err = commission.Accrue(ctx, tx, []base.OrderID{in.Order})
		return err
	})
	return out
}

func (s *shop) received(line base.LineID, window time.Duration) {
	s.tx(func(ctx context.Context, tx *store.Tx) error {
		return commission.Received(ctx, tx, []commission.LineDue{{Line: line, DueMs: base.Ms(tx.Now().Add(window))}})
	})
}

func (s *shop) ripen() (n int) {
	s.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		n, err = commission.Ripen(ctx, tx, 100)
		return err
	})
	return n
}

func (s *shop) refund(id base.RefundID, lines ...commission.RefundedLine) (out []commission.Reversal) {
	s.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		out, err = commission.Reverse(ctx, tx, commission.ReverseInput{Order: order1, Refund: id, Lines: lines})
		return err
	})
	return out
}

func (s *shop) rows() []commission.Row {
	rows, err := commission.RowsOf(s.ctx, s.db.Q(), order1)
	require.NoError(s.t, err)
	return rows
}

func amounts(rs []commission.Reversal) (out []money.Fen) {
	for _, r := range rs {
		out = append(out, r.Amount)
	}
	return out
}

func TestWorkedExample_ThroughTheDatabase(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		accrued := s.place(workedExample(), workedRules()...)
		require.ElementsMatch(t, []commission.Accrued{{order1, lin, 2_237}, {order1, chen, 200}}, accrued)

		s.tx(func(ctx context.Context, tx *store.Tx) error {
			again, err := commission.Accrue(ctx, tx, []base.OrderID{order1})
			require.Empty(t, again, "a repeat accrues nothing")
			return err
		})
		for i, tt := range []struct {
			soFar money.Fen
			want  []money.Fen
		}{{9_324, []money.Fen{1_118, 100}}, {12_324, []money.Fen{360, 32}}, {18_648, []money.Fen{759, 68}}} {
			line := commission.RefundedLine{Line: line1, RefundedSoFar: tt.soFar, Base: 18_648}
			require.Equal(t, tt.want, amounts(s.refund(base.RefundID(i+1), line)))
			require.Empty(t, s.refund(base.RefundID(i+1), line), "the same refund again takes nothing")
		}
		var sum money.Fen
		for _, r := range s.rows() {
			require.NotEqual(t, commission.ReversalLate, r.Kind)
			sum += r.Amount
		}
		require.Zero(t, sum)

		stored, err := commission.SharesOf(s.ctx, s.db.Q(), order1)
		require.NoError(t, err)
		require.True(t, commission.Recompute(stored))
		lines := 0
		require.NoError(t, commission.EachLine(s.ctx, s.db.Q(), func(shares []commission.Share) error {
			lines++
			require.True(t, commission.Recompute(shares))
			return nil
		}))
		require.Equal(t, 1, lines)
		e := commission.ExplainReversal(2_237, s.rows()[4])
		require.Equal(t, "⌊22.37 × 123.24 ÷ 186.48⌋", e.Formula)
		require.Contains(t, e.Zh, "本次收回 3.60 元")
	})
}

func TestRipen_WaitsForGoodsWindowAndHolds(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.place(workedExample(), workedRules()...)
		s.clock.Advance(30 * day)
		require.Zero(t, s.ripen(), "nothing is received")

		s.received(line1, 7*day)
		s.clock.Advance(7*day - time.Millisecond)
		s.received(line1, 0) // the first time counts
		require.Zero(t, s.ripen(), "the window is running")

		hold := func(ref string, scope commission.HoldScope, id int64) {
			s.tx(func(ctx context.Context, tx *store.Tx) error {
				return commission.Hold(ctx, tx, commission.HoldInput{Scope: scope, ScopeIDs: []int64{id}, Ref: ref, Reason: "售后", Actor: base.System})
			})
		}
		hold("refund:1", commission.HoldLine, int64(line1))
		hold("refund:1", commission.HoldLine, int64(line1))
		s.clock.Advance(time.Millisecond)
		require.Zero(t, s.ripen(), "an after-sale request is open")

		s.tx(func(ctx context.Context, tx *store.Tx) error {
			released, err := commission.ReleaseHold(ctx, tx, "refund:1")
			require.True(t, released)
			return err
		})
		hold("case:9", commission.HoldDistributor, int64(chen))
		s.refund(5, commission.RefundedLine{Line: line1, RefundedSoFar: 1_000, Base: 18_648})
		at := s.clock.Now()
		require.Equal(t, 1, s.ripen(), "the seller's; the partner is under investigation")
		for _, r := range s.rows() {
			if r.Payee == lin {
				require.Equal(t, base.Ms(at), r.RipeMs, "accrual and reversal together")
				require.Equal(t, base.PeriodOf(base.Weekly, at).First, r.Period)
			} else {
				require.Zero(t, r.RipeMs)
			}
		}
		s.clock.Advance(30*day - time.Millisecond)
		require.Zero(t, s.ripen())
		s.clock.Advance(time.Millisecond)
		require.Equal(t, 1, s.ripen(), "not renewed, the hold ends after 30 days")
		for _, r := range s.rows() {
			if r.Payee == lin {
				require.Equal(t, base.Ms(at), r.RipeMs, "set once")
			} else {
				require.Equal(t, base.PeriodOf(base.Monthly, s.clock.Now()).First, r.Period)
			}
		}
	})
}

func TestHold_Renewed(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.place(workedExample(), workedRules()...)
		s.received(line1, 0)
		s.tx(func(ctx context.Context, tx *store.Tx) error {
			return commission.Hold(ctx, tx, commission.HoldInput{Scope: commission.HoldDistributor, ScopeIDs: []int64{int64(lin), int64(chen)}, Ref: "case:1", Reason: "刷单", Actor: base.System})
		})
		s.clock.Advance(29 * day)
		s.tx(func(ctx context.Context, tx *store.Tx) error {
			ok, err := commission.RenewHold(ctx, tx, "case:1", tx.Now().Add(30*day))
			require.True(t, ok)
			return err
		})
		s.clock.Advance(29 * day)
		require.Zero(t, s.ripen())
		s.clock.Advance(day)
		require.Equal(t, 2, s.ripen())

		for name, in := range map[string]commission.HoldInput{
			"no reason":                  {Scope: commission.HoldLine, ScopeIDs: []int64{1}, Ref: "x"},
			"no reference":               {Scope: commission.HoldLine, ScopeIDs: []int64{1}, Reason: "x"},
			"nothing":                    {Scope: commission.HoldLine, Ref: "x", Reason: "x"},
			"another scope":              {Scope: "order", ScopeIDs: []int64{1}, Ref: "x", Reason: "x"},
			"a person for over 30 days":  {Scope: commission.HoldDistributor, ScopeIDs: []int64{1}, Ref: "x", Reason: "x", Until: s.clock.Now().Add(31 * day)},
			"until a moment of the past": {Scope: commission.HoldLine, ScopeIDs: []int64{1}, Ref: "x", Reason: "x", Until: s.clock.Now()},
		} {
			err := s.db.InTx(s.ctx, "test", func(ctx context.Context, tx *store.Tx) error { return commission.Hold(ctx, tx, in) })
			require.ErrorIs(t, err, commission.ErrHoldInvalid, name)
		}
	})
}

func TestReverse_EarlyUntilThePeriodEndsThenLate(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.place(workedExample(), workedRules()...) // Monday morning
		s.received(line1, 0)
		require.Equal(t, 2, s.ripen())
		ripe := s.clock.Now()

		s.clock.Set(base.PeriodOf(base.Weekly, ripe).End().Add(-time.Millisecond))
		for _, r := range s.refund(1, commission.RefundedLine{Line: line1, RefundedSoFar: 6_000, Base: 18_648}) {
			require.False(t, r.Late)
		}
		s.clock.Advance(time.Millisecond)
		late := map[base.DistributorID]bool{}
		for _, r := range s.refund(2, commission.RefundedLine{Line: line1, RefundedSoFar: 9_000, Base: 18_648}) {
			late[r.Payee] = r.Late
		}
		require.Equal(t, map[base.DistributorID]bool{lin: true, chen: false}, late, "the seller's week is over, the partner's month is not")
		for _, r := range s.rows() {
			switch r.Kind {
			case commission.ReversalEarly:
				require.Equal(t, base.Ms(ripe), r.RipeMs)
				require.Equal(t, base.PeriodOf(r.Cycle, ripe).First, r.Period)
			case commission.ReversalLate:
				require.Equal(t, base.Ms(s.clock.Now()), r.RipeMs)
				require.Equal(t, base.PeriodOf(base.Weekly, s.clock.Now()).First, r.Period)
			}
		}
	})
}

func TestReverse_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.place(workedExample(), workedRules()...)
		for name, l := range map[string]commission.RefundedLine{
			"more than was paid": {Line: line1, RefundedSoFar: 18_649, Base: 18_648},
			"less than nothing":  {Line: line1, RefundedSoFar: -1, Base: 18_648},
			"another base":       {Line: line1, RefundedSoFar: 100, Base: 18_000},
		} {
			err := s.db.InTx(s.ctx, "test", func(ctx context.Context, tx *store.Tx) error {
				_, err := commission.Reverse(ctx, tx, commission.ReverseInput{Order: order1, Refund: 1, Lines: []commission.RefundedLine{l}})
				return err
			})
			require.Error(t, err, name)
		}
		require.Empty(t, s.refund(1, commission.RefundedLine{Line: line2, RefundedSoFar: 100, Base: 9_352}), "a line without commissions")
		require.Empty(t, s.refund(1), "freight alone")
		require.Len(t, s.rows(), 2)
	})
}

// TestReverse_AgainstAModel refunds in any pieces, lets time pass, receives and ripens in between, and compares every
// step with plain arithmetic.
func TestReverse_AgainstAModel(t *testing.T) {
	t.Parallel()
	db, c := storetest.SQLite, clock.NewManual(storetest.Start)
	q := db(t, c)
	n := int64(0)
	rapid.Check(t, func(t *rapid.T) {
		n++
		o := base.OrderID(n << 20)
		l := base.LineID(n << 20)
		net := money.Fen(rapid.Int64Range(1, 100_000).Draw(t, "base"))
		in := order([]commission.LineInput{line(l, 1, net, -1)}, sellerIs(lin), territoryIs(chen))
		in.Order, in.At = o, c.Now()
		shares, err := commission.Compute([]commission.Rule{
			rule(1, base.Seller, rate(money.BasisPoints(rapid.IntRange(0, 2_500).Draw(t, "rate")))), rule(2, base.Territory, perUnit(money.Fen(rapid.IntRange(0, 500).Draw(t, "unit")))),
		}, terms, in)
		require.NoError(t, err)
		s := &shop{t, context.Background(), q, c}
		s.tx(func(ctx context.Context, tx *store.Tx) error { return commission.StoreShares(ctx, tx, shares) })
		s.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := commission.Accrue(ctx, tx, []base.OrderID{o})
			return err
		})
		model := newModel(shares)
		var soFar money.Fen
		for i := range rapid.IntRange(1, 8).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				c.Advance(time.Duration(rapid.IntRange(0, 40*24).Draw(t, "hours")) * time.Hour)
			case 1:
				s.received(l, 0)
			case 2:
				s.ripen()
			default:
				soFar += money.Fen(rapid.Int64Range(0, int64(net-soFar)).Draw(t, "refund"))
				var got []commission.Reversal
				s.tx(func(ctx context.Context, tx *store.Tx) (err error) {
					got, err = commission.Reverse(ctx, tx, commission.ReverseInput{
						Order: o, Refund: base.RefundID(n<<8 + int64(i)), Lines: []commission.RefundedLine{{l, soFar, net}},
					})
					return err
				})
				model.refunded(t, got, soFar, net)
			}
		}
		checkRows(t, s, o, model)
	})
}

// model is how much of each payee's share has been taken back.
type model struct {
	share, back map[base.DistributorID]money.Fen
}

func newModel(shares []commission.Share) *model {
	m := &model{map[base.DistributorID]money.Fen{}, map[base.DistributorID]money.Fen{}}
	for _, s := range shares {
		m.share[s.Payee] = s.Amount
	}
	return m
}

func (m *model) refunded(t *rapid.T, got []commission.Reversal, soFar, net money.Fen) {
	took := map[base.DistributorID]money.Fen{}
	for _, r := range got {
		require.Positive(t, r.Amount)
		took[r.Payee] += r.Amount
	}
	for payee, share := range m.share {
		want := share * soFar / net
		require.Equal(t, want-m.back[payee], took[payee])
		m.back[payee] = want
	}
}

func checkRows(t *rapid.T, s *shop, o base.OrderID, m *model) {
	rows, err := commission.RowsOf(s.ctx, s.db.Q(), o)
	require.NoError(t, err)
	accruals := map[base.DistributorID]commission.Row{}
	left := map[base.DistributorID]money.Fen{}
	for _, r := range rows {
		if r.Kind == commission.Accrual {
			accruals[r.Payee] = r
		}
		left[r.Payee] += r.Amount
	}
	for payee, share := range m.share {
		require.Equal(t, share-m.back[payee], left[payee])
	}
	for _, r := range rows {
		a := accruals[r.Payee]
		switch r.Kind {
		case commission.ReversalEarly:
			require.Equal(t, a.RipeMs, r.RipeMs)
			require.Equal(t, a.Period, r.Period)
			require.Equal(t, a.DueMs, r.DueMs, "both ripen together")
		case commission.ReversalLate:
			require.LessOrEqual(t, base.Ms(base.PeriodOf(a.Cycle, base.Time(a.RipeMs)).End()), r.AccruedMs)
		}
	}
}

func TestStoreShares_RefusesAnUplineWhileOff(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		on := terms
		on.Upline = true
		shares, err := commission.Compute([]commission.Rule{rule(1, base.Upline, rate(100))}, on,
			order([]commission.LineInput{line(line1, 1, 10_000, -1)}, commission.Payee{Tier: base.Upline, ID: chen, Cycle: base.Weekly}))
		require.NoError(t, err)
		require.Len(t, shares, 1)
		put := func() error {
			return s.db.InTx(s.ctx, "test", func(ctx context.Context, tx *store.Tx) error { return commission.StoreShares(ctx, tx, shares) })
		}
		require.ErrorIs(t, put(), commission.ErrUplineOff)
		s.tx(func(ctx context.Context, tx *store.Tx) error {
			p := commission.DefaultPolicy
			p.Upline, p.Acknowledgement = true, commission.Acknowledgement
			_, err := commission.SetPolicy(ctx, tx, p, base.Admin(1), "法务已审")
			return err
		})
		require.NoError(t, put())
	})
}

func TestPrice_ReadsRulesAndPolicyInForce(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		publish := func(id base.RuleID, d commission.Draft) {
			s.tx(func(ctx context.Context, tx *store.Tx) error {
				r, err := commission.CreateDraft(ctx, tx, commission.NewRule{ID: id, Draft: d, By: base.Admin(1)})
				if err != nil {
					return err
				}
				_, err = commission.Publish(ctx, tx, r, commission.Publication{By: base.Admin(1)})
				return err
			})
		}
		publish(1<<41, commission.Draft{Name: "茶", ScopeKind: commission.ScopeProduct, Product: teaPack, Level: senior, Payee: base.Seller, Kind: commission.Rate, Rate: 1_200})
		publish(2<<41, commission.Draft{Name: "区域", ScopeKind: commission.ScopeCategory, Category: "茶", Payee: base.Territory, Kind: commission.PerUnit, Amount: 100})
		publish(3<<41, commission.Draft{Name: "别的", ScopeKind: commission.ScopeSKU, SKU: tea + 99, Payee: base.Seller, Kind: commission.Rate, Rate: 2_000})

		shares, err := commission.Price(s.ctx, s.db.Q(), workedExample())
		require.NoError(t, err)
		require.Len(t, shares, 2)
		require.EqualValues(t, 2_237, shares[0].Amount)
		require.EqualValues(t, 200, shares[1].Amount)
		require.EqualValues(t, 1<<41, shares[0].Rule)

		none, err := commission.Price(s.ctx, s.db.Q(), commission.OrderInput{At: s.clock.Now()})
		require.NoError(t, err)
		require.Empty(t, none)
	})
}

func TestAdjustment_TakesTwoPeople(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		request := func(a commission.Adjustment) (got commission.Adjustment, err error) {
			err = s.db.InTx(s.ctx, "test", func(ctx context.Context, tx *store.Tx) error {
				got, err = commission.RequestAdjustment(ctx, tx, a, base.Admin(1))
				return err
			})
			return got, err
		}
		decide := func(id base.CommissionID, to commission.AdjustmentState, by base.AdminID) error {
			return s.db.InTx(s.ctx, "test", func(ctx context.Context, tx *store.Tx) error {
				_, err := commission.DecideAdjustment(ctx, tx, id, to, base.Admin(by))
				return err
			})
		}
		good := commission.Adjustment{ID: 1 << 41, Payee: lin, Cycle: base.Weekly, Amount: -250, Reason: "多计"}
		first, err := request(good)
		require.NoError(t, err)
		again, err := request(good)
		require.NoError(t, err)
		require.Equal(t, first, again)

		require.ErrorIs(t, decide(good.ID, commission.AdjustmentApproved, 1), commission.ErrSamePerson)
		require.NoError(t, decide(good.ID, commission.AdjustmentApproved, 2))
		require.ErrorIs(t, decide(good.ID, commission.AdjustmentApproved, 3), commission.ErrAdjustmentMoved)
		require.ErrorIs(t, decide(good.ID, commission.AdjustmentRejected, 1), commission.ErrAdjustmentMoved)
		row, err := commission.RowByID(s.ctx, s.db.Q(), good.ID)
		require.NoError(t, err)
		require.Equal(t, commission.Adjusted, row.Kind)
		require.EqualValues(t, -250, row.Amount)
		require.Equal(t, base.Ms(s.clock.Now()), row.RipeMs, "ripe when made")

		other := good
		other.ID++
		_, err = request(other)
		require.NoError(t, err)
		require.NoError(t, decide(other.ID, commission.AdjustmentRejected, 1), "who asked may take it back")
		_, err = commission.RowByID(s.ctx, s.db.Q(), other.ID)
		require.ErrorIs(t, err, commission.ErrNotFound)

		for i, bad := range []commission.Adjustment{
			{Payee: lin, Cycle: base.Weekly, Reason: "x"}, {Payee: lin, Cycle: base.Weekly, Amount: 5}, {Cycle: base.Weekly, Amount: 5, Reason: "x"},
			{Payee: lin, Cycle: base.Weekly, Amount: 100_000_001, Reason: "x"}, {Payee: lin, Amount: 5, Reason: "x"},
		} {
			bad.ID = base.CommissionID(100 + i)
			_, err := request(bad)
			require.ErrorIs(t, err, commission.ErrAdjustmentInvalid)
		}
	})
}

func TestBook_VersionsFollowEachOther(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		draft := commission.Draft{Name: "全场", ScopeKind: commission.ScopeAll, Payee: base.Seller, Kind: commission.Rate, Rate: 1_000}
		create := func(id, key base.RuleID, d commission.Draft) (r commission.Rule, err error) {
			err = s.db.InTx(s.ctx, "test", func(ctx context.Context, tx *store.Tx) error {
				r, err = commission.CreateDraft(ctx, tx, commission.NewRule{ID: id, Key: key, Draft: d, By: base.Admin(1)})
				return err
			})
			return r, err
		}
		publish := func(id base.RuleID, by base.AdminID, reasons ...string) (r commission.Rule, err error) {
			err = s.db.InTx(s.ctx, "test", func(ctx context.Context, tx *store.Tx) error {
				if r, err = commission.RuleByID(ctx, tx, id); err != nil {
					return err
				}
				r, err = commission.Publish(ctx, tx, r, commission.Publication{By: base.Admin(by), Reasons: reasons})
				return err
			})
			return r, err
		}
		rateNow := func() (bp money.BasisPoints) {
			in := order([]commission.LineInput{line(line1, 1, 10_000, -1)}, sellerIs(lin))
			in.At = s.clock.Now()
			shares, err := commission.Price(s.ctx, s.db.Q(), in)
			require.NoError(t, err)
			for _, share := range shares {
				bp = share.Rate
			}
			return bp
		}
		_, err := create(10, 0, draft)
		require.NoError(t, err)
		require.Zero(t, rateNow(), "a draft pays nothing")
		_, err = publish(10, 1)
		require.NoError(t, err)
		require.EqualValues(t, 1_000, rateNow())

		draft.Rate = 2_000
		second, err := create(20, 10, draft)
		require.NoError(t, err)
		require.Equal(t, 2, second.Version)
		r, err := publish(20, 1, commission.GateChange)
		require.NoError(t, err)
		require.Equal(t, commission.StatusAwaiting, r.Status)
		_, err = publish(20, 1)
		require.ErrorIs(t, err, commission.ErrSamePerson)
		r, err = publish(20, 2)
		require.NoError(t, err)
		require.Equal(t, base.Ms(base.DayOf(s.clock.Now()).End()), r.FromMs, "the next midnight")
		require.EqualValues(t, 1_000, rateNow())
		s.clock.Set(base.DayOf(s.clock.Now()).End())
		require.EqualValues(t, 2_000, rateNow())
		_, err = publish(20, 3)
		require.ErrorIs(t, err, commission.ErrRuleMoved)

		prev, changes, err := commission.Replaces(s.ctx, s.db.Q(), commission.Rule{ID: 99, Key: 99, ScopeKind: commission.ScopeCategory, Category: "茶", Payee: base.Seller}, s.clock.Now())
		require.NoError(t, err)
		require.True(t, changes)
		require.EqualValues(t, 20, prev.ID, "a narrower rule changes what the broader one pays")

		draft.Payee = base.Territory
		_, err = create(30, 10, draft)
		require.ErrorIs(t, err, commission.ErrTerritoryRateOff)
		draft.Kind, draft.Rate, draft.Amount = commission.PerUnit, 0, 5
		_, err = create(30, 10, draft)
		require.ErrorIs(t, err, commission.ErrRuleKey)
		draft.Payee = base.Upline
		_, err = create(30, 0, draft)
		require.ErrorIs(t, err, commission.ErrUplineOff)
		_, err = create(30, 777, commission.Draft{Name: "x", ScopeKind: commission.ScopeAll, Payee: base.Seller, Kind: commission.PerUnit})
		require.Equal(t, "commission.not_found", errs.CodeOf(err))

		s.tx(func(ctx context.Context, tx *store.Tx) error {
			r, err := commission.RuleByID(ctx, tx, 20)
			if err != nil {
				return err
			}
			_, err = commission.Retire(ctx, tx, r)
			return err
		})
		require.Zero(t, rateNow(), "retired at once; the version before does not come back")
	})
}

func TestRuleStates_EveryPair(t *testing.T) {
	t.Parallel()
	all := []commission.Status{commission.StatusDraft, commission.StatusAwaiting, commission.StatusPublished, commission.StatusRetired, commission.StatusDiscarded}
	allowed := map[string]bool{
		"draft publish": true, "draft ask": true, "draft retire": true,
		"awaiting publish": true, "awaiting ask": true, // once asked for, the second person's word publishes
		"awaiting retire": true, "published retire": true,
	}
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	id := base.RuleID(0)
	for _, from := range all {
		for _, act := range []string{"publish", "ask", "retire"} {
			id++
			err := db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
				r, err := commission.CreateDraft(ctx, tx, commission.NewRule{ID: id, By: base.Admin(1), Draft: commission.Draft{Name: "x", ScopeKind: commission.ScopeAll, Payee: base.Seller, Kind: commission.PerUnit}})
				require.NoError(t, err)
				r.AskedBy, r.Status = base.Admin(1).String(), from
				_, err = tx.Exec(ctx, `UPDATE commission_rule SET status = ? WHERE id = ?`, from, id)
				require.NoError(t, err)
				switch act {
				case "ask":
					_, err = commission.Publish(ctx, tx, r, commission.Publication{By: base.Admin(2), Reasons: []string{commission.GateChange}})
				case "publish":
					_, err = commission.Publish(ctx, tx, r, commission.Publication{By: base.Admin(2)})
				default:
					_, err = commission.Retire(ctx, tx, r)
				}
				return err
			})
			name := fmt.Sprintf("%s %s", from, act)
			if allowed[name] {
				require.NoError(t, err, name)
			} else {
				require.ErrorIs(t, err, commission.ErrRuleMoved, name)
			}
		}
	}
}
