package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"fenxiao/jobs"
	"fenxiao/server/base/clock"
	"fenxiao/server/store"
	"fenxiao/server/store/storetest"
)

func runner(db *store.DB, owner string, list ...jobs.Job) *jobs.Runner {
	return jobs.NewRunner(db, owner, list, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func TestRunOne_BatchesUntilDone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		left := 25
		job := jobs.Job{Name: "count", Every: time.Hour, Limit: 10, Run: func(_ context.Context, limit int) (int, error) {
			n := min(left, limit)
			left -= n
			return n, nil
		}}
		n, err := runner(db, "one", job).RunNamed(t.Context(), "count")
		require.NoError(t, err)
		require.Equal(t, 25, n)

		list, err := jobs.Statuses(t.Context(), db.Q())
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, "done 25", list[0].Result)
		require.Zero(t, list[0].UntilMs, "the lease was given back")

		_, err = runner(db, "one", job).RunNamed(t.Context(), "other")
		require.ErrorIs(t, err, jobs.ErrUnknown)
	})
}

func TestRunOne_OfSeveralReplicasOneIsAtIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, _ *clock.Manual) {
		var running, most, runs atomic.Int64
		job := jobs.Job{Name: "alone", Every: time.Hour, Limit: 10, Run: func(ctx context.Context, _ int) (int, error) {
			now := running.Add(1)
			defer running.Add(-1)
			if now > most.Load() {
				most.Store(now)
			}
			runs.Add(1)
			var n int
			return 0, db.Q().Get(ctx, &n, `SELECT COUNT(*) FROM job_lease`)
		}}
		var wg sync.WaitGroup
		for i := range 8 {
			r := runner(db, string(rune('a'+i)), job)
			wg.Go(func() {
				for range 5 {
					if _, err := r.RunNamed(t.Context(), "alone"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, most.Load())
		require.Positive(t, runs.Load())
	})
}

func TestRunOne_AnErrorIsWrittenDown(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	broken := errors.New("broken")
	r := runner(db, "one", jobs.Job{Name: "broken", Every: time.Hour, Limit: 1, Run: func(context.Context, int) (int, error) { return 0, broken }})
	_, err := r.RunNamed(t.Context(), "broken")
	require.ErrorIs(t, err, broken)
	list, err := jobs.Statuses(t.Context(), db.Q())
	require.NoError(t, err)
	require.Contains(t, list[0].Result, "broken")
}

func TestServe_StopsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	db := storetest.SQLite(t, clock.NewManual(storetest.Start))
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan struct{}, 100)
	r := runner(db, "one", jobs.Job{Name: "tick", Every: 10 * time.Millisecond, Limit: 1, Run: func(context.Context, int) (int, error) {
		ran <- struct{}{}
		return 0, nil
	}})
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx) }()
	<-ran
	<-ran
	cancel()
	require.NoError(t, <-ended)
}
