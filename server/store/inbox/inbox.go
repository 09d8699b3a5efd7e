// Package inbox keeps what came from outside until it is applied. An event is stored whole under its unique id and
// acknowledged; an applier, woken at once, applies what waits in groups. Duplicates end at the unique key, replays are
// a re-run of stored rows.
package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/store"
)

const (
	// GroupMax is how many events are applied in one transaction.
	GroupMax = 64
	// AlarmTries is after how many failures an event is listed for a person.
	AlarmTries = 5

	backoffBase = 2 * time.Second
	backoffMax  = 10 * time.Minute
	outcomeMax  = 480
)

// State is where an event stands.
type State string

const (
	Waiting State = "waiting"
	Applied State = "applied"
	Kept    State = "kept" // understood and not applied: for a person to look at
)

// Event is something that came from outside.
type Event struct {
	ID      int64  `db:"id"` // minted by the receiver
	Source  string `db:"source"`
	EventID string `db:"event_id"` // the sender's unique id
	Kind    string `db:"kind"`
	Ref     string `db:"ref"` // our number in it, for finding it again
	Body    string `db:"body"`
	Tries   int    `db:"tries"`

	Received time.Time `db:"-"`
}

type row struct {
	Event
	ReceivedMs int64  `db:"received_ms"`
	State      State  `db:"state"`
	AppliedMs  int64  `db:"applied_ms"`
	NextMs     int64  `db:"next_ms"`
	Outcome    string `db:"outcome"`
}

const (
	columns   = `id, source, event_id, kind, ref, body, received_ms, state, applied_ms, tries, next_ms, outcome`
	insertSQL = `INSERT INTO inbox (` + columns + `)
VALUES (:id, :source, :event_id, :kind, :ref, :body, :received_ms, :state, :applied_ms, :tries, :next_ms, :outcome)`
	// waitingSQL reads in the order of its index, so that a backlog is not sorted again for every group: what is new
	// (next_ms 0) by id, then what failed before.
	waitingSQL = `SELECT ` + columns + ` FROM inbox WHERE state = 'waiting' AND next_ms <= ? ORDER BY next_ms, id LIMIT ?`
	stateSQL   = `SELECT state FROM inbox WHERE source = ? AND event_id = ?`
	claimSQL   = `UPDATE inbox SET state = ?, applied_ms = ?, outcome = ? WHERE id = ? AND state = 'waiting'`
	outcomeSQL = `UPDATE inbox SET state = ?, outcome = ? WHERE id = ?`
	backoffSQL = `UPDATE inbox SET tries = ?, next_ms = ?, outcome = ? WHERE id = ? AND state = 'waiting'`
	troubleSQL = `SELECT ` + columns + ` FROM inbox WHERE state = 'kept' OR (state = 'waiting' AND tries >= ?) ORDER BY id DESC LIMIT ?`
	keptSQL    = `SELECT ` + columns + ` FROM inbox WHERE state = 'kept' AND kind = ? AND outcome = ? ORDER BY id DESC LIMIT ?`
	reviveSQL  = `UPDATE inbox SET state = 'waiting', next_ms = 0 WHERE id = ? AND state <> 'applied'`
	byRefSQL   = `SELECT ` + columns + ` FROM inbox WHERE ref = ? ORDER BY id`
)

// Store keeps events in their own transaction. One that is already there is left as it is, so the second delivery is
// acknowledged like the first.
func Store(ctx context.Context, db *store.DB, events ...Event) error {
	return db.InTx(ctx, "inbox.store", func(ctx context.Context, tx *store.Tx) error {
		rows := make([]row, len(events))
		for i, e := range events {
			rows[i] = row{Event: e, ReceivedMs: tx.NowMs(), State: Waiting}
		}
		if len(rows) == 1 {
			return ignoreDup(tx.Insert(ctx, insertSQL, rows[0]))
		}
		for _, r := range rows {
			if err := ignoreDup(tx.Insert(ctx, insertSQL, r)); err != nil {
				return err
			}
		}
		return nil
	})
}

func ignoreDup(err error) error {
	if store.IsDup(err) {
		return nil
	}
	return err
}

// StateOf tells where an event stands; "" if it never came.
func StateOf(ctx context.Context, q store.Q, source, eventID string) (State, error) {
	var s State
	err := q.Get(ctx, &s, stateSQL, source, eventID)
	if store.NotFound(err) {
		return "", nil
	}
	return s, err
}

// Result is what applying made of one event: Applied, or Kept with the reason.
type Result struct {
	State   State
	Outcome string
}

// Apply is the business behind the inbox: it applies a group of events, ids ascending, in the transaction. It returns
// one result per event, or an error, after which nothing of the group has happened.
type Apply func(ctx context.Context, tx *store.Tx, events []Event) ([]Result, error)

