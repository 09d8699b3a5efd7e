package miniprogramapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

func (a *API) registerApplication(api *httpx.API) {
	tags := []string{"distributor"}
	httpx.Register(api, httpx.Op{ID: "get-distributor-terms", Method: http.MethodGet, Path: "/distributor-terms", Summary: "The agreement to accept, and how people are admitted", Permission: access.Public, Tags: tags}, a.terms)
	httpx.Register(api, httpx.Op{
		ID: "apply", Method: http.MethodPost, Path: "/applications", Summary: "Apply to become a distributor",
		Description: "Free of charge, without any purchase. Accepts the agreement in the version that is named.",
		Permission:  access.Customer, Tags: tags, Idempotent: true, Status: http.StatusCreated,
	}, a.apply)
	httpx.Register(api, httpx.Op{ID: "get-application", Method: http.MethodGet, Path: "/applications/{id}", Summary: "One application of mine", Permission: access.Customer, Tags: tags}, a.application)
}

type termsOutput struct {
	Body struct {
		AgreementVersion string `json:"agreement_version"`
		AgreementText    string `json:"agreement_text"`
		AutoApprove      bool   `json:"auto_approve"`
	}
}

func (a *API) terms(ctx context.Context, _ *struct{}) (*termsOutput, error) {
	p, _, err := a.Flow.Admission(ctx)
	if err != nil {
		return nil, err
	}
	var out termsOutput
	out.Body.AgreementVersion, out.Body.AgreementText, out.Body.AutoApprove = p.AgreementVersion, p.AgreementText, p.AutoApprove
	return &out, nil
}

type applyInput struct {
	Body struct {
		AgreementVersion string `json:"agreement_version" minLength:"1" maxLength:"32" doc:"The version that I have read and accept"`
		InviterCode      string `json:"inviter_code,omitempty" maxLength:"512" doc:"Scene, link or code of who invited me"`
	}
}

type applicationBody struct {
	ID               base.ApplicationID `json:"id"`
	State            string             `json:"state" enum:"pending,approved,rejected"`
	AgreementVersion string             `json:"agreement_version"`
	AgreedAt         time.Time          `json:"agreed_at"`
	DecidedAt        *time.Time         `json:"decided_at,omitempty"`
	Reason           string             `json:"reason" doc:"Why it was rejected"`
	Distributor      base.DistributorID `json:"distributor_id,omitempty"`
}

func showApplication(x distributor.Application) applicationBody {
	return applicationBody{
		x.ID, string(x.State), x.AgreementVersion, base.Time(x.AgreedMs), httpx.Time(x.DecidedMs), x.Reason, x.Distributor,
	}
}

type applicationOutput struct{ Body applicationBody }

func (a *API) apply(ctx context.Context, in *applyInput) (*applicationOutput, error) {
	x, err := a.Flow.Apply(ctx, flow.ApplyInput{
		ID: base.ApplicationID(httpx.OpID(ctx)), Customer: httpx.PrincipalOf(ctx).Customer,
		AgreementVersion: in.Body.AgreementVersion, InviterCode: in.Body.InviterCode,
	})
	if err != nil {
		return nil, err
	}
	return &applicationOutput{showApplication(x)}, nil
}

type applicationPath struct {
	ID base.ApplicationID `path:"id"`
}

func (a *API) application(ctx context.Context, in *applicationPath) (*applicationOutput, error) {
	x, err := distributor.ApplicationOf(ctx, a.Flow.DB.Q(), in.ID)
	if err == nil && x.Customer != httpx.PrincipalOf(ctx).Customer {
		err = distributor.ErrApplicationNotFound
	}
	if err != nil {
		return nil, err
	}
	return &applicationOutput{showApplication(x)}, nil
}
