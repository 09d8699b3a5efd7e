package setting_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/store"
	"fenxiao/server/store/setting"
	"fenxiao/server/store/storetest"
)

type limits struct {
	Max int `json:"max"`
	Min int `json:"min"`
}

var errLimits = errors.New("max is below min")

func (l limits) Validate() error {
	if l.Max < l.Min {
		return errLimits
	}
	return nil
}

var def = limits{Max: 10, Min: 1}

func put(ctx context.Context, db *store.DB, l limits, from time.Time) (version int, err error) {
	err = db.InTx(ctx, "put", func(ctx context.Context, tx *store.Tx) error {
		version, err = setting.Put(ctx, tx, setting.Change{Name: "limits", Value: l, From: from, Actor: base.System, Reason: "test"})
		return err
	})
	return version, err
}

func TestCurrent_TheNewestWhoseStartHasCome(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		ctx := t.Context()
		current := func() (limits, int) {
			l, v, err := setting.Current(ctx, db.Q(), "limits", c.Now(), def)
			require.NoError(t, err)
			return l, v
		}
		l, v := current()
		require.Equal(t, def, l)
		require.Zero(t, v)

		_, err := put(ctx, db, limits{Max: 0, Min: 1}, time.Time{})
		require.ErrorIs(t, err, errLimits)

		v, err = put(ctx, db, limits{Max: 20, Min: 2}, time.Time{})
		require.NoError(t, err)
		require.Equal(t, 1, v)
		_, err = put(ctx, db, limits{Max: 30, Min: 3}, c.Now().Add(time.Hour))
		require.NoError(t, err)
		l, v = current()
		require.Equal(t, limits{20, 2}, l)
		require.Equal(t, 1, v)

		c.Advance(time.Hour)
		l, v = current()
		require.Equal(t, limits{30, 3}, l)
		require.Equal(t, 2, v)

		first, err := setting.Version(ctx, db.Q(), "limits", 1, def)
		require.NoError(t, err)
		require.Equal(t, limits{20, 2}, first)
		history, err := setting.History(ctx, db.Q(), "limits")
		require.NoError(t, err)
		require.Len(t, history, 2)
	})
}

func TestPut_AtOnceGivesEachVersionOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, err := put(t.Context(), db, limits{Max: 5, Min: 1}, time.Time{})
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, setting.ErrRaced):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		history, err := setting.History(t.Context(), db.Q(), "limits")
		require.NoError(t, err)
		require.Len(t, history, int(won.Load()))
	})
}
