package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/region"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/httpx"
)

func (a *API) registerTerritory(api *httpx.API) {
	tags := []string{"people"}
	httpx.Register(api, httpx.Op{ID: "list-territory-contracts", Method: http.MethodGet, Path: "/territory-contracts", Summary: "Territory contracts, newest first", Permission: access.PermContractRead, Tags: tags}, a.listContracts)
	httpx.Register(api, httpx.Op{
		ID: "create-territory-contract", Method: http.MethodPost, Path: "/territory-contracts", Summary: "Give regions to a city partner to serve",
		Description: "At most one partner has a region at any time. The most specific region counts: district, city, province.",
		Permission:  access.PermContractWrite, Tags: tags, Idempotent: true, Status: http.StatusCreated,
	}, a.createContract)
	httpx.Register(api, httpx.Op{ID: "end-territory-contract", Method: http.MethodPost, Path: "/territory-contracts/{id}/end", Summary: "End a contract now", Permission: access.PermContractWrite, Tags: tags, Idempotent: true}, a.endContract)
}

type contractRegion struct {
	Code region.Code `json:"code" doc:"GB/T 2260"`
	Name string      `json:"name"`
}

type contractBody struct {
	ID          base.ContractID    `json:"id"`
	Distributor base.DistributorID `json:"distributor_id"`
	DocumentNo  string             `json:"document_no"`
	Regions     []contractRegion   `json:"regions"`
	From        time.Time          `json:"from"`
	Until       time.Time          `json:"until" doc:"The first moment after"`
	MadeAt      time.Time          `json:"made_at"`
	MadeBy      string             `json:"made_by"`
	EndedAt     *time.Time         `json:"ended_at,omitempty" doc:"When it was ended early"`
	EndedBy     string             `json:"ended_by"`
	EndReason   string             `json:"end_reason"`
}

func showContract(c distributor.Contract) contractBody {
	out := contractBody{
		ID: c.ID, Distributor: c.Distributor, DocumentNo: c.DocumentNo, From: base.Time(c.FromMs), Until: base.Time(c.UntilMs),
		MadeAt: base.Time(c.MadeMs), MadeBy: c.MadeBy, EndedAt: httpx.Time(c.EndedMs), EndedBy: c.EndedBy, EndReason: c.EndReason,
	}
	for _, r := range c.Regions {
		out.Regions = append(out.Regions, contractRegion{r, r.FullName()})
	}
	return out
}

type contractOutput struct{ Body contractBody }

type listContractsInput struct {
	Distributor base.DistributorID `query:"distributor_id"`
	httpx.PageInput
}

type contractPage struct{ Body httpx.Page[contractBody] }

func (a *API) listContracts(ctx context.Context, in *listContractsInput) (*contractPage, error) {
	q := a.Flow.DB.Q()
	total, err := distributor.CountContracts(ctx, q, in.Distributor)
	if err != nil {
		return nil, err
	}
	rows, err := distributor.Contracts(ctx, q, in.Distributor, distributor.Window{Offset: in.Offset(), Limit: in.PageSize})
	if err != nil {
		return nil, err
	}
	return &contractPage{httpx.NewPage(in.PageInput, total, rows, showContract)}, nil
}

type createContractInput struct {
	Body struct {
		Distributor base.DistributorID `json:"distributor_id"`
		DocumentNo  string             `json:"document_no" minLength:"1" maxLength:"64" doc:"Of the signed paper"`
		Regions     []region.Code      `json:"regions" minItems:"1" maxItems:"100" doc:"GB/T 2260 codes"`
		From        time.Time          `json:"from"`
		Until       time.Time          `json:"until" doc:"The first moment after"`
	}
}

func (a *API) createContract(ctx context.Context, in *createContractInput) (*contractOutput, error) {
	b := in.Body
	made, err := a.Flow.CreateContract(ctx, distributor.Contract{
		ID: base.ContractID(httpx.OpID(ctx)), Distributor: b.Distributor, DocumentNo: b.DocumentNo, Regions: b.Regions,
		FromMs: base.Ms(b.From), UntilMs: base.Ms(b.Until),
	}, httpx.PrincipalOf(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return &contractOutput{showContract(made)}, nil
}

type endContractInput struct {
	ID   base.ContractID `path:"id"`
	Body reasonBody
}

func (a *API) endContract(ctx context.Context, in *endContractInput) (*contractOutput, error) {
	after, err := a.Flow.EndContract(ctx, distributor.End{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason})
	if err != nil {
		return nil, err
	}
	return &contractOutput{showContract(after)}, nil
}
