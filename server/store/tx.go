package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/jmoiron/sqlx"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/ids"
)

const (
	txTriesMax = 8
	txAgeMax   = 60 * time.Second
	txPauseMax = 20 * time.Millisecond // of the first retry; grows with each
)

// ErrUnknown says that a COMMIT was sent and its outcome did not come back. It is not run again here: the caller runs
// the whole again under the same ids, where the unique reference answers.
var ErrUnknown = errors.New("store: outcome of the commit is unknown")

// ErrTooOld says that a transaction took longer than a minute and was rolled back: what reads "up to here" by time
// relies on it (architecture, "The horizon").
var ErrTooOld = errors.New("store: transaction is older than 60 s")

var errNested = errors.New("store: InTx inside InTx")

// Tx is one attempt of a transaction. It reads like Q and writes.
type Tx struct {
	reader
	raw  *sqlx.Tx
	now  time.Time
	mint *ids.Mint
}

// Now is the time at which the transaction started. A retry keeps it, so that it decides as the first attempt did.
func (tx *Tx) Now() time.Time { return tx.now }

// NowMs is Now as the database has it.
func (tx *Tx) NowMs() int64 { return tx.now.UnixMilli() }

// NextID mints an id for a row that nobody outside the database knows yet. What leaves the database (a number for
// WeChat, the id of an answer) is minted before the transaction instead.
func (tx *Tx) NextID() int64 { return tx.mint.Next() }

// Block mints n ids, ids.Stride apart, and returns the first.
func (tx *Tx) Block(n int) int64 { return tx.mint.Block(n) }

// Exec runs a statement and returns how many rows it found.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := tx.raw.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// ExecOne runs a statement that must change exactly one row, and says whether it did. More than one is a bug and an
// error.
func (tx *Tx) ExecOne(ctx context.Context, query string, args ...any) (bool, error) {
	n, err := tx.Exec(ctx, query, args...)
	if err == nil && n > 1 {
		err = fmt.Errorf("store: %d rows changed where one may be", n)
	}
	return n == 1, err
}

// Insert runs an INSERT of named columns for one struct, or for a slice of them in one statement. An empty slice does
// nothing.
func (tx *Tx) Insert(ctx context.Context, query string, rows any) error {
	if n, isSlice := sliceLen(rows); isSlice {
		return tx.insertSlice(ctx, query, rows, n)
	}
	_, err := tx.raw.NamedExecContext(ctx, query, rows)
	return err
}

type txKey struct{}

// InTx runs fn in a transaction and commits it. On a conflict with another transaction it runs fn again, so fn must
// change nothing outside the database, and mints its ids outside. fn gets a context of its own, which carries the mark
// that refuses a transaction inside a transaction.
func (db *DB) InTx(ctx context.Context, name string, fn func(context.Context, *Tx) error) error {
	if ctx.Value(txKey{}) != nil {
		return fmt.Errorf("%s: %w", name, errNested)
	}
	ctx = context.WithValue(ctx, txKey{}, name)
	now, started := db.Clock.Now().UTC().Truncate(time.Millisecond), clock.Wall()
	for try := 1; ; try++ {
		err := db.attempt(ctx, now, started, fn)
		if err == nil {
			return nil
		}
		if !retryable(err) || errors.Is(err, ErrUnknown) || try == txTriesMax {
			return fmt.Errorf("%s: %w", name, err)
		}
		db.onRetry(name, err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", name, ctx.Err())
		case <-time.After(time.Duration(rand.Int64N(int64(try) * int64(txPauseMax)))):
		}
	}
}

func (db *DB) attempt(ctx context.Context, now, started time.Time, fn func(context.Context, *Tx) error) (err error) {
	raw, err := db.write.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer raw.Rollback() // after Commit it is a no-op
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: panic in transaction: %v\n%s", p, debug.Stack())
		}
	}()
	if err := fn(ctx, &Tx{reader{raw}, raw, now, db.Mint}); err != nil {
		return err
	}
	if clock.Wall().Sub(started) > txAgeMax {
		return ErrTooOld
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := raw.Commit(); err != nil {
		if retryable(err) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return nil
}

// NotFound says that a Get found no row.
func NotFound(err error) bool { return errors.Is(err, sql.ErrNoRows) }
