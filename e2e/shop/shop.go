// Package shop starts whole shops for the tests beside it: the program as app wires it, a WeChat simulator that it
// talks to over loopback, and people who use it over HTTP.
package shop

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/config"
	"fenxiao/server/access"
	"fenxiao/server/app"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/play"
	"fenxiao/server/store/storetest"
	"fenxiao/server/store/storetest/testservers"
	"fenxiao/server/wechat/sim"
)

const (
	stopTime = 20 * time.Second
	// OwnerPassword is what the first admin changes the one-time password to.
	OwnerPassword = "Kapok-Street-1998"
)

// Options say what a shop is started on. The zero value is a new SQLite file and an embedded Redis.
type Options struct {
	DSN   string      // a database on a server instead of a file
	Redis string      // host:port of a Redis server instead of the embedded one
	Clock clock.Clock // nil: one that stands at storetest.Start
	Log   io.Writer   // the shop's log, from debug level on; nil: nothing
	Fit   func(*config.Config)
}

// Shop is a running shop.
type Shop struct {
	*play.Shop
	App      *app.App
	WX       *sim.Server
	Merchant sim.Merchant
	Config   config.Config
	Manual   *clock.Manual // nil with another clock
	Login    play.AdminLogin

	stop func() error
}

// keys are one set for all simulators of a process: making them takes long.
var keys = sync.OnceValues(sim.GenerateKeys)

// Open starts a shop with an owner who has logged in. It ends with the test.
func Open(tb testing.TB, o Options) *Shop {
	tb.Helper()
	s := &Shop{}
	if o.Clock == nil {
		s.Manual = clock.NewManual(storetest.Start)
		o.Clock = s.Manual
	}
	log := slog.New(slog.DiscardHandler)
	if o.Log != nil {
		log = slog.New(slog.NewJSONHandler(o.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s.simulate(tb, o.Clock)
	s.Config = s.configure(tb, o)
	var err error
	s.App, err = app.New(tb.Context(), s.Config, app.Deps{Clock: o.Clock, Log: log})
	require.NoError(tb, err)
	tb.Cleanup(func() { s.App.Close(context.WithoutCancel(tb.Context())) })
	addr, err := s.App.Listen(tb.Context())
	require.NoError(tb, err)
	s.Shop = &play.Shop{Base: "http://" + addr, Clock: o.Clock, WeChat: s.WX}
	s.run(tb)
	s.hireOwner(tb)
	return s
}

func (s *Shop) simulate(tb testing.TB, c clock.Clock) {
	tb.Helper()
	k, err := keys()
	require.NoError(tb, err)
	dir := tb.TempDir()
	s.WX, err = sim.New(sim.Options{Dir: dir, Now: c.Now, Seed: 1, NotifySync: true, Keys: k})
	require.NoError(tb, err)
	_, err = s.WX.Start("127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), stopTime)
		defer cancel()
		if err := s.WX.Close(ctx); err != nil {
			tb.Errorf("close the simulator: %v", err)
		}
	})
	s.Merchant = s.WX.Merchant()
}

// configure is what an operator writes: the simulator's files, a database, a port of the system's choice.
func (s *Shop) configure(tb testing.TB, o Options) config.Config {
	tb.Helper()
	dir := tb.TempDir()
	cfg := config.Default()
	cfg.HTTP.Addr, cfg.HTTP.MetricsAddr = "127.0.0.1:0", ""
	cfg.HTTP.RatePerMinute = 0
	cfg.Jobs.Enabled = false
	cfg.Secret = config.Keys{KeyFile: filepath.Join(dir, "keys.json")}
	cfg.Redis = config.Redis{Addr: o.Redis, Prefix: "e2e:" + strings.ToLower(crypt.Token(12)) + ":"}
	if cfg.DB = (config.DB{DSN: config.Secret(o.DSN)}); o.DSN == "" {
		cfg.DB.File = storetest.SQLiteFile(tb)
	}
	m := s.Merchant
	private, public := filepath.Join(dir, "apiclient_key.pem"), filepath.Join(dir, "wechatpay_pub_key.pem")
	require.NoError(tb, os.WriteFile(private, m.PrivateKeyPEM, 0o600))
	require.NoError(tb, os.WriteFile(public, m.PublicKeyPEM, 0o600))
	w := &cfg.WeChat
	w.AppID, w.AppSecret, w.MchID, w.SerialNo = m.AppID, config.Secret(m.AppSecret), m.MchID, m.SerialNo
	w.PrivateKeyFile, w.PublicKeyFile, w.PublicKeyID = private, public, m.PublicKeyID
	w.APIV3Key, w.APIBase, w.PayBase = config.Secret(m.APIV3Key), m.BaseURL, m.BaseURL
	if o.Fit != nil {
		o.Fit(&cfg)
	}
	require.NoError(tb, cfg.Validate())
	return cfg
}

func (s *Shop) run(tb testing.TB) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.App.Run(ctx) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	tb.Cleanup(func() {
		if err := s.stop(); err != nil {
			tb.Errorf("stop the shop: %v", err)
		}
	})
}

// Stop ends serving as a signal would, and waits. It may be called again.
func (s *Shop) Stop() error { return s.stop() }

// hireOwner makes the first admin as the command line does.
func (s *Shop) hireOwner(tb testing.TB) {
	tb.Helper()
	made, err := s.App.Admins.Create(tb.Context(), access.NewAdmin{By: base.System, Account: "boss", Name: "店主", Role: access.Owner})
	require.NoError(tb, err)
	login := play.AdminLogin{Account: "boss", Password: made.Password, Secret: made.TOTP.Secret}
	s.Login, s.Owner, err = play.NewPassword(tb.Context(), s.Base, login, s.Clock, OwnerPassword)
	require.NoError(tb, err)
}

// Settle does what is due, in WeChat and in the shop, until nothing is left.
func (s *Shop) Settle(tb testing.TB) {
	tb.Helper()
	for range 2 {
		s.WX.Settle(tb.Context())
		require.NoError(tb, s.App.Settle(tb.Context()))
	}
}

// Pass moves the clock and does what became due.
func (s *Shop) Pass(tb testing.TB, d time.Duration) {
	tb.Helper()
	s.Manual.Advance(d)
	s.Settle(tb)
}

// Each runs a test on SQLite with the embedded Redis, and on MariaDB with a Redis server.
func Each(t *testing.T, fn func(t *testing.T, o Options)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, Options{})
	})
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		dsn, ok := testservers.NewDatabase(t)
		if !ok {
			return // said in the log, and a failure where servers are required
		}
		redis, ok := testservers.Redis(t)
		if !ok {
			return
		}
		fn(t, Options{DSN: dsn, Redis: redis})
	})
}
