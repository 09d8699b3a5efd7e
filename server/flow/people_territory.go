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

// CreateContract gives regions to a city partner. An id that is there already returns that contract. Of two contracts
// that want one region at one time, one is refused.
func (f *Flow) CreateContract(ctx context.Context, c distributor.Contract, by base.Actor) (made distributor.Contract, err error) {
	err = f.DB.InTx(ctx, "flow.create_contract", func(ctx context.Context, tx *store.Tx) error {
		made, err = distributor.ContractOf(ctx, tx, c.ID)
		if errs.CodeOf(err) != distributor.ErrContractNotFound.Code {
			return err
		}
		if err := distributor.CreateContract(ctx, tx, c, by); err != nil {
			return err
		}
		made, err = distributor.ContractOf(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: by, Action: "territory.create", Object: c.ID.String(), After: made,
		})
	})
	return made, err
}

// EndContract ends a territory contract now. Orders that were placed keep what was frozen on them.
func (f *Flow) EndContract(ctx context.Context, in distributor.End) (after distributor.Contract, err error) {
	if in.Reason, err = checkReason(in.Reason); err != nil {
		return after, err
	}
	err = f.DB.InTx(ctx, "flow.end_contract", func(ctx context.Context, tx *store.Tx) error {
		before, err := distributor.ContractOf(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		if err := distributor.EndContract(ctx, tx, in); err != nil {
			return err
		}
		if after, err = distributor.ContractOf(ctx, tx, in.ID); err != nil {
			return err
		}
		return auditlog.Write(ctx, tx, auditlog.Entry{
			ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: in.By, Action: "territory.end", Object: in.ID.String(), Reason: in.Reason,
			Before: map[string]any{"until_ms": before.UntilMs}, After: map[string]any{"until_ms": after.UntilMs},
		})
	})
	return after, err
}
