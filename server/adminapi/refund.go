package adminapi

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
	errors := []int{http.StatusNotFound, http.StatusConflict}
	httpx.Register(api, httpx.Op{ID: "list-refunds", Method: http.MethodGet, Path: "/refunds", Summary: "Refunds, newest first", Permission: access.PermRefundRead, Tags: tags}, a.listRefunds)
	httpx.Register(api, httpx.Op{ID: "get-refund", Method: http.MethodGet, Path: "/refunds/{id}", Summary: "One refund", Permission: access.PermRefundRead, Tags: tags, Errors: []int{http.StatusNotFound}}, a.getRefund)
	httpx.Register(api, httpx.Op{
		ID: "create-refund", Method: http.MethodPost, Path: "/orders/{id}/refunds", Summary: "Make a refund and approve it at once",
		Description: "Whole, by line, by quantity, by amount (of a line, or over the order), or freight. Never more than was paid. It is owed from then on, and sent by itself.",
		Permission:  access.PermRefundApprove, Tags: tags, Idempotent: true, Status: http.StatusCreated, Errors: errors,
	}, a.createRefund)
	httpx.Register(api, httpx.Op{
		ID: "approve-refund", Method: http.MethodPost, Path: "/refunds/{id}/approve", Summary: "Approve a customer's request",
		Permission: access.PermRefundApprove, Tags: tags, Idempotent: true, Errors: errors,
	}, a.approveRefund)
	httpx.Register(api, httpx.Op{
		ID: "reject-refund", Method: http.MethodPost, Path: "/refunds/{id}/reject", Summary: "Reject a customer's request, with a reason the customer reads",
		Permission: access.PermRefundApprove, Tags: tags, Idempotent: true, Errors: errors,
	}, a.rejectRefund)
	httpx.Register(api, httpx.Op{
		ID: "retry-refund", Method: http.MethodPost, Path: "/refunds/{id}/retry", Summary: "Send a refund that WeChat closed under a new number",
		Permission: access.PermRefundApprove, Tags: tags, Idempotent: true, Errors: errors,
	}, a.retryRefund)
}

type refundLine struct {
	Line      base.LineID `json:"line_id"`
	Qty       int64       `json:"qty" doc:"0: money only"`
	Unshipped int64       `json:"unshipped_qty" doc:"Of them, not sent when it was approved"`
	Amount    money.Fen   `json:"amount_fen"`
}

type refundBody struct {
	ID           base.RefundID  `json:"id"`
	Order        base.OrderID   `json:"order_id"`
	Payment      base.PaymentID `json:"payment_id"`
	Kind         string         `json:"kind" enum:"after_sale,goodwill,late_payment,adopted"`
	State        string         `json:"state" enum:"requested,approved,processing,done,rejected,withdrawn,abnormal,closed"`
	Amount       money.Fen      `json:"amount_fen" doc:"Freight included"`
	Freight      money.Fen      `json:"freight_fen"`
	GoodsBack    bool           `json:"goods_back"`
	Restocked    bool           `json:"restocked"`
	Reason       string         `json:"reason"`
	RejectReason string         `json:"reject_reason"`
	OutRefundNo  string         `json:"out_refund_no" doc:"Of the present attempt"`
	AttemptNo    int            `json:"attempt_no"`
	WeChatID     string         `json:"wechat_refund_id"`
	FailReason   string         `json:"fail_reason" doc:"What WeChat last said against it"`
	Lines        []refundLine   `json:"lines"`
	RequestedAt  time.Time      `json:"requested_at"`
	RequestedBy  string         `json:"requested_by"`
	DecidedAt    *time.Time     `json:"decided_at,omitempty"`
	DecidedBy    string         `json:"decided_by"`
	SentAt       *time.Time     `json:"sent_at,omitempty"`
	DoneAt       *time.Time     `json:"done_at,omitempty"`
}

