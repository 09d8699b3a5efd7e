package adminapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/commission"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

func (a *API) registerRule(api *httpx.API) {
	tags := []string{"commission-rules"}
	httpx.Register(api, httpx.Op{ID: "list-commission-rules", Method: http.MethodGet, Path: "/commission-rules", Summary: "Versions of commission rules, newest first", Permission: access.PermRuleRead, Tags: tags}, a.listRules)
	httpx.Register(api, httpx.Op{ID: "get-commission-rule", Method: http.MethodGet, Path: "/commission-rules/{id}", Summary: "A rule version with all versions of its rule", Permission: access.PermRuleRead, Tags: tags}, a.getRule)
	httpx.Register(api, httpx.Op{
		ID: "draft-commission-rule", Method: http.MethodPost, Path: "/commission-rules", Summary: "Draft a rule, or a new version of one",
		Permission: access.PermRuleWrite, Tags: tags, Idempotent: true, Status: http.StatusCreated,
	}, a.draftRule)
	httpx.Register(api, httpx.Op{
		ID: "publish-commission-rule", Method: http.MethodPost, Path: "/commission-rules/{id}/publish", Summary: "Put a rule version into force",
		Description: "A change of more than 30 %, or one below the margin of a product, waits for a second admin, who calls the same, and then starts at the next midnight.",
		Permission:  access.PermRulePublish, Tags: tags, Idempotent: true,
	}, a.publishRule)
	httpx.Register(api, httpx.Op{
		ID: "retire-commission-rule", Method: http.MethodPost, Path: "/commission-rules/{id}/retire", Summary: "End a rule version now, or discard a draft",
		Permission: access.PermRulePublish, Tags: tags, Idempotent: true,
	}, a.retireRule)
	httpx.Register(api, httpx.Op{ID: "get-commission-policy", Method: http.MethodGet, Path: "/settings/commission", Summary: "The caps, and what carries legal risk", Permission: access.PermSettingRead, Tags: tags}, a.getPolicy)
	httpx.Register(api, httpx.Op{
		ID: "set-commission-policy", Method: http.MethodPut, Path: "/settings/commission", Summary: "Change the caps for orders from now on",
		Description: "Switching on a payee or kind that carries legal risk needs the owner and the typed acknowledgement.",
		Permission:  access.PermSettingMoney, Tags: tags, Idempotent: true,
	}, a.setPolicy)
}

type ruleBody struct {
	ID          base.RuleID          `json:"id"`
	Key         base.RuleID          `json:"rule_key" doc:"The same for all versions of a rule"`
	Version     int                  `json:"version"`
	Name        string               `json:"name"`
	ScopeKind   commission.ScopeKind `json:"scope_kind" enum:"sku,product,category,all"`
	SKU         base.SKUID           `json:"sku_id"`
	Product     base.ProductID       `json:"product_id"`
	Category    string               `json:"category"`
	Level       base.LevelID         `json:"level_id" doc:"Empty: any level"`
	Payee       base.Tier            `json:"payee" enum:"seller,upline,territory"`
	Kind        commission.Kind      `json:"kind" enum:"rate,per_unit,per_order"`
	Rate        money.BasisPoints    `json:"rate_bps"`
	Amount      money.Fen            `json:"amount_fen"`
	Priority    int                  `json:"priority"`
	From        *time.Time           `json:"from,omitempty"`
	Until       *time.Time           `json:"until,omitempty"`
	Status      commission.Status    `json:"status" enum:"draft,awaiting,published,retired,discarded"`
	InForce     bool                 `json:"in_force" doc:"Orders created now are judged by it"`
	Gate        []string             `json:"gate" doc:"Why a second admin was needed"`
	CreatedAt   *time.Time           `json:"created_at,omitempty"`
	CreatedBy   string               `json:"created_by"`
	AskedBy     string               `json:"asked_by"`
	PublishedAt *time.Time           `json:"published_at,omitempty"`
	PublishedBy string               `json:"published_by"`
}

func (a *API) showRule(r commission.Rule) ruleBody {
	b := ruleBody{
		ID: r.ID, Key: r.Key, Version: r.Version, Name: r.Name, ScopeKind: r.ScopeKind, Category: r.Category, Level: r.Level, Payee: r.Payee,
		Kind: r.Kind, Rate: r.Rate, Amount: r.Amount, Priority: r.Priority, From: httpx.Time(r.FromMs), Until: httpx.Time(r.UntilMs),
		Status: r.Status, InForce: r.InForce(a.Flow.DB.Clock.Now()), CreatedAt: httpx.Time(r.CreatedMs), CreatedBy: r.CreatedBy,
		AskedBy: r.AskedBy, PublishedAt: httpx.Time(r.PublishedMs), PublishedBy: r.PublishedBy,
	}
	switch r.ScopeKind {
	case commission.ScopeSKU:
		b.SKU = base.SKUID(r.ScopeID)
	case commission.ScopeProduct:
		b.Product = base.ProductID(r.ScopeID)
	}
	if r.Gate != "" {
		b.Gate = strings.Split(r.Gate, ",")
	}
	return b
}

