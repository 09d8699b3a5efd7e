package view

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

// LineName is what an order line is called on lists of other things.
type LineName struct {
	ID   base.LineID `db:"id"`
	Name string      `db:"name"`
	Qty  int64       `db:"qty"`
}

const lineNamesSQL = `SELECT id, name, qty FROM order_line WHERE id IN (?)`

// LineNames finds the names of order lines.
func LineNames(ctx context.Context, q store.Q, lines []base.LineID) (map[base.LineID]LineName, error) {
	out := make(map[base.LineID]LineName, len(lines))
	if len(lines) == 0 {
		return out, nil
	}
	query, args, err := store.In(lineNamesSQL, lines)
	if err != nil {
		return nil, fmt.Errorf("read names of order lines: %w", err)
	}
	var rows []LineName
	if err := q.Select(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("read names of order lines: %w", err)
	}
	for _, r := range rows {
		out[r.ID] = r
	}
	return out, nil
}
