package flow_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/audit"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/base/region"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/inventory"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/store/outbox"
	"fenxiao/server/store/storetest"
	"fenxiao/server/wechat"
)

const (
	shopRegion region.Code = 440106 // 广州市天河区, where the partner serves
	farRegion  region.Code = 110105 // 北京市朝阳区
)

// shop is a small running shop: levels, a senior seller with a code, a city partner who serves shopRegion, a product with
// two SKUs in stock, and rules: 12 % to a senior seller, 1.00 per unit to the partner.
type shop struct {
	*people
	pay     *fakePay
	wx      *fakeMini
	seller  distributor.Distributor
	partner distributor.Distributor
	code    attribution.Code
	product catalog.Product // SKUs[0] costs 99.90, SKUs[1] 100.20
	buyer   base.CustomerID // bound to the seller

	mu     sync.Mutex
	alarms []string
	events int
}

func newShop(t *testing.T, db *store.DB, c *clock.Manual) *shop {
	t.Helper()
	s := &shop{people: newPeople(t, db, c), pay: newFakePay(c), wx: &fakeMini{}}
	s.f.Pay, s.f.Mini, s.f.Shop.NotifyURL = s.pay, s.wx, "https://shop.example/notify"
	s.f.Alarm = func(code, detail string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.alarms = append(s.alarms, code)
	}
	s.f.Wake = func() { s.drain() }
	s.seller, s.partner = s.leveled("senior"), s.leveled("city_partner")
	s.code = s.people.code(s.seller.ID)
	_, err := s.f.CreateContract(t.Context(), distributor.Contract{
		ID: base.ContractID(db.Mint.Next()), Distributor: s.partner.ID, DocumentNo: "HT-1", FromMs: base.Ms(c.Now()),
		UntilMs: base.Ms(c.Now().AddDate(9, 0, 0)), Regions: []region.Code{shopRegion},
	}, boss)
	require.NoError(t, err)
	s.rule(commission.Draft{Name: "高级 12%", ScopeKind: commission.ScopeAll, Level: s.seller.Level.ID, Payee: base.Seller, Kind: commission.Rate, Rate: 1_200})
	s.rule(commission.Draft{Name: "区域服务费", ScopeKind: commission.ScopeAll, Payee: base.Territory, Kind: commission.PerUnit, Amount: 100})
	s.product = s.sells("保温杯", 9_990, 10_020)
	s.buyer = s.bound()
	return s
}

func eachShop(t *testing.T, fn func(t *testing.T, s *shop)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) { fn(t, newShop(t, db, c)) })
}

// sells puts a product with SKUs at these prices on sale, 1,000 of each in stock.
func (s *shop) sells(name string, prices ...money.Fen) catalog.Product {
	s.t.Helper()
	e := catalog.Entry{Name: name, Category: "家居", Status: catalog.OnSale, AftersaleDays: catalog.DefaultDays}
	for i, p := range prices {
		e.SKUs = append(e.SKUs, catalog.SKUEntry{Name: fmt.Sprintf("款式%d", i+1), Price: p, Cost: catalog.CostUnknown})
	}
	p, err := s.f.CreateProduct(s.t.Context(), base.ProductID(s.db.Mint.Next()), e, boss)
	require.NoError(s.t, err)
	for _, sku := range p.SKUs {
		s.stocks(sku.ID, 1_000)
	}
	return p
}

func (s *shop) stocks(sku base.SKUID, qty int64) {
	s.t.Helper()
	_, err := s.f.MoveStock(s.t.Context(), flow.StockInput{
		Ref: fmt.Sprintf("IN-%d", s.db.Mint.Next()), Kind: inventory.Receive, Items: []inventory.Item{{SKU: sku, Qty: qty}}, By: boss,
	})
	require.NoError(s.t, err)
}

func (s *shop) stock(sku base.SKUID) inventory.Stock {
	s.t.Helper()
	list, err := inventory.Of(s.t.Context(), s.db.Q(), []base.SKUID{sku})
	require.NoError(s.t, err)
	require.Len(s.t, list, 1)
	return list[0]
}

