package flow

import (
	"context"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
)

// CreateLevel stores a new level. An id that is there already returns that level.
func (f *Flow) CreateLevel(ctx context.Context, l distributor.Level, by base.Actor) (made distributor.Level, err error) {
	err = f.DB.InTx(ctx, "flow.create_level", func(ctx context.Context, tx *store.Tx) error {
		made, err = distributor.LevelOf(ctx, tx, l.ID)
		if errs.CodeOf(err) != distributor.ErrLevelNotFound.Code {
			return err
		}
		if err := distributor.CreateLevel(ctx, tx, l); err != nil {
			return err
		}
		made, err = distributor.LevelOf(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: by, Action: "level.create", Object: l.ID.String(), After: made,
		})
	})
	return made, err
}

// UpdateLevel stores what an operator made of the level's version l.Version. The code is kept whatever l says. Rights
// hold from now on; orders that were placed keep what was frozen on them.
func (f *Flow) UpdateLevel(ctx context.Context, l distributor.Level, by base.Actor, reason string) (after distributor.Level, err error) {
	if reason, err = checkReason(reason); err != nil {
		return after, err
	}
	err = f.DB.InTx(ctx, "flow.update_level", func(ctx context.Context, tx *store.Tx) error {
		before, err := distributor.LevelOf(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		l.Code = before.Code
		if err := refuseLosingTerritory(ctx, tx, before, l); err != nil {
			return err
		}
		if err := distributor.UpdateLevel(ctx, tx, l); err != nil {
			return err
		}
		if after, err = distributor.LevelOf(ctx, tx, l.ID); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: by, Action: "level.update", Object: l.ID.String(), Before: before, After: after, Reason: reason,
		})
	})
	return after, err
}

// refuseLosingTerritory keeps the right to a territory while contracts of the level's distributors run.
func refuseLosingTerritory(ctx context.Context, tx *store.Tx, before, after distributor.Level) error {
	if !before.Rights.HoldTerritory || after.Rights.HoldTerritory {
		return nil
	}
	n, err := distributor.RunningContractsOfLevel(ctx, tx, before.ID)
	if err != nil {
		return err
	}
	if n > 0 {
		return distributor.ErrTerritoryKept
	}
	return nil
}

// SetLevelInput gives a distributor another level.
type SetLevelInput struct {
	ID      base.DistributorID
	Version int // of the distributor, as the operator saw it
	Level   base.LevelID
	By      base.Actor
	Reason  string
}

// SetLevel changes a distributor's level from the next order on, and writes the history. A partner with a running
// territory contract keeps a level that may hold one.
func (f *Flow) SetLevel(ctx context.Context, in SetLevelInput) (d distributor.Distributor, err error) {
	if in.Reason, err = checkReason(in.Reason); err != nil {
		return d, err
	}
	err = f.DB.InTx(ctx, "flow.set_level", func(ctx context.Context, tx *store.Tx) error {
		before, err := distributor.Lock(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		to, err := distributor.LevelOf(ctx, tx, in.Level)
		if err != nil {
			return err
		}
		if !to.Rights.HoldTerritory {
			if err := refuseTerritory(ctx, tx, in.ID); err != nil {
				return err
			}
		}
		err = distributor.SetLevel(ctx, tx, distributor.LevelChange{
			ID: in.ID, Version: in.Version, From: before.Level, To: to, By: in.By, Reason: in.Reason,
		})
		if err != nil {
			return err
		}
		if d, err = distributor.Get(ctx, tx, in.ID); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: in.By, Action: "distributor.level", Object: in.ID.String(), Reason: in.Reason,
			Before: map[string]any{"level": before.Level.Code}, After: map[string]any{"level": to.Code},
		})
	})
	return d, err
}

func refuseTerritory(ctx context.Context, tx *store.Tx, id base.DistributorID) error {
	n, err := distributor.RunningContracts(ctx, tx, id)
	if err != nil {
		return err
	}
	if n > 0 {
		return distributor.ErrTerritoryKept
	}
	return nil
}
