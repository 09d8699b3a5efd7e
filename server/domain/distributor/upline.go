package distributor

import (
	"context"
	"fmt"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
)

// uplineDepthMax bounds the walk to the root. Nothing is paid along this way, so depth means nothing; a longer one is
// an accident.
const uplineDepthMax = 1000

// lockName names what changes of people take turns by. They are rare and made by hand, so one row for all is enough,
// and it cannot deadlock.
type lockName string

const (
	lockUplines     lockName = "uplines"
	lockTerritories lockName = "territories"
)

const (
	lockTakeSQL   = `UPDATE people_lock SET version = version + 1 WHERE name = ?`
	lockInsertSQL = `INSERT INTO people_lock (name, version) VALUES (:name, 1)`
)

// takeTurn waits until no other transaction holds the name, and holds it until this one ends.
func takeTurn(ctx context.Context, tx *store.Tx, name lockName) error {
	ok, err := tx.ExecOne(ctx, lockTakeSQL, name)
	if err == nil && !ok {
		err = tx.Insert(ctx, lockInsertSQL, struct {
			Name lockName `db:"name"`
		}{name})
		if store.IsDup(err) {
			_, err = tx.ExecOne(ctx, lockTakeSQL, name)
		}
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return nil
}

const (
	uplineOfSQL  = `SELECT upline_id FROM distributor WHERE id = ?`
	uplineSetSQL = `UPDATE distributor SET upline_id = ?, version = version + 1 WHERE id = ? AND version = ?`
)

// ErrUplineCycle says that the new upline is the distributor or stands below.
var ErrUplineCycle = errs.E(errs.Conflict, "distributor.upline_cycle", "不能把本人或其下级设为上级",
	errs.EN("The upline may not be the distributor or somebody below."))

// UplineChange gives a distributor another upline, or none.
type UplineChange struct {
	ID      base.DistributorID
	Version int                // of the distributor, as the caller saw it
	To      base.DistributorID // 0: none
	By      base.Actor
	Reason  string
}

// SetUpline changes the upline and keeps the graph a forest, also when two changes that together make a ring arrive at
// once. Uplines earn nothing while that payee is off. A version that has moved is ErrChanged.
func SetUpline(ctx context.Context, tx *store.Tx, c UplineChange) (from base.DistributorID, err error) {
	if err := takeTurn(ctx, tx, lockUplines); err != nil {
		return 0, err
	}
	if from, err = uplineOf(ctx, tx, c.ID); err != nil {
		return 0, err
	}
	if err := refuseCycle(ctx, tx, c.ID, c.To); err != nil {
		return 0, err
	}
	ok, err := tx.ExecOne(ctx, uplineSetSQL, c.To, c.ID, c.Version)
	if err != nil {
		return 0, fmt.Errorf("write upline: %w", err)
	}
	if !ok {
		return 0, ErrChanged
	}
	return from, record(ctx, tx, Change{
		Distributor: c.ID, Kind: ChangeUpline, From: from.String(), To: c.To.String(), By: c.By, Reason: c.Reason,
	})
}

// refuseCycle walks from the new upline to its root.
func refuseCycle(ctx context.Context, tx *store.Tx, id, upline base.DistributorID) error {
	for range uplineDepthMax {
		if upline == 0 {
			return nil
		}
		if upline == id {
			return ErrUplineCycle
		}
		var err error
		if upline, err = uplineOf(ctx, tx, upline); err != nil {
			return err
		}
	}
	return ErrUplineCycle
}

func uplineOf(ctx context.Context, q store.Q, id base.DistributorID) (base.DistributorID, error) {
	var up base.DistributorID
	err := q.Get(ctx, &up, uplineOfSQL, id)
	if store.NotFound(err) {
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("read upline: %w", err)
	}
	return up, nil
}
