package flow_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
)

// The worked example of the business contract, through the real checkout: shares of 2,237 and 200.
func TestCheckout_FreezesWhoEarnsWhat(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.policy(func(p *order.Policy) { p.Reductions = []order.Reduction{{From: 30_000, Off: 2_000}} })
		in := s.checkout(s.buyer, 2, 1)
		require.Equal(t, money.Fen(28_000), in.ExpectedTotal)
		d, err := s.f.Checkout(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, order.Created, d.Order.State)
		require.Equal(t, money.Fen(18_648), d.Lines[0].Net)
		require.Equal(t, money.Fen(9_352), d.Lines[1].Net)
		require.Equal(t, s.clock.Now().Add(30*time.Minute), base.Time(d.Order.ExpiresMs))

		frozen, err := attribution.OfOrder(t.Context(), s.db.Q(), d.Order.ID)
		require.NoError(t, err)
		require.Equal(t, [2]base.DistributorID{s.seller.ID, s.partner.ID}, [2]base.DistributorID{frozen.Seller.ID, frozen.Territory.ID})
		require.Equal(t, attribution.ByBinding, frozen.Reason)
		require.Equal(t, base.Monthly, frozen.Territory.Cycle)
		require.Zero(t, frozen.Upline)
		shares := map[base.Tier]money.Fen{}
		list, err := commission.SharesOf(t.Context(), s.db.Q(), d.Order.ID)
		require.NoError(t, err)
		for _, sh := range list {
			if sh.Line == d.Lines[0].ID {
				shares[sh.Tier] = sh.Amount
			}
		}
		require.Equal(t, map[base.Tier]money.Fen{base.Seller: 2_237, base.Territory: 200}, shares)
		require.Equal(t, int64(2), s.stock(s.product.SKUs[0].ID).Reserved)
		require.Zero(t, s.pendingOf(s.seller.ID), "nothing is accrued before it is paid")

		again, err := s.f.Checkout(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, d, again, "a repeat under the same id is the same order")
		require.Equal(t, int64(2), s.stock(s.product.SKUs[0].ID).Reserved)
		in.Customer = s.customer()
		_, err = s.f.Checkout(t.Context(), in)
		require.ErrorIs(t, err, order.ErrNotFound, "somebody else's id")

		a, err := s.f.AddressOf(d.Order)
		require.NoError(t, err)
		require.Equal(t, "13800138000", a.Phone)
		require.NotContains(t, d.Order.AddressEnc, "13800138000")
		why, err := order.Explain(d.Order, d.Lines)
		require.NoError(t, err)
		require.Equal(t, "订单优惠「满 300.00 减 20.00」：20.00 元，按各商品金额比例分摊到分", why.Why[2].ZH)
		s.audits()
	})
}

func TestCheckout_Refuses(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		tests := []struct {
			name   string
			change func(*flow.CheckoutInput)
			want   string
		}{
			{"price not as seen", func(in *flow.CheckoutInput) { in.ExpectedTotal-- }, "order.price_changed"},
			{"nothing", func(in *flow.CheckoutInput) { in.Items = nil }, "order.basket_invalid"},
			{"no quantity", func(in *flow.CheckoutInput) { in.Items[0].Qty = 0 }, "order.basket_invalid"},
			{"too many in two parts", func(in *flow.CheckoutInput) {
				in.Items = []flow.BasketItem{{SKU: in.Items[0].SKU, Qty: 998}, {SKU: in.Items[0].SKU, Qty: 2}}
			}, "order.basket_invalid"},
			{"unknown SKU", func(in *flow.CheckoutInput) { in.Items[0].SKU = 1 }, "product.sku_not_found"},
			{"no way of delivery", func(in *flow.CheckoutInput) { in.Delivery = "drone" }, "order.basket_invalid"},
			{"unknown region", func(in *flow.CheckoutInput) { in.Region = 1 }, "order.address_invalid"},
			{"no name", func(in *flow.CheckoutInput) { in.Address.Name = " " }, "order.address_invalid"},
			{"no phone", func(in *flow.CheckoutInput) { in.Address.Phone = "123" }, "order.address_invalid"},
			{"long remark", func(in *flow.CheckoutInput) { in.Remark = string(make([]byte, 201)) }, "order.remark_invalid"},
			{"more than there is", func(in *flow.CheckoutInput) {
				in.Items = []flow.BasketItem{{SKU: s.product.SKUs[0].ID, Qty: 999}, {SKU: s.product.SKUs[1].ID, Qty: 999}}
				in.ExpectedTotal = 999 * (9_990 + 10_020)
				s.f.MoveStock(t.Context(), flow.StockInput{Ref: "C-1", Kind: "adjust", Reason: "盘点", Items: nil, By: boss})
			}, ""},
			{"then out of stock", func(in *flow.CheckoutInput) { in.Items[0].Qty, in.ExpectedTotal = 2, 2*9_990 }, "stock.insufficient"},
		}
		for _, tt := range tests {
			in := s.checkout(s.buyer, 1)
			tt.change(&in)
			_, err := s.f.Checkout(t.Context(), in)
			requireCode(t, tt.want, err)
		}
		require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM shop_order`))
		require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM order_attribution`), "a refused order leaves nothing")
		s.audits()
	})
}

