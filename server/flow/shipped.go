package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/crm"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/domain/order"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/store/outbox"
	"fenxiao/server/wechat"
)

// ShippingKind is the outbox's kind of shipping information for WeChat.
const ShippingKind = "shipping"

// shippingWait is how long WeChat may take to know a payment for shipping; an upload before is refused.
const shippingWait = 10 * time.Second

// ErrParcels says that an order goes in more parcels than WeChat takes.
var ErrParcels = errs.E(errs.Conflict, "order.too_many_parcels", "一个订单最多分 15 个包裹发货", errs.EN("An order goes in 15 parcels at most."))

// ShipInput is a parcel that was sent.
type ShipInput struct {
	ID         base.FulfilmentID // minted by the caller, who keeps it for every retry
	Order      base.OrderID
	Carrier    string
	TrackingNo string
	Lines      []order.FulfilmentLine // quantities; none: all that is left
	By         base.Actor
}

// Ship records a parcel: its quantities leave the stock, and WeChat is told. An order may go in several parcels. With
// the id of a parcel that is there it returns the order as it is.
func (f *Flow) Ship(ctx context.Context, in ShipInput) (order.Detail, error) {
	var d order.Detail
	err := f.DB.InTx(ctx, "flow.ship", func(ctx context.Context, tx *store.Tx) error {
		o, err := order.Lock(ctx, tx, in.Order)
		if err != nil {
			return err
		}
		there, is, err := order.FulfilmentByID(ctx, tx, in.ID)
		if err == nil && is && there.Order != in.Order {
			err = order.ErrNotFound
		}
		if err == nil && !is {
			err = ship(ctx, tx, o, in)
		}
		if err == nil {
			d, err = order.Load(ctx, tx, in.Order)
		}
		return err
	})
	return d, err
}

func ship(ctx context.Context, tx *store.Tx, o order.Order, in ShipInput) error {
	if o.State != order.Paid {
		return order.ErrNotPaid
	}
	policy, _, err := order.CurrentPolicy(ctx, tx, tx.Now())
	if err != nil {
		return err
	}
	parcel := order.Parcel{
		ID: in.ID, Order: in.Order, Carrier: in.Carrier, TrackingNo: in.TrackingNo, Lines: in.Lines, By: in.By,
		DueMs: base.Ms(tx.Now().Add(policy.ReceiveAfter(o.Delivery))),
	}
	if o.Delivery == order.PickUp {
		parcel.Lines = nil // WeChat takes a pick-up as one
	}
	if err := parcel.Check(o.Delivery); err != nil {
		return err
	}
	parcels, err := order.Fulfilments(ctx, tx, in.Order)
	if err != nil {
		return err
	}
	if len(parcels) > wechat.ParcelsMax {
		return ErrParcels
	}
	sent, err := order.Ship(ctx, tx, parcel, parcels)
	if err != nil {
		return err
	}
	if err := settleParcel(ctx, tx, o, sent, in.By); err != nil {
		return err
	}
	return commitStock(ctx, tx, sent, in.By)
}

// settleParcel refuses goods that a refund was asked for, and writes down that WeChat has to be told.
func settleParcel(ctx context.Context, tx *store.Tx, o order.Order, sent order.Fulfilment, by base.Actor) error {
	lines := make([]base.LineID, len(sent.Lines))
	for i, l := range sent.Lines {
		lines[i] = l.Line
	}
	disputed, err := order.Disputed(ctx, tx, lines)
	if err == nil && disputed {
		err = order.ErrLineDisputed
	}
	if err != nil {
		return err
	}
	if err := tellShipping(ctx, tx, o, sent.ID.String()); err != nil {
		return err
	}
	return auditlog.Write(ctx, tx, auditlog.Entry{
		ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: by, Action: "order.ship", Object: o.ID.String(),
		After: map[string]any{"parcel": sent.ID.String(), "carrier": sent.Carrier, "tracking_no": sent.TrackingNo},
	})
}

