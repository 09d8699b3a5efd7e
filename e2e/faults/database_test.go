package faults_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/play"
	"fenxiao/server/store/idem"
	"fenxiao/server/store/storetest/testservers"
)

const (
	buyers = 8
	// answerTime is how long a request may take while the database is gone: longer is a request that hangs.
	answerTime = 45 * time.Second
)

// TestDatabaseGone kills the database in the middle of orders: who is answered has the order, who is not gets an error
// soon, and when the database is back the same shop goes on, under the same keys, with each order once.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	if _, ok := testservers.MariaDB(t); !ok {
		return // said in the log, and a failure where servers are required
	}
	dir := t.TempDir()
	db, err := testservers.StartMariaDB(t.Context(), dir)
	require.NoError(t, err)
	t.Cleanup(func() { db.Kill() })
	town := shop.Build(t, shop.Open(t, shop.Options{DSN: newDatabase(t, db)}))
	crowd := newCrowd(t, town)

	run := crowd.order(t, 4*time.Second, func() {
		time.Sleep(700 * time.Millisecond) // orders are under way
		db.Kill()
	})
	require.NotEmpty(t, run.done, "some orders before")
	require.NotEmpty(t, run.failed, "some orders in the middle of it")
	for key, p := range run.failed {
		require.GreaterOrEqual(t, p.Status, 500, "%s: %v", key, p)
		require.NotEmpty(t, p.Code, "%s: %v", key, p)
		require.NotContains(t, p.Detail, "mysql")
	}
	require.Less(t, run.slowest, answerTime)
	require.Error(t, ready(t, town), "not ready without a database")

	back, err := testservers.StartMariaDB(t.Context(), dir)
	require.NoError(t, err)
	t.Cleanup(back.Kill)
	started := time.Now()
	require.NoError(t, play.Await(t.Context(), func(context.Context) (bool, error) { return ready(t, town) == nil, nil }))
	t.Logf("%d orders before, %d requests failed, slowest answer %d ms; ready %d ms after the database was back",
		len(run.done), len(run.failed), run.slowest.Milliseconds(), time.Since(started).Milliseconds())
	crowd.again(t, run)
	crowd.check(t, run.done)
	town.Settle(t)
	proved(t, town)
}

// again repeats what failed, under the same keys. A key whose run died with the database is free again when its lease
// ends, which is a minute of wall time: the test lets it end.
func (c *crowd) again(t *testing.T, run *outcome) {
	t.Helper()
	var running []string
	for key := range run.failed {
		id, err := c.once(t.Context(), key)
		if err != nil {
			require.Equal(t, idem.ErrRunning.Code, problemOf(t, err).Code, "%s: %v", key, err)
			running = append(running, key)
			continue
		}
		run.done[key] = id
	}
	require.LessOrEqual(t, len(running), len(c.people), "one request each was under way")
	_, err := c.town.App.DB.SQL().ExecContext(t.Context(), "UPDATE idem SET lease_until_ms = lease_until_ms - ? WHERE state = 'running'", idem.Lease.Milliseconds())
	require.NoError(t, err)
	for _, key := range running {
		run.done[key], err = c.once(t.Context(), key)
		require.NoError(t, err, key)
	}
	t.Logf("%d requests died with the database, and were done when they came again", len(running))
}

// newDatabase makes a database on a server of the test's own.
func newDatabase(t *testing.T, s *testservers.Server) string {
	t.Helper()
	db, err := sql.Open("mysql", s.DSN)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "CREATE DATABASE fenxiao CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	require.NoError(t, err)
	return s.DSN + "fenxiao"
}

func ready(t *testing.T, town *shop.Town) error {
	t.Helper()
	_, _, err := play.NewClient(town.Base, "probe").Raw(t.Context(), "/readyz")
	return err
}

// crowd are people who order the same thing all the time.
type crowd struct {
	town   *shop.Town
	people []*play.Person
}

func newCrowd(t *testing.T, town *shop.Town) *crowd {
	t.Helper()
	c := &crowd{town: town}
	for i := range buyers {
		p := town.Customer(fmt.Sprintf("buyer%d", i))
		require.NoError(t, p.Fresh(t.Context()))
		c.people = append(c.people, p)
	}
	return c
}

// outcome is what happened to orders, by key.
type outcome struct {
	mu      sync.Mutex
	done    map[string]string // id
	failed  map[string]*play.Problem
	cut     map[string]error // no answer at all
	slowest time.Duration
}

// order lets everybody order for a while, and does something to the shop meanwhile. A person stops at a connection that
// is refused.
func (c *crowd) order(t *testing.T, d time.Duration, meanwhile func()) *outcome {
	t.Helper()
	out := &outcome{done: map[string]string{}, failed: map[string]*play.Problem{}, cut: map[string]error{}}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var all sync.WaitGroup
	for i := range c.people {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				key := fmt.Sprintf("crowd-%02d-%010d", i, n)
				started := time.Now()
				id, err := c.once(t.Context(), key)
				if !out.note(key, id, err, time.Since(started)) {
					return
				}
				if err != nil {
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	meanwhile()
	all.Wait()
	return out
}

func (o *outcome) note(key, id string, err error, took time.Duration) (goOn bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slowest = max(o.slowest, took)
	var p *play.Problem
	switch {
	case err == nil:
		o.done[key] = id
	case errors.As(err, &p):
		o.failed[key] = p
	default:
		o.cut[key] = err
		return false
	}
	return true
}

// once places an order under a key; the key says whose it is.
func (c *crowd) once(ctx context.Context, key string) (id string, err error) {
	var i int
	if _, err := fmt.Sscanf(key, "crowd-%02d-", &i); err != nil {
		return "", err
	}
	var o play.Order
	sku := c.town.Coffee.SKUs[0]
	in := map[string]any{"items": []play.Item{{SKU: sku.ID, Qty: 1}}, "address": shop.Home, "expected_total_fen": sku.Price}
	err = c.people[i].Client.PostWith(ctx, key, "/api/v1/orders", in, &o)
	return o.ID, err
}

// check compares what was answered with what is stored: each acknowledged order is there, and no other.
func (c *crowd) check(t *testing.T, done map[string]string) {
	t.Helper()
	want := map[string]bool{}
	for key, id := range done {
		require.NotEmpty(t, id, key)
		require.False(t, want[id], "two keys, one order")
		want[id] = true
	}
	got := map[string]bool{}
	for _, p := range c.people {
		for cursor := ""; ; {
			var page struct {
				Items []struct {
					ID string `json:"id"`
				} `json:"items"`
				Next string `json:"next_cursor"`
			}
			require.NoError(t, p.Get(t.Context(), "/api/v1/orders?limit=100&cursor="+cursor, &page))
			for _, o := range page.Items {
				got[o.ID] = true
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	require.Equal(t, want, got)
}

// body is the JSON of an order, for those who send it byte by byte.
func (c *crowd) body(t *testing.T) []byte {
	t.Helper()
	sku := c.town.Coffee.SKUs[0]
	b, err := json.Marshal(map[string]any{"items": []play.Item{{SKU: sku.ID, Qty: 1}}, "address": shop.Home, "expected_total_fen": sku.Price})
	require.NoError(t, err)
	return b
}
