package flow

import (
	"context"
	"errors"
)

// each does one thing after the other for a job. One that fails holds up nobody else: the errors come together at the
// end, and done counts those that went well.
func each[T any](ctx context.Context, list []T, do func(context.Context, T) error) (done int, err error) {
	for _, one := range list {
		if ctx.Err() != nil {
			return done, errors.Join(err, ctx.Err())
		}
		if failed := do(ctx, one); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		done++
	}
	return done, err
}
