package adminapi

import (
	"context"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/base/region"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/view"
)

func (a *API) registerOrder(api *httpx.API) {
	tags := []string{"orders"}
	errors := []int{http.StatusNotFound, http.StatusConflict}
	httpx.Register(api, httpx.Op{ID: "list-orders", Method: http.MethodGet, Path: "/orders", Summary: "Orders, newest first", Permission: access.PermOrderRead, Tags: tags}, a.listOrders)
	httpx.Register(api, httpx.Op{
		ID: "get-order", Method: http.MethodGet, Path: "/orders/{id}", Summary: "One order: lines, payments, parcels, refunds, what happened when, and why it costs what it does",
		Permission: access.PermOrderRead, Tags: tags, Errors: []int{http.StatusNotFound},
	}, a.getOrder)
	httpx.Register(api, httpx.Op{
		ID: "get-order-address", Method: http.MethodGet, Path: "/orders/{id}/address", Summary: "The full address, for sending the goods; written to the audit log",
		Permission: access.PermOrderShip, Tags: tags, Errors: []int{http.StatusNotFound},
	}, a.getAddress)
	httpx.Register(api, httpx.Op{
		ID: "ship-order", Method: http.MethodPost, Path: "/orders/{id}/ship", Summary: "Send a parcel: all that is left, or some quantities",
		Description: "carrier is WeChat's code of the express company. WeChat is told by itself.",
		Permission:  access.PermOrderShip, Tags: tags, Idempotent: true, Errors: errors,
	}, a.shipOrder)
	httpx.Register(api, httpx.Op{
		ID: "cancel-order", Method: http.MethodPost, Path: "/orders/{id}/cancel", Summary: "Cancel an order that is not paid",
		Permission: access.PermOrderCancel, Tags: tags, Idempotent: true, Errors: errors,
	}, a.cancelOrder)
	httpx.Register(api, httpx.Op{ID: "get-order-policy", Method: http.MethodGet, Path: "/settings/orders", Summary: "How orders are priced, closed and received", Permission: access.PermSettingRead, Tags: tags}, a.getOrderPolicy)
	httpx.Register(api, httpx.Op{
		ID: "set-order-policy", Method: http.MethodPut, Path: "/settings/orders", Summary: "Change that, for orders from now on",
		Permission: access.PermSettingWrite, Tags: tags, Idempotent: true, Errors: []int{http.StatusConflict},
	}, a.setOrderPolicy)
}

// OrderBody is an order as operators see it in lists.
type OrderBody struct {
	ID          base.OrderID       `json:"id"`
	Customer    base.CustomerID    `json:"customer_id"`
	Seller      base.DistributorID `json:"seller_id" doc:"Who earns by promotion; empty: nobody"`
	Territory   base.DistributorID `json:"territory_id" doc:"Who earns by region; empty: nobody"`
	State       string             `json:"state" enum:"created,paid,completed,cancelled"`
	Shipped     string             `json:"shipped" enum:"none,part,all"`
	Received    string             `json:"received" enum:"none,part,all"`
	Goods       money.Fen          `json:"goods_fen"`
	Discount    money.Fen          `json:"discount_fen"`
	Freight     money.Fen          `json:"freight_fen"`
	Total       money.Fen          `json:"total_fen"`
	Refunded    money.Fen          `json:"refunded_fen" doc:"Approved, freight included"`
	Delivery    string             `json:"delivery" enum:"courier,pickup"`
	Region      region.Code        `json:"region_code"`
	RegionName  string             `json:"region_name"`
	Remark      string             `json:"remark"`
	Lines       []orderLine        `json:"lines"`
	CreatedAt   time.Time          `json:"created_at"`
	PaidAt      *time.Time         `json:"paid_at,omitempty"`
	CompletedAt *time.Time         `json:"completed_at,omitempty"`
	CancelledAt *time.Time         `json:"cancelled_at,omitempty"`
	Version     int                `json:"version"`
}

type orderLine struct {
	ID          base.LineID    `json:"id"`
	Product     base.ProductID `json:"product_id"`
	SKU         base.SKUID     `json:"sku_id"`
	Name        string         `json:"name"`
	Qty         int64          `json:"qty"`
	Price       money.Fen      `json:"price_fen" doc:"Of one"`
	Discount    money.Fen      `json:"discount_fen"`
	Net         money.Fen      `json:"net_fen" doc:"What is paid for it: the base of commissions"`
	Cost        money.Fen      `json:"cost_fen" doc:"Of the whole line; -1: not known"`
	ReceivedQty int64          `json:"received_qty"`
	ReceivedAt  *time.Time     `json:"received_at,omitempty" doc:"When nothing of it was on its way any more"`
	Refunded    money.Fen      `json:"refunded_fen"`
	RefundedQty int64          `json:"refunded_qty"`
}

func showOrder(d order.Detail, who view.Earners) OrderBody {
	o := d.Order
	b := OrderBody{
		ID: o.ID, Customer: o.Customer, Seller: who.Seller, Territory: who.Territory, State: string(o.State), Shipped: string(order.ShippedState(d.Fulfilments)),
		Received: string(order.ReceivedState(d.Fulfilments)), Goods: o.Goods, Discount: o.Discount, Freight: o.Freight, Total: o.Total,
		Refunded: o.Refunded, Delivery: string(o.Delivery), Region: o.Region, RegionName: o.Region.FullName(), Remark: o.Remark,
		CreatedAt: base.Time(o.CreatedMs), PaidAt: httpx.Time(o.PaidMs), CompletedAt: httpx.Time(o.CompletedMs),
		CancelledAt: httpx.Time(o.CancelledMs), Version: o.Version,
	}
	for _, l := range d.Lines {
		b.Lines = append(b.Lines, orderLine{
			l.ID, l.Product, l.SKU, l.Name, l.Qty, l.Price, l.Discount, l.Net, l.Cost, l.ReceivedQty, httpx.Time(l.ReceivedMs), l.Refunded, l.RefundedQty,
		})
	}
	return b
}

