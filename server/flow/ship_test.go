package flow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/wechat"
)

func TestShip_TwoParcelsAndReceived(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.buys(3, 1)
		d = s.ships(d, 2)
		require.Equal(t, order.DeliveredPart, order.ShippedState(d.Fulfilments))
		st := s.stock(s.product.SKUs[0].ID)
		require.Equal(t, [2]int64{998, 1}, [2]int64{st.OnHand, st.Reserved})
		s.clock.Advance(time.Hour)
		s.sends()
		require.Len(t, s.wx.uploads, 1)
		up := s.wx.uploads[0]
		require.False(t, up.AllDelivered)
		require.Equal(t, "保温杯 款式1×2", up.Parcels[0].Items)
		require.Equal(t, "138****8000", up.Parcels[0].ReceiverContactMasked)

		d = s.receives(d) // the first parcel
		require.Zero(t, d.Lines[0].ReceivedMs, "one unit of it is still here")
		require.Equal(t, order.Paid, d.Order.State)
		d = s.ships(d)
		require.Len(t, d.Fulfilments, 2)
		s.clock.Advance(time.Hour)
		s.sends()
		require.Len(t, s.wx.uploads[1].Parcels, 2)
		require.True(t, s.wx.uploads[1].AllDelivered)
		require.True(t, s.wx.uploads[1].At.After(up.At))

		d = s.receives(d)
		require.Equal(t, order.Completed, d.Order.State)
		require.Equal(t, int64(3), d.Lines[0].ReceivedQty)
		due := base.Ms(s.clock.Now().Add(7 * 24 * time.Hour))
		require.Equal(t, 4, s.count(`SELECT COUNT(*) FROM commission WHERE order_id = ? AND due_ms = ?`, d.Order.ID, due))
		again := s.receives(d)
		require.Equal(t, d, again, "again changes nothing")
		s.audits()
	})
}

func TestShip_Refuses(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.buys(2)
		in := flow.ShipInput{ID: base.FulfilmentID(s.db.Mint.Next()), Order: d.Order.ID, Carrier: "SF", TrackingNo: "SF1", By: boss}
		ship := func(change func(*flow.ShipInput)) error {
			other := in
			other.ID = base.FulfilmentID(s.db.Mint.Next())
			change(&other)
			_, err := s.f.Ship(t.Context(), other)
			return err
		}
		line := d.Lines[0].ID
		require.ErrorIs(t, ship(func(in *flow.ShipInput) { in.Lines = []order.FulfilmentLine{{Line: line, Qty: 3}} }), order.ErrNothingToShip)
		require.ErrorIs(t, ship(func(in *flow.ShipInput) { in.Lines = []order.FulfilmentLine{{Line: line, Qty: -1}} }), order.ErrNothingToShip)
		require.ErrorIs(t, ship(func(in *flow.ShipInput) {
			in.Lines = []order.FulfilmentLine{{Line: line, Qty: 1}, {Line: line, Qty: 1}}
		}), order.ErrNothingToShip)
		require.ErrorIs(t, ship(func(in *flow.ShipInput) { in.TrackingNo = "" }), order.ErrParcel)
		require.ErrorIs(t, ship(func(in *flow.ShipInput) { in.Carrier = "顺丰" }), order.ErrParcel)
		require.ErrorIs(t, ship(func(in *flow.ShipInput) { in.Order = s.orders(1).Order.ID }), order.ErrNotPaid)
		require.ErrorIs(t, ship(func(in *flow.ShipInput) { in.Order = 1 }), order.ErrNotFound)

		r, err := s.f.RequestRefund(t.Context(), s.wish(d, order.Ask{Lines: []order.AskLine{{Line: line, Qty: 1}}}))
		require.NoError(t, err)
		require.ErrorIs(t, ship(func(*flow.ShipInput) {}), order.ErrLineDisputed)
		_, err = s.f.RejectRefund(t.Context(), flow.RefundDecision{ID: r.ID, By: boss, Reason: "已出库"})
		require.NoError(t, err)

		first, err := s.f.Ship(t.Context(), in)
		require.NoError(t, err)
		again, err := s.f.Ship(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, first, again, "the same parcel again")
		require.Equal(t, int64(998), s.stock(s.product.SKUs[0].ID).OnHand)
		require.ErrorIs(t, ship(func(*flow.ShipInput) {}), order.ErrNothingToShip)
		s.audits()
	})
}

