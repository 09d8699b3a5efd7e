package flow_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/domain/order"
	"fenxiao/server/flow"
)

// TestMoney_EverythingAtOnce lets refunds, requests, ripening, settling, sending and outside refunds meet over the same
// few orders, week after week, and proves the invariants after each.
func TestMoney_EverythingAtOnce(t *testing.T) {
	t.Parallel()
	eachShop(t, func(t *testing.T, s *shop) {
		var orders []order.Detail
		for range 4 {
			orders = append(orders, s.delivered(2, 1))
		}
		s.clock.Advance(7 * 24 * time.Hour)
		amounts := []func(d order.Detail, i int) order.Ask{
			func(d order.Detail, _ int) order.Ask { return askQty(d, 0, 1) },
			func(d order.Detail, i int) order.Ask { return order.Ask{Amount: 1_000 + d.Lines[0].Net%7} },
			func(d order.Detail, _ int) order.Ask { return askQty(d, 1, 1) },
		}
		for week := range 3 {
			for i, err := range atOnce(24, func(i int) error {
				d := orders[i%len(orders)]
				switch i % 6 {
				case 0, 1:
					_, err := s.f.CreateRefund(t.Context(), flow.RefundIssue{
						ID: base.RefundID(s.db.Mint.Next()), Order: d.Order.ID, Kind: order.AfterSale, Ask: amounts[(i+week)%3](d, i), Reason: "测试", By: boss,
					})
					return err
				case 2:
					_, err := s.f.Ripen(t.Context(), 100)
					return err
				case 3:
					p, _ := d.Counting()
					s.notifyRefund(s.pay.console(p.Transaction(), fmt.Sprintf("console-%d-%d", week, i), 100))
					return nil
				case 4:
					_, err := s.f.SettleNow(t.Context(), boss)
					return err
				default:
					r, err := s.f.RequestRefund(t.Context(), s.wish(d, order.Ask{Amount: 50}))
					if err == nil {
						_, err = s.f.ApproveRefund(t.Context(), flow.RefundDecision{ID: r.ID, By: boss})
					}
					return err
				}
			}) {
				var e *errs.Error
				require.True(t, err == nil || errors.As(err, &e), "%d: %v", i, err)
			}
			_, err := s.f.SendRefunds(t.Context(), 100)
			require.NoError(t, err)
			s.audits()
			s.clock.Advance(4 * 24 * time.Hour)
			_, err = s.f.SettleNow(t.Context(), boss)
			require.NoError(t, err)
			s.audits()
		}
		require.NotZero(t, s.count(`SELECT COUNT(*) FROM statement WHERE state = 'posted'`))
		require.NotZero(t, s.count(`SELECT COUNT(*) FROM commission WHERE kind = 'reversal_late'`))
		require.NotZero(t, s.count(`SELECT COUNT(*) FROM commission WHERE kind = 'reversal_early'`))
		require.NotZero(t, s.count(`SELECT COUNT(*) FROM refund WHERE kind = 'adopted'`))
	})
}
