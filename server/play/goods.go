package play

import (
	"context"
	"fmt"
	"strings"

	"fenxiao/server/base/money"
)

// Product is a product with its SKUs, as the API shows it.
type Product struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	SKUs []SKU  `json:"skus"`
}

// SKU is one variant.
type SKU struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Price money.Fen `json:"price_fen"`
}

// NewSKU is a variant to enter. Cost −1 is not known.
type NewSKU struct {
	Name  string
	Price money.Fen
	Cost  money.Fen
	Stock int64
}

// EnterProduct enters a product, puts it on sale and receives its stock.
func (s *Shop) EnterProduct(ctx context.Context, name, category string, skus ...NewSKU) (p Product, err error) {
	entries := make([]map[string]any, len(skus))
	for i, k := range skus {
		entries[i] = map[string]any{"name": k.Name, "price_fen": k.Price}
		if k.Cost >= 0 {
			entries[i]["cost_fen"] = k.Cost
		}
	}
	in := map[string]any{"name": name, "category": category, "status": "on_sale", "skus": entries}
	if err := s.Owner.Post(ctx, "/api/admin/v1/products", in, &p); err != nil {
		return p, err
	}
	if len(p.SKUs) != len(skus) {
		return p, fmt.Errorf("entered %d SKUs, the shop has %d", len(skus), len(p.SKUs))
	}
	items := make([]map[string]any, len(skus))
	for i, k := range skus {
		items[i] = map[string]any{"sku_id": p.SKUs[i].ID, "qty": k.Stock}
	}
	return p, s.Owner.Post(ctx, "/api/admin/v1/stock/receipts", map[string]any{"document_no": "first-" + p.ID, "items": items}, nil)
}

// Item is a quantity of a SKU.
type Item struct {
	SKU string `json:"sku_id"`
	Qty int64  `json:"qty"`
}

// Address is where an order goes.
type Address struct {
	Region int    `json:"region_code"`
	Name   string `json:"name"`
	Phone  string `json:"phone"`
	Detail string `json:"detail"`
}

// Quote is what a basket costs.
type Quote struct {
	Goods    money.Fen `json:"goods_fen"`
	Discount money.Fen `json:"discount_fen"`
	Freight  money.Fen `json:"freight_fen"`
	Total    money.Fen `json:"total_fen"`
}

// Order is an order as its customer sees it.
type Order struct {
	ID       string    `json:"id"`
	State    string    `json:"state"`
	Total    money.Fen `json:"total_fen"`
	Refunded money.Fen `json:"refunded_fen"`
	Lines    []Line    `json:"lines"`
	Parcels  []Parcel  `json:"parcels"`
}

// Line is a line of an order.
type Line struct {
	ID       string    `json:"id"`
	SKU      string    `json:"sku_id"`
	Qty      int64     `json:"qty"`
	Discount money.Fen `json:"discount_fen"`
	Net      money.Fen `json:"net_fen"`
	Refunded money.Fen `json:"refunded_fen"`
}

// Parcel is a fulfilment of an order.
type Parcel struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// AskPrice asks what a basket would cost.
func AskPrice(ctx context.Context, p *Person, items ...Item) (q Quote, err error) {
	err = p.Post(ctx, "/api/v1/quotes", map[string]any{"items": items}, &q)
	return q, err
}

// PlaceOrder orders at the price that was quoted.
func PlaceOrder(ctx context.Context, p *Person, to Address, total money.Fen, items ...Item) (o Order, err error) {
	err = p.Post(ctx, "/api/v1/orders", map[string]any{"items": items, "address": to, "expected_total_fen": total}, &o)
	return o, err
}

// GetOrder reads one's own order.
func GetOrder(ctx context.Context, p *Person, id string) (o Order, err error) {
	err = p.Get(ctx, "/api/v1/orders/"+id, &o)
	return o, err
}

// PrepayID asks for what wx.requestPayment needs and returns the prepay id in it.
func PrepayID(ctx context.Context, p *Person, order string) (string, error) {
	var params struct {
		Package string `json:"package"`
	}
	if err := p.Post(ctx, "/api/v1/orders/"+order+"/pay", map[string]any{}, &params); err != nil {
		return "", err
	}
	id, ok := strings.CutPrefix(params.Package, "prepay_id=")
	if !ok {
		return "", fmt.Errorf("the payment parameters have no prepay id")
	}
	return id, nil
}

// PayOrder pays in WeChat and waits until the shop has taken the payment in.
func (s *Shop) PayOrder(ctx context.Context, p *Person, order string) error {
	prepay, err := PrepayID(ctx, p, order)
	if err != nil {
		return err
	}
	if err := s.WeChat.Pay(ctx, prepay); err != nil {
		return err
	}
	return AwaitOrder(ctx, p, order, "paid")
}

// AwaitOrder waits for a state of an order.
func AwaitOrder(ctx context.Context, p *Person, order, state string) error {
	return Await(ctx, func(ctx context.Context) (bool, error) {
		o, err := GetOrder(ctx, p, order)
		return o.State == state, err
	})
}

// ShipItem is a quantity of a line in a parcel.
type ShipItem struct {
	Line string `json:"line_id"`
	Qty  int64  `json:"qty"`
}

// Ship sends a parcel; without items all that is left goes.
func (s *Shop) Ship(ctx context.Context, order, trackingNo string, items ...ShipItem) error {
	in := map[string]any{"carrier": "ZTO", "tracking_no": trackingNo}
	if len(items) > 0 {
		in["lines"] = items
	}
	return s.Owner.Post(ctx, "/api/admin/v1/orders/"+order+"/ship", in, nil)
}

// Receive is the customer's word that a parcel has come; "" is all that was sent.
func Receive(ctx context.Context, p *Person, order, parcel string) error {
	in := map[string]any{}
	if parcel != "" {
		in["parcel_id"] = parcel
	}
	return p.Post(ctx, "/api/v1/orders/"+order+"/receive", in, nil)
}

// Refund is a refund as the shop sees it.
type Refund struct {
	ID     string    `json:"id"`
	State  string    `json:"state"`
	Amount money.Fen `json:"amount_fen"`
}

// RefundLine gives back quantities of a line, an amount of it as goodwill, or all that is left of it.
type RefundLine struct {
	Line   string    `json:"line_id"`
	All    bool      `json:"all,omitempty"`
	Qty    int64     `json:"qty,omitempty"`
	Amount money.Fen `json:"amount_fen,omitempty"`
}

// GiveBack issues a refund as the operator decides; WeChat still has to carry it out.
func (s *Shop) GiveBack(ctx context.Context, order, reason string, lines ...RefundLine) (r Refund, err error) {
	in := map[string]any{"reason": reason, "lines": lines}
	err = s.Owner.Post(ctx, "/api/admin/v1/orders/"+order+"/refunds", in, &r)
	return r, err
}

// Share is what somebody gets of a line.
type Share struct {
	Line        string    `json:"line_id"`
	Tier        string    `json:"tier"`
	Distributor string    `json:"distributor_id"`
	Base        money.Fen `json:"base_fen"`
	Amount      money.Fen `json:"amount_fen"`
}

// Shares lists what everybody gets of an order.
func (s *Shop) Shares(ctx context.Context, order string) ([]Share, error) {
	var list items[Share]
	err := s.Owner.Get(ctx, "/api/admin/v1/orders/"+order+"/shares", &list)
	return list.Items, err
}
