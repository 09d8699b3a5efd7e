// Package outbox keeps what must still happen outside: a row written in the transaction that decides it, drained by a
// job with a lease.
package outbox

import (
	"context"
	"fmt"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/store"
)

const (
	// AlarmTries is after how many failures an item is listed for a person.
	AlarmTries = 5

	lease       = time.Minute // wall time
	backoffBase = 5 * time.Second
	backoffMax  = time.Hour
	errorMax    = 480
)

// Item is one thing to do outside. (Kind, Ref) is unique: adding it twice adds it once.
type Item struct {
	ID    int64  `db:"id"`
	Kind  string `db:"kind"`
	Ref   string `db:"ref"`
	Body  string `db:"body"`
	DueMs int64  `db:"due_ms"`
	Tries int    `db:"tries"`
}

type row struct {
	Item
	MadeMs int64  `db:"made_ms"`
	State  string `db:"state"`
	Error  string `db:"error"`
}

const (
	insertSQL = `
INSERT INTO outbox (id, kind, ref, body, made_ms, due_ms, state, lease_until_ms, owner, tries, done_ms, error)
VALUES (:id, :kind, :ref, :body, :made_ms, :due_ms, :state, 0, '', 0, 0, '')`
	existsSQL  = `SELECT COUNT(*) FROM outbox WHERE kind = ? AND ref = ?`
	dueSQL     = `SELECT id, kind, ref, body, due_ms, tries FROM outbox WHERE state = 'waiting' AND due_ms <= ? AND lease_until_ms < ? ORDER BY due_ms, id LIMIT ?`
	claimSQL   = `UPDATE outbox SET lease_until_ms = ?, owner = ? WHERE id = ? AND state = 'waiting' AND lease_until_ms < ?`
	doneSQL    = `UPDATE outbox SET state = 'done', done_ms = ?, error = '' WHERE id = ? AND owner = ? AND state = 'waiting'`
	failedSQL  = `UPDATE outbox SET tries = ?, due_ms = ?, lease_until_ms = 0, error = ? WHERE id = ? AND owner = ? AND state = 'waiting'`
	givenUpSQL = `UPDATE outbox SET state = 'given_up', done_ms = ?, error = ? WHERE id = ? AND owner = ? AND state = 'waiting'`
	troubleSQL = `SELECT id, kind, ref, body, made_ms, due_ms, tries, state, error FROM outbox WHERE state = 'given_up' OR (state = 'waiting' AND tries >= ?) ORDER BY id DESC LIMIT ?`
	backlogSQL = `SELECT COUNT(*) FROM outbox WHERE state = 'waiting' AND due_ms <= ?`
)

// Add writes items in the transaction that decides them. One that is there already stays as it is.
func Add(ctx context.Context, tx *store.Tx, items ...Item) error {
	for _, it := range items {
		var n int
		if err := tx.Get(ctx, &n, existsSQL, it.Kind, it.Ref); err != nil {
			return fmt.Errorf("add %s to outbox: %w", it.Kind, err)
		}
		if n > 0 {
			continue
		}
		err := tx.Insert(ctx, insertSQL, row{Item: it, MadeMs: tx.NowMs(), State: "waiting"})
		if err != nil && !store.IsDup(err) {
			return fmt.Errorf("add %s to outbox: %w", it.Kind, err)
		}
	}
	return nil
}

// Send does one item outside. A nil error means it is done; GiveUp that it never can be; any other that it is tried
// again later.
type Send func(ctx context.Context, it Item) error

// giveUp marks an error after which trying again is useless.
type giveUp struct{ error }

func (g giveUp) Unwrap() error { return g.error }

// GiveUp says that an item can never be done; it is listed for a person.
func GiveUp(err error) error { return giveUp{err} }

// Drainer does what is due.
type Drainer struct {
	DB      *store.DB
	Owner   string // of the leases: this process
	Senders map[string]Send
	OnError func(it Item, tries int, err error)
}

// Run does at most limit items that are due and returns how many it did. No transaction is open during a Send.
func (d *Drainer) Run(ctx context.Context, limit int) (done int, err error) {
	var items []Item
	now, wall := d.DB.Clock.Now(), clock.Wall().UnixMilli()
	if err := d.DB.Q().Select(ctx, &items, dueSQL, base.Ms(now), wall, limit); err != nil {
		return 0, fmt.Errorf("read outbox: %w", err)
	}
	for _, it := range items {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		mine, err := d.claim(ctx, it)
		if err != nil {
			return done, err
		}
		if !mine {
			continue
		}
		if err := d.one(ctx, it); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

func (d *Drainer) claim(ctx context.Context, it Item) (mine bool, err error) {
	err = d.DB.InTx(ctx, "outbox.claim", func(ctx context.Context, tx *store.Tx) error {
		wall := clock.Wall()
		mine, err = tx.ExecOne(ctx, claimSQL, wall.Add(lease).UnixMilli(), d.Owner, it.ID, wall.UnixMilli())
		return err
	})
	return mine, err
}

func (d *Drainer) one(ctx context.Context, it Item) error {
	send, known := d.Senders[it.Kind]
	sendErr := GiveUp(fmt.Errorf("outbox: nobody sends %q", it.Kind))
	if known {
		sendErr = send(ctx, it)
	}
	if sendErr != nil && d.OnError != nil {
		d.OnError(it, it.Tries+1, sendErr)
	}
	// The outcome is written even when the process is asked to stop meanwhile.
	return d.DB.InTx(context.WithoutCancel(ctx), "outbox.outcome", func(ctx context.Context, tx *store.Tx) error {
		_, err := d.outcome(ctx, tx, it, sendErr)
		return err
	})
}

func (d *Drainer) outcome(ctx context.Context, tx *store.Tx, it Item, sendErr error) (int64, error) {
	if sendErr == nil {
		return tx.Exec(ctx, doneSQL, tx.NowMs(), it.ID, d.Owner)
	}
	text := []rune(sendErr.Error())
	text = text[:min(len(text), errorMax)]
	if _, final := sendErr.(giveUp); final {
		return tx.Exec(ctx, givenUpSQL, tx.NowMs(), string(text), it.ID, d.Owner)
	}
	wait := min(backoffBase<<min(it.Tries, 16), backoffMax)
	return tx.Exec(ctx, failedSQL, it.Tries+1, base.Ms(tx.Now().Add(wait)), string(text), it.ID, d.Owner)
}

// Trouble is an item that a person should look at.
type Trouble struct {
	Item
	State string
	Error string
}

// Troubled lists items given up or failed AlarmTries times, newest first.
func Troubled(ctx context.Context, q store.Q, limit int) ([]Trouble, error) {
	var rows []row
	if err := q.Select(ctx, &rows, troubleSQL, AlarmTries, limit); err != nil {
		return nil, err
	}
	out := make([]Trouble, len(rows))
	for i, r := range rows {
		out[i] = Trouble{r.Item, r.State, r.Error}
	}
	return out, nil
}

// Backlog counts what is due and not done, for metrics.
func Backlog(ctx context.Context, q store.Q, now time.Time) (n int, err error) {
	err = q.Get(ctx, &n, backlogSQL, base.Ms(now))
	return n, err
}
