package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"fenxiao/config"
	"fenxiao/server/wechat/sim"
)

func runWxsim(ctx context.Context, c *call) error {
	f := c.flags()
	addr := f.String("addr", "127.0.0.1:8090", "`HOST:PORT` to listen at; port 0 takes a free one")
	dir := f.String("dir", "", "`DIR` for keys, books and merchant.json, which any WeChat Pay client can use")
	if err := c.parse(f, 0); err != nil {
		return err
	}
	if *dir == "" {
		return c.misused("--dir DIR is missing")
	}
	o := sim.Options{Dir: *dir, Log: newLog(c.errOut, config.Default().Log), Production: os.Getenv("ENV") == "production"}
	return sim.Run(ctx, o, *addr, func(base string) {
		fmt.Fprintf(c.out, "WeChat simulator (模拟, not WeChat) at %s\ncontrol and people: %s/_sim/\nfor clients: %s\n", base, base, filepath.Join(*dir, "merchant.json"))
	})
}
