package view

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/ids"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// RiskScope says whose orders are looked at, since when, and what "within minutes of being bound" means.
type RiskScope struct {
	Seller base.DistributorID
	Since  time.Time
	Quick  time.Duration
}

// RiskFigures are what the orders behind somebody's commissions look like.
type RiskFigures struct {
	Orders       int64     `db:"orders"` // paid ones, attributed to the seller
	Sold         money.Fen `db:"sold_fen"`
	Refunded     money.Fen `db:"refunded_fen"`
	TopCustomers int64     `db:"-"` // orders by the three customers who ordered most
	QuickOrders  int64     `db:"-"` // ordered within minutes of the binding that earned them
}

// Orders are found by the time in their ids, through the index on seller and order.
const (
	riskOrdersSQL = `
SELECT COUNT(*) AS orders, COALESCE(SUM(o.total_fen), 0) AS sold_fen, COALESCE(SUM(o.refunded_fen), 0) AS refunded_fen
FROM order_attribution a JOIN shop_order o ON o.id = a.order_id
WHERE a.seller_id = ? AND a.order_id >= ? AND o.paid_ms > 0`
	riskCustomersSQL = `
SELECT COUNT(*) AS n FROM order_attribution a JOIN shop_order o ON o.id = a.order_id
WHERE a.seller_id = ? AND a.order_id >= ? AND o.paid_ms > 0 GROUP BY a.customer_id ORDER BY n DESC LIMIT 3`
	riskQuickSQL = `
SELECT COUNT(*) FROM order_attribution a JOIN shop_order o ON o.id = a.order_id JOIN binding b ON b.id = a.binding_id
WHERE a.seller_id = ? AND a.order_id >= ? AND o.paid_ms > 0 AND o.created_ms >= b.since_ms AND o.created_ms <= b.since_ms + ?`
)

// RiskOf reads the figures by which the orders behind a withdrawal are judged.
func RiskOf(ctx context.Context, q store.Q, s RiskScope) (RiskFigures, error) {
	var f RiskFigures
	from := ids.Floor(s.Since)
	if err := q.Get(ctx, &f, riskOrdersSQL, s.Seller, from); err != nil {
		return f, fmt.Errorf("read the orders behind a withdrawal: %w", err)
	}
	var top []int64
	if err := q.Select(ctx, &top, riskCustomersSQL, s.Seller, from); err != nil {
		return f, fmt.Errorf("read the customers behind a withdrawal: %w", err)
	}
	for _, n := range top {
		f.TopCustomers += n
	}
	if err := q.Get(ctx, &f.QuickOrders, riskQuickSQL, s.Seller, from, s.Quick.Milliseconds()); err != nil {
		return f, fmt.Errorf("read the bindings behind a withdrawal: %w", err)
	}
	return f, nil
}