type ruleOutput struct{ Body ruleBody }

func (a *API) ruleOut(r commission.Rule, err error) (*ruleOutput, error) {
	if err != nil {
		return nil, err
	}
	return &ruleOutput{a.showRule(r)}, nil
}

type listRulesInput struct {
	httpx.FeedInput
	Status string `query:"status" enum:"draft,awaiting,published,retired,discarded"`
}

type ruleFeed struct{ Body httpx.Feed[ruleBody] }

func (a *API) listRules(ctx context.Context, in *listRulesInput) (*ruleFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	rules, err := commission.Rules(ctx, a.Flow.DB.Q(), commission.Status(in.Status), base.RuleID(at.ID), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &ruleFeed{httpx.NewFeed(rules, in.Limit, func(r commission.Rule) httpx.Cursor { return httpx.Cursor{ID: int64(r.ID)} }, a.showRule)}, nil
}

type rulePath struct {
	ID base.RuleID `path:"id"`
}

type ruleWithVersions struct {
	Body struct {
		Rule     ruleBody   `json:"rule"`
		Versions []ruleBody `json:"versions" doc:"Newest first"`
	}
}

func (a *API) getRule(ctx context.Context, in *rulePath) (*ruleWithVersions, error) {
	r, err := commission.RuleByID(ctx, a.Flow.DB.Q(), in.ID)
	if err != nil {
		return nil, err
	}
	versions, err := commission.Versions(ctx, a.Flow.DB.Q(), r.Key)
	if err != nil {
		return nil, err
	}
	var out ruleWithVersions
	out.Body.Rule = a.showRule(r)
	for _, v := range versions {
		out.Body.Versions = append(out.Body.Versions, a.showRule(v))
	}
	return &out, nil
}

type draftRuleInput struct {
	Body struct {
		Key  base.RuleID      `json:"rule_key,omitempty" doc:"The rule that this is a new version of; empty: a new rule"`
		Rule commission.Draft `json:"rule"`
	}
}

func (a *API) draftRule(ctx context.Context, in *draftRuleInput) (*ruleOutput, error) {
	return a.ruleOut(a.Flow.DraftRule(ctx, commission.NewRule{
		ID: base.RuleID(httpx.OpID(ctx)), Key: in.Body.Key, Draft: in.Body.Rule, By: httpx.PrincipalOf(ctx).Actor,
	}))
}

type publishRuleInput struct {
	ID   base.RuleID `path:"id"`
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"500"`
	}
}

func (a *API) publishRule(ctx context.Context, in *publishRuleInput) (*ruleOutput, error) {
	return a.ruleOut(a.Flow.PublishRule(ctx, flow.RuleDecision{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason}))
}

type retireRuleInput struct {
	ID   base.RuleID `path:"id"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500"`
	}
}

func (a *API) retireRule(ctx context.Context, in *retireRuleInput) (*ruleOutput, error) {
	return a.ruleOut(a.Flow.RetireRule(ctx, flow.RuleDecision{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason}))
}

type policyOutput struct {
	Body struct {
		Policy          commission.Policy `json:"policy"`
		Version         int               `json:"version" doc:"0: the default"`
		Acknowledgement string            `json:"acknowledgement" doc:"What the owner types to switch on what carries legal risk"`
	}
}

func showPolicy(t commission.Terms) *policyOutput {
	var out policyOutput
	out.Body.Policy, out.Body.Version, out.Body.Acknowledgement = t.Policy, t.Version, commission.Acknowledgement
	return &out
}

func (a *API) getPolicy(ctx context.Context, _ *struct{}) (*policyOutput, error) {
	t, err := commission.TermsAt(ctx, a.Flow.DB.Q(), a.Flow.DB.Clock.Now())
	if err != nil {
		return nil, err
	}
	return showPolicy(t), nil
}

type setPolicyInput struct {
	Body struct {
		Policy commission.Policy `json:"policy"`
		Reason string            `json:"reason" minLength:"1" maxLength:"500"`
	}
}

func (a *API) setPolicy(ctx context.Context, in *setPolicyInput) (*policyOutput, error) {
	p := httpx.PrincipalOf(ctx)
	t, err := a.Flow.SetCommissionPolicy(ctx, flow.PolicyChange{
		Policy: in.Body.Policy, By: p.Actor, IsOwner: access.Role(p.Role) == access.Owner, Reason: in.Body.Reason,
	})
	if err != nil {
		return nil, err
	}
	return showPolicy(t), nil
}
