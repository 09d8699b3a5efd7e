package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"fenxiao/server/wechat/sim"
)

// runWxsim serves the WeChat simulator alone until it is interrupted.
func runWxsim(ctx context.Context, c *call) error {
	f := c.flags()
	addr := f.String("addr", "127.0.0.1:8099", "where to listen; port 0 takes a free one, merchant.json names it")
	dir := f.String("dir", "", "folder for keys, merchant.json and books; it is kept and goes on when started again (required)")
	certs := f.Bool("certificates", false, "the merchant also has a platform certificate, as older merchants do")
	if err := c.parse(f, 0); err != nil {
		return err
	}
	if *dir == "" {
		return c.misused("--dir is required")
	}
	o := sim.Options{
		Dir: *dir, Certificates: *certs, Production: os.Getenv("FENXIAO_ENV") == "production" || os.Getenv("ENV") == "production",
		Log: slog.New(slog.NewTextHandler(c.errOut, nil)),
	}
	return sim.Run(ctx, o, *addr, func(base string) {
		fmt.Fprintf(c.out, `模拟微信 SIMULATED WeChat: no real money moves.

API       %s   (in place of https://api.weixin.qq.com and https://api.mch.weixin.qq.com)
Page      %s/_sim/   (pay and confirm as the user)
Keys      %s   (merchant.json, apiclient_key.pem, apiclient_cert.pem, wechatpay_pub_key.pem)
`, base, base, *dir)
	})
}
