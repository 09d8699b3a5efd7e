package flow_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/domain/order"
	"fenxiao/server/store"
)

// interrupted lets something happen before the n-th Select.
type interrupted struct {
	store.Q
	n      int
	happen func()
}

func (q *interrupted) Select(ctx context.Context, dest any, query string, args ...any) error {
	if q.n--; q.n == 0 {
		q.happen()
	}
	return q.Q.Select(ctx, dest, query, args...)
}

// TestLoad_WhileTheOrderIsPaid reads an order while its payment is applied between any two of the statements.
func TestLoad_WhileTheOrderIsPaid(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		for n := range 6 {
			o := s.orders(1)
			q := &interrupted{Q: s.db.Q(), n: n + 1, happen: func() { s.pays(o) }}
			d, err := order.Load(t.Context(), q, o.Order.ID)
			require.NoError(t, err)
			require.Equal(t, o.Order.ID, d.Order.ID)
		}
	})
}
