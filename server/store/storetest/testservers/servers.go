// Package testservers gives tests a real MariaDB and a real Redis.
//
// Usually both are started once for the whole test run by
// server/store/storetest/cmd/withservers, which names them in the environment; a package's tests
// ask here for what it started. A test that must stop, kill or empty a server starts one of its
// own with [StartMariaDB] or [StartRedis].
//
// What could not run is never silent: without a server a test says so in its log, with a count,
// and where servers are required ([RequireEnv] or CI) it fails.
package testservers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The environment through which a test run learns of its servers.
const (
	// MariaDBEnv holds a DSN without a database name, such as root@unix(/tmp/x/mysqld.sock)/.
	MariaDBEnv = "FENXIAO_TEST_MARIADB"
	// RedisEnv holds host:port.
	RedisEnv = "FENXIAO_TEST_REDIS"
	// RequireEnv set to 1 makes a missing server a failure; so does CI=true.
	RequireEnv = "FENXIAO_TEST_REQUIRE"
)

// The two counters number a process's tests that ran without a server, so that the last line of
// that kind in a log says how many there were.
var (
	withoutMariaDB atomic.Int64
	withoutRedis   atomic.Int64
	databaseNumber atomic.Int64
)

// MariaDB returns the DSN prefix of the run's MariaDB (no database name) and true. Without a
// server it logs that this test did without and returns false, or fails the test where servers
// are required.
func MariaDB(tb testing.TB) (dsnPrefix string, ok bool) {
	tb.Helper()
	return lookup(tb, MariaDBEnv, "MariaDB", &withoutMariaDB)
}

// Redis returns host:port of the run's Redis and true; without a server it does as [MariaDB]
// does. The server is shared with all other tests of the run: use a key prefix of your own, and
// never FLUSHALL (for that, [StartRedis]).
func Redis(tb testing.TB) (addr string, ok bool) {
	tb.Helper()
	return lookup(tb, RedisEnv, "Redis", &withoutRedis)
}

// NewDatabase creates an empty database on the run's MariaDB, drops it when the test ends, and
// returns its DSN (plain: the parameters are the caller's choice). ok is false without a server.
func NewDatabase(tb testing.TB) (dsn string, ok bool) {
	tb.Helper()
	prefix, ok := MariaDB(tb)
	if !ok {
		return "", false
	}
	dsn, drop, err := createDatabase(tb.Context(), prefix)
	if err != nil {
		tb.Fatalf("create a test database: %v", err)
	}
	tb.Cleanup(func() {
		if err := drop(); err != nil {
			tb.Errorf("drop the test database: %v", err)
		}
	})
	return dsn, true
}

func lookup(tb testing.TB, env, name string, without *atomic.Int64) (string, bool) {
	tb.Helper()
	if value := os.Getenv(env); value != "" {
		return value, true
	}
	n := without.Add(1)
	if os.Getenv(RequireEnv) == "1" || os.Getenv("CI") == "true" {
		tb.Fatalf("NOT RUN on %s: %s is not set, and servers are required here", name, env)
	}
	tb.Logf("NOT RUN on %s: %s is not set (test %d of this package without it); `make test` runs it",
		name, env, n)
	return "", false
}

const databaseTriesMax = 100

// createDatabase makes a database with a name that nobody else has: the process id and a count
// tell live processes apart, and the try after "exists" steps over what a killed one left behind.
func createDatabase(ctx context.Context, prefix string) (dsn string, drop func() error, err error) {
	cfg, err := mysql.ParseDSN(prefix)
	if err != nil {
		return "", nil, fmt.Errorf("parse %s: %w", MariaDBEnv, err)
	}
	for range databaseTriesMax {
		name := fmt.Sprintf("fenxiao_test_%d_%d", os.Getpid(), databaseNumber.Add(1))
		err = execOnce(ctx, prefix, "CREATE DATABASE "+name+
			" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
		if isDatabaseExists(err) {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		cfg.DBName = name
		return cfg.FormatDSN(), func() error {
			// The test's context has ended by now.
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			return execOnce(ctx, prefix, "DROP DATABASE IF EXISTS "+name)
		}, nil
	}
	return "", nil, fmt.Errorf("no free database name in %d tries", databaseTriesMax)
}

func execOnce(ctx context.Context, dsn, query string) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return fmt.Errorf("open MariaDB: %w", err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, query); err != nil {
		return fmt.Errorf("run %q: %w", strings.SplitN(query, " ", 3)[0], err)
	}
	return nil
}

func isDatabaseExists(err error) bool {
	const errDatabaseExists = 1007
	var myErr *mysql.MySQLError
	return errors.As(err, &myErr) && myErr.Number == errDatabaseExists
}
