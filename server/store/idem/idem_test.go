package idem

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

// newStore returns a store whose leases follow the test's clock instead of the wall's.
func newStore(t *testing.T, db *store.DB, c *clock.Manual) *Store {
	t.Helper()
	box, err := crypt.NewBox(crypt.NewKeys())
	require.NoError(t, err)
	s := New(db, box)
	s.wall = c.Now
	return s
}

func key(k string) Key {
	return Key{Scope: "customer:cu1/pay-order", Key: k, BodySHA: strings.Repeat("a", 64)}
}

const k1 = "0123456789abcdef"

func TestStore_AnswersAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		s, ctx := newStore(t, db, c), t.Context()
		run, answer, err := s.Begin(ctx, key(k1))
		require.NoError(t, err)
		require.Nil(t, answer)
		require.NotZero(t, run.OpID)

		_, _, err = s.Begin(ctx, key(k1))
		require.ErrorIs(t, err, ErrRunning)

		given := Answer{Status: 201, Header: map[string]string{"Content-Type": "application/json"}, Body: []byte(`{"phone":"13800138000"}`)}
		require.NoError(t, s.Finish(ctx, run, given))
		again, answer, err := s.Begin(ctx, key(k1))
		require.NoError(t, err)
		require.Nil(t, again)
		require.Equal(t, given, *answer)

		other := key(k1)
		other.BodySHA = strings.Repeat("b", 64)
		_, _, err = s.Begin(ctx, other)
		require.ErrorIs(t, err, ErrMismatch)

		stranger := key(k1)
		stranger.Scope = "customer:cu2/pay-order"
		run2, _, err := s.Begin(ctx, stranger)
		require.NoError(t, err)
		require.NotEqual(t, run.OpID, run2.OpID)

		var stored string
		require.NoError(t, db.Q().Get(ctx, &stored, `SELECT answer FROM idem WHERE state = 'done'`))
		require.NotContains(t, stored, "13800138000")
	})
}

func TestStore_MismatchAlsoWhileRunning(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		s := newStore(t, db, c)
		_, _, err := s.Begin(t.Context(), key(k1))
		require.NoError(t, err)
		other := key(k1)
		other.BodySHA = strings.Repeat("b", 64)
		_, _, err = s.Begin(t.Context(), other)
		require.ErrorIs(t, err, ErrMismatch)
	})
}

func TestStore_KeepsTheOperationIDOverReleaseAndTakeOver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		s, ctx := newStore(t, db, c), t.Context()
		first, _, err := s.Begin(ctx, key(k1))
		require.NoError(t, err)
		require.NoError(t, s.Release(ctx, first))
		second, _, err := s.Begin(ctx, key(k1))
		require.NoError(t, err)
		require.Equal(t, first.OpID, second.OpID)

		c.Advance(Lease - time.Second)
		_, _, err = s.Begin(ctx, key(k1))
		require.ErrorIs(t, err, ErrRunning)
		c.Advance(2 * time.Second)
		third, _, err := s.Begin(ctx, key(k1))
		require.NoError(t, err)
		require.Equal(t, first.OpID, third.OpID)

		// The one that was taken over comes back late: it neither stores nor releases.
		require.NoError(t, s.Finish(ctx, second, Answer{Status: 500}))
		require.NoError(t, s.Release(ctx, second))
		_, _, err = s.Begin(ctx, key(k1))
		require.ErrorIs(t, err, ErrRunning)
		require.NoError(t, s.Finish(ctx, third, Answer{Status: 200, Body: []byte("{}")}))
		_, answer, err := s.Begin(ctx, key(k1))
		require.NoError(t, err)
		require.Equal(t, 200, answer.Status)
	})
}

func TestStore_RefusesBadKeys(t *testing.T) {
	t.Parallel()
	s := &Store{}
	for _, k := range []string{"", "short", strings.Repeat("x", 65), "0123456789abcde ", "0123456789abcde中", "0123456789abcdef\n"} {
		_, _, err := s.Begin(t.Context(), key(k))
		require.ErrorIs(t, err, ErrMissing, k)
	}
}

func TestStore_RunsOnceForTwentyAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		s, ctx := newStore(t, db, c), t.Context()
		for range 5 {
			k := key(crypt.Token(16))
			var mu sync.Mutex
			var wg sync.WaitGroup
			runs, refused := 0, 0
			for range 20 {
				wg.Go(func() {
					run, _, err := s.Begin(ctx, k)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil && run != nil:
						runs++
					case errors.Is(err, ErrRunning):
						refused++
					default:
						t.Errorf("run %v, error %v", run, err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, 1, runs)
			require.Equal(t, 19, refused)
		}
	})
}

func TestStore_OneTakesOverAnOldRun(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		s, ctx := newStore(t, db, c), t.Context()
		_, _, err := s.Begin(ctx, key(k1))
		require.NoError(t, err)
		c.Advance(2 * Lease)
		var mu sync.Mutex
		var wg sync.WaitGroup
		runs := 0
		for range 20 {
			wg.Go(func() {
				run, _, err := s.Begin(ctx, key(k1))
				mu.Lock()
				defer mu.Unlock()
				if run != nil {
					runs++
				} else if !errors.Is(err, ErrRunning) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, runs)
	})
}

func TestStore_Purge(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		s, ctx := newStore(t, db, c), t.Context()
		_, _, err := s.Begin(ctx, key(k1))
		require.NoError(t, err)
		c.Advance(KeepAtLeast)
		n, err := s.Purge(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		c.Advance(time.Second)
		_, _, err = s.Begin(ctx, key("fedcba9876543210"))
		require.NoError(t, err)
		n, err = s.Purge(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = s.Purge(context.WithoutCancel(ctx))
		require.NoError(t, err)
		require.Zero(t, n)
	})
}
