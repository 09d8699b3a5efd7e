package view_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
	"fenxiao/server/view"
)

// sold writes what the risk figures look at: a paid order of a customer, bound so long before.
type sold struct {
	seller   base.DistributorID
	customer base.CustomerID
	total    money.Fen
	refunded money.Fen
	bound    time.Duration // before the order; negative: no binding
	unpaid   bool
}

func (s sold) store(t *testing.T, db *store.DB) {
	t.Helper()
	order, binding := db.Mint.Next(), db.Mint.Next()
	require.NoError(t, db.InTx(t.Context(), "test", func(ctx context.Context, tx *store.Tx) error {
		at := tx.NowMs()
		paid := at
		if s.unpaid {
			paid = 0
		}
		_, err := tx.Exec(ctx, `INSERT INTO shop_order (id, customer_id, state, goods_fen, discount_fen, freight_fen, total_fen, refunded_fen,
freight_refunded_fen, pricing, policy_version, delivery, region_code, address_enc, remark, created_ms, expires_ms, close_ms, close_tries,
paid_ms, completed_ms, cancelled_ms, cancel_reason, cancelled_by, shipping_uploaded, version)
VALUES (?, ?, 'paid', 0, 0, 0, ?, ?, 0, '', 0, 'courier', 0, '', '', ?, 0, 0, 0, ?, 0, 0, '', '', '', 1)`, order, s.customer, s.total, s.refunded, at, paid)
		if err != nil {
			return err
		}
		if s.bound < 0 {
			binding = 0
		} else if _, err := tx.Exec(ctx, `INSERT INTO binding (id, customer_id, active_customer_id, distributor_id, since_ms, anchor_ms, ended_ms,
end_reason, touch_id, policy_version, reason) VALUES (?, ?, NULL, ?, ?, 0, 0, '', 0, 0, '')`, binding, s.customer, s.seller, at-s.bound.Milliseconds()); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO order_attribution (order_id, customer_id, seller_id, seller_level_id, seller_cycle, upline_id,
upline_level_id, upline_cycle, territory_id, territory_level_id, territory_cycle, contract_id, region_code, binding_id, touch_id,
policy_version, reason, decided_ms) VALUES (?, ?, ?, 1, 'weekly', 0, 0, '', 0, 0, '', 0, 0, ?, 0, 0, '', ?)`, order, s.customer, s.seller, binding, at)
		return err
	}))
}

func TestRiskOf(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		scope := view.RiskScope{Seller: 7, Since: c.Now(), Quick: 10 * time.Minute}
		none, err := view.RiskOf(t.Context(), db.Q(), scope)
		require.NoError(t, err)
		require.Equal(t, view.RiskFigures{}, none)

		sold{seller: 7, customer: 1, total: 99_999, refunded: 99_999, bound: time.Minute}.store(t, db) // too long ago
		c.Advance(time.Hour)
		scope.Since = c.Now()
		for _, s := range []sold{
			{seller: 7, customer: 1, total: 10_000, bound: 10 * time.Minute}, // within minutes, the limit included
			{seller: 7, customer: 1, total: 5_000, refunded: 5_000, bound: 10*time.Minute + time.Millisecond},
			{seller: 7, customer: 2, total: 3_000, refunded: 1_000, bound: 0},
			{seller: 7, customer: 3, total: 1_000, bound: -1},
			{seller: 7, customer: 4, total: 500, bound: time.Hour},
			{seller: 7, customer: 5, total: 700, unpaid: true, bound: 0},
			{seller: 8, customer: 1, total: 77_777, bound: 0}, // somebody else's
		} {
			s.store(t, db)
		}
		got, err := view.RiskOf(t.Context(), db.Q(), scope)
		require.NoError(t, err)
		require.Equal(t, view.RiskFigures{Orders: 5, Sold: 19_500, Refunded: 6_000, TopCustomers: 4, QuickOrders: 2}, got)
	})
}

func TestPayeeOf(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		_, found, err := view.PayeeOf(t.Context(), db.Q(), 7)
		require.NoError(t, err)
		require.False(t, found)
	})
}