type listOrdersInput struct {
	State       string          `query:"state" enum:"created,paid,completed,cancelled" doc:"Left out: all"`
	Customer    base.CustomerID `query:"customer_id"`
	CreatedFrom time.Time       `query:"created_from"`
	CreatedTo   time.Time       `query:"created_to" doc:"Before this moment"`
	httpx.PageInput
}

type orderPage struct{ Body httpx.Page[OrderBody] }

func (a *API) listOrders(ctx context.Context, in *listOrdersInput) (*orderPage, error) {
	q := a.Flow.DB.Q()
	f := order.Filter{
		State: order.State(in.State), Customer: in.Customer, FromMs: base.Ms(in.CreatedFrom), UntilMs: base.Ms(in.CreatedTo),
		Offset: in.Offset(), Limit: in.PageSize,
	}
	total, err := order.Count(ctx, q, f)
	if err != nil {
		return nil, err
	}
	orders, err := order.List(ctx, q, f)
	if err != nil {
		return nil, err
	}
	rows, err := order.LoadAll(ctx, q, orders)
	if err != nil {
		return nil, err
	}
	ids := make([]base.OrderID, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	earn, err := view.EarnersOf(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	show := func(d order.Detail) OrderBody { return showOrder(d, earn[d.Order.ID]) }
	return &orderPage{httpx.NewPage(in.PageInput, int64(total), rows, show)}, nil
}

type orderPath struct {
	ID base.OrderID `path:"id"`
}

func (a *API) getOrder(ctx context.Context, in *orderPath) (*orderOutput, error) {
	d, err := order.Load(ctx, a.Flow.DB.Q(), in.ID)
	return a.orderOut(ctx, d, err)
}

type addressOutput struct {
	Body struct {
		Name       string      `json:"name"`
		Phone      string      `json:"phone"`
		Region     region.Code `json:"region_code"`
		RegionName string      `json:"region_name"`
		Detail     string      `json:"detail"`
	}
}

func (a *API) getAddress(ctx context.Context, in *orderPath) (*addressOutput, error) {
	address, o, err := a.Flow.RevealAddress(ctx, in.ID, httpx.PrincipalOf(ctx).Actor)
	if err != nil {
		return nil, err
	}
	var out addressOutput
	out.Body.Name, out.Body.Phone, out.Body.Detail = address.Name, address.Phone, address.Detail
	out.Body.Region, out.Body.RegionName = o.Region, o.Region.FullName()
	return &out, nil
}

type shipOrderInput struct {
	ID   base.OrderID `path:"id"`
	Body struct {
		Carrier    string       `json:"carrier,omitempty" maxLength:"32" doc:"WeChat's code; left out for pick-up"`
		TrackingNo string       `json:"tracking_no,omitempty" maxLength:"64"`
		Lines      []parcelLine `json:"lines,omitempty" maxItems:"50" doc:"Left out: all that is left"`
	}
}

func (a *API) shipOrder(ctx context.Context, in *shipOrderInput) (*orderOutput, error) {
	parcel := flow.ShipInput{
		ID: base.FulfilmentID(httpx.OpID(ctx)), Order: in.ID, Carrier: in.Body.Carrier, TrackingNo: in.Body.TrackingNo, By: httpx.PrincipalOf(ctx).Actor,
	}
	for _, l := range in.Body.Lines {
		parcel.Lines = append(parcel.Lines, order.FulfilmentLine{Line: l.Line, Qty: l.Qty})
	}
	d, err := a.Flow.Ship(ctx, parcel)
	return a.orderOut(ctx, d, err)
}

type cancelOrderInput struct {
	ID   base.OrderID `path:"id"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) cancelOrder(ctx context.Context, in *cancelOrderInput) (*orderOutput, error) {
	if _, err := a.Flow.CancelOrder(ctx, flow.CancelInput{Order: in.ID, By: httpx.PrincipalOf(ctx).Actor, Reason: in.Body.Reason}); err != nil {
		return nil, err
	}
	return a.getOrder(ctx, &orderPath{in.ID})
}

type orderPolicyOutput struct {
	Body struct {
		Policy  order.Policy `json:"policy"`
		Version int          `json:"version" doc:"0: the default"`
	}
}

func (a *API) getOrderPolicy(ctx context.Context, _ *struct{}) (*orderPolicyOutput, error) {
	var out orderPolicyOutput
	var err error
	out.Body.Policy, out.Body.Version, err = order.CurrentPolicy(ctx, a.Flow.DB.Q(), a.Flow.DB.Clock.Now())
	if err != nil {
		return nil, err
	}
	return &out, nil
}

type setOrderPolicyInput struct {
	Body struct {
		Policy order.Policy `json:"policy"`
		Reason string       `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) setOrderPolicy(ctx context.Context, in *setOrderPolicyInput) (*orderPolicyOutput, error) {
	if _, err := a.Flow.PutOrderPolicy(ctx, in.Body.Policy, httpx.PrincipalOf(ctx).Actor, in.Body.Reason); err != nil {
		return nil, err
	}
	return a.getOrderPolicy(ctx, nil)
}
