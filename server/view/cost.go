// Package view reads over several domains: what a screen, an export or a decision needs to see together. It writes nothing.
package view

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// CostScope narrows SKUs down; the zero value is all of them.
type CostScope struct {
	SKU      base.SKUID
	Product  base.ProductID
	Category string
}

// Cost is what a SKU sells for and what it costs; SKUs without a known cost are not listed.
type Cost struct {
	SKU   base.SKUID `db:"id"`
	Price money.Fen  `db:"price_fen"`
	Cost  money.Fen  `db:"cost_fen"`
}

const costsSQL = `
SELECT s.id, s.price_fen, s.cost_fen FROM sku s JOIN product p ON p.id = s.product_id
WHERE s.cost_fen >= 0 AND (? = 0 OR s.id = ?) AND (? = 0 OR s.product_id = ?) AND (? = '' OR p.category = ?) ORDER BY s.id`

// EachCost calls fn with price and cost of every SKU in scope whose cost is known.
func EachCost(ctx context.Context, q store.Q, s CostScope, fn func(Cost) error) error {
	err := q.Each(ctx, costsSQL, func(rows *sqlx.Rows) error {
		var c Cost
		if err := rows.StructScan(&c); err != nil {
			return err
		}
		return fn(c)
	}, s.SKU, s.SKU, s.Product, s.Product, s.Category, s.Category)
	if err != nil {
		return fmt.Errorf("read costs: %w", err)
	}
	return nil
}
