package view

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/money"
	"fenxiao/server/store"
)

// PendingStage says what a part of the pending money waits for.
type PendingStage string

// The stages, in the order in which money passes them.
const (
	AwaitingGoods PendingStage = "awaiting_goods" // the customer has not received everything
	OnHold        PendingStage = "on_hold"        // an after-sale request, complaint or investigation is open
	InWindow      PendingStage = "in_window"      // the after-sale window is running
	Collecting    PendingStage = "collecting"     // ripe, in a period that has no statement yet
	OnStatement   PendingStage = "on_statement"   // on a statement that is not posted yet
)

// PendingSlot is a part of the pending money that moves on together.
type PendingSlot struct {
	Stage          PendingStage     `db:"stage"`
	DayMs          int64            `db:"day_ms"` // in_window: when the business day begins on which it ripens
	Cycle          base.Cycle       `db:"cycle"`
	Period         base.BusinessDay `db:"period"`           // of what is ripe; else 0
	Statement      base.StatementID `db:"statement_id"`     // on_statement
	State          string           `db:"statement_state"`  // drafted, open, confirmed
	DisputeUntilMs int64            `db:"dispute_until_ms"` //
	Disputed       bool             `db:"disputed"`
	Amount         money.Fen        `db:"amount_fen"`
}

// The remainder finds the beginning of a business day (+08:00) without a date function.
const pendingScheduleSQL = `
SELECT p.stage, p.day_ms, p.cycle, p.period, p.statement_id, p.statement_state, p.dispute_until_ms, p.disputed, SUM(p.amount_fen) AS amount_fen
FROM (SELECT CASE WHEN s.id > 0 THEN 'on_statement' WHEN c.period > 0 THEN 'collecting' WHEN EXISTS (
      SELECT 1 FROM commission_hold h WHERE h.released_ms = 0 AND (h.until_ms = 0 OR h.until_ms > ?)
      AND (h.scope = 'line' AND h.scope_id = c.line_id OR h.scope = 'distributor' AND h.scope_id = c.payee_id)) THEN 'on_hold'
    WHEN c.due_ms > 0 THEN 'in_window' ELSE 'awaiting_goods' END AS stage,
    CASE WHEN c.period = 0 AND c.due_ms > 0 THEN c.due_ms - (c.due_ms + 28800000) % 86400000 ELSE 0 END AS day_ms,
    c.cycle, c.period, COALESCE(s.id, 0) AS statement_id, COALESCE(s.state, '') AS statement_state,
    COALESCE(s.dispute_until_ms, 0) AS dispute_until_ms, CASE WHEN s.disputed_ms > 0 THEN 1 ELSE 0 END AS disputed, c.amount_fen
  FROM commission c LEFT JOIN statement s ON c.period > 0 AND s.distributor_id = c.payee_id AND s.cycle = c.cycle AND s.period = c.period
  WHERE c.payee_id = ? AND c.kind <> 'reversal_late' AND (s.id IS NULL OR s.state <> 'posted')) p
GROUP BY p.stage, p.day_ms, p.cycle, p.period, p.statement_id, p.statement_state, p.dispute_until_ms, p.disputed
ORDER BY p.stage, p.day_ms, p.period, p.cycle`

// PendingSchedule says what a distributor's pending money waits for at an instant, and since when it may move on. The
// slots add up to the pending balance. Money on hold has a day too if its window is known; it waits for more than that.
func PendingSchedule(ctx context.Context, q store.Q, d base.DistributorID, now time.Time) ([]PendingSlot, error) {
	var slots []PendingSlot
	if err := q.Select(ctx, &slots, pendingScheduleSQL, base.Ms(now), d); err != nil {
		return nil, fmt.Errorf("read when pending commissions settle: %w", err)
	}
	return slots, nil
}

// PostingTerms are how statements go on by themselves.
type PostingTerms struct {
	DisputeDays int
	Auto        bool // undisputed statements confirm by themselves
	Now         time.Time
}

// ExpectedOn is the business day on which a slot should become available if nobody objects; 0 if that cannot be said.
func (s PendingSlot) ExpectedOn(t PostingTerms) base.BusinessDay {
	dispute := time.Duration(t.DisputeDays) * 24 * time.Hour
	today := base.DayOf(t.Now)
	switch {
	case s.State == "confirmed":
		return today
	case !t.Auto || s.Disputed:
		return 0 // a person decides
	}
	switch s.Stage {
	case InWindow:
		ripe := base.Time(s.DayMs)
		if ripe.Before(t.Now) {
			ripe = t.Now
		}
		return base.DayOf(base.PeriodOf(s.Cycle, ripe).End().Add(dispute))
	case Collecting:
		return max(today, base.DayOf(base.Period{Cycle: s.Cycle, First: s.Period}.End().Add(dispute)))
	case OnStatement:
		if s.DisputeUntilMs == 0 { // a draft, opened by the next run
			return base.DayOf(t.Now.Add(dispute))
		}
		return max(today, base.DayOf(base.Time(s.DisputeUntilMs)))
	}
	return 0
}
