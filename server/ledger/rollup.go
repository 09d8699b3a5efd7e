package ledger

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/ids"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// Horizon is how far roll-ups stay behind the present: an id minted before commit can become visible later than a
// higher one, and no transaction older than a minute commits.
const Horizon = 5 * time.Minute

const (
	balanceSQL = `
SELECT COALESCE((SELECT balance_fen FROM ledger_rollup WHERE account = ? AND owner_id = ?), 0)
  + COALESCE((SELECT SUM(amount_fen) FROM ledger_entry WHERE account = ? AND owner_id = ?
      AND id > COALESCE((SELECT mark_id FROM ledger_rollup WHERE account = ? AND owner_id = ?), 0)), 0)`

	// movedSQL finds the owners whose pending has moved since the lowest mark in use.
	movedSQL = `
SELECT e.account, e.owner_id, SUM(e.amount_fen) AS amount_fen
FROM ledger_entry e
LEFT JOIN ledger_rollup r ON r.account = e.account AND r.owner_id = e.owner_id
WHERE e.account = ? AND e.owner_id > ? AND e.owner_id <= ? AND e.id > COALESCE(r.mark_id, 0) AND e.id < ?
GROUP BY e.account, e.owner_id`
	ownersSQL = `SELECT DISTINCT owner_id FROM ledger_entry WHERE account = ? AND owner_id > ? ORDER BY owner_id LIMIT ?`
	markSQL   = `SELECT COALESCE(MAX(mark_id), -1) FROM ledger_rollup WHERE account = ? AND owner_id = ?`
	foldSQL   = `UPDATE ledger_rollup SET balance_fen = balance_fen + ?, mark_id = ?, made_ms = ? WHERE account = ? AND owner_id = ? AND mark_id = ?`
	startSQL  = `INSERT INTO ledger_rollup (account, owner_id, mark_id, balance_fen, made_ms) VALUES (?, ?, ?, ?, ?)`
	sumSQL    = `SELECT COALESCE(SUM(amount_fen), 0) FROM ledger_entry WHERE account = ? AND owner_id = ? AND id > ? AND id <= ?`
)

// Balance is the present balance of a side without a balance row: the last roll-up plus the entries since.
func Balance(ctx context.Context, q store.Q, s Side) (money.Fen, error) {
	var sum money.Fen
	err := q.Get(ctx, &sum, balanceSQL, s.Account, s.Owner, s.Account, s.Owner, s.Account, s.Owner)
	if err != nil {
		return 0, fmt.Errorf("read balance of %s: %w", s.Account, err)
	}
	return sum, nil
}

// PendingOf is what a distributor has accrued that is on no posted statement.
func PendingOf(ctx context.Context, q store.Q, d base.DistributorID) (money.Fen, error) {
	return Balance(ctx, q, Of(Pending, d))
}

// rolledUp are the accounts without a balance row.
var rolledUp = []Account{
	Sales, Refunds, WechatClearing, WechatFee, CommissionExpense, Payout, FeeIncome, TaxPayable, WriteOff, Pending,
}

// RollUp folds entries older than the horizon into the roll-ups, owner by owner, at most limit owners per account. Two
// at once do no harm: a roll-up moves by compare-and-set on its mark.
func RollUp(ctx context.Context, db *store.DB, limit int) (done int, err error) {
	mark := ids.Floor(db.Clock.Now().Add(-Horizon)) - 1
	for _, account := range rolledUp {
		n, err := rollUpAccount(ctx, db, account, mark, limit)
		done += n
		if err != nil {
			return done, fmt.Errorf("roll up %s: %w", account, err)
		}
	}
	return done, nil
}

const ownersPerRead = 500

func rollUpAccount(ctx context.Context, db *store.DB, account Account, mark int64, limit int) (done int, err error) {
	after := base.DistributorID(-1)
	for done < limit {
		var owners []base.DistributorID
		if err := db.Q().Select(ctx, &owners, ownersSQL, account, after, ownersPerRead); err != nil {
			return done, err
		}
		if len(owners) == 0 {
			return done, nil
		}
		var moved []entryRow
		last := owners[len(owners)-1]
		if err := db.Q().Select(ctx, &moved, movedSQL, account, after, last, mark+1); err != nil {
			return done, err
		}
		for _, m := range moved {
			if err := fold(ctx, db, Side{account, m.Owner}, mark); err != nil {
				return done, err
			}
			done++
		}
		after = last
	}
	return done, nil
}

// fold moves one roll-up to a new mark. The sum is taken again inside the transaction, from the mark that the update
// then demands.
func fold(ctx context.Context, db *store.DB, s Side, mark int64) error {
	return db.InTx(ctx, "ledger.fold", func(ctx context.Context, tx *store.Tx) error {
		var old int64
		if err := tx.Get(ctx, &old, markSQL, s.Account, s.Owner); err != nil {
			return err
		}
		if old >= mark {
			return nil
		}
		var sum money.Fen
		if err := tx.Get(ctx, &sum, sumSQL, s.Account, s.Owner, old, mark); err != nil {
			return err
		}
		if old == -1 {
			_, err := tx.Exec(ctx, startSQL, s.Account, s.Owner, mark, sum, tx.NowMs())
			if store.IsDup(err) {
				return nil // another replica has just folded it
			}
			return err
		}
		_, err := tx.Exec(ctx, foldSQL, sum, mark, tx.NowMs(), s.Account, s.Owner, old)
		return err
	})
}
