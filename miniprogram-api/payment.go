package miniprogramapi

import (
	"context"
	"net/http"

	"fenxiao/server/access"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/wechat"
)

func (a *API) registerPayment(api *httpx.API) {
	tags := []string{"orders"}
	httpx.Register(api, httpx.Op{
		ID: "pay-my-order", Method: http.MethodPost, Path: "/orders/{id}/pay", Summary: "What wx.requestPayment needs",
		Description: "However often it is asked, an order has one payable number. Success of wx.requestPayment proves nothing: confirm afterwards.",
		Permission:  access.Customer, Tags: tags, Idempotent: true, Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable},
	}, a.payOrder)
	httpx.Register(api, httpx.Op{
		ID: "confirm-my-payment", Method: http.MethodPost, Path: "/orders/{id}/confirm-payment", Summary: "Ask WeChat whether the order is paid",
		Description: "Call it when the customer is back from paying. Waits up to two seconds; confirming means: ask again.",
		Permission:  access.Customer, Tags: tags, Errors: []int{http.StatusNotFound},
	}, a.confirmPayment)
}

type payOutput struct{ Body wechat.PayParams }

func (a *API) payOrder(ctx context.Context, in *orderPath) (*payOutput, error) {
	p, err := a.Flow.PayParams(ctx, flow.PayInput{Order: in.ID, Customer: httpx.PrincipalOf(ctx).Customer})
	if err != nil {
		return nil, err
	}
	return &payOutput{p}, nil
}

type confirmOutput struct {
	Body struct {
		State      string `json:"state" enum:"created,paid,completed,cancelled"`
		Confirming bool   `json:"confirming" doc:"WeChat's word is not in yet: ask again in a moment"`
	}
}

func (a *API) confirmPayment(ctx context.Context, in *orderPath) (*confirmOutput, error) {
	c, err := a.Flow.ConfirmPayment(ctx, flow.PayInput{Order: in.ID, Customer: httpx.PrincipalOf(ctx).Customer})
	if err != nil {
		return nil, err
	}
	var out confirmOutput
	out.Body.State, out.Body.Confirming = string(c.Order.State), c.Confirming
	return &out, nil
}