// rule publishes a commission rule, by two people if the gate wants that (then the clock moves to its start).
func (s *shop) rule(d commission.Draft) commission.Rule {
	s.t.Helper()
	r, err := s.f.DraftRule(s.t.Context(), commission.NewRule{ID: base.RuleID(s.db.Mint.Next()), Draft: d, By: boss})
	require.NoError(s.t, err)
	for by := base.AdminID(1); r.Status != commission.StatusPublished; by++ {
		r, err = s.f.PublishRule(s.t.Context(), flow.RuleDecision{ID: r.ID, By: base.Admin(by), Reason: "测试"})
		require.NoError(s.t, err)
	}
	if start := base.Time(r.FromMs); s.clock.Now().Before(start) {
		s.clock.Set(start)
	}
	return r
}

// bound is a new customer who scanned the seller's code.
func (s *shop) bound() base.CustomerID {
	s.t.Helper()
	c := s.customer()
	s.scan(c, "s="+s.code.Text)
	return c
}

// discounts takes off from every order that costs from or more.
func (s *shop) policy(change func(*order.Policy)) {
	s.t.Helper()
	p, _, err := order.CurrentPolicy(s.t.Context(), s.db.Q(), s.clock.Now())
	require.NoError(s.t, err)
	change(&p)
	_, err = s.f.PutOrderPolicy(s.t.Context(), p, boss, "测试")
	require.NoError(s.t, err)
}

// checkout is an order of so many of the product's SKUs, at the price it has now.
func (s *shop) checkout(c base.CustomerID, qty ...int64) flow.CheckoutInput {
	s.t.Helper()
	in := flow.CheckoutInput{
		ID: base.OrderID(s.db.Mint.Next()), Customer: c, Delivery: order.Courier, Region: shopRegion,
		Address: flow.Address{Name: "张三", Phone: "13800138000", Detail: "体育西路 1 号"},
	}
	for i, n := range qty {
		if n > 0 {
			in.Items = append(in.Items, flow.BasketItem{SKU: s.product.SKUs[i].ID, Qty: n})
		}
	}
	quote, err := s.f.Quote(s.t.Context(), flow.QuoteInput{Customer: c, Items: in.Items, Delivery: in.Delivery})
	require.NoError(s.t, err)
	in.ExpectedTotal = quote.Priced.Total
	return in
}

// orders places an order of the buyer.
func (s *shop) orders(qty ...int64) order.Detail {
	s.t.Helper()
	d, err := s.f.Checkout(s.t.Context(), s.checkout(s.buyer, qty...))
	require.NoError(s.t, err)
	return d
}

// number opens the order's payment and returns its number.
func (s *shop) number(o order.Order) string {
	s.t.Helper()
	_, err := s.f.PayParams(s.t.Context(), flow.PayInput{Order: o.ID, Customer: o.Customer})
	require.NoError(s.t, err)
	p, ok, err := order.OpenPaymentOf(s.t.Context(), s.db.Q(), o.ID)
	require.NoError(s.t, err)
	require.True(s.t, ok)
	return p.OutTradeNo
}

// pays opens the payment of an order, pays it, and lets the notification be applied.
func (s *shop) pays(d order.Detail) order.Detail {
	s.t.Helper()
	p, ok := s.pay.userPays(s.number(d.Order))
	require.True(s.t, ok)
	s.notifyPayment(p)
	return s.look(d.Order.ID)
}

// buys places an order and pays it.
func (s *shop) buys(qty ...int64) order.Detail {
	s.t.Helper()
	return s.pays(s.orders(qty...))
}

// ships sends all that is left of an order, or these quantities of its lines.
func (s *shop) ships(d order.Detail, qty ...int64) order.Detail {
	s.t.Helper()
	in := flow.ShipInput{
		ID: base.FulfilmentID(s.db.Mint.Next()), Order: d.Order.ID, Carrier: "SF", TrackingNo: fmt.Sprintf("SF%d", s.db.Mint.Next()), By: boss,
	}
	for i, n := range qty {
		if n > 0 {
			in.Lines = append(in.Lines, order.FulfilmentLine{Line: d.Lines[i].ID, Qty: n})
		}
	}
	out, err := s.f.Ship(s.t.Context(), in)
	require.NoError(s.t, err)
	return out
}

