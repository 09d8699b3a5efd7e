package settlement

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/ids"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// settleAfter is how long after its end a period is run at the earliest: every transaction that decided by a time
// within the period has ended by then (store ends them after 60 s).
const settleAfter = 15 * time.Minute

// Run is the settling of one period for all distributors. It notes how far it came, so that another process can go on.
type Run struct {
	ID         int64            `db:"id"`
	Cycle      base.Cycle       `db:"cycle"`
	First      base.BusinessDay `db:"period"`
	FromMs     int64            `db:"from_ms"`
	UntilMs    int64            `db:"until_ms"`
	NextPayee  int64            `db:"next_payee"` // statements of distributors up to this one are drafted
	Statements int64            `db:"statement_count"`
	Total      money.Fen        `db:"total_fen"`
	StartedMs  int64            `db:"started_ms"`
	DraftedMs  int64            `db:"drafted_ms"` // 0: not all drafted yet
}

const (
	runColumns   = `id, cycle, period, from_ms, until_ms, next_payee, statement_count, total_fen, started_ms, drafted_ms`
	insertRunSQL = `INSERT INTO settlement_run (` + runColumns + `)
VALUES (:id, :cycle, :period, :from_ms, :until_ms, :next_payee, :statement_count, :total_fen, :started_ms, :drafted_ms)`
	lastRunSQL     = `SELECT ` + runColumns + ` FROM settlement_run WHERE cycle = ? ORDER BY period DESC LIMIT 1`
	lockRunSQL     = `SELECT ` + runColumns + ` FROM settlement_run WHERE id = ? /*! FOR UPDATE */`
	listRunsSQL    = `SELECT ` + runColumns + ` FROM settlement_run ORDER BY period DESC, cycle LIMIT ?`
	firstPeriodSQL = `SELECT COALESCE(MIN(period), 0) FROM commission WHERE cycle = ? AND period > 0`
	moveRunSQL     = `UPDATE settlement_run SET next_payee = ? WHERE id = ? AND next_payee = ? AND drafted_ms = 0`
	endRunSQL      = `UPDATE settlement_run SET statement_count = ?, total_fen = ?, drafted_ms = ? WHERE id = ? AND drafted_ms = 0`
	sumRunSQL      = `SELECT COUNT(*) AS n, COALESCE(SUM(total_fen), 0) AS fen FROM statement WHERE cycle = ? AND period = ?`

	// payeesSQL finds the next distributors with rows in the period, from the index alone.
	payeesSQL = `SELECT DISTINCT payee_id FROM commission WHERE cycle = ? AND period = ? AND payee_id > ? ORDER BY payee_id LIMIT ?`
	// draftSQL sums their rows, from the index alone. A row belongs to the period it ripened in, for ever: nothing is
	// marked, and the sum is the same whenever it is taken.
	draftSQL = `
INSERT INTO statement (id, distributor_id, cycle, period, from_ms, until_ms, accrued_fen, reversed_fen, adjusted_fen, total_fen, row_count,
  late_fen, late_count, state, drafted_ms, open_ms, dispute_until_ms, disputed_ms, dispute_note, confirmed_ms, confirmed_by, confirm_note, posted_ms, debt_repaid_fen)
SELECT ? + (ROW_NUMBER() OVER (ORDER BY g.payee_id) - 1) * ?, g.payee_id, ?, ?, ?, ?, g.accrued, g.reversed, g.adjusted, g.accrued + g.reversed + g.adjusted, g.n - g.late_n,
  g.late, g.late_n, 'drafted', ?, 0, 0, 0, '', 0, '', '', 0, 0
FROM (
  SELECT payee_id, COUNT(*) AS n,
    SUM(CASE kind WHEN 'accrual' THEN amount_fen ELSE 0 END) AS accrued,
    SUM(CASE kind WHEN 'reversal_early' THEN amount_fen ELSE 0 END) AS reversed,
    SUM(CASE kind WHEN 'adjustment' THEN amount_fen ELSE 0 END) AS adjusted,
    SUM(CASE kind WHEN 'reversal_late' THEN amount_fen ELSE 0 END) AS late,
    SUM(CASE kind WHEN 'reversal_late' THEN 1 ELSE 0 END) AS late_n
  FROM commission WHERE cycle = ? AND period = ? AND payee_id > ? AND payee_id <= ? GROUP BY payee_id
) g
WHERE NOT EXISTS (SELECT 1 FROM statement s WHERE s.distributor_id = g.payee_id AND s.cycle = ? AND s.period = ?)`
)

