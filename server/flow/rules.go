package flow

import (
	"context"
	"errors"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/domain/commission"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/view"
)

// DraftRule stores a version of a commission rule that is not in force yet.
func (f *Flow) DraftRule(ctx context.Context, in commission.NewRule) (r commission.Rule, err error) {
	err = f.DB.InTx(ctx, "flow.draft_rule", func(ctx context.Context, tx *store.Tx) (err error) {
		if r, err = commission.CreateDraft(ctx, tx, in); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{ID: tx.NextID(), Actor: in.By, Action: "rule.draft", Object: r.ID.String(), After: ruleFacts(r)})
	})
	return r, err
}

// RuleDecision is an operator's word about a rule version.
type RuleDecision struct {
	ID     base.RuleID
	By     base.Actor
	Reason string
}

// PublishRule puts a rule version into force for orders from now on. A change of more than 30 %, or one that gives more
// than the margin of a product in scope, waits for a second person instead, who calls the same, and then starts at the
// next midnight at the earliest. The status of the result says which of the two happened.
func (f *Flow) PublishRule(ctx context.Context, in RuleDecision) (r commission.Rule, err error) {
	err = f.DB.InTx(ctx, "flow.publish_rule", func(ctx context.Context, tx *store.Tx) error {
		before, err := commission.RuleByID(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		reasons, err := gate(ctx, tx, before)
		if err != nil {
			return err
		}
		if r, err = commission.Publish(ctx, tx, before, commission.Publication{By: in.By, Reasons: reasons}); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), Actor: in.By, Action: "rule.publish", Object: in.ID.String(), Reason: in.Reason, Before: ruleFacts(before), After: ruleFacts(r),
		})
	})
	return r, err
}

// RetireRule ends a published rule version now, or discards a draft.
func (f *Flow) RetireRule(ctx context.Context, in RuleDecision) (r commission.Rule, err error) {
	reason, err := checkReason(in.Reason)
	if err != nil {
		return r, err
	}
	err = f.DB.InTx(ctx, "flow.retire_rule", func(ctx context.Context, tx *store.Tx) error {
		before, err := commission.RuleByID(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		if r, err = commission.Retire(ctx, tx, before); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), Actor: in.By, Action: "rule.retire", Object: in.ID.String(), Reason: reason, Before: ruleFacts(before), After: ruleFacts(r),
		})
	})
	return r, err
}

// errFound ends a walk that has found what it looks for.
var errFound = errors.New("found")

// gate says why a rule needs a second person before it is published.
func gate(ctx context.Context, tx *store.Tx, r commission.Rule) (reasons []string, err error) {
	prev, changes, err := commission.Replaces(ctx, tx, r, base.Time(max(r.FromMs, tx.NowMs())))
	if err != nil {
		return nil, err
	}
	if changes && commission.BigChange(prev, r) {
		reasons = append(reasons, commission.GateChange)
	}
	scope := view.CostScope{Category: r.Category}
	switch r.ScopeKind {
	case commission.ScopeSKU:
		scope.SKU = base.SKUID(r.ScopeID)
	case commission.ScopeProduct:
		scope.Product = base.ProductID(r.ScopeID)
	}
	err = view.EachCost(ctx, tx, scope, func(c view.Cost) error {
		if commission.BelowMargin(r, c.Price, c.Cost) {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return append(reasons, commission.GateMargin), nil
	}
	return reasons, err
}

type ruleFact struct {
	Key     base.RuleID       `json:"rule_key"`
	Version int               `json:"version"`
	Status  commission.Status `json:"status"`
	Scope   string            `json:"scope"`
	Level   base.LevelID      `json:"level_id"`
	Payee   base.Tier         `json:"payee"`
	Kind    commission.Kind   `json:"kind"`
	RateBP  int64             `json:"rate_bps"`
	Amount  int64             `json:"amount_fen"`
	FromMs  int64             `json:"from_ms"`
	UntilMs int64             `json:"until_ms"`
	Gate    string            `json:"gate"`
}

func ruleFacts(r commission.Rule) ruleFact {
	return ruleFact{r.Key, r.Version, r.Status, r.Scope(), r.Level, r.Payee, r.Kind, int64(r.Rate), int64(r.Amount), r.FromMs, r.UntilMs, r.Gate}
}

// ErrOwnerOnly says that only the owner may take a legal risk.
var ErrOwnerOnly = errs.E(errs.Forbidden, "commission.owner_only", "该选项涉及法律风险，只有店主本人可以开启",
	errs.EN("This carries legal risk; only the owner may switch it on."))

// PolicyChange is a new version of the commission policy.
type PolicyChange struct {
	Policy  commission.Policy
	By      base.Actor
	IsOwner bool
	Reason  string
}

// SetCommissionPolicy changes the caps and what else bounds all rules, for orders from now on. What carries legal risk
// needs the owner and the typed acknowledgement.
func (f *Flow) SetCommissionPolicy(ctx context.Context, in PolicyChange) (terms commission.Terms, err error) {
	reason, err := checkReason(in.Reason)
	if err != nil {
		return terms, err
	}
	if in.Policy.Risky() && !in.IsOwner {
		return terms, ErrOwnerOnly
	}
	err = f.DB.InTx(ctx, "flow.set_commission_policy", func(ctx context.Context, tx *store.Tx) error {
		before, err := commission.TermsAt(ctx, tx, tx.Now())
		if err != nil {
			return err
		}
		if terms, err = commission.SetPolicy(ctx, tx, in.Policy, in.By, reason); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), Actor: in.By, Action: "setting.commission", Object: commission.PolicyName, Before: before, After: terms, Reason: reason,
		})
	})
	return terms, err
}