func TestCheckout_PriceChangedSaysTheNewTotal(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		in := s.checkout(s.buyer, 1)
		e := catalog.Entry{Name: "保温杯", Status: catalog.OnSale, AftersaleDays: 7, SKUs: []catalog.SKUEntry{
			{ID: s.product.SKUs[0].ID, Name: "款式1", Price: 12_000, Cost: catalog.CostUnknown},
		}}
		_, err := s.f.UpdateProduct(t.Context(), catalog.Edit{ID: s.product.ID, Version: 1, Entry: e}, boss)
		require.NoError(t, err)
		_, err = s.f.Checkout(t.Context(), in)
		got, ok := errs.As(err)
		require.True(t, ok)
		require.Equal(t, int64(12_000), got.Params["total_fen"])
		in.ExpectedTotal = 12_000
		_, err = s.f.Checkout(t.Context(), in)
		require.NoError(t, err, "the same id, with the price seen")

		in = flow.CheckoutInput{Customer: s.buyer, Delivery: order.Courier, Items: []flow.BasketItem{{SKU: s.product.SKUs[1].ID, Qty: 1}}}
		_, err = s.f.Quote(t.Context(), flow.QuoteInput{Customer: s.buyer, Items: in.Items, Delivery: in.Delivery})
		requireCode(t, "order.not_on_sale", err)
	})
}

func TestCheckout_LastUnitForAHundredBuyers(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		const buyers = 100
		p := s.sells("孤品", 5_000)
		_, err := s.f.MoveStock(t.Context(), flow.StockInput{Ref: "C-1", Kind: "adjust", Reason: "盘点", Items: stockOf(p.SKUs[0].ID, -999), By: boss})
		require.NoError(t, err)
		s.product = p
		in := make([]flow.CheckoutInput, buyers)
		for i := range in {
			in[i] = s.checkout(s.customer(), 1)
		}
		got := tally(atOnce(buyers, func(i int) error {
			_, err := s.f.Checkout(t.Context(), in[i])
			return err
		}))
		require.Equal(t, map[string]int{"": 1, "stock.insufficient": buyers - 1}, got)
		require.Equal(t, 1, s.count(`SELECT COUNT(*) FROM shop_order`))
		require.Zero(t, s.stock(p.SKUs[0].ID).Free())
		s.audits()
	})
}

func TestCheckout_SameIDManyTimesAtOnceIsOneOrder(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		in := s.checkout(s.buyer, 1)
		var mu sync.Mutex
		seen := map[base.LineID]bool{}
		results := atOnce(20, func(int) error {
			d, err := s.f.Checkout(t.Context(), in)
			if err == nil {
				mu.Lock()
				seen[d.Lines[0].ID] = true
				mu.Unlock()
			}
			return err
		})
		require.Equal(t, map[string]int{"": 20}, tally(results))
		require.Len(t, seen, 1)
		require.Equal(t, int64(1), s.stock(s.product.SKUs[0].ID).Reserved)
	})
}