// Applier applies what waits. Several may run at once, in one process or in many: an event is claimed by a conditional
// update in the transaction that applies it.
type Applier struct {
	DB      *store.DB
	Apply   Apply
	OnError func(e Event, tries int, err error) // one event stood alone and failed
}

// Run applies all that waits and is due, and returns how many events it took.
func (a *Applier) Run(ctx context.Context) (applied int, err error) {
	for {
		var rows []row
		err := a.DB.Q().Select(ctx, &rows, waitingSQL, base.Ms(a.DB.Clock.Now()), GroupMax)
		if err != nil {
			return applied, fmt.Errorf("read inbox: %w", err)
		}
		if len(rows) == 0 {
			return applied, nil
		}
		slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.ID, b.ID) })
		n, err := a.group(ctx, events(rows))
		applied += n
		if err != nil || ctx.Err() != nil {
			return applied, errors.Join(err, ctx.Err())
		}
	}
}

func events(rows []row) []Event {
	out := make([]Event, len(rows))
	for i, r := range rows {
		out[i] = r.Event
		out[i].Received = base.Time(r.ReceivedMs)
	}
	return out
}

// group applies events in one transaction; a group that fails is halved until the failing event stands alone.
func (a *Applier) group(ctx context.Context, group []Event) (applied int, err error) {
	err = a.DB.InTx(ctx, "inbox.apply", func(ctx context.Context, tx *store.Tx) error {
		var err error
		applied, err = a.claimAndApply(ctx, tx, group)
		return err
	})
	switch {
	case err == nil:
		return applied, nil
	case ctx.Err() != nil:
		return 0, err
	case len(group) == 1:
		return 0, a.backOff(ctx, group[0], err)
	}
	half := len(group) / 2
	first, err := a.group(ctx, group[:half])
	if err != nil {
		return first, err
	}
	second, err := a.group(ctx, group[half:])
	return first + second, err
}

func (a *Applier) claimAndApply(ctx context.Context, tx *store.Tx, group []Event) (int, error) {
	mine := make([]Event, 0, len(group))
	for _, e := range group {
		ok, err := tx.ExecOne(ctx, claimSQL, Applied, tx.NowMs(), "", e.ID)
		if err != nil {
			return 0, err
		}
		if ok {
			mine = append(mine, e)
		}
	}
	if len(mine) == 0 {
		return 0, nil
	}
	results, err := a.Apply(ctx, tx, mine)
	if err != nil {
		return 0, err
	}
	for i, r := range results {
		if r.State == Applied && r.Outcome == "" {
			continue
		}
		if _, err := tx.Exec(ctx, outcomeSQL, r.State, clip(r.Outcome), mine[i].ID); err != nil {
			return 0, err
		}
	}
	return len(mine), nil
}

func (a *Applier) backOff(ctx context.Context, e Event, cause error) error {
	e.Tries++
	wait := min(backoffBase<<min(e.Tries-1, 16), backoffMax)
	if a.OnError != nil {
		a.OnError(e, e.Tries, cause)
	}
	return a.DB.InTx(ctx, "inbox.back_off", func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, backoffSQL, e.Tries, base.Ms(tx.Now().Add(wait)), clip(cause.Error()), e.ID)
		return err
	})
}

// clip shortens a text by runes, so that it fits its column.
func clip(s string) string {
	if r := []rune(s); len(r) > outcomeMax {
		return string(r[:outcomeMax])
	}
	return s
}

// Trouble is an event that a person should look at.
type Trouble struct {
	Event
	State   State
	Outcome string
}

// Troubled lists events that were kept or have failed AlarmTries times, newest first.
func Troubled(ctx context.Context, q store.Q, limit int) ([]Trouble, error) {
	var rows []row
	if err := q.Select(ctx, &rows, troubleSQL, AlarmTries, limit); err != nil {
		return nil, err
	}
	list := events(rows)
	out := make([]Trouble, len(rows))
	for i, r := range rows {
		out[i] = Trouble{list[i], r.State, r.Outcome}
	}
	return out, nil
}

// KeptFor lists events of a kind that were kept for one reason, newest first: what was not known when they came may be
// known by now.
func KeptFor(ctx context.Context, q store.Q, kind, outcome string, limit int) ([]Event, error) {
	var rows []row
	if err := q.Select(ctx, &rows, keptSQL, kind, outcome, limit); err != nil {
		return nil, fmt.Errorf("read kept events: %w", err)
	}
	return events(rows), nil
}

// Revive lets an event that was kept or backs off be tried again now.
func Revive(ctx context.Context, tx *store.Tx, id int64) (bool, error) {
	return tx.ExecOne(ctx, reviveSQL, id)
}

// ByRef lists the events about one number of ours, oldest first.
func ByRef(ctx context.Context, q store.Q, ref string) ([]Event, error) {
	var rows []row
	if err := q.Select(ctx, &rows, byRefSQL, ref); err != nil {
		return nil, err
	}
	return slices.Clip(events(rows)), nil
}
