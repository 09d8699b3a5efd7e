package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/clock"
	"fenxiao/server/store"
	"fenxiao/server/store/outbox"
	"fenxiao/server/store/storetest"
)

func add(t *testing.T, db *store.DB, kind, ref string) {
	t.Helper()
	require.NoError(t, db.InTx(t.Context(), "add", func(ctx context.Context, tx *store.Tx) error {
		return outbox.Add(ctx, tx, outbox.Item{ID: tx.NextID(), Kind: kind, Ref: ref, Body: "{}", DueMs: tx.NowMs()})
	}))
}

func TestDrainer_EachItemOnceOverReplicas(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		const items = 40
		for i := range items {
			add(t, db, "hello", fmt.Sprint(i))
			add(t, db, "hello", fmt.Sprint(i)) // adding it twice adds it once
		}
		var mu sync.Mutex
		sent := map[string]int{}
		var wg sync.WaitGroup
		for replica := range 4 {
			d := &outbox.Drainer{DB: db, Owner: fmt.Sprint("replica", replica), Senders: map[string]outbox.Send{
				"hello": func(_ context.Context, it outbox.Item) error {
					mu.Lock()
					defer mu.Unlock()
					sent[it.Ref]++
					return nil
				},
			}}
			wg.Go(func() {
				if _, err := d.Run(t.Context(), 100); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Len(t, sent, items)
		for ref, n := range sent {
			require.Equal(t, 1, n, ref)
		}
		left, err := outbox.Backlog(t.Context(), db.Q(), storetest.Start)
		require.NoError(t, err)
		require.Zero(t, left)
	})
}

func TestDrainer_BacksOffAndGivesUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		add(t, db, "moody", "1")
		add(t, db, "hopeless", "1")
		add(t, db, "nobody sends this", "1")
		tries := 0
		d := &outbox.Drainer{DB: db, Owner: "one", Senders: map[string]outbox.Send{
			"moody": func(context.Context, outbox.Item) error {
				if tries++; tries <= outbox.AlarmTries {
					return errors.New("not now")
				}
				return nil
			},
			"hopeless": func(context.Context, outbox.Item) error { return outbox.GiveUp(errors.New("never")) },
		}}
		run := func() {
			_, err := d.Run(t.Context(), 10)
			require.NoError(t, err)
		}
		run()
		run()
		require.Equal(t, 1, tries, "it is not due again at once")
		for tries < outbox.AlarmTries {
			c.Advance(time.Hour)
			run()
		}
		trouble, err := outbox.Troubled(t.Context(), db.Q(), 10)
		require.NoError(t, err)
		require.Len(t, trouble, 3)
		c.Advance(time.Hour)
		run()
		trouble, err = outbox.Troubled(t.Context(), db.Q(), 10)
		require.NoError(t, err)
		require.Len(t, trouble, 2, "the moody one went through at last")
		for _, it := range trouble {
			require.Equal(t, "given_up", it.State)
			require.NotEmpty(t, it.Error)
		}
	})
}
