// Package catalog owns products and their SKUs: what is for sale, at what price, at what cost, and when.
package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// Status is whether a product is for sale.
type Status string

const (
	Draft   Status = "draft"
	OnSale  Status = "on_sale"
	OffSale Status = "off_sale"
)

// moves is the whole life of a product. It never goes back to draft, because orders may name it.
var moves = map[Status][]Status{
	Draft:   {OnSale},
	OnSale:  {OffSale},
	OffSale: {OnSale},
}

// Valid says whether the status is one of the three.
func (s Status) Valid() bool { return s == Draft || s == OnSale || s == OffSale }

// CanBecome says whether a product may go from s to the status to.
func (s Status) CanBecome(to Status) bool { return slices.Contains(moves[s], to) }

// CostUnknown is the cost of a SKU of which nobody told what it costs.
const CostUnknown money.Fen = -1

// DefaultDays is the after-sale window of a product that has none of its own: the shop's.
const DefaultDays = -1

// Product is something for sale, in one or more SKUs.
type Product struct {
	ID            base.ProductID `db:"id"`
	Name          string         `db:"name"`
	Category      string         `db:"category"`
	Summary       string         `db:"summary"`
	Detail        string         `db:"detail"`
	ImageURL      string         `db:"image_url"`
	Status        Status         `db:"status"`
	AftersaleDays int            `db:"aftersale_days"` // DefaultDays: the shop's
	EarlyFromMs   int64          `db:"early_from_ms"`  // the window of first promotion; 0: none
	EarlyUntilMs  int64          `db:"early_until_ms"`
	CreatedMs     int64          `db:"created_ms"`
	UpdatedMs     int64          `db:"updated_ms"`
	Version       int            `db:"version"`
	SKUs          []SKU          `db:"-"` // all of them, in their order
}

// SKU is one variant of a product: the thing that has a price and stock.
type SKU struct {
	ID       base.SKUID     `db:"id"`
	Product  base.ProductID `db:"product_id"`
	Position int            `db:"position"`
	Name     string         `db:"name"`
	Price    money.Fen      `db:"price_fen"`
	Cost     money.Fen      `db:"cost_fen"` // per unit; CostUnknown
	Status   Status         `db:"status"`   // OnSale or OffSale
	Version  int            `db:"version"`
}

// Sale is who may buy a product at a moment.
type Sale string

const (
	SaleOpen   Sale = "open"   // everybody
	SaleEarly  Sale = "early"  // customers who come by a code of a level with first-promotion right
	SaleClosed Sale = "closed" // nobody
)

// SaleAt says who may buy the product at an instant. Before a window of first promotion begins nobody may.
func (p Product) SaleAt(at time.Time) Sale {
	now := base.Ms(at)
	switch {
	case p.Status != OnSale:
		return SaleClosed
	case p.EarlyUntilMs == 0 || now >= p.EarlyUntilMs:
		return SaleOpen
	case now >= p.EarlyFromMs:
		return SaleEarly
	default:
		return SaleClosed
	}
}

// What this package refuses.
var (
	ErrNotFound = errs.E(errs.NotFound, "product.not_found", "没有找到该商品", errs.EN("There is no such product."))
	ErrSKU      = errs.E(errs.NotFound, "product.sku_not_found", "没有找到该规格，请刷新商品后再试",
		errs.EN("There is no such variant. Reload the product and try again."))
	ErrChanged = errs.E(errs.Conflict, "product.changed", "该商品刚被他人修改，请刷新后再试",
		errs.EN("Somebody else has just changed this product. Reload and try again."))
)

const (
	columns    = `id, name, category, summary, detail, image_url, status, aftersale_days, early_from_ms, early_until_ms, created_ms, updated_ms, version`
	skuColumns = `id, product_id, position, name, price_fen, cost_fen, status, version`
	byIDSQL    = `SELECT ` + columns + ` FROM product WHERE id = ?`
	byIDsSQL   = `SELECT ` + columns + ` FROM product WHERE id IN (?)`
	skusOfSQL  = `SELECT ` + skuColumns + ` FROM sku WHERE product_id IN (?) ORDER BY product_id, position, id`
	skusSQL    = `SELECT ` + skuColumns + ` FROM sku WHERE id IN (?) ORDER BY id`
	filterSQL  = ` FROM product WHERE (? = '' OR status = ?) AND (? = '' OR category = ?) AND (? = '' OR name LIKE ?)`
	listSQL    = `SELECT ` + columns + filterSQL + ` AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ? OFFSET ?`
	countSQL   = `SELECT COUNT(*)` + filterSQL
	shelfSQL   = `SELECT ` + columns + ` FROM product
WHERE status = 'on_sale' AND (? = '' OR category = ?) AND early_from_ms <= ? AND (early_until_ms <= ? OR ? = 1) AND (? = 0 OR id < ?)
ORDER BY id DESC LIMIT ?`
)

