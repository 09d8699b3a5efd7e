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

	// movedSQL finds who moved since the last roll-up, from the entries of that time alone.
	movedSQL = `SELECT DISTINCT account, owner_id FROM ledger_entry WHERE id > ? AND id <= ?`
	// lastSQL is the mark of the last roll-up. Whoever it did not get to keeps an older mark: the balance is right all the
	// same, and is folded with the next entry.
	lastSQL  = `SELECT COALESCE(MAX(mark_id), 0) FROM ledger_rollup`
	markSQL  = `SELECT COALESCE(MAX(mark_id), -1) FROM ledger_rollup WHERE account = ? AND owner_id = ?`
	foldSQL  = `UPDATE ledger_rollup SET balance_fen = balance_fen + ?, mark_id = ?, made_ms = ? WHERE account = ? AND owner_id = ? AND mark_id = ?`
	startSQL = `INSERT INTO ledger_rollup (account, owner_id, mark_id, balance_fen, made_ms) VALUES (?, ?, ?, ?, ?)`
	sumSQL   = `SELECT COALESCE(SUM(amount_fen), 0) FROM ledger_entry WHERE account = ? AND owner_id = ? AND id > ? AND id <= ?`
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

// RollUp folds entries older than the horizon into the roll-ups, owner by owner, at most limit of them. Two at once do
// no harm: a roll-up moves by compare-and-set on its mark.
func RollUp(ctx context.Context, db *store.DB, limit int) (done int, err error) {
	mark := ids.Floor(db.Clock.Now().Add(-Horizon)) - 1
	var last int64
	if err := db.Q().Get(ctx, &last, lastSQL); err != nil {
		return 0, fmt.Errorf("read roll-ups: %w", err)
	}
	var moved []Side
	if err := db.Q().Select(ctx, &moved, movedSQL, last, mark); err != nil {
		return 0, fmt.Errorf("find accounts to roll up: %w", err)
	}
	for _, s := range moved {
		if s.inWallet() {
			continue
		}
		if done == limit {
			break
		}
		if err := fold(ctx, db, s, mark); err != nil {
			return done, fmt.Errorf("roll up %s: %w", s.Account, err)
		}
		done++
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
