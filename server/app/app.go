// Package app wires the program: configuration in, a running shop out. The commands and the end-to-end tests use it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"fenxiao/config"
	"fenxiao/jobs"
	miniprogramapi "fenxiao/miniprogram-api"
	"fenxiao/server/access"
	"fenxiao/server/adminapi"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/flow"
	"fenxiao/server/httpx"
	"fenxiao/server/redisx"
	"fenxiao/server/store"
	"fenxiao/server/store/idem"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

// Version is the program's; the release build sets it.
var Version = "dev"

// WeChat is both sides of WeChat; live.Client is one.
type WeChat interface {
	wechat.Mini
	wechat.Pay
}

// Deps is what the configuration cannot say.
type Deps struct {
	Clock  clock.Clock // nil: the machine's
	Log    *slog.Logger
	WeChat WeChat // nil: the real one, from the configuration
}

// App is a shop that can run.
type App struct {
	DB        *store.DB
	Redis     *redisx.Client
	Flow      *flow.Flow
	Admins    *access.Admins
	Customers *access.Customers
	Idem      *idem.Store
	Jobs      *jobs.Runner
	Engine    *httpx.Engine
	Metrics   *httpx.Metrics

	cfg     config.Config
	log     *slog.Logger
	applier *inbox.Applier
	wake    chan struct{}
	node    *store.Node
	server  *httpx.Server
}

