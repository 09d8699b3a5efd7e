package adminapi

import (
	"context"
	"net/http"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/httpx"
)

func (a *API) registerLevel(api *httpx.API) {
	tags := []string{"people"}
	httpx.Register(api, httpx.Op{ID: "list-levels", Method: http.MethodGet, Path: "/levels", Summary: "Levels with rights and duties, by rank", Permission: access.PermLevelRead, Tags: tags}, a.listLevels)
	httpx.Register(api, httpx.Op{ID: "create-level", Method: http.MethodPost, Path: "/levels", Summary: "Add a level", Permission: access.PermLevelWrite, Tags: tags, Idempotent: true, Status: http.StatusCreated}, a.createLevel)
	httpx.Register(api, httpx.Op{ID: "update-level", Method: http.MethodPut, Path: "/levels/{id}", Summary: "Change a level, from the next order on", Permission: access.PermLevelWrite, Tags: tags, Errors: []int{http.StatusConflict}}, a.updateLevel)
}

// LevelFields are what an operator decides about a level.
type LevelFields struct {
	NameZH string             `json:"name_zh" minLength:"1" maxLength:"32"`
	NameEN string             `json:"name_en" minLength:"1" maxLength:"32"`
	Rank   int                `json:"rank" minimum:"0" maximum:"1000" doc:"For ordering; it gives nothing by itself"`
	Cycle  string             `json:"cycle" enum:"weekly,monthly" doc:"Of settlement"`
	Rights distributor.Rights `json:"rights"`
	Duties distributor.Duties `json:"duties"`
	Active bool               `json:"active" doc:"Can be given to distributors"`
}

func (f LevelFields) level() distributor.Level {
	return distributor.Level{
		NameZH: f.NameZH, NameEN: f.NameEN, Rank: f.Rank, Cycle: base.Cycle(f.Cycle), Rights: f.Rights, Duties: f.Duties, Active: f.Active,
	}
}

type levelBody struct {
	ID   base.LevelID `json:"id"`
	Code string       `json:"code"`
	LevelFields
	Version int `json:"version"`
}

func showLevel(l distributor.Level) levelBody {
	return levelBody{l.ID, l.Code, LevelFields{l.NameZH, l.NameEN, l.Rank, string(l.Cycle), l.Rights, l.Duties, l.Active}, l.Version}
}

type levelOutput struct{ Body levelBody }

type levelList struct {
	Body struct {
		Items []levelBody `json:"items"`
	}
}

func (a *API) listLevels(ctx context.Context, _ *struct{}) (*levelList, error) {
	levels, err := distributor.Levels(ctx, a.Flow.DB.Q())
	if err != nil {
		return nil, err
	}
	var out levelList
	for _, l := range levels {
		out.Body.Items = append(out.Body.Items, showLevel(l))
	}
	return &out, nil
}

type createLevelInput struct {
	Body struct {
		Code string `json:"code" pattern:"^[a-z][a-z0-9_]{1,31}$" doc:"For programs; never changes"`
		LevelFields
	}
}

func (a *API) createLevel(ctx context.Context, in *createLevelInput) (*levelOutput, error) {
	l := in.Body.level()
	l.ID, l.Code = base.LevelID(httpx.OpID(ctx)), in.Body.Code
	made, err := a.Flow.CreateLevel(ctx, l, httpx.PrincipalOf(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return &levelOutput{showLevel(made)}, nil
}

type updateLevelInput struct {
	ID   base.LevelID `path:"id"`
	Body struct {
		LevelFields
		Version int    `json:"version" minimum:"1" doc:"As it was read"`
		Reason  string `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) updateLevel(ctx context.Context, in *updateLevelInput) (*levelOutput, error) {
	l := in.Body.level()
	l.ID, l.Version = in.ID, in.Body.Version
	after, err := a.Flow.UpdateLevel(ctx, l, httpx.PrincipalOf(ctx).Actor, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &levelOutput{showLevel(after)}, nil
}