// tellShipping puts an upload of an order's shipping into the outbox. An order of 0.00 is not known to WeChat.
func tellShipping(ctx context.Context, tx *store.Tx, o order.Order, ref string) error {
	if o.Total == 0 {
		return nil
	}
	body, err := json.Marshal(o.ID)
	if err != nil {
		return err
	}
	due := max(tx.NowMs(), base.Ms(base.Time(o.PaidMs).Add(shippingWait)))
	return outbox.Add(ctx, tx, outbox.Item{ID: tx.NextID(), Kind: ShippingKind, Ref: ref, Body: string(body), DueMs: due})
}

func commitStock(ctx context.Context, tx *store.Tx, sent order.Fulfilment, by base.Actor) error {
	lines, err := order.Lines(ctx, tx, sent.Order)
	if err != nil {
		return err
	}
	m := inventory.Move{Kind: inventory.Commit, Ref: sent.ID.String(), Warehouse: inventory.WarehouseID(sent.Warehouse), Actor: by}
	for _, l := range lines {
		for _, s := range sent.Lines {
			if s.Line == l.ID {
				m.Items = append(m.Items, inventory.Item{SKU: l.SKU, Qty: s.Qty})
			}
		}
	}
	return inventory.Book(ctx, tx, m)
}

// SendShipping is the outbox's sender of shipping information: it uploads all parcels of an order sent so far. What
// WeChat knows already is not sent again, because after the last parcel it takes one correction only.
func (f *Flow) SendShipping(ctx context.Context, it outbox.Item) error {
	var id base.OrderID
	if err := json.Unmarshal([]byte(it.Body), &id); err != nil {
		return outbox.GiveUp(fmt.Errorf("read shipping item: %w", err))
	}
	d, err := order.Load(ctx, f.DB.Q(), id)
	if err != nil {
		return err
	}
	upload := order.Upload(d.Fulfilments)
	payment, paid := d.Counting()
	if upload == "" || upload == d.Order.Uploaded || !paid {
		return nil
	}
	s, err := f.shipping(d, payment)
	if err != nil {
		return outbox.GiveUp(err)
	}
	if err := f.Mini.UploadShipping(ctx, s); err != nil {
		if wechat.ClassOf(err) == wechat.Refused {
			f.Alarm("shipping.refused", fmt.Sprintf("order %s: %v", id, err))
			return outbox.GiveUp(err)
		}
		return err
	}
	return f.DB.InTx(ctx, "flow.shipping_uploaded", func(ctx context.Context, tx *store.Tx) error {
		return order.SetUploaded(ctx, tx, id, upload)
	})
}

func (f *Flow) shipping(d order.Detail, p order.Payment) (wechat.Shipping, error) {
	s := wechat.Shipping{
		TransactionID: p.Transaction(), OpenID: p.Payer, Logistics: wechat.Express, AllDelivered: true, At: f.DB.Clock.Now(),
	}
	a, err := f.AddressOf(d.Order)
	if err != nil {
		return s, err
	}
	for _, parcel := range d.Fulfilments {
		if parcel.State == order.Allocated {
			s.AllDelivered, s.Split = false, true
			continue
		}
		s.Parcels = append(s.Parcels, wechat.Parcel{
			TrackingNo: parcel.TrackingNo, Company: parcel.Carrier, Items: contents(d.Lines, parcel), ReceiverContactMasked: crm.MaskPhone(a.Phone),
		})
	}
	if d.Order.Delivery == order.PickUp && s.Parcels[0].TrackingNo == "" {
		s.Logistics, s.Parcels[0].ReceiverContactMasked = wechat.PickUp, ""
	}
	return s, s.Check()
}

// contents says what is in a parcel, in WeChat's length.
func contents(lines []order.Line, parcel order.Fulfilment) string {
	var parts []string
	for _, l := range lines {
		for _, p := range parcel.Lines {
			if p.Line == l.ID {
				parts = append(parts, fmt.Sprintf("%s×%d", l.Name, p.Qty))
			}
		}
	}
	text := []rune(strings.Join(parts, "，"))
	if len(text) > wechat.ItemsMaxRune {
		text = append(text[:wechat.ItemsMaxRune-1], '…')
	}
	return string(text)
}