// Get returns a product with its SKUs, or ErrNotFound.
func Get(ctx context.Context, q store.Q, id base.ProductID) (Product, error) {
	var p Product
	err := q.Get(ctx, &p, byIDSQL, id)
	if store.NotFound(err) {
		return Product{}, ErrNotFound
	}
	if err != nil {
		return Product{}, fmt.Errorf("read product: %w", err)
	}
	list := []Product{p}
	err = withSKUs(ctx, q, list)
	return list[0], err
}

// Filter narrows a list of products; what is empty does not.
type Filter struct {
	Status   Status
	Category string
	Name     string         // a part of it
	Before   base.ProductID // older than this one, for paging by cursor
	Offset   int            // for paging by number
	Limit    int
}

func (f Filter) args() []any {
	like := "%" + strings.NewReplacer("%", "", "_", "").Replace(f.Name) + "%"
	return []any{f.Status, f.Status, f.Category, f.Category, f.Name, like}
}

// List returns products with their SKUs, newest first.
func List(ctx context.Context, q store.Q, f Filter) ([]Product, error) {
	return many(ctx, q, listSQL, append(f.args(), f.Before, f.Before, f.Limit, f.Offset)...)
}

// Count counts what List would return without its limit and cursor.
func Count(ctx context.Context, q store.Q, f Filter) (n int, err error) {
	err = q.Get(ctx, &n, countSQL, f.args()...)
	return n, err
}

// Shelf asks for what a customer sees.
type Shelf struct {
	At       time.Time
	Early    bool // the customer comes by a code of a level with first-promotion right
	Category string
	Before   base.ProductID
	Limit    int
}

// OnShelf returns the products that a customer may see and buy, newest first.
func OnShelf(ctx context.Context, q store.Q, s Shelf) ([]Product, error) {
	now, early := base.Ms(s.At), 0
	if s.Early {
		early = 1
	}
	return many(ctx, q, shelfSQL, s.Category, s.Category, now, now, early, s.Before, s.Before, s.Limit)
}

func many(ctx context.Context, q store.Q, query string, args ...any) ([]Product, error) {
	var list []Product
	if err := q.Select(ctx, &list, query, args...); err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	return list, withSKUs(ctx, q, list)
}

func withSKUs(ctx context.Context, q store.Q, list []Product) error {
	if len(list) == 0 {
		return nil
	}
	at := make(map[base.ProductID]int, len(list))
	wanted := make([]base.ProductID, len(list))
	for i, p := range list {
		at[p.ID], wanted[i] = i, p.ID
	}
	query, args, err := store.In(skusOfSQL, wanted)
	if err != nil {
		return fmt.Errorf("read SKUs: %w", err)
	}
	var skus []SKU
	if err := q.Select(ctx, &skus, query, args...); err != nil {
		return fmt.Errorf("read SKUs: %w", err)
	}
	for _, s := range skus {
		p := &list[at[s.Product]]
		p.SKUs = append(p.SKUs, s)
	}
	return nil
}

// Item is a SKU with its product, as a checkout needs it.
type Item struct {
	SKU     SKU
	Product Product // without its other SKUs
}

// Title is what an order line calls it.
func (i Item) Title() string {
	if i.SKU.Name == "" {
		return i.Product.Name
	}
	return i.Product.Name + " " + i.SKU.Name
}

// Items returns SKUs with their products, in the order asked for, or ErrSKU if one does not exist.
func Items(ctx context.Context, q store.Q, ids []base.SKUID) ([]Item, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	query, args, err := store.In(skusSQL, ids)
	if err != nil {
		return nil, fmt.Errorf("read SKUs: %w", err)
	}
	var skus []SKU
	if err := q.Select(ctx, &skus, query, args...); err != nil {
		return nil, fmt.Errorf("read SKUs: %w", err)
	}
	products, err := productsOf(ctx, q, skus)
	if err != nil {
		return nil, err
	}
	out := make([]Item, len(ids))
	for i, id := range ids {
		at := slices.IndexFunc(skus, func(s SKU) bool { return s.ID == id })
		if at < 0 {
			return nil, ErrSKU
		}
		out[i] = Item{skus[at], products[skus[at].Product]}
	}
	return out, nil
}

func productsOf(ctx context.Context, q store.Q, skus []SKU) (map[base.ProductID]Product, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	wanted := make([]base.ProductID, len(skus))
	for i, s := range skus {
		wanted[i] = s.Product
	}
	query, args, err := store.In(byIDsSQL, wanted)
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	var list []Product
	if err := q.Select(ctx, &list, query, args...); err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	out := make(map[base.ProductID]Product, len(list))
	for _, p := range list {
		out[p.ID] = p
	}
	return out, nil
}
