package flow

import (
	"context"

	"fenxiao/server/base"
	"fenxiao/server/store"
	"fenxiao/server/store/inbox"
	"fenxiao/server/wechat"
)

// Indebted is what other moments call when somebody has fallen into debt.
func (f *Flow) Indebted(ctx context.Context, tx *store.Tx, d base.DistributorID) error {
	return f.indebted(ctx, tx, d)
}

// ApplyTransfers is what the inbox calls.
func (f *Flow) ApplyTransfers(ctx context.Context, tx *store.Tx, said []wechat.Transfer) ([]inbox.Result, error) {
	return f.applyTransfers(ctx, tx, said)
}
