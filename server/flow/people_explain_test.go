package flow_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/store"
)

// place decides and freezes an order as checkout does.
func (p *people) place(c base.CustomerID, change func(*attribution.Frozen)) base.OrderID {
	p.t.Helper()
	order := base.OrderID(p.db.Mint.Next())
	err := p.db.InTx(p.t.Context(), "test.place", func(ctx context.Context, tx *store.Tx) error {
		self, _, err := distributor.ByCustomer(ctx, tx, c)
		if err != nil {
			return err
		}
		d, err := attribution.Decide(ctx, tx, attribution.DecideInput{
			Customer: c, Self: self.ID, At: tx.Now(), Earns: func(id base.DistributorID) (bool, error) {
				d, err := distributor.Get(ctx, tx, id)
				return d.Earns(), err
			},
		})
		if err != nil {
			return err
		}
		frozen := attribution.Frozen{Order: order, Customer: c, Decision: d}
		if d.Seller != 0 {
			seller, err := distributor.Get(ctx, tx, d.Seller)
			if err != nil {
				return err
			}
			frozen.Seller = attribution.Payee{ID: seller.ID, Level: seller.Level.ID, Cycle: seller.Level.Cycle}
		}
		if change != nil {
			change(&frozen)
		}
		if err := attribution.Freeze(ctx, tx, frozen); err != nil {
			return err
		}
		return attribution.OrderPlaced(ctx, tx, c, tx.Now())
	})
	require.NoError(p.t, err)
	return order
}

// explain returns an order's sentences in both languages.
func (p *people) explain(order base.OrderID) (zh, en string) {
	p.t.Helper()
	got, err := p.f.ExplainAttribution(p.t.Context(), order)
	require.NoError(p.t, err)
	for _, s := range got.Sentences {
		require.NotEmpty(p.t, s.Code)
		require.NotEmpty(p.t, s.ZH, s.Code)
		require.NotEmpty(p.t, s.EN, s.Code)
		zh, en = zh+s.ZH+"\n", en+s.EN+"\n"
	}
	require.NotContains(p.t, zh+en, "%!", "each word has its value")
	return zh, en
}

func TestExplainAttribution(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		ctx := t.Context()
		alice, bob := p.leveled(distributor.TeamLeader), p.distributor()
		partner := p.leveled(distributor.CityPartner)
		contract := p.contract(partner.ID, p.clock.Now(), p.clock.Now().Add(day), guangzhou)
		_, err := p.f.CreateContract(ctx, contract, boss)
		require.NoError(t, err)
		c := p.customer()
		ofAlice := p.code(alice.ID)
		p.scan(c, ofAlice.Text)
		ofBob := p.code(bob.ID)
		p.scan(c, ofBob.Text)

		has := func(text string, words ...string) {
			t.Helper()
			for _, w := range words {
				require.Contains(t, text, w)
			}
		}

		bound := p.place(c, func(f *attribution.Frozen) {
			f.Territory = attribution.Payee{ID: partner.ID, Level: partner.Level.ID, Cycle: partner.Level.Cycle}
			f.Contract, f.Region = contract.ID, guangzhou
		})
		zh, en := p.explain(bound)
		has(zh, alice.ID.String(), "首次扫码绑定", "团长", "按周结算", "2026-11-23 09:00:00", "上级酬劳未启用", partner.ID.String(), contract.ID.String(), "广州", "第 0 版")
		has(en, "bound on the first scan", "Team leader", "The upline payee is off", "served by City partner")
		frozen, err := attribution.OfOrder(ctx, p.db.Q(), bound)
		require.NoError(t, err)
		require.Equal(t, alice.ID, frozen.Seller.ID)
		require.Equal(t, guangzhou, frozen.Region)
		require.Equal(t, attribution.ByBinding, frozen.Reason)

		_, err = p.f.Suspend(ctx, flow.PersonDecision{ID: alice.ID, By: boss, Reason: "核查"})
		require.NoError(t, err)
		zh, _ = p.explain(p.place(c, nil))
		has(zh, alice.ID.String(), "已暂停或终止", bob.ID.String(), ofBob.Text, "没有签约的城市合伙人")
		p.clock.Advance(8 * day)
		zh, _ = p.explain(p.place(c, nil))
		has(zh, "没有其他触达", "没有推广分销员")

		buyer := p.customer()
		p.order(buyer)
		zh, _ = p.explain(p.place(buyer, nil))
		has(zh, "没有任何触达")
		p.scan(buyer, ofBob.Text)
		zh, en = p.explain(p.place(buyer, nil))
		has(zh, "最后一次触达", ofBob.Text, "普通分销员")
		has(en, "a scan of code "+ofBob.Text)
		zh, _ = p.explain(p.place(bob.Customer, nil))
		has(zh, "不允许自购")

		before, _ := p.explain(bound)
		policy := attribution.DefaultPolicy()
		policy.Mode = attribution.Life
		_, err = p.f.PutBindingPolicy(ctx, policy, boss, "改为终身")
		require.NoError(t, err)
		after, _ := p.explain(bound)
		require.Equal(t, before, after, "what was decided is told by the policy of then")

		_, err = p.f.ExplainAttribution(ctx, bound+1)
		requireCode(t, "attribution.not_found", err)
		require.Error(t, p.db.InTx(ctx, "again", func(ctx context.Context, tx *store.Tx) error {
			return attribution.Freeze(ctx, tx, frozen)
		}), "frozen once")
		require.False(t, strings.Contains(before, "终身"))
	})
}
