// Package setting keeps what operators decide: each setting is a JSON document with versions. A version is never
// changed; the newest one whose start has come is in force, so that every decision can name the version it was made by.
package setting

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// Validator is what a setting's type checks of itself before a version is stored.
type Validator interface{ Validate() error }

// Row is one stored version.
type Row struct {
	Name    string `db:"name"`
	Version int    `db:"version"`
	Body    string `db:"body"`
	FromMs  int64  `db:"from_ms"`
	MadeMs  int64  `db:"made_ms"`
	Actor   string `db:"actor"`
	Reason  string `db:"reason"`
}

const (
	columns    = `name, version, body, from_ms, made_ms, actor, reason`
	currentSQL = `SELECT ` + columns + ` FROM setting WHERE name = ? AND from_ms <= ? ORDER BY version DESC LIMIT 1`
	versionSQL = `SELECT ` + columns + ` FROM setting WHERE name = ? AND version = ?`
	historySQL = `SELECT ` + columns + ` FROM setting WHERE name = ? ORDER BY version`
	lastSQL    = `SELECT COALESCE(MAX(version), 0) FROM setting WHERE name = ?`
	insertSQL  = `INSERT INTO setting (` + columns + `) VALUES (:name, :version, :body, :from_ms, :made_ms, :actor, :reason)`
)

// Current returns the version in force at an instant. Without any stored version it is def, with version 0.
func Current[T any](ctx context.Context, q store.Q, name string, at time.Time, def T) (value T, version int, err error) {
	return read(ctx, q, name, def, currentSQL, name, base.Ms(at))
}

// Version returns one version; 0 is def.
func Version[T any](ctx context.Context, q store.Q, name string, version int, def T) (T, error) {
	if version == 0 {
		return def, nil
	}
	value, _, err := read(ctx, q, name, def, versionSQL, name, version)
	return value, err
}

func read[T any](ctx context.Context, q store.Q, name string, def T, query string, args ...any) (value T, version int, err error) {
	var row Row
	err = q.Get(ctx, &row, query, args...)
	if store.NotFound(err) {
		return def, 0, nil
	}
	if err != nil {
		return def, 0, fmt.Errorf("read setting %s: %w", name, err)
	}
	value = def // a field that an older version lacks has its default
	if err := json.Unmarshal([]byte(row.Body), &value); err != nil {
		return def, 0, fmt.Errorf("read setting %s version %d: %w", name, row.Version, err)
	}
	return value, row.Version, nil
}

// Change is a new version of a setting.
type Change struct {
	Name   string
	Value  Validator
	From   time.Time // zero: at once
	Actor  base.Actor
	Reason string
}

// ErrRaced says that somebody else stored the same version first.
var ErrRaced = errs.E(errs.Conflict, "setting.raced", "设置刚被他人修改，请刷新后再试", errs.EN("Somebody else has just changed this setting. Reload and try again."))

// Put stores a new version and returns its number.
func Put(ctx context.Context, tx *store.Tx, c Change) (version int, err error) {
	if err := c.Value.Validate(); err != nil {
		return 0, err
	}
	body, err := json.Marshal(c.Value)
	if err != nil {
		return 0, fmt.Errorf("write setting %s: %w", c.Name, err)
	}
	if err := tx.Get(ctx, &version, lastSQL, c.Name); err != nil {
		return 0, fmt.Errorf("write setting %s: %w", c.Name, err)
	}
	version++
	from := c.From
	if from.IsZero() {
		from = tx.Now()
	}
	err = tx.Insert(ctx, insertSQL, Row{c.Name, version, string(body), base.Ms(from), tx.NowMs(), c.Actor.String(), c.Reason})
	if store.IsDup(err) {
		return 0, ErrRaced
	}
	return version, err
}

// History lists all versions, oldest first.
func History(ctx context.Context, q store.Q, name string) ([]Row, error) {
	var rows []Row
	err := q.Select(ctx, &rows, historySQL, name)
	return rows, err
}