func TestCheckout_WhoEarns(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		frozen := func(in flow.CheckoutInput) attribution.Frozen {
			d, err := s.f.Checkout(t.Context(), in)
			require.NoError(t, err)
			f, err := attribution.OfOrder(t.Context(), s.db.Q(), d.Order.ID)
			require.NoError(t, err)
			return f
		}
		far := s.checkout(s.buyer, 1)
		far.Region = farRegion
		require.Zero(t, frozen(far).Territory.ID, "nobody serves that region")

		own := frozen(s.checkout(s.seller.Customer, 1))
		require.Zero(t, own.Seller.ID, "an own purchase earns nothing by default")
		require.Equal(t, attribution.NobodyOwnPurchase, own.Reason)
		require.Equal(t, s.partner.ID, own.Territory.ID, "the partner serves distributors too")
		require.Zero(t, frozen(s.checkout(s.partner.Customer, 1)).Territory.ID, "but not his own order")

		_, err := s.f.Suspend(t.Context(), flow.PersonDecision{ID: s.seller.ID, By: boss, Reason: "调查"})
		require.NoError(t, err)
		_, err = s.f.Suspend(t.Context(), flow.PersonDecision{ID: s.partner.ID, By: boss, Reason: "调查"})
		require.NoError(t, err)
		f := frozen(s.checkout(s.buyer, 1))
		require.Zero(t, f.Seller.ID, "suspended: orders from now on earn nothing")
		require.Zero(t, f.Territory.ID)
		require.Equal(t, attribution.NobodyHolderGone, f.Reason)
		s.audits()
	})
}

func TestCheckout_EarlyPromotion(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		ordinary := s.distributor()
		other := s.customer()
		s.scan(other, "s="+s.people.code(ordinary.ID).Text)
		e := catalog.Entry{
			Name: "新品", Status: catalog.OnSale, AftersaleDays: 7, EarlyFrom: s.clock.Now(), EarlyUntil: s.clock.Now().Add(24 * time.Hour),
			SKUs: []catalog.SKUEntry{{Price: 5_000, Cost: catalog.CostUnknown}},
		}
		p, err := s.f.CreateProduct(t.Context(), base.ProductID(s.db.Mint.Next()), e, boss)
		require.NoError(t, err)
		s.stocks(p.SKUs[0].ID, 10)
		quote := func(c base.CustomerID) error {
			_, err := s.f.Quote(t.Context(), flow.QuoteInput{Customer: c, Delivery: order.Courier, Items: []flow.BasketItem{{SKU: p.SKUs[0].ID, Qty: 1}}})
			return err
		}
		sees := func(c base.CustomerID) bool {
			list, err := s.f.Shelf(t.Context(), c, catalog.Shelf{Limit: 10})
			require.NoError(t, err)
			return list[0].ID == p.ID
		}
		require.True(t, s.seller.Level.Rights.FirstPromote)
		require.NoError(t, quote(s.buyer), "comes by a senior seller")
		require.True(t, sees(s.buyer))
		requireCode(t, "order.early_promotion", quote(other))
		require.False(t, sees(other))
		s.clock.Advance(24 * time.Hour)
		require.NoError(t, quote(other))
		require.True(t, sees(other))
	})
}

func TestCheckout_OfNothingIsPaidAtOnce(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		s.product = s.sells("赠品", 0)
		d := s.orders(2)
		require.Equal(t, order.Paid, d.Order.State)
		require.Len(t, d.Fulfilments, 1)
		require.Empty(t, d.Payments)
		_, err := s.f.PayParams(t.Context(), flow.PayInput{Order: d.Order.ID, Customer: s.buyer})
		require.ErrorIs(t, err, order.ErrIsPaid)
		require.Zero(t, s.pay.called("prepay"))
		d = s.receives(s.ships(d, 1))
		r := s.refunds(d, order.Ask{Whole: true})
		require.Equal(t, order.RefundDone, r.State, "nothing to send to WeChat")
		require.Equal(t, order.Completed, s.look(d.Order.ID).Order.State)
		s.sends()
		require.Empty(t, s.wx.uploads, "WeChat does not know the order")
		s.audits()
	})
}