func TestShip_SameUnitsTwiceAtOnce(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.buys(2)
		got := tally(atOnce(10, func(int) error {
			_, err := s.f.Ship(t.Context(), flow.ShipInput{ID: base.FulfilmentID(s.db.Mint.Next()), Order: d.Order.ID, Carrier: "ZTO", TrackingNo: "Z1", By: boss})
			return err
		}))
		require.Equal(t, map[string]int{"": 1, "order.nothing_to_ship": 9}, got)
		require.Equal(t, int64(998), s.stock(s.product.SKUs[0].ID).OnHand)
		s.audits()
	})
}

func TestShipping_WeChatKnowsTheOrderLater(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		tries := 0
		s.wx.shipping = func(wechat.Shipping) error {
			if tries++; tries <= 2 {
				return &wechat.Error{Op: wechat.OpUploadShipping, Class: wechat.Later, Code: "10060001"}
			}
			return nil
		}
		s.ships(s.buys(1))
		for range 4 {
			s.clock.Advance(time.Minute)
			s.sends()
		}
		require.Len(t, s.wx.uploads, 1)
		require.Equal(t, 3, tries)

		s.wx.shipping = func(wechat.Shipping) error {
			return &wechat.Error{Op: wechat.OpUploadShipping, Class: wechat.Refused, Code: "10060004"}
		}
		s.ships(s.buys(1))
		s.clock.Advance(time.Minute)
		s.sends()
		require.Contains(t, s.alarmed(), "shipping.refused")
	})
}

func TestShipping_RestRefundedIsToldAsTheLastParcel(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.ships(s.buys(2), 1)
		s.clock.Advance(time.Minute)
		s.sends()
		require.False(t, s.wx.uploads[0].AllDelivered)
		s.refunds(d, order.Ask{Lines: []order.AskLine{{Line: d.Lines[0].ID, Qty: 1}}})
		s.clock.Advance(time.Minute)
		s.sends()
		require.True(t, s.wx.uploads[1].AllDelivered, "else WeChat waits for ever and keeps the money")
		d = s.receives(d)
		require.Equal(t, order.Completed, d.Order.State)
		st := s.stock(s.product.SKUs[0].ID)
		require.Equal(t, [2]int64{999, 0}, [2]int64{st.OnHand, st.Reserved})
		s.audits()
	})
}

func TestReceiveDue(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		d := s.ships(s.buys(1))
		in := s.checkout(s.buyer, 1)
		in.Delivery, in.Address.Detail = order.PickUp, ""
		pick, err := s.f.Checkout(t.Context(), in)
		require.NoError(t, err)
		pick = s.pays(pick)
		pick, err = s.f.Ship(t.Context(), flow.ShipInput{ID: base.FulfilmentID(s.db.Mint.Next()), Order: pick.Order.ID, By: boss})
		require.NoError(t, err)
		s.clock.Advance(time.Minute)
		s.sends()
		require.Equal(t, wechat.PickUp, s.wx.uploads[len(s.wx.uploads)-1].Logistics)
		due := func(want int) {
			n, err := s.f.ReceiveDue(t.Context(), 10)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		due(0)
		s.clock.Advance(48 * time.Hour)
		due(1)
		require.Equal(t, order.Completed, s.look(pick.Order.ID).Order.State)
		s.clock.Advance(8 * 24 * time.Hour)
		due(1)
		require.Equal(t, order.Completed, s.look(d.Order.ID).Order.State)
		due(0)
		_, err = s.f.Receive(t.Context(), flow.ReceiveInput{Order: d.Order.ID, Customer: s.customer()})
		require.ErrorIs(t, err, order.ErrNotFound)
		_, err = s.f.Receive(t.Context(), flow.ReceiveInput{Order: s.buys(1).Order.ID})
		require.ErrorIs(t, err, order.ErrNothingToReceive)
		s.audits()
	})
}
