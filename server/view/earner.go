package view

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

// Earners are who was decided to earn an order when it was placed; 0 is nobody.
type Earners struct {
	Order     base.OrderID       `db:"order_id"`
	Seller    base.DistributorID `db:"seller_id"`
	Territory base.DistributorID `db:"territory_id"`
}

const earnersSQL = `SELECT order_id, seller_id, territory_id FROM order_attribution WHERE order_id IN (?)`

// EarnersOf finds who earns some orders.
func EarnersOf(ctx context.Context, q store.Q, orders []base.OrderID) (map[base.OrderID]Earners, error) {
	out := make(map[base.OrderID]Earners, len(orders))
	if len(orders) == 0 {
		return out, nil
	}
	query, args, err := store.In(earnersSQL, orders)
	if err != nil {
		return nil, fmt.Errorf("read who earns orders: %w", err)
	}
	var rows []Earners
	if err := q.Select(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("read who earns orders: %w", err)
	}
	for _, r := range rows {
		out[r.Order] = r
	}
	return out, nil
}
