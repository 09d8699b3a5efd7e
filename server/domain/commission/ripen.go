package commission

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

const (
	dueSQL = `
SELECT c.share_id FROM commission c
WHERE c.ripe_ms = 0 AND c.due_ms > 0 AND c.due_ms <= ? AND c.kind = 'accrual'` + notHeldSQL + `
ORDER BY c.due_ms LIMIT ?`
	notHeldSQL = `
  AND NOT EXISTS (SELECT 1 FROM commission_hold h
    WHERE h.scope = 'line' AND h.scope_id = c.line_id AND h.released_ms = 0 AND (h.until_ms = 0 OR h.until_ms > ?))
  AND NOT EXISTS (SELECT 1 FROM commission_hold h
    WHERE h.scope = 'distributor' AND h.scope_id = c.payee_id AND h.released_ms = 0 AND (h.until_ms = 0 OR h.until_ms > ?))`
	stillDueSQL     = `SELECT c.share_id FROM commission c WHERE c.share_id IN (?) AND c.kind = 'accrual' AND c.ripe_ms = 0` + notHeldSQL + ` ORDER BY c.share_id`
	lockAccrualsSQL = `SELECT id FROM commission WHERE share_id IN (?) AND kind = 'accrual' ORDER BY share_id /*! FOR UPDATE */`
	ripenSQL        = `
UPDATE commission SET ripe_ms = ?, period = CASE cycle WHEN 'monthly' THEN ? ELSE ? END
WHERE share_id IN (?) AND kind IN ('accrual', 'reversal_early') AND ripe_ms = 0`
)

// Ripen makes at most limit accruals ripe whose window is over and that nothing holds, together with what was reversed
// of them so far, and returns how many. The moment is now, and never changes.
func Ripen(ctx context.Context, tx *store.Tx, limit int) (int, error) {
	var shares []base.ShareID
	if err := tx.Select(ctx, &shares, dueSQL, tx.NowMs(), tx.NowMs(), tx.NowMs(), limit); err != nil {
		return 0, fmt.Errorf("find commissions that are due: %w", err)
	}
	if len(shares) == 0 {
		return 0, nil
	}
	free, err := lockDue(ctx, tx, shares)
	if err != nil || len(free) == 0 {
		return 0, err
	}
	monthly, weekly := base.PeriodOf(base.Monthly, tx.Now()), base.PeriodOf(base.Weekly, tx.Now())
	query, args, err := store.In(ripenSQL, tx.NowMs(), monthly.First, weekly.First, free)
	if err != nil {
		return 0, fmt.Errorf("ripen commissions: %w", err)
	}
	if _, err := tx.Exec(ctx, query, args...); err != nil {
		return 0, fmt.Errorf("ripen commissions: %w", err)
	}
	return len(free), nil
}

// lockDue locks accruals and returns the shares of those that are still due under the lock. Reverse locks the accrual
// before it writes a reversing row, and Hold before it writes a hold on its line: so no reversal can slip in and miss
// the ripening, and no request that was there first is passed over.
func lockDue(ctx context.Context, tx *store.Tx, shares []base.ShareID) (free []base.ShareID, err error) {
	query, args, err := store.In(lockAccrualsSQL, shares)
	if err != nil {
		return nil, fmt.Errorf("ripen commissions: %w", err)
	}
	var locked []base.CommissionID
	if err := tx.Select(ctx, &locked, query, args...); err != nil {
		return nil, fmt.Errorf("ripen commissions: %w", err)
	}
	if query, args, err = store.In(stillDueSQL, shares, tx.NowMs(), tx.NowMs()); err == nil {
		err = tx.Select(ctx, &free, query, args...)
	}
	if err != nil {
		return nil, fmt.Errorf("ripen commissions: %w", err)
	}
	return free, nil
}
