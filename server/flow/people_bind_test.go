package flow_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/crm"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

const day = 24 * time.Hour

func (p *people) order(c base.CustomerID) {
	p.t.Helper()
	err := p.db.InTx(p.t.Context(), "test.order", func(ctx context.Context, tx *store.Tx) error {
		if err := attribution.OrderPlaced(ctx, tx, c, tx.Now()); err != nil {
			return err
		}
		return crm.Ordered(ctx, tx, c, tx.Now())
	})
	require.NoError(p.t, err)
}

func TestScan_TwoHundredAtOnceMakeOneBinding(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		const scans, owners = 200, 20
		var codes []string
		for range owners {
			d := p.distributor()
			for range scans / owners {
				made, err := p.f.MakeCode(t.Context(), attribution.NewCode{
					ID: base.CodeID(p.db.Mint.Next()), Distributor: d.ID, Channel: "c" + string(rune('a'+len(codes)%26)) + string(rune('a'+len(codes)/26)),
					Target: attribution.Target{Kind: attribution.TargetShop},
				})
				require.NoError(t, err)
				codes = append(codes, made.Text)
			}
		}
		c := p.customer()
		results := atOnce(scans, func(i int) error {
			_, err := p.f.Scan(t.Context(), p.scanInput(c, attribution.EncodeScene(codes[i])))
			return err
		})
		require.Equal(t, map[string]int{"": scans}, tally(results), "never an error to the customer")
		require.Equal(t, scans, p.count(`SELECT COUNT(DISTINCT code_id) FROM touch WHERE customer_id = ?`, c), "each touch is recorded")
		require.Equal(t, 1, p.count(`SELECT COUNT(*) FROM binding WHERE customer_id = ?`, c))
		require.Equal(t, 1, p.count(`SELECT COUNT(*) FROM touch WHERE customer_id = ? AND bound = 1`, c))
	})
}

func TestScan_LastScanPolicyUnderRace(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		policy := attribution.DefaultPolicy()
		policy.Mode = attribution.LastScan
		_, err := p.f.PutBindingPolicy(t.Context(), policy, boss, "试行")
		require.NoError(t, err)
		var codes []string
		for range 10 {
			codes = append(codes, p.code(p.distributor().ID).Text)
		}
		c := p.customer()
		results := atOnce(60, func(i int) error {
			_, err := p.f.Scan(t.Context(), p.scanInput(c, codes[i%10]))
			return err
		})
		require.Equal(t, map[string]int{"": 60}, tally(results))
		require.Equal(t, 1, p.count(`SELECT COUNT(*) FROM binding WHERE active_customer_id = ?`, c))
		bound := p.count(`SELECT COUNT(*) FROM touch WHERE customer_id = ? AND bound = 1`, c)
		require.Equal(t, bound, p.count(`SELECT COUNT(*) FROM binding WHERE customer_id = ?`, c))
		require.Equal(t, bound-1, p.count(`SELECT COUNT(*) FROM binding WHERE customer_id = ? AND end_reason = 'replaced'`, c))
	})
}

