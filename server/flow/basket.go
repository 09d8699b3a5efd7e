package flow

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/region"
	"fenxiao/server/domain/attribution"
	"fenxiao/server/domain/catalog"
	"fenxiao/server/domain/commission"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/domain/order"
	"fenxiao/server/store"
)

// BasketItem is what a customer wants of one SKU.
type BasketItem struct {
	SKU base.SKUID
	Qty int64
}

// What a basket is refused for.
var (
	ErrBasket = errs.E(errs.Invalid, "order.basket_invalid", "购物清单有误：1 到 50 种商品，每种 1 到 999 件",
		errs.EN("The basket is wrong: 1 to 50 variants, 1 to 999 of each."))
	ErrNotOnSale = errs.E(errs.Conflict, "order.not_on_sale", "部分商品已下架，请移除后再下单", errs.EN("Something in the basket is not for sale. Remove it and try again."))
	ErrEarlyOnly = errs.E(errs.Conflict, "order.early_promotion", "该新品正在首发期，请通过首发推广人的分享购买，或等待全面开售",
		errs.EN("This new product is in its first-promotion window: buy it through a promoter who has it, or wait until it opens."))
)

// Quote is what a basket costs now, and why.
type Quote struct {
	Items         []catalog.Item
	Qty           []int64
	Priced        order.Priced
	Terms         order.Terms
	PolicyVersion int

	policy order.Policy
}

// QuoteInput asks what a basket would cost.
type QuoteInput struct {
	Customer base.CustomerID
	Items    []BasketItem
	Delivery order.Delivery
}

// Quote prices a basket as Checkout would, and writes nothing.
func (f *Flow) Quote(ctx context.Context, in QuoteInput) (Quote, error) {
	q, now := f.DB.Q(), f.DB.Clock.Now()
	quote, err := price(ctx, q, in, now)
	if err != nil {
		return Quote{}, err
	}
	who, err := earners(ctx, q, in.Customer, 0, now)
	if err != nil {
		return Quote{}, err
	}
	return quote, quote.sellable(who, now)
}

// price is the one way from a basket to a price.
func price(ctx context.Context, q store.Q, in QuoteInput, at time.Time) (Quote, error) {
	basket, err := merge(in.Items)
	if err != nil || !in.Delivery.Valid() {
		return Quote{}, ErrBasket
	}
	skus := make([]base.SKUID, len(basket))
	for i, b := range basket {
		skus[i] = b.SKU
	}
	out := Quote{Qty: make([]int64, len(basket))}
	if out.Items, err = catalog.Items(ctx, q, skus); err != nil {
		return Quote{}, err
	}
	if out.policy, out.PolicyVersion, err = order.CurrentPolicy(ctx, q, at); err != nil {
		return Quote{}, err
	}
	lines := make([]order.PriceLine, len(basket))
	for i, item := range out.Items {
		out.Qty[i] = basket[i].Qty
		lines[i] = order.PriceLine{Name: item.Title(), Qty: basket[i].Qty, Price: item.SKU.Price}
	}
	plain, err := order.Price(lines, order.Terms{})
	if err != nil {
		return Quote{}, fmt.Errorf("price basket: %w", err)
	}
	out.Terms = out.policy.Terms(plain.Goods, in.Delivery)
	out.Priced, err = order.Price(lines, out.Terms)
	return out, err
}

// merge adds up quantities of the same SKU: an order has one line per SKU.
func merge(items []BasketItem) ([]BasketItem, error) {
	var out []BasketItem
	at := map[base.SKUID]int{}
	for _, it := range items {
		if it.SKU == 0 || it.Qty < 1 || it.Qty > order.QtyMax {
			return nil, ErrBasket
		}
		i, there := at[it.SKU]
		if !there {
			i = len(out)
			at[it.SKU] = i
			out = append(out, BasketItem{SKU: it.SKU})
		}
		out[i].Qty += it.Qty
		if out[i].Qty > order.QtyMax {
			return nil, ErrBasket
		}
	}
	if len(out) == 0 || len(out) > order.LinesMax {
		return nil, ErrBasket
	}
	return out, nil
}

// sellable refuses what may not be bought now, or not through this distributor.
func (q Quote) sellable(who parties, at time.Time) error {
	for _, item := range q.Items {
		sale := item.Product.SaleAt(at)
		if item.SKU.Status != catalog.OnSale || sale == catalog.SaleClosed {
			return errs.E(ErrNotOnSale.Kind, ErrNotOnSale.Code, ErrNotOnSale.Message, errs.EN(ErrNotOnSale.English), errs.Param("sku", item.SKU.ID.String()))
		}
		if sale == catalog.SaleEarly && !who.seller.Level.Rights.FirstPromote {
			return errs.E(ErrEarlyOnly.Kind, ErrEarlyOnly.Code, ErrEarlyOnly.Message, errs.EN(ErrEarlyOnly.English), errs.Param("sku", item.SKU.ID.String()))
		}
	}
	return nil
}

