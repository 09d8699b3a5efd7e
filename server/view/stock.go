package view

import (
	"context"
	"fmt"
	"strings"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// StockFilter narrows stock down; what is empty does not.
type StockFilter struct {
	Product base.ProductID
	Name    string // a part of the product's or the SKU's name
	Below   int64  // fewer than so many can be promised; 0: however many
	Limit   int
	Offset  int
}

// StockLine is a SKU in a warehouse with its names. A SKU that never had stock is there with zeros.
type StockLine struct {
	SKU         base.SKUID     `db:"sku_id"`
	Product     base.ProductID `db:"product_id"`
	ProductName string         `db:"product_name"`
	SKUName     string         `db:"sku_name"`
	Price       money.Fen      `db:"price_fen"`
	Warehouse   int64          `db:"warehouse_id"`
	OnHand      int64          `db:"on_hand"`
	Reserved    int64          `db:"reserved"`
	InTransit   int64          `db:"in_transit"`
}

const (
	stockFromSQL = `
FROM sku k JOIN product p ON p.id = k.product_id LEFT JOIN stock s ON s.sku_id = k.id
WHERE (? = 0 OR k.product_id = ?) AND (? = '' OR p.name LIKE ? OR k.name LIKE ?) AND (? = 0 OR COALESCE(s.on_hand - s.reserved, 0) < ?)`
	stockSQL = `
SELECT k.id AS sku_id, k.product_id, p.name AS product_name, k.name AS sku_name, k.price_fen, COALESCE(s.warehouse_id, 1) AS warehouse_id,
COALESCE(s.on_hand, 0) AS on_hand, COALESCE(s.reserved, 0) AS reserved, COALESCE(s.in_transit, 0) AS in_transit` + stockFromSQL + `
ORDER BY k.id, s.warehouse_id LIMIT ? OFFSET ?`
	stockCountSQL = `SELECT COUNT(*)` + stockFromSQL
)

func (f StockFilter) args() []any {
	like := "%" + strings.NewReplacer("%", "", "_", "").Replace(f.Name) + "%"
	return []any{f.Product, f.Product, f.Name, like, like, f.Below, f.Below}
}

// Stock lists SKUs with what lies in the warehouses, oldest SKU first.
func Stock(ctx context.Context, q store.Q, f StockFilter) ([]StockLine, error) {
	var out []StockLine
	if err := q.Select(ctx, &out, stockSQL, append(f.args(), f.Limit, f.Offset)...); err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	return out, nil
}

// CountStock counts what Stock would return without its limit.
func CountStock(ctx context.Context, q store.Q, f StockFilter) (n int64, err error) {
	err = q.Get(ctx, &n, stockCountSQL, f.args()...)
	return n, err
}
