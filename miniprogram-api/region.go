package miniprogramapi

import (
	"context"
	"net/http"

	"fenxiao/server/access"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/region"
	"fenxiao/server/httpx"
)

func (a *API) registerRegion(api *httpx.API) {
	httpx.Register(api, httpx.Op{
		ID: "list-regions", Method: http.MethodGet, Path: "/regions", Summary: "Provinces, or what lies in a region, by GB/T 2260 code",
		Permission: access.Public, Tags: []string{"regions"}, Errors: []int{http.StatusNotFound},
	}, a.listRegions)
}

type listRegionsInput struct {
	Parent int `query:"parent" minimum:"0" maximum:"999999" doc:"Left out: the provinces"`
}

type regionBody struct {
	Code  region.Code `json:"code"`
	Name  string      `json:"name"`
	Level string      `json:"level" enum:"province,city,district"`
}

type regionList struct {
	Body struct {
		Items []regionBody `json:"items"`
	}
}

var errRegion = errs.E(errs.NotFound, "region.not_found", "没有找到该地区", errs.EN("There is no such region."))

func (a *API) listRegions(_ context.Context, in *listRegionsInput) (*regionList, error) {
	parent := region.Code(in.Parent)
	if _, known := region.Lookup(parent); parent != 0 && !known {
		return nil, errRegion
	}
	var out regionList
	for _, r := range region.Children(parent) {
		out.Body.Items = append(out.Body.Items, regionBody{r.Code, r.Name, string(r.Code.Level())})
	}
	return &out, nil
}