// DuePeriod finds the oldest period of a cycle that has ended long enough ago and is not drafted, and its run where one
// was begun. False: there is none.
func DuePeriod(ctx context.Context, q store.Q, cycle base.Cycle, now time.Time) (base.Period, Run, bool, error) {
	var last Run
	var due base.Period
	err := q.Get(ctx, &last, lastRunSQL, cycle)
	switch {
	case err == nil && last.DraftedMs == 0:
		return base.Period{Cycle: cycle, First: last.First}, last, true, nil
	case err == nil:
		due = base.Period{Cycle: cycle, First: last.First}.Next()
	case !store.NotFound(err):
		return due, last, false, fmt.Errorf("read last run: %w", err)
	default:
		var first base.BusinessDay
		if err := q.Get(ctx, &first, firstPeriodSQL, cycle); err != nil || first == 0 {
			return due, Run{}, false, err
		}
		due = base.Period{Cycle: cycle, First: first}
	}
	return due, Run{}, !due.End().Add(settleAfter).After(now), nil
}

// StartRun notes that a period is being settled. Of two that start it at once one gets a duplicate error, and finds the
// other's run when it looks again.
func StartRun(ctx context.Context, tx *store.Tx, id int64, p base.Period) (Run, error) {
	r := Run{ID: id, Cycle: p.Cycle, First: p.First, FromMs: base.Ms(p.Start()), UntilMs: base.Ms(p.End()), StartedMs: tx.NowMs()}
	return r, tx.Insert(ctx, insertRunSQL, r)
}

// Draft writes the statements of the next distributors of a run, at most limit, and returns how many distributors it
// looked at. Fewer than limit: the run is at its end and closed. It holds the run's row, so that two at once work one
// after the other.
func Draft(ctx context.Context, tx *store.Tx, runID int64, limit int) (int, error) {
	var r Run
	if err := tx.Get(ctx, &r, lockRunSQL, runID); err != nil {
		return 0, fmt.Errorf("lock settlement run: %w", err)
	}
	if r.DraftedMs > 0 {
		return 0, nil
	}
	var payees []int64
	if err := tx.Select(ctx, &payees, payeesSQL, r.Cycle, r.First, r.NextPayee, limit); err != nil {
		return 0, fmt.Errorf("find distributors to settle: %w", err)
	}
	if n := len(payees); n > 0 {
		upTo := payees[n-1]
		_, err := tx.Exec(ctx, draftSQL, tx.Block(n), int64(ids.Stride), r.Cycle, r.First, r.FromMs, r.UntilMs, tx.NowMs(),
			r.Cycle, r.First, r.NextPayee, upTo, r.Cycle, r.First)
		if err != nil {
			return 0, fmt.Errorf("draft statements: %w", err)
		}
		if _, err := tx.ExecOne(ctx, moveRunSQL, upTo, r.ID, r.NextPayee); err != nil {
			return 0, fmt.Errorf("note progress of settlement run: %w", err)
		}
	}
	if len(payees) < limit {
		return len(payees), endRun(ctx, tx, r)
	}
	return len(payees), nil
}

func endRun(ctx context.Context, tx *store.Tx, r Run) error {
	var sum struct {
		N   int64     `db:"n"`
		Fen money.Fen `db:"fen"`
	}
	if err := tx.Get(ctx, &sum, sumRunSQL, r.Cycle, r.First); err != nil {
		return fmt.Errorf("sum up settlement run: %w", err)
	}
	if _, err := tx.ExecOne(ctx, endRunSQL, sum.N, sum.Fen, tx.NowMs(), r.ID); err != nil {
		return fmt.Errorf("end settlement run: %w", err)
	}
	return nil
}

// Runs lists settlement runs, newest period first.
func Runs(ctx context.Context, q store.Q, limit int) ([]Run, error) {
	var runs []Run
	err := q.Select(ctx, &runs, listRunsSQL, pageOf(limit))
	return runs, err
}
