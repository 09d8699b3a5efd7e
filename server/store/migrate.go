package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	sqlfiles "fenxiao/sql"
)

// MigrationStatus is one migration file and whether it was applied.
type MigrationStatus struct {
	Version int64
	File    string
	Applied bool
}

func (db *DB) provider() (*goose.Provider, error) {
	dialect := database.DialectSQLite3
	if db.Dialect == MySQL {
		dialect = database.DialectMySQL
	}
	p, err := goose.NewProvider(dialect, db.write.DB, fs.FS(sqlfiles.FS), goose.WithAllowOutofOrder(true))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}

// Migrate applies what is missing. Several replicas may start at once: they take turns under a lock.
func (db *DB) Migrate(ctx context.Context) (applied int, err error) {
	unlock, err := db.lockMigrations(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	p, err := db.provider()
	if err != nil {
		return 0, err
	}
	for try := 1; ; try++ {
		results, err := p.Up(ctx)
		applied += len(results)
		if err == nil {
			return applied, nil
		}
		// On SQLite another process may have applied the same file between our look and our turn to write.
		if db.Dialect != SQLite || try == migrateTriesMax {
			return applied, fmt.Errorf("migrate: %w", err)
		}
	}
}

// MigrationStatuses lists all migrations.
func (db *DB) MigrationStatuses(ctx context.Context) ([]MigrationStatus, error) {
	p, err := db.provider()
	if err != nil {
		return nil, err
	}
	list, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("read migration status: %w", err)
	}
	out := make([]MigrationStatus, len(list))
	for i, s := range list {
		out[i] = MigrationStatus{s.Source.Version, s.Source.Path, s.State == goose.StateApplied}
	}
	return out, nil
}

// ErrMigrationsPending says that the database's tables are older than the program.
var ErrMigrationsPending = errors.New("store: migrations are pending; run: fenxiao migrate up")

// CheckMigrated returns ErrMigrationsPending if a migration was not applied.
func (db *DB) CheckMigrated(ctx context.Context) error {
	list, err := db.MigrationStatuses(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		if !s.Applied {
			return ErrMigrationsPending
		}
	}
	return nil
}

// Empty says whether the database has no tables at all.
func (db *DB) Empty(ctx context.Context) (bool, error) {
	query := `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'`
	if db.Dialect == MySQL {
		query = `SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()`
	}
	var n int
	err := db.Q().Get(ctx, &n, query)
	return n == 0, err
}

const (
	migrateTriesMax      = 3
	migrationLockSeconds = 60
)

const (
	lockMigrationsSQL   = `SELECT GET_LOCK(CONCAT('fenxiao.migrate.', LEFT(DATABASE(), 40)), ?)`
	unlockMigrationsSQL = `SELECT RELEASE_LOCK(CONCAT('fenxiao.migrate.', LEFT(DATABASE(), 40)))`
)

// lockMigrations holds MySQL's named lock on a connection of its own. SQLite's single writer needs none.
func (db *DB) lockMigrations(ctx context.Context) (unlock func(), err error) {
	if db.Dialect == SQLite {
		return func() {}, nil
	}
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock migrations: %w", err)
	}
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, lockMigrationsSQL, migrationLockSeconds).Scan(&got); err != nil {
		conn.Close()
		return nil, fmt.Errorf("lock migrations: %w", err)
	}
	if got.Int64 != 1 {
		conn.Close()
		return nil, errors.New("lock migrations: another process has been migrating for a minute")
	}
	return func() {
		var released sql.NullInt64
		if err := conn.QueryRowContext(context.WithoutCancel(ctx), unlockMigrationsSQL).Scan(&released); err != nil {
			db.log.Warn("release migration lock", "error", err)
		}
		conn.Close()
	}, nil
}