// receives is the customer confirming all that is on its way.
func (s *shop) receives(d order.Detail) order.Detail {
	s.t.Helper()
	out, err := s.f.Receive(s.t.Context(), flow.ReceiveInput{Order: d.Order.ID, Customer: d.Order.Customer, By: base.Customer(d.Order.Customer)})
	require.NoError(s.t, err)
	return out
}

// delivered is an order that was bought, sent and received.
func (s *shop) delivered(qty ...int64) order.Detail {
	s.t.Helper()
	return s.receives(s.ships(s.buys(qty...)))
}

// refunds makes and approves a refund.
func (s *shop) refunds(d order.Detail, ask order.Ask) order.Refund {
	s.t.Helper()
	r, err := s.refund(d, ask)
	require.NoError(s.t, err)
	return r
}

func (s *shop) refund(d order.Detail, ask order.Ask) (order.Refund, error) {
	return s.f.CreateRefund(s.t.Context(), flow.RefundIssue{
		ID: base.RefundID(s.db.Mint.Next()), Order: d.Order.ID, Kind: order.AfterSale, Ask: ask, Reason: "测试", By: boss,
	})
}

func (s *shop) look(id base.OrderID) order.Detail {
	s.t.Helper()
	d, err := order.Load(s.t.Context(), s.db.Q(), id)
	require.NoError(s.t, err)
	return d
}

func (s *shop) notifyPayment(p wechat.Payment) {
	s.notify(wechat.PaymentEvent, wechat.EncodePayment(p))
}
func (s *shop) notifyRefund(r wechat.Refund) { s.notify(wechat.RefundEvent, wechat.EncodeRefund(r)) }
func (s *shop) notifyTransfer(r wechat.Transfer) {
	s.notify(wechat.TransferEvent, wechat.EncodeTransfer(r))
}

// notify delivers a notification under a new id and lets it be applied.
func (s *shop) notify(kind wechat.NotificationKind, plain []byte) {
	s.t.Helper()
	s.mu.Lock()
	s.events++
	id := fmt.Sprintf("event-%d", s.events)
	s.mu.Unlock()
	require.NoError(s.t, s.f.TakeNotification(s.t.Context(), wechat.Notification{ID: id, Kind: kind, At: s.clock.Now(), Plain: plain}))
}

// drain applies what waits in the inbox.
func (s *shop) drain() {
	a := inbox.Applier{DB: s.db, Apply: s.f.ApplyInbox}
	_, err := a.Run(context.WithoutCancel(s.t.Context()))
	require.NoError(s.t, err)
}

// sends drains the outbox: shipping information and alarms.
func (s *shop) sends() int {
	s.t.Helper()
	d := outbox.Drainer{DB: s.db, Owner: "test", Senders: map[string]outbox.Send{
		flow.ShippingKind: s.f.SendShipping, flow.AlarmKind: s.f.SendAlarm,
	}}
	n, err := d.Run(s.t.Context(), 1_000)
	require.NoError(s.t, err)
	return n
}

func (s *shop) alarmed() []string {
	s.sends()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alarms
}

// pending is what a distributor has accrued and not on a posted statement.
func (s *shop) pendingOf(d base.DistributorID) (sum money.Fen) {
	s.t.Helper()
	require.NoError(s.t, s.db.Q().Get(s.t.Context(), &sum, `SELECT COALESCE(SUM(amount_fen), 0) FROM ledger_entry WHERE account = 'pending' AND owner_id = ?`, d))
	return sum
}

// platform is the balance of one of the shop's own accounts.
func (s *shop) platform(account string) (sum money.Fen) {
	s.t.Helper()
	require.NoError(s.t, s.db.Q().Get(s.t.Context(), &sum, `SELECT COALESCE(SUM(amount_fen), 0) FROM ledger_entry WHERE account = ? AND owner_id = 0`, account))
	return sum
}

// audits proves the invariants over the shop's whole database.
func (s *shop) audits() {
	s.t.Helper()
	report, err := audit.Run(s.t.Context(), s.db)
	require.NoError(s.t, err)
	for _, r := range report.Results {
		require.Empty(s.t, r.Wrong, "%d %s", r.Invariant, r.Name)
	}
}
