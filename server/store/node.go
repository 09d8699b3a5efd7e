package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/ids"
)

// nodeLease is how long a number is kept without renewal. It is wall time: leases are between processes.
const nodeLease = 60 * time.Second

const (
	takeNodeSQL = `UPDATE node SET owner = ?, until_ms = ? WHERE no = ? AND (until_ms < ? OR owner = ?)`
	addNodeSQL  = `INSERT INTO node (no, owner, until_ms) VALUES (?, ?, ?)`
	freeNodeSQL = `SELECT no FROM node WHERE until_ms < ? ORDER BY no LIMIT 1`
	lastNodeSQL = `SELECT COALESCE(MAX(no), -1) FROM node`
	dropNodeSQL = `UPDATE node SET until_ms = 0 WHERE no = ? AND owner = ?`
)

// ErrNodeLost says that a node number was not renewed in time and is another process's by now.
var ErrNodeLost = errors.New("store: the node number was lost")

// Node is a leased number for minting ids.
type Node struct {
	db    *DB
	owner string
	no    int
}

// LeaseNode takes a node number for this process and mints ids with it from now on. Renew it every RenewEvery.
func (db *DB) LeaseNode(ctx context.Context, owner string) (*Node, error) {
	for range ids.NodeMax {
		no, err := db.tryNode(ctx, owner)
		if IsDup(err) {
			continue // another process was faster
		}
		if err != nil {
			return nil, fmt.Errorf("lease a node number: %w", err)
		}
		if no >= 0 {
			db.Mint = ids.NewMint(db.Clock, no)
			return &Node{db, owner, no}, nil
		}
	}
	return nil, errors.New("lease a node number: all are taken")
}

// RenewEvery is how often a node's lease wants renewing.
const RenewEvery = nodeLease / 3

func (db *DB) tryNode(ctx context.Context, owner string) (no int, err error) {
	err = db.InTx(ctx, "store.lease_node", func(ctx context.Context, tx *Tx) error {
		now := clock.Wall()
		until := now.Add(nodeLease).UnixMilli()
		err := tx.Get(ctx, &no, freeNodeSQL, now.UnixMilli())
		if err == nil {
			ok, err := tx.ExecOne(ctx, takeNodeSQL, owner, until, no, now.UnixMilli(), owner)
			if err == nil && !ok {
				no = -1
			}
			return err
		}
		if !NotFound(err) {
			return err
		}
		if err := tx.Get(ctx, &no, lastNodeSQL); err != nil {
			return err
		}
		if no++; no > ids.NodeMax {
			return errors.New("all are taken")
		}
		_, err = tx.Exec(ctx, addNodeSQL, no, owner, until)
		return err
	})
	return no, err
}

// Renew keeps the number for another minute. An error means that it may be another's by now.
func (n *Node) Renew(ctx context.Context) error {
	return n.db.InTx(ctx, "store.renew_node", func(ctx context.Context, tx *Tx) error {
		now := clock.Wall()
		ok, err := tx.ExecOne(ctx, takeNodeSQL, n.owner, now.Add(nodeLease).UnixMilli(), n.no, now.UnixMilli(), n.owner)
		if err == nil && !ok {
			err = fmt.Errorf("%w: %d", ErrNodeLost, n.no)
		}
		return err
	})
}

// Release gives the number back.
func (n *Node) Release(ctx context.Context) error {
	return n.db.InTx(ctx, "store.release_node", func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, dropNodeSQL, n.no, n.owner)
		return err
	})
}
