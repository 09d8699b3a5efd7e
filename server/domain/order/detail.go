package order

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

// Detail is an order with all that belongs to it.
type Detail struct {
	Order       Order
	Lines       []Line
	Payments    []Payment
	Fulfilments []Fulfilment
	Refunds     []Refund
}

// Counting is the payment that paid the order; false for none.
func (d Detail) Counting() (Payment, bool) {
	for _, p := range d.Payments {
		if p.Counts() {
			return p, true
		}
	}
	return Payment{}, false
}

// Load reads an order with all that belongs to it, or returns ErrNotFound.
func Load(ctx context.Context, q store.Q, id base.OrderID) (Detail, error) {
	list, err := LoadAll(ctx, q, nil, id)
	if err != nil {
		return Detail{}, err
	}
	d := list[0]
	if d.Payments, err = Payments(ctx, q, id); err != nil {
		return Detail{}, fmt.Errorf("read payments: %w", err)
	}
	d.Refunds, err = Refunds(ctx, q, id)
	return d, err
}

// LoadAll reads lines and parcels of some orders, in a few statements for all. The orders are given, or read by id.
func LoadAll(ctx context.Context, q store.Q, orders []Order, ids ...base.OrderID) ([]Detail, error) {
	for _, id := range ids {
		o, err := Get(ctx, q, id)
		if err != nil {
			return nil, err
		}
		orders = append(orders, o)
	}
	out, at, wanted := make([]Detail, len(orders)), map[base.OrderID]int{}, make([]base.OrderID, len(orders))
	for i, o := range orders {
		out[i].Order, at[o.ID], wanted[i] = o, i, o.ID
	}
	lines, err := Lines(ctx, q, wanted...)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		d := &out[at[l.Order]]
		d.Lines = append(d.Lines, l)
	}
	parcels, err := Fulfilments(ctx, q, wanted...)
	if err != nil {
		return nil, err
	}
	for _, f := range parcels {
		d := &out[at[f.Order]]
		d.Fulfilments = append(d.Fulfilments, f)
	}
	return out, nil
}

const uploadedSQL = `UPDATE shop_order SET shipping_uploaded = ? WHERE id = ?`

// Upload names what WeChat is told of an order's shipping: so many parcels, and whether more will follow. "" is nothing.
func Upload(parcels []Fulfilment) string {
	sent, more := 0, "all"
	for _, f := range parcels {
		switch f.State {
		case Shipped, Received:
			sent++
		case Allocated:
			more = "part"
		}
	}
	if sent == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", sent, more)
}

// SetUploaded keeps what WeChat was told.
func SetUploaded(ctx context.Context, tx *store.Tx, id base.OrderID, upload string) error {
	_, err := tx.Exec(ctx, uploadedSQL, upload, id)
	return err
}
