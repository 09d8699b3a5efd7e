package flow

import (
	"context"

	"fenxiao/server/base"
	"fenxiao/server/base/reqid"
	"fenxiao/server/domain/distributor"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
)

// RealNameInput is a person's name and, where the tax policy needs it, ID number.
type RealNameInput struct {
	ID       base.DistributorID
	RealName string
	IDNo     string // empty: keep what is there
	By       base.Actor
}

// SetRealName seals and stores a distributor's papers. Another name than before is a change: its time is kept, because
// it is a risk sign. The same papers again change nothing.
func (f *Flow) SetRealName(ctx context.Context, in RealNameInput) (d distributor.Distributor, err error) {
	name, err := distributor.CheckRealName(in.RealName)
	if err != nil {
		return d, err
	}
	idNo, err := distributor.CheckIDNo(in.IDNo, f.DB.Clock.Now())
	if err != nil {
		return d, err
	}
	err = f.DB.InTx(ctx, "flow.set_real_name", func(ctx context.Context, tx *store.Tx) error {
		d, err = f.setRealName(ctx, tx, in, name, idNo)
		return err
	})
	return d, err
}

func (f *Flow) setRealName(ctx context.Context, tx *store.Tx, in RealNameInput, name, idNo string) (distributor.Distributor, error) {
	none := distributor.Distributor{}
	d, err := distributor.Lock(ctx, tx, in.ID)
	if err != nil {
		return none, err
	}
	oldName, err := f.Box.Open(distributor.RealNamePlace, d.RealNameEnc)
	if err != nil {
		return none, err
	}
	hash := f.Box.Blind(distributor.IDNoPlace, idNo)
	if name == oldName && (idNo == "" || hash == d.IDNoHash) {
		return d, nil
	}
	p := distributor.Papers{
		ID: d.ID, RealNameEnc: f.Box.Seal(distributor.RealNamePlace, name), IDNoEnc: d.IDNoEnc, IDNoHash: d.IDNoHash,
		Renamed: oldName != "" && oldName != name, By: in.By,
	}
	if idNo != "" {
		p.IDNoEnc, p.IDNoHash = f.Box.Seal(distributor.IDNoPlace, idNo), hash
	}
	if err := distributor.SetPapers(ctx, tx, d, p); err != nil {
		return none, err
	}
	err = auditlog.Write(ctx, tx, auditlog.Entry{
		ID: tx.NextID(), RequestID: reqid.Of(ctx), Actor: in.By, Action: "distributor.real_name", Object: d.ID.String(),
		After: map[string]any{"renamed": p.Renamed, "has_id_no": p.IDNoEnc != ""}, // never the papers themselves
	})
	if err != nil {
		return none, err
	}
	return distributor.Get(ctx, tx, d.ID)
}
