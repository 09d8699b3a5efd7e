package miniprogramapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

func (a *API) registerRefund(api *httpx.API) {
	tags := []string{"refunds"}
	httpx.Register(api, httpx.Op{
		ID: "request-refund", Method: http.MethodPost, Path: "/orders/{id}/refunds", Summary: "Ask for money back: whole, by line, by quantity, by amount, or freight",
		Permission: access.Customer, Tags: tags, Idempotent: true, Status: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, a.requestRefund)
	httpx.Register(api, httpx.Op{ID: "list-my-refunds", Method: http.MethodGet, Path: "/refunds", Summary: "My refunds, newest first", Permission: access.Customer, Tags: tags}, a.listRefunds)
	httpx.Register(api, httpx.Op{ID: "get-my-refund", Method: http.MethodGet, Path: "/refunds/{id}", Summary: "One of my refunds", Permission: access.Customer, Tags: tags, Errors: []int{http.StatusNotFound}}, a.getRefund)
	httpx.Register(api, httpx.Op{
		ID: "withdraw-refund", Method: http.MethodPost, Path: "/refunds/{id}/withdraw", Summary: "Take a request back that nobody has decided about",
		Permission: access.Customer, Tags: tags, Idempotent: true, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, a.withdrawRefund)
}

type refundLineBody struct {
	Line   base.LineID `json:"line_id"`
	Qty    int64       `json:"qty" doc:"0: money only"`
	Amount money.Fen   `json:"amount_fen"`
}

type refundBody struct {
	ID           base.RefundID    `json:"id"`
	Order        base.OrderID     `json:"order_id"`
	Kind         string           `json:"kind" enum:"after_sale,goodwill,late_payment,adopted"`
	State        string           `json:"state" enum:"requested,approved,processing,done,rejected,withdrawn,abnormal,closed"`
	Amount       money.Fen        `json:"amount_fen" doc:"Freight included"`
	Freight      money.Fen        `json:"freight_fen"`
	GoodsBack    bool             `json:"goods_back"`
	Reason       string           `json:"reason"`
	RejectReason string           `json:"reject_reason"`
	Lines        []refundLineBody `json:"lines"`
	RequestedAt  time.Time        `json:"requested_at"`
	ApprovedAt   *time.Time       `json:"approved_at,omitempty"`
	DoneAt       *time.Time       `json:"done_at,omitempty"`
}

func showRefund(r order.Refund) refundBody {
	b := refundBody{
		ID: r.ID, Order: r.Order, Kind: string(r.Kind), State: string(r.State), Amount: r.Amount, Freight: r.Freight, GoodsBack: r.GoodsBack == 1,
		Reason: r.Reason, RejectReason: r.RejectReason, RequestedAt: base.Time(r.RequestedMs), ApprovedAt: httpx.Time(r.ApprovedMs), DoneAt: httpx.Time(r.DoneMs),
	}
	for _, l := range r.Lines {
		b.Lines = append(b.Lines, refundLineBody{l.Line, l.Qty, l.Amount})
	}
	return b
}

type refundOutput struct{ Body refundBody }

func refundOut(r order.Refund, err error) (*refundOutput, error) {
	if err != nil {
		return nil, err
	}
	return &refundOutput{showRefund(r)}, nil
}

type askLineBody struct {
	Line   base.LineID `json:"line_id"`
	All    bool        `json:"all,omitempty" doc:"All that is left of the line"`
	Qty    int64       `json:"qty,omitempty" minimum:"0" maximum:"999"`
	Amount *money.Fen  `json:"amount_fen,omitempty" minimum:"0" maximum:"1000000000000" doc:"Left out: what the quantity is worth"`
}

// AskFields say what is to be given back.
type AskFields struct {
	Whole   bool          `json:"whole,omitempty" doc:"All that is left of the order, freight included"`
	Lines   []askLineBody `json:"lines,omitempty" maxItems:"50"`
	Freight money.Fen     `json:"freight_fen,omitempty" minimum:"0" maximum:"1000000000000"`
}

func (b AskFields) ask() order.Ask {
	out := order.Ask{Whole: b.Whole, Freight: b.Freight}
	for _, l := range b.Lines {
		out.Lines = append(out.Lines, order.AskLine{Line: l.Line, All: l.All, Qty: l.Qty, Amount: l.Amount})
	}
	return out
}

type requestRefundInput struct {
	ID   base.OrderID `path:"id"`
	Body struct {
		AskFields
		GoodsBack bool   `json:"goods_back,omitempty" doc:"I send the goods back"`
		Reason    string `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) requestRefund(ctx context.Context, in *requestRefundInput) (*refundOutput, error) {
	return refundOut(a.Flow.RequestRefund(ctx, flow.RefundRequest{
		ID: base.RefundID(httpx.OpID(ctx)), Order: in.ID, Customer: httpx.PrincipalOf(ctx).Customer, Ask: in.Body.ask(),
		GoodsBack: in.Body.GoodsBack, Reason: in.Body.Reason,
	}))
}

type refundFeed struct{ Body httpx.Feed[refundBody] }

func (a *API) listRefunds(ctx context.Context, in *httpx.FeedInput) (*refundFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	rows, err := order.RefundsOfCustomer(ctx, a.Flow.DB.Q(), httpx.PrincipalOf(ctx).Customer, base.RefundID(at.ID), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &refundFeed{httpx.NewFeed(rows, in.Limit, func(r order.Refund) httpx.Cursor { return httpx.Cursor{ID: int64(r.ID)} }, showRefund)}, nil
}

type refundPath struct {
	ID base.RefundID `path:"id"`
}

func (a *API) getRefund(ctx context.Context, in *refundPath) (*refundOutput, error) {
	return refundOut(a.Flow.RefundOf(ctx, httpx.PrincipalOf(ctx).Customer, in.ID))
}

func (a *API) withdrawRefund(ctx context.Context, in *refundPath) (*refundOutput, error) {
	p := httpx.PrincipalOf(ctx)
	return refundOut(a.Flow.WithdrawRefund(ctx, flow.RefundDecision{ID: in.ID, Customer: p.Customer, By: p.Actor}))
}