// New opens the database and Redis and builds everything. Tables are brought up to date; default levels are made in a
// new shop. Close what New returned.
func New(ctx context.Context, cfg config.Config, deps Deps) (*App, error) {
	a := &App{cfg: cfg, log: deps.Log, wake: make(chan struct{}, 1), Metrics: httpx.NewMetrics()}
	if deps.Clock == nil {
		deps.Clock = clock.System{}
	}
	if err := a.open(ctx, deps); err != nil {
		a.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	if err := a.Flow.SeedDefaults(ctx); err != nil {
		a.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return a, nil
}

func (a *App) open(ctx context.Context, deps Deps) (err error) {
	keys, err := a.cfg.Secret.Keys()
	if err != nil {
		return err
	}
	box, err := crypt.NewBox(keys)
	if err != nil {
		return err
	}
	a.Redis, err = redisx.Open(ctx, redisx.Options{
		Addr: a.cfg.Redis.Addr, Password: a.cfg.Redis.Password.Reveal(), Prefix: a.cfg.Redis.Prefix,
		Embedded: a.cfg.Redis.Embedded(), Now: deps.Clock.Now,
	})
	if err != nil {
		return err
	}
	if deps.WeChat == nil {
		if deps.WeChat, err = realWeChat(a.cfg.WeChat, a.Redis.TokenCache()); err != nil {
			return err
		}
	}
	retries := newRetries(a.Metrics.Registry) // the database last: a mistake in the settings above leaves it as it is
	a.DB, err = store.Open(ctx, store.Options{
		File: a.cfg.DB.File, DSN: a.cfg.DB.DSN.Reveal(), Clock: deps.Clock, Log: a.log, OnRetry: retries,
	})
	if err != nil {
		return err
	}
	if _, err := a.DB.Migrate(ctx); err != nil {
		return err
	}
	owner := crypt.Token(12)
	if a.node, err = a.DB.LeaseNode(ctx, owner); err != nil {
		return err
	}
	a.build(deps, box, keys, owner)
	return a.doors()
}

// build makes what has no door yet.
func (a *App) build(deps Deps, box *crypt.Box, keys crypt.Keys, owner string) {
	a.Flow = &flow.Flow{
		DB: a.DB, Mini: deps.WeChat, Pay: deps.WeChat, Allowances: a.Redis, Limiter: a.Redis, Box: box,
		Shop: shopOf(a.cfg), Log: a.log, Alarm: newAlarm(a.log, a.Metrics.Registry), Wake: a.wakeApplier,
	}
	a.Admins = access.NewAdmins(a.DB, box, keys.Token)
	a.Customers = access.NewCustomers(a.DB, keys.Token)
	a.Idem = idem.New(a.DB, box)
	a.Jobs = jobs.NewRunner(a.DB, owner, a.jobTable(owner), a.log, a.Metrics.Registry)
	a.applier = &inbox.Applier{DB: a.DB, Apply: a.Flow.ApplyInbox, OnError: func(e inbox.Event, tries int, err error) {
		a.log.Error("apply event", "event", e.ID, "kind", e.Kind, "ref", e.Ref, "tries", tries, "error", err)
		if tries >= inbox.AlarmTries {
			a.Flow.Alarm("inbox.stuck", e.Ref)
		}
	}}
}

// doors adds every operation.
func (a *App) doors() (err error) {
	https := strings.HasPrefix(a.cfg.HTTP.PublicURL, "https:")
	a.Engine, err = httpx.NewEngine(httpx.Options{
		Log: a.log, Metrics: a.Metrics, TrustedProxies: a.cfg.HTTP.TrustedProxies, RequestTimeout: a.cfg.HTTP.RequestTimeout,
		BodyTimeout: a.cfg.HTTP.BodyTimeout, BodyMaxBytes: a.cfg.HTTP.BodyMaxBytes, HTTPS: https,
	})
	if err != nil {
		return err
	}
	rate := httpx.Rate{PerMinute: a.cfg.HTTP.RatePerMinute, Burst: a.cfg.HTTP.RateBurst}
	customerAuth := httpx.NewCustomerAuth(a.Customers, a.distributorOf)
	client := httpx.NewAPI(a.Engine, httpx.Audience{
		Name: "client", Title: "Fenxiao: customers and distributors", Version: Version, Prefix: "/api/v1",
		Auth: customerAuth, Idem: a.Idem, Limiter: a.Redis, Rate: rate, Schemes: customerAuth.Schemes(),
	})
	adminAuth := httpx.NewAdminAuth(a.Admins, https)
	admin := httpx.NewAPI(a.Engine, httpx.Audience{
		Name: "admin", Title: "Fenxiao: the people who run the shop", Version: Version, Prefix: "/api/admin/v1",
		Auth: adminAuth, Idem: a.Idem, Limiter: a.Redis, Rate: rate, Schemes: adminAuth.Schemes(),
	})
	(&miniprogramapi.API{Flow: a.Flow, Customers: a.Customers, Pay: a.Flow.Pay}).Register(client)
	(&adminapi.API{Flow: a.Flow, Admins: a.Admins, Auth: adminAuth, Jobs: a.Jobs}).Register(admin)
	checks := append(httpx.DatabaseChecks(a.DB), httpx.Check{Name: "redis", Run: a.Redis.Ping})
	httpx.RegisterHealth(client, checks...)
	httpx.RegisterDocs(client)
	return nil
}

func (a *App) distributorOf(ctx context.Context, c base.CustomerID) (base.DistributorID, error) {
	d, is, err := distributor.ByCustomer(ctx, a.DB.Q(), c)
	if err != nil || !is {
		return 0, err
	}
	return d.ID, nil
}

// wakeApplier never waits: one wake-up that nobody has taken yet is enough.
func (a *App) wakeApplier() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Listen takes the configured addresses and returns where requests are taken. A port that the system chose is also the
// one under which WeChat, the simulator that is, reaches the shop.
func (a *App) Listen(ctx context.Context) (addr string, err error) {
	h := a.cfg.HTTP
	a.server = &httpx.Server{
		Engine: a.Engine, Metrics: a.Metrics, Addr: h.Addr, MetricsAddr: h.MetricsAddr, Log: a.log,
		ReadHeaderTimeout: h.ReadHeaderTimeout, IdleTimeout: h.IdleTimeout, DrainDelay: h.DrainDelay, ShutdownTimeout: h.ShutdownTimeout,
	}
	if addr, err = a.server.Listen(ctx); err != nil {
		return "", err
	}
	if strings.HasSuffix(h.Addr, ":0") {
		reachedAt(&a.Flow.Shop, "http://"+addr)
	}
	return addr, nil
}

// MetricsAddress is where metrics are served, "" for nowhere.
func (a *App) MetricsAddress() string { return a.server.MetricsAddress() }

// Run serves until ctx ends. Requests end first, then what works behind them.
func (a *App) Run(ctx context.Context) error {
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, behind := errgroup.WithContext(behind)
	group.Go(func() error { return a.applyForEver(behind) })
	group.Go(func() error { return a.renewNode(behind) })
	if a.cfg.Jobs.Enabled {
		group.Go(func() error { return a.Jobs.Serve(behind) })
	}
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // what works behind fails only when the program cannot go on
		<-behind.Done()
		cancel()
	}()
	err := a.server.Serve(serving)
	stop()
	return errors.Join(err, group.Wait())
}

// applyEvery is how often the applier looks without being woken: what another replica stored, or what backed off.
const applyEvery = time.Second

func (a *App) applyForEver(ctx context.Context) error {
	tick := time.NewTicker(applyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
		case <-tick.C:
		}
		if _, err := a.applier.Run(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("apply inbox", "error", err)
		}
	}
}

// Settle applies what waits in the inbox and runs due jobs until nothing is left to do: for those who move the clock
// by hand.
func (a *App) Settle(ctx context.Context) error {
	if _, err := a.applier.Run(ctx); err != nil {
		return err
	}
	if err := a.Jobs.RunDue(ctx); err != nil {
		return err
	}
	_, err := a.applier.Run(ctx)
	return err
}

// renewNode keeps the node number. A process that has lost it must not mint ids any more, so the program ends.
func (a *App) renewNode(ctx context.Context) error {
	tick := time.NewTicker(store.RenewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := a.node.Renew(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		a.log.Error("renew node number", "error", err)
		if errors.Is(err, store.ErrNodeLost) {
			return fmt.Errorf("stop: %w", err)
		}
	}
}

// Close gives back what New took.
func (a *App) Close(ctx context.Context) {
	if a.node != nil {
		if err := a.node.Release(ctx); err != nil {
			a.log.Warn("release node number", "error", err)
		}
	}
	if a.Redis != nil {
		if err := a.Redis.Close(); err != nil {
			a.log.Warn("close redis", "error", err)
		}
	}
	if a.DB != nil {
		if err := a.DB.Close(); err != nil {
			a.log.Warn("close database", "error", err)
		}
	}
}
