// Package storetest runs the same test on SQLite and on MariaDB.
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"fenxiao/server/base/clock"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest/testservers"
	sqlfiles "fenxiao/sql"
)

// Start is where the clocks of tests stand: a Monday morning in Shanghai.
var Start = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)

// Each runs fn on a migrated, empty database of each kind, with a clock that stands at Start. A kind that cannot run
// here is named in the log and counted, and fails the test where servers are required.
func Each(t *testing.T, fn func(t *testing.T, db *store.DB, c *clock.Manual)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		c := clock.NewManual(Start)
		fn(t, SQLite(t, c), c)
	})
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		c := clock.NewManual(Start)
		if db := MariaDB(t, c); db != nil {
			fn(t, db, c)
		}
	})
}

// SQLite returns a migrated, empty database in a temporary folder.
func SQLite(tb testing.TB, c clock.Clock) *store.DB {
	tb.Helper()
	db, err := store.Open(tb.Context(), store.Options{File: SQLiteFile(tb), Clock: c})
	require.NoError(tb, err)
	tb.Cleanup(func() { db.Close() })
	return db
}

// SQLiteFile returns a migrated, empty SQLite file. It is migrated once per process and copied.
func SQLiteFile(tb testing.TB) string {
	tb.Helper()
	content, err := template()
	require.NoError(tb, err)
	file := filepath.Join(tb.TempDir(), "test.db")
	require.NoError(tb, os.WriteFile(file, content, 0o600))
	return file
}

var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "fenxiao-template")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "template.db")
	db, err := store.Open(context.Background(), store.Options{File: file, Clock: clock.System{}})
	if err != nil {
		return nil, err
	}
	if _, err := db.Migrate(context.Background()); err != nil {
		db.Close()
		return nil, err
	}
	if err := db.Close(); err != nil { // folds the write-ahead log into the file
		return nil, err
	}
	return os.ReadFile(file)
})

// MariaDB returns a migrated, empty database, or nil where no server is there and none is required.
func MariaDB(tb testing.TB, c clock.Clock) *store.DB {
	tb.Helper()
	dsn, ok := MariaDBDSN(tb)
	if !ok {
		return nil
	}
	db, err := store.Open(tb.Context(), store.Options{DSN: dsn, Clock: c})
	require.NoError(tb, err)
	tb.Cleanup(func() { db.Close() })
	return db
}

// MariaDBDSN returns the DSN of a database of the test's own with all tables, or false.
func MariaDBDSN(tb testing.TB) (string, bool) {
	tb.Helper()
	dsn, ok := testservers.NewDatabase(tb)
	if !ok {
		return "", false
	}
	require.NoError(tb, createTables(dsn))
	return dsn, true
}

// createTables runs the migrations as one text, which takes a fraction of goose's bookkeeping. That goose itself
// gives the same tables is a test of package store.
func createTables(dsn string) error {
	ddl, err := ddl()
	if err != nil {
		return err
	}
	db, err := sqlx.Open("mysql", dsn+"?multiStatements=true")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec(ddl); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	return nil
}

var ddl = sync.OnceValues(func() (string, error) {
	names, err := fs.Glob(sqlfiles.FS, "*.sql")
	if err != nil {
		return "", err
	}
	sort.Strings(names)
	var out bytes.Buffer
	for _, name := range names {
		b, err := fs.ReadFile(sqlfiles.FS, name)
		if err != nil {
			return "", err
		}
		text, ok := strings.CutPrefix(string(b), "-- +goose Up\n")
		if !ok {
			return "", fmt.Errorf("%s does not begin with -- +goose Up", name)
		}
		out.WriteString(text)
	}
	return out.String(), nil
})
