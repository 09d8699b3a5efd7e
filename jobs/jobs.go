// Package jobs does what is due: a table of jobs, each in bounded batches, under a lease in the database so that of
// several replicas one does it. Every job can be killed at any instant and run again, and two at once do no harm.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/prometheus/client_golang/prometheus"

	"fenxiao/server/base/clock"
	"fenxiao/server/store"
)

// Job is one kind of due work. Run does at most limit units and returns how many it did; as many as the limit means that
// more may wait.
type Job struct {
	Name  string
	About string        // what it does, in one line
	Every time.Duration // between runs; 0: daily, at night
	Limit int
	Run   func(ctx context.Context, limit int) (done int, err error)
}

// nightly is when daily jobs run, in Asia/Shanghai.
var nightly = gocron.NewAtTimes(gocron.NewAtTime(3, 30, 0))

// batchesMax bounds one run, so that a job that finds no end gives way to the others.
const batchesMax = 1000

// Runner runs jobs.
type Runner struct {
	DB    *store.DB
	Owner string // of the leases: this process
	Jobs  []Job
	Log   *slog.Logger

	runs     *prometheus.CounterVec
	done     *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewRunner makes a Runner whose metrics are on reg.
func NewRunner(db *store.DB, owner string, list []Job, log *slog.Logger, reg prometheus.Registerer) *Runner {
	r := &Runner{
		DB: db, Owner: owner, Jobs: list, Log: log,
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fenxiao_job_runs_total", Help: "Runs of a job by outcome."}, []string{"job", "outcome"}),
		done: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fenxiao_job_done_total", Help: "Units of work done by a job."}, []string{"job"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fenxiao_job_seconds", Help: "Duration of a run.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9)}, []string{"job"}),
	}
	reg.MustRegister(r.runs, r.done, r.duration)
	return r
}

// Serve runs every job on its schedule until ctx ends, and returns when the last run has ended.
func (r *Runner) Serve(ctx context.Context) error {
	s, err := gocron.NewScheduler(gocron.WithLocation(clock.Shop), gocron.WithStopTimeout(time.Minute))
	if err != nil {
		return fmt.Errorf("start jobs: %w", err)
	}
	for _, j := range r.Jobs {
		when := gocron.DurationJob(j.Every)
		if j.Every == 0 {
			when = gocron.DailyJob(1, nightly)
		}
		task := gocron.NewTask(func() {
			if _, err := r.RunOne(ctx, j); err != nil && ctx.Err() == nil {
				r.Log.Error("job", "job", j.Name, "error", err)
			}
		})
		_, err := s.NewJob(when, task, gocron.WithName(j.Name), gocron.WithSingletonMode(gocron.LimitModeReschedule))
		if err != nil {
			return fmt.Errorf("schedule %s: %w", j.Name, err)
		}
	}
	s.Start()
	<-ctx.Done()
	if err := s.Shutdown(); err != nil {
		return fmt.Errorf("stop jobs: %w", err)
	}
	return nil
}

// ErrUnknown says that there is no job of that name.
var ErrUnknown = errors.New("jobs: no job of that name")

// RunNamed runs one job now, whatever its schedule.
func (r *Runner) RunNamed(ctx context.Context, name string) (done int, err error) {
	for _, j := range r.Jobs {
		if j.Name == name {
			return r.RunOne(ctx, j)
		}
	}
	return 0, fmt.Errorf("%w: %s", ErrUnknown, name)
}

// roundsMax bounds RunDue: work that makes work (a refund, then its query) ends long before.
const roundsMax = 20

// RunDue runs the jobs one after the other, again and again until none finds anything to do: for the story, the demo
// and tests, which move the clock by hand.
func (r *Runner) RunDue(ctx context.Context) error {
	for range roundsMax {
		total := 0
		for _, j := range r.Jobs {
			if j.Every == 0 {
				continue
			}
			n, err := r.RunOne(ctx, j)
			if err != nil {
				return err
			}
			total += n
		}
		if total == 0 {
			return nil
		}
	}
	return nil
}

// RunOne runs a job under its lease, batch after batch until less than a full one was done. While another replica is at
// it, it does nothing.
func (r *Runner) RunOne(ctx context.Context, j Job) (done int, err error) {
	if err := claim(ctx, r.DB, j.Name, r.Owner); err != nil {
		if errors.Is(err, errLeased) {
			return 0, nil
		}
		return 0, fmt.Errorf("job %s: %w", j.Name, err)
	}
	started := clock.Wall()
	done, err = r.batches(ctx, j)
	outcome, result := "ok", fmt.Sprintf("done %d", done)
	if err != nil {
		outcome, result = "error", err.Error()
	}
	r.runs.WithLabelValues(j.Name, outcome).Inc()
	r.done.WithLabelValues(j.Name).Add(float64(done))
	r.duration.WithLabelValues(j.Name).Observe(clock.Wall().Sub(started).Seconds())
	if e := release(context.WithoutCancel(ctx), r.DB, j.Name, r.Owner, result); err == nil {
		err = e
	}
	if err != nil {
		return done, fmt.Errorf("job %s: %w", j.Name, err)
	}
	return done, nil
}

func (r *Runner) batches(ctx context.Context, j Job) (done int, err error) {
	for range batchesMax {
		n, err := j.Run(ctx, j.Limit)
		done += n
		if err != nil || n < j.Limit {
			return done, err
		}
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if err := claim(ctx, r.DB, j.Name, r.Owner); err != nil {
			return done, err
		}
	}
	return done, nil
}
