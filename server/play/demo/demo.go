// Package demo runs a shop that one can look at without anything else: SQLite, the embedded Redis, the WeChat simulator,
// and data made through the real flows over the days that end now.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"fenxiao/config"
	"fenxiao/server/access"
	"fenxiao/server/app"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/play"
	"fenxiao/server/wechat/sim"
)

// Options say where the demo lives.
type Options struct {
	Addr string // of the shop, host:port
	Dir  string // keeps the database, the keys, the simulator's books and the log-ins
	Days int    // of data, ending now
	Out  io.Writer
	Log  *slog.Logger
}

// dated is a clock that is in the past while data is made, and the machine's afterwards.
type dated struct {
	past   *clock.Manual
	making atomic.Bool
}

func (d *dated) Now() time.Time {
	if d.making.Load() {
		return d.past.Now()
	}
	return clock.System{}.Now()
}

// demo is one run.
type demo struct {
	o     Options
	clock *dated
	wx    *sim.Server
	app   *app.App
	shop  *play.Shop
	kept  kept
}

// Run opens the folder, serves, makes what data is missing, and stays until ctx ends.
func Run(ctx context.Context, o Options) error {
	d := &demo{o: o, clock: &dated{past: clock.NewManual(clock.Wall())}}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	if err := d.load(); err != nil {
		return err
	}
	if !d.kept.Made {
		d.clock.past.Set(d.kept.next(o.Days))
		d.clock.making.Store(true)
	}
	stop, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer stop()
	addr, err := d.app.Listen(ctx)
	if err != nil {
		return err
	}
	d.shop = &play.Shop{Base: "http://" + addr, Clock: d.clock, WeChat: d.wx}
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.app.Run(serving) }()
	fmt.Fprintf(o.Out, "店铺已启动 / the shop answers: http://%s/docs\n", addr)
	err = d.furnish(ctx)
	if err == nil {
		d.welcome(addr)
		err = d.app.Jobs.Serve(ctx)
	}
	cancel()
	if served := <-ended; ctx.Err() == nil {
		err = errors.Join(err, served)
	}
	if ctx.Err() != nil {
		return nil // asked to stop
	}
	return err
}

// open starts the simulator and builds the shop.
func (d *demo) open(ctx context.Context) (stop func(), err error) {
	d.wx, err = sim.New(sim.Options{Dir: filepath.Join(d.o.Dir, "wechat"), Now: d.clock.Now, NotifySync: true, Log: d.o.Log})
	if err != nil {
		return nil, err
	}
	_, err = d.wx.Start(d.beside())
	if err != nil { // the port is taken: any other will do
		_, err = d.wx.Start("127.0.0.1:0")
	}
	if err != nil {
		return nil, err
	}
	closeSim := func() { _ = d.wx.Close(context.WithoutCancel(ctx)) }
	client, err := play.ClientOf(d.wx.Merchant())
	if err != nil {
		closeSim()
		return nil, err
	}
	d.app, err = app.New(ctx, d.config(), app.Deps{Clock: d.clock, Log: d.o.Log, WeChat: client})
	if err != nil {
		closeSim()
		return nil, err
	}
	return func() {
		d.app.Close(context.WithoutCancel(ctx))
		closeSim()
	}, nil
}

// beside is the shop's next port, so that the simulator is where one expects it.
func (d *demo) beside() string {
	_, port, err := net.SplitHostPort(d.o.Addr)
	n, perr := strconv.Atoi(port)
	if err != nil || perr != nil || n == 0 {
		return "127.0.0.1:0"
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(n+1))
}

func (d *demo) config() config.Config {
	c := config.Default()
	c.HTTP.Addr, c.HTTP.MetricsAddr, c.HTTP.PublicURL = d.o.Addr, "", "http://"+d.o.Addr
	c.HTTP.RatePerMinute = 0 // the data is made by many people behind one address
	c.DB.File = filepath.Join(d.o.Dir, "demo.db")
	c.Secret.KeyFile = filepath.Join(d.o.Dir, "keys.json")
	c.Jobs.Enabled = false // they are started when the data is made
	return c
}

// furnish makes what is missing: the people and goods first, then day after day.
func (d *demo) furnish(ctx context.Context) error {
	if d.kept.Made {
		return nil
	}
	if !d.kept.Set {
		if err := d.setUp(ctx); err != nil {
			return fmt.Errorf("set up the demo shop: %w", err)
		}
	}
	if err := d.makeDays(ctx); err != nil {
		return fmt.Errorf("make the demo's data: %w", err)
	}
	d.kept.Made = true
	if err := d.save(); err != nil {
		return err
	}
	d.clock.making.Store(false)
	return nil
}

// boss makes the first admin as the command line does.
func (d *demo) boss(ctx context.Context) error {
	made, err := d.app.Admins.Create(ctx, access.NewAdmin{By: base.System, Account: "boss", Name: "店主", Role: access.Owner})
	if err != nil {
		return err
	}
	login := play.AdminLogin{Account: "boss", Password: made.Password, Secret: made.TOTP.Secret}
	login, d.shop.Owner, err = play.NewPassword(ctx, d.shop.Base, login, d.clock, passwords["boss"])
	d.kept.Admins = append(d.kept.Admins, login)
	return err
}

// welcome says where everything is.
func (d *demo) welcome(addr string) {
	w := d.o.Out
	fmt.Fprintf(w, `
接口文档 / API      http://%s/docs
微信模拟器 / WeChat  %s/_sim/   （付款、确认收款都在这里点 / pay and confirm here）
数据目录 / folder    %s
顾客登录 / customers: POST /api/v1/auth/wechat {"code": "sim:zhou:1"}   （冒号后换成任意名字和编号 / any name and number）
管理员 / admins: POST /api/admin/v1/session {"account": …, "password": …, "code": …}
`, addr, d.wx.Merchant().BaseURL, d.o.Dir)
	for _, a := range d.kept.Admins {
		fmt.Fprintf(w, "  %-10s %-24s 动态码密钥 / one-time code secret  %s\n", a.Account, a.Password, a.Secret)
	}
	fmt.Fprintf(w, "停止 / stop: Ctrl-C\n")
}