func TestScan_Story(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		alice, bob := p.distributor(), p.distributor()
		ofAlice, ofBob := p.code(alice.ID), p.code(bob.ID)
		c := p.customer()

		s := p.scan(0, "s="+ofAlice.Text)
		require.Equal(t, attribution.Anonymous, s.Touch.Reason)
		require.Equal(t, alice.ID, s.Owner.ID)
		s = p.scan(c, "s%3D"+ofAlice.Text)
		require.True(t, s.Touch.Bound)
		require.Equal(t, attribution.BoundFirst, s.Touch.Reason)
		require.Equal(t, attribution.SelfScan, p.scan(alice.Customer, ofAlice.Text).Touch.Reason)
		require.Equal(t, attribution.StillProtected, p.scan(c, ofBob.Text).Touch.Reason)
		require.Equal(t, attribution.AlreadyBound, p.scan(c, ofAlice.Text).Touch.Reason)

		s = p.scan(c, "s=nosuchcode")
		require.Equal(t, attribution.CodeUnknown, s.Touch.Reason)
		require.Equal(t, "s=nosuchcode", s.Touch.Raw, "an unknown code is recorded")
		require.Nil(t, s.Owner)

		in := p.scanInput(c, ofBob.Text)
		in.Kind = attribution.Relay
		s, err := p.f.Scan(ctx, in)
		require.NoError(t, err)
		require.Equal(t, attribution.NotAVisit, s.Touch.Reason)
		again, err := p.f.Scan(ctx, in)
		require.NoError(t, err)
		require.Equal(t, s.Touch, again.Touch, "the same report again is the same touch")
		in.Kind = "stare"
		_, err = p.f.Scan(ctx, in)
		requireCode(t, "touch.kind_invalid", err)

		p.clock.Advance(29 * day)
		p.order(c) // protects for another 30 days
		p.clock.Advance(29 * day)
		require.Equal(t, attribution.StillProtected, p.scan(c, ofBob.Text).Touch.Reason)
		p.clock.Advance(day)
		s = p.scan(c, ofBob.Text)
		require.Equal(t, attribution.ReplacedIdle, s.Touch.Reason)
		b, ok, err := attribution.BindingOf(ctx, p.db.Q(), c, p.clock.Now())
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, bob.ID, b.Distributor)

		p.clock.Advance(180 * day)
		_, ok, err = attribution.BindingOf(ctx, p.db.Q(), c, p.clock.Now())
		require.NoError(t, err)
		require.False(t, ok, "lapsed")
		p.order(c) // ends it; and now the customer has ordered lately
		require.Equal(t, attribution.OrderedLately, p.scan(c, ofBob.Text).Touch.Reason)
		require.Zero(t, p.count(`SELECT COUNT(*) FROM binding WHERE active_customer_id = ?`, c))

		_, err = p.f.Suspend(ctx, flow.PersonDecision{ID: bob.ID, By: boss, Reason: "核查"})
		require.NoError(t, err)
		require.Equal(t, attribution.OwnerSuspended, p.scan(c, ofBob.Text).Touch.Reason)
		require.NoError(t, p.f.DisableCode(ctx, attribution.Disable{ID: ofAlice.ID, By: boss, Reason: "投诉"}))
		p.audited(ofAlice.ID.String(), "code.disable")
		require.Equal(t, attribution.CodeDisabled, p.scan(p.customer(), ofAlice.Text).Touch.Reason)
		requireCode(t, "code.disabled", p.f.DisableCode(ctx, attribution.Disable{ID: ofAlice.ID, By: boss, Reason: "投诉"}))
	})
}

func TestDecide(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		alice, bob := p.distributor(), p.distributor()
		ofAlice, ofBob := p.code(alice.ID), p.code(bob.ID)
		decide := func(c base.CustomerID, self base.DistributorID) attribution.Decision {
			t.Helper()
			d, err := attribution.Decide(ctx, p.db.Q(), attribution.DecideInput{
				Customer: c, Self: self, At: p.clock.Now(), Earns: func(id base.DistributorID) (bool, error) {
					d, err := distributor.Get(ctx, p.db.Q(), id)
					return d.Earns(), err
				},
			})
			require.NoError(t, err)
			return d
		}
		c := p.customer()
		require.Equal(t, attribution.Decision{Reason: attribution.NobodyFound}, decide(c, 0))
		bound := p.scan(c, ofAlice.Text)
		require.Equal(t, attribution.Decision{Seller: alice.ID, Binding: bound.Touch.Binding, Reason: attribution.ByBinding}, decide(c, 0))
		last := p.scan(c, ofBob.Text)
		require.Equal(t, alice.ID, decide(c, 0).Seller, "the binding wins over the last touch")

		_, err := p.f.Suspend(ctx, flow.PersonDecision{ID: alice.ID, By: boss, Reason: "核查"})
		require.NoError(t, err)
		require.Equal(t, attribution.Decision{Seller: bob.ID, Binding: bound.Touch.Binding, Touch: last.Touch.ID, Reason: attribution.ByTouchHolderGone}, decide(c, 0))
		p.clock.Advance(7 * day)
		require.Equal(t, attribution.Decision{Binding: bound.Touch.Binding, Reason: attribution.NobodyHolderGone}, decide(c, 0), "outside the window")

		buyer := p.customer() // bought before, so no binding, and the touch decides
		p.order(buyer)
		touched := p.scan(buyer, ofBob.Text)
		require.Equal(t, attribution.OrderedLately, touched.Touch.Reason)
		p.clock.Advance(7*day - time.Millisecond)
		require.Equal(t, attribution.Decision{Seller: bob.ID, Touch: touched.Touch.ID, Reason: attribution.ByTouch}, decide(buyer, 0))
		p.clock.Advance(time.Millisecond)
		require.Equal(t, attribution.NobodyFound, decide(buyer, 0).Reason)
		p.scan(buyer, ofBob.Text)
		_, err = p.f.Suspend(ctx, flow.PersonDecision{ID: bob.ID, By: boss, Reason: "核查"})
		require.NoError(t, err)
		require.Equal(t, attribution.NobodyTouchesEarn, decide(buyer, 0).Reason)
		_, err = p.f.Reactivate(ctx, flow.PersonDecision{ID: bob.ID, By: boss, Reason: "查清"})
		require.NoError(t, err)

		require.Equal(t, attribution.Decision{Reason: attribution.NobodyOwnPurchase}, decide(bob.Customer, bob.ID))
		policy := attribution.DefaultPolicy()
		policy.OwnPurchase = true
		version, err := p.f.PutBindingPolicy(ctx, policy, boss, "允许自购")
		require.NoError(t, err)
		require.Equal(t, attribution.Decision{Seller: bob.ID, PolicyVersion: version, Reason: attribution.ByOwnPurchase}, decide(bob.Customer, bob.ID))
		require.Equal(t, attribution.NobodySelfIdle, decide(alice.Customer, alice.ID).Reason)
	})
}

