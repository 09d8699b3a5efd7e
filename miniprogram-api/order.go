package miniprogramapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/base/region"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
)

func (a *API) registerOrder(api *httpx.API) {
	tags := []string{"orders"}
	conflict := []int{http.StatusConflict}
	httpx.Register(api, httpx.Op{
		ID: "quote-order", Method: http.MethodPost, Path: "/quotes", Summary: "What a basket costs now, explained; nothing is stored",
		Permission: access.Customer, Tags: tags, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, a.quote)
	httpx.Register(api, httpx.Op{
		ID: "place-order", Method: http.MethodPost, Path: "/orders", Summary: "Place an order",
		Description: "expected_total_fen is what the customer saw; another price is refused with the new total in params.total_fen. Stock is reserved until the order is paid or closed.",
		Permission:  access.Customer, Tags: tags, Idempotent: true, Status: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, a.placeOrder)
	httpx.Register(api, httpx.Op{ID: "list-my-orders", Method: http.MethodGet, Path: "/orders", Summary: "My orders, newest first", Permission: access.Customer, Tags: tags}, a.listOrders)
	httpx.Register(api, httpx.Op{
		ID: "get-my-order", Method: http.MethodGet, Path: "/orders/{id}", Summary: "One of my orders, with its price explained",
		Permission: access.Customer, Tags: tags, Errors: []int{http.StatusNotFound},
	}, a.getOrder)
	httpx.Register(api, httpx.Op{
		ID: "cancel-my-order", Method: http.MethodPost, Path: "/orders/{id}/cancel", Summary: "Cancel an order that is not paid",
		Permission: access.Customer, Tags: tags, Idempotent: true, Errors: append(conflict, http.StatusNotFound),
	}, a.cancelOrder)
	httpx.Register(api, httpx.Op{
		ID: "receive-my-order", Method: http.MethodPost, Path: "/orders/{id}/receive", Summary: "Say that a parcel, or all that was sent, has arrived",
		Permission: access.Customer, Tags: tags, Idempotent: true, Errors: append(conflict, http.StatusNotFound),
	}, a.receiveOrder)
}

type basketItem struct {
	SKU base.SKUID `json:"sku_id"`
	Qty int64      `json:"qty" minimum:"1" maximum:"999"`
}

func basketOf(items []basketItem) []flow.BasketItem {
	out := make([]flow.BasketItem, len(items))
	for i, it := range items {
		out[i] = flow.BasketItem{SKU: it.SKU, Qty: it.Qty}
	}
	return out
}

type quoteInput struct {
	Body struct {
		Items    []basketItem `json:"items" minItems:"1" maxItems:"50"`
		Delivery string       `json:"delivery,omitempty" enum:"courier,pickup" default:"courier"`
	}
}

type quoteLine struct {
	SKU      base.SKUID `json:"sku_id"`
	Name     string     `json:"name"`
	Qty      int64      `json:"qty"`
	Price    money.Fen  `json:"price_fen" doc:"Of one"`
	Gross    money.Fen  `json:"gross_fen"`
	Discount money.Fen  `json:"discount_fen" doc:"Its part of the order's discounts"`
	Net      money.Fen  `json:"net_fen" doc:"What is paid for it"`
}

type quoteOutput struct {
	Body struct {
		Lines    []quoteLine `json:"lines"`
		Goods    money.Fen   `json:"goods_fen"`
		Discount money.Fen   `json:"discount_fen"`
		Freight  money.Fen   `json:"freight_fen"`
		Total    money.Fen   `json:"total_fen"`
		Why      []string    `json:"why" doc:"How it was computed, in words"`
	}
}

func (a *API) quote(ctx context.Context, in *quoteInput) (*quoteOutput, error) {
	q, err := a.Flow.Quote(ctx, flow.QuoteInput{
		Customer: httpx.PrincipalOf(ctx).Customer, Items: basketOf(in.Body.Items), Delivery: order.Delivery(in.Body.Delivery),
	})
	if err != nil {
		return nil, withinReach(err)
	}
	var out quoteOutput
	for i, item := range q.Items {
		l := q.Priced.Lines[i]
		out.Body.Lines = append(out.Body.Lines, quoteLine{item.SKU.ID, item.Title(), q.Qty[i], item.SKU.Price, l.Gross, l.Discount, l.Net})
	}
	p := q.Priced
	out.Body.Goods, out.Body.Discount, out.Body.Freight, out.Body.Total = p.Goods, p.Discount, p.Freight, p.Total
	out.Body.Why = sentences(ctx, p.Why)
	return &out, nil
}

func sentences(ctx context.Context, why []order.Sentence) []string {
	out := make([]string, len(why))
	for i, s := range why {
		out[i] = inLanguage(ctx, s.ZH, s.EN)
	}
	return out
}

type addressBody struct {
	Name   string      `json:"name" minLength:"1" maxLength:"40"`
	Phone  string      `json:"phone" minLength:"1" maxLength:"20"`
	Region region.Code `json:"region_code" minimum:"110000" maximum:"999999" doc:"GB/T 2260, of the district; for pick-up of the point"`
	Detail string      `json:"detail,omitempty" maxLength:"200" doc:"Street and door; may be empty for pick-up"`
}

type placeOrderInput struct {
	Body struct {
		Items    []basketItem `json:"items" minItems:"1" maxItems:"50"`
		Delivery string       `json:"delivery,omitempty" enum:"courier,pickup" default:"courier"`
		Address  addressBody  `json:"address"`
		Remark   string       `json:"remark,omitempty" maxLength:"200"`
		Expected money.Fen    `json:"expected_total_fen" minimum:"0" maximum:"1000000000000"`
	}
}

func (a *API) placeOrder(ctx context.Context, in *placeOrderInput) (*orderOutput, error) {
	b := in.Body
	d, err := a.Flow.Checkout(ctx, flow.CheckoutInput{
		ID: base.OrderID(httpx.OpID(ctx)), Customer: httpx.PrincipalOf(ctx).Customer, Items: basketOf(b.Items), Delivery: order.Delivery(b.Delivery),
		Region: b.Address.Region, Address: flow.Address{Name: b.Address.Name, Phone: b.Address.Phone, Detail: b.Address.Detail},
		Remark: b.Remark, ExpectedTotal: b.Expected,
	})
	return a.orderOut(ctx, d, withinReach(err))
}

var errTooMuch = errs.E(errs.Invalid, "order.too_much", "订单金额过大，请分成几单下单", errs.EN("The order's total is too high. Split it into several orders."))

// withinReach tells a basket whose total is beyond every bound as what it is: a wrong basket.
func withinReach(err error) error {
	if errors.Is(err, money.ErrRange) {
		return errTooMuch
	}
	return err
}

type orderLineBody struct {
	ID          base.LineID    `json:"id"`
	Product     base.ProductID `json:"product_id"`
	SKU         base.SKUID     `json:"sku_id"`
	Name        string         `json:"name"`
	Qty         int64          `json:"qty"`
	Price       money.Fen      `json:"price_fen" doc:"Of one"`
	Discount    money.Fen      `json:"discount_fen"`
	Net         money.Fen      `json:"net_fen" doc:"What is paid for it"`
	ReceivedQty int64          `json:"received_qty"`
	Refunded    money.Fen      `json:"refunded_fen"`
	RefundedQty int64          `json:"refunded_qty"`
	RefundUntil *time.Time     `json:"refund_until,omitempty" doc:"End of after-sale; absent: not received yet"`
}

type parcelBody struct {
	ID         base.FulfilmentID `json:"id"`
	State      string            `json:"state" enum:"allocated,shipped,received"`
	Carrier    string            `json:"carrier"`
	TrackingNo string            `json:"tracking_no"`
	ShippedAt  *time.Time        `json:"shipped_at,omitempty"`
	ReceivedAt *time.Time        `json:"received_at,omitempty"`
	AutoAt     *time.Time        `json:"auto_receive_at,omitempty" doc:"It counts as received then"`
	Lines      []parcelLine      `json:"lines"`
}

type parcelLine struct {
	Line base.LineID `json:"line_id"`
	Qty  int64       `json:"qty"`
}

// OrderBody is an order as its customer sees it.
type OrderBody struct {
	ID           base.OrderID    `json:"id"`
	State        string          `json:"state" enum:"created,paid,completed,cancelled"`
	Shipped      string          `json:"shipped" enum:"none,part,all"`
	Received     string          `json:"received" enum:"none,part,all"`
	Goods        money.Fen       `json:"goods_fen"`
	Discount     money.Fen       `json:"discount_fen"`
	Freight      money.Fen       `json:"freight_fen"`
	Total        money.Fen       `json:"total_fen"`
	Refunded     money.Fen       `json:"refunded_fen"`
	Delivery     string          `json:"delivery" enum:"courier,pickup"`
	Remark       string          `json:"remark"`
	Lines        []orderLineBody `json:"lines"`
	Parcels      []parcelBody    `json:"parcels"`
	CreatedAt    time.Time       `json:"created_at"`
	ExpiresAt    *time.Time      `json:"expires_at,omitempty" doc:"Pay until then; only while created"`
	PaidAt       *time.Time      `json:"paid_at,omitempty"`
	CompletedAt  *time.Time      `json:"completed_at,omitempty"`
	CancelledAt  *time.Time      `json:"cancelled_at,omitempty"`
	CancelReason string          `json:"cancel_reason"`
}

func showOrder(d order.Detail) OrderBody {
	o := d.Order
	b := OrderBody{
		ID: o.ID, State: string(o.State), Shipped: string(order.ShippedState(d.Fulfilments)), Received: string(order.ReceivedState(d.Fulfilments)),
		Goods: o.Goods, Discount: o.Discount, Freight: o.Freight, Total: o.Total, Refunded: o.Refunded, Delivery: string(o.Delivery), Remark: o.Remark,
		CreatedAt: base.Time(o.CreatedMs), PaidAt: httpx.Time(o.PaidMs), CompletedAt: httpx.Time(o.CompletedMs), CancelledAt: httpx.Time(o.CancelledMs),
		CancelReason: o.CancelReason,
	}
	if o.State == order.Created {
		b.ExpiresAt, b.CancelReason = httpx.Time(o.ExpiresMs), ""
	}
	for _, l := range d.Lines {
		line := orderLineBody{
			ID: l.ID, Product: l.Product, SKU: l.SKU, Name: l.Name, Qty: l.Qty, Price: l.Price, Discount: l.Discount, Net: l.Net,
			ReceivedQty: l.ReceivedQty, Refunded: l.Refunded, RefundedQty: l.RefundedQty,
		}
		if l.ReceivedMs != 0 {
			end := l.AftersaleEnd()
			line.RefundUntil = &end
		}
		b.Lines = append(b.Lines, line)
	}
	for _, f := range d.Fulfilments {
		p := parcelBody{
			ID: f.ID, State: string(f.State), Carrier: f.Carrier, TrackingNo: f.TrackingNo, ShippedAt: httpx.Time(f.ShippedMs),
			ReceivedAt: httpx.Time(f.ReceivedMs),
		}
		if f.State == order.Shipped {
			p.AutoAt = httpx.Time(f.DueMs)
		}
		for _, l := range f.Lines {
			p.Lines = append(p.Lines, parcelLine{l.Line, l.Qty})
		}
		b.Parcels = append(b.Parcels, p)
	}
	return b
}

type orderOutput struct {
	Body struct {
		OrderBody
		Address    addressBody   `json:"address"`
		RegionName string        `json:"region_name"`
		Refunds    []refundBody  `json:"refunds"`
		Timeline   []orderMoment `json:"timeline" doc:"Oldest first"`
		Why        []string      `json:"why" doc:"How the price was computed, in words"`
	}
}

func (a *API) orderOut(ctx context.Context, d order.Detail, err error) (*orderOutput, error) {
	if err != nil {
		return nil, err
	}
	address, err := a.Flow.AddressOf(d.Order)
	if err != nil {
		return nil, err
	}
	priced, err := order.Explain(d.Order, d.Lines)
	if err != nil {
		return nil, err
	}
	var out orderOutput
	out.Body.OrderBody = showOrder(d)
	out.Body.Address = addressBody{address.Name, address.Phone, d.Order.Region, address.Detail}
	out.Body.RegionName, out.Body.Why = d.Order.Region.FullName(), sentences(ctx, priced.Why)
	out.Body.Timeline = orderTimeline(ctx, d)
	for _, r := range d.Refunds {
		out.Body.Refunds = append(out.Body.Refunds, showRefund(r))
	}
	return &out, nil
}

type listOrdersInput struct {
	httpx.FeedInput
	State string `query:"state" enum:"created,paid,completed,cancelled" doc:"Left out: all"`
}

type orderFeed struct{ Body httpx.Feed[OrderBody] }

func (a *API) listOrders(ctx context.Context, in *listOrdersInput) (*orderFeed, error) {
	at, err := httpx.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	q := a.Flow.DB.Q()
	orders, err := order.Mine(ctx, q, order.Filter{
		Customer: httpx.PrincipalOf(ctx).Customer, State: order.State(in.State), Before: base.OrderID(at.ID), Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	rows, err := order.LoadAll(ctx, q, orders)
	if err != nil {
		return nil, err
	}
	return &orderFeed{httpx.NewFeed(rows, in.Limit, func(d order.Detail) httpx.Cursor { return httpx.Cursor{ID: int64(d.Order.ID)} }, showOrder)}, nil
}

type orderPath struct {
	ID base.OrderID `path:"id"`
}

func (a *API) getOrder(ctx context.Context, in *orderPath) (*orderOutput, error) {
	d, err := a.Flow.OrderOf(ctx, httpx.PrincipalOf(ctx).Customer, in.ID)
	return a.orderOut(ctx, d, err)
}

type cancelOrderInput struct {
	ID   base.OrderID `path:"id"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200"`
	}
}

func (a *API) cancelOrder(ctx context.Context, in *cancelOrderInput) (*orderOutput, error) {
	p := httpx.PrincipalOf(ctx)
	_, err := a.Flow.CancelOrder(ctx, flow.CancelInput{Order: in.ID, Customer: p.Customer, By: p.Actor, Reason: in.Body.Reason})
	if err != nil {
		return nil, err
	}
	return a.getOrder(ctx, &orderPath{in.ID})
}

type receiveOrderInput struct {
	ID   base.OrderID `path:"id"`
	Body struct {
		Parcel base.FulfilmentID `json:"parcel_id,omitempty" doc:"Left out: all that was sent"`
	}
}

func (a *API) receiveOrder(ctx context.Context, in *receiveOrderInput) (*orderOutput, error) {
	p := httpx.PrincipalOf(ctx)
	d, err := a.Flow.Receive(ctx, flow.ReceiveInput{Order: in.ID, Customer: p.Customer, Parcel: in.Body.Parcel, By: p.Actor})
	return a.orderOut(ctx, d, err)
}
