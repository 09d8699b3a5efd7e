package adminapi

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
	tags := []string{"people"}
	httpx.Register(api, httpx.Op{ID: "list-applications", Method: http.MethodGet, Path: "/applications", Summary: "Applications, newest first", Permission: access.PermDistributorRead, Tags: tags}, a.listApplications)
	httpx.Register(api, httpx.Op{ID: "approve-application", Method: http.MethodPost, Path: "/applications/{id}/approve", Summary: "Admit the applicant", Permission: access.PermDistributorReview, Tags: tags, Idempotent: true}, a.approveApplication)
	httpx.Register(api, httpx.Op{ID: "reject-application", Method: http.MethodPost, Path: "/applications/{id}/reject", Summary: "Reject an application with a reason, which the applicant reads", Permission: access.PermDistributorReview, Tags: tags, Idempotent: true}, a.rejectApplication)
}

type applicationBody struct {
	ID               base.ApplicationID `json:"id"`
	Customer         base.CustomerID    `json:"customer_id"`
	State            string             `json:"state" enum:"pending,approved,rejected"`
	Upline           base.DistributorID `json:"upline_id,omitempty" doc:"Who invited"`
	AgreementVersion string             `json:"agreement_version"`
	AgreedAt         time.Time          `json:"agreed_at"`
	DecidedAt        *time.Time         `json:"decided_at,omitempty"`
	DecidedBy        string             `json:"decided_by"`
	Reason           string             `json:"reason"`
	Distributor      base.DistributorID `json:"distributor_id,omitempty"`
}

func showApplication(x distributor.Application) applicationBody {
	return applicationBody{
		x.ID, x.Customer, string(x.State), x.Upline, x.AgreementVersion, base.Time(x.AgreedMs), httpx.Time(x.DecidedMs),
		x.DecidedBy, x.Reason, x.Distributor,
	}
}

type listApplicationsInput struct {
	State string `query:"state" enum:"pending,approved,rejected" doc:"Left out: all"`
	httpx.PageInput
}

type applicationPage struct{ Body httpx.Page[applicationBody] }

func (a *API) listApplications(ctx context.Context, in *listApplicationsInput) (*applicationPage, error) {
	q, state := a.Flow.DB.Q(), distributor.ApplicationState(in.State)
	total, err := distributor.CountApplications(ctx, q, state)
	if err != nil {
		return nil, err
	}
	rows, err := distributor.Applications(ctx, q, state, distributor.Window{Offset: in.Offset(), Limit: in.PageSize})
	if err != nil {
		return nil, err
	}
	return &applicationPage{httpx.NewPage(in.PageInput, total, rows, showApplication)}, nil
}

type applicationPath struct {
	ID base.ApplicationID `path:"id"`
}

func (a *API) approveApplication(ctx context.Context, in *applicationPath) (*distributorOutput, error) {
	d, err := a.Flow.Approve(ctx, flow.DecideApplication{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor})
	if err != nil {
		return nil, err
	}
	return a.showDistributor(d)
}

type reasonBody struct {
	Reason string `json:"reason" minLength:"1" maxLength:"200"`
}

type rejectApplicationInput struct {
	ID   base.ApplicationID `path:"id"`
	Body reasonBody
}

func (a *API) rejectApplication(ctx context.Context, in *rejectApplicationInput) (*struct{}, error) {
	return nil, a.Flow.Reject(ctx, flow.DecideApplication{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason})
}
