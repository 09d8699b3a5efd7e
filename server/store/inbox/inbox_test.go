package inbox_test

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
	"fenxiao/server/store/inbox"
	"fenxiao/server/store/storetest"
)

func event(db *store.DB, name string) inbox.Event {
	return inbox.Event{ID: db.Mint.Next(), Source: "test", EventID: name, Kind: "k", Ref: name, Body: "{}"}
}

// count is an Apply whose effect is visible: a setting row per event, which fails on a second application.
func count(broken string) inbox.Apply {
	return func(ctx context.Context, tx *store.Tx, events []inbox.Event) ([]inbox.Result, error) {
		results := make([]inbox.Result, len(events))
		for i, e := range events {
			if e.EventID == broken {
				return nil, errors.New("this one is broken")
			}
			_, err := tx.Exec(ctx, `INSERT INTO setting (name, version, body, from_ms, made_ms, actor, reason) VALUES (?, 1, '', 0, 0, '', '')`, e.EventID)
			if err != nil {
				return nil, err
			}
			results[i].State = inbox.Applied
		}
		return results, nil
	}
}

func TestApplier_EachEventOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		ctx := t.Context()
		var wg sync.WaitGroup
		for range 20 { // the same notification twenty times at once
			wg.Go(func() {
				if err := inbox.Store(ctx, db, event(db, "twenty")); err != nil {
					t.Error(err)
				}
			})
		}
		for i := range 100 {
			require.NoError(t, inbox.Store(ctx, db, event(db, fmt.Sprint(i)), event(db, fmt.Sprint(i))))
		}
		wg.Wait()
		a := &inbox.Applier{DB: db, Apply: count("")}
		for range 4 { // appliers of several replicas
			wg.Go(func() {
				if _, err := a.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var n int
		require.NoError(t, db.Q().Get(ctx, &n, `SELECT COUNT(*) FROM setting`))
		require.Equal(t, 101, n)
	})
}

func TestApplier_OneBrokenEventHoldsUpNobody(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		ctx := t.Context()
		for i := range 10 {
			require.NoError(t, inbox.Store(ctx, db, event(db, fmt.Sprint(i))))
		}
		var failures int
		a := &inbox.Applier{DB: db, Apply: count("3"), OnError: func(inbox.Event, int, error) { failures++ }}
		n, err := a.Run(ctx)
		require.NoError(t, err)
		require.Equal(t, 9, n)
		require.Equal(t, 1, failures)

		n, err = a.Run(ctx)
		require.NoError(t, err)
		require.Zero(t, n, "it backs off")

		for range inbox.AlarmTries {
			c.Advance(time.Hour)
			_, err = a.Run(ctx)
			require.NoError(t, err)
		}
		trouble, err := inbox.Troubled(ctx, db.Q(), 10)
		require.NoError(t, err)
		require.Len(t, trouble, 1)
		require.Equal(t, "3", trouble[0].EventID)
		require.Contains(t, trouble[0].Outcome, "broken")

		a.Apply = count("")
		require.NoError(t, db.InTx(ctx, "revive", func(ctx context.Context, tx *store.Tx) error {
			_, err := inbox.Revive(ctx, tx, trouble[0].ID)
			return err
		}))
		n, err = a.Run(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		state, err := inbox.StateOf(ctx, db.Q(), "test", "3")
		require.NoError(t, err)
		require.Equal(t, inbox.Applied, state)
	})
}
