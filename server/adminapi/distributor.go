package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

func (a *API) registerDistributor(api *httpx.API) {
	tags := []string{"people"}
	httpx.Register(api, httpx.Op{ID: "list-distributors", Method: http.MethodGet, Path: "/distributors", Summary: "Distributors, newest first", Permission: access.PermDistributorRead, Tags: tags}, a.listDistributors)
	httpx.Register(api, httpx.Op{ID: "get-distributor", Method: http.MethodGet, Path: "/distributors/{id}", Summary: "One distributor with the history of rights", Permission: access.PermDistributorRead, Tags: tags}, a.getDistributor)
	httpx.Register(api, httpx.Op{
		ID: "suspend-distributor", Method: http.MethodPost, Path: "/distributors/{id}/suspend", Summary: "Suspend: binds nobody, new orders earn nothing",
		Permission: access.PermDistributorSuspend, Tags: tags, Idempotent: true,
	}, a.suspend)
	httpx.Register(api, httpx.Op{ID: "reactivate-distributor", Method: http.MethodPost, Path: "/distributors/{id}/reactivate", Summary: "End a suspension", Permission: access.PermDistributorSuspend, Tags: tags, Idempotent: true}, a.reactivate)
	httpx.Register(api, httpx.Op{ID: "set-distributor-level", Method: http.MethodPost, Path: "/distributors/{id}/level", Summary: "Give another level, from the next order on", Permission: access.PermDistributorWrite, Tags: tags, Idempotent: true}, a.setLevel)
	httpx.Register(api, httpx.Op{
		ID: "set-distributor-upline", Method: http.MethodPost, Path: "/distributors/{id}/upline", Summary: "Change or remove the upline",
		Description: "Records who invited whom. Nobody is paid for it while the upline payee is off.",
		Permission:  access.PermDistributorWrite, Tags: tags, Idempotent: true,
	}, a.setUpline)
}

type DistributorBody struct {
	ID             base.DistributorID `json:"id"`
	Customer       base.CustomerID    `json:"customer_id"`
	Status         string             `json:"status" enum:"active,suspended,closed"`
	StatusAt       time.Time          `json:"status_at"`
	Level          base.LevelID       `json:"level_id"`
	LevelCode      string             `json:"level_code"`
	LevelNameZH    string             `json:"level_name_zh"`
	LevelNameEN    string             `json:"level_name_en"`
	Upline         base.DistributorID `json:"upline_id,omitempty"`
	RealNameMasked string             `json:"real_name_masked" doc:"Empty if none was given"`
	HasIDNo        bool               `json:"has_id_no"`
	NameChangedAt  *time.Time         `json:"name_changed_at,omitempty"`
	AdmittedAt     time.Time          `json:"admitted_at"`
	Version        int                `json:"version" doc:"Send it with changes of level and upline"`
}

func (a *API) showBody(d distributor.Distributor) (DistributorBody, error) {
	name, err := a.Flow.Box.Open(distributor.RealNamePlace, d.RealNameEnc)
	if err != nil {
		return DistributorBody{}, err
	}
	return DistributorBody{
		ID: d.ID, Customer: d.Customer, Status: string(d.Status), StatusAt: base.Time(d.StatusMs), Level: d.Level.ID,
		LevelCode: d.Level.Code, LevelNameZH: d.Level.NameZH, LevelNameEN: d.Level.NameEN, Upline: d.Upline,
		RealNameMasked: distributor.MaskName(name), HasIDNo: d.IDNoEnc != "", NameChangedAt: httpx.Time(d.NameChangedMs),
		AdmittedAt: base.Time(d.AdmittedMs), Version: d.Version,
	}, nil
}

type distributorOutput struct{ Body DistributorBody }

func (a *API) showDistributor(d distributor.Distributor) (*distributorOutput, error) {
	b, err := a.showBody(d)
	if err != nil {
		return nil, err
	}
	return &distributorOutput{b}, nil
}

type listDistributorsInput struct {
	Status string             `query:"status" enum:"active,suspended,closed" doc:"Left out: all"`
	Level  base.LevelID       `query:"level_id"`
	Upline base.DistributorID `query:"upline_id"`
	httpx.PageInput
}

