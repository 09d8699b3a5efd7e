// Package races_test lets people do the same thing at the same instant, over HTTP, at two replicas of one shop that share
// a MariaDB and a Redis server; after each race the invariants are proved over the whole database.
package races_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/config"
	"fenxiao/e2e/shop"
	"fenxiao/server/app"
	"fenxiao/server/audit"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/money"
	"fenxiao/server/play"
	"fenxiao/server/store/storetest/testservers"
)

// world is a shop with a past, served by two replicas.
type world struct {
	*shop.Town
	apps  []*app.App
	bases []string
	rival *play.Distributor // a second team leader
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dsn, ok := testservers.NewDatabase(t)
	if !ok {
		return nil // said in the log, and a failure where servers are required
	}
	redis, ok := testservers.Redis(t)
	if !ok {
		return nil
	}
	s := shop.Open(t, shop.Options{DSN: dsn, Redis: redis, Fit: func(c *config.Config) {
		c.Redis.Prefix = "races:" + crypt.Password(12) + ":" // the server remembers earlier runs, whose ids are the same
	}})
	w := &world{Town: shop.Build(t, s), apps: []*app.App{s.App}, bases: []string{s.Base}}
	w.join(t)
	var err error
	w.rival, err = w.Recruit(t.Context(), "rival", "team_leader")
	require.NoError(t, err)
	limits := map[string]any{"daily_count": 100, "daily_amount_fen": 2_000_000}
	require.NoError(t, w.PutSetting(t.Context(), w.Finance, "withdrawal", "policy", "不让限额挡住", limits))
	return w
}

// join starts a second replica on the first one's database and Redis.
func (w *world) join(t *testing.T) {
	t.Helper()
	a, err := app.New(t.Context(), w.Config, app.Deps{Clock: w.Clock, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { a.Close(context.WithoutCancel(t.Context())) })
	addr, err := a.Listen(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stop the second replica: %v", err)
		}
	})
	w.apps, w.bases = append(w.apps, a), append(w.bases, "http://"+addr)
}

// at is a person's access to one of the replicas, by any number.
func (w *world) at(p *play.Person, i int) *play.Client {
	c := p.As(p.Token)
	c.Base = w.bases[i%len(w.bases)]
	return c
}

// fresh makes sure that the people's log-ins hold while they race.
func (w *world) fresh(t *testing.T, people ...*play.Person) {
	t.Helper()
	for _, p := range people {
		require.NoError(t, p.Fresh(t.Context()))
	}
}

// atOnce makes n calls as near to the same instant as goroutines get, and counts what came of them by the code of the
// refusal; "" is a success. What is no refusal fails the test.
func atOnce(t *testing.T, n int, call func(ctx context.Context, i int) error) map[string]int {
	t.Helper()
	results, start := make([]error, n), make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			results[i] = call(t.Context(), i)
		})
	}
	close(start)
	wg.Wait()
	out := map[string]int{}
	for i, err := range results {
		code, known := codeOf(err)
		require.True(t, known, "call %d: %v", i, err)
		out[code]++
	}
	return out
}

func codeOf(err error) (code string, known bool) {
	if err == nil {
		return "", true
	}
	var p *play.Problem
	if errors.As(err, &p) {
		return p.Code, p.Status < 500
	}
	e, ok := errs.As(err)
	if !ok {
		return "", false
	}
	return e.Code, e.Kind != errs.Internal
}

// count reads one number from the database, for what the API does not tell.
func (w *world) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, w.App.DB.Q().Get(t.Context(), &n, query, args...))
	return n
}

// wallet is the leader's, after what the replicas still had to do.
func (w *world) wallet(t *testing.T) play.Wallet {
	t.Helper()
	wallet, err := w.Leader.Wallet(t.Context())
	require.NoError(t, err)
	require.False(t, wallet.Available > 0 && wallet.Debt < 0, "%+v", wallet)
	return wallet
}

// owned is what belongs to the leader, wherever it lies.
func owned(w play.Wallet) money.Fen { return w.Available + w.Withdrawing + w.Debt }

// proved runs the audit over everything.
func (w *world) proved(t *testing.T) {
	t.Helper()
	report, err := audit.Run(t.Context(), w.App.DB)
	require.NoError(t, err)
	for _, r := range report.Results {
		require.True(t, r.OK(), "%d %s: %+v", r.Invariant, r.Name, r.Wrong)
	}
	require.Empty(t, w.WX.Books().Violations)
	require.Empty(t, w.WX.Check())
}
