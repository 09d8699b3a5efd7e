package flow

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/order"
	"fenxiao/server/store"
)

// ReceiveInput says that goods have arrived.
type ReceiveInput struct {
	Order    base.OrderID
	Customer base.CustomerID   // whose order it must be; 0: any
	Parcel   base.FulfilmentID // 0: all that are on their way
	By       base.Actor
}

// Receive records that parcels have arrived. A line of which nothing is on its way any more starts its after-sale
// window, after which its commissions may ripen; an order of which nothing is, is completed. What was received before
// stays as it is.
func (f *Flow) Receive(ctx context.Context, in ReceiveInput) (order.Detail, error) {
	var d order.Detail
	err := f.DB.InTx(ctx, "flow.receive", func(ctx context.Context, tx *store.Tx) error {
		o, err := order.Lock(ctx, tx, in.Order)
		if err == nil && in.Customer != 0 && o.Customer != in.Customer {
			err = order.ErrNotFound
		}
		if err == nil {
			err = receive(ctx, tx, o, in)
		}
		if err == nil {
			d, err = order.Load(ctx, tx, in.Order)
		}
		return err
	})
	return d, err
}

func receive(ctx context.Context, tx *store.Tx, o order.Order, in ReceiveInput) error {
	parcels, err := order.Fulfilments(ctx, tx, o.ID)
	if err != nil {
		return err
	}
	var arriving []order.Fulfilment
	known := false
	for _, p := range parcels {
		if in.Parcel != 0 && p.ID != in.Parcel {
			continue
		}
		known = known || p.State == order.Received
		if p.State == order.Shipped {
			arriving = append(arriving, p)
		}
	}
	if len(arriving) == 0 {
		if known {
			return nil // again
		}
		return order.ErrNothingToReceive
	}
	if err := order.Receive(ctx, tx, arriving, in.By); err != nil {
		return err
	}
	return arrive(ctx, tx, o)
}

// arrive follows up a change of what is on its way: lines that wait for nothing more start their after-sale window, an
// order that does is completed. The caller has locked the order.
func arrive(ctx context.Context, tx *store.Tx, o order.Order) error {
	if o.State != order.Paid {
		return nil
	}
	lines, err := order.Lines(ctx, tx, o.ID)
	if err != nil {
		return err
	}
	parcels, err := order.Fulfilments(ctx, tx, o.ID)
	if err != nil {
		return err
	}
	fresh, all, err := order.Arrived(ctx, tx, lines, parcels)
	if err != nil {
		return err
	}
	due := make([]commission.LineDue, len(fresh))
	for i, l := range fresh {
		due[i] = commission.LineDue{Line: l.ID, DueMs: base.Ms(l.AftersaleEnd())}
	}
	if err := commission.Received(ctx, tx, due); err != nil {
		return err
	}
	if !all {
		return nil
	}
	return order.Complete(ctx, tx, o.ID)
}

// ReceiveDue receives parcels that were sent so long ago that they count as received, at most limit, and returns how
// many.
func (f *Flow) ReceiveDue(ctx context.Context, limit int) (done int, err error) {
	due, err := order.DueToReceive(ctx, f.DB.Q(), base.Ms(f.DB.Clock.Now()), limit)
	if err != nil {
		return 0, fmt.Errorf("find parcels to receive: %w", err)
	}
	return each(ctx, due, func(ctx context.Context, p order.Fulfilment) error {
		if _, err := f.Receive(ctx, ReceiveInput{Order: p.Order, Parcel: p.ID, By: base.System}); err != nil {
			return fmt.Errorf("receive parcel %s: %w", p.ID, err)
		}
		return nil
	})
}
