package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"fenxiao/config"
	"fenxiao/server/app"
)

func runServe(ctx context.Context, c *call) error {
	f := c.flags()
	var d databaseFlags
	d.add(f)
	d.addRedis(f)
	addr := f.String("addr", "", "`HOST:PORT` to serve at, instead of the configuration's")
	if err := c.parse(f, 0); err != nil {
		return err
	}
	cfg, err := d.config()
	if err != nil {
		return err
	}
	if *addr != "" {
		cfg.HTTP.Addr = *addr
	}
	if cfg.DB.File == "" && cfg.DB.DSN == "" {
		cfg.DB.File = "fenxiao.db"
	}
	if err := cfg.RequireWeChat(); err != nil {
		return err
	}
	log := newLog(c.errOut, cfg.Log)
	shop, err := app.New(ctx, cfg, app.Deps{Log: log})
	if err != nil {
		return err
	}
	defer shop.Close(context.WithoutCancel(ctx))
	at, err := shop.Listen(ctx)
	if err != nil {
		return err
	}
	if cfg.Redis.Embedded() {
		log.Warn("单机模式: Redis runs inside this process; limits are of this process alone. Set redis.addr for more than one.")
	}
	fmt.Fprintf(c.out, "serving http://%s  docs http://%s/docs  metrics %s\n", at, at, shop.MetricsAddress())
	return shop.Run(ctx)
}

func newLog(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
