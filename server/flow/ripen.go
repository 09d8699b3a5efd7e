package flow

import (
	"context"

	"fenxiao/server/domain/commission"
	"fenxiao/server/store"
)

// ripenChunk is how many rows one transaction makes ripe, so that it holds their locks shortly.
const ripenChunk = 500

// Ripen makes commissions ripe whose goods are received, whose after-sale window is over and that nothing holds, at
// most limit, and returns how many. From then on they belong to the period of this moment.
func (f *Flow) Ripen(ctx context.Context, limit int) (done int, err error) {
	for done < limit {
		chunk, n := min(ripenChunk, limit-done), 0
		err := f.DB.InTx(ctx, "flow.ripen", func(ctx context.Context, tx *store.Tx) (err error) {
			n, err = commission.Ripen(ctx, tx, chunk)
			return err
		})
		if err != nil {
			return done, err
		}
		done += n
		if n < chunk {
			break
		}
	}
	return done, nil
}
