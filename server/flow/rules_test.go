package flow_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/flow"
	"fenxiao/server/store"
)

func (p *people) draftRule(key base.RuleID, d commission.Draft) commission.Rule {
	p.t.Helper()
	r, err := p.f.DraftRule(p.t.Context(), commission.NewRule{ID: base.RuleID(p.db.Mint.Next()), Key: key, Draft: d, By: boss})
	require.NoError(p.t, err)
	return r
}

// sellTea puts a SKU on sale that costs what is said.
func (p *people) sellTea(id base.SKUID, price, cost money.Fen) {
	p.t.Helper()
	require.NoError(p.t, p.db.InTx(p.t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO product (id, name, category, summary, detail, image_url, status, aftersale_days, early_from_ms, early_until_ms, created_ms, updated_ms, version)
VALUES (?, 'tea', '茶', '', '', '', 'on', 7, 0, 0, 0, 0, 1)`, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO sku (id, product_id, position, name, price_fen, cost_fen, status, version) VALUES (?, ?, 0, 'tea', ?, ?, 'on', 1)`, id, id, price, cost)
		return err
	}))
}

func TestPublishRule_Gate(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		p.sellTea(1, 10_000, 8_000)
		p.sellTea(2, 10_000, -1)
		rate := func(bp money.BasisPoints) commission.Draft {
			return commission.Draft{Name: "茶", ScopeKind: commission.ScopeCategory, Category: "茶", Payee: base.Seller, Kind: commission.Rate, Rate: bp}
		}
		publish := func(id base.RuleID, by base.AdminID) (commission.Rule, error) {
			return p.f.PublishRule(t.Context(), flow.RuleDecision{ID: id, By: base.Admin(by)})
		}
		first := p.draftRule(0, rate(1_000))
		r, err := publish(first.ID, 1)
		require.NoError(t, err)
		require.Equal(t, commission.StatusPublished, r.Status, "nothing changes, and it is within the margin of 20 %")
		p.audited(first.ID.String(), "rule.publish")

		for _, tt := range []struct {
			name string
			rate money.BasisPoints
			gate string
		}{
			{"30 % more", 1_300, ""},
			{"30 % and a bit more", 1_691, "change_over_30_percent"},
			{"more than the margin of a product", 2_001, "below_margin"},
			{"both", 2_602, "change_over_30_percent,below_margin"},
		} {
			draft := p.draftRule(first.ID, rate(tt.rate))
			r, err := publish(draft.ID, 1)
			require.NoError(t, err, tt.name)
			require.Equal(t, tt.gate, r.Gate, tt.name)
			if tt.gate == "" {
				require.Equal(t, commission.StatusPublished, r.Status, tt.name)
				continue
			}
			require.Equal(t, commission.StatusAwaiting, r.Status, tt.name)
			_, err = publish(draft.ID, 1)
			requireCode(t, "commission.second_person_required", err)
			r, err = publish(draft.ID, 2)
			require.NoError(t, err)
			midnight := base.DayOf(p.clock.Now()).End()
			require.Equal(t, base.Ms(midnight), r.FromMs, tt.name)
			p.clock.Set(midnight)
		}
		last, err := commission.Versions(t.Context(), p.db.Q(), first.ID)
		require.NoError(t, err)
		require.Len(t, last, 5)
		_, err = p.f.RetireRule(t.Context(), flow.RuleDecision{ID: last[0].ID, By: boss})
		requireCode(t, "request.reason_required", err)
		r, err = p.f.RetireRule(t.Context(), flow.RuleDecision{ID: last[0].ID, By: boss, Reason: "活动结束"})
		require.NoError(t, err)
		require.Equal(t, commission.StatusRetired, r.Status)
		require.False(t, r.InForce(p.clock.Now()))
		r, err = p.f.RetireRule(t.Context(), flow.RuleDecision{ID: p.draftRule(0, rate(5)).ID, By: boss, Reason: "写错了"})
		require.NoError(t, err)
		require.Equal(t, commission.StatusDiscarded, r.Status)
	})
}

func TestPublishRule_SecondPeopleAtOnce(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		p.sellTea(1, 10_000, 9_999)
		r := p.draftRule(0, commission.Draft{Name: "全场", ScopeKind: commission.ScopeAll, Payee: base.Seller, Kind: commission.PerUnit, Amount: 500})
		decide := func(by base.AdminID) error {
			_, err := p.f.PublishRule(t.Context(), flow.RuleDecision{ID: r.ID, By: base.Admin(by)})
			return err
		}
		require.NoError(t, decide(1))
		require.Equal(t, map[string]int{"": 1, "commission.rule_moved": 9}, tally(atOnce(10, func(i int) error { return decide(base.AdminID(2 + i)) })))
	})
}

func TestSetCommissionPolicy_RiskIsTheOwners(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		set := func(c flow.PolicyChange) error {
			c.By, c.Reason = boss, "test"
			_, err := p.f.SetCommissionPolicy(t.Context(), c)
			return err
		}
		risky := commission.DefaultPolicy
		risky.Upline = true
		requireCode(t, "commission.owner_only", set(flow.PolicyChange{Policy: risky}))
		requireCode(t, "commission.acknowledgement_required", set(flow.PolicyChange{Policy: risky, IsOwner: true}))
		upline := commission.Draft{Name: "上级", ScopeKind: commission.ScopeAll, Payee: base.Upline, Kind: commission.PerUnit, Amount: 5}
		_, err := p.f.DraftRule(t.Context(), commission.NewRule{ID: 5, Draft: upline, By: boss})
		requireCode(t, "commission.upline_off", err)

		risky.Acknowledgement = commission.Acknowledgement
		require.NoError(t, set(flow.PolicyChange{Policy: risky, IsOwner: true}))
		p.audited(commission.PolicyName, "setting.commission")
		r := p.draftRule(0, upline)
		require.NoError(t, set(flow.PolicyChange{Policy: commission.DefaultPolicy}))
		_, err = p.f.PublishRule(t.Context(), flow.RuleDecision{ID: r.ID, By: boss})
		requireCode(t, "commission.upline_off", err)
	})
}

// TestRetireRule_LeavesNoGap: a version that has not begun has ended the one before it already.
func TestRetireRule_LeavesNoGap(t *testing.T) {
	t.Parallel()
	eachPeople(t, func(t *testing.T, p *people) {
		draft := commission.Draft{Name: "全部", ScopeKind: commission.ScopeAll, Payee: base.Seller, Kind: commission.Rate, Rate: 1_000}
		publish := func(r commission.Rule) commission.Rule {
			r, err := p.f.PublishRule(t.Context(), flow.RuleDecision{ID: r.ID, By: boss})
			require.NoError(t, err)
			return r
		}
		first := publish(p.draftRule(0, draft))
		later := p.clock.Now().AddDate(0, 0, 7)
		draft.Rate, draft.From = 1_100, &later
		second := publish(p.draftRule(first.Key, draft))
		_, err := p.f.RetireRule(t.Context(), flow.RuleDecision{ID: second.ID, By: boss, Reason: "撤回"})
		require.ErrorIs(t, err, commission.ErrRuleScheduled)
		p.clock.Set(later)
		_, err = p.f.RetireRule(t.Context(), flow.RuleDecision{ID: second.ID, By: boss, Reason: "活动结束"})
		require.NoError(t, err)
	})
}
