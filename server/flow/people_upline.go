package flow

import (
	"context"

	"fenxiao/server/base"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
)

// SetUplineInput gives a distributor another upline, or none.
type SetUplineInput struct {
	ID      base.DistributorID
	Version int                // of the distributor, as the operator saw it
	Upline  base.DistributorID // 0: none
	By      base.Actor
	Reason  string
}

// SetUpline changes who stands above a distributor. The graph stays a forest, also when two changes that together make
// a ring arrive at once. Nobody is paid for it while the upline payee is off.
func (f *Flow) SetUpline(ctx context.Context, in SetUplineInput) (d distributor.Distributor, err error) {
	if in.Reason, err = checkReason(in.Reason); err != nil {
		return d, err
	}
	err = f.DB.InTx(ctx, "flow.set_upline", func(ctx context.Context, tx *store.Tx) error {
		from, err := distributor.SetUpline(ctx, tx, distributor.UplineChange{
			ID: in.ID, Version: in.Version, To: in.Upline, By: in.By, Reason: in.Reason,
		})
		if err != nil {
			return err
		}
		if d, err = distributor.Get(ctx, tx, in.ID); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: in.By, Action: "distributor.upline", Object: in.ID.String(), Reason: in.Reason,
			Before: map[string]any{"upline": from}, After: map[string]any{"upline": in.Upline},
		})
	})
	return d, err
}
