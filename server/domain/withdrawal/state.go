// Package withdrawal owns withdrawals: how they are checked, what states they have and how they move, the counters of
// the day, and the log of what was asked of WeChat. The money itself moves in the ledger.
package withdrawal

import (
	"context"
	"fmt"
	"slices"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// State is where a withdrawal stands.
type State string

const (
	Requested    State = "requested"     // waits for a decision; the amount is held
	Approved     State = "approved"      // waits for the payout job
	Paying       State = "paying"        // WeChat was asked, or is about to be
	AwaitingUser State = "awaiting_user" // WeChat waits for the payee's confirmation
	Paid         State = "paid"
	Rejected     State = "rejected"
	Failed       State = "failed"    // WeChat said no
	Expired      State = "expired"   // not confirmed in time, says WeChat
	Cancelled    State = "cancelled" // by the distributor
)

// States lists all states, in the order of a life.
var States = []State{Requested, Approved, Paying, AwaitingUser, Paid, Rejected, Failed, Expired, Cancelled}

// moves is the whole life of a withdrawal. What is not here cannot happen. Approved goes back to Requested when what
// was decided on has changed (debt, suspension, an admin's hold). WeChat's last word can find a payout Paying when its
// answer was lost or slower than the notification.
var moves = map[State][]State{
	Requested:    {Approved, Rejected, Cancelled},
	Approved:     {Paying, Requested, Cancelled},
	Paying:       {AwaitingUser, Paid, Failed, Expired, Cancelled},
	AwaitingUser: {Paid, Failed, Expired, Cancelled},
}

// Valid says whether it is one of the states.
func (s State) Valid() bool { return slices.Contains(States, s) }

// MayBecome says whether there is a way from s to to.
func (s State) MayBecome(to State) bool { return slices.Contains(moves[s], to) }

// Final says whether nothing comes after.
func (s State) Final() bool { return len(moves[s]) == 0 }

// Returned says whether the amount went back to the distributor.
func (s State) Returned() bool { return s.Final() && s != Paid }

// ErrMoved says that the withdrawal is no longer where the caller believed it to be.
var ErrMoved = errs.E(errs.Conflict, "withdrawal.moved", "这笔提现的状态刚刚发生了变化，请刷新后再操作",
	errs.EN("This withdrawal has just changed. Reload and try again."))

// Change is one move of a withdrawal: from where to where, by whom, and why.
type Change struct {
	ID       base.WithdrawalID
	From, To State
	By       base.Actor
	Reason   string // shown to people; at most ReasonRunesMax
	NextMs   int64  // when a job should look at it next; 0 = at once
}

// ReasonRunesMax bounds what people write as a reason, in characters.
const ReasonRunesMax = 200

const (
	moveSQL = `
UPDATE withdrawal SET state = ?, reason = ?, next_ms = ?, version = version + 1 WHERE id = ? AND state = ?`
	approvedAtSQL = `UPDATE withdrawal SET approved_ms = ? WHERE id = ?`
	payingAtSQL   = `UPDATE withdrawal SET paying_ms = ? WHERE id = ?`
	awaitingAtSQL = `UPDATE withdrawal SET awaiting_ms = ? WHERE id = ?`
	endedAtSQL    = `UPDATE withdrawal SET ended_ms = ? WHERE id = ?`
	reviewAtSQL   = `UPDATE withdrawal SET approved_ms = 0, first_approver = 0, second_approver = 0 WHERE id = ?`
	insertMoveSQL = `
INSERT INTO withdrawal_move (id, withdrawal_id, from_state, to_state, what, actor, reason, at_ms)
VALUES (:id, :withdrawal_id, :from_state, :to_state, :what, :actor, :reason, :at_ms)`
	movesSQL = `
SELECT id, withdrawal_id, from_state, to_state, what, actor, reason, at_ms
FROM withdrawal_move WHERE withdrawal_id = ? ORDER BY id`
)

// Move takes a withdrawal from one state to the next and writes down who and why. Of two callers that move it at once,
// one gets ErrMoved. Asking for a way that is not in the table is a bug and panics.
func Move(ctx context.Context, tx *store.Tx, c Change) error {
	if !c.From.MayBecome(c.To) {
		panic(fmt.Sprintf("withdrawal: no way from %s to %s", c.From, c.To))
	}
	ok, err := tx.ExecOne(ctx, moveSQL, c.To, c.Reason, c.NextMs, c.ID, c.From)
	if err != nil {
		return fmt.Errorf("move withdrawal: %w", err)
	}
	if !ok {
		return ErrMoved
	}
	if err := stamp(ctx, tx, c); err != nil {
		return fmt.Errorf("move withdrawal: %w", err)
	}
	return Note(ctx, tx, Event{c.ID, c.From, c.To, "move", c.By, c.Reason})
}

func stamp(ctx context.Context, tx *store.Tx, c Change) error {
	query, args := endedAtSQL, []any{tx.NowMs(), c.ID}
	switch c.To {
	case Requested:
		query, args = reviewAtSQL, []any{c.ID}
	case Approved:
		query = approvedAtSQL
	case Paying:
		query = payingAtSQL
	case AwaitingUser:
		query = awaitingAtSQL
	}
	_, err := tx.Exec(ctx, query, args...)
	return err
}

// Event is something that happened to a withdrawal: a move, or something else worth keeping (From and To are equal).
type Event struct {
	ID       base.WithdrawalID
	From, To State
	What     string // move, first_approval, hold, release, cancel_asked, review
	By       base.Actor
	Reason   string
}

// Step is an event as it is stored.
type Step struct {
	ID         int64             `db:"id"`
	Withdrawal base.WithdrawalID `db:"withdrawal_id"`
	From       State             `db:"from_state"` // empty for the first
	To         State             `db:"to_state"`
	What       string            `db:"what"`
	Actor      string            `db:"actor"`
	Reason     string            `db:"reason"`
	AtMs       int64             `db:"at_ms"`
}

// Note writes an event down.
func Note(ctx context.Context, tx *store.Tx, e Event) error {
	row := Step{tx.NextID(), e.ID, e.From, e.To, e.What, e.By.String(), e.Reason, tx.NowMs()}
	if err := tx.Insert(ctx, insertMoveSQL, row); err != nil {
		return fmt.Errorf("write withdrawal history: %w", err)
	}
	return nil
}

// History lists what happened to a withdrawal, oldest first.
func History(ctx context.Context, q store.Q, id base.WithdrawalID) ([]Step, error) {
	var steps []Step
	if err := q.Select(ctx, &steps, movesSQL, id); err != nil {
		return nil, fmt.Errorf("read withdrawal history: %w", err)
	}
	return steps, nil
}
