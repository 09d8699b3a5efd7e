package miniprogramapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/httpx"
)

// loginRate is per address; behind one address of a mobile network stand many people.
var loginRate = httpx.Rate{PerMinute: 600, Burst: 300, Strict: true}

func (a *API) registerAuth(api *httpx.API) {
	tags := []string{"log-in"}
	httpx.Register(api, httpx.Op{
		ID: "login-wechat", Method: http.MethodPost, Path: "/auth/wechat", Summary: "Log in with the code of wx.login",
		Permission: access.Public, Tags: tags, Rate: loginRate,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable},
	}, a.login)
	httpx.Register(api, httpx.Op{
		ID: "refresh-tokens", Method: http.MethodPost, Path: "/auth/refresh", Summary: "New tokens for a refresh token, which is used up",
		Permission: access.Public, Tags: tags, Rate: loginRate, Errors: []int{http.StatusUnauthorized},
	}, a.refresh)
	httpx.Register(api, httpx.Op{
		ID: "logout", Method: http.MethodPost, Path: "/auth/logout", Summary: "End this device's session",
		Permission: access.Customer, Tags: tags,
	}, a.logout)
}

type wechatLoginInput struct {
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"128" doc:"Of wx.login; works once, for five minutes"`
	}
}

type tokensBody struct {
	AccessToken  string          `json:"access_token" doc:"Send it as Authorization: Bearer"`
	ExpiresAt    time.Time       `json:"expires_at" doc:"Of the access token"`
	RefreshToken string          `json:"refresh_token" doc:"Works once: each refresh gives a new one"`
	Customer     base.CustomerID `json:"customer_id,omitempty"`
	New          bool            `json:"new" doc:"This is the customer's first log-in"`
}

type tokensOutput struct{ Body tokensBody }

func (a *API) login(ctx context.Context, in *wechatLoginInput) (*tokensOutput, error) {
	c, created, err := a.Flow.Login(ctx, in.Body.Code)
	if err != nil {
		return nil, err
	}
	t, err := a.Customers.IssueTokens(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	return &tokensOutput{tokensBody{t.Access, t.AccessExpires, t.Refresh, c.ID, created}}, nil
}

type refreshInput struct {
	Body struct {
		RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"256"`
	}
}

func (a *API) refresh(ctx context.Context, in *refreshInput) (*tokensOutput, error) {
	t, err := a.Customers.Refresh(ctx, in.Body.RefreshToken)
	if err != nil {
		return nil, err
	}
	return &tokensOutput{tokensBody{AccessToken: t.Access, ExpiresAt: t.AccessExpires, RefreshToken: t.Refresh}}, nil
}

func (a *API) logout(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, a.Customers.Logout(ctx, httpx.PrincipalOf(ctx).Session)
}
