package main

import (
	"context"
	"fmt"
	"path/filepath"

	"fenxiao/config"
	"fenxiao/server/play/demo"
)

const demoDaysMax = 366

func runDemo(ctx context.Context, c *call) error {
	f := c.flags()
	addr := f.String("addr", "127.0.0.1:8080", "`HOST:PORT` of the shop")
	dir := f.String("dir", "fenxiao-demo", "`DIR` that keeps the demo; started again, it goes on")
	days := f.Int("days", 90, "`N` days of data, ending now")
	if err := c.parse(f, 0); err != nil {
		return err
	}
	if *days < 1 || *days > demoDaysMax {
		return c.misused("--days is 1 to %d", demoDaysMax)
	}
	folder, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, "单机模式 / one machine: SQLite, Redis inside the process, WeChat simulated. Nothing here is real.")
	log := newLog(c.errOut, config.Log{Level: "error", Format: "text"})
	return demo.Run(ctx, demo.Options{Addr: *addr, Dir: folder, Days: *days, Out: c.out, Log: log})
}
