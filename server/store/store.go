// Package store opens the database and runs transactions; it knows no business. One SQL text serves SQLite (the
// default: one file, nothing to install), MySQL 8 / MariaDB 10.6+, and TiDB.
package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/jmoiron/sqlx"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/ids"
)

// Dialect is the family of the database that is open.
type Dialect string

const (
	SQLite Dialect = "sqlite"
	MySQL  Dialect = "mysql" // MySQL, MariaDB, TiDB
)

// Options says which database to open. Exactly one of File and DSN is set.
type Options struct {
	File    string // SQLite file
	DSN     string // go-sql-driver DSN, user:password@tcp(host:port)/name
	Clock   clock.Clock
	Log     *slog.Logger // nil: discard
	OnRetry func(tx string, err error)
}

// DB is a database with a clock and a mint of ids.
type DB struct {
	Dialect Dialect
	Clock   clock.Clock
	Mint    *ids.Mint

	write   *sqlx.DB
	read    *sqlx.DB // the same as write, but for SQLite
	log     *slog.Logger
	onRetry func(tx string, err error)
}

// Q is what reads need: the database outside of a transaction, a transaction, or a snapshot.
type Q interface {
	Get(ctx context.Context, dest any, query string, args ...any) error
	Select(ctx context.Context, dest any, query string, args ...any) error
	Each(ctx context.Context, query string, fn func(*sqlx.Rows) error, args ...any) error
}

// Open opens the database and checks that it answers. Ids are minted for node 0 until LeaseNode gives the process a
// number of its own.
func Open(ctx context.Context, o Options) (*DB, error) {
	db := &DB{Clock: o.Clock, Mint: ids.NewMint(o.Clock, 0), log: o.Log, onRetry: o.OnRetry}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.onRetry == nil {
		db.onRetry = func(string, error) {}
	}
	var err error
	switch {
	case (o.File == "") == (o.DSN == ""):
		return nil, fmt.Errorf("open database: give a SQLite file or a DSN, one of the two")
	case o.File != "":
		db.Dialect = SQLite
		db.write, db.read, err = openSQLite(o.File)
	default:
		db.Dialect = MySQL
		db.write, err = openMySQL(o.DSN)
		db.read = db.write
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := db.write.PingContext(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// Close closes all connections.
func (db *DB) Close() error {
	err := db.write.Close()
	if db.read != db.write {
		if e := db.read.Close(); err == nil {
			err = e
		}
	}
	return err
}

// Ping says whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.read.PingContext(ctx) }

// SQL is the pool that writes, for goose.
func (db *DB) SQL() *sql.DB { return db.write.DB }

// Stats tells how the connections are used, for metrics.
func (db *DB) Stats() sql.DBStats { return db.write.Stats() }

// Q reads outside of a transaction: each statement sees what is committed.
func (db *DB) Q() Q { return reader{db.read} }

// Snapshot reads in one read-only transaction: all statements see the same state of the database.
func (db *DB) Snapshot(ctx context.Context, fn func(Q) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if db.Dialect == MySQL {
		opts.Isolation = sql.LevelRepeatableRead
	}
	raw, err := db.read.BeginTxx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin snapshot: %w", err)
	}
	defer raw.Rollback()
	return fn(reader{raw})
}

// now reads the database's own clock.
const nowMySQLSQL = `SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)`

// Skew tells how far the process's clock is ahead of the database's; 0 on SQLite, which has none of its own.
func (db *DB) Skew(ctx context.Context) (time.Duration, error) {
	if db.Dialect == SQLite {
		return 0, nil
	}
	var ms int64
	if err := db.Q().Get(ctx, &ms, nowMySQLSQL); err != nil {
		return 0, err
	}
	return clock.Wall().Sub(time.UnixMilli(ms)), nil
}

type queryer interface {
	sqlx.QueryerContext
	GetContext(ctx context.Context, dest any, query string, args ...any) error
	SelectContext(ctx context.Context, dest any, query string, args ...any) error
}

type reader struct{ q queryer }

func (r reader) Get(ctx context.Context, dest any, query string, args ...any) error {
	return r.q.GetContext(ctx, dest, query, args...)
}

func (r reader) Select(ctx context.Context, dest any, query string, args ...any) error {
	return r.q.SelectContext(ctx, dest, query, args...)
}

// Each calls fn for every row, without holding them all in memory.
func (r reader) Each(ctx context.Context, query string, fn func(*sqlx.Rows) error, args ...any) error {
	rows, err := r.q.QueryxContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// In expands slices among the arguments into lists of placeholders, for WHERE x IN (?).
func In(query string, args ...any) (string, []any, error) { return sqlx.In(query, args...) }