// TestScan_AnySequenceKeepsTheRules plays random scans, orders, suspensions, policies and moves of time, and looks
// after each step.
func TestScan_AnySequenceKeepsTheRules(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		p := newPeople(t, db, c)
		var owners []distributor.Distributor
		var codes []string
		for range 4 {
			d := p.distributor()
			owners, codes = append(owners, d), append(codes, p.code(d.ID).Text)
		}
		rapid.Check(t, func(rt *rapid.T) {
			who := []base.CustomerID{p.customer(), p.customer(), owners[0].Customer}
			pick := rapid.IntRange(0, 3)
			steps := rapid.SliceOfN(rapid.IntRange(0, 9), 5, 12).Draw(rt, "steps")
			for _, step := range steps {
				switch {
				case step < 5:
					customer := who[rapid.IntRange(0, 2).Draw(rt, "customer")]
					p.scan(customer, codes[pick.Draw(rt, "code")])
				case step == 5:
					p.order(who[rapid.IntRange(0, 2).Draw(rt, "buyer")])
				case step == 6:
					p.flip(owners[pick.Draw(rt, "flip")].ID)
				case step == 7:
					policy := attribution.DefaultPolicy()
					policy.Mode = rapid.SampledFrom([]attribution.Mode{attribution.Protected, attribution.Life, attribution.LastScan}).Draw(rt, "mode")
					_, err := p.f.PutBindingPolicy(t.Context(), policy, boss, "随机")
					require.NoError(t, err)
				default:
					p.clock.Advance(time.Duration(rapid.IntRange(0, 200).Draw(rt, "days")) * day)
				}
				p.checkBindings()
			}
		})
	})
}

func (p *people) flip(id base.DistributorID) {
	p.t.Helper()
	d, err := distributor.Get(p.t.Context(), p.db.Q(), id)
	require.NoError(p.t, err)
	in := flow.PersonDecision{ID: id, By: boss, Reason: "随机"}
	if d.Status == distributor.Active {
		_, err = p.f.Suspend(p.t.Context(), in)
	} else {
		_, err = p.f.Reactivate(p.t.Context(), in)
	}
	require.NoError(p.t, err)
}

func (p *people) checkBindings() {
	p.t.Helper()
	require.Zero(p.t, p.count(`
SELECT COUNT(*) FROM (SELECT customer_id FROM binding WHERE ended_ms = 0 GROUP BY customer_id HAVING COUNT(*) > 1) x`), "two active bindings")
	require.Zero(p.t, p.count(`SELECT COUNT(*) FROM binding WHERE (ended_ms = 0) <> (active_customer_id IS NOT NULL)`), "ended and active")
	require.Zero(p.t, p.count(`
SELECT COUNT(*) FROM binding b JOIN distributor d ON d.id = b.distributor_id WHERE d.customer_id = b.customer_id`), "bound to oneself")
	require.Zero(p.t, p.count(`SELECT COUNT(*) FROM touch t LEFT JOIN binding b ON b.id = t.binding_id WHERE t.bound = 1 AND b.id IS NULL`), "a binding without its row")
	require.Zero(p.t, p.count(`SELECT COUNT(*) FROM binding b LEFT JOIN touch t ON t.id = b.touch_id WHERE t.id IS NULL`), "a binding that nothing explains")
}
