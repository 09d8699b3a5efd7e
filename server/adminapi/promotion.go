package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/httpx"
)

func (a *API) registerPromotion(api *httpx.API) {
	tags := []string{"promotion"}
	httpx.Register(api, httpx.Op{ID: "get-binding-policy", Method: http.MethodGet, Path: "/settings/binding-policy", Summary: "How customers are bound", Permission: access.PermSettingRead, Tags: tags}, a.getBindingPolicy)
	httpx.Register(api, httpx.Op{
		ID: "put-binding-policy", Method: http.MethodPut, Path: "/settings/binding-policy", Summary: "Change how customers are bound",
		Description: "In force at once, for all bindings; what was decided stays and names its version.",
		Permission:  access.PermSettingWrite, Tags: tags, Errors: []int{http.StatusConflict},
	}, a.putBindingPolicy)
	httpx.Register(api, httpx.Op{ID: "get-admission", Method: http.MethodGet, Path: "/settings/admission", Summary: "How people become distributors", Permission: access.PermSettingRead, Tags: tags}, a.getAdmission)
	httpx.Register(api, httpx.Op{ID: "put-admission", Method: http.MethodPut, Path: "/settings/admission", Summary: "Change how people become distributors", Permission: access.PermSettingWrite, Tags: tags, Errors: []int{http.StatusConflict, http.StatusNotFound}}, a.putAdmission)
	httpx.Register(api, httpx.Op{ID: "list-codes", Method: http.MethodGet, Path: "/codes", Summary: "Promo codes, newest first", Permission: access.PermCodeRead, Tags: tags}, a.listCodes)
	httpx.Register(api, httpx.Op{ID: "disable-code", Method: http.MethodPost, Path: "/codes/{id}/disable", Summary: "Stop a promo code for good", Permission: access.PermCodeWrite, Tags: tags, Idempotent: true}, a.disableCode)
}

type bindingPolicyOutput struct {
	Body struct {
		Policy  attribution.Policy `json:"policy"`
		Version int                `json:"version" doc:"0: the default"`
	}
}

func (a *API) getBindingPolicy(ctx context.Context, _ *struct{}) (*bindingPolicyOutput, error) {
	p, version, err := attribution.CurrentPolicy(ctx, a.Flow.DB.Q(), a.Flow.DB.Clock.Now())
	if err != nil {
		return nil, err
	}
	var out bindingPolicyOutput
	out.Body.Policy, out.Body.Version = p, version
	return &out, nil
}

type putBindingPolicyInput struct {
	Body struct {
		Policy attribution.Policy `json:"policy"`
		Reason string             `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) putBindingPolicy(ctx context.Context, in *putBindingPolicyInput) (*bindingPolicyOutput, error) {
	version, err := a.Flow.PutBindingPolicy(ctx, in.Body.Policy, httpx.PrincipalOf(ctx).Actor, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	var out bindingPolicyOutput
	out.Body.Policy, out.Body.Version = in.Body.Policy, version
	return &out, nil
}

type admissionOutput struct {
	Body struct {
		Admission distributor.AdmissionPolicy `json:"admission"`
		Version   int                         `json:"version" doc:"0: the default"`
	}
}

func (a *API) getAdmission(ctx context.Context, _ *struct{}) (*admissionOutput, error) {
	p, version, err := a.Flow.Admission(ctx)
	if err != nil {
		return nil, err
	}
	var out admissionOutput
	out.Body.Admission, out.Body.Version = p, version
	return &out, nil
}

type putAdmissionInput struct {
	Body struct {
		Admission distributor.AdmissionPolicy `json:"admission"`
		Reason    string                      `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) putAdmission(ctx context.Context, in *putAdmissionInput) (*admissionOutput, error) {
	version, err := a.Flow.PutAdmission(ctx, in.Body.Admission, httpx.PrincipalOf(ctx).Actor, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	var out admissionOutput
	out.Body.Admission, out.Body.Version = in.Body.Admission, version
	return &out, nil
}

type promoCodeBody struct {
	ID          base.CodeID        `json:"id"`
	Code        string             `json:"code"`
	Distributor base.DistributorID `json:"distributor_id"`
	TargetKind  string             `json:"target_kind" enum:"shop,product,campaign,group,round"`
	Product     base.ProductID     `json:"product_id,omitempty" doc:"For the kind product"`
	Channel     string             `json:"channel"`
	Status      string             `json:"status" enum:"active,disabled"`
	ExpiresAt   *time.Time         `json:"expires_at,omitempty"`
	CreatedAt   time.Time          `json:"created_at"`
	DisabledAt  *time.Time         `json:"disabled_at,omitempty"`
	DisabledBy  string             `json:"disabled_by"`
	Reason      string             `json:"reason" doc:"Why it was disabled"`
}

func showCode(c attribution.Code) promoCodeBody {
	out := promoCodeBody{
		ID: c.ID, Code: c.Text, Distributor: c.Distributor, TargetKind: string(c.TargetKind), Channel: c.Channel,
		Status: string(c.Status), ExpiresAt: httpx.Time(c.ExpiresMs), CreatedAt: base.Time(c.MadeMs),
		DisabledAt: httpx.Time(c.DisabledMs), DisabledBy: c.DisabledBy, Reason: c.Reason,
	}
	if c.TargetKind == attribution.TargetProduct {
		out.Product = base.ProductID(c.TargetID)
	}
	return out
}

type listCodesInput struct {
	Distributor base.DistributorID `query:"distributor_id"`
	httpx.PageInput
}

type codePage struct{ Body httpx.Page[promoCodeBody] }

func (a *API) listCodes(ctx context.Context, in *listCodesInput) (*codePage, error) {
	q := a.Flow.DB.Q()
	total, err := attribution.CountCodes(ctx, q, in.Distributor)
	if err != nil {
		return nil, err
	}
	rows, err := attribution.Codes(ctx, q, attribution.CodeFilter{Distributor: in.Distributor, Offset: in.Offset(), Limit: in.PageSize})
	if err != nil {
		return nil, err
	}
	return &codePage{httpx.NewPage(in.PageInput, total, rows, showCode)}, nil
}

type disableCodeInput struct {
	ID   base.CodeID `path:"id"`
	Body reasonBody
}

func (a *API) disableCode(ctx context.Context, in *disableCodeInput) (*struct{}, error) {
	return nil, a.Flow.DisableCode(ctx, attribution.Disable{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason})
}
