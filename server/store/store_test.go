package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/clock"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
	"fenxiao/server/store/storetest/testservers"
)

func addSetting(ctx context.Context, tx *store.Tx, name string, version int) error {
	_, err := tx.Exec(ctx, `INSERT INTO setting (name, version, body, from_ms, made_ms, actor, reason) VALUES (?, ?, '{}', 0, 0, '', '')`, name, version)
	return err
}

func TestInTx(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		ctx := t.Context()
		count := func() (n int) {
			require.NoError(t, db.Q().Get(ctx, &n, `SELECT COUNT(*) FROM setting`))
			return n
		}

		broken := errors.New("broken")
		err := db.InTx(ctx, "test", func(ctx context.Context, tx *store.Tx) error {
			require.NoError(t, addSetting(ctx, tx, "a", 1))
			return broken
		})
		require.ErrorIs(t, err, broken)
		require.Zero(t, count(), "an error rolls back")

		err = db.InTx(ctx, "test", func(ctx context.Context, tx *store.Tx) error {
			require.NoError(t, addSetting(ctx, tx, "a", 1))
			panic("out of the blue")
		})
		require.ErrorContains(t, err, "out of the blue")
		require.Zero(t, count(), "a panic rolls back")

		err = db.InTx(ctx, "test", func(ctx context.Context, tx *store.Tx) error {
			require.Equal(t, storetest.Start, tx.Now())
			require.NoError(t, addSetting(ctx, tx, "a", 1))
			err := addSetting(ctx, tx, "a", 1)
			require.True(t, store.IsDup(err), "%v", err)
			return addSetting(ctx, tx, "a", 2)
		})
		require.NoError(t, err)
		require.Equal(t, 2, count(), "the transaction goes on after a duplicate")

		err = db.InTx(ctx, "outer", func(ctx context.Context, _ *store.Tx) error {
			return db.InTx(ctx, "inner", func(context.Context, *store.Tx) error { return nil })
		})
		require.ErrorContains(t, err, "InTx inside InTx")
	})
}

func TestInTx_RunsAgainAfterADeadlock(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		ctx := t.Context()
		require.NoError(t, db.InTx(ctx, "seed", func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(addSetting(ctx, tx, "a", 1), addSetting(ctx, tx, "b", 1))
		}))
		const workers, rounds = 8, 10
		var wg sync.WaitGroup
		var done atomic.Int64
		for w := range workers {
			order := []string{"a", "b"}
			if w%2 == 1 {
				order = []string{"b", "a"} // the wrong way round on purpose
			}
			wg.Go(func() {
				for range rounds {
					err := db.InTx(ctx, "deadlock", func(ctx context.Context, tx *store.Tx) error {
						for _, name := range order {
							if _, err := tx.Exec(ctx, `UPDATE setting SET from_ms = from_ms + 1 WHERE name = ?`, name); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Error(err)
						return
					}
					done.Add(1)
				}
			})
		}
		wg.Wait()
		var sum int64
		require.NoError(t, db.Q().Get(ctx, &sum, `SELECT SUM(from_ms) FROM setting`))
		require.EqualValues(t, workers*rounds, done.Load())
		require.EqualValues(t, 2*workers*rounds, sum, "each transaction took effect once")
	})
}

func TestSnapshot_SeesOneState(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		ctx := t.Context()
		err := db.Snapshot(ctx, func(q store.Q) error {
			var before, after int
			require.NoError(t, q.Get(ctx, &before, `SELECT COUNT(*) FROM setting`))
			require.NoError(t, db.InTx(ctx, "write", func(ctx context.Context, tx *store.Tx) error {
				return addSetting(ctx, tx, "a", 1)
			}))
			require.NoError(t, q.Get(ctx, &after, `SELECT COUNT(*) FROM setting`))
			require.Equal(t, before, after)
			return nil
		})
		require.NoError(t, err)
	})
}

func TestMigrate_TwiceAndAtOnce(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, o store.Options) *store.DB {
		o.Clock = clock.System{}
		db, err := store.Open(t.Context(), o)
		require.NoError(t, err)
		t.Cleanup(func() { db.Close() })
		return db
	}
	check := func(t *testing.T, dbs ...*store.DB) {
		empty, err := dbs[0].Empty(t.Context())
		require.NoError(t, err)
		require.True(t, empty)
		require.ErrorIs(t, dbs[0].CheckMigrated(t.Context()), store.ErrMigrationsPending)
		var wg sync.WaitGroup
		for _, db := range dbs {
			wg.Go(func() {
				if _, err := db.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.NoError(t, dbs[0].CheckMigrated(t.Context()))
		n, err := dbs[0].Migrate(t.Context())
		require.NoError(t, err)
		require.Zero(t, n, "nothing is left to do")
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		check(t, open(t, store.Options{File: filepath.Join(t.TempDir(), "x y.db")}))
	})
	t.Run("mariadb", func(t *testing.T) {
		t.Parallel()
		dsn, ok := testservers.NewDatabase(t)
		if ok {
			check(t, open(t, store.Options{DSN: dsn}), open(t, store.Options{DSN: dsn}), open(t, store.Options{DSN: dsn}))
		}
	})
}

func TestLeaseNode_GivesEachItsOwn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		const processes = 10
		dbs := make([]*store.DB, processes)
		var wg sync.WaitGroup
		for i := range dbs {
			copied := *db
			dbs[i] = &copied
			wg.Go(func() {
				if _, err := dbs[i].LeaseNode(t.Context(), string(rune('a'+i))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		nodes := map[int64]bool{}
		for _, d := range dbs {
			nodes[d.Mint.Next()&1023] = true
		}
		require.Len(t, nodes, processes)
	})
}

func TestNode_RenewAndRelease(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		n, err := db.LeaseNode(t.Context(), "one")
		require.NoError(t, err)
		require.NoError(t, n.Renew(t.Context()))
		require.NoError(t, n.Release(t.Context()))
		_, err = db.LeaseNode(t.Context(), "two")
		require.NoError(t, err)
		require.Error(t, n.Renew(t.Context()), "it is another's by now")
	})
}

func TestOpen_RefusesBothAndNone(t *testing.T) {
	t.Parallel()
	_, err := store.Open(t.Context(), store.Options{Clock: clock.System{}})
	require.Error(t, err)
	_, err = store.Open(t.Context(), store.Options{Clock: clock.System{}, File: "a", DSN: "b"})
	require.Error(t, err)
}