type distributorPage struct{ Body httpx.Page[DistributorBody] }

func (a *API) listDistributors(ctx context.Context, in *listDistributorsInput) (*distributorPage, error) {
	q := a.Flow.DB.Q()
	f := distributor.Filter{
		Status: distributor.Status(in.Status), Level: in.Level, Upline: in.Upline, Offset: in.Offset(), Limit: in.PageSize,
	}
	total, err := distributor.Count(ctx, q, f)
	if err != nil {
		return nil, err
	}
	rows, err := distributor.List(ctx, q, f)
	if err != nil {
		return nil, err
	}
	bodies := make([]DistributorBody, len(rows))
	for i, d := range rows {
		if bodies[i], err = a.showBody(d); err != nil {
			return nil, err
		}
	}
	same := func(b DistributorBody) DistributorBody { return b }
	return &distributorPage{httpx.NewPage(in.PageInput, total, bodies, same)}, nil
}

type distributorPath struct {
	ID base.DistributorID `path:"id"`
}

type rightsChange struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Kind   string    `json:"kind" enum:"admitted,status,level,upline,real_name"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Reason string    `json:"reason"`
}

type distributorDetail struct {
	Body struct {
		DistributorBody
		Customers int            `json:"customers" doc:"How many are bound"`
		History   []rightsChange `json:"history" doc:"Oldest first"`
	}
}

func (a *API) getDistributor(ctx context.Context, in *distributorPath) (*distributorDetail, error) {
	q := a.Flow.DB.Q()
	d, err := distributor.Get(ctx, q, in.ID)
	if err != nil {
		return nil, err
	}
	var out distributorDetail
	if out.Body.DistributorBody, err = a.showBody(d); err != nil {
		return nil, err
	}
	if out.Body.Customers, err = attribution.CountBound(ctx, q, d.ID); err != nil {
		return nil, err
	}
	rows, err := distributor.History(ctx, q, d.ID)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		out.Body.History = append(out.Body.History, rightsChange{base.Time(r.AtMs), r.Actor, string(r.Kind), r.From, r.To, r.Reason})
	}
	return &out, nil
}

type distributorReason struct {
	ID   base.DistributorID `path:"id"`
	Body reasonBody
}

func (in distributorReason) decision(ctx context.Context) flow.PersonDecision {
	return flow.PersonDecision{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason}
}

func (a *API) suspend(ctx context.Context, in *distributorReason) (*distributorOutput, error) {
	d, err := a.Flow.Suspend(ctx, in.decision(ctx))
	if err != nil {
		return nil, err
	}
	return a.showDistributor(d)
}

func (a *API) reactivate(ctx context.Context, in *distributorReason) (*distributorOutput, error) {
	d, err := a.Flow.Reactivate(ctx, in.decision(ctx))
	if err != nil {
		return nil, err
	}
	return a.showDistributor(d)
}

type setLevelInput struct {
	ID   base.DistributorID `path:"id"`
	Body struct {
		Level   base.LevelID `json:"level_id"`
		Version int          `json:"version" minimum:"1" doc:"Of the distributor, as it was read"`
		Reason  string       `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) setLevel(ctx context.Context, in *setLevelInput) (*distributorOutput, error) {
	d, err := a.Flow.SetLevel(ctx, flow.SetLevelInput{
		ID: in.ID, Version: in.Body.Version, Level: in.Body.Level, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason,
	})
	if err != nil {
		return nil, err
	}
	return a.showDistributor(d)
}

type setUplineInput struct {
	ID   base.DistributorID `path:"id"`
	Body struct {
		Upline  base.DistributorID `json:"upline_id,omitempty" doc:"Left out: none"`
		Version int                `json:"version" minimum:"1" doc:"Of the distributor, as it was read"`
		Reason  string             `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) setUpline(ctx context.Context, in *setUplineInput) (*distributorOutput, error) {
	d, err := a.Flow.SetUpline(ctx, flow.SetUplineInput{
		ID: in.ID, Version: in.Body.Version, Upline: in.Body.Upline, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason,
	})
	if err != nil {
		return nil, err
	}
	return a.showDistributor(d)
}
