package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"fenxiao/config"
	"fenxiao/server/base/clock"
	"fenxiao/server/store"
)

// databaseFlags name a database, and what else the configuration says.
type databaseFlags struct {
	db, dsn, file, redis string
}

func (d *databaseFlags) add(f *flag.FlagSet) {
	f.StringVar(&d.db, "db", "", "SQLite `FILE`")
	f.StringVar(&d.dsn, "dsn", "", "`DSN` of MySQL, MariaDB or TiDB, such as user@tcp(127.0.0.1:3306)/fenxiao")
	f.StringVar(&d.file, "config", "", "configuration `FILE`; config/config.example.yaml shows all settings")
}

func (d *databaseFlags) addRedis(f *flag.FlagSet) {
	f.StringVar(&d.redis, "redis", "", "Redis at `HOST:PORT`; without it one runs inside the process")
}

// config reads the configuration; what the command line names replaces what the file and the environment name.
func (d *databaseFlags) config() (config.Config, error) {
	if d.db != "" && d.dsn != "" {
		return config.Config{}, errors.New("give --db or --dsn, not both")
	}
	file := d.file
	if file == "" {
		file = os.Getenv("FENXIAO_CONFIG")
	}
	cfg, err := config.Load(file, os.Environ())
	if err != nil {
		return cfg, err
	}
	if d.db != "" || d.dsn != "" {
		cfg.DB = config.DB{File: d.db, DSN: config.Secret(d.dsn)}
	}
	if d.redis != "" {
		cfg.Redis.Addr = d.redis
	}
	return cfg, cfg.Validate()
}

// open opens the database that the flags name.
func (d *databaseFlags) open(ctx context.Context, log *slog.Logger) (config.Config, *store.DB, error) {
	cfg, err := d.config()
	if err != nil {
		return cfg, nil, err
	}
	if err := requireDatabase(cfg); err != nil {
		return cfg, nil, err
	}
	db, err := store.Open(ctx, store.Options{File: cfg.DB.File, DSN: cfg.DB.DSN.Reveal(), Clock: clock.System{}, Log: log})
	if err != nil && cfg.DB.File != "" {
		err = fmt.Errorf("%s: %w", cfg.DB.File, err)
	}
	return cfg, db, err
}

// openExisting refuses a SQLite file that is not there: opening it would make an empty one.
func (d *databaseFlags) openExisting(ctx context.Context, log *slog.Logger) (config.Config, *store.DB, error) {
	cfg, err := d.config()
	if err != nil {
		return cfg, nil, err
	}
	if err := mustExist(cfg); err != nil {
		return cfg, nil, err
	}
	return d.open(ctx, log)
}

func mustExist(cfg config.Config) error {
	if file := cfg.DB.File; file != "" {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("no database: %w", err)
		}
	}
	return nil
}

func requireDatabase(cfg config.Config) error {
	if cfg.DB.File == "" && cfg.DB.DSN == "" {
		return errors.New("no database: give --db FILE or --dsn DSN, or set FENXIAO_DB or FENXIAO_DSN")
	}
	return nil
}
