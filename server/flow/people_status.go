package flow

import (
	"context"

	"fenxiao/server/base"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
)

// PersonDecision is an operator's word about a distributor.
type PersonDecision struct {
	ID     base.DistributorID
	By     base.Actor
	Reason string
}

// Suspend stops a distributor from binding customers and from earning by orders placed from now on. What earlier orders
// earn goes on, unless it is held; a withdrawal goes to review.
func (f *Flow) Suspend(ctx context.Context, in PersonDecision) (distributor.Distributor, error) {
	return f.setStatus(ctx, in, distributor.Suspended, "distributor.suspend")
}

// Reactivate ends a suspension.
func (f *Flow) Reactivate(ctx context.Context, in PersonDecision) (distributor.Distributor, error) {
	return f.setStatus(ctx, in, distributor.Active, "distributor.reactivate")
}

func (f *Flow) setStatus(ctx context.Context, in PersonDecision, to distributor.Status, action string) (d distributor.Distributor, err error) {
	if in.Reason, err = checkReason(in.Reason); err != nil {
		return d, err
	}
	err = f.DB.InTx(ctx, "flow.distributor_status", func(ctx context.Context, tx *store.Tx) error {
		before, err := distributor.Get(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		err = distributor.SetStatus(ctx, tx, distributor.Move{ID: in.ID, From: before.Status, To: to, By: in.By, Reason: in.Reason})
		if err != nil {
			return err
		}
		d, err = distributor.Get(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: in.By, Action: action, Object: in.ID.String(), Reason: in.Reason,
			Before: map[string]any{"status": before.Status}, After: map[string]any{"status": to},
		})
	})
	return d, err
}
