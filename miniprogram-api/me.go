package miniprogramapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/crm"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/httpx"
)

func (a *API) registerMe(api *httpx.API) {
	tags := []string{"me"}
	httpx.Register(api, httpx.Op{ID: "get-me", Method: http.MethodGet, Path: "/me", Summary: "Who I am", Permission: access.Customer, Tags: tags}, a.me)
	httpx.Register(api, httpx.Op{ID: "put-phone", Method: http.MethodPut, Path: "/me/phone", Summary: "Set my phone number", Permission: access.Customer, Tags: tags}, a.putPhone)
	httpx.Register(api, httpx.Op{ID: "get-my-binding", Method: http.MethodGet, Path: "/me/binding", Summary: "Whose customer I am, and until when", Permission: access.Customer, Tags: tags}, a.myBinding)
}

type meBody struct {
	ID          base.CustomerID    `json:"id"`
	PhoneMasked string             `json:"phone_masked" doc:"Empty if none was given"`
	Since       time.Time          `json:"since" doc:"The first log-in"`
	LastOrderAt *time.Time         `json:"last_order_at,omitempty"`
	Distributor base.DistributorID `json:"distributor_id,omitempty" doc:"Left out for whom is none"`
	Status      string             `json:"distributor_status,omitempty" enum:"active,suspended,closed"`
	Application *applicationBody   `json:"application,omitempty" doc:"The newest, if there is one"`
}

type meOutput struct{ Body meBody }

func (a *API) me(ctx context.Context, _ *struct{}) (*meOutput, error) {
	q, id := a.Flow.DB.Q(), httpx.PrincipalOf(ctx).Customer
	c, err := crm.Get(ctx, q, id)
	if err != nil {
		return nil, err
	}
	phone, err := a.Flow.Box.Open(crm.PhonePlace, c.PhoneEnc)
	if err != nil {
		return nil, err
	}
	out := meOutput{meBody{
		ID: c.ID, PhoneMasked: crm.MaskPhone(phone), Since: base.Time(c.CreatedMs), LastOrderAt: httpx.Time(c.LastOrderMs),
	}}
	d, is, err := distributor.ByCustomer(ctx, q, id)
	if err != nil {
		return nil, err
	}
	if is {
		out.Body.Distributor, out.Body.Status = d.ID, string(d.Status)
	}
	app, applied, err := distributor.LatestApplication(ctx, q, id)
	if err != nil {
		return nil, err
	}
	if applied {
		shown := showApplication(app)
		out.Body.Application = &shown
	}
	return &out, nil
}

type phoneInput struct {
	Body struct {
		Phone string `json:"phone" minLength:"11" maxLength:"20"`
	}
}

func (a *API) putPhone(ctx context.Context, in *phoneInput) (*struct{}, error) {
	return nil, a.Flow.SetPhone(ctx, httpx.PrincipalOf(ctx).Customer, in.Body.Phone)
}

type bindingBody struct {
	Bound          bool               `json:"bound"`
	Distributor    base.DistributorID `json:"distributor_id,omitempty"`
	Since          *time.Time         `json:"since,omitempty"`
	ProtectedUntil *time.Time         `json:"protected_until,omitempty" doc:"Until then no other distributor's code replaces it; left out: for life"`
	LapsesAt       *time.Time         `json:"lapses_at,omitempty" doc:"When it is over without a further order; left out: never"`
	Reason         string             `json:"reason" doc:"Why it was made"`
}

type bindingOutput struct{ Body bindingBody }

func (a *API) myBinding(ctx context.Context, _ *struct{}) (*bindingOutput, error) {
	q, now := a.Flow.DB.Q(), a.Flow.DB.Clock.Now()
	b, bound, err := attribution.BindingOf(ctx, q, httpx.PrincipalOf(ctx).Customer, now)
	if err != nil || !bound {
		return &bindingOutput{}, err
	}
	policy, _, err := attribution.CurrentPolicy(ctx, q, now)
	if err != nil {
		return nil, err
	}
	return &bindingOutput{bindingBody{
		Bound: true, Distributor: b.Distributor, Since: httpx.Time(b.SinceMs), Reason: string(b.Reason),
		ProtectedUntil: instant(policy.ProtectedUntil(b)), LapsesAt: instant(policy.LapsesAt(b)),
	}}, nil
}

// instant shows a time that may be none.
func instant(t time.Time) *time.Time { return httpx.Time(base.Ms(t)) }