func showRefund(r order.Refund) refundBody {
	b := refundBody{
		ID: r.ID, Order: r.Order, Payment: r.Payment, Kind: string(r.Kind), State: string(r.State), Amount: r.Amount, Freight: r.Freight,
		GoodsBack: r.GoodsBack == 1, Restocked: r.Restock == 1, Reason: r.Reason, RejectReason: r.RejectReason, OutRefundNo: r.Number(),
		AttemptNo: r.AttemptNo, WeChatID: r.WeChatID, FailReason: r.FailReason, RequestedAt: base.Time(r.RequestedMs), RequestedBy: r.RequestedBy,
		DecidedAt: httpx.Time(r.DecidedMs), DecidedBy: r.DecidedBy, SentAt: httpx.Time(r.SentMs), DoneAt: httpx.Time(r.DoneMs),
	}
	for _, l := range r.Lines {
		b.Lines = append(b.Lines, refundLine{l.Line, l.Qty, l.Unshipped, l.Amount})
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

type listRefundsInput struct {
	State string       `query:"state" enum:"requested,approved,processing,done,rejected,withdrawn,abnormal,closed" doc:"Left out: all"`
	Kind  string       `query:"kind" enum:"after_sale,goodwill,late_payment,adopted" doc:"Left out: all"`
	Order base.OrderID `query:"order_id"`
	httpx.PageInput
}

type refundPage struct{ Body httpx.Page[refundBody] }

func (a *API) listRefunds(ctx context.Context, in *listRefundsInput) (*refundPage, error) {
	q := a.Flow.DB.Q()
	f := order.RefundFilter{
		State: order.RefundState(in.State), Kind: order.RefundKind(in.Kind), Order: in.Order, Offset: in.Offset(), Limit: in.PageSize,
	}
	total, err := order.CountRefunds(ctx, q, f)
	if err != nil {
		return nil, err
	}
	rows, err := order.ListRefunds(ctx, q, f)
	if err != nil {
		return nil, err
	}
	return &refundPage{httpx.NewPage(in.PageInput, int64(total), rows, showRefund)}, nil
}

type refundPath struct {
	ID base.RefundID `path:"id"`
}

func (a *API) getRefund(ctx context.Context, in *refundPath) (*refundOutput, error) {
	return refundOut(order.RefundByID(ctx, a.Flow.DB.Q(), in.ID))
}

type askLine struct {
	Line   base.LineID `json:"line_id"`
	All    bool        `json:"all,omitempty" doc:"All that is left of the line"`
	Qty    int64       `json:"qty,omitempty" minimum:"0" maximum:"999"`
	Amount *money.Fen  `json:"amount_fen,omitempty" minimum:"0" maximum:"1000000000000" doc:"Left out: what the quantity is worth"`
}

type createRefundInput struct {
	ID   base.OrderID `path:"id"`
	Body struct {
		Kind      string    `json:"kind,omitempty" enum:"after_sale,goodwill" default:"after_sale"`
		Whole     bool      `json:"whole,omitempty" doc:"All that is left of the order, freight included"`
		Lines     []askLine `json:"lines,omitempty" maxItems:"50"`
		Amount    money.Fen `json:"amount_fen,omitempty" minimum:"0" maximum:"1000000000000" doc:"Over the lines, by what is left of each"`
		Freight   money.Fen `json:"freight_fen,omitempty" minimum:"0" maximum:"1000000000000"`
		GoodsBack bool      `json:"goods_back,omitempty" doc:"The goods are back"`
		Restock   bool      `json:"restock,omitempty" doc:"And fit for sale again"`
		Reason    string    `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) createRefund(ctx context.Context, in *createRefundInput) (*refundOutput, error) {
	b := in.Body
	ask := order.Ask{Whole: b.Whole, Amount: b.Amount, Freight: b.Freight}
	for _, l := range b.Lines {
		ask.Lines = append(ask.Lines, order.AskLine{Line: l.Line, All: l.All, Qty: l.Qty, Amount: l.Amount})
	}
	return refundOut(a.Flow.CreateRefund(ctx, flow.RefundIssue{
		ID: base.RefundID(httpx.OpID(ctx)), Order: in.ID, Kind: order.RefundKind(b.Kind), Ask: ask, GoodsBack: b.GoodsBack, Restock: b.Restock,
		Reason: b.Reason, By: httpx.PrincipalOf(ctx).Actor,
	}))
}

type approveRefundInput struct {
	ID   base.RefundID `path:"id"`
	Body struct {
		Restock bool `json:"restock,omitempty" doc:"The goods that came back are fit for sale again"`
	}
}

func (a *API) approveRefund(ctx context.Context, in *approveRefundInput) (*refundOutput, error) {
	return refundOut(a.Flow.ApproveRefund(ctx, flow.RefundDecision{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor, Restock: in.Body.Restock}))
}

type rejectRefundInput struct {
	ID   base.RefundID `path:"id"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) rejectRefund(ctx context.Context, in *rejectRefundInput) (*refundOutput, error) {
	return refundOut(a.Flow.RejectRefund(ctx, flow.RefundDecision{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason}))
}

func (a *API) retryRefund(ctx context.Context, in *refundPath) (*refundOutput, error) {
	return refundOut(a.Flow.RetryRefund(ctx, flow.RefundDecision{ID: in.ID, By: httpx.PrincipalOf(ctx).Actor}))
}
