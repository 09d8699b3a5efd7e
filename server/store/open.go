package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // driver "sqlite"
)

const (
	sqliteReaders   = 8
	mysqlConns      = 64
	mysqlIdleConns  = 32
	connLifetime    = 30 * time.Minute
	busyTimeoutMs   = 10_000
	mysqlDialTime   = 5 * time.Second
	mysqlAnswerTime = 30 * time.Second
)

// openSQLite gives one connection that writes and several that read. busy_timeout comes first, so that the pragmas
// after it wait too; synchronous is FULL, because a payment must survive a power cut.
func openSQLite(file string) (write, read *sqlx.DB, err error) {
	pragmas := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeoutMs), "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	}}
	path := (&url.URL{Scheme: "file", Opaque: url.PathEscape(file)}).String()
	write, err = sqlx.Open("sqlite", path+"?_txlock=immediate&"+pragmas.Encode())
	if err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1)
	write.SetMaxIdleConns(1)
	pragmas.Add("_pragma", "query_only(1)")
	read, err = sqlx.Open("sqlite", path+"?"+pragmas.Encode())
	if err != nil {
		write.Close()
		return nil, nil, err
	}
	read.SetMaxOpenConns(sqliteReaders)
	read.SetMaxIdleConns(sqliteReaders)
	return write, read, nil
}

func openMySQL(dsn string) (*sqlx.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read DSN: %w", err)
	}
	cfg.ClientFoundRows = true // else an update that changes nothing counts 0 rows
	cfg.InterpolateParams = true
	cfg.ParseTime = true // for goose; our own times are numbers
	cfg.Loc = time.UTC
	cfg.Collation = "utf8mb4_bin"
	defaultTo(&cfg.Timeout, mysqlDialTime)
	defaultTo(&cfg.ReadTimeout, mysqlAnswerTime)
	defaultTo(&cfg.WriteTimeout, mysqlAnswerTime)
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	cfg.Params["sql_mode"] = "'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY'"
	cfg.Params["time_zone"] = "'+00:00'"
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("read DSN: %w", err)
	}
	db := sqlx.NewDb(sql.OpenDB(readCommitted{connector}), "mysql")
	db.SetMaxOpenConns(mysqlConns)
	db.SetMaxIdleConns(mysqlIdleConns)
	db.SetConnMaxLifetime(connLifetime)
	return db, nil
}

func defaultTo(d *time.Duration, v time.Duration) {
	if *d == 0 {
		*d = v
	}
}

// readCommitted sets the isolation of each new connection. It is a statement, because MySQL, MariaDB and TiDB do not
// agree on the name of the variable; and per connection, because per transaction it would cost a round trip each.
type readCommitted struct{ driver.Connector }

func (c readCommitted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	_, err = conn.(driver.ExecerContext).ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
