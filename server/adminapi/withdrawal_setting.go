package adminapi

import (
	"context"
	"net/http"

	"fenxiao/server/access"
	"fenxiao/server/domain/withdrawal"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

func (a *API) registerWithdrawalSetting(api *httpx.API) {
	tags := []string{"settings"}
	httpx.Register(api, httpx.Op{ID: "get-withdrawal-setting", Method: http.MethodGet, Path: "/settings/withdrawal", Summary: "Limits, fee, approvals and risk signs of withdrawals", Permission: access.PermSettingRead, Tags: tags}, a.getWithdrawalPolicy)
	httpx.Register(api, httpx.Op{
		ID: "set-withdrawal-setting", Method: http.MethodPut, Path: "/settings/withdrawal", Summary: "Change limits, fee, approvals and risk signs, from the next request on",
		Permission: access.PermSettingMoney, Tags: tags, Idempotent: true,
	}, a.setWithdrawalPolicy)
	httpx.Register(api, httpx.Op{ID: "get-tax-policy", Method: http.MethodGet, Path: "/settings/tax-policy", Summary: "How income tax is withheld", Permission: access.PermSettingRead, Tags: tags}, a.getTaxPolicy)
	httpx.Register(api, httpx.Op{
		ID: "set-tax-policy", Method: http.MethodPut, Path: "/settings/tax-policy", Summary: "Choose how income tax is withheld",
		Description: "There is no default: nothing is paid out before finance has chosen. Only none is offered for now.",
		Permission:  access.PermSettingMoney, Tags: tags, Idempotent: true,
	}, a.setTaxPolicy)
}

type withdrawalPolicyOutput struct {
	Body struct {
		Policy  withdrawal.Policy `json:"policy"`
		Version int               `json:"version" doc:"0: nobody has changed it yet"`
	}
}

func (a *API) getWithdrawalPolicy(ctx context.Context, _ *struct{}) (*withdrawalPolicyOutput, error) {
	t, err := a.Flow.WithdrawalTerms(ctx)
	if err != nil {
		return nil, err
	}
	var out withdrawalPolicyOutput
	out.Body.Policy, out.Body.Version = t.Policy, t.PolicyVersion
	return &out, nil
}

type setWithdrawalPolicyInput struct {
	Body struct {
		Policy withdrawal.Policy `json:"policy"`
		Reason string            `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) setWithdrawalPolicy(ctx context.Context, in *setWithdrawalPolicyInput) (*withdrawalPolicyOutput, error) {
	version, err := a.Flow.PutWithdrawalPolicy(ctx, in.Body.Policy, httpx.PrincipalOf(ctx).Actor, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	var out withdrawalPolicyOutput
	out.Body.Policy, out.Body.Version = in.Body.Policy, version
	return &out, nil
}

type taxPolicyBody struct {
	Policy  withdrawal.TaxPolicy `json:"policy"`
	Chosen  bool                 `json:"chosen" doc:"False: nothing can be paid out yet"`
	Version int                  `json:"version"`
}

type taxPolicyOutput struct{ Body taxPolicyBody }

func (a *API) getTaxPolicy(ctx context.Context, _ *struct{}) (*taxPolicyOutput, error) {
	t, err := a.Flow.WithdrawalTerms(ctx)
	if err != nil {
		return nil, err
	}
	return showTax(t), nil
}

func showTax(t flow.WithdrawalTerms) *taxPolicyOutput {
	return &taxPolicyOutput{taxPolicyBody{t.Tax, t.Tax.Chosen(), t.TaxVersion}}
}

type setTaxPolicyInput struct {
	Body struct {
		Policy withdrawal.TaxPolicy `json:"policy"`
		Reason string               `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) setTaxPolicy(ctx context.Context, in *setTaxPolicyInput) (*taxPolicyOutput, error) {
	version, err := a.Flow.PutTaxPolicy(ctx, in.Body.Policy, httpx.PrincipalOf(ctx).Actor, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return showTax(flow.WithdrawalTerms{Tax: in.Body.Policy, TaxVersion: version}), nil
}