// parties are who would earn an order; an ID of 0 is nobody.
type parties struct {
	seller, upline, partner distributor.Distributor
	territory               distributor.Territory
	decision                attribution.Decision
}

// earners decides who would earn an order of a customer that goes to a place. Suspended and closed distributors earn
// nothing of orders placed now. A partner earns nothing by regions of an order of his own, unless own purchases earn.
func earners(ctx context.Context, q store.Q, customer base.CustomerID, place region.Code, at time.Time) (p parties, err error) {
	self, is, err := distributor.ByCustomer(ctx, q, customer)
	if err != nil {
		return p, err
	}
	in := attribution.DecideInput{Customer: customer, At: at, Earns: func(id base.DistributorID) (bool, error) {
		d, err := distributor.Get(ctx, q, id)
		return d.Earns(), err
	}}
	if is && self.Status != distributor.Closed {
		in.Self = self.ID
	}
	if p.decision, err = attribution.Decide(ctx, q, in); err != nil {
		return p, err
	}
	if p.decision.Seller != 0 {
		if p.seller, err = distributor.Get(ctx, q, p.decision.Seller); err != nil {
			return p, err
		}
		if err := p.findUpline(ctx, q, at); err != nil {
			return p, err
		}
	}
	t, found, err := distributor.TerritoryOf(ctx, q, place, at)
	if err != nil || !found || t.Distributor == in.Self && p.decision.Seller != in.Self {
		return p, err
	}
	partner, err := distributor.Get(ctx, q, t.Distributor)
	if err == nil && partner.Earns() {
		p.partner, p.territory = partner, t
	}
	return p, err
}

// findUpline fills in the seller's upline, only while that payee is switched on.
func (p *parties) findUpline(ctx context.Context, q store.Q, at time.Time) error {
	terms, err := commission.TermsAt(ctx, q, at)
	if err != nil || !terms.Upline || p.seller.Upline == 0 {
		return err
	}
	upline, err := distributor.Get(ctx, q, p.seller.Upline)
	if err == nil && upline.Earns() {
		p.upline = upline
	}
	return err
}

func frozenPayee(d distributor.Distributor) attribution.Payee {
	if d.ID == 0 {
		return attribution.Payee{}
	}
	return attribution.Payee{ID: d.ID, Level: d.Level.ID, Cycle: d.Level.Cycle}
}

func (p parties) frozen(id base.OrderID, customer base.CustomerID) attribution.Frozen {
	return attribution.Frozen{
		Order: id, Customer: customer, Seller: frozenPayee(p.seller), Upline: frozenPayee(p.upline), Territory: frozenPayee(p.partner),
		Contract: p.territory.Contract, Region: p.territory.Region, Decision: p.decision,
	}
}

// payees are the same for commission.Price.
func (p parties) payees() []commission.Payee {
	of := func(tier base.Tier, d distributor.Distributor) commission.Payee {
		f := frozenPayee(d)
		return commission.Payee{Tier: tier, ID: f.ID, Level: f.Level, Cycle: f.Cycle}
	}
	return []commission.Payee{of(base.Seller, p.seller), of(base.Upline, p.upline), of(base.Territory, p.partner)}
}

// Shelf returns the products that a customer may see and buy now, newest first.
func (f *Flow) Shelf(ctx context.Context, customer base.CustomerID, s catalog.Shelf) ([]catalog.Product, error) {
	s.At = f.DB.Clock.Now()
	who, err := earners(ctx, f.DB.Q(), customer, 0, s.At)
	if err != nil {
		return nil, err
	}
	s.Early = who.seller.Level.Rights.FirstPromote
	return catalog.OnShelf(ctx, f.DB.Q(), s)
}

// ProductFor returns a product that a customer may see and buy now, or catalog.ErrNotFound.
func (f *Flow) ProductFor(ctx context.Context, customer base.CustomerID, id base.ProductID) (catalog.Product, error) {
	q, now := f.DB.Q(), f.DB.Clock.Now()
	p, err := catalog.Get(ctx, q, id)
	if err != nil {
		return catalog.Product{}, err
	}
	who, err := earners(ctx, q, customer, 0, now)
	if err != nil {
		return catalog.Product{}, err
	}
	sale := p.SaleAt(now)
	if sale == catalog.SaleClosed || sale == catalog.SaleEarly && !who.seller.Level.Rights.FirstPromote {
		return catalog.Product{}, catalog.ErrNotFound
	}
	return p, nil
}
