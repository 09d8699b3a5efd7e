package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fenxiao/server/base/clock"
	"fenxiao/server/store"
)

// leaseFor is how long a job is kept from other replicas without renewal, in wall time. A replica that dies in the
// middle delays the job by this much.
const leaseFor = 2 * time.Minute

const (
	claimSQL   = `UPDATE job_lease SET owner = ?, until_ms = ? WHERE name = ? AND (until_ms < ? OR owner = ?)`
	addSQL     = `INSERT INTO job_lease (name, owner, until_ms, ran_ms, result) VALUES (?, ?, ?, 0, '')`
	releaseSQL = `UPDATE job_lease SET until_ms = 0, ran_ms = ?, result = ? WHERE name = ? AND owner = ?`
	listSQL    = `SELECT name, owner, until_ms, ran_ms, result FROM job_lease ORDER BY name`
)

// errLeased says that another replica is at it.
var errLeased = errors.New("jobs: another replica holds the lease")

// claim takes or renews the lease of a job for one replica. It saves work: every job is safe without it.
func claim(ctx context.Context, db *store.DB, name, owner string) error {
	return db.InTx(ctx, "jobs.claim", func(ctx context.Context, tx *store.Tx) error {
		now := clock.Wall()
		until := now.Add(leaseFor).UnixMilli()
		ok, err := tx.ExecOne(ctx, claimSQL, owner, until, name, now.UnixMilli(), owner)
		if err != nil || ok {
			return err
		}
		_, err = tx.Exec(ctx, addSQL, name, owner, until)
		if store.IsDup(err) {
			return errLeased
		}
		return err
	})
}

const resultMax = 480

// release gives the lease back and writes down how the run went.
func release(ctx context.Context, db *store.DB, name, owner, result string) error {
	if r := []rune(result); len(r) > resultMax {
		result = string(r[:resultMax])
	}
	return db.InTx(ctx, "jobs.release", func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, releaseSQL, clock.Wall().UnixMilli(), result, name, owner)
		return err
	})
}

// Status is how a job's last run went.
type Status struct {
	Name    string `db:"name"`
	Owner   string `db:"owner"`
	UntilMs int64  `db:"until_ms"` // wall time; in the future while it runs
	RanMs   int64  `db:"ran_ms"`   // wall time of its last end; 0 = never
	Result  string `db:"result"`
}

// Statuses lists the jobs that have run, on any replica.
func Statuses(ctx context.Context, q store.Q) ([]Status, error) {
	var list []Status
	if err := q.Select(ctx, &list, listSQL); err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return list, nil
}
